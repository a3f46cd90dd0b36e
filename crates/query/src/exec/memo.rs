//! Copies and tables that are made once per execution and shared by its operators and threads.
//!
//! ```text
//! Memo      key -> values of one attribute, all keys:   keys | starts: [0 2 2 5 ..] | values: [a b c d e ..]
//! EntitySet entities that have an attribute with a value in ranges, as a list or a bitmap
//! JoinTable rows of a pipeline, hashed by some columns
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use roaring::RoaringTreemap;
use storage::{AttrId, Db, Direction, ValueRange};

use super::batch::Batch;
use super::cell::Cell;
use super::column::Column;
use super::context::Context;
use super::error::Result;
use super::integer;
use super::join_table::JoinTable;
use crate::logical::SourceId;
use crate::plan::{Ranges, StepId};

type IntMap = HashMap<u64, u32, foldhash::fast::RandomState>;
type CellMap<'s> = HashMap<Cell<'s>, u32, foldhash::fast::RandomState>;
type Shelf<K, T> = Mutex<HashMap<K, Arc<OnceLock<Arc<T>>>>>;

/// The memos of one execution.
#[derive(Default)]
pub struct Memos<'s> {
    attributes: Shelf<(SourceId, AttrId, bool), Memo<'s>>,
    sets: Shelf<StepId, EntitySet>,
    joins: Shelf<StepId, JoinTable<'s>>,
    batches: Shelf<StepId, Batch<'s>>,
}

impl<'s> Memos<'s> {
    /// The memo of an attribute: entity to values if `forward`, else value to entities.
    pub fn attribute(
        &self,
        context: &Context<'s, '_>,
        source: SourceId,
        attr: AttrId,
        forward: bool,
    ) -> Result<Arc<Memo<'s>>> {
        once(&self.attributes, (source, attr, forward), || {
            let db = context.db(source)?;
            let memo = if forward { Memo::forward(db, attr)? } else { Memo::backward(db, attr)? };
            context.budget.poll(memo.values.len())?;
            context.budget.hold(memo.bytes())?;
            Ok(memo)
        })
    }

    /// The memo of an attribute, if it was made before.
    pub fn known_attribute(&self, source: SourceId, attr: AttrId, forward: bool) -> Option<Arc<Memo<'s>>> {
        let shelf = self.attributes.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.get(&(source, attr, forward))?.get().cloned()
    }

    /// The entities that have `attr` in `ranges`.
    pub fn set(
        &self,
        context: &Context<'s, '_>,
        step: StepId,
        source: SourceId,
        attr: AttrId,
        ranges: &Ranges,
    ) -> Result<Arc<EntitySet>> {
        once(&self.sets, step, || {
            let set = EntitySet::scan(context.db(source)?, attr, ranges)?;
            context.budget.poll(set.len() as usize)?;
            Ok(set)
        })
    }

    /// The hash table of a step, made by `build` if it is not there yet.
    pub fn join(
        &self,
        step: StepId,
        build: impl FnOnce() -> Result<JoinTable<'s>>,
    ) -> Result<Arc<JoinTable<'s>>> {
        once(&self.joins, step, build)
    }

    /// The rows of a step, made by `build` if they are not there yet.
    pub fn batch(&self, step: StepId, build: impl FnOnce() -> Result<Batch<'s>>) -> Result<Arc<Batch<'s>>> {
        once(&self.batches, step, build)
    }
}

/// Takes a thing from its shelf, or makes it. Two threads may make it at the same time; the first one stays.
fn once<K: Eq + std::hash::Hash, T>(
    shelf: &Shelf<K, T>,
    key: K,
    make: impl FnOnce() -> Result<T>,
) -> Result<Arc<T>> {
    let slot = Arc::clone(shelf.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
    if let Some(made) = slot.get() {
        return Ok(Arc::clone(made));
    }
    let made = Arc::new(make()?);
    Ok(Arc::clone(slot.get_or_init(|| made)))
}

/// All facts of one attribute in memory, reachable by entity or by value.
#[derive(Debug)]
pub struct Memo<'s> {
    keys: Keys<'s>,
    starts: Vec<u32>,
    /// The values (or entities) of all keys, one key after the other, each ascending.
    pub values: Column<'s>,
}

