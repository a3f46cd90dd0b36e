//! Generated values go through every way of writing them down and must come back equal.

use bigdecimal::BigDecimal;
use factum_edn::{
    Form, Keyword, Limits, Reader, Symbol, Value, from_value, pretty, read, read_form, to_value,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;

/// Cases per property; `FACTUM_CASES` asks for longer runs.
fn config() -> ProptestConfig {
    let cases = std::env::var("FACTUM_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn big_int() -> impl Strategy<Value = BigInt> {
    prop_oneof![
        any::<i64>().prop_map(BigInt::from),
        (any::<i128>(), 0u32..20)
            .prop_map(|(value, power)| BigInt::from(value) * BigInt::from(10u8).pow(power)),
    ]
}

/// Names as people write them, and names that need the printer's escapes.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z0-9*+!_?<>=.-]{0,8}",
        4 => "[a-z][a-z.]{0,5}/[a-zäß0-9-]{1,5}",
        1 => "[+.'#:0-9a-z/ -]{0,6}",
        1 => any::<String>(),
        1 => prop::sample::select(vec![
            "nil", "true", "/", "a//", "//", "-1", "+", "-", "1N", "inst", "uuid", "bytes", "keyword", "symbol",
            "tagged", "regex", "_", "_/a", "a/b/c", ":a", "a:", "", ".5", "##NaN", "'a", "a'",
        ]).prop_map(str::to_owned),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-20i64..20).prop_map(Value::Int),
        big_int().prop_map(Value::BigInt),
        (big_int(), 2i64..1000).prop_filter_map("an integer is no ratio", |(numerator, denominator)| {
            let ratio = BigRational::new(numerator, denominator.into());
            (!ratio.is_integer()).then_some(Value::Ratio(ratio))
        }),
        any::<f64>().prop_map(Value::Float),
        prop::num::f64::ANY.prop_map(Value::Float),
        (big_int(), -40i64..40).prop_map(|(digits, scale)| Value::Decimal(BigDecimal::new(digits, scale))),
        any::<char>().prop_map(Value::Char),
        (0u8..128).prop_map(|code| Value::Char(code.into())),
        any::<String>().prop_map(Value::from),
        "[ -~\n\t\"\\\\]{0,12}".prop_map(Value::from),
        name().prop_map(|text| Value::Keyword(Keyword::parse(&text))),
        name().prop_map(|text| Value::Symbol(Symbol::parse(&text))),
        any::<i64>().prop_map(Value::Inst),
        (-62_200_000_000_000i64..253_500_000_000_000).prop_map(Value::Inst),
        any::<u128>().prop_map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits))),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 40, 6, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            items().prop_map(Value::List),
            items().prop_map(Value::Vector),
            items().prop_map(|items| Value::Set(items.into_iter().collect())),
            prop::collection::btree_map(inner.clone(), inner.clone(), 0..6).prop_map(Value::Map),
            (name(), inner).prop_map(|(tag, value)| Value::Tagged(Symbol::parse(&tag), Box::new(value))),
        ]
    })
}

/// Equal, and with equal hashes.
fn same(left: &Value, right: &Value) -> bool {
    use std::hash::{BuildHasher, RandomState};
    let state = RandomState::new();
    left == right && state.hash_one(left) == state.hash_one(right)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn printed_values_read_back(value in value()) {
        let text = value.to_string();
        prop_assert!(!text.contains('\n'));
        let back = read(&text).map_err(|error| TestCaseError::fail(error.render(&text)))?;
        prop_assert!(same(&back, &value), "{text} came back as {back}");
        // Once canonical, text stays as it is.
        prop_assert_eq!(back.to_string(), text);
    }

    #[test]
    fn forms_agree_with_values(value in value()) {
        let form = Form::from(&value);
        prop_assert!(same(&form.to_value(), &value));
        let text = value.to_string();
        prop_assert_eq!(form.to_string(), text.clone());
        let read = read_form(&text).unwrap();
        prop_assert_eq!((read.span.start, read.span.end), (0, text.len()));
        prop_assert!(same(&read.to_value(), &value));
    }

    #[test]
    fn pretty_text_reads_back_and_keeps_to_its_width(value in value(), width in 0usize..120) {
        let text = pretty(&value, width);
        let back = read(&text).map_err(|error| TestCaseError::fail(error.render(&text)))?;
        prop_assert!(same(&back, &value), "{text}");
        let line = value.to_string();
        if line.chars().count() <= width {
            prop_assert_eq!(text, line);
        }
    }

    #[test]
    fn serde_keeps_values(value in value()) {
        let through = to_value(&value).unwrap();
        prop_assert!(same(&through, &value), "to_value: {through}");
        let back: Value = from_value(value.clone()).unwrap();
        prop_assert!(same(&back, &value), "from_value: {back}");
        let back: Vec<Option<Value>> = from_value(Value::Vector(vec![value.clone()])).unwrap();
        prop_assert_eq!(back[0].clone().unwrap_or_default(), value);
    }

    #[test]
    fn any_text_gives_an_answer(text in any::<String>()) {
        survives(&text)?;
    }

    #[test]
    fn text_of_edn_characters_gives_an_answer(
        text in "([\\[\\](){}#_^'\"\\\\:/ ,;nil0-9a-zNMeE.+-]|#inst|#uuid|\\\\u|##|#_|#:a|\\n){0,40}"
    ) {
        survives(&text)?;
    }

    #[test]
    fn cutting_a_text_never_confuses_the_reader(value in value(), cut in any::<prop::sample::Index>()) {
        let text = value.to_string();
        let mut at = cut.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        survives(&text[..at])?;
        survives(&text[at..])?;
    }
}

/// Both ways of reading agree, spans lie in the text, errors render, and what is read prints and reads again.
fn survives(text: &str) -> Result<(), TestCaseError> {
    let forms: Result<Vec<Form>, _> = Reader::new(text).with_quote(true).collect();
    let values: Result<Vec<Value>, _> = Reader::new(text).with_quote(true).values().collect();
    match (forms, values) {
        (Ok(forms), Ok(values)) => {
            prop_assert_eq!(forms.len(), values.len());
            for (form, value) in forms.iter().zip(&values) {
                prop_assert!(text.get(form.span.start..form.span.end).is_some());
                prop_assert_eq!(&form.to_value(), value);
                prop_assert_eq!(&read(&value.to_string()).expect("printed text reads"), value);
            }
        }
        (Err(left), Err(right)) => {
            prop_assert_eq!(&left, &right);
            prop_assert!(text.get(left.span().start..left.span().end).is_some(), "{left:?}");
            prop_assert!(left.render(text).starts_with("error["));
            // The caret of an error stands under the text it means.
            prop_assert!(!left.to_string().is_empty());
        }
        (left, right) => prop_assert!(false, "{left:?} but {right:?}"),
    }
    Ok(())
}

#[test]
fn serde_survives_the_deepest_values() {
    let text = format!("{}1{}", "[".repeat(Limits::MAX_DEPTH), "]".repeat(Limits::MAX_DEPTH));
    let limits = Limits { depth: Limits::MAX_DEPTH, ..Limits::default() };
    let value = Reader::new(&text).with_limits(limits).next_value().unwrap().unwrap();
    let work = move || {
        assert_eq!(to_value(&value).unwrap(), value);
        assert_eq!(from_value::<Value>(value.clone()).unwrap(), value);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}
