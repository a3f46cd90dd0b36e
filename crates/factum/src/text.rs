//! What calls accept in several shapes: transaction data, schemas, queries, patterns, entity references.

use std::borrow::Cow;
use std::sync::Arc;

use edn::{Form, Keyword, Value};
use query::build::QueryBuilder;
use query::pull::PullPattern;
use query::{ErrorKind, PlanCache, Query};
use storage::transact::{EntityBuilder, Tx, TxData};
use storage::types::TypeDefinition;
use storage::{Datom, EntityId, SchemaPatch};

use crate::{Error, Result};

/// Transaction data: EDN text, a [`Value`], a [`Form`], or built with [`Tx`].
///
/// ```
/// use factum::{Connection, EntityBuilder, Tx, lookup};
///
/// let conn = Connection::memory_with(factum::Options::new().schema("{:name {:db/unique :db.unique/identity}}"))?;
/// conn.transact(r#"[{:name "Ann" :age 38}]"#)?;
/// conn.transact(EntityBuilder::new().set(":name", "Bob").set(":age", 41))?;
/// conn.transact(Tx::new().add(lookup(":name", "Ann"), ":friend", "Bob"))?;
/// # Ok::<(), factum::Error>(())
/// ```
#[derive(Debug)]
pub struct TxInput<'a>(Shape<'a>);

