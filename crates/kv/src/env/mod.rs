//! The environment: one file, its options, its readers and its writer.

mod copy;
mod holders;
mod info;
mod options;
mod place;
mod registry;
mod settings;
mod temp;
mod turn;
pub(crate) mod types;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use heed::WithoutTls;
use lmdb_pages::Snapshot;

pub use holders::Holders;
pub use info::{EnvInfo, LogInfo, ReaderInfo, Versions, versions};
pub use options::{Durability, EnvOptions};
pub use temp::TempEnv;

use crate::batch::Queue;
use crate::dbi::DbiEntry;
use crate::error::{Error, Result};
use crate::flags::EnvFlags;
use crate::log::{DataLock, LogSlot};
use crate::sys::{EnvHandle, Held, Process, RawRead, TxnHandle};
use crate::txn::{OwnedWriteTxn, WriteTxn};
pub(crate) use place::{FileId, Place, not_writable};
pub(crate) use turn::Turn;

/// An open environment; clones are the same environment, and the last of them closes it.
///
/// ```
/// use factum_kv::{DbiFlags, EnvOptions};
///
/// # fn main() -> factum_kv::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// let env = EnvOptions::new().open(dir.path())?;
/// let fruit = env.open_dbi("fruit", DbiFlags::empty())?;
/// let mut txn = env.write()?;
/// txn.put(&fruit, b"apple", b"green")?;
/// txn.commit()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Env {
    pub(crate) shared: Arc<Shared>,
}

impl From<Arc<Shared>> for Env {
    fn from(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

/// What the clones of an [`Env`] share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The write-ahead log, if there is one; declared before the environment, so that its readers end before that does.
    pub(crate) log: LogSlot,
    pub(crate) log_path: PathBuf,
    /// Absent where nothing can be written.
    pub(crate) data_lock: Option<DataLock>,
    /// Tells environments of this process apart.
    pub(crate) id: u32,
    pub(crate) heed: heed::Env<WithoutTls>,
    pub(crate) handle: EnvHandle,
    pub(crate) reader: lmdb_pages::Reader,
    /// Up to this transaction, the file surely had no table of options.
    pub(crate) no_options_until: AtomicU64,
    /// The write transaction that has last changed the table of options, committed or not.
    pub(crate) options_changed_in: AtomicU64,
    /// Whether heed's own API may be reading through LMDB's mapping.
    heed_lent: AtomicBool,
    /// Where LMDB keeps the write transaction, learnt by the first one.
    pub(crate) writer_place: OnceLock<TxnHandle>,
    /// Whether the latest write transaction, or one nested in it, met a full map.
    pub(crate) met_full_map: AtomicBool,
    pub(crate) options: EnvOptions,
    path: PathBuf,
    opened_by: Process,
    pub(crate) turn: Turn,
    pub(crate) dbis: RwLock<Dbis>,
    /// What waits to be written asynchronously.
    pub(crate) queue: OnceLock<Arc<Queue>>,
    /// Types that users have registered.
    pub(crate) types: types::KnownTypes,
}

/// The tables that handles exist for, by the number in the handle.
#[derive(Debug, Default)]
pub(crate) struct Dbis {
    pub(crate) entries: Vec<Arc<DbiEntry>>,
    pub(crate) by_name: HashMap<&'static str, u32>,
    /// Names that only [`Env::open_reserved`] opens.
    pub(crate) reserved: HashSet<String>,
}

impl Dbis {
    /// A number for one more.
    pub(crate) fn push(&mut self, entry: DbiEntry) -> u32 {
        let index = u32::try_from(self.entries.len()).expect("fewer tables than numbers");
        self.entries.push(Arc::new(entry));
        index
    }
}

impl Shared {
    fn new(
        heed: heed::Env<WithoutTls>,
        options: &EnvOptions,
        place: &Place,
        data_lock: Option<DataLock>,
    ) -> Result<Self> {
        // A process that died while reading left its slot behind; sweeping can fail only as opening does.
        heed.clear_stale_readers().map_err(|error| Error::from_heed(error, "clearing stale readers"))?;
        let handle = EnvHandle::of(&heed)
            .map_err(|error| match Error::from_heed(error, "reading the environment's handle") {
                Error::ReadersFull { .. } => Error::ReadersFull { max: heed.max_readers() },
                other => other,
            })?
            .ok_or(Error::HeedChanged)?;
        let idle_readers = options.idle_readers.unwrap_or(EnvOptions::DEFAULT_IDLE_READERS);
        // Their slots are nobody else's, so no more than a quarter of them.
        let idle_max = idle_readers.min(heed.max_readers() / 4) as usize;
        let reader = lmdb_pages::Reader::with_leases(&heed, idle_max, move || RawRead::lease(handle))?;
        static NEXT_ID: AtomicU32 = AtomicU32::new(0);
        Ok(Self {
            log: LogSlot::default(),
            log_path: place.log(),
            data_lock,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            heed,
            handle,
            reader,
            no_options_until: AtomicU64::new(u64::MAX - 1),
            options_changed_in: AtomicU64::new(u64::MAX),
            heed_lent: AtomicBool::new(false),
            writer_place: OnceLock::new(),
            met_full_map: AtomicBool::new(false),
            options: options.clone(),
            path: place.path.clone(),
            opened_by: Process::this().map_err(Error::io("watching for forks"))?,
            turn: Turn::default(),
            dbis: RwLock::default(),
            queue: OnceLock::new(),
            types: types::KnownTypes::default(),
        })
    }

