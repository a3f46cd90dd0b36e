//! The codecs of scalars: a type without data for each.

use bigdecimal::BigDecimal;
use num_bigint::BigInt;

use super::{Buffer, Codec, CodecError, Headed, Ordered, number, wire};

type Result<T> = std::result::Result<T, CodecError>;

macro_rules! fixed {
    ($(#[$doc:meta])* $codec:ident: $item:ty, $name:literal, $put:expr, $take:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $codec;

        impl Codec for $codec {
            type In<'a> = $item;
            type Out<'a> = $item;

            // Where it is inlined, a new buffer is known to be empty, and little more is left than a store.
            #[inline(always)]
            fn encode<'i: 'b, 'b>(&self, item: $item, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
                buffer.clear();
                let put: fn($item, &mut Buffer) -> Result<()> = $put;
                put(item, buffer)?;
                Ok(buffer)
            }

            #[inline]
            fn decode(&self, mut bytes: &[u8]) -> Result<$item> {
                let take: fn(&mut &[u8]) -> Result<$item> = $take;
                let item = take(&mut bytes)?;
                wire::end(bytes, $name)?;
                Ok(item)
            }
        }

        impl Ordered for $codec {}
    };
}

fixed!(
    /// `:long`: 64-bit integers.
    Long: i64, "long", |item, buffer| { wire::put_long(item, buffer); Ok(()) }, wire::take_long
);

/// `:id`: 64-bit integers in eight bytes, for tables that hold nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Id;

impl Codec for Id {
    type In<'a> = i64;
    type Out<'a> = i64;

    #[inline(always)]
    fn encode<'i: 'b, 'b>(&self, item: i64, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        buffer.clear();
        wire::put_id(item, buffer);
        Ok(buffer)
    }

    #[inline]
    fn decode(&self, bytes: &[u8]) -> Result<i64> {
        wire::id(bytes)
    }
}

impl Ordered for Id {}

fixed!(
    /// `:float`: 32-bit floating point; NaN is refused.
    Float: f32, "float", wire::put_float, wire::take_float
);
fixed!(
    /// `:double`: 64-bit floating point; NaN is refused.
    Double: f64, "double", wire::put_double, wire::take_double
);
fixed!(
    /// `:instant`: milliseconds since 1970.
    Instant: i64, "instant", |item, buffer| { wire::put_instant(item, buffer); Ok(()) }, wire::take_instant
);
fixed!(
    /// `:uuid`
    Uuid: uuid::Uuid, "uuid", |item, buffer| { wire::put_uuid(item, buffer); Ok(()) }, wire::take_uuid
);
fixed!(
    /// `:boolean`
    Boolean: bool, "boolean", |item, buffer| { wire::put_boolean(item, buffer); Ok(()) }, wire::take_boolean
);
fixed!(
    /// Unsigned 64-bit integers in native byte order, for tables with
    /// [`DbiFlags::INTEGERKEY`](crate::DbiFlags::INTEGERKEY) or
    /// [`DbiFlags::INTEGERDUP`](crate::DbiFlags::INTEGERDUP); in others they do not sort.
    NativeU64: u64, "native 64-bit integer",
    |item, buffer| { buffer.extend_from_slice(&item.to_ne_bytes()); Ok(()) },
    |input| wire::take(input, "native 64-bit integer").map(u64::from_ne_bytes)
);
fixed!(
    /// Unsigned 32-bit integers in native byte order, likewise.
    NativeU32: u32, "native 32-bit integer",
    |item, buffer| { buffer.extend_from_slice(&item.to_ne_bytes()); Ok(()) },
    |input| wire::take(input, "native 32-bit integer").map(u32::from_ne_bytes)
);

fixed!(
    /// Unsigned 64-bit integers, big-endian without a header: they sort in any table, and other programs read them.
    BigEndianU64: u64, "big-endian 64-bit integer",
    |item, buffer| { buffer.extend_from_slice(&item.to_be_bytes()); Ok(()) },
    |input| wire::take(input, "big-endian 64-bit integer").map(u64::from_be_bytes)
);
fixed!(
    /// Unsigned 32-bit integers, likewise.
    BigEndianU32: u32, "big-endian 32-bit integer",
    |item, buffer| { buffer.extend_from_slice(&item.to_be_bytes()); Ok(()) },
    |input| wire::take(input, "big-endian 32-bit integer").map(u32::from_be_bytes)
);

macro_rules! borrowed {
    ($(#[$doc:meta])* $codec:ident: $input:ty => $output:ty, $name:literal, $put:expr, $get:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $codec;

        impl Codec for $codec {
            type In<'a> = &'a $input;
            type Out<'a> = $output;

            #[inline]
            fn encode<'i: 'b, 'b>(&self, item: &'i $input, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
                buffer.clear();
                let put: fn(&$input, &mut Buffer) -> Result<()> = $put;
                put(item, buffer)?;
                Ok(buffer)
            }

            #[inline]
            fn decode(&self, bytes: &[u8]) -> Result<$output> {
                let get: fn(&[u8]) -> Result<$output> = $get;
                get(bytes)
            }
        }

        impl Ordered for $codec {}
    };
}

