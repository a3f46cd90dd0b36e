//! [`Object`]: what expressions yield: data, and what data cannot hold.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use edn::{Symbol, Value};
use storage::Db;
use storage::entity::{Entity, EntityValue};
use storage::transact::{InterpretError, InterpretErrorKind as Kind};

use super::compile::FunctionSpec;
use super::library::Native;
use super::{Result, error};
use crate::functions::Function;

/// Data, or a thing that data cannot be.
#[derive(Clone)]
#[non_exhaustive]
pub enum Object {
    /// Data.
    Value(Value),
    /// A database.
    Db(Db),
    /// An entity of a database.
    Entity(Entity),
    /// A datom: entity, attribute, value, and whether it was added where that matters. It is a vector of these that also answers to
    /// `:e`, `:a`, `:v` and `:added`.
    Datom(Arc<[Value]>),
    /// A sequence that holds more than data.
    Sequence(Arc<Vec<Object>>),
    /// Something to call.
    Function(Callable),
}

/// A function of the program around, under the name by which errors call it.
pub type Host = Arc<dyn Fn(&[Object]) -> Result<Object, InterpretError> + Send + Sync>;

/// Something to call.
#[derive(Clone)]
#[non_exhaustive]
pub enum Callable {
    /// A function that was written out, with what it saw where it was made.
    Closure(Arc<FunctionSpec>, Arc<Vec<Object>>),
    /// One of this module.
    Native(&'static Native),
    /// One of the query language.
    Query(Arc<Function>),
    /// One of the program around.
    Host(&'static str, Host),
    /// A function with its first arguments.
    Partial(Arc<(Object, Vec<Object>)>),
    /// The opposite of a predicate.
    Complement(Arc<Object>),
    /// Functions one after another, the last one first.
    Composed(Arc<Vec<Object>>),
    /// Always the same.
    Constantly(Arc<Object>),
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("function")
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Sequence(items) => items.fmt(f),
            Self::Entity(entity) => entity.fmt(f),
            Self::Datom(parts) => write!(f, "{}", Value::Vector(parts.to_vec())),
            other => f.write_str(other.type_name()),
        }
    }
}

impl Object {
    pub(crate) const NIL: Self = Self::Value(Value::Nil);

    /// A function of the program around.
    pub fn host(
        name: &'static str,
        function: impl Fn(&[Object]) -> Result<Object, InterpretError> + Send + Sync + 'static,
    ) -> Self {
        Self::Function(Callable::Host(name, Arc::new(function)))
    }

