//! Datoms to be loaded: rows over shared byte arenas, sorted either way.
//!
//! ```text
//! Row  | first 8 bytes of the fact | entity | where the fact lies: arena, offset, length |   24 bytes
//! fact = attribute bytes ++ value in index form: what `eav` has as duplicate and `ave` as key
//! ```
//!
//! Most comparisons are decided by the two numbers in the row. How rows come in the other order is told in
//! [`by_value`](super::by_value).

use std::borrow::Cow;
use std::cmp::Ordering;

use rayon::prelude::*;

use crate::db::base::KEY_LEN_MAX;
use crate::error::{Error, Result};

/// Arenas are closed at this size, so that offsets stay small.
const ARENA_LEN: usize = 32 << 20;

/// Rows with less are copied when they are taken over, so that arenas do not become many.
const SMALL_LEN: usize = 64 << 10;

const _: () = assert!(KEY_LEN_MAX <= u16::MAX as usize);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    pub head: u64,
    pub e: u64,
    offset: u32,
    arena: u16,
    pub len: u16,
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
pub(super) fn head_of(fact: &[u8]) -> u64 {
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

    /// The memory in use, with the copies that sorting by value makes: one of all rows, and one of those of a group.
    pub fn bytes(&self) -> usize {
        self.closed + self.arenas.last().map_or(0, Vec::len) + 3 * self.rows.len() * size_of::<Row>()
    }

    #[inline]
    pub fn push(&mut self, e: u64, fact: &[u8]) -> Result<()> {
        self.push_parts(e, fact, &[])
    }

    /// Adds a row whose fact comes in two parts.
    #[inline]
    pub fn push_parts(&mut self, e: u64, attr: &[u8], index: &[u8]) -> Result<()> {
        let len = attr.len() + index.len();
        let is_open = self.arenas.last().is_some_and(|arena| arena.len() + len <= ARENA_LEN);
        if !is_open {
            self.closed += self.arenas.last().map_or(0, Vec::len);
            self.arenas.push(Vec::with_capacity(ARENA_LEN.min(1 << 16)));
        }
        let arena = u16::try_from(self.arenas.len() - 1).map_err(|_| too_many())?;
        let bytes = self.arenas.last_mut().expect("opened above");
        let start = bytes.len();
        bytes.extend_from_slice(attr);
        bytes.extend_from_slice(index);
        self.rows.push(Row {
            head: head_of(&bytes[start..]),
            e,
            offset: start as u32,
            arena,
            len: len as u16,
        });
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

    /// Sorts the rows in the order of `eav`.
    pub fn sort_by_entity(&mut self) {
        if !self.is_sorted_by_entity() {
            let arenas = &self.arenas;
            self.rows.par_sort_unstable_by(|a, b| by_entity(arenas, a, b));
        }
    }

    /// The rows in the order of `eav`; copied only if they do not have it, as input often has.
    pub fn sorted_by_entity(&self) -> SortedRows<'_> {
        if self.is_sorted_by_entity() {
            return self.stream();
        }
        let mut rows = self.rows.clone();
        rows.par_sort_unstable_by(|a, b| by_entity(&self.arenas, a, b));
        SortedRows { arenas: &self.arenas, rows: Cow::Owned(rows), at: 0 }
    }

    /// The rows as they came, and the bytes they point to.
    pub fn parts(&self) -> (&[Row], &[Vec<u8>]) {
        (&self.rows, &self.arenas)
    }

    fn is_sorted_by_entity(&self) -> bool {
        self.rows.is_sorted_by(|a, b| by_entity(&self.arenas, a, b) != Ordering::Greater)
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

#[inline]
fn by_entity(arenas: &[Vec<u8>], a: &Row, b: &Row) -> Ordering {
    a.e.cmp(&b.e).then_with(|| compare_facts(arenas, a, b, 0))
}

#[inline]
pub(super) fn fact_in<'r>(arenas: &'r [Vec<u8>], row: &Row) -> &'r [u8] {
    let start = row.offset as usize;
    &arenas[row.arena as usize][start..start + row.len as usize]
}

/// Compares facts that have the same first `cut` bytes, which their heads do not show.
#[inline]
pub(super) fn compare_facts(arenas: &[Vec<u8>], a: &Row, b: &Row, cut: usize) -> Ordering {
    a.head.cmp(&b.head).then_with(|| {
        let shown = cut + 8;
        if a.len as usize <= shown && b.len as usize <= shown {
            // Equal but for zeros at the end: the shorter is a prefix.
            a.len.cmp(&b.len)
        } else {
            fact_in(arenas, a)[cut..].cmp(&fact_in(arenas, b)[cut..])
        }
    })
}

#[cold]
fn too_many() -> Error {
    Error::TooLarge { what: "rows of a bulk load kept in memory", max: (u16::MAX as u64) * ARENA_LEN as u64 }
}
