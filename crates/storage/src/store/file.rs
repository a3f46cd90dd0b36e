//! A database in a file: opening, checking what is there, and the newest state.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kv::{Env, Snapshot};
use lmdb_pages::Cursor;

use super::options::StoreOptions;
use super::tables::{self, Meta, Tables};
use crate::db::base::Base;
use crate::db::{Db, DbOptions};
use crate::encode::decode;
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::schema::Schema;

pub(super) struct FileStore {
    env: Env,
    /// For writing; absent in a database that was opened read-only.
    tables: Option<Tables>,
    cache: Mutex<Cache>,
}

/// What the newest state shares with the ones before. The base is held weakly: a database that nobody looks at must
/// not keep pages from being reused.
#[derive(Default)]
struct Cache {
    base: Weak<Base>,
    schema: Option<Arc<Schema>>,
    options: Option<(Vec<u8>, Arc<DbOptions>)>,
}

impl FileStore {
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self> {
        let env = options.env.open(path).map_err(|error| match error {
            kv::Error::CutOff { found, wanted, problem, .. } => Error::CutOff { found, wanted, problem },
            error => error.into(),
        })?;
        let read_only = env.options().is_read_only();
        if !Meta::exists(&env.snapshot()?)? {
            if read_only {
                return Err(Error::NoDatabase { path: path.to_owned() });
            }
            create(&env, path, options)?;
        }
        let tables = if read_only {
            None
        } else {
            // Checks the format before anything is touched.
            Meta::read(&env.snapshot()?)?;
            Some(Tables::existing(&env)?)
        };
        let store = Self { env, tables, cache: Mutex::default() };
        store.db()?;
        Ok(store)
    }

    pub fn env(&self) -> &Env {
        &self.env
    }

    pub fn tables(&self) -> &Tables {
        self.tables.as_ref().expect("write transactions are refused in a read-only database")
    }

    /// The newest committed state, by whichever process.
    pub fn db(&self) -> Result<Db> {
        let snapshot = self.env.snapshot()?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let base = match cache.base.upgrade() {
            Some(base) if base.snapshot.txn_id() == snapshot.txn_id() => base,
            _ => {
                let base = Arc::new(Base::new(&self.env, snapshot)?);
                cache.base = Arc::downgrade(&base);
                base
            }
        };
        let schema = match &cache.schema {
            Some(schema) if schema.revision() == base.meta.schema_revision => schema.clone(),
            _ => cache.schema.insert(Arc::new(read_schema(&base)?)).clone(),
        };
        let options = match &cache.options {
            Some((bytes, options)) if *bytes == base.meta.options => options.clone(),
            _ => {
                let options = Arc::new(tables::decode_options(&base.meta.options)?);
                cache.options = Some((base.meta.options.clone(), options.clone()));
                options
            }
        };
        Ok(Db::of_base(base, schema, options))
    }

    /// After a commit: spares reading back the schema that was just written.
    pub fn remember_schema(&self, schema: Arc<Schema>) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).schema = Some(schema);
    }
}

/// Makes the tables of a new database.
fn create(env: &Env, path: &Path, options: &StoreOptions) -> Result<()> {
    let mut txn = env.write()?;
    // Another process may have been quicker.
    let snapshot = env.snapshot()?;
    if Meta::exists(&snapshot)? {
        return Ok(());
    }
    reject_foreign(&snapshot, path, options)?;
    let tables = Tables::open(&mut txn)?;
    Meta::default().write(&mut txn, &tables, None)?;
    txn.commit()?;
    Ok(())
}

/// Tables that this program's key-value store did not make belong to somebody else.
fn reject_foreign(snapshot: &Snapshot, path: &Path, options: &StoreOptions) -> Result<()> {
    let names = snapshot.table_names()?;
    let is_ours = names.is_empty() || names.iter().any(|name| name.starts_with(tables::KV_PREFIX));
    let is_taken = names.iter().any(|name| tables::NAMES.contains(&name.as_str()));
    if is_taken || !(is_ours || options.adopt) {
        let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
        return Err(Error::ForeignTables { path: path.to_owned(), tables: shown.join(", ") });
    }
    Ok(())
}

fn read_schema(base: &Base) -> Result<Schema> {
    let damaged = |reason: String| Error::Corrupted { table: tables::SCHEMA, reason };
    let mut records = Vec::new();
    let mut cursor: Cursor<'_> = Cursor::new(&base.snapshot, &base.schema)?;
    let mut row = cursor.first()?;
    while let Some((key, value)) = row {
        let id = key
            .try_into()
            .map(u32::from_be_bytes)
            .map_err(|_| damaged("a key is not 4 bytes long".into()))?;
        records.push((AttrId(id), decode(value)?));
        row = cursor.next()?;
    }
    Schema::from_records(records, base.meta.schema_revision).map_err(|error| damaged(error.to_string()))
}