#[derive(Debug)]
enum Keys<'s> {
    /// Key `base + i` has slot `i`.
    Dense {
        base: u64,
    },
    Ints(IntMap),
    Cells(CellMap<'s>),
}

impl<'s> Memo<'s> {
    /// Entity to values.
    fn forward(db: &'s Db, attr: AttrId) -> Result<Self> {
        let (entities, values) = scan_rows(db, attr)?;
        // The scan is by value, so a stable arrangement by entity leaves each entity's values ascending.
        let (keys, starts, order) = arrange(&entities);
        Ok(Self { keys, starts, values: values.take(&order) })
    }

    /// Value to entities.
    fn backward(db: &'s Db, attr: AttrId) -> Result<Self> {
        let mut cursor = db.ave();
        cursor.scan(attr, &ValueRange::ALL, Direction::Forward)?;
        let (mut keys, mut starts, mut entities) = (Column::default(), vec![0], Vec::new());
        while let Some(value) = cursor.next_value()? {
            cursor.entities_into(&mut entities)?;
            keys.push(Cell::new(value));
            starts.push(entities.len() as u32);
        }
        let keys = match keys {
            Column::Ints(ints) => match dense_range(&ints, ints.len()) {
                Some((base, span)) => {
                    starts = spread(&ints, &starts, base, span);
                    Keys::Dense { base }
                }
                None => Keys::Ints(ints.into_iter().zip(0..).collect()),
            },
            Column::Cells(cells) => Keys::Cells(cells.into_iter().zip(0..).collect()),
        };
        Ok(Self { keys, starts, values: Column::Ints(entities) })
    }

    /// Where the values of an integer key (an entity, or a value) stand.
    #[inline]
    pub fn range_of_int(&self, key: u64) -> std::ops::Range<usize> {
        match &self.keys {
            Keys::Dense { base } => self.slot_range(key.wrapping_sub(*base) as usize),
            Keys::Ints(map) => map.get(&key).map_or(0..0, |slot| self.slot_range(*slot as usize)),
            Keys::Cells(map) => {
                map.get(&integer::cell(key)).map_or(0..0, |slot| self.slot_range(*slot as usize))
            }
        }
    }

    /// Where the values of the key at `row` of `column` stand.
    #[inline]
    pub fn range_of(&self, column: &Column<'s>, row: usize) -> std::ops::Range<usize> {
        match (column, &self.keys) {
            (Column::Cells(cells), Keys::Cells(map)) => {
                map.get(&cells[row]).map_or(0..0, |slot| self.slot_range(*slot as usize))
            }
            (column, _) => column.int(row).map_or(0..0, |key| self.range_of_int(key)),
        }
    }

    /// The values of an integer key, where values are integers.
    #[inline]
    pub fn ints(&self, key: u64) -> &[u64] {
        match &self.values {
            Column::Ints(ints) => &ints[self.range_of_int(key)],
            Column::Cells(_) => &[],
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.values.bytes() + self.starts.capacity() * size_of::<u32>()
    }

    #[inline]
    fn slot_range(&self, slot: usize) -> std::ops::Range<usize> {
        match (self.starts.get(slot), self.starts.get(slot.wrapping_add(1))) {
            (Some(start), Some(end)) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }
}

/// Every (entity, value) of an attribute, by value.
fn scan_rows<'s>(db: &'s Db, attr: AttrId) -> Result<(Vec<u64>, Column<'s>)> {
    let mut cursor = db.ave();
    cursor.scan(attr, &ValueRange::ALL, Direction::Forward)?;
    let (mut entities, mut values) = (Vec::new(), Column::default());
    while let Some(value) = cursor.next_value()? {
        cursor.entities_into(&mut entities)?;
        values.push_repeated(Cell::new(value), entities.len() - values.len());
    }
    Ok((entities, values))
}

/// The order that puts equal keys together, ascending and stable; where each key's rows start; and how to find a key.
fn arrange<'s>(keys: &[u64]) -> (Keys<'s>, Vec<u32>, Vec<u32>) {
    if let Some((base, span)) = dense_range(keys, keys.len()) {
        let mut starts = vec![0_u32; span + 1];
        keys.iter().for_each(|key| starts[(key - base) as usize + 1] += 1);
        (0..span).for_each(|slot| starts[slot + 1] += starts[slot]);
        let mut next = starts.clone();
        let mut order = vec![0_u32; keys.len()];
        for (row, key) in (0..).zip(keys) {
            let at = &mut next[(key - base) as usize];
            order[*at as usize] = row;
            *at += 1;
        }
        return (Keys::Dense { base }, starts, order);
    }
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_by_key(|row| keys[*row as usize]);
    let (mut map, mut starts) = (IntMap::default(), Vec::new());
    for (at, row) in (0..).zip(&order) {
        let slots = map.len() as u32;
        map.entry(keys[*row as usize]).or_insert_with(|| {
            starts.push(at);
            slots
        });
    }
    starts.push(keys.len() as u32);
    (Keys::Ints(map), starts, order)
}

