//! Ranges of keys: reading, counting, filtering, visiting.

use edn::Value;
use factum::kv::codec::KeyType;
use factum::kv::{KeyRange, Read};

use super::super::super::args::Args;
use super::super::super::error::EvalError;
use super::super::super::item::Item;
use super::super::super::kv::{KvTarget, typed};
use super::super::super::session::Session;
use super::{Function, Source, dbi, is_terminate};

type Answer = Result<Item, EvalError>;

/// What the walks over a range have in common.
struct Walk {
    target: KvTarget,
    dbi: factum::kv::Dbi,
    keys: Value,
    values: Option<Value>,
    key_type: Option<KeyType>,
    value_type: Option<KeyType>,
}

impl Walk {
    /// The range from argument `at` on: `k-range k-type? v-type?`, or `k-range k-type v-range v-type`.
    fn new(args: &mut Args, at: usize, list: bool) -> Result<Self, EvalError> {
        let target = args.kv_target(0)?;
        let dbi = dbi(args, &target)?;
        let keys = args.value(at)?;
        let key_type = args.key_type(at + 1)?;
        let (values, value_type) = match list {
            true => (Some(args.value(at + 2)?), args.key_type(at + 3)?),
            false => (None, args.key_type(at + 2)?),
        };
        Ok(Self { target, dbi, keys, values, key_type, value_type })
    }

    /// With the type of keys alone: `k-range k-type?`.
    fn of_keys(args: &mut Args, at: usize) -> Result<Self, EvalError> {
        let target = args.kv_target(0)?;
        let dbi = dbi(args, &target)?;
        let (keys, key_type) = (args.value(at)?, args.key_type(at + 1)?);
        Ok(Self { target, dbi, keys, values: None, key_type, value_type: None })
    }

    fn ignores_value(&self) -> bool {
        self.value_type == Some(KeyType::Ignore)
    }

    /// Reads the typed table.
    fn read<T>(
        &self,
        args: &Args,
        f: impl FnOnce(&dyn Read, Source) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        self.target.read(args.span, |read| {
            let table = typed(read, self.dbi, self.key_type.clone(), self.value_type.clone())
                .map_err(|error| args.kv_error(&error))?;
            f(read, Source { table, span: args.span })
        })
    }

    /// Calls `each` with the bytes of every pair until it has an answer.
    fn until<T>(
        &self,
        args: &Args,
        mut each: impl FnMut(&Source, (&[u8], &[u8])) -> Result<Option<T>, EvalError>,
    ) -> Result<Option<T>, EvalError> {
        self.read(args, |read, source| {
            let mut pairs = source.pairs(&read, &self.keys, self.values.as_ref())?;
            while let Some(pair) = pairs.step().map_err(|error| args.kv_error(&error))? {
                if let Some(answer) = each(&source, pair)? {
                    return Ok(Some(answer));
                }
            }
            Ok(None)
        })
    }

    /// Calls `each` with the bytes of every pair.
    fn all(
        &self,
        args: &Args,
        mut each: impl FnMut(&Source, (&[u8], &[u8])) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        self.until(args, |source, pair| each(source, pair).map(|()| None::<()>)).map(drop)
    }

    fn first(&self, args: &Args, ignore_key: bool) -> Answer {
        let found = self.until(args, |source, pair| source.entry(pair, ignore_key).map(Some))?;
        Ok(Item::Value(match found {
            Some(Value::Nil) if ignore_key && self.ignores_value() => Value::Bool(true),
            found => found.unwrap_or_default(),
        }))
    }

    fn first_n(&self, args: &Args, n: u64, ignore_key: bool) -> Answer {
        let mut entries = Vec::new();
        if n > 0 {
            self.until(args, |source, pair| {
                entries.push(source.entry(pair, ignore_key)?);
                Ok((entries.len() as u64 == n).then_some(()))
            })?;
        }
        Ok(Item::Value(Value::Vector(entries)))
    }

    fn some(&self, args: &Args, function: &Function, raw: bool) -> Answer {
        let made = self.until(args, |source, pair| {
            let made = source.apply(function, pair, raw)?;
            Ok(made.is_truthy().then_some(made))
        })?;
        Ok(Item::Value(made.unwrap_or_default()))
    }

    fn filter(&self, args: &Args, predicate: &Function, raw: bool, ignore_key: bool) -> Answer {
        let mut kept = Vec::new();
        self.all(args, |source, pair| {
            if source.apply(predicate, pair, raw)?.is_truthy() {
                kept.push(source.entry(pair, ignore_key)?);
            }
            Ok(())
        })?;
        Ok(Item::Value(Value::Vector(kept)))
    }

