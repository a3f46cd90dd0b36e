//! What can be wrong with a pull.

use edn::{Keyword, Span, Symbol, Value};

use crate::error::exec_class;
use crate::exec::ExecError;

/// Why a pull pattern was refused or could not be followed to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The text is not EDN.
    #[error("{0}")]
    Edn(#[from] edn::Error),
    /// Something else stands where a pattern should.
    #[error("a pull pattern is a vector such as [:person/name], not {found}")]
    NotSequential {
        /// What stands there.
        found: Value,
        /// Where.
        span: Span,
    },
    /// An item that is no attribute, wildcard, map or attribute with options.
    #[error(
        "{found} is not part of a pull pattern: expected :attribute, [:attribute option value ..], {{:attribute pattern}} or *"
    )]
    BadItem {
        /// The item.
        found: Value,
        /// Where.
        span: Span,
    },
    /// `{attr x}` where x is neither pattern nor recursion.
    #[error(
        "{found} cannot follow an attribute in a pull map: expected a pattern, a depth of at least 1, or ..."
    )]
    BadNested {
        /// What stands there.
        found: Value,
        /// Where.
        span: Span,
    },
    /// `{:db/id ..}`
    #[error(":db/id has no pattern of its own")]
    NestedId {
        /// Where.
        span: Span,
    },
    /// Patterns inside patterns inside patterns.
    #[error("pull patterns are nested more than {limit} deep")]
    NestedTooDeep {
        /// The limit.
        limit: usize,
        /// Where it was passed.
        span: Span,
    },
    /// `[* :limit 3]`
    #[error("the wildcard * takes no options")]
    WildcardOption {
        /// Where.
        span: Span,
    },
    /// An option that does not exist.
    #[error("{option} is not a pull option: expected one of :as, :limit, :default, :xform")]
    UnknownOption {
        /// The option as written.
        option: Value,
        /// Where.
        span: Span,
    },
    /// An odd number of option words.
    #[error("the pull option {option} has no value")]
    OptionWithoutValue {
        /// The option.
        option: Value,
        /// Where.
        span: Span,
    },
    /// A limit that is not a count.
    #[error(":limit must be a positive number, or nil for all values, not {found}")]
    BadLimit {
        /// What was given.
        found: Value,
        /// Where.
        span: Span,
    },
    /// A limit where there is only one value.
    #[error(":limit on {attribute}, which has :db.cardinality/one")]
    LimitOnSingle {
        /// The attribute.
        attribute: Keyword,
        /// Where the limit stands.
        span: Span,
    },
    /// A transformation that is not named by a symbol.
    #[error(":xform must be the name of a function, not {found}")]
    BadXform {
        /// What was given.
        found: Value,
        /// Where.
        span: Span,
    },
    /// A transformation that nobody knows.
    #[error("unknown function {name} in :xform{}", hint(nearest))]
    UnknownXform {
        /// Its name.
        name: Symbol,
        /// A known name that looks like it.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// Nesting, recursion or a reverse reference through something that is not a reference.
    #[error("{attribute} is followed to another entity, but its type is not :db.type/ref")]
    NotReference {
        /// The attribute as written.
        attribute: Keyword,
        /// Where.
        span: Span,
    },
    /// An attribute outside the schema, under the `strict` option.
    #[error("unknown attribute {attribute}{}", hint(nearest))]
    UnknownAttribute {
        /// The attribute as written.
        attribute: Keyword,
        /// A known attribute that looks like it.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// `:xform` raised an error.
    #[error(":xform {name} failed on {attribute}: {reason}")]
    Xform {
        /// The function.
        name: Symbol,
        /// The attribute as written.
        attribute: Keyword,
        /// What it said.
        reason: String,
    },
    /// Recursion went deeper than results may nest.
    #[error(
        "pull reached entity {entity} at depth {limit}, deeper than results may nest; bound the recursion with a number"
    )]
    TooDeep {
        /// The limit.
        limit: usize,
        /// The first entity beyond it.
        entity: u64,
    },
    /// Too many entities in one result.
    #[error("pull would visit more than {limit} entities; bound its recursion or limits")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The time given to the query or pull is over.
    #[error("pull took longer than it may")]
    Timeout,
    /// Somebody asked to stop.
    #[error("pull was cancelled")]
    Cancelled,
    /// The query that pulls has used up its time, its rows or its memory, or was cancelled.
    #[error(transparent)]
    Budget(Box<ExecError>),
    /// The database could not be read.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<ExecError> for PullError {
    fn from(error: ExecError) -> Self {
        Self::Budget(Box::new(error))
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(", did you mean {name}?"))
}

impl PullError {
    /// The error's code in Datalevin's vocabulary.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Edn(_) => ":edn/read",
            Self::UnknownAttribute { .. } => ":query/unknown-attribute",
            Self::Xform { .. } => ":pull/xform",
            Self::TooDeep { .. } => ":pull/depth",
            Self::TooLarge { .. } => ":pull/size",
            Self::Timeout => ":query/timeout",
            Self::Cancelled => ":query/cancelled",
            Self::Budget(error) => error.code(),
            Self::Storage(error) => error.code(),
            _ => ":parser/pull",
        }
    }

    /// The error's class: what kind of mistake it is.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Edn(_) => "parse-error",
            Self::UnknownAttribute { .. } => "unknown-attribute",
            Self::Xform { .. } => "function-failed",
            Self::TooDeep { .. } | Self::TooLarge { .. } => "limit-exceeded",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Budget(error) => exec_class(error),
            Self::Storage(error) => error.class(),
            _ => "pull-syntax",
        }
    }

    /// Where in the pattern's text, if it is a mistake in the text.
    pub fn span(&self) -> Option<Span> {
        self.place().filter(|span| *span != Span::default())
    }

    /// `0..0` for patterns that a program built.
    fn place(&self) -> Option<Span> {
        match self {
            Self::Edn(error) => Some(error.span()),
            Self::NotSequential { span, .. }
            | Self::BadItem { span, .. }
            | Self::BadNested { span, .. }
            | Self::NestedId { span }
            | Self::NestedTooDeep { span, .. }
            | Self::WildcardOption { span }
            | Self::UnknownOption { span, .. }
            | Self::OptionWithoutValue { span, .. }
            | Self::BadLimit { span, .. }
            | Self::LimitOnSingle { span, .. }
            | Self::BadXform { span, .. }
            | Self::UnknownXform { span, .. }
            | Self::NotReference { span, .. }
            | Self::UnknownAttribute { span, .. } => Some(*span),
            _ => None,
        }
    }
}
