//! Queries built in Rust instead of written as text: [`Query::find`](crate::Query::find) and what follows it.
//!
//! ```text
//! Query::find(..).pattern(..).filter(..)  --build-->  Form --the parser of texts--> ast::Query
//! ```
//!
//! A builder puts together the forms that a text would be read as, and gives them to the same parser: the same checks
//! are made, and a built query equals the one that its text parses to. Values stay values: a string given as a constant
//! is that string whatever it holds, so nothing that a user typed can become a clause.
//!
//! ```
//! use factum_query::Query;
//! use factum_query::build::*;
//!
//! let age = 30;
//! let query = Query::find([var("name"), var("age")])
//!     .pattern(var("e"), kw("person/name"), var("name"))
//!     .pattern(var("e"), kw("person/age"), var("age"))
//!     .filter(">", (var("age"), age))
//!     .not(pattern(var("e"), kw("person/status"), kw("retired")))
//!     .order_by(desc(var("age")))
//!     .limit(10)
//!     .build()?;
//!
//! let text = "[:find ?name ?age
//!              :where [?e :person/name ?name] [?e :person/age ?age] [(> ?age 30)]
//!                     (not [?e :person/status :retired])
//!              :order-by [?age :desc] :limit 10]";
//! assert_eq!(query.to_string(), factum_query::parse(text)?.to_string());
//! # Ok::<(), factum_query::Error>(())
//! ```
//!
//! Lists of things take one of them, an array, a vector, or, where their types differ, a tuple. Clauses are methods of
//! [`Conditions`], both on the query and on the [`Clauses`] that stand inside `not`, `or` and rules.
//!
//! ```
//! use factum_query::build::*;
//! use factum_query::{Query, Rules};
//!
//! let rules = Rules::define()
//!     .rule("reach", [var("a"), var("b")], pattern(var("a"), kw("to"), var("b")))
//!     .rule(
//!         "reach",
//!         [var("a"), var("b")],
//!         pattern(var("a"), kw("to"), var("c")).rule("reach", [var("c"), var("b")]),
//!     )
//!     .build()?;
//! assert_eq!(rules.to_string(), "[[(reach ?a ?b) [?a :to ?b]] [(reach ?a ?b) [?a :to ?c] (reach ?c ?b)]]");
//!
//! let query = Query::find_collection(var("to"))
//!     .inputs((source(""), rules_input(), var("from")))
//!     .rule("reach", [var("from"), var("to")])
//!     .build()?;
//! assert_eq!(query.to_string(), "[:find [?to ...] :in $ % ?from :where (reach ?from ?to)]");
//! # Ok::<(), factum_query::Error>(())
//! ```

mod clauses;
mod find;
mod inputs;
mod list;
mod query;
mod rules;
mod terms;
#[cfg(test)]
mod tests;

pub use clauses::{Clauses, Conditions, bind, filter, not, not_join, or, or_join, pattern, rule, terms};
pub use find::{
    Element, Operand, PullItem, aggregate, arithmetic, avg, count, count_distinct, max, min, nested, pull,
    pull_input, sum, wildcard,
};
pub use inputs::{Binding, Blank, Parameter, blank, each, plain, relation, rules_input, tuple};
pub use list::IntoList;
pub use query::{OrderColumn, OrderKey, QueryBuilder, asc, desc};
pub use rules::RulesBuilder;
pub use terms::{Argument, Callee, Function, Source, Term, Var, call, function, kw, source, subquery, var};
