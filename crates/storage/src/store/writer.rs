//! [`Writer`]: the writer's turn, from which transactions are staged and committed together.

use std::sync::Arc;

use edn::Value;
use kv::{OwnedWriteTxn, WriteTxn};

use super::commit;
use super::file::FileStore;
use super::memory::{MemoryStore, TurnGuard};
use crate::db::Db;
use crate::db::base::Base;
use crate::error::Result;
use crate::schema::Schema;
use crate::transact::{TransactError, TxData, TxFunctions, TxReport, transact};

/// The exclusive right to write. Transactions are staged one after another, each seeing the ones before, and become
/// visible and durable together with [`commit`](Self::commit); dropping the writer forgets them.
///
/// It owns what it needs, but stays on the thread that made it, as LMDB demands.
pub struct Writer {
    target: Target,
    db: Db,
}

enum Target {
    File { file: Arc<FileStore>, txn: OwnedWriteTxn, base: Arc<Base>, schema: Arc<Schema> },
    Memory { turn: TurnGuard },
}

impl Writer {
    pub(super) fn of_file(file: Arc<FileStore>) -> Result<Self> {
        let txn = file.env().write_owned()?;
        // Taken inside the turn: nobody can commit after it.
        let db = file.db()?;
        let base = db.base.clone().expect("a database of a file has a base");
        let schema = db.schema().clone();
        Ok(Self { target: Target::File { file, txn, base, schema }, db })
    }

    pub(super) fn of_memory(memory: Arc<MemoryStore>) -> Result<Self> {
        let turn = MemoryStore::take_turn(memory)?;
        Ok(Self { db: turn.memory().db(), target: Target::Memory { turn } })
    }

    /// The state with everything staged so far.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Stages a transaction; if it is refused, what was staged before stays.
    pub fn transact<'a>(
        &mut self,
        data: impl Into<TxData<'a>>,
        meta: Value,
        functions: &TxFunctions,
    ) -> Result<TxReport, TransactError> {
        let report = transact(&self.db, data, meta, functions)?;
        self.db = report.db_after.clone();
        Ok(report)
    }

    /// Stages a database made from [`db`](Self::db), for instance by a change of the schema.
    pub fn set_db(&mut self, db: Db) {
        self.db = db;
    }

    /// Lends the file's write transaction to `work`, for writes to user tables in the same commit; nothing happens
    /// in memory, where there are none.
    pub fn with_txn<R>(&mut self, work: impl for<'e> FnOnce(&mut WriteTxn<'e>) -> R) -> Option<R> {
        match &mut self.target {
            Target::File { txn, .. } => Some(txn.with(work)),
            Target::Memory { .. } => None,
        }
    }

    /// Forgets what was staged and gives up the file's transaction, to be written to directly.
    pub(super) fn into_txn(self) -> OwnedWriteTxn {
        match self.target {
            Target::File { txn, .. } => txn,
            Target::Memory { .. } => unreachable!("only writers of files have a transaction"),
        }
    }

    /// Makes everything staged visible, and durable unless the file was opened otherwise.
    pub fn commit(self) -> Result<Db> {
        match self.target {
            Target::File { file, mut txn, base, schema } => {
                let same_base = self.db.base.as_ref().is_some_and(|own| Arc::ptr_eq(own, &base));
                assert!(same_base, "only what was made from the writer's own database can be committed");
                txn.with(|txn| commit::write(txn, file.tables(), &base, &schema, &self.db))?;
                let next_schema = self.db.schema().clone();
                txn.commit()?;
                file.remember_schema(next_schema);
                file.db()
            }
            Target::Memory { turn } => {
                turn.memory().set(self.db.clone());
                Ok(self.db)
            }
        }
    }
}
