//! The bytes of LMDB's pages, parsed from slices without trust: every offset and size is checked before it is used.
//!
//! All numbers are in the byte order of the machine that wrote the file; page numbers are 8 bytes wide.
//!
//! ```text
//! page         0        8       10      12      14      16                                      page size
//!              | number | pad   | flags | lower | upper | offsets ... ->  (free)  <- ... nodes |
//!              pad: item width on LEAF2 pages; (lower - 16) / 2 = number of entries
//! branch node  | child 0..16 | child 16..32 | child 32..48 | key size | key |
//! leaf node    | size 0..16  | size 16..32  | flags        | key size | key | data |
//! LEAF2 page   header, then the items without gaps, no offsets
//! overflow     | number | pad | flags | pages: u32 | data, running on through the following pages |
//! ```
//!
//! Node flags: 1 = the data is the number of an overflow page; 2 = the data is a tree record; 4 = the data is the
//! key's sorted duplicates: a small page of their own (*sub-page*), or with flag 2 the record of their own tree.

use crate::error::{Error, Result};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("lmdb-pages reads the files of 64-bit LMDB only: its page numbers are 8 bytes wide");

/// Bytes of a page header.
pub(crate) const PAGE_HEADER: usize = 16;
/// Bytes of a node header.
pub(crate) const NODE_HEADER: usize = 8;
/// Bytes of a tree record (`MDB_db`).
pub(crate) const RECORD: usize = 48;
/// The root of an empty tree.
pub(crate) const NO_PAGE: u64 = u64::MAX;
/// Levels of pages in a tree: LMDB's own cursors go no deeper.
pub(crate) const MAX_DEPTH: usize = 32;

pub(crate) const P_BRANCH: u16 = 0x01;
pub(crate) const P_LEAF: u16 = 0x02;
pub(crate) const P_OVERFLOW: u16 = 0x04;
pub(crate) const P_META: u16 = 0x08;
pub(crate) const P_DIRTY: u16 = 0x10;
pub(crate) const P_LEAF2: u16 = 0x20;
pub(crate) const P_SUBP: u16 = 0x40;

pub(crate) const F_BIGDATA: u16 = 0x01;
pub(crate) const F_SUBDATA: u16 = 0x02;
pub(crate) const F_DUPDATA: u16 = 0x04;

#[inline(always)]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[inline(always)]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[inline(always)]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The header of a page or sub-page, with its entry count already checked against the page's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub flags: u16,
    /// Item width of LEAF2 pages.
    pub pad: u16,
    pub count: u16,
}

impl Header {
    /// Reads the header of `bytes`, which lie in page `page`.
    #[inline(always)]
    pub fn of(bytes: &[u8], page: u64) -> Result<Header> {
        let Some(header) = bytes.first_chunk::<PAGE_HEADER>() else {
            return Err(Error::corrupted(page, "a page is shorter than its header"));
        };
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let (flags, lower, upper) = (half(10), half(12), half(14));
        // LEAF2 pages use the bounds for counting only: with items of one byte the upper one outgrows the page.
        let packed = flags & P_LEAF2 != 0;
        if (lower as usize) < PAGE_HEADER || !packed && (lower > upper || upper as usize > bytes.len()) {
            return Err(Error::corrupted(page, "the bounds of the page's free space are impossible"));
        }
        Ok(Header { flags, pad: half(8), count: (lower - PAGE_HEADER as u16) / 2 })
    }
}

/// The page number that a page claims to have.
#[inline(always)]
pub(crate) fn number_of(bytes: &[u8]) -> Option<u64> {
    u64_at(bytes, 0)
}

/// An entry of a branch or leaf page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'s> {
    pub key: &'s [u8],
    pub flags: u16,
    /// Size of the data, which for overflow nodes lies elsewhere.
    pub size: u32,
    /// Everything of the page behind the key.
    rest: &'s [u8],
}

