//! Why an item has no bytes, or bytes no item.

use edn::{Keyword, Value};

/// Why an item could not be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value is of another type than the table's.
    #[error("expected a value of type {expected}, got {got}: {value}")]
    Type {
        /// The type wanted.
        expected: String,
        /// The type found.
        got: &'static str,
        /// The value, as EDN.
        value: String,
    },
    /// A tuple of the wrong length.
    #[error("expected a tuple of {expected} elements, got {got}")]
    Arity {
        /// How many elements the type has.
        expected: usize,
        /// How many the value has.
        got: usize,
    },
    /// A homogeneous tuple without elements has no type.
    #[error("a tuple needs at least one element")]
    EmptyTuple,
    /// Not a number.
    #[error("NaN has no place in an order and cannot be stored")]
    Nan,
    /// A number beyond what the type can hold.
    #[error("the number is out of the range of {type_name}: {limit}")]
    Range {
        /// The type.
        type_name: &'static str,
        /// Its limit.
        limit: &'static str,
    },
    /// An element of a tuple is too long.
    #[error("element {index} of the tuple has {len} bytes; the limit is 255")]
    ElementTooLong {
        /// Its place in the tuple, from zero.
        index: usize,
        /// Its length.
        len: usize,
    },
    /// Text with a zero byte where none can be.
    #[error("a zero character cannot be part of {what}")]
    ZeroByte {
        /// Where.
        what: &'static str,
    },
    /// The least and greatest element stand only in bounds of ranges over tuples.
    #[error("{0} can stand only for an element of a tuple, in the bound of a range")]
    BoundOnly(&'static str),
    /// No type has that name.
    #[error("unknown type {name}{hint}", hint = nearest.as_ref().map(|name| format!(", did you mean :{name}?")).unwrap_or_default())]
    UnknownType {
        /// What was given.
        name: String,
        /// A type with a name like it.
        nearest: Option<String>,
    },
    /// The type cannot be used there.
    #[error("type {name} cannot be used {place}")]
    TypeNotAllowed {
        /// The type.
        name: String,
        /// Where it was used.
        place: &'static str,
    },
    /// The bytes are not those of an item of the type.
    #[error("the stored bytes are not a {type_name}: {reason}")]
    Bytes {
        /// The type.
        type_name: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A type handler refused an item or bytes.
    #[error("type handler of {tag}: {reason}")]
    Handler {
        /// The handler's tag.
        tag: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The type is not registered here, or nothing here knows what its definition means.
    #[error("type {name} is not known to this store")]
    NotRegistered {
        /// The type.
        name: Keyword,
    },
    /// A registered type was given for a table that was not made with it.
    #[error("the table was not made with type {name}")]
    NotDeclared {
        /// The type.
        name: Keyword,
    },
    /// Another type was given than the registered one that the table was made with.
    #[error("the table was made with type {declared}, not {given}")]
    DeclaredOtherwise {
        /// The table's.
        declared: Keyword,
        /// What was given.
        given: String,
    },
    /// A registered type cannot stand there.
    #[error("type {name} cannot be used for {place}")]
    NoPlace {
        /// The type.
        name: Keyword,
        /// Where it was used.
        place: &'static str,
    },
    /// The name of a registered type has another definition.
    #[error("type {name} is registered already with another definition: {stored}, not {given}")]
    OtherDefinition {
        /// The type.
        name: Keyword,
        /// What it was registered as.
        stored: Box<Value>,
        /// What it was to be.
        given: Box<Value>,
    },
    /// The definition of a registered type, or one of its functions, failed.
    #[error("{message}")]
    Registered {
        /// A stable name of what failed, such as `:custom-type/order-key`.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What may help.
        hint: Option<&'static str>,
    },
    /// serde refused the item.
    #[error("{0}")]
    Serde(String),
}

impl CodecError {
    /// A stable name of the error's kind.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Type { .. } => ":kv/type",
            Self::Arity { .. } => ":kv/tuple-arity",
            Self::EmptyTuple => ":kv/tuple-empty",
            Self::Nan => ":kv/nan",
            Self::Range { .. } => ":kv/number-range",
            Self::ElementTooLong { .. } => ":kv/tuple-element-too-long",
            Self::ZeroByte { .. } => ":kv/zero-byte",
            Self::BoundOnly(_) => ":kv/bound-only",
            Self::UnknownType { .. } => ":kv/unknown-type",
            Self::TypeNotAllowed { .. } => ":kv/type-not-allowed",
            Self::Bytes { .. } => ":kv/undecodable",
            Self::Handler { .. } => ":kv/type-handler",
            Self::NotRegistered { .. } => ":custom-type/not-found",
            Self::NotDeclared { .. } => ":custom-type/undeclared",
            Self::DeclaredOtherwise { .. } => ":custom-type/type-mismatch",
            Self::NoPlace { .. } => ":custom-type/dbi",
            Self::OtherDefinition { .. } => ":custom-type/conflict",
            Self::Registered { code, .. } => code,
            Self::Serde(_) => ":kv/serde",
        }
    }

    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotRegistered { .. } => {
                Some("register the type, under a keyword with a namespace, before a table is made with it")
            }
            Self::NotDeclared { .. } => {
                Some("make a table with the type as its :key-type or, if it is a list table, :value-type")
            }
            Self::DeclaredOtherwise { .. } => Some("leave the type out: the table knows it"),
            Self::NoPlace { .. } => {
                Some("it can be the type of keys, and of the values of list tables, in byte order")
            }
            Self::OtherDefinition { .. } => Some(
                "register the new definition under another name, and move the pairs to a table of that type",
            ),
            Self::Registered { hint, .. } => *hint,
            Self::Type { got: "nil", .. } => Some("nil cannot be stored; what is not there has no entry"),
            Self::TypeNotAllowed { .. } => {
                Some("elements of tuples have ordered types, such as :long, :string or :uuid")
            }
            Self::BoundOnly(_) => {
                Some("for the ends of a range, :at-least, :at-most and :all need no such bound")
            }
            _ => None,
        }
    }

    /// Whether it is about a registered type, whose errors have names of their own.
    pub(crate) fn is_of_registered(&self) -> bool {
        self.code().starts_with(":custom-type/") || matches!(self, Self::Registered { .. })
    }

    pub(super) fn bytes(type_name: &'static str, reason: &'static str) -> Self {
        Self::Bytes { type_name, reason }
    }
}
