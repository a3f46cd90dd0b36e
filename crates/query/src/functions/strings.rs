//! `str subs pr-str print-str .. keyword name namespace`

use std::fmt::Write;

use edn::{Keyword, Value};

use super::{Args, Result};

/// Writes a value as `str` and the printing functions show it: texts and characters without quotes. `nested` is
/// inside a collection.
fn write_plain(out: &mut String, value: &Value, nested: bool) {
    let sequence = |out: &mut String, open: &str, items: &mut dyn Iterator<Item = &Value>, close: char| {
        out.push_str(open);
        for (index, item) in items.enumerate() {
            if index > 0 {
                out.push(' ');
            }
            write_plain(out, item, true);
        }
        out.push(close);
    };
    match value {
        Value::Str(text) => out.push_str(text),
        Value::Char(char) => out.push(*char),
        Value::List(items) => sequence(out, "(", &mut items.iter(), ')'),
        Value::Vector(items) => sequence(out, "[", &mut items.iter(), ']'),
        Value::Set(items) => sequence(out, "#{", &mut items.iter(), '}'),
        Value::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_plain(out, key, true);
                out.push(' ');
                write_plain(out, value, true);
            }
            out.push('}');
        }
        other => write_atom(out, other, nested),
    }
}

fn write_atom(out: &mut String, value: &Value, nested: bool) {
    let written = match value {
        Value::BigInt(number) if !nested => write!(out, "{number}"),
        Value::Decimal(number) if !nested => write!(out, "{}", number.to_plain_string()),
        Value::Uuid(uuid) if !nested => write!(out, "{uuid}"),
        Value::Float(float) if !nested && !float.is_finite() => {
            write!(
                out,
                "{}",
                if float.is_nan() {
                    "NaN"
                } else if *float > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                }
            )
        }
        Value::Inst(_) if !nested => {
            let text = value.to_string();
            write!(out, "{}", text.trim_start_matches("#inst ").trim_matches('"'))
        }
        other => write!(out, "{other}"),
    };
    debug_assert!(written.is_ok(), "writing to a string succeeds");
}

pub(super) fn str(args: &Args<'_>) -> Result<Value> {
    Ok(args.iter().map(shown).collect::<String>().into())
}

/// A value as `str` shows it.
pub(super) fn shown(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Nil => {}
        // `str` keeps the quotes of texts inside collections.
        Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_) | Value::Tagged(..) => {
            out.push_str(&value.to_string());
        }
        other => write_plain(&mut out, other, false),
    }
    out
}

/// Part of a text, counted in characters.
pub(super) fn subs(args: &Args<'_>) -> Result<Value> {
    let text = args.string(0)?;
    let start = args.index(1)?;
    let offset = |position: usize, chars: usize| {
        let mut offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        offsets.nth(chars).ok_or_else(|| args.unexpected(position, "a position inside the string"))
    };
    let from = offset(1, start)?;
    let to = if args.len() > 2 { offset(2, args.index(2)?)? } else { text.len() };
    text.get(from..to).map(Value::from).ok_or_else(|| args.unexpected(2, "an end behind the start"))
}

pub(super) fn pr_str(args: &Args<'_>) -> Result<Value> {
    Ok(args.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ").into())
}

pub(super) fn prn_str(args: &Args<'_>) -> Result<Value> {
    Ok((args.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ") + "\n").into())
}

pub(super) fn print_str(args: &Args<'_>) -> Result<Value> {
    Ok(printed(args).into())
}

pub(super) fn println_str(args: &Args<'_>) -> Result<Value> {
    Ok((printed(args) + "\n").into())
}

fn printed(args: &Args<'_>) -> String {
    let mut out = String::new();
    for (index, value) in args.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        write_plain(&mut out, value, true);
    }
    out
}

pub(super) fn keyword(args: &Args<'_>) -> Result<Value> {
    if args.len() == 2 {
        let namespace = if args[0].is_nil() { None } else { Some(args.string(0)?) };
        return Ok(Value::Keyword(Keyword::new(namespace, args.string(1)?)));
    }
    match &args[0] {
        Value::Keyword(_) => Ok(args[0].clone()),
        Value::Str(text) => Ok(Value::Keyword(Keyword::parse(text))),
        Value::Symbol(symbol) => Ok(Value::Keyword(Keyword::parse(symbol.as_str()))),
        _ => Err(args.unexpected(0, "a string, symbol or keyword")),
    }
}

pub(super) fn name(args: &Args<'_>) -> Result<Value> {
    match &args[0] {
        Value::Str(_) => Ok(args[0].clone()),
        Value::Keyword(keyword) => Ok(keyword.name().into()),
        Value::Symbol(symbol) => Ok(symbol.name().into()),
        _ => Err(args.unexpected(0, "a string, symbol or keyword")),
    }
}

pub(super) fn namespace(args: &Args<'_>) -> Result<Value> {
    let namespace = match &args[0] {
        Value::Keyword(keyword) => keyword.namespace(),
        Value::Symbol(symbol) => symbol.namespace(),
        _ => return Err(args.unexpected(0, "a symbol or keyword")),
    };
    Ok(namespace.map_or(Value::Nil, Value::from))
}
