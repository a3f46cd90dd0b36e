//! Sorted streams into tables: what is the same whether a file is open or being built.

use std::collections::BTreeMap;

use kv::WriteTxn;

use super::by_value::with_rows_by_value;
use super::rows::Order;
use super::spill::{Merge, Stream};
use super::{BulkLoader, BulkReport, BulkStage, Parts};
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
use crate::store::commit::write_schema;
use crate::store::file::FileStore;
use crate::store::tables::{AttrCounts, GIANTS, Meta, REFCOUNT_LEN, Tables, encode_types};
use crate::store::writer::Writer;

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 1 << 17;

/// A table that takes its pairs in order.
pub(super) trait Sink {
    /// A fact of an entity.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
    /// Several values of one key, 8 bytes each.
    fn put_packed(&mut self, key: &[u8], values: &[u8]) -> Result<()>;
}

/// What writing the index by entity counted.
#[derive(Default)]
pub(super) struct Written {
    /// Facts that were not there before.
    pub added: u64,
    /// The same by attribute.
    pub datoms: BTreeMap<AttrId, u64>,
    /// How often each giant is used by them.
    pub giants: BTreeMap<[u8; HASH_LEN], u64>,
}

/// Writes a stream in the order of entities.
pub(super) fn write_entities(
    stream: &mut dyn Stream,
    base: Option<&Base>,
    schema: &Schema,
    sink: &mut impl Sink,
    progress: &mut dyn FnMut(u64),
) -> Result<Written> {
    let mut stored = base.map(BaseEav::new);
    let mut last: (u64, Vec<u8>) = (u64::MAX, Vec::new());
    let (mut written, mut datoms) = (Written::default(), Tally::default());
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
        if let (Some(base), Some(stored)) = (base, &mut stored)
            && base.may_have(e)
            && stored.contains(e, a, index)?
        {
            continue;
        }
        sink.put(&e.to_ne_bytes(), fact)?;
        written.added += 1;
        datoms.add(a);
        if is_giant_index(index) {
            *written.giants.entry(hash_of_index(index)?.try_into().expect("32 bytes")).or_default() += 1;
        }
    }
    for (a, count) in datoms.finish() {
        schema.by_id(a).ok_or(Error::UnknownAttributeId { id: a })?;
        written.datoms.insert(a, count);
    }
    Ok(written)
}

/// Writes a stream in the order of values; returns how many new values each attribute gains.
pub(super) fn write_values(
    stream: &mut dyn Stream,
    base: Option<&Base>,
    schema: &Schema,
    sink: &mut impl Sink,
    progress: &mut dyn FnMut(u64),
) -> Result<BTreeMap<AttrId, u64>> {
    let mut values = Values { base, stored: base.map(BaseAve::new), gained: BTreeMap::new() };
    let mut group = Group::default();
    let mut rows = 0;
    while let Some((e, fact)) = stream.next()? {
        rows += 1;
        if rows % PROGRESS_ROWS == 0 {
            progress(rows);
        }
        if group.fact != fact || rows == 1 {
            values.flush(&mut group, sink)?;
            group.start(fact, schema, base)?;
        }
        if group.is_indexed && group.last_entity != Some(e) {
            group.last_entity = Some(e);
            if !values.has(&group, e)? {
                group.entities.extend_from_slice(&e.to_ne_bytes());
            }
        }
    }
    values.flush(&mut group, sink)?;
    Ok(values.gained)
}

struct Values<'b> {
    base: Option<&'b Base>,
    stored: Option<BaseAve<'b>>,
    gained: BTreeMap<AttrId, u64>,
}

impl Values<'_> {
    /// Whether the file has the group's value for the entity already.
    fn has(&mut self, group: &Group, e: u64) -> Result<bool> {
        match (self.base, &mut self.stored) {
            (Some(base), Some(stored)) if group.may_be_stored && base.may_have(e) => {
                stored.contains(group.a, &group.fact[group.attr_len..], e)
            }
            _ => Ok(false),
        }
    }

    /// Writes the entities of one value.
    fn flush(&mut self, group: &mut Group, sink: &mut impl Sink) -> Result<()> {
        if group.entities.is_empty() {
            return Ok(());
        }
        let is_new = match &mut self.stored {
            Some(stored) if group.may_be_stored => stored.count(group.a, &group.fact[group.attr_len..])? == 0,
            _ => true,
        };
        *self.gained.entry(group.a).or_default() += u64::from(is_new);
        if group.entities.len() == 8 {
            sink.put(&group.fact, &group.entities)?;
        } else {
            sink.put_packed(&group.fact, &group.entities)?;
        }
        group.entities.clear();
        Ok(())
    }
}

