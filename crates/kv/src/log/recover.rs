//! Dealing with a log that an earlier process has left: before LMDB opens the data file, and after.
//!
//! ```text
//!  log file there?  --no-->  nothing to do
//!    | closed       ------>  remove it
//!    | memory kept  ------>  LMDB has everything but what was being committed, and what was deferred: carry that out
//!    | memory lost  ------>  meta page of the checkpoint --> data file; carry out all records
//!                            then sync the data file, and go on with the log or remove it
//! ```
//!
//! Everything can be interrupted anywhere and is done again by the next opening. What does not fit together is an
//! error, before anything is changed.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::file::{LogFile, Marks};
use super::head::{Checkpoint, Head, Record, RecordHead, RecordKind, Records};
use super::here::Here;
use super::lock::DataLock;
use super::place;
use crate::env::{Durability, EnvOptions, FileId, Place, Shared};
use crate::error::{Error, Result};
use crate::flags::EnvFlags;
use crate::sys::Hold;

/// What there is to know before LMDB opens the data file.
#[derive(Debug, Default)]
pub(crate) struct Attended {
    pub(crate) lock: Option<DataLock>,
    pub(crate) found: Option<Found>,
}

/// A log that was left.
#[derive(Debug)]
pub(crate) struct Found {
    file: LogFile,
    bytes: Vec<u8>,
    data: File,
}

/// Whether the options ask for a log, and which.
fn relaxed(options: &EnvOptions) -> Option<bool> {
    match options.durability {
        Some(Durability::Wal) => Some(false),
        Some(Durability::WalLater) => Some(true),
        _ => None,
    }
}

/// Looks for a log beside the data file, and makes the data file one that LMDB may open.
pub(crate) fn attend(place: &Place, options: &EnvOptions) -> Result<Attended> {
    let path = place.log();
    if options.is_read_only() {
        look(&place.data, &path)?;
        return Ok(Attended::default());
    }
    loop {
        let there = path.exists();
        let alone = there || relaxed(options).is_some();
        if there && fs::metadata(&place.data).map_or(0, |found| found.len()) == 0 {
            let (file, _) = LogFile::open(&path, false)?;
            if !file.head.closed {
                let reason = "the data file that it belongs to is missing, or empty".to_owned();
                return Err(Error::LogMismatch { path, reason });
            }
        }
        let data = OpenOptions::new().read(true).write(alone).create(alone).mode(0o600).open(&place.data);
        let data = match data {
            Ok(data) => data,
            // LMDB will say what is wrong, or make it.
            Err(_) if !alone => return Ok(Attended::default()),
            Err(error) => return Err(crate::env::not_writable(&place.path)(error)),
        };
        let is_current = |data: &File| {
            FileId::of(&place.data).ok() == data.metadata().ok().as_ref().map(FileId::of_metadata)
        };
        let lock = DataLock::new(data, place.path.clone());
        lock.take(alone)?;
        let data = lock.file()?;
        // Meanwhile somebody else may have done what is to be done, or left more.
        if !is_current(&data) || path.exists() != there {
            lock.release();
            continue;
        }
        let found = if there { Found::open(&path, data, options)? } else { None };
        return Ok(Attended { lock: Some(lock), found });
    }
}

