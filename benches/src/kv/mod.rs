//! The key-value suite: the same work on Factum KV, heed, LMDB's C API, redb and SQLite.
//!
//! ```text
//!  data     keys, values and lists from fixed seeds
//!    |
//!  suite    runs each work on every engine in turns, compares the answers, keeps the best round
//!    |
//!  Engine   factum | heed | lmdb_c | redb | sqlite: the same calls in each system's own words
//! ```
//!
//! Keys are 8 bytes, big-endian, the even numbers from 0 (so that odd keys are absent); values are 50 to 100 bytes.
//! Every engine keeps one map and one table of lists in a directory of its own. An engine answers reads with a
//! checksum of what it read, and the suite compares the checksums of all engines: work that differs is a failure.

pub mod counts;
pub mod data;
pub mod factum;
pub mod heed;
pub mod lmdb_c;
mod mixed;
mod reads;
pub mod redb;
pub mod sqlite;
pub mod suite;
pub mod typed;
mod writes;

/// One database under test. Methods that write commit one transaction.
pub trait Engine {
    /// The engine's name in reports.
    fn name(&self) -> &'static str;

    /// Puts all entries, in the order given.
    fn put(&mut self, entries: &[Entry]);
    /// Puts entries whose keys ascend and follow all present ones, by the engine's fastest way for that.
    fn append(&mut self, entries: &[Entry]) {
        self.put(entries);
    }
    /// As [`Engine::put`], into a map that counts its entries, where the engine has such a thing; from then on
    /// [`Engine::count`], [`Engine::rank`] and [`Engine::select`] ask that map.
    fn put_counted(&mut self, entries: &[Entry]) {
        self.put(entries);
    }
    /// Deletes the keys.
    fn delete(&mut self, keys: &[Key]);

    /// Looks every key up in one read transaction; the sum of [`checksum`] of the values found.
    fn get(&self, keys: &[Key]) -> u64;
    /// As [`Engine::get`] for keys in ascending order, by the engine's fastest way for that.
    fn get_sorted(&self, keys: &[Key]) -> u64 {
        self.get(keys)
    }
    /// Looks one key up in a read transaction of its own.
    fn get_one(&self, key: &Key) -> u64 {
        self.get(std::slice::from_ref(key))
    }
    /// Looks keys up in a read transaction of their own and collects the values before it looks at any.
    fn multi_get(&self, keys: &[Key]) -> u64;
    /// Reads every entry, forward or backward.
    fn scan(&self, backward: bool) -> u64;
    /// For each start, reads `len` entries from there on.
    fn ranges(&self, starts: &[Key], len: usize) -> u64;

    /// The number of entries from `low` to `high`, both in.
    fn count(&self, low: &Key, high: &Key) -> u64;
    /// The number of entries before `key`.
    fn rank(&self, key: &Key) -> u64;
    /// The checksum of the entry that `rank` entries stand before.
    fn select(&self, rank: u64) -> u64;

    /// Adds items to a list, one by one.
    fn put_list(&mut self, key: &Key, items: &[u64]);
    /// Adds items to a list by the engine's fastest way for many.
    fn put_list_at_once(&mut self, key: &Key, items: &[u64]) {
        self.put_list(key, items);
    }
    /// The sum of all items of a list, read item by item where the engine has no other way.
    fn list_sum(&self, key: &Key) -> u64;
    /// The sum of all items of a list, read a page at a time, if the engine can.
    fn list_sum_by_pages(&self, _key: &Key) -> Option<u64> {
        None
    }
    /// The number of items that two lists share.
    fn list_intersection(&self, left: &Key, right: &Key) -> u64;

    /// Something that reads the map on a thread of its own while this engine goes on writing.
    fn reader(&self) -> Box<dyn Reader>;
}

/// The reading half of an engine, for another thread.
pub trait Reader: Send {
    /// As [`Engine::get`].
    fn get(&self, keys: &[Key]) -> u64;
}

/// A key of the map.
pub type Key = [u8; 8];

/// A key and its value.
pub type Entry = (Key, Vec<u8>);

/// What a read of one value adds to an engine's answer: forces the value's bytes to be touched at both ends.
#[inline]
pub fn checksum(value: &[u8]) -> u64 {
    value.len() as u64 + u64::from(value[0]) + u64::from(value[value.len() - 1])
}

/// How many items two ascending sequences share.
fn shared(left: impl Iterator<Item = u64>, right: impl Iterator<Item = u64>) -> u64 {
    let mut right = right.peekable();
    let mut shared = 0;
    for item in left {
        while right.next_if(|other| *other < item).is_some() {}
        shared += u64::from(right.peek() == Some(&item));
    }
    shared
}
