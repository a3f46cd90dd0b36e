//! [`OwnedWriteTxn`]: a write transaction as a value that borrows nothing.

use std::rc::Rc;

use super::WriteTxn;
use crate::deferred::Turned;
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
pub struct OwnedWriteTxn {
    // Declared first: it ends before the turn does.
    held: Box<Held>,
    /// Where the transaction was begun in a turn that somebody has.
    _turn: Option<Rc<Turned>>,
}

impl OwnedWriteTxn {
    pub(crate) fn new(held: Held) -> Self {
        Self { held: Box::new(held), _turn: None }
    }

    pub(crate) fn in_turn(held: Held, turn: Rc<Turned>) -> Self {
        Self { held: Box::new(held), _turn: Some(turn) }
    }

    /// Lends the transaction to `work`.
    pub fn with<R>(&mut self, work: impl for<'e> FnOnce(&mut WriteTxn<'e>) -> R) -> R {
        self.held.with(work)
    }

    /// Makes everything written visible and durable; see [`WriteTxn::commit`].
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::commit`].
    pub fn commit(self) -> Result<()> {
        self.held.commit()
    }
}
