//! [`Error`]: everything that a call of this crate can fail with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use edn::{Span, render_snippet};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed; the database is as it was before.
///
/// Each error answers the same four questions, so most callers need not look at the variants: [`code`](Self::code)
/// for programs, [`class`](Self::class) for finer distinctions, [`span`](Self::span) for editors, and
/// [`render`](Self::render) for people:
///
/// ```
/// # use factum::Db;
/// let db = Db::empty(())?;
/// let error = db.query("[:find ?n\n :where [?e :name ?n] [(< ?age 30)]]").unwrap_err();
/// assert_eq!(error.code(), ":query/where");
/// println!("{}", error.render()); // the line of the query with ?age underlined
/// # Ok::<(), factum::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Text that is not EDN: transaction data, a schema, options.
    #[error("{source}")]
    Read {
        /// What the reader says.
        source: edn::Error,
        /// What was read.
        text: Arc<str>,
    },
    /// A query that cannot be understood, planned or run.
    #[error(transparent)]
    Query(#[from] query::Error),
    /// A pull pattern that cannot be understood or followed.
    #[error("{source}")]
    Pull {
        /// What is wrong.
        source: query::pull::PullError,
        /// The pattern, if it was text.
        text: Option<Arc<str>>,
    },
    /// Transaction data that cannot be applied.
    #[error("{source}")]
    Transact {
        /// What is wrong.
        source: storage::transact::TransactError,
        /// The data, if it was text.
        text: Option<Arc<str>>,
    },
    /// Values, indexes and entity references.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A built-in function that was called directly.
    #[error("{source}")]
    Function {
        /// What it says.
        #[from]
        source: query::FunctionError,
    },
    /// A row that does not have the shape of the type it was asked as.
    #[error("row {row} does not fit {expected}: {source}")]
    Row {
        /// Which row, from 0.
        row: usize,
        /// The Rust type.
        expected: &'static str,
        /// What does not fit.
        source: edn::Error,
    },
    /// Something is at the path where a new database was to be made.
    #[error("there is something at {} already", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// An option that does not exist or does not take this value.
    #[error("{option}: {reason}")]
    Option {
        /// The option.
        option: String,
        /// What is wrong.
        reason: String,
    },
    /// An explicit transaction was used after it had been aborted.
    #[error("the transaction has ended")]
    TransactionEnded,
    /// An explicit transaction took too long; nothing of it is kept.
    #[error("the transaction took longer than {limit:?} and was taken back")]
    TransactionTimeout {
        /// How long it might take.
        limit: Duration,
    },
    /// Something that only a file has was asked of a database in memory.
    #[error("a database in memory has no key-value tables")]
    InMemory,
    /// A listener or a callback waits for a transaction that this very thread must carry out.
    #[error("the thread that commits cannot wait for a later commit")]
    WouldWaitForItself,
    /// A transaction function panicked in an asynchronous transaction.
    #[error("a function of the transaction panicked")]
    FunctionPanicked,
    /// An answer that Arrow cannot hold.
    #[cfg(feature = "arrow")]
    #[error("{}no record batch of Arrow: {source}", arrow_column(column))]
    Arrow {
        /// The column, if one is to blame.
        column: Option<String>,
        /// What Arrow says.
        source: arrow_schema::ArrowError,
    },
    /// The system has no thread for a stream of rows.
    #[error("no thread for the rows: {source}")]
    Thread {
        /// What the system says.
        source: std::io::Error,
    },
    /// The connection was closed.
    #[error("the connection{} is closed", place(path))]
    Closed {
        /// Its path, unless it was in memory.
        path: Option<PathBuf>,
    },
}

fn place(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or_else(String::new, |path| format!(" to {}", path.display()))
}

#[cfg(feature = "arrow")]
fn arrow_column(column: &Option<String>) -> String {
    column.as_ref().map_or_else(String::new, |column| format!("column {column}: "))
}

impl From<storage::transact::TransactError> for Error {
    fn from(source: storage::transact::TransactError) -> Self {
        Self::Transact { source, text: None }
    }
}

impl From<query::pull::PullError> for Error {
    fn from(source: query::pull::PullError) -> Self {
        Self::Pull { source, text: None }
    }
}

impl From<kv::Error> for Error {
    fn from(source: kv::Error) -> Self {
        Self::Storage(source.into())
    }
}

