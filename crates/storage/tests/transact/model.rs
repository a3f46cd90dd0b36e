//! Random histories of transactions against a naive interpreter: a set of facts, searched from end to end, and a
//! transaction that starts over whenever it learns anything about a tempid.

use std::collections::{BTreeMap, BTreeSet};

use edn::Value;
use factum_storage::transact::TxReport;
use factum_storage::{Db, EntityId, Index, SchemaPatch, StoreOptions, TxFunctions};
use kv::{Durability, EnvOptions};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{empty, facts, name_of, read};

const SCHEMA: &str = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :mail {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :badge {:db/valueType :db.type/string :db/unique :db.unique/value}
                       :age {:db/valueType :db.type/long}
                       :tags {:db/cardinality :db.cardinality/many}
                       :boss {:db/valueType :db.type/ref}
                       :pals {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
                       :part {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}
                       :x {:db/valueType :db.type/long}
                       :y {:db/valueType :db.type/long}
                       :x+y {:db/tupleAttrs [:x :y] :db/unique :db.unique/value}}";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Attr {
    Name,
    Mail,
    Badge,
    Age,
    Tags,
    Boss,
    Pals,
    Part,
    X,
    Y,
    XY,
}

use Attr::*;

impl Attr {
    fn keyword(self) -> Value {
        Value::keyword(match self {
            Name => ":name",
            Mail => ":mail",
            Badge => ":badge",
            Age => ":age",
            Tags => ":tags",
            Boss => ":boss",
            Pals => ":pals",
            Part => ":part",
            X => ":x",
            Y => ":y",
            XY => ":x+y",
        })
    }

    fn is_many(self) -> bool {
        matches!(self, Tags | Pals | Part)
    }

    fn is_identity(self) -> bool {
        matches!(self, Name | Mail)
    }

    fn is_unique(self) -> bool {
        self.is_identity() || matches!(self, Badge | XY)
    }
}

/// A way to name an entity.
#[derive(Clone, Debug)]
enum Place {
    Id(u64),
    Temp(i64),
    Named(u8),
}

#[derive(Clone, Debug)]
enum Written {
    Plain(Value),
    Entity(Place),
}

#[derive(Clone, Debug)]
enum Op {
    Add(Place, Attr, Written),
    Map(Option<Place>, Vec<(Attr, Written)>),
    Retract(Place, Attr, Written),
    RetractAttribute(Place, Attr),
    RetractEntity(Place),
    Cas(Place, Option<i64>, i64),
}

fn text(n: u8) -> Value {
    Value::from(format!("s{n}"))
}

impl Place {
    fn edn(&self) -> Value {
        match self {
            Self::Id(id) => Value::Int(*id as i64),
            Self::Temp(number) => Value::Int(*number),
            Self::Named(n) => Value::Vector(vec![Name.keyword(), text(*n)]),
        }
    }
}

impl Written {
    fn edn(&self) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Entity(place) => place.edn(),
        }
    }
}

impl Op {
    fn edn(&self) -> Value {
        let list = |name: &str, parts: Vec<Value>| {
            Value::Vector(std::iter::once(Value::keyword(name)).chain(parts).collect())
        };
        match self {
            Self::Add(e, a, v) => list(":db/add", vec![e.edn(), a.keyword(), v.edn()]),
            Self::Retract(e, a, v) => list(":db/retract", vec![e.edn(), a.keyword(), v.edn()]),
            Self::RetractAttribute(e, a) => list(":db/retract", vec![e.edn(), a.keyword()]),
            Self::RetractEntity(e) => list(":db/retractEntity", vec![e.edn()]),
            Self::Cas(e, old, new) => list(
                ":db/cas",
                vec![e.edn(), Age.keyword(), old.map_or(Value::Nil, Value::Int), Value::Int(*new)],
            ),
            Self::Map(e, entries) => {
                let id = e.iter().map(|e| (Value::keyword(":db/id"), e.edn()));
                let entries = entries.iter().map(|(a, v)| (a.keyword(), v.edn()));
                Value::Map(id.chain(entries).collect())
            }
        }
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        10 => (1..9_u64).prop_map(Place::Id),
        10 => (-4..0_i64).prop_map(Place::Temp),
        1 => (0..4_u8).prop_map(Place::Named),
    ]
}

