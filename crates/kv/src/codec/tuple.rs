//! Tuples: several items in one key, compared one after the other.

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;

use super::scalar::{
    BigInteger, Blob, Boolean, Decimal, Double, Float, Instant, Keyword, Long, Str, Symbol, Uuid,
};
use super::{Buffer, Codec, CodecError, Ordered, number, wire};

type Result<T> = std::result::Result<T, CodecError>;

/// Codecs whose items can be elements of tuples.
pub trait Element: Ordered {
    /// What is read back; text and bytes are borrowed unless they contain zero bytes.
    type Part<'a>: 'a;

    /// Writes header and payload so that they tell their own end.
    ///
    /// # Errors
    ///
    /// As [`Codec::encode`].
    fn put(&self, item: Self::In<'_>, buffer: &mut Buffer) -> Result<()>;

    /// Reads what `put` has written from the front of the input.
    ///
    /// # Errors
    ///
    /// As [`Codec::decode`].
    fn take<'b>(&self, input: &mut &'b [u8]) -> Result<Self::Part<'b>>;
}

macro_rules! elements {
    ($($codec:ident: $part:ty, $put:expr, $take:expr;)*) => {$(
        impl Element for $codec {
            type Part<'a> = $part;

            fn put(&self, item: Self::In<'_>, buffer: &mut Buffer) -> Result<()> {
                let put: fn(Self::In<'_>, &mut Buffer) -> Result<()> = $put;
                put(item, buffer)
            }

            fn take<'b>(&self, input: &mut &'b [u8]) -> Result<$part> {
                let take: fn(&mut &'b [u8]) -> Result<$part> = $take;
                take(input)
            }
        }
    )*};
}

elements! {
    Long: i64, |item, buffer| { wire::put_long(item, buffer); Ok(()) }, |input| wire::take_long(input);
    Float: f32, wire::put_float, |input| wire::take_float(input);
    Double: f64, wire::put_double, |input| wire::take_double(input);
    Instant: i64, |item, buffer| { wire::put_instant(item, buffer); Ok(()) }, |input| wire::take_instant(input);
    Uuid: uuid::Uuid, |item, buffer| { wire::put_uuid(item, buffer); Ok(()) }, |input| wire::take_uuid(input);
    Boolean: bool, |item, buffer| { wire::put_boolean(item, buffer); Ok(()) }, |input| wire::take_boolean(input);
    BigInteger: BigInt, number::put_bigint, |input| number::take_bigint(input);
    Decimal: BigDecimal, put_decimal, |input| number::take_decimal(input);
    Keyword: edn::Keyword,
        |item, buffer| put_name(wire::KEYWORD, item.namespace(), item.name(), buffer),
        |input| {
            let bytes = wire::take_escaped(input, wire::KEYWORD, "keyword")?;
            wire::name(&bytes, "keyword").map(|(namespace, name)| edn::Keyword::new(namespace, name))
        };
    Symbol: edn::Symbol,
        |item, buffer| put_name(wire::SYMBOL, item.namespace(), item.name(), buffer),
        |input| {
            let bytes = wire::take_escaped(input, wire::SYMBOL, "symbol")?;
            wire::name(&bytes, "symbol").map(|(namespace, name)| edn::Symbol::new(namespace, name))
        };
}

impl Element for Str {
    type Part<'a> = Cow<'a, str>;

    fn put(&self, item: &str, buffer: &mut Buffer) -> Result<()> {
        wire::put_escaped(wire::STRING, item.as_bytes(), buffer)
    }

    fn take<'b>(&self, input: &mut &'b [u8]) -> Result<Cow<'b, str>> {
        take_text(input)
    }
}

pub(super) fn take_text<'b>(input: &mut &'b [u8]) -> Result<Cow<'b, str>> {
    Ok(match wire::take_escaped(input, wire::STRING, "string")? {
        Cow::Borrowed(bytes) => Cow::Borrowed(wire::utf8(bytes, "string")?),
        Cow::Owned(bytes) => {
            Cow::Owned(String::from_utf8(bytes).map_err(|_| CodecError::bytes("string", "not UTF-8"))?)
        }
    })
}

impl Element for Blob {
    type Part<'a> = Cow<'a, [u8]>;

    fn put(&self, item: &[u8], buffer: &mut Buffer) -> Result<()> {
        wire::put_escaped(wire::BYTES, item, buffer)
    }

