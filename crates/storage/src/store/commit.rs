//! Writing an overlay: every table in the order of its keys, in one transaction.
//!
//! ```text
//! overlay.eav --in order--> eav           retracted giants -1, added giants +1 --by hash--> giants
//! overlay.ave --in order--> ave           new and vanished values of each attribute --> counts
//! schema changes ---------> schema, idents                       counters, options --> meta
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use kv::WriteTxn;

use super::tables::{AttrCounts, COUNTS, GIANTS, Meta, REFCOUNT_LEN, Tables, encode_options, encode_types};
use crate::db::Db;
use crate::db::ave::RawAve;
use crate::db::base::{Base, KeyBuffer};
use crate::db::base_ave::BaseAve;
use crate::encode::{encode, hash_of_index, is_giant_index};
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::overlay::Overlay;
use crate::schema::{Schema, SchemaChange};

/// From so many changes on the order of `ave` is made while `eav` is written; in builds with debug assertions of few, so that tests do it.
const MANY: usize = if cfg!(debug_assertions) { 64 } else { 1 << 14 };

/// Writes what `db` changes on top of its base.
pub(super) fn write(
    txn: &mut WriteTxn<'_>,
    tables: &Tables,
    base: &Base,
    before: &Schema,
    db: &Db,
) -> Result<()> {
    let giants = std::thread::scope(|scope| {
        if db.overlay.len() >= MANY {
            // Without a thread it is done where it is needed.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || db.overlay.order_values());
        }
        write_eav(txn, tables, &db.overlay)
    })?;
    let values = write_ave(txn, tables, base, &db.overlay)?;
    write_giants(txn, tables, giants)?;
    write_counts(txn, tables, &db.overlay, &values)?;
    write_schema(txn, tables, before, db.schema())?;
    let meta = Meta {
        max_eid: db.max_eid().0,
        basis_tx: db.basis_tx(),
        schema_revision: db.schema().revision(),
        options: encode_options(db.options()),
        types: encode_types(db.schema().types()),
    };
    meta.write(txn, tables, Some(&base.meta))
}

/// Changes of a giant's reference count, and its full encoding where it is added.
#[derive(Default)]
struct GiantChange {
    references: i64,
    full: Option<Arc<[u8]>>,
}

type GiantChanges = BTreeMap<Vec<u8>, GiantChange>;

fn write_eav(txn: &mut WriteTxn<'_>, tables: &Tables, overlay: &Overlay) -> Result<GiantChanges> {
    let mut giants = GiantChanges::new();
    let mut fact = KeyBuffer::new();
    for row in overlay.eav_iter() {
        let e = row.e.to_ne_bytes();
        let bytes = fact.set(row.a, &row.v);
        if row.added {
            txn.put(&tables.eav, &e, bytes)?;
        } else if !txn.delete_dup(&tables.eav, &e, bytes)? {
            return Err(Error::Corrupted {
                table: tables.eav.name(),
                reason: "a retracted fact is missing".into(),
            });
        }
        if is_giant_index(&row.v) {
            let change = giants.entry(hash_of_index(&row.v)?.to_vec()).or_default();
            change.references += if row.added { 1 } else { -1 };
            change.full = change.full.take().or_else(|| overlay.giant(&row.v).cloned());
        }
    }
    Ok(giants)
}

/// Returns how the number of different values changes, by attribute.
fn write_ave(
    txn: &mut WriteTxn<'_>,
    tables: &Tables,
    base: &Base,
    overlay: &Overlay,
) -> Result<BTreeMap<AttrId, i64>> {
    let mut values = BTreeMap::new();
    let mut stored = BaseAve::new(base);
    let mut key_bytes = KeyBuffer::new();
    let mut rows = overlay.ave_iter().peekable();
    let mut has_values = (AttrId(0), false);
    while let Some(first) = rows.peek().copied() {
        if has_values.0 != first.a {
            has_values = (first.a, base.counts(first.a)?.values > 0);
        }
        let before = if has_values.1 { stored.count(first.a, &first.v)? } else { 0 };
        let mut after = before as i64;
        let key = key_bytes.set(first.a, &first.v);
        while let Some(row) = rows.next_if(|row| row.a == first.a && row.v == first.v) {
            let e = row.e.to_ne_bytes();
            if row.added {
                txn.put(&tables.ave, key, &e)?;
                after += 1;
            } else if txn.delete_dup(&tables.ave, key, &e)? {
                after -= 1;
            } else {
                return Err(Error::Corrupted {
                    table: tables.ave.name(),
                    reason: "a retracted fact is missing".into(),
                });
            }
        }
        *values.entry(first.a).or_default() += i64::from(after > 0) - i64::from(before > 0);
    }
    Ok(values)
}

