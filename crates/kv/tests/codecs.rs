//! Bytes of keys and values: their order is the order of the values, they read back equal, and the static and
//! the dynamic codecs agree on them.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of tests fail the test")]

use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use edn::Value;
use factum_kv::codec::{
    BigEndianU64, BigInteger, Blob, Boolean, Buffer, Codec, CodecError, Data, DataWith, Decimal, Decoder,
    Double, Encoder, Float, ForHeed, FromHeed, Id, Instant, KeyType, Keyword, Long, Many, NativeU64, Raw,
    Str, Symbol, Tuple, TypeHandler, TypeHandlers, Utf8, Utf8Z, Uuid,
};
use num_bigint::BigInt;
use proptest::prelude::*;

fn cases() -> u32 {
    std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

fn bytes<C: Codec>(codec: &C, item: C::In<'_>) -> Vec<u8> {
    codec.encode(item, &mut Buffer::new()).expect("encodable").to_vec()
}

fn error<C: Codec>(codec: &C, item: C::In<'_>) -> CodecError {
    codec.encode(item, &mut Buffer::new()).expect_err("refused")
}

fn type_of(text: &str) -> KeyType {
    KeyType::from_value(&edn::read(text).expect("EDN")).expect("a type")
}

/// Encodes both by the dynamic codec and compares with the values; also reads them back.
fn check_pair(name: &str, a: &Value, b: &Value, order: Ordering) {
    let key_type = type_of(name);
    let (x, y) = (bytes(&key_type, a), bytes(&key_type, b));
    assert_eq!(x.cmp(&y), order, "{name}: {a} {b}\n{x:02x?}\n{y:02x?}");
    assert_eq!(&key_type.decode(&x).expect("decodable"), a, "{name}");
    assert_eq!(&key_type.decode(&y).expect("decodable"), b, "{name}");
}

fn check_all(name: &str, ascending: &[Value]) {
    for (i, a) in ascending.iter().enumerate() {
        for (j, b) in ascending.iter().enumerate() {
            check_pair(name, a, b, i.cmp(&j));
        }
    }
}

#[test]
fn the_documented_bytes() {
    let check = |name: &str, value: &str, expected: &str| {
        let hex: String = bytes(&type_of(name), &edn::read(value).expect("EDN"))
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        assert_eq!(hex, expected.replace(' ', ""), "{name} {value}");
    };
    check(":long", "5", "C1 0000000000000005");
    check(":long", "-1", "C0 FFFFFFFFFFFFFFFF");
    check(":id", "1", "8000000000000001");
    check(":id", "-1", "7FFFFFFFFFFFFFFF");
    check(":keyword", ":a/b", "FB 61 00 62");
    check(":keyword", ":b", "FB 00 62");
    check(":symbol", "b", "FC 00 62");
    check(":double", "-0.0", "F6 8000000000000000");
    check(":double", "-1.0", "F6 400FFFFFFFFFFFFF");
    check(":float", "1.0", "F5 BF800000");
    check(":bigint", "1N", "F1 81 01");
    check(":bigint", "-1N", "F1 7E FF");
    check(":bigdec", "12.50M", "F2 FF 80000002 0D 33 00 80000002");
    check(":bigdec", "-12.50M", "F2 00 7FFFFFFD F2 CC FF 80000002");
    check(":bigdec", "0.0M", "F2 80 80000001");
    check(":string", "\"ab\"", "FA 61 62");
    check(":boolean", "false", "FD 01");
    check(":boolean", "true", "FD 02");
    check(":instant", "#inst \"1970-01-01T00:00:00.001Z\"", "F7 8000000000000001");
    check(":uuid", "#uuid \"00112233-4455-6677-8899-aabbccddeeff\"", "F9 00112233445566778899AABBCCDDEEFF");
    check("[:long]", "[-1 1]", "F3 C0FFFFFFFFFFFFFFFF C10000000000000001");
    check("[:string :boolean]", "[\"a\\u0000\" true]", "F4 FA 61 00FF 0000 FD02");
    check(":data", "{:a [1 nil]}", "12 01 E161 10 02 81 00");
}

#[test]
fn the_edges_of_every_type_are_in_order() {
    let longs: Vec<_> =
        [i64::MIN, i64::MIN + 1, -256, -255, -1, 0, 1, 255, 256, i64::MAX].map(Value::Int).to_vec();
    check_all(":long", &longs);
    check_all(":id", &longs);
    let instants: Vec<_> = [i64::MIN, -86_400_000, -1, 0, 1, i64::MAX].map(Value::Inst).to_vec();
    check_all(":instant", &instants);
    let doubles = [
        f64::NEG_INFINITY,
        f64::MIN,
        -1.5,
        -1.0,
        -f64::MIN_POSITIVE,
        -5e-324,
        0.0,
        5e-324,
        f64::MIN_POSITIVE,
        1.0,
        1.0 + f64::EPSILON,
        f64::MAX,
        f64::INFINITY,
    ];
    check_all(":double", &doubles.map(Value::Float));
    let floats =
        [f32::NEG_INFINITY, f32::MIN, -1.0, -1e-45, 0.0, 1e-45, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY];
    check_all(":float", &floats.map(|float| Value::Float(f64::from(float))));
    let power = |bits: u32| BigInt::from(1) << bits;
    let integers = [
        -power(1015),
        -power(64),
        -power(63) - 1,
        -power(63),
        (-256).into(),
        (-129).into(),
        (-128).into(),
        (-1).into(),
        0.into(),
        1.into(),
        127.into(),
        128.into(),
        255.into(),
        256.into(),
        power(63),
        power(64),
        power(1015) - 1,
    ];
    check_all(":bigint", &integers.map(Value::BigInt));
    let texts = [
        "",
        "\0",
        "\0\0",
        "\0a",
        "a",
        "a\0",
        "a\0b",
        "aa",
        "b",
        "z",
        "é",
        "\u{FFFF}",
        "\u{10000}",
        "\u{10FFFF}",
    ];
    check_all(":string", &texts.map(Value::str));
    let blobs: [&[u8]; 7] = [&[], &[0], &[0, 0], &[0, 0xFF], &[1], &[0xFF], &[0xFF, 0]];
    check_all(":bytes", &blobs.map(|bytes| Value::Bytes(bytes.into())));
    let names = [":a", ":b", ":a/a", ":a/b", ":a.b/a", ":ab/a", ":b/a"];
    check_all(":keyword", &names.map(Value::keyword));
    check_all(":symbol", &names.map(|name| Value::symbol(&name[1..])));
    check_all(":boolean", &[Value::Bool(false), Value::Bool(true)]);
    let uuids = [0, 1, 1 << 64, u128::MAX / 2 + 1, u128::MAX];
    check_all(":uuid", &uuids.map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits))));
    let decimals = [
        "-1E+2000000000",
        "-100",
        "-99.9",
        "-10",
        "-1.01",
        "-1",
        "-1.0",
        "-0.1",
        "-1E-2000000000",
        "0",
        "0.0",
        "0.00",
        "1E-2000000000",
        "0.09",
        "0.1",
        "0.10",
        "0.11",
        "1",
        "1.0",
        "1.00",
        "1.01",
        "2",
        "9.99",
        "10",
        "10.0",
        "123456789",
        "1E+10",
        "1E+2000000000",
    ];
    check_all(":bigdec", &decimals.map(|text| Value::Decimal(text.parse().expect("a decimal"))));
}

