//! [`Backlog`]: puts that jump about, kept back to be stored in the order of their keys.
//!
//! A put in the middle of a large table spends its time waiting for memory: every leaf it visits has left the caches
//! since the last visit. Puts that are stored in ascending order share their leaves with their neighbours, so a leaf is
//! fetched, and copied by LMDB, once for all of them:
//!
//! ```text
//!   put 7  put 93  put 8  put 41  put 7'    ->  bytes   7 a | 93 b | 8 c | 41 d | 7 e
//!                                               puts    by the first bytes of their keys: 7 8 41 93
//!   anything else about the table           ->  stored: 7 e, 8 c on one leaf; 41 d; 93 b
//! ```
//!
//! A backlog is kept only after some puts of a transaction have jumped about, and what it holds is stored before the
//! table is looked at, or changed in any other way.

use std::cmp::Ordering;

use super::tail::PairOrder;
use crate::codec::Headed;
use crate::order::prefix;

/// So much is kept back at most.
const BYTES_MAX: usize = 16 << 20;
/// So much memory is kept for the next transaction at most.
const SPARE_MAX: usize = 256 << 10;
/// Values that are longer are not worth a copy.
pub(super) const VALUE_MAX: usize = u16::MAX as usize;

/// Puts that are not stored yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Keys and values, one behind the other.
    bytes: Vec<u8>,
    puts: Vec<Waiting>,
    /// Where in `bytes` the pairs begin that were in the table before, if those are here.
    older: Option<u32>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The key's first bytes, ordered as keys are.
    prefix: u64,
    start: u32,
    key_len: u16,
    value_len: u16,
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.puts.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() + self.puts.len() * size_of::<Waiting>() >= BYTES_MAX
    }

    /// Whether its memory is worth being kept for the next transaction.
    pub(super) fn is_small(&self) -> bool {
        self.bytes.capacity() + self.puts.capacity() * size_of::<Waiting>() <= SPARE_MAX
    }

    /// Keeps a put back. No longer than the limits are its key and value.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: Headed<'_>, order: PairOrder) {
        debug_assert!(value.len() <= VALUE_MAX);
        let start = self.bytes.len() as u32;
        self.bytes.reserve(key.len() + value.len());
        self.bytes.extend_from_slice(key);
        if let Some(header) = value.header {
            self.bytes.push(header);
        }
        self.bytes.extend_from_slice(value.rest);
        let (key_len, value_len) = (key.len() as u16, value.len() as u16);
        self.puts.push(Waiting { prefix: prefix(key, order.keys), start, key_len, value_len });
    }

    /// From here on, pairs are added that the table had before those that are here already.
    pub(super) fn begin_older(&mut self) {
        self.older = Some(self.bytes.len() as u32);
    }

    /// Sorts by keys; in list tables by values, too, and otherwise the last put of a key comes last.
    pub(super) fn sort(&mut self, order: PairOrder) {
        let older = self.older.unwrap_or(u32::MAX);
        let bytes = &self.bytes;
        self.puts.sort_unstable_by(|a, b| {
            let keys = a.prefix.cmp(&b.prefix).then_with(|| order.keys.compare(a.key(bytes), b.key(bytes)));
            keys.then_with(|| match order.values {
                Some(values) => values.compare(a.value(bytes), b.value(bytes)),
                None => (a.start < older).cmp(&(b.start < older)).then(a.start.cmp(&b.start)),
            })
        });
    }

    /// The pair at a place in the order, unless the next one replaces it.
    #[inline]
    pub(super) fn pair(&self, at: usize, order: PairOrder) -> Option<(&[u8], &[u8])> {
        /// So far ahead, bytes are fetched.
        const AHEAD: usize = 8;
        const FETCHED: usize = 256;
        if let Some(later) = self.puts.get(at + AHEAD) {
            let pair = later.pair(&self.bytes);
            lmdb_pages::fetch(&pair[..pair.len().min(FETCHED)]);
        }
        let put = self.puts[at];
        let key = put.key(&self.bytes);
        if order.values.is_none()
            && let Some(next) = self.puts.get(at + 1)
            && next.prefix == put.prefix
            && order.keys.compare(next.key(&self.bytes), key) == Ordering::Equal
        {
            return None;
        }
        Some((key, put.value(&self.bytes)))
    }

    /// Forgets everything, but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.puts.clear();
        self.older = None;
    }
}

impl Waiting {
    #[inline]
    fn pair(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &bytes[start..start + usize::from(self.key_len) + usize::from(self.value_len)]
    }

    #[inline]
    fn key(self, bytes: &[u8]) -> &[u8] {
        &self.pair(bytes)[..usize::from(self.key_len)]
    }

    #[inline]
    fn value(self, bytes: &[u8]) -> &[u8] {
        &self.pair(bytes)[usize::from(self.key_len)..]
    }
}
