//! Functions that read databases: `q`, `pull`, `entity`, `datoms` and their like.

use std::sync::Arc;

use edn::{Form, Value};
use storage::transact::InterpretErrorKind as Kind;
use storage::{Db, Index};

use super::library::{MANY, Native, keyword, sequence};
use super::machine::Machine;
use super::object::{Object, storage_failed};
use super::{Result, error, unfit};
use crate::pull::{PullOptions, PullPattern, Puller};
use crate::{Input, Query, QueryFunction, SourceText};

static NATIVES: [Native; 11] = [
    Native::new("q", 1, MANY, q),
    Native::new("pull", 3, 3, |machine, args| {
        let (db, entity) = (db("pull", args, 0)?, reference("pull", args, 2)?);
        Ok(Object::Value(pulled(machine, &db, &args[1], &[entity])?.pop().unwrap_or(Value::Nil)))
    }),
    Native::new("pull-many", 3, 3, |machine, args| {
        let db = db("pull-many", args, 0)?;
        let entities = sequence("pull-many", args, 2)?;
        let entities = entities.into_iter().map(Object::into_value).collect::<Result<Vec<_>>>()?;
        pulled(machine, &db, &args[1], &entities).map(|trees| Object::Value(Value::Vector(trees)))
    }),
    Native::new("entity", 2, 2, |_, args| {
        if let entity @ Object::Entity(_) = &args[1] {
            return Ok(entity.clone());
        }
        let found = db("entity", args, 0)?.entity(&reference("entity", args, 1)?).map_err(storage_failed)?;
        Ok(found.map_or(Object::NIL, Object::Entity))
    }),
    Native::new("touch", 1, 1, |_, args| match &args[0] {
        Object::Entity(entity) => entity.touch().map(Object::Value).map_err(storage_failed),
        other => Err(unfit("touch", 0, "an entity", other)),
    }),
    Native::new("entity-db", 1, 1, |_, args| match &args[0] {
        Object::Entity(entity) => Ok(Object::Db(entity.db().clone())),
        other => Err(unfit("entity-db", 0, "an entity", other)),
    }),
    Native::new("entid", 2, 2, |_, args| {
        let found = db("entid", args, 0)?.entid(&reference("entid", args, 1)?).map_err(storage_failed)?;
        Ok(Object::Value(found.map_or(Value::Nil, Value::from)))
    }),
    Native::new("datoms", 2, 5, |_, args| {
        let db = db("datoms", args, 0)?;
        let index = Index::from_name(keyword("datoms", args, 1)?.as_str()).map_err(storage_failed)?;
        let components = args[2..].iter().cloned().map(Object::into_value).collect::<Result<Vec<_>>>()?;
        datoms(&db, db.datoms(index, &components).map_err(storage_failed)?)
    }),
    Native::new("index-range", 4, 4, |_, args| {
        let (db, name) = (db("index-range", args, 0)?, keyword("index-range", args, 1)?);
        let (start, end) = (reference("index-range", args, 2)?, reference("index-range", args, 3)?);
        let Some(attribute) = db.schema().attribute(&name) else {
            return Err(error(Kind::Argument, format!("index-range: there is no attribute {name}")));
        };
        datoms(&db, db.index_range(attribute, &start, &end).map_err(storage_failed)?)
    }),
    Native::new("schema", 1, 1, |_, args| Ok(Object::Value(db("schema", args, 0)?.schema().to_value()))),
    Native::new("max-eid", 1, 1, |_, args| Ok(Object::Value(db("max-eid", args, 0)?.max_eid().into()))),
];

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Native> {
    NATIVES.iter().find(|native| native.name == name)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NATIVES.iter().map(|native| native.name)
}

fn db(function: &str, args: &[Object], at: usize) -> Result<Db> {
    match &args[at] {
        Object::Db(db) => Ok(db.clone()),
        other => Err(unfit(function, at, "a database", other)),
    }
}

fn reference(function: &str, args: &[Object], at: usize) -> Result<Value> {
    args[at].clone().into_value().map_err(|_| unfit(function, at, "an entity", &args[at]))
}

/// `(q query input ..)`, the database among the inputs.
fn q(machine: &mut Machine<'_>, args: &[Object]) -> Result<Object> {
    let form = Form::from(&args[0].clone().into_value()?);
    let failed =
        |problem: crate::Error| error(Kind::Argument, format!("q: {problem}")).with_hint(problem.help());
    let query = Query::from_form(&form, SourceText::new("", 0)).map_err(failed)?;
    let mut inputs = Vec::with_capacity(args.len() - 1);
    for arg in &args[1..] {
        inputs.push(match arg {
            Object::Db(db) => Input::Db(db.clone()),
            Object::Function(_) => {
                let (function, options) = (arg.clone(), machine.options.clone());
                Input::Function(QueryFunction::new(move |args| {
                    let args: Vec<Object> = args.iter().cloned().map(Object::Value).collect();
                    let result = Machine::new(&options).apply(&function, &args).and_then(Object::into_value);
                    result.map_err(|problem| problem.message.into())
                }))
            }
            other => Input::Value(other.clone().into_value()?),
        });
    }
    let result = crate::query(&query, &inputs, machine.options).map_err(failed)?;
    Ok(Object::Value(result.to_value()))
}

/// A tree of each entity; nil where there is nothing.
fn pulled(machine: &Machine<'_>, db: &Db, pattern: &Object, entities: &[Value]) -> Result<Vec<Value>> {
    let failed = |problem: crate::pull::PullError| error(Kind::Argument, format!("pull: {problem}"));
    let pattern = PullPattern::parse(&Form::from(&pattern.clone().into_value()?)).map_err(failed)?;
    let options = PullOptions { strict: machine.options.strict, ..PullOptions::default() };
    let puller = Puller::new(db, &pattern, &machine.options.functions, options).map_err(failed)?;
    let mut trees = Vec::with_capacity(entities.len());
    for entity in entities {
        let found = if entity.is_nil() { None } else { db.entid(entity).map_err(storage_failed)? };
        let tree = match found {
            Some(entity) => puller.pull(entity).map_err(failed)?,
            None => None,
        };
        trees.push(tree.unwrap_or(Value::Nil));
    }
    Ok(trees)
}

/// Datoms, which are taken apart as `[e a v]` or by `:e`, `:a` and `:v`.
fn datoms(db: &Db, datoms: storage::Datoms<'_>) -> Result<Object> {
    let mut out = Vec::new();
    for datom in datoms {
        let datom = datom.map_err(storage_failed)?;
        let name = db.schema().by_id(datom.a).map_or(Value::Nil, |attribute| attribute.ident.clone().into());
        out.push(Object::Datom(Arc::new([datom.e.into(), name, datom.v])));
    }
    Ok(Object::Sequence(Arc::new(out)))
}
