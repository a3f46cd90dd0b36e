//! An embedded database of facts, asked in Datalog.
//!
//! Factum keeps *datoms*, facts of the form (entity, attribute, value), in one LMDB file and answers Datomic-flavoured
//! Datalog queries over them. It runs inside your program: no server, no setup, one directory. It is not a
//! document store, has no SQL, and keeps no history: there is one state, changed by transactions.
//!
//! ```
//! use factum::Connection;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path();
//! let conn = Connection::open_with(
//!     path,
//!     "{:person/name   {:db/valueType :db.type/string :db/unique :db.unique/identity}
//!       :person/age    {:db/valueType :db.type/long}
//!       :person/friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}",
//! )?;
//!
//! conn.transact(
//!     r#"[{:person/name "Ann" :person/age 38 :person/friend [{:person/name "Bob" :person/age 41}
//!                                                            {:person/name "Cy"  :person/age 29}]}]"#,
//! )?;
//!
//! // A database is a value: it stays as it is, whatever is committed after.
//! let db = conn.db()?;
//! let older: Vec<(String, i64)> = db
//!     .query_with(
//!         "[:find ?name ?age
//!           :in $ ?who
//!           :where [?a :person/name ?who] [?a :person/friend ?f]
//!                  [?a :person/age ?mine] [?f :person/age ?age] [(< ?mine ?age)]
//!                  [?f :person/name ?name]]",
//!         ["Ann"],
//!     )?
//!     .rows()?;
//! assert_eq!(older, [("Bob".to_owned(), 41)]);
//! # Ok::<(), factum::Error>(())
//! ```
//!
//! # The model
//!
//! ```text
//! Connection --db()-------> Db  ------query, pull, entity, datoms-----> answers
//!     |                      |
//!     '--transact(data)      '--with(data)--> TxReport --db_after()--> Db   (nothing is written)
//!            |
//!            '------> TxReport: what changed, the new ids, the databases before and after
//! ```
//!
//! * A [`Connection`] is a database that changes. It is `Clone + Send + Sync`; one transaction is processed at a time.
//! * A [`Db`] is one state of it, for ever. It is `Clone + Send + Sync`, too, and reading never waits for writing.
//! * An **attribute** like `:person/age` needs no declaration, but a declared one can be typed, unique, many-valued, or
//!   a reference to other entities. An **entity** is a number that facts are about.
//! * **Transactions** are data: maps and vectors, in EDN text or built with [`Tx`]. All of it happens or nothing.
//! * **Queries** are data, too: patterns with variables that must hold together, in any order; rules, which may be
//!   recursive; aggregates. [`Db::explain`] shows how one is answered.
//!
//! # Rows as Rust types
//!
//! [`QueryResult::rows`] fills tuples and structs through serde, [`Db::pull_as`] whole trees:
//!
//! ```
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Person { name: String, age: u8, friends: Vec<Friend> }
//!
//! #[derive(Deserialize)]
//! struct Friend { name: String }
//!
//! # let db = factum::Db::empty("{:person/name {:db/unique :db.unique/identity}
//! #     :person/friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}")?
//! #     .with(r#"[{:person/name "Ann" :person/age 38 :person/friend [{:person/name "Bob"}]}]"#)?.db_after();
//! let ann: Person = db
//!     .pull_as(
//!         "[:person/name :person/age {[:person/friend :as :friends] [:person/name]}]",
//!         (":person/name", "Ann"),
//!     )?
//!     .expect("Ann is there");
//! assert_eq!((ann.name.as_str(), ann.age, ann.friends[0].name.as_str()), ("Ann", 38, "Bob"));
//! # Ok::<(), factum::Error>(())
//! ```
//!
//! # Queries without text
//!
//! Programs that put queries together build them from parts ([`build`]) instead of pasting text; what a user typed stays a
//! value. A built query equals the one that its text parses to, and goes wherever a text goes:
//!
//! ```
//! use factum::{Query, build::*};
//!
//! # let db = factum::Db::empty(())?.with(r#"[{:person/name "Ann" :person/age 38}]"#)?.db_after();
//! let typed_by_a_user = r#"Ann"] [?e :person/secret ?age"#;
//! let ages = Query::find_collection(var("age"))
//!     .pattern(var("e"), kw("person/name"), typed_by_a_user)
//!     .pattern(var("e"), kw("person/age"), var("age"));
//! assert_eq!(db.query(ages)?.len(), 0);
//! # Ok::<(), factum::Error>(())
//! ```
//!
//! # Large answers
//!
//! [`Db::stream`] is an iterator over rows that are made while they are asked for, so that an answer need not fit the
//! memory, and one that is not read to its end is not made to its end:
//!
//! ```
//! # use factum::Db;
//! # let db = Db::empty(())?.with("[{:stock/item :tea :stock/left 3} {:stock/item :rum :stock/left 0}]")?.db_after();
//! let mut total = 0;
//! for row in db.stream("[:find ?item ?left :where [?i :stock/item ?item] [?i :stock/left ?left]]", ())? {
//!     let (_item, left): (factum::Keyword, i64) = row?;
//!     total += left;
//! }
//! assert_eq!(total, 3);
//! # Ok::<(), factum::Error>(())
//! ```
//!
//! For Polars, DataFusion and other readers of Apache Arrow the feature `arrow` (`cargo add factum --features arrow`) adds
//! `QueryResult::to_record_batch`; it is not part of the default build. Its tests are run by
//! `cargo test -p factum --features arrow`.
//!
//! # What if
//!
//! [`Db::with`] applies a transaction to a value and commits nothing, so a question can be asked of a future that never
//! comes:
//!
//! ```
//! # use factum::Db;
//! let db = Db::empty(())?.with("[{:stock/item :tea :stock/left 3}]")?.db_after();
//! let later = db.with("[[:db/add 1 :stock/left 0]]")?.db_after();
//!
//! let sold_out = "[:find [?i ...] :where [?e :stock/left 0] [?e :stock/item ?i]]";
//! assert_eq!(later.query(sold_out)?.len(), 1);
//! assert_eq!(db.query(sold_out)?.len(), 0);
//! # Ok::<(), factum::Error>(())
//! ```
//!
//! # Mistakes
//!
//! Everything that can fail returns an [`Error`] with a stable [`code`](Error::code) and, for text, the place;
//! [`render`](Error::render) shows it. An unknown attribute is an error with [`Options::strict`], else the result
//! carries a warning that names the nearest attribute:
//!
//! ```
//! # use factum::Db;
//! # let db = Db::empty("{:person/name {:db/valueType :db.type/string}}")?;
//! let result = db.query("[:find ?n :where [_ :person/nmae ?n]]")?;
//! assert!(result.warnings()[0].to_string().contains("did you mean :person/name?"));
//! # Ok::<(), factum::Error>(())
//! ```
//!
//! # Limits
//!
//! Entity ids are 62-bit and never reused; attribute names reach 511 bytes; values of any size are kept, long ones
//! out of line. A snapshot that stays alive keeps the space of what was retracted since from being reused: let go of
//! old `Db` values in long-running programs. Do not put the file on a network file system.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::print_stdout))]

