//! EDN values as JSON.

use edn::Value;
use serde_json::{Map, Number, Value as Json};

/// The nearest JSON: keywords and symbols become text, sets and lists arrays, keys text. Numbers that JSON readers
/// would not keep exactly become text, too.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
        Value::Str(text) => Json::from(&**text),
        Value::Keyword(keyword) => Json::from(keyword.as_str()),
        Value::Symbol(symbol) => Json::from(symbol.as_str()),
        Value::Char(c) => Json::from(c.to_string()),
        Value::Uuid(uuid) => Json::from(uuid.to_string()),
        Value::BigInt(value) => Json::from(value.to_string()),
        Value::Decimal(value) => Json::from(value.to_string()),
        Value::Ratio(value) => Json::from(value.to_string()),
        Value::List(items) | Value::Vector(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Set(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(entries) => Json::Object(
            entries.iter().map(|(key, value)| (key_text(key), to_json(value))).collect::<Map<_, _>>(),
        ),
        Value::Inst(_) | Value::Bytes(_) => match tagged_text(value) {
            Some(text) => Json::from(text),
            None => Json::from(value.to_string()),
        },
        Value::Tagged(_, inner) => to_json(inner),
    }
}

fn key_text(key: &Value) -> String {
    match to_json(key) {
        Json::String(text) => text,
        _ => key.to_string(),
    }
}

/// The text inside `#inst "..."` and `#bytes "..."`.
fn tagged_text(value: &Value) -> Option<String> {
    let printed = value.to_string();
    let (_, text) = printed.split_once('"')?;
    Some(text.strip_suffix('"')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_json() {
        let value =
            edn::read(r#"{:person/name "Ann" :tags #{:a} 1 [nil true 1.5 2N #inst "2020-01-01"] :k sym}"#);
        let json = to_json(&value.expect("valid EDN"));
        let expected = r#"{"1":[null,true,1.5,"2","2020-01-01T00:00:00.000-00:00"],"k":"sym","person/name":"Ann","tags":["a"]}"#;
        assert_eq!(json, serde_json::from_str::<Json>(expected).expect("valid JSON"));
    }
}
