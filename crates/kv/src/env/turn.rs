//! Whose turn it is to write, among the threads of this process.
//!
//! LMDB's own lock would block a thread for ever that waits for itself, so threads queue here first.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The queue of one environment.
#[derive(Debug, Default)]
pub(super) struct Turn {
    holder: Mutex<Option<(ThreadId, Instant)>>,
    free: Condvar,
}

/// The right to write; given up when dropped.
#[derive(Debug)]
pub(crate) struct TurnGuard<'e>(&'e Turn);

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
        self.0.free.notify_one();
    }
}

impl Turn {
    fn lock(&self) -> MutexGuard<'_, Option<(ThreadId, Instant)>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is this thread's turn, but no longer than `patience`.
    pub(super) fn take(&self, patience: Option<Duration>) -> Result<TurnGuard<'_>> {
        let me = std::thread::current().id();
        let started = Instant::now();
        let mut holder = self.lock();
        while let Some((thread, _)) = *holder {
            if thread == me {
                return Err(Error::WouldDeadlock);
            }
            holder = match patience {
                None => self.free.wait(holder).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let Some(left) = patience.checked_sub(started.elapsed()).filter(|left| !left.is_zero())
                    else {
                        return Err(Error::WriterBusy { waited: patience });
                    };
                    self.free.wait_timeout(holder, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        *holder = Some((me, Instant::now()));
        Ok(TurnGuard(self))
    }

    /// Whether this thread has the turn.
    pub(super) fn is_mine(&self) -> bool {
        self.lock().is_some_and(|(thread, _)| thread == std::thread::current().id())
    }

    /// For how long somebody has had the turn.
    pub(super) fn taken_for(&self) -> Option<Duration> {
        self.lock().map(|(_, since)| since.elapsed())
    }
}
