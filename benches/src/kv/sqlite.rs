//! SQLite: a `WITHOUT ROWID` table for the map and one for the lists, prepared statements, write-ahead log.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::{Engine, Entry, Key, Reader, checksum};

/// A database file with a map and a table of lists.
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
}

impl Sqlite {
    /// Opens a fresh database in an empty directory; `durable` means that a commit survives a power cut.
    pub fn open(dir: &Path, durable: bool) -> Self {
        let path = dir.join("sqlite.db");
        let connection = Connection::open(&path).expect("opens");
        let synchronous = if durable { "FULL" } else { "OFF" };
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
                 CREATE TABLE map (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;
                 CREATE TABLE lists (k BLOB, v INTEGER, PRIMARY KEY (k, v)) WITHOUT ROWID;"
            ))
            .expect("schema");
        Self { connection, path }
    }
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn put(&mut self, entries: &[Entry]) {
        let txn = self.connection.transaction().expect("transaction");
        {
            let mut insert =
                txn.prepare_cached("INSERT OR REPLACE INTO map VALUES (?1, ?2)").expect("prepares");
            for (key, value) in entries {
                insert.execute(params![key, value]).expect("puts");
            }
        }
        txn.commit().expect("commits");
    }

    fn delete(&mut self, keys: &[Key]) {
        let txn = self.connection.transaction().expect("transaction");
        {
            let mut delete = txn.prepare_cached("DELETE FROM map WHERE k = ?1").expect("prepares");
            for key in keys {
                delete.execute(params![key]).expect("deletes");
            }
        }
        txn.commit().expect("commits");
    }

    fn get(&self, keys: &[Key]) -> u64 {
        get(&self.connection, keys)
    }

    fn multi_get(&self, keys: &[Key]) -> u64 {
        let txn = self.connection.unchecked_transaction().expect("transaction");
        let mut select = txn.prepare_cached(SELECT).expect("prepares");
        let mut value = |key: &Key| {
            let found = select.query_row(params![key], |row| row.get::<_, Vec<u8>>(0)).optional();
            found.expect("queries")
        };
        let values: Vec<_> = keys.iter().map(&mut value).collect();
        values.into_iter().flatten().map(|value| checksum(&value)).sum()
    }

    fn scan(&self, backward: bool) -> u64 {
        let order = if backward { "DESC" } else { "ASC" };
        self.sum(&format!("SELECT v FROM map ORDER BY k {order}"), [])
    }

    fn ranges(&self, starts: &[Key], len: usize) -> u64 {
        let txn = self.connection.unchecked_transaction().expect("transaction");
        let sql = "SELECT v FROM map WHERE k >= ?1 ORDER BY k LIMIT ?2";
        let sum = starts.iter().map(|start| self.sum(sql, params![start, len as i64])).sum();
        drop(txn);
        sum
    }

    fn count(&self, low: &Key, high: &Key) -> u64 {
        let sql = "SELECT count(*) FROM map WHERE k BETWEEN ?1 AND ?2";
        let mut select = self.connection.prepare_cached(sql).expect("prepares");
        select.query_row(params![low, high], |row| row.get::<_, i64>(0)).expect("counts") as u64
    }

    fn rank(&self, key: &Key) -> u64 {
        let sql = "SELECT count(*) FROM map WHERE k < ?1";
        let mut select = self.connection.prepare_cached(sql).expect("prepares");
        select.query_row(params![key], |row| row.get::<_, i64>(0)).expect("counts") as u64
    }

    fn select(&self, rank: u64) -> u64 {
        self.sum("SELECT v FROM map ORDER BY k LIMIT 1 OFFSET ?1", params![rank as i64])
    }

    fn put_list(&mut self, key: &Key, items: &[u64]) {
        let txn = self.connection.transaction().expect("transaction");
        {
            let mut insert =
                txn.prepare_cached("INSERT OR IGNORE INTO lists VALUES (?1, ?2)").expect("prepares");
            for item in items {
                insert.execute(params![key, *item as i64]).expect("puts");
            }
        }
        txn.commit().expect("commits");
    }

    fn list_sum(&self, key: &Key) -> u64 {
        let mut select =
            self.connection.prepare_cached("SELECT v FROM lists WHERE k = ?1").expect("prepares");
        let mut rows = select.query(params![key]).expect("queries");
        let mut sum = 0u64;
        while let Some(row) = rows.next().expect("row") {
            sum = sum.wrapping_add(row.get::<_, i64>(0).expect("item") as u64);
        }
        sum
    }

    fn list_intersection(&self, left: &Key, right: &Key) -> u64 {
        let sql = "SELECT count(*) FROM lists a JOIN lists b ON b.k = ?2 AND b.v = a.v WHERE a.k = ?1";
        let mut select = self.connection.prepare_cached(sql).expect("prepares");
        select.query_row(params![left, right], |row| row.get::<_, i64>(0)).expect("counts") as u64
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(SqliteReader { connection: Connection::open(&self.path).expect("opens") })
    }
}

impl Sqlite {
    fn sum(&self, sql: &str, params: impl rusqlite::Params) -> u64 {
        let mut select = self.connection.prepare_cached(sql).expect("prepares");
        let mut rows = select.query(params).expect("queries");
        let mut sum = 0;
        while let Some(row) = rows.next().expect("row") {
            sum += checksum(row.get_ref(0).expect("value").as_blob().expect("blob"));
        }
        sum
    }
}

struct SqliteReader {
    connection: Connection,
}

impl Reader for SqliteReader {
    fn get(&self, keys: &[Key]) -> u64 {
        get(&self.connection, keys)
    }
}

const SELECT: &str = "SELECT v FROM map WHERE k = ?1";

fn get(connection: &Connection, keys: &[Key]) -> u64 {
    let txn = connection.unchecked_transaction().expect("transaction");
    let mut select = txn.prepare_cached(SELECT).expect("prepares");
    keys.iter()
        .map(|key| {
            let mut rows = select.query(params![key]).expect("queries");
            let row = rows.next().expect("row");
            row.map_or(0, |row| checksum(row.get_ref(0).expect("value").as_blob().expect("blob")))
        })
        .sum()
}
