//! The reader of an environment's file: one mapping, from which snapshots are taken.

use std::fs::File;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Instant;

use heed::{Env, WithoutTls};

use crate::error::{Error, Result};
use crate::format::Meta;
use crate::lease::{Lease, Leases};
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
    inner: Arc<ReaderInner>,
}

#[derive(Debug)]
struct ReaderInner {
    id: u64,
    env: Env<WithoutTls>,
    leases: Leases,
    file: File,
    page_size: usize,
    mapping: RwLock<Arc<Mapping>>,
    /// The file was at least this long when last looked at; LMDB never shortens it.
    file_length: AtomicU64,
    /// The latest snapshot, shared with those who ask while it is alive and still the newest.
    latest: Mutex<Weak<SnapshotInner>>,
    living: Living,
}

/// Which snapshots of a [`Reader`] are alive. It does not keep the environment open.
#[derive(Clone, Debug, Default)]
pub struct Living {
    snapshots: Arc<Mutex<Vec<Watched>>>,
}

type Watched = (LivingSnapshot, Weak<SnapshotInner>);

/// A snapshot that is alive; its clones count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LivingSnapshot {
    /// The transaction after which it was taken.
    pub txn_id: u64,
    /// When it was taken.
    pub since: Instant,
}

impl Living {
    /// The living snapshots, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<LivingSnapshot> {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.retain(|(_, weak)| weak.strong_count() > 0);
        snapshots.iter().map(|(living, _)| *living).collect()
    }

    fn add(&self, snapshot: &Arc<SnapshotInner>) {
        let living = LivingSnapshot { txn_id: snapshot.txn_id, since: Instant::now() };
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.retain(|(_, weak)| weak.strong_count() > 0);
        snapshots.push((living, Arc::downgrade(snapshot)));
    }
}

impl Reader {
    /// Opens a reader for `env`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the data file cannot be mapped, [`Error::NotLmdb`] if its meta page is foreign.
    pub fn new(env: &Env<WithoutTls>) -> Result<Reader> {
        Self::open(env, Leases::of_heed(env))
    }

    /// As [`Reader::new`], with leases from elsewhere: `take` begins, or renews, a read transaction on the same
    /// environment.
    ///
    /// # Errors
    ///
    /// As [`Reader::new`].
    pub fn with_leases(
        env: &Env<WithoutTls>,
        take: impl Fn() -> Result<Box<dyn Lease>> + Send + Sync + UnwindSafe + RefUnwindSafe + 'static,
    ) -> Result<Reader> {
        Self::open(env, Leases(Arc::new(take)))
    }

    fn open(env: &Env<WithoutTls>, leases: Leases) -> Result<Reader> {
        let file = env.try_clone_inner_file()?;
        let length = file.metadata()?.len();
        // The page size is not known yet; any size finds the first meta page.
        let probe = Mapping::new(&file, length, 256)?;
        let page_size = Meta::read(&probe.meta_bytes(0))?.page_size();
        let mapping = Mapping::new(&file, env.info().map_size as u64, page_size)?;
        Ok(Reader {
            inner: Arc::new(ReaderInner {
                id: next_reader_id(),
                env: env.clone(),
                leases,
                file,
                page_size,
                mapping: RwLock::new(Arc::new(mapping)),
                file_length: AtomicU64::new(length),
                latest: Mutex::new(Weak::new()),
                living: Living::default(),
            }),
        })
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
        let inner = &*self.inner;
        let mapping = Arc::clone(&inner.mapping.read().unwrap_or_else(PoisonError::into_inner));
        let newest = mapping.meta_txn_id(0).max(mapping.meta_txn_id(1));
        let mut latest = inner.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = latest.upgrade()
            && snapshot.txn_id == newest
        {
            return Ok(Snapshot { inner: snapshot });
        }
        let (lease, meta) = inner.lease(&mapping)?;
        let pages = inner.pages(mapping, meta.last_page)?;
        let snapshot = Arc::new(SnapshotInner::new(inner.id, meta, pages, Some(lease)));
        *latest = Arc::downgrade(&snapshot);
        inner.living.add(&snapshot);
        Ok(Snapshot { inner: snapshot })
    }

    /// The snapshots of this reader that are alive, with their ages.
    #[must_use]
    pub fn living(&self) -> Living {
        self.inner.living.clone()
    }
}

impl ReaderInner {
    /// Opens a read transaction and copies the roots that it protects.
    ///
    /// Transaction *n* writes meta page *n mod 2*. Our copy of page *t mod 2* is whole if transaction *t + 2* had
    /// not begun to write it when we finished copying. That is certain if by then *t + 1* was not committed: if the
    /// other meta page was still older than *t*, or else if a second lease still got *t* (LMDB hands out *t + 1*
    /// before *t + 2* can begin, but only after the sync of the meta page, which may take milliseconds).
    fn lease(&self, mapping: &Mapping) -> Result<(Box<dyn Lease>, Meta)> {
        let mut lease = self.leases.take()?;
        for _ in 0..ATTEMPTS_MAX {
            let txn_id = lease.txn_id();
            let slot = (txn_id % 2) as usize;
            let bytes = mapping.meta_bytes(slot);
            if mapping.meta_txn_id(1 - slot) > txn_id {
                let second = self.leases.take()?;
                if second.txn_id() != txn_id {
                    lease = second;
                    continue;
                }
            }
            let meta = Meta::read(&bytes)?;
            if meta.txn_id != txn_id {
                return Err(Error::NotLmdb { reason: "a meta page does not bear its transaction's id" });
            }
            if meta.page_size() != self.page_size {
                return Err(Error::NotLmdb { reason: "the two meta pages differ in their page size" });
            }
            return Ok((lease, meta));
        }
        Err(Error::Overtaken { attempts: ATTEMPTS_MAX })
    }

    /// The pages up to `last`, mapping the file again if it has outgrown the mapping.
    ///
    /// The file may be legitimately shorter than its last page says, when the last pages are free. Pages beyond
    /// its end are simply not lent.
    fn pages(&self, mapping: Arc<Mapping>, last: u64) -> Result<Pages> {
        let end = last + 1;
        let needed = end.saturating_mul(self.page_size as u64);
        let mut file_length = self.file_length.load(Ordering::Relaxed);
        if needed > file_length {
            file_length = self.file.metadata()?.len();
            self.file_length.fetch_max(file_length, Ordering::Relaxed);
        }
        if needed.min(file_length) <= mapping.length() {
            return Ok(Pages::new(mapping, end, file_length));
        }
        let mut current = self.mapping.write().unwrap_or_else(PoisonError::into_inner);
        if needed.min(file_length) > current.length() {
            *current = Arc::new(Mapping::new(&self.file, self.env.info().map_size as u64, self.page_size)?);
        }
        Ok(Pages::new(Arc::clone(&current), end, file_length))
    }
}
