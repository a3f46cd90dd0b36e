//! Single keys and ranks; raw pairs and buffers.

use std::time::{SystemTime, UNIX_EPOCH};

use edn::Value;
use factum::kv::{DynTable, Read};

use super::super::super::args::Args;
use super::super::super::error::EvalError;
use super::super::super::item::Item;
use super::super::super::known_types::resolved;
use super::super::super::kv::typed;
use super::super::super::lambda::{part, read_buffer as decode};
use super::super::super::session::Session;
use super::{Source, dbi, encoded};

/// `(k pair)`
pub(in super::super) fn k(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    part(&args.value(0)?, 0, args.span).map(Item::Value)
}

/// `(v pair)`
pub(in super::super) fn v(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    part(&args.value(0)?, 1, args.span).map(Item::Value)
}

/// `(put-buffer buffer x type?)`
pub(in super::super) fn put_buffer(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let before = match args.value(0)? {
        Value::Nil => Vec::new(),
        Value::Bytes(bytes) => bytes.to_vec(),
        other => return Err(args.unfit(0, "bytes or nil", &Item::Value(other))),
    };
    let value = args.value(1)?;
    let codec = resolved(args.key_type(2)?.unwrap_or_default(), args.span_of(2))?;
    let bytes = encoded(&value, &codec, args.span_of(1))?;
    Ok(Item::Value(Value::Bytes([before.as_slice(), &bytes].concat().into())))
}

/// `(read-buffer buffer type?)`
pub(in super::super) fn read_buffer(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let bytes = args.value(0)?;
    let codec = resolved(args.key_type(1)?.unwrap_or_default(), args.span_of(1))?;
    decode(&bytes, &codec, args.span).map(Item::Value)
}

/// `(get-value kv table k k-type? v-type? ignore-key?)`
pub(in super::super) fn get_value(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let target = args.kv_target(0)?;
    let dbi = dbi(&mut args, &target)?;
    let key = args.value(2)?;
    let (keys, values, ignore_key) = (args.key_type(3)?, args.key_type(4)?, args.flag(5, true)?);
    target.read(args.span, |read| {
        let table = typed(read, dbi, keys, values).map_err(|error| args.kv_error(&error))?;
        get_from(&table, read, &key, ignore_key, &args)
    })
}

/// The value of a key, or the pair.
pub(in super::super) fn get_from(
    table: &DynTable,
    read: &dyn Read,
    key: &Value,
    ignore_key: bool,
    args: &Args,
) -> Result<Item, EvalError> {
    if key.is_nil() {
        return Ok(Item::NIL);
    }
    let found = table.get(&read, key).map_err(|error| args.kv_error(&error))?;
    Ok(Item::Value(match found {
        Some(value) if ignore_key => value,
        Some(value) => Value::Vector(vec![key.clone(), value]),
        None => Value::Nil,
    }))
}

/// `(get-rank kv table k k-type?)`
pub(in super::super) fn get_rank(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let target = args.kv_target(0)?;
    let dbi = dbi(&mut args, &target)?;
    let key = args.value(2)?;
    let keys = args.key_type(3)?;
    target.read(args.span, |read| {
        if key.is_nil() {
            return Ok(Item::NIL);
        }
        let table = typed(read, dbi, keys, None).map_err(|error| args.kv_error(&error))?;
        let rank = table.rank(&read, &key).map_err(|error| args.kv_error(&error))?;
        Ok(Item::Value(rank.map_or(Value::Nil, |rank| Value::Int(rank as i64))))
    })
}

/// `(get-by-rank kv table rank k-type? v-type? ignore-key?)`
pub(in super::super) fn get_by_rank(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let target = args.kv_target(0)?;
    let dbi = dbi(&mut args, &target)?;
    let rank = args.value(2)?;
    let Some(rank) = rank.as_int() else {
        return Err(args.unfit(2, "a rank, an integer", &Item::Value(rank)));
    };
    // Nothing has a negative rank, as nothing has one that is too large.
    let rank = u64::try_from(rank).unwrap_or(u64::MAX);
    let (keys, values, ignore_key) = (args.key_type(3)?, args.key_type(4)?, args.flag(5, true)?);
    target.read(args.span, |read| {
        let table = typed(read, dbi, keys, values).map_err(|error| args.kv_error(&error))?;
        let source = Source { table, span: args.span };
        let found = read.by_rank(&dbi, rank).map_err(|error| args.kv_error(&error))?;
        Ok(Item::Value(match found {
            Some(pair) => source.entry(pair, ignore_key)?,
            None => Value::Nil,
        }))
    })
}

/// `(sample-kv kv table n k-type? v-type? ignore-key?)`
pub(in super::super) fn sample_kv(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let target = args.kv_target(0)?;
    let dbi = dbi(&mut args, &target)?;
    let n = args.count_at(2)?;
    let (keys, values, ignore_key) = (args.key_type(3)?, args.key_type(4)?, args.flag(5, true)?);
    // Another sample each time, unlike the original, which keeps its positions until the size changes.
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    target.read(args.span, |read| {
        let table = typed(read, dbi, keys, values).map_err(|error| args.kv_error(&error))?;
        if table.entries(&read).map_err(|error| args.kv_error(&error))? < n {
            return Ok(Item::NIL);
        }
        let sample = table.sample(&read, n, seed).map_err(|error| args.kv_error(&error))?;
        let entry = |(key, value)| if ignore_key { value } else { Value::Vector(vec![key, value]) };
        Ok(Item::Value(Value::Vector(sample.into_iter().map(entry).collect())))
    })
}
