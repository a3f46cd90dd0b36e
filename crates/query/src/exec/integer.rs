//! Integers as cells and back, by the table of encodings in [`storage::encode`].

use storage::EncodedValue;

use super::cell::Cell;

/// The cell of a 64-bit integer in two's complement, which always fits inside it.
#[inline]
pub fn cell(int: u64) -> Cell<'static> {
    Cell::try_inline(EncodedValue::int(int as i64).as_bytes())
        .expect("an encoded integer has at most nine bytes")
}

/// The integer that `bytes` encode, if they do.
#[inline]
pub fn decode(bytes: &[u8]) -> Option<u64> {
    storage::decode_int(bytes).map(|int| int as u64)
}
