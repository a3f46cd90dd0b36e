//! Section 9 of the reference: retraction.

use crate::support::*;

const SCHEMA: &str = "{:n {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :age {:db/valueType :db.type/long}
                       :tags {:db/cardinality :db.cardinality/many}
                       :boss {:db/valueType :db.type/ref}
                       :part {:db/valueType :db.type/ref :db/isComponent true :db/cardinality :db.cardinality/many}
                       :head {:db/valueType :db.type/ref :db/isComponent true}}";
const CAR: &str = r#"[{:db/id 1 :n "car" :part [{:db/id 2 :n "door" :head {:db/id 3 :n "lock"}} {:db/id 4 :n "hood"}]}
                      {:db/id 9 :n "driver" :boss 2}]"#;

#[test]
fn one_value() {
    check(SCHEMA, &["[{:db/id 1 :tags [:a :b]}]", "[[:db/retract 1 :tags :a]]"], &["1 :tags :b"]);
    check(SCHEMA, &["[{:db/id 1 :age 5}]", "[[:db/retract 1 :age 5]]"], &[]);
    check(SCHEMA, &["[{:db/id 1 :boss 2}]", "[[:db/retract 1 :boss 2]]"], &[]);
    check(
        SCHEMA,
        &[r#"[{:db/id 1 :n "A" :boss 1}]"#, r#"[[:db/retract [:n "A"] :boss [:n "A"]]]"#],
        &[r#"1 :n "A""#],
    );
}

#[test]
fn all_values() {
    for operation in [":db/retract", ":db.fn/retractAttribute"] {
        let data = format!("[[{operation} 1 :tags]]");
        check(SCHEMA, &["[{:db/id 1 :tags [:a :b] :age 1}]", &data], &["1 :age 1"]);
    }
}

#[test]
fn entities_go_with_what_refers_to_them() {
    for operation in [":db/retractEntity", ":db.fn/retractEntity"] {
        let data = format!(r#"[[{operation} [:n "door"]]]"#);
        check(SCHEMA, &[CAR, &data], &[r#"1 :n "car""#, "1 :part 4", r#"4 :n "hood""#, r#"9 :n "driver""#]);
    }
    check(SCHEMA, &[CAR, "[[:db/retractEntity 1]]"], &[r#"9 :n "driver""#]);
}

#[test]
fn components_go_with_an_attribute_but_not_with_a_value() {
    check(SCHEMA, &[CAR, "[[:db/retract 1 :part]]"], &[r#"1 :n "car""#, r#"9 :n "driver""#]);
    let db = after(SCHEMA, &[CAR, "[[:db/retract 1 :part 2]]"]);
    assert!(facts(&db).contains(&r#"3 :n "lock""#.to_string()));
    assert!(facts(&db).contains(&"2 :head 3".to_string()));
}

#[test]
fn components_in_a_circle_or_a_long_chain() {
    check(SCHEMA, &["[{:db/id 1 :head 2} {:db/id 2 :head 1 :age 1}]", "[[:db/retractEntity 1]]"], &[]);
    let chain: String = (1..20_000).map(|n| format!("[:db/add {n} :head {}]", n + 1)).collect();
    check(SCHEMA, &[&format!("[{chain}]"), "[[:db/retractEntity 1]]"], &[]);
}

#[test]
fn each_effect_is_reported_once() {
    let db = after(SCHEMA, &["[{:db/id 1 :part [2 3] :age 1} {:db/id 2 :age 2} {:db/id 3 :age 3}]"]);
    let report = tx(&db, "[[:db/retractEntity 1]]");
    assert_eq!(effects(&report), ["-1 :age 1", "-1 :part 2", "-1 :part 3", "-2 :age 2", "-3 :age 3"]);
}

#[test]
fn nothing_there_is_nothing_done() {
    let db = after(SCHEMA, &[r#"[{:db/id 1 :n "A" :tags :a}]"#]);
    for data in [
        "[[:db/retract 1 :tags :b]]",
        "[[:db/retract 1 :age 5]]",
        "[[:db/retract 1 :zip 5]]",
        "[[:db/retract 1 :zip]]",
        "[[:db/retract 77 :age]]",
        r#"[[:db/retract [:n "Z"] :age]]"#,
        r#"[[:db/retract 1 :boss [:n "Z"]]]"#,
        "[[:db/retract :nobody :age 1]]",
        r#"[[:db/retractEntity [:n "Z"]]]"#,
        "[[:db/retractEntity 77]]",
    ] {
        assert!(tx(&db, data).tx_data.is_empty(), "{data}");
    }
}

#[test]
fn a_value_retracted_and_added_stays() {
    let db = after(SCHEMA, &["[{:db/id 1 :age 61}]"]);
    let report = tx(&db, "[[:db/retract 1 :age 61] [:db/add 1 :age 61]]");
    assert_eq!(facts(&report.db_after), ["1 :age 61"]);
    assert_eq!(effects(&report), ["-1 :age 61", "+1 :age 61"]);
}
