//! The reader, by example: what each notation means, and what each mistake is called.

use factum_edn::{Error, ErrorKind, Form, FormKind, Keyword, Limits, Reader, Span, Symbol, Value};
use factum_edn::{read, read_all, read_form};

fn ok(text: &str) -> Value {
    read(text).unwrap_or_else(|error| panic!("{text}\n{}", error.render(text)))
}

fn err(text: &str) -> Error {
    match read(text) {
        Err(error) => error,
        Ok(value) => panic!("{text} reads as {value}"),
    }
}

/// Reads and prints; the printed text must read back equal.
fn shown(text: &str) -> String {
    let value = ok(text);
    let printed = value.to_string();
    assert_eq!(ok(&printed), value, "{text} prints as {printed}");
    printed
}

#[test]
fn every_notation_prints_canonically() {
    for (text, canonical) in [
        ("nil", "nil"),
        (" true ", "true"),
        ("false", "false"),
        ("0", "0"),
        ("+7", "7"),
        ("-0", "0"),
        ("-42", "-42"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0x2A", "42"),
        ("-0xff", "-255"),
        ("2r1010", "10"),
        ("36rZZ", "1295"),
        ("8r17", "15"),
        ("42N", "42N"),
        ("0xffffffffffffffffffN", "4722366482869645213695N"),
        ("-123456789012345678901234567890N", "-123456789012345678901234567890N"),
        ("4.2", "4.2"),
        ("1.", "1.0"),
        ("1e3", "1000.0"),
        ("-1.5E-7", "-1.5e-7"),
        ("1e300", "1e300"),
        ("-0.0", "-0.0"),
        ("##Inf", "##Inf"),
        ("##-Inf", "##-Inf"),
        ("##NaN", "##NaN"),
        ("4.20M", "4.20M"),
        ("7M", "7M"),
        ("0.00M", "0.00M"),
        ("-0.001M", "-0.001M"),
        ("5E3M", "5E3M"),
        ("1.50E-20M", "1.50E-20M"),
        ("1/3", "1/3"),
        ("-4/6", "-2/3"),
        ("4/2", "2"),
        ("\"\"", "\"\""),
        ("\"a\\tb\\n\\\"\\\\ \\u00e4\\101\\0\"", "\"a\\tb\\n\\\"\\\\ äA\\u0000\""),
        ("\"\\ud83d\\ude00\"", "\"😀\""),
        ("\"two\nlines\"", "\"two\\nlines\""),
        ("\\a", "\\a"),
        ("\\newline", "\\newline"),
        ("\\u0041", "\\A"),
        ("\\o101", "\\A"),
        ("\\u", "\\u"),
        ("\\\\", "\\\\"),
        ("\\(", "\\("),
        ("\\,", "\\,"),
        ("\\😀", "\\😀"),
        (":a", ":a"),
        (":person/name", ":person/name"),
        (":2d/plot", ":2d/plot"),
        (":a:b", ":a:b"),
        (":/", ":/"),
        ("?x", "?x"),
        ("$", "$"),
        ("%", "%"),
        ("...", "..."),
        ("/", "/"),
        ("a//", "a//"),
        ("-", "-"),
        ("->>", "->>"),
        ("<=", "<="),
        ("clojure.string/blank?", "clojure.string/blank?"),
        ("größe", "größe"),
        ("()", "()"),
        ("(+ 1 2)", "(+ 1 2)"),
        ("[1,2,,3]", "[1 2 3]"),
        ("[a(b)\"c\"[d]\\e]", "[a (b) \"c\" [d] \\e]"),
        ("{:b 1 :a [2]}", "{:a [2], :b 1}"),
        ("#{3 1 2}", "#{1 2 3}"),
        ("#my/tag {:x 1}", "#my/tag {:x 1}"),
        ("#a #b c", "#a #b c"),
        ("#\"a\\\"b\\d\"", "#regex \"a\\\\\\\"b\\\\d\""),
        ("#inst \"2019-03\"", "#inst \"2019-03-01T00:00:00.000-00:00\""),
        ("#inst 253402300800000", "#inst 253402300800000"),
        ("#uuid \"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\"", "#uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\""),
        ("#bytes \"00FFa0\"", "#bytes \"00ffa0\""),
        ("#keyword \"a b\"", "#keyword \"a b\""),
        ("#keyword \"a\"", ":a"),
        ("#symbol \"1a\"", "#symbol \"1a\""),
        ("#tagged [\"inst\" 1]", "#tagged [\"inst\" 1]"),
        ("^{:doc \"x\"} [1]", "[1]"),
        ("^:private ^\"String\" x", "x"),
        ("[#_ a b #_#_ c d e #_[f {g h}]]", "[b e]"),
        ("#t #_x y", "#t y"),
        ("; comment\n1 ; more", "1"),
        ("#!/usr/bin/env factum\n1", "1"),
        ("\u{feff}1\u{a0}", "1"),
    ] {
        assert_eq!(shown(text), canonical, "{text}");
    }
}

#[test]
fn namespaced_maps_qualify_bare_keys() {
    assert_eq!(
        ok("#:person{:name 1 :_/x 2 :a/b 3 sym 5 \"s\" 6, :nested {:k 1}}"),
        ok("{:person/name 1 :x 2 :a/b 3 person/sym 5 \"s\" 6, :person/nested {:k 1}}")
    );
    assert_eq!(ok("#:a.b {:c :d}"), ok("{:a.b/c :d}"));
    assert_eq!(err("#:a{:b 1 :a/b 2}").kind(), &ErrorKind::DuplicateKey { key: ":a/b".into() });
    assert_eq!(err("#::{:a 1}").code(), ":edn/name");
    assert_eq!(err("#:a/b{:a 1}").code(), ":edn/name");
    assert_eq!(err("#:a [1]").code(), ":edn/dangling-prefix");
}

#[test]
fn mistakes_have_codes_and_places() {
    for (text, code, start, end) in [
        ("", ":edn/empty", 0, 0),
        (" ; only a comment", ":edn/empty", 17, 17),
        ("#_ 1", ":edn/empty", 4, 4),
        ("1 2", ":edn/trailing", 2, 3),
        ("1 #_2 #_3 [4]", ":edn/trailing", 10, 13),
        ("[1 2", ":edn/unexpected-end", 4, 4),
        ("\"abc", ":edn/unexpected-end", 4, 4),
        ("\"abc\\", ":edn/unexpected-end", 5, 5),
        ("#\"abc", ":edn/unexpected-end", 5, 5),
        ("#inst", ":edn/unexpected-end", 5, 5),
        ("^a", ":edn/unexpected-end", 2, 2),
        (")", ":edn/delimiter", 0, 1),
        ("1 )", ":edn/delimiter", 2, 3),
        ("[1 (2]", ":edn/delimiter", 5, 6),
        ("[1 #_]", ":edn/dangling-prefix", 3, 5),
        ("[#tag]", ":edn/dangling-prefix", 1, 5),
        ("[^:a]", ":edn/dangling-prefix", 1, 2),
        ("{:a 1 :b}", ":edn/odd-map", 0, 9),
        ("{:a 1 :b 2 :a 3}", ":edn/duplicate-key", 11, 13),
        ("#{1 [2] 3 [2]}", ":edn/duplicate-element", 10, 13),
        ("#{0.0 -0.0}", ":edn/duplicate-element", 6, 10),
        ("[12a]", ":edn/number", 1, 4),
        ("1.2.3", ":edn/number", 0, 5),
        ("017", ":edn/number", 0, 3),
        (".5", ":edn/number", 0, 2),
        ("1/0", ":edn/number-range", 0, 3),
        ("37r1", ":edn/number-range", 0, 4),
        ("2r12", ":edn/number-range", 0, 4),
        ("1e400", ":edn/number-range", 0, 5),
        ("02r1", ":edn/number", 0, 4),
        ("1r", ":edn/number", 0, 2),
        ("1.5N", ":edn/number", 0, 4),
        ("##Info", ":edn/number", 0, 6),
        ("9223372036854775808", ":edn/overflow", 0, 19),
        ("-9223372036854775809", ":edn/overflow", 0, 20),
        ("1E10001M", ":edn/limit", 0, 8),
        ("::a", ":edn/name", 0, 3),
        (":", ":edn/name", 0, 1),
        (":a/", ":edn/name", 0, 3),
        (":a/:b", ":edn/name", 0, 5),
        ("a/b/c", ":edn/name", 0, 5),
        ("a@b", ":edn/name", 0, 3),
        (":a:", ":edn/name", 0, 3),
        ("a/1", ":edn/name", 0, 3),
        ("#1", ":edn/name", 0, 2),
        ("\\spac", ":edn/character", 0, 5),
        ("\\ ", ":edn/character", 0, 1),
        ("\\ud800", ":edn/character", 0, 6),
        ("\\o400", ":edn/character", 0, 5),
        ("\"a\\x\"", ":edn/escape", 2, 4),
        ("\"\\400\"", ":edn/escape", 1, 5),
        ("\"\\ud800\"", ":edn/escape", 1, 7),
        ("\"\\u12\"", ":edn/escape", 1, 6),
        ("'a", ":edn/not-edn", 0, 1),
        ("@a", ":edn/not-edn", 0, 2),
        ("`a", ":edn/not-edn", 0, 2),
        ("#(inc %)", ":edn/not-edn", 0, 2),
        ("#'var", ":edn/not-edn", 0, 2),
        ("# a", ":edn/not-edn", 0, 1),
        ("#inst \"yesterday\"", ":edn/tagged", 6, 17),
        ("#inst [1]", ":edn/tagged", 6, 9),
        ("#uuid \"1234\"", ":edn/tagged", 6, 12),
        ("#bytes \"0\"", ":edn/tagged", 7, 10),
        ("#bytes \"0g\"", ":edn/tagged", 7, 11),
    ] {
        for error in [err(text), read_form(text).unwrap_err()] {
            assert_eq!(error.code(), code, "{text}: {error}");
            assert_eq!(error.span(), Span::new(start, end), "{text}: {error}");
            assert!(error.render(text).contains(code));
        }
    }
}

#[test]
fn hints_say_how_to_mend_it() {
    for (text, hint) in [
        ("9223372036854775808", "append N"),
        ("017", "8r17"),
        (".5", "0.5"),
        ("\\newlin", "did you mean \\newline?"),
        ("::a", "one colon"),
        ("a/b/c", "only one slash"),
        ("\"\\q\"", "\\uXXXX"),
        ("#uuid \"1\"", "f81d4fae"),
    ] {
        let error = err(text);
        assert!(error.hint().is_some_and(|found| found.contains(hint)), "{text}: {error}");
    }
}

#[test]
fn errors_render_with_line_column_and_caret() {
    let text = "{:name \"Änne\"\n :tags [:a :b)}";
    assert_eq!(
        err(text).render(text),
        "error[:edn/delimiter]: expected `]`, found `)` (line 2, column 14)\n  \
           1 | {:name \"Änne\"\n  \
           2 |  :tags [:a :b)}\n    \
             |              ^\n  \
           1 | {:name \"Änne\"\n  \
           2 |  :tags [:a :b)}\n    \
             |        ^ opened here\n"
    );
}

#[test]
fn forms_carry_spans() {
    let text = "[:a {:b \"ä\"} #inst \"2020\" #t x]";
    let form = read_form(text).unwrap();
    let slice = |span: Span| &text[span.start..span.end];
    assert_eq!(slice(form.span), text);
    let items = form.as_sequence().unwrap();
    let texts: Vec<&str> = items.iter().map(|item| slice(item.span)).collect();
    assert_eq!(texts, [":a", "{:b \"ä\"}", "#inst \"2020\"", "#t x"]);
    let FormKind::Map(entries) = &items[1].kind else { panic!() };
    assert_eq!((slice(entries[0].0.span), slice(entries[0].1.span)), (":b", "\"ä\""));
    let FormKind::Tagged(tag, inner) = &items[3].kind else { panic!() };
    assert_eq!((tag, slice(inner.span)), (&Symbol::from("t"), "x"));
    assert_eq!(form.to_value(), ok(text));
    assert_eq!(form.to_string(), ok(text).to_string());
}

#[test]
fn quotes_are_an_option() {
    let quoted = |text| Reader::new(text).with_quote(true).next().unwrap().map(|form| form.to_value());
    assert_eq!(quoted("'[?e :a]").unwrap(), ok("(quote [?e :a])"));
    assert_eq!(quoted("''a").unwrap(), ok("(quote (quote a))"));
    assert_eq!(quoted("[x' 'y]").unwrap(), ok("[x' (quote y)]"));
    assert_eq!(quoted("(db '@a @ b)").unwrap(), ok("(db (quote (deref a)) (deref b))"));
    assert!(read("@a").unwrap_err().to_string().contains("deref"));
    let form = Reader::new("(q '[a])").with_quote(true).next().unwrap().unwrap();
    assert_eq!(form.as_sequence().unwrap()[1].span, Span::new(3, 7));
}

#[test]
fn several_forms_and_the_first_error() {
    let forms = read_all("1 [2] ; three\n:three").unwrap();
    assert_eq!(forms.iter().map(Form::to_value).collect::<Vec<_>>(), [ok("1"), ok("[2]"), ok(":three")]);
    let mut reader = Reader::new("1 ] 2");
    assert!(reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
    assert_eq!(read_all("").unwrap(), []);
    let mut reader = Reader::new("a b");
    reader.next();
    assert_eq!(reader.offset(), 1);
    let values: Result<Vec<Value>, Error> = Reader::new("1 2").values().collect();
    assert_eq!(values.unwrap(), [Value::Int(1), Value::Int(2)]);
}

#[test]
fn incomplete_text_is_told_from_wrong_text() {
    for text in ["", "[", "{:a", "\"x", "#_", "#inst", "(1 [2)"] {
        assert_eq!(err(text).is_incomplete(), !text.contains(')'), "{text}");
    }
}

#[test]
fn limits_hold() {
    for deep in ["[", "(", "{", "#{", "#_", "^", "#a ", "{1 ", "[1 [", "#:a{:b "] {
        let text = deep.repeat(1_000_000 / deep.len());
        assert_eq!(err(&text).kind(), &ErrorKind::TooDeep { limit: 256 }, "{deep}");
        let quoted = Reader::new(&text).with_quote(true).next().unwrap();
        assert!(quoted.is_err());
    }
    let text = "'".repeat(1_000_000);
    let error = Reader::new(&text).with_quote(true).next().unwrap().unwrap_err();
    assert_eq!(error.code(), ":edn/limit");

    let limits = Limits { depth: 2, bytes: 20, nodes: 4 };
    let read = |text| Reader::new(text).with_limits(limits).collect::<Result<Vec<_>, _>>();
    assert!(read("[[1 2]]").is_ok());
    assert_eq!(read("[[[1]]]").unwrap_err().kind(), &ErrorKind::TooDeep { limit: 2 });
    assert_eq!(read("1 2 3 4 5").unwrap_err().kind(), &ErrorKind::TooManyNodes { limit: 4 });
    assert_eq!(read("\"0123456789 0123456789\"").unwrap_err().kind(), &ErrorKind::TooLong { limit: 20 });
    for long in [
        "1".repeat(200_000),
        "1".repeat(200_000) + "N",
        "1".repeat(200_000) + "M",
        "1/".to_owned() + &"1".repeat(200_000),
        "0x".to_owned() + &"f".repeat(90_000) + "N",
    ] {
        assert_eq!(err(&long).code(), ":edn/limit");
    }
    assert_eq!(err(&("1".repeat(200_000) + "x")).code(), ":edn/number");
    for long in [
        "0x".to_owned() + &"f".repeat(83_000) + "N",
        "1".repeat(100_000) + "E-10000M",
        "0.".to_owned() + &"0".repeat(9_000) + &"1".repeat(1_000) + "M",
        "1".repeat(200_000) + "e-200000",
    ] {
        shown(&long);
    }
}

#[test]
fn the_deepest_values_can_be_used_on_a_small_stack() {
    let depth = Limits::MAX_DEPTH;
    let text = format!("{}1{}", "#{[".repeat(depth / 2), "]}".repeat(depth / 2));
    let work = move || {
        let limits = Limits { depth, ..Limits::default() };
        let mut reader = Reader::new(&text).with_limits(limits);
        let form = reader.next().unwrap().unwrap();
        let value = Reader::new(&text).with_limits(limits).next_value().unwrap().unwrap();
        assert_eq!(form.to_value(), value);
        assert_eq!(value.clone(), value);
        assert_eq!(value.to_string(), text);
        assert_eq!(Form::from(&value).to_string(), text);
        assert_eq!(value.cmp(&value.clone()), std::cmp::Ordering::Equal);
        assert!(!format!("{value:?}").is_empty());
        assert!(!factum_edn::pretty(&value, 40).is_empty());
        std::collections::HashSet::new().insert(value);
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn names_split_at_the_first_slash() {
    let keyword = Keyword::new(Some("a"), "b");
    assert_eq!((keyword.namespace(), keyword.name(), keyword.as_str()), (Some("a"), "b", "a/b"));
    assert_eq!(Keyword::new(Some("a/b"), "c"), Keyword::parse("a/b/c"));
    assert_eq!(Keyword::new(Some("a/b"), "c").cmp(&Keyword::parse("a/b/c")), std::cmp::Ordering::Equal);
    assert_eq!(Keyword::new(None, "a/b").namespace(), Some("a"));
}
