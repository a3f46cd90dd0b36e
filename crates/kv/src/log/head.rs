//! The head of a log file: two slots, written in turn, of which the valid one with the greater number counts.
//!
//! ```text
//! byte 0      slot 0   | mark | version | checksum | number | epoch | start | transaction | flags | meta page | ...
//! byte 4096   slot 1   | the same, written when slot 0 was the last
//! byte 8192   records
//! ```
//!
//! A slot fits one sector of a disk, and is written alone and forced to disk before anything relies on it. A power
//! failure in between leaves the other slot.

use lmdb_pages::MetaPage;
use uuid::Uuid;

use super::here::{FileNumber, Here};

/// How far apart the slots are.
pub(super) const SLOT: u64 = 4096;
/// Where records begin.
pub(super) const RECORDS: u64 = 2 * SLOT;
/// Bytes of a slot.
pub(super) const HEAD: usize = 512;
const MARK: &[u8; 8] = b"factumWL";
/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// What a valid slot says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    /// Greater than in any slot before.
    pub(super) number: u64,
    /// Drawn at random for each round of records, so that those of earlier rounds are known.
    pub(super) epoch: u64,
    /// Where the record of the first transaction after the checkpoint is, or will be.
    pub(super) start: u64,
    /// Nothing needs to be done about this log: the data file was synced and closed.
    pub(super) closed: bool,
    /// Records are not synced one by one, so the data file may be ahead of them.
    pub(super) relaxed: bool,
    /// Others may have committed through this environment without a record.
    pub(super) lent: bool,
    pub(super) checkpoint: Checkpoint,
    /// Where the system's memory holds what the disk may not; `None` if that cannot be relied on.
    pub(super) here: Option<Here>,
}

/// A state that is whole on disk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checkpoint {
    pub(super) meta: MetaPage,
    /// Checksums of the root pages.
    pub(super) prints: [u32; 2],
}

/// Why a slot is none.
#[derive(Debug, PartialEq)]
pub(super) enum NoHead {
    Damaged,
    /// It is whole, but of a later version.
    Version(u32),
}

impl Head {
    pub(super) fn txn_id(&self) -> u64 {
        self.checkpoint.meta.txn_id()
    }

    pub(super) fn new_epoch() -> u64 {
        Uuid::new_v4().as_u64_pair().0
    }

    pub(super) fn to_bytes(&self) -> [u8; HEAD] {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend_from_slice(MARK);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for word in [self.number, self.epoch, self.start] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&[self.closed, self.relaxed, self.lent, self.here.is_some()].map(u8::from));
        for print in self.checkpoint.prints {
            bytes.extend_from_slice(&print.to_le_bytes());
        }
        bytes.extend_from_slice(self.checkpoint.meta.bytes());
        if let Some(here) = &self.here {
            bytes.extend_from_slice(&here.boot);
            for file in [here.data, here.log] {
                bytes.extend_from_slice(&file.device.to_le_bytes());
                bytes.extend_from_slice(&file.inode.to_le_bytes());
            }
        }
        bytes.resize(HEAD, 0);
        let sum = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes.try_into().expect("just made so long")
    }

    pub(super) fn read(bytes: &[u8; HEAD]) -> Result<Self, NoHead> {
        let mut summed = *bytes;
        summed[12..16].fill(0);
        let mut from = Fields(&bytes[..]);
        let (mark, version, sum) = (from.take::<8>(), from.u32(), from.u32());
        if mark != *MARK || sum != crc32fast::hash(&summed) {
            return Err(NoHead::Damaged);
        }
        if version > VERSION {
            return Err(NoHead::Version(version));
        }
        let (number, epoch, start) = (from.u64(), from.u64(), from.u64());
        let [closed, relaxed, lent, has_here] = from.take::<4>().map(|byte| byte != 0);
        let prints = [from.u32(), from.u32()];
        let meta = MetaPage::read(from.take()).map_err(|_| NoHead::Damaged)?;
        let boot = from.take();
        let [data, log] = [(); 2].map(|()| FileNumber { device: from.u64(), inode: from.u64() });
        let here = Here { boot, data, log };
        let checkpoint = Checkpoint { meta, prints };
        let here = has_here.then_some(here);
        Ok(Self { number, epoch, start, closed, relaxed, lent, checkpoint, here })
    }
}

