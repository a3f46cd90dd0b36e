//! [`Collected`]: the pairs of a range held eagerly, in memory up to a budget and beyond it on disk.

use std::path::PathBuf;

use crate::codec::Codec;
use crate::dbi::Dbi;
use crate::env::EnvOptions;
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::read::{Pairs, Read, ReadTxn};
use crate::table::Entries;
use crate::temp::TempEnv;

/// How much of an eager result may be in memory, and where the rest goes.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a range is collected"]
pub struct SpillOptions {
    memory_max: usize,
    root: Option<PathBuf>,
}

impl Default for SpillOptions {
    /// 64 MiB, and the system's directory for temporary files.
    fn default() -> Self {
        Self { memory_max: 64 << 20, root: None }
    }
}

impl SpillOptions {
    /// The defaults: 64 MiB, and the system's directory for temporary files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of keys and values that may be in memory.
    pub fn memory_max(mut self, bytes: usize) -> Self {
        self.memory_max = bytes;
        self
    }

    /// Below which directory the rest goes.
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }
}

/// The pairs of a range, independent of the snapshot that they came from.
#[derive(Debug)]
pub struct Collected<K, V> {
    keys: K,
    values: V,
    name: &'static str,
    pairs: RawCollected,
}

/// The same as bytes.
#[derive(Debug, Default)]
struct RawCollected {
    bytes: Vec<u8>,
    /// Where each pair ends, and where its key ends.
    ends: Vec<(usize, usize)>,
    spilled: Option<Spilled>,
}

/// The pairs that did not fit, numbered from zero: `number -> length of the key, key, value`.
#[derive(Debug)]
struct Spilled {
    // Declared in this order, so that the snapshot ends before its files are removed.
    read: ReadTxn,
    dbi: Dbi,
    _env: TempEnv,
    len: u64,
}

impl<'r, K: Codec + Clone, V: Codec + Clone> Entries<'_, 'r, K, V> {
    /// Reads the whole range at once. Pairs beyond the budget of memory go to a temporary store, which is gone with the
    /// result.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`]; [`Error::NotWritable`] and [`Error::DiskFull`] of the temporary store.
    pub fn collect_within(self, options: &SpillOptions) -> Result<Collected<K, V>> {
        let (keys, values, name) = self.codecs();
        Ok(Collected { keys, values, name, pairs: RawCollected::collect(self.raw(), options)? })
    }
}

impl RawCollected {
    fn collect(mut pairs: Pairs<'_>, options: &SpillOptions) -> Result<Self> {
        let mut collected = Self::default();
        while let Some((key, value)) = pairs.step()? {
            if collected.bytes.len() + key.len() + value.len() > options.memory_max {
                collected.spilled = Some(spill(pairs, (key, value), options)?);
                break;
            }
            collected.bytes.extend_from_slice(key);
            let key_end = collected.bytes.len();
            collected.bytes.extend_from_slice(value);
            collected.ends.push((collected.bytes.len(), key_end));
        }
        Ok(collected)
    }

    fn len(&self) -> u64 {
        self.ends.len() as u64 + self.spilled.as_ref().map_or(0, |spilled| spilled.len)
    }

    fn get(&self, index: u64) -> Result<Option<(&[u8], &[u8])>> {
        let Some(behind) = index.checked_sub(self.ends.len() as u64) else {
            let index = index as usize;
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before].0);
            let (end, key_end) = self.ends[index];
            return Ok(Some((&self.bytes[start..key_end], &self.bytes[key_end..end])));
        };
        let Some(spilled) = self.spilled.as_ref().filter(|spilled| behind < spilled.len) else {
            return Ok(None);
        };
        let record = spilled.read.get(&spilled.dbi, &behind.to_ne_bytes())?;
        let pair = record.and_then(|record| {
            let (len, pair) = record.split_first_chunk()?;
            pair.split_at_checked(usize::from(u16::from_le_bytes(*len)))
        });
        pair.map(Some).ok_or_else(|| Error::Corrupted { reason: "a spilled result was damaged".to_owned() })
    }
}

fn spill(mut pairs: Pairs<'_>, first: (&[u8], &[u8]), options: &SpillOptions) -> Result<Spilled> {
    let env = EnvOptions::new().max_readers(8).max_dbis(1).open_temporary(options.root.as_deref())?;
    let dbi = env.open_dbi("pairs", DbiFlags::INTEGERKEY)?;
    let mut txn = env.write()?;
    let mut len = 0u64;
    let mut record = Vec::new();
    let mut pair = Some(first);
    while let Some((key, value)) = pair {
        record.clear();
        record.extend_from_slice(&(key.len() as u16).to_le_bytes());
        record.extend_from_slice(key);
        record.extend_from_slice(value);
        txn.put(&dbi, &len.to_ne_bytes(), &record)?;
        len += 1;
        pair = pairs.step()?;
    }
    txn.commit()?;
    Ok(Spilled { read: env.read()?, dbi, _env: env, len })
}

impl<K: Codec, V: Codec> Collected<K, V> {
    /// How many pairs there are.
    pub fn len(&self) -> u64 {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them are on disk.
    pub fn spilled(&self) -> u64 {
        self.pairs.spilled.as_ref().map_or(0, |spilled| spilled.len)
    }

    /// The pair of a number, in the order of the range.
    ///
    /// # Errors
    ///
    /// [`Error::Undecodable`].
    pub fn get(&self, index: u64) -> Result<Option<(K::Out<'_>, V::Out<'_>)>> {
        let Some((key, value)) = self.pairs.get(index)? else { return Ok(None) };
        let undecodable = |bytes: &[u8], source| Error::Undecodable {
            name: self.name.to_owned(),
            bytes: bytes.into(),
            source,
        };
        let key = self.keys.decode(key).map_err(|source| undecodable(key, source))?;
        let value = self.values.decode(value).map_err(|source| undecodable(value, source))?;
        Ok(Some((key, value)))
    }

    /// All pairs, in the order of the range.
    pub fn iter(&self) -> impl Iterator<Item = Result<(K::Out<'_>, V::Out<'_>)>> {
        (0..self.len()).filter_map(|index| self.get(index).transpose())
    }
}