borrowed!(
    /// `:bigint`: integers of up to 127 bytes.
    BigInteger: BigInt => BigInt, "bigint", number::put_bigint,
    |mut bytes| {
        let item = number::take_bigint(&mut bytes)?;
        wire::end(bytes, "bigint")?;
        Ok(item)
    }
);
borrowed!(
    /// `:bigdec`: decimals of any precision.
    Decimal: BigDecimal => BigDecimal, "bigdec", number::put_decimal,
    |mut bytes| {
        let item = number::take_decimal(&mut bytes)?;
        wire::end(bytes, "bigdec")?;
        Ok(item)
    }
);
borrowed!(
    /// `:keyword`
    Keyword: edn::Keyword => edn::Keyword, "keyword",
    |item, buffer| {
        buffer.push(wire::KEYWORD);
        wire::put_name(item.namespace(), item.name(), buffer)
    },
    |bytes| {
        let (namespace, name) = wire::name(wire::rest(bytes, wire::KEYWORD, "keyword")?, "keyword")?;
        Ok(edn::Keyword::new(namespace, name))
    }
);
borrowed!(
    /// `:symbol`
    Symbol: edn::Symbol => edn::Symbol, "symbol",
    |item, buffer| {
        buffer.push(wire::SYMBOL);
        wire::put_name(item.namespace(), item.name(), buffer)
    },
    |bytes| {
        let (namespace, name) = wire::name(wire::rest(bytes, wire::SYMBOL, "symbol")?, "symbol")?;
        Ok(edn::Symbol::new(namespace, name))
    }
);

/// `:string`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Str;

impl Codec for Str {
    type In<'a> = &'a str;
    type Out<'a> = &'a str;

    #[inline]
    fn encode<'i: 'b, 'b>(&self, item: &'i str, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        Ok(Headed { header: Some(wire::STRING), rest: item.as_bytes() }.joined(buffer))
    }

    #[inline]
    fn encode_value<'i: 'b, 'b>(&self, item: &'i str, _buffer: &'b mut Buffer) -> Result<Headed<'b>> {
        Ok(Headed { header: Some(wire::STRING), rest: item.as_bytes() })
    }

    #[inline]
    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<&'b str> {
        wire::utf8(wire::rest(bytes, wire::STRING, "string")?, "string")
    }
}

impl Ordered for Str {}

/// `:bytes`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blob;

impl Codec for Blob {
    type In<'a> = &'a [u8];
    type Out<'a> = &'a [u8];

    #[inline]
    fn encode<'i: 'b, 'b>(&self, item: &'i [u8], buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        Ok(Headed { header: Some(wire::BYTES), rest: item }.joined(buffer))
    }

    #[inline]
    fn encode_value<'i: 'b, 'b>(&self, item: &'i [u8], _buffer: &'b mut Buffer) -> Result<Headed<'b>> {
        Ok(Headed { header: Some(wire::BYTES), rest: item })
    }

    #[inline]
    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<&'b [u8]> {
        wire::rest(bytes, wire::BYTES, "bytes")
    }
}

impl Ordered for Blob {}

/// `:raw`: bytes as they are, without a header; nothing is copied on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

impl Codec for Raw {
    type In<'a> = &'a [u8];
    type Out<'a> = &'a [u8];

    #[inline]
    fn encode<'i: 'b, 'b>(&self, item: &'i [u8], _buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        Ok(item)
    }

    #[inline]
    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<&'b [u8]> {
        Ok(bytes)
    }
}

impl Ordered for Raw {}

/// Text with a zero byte at its end and no header, as the `:utf-8` encoding of the Lisp binding writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8Z;

impl Codec for Utf8Z {
    type In<'a> = &'a str;
    type Out<'a> = &'a str;

    fn encode<'i: 'b, 'b>(&self, item: &'i str, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        if item.contains('\0') {
            return Err(CodecError::ZeroByte { what: "zero-terminated text" });
        }
        buffer.clear();
        buffer.extend_from_slice(item.as_bytes());
        buffer.push(0);
        Ok(buffer)
    }

    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<&'b str> {
        let text = bytes
            .strip_suffix(&[0])
            .ok_or_else(|| CodecError::bytes("zero-terminated text", "it has no end"))?;
        wire::utf8(text, "zero-terminated text")
    }
}

impl Ordered for Utf8Z {}

/// Text without a header and without an end, as heed's `Str` writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8;

impl Codec for Utf8 {
    type In<'a> = &'a str;
    type Out<'a> = &'a str;

    #[inline]
    fn encode<'i: 'b, 'b>(&self, item: &'i str, _buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        Ok(item.as_bytes())
    }

    #[inline]
    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<&'b str> {
        wire::utf8(bytes, "text")
    }
}

impl Ordered for Utf8 {}

/// No value at all: `:ignore`. Reading does not look at the bytes; storing stores none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit;

impl Codec for Unit {
    type In<'a> = ();
    type Out<'a> = ();

    fn encode<'i: 'b, 'b>(&self, (): (), buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        buffer.clear();
        Ok(buffer)
    }

    fn decode(&self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }
}
