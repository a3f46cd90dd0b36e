//! Loading many datoms at once: sorted outside the database, written in the order of its tables.
//!
//! ```text
//! BulkLoader::add --rows--> [memory, or sorted runs on disk] --by entity--> eav, giants
//!   (any order)                                              --by value---> ave, counts
//!
//! Store::bulk_load      into a database that is open: one commit
//! StoreOptions::build   into a new file, which is built from its pages up, without LMDB, on two threads
//! ```
//!
//! No checks are made: no uniqueness, no tempids, no upsert, no composite tuples, and old values of single-valued
//! attributes stay. Datoms that are there already, or come twice, count once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rayon::prelude::*;

mod build;
mod by_value;
mod entities;
mod rows;
mod sort;
mod spill;
#[cfg(test)]
mod tests;
mod write;

use self::by_value::with_rows_by_value;
pub use self::entities::EntityLoader;
use self::rows::Rows;
use self::spill::{GiantFile, Run};
pub(in crate::store) use self::write::replace_file;
use super::{Kind, Store};
use crate::encode::{EncodedValue, HASH_LEN, INDEX_LEN_MAX, INLINE_MAX, hash_of_index, index_form};
use crate::error::{Error, Result};
use crate::ids::{ATTR_LEN_MAX, AttrId, EntityId, TX_BASE};
use crate::schema::Schema;

/// Memory for rows before they are sorted onto disk, if nothing else is asked for.
const BUDGET: usize = 1 << 30;

/// How far a load is; see [`BulkLoader::on_progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkStage {
    /// Rows are sorted.
    Sort,
    /// The index by entity is written.
    Entities,
    /// The index by value is written.
    Values,
    /// The file is brought to disk.
    Commit,
}

/// What a load did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkReport {
    /// Datoms that were not there before.
    pub added: u64,
    /// Datoms that were given, repetitions included.
    pub given: u64,
}

type Progress = Box<dyn FnMut(BulkStage, u64, u64)>;

/// Gathers datoms for [`Store::bulk_load`] or [`StoreOptions::build`](super::StoreOptions::build).
///
/// ```
/// use factum_storage::{BulkLoader, EncodedValue, EntityId, SchemaPatch, StoreOptions};
///
/// let schema = SchemaPatch::from_value(&edn::read("{:age {:db/valueType :db.type/long}}")?)?;
/// let store = StoreOptions::new().schema(schema).memory()?;
/// let age = store.db()?.schema().attribute(&":age".into()).expect("declared").id;
/// let mut loader = BulkLoader::new(store.db()?.schema());
/// for (e, years) in [(2, 24), (1, 36)] {
///     loader.add(EntityId(e), age, &EncodedValue::int(years))?;
/// }
/// let report = store.bulk_load(loader)?;
/// assert_eq!(report.added, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BulkLoader {
    schema: Arc<Schema>,
    budget: usize,
    directory: PathBuf,
    /// What is in memory.
    batch: BulkBatch,
    /// What was sorted onto disk, by entity and by value.
    runs: Vec<(Run, Run)>,
    giants: Giants,
    given: u64,
    progress: Option<Progress>,
}

/// Datoms encoded apart from a loader, by another thread for instance.
#[derive(Debug, Default)]
pub struct BulkBatch {
    rows: Rows,
    giants: HashMap<[u8; HASH_LEN], Arc<[u8]>, FixedState>,
    giant_bytes: usize,
    max_eid: u64,
    max_tx: u64,
}

/// Long values by hash.
#[derive(Debug, Default)]
struct Giants {
    places: BTreeMap<[u8; HASH_LEN], GiantPlace>,
    file: Option<GiantFile>,
}

#[derive(Debug)]
enum GiantPlace {
    Memory(Arc<[u8]>),
    File { at: u64, len: usize },
}

impl BulkBatch {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fact; `v` is a full encoding that suits the attribute.
    ///
    /// # Errors
    ///
    /// [`Error::EntityIdRange`].
    #[inline]
    pub fn add(&mut self, e: EntityId, a: AttrId, v: &[u8]) -> Result<()> {
        if e > EntityId::MAX {
            return Err(Error::EntityIdRange { given: e.0 });
        }
        let mut attr = [0; ATTR_LEN_MAX];
        let attr_len = a.write(&mut attr);
        if v.len() <= INLINE_MAX {
            self.rows.push_parts(e.0, &attr[..attr_len], v)?;
        } else {
            self.add_giant(e, &attr[..attr_len], v)?;
        }
        if e.0 < TX_BASE {
            self.max_eid = self.max_eid.max(e.0);
        } else {
            self.max_tx = self.max_tx.max(e.0 - TX_BASE);
        }
        Ok(())
    }

