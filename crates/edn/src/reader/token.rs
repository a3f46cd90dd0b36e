//! Where tokens begin and end: blank space, comments and runs of token characters.

use nom::bytes::complete::{take_till, take_while, take_while1};
use nom::{IResult, Parser};

/// Space between forms: Unicode white space, commas and the byte order mark.
pub(crate) fn is_blank(c: char) -> bool {
    match u8::try_from(c) {
        Ok(byte @ ..0x80) => is_ascii_blank(byte),
        _ => c.is_whitespace() || c == '\u{feff}',
    }
}

/// The blanks of one byte.
pub(crate) fn is_ascii_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\t'..=b'\r')
}

/// Characters that end a token without being blank.
pub(crate) fn is_delimiter(c: char) -> bool {
    matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';' | '\\')
}

/// Whether a token goes on with this character. More than names may hold, so that `a@b` is one bad token
/// and not two good ones.
pub(crate) fn is_token(c: char) -> bool {
    if c.is_ascii() { TOKEN[c as usize] } else { !is_blank(c) }
}

const TOKEN: [bool; 128] = {
    let mut table = [true; 128];
    let stops = b" ,\n\r\t\x0b\x0c()[]{}\";\\";
    let mut at = 0;
    while at < stops.len() {
        table[stops[at] as usize] = false;
        at += 1;
    }
    table
};

/// Characters of symbols, keywords and tags, besides the `/` that separates the namespace.
pub(crate) fn is_name(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '.' | '*' | '+' | '!' | '-' | '_' | '?' | '$' | '%' | '&' | '=' | '<' | '>' | '|' => true,
        ':' | '#' | '\'' => true,
        c => !c.is_ascii() && !is_blank(c) && !c.is_control(),
    }
}

/// Skips blank space and comments: `; ...` and `#! ...` to the end of the line.
pub(crate) fn blank(text: &str) -> &str {
    let mut rest = text;
    loop {
        let result: IResult<&str, &str> = take_while(is_blank).parse(rest);
        if let Ok((after, _)) = result {
            rest = after;
        }
        if !rest.starts_with(';') && !rest.starts_with("#!") {
            return rest;
        }
        let result: IResult<&str, &str> = take_till(|c| c == '\n').parse(rest);
        if let Ok((after, _)) = result {
            rest = after;
        }
    }
}

/// A run of token characters.
pub(crate) fn token(text: &str) -> IResult<&str, &str> {
    take_while1(is_token).parse(text)
}
