//! What was learnt about the tables of one state. It is kept with the state and outlives those who read it, so that
//! reading the state again begins where reading it before has ended.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::counted::TreeId;
use crate::dbi::Dbi;
use crate::error::Result;

/// Of so many nodes of trees of counts the places are kept: enough for a hundred million entries.
const PLACES_MAX: u64 = 1 << 14;

/// The first chunk has so many tables, and each further one twice as many as the one before.
const FIRST_CHUNK: usize = 4;

/// For a million tables. What is beyond is found out anew each time.
const CHUNKS: usize = 18;

#[derive(Debug, Default)]
pub(super) struct Learnt {
    /// By the numbers of handles, which may be more than there were when this began: in chunks, made when needed.
    chunks: [OnceLock<Box<[LearntTable]>>; CHUNKS],
    /// The table of all trees of counts.
    pub(super) counts: OnceLock<Option<lmdb_pages::Table>>,
}

#[derive(Debug, Default)]
pub(super) struct LearntTable {
    pub(super) root: OnceLock<Option<lmdb_pages::Table>>,
    /// Of a counted table.
    pub(super) tree: OnceLock<Option<TreeId>>,
    /// A copy of the root of that, whose counts add up to the number of the table's pairs.
    pub(super) counts_root: OnceLock<Box<[u8]>>,
    /// Where the other nodes lie, from the second question on.
    counts_places: OnceLock<Box<[AtomicU64]>>,
}

impl Learnt {
    /// The place of a handle's table.
    #[inline]
    pub(super) fn table(&self, dbi: &Dbi) -> Option<&LearntTable> {
        let (chunk, at) = place(dbi.index as usize);
        self.chunks.get(chunk)?.get_or_init(|| chunk_of(chunk)).get(at)
    }
}

/// The chunk of a table, and its place in there.
#[inline]
fn place(index: usize) -> (usize, usize) {
    let chunk = (index / FIRST_CHUNK + 1).ilog2() as usize;
    (chunk, index + FIRST_CHUNK - (FIRST_CHUNK << chunk))
}

#[cold]
fn chunk_of(chunk: usize) -> Box<[LearntTable]> {
    (0..FIRST_CHUNK << chunk).map(|_| LearntTable::default()).collect()
}

impl LearntTable {
    /// The places of a tree's nodes, of which the table of counts has so many.
    pub(super) fn counts_places(&self, nodes: u64) -> &[AtomicU64] {
        self.counts_places.get_or_init(|| (0..nodes.min(PLACES_MAX)).map(|_| AtomicU64::new(0)).collect())
    }
}

/// What a place holds, which is found out once.
#[inline]
pub(super) fn learn<T: Copy>(place: Option<&OnceLock<T>>, find: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(place) = place else { return find() };
    match place.get() {
        Some(found) => Ok(*found),
        None => find().map(|found| *place.get_or_init(|| found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(place(index), expected, "table {index}");
            expected.1 += 1;
            if expected.1 == FIRST_CHUNK << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(place(1_000_000).0 < CHUNKS);
        assert!(place(usize::MAX / 2).0 >= CHUNKS);
    }
}
