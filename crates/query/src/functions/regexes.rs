//! `re-pattern re-find re-matches re-seq`
//!
//! A regular expression is the tagged string `#regex "..."`; where one is expected, a plain string will do too.

use std::cell::RefCell;
use std::collections::HashMap;

use edn::{Symbol, Value};
use regex::{Captures, Regex};

use super::{Args, FunctionError, Result};

/// Compiled expressions that each thread keeps.
const KEPT_MAX: usize = 64;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

pub(super) fn compile(text: &str) -> Result<Regex> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(regex) = compiled.get(text) {
            return Ok(regex.clone());
        }
        let regex = Regex::new(text).map_err(|error| FunctionError::BadRegex {
            pattern: text.to_owned(),
            reason: match &error {
                // The library's message is a drawing of several lines; its last line says what is wrong.
                regex::Error::Syntax(drawing) => {
                    drawing.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
                }
                other => other.to_string(),
            },
        })?;
        if compiled.len() >= KEPT_MAX {
            compiled.clear();
        }
        compiled.insert(text.to_owned(), regex.clone());
        Ok(regex)
    })
}

/// Whether a value is a regular expression, and not only its text.
pub(super) fn is_regex(value: &Value) -> bool {
    matches!(value, Value::Tagged(tag, _) if tag.as_str() == "regex")
}

/// The regular expression that stands at a position.
pub(super) fn pattern(args: &Args<'_>, position: usize) -> Result<Regex> {
    let value = match &args[position] {
        Value::Tagged(_, text) if is_regex(&args[position]) => text,
        other => other,
    };
    match value {
        Value::Str(text) => compile(text),
        _ => Err(args.unexpected(position, "a regular expression")),
    }
}

pub(super) fn re_pattern(args: &Args<'_>) -> Result<Value> {
    pattern(args, 0)?;
    Ok(match &args[0] {
        Value::Str(_) => Value::Tagged(Symbol::parse("regex"), Box::new(args[0].clone())),
        regex => regex.clone(),
    })
}

/// All matches, one behind the other. As in Java, and unlike the library's own iterator, one of nothing may begin where the last one ended.
pub(super) fn matches<'r, 't>(
    regex: &'r Regex,
    text: &'t str,
) -> impl Iterator<Item = Captures<'t>> + use<'r, 't> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let captures = regex.captures_at(text, next.take()?)?;
        let found = captures.get(0)?;
        next = match found.is_empty() {
            true => text[found.end()..].chars().next().map(|char| found.end() + char.len_utf8()),
            false => Some(found.end()),
        };
        Some(captures)
    })
}

/// The match, or with groups the vector of the match and each group.
fn found(captures: &Captures<'_>) -> Value {
    let group = |index: usize| captures.get(index).map_or(Value::Nil, |group| group.as_str().into());
    match captures.len() {
        1 => group(0),
        len => Value::Vector((0..len).map(group).collect()),
    }
}

pub(super) fn re_find(args: &Args<'_>) -> Result<Value> {
    Ok(pattern(args, 0)?.captures(args.string(1)?).map_or(Value::Nil, |captures| found(&captures)))
}

pub(super) fn re_matches(args: &Args<'_>) -> Result<Value> {
    let text = args.string(1)?;
    let regex = pattern(args, 0)?;
    // Anchored, so that an alternative that matches all of the text is found even if a shorter one comes first.
    let anchored = compile(&format!("^(?:{regex})$"))?;
    let whole =
        anchored.captures(text).filter(|captures| captures.get(0).is_some_and(|all| all.len() == text.len()));
    Ok(whole.map_or(Value::Nil, |captures| found(&captures)))
}

pub(super) fn re_seq(args: &Args<'_>) -> Result<Value> {
    let regex = pattern(args, 0)?;
    let all: Vec<Value> = matches(&regex, args.string(1)?).map(|captures| found(&captures)).collect();
    Ok(if all.is_empty() { Value::Nil } else { Value::List(all) })
}
