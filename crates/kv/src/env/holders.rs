//! [`Holders`]: who keeps an environment open; and closing it.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use lmdb_pages::Living;

use super::{Env, Shared};
use crate::error::{Error, Result};

/// Who in this process keeps an environment open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holders {
    /// Handles: clones of [`Env`], reads, tickets of submitted batches.
    pub handles: usize,
    /// States that somebody reads; clones of one count once.
    pub snapshots: usize,
    /// How long the oldest of them has been alive, to a few milliseconds.
    pub oldest_snapshot: Option<Duration>,
    /// How long a write transaction has been open, to a few milliseconds, if there is one.
    pub writing: Option<Duration>,
}

impl fmt::Display for Holders {
    /// Begins with a colon, to follow a sentence; empty if nothing is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let plural = |count| if count == 1 { "" } else { "s" };
        if self.handles > 0 {
            parts.push(format!("{} handle{}", self.handles, plural(self.handles)));
        }
        if let Some(age) = self.oldest_snapshot {
            parts.push(format!(
                "{} snapshot{} (the oldest for {age:.1?})",
                self.snapshots,
                plural(self.snapshots)
            ));
        }
        if let Some(age) = self.writing {
            parts.push(format!("a write transaction (for {age:.1?})"));
        }
        if parts.is_empty() { Ok(()) } else { write!(f, ": {}", parts.join(", ")) }
    }
}

impl Holders {
    fn look(shared: &Weak<Shared>, living: &Living, own_handles: usize) -> Self {
        let snapshots = living.snapshots();
        // Counted before the handle is borrowed, which would count as one.
        let handles = shared.strong_count().saturating_sub(own_handles);
        Self {
            handles,
            snapshots: snapshots.len(),
            oldest_snapshot: snapshots.iter().map(|snapshot| snapshot.age).max(),
            writing: shared.upgrade().and_then(|shared| shared.turn.open_for()),
        }
    }
}

impl Env {
    /// Who else in this process keeps the environment open. (This handle is not counted.)
    pub fn holders(&self) -> Holders {
        Holders::look(&Arc::downgrade(&self.shared), &self.shared.reader.living(), 1)
    }

    /// Closes this handle and waits until every other one of this process, and every snapshot, is gone.
    ///
    /// A closed handle cannot be used again, which the compiler checks:
    ///
    /// ```compile_fail,E0382
    /// # let env = factum_kv::Env::open("never").unwrap();
    /// env.close(std::time::Duration::from_secs(1)).unwrap();
    /// env.read().unwrap(); // moved into `close`
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::StillOpen`], which says who is left, if that takes longer than `patience`; this handle is gone
    /// nevertheless.
    pub fn close(self, patience: Duration) -> Result<()> {
        let path = self.shared.path.clone();
        let event = self.shared.heed.clone().prepare_for_closing();
        let (shared, living) = (Arc::downgrade(&self.shared), self.shared.reader.living());
        drop(self);
        if event.wait_timeout(patience) {
            Ok(())
        } else {
            Err(Error::StillOpen { path, holders: Holders::look(&shared, &living, 0) })
        }
    }
}
