//! Commits with a log, and what else the log does while an environment is open.

use std::sync::atomic::Ordering;

use super::file::Marks;
use super::head::RecordKind;
use super::tape::Role;
use super::{Log, Tape};
use crate::env::Shared;
use crate::error::{Error, Result};
use crate::flags::EnvFlags;

impl Shared {
    /// A tape for write transaction `id`, if there is a log. The caller has the writer's turn, and has begun the
    /// transaction.
    // Apart from what begins a transaction without a log, so that this is short.
    #[cold]
    pub(crate) fn begin_tape(&self, id: u64) -> Result<Option<Tape>> {
        let mut slot = self.log.lock();
        let Some(log) = slot.as_mut() else { return Ok(None) };
        log.check()?;
        // Somebody may have committed through heed's handle; and after a full map, pages are wanted back.
        if log.last + 1 != id || log.pages > 0 && self.met_full_map.swap(false, Ordering::Relaxed) {
            log.checkpoint(self, false, false)?;
        }
        Ok(Some(Tape::new(std::mem::take(&mut log.recording))))
    }

    /// Gives the tape's memory back.
    pub(crate) fn keep_tape(&self, tape: Tape) {
        if let Some(log) = self.log.lock().as_mut() {
            log.recording = tape.into_recording();
        }
    }

    /// Commits write transaction `id`, which `commit` hands to LMDB, or drops without a trace where it is not called.
    pub(crate) fn commit_with_log(
        &self,
        id: u64,
        tape: &Tape,
        commit: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let role = tape.role();
        if role != Role::CarriesOut && tape.with(|steps| steps.is_some_and(<[u8]>::is_empty)) {
            // Nothing was written, so LMDB makes no new state.
            return commit();
        }
        let mut slot = self.log.lock();
        let Some(log) = slot.as_mut() else { return commit() };
        log.check()?;
        tape.with(|steps| match (role, steps) {
            (Role::CarriesOut, _) => log.commit_carrying(self, id, commit),
            (_, Some(steps)) => log.commit(self, id, role, steps, commit),
            (_, None) => log.commit_whole(self, id, role, commit),
        })
    }

    /// Forces the records of all commits to disk; `None` if there is no log.
    pub(crate) fn sync_log(&self) -> Option<Result<()>> {
        let mut slot = self.log.lock();
        let log = slot.as_mut()?;
        if log.lent {
            // There may be commits without a record.
            return Some(log.checkpoint(self, false, false));
        }
        Some(log.check().and_then(|()| log.sync()))
    }

    /// Makes the newest state, with what was deferred, the checkpoint; `None` if there is no log. The caller has the
    /// writer's turn.
    pub(crate) fn checkpoint_log(&self) -> Option<Result<()>> {
        let carried_out = self.carry_out();
        self.log.lock().as_mut().map(|log| carried_out.and_then(|()| log.checkpoint(self, false, false)))
    }

    /// Notes in the log that others may commit past it from now on.
    pub(crate) fn note_lent_to_log(&self) {
        let mut slot = self.log.lock();
        let Some(log) = slot.as_mut().filter(|log| !log.lent) else { return };
        log.lent = true;
        let head = super::Head { lent: true, ..log.file.head.clone() };
        if let Err(error) = log.file.write_head(head) {
            log.fail(&error);
        }
    }
}

/// Whether LMDB has made a state of transaction `id`: where nothing has changed, it gives the number to the next one,
/// which must not find it taken.
fn is_new_state(shared: &Shared, id: u64) -> bool {
    shared.heed.info().last_txn_id as u64 >= id
}

impl Log {
    pub(super) fn sync(&mut self) -> Result<()> {
        let synced = self.file.sync().map_err(Error::io("syncing the write-ahead log"));
        if let Err(error) = &synced {
            // Whether the record is on disk, and what the system does with its pages now, nobody can tell.
            self.fail(error);
        }
        synced
    }

    /// Writes a record, and waits for it unless commits need not.
    pub(super) fn append(&mut self, id: u64, kind: RecordKind, supersedes: bool, steps: &[u8]) -> Result<()> {
        let marks = Marks { supersedes, after_carrying: self.carried };
        self.file.append(id, kind, marks, steps).map_err(Error::io("writing to the write-ahead log"))?;
        if kind == RecordKind::Whole || !self.relaxed { self.sync() } else { Ok(()) }
    }

    fn commit(
        &mut self,
        shared: &Shared,
        id: u64,
        role: Role,
        steps: &[u8],
        commit: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let place = self.file.end;
        self.append(id, RecordKind::Steps, role == Role::Supersedes, steps)
            .inspect_err(|_| self.forget(place))?;
        commit().inspect_err(|_| self.take_back(place))?;
        if !is_new_state(shared, id) {
            self.take_back(place);
            return Ok(());
        }
        self.carried = false;
        self.committed(shared, id, role);
        Ok(())
    }

    /// Commits the transaction that carries out what was deferred. It needs no record, only a mark in the next one:
    /// without that, recovery does the same.
    fn commit_carrying(
        &mut self,
        shared: &Shared,
        id: u64,
        commit: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        commit()?;
        self.carried = true;
        self.committed(shared, id, Role::CarriesOut);
        Ok(())
    }

    /// After LMDB's commit of transaction `id`.
    fn committed(&mut self, shared: &Shared, id: u64, role: Role) {
        self.last = id;
        self.note_carried_out(shared, role);
        match self.probe.freed_by(id) {
            Ok(pages) => self.pages += pages,
            // More often than needed is right, too.
            Err(_) => self.pages = u64::MAX / 2,
        }
        self.probe.rest();
        self.checkpoint_if_due(shared);
    }

    /// Commits a transaction whose steps are not all known, or too many: LMDB syncs it.
    fn commit_whole(
        &mut self,
        shared: &Shared,
        id: u64,
        role: Role,
        commit: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let nosync = |on| {
            let changed = shared.handle.set_flags(EnvFlags::NOSYNC.bits(), on);
            changed.map_err(|code| Error::from_code(code, "changing the environment's flags"))
        };
        let place = self.file.end;
        self.append(id, RecordKind::Whole, role == Role::Supersedes, &[])
            .inspect_err(|_| self.forget(place))?;
        let committed = nosync(false).and_then(|()| commit());
        let back = nosync(true);
        committed.inspect_err(|_| self.take_back(place))?;
        if !is_new_state(shared, id) {
            self.take_back(place);
            return back;
        }
        self.carried = false;
        self.last = id;
        self.note_carried_out(shared, role);
        let _ = back.and_then(|()| self.checkpoint(shared, true, false));
        Ok(())
    }

    /// After a record could not be written, or not forced to disk. What is there of it is made none as far as possible;
    /// if that fails after a whole record was written, the log has failed as a whole.
    pub(super) fn forget(&mut self, place: u64) {
        let _ = self.file.take_back(place);
    }

    /// After LMDB has refused a transaction that has a record.
    fn take_back(&mut self, place: u64) {
        let taken = self.file.take_back(place).and_then(|()| self.file.sync());
        if let Err(error) = taken {
            self.fail(&format!("a record could not be taken back: {error}"));
        }
    }
}
