//! Ids and tuple elements at their limits, by every way into a database.

use factum::EntityBuilder;
use factum::prelude::*;
use factum::storage::{BulkLoader, EncodedValue, EntityLoader, StoreOptions, TX_BASE};

const NAMES: &str = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
                      :friend {:db/valueType :db.type/ref}}";

/// The largest id that an entity of one's own can have.
const LARGEST: i64 = TX_BASE as i64 - 1;

/// Runs a test on a file and in memory.
fn on_both(schema: &str, test: impl Fn(&Connection)) {
    let dir = tempfile::tempdir().expect("a directory");
    test(&Connection::open_with(dir.path(), schema).expect("a database"));
    test(&Connection::memory_with(schema).expect("a database"));
}

fn entity(name: &str) -> EntityBuilder {
    EntityBuilder::new().set(":name", name)
}

#[test]
fn new_entities_are_refused_when_ids_are_used_up() {
    on_both(NAMES, |conn| {
        conn.transact(r#"[{:db/id -1 :name "Ann"} {:db/id -7 :name "Bob" :friend -1}]"#).expect("tempids");
        assert_eq!(conn.db().expect("a database").max_eid(), EntityId(2));
        conn.transact(format!(r#"[{{:db/id {LARGEST} :name "Last"}}]"#)).expect("the largest id");
        let before = conn.db().expect("a database");
        assert_eq!(before.max_eid().as_int(), LARGEST);
        for data in [
            r#"[{:name "Ann" :friend 2} {:db/id -3 :name "One more"}]"#,
            r#"[[:db/add 1 :friend 2] [:db/add "new" :name "One more"]]"#,
            r#"[{:name "Ann" :friend {:name "One more"}}]"#,
            r#"[[:db/add 1 :friend 2] [:db/add 4611686018427387999 :friend 1]]"#,
            r#"[{:name "Ann"} {:db/id 9223372036854775807 :friend 1}]"#,
        ] {
            for error in [conn.transact(data).expect_err(data), before.with(data).expect_err(data)] {
                assert_eq!(error.code(), ":transact/ids", "{data}: {error}");
            }
        }
        let error =
            conn.transact_async(r#"[{:name "One more"}]"#).expect("queued").wait().expect_err("no id");
        assert_eq!(error.code(), ":transact/ids");
        // Those that are there go on.
        conn.transact(r#"[{:name "Ann" :friend [:name "Last"]} [:db/add :db/current-tx :name "tx"]]"#)
            .expect("no new id");
        let db = conn.db().expect("a database");
        assert_eq!(db.max_eid().as_int(), LARGEST);
        let friends = "[:find ?n . :where [?a :name \"Ann\"] [?a :friend ?f] [?f :name ?n]]";
        assert_eq!(db.query(friends).expect("an answer").scalar::<String>().expect("a name"), "Last");

        // Loaders count on, too.
        let mut loader = EntityLoader::new(db.inner().clone());
        loader.add(&[EntityBuilder::with_id(7).set(":friend", 1)]).expect("an id of its own");
        for last in [
            entity("One more"),
            EntityBuilder::with_id("tempid").set(":name", "One more"),
            EntityBuilder::with_id(1).set(":friend", entity("One more")),
            EntityBuilder::with_id(i64::MAX).set(":friend", 1),
        ] {
            let error = loader.add(&[EntityBuilder::with_id(1).set(":friend", 2), last]).expect_err("no id");
            assert_eq!((error.code(), error.item()), (":transact/ids", Some(1)), "{error}");
        }
        loader.load(&conn.store().expect("open")).expect("what fitted");
        assert_eq!(conn.db().expect("a database").count(Some(EntityId(7)), None, None).expect("a count"), 1);
    });
}

#[test]
fn a_loader_that_reaches_the_largest_id_ends_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = Db::empty(NAMES).expect("a schema");
    let mut loader = EntityLoader::new(db.inner().clone());
    let nearly = EntityBuilder::with_id(LARGEST - 2).set(":name", "nearly");
    loader.add(&[nearly, entity("a")]).expect("two ids");
    let error = loader.add(&[entity("b"), entity("c")]).expect_err("one id is left");
    assert_eq!((error.code(), error.item()), (":transact/ids", Some(1)));
    let (store, report) = loader.build(StoreOptions::new(), dir.path()).expect("what fitted");
    assert_eq!((report.added, store.db().expect("a database").max_eid().as_int()), (2, LARGEST - 1));

    let mut loader = BulkLoader::new(db.schema());
    let name = db.schema().attribute(&":name".into()).expect("declared").id;
    let value = EncodedValue::str("x");
    for id in [i64::MAX as u64 + 1, u64::MAX] {
        let error = loader.add(EntityId(id), name, &value).expect_err("no id");
        assert_eq!(error.code(), ":entity-id/range");
        assert!(error.to_string().contains(&id.to_string()), "{error}");
        assert!(
            loader
                .add_all(&[(EntityId(1), name, value.clone()), (EntityId(id), name, value.clone())])
                .is_err()
        );
    }
    assert_eq!(loader.given(), 0, "nothing was kept");
}

#[test]
fn datoms_of_the_last_transaction_leave_none() {
    on_both(NAMES, |conn| {
        let datoms = [
            (EntityId(1), Keyword::from(":name"), Value::from("Ann")),
            (EntityId::MAX, ":name".into(), "tx".into()),
        ];
        conn.load_datoms(&datoms).expect("final ids");
        let error = conn.transact(r#"[{:name "Bob"}]"#).expect_err("no transaction is left");
        assert_eq!(error.code(), ":transact/ids");
        assert_eq!(conn.db().expect("a database").entid((":name", "Ann")).expect("found"), Some(EntityId(1)));
        let beyond = [(EntityId(u64::MAX), Keyword::from(":name"), Value::from("Bob"))];
        assert_eq!(conn.load_datoms(&beyond).expect_err("no id").code(), ":entity-id/range");
    });
}

const TUPLES: &str = "{:c/a {:db/valueType :db.type/string} :c/b {:db/valueType :db.type/string}
    :c/ab {:db/tupleAttrs [:c/a :c/b] :db/unique :db.unique/identity}
    :h/t {:db/valueType :db.type/tuple :db/tupleTypes [:db.type/string :db.type/long] :db/unique :db.unique/identity}
    :o/t {:db/valueType :db.type/tuple :db/tupleType :db.type/string :db/unique :db.unique/identity}}";

/// The tuples of an entity with elements of so many bytes.
fn tuples(len: usize, last: char) -> [(&'static str, Value); 3] {
    let long = Value::from("x".repeat(len - 1) + &last.to_string());
    [
        (":c/ab", Value::Vector(vec![long.clone(), "b".into()])),
        (":h/t", Value::Vector(vec![long.clone(), 7.into()])),
        (":o/t", Value::Vector(vec!["y".into(), long.clone(), long])),
    ]
}

fn with_tuples(len: usize) -> EntityBuilder {
    let [(_, composite), (mixed_name, mixed), (same_name, same)] = tuples(len, 'z');
    let parts = composite.as_sequence().expect("a tuple").to_vec();
    let sources = EntityBuilder::new().set(":c/a", parts[0].clone()).set(":c/b", parts[1].clone());
    sources.set(mixed_name, mixed).set(same_name, same)
}

/// Everything that asks for tuples finds these, and no others.
fn check_tuples(db: &Db, len: usize, e: EntityId) {
    for (name, tuple) in tuples(len, 'z') {
        let at = format!("{name} of {len} bytes");
        let query = format!("[:find ?e . :in $ ?t :where [?e {name} ?t]]");
        let found = db.query_with(&query, [tuple.clone()]).expect(&at).scalar::<i64>().expect(&at);
        assert_eq!(found, e.as_int(), "{at}");
        let constant = format!("[:find ?e . :where [?e {name} {tuple}]]");
        assert_eq!(db.query(&constant).expect(&at).scalar::<i64>().expect(&at), e.as_int(), "{at}");
        let lookup = Value::Vector(vec![Value::keyword(name), tuple.clone()]);
        assert_eq!(db.entid(&lookup).expect(&at), Some(e), "{at}");
        let pulled = db.pull(format!("[{name}]").as_str(), &lookup).expect(&at).expect(&at);
        assert_eq!(
            pulled.as_map().and_then(|map| map.get(&Value::keyword(name)).cloned()),
            Some(tuple),
            "{at}"
        );
    }
    for (name, other) in tuples(len, 'a') {
        let lookup = Value::Vector(vec![Value::keyword(name), other.clone()]);
        assert_eq!(db.entid(&lookup).expect("a lookup ref"), None, "{name} of {len} bytes");
        let query = format!("[:find ?e :in $ ?t :where [?e {name} ?t]]");
        assert!(db.query_with(&query, [other]).expect("an answer").is_empty());
    }
}

/// Elements of more than 255 bytes are kept beside the index, as all long values are; no limit is met.
#[test]
fn tuples_with_long_elements_are_found_by_value() {
    for len in [255, 256, 600] {
        on_both(TUPLES, |conn| {
            let report = conn.transact(Tx::new().entity(with_tuples(len))).expect("commits");
            let e = report.tx_data()[0].e;
            check_tuples(&conn.db().expect("a database"), len, e);
            // The same again is the same entity.
            for (name, tuple) in tuples(len, 'z').into_iter().skip(1) {
                let again = EntityBuilder::new().set(name, tuple).set(":n", 1);
                conn.transact(Tx::new().entity(again)).expect("an upsert");
            }
            let lookup = Value::Vector(vec![Value::keyword(":c/ab"), tuples(len, 'z')[0].1.clone()]);
            conn.transact(Tx::new().add(lookup, ":n", 2)).expect("a lookup ref");
            let db = conn.db().expect("a database");
            assert_eq!(
                (
                    db.max_eid(),
                    db.query("[:find ?n . :where [_ :n ?n]]").expect("n").scalar::<i64>().expect("n")
                ),
                (e, 2)
            );
            check_tuples(&db, len, e);
        });
        let dir = tempfile::tempdir().expect("a directory");
        let db = Db::empty(TUPLES).expect("a schema");
        let mut loader = EntityLoader::new(db.inner().clone());
        loader
            .add(&[with_tuples(len), EntityBuilder::new().set(":c/a", "short").set(":c/b", "b")])
            .expect("fits");
        let (store, _) = loader.build(StoreOptions::new(), dir.path()).expect("a database");
        assert!(store.db().expect("a database").check().expect("readable").is_sound());
        drop(store);
        let conn = Connection::open(dir.path()).expect("opens");
        check_tuples(&conn.db().expect("a database"), len, EntityId(1));
    }
}
