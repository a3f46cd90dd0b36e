//! Pages under construction.

use crate::format::{NODE_HEADER, P_LEAF, P_LEAF2, PAGE_HEADER};

/// The size of a node in its page, offset not included: nodes begin at even places.
pub(super) fn node_size(key: usize, stored: usize) -> usize {
    (NODE_HEADER + key + stored).next_multiple_of(2)
}

/// The largest node that a page takes: two must fit. Larger values go to overflow pages.
pub(super) fn node_max(page_size: usize) -> usize {
    (((page_size - PAGE_HEADER) / 2) & !1) - 2
}

/// A branch or leaf page of nodes. They are laid down from the page's end, their offsets from its beginning.
#[derive(Debug)]
pub(super) struct NodePage {
    bytes: Box<[u8]>,
    flags: u16,
    lower: usize,
    upper: usize,
}

impl NodePage {
    pub fn new(page_size: usize, flags: u16) -> NodePage {
        let bytes = vec![0; page_size].into_boxed_slice();
        NodePage { bytes, flags, lower: PAGE_HEADER, upper: page_size }
    }

    pub fn clear(&mut self) {
        (self.lower, self.upper) = (PAGE_HEADER, self.bytes.len());
    }

    pub fn count(&self) -> usize {
        (self.lower - PAGE_HEADER) / 2
    }

    /// Whether a node of that size, as [`node_size`] tells it, fits.
    pub fn fits(&self, node_size: usize) -> bool {
        self.upper - self.lower >= node_size + 2
    }

    /// Adds a leaf node, which must fit. `size` is the size of the value, `stored` what of it stands in the node.
    /// Returns where `stored` begins.
    #[inline]
    pub fn push_leaf(&mut self, key: &[u8], flags: u16, size: u32, stored: &[u8]) -> usize {
        self.push([size as u16, (size >> 16) as u16, flags], key, stored)
    }

    /// Adds a branch node, which must fit.
    pub fn push_branch(&mut self, key: &[u8], child: u64) {
        self.push([child as u16, (child >> 16) as u16, (child >> 32) as u16], key, &[]);
    }

    #[inline]
    fn push(&mut self, [low, high, flags]: [u16; 3], key: &[u8], stored: &[u8]) -> usize {
        let size = node_size(key.len(), stored.len());
        self.upper -= size;
        self.bytes[self.lower..self.lower + 2].copy_from_slice(&(self.upper as u16).to_ne_bytes());
        self.lower += 2;
        let node = &mut self.bytes[self.upper..self.upper + size];
        let (first, second) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        let (header, body) = node.split_at_mut(NODE_HEADER);
        header[0..2].copy_from_slice(&first.to_ne_bytes());
        header[2..4].copy_from_slice(&second.to_ne_bytes());
        header[4..6].copy_from_slice(&flags.to_ne_bytes());
        header[6..8].copy_from_slice(&(key.len() as u16).to_ne_bytes());
        let (key_place, rest) = body.split_at_mut(key.len());
        key_place.copy_from_slice(key);
        let (stored_place, padding) = rest.split_at_mut(stored.len());
        stored_place.copy_from_slice(stored);
        padding.fill(0);
        self.upper + NODE_HEADER + key.len()
    }

    /// Removes the last branch node: its key and child.
    pub fn pop_branch(&mut self) -> Option<(Vec<u8>, u64)> {
        if self.count() == 0 {
            return None;
        }
        let half = |at: usize| u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]]);
        let at = self.upper;
        let (low, high) = if cfg!(target_endian = "little") { (0, 2) } else { (2, 0) };
        let child =
            u64::from(half(at + low)) | u64::from(half(at + high)) << 16 | u64::from(half(at + 4)) << 32;
        let key_size = half(at + 6) as usize;
        let key = self.bytes[at + NODE_HEADER..at + NODE_HEADER + key_size].to_vec();
        self.upper += node_size(key_size, 0);
        self.lower -= 2;
        Some((key, child))
    }

    /// Writes the header and returns the page; its number is still missing.
    pub fn seal(&mut self) -> &mut [u8] {
        // What an earlier page left between offsets and nodes must not reach the file.
        self.bytes[self.lower..self.upper].fill(0);
        put_header(&mut self.bytes, 0, self.flags, self.lower, self.upper);
        &mut self.bytes
    }
}

/// A leaf page of items of one width, without gaps.
#[derive(Debug)]
pub(super) struct PackedPage {
    bytes: Box<[u8]>,
    width: usize,
    count: usize,
}

impl PackedPage {
    pub fn new(page_size: usize, width: usize) -> PackedPage {
        PackedPage { bytes: vec![0; page_size].into_boxed_slice(), width, count: 0 }
    }

    pub fn clear(&mut self) {
        self.count = 0;
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes as many of the packed `items` as fit, and returns how many bytes those are.
    pub fn take(&mut self, items: &[u8]) -> usize {
        let at = PAGE_HEADER + self.count * self.width;
        let room = (self.bytes.len() - at) / self.width * self.width;
        let taken = items.len().min(room);
        self.bytes[at..at + taken].copy_from_slice(&items[..taken]);
        self.count += taken / self.width;
        taken
    }

    /// The first item.
    pub fn first(&self) -> &[u8] {
        &self.bytes[PAGE_HEADER..PAGE_HEADER + self.width]
    }

    /// Writes the header and returns the page; its number is still missing.
    pub fn seal(&mut self) -> &mut [u8] {
        let page_size = self.bytes.len();
        self.bytes[PAGE_HEADER + self.count * self.width..].fill(0);
        put_packed_header(&mut self.bytes, P_LEAF | P_LEAF2, self.width, self.count, page_size);
        &mut self.bytes
    }
}

/// Writes all of a page's header but its number.
pub(super) fn put_header(bytes: &mut [u8], pad: u16, flags: u16, lower: usize, upper: usize) {
    bytes[8..10].copy_from_slice(&pad.to_ne_bytes());
    bytes[10..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..14].copy_from_slice(&(lower as u16).to_ne_bytes());
    bytes[14..16].copy_from_slice(&(upper as u16).to_ne_bytes());
}

/// The header of a packed page or sub-page of `size` bytes. Its bounds count as if each item had an offset, too.
pub(super) fn put_packed_header(bytes: &mut [u8], flags: u16, width: usize, count: usize, size: usize) {
    let lower = PAGE_HEADER + 2 * count;
    let upper = size + 2 * count - count * width;
    put_header(bytes, width as u16, flags, lower, upper);
}
