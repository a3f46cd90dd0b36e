//! [`DataLock`]: who writes to a data file, among the processes of this machine.
//!
//! Writers share the lock; one with a log has it alone. It is a lock on the open file (`flock`), which has nothing to
//! do with LMDB's locks: those are on its lock file, and of another kind.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::env::{Place, Shared};
use crate::error::{Error, Result};

/// How long somebody who is just opening or closing is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct DataLock {
    file: File,
    path: PathBuf,
}

impl DataLock {
    pub(super) fn new(file: File, path: PathBuf) -> Self {
        Self { file, path }
    }

    /// A shared lock on the data file of an environment that LMDB has just opened.
    pub(crate) fn shared(place: &Place) -> Result<Option<Self>> {
        let Ok(file) = File::open(&place.data) else { return Ok(None) };
        let lock = Self::new(file, place.path.clone());
        lock.take(false)?;
        Ok(Some(lock))
    }

    /// Takes the lock, alone or shared, instead of what was had before.
    ///
    /// Where the file system knows no such locks, a shared one is not missed.
    pub(super) fn take(&self, alone: bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let taken = if alone { self.file.try_lock() } else { self.file.try_lock_shared() };
            match taken {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => return Err(Error::LogInUse { path: self.path.clone() }),
                Err(TryLockError::Error(_)) if !alone => return Ok(()),
                Err(TryLockError::Error(source)) => {
                    return Err(Error::io("locking the data file for the write-ahead log")(source));
                }
            }
        }
    }

    pub(crate) fn file(&self) -> Result<File> {
        self.file.try_clone().map_err(Error::io("opening the data file"))
    }

    pub(crate) fn release(&self) {
        // Also for the children of forks, which have it open, too.
        let _ = self.file.unlock();
    }
}

impl Shared {
    /// Takes the lock on the data file, alone or shared again; where it cannot be had alone, it stays shared.
    pub(super) fn lock_data(&self, alone: bool) -> Result<()> {
        let Some(lock) = &self.data_lock else { return Ok(()) };
        lock.take(alone).inspect_err(|_| {
            if alone {
                let _ = lock.take(false);
            }
        })
    }
}
