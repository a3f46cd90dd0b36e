//! What can be wrong with a registered type.

use edn::{Keyword, Symbol, Value};

/// A definition that does not hold, or a value that its type cannot take.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// A name that could be taken for a built-in type.
    #[error(
        "{name} cannot name a type: a keyword with a namespace of your own is needed, such as :my/version"
    )]
    Name {
        /// As written.
        name: Value,
    },
    /// A definition, or a part of one, that is no map.
    #[error("the definition of type {name} has {given} where a map is needed; expected {}", listed(known))]
    Definition {
        /// The type.
        name: Keyword,
        /// What stands there.
        given: Value,
        /// The options of such a map.
        known: &'static [&'static str],
    },
    /// An option that definitions do not have.
    #[error("the definition of type {name} has no option {option}; expected {}", listed(known))]
    UnknownOption {
        /// The type.
        name: Keyword,
        /// As written.
        option: Value,
        /// The options that there are.
        known: &'static [&'static str],
    },
    /// A version that is no positive integer.
    #[error("the version of type {name} must be a positive integer, got {given}")]
    Version {
        /// The type.
        name: Keyword,
        /// As written.
        given: Value,
    },
    /// Something that order keys cannot be made of.
    #[error(
        "type {name} cannot be ordered by {given}; expected :long, :double, :bigint, :bigdec, :string, :keyword, :symbol, \
         :boolean, :instant, :uuid or a vector of these, or :bytes or :id"
    )]
    Backing {
        /// The type.
        name: Keyword,
        /// As written.
        given: Value,
    },
    /// Something that cannot be called.
    #[error("the {kind} of type {name} must be written out, (fn [v] ..), or name a function, got {given}")]
    NotAFunction {
        /// The type.
        name: Keyword,
        /// What the function is for.
        kind: &'static str,
        /// As written.
        given: Value,
    },
    /// A descriptor of a function for something else.
    #[error("the {expected} of type {name} needs a descriptor with :udf/kind :{expected}, got {found}")]
    FunctionKind {
        /// The type.
        name: Keyword,
        /// The kind that is needed.
        expected: &'static str,
        /// The kind of the descriptor.
        found: Value,
    },
    /// A function that does not take one value.
    #[error("the {kind} of type {name} must take one value: {given}")]
    Arity {
        /// The type.
        name: Keyword,
        /// What the function is for.
        kind: &'static str,
        /// As written.
        given: Value,
    },
    /// A function that cannot be read.
    #[error("the {kind} of type {name} cannot be read: {message}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    FunctionSyntax {
        /// The type.
        name: Keyword,
        /// What the function is for.
        kind: &'static str,
        /// What is wrong.
        message: String,
        /// What may help.
        hint: Option<String>,
    },
    /// A written function where nothing can read it.
    #[error(
        "type {name} has functions that are written out, and this store was opened without a reader for them"
    )]
    NoInterpreter {
        /// The type.
        name: Keyword,
    },
    /// A function that the program did not give.
    #[error(
        "type {name} needs its {kind} {function}, which this program has not registered{}",
        nearest.as_ref().map(|name| format!(", did you mean {name}?")).unwrap_or_default()
    )]
    UnknownFunction {
        /// The type.
        name: Keyword,
        /// What the function is for.
        kind: &'static str,
        /// Its name.
        function: Symbol,
        /// A similar name.
        nearest: Option<Symbol>,
    },
    /// Only one of the two functions of a payload.
    #[error("the payload of type {name} needs both :serialize and :deserialize")]
    PayloadIncomplete {
        /// The type.
        name: Keyword,
    },
    /// The name is taken by another type.
    #[error("type {name} is registered already with another definition: {stored}, not {given}")]
    Conflict {
        /// The type.
        name: Keyword,
        /// What it was registered as.
        stored: Value,
        /// What it was to be.
        given: Value,
    },
    /// A function that failed.
    #[error("the {kind} of type {name} failed for {value}: {message}")]
    FunctionFailed {
        /// The type.
        name: Keyword,
        /// What the function is for.
        kind: &'static str,
        /// The value.
        value: Value,
        /// What it said.
        message: String,
    },
    /// An order key of another type than was promised.
    #[error("the order-fn of type {name} gave {key} for {value}, where {backing} is expected")]
    OrderKey {
        /// The type.
        name: Keyword,
        /// What keys are made of.
        backing: Value,
        /// The value.
        value: Value,
        /// Its key.
        key: Value,
    },
    /// An order key that is too long.
    #[error("the order-fn of type {name} gave a key of {len} bytes, and at most {max} are allowed")]
    OrderKeyTooLong {
        /// The type.
        name: Keyword,
        /// The length of its encoding.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A type of a database, registered elsewhere than on its connection.
    #[error("the file holds a database, so type {name} is to be registered on its connection")]
    BesideFacts {
        /// The type.
        name: Keyword,
    },
    /// A value that does not survive being stored.
    #[error(
        "type {name} cannot store {value}: the serializer made {payload} of it, from which the deserializer made {back}"
    )]
    Payload {
        /// The type.
        name: Keyword,
        /// The value.
        value: Value,
        /// What the serializer made of it.
        payload: Value,
        /// What the deserializer made of that.
        back: Value,
    },
}

