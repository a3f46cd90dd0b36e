//! [`Cell`]: a view of one encoded value, 24 bytes, compared and hashed without decoding.
//!
//! ```text
//! inline  | tag | len | 22 bytes, zero padded                          |   almost every value
//! slice   | tag | 7 bytes of padding | pointer and length of the bytes |   longer ones, in the mapping or the arena
//! ```
//!
//! A value has exactly one representation (inline if and only if it fits), so equality needs no cross cases. Sixteen
//! bytes with twelve inline, as in Umbra, would need an unchecked pointer; measured on package names and maintainers,
//! 22 inline bytes avoid the pointer chase that the smaller cell makes for most strings.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// How many bytes fit inside a cell.
pub const INLINE: usize = 22;

/// An encoded value, borrowed from the snapshot or the arena of the execution `'s`.
#[derive(Clone, Copy)]
pub struct Cell<'s>(Repr<'s>);

#[derive(Clone, Copy)]
enum Repr<'s> {
    Inline { len: u8, bytes: [u8; INLINE] },
    Slice(&'s [u8]),
}

const _: () = assert!(std::mem::size_of::<Cell<'_>>() == 24);

impl<'s> Cell<'s> {
    /// A cell over `bytes`, which are copied if short.
    #[inline]
    pub fn new(bytes: &'s [u8]) -> Self {
        Self::try_inline(bytes).unwrap_or(Self(Repr::Slice(bytes)))
    }

    /// A cell that owns its bytes, if they are short enough.
    #[inline]
    pub fn try_inline(source: &[u8]) -> Option<Self> {
        if source.len() > INLINE {
            return None;
        }
        let mut bytes = [0; INLINE];
        bytes[..source.len()].copy_from_slice(source);
        Some(Self(Repr::Inline { len: source.len() as u8, bytes }))
    }

    /// The encoded value. (Borrows from the cell itself, because short values live inside it.)
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Slice(bytes) => bytes,
        }
    }

    /// A hash of the content, spread over all 64 bits.
    #[inline]
    pub fn hash64(&self) -> u64 {
        match &self.0 {
            Repr::Inline { len, bytes } => {
                let (low, middle, high) = (word(bytes, 0), word(bytes, 8), word(bytes, INLINE - 8));
                mix(mix(low, middle).wrapping_add(u64::from(*len)), high)
            }
            Repr::Slice(bytes) => hash_bytes(bytes),
        }
    }
}

impl<'b> PartialEq<Cell<'b>> for Cell<'_> {
    #[inline]
    fn eq(&self, other: &Cell<'b>) -> bool {
        match (&self.0, &other.0) {
            (Repr::Inline { len: a, bytes: x }, Repr::Inline { len: b, bytes: y }) => a == b && x == y,
            (Repr::Slice(a), Repr::Slice(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Cell<'_> {}

impl PartialOrd for Cell<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cell<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Cell<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash64());
    }
}

impl std::fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match storage::decode(self.as_bytes()) {
            Ok(value) => write!(f, "{value}"),
            Err(_) => write!(f, "{:02x?}", self.as_bytes()),
        }
    }
}

const SEED_A: u64 = 0x9E37_79B9_7F4A_7C15;
const SEED_B: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// Multiplies to 128 bits and folds: every input bit reaches every output bit.
#[inline]
pub fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ SEED_B) * u128::from(b ^ SEED_A);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The eight bytes from `at` on; zero where there are not that many.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// For contents longer than a cell, hence longer than a word.
fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for at in (0..bytes.len().saturating_sub(8)).step_by(8) {
        hash = mix(hash, word(bytes, at));
    }
    mix(hash, word(bytes, bytes.len().saturating_sub(8)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equality_order_and_hash_are_those_of_the_bytes(
            a in proptest::collection::vec(0_u8..3, 0..30),
            b in proptest::collection::vec(0_u8..3, 0..30),
        ) {
            let (x, y) = (Cell::new(&a), Cell::new(&b));
            prop_assert_eq!(x == y, a == b);
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.as_bytes(), &a[..]);
            prop_assert_eq!(x.hash64() == y.hash64(), a == b);
        }
    }

    #[test]
    fn inline_up_to_the_limit() {
        assert!(Cell::try_inline(&[7; INLINE]).is_some());
        assert!(Cell::try_inline(&[7; INLINE + 1]).is_none());
    }
}
