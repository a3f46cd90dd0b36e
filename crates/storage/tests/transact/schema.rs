//! Section 5 of the reference: schema evolution.

use edn::Value;
use factum_storage::transact::{TransactError, index_attribute, update_schema, update_schema_if_revision};
use factum_storage::{Db, SchemaPatch};

use crate::support::*;

fn patch(text: &str) -> SchemaPatch {
    let parts = read(&format!("[{text}]"));
    let parts = parts.as_sequence().expect("a vector");
    let part = |index: usize| parts.get(index).cloned().unwrap_or_default();
    SchemaPatch::from_values(&part(0), &part(1), &part(2)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn update(db: &Db, text: &str) -> Db {
    update_schema(db, &patch(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(db: &Db, text: &str) -> TransactError {
    let before = (facts(db), db.schema().revision());
    let error = match update_schema(db, &patch(text)) {
        Err(error) => error,
        Ok(_) => panic!("{text} passed"),
    };
    assert_eq!((facts(db), db.schema().revision()), before);
    error
}

#[test]
fn attributes_and_properties_are_added_and_removed() {
    let db = after("{:a {:db/unique :db.unique/value}}", &["[{:a 1}]"]);
    let db = update(&db, "{:b {:db/valueType :db.type/long} :a {:db/doc \"text\" :my/own 5}}");
    let a = db.schema().attribute(&"a".into()).expect("declared");
    assert!(a.is_unique());
    assert_eq!(a.doc.as_deref(), Some("text"));
    assert_eq!(a.extra.get(&"my/own".into()), Some(&Value::Int(5)));
    let db = update(&db, "{:a {:db/unique :db/retract :my/own :db/retract}}");
    assert_eq!(facts(&tx(&db, "[{:a 1}]").db_after), ["1 :a 1", "2 :a 1"]);
    assert_eq!(update(&db, "{:a {}}").schema().revision(), db.schema().revision(), "nothing changed");
}

#[test]
fn untyped_values_migrate() {
    let db = after("{}", &["[{:db/id 1 :a 10} {:db/id 2 :a 9.0} {:db/id 3 :k \"red\" :r 1 :d 1}]"]);
    let next = update(
        &db,
        "{:a {:db/valueType :db.type/long} :k {:db/valueType :db.type/keyword}
          :r {:db/valueType :db.type/ref} :d {:db/valueType :db.type/double}}",
    );
    assert_eq!(facts(&next), ["1 :a 10", "2 :a 9", "3 :d 1.0", "3 :k :red", "3 :r 1"]);
    assert_eq!(facts(&db)[1], "2 :a 9.0", "the old value of the database is untouched");
    for (data, patch) in [
        ("[{:a 1} {:a \"x\"}]", "{:a {:db/valueType :db.type/long}}"),
        ("[{:a 1} {:a 4.7}]", "{:a {:db/valueType :db.type/long}}"),
        ("[{:a true} {:a 1}]", "{:a {:db/valueType :db.type/boolean}}"),
        ("[{:a -1}]", "{:a {:db/valueType :db.type/ref}}"),
        ("[{:a \"nope\"}]", "{:a {:db/valueType :db.type/uuid}}"),
    ] {
        assert_eq!(refused(&after("{}", &[data]), patch).class(), "migration-failed", "{data}");
    }
    // Values that become equal stay one value per entity.
    let many = after("{:a {:db/cardinality :db.cardinality/many}}", &["[{:db/id 1 :a [1 1.0 2]}]"]);
    assert_eq!(facts(&update(&many, "{:a {:db/valueType :db.type/long}}")), ["1 :a 1", "1 :a 2"]);
}

#[test]
fn types_and_cardinalities_of_data_are_fixed() {
    let long = "{:a {:db/valueType :db.type/long}}";
    let many = "{:a {:db/cardinality :db.cardinality/many}}";
    let used = after(long, &["[{:a 1}]"]);
    assert_eq!(refused(&used, "{:a {:db/valueType :db.type/string}}").class(), "type-change");
    assert_eq!(refused(&used, "{:a {:db/valueType :db/retract}}").class(), "type-change");
    assert_eq!(refused(&used, "{:a {:db/noindex true}}").class(), "property-change");
    update(&empty(long), "{:a {:db/valueType :db.type/string}}");
    // An attribute whose data is gone counts as unused.
    update(&tx(&used, "[[:db/retractEntity 1]]").db_after, "{:a {:db/valueType :db.type/string}}");
    let used = after(many, &["[{:db/id 1 :a [1]}]"]);
    assert_eq!(refused(&used, "{:a {:db/cardinality :db.cardinality/one}}").class(), "cardinality-change");
    let one = after("{:a {}}", &["[{:db/id 1 :a 1}]"]);
    let next = update(&one, many);
    assert_eq!(facts(&tx(&next, "[{:db/id 1 :a 2}]").db_after), ["1 :a 1", "1 :a 2"]);
}

#[test]
fn uniqueness_is_verified() {
    let db = after("{:a {:db/valueType :db.type/long}}", &["[{:a 1} {:a 2}]"]);
    let unique = update(&db, "{:a {:db/unique :db.unique/identity}}");
    assert_eq!(unique.entid(&read("[:a 2]")).expect("unique").map(|e| e.0), Some(2));
    let double = tx(&db, "[{:a 2}]").db_after;
    assert_eq!(refused(&double, "{:a {:db/unique :db.unique/value}}").class(), "uniqueness-change");
    // The check sees migrated values.
    let untyped = after("{}", &["[{:a 1} {:a 1.0}]"]);
    let both = "{:a {:db/valueType :db.type/long :db/unique :db.unique/value}}";
    assert_eq!(refused(&untyped, both).class(), "uniqueness-change");
    assert_eq!(facts(&update(&untyped, "{:a {:db/unique :db.unique/value}}")).len(), 2);
}

#[test]
fn deletions_and_renames() {
    let db = after("{:a {} :b {}}", &["[{:db/id 1 :a 1}]"]);
    assert!(update(&db, "nil #{:b :absent}").schema().attribute(&"b".into()).is_none());
    assert_eq!(refused(&db, "nil #{:a}").class(), "attribute-in-use");
    let renamed = update(&db, "nil nil {:a :c}");
    assert_eq!(facts(&renamed), ["1 :c 1"]);
    assert!(renamed.schema().attribute(&"a".into()).is_none());
    // The same rename once more is no error.
    assert_eq!(facts(&update(&renamed, "nil nil {:a :c}")), ["1 :c 1"]);
    for (text, code) in [
        ("nil nil {:a :b}", ":schema/rename-conflict"),
        ("nil nil {:a :x :x :y}", ":schema/rename-conflict"),
        ("nil nil {:zip :zap}", ":schema/missing-attribute"),
        ("{:a {:db/unique :yes}}", ":schema/validation"),
        ("{:db/ident {:db/cardinality :db.cardinality/many}}", ":schema/validation"),
    ] {
        assert_eq!(refused(&db, text).code(), code, "{text}");
    }
    // Deleting and declaring anew starts from nothing.
    let again = update(&update(&db, "nil #{:b}"), "{:b {:db/valueType :db.type/long}}");
    assert_eq!(facts(&tx(&again, "[{:db/id 1 :b 2}]").db_after), ["1 :a 1", "1 :b 2"]);
}

#[test]
fn composites_are_derived_for_what_exists() {
    let db = after("{}", &["[{:db/id 1 :a 1 :b 2} {:db/id 2 :a 1}]"]);
    let next = update(&db, "{:a+b {:db/tupleAttrs [:a :b] :db/unique :db.unique/identity}}");
    let derived = ["1 :a 1", "1 :a+b [1 2]", "1 :b 2", "2 :a 1", "2 :a+b [1 nil]"];
    assert_eq!(facts(&next), derived);
    assert_eq!(facts(&tx(&next, "[{:a 1 :b 2 :c 3}]").db_after).len(), 6);
    let typed = update(&next, "{:b {:db/valueType :db.type/double}}");
    assert_eq!(facts(&typed)[1], "1 :a+b [1 2.0]");
    let gone = update(&next, "nil #{:a+b}");
    assert_eq!(facts(&gone), ["1 :a 1", "1 :b 2", "2 :a 1"]);
    assert_eq!(refused(&next, "nil #{:b}").class(), "bad-schema", "a composite is made of it");
    let other = update(&next, "{:a+b {:db/tupleAttrs [:b :a]}}");
    assert_eq!(facts(&other)[1], "1 :a+b [2 1]");
    let double = tx(&db, "[{:db/id 3 :a 1}]").db_after;
    let text = "{:a+b {:db/tupleAttrs [:a :b] :db/unique :db.unique/value}}";
    assert_eq!(refused(&double, text).class(), "uniqueness-change");
    let taken = after("{:c {}}", &["[{:c [1 2]}]"]);
    assert_eq!(refused(&taken, "{:c {:db/tupleAttrs [:a :b]}}").class(), "type-change");
}

#[test]
fn revisions_guard_changes() {
    let db = after("{:a {}}", &["[{:fresh 1}]"]);
    let revision = db.schema().revision();
    let next = update_schema_if_revision(&db, revision, &patch("{:b {}}")).expect("the right revision");
    let error = match update_schema_if_revision(&next, revision, &patch("{:c {}}")) {
        Err(error) => error,
        Ok(_) => panic!("a stale revision passed"),
    };
    assert_eq!((error.code(), error.class()), (":schema/revision-conflict", "revision-conflict"));
}

#[test]
fn an_index_can_be_built_later() {
    let db = after("{:a {:db/noindex true}}", &["[{:db/id 1 :a 5} {:db/id 2 :a 4}]"]);
    let a = db.schema().attribute(&"a".into()).expect("declared").id;
    assert!(db.entities(a, &factum_storage::encode(&5.into())).is_err());
    let next = index_attribute(&db, &"a".into()).expect("indexable");
    assert_eq!(next.entities(a, &factum_storage::encode(&5.into())).expect("indexed"), [1]);
    assert_eq!(facts(&next), ["1 :a 5", "2 :a 4"]);
    assert_eq!(facts(&tx(&next, "[[:db/retract 1 :a] {:db/id 3 :a 6}]").db_after), ["2 :a 4", "3 :a 6"]);
    assert_eq!(
        index_attribute(&db, &"zip".into()).map(|_| ()).expect_err("missing").class(),
        "missing-attribute"
    );
}
