//! [`Error`]: why a text is no EDN or does not fit a Rust type, and where.

use std::fmt;

use crate::form::Span;
use crate::print::preview;
use crate::snippet::render_snippet;
use crate::value::Value;

/// What went wrong, without the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// One value was asked for and the text holds none.
    #[error("there is no value in the text")]
    Empty,
    /// One value was asked for and something follows it.
    #[error("there is more text after the first value")]
    Trailing,
    /// The text ends inside a collection, or after a prefix such as a tag.
    #[error("the text ends inside {inside}")]
    UnexpectedEnd {
        /// The construct that is still open.
        inside: &'static str,
    },
    /// The text ends inside a string or a regular expression.
    #[error("the text ends inside a string")]
    UnterminatedString,
    /// A closing delimiter without an opening one.
    #[error("nothing is open that `{found}` could close")]
    Unopened {
        /// The closing delimiter.
        found: char,
    },
    /// A closing delimiter of the wrong kind.
    #[error("expected `{expected}`, found `{found}`")]
    Mismatched {
        /// The delimiter that would close the innermost open collection.
        expected: char,
        /// The delimiter that stands there.
        found: char,
    },
    /// A prefix (`#_`, `#tag`, `^`, `'`) at the end of its collection.
    #[error("{prefix} needs a form after it")]
    DanglingPrefix {
        /// The prefix.
        prefix: &'static str,
    },
    /// A map whose last key has no value.
    #[error("a map needs an even number of forms, this one has {count}")]
    OddMap {
        /// Forms between the braces.
        count: usize,
    },
    /// Two equal keys in one map.
    #[error("duplicate key {key} in a map")]
    DuplicateKey {
        /// The key as it prints (shortened when long).
        key: String,
    },
    /// Two equal elements in one set.
    #[error("duplicate element {element} in a set")]
    DuplicateElement {
        /// The element as it prints (shortened when long).
        element: String,
    },
    /// A token that starts like a number and is none.
    #[error("`{token}` is not a number")]
    InvalidNumber {
        /// The token.
        token: String,
    },
    /// A token with the shape of a number that stands for none, such as `1/0`.
    #[error("`{token}` is not a number: {reason}")]
    NumberRange {
        /// The token.
        token: String,
        /// Why not.
        reason: &'static str,
    },
    /// An integer outside of 64 bits without the suffix `N`.
    #[error("`{token}` does not fit a 64-bit integer")]
    IntegerOverflow {
        /// The token.
        token: String,
    },
    /// A number with more digits, or a decimal with a larger exponent, than the limits allow.
    #[error("a number is limited to {limit} {unit}")]
    NumberTooLong {
        /// The limit.
        limit: usize,
        /// What was counted.
        unit: &'static str,
    },
    /// A symbol or keyword that is malformed.
    #[error("`{token}` is not a valid {what}")]
    InvalidName {
        /// The token.
        token: String,
        /// `symbol`, `keyword`, `tag` or `namespace`.
        what: &'static str,
    },
    /// A backslash form that names no character.
    #[error("`{token}` is not a character")]
    InvalidCharacter {
        /// The token, with its backslash.
        token: String,
    },
    /// An escape that strings do not have.
    #[error("`{escape}` is not a string escape")]
    InvalidEscape {
        /// The escape.
        escape: String,
    },
    /// Notation of Clojure programs, or plainly foreign text, that is not EDN.
    #[error("{what} is not part of EDN")]
    NotEdn {
        /// The notation.
        what: String,
    },
    /// A built-in tag over a value that it cannot take.
    #[error("#{tag} cannot be read from {found}")]
    InvalidTagged {
        /// The tag.
        tag: &'static str,
        /// What stands under the tag.
        found: String,
    },
    /// Nesting beyond [`Limits::depth`](crate::Limits::depth).
    #[error("forms are nested more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A text longer than [`Limits::bytes`](crate::Limits::bytes).
    #[error("the text is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// More forms than [`Limits::nodes`](crate::Limits::nodes).
    #[error("the text has more than {limit} forms")]
    TooManyNodes {
        /// The limit.
        limit: usize,
    },
    /// A value does not have the shape that a Rust type asks for.
    #[error("{message}{}", shape_place(path))]
    Shape {
        /// Serde's description.
        message: String,
        /// The keys and indexes that lead to the value, outermost first.
        path: Vec<Value>,
    },
}

/// ` at [:rows 3 :age]`
fn shape_place(path: &[Value]) -> String {
    let steps: Vec<String> = path.iter().map(preview).collect();
    if steps.is_empty() { String::new() } else { format!(" at [{}]", steps.join(" ")) }
}