fn write_giants(txn: &mut WriteTxn<'_>, tables: &Tables, changes: GiantChanges) -> Result<()> {
    let damaged = |reason: &str| Error::Corrupted { table: GIANTS, reason: reason.into() };
    for (hash, change) in changes {
        if change.references == 0 {
            continue;
        }
        let stored = txn.get(&tables.giants, &hash)?.map(<[u8]>::to_vec);
        let mut record = match (stored, change.full) {
            (Some(stored), _) if stored.len() > REFCOUNT_LEN => stored,
            (Some(_), _) => return Err(damaged("a record is too short")),
            (None, Some(full)) => [&[0; REFCOUNT_LEN], &*full].concat(),
            (None, None) => return Err(damaged("a giant is missing")),
        };
        let (count, _) = record.split_first_chunk_mut::<REFCOUNT_LEN>().expect("longer than the count");
        let references = u64::from_le_bytes(*count)
            .checked_add_signed(change.references)
            .ok_or_else(|| damaged("a giant is referred to more often than it is counted"))?;
        *count = references.to_le_bytes();
        if references == 0 {
            txn.delete(&tables.giants, &hash)?;
        } else {
            txn.put(&tables.giants, &hash, &record)?;
        }
    }
    Ok(())
}

fn write_counts(
    txn: &mut WriteTxn<'_>,
    tables: &Tables,
    overlay: &Overlay,
    values: &BTreeMap<AttrId, i64>,
) -> Result<()> {
    let damaged = || Error::Corrupted { table: COUNTS, reason: "a count would become negative".into() };
    let mut touched: Vec<AttrId> = overlay.deltas().map(|(a, _)| a).chain(values.keys().copied()).collect();
    touched.sort_unstable();
    touched.dedup();
    for a in touched {
        let key = AttrCounts::key(a);
        let mut counts = match txn.get(&tables.counts, &key)? {
            Some(bytes) => AttrCounts::from_bytes(bytes)?,
            None => AttrCounts::default(),
        };
        let delta = overlay.delta(a);
        counts.datoms = (counts.datoms + delta.added).checked_sub(delta.retracted).ok_or_else(damaged)?;
        let by = values.get(&a).copied().unwrap_or(0);
        counts.values = counts.values.checked_add_signed(by).ok_or_else(damaged)?;
        txn.put(&tables.counts, &key, &counts.to_bytes())?;
    }
    Ok(())
}

pub(super) fn write_schema(
    txn: &mut WriteTxn<'_>,
    tables: &Tables,
    before: &Schema,
    after: &Schema,
) -> Result<()> {
    if std::ptr::eq(before, after) {
        return Ok(());
    }
    let changes = after.changes_since(before);
    // Names are freed before they are taken, for a rename may pass one on.
    for change in &changes {
        if let SchemaChange::Removed(old) | SchemaChange::Changed { before: old, .. } = change {
            txn.delete(&tables.idents, old.ident.as_str().as_bytes())?;
        }
        if let SchemaChange::Removed(old) = change {
            txn.delete(&tables.schema, &old.id.0.to_be_bytes())?;
            txn.delete(&tables.counts, &AttrCounts::key(old.id))?;
        }
    }
    for change in &changes {
        if let SchemaChange::Added(new) | SchemaChange::Changed { after: new, .. } = change {
            let record = encode(&after.record_of(new));
            txn.put(&tables.schema, &new.id.0.to_be_bytes(), &record)?;
            txn.put(&tables.idents, new.ident.as_str().as_bytes(), &new.id.0.to_le_bytes())?;
        }
    }
    Ok(())
}