#[test]
fn tuples_compare_element_by_element_whatever_their_length_and_sign() {
    let value = |text: &str| edn::read(text).expect("EDN");
    check_all("[:long]", &["[-5]", "[-5 9]", "[1 -1]", "[1 5]", "[1 5 0]", "[1 6]", "[9]"].map(value));
    check_all(
        "[:string]",
        &[
            r#"[""]"#,
            r#"["" ""]"#,
            r#"["\u0000"]"#,
            r#"["\u0000" ""]"#,
            r#"["a"]"#,
            r#"["a" "z"]"#,
            r#"["a\u0000"]"#,
            r#"["ab"]"#,
        ]
        .map(value),
    );
    check_all(
        "[:string :long :keyword]",
        &[
            r#"["" 3 :z]"#,
            r#"["a" -1 :z]"#,
            r#"["a" 0 :a]"#,
            r#"["a" 0 :a/a]"#,
            r#"["a" 0 :a/b]"#,
            r#"["b" -9 :a]"#,
        ]
        .map(value),
    );
    check_all(
        "[:bigdec :bytes]",
        &[
            r#"[-1M #bytes "00"]"#,
            r#"[0M #bytes ""]"#,
            r#"[0M #bytes "00"]"#,
            r#"[0M #bytes "0001"]"#,
            r#"[0.0M #bytes ""]"#,
        ]
        .map(value),
    );
    check_all(
        "[:bigint :boolean]",
        &["[-300N true]", "[-1N true]", "[0N false]", "[0N true]", "[256N false]"].map(value),
    );
}