mod call;
mod connection;
mod db;
mod error;
mod inputs;
mod key_value;
mod options;
mod ordered_type;
mod prepared;
mod queue;
#[cfg(feature = "arrow")]
mod record_batch;
mod report;
mod result;
mod stat;
mod stream;
mod text;
mod transaction;

/// What most programs use, for `use factum::prelude::*`.
pub mod prelude {
    pub use crate::{
        Connection, Db, EntityBuilder, EntityId, Input, Keyword, Options, Prepared, Query, QueryResult,
        Transaction, Tx, TxReport, Value, inputs, lookup, values,
    };
}

pub use call::{call_function, explain, explain_under, function_names, is_function, query, query_under};
pub use connection::Connection;
pub use db::Db;
pub use error::{Error, Result};
pub use inputs::{Input, IntoInputs, ToValue};
pub use key_value::Kv;
pub use options::Options;
pub use ordered_type::{InOrder, OrderKey, OrderKeyPart, OrderedType};
pub use prepared::Prepared;
pub use queue::PendingTx;
pub use report::TxReport;
pub use result::QueryResult;
pub use stat::{Stat, TableInfo};
pub use stream::RowStream;
pub use text::{AsPattern, AsQuery, EntityRef, SchemaInput, TxInput, TypeInput};
pub use transaction::Transaction;

#[cfg(feature = "arrow")]
pub use {arrow_array, arrow_schema};

pub use edn::{self, Form, Keyword, Span, Symbol, Value};
pub use kv::{self, Durability};
pub use query::exec::CancelToken;
pub use query::pull::{PullError, PullOptions, PullPattern, PullWarning, Puller, Visit};
pub use query::{
    self as query_engine, ExplainOptions, Explanation, FindShape, FunctionError, FunctionRegistry, PlanCache,
    PlanCacheStats, Query, QueryFunction, QueryOptions, Rules, SourceText, Warning,
};
pub use query::{build, interpret};
pub use storage::entity::{Entity, EntityValue};
pub use storage::transact::{
    EntityBuilder, TransactError, TransactErrorKind, Tx, TxFunctions, TxValue, lookup,
};
pub use storage::types::{RegisteredType, TypeDefinition, TypeFunctions};
pub use storage::{
    self, Attribute, Cardinality, CheckReport, Datom, Datoms, EntityId, Index, Schema, SchemaPatch, Unique,
    ValueType,
};

/// The page on registered types, run as doctests.
#[cfg(doctest)]
mod types_guide {
    #![doc = include_str!("../../../docs/types.md")]
}

/// The query guide's recipes, run as doctests.
#[cfg(doctest)]
mod guide {
    #![doc = include_str!("../../../docs/guide.md")]
}

/// The transaction guide's recipes, run as doctests.
#[cfg(doctest)]
mod transaction_guide {
    #![doc = include_str!("../../../docs/transactions.md")]
}

/// The key-value guide's recipes, run as doctests.
#[cfg(doctest)]
mod key_value_guide {
    #![doc = include_str!("../../../docs/key-value.md")]
}
