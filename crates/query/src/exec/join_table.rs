//! [`JoinTable`]: rows hashed by some of their columns; [`RowSet`]: rows without repetitions.

use hashbrown::HashTable;

use super::batch::Batch;
use super::column::Column;

const END: u32 = u32::MAX;

/// Rows that can be found by the values of their key columns.
#[derive(Debug, Default)]
pub struct JoinTable<'s> {
    /// The rows.
    pub rows: Batch<'s>,
    keys: Vec<usize>,
    /// The last row of each chain of equal keys.
    heads: HashTable<u32>,
    /// The row before, of the same key.
    next: Vec<u32>,
}

impl<'s> JoinTable<'s> {
    /// Hashes `rows` by the columns `keys`.
    pub fn build(rows: Batch<'s>, keys: Vec<usize>) -> Self {
        let hashes = rows.hashes(&keys);
        let mut heads = HashTable::with_capacity(rows.rows);
        let mut next = vec![END; rows.rows];
        for (row, hash) in (0_u32..).zip(&hashes) {
            let entry = heads.entry(
                *hash,
                |other| same(&rows, &keys, row as usize, &rows, &keys, *other as usize),
                |other| hashes[*other as usize],
            );
            match entry {
                hashbrown::hash_table::Entry::Occupied(mut head) => {
                    next[row as usize] = std::mem::replace(head.get_mut(), row);
                }
                hashbrown::hash_table::Entry::Vacant(place) => {
                    place.insert(row);
                }
            }
        }
        Self { rows, keys, heads, next }
    }

    /// The rows whose key equals row `row` of `other` in the columns `on`, whose hash is `hash`.
    #[inline]
    pub fn matches<'t>(
        &'t self,
        hash: u64,
        other: &Batch<'s>,
        on: &[usize],
        row: usize,
    ) -> impl Iterator<Item = u32> + use<'t, 's> {
        let head = self
            .heads
            .find(hash, |mine| same(other, on, row, &self.rows, &self.keys, *mine as usize))
            .copied();
        std::iter::successors(head, |row| Some(self.next[*row as usize]).filter(|next| *next != END))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.next.capacity() * size_of::<u32>() + self.heads.allocation_size()
    }
}

#[inline]
fn same(
    a: &Batch<'_>,
    a_slots: &[usize],
    a_row: usize,
    b: &Batch<'_>,
    b_slots: &[usize],
    b_row: usize,
) -> bool {
    a_slots.iter().zip(b_slots).all(|(x, y)| a.columns[*x].equal(a_row, &b.columns[*y], b_row))
}

/// Rows without repetitions, in the order of their arrival.
#[derive(Debug, Default)]
pub struct RowSet<'s> {
    /// The rows.
    pub rows: Batch<'s>,
    hashes: Vec<u64>,
    table: HashTable<u32>,
}

impl<'s> RowSet<'s> {
    /// Adds the rows that are new; says which of `batch` these were.
    pub fn insert(&mut self, batch: &Batch<'s>) -> Vec<u32> {
        self.insert_with(batch, |_, _| ())
    }

    fn insert_with(&mut self, batch: &Batch<'s>, mut each: impl FnMut(u32, u32)) -> Vec<u32> {
        let all: Vec<usize> = (0..batch.columns.len()).collect();
        if self.rows.columns.is_empty() {
            self.rows.columns = batch.columns.iter().map(Column::empty_like).collect();
        }
        let hashes = batch.hashes(&all);
        let mut fresh = Vec::new();
        // Rows are appended to the set after the loop, so new rows of this batch are told by numbers above `before`.
        let before = self.rows.rows as u32;
        let Self { rows, hashes: known, table } = self;
        for (row, hash) in (0_u32..).zip(&hashes) {
            let entry = table.entry(
                *hash,
                |other| match other.checked_sub(before) {
                    None => same(batch, &all, row as usize, rows, &all, *other as usize),
                    Some(index) => {
                        same(batch, &all, row as usize, batch, &all, fresh_row(&fresh, index) as usize)
                    }
                },
                |other| known[*other as usize],
            );
            match entry {
                hashbrown::hash_table::Entry::Occupied(number) => each(row, *number.get()),
                hashbrown::hash_table::Entry::Vacant(place) => {
                    let number = before + fresh.len() as u32;
                    place.insert(number);
                    each(row, number);
                    known.push(*hash);
                    fresh.push(row);
                }
            }
        }
        for (to, from) in rows.columns.iter_mut().zip(&batch.columns) {
            to.extend_taken(from, &fresh);
        }
        rows.rows += fresh.len();
        fresh
    }

    /// Adds the rows that are new; says for each row of `batch` which row of the set it equals.
    pub fn insert_numbered(&mut self, batch: &Batch<'s>) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(batch.rows);
        self.insert_with(batch, |_, number| numbers.push(number));
        numbers
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.rows == 0
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.hashes.capacity() * size_of::<u64>() + self.table.allocation_size()
    }
}

#[inline]
fn fresh_row(fresh: &[u32], index: u32) -> u32 {
    fresh[index as usize]
}
