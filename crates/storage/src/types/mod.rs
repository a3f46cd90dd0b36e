//! Registered types: value types of users, with an order of their own.
//!
//! ```text
//! {:index {:type [:long :long] :order-fn (fn [v] [(:major v) (:minor v)])}}   TypeDefinition, kept in `meta`
//!
//! value --order function--> order key --+--> | 5A | order key | value |   what the indexes hold (encode.rs)
//!       --serializer, if any-> payload -/
//! ```
//!
//! A registered type belongs to attributes. What they hold are values like all others: equal to the same value elsewhere,
//! joined, printed and returned as what they are. What the type adds is their order in the index, and with it the meaning of
//! ranges and comparisons: the order of the keys that its order function gives, and among equal keys that of the values.
//!
//! The order function and the optional serializer are written out, `(fn [v] ..)`, and stored with the database, or they are named
//! and given by the program ([`TypeFunctions`]). They must always give the same key for the same value: keys are stored, and
//! values are found by their key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use edn::{Keyword, Value};

mod backing;
mod definition;
mod encode;
mod error;
mod functions;
mod tables;
#[cfg(test)]
mod tests;

pub use backing::{Backing, KeyType};
pub use definition::{TypeDefinition, TypeFunction};
pub use error::TypeError;
pub use functions::{TypeFunctions, ValueFunction, ValueInterpreter};
pub use tables::{register_for_tables, types_of_tables};

/// The longest order key, in bytes of its encoding.
pub const ORDER_KEY_MAX: usize = 64 << 10;

/// A type that a database knows.
pub struct RegisteredType {
    name: Keyword,
    definition: TypeDefinition,
    functions: TypeFunctions,
    /// Made when first needed, so that a database opens without the functions of types that nobody uses.
    compiled: OnceLock<Compiled>,
}

#[derive(Clone)]
struct Compiled {
    order: ValueFunction,
    payload: Option<(ValueFunction, ValueFunction)>,
}

impl RegisteredType {
    /// A type with the functions that its definition may name.
    pub fn new(name: Keyword, definition: TypeDefinition, functions: TypeFunctions) -> Self {
        Self { name, definition, functions, compiled: OnceLock::new() }
    }

    /// The type's name, which stands as `:db/valueType`.
    pub fn name(&self) -> &Keyword {
        &self.name
    }

    /// What it was registered as.
    pub fn definition(&self) -> &TypeDefinition {
        &self.definition
    }

    /// The key by which a value is ordered.
    ///
    /// # Errors
    ///
    /// If the order function is not known to this program, fails, or gives something else than the backing type.
    pub fn order_key(&self, value: &Value) -> Result<Value, TypeError> {
        let key = self.call(&self.compiled()?.order, "order-fn", value)?;
        let backing = &self.definition.backing;
        backing.fit(key).map_err(|key| TypeError::OrderKey {
            name: self.name.clone(),
            backing: backing.to_value(),
            value: value.clone(),
            key,
        })
    }

    /// What stands for a value in the indexes after its order key.
    fn payload(&self, value: &Value) -> Result<Option<Value>, TypeError> {
        let Some((serialize, deserialize)) = &self.compiled()?.payload else { return Ok(None) };
        let payload = self.call(serialize, "serializer", value)?;
        // Equal values must have equal bytes and others not, so nothing may get lost.
        let back = self.call(deserialize, "deserializer", &payload)?;
        if payload.is_nil() || back != *value {
            return Err(TypeError::Payload { name: self.name.clone(), value: value.clone(), payload, back });
        }
        Ok(Some(payload))
    }

    fn call(&self, function: &ValueFunction, kind: &'static str, value: &Value) -> Result<Value, TypeError> {
        function(value).map_err(|source| TypeError::FunctionFailed {
            name: self.name.clone(),
            kind,
            value: value.clone(),
            message: source.to_string(),
        })
    }

    fn compiled(&self) -> Result<&Compiled, TypeError> {
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled);
        }
        let find = |function: &TypeFunction, kind| self.functions.resolve(&self.name, function, kind);
        let payload = match &self.definition.payload {
            Some((serialize, deserialize)) => {
                Some((find(serialize, "serializer")?, find(deserialize, "deserializer")?))
            }
            None => None,
        };
        let compiled = Compiled { order: find(&self.definition.order, "order-fn")?, payload };
        Ok(self.compiled.get_or_init(|| compiled))
    }
}

impl PartialEq for RegisteredType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.definition == other.definition
    }
}

impl Eq for RegisteredType {}

impl fmt::Debug for RegisteredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.definition.to_value())
    }
}

/// The types of a database, and the functions that this program has for them.
#[derive(Clone, Debug, Default)]
pub struct Types {
    by_name: BTreeMap<Keyword, Arc<RegisteredType>>,
    functions: TypeFunctions,
}

impl PartialEq for Types {
    fn eq(&self, other: &Self) -> bool {
        self.by_name == other.by_name
    }
}

impl Types {
    /// No types, and these functions for those to come.
    pub(crate) fn new(functions: TypeFunctions) -> Self {
        Self { by_name: BTreeMap::new(), functions }
    }

    /// The type of this name.
    pub fn get(&self, name: &Keyword) -> Option<&Arc<RegisteredType>> {
        self.by_name.get(name)
    }

    /// All types, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<RegisteredType>> {
        self.by_name.values()
    }

    /// The functions that this program has for types.
    pub fn functions(&self) -> &TypeFunctions {
        &self.functions
    }

    /// Registers one more type; the same one again changes nothing.
    pub(crate) fn register(&mut self, name: &Keyword, definition: &TypeDefinition) -> Result<(), TypeError> {
        definition::check_name(name)?;
        if let Some(known) = self.by_name.get(name) {
            return match known.definition == *definition {
                true => Ok(()),
                false => Err(TypeError::Conflict {
                    name: name.clone(),
                    stored: known.definition.to_value(),
                    given: definition.to_value(),
                }),
            };
        }
        // Functions that are written out must be readable; named ones may come with another program.
        self.functions.check(name, definition)?;
        self.insert(name.clone(), definition.clone());
        Ok(())
    }

    fn insert(&mut self, name: Keyword, definition: TypeDefinition) {
        let functions = self.functions.clone();
        let registered = RegisteredType::new(name.clone(), definition, functions);
        self.by_name.insert(name, Arc::new(registered));
    }

    /// The types as a map from name to definition, as they are stored.
    pub fn to_value(&self) -> Value {
        let entries = self.by_name.values();
        let entry =
            |known: &Arc<RegisteredType>| (Value::Keyword(known.name.clone()), known.definition.to_value());
        Value::Map(entries.map(entry).collect())
    }

    /// The types of [`to_value`](Self::to_value).
    pub(crate) fn from_value(value: &Value, functions: TypeFunctions) -> Result<Self, TypeError> {
        let mut types = Self::new(functions);
        for (name, definition) in value.as_map().into_iter().flatten() {
            let name = name.as_keyword().ok_or_else(|| TypeError::Name { name: name.clone() })?;
            types.insert(name.clone(), TypeDefinition::from_value(name, definition)?);
        }
        Ok(types)
    }
}
