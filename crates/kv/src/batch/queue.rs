//! Asynchronous transactions: batches of many submitters in one commit.
//!
//! ```text
//! submit -> [ batch | batch | batch ]  -> one write transaction -> commit -> tickets, in order
//!            grows while the writer commits: under light load a commit is one batch, under heavy load hundreds
//! ```
//!
//! A batch that fails is left out and its ticket gets the error; the others go on without it. A batch that had done
//! a part of its writes by then has spoilt the transaction, which LMDB cannot take back in part: it is begun anew
//! without that batch. Where several do so, batches get nested transactions of their own.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::Batch;
use crate::env::{Env, Shared};
use crate::error::{Error, Result};

/// How many batches may wait at a time before submitters have to wait.
fn backlog_max() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (1024 * cores).max(4098)
}

/// So many bytes are committed at a time at most, so that the first ticket need not wait for too many others.
const COMMIT_BYTES_MAX: usize = 64 << 20;
/// After so many spoilt transactions, batches get nested ones.
const RESTARTS_MAX: usize = 3;

/// What waits for one environment's writer.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Something has come, or the environment closes.
    filled: Condvar,
    /// There is room again.
    emptied: Condvar,
    max: usize,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<Request>,
    closed: bool,
    writer: Option<ThreadId>,
}

#[derive(Debug)]
struct Request {
    /// Keeps the environment open until it is done.
    env: Env,
    batch: Batch,
    done: Done,
}

/// Who is told about the end.
enum Done {
    Ticket(Arc<Progress>),
    Callback(Box<dyn FnOnce(Result<()>) + Send>),
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ticket(_) => "Ticket",
            Self::Callback(_) => "Callback",
        })
    }
}

