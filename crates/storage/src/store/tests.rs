//! The store against a naive set of datoms: random adds and retracts, overlays of any depth, commits, reopening.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use edn::{Keyword, Value};
use proptest::prelude::*;

use super::{Store, StoreOptions};
use crate::datom::{Direction, Index, ValueRange};
use crate::db::Db;
use crate::encode::{EncodedValue, encode};
use crate::error::Error;
use crate::ids::{AttrId, EntityId, TX_BASE};
use crate::schema::{Schema, SchemaPatch};
use crate::transact::TransactError;

pub(crate) fn cases() -> ProptestConfig {
    let cases = std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    ProptestConfig { cases, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() }
}

fn schema() -> SchemaPatch {
    let text = r#"{:name {:db/cardinality :db.cardinality/many}
                   :age {:db/valueType :db.type/long :db/cardinality :db.cardinality/many}
                   :friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
                   :secret {:db/noindex true :db/cardinality :db.cardinality/many}}"#;
    SchemaPatch::from_value(&edn::read(text).expect("EDN")).expect("a schema")
}

/// Numbered in the order of their names.
const ATTRS: [AttrId; 4] = [AttrId(18), AttrId(16), AttrId(17), AttrId(19)];
const AGE: usize = 1;
const FRIEND: usize = 2;
const SECRET: usize = 3;

/// The oracle: every datom, in both orders.
#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    facts: BTreeSet<(u64, AttrId, Vec<u8>)>,
}

impl Model {
    fn values(&self, e: u64, a: AttrId) -> Vec<Vec<u8>> {
        self.facts.iter().filter(|fact| fact.0 == e && fact.1 == a).map(|fact| fact.2.clone()).collect()
    }

    fn ave(&self) -> Vec<(AttrId, Vec<u8>, u64)> {
        let mut rows: Vec<_> = self
            .facts
            .iter()
            .filter(|fact| fact.1 != ATTRS[SECRET])
            .map(|(e, a, v)| (*a, v.clone(), *e))
            .collect();
        rows.sort();
        rows
    }
}

fn text(len: usize, end: &str) -> Value {
    Value::from("a".repeat(len) + end)
}

/// Values that are short, near the limit of index keys, and beyond it with common beginnings.
fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => (0i64..6).prop_map(Value::Int),
        4 => "[a-c]{0,2}".prop_map(Value::from),
        1 => (prop_oneof![Just(453usize), Just(454), Just(455), Just(478), Just(479), Just(480), Just(600)], "[a-c]{0,2}")
            .prop_map(|(len, end)| text(len, &end)),
        1 => Just(Value::Vector(vec![1.into(), "x".into()])),
    ]
}

#[derive(Clone, Debug)]
enum Op {
    Add(u64, usize, Value),
    Retract(u64, usize, Value),
    /// Retracts a fact that exists, chosen by number.
    RetractOne(usize),
    Commit,
    Abort,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let entity = prop_oneof![6 => 1u64..12, 1 => Just(u64::from(u32::MAX) + 5), 1 => Just(TX_BASE + 1)];
    prop_oneof![
        12 => (entity.clone(), 0..ATTRS.len(), values()).prop_map(|(e, a, v)| Op::Add(e, a, v)),
        2 => (entity, 0..ATTRS.len(), values()).prop_map(|(e, a, v)| Op::Retract(e, a, v)),
        5 => any::<usize>().prop_map(Op::RetractOne),
        2 => Just(Op::Commit),
        1 => Just(Op::Abort),
        1 => Just(Op::Reopen),
    ]
}

fn encoded(a: usize, value: &Value) -> EncodedValue {
    // References and numbers are integers whatever the value.
    if a == FRIEND || a == AGE { EncodedValue::int(value.as_int().unwrap_or(7)) } else { encode(value) }
}

fn check_against(db: &Db, model: &Model) {
    let report = db.check().expect("readable");
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!(report.datoms, model.facts.len() as u64);
    check_eav(db, model);
    check_ave(db, model);
    check_walks(db, model);
}

