//! Entities that change: each form gives an entity that shows its changes; transaction data that holds it keeps them.

use edn::{Symbol, Value};
use factum::interpret::{self, Object};
use factum::{Entity, QueryOptions, storage::TransactError};

use super::super::args::Args;
use super::super::error::EvalError;
use super::super::item::Item;
use super::super::lambda::call_named;
use super::super::session::Session;

fn entity_at(args: &mut Args) -> Result<Entity, EvalError> {
    match args.item(0) {
        Item::Entity(entity) => Ok(entity),
        other => Err(args.unfit(0, "an entity", &other)),
    }
}

fn changed(args: &Args, entity: Result<Entity, TransactError>) -> Result<Item, EvalError> {
    entity.map(Item::Entity).map_err(|error| args.fail(&error.into()))
}

pub(super) fn entity_db(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let entity = entity_at(&mut args)?;
    Ok(Item::Db(factum::Db::of_entity(&entity)))
}

pub(super) fn assoc(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let mut entity = match args.item(0) {
        Item::Entity(entity) => entity,
        other => return plain(other, args, "assoc"),
    };
    if args.len().is_multiple_of(2) {
        let message = "assoc takes attributes and values in pairs";
        return Err(EvalError::new(":exec/arity", message, args.span));
    }
    for at in (1..args.len()).step_by(2) {
        let (attribute, value) = (args.keyword(at)?, args.value(at + 1)?);
        entity = entity.assoc(attribute, value).map_err(|error| args.fail(&error.into()))?;
    }
    Ok(Item::Entity(entity))
}

/// The function of the same name, for data that is no entity.
fn plain(first: Item, mut args: Args, name: &str) -> Result<Item, EvalError> {
    let mut objects = Vec::with_capacity(args.len());
    objects.push(first.into_object().map_err(|other| args.unfit(0, "an entity or a map", &other))?);
    for at in 1..args.len() {
        objects
            .push(args.item(at).into_object().map_err(|other| args.unfit(at, "data or a function", &other))?);
    }
    let result = interpret::call_named(&Symbol::parse(name), &objects, &QueryOptions::new());
    let result = result.unwrap_or(Ok(Object::Value(Value::Nil))).and_then(Item::of_object);
    result.map_err(|error| EvalError::from_interpret(error, args.span))
}

pub(super) fn update(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let entity = match args.item(0) {
        Item::Entity(entity) if args.len() == 3 => entity,
        Item::Entity(_) => {
            let message = "update takes an entity, an attribute and a function of its value";
            return Err(EvalError::new(":exec/arity", message, args.span));
        }
        other => return plain(other, args, "update"),
    };
    let attribute = args.keyword(1)?;
    let old = entity.get(attribute.clone()).map_err(|error| args.fail(&error.into()))?;
    let old = old.map_or(Value::Nil, |old| old.to_value());
    let new = match args.item(2) {
        Item::Function(name) => call_named(&name, &[old], args.span)?,
        Item::Lambda(lambda) => lambda.call(&[old])?,
        other => return Err(args.unfit(2, "a function", &other)),
    };
    let entity = entity.assoc(attribute, new);
    changed(&args, entity)
}

pub(super) fn add(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let (entity, attribute, value) = (entity_at(&mut args)?, args.keyword(1)?, args.value(2)?);
    changed(&args, entity.add(attribute, value))
}

pub(super) fn retract(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let (entity, attribute) = (entity_at(&mut args)?, args.keyword(1)?);
    let entity = match args.has(2) {
        true => entity.retract_value(attribute, args.value(2)?),
        false => entity.retract(attribute),
    };
    changed(&args, entity)
}
