//! Leases: what keeps the pages of a snapshot from being reused.
//!
//! ```text
//!   begin ----> Lease, a reader of one state ----rest----> IdleLease, a reader of none
//!                      ^                                        |
//!                      +----------------- renew <---------------+
//! ```

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use heed::{Env, RoTxn, WithoutTls};

use crate::error::Result;

/// A read transaction of LMDB, held for as long as a snapshot lives.
///
/// [`Reader::new`](crate::Reader::new) begins those of heed. Who can provide them at less cost, by renewing read
/// transactions instead of beginning new ones, gives [`Reader::with_leases`](crate::Reader::with_leases) a function.
///
/// # Safety
///
/// From its beginning, or its renewal, until it rests or is dropped, LMDB must count it among the readers of the
/// environment's state after transaction [`Lease::txn_id`]: pages of that state are lent as slices on its word.
#[expect(unsafe_code, reason = "implementations promise that pages do not change")]
pub unsafe trait Lease: Send {
    /// The transaction whose state is held.
    fn txn_id(&self) -> u64;

    /// Gives the state up but keeps the reader slot, for another state; nothing if it cannot.
    fn rest(self: Box<Self>) -> Option<Box<dyn IdleLease>>;
}

/// A read transaction that holds no state, only its reader slot.
pub trait IdleLease: Send {
    /// Holds the newest state.
    ///
    /// # Errors
    ///
    /// [`Error::Lease`](crate::Error::Lease) if LMDB refuses.
    fn renew(self: Box<Self>) -> Result<Box<dyn Lease>>;
}

#[expect(unsafe_code, reason = "see the trait")]
// SAFETY: a read transaction of LMDB is a reader of the state that its id names until it ends, which is when heed's
// value is dropped.
unsafe impl Lease for RoTxn<'static, WithoutTls> {
    fn txn_id(&self) -> u64 {
        self.id() as u64
    }

    /// heed has no way to reset a transaction.
    fn rest(self: Box<Self>) -> Option<Box<dyn IdleLease>> {
        None
    }
}

/// Where leases come from.
#[derive(Clone)]
pub(crate) struct Leases(pub Arc<BeginLease>);

type BeginLease = dyn Fn() -> Result<Box<dyn Lease>> + Send + Sync + UnwindSafe + RefUnwindSafe;

impl Leases {
    /// heed's read transactions.
    pub fn of_heed(env: &Env<WithoutTls>) -> Leases {
        let env = env.clone();
        Leases(Arc::new(move || Ok(Box::new(env.clone().static_read_txn()?))))
    }

    pub fn begin(&self) -> Result<Box<dyn Lease>> {
        (self.0)()
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leases")
    }
}
