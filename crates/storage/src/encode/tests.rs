//! The format is frozen, the order is that of values, and nothing panics on damaged bytes.

use std::collections::{BTreeMap, BTreeSet};

use bigdecimal::BigDecimal;
use edn::{Keyword, Symbol, Value};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;

use super::*;

fn cases() -> ProptestConfig {
    let cases = std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn big(text: &str) -> BigInt {
    text.parse().expect("digits")
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse::<BigDecimal>().expect("a decimal"))
}

fn ratio(numerator: i64, denominator: i64) -> Value {
    Value::Ratio(BigRational::new(numerator.into(), denominator.into()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Changing any of these changes the file format.
#[test]
fn bytes_are_frozen() {
    let vector = |items: Vec<Value>| Value::Vector(items);
    let map = Value::Map(BTreeMap::from([(Value::keyword("k"), 1.into())]));
    let cases: Vec<(Value, &str)> = vec![
        (Value::Nil, "02"),
        (false.into(), "03"),
        (true.into(), "04"),
        (0.into(), "10"),
        (1.into(), "11 01"),
        (255.into(), "11 ff"),
        (256.into(), "12 01 00"),
        (i64::MAX.into(), "18 7f ff ff ff ff ff ff ff"),
        ((-1).into(), "0f fe"),
        ((-255).into(), "0f 00"),
        ((-256).into(), "0e fe ff"),
        (i64::MIN.into(), "08 7f ff ff ff ff ff ff ff"),
        (Value::BigInt(0.into()), "20 80"),
        (Value::BigInt(255.into()), "20 81 ff"),
        (Value::BigInt((-255).into()), "20 7e 00"),
        (ratio(1, 3), "22 80 7e fc ff"),
        (ratio(-1, 3), "22 7e fe 7e fe 81 02 00"),
        (0.0.into(), "24 80 00 00 00 00 00 00 00"),
        ((-0.0).into(), "24 80 00 00 00 00 00 00 00"),
        (1.5.into(), "24 bf f8 00 00 00 00 00 00"),
        ((-1.5).into(), "24 40 07 ff ff ff ff ff ff"),
        (f64::NAN.into(), "24 ff f8 00 00 00 00 00 00"),
        (decimal("0"), "26 02 10"),
        (decimal("1.0"), "26 03 11 01 0b 00 11 01"),
        (decimal("1.00"), "26 03 11 01 0b 00 11 02"),
        (decimal("-12.5"), "26 01 ee fd f2 cc ff 11 01"),
        (Value::Inst(0), "30"),
        (Value::Inst(1_551_398_400_000), "36 01 69 36 8c f0 00"),
        (Value::Inst(-1), "2f fe"),
        (
            Value::Uuid(uuid::Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)),
            "40 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10",
        ),
        ('a'.into(), "42 61"),
        ("a\0b".into(), "44 61 00 62"),
        (Value::keyword("k"), "46 6b"),
        (Value::keyword("n/k"), "47 6e 00 6b"),
        (Value::symbol("k"), "48 6b"),
        (Value::symbol("n/k"), "49 6e 00 6b"),
        (Value::Bytes([0, 255].as_slice().into()), "4a 00 ff"),
        (vector(vec![]), "50"),
        (vector(vec![1.into(), "a\0b".into()]), "50 11 01 44 61 00 ff 62 00"),
        (vector(vec![vector(vec![1.into()]), Value::keyword("n/k")]), "50 50 11 01 00 47 6e 00 6b 00"),
        (Value::List(vec![Value::Nil]), "52 02"),
        (Value::Set(BTreeSet::from([1.into(), 2.into()])), "54 11 01 11 02"),
        (map, "56 46 6b 00 11 01"),
        (
            Value::Tagged(Symbol::from("my/tag"), Box::new(vector(vec![1.into()]))),
            "58 49 6d 79 00 74 61 67 00 50 11 01 00",
        ),
    ];
    for (value, expected) in cases {
        let encoded = encode(&value);
        assert_eq!(hex(&encoded), expected, "{value:?}");
        assert_eq!(decode(&encoded).expect("own bytes"), value);
    }
}

#[test]
fn numbers_are_ordered_across_lengths() {
    let mut ints: Vec<i64> = (0..63).flat_map(|bit| [-1i64, 0, 1].map(|by| (1i64 << bit) + by)).collect();
    ints.extend(ints.clone().into_iter().map(|int| -int));
    ints.extend([i64::MIN, i64::MAX]);
    assert_ordered(ints.into_iter().map(Value::Int).collect());

    let hundred = "1".to_owned() + &"0".repeat(400);
    let bigs = ["0", "1", "-1", "255", "256", "-255", "-256", "18446744073709551616", &hundred];
    assert_ordered(bigs.iter().flat_map(|text| [big(text), -big(text)]).map(Value::BigInt).collect());

    let doubles =
        [0.0, 1.0, -1.0, f64::MIN_POSITIVE, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    assert_ordered(doubles.into_iter().map(Value::Float).collect());

    let mut ratios = Vec::new();
    for denominator in 2..30 {
        ratios.extend((-60..60).map(|numerator| ratio(numerator, denominator)));
    }
    assert_ordered(ratios);

    let decimals = [
        "0", "0.0", "0.00", "1", "1.0", "1.00", "10", "1e1", "1e-5", "0.1", "0.12", "0.123", "99", "100",
        "9.99",
    ];
    let negated = decimals.iter().map(|text| format!("-{text}"));
    assert_ordered(
        decimals.iter().map(|text| (*text).to_owned()).chain(negated).map(|text| decimal(&text)).collect(),
    );
}

fn assert_ordered(values: Vec<Value>) {
    let mut encoded: Vec<(EncodedValue, Value)> =
        values.into_iter().map(|value| (encode(&value), value)).collect();
    encoded.sort();
    for (bytes, value) in &encoded {
        assert_eq!(decode(bytes).expect("own bytes"), *value);
    }
    for pair in encoded.windows(2) {
        // Sorted by bytes: the values must be sorted too, and equal where the bytes are.
        assert_eq!(pair[0].1.cmp(&pair[1].1), pair[0].0.cmp(&pair[1].0), "{:?} {:?}", pair[0].1, pair[1].1);
    }
}

#[test]
fn names_sort_plain_first() {
    let names = ["b", "a/z", "a", "a/b", "aa/b", "a-/b", "z"];
    assert_ordered(names.iter().map(|name| Value::keyword(name)).collect());
    assert_ordered(names.iter().map(|name| Value::symbol(name)).collect());
}

#[test]
fn nesting_costs_no_stack() {
    let mut value = Value::Nil;
    for _ in 0..NESTING_MAX {
        value = Value::Vector(vec![value]);
    }
    assert_eq!(decode(&encode(&value)).expect("as deep as allowed"), value);
    assert!(decode(&vec![tags::VECTOR; NESTING_MAX + 1]).is_err());
    assert!(decode(&vec![tags::VECTOR; 1 << 20]).is_err());
}

#[test]
fn giants_keep_prefix_and_identity() {
    let text = "x".repeat(INLINE_MAX - 1);
    let (inline, giant) = (encode(&Value::str(text.as_str())), encode(&Value::str(text.clone() + "y")));
    let mut buffer = [0; INDEX_LEN_MAX];
    assert_eq!(index_form(&inline, &mut buffer), inline.as_bytes());
    assert!(!is_giant_index(&inline));
    let index = index_form(&giant, &mut buffer);
    assert_eq!(index.len(), INDEX_LEN_MAX);
    assert!(is_giant_index(index));
    assert_eq!(index[..PREFIX_LEN], giant[..PREFIX_LEN]);
    assert_eq!(hash_of_index(index).expect("a giant"), blake3::hash(&giant).as_bytes());
    assert!(hash_of_index(&inline).is_err());
    // The hash is part of the format.
    assert_eq!(hex(&index[PREFIX_LEN..PREFIX_LEN + 4]), hex(&blake3::hash(&giant).as_bytes()[..4]));
}

#[test]
fn short_and_long_representations_agree() {
    for len in [0, 1, SHORT_MAX - 2, SHORT_MAX - 1, SHORT_MAX, SHORT_MAX + 1, 500] {
        let text = "é".repeat(len / 2) + &"a".repeat(len % 2);
        let direct = EncodedValue::str(&text);
        let mut bytes = Vec::new();
        encode_into(&Value::str(text.as_str()), &mut bytes);
        assert_eq!(direct.as_bytes(), bytes);
        assert_eq!(decode_str(&direct), Some(text.as_str()));
        assert_eq!(direct.clone().into_arc()[..], bytes);
    }
    assert_eq!(std::mem::size_of::<EncodedValue>(), 24);
    assert_eq!(decode_int(&EncodedValue::int(-7)), Some(-7));
    assert_eq!(decode_int(&EncodedValue::str("7")), None);
    assert_eq!(decode_float(&EncodedValue::float(2.5)), Some(2.5));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,3}", "[a-z\\-\\.\u{e9}\0]{1,6}"]
}

fn scalar() -> impl Strategy<Value = Value> {
    let number = prop_oneof![any::<i64>(), -300i64..300, Just(i64::MIN), Just(i64::MAX)];
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        number.clone().prop_map(Value::Int),
        (number.clone(), 0u32..4).prop_map(|(n, power)| Value::BigInt(BigInt::from(n).pow(power))),
        (number.clone(), 1i64..50).prop_map(|(n, d)| {
            // An integer is no ratio in EDN, but the encoding does not mind.
            Value::Ratio(BigRational::new(n.into(), d.into()))
        }),
        any::<f64>().prop_map(Value::Float),
        (-20i64..20).prop_map(|n| Value::Float(n as f64 / 4.0)),
        (number.clone(), -30i64..30).prop_map(|(n, scale)| Value::Decimal(BigDecimal::new(n.into(), scale))),
        (-300i64..300, -3i64..3).prop_map(|(n, scale)| Value::Decimal(BigDecimal::new(n.into(), scale))),
        any::<char>().prop_map(Value::Char),
        "[ab\0\u{ff}]{0,4}".prop_map(|text| Value::str(text.as_str())),
        ".{0,30}".prop_map(|text| Value::str(text.as_str())),
        (proptest::option::of(name()), name())
            .prop_map(|(ns, name)| Value::Keyword(Keyword::new(ns.as_deref(), &name))),
        (proptest::option::of(name()), name())
            .prop_map(|(ns, name)| Value::Symbol(Symbol::new(ns.as_deref(), &name))),
        number.prop_map(Value::Inst),
        any::<u128>().prop_map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits))),
        proptest::collection::vec(prop_oneof![Just(0u8), Just(255u8), any::<u8>()], 0..8)
            .prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Vector),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_set(inner.clone(), 0..4).prop_map(Value::Set),
            proptest::collection::btree_map(inner.clone(), inner.clone(), 0..4).prop_map(Value::Map),
            (name(), inner).prop_map(|(tag, value)| Value::Tagged(Symbol::parse(&tag), Box::new(value))),
        ]
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn decodes_to_itself(value in value()) {
        let encoded = encode(&value);
        prop_assert_eq!(decode(&encoded).expect("own bytes"), value);
    }

    #[test]
    fn byte_order_is_value_order(values in proptest::collection::vec(value(), 2..12)) {
        let encoded: Vec<EncodedValue> = values.iter().map(encode).collect();
        for (a, ea) in values.iter().zip(&encoded) {
            for (b, eb) in values.iter().zip(&encoded) {
                prop_assert_eq!(a.cmp(b), ea.cmp(eb), "{:?} {:?}", a, b);
            }
        }
    }

    #[test]
    fn damaged_bytes_never_panic(
        value in value(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(&value).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = decode(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = decode(&bytes);
    }
}
