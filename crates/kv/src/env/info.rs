//! What an environment says about itself: sizes, readers, ages, versions.

use std::time::Duration;

use lmdb_pages::TableStat;

use super::Env;
use crate::error::{Error, Result};

/// Sizes and limits of an environment at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvInfo {
    /// Bytes of address space reserved for the file; it cannot grow beyond.
    pub map_size: u64,
    /// Bytes of a page.
    pub page_size: u32,
    /// Bytes of the file that have ever been used; free pages inside are reused by later transactions.
    pub used_size: u64,
    /// Bytes of the file on disk.
    pub file_size: u64,
    /// The newest committed transaction.
    pub last_txn_id: u64,
    /// How many snapshots can be alive at a time.
    pub max_readers: u32,
    /// The snapshots that are alive, in all processes, oldest first.
    pub readers: Vec<ReaderInfo>,
}

/// A living snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReaderInfo {
    /// The process that holds it.
    pub pid: u32,
    /// The thread that took the slot, by the number that LMDB gives it.
    pub thread: u64,
    /// The transaction whose state it shows.
    pub txn_id: u64,
    /// How many transactions were committed since: their freed pages cannot be reused while it lives.
    pub behind: u64,
    /// How long it has been alive, to a few milliseconds, if it is a snapshot of this process. LMDB does not write down when
    /// others began.
    pub age: Option<Duration>,
}

/// How far a write-ahead log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogInfo {
    /// The transaction up to which the data file is on disk.
    pub checkpoint: u64,
    /// The newest transaction.
    pub last: u64,
    /// Bytes of the records between the two.
    pub size: u64,
    /// How many commits only the log has ([`WriteTurn::defer`](crate::WriteTurn::defer)).
    pub deferred: usize,
}

/// What this crate is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Versions {
    /// Of this crate.
    pub factum_kv: &'static str,
    /// Of LMDB's C library.
    pub lmdb: &'static str,
    /// The newest format of what this crate stores beside the user's tables.
    pub format: u32,
}

/// The versions of this crate, of LMDB and of the stored format.
pub fn versions() -> Versions {
    Versions {
        factum_kv: env!("CARGO_PKG_VERSION"),
        lmdb: heed::lmdb_version().string,
        format: crate::options::FORMAT_VERSION,
    }
}

impl Env {
    /// The shape of the main table, in which the named tables are entered.
    ///
    /// # Errors
    ///
    /// As [`Env::snapshot`].
    #[doc(alias = "mdb_env_stat")]
    pub fn stat(&self) -> Result<TableStat> {
        Ok(self.snapshot()?.main().stat())
    }

    /// Sizes, limits and living snapshots.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Forked`].
    pub fn info(&self) -> Result<EnvInfo> {
        let shared = &*self.shared;
        shared.check_process()?;
        let info = shared.heed.info();
        let page_size = shared.heed.unnamed_database_stat().page_size;
        let file_size = shared
            .heed
            .real_disk_size()
            .map_err(|error| Error::from_heed(error, "reading the size of the data file"))?;
        Ok(EnvInfo {
            map_size: info.map_size as u64,
            page_size,
            used_size: (info.last_page_number as u64 + 1) * u64::from(page_size),
            file_size,
            last_txn_id: info.last_txn_id as u64,
            max_readers: info.maximum_number_of_readers,
            readers: self.readers()?,
        })
    }

    /// How far the write-ahead log is; `None` without one.
    #[doc(alias = "kv-wal-watermarks")]
    #[doc(alias = "txlog-watermarks")]
    pub fn log_info(&self) -> Option<LogInfo> {
        self.shared.log.info()
    }

    /// The living snapshots of all processes, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Lmdb`].
    pub fn readers(&self) -> Result<Vec<ReaderInfo>> {
        let slots = self.shared.handle.readers().map_err(|code| Error::from_code(code, "listing readers"))?;
        let last = self.shared.heed.info().last_txn_id as u64;
        // The log's own readers are nobody's snapshots.
        let mut held = self.shared.log.held();
        let (living, own) = (self.shared.reader.living().snapshots(), std::process::id());
        let mut readers: Vec<_> = slots
            .into_iter()
            .filter_map(|slot| {
                let txn_id = slot.txn_id?;
                if slot.pid == own
                    && let Some(at) = held.iter().position(|held| *held == txn_id)
                {
                    held.swap_remove(at);
                    return None;
                }
                let ours = living.iter().filter(|snapshot| slot.pid == own && snapshot.txn_id == txn_id);
                let age = ours.map(|snapshot| snapshot.age).max();
                let behind = last.saturating_sub(txn_id);
                Some(ReaderInfo { pid: slot.pid, thread: slot.thread, txn_id, behind, age })
            })
            .collect();
        readers.sort_by_key(|reader| (reader.txn_id, reader.pid));
        Ok(readers)
    }
}
