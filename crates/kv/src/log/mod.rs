//! The write-ahead log: one wait for the disk at each commit instead of LMDB's two.
//!
//! A durable commit of LMDB waits until the disk has the pages, and then until it has the meta page that names the new
//! root. With [`Durability::Wal`](crate::Durability::Wal), it waits for a record of what the transaction did, and
//! LMDB's own writes go to the system's memory only:
//!
//! ```text
//!  write transaction --steps--> tape
//!  commit   1. tape --append, fdatasync--> log file     durable
//!           2. LMDB's commit without sync               visible
//!
//!  data file, in memory:  N (checkpoint) --> N+1 --> N+2 --> ... --> M
//!  data file, on disk:    N whole, of the later states any pages in any order
//!  log file, on disk:     meta page of N, steps of N+1, N+2, ... M
//! ```
//!
//! *Why N stays whole.* LMDB never writes to pages of a committed state while a reader may see it. The log holds a
//! reader at N ([`Hold`](crate::sys::Hold)), so until the next checkpoint whatever is written goes to pages that N
//! does not use. Only the two meta pages are written over, and N's is kept in the log's head.
//!
//! *Recovery* (`recover.rs`) puts the meta page of N back and carries out the steps again.
//!
//! *A checkpoint* makes the newest state M the next N: a second reader at M, the data file synced, a head with M's meta
//! page and a new epoch synced, then the first reader let go. A power failure at any point of that leaves either N
//! with its records or M whole. Records are not cleared: those of earlier epochs do not count.
//!
//! *Deferred commits* (`deferred.rs`) are in the log alone for a while, and many of them become one transaction.
//!
//! *Too much for a record*, or done by other crates through heed, is a transaction that LMDB is told to sync itself.
//! Its record has no steps and only says so: where the data file has that transaction, it is whole.
//!
//! The data file is locked (`flock`) for as long as an environment has a log, and shared between the other writers,
//! so that nobody commits past the log.

mod background;
mod commit;
mod deferred;
mod file;
mod head;
mod here;
mod lock;
mod place;
mod recover;
mod settler;
mod tape;

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use background::Coming;
use deferred::{Deferred, OnCarriedOut};
use file::LogFile;
use head::{Checkpoint, Head, RECORDS};
use here::Here;
pub(crate) use lock::DataLock;
pub(crate) use recover::{Attended, attend};
pub(crate) use settler::Settler;
pub(crate) use tape::{CursorTape, Role, Step, StepWriter, Steps, Tape};

use crate::env::{Durability, LogInfo, Shared};
use crate::error::{Error, Result};
use crate::flags::EnvFlags;
use crate::sys::Hold;

/// So many bytes of records call for a checkpoint, and twice as many are not waited for any longer.
const SIZE_MAX: u64 = 4 << 20;
/// So many pages that are free but for the held state call for a checkpoint, or a sixteenth of the file.
const PAGES_MIN: u64 = 1024;
/// Fewer are not worth it even where the map is nearly full.
const PAGES_LEAST: u64 = 32;

/// The log of an environment, if it has one.
#[derive(Debug, Default)]
pub(crate) struct LogSlot {
    log: Arc<Mutex<Option<Log>>>,
    /// Whether there is one, to be asked without the lock by those who have the writer's turn.
    on: AtomicBool,
    /// How many commits were deferred since the environment was opened, and how many of them were carried out.
    deferred: AtomicU64,
    carried_out: AtomicU64,
    on_carried_out: Mutex<OnCarriedOut>,
    pub(crate) settler: Arc<Settler>,
}

#[derive(Debug)]
struct Log {
    file: LogFile,
    /// The data file.
    data: File,
    page_size: u32,
    /// Whether commits do not wait for their records.
    relaxed: bool,
    /// Holds the checkpoint.
    hold: Hold,
    /// For looking at the list of free pages; holds nothing in between.
    probe: Hold,
    /// The newest transaction that is in the log, or the checkpoint.
    last: u64,
    /// Pages that would be free if the checkpoint were not held.
    pages: u64,
    /// Commits that only the log has.
    deferred: Deferred,
    /// Whether some were carried out by a transaction of which the log does not know yet.
    carried: bool,
    /// A checkpoint that is being made beside the commits.
    coming: Option<Coming>,
    /// How many were begun so.
    checkpoints: u64,
    /// Whether others may have committed without a record.
    lent: bool,
    /// The memory of the last tape.
    recording: tape::Recording,
    /// Why nothing can be written any more.
    failed: Option<String>,
}

