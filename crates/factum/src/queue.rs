//! Asynchronous transactions: many submitters, one commit.
//!
//! ```text
//! transact_async -> [ data | data | data ] -> staged one after another -> commit -> listeners, promises, in order
//!                   grows while the writer commits: a commit is one transaction under light load, hundreds under heavy
//! ```
//!
//! A transaction that is refused is left out and its promise gets the error: staging writes nothing, so the others are
//! not touched by it. If the commit itself fails, they are tried one by one, for some may still fit.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use edn::Value;
use storage::{Store, Writer};

use crate::connection::Connection;
use crate::text::OwnedTxInput;
use crate::{Error, Result, TxReport};

/// How many transactions may wait at a time before submitters have to.
const BACKLOG_MAX: usize = 8192;
/// A commit takes no more transactions once it has so many datoms, so that the first of them need not wait for ever.
const COMMIT_DATOMS_MAX: usize = 1 << 18;

/// What waits for one connection's writer.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Something has come, or the connection closes.
    filled: Condvar,
    /// There is room again, or nothing is left.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    /// Whether some are being carried out.
    busy: bool,
    closed: bool,
    thread: Option<ThreadId>,
}

pub(crate) struct Request {
    /// Keeps listeners and functions.
    pub(crate) conn: Connection,
    /// Keeps the file open, also when the connection is closed meanwhile.
    pub(crate) store: Store,
    pub(crate) data: OwnedTxInput,
    pub(crate) meta: Value,
    pub(crate) done: Done,
}

/// Who is told about the end.
pub(crate) enum Done {
    Promise(Arc<Progress>),
    Callback(Box<dyn FnOnce(Result<TxReport>) + Send>),
}

impl Done {
    fn tell(self, result: Result<TxReport>) {
        match self {
            Self::Promise(progress) => progress.finish(result),
            // A callback that panics ends neither the thread nor the promises of others.
            Self::Callback(callback) => drop(catch_unwind(AssertUnwindSafe(|| callback(result)))),
        }
    }
}

#[derive(Default)]
struct Outcome {
    result: Option<Result<TxReport>>,
    waker: Option<Waker>,
    is_finished: bool,
}

#[derive(Default)]
pub(crate) struct Progress {
    outcome: Mutex<Outcome>,
    finished: Condvar,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, result: Result<TxReport>) {
        let mut outcome = self.lock();
        (outcome.result, outcome.is_finished) = (Some(result), true);
        let waker = outcome.waker.take();
        drop(outcome);
        self.finished.notify_all();
        if let Some(waker) = waker {
            drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
        }
    }
}

/// The promise of [`Connection::transact_async`]: a future, or something to wait for.
///
/// It is kept once the transaction is committed, as durably as the connection's commits are. Dropping it does not
/// take the transaction back.
#[must_use = "a transaction may be refused, and only the promise tells"]
pub struct PendingTx {
    progress: Arc<Progress>,
    queue: Arc<Queue>,
    conn: Connection,
}

impl PendingTx {
    pub(crate) fn new(progress: Arc<Progress>, queue: Arc<Queue>, conn: Connection) -> Self {
        Self { progress, queue, conn }
    }

    /// Waits until the transaction is committed or refused.
    ///
    /// # Errors
    ///
    /// That of the transaction; [`Error::WouldWaitForItself`] on a thread that the commit must wait for: in a listener,
    /// in a callback, inside an explicit transaction.
    pub fn wait(self) -> Result<TxReport> {
        match self.wait_until(None) {
            Ok(result) => result,
            Err(_) => unreachable!("without a deadline it waits for the result"),
        }
    }

    /// Waits no longer than `patience`; gives the promise back if that is not enough.
    ///
    /// # Errors
    ///
    /// The promise itself. The inner result is as that of [`wait`](Self::wait).
    pub fn wait_timeout(self, patience: Duration) -> std::result::Result<Result<TxReport>, Self> {
        self.wait_until(Some(Instant::now() + patience))
    }

