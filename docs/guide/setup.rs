// Included into every recipe of the query guide.
#[allow(unused_imports)]
pub use factum::{Db, Keyword, Value, inputs};

#[allow(dead_code)]
pub fn music() -> Db {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/music.edn"));
    let file = edn_of(text);
    let part = |key: &str| file.as_map().expect("a map")[&Value::keyword(key)].clone();
    let db = Db::empty(part("schema")).expect("schema");
    db.with(&part("data")).expect("data").db_after()
}

#[allow(dead_code)]
pub fn edn_of(text: &str) -> Value {
    factum::edn::read(text).expect("EDN")
}

#[allow(dead_code)]
pub fn answers(query: &str, inputs: impl factum::IntoInputs, expected: &str) {
    let answer = music().query_with(query, inputs).unwrap_or_else(|error| panic!("{}", error.render()));
    assert_eq!(answer.to_value(), edn_of(expected));
}

#[allow(dead_code)]
pub fn answers_in_any_order(query: &str, inputs: impl factum::IntoInputs, expected: &str) {
    let answer = music().query_with(query, inputs).unwrap_or_else(|error| panic!("{}", error.render()));
    let sorted = |value: Value| {
        let mut rows = value.as_sequence().expect("rows").to_vec();
        rows.sort();
        rows
    };
    assert_eq!(sorted(answer.to_value()), sorted(edn_of(expected)));
}

/// What a transaction makes of a database: each change as `[entity attribute value]`, with `false` behind it for a fact
/// that goes.
#[allow(dead_code)]
pub fn changes(schema: &str, before: &str, tx: &str, expected: &str) {
    let db = Db::empty(schema).expect("schema").with(before).expect("before").db_after();
    let report = db.with(tx).unwrap_or_else(|error| panic!("{}", error.render()));
    let changes = report.tx_data().iter().map(|datom| {
        let name = report.db_after().schema().by_id(datom.a).expect("a name").ident.clone();
        let mut parts = vec![datom.e.into(), Value::Keyword(name), datom.v.clone()];
        if !datom.added {
            parts.push(Value::Bool(false));
        }
        Value::Vector(parts)
    });
    assert_eq!(Value::Vector(changes.collect()), edn_of(expected));
}

/// A transaction that changes nothing, and what is said about it.
#[allow(dead_code)]
pub fn refuses(schema: &str, before: &str, tx: &str, said: &str) {
    let db = Db::empty(schema).expect("schema").with(before).expect("before").db_after();
    let error = db.with(tx).expect_err("it must be refused");
    assert!(error.render().contains(said), "{}", error.render());
}