/// One that must exist already, but for a few slips.
fn existing() -> impl Strategy<Value = Place> {
    prop_oneof![
        12 => (1..9_u64).prop_map(Place::Id),
        6 => (0..4_u8).prop_map(Place::Named),
        1 => (-4..0_i64).prop_map(Place::Temp),
    ]
}

fn pair() -> impl Strategy<Value = (Attr, Written)> {
    let strings = (prop_oneof![3 => Just(Name), 2 => Just(Mail), 1 => Just(Badge)], 0..4_u8)
        .prop_map(|(a, n)| (a, Written::Plain(text(n))));
    let numbers = (prop_oneof![Just(Age), Just(X), Just(Y)], 0..4_i64)
        .prop_map(|(a, n)| (a, Written::Plain(Value::Int(n))));
    let tags = (0..4_i64).prop_map(|n| (Tags, Written::Plain(Value::Int(n))));
    let references =
        (prop_oneof![Just(Boss), Just(Pals), Just(Part)], place()).prop_map(|(a, e)| (a, Written::Entity(e)));
    prop_oneof![5 => strings, 2 => numbers, 1 => tags, 2 => references]
}

fn op() -> impl Strategy<Value = Op> {
    let attributes =
        prop_oneof![Just(Name), Just(Badge), Just(Age), Just(Tags), Just(Boss), Just(Part), Just(X)];
    // Maps of values are sorted, so entries come in the order of their names and without repetition.
    let entries = vec(pair(), 1..4).prop_map(|mut entries| {
        entries.sort_by_key(|(a, _)| a.keyword());
        entries.dedup_by_key(|(a, _)| *a);
        entries
    });
    prop_oneof![
        6 => (place(), pair()).prop_map(|(e, (a, v))| Op::Add(e, a, v)),
        4 => (proptest::option::of(place()), entries).prop_map(|(e, entries)| Op::Map(e, entries)),
        2 => (existing(), pair()).prop_map(|(e, (a, v))| Op::Retract(e, a, v)),
        1 => (existing(), attributes).prop_map(|(e, a)| Op::RetractAttribute(e, a)),
        1 => existing().prop_map(Op::RetractEntity),
        1 => (existing(), proptest::option::of(0..3_i64), 0..3_i64).prop_map(|(e, old, new)| Op::Cas(e, old, new)),
    ]
}

type Fact = (u64, Attr, Value);
type Class = &'static str;

/// The naive database.
#[derive(Clone, Default)]
struct Model {
    facts: BTreeSet<Fact>,
    max: u64,
}

/// What is known about the tempids of one transaction. Maps without an id have tempids from 100 on.
#[derive(Clone, Default)]
struct Known {
    entities: BTreeMap<i64, u64>,
    same: Vec<(i64, i64)>,
}

impl Known {
    /// All tempids that are one with `tempid`.
    fn class(&self, tempid: i64) -> BTreeSet<i64> {
        let mut class = BTreeSet::from([tempid]);
        loop {
            let before = class.len();
            for (one, other) in &self.same {
                if class.contains(one) || class.contains(other) {
                    class.extend([*one, *other]);
                }
            }
            if class.len() == before {
                return class;
            }
        }
    }

    fn entity(&self, tempid: i64) -> Option<u64> {
        self.class(tempid).iter().find_map(|tempid| self.entities.get(tempid)).copied()
    }
}

/// Why a run over the items ends early.
enum Stop {
    Learned(Known),
    Failed(Class),
}

/// One run over the items.
struct Run<'m> {
    before: &'m Model,
    now: Model,
    known: Known,
    /// Entities of this run: those that were made, and those that were known.
    bound: BTreeMap<i64, u64>,
    fresh: BTreeMap<u64, i64>,
    subjects: BTreeSet<i64>,
    values: BTreeSet<i64>,
    conflict: Option<Class>,
}

