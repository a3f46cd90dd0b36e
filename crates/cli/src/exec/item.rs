//! [`Item`]: what a form evaluates to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use edn::{Form, FormKind, Symbol, Value};
use factum::interpret::{InterpretError, Object};
use factum::{
    Connection, Datom, Db, Entity, EntityValue, PendingTx, QueryOptions, Schema, Transaction, TxReport,
};

use super::error::EvalError;
use super::kv::{KvHandle, KvPending, KvTxn};
use super::lambda::Lambda;
use super::prepared::Prepared;

/// Data, or a thing that data cannot be.
#[derive(Clone)]
pub enum Item {
    /// Data as it was written, with its places in the text.
    Form(Form),
    /// Data that was computed.
    Value(Value),
    /// A connection.
    Conn(Connection),
    /// A database value.
    Db(Db),
    /// What a transaction did.
    Report(Arc<TxReport>),
    /// An entity of a database.
    Entity(Entity),
    /// The entities that an attribute of another one refers to, or those that refer to it.
    Entities(Vec<Entity>),
    /// A datom: `[e a v]` or `[e a v added?]`.
    Datom(Arc<[Value]>),
    /// What a function made of more than data, and datoms.
    Sequence(Arc<Vec<Object>>),
    /// An explicit transaction; nothing once its form is left.
    Transaction(OpenTransaction),
    /// The promise of an asynchronous transaction.
    Pending(Rc<RefCell<Promise>>),
    /// A function by its name, to be passed to a query.
    Function(Symbol),
    /// A function that was written out.
    Lambda(Arc<Lambda>),
    /// A key-value store.
    Kv(KvHandle),
    /// An explicit transaction of one.
    KvTxn(KvTxn),
    /// The promise of an asynchronous transaction of one.
    KvPending(KvPending),
    /// An operation to be asked many times.
    Prepared(Rc<Prepared>),
}

/// The transaction of a `with-transaction`.
pub type OpenTransaction = Rc<RefCell<Option<Transaction>>>;

/// An asynchronous transaction: on its way, or done. Its answer can be asked for any number of times.
pub enum Promise {
    /// Not asked for yet.
    Open(PendingTx),
    /// What it gave.
    Kept(Result<Arc<TxReport>, EvalError>),
}

impl Item {
    /// Nothing.
    pub const NIL: Item = Item::Value(Value::Nil);

