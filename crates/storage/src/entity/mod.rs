//! [`Entity`]: one entity of a database, read attribute by attribute, as a map that follows references.
//!
//! ```text
//! Db::entity(reference) -> Entity --get(":person/name")--> value
//!                                 --get(":person/boss")--> Entity --get(..)--> ..
//!                                 --get(":person/_boss")-> the entities that refer to it
//!                                 --assoc / add / retract--> Entity over a speculative database, with its changes
//! ```
//!
//! An entity holds its database, which never changes; so it gives the same answers for as long as it lives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;

use edn::{Keyword, Value};

mod touch;

use crate::transact::{EntityBuilder, TransactError, Tx, TxValue};
use crate::{Attribute, Db, EncodedValue, EntityId, Result};

/// One entity of a database. Nothing is read before it is asked for.
///
/// ```
/// use factum_storage::{Db, DbOptions, Schema};
/// use edn::Value;
///
/// let schema = edn::read("{:boss {:db/valueType :db.type/ref}}").expect("valid EDN");
/// let db = Db::empty(Schema::from_value(&schema)?, DbOptions::default());
/// let db = db.db_with(&edn::read(r#"[{:name "Ada" :boss {:name "Mary"}}]"#).expect("valid EDN"))?;
///
/// let ada = db.entity(&Value::from(1))?.expect("a number is always an entity");
/// let boss = ada.get(":boss")?.and_then(|boss| boss.into_entity()).expect("Ada has a boss");
/// assert_eq!(boss.get(":name")?.expect("she has a name").to_value(), Value::from("Mary"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Entity {
    id: EntityId,
    db: Db,
    /// Changes that `db` shows already and no store has.
    changes: Tx,
}

/// What an entity has for an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityValue {
    /// The value of a single-valued attribute.
    Value(Value),
    /// The values of a many-valued attribute.
    Values(BTreeSet<Value>),
    /// The entity that a single-valued reference points to, or the owner of a component.
    Entity(Entity),
    /// The entities that a many-valued reference points to, or those that point back, ascending.
    Entities(Vec<Entity>),
}

impl Db {
    /// The entity that a number, an ident or a lookup reference names; nothing for an ident or lookup reference that
    /// nothing carries, for nil and for strings. Any number names an entity, even one without facts.
    pub fn entity(&self, reference: &Value) -> Result<Option<Entity>> {
        let id = match reference {
            Value::Nil | Value::Str(_) => None,
            Value::Int(number) => EntityId::from_int(*number),
            other => self.entid(other)?,
        };
        Ok(id.map(|id| self.entity_at(id)))
    }

    /// The entity with this id.
    pub fn entity_at(&self, id: EntityId) -> Entity {
        Entity { id, db: self.clone(), changes: Tx::new() }
    }
}

impl Entity {
    /// Its id.
    pub fn id(&self) -> EntityId {
        self.id
    }

    /// The database that it is read from.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// What it has for an attribute. References give entities; `:ns/_attr` gives the entities that refer to this one,
    /// or the one that owns it if the attribute is a component. `:db/id` is the id.
    pub fn get(&self, attribute: impl Into<Keyword>) -> Result<Option<EntityValue>> {
        let name = attribute.into();
        if name.as_str() == "db/id" {
            return Ok(Some(EntityValue::Value(self.id.into())));
        }
        let schema = self.db.schema();
        if let Some(attribute) = schema.attribute(&name) {
            let values = self.db.values(self.id, attribute.id)?;
            return self.value_of(attribute, values.iter().map(EncodedValue::as_bytes));
        }
        let forward = name.name().strip_prefix('_').map(|forward| Keyword::new(name.namespace(), forward));
        match forward.and_then(|forward| schema.attribute(&forward)) {
            Some(attribute) if attribute.is_ref() => self.referrers(attribute),
            _ => Ok(None),
        }
    }

    /// What it has for an attribute, or `default`.
    pub fn get_or(&self, attribute: impl Into<Keyword>, default: impl Into<Value>) -> Result<EntityValue> {
        Ok(self.get(attribute)?.unwrap_or_else(|| EntityValue::Value(default.into())))
    }

    /// Whether it has anything for an attribute.
    pub fn contains(&self, attribute: impl Into<Keyword>) -> Result<bool> {
        Ok(self.get(attribute)?.is_some())
    }

    /// All its attributes, without `:db/id`.
    pub fn attributes(&self) -> Result<BTreeMap<Keyword, EntityValue>> {
        let mut facts: BTreeMap<_, Vec<&[u8]>> = BTreeMap::new();
        self.db.eav().entity(self.id.0, &mut |a, value| {
            facts.entry(a).or_default().push(value);
            ControlFlow::Continue(())
        })?;
        let mut attributes = BTreeMap::new();
        for (a, values) in facts {
            let Some(attribute) = self.db.schema().by_id(a) else { continue };
            if let Some(value) = self.value_of(attribute, values.into_iter())? {
                attributes.insert(attribute.ident.clone(), value);
            }
        }
        Ok(attributes)
    }

