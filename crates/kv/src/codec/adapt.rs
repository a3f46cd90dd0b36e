//! Bridges to and from heed's codec traits.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use heed::{BoxedError, BytesDecode, BytesEncode};

use super::{Buffer, Codec, CodecError};

/// Makes one of our codecs usable in a `heed::Database`, over the same bytes.
///
/// ```
/// use factum_kv::codec::{ForHeed, Long, Str};
/// type Database = heed::Database<'static, ForHeed<Str>, ForHeed<Long>>;
/// ```
pub struct ForHeed<C>(PhantomData<C>);

impl<C> fmt::Debug for ForHeed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForHeed")
    }
}

impl<'a, C> BytesEncode<'a> for ForHeed<C>
where
    C: Codec + Default,
    C::In<'a>: Clone + 'a,
{
    type EItem = C::In<'a>;

    fn bytes_encode(item: &'a C::In<'a>) -> Result<Cow<'a, [u8]>, BoxedError> {
        let mut buffer = Buffer::new();
        let codec = C::default();
        let bytes = codec.encode(item.clone(), &mut buffer).map_err(BoxedError::from)?;
        // They may lie in the buffer, so only a copy outlives this call.
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

impl<'a, C> BytesDecode<'a> for ForHeed<C>
where
    C: Codec + Default,
    C::Out<'a>: 'a,
{
    type DItem = C::Out<'a>;

    fn bytes_decode(bytes: &'a [u8]) -> Result<C::Out<'a>, BoxedError> {
        C::default().decode(bytes).map_err(BoxedError::from)
    }
}

/// Makes one of heed's codecs usable in our tables, over the same bytes.
pub struct FromHeed<H>(PhantomData<H>);

impl<H> fmt::Debug for FromHeed<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromHeed")
    }
}

impl<H> Default for FromHeed<H> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<H> Clone for FromHeed<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for FromHeed<H> {}

impl<H> Codec for FromHeed<H>
where
    H: for<'a> BytesEncode<'a> + for<'a> BytesDecode<'a>,
{
    type In<'a> = &'a <H as BytesEncode<'a>>::EItem;
    type Out<'a> = <H as BytesDecode<'a>>::DItem;

    fn encode<'i: 'b, 'b>(&self, item: Self::In<'i>, buffer: &'b mut Buffer) -> Result<&'b [u8], CodecError> {
        match H::bytes_encode(item).map_err(|error| CodecError::Serde(error.to_string()))? {
            Cow::Borrowed(bytes) => Ok(bytes),
            Cow::Owned(bytes) => {
                buffer.clear();
                buffer.extend_from_slice(&bytes);
                Ok(buffer)
            }
        }
    }

    fn decode<'b>(&self, bytes: &'b [u8]) -> Result<Self::Out<'b>, CodecError> {
        H::bytes_decode(bytes).map_err(|error| CodecError::Serde(error.to_string()))
    }
}