    /// What it is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Form(form) => form_type(form),
            Self::Value(value) => value.type_name(),
            Self::Conn(_) => "connection",
            Self::Db(_) => "database",
            Self::Report(_) => "transaction report",
            Self::Entity(_) => "entity",
            Self::Entities(_) => "set of entities",
            Self::Datom(_) => "datom",
            Self::Sequence(_) => "sequence",
            Self::Transaction(_) => "transaction",
            Self::Pending(_) => "promise of a transaction",
            Self::Function(_) | Self::Lambda(_) => "function",
            Self::Kv(_) => "key-value store",
            Self::KvTxn(_) => "key-value transaction",
            Self::KvPending(_) => "promise of a key-value transaction",
            Self::Prepared(_) => "prepared operation",
        }
    }

    /// The data, if it is data; an entity counts as the map of its id, as it does in transactions.
    pub fn into_value(self) -> Result<Value, Self> {
        match self {
            Self::Form(form) => Ok(form.to_value()),
            Self::Value(value) => Ok(value),
            Self::Entity(entity) => Ok(Value::Int(entity.id().0 as i64)),
            Self::Entities(entities) => Ok(EntityValue::Entities(entities).to_value()),
            Self::Datom(parts) => Ok(Value::Vector(parts.to_vec())),
            Self::Sequence(items) => {
                let data: Result<_, _> = items.iter().cloned().map(Object::into_value).collect();
                data.map(Value::Vector).map_err(|_| Self::Sequence(items))
            }
            other => Err(other),
        }
    }

    /// Whether conditions take it for true: everything but nil and false.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Form(form) => !matches!(form.as_atom(), Some(Value::Nil | Value::Bool(false))),
            Self::Value(value) => !matches!(value, Value::Nil | Value::Bool(false)),
            _ => true,
        }
    }

    /// Whether it is something, be it false.
    pub fn is_some(&self) -> bool {
        match self {
            Self::Form(form) => !matches!(form.as_atom(), Some(Value::Nil)),
            Self::Value(value) => !value.is_nil(),
            _ => true,
        }
    }

    /// What functions that are written out can take.
    pub fn into_object(self) -> Result<Object, Self> {
        match self {
            Self::Db(db) => Ok(Object::Db(db.inner().clone())),
            Self::Entity(entity) => Ok(Object::Entity(entity)),
            Self::Entities(entities) => {
                Ok(Object::Sequence(Arc::new(entities.into_iter().map(Object::Entity).collect())))
            }
            Self::Datom(parts) => Ok(Object::Datom(parts)),
            Self::Sequence(items) => Ok(Object::Sequence(items)),
            Self::Function(name) => match factum::interpret::function_object(&name) {
                Some(function) => Ok(function),
                None => Err(Self::Function(name)),
            },
            Self::Lambda(lambda) => {
                Ok(Object::host("fn", move |args| lambda.apply(args, &QueryOptions::new())))
            }
            other => other.into_value().map(Object::Value),
        }
    }

    /// What such a function gave.
    pub fn of_object(object: Object) -> Result<Self, InterpretError> {
        match object {
            Object::Entity(entity) => Ok(Self::Entity(entity)),
            Object::Datom(parts) => Ok(Self::Datom(parts)),
            Object::Sequence(items) => Ok(Self::Sequence(items)),
            other => other.into_value().map(Self::Value),
        }
    }

    /// Data for a parser that reports places.
    pub fn into_form(self) -> Result<Form, Self> {
        match self {
            Self::Form(form) => Ok(form),
            other => other.into_value().map(|value| Form::from(&value)),
        }
    }

    /// Transaction data: [`into_form`](Self::into_form), where datoms and changed entities are what they stand for.
    ///
    /// Datoms, and vectors that were computed and look like them, add or retract; a vector that was written out by hand is not taken
    /// for one, since it is more likely an operation without its name.
    pub fn into_tx_data(self) -> Result<Form, Self> {
        match self {
            Self::Form(form) => Ok(spliced(form)),
            Self::Value(Value::Vector(items)) => {
                let items = items.into_iter().map(datom_item).collect();
                Ok(Form::from(&Value::Vector(items)))
            }
            Self::Sequence(items) => {
                let item = |object: &Object| match object {
                    Object::Datom(parts) => Ok(datom_item(Value::Vector(parts.to_vec()))),
                    other => other.clone().into_value(),
                };
                let data: Result<_, _> = items.iter().map(item).collect();
                data.map(|items| Form::from(&Value::Vector(items))).map_err(|_| Self::Sequence(items))
            }
            Self::Entity(entity) => Ok(Form::from(&entity.changes().to_value().unwrap_or_default())),
            other => other.into_form(),
        }
    }

    /// Data in transaction data; a changed entity keeps its changes until [`into_tx_data`](Self::into_tx_data).
    pub fn into_part_of_tx_data(self) -> Result<Form, Self> {
        match self {
            Self::Entity(entity) if !entity.changes().is_empty() => {
                let changes = entity.changes().to_value().unwrap_or_default();
                let parts = Value::Vector(vec![entity.id().into(), changes]);
                Ok(Form::from(&tagged(CHANGES, parts)))
            }
            Self::Function(name) => Ok(Form::from(&Value::Symbol(name))),
            other => other.into_form(),
        }
    }

    /// Everything as data to print: databases and connections as tagged summaries.
    pub fn to_value(&self) -> Result<Value, factum::Error> {
        Ok(match self {
            Self::Form(form) => form.to_value(),
            Self::Value(value) => value.clone(),
            Self::Conn(conn) => connection(conn),
            Self::Db(db) => database(db)?,
            Self::Report(report) => report_map(report)?,
            Self::Entity(entity) => entity.touch()?,
            Self::Entities(entities) => EntityValue::Entities(entities.clone()).to_value(),
            Self::Datom(parts) => Value::Vector(parts.to_vec()),
            Self::Sequence(items) => {
                let parts = items.iter().map(|item| match Self::of_object(item.clone()) {
                    Ok(Self::Entity(entity)) => Ok(EntityValue::Entity(entity).to_value()),
                    Ok(part) => part.to_value(),
                    Err(_) => Ok(tagged(&format!("factum/{}", item.type_name()), Value::Nil)),
                });
                Value::Vector(parts.collect::<Result<_, _>>()?)
            }
            Self::Transaction(tx) => {
                let open = tx.borrow().as_ref().is_some_and(|tx| !tx.is_ended());
                tagged("factum/transaction", map([("open", Value::Bool(open))]))
            }
            Self::Pending(promise) => {
                let done = match &*promise.borrow() {
                    Promise::Open(pending) => pending.is_done(),
                    Promise::Kept(_) => true,
                };
                tagged("factum/pending", map([("done", Value::Bool(done))]))
            }
            Self::Function(name) => tagged("factum/function", Value::Symbol(name.clone())),
            Self::Lambda(lambda) => {
                let parameters = Value::Int(lambda.parameters() as i64);
                tagged("factum/function", map([("parameters", parameters)]))
            }
            Self::Kv(kv) => {
                let path = Value::from(kv.dir().display().to_string());
                tagged("factum/kv", map([("path", path), ("closed", Value::Bool(kv.is_closed()))]))
            }
            Self::KvTxn(txn) => {
                tagged("factum/kv-transaction", map([("open", Value::Bool(!txn.has_ended()))]))
            }
            Self::KvPending(pending) => {
                tagged("factum/pending", map([("done", Value::Bool(pending.is_done()))]))
            }
            Self::Prepared(prepared) => tagged("factum/prepared", Value::symbol(prepared.what())),
        })
    }
}

