//! `in not-in like not-like`

use edn::Value;

use super::compare::equal;
use super::like::{ESCAPE, LikePattern};
use super::{Args, FunctionError, Result};

pub(super) fn is_in(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(contained(args)?))
}

pub(super) fn is_not_in(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(!contained(args)?))
}

fn contained(args: &Args<'_>) -> Result<bool> {
    match &args[1] {
        Value::List(items) | Value::Vector(items) => Ok(items.iter().any(|item| equal(item, &args[0]))),
        Value::Set(items) => Ok(items.contains(&args[0]) || items.iter().any(|item| equal(item, &args[0]))),
        _ => Err(args.unexpected(1, "a vector, list or set")),
    }
}

pub(super) fn like(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(matches(args)?))
}

pub(super) fn not_like(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(!matches(args)?))
}

fn matches(args: &Args<'_>) -> Result<bool> {
    let pattern = compile(args)?;
    Ok(pattern.matches(args.string(0)?))
}

/// The pattern of a call of `like`: its second argument, and the escape named by its third.
pub(crate) fn compile(args: &Args<'_>) -> Result<LikePattern> {
    let pattern = args.string(1)?;
    let escape = match args.get(2) {
        None => ESCAPE,
        Some(options) => escape(options).ok_or_else(|| args.unexpected(2, "{:escape \\c}"))?,
    };
    LikePattern::parse(pattern, escape).ok_or_else(|| FunctionError::BadLikeEscape {
        function: args.function().clone(),
        pattern: pattern.to_owned(),
        escape,
    })
}

fn escape(options: &Value) -> Option<char> {
    match options.as_map()?.get(&Value::keyword("escape")) {
        None => Some(ESCAPE),
        Some(Value::Char(escape)) => Some(*escape),
        Some(Value::Str(text)) => {
            let mut chars = text.chars();
            chars.next().filter(|_| chars.next().is_none())
        }
        Some(_) => None,
    }
}
