//! Factum KV: one table, the same one counted, and a table of integer lists, all of raw bytes.

use std::ops::{Bound, ControlFlow};
use std::path::Path;

use kv::{Dbi, DbiFlags, DbiOptions, Durability, Env, EnvOptions, Intersection, Read};

use super::{Engine, Entry, Key, Reader, checksum};

/// An environment with a map and a table of lists, as the peers have, and a counted map as soon as it is put to.
pub struct Factum {
    env: Env,
    map: Dbi,
    counted: Option<Dbi>,
    lists: Dbi,
}

impl Factum {
    /// Opens a fresh database in an empty directory; `durable` means that a commit survives a power cut.
    pub fn open(dir: &Path, durable: bool) -> Self {
        let durability = if durable { Durability::Full } else { Durability::None };
        // For each transaction, LMDB copies something for every table that there may be.
        let options = EnvOptions::new().map_size(16 << 30).max_dbis(4).durability(durability);
        let env = options.open(dir).expect("opens");
        let map = env.open_dbi("map", DbiFlags::empty()).expect("map");
        let lists = env.open_dbi("lists", DbiFlags::INTEGERDUP).expect("lists");
        Self { env, map, counted: None, lists }
    }

    // A part of each of its two callers: heed's engine has no step in between either.
    #[inline(always)]
    fn put_into(&mut self, map: Dbi, entries: &[Entry]) {
        let mut txn = self.env.write().expect("write transaction");
        for (key, value) in entries {
            txn.put(&map, key, value).expect("puts");
        }
        txn.commit().expect("commits");
    }

    /// The map that counts, ranks and selections ask: the counted one, unless nothing was put there.
    fn countable(&self) -> Dbi {
        self.counted.unwrap_or(self.map)
    }
}

impl Engine for Factum {
    fn name(&self) -> &'static str {
        "factum"
    }

    fn put(&mut self, entries: &[Entry]) {
        self.put_into(self.map, entries);
    }

    fn put_counted(&mut self, entries: &[Entry]) {
        let options = DbiOptions::new().counted(true);
        let counted =
            *self.counted.get_or_insert_with(|| self.env.open_dbi("counted", options).expect("map"));
        self.put_into(counted, entries);
    }

    fn delete(&mut self, keys: &[Key]) {
        let mut txn = self.env.write().expect("write transaction");
        for key in keys {
            txn.delete(&self.map, key).expect("deletes");
        }
        txn.commit().expect("commits");
    }

    fn get(&self, keys: &[Key]) -> u64 {
        get(&self.env, &self.map, keys)
    }

    fn get_sorted(&self, keys: &[Key]) -> u64 {
        let read = self.env.read().expect("read transaction");
        let mut cursor = read.cursor(&self.map).expect("cursor");
        keys.iter().map(|key| cursor.get(key).expect("gets").map_or(0, checksum)).sum()
    }

    fn multi_get(&self, keys: &[Key]) -> u64 {
        let read = self.env.read().expect("read transaction");
        let mut cursor = read.cursor(&self.map).expect("cursor");
        let values: Vec<_> = keys.iter().map(|key| cursor.get(key).expect("gets")).collect();
        values.into_iter().flatten().map(checksum).sum()
    }

    fn scan(&self, backward: bool) -> u64 {
        let read = self.env.read().expect("read transaction");
        let mut cursor = read.cursor(&self.map).expect("cursor");
        let mut sum = 0;
        let add = |_: &[u8], value: &[u8]| {
            sum += checksum(value);
            ControlFlow::<()>::Continue(())
        };
        let all = Bound::Unbounded;
        let walk = if backward { cursor.visit_prev(all, add) } else { cursor.visit_next(all, add) };
        assert!(walk.expect("entries").is_continue());
        sum
    }

    fn ranges(&self, starts: &[Key], len: usize) -> u64 {
        let read = self.env.read().expect("read transaction");
        let mut cursor = read.cursor(&self.map).expect("cursor");
        let mut sum = 0;
        for start in starts {
            let Some((_, value)) = cursor.seek(start).expect("entry") else { continue };
            sum += checksum(value);
            let mut left = len;
            let add = |_: &[u8], value: &[u8]| {
                sum += checksum(value);
                left -= 1;
                if left == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            if len > 1 {
                let _ = cursor.visit_next(Bound::Unbounded, add).expect("entries");
            }
        }
        sum
    }

    fn count(&self, low: &Key, high: &Key) -> u64 {
        let read = self.env.read().expect("read transaction");
        let (low, high) = (Bound::Included(&low[..]), Bound::Included(&high[..]));
        read.count(&self.countable(), low, high).expect("counts").pairs
    }

    fn rank(&self, key: &Key) -> u64 {
        let read = self.env.read().expect("read transaction");
        read.rank(&self.countable(), key).expect("ranks").pairs
    }

    fn select(&self, rank: u64) -> u64 {
        let read = self.env.read().expect("read transaction");
        read.by_rank(&self.countable(), rank).expect("selects").map_or(0, |(_, value)| checksum(value))
    }

    fn put_list(&mut self, key: &Key, items: &[u64]) {
        let mut txn = self.env.write().expect("write transaction");
        for item in items {
            txn.put(&self.lists, key, &item.to_ne_bytes()).expect("puts");
        }
        txn.commit().expect("commits");
    }

    fn put_list_at_once(&mut self, key: &Key, items: &[u64]) {
        let packed: Vec<u8> = items.iter().flat_map(|item| item.to_ne_bytes()).collect();
        let mut txn = self.env.write().expect("write transaction");
        txn.put_packed(&self.lists, key, &packed, 8).expect("puts");
        txn.commit().expect("commits");
    }

    fn list_sum(&self, key: &Key) -> u64 {
        self.list_sum_by_pages(key).unwrap_or(0)
    }

    fn list_sum_by_pages(&self, key: &Key) -> Option<u64> {
        let read = self.env.read().expect("read transaction");
        let mut cursor = read.cursor(&self.lists).expect("cursor");
        let mut sum = 0u64;
        if cursor.seek_exact(key).expect("list").is_some() {
            let add = |chunk: &[u8]| sum = numbers(chunk).fold(sum, u64::wrapping_add);
            cursor.visit_chunks(add).expect("items");
        }
        Some(sum)
    }

    fn list_intersection(&self, left: &Key, right: &Key) -> u64 {
        let read = self.env.read().expect("read transaction");
        let lists = [(&self.lists, left), (&self.lists, right)];
        Intersection::of(&read, lists).expect("lists").count_rest().expect("items")
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(FactumReader { env: self.env.clone(), map: self.map })
    }
}

struct FactumReader {
    env: Env,
    map: Dbi,
}

impl Reader for FactumReader {
    fn get(&self, keys: &[Key]) -> u64 {
        get(&self.env, &self.map, keys)
    }
}

fn get(env: &Env, map: &Dbi, keys: &[Key]) -> u64 {
    let read = env.read().expect("read transaction");
    keys.iter().map(|key| read.get(map, key).expect("gets").map_or(0, checksum)).sum()
}

/// The items that lie packed in a page.
fn numbers(chunk: &[u8]) -> impl Iterator<Item = u64> + '_ {
    chunk.as_chunks().0.iter().map(|item| u64::from_ne_bytes(*item))
}
