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
