//! Commits that the write-ahead log has and the tables do not yet: what they would write, and what they show.
//!
//! ```text
//! effects of the transactions --net, sorted--> eav, ave, giants, counts, meta --as a batch--> WriteTurn::defer
//!                                                                                   |
//! Pending: base ⊕ overlay, the newest database  <-------- its number --------------/
//! ```
//!
//! A batch holds what [`commit`](super::commit) would write for the same transactions, but relative to the pending
//! state and not to the file's: counts and references of giants are written as they are afterwards, so the last of many
//! commits is right for all of them. What the pending database cannot tell of that is kept beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kv::{Batch, PutFlags};

use super::tables::{AttrCounts, GIANTS, Meta, REFCOUNT_LEN, Tables};
use crate::datom::Datom;
use crate::db::base::{Base, KeyBuffer};
use crate::db::{Db, staged};
use crate::encode::{encode, hash_of_index};
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::overlay::EavRow;
use crate::schema::Schema;

#[cfg(test)]
mod tests;

/// A transaction with more effects goes to the tables at once: it has dense pages of its own.
const EFFECTS_MAX: usize = 1 << 13;
/// So many changes are carried out by whoever makes the last of them.
pub(super) const CHANGES_MAX: usize = 1 << 14;

/// The newest database, as long as the tables do not have it.
pub(super) struct Pending {
    /// Of the last deferred commit.
    pub number: u64,
    pub db: Db,
    counters: Counters,
}

/// What deferred commits change beside datoms.
#[derive(Default)]
pub(super) struct Counters {
    /// How the number of different values of an attribute differs from the base's.
    values: BTreeMap<AttrId, i64>,
    /// How often a giant is referred to, by its hash.
    giants: BTreeMap<Vec<u8>, u64>,
}

impl Counters {
    fn add(&mut self, later: Counters) {
        for (a, by) in later.values {
            *self.values.entry(a).or_default() += by;
        }
        self.giants.extend(later.giants);
    }
}

impl Pending {
    pub fn new(number: u64, db: Db) -> Self {
        Self { number, db, counters: Counters::default() }
    }

    /// Goes on to the next state.
    pub fn advance(&mut self, number: u64, db: Db, counters: Counters) {
        (self.number, self.db) = (number, db);
        self.counters.add(counters);
    }

    /// Lends them out, until they are given back.
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    pub fn give_back(&mut self, counters: Counters) {
        self.counters = counters;
    }
}

/// A fact that was added or retracted, with the full encoding of a giant.
struct Effect {
    row: EavRow,
    full: Option<Arc<[u8]>>,
}

/// What transactions did, in order.
#[derive(Default)]
pub(super) struct Effects(Vec<Effect>);

impl Effects {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes those of one more transaction; `false` if they have become too many.
    pub fn add(&mut self, datoms: &[Datom], schema: &Schema) -> bool {
        if self.0.len() + datoms.len() > EFFECTS_MAX {
            return false;
        }
        for datom in datoms {
            let registered = schema.by_id(datom.a).and_then(|attribute| attribute.registered.as_ref());
            let encoded = match registered.map(|registered| registered.encode(&datom.v)) {
                None => encode(&datom.v),
                Some(Ok(encoded)) => encoded,
                // A function that changed its mind: the overlay has what it said first.
                Some(Err(_)) => return false,
            };
            let (row, full) = staged(datom.e, datom.a, encoded, datom.added);
            self.0.push(Effect { row, full });
        }
        true
    }

    /// The effects on the whole, in EAV order: those on one fact alternate, so that an even number of them is none.
    fn net(&self) -> Vec<&Effect> {
        let mut sorted: Vec<&Effect> = self.0.iter().collect();
        // Stable: the last one on a fact stays the last.
        sorted.sort_by(|x, y| {
            let (x, y) = (&x.row, &y.row);
            (x.e, x.a).cmp(&(y.e, y.a)).then_with(|| x.v.cmp(&y.v))
        });
        let same = |x: &&Effect, y: &&Effect| x.row.e == y.row.e && x.row.a == y.row.a && x.row.v == y.row.v;
        let groups = sorted.chunk_by(same).filter(|group| group.len() % 2 == 1);
        groups.filter_map(|group| group.last().copied()).collect()
    }

    /// What the tables have to be told for going from `before` to `after`, and how the counters change; `counters`
    /// are those that go with `before`.
    pub fn batch(
        &self,
        tables: &Tables,
        before: &Db,
        after: &Db,
        counters: &Counters,
    ) -> Result<(Batch, Counters)> {
        let base = before.base.as_deref().ok_or_else(|| Error::Corrupted {
            table: super::tables::META,
            reason: "a database in memory has no log".into(),
        })?;
        let effects = self.net();
        let mut batch = Batch::new();
        let mut changed = Counters::default();
        put_entities(&mut batch, tables, &effects)?;
        put_values(&mut batch, tables, before, after, &effects, &mut changed)?;
        put_giants(&mut batch, tables, base, &effects, counters, &mut changed)?;
        put_counts(&mut batch, tables, base, after, &effects, counters, &changed)?;
        let meta = Meta {
            max_eid: after.max_eid().0,
            basis_tx: after.basis_tx(),
            schema_revision: after.schema().revision(),
            options: base.meta.options.clone(),
            types: base.meta.types.clone(),
        };
        let [(key, value), ..] = meta.records();
        batch.put_raw(&tables.meta, key, &value, PutFlags::empty())?;
        Ok((batch, changed))
    }
}