#[test]
fn types_order_by_header_in_one_table() {
    let ascending = [
        (":long", "-1"),
        (":long", "7"),
        (":bigint", "1N"),
        (":bigdec", "1M"),
        ("[:long]", "[1]"),
        ("[:long :long]", "[1 1]"),
        (":float", "1.0"),
        (":double", "1.0"),
        (":instant", "#inst \"2020-01-01\""),
        (":uuid", "#uuid \"00112233-4455-6677-8899-aabbccddeeff\""),
        (":string", "\"a\""),
        (":keyword", ":a"),
        (":symbol", "a"),
        (":boolean", "true"),
        (":bytes", "#bytes \"00\""),
    ];
    let all: Vec<_> = ascending
        .iter()
        .map(|(name, value)| bytes(&type_of(name), &edn::read(value).expect("EDN")))
        .collect();
    assert!(all.is_sorted());
}

#[test]
fn bounds_may_hold_the_least_and_greatest_element() {
    let key_type = type_of("[:string :long]");
    let bound = |text: &str| {
        let mut buffer = Buffer::new();
        key_type.encode_bound(&edn::read(text).expect("EDN"), &mut buffer).expect("a bound").to_vec()
    };
    let key = |text: &str| bytes(&key_type, &edn::read(text).expect("EDN"));
    let (low, high) = (bound(r#"["a" :db.value/sysMin]"#), bound(r#"["a" :db.value/sysMax]"#));
    for (text, inside) in [
        (r#"["a" -9223372036854775808]"#, true),
        (r#"["a" 9223372036854775807]"#, true),
        (r#"["" 0]"#, false),
        (r#"["a\u0000" 0]"#, false),
    ] {
        assert_eq!((low.as_slice()..high.as_slice()).contains(&key(text).as_slice()), inside, "{text}");
    }
    let outside = edn::read(r#"["a" :db.value/sysMax]"#).expect("EDN");
    assert_eq!(error(&key_type, &outside), CodecError::BoundOnly(":db.value/sysMax"));
    assert_eq!(error(&type_of(":keyword"), &Value::Nil).code(), ":kv/type");
}

#[test]
fn what_has_no_bytes_is_refused() {
    assert_eq!(error(&Double, f64::NAN), CodecError::Nan);
    assert_eq!(error(&Float, f32::NAN), CodecError::Nan);
    assert_eq!(error(&type_of(":float"), &Value::Float(1e300)).code(), ":kv/number-range");
    assert_eq!(error(&BigInteger, &(BigInt::from(1) << 1015u32)).code(), ":kv/number-range");
    assert_eq!(error(&BigInteger, &(-(BigInt::from(1) << 1015u32) - 1)).code(), ":kv/number-range");
    assert_eq!(error(&Decimal, &BigDecimal::new(1.into(), i64::MAX)).code(), ":kv/number-range");
    assert_eq!(error(&Decimal, &BigDecimal::new(BigInt::from(10).pow(5000), 0)).code(), ":kv/number-range");
    assert_eq!(error(&Many::<Long>::default(), &[]), CodecError::EmptyTuple);
    let long = "x".repeat(256);
    assert_eq!(
        error(&Tuple::<(Long, Str)>::default(), (1, long.as_str())),
        CodecError::ElementTooLong { index: 1, len: 256 }
    );
    bytes(&Tuple::<(Long, Str)>::default(), (1, &long[1..]));
    assert_eq!(error(&Utf8Z, "a\0").code(), ":kv/zero-byte");
    assert_eq!(error(&Keyword, &edn::Keyword::new(Some("a\0"), "b")).code(), ":kv/zero-byte");
    assert_eq!(
        error(&type_of(":long"), &Value::str("x")).to_string(),
        r#"expected a value of type :long, got string: "x""#
    );
    assert_eq!(
        error(&type_of("[:long :long]"), &edn::read("[1]").expect("EDN")),
        CodecError::Arity { expected: 2, got: 1 }
    );
}

#[test]
fn names_of_types_are_checked() {
    let error = |text: &str| KeyType::from_value(&edn::read(text).expect("EDN")).expect_err("refused");
    assert_eq!(error(":strng").to_string(), "unknown type :strng, did you mean :string?");
    assert_eq!(error("5").code(), ":kv/unknown-type");
    assert_eq!(error("[]"), CodecError::EmptyTuple);
    assert_eq!(error("[:long :id]").code(), ":kv/type-not-allowed");
    assert_eq!(error("[:data]").code(), ":kv/type-not-allowed");
    assert_eq!(error("[[:long] :long]").code(), ":kv/type-not-allowed");
    assert_eq!(KeyType::from_value(&Value::Nil), Ok(KeyType::Data));
    for text in [":data", ":id", ":raw", ":ignore", ":bigdec", "[:uuid]", "[:instant :symbol :float]"] {
        assert_eq!(type_of(text).to_string(), text);
    }
}

#[test]
fn damaged_bytes_are_errors() {
    let types = [
        ":long",
        ":id",
        ":float",
        ":double",
        ":bigint",
        ":bigdec",
        ":string",
        ":keyword",
        ":symbol",
        ":boolean",
        ":instant",
        ":uuid",
        ":bytes",
        "[:string]",
        "[:long :bytes]",
        ":data",
    ];
    for name in types {
        let key_type = type_of(name);
        for bytes in [
            &[][..],
            &[0x7A],
            &[0xF2, 0xFF, 0x80],
            &[0xF1, 0xFF, 1],
            &[0xFA, 0xFF],
            &[0xF3, 0xFA, 0x61],
            &[0x13, 1, 0x61],
        ] {
            if !matches!((name, bytes), ("[:string]", [])) {
                assert!(key_type.decode(bytes).is_err(), "{name} {bytes:02x?}");
            }
        }
    }
    // A scale that would take gigabytes of zeros.
    let bomb = [0xF2, 0xFF, 0x80, 0, 0, 1, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF];
    assert_eq!(Decimal.decode(&bomb).unwrap_err().code(), ":kv/undecodable");
    let deep = [0x10u8, 1].repeat(5000);
    assert_eq!(factum_kv::codec::data::get(&deep).unwrap_err().code(), ":kv/undecodable");
}

#[test]
fn static_and_dynamic_codecs_write_the_same_bytes() {
    fn same<C: Codec>(codec: &C, item: C::In<'_>, name: &str, value: Value) {
        assert_eq!(bytes(codec, item), bytes(&type_of(name), &value), "{name}");
    }
    same(&Long, -7, ":long", Value::Int(-7));
    same(&Id, 7, ":id", Value::Int(7));
    same(&Float, 1.5, ":float", Value::Float(1.5));
    same(&Double, -0.0, ":double", Value::Float(0.0));
    same(&BigInteger, &BigInt::from(-300), ":bigint", Value::BigInt((-300).into()));
    same(&BigInteger, &BigInt::from(-300), ":bigint", Value::Int(-300));
    let decimal: BigDecimal = "-0.0120".parse().unwrap();
    same(&Decimal, &decimal, ":bigdec", Value::Decimal(decimal.clone()));
    same(&Str, "é", ":string", Value::str("é"));
    same(&Blob, &[0, 1], ":bytes", Value::Bytes([0, 1].as_slice().into()));
    same(&Raw, &[0, 1], ":raw", Value::Bytes([0, 1].as_slice().into()));
    same(&Keyword, &edn::Keyword::from(":a/b"), ":keyword", Value::keyword("a/b"));
    same(&Symbol, &edn::Symbol::from("a/b"), ":symbol", Value::symbol("a/b"));
    same(&Boolean, true, ":boolean", Value::Bool(true));
    same(&Instant, -5, ":instant", Value::Inst(-5));
    same(&Uuid, uuid::Uuid::from_u128(5), ":uuid", Value::Uuid(uuid::Uuid::from_u128(5)));
    same(&Many::<Str>::default(), &["a", "\0"], "[:string]", edn::read(r#"["a" "\u0000"]"#).unwrap());
    same(
        &Tuple::<(Str, Decimal, Keyword)>::default(),
        ("a", &decimal, &edn::Keyword::from(":x/y")),
        "[:string :bigdec :keyword]",
        Value::Vector(vec![Value::str("a"), Value::Decimal(decimal.clone()), Value::keyword("x/y")]),
    );
    same(&Data::<Vec<Option<u8>>>::default(), &vec![Some(1), None], ":data", edn::read("[1 nil]").unwrap());
}

#[test]
fn codecs_interoperate_with_heed() {
    use heed::{BytesDecode, BytesEncode};
    let pair = ForHeed::<Tuple<(Str, Long)>>::bytes_encode(&("a", 5)).unwrap();
    let (text, long) = ForHeed::<Tuple<(Str, Long)>>::bytes_decode(&pair).unwrap();
    assert_eq!((&*text, long), ("a", 5));
    let codec = FromHeed::<heed::types::U64<heed::byteorder::BigEndian>>::default();
    assert_eq!(codec.encode(&258, &mut Buffer::new()).unwrap(), [0, 0, 0, 0, 0, 0, 1, 2]);
    assert_eq!(codec.decode(&[0, 0, 0, 0, 0, 0, 1, 2]).unwrap(), 258);
    assert!(codec.decode(&[0]).is_err());
    assert_eq!(NativeU64.decode(&7u64.to_ne_bytes()).unwrap(), 7);
    assert_eq!(Utf8Z.encode("a", &mut Buffer::new()).unwrap(), b"a\0");
    // The types without a header are heed's own, byte for byte.
    let heed =
        |number: &u64| heed::types::U64::<heed::byteorder::BigEndian>::bytes_encode(number).unwrap().to_vec();
    assert_eq!(bytes(&BigEndianU64, 258), heed(&258));
    assert_eq!(bytes(&Utf8, "é"), &*heed::types::Str::bytes_encode("é").unwrap());
}

#[test]
fn the_encodings_of_the_lisp_binding() {
    let read = |text: &str| edn::read(text).unwrap();
    let dynamic = |name: &str, text: &str| bytes(&type_of(name), &read(text));
    let max = "18446744073709551615N";
    assert_eq!(dynamic(":uint64", max), u64::MAX.to_ne_bytes());
    assert_eq!(dynamic(":uint64-be", "258"), [0, 0, 0, 0, 0, 0, 1, 2]);
    assert_eq!(dynamic(":utf-8", "\"é\""), "é\0".as_bytes());
    assert_eq!(dynamic(":utf-8-bare", "\"é\""), "é".as_bytes());
    assert_eq!(type_of(":octets"), KeyType::Raw);
    for (name, text) in [
        (":uint64", max),
        (":uint64", "5"),
        (":uint64-be", max),
        (":utf-8", "\"a\""),
        (":utf-8-bare", "\"\""),
    ] {
        let codec = type_of(name);
        assert_eq!(codec.to_string(), name);
        assert_eq!(codec.decode(&bytes(&codec, &read(text))).unwrap(), read(text));
    }
    assert_eq!(error(&type_of(":uint64"), &Value::Int(-1)).code(), ":kv/number-range");
    assert_eq!(error(&type_of(":uint64"), &Value::str("x")).code(), ":kv/type");
    assert_eq!(error(&type_of(":utf-8"), &Value::str("a\0b")).code(), ":kv/zero-byte");
    assert!(type_of(":utf-8").decode(b"a").is_err() && type_of(":uint64-be").decode(&[1]).is_err());
}

/// Pairs of an integer and anything, in few bytes.
struct Entry(u8);

impl TypeHandler for Entry {
    fn byte(&self) -> u8 {
        self.0
    }

    fn tag(&self) -> &str {
        "test/entry"
    }

    fn encode(&self, value: &Value, out: &mut Encoder<'_>) -> Result<(), CodecError> {
        let Some([Value::Int(id), data]) = value.as_sequence() else {
            return Err(CodecError::Handler { tag: "test/entry", reason: "an integer and a value" });
        };
        out.bytes(&id.to_be_bytes());
        out.value(data)
    }

    fn decode(&self, input: &mut Decoder<'_, '_>) -> Result<Value, CodecError> {
        let id = Value::Int(i64::from_be_bytes(input.bytes()?));
        Ok(Value::Vector(vec![id, input.value()?]))
    }
}

#[test]
fn type_handlers_take_over_tagged_values() {
    let codec = DataWith::new(TypeHandlers::new().with(Entry(0x20)).unwrap());
    let nested = edn::read("{:a #test/entry [1 #test/entry [2 nil]] :b #other/tag 5}").unwrap();
    let stored = bytes(&codec, &nested);
    assert_eq!(codec.decode(&stored).unwrap(), nested);
    assert!(stored.len() < bytes(&KeyType::Data, &nested).len());
    // Without handlers it is :data, and data is read by those who know nothing of handlers.
    let plain = edn::read("[1 #other/tag 2]").unwrap();
    assert_eq!(bytes(&codec, &plain), bytes(&KeyType::Data, &plain));
    // Bytes of a handler that is missing, or leaves something behind, are errors.
    assert_eq!(KeyType::Data.decode(&stored).unwrap_err().code(), ":kv/undecodable");
    let mut long = bytes(&codec, &edn::read("#test/entry [1 nil]").unwrap());
    long[1] += 1;
    long.push(0);
    assert_eq!(codec.decode(&long).unwrap_err().code(), ":kv/undecodable");
    assert_eq!(error(&codec, &edn::read("#test/entry 5").unwrap()).code(), ":kv/type-handler");
    for (handlers, reason) in [
        (TypeHandlers::new().with(Entry(0x80)), "between 20 and 7F"),
        (TypeHandlers::new().with(Entry(0x20)).unwrap().with(Entry(0x20)), "the same byte"),
        (TypeHandlers::new().with(Entry(0x20)).unwrap().with(Entry(0x21)), "the same tag"),
    ] {
        assert!(handlers.unwrap_err().to_string().contains(reason));
    }
    // A handler that calls itself without end runs into the limit of depth, not into that of the stack.
    let mut deep = Value::Nil;
    for _ in 0..300 {
        deep = Value::Tagged(
            edn::Symbol::parse("test/entry"),
            Box::new(Value::Vector(vec![Value::Int(1), deep])),
        );
    }
    assert_eq!(error(&codec, &deep).code(), ":kv/number-range");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(prop_oneof![Just('\0'), Just('a'), Just('\u{FF}'), any::<char>()], 0..8)
            .prop_map(|characters| characters.into_iter().collect()),
        "[a-c]{0,3}",
    ]
}

fn name() -> impl Strategy<Value = (Option<String>, String)> {
    (prop::option::of("[a-c.]{1,3}"), "[a-c-]{1,3}")
}

fn decimal() -> impl Strategy<Value = BigDecimal> {
    (prop_oneof![-200..200i128, any::<i128>()], -20..20i64)
        .prop_map(|(digits, scale)| BigDecimal::new(digits.into(), scale))
}

fn bigint() -> impl Strategy<Value = BigInt> {
    (any::<i128>(), 0..800u32, 0..120u32)
        .prop_map(|(digits, up, down)| (BigInt::from(digits) << up) >> (up + down).min(900))
}

/// A type's keyword and a strategy for its values.
fn scalar() -> impl Strategy<Value = (&'static str, BoxedStrategy<Value>)> {
    let long = || prop_oneof![-3..3i64, any::<i64>()];
    prop_oneof![
        Just((":long", long().prop_map(Value::Int).boxed())),
        Just((":instant", long().prop_map(Value::Inst).boxed())),
        Just((
            ":double",
            any::<f64>()
                .prop_filter("a number", |double| !double.is_nan())
                .prop_map(|double| Value::Float(double + 0.0))
                .boxed()
        )),
        Just((
            ":float",
            any::<f32>()
                .prop_filter("a number", |float| !float.is_nan())
                .prop_map(|float| Value::Float(f64::from(float + 0.0)))
                .boxed()
        )),
        Just((":bigint", bigint().prop_map(Value::BigInt).boxed())),
        Just((":bigdec", decimal().prop_map(Value::Decimal).boxed())),
        Just((":string", text().prop_map(Value::str).boxed())),
        Just((
            ":bytes",
            prop::collection::vec(prop_oneof![Just(0u8), Just(255u8), any::<u8>()], 0..6)
                .prop_map(|bytes| Value::Bytes(bytes.into()))
                .boxed()
        )),
        Just((
            ":keyword",
            name().prop_map(|(ns, name)| Value::Keyword(edn::Keyword::new(ns.as_deref(), &name))).boxed()
        )),
        Just((
            ":symbol",
            name().prop_map(|(ns, name)| Value::Symbol(edn::Symbol::new(ns.as_deref(), &name))).boxed()
        )),
        Just((":boolean", any::<bool>().prop_map(Value::Bool).boxed())),
        Just((":uuid", any::<u128>().prop_map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits))).boxed())),
    ]
}

fn pair_of_scalars() -> impl Strategy<Value = (&'static str, Value, Value)> {
    scalar().prop_flat_map(|(name, values)| (Just(name), values.clone(), values))
}

fn pair_of_many() -> impl Strategy<Value = (String, Value, Value)> {
    scalar().prop_flat_map(|(name, values)| {
        let many = prop::collection::vec(values, 1..4).prop_map(Value::Vector);
        (Just(format!("[{name}]")), many.clone(), many)
    })
}

fn pair_of_tuples() -> impl Strategy<Value = (String, Value, Value)> {
    prop::collection::vec(scalar(), 2..4).prop_flat_map(|scalars| {
        let names: Vec<_> = scalars.iter().map(|(name, _)| *name).collect();
        let values: Vec<_> = scalars.into_iter().map(|(_, values)| values).collect();
        // Often equal in front, so that later elements decide.
        (
            Just(format!("[{}]", names.join(" "))),
            values.clone().prop_map(Value::Vector),
            values,
            any::<prop::sample::Index>(),
        )
            .prop_map(|(name, a, b, equal)| {
                let Value::Vector(front) = &a else { unreachable!() };
                let equal = equal.index(front.len() + 1);
                let b = front[..equal].iter().chain(&b[equal..]).cloned().collect();
                (name, a, Value::Vector(b))
            })
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        scalar().prop_flat_map(|(_, values)| values),
        any::<char>().prop_map(Value::Char),
        (any::<i32>(), 1..50i32)
            .prop_map(|(n, d)| Value::Ratio(num_rational::BigRational::new(n.into(), d.into()))),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Vector),
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::btree_set(inner.clone(), 0..5).prop_map(Value::Set),
            prop::collection::btree_map(inner.clone(), inner.clone(), 0..5).prop_map(Value::Map),
            inner.prop_map(|value| Value::Tagged(edn::Symbol::from("my/tag"), Box::new(value))),
        ]
    })
}

fn check((name, a, b): (impl AsRef<str>, Value, Value)) {
    check_pair(name.as_ref(), &a, &b, a.cmp(&b));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn scalars_order_as_their_values(pair in pair_of_scalars()) {
        check(pair);
    }

    #[test]
    fn homogeneous_tuples_order_as_their_values(pair in pair_of_many()) {
        check(pair);
    }

    #[test]
    fn heterogeneous_tuples_order_as_their_values(pair in pair_of_tuples()) {
        check(pair);
    }

    #[test]
    fn data_reads_back_equal(value in any_value()) {
        let bytes = bytes(&KeyType::Data, &value);
        prop_assert_eq!(KeyType::Data.decode(&bytes).unwrap(), value);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), (name, _) in scalar()) {
        let _ = type_of(name).decode(&bytes);
        let _ = type_of(&format!("[{name}]")).decode(&[&[0xF3], &bytes[..]].concat());
        let _ = KeyType::Data.decode(&bytes);
    }
}
