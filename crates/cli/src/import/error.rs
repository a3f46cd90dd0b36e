//! What can be wrong with an input; every error names the file and, where there is one, the line.

use std::io;
use std::path::PathBuf;

use edn::{Keyword, Span, Value, render_snippet};

/// Why an import was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// An earlier import of the same file was stopped, and nobody said what to do about it.
    #[error("{}: an earlier import of this file was stopped after {committed} records; --resume goes on from there, --restart begins again", path.display())]
    Unfinished {
        /// The input.
        path: PathBuf,
        /// How many records it had committed.
        committed: usize,
    },
    /// No such file, no permission, a damaged archive, ..
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The input.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The name does not tell the format.
    #[error("{}: the name does not tell the format; say --input-format jsonl, json, csv or edn", path.display())]
    UnknownFormat {
        /// The input.
        path: PathBuf,
    },
    /// Bytes that are no text.
    #[error("{}:{line}: not UTF-8 text", path.display())]
    NotUtf8 {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
    },
    /// A line that is not JSON, or not an object.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Json {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// Its column, from 1.
        column: usize,
        /// The text of the line.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A line that does not fit its header.
    #[error("{}:{line}: {reason}", path.display())]
    Csv {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// Text that is not EDN.
    #[error("{}:{line}: {}", path.display(), rendered.lines().next().unwrap_or_default())]
    Edn {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The reader's message with its place.
        rendered: String,
    },
    /// EDN that is not a map.
    #[error("{}:{line}: expected a map, found a {found}", path.display())]
    NotAMap {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The type of what stands there.
        found: &'static str,
    },
    /// A map key that cannot name an attribute.
    #[error("{}:{line}: the key {found} cannot name an attribute; use a keyword, a symbol or a string", path.display())]
    BadKey {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The key.
        found: Value,
    },
    /// `--id` or `--ref` names a key that no record has.
    #[error("no record has the key {key:?}{}", nearest.as_ref().map_or_else(String::new, |name| format!(", did you mean {name:?}?")))]
    UnknownKey {
        /// The key.
        key: String,
        /// A key that looks like it.
        nearest: Option<String>,
    },
    /// A record without its `--id` key.
    #[error("{}:{line}: this record has no {key:?}, which --id asks for", path.display())]
    NoId {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The key.
        key: String,
    },
    /// An identity that is a list or a map.
    #[error("{}:{line}: {found} cannot identify a record; one plain value is needed", path.display())]
    BadId {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The value.
        found: Value,
    },
    /// A reference to something that no identity can be.
    #[error("{}:{line}: {attribute} refers to {found}, a {}, but {id} holds {expected} values", path.display(), found.type_name())]
    BadRef {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The reference attribute.
        attribute: Keyword,
        /// The value.
        found: Value,
        /// The attribute of the identities.
        id: Keyword,
        /// Its type.
        expected: String,
    },
    /// Several values for an attribute that the database declares single-valued.
    #[error("{}:{line}: {attribute} is single-valued in the database, but this record has {count} values", path.display())]
    ManyForOne {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The attribute.
        attribute: Keyword,
        /// Values in the record.
        count: usize,
    },
    /// The database refused a record.
    #[error("{}:{line}: {reason}; {committed} records before it are in the database", path.display())]
    Refused {
        /// The input.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The database's message.
        reason: String,
        /// Records that were committed in earlier batches.
        committed: usize,
    },
}

impl ImportError {
    /// The line that is to blame.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::NotUtf8 { line, .. }
            | Self::Json { line, .. }
            | Self::Csv { line, .. }
            | Self::Edn { line, .. }
            | Self::NotAMap { line, .. }
            | Self::BadKey { line, .. }
            | Self::NoId { line, .. }
            | Self::BadId { line, .. }
            | Self::BadRef { line, .. }
            | Self::ManyForOne { line, .. }
            | Self::Refused { line, .. } => Some(*line),
            _ => None,
        }
    }

    /// The message and, where the text is at hand, the place under a caret.
    pub fn render(&self) -> String {
        match self {
            Self::Json { path, line, column, text, reason } => {
                let at = text.char_indices().nth(column - 1).map_or(text.len(), |(at, _)| at);
                let snippet = render_snippet(text, Span::new(at, at + 1), "");
                // The snippet was made from one line alone; give it the line's own number.
                let snippet = snippet.replacen("  1 |", &format!("{line:>3} |"), 1);
                format!("{}:{line}:{column}: {reason}\n{snippet}", path.display())
            }
            Self::Edn { path, rendered, .. } => format!("{}: {rendered}", path.display()),
            other => format!("{other}\n"),
        }
    }
}