/// The smallest key and the number of slots, if an array over all keys between is not much larger than the keys.
fn dense_range(keys: &[u64], rows: usize) -> Option<(u64, usize)> {
    let (min, max) = (*keys.iter().min()?, *keys.iter().max()?);
    let span = usize::try_from(max - min).ok()?.checked_add(1)?;
    (span <= rows.saturating_mul(8) + 1024).then_some((min, span))
}

/// The starts of ascending `keys`, with an empty slot for every number between them.
fn spread(keys: &[u64], starts: &[u32], base: u64, span: usize) -> Vec<u32> {
    let mut spread = Vec::with_capacity(span + 1);
    for (key, start) in keys.iter().zip(starts) {
        spread.resize((key - base) as usize + 1, *start);
    }
    spread.resize(span + 1, starts.last().copied().unwrap_or(0));
    spread
}

/// A set of entities.
#[derive(Debug)]
pub enum EntitySet {
    /// Few: ascending, searched by halving.
    Sorted(Vec<u64>),
    /// Lying close together: one bit for each number.
    Bits { words: Vec<u64>, len: u64 },
    /// Anything else, in compressed bitmaps.
    Roaring(RoaringTreemap),
}

/// Up to so many entities are kept as a list.
const SORTED_MAX: usize = 2048;
/// Bits are kept for every number if there are at most so many numbers per entity.
const BITS_PER_ENTITY: u64 = 256;

impl EntitySet {
    /// The entities that have `attr` with a value in `ranges`.
    pub fn scan(db: &Db, attr: AttrId, ranges: &Ranges) -> Result<Self> {
        let mut cursor = db.ave();
        let mut entities = Vec::new();
        for range in ranges.iter() {
            if let Some(value) = range.as_point() {
                cursor.lookup_into(attr, value, &mut entities)?;
                continue;
            }
            cursor.scan(attr, range, Direction::Forward)?;
            while cursor.next_value()?.is_some() {
                cursor.entities_into(&mut entities)?;
            }
        }
        Ok(entities.into_iter().collect())
    }

    /// Whether the set has `entity`.
    #[inline]
    pub fn contains(&self, entity: u64) -> bool {
        match self {
            Self::Sorted(entities) => entities.binary_search(&entity).is_ok(),
            Self::Bits { words, .. } => {
                words.get((entity / 64) as usize).is_some_and(|word| word & (1 << (entity % 64)) != 0)
            }
            Self::Roaring(set) => set.contains(entity),
        }
    }

    /// Number of entities.
    pub fn len(&self) -> u64 {
        match self {
            Self::Sorted(entities) => entities.len() as u64,
            Self::Bits { len, .. } => *len,
            Self::Roaring(set) => set.len(),
        }
    }
}

impl FromIterator<u64> for EntitySet {
    fn from_iter<I: IntoIterator<Item = u64>>(entities: I) -> Self {
        let mut entities: Vec<u64> = entities.into_iter().collect();
        if !entities.is_sorted() {
            entities.sort_unstable();
        }
        entities.dedup();
        let (len, max) = (entities.len() as u64, entities.last().copied().unwrap_or(0));
        if entities.len() <= SORTED_MAX {
            Self::Sorted(entities)
        } else if max / BITS_PER_ENTITY < len {
            let mut words = vec![0; (max / 64 + 1) as usize];
            entities.iter().for_each(|entity| words[(entity / 64) as usize] |= 1 << (entity % 64));
            Self::Bits { words, len }
        } else {
            Self::Roaring(entities.into_iter().collect())
        }
    }
}