    fn take<'b>(&self, input: &mut &'b [u8]) -> Result<Cow<'b, [u8]>> {
        wire::take_escaped(input, wire::BYTES, "bytes")
    }
}

pub(super) fn put_name(header: u8, namespace: Option<&str>, name: &str, buffer: &mut Buffer) -> Result<()> {
    let mut payload = Buffer::new();
    wire::put_name(namespace, name, &mut payload)?;
    wire::put_escaped(header, &payload, buffer)
}

pub(super) fn put_decimal(item: &BigDecimal, buffer: &mut Buffer) -> Result<()> {
    let start = buffer.len() + 1;
    number::put_decimal(item, buffer)?;
    let len = buffer.len() - start;
    if len > wire::ELEMENT_MAX { Err(CodecError::ElementTooLong { index: 0, len }) } else { Ok(()) }
}

/// Writes one element by `put`; an error names its place.
pub(super) fn put_element(
    index: usize,
    buffer: &mut Buffer,
    put: impl FnOnce(&mut Buffer) -> Result<()>,
) -> Result<()> {
    put(buffer).map_err(|error| match error {
        CodecError::ElementTooLong { len, .. } => CodecError::ElementTooLong { index, len },
        other => other,
    })
}

/// `[:t :u ...]`: a tuple of codecs, such as `Tuple<(Str, Long)>`; its items are tuples of their items.
///
/// ```
/// use factum_kv::codec::{Buffer, Codec, Long, Str, Tuple};
///
/// let codec = Tuple::<(Str, Long)>::default();
/// let bytes = |item| codec.encode(item, &mut Buffer::new()).map(<[u8]>::to_vec);
/// assert!(bytes(("a", -1))? < bytes(("a", 1))?);
/// assert!(bytes(("a", 7))? < bytes(("a\0", -7))?);
/// # Ok::<(), factum_kv::codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple<T>(T);

macro_rules! tuple {
    ($($codec:ident $item:ident $index:tt),+) => {
        impl<$($codec: Element),+> Codec for Tuple<($($codec,)+)> {
            type In<'a> = ($($codec::In<'a>,)+);
            type Out<'a> = ($($codec::Part<'a>,)+);

            fn encode<'i: 'b, 'b>(&self, ($($item,)+): Self::In<'i>, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
                buffer.clear();
                buffer.push(wire::TUPLE);
                $(put_element($index, buffer, |buffer| self.0.$index.put($item, buffer))?;)+
                Ok(buffer)
            }

            fn decode<'b>(&self, mut bytes: &'b [u8]) -> Result<Self::Out<'b>> {
                wire::take_header(&mut bytes, wire::TUPLE, "tuple")?;
                let items = ($(self.0.$index.take(&mut bytes)?,)+);
                wire::end(bytes, "tuple")?;
                Ok(items)
            }
        }

        impl<$($codec: Element),+> Ordered for Tuple<($($codec,)+)> {}
    };
}

tuple!(A a 0);
tuple!(A a 0, B b 1);
tuple!(A a 0, B b 1, C c 2);
tuple!(A a 0, B b 1, C c 2, D d 3);
tuple!(A a 0, B b 1, C c 2, D d 3, E e 4);
tuple!(A a 0, B b 1, C c 2, D d 3, E e 4, F f 5);
tuple!(A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6);
tuple!(A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7);

/// `[:t]`: any number of items of one type, at least one, such as `Many<Long>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Many<C>(C);

impl<C> Codec for Many<C>
where
    C: Element,
    for<'a> C::In<'a>: Copy,
{
    type In<'a> = &'a [C::In<'a>];
    type Out<'a> = Vec<C::Part<'a>>;

    fn encode<'i: 'b, 'b>(&self, items: Self::In<'i>, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        if items.is_empty() {
            return Err(CodecError::EmptyTuple);
        }
        buffer.clear();
        buffer.push(wire::MANY);
        for (index, item) in items.iter().enumerate() {
            put_element(index, buffer, |buffer| self.0.put(*item, buffer))?;
        }
        Ok(buffer)
    }

    fn decode<'b>(&self, mut bytes: &'b [u8]) -> Result<Self::Out<'b>> {
        wire::take_header(&mut bytes, wire::MANY, "tuple")?;
        let mut items = Vec::new();
        while !bytes.is_empty() {
            items.push(self.0.take(&mut bytes)?);
        }
        Ok(items)
    }
}

impl<C> Ordered for Many<C>
where
    C: Element,
    for<'a> C::In<'a>: Copy,
{
}
