//! redb: one table and one multimap table, one read transaction for a batch of reads.

use std::path::Path;

use redb::{Database, Durability, MultimapTableDefinition, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Engine, Entry, checksum};

const MAP: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("map");
const LISTS: MultimapTableDefinition<'_, &[u8], u64> = MultimapTableDefinition::new("lists");

/// A database file with a map and a table of lists.
pub struct Redb {
    database: Database,
    durable: bool,
}

impl Redb {
    fn write(&mut self, work: impl FnOnce(&redb::WriteTransaction)) {
        let mut txn = self.database.begin_write().expect("write transaction");
        if !self.durable {
            txn.set_durability(Durability::None).expect("durability");
        }
        work(&txn);
        txn.commit().expect("commits");
    }
}

impl Redb {
    /// Opens a fresh database in an empty directory; `durable` means that a commit survives a power cut.
    pub fn open(dir: &Path, durable: bool) -> Self {
        let database = Database::create(dir.join("redb")).expect("opens");
        let mut engine = Self { database, durable };
        engine.write(|txn| {
            txn.open_table(MAP).expect("map");
            txn.open_multimap_table(LISTS).expect("lists");
        });
        engine
    }
}

impl Engine for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn put(&mut self, entries: &[Entry]) {
        self.write(|txn| {
            let mut map = txn.open_table(MAP).expect("map");
            for (key, value) in entries {
                map.insert(&key[..], &value[..]).expect("puts");
            }
        });
    }

    fn delete(&mut self, keys: &[[u8; 8]]) {
        self.write(|txn| {
            let mut map = txn.open_table(MAP).expect("map");
            for key in keys {
                map.remove(&key[..]).expect("deletes");
            }
        });
    }

    fn get(&self, keys: &[[u8; 8]]) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let map = txn.open_table(MAP).expect("map");
        keys.iter()
            .map(|key| map.get(&key[..]).expect("gets").map_or(0, |value| checksum(value.value())))
            .sum()
    }

    fn scan(&self, backward: bool) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let map = txn.open_table(MAP).expect("map");
        let entries = map.iter().expect("iterates");
        match backward {
            false => entries.map(|entry| checksum(entry.expect("entry").1.value())).sum(),
            true => entries.rev().map(|entry| checksum(entry.expect("entry").1.value())).sum(),
        }
    }

    fn ranges(&self, starts: &[[u8; 8]], len: usize) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let map = txn.open_table(MAP).expect("map");
        starts
            .iter()
            .map(|start| {
                let range = map.range(&start[..]..).expect("range");
                range.take(len).map(|entry| checksum(entry.expect("entry").1.value())).sum::<u64>()
            })
            .sum()
    }

    fn count(&self, low: &[u8; 8], high: &[u8; 8]) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let map = txn.open_table(MAP).expect("map");
        map.range(&low[..]..=&high[..]).expect("range").count() as u64
    }

    fn put_list(&mut self, key: &[u8; 8], items: &[u64]) {
        self.write(|txn| {
            let mut lists = txn.open_multimap_table(LISTS).expect("lists");
            for item in items {
                lists.insert(&key[..], item).expect("puts");
            }
        });
    }

    fn list_sum(&self, key: &[u8; 8]) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let lists = txn.open_multimap_table(LISTS).expect("lists");
        let items = lists.get(&key[..]).expect("list");
        items.map(|item| item.expect("item").value()).fold(0, u64::wrapping_add)
    }

    fn list_intersection(&self, left: &[u8; 8], right: &[u8; 8]) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let lists = txn.open_multimap_table(LISTS).expect("lists");
        let mut right =
            lists.get(&right[..]).expect("list").map(|item| item.expect("item").value()).peekable();
        let mut shared = 0;
        for item in lists.get(&left[..]).expect("list") {
            let item = item.expect("item").value();
            while right.next_if(|other| *other < item).is_some() {}
            shared += u64::from(right.peek() == Some(&item));
        }
        shared
    }
}
