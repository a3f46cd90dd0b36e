//! A database in memory: the newest value, and whose turn it is to write.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::ThreadId;

use crate::db::{Db, DbOptions};
use crate::error::{Error, Result};

pub(super) struct MemoryStore {
    current: Mutex<Db>,
    turn: Turn,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::from_db(Db::empty((*super::new_schema()).clone(), DbOptions::default()))
    }

    pub fn from_db(db: Db) -> Self {
        Self { current: Mutex::new(db), turn: Turn::default() }
    }

    pub fn db(&self) -> Db {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, db: Db) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = db;
    }

    pub fn take_turn(&self) -> Result<TurnGuard<'_>> {
        self.turn.take()
    }
}

/// A lock that knows its holder, so that a thread waiting for itself is an error instead of a hang.
#[derive(Default)]
struct Turn {
    holder: Mutex<Option<ThreadId>>,
    free: Condvar,
}

impl Turn {
    fn take(&self) -> Result<TurnGuard<'_>> {
        let me = std::thread::current().id();
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(other) = *holder {
            if other == me {
                return Err(Error::WouldDeadlock);
            }
            holder = self.free.wait(holder).unwrap_or_else(PoisonError::into_inner);
        }
        *holder = Some(me);
        Ok(TurnGuard { turn: self })
    }
}

/// The right to write; given up when dropped.
pub(super) struct TurnGuard<'s> {
    turn: &'s Turn,
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        *self.turn.holder.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.turn.free.notify_one();
    }
}
