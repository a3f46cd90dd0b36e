//! An entity as one map, with its components inside.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use edn::Value;

use crate::{Attribute, Db, EntityId, Result, decode_int};

/// How deep components stand in components before only their ids are shown.
const DEPTH_MAX: usize = 128;

/// `{:db/id n}`
pub(super) fn only_id(id: EntityId) -> Value {
    Value::Map([(Value::keyword(":db/id"), id.into())].into())
}

/// The facts of `id`; components as maps, unless one contains itself.
pub(super) fn touch(db: &Db, id: EntityId) -> Result<Value> {
    touch_within(db, id, &mut BTreeSet::new())
}

fn touch_within(db: &Db, id: EntityId, open: &mut BTreeSet<EntityId>) -> Result<Value> {
    if open.len() >= DEPTH_MAX || !open.insert(id) {
        return Ok(only_id(id));
    }
    let mut facts: BTreeMap<_, Vec<&[u8]>> = BTreeMap::new();
    db.eav().entity(id.0, &mut |a, value| {
        facts.entry(a).or_default().push(value);
        ControlFlow::Continue(())
    })?;
    let mut map = BTreeMap::from([(Value::keyword(":db/id"), id.into())]);
    for (a, values) in facts {
        let Some(attribute) = db.schema().by_id(a) else { continue };
        let shown = values.into_iter().map(|value| show(db, attribute, value, open));
        let shown = if attribute.is_many() {
            Value::Set(shown.collect::<Result<_>>()?)
        } else {
            shown.last().transpose()?.unwrap_or_default()
        };
        map.insert(Value::Keyword(attribute.ident.clone()), shown);
    }
    open.remove(&id);
    Ok(Value::Map(map))
}

fn show(db: &Db, attribute: &Attribute, value: &[u8], open: &mut BTreeSet<EntityId>) -> Result<Value> {
    match decode_int(value).and_then(EntityId::from_int) {
        Some(target) if attribute.is_component => touch_within(db, target, open),
        Some(target) if attribute.is_ref() => Ok(only_id(target)),
        _ => attribute.decode(value),
    }
}
