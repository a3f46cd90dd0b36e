//! [`Writer`]: the writer's turn, from which transactions are staged and committed together.

use std::sync::Arc;

use edn::Value;
use kv::WriteTxn;

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
pub struct Writer<'s> {
    target: Target<'s>,
    db: Db,
}

enum Target<'s> {
    File { file: &'s FileStore, txn: WriteTxn<'s>, base: Arc<Base>, schema: Arc<Schema> },
    Memory { memory: &'s MemoryStore, _turn: TurnGuard<'s> },
}

impl<'s> Writer<'s> {
    pub(super) fn of_file(file: &'s FileStore) -> Result<Self> {
        let txn = file.env().write()?;
        // Taken inside the turn: nobody can commit after it.
        let db = file.db()?;
        let base = db.base.clone().expect("a database of a file has a base");
        let schema = db.schema().clone();
        Ok(Self { target: Target::File { file, txn, base, schema }, db })
    }

    pub(super) fn of_memory(memory: &'s MemoryStore) -> Result<Self> {
        let turn = memory.take_turn()?;
        let db = memory.db();
        Ok(Self { target: Target::Memory { memory, _turn: turn }, db })
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

    /// The file's write transaction, for writes to user tables in the same commit; nothing in memory.
    pub fn txn(&mut self) -> Option<&mut WriteTxn<'s>> {
        match &mut self.target {
            Target::File { txn, .. } => Some(txn),
            Target::Memory { .. } => None,
        }
    }

    /// Forgets what was staged and gives up the file's transaction, to be written to directly.
    pub(super) fn into_txn(self) -> WriteTxn<'s> {
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
                commit::write(&mut txn, file.tables(), &base, &schema, &self.db)?;
                let next_schema = self.db.schema().clone();
                txn.commit()?;
                file.remember_schema(next_schema);
                file.db()
            }
            Target::Memory { memory, _turn } => {
                memory.set(self.db.clone());
                Ok(self.db)
            }
        }
    }
}