/// The entities of one value.
#[derive(Default)]
struct Group {
    fact: Vec<u8>,
    attr_len: usize,
    a: AttrId,
    is_indexed: bool,
    /// Whether the file has any values of the attribute.
    may_be_stored: bool,
    /// Packed as the table has them.
    entities: Vec<u8>,
    last_entity: Option<u64>,
}

impl Group {
    fn start(&mut self, fact: &[u8], schema: &Schema, base: Option<&Base>) -> Result<()> {
        let (a, index) = split(fact)?;
        if self.a != a {
            self.a = a;
            self.is_indexed = !schema.by_id(a).ok_or(Error::UnknownAttributeId { id: a })?.no_index;
            self.may_be_stored =
                base.map_or(Ok(false), |base| base.counts(a).map(|counts| counts.values > 0))?;
        }
        self.attr_len = fact.len() - index.len();
        self.fact.clear();
        self.fact.extend_from_slice(fact);
        self.entities.clear();
        self.last_entity = None;
        Ok(())
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

/// A table of an open file.
struct OpenTable<'t, 'e> {
    txn: &'t mut WriteTxn<'e>,
    dbi: &'t kv::Dbi,
}

impl Sink for OpenTable<'_, '_> {
    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.txn.put(self.dbi, key, value)?)
    }

    #[inline]
    fn put_packed(&mut self, key: &[u8], values: &[u8]) -> Result<()> {
        Ok(self.txn.put_packed(self.dbi, key, values, 8)?)
    }
}

/// Loads into an open file, in the transaction of `writer`.
pub(super) fn to_file(writer: Writer, file: &FileStore, mut parts: Parts) -> Result<BulkReport> {
    let given = parts.given;
    let (mut txn, base) = writer.into_txn()?;
    let meta = Meta {
        max_eid: base.meta.max_eid.max(parts.max_eid),
        basis_tx: base.meta.basis_tx.max(parts.max_tx),
        ..base.meta.clone()
    };
    let added = txn.with(|txn| {
        let added = write_all(txn, file.tables(), Some(&base), &mut parts)?;
        meta.write(txn, file.tables(), Some(&base.meta))?;
        Ok::<_, Error>(added)
    })?;
    drop(base);
    (parts.progress)(BulkStage::Commit, given, given);
    txn.commit()?;
    Ok(BulkReport { added, given })
}

/// Makes a file, in the transaction of `writer`, hold the facts and the schema of `db`, and nothing of what it held.
pub(in crate::store) fn replace_file(writer: Writer, file: &FileStore, db: &Db) -> Result<()> {
    let mut loader = BulkLoader::new(db.schema());
    for row in db.datoms_all() {
        let (e, a, v) = row?;
        loader.add(EntityId(e), a, v)?;
    }
    let mut parts = loader.into_parts()?;
    let (mut txn, base) = writer.into_txn()?;
    let before = base.meta.clone();
    drop(base);
    let meta = Meta {
        max_eid: db.max_eid().0,
        basis_tx: db.basis_tx(),
        schema_revision: db.schema().revision(),
        types: encode_types(db.schema().types()),
        ..before.clone()
    };
    txn.with(|txn| {
        let tables = file.tables();
        let Tables { eav, ave, giants, schema, idents, counts, meta: _ } = tables;
        [eav, ave, giants, schema, idents, counts].into_iter().try_for_each(|table| txn.clear(table))?;
        write_schema(txn, tables, &Schema::built_in(), db.schema())?;
        write_all(txn, tables, None, &mut parts)?;
        meta.write(txn, tables, Some(&before))
    })?;
    txn.commit()?;
    // Types keep to the functions that the file was opened with.
    if db.schema().types().iter().next().is_none() {
        file.remember_schema(db.schema().clone());
    }
    Ok(())
}

