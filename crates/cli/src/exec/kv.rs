//! What key-value forms work on: an open key-value store, or a write transaction of one.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use edn::{Span, Value};
use factum::Kv;
use factum::kv::codec::KeyType;
use factum::kv::{Dbi, DynTable, OwnedWriteTxn, Read, Ticket, WriteTxn};

use super::error::EvalError;
use super::item::OpenTransaction;
use super::known_types;

/// An open key-value store; clones are the same one.
#[derive(Clone)]
pub struct KvHandle {
    dir: PathBuf,
    /// Nothing once it is closed.
    store: Arc<Mutex<Option<Kv>>>,
}

impl KvHandle {
    pub fn new(kv: Kv) -> Self {
        Self { dir: kv.path().to_owned(), store: Arc::new(Mutex::new(Some(kv))) }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The store, unless it was closed.
    pub fn store(&self, span: Span) -> Result<Kv, EvalError> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(|| {
            EvalError::new(":kv/closed", format!("the store in {} is closed", self.dir.display()), span)
        })
    }

    pub fn is_closed(&self) -> bool {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Takes the store away; nothing if that has happened before.
    pub fn take(&self) -> Option<Kv> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A write transaction between its beginning and its end; clones are the same one.
#[derive(Clone)]
pub struct KvTxn(Rc<RefCell<TxnState>>);

struct TxnState {
    store: Kv,
    /// Nothing once it has ended.
    txn: Option<OwnedWriteTxn>,
    aborted: bool,
}

impl KvTxn {
    /// Begins one.
    pub fn begin(kv: &KvHandle, span: Span) -> Result<Self, EvalError> {
        let store = kv.store(span)?;
        let txn = store.write_owned().map_err(|error| EvalError::from_kv(&error, span))?;
        Ok(Self(Rc::new(RefCell::new(TxnState { store, txn: Some(txn), aborted: false }))))
    }

    /// The store that it writes to.
    pub fn store(&self) -> Kv {
        self.0.borrow().store.clone()
    }

    pub fn has_ended(&self) -> bool {
        self.0.borrow().txn.is_none()
    }

    /// Marks it to be taken back at its end.
    pub fn abort(&self) {
        self.0.borrow_mut().aborted = true;
    }

    /// Ends it: commits, unless it was aborted or `keep` is false; says whether it was committed.
    pub fn end(&self, keep: bool, span: Span) -> Result<bool, EvalError> {
        let (txn, aborted) = {
            let mut state = self.0.borrow_mut();
            (state.txn.take(), state.aborted)
        };
        match txn {
            Some(txn) if keep && !aborted => {
                txn.commit().map_err(|error| EvalError::from_kv(&error, span)).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    fn with<T>(
        &self,
        span: Span,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        match &mut self.0.borrow_mut().txn {
            Some(txn) => txn.with(f),
            None => Err(EvalError::new(":kv/transaction-ended", "the transaction has ended", span)),
        }
    }
}

/// What a form reads from or writes to.
#[derive(Clone)]
pub enum KvTarget {
    /// The newest committed state; writes are transactions of their own.
    Store(KvHandle),
    /// What a transaction has written so far.
    Txn(KvTxn),
    /// The same of a database's transaction, in the tables beside its facts.
    Facts(OpenTransaction),
}

impl KvTarget {
    /// Reads.
    pub fn read<T>(
        &self,
        span: Span,
        f: impl FnOnce(&dyn Read) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        match self {
            Self::Store(kv) => {
                let read = kv.store(span)?.read().map_err(|error| EvalError::from_kv(&error, span))?;
                f(&read)
            }
            Self::Txn(txn) => txn.with(span, |txn| f(txn)),
            Self::Facts(tx) => beside_facts(tx, span, |txn| f(txn)),
        }
    }

    /// Writes; in a store, as a transaction that is committed if `f` succeeds.
    pub fn write<T>(
        &self,
        span: Span,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        match self {
            Self::Store(kv) => {
                let store = kv.store(span)?;
                let mut txn = store.write().map_err(|error| EvalError::from_kv(&error, span))?;
                let made = f(&mut txn)?;
                txn.commit().map_err(|error| EvalError::from_kv(&error, span))?;
                Ok(made)
            }
            Self::Txn(txn) => txn.with(span, f),
            Self::Facts(tx) => beside_facts(tx, span, f),
        }
    }

    /// The handle on a table that exists.
    pub fn dbi(&self, name: &str, span: Span) -> Result<Dbi, EvalError> {
        let fail = |error| EvalError::from_kv(&error, span);
        match self {
            Self::Store(kv) => kv.store(span)?.existing_dbi(name).map_err(fail),
            // Also those that were made in the transaction.
            _ => self.write(span, |txn| txn.existing_dbi(name).map_err(fail)),
        }
    }
}

/// Lends the key-value side of a database's transaction.
fn beside_facts<T>(
    tx: &OpenTransaction,
    span: Span,
    f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, EvalError>,
) -> Result<T, EvalError> {
    let lent = match &mut *tx.borrow_mut() {
        Some(tx) => tx.kv(|txn| Ok(f(txn))),
        None => Err(factum::Error::TransactionEnded),
    };
    lent.map_err(|error| EvalError::from_factum(&error, span))?
}

/// A table with the types of a call; those that are not given are the ones stored with the table, or `:data`.
pub fn typed(
    read: &dyn Read,
    dbi: Dbi,
    key_type: Option<KeyType>,
    value_type: Option<KeyType>,
) -> factum::kv::Result<DynTable> {
    let table = DynTable::of_call(read, dbi, key_type, value_type)?;
    known_types::remember_type(Some(table.key_codec()));
    known_types::remember_type(Some(table.value_codec()));
    Ok(table)
}

/// An asynchronous transaction, to be waited for by `deref`.
#[derive(Clone)]
pub struct KvPending(Arc<Mutex<State>>);

enum State {
    Waiting(Ticket),
    Done(Result<(), EvalError>),
}

impl KvPending {
    pub fn new(ticket: Ticket) -> Self {
        Self(Arc::new(Mutex::new(State::Waiting(ticket))))
    }

    pub fn is_done(&self) -> bool {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Waiting(ticket) => ticket.is_done(),
            State::Done(_) => true,
        }
    }

    /// Waits for the end.
    pub fn wait(&self, span: Span) -> Result<Value, EvalError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match std::mem::replace(&mut *state, State::Done(Ok(()))) {
            State::Waiting(ticket) => ticket.wait().map_err(|error| EvalError::from_kv(&error, span)),
            State::Done(result) => result,
        };
        *state = State::Done(result.clone());
        result.map(|()| Value::keyword("transacted"))
    }
}
