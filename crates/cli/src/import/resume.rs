//! How far an import came, kept in the database's own file so that it is committed with the records it counts.
//!
//! ```text
//! table "factum-import": | what is imported, BLAKE3 of mapping and file | -> records committed |
//! ```
//!
//! The entry is there while an import into an existing database is under way, and after one that was killed or
//! refused in the middle. An import into an empty database needs none: it is one commit.

use std::fs::File;
use std::path::Path;

use factum::kv::Table;
use factum::kv::codec::{Long, Str};
use factum::{Connection, Transaction};

use super::{ImportArgs, ImportError};
use crate::error::CliError;

const TABLE: &str = "factum-import";

/// The entry of one import.
pub struct Journal {
    table: Table<Str, Long>,
    key: String,
}

impl Journal {
    /// The entry for these arguments; nothing is written yet.
    pub fn open(conn: &Connection, args: &ImportArgs) -> Result<Option<Self>, CliError> {
        let store = conn.store()?;
        let Some(env) = store.env() else { return Ok(None) };
        let table = env.open_table(TABLE).map_err(factum::Error::from)?;
        Ok(Some(Self { table, key: fingerprint(args)? }))
    }

    /// How many records were committed by an import that did not end.
    pub fn committed(&self, conn: &Connection) -> Result<usize, CliError> {
        let store = conn.store()?;
        let Some(env) = store.env() else { return Ok(0) };
        let read = env.read().map_err(factum::Error::from)?;
        let count = self.table.get(&read, &self.key).map_err(factum::Error::from)?;
        Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
    }

    /// Notes how far it is, or with `None` that it is done, in the commit of `tx`.
    pub fn note(&self, tx: &mut Transaction, committed: Option<usize>) -> factum::Result<()> {
        tx.kv(|txn| match committed {
            Some(count) => self.table.put(txn, &self.key, i64::try_from(count).unwrap_or(i64::MAX)),
            None => self.table.delete(txn, &self.key).map(drop),
        })
    }
}

/// The same only for the same bytes imported in the same way.
fn fingerprint(args: &ImportArgs) -> Result<String, ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: args.file.clone(), source };
    let mut hasher = blake3::Hasher::new();
    for part in [Some(&args.entity), args.id.as_ref()].into_iter().chain(args.refs.iter().map(Some)) {
        hasher.update(part.map_or("", String::as_str).as_bytes());
        hasher.update(&[0]);
    }
    let mut file = File::open(Path::new(&args.file)).map_err(unreadable)?;
    std::io::copy(&mut file, &mut Hashed(&mut hasher)).map_err(unreadable)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Bytes on their way into the hash.
struct Hashed<'h>(&'h mut blake3::Hasher);

impl std::io::Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
