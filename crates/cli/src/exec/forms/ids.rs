//! Datoms taken apart, tempids, and uuids that sort by time: what programs for Datomic and Datalevin expect to be there.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use edn::Value;
use uuid::Uuid;

use super::super::args::Args;
use super::super::error::EvalError;
use super::super::item::Item;
use super::super::session::Session;

type Answer = Result<Item, EvalError>;

/// Entity, attribute and value of a datom, tagged or as `datoms` shows it.
fn parts(value: &Value) -> Option<[&Value; 3]> {
    let inner = match value {
        Value::Tagged(tag, inner) if tag.name().eq_ignore_ascii_case("datom") => inner,
        other => other,
    };
    match inner.as_sequence()? {
        [e @ Value::Int(0..), a @ Value::Keyword(_), v]
        | [e @ Value::Int(0..), a @ Value::Keyword(_), v, Value::Bool(_)] => Some([e, a, v]),
        _ => None,
    }
}

fn part(mut args: Args, at: usize) -> Answer {
    let value = args.value(0)?;
    match parts(&value) {
        Some(parts) => Ok(Item::Value(parts[at].clone())),
        None => Err(args.unfit(0, "a datom, [entity attribute value]", &Item::Value(value))),
    }
}

/// `(datom? x)`
pub(super) fn is_datom(_: &mut Session, mut args: Args) -> Answer {
    let is = args.item(0).into_value().is_ok_and(|value| parts(&value).is_some());
    Ok(Item::Value(Value::Bool(is)))
}

/// `(datom-e datom)`
pub(super) fn datom_e(_: &mut Session, args: Args) -> Answer {
    part(args, 0)
}

/// `(datom-a datom)`
pub(super) fn datom_a(_: &mut Session, args: Args) -> Answer {
    part(args, 1)
}

/// `(datom-v datom)`
pub(super) fn datom_v(_: &mut Session, args: Args) -> Answer {
    part(args, 2)
}

/// The last tempid that was given out. They begin far from those that people write.
static LAST_TEMPID: AtomicI64 = AtomicI64::new(-1_000_000);

/// `(tempid partition id?)`
pub(super) fn tempid(_: &mut Session, mut args: Args) -> Answer {
    if args.value(0)?.as_keyword().is_some_and(|partition| partition.as_str() == "db.part/tx") {
        return Ok(Item::Value(Value::keyword("db/current-tx")));
    }
    if args.has(1) {
        return args.value(1).map(Item::Value);
    }
    Ok(Item::Value(Value::Int(LAST_TEMPID.fetch_sub(1, Ordering::Relaxed) - 1)))
}

/// `(resolve-tempid db tempids tempid)`
pub(super) fn resolve_tempid(_: &mut Session, mut args: Args) -> Answer {
    let tempids = args.value(1)?;
    let Some(map) = tempids.as_map() else {
        return Err(args.unfit(1, "the :tempids of a report", &Item::Value(tempids)));
    };
    Ok(Item::Value(map.get(&args.value(2)?).cloned().unwrap_or_default()))
}

/// `(squuid ms?)`
pub(super) fn squuid(_: &mut Session, mut args: Args) -> Answer {
    let seconds = if args.has(0) {
        let value = args.value(0)?;
        // As many as the first 32 bits hold.
        let seconds = value.as_int().and_then(|ms| u32::try_from(ms.div_euclid(1000)).ok());
        seconds.ok_or_else(|| args.unfit(0, "milliseconds since 1970, before 2106", &Item::Value(value)))?
    } else {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as u32)
    };
    let (high, low) = Uuid::new_v4().as_u64_pair();
    let high = u64::from(seconds) << 32 | high & 0xffff_ffff;
    Ok(Item::Value(Value::Uuid(Uuid::from_u64_pair(high, low))))
}

/// `(squuid-time-millis uuid)`
pub(super) fn squuid_time(_: &mut Session, mut args: Args) -> Answer {
    match args.value(0)? {
        Value::Uuid(uuid) => Ok(Item::Value(Value::Int((uuid.as_u64_pair().0 >> 32) as i64 * 1000))),
        other => Err(args.unfit(0, "a uuid", &Item::Value(other))),
    }
}