    fn keep(&self, args: &Args, function: &Function, raw: bool) -> Answer {
        let mut kept = Vec::new();
        self.all(args, |source, pair| {
            let made = source.apply(function, pair, raw)?;
            if made.is_truthy() {
                kept.push(made);
            }
            Ok(())
        })?;
        Ok(Item::Value(Value::Vector(kept)))
    }

    fn filter_count(&self, args: &Args, predicate: &Function, raw: bool) -> Answer {
        let mut count = 0;
        self.all(args, |source, pair| {
            count += i64::from(source.apply(predicate, pair, raw)?.is_truthy());
            Ok(())
        })?;
        Ok(Item::Value(Value::Int(count)))
    }

    fn visit(&self, args: &Args, visitor: &Function, raw: bool) -> Answer {
        self.until(args, |source, pair| {
            let answer = source.apply(visitor, pair, raw)?;
            Ok(is_terminate(&answer).then_some(()))
        })?;
        Ok(Item::NIL)
    }
}

/// `(get-first kv table k-range k-type? v-type? ignore-key?)`
pub(in super::super) fn get_first(_: &mut Session, mut args: Args) -> Answer {
    let walk = Walk::new(&mut args, 2, false)?;
    let ignore_key = args.flag(5, false)?;
    walk.first(&args, ignore_key)
}

/// `(get-first-n kv table n k-range k-type? v-type? ignore-key?)`
pub(in super::super) fn get_first_n(_: &mut Session, mut args: Args) -> Answer {
    let n = args.count_at(2)?;
    let walk = Walk::new(&mut args, 3, false)?;
    let ignore_key = args.flag(6, false)?;
    walk.first_n(&args, n, ignore_key)
}

/// `(get-range kv table k-range k-type? v-type? ignore-key?)`
pub(in super::super) fn get_range(_: &mut Session, mut args: Args) -> Answer {
    let walk = Walk::new(&mut args, 2, false)?;
    let ignore_key = args.flag(5, false)?;
    if ignore_key && walk.ignores_value() {
        let message = "there is nothing to return if both keys and values are ignored";
        return Err(EvalError::new(":exec/argument", message, args.span));
    }
    walk.first_n(&args, u64::MAX, ignore_key)
}

/// `(range-seq kv table k-range k-type? v-type? ignore-key? opts?)`; nothing is lazy here, so its options change
/// nothing.
pub(in super::super) fn range_seq(session: &mut Session, args: Args) -> Answer {
    get_range(session, args)
}

/// `(key-range kv table k-range k-type?)`
pub(in super::super) fn key_range(_: &mut Session, mut args: Args) -> Answer {
    let walk = Walk::of_keys(&mut args, 2)?;
    walk.read(&args, |read, source| {
        let fail = |error| args.kv_error(&error);
        let range = KeyRange::from_value(&walk.keys).map_err(fail)?;
        let keys = source.table.keys(&read, range).map_err(fail)?;
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(fail)?;
        Ok(Item::Value(Value::Vector(keys)))
    })
}

/// `(visit-key-range kv table visitor k-range k-type? raw-pred?)`
pub(in super::super) fn visit_key_range(_: &mut Session, mut args: Args) -> Answer {
    let raw = args.flag(5, true)?;
    let visitor = args.function_of_one(2)?;
    let walk = Walk::of_keys(&mut args, 3)?;
    walk.read(&args, |read, source| {
        let fail = |error| args.kv_error(&error);
        let range = KeyRange::from_value(&walk.keys).map_err(fail)?;
        for key in source.table.keys(&read, range).map_err(fail)?.raw() {
            let key = key.map_err(fail)?;
            let seen = if raw { Value::Bytes(key.into()) } else { source.key(key)? };
            if is_terminate(&visitor.call(&[seen])?) {
                break;
            }
        }
        Ok(Item::NIL)
    })
}

/// What a count counts.
enum Of {
    Keys,
    Pairs,
}

fn count(mut args: Args, of: Of) -> Answer {
    // Only one of the two counts keys, and takes a number to stop at.
    let cap = args.cap_at(4)?;
    let walk = Walk::of_keys(&mut args, 2)?;
    walk.read(&args, |read, source| {
        let fail = |error| args.kv_error(&error);
        let range = KeyRange::from_value(&walk.keys).map_err(fail)?;
        let count = match of {
            Of::Keys => source.table.key_count(&read, range),
            Of::Pairs => source.table.range_count(&read, range),
        };
        Ok(Item::Value(Value::Int(count.map_err(fail)?.min(cap) as i64)))
    })
}

/// `(key-range-count kv table k-range k-type? cap?)`
pub(in super::super) fn key_range_count(_: &mut Session, args: Args) -> Answer {
    count(args, Of::Keys)
}

/// `(range-count kv table k-range k-type?)`
pub(in super::super) fn range_count(_: &mut Session, args: Args) -> Answer {
    count(args, Of::Pairs)
}