    fn wait_until(self, deadline: Option<Instant>) -> std::result::Result<Result<TxReport>, Self> {
        let is_awaited = self.queue.is_own_thread() || self.conn.is_writing();
        let mut outcome = self.progress.lock();
        loop {
            if let Some(result) = outcome.result.take() {
                return Ok(result);
            }
            if is_awaited {
                return Ok(Err(Error::WouldWaitForItself));
            }
            outcome = match deadline {
                None => self.progress.finished.wait(outcome).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        drop(outcome);
                        return Err(self);
                    }
                    let waited = self.progress.finished.wait_timeout(outcome, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Whether the transaction is committed or refused.
    pub fn is_done(&self) -> bool {
        self.progress.lock().is_finished
    }
}

impl Future for PendingTx {
    type Output = Result<TxReport>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut outcome = self.progress.lock();
        match outcome.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                outcome.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl std::fmt::Debug for PendingTx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingTx").field("done", &self.is_done()).finish()
    }
}

impl Queue {
    /// A queue with a thread of its own.
    pub(crate) fn start() -> Result<Arc<Self>> {
        let queue =
            Arc::new(Self { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() });
        let for_thread = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("factum-writer".to_owned());
        match thread.spawn(move || for_thread.run()) {
            Ok(_) => Ok(queue),
            Err(source) => {
                let source = kv::Error::Io { action: "starting the writer thread", source };
                Err(storage::Error::from(source).into())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_own_thread(&self) -> bool {
        self.lock().thread == Some(std::thread::current().id())
    }

    /// Adds a request at the end, waiting for room.
    ///
    /// # Errors
    ///
    /// [`Error::WouldWaitForItself`] if there is no room and this thread has the writer's turn.
    pub(crate) fn push(&self, request: Request) -> Result<()> {
        let mut state = self.lock();
        // The thread itself, in a listener, must not wait for itself.
        while state.requests.len() >= BACKLOG_MAX && state.thread != Some(std::thread::current().id()) {
            if request.store.is_writing() {
                return Err(Error::WouldWaitForItself);
            }
            state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.requests.push_back(request);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits until everything that was submitted is done; not on the thread itself, which would wait for ever.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        while (state.busy || !state.requests.is_empty()) && state.thread != Some(std::thread::current().id())
        {
            state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the thread end once nothing is left.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    fn run(&self) {
        self.lock().thread = Some(std::thread::current().id());
        while let Some(mut requests) = self.take() {
            while !requests.is_empty() {
                commit_together(&mut requests);
            }
            self.lock().busy = false;
            self.emptied.notify_all();
        }
    }

    /// Everything that has come together; `None` at the end.
    fn take(&self) -> Option<VecDeque<Request>> {
        let mut state = self.lock();
        while state.requests.is_empty() {
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.busy = true;
        let requests = std::mem::take(&mut state.requests);
        drop(state);
        self.emptied.notify_all();
        Some(requests)
    }
}

/// A request that was staged, or refused.
struct Staged {
    request: Request,
    outcome: Result<storage::TxReport>,
}

/// Commits requests from the front, as many as go together, and tells everybody, in order.
fn commit_together(requests: &mut VecDeque<Request>) {
    let Some(first) = requests.front() else { return };
    let mut writer = match first.store.write() {
        Ok(writer) => writer,
        Err(_) => return commit_alone(requests.pop_front()),
    };
    let (mut staged, mut datoms) = (Vec::new(), 0);
    while datoms < COMMIT_DATOMS_MAX
        && let Some(request) = requests.pop_front()
    {
        let outcome = stage(&mut writer, &request);
        datoms += outcome.as_ref().map_or(0, |report| report.tx_data.len());
        staged.push(Staged { request, outcome });
    }
    if staged.iter().all(|staged| staged.outcome.is_err()) {
        drop(writer);
        staged.into_iter().for_each(tell);
        return;
    }
    let conn = staged[0].request.conn.clone();
    let order = conn.order_of_news();
    match writer.commit() {
        Ok(db) => {
            let last = staged.iter_mut().rev().find_map(|staged| staged.outcome.as_mut().ok());
            if let Some(last) = last {
                last.db_after = db;
            }
            let results: Vec<_> = staged.into_iter().map(Staged::into_result).collect();
            conn.queue_news(results.iter().filter_map(|(_, result)| result.as_ref().ok()));
            drop(order);
            tell_listeners(&conn);
            results.into_iter().for_each(|(done, result)| done.tell(result));
        }
        Err(_) => {
            drop(order);
            for staged in staged {
                match staged.outcome {
                    Ok(_) => commit_alone(Some(staged.request)),
                    Err(_) => tell(staged),
                }
            }
        }
    }
}

fn commit_alone(request: Option<Request>) {
    let Some(request) = request else { return };
    let conn = request.conn.clone();
    let result = request.store.write().map_err(Error::from).and_then(|mut writer| {
        let mut report = stage(&mut writer, &request)?;
        let _order = conn.order_of_news();
        report.db_after = writer.commit()?;
        let report = TxReport::new(report, conn.runtime().clone());
        conn.queue_news([&report]);
        Ok(report)
    });
    tell_listeners(&conn);
    request.done.tell(result);
}

/// Whatever listeners do, the thread and the promises of others go on.
fn tell_listeners(conn: &Connection) {
    // Each report is told once, so this ends.
    while catch_unwind(AssertUnwindSafe(|| conn.tell_listeners())).is_err() {}
}

/// Stages one request; a panic in one of the user's functions is the error of this request alone.
fn stage(writer: &mut Writer, request: &Request) -> Result<storage::TxReport> {
    let functions = &request.conn.runtime().transactions;
    let stage = || request.data.apply(|data| writer.transact(data, request.meta.clone(), functions));
    catch_unwind(AssertUnwindSafe(stage)).unwrap_or(Err(Error::FunctionPanicked))
}

impl Staged {
    fn into_result(self) -> (Done, Result<TxReport>) {
        let Request { conn, done, .. } = self.request;
        (done, self.outcome.map(|report| TxReport::new(report, conn.runtime().clone())))
    }
}

/// Tells of a refusal.
fn tell(staged: Staged) {
    let (done, result) = staged.into_result();
    done.tell(result);
}
