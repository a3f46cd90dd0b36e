//! Bulk loads against the same facts staged one by one.

use edn::Value;
use proptest::prelude::*;

use super::{BulkBatch, BulkLoader, EntityLoader};
use crate::datom::Index;
use crate::db::Db;
use crate::encode::{EncodedValue, encode};
use crate::error::Error;
use crate::ids::{AttrId, EntityId, TX_BASE};
use crate::schema::SchemaPatch;
use crate::store::{Store, StoreOptions};
use crate::transact::{EntityBuilder, Tx, TxFunctions};

fn schema() -> SchemaPatch {
    let text = r#"{:a {:db/cardinality :db.cardinality/many} :b {:db/cardinality :db.cardinality/many}
                   :c {:db/noindex true :db/cardinality :db.cardinality/many}}"#;
    SchemaPatch::from_value(&edn::read(text).expect("EDN")).expect("a schema")
}

type Fact = (u64, u32, EncodedValue);

fn fact() -> impl Strategy<Value = Fact> {
    let value = prop_oneof![
        6 => (0i64..300).prop_map(Value::Int),
        3 => "[ab\0]{0,9}".prop_map(Value::from),
        1 => (470usize..490, 0u8..3).prop_map(|(len, end)| Value::from("x".repeat(len) + &end.to_string())),
    ];
    let entity = prop_oneof![20 => 1u64..40, 1 => Just(TX_BASE + 3)];
    (entity, 16u32..19, value).prop_map(|(e, a, v)| (e, a, encode(&v)))
}

fn facts_of(db: &Db) -> Vec<(u64, AttrId, Value)> {
    let datoms = db.datoms(Index::Eav, &[]).expect("readable");
    datoms.map(|datom| datom.expect("a datom")).map(|datom| (datom.e.0, datom.a, datom.v)).collect()
}

fn load(store: &Store, facts: &[Fact], budget: usize, in_batches: bool) -> u64 {
    let mut loader = BulkLoader::new(store.db().expect("readable").schema()).memory_budget(budget);
    if in_batches {
        for chunk in facts.chunks(7) {
            let mut batch = BulkBatch::new();
            for (e, a, v) in chunk {
                batch.add(EntityId(*e), AttrId(*a), v).expect("fits");
            }
            loader.add_batch(batch).expect("fits");
        }
    } else {
        for (e, a, v) in facts {
            loader.add(EntityId(*e), AttrId(*a), v).expect("fits");
        }
    }
    assert_eq!(loader.given(), facts.len() as u64);
    store.bulk_load(loader).expect("loads").added
}

fn loader(schema: &std::sync::Arc<crate::schema::Schema>, facts: &[Fact], budget: usize) -> BulkLoader {
    let mut loader = BulkLoader::new(schema).memory_budget(budget);
    let facts: Vec<_> = facts.iter().map(|(e, a, v)| (EntityId(*e), AttrId(*a), v)).collect();
    loader.add_all(&facts).expect("fits");
    loader
}

fn stage(store: &Store, facts: &[Fact]) -> u64 {
    let mut writer = store.write().expect("free");
    let mut db = writer.db().clone();
    let mut added = 0;
    for (e, a, v) in facts {
        let attribute = db.schema().by_id(AttrId(*a)).expect("declared").clone();
        added += u64::from(db.stage_add(EntityId(*e), &attribute, v.clone()).expect("readable"));
        if *e > TX_BASE {
            db.set_basis_tx(db.basis_tx().max(e - TX_BASE));
        }
    }
    writer.set_db(db);
    writer.commit().expect("commits");
    added
}