fn put_entities(batch: &mut Batch, tables: &Tables, effects: &[&Effect]) -> Result<()> {
    let mut fact = KeyBuffer::new();
    for Effect { row, .. } in effects {
        let e = row.e.to_ne_bytes();
        let bytes = fact.set(row.a, &row.v);
        if row.added {
            batch.put_raw(&tables.eav, &e, bytes, PutFlags::empty())?;
        } else {
            batch.delete_dup_raw(&tables.eav, &e, bytes)?;
        }
    }
    Ok(())
}

fn put_values(
    batch: &mut Batch,
    tables: &Tables,
    before: &Db,
    after: &Db,
    effects: &[&Effect],
    changed: &mut Counters,
) -> Result<()> {
    let is_indexed = |a| after.schema().by_id(a).is_none_or(|attribute| !attribute.no_index);
    let mut sorted: Vec<&Effect> =
        effects.iter().copied().filter(|effect| is_indexed(effect.row.a)).collect();
    sorted.sort_by(|x, y| {
        let (x, y) = (&x.row, &y.row);
        x.a.cmp(&y.a).then_with(|| x.v.cmp(&y.v)).then_with(|| x.e.cmp(&y.e))
    });
    let mut stored = before.ave();
    let mut key_bytes = KeyBuffer::new();
    for group in sorted.chunk_by(|x, y| x.row.a == y.row.a && x.row.v == y.row.v) {
        let (first, full) = (&group[0].row, &group[0].full);
        let count = stored.count(first.a, full.as_deref().unwrap_or(&first.v))? as i64;
        let key = key_bytes.set(first.a, &first.v);
        let mut left = count;
        for Effect { row, .. } in group {
            let e = row.e.to_ne_bytes();
            if row.added {
                batch.put_raw(&tables.ave, key, &e, PutFlags::empty())?;
                left += 1;
            } else {
                batch.delete_dup_raw(&tables.ave, key, &e)?;
                left -= 1;
            }
        }
        *changed.values.entry(first.a).or_default() += i64::from(left > 0) - i64::from(count > 0);
    }
    Ok(())
}

fn put_giants(
    batch: &mut Batch,
    tables: &Tables,
    base: &Base,
    effects: &[&Effect],
    counters: &Counters,
    changed: &mut Counters,
) -> Result<()> {
    let damaged = |reason: &str| Error::Corrupted { table: GIANTS, reason: reason.into() };
    let mut references: BTreeMap<&[u8], (i64, &Arc<[u8]>)> = BTreeMap::new();
    for Effect { row, full } in effects {
        if let Some(full) = full {
            references.entry(hash_of_index(&row.v)?).or_insert((0, full)).0 += if row.added { 1 } else { -1 };
        }
    }
    for (hash, (by, full)) in references {
        let known = match counters.giants.get(hash) {
            Some(known) => *known,
            None => base.giant_references(hash)?,
        };
        let now = known
            .checked_add_signed(by)
            .ok_or_else(|| damaged("a giant is referred to more often than it is counted"))?;
        changed.giants.insert(hash.to_vec(), now);
        match (by, now) {
            (0, _) => {}
            (_, 0) => drop(batch.delete_raw(&tables.giants, hash)?),
            _ => {
                let record = [&now.to_le_bytes() as &[u8], full].concat();
                debug_assert_eq!(now.to_le_bytes().len(), REFCOUNT_LEN);
                batch.put_raw(&tables.giants, hash, &record, PutFlags::empty())?;
            }
        }
    }
    Ok(())
}

fn put_counts(
    batch: &mut Batch,
    tables: &Tables,
    base: &Base,
    after: &Db,
    effects: &[&Effect],
    counters: &Counters,
    changed: &Counters,
) -> Result<()> {
    let mut touched: Vec<AttrId> = effects.iter().map(|effect| effect.row.a).collect();
    touched.sort_unstable();
    touched.dedup();
    for a in touched {
        let stored = base.counts(a)?;
        let by = [counters, changed].iter().filter_map(|side| side.values.get(&a)).sum();
        let negative = || Error::Corrupted {
            table: super::tables::COUNTS,
            reason: "a count would become negative".into(),
        };
        let counts = AttrCounts {
            datoms: after.overlay.delta(a).apply(stored.datoms),
            values: stored.values.checked_add_signed(by).ok_or_else(negative)?,
        };
        batch.put_raw(&tables.counts, &AttrCounts::key(a), &counts.to_bytes(), PutFlags::empty())?;
    }
    Ok(())
}