fn listed(options: &[&str]) -> String {
    options.iter().map(|option| format!(":{option}")).collect::<Vec<_>>().join(", ")
}

impl TypeError {
    /// A stable code, such as `:custom-type/conflict`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => ":custom-type/name",
            Self::Definition { .. } | Self::UnknownOption { .. } => ":custom-type/definition",
            Self::Version { .. } => ":custom-type/version",
            Self::Backing { .. } => ":custom-type/backing-type",
            Self::FunctionKind { .. } => ":udf/kind-mismatch",
            Self::UnknownFunction { .. } => ":udf/not-found",
            Self::Arity { .. } => ":custom-type/arity",
            Self::NotAFunction { .. }
            | Self::FunctionSyntax { .. }
            | Self::NoInterpreter { .. }
            | Self::FunctionFailed { .. } => ":custom-type/function",
            Self::Conflict { .. } => ":custom-type/conflict",
            Self::OrderKey { .. } | Self::OrderKeyTooLong { .. } => ":custom-type/order-key",
            Self::PayloadIncomplete { .. } | Self::Payload { .. } => ":custom-type/payload",
            Self::BesideFacts { .. } => ":custom-type/beside-facts",
        }
    }

    /// A stable name of the kind of error.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Name { .. } => "type-name",
            Self::Definition { .. } | Self::UnknownOption { .. } => "type-definition",
            Self::Version { .. } => "type-version",
            Self::Backing { .. } => "type-backing",
            Self::Arity { .. } => "type-arity",
            Self::UnknownFunction { .. } => "unknown-function",
            Self::NotAFunction { .. }
            | Self::FunctionKind { .. }
            | Self::FunctionSyntax { .. }
            | Self::NoInterpreter { .. }
            | Self::FunctionFailed { .. } => "type-function",
            Self::Conflict { .. } => "type-conflict",
            Self::OrderKey { .. } | Self::OrderKeyTooLong { .. } => "type-order-key",
            Self::PayloadIncomplete { .. } | Self::Payload { .. } => "type-payload",
            Self::BesideFacts { .. } => "type-beside-facts",
        }
    }

    /// Whether it is about a value that the type cannot take, so that nothing can have this value.
    pub fn is_about_value(&self) -> bool {
        matches!(
            self,
            Self::FunctionFailed { .. }
                | Self::OrderKey { .. }
                | Self::OrderKeyTooLong { .. }
                | Self::Payload { .. }
        )
    }

    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Conflict { .. } => Some(
                "register the new definition under another name, and move the values to an attribute of that type",
            ),
            Self::UnknownFunction { .. } => {
                Some("open the database with the function or the Rust type that it was registered with")
            }
            Self::OrderKey { .. } => {
                Some("give every value of the attribute a key of that type, and never nil")
            }
            Self::OrderKeyTooLong { .. } => {
                Some("order by a part of the value; values with equal keys are kept apart anyway")
            }
            Self::BesideFacts { .. } => {
                Some("register it with (register-type conn ..): tables and attributes share types")
            }
            Self::Payload { .. } => Some("the deserializer must give back exactly what the serializer took"),
            _ => None,
        }
    }
}
