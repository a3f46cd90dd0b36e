//! [`Settler`]: a thread that carries out deferred commits when nobody else does.
//!
//! It is started by a deferred commit, waits for the moment when that should be carried out, and ends when none has come
//! for a while. It keeps the environment open only while it carries out.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::deferred::AGE_MAX;
use crate::env::Shared;

/// Somewhat later than those who write do it themselves.
const PATIENCE: Duration = AGE_MAX.saturating_add(Duration::from_millis(10));
/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the writer's turn is waited for at a time: somebody may wait for this thread who is waited for himself.
const TURN_MAX: Duration = Duration::from_millis(20);
/// How long the thread waits for something to do.
const IDLE_MAX: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(crate) struct Settler {
    state: Mutex<State>,
    changed: Condvar,
    environment: Mutex<Weak<Shared>>,
}

#[derive(Debug, Default)]
struct State {
    /// When there is something to do.
    due: Option<Instant>,
    is_running: bool,
    /// The thread, while it has the environment.
    busy: Option<ThreadId>,
    closed: bool,
}

impl Settler {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which environment it is for.
    pub(crate) fn belong_to(&self, shared: &Arc<Shared>) {
        *self.environment.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
    }

    /// There is something to carry out before long.
    pub(super) fn wake(self: &Arc<Self>) {
        let mut state = self.lock();
        state.due.get_or_insert_with(|| Instant::now() + PATIENCE);
        if state.is_running {
            drop(state);
            self.changed.notify_all();
            return;
        }
        let settler = Arc::clone(self);
        let thread = std::thread::Builder::new().name("factum-kv-settler".to_owned());
        match thread.spawn(move || settler.run()) {
            Ok(_) => state.is_running = true,
            // Those who write carry out, and so does the end.
            Err(error) => tracing::warn!(%error, "no thread to carry out deferred commits"),
        }
    }

    /// Everything is carried out.
    pub(super) fn rest(&self) {
        self.lock().due = None;
    }

    /// Whether the environment is open on account of this thread.
    pub(crate) fn is_busy(&self) -> bool {
        self.lock().busy.is_some()
    }

    /// Waits until the thread has no part of the environment.
    pub(crate) fn wait_until_idle(&self) {
        let mut state = self.lock();
        while state.busy.is_some_and(|thread| thread != std::thread::current().id()) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn run(&self) {
        loop {
            let mut state = self.wait_for_work();
            if state.closed || state.due.is_none() {
                state.is_running = false;
                return;
            }
            state.busy = Some(std::thread::current().id());
            let due = state.due;
            drop(state);
            let shared = self.environment.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
            let pause = shared.as_deref().and_then(Shared::settle);
            // Nobody else may have it meanwhile; then this closes it.
            drop(shared);
            let mut state = self.lock();
            state.busy = None;
            if let Some(pause) = pause {
                state.due = Some(Instant::now() + pause);
            } else if state.due == due {
                state.due = None;
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Comes back when something is due, when nothing was for a while, or at the end.
    fn wait_for_work(&self) -> MutexGuard<'_, State> {
        let idle_until = Instant::now() + IDLE_MAX;
        let mut state = self.lock();
        loop {
            let left = state.due.unwrap_or(idle_until).saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return state;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    /// In the settler's thread: waits for the writer's turn and carries out; or says after which time to try again.
    fn settle(&self) -> Option<Duration> {
        match self.turn.take(Some(TURN_MAX)) {
            Ok(_turn) => self.carry_out().is_err().then_some(PAUSE),
            Err(_) => Some(TURN_MAX),
        }
    }
}
