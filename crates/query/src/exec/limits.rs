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

/// The running account against [`Limits`], shared by the threads of an execution. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limits: Limits,
    started: Instant,
    rows: AtomicU64,
    bytes: AtomicU64,
    /// The account of the query that this is a part of: it pays, too.
    around: Option<Budget>,
}

impl Budget {
    /// An account that starts now.
    pub fn new(limits: Limits) -> Self {
        Self::open(limits, None)
    }

    /// An account for a part, with limits of its own beside those of the whole. What it holds in the end it gives back.
    #[must_use]
    pub fn part(&self, limits: Limits) -> Self {
        Self::open(limits, Some(self.clone()))
    }

    fn open(limits: Limits, around: Option<Self>) -> Self {
        let (rows, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Account { limits, started: Instant::now(), rows, bytes, around }))
    }

    /// Counts `rows` more rows and asks whether to go on.
    #[inline]
    pub fn poll(&self, rows: usize) -> Result<(), ExecError> {
        let account = &*self.0;
        let total = account.rows.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
        if account.limits.cancel.is_cancelled() {
            return Err(ExecError::Cancelled);
        }
        if let Some(limit) = account.limits.rows_max.filter(|limit| total > *limit) {
            return Err(ExecError::RowBudget { limit, rows: total });
        }
        if let Some(limit) = account.limits.timeout {
            let elapsed = account.started.elapsed();
            if elapsed > limit {
                return Err(ExecError::Timeout { limit, elapsed });
            }
        }
        account.around.as_ref().map_or(Ok(()), |around| around.poll(rows))
    }

    /// Takes `bytes` of the memory budget.
    pub fn hold(&self, bytes: usize) -> Result<(), ExecError> {
        let account = &*self.0;
        let held = account.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        // Counted everywhere before anybody complains, so that all of it can be given back.
        let outside = account.around.as_ref().map_or(Ok(()), |around| around.hold(bytes));
        match account.limits.bytes_max.filter(|limit| held > *limit) {
            Some(limit) => Err(ExecError::MemoryBudget { limit, bytes: held }),
            None => outside,
        }
    }

    /// Gives back what [`Budget::hold`] took.
    pub fn release(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        if let Some(around) = &self.0.around {
            around.release(bytes);
        }
    }

    /// Rows counted so far.
    pub fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.0.bytes.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.started.elapsed()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(around) = &self.around {
            around.release(usize::try_from(*self.bytes.get_mut()).unwrap_or(usize::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_pays_for_the_whole_and_gives_back() {
        let whole = Budget::new(Limits { bytes_max: Some(100), rows_max: Some(10), ..Limits::default() });
        let part = whole.part(Limits { bytes_max: Some(60), ..Limits::default() });
        assert!(part.hold(50).is_ok() && whole.hold(40).is_ok());
        assert!(matches!(part.hold(15), Err(ExecError::MemoryBudget { limit: 60, bytes: 65 })));
        assert!(matches!(whole.hold(0), Err(ExecError::MemoryBudget { limit: 100, bytes: 105 })));
        assert!(matches!(part.poll(11), Err(ExecError::RowBudget { limit: 10, rows: 11 })));
        drop(part);
        assert_eq!(whole.bytes(), 40);
    }

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
