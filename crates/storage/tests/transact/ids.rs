//! Sections 7 and 8 of the reference: ids, tempids, idents, lookup refs, uniqueness and upsert.

use edn::Value;
use factum_storage::transact::{TransactErrorKind, Tx};
use factum_storage::{EntityId, TX_BASE};

use crate::support::*;

const SCHEMA: &str = "{:n {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :mail {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :alias {:db/valueType :db.type/string :db/unique :db.unique/identity
                               :db/cardinality :db.cardinality/many}
                       :badge {:db/valueType :db.type/string :db/unique :db.unique/value}
                       :owner {:db/valueType :db.type/ref :db/unique :db.unique/identity}
                       :age {:db/valueType :db.type/long}
                       :boss {:db/valueType :db.type/ref}
                       :pals {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";

#[test]
fn ids_count_up_and_never_come_back() {
    check(SCHEMA, &["[{:age 1} {:age 2}]"], &["1 :age 1", "2 :age 2"]);
    check(SCHEMA, &["[{:db/id 10 :age 1} {:age 2}]"], &["10 :age 1", "11 :age 2"]);
    check(SCHEMA, &["[{:age 1}]", "[[:db/retractEntity 1]]", "[{:age 2}]"], &["2 :age 2"]);
    check(SCHEMA, &["[{:db/id 5 :age 1} [:db/retractEntity 5] {:age 2}]"], &["6 :age 2"]);
    // An explicit id may be one that was just handed out.
    check(SCHEMA, &["[{:n \"x\"} {:db/id 1 :age 3}]"], &["1 :n \"x\"", "1 :age 3"]);
    check(SCHEMA, &["[{:db/id 0 :age 1}]", "[{:age 2}]"], &["0 :age 1", "1 :age 2"]);
}

#[test]
fn equal_tempids_are_one_entity() {
    check(
        SCHEMA,
        &[r#"[{:db/id -1 :age 1} {:db/id "b" :age 2 :boss -1} [:db/add "b" :n "B"] [:db/add -1 :boss "b"]]"#],
        &["1 :age 1", "1 :boss 2", "2 :n \"B\"", "2 :age 2", "2 :boss 1"],
    );
    // New ids are given at first use, also as a value.
    check(
        SCHEMA,
        &["[[:db/add -1 :boss -2] {:db/id -3 :age 3} {:db/id -2 :age 2}]"],
        &["1 :boss 2", "2 :age 2", "3 :age 3"],
    );
    let report = tx(&empty(SCHEMA), r#"[{:db/id -1 :age 1} {:db/id "b" :age 2} {:age 3}]"#);
    let tempids: Vec<_> = report.tempids.iter().map(|(tempid, e)| (tempid.to_string(), e.0)).collect();
    assert_eq!(tempids, [("-1".into(), 1), ("\"b\"".into(), 2), (":db/current-tx".to_string(), TX_BASE + 1)]);
}

#[test]
fn the_transaction_is_an_entity_of_its_own() {
    let report =
        tx(&empty(SCHEMA), r#"[{:db/id :db/current-tx :note "x"} [:db/add 1 :boss :db/current-tx]]"#);
    let tx_id = TX_BASE + 1;
    let expected = [format!("1 :boss {tx_id}"), format!("{tx_id} :note \"x\"")];
    assert_eq!(facts(&report.db_after), expected);
    assert_eq!(report.db_after.max_eid(), EntityId(1), "transactions do not count as entities");
    let second = tx(&report.db_after, "[[:db/add :db/current-tx :note \"y\"] {:age 1}]");
    assert_eq!(effects(&second), [format!("+{} :note \"y\"", tx_id + 1), "+2 :age 1".into()]);
    let instant =
        tx(&empty(SCHEMA), "[[:db/add :db/current-tx :db/txInstant #inst \"2020-01-01T00:00:00Z\"]]");
    assert_eq!(instant.tx_data.len(), 1);
}

#[test]
fn idents_name_entities() {
    let named = r#"[{:db/id 4 :db/ident :chief}]"#;
    check(SCHEMA, &[named, "[[:db/add :chief :age 1]]"], &["4 :db/ident :chief", "4 :age 1"]);
    check(SCHEMA, &[named, "[{:age 2 :boss :chief}]"], &["4 :db/ident :chief", "5 :age 2", "5 :boss 4"]);
    check(SCHEMA, &[named, "[{:db/ident :chief :age 3}]"], &["4 :db/ident :chief", "4 :age 3"]);
    check(
        SCHEMA,
        &[named, "[{:db/id 5 :pals [:chief 7]}]"],
        &["4 :db/ident :chief", "5 :pals 4", "5 :pals 7"],
    );
    check(SCHEMA, &[named, "[[:db/retract :chief :db/ident]]"], &[]);
    // Visible to later items of the same transaction.
    check(
        SCHEMA,
        &["[{:db/id 4 :db/ident :chief} [:db/add :chief :age 1]]"],
        &["4 :db/ident :chief", "4 :age 1"],
    );
    assert_eq!(error(&after(SCHEMA, &[named]), "[{:db/id :chief :age 1}]").class(), "bad-db-id");
    assert_eq!(error(&after(SCHEMA, &[named]), "[[:db/add :nobody :age 1]]").class(), "entity-missing");
    assert_eq!(error(&after(SCHEMA, &[named]), "[[:db/add 1 :boss :nobody]]").class(), "entity-missing");
}

#[test]
fn lookup_refs_name_entities() {
    let start = r#"[{:db/id 1 :n "A"} {:db/id 2 :badge "b"}]"#;
    let rest = [r#"1 :n "A""#, r#"2 :badge "b""#];
    check(SCHEMA, &[start, r#"[[:db/add [:n "A"] :boss [:badge "b"]]]"#], &[rest[0], "1 :boss 2", rest[1]]);
    check(SCHEMA, &[start, r#"[{:db/id [:badge "b"] :age 1}]"#], &[rest[0], rest[1], "2 :age 1"]);
    check(
        SCHEMA,
        &[start, r#"[{:db/id 3 :owner [:n "A"]} [:db/add [:owner [:n "A"]] :age 9]]"#],
        &[rest[0], rest[1], "3 :owner 1", "3 :age 9"],
    );
    // Earlier items are seen, later ones are not.
    check(SCHEMA, &[r#"[{:n "A"} [:db/add [:n "A"] :age 1]]"#], &[r#"1 :n "A""#, "1 :age 1"]);
    let db = empty(SCHEMA);
    assert_eq!(error(&db, r#"[[:db/add [:n "A"] :age 1] {:n "A"}]"#).class(), "entity-missing");
    assert_eq!(error(&db, r#"[{:db/id 1 :boss [:n "A"]}]"#).class(), "entity-missing");
    assert_eq!(error(&db, "[{:db/id 1 :boss [:n nil]}]").class(), "entity-missing");
    assert_eq!(error(&db, "[[:db/add [:age 1] :age 2]]").class(), "lookup-ref-not-unique");
    assert_eq!(error(&db, "[[:db/add [:zip 1] :age 2]]").class(), "lookup-ref-not-unique");
    for shape in ["[:n]", "[:n 1 2]", "[1 2]", "[]"] {
        let data = format!("[[:db/add {shape} :age 2]]");
        assert_eq!(error(&db, &data).class(), "lookup-ref-syntax", "{shape}");
    }
}

#[test]
fn refs_need_no_target() {
    check(SCHEMA, &["[[:db/add 1 :boss 777]]"], &["1 :boss 777"]);
}

#[test]
fn identities_upsert() {
    let start = r#"[{:db/id 1 :mail "m"}]"#;
    let report = tx(&after(SCHEMA, &[start]), r#"[{:db/id -7 :mail "m" :age 2} {:boss -7}]"#);
    assert_eq!(effects(&report), ["+1 :age 2", "+2 :boss 1"]);
    assert_eq!(report.tempid(-7), Some(EntityId(1)));
    let one = [r#"1 :mail "m""#, "1 :age 2"];
    check(SCHEMA, &[start, r#"[{:mail "m" :age 2}]"#], &one);
    check(SCHEMA, &[start, r#"[[:db/add -1 :mail "m"] [:db/add -1 :age 2]]"#], &one);
    check(SCHEMA, &[start, r#"[[:db/add -1 :age 2] [:db/add -1 :mail "m"]]"#], &one);
    check(SCHEMA, &[start, r#"[[:db/add 1 :age 2] [:db/add -1 :mail "m"]]"#], &one);
    // Within one transaction.
    check(SCHEMA, &[r#"[{:mail "m"} {:mail "m" :age 2}]"#], &one);
    // One existing and one new identity: the new one is added.
    check(SCHEMA, &[start, r#"[{:mail "m" :n "A"}]"#], &[r#"1 :n "A""#, r#"1 :mail "m""#]);
}

#[test]
fn tempids_unify_in_any_order() {
    // Both tempids have ids already when they turn out to be one.
    let data = r#"[[:db/add -1 :age 1] [:db/add -2 :boss 9] [:db/add -1 :n "A"] [:db/add -2 :n "A"]]"#;
    check(SCHEMA, &[data], &[r#"1 :n "A""#, "1 :age 1", "1 :boss 9"]);
    let reversed = r#"[[:db/add -2 :boss 9] [:db/add -1 :age 1] [:db/add -1 :n "A"] [:db/add -2 :n "A"]]"#;
    let report = tx(&empty(SCHEMA), reversed);
    assert_eq!(facts(&report.db_after), ["1 :age 1", "1 :boss 9", r#"1 :n "A""#]);
    assert_eq!((report.tempid(-1), report.tempid(-2)), (Some(EntityId(1)), Some(EntityId(1))));
    // A chain: -3 is -2 by name, -2 is -1 by mail, and -1 exists by badge owner.
    let start = r#"[{:db/id 5 :alias "x"}]"#;
    let chain = r#"[[:db/add -3 :n "N"] [:db/add -2 :n "N"] [:db/add -2 :mail "M"] [:db/add -1 :mail "M"]
                    [:db/add -1 :alias "x"] [:db/add -3 :age 1]]"#;
    check(SCHEMA, &[start, chain], &[r#"5 :n "N""#, r#"5 :mail "M""#, r#"5 :alias "x""#, "5 :age 1"]);
}

#[test]
fn explicit_ids_and_tempids_meet() {
    let one = [r#"9 :n "A""#, "9 :age 1"];
    check(SCHEMA, &[r#"[[:db/add 9 :n "A"] {:db/id -1 :n "A" :age 1}]"#], &one);
    check(SCHEMA, &[r#"[{:db/id -1 :n "A" :age 1} [:db/add 9 :n "A"]]"#], &one);
    check(SCHEMA, &[r#"[{:n "A" :age 1} {:db/id 9 :n "A"}]"#], &one);
}

#[test]
fn a_unique_value_found_late_is_no_conflict() {
    let start = r#"[{:db/id 1 :badge "b" :n "A"}]"#;
    check(
        SCHEMA,
        &[start, r#"[[:db/add -1 :badge "b"] [:db/add -1 :n "A"]]"#],
        &[r#"1 :n "A""#, r#"1 :badge "b""#],
    );
}

#[test]
fn identities_of_many_values_and_references() {
    check(
        SCHEMA,
        &[r#"[{:db/id 1 :alias ["x" "y"]}]"#, r#"[{:alias ["y" "z"] :age 1}]"#],
        &[r#"1 :alias "x""#, r#"1 :alias "y""#, r#"1 :alias "z""#, "1 :age 1"],
    );
    let start = r#"[{:db/id 1 :mail "m"} {:db/id 2 :owner 1}]"#;
    let expected = [r#"1 :mail "m""#, "2 :owner 1", "2 :age 5"];
    check(SCHEMA, &[start, r#"[{:owner [:mail "m"] :age 5}]"#], &expected);
    check(SCHEMA, &[start, r#"[{:owner {:mail "m"} :age 5}]"#], &expected);
    check(SCHEMA, &[start, r#"[{:owner -1 :age 5} {:db/id -1 :mail "m"}]"#], &expected);
    check(
        SCHEMA,
        &[start, r#"[[:db/add -2 :age 5] [:db/add -2 :owner -1] [:db/add -1 :mail "m"]]"#],
        &expected,
    );
}

#[test]
fn conflicting_upserts() {
    let db = after(SCHEMA, &[r#"[{:db/id 1 :mail "m"} {:db/id 2 :n "A"}]"#]);
    for data in [
        r#"[{:mail "m" :n "A"}]"#,
        r#"[{:db/id -1 :mail "m"} {:db/id -1 :n "A"}]"#,
        r#"[[:db/add -1 :mail "m"] [:db/add -1 :n "A"]]"#,
        r#"[{:db/id 9 :mail "m"}]"#,
        r#"[{:db/id 2 :mail "m"}]"#,
    ] {
        let error = error(&db, data);
        assert_eq!((error.code(), error.class()), (":transact/upsert", "conflicting-upserts"), "{data}");
    }
}

#[test]
fn unique_conflicts() {
    let db = after(SCHEMA, &[r#"[{:db/id 1 :badge "b"} {:db/id 2 :n "A"} {:db/id 3 :age 1}]"#]);
    for data in [
        r#"[{:db/id 2 :badge "b"}]"#,
        r#"[{:badge "b"}]"#,
        r#"[[:db/add 3 :n "A"]]"#,
        r#"[{:badge "c"} {:badge "c"}]"#,
        r#"[[:db/add 7 :n "B"] [:db/add 8 :n "B"]]"#,
        // Freeing a value and using it again needs two transactions.
        r#"[[:db/retract 1 :badge "b"] [:db/add 2 :badge "b"]]"#,
        r#"[[:db/add 1 :badge "c"] [:db/add 2 :badge "b"]]"#,
        r#"[[:db/retractEntity 2] [:db/add 3 :n "A"]]"#,
        r#"[[:db/cas 3 :badge nil "b"]]"#,
    ] {
        let error = error(&db, data);
        assert_eq!((error.code(), error.class()), (":transact/unique", "unique-conflict"), "{data}");
    }
    let kind = error(&db, r#"[{:db/id 2 :badge "b"}]"#);
    let TransactErrorKind::UniqueConflict { entity, owner, value, .. } = kind.kind() else {
        panic!("{kind:?}")
    };
    assert_eq!((*entity, *owner, value), (EntityId(2), EntityId(1), &Value::from("b")));
    // The owner itself may give a value back and take it again.
    let back = r#"[[:db/retract 1 :badge "b"] [:db/add 1 :badge "b"]]"#;
    assert_eq!(facts(&tx(&db, back).db_after), facts(&db));
    // A value that was taken and given back within the transaction is free.
    let passed = r#"[[:db/add 2 :badge "c"] [:db/retract 2 :badge "c"] [:db/add 3 :badge "c"]]"#;
    assert_eq!(facts(&tx(&db, passed).db_after).len(), 4);
}

#[test]
fn an_upsert_finds_who_had_the_value_when_the_transaction_began() {
    let start = r#"[{:db/id 1 :n "A" :age 1}]"#;
    check(SCHEMA, &[start, r#"[[:db/retractEntity 1] {:n "A" :age 2}]"#], &[r#"1 :n "A""#, "1 :age 2"]);
}

#[test]
fn late_upserts_do_not_make_large_transactions_slow() {
    let count = 3000;
    let start: String = (0..count).map(|n| format!("{{:n \"{n}\"}}")).collect();
    let late: String =
        (0..count).map(|n| format!("[:db/add -{0} :age {n}] [:db/add -{0} :n \"{n}\"]", n + 1)).collect();
    let db = after(SCHEMA, &[&format!("[{start}]"), &format!("[{late}]")]);
    assert_eq!(db.max_eid(), EntityId(count));
    assert_eq!(db.count(None, None, None).expect("readable"), 2 * count);
}

#[test]
fn a_value_found_free_may_be_taken_before_it_is_written() {
    // By a nested map, by the next item, and by a reverse attribute of the same map.
    check(SCHEMA, &[r#"[{:boss {:n "A"} :n "A"}]"#], &[r#"1 :n "A""#, "1 :boss 1"]);
    check(SCHEMA, &[r#"[{:n "A"} [:db/add 1 :age 1] {:n "A" :age 2}]"#], &[r#"1 :n "A""#, "1 :age 2"]);
    let db = empty(SCHEMA);
    assert_eq!(error(&db, r#"[{:db/id 5 :n "A"} [:db/add 9 :n "A"]]"#).class(), "unique-conflict");
    assert_eq!(error(&db, "[{:db/id 5 :_owner 6 :owner 5}]").class(), "unique-conflict");
}

#[test]
fn ids_have_limits() {
    let last = TX_BASE - 1;
    // The largest id of one's own; after it there is none for a new entity, and nothing is kept of the attempt.
    let full = check(SCHEMA, &[&format!("[{{:db/id {last} :age 1}}]")], &[&format!("{last} :age 1")]);
    let problem = error(&full, "[{:db/id 3 :age 3} {:age 2}]");
    assert_eq!((problem.code(), problem.class()), (":transact/ids", "ids-exhausted"));
    assert_eq!(effects(&tx(&full, "[{:db/id 3 :age 3}]")), ["+3 :age 3"]);
    // Transactions count from 1, so number 0 has no facts; nor have those to come.
    for (number, happened) in [(0, false), (1, true), (2, true), (3, false), ((1 << 62) - 1, false)] {
        let id = TX_BASE + number;
        let after = tx(&empty(SCHEMA), "[{:db/id 1 :age 1}]").db_after;
        let data = format!("[[:db/add {id} :note \"n\"]]");
        match try_tx(&after, &data) {
            Ok(report) => assert!(happened, "{id}: {report:?}"),
            Err(problem) => {
                assert!(!happened, "{id}: {problem}");
                assert_eq!((problem.code(), problem.class()), (":transact/ids", "future-tx-id"));
                assert!(problem.to_string().contains(&format!("go up to {last}")), "{problem}");
            }
        }
        // What is not there can be retracted and referred to.
        assert!(
            tx(&after, &format!("[[:db/retract {id} :note] [:db/retractEntity {id}]]")).tx_data.is_empty()
        );
        assert_eq!(tx(&after, &format!("[[:db/add 1 :boss {id}]]")).tx_data.len(), 1);
    }
    // Numbers that no entity can have.
    for id in ["9223372036854775808N", "18446744073709551615N", "-9223372036854775809N", "1.0", "1.0M"] {
        for data in [
            format!("[{{:db/id {id} :age 1}}]"),
            format!("[[:db/add {id} :age 1]]"),
            format!("[[:db/add 1 :boss {id}]]"),
        ] {
            let problem = error(&empty(SCHEMA), &data);
            assert_eq!(problem.code(), ":entity-id/syntax", "{data}: {problem}");
        }
    }
    // Every negative number is a tempid.
    for id in [-1, i64::MIN] {
        check(SCHEMA, &[&format!("[{{:db/id {id} :age {id}}}]")], &[&format!("1 :age {id}")]);
    }
    // In Rust, ids above that are refused, too, and not taken for tempids.
    for id in [EntityId(1 << 63), EntityId(u64::MAX)] {
        let data = Tx::new().add(id, ":age", 1);
        let problem = empty(SCHEMA).with(&data).expect_err("no id");
        assert_eq!(problem.code(), ":entity-id/syntax", "{problem}");
        let data = Tx::new().add(EntityId(1), ":boss", id);
        let problem = empty(SCHEMA).with(&data).expect_err("no id");
        assert_eq!(problem.code(), ":entity-id/syntax", "{problem}");
    }
}
