//! [`Tx`] and [`EntityBuilder`]: transaction data written in Rust instead of EDN.

use std::fmt;

use bigdecimal::BigDecimal;
use edn::{Keyword, Symbol, Value};
use num_bigint::BigInt;

use super::functions::{Check, FunctionError, TxFunction};
use crate::{Datom, Db, EntityId};

/// Transaction data under construction: entities, single facts, retractions and calls, applied in order.
///
/// ```
/// use factum_storage::transact::{EntityBuilder, Tx, lookup};
///
/// let tx = Tx::new()
///     .entity(EntityBuilder::new().set(":person/name", "Ada").set(":person/age", 36))
///     .entity(
///         EntityBuilder::new()
///             .set(":person/name", "Charles")
///             .set(":person/friend", EntityBuilder::new().set(":person/name", "Mary"))
///             .set_all(":person/tags", ["engineer", "mathematician"]),
///     )
///     .add(lookup(":person/name", "Ada"), ":person/friend", lookup(":person/name", "Charles"))
///     .retract_attribute(lookup(":person/name", "Ada"), ":person/age");
/// assert_eq!(tx.len(), 4);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Tx {
    items: Vec<TxItem>,
}

/// One item of a [`Tx`].
#[derive(Clone)]
pub(crate) enum TxItem {
    /// Anything with an EDN shape: a map, an operation vector, nil.
    Data(TxValue),
    /// A closure that yields more transaction data.
    Call(TxFunction, Vec<Value>),
    /// A closure that must hold for the database after the transaction.
    Ensure(Check, Vec<Value>),
    /// A datom, added or retracted by its flag.
    Datom(Datom),
}

impl fmt::Debug for TxItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(data) => data.fmt(f),
            Self::Call(_, args) => write!(f, "call{args:?}"),
            Self::Ensure(_, args) => write!(f, "ensure{args:?}"),
            Self::Datom(datom) => datom.fmt(f),
        }
    }
}

impl Tx {
    /// No items.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn items(&self) -> &[TxItem] {
        &self.items
    }

    /// The items that have an EDN shape.
    pub(crate) fn data_items(&self) -> impl Iterator<Item = &TxValue> {
        self.items.iter().filter_map(|item| if let TxItem::Data(data) = item { Some(data) } else { None })
    }

    /// The items as EDN; nothing if there are closures or datoms among them, which have no such form.
    pub fn to_value(&self) -> Option<Value> {
        let data = |item: &TxItem| if let TxItem::Data(data) = item { Some(data.to_value()) } else { None };
        self.items.iter().map(data).collect::<Option<_>>().map(Value::Vector)
    }

    fn item(mut self, item: TxItem) -> Self {
        self.items.push(item);
        self
    }

    fn operation(self, name: &str, parts: impl IntoIterator<Item = TxValue>) -> Self {
        let operator = std::iter::once(Value::keyword(name).into());
        self.item(TxItem::Data(TxValue::Many(operator.chain(parts).collect())))
    }

    /// These items, then those of another transaction.
    pub fn append(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self
    }

    /// Any piece of EDN transaction data.
    pub fn data(self, item: impl Into<TxValue>) -> Self {
        self.item(TxItem::Data(item.into()))
    }

    /// Adds an entity's attributes; creates the entity, or finds it by id or by a unique identity.
    pub fn entity(self, entity: EntityBuilder) -> Self {
        self.item(TxItem::Data(TxValue::Entity(entity)))
    }

    /// `[:db/add e a v]`
    pub fn add(
        self,
        entity: impl Into<TxValue>,
        attribute: impl Into<Keyword>,
        value: impl Into<TxValue>,
    ) -> Self {
        let attribute = Value::Keyword(attribute.into());
        self.operation(":db/add", [entity.into(), attribute.into(), value.into()])
    }

    /// `[:db/retract e a v]`
    pub fn retract(
        self,
        entity: impl Into<TxValue>,
        attribute: impl Into<Keyword>,
        value: impl Into<TxValue>,
    ) -> Self {
        let attribute = Value::Keyword(attribute.into());
        self.operation(":db/retract", [entity.into(), attribute.into(), value.into()])
    }

    /// `[:db/retract e a]`: all values, and the children of component values.
    pub fn retract_attribute(self, entity: impl Into<TxValue>, attribute: impl Into<Keyword>) -> Self {
        let attribute = Value::Keyword(attribute.into());
        self.operation(":db/retract", [entity.into(), attribute.into()])
    }

    /// `[:db/retractEntity e]`: its facts, the references to it and its component children.
    pub fn retract_entity(self, entity: impl Into<TxValue>) -> Self {
        self.operation(":db/retractEntity", [entity.into()])
    }

    /// `[:db/cas e a old new]`: sets `new` if the value is `old` now; `Value::Nil` stands for absent.
    pub fn compare_and_swap(
        self,
        entity: impl Into<TxValue>,
        attribute: impl Into<Keyword>,
        old: impl Into<TxValue>,
        new: impl Into<TxValue>,
    ) -> Self {
        let attribute = Value::Keyword(attribute.into());
        self.operation(":db/cas", [entity.into(), attribute.into(), old.into(), new.into()])
    }

    /// `[:db.fn/call name arg ..]`: a function registered under `name`.
    pub fn call(self, name: impl Into<Symbol>, args: impl IntoIterator<Item = Value>) -> Self {
        let name = std::iter::once(TxValue::from(Value::Symbol(name.into())));
        self.operation(":db.fn/call", name.chain(args.into_iter().map(TxValue::from)))
    }

    /// Calls a closure with the database as the earlier items leave it; what it returns is spliced in here.
    pub fn call_with<F>(self, function: F, args: impl IntoIterator<Item = Value>) -> Self
    where
        F: Fn(&Db, &[Value]) -> Result<Tx, FunctionError> + Send + Sync + 'static,
    {
        self.item(TxItem::Call(std::sync::Arc::new(function), args.into_iter().collect()))
    }

    /// Aborts the transaction unless `check` holds for the database after it.
    pub fn ensure<F>(self, check: F, args: impl IntoIterator<Item = Value>) -> Self
    where
        F: Fn(&Db, &[Value]) -> Result<bool, FunctionError> + Send + Sync + 'static,
    {
        self.item(TxItem::Ensure(std::sync::Arc::new(check), args.into_iter().collect()))
    }

    /// Adds or retracts a datom, by its flag.
    pub fn datom(self, datom: Datom) -> Self {
        self.item(TxItem::Datom(datom))
    }
}

