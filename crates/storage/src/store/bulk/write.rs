//! Sorted streams into tables.

use std::collections::BTreeMap;

use kv::WriteTxn;

use super::spill::Stream;
use super::{BulkLoader, BulkReport, Giants, is_indexed};
use crate::db::Db;
use crate::db::ave::RawAve;
use crate::db::base::Base;
use crate::db::base_ave::BaseAve;
use crate::db::base_eav::{BaseEav, split};
use crate::db::eav::RawEav;
use crate::encode::{EncodedValue, HASH_LEN, hash_of_index, is_giant_index};
use crate::error::{Error, Result};
use crate::ids::{AttrId, EntityId};
use crate::schema::Schema;
use crate::store::file::FileStore;
use crate::store::tables::{AttrCounts, GIANTS, Meta, REFCOUNT_LEN, Tables};
use crate::store::writer::Writer;

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 1 << 17;

/// Loads into a file, in the transaction of `writer`.
pub(super) fn to_file(writer: Writer<'_>, file: &FileStore, mut loader: BulkLoader) -> Result<BulkReport> {
    let db = writer.db().clone();
    let base = db.base.clone().expect("a database of a file has a base");
    let schema = loader.schema.clone();
    let given = loader.given;
    let meta = Meta {
        max_eid: base.meta.max_eid.max(loader.batch.max_eid),
        basis_tx: base.meta.basis_tx.max(loader.batch.max_tx),
        ..base.meta.clone()
    };
    let mut txn = writer.into_txn();
    let mut target = Target {
        txn: &mut txn,
        tables: file.tables(),
        base: &base,
        schema: &schema,
        counts: BTreeMap::new(),
        added: 0,
    };
    loader.streams(
        &mut target,
        |target, stream, giants, progress| target.by_entity(stream, giants, progress),
        |target, stream, progress| target.by_value(stream, progress),
    )?;
    target.write_counts()?;
    let added = target.added;
    meta.write(&mut txn, file.tables(), Some(&base.meta))?;
    drop((base, db));
    txn.commit()?;
    Ok(BulkReport { added, given })
}

/// Loads into a database value.
pub(super) fn to_overlay(db: &mut Db, mut loader: BulkLoader) -> Result<u64> {
    let (max_eid, max_tx) = (loader.batch.max_eid, loader.batch.max_tx);
    let mut added = 0;
    loader.streams(
        db,
        |db, stream, giants, progress| {
            let mut rows = 0;
            while let Some((e, fact)) = stream.next()? {
                let (a, index) = split(fact)?;
                let v = if is_giant_index(index) {
                    let hash = hash_of_index(index)?.try_into().expect("32 bytes");
                    EncodedValue::from_bytes(&giants.full(hash)?)
                } else {
                    EncodedValue::from_bytes(index)
                };
                let attribute = db.schema().by_id(a).ok_or(Error::UnknownAttributeId { id: a })?.clone();
                added += u64::from(db.stage_add(EntityId(e), &attribute, v)?);
                rows += 1;
                if rows % PROGRESS_ROWS == 0 {
                    progress(rows);
                }
            }
            Ok(())
        },
        |_, _, _| Ok(()),
    )?;
    db.set_max_eid(EntityId(max_eid));
    db.set_basis_tx(db.basis_tx().max(max_tx));
    Ok(added)
}

struct Target<'t, 'e> {
    txn: &'t mut WriteTxn<'e>,
    tables: &'t Tables,
    base: &'t Base,
    schema: &'t Schema,
    /// What each attribute gains.
    counts: BTreeMap<AttrId, AttrCounts>,
    added: u64,
}

impl Target<'_, '_> {
    fn by_entity(
        &mut self,
        stream: &mut dyn Stream,
        giants: &mut Giants,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut stored = BaseEav::new(self.base);
        let mut references: BTreeMap<[u8; HASH_LEN], u64> = BTreeMap::new();
        let mut last: (u64, Vec<u8>) = (u64::MAX, Vec::new());
        let mut datoms = Tally::default();
        let mut rows = 0;
        while let Some((e, fact)) = stream.next()? {
            rows += 1;
            if rows % PROGRESS_ROWS == 0 {
                progress(rows);
            }
            if last.0 == e && last.1 == fact {
                continue;
            }
            last.0 = e;
            last.1.clear();
            last.1.extend_from_slice(fact);
            let (a, index) = split(fact)?;
            if self.base.may_have(e) && stored.contains(e, a, index)? {
                continue;
            }
            self.txn.put(&self.tables.eav, &e.to_ne_bytes(), fact)?;
            self.added += 1;
            datoms.add(a);
            if is_giant_index(index) {
                *references.entry(hash_of_index(index)?.try_into().expect("32 bytes")).or_default() += 1;
            }
        }
        for (a, datoms) in datoms.finish() {
            let attribute = self.schema.by_id(a).ok_or(Error::UnknownAttributeId { id: a })?;
            self.counts.entry(attribute.id).or_default().datoms += datoms;
        }
        self.write_giants(references, giants)
    }

