//! `clojure.string/..`: texts in upper case, parts of texts, texts split and joined; `str/` is short for it.
//!
//! Positions count characters, as `subs` and `count` do; Clojure's count UTF-16 units.

use std::borrow::Cow;

use edn::Value;
use regex::Regex;

use super::regexes::{self, is_regex};
use super::{Args, Result, elements, strings};

/// The value of a text.
fn text(value: impl Into<String>) -> Result<Value> {
    Ok(Value::from(value.into()))
}

/// An argument of which the text is meant: `:a` is `":a"` to these functions, as in Clojure.
fn subject<'a>(args: &Args<'a>) -> Result<Cow<'a, str>> {
    match &args.values()[0] {
        Value::Str(text) => Ok(Cow::Borrowed(text)),
        Value::Nil => Err(args.unexpected(0, "a string")),
        other => Ok(Cow::Owned(strings::shown(other))),
    }
}

pub(super) fn upper_case(args: &Args<'_>) -> Result<Value> {
    text(subject(args)?.to_uppercase())
}

pub(super) fn lower_case(args: &Args<'_>) -> Result<Value> {
    text(subject(args)?.to_lowercase())
}

/// The first character in upper case, the others in lower case.
pub(super) fn capitalize(args: &Args<'_>) -> Result<Value> {
    let subject = subject(args)?;
    let mut chars = subject.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    text(first + &chars.as_str().to_lowercase())
}

pub(super) fn trim(args: &Args<'_>) -> Result<Value> {
    text(args.string(0)?.trim())
}

pub(super) fn trim_left(args: &Args<'_>) -> Result<Value> {
    text(args.string(0)?.trim_start())
}

pub(super) fn trim_right(args: &Args<'_>) -> Result<Value> {
    text(args.string(0)?.trim_end())
}

pub(super) fn trim_newline(args: &Args<'_>) -> Result<Value> {
    text(args.string(0)?.trim_end_matches(['\n', '\r']))
}

pub(super) fn reverse(args: &Args<'_>) -> Result<Value> {
    text(args.string(0)?.chars().rev().collect::<String>())
}

/// Whether there is nothing but white space; nil is blank.
pub(super) fn is_blank(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args[0].is_nil() || args.string(0)?.trim().is_empty()))
}

pub(super) fn starts_with(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(subject(args)?.starts_with(args.string(1)?)))
}

pub(super) fn ends_with(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(subject(args)?.ends_with(args.string(1)?)))
}

pub(super) fn includes(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(subject(args)?.contains(args.string(1)?)))
}

/// What is looked for: a text, or a character as a text of one.
fn needle(args: &Args<'_>) -> Result<String> {
    match &args[1] {
        Value::Char(char) => Ok(char.to_string()),
        _ => args.string(1).map(str::to_owned),
    }
}

/// The byte where character `position` begins; past the end, the end.
fn byte_of(text: &str, position: usize) -> usize {
    text.char_indices().nth(position).map_or(text.len(), |(at, _)| at)
}

fn position(text: &str, byte: Option<usize>) -> Value {
    byte.map_or(Value::Nil, |byte| Value::Int(text[..byte].chars().count() as i64))
}

/// The first place of a text in another, from a position on; nil if there is none.
pub(super) fn index_of(args: &Args<'_>) -> Result<Value> {
    let (text, needle) = (args.string(0)?, needle(args)?);
    let from = if args.len() > 2 { byte_of(text, args.index(2)?) } else { 0 };
    Ok(position(text, text[from..].find(&needle).map(|at| from + at)))
}

/// The last place of a text in another that begins at a position or before.
pub(super) fn last_index_of(args: &Args<'_>) -> Result<Value> {
    let (text, needle) = (args.string(0)?, needle(args)?);
    if args.len() < 3 {
        return Ok(position(text, text.rfind(&needle)));
    }
    let last = byte_of(text, args.index(2)?);
    // Matches may overlap, so each beginning is tried.
    let found = text.char_indices().map(|(at, _)| at).chain([text.len()]).take_while(|at| *at <= last);
    Ok(position(text, found.filter(|at| text[*at..].starts_with(&needle)).last()))
}