proptest! {
    #![proptest_config(crate::store::tests::cases())]

    #[test]
    fn a_load_is_the_same_as_single_puts(
        first in proptest::collection::vec(fact(), 0..120),
        second in proptest::collection::vec(fact(), 0..120),
        budget in prop_oneof![Just(usize::MAX), Just(500usize), Just(20_000)],
        in_batches in any::<bool>(),
    ) {
        let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let model = StoreOptions::new().schema(schema()).open(other.path()).expect("opens");
        let file = StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
        let memory = StoreOptions::new().schema(schema()).memory().expect("opens");
        for facts in [&first, &second] {
            let added = stage(&model, facts);
            for store in [&file, &memory] {
                prop_assert_eq!(load(store, facts, budget, in_batches), added);
                let (db, expected) = (store.db().expect("readable"), model.db().expect("readable"));
                let report = db.check().expect("readable");
                prop_assert!(report.is_sound(), "{:?}", report.problems);
                prop_assert_eq!(facts_of(&db), facts_of(&expected));
                prop_assert_eq!(db.max_eid(), expected.max_eid());
                prop_assert_eq!(db.basis_tx(), expected.basis_tx());
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::store::tests::cases())]

    #[test]
    fn a_built_file_is_the_same_as_single_puts(
        first in proptest::collection::vec(fact(), 0..300),
        second in proptest::collection::vec(fact(), 0..60),
        budget in prop_oneof![Just(usize::MAX), Just(500usize)],
    ) {
        let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let model = StoreOptions::new().schema(schema()).open(other.path()).expect("opens");
        let added = stage(&model, &first);
        let expected = model.db().expect("readable");
        let loader = loader(expected.schema(), &first, budget);
        let (store, report) = StoreOptions::new().validate_data(true).build(dir.path(), loader).expect("builds");
        prop_assert_eq!(report.added, added);
        // As built, after reopening, and after LMDB has written to it.
        for round in 0..3 {
            let (db, expected) = (store.db().expect("readable"), model.db().expect("readable"));
            let report = db.check().expect("readable");
            prop_assert!(report.is_sound(), "{:?}", report.problems);
            prop_assert_eq!(facts_of(&db), facts_of(&expected));
            prop_assert_eq!((db.max_eid(), db.basis_tx()), (expected.max_eid(), expected.basis_tx()));
            prop_assert_eq!(db.schema().to_value(), expected.schema().to_value());
            prop_assert!(db.options().validate_data);
            drop((db, expected));
            if round == 1 {
                prop_assert_eq!(stage(&store, &second), stage(&model, &second));
            }
        }
    }
}

#[test]
fn a_database_is_not_built_over_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
    let schema = store.db().expect("readable").schema().clone();
    let facts = [(1, 16, EncodedValue::int(1))];
    let refused = StoreOptions::new().build(dir.path(), loader(&schema, &facts, usize::MAX));
    assert_eq!(refused.err().map(|error| error.code()), Some(":build/exists"));
    drop(store);
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("a directory").count(),
        2,
        "data and lock file, nothing else"
    );
    let below = dir.path().join("new").join("one");
    let (store, _) = StoreOptions::new().build(&below, loader(&schema, &facts, usize::MAX)).expect("builds");
    assert_eq!(store.db().expect("readable").count(None, None, None).expect("counts"), 1);
}

#[test]
fn unknown_attributes_and_old_schemas_are_refused() {
    let store = StoreOptions::new().schema(schema()).memory().expect("opens");
    let mut loader = BulkLoader::new(store.db().expect("readable").schema());
    let unknown = loader.add(EntityId(1), AttrId(99), &EncodedValue::int(1));
    assert!(matches!(unknown, Err(Error::UnknownAttributeId { id: AttrId(99) })));
    let unknown = loader.add_all(&[(EntityId(1), AttrId(99), EncodedValue::int(1))]);
    assert!(matches!(unknown, Err(Error::UnknownAttributeId { id: AttrId(99) })));
    loader.add(EntityId(1), AttrId(16), &EncodedValue::int(1)).expect("known");
    let patch = SchemaPatch::from_value(&edn::read("{:new {}}").expect("EDN")).expect("a patch");
    store.update_schema(&patch).expect("changes");
    assert!(matches!(store.bulk_load(loader), Err(Error::SchemaChanged { .. })));
}

#[test]
fn progress_goes_through_the_stages() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
    let stages = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let seen = stages.clone();
    let mut loader = BulkLoader::new(store.db().expect("readable").schema())
        .on_progress(move |stage, _, _| seen.borrow_mut().push(stage));
    for e in 1..=200_000 {
        loader.add(EntityId(e), AttrId(16), &EncodedValue::int(e as i64 % 1000)).expect("fits");
    }
    store.bulk_load(loader).expect("loads");
    use super::BulkStage::{Commit, Entities, Sort, Values};
    assert_eq!(*stages.borrow(), [Sort, Entities, Values, Commit]);
    assert_eq!(store.db().expect("readable").count(None, Some(AttrId(16)), None).expect("counts"), 200_000);
}

const COMPOSITES: &str = r#"{:a {} :b {} :tag {:db/cardinality :db.cardinality/many}
    :boss {:db/valueType :db.type/ref} :a+b {:db/tupleAttrs [:a :b] :db/unique :db.unique/identity}
    :b+boss {:db/tupleAttrs [:b :boss]}}"#;

/// The facts that loading and transacting the same entities give; they must be equal.
fn composites_of(entities: &[EntityBuilder], on_disk: bool) -> Vec<(u64, AttrId, Value)> {
    let dir = tempfile::tempdir().expect("a directory");
    let patch = SchemaPatch::from_value(&edn::read(COMPOSITES).expect("EDN")).expect("a schema");
    let transacted = StoreOptions::new().schema(patch.clone()).memory().expect("opens");
    let tx: Tx = entities.iter().cloned().collect();
    transacted.transact(&tx, Value::Nil, &TxFunctions::new()).expect("commits");
    let expected = facts_of(&transacted.db().expect("readable"));
    let loaded = StoreOptions::new().schema(patch).memory().expect("opens");
    let mut loader = EntityLoader::new(loaded.db().expect("readable"));
    loader.add(entities).expect("fits");
    let db = if on_disk {
        loader.build(StoreOptions::new(), dir.path()).expect("builds").0.db().expect("readable")
    } else {
        loader.load(&loaded).expect("loads");
        loaded.db().expect("readable")
    };
    assert!(db.check().expect("readable").is_sound());
    assert_eq!(facts_of(&db), expected);
    expected
}

