//! References, coercion and bounds; the indexes themselves are tested against a model in `store::tests`.

use std::ops::Bound;

use edn::{Keyword, Value};

use super::*;
use crate::datom::{Index, ValueRange};
use crate::encode::encode;
use crate::error::Error;
use crate::store::StoreOptions;
use crate::transact::TxFunctions;

fn value(text: &str) -> Value {
    edn::read(text).expect("EDN")
}

fn db(schema: &str, data: &str) -> Db {
    let schema = Schema::from_value(&value(schema)).expect("a schema");
    let store = crate::Store::from_db(Db::empty(schema, DbOptions::default()));
    store.transact(&value(data), Value::Nil, &TxFunctions::new()).expect("commits").db_after
}

fn attribute(db: &Db, name: &str) -> Arc<Attribute> {
    db.schema().attribute(&Keyword::from(name)).expect("declared").clone()
}

/// The value as the type stores it, or the class of the error.
fn coerced(db: &Db, name: &str, text: &str) -> Result<String, &'static str> {
    match db.encode_for(&attribute(db, name), &value(text)) {
        Ok(encoded) => Ok(encoded.decode().expect("own bytes").to_string()),
        Err(error) => Err(error.class()),
    }
}

const TYPES: &str = r#"{:long {:db/valueType :db.type/long} :double {:db/valueType :db.type/double}
    :bigint {:db/valueType :db.type/bigint} :bigdec {:db/valueType :db.type/bigdec}
    :string {:db/valueType :db.type/string} :keyword {:db/valueType :db.type/keyword}
    :symbol {:db/valueType :db.type/symbol} :boolean {:db/valueType :db.type/boolean}
    :instant {:db/valueType :db.type/instant} :uuid {:db/valueType :db.type/uuid}
    :bytes {:db/valueType :db.type/bytes} :ref {:db/valueType :db.type/ref}
    :pair {:db/tupleTypes [:db.type/string :db.type/long]} :list {:db/tupleType :db.type/keyword}
    :a+b {:db/tupleAttrs [:long :string]} :any {}
    :id {:db/valueType :db.type/string :db/unique :db.unique/identity}
    :boss {:db/valueType :db.type/ref :db/unique :db.unique/value}}"#;

#[test]
fn values_are_coerced_to_their_types() {
    let db = db(TYPES, "[]");
    let cases = [
        (":long", "4", Ok("4")),
        (":long", "4.7", Ok("4")),
        (":long", "-4.7", Ok("-4")),
        (":long", "7/2", Ok("3")),
        (":long", "12N", Ok("12")),
        (":long", "2.99M", Ok("2")),
        (":long", "1e300", Err("type-mismatch")),
        (":long", "99999999999999999999N", Err("type-mismatch")),
        (":long", "\"4\"", Err("type-mismatch")),
        (":long", "##NaN", Err("nan")),
        (":long", "nil", Err("nil-value")),
        (":double", "4", Ok("4.0")),
        (":double", "1/4", Ok("0.25")),
        (":double", "##NaN", Err("nan")),
        (":double", "##Inf", Ok("##Inf")),
        (":double", "-0.0", Ok("0.0")),
        (":double", ":k", Err("type-mismatch")),
        (":bigint", "4.7", Ok("4N")),
        (":bigint", "4", Ok("4N")),
        (":bigdec", "4.7", Ok("4.7M")),
        (":bigdec", "1.00M", Ok("1.00M")),
        (":bigdec", "1/4", Ok("0.25M")),
        (":string", "4", Ok("\"4\"")),
        (":string", ":k", Ok("\":k\"")),
        (":string", "\\a", Ok("\"a\"")),
        (":string", "[1 2]", Ok("\"[1 2]\"")),
        (":keyword", "\"a/b\"", Ok(":a/b")),
        (":keyword", "a/b", Ok(":a/b")),
        (":keyword", "4", Err("type-mismatch")),
        (":symbol", ":a", Ok("a")),
        (":symbol", "\"a\"", Ok("a")),
        (":boolean", "4", Ok("true")),
        (":boolean", "false", Ok("false")),
        (":instant", "0", Ok("#inst \"1970-01-01T00:00:00.000-00:00\"")),
        (":instant", "\"x\"", Err("type-mismatch")),
        (":uuid", "\"not one\"", Err("type-mismatch")),
        (
            ":uuid",
            "\"00000000-0000-0000-0000-000000000001\"",
            Ok("#uuid \"00000000-0000-0000-0000-000000000001\""),
        ),
        (":bytes", "[0 255 -1]", Ok("#bytes \"00ffff\"")),
        (":bytes", "[256]", Err("type-mismatch")),
        (":ref", "4", Ok("4")),
        (":ref", "-4", Err("type-mismatch")),
        (":ref", "4.0", Err("type-mismatch")),
        (":ref", "[:id \"none\"]", Err("entity-missing")),
        (":pair", "[4 2.5]", Ok("[\"4\" 2]")),
        (":pair", "[\"a\"]", Err("type-mismatch")),
        (":pair", "[\"a\" nil]", Err("type-mismatch")),
        (":pair", "4", Err("type-mismatch")),
        (":list", "[\"a\" :b]", Ok("[:a :b]")),
        (":a+b", "[nil 5]", Ok("[nil \"5\"]")),
        (":any", "[nil {:a #{1}}]", Ok("[nil {:a #{1}}]")),
        (":any", "##NaN", Err("nan")),
    ];
    for (name, text, expected) in cases {
        assert_eq!(coerced(&db, name, text), expected.map(str::to_owned), "{name} {text}");
    }
}

