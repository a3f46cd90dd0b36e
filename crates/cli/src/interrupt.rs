//! Ctrl-C: stops the query that runs, not the program.
//!
//! A query that is cancelled ends with its own error, so that locks and reader slots are given back. Pressing Ctrl-C
//! once more ends the program at once. A command that was stopped ends with the exit code of interrupted programs.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use factum::CancelToken;

/// The token of what runs now.
static CURRENT: Mutex<Option<CancelToken>> = Mutex::new(None);
static HANDLER: Once = Once::new();

static HAPPENED: AtomicBool = AtomicBool::new(false);

/// The exit code of programs that are ended by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// A token that the next Ctrl-C cancels.
pub fn token() -> CancelToken {
    HANDLER.call_once(|| {
        // Without a handler Ctrl-C ends the program, which is good enough.
        let _ = ctrlc::set_handler(interrupt);
    });
    let token = CancelToken::new();
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
    token
}

/// Whether Ctrl-C was pressed.
pub fn happened() -> bool {
    HAPPENED.load(Ordering::Relaxed)
}

fn interrupt() {
    HAPPENED.store(true, Ordering::Relaxed);
    let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    match current {
        Some(token) => token.cancel(),
        None => process::exit(INTERRUPTED.into()),
    }
}
