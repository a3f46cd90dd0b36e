//! The file mapping, and the only `unsafe` of the reading half of this crate.
//!
//! Two things are read from the mapping, by two rules:
//!
//! - *meta pages* change while we look at them: they are copied word by word with volatile reads, and the caller
//!   decides by transaction ids whether the copy is whole ([`Mapping::meta_bytes`], [`Mapping::meta_txn_id`]);
//! - *data pages* of a snapshot do not change while its lease lives: they are lent as slices ([`Pages::get`]).

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use memmap2::{MmapOptions, MmapRaw};

use crate::format::{META_END, META_TXN_ID};

/// The whole data file, mapped read-only, with address space reserved for its growth.
#[derive(Debug)]
pub(crate) struct Mapping {
    raw: MmapRaw,
    page_size: usize,
}

impl Mapping {
    /// Maps `file`, reserving `reserve` bytes where the system allows it, at least the file's present length.
    pub fn new(file: &File, reserve: u64, page_size: usize) -> io::Result<Mapping> {
        let length = file.metadata()?.len();
        let reserve = if cfg!(unix) { reserve.max(length) } else { length };
        let map = |length: u64| {
            let length = usize::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
            MmapOptions::new().len(length).map_raw_read_only(file)
        };
        let raw = map(reserve).or_else(|error| if reserve > length { map(length) } else { Err(error) })?;
        if raw.len() < 2 * page_size {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than its meta pages",
            ));
        }
        Ok(Mapping { raw, page_size })
    }

    /// Bytes of address space, of which the file may fill only a part.
    pub fn length(&self) -> u64 {
        self.raw.len() as u64
    }

    /// A copy of the head of meta page `slot` (0 or 1), perhaps torn by a writer.
    pub fn meta_bytes(&self, slot: usize) -> [u8; META_END] {
        let mut copy = [0; META_END];
        for (index, word) in copy.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *word = self.meta_word(slot, index * 8).to_ne_bytes();
        }
        fence(Ordering::Acquire);
        copy
    }

    /// The transaction id that meta page `slot` (0 or 1) names just now.
    pub fn meta_txn_id(&self, slot: usize) -> u64 {
        let id = self.meta_word(slot, META_TXN_ID);
        fence(Ordering::Acquire);
        id
    }

    #[expect(unsafe_code, reason = "reads memory that LMDB's writer changes")]
    fn meta_word(&self, slot: usize, offset: usize) -> u64 {
        assert!(slot < 2 && offset.is_multiple_of(8) && offset < META_END);
        let place = self.raw.as_ptr().wrapping_add(slot * self.page_size + offset);
        // SAFETY: `new` checked that the mapping spans both meta pages, and the file is never shorter than them
        // (LMDB writes both when it creates the file and never truncates it). The mapping begins at a system page
        // and `slot * page_size + offset` is a multiple of 8, so the read is aligned. The word may be changed by
        // LMDB at any time through another mapping or descriptor, which is why it is read volatile and never lent.
        unsafe { place.cast::<u64>().read_volatile() }
    }
}

/// The data pages that a snapshot may read.
#[derive(Debug)]
pub(crate) struct Pages {
    base: *const u8,
    /// Pages from 2 up to here, exclusive, may be lent.
    end: u64,
    size: usize,
    shift: u32,
    /// Keeps `base` alive.
    _keeper: Keeper,
}

/// What the pages lie in.
#[derive(Debug)]
enum Keeper {
    Mapping { _mapping: Arc<Mapping> },
    Memory { _bytes: Arc<[u8]> },
}

#[expect(unsafe_code, reason = "base points into the keeper, which is Send and Sync")]
// SAFETY: `base` is the address of what `_keeper` holds, which is itself Send (a property of MmapRaw and of byte
// slices) and is kept alive by its Arc; it is only ever read through.
unsafe impl Send for Pages {}

#[expect(unsafe_code, reason = "base points into the keeper, which is Send and Sync")]
// SAFETY: as above; shared access only reads bytes that do not change while the snapshot lives.
unsafe impl Sync for Pages {}