    /// Whether the environment, which is open, is what these options ask for.
    fn agree_with(&self, options: &EnvOptions, place: &Place) -> Result<()> {
        let conflict = |option, open: String, requested: String| {
            Err(Error::OptionsConflict { path: place.path.clone(), option, open, requested })
        };
        if let Some(size) = options.map_size
            && size.next_multiple_of(1 << 16) > self.heed.info().map_size as u64
        {
            return conflict("map_size", self.heed.info().map_size.to_string(), size.to_string());
        }
        if let Some(readers) = options.max_readers
            && readers != self.heed.max_readers()
        {
            return conflict("max_readers", self.heed.max_readers().to_string(), readers.to_string());
        }
        let max_dbis = self.max_dbis();
        if let Some(dbis) = options.max_dbis
            && dbis != max_dbis
        {
            return conflict("max_dbis", max_dbis.to_string(), dbis.to_string());
        }
        let idle_readers = self.options.idle_readers.unwrap_or(EnvOptions::DEFAULT_IDLE_READERS);
        if let Some(readers) = options.idle_readers
            && readers != idle_readers
        {
            return conflict("idle_readers", idle_readers.to_string(), readers.to_string());
        }
        let durability = self.durability();
        if let Some(requested) = options.durability
            && requested != durability
        {
            return conflict("durability", format!("{durability:?}"), format!("{requested:?}"));
        }
        let missing = options.other_flags - EnvFlags::from_bits_truncate(self.handle.flags());
        if !missing.is_empty() {
            return conflict("flags", "without them".to_owned(), format!("{missing:?}"));
        }
        for (option, open, requested) in [
            ("read_only", self.options.read_only, options.read_only),
            ("write_map", self.options.write_map, options.write_map),
            ("previous_snapshot", self.options.previous_snapshot, options.previous_snapshot),
        ] {
            if open != requested {
                return conflict(option, open.to_string(), requested.to_string());
            }
        }
        Ok(())
    }

    pub(crate) fn max_dbis(&self) -> u32 {
        self.options.max_dbis.unwrap_or(EnvOptions::DEFAULT_MAX_DBIS)
    }

    /// An error in the child of a fork: locks and reader slots belong to the parent.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.opened_by.is_this() { Ok(()) } else { Err(Error::Forked) }
    }

    /// An error if this thread has the write transaction, and so must not wait for another.
    pub(crate) fn check_turn(&self) -> Result<()> {
        if self.turn.is_mine() { Err(Error::WouldDeadlock) } else { Ok(()) }
    }

    pub(crate) fn note_heed_lent(&self) {
        if !self.heed_lent.swap(true, Ordering::Relaxed) {
            self.note_lent_to_log();
        }
    }

    pub(crate) fn is_heed_lent(&self) -> bool {
        self.heed_lent.load(Ordering::Relaxed)
    }

    /// After another process has grown the map: takes over its size, if nothing here reads through LMDB's mapping.
    ///
    /// Our snapshots do not: they have a mapping of their own, and their leases hold only a reader slot.
    pub(crate) fn adopt_map_size(&self) -> bool {
        !self.is_heed_lent() && self.handle.set_map_size(0).is_ok()
    }

    /// Begins a write transaction of an environment that nobody else has yet.
    pub(crate) fn write_first(&self) -> Result<WriteTxn<'_>> {
        let turn = self.turn.take(None)?;
        WriteTxn::begin(self, turn)
    }

    /// Fills in what an error of LMDB does not say itself.
    pub(crate) fn complete(&self, error: Error) -> Error {
        match error {
            Error::MapFull { .. } => Error::MapFull { map_size: self.heed.info().map_size as u64 },
            Error::ReadersFull { .. } => Error::ReadersFull { max: self.heed.max_readers() },
            Error::StillOpen { holders, .. } => Error::StillOpen { path: self.path.clone(), holders },
            // What LMDB makes of a write that the system cut short.
            Error::Io { source, .. }
                if source.raw_os_error() == Some(libc::EIO) && place::is_full(&self.path) =>
            {
                Error::DiskFull { source: std::io::Error::from_raw_os_error(libc::ENOSPC) }
            }
            other => other,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.get() {
            queue.close();
        }
        // In the child of a fork, all this is the parent's.
        if self.opened_by.is_this() {
            self.close_log();
            if let Some(lock) = &self.data_lock {
                lock.release();
            }
        } else {
            self.log.forget();
        }
    }
}