    /// What it is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Value(value) => value.type_name(),
            Self::Db(_) => "database",
            Self::Entity(_) => "entity",
            Self::Datom(_) => "datom",
            Self::Sequence(_) => "sequence",
            Self::Function(_) => "function",
        }
    }

    /// The data: entities as their ids, as they stand in transactions.
    ///
    /// # Errors
    ///
    /// For databases and functions, and sequences of them.
    pub fn into_value(self) -> Result<Value, InterpretError> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Entity(entity) => Ok(entity.id().into()),
            Self::Datom(parts) => Ok(Value::Vector(parts.to_vec())),
            Self::Sequence(items) => {
                let items = items.iter().cloned().map(Self::into_value);
                items.collect::<Result<_>>().map(Value::Vector)
            }
            other => {
                let message = format!("a {} cannot be part of data", other.type_name());
                let hint = matches!(other, Self::Function(_))
                    .then(|| "a function that is data is quoted: (quote (fn [..] ..))".to_owned());
                Err(InterpretError { hint, ..error(Kind::Argument, message) })
            }
        }
    }

    pub(crate) fn is_truthy(&self) -> bool {
        if let Self::Value(value) = self { value.is_truthy() } else { true }
    }

    pub(crate) fn is_nil(&self) -> bool {
        matches!(self, Self::Value(Value::Nil))
    }

    /// The elements of a collection; a map's and an entity's are pairs, nil has none.
    pub(crate) fn elements(&self) -> Result<Option<Vec<Object>>> {
        Ok(Some(match self {
            Self::Value(Value::Str(text)) => text.chars().map(|c| Self::Value(Value::Char(c))).collect(),
            Self::Value(value) => match crate::functions::elements(value) {
                Some(items) => items.into_iter().map(Self::Value).collect(),
                None => return Ok(None),
            },
            Self::Sequence(items) => items.to_vec(),
            Self::Datom(parts) => parts.iter().cloned().map(Self::Value).collect(),
            Self::Entity(entity) => entity
                .attributes()
                .map_err(storage_failed)?
                .into_iter()
                .map(|(name, value)| {
                    Self::sequence(vec![Self::Value(name.into()), Self::of_entity_value(value)])
                })
                .collect(),
            Self::Db(_) | Self::Function(_) => return Ok(None),
        }))
    }

    /// A vector if everything in it is data.
    pub(crate) fn sequence(items: Vec<Object>) -> Self {
        if items.iter().all(|item| matches!(item, Self::Value(_))) {
            let values =
                items.into_iter().map(|item| if let Self::Value(value) = item { value } else { Value::Nil });
            Self::Value(Value::Vector(values.collect()))
        } else {
            Self::Sequence(Arc::new(items))
        }
    }

    pub(crate) fn of_entity_value(value: EntityValue) -> Self {
        match value {
            EntityValue::Value(value) => Self::Value(value),
            EntityValue::Values(values) => Self::Value(Value::Set(values)),
            EntityValue::Entity(entity) => Self::Entity(entity),
            EntityValue::Entities(entities) => {
                Self::Sequence(Arc::new(entities.into_iter().map(Self::Entity).collect()))
            }
        }
    }

    /// What a map, a set, a vector, a datom or an entity has under a key.
    ///
    /// # Errors
    ///
    /// If an entity cannot be read, or the key is no data.
    pub fn lookup(&self, key: &Object) -> Result<Option<Object>, InterpretError> {
        match self {
            Self::Entity(entity) => match key {
                Self::Value(Value::Keyword(name)) => {
                    let found = entity.get(name.clone()).map_err(storage_failed)?;
                    Ok(found.map(Self::of_entity_value))
                }
                _ => Ok(None),
            },
            Self::Value(collection) => {
                let key = key.clone().into_value()?;
                Ok(crate::functions::lookup(collection, &key).map(Self::Value))
            }
            Self::Datom(parts) => Ok(datom_part(parts, key).map(Self::Value)),
            Self::Sequence(items) => Ok(index(key).and_then(|index| items.get(index)).cloned()),
            Self::Db(_) | Self::Function(_) => Ok(None),
        }
    }

    /// Equality as the query language has it; entities are equal by id.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(one), Self::Value(other)) => crate::functions::compare::equal(one, other),
            (Self::Entity(one), Self::Entity(other)) => one == other,
            (Self::Datom(one), Self::Datom(other)) => one == other,
            (Self::Datom(parts), Self::Value(value)) | (Self::Value(value), Self::Datom(parts)) => {
                crate::functions::compare::equal(&Value::Vector(parts.to_vec()), value)
            }
            (Self::Sequence(one), Self::Sequence(other)) => {
                one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| one.equals(other))
            }
            _ => false,
        }
    }
}

fn index(key: &Object) -> Option<usize> {
    let Object::Value(key) = key else { return None };
    key.as_int().and_then(|index| usize::try_from(index).ok())
}

/// What a datom has under a keyword, or at a place.
fn datom_part(parts: &[Value], key: &Object) -> Option<Value> {
    let Object::Value(Value::Keyword(name)) = key else { return parts.get(index(key)?).cloned() };
    match name.as_str() {
        "e" => parts.first().cloned(),
        "a" => parts.get(1).cloned(),
        "v" => parts.get(2).cloned(),
        "added" => Some(parts.get(3).cloned().unwrap_or(Value::Bool(true))),
        _ => None,
    }
}

pub(super) fn storage_failed(problem: storage::Error) -> InterpretError {
    error(Kind::Argument, problem.to_string())
}

/// The set of what are data among objects.
pub(super) fn to_set(items: Vec<Object>) -> Result<BTreeSet<Value>> {
    items.into_iter().map(Object::into_value).collect()
}

/// The unqualified form of a name, if its namespace is one that functions are called by.
pub(super) fn plain_name(name: &Symbol) -> Option<String> {
    match name.namespace() {
        None | Some("d" | "datalevin.core" | "clojure.core") => Some(name.name().to_owned()),
        Some("str" | "string" | "s" | "clojure.string") => Some(format!("clojure.string/{}", name.name())),
        Some(_) => None,
    }
}
