//! Trees of entities, attribute by attribute.

use std::collections::BTreeMap;

use edn::{Keyword, Value};

use super::Database;

/// Entities through which recursion came, and what is left of its depths, by attribute.
#[derive(Clone, Default)]
struct Trail {
    seen: Vec<i64>,
    left: BTreeMap<Value, i64>,
}

fn id_map(entity: i64) -> Value {
    Value::Map(BTreeMap::from([(Value::keyword("db/id"), Value::Int(entity))]))
}

fn is_wildcard(item: &Value) -> bool {
    item.as_symbol().is_some_and(|symbol| symbol.as_str() == "*")
}

/// The attribute of `:attr` or `[:attr ..]`.
fn attribute(spec: &Value) -> &Value {
    spec.as_sequence().and_then(<[Value]>::first).unwrap_or(spec)
}

/// An option of `[:attr :as key :limit n :default value]`.
fn option(spec: &Value, name: &str) -> Option<Value> {
    let options = spec.as_sequence().and_then(|parts| parts.get(1..)).unwrap_or_default();
    options.chunks(2).find(|pair| pair[0] == Value::keyword(name)).map(|pair| pair[1].clone())
}

/// The key under which something is shown.
fn shown_as(spec: &Value) -> Value {
    option(spec, "as").unwrap_or_else(|| attribute(spec).clone())
}

/// All that a pattern names, with the patterns for what is below it. A later one under the same key stands for an earlier one, even if
/// it has nothing to show.
fn specs(pattern: &[Value]) -> Vec<(&Value, Option<&Value>)> {
    let mut specs: Vec<(&Value, Option<&Value>)> = Vec::new();
    for item in pattern.iter().filter(|item| !is_wildcard(item)) {
        let named: Vec<_> = match item {
            Value::Map(entries) => entries.iter().map(|(spec, nested)| (spec, Some(nested))).collect(),
            spec => vec![(spec, None)],
        };
        for (spec, nested) in named {
            specs.retain(|(other, _)| shown_as(other) != shown_as(spec));
            specs.push((spec, nested));
        }
    }
    specs
}

impl Database {
    /// What a pattern shows of an entity, if it has anything of it.
    pub fn pull(&self, pattern: &Value, entity: i64) -> Option<Value> {
        self.show(pattern.as_sequence().expect("a pattern"), entity, &Trail::default())
    }

    fn show(&self, pattern: &[Value], entity: i64, trail: &Trail) -> Option<Value> {
        let mut map = BTreeMap::new();
        let specs = specs(pattern);
        if pattern.iter().any(is_wildcard) {
            map.insert(Value::keyword("db/id"), Value::Int(entity));
            let own = self.facts.iter().filter(|(e, ..)| *e == entity);
            // What is asked for by name is shown as that asks.
            let named =
                |a: &Keyword| specs.iter().any(|(spec, _)| *attribute(spec) == Value::Keyword(a.clone()));
            for (_, attribute, _) in own.filter(|(_, a, _)| !named(a)) {
                let key = Value::Keyword(attribute.clone());
                let shown = self.attribute_of(&key, None, pattern, entity, 1000, trail);
                map.extend(shown.map(|value| (key, value)));
            }
        }
        for (spec, nested) in specs {
            self.spec(spec, nested, pattern, entity, trail, &mut map);
        }
        (!map.is_empty()).then_some(Value::Map(map))
    }

    fn spec(
        &self,
        spec: &Value,
        nested: Option<&Value>,
        pattern: &[Value],
        entity: i64,
        trail: &Trail,
        map: &mut BTreeMap<Value, Value>,
    ) {
        let (attribute, key) = (attribute(spec), shown_as(spec));
        if *attribute == Value::keyword("db/id") {
            map.insert(key, Value::Int(entity));
            return;
        }
        let limit = match option(spec, "limit") {
            Some(Value::Int(limit)) => limit as usize,
            Some(_) => usize::MAX,
            None => 1000,
        };
        let shown = self.attribute_of(attribute, nested, pattern, entity, limit, trail);
        map.extend(shown.or(option(spec, "default")).map(|value| (key, value)));
    }

    fn attribute_of(
        &self,
        attribute: &Value,
        nested: Option<&Value>,
        pattern: &[Value],
        entity: i64,
        limit: usize,
        trail: &Trail,
    ) -> Option<Value> {
        let name = attribute.as_keyword().expect("an attribute");
        let (forward, reverse) = match name.name().strip_prefix('_') {
            Some(plain) => (Keyword::new(name.namespace(), plain), true),
            None => (name.clone(), false),
        };
        let known = self.attribute(&forward);
        let values: Vec<Value> = if reverse {
            let mut from: Vec<i64> = self
                .facts
                .iter()
                .filter(|(_, a, v)| *a == forward && *v == Value::Int(entity))
                .map(|(e, ..)| *e)
                .collect();
            from.sort_unstable();
            from.into_iter().map(Value::Int).collect()
        } else {
            self.values(entity, &forward).into_iter().cloned().collect()
        };
        let shown = values.into_iter().take(limit).filter_map(|value| match &value {
            Value::Int(child) if known.is_ref => {
                self.child(attribute, nested, known.component && !reverse, pattern, *child, trail)
            }
            _ => Some(value),
        });
        let mut shown: Vec<Value> = shown.collect();
        match if reverse { !known.component } else { known.many } {
            _ if shown.is_empty() => None,
            true => Some(Value::Vector(shown)),
            false => Some(shown.swap_remove(0)),
        }
    }

    fn child(
        &self,
        attribute: &Value,
        nested: Option<&Value>,
        component: bool,
        pattern: &[Value],
        child: i64,
        trail: &Trail,
    ) -> Option<Value> {
        let wildcard = [Value::symbol("*")];
        let (pattern, depth) = match nested {
            Some(Value::Vector(nested)) => return self.show(nested, child, &Trail::default()),
            Some(Value::Int(depth)) => (pattern, Some(*depth)),
            Some(_) => (pattern, None),
            None if component => (wildcard.as_slice(), None),
            None => return Some(id_map(child)),
        };
        if trail.seen.contains(&child) {
            return Some(id_map(child));
        }
        let mut trail = trail.clone();
        if let Some(depth) = depth {
            let left = trail.left.entry(attribute.clone()).or_insert(depth);
            if *left == 0 {
                return None;
            }
            *left -= 1;
        }
        trail.seen.push(child);
        if nested.is_none() {
            trail.left.clear();
        }
        self.show(pattern, child, &trail)
    }
}