impl Env {
    /// Opens, or creates, an environment with the default options.
    ///
    /// # Errors
    ///
    /// As [`EnvOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        EnvOptions::new().open(path)
    }

    /// The canonical path: the directory, or the data file with [`EnvOptions::single_file`].
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The options it was opened with.
    pub fn options(&self) -> &EnvOptions {
        &self.shared.options
    }

    /// heed's handle on the same environment, for other crates that build on heed.
    ///
    /// What heed's own API allows applies to them; its write transactions take turns with those of this crate.
    /// Inside one of ours, use [`WriteTxn::heed`].
    pub fn heed(&self) -> &heed::Env<WithoutTls> {
        self.shared.note_heed_lent();
        &self.shared.heed
    }

    /// The newest committed state, to read from; it stays as it is while it lives.
    ///
    /// **While it lives, pages that later transactions free cannot be reused**, so the file may grow.
    ///
    /// # Errors
    ///
    /// [`Error::ReadersFull`] if all reader slots are taken by living processes, [`Error::Forked`].
    pub fn snapshot(&self) -> Result<Snapshot> {
        let shared = &*self.shared;
        shared.check_process()?;
        match shared.reader.snapshot() {
            Err(lmdb_pages::Error::Lease(error)) => match *error {
                heed::Error::Mdb(heed::MdbError::ReadersFull) if self.clear_stale_readers()? > 0 => {
                    shared.reader.snapshot().map_err(|error| shared.complete(Error::from_pages(error)))
                }
                heed::Error::Mdb(heed::MdbError::MapResized) if shared.adopt_map_size() => {
                    shared.reader.snapshot().map_err(|error| shared.complete(Error::from_pages(error)))
                }
                error => Err(shared.complete(Error::from_heed(error, "taking a snapshot"))),
            },
            other => other.map_err(Error::from_pages),
        }
    }

    /// Begins a write transaction, waiting for the one that is running, if any.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::WouldDeadlock`] if this thread has one already, [`Error::Forked`].
    #[inline]
    pub fn write(&self) -> Result<WriteTxn<'_>> {
        self.begin(None)
    }

    /// As [`Env::write`], but waits no longer than `patience` for another thread of this process.
    ///
    /// # Errors
    ///
    /// [`Error::WriterBusy`] after that time.
    pub fn try_write(&self, patience: Duration) -> Result<WriteTxn<'_>> {
        self.begin(Some(patience))
    }

    /// As [`Env::write`], as a value that keeps the environment open itself and so borrows nothing.
    ///
    /// # Errors
    ///
    /// As [`Env::write`].
    pub fn write_owned(&self) -> Result<OwnedWriteTxn> {
        self.shared.check_process()?;
        if self.shared.options.read_only {
            return Err(Error::ReadOnly);
        }
        let held = Held::begin(Arc::clone(&self.shared), |shared| {
            let turn = shared.turn.take(None)?;
            WriteTxn::begin(shared, turn)
        });
        held.map(OwnedWriteTxn::new)
    }

    /// Whether this thread has the write transaction, and so must not wait for anybody else's.
    pub fn is_writing(&self) -> bool {
        self.shared.check_turn().is_err()
    }

    // As part of the caller, where it is unwrapped: to move a transaction that was just made costs more than to make it.
    #[inline(always)]
    fn begin(&self, patience: Option<Duration>) -> Result<WriteTxn<'_>> {
        self.shared.check_process()?;
        if self.shared.options.read_only {
            return Err(Error::ReadOnly);
        }
        let turn = self.shared.turn.take(patience)?;
        WriteTxn::begin(&self.shared, turn)
    }

    /// Frees the reader slots of processes that died; returns how many there were.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn clear_stale_readers(&self) -> Result<usize> {
        self.shared.check_process()?;
        self.shared
            .heed
            .clear_stale_readers()
            .map_err(|error| Error::from_heed(error, "clearing stale readers"))
    }

    /// Gives up the reader slots that this environment keeps for its next snapshots
    /// ([`EnvOptions::idle_readers`]); returns how many there were. Slots of living snapshots are not among them.
    pub fn release_idle_readers(&self) -> usize {
        // In the child of a fork they are the parent's.
        if self.shared.check_process().is_err() { 0 } else { self.shared.reader.release_idle() }
    }
}