impl Model {
    fn transact(&self, ops: &[Op]) -> Result<(Model, BTreeMap<i64, u64>), Class> {
        let mut known = Known::default();
        loop {
            let mut run = Run {
                before: self,
                now: self.clone(),
                known: known.clone(),
                bound: BTreeMap::new(),
                fresh: BTreeMap::new(),
                subjects: BTreeSet::new(),
                values: BTreeSet::new(),
                conflict: None,
            };
            match run.run(ops) {
                Err(Stop::Learned(more)) => known = more,
                Err(Stop::Failed(class)) => return Err(class),
                Ok(()) => {
                    let used = (-4..0).filter_map(|tempid| Some((tempid, run.entity(tempid)?)));
                    let tempids = used.collect();
                    return Ok((run.now, tempids));
                }
            }
        }
    }
}

impl Run<'_> {
    fn run(&mut self, ops: &[Op]) -> Result<(), Stop> {
        for (index, op) in ops.iter().enumerate() {
            self.op(op, 100 + index as i64)?;
        }
        for e in self.now.facts.iter().map(|fact| fact.0).collect::<BTreeSet<_>>() {
            self.derive(e);
        }
        // Entities without any facts left may still have their tuple.
        for e in self.before.facts.iter().map(|fact| fact.0).collect::<BTreeSet<_>>() {
            self.derive(e);
        }
        let tuples: Vec<Fact> = self.now.facts.iter().filter(|fact| fact.1 == XY).cloned().collect();
        for (e, a, v) in tuples {
            if self.owners(a, &v).iter().any(|owner| *owner != e) {
                self.conflict.get_or_insert("unique-conflict");
            }
        }
        for tempid in self.values.clone() {
            if self.known.class(tempid).is_disjoint(&self.subjects) {
                return Err(Stop::Failed("dangling-tempid"));
            }
        }
        self.conflict.map_or(Ok(()), |class| Err(Stop::Failed(class)))
    }

    fn derive(&mut self, e: u64) {
        self.now.facts.retain(|fact| fact.0 != e || fact.1 != XY);
        let part = |a: Attr| {
            self.now.facts.iter().find(|fact| fact.0 == e && fact.1 == a).map(|fact| fact.2.clone())
        };
        let (x, y) = (part(X), part(Y));
        if x.is_some() || y.is_some() {
            let tuple = Value::Vector(vec![x.unwrap_or_default(), y.unwrap_or_default()]);
            self.now.facts.insert((e, XY, tuple));
        }
    }

    /// Who has a value, or had it before.
    fn owners(&self, a: Attr, v: &Value) -> Vec<u64> {
        let has = |fact: &&Fact| fact.1 == a && fact.2 == *v;
        let now = self.now.facts.iter().filter(has);
        now.chain(self.before.facts.iter().filter(has)).map(|fact| fact.0).collect()
    }

    fn entity(&self, tempid: i64) -> Option<u64> {
        let class = self.known.class(tempid);
        self.known.entity(tempid).or_else(|| class.iter().find_map(|tempid| self.bound.get(tempid)).copied())
    }

    fn entity_or_new(&mut self, tempid: i64) -> u64 {
        self.entity(tempid).unwrap_or_else(|| {
            self.now.max += 1;
            self.bound.insert(tempid, self.now.max);
            self.fresh.insert(self.now.max, tempid);
            self.now.max
        })
    }

    /// A known entity, or nothing for a name that nobody has.
    fn find(&self, place: &Place) -> Option<u64> {
        match place {
            Place::Id(id) => Some(*id),
            Place::Named(n) => {
                self.now.facts.iter().find(|fact| fact.1 == Name && fact.2 == text(*n)).map(|fact| fact.0)
            }
            Place::Temp(_) => None,
        }
    }

    fn known(&self, place: &Place) -> Result<u64, Stop> {
        self.find(place).ok_or(Stop::Failed("entity-missing"))
    }

    fn value(&mut self, v: &Written) -> Result<Value, Stop> {
        Ok(match v {
            Written::Plain(value) => value.clone(),
            Written::Entity(Place::Temp(tempid)) => {
                self.values.insert(*tempid);
                Value::Int(self.entity_or_new(*tempid) as i64)
            }
            Written::Entity(place) => Value::Int(self.known(place)? as i64),
        })
    }

    fn learn(&self, entities: &[(i64, u64)], same: &[(i64, i64)]) -> Stop {
        let mut known = self.known.clone();
        known.entities.extend(entities.iter().copied());
        known.same.extend(same);
        Stop::Learned(known)
    }

    /// A tempid has an identity value that belongs to `owner`.
    fn same(&mut self, tempid: i64, owner: u64) -> Result<bool, Stop> {
        let entity = self.entity(tempid);
        if entity == Some(owner) {
            return Ok(true);
        }
        let known = self.known.entity(tempid);
        if let Some(other) = self.fresh.get(&owner).copied() {
            return Err(self.learn(&[], &[(tempid, other)]));
        }
        match known {
            None => Err(self.learn(&[(tempid, owner)], &[])),
            Some(_) => Ok(false),
        }
    }

    fn subject(&mut self, place: &Place) -> Result<Result<u64, i64>, Stop> {
        Ok(match place {
            Place::Temp(tempid) => Err(*tempid),
            place => Ok(self.known(place)?),
        })
    }

    fn write(&mut self, e: u64, a: Attr, v: Value) -> Result<(), Stop> {
        if a.is_unique()
            && let Some(owner) = self.owners(a, &v).into_iter().find(|owner| *owner != e)
        {
            if a.is_identity() {
                match (self.fresh.get(&e).copied(), self.fresh.get(&owner).copied()) {
                    (Some(one), Some(other)) => return Err(self.learn(&[], &[(one, other)])),
                    (Some(one), None) => return Err(self.learn(&[(one, owner)], &[])),
                    (None, Some(other)) => return Err(self.learn(&[(other, e)], &[])),
                    (None, None) => {}
                }
            }
            self.conflict.get_or_insert("unique-conflict");
            return Ok(());
        }
        if !a.is_many() {
            self.now.facts.retain(|fact| fact.0 != e || fact.1 != a);
        }
        self.now.facts.insert((e, a, v));
        self.now.max = self.now.max.max(e);
        Ok(())
    }

    fn op(&mut self, op: &Op, anonymous: i64) -> Result<(), Stop> {
        match op {
            Op::Add(place, a, v) => self.add(place, *a, v),
            Op::Map(place, entries) => self.map(place.as_ref(), entries, anonymous),
            Op::Retract(place, a, v) => {
                let target = match v {
                    Written::Entity(Place::Temp(_)) => None,
                    Written::Entity(target) => self.find(target).map(|e| Value::Int(e as i64)),
                    Written::Plain(value) => Some(value.clone()),
                };
                let Some(e) = self.existing(place)? else { return Ok(()) };
                if matches!(v, Written::Entity(Place::Temp(_))) {
                    return Err(Stop::Failed("tempid-not-allowed"));
                }
                if let Some(v) = target {
                    self.now.facts.remove(&(e, *a, v));
                }
                Ok(())
            }
            Op::RetractAttribute(place, a) => {
                if let Some(e) = self.existing(place)? {
                    let gone: Vec<Fact> =
                        self.now.facts.iter().filter(|fact| fact.0 == e && fact.1 == *a).cloned().collect();
                    self.remove(gone);
                }
                Ok(())
            }
            Op::RetractEntity(place) => {
                if let Some(e) = self.existing(place)? {
                    self.retract_entity(e);
                }
                Ok(())
            }
            Op::Cas(place, old, new) => {
                let e = self.existing(place)?.ok_or(Stop::Failed("entity-missing"))?;
                let found = self
                    .now
                    .facts
                    .iter()
                    .find(|fact| fact.0 == e && fact.1 == Age)
                    .map(|fact| fact.2.clone());
                if found != old.map(Value::Int) {
                    return Err(Stop::Failed("cas-failed"));
                }
                self.write(e, Age, Value::Int(*new))
            }
        }
    }

    fn existing(&self, place: &Place) -> Result<Option<u64>, Stop> {
        match place {
            Place::Temp(_) => Err(Stop::Failed("tempid-not-allowed")),
            place => Ok(self.find(place)),
        }
    }

    fn remove(&mut self, gone: Vec<Fact>) {
        for fact in gone {
            if self.now.facts.remove(&fact) && fact.1 == Part {
                self.retract_entity(fact.2.as_int().expect("a reference") as u64);
            }
        }
    }

    fn retract_entity(&mut self, e: u64) {
        let own: Vec<Fact> = self.now.facts.iter().filter(|fact| fact.0 == e).cloned().collect();
        self.now.facts.retain(|(_, a, v)| !(matches!(a, Boss | Pals | Part) && *v == Value::Int(e as i64)));
        self.now.facts.retain(|fact| fact.0 != e);
        for fact in own.into_iter().filter(|fact| fact.1 == Part) {
            self.retract_entity(fact.2.as_int().expect("a reference") as u64);
        }
    }

    fn add(&mut self, place: &Place, a: Attr, v: &Written) -> Result<(), Stop> {
        match self.subject(place)? {
            Ok(e) => {
                self.now.max = self.now.max.max(e);
                let v = self.value(v)?;
                self.write(e, a, v)
            }
            Err(tempid) => {
                self.subjects.insert(tempid);
                if a.is_identity() {
                    let v = self.value(v)?;
                    self.claim(tempid, a, &v)?;
                    let e = self.entity_or_new(tempid);
                    self.write(e, a, v)
                } else {
                    let e = self.entity_or_new(tempid);
                    let v = self.value(v)?;
                    self.write(e, a, v)
                }
            }
        }
    }

    fn claim(&mut self, tempid: i64, a: Attr, v: &Value) -> Result<(), Stop> {
        if let Some(owner) = self.owners(a, v).first().copied()
            && !self.same(tempid, owner)?
        {
            self.conflict.get_or_insert("conflicting-upserts");
        }
        Ok(())
    }

    fn map(
        &mut self,
        place: Option<&Place>,
        entries: &[(Attr, Written)],
        anonymous: i64,
    ) -> Result<(), Stop> {
        let subject = place.map_or(Ok(Err(anonymous)), |place| self.subject(place))?;
        for (a, v) in entries.iter().filter(|(a, _)| a.is_identity()) {
            let Written::Plain(v) = v else { continue };
            match subject {
                Err(tempid) => self.claim(tempid, *a, v)?,
                Ok(e) => {
                    let Some(owner) = self.owners(*a, v).first().copied().filter(|owner| *owner != e) else {
                        continue;
                    };
                    match (self.fresh.get(&owner).copied(), self.fresh.get(&e).copied()) {
                        (Some(one), Some(other)) => return Err(self.learn(&[], &[(one, other)])),
                        (Some(one), None) => return Err(self.learn(&[(one, e)], &[])),
                        (None, _) => {
                            self.conflict.get_or_insert("conflicting-upserts");
                        }
                    }
                }
            }
        }
        let e = match subject {
            Ok(e) => e,
            Err(tempid) => {
                self.subjects.insert(tempid);
                self.entity_or_new(tempid)
            }
        };
        self.now.max = self.now.max.max(e);
        for (a, v) in entries {
            let v = self.value(v)?;
            self.write(e, *a, v)?;
        }
        Ok(())
    }
}

