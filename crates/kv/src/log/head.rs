//! The head of a log file: two slots, written in turn, of which the valid one with the greater number counts.
//!
//! ```text
//! byte 0      slot 0   | mark | version | checksum | number | epoch | start | flags | meta page | ... | whole until
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
/// Bytes that say where the system's memory is.
const HERE: usize = 36 + 4 * 8;
/// The version of the format. Version 1 knew no deferred commits.
pub(super) const VERSION: u32 = 2;

/// What a valid slot says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    /// Greater than in any slot before.
    pub(super) number: u64,
    /// Drawn at random for each round of records, so that those of earlier rounds are known.
    pub(super) epoch: u64,
    /// Where the record of the first transaction after the checkpoint is, or will be; or that of a deferred commit
    /// before it, which the checkpoint does not have.
    pub(super) start: u64,
    /// Records before this place were on disk before the head was; nothing excuses that they are not whole.
    pub(super) whole_until: u64,
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
        match &self.here {
            Some(here) => {
                bytes.extend_from_slice(&here.boot);
                for file in [here.data, here.log] {
                    bytes.extend_from_slice(&file.device.to_le_bytes());
                    bytes.extend_from_slice(&file.inode.to_le_bytes());
                }
            }
            None => bytes.resize(bytes.len() + HERE, 0),
        }
        bytes.extend_from_slice(&self.whole_until.to_le_bytes());
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
        let whole_until = from.u64();
        Ok(Self { number, epoch, start, whole_until, closed, relaxed, lent, checkpoint, here })
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

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKind {
    /// The steps of a transaction.
    Steps,
    /// A transaction without steps: LMDB was told to sync it itself, before its meta page.
    Whole,
    /// The steps of a commit that LMDB does not have yet. Its number is that of the newest transaction, but it belongs
    /// where it is.
    Deferred,
    /// A transaction that carries out the deferred commits before it, and nothing else. Only recovery writes such
    /// records; else the next record says so.
    CarriedOut,
}

/// Set in the kind of a transaction that contains what the deferred commits before it say.
const SUPERSEDES: u32 = 1 << 8;
/// Set in the kind of the first record after a transaction that carried out the deferred commits before it, and has no
/// record of its own. Its number is the one before a transaction's, or that of a deferred commit.
const AFTER_CARRYING: u32 = 1 << 9;

impl RecordKind {
    fn read(word: u32) -> Option<Self> {
        [Self::Steps, Self::Whole, Self::Deferred, Self::CarriedOut]
            .into_iter()
            .find(|kind| *kind as u32 == word)
    }
}

/// What stands before the steps of a transaction.
///
/// ```text
/// 0          4        8       16            24     28        32
/// | checksum | length | epoch | transaction | kind | (zeros) | steps ...
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) length: u32,
    pub(super) epoch: u64,
    pub(super) txn_id: u64,
    pub(super) kind: RecordKind,
    /// Whether the deferred commits before it are contained in it.
    pub(super) supersedes: bool,
    /// Whether the transaction before it, which has no record, carried out the deferred commits before that.
    pub(super) after_carrying: bool,
}

impl RecordHead {
    /// The record, head and steps.
    pub(super) fn write(&self, steps: &[u8], into: &mut Vec<u8>) {
        let mut kind = self.kind as u32;
        for (mark, is_set) in [(SUPERSEDES, self.supersedes), (AFTER_CARRYING, self.after_carrying)] {
            kind |= if is_set { mark } else { 0 };
        }
        into.clear();
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(&self.length.to_le_bytes());
        into.extend_from_slice(&self.epoch.to_le_bytes());
        into.extend_from_slice(&self.txn_id.to_le_bytes());
        into.extend_from_slice(&kind.to_le_bytes());
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
        let (txn_id, word) = (from.u64(), from.u32());
        let kind = RecordKind::read(word & !(SUPERSEDES | AFTER_CARRYING))?;
        let (supersedes, after_carrying) = (word & SUPERSEDES != 0, word & AFTER_CARRYING != 0);
        let end = RECORD_HEAD.checked_add(length as usize)?;
        let record = bytes.get(..end)?;
        (crc32fast::hash(&record[4..]) == sum).then(|| {
            (Self { length, epoch, txn_id, kind, supersedes, after_carrying }, &record[RECORD_HEAD..])
        })
    }

    /// The transaction that carried out the deferred commits before this record, as if it had a record.
    fn carrying(&self) -> Option<Self> {
        let before = u64::from(self.kind != RecordKind::Deferred);
        self.after_carrying.then(|| Self {
            length: 0,
            txn_id: self.txn_id.saturating_sub(before),
            kind: RecordKind::CarriedOut,
            supersedes: false,
            after_carrying: false,
            ..*self
        })
    }

    /// Where the next one begins.
    pub(super) fn end(&self, place: u64) -> u64 {
        (place + RECORD_HEAD as u64 + u64::from(self.length)).next_multiple_of(ALIGN)
    }
}

/// A record and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'b> {
    pub(super) place: u64,
    pub(super) head: RecordHead,
    pub(super) steps: &'b [u8],
}

/// The records of one epoch, in the bytes of a log file.
#[derive(Debug)]
pub(super) struct Records<'b> {
    pub(super) found: Vec<Record<'b>>,
    /// Where they end.
    pub(super) end: u64,
    /// The last transaction that has a record, or the checkpoint.
    pub(super) last: u64,
    /// Where a later record of the same epoch is that the one before does not lead to.
    pub(super) stray: Option<u64>,
}

impl<'b> Records<'b> {
    /// Those of the head's epoch, one after another.
    pub(super) fn of(bytes: &'b [u8], head: &Head) -> Self {
        let at = |place: u64| usize::try_from(place).ok().and_then(|place| bytes.get(place..));
        let checkpoint = head.txn_id();
        let mut records = Self { found: Vec::new(), end: head.start, last: checkpoint, stray: None };
        while let Some((record, steps)) =
            at(records.end).and_then(|bytes| RecordHead::read(bytes, head.epoch))
        {
            let carrying = record.carrying();
            let transactions =
                carrying.iter().chain((record.kind != RecordKind::Deferred).then_some(&record));
            // Where deferred commits are older than the checkpoint, so may be the transactions between them.
            let numbers: Vec<u64> =
                transactions.map(|head| head.txn_id).filter(|id| *id > checkpoint).collect();
            if numbers.iter().zip(records.last + 1..).any(|(found, expected)| *found != expected) {
                break;
            }
            records.last += numbers.len() as u64;
            let place = records.end;
            records.found.extend(carrying.map(|head| Record { place, head, steps: &[] }));
            records.found.push(Record { place, head: record, steps });
            records.end = record.end(records.end);
        }
        // Epochs are drawn at random, so what bears this one was written after the checkpoint.
        let mut place = records.end;
        while let Some(rest) = at(place).filter(|rest| rest.len() >= RECORD_HEAD) {
            if RecordHead::read(rest, head.epoch).is_some() {
                records.stray = Some(place);
                break;
            }
            place += ALIGN;
        }
        records
    }

    /// The deferred commits that no transaction up to `until` has.
    pub(super) fn deferred(&self, until: u64) -> Vec<Record<'b>> {
        let mut deferred = Vec::new();
        for record in &self.found {
            let RecordHead { kind, txn_id, supersedes, .. } = record.head;
            if kind == RecordKind::Deferred {
                deferred.push(*record);
            } else if txn_id <= until && (supersedes || kind == RecordKind::CarriedOut) {
                deferred.clear();
            }
        }
        deferred
    }
}