#[derive(Debug)]
enum Shape<'a> {
    Text(Cow<'a, str>),
    Form(&'a Form),
    Forms(&'a [Form]),
    Value(Cow<'a, Value>),
    Tx(Cow<'a, Tx>),
}

/// Transaction data that borrows nothing, read already where it was text.
pub(crate) enum OwnedTxInput {
    Forms { forms: Vec<Form>, text: Arc<str> },
    Data(TxInput<'static>),
}

impl OwnedTxInput {
    /// As [`TxInput::apply`].
    pub(crate) fn apply<R>(
        &self,
        apply: impl FnOnce(TxData<'_>) -> Result<R, storage::transact::TransactError>,
    ) -> Result<R> {
        match self {
            Self::Forms { forms, text } => {
                apply(data_of(forms)).map_err(|source| Error::Transact { source, text: Some(text.clone()) })
            }
            Self::Data(input) => input.apply(apply),
        }
    }
}

/// Text holds either one sequence of items or the items themselves.
fn data_of(forms: &[Form]) -> TxData<'_> {
    match forms {
        [form] if form.as_sequence().is_some() || form.as_atom().is_some() => TxData::Form(form),
        forms => TxData::Forms(forms),
    }
}

impl TxInput<'_> {
    /// The same data without borrowing, and read, so that another thread need not do it.
    pub(crate) fn into_owned(self) -> Result<OwnedTxInput> {
        let no_text = || Arc::from("");
        Ok(match self.0 {
            Shape::Text(text) => {
                let forms = edn::read_all(&text).map_err(|source| Error::read(source, &text))?;
                OwnedTxInput::Forms { forms, text: Arc::from(&*text) }
            }
            Shape::Form(form) => OwnedTxInput::Data(TxInput(Shape::Value(Cow::Owned(form.to_value())))),
            Shape::Forms(forms) => OwnedTxInput::Forms { forms: forms.to_vec(), text: no_text() },
            Shape::Value(value) => OwnedTxInput::Data(TxInput(Shape::Value(Cow::Owned(value.into_owned())))),
            Shape::Tx(tx) => OwnedTxInput::Data(TxInput(Shape::Tx(Cow::Owned(tx.into_owned())))),
        })
    }

    /// Runs `apply` on the data; its errors get the text that they point into.
    pub(crate) fn apply<R>(
        &self,
        apply: impl FnOnce(TxData<'_>) -> Result<R, storage::transact::TransactError>,
    ) -> Result<R> {
        match &self.0 {
            Shape::Text(text) => {
                let forms = edn::read_all(text).map_err(|source| Error::read(source, text))?;
                apply(data_of(&forms))
                    .map_err(|source| Error::Transact { source, text: Some(Arc::from(&**text)) })
            }
            Shape::Form(form) => apply(TxData::Form(form)).map_err(Error::from),
            Shape::Forms(forms) => apply(TxData::Forms(forms)).map_err(Error::from),
            Shape::Value(value) => apply(TxData::Value(value)).map_err(Error::from),
            Shape::Tx(tx) => apply(TxData::Tx(tx)).map_err(Error::from),
        }
    }
}

/// The definition of a type: EDN text, a [`Value`], or what was read from one.
#[derive(Clone, Debug)]
pub enum TypeInput {
    /// Text that is still to be read.
    Text(String),
    /// A map, as it is written.
    Value(Value),
    /// A definition.
    Definition(Box<TypeDefinition>),
}

impl TypeInput {
    pub(crate) fn definition(self, name: &Keyword) -> Result<TypeDefinition> {
        let value = match self {
            Self::Text(text) => edn::read(&text).map_err(|source| Error::read(source, &text))?,
            Self::Value(value) => value,
            Self::Definition(definition) => return Ok(*definition),
        };
        Ok(TypeDefinition::from_value(name, &value).map_err(storage::Error::from)?)
    }
}

impl From<&str> for TypeInput {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Value> for TypeInput {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<TypeDefinition> for TypeInput {
    fn from(definition: TypeDefinition) -> Self {
        Self::Definition(Box::new(definition))
    }
}

macro_rules! tx_inputs {
    ($([$($generics:tt)*] $type:ty, $value:ident => $shape:expr;)*) => {
        $(impl<'a, $($generics)*> From<$type> for TxInput<'a> {
            fn from($value: $type) -> Self {
                Self($shape)
            }
        })*
    };
}

tx_inputs! {
    [] &'a str, text => Shape::Text(Cow::Borrowed(text));
    [] &'a String, text => Shape::Text(Cow::Borrowed(text));
    [] String, text => Shape::Text(Cow::Owned(text));
    [] &'a Form, form => Shape::Form(form);
    [] &'a [Form], forms => Shape::Forms(forms);
    [] Value, value => Shape::Value(Cow::Owned(value));
    [] &'a Value, value => Shape::Value(Cow::Borrowed(value));
    [] Vec<Value>, items => Shape::Value(Cow::Owned(Value::Vector(items)));
    [] Tx, tx => Shape::Tx(Cow::Owned(tx));
    [] &'a Tx, tx => Shape::Tx(Cow::Borrowed(tx));
    [] EntityBuilder, entity => Shape::Tx(Cow::Owned(Tx::new().entity(entity)));
    [] Vec<EntityBuilder>, entities => Shape::Tx(Cow::Owned(entities.into_iter().collect()));
    [] Vec<Datom>, datoms => Shape::Tx(Cow::Owned(datoms.into_iter().collect()));
}

/// A schema or a change of one: EDN text, a [`Value`], a [`SchemaPatch`], or `()` for none.
///
/// In EDN a schema is a map from attributes to properties: `{:person/name {:db/unique :db.unique/identity}}`.
#[derive(Clone, Debug, Default)]
pub struct SchemaInput(pub(crate) Option<SchemaShape>);

#[derive(Clone, Debug)]
pub(crate) enum SchemaShape {
    Text(String),
    Value(Value),
    Patch(SchemaPatch),
}

impl SchemaInput {
    pub(crate) fn to_patch(&self) -> Result<SchemaPatch> {
        match &self.0 {
            None => Ok(SchemaPatch::default()),
            Some(SchemaShape::Text(text)) => {
                let value = edn::read(text).map_err(|source| Error::read(source, text))?;
                Ok(SchemaPatch::from_value(&value).map_err(storage::Error::from)?)
            }
            Some(SchemaShape::Value(value)) => {
                Ok(SchemaPatch::from_value(value).map_err(storage::Error::from)?)
            }
            Some(SchemaShape::Patch(patch)) => Ok(patch.clone()),
        }
    }
}

impl From<()> for SchemaInput {
    fn from((): ()) -> Self {
        Self(None)
    }
}

impl From<&str> for SchemaInput {
    fn from(text: &str) -> Self {
        Self(Some(SchemaShape::Text(text.to_owned())))
    }
}

impl From<Value> for SchemaInput {
    fn from(value: Value) -> Self {
        Self(Some(SchemaShape::Value(value)))
    }
}

impl From<&Value> for SchemaInput {
    fn from(value: &Value) -> Self {
        value.clone().into()
    }
}

impl From<SchemaPatch> for SchemaInput {
    fn from(patch: SchemaPatch) -> Self {
        Self(Some(SchemaShape::Patch(patch)))
    }
}

/// Something that is a query: text, a [`Query`] that was parsed before, or one that is built in Rust.
///
/// ```
/// use factum::{Db, Query, build::*};
///
/// let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
/// let older = Query::find_collection(var("name"))
///     .pattern(var("e"), kw("age"), var("age"))
///     .filter(">", (var("age"), 40))
///     .pattern(var("e"), kw("name"), var("name"));
/// assert_eq!(db.query(&older)?.column::<String>()?, ["Bob"]);
/// let text = "[:find [?name ...] :where [?e :age 38] [?e :name ?name]]";
/// assert_eq!(db.query(text)?.column::<String>()?, ["Ann"]);
/// # Ok::<(), factum::Error>(())
/// ```
pub trait AsQuery {
    /// The parsed query.
    fn as_query(&self) -> Result<Cow<'_, Query>>;

    /// The query with its plan, if `plans` knows it, else made ready to be planned.
    fn prepared(&self, plans: &PlanCache) -> Result<Arc<query::Prepared>> {
        Ok(plans.prepare(&*self.as_query()?))
    }
}

impl AsQuery for Query {
    fn as_query(&self) -> Result<Cow<'_, Query>> {
        Ok(Cow::Borrowed(self))
    }
}

impl AsQuery for QueryBuilder {
    fn as_query(&self) -> Result<Cow<'_, Query>> {
        Ok(Cow::Owned(self.clone().build()?))
    }
}

impl AsQuery for str {
    fn as_query(&self) -> Result<Cow<'_, Query>> {
        query::parse(self).map(Cow::Owned).map_err(|error| unparsable(error, self))
    }

    fn prepared(&self, plans: &PlanCache) -> Result<Arc<query::Prepared>> {
        plans.parse(self).map_err(|error| unparsable(error, self))
    }
}

/// Text that is not even EDN is shown as all such text is.
fn unparsable(error: query::Error, text: &str) -> Error {
    match error.kind() {
        ErrorKind::Read(source) => Error::read(source.clone(), text),
        _ => error.into(),
    }
}

impl AsQuery for String {
    fn as_query(&self) -> Result<Cow<'_, Query>> {
        self.as_str().as_query()
    }

    fn prepared(&self, plans: &PlanCache) -> Result<Arc<query::Prepared>> {
        self.as_str().prepared(plans)
    }
}

impl<T: AsQuery + ?Sized> AsQuery for &T {
    fn as_query(&self) -> Result<Cow<'_, Query>> {
        (**self).as_query()
    }

    fn prepared(&self, plans: &PlanCache) -> Result<Arc<query::Prepared>> {
        (**self).prepared(plans)
    }
}

/// Something that is a pull pattern: text, or a [`PullPattern`] that was parsed before.
pub trait AsPattern {
    /// The parsed pattern.
    fn as_pattern(&self) -> Result<Cow<'_, PullPattern>>;

    /// The text, for errors.
    fn text(&self) -> Option<&str> {
        None
    }
}

impl AsPattern for PullPattern {
    fn as_pattern(&self) -> Result<Cow<'_, PullPattern>> {
        Ok(Cow::Borrowed(self))
    }
}

impl AsPattern for str {
    fn as_pattern(&self) -> Result<Cow<'_, PullPattern>> {
        let text = Some(Arc::from(self));
        self.parse().map(Cow::Owned).map_err(|source| Error::Pull { source, text })
    }

    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl<T: AsPattern + ?Sized> AsPattern for &T {
    fn as_pattern(&self) -> Result<Cow<'_, PullPattern>> {
        (**self).as_pattern()
    }

    fn text(&self) -> Option<&str> {
        (**self).text()
    }
}

/// A reference to an entity: its id, its ident (`:db/ident`), or the value of a unique attribute.
///
/// ```
/// # use factum::{Db, EntityRef, Keyword};
/// let by_id: EntityRef = 17.into();
/// let by_ident: EntityRef = Keyword::from(":captain").into();
/// let by_value: EntityRef = (":person/email", "ann@example.org").into();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EntityRef(pub(crate) Value);

impl From<EntityId> for EntityRef {
    fn from(id: EntityId) -> Self {
        Self(id.into())
    }
}

impl From<i64> for EntityRef {
    fn from(id: i64) -> Self {
        Self(Value::Int(id))
    }
}

impl From<Keyword> for EntityRef {
    fn from(ident: Keyword) -> Self {
        Self(Value::Keyword(ident))
    }
}

impl From<&Value> for EntityRef {
    fn from(value: &Value) -> Self {
        Self(value.clone())
    }
}

impl From<Value> for EntityRef {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl<A: Into<Keyword>, V: Into<Value>> From<(A, V)> for EntityRef {
    fn from((attribute, value): (A, V)) -> Self {
        Self(Value::Vector(vec![Value::Keyword(attribute.into()), value.into()]))
    }
}
