//! Transactions: from transaction data to the next database, as a pure function. Nothing is written here; a store
//! commits the overlay of `db_after`.
//!
//! ```text
//! Form | Value | Tx --parse--> Item     by shape alone                              parse.rs
//!                    --resolve--> Subject, EncodedValue    idents and lookup refs gone  pass/resolve.rs
//!                    --allocate-> EntityId                 tempids gone                 tempids.rs
//!                    --stage----> Db + log of effects      redundancy, replacement      stage.rs
//!                    --finish---> TxReport                 composites, uniqueness, checks  pass/finish.rs
//! ```
//!
//! Items take effect one after another, each seeing what the earlier ones did. If a pass finds out that a tempid
//! which already got a new id stands for an existing entity, the pass runs to its end to learn as much as it can,
//! and the transaction starts over with what was learned.

use std::time::{SystemTime, UNIX_EPOCH};

use edn::{Form, Value};

mod builder;
mod error;
mod evolve;
mod functions;
mod interpreter;
mod parse;
mod pass;
mod report;
mod source;
mod stage;
mod tempids;

pub use builder::{EntityBuilder, Tx, TxValue, lookup};
pub use error::{SchemaChangeError, TransactError, TransactErrorKind};
pub use evolve::{index_attribute, update_schema, update_schema_if_revision};
pub(crate) use functions::function_name;
pub use functions::{Check, FunctionError, TxFunction, TxFunctions, ValuePredicate, other_kind};
pub(crate) use interpreter::is_written_function;
pub use interpreter::{InterpretError, InterpretErrorKind, InterpretedFunction, Interpreter};
pub use report::TxReport;

use self::source::Src;
use crate::Db;

/// Transaction data in any of its shapes.
#[derive(Clone, Copy, Debug)]
pub enum TxData<'a> {
    /// One form that is a sequence of items, or nil.
    Form(&'a Form),
    /// A list of items read from text.
    Forms(&'a [Form]),
    /// One value that is a sequence of items, or nil.
    Value(&'a Value),
    /// A list of items.
    Values(&'a [Value]),
    /// Items from the typed builder.
    Tx(&'a Tx),
}

impl<'a> From<&'a Form> for TxData<'a> {
    fn from(form: &'a Form) -> Self {
        Self::Form(form)
    }
}

impl<'a> From<&'a [Form]> for TxData<'a> {
    fn from(forms: &'a [Form]) -> Self {
        Self::Forms(forms)
    }
}

impl<'a> From<&'a Value> for TxData<'a> {
    fn from(value: &'a Value) -> Self {
        Self::Value(value)
    }
}

impl<'a> From<&'a [Value]> for TxData<'a> {
    fn from(values: &'a [Value]) -> Self {
        Self::Values(values)
    }
}

impl<'a> From<&'a Vec<Value>> for TxData<'a> {
    fn from(values: &'a Vec<Value>) -> Self {
        Self::Values(values)
    }
}

impl<'a> From<&'a Tx> for TxData<'a> {
    fn from(tx: &'a Tx) -> Self {
        Self::Tx(tx)
    }
}

/// The database that `data` makes of `db_before`, with a report of what changed.
///
/// ```
/// use factum_storage::transact::{TxFunctions, transact};
/// use factum_storage::{Db, DbOptions, Schema};
/// use edn::Value;
///
/// let db = Db::empty(Schema::built_in(), DbOptions::default());
/// let data = factum_edn_read(r#"[{:db/id "ada" :person/name "Ada"} [:db/add "ada" :person/age 36]]"#);
/// let report = transact(&db, &data, Value::Nil, &TxFunctions::new())?;
/// assert_eq!(report.tx_data.len(), 2);
/// assert_eq!(report.tempid("ada").map(|e| e.0), Some(1));
/// # fn factum_edn_read(text: &str) -> Value { edn::read(text).expect("valid EDN") }
/// # Ok::<(), factum_storage::transact::TransactError>(())
/// ```
pub fn transact<'a>(
    db_before: &Db,
    data: impl Into<TxData<'a>>,
    meta: Value,
    functions: &TxFunctions,
) -> Result<TxReport, TransactError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    transact_at(db_before, data, meta, functions, i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

/// [`transact`] at a given time, in milliseconds since 1970; it matters for automatic entity times only.
pub fn transact_at<'a>(
    db_before: &Db,
    data: impl Into<TxData<'a>>,
    meta: Value,
    functions: &TxFunctions,
    now: i64,
) -> Result<TxReport, TransactError> {
    pass::run(db_before, data.into(), meta, functions, now)
}

/// Whether transaction data has the right shape, which is all that can be said without a database. The grammar is in
/// `grammar/transaction.ebnf`.
///
/// ```
/// use factum_storage::transact::check_syntax;
///
/// let data = edn::read_form("[{:person/name \"Ada\"} [:db/add 1 :person/age]]").expect("valid EDN");
/// let error = check_syntax(&data).expect_err("a value is missing");
/// assert_eq!((error.class(), error.item()), ("bad-arity", Some(1)));
/// ```
pub fn check_syntax<'a>(data: impl Into<TxData<'a>>) -> Result<(), TransactError> {
    let check = |(index, src): (usize, Src<'_>)| {
        parse::check_item(src).map_err(|error| error.in_item(index).at(src.span()))
    };
    let check_all = |src| match parse::parse_sequence(src)? {
        Some(items) => items.iter().enumerate().try_for_each(check),
        None => Ok(()),
    };
    match data.into() {
        TxData::Form(form) => check_all(Src::Form(form)),
        TxData::Value(value) => check_all(Src::Value(value)),
        TxData::Forms(forms) => forms.iter().map(Src::Form).enumerate().try_for_each(check),
        TxData::Values(values) => values.iter().map(Src::Value).enumerate().try_for_each(check),
        TxData::Tx(tx) => tx.data_items().map(Src::Built).enumerate().try_for_each(check),
    }
}

/// Speculation: databases as values.
impl Db {
    /// What `data` would do to this database; nothing is written. Functions cannot be called by name here, see
    /// [`transact`].
    pub fn with<'a>(&self, data: impl Into<TxData<'a>>) -> Result<TxReport, TransactError> {
        transact(self, data, Value::Nil, &TxFunctions::new())
    }

    /// This database with `data` applied; nothing is written.
    pub fn db_with<'a>(&self, data: impl Into<TxData<'a>>) -> Result<Db, TransactError> {
        Ok(self.with(data)?.db_after)
    }
}
