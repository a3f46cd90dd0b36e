//! [`Store`]: a database that lasts, in a file or for as long as the process, and changes by transactions.
//!
//! ```text
//! Store::db ------> Db (the newest committed state)
//! Store::transact = Store::write -> Writer::transact* -> Writer::commit -> Db
//!                   (writer's turn)  (staged overlay)     (one transaction of the file, in key order)
//! ```

use std::path::Path;
use std::sync::Arc;

use edn::Value;

mod bulk;
mod commit;
mod deferred;
mod file;
mod memory;
mod options;
pub(crate) mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use bulk::{BulkBatch, BulkLoader, BulkReport, BulkStage, EntityLoader};
pub use options::StoreOptions;
pub(crate) use tables::{has_database, stored_types};
pub use tables::{is_own_table, reserve_tables};
pub use writer::Writer;

use self::file::FileStore;
use self::memory::MemoryStore;
use crate::db::{Db, DbOptions};
use crate::error::Result;
use crate::schema::{Schema, SchemaPatch};
use crate::transact::{TransactError, TxData, TxFunctions, TxReport, update_schema};

/// A database that changes. Clones are the same database; it is shared freely between threads.
///
/// One writer at a time, any number of readers, who are never blocked; several processes may have one file open.
///
/// ```
/// use factum_storage::{Store, StoreOptions, TxFunctions};
/// use edn::Value;
///
/// # let dir = tempfile::tempdir()?;
/// let store = StoreOptions::new().open(dir.path())?;
/// let data = edn::read(r#"[{:db/id "ada" :person/name "Ada"}]"#)?;
/// let report = store.transact(&data, Value::Nil, &TxFunctions::new())?;
/// let ada = report.tempid("ada").expect("a new entity");
/// assert!(store.db()?.entity_exists(ada)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Store {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    File(Arc<FileStore>),
    Memory(Arc<MemoryStore>),
}

impl StoreOptions {
    /// Opens the database at `path`, making it if there is none (and the options allow it).
    pub fn open(self, path: impl AsRef<Path>) -> Result<Store, TransactError> {
        let file = FileStore::open(path.as_ref(), &self)?;
        let store = Store { kind: Kind::File(file) };
        store.apply(&self)?;
        Ok(store)
    }

    /// A new database in memory.
    pub fn memory(self) -> Result<Store, TransactError> {
        let store = Store { kind: Kind::Memory(Arc::new(MemoryStore::new(self.functions.clone()))) };
        store.apply(&self)?;
        Ok(store)
    }
}

impl Store {
    /// Opens the database at `path`; see [`StoreOptions::open`].
    pub fn open(path: impl AsRef<Path>, options: StoreOptions) -> Result<Store, TransactError> {
        options.open(path)
    }

    /// A new database in memory; see [`StoreOptions::memory`].
    pub fn memory(options: StoreOptions) -> Result<Store, TransactError> {
        options.memory()
    }

    /// A store in memory whose state is `db`: any database value can go on from where it is.
    pub fn from_db(db: Db) -> Store {
        Store { kind: Kind::Memory(Arc::new(MemoryStore::from_db(db))) }
    }

    /// The newest committed state. It stays as it is while it lives; **as long as it lives, a file cannot reuse the
    /// pages that later transactions free**.
    pub fn db(&self) -> Result<Db> {
        match &self.kind {
            Kind::File(file) => file.db(),
            Kind::Memory(memory) => Ok(memory.db()),
        }
    }

    /// Waits for the writer's turn; nobody else writes until the writer commits or is dropped.
    pub fn write(&self) -> Result<Writer> {
        match &self.kind {
            Kind::File(file) => Writer::of_file(file.clone()),
            Kind::Memory(memory) => Writer::of_memory(memory.clone()),
        }
    }

    /// Whether this thread has a [`Writer`], and so must not wait for anybody else who writes.
    pub fn is_writing(&self) -> bool {
        match &self.kind {
            Kind::File(file) => file.env().is_writing(),
            Kind::Memory(memory) => memory.is_writing(),
        }
    }

