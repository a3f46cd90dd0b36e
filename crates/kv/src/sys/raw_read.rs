//! Read transactions of LMDB's C interface, which keep states alive, and are used again instead of begun anew.
//!
//! To begin a read transaction, LMDB allocates and clears room for all tables that the environment may open, and looks
//! for a free slot among the readers under a lock. To renew one that was reset, it stores a number in the slot that
//! the transaction still has.

use std::ptr::{self, NonNull};

use lmdb_master_sys as ffi;
use lmdb_pages::{IdleLease, Lease};

use super::{Code, CodeResult, EnvHandle, Process, check};

/// A read transaction; ended when dropped.
///
/// Its slot belongs to the process that began it: in the child of a fork, it is left as it is.
#[derive(Debug)]
pub(crate) struct RawRead {
    txn: NonNull<ffi::MDB_txn>,
    begun_by: Process,
}

// SAFETY: the environment was opened without thread-local storage (`WithoutTls`), so a read transaction belongs to no
// thread; and it is used by one at a time, since every use takes `&mut self` or is a plain read of its id.
unsafe impl Send for RawRead {}

impl RawRead {
    pub(super) fn begin(env: EnvHandle) -> CodeResult<Self> {
        let begun_by =
            Process::this().map_err(|error| Code(error.raw_os_error().unwrap_or(ffi::MDB_PROBLEM)))?;
        let mut txn = ptr::null_mut();
        // SAFETY: the environment is open; its owner keeps it open for as long as this lives.
        check(unsafe { ffi::mdb_txn_begin(env.0.as_ptr(), ptr::null_mut(), ffi::MDB_RDONLY, &mut txn) })?;
        let txn = NonNull::new(txn).ok_or(Code(ffi::MDB_PROBLEM))?;
        Ok(Self { txn, begun_by })
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::MDB_txn {
        self.txn.as_ptr()
    }

    pub(super) fn id(&self) -> u64 {
        // SAFETY: the transaction lives.
        unsafe { ffi::mdb_txn_id(self.txn.as_ptr()) as u64 }
    }

    /// As a lease on the newest state, for a reader that ends it before the environment is closed.
    pub(crate) fn lease(env: EnvHandle) -> lmdb_pages::Result<Box<dyn Lease>> {
        match Self::begin(env) {
            Ok(raw) => Ok(Box::new(raw)),
            Err(code) => Err(pages_error(code)),
        }
    }

    /// Gives the state up and keeps the slot.
    pub(super) fn reset(&mut self) {
        if self.begun_by.is_this() {
            // SAFETY: the transaction lives.
            unsafe { ffi::mdb_txn_reset(self.txn.as_ptr()) }
        }
    }

    /// Takes the newest state, after a reset.
    pub(super) fn renew(&mut self) -> CodeResult<()> {
        // SAFETY: the transaction lives; LMDB refuses one that was not reset.
        check(unsafe { ffi::mdb_txn_renew(self.txn.as_ptr()) })
    }
}

impl Drop for RawRead {
    fn drop(&mut self) {
        if self.begun_by.is_this() {
            // SAFETY: begun in `begin` and ended here only; the environment is still open.
            unsafe { ffi::mdb_txn_abort(self.txn.as_ptr()) }
        }
    }
}

fn pages_error(code: Code) -> lmdb_pages::Error {
    heed::Error::from(heed::MdbError::from_err_code(code.0)).into()
}

// SAFETY: an active read transaction of LMDB is a reader of the state that its id names. It ends, or is reset, only
// when this value is dropped or rests; the environment is open until then.
unsafe impl Lease for RawRead {
    fn txn_id(&self) -> u64 {
        self.id()
    }

    fn rest(mut self: Box<Self>) -> Option<Box<dyn IdleLease>> {
        self.reset();
        self.begun_by.is_this().then_some(self as Box<dyn IdleLease>)
    }
}

impl IdleLease for RawRead {
    fn renew(mut self: Box<Self>) -> lmdb_pages::Result<Box<dyn Lease>> {
        match RawRead::renew(&mut self) {
            Ok(()) => Ok(self),
            Err(code) => Err(pages_error(code)),
        }
    }
}