fn facts_of(db: &Db) -> BTreeSet<(u64, String, Value)> {
    let datoms = db.datoms(Index::Eav, &[]).expect("readable").map(|datom| datom.expect("readable"));
    datoms.map(|datom| (datom.e.0, name_of(db, &datom), datom.v)).collect()
}

/// Applies the effects of a report one by one.
fn replay(before: &Db, report: &TxReport) -> BTreeSet<(u64, String, Value)> {
    let mut facts = facts_of(before);
    for datom in &report.tx_data {
        let fact = (datom.e.0, name_of(&report.db_after, datom), datom.v.clone());
        if datom.added {
            assert!(facts.insert(fact), "{datom:?} was there already");
        } else {
            assert!(facts.remove(&fact), "{datom:?} was not there");
        }
    }
    facts
}

fn check_history(history: &[Vec<Op>]) {
    let (mut db, mut model) = (empty(SCHEMA), Model::default());
    for ops in history {
        let data = Value::Vector(ops.iter().map(Op::edn).collect());
        match (db.with(&data), model.transact(ops)) {
            (Ok(report), Ok((next, tempids))) => {
                let expected: BTreeSet<_> =
                    next.facts.iter().map(|(e, a, v)| (*e, a.keyword().to_string(), v.clone())).collect();
                assert_eq!(facts_of(&report.db_after), expected, "{data}");
                assert_eq!(replay(&db, &report), expected, "{data}");
                facts(&report.db_after);
                let found: BTreeMap<i64, u64> =
                    report.tempids.iter().filter_map(|(tempid, e)| Some((tempid.as_int()?, e.0))).collect();
                assert_eq!(found, tempids, "{data}");
                assert_eq!(report.db_after.max_eid(), EntityId(next.max), "{data}");
                (db, model) = (report.db_after, next);
            }
            (Err(error), Err(class)) => assert_eq!(error.class(), class, "{data}: {error}"),
            (Ok(_), Err(class)) => panic!("{data} passed, expected {class}"),
            (Err(error), Ok(_)) => panic!("{data} failed: {error}"),
        }
    }
}

