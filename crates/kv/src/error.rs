//! [`Error`]: everything that can go wrong, one variant for each thing a caller may want to tell apart.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::codec::CodecError;
use crate::env::Holders;
use crate::flags::DbiFlags;
use crate::sys::Code;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
///
/// A failed operation leaves no trace: either the transaction goes on as if it had not been tried, or
/// ([`Error::ends_transaction`]) the whole transaction is lost and the database is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // --- opening ---
    /// There is no database and the options do not allow creating one.
    #[error("there is no database at {path}", path = path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The path is of the wrong kind, such as a file where a directory is wanted.
    #[error("{path} is {found}, but {expected} was expected", path = path.display())]
    WrongPathKind {
        /// The path as given.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What the options ask for.
        expected: &'static str,
    },
    /// The file was not written by LMDB, or its head is damaged.
    #[error("{path} is not an LMDB data file: {reason}", path = path.display())]
    ForeignFile {
        /// The data file.
        path: PathBuf,
        /// What gives it away.
        reason: String,
    },
    /// The file was written by a newer format than this program knows.
    #[error("{path} has format version {found}; this program reads up to {supported}", path = path.display())]
    FormatTooNew {
        /// The data file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// Another process has the lock file open in the layout of another LMDB.
    #[error("the lock file of {path} has the layout of another LMDB version", path = path.display())]
    LockVersion {
        /// The environment.
        path: PathBuf,
    },
    /// Neither locks nor shared memory work on a network file system.
    #[error("{path} is on a network file system ({kind}), where locks and shared memory do not work", path = path.display())]
    RemoteFileSystem {
        /// The environment.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// The directory or file may not be written.
    #[error("{path} cannot be written: {source}", path = path.display())]
    NotWritable {
        /// The path that was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The environment is open in this process with other options.
    #[error("{path} is open with {option} = {open}, which contradicts {requested}", path = path.display())]
    OptionsConflict {
        /// The environment.
        path: PathBuf,
        /// The option's name.
        option: &'static str,
        /// Its value in the open environment.
        open: String,
        /// The value asked for now.
        requested: String,
    },
    /// An earlier handle of this process on the environment is still in use, by a snapshot for instance.
    #[error("{path} is still in use in this process{holders}", path = path.display())]
    StillOpen {
        /// The environment.
        path: PathBuf,
        /// By whom, as far as is known.
        holders: Holders,
    },
    /// Somebody else writes to the data file, and one of the two has a write-ahead log.
    #[error("{path} is being written by another process, and one with a write-ahead log writes alone; close it there, or open the database read-only", path = path.display())]
    LogInUse {
        /// The environment.
        path: PathBuf,
    },
    /// The write-ahead log cannot be read. Both files are as they were.
    #[error("the write-ahead log {path} is damaged at byte {place}: {reason}; nothing was changed. Keep copies of it and of the data file; with the log moved away, the data file opens as it is, for `check` to look at", path = path.display())]
    LogDamaged {
        /// The log file.
        path: PathBuf,
        /// Where, in bytes from its beginning.
        place: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The write-ahead log and the data file do not belong together. Both are as they were.
    #[error("the write-ahead log {path} does not fit: {reason}; nothing was changed. Bring the right files together, or, to go on with the data file as it is, move the log away and check the data file", path = path.display())]
    LogMismatch {
        /// The log file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The machine, or a program with commits that only the log has, went down while the database was in use; what the log
    /// has must be carried over first.
    #[error("{path} must be recovered from first, which writes to the database; open it once without read_only", path = path.display())]
    NeedsRecovery {
        /// The log file.
        path: PathBuf,
    },
    /// The write-ahead log could not be written, so that nothing can be committed.
    #[error(
        "an earlier failure of the write-ahead log ({cause}) forbids further writes; close and open the database again"
    )]
    LogFailed {
        /// The failure.
        cause: String,
    },
    /// An option has a value that cannot work.
    #[error("option {option}: {reason}")]
    BadOption {
        /// The option's name.
        option: &'static str,
        /// Why it cannot work.
        reason: String,
    },
    /// The handle was opened before a fork and is used in the child.
    #[error("an environment opened before a fork cannot be used in the child process; open it again there")]
    Forked,

    // --- transactions ---
    /// The environment was opened read-only.
    #[error("the environment was opened read-only")]
    ReadOnly,
    /// This thread has a write transaction already; waiting for it would take for ever.
    #[error("this thread already has a write transaction; a second one would wait for it for ever")]
    WouldDeadlock,
    /// The write transaction of another thread did not end in time.
    #[error("another write transaction did not end within {waited:?}")]
    WriterBusy {
        /// How long this one waited.
        waited: Duration,
    },
    /// An earlier error has ended the transaction; nothing of it is kept.
    #[error("the transaction was ended by an earlier error ({cause}); nothing of it is kept")]
    TxnEnded {
        /// The earlier error.
        cause: String,
    },
    /// The operation is possible in a top-level transaction only.
    #[error("{operation} is not possible inside a nested transaction")]
    Nested {
        /// The operation.
        operation: &'static str,
    },
    /// All reader slots are in use.
    #[error("all {max} reader slots are in use")]
    ReadersFull {
        /// The number of slots.
        max: u32,
    },
    /// The data outgrew the map.
    #[error("the data does not fit the map of {map_size} bytes; open with a larger map_size")]
    MapFull {
        /// The size of the map.
        map_size: u64,
    },
    /// Another process gave the file a larger map than this process can see.
    #[error("another process has grown the map; close and open the environment to see all of it")]
    MapResized,
    /// The disk is full.
    #[error("no space is left on the device: {source}")]
    DiskFull {
        /// What the system said.
        source: io::Error,
    },
    /// The transaction touched more pages than LMDB can hold in one.
    #[error("the transaction is too large; split it")]
    TxnFull,

    // --- tables ---
    /// No table of that name exists.
    #[error("there is no table {name:?}{hint}", hint = did_you_mean(nearest.as_deref()))]
    NoSuchDbi {
        /// The name asked for.
        name: String,
        /// A name like it that exists.
        nearest: Option<String>,
    },
    /// The handle is of a table that was dropped; there is another of that name now.
    #[error("the handle of table {name:?} is of one that was dropped; open the new one")]
    StaleDbi {
        /// The table.
        name: String,
    },
    /// A dump holds a table that is here already, and not empty.
    #[error("table {name:?} is here already and is not empty; say whether to merge or to replace it")]
    TableExists {
        /// The table.
        name: String,
    },
    /// A list table cannot become a plain one, because a key has several values.
    #[error("table {name:?} has several values for a key, of which a plain table would keep only one")]
    WouldLose {
        /// The table.
        name: String,
    },
    /// A dump cannot be read.
    #[error("line {line} of the dump: {reason}")]
    BadDump {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The name is reserved or cannot be a table's name.
    #[error("{name:?} cannot be the name of a table: {reason}")]
    BadDbiName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// No more tables can be open.
    #[error(
        "table {name:?} cannot be opened: all {max} places for tables are taken; open with a larger max_dbis"
    )]
    DbisFull {
        /// The table that did not fit.
        name: String,
        /// The limit.
        max: u32,
    },
    /// The table exists with other flags.
    #[error("table {name:?} has flags {stored}, which contradict {requested}")]
    DbiFlagsConflict {
        /// The table.
        name: String,
        /// Its flags.
        stored: DbiFlags,
        /// The flags asked for.
        requested: DbiFlags,
    },
    /// The table exists with other options.
    #[error("table {name:?} has {option} {stored}, which contradicts {requested}")]
    DbiOptionsConflict {
        /// The table.
        name: String,
        /// The option.
        option: &'static str,
        /// Its stored value.
        stored: String,
        /// The value asked for.
        requested: String,
    },
    /// A rank of a table that is not counted.
    #[error("{operation} needs a counted table, and {name:?} is not counted")]
    NotCounted {
        /// The table.
        name: String,
        /// The operation.
        operation: &'static str,
    },
    /// A counted table was changed by a program that does not count.
    #[error("the counts of table {name:?} do not fit its contents; count it again")]
    CountsOutdated {
        /// The table.
        name: String,
    },
    /// The handle belongs to another environment.
    #[error("the handle of table {name:?} belongs to another environment")]
    ForeignDbi {
        /// The table.
        name: String,
    },
    /// A list operation on a plain table.
    #[error("{operation} needs a list table, and {name:?} is a plain one")]
    NotAList {
        /// The table.
        name: String,
        /// The operation.
        operation: &'static str,
    },
    /// Lists of two tables were to be compared whose values are sorted by different orders.
    #[error(
        "the lists of tables {left:?} and {right:?} have different orders, so they cannot be intersected"
    )]
    ListOrdersDiffer {
        /// One table.
        left: String,
        /// The other.
        right: String,
    },
    /// An operation for plain tables on a list table.
    #[error("{operation} needs a plain table, and {name:?} is a list table")]
    IsAList {
        /// The table.
        name: String,
        /// The operation.
        operation: &'static str,
    },

    // --- keys and values ---
    /// Keys and list items have at least one byte.
    #[error("an empty {what} cannot be stored in table {name:?}")]
    Empty {
        /// The table.
        name: String,
        /// `"key"` or `"list item"`.
        what: &'static str,
    },
    /// A key or list item is longer than LMDB can hold.
    #[error("a {what} of {len} bytes does not fit table {name:?}: the limit is {max}")]
    TooLong {
        /// The table.
        name: String,
        /// `"key"`, `"list item"` or `"value"`.
        what: &'static str,
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A key or list item has another size than all others of its table.
    #[error("a {what} of {len} bytes does not fit table {name:?}, where each has {expected}")]
    WrongSize {
        /// The table.
        name: String,
        /// `"key"` or `"list item"`.
        what: &'static str,
        /// Its length.
        len: usize,
        /// The size of all others.
        expected: usize,
    },
    /// The key, or the pair, is there already and the flags forbid to replace it.
    #[error("the key exists already in table {name:?}")]
    KeyExists {
        /// The table.
        name: String,
    },
    /// A put in append mode whose key or value is not greater than all before it.
    #[error("an append to table {name:?} is out of order")]
    OutOfOrder {
        /// The table.
        name: String,
    },

    /// A key, value or bound has no bytes in its table's type.
    #[error("table {name:?}: {source}")]
    Unencodable {
        /// The table.
        name: String,
        /// Why not.
        source: CodecError,
    },
    /// A write, as EDN, that cannot be read or stored.
    #[error("{form} is no write: {reason}")]
    BadForm {
        /// The form.
        form: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A range, as EDN, that is none.
    #[error("{form} is no range: {reason}")]
    BadRange {
        /// The form.
        form: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Stored bytes are not of the table's type.
    #[error("table {name:?}: {source} (bytes {bytes})", bytes = hex(bytes))]
    Undecodable {
        /// The table.
        name: String,
        /// The bytes.
        bytes: Box<[u8]>,
        /// What is wrong with them.
        source: CodecError,
    },

    // --- below ---
    /// The data file lost its end, as a copy does that was interrupted. Nothing was written to it.
    #[error("{path} is cut off: it has {found} of its {wanted} bytes ({problem}); copy it again from where it came, or take a backup", path = path.display())]
    CutOff {
        /// The data file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// Those that its pages need, if none of the last ones is free.
        wanted: u64,
        /// The first thing that is not there.
        problem: String,
    },
    /// The file is damaged.
    #[error("the database is damaged: {reason}")]
    Corrupted {
        /// What was found.
        reason: String,
    },
    /// Reading the file's pages failed.
    #[error(transparent)]
    Pages(lmdb_pages::Error),
    /// The system refused something else.
    #[error("{action} failed: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// LMDB gave an answer that should not happen here.
    #[error("{action} failed: {message} (LMDB code {code})")]
    Lmdb {
        /// What was being done.
        action: &'static str,
        /// LMDB's code.
        code: i32,
        /// LMDB's words for it.
        message: String,
    },
    /// The installed heed hides what this crate needs of it.
    #[error("this version of heed does not show its transactions; factum-kv must be adapted to it")]
    HeedChanged,
}

impl From<lmdb_pages::Error> for Error {
    fn from(error: lmdb_pages::Error) -> Self {
        Self::from_pages(error)
    }
}

/// The first bytes, as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const MAX: usize = 32;
    let mut text: String = bytes.iter().take(MAX).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > MAX {
        text.push_str("...");
    }
    text
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", did you mean {name:?}?")).unwrap_or_default()
}

