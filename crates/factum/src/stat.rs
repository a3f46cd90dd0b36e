//! [`Stat`]: sizes and counts of a database, and [`TableInfo`]: those of a key-value table.

use kv::codec::KeyType;
use kv::{EnvInfo, Read};
use storage::CheckReport;

use crate::{Connection, Kv, Result};

/// Sizes and counts of a database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stat {
    /// Facts.
    pub datoms: u64,
    /// Attributes, without the built-in ones.
    pub attributes: usize,
    /// The largest id given to an entity.
    pub max_eid: u64,
    /// Transactions since the database was made.
    pub transactions: u64,
    /// The file and those who read it; nothing in memory.
    pub file: Option<EnvInfo>,
    /// The user's key-value tables beside the facts, by name.
    pub tables: Vec<TableInfo>,
}

/// Sizes and properties of a key-value table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// Pairs; each value of a list counts.
    pub entries: u64,
    /// Pages of its tree. Long lists have trees of their own, which LMDB does not count here.
    pub pages: u64,
    /// Levels of its tree.
    pub depth: u32,
    /// Whether a key has a list of values.
    pub list: bool,
    /// Whether it is counted.
    pub counted: bool,
    /// The type of its keys, if it was made with one.
    pub key_type: Option<KeyType>,
    /// The type of its values, if it was made with one.
    pub value_type: Option<KeyType>,
}

impl Kv {
    /// Sizes and properties of all tables of the user's, by name.
    ///
    /// ```
    /// # use factum::{Kv, kv::{Table, codec::{Long, Str}}};
    /// let kv = Kv::temporary()?;
    /// let ages: Table<Str, Long> = kv.open_table("ages")?;
    /// kv.with_transaction(|txn| ages.put(txn, "Ann", 38))?;
    /// let tables = kv.tables()?;
    /// assert_eq!((tables[0].name.as_str(), tables[0].entries, tables[0].pages), ("ages", 1, 1));
    /// # Ok::<(), factum::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file is damaged.
    pub fn tables(&self) -> Result<Vec<TableInfo>> {
        let (names, read) = (self.dbi_names()?, self.read().map_err(storage::Error::from)?);
        let info = |name: String| {
            let dbi = self.existing_dbi(&name)?;
            let (stat, options) = (read.stat(&dbi)?, read.dbi_options(&dbi)?);
            Ok(TableInfo {
                name,
                entries: stat.entries,
                pages: stat.branch_pages + stat.leaf_pages + stat.overflow_pages,
                depth: stat.depth,
                list: dbi.is_list(),
                counted: options.is_counted(),
                key_type: options.key_type().cloned(),
                value_type: options.value_type().cloned(),
            })
        };
        let tables: kv::Result<Vec<_>> = names.into_iter().map(info).collect();
        Ok(tables.map_err(storage::Error::from)?)
    }
}

impl Connection {
    /// Sizes, counts and living snapshots.
    ///
    /// ```
    /// # use factum::Connection;
    /// let conn = Connection::memory()?;
    /// conn.transact("[{:name \"Ann\" :age 38}]")?;
    /// assert_eq!(conn.stat()?.datoms, 2);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn stat(&self) -> Result<Stat> {
        let (file, tables) = match self.store()?.env() {
            Some(env) => (Some(env.info().map_err(storage::Error::from)?), self.kv()?.tables()?),
            None => (None, Vec::new()),
        };
        let db = self.db()?;
        Ok(Stat {
            datoms: db.count(None, None, None)?,
            attributes: db.schema().iter().filter(|attribute| !attribute.is_built_in()).count(),
            max_eid: db.max_eid().0,
            transactions: db.basis_tx(),
            file,
            tables,
        })
    }

    /// Compares the two indexes with each other, every value with its attribute, and the counts of key-value tables with these,
    /// reading everything once.
    ///
    /// ```
    /// # use factum::Connection;
    /// let conn = Connection::memory()?;
    /// conn.transact("[{:name \"Ann\" :age 38}]")?;
    /// assert!(conn.check()?.is_sound());
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn check(&self) -> Result<CheckReport> {
        // So that the file is looked at with everything in it.
        if !self.is_writing() {
            self.store()?.settle()?;
        }
        let mut report = self.db()?.inner().check()?;
        if report.is_sound() && self.store()?.env().is_some() {
            let counts = self.kv()?.read().and_then(|read| read.check_counts());
            report.add_tables(counts.map_err(storage::Error::from)?);
        }
        Ok(report)
    }
}
