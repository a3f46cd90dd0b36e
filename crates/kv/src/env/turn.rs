//! Whose turn it is to write, among the threads of this process.
//!
//! LMDB's own lock would block a thread for ever that waits for itself, so threads queue here first. There is one desk to
//! write at ([`Desk`]), and whoever has it has the turn:
//!
//! ```text
//!   take --- the desk is there ------------------------> Seat --- pass_on ---> the desk is there,
//!     |                                                   ^                    and who waits is woken
//!     +----- it is not --- waits for its coming back -----+
//! ```

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sys::{DeskPlace, Seat};
use crate::txn::{After, Desk};

/// The number of no thread.
const NOBODY: u64 = 0;

/// No time.
const NEVER: u64 = 0;

/// The number of this thread; asked often, and the library's own way to it counts a reference.
#[inline]
fn me() -> u64 {
    thread_local!(static ME: Cell<u64> = const { Cell::new(NOBODY) });
    ME.with(|me| {
        if me.get() == NOBODY {
            me.set(next_number());
        }
        me.get()
    })
}

/// A number for one more thread.
#[cold]
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(NOBODY + 1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The queue of one environment.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The desk is here while it is nobody's turn.
    desk: DeskPlace,
    /// The desk, or another one, while it is the turn of somebody who has no transaction.
    aside: DeskPlace,
    /// Whose turn it is. Only to itself can a thread tell this for certain.
    holder: AtomicU64,
    /// When the transaction of this turn was begun, in ticks of the coarse clock: the exact time takes five times as long to
    /// read.
    since: AtomicU64,
    /// How many threads wait: to wake nobody is a system call, too.
    waiting: AtomicUsize,
    queue: Mutex<()>,
    free: Condvar,
}

impl Default for Turn {
    fn default() -> Self {
        let desk = DeskPlace::empty();
        desk.put(Box::default());
        Self {
            desk,
            aside: DeskPlace::empty(),
            holder: AtomicU64::new(NOBODY),
            since: AtomicU64::new(NEVER),
            waiting: AtomicUsize::default(),
            queue: Mutex::default(),
            free: Condvar::default(),
        }
    }
}

impl Turn {
    /// Waits until it is this thread's turn, but no longer than `patience`.
    #[inline]
    pub(crate) fn take(&self, patience: Option<Duration>) -> Result<Seat<'_>> {
        let desk = match self.desk.take() {
            Some(desk) => desk,
            None => self.wait(patience)?,
        };
        self.holder.store(me(), Ordering::Relaxed);
        Ok(Seat::new(self, desk, After::PassOn))
    }

    /// Whoever has the turn has begun a transaction.
    #[inline]
    pub(crate) fn note_begun(&self) {
        self.since.store(coarsetime::Instant::now_without_cache_update().as_ticks(), Ordering::Relaxed);
    }

    #[cold]
    fn wait(&self, patience: Option<Duration>) -> Result<Box<Desk>> {
        if self.is_mine() {
            return Err(Error::WouldDeadlock);
        }
        let started = Instant::now();
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the next look at the desk: whoever puts it there looks at this afterwards.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let result = loop {
            if let Some(desk) = self.desk.take() {
                break Ok(desk);
            }
            let left = patience.map(|patience| patience.saturating_sub(started.elapsed()));
            if let (Some(Duration::ZERO), Some(waited)) = (left, patience) {
                break Err(Error::WriterBusy { waited });
            }
            queue = match left {
                None => self.free.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.free.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        result
    }

    /// Ends the turn of this thread, which has the desk.
    #[inline]
    pub(crate) fn pass_on(&self, desk: Box<Desk>) {
        self.holder.store(NOBODY, Ordering::Relaxed);
        self.since.store(NEVER, Ordering::Relaxed);
        self.desk.put(desk);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // Whoever counts as waiting either waits, or has the queue and looks at the desk before it does.
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        self.free.notify_one();
    }

    /// Keeps the desk for [`Turn::lend`]; the turn of this thread goes on.
    pub(crate) fn lay_aside(&self, desk: Box<Desk>) {
        self.since.store(NEVER, Ordering::Relaxed);
        self.aside.put(desk);
    }

    /// A seat for a transaction in the turn of this thread, which has it already; the turn does not end with it.
    pub(crate) fn lend(&self) -> Seat<'_> {
        Seat::new(self, self.aside.take().unwrap_or_default(), After::LayAside)
    }

    /// Ends the turn of this thread, which has laid the desk aside.
    pub(crate) fn give_up(&self) {
        self.pass_on(self.aside.take().unwrap_or_default());
    }

    /// Whether this thread has the turn.
    pub(super) fn is_mine(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == me()
    }

    /// How long the transaction of this turn has been open.
    pub(super) fn open_for(&self) -> Option<Duration> {
        let since = self.since.load(Ordering::Relaxed);
        (since != NEVER).then(|| coarsetime::Instant::from_ticks(since).elapsed().into())
    }
}
