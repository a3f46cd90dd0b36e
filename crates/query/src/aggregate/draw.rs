//! Drawing values of a group at random.

use edn::Value;
use rand::seq::IndexedRandom;

pub(super) fn one(values: &[Value]) -> Value {
    values.choose(&mut rand::rng()).cloned().unwrap_or_default()
}

pub(super) fn with_replacement(values: &[Value], count: usize) -> Vec<Value> {
    let mut random = rand::rng();
    (0..count).filter_map(|_| values.choose(&mut random).cloned()).collect()
}

pub(super) fn without_replacement(values: Vec<Value>, count: usize) -> Vec<Value> {
    let count = count.min(values.len());
    values.choose_multiple(&mut rand::rng(), count).cloned().collect()
}
