//! Order statistics of counted tables: ranks, selection by rank, samples.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::Table;
use crate::codec::{Buffer, Codec};
use crate::error::Result;
use crate::read::Read;

impl<K: Codec, V: Codec> Table<K, V> {
    /// How many pairs stand before a key's first one; `None` if the key is not there.
    ///
    /// # Errors
    ///
    /// [`Error::NotCounted`](crate::Error::NotCounted), as for everything here.
    #[doc(alias = "get-rank")]
    pub fn rank(&self, read: &impl Read, key: K::In<'_>) -> Result<Option<u64>> {
        let mut buffer = Buffer::new();
        let key = self.key(key, &mut buffer)?;
        let rank = read.rank(&self.dbi, key)?.pairs;
        Ok(read.get(&self.dbi, key)?.map(|_| rank))
    }

    /// The pair that so many pairs stand before; `None` if there are not so many.
    ///
    /// # Errors
    ///
    /// As [`Table::rank`].
    #[doc(alias = "get-by-rank")]
    pub fn by_rank<'r>(&self, read: &'r impl Read, rank: u64) -> Result<Option<(K::Out<'r>, V::Out<'r>)>> {
        match read.by_rank(&self.dbi, rank)? {
            Some((key, value)) => Ok(Some((self.decoded_key(key)?, self.decoded_value(value)?))),
            None => Ok(None),
        }
    }

    /// `n` different pairs chosen at random, each as likely as any other, in the order of their keys; all pairs, if
    /// there are not more. The same seed chooses the same of the same table.
    ///
    /// # Errors
    ///
    /// As [`Table::rank`].
    #[doc(alias = "sample-kv")]
    pub fn sample<'r>(
        &self,
        read: &'r impl Read,
        n: u64,
        seed: u64,
    ) -> Result<Vec<(K::Out<'r>, V::Out<'r>)>> {
        let total = read.count(&self.dbi, Bound::Unbounded, Bound::Unbounded)?.pairs;
        read.rank(&self.dbi, &[])?;
        let mut sample = Vec::new();
        for rank in choose(n.min(total), total, seed) {
            sample.extend(self.by_rank(read, rank)?);
        }
        Ok(sample)
    }
}

/// `n` of the numbers below `total`, ascending (Floyd's method).
fn choose(n: u64, total: u64, seed: u64) -> BTreeSet<u64> {
    let mut state = seed;
    let mut chosen = BTreeSet::new();
    for limit in total - n..total {
        let candidate = below(limit + 1, &mut state);
        if !chosen.insert(candidate) {
            chosen.insert(limit);
        }
    }
    chosen
}

/// A random number below `limit`, evenly spread (SplitMix64, and Lemire's reduction).
fn below(limit: u64, state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    ((u128::from(z) * u128::from(limit)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_numbers_are_different_and_evenly_spread() {
        assert_eq!(choose(10, 10, 1), (0..10).collect());
        assert_eq!(choose(0, 10, 1).len(), 0);
        let mut hits = [0u32; 20];
        for seed in 0..2000 {
            let chosen = choose(5, 20, seed);
            assert_eq!(chosen.len(), 5);
            for number in chosen {
                hits[number as usize] += 1;
            }
        }
        // 500 expected each; six standard deviations are about 120.
        assert!(hits.iter().all(|hits| (380..620).contains(hits)), "{hits:?}");
    }
}