    #[cold]
    fn add_giant(&mut self, e: EntityId, attr: &[u8], v: &[u8]) -> Result<()> {
        let mut buffer = [0; INDEX_LEN_MAX];
        let index = index_form(v, &mut buffer);
        let hash = hash_of_index(index)?.try_into().expect("32 bytes");
        let bytes = &mut self.giant_bytes;
        self.giants.entry(hash).or_insert_with(|| {
            *bytes += v.len();
            v.into()
        });
        self.rows.push_parts(e.0, attr, index)
    }

    /// How many facts it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// How many datoms are added between two looks at the memory in use.
const BATCH_LEN: u64 = 1 << 16;
/// How many datoms several threads take apart before they are gathered.
const PORTION_LEN: usize = 16 << 16;

impl BulkLoader {
    /// A loader for a database with this schema.
    pub fn new(schema: &Arc<Schema>) -> Self {
        Self {
            schema: schema.clone(),
            budget: BUDGET,
            directory: std::env::temp_dir(),
            batch: BulkBatch::default(),
            runs: Vec::new(),
            giants: Giants::default(),
            given: 0,
            progress: None,
        }
    }

    /// How much memory rows may take before they are sorted onto disk; 1 GiB if not said.
    #[must_use]
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// Where temporary files are made; the system's place for them if not said.
    #[must_use]
    pub fn temporary_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Called now and then while loading, with the stage, the rows done and the rows in all.
    #[must_use]
    pub fn on_progress(mut self, progress: impl FnMut(BulkStage, u64, u64) + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// How many datoms were given so far.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Adds a fact; `v` is a full encoding that suits the attribute.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownAttributeId`]; [`Error::EntityIdRange`].
    #[inline]
    pub fn add(&mut self, e: EntityId, a: AttrId, v: &[u8]) -> Result<()> {
        if self.schema.by_id(a).is_none() {
            return Err(Error::UnknownAttributeId { id: a });
        }
        self.batch.add(e, a, v)?;
        self.given += 1;
        if self.given.is_multiple_of(BATCH_LEN) {
            self.spill_if_full()?;
        }
        Ok(())
    }

    /// Adds many facts at once, which several threads take apart; otherwise as [`add`](Self::add).
    ///
    /// ```
    /// # use factum_storage::{BulkLoader, EncodedValue, EntityId, SchemaPatch, StoreOptions};
    /// # let schema = SchemaPatch::from_value(&edn::read("{:age {:db/valueType :db.type/long}}")?)?;
    /// # let store = StoreOptions::new().schema(schema).memory()?;
    /// # let age = store.db()?.schema().attribute(&":age".into()).expect("declared").id;
    /// let facts: Vec<_> = (1..=1000).map(|e| (EntityId(e), age, EncodedValue::int(e as i64 % 90))).collect();
    /// let mut loader = BulkLoader::new(store.db()?.schema());
    /// loader.add_all(&facts)?;
    /// assert_eq!(store.bulk_load(loader)?.added, 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_all<V: AsRef<[u8]> + Sync>(&mut self, facts: &[(EntityId, AttrId, V)]) -> Result<()> {
        let schema = self.schema.clone();
        let batch_of = |facts: &[(EntityId, AttrId, V)]| {
            let mut batch = BulkBatch::new();
            for (e, a, v) in facts {
                if schema.by_id(*a).is_none() {
                    return Err(Error::UnknownAttributeId { id: *a });
                }
                batch.add(*e, *a, v.as_ref())?;
            }
            Ok(batch)
        };
        // A portion at a time, so that the budget is kept.
        for portion in facts.chunks(PORTION_LEN) {
            let batches: Result<Vec<_>> = portion.par_chunks(BATCH_LEN as usize).map(batch_of).collect();
            batches?.into_iter().try_for_each(|batch| self.add_batch(batch))?;
        }
        Ok(())
    }

    /// Adds all facts of a batch; that their attributes are known is looked at when they are written.
    pub fn add_batch(&mut self, batch: BulkBatch) -> Result<()> {
        self.given += batch.rows.len() as u64;
        let own = &mut self.batch;
        own.rows.append(batch.rows)?;
        own.max_eid = own.max_eid.max(batch.max_eid);
        own.max_tx = own.max_tx.max(batch.max_tx);
        own.giant_bytes += batch.giant_bytes;
        own.giants.extend(batch.giants);
        self.spill_if_full()
    }