impl LogSlot {
    fn lock(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// In the child of a fork: the readers are the parent's, which must keep them.
    pub(crate) fn forget(&self) {
        std::mem::forget(self.lock().take());
    }

    /// What commits promise, if there is a log.
    pub(crate) fn durability(&self) -> Option<Durability> {
        let relaxed = self.lock().as_ref()?.relaxed;
        Some(if relaxed { Durability::WalLater } else { Durability::Wal })
    }

    pub(crate) fn info(&self) -> Option<LogInfo> {
        let log = self.lock();
        let log = log.as_ref()?;
        Some(LogInfo {
            checkpoint: log.hold.id(),
            last: log.last,
            size: log.file.end - log.file.head.start,
            deferred: log.deferred.len(),
        })
    }

    /// The transactions whose states the log holds with readers of its own.
    pub(crate) fn held(&self) -> Vec<u64> {
        let log = self.lock();
        let coming = log.as_ref().and_then(|log| log.coming.as_ref()).map(Coming::txn_id);
        log.as_ref().map(|log| log.hold.id()).into_iter().chain(coming).collect()
    }
}

impl Log {
    fn check(&self) -> Result<()> {
        match &self.failed {
            Some(cause) => Err(Error::LogFailed { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Nothing can be relied on any more: refuses further writes, and has the next opening recover whatever the
    /// machine says.
    fn fail(&mut self, error: &dyn std::fmt::Display) {
        tracing::error!(%error, "the write-ahead log failed; writes are refused until the environment is opened again");
        self.failed.get_or_insert_with(|| error.to_string());
        let head = Head { here: None, ..self.file.head.clone() };
        // If this fails, too, the old head may stand, which is right unless the system lost pages silently.
        let _ = self.file.write_head(head);
    }

    /// Makes the newest state the checkpoint, after forcing it to disk unless `synced`. The caller has the writer's
    /// turn.
    fn checkpoint(&mut self, shared: &Shared, synced: bool, closed: bool) -> Result<()> {
        self.check()?;
        let (next, checkpoint) = self.hold_newest(shared)?;
        let written = self.write_checkpoint(shared, checkpoint, synced, closed);
        // Pages may be lost that the system now takes for written.
        written.inspect_err(|error| self.fail(error))?;
        if self.deferred.is_empty() {
            self.file.end = RECORDS;
            self.carried = false;
        }
        self.last = next.id();
        self.pages = 0;
        self.hold = next;
        self.coming = None;
        Ok(())
    }

    fn write_checkpoint(
        &mut self,
        shared: &Shared,
        checkpoint: Checkpoint,
        synced: bool,
        closed: bool,
    ) -> Result<()> {
        let explain = |code| Error::from_code(code, "making a checkpoint");
        if !synced {
            shared.handle.sync(true).map_err(explain)?;
        }
        let mut head =
            Head { closed, relaxed: self.relaxed, lent: self.lent, checkpoint, ..self.file.head.clone() };
        match self.deferred.start() {
            // Their records are still needed, and must not be missing where later transactions are not.
            Some(start) => {
                self.file.sync().map_err(Error::io("syncing the write-ahead log"))?;
                (head.start, head.whole_until) = (start, self.file.end);
            }
            None => {
                head.epoch = Head::new_epoch();
                (head.start, head.whole_until) = (RECORDS, RECORDS);
            }
        }
        self.file.write_head(head).map_err(Error::io("writing the head of the write-ahead log"))
    }

    /// A reader at the newest state, and what the log's head says of that.
    fn hold_newest(&self, shared: &Shared) -> Result<(Hold, Checkpoint)> {
        hold_newest(shared, &self.data, self.page_size)
    }
}

fn hold_newest(shared: &Shared, data: &File, page_size: u32) -> Result<(Hold, Checkpoint)> {
    /// Through heed's handle, others may commit at any time.
    const ATTEMPTS: u32 = 100;
    for _ in 0..ATTEMPTS {
        let hold = Hold::begin(shared.handle).map_err(|code| {
            shared.complete(Error::from_code(code, "holding a state for the write-ahead log"))
        })?;
        let found =
            place::checkpoint(data, page_size, hold.id()).map_err(Error::io("reading the meta page"))?;
        if let Some(checkpoint) = found {
            return Ok((hold, checkpoint));
        }
    }
    Err(Error::Corrupted { reason: "no meta page bears the number of the newest transaction".to_owned() })
}

impl Shared {
    fn data_file(&self) -> Result<File> {
        match &self.data_lock {
            Some(lock) => lock.file(),
            None => Err(Error::ReadOnly),
        }
    }

    /// Begins to write a log, into the file that an earlier one has left or a new one; the caller has the writer's
    /// turn, or the environment for itself, and the data file's lock. What is committed is forced to disk.
    fn start_log(&self, relaxed: bool, file: Option<LogFile>, data: File) -> Result<()> {
        let unexplained = |code| Error::from_code(code, "starting the write-ahead log");
        let page_size = self.heed.unnamed_database_stat().page_size;
        let (hold, checkpoint) = hold_newest(self, &data, page_size)?;
        self.handle.sync(true).map_err(unexplained)?;
        let head = |log: &File| {
            let here = Here::of(&data, log).map_err(Error::io("identifying the data file"))?;
            let epoch = Head::new_epoch();
            let checkpoint = checkpoint.clone();
            let lent = self.is_heed_lent();
            Ok(Head {
                number: 0,
                epoch,
                start: RECORDS,
                whole_until: RECORDS,
                closed: false,
                relaxed,
                lent,
                checkpoint,
                here,
            })
        };
        let mut file = match file {
            Some(mut file) => {
                let head = head(&file.file)?;
                file.write_head(head).map_err(Error::io("writing the head of the write-ahead log"))?;
                file
            }
            None => LogFile::create(&self.log_path, head)?,
        };
        file.end = RECORDS;
        let probe = Hold::begin(self.handle).map_err(|code| self.complete(unexplained(code)))?;
        let last = hold.id();
        let mut log = Log {
            file,
            data,
            page_size,
            relaxed,
            hold,
            probe,
            last,
            pages: 0,
            deferred: Deferred::default(),
            carried: false,
            coming: None,
            checkpoints: 0,
            lent: self.is_heed_lent(),
            recording: tape::Recording::default(),
            failed: None,
        };
        log.probe.rest();
        self.handle.set_flags(EnvFlags::NOSYNC.bits(), true).map_err(unexplained)?;
        *self.log.lock() = Some(log);
        self.log.on.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes a last checkpoint, which says that there is nothing to do, and removes the log file.
    fn stop_log(&self) -> Result<()> {
        self.carry_out()?;
        let mut slot = self.log.lock();
        let Some(log) = slot.as_mut() else { return Ok(()) };
        log.checkpoint(self, false, true)?;
        // Should the name come back after a power failure, the file says that it is of no more use.
        let removed = fs::remove_file(&log.file.path);
        *slot = None;
        self.log.on.store(false, Ordering::Relaxed);
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("removing the write-ahead log")(error))
            }
            _ => Ok(()),
        }
    }

    /// At the end of the environment in this process.
    pub(crate) fn close_log(&self) {
        self.log.settler.close();
        if self.log.is_on()
            && let Err(error) = self.stop_log()
        {
            // Nothing is lost: the next opening finds the log.
            tracing::warn!(%error, "the write-ahead log could not be put away");
        }
        // A thread may still have the slot, but the readers must end before the environment does.
        drop(self.log.lock().take());
    }

    /// From one kind of durability to another; the caller has the writer's turn.
    pub(crate) fn change_log(&self, durability: Durability) -> Result<()> {
        let relaxed = match durability {
            Durability::Wal => false,
            Durability::WalLater => true,
            _ if self.log.is_on() => {
                self.stop_log()?;
                self.handle
                    .set_flags(EnvFlags::NOSYNC.bits(), false)
                    .map_err(|code| Error::from_code(code, "changing the environment's flags"))?;
                return self.lock_data(false);
            }
            _ => return Ok(()),
        };
        if self.log.is_on() {
            self.carry_out()?;
            if let Some(log) = self.log.lock().as_mut() {
                log.relaxed = relaxed;
                log.checkpoint(self, false, false)?;
            }
            return Ok(());
        }
        self.lock_data(true)?;
        let data = self.data_file()?;
        self.start_log(relaxed, None, data).inspect_err(|_| {
            let _ = self.lock_data(false);
        })
    }
}
