//! What an execution may use: time, rows, memory, and whether someone still wants the answer.
//!
//! Operators do not look at clocks; the driver of each pipeline asks once per batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::error::ExecError;

/// Cancels an execution from another thread. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Cancelled>);

#[derive(Debug, Default)]
struct Cancelled {
    flag: AtomicBool,
    parent: Option<CancelToken>,
}

impl CancelToken {
    /// A token that has not been cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled when this one is, but can be cancelled alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(Arc::new(Cancelled { flag: AtomicBool::new(false), parent: Some(self.clone()) }))
    }

    /// Asks the executions that hold a clone of this token, or of a [`child`](Self::child) of it, to stop.
    pub fn cancel(&self) {
        self.0.flag.store(true, Ordering::Relaxed);
    }

    /// Whether [`CancelToken::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::Relaxed) || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }
}

/// The bounds of one execution; `None` is no bound.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Wall-clock time from the start of planning.
    pub timeout: Option<Duration>,
    /// Rows produced by all operators together.
    pub rows_max: Option<u64>,
    /// Bytes held at once by hash tables, rule tables, results and computed values.
    pub bytes_max: Option<u64>,
    /// Cancellation from another thread.
    pub cancel: CancelToken,
}

/// The running account against [`Limits`], shared by the threads of an execution.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    started: Instant,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Budget {
    /// An account that starts now.
    pub fn new(limits: Limits) -> Self {
        Self { limits, started: Instant::now(), rows: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Counts `rows` more rows and asks whether to go on.
    #[inline]
    pub fn poll(&self, rows: usize) -> Result<(), ExecError> {
        let total = self.rows.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
        if self.limits.cancel.is_cancelled() {
            return Err(ExecError::Cancelled);
        }
        if let Some(limit) = self.limits.rows_max.filter(|limit| total > *limit) {
            return Err(ExecError::RowBudget { limit, rows: total });
        }
        if let Some(limit) = self.limits.timeout {
            let elapsed = self.started.elapsed();
            if elapsed > limit {
                return Err(ExecError::Timeout { limit, elapsed });
            }
        }
        Ok(())
    }

    /// Takes `bytes` of the memory budget.
    pub fn hold(&self, bytes: usize) -> Result<(), ExecError> {
        let held = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        match self.limits.bytes_max.filter(|limit| held > *limit) {
            Some(limit) => Err(ExecError::MemoryBudget { limit, bytes: held }),
            None => Ok(()),
        }
    }

    /// Gives back what [`Budget::hold`] took.
    pub fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Rows counted so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// When the time is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.limits.timeout.and_then(|limit| self.started.checked_add(limit))
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_ends_in_its_own_error() {
        let rows = Budget::new(Limits { rows_max: Some(10), ..Limits::default() });
        assert!(rows.poll(10).is_ok());
        assert!(matches!(rows.poll(1), Err(ExecError::RowBudget { limit: 10, rows: 11 })));

        let bytes = Budget::new(Limits { bytes_max: Some(100), ..Limits::default() });
        assert!(bytes.hold(100).is_ok());
        bytes.release(50);
        assert!(bytes.hold(50).is_ok());
        assert!(matches!(bytes.hold(1), Err(ExecError::MemoryBudget { limit: 100, bytes: 101 })));

        let time = Budget::new(Limits { timeout: Some(Duration::ZERO), ..Limits::default() });
        std::thread::sleep(Duration::from_millis(1));
        assert!(matches!(time.poll(0), Err(ExecError::Timeout { .. })));

        let cancel = CancelToken::new();
        let budget = Budget::new(Limits { cancel: cancel.clone(), ..Limits::default() });
        assert!(budget.poll(0).is_ok());
        cancel.child().cancel();
        assert!(budget.poll(0).is_ok() && !cancel.is_cancelled());
        cancel.cancel();
        assert!(cancel.child().is_cancelled());
        assert!(matches!(budget.poll(0), Err(ExecError::Cancelled)));
    }
}
