//! [`Writer`]: the writer's turn, from which transactions are staged and committed together.

use std::rc::Rc;
use std::sync::Arc;

use edn::{Keyword, Value};
use kv::{OwnedWriteTxn, WriteTurn, WriteTxn};

use super::commit;
use super::deferred::Effects;
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
    File(Box<FileTarget>),
    Memory { turn: TurnGuard },
}

/// The order of the fields is that of their end.
struct FileTarget {
    /// With a write-ahead log, it is begun only for what cannot be left to the log.
    txn: Option<OwnedWriteTxn>,
    turn: Option<WriteTurn>,
    /// What was staged, as long as that is all there is.
    effects: Option<Effects>,
    before: Db,
    file: Arc<FileStore>,
}

impl FileTarget {
    fn new(file: Arc<FileStore>) -> Result<Self> {
        loop {
            let env = file.env();
            let (txn, turn) = match env.has_log() {
                true => (None, Some(env.turn()?)),
                false => (Some(env.write_owned()?), None),
            };
            // Taken inside the turn: nobody can commit after it.
            let before = file.db()?;
            if txn.is_some() && file.is_pending() {
                // A log was begun in between.
                continue;
            }
            let effects = turn.is_some().then(Effects::default);
            return Ok(Self { txn, turn, effects, before, file });
        }
    }

    fn base(&self) -> &Arc<Base> {
        self.before.base.as_ref().expect("a database of a file has a base")
    }

    fn schema(&self) -> &Arc<Schema> {
        self.before.schema()
    }

    fn txn(&mut self) -> Result<&mut OwnedWriteTxn> {
        let begin = || match &self.turn {
            Some(turn) => turn.write(),
            None => self.file.env().write_owned(),
        };
        match &mut self.txn {
            Some(txn) => Ok(txn),
            none => Ok(none.insert(begin()?)),
        }
    }

    /// Leaves the commit to the log, if that is all it takes; says whether it did.
    fn defer(&self, after: &Db) -> Result<bool> {
        let (Some(turn), None, Some(effects)) = (&self.turn, &self.txn, &self.effects) else {
            return Ok(false);
        };
        let is_only_data =
            Arc::ptr_eq(self.schema(), after.schema()) && self.before.options() == after.options();
        Ok(is_only_data && self.file.defer(turn, effects, &self.before, after)?)
    }

    fn commit(mut self, after: &Db) -> Result<Db> {
        let same_base = after.base.as_ref().is_some_and(|own| Arc::ptr_eq(own, self.base()));
        assert!(same_base, "only what was made from the writer's own database can be committed");
        if self.defer(after)? {
            return self.file.db();
        }
        let (file, base, schema) = (self.file.clone(), self.base().clone(), self.schema().clone());
        self.txn()?.with(|txn| {
            if file.is_pending() {
                txn.supersede_deferred();
            }
            commit::write(txn, file.tables(), &base, &schema, after)
        })?;
        let txn = self.txn.take().expect("just begun");
        txn.commit()?;
        file.remember_schema(after.schema().clone());
        file.db()
    }
}

impl Writer {
    pub(super) fn of_file(file: Arc<FileStore>) -> Result<Self> {
        let target = FileTarget::new(file)?;
        Ok(Self { db: target.before.clone(), target: Target::File(Box::new(target)) })
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
        if let Target::File(target) = &mut self.target
            && let Some(effects) = &mut target.effects
            && !effects.add(&report.tx_data, self.db.schema())
        {
            target.effects = None;
        }
        Ok(report)
    }

    /// Stages a database made from [`db`](Self::db), for instance by a change of the schema.
    pub fn set_db(&mut self, db: Db) {
        self.db = db;
        if let Target::File(target) = &mut self.target {
            target.effects = None;
        }
    }

    /// Lends the file's write transaction to `work`, for writes to user tables in the same commit; nothing happens
    /// in memory, where there are none. Tables can be made with the types that are staged.
    pub fn with_txn<R>(&mut self, work: impl for<'e> FnOnce(&mut WriteTxn<'e>) -> R) -> Result<Option<R>> {
        match &mut self.target {
            Target::File(target) => {
                let staged = staged_types(target.schema(), self.db.schema());
                let txn = target.txn()?;
                Ok(Some(txn.with(|txn| {
                    txn.offer_types(staged);
                    work(txn)
                })))
            }
            Target::Memory { .. } => Ok(None),
        }
    }

    /// Forgets what was staged and gives up the file's transaction, to be written to directly, with the state of the
    /// tables in it.
    pub(super) fn into_txn(self) -> Result<(OwnedWriteTxn, Arc<Base>)> {
        let Target::File(mut target) = self.target else {
            unreachable!("only writers of files have a transaction")
        };
        let file = target.file.clone();
        if file.is_pending() {
            match (&mut target.txn, &target.turn) {
                (None, Some(turn)) => turn.carry_out()?,
                // User tables were written to already: the deferred commits become part of this one.
                _ => {
                    let (base, schema) = (target.base().clone(), target.schema().clone());
                    let before = target.before.clone();
                    target.txn()?.with(|txn| {
                        txn.supersede_deferred();
                        commit::write(txn, file.tables(), &base, &schema, &before)
                    })?;
                }
            }
        }
        target.txn()?;
        let base = file.db()?.base.expect("a database of a file has a base");
        Ok((target.txn.take().expect("just begun"), base))
    }

    /// Makes everything staged visible, and durable unless the file was opened otherwise.
    pub fn commit(mut self) -> Result<Db> {
        match self.target {
            Target::File(target) => target.commit(&self.db),
            Target::Memory { turn } => {
                // It stays, so it should not hold its facts twice: in the order in which they came, too.
                self.db.settle();
                turn.memory().set(self.db.clone());
                Ok(self.db)
            }
        }
    }
}

/// The definitions of types that a schema has and the one before has not.
fn staged_types(before: &Arc<Schema>, after: &Arc<Schema>) -> Rc<[(Keyword, Value)]> {
    if Arc::ptr_eq(before, after) {
        return Rc::new([]);
    }
    let is_new = |name: &Keyword| before.types().get(name).is_none();
    let types = after.types().iter().filter(|new| is_new(new.name()));
    types.map(|new| (new.name().clone(), new.definition().to_value())).collect()
}