fn check_eav(db: &Db, model: &Model) {
    let mut eav = db.eav();
    let entities: BTreeSet<u64> = model.facts.iter().map(|fact| fact.0).collect();
    for e in (0..14).chain(entities.iter().copied()) {
        let all: Vec<_> = model.facts.iter().filter(|fact| fact.0 == e).cloned().collect();
        assert_eq!(eav.count(e).expect("readable"), all.len() as u64);
        let mut seen = Vec::new();
        eav.entity(e, &mut |a, v| {
            seen.push((e, a, v.to_vec()));
            ControlFlow::Continue(())
        })
        .expect("readable");
        seen.sort();
        assert_eq!(seen, all);
        for a in ATTRS {
            let mut found = Vec::new();
            eav.values_into(e, a, &mut found).expect("readable");
            assert_eq!(found, model.values(e, a));
            let owned: Vec<Vec<u8>> =
                db.values(EntityId(e), a).expect("readable").iter().map(|v| v.to_vec()).collect();
            assert_eq!(owned, model.values(e, a));
        }
        let mut friends = Vec::new();
        eav.refs_into(e, ATTRS[FRIEND], &mut friends).expect("references");
        let expected: Vec<u64> = model
            .values(e, ATTRS[FRIEND])
            .iter()
            .map(|v| crate::encode::decode_int(v).expect("an id") as u64)
            .collect();
        assert_eq!(friends, expected);
    }
    let listed: Vec<u64> = entities.iter().copied().collect();
    let wanted = [ATTRS[AGE], ATTRS[3]];
    let mut merged = Vec::new();
    eav.merge_scan(&listed, &wanted, &mut |e, a, v| merged.push((listed[e], wanted[a], v.to_vec())))
        .expect("readable");
    merged.sort();
    let expected: Vec<_> = model.facts.iter().filter(|fact| wanted.contains(&fact.1)).cloned().collect();
    assert_eq!(merged, expected);
    for direction in [Direction::Forward, Direction::Backward] {
        let (mut walked, mut from) = (Vec::new(), Bound::Unbounded);
        while let Some(e) = eav.next_entity(from, direction).expect("readable") {
            walked.push(e);
            from = Bound::Excluded(e);
        }
        if direction == Direction::Backward {
            walked.reverse();
        }
        assert_eq!(walked, listed);
    }
}

fn check_ave(db: &Db, model: &Model) {
    let mut ave = db.ave();
    let rows = model.ave();
    for a in ATTRS {
        let of_a: Vec<&(AttrId, Vec<u8>, u64)> = rows.iter().filter(|row| row.0 == a).collect();
        let distinct: Vec<&Vec<u8>> =
            of_a.iter().map(|row| &row.1).collect::<BTreeSet<_>>().into_iter().collect();
        for v in &distinct {
            let expected: Vec<u64> = of_a.iter().filter(|row| row.1 == **v).map(|row| row.2).collect();
            let mut found = Vec::new();
            assert_eq!(ave.lookup_into(a, v, &mut found).expect("readable"), expected.len());
            assert_eq!(found, expected);
            assert_eq!(ave.count(a, v).expect("readable"), expected.len() as u64);
            assert!(ave.contains(a, v, expected[0]).expect("readable"));
            assert!(!ave.contains(a, v, 999).expect("readable"));
        }
        for (lo, hi) in bounds(&distinct) {
            let range = ValueRange { lo, hi };
            let inside: Vec<&(AttrId, Vec<u8>, u64)> =
                of_a.iter().copied().filter(|row| range.contains(&row.1)).collect();
            if !range.is_empty() {
                check_scan(db, a, &range, &inside);
            }
            if a != ATTRS[SECRET] {
                assert_eq!(db.count_range(a, &range).expect("readable"), inside.len() as u64, "{range:?}");
                db.estimate_range(a, &range).expect("readable");
            }
        }
        if a != ATTRS[SECRET] {
            assert_eq!(db.cardinality(a).expect("readable"), distinct.len() as u64);
        }
    }
}

fn bounds(values: &[&Vec<u8>]) -> Vec<(Bound<EncodedValue>, Bound<EncodedValue>)> {
    let mut ends = vec![Bound::Unbounded];
    for v in values.iter().step_by(values.len().div_ceil(4).max(1)) {
        ends.push(Bound::Included(EncodedValue::from_bytes(v)));
        ends.push(Bound::Excluded(EncodedValue::from_bytes(v)));
    }
    ends.push(Bound::Included(encode(&Value::from("ab"))));
    ends.iter().flat_map(|lo| ends.iter().map(|hi| (lo.clone(), hi.clone()))).collect()
}

