//! The facade from outside: threads, typed rows, inputs, values, closing, errors.

mod arrow;
mod bounds;
mod limits;
mod model;
mod streams;
mod table_types;
mod transactions;
mod types;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use factum::kv::{Durability, EnvFlags, SpillOptions};
use factum::prelude::*;
use factum::{
    Entity, Error, Index, Kv, PendingTx, PullPattern, Query, Schema, SchemaPatch, TxInput, TxReport,
    ValueType, call_function, edn,
};
use serde::Deserialize;

const SCHEMA: &str = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :age {:db/valueType :db.type/long}
                       :boss {:db/valueType :db.type/ref}
                       :skill {:db/cardinality :db.cardinality/many}}";

fn crew() -> Db {
    let tx = r#"[{:name "Mira" :age 52 :skill ["nav" "law"]} {:name "Oto" :age 38 :boss {:name "Mira"} :skill "nav"}
                 {:name "Pia" :age 24 :boss [:name "Oto"]}]"#;
    Db::empty(SCHEMA).expect("a schema").with(tx).expect("a transaction").db_after()
}

#[test]
fn everything_is_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Connection>();
    shared::<Db>();
    shared::<TxReport>();
    shared::<Entity>();
    shared::<Input>();
    shared::<Query>();
    shared::<PullPattern>();
    shared::<Options>();
    shared::<Arc<Schema>>();
    fn sent<T: Send + Sync + 'static>() {}
    sent::<QueryResult>();
    sent::<Error>();
    sent::<TxInput<'static>>();
    sent::<PendingTx>();
}

#[test]
fn a_database_is_asked_from_many_threads_while_it_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    let conn = Connection::open_with(dir.path(), SCHEMA).expect("a database");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let conn = conn.clone();
            scope.spawn(move || {
                for _ in 0..50 {
                    let db = conn.db().expect("a snapshot");
                    let count = || db.count(None, Some(":age".into()), None).expect("a count");
                    let before = count();
                    let rows: Vec<(String, i64)> =
                        db.rows("[:find ?n ?a :where [?e :name ?n] [?e :age ?a]]").expect("rows");
                    assert_eq!(rows.len() as u64, before);
                    assert_eq!(count(), before, "a value does not change");
                }
            });
        }
        for n in 0..50 {
            conn.transact(EntityBuilder::new().set(":name", format!("n{n}")).set(":age", n))
                .expect("committed");
        }
    });
    assert_eq!(conn.stat().expect("numbers").datoms, 100);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Person {
    name: String,
    age: u8,
}

#[test]
fn rows_fill_tuples_structs_and_values() {
    let db = crew();
    let ordered = "[:find ?n ?a :where [?e :name ?n] [?e :age ?a] :order-by ?a]";
    let tuples: Vec<(String, i64)> = db.rows(ordered).expect("tuples");
    assert_eq!(tuples[0], ("Pia".to_owned(), 24));
    let by_position: Vec<Person> = db.rows(ordered).expect("structs");
    assert_eq!(by_position[1], Person { name: "Oto".into(), age: 38 });
    let by_name: Vec<Person> = db
        .rows("[:find ?a ?n :keys age name :where [?e :name ?n] [?e :age ?a] :order-by ?a]")
        .expect("structs");
    assert_eq!(by_name, by_position);
    let maps: Vec<HashMap<String, Value>> =
        db.rows("[:find ?a :strs age :where [_ :age ?a] :order-by ?a]").expect("maps");
    assert_eq!(maps[0]["age"], 24.into());
    let names: BTreeSet<String> = db
        .query("[:find [?n ...] :where [_ :name ?n]]")
        .expect("names")
        .column::<String>()
        .expect("text")
        .into_iter()
        .collect();
    assert_eq!(names, ["Mira", "Oto", "Pia"].map(String::from).into());
    let one: Option<(String, i64)> = db
        .query("[:find [?n ?a] :where [?e :name ?n] [?e :age ?a] [(> ?a 50)]]")
        .expect("a row")
        .row()
        .expect("a tuple");
    assert_eq!(one, Some(("Mira".to_owned(), 52)));
    let none: Option<i64> =
        db.query("[:find ?a . :where [_ :age ?a] [(> ?a 90)]]").expect("none").scalar().expect("none");
    assert_eq!(none, None);
}

