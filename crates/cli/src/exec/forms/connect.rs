//! Opening, closing, schema.

use edn::{Keyword, Span, Symbol, Value};
use factum::kv::WriteTxn;
use factum::{Connection, Db, EntityId, Options, SchemaPatch};

use super::super::args::{Args, Target};
use super::super::error::EvalError;
use super::super::item::{Item, map};
use super::super::known_types;
use super::super::kv::KvTarget;
use super::super::session::Session;

/// Options out of the arguments for schema and options.
fn options(args: &mut Args, schema_at: usize) -> Result<Options, EvalError> {
    let mut options = Options::new();
    if args.has(schema_at + 1) {
        let value = args.value(schema_at + 1)?;
        options = Options::from_value(&value)
            .map_err(|error| EvalError::from_factum(&error, args.span_of(schema_at + 1)))?;
    }
    if args.has(schema_at) {
        let schema = args.value(schema_at)?;
        options = options.schema(schema);
    }
    Ok(options)
}

pub(super) fn get_conn(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let path = args.value(0)?;
    let Some(path) = path.as_str() else {
        return Err(EvalError::new(":exec/argument", "the directory must be a string", args.span_of(0)));
    };
    let options = options(&mut args, 1)?;
    Connection::open_with(path, options).map(Item::Conn).map_err(|error| args.fail(&error))
}

pub(super) fn create_conn(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    // With a directory in front it is Datalevin's other name for get-conn.
    if args.is_text(0) {
        return get_conn(session, args);
    }
    let schema_at = schema_place(&args);
    let options = options(&mut args, schema_at)?;
    Connection::memory_with(options).map(Item::Conn).map_err(|error| args.fail(&error))
}

/// Where the schema is: behind nil that stands in place of a directory, for a database without one.
fn schema_place(args: &Args) -> usize {
    usize::from(args.len() > 1 && !args.has(0))
}

pub(super) fn empty_db(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    // As in Datalevin: the database of this directory, empty if it is new.
    if args.is_text(0) {
        let span = args.span;
        let conn = get_conn(session, args)?;
        return value_of(conn, span);
    }
    let schema_at = schema_place(&args);
    let options = options(&mut args, schema_at)?;
    Db::empty(options).map(Item::Db).map_err(|error| args.fail(&error))
}

/// `(datom e a v added?)`
pub(super) fn datom(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let mut parts = vec![args.value(0)?, Value::Keyword(args.keyword(1)?), args.value(2)?];
    if args.has(3) {
        parts.push(args.value(3)?);
    }
    Ok(Item::Value(Value::Tagged(Symbol::parse("datom"), Box::new(Value::Vector(parts)))))
}

/// `[[e a v] ..]`
fn datoms(args: &mut Args, at: usize) -> Result<Vec<(EntityId, Keyword, Value)>, EvalError> {
    let span = args.span_of(at);
    let value = args.value(at)?;
    let items = match &value {
        Value::Vector(items) | Value::List(items) => items.as_slice(),
        _ => &[],
    };
    let is_sequence = matches!(value, Value::Vector(_) | Value::List(_) | Value::Nil);
    let datom = |item: &Value| {
        let item = match item {
            Value::Tagged(tag, inner) if tag.name().eq_ignore_ascii_case("datom") => inner,
            other => other,
        };
        match item.as_sequence()? {
            [Value::Int(e @ 0..), Value::Keyword(a), v]
            | [Value::Int(e @ 0..), Value::Keyword(a), v, Value::Bool(true)] => {
                Some((EntityId(*e as u64), a.clone(), v.clone()))
            }
            _ => None,
        }
    };
    let message = "datoms are a sequence of [entity attribute value], each with its final id";
    if !is_sequence {
        return Err(EvalError::new(":init-db", message, span));
    }
    let all = items.iter().enumerate().map(|(at, item)| {
        datom(item).ok_or_else(|| {
            let message = format!("{message}; the one at {at} is {}", edn::shorten(item));
            EvalError::new(":init-db", message, span)
        })
    });
    all.collect()
}

pub(super) fn conn_from_datoms(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let datoms = datoms(&mut args, 0)?;
    let conn = if args.is_text(1) {
        let path = args.value(1)?;
        let options = options(&mut args, 2)?;
        Connection::open_with(path.as_str().unwrap_or_default(), options)
    } else {
        // Behind nil, for no directory, stands the schema.
        let schema_at = if args.len() > 2 && !args.has(1) { 2 } else { 1 };
        Connection::memory_with(options(&mut args, schema_at)?)
    };
    let conn = conn.map_err(|error| args.fail(&error))?;
    conn.load_datoms(&datoms).map_err(|error| args.fail(&error))?;
    Ok(Item::Conn(conn))
}

pub(super) fn init_db(session: &mut Session, args: Args) -> Result<Item, EvalError> {
    let span = args.span;
    let conn = conn_from_datoms(session, args)?;
    value_of(conn, span)
}

/// The database value of a connection.
fn value_of(conn: Item, span: Span) -> Result<Item, EvalError> {
    match conn {
        Item::Conn(conn) => conn.db().map(Item::Db).map_err(|error| EvalError::from_factum(&error, span)),
        other => Ok(other),
    }
}

pub(super) fn fill_db(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let conn = match args.item(0) {
        Item::Conn(conn) => conn,
        Item::Db(db) => Connection::from_db(&db),
        _ => {
            let message = "fill-db wants a connection or a database";
            return Err(EvalError::new(":exec/argument", message, args.span_of(0)));
        }
    };
    let datoms = datoms(&mut args, 1)?;
    conn.load_datoms(&datoms).map_err(|error| args.fail(&error))?;
    conn.db().map(Item::Db).map_err(|error| args.fail(&error))
}