    fn spill_if_full(&mut self) -> Result<()> {
        if self.batch.rows.bytes() + self.batch.giant_bytes > self.budget { self.spill() } else { Ok(()) }
    }

    /// Sorts what is in memory onto disk.
    fn spill(&mut self) -> Result<()> {
        let rows = &mut self.batch.rows;
        rows.sort_by_entity();
        let by_entity = Run::write(&mut rows.stream(), &self.directory)?;
        let by_value = with_rows_by_value(rows, |_| true, |rows| Run::write(rows, &self.directory))?;
        rows.clear();
        self.runs.push((by_entity, by_value));
        let file = match &mut self.giants.file {
            Some(file) => file,
            none => none.insert(GiantFile::new(&self.directory)?),
        };
        for (hash, full) in self.batch.giants.drain() {
            if let Entry::Vacant(place) = self.giants.places.entry(hash) {
                place.insert(GiantPlace::File { at: file.write(&full)?, len: full.len() });
            }
        }
        self.batch.giant_bytes = 0;
        Ok(())
    }

    /// Makes the giants in memory known to those who write them.
    fn settle_giants(&mut self) {
        for (hash, full) in self.batch.giants.drain() {
            self.giants.places.entry(hash).or_insert(GiantPlace::Memory(full));
        }
    }

    /// Completes the loader: either all rows are in memory, or all are in runs.
    fn into_parts(mut self) -> Result<Parts> {
        if !self.runs.is_empty() && !self.batch.is_empty() {
            self.spill()?;
        }
        self.settle_giants();
        let runs = (!self.runs.is_empty()).then(|| self.runs.drain(..).unzip());
        Ok(Parts {
            schema: self.schema,
            rows: self.batch.rows,
            runs,
            giants: self.giants,
            given: self.given,
            max_eid: self.batch.max_eid,
            max_tx: self.batch.max_tx,
            progress: self.progress.unwrap_or_else(|| Box::new(|_, _, _| {})),
        })
    }
}

/// A loader that is complete.
struct Parts {
    schema: Arc<Schema>,
    rows: Rows,
    /// By entity and by value; if there are any, all rows are in them.
    runs: Option<(Vec<Run>, Vec<Run>)>,
    giants: Giants,
    given: u64,
    max_eid: u64,
    max_tx: u64,
    progress: Progress,
}

impl Giants {
    fn full(&mut self, hash: &[u8; HASH_LEN]) -> Result<Vec<u8>> {
        match (self.places.get(hash), &mut self.file) {
            (Some(GiantPlace::Memory(full)), _) => Ok(full.to_vec()),
            (Some(GiantPlace::File { at, len }), Some(file)) => file.read(*at, *len),
            _ => Err(Error::Corrupted {
                table: "bulk load",
                reason: "a giant without its full encoding".into(),
            }),
        }
    }
}

impl Store {
    /// Loads prepared datoms in one commit, all or nothing; see the [loader](BulkLoader) for what is not checked.
    ///
    /// They may come in any order. Into a database that is empty, or lies below them, this fills pages completely.
    pub fn bulk_load(&self, loader: BulkLoader) -> Result<BulkReport> {
        let mut writer = self.write()?;
        if writer.db().schema().revision() != loader.schema.revision() {
            return Err(Error::SchemaChanged {
                expected: loader.schema.revision(),
                found: writer.db().schema().revision(),
            });
        }
        let parts = loader.into_parts()?;
        match &self.kind {
            Kind::File(file) => write::to_file(writer, file, parts),
            Kind::Memory(_) => {
                let (mut db, given) = (writer.db().clone(), parts.given);
                let added = write::to_overlay(&mut db, parts)?;
                writer.set_db(db);
                writer.commit()?;
                Ok(BulkReport { added, given })
            }
        }
    }

    /// Loads datoms from an iterator; see [`bulk_load`](Self::bulk_load).
    pub fn bulk_load_datoms(
        &self,
        datoms: impl IntoIterator<Item = (EntityId, AttrId, EncodedValue)>,
    ) -> Result<BulkReport> {
        let mut loader = BulkLoader::new(self.db()?.schema());
        for (e, a, v) in datoms {
            loader.add(e, a, &v)?;
        }
        self.bulk_load(loader)
    }
}