impl Error {
    /// A stable name of the error's kind.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => ":kv/not-found",
            Self::WrongPathKind { .. } => ":kv/wrong-path-kind",
            Self::ForeignFile { .. } => ":kv/foreign-file",
            Self::FormatTooNew { .. } => ":kv/format-too-new",
            Self::LockVersion { .. } => ":kv/lock-version",
            Self::CutOff { .. } => ":kv/cut-off",
            Self::RemoteFileSystem { .. } => ":kv/remote-file-system",
            Self::NotWritable { .. } => ":kv/not-writable",
            Self::OptionsConflict { .. } => ":kv/duplicate-open",
            Self::StillOpen { .. } => ":kv/still-open",
            Self::LogInUse { .. } => ":kv/log-in-use",
            Self::LogDamaged { .. } => ":kv/log-damaged",
            Self::LogMismatch { .. } => ":kv/log-mismatch",
            Self::NeedsRecovery { .. } => ":kv/needs-recovery",
            Self::LogFailed { .. } => ":kv/log-failed",
            Self::BadOption { .. } => ":kv/bad-option",
            Self::Forked => ":kv/forked",
            Self::ReadOnly => ":kv/read-only",
            Self::WouldDeadlock => ":kv/would-deadlock",
            Self::WriterBusy { .. } => ":kv/writer-busy",
            Self::TxnEnded { .. } => ":kv/transaction-ended",
            Self::Nested { .. } => ":kv/nested",
            Self::ReadersFull { .. } => ":kv/readers-full",
            Self::MapFull { .. } => ":kv/map-full",
            Self::MapResized => ":kv/map-resized",
            Self::DiskFull { .. } => ":kv/disk-full",
            Self::TxnFull => ":kv/transaction-full",
            Self::NoSuchDbi { .. } => ":kv/no-such-dbi",
            Self::StaleDbi { .. } => ":kv/stale-dbi",
            Self::TableExists { .. } => ":kv/table-exists",
            Self::WouldLose { .. } => ":kv/would-lose",
            Self::BadDump { .. } => ":kv/bad-dump",
            Self::BadDbiName { .. } => ":kv/bad-dbi-name",
            Self::DbisFull { .. } => ":kv/dbis-full",
            Self::DbiFlagsConflict { .. } => ":kv/dbi-flags-conflict",
            Self::DbiOptionsConflict { .. } => ":kv/dbi-options-conflict",
            Self::NotCounted { .. } => ":kv/not-counted",
            Self::CountsOutdated { .. } => ":kv/counts-outdated",
            Self::ForeignDbi { .. } => ":kv/foreign-dbi",
            Self::NotAList { .. } => ":kv/not-a-list",
            Self::IsAList { .. } => ":kv/is-a-list",
            Self::ListOrdersDiffer { .. } => ":kv/list-orders-differ",
            Self::Empty { .. } => ":kv/empty",
            Self::TooLong { .. } => ":kv/too-long",
            Self::WrongSize { .. } => ":kv/wrong-size",
            Self::KeyExists { .. } => ":kv/key-exists",
            Self::OutOfOrder { .. } => ":kv/out-of-order",
            Self::BadForm { .. } => ":kv/bad-form",
            Self::BadRange { .. } => ":kv/bad-range",
            Self::Unencodable { source, .. } | Self::Undecodable { source, .. } => source.code(),
            Self::Corrupted { .. } | Self::Pages(_) => ":kv/corrupted",
            Self::Io { .. } => ":kv/io",
            Self::Lmdb { .. } => ":kv/lmdb",
            Self::HeedChanged => ":kv/heed-changed",
        }
    }

    /// What may help, if there is more to say than the message does.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoSuchDbi { nearest: None, .. } => "open-dbi and open-list-dbi (Env::open_dbi) make tables",
            Self::DbiFlagsConflict { .. } | Self::DbiOptionsConflict { .. } => {
                "open it with the flags and options that it has, or rebuild it with others by re-index (Env::re_index)"
            }
            Self::NotAList { .. } => {
                "open-list-dbi (DbiOptions::list) makes list tables; re-index with :dupsort among the flags turns a plain one into one"
            }
            Self::NotCounted { .. } => {
                "tables are counted if :counted is among their flags (DbiOptions::counted); re-index adds it"
            }
            Self::CountsOutdated { .. } => "re-index (Env::re_index) counts the table again",
            Self::WouldDeadlock => "do it through that transaction, or end that first",
            Self::OutOfOrder { .. } => {
                "appending is for keys, or items of a key, above all that are there; leave the flag away for others"
            }
            Self::TooLong { what: "key" | "list item", .. } => {
                "keys and list items are short by nature here; keep long data as the value of a plain table"
            }
            Self::Undecodable { source, .. } if source.hint().is_some() => return source.hint(),
            Self::Undecodable { .. } => {
                "read it with the type that it was written with; :raw shows any bytes"
            }
            Self::Unencodable { source, .. } => return source.hint(),
            _ => return None,
        })
    }

    /// The part of the system the error belongs to.
    pub fn class(&self) -> &'static str {
        "kv"
    }

    /// Whether the file is damaged; such an error is not to be retried.
    pub fn is_corruption(&self) -> bool {
        matches!(
            self,
            Self::Corrupted { .. }
                | Self::CutOff { .. }
                | Self::Pages(_)
                | Self::ForeignFile { .. }
                | Self::LogDamaged { .. }
        )
    }

    /// Whether the error ended the write transaction it happened in.
    pub fn ends_transaction(&self) -> bool {
        matches!(
            self,
            Self::MapFull { .. }
                | Self::DiskFull { .. }
                | Self::TxnFull
                | Self::LogFailed { .. }
                | Self::TxnEnded { .. }
                | Self::Corrupted { .. }
                | Self::Io { .. }
                | Self::Lmdb { .. }
        )
    }

    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { source },
            _ => Self::Io { action, source },
        }
    }

    /// The meaning of an LMDB code that does not depend on the operation.
    pub(crate) fn from_code(code: Code, action: &'static str) -> Self {
        Self::from_mdb(heed::MdbError::from_err_code(code.0), action)
    }

    /// The meaning of an error that heed passed on.
    pub(crate) fn from_heed(error: heed::Error, action: &'static str) -> Self {
        match error {
            heed::Error::Io(source) => Self::io(action)(source),
            heed::Error::Mdb(error) => Self::from_mdb(error, action),
            heed::Error::EnvAlreadyOpened => {
                Self::StillOpen { path: PathBuf::new(), holders: Holders::default() }
            }
            heed::Error::Encoding(error) | heed::Error::Decoding(error) => {
                Self::Lmdb { action, code: 0, message: error.to_string() }
            }
        }
    }

    /// The meaning of an error of reading pages.
    pub(crate) fn from_pages(error: lmdb_pages::Error) -> Self {
        match error {
            lmdb_pages::Error::Lease(error) => Self::from_heed(*error, "taking a snapshot"),
            lmdb_pages::Error::NotATable { name } => {
                Self::BadDbiName { name, reason: "the unnamed table holds a plain record of that name" }
            }
            other => Self::Pages(other),
        }
    }

    fn from_mdb(error: heed::MdbError, action: &'static str) -> Self {
        use heed::MdbError as Mdb;
        let damaged = |reason: &str| Self::Corrupted { reason: format!("{reason} ({action})") };
        match error {
            Mdb::PageNotFound => damaged("a page is missing"),
            Mdb::Corrupted => damaged("a page is of the wrong kind"),
            Mdb::Panic => damaged("an earlier commit failed half-way; open the environment again"),
            Mdb::Invalid => damaged("not an LMDB file"),
            Mdb::MapFull => Self::MapFull { map_size: 0 },
            Mdb::TxnFull => Self::TxnFull,
            Mdb::MapResized => Self::MapResized,
            Mdb::ReadersFull => Self::ReadersFull { max: 0 },
            Mdb::BadTxn => Self::TxnEnded { cause: "an earlier failure".to_owned() },
            Mdb::Other(code) => Self::io(action)(io::Error::from_raw_os_error(code)),
            other => {
                let code = Code(other.to_err_code());
                Self::Lmdb { action, code: code.0, message: code.text() }
            }
        }
    }
}
