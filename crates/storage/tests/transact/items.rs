//! Section 6 of the reference: the forms of transaction data.

use edn::{Keyword, Value};
use factum_storage::transact::{EntityBuilder, Tx, TxFunctions, lookup, transact};
use factum_storage::{AttrId, Datom, EntityId};

use crate::support::*;

const SCHEMA: &str = "{:n {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :age {:db/valueType :db.type/long}
                       :tags {:db/cardinality :db.cardinality/many}
                       :boss {:db/valueType :db.type/ref}
                       :pals {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";

#[test]
fn maps_add_each_attribute() {
    check(SCHEMA, &[r#"[{:db/id 7 :n "A" :age 3}]"#], &[r#"7 :n "A""#, "7 :age 3"]);
    check(SCHEMA, &[r#"[{:n "A"} {:n "B"}]"#], &[r#"1 :n "A""#, r#"2 :n "B""#]);
}

#[test]
fn collections_in_maps_expand() {
    for data in ["[{:db/id 1 :tags [:b :a :b]}]", "[{:db/id 1 :tags (:a :b)}]", "[{:db/id 1 :tags #{:a :b}}]"]
    {
        check(SCHEMA, &[data], &["1 :tags :a", "1 :tags :b"]);
    }
    check(SCHEMA, &["[{:db/id 1 :tags :a}]", "[{:db/id 1 :tags :b}]"], &["1 :tags :a", "1 :tags :b"]);
    check(SCHEMA, &["[{:db/id 1 :tags []} {:db/id 2 :tags #{}}]"], &[]);
}

#[test]
fn collections_in_vectors_are_one_value() {
    check(SCHEMA, &["[[:db/add 1 :tags [:a :b]]]"], &["1 :tags [:a :b]"]);
    // Of a single-valued untyped attribute a collection is one value in maps as well.
    check(SCHEMA, &["[{:db/id 1 :list [1 2]}]"], &["1 :list [1 2]"]);
    check(SCHEMA, &["[{:db/id 1 :map {:a 1}}]"], &["1 :map {:a 1}"]);
}

#[test]
fn nothing_does_nothing() {
    check(SCHEMA, &["[]", "nil", "[nil nil]", "()", "[{}]", "[{:db/id -1}]", "[{:db/id 5}]"], &[]);
    let report = tx(&empty(SCHEMA), "[{:db/id -1} nil]");
    assert!(report.tx_data.is_empty());
    assert_eq!(report.tempids.len(), 1, "only the transaction itself: {:?}", report.tempids);
}

#[test]
fn later_items_win() {
    check(SCHEMA, &["[{:db/id -1 :age 1} {:db/id -1 :age 2}]"], &["1 :age 2"]);
    let report = tx(&empty(SCHEMA), "[{:db/id -1 :age 1} {:db/id -1 :age 2}]");
    assert_eq!(effects(&report), ["+1 :age 1", "-1 :age 1", "+1 :age 2"]);
}

#[test]
fn reports_list_replacements_and_no_redundancies() {
    let db = after(SCHEMA, &["[{:db/id 1 :age 3 :tags [:a]}]"]);
    let report = tx(&db, "[{:db/id 1 :age 4 :tags [:a :b]}]");
    assert_eq!(effects(&report), ["-1 :age 3", "+1 :age 4", "+1 :tags :b"]);
    assert!(tx(&db, "[{:db/id 1 :age 3 :tags :a} [:db/add 1 :age 3]]").tx_data.is_empty());
}

#[test]
fn nested_maps_are_entities() {
    check(
        SCHEMA,
        &[r#"[{:n "A" :boss {:n "B" :boss {:n "C"}}}]"#],
        &[r#"1 :n "A""#, "1 :boss 2", r#"2 :n "B""#, "2 :boss 3", r#"3 :n "C""#],
    );
    let report = tx(&empty(SCHEMA), r#"[{:n "A" :boss {:n "B"}}]"#);
    assert_eq!(effects(&report), [r#"+1 :n "A""#, r#"+2 :n "B""#, "+1 :boss 2"]);
    check(
        SCHEMA,
        &[r#"[{:n "B"}]"#, r#"[{:n "A" :pals [{:n "B" :age 1} {:n "C"} 1 {:db/id 9} {}]}]"#],
        &[r#"1 :n "B""#, "1 :age 1", r#"2 :n "A""#, "2 :pals 1", "2 :pals 3", "2 :pals 9", r#"3 :n "C""#],
    );
    check(SCHEMA, &[r#"[{:n "A" :boss {}}]"#], &[r#"1 :n "A""#]);
}

#[test]
fn reverse_attributes_point_back() {
    check(SCHEMA, &[r#"[{:n "A" :_boss 5}]"#], &[r#"1 :n "A""#, "5 :boss 1"]);
    check(
        SCHEMA,
        &[r#"[{:n "A" :_boss [5 {:n "B"} "c"]} [:db/add "c" :age 1]]"#],
        &[r#"1 :n "A""#, "5 :boss 1", r#"6 :n "B""#, "6 :boss 1", "7 :age 1", "7 :boss 1"],
    );
    check(
        SCHEMA,
        &[r#"[{:n "A"}]"#, r#"[{:n "B" :_boss [:n "A"]}]"#, r#"[{:n "C" :_pals #{[:n "A"] 2}}]"#],
        &[r#"1 :n "A""#, "1 :boss 2", "1 :pals 3", r#"2 :n "B""#, "2 :pals 3", r#"3 :n "C""#],
    );
    // The tempid of the map counts as an entity with facts, whatever direction they have.
    check(SCHEMA, &["[{:db/id -1 :_boss 5}]"], &["5 :boss 1"]);
}

#[test]
fn a_pair_with_an_identity_is_one_lookup_ref() {
    let start = r#"[{:db/id 1 :n "A"} {:db/id 2 :n "B"}]"#;
    check(SCHEMA, &[start, r#"[{:db/id 2 :pals [:n "A"]}]"#], &[r#"1 :n "A""#, r#"2 :n "B""#, "2 :pals 1"]);
    check(
        SCHEMA,
        &[start, r#"[{:db/id 2 :pals [[:n "A"] [:n "B"]]}]"#],
        &[r#"1 :n "A""#, r#"2 :n "B""#, "2 :pals 1", "2 :pals 2"],
    );
    // Only of references: keywords of another attribute stay two values.
    check(SCHEMA, &[r#"[{:db/id 1 :tags [:n "A"]}]"#], &[r#"1 :tags "A""#, "1 :tags :n"]);
}

#[test]
fn datoms_are_items() {
    check(SCHEMA, &["[#datom [1 :age 2] #datom [1 :tags :a true]]"], &["1 :age 2", "1 :tags :a"]);
    check(SCHEMA, &["[{:db/id 1 :age 2}]", "[#datom [1 :age 2 false]]"], &[]);
    check(SCHEMA, &["[#datascript/Datom [1 :age 2 536870913 true]]"], &["1 :age 2"]);
    let db = after(SCHEMA, &["[{:db/id 1 :age 2}]"]);
    let age = db.schema().attribute(&Keyword::from(":age")).expect("declared").id;
    let added = Datom::new(EntityId(2), age, Value::Int(3));
    let retracted = Datom { e: EntityId(1), a: age, v: Value::Int(2), added: false };
    let report = db.with(&Tx::from_iter([added, retracted])).expect("valid");
    assert_eq!(effects(&report), ["+2 :age 3", "-1 :age 2"]);
    let unknown = Tx::new().datom(Datom::new(EntityId(1), AttrId(999), Value::Int(1)));
    assert_eq!(db.with(&unknown).expect_err("no such attribute").class(), "bad-attribute");
}

#[test]
fn the_builder_does_what_edn_does() {
    let tx_data = Tx::new()
        .entity(EntityBuilder::new().set(":n", "A").set(":age", 1).set_all(":tags", ["x", "y"]))
        .entity(EntityBuilder::with_id("b").set(":n", "B").set(":boss", EntityBuilder::new().set(":n", "C")))
        .add("b", ":pals", lookup(":n", "A"))
        .compare_and_swap(lookup(":n", "A"), ":age", 1, 2)
        .retract(lookup(":n", "A"), ":tags", "x")
        .data(read(r#"{:db/id [:n "C"] :age 5}"#))
        .retract_attribute(EntityId(3), ":age")
        .retract_entity(99);
    let report = empty(SCHEMA).with(&tx_data).expect("valid");
    let text = r#"[{:n "A" :age 1 :tags ["x" "y"]} {:db/id "b" :n "B" :boss {:n "C"}}
                   [:db/add "b" :pals [:n "A"]] [:db/cas [:n "A"] :age 1 2] [:db/retract [:n "A"] :tags "x"]
                   {:db/id [:n "C"] :age 5} [:db/retract 3 :age] [:db/retractEntity 99]]"#;
    let expected = tx(&empty(SCHEMA), text);
    assert_eq!(effects(&report), effects(&expected));
    assert_eq!(report.tempids, expected.tempids);
    assert_eq!(facts(&report.db_after), facts(&expected.db_after));
    let many: Tx = ["D", "E"].into_iter().map(|name| EntityBuilder::new().set(":n", name)).collect();
    assert_eq!(many.len(), 2);
    assert_eq!(report.db_after.with(&many).expect("valid").tx_data.len(), 2);
}

#[test]
fn attributes_are_declared_on_first_write() {
    let report = tx(&empty("{}"), "[{:db/id 1 :a/x 1 :a/y [1]} [:db/add 1 :a/z 2] {:db/id 2 :a/x 3}]");
    let names: Vec<String> = report.new_attributes.iter().map(Keyword::to_string).collect();
    assert_eq!(names, [":a/x", ":a/y", ":a/z"]);
    assert_eq!(facts(&report.db_after), ["1 :a/x 1", "1 :a/y [1]", "1 :a/z 2", "2 :a/x 3"]);
    assert_eq!(report.db_before.schema().attribute(&Keyword::from(":a/x")), None);
    assert!(tx(&report.db_after, "[{:db/id 1 :a/x 2}]").new_attributes.is_empty());
    // Retractions declare nothing.
    let report = tx(&empty("{}"), "[[:db/retract 1 :a 1] [:db/retract 1 :b]]");
    assert!(report.new_attributes.is_empty() && report.tx_data.is_empty());
}

#[test]
fn reports_are_complete() {
    let db = after(SCHEMA, &[r#"[{:n "A"}]"#]);
    let meta = read("{:source :test}");
    let report = transact(&db, &read(r#"[{:db/id -1 :n "A" :age 2}]"#), meta.clone(), &TxFunctions::new())
        .expect("valid");
    assert_eq!(report.tx_meta, meta);
    assert_eq!(facts(&report.db_before), [r#"1 :n "A""#]);
    assert_eq!(facts(&report.db_after), ["1 :age 2", r#"1 :n "A""#]);
    assert_eq!(report.tempid(-1), Some(EntityId(1)));
    assert_eq!(report.tempids.get(&Value::keyword(":db/current-tx")), Some(&report.tx_id));
    assert_eq!(report.db_after.basis_tx(), db.basis_tx() + 1);
    assert_eq!(report.tx_id, EntityId::of_tx(db.basis_tx() + 1));
    let value = report.to_value();
    let data = value.as_map().and_then(|map| map.get(&Value::keyword(":tx-data")));
    assert_eq!(data, Some(&read("[[1 :age 2 true]]")));
}
