//! A database in memory: the newest value, and whose turn it is to write.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::ThreadId;

use crate::db::{Db, DbOptions};
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::types::{TypeFunctions, Types};

pub(super) struct MemoryStore {
    current: Mutex<Db>,
    turn: Turn,
}

impl MemoryStore {
    pub fn new(functions: TypeFunctions) -> Self {
        let schema = Schema::with_types(Types::new(functions));
        Self::from_db(Db::empty(schema, DbOptions::default()))
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

    /// Whether this thread has the writer's turn.
    pub fn is_writing(&self) -> bool {
        let holder = self.turn.holder.lock().unwrap_or_else(PoisonError::into_inner);
        *holder == Some(std::thread::current().id())
    }

    pub fn take_turn(memory: Arc<Self>) -> Result<TurnGuard> {
        memory.turn.take()?;
        Ok(TurnGuard { memory })
    }
}

/// A lock that knows its holder, so that a thread waiting for itself is an error instead of a hang.
#[derive(Default)]
struct Turn {
    holder: Mutex<Option<ThreadId>>,
    free: Condvar,
}

impl Turn {
    fn take(&self) -> Result<()> {
        let me = std::thread::current().id();
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(other) = *holder {
            if other == me {
                return Err(Error::WouldDeadlock);
            }
            holder = self.free.wait(holder).unwrap_or_else(PoisonError::into_inner);
        }
        *holder = Some(me);
        Ok(())
    }
}

/// The right to write; given up when dropped.
pub(super) struct TurnGuard {
    memory: Arc<MemoryStore>,
}

impl TurnGuard {
    pub fn memory(&self) -> &MemoryStore {
        &self.memory
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        let turn = &self.memory.turn;
        *turn.holder.lock().unwrap_or_else(PoisonError::into_inner) = None;
        turn.free.notify_one();
    }
}