impl<'s> Node<'s> {
    /// The node at `index` of a page, whose count the caller has checked.
    #[inline(always)]
    pub fn at(bytes: &'s [u8], page: u64, index: usize) -> Result<Node<'s>> {
        Self::parse(bytes, index).ok_or_else(|| Error::corrupted(page, "a node reaches beyond its page"))
    }

    #[inline(always)]
    fn parse(bytes: &'s [u8], index: usize) -> Option<Node<'s>> {
        let offset = u16_at(bytes, PAGE_HEADER + 2 * index)? as usize;
        let (header, body) = bytes.get(offset..)?.split_first_chunk::<NODE_HEADER>()?;
        let word = u64::from_ne_bytes(*header);
        let (size, flags, key_size) = if cfg!(target_endian = "little") {
            (word as u32, (word >> 32) as u16, (word >> 48) as usize)
        } else {
            ((word >> 32) as u32, (word >> 16) as u16, word as usize & 0xffff)
        };
        let (key, rest) = body.split_at_checked(key_size)?;
        Some(Node { key, flags, size, rest })
    }

    /// The key of the node at `index` of a page, and nothing else of it.
    #[inline(always)]
    pub fn key_at(bytes: &'s [u8], page: u64, index: usize) -> Result<&'s [u8]> {
        let key = || {
            let offset = u16_at(bytes, PAGE_HEADER + 2 * index)? as usize;
            let node = bytes.get(offset..)?;
            let size = u16_at(node, 6)? as usize;
            node.get(NODE_HEADER..NODE_HEADER + size)
        };
        key().ok_or_else(|| Error::corrupted(page, "a node reaches beyond its page"))
    }

    /// The child of a branch node: 48 bits.
    #[inline(always)]
    pub fn child(&self) -> u64 {
        u64::from(self.size) | u64::from(self.flags) << 32
    }

    /// The data inside the page, for nodes without overflow.
    #[inline(always)]
    pub fn data(&self, page: u64) -> Result<&'s [u8]> {
        self.rest
            .get(..self.size as usize)
            .ok_or_else(|| Error::corrupted(page, "a node's data reaches beyond its page"))
    }

    /// The overflow page of a node with [`F_BIGDATA`].
    #[inline(always)]
    pub fn overflow_page(&self, page: u64) -> Result<u64> {
        u64_at(self.rest, 0)
            .ok_or_else(|| Error::corrupted(page, "an overflow reference reaches beyond its page"))
    }
}

/// The root record of a tree (`MDB_db`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Item width of a tree of LEAF2 pages; page size in the free list's record.
    pub pad: u32,
    pub flags: u16,
    pub depth: u16,
    pub branch_pages: u64,
    pub leaf_pages: u64,
    pub overflow_pages: u64,
    pub entries: u64,
    pub root: u64,
}

impl Record {
    /// Reads a record from exactly 48 bytes, at any alignment.
    pub fn read(bytes: &[u8]) -> Option<Record> {
        if bytes.len() != RECORD {
            return None;
        }
        Some(Record {
            pad: u32_at(bytes, 0)?,
            flags: u16_at(bytes, 4)?,
            depth: u16_at(bytes, 6)?,
            branch_pages: u64_at(bytes, 8)?,
            leaf_pages: u64_at(bytes, 16)?,
            overflow_pages: u64_at(bytes, 24)?,
            entries: u64_at(bytes, 32)?,
            root: u64_at(bytes, 40)?,
        })
    }
}

impl Record {
    /// The record as it stands in the file.
    pub fn to_bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[0..4].copy_from_slice(&self.pad.to_ne_bytes());
        bytes[4..6].copy_from_slice(&self.flags.to_ne_bytes());
        bytes[6..8].copy_from_slice(&self.depth.to_ne_bytes());
        let words = [self.branch_pages, self.leaf_pages, self.overflow_pages, self.entries, self.root];
        for (place, word) in bytes[8..].as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        bytes
    }
}

/// The contents of a meta page.
///
/// ```text
/// 16      20       24       32        40                  88             136        144      152
/// | magic | version| address| map size| free list: record | main: record | last page| txn id |
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub free: Record,
    pub main: Record,
    pub last_page: u64,
    pub txn_id: u64,
}

/// Bytes of a meta page that mean something, header included.
pub(crate) const META_END: usize = 152;
/// Where the transaction id stands in a meta page.
pub(crate) const META_TXN_ID: usize = 144;
/// The magic number of LMDB files.
pub(crate) const MAGIC: u32 = 0xBEEF_C0DE;
/// The data version of LMDB 0.9 and of mdb.master without its development switch.
pub(crate) const DATA_VERSION: u32 = 1;

impl Meta {
    /// Reads the first [`META_END`] bytes of a meta page.
    pub fn read(bytes: &[u8; META_END]) -> Result<Meta> {
        let not_lmdb = |reason| Error::NotLmdb { reason };
        let short = || not_lmdb("the meta page is too short");
        if u16_at(bytes, 10).ok_or_else(short)? & P_META == 0 {
            return Err(not_lmdb("the first page is not marked as a meta page"));
        }
        if u32_at(bytes, 16) != Some(MAGIC) {
            return Err(not_lmdb("the magic number is missing (or the file has the other byte order)"));
        }
        if u32_at(bytes, 20) != Some(DATA_VERSION) {
            return Err(not_lmdb("the data version is not 1"));
        }
        let meta = Meta {
            free: Record::read(&bytes[40..88]).ok_or_else(short)?,
            main: Record::read(&bytes[88..136]).ok_or_else(short)?,
            last_page: u64_at(bytes, 136).ok_or_else(short)?,
            txn_id: u64_at(bytes, META_TXN_ID).ok_or_else(short)?,
        };
        if !(meta.page_size().is_power_of_two() && (256..=32768).contains(&meta.page_size())) {
            return Err(not_lmdb("the page size is not a power of two between 256 and 32768"));
        }
        if meta.last_page >= 1 << 48 {
            return Err(not_lmdb("the last page number has more than 48 bits"));
        }
        Ok(meta)
    }

    /// The valid meta page with the greater transaction id, of a whole file.
    pub fn newest_of(file: &[u8]) -> Result<Meta> {
        let at = |offset: usize| match file.get(offset..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => Meta::read(bytes),
            None => Err(Error::NotLmdb { reason: "the file is shorter than its meta pages" }),
        };
        let first = at(0);
        // Where the first one is damaged, the second is looked for at the usual page sizes.
        let second = match &first {
            Ok(meta) => at(meta.page_size()),
            Err(_) => [4096, 8192, 16384, 32768, 2048, 1024, 512, 256]
                .into_iter()
                .find_map(|size| at(size).ok().filter(|meta| meta.page_size() == size))
                .ok_or(Error::NotLmdb { reason: "neither meta page is one of LMDB's" }),
        };
        match (first, second) {
            (Ok(first), Ok(second)) => Ok(if first.txn_id < second.txn_id { second } else { first }),
            (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(only),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The file's page size, which LMDB keeps in the free list's record.
    pub fn page_size(&self) -> usize {
        self.free.pad as usize
    }
}
