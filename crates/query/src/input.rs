//! [`Input`]: what is given to a query for the parameters of its `:in`.

use std::fmt;
use std::sync::Arc;

use edn::Value;
use storage::Db;

use crate::ast::Rules;
use crate::functions::QueryFunction;

/// One input of a query.
#[derive(Clone)]
#[non_exhaustive]
pub enum Input {
    /// A database, for `$` and its like.
    Db(Db),
    /// A value: of a scalar, tuple, collection or relation binding; a collection as a source; rules as EDN or text.
    Value(Value),
    /// A function, for variables that are called.
    Function(QueryFunction),
    /// Rules that were parsed before, for `%`.
    Rules(Arc<Rules>),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Db(_) => f.write_str("Db"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Function(function) => write!(f, "{function:?}"),
            Self::Rules(rules) => write!(f, "{rules}"),
        }
    }
}

impl From<Db> for Input {
    fn from(db: Db) -> Self {
        Self::Db(db)
    }
}

impl From<&Db> for Input {
    fn from(db: &Db) -> Self {
        Self::Db(db.clone())
    }
}

impl From<QueryFunction> for Input {
    fn from(function: QueryFunction) -> Self {
        Self::Function(function)
    }
}

impl From<Rules> for Input {
    fn from(rules: Rules) -> Self {
        Self::Rules(Arc::new(rules))
    }
}

impl From<Value> for Input {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}
