//! Why an item has no bytes, or bytes no item.

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
            Self::Serde(_) => ":kv/serde",
        }
    }

    pub(super) fn bytes(type_name: &'static str, reason: &'static str) -> Self {
        Self::Bytes { type_name, reason }
    }
}
