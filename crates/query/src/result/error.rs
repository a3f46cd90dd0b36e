//! [`ResultError`]: what can go wrong between the rows of `:where` and the result.

use edn::{Span, Symbol, Value};

use crate::functions::FunctionError;
use crate::pull::PullError;

/// Why rows could not be shaped into the result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// An aggregate that nobody knows.
    #[error("unknown aggregate {name}")]
    UnknownAggregate {
        /// As written.
        name: Symbol,
        /// The nearest known one.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// A predicate of `:having` or an operator that nobody knows.
    #[error("unknown function {name}")]
    UnknownFunction {
        /// As written.
        name: Symbol,
        /// The nearest known one.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// `(aggregate ?f ?x)` without a function under `?f`.
    #[error("{name} is not a function among the inputs")]
    NotAFunction {
        /// The variable.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// An argument of an aggregate that no scalar input gives.
    #[error("{name} is not a scalar input")]
    NotAValue {
        /// The variable.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// An aggregate, an operator or a predicate failed.
    #[error("{source}")]
    Function {
        /// What failed.
        source: FunctionError,
        /// Where.
        span: Span,
    },
    /// A `:limit` that an input gives wrongly.
    #[error("the :limit {name} must be a positive integer, or negative for no limit, but is {got}")]
    BadLimit {
        /// The variable.
        name: Symbol,
        /// Its value.
        got: String,
        /// Where.
        span: Span,
    },
    /// An `:offset` that an input gives wrongly.
    #[error("the :offset {name} must be an integer that is not negative, but is {got}")]
    BadOffset {
        /// The variable.
        name: Symbol,
        /// Its value.
        got: String,
        /// Where.
        span: Span,
    },
    /// Values that have no common order.
    #[error("cannot order {left} and {right}: they are of different types")]
    Unlike {
        /// One value.
        left: String,
        /// The other.
        right: String,
        /// The key.
        span: Span,
    },
    /// A column that `:find` does not have.
    #[error("this column is not in :find")]
    OrderByUnknown {
        /// The key.
        span: Span,
    },
    /// A pull failed.
    #[error("{source}")]
    Pull {
        /// Why.
        source: PullError,
        /// The find element.
        span: Span,
    },
}

impl ResultError {
    pub(super) fn bad_limit(got: Option<&Value>, name: &Symbol, span: Span) -> Self {
        Self::BadLimit { name: name.clone(), got: describe(got), span }
    }

    pub(super) fn bad_offset(got: Option<&Value>, name: &Symbol, span: Span) -> Self {
        Self::BadOffset { name: name.clone(), got: describe(got), span }
    }

    /// The place in the query.
    pub fn span(&self) -> Span {
        match self {
            Self::UnknownAggregate { span, .. }
            | Self::UnknownFunction { span, .. }
            | Self::NotAFunction { span, .. }
            | Self::NotAValue { span, .. }
            | Self::Function { span, .. }
            | Self::BadLimit { span, .. }
            | Self::BadOffset { span, .. }
            | Self::Unlike { span, .. }
            | Self::OrderByUnknown { span }
            | Self::Pull { span, .. } => *span,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAggregate { .. } | Self::NotAFunction { .. } | Self::NotAValue { .. } => {
                ":query/aggregate"
            }
            Self::UnknownFunction { .. } => ":query/having",
            Self::Function { source, .. } => source.code(),
            Self::BadLimit { .. } | Self::BadOffset { .. } => ":prepared/query-inputs",
            Self::Unlike { .. } => ":query/order-by",
            Self::OrderByUnknown { .. } => ":parser/query",
            Self::Pull { source, .. } => source.code(),
        }
    }

    /// The class, finer than the code.
    pub fn class(&self) -> &'static str {
        match self {
            Self::UnknownAggregate { .. } => "unknown-aggregate",
            Self::UnknownFunction { .. } => "unknown-function",
            Self::NotAFunction { .. } => "not-a-function",
            Self::NotAValue { .. } => "not-a-scalar",
            Self::Function { source, .. } => source.class(),
            Self::BadLimit { .. } => "bad-limit",
            Self::BadOffset { .. } => "bad-offset",
            Self::Unlike { .. } => "unlike-types",
            Self::OrderByUnknown { .. } => "order-by-index",
            Self::Pull { source, .. } => source.class(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::UnknownAggregate { nearest, .. } | Self::UnknownFunction { nearest, .. } => {
                Some(match nearest {
                    Some(name) => format!("did you mean {name}?"),
                    None if matches!(self, Self::UnknownAggregate { .. }) => {
                        "aggregates of your own must be registered".into()
                    }
                    None => "conditions on groups call built-in functions".into(),
                })
            }
            Self::NotAFunction { .. } => Some("pass a function, or the quoted name of an aggregate".into()),
            _ => None,
        }
    }
}

fn describe(value: Option<&Value>) -> String {
    value.map_or_else(|| "not a scalar input".into(), Value::to_string)
}
