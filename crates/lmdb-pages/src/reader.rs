//! The reader of an environment's file: one mapping, from which snapshots are taken.
//!
//! ```text
//!   Reader::snapshot --+-- the newest state is being read: one more snapshot of it
//!                      |
//!                      +-- a lease, renewed or begun --+-- on the state that is kept: that
//!                                                      |
//!                                                      +-- on a newer one: its roots, copied from the meta page
//!
//!   the last snapshot of a state is dropped --> the lease becomes idle, the state is kept
//! ```

use std::fmt;
use std::fs::File;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use coarsetime::Instant;
use heed::{Env, WithoutTls};

use crate::error::{Error, Result};
use crate::format::Meta;
use crate::lease::{IdleLease, Lease, Leases};
use crate::map::{Mapping, Pages};
use crate::snapshot::{Snapshot, SnapshotInner, next_reader_id};

/// How many leases are tried before a snapshot is given up.
const ATTEMPTS_MAX: u32 = 1000;

/// Reads the data file of a heed environment through a mapping of its own.
///
/// One per environment; cheap to clone, and shared by all threads. It keeps the environment open. The mapping
/// reserves the environment's map size, so that a growing file need not be mapped again.
#[derive(Clone, Debug)]
pub struct Reader {
    open: Arc<OpenReader>,
}

/// Ends what is kept when the last handle on the reader is dropped. States keep their reader, so that a snapshot need count
/// only itself; a state that is kept would keep it for ever.
#[derive(Debug)]
struct OpenReader(Arc<ReaderInner>);

impl Drop for OpenReader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_open = false;
        let kept = (state.kept.take(), std::mem::take(&mut state.idle));
        // What is kept has somebody else's memo, which ends without the lock.
        drop(state);
        drop(kept);
    }
}

pub(crate) struct ReaderInner {
    id: u64,
    leases: Leases,
    idle_max: usize,
    file: File,
    page_size: usize,
    // Declared before the environment, so that idle leases end before it does.
    state: Mutex<State>,
    env: Env<WithoutTls>,
}

/// All that changes, under one lock: to take a snapshot and to drop it takes it once each.
struct State {
    mapping: Arc<Mapping>,
    /// The file was at least this long when last looked at; LMDB never shortens it.
    file_length: u64,
    /// What is being read, oldest first.
    living: Vec<Held>,
    /// The newest state that nobody reads any longer.
    kept: Option<Arc<SnapshotInner>>,
    idle: Vec<Box<dyn IdleLease>>,
    /// Whether there may be further snapshots.
    is_open: bool,
}

/// A state that somebody reads.
struct Held {
    snapshot: Arc<SnapshotInner>,
    lease: Box<dyn Lease>,
    since: Instant,
}

impl fmt::Debug for ReaderInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("id", &self.id).field("env", &self.env).finish_non_exhaustive()
    }
}

/// Which snapshots of a [`Reader`] are alive. It does not keep the environment open.
#[derive(Clone, Debug)]
pub struct Living {
    reader: Weak<ReaderInner>,
}

/// A snapshot that is alive; its clones count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LivingSnapshot {
    /// The transaction after which it was taken.
    pub txn_id: u64,
    /// How long ago it was taken, to a few milliseconds.
    pub age: Duration,
}

impl Living {
    /// The living snapshots, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<LivingSnapshot> {
        let Some(reader) = self.reader.upgrade() else { return Vec::new() };
        let (state, now) = (reader.lock(), Instant::now());
        let living = state.living.iter();
        living
            .map(|held| LivingSnapshot {
                txn_id: held.snapshot.txn_id,
                age: now.duration_since(held.since).into(),
            })
            .collect()
    }
}

impl Reader {
    /// Opens a reader for `env`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the data file cannot be mapped, [`Error::NotLmdb`] if its meta page is foreign.
    pub fn new(env: &Env<WithoutTls>) -> Result<Reader> {
        Self::open(env, Leases::of_heed(env), 0)
    }

