//! Datoms drawn evenly from an index, by their rank in it.
//!
//! ```text
//! stored facts of the range   | . . 3 . . . 7 . |   drawn ranks, ascending --skipped to by the counts in nodes--> facts
//! facts that changes add      | . 9 . |                                                                       \--> sample
//! facts that changes retract: drawn ones are put aside, for which so many more are drawn
//! ```

use std::collections::BTreeSet;
use std::ops::Bound;

use edn::Value;

use super::Db;
use super::ave::RawAve;
use super::base::{AttrBytes, Base};
use super::base_eav::{entity_of, split};
use super::counts::{cut, is_long, key_bounds};
use super::overlay_ave::OverlayAve;
use crate::datom::{Datom, Direction, ValueRange};
use crate::encode::is_giant_index;
use crate::error::{Error, Result};
use crate::ids::{AttrId, EntityId};
use crate::schema::{Attribute, Schema};
use crate::store::tables;

/// A fact with its value in index form.
type Fact<'d> = (u64, AttrId, &'d [u8]);

impl Db {
    /// `n` different datoms of the whole database, each set of so many as likely as any other, by entity; all of them if
    /// there are not more. The same seed gives the same sample of the same database.
    ///
    /// Of the file only nodes that hold numbers of facts are read, and the facts that were drawn; of staged changes, all.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Vec<Datom>> {
        let stored = self.base.as_ref().map_or(0, |base| base.eav.entries());
        let changes = || self.overlay.eav_iter();
        let added: Vec<Fact<'_>> =
            changes().filter(|row| row.added).map(|row| (row.e, row.a, &*row.v)).collect();
        let retracted = changes().filter(|row| !row.added).count() as u64;
        let mut draw = Draw::new(seed);
        let ranks = draw.ranks(stored + added.len() as u64, n as u64 + retracted);
        let mut facts = Vec::with_capacity(ranks.len());
        if let Some(base) = &self.base {
            stored_by_entity(base, ranks.range(..stored), &mut |fact| {
                if self.overlay.state(fact.0, fact.1, fact.2) != Some(false) {
                    facts.push(fact);
                }
            })?;
        }
        facts.extend(ranks.range(stored..).map(|rank| added[(rank - stored) as usize]));
        let mut datoms = self.datoms_of(draw.some(facts, n))?;
        datoms.sort_unstable_by(|a, b| (a.0.0, a.0.1, a.1).cmp(&(b.0.0, b.0.1, b.1)));
        datoms.into_iter().map(|row| datom(self.schema(), row)).collect()
    }

    /// As [`sample`](Self::sample), of the datoms of `a` with values from `lo` to `hi`, both included, `nil` for an open
    /// end; by value.
    pub fn sample_range(
        &self,
        a: &Attribute,
        lo: &Value,
        hi: &Value,
        n: usize,
        seed: u64,
    ) -> Result<Vec<Datom>> {
        self.require_indexed(a.id)?;
        let given = |bound: &Value| (!bound.is_nil()).then(|| bound.clone());
        let range = self.range_for(a, given(lo).as_ref(), given(hi).as_ref())?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let mut draw = Draw::new(seed);
        let facts = if is_long(&range.lo) || is_long(&range.hi) {
            return self.sample_walking(a.id, &range, n, &mut draw);
        } else {
            self.drawn_by_value(a.id, &range, n, &mut draw)?
        };
        let mut datoms = self.datoms_of(facts)?;
        datoms.sort_unstable_by(|a, b| (a.1, a.0.0).cmp(&(b.1, b.0.0)));
        datoms.into_iter().map(|row| datom(self.schema(), row)).collect()
    }

    fn drawn_by_value(
        &self,
        a: AttrId,
        range: &ValueRange,
        n: usize,
        draw: &mut Draw,
    ) -> Result<Vec<Fact<'_>>> {
        let stored = self.stored_in_range(a, range)?;
        let mut changes = OverlayAve::new(&self.overlay);
        changes.scan(a, range.lo.as_ref().map(cut), range.hi.as_ref().map(cut), Direction::Forward)?;
        let (mut added, mut retracted) = (Vec::new(), 0);
        let (mut come, mut gone) = (Vec::new(), Vec::new());
        while changes.advance().is_some() {
            let index = changes.current_index();
            changes.changes(&mut come, &mut gone);
            added.extend(come.drain(..).map(|e| (e, a, index)));
            retracted += gone.drain(..).count() as u64;
        }
        let ranks = draw.ranks(stored + added.len() as u64, n as u64 + retracted);
        let mut facts = Vec::with_capacity(ranks.len());
        if let Some(base) = &self.base {
            stored_by_value(base, a, range, ranks.range(..stored), &mut |fact| {
                if self.overlay.state_in_ave(a, fact.2, fact.0) != Some(false) {
                    facts.push(fact);
                }
            })?;
        }
        facts.extend(ranks.range(stored..).map(|rank| added[(rank - stored) as usize]));
        Ok(draw.some(facts, n))
    }

    /// A range with ends so long that index forms cannot decide: its facts are counted one by one anyway.
    fn sample_walking(&self, a: AttrId, range: &ValueRange, n: usize, draw: &mut Draw) -> Result<Vec<Datom>> {
        let ranks = draw.ranks(self.count_range(a, range)?, n as u64);
        let mut cursor = self.ave();
        cursor.scan(a, range, Direction::Forward)?;
        let (mut datoms, mut entities, mut rank) = (Vec::with_capacity(ranks.len()), Vec::new(), 0u64);
        while datoms.len() < ranks.len()
            && let Some(value) = cursor.next_value()?
        {
            entities.clear();
            cursor.entities_into(&mut entities)?;
            for drawn in ranks.range(rank..rank + entities.len() as u64) {
                let e = EntityId(entities[(drawn - rank) as usize]);
                datoms.push(Datom::new(e, a, self.schema().decode(a, value)?));
            }
            rank += entities.len() as u64;
        }
        Ok(datoms)
    }

    /// Facts with the full encodings of their values.
    fn datoms_of<'d>(&'d self, facts: Vec<Fact<'d>>) -> Result<Vec<(Fact<'d>, &'d [u8])>> {
        facts.into_iter().map(|fact| Ok((fact, self.full(fact.2)?))).collect()
    }

    /// The full encoding behind an index form.
    fn full<'d>(&'d self, index: &'d [u8]) -> Result<&'d [u8]> {
        if !is_giant_index(index) {
            return Ok(index);
        }
        match (self.overlay.giant(index), &self.base) {
            (Some(full), _) => Ok(full),
            (None, Some(base)) => base.giant(index),
            (None, None) => {
                Err(Error::Corrupted { table: tables::GIANTS, reason: "a giant is missing".into() })
            }
        }
    }
}

