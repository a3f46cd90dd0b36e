//! The serde bridge, by example.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use factum_edn::{ErrorKind, Keyword, Span, Symbol, Value, from_str, from_value, read, to_value};
use serde::{Deserialize, Serialize};

fn edn(text: &str) -> Value {
    read(text).expect("EDN")
}

/// Writes to the text, and reads back from it.
fn both<T>(value: T, text: &str)
where
    T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    assert_eq!(to_value(&value).expect("serializable"), edn(text), "{value:?}");
    assert_eq!(from_str::<T>(text).expect("deserializable"), value, "{text}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Metres(f64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(i64, String);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    Dot,
    Circle(f64),
    Rectangle(i64, i64),
    RoundedBox { width: i64, radius: Option<i64> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    #[serde(rename = "person/name")]
    name: String,
    #[serde(default)]
    age: Option<u8>,
}

#[test]
fn plain_types_both_ways() {
    both((), "nil");
    both(true, "true");
    both(-3i8, "-3");
    both(u64::MAX, "18446744073709551615N");
    both(i128::MIN, "-170141183460469231731687303715884105728N");
    both(u128::MAX, "340282366920938463463374607431768211455N");
    both(1.5f32, "1.5");
    both('x', "\\x");
    both("text".to_owned(), "\"text\"");
    both(Some(1), "1");
    both(None::<i64>, "nil");
    both(vec![1, 2], "[1 2]");
    both((1, "a".to_owned(), true), "[1 \"a\" true]");
    both(BTreeMap::from([("a".to_owned(), 1)]), "{\"a\" 1}");
    both(BTreeMap::from([(1, vec![2])]), "{1 [2]}");
    both(Keyword::from(":person/name"), ":person/name");
    both(Symbol::from("?x"), "?x");
    both(Unit, "nil");
    both(Metres(2.0), "2.0");
    both(Pair(1, "a".into()), "[1 \"a\"]");
    both(BTreeMap::from([(Keyword::from("a"), Symbol::from("b"))]), "{:a b}");
}

#[test]
fn enums_both_ways() {
    both(Shape::Dot, ":dot");
    both(Shape::Circle(1.5), "{:circle 1.5}");
    both(Shape::Rectangle(1, 2), "{:rectangle [1 2]}");
    both(Shape::RoundedBox { width: 3, radius: None }, "{:rounded-box {:width 3 :radius nil}}");
    for text in ["dot", "\"dot\"", ":shape/dot", "{:dot nil}"] {
        assert_eq!(from_str::<Shape>(text).unwrap(), Shape::Dot, "{text}");
    }
    for text in [":square", "{:dot 1}", ":circle", "{:dot nil :circle 1}", "7", "{1 2}"] {
        assert!(from_str::<Shape>(text).is_err(), "{text}");
    }
}

#[test]
fn structs_take_keyword_and_string_keys() {
    let ann = Person { name: "Ann".into(), age: Some(7) };
    both(Person { name: "Ann".into(), age: Some(7) }, "{:person/name \"Ann\" :age 7}");
    for text in [
        "{:person/name \"Ann\" :person/age 7}",
        "{\"person/name\" \"Ann\" \"age\" 7 :db/id 1}",
        "{:person/name \"Ann\" :age 7 [1] 2, 3 4}",
        "[\"Ann\" 7]",
    ] {
        assert_eq!(from_str::<Person>(text).unwrap_or_else(|error| panic!("{text}: {error}")), ann);
    }
    assert!(from_str::<Person>("{:name \"Ann\"}").is_err(), "the field is called person/name");
    let error = from_str::<Person>("{:person/name \"A\" :person/age 1 :dog/age 2}").unwrap_err();
    assert!(error.to_string().contains("both :dog/age and :person/age fit the field `age`"), "{error}");
}

#[test]
fn sequences_take_lists_sets_and_bytes() {
    for text in ["[1 2]", "(1 2)", "#{2 1}", "#bytes \"0102\""] {
        assert_eq!(from_str::<Vec<u8>>(text).unwrap(), [1, 2], "{text}");
        assert_eq!(from_str::<(i64, i64)>(text).unwrap(), (1, 2), "{text}");
    }
    assert_eq!(
        from_str::<BTreeSet<String>>("#{:a/b c \"d\"}").unwrap().into_iter().collect::<Vec<_>>(),
        ["a/b", "c", "d"]
    );
    assert!(from_str::<(i64, i64)>("[1 2 3]").is_err());
    assert!(from_str::<(i64, i64)>("[1]").is_err());
}

#[test]
fn numbers_and_texts_convert_where_nothing_is_lost() {
    assert_eq!(from_str::<f64>("1").unwrap(), 1.0);
    assert_eq!(from_str::<f64>("1/4").unwrap(), 0.25);
    assert_eq!(from_str::<f64>("1.50M").unwrap(), 1.5);
    assert_eq!(from_str::<u8>("255N").unwrap(), 255);
    assert_eq!(from_str::<String>("1.50M").unwrap(), "1.50");
    assert_eq!(from_str::<String>(":a/b").unwrap(), "a/b");
    assert_eq!(from_str::<String>("#inst \"2020\"").unwrap(), "2020-01-01T00:00:00.000Z");
    assert_eq!(from_str::<i64>("#inst \"1970-01-01T00:00:01Z\"").unwrap(), 1000);
    assert_eq!(from_str::<HashMap<String, i64>>("{:a/b 1}").unwrap(), HashMap::from([("a/b".into(), 1)]));
    for (text, what) in [("256", "u8"), ("-1", "u8"), ("1.0", "u8"), ("\"1\"", "u8")] {
        assert!(from_str::<u8>(text).is_err(), "{text} as {what}");
    }
    assert!(from_str::<String>("1").is_err());
    assert!(from_str::<Keyword>("symbol").is_err());
}

#[test]
fn errors_lead_to_the_place() {
    let text = "{:rows [{:person/name \"A\"}\n        {:person/name :b :age :c}]}";
    let error = from_str::<BTreeMap<String, Vec<Person>>>(text).unwrap_err();
    assert_eq!(&text[error.span().start..error.span().end], ":c");
    assert_eq!(error.code(), ":edn/shape");
    assert_eq!(error.class(), "type-mismatch");
    let ErrorKind::Shape { path, .. } = error.kind() else { panic!() };
    assert_eq!(path, &[Value::keyword("rows"), 1.into(), Value::keyword("age")]);
    assert_eq!(
        error.render(text),
        "error[:edn/shape]: invalid type: string \"c\", expected u8 at [:rows 1 :age] (line 2, column 31)\n  \
           1 | {:rows [{:person/name \"A\"}\n  \
           2 |         {:person/name :b :age :c}]}\n    \
             |                               ^^\n"
    );
    let error = from_value::<Vec<Shape>>(edn("[:dot {:rounded-box {:width \"wide\"}}]")).unwrap_err();
    assert_eq!(error.span(), Span::default());
    assert!(error.to_string().ends_with("at [1 :rounded-box :width]"), "{error}");
    assert!(error.render("").starts_with("error[:edn/shape]: "));
}

#[test]
fn values_inside_of_types_stay_exact() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Fact {
        e: i64,
        a: Keyword,
        v: Value,
    }
    for v in
        ["nil", ":k", "s", "(1)", "#{1}", "{:a #{b}}", "1.0M", "2N", "1/2", "#t 1", "#inst \"2020\"", "\\a"]
    {
        both(Fact { e: 1, a: "a/b".into(), v: edn(v) }, &format!("{{:e 1 :a :a/b :v {v}}}"));
    }
}