fn check_scan(db: &Db, a: AttrId, range: &ValueRange, expected: &[&(AttrId, Vec<u8>, u64)]) {
    for direction in [Direction::Forward, Direction::Backward] {
        let mut ave = db.ave();
        ave.scan(a, range, direction).expect("readable");
        let (mut rows, mut entities) = (Vec::new(), Vec::new());
        while let Some(v) = ave.next_value().expect("readable") {
            entities.clear();
            ave.entities_into(&mut entities).expect("readable");
            assert!(!entities.is_empty());
            if direction == Direction::Backward {
                entities.reverse();
            }
            rows.extend(entities.iter().map(|e| (a, v.to_vec(), *e)));
        }
        if direction == Direction::Backward {
            rows.reverse();
        }
        assert_eq!(rows.iter().collect::<Vec<_>>(), expected, "{direction:?} {range:?}");
    }
    let mut ave = db.ave();
    ave.scan(a, range, Direction::Forward).expect("readable");
    let (mut values, mut entities) = (Vec::new(), Vec::new());
    while ave.scan_batch(3, &mut values, &mut entities).expect("readable") {}
    let rows: Vec<_> = values.iter().zip(&entities).map(|(v, e)| (a, v.to_vec(), *e)).collect();
    assert_eq!(rows.iter().collect::<Vec<_>>(), expected);
}

fn check_walks(db: &Db, model: &Model) {
    let name = |a: AttrId| Value::Keyword(db.schema().by_id(a).expect("declared").ident.clone());
    let plain = |datoms: crate::Datoms<'_>| -> Vec<(u64, AttrId, Vec<u8>)> {
        datoms
            .map(|datom| datom.expect("readable"))
            .map(|datom| (datom.e.0, datom.a, encode(&datom.v).to_vec()))
            .collect()
    };
    let eav: Vec<_> = model.facts.iter().cloned().collect();
    assert_eq!(sorted(plain(db.datoms(Index::Eav, &[]).expect("readable"))), eav);
    let ave: Vec<_> = model.ave().into_iter().map(|(a, v, e)| (e, a, v)).collect();
    assert_eq!(plain(db.datoms(Index::Ave, &[]).expect("readable")), ave);
    for (e, a, v) in ave.iter().step_by(ave.len().div_ceil(5).max(1)) {
        let value = crate::decode(v).expect("own bytes");
        let components = [name(*a), value, Value::Int(*e as i64)];
        let from: Vec<_> =
            ave.iter().filter(|row| row.1 == *a && (&row.2, row.0) >= (v, *e)).cloned().collect();
        assert_eq!(plain(db.seek_datoms(Index::Ave, &components).expect("readable")), from);
        let mut back: Vec<_> =
            ave.iter().filter(|row| row.1 == *a && (&row.2, row.0) <= (v, *e)).cloned().collect();
        back.reverse();
        assert_eq!(plain(db.rseek_datoms(Index::Ave, &components).expect("readable")), back);
        assert_eq!(plain(db.datoms(Index::Ave, &components).expect("readable")), [(*e, *a, v.clone())]);
        let [a_name, value, e_value] = components;
        let found = plain(db.datoms(Index::Eav, &[e_value, a_name, value]).expect("readable"));
        assert_eq!(found, [(*e, *a, v.clone())]);
    }
    assert_eq!(db.count(None, None, None).expect("readable"), eav.len() as u64);
    for a in ATTRS {
        let of_a = eav.iter().filter(|fact| fact.1 == a).count() as u64;
        assert_eq!(db.count(None, Some(a), None).expect("readable"), of_a);
    }
    if let Some((e, a, v)) = eav.first() {
        let with_v = eav.iter().filter(|fact| fact.2 == *v).count() as u64;
        assert_eq!(db.count(None, None, Some(v)).expect("readable"), with_v);
        assert_eq!(db.count(Some(EntityId(*e)), Some(*a), Some(v)).expect("readable"), 1);
        let of_e = eav.iter().filter(|fact| fact.0 == *e).count() as u64;
        assert_eq!(db.count(Some(EntityId(*e)), None, None).expect("readable"), of_e);
    }
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

