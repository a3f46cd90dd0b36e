//! [`Error`]: everything that can go wrong between a query's text and its result.

use std::fmt;

use edn::{Span, render_snippet};

use crate::functions::FunctionError;
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
    /// A function failed outside `:where`: in an aggregate, in `:having` or in arithmetic.
    #[error("{source}")]
    Function {
        /// What failed.
        source: FunctionError,
        /// The find element or condition.
        span: Span,
    },
    /// The database could not be read.
    #[error("{0}")]
    Storage(#[from] storage::Error),
}

impl ErrorKind {
    fn span(&self) -> Option<Span> {
        match self {
            Self::Read(error) => Some(error.span()),
            Self::Function { span, .. } => Some(*span),
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
        self.text.locate(self.kind.span()?).map(|(_, span)| span)
    }

    /// The error with the line it is about, underlined.
    pub fn render(&self) -> String {
        match self.kind.span().and_then(|span| self.text.locate(span)) {
            Some((text, span)) => format!("{self}\n{}", render_snippet(text, span, "")),
            None => self.to_string(),
        }
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
