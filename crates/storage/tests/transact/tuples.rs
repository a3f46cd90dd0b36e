//! Section 4 of the reference: tuples.

use factum_storage::EntityId;

use crate::support::*;

const COMPOSITE: &str =
    "{:a {:db/valueType :db.type/long} :a+b {:db/tupleAttrs [:a :b] :db/unique :db.unique/identity}}";
const VALUE: &str = "{:a+b {:db/tupleAttrs [:a :b] :db/unique :db.unique/value}}";

#[test]
fn typed_tuples() {
    let pair = "{:t {:db/valueType :db.type/tuple :db/tupleTypes [:db.type/string :db.type/long]}}";
    check(pair, &[r#"[{:db/id 1 :t ["a" 2]}]"#], &[r#"1 :t ["a" 2]"#]);
    check(pair, &[r#"[{:db/id 1 :t ["a" 2.5]}]"#], &[r#"1 :t ["a" 2]"#]);
    assert_eq!(error(&empty(pair), r#"[{:db/id 1 :t ["a"]}]"#).class(), "type-mismatch");
    assert_eq!(error(&empty(pair), r#"[{:db/id 1 :t ["a" nil]}]"#).class(), "type-mismatch");
    let many = "{:t {:db/valueType :db.type/tuple :db/tupleType :db.type/long :db/cardinality :db.cardinality/many}}";
    check(many, &["[{:db/id 1 :t [[1 2] [3]]}]"], &["1 :t [1 2]", "1 :t [3]"]);
    check(many, &["[{:db/id 1 :t [1 2]}]"], &["1 :t [1 2]"]);
    check(many, &["[{:db/id 1 :t #{[1 2] [3]}}]"], &["1 :t [1 2]", "1 :t [3]"]);
}

#[test]
fn references_in_tuples() {
    let schema = "{:t {:db/valueType :db.type/tuple :db/tupleTypes [:db.type/ref :db.type/string]}}";
    check(schema, &[r#"[{:db/id 1 :t [-1 "x"]} {:db/id -1 :k 7}]"#], &[r#"1 :t [2 "x"]"#, "2 :k 7"]);
    check(
        schema,
        &[
            "[{:db/id 5 :db/ident :five}]",
            r#"[{:db/id 1 :t [:five "x"]} [:db/add 2 :t [[:db/ident :five] "y"]]]"#,
        ],
        &[r#"1 :t [5 "x"]"#, r#"2 :t [5 "y"]"#, "5 :db/ident :five"],
    );
    assert_eq!(error(&empty(schema), r#"[{:db/id 1 :t [-1 "x"]}]"#).class(), "dangling-tempid");
    let many = "{:t {:db/valueType :db.type/tuple :db/tupleType :db.type/ref}}";
    check(
        many,
        &[r#"[{:db/id 1 :t ["x" "y" 9]} {:db/id "x" :k 1} {:db/id "y" :k 2}]"#],
        &["1 :t [2 3 9]", "2 :k 1", "3 :k 2"],
    );
}

#[test]
fn composites_follow_their_sources() {
    check(COMPOSITE, &["[{:db/id 1 :a 1 :b 2}]"], &["1 :a 1", "1 :b 2", "1 :a+b [1 2]"]);
    check(COMPOSITE, &["[{:db/id 1 :a 1}]"], &["1 :a 1", "1 :a+b [1 nil]"]);
    check(COMPOSITE, &["[{:db/id 1 :a 1}]", "[[:db/add 1 :b 2]]"], &["1 :a 1", "1 :b 2", "1 :a+b [1 2]"]);
    check(COMPOSITE, &["[{:db/id 1 :a 1 :b 2}]", "[[:db/retract 1 :a]]"], &["1 :b 2", "1 :a+b [nil 2]"]);
    check(COMPOSITE, &["[{:db/id 1 :a 1 :b 2}]", "[[:db/retract 1 :a] [:db/retract 1 :b]]"], &[]);
    check(COMPOSITE, &["[{:db/id 1 :a 1 :b 2}]", "[[:db/retractEntity 1]]"], &[]);
    let db = after(COMPOSITE, &["[{:db/id 1 :a 1 :b 2}]"]);
    let report = tx(&db, "[{:db/id 1 :a 5 :b 6}]");
    assert_eq!(
        effects(&report),
        ["-1 :a 1", "+1 :a 5", "-1 :b 2", "+1 :b 6", "-1 :a+b [1 2]", "+1 :a+b [5 6]"]
    );
    assert!(tx(&db, "[{:db/id 1 :a 1 :b 2}]").tx_data.is_empty());
}

#[test]
fn composites_cannot_be_written_unless_they_agree() {
    let one = ["1 :a 1", "1 :b 2", "1 :a+b [1 2]"];
    check(COMPOSITE, &["[{:db/id 1 :a 1 :b 2 :a+b [1 2]}]"], &one);
    check(COMPOSITE, &["[{:db/id 1 :a+b [1 2] :b 2 :a 1}]"], &one);
    check(COMPOSITE, &["[{:db/id 1 :a 1 :b 2}]", "[[:db/add 1 :a+b [1 2]]]"], &one);
    let db = after(COMPOSITE, &["[{:db/id 1 :a 1 :b 2}]"]);
    for data in [
        "[{:db/id 1 :a+b [1 3]}]",
        "[[:db/add 1 :a+b [7 8]]]",
        "[{:db/id 1 :a 3 :a+b [1 2]}]",
        "[[:db/retract 1 :a+b [1 2]]]",
        "[[:db/retract 1 :a+b]]",
        "[[:db/cas 1 :a+b [1 2] [3 4]]]",
        "[{:a+b [5 6] :c 1}]",
    ] {
        let error = error(&db, data);
        assert_eq!((error.code(), error.class()), (":transact/syntax", "composite-written"), "{data}");
    }
}

#[test]
fn identity_composites_upsert_from_their_parts() {
    let start = "[{:db/id 1 :a 1 :b 2}]";
    let expected = ["1 :a 1", "1 :b 2", "1 :a+b [1 2]", "1 :c 3"];
    check(COMPOSITE, &[start, "[{:a 1 :b 2 :c 3}]"], &expected);
    check(COMPOSITE, &[start, "[{:a+b [1 2] :c 3}]"], &expected);
    check(COMPOSITE, &[start, "[[:db/add -1 :c 3] [:db/add -1 :a 1] [:db/add -1 :b 2]]"], &expected);
    check(COMPOSITE, &[start, "[[:db/add [:a+b [1 2]] :c 3]]"], &expected);
    let report = tx(&after(COMPOSITE, &[start]), "[{:db/id -1 :a 1 :b 2 :c 3}]");
    assert_eq!(report.tempid(-1), Some(EntityId(1)));
    assert_eq!(effects(&report), ["+1 :c 3"]);
    // Also between items of one transaction, and by lookup ref of what an earlier item made.
    check(COMPOSITE, &["[{:a 1 :b 2} {:a 1 :b 2 :c 3}]"], &expected);
    check(COMPOSITE, &["[{:a 1 :b 2} [:db/add [:a+b [1 2]] :c 3]]"], &expected);
    // What counts is the tuple in the end, not on the way.
    check(
        COMPOSITE,
        &["[{:db/id 1 :a 1}]", "[[:db/add -1 :a 1] [:db/add -1 :b 2]]"],
        &["1 :a 1", "1 :a+b [1 nil]", "2 :a 1", "2 :b 2", "2 :a+b [1 2]"],
    );
}

#[test]
fn unique_composites_conflict() {
    for (start, data) in [
        ("[{:db/id 1 :a 1 :b 2}]", "[{:a 1 :b 2}]"),
        ("[{:db/id 1 :a 1}]", "[{:a 1}]"),
        ("[]", "[{:a 1 :b 2} {:a 1 :b 2}]"),
        ("[{:db/id 1 :a 1 :b 2}]", "[[:db/retract 1 :b] {:db/id 2 :a 1 :b 2}]"),
    ] {
        let error = error(&after(VALUE, &[start]), data);
        assert_eq!((error.code(), error.class()), (":transact/unique", "unique-conflict"), "{data}");
    }
    let error = error(&after(COMPOSITE, &["[{:db/id 1 :a 1 :b 2}]"]), "[{:db/id 2 :a 1 :b 2}]");
    assert_eq!(error.class(), "unique-conflict");
}
