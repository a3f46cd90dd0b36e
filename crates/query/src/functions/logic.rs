//! Truth, identity and types.

use edn::Value;

use super::{Args, Result};

pub(super) fn is_true(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args[0] == Value::Bool(true)))
}

pub(super) fn is_false(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args[0] == Value::Bool(false)))
}

pub(super) fn is_nil(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args[0].is_nil()))
}

pub(super) fn is_some(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(!args[0].is_nil()))
}

pub(super) fn not(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(!args[0].is_truthy()))
}

/// The first argument that is not true, else the last.
pub(super) fn and(args: &Args<'_>) -> Result<Value> {
    let first = args.iter().find(|value| !value.is_truthy());
    Ok(first.or(args.last()).cloned().unwrap_or(Value::Bool(true)))
}

/// The first argument that is true, else the last.
pub(super) fn or(args: &Args<'_>) -> Result<Value> {
    let first = args.iter().find(|value| value.is_truthy());
    Ok(first.or(args.last()).cloned().unwrap_or(Value::Nil))
}

pub(super) fn identity(args: &Args<'_>) -> Result<Value> {
    Ok(args[0].clone())
}

/// The type's name as a keyword.
pub(super) fn type_of(args: &Args<'_>) -> Result<Value> {
    Ok(match &args[0] {
        Value::Nil => Value::Nil,
        Value::Tagged(tag, _) => Value::Symbol(tag.clone()),
        value => Value::keyword(value.type_name()),
    })
}

/// Values here carry no metadata.
pub(super) fn meta(_: &Args<'_>) -> Result<Value> {
    Ok(Value::Nil)
}