fn run(ops: Vec<Op>, in_memory: bool) {
    let dir = tempfile::tempdir().expect("a directory");
    let open = || StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
    let mut store =
        if in_memory { StoreOptions::new().schema(schema()).memory().expect("opens") } else { open() };
    let (mut committed, mut staged) = (Model::default(), Model::default());
    let mut db = store.db().expect("readable");
    for op in ops {
        match op {
            Op::Add(e, a, value) => {
                let (v, attribute) =
                    (encoded(a, &value), db.schema().by_id(ATTRS[a]).expect("declared").clone());
                let is_new = staged.facts.insert((e, ATTRS[a], v.to_vec()));
                assert_eq!(db.stage_add(EntityId(e), &attribute, v).expect("readable"), is_new);
                if e > TX_BASE {
                    db.set_basis_tx(db.basis_tx().max(e - TX_BASE));
                }
            }
            Op::Retract(e, a, value) => {
                let (v, attribute) =
                    (encoded(a, &value), db.schema().by_id(ATTRS[a]).expect("declared").clone());
                let was_there = staged.facts.remove(&(e, ATTRS[a], v.to_vec()));
                assert_eq!(db.stage_retract(EntityId(e), &attribute, v).expect("readable"), was_there);
            }
            Op::RetractOne(at) => {
                let Some((e, a, v)) = staged.facts.iter().nth(at % staged.facts.len().max(1)).cloned() else {
                    continue;
                };
                staged.facts.remove(&(e, a, v.clone()));
                let attribute = db.schema().by_id(a).expect("declared").clone();
                assert!(
                    db.stage_retract(EntityId(e), &attribute, EncodedValue::from_bytes(&v))
                        .expect("readable")
                );
            }
            Op::Commit => {
                check_against(&db, &staged);
                let before = store.db().expect("readable");
                let mut writer = store.write().expect("free");
                writer.set_db(db);
                db = writer.commit().expect("commits");
                // The old value still shows the old state.
                check_against(&before, &committed);
                committed = staged.clone();
            }
            Op::Abort => {
                staged = committed.clone();
                db = store.db().expect("readable");
            }
            Op::Reopen => {
                if !in_memory {
                    drop(db);
                    drop(store);
                    store = open();
                }
                staged = committed.clone();
                db = store.db().expect("readable");
            }
        }
    }
    check_against(&db, &staged);
    check_against(&store.db().expect("readable"), &committed);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_file_behaves_as_a_set_of_datoms(ops in proptest::collection::vec(op(), 1..60)) {
        run(ops, false);
    }

    #[test]
    fn memory_behaves_as_a_set_of_datoms(ops in proptest::collection::vec(op(), 1..60)) {
        run(ops, true);
    }
}

#[test]
fn readers_of_old_states_are_not_disturbed() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
    let commit = |n: u64| {
        let mut writer = store.write().expect("free");
        let mut db = writer.db().clone();
        let age = db.schema().by_id(ATTRS[AGE]).expect("declared").clone();
        // Every state holds as many ages as its number says, each twice.
        db.stage_add(EntityId(n), &age, EncodedValue::int(n as i64)).expect("readable");
        db.stage_add(EntityId(n + 1_000_000), &age, EncodedValue::int(n as i64)).expect("readable");
        db.set_basis_tx(n);
        writer.set_db(db);
        writer.commit().expect("commits");
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < 150 {
                        let db = store.db().expect("readable");
                        let n = db.basis_tx();
                        assert!(n >= last, "states go forward");
                        last = n;
                        assert_eq!(db.count(None, Some(ATTRS[AGE]), None).expect("readable"), 2 * n);
                        assert_eq!(db.cardinality(ATTRS[AGE]).expect("readable"), n);
                        assert_eq!(db.count_range(ATTRS[AGE], &ValueRange::ALL).expect("readable"), 2 * n);
                        if n > 0 {
                            assert_eq!(
                                db.entities(ATTRS[AGE], &EncodedValue::int(n as i64)).expect("readable"),
                                [n, n + 1_000_000]
                            );
                        }
                    }
                })
            })
            .collect();
        (1..=150).for_each(commit);
        readers.into_iter().for_each(|reader| reader.join().expect("no reader fails"));
    });
    assert!(store.db().expect("readable").check().expect("readable").is_sound());
}