fn datom(schema: &Schema, (fact, full): (Fact<'_>, &[u8])) -> Result<Datom> {
    Ok(Datom::new(EntityId(fact.0), fact.1, schema.decode(fact.1, full)?))
}

/// The stored facts with these ranks by entity.
fn stored_by_entity<'d, 'r>(
    base: &'d Base,
    ranks: impl Iterator<Item = &'r u64>,
    f: &mut impl FnMut(Fact<'d>),
) -> Result<()> {
    let mut cursor = base.eav_cursor();
    let Some(_) = cursor.first()? else { return Ok(()) };
    // The rank of the current key's first fact.
    let mut key_rank = 0;
    for rank in ranks {
        let Some(((key, fact), place)) = cursor.skip_pairs_placed(rank - key_rank)? else {
            return Err(too_few(tables::EAV));
        };
        key_rank = rank - place;
        let (a, index) = split(fact)?;
        f((entity_of(key)?, a, index));
    }
    Ok(())
}

/// The stored facts of a range with these ranks in it.
fn stored_by_value<'d, 'r>(
    base: &'d Base,
    a: AttrId,
    range: &ValueRange,
    ranks: impl Iterator<Item = &'r u64>,
    f: &mut impl FnMut(Fact<'d>),
) -> Result<()> {
    let attr = AttrBytes::new(a);
    let mut cursor = base.ave_cursor();
    let (lo, _) = key_bounds(a, range);
    let found = match &lo {
        Bound::Included(key) => cursor.seek(key)?,
        Bound::Excluded(key) => match cursor.seek(key)? {
            Some((found, _)) if found == key.as_slice() => cursor.next_key()?,
            found => found,
        },
        Bound::Unbounded => cursor.first()?,
    };
    if found.is_none() {
        return Ok(());
    }
    let mut key_rank = 0;
    for rank in ranks {
        let Some(((key, entity), place)) = cursor.skip_pairs_placed(rank - key_rank)? else {
            return Err(too_few(tables::AVE));
        };
        key_rank = rank - place;
        let index = key.strip_prefix(attr.as_slice()).ok_or_else(|| too_few(tables::AVE))?;
        f((entity_of(entity)?, a, index));
    }
    Ok(())
}

#[cold]
fn too_few(table: &'static str) -> Error {
    Error::Corrupted { table, reason: "there are fewer facts than its nodes count".into() }
}

/// SplitMix64: small, and good enough to draw with.
struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// `n` different numbers below `total`, or all: Floyd's way, which needs no more draws than numbers.
    fn ranks(&mut self, total: u64, n: u64) -> BTreeSet<u64> {
        let mut ranks = BTreeSet::new();
        for last in total.saturating_sub(n)..total {
            let drawn = self.below(last + 1);
            if !ranks.insert(drawn) {
                ranks.insert(last);
            }
        }
        ranks
    }

    /// `n` of the facts, or all.
    fn some<'d>(&mut self, facts: Vec<Fact<'d>>, n: usize) -> Vec<Fact<'d>> {
        if facts.len() <= n {
            return facts;
        }
        self.ranks(facts.len() as u64, n as u64).into_iter().map(|rank| facts[rank as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::datom::Index;
    use crate::schema::SchemaPatch;
    use crate::store::{Store, StoreOptions};
    use crate::transact::TxFunctions;

    const SCHEMA: &str = r#"{:n {:db/valueType :db.type/long} :tag {:db/cardinality :db.cardinality/many}}"#;

    fn read(text: &str) -> Value {
        edn::read(text).expect("EDN")
    }

    /// Stored facts, of which some are retracted by changes that add others.
    fn database(store: &Store) -> Db {
        let items: String = (1..=300).map(|e| format!("{{:db/id {e} :n {} :tag [{e} 0]}}", e % 40)).collect();
        let data = read(&format!("[{items} {{:db/id 400 :tag \"{}\"}}]", "x".repeat(3000)));
        store.transact(&data, Value::Nil, &TxFunctions::new()).expect("commits");
        let changes =
            r#"[[:db/retract 1 :n 1] [:db/retract 50 :tag 50] {:db/id 2 :n 77} {:db/id 401 :n 5 :tag "y"}]"#;
        store.db().expect("readable").db_with(&read(changes)).expect("applies")
    }

    fn stores() -> (tempfile::TempDir, [Db; 2]) {
        let dir = tempfile::tempdir().expect("a directory");
        let options =
            || StoreOptions::new().schema(SchemaPatch::from_value(&read(SCHEMA)).expect("a schema"));
        let on_disk = database(&options().open(dir.path()).expect("opens"));
        let in_memory = database(&options().memory().expect("opens"));
        (dir, [on_disk, in_memory])
    }

    fn all<'d>(datoms: crate::Datoms<'d>) -> Vec<Datom> {
        datoms.collect::<Result<_>>().expect("readable")
    }

    #[test]
    fn a_sample_as_large_as_the_range_is_the_range() {
        let (_dir, dbs) = stores();
        for db in dbs {
            let whole = all(db.datoms(Index::Eav, &[]).expect("an index"));
            assert_eq!(db.sample(whole.len(), 1).expect("drawn"), whole);
            assert_eq!(db.sample(usize::MAX >> 1, 1).expect("drawn"), whole);
            assert!(db.sample(0, 1).expect("drawn").is_empty());
            let long = Value::from("x".repeat(3000));
            let ranges = [
                (":n", Value::Nil, Value::Nil),
                (":n", Value::Int(3), Value::Int(9)),
                (":n", Value::Int(5), Value::Int(5)),
                (":n", Value::Int(9), Value::Int(3)),
                (":n", Value::Int(1000), Value::Nil),
                (":tag", Value::Nil, Value::Nil),
                (":tag", Value::Nil, long.clone()),
                (":tag", long, Value::Nil),
            ];
            for (name, lo, hi) in ranges {
                let attribute = db.schema().attribute(&name.into()).expect("declared").clone();
                let range = all(db.index_range(&attribute, &lo, &hi).expect("indexed"));
                let drawn = db.sample_range(&attribute, &lo, &hi, 1000, 7).expect("drawn");
                assert_eq!(drawn, range, "{name} {lo} {hi}");
                let few = db.sample_range(&attribute, &lo, &hi, 4, 7).expect("drawn");
                assert_eq!(few.len(), range.len().min(4), "{name} {lo} {hi}");
                let places: Vec<_> =
                    few.iter().map(|datom| range.iter().position(|other| other == datom)).collect();
                assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{name} {places:?}");
                assert_eq!(db.sample_range(&attribute, &lo, &hi, 4, 7).expect("drawn"), few, "the same seed");
            }
        }
    }

    #[test]
    fn every_datom_is_drawn_as_often_as_any_other() {
        let (_dir, dbs) = stores();
        for db in dbs {
            let n = db.schema().attribute(&":n".into()).expect("declared").clone();
            let (lo, hi) = (Value::Int(3), Value::Int(5));
            let range = all(db.index_range(&n, &lo, &hi).expect("indexed"));
            let mut drawn: BTreeMap<Datom, u32> = BTreeMap::new();
            const ROUNDS: u64 = 3000;
            for seed in 0..ROUNDS {
                for datom in db.sample_range(&n, &lo, &hi, 5, seed).expect("drawn") {
                    *drawn.entry(datom).or_default() += 1;
                }
            }
            let expected = ROUNDS as f64 * 5.0 / range.len() as f64;
            // Five standard deviations.
            let slack = 5.0 * (expected * (1.0 - 5.0 / range.len() as f64)).sqrt();
            assert_eq!(drawn.len(), range.len());
            for (datom, times) in drawn {
                assert!((f64::from(times) - expected).abs() < slack, "{datom:?}: {times}, not {expected}");
            }
        }
    }
}