    fn write_giants(&mut self, references: BTreeMap<[u8; HASH_LEN], u64>, giants: &mut Giants) -> Result<()> {
        for (hash, references) in references {
            let stored = self.txn.get(&self.tables.giants, &hash)?.map(<[u8]>::to_vec);
            let mut record = match stored {
                Some(stored) => stored,
                None => [&[0; REFCOUNT_LEN], &*giants.full(&hash)?].concat(),
            };
            let Some((count, _)) = record.split_first_chunk_mut::<REFCOUNT_LEN>() else {
                return Err(Error::Corrupted { table: GIANTS, reason: "a record is too short".into() });
            };
            *count = (u64::from_le_bytes(*count) + references).to_le_bytes();
            self.txn.put(&self.tables.giants, &hash, &record)?;
        }
        Ok(())
    }

    fn by_value(&mut self, stream: &mut dyn Stream, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let mut stored = BaseAve::new(self.base);
        let mut group = Group::default();
        // Of the group's attribute: whether it is indexed, and whether the file has values of it.
        let mut known = (AttrId(0), false, false);
        let mut rows = 0;
        while let Some((e, fact)) = stream.next()? {
            rows += 1;
            if rows % PROGRESS_ROWS == 0 {
                progress(rows);
            }
            if group.fact != fact || group.is_new {
                self.flush(&mut stored, &mut group, known)?;
                let (a, _) = split(fact)?;
                if known.0 != a {
                    let attribute = self.schema.by_id(a).ok_or(Error::UnknownAttributeId { id: a })?;
                    known = (a, is_indexed(attribute), self.base.counts(a)?.values > 0);
                }
                group.start(fact);
            }
            if known.1 && group.last_entity != Some(e) {
                group.last_entity = Some(e);
                let (a, index) = split(fact)?;
                if !(known.2 && self.base.may_have(e) && stored.contains(a, index, e)?) {
                    group.entities.extend_from_slice(&e.to_ne_bytes());
                }
            }
        }
        self.flush(&mut stored, &mut group, known)
    }

    /// Writes the entities of one value.
    fn flush(
        &mut self,
        stored: &mut BaseAve<'_>,
        group: &mut Group,
        known: (AttrId, bool, bool),
    ) -> Result<()> {
        if group.entities.is_empty() {
            return Ok(());
        }
        let (a, index) = split(&group.fact)?;
        let is_new_value = !known.2 || stored.count(a, index)? == 0;
        self.counts.entry(a).or_default().values += u64::from(is_new_value);
        if group.entities.len() == 8 {
            self.txn.put(&self.tables.ave, &group.fact, &group.entities)?;
        } else {
            self.txn.put_packed(&self.tables.ave, &group.fact, &group.entities, 8)?;
        }
        group.entities.clear();
        Ok(())
    }

    fn write_counts(&mut self) -> Result<()> {
        for (a, gained) in &self.counts {
            let before = self.base.counts(*a)?;
            let counts =
                AttrCounts { datoms: before.datoms + gained.datoms, values: before.values + gained.values };
            self.txn.put(&self.tables.counts, &AttrCounts::key(*a), &counts.to_bytes())?;
        }
        Ok(())
    }
}

/// The entities of one value.
struct Group {
    fact: Vec<u8>,
    /// Packed as the table has them.
    entities: Vec<u8>,
    last_entity: Option<u64>,
    is_new: bool,
}

impl Default for Group {
    fn default() -> Self {
        Self { fact: Vec::new(), entities: Vec::new(), last_entity: None, is_new: true }
    }
}

impl Group {
    fn start(&mut self, fact: &[u8]) {
        self.fact.clear();
        self.fact.extend_from_slice(fact);
        self.entities.clear();
        self.last_entity = None;
        self.is_new = false;
    }
}

/// Counts by attribute; facts of one attribute seldom follow each other, but attributes are few.
#[derive(Default)]
struct Tally {
    counts: Vec<u64>,
    /// Ids too large to be an index.
    others: BTreeMap<AttrId, u64>,
}

impl Tally {
    #[inline]
    fn add(&mut self, a: AttrId) {
        const SMALL: usize = 1 << 12;
        let at = a.0 as usize;
        if at < SMALL {
            if at >= self.counts.len() {
                self.counts.resize(at + 1, 0);
            }
            self.counts[at] += 1;
        } else {
            *self.others.entry(a).or_default() += 1;
        }
    }

    fn finish(self) -> impl Iterator<Item = (AttrId, u64)> {
        let small = self.counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
        small.map(|(at, count)| (AttrId(at as u32), count)).chain(self.others)
    }
}
