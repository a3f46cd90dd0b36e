//! What can go wrong while a file is built.

use std::path::PathBuf;

/// Why a file could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is a file already, and it may not be replaced.
    #[error("{} exists already", path.display())]
    Exists {
        /// Where the file was to be built.
        path: PathBuf,
    },
    /// No LMDB file has pages of that size.
    #[error("a page of {bytes} bytes is impossible: a power of two from 512 to 32768 is needed")]
    PageSize {
        /// The size asked for.
        bytes: usize,
    },
    /// The table cannot be built so.
    #[error("table {table:?}: {reason}")]
    Table {
        /// The table's name.
        table: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Keys or the values of a key did not come in ascending order, or came twice.
    #[error("table {table:?}: {part} {found:02x?} does not come after {before:02x?}")]
    Unsorted {
        /// The table's name.
        table: String,
        /// `key` or `value`.
        part: &'static str,
        /// The last one that was pushed.
        before: Vec<u8>,
        /// The one that should have come before it.
        found: Vec<u8>,
    },
    /// A key or value is too short or too long.
    #[error("table {table:?}: a {part} of {size} bytes, where LMDB wants {min} to {max}")]
    Size {
        /// The table's name.
        table: String,
        /// `key` or `value`.
        part: &'static str,
        /// Its size.
        size: usize,
        /// The least size.
        min: usize,
        /// The greatest size.
        max: usize,
    },
    /// The file could not be written.
    #[error("the file could not be written: {0}")]
    Io(#[from] std::io::Error),
}

impl BuildError {
    /// A stable name of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            BuildError::Exists { .. } => ":build/exists",
            BuildError::PageSize { .. } => ":build/page-size",
            BuildError::Table { .. } => ":build/table",
            BuildError::Unsorted { .. } => ":build/unsorted",
            BuildError::Size { .. } => ":build/size",
            BuildError::Io(_) => ":build/io",
        }
    }
}