impl FromIterator<EntityBuilder> for Tx {
    fn from_iter<I: IntoIterator<Item = EntityBuilder>>(entities: I) -> Self {
        let items = entities.into_iter().map(|entity| TxItem::Data(TxValue::Entity(entity)));
        Self { items: items.collect() }
    }
}

impl FromIterator<Datom> for Tx {
    fn from_iter<I: IntoIterator<Item = Datom>>(datoms: I) -> Self {
        Self { items: datoms.into_iter().map(TxItem::Datom).collect() }
    }
}

impl From<Value> for Tx {
    /// A sequence of items; nil is no items; anything else is one item.
    fn from(value: Value) -> Self {
        let items = match value {
            Value::Nil => Vec::new(),
            Value::List(items) | Value::Vector(items) => items,
            item => vec![item],
        };
        Self { items: items.into_iter().map(|item| TxItem::Data(item.into())).collect() }
    }
}

/// The attributes of one entity in a transaction, in the order in which they are set.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct EntityBuilder {
    entries: Vec<(Value, TxValue)>,
}

impl EntityBuilder {
    /// An entity that is new unless one of its unique identities exists already.
    pub fn new() -> Self {
        Self::default()
    }

    /// A given entity: an id, a tempid (negative number or string) or a [`lookup`] reference.
    pub fn with_id(id: impl Into<TxValue>) -> Self {
        Self { entries: vec![(Value::keyword(":db/id"), id.into())] }
    }

    /// Sets an attribute; nested [`EntityBuilder`]s become entities of their own, `:ns/_attr` points backwards.
    pub fn set(mut self, attribute: impl Into<Keyword>, value: impl Into<TxValue>) -> Self {
        self.entries.push((Value::Keyword(attribute.into()), value.into()));
        self
    }

    /// Adds several values of a many-valued attribute.
    pub fn set_all<I>(self, attribute: impl Into<Keyword>, values: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<TxValue>,
    {
        self.set(attribute, TxValue::Many(values.into_iter().map(Into::into).collect()))
    }

    pub(crate) fn entries(&self) -> &[(Value, TxValue)] {
        &self.entries
    }
}

/// A value in built transaction data.
#[derive(Clone, Debug)]
pub enum TxValue {
    /// A plain value, also an entity id, a tempid or an ident.
    Value(Value),
    /// A nested entity.
    Entity(EntityBuilder),
    /// Several values.
    Many(Vec<TxValue>),
}

impl TxValue {
    /// The same as a plain value; nested entities become maps.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Entity(entity) => Value::Map(
                entity.entries.iter().map(|(key, value)| (key.clone(), value.to_value())).collect(),
            ),
            Self::Many(items) => Value::Vector(items.iter().map(Self::to_value).collect()),
        }
    }
}

/// A lookup reference: the entity that has this value of a unique attribute.
pub fn lookup(attribute: impl Into<Keyword>, value: impl Into<Value>) -> TxValue {
    TxValue::Value(Value::Vector(vec![Value::Keyword(attribute.into()), value.into()]))
}

impl From<TxValue> for Value {
    /// For arguments of functions, such as [`lookup`] references.
    fn from(value: TxValue) -> Self {
        value.to_value()
    }
}

impl From<EntityId> for TxValue {
    fn from(id: EntityId) -> Self {
        Self::Value(id.into())
    }
}

impl From<EntityBuilder> for TxValue {
    fn from(entity: EntityBuilder) -> Self {
        Self::Entity(entity)
    }
}

impl From<Vec<TxValue>> for TxValue {
    fn from(items: Vec<TxValue>) -> Self {
        Self::Many(items)
    }
}

macro_rules! from_values {
    ($($type:ty),* $(,)?) => {
        $(impl From<$type> for TxValue {
            fn from(value: $type) -> Self {
                Self::Value(value.into())
            }
        })*
    };
}

from_values!(
    Value,
    bool,
    i32,
    i64,
    u32,
    f64,
    char,
    &str,
    String,
    Keyword,
    Symbol,
    BigInt,
    BigDecimal,
    uuid::Uuid,
    Vec<Value>,
);