impl Done {
    fn tell(self, result: Result<()>) {
        match self {
            Self::Ticket(progress) => progress.finish(result),
            Self::Callback(callback) => {
                if catch_unwind(AssertUnwindSafe(|| callback(result))).is_err() {
                    tracing::error!("the callback of an asynchronous transaction panicked");
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Progress {
    state: Mutex<(Option<Result<()>>, Option<Waker>)>,
    finished: Condvar,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, (Option<Result<()>>, Option<Waker>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, result: Result<()>) {
        let mut state = self.lock();
        state.0 = Some(result);
        let waker = state.1.take();
        drop(state);
        self.finished.notify_all();
        if let Some(waker) = waker
            && catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err()
        {
            tracing::error!("waking a task that waits for a transaction panicked");
        }
    }
}

/// The promise that a submitted batch will be carried out: a future, or something to wait for.
///
/// It is fulfilled once the batch is committed, which is as durable as the environment's commits are. Dropping it
/// does not take the batch back.
#[derive(Debug)]
#[must_use = "a batch may fail, and only the ticket tells"]
pub struct Ticket {
    progress: Arc<Progress>,
    env: Env,
}

impl Ticket {
    /// Waits until the batch is committed.
    ///
    /// # Errors
    ///
    /// That of the batch; [`Error::WouldDeadlock`] if this thread has a write transaction, for which the batch waits.
    pub fn wait(self) -> Result<()> {
        self.env.shared.check_turn()?;
        let mut state = self.progress.lock();
        loop {
            if let Some(result) = state.0.take() {
                return result;
            }
            state = self.progress.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits no longer than `patience`; gives the ticket back if that is not enough.
    ///
    /// # Errors
    ///
    /// The ticket itself. The inner result is as that of [`Ticket::wait`].
    pub fn wait_timeout(self, patience: Duration) -> std::result::Result<Result<()>, Self> {
        if let Err(error) = self.env.shared.check_turn() {
            return Ok(Err(error));
        }
        let deadline = Instant::now() + patience;
        let mut state = self.progress.lock();
        loop {
            if let Some(result) = state.0.take() {
                return Ok(result);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return Err(self);
            }
            state =
                self.progress.finished.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the batch is committed, or has failed.
    pub fn is_done(&self) -> bool {
        self.progress.lock().0.is_some()
    }
}

impl Future for Ticket {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.progress.lock();
        match state.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                state.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Env {
    /// Hands a batch to the environment's writer thread, which commits all batches that have come together in the
    /// order in which they were submitted.
    ///
    /// Where many threads write a little each, this is much faster than a transaction for each, since one commit
    /// serves them all; and there is nothing to tune: a batch waits only while another commit is under way. If too
    /// many batches wait (4098, or 1024 for each processor, behind those that are being committed), submitting waits,
    /// too.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`], [`Error::Forked`]; [`Error::WouldDeadlock`] if it would have to wait while this thread
    /// has a write transaction. What the batch itself meets, its ticket tells.
    #[doc(alias = "transact-kv-async")]
    pub fn submit(&self, batch: Batch) -> Result<Ticket> {
        let progress = Arc::new(Progress::default());
        self.enqueue(batch, Done::Ticket(Arc::clone(&progress)))?;
        Ok(Ticket { progress, env: self.clone() })
    }

    /// As [`Env::submit`], with a function that is called at the end, on the writer's thread and so in order.
    ///
    /// # Errors
    ///
    /// As [`Env::submit`]; the function is not called then.
    pub fn submit_with(
        &self,
        batch: Batch,
        callback: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        self.enqueue(batch, Done::Callback(Box::new(callback)))
    }

    fn enqueue(&self, batch: Batch, done: Done) -> Result<()> {
        self.shared.check_process()?;
        if self.shared.options.read_only {
            return Err(Error::ReadOnly);
        }
        let queue = self.shared.queue()?;
        let mut state = queue.lock();
        // The writer itself, in a callback, must not wait for itself.
        while state.requests.len() >= queue.max && state.writer != Some(std::thread::current().id()) {
            self.shared.check_turn()?;
            state = queue.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.requests.push_back(Request { env: self.clone(), batch, done });
        drop(state);
        queue.filled.notify_one();
        Ok(())
    }
}

impl Shared {
    /// The queue, whose thread is started on first use.
    fn queue(&self) -> Result<&Arc<Queue>> {
        if let Some(queue) = self.queue.get() {
            return Ok(queue);
        }
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            max: backlog_max(),
        });
        let mut started = None;
        let queue = self.queue.get_or_init(|| {
            let for_thread = Arc::clone(&queue);
            let thread = std::thread::Builder::new().name("factum-kv-writer".to_owned());
            started = Some(thread.spawn(move || for_thread.run()));
            queue
        });
        match started {
            Some(Err(source)) => Err(Error::Io { action: "starting the writer thread", source }),
            _ => Ok(queue),
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the thread end. Nothing waits then, since requests keep their environment open.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    fn run(&self) {
        self.lock().writer = Some(std::thread::current().id());
        while let Some(requests) = self.take() {
            let Some(env) = requests.first().map(|request| request.env.clone()) else { continue };
            commit_all(&env, requests);
            // The last handle may be this one; closing the environment then closes the queue.
            drop(env);
        }
    }

    /// Everything that has come together; `None` at the end.
    fn take(&self) -> Option<Vec<Request>> {
        let mut state = self.lock();
        while state.requests.is_empty() {
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut size = 0;
        let mut count = 0;
        for request in &state.requests {
            size += request.batch.size();
            if count > 0 && size > COMMIT_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let requests = state.requests.drain(..count).collect();
        drop(state);
        self.emptied.notify_all();
        Some(requests)
    }
}

/// Commits the requests together where possible, and tells everybody, in order.
fn commit_all(env: &Env, requests: Vec<Request>) {
    let mut failed: Vec<Option<Error>> = requests.iter().map(|_| None).collect();
    for restart in 0..=RESTARTS_MAX {
        let nested = restart == RESTARTS_MAX;
        if nested && env.shared.options.write_map {
            // LMDB cannot nest then.
            break;
        }
        match commit_together(env, &requests, &mut failed, nested) {
            Ok(()) => return tell(requests, failed),
            Err(Spoilt::By(culprit, error)) => failed[culprit] = Some(error),
            Err(Spoilt::ForAll) => break,
        }
    }
    // Something that concerns everybody, such as a full map. Perhaps some still fit, one by one.
    for (request, failed) in requests.into_iter().zip(failed) {
        let result = match failed {
            Some(error) => Err(error),
            None => env.transact(&request.batch),
        };
        request.done.tell(result);
    }
}

/// Why the transaction is gone.
enum Spoilt {
    /// A request had done a part of its writes when it failed.
    By(usize, Error),
    ForAll,
}

/// Commits all requests that have not failed yet, and notes those that fail before they have changed anything.
fn commit_together(
    env: &Env,
    requests: &[Request],
    failed: &mut [Option<Error>],
    nested: bool,
) -> std::result::Result<(), Spoilt> {
    let mut txn = env.write().map_err(|_| Spoilt::ForAll)?;
    for (index, request) in requests.iter().enumerate() {
        if failed[index].is_some() {
            continue;
        }
        let batch = &request.batch;
        let result = if nested && batch.len() > 1 {
            txn.with_nested(|txn| txn.apply(batch)).map_err(|error| (0, error))
        } else {
            txn.apply_writes(batch)
        };
        match result {
            Ok(()) => {}
            Err((_, error)) if error.ends_transaction() => return Err(Spoilt::ForAll),
            Err((0, error)) => failed[index] = Some(error),
            Err((_, error)) => return Err(Spoilt::By(index, error)),
        }
    }
    txn.commit().map_err(|_| Spoilt::ForAll)
}

fn tell(requests: Vec<Request>, failed: Vec<Option<Error>>) {
    for (request, failed) in requests.into_iter().zip(failed) {
        request.done.tell(failed.map_or(Ok(()), Err));
    }
}
