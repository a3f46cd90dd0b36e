//! Why planning or running a query failed.

use std::time::Duration;

use edn::{Span, Symbol};

/// An error of planning or execution. Nothing is left behind: a query only reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// A clause needs variables that nothing can bind.
    #[error("insufficient bindings: {} not bound by any clause that could run before", names(vars))]
    InsufficientBindings {
        /// The variables.
        vars: Vec<Symbol>,
        /// The clause.
        span: Span,
    },
    /// A search would have to start from an attribute that is kept out of the AVE index.
    #[error("attribute {attribute} is not indexed (:db/noindex): its entity must be bound by another clause")]
    Unindexed {
        /// The attribute.
        attribute: String,
        /// The clause.
        span: Span,
    },
    /// Bodies or rules stand inside each other too deeply.
    #[error("bodies and rules nest deeper than {max} levels")]
    NestedTooDeeply {
        /// The limit.
        max: usize,
    },
    /// A recursive rule whose `or`s multiply into too many bodies.
    #[error("the alternatives around the recursive calls of a rule multiply into more than {max} bodies")]
    TooManyVariants {
        /// The limit.
        max: usize,
        /// The rule.
        span: Span,
    },
    /// A call failed.
    #[error("{source}")]
    Call {
        /// The call.
        span: Span,
        /// What the function said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A function's result does not have the shape that its binding needs.
    #[error("cannot bind {got} to {expected}")]
    Binding {
        /// The clause.
        span: Span,
        /// The shape.
        expected: &'static str,
        /// The value, shortened.
        got: String,
    },
    /// A function's result has fewer elements than its binding has variables.
    #[error("not enough elements in {got} to bind a tuple of {wanted}")]
    BindingArity {
        /// The clause.
        span: Span,
        /// Elements that the binding takes.
        wanted: usize,
        /// The value, shortened.
        got: String,
    },
    /// A pattern names more positions than a tuple of its collection has.
    #[error("the pattern has {positions} positions, but a tuple of the collection has only {width}")]
    TupleWidth {
        /// The clause.
        span: Span,
        /// Positions of the pattern.
        positions: usize,
        /// Elements of the tuple.
        width: usize,
    },
    /// A database pattern over a collection, or the other way round.
    #[error("source number {source_id} is not a {expected}")]
    WrongSource {
        /// Which source.
        source_id: u16,
        /// What the clause needs.
        expected: &'static str,
    },
    /// The time limit passed.
    #[error("the query took longer than {} ms", limit.as_millis())]
    Timeout {
        /// The limit.
        limit: Duration,
        /// When it was noticed.
        elapsed: Duration,
    },
    /// More rows were produced than allowed.
    #[error("the query produced more than {limit} rows on its way")]
    RowBudget {
        /// The limit.
        limit: u64,
        /// Rows so far.
        rows: u64,
    },
    /// More memory was needed than allowed.
    #[error("the query needs more than {limit} bytes of memory")]
    MemoryBudget {
        /// The limit.
        limit: u64,
        /// Bytes asked for.
        bytes: u64,
    },
    /// Someone cancelled the query.
    #[error("the query was cancelled")]
    Cancelled,
    /// The database could not be read.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl ExecError {
    /// The clause that is to blame, where there is one.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::InsufficientBindings { span, .. }
            | Self::Unindexed { span, .. }
            | Self::Call { span, .. }
            | Self::TooManyVariants { span, .. }
            | Self::Binding { span, .. }
            | Self::BindingArity { span, .. }
            | Self::TupleWidth { span, .. } => Some(*span),
            _ => None,
        }
    }

    /// The stable code, in the vocabulary of the reference.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InsufficientBindings { .. } | Self::Call { .. } => ":query/where",
            Self::Unindexed { .. } => ":query/unindexed-attribute",
            Self::NestedTooDeeply { .. } | Self::TooManyVariants { .. } => ":query/nesting",
            Self::Binding { .. } | Self::BindingArity { .. } | Self::TupleWidth { .. } => ":query/binding",
            Self::WrongSource { .. } => ":query/source",
            Self::Timeout { .. } => ":query/timeout",
            Self::RowBudget { .. } => ":query/row-limit",
            Self::MemoryBudget { .. } => ":query/memory-limit",
            Self::Cancelled => ":query/cancelled",
            Self::Storage(_) => ":storage/read",
        }
    }
}

fn names(vars: &[Symbol]) -> String {
    vars.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A result of planning or execution.
pub type Result<T, E = ExecError> = std::result::Result<T, E>;