    /// As [`Reader::new`], with leases from elsewhere: `begin` begins a read transaction on the same environment.
    /// Those that can rest are renewed, and at most `idle_max` of them kept while they are not needed; they end before
    /// the environment is closed.
    ///
    /// # Errors
    ///
    /// As [`Reader::new`].
    pub fn with_leases(
        env: &Env<WithoutTls>,
        idle_max: usize,
        begin: impl Fn() -> Result<Box<dyn Lease>> + Send + Sync + UnwindSafe + RefUnwindSafe + 'static,
    ) -> Result<Reader> {
        Self::open(env, Leases(Arc::new(begin)), idle_max)
    }

    fn open(env: &Env<WithoutTls>, leases: Leases, idle_max: usize) -> Result<Reader> {
        let file = env.try_clone_inner_file()?;
        let file_length = file.metadata()?.len();
        // The page size is not known yet; any size finds the first meta page.
        let probe = Mapping::new(&file, file_length, 256)?;
        let page_size = Meta::read(&probe.meta_bytes(0))?.page_size();
        let mapping = Arc::new(Mapping::new(&file, env.info().map_size as u64, page_size)?);
        let state =
            State { mapping, file_length, living: Vec::new(), kept: None, idle: Vec::new(), is_open: true };
        let inner = ReaderInner {
            id: next_reader_id(),
            leases,
            idle_max,
            file,
            page_size,
            state: Mutex::new(state),
            env: env.clone(),
        };
        Ok(Reader { open: Arc::new(OpenReader(Arc::new(inner))) })
    }

    /// Takes a snapshot of the last committed transaction.
    ///
    /// If the newest snapshot is still alive somewhere, it is shared; otherwise a reader slot of LMDB is taken
    /// until the last clone of the snapshot is dropped. **While it lives, LMDB cannot reuse the pages that
    /// later transactions free**, so the file may grow.
    ///
    /// # Errors
    ///
    /// [`Error::Lease`] if LMDB refuses a read transaction (no reader slot free, map outgrown by another process);
    /// [`Error::NotLmdb`] if the meta pages are damaged; [`Error::Overtaken`] if writers never let go.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let reader = &self.open.0;
        // Declared before the lock is taken, to be dropped when it is free again: it has somebody else's memo.
        let mut outdated = None;
        let mut state = reader.lock();
        let newest = state.mapping.meta_txn_id(0).max(state.mapping.meta_txn_id(1));
        let inner = match state.living_of(newest) {
            Some(living) => living,
            None => reader.hold(&mut state, &mut outdated)?,
        };
        Ok(Snapshot::new(inner))
    }

    /// The snapshots of this reader that are alive, with their ages.
    #[must_use]
    pub fn living(&self) -> Living {
        Living { reader: Arc::downgrade(&self.open.0) }
    }

    /// Ends the leases that are kept for the next snapshots, whose reader slots are free then; how many there were.
    pub fn release_idle(&self) -> usize {
        let idle = std::mem::take(&mut self.open.0.lock().idle);
        idle.len()
    }
}

impl State {
    /// The state after a transaction, if it is the newest that is being read.
    fn living_of(&self, txn_id: u64) -> Option<Arc<SnapshotInner>> {
        let held = self.living.last().filter(|held| held.snapshot.txn_id == txn_id)?;
        Some(Arc::clone(&held.snapshot))
    }
}

