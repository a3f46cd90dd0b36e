//! Raw index access and counts.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use edn::{Keyword, Value};
use factum::{Datoms, Db, Index};

use super::super::args::Args;
use super::super::error::EvalError;
use super::super::item::{Item, datom_object};
use super::super::session::Session;

type Open = for<'d> fn(&'d Db, Index, &[Value]) -> Result<Datoms<'d>, factum::Error>;

pub(super) fn datoms(_: &mut Session, args: Args) -> Result<Item, EvalError> {
    scan(args, Db::datoms)
}

pub(super) fn seek_datoms(_: &mut Session, args: Args) -> Result<Item, EvalError> {
    scan(args, Db::seek_datoms)
}

pub(super) fn rseek_datoms(_: &mut Session, args: Args) -> Result<Item, EvalError> {
    scan(args, Db::rseek_datoms)
}

fn scan(mut args: Args, open: Open) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let index = args.keyword(1)?;
    let index = Index::from_name(index.as_str())
        .map_err(|error| EvalError::from_factum(&error.into(), args.span_of(1)))?;
    let mut components = args.values_from(2)?;
    let limit = match components.get(3) {
        None | Some(Value::Nil) => usize::MAX,
        Some(Value::Int(limit)) if *limit >= 0 => *limit as usize,
        Some(other) => {
            let message =
                format!("{} takes a number of datoms behind the components, not {other}", args.name);
            return Err(EvalError::new(":exec/argument", message, args.span_of(5)));
        }
    };
    components.truncate(3);
    let datoms = open(&db, index, &components).map_err(|error| args.fail(&error))?;
    collect(&args, &db, datoms, limit)
}

pub(super) fn index_range(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let (attribute, start, end) = (args.keyword(1)?, args.value(2)?, args.value(3)?);
    let datoms = db.index_range(attribute, &start, &end).map_err(|error| args.fail(&error))?;
    collect(&args, &db, datoms, usize::MAX)
}

fn collect(args: &Args, db: &Db, datoms: Datoms<'_>, limit: usize) -> Result<Item, EvalError> {
    let mut found = Vec::new();
    for datom in datoms.take(limit) {
        let datom = datom.map_err(|error| args.fail(&error.into()))?;
        found.push(datom_object(&datom, db.schema()));
    }
    Ok(Item::Sequence(Arc::new(found)))
}

pub(super) fn count_datoms(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let entity = match args.has(1) {
        true => match args.entity(1, &db)? {
            Some(entity) => Some(entity),
            None => return Ok(Item::Value(Value::Int(0))),
        },
        false => None,
    };
    let attribute: Option<Keyword> = if args.has(2) { Some(args.keyword(2)?) } else { None };
    let value = if args.has(3) { Some(args.value(3)?) } else { None };
    let count = db.count(entity, attribute, value.as_ref()).map_err(|error| args.fail(&error))?;
    Ok(Item::Value(Value::Int(count as i64)))
}

pub(super) fn search_datoms(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let entity = match args.has(1) {
        true => match args.entity(1, &db)? {
            Some(entity) => Some(entity),
            None => return Ok(Item::Value(Value::Vector(Vec::new()))),
        },
        false => None,
    };
    let attribute: Option<Keyword> = if args.has(2) { Some(args.keyword(2)?) } else { None };
    let value = if args.has(3) { Some(args.value(3)?) } else { None };
    let datoms = db.search(entity, attribute, value.as_ref()).map_err(|error| args.fail(&error))?;
    Ok(Item::Sequence(Arc::new(datoms.iter().map(|datom| datom_object(datom, db.schema())).collect())))
}

pub(super) fn sample_datoms(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let n = args.count_at(1)?;
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    // Another sample each time.
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let datoms = if args.has(2) {
        let (attribute, start, end) = (args.keyword(2)?, args.value(3)?, args.value(4)?);
        db.sample_range(attribute, &start, &end, n, seed)
    } else {
        db.sample(n, seed)
    };
    let datoms = datoms.map_err(|error| args.fail(&error))?;
    Ok(Item::Sequence(Arc::new(datoms.iter().map(|datom| datom_object(datom, db.schema())).collect())))
}

pub(super) fn analyze(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    args.db(0)?;
    if args.has(1) {
        args.keyword(1)?;
    }
    Ok(Item::Value(Value::keyword("done")))
}

pub(super) fn cardinality(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let attribute = args.keyword(1)?;
    let count = db.cardinality(attribute).map_err(|error| args.fail(&error))?;
    Ok(Item::Value(Value::Int(count as i64)))
}

pub(super) fn max_eid(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    Ok(Item::Value(Value::Int(db.max_eid().0 as i64)))
}
