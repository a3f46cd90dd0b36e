//! [`KeyType`]: types chosen at run time, over EDN values and the same bytes as the static codecs.

use std::fmt;
use std::ops::Bound;

use edn::Value;

use super::registered::RegisteredType;
use super::scalar::{BigEndianU64, NativeU64, Utf8, Utf8Z};
use super::{Buffer, Codec, CodecError, data, number, tuple, wire};

type Result<T> = std::result::Result<T, CodecError>;

/// The least possible element, in the lower bound of a range over tuples.
const LEAST: &str = ":db.value/sysMin";
/// The greatest possible element, in the upper bound of a range over tuples.
const GREATEST: &str = ":db.value/sysMax";

macro_rules! scalar_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A type of scalars that have an order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ScalarType {
            $($(#[$doc])* $variant,)*
        }

        impl ScalarType {
            const ALL: &[ScalarType] = &[$(Self::$variant,)*];

            /// The name of the type's keyword.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

scalar_types! {
    /// `:string`
    String = "string",
    /// `:long`
    Long = "long",
    /// `:float`
    Float = "float",
    /// `:double`
    Double = "double",
    /// `:bigint`
    BigInt = "bigint",
    /// `:bigdec`
    BigDec = "bigdec",
    /// `:bytes`
    Bytes = "bytes",
    /// `:keyword`
    Keyword = "keyword",
    /// `:symbol`
    Symbol = "symbol",
    /// `:boolean`
    Boolean = "boolean",
    /// `:instant`
    Instant = "instant",
    /// `:uuid`
    Uuid = "uuid",
}

/// The names of the types that are not scalars with a header.
const WITHOUT_HEADER: [&str; 9] =
    ["data", "raw", "octets", "id", "uint64", "uint64-be", "utf-8", "utf-8-bare", "ignore"];

/// A type of keys or values, as a value itself; also the codec of that type.
///
/// ```
/// use factum_kv::codec::{Buffer, Codec, KeyType, Long};
///
/// let long = KeyType::from_value(&edn::Value::keyword("long"))?;
/// let mut buffer = Buffer::new();
/// assert_eq!(long.encode(&edn::Value::Int(5), &mut buffer)?, Long.encode(5, &mut Buffer::new())?);
/// assert_eq!(long.decode(&buffer)?, edn::Value::Int(5));
/// # Ok::<(), factum_kv::codec::CodecError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// `:data`, and what `nil` means: any EDN, without an order.
    #[default]
    Data,
    /// `:raw`: bytes as they are.
    Raw,
    /// `:id`: 64-bit integers in eight bytes.
    Id,
    /// `:uint64`: unsigned 64-bit integers in native byte order, for tables of integers.
    UInt64,
    /// `:uint64-be`: unsigned 64-bit integers, big-endian without a header.
    UInt64Be,
    /// `:utf-8`: text with a zero byte at its end and no header.
    Utf8Z,
    /// `:utf-8-bare`: text and nothing else.
    Utf8,
    /// `:ignore`: not read at all, `nil` in its place.
    Ignore,
    /// One scalar.
    Scalar(ScalarType),
    /// `[:t :u]`: a tuple with a type for each element.
    Tuple(Vec<ScalarType>),
    /// `[:t]`: a tuple of any number of elements of one type.
    Many(ScalarType),
    /// `:my/type`: a registered type, by a keyword with a namespace.
    Registered(RegisteredType),
}

impl KeyType {
    /// From a type keyword, a vector of them, or `nil`.
    ///
    /// # Errors
    ///
    /// [`CodecError::UnknownType`], [`CodecError::TypeNotAllowed`], [`CodecError::EmptyTuple`].
    pub fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Nil => Ok(Self::Data),
            Value::Keyword(keyword) if keyword.namespace().is_some_and(|space| space != "db.type") => {
                Ok(Self::Registered(RegisteredType::named(keyword.clone())))
            }
            Value::Keyword(keyword) => Self::from_name(keyword.as_str()),
            Value::Vector(items) => match items.as_slice() {
                [] => Err(CodecError::EmptyTuple),
                [item] => Ok(Self::Many(element_type(item)?)),
                items => items.iter().map(element_type).collect::<Result<_>>().map(Self::Tuple),
            },
            Value::Str(name) => Err(CodecError::UnknownType {
                name: value.to_string(),
                nearest: Self::from_name(name).is_ok().then(|| name.to_string()),
            }),
            other => Err(CodecError::UnknownType { name: other.to_string(), nearest: None }),
        }
    }

    /// From the name of a type's keyword.
    ///
    /// # Errors
    ///
    /// [`CodecError::UnknownType`].
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "data" => return Ok(Self::Data),
            "raw" | "octets" => return Ok(Self::Raw),
            "id" => return Ok(Self::Id),
            "uint64" => return Ok(Self::UInt64),
            "uint64-be" => return Ok(Self::UInt64Be),
            "utf-8" => return Ok(Self::Utf8Z),
            "utf-8-bare" => return Ok(Self::Utf8),
            "ignore" => return Ok(Self::Ignore),
            _ => {}
        }
        let scalar = ScalarType::ALL.iter().find(|scalar| scalar.name() == name);
        scalar.map(|scalar| Self::Scalar(*scalar)).ok_or_else(|| {
            let names = ScalarType::ALL.iter().map(|scalar| scalar.name());
            let nearest = edn::nearest(name, names.chain(WITHOUT_HEADER));
            CodecError::UnknownType { name: format!(":{name}"), nearest: nearest.map(str::to_owned) }
        })
    }

    /// The EDN that [`KeyType::from_value`] reads back.
    pub fn to_value(&self) -> Value {
        let keyword = |scalar: &ScalarType| Value::keyword(scalar.name());
        match self {
            Self::Data => Value::keyword("data"),
            Self::Raw => Value::keyword("raw"),
            Self::Id => Value::keyword("id"),
            Self::UInt64 => Value::keyword("uint64"),
            Self::UInt64Be => Value::keyword("uint64-be"),
            Self::Utf8Z => Value::keyword("utf-8"),
            Self::Utf8 => Value::keyword("utf-8-bare"),
            Self::Ignore => Value::keyword("ignore"),
            Self::Scalar(scalar) => keyword(scalar),
            Self::Tuple(scalars) => Value::Vector(scalars.iter().map(keyword).collect()),
            Self::Many(scalar) => Value::Vector(vec![keyword(scalar)]),
            Self::Registered(registered) => Value::Keyword(registered.name().clone()),
        }
    }

    /// The registered type, if it is one.
    pub fn as_registered(&self) -> Option<&RegisteredType> {
        match self {
            Self::Registered(registered) => Some(registered),
            _ => None,
        }
    }

    /// The type of keys or values that a call works with: what it gives, or else what the table was made with.
    ///
    /// A registered type belongs to its table: the call gives the same, or none.
    pub(crate) fn of_call(given: Option<Self>, stored: Option<&Self>) -> Result<Self> {
        match (given, stored) {
            (None | Some(Self::Data), Some(stored @ Self::Registered(_))) => Ok(stored.clone()),
            (Some(given), Some(stored @ Self::Registered(declared))) => match given {
                // Not read at all.
                Self::Ignore => Ok(given),
                given if given == *stored => Ok(stored.clone()),
                given => {
                    let declared = declared.name().clone();
                    Err(CodecError::DeclaredOtherwise { declared, given: given.to_string() })
                }
            },
            (Some(Self::Registered(given)), _) => Err(CodecError::NotDeclared { name: given.name().clone() }),
            (given, stored) => Ok(given.or_else(|| stored.cloned()).unwrap_or_default()),
        }
    }

    /// Whether ranges over the type mean something.
    pub fn is_ordered(&self) -> bool {
        !matches!(self, Self::Data | Self::Ignore)
    }

    fn unsigned(&self, value: &Value) -> Result<u64> {
        let unsigned = match value {
            Value::Int(integer) => u64::try_from(*integer).ok(),
            Value::BigInt(integer) => u64::try_from(integer).ok(),
            _ => return Err(self.wrong(value)),
        };
        unsigned.ok_or(CodecError::Range { type_name: "uint64", limit: "0 to 18446744073709551615" })
    }

    fn wrong(&self, value: &Value) -> CodecError {
        wrong(&self.to_string(), value)
    }

    fn put(&self, value: &Value, buffer: &mut Buffer, bound: bool) -> Result<()> {
        match (self, value) {
            (Self::Data, value) => data::put(value, buffer),
            (Self::Raw, Value::Bytes(bytes)) => {
                buffer.extend_from_slice(bytes);
                Ok(())
            }
            (Self::Id, Value::Int(id)) => {
                wire::put_id(*id, buffer);
                Ok(())
            }
            (Self::UInt64, value) => {
                buffer.extend_from_slice(&self.unsigned(value)?.to_ne_bytes());
                Ok(())
            }
            (Self::UInt64Be, value) => {
                buffer.extend_from_slice(&self.unsigned(value)?.to_be_bytes());
                Ok(())
            }
            (Self::Utf8, Value::Str(text)) => {
                buffer.extend_from_slice(text.as_bytes());
                Ok(())
            }
            (Self::Utf8Z, Value::Str(text)) => Utf8Z.encode(text, buffer).map(drop),
            (Self::Ignore, _) => Ok(()),
            (Self::Registered(registered), value) => registered.put(value, buffer),
            (Self::Scalar(scalar), value) => scalar.put(value, buffer, false),
            (Self::Tuple(scalars), value) => {
                let items = value.as_sequence().ok_or_else(|| self.wrong(value))?;
                if items.len() != scalars.len() {
                    return Err(CodecError::Arity { expected: scalars.len(), got: items.len() });
                }
                buffer.push(wire::TUPLE);
                put_elements(scalars.iter().copied(), items, buffer, bound)
            }
            (Self::Many(scalar), value) => {
                let items = value.as_sequence().ok_or_else(|| self.wrong(value))?;
                if items.is_empty() {
                    return Err(CodecError::EmptyTuple);
                }
                buffer.push(wire::MANY);
                put_elements(std::iter::repeat(*scalar), items, buffer, bound)
            }
            (_, value) => Err(self.wrong(value)),
        }
    }

    /// A bound of a type in whose order only equal values have one place.
    fn bound<'b>(&self, bound: Bound<&Value>, buffer: &'b mut Buffer) -> Result<Bound<&'b [u8]>> {
        buffer.clear();
        if let Bound::Included(value) | Bound::Excluded(value) = bound {
            self.put(value, buffer, true)?;
        }
        Ok(bound.map(|_| buffer.as_slice()))
    }

    fn take(&self, mut bytes: &[u8]) -> Result<Value> {
        let input = &mut bytes;
        let value = match self {
            Self::Data => return data::get(bytes),
            Self::Raw => return Ok(Value::Bytes(bytes.into())),
            Self::Ignore => return Ok(Value::Nil),
            Self::Registered(registered) => return registered.take(bytes),
            Self::UInt64 => return NativeU64.decode(bytes).map(integer),
            Self::UInt64Be => return BigEndianU64.decode(bytes).map(integer),
            Self::Utf8 => return Utf8.decode(bytes).map(Value::str),
            Self::Utf8Z => return Utf8Z.decode(bytes).map(Value::str),
            Self::Id => Value::Int(wire::take_id(input)?),
            Self::Scalar(scalar) => scalar.take_last(input)?,
            Self::Tuple(scalars) => {
                wire::take_header(input, wire::TUPLE, "tuple")?;
                Value::Vector(scalars.iter().map(|scalar| scalar.take(input)).collect::<Result<_>>()?)
            }
            Self::Many(scalar) => {
                wire::take_header(input, wire::MANY, "tuple")?;
                let mut items = Vec::new();
                while !input.is_empty() {
                    items.push(scalar.take(input)?);
                }
                Value::Vector(items)
            }
        };
        wire::end(bytes, "value")?;
        Ok(value)
    }
}

