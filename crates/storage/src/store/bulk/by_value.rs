//! Rows in the order of values: sorted group by group on a thread of its own, while those before are being written.
//!
//! ```text
//! rows --first two bytes of the fact (attribute, type)--> groups --what all facts of a group begin with is cut off-->
//!      heads that tell more of them apart --sort--> channel --> Stream: | what was cut off | head |, or the fact itself
//! ```
//!
//! Facts lie far apart in memory, so that each look at one is slow. Heads with different bytes in them spare most of it
//! while sorting; and where they hold all the rest of a fact, as those of numbers do, it is not looked at again.

use std::sync::mpsc::{self, Receiver};

use rayon::prelude::*;

use super::rows::{Row, Rows, compare_facts, fact_in, head_of};
use super::sort::sort_rows;
use super::spill::Stream;
use crate::db::base::KEY_LEN_MAX;
use crate::error::Result;

/// How many rows before its turn a fact is fetched.
const AHEAD: usize = 16;

/// Calls `f` with the rows that `keep` wants in the order of `ave`; `keep` gets the fact's first 8 bytes, filled up with
/// zeros.
pub(super) fn with_rows_by_value<T>(
    rows: &Rows,
    keep: impl Fn(&[u8]) -> bool,
    f: impl FnOnce(&mut ByValue<'_>) -> T,
) -> T {
    let (rows, arenas) = rows.parts();
    let groups = groups(rows, keep);
    let (sender, sorted) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A failure to send means that nobody wants the rest.
            groups.into_iter().map(|rows| Group::sort(arenas, rows)).try_for_each(|group| sender.send(group))
        });
        let group = Group { cut: 0, rows: Vec::new() };
        f(&mut ByValue { arenas, sorted, group, at: 0, fact: Box::new([0; KEY_LEN_MAX + 8]) })
    })
}

/// The rows by the first two bytes of their facts, in the order of these, otherwise as they came.
fn groups(rows: &[Row], keep: impl Fn(&[u8]) -> bool) -> Vec<Vec<Row>> {
    let group = |row: &Row| (row.head >> 48) as usize;
    let mut counts = vec![0usize; 1 << 16];
    rows.iter().for_each(|row| counts[group(row)] += 1);
    let mut places = vec![0u16; 1 << 16];
    let mut groups = Vec::new();
    for (place, count) in places.iter_mut().zip(counts).filter(|(_, count)| *count > 0) {
        // There are no more than the numbers that two bytes can be.
        *place = groups.len() as u16;
        groups.push(Vec::with_capacity(count));
    }
    for row in rows {
        if keep(&row.head.to_be_bytes()) {
            groups[usize::from(places[group(row)])].push(*row);
        }
    }
    groups
}

/// Sorted rows that begin alike.
struct Group {
    /// How many bytes all facts begin with that their heads do not show.
    cut: usize,
    rows: Vec<Row>,
}

impl Group {
    fn sort(arenas: &[Vec<u8>], mut rows: Vec<Row>) -> Self {
        let cut = if rows.len() > 1 { sharpen(arenas, &mut rows) } else { 0 };
        sort_rows(&mut rows, |a, b| compare_facts(arenas, a, b, cut).then_with(|| a.e.cmp(&b.e)));
        Self { cut, rows }
    }
}

/// Cuts from the heads what all facts begin with; says how many bytes.
fn sharpen(arenas: &[Vec<u8>], rows: &mut [Row]) -> usize {
    /// How many rows are looked at for a first guess.
    const PROBES: usize = 64;
    if rows.iter().all(|row| row.len <= 8) {
        // The heads hold everything.
        return 0;
    }
    let first = fact_in(arenas, &rows[0]);
    let common = |fact: &[u8], cut: usize| {
        let (a, b) = (&first[..cut], &fact[..cut.min(fact.len())]);
        a.iter().zip(b).take_while(|(a, b)| a == b).count()
    };
    let probes = rows.iter().step_by(rows.len().div_ceil(PROBES));
    let mut cut = probes.fold(first.len(), |cut, row| common(fact_in(arenas, row), cut));
    loop {
        let chunks = rows.par_chunks_mut(1 << 12);
        let shorter = chunks.map(|chunk| {
            let mut shorter = cut;
            for row in chunk {
                let fact = fact_in(arenas, row);
                match fact.strip_prefix(&first[..cut]) {
                    Some(rest) => row.head = head_of(rest),
                    None => shorter = common(fact, shorter),
                }
            }
            shorter
        });
        let shorter = shorter.min().unwrap_or(cut);
        if shorter == cut {
            return cut;
        }
        cut = shorter;
    }
}