#[test]
fn a_row_that_does_not_fit_says_which_and_why() {
    let error = crew()
        .rows::<(String, u8)>("[:find ?a ?n :where [?e :name ?n] [?e :age ?a] :order-by ?a]")
        .unwrap_err();
    assert!(matches!(error, Error::Row { row: 0, .. }), "{error:?}");
    assert_eq!((error.code(), error.class()), (":result/shape", "type-mismatch"));
    assert!(error.to_string().starts_with("row 0 does not fit"), "{error}");
}

#[test]
fn inputs_of_all_kinds() {
    let db = crew();
    let names = |query: &str, inputs: Vec<Input>| -> Vec<String> {
        let mut names: Vec<String> = db.query_with(query, inputs).expect("an answer").column().expect("text");
        names.sort();
        names
    };
    let by_age = "[:find [?n ...] :in $ [?a ...] :where [?e :age ?a] [?e :name ?n]]";
    assert_eq!(names(by_age, inputs![[38, 52]]), ["Mira", "Oto"]);
    assert_eq!(names(by_age, inputs![vec![24_i64]]), ["Pia"]);
    assert_eq!(names(by_age, inputs![BTreeSet::from([24, 38])]), ["Oto", "Pia"]);
    let by_pair = "[:find [?n ...] :in $ [[?n ?a]] :where [?e :age ?a] [?e :name ?n]]";
    assert_eq!(names(by_pair, inputs![vec![("Mira", 52), ("Oto", 1)]]), ["Mira"]);
    assert_eq!(names(by_pair, inputs![HashMap::from([("Pia", 24)])]), ["Pia"]);
    let by_tuple = "[:find [?n ...] :in $ [?n ?a] :where [?e :age ?a] [?e :name ?n]]";
    assert_eq!(names(by_tuple, inputs![("Mira", 52)]), ["Mira"]);
    let other = Db::empty(()).expect("empty").with("[{:wanted 38}]").expect("a fact").db_after();
    let by_other = "[:find [?n ...] :in $ $o :where [$o _ :wanted ?a] [?e :age ?a] [?e :name ?n]]";
    assert_eq!(names(by_other, inputs![&other]), ["Oto"]);
    let by_function = "[:find [?n ...] :in $ ?old :where [?e :age ?a] [(?old ?a)] [?e :name ?n]]";
    let old = Input::function(|args| Ok(Value::Bool(args[0].as_int().is_some_and(|age| age > 40))));
    assert_eq!(names(by_function, vec![old]), ["Mira"]);
    let failing = Input::function(|_| Err("no idea".into()));
    let error = db.query_with(by_function, [failing]).unwrap_err();
    assert!(error.to_string().contains("no idea"), "{error}");
    assert_eq!(db.query_with("[:find ?x ?y :in $ ?x ?y]", (1, "two")).expect("two inputs").len(), 1);
}

#[test]
fn queries_are_parsed_once_and_used_often() {
    let query: Query = factum::query_engine::parse("[:find ?n . :in $ ?a :where [?e :age ?a] [?e :name ?n]]")
        .expect("a query");
    let db = crew();
    for (age, name) in [(52, "Mira"), (38, "Oto"), (24, "Pia")] {
        let found: String = db.query_with(&query, [age]).expect("an answer").scalar().expect("a name");
        assert_eq!(found, name);
    }
}