/// `(join separator? parts)`: the parts as `str` writes them.
pub(super) fn join(args: &Args<'_>) -> Result<Value> {
    let last = args.len() - 1;
    let separator = if last == 1 { strings::shown(&args[0]) } else { String::new() };
    let parts = elements(&args[last]).ok_or_else(|| args.unexpected(last, "a collection"))?;
    text(parts.iter().map(strings::shown).collect::<Vec<_>>().join(&separator))
}

/// `(split text regex limit?)`: the parts between matches; a positive limit is the most parts, and without one empty parts at the end
/// go away, as in Java.
pub(super) fn split(args: &Args<'_>) -> Result<Value> {
    let limit = if args.len() > 2 { args.int(2)? } else { 0 };
    Ok(parts(args.string(0)?, &regexes::pattern(args, 1)?, limit))
}

/// The lines of a text, without what ends them; empty ones at the end go away.
pub(super) fn split_lines(args: &Args<'_>) -> Result<Value> {
    Ok(parts(args.string(0)?, &regexes::compile("\r?\n")?, 0))
}

fn parts(text: &str, regex: &Regex, limit: i64) -> Value {
    let most = usize::try_from(limit).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut from = 0;
    for found in regexes::matches(regex, text).filter_map(|captures| captures.get(0)) {
        if parts.len() + 1 >= most {
            break;
        }
        // One of nothing at the very beginning separates nothing.
        if found.end() > 0 {
            parts.push(&text[from..found.start()]);
            from = found.end();
        }
    }
    let is_whole = parts.is_empty();
    parts.push(&text[from..]);
    while limit == 0 && !is_whole && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    Value::Vector(parts.into_iter().map(Value::from).collect())
}

/// `(replace text match replacement)`: all matches of a text, a character or a regular expression; in the replacement of the last, `$1` is
/// the first group.
pub(super) fn replace(args: &Args<'_>) -> Result<Value> {
    substitute(args, usize::MAX)
}

/// [`replace`] for the first match only.
pub(super) fn replace_first(args: &Args<'_>) -> Result<Value> {
    substitute(args, 1)
}

fn substitute(args: &Args<'_>, most: usize) -> Result<Value> {
    let subject = args.string(0)?;
    if is_regex(&args[1]) {
        let regex = regexes::pattern(args, 1)?;
        let template = template(args.string(2)?, regex.captures_len()).ok_or_else(|| {
            args.unexpected(
                2,
                "a replacement in which $ comes before the number of a group (\\$ is the sign itself)",
            )
        })?;
        let mut out = String::new();
        let mut from = 0;
        for captures in regexes::matches(&regex, subject).take(most) {
            let Some(found) = captures.get(0) else { continue };
            out.push_str(&subject[from..found.start()]);
            for part in &template {
                out.push_str(match part {
                    Part::Text(text) => text,
                    Part::Group(group) => captures.get(*group).map_or("", |found| found.as_str()),
                });
            }
            from = found.end();
        }
        return text(out + &subject[from..]);
    }
    let found = needle(args)?;
    let by = match &args[2] {
        Value::Char(char) => char.to_string(),
        _ => args.string(2)?.to_owned(),
    };
    text(subject.replacen(&found, &by, most))
}

/// A part of a replacement.
enum Part {
    Text(String),
    Group(usize),
}

/// The parts of a replacement, as Java reads it: of digits behind `$` as many as make the number of a group that there is. Nothing for a `$`
/// with no such number.
fn template(replacement: &str, groups: usize) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => literal.push(chars.next()?),
            '$' => {
                let mut group = chars.next()?.to_digit(10)? as usize;
                while let Some(digit) = chars.peek().and_then(|char| char.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer >= groups {
                        break;
                    }
                    group = longer;
                    chars.next();
                }
                if group >= groups {
                    return None;
                }
                parts.extend([Part::Text(std::mem::take(&mut literal)), Part::Group(group)]);
            }
            other => literal.push(other),
        }
    }
    parts.push(Part::Text(literal));
    Some(parts)
}
