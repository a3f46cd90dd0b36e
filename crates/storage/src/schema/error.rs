//! What can be wrong with a schema.

use edn::{Keyword, Value};

use crate::types::TypeError;

/// A schema, or a change of one, that does not hold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A property that is malformed or does not go with the others.
    #[error("attribute {attribute}: {property} {reason}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Property {
        /// The attribute.
        attribute: Keyword,
        /// The property.
        property: Keyword,
        /// What is wrong.
        reason: String,
        /// What may have been meant.
        hint: Option<String>,
    },

    /// A registered type that does not hold.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Something that is not a schema at all.
    #[error("a schema is a map from attributes to maps of properties, got {got}")]
    Shape {
        /// What was given.
        got: Value,
    },

    /// A property or type whose engine is not built yet.
    #[error("attribute {attribute}: {property} is not supported yet ({feature})")]
    Unsupported {
        /// The attribute.
        attribute: Keyword,
        /// The property.
        property: Keyword,
        /// What it would need.
        feature: &'static str,
    },

    /// An attribute of the database itself.
    #[error("{attribute} belongs to the database and cannot be {action}")]
    BuiltIn {
        /// The attribute.
        attribute: Keyword,
        /// What was tried.
        action: &'static str,
    },

    /// An attribute that is not there.
    #[error("there is no attribute {attribute}{}", nearest.as_ref().map(|name| format!(", did you mean {name}?")).unwrap_or_default())]
    MissingAttribute {
        /// As written.
        attribute: Keyword,
        /// A similar name.
        nearest: Option<Keyword>,
    },

    /// Renames that meet each other or an existing attribute.
    #[error("cannot rename {from} to {to}: {reason}")]
    RenameConflict {
        /// The old name.
        from: Keyword,
        /// The new name.
        to: Keyword,
        /// What stands in the way.
        reason: &'static str,
    },

    /// More attributes than ids.
    #[error("a database holds at most 2^31 attributes")]
    TooManyAttributes,
}

impl SchemaError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            SchemaError::Type(error) => error.code(),
            SchemaError::Property { .. } | SchemaError::Shape { .. } | SchemaError::BuiltIn { .. } => {
                ":schema/validation"
            }
            SchemaError::Unsupported { .. } => ":schema/unsupported",
            SchemaError::MissingAttribute { .. } => ":schema/missing-attribute",
            SchemaError::RenameConflict { .. } => ":schema/rename-conflict",
            SchemaError::TooManyAttributes => ":schema/limit",
        }
    }

    /// The class of the error.
    pub fn class(&self) -> &'static str {
        match self {
            SchemaError::Type(error) => error.class(),
            SchemaError::Property { .. } | SchemaError::Shape { .. } | SchemaError::BuiltIn { .. } => {
                "bad-schema"
            }
            SchemaError::Unsupported { .. } => "unsupported",
            SchemaError::MissingAttribute { .. } => "missing-attribute",
            SchemaError::RenameConflict { .. } => "rename-conflict",
            SchemaError::TooManyAttributes => "limit",
        }
    }
}