/// For opening read-only, which changes nothing: whether what is there can be read as it is.
fn look(data: &Path, path: &Path) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let deadline = Instant::now() + PATIENCE;
    while path.exists() {
        let (file, bytes) = LogFile::open(path, false)?;
        let data = File::open(data).map_err(crate::env::not_writable(data))?;
        if file.head.closed {
            return Ok(());
        }
        if is_here(&file, &data)? {
            // What was deferred by one who writes is carried out before long; what one has left is not.
            let newest = place::newest(&data, file.head.checkpoint.meta.page_size()).unwrap_or(0);
            let records = Records::of(&bytes, &file.head);
            // The one transaction that may have no record is the one that carries out.
            let carried_out = newest > records.last && !file.head.lent;
            if carried_out || records.deferred(newest).is_empty() || data.try_lock_shared().is_err() {
                return Ok(());
            }
        }
        // Perhaps somebody is about to recover it.
        if Instant::now() > deadline || data.try_lock_shared().is_ok() {
            return Err(Error::NeedsRecovery { path: path.to_owned() });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Whether the system's memory has everything that was written to the data file, or the disk.
fn is_here(file: &LogFile, data: &File) -> Result<bool> {
    let here = Here::of(data, &file.file).map_err(Error::io("identifying the data file"))?;
    let newest = place::newest(data, file.head.checkpoint.meta.page_size());
    Ok(here.is_some() && here == file.head.here && newest.is_some_and(|id| id >= file.head.txn_id()))
}

impl Found {
    /// Opens the log, and makes the data file a state that its records lead on from.
    fn open(path: &Path, data: File, options: &EnvOptions) -> Result<Option<Self>> {
        let (file, bytes) = LogFile::open(path, true)?;
        if file.head.closed {
            fs::remove_file(path).map_err(Error::io("removing the write-ahead log"))?;
            return Ok(None);
        }
        if options.previous_snapshot {
            let reason =
                "there is a write-ahead log to be recovered from first; open the database once without";
            return Err(Error::BadOption { option: "previous_snapshot", reason: reason.to_owned() });
        }
        let mut found = Self { file, bytes, data };
        if !is_here(&found.file, &found.data)? {
            found.restore()?;
        }
        Ok(Some(found))
    }

    /// After the machine went down: goes back to the checkpoint, if need be.
    fn restore(&mut self) -> Result<()> {
        let head = self.file.head.clone();
        let mismatch = |reason| Err(Error::LogMismatch { path: self.file.path.clone(), reason });
        let Checkpoint { meta, prints } = &head.checkpoint;
        let found = place::prints(&self.data, meta).map_err(Error::io("reading the data file"))?;
        if found != *prints {
            let reason = format!(
                "the data file beside it does not have the state after transaction {}, on which the log builds",
                head.txn_id()
            );
            return mismatch(reason);
        }
        let records = Records::of(&self.bytes, &head);
        self.refuse_gap(&records)?;
        let last = records.last;
        let newest = place::newest(&self.data, meta.page_size()).unwrap_or(0);
        let synced_by_lmdb = records.found.last().is_some_and(|record| record.head.kind == RecordKind::Whole);
        if !(synced_by_lmdb && newest == last) {
            // Only with the log's knowledge can the data file be ahead of it, or by what carried out the last commits.
            let unrecorded = u64::from(!records.deferred(last).is_empty());
            if newest > last + unrecorded && !head.relaxed && !head.lent {
                let reason = format!(
                    "the data file has transaction {newest}, the log ends with {last}: its end is damaged, or another \
                     program has written to the data file"
                );
                return mismatch(reason);
            }
            place::restore(&self.data, &head.checkpoint).map_err(Error::io("restoring the data file"))?;
        }
        let here = Here::of(&self.data, &self.file.file).map_err(Error::io("identifying the data file"))?;
        self.write_head(Head { here, ..head })
    }

    fn write_head(&mut self, head: Head) -> Result<()> {
        self.file.write_head(head).map_err(Error::io("writing the head of the write-ahead log"))
    }

    /// Refuses records behind a damaged one. Where each was synced before the next was written, no power failure
    /// leaves that.
    fn refuse_gap(&self, records: &Records<'_>) -> Result<()> {
        let head = &self.file.head;
        let damaged =
            |reason| Err(Error::LogDamaged { path: self.file.path.clone(), place: records.end, reason });
        if records.end < head.whole_until {
            return damaged(format!(
                "a record is not whole that was needed when transaction {} was saved",
                head.txn_id()
            ));
        }
        match records.stray {
            Some(stray) if !head.relaxed => damaged(format!(
                "a record after transaction {} is not whole, but there is a later one at byte {stray}",
                records.last
            )),
            _ => Ok(()),
        }
    }

    /// Carries out what LMDB does not have yet, and forces the data file to disk.
    fn replay(&mut self, shared: &Shared) -> Result<()> {
        let explain = |code| Error::from_code(code, "recovering from the write-ahead log");
        let hold = Hold::begin(shared.handle).map_err(|code| shared.complete(explain(code)))?;
        let bytes = std::mem::take(&mut self.bytes);
        let records = Records::of(&bytes, &self.file.head);
        self.refuse_gap(&records)?;
        let work = Work::of(&records, hold.id());
        if let Some(start) = work.start
            && hold.id() != self.file.head.txn_id()
        {
            // From now on, pages of the checkpoint may be used again.
            shared.handle.sync(true).map_err(explain)?;
            let page_size = self.file.head.checkpoint.meta.page_size();
            let checkpoint = place::checkpoint(&self.data, page_size, hold.id())
                .map_err(Error::io("reading the meta page"))?
                .ok_or_else(|| Error::Corrupted { reason: "the newest meta page is damaged".to_owned() })?;
            self.write_head(Head { start, checkpoint, ..self.file.head.clone() })?;
        }
        let nosync = shared.handle.flags() & EnvFlags::NOSYNC.bits() != 0;
        shared.handle.set_flags(EnvFlags::NOSYNC.bits(), true).map_err(explain)?;
        let done = self.carry_out(shared, &records, &work);
        shared.handle.set_flags(EnvFlags::NOSYNC.bits(), nosync).map_err(explain)?;
        done?;
        shared.handle.sync(true).map_err(explain)
    }

    fn carry_out(&mut self, shared: &Shared, records: &Records<'_>, work: &Work<'_>) -> Result<()> {
        let damaged = |path: &Path, place: u64, reason: String| {
            Err(Error::LogDamaged { path: path.to_owned(), place, reason })
        };
        for (Record { place, head, steps }, deferred) in &work.missing {
            let mut txn = shared.write_first()?;
            if txn.id() != head.txn_id {
                let reason = format!("a record of transaction {} follows {}", head.txn_id, txn.id() - 1);
                return damaged(&self.file.path, *place, reason);
            }
            let fits = match head.kind {
                RecordKind::CarriedOut => txn.carry_out(deferred)?,
                _ => txn.replay(steps)?,
            };
            if !fits {
                let reason = format!("transaction {} does not fit the data file", head.txn_id);
                return damaged(&self.file.path, *place, reason);
            }
            txn.commit()?;
        }
        let Some(first) = work.left.first() else { return Ok(()) };
        let mut txn = shared.write_first()?;
        let deferred: Vec<&[u8]> = work.left.iter().map(|record| record.steps).collect();
        if !txn.carry_out(&deferred)? {
            let reason = "a deferred commit does not fit the data file".to_owned();
            return damaged(&self.file.path, first.place, reason);
        }
        // As any other transaction that does this, so that nothing is done twice if this is interrupted.
        self.note_carried_out(txn.id(), records).map_err(Error::io("writing to the write-ahead log"))?;
        txn.commit()
    }

    /// Writes the record of the transaction that carries out what is left.
    fn note_carried_out(&mut self, txn_id: u64, records: &Records<'_>) -> std::io::Result<()> {
        self.file.end = match records.found.last() {
            // A transaction that did not come to be.
            Some(last) if last.head.txn_id == txn_id && last.head.kind == RecordKind::Whole => last.place,
            _ => records.end,
        };
        let place = self.file.end;
        self.file.append(txn_id, RecordKind::CarriedOut, Marks::default(), &[])?;
        // Nothing that lies behind by chance may seem to follow.
        self.file.clear(self.file.end).and_then(|()| self.file.sync()).inspect_err(|_| {
            let _ = self.file.clear(place);
        })
    }
}

/// What LMDB does not have of the records.
struct Work<'b> {
    /// Transactions, with the deferred commits that they carry out.
    missing: Vec<(Record<'b>, Vec<&'b [u8]>)>,
    /// Deferred commits that no transaction carries out.
    left: Vec<Record<'b>>,
    /// The record from which on all of this is.
    start: Option<u64>,
}

impl<'b> Work<'b> {
    /// Where LMDB has the transactions up to `until`.
    fn of(records: &Records<'b>, until: u64) -> Self {
        let mut work = Self { missing: Vec::new(), left: Vec::new(), start: None };
        for record in &records.found {
            let RecordHead { kind, txn_id, supersedes, .. } = record.head;
            let is_missing = txn_id > until;
            match kind {
                RecordKind::Deferred => {
                    work.left.push(*record);
                    continue;
                }
                // LMDB would have it, had it been committed.
                RecordKind::Whole if is_missing => continue,
                _ => {}
            }
            if is_missing {
                let first_left = work.left.first().map(|left| left.place);
                work.start.get_or_insert(first_left.unwrap_or(record.place));
            }
            let settled = match kind == RecordKind::CarriedOut || supersedes {
                true => std::mem::take(&mut work.left),
                false => Vec::new(),
            };
            if is_missing {
                work.missing.push((*record, settled.iter().map(|left| left.steps).collect()));
            }
        }
        work.start = work.start.or_else(|| work.left.first().map(|left| left.place));
        work
    }
}

impl Attended {
    /// After LMDB has opened the data file: carries out the rest, and starts a log if the options want one.
    pub(crate) fn finish(found: Option<Found>, shared: &Shared) -> Result<()> {
        let mut file = None;
        if let Some(mut found) = found {
            found.replay(shared)?;
            if relaxed(&shared.options).is_none() {
                found.write_head(Head { closed: true, ..found.file.head.clone() })?;
                fs::remove_file(&found.file.path).map_err(Error::io("removing the write-ahead log"))?;
                shared.lock_data(false)?;
            } else {
                file = Some(found.file);
            }
        }
        match relaxed(&shared.options) {
            Some(relaxed) if !shared.options.is_read_only() => {
                shared.start_log(relaxed, file, shared.data_file()?)
            }
            _ => Ok(()),
        }
    }
}
