//! Types of keys and values: how they become bytes whose order is theirs.
//!
//! A [`Codec`] turns items into bytes and back. There is one for every type below, in two forms over the same
//! bytes: a type of its own for programs that know their types when they are written ([`Long`], [`Str`],
//! [`Pair`](type@crate::codec::Tuple), ...), and [`KeyType`] for those that learn them at run time.
//!
//! | type | codec | bytes | order |
//! |---|---|---|---|
//! | `:long` | [`Long`] | `C0` (negative) or `C1`, 8 bytes two's complement | numeric |
//! | `:bigint` | [`BigInteger`] | `F1`, length (`80`+n, or `7F`-n for negative), n bytes two's complement | numeric |
//! | `:bigdec` | [`Decimal`] | `F2`, sign (`00`/`80`/`FF`), exponent, digit pairs, end, scale | numeric, then scale |
//! | `[:t]` | [`Many`] | `F3`, elements | element by element, a prefix first |
//! | `[:t :u]` | [`Tuple`] | `F4`, elements | element by element |
//! | `:float` | [`Float`] | `F5`, 4 bytes, sign bit flipped (negative: all bits) | numeric, infinities at the ends |
//! | `:double` | [`Double`] | `F6`, 8 bytes likewise | the same |
//! | `:instant` | [`Instant`] | `F7`, 8 bytes milliseconds, sign bit flipped | chronological |
//! | `:uuid` | [`Uuid`] | `F9`, 16 bytes | as unsigned bytes |
//! | `:string` | [`Str`] | `FA`, UTF-8 | by code point |
//! | `:keyword` | [`Keyword`] | `FB`, namespace, `00`, name | without namespace first, then by namespace and name |
//! | `:symbol` | [`Symbol`] | `FC`, likewise | the same |
//! | `:boolean` | [`Boolean`] | `FD`, `01` or `02` | false first |
//! | `:bytes` | [`Blob`] | `FE`, bytes | as unsigned bytes, a prefix first |
//! | `:id` | [`Id`] | 8 bytes, sign bit flipped, no header | numeric |
//! | `:raw` | [`Raw`] | as they are | as unsigned bytes |
//! | `:uint64` | [`NativeU64`] | 8 bytes in native order, no header | numeric in tables of integers |
//! | `:uint64-be` | [`BigEndianU64`] | 8 bytes, no header | numeric |
//! | `:utf-8` | [`Utf8Z`] | UTF-8, `00`, no header | by code point, a prefix first |
//! | `:utf-8-bare` | [`Utf8`] | UTF-8, no header | by code point, a prefix first |
//! | `:data` | [`Data`] | binary EDN, see [`data`] | none |
//! | `:my/type` | [`RegisteredType`] | an order key, then the value | that of the order keys, then of the values |
//!
//! Numbers are big-endian. An element of a tuple is written as by itself, header included, and where its
//! length does not follow from its type, its zero bytes become `00 FF` and `00 00` ends it; so tuples compare
//! element by element whatever their lengths and signs. `-0.0` is stored as `0.0`, NaN is refused. Values of
//! different types may share a table: they order by header, negative longs first, bytes last. The types
//! without a header (`:id`, `:raw`, `:data`, and those that begin with `u`, which are the encodings of the Common
//! Lisp binding and of heed) do not mix with others. `:octets` is another name of `:raw`.
//!
//! Keys and list items hold at most 511 bytes, elements of tuples at most 255, big integers 127 bytes.

mod adapt;
pub mod data;
mod dynamic;
mod error;
mod handlers;
mod number;
mod registered;
mod scalar;
mod tuple;
mod wire;

use std::ops::Bound;

use smallvec::SmallVec;

