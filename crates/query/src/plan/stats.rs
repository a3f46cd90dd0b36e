//! Statistics of attributes: exact where an index knows, else from a small sample of facts.
//!
//! ```text
//! facts      exact, O(1)
//! entities   facts, if each has one; else facts / mean values per entity of sampled entities
//! values     facts, if unique; else facts * mean of 1 / (entities with that value) over sampled facts
//! ```
//!
//! The last line is the point: a fact drawn at random shows a frequent value in proportion to its frequency, and
//! weighing each draw by the inverse undoes exactly that.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use storage::{AttrId, Attribute, Db, Direction, EncodedValue, Schema, ValueRange};

use super::physical::Ranges;
use crate::exec::Result;
use crate::logical::SourceId;

/// Attributes with at most this many facts are not sampled but read.
const SMALL: f64 = 64.0;
/// Entities drawn for a sample.
const DRAWS: u64 = 48;

/// What is known of one attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AttrStats {
    /// Facts.
    pub facts: f64,
    /// Entities that have it.
    pub entities: f64,
    /// Distinct values.
    pub values: f64,
}

impl AttrStats {
    /// Values per entity that has any.
    pub fn fan_out(&self) -> f64 {
        self.facts / self.entities.max(1.0)
    }

    /// Entities per value.
    pub fn fan_in(&self) -> f64 {
        self.facts / self.values.max(1.0)
    }
}

/// Statistics gathered while one query is planned.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    attributes: HashMap<(SourceId, AttrId), AttrStats>,
}

impl Stats {
    /// The statistics of an attribute.
    pub fn attribute(&mut self, db: &Db, source: SourceId, attr: &Attribute) -> Result<AttrStats> {
        if let Some(stats) = self.attributes.get(&(source, attr.id)) {
            return Ok(*stats);
        }
        let stats = remembered(db, attr)?;
        self.attributes.insert((source, attr.id), stats);
        Ok(stats)
    }
}

/// Facts of an attribute with a value in `ranges`, exact for single values.
pub(crate) fn facts_in(db: &Db, attr: AttrId, ranges: &[ValueRange]) -> Result<f64> {
    let mut facts = 0.0;
    for range in ranges.iter() {
        facts += match range.as_point() {
            Some(value) => db.count(None, Some(attr), Some(value))? as f64,
            None => db.estimate_range(attr, range)? as f64,
        };
    }
    Ok(facts)
}

/// Samples of earlier queries, by schema and attribute. They outlive transactions that change little.
static SAMPLES: Mutex<Option<Samples>> = Mutex::new(None);

/// How many samples are kept; when there are more, all are forgotten.
const SAMPLES_MAX: usize = 4096;
/// By how much the number of facts may have changed since the sample.
const DRIFT_MAX: f64 = 1.25;

type Samples = HashMap<(usize, AttrId), (Weak<Schema>, AttrStats)>;

/// The statistics from an earlier sample of the same attribute, else from a new one.
fn remembered(db: &Db, attr: &Attribute) -> Result<AttrStats> {
    let facts =
        if attr.no_index { db.max_eid().0 as f64 } else { db.count(None, Some(attr.id), None)? as f64 };
    let schema = db.schema();
    let key = (Arc::as_ptr(schema) as usize, attr.id);
    let samples = || SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, stats)) = samples().as_ref().and_then(|samples| samples.get(&key))
        && owner.upgrade().is_some_and(|owner| Arc::ptr_eq(&owner, schema))
        && facts <= stats.facts * DRIFT_MAX
        && stats.facts <= facts * DRIFT_MAX
    {
        let growth = facts / stats.facts.max(1.0);
        return Ok(AttrStats { facts, entities: stats.entities * growth, values: stats.values * growth });
    }
    let stats = gather(db, attr, facts)?;
    let mut samples = samples();
    let samples = samples.get_or_insert_default();
    if samples.len() >= SAMPLES_MAX {
        samples.clear();
    }
    samples.insert(key, (Arc::downgrade(schema), stats));
    Ok(stats)
}

fn gather(db: &Db, attr: &Attribute, facts: f64) -> Result<AttrStats> {
    let single = !attr.is_many();
    if (single && attr.is_unique()) || facts == 0.0 || attr.no_index {
        return Ok(AttrStats { facts, entities: facts, values: facts });
    }
    if facts <= SMALL {
        return read_all(db, attr.id, facts);
    }
    let sample = draw(db, attr.id)?;
    let entities = if single { facts } else { (facts / sample.values_per_entity).max(1.0) };
    let values = if attr.is_unique() { facts } else { (facts * sample.inverse_frequency).max(1.0) };
    Ok(AttrStats { facts, entities, values })
}

fn read_all(db: &Db, attr: AttrId, facts: f64) -> Result<AttrStats> {
    let mut cursor = db.ave();
    cursor.scan(attr, &ValueRange::ALL, Direction::Forward)?;
    let (mut values, mut entities) = (0.0, Vec::new());
    while cursor.next_value()?.is_some() {
        values += 1.0;
        cursor.entities_into(&mut entities)?;
    }
    entities.sort_unstable();
    entities.dedup();
    Ok(AttrStats { facts, entities: entities.len() as f64, values })
}

struct Sample {
    values_per_entity: f64,
    inverse_frequency: f64,
}

/// Draws entities evenly over the range of ids and looks at their values; if hardly any has the attribute, the first
/// and last values of the index have to do.
fn draw(db: &Db, attr: AttrId) -> Result<Sample> {
    let (mut eav, mut ave) = (db.eav(), db.ave());
    let max = db.max_eid().0.max(1);
    let (mut entities, mut facts, mut inverse) = (0.0, 0.0, 0.0);
    let mut values = Vec::new();
    for draw in 0..DRAWS {
        // The middle of each of DRAWS equal parts, shaken a little so as not to fall in step with a pattern of ids.
        let start = 1 + (max as u128 * u128::from(2 * draw + 1) / u128::from(2 * DRAWS)) as u64;
        let Some(entity) = eav.next_entity(Bound::Included(start + draw % 7), Direction::Forward)? else {
            break;
        };
        values.clear();
        eav.values_into(entity, attr, &mut values)?;
        if values.is_empty() {
            continue;
        }
        entities += 1.0;
        facts += values.len() as f64;
        // A few values of each entity are enough.
        let looked = values.len().min(3);
        let mut sum = 0.0;
        for value in &values[..looked] {
            sum += 1.0 / ave.count(attr, value)?.max(1) as f64;
        }
        inverse += sum / looked as f64 * values.len() as f64;
    }
    if entities >= 6.0 {
        return Ok(Sample { values_per_entity: facts / entities, inverse_frequency: inverse / facts });
    }
    draw_values(db, attr)
}

fn draw_values(db: &Db, attr: AttrId) -> Result<Sample> {
    let mut cursor = db.ave();
    let (mut values, mut entities) = (0.0, Vec::new());
    for direction in [Direction::Forward, Direction::Backward] {
        cursor.scan(attr, &ValueRange::ALL, direction)?;
        for _ in 0..DRAWS / 2 {
            if cursor.next_value()?.is_none() {
                break;
            }
            values += 1.0;
            cursor.entities_into(&mut entities)?;
        }
    }
    let facts = entities.len().max(1) as f64;
    entities.sort_unstable();
    entities.dedup();
    Ok(Sample { values_per_entity: facts / entities.len().max(1) as f64, inverse_frequency: values / facts })
}

/// A range that holds one value.
pub(crate) fn point(value: &EncodedValue) -> Ranges {
    Ranges::from([ValueRange::exactly(value.clone())])
}
