//! Folding a finished walk into nested maps, from the last node to the first, so that children are ready before
//! their parents ask for them.

use std::collections::BTreeMap;

use edn::Value;
use storage::Db;

use super::error::PullError;
use super::resolve::{Resolved, ResolvedSpec};
use super::walk::{Child, Slot, SlotAttribute, Walk};

/// The results of the first `roots` nodes; an entity that has nothing of what was asked gives `None`.
pub(super) fn shape(
    walk: &mut Walk<'_>,
    resolved: &Resolved,
    roots: usize,
) -> Result<Vec<Option<Value>>, PullError> {
    let mut results: Vec<Option<Value>> = vec![None; walk.nodes.len()];
    for id in (0..walk.nodes.len()).rev() {
        let slots = std::mem::take(&mut walk.nodes[id].slots);
        let node = &walk.nodes[id];
        let pattern = resolved.pattern(node.pattern);
        let mut map = BTreeMap::new();
        for key in &pattern.ids {
            map.insert(key.clone(), Value::Int(node.entity as i64));
        }
        let mut of_specs: Vec<Option<Slot>> = pattern.specs.iter().map(|_| None).collect();
        for slot in slots {
            match slot.attribute {
                SlotAttribute::Spec(index) => of_specs[index] = Some(slot),
                SlotAttribute::Wildcard(attribute) => {
                    let value = collect(slot, walk.is_many(attribute), &mut results);
                    if let (Some(key), Some(value)) = (walk.ident(attribute), value) {
                        map.insert(key, value);
                    }
                }
            }
        }
        for (spec, slot) in pattern.specs.iter().zip(of_specs) {
            let value = slot.and_then(|slot| collect(slot, spec.many, &mut results));
            if let Some(value) = finish(spec, value, walk.db)? {
                map.insert(spec.key.clone(), value);
            }
        }
        results[id] = (!map.is_empty()).then_some(Value::Map(map));
    }
    results.truncate(roots);
    Ok(results)
}

/// The values of a slot as one value: a vector for many-valued attributes.
fn collect(slot: Slot, many: bool, results: &mut [Option<Value>]) -> Option<Value> {
    let mut values = slot.children.into_iter().filter_map(|child| match child {
        Child::Value(value) => Some(value),
        Child::Id(entity) => Some(id_map(entity)),
        Child::Node(id) => results[id].take(),
    });
    if !many {
        return values.next();
    }
    let values: Vec<Value> = values.collect();
    (!values.is_empty()).then_some(Value::Vector(values))
}

fn id_map(entity: u64) -> Value {
    Value::Map(BTreeMap::from([(Value::keyword(":db/id"), Value::Int(entity as i64))]))
}

/// Default and transformation: a default speaks for a missing value, a transformation sees nil in its place.
fn finish(spec: &ResolvedSpec, value: Option<Value>, db: &Db) -> Result<Option<Value>, PullError> {
    if value.is_none() && spec.default.is_some() {
        return Ok(spec.default.clone());
    }
    let Some(xform) = &spec.xform else { return Ok(value) };
    let value = xform.apply(db, value.unwrap_or_default()).map_err(|reason| PullError::Xform {
        name: xform.name.clone(),
        attribute: spec.written.clone(),
        reason,
    })?;
    Ok((!value.is_nil()).then_some(value))
}