/// Writes all rows, giants and counts; `base` is what the tables hold already.
fn write_all(txn: &mut WriteTxn<'_>, tables: &Tables, base: Option<&Base>, parts: &mut Parts) -> Result<u64> {
    let schema = parts.schema.clone();
    let mut written = Written::default();
    let mut values = BTreeMap::new();
    parts.each_stream(|stream, order, progress| {
        match order {
            Order::Entity => {
                let mut sink = OpenTable { txn, dbi: &tables.eav };
                written = write_entities(stream, base, &schema, &mut sink, progress)?;
            }
            Order::Value => {
                let mut sink = OpenTable { txn, dbi: &tables.ave };
                values = write_values(stream, base, &schema, &mut sink, progress)?;
            }
        }
        Ok(())
    })?;
    add_giants(txn, tables, &written, parts)?;
    add_counts(txn, tables, base, &written, &values)?;
    Ok(written.added)
}

impl Parts {
    /// Hands over all rows in the one order, then in the other, each with what reports progress.
    fn each_stream(
        &mut self,
        mut f: impl FnMut(&mut dyn Stream, Order, &mut dyn FnMut(u64)) -> Result<()>,
    ) -> Result<()> {
        let given = self.given;
        (self.progress)(BulkStage::Sort, 0, given);
        if let Some((entities, values)) = self.runs.take() {
            let mut report = |done| (self.progress)(BulkStage::Entities, done, given);
            f(&mut Merge::new(entities, Order::Entity)?, Order::Entity, &mut report)?;
            let mut report = |done| (self.progress)(BulkStage::Values, done, given);
            return f(&mut Merge::new(values, Order::Value)?, Order::Value, &mut report);
        }
        self.rows.sort_by_entity();
        // The other order is made meanwhile.
        with_rows_by_value(
            &self.rows,
            |_| true,
            |by_value| {
                let mut report = |done| (self.progress)(BulkStage::Entities, done, given);
                f(&mut self.rows.stream(), Order::Entity, &mut report)?;
                let mut report = |done| (self.progress)(BulkStage::Values, done, given);
                f(by_value, Order::Value, &mut report)
            },
        )
    }
}

fn add_giants(txn: &mut WriteTxn<'_>, tables: &Tables, written: &Written, parts: &mut Parts) -> Result<()> {
    for (hash, uses) in &written.giants {
        let stored = txn.get(&tables.giants, hash)?.map(<[u8]>::to_vec);
        let mut record = match stored {
            Some(stored) => stored,
            None => [&[0; REFCOUNT_LEN], &*parts.giants.full(hash)?].concat(),
        };
        let Some((count, _)) = record.split_first_chunk_mut::<REFCOUNT_LEN>() else {
            return Err(Error::Corrupted { table: GIANTS, reason: "a record is too short".into() });
        };
        *count = (u64::from_le_bytes(*count) + uses).to_le_bytes();
        txn.put(&tables.giants, hash, &record)?;
    }
    Ok(())
}

fn add_counts(
    txn: &mut WriteTxn<'_>,
    tables: &Tables,
    base: Option<&Base>,
    written: &Written,
    values: &BTreeMap<AttrId, u64>,
) -> Result<()> {
    for (a, datoms) in &written.datoms {
        let before = base.map_or(Ok(AttrCounts::default()), |base| base.counts(*a))?;
        let gained = values.get(a).copied().unwrap_or(0);
        let counts = AttrCounts { datoms: before.datoms + datoms, values: before.values + gained };
        txn.put(&tables.counts, &AttrCounts::key(*a), &counts.to_bytes())?;
    }
    Ok(())
}

/// Loads into a database value.
pub(super) fn to_overlay(db: &mut Db, mut parts: Parts) -> Result<u64> {
    let (max_eid, max_tx) = (parts.max_eid, parts.max_tx);
    let mut giants = std::mem::take(&mut parts.giants);
    let mut added = 0;
    parts.each_stream(|stream, order, progress| {
        let mut rows = 0;
        while let Some((e, fact)) = stream.next()?.filter(|_| order == Order::Entity) {
            let (a, index) = split(fact)?;
            let v = if is_giant_index(index) {
                EncodedValue::from_bytes(&giants.full(hash_of_index(index)?.try_into().expect("32 bytes"))?)
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
    })?;
    db.set_max_eid(EntityId(max_eid));
    db.set_basis_tx(db.basis_tx().max(max_tx));
    Ok(added)
}