impl Error {
    /// An error of reading `text`, for data that was read by the caller.
    pub fn read(source: edn::Error, text: &str) -> Self {
        Self::Read { source, text: text.into() }
    }

    /// A stable code, such as `:transact/unique`, that programs can rely on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { source, .. } => source.code(),
            Self::Query(error) => error.code(),
            Self::Pull { source, .. } => source.code(),
            Self::Transact { source, .. } => source.code(),
            Self::Storage(error) => error.code(),
            Self::Row { .. } => ":result/shape",
            Self::Function { source } => source.code(),
            Self::Exists { .. } => ":store/exists",
            Self::Option { .. } => ":options/invalid",
            Self::TransactionEnded => ":transaction/ended",
            Self::TransactionTimeout { .. } => ":transaction/timeout",
            Self::InMemory => ":connection/in-memory",
            Self::WouldWaitForItself => ":transaction/deadlock",
            Self::FunctionPanicked => ":transact/function",
            #[cfg(feature = "arrow")]
            Self::Arrow { .. } => ":result/arrow",
            Self::Thread { .. } => ":system/thread",
            Self::Closed { .. } => ":connection/closed",
        }
    }

    /// The kind of mistake, finer than the code: `unique-conflict`, `insufficient-bindings`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Read { source, .. } => source.class(),
            Self::Query(error) => error.class(),
            Self::Pull { source, .. } => source.class(),
            Self::Transact { source, .. } => source.class(),
            Self::Storage(error) => error.class(),
            Self::Row { .. } => "type-mismatch",
            Self::Function { source } => source.class(),
            Self::Exists { .. } => "exists",
            Self::Option { .. } => "bad-option",
            Self::TransactionEnded => "transaction-ended",
            Self::TransactionTimeout { .. } => "transaction-timeout",
            Self::InMemory => "in-memory",
            Self::WouldWaitForItself => "would-deadlock",
            Self::FunctionPanicked => "function-panicked",
            #[cfg(feature = "arrow")]
            Self::Arrow { .. } => "no-record-batch",
            Self::Thread { .. } => "no-thread",
            Self::Closed { .. } => "connection-closed",
        }
    }

    /// Where in the text that was given, in bytes, if the mistake is in a text.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Read { source, .. } => Some(source.span()),
            Self::Query(error) => error.span(),
            Self::Pull { source, .. } => source.span(),
            Self::Transact { source, .. } => source.span(),
            _ => None,
        }
    }

    /// Which item of the transaction data is to blame, counted from zero.
    pub fn item(&self) -> Option<usize> {
        if let Self::Transact { source, .. } = self { source.item() } else { None }
    }

    /// The error with the text that its place counts from, for data that was read by the caller.
    #[must_use]
    pub fn with_text(mut self, source: &str) -> Self {
        if let Self::Pull { text, .. } | Self::Transact { text, .. } = &mut self {
            text.get_or_insert_with(|| source.into());
        }
        self
    }

    /// What may help, if there is more to say than the message does.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } => source.hint().map(str::to_owned),
            Self::Transact { source, .. } => source.hint().map(str::to_owned),
            Self::Storage(source) => source.hint().map(str::to_owned),
            Self::Query(error) => error.help(),
            Self::TransactionEnded => Some("begin another one".to_owned()),
            #[cfg(feature = "arrow")]
            Self::Arrow { source: arrow_schema::ArrowError::OffsetOverflowError(_), .. } => {
                Some("ask for fewer rows at a time, with :offset and :limit".to_owned())
            }
            Self::InMemory => Some("open the connection on a path".to_owned()),
            Self::WouldWaitForItself => Some("use a callback, or wait on another thread".to_owned()),
            _ => None,
        }
    }

    /// The message for people: code, message, the place in the text under a caret, and a hint.
    pub fn render(&self) -> String {
        if let Self::Query(error) = self {
            return error.render();
        }
        if let Self::Read { source, text } = self {
            return source.render(text);
        }
        let mut out = format!("error[{}]: {self}\n", self.code());
        let text = match self {
            Self::Pull { text, .. } | Self::Transact { text, .. } => text.as_deref(),
            _ => None,
        };
        if let (Some(text), Some(span)) = (text, self.span()) {
            out.push_str(&render_snippet(text, span, ""));
        }
        if let Some(hint) = self.hint() {
            out.push_str(&format!("help: {hint}\n"));
        }
        out
    }
}
