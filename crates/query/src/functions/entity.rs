//! `get-else get-some get-some-else missing?`: what one entity has.

use edn::{Keyword, Value};
use storage::{AttrId, Db, EntityId};

use super::{Args, FunctionError, Result};

/// The entity that an argument names: by id, ident or lookup ref.
/// Integers that no entity has for an id may be the result of a computation, or of a plan that tries values out.
fn entity(db: &Db, args: &Args<'_>, position: usize) -> Result<Option<EntityId>> {
    match &args[position] {
        Value::Int(..0) | Value::BigInt(_) => Ok(None),
        name => Ok(db.entid(name)?),
    }
}

fn attribute(db: &Db, name: &Keyword) -> Option<AttrId> {
    db.schema().attribute(name).map(|attribute| attribute.id)
}

/// The first value in the order of values.
fn first_value(db: &Db, entity: Option<EntityId>, name: &Keyword) -> Result<Option<Value>> {
    let (Some(entity), Some(attribute)) = (entity, attribute(db, name)) else { return Ok(None) };
    match db.values(entity, attribute)?.first() {
        Some(value) => Ok(Some(db.schema().decode(attribute, value)?)),
        None => Ok(None),
    }
}

/// `(get-else $ e a default)`
pub(super) fn get_else(db: &Db, args: &Args<'_>) -> Result<Value> {
    if args[2].is_nil() {
        return Err(FunctionError::NilDefault { function: args.function().clone() });
    }
    let found = first_value(db, entity(db, args, 0)?, args.keyword(1)?)?;
    Ok(found.unwrap_or_else(|| args[2].clone()))
}

/// `[attribute value]` of the first attribute from `position` on that the entity has.
fn first_present(db: &Db, args: &Args<'_>, position: usize) -> Result<Option<Value>> {
    let entity = entity(db, args, 0)?;
    for position in position..args.len() {
        let name = args.keyword(position)?;
        if let Some(value) = first_value(db, entity, name)? {
            return Ok(Some(Value::Vector(vec![Value::Keyword(name.clone()), value])));
        }
    }
    Ok(None)
}

/// `(get-some $ e a1 a2 ..)`
pub(super) fn get_some(db: &Db, args: &Args<'_>) -> Result<Value> {
    Ok(first_present(db, args, 1)?.unwrap_or(Value::Nil))
}

/// `(get-some-else $ e default a1 a2 ..)`
pub(super) fn get_some_else(db: &Db, args: &Args<'_>) -> Result<Value> {
    let found = first_present(db, args, 2)?;
    Ok(found.unwrap_or_else(|| Value::Vector(vec![Value::Nil, args[1].clone()])))
}

/// `(missing? $ e a)`
pub(super) fn missing(db: &Db, args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(first_value(db, entity(db, args, 0)?, args.keyword(1)?)?.is_none()))
}