#[test]
fn loaded_entities_have_their_composite_tuples() {
    let entity = EntityBuilder::new;
    for on_disk in [false, true] {
        let one = composites_of(&[entity().set(":a", 1).set(":b", 2), entity().set(":a", 3)], on_disk);
        assert_eq!(one.len(), 3 + 2 + 1, "[1 2] and [2 nil] of the one, [3 nil] of the other");
        composites_of(
            &[
                // Pieces of one entity, nested ones, and none at all.
                EntityBuilder::with_id("x").set(":a", 1),
                entity().set(":b", 7).set(":boss", EntityBuilder::with_id("y").set(":b", 8)),
                EntityBuilder::with_id("x").set(":b", 2).set_all(":tag", ["p", "q"]),
                entity().set(":a", 5).set(":boss", entity().set(":a", 6).set(":boss", "x")),
                EntityBuilder::with_id(70).set(":boss", "y"),
                entity().set(":tag", "alone"),
            ],
            on_disk,
        );
    }
}

#[test]
fn parts_of_tuples_of_entities_that_exist_are_refused() {
    let patch = SchemaPatch::from_value(&edn::read(COMPOSITES).expect("EDN")).expect("a schema");
    let store = StoreOptions::new().schema(patch).memory().expect("opens");
    let data = edn::read("[{:a 1}]").expect("EDN");
    store.transact(&data, Value::Nil, &TxFunctions::new()).expect("commits");
    let mut loader = EntityLoader::new(store.db().expect("readable"));
    loader.add(&[EntityBuilder::with_id(1).set(":b", 2)]).expect("fits");
    let error = loader.load(&store).expect_err("its tuple is stored already");
    assert_eq!(error.class(), "unsupported");
    assert_eq!(facts_of(&store.db().expect("readable")).len(), 2, "nothing was loaded");
}

#[test]
fn attributes_that_are_not_declared_are_named_with_a_hint() {
    let patch = SchemaPatch::from_value(&edn::read(COMPOSITES).expect("EDN")).expect("a schema");
    let store = StoreOptions::new().schema(patch).memory().expect("opens");
    let mut loader = EntityLoader::new(store.db().expect("readable"));
    let entities = [EntityBuilder::new().set(":a", 1), EntityBuilder::new().set(":nobody", 2)];
    let error = loader.add(&entities).expect_err("it is not declared");
    assert_eq!((error.code(), error.item()), (":schema/missing-attribute", Some(1)));
    assert!(error.hint().is_some_and(|hint| hint.contains("declare it")), "{error:?}");
}

#[test]
fn a_store_takes_over_the_content_of_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let read = |text: &str| edn::read(text).expect("EDN");
    let transact = |store: &Store, text: &str| {
        store.transact(&read(text), Value::Nil, &TxFunctions::new()).expect("commits");
    };
    let source = StoreOptions::new()
        .schema(SchemaPatch::from_value(&read("{:x {:db/unique :db.unique/identity}}")).expect("a schema"))
        .memory()
        .expect("opens");
    transact(&source, &format!("[{{:db/id 9 :x 1 :long \"{}\"}} {{:x 2}}]", "y".repeat(5000)));
    let content = source.db().expect("readable");
    let on_disk = StoreOptions::new().schema(schema()).open(dir.path()).expect("opens");
    let in_memory = StoreOptions::new().schema(schema()).memory().expect("opens");
    for store in [&on_disk, &in_memory] {
        transact(store, &format!("[{{:a \"{}\" :b 2}} {{:z 3}}]", "z".repeat(3000)));
        let before = store.db().expect("readable");
        let replaced = store.replace(&content).expect("replaced");
        assert_eq!(facts_of(&replaced), facts_of(&content));
        assert_eq!(facts_of(&before).len(), 3, "a value stays what it was");
        assert!(replaced.schema().attribute(&":a".into()).is_none());
        assert!(replaced.schema().revision() > before.schema().revision());
        assert!(replaced.basis_tx() > before.basis_tx());
        let x = replaced.schema().attribute(&":x".into()).expect("there").id;
        assert_eq!(replaced.cardinality(x).expect("indexed"), 2);
        assert!(replaced.check().expect("readable").is_sound());
        transact(store, "[{:x 1 :more true}]");
        assert_eq!(facts_of(&store.db().expect("readable")).len(), 4, "an upsert");
        // Its own earlier state, whose pages it lies in.
        assert_eq!(facts_of(&store.replace(&before).expect("replaced")), facts_of(&before));
        let cleared = store.clear().expect("cleared");
        assert!(facts_of(&cleared).is_empty() && cleared.max_eid().0 == 0);
        assert!(cleared.check().expect("readable").is_sound());
        transact(store, "[{:q 1}]");
        assert_eq!(facts_of(&store.db().expect("readable"))[0].0, 1);
    }
    drop(on_disk);
    let db = StoreOptions::new().open(dir.path()).expect("opens again").db().expect("readable");
    assert_eq!(facts_of(&db).len(), 1);
    assert_eq!(db.schema().iter().filter(|attribute| !attribute.is_built_in()).count(), 1);
    assert!(db.check().expect("readable").is_sound());
}
