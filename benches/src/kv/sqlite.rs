//! SQLite: a `WITHOUT ROWID` table for the map and one for the lists, prepared statements, write-ahead log.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{Engine, Entry, checksum};

/// A database file with a map and a table of lists.
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens a fresh database in an empty directory; `durable` means that a commit survives a power cut.
    pub fn open(dir: &Path, durable: bool) -> Self {
        let connection = Connection::open(dir.join("sqlite.db")).expect("opens");
        let synchronous = if durable { "FULL" } else { "OFF" };
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
                 CREATE TABLE map (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;
                 CREATE TABLE lists (k BLOB, v INTEGER, PRIMARY KEY (k, v)) WITHOUT ROWID;"
            ))
            .expect("schema");
        Self { connection }
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

    fn delete(&mut self, keys: &[[u8; 8]]) {
        let txn = self.connection.transaction().expect("transaction");
        {
            let mut delete = txn.prepare_cached("DELETE FROM map WHERE k = ?1").expect("prepares");
            for key in keys {
                delete.execute(params![key]).expect("deletes");
            }
        }
        txn.commit().expect("commits");
    }

    fn get(&self, keys: &[[u8; 8]]) -> u64 {
        let txn = self.connection.unchecked_transaction().expect("transaction");
        let mut select = txn.prepare_cached("SELECT v FROM map WHERE k = ?1").expect("prepares");
        keys.iter()
            .map(|key| {
                let mut rows = select.query(params![key]).expect("queries");
                let row = rows.next().expect("row");
                row.map_or(0, |row| checksum(row.get_ref(0).expect("value").as_blob().expect("blob")))
            })
            .sum()
    }

    fn scan(&self, backward: bool) -> u64 {
        let order = if backward { "DESC" } else { "ASC" };
        self.sum(&format!("SELECT v FROM map ORDER BY k {order}"), [])
    }

    fn ranges(&self, starts: &[[u8; 8]], len: usize) -> u64 {
        let txn = self.connection.unchecked_transaction().expect("transaction");
        let sql = "SELECT v FROM map WHERE k >= ?1 ORDER BY k LIMIT ?2";
        let sum = starts.iter().map(|start| self.sum(sql, params![start, len as i64])).sum();
        drop(txn);
        sum
    }

    fn count(&self, low: &[u8; 8], high: &[u8; 8]) -> u64 {
        let sql = "SELECT count(*) FROM map WHERE k BETWEEN ?1 AND ?2";
        let mut select = self.connection.prepare_cached(sql).expect("prepares");
        select.query_row(params![low, high], |row| row.get::<_, i64>(0)).expect("counts") as u64
    }

    fn put_list(&mut self, key: &[u8; 8], items: &[u64]) {
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

    fn list_sum(&self, key: &[u8; 8]) -> u64 {
        let mut select =
            self.connection.prepare_cached("SELECT v FROM lists WHERE k = ?1").expect("prepares");
        let mut rows = select.query(params![key]).expect("queries");
        let mut sum = 0u64;
        while let Some(row) = rows.next().expect("row") {
            sum = sum.wrapping_add(row.get::<_, i64>(0).expect("item") as u64);
        }
        sum
    }

    fn list_intersection(&self, left: &[u8; 8], right: &[u8; 8]) -> u64 {
        let sql = "SELECT count(*) FROM lists a JOIN lists b ON b.k = ?2 AND b.v = a.v WHERE a.k = ?1";
        let mut select = self.connection.prepare_cached(sql).expect("prepares");
        select.query_row(params![left, right], |row| row.get::<_, i64>(0)).expect("counts") as u64
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
