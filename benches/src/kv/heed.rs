//! heed, as its documentation uses it: typed databases of bytes, one read transaction for a batch of reads.

use std::ops::Bound;
use std::path::Path;

use heed::types::Bytes;
use heed::{
    CommitOrAbort, Database, DatabaseFlags, DefaultComparator, Env, EnvFlags, EnvOpenOptions,
    IntegerComparator, PutFlags,
};

use super::{Engine, Entry, Key, Reader, checksum};

/// An environment with a map and a table of lists.
pub struct Heed {
    env: &'static Env,
    map: Map,
    lists: Lists,
}

type Map = Database<'static, Bytes, Bytes>;
type Lists = Database<'static, Bytes, Bytes, DefaultComparator, IntegerComparator>;

impl Heed {
    /// Opens a fresh database in an empty directory; `durable` means that a commit survives a power cut.
    #[expect(unsafe_code, reason = "heed's open is unsafe; the directory is this process's own")]
    pub fn open(dir: &Path, durable: bool) -> Self {
        let mut options = EnvOpenOptions::new();
        options.map_size(16 << 30).max_dbs(4);
        // SAFETY: the directory is fresh and nobody else opens it.
        let env = unsafe {
            if !durable {
                options.flags(EnvFlags::NO_SYNC);
            }
            options.open(dir).expect("opens")
        };
        // heed's table handles borrow the environment; a bench process keeps its few environments to the end.
        let env: &'static Env = Box::leak(Box::new(env));
        let txn = env.write_txn().expect("write transaction");
        let (map, lists) = env
            .create_databases_and_commit(txn, |create, txn| -> heed::Result<_> {
                let map = create.database_options().types::<Bytes, Bytes>().name("map").create(txn)?;
                let lists = create
                    .database_options()
                    .types::<Bytes, Bytes>()
                    .dup_sort_comparator::<IntegerComparator>()
                    .flags(DatabaseFlags::DUP_SORT | DatabaseFlags::DUP_FIXED)
                    .name("lists")
                    .create(txn)?;
                Ok(CommitOrAbort::<_, ()>::Commit((map, lists)))
            })
            .expect("tables")
            .unwrap_commit();
        Self { env, map, lists }
    }
}

impl Engine for Heed {
    fn name(&self) -> &'static str {
        "heed"
    }

    fn put(&mut self, entries: &[Entry]) {
        let mut txn = self.env.write_txn().expect("write transaction");
        for (key, value) in entries {
            self.map.put(&mut txn, key, value).expect("puts");
        }
        txn.commit().expect("commits");
    }

    fn append(&mut self, entries: &[Entry]) {
        let mut txn = self.env.write_txn().expect("write transaction");
        for (key, value) in entries {
            self.map.put_with_flags(&mut txn, PutFlags::APPEND, key, value).expect("puts");
        }
        txn.commit().expect("commits");
    }

    fn delete(&mut self, keys: &[Key]) {
        let mut txn = self.env.write_txn().expect("write transaction");
        for key in keys {
            self.map.delete(&mut txn, key).expect("deletes");
        }
        txn.commit().expect("commits");
    }

    fn get(&self, keys: &[Key]) -> u64 {
        get(self.env, self.map, keys)
    }

    fn multi_get(&self, keys: &[Key]) -> u64 {
        let txn = self.env.read_txn().expect("read transaction");
        let values: Vec<_> = keys.iter().map(|key| self.map.get(&txn, key).expect("gets")).collect();
        values.into_iter().flatten().map(checksum).sum()
    }

    fn scan(&self, backward: bool) -> u64 {
        let txn = self.env.read_txn().expect("read transaction");
        match backward {
            false => {
                self.map.iter(&txn).expect("iterates").map(|entry| checksum(entry.expect("entry").1)).sum()
            }
            true => self
                .map
                .rev_iter(&txn)
                .expect("iterates")
                .map(|entry| checksum(entry.expect("entry").1))
                .sum(),
        }
    }

    fn ranges(&self, starts: &[Key], len: usize) -> u64 {
        let txn = self.env.read_txn().expect("read transaction");
        starts
            .iter()
            .map(|start| {
                let range = (Bound::Included(&start[..]), Bound::Unbounded);
                let range = self.map.range(&txn, &range).expect("range");
                range.take(len).map(|entry| checksum(entry.expect("entry").1)).sum::<u64>()
            })
            .sum()
    }

    fn count(&self, low: &Key, high: &Key) -> u64 {
        let txn = self.env.read_txn().expect("read transaction");
        let range = (Bound::Included(&low[..]), Bound::Included(&high[..]));
        self.map.range(&txn, &range).expect("range").count() as u64
    }

    fn rank(&self, key: &Key) -> u64 {
        let txn = self.env.read_txn().expect("read transaction");
        let range = (Bound::Unbounded, Bound::Excluded(&key[..]));
        self.map.range(&txn, &range).expect("range").count() as u64
    }

    fn select(&self, rank: u64) -> u64 {
        let txn = self.env.read_txn().expect("read transaction");
        let entry = self.map.iter(&txn).expect("iterates").nth(rank as usize);
        entry.map_or(0, |entry| checksum(entry.expect("entry").1))
    }

    fn put_list(&mut self, key: &Key, items: &[u64]) {
        let mut txn = self.env.write_txn().expect("write transaction");
        for item in items {
            self.lists.put(&mut txn, key, &item.to_ne_bytes()).expect("puts");
        }
        txn.commit().expect("commits");
    }

    fn list_sum(&self, key: &Key) -> u64 {
        let txn = self.env.read_txn().expect("read transaction");
        let Some(items) = self.lists.get_duplicates(&txn, key).expect("duplicates") else { return 0 };
        items.map(|entry| number(entry.expect("entry").1)).fold(0, u64::wrapping_add)
    }

    fn list_intersection(&self, left: &Key, right: &Key) -> u64 {
        let txn = self.env.read_txn().expect("read transaction");
        let list = |key| {
            let items = self.lists.get_duplicates(&txn, key).expect("duplicates").expect("list");
            items.map(|entry| number(entry.expect("entry").1))
        };
        super::shared(list(left), list(right))
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(HeedReader { env: self.env, map: self.map })
    }
}

struct HeedReader {
    env: &'static Env,
    map: Map,
}

impl Reader for HeedReader {
    fn get(&self, keys: &[Key]) -> u64 {
        get(self.env, self.map, keys)
    }
}

fn get(env: &Env, map: Map, keys: &[Key]) -> u64 {
    let txn = env.read_txn().expect("read transaction");
    keys.iter().map(|key| map.get(&txn, key).expect("gets").map_or(0, checksum)).sum()
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes.try_into().expect("eight bytes"))
}