/// The tag of an entity with changes within transaction data: `[id changes]`.
const CHANGES: &str = "factum/changes";

/// Transaction data with the changes of entities among its items, and their ids elsewhere.
fn spliced(mut form: Form) -> Form {
    fn ids(form: &mut Form) {
        if let Some(parts) = changes(form) {
            *form = parts[0].clone();
            return;
        }
        match &mut form.kind {
            FormKind::Atom(_) => {}
            FormKind::List(items) | FormKind::Vector(items) | FormKind::Set(items) => {
                items.iter_mut().for_each(ids);
            }
            FormKind::Map(entries) => entries.iter_mut().for_each(|(_, value)| ids(value)),
            FormKind::Tagged(_, inner) => ids(inner),
        }
    }
    if let FormKind::List(items) | FormKind::Vector(items) = &mut form.kind {
        *items = items
            .drain(..)
            .flat_map(|mut item| match changes(&item) {
                Some([_, changes]) => changes.as_sequence().unwrap_or_default().to_vec(),
                _ => {
                    ids(&mut item);
                    vec![item]
                }
            })
            .collect();
    }
    form
}

/// Id and changes of a changed entity.
fn changes(form: &Form) -> Option<&[Form]> {
    match &form.kind {
        FormKind::Tagged(tag, inner) if tag.as_str() == CHANGES => inner.as_sequence(),
        _ => None,
    }
}

/// A datom in the form that transactions know.
fn datom_item(item: Value) -> Value {
    let is_datom = match &item {
        Value::Vector(parts) => matches!(
            parts.as_slice(),
            [Value::Int(_), Value::Keyword(_), _] | [Value::Int(_), Value::Keyword(_), _, Value::Bool(_)]
        ),
        _ => false,
    };
    if is_datom { tagged("datom", item) } else { item }
}

fn form_type(form: &Form) -> &'static str {
    match &form.kind {
        edn::FormKind::Atom(value) => value.type_name(),
        edn::FormKind::List(_) => "list",
        edn::FormKind::Vector(_) => "vector",
        edn::FormKind::Map(_) => "map",
        edn::FormKind::Set(_) => "set",
        edn::FormKind::Tagged(..) => "tagged value",
    }
}

fn tagged(tag: &str, value: Value) -> Value {
    Value::Tagged(Symbol::parse(tag), Box::new(value))
}

/// A map from plain keyword names.
pub fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(
        entries.into_iter().map(|(key, value)| (Value::keyword(key), value)).collect::<BTreeMap<_, _>>(),
    )
}

fn connection(conn: &Connection) -> Value {
    let path = conn.path().map_or(Value::Nil, |path| Value::from(path.display().to_string()));
    tagged("factum/connection", map([("path", path), ("closed", Value::Bool(conn.is_closed()))]))
}

fn database(db: &Db) -> Result<Value, factum::Error> {
    let datoms = db.count(None, None, None)? as i64;
    Ok(tagged(
        "factum/db",
        map([("max-eid", Value::Int(db.max_eid().0 as i64)), ("datoms", Value::Int(datoms))]),
    ))
}

/// A report as Datalevin prints it, with the two databases as summaries.
pub fn report_map(report: &TxReport) -> Result<Value, factum::Error> {
    let mut map = report.to_value();
    if let Value::Map(entries) = &mut map {
        entries.insert(Value::keyword("db-before"), database(&report.db_before())?);
        entries.insert(Value::keyword("db-after"), database(&report.db_after())?);
    }
    Ok(map)
}

/// `[e a v]`
pub fn datom_object(datom: &Datom, schema: &Schema) -> Object {
    let name = schema.by_id(datom.a).map(|attribute| Value::Keyword(attribute.ident.clone()));
    Object::Datom(Arc::new([datom.e.into(), name.unwrap_or_default(), datom.v.clone()]))
}
