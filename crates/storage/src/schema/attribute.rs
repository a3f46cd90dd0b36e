//! One attribute: its properties as types.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use edn::{Keyword, Value};

use crate::ids::AttrId;
use crate::types::RegisteredType;

/// The declared type of an attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ValueType {
    /// `:db.type/long`
    Long,
    /// `:db.type/double`
    Double,
    /// `:db.type/float`, stored as a double
    Float,
    /// `:db.type/bigint`
    BigInt,
    /// `:db.type/bigdec`
    BigDec,
    /// `:db.type/string`
    String,
    /// `:db.type/keyword`
    Keyword,
    /// `:db.type/symbol`
    Symbol,
    /// `:db.type/boolean`
    Boolean,
    /// `:db.type/instant`
    Instant,
    /// `:db.type/uuid`
    Uuid,
    /// `:db.type/bytes`
    Bytes,
    /// `:db.type/ref`
    Ref,
    /// `:db.type/tuple`
    Tuple,
}

impl ValueType {
    /// Every type, in the order of the documentation.
    pub const ALL: [ValueType; 14] = [
        ValueType::Long,
        ValueType::Double,
        ValueType::Float,
        ValueType::BigInt,
        ValueType::BigDec,
        ValueType::String,
        ValueType::Keyword,
        ValueType::Symbol,
        ValueType::Boolean,
        ValueType::Instant,
        ValueType::Uuid,
        ValueType::Bytes,
        ValueType::Ref,
        ValueType::Tuple,
    ];

    /// The type's name without `:db.type/`.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::Long => "long",
            ValueType::Double => "double",
            ValueType::Float => "float",
            ValueType::BigInt => "bigint",
            ValueType::BigDec => "bigdec",
            ValueType::String => "string",
            ValueType::Keyword => "keyword",
            ValueType::Symbol => "symbol",
            ValueType::Boolean => "boolean",
            ValueType::Instant => "instant",
            ValueType::Uuid => "uuid",
            ValueType::Bytes => "bytes",
            ValueType::Ref => "ref",
            ValueType::Tuple => "tuple",
        }
    }

    /// The type's keyword, `:db.type/long`.
    pub fn keyword(self) -> Keyword {
        Keyword::new(Some("db.type"), self.name())
    }

    /// The type that `keyword` names.
    pub fn from_keyword(keyword: &Keyword) -> Option<Self> {
        if keyword.namespace() != Some("db.type") {
            return None;
        }
        Self::ALL.into_iter().find(|value_type| value_type.name() == keyword.name())
    }

    /// Whether values of this type may be elements of tuples.
    pub fn is_tuple_element(self) -> bool {
        !matches!(self, ValueType::Bytes | ValueType::Tuple)
    }

    /// Whether values are doubles.
    pub fn is_float(self) -> bool {
        matches!(self, ValueType::Double | ValueType::Float)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":db.type/{}", self.name())
    }
}

/// How many values an entity may have for an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// At most one: a new value replaces the old one.
    #[default]
    One,
    /// A set.
    Many,
}

/// The promise that no two entities share a value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unique {
    /// A duplicate is an error.
    Value,
    /// The value identifies: writing it without an entity id means its owner.
    Identity,
}

/// What a tuple attribute's vectors hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TupleSpec {
    /// The values of other attributes of the same entity, kept by the database.
    Composite(Vec<AttrId>),
    /// Any number of values of one type.
    Homogeneous(ValueType),
    /// One value of each type, in order.
    Heterogeneous(Vec<ValueType>),
}

/// An attribute and its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its number in index keys.
    pub id: AttrId,
    /// Its name.
    pub ident: Keyword,
    /// The type of its values; absent means any, or a registered type.
    pub value_type: Option<ValueType>,
    /// The registered type of its values.
    pub registered: Option<Arc<RegisteredType>>,
    /// One value or a set.
    pub cardinality: Cardinality,
    /// Whether values belong to one entity only.
    pub unique: Option<Unique>,
    /// Whether the referenced entity is a part of the referring one.
    pub is_component: bool,
    /// Whether the attribute is kept out of the AVE index.
    pub no_index: bool,
    /// Documentation.
    pub doc: Option<String>,
    /// The shape of tuples.
    pub tuple: Option<TupleSpec>,
    /// Predicates that every written value must satisfy: qualified symbols or descriptors of functions.
    pub preds: Vec<Value>,
    /// Further properties, kept and returned untouched.
    pub extra: BTreeMap<Keyword, Value>,
}

impl Attribute {
    /// An untyped single-valued attribute, as first writes of unknown attributes make them.
    pub fn untyped(id: AttrId, ident: Keyword) -> Self {
        Self {
            id,
            ident,
            value_type: None,
            registered: None,
            cardinality: Cardinality::One,
            unique: None,
            is_component: false,
            no_index: false,
            doc: None,
            tuple: None,
            preds: Vec::new(),
            extra: BTreeMap::new(),
        }
    }

    /// The name of its type, `:db.type/long` or `:my/version`, if it has one.
    pub fn type_name(&self) -> Option<Keyword> {
        match &self.registered {
            Some(registered) => Some(registered.name().clone()),
            None => self.value_type.map(ValueType::keyword),
        }
    }

    /// The value that is stored as `bytes`.
    #[inline]
    pub fn decode(&self, bytes: &[u8]) -> crate::Result<Value> {
        match &self.registered {
            Some(registered) => registered.decode(bytes),
            None => crate::decode(bytes),
        }
    }

    /// Whether it holds a set of values.
    pub fn is_many(&self) -> bool {
        self.cardinality == Cardinality::Many
    }

    /// Whether its values are references to entities.
    pub fn is_ref(&self) -> bool {
        self.value_type == Some(ValueType::Ref)
    }

    /// Whether its values are unique, in either sense.
    pub fn is_unique(&self) -> bool {
        self.unique.is_some()
    }

    /// Whether its values identify entities.
    pub fn is_identity(&self) -> bool {
        self.unique == Some(Unique::Identity)
    }

    /// The source attributes, if this is a composite tuple.
    pub fn composite(&self) -> Option<&[AttrId]> {
        if let Some(TupleSpec::Composite(sources)) = &self.tuple { Some(sources) } else { None }
    }

    /// Whether it came with the database.
    pub fn is_built_in(&self) -> bool {
        self.id < super::FIRST_USER_ATTR
    }
}
