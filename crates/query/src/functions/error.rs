//! What can go wrong inside a call.

use edn::Symbol;

use super::Arity;

/// Why a function could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// Too few or too many arguments.
    #[error("{function} takes {expected}, but got {got}")]
    Arity {
        /// The function.
        function: Symbol,
        /// What it takes.
        expected: Arity,
        /// What it got.
        got: usize,
    },
    /// An argument of a wrong type or shape.
    #[error("{function} expects {expected} as argument {}, but got {got} ({got_type})", position + 1)]
    Argument {
        /// The function.
        function: Symbol,
        /// Which argument, from 0.
        position: usize,
        /// What it expects.
        expected: &'static str,
        /// What it got, shortened.
        got: String,
        /// The type of what it got.
        got_type: &'static str,
    },
    /// A result beyond 64 bits.
    #[error("integer overflow in {function}: the result does not fit 64 bits")]
    Overflow {
        /// The function.
        function: Symbol,
    },
    /// A division by zero.
    #[error("division by zero in {function}")]
    DivideByZero {
        /// The function.
        function: Symbol,
    },
    /// A decimal quotient without an end.
    #[error("{function} has no exact decimal result")]
    EndlessDecimal {
        /// The function.
        function: Symbol,
    },
    /// An escape character before something that needs no escape.
    #[error(
        "in the pattern {pattern:?} of {function}, the escape {escape:?} may only stand before %, _ or itself"
    )]
    BadLikeEscape {
        /// `like` or `not-like`.
        function: Symbol,
        /// The pattern.
        pattern: String,
        /// The escape character.
        escape: char,
    },
    /// A regular expression that cannot be compiled.
    #[error("{pattern:?} is not a regular expression: {reason}")]
    BadRegex {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `get-else` with nothing to fall back to.
    #[error("the default value of {function} must not be nil")]
    NilDefault {
        /// The function.
        function: Symbol,
    },
    /// A function that reads a database was called without one.
    #[error("{function} needs a database as its first argument")]
    NeedsDatabase {
        /// The function.
        function: Symbol,
    },
    /// A search function for which there is no index.
    #[error("{function} needs an index of {index}, and this database has none")]
    NeedsIndex {
        /// The function.
        function: Symbol,
        /// The kind of index.
        index: &'static str,
    },
    /// A function given by name does not exist.
    #[error("unknown function {name}{}", hint(nearest))]
    Unknown {
        /// The name.
        name: String,
        /// A known name that looks like it.
        nearest: Option<String>,
    },
    /// A result that would be too large.
    #[error("{function} would yield more than {limit} elements")]
    TooLarge {
        /// The function.
        function: Symbol,
        /// The limit.
        limit: usize,
    },
    /// A failure that a function of a program reports.
    #[error("{message}")]
    Custom {
        /// What it says.
        message: String,
    },
    /// The database could not be read, or an entity could not be resolved.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl FunctionError {
    /// An error of a program's own function.
    pub fn custom(message: impl Into<String>) -> Self {
        Self::Custom { message: message.into() }
    }

    /// The stable code, in the vocabulary of the reference.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.code(),
            Self::NeedsIndex { .. } => ":query/index",
            _ => ":query/where",
        }
    }

    /// The class of the error, finer than its code.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Arity { .. } => "function-arity",
            Self::Argument { .. } => "bad-argument",
            Self::Overflow { .. } => "overflow",
            Self::DivideByZero { .. } => "divide-by-zero",
            Self::EndlessDecimal { .. } => "endless-decimal",
            Self::BadLikeEscape { .. } => "bad-like-escape",
            Self::BadRegex { .. } => "bad-regex",
            Self::NilDefault { .. } => "nil-default",
            Self::NeedsDatabase { .. } => "needs-database",
            Self::NeedsIndex { .. } => "no-search-domain",
            Self::Unknown { .. } => "unknown-function",
            Self::TooLarge { .. } => "too-large",
            Self::Custom { .. } => "function-failed",
            Self::Storage(error) => error.class(),
        }
    }
}

impl From<&str> for FunctionError {
    fn from(message: &str) -> Self {
        Self::custom(message)
    }
}

impl From<String> for FunctionError {
    fn from(message: String) -> Self {
        Self::custom(message)
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}
