//! The type tags of encoded values. **Frozen**: they are in every file; a new type takes a free number.
//!
//! The order of the tags is the order of values across types. Bytes `F0` to `FF` stay free, and `00` ends strings
//! and collections inside collections.

/// Ends strings, names and collections that stand inside a collection.
pub(crate) const END: u8 = 0x00;
/// Follows a zero byte that belongs to the text.
pub(crate) const ESCAPED: u8 = 0xFF;

/// `nil`
pub(crate) const NIL: u8 = 0x02;
/// `false`
pub(crate) const FALSE: u8 = 0x03;
/// `true`
pub(crate) const TRUE: u8 = 0x04;
/// The integer 0; `INT - n` and `INT + n` are negative and positive integers of `n` bytes, `n` from 1 to 8.
pub(crate) const INT: u8 = 0x10;
/// Integers of any size.
pub(crate) const BIGINT: u8 = 0x20;
/// Ratios.
pub(crate) const RATIO: u8 = 0x22;
/// Doubles.
pub(crate) const FLOAT: u8 = 0x24;
/// Decimals.
pub(crate) const DECIMAL: u8 = 0x26;
/// The instant 0; lengths and signs as for [`INT`].
pub(crate) const INST: u8 = 0x30;
/// UUIDs.
pub(crate) const UUID: u8 = 0x40;
/// Characters.
pub(crate) const CHAR: u8 = 0x42;
/// Strings.
pub(crate) const STR: u8 = 0x44;
/// Keywords without a namespace; with one, the next number.
pub(crate) const KEYWORD: u8 = 0x46;
/// Keywords with a namespace.
pub(crate) const KEYWORD_QUALIFIED: u8 = 0x47;
/// Symbols without a namespace.
pub(crate) const SYMBOL: u8 = 0x48;
/// Symbols with a namespace.
pub(crate) const SYMBOL_QUALIFIED: u8 = 0x49;
/// Byte strings.
pub(crate) const BYTES: u8 = 0x4A;
/// Vectors; tuples are vectors.
pub(crate) const VECTOR: u8 = 0x50;
/// Lists.
pub(crate) const LIST: u8 = 0x52;
/// Sets.
pub(crate) const SET: u8 = 0x54;
/// Maps.
pub(crate) const MAP: u8 = 0x56;
/// Values under an unknown tag.
pub(crate) const TAGGED: u8 = 0x58;
/// Values of registered types, behind their order key.
pub(crate) const REGISTERED: u8 = 0x5A;
