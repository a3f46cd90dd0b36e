//! [`OwnedWriteTxn`]: a write transaction as a value that borrows nothing.

use super::WriteTxn;
use crate::error::Result;
use crate::sys::Held;

/// A [`WriteTxn`] that keeps its environment open itself, to be stored in other values; made by
/// [`Env::write_owned`](crate::Env::write_owned). Like the other it stays on its thread, and dropping it takes
/// everything back.
///
/// ```
/// # fn main() -> factum_kv::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// let env = factum_kv::Env::open(dir.path())?;
/// let fruit = env.open_dbi("fruit", factum_kv::DbiFlags::empty())?;
/// let mut txn = env.write_owned()?;
/// drop(env); // the transaction has it
/// txn.with(|txn| txn.put(&fruit, b"apple", b"green"))?;
/// txn.commit()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OwnedWriteTxn(pub(crate) Box<Held>);

impl OwnedWriteTxn {
    /// Lends the transaction to `work`.
    pub fn with<R>(&mut self, work: impl for<'e> FnOnce(&mut WriteTxn<'e>) -> R) -> R {
        self.0.with(work)
    }

    /// Makes everything written visible and durable; see [`WriteTxn::commit`].
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::commit`].
    pub fn commit(self) -> Result<()> {
        self.0.commit()
    }
}
