//! Functions and predicates that queries call: the built-in ones and those that a program registers.
//!
//! ```text
//! name --FunctionRegistry::find--> Function --call(args)--> Value, or FunctionError
//!             user functions first,   └ arity, purity, operator: what analysis and planning may know about it
//!             then the built-in table
//! ```
//!
//! Functions work on decoded values. Whether a call may be turned into an index range or compared as bytes is
//! decided by who knows its [`Operator`]; the functions here define what the answer must be.

mod args;
mod arithmetic;
mod collections;
pub mod compare;
mod comparison;
mod entity;
pub(crate) mod error;
mod higher;
pub(crate) mod like;
mod logic;
pub(crate) mod membership;
pub(crate) mod number;
mod ordered;
mod regexes;
mod registry;
mod search;
mod strings;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;

use edn::{Symbol, Value};
use storage::Db;
use storage::types::RegisteredType;

pub(crate) use args::Args;
pub(crate) use collections::{elements, lookup};
pub use error::FunctionError;
pub(crate) use ordered::{Comparison, keys as order_keys};
pub use registry::{FunctionRegistry, QueryFunction};

/// A result of a function.
pub type Result<T, E = FunctionError> = std::result::Result<T, E>;

/// Something that a query can call.
pub struct Function {
    name: Symbol,
    arity: Arity,
    kind: Kind,
    pure: bool,
    operator: Option<Operator>,
    body: Body,
}

/// How many arguments a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    /// At least so many.
    pub min: usize,
    /// At most so many, if there is a bound.
    pub max: Option<usize>,
}

impl Arity {
    /// Exactly `count`.
    pub const fn exactly(count: usize) -> Self {
        Self { min: count, max: Some(count) }
    }

    /// `min` or more.
    pub const fn at_least(min: usize) -> Self {
        Self { min, max: None }
    }

    /// From `min` to `max`.
    pub const fn between(min: usize, max: usize) -> Self {
        Self { min, max: Some(max) }
    }

    /// Whether `count` arguments are allowed.
    pub fn accepts(self, count: usize) -> bool {
        count >= self.min && self.max.is_none_or(|max| count <= max)
    }
}

impl fmt::Display for Arity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        match self.max {
            Some(max) if max == self.min => write!(f, "{max} argument{}", plural(max)),
            Some(max) => write!(f, "{} to {max} arguments", self.min),
            None => write!(f, "at least {} argument{}", self.min, plural(self.min)),
        }
    }
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Yields a truth value.
    Predicate,
    /// Yields any value.
    Function,
}

/// The functions about which analysis and execution know more than their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessEq,
    /// `>`
    Greater,
    /// `>=`
    GreaterEq,
    /// `=`: equal values; integers of different size can be equal, integers and doubles never are.
    Equal,
    /// `not=`, `!=`
    NotEqual,
    /// `==`: equal numbers of any type.
    NumericEqual,
    /// `in`
    In,
    /// `not-in`
    NotIn,
    /// `like`
    Like,
    /// `not-like`
    NotLike,
    /// `and`
    And,
    /// `or`
    Or,
    /// `not`
    Not,
    /// `ground`, `identity`, `quote`, `untuple`: the argument itself.
    Identity,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `get-else`
    GetElse,
    /// `missing?`
    Missing,
}

/// What a call may look at beside its arguments.
#[derive(Clone, Copy, Default)]
pub struct CallContext<'a> {
    /// The database named by the call's source argument, for functions that take one.
    pub db: Option<&'a Db>,
    /// The functions that can be called by name, for `apply` and its like; the built-in ones if absent.
    pub registry: Option<&'a FunctionRegistry>,
}