#[test]
fn idle_stores_do_not_pin_pages() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
    let before = store.db().expect("readable");
    assert_eq!(store.env().expect("a file").info().expect("info").readers.len(), 1);
    drop(before);
    assert_eq!(store.env().expect("a file").info().expect("info").readers.len(), 0);
}

#[test]
fn schema_and_options_last() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = StoreOptions::new().schema(schema()).validate_data(true).open(dir.path()).expect("opens");
    let db = store.db().expect("readable");
    let (schema_before, revision) = (db.schema().to_value(), db.schema().revision());
    drop((db, store));
    let store = StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
    let db = store.db().expect("readable");
    assert_eq!(db.schema().to_value(), schema_before);
    assert_eq!(db.schema().revision(), revision, "opening with the same schema changes nothing");
    assert!(db.options().validate_data);
    let renames = edn::read("{:name :title}").expect("EDN");
    let patch = SchemaPatch::from_values(&Value::Nil, &Value::Nil, &renames).expect("a patch");
    let after = store.update_schema(&patch).expect("renames");
    assert_eq!(after.schema().attribute(&Keyword::from(":title")).expect("renamed").id, ATTRS[0]);
    assert!(db.schema().attribute(&Keyword::from(":name")).is_some(), "old values keep their schema");
    assert!(after.check().expect("readable").is_sound());
    drop((db, after, store));
    let store = StoreOptions::new().open(dir.path()).expect("opens");
    assert!(store.db().expect("readable").schema().attribute(&Keyword::from(":title")).is_some());
}

#[track_caller]
fn refused(result: Result<Store, TransactError>, expected: impl Fn(&Error) -> bool) {
    let error = result.expect_err("refused");
    match error.kind() {
        crate::TransactErrorKind::Storage(storage) => assert!(expected(storage), "{storage}"),
        other => panic!("another kind of error: {other}"),
    }
}

#[test]
fn missing_foreign_and_newer_files_are_refused() {
    let missing = tempfile::tempdir().expect("a directory");
    let result = StoreOptions::new().read_only(true).open(missing.path().join("none"));
    refused(result, |error| {
        matches!(error, Error::Kv(kv::Error::NotFound { .. }) | Error::NoDatabase { .. })
    });

    let foreign = tempfile::tempdir().expect("a directory");
    // As another program would: a table that no key-value store of ours has registered.
    let env = kv::EnvOptions::new().open(foreign.path()).expect("opens");
    let mut txn = env.write().expect("free");
    let theirs = txn.open_dbi("theirs", kv::DbiOptions::new()).expect("creates");
    txn.put(&theirs, b"k", b"v").expect("writes");
    txn.commit().expect("commits");
    drop(env);
    refused(
        StoreOptions::new().open(foreign.path()),
        |error| matches!(error, Error::ForeignTables { tables, .. } if tables == "theirs"),
    );
    assert!(StoreOptions::new().adopt(true).open(foreign.path()).is_ok());

    let newer = tempfile::tempdir().expect("a directory");
    let store = StoreOptions::new().open(newer.path()).expect("opens");
    let env = store.env().expect("a file").clone();
    let meta = env.open_reserved("meta", kv::DbiOptions::new()).expect("there");
    let mut txn = env.write().expect("free");
    txn.put(&meta, b"format", &[9, 0, 0, 0, 9, 0, 0, 0]).expect("writes");
    txn.commit().expect("commits");
    assert!(matches!(store.db(), Err(Error::FormatTooNew { found: 9, supported: 1 })));
    drop(store);
    refused(StoreOptions::new().open(newer.path()), |error| {
        matches!(error, Error::FormatTooNew { found: 9, supported: 1 })
    });
}

#[test]
fn read_only_stores_read_and_refuse_to_write() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(StoreOptions::new().schema(schema()).open(dir.path()).expect("opens"));
    let store = StoreOptions::new().read_only(true).open(dir.path()).expect("opens");
    assert_eq!(store.db().expect("readable").count(None, None, None).expect("readable"), 0);
    assert!(matches!(store.write().err(), Some(Error::Kv(kv::Error::ReadOnly))));
}

#[test]
fn a_thread_does_not_wait_for_itself() {
    let store = StoreOptions::new().memory().expect("opens");
    let writer = store.write().expect("free");
    assert!(matches!(store.write().err(), Some(Error::WouldDeadlock)));
    drop(writer);
    assert!(store.write().is_ok());
}

