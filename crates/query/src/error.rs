//! [`Error`]: everything that can go wrong between a query's text and its result.

use std::fmt;

use edn::{Span, render_snippet};

use crate::analyse::AnalyseError;
use crate::exec::ExecError;
use crate::functions::FunctionError;
use crate::parse::ParseError;
use crate::result::ResultError;
use crate::source_text::SourceText;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a query failed. Nothing is left behind: a query only reads.
///
/// Its display is one line; [`render`](Error::render) shows the place in the text, too.
pub struct Error {
    kind: Box<ErrorKind>,
    text: SourceText,
}

/// The kinds of [`Error`], by the stage that found them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not EDN.
    #[error("{0}")]
    Read(#[from] edn::Error),
    /// The query or its rules are not well formed.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// The query does not fit its inputs, its rules or a schema.
    #[error("{0}")]
    Analyse(#[from] AnalyseError),
    /// Planning or execution failed.
    #[error("{0}")]
    Exec(#[from] ExecError),
    /// The rows could not be shaped into the result.
    #[error("{0}")]
    Result(#[from] ResultError),
    /// The database could not be read.
    #[error("{0}")]
    Storage(#[from] storage::Error),
}

impl ErrorKind {
    fn span(&self) -> Option<Span> {
        match self {
            Self::Read(error) => Some(error.span()),
            Self::Parse(error) => Some(error.span()),
            Self::Analyse(error) => Some(error.span()),
            Self::Exec(error) => error.span(),
            Self::Result(error) => Some(error.span()),
            Self::Storage(_) => None,
        }
    }
}

impl Error {
    /// An error about this text.
    pub(crate) fn new(kind: impl Into<ErrorKind>, text: &SourceText) -> Self {
        Self { kind: Box::new(kind.into()), text: text.clone() }
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The place in the text, if the query was read from one.
    pub fn span(&self) -> Option<Span> {
        self.place().map(|(_, span)| span)
    }

    /// A text and the place in it. Unreadable text may be wrong at its very end, where the span is empty.
    fn place(&self) -> Option<(&str, Span)> {
        match &*self.kind {
            ErrorKind::Read(error) => self.text.first().map(|text| (text, error.span())),
            kind => self.text.locate(kind.span()?),
        }
    }

    /// The stable code, in the vocabulary of the reference.
    pub fn code(&self) -> &'static str {
        match &*self.kind {
            ErrorKind::Read(_) => ":parser/edn",
            ErrorKind::Parse(error) => error.code(),
            ErrorKind::Analyse(error) => error.code(),
            ErrorKind::Exec(error) => called(error).map_or_else(|| error.code(), |(code, _)| code),
            ErrorKind::Result(error) => error.code(),
            ErrorKind::Storage(error) => error.code(),
        }
    }

    /// The class of the error, finer than its code.
    pub fn class(&self) -> &'static str {
        match &*self.kind {
            ErrorKind::Read(_) => "unreadable",
            ErrorKind::Parse(error) => error.class(),
            ErrorKind::Analyse(error) => error.class(),
            ErrorKind::Exec(error) => called(error).map_or_else(|| exec_class(error), |(_, class)| class),
            ErrorKind::Result(error) => error.class(),
            ErrorKind::Storage(error) => error.class(),
        }
    }

    /// What to do about it, where there is something to say.
    pub fn help(&self) -> Option<String> {
        match &*self.kind {
            ErrorKind::Parse(error) => error.help(),
            ErrorKind::Analyse(error) => error.help(),
            ErrorKind::Result(error) => error.help(),
            _ => None,
        }
    }

    /// The error as people want to see it: what is wrong, where, and what to do about it.
    ///
    /// ```
    /// let error = factum_query::parse("[:find ?m :where [?e :name ?n]]").unwrap_err();
    /// assert_eq!(
    ///     error.render(),
    ///     "error[:parser/query]: the query asks for unknown vars: ?m occurs neither in :where nor in :in\n\
    ///     \x20 1 | [:find ?m :where [?e :name ?n]]\n\
    ///     \x20   |        ^^\n\
    ///     help: did you mean ?e?\n"
    /// );
    /// ```
    pub fn render(&self) -> String {
        let mut out = format!("error[{}]: {self}\n", self.code());
        if let Some((text, span)) = self.place() {
            out.push_str(&render_snippet(text, span, ""));
        }
        if let Some(help) = self.help() {
            out.push_str(&format!("help: {help}\n"));
        }
        out
    }
}

/// Code and class of what a call failed with: a function's error, or that of a nested query.
fn called(error: &ExecError) -> Option<(&'static str, &'static str)> {
    let ExecError::Call { source, .. } = error else { return None };
    let function = source.downcast_ref::<FunctionError>().map(|error| (error.code(), error.class()));
    function.or_else(|| source.downcast_ref::<Error>().map(|error| (error.code(), error.class())))
}

pub(crate) fn exec_class(error: &ExecError) -> &'static str {
    match error {
        ExecError::InsufficientBindings { .. } => "insufficient-bindings",
        ExecError::NestedTooDeeply { .. } => "nested-too-deeply",
        ExecError::Unindexed { .. } => "unindexed-attribute",
        ExecError::Call { .. } => "function-failed",
        ExecError::Binding { .. } => "binding-type",
        ExecError::BindingArity { .. } => "binding-arity",
        ExecError::TupleWidth { .. } => "tuple-width",
        ExecError::WrongSource { .. } => "unknown-source",
        ExecError::Timeout { .. } => "timeout",
        ExecError::RowBudget { .. } => "row-limit",
        ExecError::MemoryBudget { .. } => "memory-limit",
        ExecError::Cancelled => "cancelled",
        ExecError::Storage(error) => error.class(),
        _ => "not-executable",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.kind, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.kind, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.kind)
    }
}