/// How a function computes.
pub(crate) enum Body {
    /// From its arguments alone.
    Plain(fn(&Args<'_>) -> Result<Value>),
    /// From a database and its arguments; the source is not among the latter.
    Database(fn(&Db, &Args<'_>) -> Result<Value>),
    /// By calling other functions.
    HigherOrder(fn(&CallContext<'_>, &Args<'_>) -> Result<Value>),
    /// As a program wants.
    User(QueryFunction),
    /// A comparison by the order of a registered type.
    Ordered(Arc<RegisteredType>, Comparison),
}

impl Function {
    pub(crate) fn built_in(
        name: &str,
        arity: Arity,
        kind: Kind,
        operator: Option<Operator>,
        pure: bool,
        body: Body,
    ) -> Self {
        Self { name: Symbol::parse(name), arity, kind, pure, operator, body }
    }

    /// A function of a program, under the name by which errors call it.
    pub fn user(name: Symbol, function: QueryFunction) -> Self {
        let body = Body::User(function);
        Self { name, arity: Arity::at_least(0), kind: Kind::Function, pure: false, operator: None, body }
    }

    /// The same comparison by the order of a registered type; `None` if this compares nothing.
    pub(crate) fn ordered_by(&self, registered: &Arc<RegisteredType>) -> Option<Self> {
        let comparison = Comparison::of(self).filter(|_| self.is_built_in())?;
        Some(Self {
            name: self.name.clone(),
            arity: self.arity,
            kind: self.kind,
            pure: true,
            operator: None,
            body: Body::Ordered(registered.clone(), comparison),
        })
    }

    /// Its name.
    pub fn name(&self) -> &Symbol {
        &self.name
    }

    /// How many arguments it takes; a source is counted.
    pub fn arity(&self) -> Arity {
        self.arity
    }

    /// Whether it answers a question or computes a value.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is one of the built-in functions.
    pub fn is_built_in(&self) -> bool {
        !matches!(self.body, Body::User(_))
    }

    /// Whether equal arguments give equal results, so that calls may be repeated, moved and remembered. Functions
    /// of programs are not assumed to be pure.
    pub fn is_pure(&self) -> bool {
        self.pure
    }

    /// What it is, if analysis or execution may compute it in another way.
    pub fn operator(&self) -> Option<Operator> {
        self.operator
    }

    /// Whether its first argument is a database source.
    pub fn takes_source(&self) -> bool {
        matches!(self.body, Body::Database(_))
    }

    /// The result for arguments without a source.
    pub fn call(&self, args: &[Value]) -> Result<Value> {
        self.call_with(&CallContext::default(), args)
    }

    /// The result for `args`, which leave out the source where the function takes one.
    pub fn call_with(&self, context: &CallContext<'_>, args: &[Value]) -> Result<Value> {
        let given = args.len() + usize::from(self.takes_source());
        if !self.arity.accepts(given) {
            return Err(FunctionError::Arity {
                function: self.name.clone(),
                expected: self.arity,
                got: given,
            });
        }
        let call = Args::new(&self.name, args);
        match &self.body {
            Body::Plain(body) => body(&call),
            Body::Database(body) => match context.db {
                Some(db) => body(db, &call),
                None => Err(FunctionError::NeedsDatabase { function: self.name.clone() }),
            },
            Body::HigherOrder(body) => body(context, &call),
            Body::User(function) => function.call(args),
            Body::Ordered(registered, comparison) => comparison.call(registered, args),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

/// The built-in function of this name.
pub fn built_in(name: &Symbol) -> Option<&'static Arc<Function>> {
    table::find(name)
}

/// The names of all built-in functions.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    table::names()
}

/// What SQL and Rust call some of the functions.
const CALLED_ELSEWHERE: [(&str, &str); 15] = [
    ("upper", "clojure.string/upper-case"),
    ("ucase", "clojure.string/upper-case"),
    ("to-uppercase", "clojure.string/upper-case"),
    ("lower", "clojure.string/lower-case"),
    ("lcase", "clojure.string/lower-case"),
    ("to-lowercase", "clojure.string/lower-case"),
    ("length", "count"),
    ("len", "count"),
    ("size", "count"),
    ("concat", "str"),
    ("substr", "subs"),
    ("substring", "subs"),
    ("contains", "clojure.string/includes?"),
    ("coalesce", "get-else"),
    ("ifnull", "get-else"),
];

/// The function whose name looks like `name`, among the built-in ones and `others`. One of `clojure.string` is found without its
/// namespace, some by what they are called in other languages.
pub(crate) fn nearest<'a>(name: &str, others: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let qualified = format!("clojure.string/{name}");
    if built_in(&Symbol::parse(&qualified)).is_some() {
        return Some(qualified);
    }
    let elsewhere = CALLED_ELSEWHERE.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    if let Some((_, ours)) = elsewhere {
        return Some((*ours).to_owned());
    }
    let known: Vec<&str> =
        others.into_iter().chain(built_in_names().map(|name| -> &'a str { name })).collect();
    edn::nearest(name, known).map(str::to_owned)
}