impl ReaderInner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lease on the newest state, which is among the living then.
    fn hold(
        self: &Arc<Self>,
        state: &mut State,
        outdated: &mut Option<Arc<SnapshotInner>>,
    ) -> Result<Arc<SnapshotInner>> {
        let mut lease = self.lease(state)?;
        let txn_id = lease.txn_id();
        // LMDB writes a meta page before it lends the state, so it may still have lent the one before.
        if let Some(living) = state.living_of(txn_id) {
            self.let_rest(state, lease);
            return Ok(living);
        }
        let snapshot = match state.kept.take() {
            Some(kept) if kept.txn_id == txn_id => kept,
            other => {
                *outdated = other;
                let meta = self.roots(state, &mut lease)?;
                let pages = self.pages(state, meta.last_page)?;
                Arc::new(SnapshotInner::new(self.id, meta, pages, Some(Arc::clone(self))))
            }
        };
        state.living.push(Held {
            snapshot: Arc::clone(&snapshot),
            lease,
            since: Instant::now_without_cache_update(),
        });
        Ok(snapshot)
    }

    /// After the last snapshot of a state was dropped: its lease need not be held any longer.
    pub(crate) fn end_unread(&self, snapshot: &Arc<SnapshotInner>) {
        // To be dropped when the lock is free again.
        let (_outdated, _spare);
        let mut state = self.lock();
        // Before it was taken, somebody else may have begun to read the state again, and may even be done with it. Only
        // who has the lock begins, and dropped snapshots are counted down to zero, so zero is certain here.
        if snapshot.readers.load(Ordering::Acquire) > 0 {
            return;
        }
        let Some(at) = state.living.iter().rposition(|held| Arc::ptr_eq(&held.snapshot, snapshot)) else {
            return;
        };
        let Held { snapshot, lease, .. } = state.living.remove(at);
        _spare = self.let_rest(&mut state, lease);
        let is_newer = state.kept.as_ref().is_none_or(|kept| kept.txn_id < snapshot.txn_id);
        _outdated = if is_newer && state.is_open { state.kept.replace(snapshot) } else { Some(snapshot) };
    }

    /// A lease on the newest state.
    fn lease(&self, state: &mut State) -> Result<Box<dyn Lease>> {
        let renewed = state.idle.pop().map(IdleLease::renew);
        // One that cannot be renewed is given up; perhaps a new one can be begun.
        match renewed {
            Some(Ok(lease)) => Ok(lease),
            _ => self.leases.begin(),
        }
    }

    /// Keeps a lease for the next snapshot, or returns it if there are enough.
    fn let_rest(&self, state: &mut State, lease: Box<dyn Lease>) -> Option<Box<dyn IdleLease>> {
        let idle = lease.rest()?;
        if state.idle.len() < self.idle_max {
            state.idle.push(idle);
            None
        } else {
            Some(idle)
        }
    }

    /// Copies the roots that a lease protects; perhaps it has to be exchanged for a newer one.
    ///
    /// Transaction *n* writes meta page *n mod 2*. Our copy of page *t mod 2* is whole if transaction *t + 2* had
    /// not begun to write it when we finished copying. That is certain if by then *t + 1* was not committed: if the
    /// other meta page was still older than *t*, or else if a second lease still got *t* (LMDB hands out *t + 1*
    /// before *t + 2* can begin, but only after the sync of the meta page, which may take milliseconds).
    fn roots(&self, state: &mut State, lease: &mut Box<dyn Lease>) -> Result<Meta> {
        for _ in 0..ATTEMPTS_MAX {
            let txn_id = lease.txn_id();
            let slot = (txn_id % 2) as usize;
            let bytes = state.mapping.meta_bytes(slot);
            if state.mapping.meta_txn_id(1 - slot) > txn_id {
                let second = self.lease(state)?;
                if second.txn_id() != txn_id {
                    *lease = second;
                    continue;
                }
                self.let_rest(state, second);
            }
            let meta = Meta::read(&bytes)?;
            if meta.txn_id != txn_id {
                return Err(Error::NotLmdb { reason: "a meta page does not bear its transaction's id" });
            }
            if meta.page_size() != self.page_size {
                return Err(Error::NotLmdb { reason: "the two meta pages differ in their page size" });
            }
            return Ok(meta);
        }
        Err(Error::Overtaken { attempts: ATTEMPTS_MAX })
    }

    /// The pages up to `last`, mapping the file again if it has outgrown the mapping.
    ///
    /// The file may be legitimately shorter than its last page says, when the last pages are free. Pages beyond
    /// its end are simply not lent.
    fn pages(&self, state: &mut State, last: u64) -> Result<Pages> {
        let end = last + 1;
        let needed = end.saturating_mul(self.page_size as u64);
        if needed > state.file_length {
            state.file_length = self.file.metadata()?.len().max(state.file_length);
        }
        if needed.min(state.file_length) > state.mapping.length() {
            state.mapping =
                Arc::new(Mapping::new(&self.file, self.env.info().map_size as u64, self.page_size)?);
        }
        Ok(Pages::new(Arc::clone(&state.mapping), end, state.file_length))
    }
}
