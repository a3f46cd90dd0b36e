//! Read transactions that keep snapshots alive, used again instead of begun anew.
//!
//! To begin a read transaction, LMDB allocates and clears room for all tables that the environment may open, and looks
//! for a free slot among the readers under a lock. To renew one that was reset, it stores a number in the slot that
//! the transaction still has.
//!
//! ```text
//!   begin ----> lease of a snapshot ----snapshot gone----> idle, holding no state
//!                      ^                                     |
//!                      +-------------- renew <---------------+
//! ```

use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heed::WithoutTls;
use lmdb_master_sys as ffi;

use super::{Code, CodeResult, EnvHandle, check};

/// The idle read transactions of an environment.
#[derive(Debug)]
pub(crate) struct Leases {
    // Declared before the environment, so that they end before it does.
    idle: Mutex<Vec<RawRead>>,
    idle_max: usize,
    handle: EnvHandle,
    _heed: heed::Env<WithoutTls>,
}

impl Leases {
    /// At most `idle_max` idle transactions are kept, and no more than a quarter of the reader slots, for theirs are
    /// nobody else's meanwhile.
    pub(crate) fn new(heed: &heed::Env<WithoutTls>, handle: EnvHandle, idle_max: u32) -> Arc<Self> {
        let idle_max = idle_max.min(heed.max_readers() / 4) as usize;
        Arc::new(Self { idle: Mutex::default(), idle_max, handle, _heed: heed.clone() })
    }

    /// A lease on the newest state.
    pub(crate) fn take(self: &Arc<Self>) -> lmdb_pages::Result<Box<dyn lmdb_pages::Lease>> {
        let idle = self.lock().pop();
        let renewed = idle.map(|mut raw| raw.renew().map(|()| raw));
        // A transaction that cannot be renewed is given up; perhaps a new one can be begun.
        let raw = match renewed {
            Some(Ok(raw)) => raw,
            _ => RawRead::begin(self.handle).map_err(|code| {
                lmdb_pages::Error::from(heed::Error::from(heed::MdbError::from_err_code(code.0)))
            })?,
        };
        Ok(Box::new(Lease { raw: Some(raw), leases: Arc::clone(self) }))
    }

    /// Ends the idle transactions, whose reader slots are free then; how many there were.
    pub(crate) fn release(&self) -> usize {
        let idle = std::mem::take(&mut *self.lock());
        idle.len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RawRead>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read transaction in use; dropping it makes it idle.
#[derive(Debug)]
struct Lease {
    /// Taken only by `drop`.
    raw: Option<RawRead>,
    leases: Arc<Leases>,
}

// SAFETY: an active read transaction of LMDB is a reader of the state that its id names. It ends, or is reset, only
// when this value is dropped; `leases` keeps the environment open until then.
unsafe impl lmdb_pages::Lease for Lease {
    fn txn_id(&self) -> u64 {
        self.raw.as_ref().map_or(0, RawRead::id)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut raw) = self.raw.take() else { return };
        raw.reset();
        let mut idle = self.leases.lock();
        if idle.len() < self.leases.idle_max {
            idle.push(raw);
        }
    }
}

/// A read transaction; ended when dropped.
#[derive(Debug)]
pub(super) struct RawRead(NonNull<ffi::MDB_txn>);

// SAFETY: the environment was opened without thread-local storage (`WithoutTls`), so a read transaction belongs to no
// thread; and it is used by one at a time, since every use takes `&mut self` or is a plain read of its id.
unsafe impl Send for RawRead {}

impl RawRead {
    pub(super) fn begin(env: EnvHandle) -> CodeResult<Self> {
        let mut txn = ptr::null_mut();
        // SAFETY: the environment is open; its owner keeps it open for as long as this lives.
        check(unsafe { ffi::mdb_txn_begin(env.0.as_ptr(), ptr::null_mut(), ffi::MDB_RDONLY, &mut txn) })?;
        NonNull::new(txn).map(Self).ok_or(Code(ffi::MDB_PROBLEM))
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::MDB_txn {
        self.0.as_ptr()
    }

    pub(super) fn id(&self) -> u64 {
        // SAFETY: the transaction lives.
        unsafe { ffi::mdb_txn_id(self.0.as_ptr()) as u64 }
    }

    /// Gives the state up and keeps the slot.
    pub(super) fn reset(&mut self) {
        // SAFETY: the transaction lives.
        unsafe { ffi::mdb_txn_reset(self.0.as_ptr()) }
    }

    /// Takes the newest state, after a reset.
    pub(super) fn renew(&mut self) -> CodeResult<()> {
        // SAFETY: the transaction lives; LMDB refuses one that was not reset.
        check(unsafe { ffi::mdb_txn_renew(self.0.as_ptr()) })
    }
}

impl Drop for RawRead {
    fn drop(&mut self) {
        // SAFETY: begun in `begin` and ended here only; the environment is still open.
        unsafe { ffi::mdb_txn_abort(self.0.as_ptr()) }
    }
}
