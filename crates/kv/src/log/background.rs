//! Checkpoints beside the commits: the data file is synced by a thread, while transactions go on being logged.
//!
//! ```text
//!  commit M: due --> second reader at M, place of the next record --> thread: data file synced
//!  commits M+1, M+2 ... go on                                                   |
//!                                             head: M and that place, synced <--+--> first reader let go
//! ```
//!
//! If nothing was committed meanwhile, the log starts over; otherwise its records go on behind those that are no longer
//! needed, and it is for a checkpoint that writers wait for, at twice the size, to start over.

use std::sync::{Arc, Mutex, PoisonError};

use super::head::{Checkpoint, Head, RECORDS};
use super::{Log, PAGES_LEAST, PAGES_MIN, SIZE_MAX};
use crate::env::Shared;
use crate::error::{Error, Result};
use crate::sys::Hold;

/// A checkpoint that is being made.
#[derive(Debug)]
pub(super) struct Coming {
    number: u64,
    hold: Hold,
    checkpoint: Checkpoint,
    /// Where the first record that is needed after it is, or will be, and where records ended when it began.
    start: u64,
    end: u64,
    /// How many pages it sets free.
    pages: u64,
}

impl Coming {
    pub(super) fn txn_id(&self) -> u64 {
        self.hold.id()
    }
}

/// Whether it is time for a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    No,
    /// Without keeping anybody waiting.
    Soon,
    Now,
}

impl Log {
    fn due(&self, shared: &Shared) -> Due {
        let info = shared.heed.info();
        let used = info.last_page_number as u64;
        let room = (info.map_size as u64 / u64::from(self.page_size)).saturating_sub(used);
        let usual = PAGES_MIN.max(used / 16);
        // Where the map is nearly full, pages are wanted back sooner.
        let tight = room / 4 < usual;
        let pages_max = usual.min(room / 4).max(PAGES_LEAST);
        // The records of deferred commits are needed until they are carried out, which is soon.
        let size = if self.deferred.is_empty() { self.file.size() } else { 0 };
        let now = size > 2 * SIZE_MAX || self.pages > 4 * pages_max;
        let soon = size > SIZE_MAX || self.pages > pages_max;
        match (now, soon) {
            (true, _) => Due::Now,
            (_, true) if tight => Due::Now,
            (_, true) => Due::Soon,
            _ => Due::No,
        }
    }

    /// After a commit, whose caller has the writer's turn. The commit stands, whatever comes of this; a failure is told
    /// to the next writer.
    pub(super) fn checkpoint_if_due(&mut self, shared: &Shared) {
        let begun = match self.due(shared) {
            Due::No => return,
            Due::Soon if self.coming.is_some() => return,
            Due::Soon => self.begin_checkpoint(shared),
            Due::Now => self.checkpoint(shared, false, false),
        };
        if let Err(error) = begun {
            tracing::warn!(%error, "a checkpoint was put off");
        }
    }

    fn begin_checkpoint(&mut self, shared: &Shared) -> Result<()> {
        let (hold, checkpoint) = self.hold_newest(shared)?;
        let data = self.data.try_clone().map_err(Error::io("opening the data file"))?;
        self.checkpoints += 1;
        let number = self.checkpoints;
        let slot: Arc<Mutex<Option<Log>>> = Arc::clone(&shared.log.log);
        std::thread::Builder::new()
            .name("factum-kv-checkpoint".to_owned())
            .spawn(move || {
                let synced = data.sync_data();
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(log) = slot.as_mut() {
                    log.end_checkpoint(number, synced);
                }
            })
            .map_err(Error::io("starting the thread of a checkpoint"))?;
        let end = self.file.end;
        let start = self.deferred.start().unwrap_or(end);
        self.coming = Some(Coming { number, hold, checkpoint, start, end, pages: self.pages });
        Ok(())
    }

    fn end_checkpoint(&mut self, number: u64, synced: std::io::Result<()>) {
        if let Err(error) = synced {
            // Pages may be lost that the system now takes for written.
            return self.fail(&error);
        }
        let Some(coming) = self.coming.take_if(|coming| coming.number == number) else { return };
        if self.failed.is_some() {
            return;
        }
        let starts_over = coming.hold.id() == self.last && self.deferred.is_empty();
        if self.relaxed && coming.start < coming.end
            // What the checkpoint does not have must not be missing where later transactions are not.
            && let Err(error) = self.file.sync()
        {
            return self.fail(&error);
        }
        let old = &self.file.head;
        let head = Head {
            epoch: if starts_over { Head::new_epoch() } else { old.epoch },
            start: if starts_over { RECORDS } else { coming.start },
            whole_until: if starts_over { RECORDS } else { coming.end },
            checkpoint: coming.checkpoint,
            ..old.clone()
        };
        if let Err(error) = self.file.write_head(head) {
            return self.fail(&error);
        }
        if starts_over {
            self.file.end = RECORDS;
            self.carried = false;
        }
        self.pages = self.pages.saturating_sub(coming.pages);
        self.hold = coming.hold;
    }
}