impl ErrorKind {
    /// A stable code of this kind, in the style of the query errors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => ":edn/empty",
            Self::Trailing => ":edn/trailing",
            Self::UnexpectedEnd { .. } | Self::UnterminatedString => ":edn/unexpected-end",
            Self::Unopened { .. } | Self::Mismatched { .. } => ":edn/delimiter",
            Self::DanglingPrefix { .. } => ":edn/dangling-prefix",
            Self::OddMap { .. } => ":edn/odd-map",
            Self::DuplicateKey { .. } => ":edn/duplicate-key",
            Self::DuplicateElement { .. } => ":edn/duplicate-element",
            Self::InvalidNumber { .. } => ":edn/number",
            Self::NumberRange { .. } => ":edn/number-range",
            Self::IntegerOverflow { .. } => ":edn/overflow",
            Self::InvalidName { .. } => ":edn/name",
            Self::InvalidCharacter { .. } => ":edn/character",
            Self::InvalidEscape { .. } => ":edn/escape",
            Self::NotEdn { .. } => ":edn/not-edn",
            Self::InvalidTagged { .. } => ":edn/tagged",
            Self::TooDeep { .. }
            | Self::TooLong { .. }
            | Self::TooManyNodes { .. }
            | Self::NumberTooLong { .. } => ":edn/limit",
            Self::Shape { .. } => ":edn/shape",
        }
    }
}

/// An error of the reader or of the serde bridge: what, where, and often how to mend it.
///
/// `Display` gives one line without the text; [`Error::render`] shows the place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Boxed, so that results stay small on the way through the reader.
    inner: Box<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    span: Span,
    hint: Option<String>,
    /// A second place that explains the first, such as the bracket that is still open.
    related: Option<(Span, &'static str)>,
}

/// The result of reading.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, span: Span) -> Self {
        Self { inner: Box::new(Inner { kind, span, hint: None, related: None }) }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_related(mut self, span: Span, label: &'static str) -> Self {
        self.inner.related = Some((span, label));
        self
    }

    /// The error seen from one level further out.
    pub(crate) fn below(mut self, step: impl FnOnce() -> Value) -> Self {
        if let ErrorKind::Shape { path, .. } = &mut self.inner.kind {
            path.insert(0, step());
        }
        self
    }

    /// Whether there is no text to point into.
    fn is_unplaced(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::Shape { .. }) && self.inner.span == Span::default()
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.inner.kind
    }

    /// Where, in bytes of the text that was read; `0..0` for errors of the serde bridge.
    pub fn span(&self) -> Span {
        self.inner.span
    }

    /// A suggestion for the person who wrote the text.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// A second place that explains the first, with its label.
    pub fn related(&self) -> Option<(Span, &'static str)> {
        self.inner.related
    }

    /// A stable code such as `:edn/duplicate-key`.
    pub fn code(&self) -> &'static str {
        self.inner.kind.code()
    }

    /// The class of the error in the vocabulary of the conformance cases.
    pub fn class(&self) -> &'static str {
        if let ErrorKind::Shape { .. } = self.inner.kind { "type-mismatch" } else { "parse-error" }
    }

    /// Whether more text could mend the error: a shell then asks for another line.
    pub fn is_incomplete(&self) -> bool {
        matches!(
            self.inner.kind,
            ErrorKind::Empty | ErrorKind::UnexpectedEnd { .. } | ErrorKind::UnterminatedString
        )
    }

    /// The error with the lines it points at; `text` must be the text that was read.
    ///
    /// ```
    /// let text = "{:a 1\n :a 2}";
    /// let error = factum_edn::read(text).unwrap_err();
    /// assert_eq!(
    ///     error.render(text),
    ///     "error[:edn/duplicate-key]: duplicate key :a in a map (line 2, column 2)\n  \
    ///        1 | {:a 1\n  \
    ///        2 |  :a 2}\n    \
    ///          |  ^^ this one\n"
    /// );
    /// ```
    pub fn render(&self, text: &str) -> String {
        if self.is_unplaced() {
            return format!("error[{}]: {}\n", self.code(), self.inner.kind);
        }
        let position = crate::snippet::Position::of(text, self.inner.span.start);
        let label = match self.inner.kind {
            ErrorKind::DuplicateKey { .. } | ErrorKind::DuplicateElement { .. } => "this one",
            _ => "",
        };
        let mut out = format!("error[{}]: {} ({position})\n", self.code(), self.inner.kind);
        out.push_str(&render_snippet(text, self.inner.span, label));
        if let Some((span, label)) = self.inner.related {
            out.push_str(&render_snippet(text, span, label));
        }
        if let Some(hint) = &self.inner.hint {
            out.push_str(&format!("help: {hint}\n"));
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.kind.fmt(f)?;
        if !self.is_unplaced() {
            write!(f, " (byte {})", self.inner.span.start)?;
        }
        if let Some(hint) = &self.inner.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
