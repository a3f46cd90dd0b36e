//! What a query is asked about: sources, rules, and the functions of a program.

use std::collections::BTreeMap;
use std::sync::Arc;

use edn::{Keyword, Symbol, Value};
use query::ast::{RuleDefinition, Rules};

use super::{Failure, Result};

/// A fact: entity, attribute, value.
pub type Fact = (i64, Keyword, Value);

/// What the schema says of an attribute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attribute {
    /// Values are entities.
    pub is_ref: bool,
    /// Values are 64-bit integers.
    pub is_long: bool,
    /// An entity may have several values.
    pub many: bool,
    /// Entities are found by it.
    pub unique: bool,
    /// What it refers to is part of the entity.
    pub component: bool,
}

/// A list of facts with their schema.
#[derive(Clone, Debug, Default)]
pub struct Database {
    /// The schema.
    pub attributes: BTreeMap<Keyword, Attribute>,
    /// The facts, each once.
    pub facts: Vec<Fact>,
}

impl Database {
    /// What the schema says; nothing of attributes that it does not know.
    pub fn attribute(&self, name: &Keyword) -> Attribute {
        self.attributes.get(name).copied().unwrap_or_default()
    }

    /// The entity that a value stands for: a number, a lookup ref or an ident.
    pub fn entity(&self, value: &Value) -> Option<i64> {
        let with = |attribute: &Keyword, value: &Value| {
            let fact = self.facts.iter().find(|(_, a, v)| a == attribute && v == value);
            fact.map(|(e, ..)| *e)
        };
        match value {
            Value::Int(id) => Some(*id),
            Value::Keyword(_) => with(&Keyword::from(":db/ident"), value),
            Value::Vector(parts) => match parts.as_slice() {
                [Value::Keyword(attribute), value] => with(attribute, value),
                _ => None,
            },
            _ => None,
        }
    }

    /// The values of an entity's attribute, in their order.
    pub fn values(&self, entity: i64, attribute: &Keyword) -> Vec<&Value> {
        let own = self.facts.iter().filter(|(e, a, _)| *e == entity && a == attribute);
        let mut values: Vec<&Value> = own.map(|(.., v)| v).collect();
        values.sort();
        values
    }

    /// A literal in value position, as the attribute would store it.
    pub fn literal(&self, attribute: &Keyword, value: &Value) -> Result<Value> {
        let known = self.attribute(attribute);
        match value {
            Value::Keyword(_) | Value::Vector(_) if known.is_ref => {
                self.entity(value).map(Value::Int).ok_or(Failure::Missing)
            }
            Value::Float(float) if (known.is_long || known.is_ref) && float.fract() == 0.0 => {
                Ok(Value::Int(*float as i64))
            }
            _ => Ok(value.clone()),
        }
    }
}

/// What stands behind the name of a source.
#[derive(Clone, Debug)]
pub enum Source {
    /// A database.
    Facts(Arc<Database>),
    /// A collection of tuples.
    Tuples(Arc<Vec<Vec<Value>>>),
}

/// A function of a program.
pub type Host = fn(&[Value]) -> std::result::Result<Value, String>;

/// An aggregate of a program: what stands before the variable, and the values of the group.
pub type HostAggregate = fn(&[Value], &[Value]) -> Value;

/// Everything that a query may ask about.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The sources, by their names.
    pub sources: BTreeMap<Symbol, Source>,
    /// The rules.
    pub rules: Arc<Rules>,
    /// Functions by their names, and by the variables to which inputs bind them.
    pub functions: BTreeMap<Symbol, Host>,
    /// Aggregates by their names.
    pub aggregates: BTreeMap<Symbol, HostAggregate>,
}

impl World {
    /// One database, under `$`.
    pub fn of(database: Database, rules: Arc<Rules>) -> Self {
        let sources = BTreeMap::from([(Symbol::from("$"), Source::Facts(Arc::new(database)))]);
        Self { sources, rules, ..Self::default() }
    }

    /// The definitions of a rule.
    pub fn definitions(&self, name: &Symbol) -> impl Iterator<Item = &RuleDefinition> {
        self.rules.definitions.iter().filter(move |definition| definition.name == *name)
    }

    /// The database under a name.
    pub fn database(&self, name: &Symbol) -> Result<&Database> {
        match self.sources.get(name) {
            Some(Source::Facts(database)) => Ok(database),
            _ => Err(Failure::Function(format!("{name} is no database"))),
        }
    }
}