pub use adapt::{ForHeed, FromHeed};
pub use data::Data;
pub use dynamic::{KeyType, ScalarType};
pub use error::CodecError;
pub use handlers::{DataWith, Decoder, Encoder, TypeHandler, TypeHandlers};
pub use registered::{RegisteredType, TypeCodec, TypeSource};
pub use scalar::{
    BigEndianU32, BigEndianU64, BigInteger, Blob, Boolean, Decimal, Double, Float, Id, Instant, Keyword,
    Long, NativeU32, NativeU64, Raw, Str, Symbol, Unit, Utf8, Utf8Z, Uuid,
};
pub use tuple::{Element, Many, Tuple};

/// Where items are encoded: no allocation for the keys that are usual.
pub type Buffer = SmallVec<[u8; 128]>;

/// The bytes of a value: `rest`, behind a header byte if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headed<'b> {
    /// Comes first.
    pub header: Option<u8>,
    /// Comes behind it.
    pub rest: &'b [u8],
}

impl<'b> From<&'b [u8]> for Headed<'b> {
    #[inline]
    fn from(rest: &'b [u8]) -> Self {
        Self { header: None, rest }
    }
}

impl<'b> Headed<'b> {
    /// How many bytes they are.
    #[inline]
    #[must_use]
    pub fn len(self) -> usize {
        self.rest.len() + usize::from(self.header.is_some())
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// One behind the other, in `buffer` where that is needed.
    #[inline]
    #[must_use]
    pub fn joined(self, buffer: &'b mut Buffer) -> &'b [u8] {
        let Some(header) = self.header else { return self.rest };
        buffer.clear();
        wire::put_rest(header, self.rest, buffer);
        buffer
    }
}

/// Turns items into bytes and back.
///
/// Most codecs are types without data, so that naming one is enough; the exception is [`KeyType`], which is
/// itself a value.
pub trait Codec {
    /// What is stored, borrowed where that is sensible: `&str`, `i64`.
    type In<'a>: 'a;
    /// What is read; it may borrow from the snapshot.
    type Out<'a>: 'a;

    /// The bytes of `item`, in `buffer` or, where item and bytes are the same, the item itself.
    ///
    /// # Errors
    ///
    /// If the item is not of this type, or has no bytes.
    fn encode<'i: 'b, 'b>(&self, item: Self::In<'i>, buffer: &'b mut Buffer) -> Result<&'b [u8], CodecError>;

    /// As [`Codec::encode`], for a value to be stored. Where its bytes are the item's behind a header, nothing is copied.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode`].
    #[inline]
    fn encode_value<'i: 'b, 'b>(
        &self,
        item: Self::In<'i>,
        buffer: &'b mut Buffer,
    ) -> Result<Headed<'b>, CodecError> {
        Ok(Headed { header: None, rest: self.encode(item, buffer)? })
    }

    /// As [`Codec::encode`], for the bound of a range, where more may be allowed.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode`].
    fn encode_bound<'i: 'b, 'b>(
        &self,
        item: Self::In<'i>,
        buffer: &'b mut Buffer,
    ) -> Result<&'b [u8], CodecError> {
        self.encode(item, buffer)
    }

    /// The lower bound of a range. Where different items have the same place in the order, it holds for all of them.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode`].
    fn lower_bound<'i: 'b, 'b>(
        &self,
        bound: Bound<Self::In<'i>>,
        buffer: &'b mut Buffer,
    ) -> Result<Bound<&'b [u8]>, CodecError> {
        Ok(match bound {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(item) => Bound::Included(self.encode_bound(item, buffer)?),
            Bound::Excluded(item) => Bound::Excluded(self.encode_bound(item, buffer)?),
        })
    }

    /// The upper bound of a range, likewise.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode`].
    fn upper_bound<'i: 'b, 'b>(
        &self,
        bound: Bound<Self::In<'i>>,
        buffer: &'b mut Buffer,
    ) -> Result<Bound<&'b [u8]>, CodecError> {
        self.lower_bound(bound, buffer)
    }

    /// The item of these bytes.
    ///
    /// # Errors
    ///
    /// If the bytes are not those of an item.
    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<Self::Out<'b>, CodecError>;
}

/// Marks codecs whose bytes compare as their items do, so that ranges of them mean something.
pub trait Ordered: Codec {}
