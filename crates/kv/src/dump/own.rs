//! Our own form: heads and pairs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use edn::{Keyword, Value};

use super::{FLAGS, put_hex, take_hex};
use crate::codec::{KeyType, RegisteredType};
use crate::dbi::DbiOptions;
use crate::flags::DbiFlags;

/// What a dump of this form begins with.
pub(super) const MARK: &str = "{:factum/dump ";
/// The newest version that is understood.
const VERSION: i64 = 1;

const ORDER: &str = if cfg!(target_endian = "big") { "big" } else { "little" };

pub(super) fn write_head(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{MARK}{VERSION}, :byte-order :{ORDER}}}")
}

pub(super) fn write_table_head(
    name: &str,
    options: &DbiOptions,
    pairs: u64,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut line = format!("{{:table {}, :flags #{{", Value::Str(name.into()));
    let flags: Vec<_> = FLAGS
        .iter()
        .filter(|(flag, _)| options.dbi_flags().contains(*flag))
        .map(|(_, name)| format!(":{name}"))
        .collect();
    line.push_str(&flags.join(" "));
    line.push('}');
    if options.is_counted() {
        line.push_str(", :counted true");
    }
    for (name, key_type) in [("key-type", options.key_type()), ("value-type", options.value_type())] {
        if let Some(key_type) = key_type {
            line.push_str(&format!(", :{name} {}", key_type.to_value()));
        }
    }
    let types: BTreeMap<Value, Value> = [options.key_type(), options.value_type()]
        .into_iter()
        .filter_map(|key_type| key_type?.as_registered())
        .filter_map(|known| Some((Value::Keyword(known.name().clone()), known.definition()?.clone())))
        .collect();
    if !types.is_empty() {
        line.push_str(&format!(", :types {}", Value::Map(types)));
    }
    writeln!(out, "{line}, :pairs {pairs}}}")
}

pub(super) fn write_pair(key: &[u8], value: &[u8], out: &mut impl Write) -> io::Result<()> {
    let mut line = Vec::with_capacity(2 * (key.len() + value.len()) + 2);
    put_hex(key, &mut line);
    line.push(b' ');
    put_hex(value, &mut line);
    line.push(b'\n');
    out.write_all(&line)
}

pub(super) fn write_end(tables: u64, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{{:factum/end {tables}}}")
}

/// What a line that is no pair says.
#[derive(Debug)]
pub(super) enum Head {
    /// The first line; whether integers have the other byte order.
    Dump {
        swapped: bool,
    },
    Table {
        name: String,
        options: DbiOptions,
        pairs: u64,
    },
    End {
        tables: u64,
    },
}

pub(super) fn read_head(line: &[u8]) -> Result<Head, String> {
    let text = std::str::from_utf8(line).map_err(|_| "this line is not text".to_owned())?;
    let value = edn::read(text).map_err(|error| format!("a map was expected: {error}"))?;
    let map = value.as_map().ok_or("a map was expected")?;
    let get = |name: &str| map.get(&Value::Keyword(Keyword::from(name)));
    let number = |name: &str| {
        let found = get(name).and_then(Value::as_int).and_then(|number| u64::try_from(number).ok());
        found.ok_or_else(|| format!(":{name} must be a number"))
    };
    if let Some(version) = get("factum/dump") {
        match version.as_int() {
            Some(VERSION) => {}
            Some(found) if found > VERSION => {
                return Err(format!(
                    "version {found} is newer than this program, which reads up to {VERSION}"
                ));
            }
            _ => return Err("the version of the dump must be a number".to_owned()),
        }
        return match get("byte-order").and_then(Value::as_keyword).map(Keyword::as_str) {
            Some(order @ ("little" | "big")) => Ok(Head::Dump { swapped: order != ORDER }),
            _ => Err(":byte-order must be :little or :big".to_owned()),
        };
    }
    if get("factum/end").is_some() {
        return Ok(Head::End { tables: number("factum/end")? });
    }
    let Some(Value::Str(name)) = get("table") else {
        return Err("the head of a table was expected: a map with :table".to_owned());
    };
    let options = read_options(map, get("flags"))?;
    Ok(Head::Table { name: name.to_string(), options, pairs: number("pairs")? })
}

fn read_options(map: &BTreeMap<Value, Value>, flags: Option<&Value>) -> Result<DbiOptions, String> {
    let mut options = DbiOptions::new();
    let Some(Value::Set(flags)) = flags else { return Err(":flags must be a set".to_owned()) };
    let mut sum = DbiFlags::empty();
    for flag in flags {
        let name = flag.as_keyword().map(Keyword::as_str);
        match FLAGS.iter().find(|(_, known)| Some(*known) == name) {
            Some((flag, _)) => sum |= *flag,
            None => return Err(format!("unknown flag {flag}")),
        }
    }
    options = options.flags(sum);
    let get = |name: &str| map.get(&Value::Keyword(Keyword::from(name)));
    match get("counted") {
        Some(Value::Bool(counted)) => options = options.counted(*counted),
        None => {}
        Some(_) => return Err(":counted must be true or false".to_owned()),
    }
    let of_type = |name: &str| {
        let key_type = get(name).map(|value| KeyType::from_value(value).map_err(|error| error.to_string()));
        Ok::<_, String>(match key_type.transpose()? {
            Some(KeyType::Registered(known)) => {
                let definition =
                    get("types").and_then(|types| types.as_map()?.get(&Value::Keyword(known.name().clone())));
                let definition =
                    definition.ok_or_else(|| format!(":types must say what {} is", known.name()))?;
                Some(KeyType::Registered(RegisteredType::defined(known.name().clone(), definition.clone())))
            }
            other => other,
        })
    };
    options.key_type = of_type("key-type")?;
    options.value_type = of_type("value-type")?;
    Ok(options)
}

/// Reads a pair into the two buffers.
pub(super) fn read_pair(line: &[u8], key: &mut Vec<u8>, value: &mut Vec<u8>) -> Result<(), &'static str> {
    let space = line.iter().position(|byte| *byte == b' ').ok_or("a key and a value were expected")?;
    take_hex(&line[..space], key)?;
    take_hex(&line[space + 1..], value)
}
