//! Datoms to be loaded: rows over shared byte arenas, sorted either way.
//!
//! ```text
//! Row  | first 8 bytes of the fact | entity | where the fact lies: arena, offset, length |   24 bytes
//! fact = attribute bytes ++ value in index form: what `eav` has as duplicate and `ave` as key
//! ```
//!
//! Most comparisons are decided by the two numbers in the row.

use std::borrow::Cow;
use std::cmp::Ordering;

use rayon::slice::ParallelSliceMut;

use crate::db::base::KEY_LEN_MAX;
use crate::error::{Error, Result};

/// Arenas are closed at this size, so that offsets stay small.
const ARENA_LEN: usize = 32 << 20;

/// Rows with less are copied when they are taken over, so that arenas do not become many.
const SMALL_LEN: usize = 64 << 10;

const _: () = assert!(KEY_LEN_MAX <= u16::MAX as usize);

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    head: u64,
    pub e: u64,
    offset: u32,
    arena: u16,
    len: u16,
}

/// Rows and the bytes that they point to.
#[derive(Debug, Default)]
pub(super) struct Rows {
    arenas: Vec<Vec<u8>>,
    rows: Vec<Row>,
    /// Bytes in closed arenas.
    closed: usize,
}

/// The first bytes of a fact as a number that sorts like them.
#[inline]
fn head_of(fact: &[u8]) -> u64 {
    match fact.first_chunk::<8>() {
        Some(head) => u64::from_be_bytes(*head),
        None => {
            let mut head = [0; 8];
            head[..fact.len()].copy_from_slice(fact);
            u64::from_be_bytes(head)
        }
    }
}

impl Rows {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        self.closed + self.arenas.last().map_or(0, Vec::len) + self.rows.len() * size_of::<Row>()
    }

    #[inline]
    pub fn push(&mut self, e: u64, fact: &[u8]) -> Result<()> {
        let is_open = self.arenas.last().is_some_and(|arena| arena.len() + fact.len() <= ARENA_LEN);
        if !is_open {
            self.closed += self.arenas.last().map_or(0, Vec::len);
            self.arenas.push(Vec::with_capacity(ARENA_LEN.min(1 << 16)));
        }
        let arena = u16::try_from(self.arenas.len() - 1).map_err(|_| too_many())?;
        let bytes = self.arenas.last_mut().expect("opened above");
        let offset = bytes.len() as u32;
        bytes.extend_from_slice(fact);
        self.rows.push(Row { head: head_of(fact), e, offset, arena, len: fact.len() as u16 });
        Ok(())
    }

    /// Takes over the rows of another.
    pub fn append(&mut self, other: Rows) -> Result<()> {
        if other.bytes() < SMALL_LEN {
            return other.rows.iter().try_for_each(|row| self.push(row.e, other.fact(row)));
        }
        let first = u16::try_from(self.arenas.len()).map_err(|_| too_many())?;
        u16::try_from(self.arenas.len() + other.arenas.len()).map_err(|_| too_many())?;
        self.closed += self.arenas.last().map_or(0, Vec::len) + other.closed;
        self.arenas.extend(other.arenas);
        self.rows.extend(other.rows.iter().map(|row| Row { arena: row.arena + first, ..*row }));
        Ok(())
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    #[inline]
    pub fn fact(&self, row: &Row) -> &[u8] {
        fact_in(&self.arenas, row)
    }

    /// Sorts the rows.
    pub fn sort(&mut self, order: Order) {
        sort(&self.arenas, &mut self.rows, order);
    }

    /// A copy of the rows that `keep` wants, sorted; `keep` gets the fact.
    pub fn sorted(&self, order: Order, keep: impl Fn(&[u8]) -> bool) -> SortedRows<'_> {
        let mut rows: Vec<Row> = self.rows.iter().filter(|row| keep(self.fact(row))).copied().collect();
        sort(&self.arenas, &mut rows, order);
        SortedRows { arenas: &self.arenas, rows: Cow::Owned(rows), at: 0 }
    }

    /// The rows as they are sorted now.
    pub fn stream(&self) -> SortedRows<'_> {
        SortedRows { arenas: &self.arenas, rows: Cow::Borrowed(&self.rows), at: 0 }
    }
}

/// Sorted rows, to be read once.
pub(super) struct SortedRows<'r> {
    arenas: &'r [Vec<u8>],
    rows: Cow<'r, [Row]>,
    at: usize,
}

impl SortedRows<'_> {
    #[inline]
    pub fn next_row(&mut self) -> Option<(u64, &[u8])> {
        let row = self.rows.get(self.at)?;
        self.at += 1;
        Some((row.e, fact_in(self.arenas, row)))
    }
}

/// The orders of the two indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Of `eav`.
    Entity,
    /// Of `ave`.
    Value,
}

fn sort(arenas: &[Vec<u8>], rows: &mut [Row], order: Order) {
    match order {
        Order::Entity => sort_by(rows, |a, b| a.e.cmp(&b.e).then_with(|| compare_facts(arenas, a, b))),
        Order::Value => sort_by(rows, |a, b| compare_facts(arenas, a, b).then_with(|| a.e.cmp(&b.e))),
    }
}

/// Input often comes in the order of entities already.
fn sort_by(rows: &mut [Row], compare: impl Fn(&Row, &Row) -> Ordering + Sync) {
    if !rows.is_sorted_by(|a, b| compare(a, b) != Ordering::Greater) {
        rows.par_sort_unstable_by(compare);
    }
}

#[inline]
fn fact_in<'r>(arenas: &'r [Vec<u8>], row: &Row) -> &'r [u8] {
    let start = row.offset as usize;
    &arenas[row.arena as usize][start..start + row.len as usize]
}

#[inline]
fn compare_facts(arenas: &[Vec<u8>], a: &Row, b: &Row) -> Ordering {
    a.head.cmp(&b.head).then_with(|| {
        if a.len <= 8 && b.len <= 8 {
            // Equal but for zeros at the end: the shorter is a prefix.
            a.len.cmp(&b.len)
        } else {
            fact_in(arenas, a).cmp(fact_in(arenas, b))
        }
    })
}

#[cold]
fn too_many() -> Error {
    Error::TooLarge { what: "rows of a bulk load kept in memory", max: (u16::MAX as u64) * ARENA_LEN as u64 }
}
