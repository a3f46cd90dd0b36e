//! Section 10 of the reference: compare-and-swap, predicates, checks, transaction functions; and entity times.

use edn::Value;
use factum_storage::transact::{EntityBuilder, Tx, TxFunctions};
use factum_storage::{Db, DbOptions, EntityId};

use crate::support::*;

const SCHEMA: &str = "{:n {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :age {:db/valueType :db.type/long}
                       :tags {:db/cardinality :db.cardinality/many}
                       :boss {:db/valueType :db.type/ref}}";

#[test]
fn compare_and_swap() {
    let db = after(SCHEMA, &[r#"[{:db/id 1 :n "A" :age 61 :tags [:a :b]} {:db/id 2 :n "B"}]"#]);
    for (data, expected) in [
        ("[[:db/cas 1 :age 61 62]]", vec!["-1 :age 61", "+1 :age 62"]),
        ("[[:db.fn/cas 1 :age 61 62]]", vec!["-1 :age 61", "+1 :age 62"]),
        ("[[:db/cas 2 :age nil 5]]", vec!["+2 :age 5"]),
        ("[[:db/cas 77 :age nil 5]]", vec!["+77 :age 5"]),
        ("[[:db/cas 1 :age 61 61]]", vec![]),
        (
            "[[:db/add 1 :age 70] [:db/cas 1 :age 70 71]]",
            vec!["-1 :age 61", "+1 :age 70", "-1 :age 70", "+1 :age 71"],
        ),
        (r#"[[:db/cas [:n "B"] :boss nil [:n "A"]]]"#, vec!["+2 :boss 1"]),
        ("[[:db/cas 1 :tags :a :c]]", vec!["+1 :tags :c"]),
        ("[[:db/cas 2 :tags nil :c]]", vec!["+2 :tags :c"]),
        ("[[:db/cas 1 :new nil :c]]", vec!["+1 :new :c"]),
    ] {
        assert_eq!(effects(&tx(&db, data)), expected, "{data}");
    }
    for (data, class) in [
        ("[[:db/cas 1 :age 60 62]]", "cas-failed"),
        ("[[:db/cas 1 :age nil 62]]", "cas-failed"),
        ("[[:db/cas 2 :age 1 62]]", "cas-failed"),
        ("[[:db/cas 1 :tags :z :c]]", "cas-failed"),
        ("[[:db/cas 1 :tags nil :c]]", "cas-failed"),
        ("[[:db/cas 1 :new 1 2]]", "cas-failed"),
        ("[[:db/cas 1 :age 61 nil]]", "nil-value"),
        ("[[:db/cas -1 :age nil 62]]", "tempid-not-allowed"),
        (r#"[[:db/cas "x" :age nil 62]]"#, "tempid-not-allowed"),
        ("[[:db/cas 1 :boss nil -5]]", "tempid-not-allowed"),
        (r#"[[:db/cas [:n "Z"] :age nil 1]]"#, "entity-missing"),
        (r#"[[:db/cas 1 :boss nil [:n "Z"]]]"#, "entity-missing"),
        ("[[:db/cas 1 :age 61]]", "bad-arity"),
    ] {
        assert_eq!(error(&db, data).class(), class, "{data}");
    }
}

#[test]
fn attribute_predicates() {
    let schema = "{:even {:db/valueType :db.type/long :db.attr/preds clojure.core/even?}
                   :id {:db/valueType :db.type/long :db/unique :db.unique/identity :db.attr/preds [my/small? clojure.core/pos?]}
                   :truthy {:db.attr/preds clojure.core/identity}
                   :lost {:db.attr/preds my/lost?}}";
    let functions =
        TxFunctions::new().predicate("my/small?", |value| value.as_int().is_some_and(|n| n < 100));
    let db = empty(schema);
    let run = |db: &Db, data: &str| try_tx_with(db, data, &functions);
    let class = |data: &str| run(&db, data).map(|_| "").unwrap_or_else(|error| error.class());
    assert_eq!(class("[{:even 2 :id 5}]"), "");
    // Predicates see the value as it is stored.
    assert_eq!(class("[{:even 2.9}]"), "");
    assert_eq!(class("[{:truthy true}]"), "");
    for data in [
        "[{:even 3}]",
        "[{:id 500}]",
        "[{:id -5}]",
        "[{:truthy 4}]",
        "[[:db/cas 1 :even nil 3]]",
        "[{:db/id 1 :even [1]}]",
    ] {
        let expected = if data.contains("[1]") { "type-mismatch" } else { "attr-pred-failed" };
        assert_eq!(class(data), expected, "{data}");
    }
    assert_eq!(class("[{:lost 1}]"), "unknown-function");
    // Also on the key of an upsert; and never on retraction.
    let one = run(&db, "[{:id 5 :even 2}]").expect("valid").db_after;
    assert!(run(&one, "[{:id 5 :even 4} [:db/retract 1 :truthy 4]]").is_ok());
    assert_eq!(run(&one, "[{:id 5 :even 5}]").expect_err("odd").code(), ":transact/attr-pred");
}

fn functions() -> TxFunctions {
    TxFunctions::new()
        .function("my/inc", |db: &Db, args: &[Value]| {
            let entity = args
                .first()
                .and_then(Value::as_int)
                .and_then(EntityId::from_int)
                .ok_or("an id is expected")?;
            let age = db.schema().attribute(&"age".into()).ok_or("no :age")?.id;
            let old = db.values(entity, age)?.first().and_then(|age| age.as_int()).unwrap_or(0);
            Ok(Tx::new().add(entity, ":age", old + 1))
        })
        .function("my/nothing", |_: &Db, _: &[Value]| Ok(Value::Nil))
        .function("my/fail", |_: &Db, _: &[Value]| Err::<Tx, _>("out of luck".into()))
        .function("my/people", |_: &Db, names: &[Value]| {
            Ok(names.iter().map(|name| EntityBuilder::new().set(":n", name.clone())).collect::<Tx>())
        })
        .function("my/forever", |_: &Db, _: &[Value]| Ok(Tx::new().call("my/forever", [])))
        .check("my/at-most", |db: &Db, args: &[Value]| {
            let [Value::Keyword(name), Value::Int(most)] = args else {
                return Err("a name and a number".into());
            };
            let attribute = db.schema().attribute(name).ok_or("no such attribute")?;
            Ok(db.count(None, Some(attribute.id), None)? <= *most as u64)
        })
        .check("my/is-one", |_: &Db, args: &[Value]| Ok(args == [Value::Int(1), Value::from("y")]))
}

#[test]
fn calls() {
    let db = after(SCHEMA, &["[{:db/id 1 :age 5}]"]);
    let run = |data: &str| try_tx_with(&db, data, &functions());
    // A function sees what earlier items did.
    let report =
        run("[[:db.fn/call my/inc 1] [:db.fn/call my/inc 1] [:db/add 1 :age 10] [:db.fn/call my/inc 1]]");
    assert_eq!(facts(&report.expect("valid").db_after), ["1 :age 11"]);
    assert!(run("[[:db.fn/call my/nothing]]").expect("valid").tx_data.is_empty());
    let report = run(r#"[[:db.fn/call my/people "A" "B"] {:n "A" :age 1}]"#).expect("valid");
    assert_eq!(effects(&report), [r#"+2 :n "A""#, r#"+3 :n "B""#, "+2 :age 1"]);
    for (data, class) in [
        ("[[:db.fn/call my/fail]]", "function-failed"),
        ("[[:db.fn/call my/inc]]", "function-failed"),
        ("[[:db.fn/call my/inx 1]]", "unknown-function"),
        ("[[:db.fn/call 5 1]]", "not-callable"),
        ("[[:db.fn/call]]", "bad-arity"),
        ("[[:db.fn/call my/forever]]", "nested-too-deeply"),
    ] {
        assert_eq!(run(data).expect_err(data).class(), class, "{data}");
    }
    let error = run("[[:db.fn/call my/inx 1]]").expect_err("unknown");
    assert_eq!(error.hint(), Some("did you mean my/inc?"));
}

#[test]
fn inline_closures() {
    let db = after(SCHEMA, &["[{:db/id 1 :age 5}]"]);
    let sees = Tx::new().add(1, ":age", 7).call_with(
        |db, args| {
            assert_eq!(facts(db), ["1 :age 7"]);
            Ok(Tx::new().add(2, ":age", args[0].clone()))
        },
        [Value::Int(9)],
    );
    assert_eq!(facts(&db.db_with(&sees).expect("valid")), ["1 :age 7", "2 :age 9"]);
    let holds = |expected: usize| move |db: &Db, _: &[Value]| Ok(facts(db).len() == expected);
    assert!(db.with(&Tx::new().ensure(holds(2), []).add(2, ":age", 1)).is_ok());
    let error = db.with(&Tx::new().ensure(holds(1), []).add(2, ":age", 1)).expect_err("two facts");
    assert_eq!((error.code(), error.class()), (":transact/ensure", "ensure-failed"));
}

#[test]
fn installed_functions() {
    let installed =
        "[{:db/ident :inc :db/fn my/inc} {:db/ident :my/inc :db/udf {:udf/id :my/inc}} {:db/ident :plain}]";
    let db = after(SCHEMA, &[installed, "[{:db/id 9 :age 1}]"]);
    let run = |data: &str| try_tx_with(&db, data, &functions());
    assert_eq!(effects(&run("[[:inc 9]]").expect("valid")), ["-9 :age 1", "+9 :age 2"]);
    assert_eq!(effects(&run("[[:my/inc 9]]").expect("valid")), ["-9 :age 1", "+9 :age 2"]);
    // One that is registered under the name itself.
    assert_eq!(effects(&run(r#"[[:my/people "A"]]"#).expect("valid")), [r#"+10 :n "A""#]);
    assert_eq!(run("[[:plain 9]]").expect_err("no function").class(), "unknown-op");
    assert_eq!(run("[[:nobody 9]]").expect_err("no entity").class(), "unknown-op");
    assert_eq!(run("[[:db/ad 9 :age 1]]").expect_err("slip").hint(), Some("did you mean :db/add?"));
    let both = "[{:db/ident :f :db/fn my/inc :db/udf {:udf/id :f}}]";
    assert_eq!(error(&db, both).class(), "not-callable");
    assert_eq!(error(&db, "[{:db/ident :f :db/udf {:udf/id :g}}]").class(), "not-callable");
}

#[test]
fn ensure() {
    let db = after(SCHEMA, &[r#"[{:db/id 1 :n "A"}]"#]);
    let run = |data: &str| try_tx_with(&db, data, &functions());
    assert!(run(r#"[[:db/ensure my/at-most :n 2] {:n "B"}]"#).is_ok());
    let error = run(r#"[[:db/ensure my/at-most :n 1] {:n "B"}]"#).expect_err("two names");
    assert_eq!((error.code(), error.class(), error.item()), (":transact/ensure", "ensure-failed", Some(0)));
    // Tempids among the arguments become entities; other strings stay.
    assert!(run(r#"[[:db/ensure my/is-one "x" "y"] {:db/id "x" :n "A"}]"#).is_ok());
    for (data, class) in [
        ("[[:db/ensure my/at-most]]", "ensure-arity"),
        ("[[:db/ensure]]", "ensure-arity"),
        ("[[:db/ensure 5 1]]", "ensure-predicate"),
        ("[[:db/ensure odd? 1]]", "ensure-predicate"),
        ("[[:db/ensure my/at-most -2]]", "ensure-tempid"),
        ("[[:db/ensure my/lost 1]]", "unknown-function"),
        ("[[:db/ensure my/at-most 1]]", "function-failed"),
    ] {
        assert_eq!(run(data).expect_err(data).class(), class, "{data}");
    }
}

#[test]
fn entity_times() {
    let mut options = DbOptions::default();
    options.auto_entity_time = true;
    let db = with_options(SCHEMA, options);
    let db = tx(&db, r#"[{:n "A"} {:db/id 7 :age 1}]"#).db_after;
    let times = |e: u64, created: i64, updated: i64| {
        [format!("{e} :db/created-at {created}"), format!("{e} :db/updated-at {updated}")]
    };
    let mut expected: Vec<String> = times(1, NOW, NOW).into();
    expected.push(r#"1 :n "A""#.into());
    expected.push("7 :age 1".into());
    expected.extend(times(7, NOW, NOW));
    assert_eq!(facts(&db), expected);
    let later = read("[{:db/id 7 :age 2} [:db/retractEntity 1] {:db/id :db/current-tx :note 1}]");
    let report = factum_storage::transact::transact_at(&db, &later, Value::Nil, &TxFunctions::new(), NOW + 5);
    let facts = facts(&report.expect("valid").db_after);
    assert_eq!(facts[1..], [&["7 :age 2".to_string()][..], &times(7, NOW, NOW + 5)].concat());
    assert_eq!(facts.len(), 4, "{facts:?}");
    // What the items say themselves is kept.
    let report = tx(&db, "[{:db/id 9 :age 1 :db/created-at 5 :db/updated-at 6}]");
    assert_eq!(effects(&report), ["+9 :age 1", "+9 :db/created-at 5", "+9 :db/updated-at 6"]);
    assert!(tx(&db, "[{:db/id 7 :age 1}]").tx_data.is_empty(), "nothing changed");
}