/// What a transaction is going to do, what it did when committed, and what is there after opening again.
fn check_file(history: &[Vec<Op>], durability: Durability) {
    let dir = tempfile::tempdir().expect("a directory");
    let schema = SchemaPatch::from_value(&read(SCHEMA)).expect("valid");
    let options = || StoreOptions::new().env(EnvOptions::new().durability(durability));
    let mut store = options().schema(schema).open(dir.path()).expect("opens");
    for (at, ops) in history.iter().enumerate() {
        let data = Value::Vector(ops.iter().map(Op::edn).collect());
        let before = store.db().expect("readable");
        let expected = before.with(&data);
        let found = store.transact(&data, Value::Nil, &TxFunctions::new());
        match (expected, found) {
            (Ok(expected), Ok(found)) => {
                assert_eq!(expected.tx_data, found.tx_data, "{data}");
                assert_eq!(expected.tempids, found.tempids, "{data}");
                assert_eq!(facts_of(&expected.db_after), facts_of(&found.db_after), "{data}");
                assert_eq!(facts(&expected.db_after), facts(&found.db_after), "{data}");
            }
            (Err(expected), Err(found)) => {
                assert_eq!(expected.class(), found.class(), "{data}");
                assert_eq!(facts(&before), facts(&store.db().expect("readable")), "{data} left a trace");
            }
            (expected, found) => panic!("{data}: {expected:?} as a value, {found:?} on the file"),
        }
        drop(before);
        if at % 4 == 3 {
            let before = facts(&store.db().expect("readable"));
            drop(store);
            store = options().open(dir.path()).expect("opens again");
            assert_eq!(facts(&store.db().expect("readable")), before);
        }
    }
    let report = store.db().expect("readable").check().expect("readable");
    assert!(report.is_sound(), "{report:?}");
}

fn cases() -> u32 {
    std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn histories(history in vec(vec(op(), 1..6), 1..12)) {
        check_history(&history);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases().div_ceil(8), ..ProptestConfig::default() })]

    #[test]
    fn histories_on_a_file(history in vec(vec(op(), 1..6), 1..12)) {
        check_file(&history, Durability::Full);
    }

    #[test]
    fn histories_on_a_file_with_a_log(history in vec(vec(op(), 1..6), 1..12)) {
        check_file(&history, Durability::Wal);
    }
}
