//! [`TypeHandler`]: compact bytes for types of the user's, inside `:data`.
//!
//! ```text
//! #geo/point [52.5 13.4]   --encode-->   20 | length | 16 bytes
//!    tag       value       <--decode--   byte that stands for the tag
//! ```
//!
//! `:data` writes a tagged value as its tag and its value. A handler takes over the values of one tag and writes them
//! as it likes, under one of the bytes that `:data` leaves free; inside it may use `:data` again for its parts. Every
//! program that reads the table needs the same handlers: bytes without one are refused, not guessed at.

use std::fmt;
use std::sync::Arc;

use edn::{Symbol, Value};

use super::{Buffer, Codec, CodecError, data};

type Result<T> = std::result::Result<T, CodecError>;

/// How the values of one EDN tag are written.
pub trait TypeHandler: Send + Sync {
    /// The byte that stands for the tag in the file: `0x20` to `0x7F`. It must never change once data is stored.
    fn byte(&self) -> u8;

    /// The EDN tag, without `#`: `"geo/point"`.
    fn tag(&self) -> &str;

    /// Writes the value behind the tag.
    ///
    /// # Errors
    ///
    /// If it is not a value of this type; [`CodecError::Handler`] is for that.
    fn encode(&self, value: &Value, out: &mut Encoder<'_>) -> Result<()>;

    /// Reads all that [`encode`](Self::encode) has written.
    ///
    /// # Errors
    ///
    /// If the bytes are not those of a value.
    fn decode(&self, input: &mut Decoder<'_, '_>) -> Result<Value>;
}

/// Where a handler writes.
pub struct Encoder<'o> {
    buffer: &'o mut Buffer,
    depth: usize,
    handlers: &'o TypeHandlers,
}

impl<'o> Encoder<'o> {
    pub(super) fn new(buffer: &'o mut Buffer, depth: usize, handlers: &'o TypeHandlers) -> Self {
        Self { buffer, depth, handlers }
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Writes a value as `:data`, with the same handlers.
    ///
    /// # Errors
    ///
    /// [`CodecError::Range`] if collections lie too deep in one another.
    pub fn value(&mut self, value: &Value) -> Result<()> {
        data::put_value(value, self.buffer, self.depth, self.handlers)
    }
}

/// Where a handler reads.
pub struct Decoder<'i, 'b> {
    input: &'i mut &'b [u8],
    depth: usize,
    handlers: &'i TypeHandlers,
}

impl<'i, 'b> Decoder<'i, 'b> {
    pub(super) fn new(input: &'i mut &'b [u8], depth: usize, handlers: &'i TypeHandlers) -> Self {
        Self { input, depth, handlers }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    ///
    /// [`CodecError::Bytes`] if there are not so many.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) =
            self.input.split_first_chunk().ok_or_else(|| CodecError::bytes("data", "too short"))?;
        *self.input = rest;
        Ok(*head)
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'b [u8] {
        std::mem::take(self.input)
    }

    /// Reads a value that was written by [`Encoder::value`].
    ///
    /// # Errors
    ///
    /// [`CodecError::Bytes`].
    pub fn value(&mut self) -> Result<Value> {
        data::take_value(self.input, self.depth, self.handlers)
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }
}

/// A set of handlers, one for each of its tags and bytes.
///
/// ```
/// use edn::Value;
/// use factum_kv::codec::{Buffer, Codec, CodecError, DataWith, Decoder, Encoder, TypeHandler, TypeHandlers};
///
/// struct Point;
///
/// impl TypeHandler for Point {
///     fn byte(&self) -> u8 { 0x20 }
///     fn tag(&self) -> &str { "geo/point" }
///
///     fn encode(&self, value: &Value, out: &mut Encoder<'_>) -> Result<(), CodecError> {
///         let Some([Value::Float(x), Value::Float(y)]) = value.as_sequence() else {
///             return Err(CodecError::Handler { tag: "geo/point", reason: "two doubles were expected" });
///         };
///         out.bytes(&x.to_be_bytes());
///         out.bytes(&y.to_be_bytes());
///         Ok(())
///     }
///
///     fn decode(&self, input: &mut Decoder<'_, '_>) -> Result<Value, CodecError> {
///         let (x, y) = (f64::from_be_bytes(input.bytes()?), f64::from_be_bytes(input.bytes()?));
///         Ok(Value::Vector(vec![Value::Float(x), Value::Float(y)]))
///     }
/// }
///
/// let codec = DataWith::new(TypeHandlers::new().with(Point)?);
/// let place = edn::read("{:name \"Berlin\" :at #geo/point [52.5 13.4]}").expect("EDN");
/// let mut buffer = Buffer::new();
/// let bytes = codec.encode(&place, &mut buffer)?;
/// assert_eq!(codec.decode(bytes)?, place);
/// # Ok::<(), CodecError>(())
/// ```
#[derive(Clone, Default)]
pub struct TypeHandlers(Vec<Arc<dyn TypeHandler>>);

impl TypeHandlers {
    pub(super) const NONE: Self = Self(Vec::new());

    /// No handlers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler.
    ///
    /// # Errors
    ///
    /// [`CodecError::Handler`] if its byte is not free for handlers, or byte or tag have another handler already.
    pub fn with(mut self, handler: impl TypeHandler + 'static) -> Result<Self> {
        let bad = |reason| Err(CodecError::Handler { tag: "its registration", reason });
        if !(0x20..0x80).contains(&handler.byte()) {
            return bad("the byte of a type handler lies between 20 and 7F");
        }
        if self.of_byte(handler.byte()).is_some() {
            return bad("another type handler has the same byte");
        }
        if self.0.iter().any(|other| other.tag() == handler.tag()) {
            return bad("another type handler has the same tag");
        }
        self.0.push(Arc::new(handler));
        Ok(self)
    }

    pub(super) fn of_tag(&self, tag: &Symbol) -> Option<&dyn TypeHandler> {
        self.0.iter().find(|handler| handler.tag() == tag.as_str()).map(|handler| &**handler)
    }

    pub(super) fn of_byte(&self, byte: u8) -> Option<&dyn TypeHandler> {
        self.0.iter().find(|handler| handler.byte() == byte).map(|handler| &**handler)
    }
}

impl fmt::Debug for TypeHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|handler| handler.tag())).finish()
    }
}

/// `:data` with type handlers, over EDN values; see [`TypeHandlers`]. Without handlers it writes what
/// [`KeyType::Data`](super::KeyType::Data) writes.
#[derive(Clone, Debug, Default)]
pub struct DataWith(Arc<TypeHandlers>);

impl DataWith {
    /// The codec with these handlers.
    pub fn new(handlers: TypeHandlers) -> Self {
        Self(Arc::new(handlers))
    }
}

impl Codec for DataWith {
    type In<'a> = &'a Value;
    type Out<'a> = Value;

    fn encode<'i: 'b, 'b>(&self, item: &'i Value, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        buffer.clear();
        data::put_value(item, buffer, 0, &self.0)?;
        Ok(buffer)
    }

    fn decode(&self, mut bytes: &[u8]) -> Result<Value> {
        data::get_with(&mut bytes, &self.0)
    }
}
