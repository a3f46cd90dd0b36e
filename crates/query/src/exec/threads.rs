//! The threads of parallel queries: a pool of their own, so that a query never waits for the tasks of its program.
//!
//! ```text
//! any thread ------------> pool of all queries      as many threads as the machine has, started by the first who needs them
//! a task of some pool ---> runs in this task alone  its pool is what makes the program parallel
//! ```
//!
//! On a shared pool a query whose rows are consumed by tasks of that pool would wait for threads that wait for its rows. In a
//! pool of its own it cannot: the closures that take rows never run there. Functions that a query calls do; what they ask in
//! turn stays in their task, and so do the rows that they read from a stream, though another thread makes them ([`in_task`]).
//! Only a function that starts threads by itself and waits for their queries could still bring the pool to a halt.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Whether the caller is a task of a thread pool, this one or one of the program.
pub fn in_task() -> bool {
    rayon::current_thread_index().is_some()
}

/// As many threads as the machine has. The system is asked once: its answer costs more than a small query.
pub(super) fn of_machine() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Runs `work` with the pool's threads; in the caller's alone if the system has none to give.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let name = |thread| format!("factum-query-{thread}");
        ThreadPoolBuilder::new().num_threads(of_machine()).thread_name(name).build().ok()
    });
    match pool {
        Some(pool) => pool.install(work),
        None => work(),
    }
}
