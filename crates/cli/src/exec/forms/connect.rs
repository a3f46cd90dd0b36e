//! Opening, closing, schema.

use edn::Value;
use factum::{Connection, Db, Options, SchemaPatch};

use super::super::args::Args;
use super::super::error::EvalError;
use super::super::item::Item;
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
    let options = options(&mut args, 0)?;
    Connection::memory_with(options).map(Item::Conn).map_err(|error| args.fail(&error))
}

pub(super) fn empty_db(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let options = options(&mut args, 0)?;
    Db::empty(options).map(Item::Db).map_err(|error| args.fail(&error))
}

pub(super) fn db(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    args.db(0).map(Item::Db)
}

pub(super) fn schema(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    Ok(Item::Value(db.schema().to_value()))
}

pub(super) fn update_schema(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let conn = args.conn(0)?;
    let (patch, deletions, renames) = (args.value(1)?, args.value(2)?, args.value(3)?);
    let patch = SchemaPatch::from_values(&patch, &deletions, &renames)
        .map_err(|error| args.fail(&factum::storage::Error::from(error).into()))?;
    let schema = conn.update_schema(patch).map_err(|error| args.fail(&error))?;
    Ok(Item::Value(schema.to_value()))
}

pub(super) fn close(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    args.conn(0)?.close().map_err(|error| args.fail(&error))?;
    Ok(Item::NIL)
}

pub(super) fn is_closed(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    Ok(Item::Value(Value::Bool(args.conn(0)?.is_closed())))
}
