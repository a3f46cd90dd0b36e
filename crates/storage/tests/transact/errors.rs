//! Section 18 of the reference: every refusal by code, class and place; none leaves a trace.

use factum_storage::DbOptions;
use factum_storage::transact::TransactError;

use crate::support::*;

const SCHEMA: &str = "{:n {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :age {:db/valueType :db.type/long}
                       :size {:db/valueType :db.type/double}
                       :id {:db/valueType :db.type/uuid}
                       :boss {:db/valueType :db.type/ref}
                       :pals {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";

/// The text that an error points to.
fn pointed<'t>(error: &TransactError, text: &'t str) -> &'t str {
    let span = error.span().unwrap_or_else(|| panic!("{error} points nowhere"));
    &text[span.start..span.end]
}

#[test]
fn every_error_has_a_code_a_class_and_a_place() {
    let db = after(SCHEMA, &[r#"[{:db/id 1 :n "A" :age 5} {:db/id 2 :n "B"}]"#]);
    for (data, code, class, place) in [
        ("{:age 1}", ":transact/syntax", "bad-item", "{:age 1}"),
        ("5", ":transact/syntax", "bad-item", "5"),
        ("[5]", ":transact/syntax", "bad-item", "5"),
        ("[{:age 1} #{1}]", ":transact/syntax", "bad-item", "#{1}"),
        ("[[]]", ":transact/syntax", "bad-item", "[]"),
        ("[[1 :age 2]]", ":transact/syntax", "bad-item", "[1 :age 2]"),
        (r#"[[":db/add" 1 :age 2]]"#, ":transact/syntax", "bad-item", r#"[":db/add" 1 :age 2]"#),
        ("[#datom [1 2]]", ":transact/syntax", "bad-item", "#datom [1 2]"),
        ("[#my/tag 1]", ":transact/syntax", "bad-item", "#my/tag 1"),
        ("[[:db/add 1 :age]]", ":transact/syntax", "bad-arity", "[:db/add 1 :age]"),
        ("[[:db/retract 1]]", ":transact/syntax", "bad-arity", "[:db/retract 1]"),
        ("[[:db/retractEntity 1 :age]]", ":transact/syntax", "bad-arity", "[:db/retractEntity 1 :age]"),
        ("[[:db/frob 1 :age 2]]", ":transact/syntax", "unknown-op", "[:db/frob 1 :age 2]"),
        ("[{:db/id 1 :age nil}]", ":transact/syntax", "nil-value", "nil"),
        ("[[:db/add 1 :age nil]]", ":transact/syntax", "nil-value", "nil"),
        ("[{:db/id 1 :pals [2 nil]}]", ":transact/syntax", "nil-value", "nil"),
        ("[{:db/id 1 :_boss nil}]", ":transact/syntax", "nil-value", "nil"),
        ("[[:db/retract 1 :age nil]]", ":transact/syntax", "nil-value", "nil"),
        ("[{:db/id 1 \"age\" 2}]", ":transact/syntax", "bad-attribute", "\"age\""),
        ("[[:db/add 1 5 2]]", ":transact/syntax", "bad-attribute", "5"),
        ("[[:db/add 1 :db/id 2]]", ":transact/syntax", "bad-attribute", ":db/id"),
        ("[[:db/add 1 :_boss 2]]", ":transact/syntax", "bad-attribute", ":_boss"),
        ("[[:db/retract -1 :age 2]]", ":transact/syntax", "tempid-not-allowed", "-1"),
        ("[[:db/retract \"x\" :age]]", ":transact/syntax", "tempid-not-allowed", "\"x\""),
        ("[[:db/retractEntity -1]]", ":transact/syntax", "tempid-not-allowed", "-1"),
        ("[[:db/retract 1 :boss -1]]", ":transact/syntax", "tempid-not-allowed", "-1"),
        ("[{:db/id 7 :boss -9}]", ":transact/syntax", "dangling-tempid", "-9"),
        ("[{:db/id 7 :boss -9} {:db/id -9}]", ":transact/syntax", "dangling-tempid", "-9"),
        ("[{:db/id 7 :boss {:db/id -9}}]", ":transact/syntax", "dangling-tempid", "-9"),
        ("[{:n \"X\" :_age 1}]", ":transact/syntax", "reverse-needs-ref", ":_age"),
        ("[{:n \"X\" :_zip 1}]", ":transact/syntax", "reverse-needs-ref", ":_zip"),
        (
            "[[:db.fn/patchIdoc 1 :doc []]]",
            ":transact/unsupported",
            "unsupported",
            "[:db.fn/patchIdoc 1 :doc []]",
        ),
        ("[{:db/id 1 :n \"B\"}]", ":transact/upsert", "conflicting-upserts", "\"B\""),
        ("[[:db/add 1 :n \"B\"]]", ":transact/unique", "unique-conflict", "\"B\""),
        ("[[:db/cas 1 :age 6 7]]", ":transact/cas", "cas-failed", "6"),
        ("[[:db/add [:n \"Z\"] :age 1]]", ":entity-id/missing", "entity-missing", "[:n \"Z\"]"),
        ("[[:db/add :zed :age 1]]", ":entity-id/missing", "entity-missing", ":zed"),
        ("[[:db/add [:age 5] :age 1]]", ":lookup-ref/unique", "lookup-ref-not-unique", "[:age 5]"),
        ("[[:db/add [:n] :age 1]]", ":lookup-ref/syntax", "lookup-ref-syntax", "[:n]"),
        ("[{:db/id :zed :age 1}]", ":entity-id/syntax", "bad-db-id", ":zed"),
        ("[{:db/id 1.5 :age 1}]", ":entity-id/syntax", "bad-db-id", "1.5"),
        ("[[:db/add #{1} :age 1]]", ":entity-id/syntax", "bad-db-id", "#{1}"),
        ("[[:db/add 1 :boss 1.5]]", ":entity-id/syntax", "bad-db-id", "1.5"),
        ("[{:db/id 1 :age \"x\"}]", ":transact/type", "type-mismatch", "\"x\""),
        ("[{:db/id 1 :id \"nope\"}]", ":transact/type", "type-mismatch", "\"nope\""),
        ("[{:db/id 1 :size ##NaN}]", ":transact/nan", "nan", "##NaN"),
        ("[{:db/id 1 :boss [1 2 3]}]", ":lookup-ref/syntax", "lookup-ref-syntax", "[1 2 3]"),
        ("[[:db/add 9223372036854775808N :age 1]]", ":entity-id/syntax", "bad-db-id", "9223372036854775808N"),
    ] {
        let error = error(&db, data);
        assert_eq!((error.code(), error.class()), (code, class), "{data}: {error}");
        assert_eq!(pointed(&error, data), place, "{data}: {error}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn items_are_counted_where_there_is_no_text() {
    let db = empty(SCHEMA);
    let data = read("[{:age 1} nil {:age nil}]");
    let error = db.with(&data).expect_err("nil");
    assert_eq!((error.item(), error.span()), (Some(2), None));
    assert!(error.to_string().contains("item 2"), "{error}");
}

#[test]
fn closed_schemas() {
    let mut options = DbOptions::default();
    options.closed_schema = true;
    let db = with_options(SCHEMA, options);
    let data = "[{:db/id 1 :agee 5}]";
    let refused = error(&db, data);
    assert_eq!(refused.class(), "unknown-attribute");
    assert_eq!(pointed(&refused, data), ":agee");
    assert!(refused.to_string().contains(":age"), "{refused}");
    assert_eq!(error(&db, "[[:db/add 1 :agee 5]]").class(), "unknown-attribute");
    assert_eq!(error(&db, "[[:db/cas 1 :agee nil 5]]").class(), "unknown-attribute");
    assert_eq!(facts(&tx(&db, "[{:db/ident :me :age 1}]").db_after), ["1 :age 1", "1 :db/ident :me"]);
}

#[test]
fn validation_refuses_what_would_be_converted() {
    let mut options = DbOptions::default();
    options.validate_data = true;
    let db = with_options(SCHEMA, options);
    for data in
        ["[{:age 4.7}]", "[{:n 4}]", "[{:size 1}]", r#"[{:id "00000000-0000-0000-0000-000000000001"}]"#]
    {
        assert_eq!(error(&db, data).class(), "type-mismatch", "{data}");
    }
    assert_eq!(facts(&tx(&db, "[{:age 4 :size 1.5 :any [1 nil]}]").db_after).len(), 3);
}

#[test]
fn conversion_loses_by_default() {
    let schema = "{:l {:db/valueType :db.type/long} :s {:db/valueType :db.type/string}
                   :k {:db/valueType :db.type/keyword} :b {:db/valueType :db.type/boolean}
                   :d {:db/valueType :db.type/double} :i {:db/valueType :db.type/instant}}";
    check(
        schema,
        &[r#"[{:db/id 1 :l 4.7 :s :k :k "red" :b 5 :d -0.0 :i 0}]"#],
        &[
            "1 :l 4",
            "1 :s \":k\"",
            "1 :k :red",
            "1 :b true",
            "1 :d 0.0",
            "1 :i #inst \"1970-01-01T00:00:00.000-00:00\"",
        ],
    );
    // What is added can be retracted in the same words.
    check(schema, &["[{:db/id 1 :l 4.7}]", "[[:db/retract 1 :l 4.7]]"], &[]);
}

#[test]
fn nesting_has_a_limit() {
    let db = empty(SCHEMA);
    let nested = |depth: usize| {
        let mut value = edn::Value::Int(1);
        for _ in 0..depth {
            value = edn::Value::Map([(edn::Value::keyword(":boss"), value)].into());
        }
        edn::Value::Vector(vec![value])
    };
    assert!(db.with(&nested(100)).is_ok());
    assert_eq!(db.with(&nested(1000)).expect_err("too deep").class(), "nested-too-deeply");
    let mut reference = edn::Value::Int(1);
    for _ in 0..1000 {
        reference = edn::Value::Vector(vec![edn::Value::keyword(":n"), reference]);
    }
    let data = edn::Value::Vector(vec![edn::Value::Vector(vec![
        edn::Value::keyword(":db/retractEntity"),
        reference,
    ])]);
    assert!(db.with(&data).is_ok(), "a name that nothing has");
}

#[test]
fn ids_run_out_politely() {
    let db = empty(SCHEMA);
    let last = (1_u64 << 62) - 1;
    let full = tx(&db, &format!("[{{:db/id {last} :age 1}}]")).db_after;
    assert_eq!(error(&full, "[{:age 2}]").class(), "ids-exhausted");
    assert_eq!(facts(&tx(&full, "[{:db/id 5 :age 2}]").db_after).len(), 2);
}

#[test]
fn shapes_are_checked_without_a_database() {
    use factum_storage::transact::{EntityBuilder, Tx, check_syntax};
    let class = |text: &str| {
        let form = edn::read_form(text).expect("EDN");
        let (spanned, plain) = (check_syntax(&form), check_syntax(&form.to_value()));
        assert_eq!(spanned.is_ok(), plain.is_ok(), "{text}");
        spanned.map_or_else(|error| error.class(), |()| "")
    };
    for (text, expected) in [
        ("[]", ""),
        ("nil", ""),
        ("[nil {:a 1 :db/id nil} [:db/add 1 :zip nil] ]", "nil-value"),
        (r#"[{:a [1 nil]} [:my/function] [:db/retract [:n "A"] :a] #datom [1 :a 2 false]]"#, ""),
        ("{:a 1}", "bad-item"),
        ("[{:a nil}]", "nil-value"),
        ("[[:db/cas 1 :a nil nil]]", "nil-value"),
        ("[{1 2}]", "bad-attribute"),
        ("[{:db/id :x :a 1}]", "bad-db-id"),
        ("[[:db/add 1]]", "bad-arity"),
        ("[[:db.fn/patchIdoc 1 :a []]]", "unsupported"),
    ] {
        assert_eq!(class(text), expected, "{text}");
    }
    assert!(check_syntax(&Tx::new().entity(EntityBuilder::new().set(":a", 1)).retract_entity(5)).is_ok());
    assert!(check_syntax(&Tx::new().entity(EntityBuilder::new().set(":a", edn::Value::Nil))).is_err());
}
