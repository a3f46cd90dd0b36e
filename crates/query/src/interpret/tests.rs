//! What expressions yield, and the errors of those that cannot be read or fail.

use edn::Value;
use storage::transact::{InterpretError, InterpretErrorKind as Kind};

use super::{Interpreted, Object};
use crate::QueryOptions;

fn evaluate(text: &str) -> Result<Value, InterpretError> {
    let form = edn::read_form(&format!("(fn [] {text})")).expect("valid EDN");
    Interpreted::compile(&form, &|_| None)?.call(&[], &QueryOptions::new())?.into_value()
}

#[test]
fn expressions() {
    let cases = [
        ("(let [x 1 [a & more :as all] [x 2 3]] [a more all])", "[1 [2 3] [1 2 3]]"),
        ("(let [{:keys [a b] c :d :or {b 7} :as m} {:a 1 :d 4}] [a b c m])", "[1 7 4 {:a 1 :d 4}]"),
        ("(let [{:keys [p/a] :strs [s]} {:p/a 1 \"s\" 2}] [a s])", "[1 2]"),
        ("(let [{:p/keys [a]} {:p/a 1}] a)", "1"),
        ("(if-let [[a] nil] a :none)", ":none"),
        ("(if-some [x false] [x] :none)", "[false]"),
        ("(when-let [x 3] (inc x))", "4"),
        ("(if-not nil 1 2)", "1"),
        ("(when-not true 1)", "nil"),
        ("(cond false 1 nil 2 :else 3)", "3"),
        ("(cond false 1)", "nil"),
        ("(case :b :a 1 (:b :c) 2 3)", "2"),
        ("(case 9 1 1 :other)", ":other"),
        ("(and) ", "true"),
        ("(and 1 nil 2)", "nil"),
        ("(or nil false 3 4)", "3"),
        ("(-> {:a 1} (assoc :b 2) :b inc)", "3"),
        ("(->> [1 2 3] (map inc) (reduce +))", "9"),
        ("((fn [x & more] [x more]) 1 2 3)", "[1 [2 3]]"),
        ("((fn f [n] (if (= n 0) 1 (* n (f (dec n))))) 5)", "120"),
        ("(let [n 10] (map (fn [x] (+ n x)) [1 2]))", "[11 12]"),
        ("(map + [1 2] [10 20 30])", "[11 22]"),
        ("(for [x [1 2 3] :when (odd? x) y [x (* 10 x)]] [x y])", "[[1 1] [1 10] [3 3] [3 30]]"),
        ("(for [x [1 2 3 4] :while (< x 3) :let [y (* x x)]] y)", "[1 4]"),
        ("(reduce (fn [m [k v]] (assoc m k v)) {} [[:a 1] [:b 2]])", "{:a 1 :b 2}"),
        ("(reduce + [])", "0"),
        ("(reduce + 5 [1 2])", "8"),
        ("(mapcat (fn [x] [x x]) [1 2])", "[1 1 2 2]"),
        ("(map-indexed vector [:a :b])", "[[0 :a] [1 :b]]"),
        ("(keep :a [{:a 1} {} {:a false}])", "[1 false]"),
        ("[(filter odd? [1 2 3]) (remove odd? [1 2 3])]", "[[1 3] [2]]"),
        ("[(some #{2 3} [1 2]) (every? pos? [1 -1]) (not-any? neg? [1])]", "[2 false true]"),
        ("[(first nil) (second [1 2]) (last [1 2]) (rest [1 2]) (next [1])]", "[nil 2 2 [2] nil]"),
        ("[(nth [1 2] 1) (nth [1] 5 :none) (take 2 [1 2 3]) (drop 2 [1 2 3])]", "[2 :none [1 2] [3]]"),
        (
            "[(sort [3 1 2]) (sort-by - [1 3 2]) (reverse [1 2]) (distinct [1 1 2])]",
            "[[1 2 3] [3 2 1] [2 1] [1 2]]",
        ),
        (
            "[(conj [1] 2) (conj #{1} 2) (conj {:a 1} [:b 2]) (into [] #{1})]",
            "[[1 2] #{1 2} {:a 1 :b 2} [1]]",
        ),
        ("[(concat [1] [2]) (cons 1 [2]) (seq []) (vec #{1}) (set [1 1])]", "[[1 2] [1 2] nil [1] #{1}]"),
        ("(get-in {:a {:b [5 6]}} [:a :b 1])", "6"),
        ("(assoc-in {:a {}} [:a :b :c] 1)", "{:a {:b {:c 1}}}"),
        ("(update {:a 1} :a + 10 100)", "{:a 111}"),
        ("(dissoc (merge {:a 1} nil {:b 2}) :a)", "{:b 2}"),
        (
            "[(select-keys {:a 1 :b 2} [:a :z]) (keys {:a 1}) (vals {:a 1}) (zipmap [:a :b] [1 2])]",
            "[{:a 1} [:a] [1] {:a 1 :b 2}]",
        ),
        ("(group-by odd? [1 2 3])", "{false [2] true [1 3]}"),
        ("(frequencies [:a :b :a])", "{:a 2 :b 1}"),
        ("(apply max 1 [5 3])", "5"),
        ("((comp inc inc) 1)", "3"),
        ("((partial + 1 2) 3)", "6"),
        ("(filter (complement nil?) [1 nil])", "[1]"),
        ("[({:a 1} :a) (#{2} 3) ([7 8] 1) (:a nil :none)]", "[1 nil 8 :none]"),
        ("(str/join \", \" [1 :a \"b\"])", "\"1, :a, b\""),
        (
            "[(clojure.string/upper-case \"a\") (str/blank? \" \") (str/starts-with? \"ab\" \"a\") (str/includes? \"abc\" \"b\")]",
            "[\"A\" true true true]",
        ),
        ("[(long 4.9) (double 4) (abs -3) (count \"abc\") (empty? [])]", "[4 4.0 3 3 true]"),
        ("(let [let 5] let)", "5"),
        ("(quote (a b))", "(a b)"),
        ("[(d/q (quote [:find ?x . :in [?x ...] :where [(> ?x 1)]]) [1 2])]", "[2]"),
    ];
    for (text, expected) in cases {
        let answer = evaluate(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(answer, edn::read(expected).expect("valid EDN"), "{text}");
    }
}

#[test]
fn errors_have_a_kind_and_a_place() {
    let cases = [
        ("(frobnicate 1)", Kind::UnknownFunction, "there is no function frobnicate"),
        ("(loop [i 0] (recur i))", Kind::UnknownFunction, "there is no function loop"),
        ("nowhere", Kind::UnknownName, "nowhere is not defined"),
        ("(let [a] a)", Kind::Arity, "(let [name value ..] expression)"),
        ("(if 1)", Kind::Arity, "(if condition then else?)"),
        ("(let [5 1] 1)", Kind::Syntax, "a name"),
        ("(5 1)", Kind::Syntax, "can be called"),
        ("((fn [x] x))", Kind::Arity, "a function of 1 is called with 0"),
        ("(map inc 5)", Kind::Argument, "a collection"),
        ("(+ 1 :a)", Kind::Argument, "+"),
        ("(first)", Kind::Arity, "first takes 1 argument"),
        ("(throw (ex-info \"no\" {:a 1}))", Kind::Thrown, "no {:a 1}"),
        ("(throw \"no\")", Kind::Thrown, "no"),
        ("(case 1 2 3)", Kind::Thrown, "no clause"),
        ("((fn f [x] (f (inc x))) 0)", Kind::Limit, "levels deep"),
        ("(nth [1] 4)", Kind::Argument, "no element 4"),
        ("(entity 5 1)", Kind::Argument, "a database"),
        ("{:f inc}", Kind::Argument, "cannot be part of data"),
        ("(repeat 100000000000 1)", Kind::Limit, "more than"),
    ];
    for (text, kind, message) in cases {
        let problem = evaluate(text).expect_err(text);
        assert_eq!(problem.kind, kind, "{text}: {problem:?}");
        assert!(problem.message.contains(message), "{text}: {problem:?}");
    }
    assert!(
        evaluate("(mapp inc [])")
            .expect_err("no such function")
            .hint
            .is_some_and(|hint| hint.contains("map"))
    );
    assert!(evaluate("(loop [])").expect_err("no loops").hint.is_some_and(|hint| hint.contains("reduce")));
}

#[test]
fn forms_that_are_too_deep_are_refused() {
    let text = format!("{}1{}", "(inc ".repeat(240), ")".repeat(240));
    match evaluate(&text) {
        Err(problem) => assert_eq!(problem.kind, Kind::Limit),
        Ok(value) => panic!("{value}"),
    }
}

#[test]
fn time_is_limited() {
    let text = "(fn [n] (count (for [a (range 0 n) b (range 0 n)] (+ a b))))";
    let form = edn::read_form(text).expect("valid EDN");
    let function = Interpreted::compile(&form, &|_| None).expect("it can be read");
    let options = QueryOptions::new().timeout(std::time::Duration::from_millis(20));
    let problem =
        function.call(&[Object::Value(Value::Int(1_000_000))], &options).expect_err("it takes too long");
    assert_eq!(problem.kind, Kind::Limit);
}

#[test]
fn names_from_outside_are_noted() {
    let form = edn::read_form("(fn [x] (+ x step step))").expect("valid EDN");
    let step = |name: &edn::Symbol| (name.as_str() == "step").then_some(Object::Value(Value::Int(10)));
    let function = Interpreted::compile(&form, &step).expect("it can be read");
    assert_eq!(function.free_names().len(), 1);
    let result =
        function.call(&[Object::Value(Value::Int(1))], &QueryOptions::new()).and_then(Object::into_value);
    assert_eq!(result, Ok(Value::Int(21)));
}

/// Threads of a program may have less room than the main one: 2 MiB by default, and builds without optimisation need
/// the most of it.
#[test]
fn deep_forms_and_calls_need_little_stack() {
    let cases = || {
        let nested = |depth| format!("{}1{}", "(inc ".repeat(depth), ")".repeat(depth));
        assert_eq!(evaluate(&nested(98)), Ok(Value::Int(99)));
        assert_eq!(evaluate(&nested(240)).expect_err("too deep").kind, Kind::Limit);
        let recursion = "((fn down [n] (if (pos? n) (inc (down (dec n))) 0)) 10000)";
        assert_eq!(evaluate(recursion).expect_err("too deep").kind, Kind::Limit);
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(cases).expect("a thread");
    thread.join().expect("no case fails");
}