pub(super) fn conn_from_db(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    Ok(Item::Conn(Connection::from_db(&args.db(0)?)))
}

pub(super) fn db(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    args.db(0).map(Item::Db)
}

/// `(conn? x)`
pub(super) fn is_conn(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let is = matches!(args.item(0), Item::Conn(conn) if !conn.is_closed());
    Ok(Item::Value(Value::Bool(is)))
}

/// `(db? x)`
pub(super) fn is_db(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    Ok(Item::Value(Value::Bool(matches!(args.item(0), Item::Db(_)))))
}

/// `(opts conn)`
pub(super) fn opts(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    Ok(Item::Value(args.db(0)?.inner().options().to_value()))
}

pub(super) fn schema(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    Ok(Item::Value(db.schema().to_value()))
}

/// The patch in the arguments from `at` on: properties, deletions, renames.
fn patch(args: &mut Args, at: usize) -> Result<SchemaPatch, EvalError> {
    let (patch, deletions, renames) = (args.value(at)?, args.value(at + 1)?, args.value(at + 2)?);
    SchemaPatch::from_values(&patch, &deletions, &renames)
        .map_err(|error| args.fail(&factum::storage::Error::from(error).into()))
}

pub(super) fn update_schema(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let target = args.target(0)?;
    let patch = patch(&mut args, 1)?;
    let schema = match target {
        Target::Conn(conn) => conn.update_schema(patch),
        Target::Transaction(tx) => match &mut *tx.borrow_mut() {
            Some(tx) => tx.update_schema(patch),
            None => Err(factum::Error::TransactionEnded),
        },
    };
    Ok(Item::Value(schema.map_err(|error| args.fail(&error))?.to_value()))
}

pub(super) fn register_type(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let span = args.span;
    let view = args.item(0);
    let name = args.keyword(1)?;
    let definition = args.value(2)?;
    let registered = match view.clone() {
        Item::Conn(conn) => conn.register_type(name.clone(), definition).map(drop),
        Item::Transaction(tx) => match &mut *tx.borrow_mut() {
            Some(tx) => tx.register_type(name.clone(), definition).map(drop),
            None => Err(factum::Error::TransactionEnded),
        },
        Item::Kv(kv) => kv.store(span)?.register_type(name.clone(), definition),
        Item::KvTxn(txn) => {
            let store = txn.store();
            let write = |txn: &mut WriteTxn<'_>| Ok(store.register_type_in(txn, name.clone(), definition));
            KvTarget::Txn(txn).write(span, write)?
        }
        other => return Err(args.unfit(0, "a connection or a key-value store", &other)),
    };
    registered.map_err(|error| args.fail(&error))?;
    remember_type(&view, &name, &args)?;
    Ok(Item::Value(Value::Keyword(name)))
}

/// Notes a type for buffers, where there are key-value tables.
fn remember_type(view: &Item, name: &Keyword, args: &Args) -> Result<(), EvalError> {
    let found = match view {
        Item::Conn(conn) if conn.path().is_none() => None,
        Item::Conn(conn) => {
            let kv = conn.kv().map_err(|error| args.fail(&error))?;
            kv.read().and_then(|read| read.registered_type(name)).map_err(|error| args.kv_error(&error))?
        }
        Item::Kv(kv) => {
            let read = kv.store(args.span)?.read();
            read.and_then(|read| read.registered_type(name)).map_err(|error| args.kv_error(&error))?
        }
        Item::KvTxn(txn) => KvTarget::Txn(txn.clone())
            .write(args.span, |txn| txn.registered_type(name).map_err(|error| args.kv_error(&error)))?,
        // Known as soon as a table is made with it.
        _ => None,
    };
    found.iter().for_each(known_types::remember);
    Ok(())
}

pub(super) fn types(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    Ok(Item::Value(args.db(0)?.schema().types().to_value()))
}

pub(super) fn schema_snapshot(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let revision = Value::Int(db.schema().revision() as i64);
    Ok(Item::Value(map([("schema", db.schema().to_value()), ("revision", revision)])))
}

pub(super) fn update_schema_if_revision(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let conn = args.conn(0)?;
    let revision = match args.value(1)? {
        Value::Int(revision @ 0..) => revision as u64,
        _ => {
            let message = "the revision is a number, as schema-snapshot gives it";
            return Err(EvalError::new(":exec/argument", message, args.span_of(1)));
        }
    };
    let patch = patch(&mut args, 2)?;
    let schema = conn.update_schema_if_revision(revision, patch).map_err(|error| args.fail(&error))?;
    Ok(Item::Value(schema.to_value()))
}

pub(super) fn index_attr(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let (conn, attribute) = (args.conn(0)?, args.keyword(1)?);
    let schema = conn.index_attribute(attribute).map_err(|error| args.fail(&error))?;
    Ok(Item::Value(schema.to_value()))
}

pub(super) fn clear(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    args.conn(0)?.clear().map_err(|error| args.fail(&error))?;
    Ok(Item::NIL)
}

pub(super) fn reset_conn(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let (conn, db, meta) = (args.conn(0)?, args.db(1)?, args.value(2)?);
    conn.reset_with(&db, meta).map(Item::Db).map_err(|error| args.fail(&error))
}

pub(super) fn close(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    args.conn(0)?.close().map_err(|error| args.fail(&error))?;
    Ok(Item::NIL)
}

pub(super) fn is_closed(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    Ok(Item::Value(Value::Bool(args.conn(0)?.is_closed())))
}
