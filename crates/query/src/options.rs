//! [`QueryOptions`]: how a query is run.

use std::sync::Arc;
use std::time::Duration;

use crate::exec::{self, CancelToken, Limits};
use crate::functions::FunctionRegistry;
use crate::plan::Switches;

/// Limits, functions and strictness of a query. `None` is no limit.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct QueryOptions {
    /// How long it may take; a query's own `:timeout` counts too, the shorter one wins.
    pub timeout: Option<Duration>,
    /// How many rows all steps together may produce.
    pub rows_max: Option<u64>,
    /// How much memory tables and results may take at once.
    pub bytes_max: Option<u64>,
    /// Cancellation from another thread.
    pub cancel: CancelToken,
    /// Functions and aggregates beside the built-in ones.
    pub functions: Arc<FunctionRegistry>,
    /// Attributes outside the schema are errors instead of warnings.
    pub strict: bool,
    /// Which optimisations may be used; answers are the same without them.
    pub optimise: Switches,
    /// Threads to use; 0 means as many as the machine has.
    pub threads: usize,
}

impl QueryOptions {
    /// No limits, the built-in functions, all optimisations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Limits the rows of all steps together.
    #[must_use]
    pub fn rows_max(mut self, rows: u64) -> Self {
        self.rows_max = Some(rows);
        self
    }

    /// Limits the memory.
    #[must_use]
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = Some(bytes);
        self
    }

    /// Lets `cancel` stop the query.
    #[must_use]
    pub fn cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Adds functions and aggregates.
    #[must_use]
    pub fn functions(mut self, functions: impl Into<Arc<FunctionRegistry>>) -> Self {
        self.functions = functions.into();
        self
    }

    /// Makes attributes outside the schema errors.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Chooses the optimisations.
    #[must_use]
    pub fn optimise(mut self, switches: Switches) -> Self {
        self.optimise = switches;
        self
    }

    /// Chooses the number of threads.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// What execution is told; `timeout` is what the query itself asks for.
    pub(crate) fn for_execution(&self, timeout: Option<Duration>) -> exec::Options {
        let timeout = match (self.timeout, timeout) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let limits = Limits {
            timeout,
            rows_max: self.rows_max,
            bytes_max: self.bytes_max,
            cancel: self.cancel.clone(),
        };
        exec::Options { limits, switches: self.optimise.clone(), threads: self.threads }
    }
}