    /// Everything about it as a map: many values as sets, references as `{:db/id n}`, components as maps of their own.
    pub fn touch(&self) -> Result<Value> {
        touch::touch(&self.db, self.id)
    }

    fn value_of<'v>(
        &self,
        attribute: &Attribute,
        mut values: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Option<EntityValue>> {
        let found = match (attribute.is_ref(), attribute.is_many()) {
            (false, false) => {
                values.next().map(|value| attribute.decode(value).map(EntityValue::Value)).transpose()?
            }
            (false, true) => {
                Some(EntityValue::Values(values.map(|value| attribute.decode(value)).collect::<Result<_>>()?))
            }
            (true, false) => values.next().and_then(|value| self.neighbour(value)).map(EntityValue::Entity),
            (true, true) => Some(EntityValue::Entities(values.filter_map(|v| self.neighbour(v)).collect())),
        };
        Ok(found.filter(|found| !found.is_empty()))
    }

    fn neighbour(&self, value: &[u8]) -> Option<Entity> {
        let id = crate::decode_int(value).and_then(EntityId::from_int)?;
        Some(self.db.entity_at(id))
    }

    fn referrers(&self, attribute: &Attribute) -> Result<Option<EntityValue>> {
        let value = EncodedValue::int(self.id.as_int());
        let mut referrers = self.db.entities(attribute.id, &value)?.into_iter();
        let entity = |id| self.db.entity_at(EntityId(id));
        let found = match attribute.is_component {
            true => referrers.next().map(|id| EntityValue::Entity(entity(id))),
            false => Some(EntityValue::Entities(referrers.map(entity).collect())),
        };
        Ok(found.filter(|found| !found.is_empty()))
    }
}

/// Changes: each gives an entity that shows them already; pass [`changes`](Entity::changes) to a transaction to keep
/// them.
impl Entity {
    /// The changes as transaction data.
    pub fn changes(&self) -> &Tx {
        &self.changes
    }

    /// Sets an attribute, or adds to the values of a many-valued one.
    pub fn assoc(
        &self,
        attribute: impl Into<Keyword>,
        value: impl Into<TxValue>,
    ) -> Result<Self, TransactError> {
        self.change(Tx::new().entity(EntityBuilder::with_id(self.id).set(attribute, value)))
    }

    /// Sets an attribute to what `f` makes of its value.
    pub fn update<F, V>(&self, attribute: impl Into<Keyword>, f: F) -> Result<Self, TransactError>
    where
        F: FnOnce(Option<EntityValue>) -> V,
        V: Into<TxValue>,
    {
        let attribute = attribute.into();
        let value = f(self.get(attribute.clone())?);
        self.assoc(attribute, value)
    }

    /// Adds one value of an attribute.
    pub fn add(
        &self,
        attribute: impl Into<Keyword>,
        value: impl Into<TxValue>,
    ) -> Result<Self, TransactError> {
        self.change(Tx::new().add(self.id, attribute, value))
    }

    /// Retracts every value of an attribute.
    pub fn retract(&self, attribute: impl Into<Keyword>) -> Result<Self, TransactError> {
        self.change(Tx::new().retract_attribute(self.id, attribute))
    }

    /// Retracts one value of an attribute.
    pub fn retract_value(
        &self,
        attribute: impl Into<Keyword>,
        value: impl Into<TxValue>,
    ) -> Result<Self, TransactError> {
        self.change(Tx::new().retract(self.id, attribute, value))
    }

    fn change(&self, change: Tx) -> Result<Self, TransactError> {
        let db = self.db.db_with(&change)?;
        Ok(Self { id: self.id, db, changes: self.changes.clone().append(change) })
    }
}

impl EntityValue {
    fn is_empty(&self) -> bool {
        match self {
            Self::Values(values) => values.is_empty(),
            Self::Entities(entities) => entities.is_empty(),
            Self::Value(_) | Self::Entity(_) => false,
        }
    }

    /// The value, if there is one that is no reference.
    pub fn into_value(self) -> Option<Value> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    /// The entity, if there is just one.
    pub fn into_entity(self) -> Option<Entity> {
        if let Self::Entity(entity) = self { Some(entity) } else { None }
    }

    /// The entities; none if this is no reference.
    pub fn into_entities(self) -> Vec<Entity> {
        match self {
            Self::Entity(entity) => vec![entity],
            Self::Entities(entities) => entities,
            Self::Value(_) | Self::Values(_) => Vec::new(),
        }
    }

    /// As EDN: many values as a set, entities as `{:db/id n}`.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Values(values) => Value::Set(values.clone()),
            Self::Entity(entity) => touch::only_id(entity.id),
            Self::Entities(entities) => {
                Value::Set(entities.iter().map(|entity| touch::only_id(entity.id)).collect())
            }
        }
    }
}

impl PartialEq for Entity {
    /// By id, whatever the database.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Entity {}

impl Hash for Entity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", touch::only_id(self.id))
    }
}
