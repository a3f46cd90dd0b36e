//! [`WriteTurn`]: the writer's turn without a transaction, and commits that LMDB gets later.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::Batch;
use crate::env::{Env, Shared};
use crate::error::{Error, Result};
use crate::sys::Held;
use crate::txn::{OwnedWriteTxn, WriteTxn};

/// The exclusive right to write, from which a transaction may be begun, or a batch deferred; made by [`Env::turn`].
///
/// It keeps its environment open, and stays on the thread that made it.
#[derive(Debug)]
pub struct WriteTurn(Rc<Turned>);

/// What a turn and the transaction in it share.
#[derive(Debug)]
pub(crate) struct Turned {
    shared: Arc<Shared>,
    _not_send: PhantomData<*mut ()>,
}

impl Drop for Turned {
    fn drop(&mut self) {
        self.shared.turn.give_up();
    }
}

impl WriteTurn {
    /// Commits a batch to the write-ahead log alone, and says which number it has among the commits that were
    /// deferred. It is as durable as any commit, but **not to be seen in the tables until it is carried out**: by the
    /// one who wrote the last of many, within a tenth of a second, and before anything happens that concerns the whole
    /// file ([`Env::carry_out_deferred`]). Until then, whoever defers has to know what was written.
    ///
    /// It is for tables that only one owner writes, who is the only one to read them, so they must be
    /// [reserved](Env::reserve). One who has deferred something and then writes to the same tables by a transaction says
    /// with [`WriteTxn::supersede_deferred`] that it contains what was deferred, or has it carried out before.
    ///
    /// `None` where the batch should become a transaction instead: there is no log, the batch is larger than a
    /// megabyte, or there may be no room for its pages later.
    ///
    /// ```
    /// # fn main() -> factum_kv::Result<()> {
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// use factum_kv::{Batch, DbiFlags, Durability, EnvOptions, PutFlags, Read};
    ///
    /// let env = EnvOptions::new().durability(Durability::Wal).open(dir.path())?;
    /// env.reserve(&["own"]);
    /// let own = env.open_reserved("own", DbiFlags::empty())?;
    /// let turn = env.turn()?;
    /// let mut batch = Batch::new();
    /// batch.put_raw(&own, b"k", b"v", PutFlags::empty())?;
    /// assert_eq!(turn.defer(&batch)?, Some(1));
    /// drop(turn);
    ///
    /// env.carry_out_deferred()?;
    /// assert_eq!(env.read()?.get(&own, b"k")?, Some(&b"v"[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::BadDbiName`] for a table that is not reserved, [`Error::BadOption`] for writes with conditions and for
    /// deleting a whole list; [`Error::DiskFull`], [`Error::Io`], [`Error::LogFailed`]: nothing was committed then.
    pub fn defer(&self, batch: &Batch) -> Result<Option<u64>> {
        let shared = self.alone()?;
        shared.defer(batch.steps(shared)?)
    }

    /// Gives LMDB what was deferred, if anything.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::commit`]; everything is as before then, and what was deferred stays in the log.
    pub fn carry_out(&self) -> Result<()> {
        self.alone()?.carry_out()
    }

    /// As [`carry_out`](Self::carry_out), if it has waited for long enough, or is much. Should that fail, nothing is
    /// lost, and nothing more is deferred until it works.
    pub fn carry_out_if_due(&self) {
        if let Ok(shared) = self.alone() {
            shared.carry_out_if_due();
        }
    }

    /// Begins the write transaction. The turn ends when both are gone.
    ///
    /// # Errors
    ///
    /// As [`Env::write`].
    pub fn write(&self) -> Result<OwnedWriteTxn> {
        let held =
            Held::begin(Arc::clone(self.alone()?), |shared| WriteTxn::begin(shared, shared.turn.lend()))?;
        Ok(OwnedWriteTxn::in_turn(held, Rc::clone(&self.0)))
    }

    /// The environment, unless a transaction of this turn is running.
    fn alone(&self) -> Result<&Arc<Shared>> {
        if Rc::strong_count(&self.0) > 1 { Err(Error::WouldDeadlock) } else { Ok(&self.0.shared) }
    }
}

impl Env {
    /// Waits for the writer's turn, without beginning a transaction.
    ///
    /// # Errors
    ///
    /// As [`Env::write`].
    pub fn turn(&self) -> Result<WriteTurn> {
        self.shared.check_process()?;
        if self.shared.options.is_read_only() {
            return Err(Error::ReadOnly);
        }
        self.shared.turn.take(None)?.keep_turn();
        Ok(WriteTurn(Rc::new(Turned { shared: Arc::clone(&self.shared), _not_send: PhantomData })))
    }

    /// Gives LMDB everything that was [deferred](WriteTurn::defer), so that the tables have it. It happens by itself
    /// within a tenth of a second, and before copies, checkpoints, changes of durability and the end.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::commit`]; [`Error::WouldDeadlock`] if there is something to do while this thread has the writer's
    /// turn.
    pub fn carry_out_deferred(&self) -> Result<()> {
        self.carry_out_within(None)
    }

    /// As [`Env::carry_out_deferred`], but waits no longer than `patience` for another thread of this process.
    ///
    /// # Errors
    ///
    /// [`Error::WriterBusy`] after that time.
    pub fn try_carry_out_deferred(&self, patience: Duration) -> Result<()> {
        self.carry_out_within(Some(patience))
    }

    fn carry_out_within(&self, patience: Option<Duration>) -> Result<()> {
        self.shared.check_process()?;
        let (deferred, carried_out) = self.shared.deferred();
        if deferred == carried_out {
            return Ok(());
        }
        let _turn = self.shared.turn.take(patience)?;
        self.shared.carry_out()
    }

    /// The number of the last deferred commit that LMDB has.
    pub fn carried_out(&self) -> u64 {
        self.shared.deferred().1
    }

    /// Calls a function whenever deferred commits were carried out, with the number of the last, in the thread that
    /// did it, which has the writer's turn. A new one takes the place of the one before.
    pub fn on_carried_out(&self, listener: impl Fn(u64) + Send + Sync + 'static) {
        self.shared.listen_to_carried_out(listener);
    }

    /// Waits until no thread of this crate is about to carry out deferred commits, and so to keep the environment open
    /// for a moment longer than its user.
    pub fn wait_until_settled(&self) {
        // In the child of a fork there is no such thread; and it waits for the turn that this one may have.
        if self.shared.check_process().is_ok() && self.shared.check_turn().is_ok() {
            self.shared.log.settler.wait_until_idle();
        }
    }

    /// Whether there is a write-ahead log, so that commits can be [deferred](WriteTurn::defer).
    pub fn has_log(&self) -> bool {
        self.shared.log.is_on()
    }

    /// Whether this is the same environment.
    pub fn is_same(&self, other: &Env) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl WriteTxn<'_> {
    /// Says that what this transaction writes contains what was [deferred](WriteTurn::defer) before it, which will not
    /// be carried out once it is committed.
    pub fn supersede_deferred(&mut self) {
        self.note_superseding();
    }
}