#[test]
fn json_sees_plain_data() {
    let value =
        edn("{:name \"Ann\" :tags #{:a/b} :at #inst \"2020\" :big 12N :dec 1.50M :half 1/2 :list (1 nil)
          :id #uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\" :raw #bytes \"00ff\" :t #x 1 :c \\c 7 8}");
    assert_eq!(
        serde_json::to_value(&value).unwrap(),
        serde_json::json!({
            "7": 8, "name": "Ann", "tags": ["a/b"], "at": "2020-01-01T00:00:00.000Z", "big": "12",
            "dec": "1.50", "half": "1/2", "list": [1, null], "raw": "00ff", "t": ["x", 1], "c": "c",
            "id": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        })
    );
    let back: Value =
        serde_json::from_str(r#"{"a": [1, 2.5, null, true, "x", 18446744073709551615]}"#).unwrap();
    assert_eq!(back, edn("{\"a\" [1 2.5 nil true \"x\" 18446744073709551615N]}"));
    assert_eq!(serde_json::from_str::<Keyword>("\":a/b\"").unwrap(), Keyword::from("a/b"));
    assert_eq!(serde_json::to_string(&Keyword::from("a/b")).unwrap(), "\"a/b\"");
}

#[test]
fn flattened_and_untagged_types_work() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Open {
        id: i64,
        #[serde(flatten)]
        rest: HashMap<String, Value>,
    }
    let open: Open = from_str("{:id 1 :person/age 7}").unwrap();
    assert_eq!(open, Open { id: 1, rest: HashMap::from([("person/age".into(), Value::Int(7))]) });

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum IntOrText {
        Int(i64),
        Text(String),
    }
    assert_eq!(
        from_str::<Vec<IntOrText>>("[1 \"a\" :b]").unwrap(),
        [IntOrText::Int(1), IntOrText::Text("a".into()), IntOrText::Text("b".into())]
    );
}
