//! [`Value`]: any piece of EDN data, with a total order and a hash so that it can be a key, a set member or a join value.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use ordered_float::OrderedFloat;

use crate::name::{Keyword, Symbol};

/// An EDN value.
///
/// Equality is by exact type: `1`, `1.0`, `1N` and `1M` are four different values, and decimals of
/// different scale differ; `-0.0` equals `0.0`, and NaN equals itself so that the order is total.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// `nil`
    #[default]
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// A 64-bit integer: `42`.
    Int(i64),
    /// An arbitrary-precision integer: `42N`.
    BigInt(BigInt),
    /// An exact ratio in lowest terms: `1/3`.
    Ratio(BigRational),
    /// A double: `4.2`, `##Inf`.
    Float(f64),
    /// An arbitrary-precision decimal: `4.20M`.
    Decimal(BigDecimal),
    /// A character: `\a`.
    Char(char),
    /// A string.
    Str(Arc<str>),
    /// A keyword: `:person/name`.
    Keyword(Keyword),
    /// A symbol: `?x`.
    Symbol(Symbol),
    /// `#inst`: milliseconds since 1970-01-01T00:00:00Z.
    Inst(i64),
    /// `#uuid`
    Uuid(uuid::Uuid),
    /// Raw bytes, printed as `#bytes "hex"`.
    Bytes(Arc<[u8]>),
    /// `(a b)`
    List(Vec<Value>),
    /// `[a b]`
    Vector(Vec<Value>),
    /// `{k v}`
    Map(BTreeMap<Value, Value>),
    /// `#{a b}`
    Set(BTreeSet<Value>),
    /// A value under a tag that this crate does not know: `#my/tag value`.
    Tagged(Symbol, Box<Value>),
}

impl Value {
    /// A string value.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// A keyword value from text with or without its colon.
    pub fn keyword(text: &str) -> Self {
        Self::Keyword(Keyword::from(text))
    }

    /// A symbol value.
    pub fn symbol(text: &str) -> Self {
        Self::Symbol(Symbol::from(text))
    }

    /// Whether this is `nil`.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// Clojure's truth: everything but `nil` and `false`.
    pub fn is_truthy(&self) -> bool {
        !matches!(self, Self::Nil | Self::Bool(false))
    }

    /// The integer, if this is one of 64 bits.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(value) = self { Some(*value) } else { None }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// The keyword, if this is one.
    pub fn as_keyword(&self) -> Option<&Keyword> {
        if let Self::Keyword(keyword) = self { Some(keyword) } else { None }
    }

    /// The symbol, if this is one.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        if let Self::Symbol(symbol) = self { Some(symbol) } else { None }
    }

    /// The elements of a list or a vector.
    pub fn as_sequence(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) | Self::Vector(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, if this is a map.
    pub fn as_map(&self) -> Option<&BTreeMap<Value, Value>> {
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }

    /// The name of this value's type, as error messages use it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "long",
            Self::BigInt(_) => "bigint",
            Self::Ratio(_) => "ratio",
            Self::Float(_) => "double",
            Self::Decimal(_) => "bigdec",
            Self::Char(_) => "character",
            Self::Str(_) => "string",
            Self::Keyword(_) => "keyword",
            Self::Symbol(_) => "symbol",
            Self::Inst(_) => "instant",
            Self::Uuid(_) => "uuid",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Vector(_) => "vector",
            Self::Map(_) => "map",
            Self::Set(_) => "set",
            Self::Tagged(..) => "tagged value",
        }
    }

    /// The place of this value's type in the order across types; it agrees with the order of stored values.
    fn rank(&self) -> u8 {
        match self {
            Self::Nil => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::BigInt(_) => 3,
            Self::Ratio(_) => 4,
            Self::Float(_) => 5,
            Self::Decimal(_) => 6,
            Self::Inst(_) => 7,
            Self::Uuid(_) => 8,
            Self::Char(_) => 9,
            Self::Str(_) => 10,
            Self::Keyword(_) => 11,
            Self::Symbol(_) => 12,
            Self::Bytes(_) => 13,
            Self::Vector(_) => 14,
            Self::List(_) => 15,
            Self::Set(_) => 16,
            Self::Map(_) => 17,
            Self::Tagged(..) => 18,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    /// By type first, then by value; sequences element-wise, a prefix before its extensions.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) | (Self::Inst(a), Self::Inst(b)) => a.cmp(b),
            (Self::BigInt(a), Self::BigInt(b)) => a.cmp(b),
            (Self::Ratio(a), Self::Ratio(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => OrderedFloat(*a).cmp(&OrderedFloat(*b)),
            (Self::Decimal(a), Self::Decimal(b)) => {
                a.cmp(b).then_with(|| a.fractional_digit_count().cmp(&b.fractional_digit_count()))
            }
            (Self::Char(a), Self::Char(b)) => a.cmp(b),
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::Keyword(a), Self::Keyword(b)) => a.cmp(b),
            (Self::Symbol(a), Self::Symbol(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) | (Self::Vector(a), Self::Vector(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) => a.cmp(b),
            (Self::Set(a), Self::Set(b)) => a.cmp(b),
            (Self::Tagged(a, x), Self::Tagged(b, y)) => a.cmp(b).then_with(|| x.cmp(y)),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Nil => {}
            Self::Bool(value) => value.hash(state),
            Self::Int(value) | Self::Inst(value) => value.hash(state),
            Self::BigInt(value) => value.hash(state),
            Self::Ratio(value) => value.hash(state),
            Self::Float(value) => OrderedFloat(*value).hash(state),
            // Equal decimals have equal digits and scale, so hashing both agrees with equality.
            Self::Decimal(value) => value.as_bigint_and_exponent().hash(state),
            Self::Char(value) => value.hash(state),
            Self::Str(value) => value.hash(state),
            Self::Keyword(value) => value.hash(state),
            Self::Symbol(value) => value.hash(state),
            Self::Uuid(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::List(items) | Self::Vector(items) => items.hash(state),
            Self::Map(entries) => entries.hash(state),
            Self::Set(items) => items.hash(state),
            Self::Tagged(tag, value) => {
                tag.hash(state);
                value.hash(state);
            }
        }
    }
}

macro_rules! from {
    ($($type:ty, $value:ident => $result:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $result
            }
        })*
    };
}

from! {
    bool, value => Self::Bool(value);
    i32, value => Self::Int(value.into());
    i64, value => Self::Int(value);
    u32, value => Self::Int(value.into());
    f64, value => Self::Float(value);
    char, value => Self::Char(value);
    &str, value => Self::Str(value.into());
    String, value => Self::Str(value.into());
    Keyword, value => Self::Keyword(value);
    Symbol, value => Self::Symbol(value);
    BigInt, value => Self::BigInt(value);
    BigDecimal, value => Self::Decimal(value);
    uuid::Uuid, value => Self::Uuid(value);
    Vec<Value>, value => Self::Vector(value);
    BTreeMap<Value, Value>, value => Self::Map(value);
    BTreeSet<Value>, value => Self::Set(value);
}
