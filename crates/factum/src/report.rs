//! [`TxReport`]: what a transaction did.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use edn::{Keyword, Value};
use storage::{Datom, EntityId};

use crate::Db;
use crate::db::Runtime;

/// What a transaction did, or would do, with the databases before and after it.
#[derive(Clone)]
pub struct TxReport {
    inner: storage::transact::TxReport,
    runtime: Arc<Runtime>,
}

impl TxReport {
    pub(crate) fn new(inner: storage::transact::TxReport, runtime: Arc<Runtime>) -> Self {
        Self { inner, runtime }
    }

    /// The database that the transaction started from.
    pub fn db_before(&self) -> Db {
        Db::new(self.inner.db_before.clone(), self.runtime.clone())
    }

    /// The database with the transaction's changes.
    pub fn db_after(&self) -> Db {
        Db::new(self.inner.db_after.clone(), self.runtime.clone())
    }

    /// Every fact that was added or retracted, in the order of effect.
    pub fn tx_data(&self) -> &[Datom] {
        &self.inner.tx_data
    }

    /// The entities of all tempids, and of `:db/current-tx`.
    pub fn tempids(&self) -> &BTreeMap<Value, EntityId> {
        &self.inner.tempids
    }

    /// The entity of one tempid.
    pub fn tempid(&self, tempid: impl Into<Value>) -> Option<EntityId> {
        self.inner.tempid(tempid)
    }

    /// The entity that stands for the transaction itself.
    pub fn tx_id(&self) -> EntityId {
        self.inner.tx_id
    }

    /// What the caller said about the transaction.
    pub fn tx_meta(&self) -> &Value {
        &self.inner.tx_meta
    }

    /// Attributes that were used for the first time.
    pub fn new_attributes(&self) -> &[Keyword] {
        &self.inner.new_attributes
    }

    /// `{:tx-data [[e a v added?] ..] :tempids {..} :tx-meta ..}`
    pub fn to_value(&self) -> Value {
        self.inner.to_value()
    }
}

impl fmt::Debug for TxReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
