//! What order keys are made of: values of one type, or tuples of a fixed length.

use edn::{Keyword, Value};

/// The type of an order key, or of an element of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyType {
    /// Integers of 64 bits.
    Long,
    /// Integers from 0 on.
    Id,
    /// Doubles; `NaN` is none.
    Double,
    /// The same, by its other name.
    Float,
    /// Integers of any size.
    BigInt,
    /// Decimals: by number, then by scale.
    BigDec,
    /// Texts, by code point.
    String,
    /// Bytes; not in tuples.
    Bytes,
    /// Keywords: plain ones first, then by namespace and name.
    Keyword,
    /// Symbols, as keywords.
    Symbol,
    /// `false` before `true`.
    Boolean,
    /// Points in time.
    Instant,
    /// UUIDs, by their bytes.
    Uuid,
}

const NAMES: [(&str, KeyType); 13] = [
    ("long", KeyType::Long),
    ("id", KeyType::Id),
    ("double", KeyType::Double),
    ("float", KeyType::Float),
    ("bigint", KeyType::BigInt),
    ("bigdec", KeyType::BigDec),
    ("string", KeyType::String),
    ("bytes", KeyType::Bytes),
    ("keyword", KeyType::Keyword),
    ("symbol", KeyType::Symbol),
    ("boolean", KeyType::Boolean),
    ("instant", KeyType::Instant),
    ("uuid", KeyType::Uuid),
];

impl KeyType {
    fn name(self) -> &'static str {
        NAMES.iter().find(|(_, other)| *other == self).map_or("long", |(name, _)| name)
    }

    /// From `:long`, or `:db.type/long`.
    fn from_value(value: &Value) -> Option<Self> {
        let keyword = value.as_keyword()?;
        if !matches!(keyword.namespace(), None | Some("db.type")) {
            return None;
        }
        NAMES.iter().find(|(name, _)| *name == keyword.name()).map(|(_, key_type)| *key_type)
    }

    /// The value as a key of this type; integers become big ones, decimals or doubles, so that all of a type have one encoding.
    fn fit(self, value: Value) -> Result<Value, Value> {
        match (self, value) {
            (Self::BigInt, Value::Int(number)) => Ok(Value::BigInt(number.into())),
            (Self::BigDec, Value::Int(number)) => Ok(Value::Decimal(number.into())),
            (Self::Double | Self::Float, Value::Int(number)) => Ok(Value::Float(number as f64)),
            (Self::Id, Value::Int(number)) if number < 0 => Err(Value::Int(number)),
            (Self::Double | Self::Float, Value::Float(number)) if number.is_nan() => {
                Err(Value::Float(number))
            }
            (Self::Long | Self::Id, value @ Value::Int(_))
            | (Self::Double | Self::Float, value @ Value::Float(_))
            | (Self::BigInt, value @ Value::BigInt(_))
            | (Self::BigDec, value @ Value::Decimal(_))
            | (Self::String, value @ Value::Str(_))
            | (Self::Bytes, value @ Value::Bytes(_))
            | (Self::Keyword, value @ Value::Keyword(_))
            | (Self::Symbol, value @ Value::Symbol(_))
            | (Self::Boolean, value @ Value::Bool(_))
            | (Self::Instant, value @ Value::Inst(_))
            | (Self::Uuid, value @ Value::Uuid(_)) => Ok(value),
            (_, value) => Err(value),
        }
    }
}

/// What the order function of a type yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// One value.
    Scalar(KeyType),
    /// A vector with one value of each type, ordered by the first, then by the second, and so on; nil comes first.
    Tuple(Vec<KeyType>),
}

impl Backing {
    /// From `:long` or `[:long :string]`; `None` if it is neither.
    pub fn from_value(value: &Value) -> Option<Self> {
        let Value::Vector(items) = value else { return KeyType::from_value(value).map(Self::Scalar) };
        let types: Option<Vec<KeyType>> = items.iter().map(KeyType::from_value).collect();
        let types = types.filter(|types| !types.is_empty())?;
        let is_allowed = |key_type: &KeyType| !matches!(key_type, KeyType::Bytes | KeyType::Id);
        types.iter().all(is_allowed).then_some(Self::Tuple(types))
    }

    /// As it is written.
    pub fn to_value(&self) -> Value {
        let keyword = |key_type: &KeyType| Value::Keyword(Keyword::new(None, key_type.name()));
        match self {
            Self::Scalar(key_type) => keyword(key_type),
            Self::Tuple(types) => Value::Vector(types.iter().map(keyword).collect()),
        }
    }

    /// The key as it is stored, or the key itself if it is of another type.
    pub(super) fn fit(&self, key: Value) -> Result<Value, Value> {
        match (self, key) {
            (Self::Scalar(key_type), key) => key_type.fit(key),
            (Self::Tuple(types), Value::Vector(items)) if items.len() == types.len() => {
                // A part that is missing is nil, and comes first.
                let fit = |(key_type, item): (&KeyType, &Value)| match item {
                    Value::Nil => Ok(Value::Nil),
                    item => key_type.fit(item.clone()),
                };
                let fitted: Result<Vec<Value>, Value> = types.iter().zip(&items).map(fit).collect();
                fitted.map(Value::Vector).map_err(|_| Value::Vector(items))
            }
            (_, key) => Err(key),
        }
    }
}
