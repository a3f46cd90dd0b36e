//! Printing: every value as one line of text that reads back equal.

use std::fmt::{self, Write};

use bigdecimal::BigDecimal;

use crate::form::{Form, FormKind};
use crate::inst;
use crate::name::Symbol;
use crate::reader::{NAMED, is_keyword_text, is_symbol_text, is_tag_text};
use crate::tags::BuiltIn;
use crate::value::Value;

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(items) => sequence(f, "(", items, ")"),
            Self::Vector(items) => sequence(f, "[", items, "]"),
            Self::Set(items) => sequence(f, "#{", items, "}"),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let separator = if index > 0 { ", " } else { "" };
                    write!(f, "{separator}{key} {value}")?;
                }
                f.write_str("}")
            }
            Self::Tagged(tag, value) => tagged(f, tag, &**value),
            leaf => write_leaf(f, leaf),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FormKind::Atom(value) => value.fmt(f),
            FormKind::List(items) => sequence(f, "(", items, ")"),
            FormKind::Vector(items) => sequence(f, "[", items, "]"),
            FormKind::Set(items) => sequence(f, "#{", items, "}"),
            FormKind::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let separator = if index > 0 { ", " } else { "" };
                    write!(f, "{separator}{key} {value}")?;
                }
                f.write_str("}")
            }
            FormKind::Tagged(tag, form) => tagged(f, tag, &**form),
        }
    }
}

fn sequence<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    items: impl IntoIterator<Item = T>,
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        item.fmt(f)?;
    }
    f.write_str(close)
}

/// Whether a tag can be written after a `#` and is kept as it is when read.
fn is_plain_tag(tag: &Symbol) -> bool {
    is_tag_text(tag.as_str()) && BuiltIn::of(tag).is_none()
}

fn tagged(f: &mut fmt::Formatter<'_>, tag: &Symbol, item: &dyn fmt::Display) -> fmt::Result {
    let (open, close) = tag_around(tag);
    f.write_str(&open)?;
    item.fmt(f)?;
    f.write_str(close)
}

/// What stands before and after a tagged item.
pub(crate) fn tag_around(tag: &Symbol) -> (String, &'static str) {
    if is_plain_tag(tag) {
        return (format!("#{tag} "), "");
    }
    let mut open = "#tagged [".to_owned();
    // Writing to a String cannot fail.
    let _ = write_string(&mut open, tag.as_str());
    open.push(' ');
    (open, "]")
}

/// Writes any value but a collection or a tagged value, which are left to the caller.
pub(crate) fn write_leaf(f: &mut impl Write, value: &Value) -> fmt::Result {
    match value {
        Value::Nil => f.write_str("nil"),
        Value::Bool(value) => write!(f, "{value}"),
        Value::Int(value) => write!(f, "{value}"),
        Value::BigInt(value) => write!(f, "{value}N"),
        Value::Ratio(value) => write!(f, "{}/{}", value.numer(), value.denom()),
        Value::Float(value) => write_float(f, *value),
        Value::Decimal(value) => write!(f, "{}M", DecimalText(value)),
        Value::Char(value) => write_char(f, *value),
        Value::Str(text) => write_string(f, text),
        Value::Keyword(keyword) if is_keyword_text(keyword.as_str()) => write!(f, "{keyword}"),
        Value::Keyword(keyword) => {
            f.write_str("#keyword ")?;
            write_string(f, keyword.as_str())
        }
        Value::Symbol(symbol) if is_symbol_text(symbol.as_str()) => write!(f, "{symbol}"),
        Value::Symbol(symbol) => {
            f.write_str("#symbol ")?;
            write_string(f, symbol.as_str())
        }
        Value::Inst(millis) => write_inst(f, *millis),
        Value::Uuid(value) => write!(f, "#uuid \"{value}\""),
        Value::Bytes(bytes) => {
            f.write_str("#bytes \"")?;
            for byte in bytes.iter() {
                write!(f, "{byte:02x}")?;
            }
            f.write_str("\"")
        }
        Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_) | Value::Tagged(..) => Ok(()),
    }
}

/// The shortest digits that read back as the same double.
fn write_float(f: &mut impl Write, value: f64) -> fmt::Result {
    if value.is_nan() {
        f.write_str("##NaN")
    } else if value.is_infinite() {
        f.write_str(if value > 0.0 { "##Inf" } else { "##-Inf" })
    } else {
        write!(f, "{value:?}")
    }
}

/// A decimal without its suffix: digits and point where that is short, else digits and exponent; either way
/// the scale reads back.
pub(crate) struct DecimalText<'d>(pub(crate) &'d BigDecimal);

impl fmt::Display for DecimalText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Zeros that are written out before the digits of a small number.
        const ZEROS: usize = 6;
        let (digits, scale) = self.0.as_bigint_and_exponent();
        let text = digits.magnitude().to_string();
        if digits.sign() == num_bigint::Sign::Minus {
            f.write_str("-")?;
        }
        match usize::try_from(scale) {
            Ok(0) => f.write_str(&text),
            Ok(scale) if scale < text.len() => {
                let (whole, fraction) = text.split_at(text.len() - scale);
                write!(f, "{whole}.{fraction}")
            }
            Ok(scale) if scale - text.len() < ZEROS => write!(f, "0.{text:0>scale$}"),
            _ => {
                // One digit before the point; the digits behind it raise the scale again when this is read.
                let (first, rest) = text.split_at(1);
                let exponent = rest.len() as i128 - i128::from(scale);
                let point = if rest.is_empty() { "" } else { "." };
                write!(f, "{first}{point}{rest}E{exponent}")
            }
        }
    }
}

fn write_char(f: &mut impl Write, value: char) -> fmt::Result {
    if let Some((name, _)) = NAMED.iter().find(|(_, c)| *c == value) {
        return write!(f, "\\{name}");
    }
    if needs_code(value) || value.is_whitespace() {
        return write!(f, "\\u{:04x}", u32::from(value));
    }
    write!(f, "\\{value}")
}

/// Characters that would be invisible or mistaken for space; all of them have four-digit codes.
fn needs_code(value: char) -> bool {
    value.is_control() || matches!(value, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Writes a string literal.
pub(crate) fn write_string(f: &mut impl Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\t' => "\\t",
            '\r' => "\\r",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            c if needs_code(c) => "",
            _ => continue,
        };
        f.write_str(&text[plain..at])?;
        plain = at + c.len_utf8();
        match escape {
            "" => write!(f, "\\u{:04x}", u32::from(c))?,
            escape => f.write_str(escape)?,
        }
    }
    f.write_str(&text[plain..])?;
    f.write_char('"')
}

fn write_inst(f: &mut impl Write, millis: i64) -> fmt::Result {
    let mut date = String::with_capacity(29);
    match inst::write(&mut date, millis) {
        Some(result) => result.and_then(|()| write!(f, "#inst \"{date}\"")),
        None => write!(f, "#inst {millis}"),
    }
}

/// A value in at most about 60 characters, for messages.
pub(crate) fn preview(value: &Value) -> String {
    const SHOWN: usize = 60;
    struct Capped(String);
    impl Write for Capped {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(text);
            if self.0.len() > 4 * SHOWN { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut capped = Capped(String::new());
    // The error only says that enough was written.
    let _ = write!(capped, "{value}");
    match capped.0.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &capped.0[..at]),
        None => capped.0,
    }
}