#[test]
fn damage_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
    let mut writer = store.write().expect("free");
    let mut db = writer.db().clone();
    let name = db.schema().by_id(ATTRS[0]).expect("declared").clone();
    db.stage_add(EntityId(1), &name, encode(&text(700, "x"))).expect("readable");
    db.stage_add(EntityId(2), &name, encode(&text(700, "x"))).expect("readable");
    db.stage_add(EntityId(2), &name, encode(&"short".into())).expect("readable");
    writer.set_db(db);
    assert!(writer.commit().expect("commits").check().expect("readable").is_sound());
    let env = store.env().expect("a file");
    assert!(env.existing_dbi("ave").is_err(), "not for everybody");
    let ave = env.open_reserved("ave", super::tables::ave_flags()).expect("there");
    let giants = env.open_reserved("giants", kv::DbiOptions::new()).expect("there");
    let mut txn = env.write().expect("free");
    let key = [&[ATTRS[0].0 as u8][..], &encode(&"short".into())].concat();
    assert!(txn.delete_dup(&ave, &key, &2u64.to_ne_bytes()).expect("deletes"));
    let hash = *blake3::hash(&encode(&text(700, "x"))).as_bytes();
    let mut record = txn.get(&giants, &hash).expect("readable").expect("there").to_vec();
    assert_eq!(record[..8], 2u64.to_le_bytes(), "two facts, one giant");
    record[0] = 1;
    txn.put(&giants, &hash, &record).expect("writes");
    txn.commit().expect("commits");
    let report = store.db().expect("readable").check().expect("readable");
    let text = report.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(text.contains("misses a value of :name of entity 2"), "{text}");
    assert!(text.contains("counted 1 times and used 2 times"), "{text}");
}

#[test]
fn attributes_can_be_indexed_later() {
    for in_memory in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        let options = StoreOptions::new().schema(schema());
        let store = if in_memory { options.memory() } else { options.open(dir.path()) }.expect("opens");
        let secret = ATTRS[SECRET];
        let mut writer = store.write().expect("free");
        let mut db = writer.db().clone();
        let attribute = db.schema().by_id(secret).expect("declared").clone();
        for e in 1..20 {
            db.stage_add(EntityId(e), &attribute, encode(&((e % 3) as i64).into())).expect("readable");
            db.stage_add(EntityId(e), &attribute, encode(&text(500, &e.to_string()))).expect("readable");
        }
        writer.set_db(db);
        let db = writer.commit().expect("commits");
        assert!(matches!(db.entities(secret, &encode(&1.into())), Err(Error::UnindexedAttribute { .. })));

        let mut writer = store.write().expect("free");
        let patch = edn::read("{:secret {:db/noindex :db/retract}}").expect("EDN");
        let patch = SchemaPatch::from_value(&patch).expect("a patch");
        let mut next = writer.db().clone();
        next.set_schema(next.schema().with_changes(&patch).expect("a schema").into());
        for e in 1..20 {
            for v in db.values(EntityId(e), secret).expect("readable") {
                next.stage_index(EntityId(e), secret, v);
            }
        }
        let indexed = next.schema().by_id(secret).expect("declared").clone();
        assert!(next.check().expect("readable").is_sound());
        // Taken away and put back on top of the staged index.
        for e in [4, 5] {
            let v = encode(&((e % 3) as i64).into());
            assert!(next.stage_retract(EntityId(e), &indexed, v.clone()).expect("readable"));
            if e == 5 {
                assert!(next.stage_add(EntityId(e), &indexed, v).expect("readable"));
            }
        }
        assert!(next.check().expect("readable").is_sound());
        writer.set_db(next);
        let db = writer.commit().expect("commits");
        assert_eq!(db.entities(secret, &encode(&1.into())).expect("indexed"), [1, 7, 10, 13, 16, 19]);
        let report = db.check().expect("readable");
        assert!(report.is_sound(), "{:?}", report.problems);
    }
}

#[test]
fn schema_values_read_back() {
    let store = StoreOptions::new().schema(schema()).memory().expect("opens");
    let value = store.db().expect("readable").schema().to_value();
    let again = Schema::from_value(&value).expect("a schema");
    assert_eq!(again.to_value(), value);
}