/// `(get-some kv table pred k-range k-type? v-type? ignore-key? raw-pred?)`
pub(in super::super) fn get_some(_: &mut Session, mut args: Args) -> Answer {
    let (ignore_key, raw) = (args.flag(6, false)?, args.flag(7, true)?);
    let predicate = args.function(2, raw, 2)?;
    let walk = Walk::new(&mut args, 3, false)?;
    let found = walk.until(&args, |source, pair| match source.apply(&predicate, pair, raw)?.is_truthy() {
        true => source.entry(pair, ignore_key).map(Some),
        false => Ok(None),
    })?;
    Ok(Item::Value(found.unwrap_or_default()))
}

/// `(range-filter kv table pred k-range k-type? v-type? ignore-key? raw-pred?)`
pub(in super::super) fn range_filter(_: &mut Session, mut args: Args) -> Answer {
    let (ignore_key, raw) = (args.flag(6, false)?, args.flag(7, true)?);
    let predicate = args.function(2, raw, 2)?;
    Walk::new(&mut args, 3, false)?.filter(&args, &predicate, raw, ignore_key)
}

/// What a form does with a function for each pair.
type OnPairs = fn(&Walk, &Args, &Function, bool) -> Answer;

/// A form `(form kv table f k-range k-type? v-type? raw-pred?)`, or, with a range of values too,
/// `(form kv table f k-range k-type v-range v-type raw-pred?)`.
fn on_pairs(mut args: Args, lists: bool, work: OnPairs) -> Answer {
    let raw = args.flag(if lists { 7 } else { 6 }, true)?;
    let function = args.function(2, raw, 2)?;
    work(&Walk::new(&mut args, 3, lists)?, &args, &function, raw)
}

/// `(range-keep kv table f k-range k-type? v-type? raw-pred?)`
pub(in super::super) fn range_keep(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, false, Walk::keep)
}

/// `(range-some kv table f k-range k-type? v-type? raw-pred?)`
pub(in super::super) fn range_some(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, false, Walk::some)
}

/// `(range-filter-count kv table pred k-range k-type? v-type? raw-pred?)`
pub(in super::super) fn range_filter_count(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, false, Walk::filter_count)
}

/// `(visit kv table visitor k-range k-type? v-type? raw-pred?)`
pub(in super::super) fn visit(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, false, Walk::visit)
}

/// `(list-range kv table k-range k-type v-range v-type)`
pub(in super::super) fn list_range(_: &mut Session, mut args: Args) -> Answer {
    Walk::new(&mut args, 2, true)?.first_n(&args, u64::MAX, false)
}

/// `(list-range-first kv table k-range k-type v-range v-type)`
pub(in super::super) fn list_range_first(_: &mut Session, mut args: Args) -> Answer {
    Walk::new(&mut args, 2, true)?.first(&args, false)
}

/// `(list-range-first-n kv table n k-range k-type v-range v-type)`
pub(in super::super) fn list_range_first_n(_: &mut Session, mut args: Args) -> Answer {
    let n = args.count_at(2)?;
    Walk::new(&mut args, 3, true)?.first_n(&args, n, false)
}

/// `(list-range-count kv table k-range k-type? v-range? v-type?)`
pub(in super::super) fn list_range_count(session: &mut Session, mut args: Args) -> Answer {
    if !args.has(4) {
        return super::list::key_range_list_count(session, args);
    }
    let walk = Walk::new(&mut args, 2, true)?;
    walk.read(&args, |read, source| {
        let fail = |error| args.kv_error(&error);
        let keys = KeyRange::from_value(&walk.keys).map_err(fail)?;
        let values = walk.values.as_ref().map_or(Ok(KeyRange::all()), KeyRange::from_value).map_err(fail)?;
        let count = source.table.list_range_count(&read, keys, values).map_err(fail)?;
        Ok(Item::Value(Value::Int(count as i64)))
    })
}

/// `(list-range-filter kv table pred k-range k-type v-range v-type raw-pred?)`
pub(in super::super) fn list_range_filter(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, true, |walk, args, predicate, raw| walk.filter(args, predicate, raw, false))
}

/// `(list-range-keep kv table f k-range k-type v-range v-type raw-pred?)`
pub(in super::super) fn list_range_keep(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, true, Walk::keep)
}

/// `(list-range-some kv table f k-range k-type v-range v-type raw-pred?)`
pub(in super::super) fn list_range_some(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, true, Walk::some)
}

/// `(list-range-filter-count kv table pred k-range k-type v-range v-type raw-pred?)`
pub(in super::super) fn list_range_filter_count(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, true, Walk::filter_count)
}

/// `(visit-list-range kv table visitor k-range k-type v-range v-type raw-pred?)`
pub(in super::super) fn visit_list_range(_: &mut Session, args: Args) -> Answer {
    on_pairs(args, true, Walk::visit)
}
