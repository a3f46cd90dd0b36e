//! Every built-in function by example: `(call arg ..)` and its result, or the class of its error.

use edn::{Symbol, Value};
use storage::{Db, DbOptions, Schema};

use super::*;

fn read(text: &str) -> Value {
    edn::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Evaluates a call written as a list; nested lists are calls, `$` is the database.
fn eval(form: &Value, context: &CallContext<'_>) -> Result<Value> {
    let Value::List(items) = form else { return Ok(form.clone()) };
    let name = items[0].as_symbol().expect("a name");
    if name.as_str() == "quote" {
        return Ok(items[1].clone());
    }
    let function = built_in(name).unwrap_or_else(|| panic!("no function {name}"));
    let args = items[1..].iter().filter(|item| **item != Value::symbol("$"));
    let args = args.map(|item| eval(item, context)).collect::<Result<Vec<Value>>>()?;
    function.call_with(context, &args)
}

fn in_context(cases: &[(&str, &str)], context: &CallContext<'_>) {
    for (call, expected) in cases {
        let got = eval(&read(call), context);
        match expected.strip_prefix("error ") {
            Some(class) => match got {
                Err(error) => assert_eq!(error.class(), class, "{call}: {error}"),
                Ok(value) => panic!("{call} gave {value}, expected {expected}"),
            },
            None => match got {
                Ok(value) => assert_eq!(value, read(expected), "{call}"),
                Err(error) => panic!("{call}: {error}"),
            },
        }
    }
}

fn check(cases: &[(&str, &str)]) {
    in_context(cases, &CallContext::default());
}

#[test]
fn comparison() {
    check(&[
        ("(= 1 1 1)", "true"),
        ("(= 1 1N)", "true"),
        ("(= 1 1.0)", "false"),
        ("(= 1.0M 1.00M)", "false"),
        ("(== 1 1.0 1N 1M)", "true"),
        ("(== 1 \"1\")", "error bad-argument"),
        ("(not= 1 1 2)", "true"),
        ("(!= 1 1)", "false"),
        ("(< 1 2 3)", "true"),
        ("(< 1 3 2)", "false"),
        ("(<= 1 1 2)", "true"),
        ("(> 3 2 1)", "true"),
        ("(>= 3 3.0 1/2)", "true"),
        ("(< \"a\" \"b\")", "true"),
        ("(< #bytes \"01\" #bytes \"0100\")", "true"),
        ("(< :a :b)", "true"),
        ("(< :a 1)", "true"),
        ("(< 1 \"a\")", "true"),
        ("(< nil 1)", "true"),
        ("(< ##NaN 1)", "false"),
        ("(> ##NaN 1)", "false"),
        ("(compare 1 2)", "-1"),
        ("(compare \"b\" \"a\")", "1"),
        ("(compare [1 2] [1 2])", "0"),
        ("(min 3 1 2)", "1"),
        ("(max 3 1.5 2)", "3"),
        ("(max \"a\" \"c\" \"b\")", "\"c\""),
        ("(-differ? 1 2 1 3)", "true"),
        ("(-differ? 1 2 1 2)", "false"),
        ("(identical? :a :a)", "true"),
        ("(=)", "error function-arity"),
    ]);
}

#[test]
fn arithmetic() {
    check(&[
        ("(+)", "0"),
        ("(+ 1 2 3)", "6"),
        ("(+ 1 2.5)", "3.5"),
        ("(+ 9223372036854775807 1)", "error overflow"),
        ("(+ 1 \"a\")", "error bad-argument"),
        ("(+ nil)", "error bad-argument"),
        ("(- 5)", "-5"),
        ("(- 5 2 1)", "2"),
        ("(- -9223372036854775808)", "error overflow"),
        ("(*)", "1"),
        ("(* 2 3 4)", "24"),
        ("(/ 6 4)", "3/2"),
        ("(* (/ 6 4) 2)", "3"),
        ("(/ 6 3)", "2"),
        ("(/ 2)", "1/2"),
        ("(/ 1 0)", "error divide-by-zero"),
        ("(/ 1M 3M)", "error endless-decimal"),
        ("(quot -7 2)", "-3"),
        ("(rem -7 2)", "-1"),
        ("(mod -7 2)", "1"),
        ("(mod 7 0)", "error divide-by-zero"),
        ("(inc 1)", "2"),
        ("(inc 9223372036854775807)", "error overflow"),
        ("(dec 1.5)", "0.5"),
        ("(zero? 0.0)", "true"),
        ("(pos? 1/2)", "true"),
        ("(neg? -1N)", "true"),
        ("(even? 4)", "true"),
        ("(odd? -3)", "true"),
        ("(odd? 3N)", "true"),
        ("(even? 1.0)", "error bad-argument"),
        ("(rand-int 1)", "0"),
        ("(rand-int 0)", "0"),
    ]);
    let random = eval(&read("(rand 10)"), &CallContext::default()).unwrap();
    assert!(matches!(random, Value::Float(x) if (0.0..10.0).contains(&x)), "{random}");
}

#[test]
fn logic_and_values() {
    check(
        &[
            ("(true? true)", "true"),
            ("(true? 1)", "false"),
            ("(false? false)", "true"),
            ("(nil? nil)", "true"),
            ("(some? false)", "true"),
            ("(not nil)", "true"),
            ("(and)", "true"),
            ("(and 1 nil 2)", "nil"),
            ("(and 1 2)", "2"),
            ("(or)", "nil"),
            ("(or nil false 3 4)", "3"),
            ("(or nil false)", "false"),
            ("(identity 5)", "5"),
            ("(ground [1 2])", "[1 2]"),
            ("(untuple [1 2])", "[1 2]"),
            ("(type 1)", ":long"),
            ("(type \"a\")", ":string"),
            ("(type nil)", "nil"),
            ("(meta [1])", "nil"),
            ("(keyword \"a/b\")", ":a/b"),
            ("(keyword \"a\" \"b\")", ":a/b"),
            ("(keyword :a)", ":a"),
            ("(keyword 1)", "error bad-argument"),
            ("(name :a/b)", "\"b\""),
            ("(name \"s\")", "\"s\""),
            ("(namespace :a/b)", "\"a\""),
            ("(namespace :b)", "nil"),
            ("(apply '+ [1 2 3])", "6"),
            ("(apply '+ 1 2 [3])", "6"),
            ("(apply 'max #{1 2 3})", "3"),
            ("(apply 'nope [1])", "error unknown-function"),
            ("(apply '+ 3)", "error bad-argument"),
            ("(apply (complement 'even?) [3])", "true"),
            ("(udf {:udf/id :none})", "error unknown-function"),
            ("(udf 3)", "error bad-argument"),
        ]
        .map(|(call, expected)| (quoted(call), expected))
        .iter()
        .map(|(call, expected)| (call.as_str(), *expected))
        .collect::<Vec<_>>(),
    );
}

/// Writes `'x` as `(quote x)`.
fn quoted(call: &str) -> String {
    let mut out = String::new();
    let mut rest = call;
    while let Some(at) = rest.find('\'') {
        let end = rest[at + 1..].find([' ', ')']).map_or(rest.len(), |end| at + 1 + end);
        out.push_str(&format!("{}(quote {})", &rest[..at], &rest[at + 1..end]));
        rest = &rest[end..];
    }
    out + rest
}

#[test]
fn collections() {
    check(&[
        ("(vector 1 2)", "[1 2]"),
        ("(tuple 1 2)", "[1 2]"),
        ("(count (list 1 2 3))", "3"),
        ("(set [1 1 2])", "#{1 2}"),
        ("(set 3)", "error bad-argument"),
        ("(hash-map :a 1)", "{:a 1}"),
        ("(array-map :a 1 :b)", "error bad-argument"),
        ("(count nil)", "0"),
        ("(count \"äöü\")", "3"),
        ("(count {:a 1})", "1"),
        ("(count 3)", "error bad-argument"),
        ("(range 3)", "[0 1 2]"),
        ("(range 1 4)", "[1 2 3]"),
        ("(range 5 0 -2)", "[5 3 1]"),
        ("(range 0)", "[]"),
        ("(range 0 1 0)", "error bad-argument"),
        ("(range 9223372036854775805 9223372036854775807)", "[9223372036854775805 9223372036854775806]"),
        ("(range 1e9)", "error too-large"),
        ("(not-empty [])", "nil"),
        ("(not-empty \"a\")", "\"a\""),
        ("(empty? \"\")", "true"),
        ("(empty? nil)", "true"),
        ("(contains? {:a 1} :a)", "true"),
        ("(contains? [5 6] 1)", "true"),
        ("(contains? [5 6] 2)", "false"),
        ("(contains? #{1} 1N)", "true"),
        ("(contains? nil 1)", "false"),
        ("(contains? 1 1)", "error bad-argument"),
        ("(get {:a 1} :a)", "1"),
        ("(get {:a 1} :b)", "nil"),
        ("(get {:a 1} :b 2)", "2"),
        ("(get {1 :a} 1N)", ":a"),
        ("(get [5 6] 1)", "6"),
        ("(get \"abc\" 1)", "\\b"),
        ("(get 1 1)", "nil"),
        ("(idoc-get {:a {\"b\" [1 2]}} :a \"b\" 1)", "2"),
        ("(idoc-get {:a 1} :b :c)", "nil"),
    ]);
}

#[test]
fn texts() {
    check(&[
        ("(str)", "\"\""),
        ("(str \"a\" 1 nil :k \\c 1.5 2N 3M)", "\"a1:kc1.523\""),
        ("(str [1 \"a\"])", r#""[1 \"a\"]""#),
        ("(subs \"hello\" 1)", "\"ello\""),
        ("(subs \"häß\" 1 2)", "\"ä\""),
        ("(subs \"abc\" 2 1)", "error bad-argument"),
        ("(subs \"abc\" 4)", "error bad-argument"),
        ("(pr-str \"a\" 1)", r#""\"a\" 1""#),
        ("(prn-str 1)", "\"1\\n\""),
        ("(print-str \"a\" [\"b\" \\c])", "\"a [b c]\""),
        ("(println-str \"a\")", "\"a\\n\""),
        ("(re-find \"b+\" \"abbc\")", "\"bb\""),
        ("(re-find (re-pattern \"(a)(x)?\") \"abc\")", "[\"a\" \"a\" nil]"),
        ("(re-find \"x\" \"abc\")", "nil"),
        ("(re-matches \"a|ab\" \"ab\")", "\"ab\""),
        ("(re-matches \"a\" \"ab\")", "nil"),
        ("(re-seq \"[a-z]\" \"a1b\")", "(\"a\" \"b\")"),
        ("(re-seq \"x\" \"a\")", "nil"),
        ("(re-find \"(\" \"a\")", "error bad-regex"),
        ("(re-find 1 \"a\")", "error bad-argument"),
        ("(like \"Mira\" \"M%\")", "true"),
        ("(like \"a_c\" \"a!_c\")", "true"),
        ("(like \"abc\" \"a!_c\")", "false"),
        ("(like \"a_c\" \"a|_c\" {:escape \\|})", "true"),
        ("(like \"ab\" \"a!b\")", "error bad-like-escape"),
        ("(like :a \"a\")", "error bad-argument"),
        ("(not-like \"a\" \"b%\")", "true"),
        ("(in 1 [1 2])", "true"),
        ("(in 1N #{1 2})", "true"),
        ("(in 1.0 [1 2])", "false"),
        ("(in 1 [])", "false"),
        ("(not-in 1 (list 2))", "true"),
        ("(in 1 {1 1})", "error bad-argument"),
        ("(in \"a\" \"abc\")", "error bad-argument"),
    ]);
}

#[test]
fn entities() {
    let schema = Schema::from_value(&read(
        "{:name {:db/unique :db.unique/identity} :tag {:db/cardinality :db.cardinality/many}}",
    ))
    .expect("a schema");
    let db = Db::empty(schema, DbOptions::default());
    let db = db.db_with(&read("[{:db/id 1 :name \"Ann\" :tag [\"b\" \"a\"] :age 3}]")).expect("facts");
    let context = CallContext { db: Some(&db), registry: None };
    in_context(
        &[
            ("(get-else $ 1 :age 0)", "3"),
            ("(get-else $ [:name \"Ann\"] :age 0)", "3"),
            ("(get-else $ [:name \"Bob\"] :age 0)", "0"),
            ("(get-else $ 1 :tag \"none\")", "\"a\""),
            ("(get-else $ 1 :size 0)", "0"),
            ("(get-else $ 1 :age nil)", "error nil-default"),
            ("(get-else $ \"x\" :age 0)", "error bad-db-id"),
            ("(get-some $ 1 :size :age)", "[:age 3]"),
            ("(get-some $ 1 :size)", "nil"),
            ("(get-some-else $ 1 -1 :size :age)", "[:age 3]"),
            ("(get-some-else $ 1 -1 :size)", "[nil -1]"),
            ("(missing? $ 1 :size)", "true"),
            ("(missing? $ 1 :age)", "false"),
            ("(get-else $ 1 :age)", "error function-arity"),
            ("(fulltext $ \"x\")", "error no-search-domain"),
            ("(vec-neighbors $ :v [1.0])", "error no-search-domain"),
            ("(idoc-match $ {:a 1})", "error no-search-domain"),
        ],
        &context,
    );
    check(&[("(missing? $ 1 :age)", "error needs-database")]);
}

#[test]
fn clojure_strings() {
    check(&[
        ("(clojure.string/upper-case \"straße\")", "\"STRASSE\""),
        ("(str/lower-case \"ÅB\")", "\"åb\""),
        ("(clojure.string/capitalize \"hELLO you\")", "\"Hello you\""),
        ("(clojure.string/upper-case nil)", "error bad-argument"),
        ("(clojure.string/capitalize \"\")", "\"\""),
        ("(clojure.string/trim \" \\ta b \\n\")", "\"a b\""),
        ("(clojure.string/triml \"  a \")", "\"a \""),
        ("(clojure.string/trimr \"  a \")", "\"  a\""),
        ("(clojure.string/trim-newline \"a \\r\\n\\n\")", "\"a \""),
        ("(clojure.string/reverse \"abå\")", "\"åba\""),
        ("(clojure.string/blank? \" \\n\")", "true"),
        ("(clojure.string/blank? nil)", "true"),
        ("(clojure.string/blank? \"a\")", "false"),
        ("(clojure.string/starts-with? \"abc\" \"ab\")", "true"),
        ("(clojure.string/starts-with? \"abc\" \"\")", "true"),
        ("(clojure.string/ends-with? \"abc\" \"ab\")", "false"),
        ("(clojure.string/includes? \"abc\" \"b\")", "true"),
        ("(clojure.string/includes? \"abc\" 7)", "error bad-argument"),
        ("(clojure.string/index-of \"åbåb\" \"b\")", "1"),
        ("(clojure.string/index-of \"åbåb\" \"b\" 2)", "3"),
        ("(clojure.string/index-of \"ab\" \\b)", "1"),
        ("(clojure.string/index-of \"ab\" \"x\")", "nil"),
        ("(clojure.string/index-of \"ab\" \"a\" 9)", "nil"),
        ("(clojure.string/last-index-of \"aaa\" \"aa\")", "1"),
        ("(clojure.string/last-index-of \"aaa\" \"aa\" 0)", "0"),
        ("(clojure.string/last-index-of \"abc\" \"c\" 1)", "nil"),
        ("(clojure.string/join [1 nil :a \"b\" [\"c\"]])", "\"1:ab[\\\"c\\\"]\""),
        ("(clojure.string/join \", \" [1 nil 2])", "\"1, , 2\""),
        ("(clojure.string/join \\- #{1})", "\"1\""),
        ("(clojure.string/join \", \" 7)", "error bad-argument"),
        ("(clojure.string/split \"a,b,,\" (re-pattern \",\"))", "[\"a\" \"b\"]"),
        ("(clojure.string/split \"a,b,,\" (re-pattern \",\") -1)", "[\"a\" \"b\" \"\" \"\"]"),
        ("(clojure.string/split \"a,b,c\" \",\" 2)", "[\"a\" \"b,c\"]"),
        ("(clojure.string/split \"abc\" \"\")", "[\"a\" \"b\" \"c\"]"),
        ("(clojure.string/split \"åxb\" \"x*\" -1)", "[\"å\" \"\" \"b\" \"\"]"),
        ("(clojure.string/split \",,\" \",\")", "[]"),
        ("(clojure.string/split \"\" \",\")", "[\"\"]"),
        ("(clojure.string/split \",a\" \",\")", "[\"\" \"a\"]"),
        ("(clojure.string/split \"a\" \"(\")", "error bad-regex"),
        ("(clojure.string/split-lines \"a\\r\\nb\\n\")", "[\"a\" \"b\"]"),
        ("(clojure.string/replace \"a.b.\" \".\" \"-\")", "\"a-b-\""),
        ("(clojure.string/replace \"a.b.\" \\. \\-)", "\"a-b-\""),
        ("(clojure.string/replace \"ab12\" (re-pattern \"([a-z])([0-9])\") \"$2x$1\")", "\"a1xb2\""),
        ("(clojure.string/replace \"ab\" (re-pattern \"(b)\") \"$10\\\\$\")", "\"ab0$\""),
        ("(clojure.string/replace \"ab\" (re-pattern \"b\") \"$1\")", "error bad-argument"),
        ("(clojure.string/replace-first \"aa\" \"a\" \"b\")", "\"ba\""),
        ("(clojure.string/replace-first \"aa\" (re-pattern \"a\") \"b\")", "\"ba\""),
        ("(clojure.core/inc 1)", "2"),
    ]);
    let registry = FunctionRegistry::new();
    assert_eq!(registry.nearest("starts-with?").as_deref(), Some("clojure.string/starts-with?"));
    assert_eq!(registry.nearest("clojure.string/uper-case").as_deref(), Some("clojure.string/upper-case"));
}

#[test]
fn every_built_in_has_a_name_and_is_found() {
    let names: Vec<&str> = built_in_names().collect();
    for name in &names {
        let function = built_in(&Symbol::parse(name)).expect("found by its name");
        assert_eq!(function.name().as_str(), *name);
        assert!(function.is_built_in());
    }
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len());
    assert!(!built_in(&Symbol::parse("rand")).expect("rand").is_pure());
    assert!(built_in(&Symbol::parse("missing?")).expect("missing?").takes_source());
}

#[test]
fn programs_add_functions_and_aggregates() {
    let registry = FunctionRegistry::new()
        .function("my/twice", |args| match args {
            [Value::Int(x)] => Ok(Value::Int(x * 2)),
            _ => Err("one integer".into()),
        })
        .runtime_function(":my/id", |args| Ok(args[0].clone()));
    let twice = registry.find(&Symbol::parse("my/twice")).expect("registered");
    assert_eq!(twice.call(&[4.into()]).unwrap(), Value::Int(8));
    assert_eq!(twice.call(&[]).unwrap_err().to_string(), "one integer");
    assert!(!twice.is_built_in() && !twice.is_pure());
    assert_eq!(registry.nearest("my/twcie").as_deref(), Some("my/twice"));
    assert_eq!(registry.nearest("coutn").as_deref(), Some("count"));
    let context = CallContext { db: None, registry: Some(&registry) };
    in_context(&[("(apply (quote my/twice) [4])", "8"), ("(udf {:udf/id :my/id} 7)", "7")], &context);
}

#[test]
fn names_of_other_languages_lead_to_functions() {
    for (other, ours) in super::CALLED_ELSEWHERE {
        assert!(super::built_in(&Symbol::parse(other)).is_none(), "{other}");
        assert!(super::built_in(&Symbol::parse(ours)).is_some(), "{ours}");
    }
    assert_eq!(nearest("UPPER", []).as_deref(), Some("clojure.string/upper-case"));
    assert_eq!(nearest("upper-case", []).as_deref(), Some("clojure.string/upper-case"));
    assert_eq!(nearest("length", ["lengthen"]).as_deref(), Some("count"));
}
