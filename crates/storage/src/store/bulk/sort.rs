//! Sorting rows by their heads, bits first.
//!
//! ```text
//! rows --highest bits in which heads differ--> parts, each as it came --the same, part by part--> ...
//!      few rows, or equal heads: compared
//! ```
//!
//! Many rows make 256 parts, so that what is written to at the same time stays in the processor's caches; fewer rows
//! make half as many parts as they are, so that parts become pairs.
//!
//! Rows mostly come entity by entity, so those with equal heads have the right order already, which a look confirms;
//! comparing them all would cost as much as sorting different ones.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::rows::Row;

/// So many rows are compared rather than dealt out.
const FEW: usize = 24;

/// From so many rows on parts are sorted by several threads.
const MANY: usize = 1 << 16;

/// The most bits that rows are dealt out by at a time.
const BITS_MAX: u32 = 11;

/// Sorts rows by `compare`, which must look at heads first.
pub(super) fn sort_rows(rows: &mut [Row], compare: impl Fn(&Row, &Row) -> Ordering + Sync) {
    let mut spare = vec![Row::default(); rows.len()];
    sort(rows, &mut spare, false, &compare);
}

/// Sorts `rows`, which end up in `spare` if `to_spare`; of the same length, and the other has anything afterwards.
fn sort<F>(rows: &mut [Row], spare: &mut [Row], to_spare: bool, compare: &F)
where
    F: Fn(&Row, &Row) -> Ordering + Sync,
{
    if let ([row], [place]) = (&*rows, &mut *spare) {
        if to_spare {
            *place = *row;
        }
        return;
    }
    let first = rows.first().map_or(0, |row| row.head);
    let different = rows.iter().fold(0, |different, row| different | (row.head ^ first));
    if rows.len() <= FEW || different == 0 {
        if !rows.is_sorted_by(|a, b| compare(a, b) != Ordering::Greater) {
            if rows.len() <= FEW {
                rows.sort_unstable_by(compare)
            } else {
                rows.par_sort_unstable_by(compare)
            }
        }
        if to_spare {
            spare.copy_from_slice(rows);
        }
        return;
    }
    let is_many = rows.len() >= MANY;
    let bits = if is_many { 8 } else { (rows.len().ilog2() - 1).min(BITS_MAX) };
    let shift = (u64::BITS - different.leading_zeros()).saturating_sub(bits);
    let part = |row: &Row| (row.head >> shift) as usize & ((1 << bits) - 1);
    let mut ends = [0usize; 1 << BITS_MAX];
    let ends = &mut ends[..1 << bits];
    rows.iter().for_each(|row| ends[part(row)] += 1);
    let mut end = 0;
    for count in &mut *ends {
        end += *count;
        // Where the part begins; each row that is put there moves it on, to the end at last.
        *count = end - *count;
    }
    for row in &*rows {
        let place = &mut ends[part(row)];
        spare[*place] = *row;
        *place += 1;
    }
    // Higher bits are the same everywhere, so the parts follow each other as their numbers do.
    let (mut rows, mut spare, mut start) = (rows, spare, 0);
    let parts = ends.iter().filter_map(|end| {
        let len = end - std::mem::replace(&mut start, *end);
        let (dealt, others) = std::mem::take(&mut spare).split_at_mut(len);
        spare = others;
        let (free, others) = std::mem::take(&mut rows).split_at_mut(len);
        rows = others;
        (len > 0).then_some((dealt, free))
    });
    if is_many {
        let parts: Vec<_> = parts.collect();
        parts.into_par_iter().for_each(|(dealt, free)| sort(dealt, free, !to_spare, compare));
    } else {
        parts.for_each(|(dealt, free)| sort(dealt, free, !to_spare, compare));
    }
}
