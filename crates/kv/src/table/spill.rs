//! [`Spilled`]: a kept result that does not fill the memory.

use super::Table;
use super::range::Entries;
use crate::codec::Codec;
use crate::error::Result;
use crate::spill::{Spill, SpillIter, SpillOptions};

/// The pairs of a range, in its order, kept in memory up to a budget and in a temporary file beyond it.
///
/// It borrows nothing of what was read, so it stays when the snapshot is gone. The file goes when it is dropped.
///
/// ```
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let env = factum_kv::Env::open(dir.path())?;
/// use factum_kv::codec::{Long, Str};
/// use factum_kv::{SpillOptions, Table};
///
/// let table: Table<Long, Str> = env.open_table("t")?;
/// env.with_transaction(|txn| (0..1000).try_for_each(|number| table.put(txn, number, "text")))?;
/// let kept = table.range(&env.read()?, ..)?.spill(&SpillOptions::budget(4096))?;
/// assert_eq!(kept.len(), 1000);
/// assert!(kept.on_disk() > 800);
/// assert_eq!(kept.get(7)?, Some((7, "text")));
/// assert_eq!(kept.iter()?.last().transpose()?, Some((999, "text")));
/// # Ok::<(), factum_kv::Error>(())
/// ```
#[derive(Debug)]
pub struct Spilled<'t, K, V> {
    table: &'t Table<K, V>,
    pairs: Spill,
}

impl<'t, 'r, K: Codec, V: Codec> Entries<'t, 'r, K, V> {
    /// Keeps all pairs, beyond a budget of memory on disk.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`]; [`Error::DiskFull`](crate::Error::DiskFull),
    /// [`Error::NotWritable`](crate::Error::NotWritable) if there is no room for the file.
    pub fn spill(self, options: &SpillOptions) -> Result<Spilled<'t, K, V>> {
        self.spill_raw(options, |_, _| true)
    }

    /// Keeps the pairs that satisfy the predicate, likewise.
    ///
    /// # Errors
    ///
    /// As [`Entries::spill`].
    pub fn spill_filtered(
        self,
        options: &SpillOptions,
        mut predicate: impl FnMut(&K::Out<'r>, &V::Out<'r>) -> bool,
    ) -> Result<Spilled<'t, K, V>> {
        let (table, mut pairs, mut kept) = (self.table, self.pairs, Spill::new(options));
        while let Some((key, value)) = pairs.step()? {
            if predicate(&table.decoded_key(key)?, &table.decoded_value(value)?) {
                kept.push(key, value)?;
            }
        }
        Ok(Spilled { table, pairs: kept })
    }

    /// Keeps the pairs whose bytes satisfy the predicate, likewise; nothing is decoded.
    ///
    /// # Errors
    ///
    /// As [`Entries::spill`].
    pub fn spill_raw(
        self,
        options: &SpillOptions,
        mut predicate: impl FnMut(&'r [u8], &'r [u8]) -> bool,
    ) -> Result<Spilled<'t, K, V>> {
        let (table, mut pairs, mut kept) = (self.table, self.pairs, Spill::new(options));
        while let Some((key, value)) = pairs.step()? {
            if predicate(key, value) {
                kept.push(key, value)?;
            }
        }
        Ok(Spilled { table, pairs: kept })
    }
}

impl<K: Codec, V: Codec> Spilled<'_, K, V> {
    /// How many pairs there are.
    pub fn len(&self) -> u64 {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them are on disk.
    pub fn on_disk(&self) -> u64 {
        self.pairs.on_disk()
    }

    /// The pair of this number, counted from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Undecodable`](crate::Error::Undecodable), as for all that follow.
    pub fn get(&self, index: u64) -> Result<Option<(K::Out<'_>, V::Out<'_>)>> {
        self.pairs.get(index)?.map(|pair| decode(self.table, pair)).transpose()
    }

    /// The bytes of the pair of this number.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages) if the temporary file was damaged.
    pub fn get_raw(&self, index: u64) -> Result<Option<(&[u8], &[u8])>> {
        self.pairs.get(index)
    }

    /// All pairs, in order.
    ///
    /// # Errors
    ///
    /// As [`Spilled::get_raw`].
    pub fn iter(&self) -> Result<SpilledIter<'_, K, V>> {
        Ok(SpilledIter { table: self.table, pairs: self.pairs.iter()? })
    }
}

/// The pairs of a [`Spilled`], decoded one by one.
#[derive(Debug)]
pub struct SpilledIter<'s, K, V> {
    table: &'s Table<K, V>,
    pairs: SpillIter<'s>,
}

impl<'s, K: Codec, V: Codec> Iterator for SpilledIter<'s, K, V> {
    type Item = Result<(K::Out<'s>, V::Out<'s>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.pairs.next()?;
        Some(pair.and_then(|pair| decode(self.table, pair)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.pairs.size_hint()
    }
}

fn decode<'s, K: Codec, V: Codec>(
    table: &Table<K, V>,
    (key, value): (&'s [u8], &'s [u8]),
) -> Result<(K::Out<'s>, V::Out<'s>)> {
    Ok((table.decoded_key(key)?, table.decoded_value(value)?))
}
