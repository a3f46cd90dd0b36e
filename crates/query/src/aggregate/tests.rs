use edn::{Value, read};

use super::BuiltIn;

fn values(text: &str) -> Vec<Value> {
    read(text).expect("EDN").as_sequence().expect("a vector").to_vec()
}

fn apply(name: &str, args: &str, group: &str) -> Result<Value, String> {
    let aggregate = BuiltIn::find(name).expect("a built-in");
    aggregate.apply(&values(args), values(group)).map_err(|error| error.to_string())
}

#[track_caller]
fn gives(name: &str, args: &str, group: &str, expected: &str) {
    assert_eq!(apply(name, args, group), Ok(read(expected).expect("EDN")), "({name} {args} {group})");
}

#[test]
fn counts() {
    gives("count", "[]", "[1 1 2]", "3");
    gives("count-distinct", "[]", "[1 1 2 1.0]", "3");
    gives("distinct", "[]", "[:b :a :b]", "#{:a :b}");
    gives("vec", "[]", "[2 1 2]", "[2 1 2]");
}

#[test]
fn sums_are_exact() {
    gives("sum", "[]", "[1 2 3]", "6");
    gives("sum", "[]", "[1 0.5]", "1.5");
    gives("sum", "[]", "[1/3 1/3 1/3]", "1");
    assert!(apply("sum", "[]", "[9223372036854775807 1]").expect_err("overflow").contains("overflow"));
    assert!(apply("sum", "[]", "[1 \"x\"]").is_err());
}

#[test]
fn means() {
    gives("avg", "[]", "[1 2]", "1.5");
    gives("avg", "[]", "[9223372036854775807 9223372036854775807]", "9.223372036854775807E18");
    gives("median", "[]", "[4 1 10 3]", "7/2");
    gives("median", "[]", "[9 1 5]", "5");
    gives("median", "[]", "[2 4]", "3");
    gives("variance", "[]", "[2 4 6 8]", "5.0");
    gives("stddev", "[]", "[2 4 4 4 5 5 7 9]", "2.0");
}

#[test]
fn extremes() {
    gives("min", "[]", "[\"b\" \"a\"]", "\"a\"");
    gives("max", "[]", "[:a :c :b]", ":c");
    gives("min", "[2]", "[3 1 2 1]", "[1 1]");
    gives("max", "[2]", "[3 1 2 3]", "[3 3]");
    gives("max", "[9]", "[2 1]", "[1 2]");
    assert!(apply("min", "[-1]", "[1]").is_err());
    assert!(apply("min", "[1 2]", "[1]").is_err());
}

#[test]
fn draws() {
    gives("rand", "[]", "[7]", "7");
    gives("rand", "[3]", "[7]", "[7 7 7]");
    let sample = apply("sample", "[2]", "[1 2 3]").expect("a sample");
    let drawn = sample.as_sequence().expect("a vector");
    assert!(
        drawn.len() == 2
            && drawn[0] != drawn[1]
            && drawn.iter().all(|value| values("[1 2 3]").contains(value))
    );
    gives("sample", "[9]", "[5]", "[5]");
    assert!(apply("sample", "[]", "[5]").is_err());
}