    /// Applies transaction data and commits, all or nothing; `db_after` of the report is the committed state.
    pub fn transact<'a>(
        &self,
        data: impl Into<TxData<'a>>,
        meta: Value,
        functions: &TxFunctions,
    ) -> Result<TxReport, TransactError> {
        let mut writer = self.write()?;
        let mut report = writer.transact(data, meta, functions)?;
        report.db_after = writer.commit()?;
        Ok(report)
    }

    /// Changes the schema and commits; data that must change with it does.
    pub fn update_schema(&self, patch: &SchemaPatch) -> Result<Db, TransactError> {
        let mut writer = self.write()?;
        let next = update_schema(writer.db(), patch)?;
        if Arc::ptr_eq(next.schema(), writer.db().schema()) {
            return Ok(next);
        }
        writer.set_db(next);
        Ok(writer.commit()?)
    }

    /// Makes the store hold what `db` holds, facts and schema, and nothing of what it held, in one commit. Options and
    /// user tables stay. Transactions and revisions of the schema are counted on; ids of entities are those of `db`.
    ///
    /// ```
    /// use factum_storage::{Store, StoreOptions, TxFunctions};
    /// use edn::Value;
    ///
    /// let store = StoreOptions::new().memory()?;
    /// let before = store.db()?;
    /// store.transact(&edn::read("[{:a 1} {:a 2}]")?, Value::Nil, &TxFunctions::new())?;
    /// assert_eq!(store.db()?.count(None, None, None)?, 2);
    /// let after = store.replace(&before)?;
    /// assert_eq!((after.count(None, None, None)?, store.db()?.max_eid().0), (0, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace(&self, db: &Db) -> Result<Db> {
        let writer = self.write()?;
        self.replace_in(writer, db)
    }

    /// As [`replace`](Self::replace), by a writer of this store; what it staged is forgotten.
    pub fn replace_in(&self, mut writer: Writer, db: &Db) -> Result<Db> {
        let before = writer.db();
        let revision = before.schema().revision().max(db.schema().revision()) + 1;
        let mut next = db.clone();
        // The types that come along, and those to come, may use what this store's types could.
        db.schema().types().functions().merge(before.schema().types().functions());
        next.set_schema(Arc::new(db.schema().at_revision(revision)));
        next.set_options(before.options().clone());
        next.set_basis_tx(before.basis_tx().max(db.basis_tx()) + 1);
        match &self.kind {
            Kind::File(file) => {
                bulk::replace_file(writer, file, &next)?;
                file.db()
            }
            Kind::Memory(_) => {
                writer.set_db(next);
                writer.commit()
            }
        }
    }

    /// Takes away all facts and all attributes, in one commit; options and user tables stay. Ids begin at 1 again.
    pub fn clear(&self) -> Result<Db> {
        self.replace(&Db::empty(Schema::built_in(), DbOptions::default()))
    }

    /// Has the file's tables take up what only the write-ahead log has, where there is one: that is what other processes
    /// see. It happens by itself within a tenth of a second.
    pub fn settle(&self) -> Result<()> {
        match &self.kind {
            Kind::File(file) => Ok(file.env().carry_out_deferred()?),
            Kind::Memory(_) => Ok(()),
        }
    }

    /// The file's environment, where user tables live beside the database's; nothing for a database in memory.
    pub fn env(&self) -> Option<&kv::Env> {
        match &self.kind {
            Kind::File(file) => Some(file.env()),
            Kind::Memory(_) => None,
        }
    }

    /// Brings schema and options in line with what the opener asked for.
    fn apply(&self, asked: &StoreOptions) -> Result<(), TransactError> {
        let db = self.db()?;
        let current = db.options();
        let options = DbOptions {
            closed_schema: asked.closed_schema.unwrap_or(current.closed_schema),
            validate_data: asked.validate_data.unwrap_or(current.validate_data),
            auto_entity_time: asked.auto_entity_time.unwrap_or(current.auto_entity_time),
        };
        let is_new_schema = match &asked.schema {
            Some(patch) => db.schema().with_changes(patch)?.revision() != db.schema().revision(),
            None => false,
        };
        if options == *current && !is_new_schema {
            return Ok(());
        }
        let mut writer = self.write()?;
        let mut next = writer.db().clone();
        if let Some(patch) = &asked.schema {
            next = update_schema(&next, patch)?;
        }
        next.set_options(options);
        writer.set_db(next);
        writer.commit()?;
        Ok(())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::File(file) => write!(f, "Store({})", file.env().path().display()),
            Kind::Memory(_) => f.write_str("Store(memory)"),
        }
    }
}
