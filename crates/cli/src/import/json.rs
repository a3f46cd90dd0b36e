//! JSON into records: lines in parallel, arrays one object at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use edn::Value;
use rayon::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::ImportError;
use super::record::{Keys, Record, Records, set_field};
use super::source::{Block, Source, utf8};

/// Reads JSON lines; blocks are decompressed by one thread at a time and parsed by all.
pub fn read_lines(source: Source) -> Result<Vec<Records>, ImportError> {
    let path = source.path.clone();
    let parse = |block: Result<Block, ImportError>| {
        let block = block?;
        Ok((block.index, parse_lines(block, &path)?))
    };
    let blocks: Result<Vec<(usize, Records)>, ImportError> =
        // The first error in the order of the file is reported, whichever thread met one first.
        source.blocks().par_bridge().map(parse).collect::<Vec<_>>().into_iter().collect_first_error();
    let mut blocks = blocks?;
    blocks.sort_unstable_by_key(|(index, _)| *index);
    Ok(blocks.into_iter().map(|(_, records)| records).collect())
}

trait CollectFirstError<T> {
    fn collect_first_error(self) -> Result<Vec<T>, ImportError>;
}

impl<T, I: Iterator<Item = Result<T, ImportError>>> CollectFirstError<T> for I {
    fn collect_first_error(self) -> Result<Vec<T>, ImportError> {
        let (mut all, mut first) = (Vec::new(), None::<ImportError>);
        for item in self {
            match item {
                Ok(item) => all.push(item),
                Err(error) if first.as_ref().is_none_or(|first| error.line() < first.line()) => {
                    first = Some(error)
                }
                Err(_) => {}
            }
        }
        first.map_or(Ok(all), Err)
    }
}

fn parse_lines(block: Block, path: &Path) -> Result<Records, ImportError> {
    let text = utf8(block.bytes, path, block.line)?;
    let mut records = Records::default();
    for (line, text) in (block.line..).zip(text.lines()) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let fields = FieldsSeed(&mut records.keys).deserialize(&mut json);
        match fields.and_then(|fields| json.end().map(|()| fields)) {
            Ok(fields) => records.records.push(Record { line, fields }),
            Err(error) => return Err(json_error(path, line, text, &error)),
        }
    }
    Ok(records)
}

/// Reads a JSON array of objects, or objects one after the other.
pub fn read_array(source: Source) -> Result<Vec<Records>, ImportError> {
    let path = source.path.clone();
    let text = source.text()?;
    let mut records = Records::default();
    let mut json = serde_json::Deserializer::from_str(&text);
    let result = match text.trim_ascii_start().starts_with('[') {
        true => json.deserialize_seq(ArrayVisitor(&mut records)).and_then(|()| json.end()),
        false => loop {
            match json.end() {
                Ok(()) => break Ok(()),
                Err(_) => match FieldsSeed(&mut records.keys).deserialize(&mut json) {
                    Ok(fields) => records.records.push(Record { line: 0, fields }),
                    Err(error) => break Err(error),
                },
            }
        },
    };
    result.map_err(|error| {
        let line = error.line().max(1);
        json_error(&path, line as u64, text.lines().nth(line - 1).unwrap_or(""), &error)
    })?;
    number(&mut records.records, &text);
    Ok(vec![records])
}

/// Gives the records of an array their lines: objects at the outermost level start where the depth rises.
fn number(records: &mut [Record], text: &str) {
    let base = if text.trim_ascii_start().starts_with('[') { 1 } else { 0 };
    let (mut line, mut depth, mut in_string, mut escaped) = (1, 0, false, false);
    let mut records = records.iter_mut();
    for byte in text.bytes() {
        match byte {
            b'\n' => line += 1,
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                if byte == b'{'
                    && depth == base
                    && let Some(record) = records.next()
                {
                    record.line = line;
                }
                depth += 1;
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
}

fn json_error(path: &Path, line: u64, text: &str, error: &serde_json::Error) -> ImportError {
    let message = error.to_string();
    // serde_json appends its own place, which counts from the beginning of the piece that it was given.
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
    ImportError::Json {
        path: path.to_owned(),
        line,
        column: error.column().max(1),
        text: text.to_owned(),
        reason: reason.to_owned(),
    }
}

struct ArrayVisitor<'a>(&'a mut Records);

impl<'de> Visitor<'de> for ArrayVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of JSON objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(fields) = seq.next_element_seed(FieldsSeed(&mut self.0.keys))? {
            self.0.records.push(Record { line: 0, fields });
        }
        Ok(())
    }
}

/// One object as fields, its keys interned.
struct FieldsSeed<'a>(&'a mut Keys);

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = Vec<(u32, Value)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = Vec<(u32, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(16);
        while let Some(key) = map.next_key_seed(KeySeed(self.0))? {
            set_field(&mut fields, key, map.next_value::<Json>()?.0);
        }
        Ok(fields)
    }
}

struct KeySeed<'a>(&'a mut Keys);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<u32, E> {
        Ok(self.0.intern(name))
    }
}

/// Any JSON value as an EDN value: arrays become vectors, objects maps with string keys.
pub struct Json(pub Value);

impl<'de> serde::Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json(Value::Nil))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json(Value::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json(i64::try_from(value).map_or_else(|_| Value::BigInt(value.into()), Value::Int)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json(Value::str(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(4));
        while let Some(Json(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json(Value::Vector(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, Json(value))) = map.next_entry::<String, Json>()? {
            entries.insert(Value::from(key), value);
        }
        Ok(Json(Value::Map(entries)))
    }
}
