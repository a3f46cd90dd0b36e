//! The lists of single keys.

use edn::Value;
use factum::kv::codec::KeyType;
use factum::kv::{DynTable, Error, KeyRange, Read};

use super::super::super::args::Args;
use super::super::super::error::EvalError;
use super::super::super::item::Item;
use super::super::super::kv::{KvTarget, typed};
use super::super::super::session::Session;
use super::{Source, dbi, encoded, is_terminate};

type Answer = Result<Item, EvalError>;

/// The table and the types of a call, for reading.
struct List {
    target: KvTarget,
    dbi: factum::kv::Dbi,
    key_type: Option<KeyType>,
    value_type: Option<KeyType>,
}

impl List {
    /// With the types at these places.
    fn new(args: &mut Args, key_type: usize, value_type: Option<usize>) -> Result<Self, EvalError> {
        let target = args.kv_target(0)?;
        let dbi = dbi(args, &target)?;
        let key_type = args.key_type(key_type)?;
        let value_type = value_type.map_or(Ok(None), |at| args.key_type(at))?;
        Ok(Self { target, dbi, key_type, value_type })
    }

    fn read<T>(
        self,
        args: &Args,
        f: impl FnOnce(&dyn Read, DynTable) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        self.target.read(args.span, |read| {
            let table = typed(read, self.dbi, self.key_type, self.value_type)
                .map_err(|error| args.kv_error(&error))?;
            f(read, table)
        })
    }
}

/// `(get-list kv table k k-type? v-type?)`
pub(in super::super) fn get_list(_: &mut Session, mut args: Args) -> Answer {
    let key = args.value(2)?;
    if key.is_nil() {
        return Ok(Item::NIL);
    }
    let list = List::new(&mut args, 3, Some(4))?;
    list.read(&args, |read, table| {
        let items = table.list(&read, &key).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        Ok(Item::Value(Value::Vector(items.map_err(|error| args.kv_error(&error))?)))
    })
}

/// `(visit-list kv table visitor k k-type? v-type? raw-pred?)`
pub(in super::super) fn visit_list(_: &mut Session, mut args: Args) -> Answer {
    let raw = args.flag(6, true)?;
    let visitor = args.function_of_one(2)?;
    let key = args.value(3)?;
    if key.is_nil() {
        return Ok(Item::NIL);
    }
    let list = List::new(&mut args, 4, Some(5))?;
    list.read(&args, |read, table| {
        let source = Source { table, span: args.span };
        let fail = |error: Error| args.kv_error(&error);
        if !source.table.dbi().is_list() {
            let name = source.table.name().to_owned();
            return Err(fail(Error::NotAList { name, operation: "visiting a key's list" }));
        }
        // This key, and none that has only its place in the order.
        let bytes = encoded(&key, source.table.key_codec(), args.span)?;
        let mut cursor = read.cursor(source.table.dbi()).map_err(fail)?;
        let mut value = cursor.get(&bytes).map_err(fail)?;
        while let Some(found) = value {
            let seen = if raw { Value::Bytes(found.into()) } else { source.value(found)? };
            if is_terminate(&visitor.call(&[seen])?) {
                break;
            }
            value = cursor.next_dup().map_err(fail)?;
        }
        Ok(Item::NIL)
    })
}

/// `(list-count kv table k k-type?)`
pub(in super::super) fn list_count(_: &mut Session, mut args: Args) -> Answer {
    let key = args.value(2)?;
    if key.is_nil() {
        return Ok(Item::Value(Value::Int(0)));
    }
    let list = List::new(&mut args, 3, None)?;
    list.read(&args, |read, table| {
        let count = table.list_count(&read, &key).map_err(|error| args.kv_error(&error))?;
        Ok(Item::Value(Value::Int(count as i64)))
    })
}

/// `(in-list? kv table k v k-type? v-type?)`
pub(in super::super) fn in_list(_: &mut Session, mut args: Args) -> Answer {
    let (key, value) = (args.value(2)?, args.value(3)?);
    if key.is_nil() || value.is_nil() {
        return Ok(Item::Value(Value::Bool(false)));
    }
    let list = List::new(&mut args, 4, Some(5))?;
    list.read(&args, |read, table| {
        let found = table.in_list(&read, &key, &value).map_err(|error| args.kv_error(&error))?;
        Ok(Item::Value(Value::Bool(found)))
    })
}

/// `(key-range-list-count kv table k-range k-type? cap?)`
pub(in super::super) fn key_range_list_count(_: &mut Session, mut args: Args) -> Answer {
    let keys = args.value(2)?;
    let cap = args.cap_at(4)?;
    let list = List::new(&mut args, 3, None)?;
    list.read(&args, |read, table| {
        let fail = |error| args.kv_error(&error);
        let keys = KeyRange::from_value(&keys).map_err(fail)?;
        let count = table.pair_count(&read, keys).map_err(fail)?;
        Ok(Item::Value(Value::Int(count.min(cap) as i64)))
    })
}

/// `(put-list-items kv table k vs k-type? v-type?)`
pub(in super::super) fn put_list_items(_: &mut Session, mut args: Args) -> Answer {
    let (key, values) = (args.value(2)?, args.items(3)?);
    let list = List::new(&mut args, 4, Some(5))?;
    list.target.clone().write(args.span, |txn| {
        let fail = |error| args.kv_error(&error);
        let table = typed(txn, list.dbi, list.key_type, list.value_type).map_err(fail)?;
        table.put_list(txn, &key, &values).map_err(fail)?;
        Ok(Item::Value(Value::keyword("transacted")))
    })
}

/// `(del-list-items kv table k k-type?)`, `(del-list-items kv table k vs k-type v-type?)`
pub(in super::super) fn del_list_items(_: &mut Session, mut args: Args) -> Answer {
    let key = args.value(2)?;
    // With four arguments the last one is the type of the key, as in the original.
    let whole = args.len() <= 4;
    let values = if whole { Vec::new() } else { args.items(3)? };
    let list = List::new(&mut args, if whole { 3 } else { 4 }, (!whole).then_some(5))?;
    list.target.clone().write(args.span, |txn| {
        let fail = |error| args.kv_error(&error);
        let table = typed(txn, list.dbi, list.key_type, list.value_type).map_err(fail)?;
        if whole {
            table.delete(txn, &key).map_err(fail)?;
        } else {
            table.delete_list(txn, &key, &values).map_err(fail)?;
        }
        Ok(Item::Value(Value::keyword("transacted")))
    })
}
