//! Symbols, keywords and tags: what a name may look like, and a cache that shares equal keywords.

use crate::error::{Error, ErrorKind, Result};
use crate::form::Span;
use crate::name::{Keyword, Symbol};
use crate::reader::number::is_number;
use crate::reader::token::is_name;
use crate::shorten::shorten;
use crate::value::Value;

/// Whether text is a name with at most one separating slash: `a`, `a/b`, `/`, `a//`.
fn is_name_path(text: &str) -> bool {
    if text == "/" {
        return true;
    }
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, text),
    };
    let proper = |part: &str| !part.is_empty() && part.chars().all(is_name) && !part.ends_with(':');
    namespace.is_none_or(proper) && (proper(name) || (name == "/" && namespace.is_some()))
}

/// Whether text reads back as a keyword when a colon is put before it.
pub(crate) fn is_keyword_text(text: &str) -> bool {
    !text.starts_with(':') && !text.contains("::") && !text.contains("/:") && is_name_path(text)
}

/// Whether text reads back as a symbol, and not as a number, `nil`, `true` or `false`.
pub(crate) fn is_symbol_text(text: &str) -> bool {
    let starts_name = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit() || matches!(c, ':' | '#' | '\'')) && !is_number(part)
    };
    !matches!(text, "nil" | "true" | "false")
        && is_name_path(text)
        && text.split('/').all(starts_name)
        && !text.contains("::")
}

/// Whether text is a tag when a `#` is put before it: a symbol that begins with a letter.
pub(crate) fn is_tag_text(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || !c.is_ascii()) && is_symbol_text(text)
}

/// Reads a token that is not a number as a constant or a symbol.
pub(crate) fn symbol_or_constant(token: &str, span: Span) -> Result<Value> {
    match token {
        "nil" => return Ok(Value::Nil),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        _ => {}
    }
    if is_symbol_text(token) {
        return Ok(Value::Symbol(Symbol::parse(token)));
    }
    Err(name_error(token, token, "symbol", span))
}

/// An error for a bad name; `shown` is the token with its sigil.
pub(crate) fn name_error(text: &str, shown: &str, what: &'static str, span: Span) -> Error {
    let foreign = match text.chars().next() {
        Some('@') => Some("deref (@)"),
        Some('`') => Some("syntax quote (`)"),
        Some('~') => Some("unquote (~)"),
        _ => None,
    };
    if let (Some(foreign), "symbol") = (foreign, what) {
        return Error::new(ErrorKind::NotEdn { what: foreign.to_owned() }, span);
    }
    let error = Error::new(ErrorKind::InvalidName { token: shorten(shown), what }, span);
    if what == "keyword" && text.starts_with(':') {
        return error.with_hint("keywords are written with one colon; EDN has no current namespace for ::");
    }
    if text.matches('/').count() > 1 {
        return error.with_hint("only one slash, between namespace and name");
    }
    if let Some(bad) = text.chars().find(|c| !is_name(*c) && *c != '/') {
        return error.with_hint(format!("{bad:?} cannot stand in a {what}"));
    }
    error
}

/// Slots of the cache; texts use few keywords, many times over.
const SLOTS: usize = 256;

/// Recently read keywords, so that equal ones share their text.
#[derive(Default)]
pub(crate) struct KeywordCache {
    slots: Vec<Option<Keyword>>,
}

impl KeywordCache {
    /// The keyword of a token that starts with a colon.
    pub(crate) fn keyword(&mut self, token: &str, span: Span) -> Result<Keyword> {
        let text = &token[1..];
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, None);
        }
        let slot = &mut self.slots[slot_of(text)];
        if let Some(keyword) = slot.as_ref().filter(|keyword| keyword.as_str() == text) {
            return Ok(keyword.clone());
        }
        if !is_keyword_text(text) {
            return Err(name_error(text, token, "keyword", span));
        }
        Ok(slot.insert(Keyword::parse(text)).clone())
    }
}

/// A cheap mix of length, ends and middle.
fn slot_of(text: &str) -> usize {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0) as usize;
    let len = bytes.len();
    let mixed = len
        .wrapping_mul(31)
        .wrapping_add(at(len.wrapping_sub(1)).wrapping_mul(7))
        .wrapping_add(at(len.wrapping_sub(2)).wrapping_mul(57))
        .wrapping_add(at(len / 2).wrapping_mul(131))
        .wrapping_add(at(0).wrapping_mul(13));
    (mixed ^ (mixed >> 8)) % SLOTS
}
