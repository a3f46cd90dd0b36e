//! Keys, values and lists of the suite, from fixed seeds.

use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::{Entry, Key};

/// The `n`-th key of the even numbers.
pub fn key(n: u64) -> Key {
    (n * 2).to_be_bytes()
}

/// `count` entries with ascending keys.
pub fn ascending(count: u64) -> Vec<Entry> {
    let mut random = StdRng::seed_from_u64(1);
    (0..count).map(|n| (key(n), value(&mut random, 50..=100))).collect()
}

/// The same entries in a fixed random order.
pub fn shuffled(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    entries.shuffle(&mut StdRng::seed_from_u64(2));
    entries
}

/// `count` present keys at random.
pub fn lookups(present: u64, count: usize) -> Vec<Key> {
    let mut random = StdRng::seed_from_u64(3);
    (0..count).map(|_| key(random.random_range(0..present))).collect()
}

/// `count` ascending items with gaps of one to `gap`.
pub fn items(count: u64, gap: u64, seed: u64) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut last = 0;
    (0..count)
        .map(|_| {
            last += random.random_range(1..=gap);
            last
        })
        .collect()
}

/// `count` entries with values of exactly `len` bytes.
pub fn of_length(count: u64, len: usize) -> Vec<Entry> {
    let mut random = StdRng::seed_from_u64(4);
    (0..count).map(|n| (key(n), value(&mut random, len..=len))).collect()
}

fn value(random: &mut StdRng, lengths: RangeInclusive<usize>) -> Vec<u8> {
    let len = random.random_range(lengths);
    (0..len).map(|_| random.random()).collect()
}