#[test]
fn validation_takes_no_other_type() {
    let mut db = db(TYPES, "[]");
    db.set_options(DbOptions { validate_data: true, ..DbOptions::default() });
    for (name, text) in [
        (":long", "4"),
        (":double", "4.0"),
        (":bigint", "4N"),
        (":bigdec", "4M"),
        (":string", "\"x\""),
        (":boolean", "true"),
        (":pair", "[\"a\" 1]"),
        (":any", "{:a 1}"),
    ] {
        assert_eq!(coerced(&db, name, text), Ok(text.to_owned()), "{name}");
    }
    for (name, text) in
        [(":long", "4.0"), (":double", "4"), (":string", ":k"), (":boolean", "1"), (":pair", "[4 1]")]
    {
        assert_eq!(coerced(&db, name, text), Err("type-mismatch"), "{name}");
    }
}

#[test]
fn deep_values_are_refused() {
    let db = db(TYPES, "[]");
    let mut deep = Value::Nil;
    for _ in 0..crate::NESTING_MAX + 1 {
        deep = Value::Vector(vec![deep]);
    }
    let error = db.encode_for(&attribute(&db, ":any"), &deep).expect_err("too deep");
    assert_eq!(error.class(), "nested-too-deeply");
    let Value::Vector(mut allowed) = deep else { unreachable!() };
    let allowed = allowed.pop().expect("one element");
    assert_eq!(
        db.encode_for(&attribute(&db, ":any"), &allowed).expect("deep enough").decode().expect("own bytes"),
        allowed
    );
}

