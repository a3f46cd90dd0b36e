//! Values too long for an index key: the indexes hold their beginning and a hash, `giants` holds them whole.
//!
//! ```text
//! full encoding, up to 480 bytes          -> itself
//! full encoding, longer   | 456 bytes | … -> | 456 bytes | 32 bytes BLAKE3 of the full encoding |   (488 bytes)
//! ```
//!
//! Equal values have equal index bytes in every database. Values that differ within 456 bytes are ordered by
//! index bytes alone; cursors sort the rare others by their full encoding.

use crate::error::{Error, Result};

/// The longest encoding that indexes hold whole.
pub const INLINE_MAX: usize = 480;
/// How much of a giant's encoding the indexes hold.
pub(crate) const PREFIX_LEN: usize = 456;
/// The length of the hash.
pub(crate) const HASH_LEN: usize = 32;
/// The length of a giant's index form; no other value has an index form of that length.
const GIANT_LEN: usize = PREFIX_LEN + HASH_LEN;
/// The longest index form.
pub(crate) const INDEX_LEN_MAX: usize = GIANT_LEN;

const _: () = assert!(GIANT_LEN > INLINE_MAX && GIANT_LEN + crate::ids::ATTR_LEN_MAX <= 511);

/// The index form of `encoded`: itself, or a giant's built in `buffer`.
#[inline]
pub(crate) fn index_form<'b>(encoded: &'b [u8], buffer: &'b mut [u8; INDEX_LEN_MAX]) -> &'b [u8] {
    if encoded.len() <= INLINE_MAX {
        return encoded;
    }
    buffer[..PREFIX_LEN].copy_from_slice(&encoded[..PREFIX_LEN]);
    buffer[PREFIX_LEN..].copy_from_slice(blake3::hash(encoded).as_bytes());
    buffer
}

/// Whether these index bytes stand for a giant.
#[inline]
pub(crate) fn is_giant_index(index: &[u8]) -> bool {
    index.len() > INLINE_MAX
}

/// The key of a giant in `giants`.
pub(crate) fn hash_of_index(index: &[u8]) -> Result<&[u8]> {
    if index.len() != GIANT_LEN {
        return Err(Error::CorruptedValue {
            reason: "length of a giant's index form",
            bytes: index[..index.len().min(64)].into(),
        });
    }
    Ok(&index[PREFIX_LEN..])
}
