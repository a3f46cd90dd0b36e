//! [`Stat`]: sizes and counts of a database.

use kv::EnvInfo;
use storage::CheckReport;

use crate::{Connection, Result};

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
        let file = match self.store()?.env() {
            Some(env) => Some(env.info().map_err(storage::Error::from)?),
            None => None,
        };
        let db = self.db()?;
        Ok(Stat {
            datoms: db.count(None, None, None)?,
            attributes: db.schema().iter().filter(|attribute| !attribute.is_built_in()).count(),
            max_eid: db.max_eid().0,
            transactions: db.basis_tx(),
            file,
        })
    }

    /// Compares the two indexes with each other and every value with its attribute, reading everything once.
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
        Ok(self.db()?.inner().check()?)
    }
}