impl Pages {
    /// The pages below `end` of `mapping`; `end` is cut to what the mapping and the `file_length` hold.
    ///
    /// Whoever reads through the value must hold a lease (an LMDB read transaction) on a snapshot with that last page
    /// meanwhile, so that the pages it reaches from the snapshot's roots do not change.
    pub fn new(mapping: Arc<Mapping>, end: u64, file_length: u64) -> Pages {
        let size = mapping.page_size;
        let end = end.min(mapping.length().min(file_length) / size as u64);
        let base = mapping.raw.as_ptr();
        Pages {
            base,
            end,
            size,
            shift: size.trailing_zeros(),
            _keeper: Keeper::Mapping { _mapping: mapping },
        }
    }

    /// The pages below `end` of a file that lies in memory, as far as they are there.
    pub fn in_memory(bytes: Arc<[u8]>, end: u64, size: usize) -> Pages {
        let end = end.min((bytes.len() / size) as u64);
        let base = bytes.as_ptr();
        Pages { base, end, size, shift: size.trailing_zeros(), _keeper: Keeper::Memory { _bytes: bytes } }
    }

    /// The bytes of page `number`, or nothing if the snapshot has no such data page.
    #[inline(always)]
    #[expect(unsafe_code, reason = "lends slices of the mapping")]
    pub fn get(&self, number: u64) -> Option<&[u8]> {
        if !(2..self.end).contains(&number) {
            return None;
        }
        // SAFETY: page `number` lies below `end`, which the constructors cut to the mapping and to the file's
        // length (or to the length of the memory), so the bytes are there. They do not change while they are lent:
        // LMDB copies pages before it writes and does not reuse pages of snapshots that a read transaction holds,
        // and whoever borrows `self` has a `Snapshot`, for as long as which one is held. (A damaged tree may lead to pages outside the snapshot that a writer
        // is changing; such bytes are never trusted: each is checked, after one read, where it serves as a number.)
        Some(unsafe { std::slice::from_raw_parts(self.base.add((number as usize) << self.shift), self.size) })
    }

    /// The bytes of `count` pages from page `number`, or nothing if they do not all belong to the snapshot.
    #[expect(unsafe_code, reason = "lends slices of the mapping")]
    pub fn get_run(&self, number: u64, count: u64) -> Option<&[u8]> {
        if number < 2 || count == 0 || number.checked_add(count)? > self.end {
            return None;
        }
        // SAFETY: as in `get`, for every page of the run.
        Some(unsafe {
            std::slice::from_raw_parts(
                self.base.add((number as usize) << self.shift),
                (count as usize) << self.shift,
            )
        })
    }

    /// How far from the first page bytes lie that were lent; nothing for other bytes.
    pub fn offset_of(&self, bytes: &[u8]) -> Option<u64> {
        let offset = bytes.as_ptr().addr().checked_sub(self.base.addr())? as u64;
        (offset.checked_add(bytes.len() as u64)? <= self.end << self.shift).then_some(offset)
    }

    /// So many bytes, so far from the first page; nothing if they do not all belong to one page.
    #[inline]
    pub fn at_offset(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = offset as usize & (self.size - 1);
        self.get(offset >> self.shift)?.get(start..start.checked_add(len)?)
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> usize {
        self.size
    }

    /// One more than the last page that may be lent.
    pub fn end(&self) -> u64 {
        self.end
    }
}

/// Asks the processor to fetch `bytes` into its cache, without waiting for them. Worth its while for a value that is
/// about to be searched, not read in a row.
#[inline]
pub fn fetch(bytes: &[u8]) {
    for line in (0..bytes.len()).step_by(64) {
        prefetch(bytes, line);
    }
}

/// Asks the processor to fetch the cache line of `bytes` at `at`, which may lie anywhere.
#[inline(always)]
#[expect(unsafe_code, reason = "the intrinsic takes a pointer")]
pub(crate) fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}
