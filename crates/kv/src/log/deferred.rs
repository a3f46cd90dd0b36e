//! Deferred commits: in the log at once, and given to LMDB later, many of them in one transaction.
//!
//! ```text
//!  defer      steps --record, fdatasync--> log          durable, and visible through whoever keeps them
//!  defer      steps --record, fdatasync--> log
//!  carry out  all of them, in the order of the keys --> one LMDB transaction       the next record: "carried out"
//! ```
//!
//! A small transaction of LMDB writes a page for each leaf that it touches and for each page above one. A hundred of
//! them together write most of these pages once, and none of the states in between has to reach the disk.
//!
//! The transaction that carries them out has no record, and waits for nothing: the next record says that there was one, and
//! whoever recovers finds in the records before what it did. Without a next record, recovery carries the commits out
//! itself, be it for the second time: they only put what they put, and delete what is there. That has a record, so that
//! recovery can be interrupted anywhere.
//!
//! Other transactions may lie in between, since only tables are written so that nobody else changes. A checkpoint in between
//! does not have the deferred commits; then the head names the place of the first of them, and whoever recovers passes
//! over the transactions that the checkpoint has.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::head::RecordKind;
use super::tape::{Role, TAPE_MAX};
use super::{Log, StepWriter};
use crate::env::Shared;
use crate::error::{Error, Result};
use crate::txn::WriteTxn;

/// How long commits stay deferred while others are being made.
pub(super) const AGE_MAX: Duration = Duration::from_millis(50);
/// So many bytes of steps are carried out by whoever deferred the last of them.
const BYTES_MAX: usize = 2 << 20;

/// Commits that only the log has.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    /// Where the record of the first is, and when it was written.
    first: Option<(u64, Instant)>,
    /// Their steps.
    commits: Vec<Arc<[u8]>>,
    bytes: usize,
    steps: u64,
    /// They could not be carried out, so there should not be more of them.
    stuck: bool,
}

impl Deferred {
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.commits.len()
    }

    /// Where the record of the first is.
    pub(super) fn start(&self) -> Option<u64> {
        self.first.map(|(place, _)| place)
    }

    fn push(&mut self, place: u64, count: u64, steps: &[u8]) {
        self.first.get_or_insert_with(|| (place, Instant::now()));
        self.commits.push(steps.into());
        self.bytes += steps.len();
        self.steps += count;
    }

    fn is_due(&self) -> bool {
        self.bytes > BYTES_MAX || self.first.is_some_and(|(_, since)| since.elapsed() >= AGE_MAX)
    }
}

/// Who wants to know when commits were carried out.
#[derive(Default)]
pub(super) struct OnCarriedOut(Option<Arc<Listener>>);

type Listener = dyn Fn(u64) + Send + Sync;

impl fmt::Debug for OnCarriedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnCarriedOut").field(&self.0.is_some()).finish()
    }
}

impl Shared {
    /// Appends steps to the log as a commit of its own, and waits for the disk if commits do; the caller has the writer's
    /// turn. `None` where the steps had better become a transaction: there is no log, they are too many, or LMDB might
    /// find no room for them later.
    pub(crate) fn defer(&self, steps: StepWriter) -> Result<Option<u64>> {
        if !self.log.is_on() {
            return Ok(None);
        }
        let (count, steps) = steps.finish();
        let mut slot = self.log.lock();
        let Some(log) = slot.as_mut() else { return Ok(None) };
        log.check()?;
        if steps.len() > TAPE_MAX || log.deferred.stuck || !log.has_room(self, count, steps.len()) {
            return Ok(None);
        }
        if count > 0 {
            let is_first = log.deferred.is_empty();
            log.defer(count, &steps)?;
            self.log.deferred.fetch_add(1, Ordering::AcqRel);
            drop(slot);
            if is_first {
                self.log.settler.wake();
            }
        }
        Ok(Some(self.log.deferred.load(Ordering::Acquire)))
    }

    /// How many commits were deferred so far, and how many of them LMDB has.
    pub(crate) fn deferred(&self) -> (u64, u64) {
        // In this order, so that nothing seems to be missing that is not.
        let carried_out = self.log.carried_out.load(Ordering::Acquire);
        (self.log.deferred.load(Ordering::Acquire), carried_out)
    }

    /// Gives LMDB what was deferred; the caller has the writer's turn, or the environment for itself. If it fails,
    /// everything is as before.
    pub(crate) fn carry_out(&self) -> Result<()> {
        let commits = match self.log.lock().as_ref() {
            Some(log) if !log.deferred.is_empty() => log.deferred.commits.clone(),
            _ => return Ok(()),
        };
        let carry_out = || {
            let mut txn = WriteTxn::begin(self, self.turn.lend())?;
            let commits: Vec<&[u8]> = commits.iter().map(|steps| &**steps).collect();
            if !txn.carry_out(&commits)? {
                let reason = "a deferred commit does not fit the tables that it is for".to_owned();
                return Err(Error::Corrupted { reason });
            }
            txn.commit()
        };
        carry_out().inspect_err(|error| {
            tracing::warn!(%error, "commits stay in the write-ahead log that could not be carried out");
            if let Some(log) = self.log.lock().as_mut() {
                log.deferred.stuck = true;
            }
        })
    }

    /// As [`carry_out`](Self::carry_out), if it is time. The commits stand, whatever comes of this.
    pub(crate) fn carry_out_if_due(&self) {
        if self.log.lock().as_ref().is_some_and(|log| log.deferred.is_due() && !log.deferred.stuck) {
            let _ = self.carry_out();
        }
    }

    /// Asks to be told when commits were carried out: by their number, in the thread that did it, which has the
    /// writer's turn.
    pub(crate) fn listen_to_carried_out(&self, listener: impl Fn(u64) + Send + Sync + 'static) {
        let mut slot = self.log.on_carried_out.lock().unwrap_or_else(PoisonError::into_inner);
        slot.0 = Some(Arc::new(listener));
    }

    /// After the commit of a transaction that carried them out.
    #[cold]
    pub(crate) fn tell_carried_out(&self) {
        let listener = self.log.on_carried_out.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        if let Some(listener) = listener {
            listener(self.log.carried_out.load(Ordering::Acquire));
        }
    }
}

impl Log {
    fn defer(&mut self, count: u64, steps: &[u8]) -> Result<()> {
        let place = self.file.end;
        let written = self.append(self.last, RecordKind::Deferred, false, steps);
        written.inspect_err(|_| self.forget(place))?;
        self.carried = false;
        self.deferred.push(place, count, steps);
        Ok(())
    }

    /// Whether the map has room for the pages that these steps and those before will need, so that carrying them out
    /// does not meet a full map: a leaf for each, its share of splits and of pages above it, and what values fill.
    fn has_room(&self, shared: &Shared, count: u64, bytes: usize) -> bool {
        const FOR_OTHERS: u64 = 1024;
        let info = shared.heed.info();
        let page_size = u64::from(self.page_size);
        let room = (info.map_size as u64 / page_size).saturating_sub(info.last_page_number as u64);
        let values = (self.deferred.bytes + bytes) as u64 / page_size;
        room / 2 > self.deferred.steps + count + values + FOR_OTHERS
    }

    /// After the commit of a transaction that carried out, or contains, what was deferred.
    pub(super) fn note_carried_out(&mut self, shared: &Shared, role: Role) {
        if role != Role::Plain {
            self.deferred = Deferred::default();
            shared.log.settler.rest();
            let deferred = shared.log.deferred.load(Ordering::Acquire);
            shared.log.carried_out.store(deferred, Ordering::Release);
        }
    }
}
