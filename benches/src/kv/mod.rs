//! The key-value suite: the same work on Factum KV, heed, LMDB's C API, redb and SQLite.
//!
//! Keys are 8 bytes, big-endian, a fixed shuffle of `0..n` doubled (so that odd keys are absent); values are 50 to
//! 100 bytes. Every engine keeps one map and one table of lists in a directory of its own. An engine answers reads
//! with a checksum of what it read, and the suite compares the checksums of all engines: work that differs is a failure.

pub mod data;
pub mod heed;
pub mod lmdb_c;
pub mod redb;
pub mod sqlite;
pub mod suite;

/// One database under test. Methods that write commit one transaction.
pub trait Engine {
    /// The engine's name in reports.
    fn name(&self) -> &'static str;
    /// Puts all entries, in the order given.
    fn put(&mut self, entries: &[Entry]);
    /// Puts entries whose keys ascend and follow all present ones.
    fn append(&mut self, entries: &[Entry]) {
        self.put(entries);
    }
    /// Deletes the keys.
    fn delete(&mut self, keys: &[[u8; 8]]);
    /// Looks every key up in one read transaction; the sum of [`checksum`] of the values found.
    fn get(&self, keys: &[[u8; 8]]) -> u64;
    /// Looks one key up in a read transaction of its own.
    fn get_one(&self, key: &[u8; 8]) -> u64 {
        self.get(std::slice::from_ref(key))
    }
    /// Reads every entry, forward or backward.
    fn scan(&self, backward: bool) -> u64;
    /// For each start, reads `len` entries from there on.
    fn ranges(&self, starts: &[[u8; 8]], len: usize) -> u64;
    /// The number of entries from `low` to `high`, both in.
    fn count(&self, low: &[u8; 8], high: &[u8; 8]) -> u64;
    /// Adds items to a list.
    fn put_list(&mut self, key: &[u8; 8], items: &[u64]);
    /// The sum of all items of a list.
    fn list_sum(&self, key: &[u8; 8]) -> u64;
    /// The number of items that two lists share.
    fn list_intersection(&self, left: &[u8; 8], right: &[u8; 8]) -> u64;
}

/// A key and its value.
pub type Entry = ([u8; 8], Vec<u8>);

/// What a read of one value adds to an engine's answer: forces the value's bytes to be touched at both ends.
#[inline]
pub fn checksum(value: &[u8]) -> u64 {
    value.len() as u64 + u64::from(value[0]) + u64::from(value[value.len() - 1])
}
