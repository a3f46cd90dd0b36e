//! Strings and characters with their escapes.

use nom::bytes::complete::take_while_m_n;
use nom::combinator::map_res;
use nom::{IResult, Parser};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::form::Span;
use crate::reader::token::{is_blank, token};
use crate::shorten::shorten;

/// Reads a string from its opening quote at `start`; answers its text and the offset after the closing quote.
pub(crate) fn string(text: &str, start: usize) -> Result<(Arc<str>, usize)> {
    let body = start + 1;
    let run = plain_run(&text[body..]);
    if text.as_bytes().get(body + run) == Some(&b'"') {
        return Ok((text[body..body + run].into(), body + run + 1));
    }
    let mut out = String::with_capacity(run + 16);
    let mut at = body;
    loop {
        let run = plain_run(&text[at..]);
        out.push_str(&text[at..at + run]);
        at += run;
        match text.as_bytes().get(at) {
            Some(b'"') => return Ok((out.into(), at + 1)),
            Some(_) => {
                let (c, length) = escape(text, at, start)?;
                out.push(c);
                at += length;
            }
            None => return Err(unterminated(text, start)),
        }
    }
}

/// Reads the text of `#"..."` from its quote: escapes are kept as they stand, as in Clojure.
pub(crate) fn regex(text: &str, start: usize) -> Result<(&str, usize)> {
    let body = start + 1;
    let mut at = body;
    loop {
        at += plain_run(&text[at..]);
        match text.as_bytes().get(at) {
            Some(b'"') => return Ok((&text[body..at], at + 1)),
            Some(_) => {
                let escaped = text[at + 1..].chars().next().ok_or_else(|| unterminated(text, start))?;
                at += 1 + escaped.len_utf8();
            }
            None => return Err(unterminated(text, start)),
        }
    }
}

/// Bytes up to the next quote or backslash.
fn plain_run(text: &str) -> usize {
    text.bytes().position(|byte| byte == b'"' || byte == b'\\').unwrap_or(text.len())
}

fn unterminated(text: &str, start: usize) -> Error {
    Error::new(ErrorKind::UnterminatedString, Span::new(text.len(), text.len()))
        .with_related(Span::new(start, start + 1), "the string starts here")
}

/// Reads the escape at `at` (a backslash): the character and the length of the escape.
fn escape(text: &str, at: usize, string_start: usize) -> Result<(char, usize)> {
    let rest = &text[at + 1..];
    let Some(first) = rest.chars().next() else { return Err(unterminated(text, string_start)) };
    let simple = match first {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        '"' | '\\' => Some(first),
        _ => None,
    };
    if let Some(c) = simple {
        return Ok((c, 2));
    }
    let invalid = |length: usize, hint: &str| {
        let mut end = (at + length).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Error::new(ErrorKind::InvalidEscape { escape: text[at..end].to_owned() }, Span::new(at, end))
            .with_hint(hint)
    };
    match first {
        'u' => unicode(&rest[1..])
            .map(|(c, length)| (c, length + 2))
            .ok_or_else(|| invalid(6, "write \\u and four hexadecimal digits; surrogates only in pairs")),
        '0'..='7' => octal(rest)
            .map(|(c, length)| (c, length + 1))
            .ok_or_else(|| invalid(4, "octal escapes go from \\0 to \\377")),
        _ => Err(invalid(
            1 + first.len_utf8(),
            "the escapes are \\n \\t \\r \\b \\f \\\" \\\\ \\uXXXX and octal \\0 to \\377",
        )),
    }
}

fn hex4(text: &str) -> IResult<&str, u16> {
    map_res(take_while_m_n(4, 4, |c: char| c.is_ascii_hexdigit()), |digits| u16::from_str_radix(digits, 16))
        .parse(text)
}

/// Four hexadecimal digits, or a pair of surrogates: the character and the bytes used.
fn unicode(text: &str) -> Option<(char, usize)> {
    let (rest, high) = hex4(text).ok()?;
    if let Some(c) = char::from_u32(high.into()) {
        return Some((c, 4));
    }
    let (_, low) = hex4(rest.strip_prefix("\\u")?).ok()?;
    let c = char::decode_utf16([high, low]).next()?.ok()?;
    Some((c, 10))
}

/// One to three octal digits up to 377.
fn octal(text: &str) -> Option<(char, usize)> {
    let digits = text.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    let code = u32::from_str_radix(&text[..digits], 8).ok()?;
    (code <= 0o377).then(|| char::from_u32(code).map(|c| (c, digits)))?
}

/// The named characters.
pub(crate) const NAMED: [(&str, char); 6] = [
    ("newline", '\n'),
    ("return", '\r'),
    ("space", ' '),
    ("tab", '\t'),
    ("formfeed", '\u{c}'),
    ("backspace", '\u{8}'),
];

/// Reads a character literal from its backslash at `start`; answers it and the offset after it.
pub(crate) fn character(text: &str, start: usize) -> Result<(char, usize)> {
    let rest = &text[start + 1..];
    let Some(first) = rest.chars().next().filter(|c| *c == ',' || !is_blank(*c)) else {
        return Err(Error::new(
            ErrorKind::InvalidCharacter { token: "\\".to_owned() },
            Span::new(start, start + 1),
        )
        .with_hint("a backslash is followed by a character; a blank is written \\space"));
    };
    let more = token(&rest[first.len_utf8()..]).map_or(0, |(_, run)| run.len());
    let name = &rest[..first.len_utf8() + more];
    let end = start + 1 + name.len();
    if more == 0 {
        return Ok((first, end));
    }
    let invalid = || {
        Error::new(ErrorKind::InvalidCharacter { token: shorten(&text[start..end]) }, Span::new(start, end))
    };
    if let Some((_, c)) = NAMED.iter().find(|(known, _)| *known == name) {
        return Ok((*c, end));
    }
    let coded = match first {
        'u' => unicode(&name[1..]).filter(|(_, length)| *length == more).map(|(c, _)| c),
        'o' => octal(&name[1..]).filter(|(_, length)| *length == more).map(|(c, _)| c),
        _ => None,
    };
    coded.map(|c| (c, end)).ok_or_else(|| {
        invalid().with_hint(match crate::nearest(name, NAMED.map(|(known, _)| known)) {
            Some(known) => format!("did you mean \\{known}?"),
            None => {
                "the names are newline, return, space, tab, formfeed, backspace, uXXXX and oNNN".to_owned()
            }
        })
    })
}