#[test]
fn trees_entities_and_references() {
    let db = crew();
    assert_eq!(db.pull("[:name]", (":name", "Nobody")).expect("nothing"), None);
    let pulled = db.pull_many("[:name]", [EntityId(2), EntityId(99), EntityId(1)]).expect("three");
    let shown: Vec<String> =
        pulled.iter().map(|value| value.as_ref().map_or("nil".into(), Value::to_string)).collect();
    assert_eq!(shown, [r#"{:name "Oto"}"#, "nil", r#"{:name "Mira"}"#]);
    let boss = db.entity((":name", "Oto")).expect("read").expect("Oto").get(":boss").expect("read");
    assert_eq!(boss.and_then(|boss| boss.into_entity()).map(|boss| boss.id()), Some(EntityId(1)));
    assert!(db.entity((":name", "Nobody")).expect("read").is_none());
    assert_eq!(db.entid(7).expect("a number"), Some(EntityId(7)));
    let error = db.pull("[:name {:age [:x]}]", 1).unwrap_err();
    assert_eq!(error.code(), ":parser/pull");
    assert!(error.render().contains("  1 | [:name {:age [:x]}]\n    |         ^^^^\n"), "{}", error.render());
    let error = db.entid((":age", 52)).unwrap_err();
    assert_eq!(error.code(), ":lookup-ref/unique");
}

#[test]
fn indexes_and_counts() {
    let db = crew();
    let values =
        |datoms: factum::Datoms<'_>| datoms.map(|datom| datom.expect("read").v).collect::<Vec<Value>>();
    let age = Value::keyword(":age");
    assert_eq!(
        values(db.datoms(Index::Ave, std::slice::from_ref(&age)).expect("a scan")),
        values![24, 38, 52]
    );
    assert_eq!(
        values(db.seek_datoms(Index::Ave, &[age.clone(), 30.into()]).expect("a scan")),
        values![38, 52]
    );
    assert_eq!(values(db.rseek_datoms(Index::Ave, &[age, 40.into()]).expect("a scan")), values![38, 24]);
    assert_eq!(values(db.index_range(":age", &30.into(), &Value::Nil).expect("a scan")), values![38, 52]);
    assert_eq!(db.count(None, Some(":skill".into()), Some(&"nav".into())).expect("a count"), 2);
    assert_eq!(db.count(Some(EntityId(1)), None, None).expect("a count"), 4);
    assert_eq!(db.count(None, Some(":nothing".into()), None).expect("a count"), 0);
    assert_eq!(db.cardinality(":skill").expect("a count"), 2);
    assert_eq!(db.max_eid(), EntityId(3));
    let error = db.index_range(":agee", &1.into(), &2.into()).err().expect("unknown");
    assert!(error.to_string().contains("did you mean :age?"), "{error}");
}

#[test]
fn transaction_data_comes_in_many_shapes() {
    let conn = Connection::memory_with(SCHEMA).expect("memory");
    let value = edn::read(r#"[{:name "b"}]"#).expect("valid EDN");
    let form = edn::read_form(r#"[{:name "c"}]"#).expect("valid EDN");
    conn.transact(r#"[{:name "a"}]"#).expect("text");
    conn.transact(r#"{:name "a1"} {:name "a2"}"#).expect("items as text");
    conn.transact(&value).expect("a value");
    conn.transact(&form).expect("a form");
    conn.transact(vec![value.as_sequence().expect("items")[0].clone()]).expect("values");
    conn.transact(EntityBuilder::new().set(":name", "d")).expect("an entity");
    conn.transact(Tx::new().add("x", ":name", "e")).expect("built");
    conn.transact("").expect("nothing");
    assert_eq!(conn.db().expect("state").cardinality(":name").expect("a count"), 7);
}

#[test]
fn refused_transactions_leave_everything_and_point_at_their_place() {
    let conn = Connection::memory_with(SCHEMA).expect("memory");
    conn.transact(r#"[{:name "a" :age 1}]"#).expect("committed");
    let text = "[{:name \"b\"}\n [:db/add 1 :age \"old\"]]";
    let error = conn.transact(text).unwrap_err();
    assert_eq!(error.class(), "type-mismatch");
    assert_eq!(error.item(), Some(1));
    assert!(error.render().contains("  2 |  [:db/add 1 :age \"old\"]]\n"), "{}", error.render());
    let error = conn.transact("[{:name").unwrap_err();
    assert_eq!(error.code(), ":edn/unexpected-end");
    assert_eq!(conn.stat().expect("numbers").datoms, 2);
}

#[test]
fn listeners_hear_what_was_committed() {
    let conn = Connection::memory().expect("memory");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    conn.listen("log", move |report| log.lock().expect("a lock").push(report.tx_meta().clone()));
    conn.transact_with("[{:a 1}]", "first").expect("committed");
    conn.transact("[[:db/add -1 :a nil]]").unwrap_err();
    conn.db().expect("state").with("[{:a 2}]").expect("speculation");
    assert!(conn.unlisten("log") && !conn.unlisten("log"));
    conn.transact_with("[{:a 3}]", "late").expect("committed");
    assert_eq!(*heard.lock().expect("a lock"), ["first".into()]);
}

#[test]
fn a_closed_connection_says_so_and_values_live_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let conn = Connection::open_with(dir.path(), SCHEMA).expect("a database");
    conn.transact(r#"[{:name "a"}]"#).expect("committed");
    let db = conn.db().expect("a value");
    let clone = conn.clone();
    conn.close().expect("closed");
    assert!(clone.is_closed());
    for error in
        [clone.db().map(drop), clone.transact("[]").map(drop), clone.close(), clone.schema().map(drop)]
    {
        let error = error.unwrap_err();
        assert_eq!(error.code(), ":connection/closed");
        assert!(error.to_string().contains(&dir.path().display().to_string()));
    }
    assert_eq!(db.cardinality(":name").expect("readable"), 1);
    drop(db);
    let again = Connection::open(dir.path()).expect("opened again");
    assert_eq!(again.db().expect("a value").cardinality(":name").expect("readable"), 1);
}

#[test]
fn options_of_every_kind() {
    let dir = tempfile::tempdir().expect("a directory");
    let closed =
        Connection::open_with(dir.path(), Options::new().schema(SCHEMA).closed_schema(true)).expect("open");
    let error = closed.transact("[{:other 1}]").unwrap_err();
    assert_eq!(error.class(), "unknown-attribute");
    closed.close().expect("closed");
    let error = Connection::open_with(dir.path(), Options::new().create_new(true)).unwrap_err();
    assert_eq!(error.class(), "exists");
    let missing = dir.path().join("missing");
    let error = Connection::open_with(&missing, Options::new().create(false)).unwrap_err();
    assert!(error.to_string().contains("there is no database"), "{error}");
    assert!(!missing.exists());
    let read_only = Connection::open_with(dir.path(), Options::new().read_only(true)).expect("readable");
    let error = read_only.transact("[{:name \"x\"}]").unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");

    let strict = Db::empty(Options::new().schema(SCHEMA).strict(true)).expect("empty");
    let error = strict.query("[:find ?n :where [_ :nmae ?n]]").unwrap_err();
    assert!(error.render().contains("did you mean :name?"), "{}", error.render());
    let error = strict.pull("[:nmae]", 1).unwrap_err();
    assert_eq!(error.class(), "unknown-attribute");

    for (options, message) in [
        ("{:closed-schema? 1}", "does not take 1"),
        ("{:search-opts {}}", "no such option"),
        ("{:validate-dat? true}", "did you mean :validate-data?"),
        ("{:kv-opts {:flags #{:nosink}}}", "there is no flag :nosink, did you mean :nosync?"),
        ("{:kv-opts {:mapsize 0}}", "does not take 0"),
        ("{:kv-opts {:map-size 1}}", "did you mean :mapsize?"),
        ("{:kv-opts 7}", "options are a map"),
        ("{:kv-opts {:temp? true :wal? true}}", "nothing to recover"),
        ("7", "options are a map"),
    ] {
        let error = Options::from_value(&edn::read(options).expect("valid EDN")).unwrap_err();
        assert!(error.to_string().contains(message), "{options}: {error}");
        assert_eq!(error.code(), ":options/invalid");
    }
    // Nobody reads temporary files later, unless somebody says so, before or after.
    let dir = tempfile::tempdir().expect("a folder");
    let waits = |options: Options| {
        let conn = Connection::open_with(dir.path(), options).expect("opens");
        !conn.kv().expect("a store").flags().contains(EnvFlags::NOSYNC)
    };
    let (temporary, full) = (Options::new().temporary(true), Durability::Full);
    assert!(!waits(temporary.clone()));
    assert!(waits(temporary.clone().durability(full)));
    assert!(waits(Options::new().durability(full).temporary(true)));
    assert!(waits(temporary.temporary(false)));
    let spill = edn::read("{:spill-opts {:spill-threshold 85 :spill-root \"kept\"}}").expect("valid EDN");
    let kv = Kv::open_value(None, &spill).expect("opens");
    assert_eq!(kv.spill_options(), &SpillOptions::default().threshold(85).directory("kept"));

    let known = edn::read("{:validate-data? true :cache-limit 10 :kv-opts {:mapsize 10 :max-readers 7}}")
        .expect("valid EDN");
    let strict_types =
        Connection::memory_with(Options::from_value(&known).expect("known").schema(SCHEMA)).expect("memory");
    assert!(strict_types.transact("[{:name \"x\" :age 1.5}]").is_err());
}

#[test]
fn schemas_change_by_patches() {
    let conn = Connection::memory_with(SCHEMA).expect("memory");
    let schema = conn.update_schema("{:pay {:db/valueType :db.type/double}}").expect("a new attribute");
    assert_eq!(schema.attribute(&":pay".into()).and_then(|pay| pay.value_type), Some(ValueType::Double));
    let rename =
        SchemaPatch::from_values(&Value::Nil, &Value::Nil, &edn::read("{:pay :wage}").expect("valid EDN"));
    let schema = conn.update_schema(rename.expect("a patch")).expect("renamed");
    assert!(schema.attribute(&":pay".into()).is_none() && schema.attribute(&":wage".into()).is_some());
    let error = conn.update_schema("{:pay {:db/valueType :nonsense}}").unwrap_err();
    assert_eq!(error.code(), ":schema/validation");
    let error = conn.update_schema("{:pay").unwrap_err();
    assert_eq!(error.code(), ":edn/unexpected-end");
}

#[test]
fn a_connection_goes_on_from_a_value() {
    let db = crew();
    let conn = Connection::from_db(&db);
    conn.transact(r#"[{:name "Quin"}]"#).expect("committed");
    assert_eq!(conn.db().expect("state").cardinality(":name").expect("a count"), 4);
    assert_eq!(db.cardinality(":name").expect("a count"), 3);
}

#[test]
fn answers_display_as_tables() {
    let db = crew();
    let table =
        db.query("[:find ?n ?a :where [?e :name ?n] [?e :age ?a] :order-by ?a]").expect("rows").to_string();
    assert_eq!(table, "n      a\n────────\nPia   24\nOto   38\nMira  52\n");
    assert_eq!(db.query("[:find ?n . :where [1 :name ?n]]").expect("a scalar").to_string(), "Mira");
}

#[test]
fn functions_by_name() {
    assert_eq!(call_function(&"str".into(), &values!["a", 1]).expect("text"), "a1".into());
    let error = call_function(&"strr".into(), &[]).unwrap_err();
    assert!(error.to_string().contains("did you mean str?"), "{error}");
    assert!(factum::is_function(&"+".into()) && factum::function_names().any(|name| name == "like"));
}

#[test]
fn prepared_queries_are_typed_shared_and_follow_the_data() {
    let conn = Connection::memory_with(SCHEMA).expect("opens");
    let older: Prepared<(i64,), (String, i64)> = conn
        .prepare("[:find ?n ?a :in $ ?min :where [?e :name ?n] [?e :age ?a] [(< ?min ?a)]]")
        .expect("a query");
    let empty = conn.db().expect("open");
    conn.transact(r#"[{:name "Mira" :age 52} {:name "Oto" :age 38} {:name "Pia" :age 24}]"#).expect("data");
    let db = conn.db().expect("open");
    std::thread::scope(|scope| {
        for min in 0..60_i64 {
            let (older, db, empty) = (older.clone(), &db, &empty);
            scope.spawn(move || {
                let expected = [52, 38, 24].iter().filter(|age| **age > min).count();
                assert_eq!(older.rows(db, (min,)).expect("rows").len(), expected);
                assert_eq!(older.rows(empty, (min,)).expect("rows"), []);
            });
        }
    });
    let stats = db.plan_cache();
    assert_eq!((stats.entries, stats.misses), (1, 1), "a connection and its databases share their plans");
    let name: Prepared<(&str,), String> = db
        .prepare("[:find ?b . :in $ ?n :where [?e :name ?n] [?e :boss ?x] [?x :name ?b]]")
        .expect("a query");
    assert_eq!(name.first(&db, ("Oto",)).expect("rows"), None);
    let error = name.first(&db, ("Oto",)).map(|_| ()).and(db.prepare::<(), ()>("[:find]").map(|_| ()));
    assert_eq!(error.expect_err("not a query").code(), ":parser/find");
    assert_eq!(older.run(&db, (7,)).expect("rows").columns(), ["?n", "?a"]);
}