/// Rows in the order of values, to be read once.
pub(super) struct ByValue<'r> {
    arenas: &'r [Vec<u8>],
    sorted: Receiver<Group>,
    group: Group,
    at: usize,
    /// What all facts of the group begin with, and then the rest of the last one that its head held.
    fact: Box<[u8; KEY_LEN_MAX + 8]>,
}

impl ByValue<'_> {
    #[inline]
    pub fn next_row(&mut self) -> Option<(u64, &[u8])> {
        while self.at == self.group.rows.len() {
            self.group = self.sorted.recv().ok()?;
            self.at = 0;
            if let Some(row) = self.group.rows.first() {
                let cut = self.group.cut;
                self.fact[..cut].copy_from_slice(&fact_in(self.arenas, row)[..cut]);
            }
        }
        let rows = &self.group.rows;
        let row = &rows[self.at];
        self.at += 1;
        let (cut, len) = (self.group.cut, usize::from(row.len));
        if len <= cut + 8 {
            self.fact[cut..cut + 8].copy_from_slice(&row.head.to_be_bytes());
            return Some((row.e, &self.fact[..len]));
        }
        if let Some(later) = rows.get(self.at + AHEAD) {
            lmdb_pages::fetch(fact_in(self.arenas, later));
        }
        Some((row.e, fact_in(self.arenas, row)))
    }
}

impl Stream for ByValue<'_> {
    #[inline]
    fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        Ok(self.next_row())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rows::SortedRows;
    use super::*;

    /// Facts with common beginnings, repetitions, zeros at the end, and heads that say nothing.
    fn fact() -> impl Strategy<Value = Vec<u8>> {
        let end = || proptest::collection::vec(0u8..3, 0..12);
        prop_oneof![
            (16u8..19, 1u8..3, end()).prop_map(|(a, tag, end)| [&[a, tag][..], &end].concat()),
            (1u8..3, end()).prop_map(|(tag, end)| [&[20, tag][..], b"a long beginning", &end].concat()),
            (0u8..2, end()).prop_map(|(a, end)| [&[0xF0, a, 1][..], &end].concat()),
            end().prop_map(|end| [&[0xFF, 0, 1, 0, 0][..], &end].concat()),
        ]
    }

    fn by_entity(mut rows: SortedRows<'_>) -> Vec<(u64, Vec<u8>)> {
        std::iter::from_fn(|| rows.next_row().map(|(e, fact)| (e, fact.to_vec()))).collect()
    }

    fn by_value(rows: &Rows, keep: impl Fn(&[u8]) -> bool) -> Vec<(u64, Vec<u8>)> {
        with_rows_by_value(rows, keep, |rows| {
            std::iter::from_fn(|| rows.next_row().map(|(e, fact)| (e, fact.to_vec()))).collect()
        })
    }

    /// So many that several threads sort them, of one attribute and type.
    #[test]
    fn many_rows_are_sorted_by_parts() {
        let mut rows = Rows::default();
        let mut expected: Vec<(u64, Vec<u8>)> = (0..150_000u64)
            .map(|e| {
                let mixed = e.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                // Some of them equal, some longer than their heads, some zeros at the end.
                let len = 3 + (mixed >> 60) as usize;
                let fact =
                    [&[16, 2][..], &(mixed % 30_000).to_be_bytes()[6..], &mixed.to_be_bytes()[..], &[0; 8]];
                (mixed >> 50, fact.concat()[..len].to_vec())
            })
            .collect();
        expected.iter().for_each(|(e, fact)| rows.push(*e, fact).expect("fits"));
        expected.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
        assert!(by_value(&rows, |_| true) == expected);
    }

    proptest! {
        #![proptest_config(crate::store::tests::cases())]

        #[test]
        fn rows_are_sorted_either_way(facts in proptest::collection::vec((0u64..9, fact()), 0..400)) {
            let mut rows = Rows::default();
            facts.iter().for_each(|(e, fact)| rows.push(*e, fact).expect("fits"));
            let mut expected = facts.clone();
            expected.sort();
            prop_assert_eq!(&by_entity(rows.sorted_by_entity()), &expected);
            expected.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
            prop_assert_eq!(&by_value(&rows, |_| true), &expected);
            expected.retain(|(_, fact)| fact[0] != 17);
            prop_assert_eq!(&by_value(&rows, |fact| fact[0] != 17), &expected);
            rows.sort_by_entity();
            expected = facts;
            expected.sort();
            prop_assert_eq!(&by_entity(rows.stream()), &expected);
        }
    }
}
