//! Dealing with a log that an earlier process has left: before LMDB opens the data file, and after.
//!
//! ```text
//!  log file there?  --no-->  nothing to do
//!    | closed       ------>  remove it
//!    | memory kept  ------>  LMDB has everything but what was being committed: carry that out
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

use super::file::LogFile;
use super::head::{Checkpoint, Head, Records};
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
        let (file, _) = LogFile::open(path, false)?;
        let data = File::open(data).map_err(crate::env::not_writable(data))?;
        if file.head.closed || is_here(&file, &data)? {
            return Ok(());
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
        let last = records.last(&head);
        let newest = place::newest(&self.data, meta.page_size()).unwrap_or(0);
        let synced_by_lmdb = records.found.last().is_some_and(|(_, record, _)| record.whole);
        if !(synced_by_lmdb && newest == last) {
            // Only with the log's knowledge can the data file be ahead of it.
            if newest > last && !head.relaxed && !head.lent {
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
        match records.stray {
            Some(stray) if !self.file.head.relaxed => Err(Error::LogDamaged {
                path: self.file.path.clone(),
                place: records.end,
                reason: format!(
                    "the record of transaction {} is not whole, but there is a later one at byte {stray}",
                    records.last(&self.file.head) + 1
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Carries out what LMDB does not have yet, and forces the data file to disk.
    fn replay(&mut self, shared: &Shared) -> Result<()> {
        let explain = |code| Error::from_code(code, "recovering from the write-ahead log");
        let hold = Hold::begin(shared.handle).map_err(|code| shared.complete(explain(code)))?;
        let bytes = std::mem::take(&mut self.bytes);
        let records = Records::of(&bytes, &self.file.head);
        let mut missing =
            records.found.iter().filter(|(_, record, _)| record.txn_id > hold.id() && !record.whole);
        let first = missing.clone().next();
        if let Some((place, ..)) = first {
            self.refuse_gap(&records)?;
            if hold.id() != self.file.head.txn_id() {
                // From now on, pages of the checkpoint may be used again.
                shared.handle.sync(true).map_err(explain)?;
                let page_size = self.file.head.checkpoint.meta.page_size();
                let checkpoint = place::checkpoint(&self.data, page_size, hold.id())
                    .map_err(Error::io("reading the meta page"))?
                    .ok_or_else(|| Error::Corrupted {
                        reason: "the newest meta page is damaged".to_owned(),
                    })?;
                self.write_head(Head { start: *place, checkpoint, ..self.file.head.clone() })?;
            }
        }
        let nosync = shared.handle.flags() & EnvFlags::NOSYNC.bits() != 0;
        shared.handle.set_flags(EnvFlags::NOSYNC.bits(), true).map_err(explain)?;
        let path = self.file.path.clone();
        let damaged = |place: u64, reason: String| Error::LogDamaged { path: path.clone(), place, reason };
        let done = missing.try_for_each(|(place, record, steps)| {
            let mut txn = shared.write_first()?;
            if txn.id() != record.txn_id {
                let reason = format!("a record of transaction {} follows {}", record.txn_id, txn.id() - 1);
                return Err(damaged(*place, reason));
            }
            if !txn.replay(steps)? {
                let reason = format!("transaction {} does not fit the data file", record.txn_id);
                return Err(damaged(*place, reason));
            }
            txn.commit()
        });
        shared.handle.set_flags(EnvFlags::NOSYNC.bits(), nosync).map_err(explain)?;
        done?;
        shared.handle.sync(true).map_err(explain)
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