#[test]
fn references_of_all_kinds() {
    let db = db(TYPES, r#"[{:db/id 1 :id "A" :db/ident :first} {:db/id 2 :id "B" :boss 1}]"#);
    let entid =
        |text: &str| db.entid(&value(text)).map(|found| found.map(|e| e.0)).map_err(|error| error.class());
    assert_eq!(entid("4242"), Ok(Some(4242)));
    assert_eq!(entid(":first"), Ok(Some(1)));
    assert_eq!(entid(":nobody"), Ok(None));
    assert_eq!(entid("[:id \"B\"]"), Ok(Some(2)));
    assert_eq!(entid("(:id \"B\")"), Ok(Some(2)));
    assert_eq!(entid("[:id \"C\"]"), Ok(None));
    assert_eq!(entid("[:id nil]"), Ok(None));
    assert_eq!(entid("[:boss [:id \"A\"]]"), Ok(Some(2)), "through a lookup ref of a unique reference");
    assert_eq!(entid("[:boss :first]"), Ok(Some(2)));
    assert_eq!(entid("[:boss [:id \"C\"]]"), Ok(None));
    assert_eq!(entid("[:db/ident :first]"), Ok(Some(1)));
    assert_eq!(entid("-1"), Err("bad-db-id"));
    assert_eq!(entid("\"A\""), Err("bad-db-id"));
    assert_eq!(entid("nil"), Err("bad-db-id"));
    assert_eq!(entid("[:id]"), Err("lookup-ref-syntax"));
    assert_eq!(entid("[1 2]"), Err("lookup-ref-syntax"));
    assert_eq!(entid("[:long 1]"), Err("lookup-ref-not-unique"));
    assert_eq!(entid("[:nowhere 1]"), Err("lookup-ref-not-unique"));
    let deep = "[:boss ".repeat(50) + "1" + &"]".repeat(50);
    assert_eq!(entid(&deep), Err("lookup-ref-syntax"));
}

#[test]
fn bounds_of_integers_are_exact() {
    let db = db(TYPES, "[]");
    let bounds = |name: &str, lo: &str, hi: &str| {
        let (lo, hi) = (value(lo), value(hi));
        db.range_for(&attribute(&db, name), Some(&lo), Some(&hi)).expect("a range")
    };
    let ints = |lo, hi| ValueRange {
        lo: Bound::Included(EncodedValue::int(lo)),
        hi: Bound::Included(EncodedValue::int(hi)),
    };
    assert_eq!(bounds(":long", "30.5", "50.5"), ints(31, 50));
    assert_eq!(bounds(":long", "-30.5", "-0.5"), ints(-30, -1));
    assert_eq!(bounds(":long", "7/2", "9/2"), ints(4, 4));
    assert_eq!(bounds(":long", "3.5M", "4.5M"), ints(4, 4));
    assert_eq!(bounds(":long", "3", "4"), ints(3, 4));
    assert_eq!(bounds(":long", "##-Inf", "##Inf"), ints(i64::MIN, i64::MAX));
    let above = bounds(":long", "1e30", "2e30");
    assert!(
        !above.contains(&EncodedValue::int(i64::MAX)) && !above.contains(&EncodedValue::int(0)),
        "{above:?}"
    );
    let below = bounds(":long", "-99999999999999999999N", "-99999999999999999998N");
    assert!(!below.contains(&EncodedValue::int(i64::MIN)), "{below:?}");
    let tuples = bounds(":pair", "[\"a\"]", "[\"b\" 5]");
    assert!(tuples.contains(&encode(&value("[\"a\" 1]"))) && !tuples.contains(&encode(&value("[\"b\" 6]"))));
    assert!(db.range_for(&attribute(&db, ":long"), Some(&value("\"x\"")), None).is_err());
}

#[test]
fn datoms_by_components() {
    let db = db(
        "{:age {:db/valueType :db.type/long} :secret {:db/noindex true}}",
        "[[:db/add 4 :age 24] [:db/add 2 :age 38] [:db/add 3 :age 38] [:db/add 1 :age 52] [:db/add 1 :secret 1]]",
    );
    let rows = |result: crate::Result<Datoms<'_>>| -> Vec<(u64, Value)> {
        result
            .expect("readable")
            .map(|datom| datom.expect("a datom"))
            .map(|datom| (datom.e.0, datom.v))
            .collect()
    };
    let ave = |text: &str| rows(db.datoms(Index::Ave, value(text).as_sequence().expect("a vector")));
    assert_eq!(ave("[:age]"), [(4, 24.into()), (2, 38.into()), (3, 38.into()), (1, 52.into())]);
    assert_eq!(ave("[:age 38]"), [(2, 38.into()), (3, 38.into())]);
    assert_eq!(ave("[:age nil nil 2]"), [(4, 24.into()), (2, 38.into())]);
    assert_eq!(ave("[:age nil 3]"), [(3, 38.into())]);
    assert_eq!(ave("[:nothing]"), []);
    let age = attribute(&db, ":age");
    let range = |lo: &str, hi: &str| rows(db.index_range(&age, &value(lo), &value(hi)));
    assert_eq!(range("30.5", "50"), [(2, 38.into()), (3, 38.into())]);
    assert_eq!(range("nil", "24"), [(4, 24.into())]);
    assert_eq!(range("99", "nil"), []);
    assert_eq!(range("50", "30"), []);
    let seek = |text: &str| rows(db.rseek_datoms(Index::Ave, value(text).as_sequence().expect("a vector")));
    assert_eq!(seek("[:age 50]"), [(3, 38.into()), (2, 38.into()), (4, 24.into())]);
    let error = db.datoms(Index::Ave, &[Value::keyword(":secret")]).err().expect("refused");
    assert_eq!(error.code(), ":query/unindexed-attribute");
    assert!(matches!(Index::from_name(":vae"), Err(Error::UnknownIndex { .. })));
    assert_eq!(
        db.count(None, Some(attribute(&db, ":secret").id), Some(&encode(&1.into()))).expect("counts"),
        1
    );
}

#[test]
fn giants_are_compared_in_full() {
    let long = |end: &str| Value::from("x".repeat(3000) + end);
    let data = Value::Vector(
        ["c", "a", "b"]
            .iter()
            .enumerate()
            .map(|(at, end)| {
                Value::Vector(vec![
                    Value::keyword(":db/add"),
                    Value::Int(at as i64 + 1),
                    Value::keyword(":k"),
                    long(end),
                ])
            })
            .collect(),
    );
    let dir = tempfile::tempdir().expect("a directory");
    for store in [StoreOptions::new().open(dir.path()), StoreOptions::new().memory()] {
        let store = store.expect("opens");
        let db = store.transact(&data, Value::Nil, &TxFunctions::new()).expect("commits").db_after;
        let k = attribute(&db, ":k");
        for (end, e) in [("a", 2), ("b", 3), ("c", 1)] {
            assert_eq!(db.entities(k.id, &encode(&long(end))).expect("readable"), [e]);
        }
        assert_eq!(db.entities(k.id, &encode(&long("d"))).expect("readable"), []);
        let in_order: Vec<u64> = db
            .datoms(Index::Ave, &[Value::keyword(":k")])
            .expect("readable")
            .map(|datom| datom.expect("a datom").e.0)
            .collect();
        assert_eq!(in_order, [2, 3, 1]);
        let range =
            ValueRange { lo: Bound::Excluded(encode(&long("a"))), hi: Bound::Included(encode(&long("b"))) };
        assert_eq!(db.count_range(k.id, &range).expect("readable"), 1);
        assert_eq!(
            db.values(EntityId(1), k.id).expect("readable")[0].decode().expect("own bytes"),
            long("c")
        );
        assert!(db.check().expect("readable").is_sound());
    }
}
