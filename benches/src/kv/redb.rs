//! redb: one table and one multimap table, one read transaction for a batch of reads.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, Durability, MultimapTableDefinition, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Engine, Entry, Key, Reader, checksum};

const MAP: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("map");
const LISTS: MultimapTableDefinition<'_, &[u8], u64> = MultimapTableDefinition::new("lists");

/// A database file with a map and a table of lists.
pub struct Redb {
    database: Arc<Database>,
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
        let mut engine = Self { database: Arc::new(database), durable };
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

    fn delete(&mut self, keys: &[Key]) {
        self.write(|txn| {
            let mut map = txn.open_table(MAP).expect("map");
            for key in keys {
                map.remove(&key[..]).expect("deletes");
            }
        });
    }

    fn get(&self, keys: &[Key]) -> u64 {
        get(&self.database, keys)
    }

    fn multi_get(&self, keys: &[Key]) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let map = txn.open_table(MAP).expect("map");
        let values: Vec<_> = keys.iter().map(|key| map.get(&key[..]).expect("gets")).collect();
        values.into_iter().flatten().map(|value| checksum(value.value())).sum()
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

    fn ranges(&self, starts: &[Key], len: usize) -> u64 {
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

    fn count(&self, low: &Key, high: &Key) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let map = txn.open_table(MAP).expect("map");
        map.range(&low[..]..=&high[..]).expect("range").count() as u64
    }

    fn rank(&self, key: &Key) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let map = txn.open_table(MAP).expect("map");
        map.range(..&key[..]).expect("range").count() as u64
    }

    fn select(&self, rank: u64) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let map = txn.open_table(MAP).expect("map");
        let entry = map.iter().expect("iterates").nth(rank as usize);
        entry.map_or(0, |entry| checksum(entry.expect("entry").1.value()))
    }

    fn put_list(&mut self, key: &Key, items: &[u64]) {
        self.write(|txn| {
            let mut lists = txn.open_multimap_table(LISTS).expect("lists");
            for item in items {
                lists.insert(&key[..], item).expect("puts");
            }
        });
    }

    fn list_sum(&self, key: &Key) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let lists = txn.open_multimap_table(LISTS).expect("lists");
        let items = lists.get(&key[..]).expect("list");
        items.map(|item| item.expect("item").value()).fold(0, u64::wrapping_add)
    }

    fn list_intersection(&self, left: &Key, right: &Key) -> u64 {
        let txn = self.database.begin_read().expect("read transaction");
        let lists = txn.open_multimap_table(LISTS).expect("lists");
        let list = |key: &Key| lists.get(&key[..]).expect("list").map(|item| item.expect("item").value());
        super::shared(list(left), list(right))
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(RedbReader { database: Arc::clone(&self.database) })
    }
}

struct RedbReader {
    database: Arc<Database>,
}

impl Reader for RedbReader {
    fn get(&self, keys: &[Key]) -> u64 {
        get(&self.database, keys)
    }
}

fn get(database: &Database, keys: &[Key]) -> u64 {
    let txn = database.begin_read().expect("read transaction");
    let map = txn.open_table(MAP).expect("map");
    keys.iter().map(|key| map.get(&key[..]).expect("gets").map_or(0, |value| checksum(value.value()))).sum()
}
