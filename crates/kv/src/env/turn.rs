//! Whose turn it is to write, among the threads of this process.
//!
//! LMDB's own lock would block a thread for ever that waits for itself, so threads queue here first.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sys::coarse_time;

/// This thread; asked often, and the library's own way to it counts a reference.
fn me() -> ThreadId {
    thread_local!(static ME: ThreadId = std::thread::current().id());
    ME.with(|me| *me)
}

/// The queue of one environment.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// And since when, by the coarse clock.
    holder: Option<(ThreadId, Duration)>,
    /// How many threads wait: to wake nobody is a system call, too.
    waiting: usize,
}

/// The right to write; given up when dropped.
#[derive(Debug)]
pub(crate) struct TurnGuard<'e>(&'e Turn);

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl TurnGuard<'_> {
    /// Keeps the turn until [`Turn::give_up`].
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Turn {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the turn of this thread.
    pub(crate) fn give_up(&self) {
        let mut state = self.lock();
        state.holder = None;
        let anyone = state.waiting > 0;
        drop(state);
        if anyone {
            self.free.notify_one();
        }
    }

    /// Waits until it is this thread's turn, but no longer than `patience`.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Result<TurnGuard<'_>> {
        let me = me();
        // The exact time is asked only where there is something to wait for.
        let mut started = None;
        let mut state = self.lock();
        while let Some((thread, _)) = state.holder {
            if thread == me {
                return Err(Error::WouldDeadlock);
            }
            let started: Instant = *started.get_or_insert_with(Instant::now);
            let left = patience.map(|patience| patience.saturating_sub(started.elapsed()));
            if let (Some(Duration::ZERO), Some(waited)) = (left, patience) {
                return Err(Error::WriterBusy { waited });
            }
            state.waiting += 1;
            state = match left {
                None => self.free.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.free.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
            state.waiting -= 1;
        }
        state.holder = Some((me, coarse_time()));
        drop(state);
        Ok(TurnGuard(self))
    }

    /// Whether this thread has the turn.
    pub(super) fn is_mine(&self) -> bool {
        self.lock().holder.is_some_and(|(thread, _)| thread == me())
    }

    /// For how long somebody has had the turn.
    pub(super) fn taken_for(&self) -> Option<Duration> {
        self.lock().holder.map(|(_, since)| coarse_time().saturating_sub(since))
    }
}