/// An unsigned integer as EDN.
fn integer(unsigned: u64) -> Value {
    i64::try_from(unsigned).map_or_else(|_| Value::BigInt(unsigned.into()), Value::Int)
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

fn wrong(expected: &str, value: &Value) -> CodecError {
    CodecError::Type { expected: expected.to_owned(), got: value.type_name(), value: edn::shorten(value) }
}

fn element_type(value: &Value) -> Result<ScalarType> {
    match KeyType::from_value(value)? {
        KeyType::Scalar(scalar) => Ok(scalar),
        other => Err(CodecError::TypeNotAllowed { name: other.to_string(), place: "inside a tuple" }),
    }
}

fn put_elements(
    scalars: impl Iterator<Item = ScalarType>,
    items: &[Value],
    buffer: &mut Buffer,
    bound: bool,
) -> Result<()> {
    for (index, (scalar, item)) in scalars.zip(items).enumerate() {
        match bound_only(item) {
            Some(byte) if bound => buffer.push(byte),
            Some(wire::LEAST) => return Err(CodecError::BoundOnly(LEAST)),
            Some(_) => return Err(CodecError::BoundOnly(GREATEST)),
            None => tuple::put_element(index, buffer, |buffer| scalar.put(item, buffer, true))?,
        }
    }
    Ok(())
}

/// The byte that stands for the least or the greatest element.
fn bound_only(item: &Value) -> Option<u8> {
    let keyword = item.as_keyword()?;
    match (keyword.namespace()?, keyword.name()) {
        ("db.value", "sysMin") => Some(wire::LEAST),
        ("db.value", "sysMax") => Some(wire::GREATEST),
        _ => None,
    }
}

impl ScalarType {
    /// Writes a value; as an element of a tuple so that it tells its own end.
    fn put(self, value: &Value, buffer: &mut Buffer, element: bool) -> Result<()> {
        match (self, value) {
            (Self::Long, Value::Int(long)) => wire::put_long(*long, buffer),
            (Self::Double, Value::Float(double)) => wire::put_double(*double, buffer)?,
            (Self::Float, Value::Float(double)) => wire::put_float(narrowed(*double)?, buffer)?,
            // Numbers of other types are taken if nothing of them is lost.
            (Self::Double, Value::Int(integer)) if is_exact(*integer, 53) => {
                wire::put_double(*integer as f64, buffer)?;
            }
            (Self::Float, Value::Int(integer)) if is_exact(*integer, 24) => {
                wire::put_float(*integer as f32, buffer)?;
            }
            (Self::Long, Value::BigInt(integer)) => match i64::try_from(integer) {
                Ok(integer) => wire::put_long(integer, buffer),
                Err(_) => return Err(CodecError::Range { type_name: "long", limit: "it must fit 64 bits" }),
            },
            (Self::BigDec, Value::Int(integer)) => {
                return self.put(&Value::Decimal((*integer).into()), buffer, element);
            }
            (Self::BigDec, Value::BigInt(integer)) => {
                return self.put(&Value::Decimal(integer.clone().into()), buffer, element);
            }
            (Self::BigInt, Value::BigInt(integer)) => number::put_bigint(integer, buffer)?,
            (Self::BigInt, Value::Int(integer)) => number::put_bigint(&(*integer).into(), buffer)?,
            (Self::BigDec, Value::Decimal(decimal)) if element => tuple::put_decimal(decimal, buffer)?,
            (Self::BigDec, Value::Decimal(decimal)) => number::put_decimal(decimal, buffer)?,
            (Self::Boolean, Value::Bool(boolean)) => wire::put_boolean(*boolean, buffer),
            (Self::Instant, Value::Inst(millis)) => wire::put_instant(*millis, buffer),
            (Self::Uuid, Value::Uuid(uuid)) => wire::put_uuid(*uuid, buffer),
            (Self::String, Value::Str(text)) => put_bytes(wire::STRING, text.as_bytes(), buffer, element)?,
            (Self::Bytes, Value::Bytes(bytes)) => put_bytes(wire::BYTES, bytes, buffer, element)?,
            (Self::Keyword, Value::Keyword(name)) => {
                put_name(wire::KEYWORD, name.namespace(), name.name(), buffer, element)?;
            }
            (Self::Symbol, Value::Symbol(name)) => {
                put_name(wire::SYMBOL, name.namespace(), name.name(), buffer, element)?;
            }
            (scalar, value) => return Err(wrong(&KeyType::Scalar(scalar).to_string(), value)),
        }
        Ok(())
    }

    /// Reads an element of a tuple.
    fn take(self, input: &mut &[u8]) -> Result<Value> {
        match self {
            Self::String => tuple::take_text(input).map(|text| Value::str(&*text)),
            Self::Bytes => {
                wire::take_escaped(input, wire::BYTES, "bytes").map(|bytes| Value::Bytes((&*bytes).into()))
            }
            Self::Keyword => keyword(&wire::take_escaped(input, wire::KEYWORD, "keyword")?),
            Self::Symbol => symbol(&wire::take_escaped(input, wire::SYMBOL, "symbol")?),
            _ => self.take_last(input),
        }
    }

    /// Reads a value that reaches to the end of the input, where its type allows that.
    fn take_last(self, input: &mut &[u8]) -> Result<Value> {
        Ok(match self {
            Self::Long => Value::Int(wire::take_long(input)?),
            Self::Float => Value::Float(wire::take_float(input)?.into()),
            Self::Double => Value::Float(wire::take_double(input)?),
            Self::BigInt => Value::BigInt(number::take_bigint(input)?),
            Self::BigDec => Value::Decimal(number::take_decimal(input)?),
            Self::Boolean => Value::Bool(wire::take_boolean(input)?),
            Self::Instant => Value::Inst(wire::take_instant(input)?),
            Self::Uuid => Value::Uuid(wire::take_uuid(input)?),
            Self::String => Value::str(wire::utf8(rest(input, wire::STRING, "string")?, "string")?),
            Self::Bytes => Value::Bytes(rest(input, wire::BYTES, "bytes")?.into()),
            Self::Keyword => keyword(rest(input, wire::KEYWORD, "keyword")?)?,
            Self::Symbol => symbol(rest(input, wire::SYMBOL, "symbol")?)?,
        })
    }
}

/// Whether a binary fraction of so many bits is the integer exactly.
fn is_exact(integer: i64, bits: u32) -> bool {
    let magnitude = integer.unsigned_abs();
    magnitude == 0 || u64::BITS - magnitude.leading_zeros() - magnitude.trailing_zeros() <= bits
}

/// A double as a float: rounded, but not to infinity.
fn narrowed(double: f64) -> Result<f32> {
    let float = double as f32;
    if float.is_infinite() && double.is_finite() {
        return Err(CodecError::Range { type_name: "float", limit: "about 3.4e38" });
    }
    Ok(float)
}

fn put_bytes(header: u8, bytes: &[u8], buffer: &mut Buffer, element: bool) -> Result<()> {
    if element {
        return wire::put_escaped(header, bytes, buffer);
    }
    wire::put_rest(header, bytes, buffer);
    Ok(())
}

fn put_name(
    header: u8,
    namespace: Option<&str>,
    name: &str,
    buffer: &mut Buffer,
    element: bool,
) -> Result<()> {
    if element {
        return tuple::put_name(header, namespace, name, buffer);
    }
    buffer.push(header);
    wire::put_name(namespace, name, buffer)
}

/// Everything behind the header.
fn rest<'b>(input: &mut &'b [u8], header: u8, type_name: &'static str) -> Result<&'b [u8]> {
    let rest = wire::rest(input, header, type_name)?;
    *input = &[];
    Ok(rest)
}

fn keyword(bytes: &[u8]) -> Result<Value> {
    wire::name(bytes, "keyword").map(|(namespace, name)| Value::Keyword(edn::Keyword::new(namespace, name)))
}

fn symbol(bytes: &[u8]) -> Result<Value> {
    wire::name(bytes, "symbol").map(|(namespace, name)| Value::Symbol(edn::Symbol::new(namespace, name)))
}

impl Codec for KeyType {
    type In<'a> = &'a Value;
    type Out<'a> = Value;

    fn encode<'i: 'b, 'b>(&self, item: &'i Value, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        buffer.clear();
        self.put(item, buffer, false)?;
        Ok(buffer)
    }

    fn encode_bound<'i: 'b, 'b>(&self, item: &'i Value, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        buffer.clear();
        self.put(item, buffer, true)?;
        Ok(buffer)
    }

    fn lower_bound<'i: 'b, 'b>(
        &self,
        bound: Bound<&'i Value>,
        buffer: &'b mut Buffer,
    ) -> Result<Bound<&'b [u8]>> {
        match self {
            Self::Registered(registered) => registered.lower_bound(bound, buffer),
            _ => self.bound(bound, buffer),
        }
    }

    fn upper_bound<'i: 'b, 'b>(
        &self,
        bound: Bound<&'i Value>,
        buffer: &'b mut Buffer,
    ) -> Result<Bound<&'b [u8]>> {
        match self {
            Self::Registered(registered) => registered.upper_bound(bound, buffer),
            _ => self.bound(bound, buffer),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value> {
        self.take(bytes)
    }
}
