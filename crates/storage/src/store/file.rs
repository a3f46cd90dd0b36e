//! A database in a file: opening, checking what is there, and the newest state.
//!
//! With a write-ahead log, the newest state may be a pending one: the file's, with what only the log has on top. It is
//! shared by all handles on the file, so there is one [`FileStore`] for each environment.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kv::{Env, Snapshot, WriteTurn};
use lmdb_pages::Cursor;

use super::deferred::{CHANGES_MAX, Effects, Pending};
use super::options::StoreOptions;
use super::tables::{self, Meta, Tables};
use crate::db::base::Base;
use crate::db::{Db, DbOptions};
use crate::encode::decode;
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::schema::Schema;
use crate::types::{TypeFunctions, types_of_tables};

pub(super) struct FileStore {
    env: Env,
    /// For writing; absent in a database that was opened read-only.
    tables: Option<Tables>,
    /// What this program has for registered types; whoever opens the file adds to it.
    functions: TypeFunctions,
    cache: Arc<Mutex<Cache>>,
}

/// How long closing waits for whoever writes to user tables.
const CLOSING_PATIENCE: Duration = Duration::from_secs(2);

/// The files that are open in this process.
static OPEN: Mutex<Vec<Weak<FileStore>>> = Mutex::new(Vec::new());

/// What the newest state shares with the ones before. The base is held weakly: a database that nobody looks at must
/// not keep pages from being reused.
#[derive(Default)]
struct Cache {
    base: Weak<Base>,
    schema: Option<Arc<Schema>>,
    options: Option<(Vec<u8>, Arc<DbOptions>)>,
    /// The newest state, where the tables do not have it yet.
    pending: Option<Pending>,
}

impl FileStore {
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Arc<Self>> {
        let env = options.env.open(path).map_err(|error| match error {
            kv::Error::CutOff { found, wanted, problem, .. } => Error::CutOff { found, wanted, problem },
            error => error.into(),
        })?;
        if let Some(store) = Self::find(&mut lock(&OPEN), &env) {
            store.functions.merge(&options.functions);
            return Ok(store);
        }
        // What the last handle on the same environment may have left.
        env.carry_out_deferred()?;
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
        let own = TypeFunctions::new();
        own.merge(&options.functions);
        // Tables beside the facts have the same types.
        let functions = types_of_tables(&env, &own);
        let store = Self { env, tables, functions, cache: Arc::default() };
        store.db()?;
        let mut open = lock(&OPEN);
        if let Some(store) = Self::find(&mut open, &store.env) {
            store.functions.merge(&options.functions);
            return Ok(store);
        }
        let cache = Arc::downgrade(&store.cache);
        store.env.on_carried_out(move |number| {
            let Some(cache) = cache.upgrade() else { return };
            // The reader that it holds ends outside the lock.
            let gone = lock(&cache).pending.take_if(|pending| pending.number <= number);
            drop(gone);
        });
        let store = Arc::new(store);
        open.push(Arc::downgrade(&store));
        Ok(store)
    }

    /// The one that is open in an environment.
    fn find(open: &mut Vec<Weak<Self>>, env: &Env) -> Option<Arc<Self>> {
        open.retain(|store| store.strong_count() > 0);
        open.iter().filter_map(Weak::upgrade).find(|store| store.env.is_same(env))
    }

    pub fn env(&self) -> &Env {
        &self.env
    }

    pub fn tables(&self) -> &Tables {
        self.tables.as_ref().expect("write transactions are refused in a read-only database")
    }

    /// The newest committed state, by whichever process.
    pub fn db(&self) -> Result<Db> {
        if self.env.has_log()
            && let Some(pending) = &lock(&self.cache).pending
        {
            return Ok(pending.db.clone());
        }
        let snapshot = self.env.snapshot()?;
        let mut cache = lock(&self.cache);
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
            _ => cache.schema.insert(Arc::new(read_schema(&base, &self.functions)?)).clone(),
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
        lock(&self.cache).schema = Some(schema);
    }

    /// Whether the tables lack the newest state.
    pub fn is_pending(&self) -> bool {
        self.env.has_log() && lock(&self.cache).pending.is_some()
    }

    /// Leaves a commit to the log, which takes the database from `before` to `after`; `false` if it had better be
    /// written to the tables.
    pub fn defer(&self, turn: &WriteTurn, effects: &Effects, before: &Db, after: &Db) -> Result<bool> {
        let counters = |db: &Db| (db.max_eid(), db.basis_tx());
        if effects.is_empty() && counters(before) == counters(after) {
            return Ok(true);
        }
        let lent = lock(&self.cache).pending.as_mut().map(Pending::take_counters).unwrap_or_default();
        let deferred = effects.batch(self.tables(), before, after, &lent).and_then(|(batch, changed)| {
            let number = turn.defer(&batch)?;
            Ok(number.map(|number| (number, changed)))
        });
        {
            let mut cache = lock(&self.cache);
            if let Some(pending) = &mut cache.pending {
                pending.give_back(lent);
            }
            let Some((number, changed)) = deferred? else { return Ok(false) };
            let pending = cache.pending.get_or_insert_with(|| Pending::new(number, after.clone()));
            pending.advance(number, after.clone(), changed);
        }
        if after.overlay.len() > CHANGES_MAX {
            // The commit stands, whatever comes of this.
            let _ = turn.carry_out();
        } else {
            turn.carry_out_if_due();
        }
        Ok(true)
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        let pending = lock(&self.cache).pending.take();
        if pending.is_some()
            && let Err(error) = self.env.try_carry_out_deferred(CLOSING_PATIENCE)
        {
            // Nothing is lost: the log has them, and the end of the environment or the next opening carries them out.
            tracing::warn!(%error, "the last commits stay in the write-ahead log");
        }
        drop(pending);
        // So that nobody but those who use the file has it open.
        self.env.wait_until_settled();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

fn read_schema(base: &Base, functions: &TypeFunctions) -> Result<Schema> {
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
    let types = tables::decode_types(&base.meta.types, functions)?;
    Schema::from_records(records, types, base.meta.schema_revision)
        .map_err(|error| damaged(error.to_string()))
}