/// Takes numbers from the front of a slot, which is longer than all of them.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (first, rest) = self.0.split_first_chunk().expect("a slot is longer than its fields");
        self.0 = rest;
        *first
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// Bytes before the steps of a record.
pub(super) const RECORD_HEAD: usize = 32;
/// Records begin at multiples of this.
const ALIGN: u64 = 8;

/// What stands before the steps of a transaction.
///
/// ```text
/// 0          4        8       16            24       28         32
/// | checksum | length | epoch | transaction | whole  | (zeros)  | steps ...
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) length: u32,
    pub(super) epoch: u64,
    pub(super) txn_id: u64,
    /// There are no steps: LMDB was told to sync this transaction itself, before its meta page.
    pub(super) whole: bool,
}

impl RecordHead {
    /// The record, head and steps.
    pub(super) fn write(&self, steps: &[u8], into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(&self.length.to_le_bytes());
        into.extend_from_slice(&self.epoch.to_le_bytes());
        into.extend_from_slice(&self.txn_id.to_le_bytes());
        into.extend_from_slice(&u32::from(self.whole).to_le_bytes());
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(steps);
        let sum = crc32fast::hash(&into[4..]);
        into[..4].copy_from_slice(&sum.to_le_bytes());
    }

    /// The record at the beginning of `bytes`, if it is whole and of this epoch.
    pub(super) fn read(bytes: &[u8], epoch: u64) -> Option<(Self, &[u8])> {
        let mut from = Fields(bytes.get(..RECORD_HEAD)?);
        let (sum, length, found) = (from.u32(), from.u32(), from.u64());
        if found != epoch {
            return None;
        }
        let (txn_id, whole) = (from.u64(), from.u32() != 0);
        let end = RECORD_HEAD.checked_add(length as usize)?;
        let record = bytes.get(..end)?;
        (crc32fast::hash(&record[4..]) == sum)
            .then(|| (Self { length, epoch, txn_id, whole }, &record[RECORD_HEAD..]))
    }

    /// Where the next one begins.
    pub(super) fn end(&self, place: u64) -> u64 {
        (place + RECORD_HEAD as u64 + u64::from(self.length)).next_multiple_of(ALIGN)
    }
}

/// The records of one epoch, in the bytes of a log file.
#[derive(Debug)]
pub(super) struct Records<'b> {
    /// Place, head, steps.
    pub(super) found: Vec<(u64, RecordHead, &'b [u8])>,
    /// Where they end.
    pub(super) end: u64,
    /// Where a later record of the same epoch is that the one before does not lead to.
    pub(super) stray: Option<u64>,
}

impl<'b> Records<'b> {
    /// Those of the head's epoch, one after another.
    pub(super) fn of(bytes: &'b [u8], head: &Head) -> Self {
        let at = |place: u64| usize::try_from(place).ok().and_then(|place| bytes.get(place..));
        let mut records = Self { found: Vec::new(), end: head.start, stray: None };
        let mut expected = head.txn_id() + 1;
        while let Some((record, steps)) =
            at(records.end).and_then(|bytes| RecordHead::read(bytes, head.epoch))
            && record.txn_id == expected
        {
            records.found.push((records.end, record, steps));
            records.end = record.end(records.end);
            expected += 1;
        }
        // Epochs are drawn at random, so what bears this one was written after the checkpoint.
        let mut place = records.end;
        while let Some(rest) = at(place).filter(|rest| rest.len() >= RECORD_HEAD) {
            if RecordHead::read(rest, head.epoch).is_some_and(|(record, _)| record.txn_id >= expected) {
                records.stray = Some(place);
                break;
            }
            place += ALIGN;
        }
        records
    }

    /// The last transaction that has a record.
    pub(super) fn last(&self, head: &Head) -> u64 {
        self.found.last().map_or(head.txn_id(), |(_, record, _)| record.txn_id)
    }
}
