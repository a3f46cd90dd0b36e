//! What can go wrong while reading an LMDB file without LMDB.

use crate::TableFlags;

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a snapshot could not be taken or a page could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes of a page contradict the file format: the file is damaged, or a writer ignored LMDB's locks.
    #[error("page {page} of the LMDB file is damaged: {reason}")]
    Corrupted {
        /// Number of the page in which the contradiction was found.
        page: u64,
        /// What contradicts the format.
        reason: &'static str,
    },
    /// The file's meta page is not one of LMDB's, or of a format version that this crate does not know.
    #[error("not an LMDB file of data version 1: {reason}")]
    NotLmdb {
        /// What was found instead.
        reason: &'static str,
    },
    /// LMDB refused to open the read transaction that keeps a snapshot alive.
    #[error("LMDB refused a read transaction: {0}")]
    Lease(#[source] Box<heed::Error>),
    /// The file could not be examined, mapped, read or written.
    #[error("the LMDB file could not be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// A writer committed faster than a snapshot could be taken, many times in a row.
    #[error("no consistent snapshot after {attempts} attempts: the meta pages change too fast")]
    Overtaken {
        /// How many leases were tried.
        attempts: u32,
    },
    /// The entry of that name in the main table is a plain value.
    #[error("{name:?} names a plain entry of the main table, not a table")]
    NotATable {
        /// The name that was asked for.
        name: String,
    },
    /// A table record of one snapshot was used with another.
    #[error("a table of transaction {table} was used with a snapshot of transaction {snapshot}")]
    ForeignTable {
        /// Transaction of the table's record.
        table: u64,
        /// Transaction of the snapshot.
        snapshot: u64,
    },
    /// The comparator of a cursor is not the one by which LMDB sorted the table.
    #[error("{order} is not the order of the {part} of a table with the flags {flags:?}")]
    WrongOrder {
        /// Name of the comparator.
        order: &'static str,
        /// `keys` or `duplicates`.
        part: &'static str,
        /// The table's flags.
        flags: TableFlags,
    },
}

impl Error {
    /// A stable name of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Corrupted { .. } => ":pages/corrupted",
            Error::NotLmdb { .. } => ":pages/not-lmdb",
            Error::Lease(_) => ":pages/lease",
            Error::Io(_) => ":pages/io",
            Error::Overtaken { .. } => ":pages/overtaken",
            Error::NotATable { .. } => ":pages/not-a-table",
            Error::ForeignTable { .. } => ":pages/foreign-table",
            Error::WrongOrder { .. } => ":pages/wrong-order",
        }
    }

    #[cold]
    pub(crate) fn corrupted(page: u64, reason: &'static str) -> Error {
        Error::Corrupted { page, reason }
    }
}

impl From<heed::Error> for Error {
    fn from(error: heed::Error) -> Error {
        match error {
            heed::Error::Io(error) => Error::Io(error),
            error => Error::Lease(Box::new(error)),
        }
    }
}
