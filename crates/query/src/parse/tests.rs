//! Every mistake has its error, and every form of a query is understood.

use super::*;
use crate::ast::{Binding, Clause, FindElement, FindShape, Input, OrderColumn, Window};

fn error(text: &str) -> Error {
    match parse(text) {
        Ok(query) => panic!("{text} parsed as {query}"),
        Err(error) => error,
    }
}

fn rules_error(text: &str) -> Error {
    match text.parse::<Rules>() {
        Ok(rules) => panic!("{text} parsed as {rules}"),
        Err(error) => error,
    }
}

/// Code, class and the text that the error points at.
fn points(text: &str, error: &Error) -> (String, String, String) {
    let at = error.span().map_or("", |span| &text[span.start..span.end]);
    (error.code().to_owned(), error.class().to_owned(), at.to_owned())
}

#[test]
fn mistakes_are_named_and_pointed_at() {
    for (text, code, class, at) in [
        ("42", ":parser/query", "parse-error", "42"),
        ("\"[:find ?x]\"", ":parser/query", "parse-error", "\"[:find ?x]\""),
        ("[?x :find ?x]", ":parser/query", "parse-error", "?x"),
        ("[:find ?n :frobnicate 3]", ":parser/query", "unknown-section", ":frobnicate"),
        ("[:find ?n :find ?m]", ":parser/query", "parse-error", ":find"),
        ("[:where [?e :a]]", ":parser/query", "parse-error", "[:where [?e :a]]"),
        ("{:find ?x}", ":parser/query", "parse-error", "?x"),
        ("[:find :where [_ :n ?n]]", ":parser/find", "parse-error", ":where"),
        ("[:find foo :where [_ :n ?n]]", ":parser/find", "parse-error", "foo"),
        ("[:find ?n [?m ...] :where [?m :n ?n]]", ":parser/find", "parse-error", "[?m ...]"),
        ("[:find [?n ... ?m] :where [?m :n ?n]]", ":parser/find", "parse-error", "..."),
        ("[:find (count) :where [_ :n ?n]]", ":parser/find", "parse-error", "(count)"),
        ("[:find (count 3) :where [_ :n ?n]]", ":parser/find", "parse-error", "(count 3)"),
        ("[:find (count (count ?n)) :where [_ :n ?n]]", ":parser/find", "parse-error", "(count ?n)"),
        ("[:find (pull ?e) :where [?e :n]]", ":parser/find", "parse-error", "(pull ?e)"),
        ("[:find (pull ?e [*] 3) :where [?e :n]]", ":parser/find", "parse-error", "(pull ?e [*] 3)"),
        ("[:find ?s (+ ?p 1) :where [?s :p ?p]]", ":parser/find", "find-expression-needs-aggregate", "?p"),
        (
            "[:find (+ (sum ?p) \"a\") :where [?s :p ?p]]",
            ":parser/find",
            "find-expression-needs-aggregate",
            "\"a\"",
        ),
        ("[:find ?n :with 3 :where [_ :n ?n]]", ":parser/with", "parse-error", "3"),
        ("[:find ?n :in 3 :where [_ :n ?n]]", ":parser/in", "parse-error", "3"),
        ("[:find ?n :in [?n 3]]", ":parser/binding", "parse-error", "3"),
        ("[:find ?n :in []]", ":parser/binding", "parse-error", "]"),
        ("[:find ?n :in [?n ?m ...]]", ":parser/binding", "parse-error", "[?n ?m ...]"),
        ("[:find ?n :where [_ :n ?n] []]", ":parser/where", "parse-error", "[]"),
        ("[:find ?n :where [_ :n ?n] 3]", ":parser/where", "parse-error", "3"),
        ("[:find ?n :where [_ :n ?n] {:a 1}]", ":parser/where", "parse-error", "{:a 1}"),
        ("SELECT name FROM person", ":parser/query", "parse-error", "SELECT"),
        ("[:find ?n :where [?e nmae ?n]]", ":parser/where", "parse-error", "nmae"),
        ("[:find ?n :where [?e :a (inc ?n)]]", ":parser/where", "parse-error", "(inc ?n)"),
        ("[:find ?n :where [(ground 1) ?n 3]]", ":parser/where", "parse-error", "3"),
        ("[:find ?n :where [(ground 1) 3]]", ":parser/binding", "parse-error", "3"),
        ("[:find ?n :where [(1 2) ?n]]", ":parser/where", "parse-error", "(1 2)"),
        ("[:find ?n :where [(str _) ?n]]", ":parser/where", "parse-error", "_"),
        ("[:find ?n :where [_ :n ?n] (not)]", ":parser/where", "parse-error", "(not)"),
        ("[:find ?n :where [_ :n ?n] (or)]", ":parser/where", "parse-error", "(or)"),
        ("[:find ?n :where [_ :n ?n] (or (and))]", ":parser/where", "parse-error", "(and)"),
        ("[:find ?n :where [_ :n ?n] (not [_ :b])]", ":parser/where", "empty-join-vars", "(not [_ :b])"),
        ("[:find ?n :where [_ :n ?n] (not-join [] [_ :b ?n])]", ":parser/where", "empty-join-vars", "[]"),
        ("[:find ?n :where [_ :n ?n] (not-join ?n [_ :b ?n])]", ":parser/where", "parse-error", "?n"),
        ("[:find ?n :where (or-join [] [_ :n ?n])]", ":parser/rule-vars", "parse-error", "]"),
        ("[:find ?n :where (or-join [?n ?n] [_ :n ?n])]", ":parser/rule-vars", "parse-error", "?n"),
        ("[:find ?n :where (or-join [3] [_ :n ?n])]", ":parser/rule-var", "parse-error", "3"),
        ("[:find ?e :in $ % :where [?e :n] (r)]", ":parser/where", "parse-error", "(r)"),
        ("[:find ?e :in $ % :where [?e :n] (r foo)]", ":parser/where", "parse-error", "foo"),
        ("[:find ?n :where [?e :n ?n] (and [?e :a])]", ":parser/query", "and-not-allowed", "(and [?e :a])"),
        ("[:find ?m :where [?e :n ?n]]", ":parser/query", "unknown-vars", "?m"),
        ("[:find (sum ?m) :where [?e :n ?n]]", ":parser/query", "unknown-vars", "?m"),
        ("[:find ?n :with ?z :where [_ :n ?n]]", ":parser/query", "unknown-vars", "?z"),
        ("[:find ?n :with ?n :where [_ :n ?n]]", ":parser/query", "find-with-overlap", "?n"),
        ("[:find ?x :in ?x ?x]", ":parser/query", "duplicate-in-vars", "?x"),
        ("[:find ?x :in ?x [[?x ?y]]]", ":parser/query", "duplicate-in-vars", "?x"),
        ("[:find ?n :in $ $ :where [?e :n ?n]]", ":parser/query", "duplicate-in-vars", "$"),
        ("[:find ?n :in % % ?n]", ":parser/query", "duplicate-in-vars", "%"),
        ("[:find ?n :in $ :where [$x ?e :n ?n]]", ":parser/query", "unknown-source", "$x"),
        ("[:find ?n :where ($x not [?e :n ?n])]", ":parser/query", "unknown-source", "$x"),
        (
            "[:find ?n :in $x :where [$x ?e] [(get-else $ ?e :n 1) ?n]]",
            ":parser/query",
            "unknown-source",
            "$",
        ),
        ("[:find (pull $x ?e [*]) :where [?e :n]]", ":parser/query", "unknown-source", "$x"),
        ("[:find ?n :where [?e :n ?n] (nto [?e :a])]", ":parser/query", "missing-rules", "nto"),
        ("[:find ?n :where [?e :n ?n] (nto ?e)]", ":parser/query", "missing-rules", "nto"),
        ("[:find ?n . :keys who :where [?e :n ?n]]", ":parser/query", "return-map-not-allowed", "who"),
        ("[:find [?n ...] :keys who :where [?e :n ?n]]", ":parser/query", "return-map-not-allowed", "who"),
        ("[:find ?n ?e :keys who :where [?e :n ?n]]", ":parser/query", "return-map-arity", "who"),
        ("[:find ?n :keys who :strs who :where [?e :n ?n]]", ":parser/query", "return-map-conflict", ":strs"),
        ("[:find ?n :keys :who :where [?e :n ?n]]", ":parser/query", "return-map-name", ":who"),
        ("[:find ?n :keys \"who\" :where [?e :n ?n]]", ":parser/query", "return-map-name", "\"who\""),
        ("[:find ?n :where [_ :n ?n] :order-by \"n\"]", ":parser/query", "order-by-format", "\"n\""),
        ("[:find ?n :where [_ :n ?n] :order-by [?n :up]]", ":parser/query", "order-by-format", ":up"),
        ("[:find ?n :where [_ :n ?n] :order-by ?n :desc]", ":parser/query", "unknown-section", ":desc"),
        ("[:find ?n :where [_ :n ?n] :order-by [1]]", ":parser/query", "order-by-index", "1"),
        ("[:find ?n :where [_ :n ?n] :order-by [-1]]", ":parser/query", "order-by-index", "-1"),
        ("[:find ?n :where [?e :n ?n] :order-by ?e]", ":parser/query", "order-by-variable", "?e"),
        (
            "[:find (min ?n) (max ?n) :where [?e :n ?n] :order-by ?n]",
            ":parser/query",
            "order-by-variable",
            "?n",
        ),
        ("[:find ?n :where [?e :n ?n] :order-by [?n ?n]]", ":parser/query", "order-by-repeat", "?n"),
        ("[:find (pull ?e [*]) :where [?e :n] :order-by 0]", ":parser/query", "order-by-pull", "0"),
        ("[:find ?n :where [_ :n ?n] :limit 0]", ":parser/query", "bad-limit", "0"),
        ("[:find ?n :where [_ :n ?n] :limit 1.5]", ":parser/query", "bad-limit", "1.5"),
        ("[:find ?n :where [_ :n ?n] :limit]", ":parser/query", "bad-limit", "]"),
        ("[:find ?n :where [_ :n ?n] :offset -1]", ":parser/query", "bad-offset", "-1"),
        ("[:find ?n :where [_ :n ?n] :timeout 0]", ":parser/query", "bad-timeout", "0"),
        ("[:find ?n :where [_ :n ?n] :timeout ?n]", ":parser/query", "bad-timeout", "?n"),
        ("[:find ?n :in $ [?k ...] :where [_ :n ?n] :limit ?k]", ":prepared/query-inputs", "bad-limit", "?k"),
        ("[:find ?n :where [_ :n ?n] :offset ?k]", ":prepared/query-inputs", "bad-offset", "?k"),
        (
            "[:find ?r (count ?e) :where [?e :r ?r] :having (> 1 2)]",
            ":parser/having",
            "parse-error",
            "(> 1 2)",
        ),
        (
            "[:find ?r (count ?e) :where [?e :r ?r] :having [(= ?r :x)]]",
            ":parser/having",
            "parse-error",
            "?r",
        ),
        (
            "[:find ?r (count ?e) :where [?e :r ?r] :having [(> (sum ?e) 1)]]",
            ":parser/having",
            "having-not-in-find",
            "(sum ?e)",
        ),
        ("[:find ?x :where [(q [:find ?y :where [?z]] $) ?x]]", ":parser/query", "unknown-vars", "?y"),
        ("[:find ?n :where [?e :n", ":parser/edn", "unreadable", ""),
    ] {
        let error = error(text);
        let expected = (code.to_owned(), class.to_owned(), at.to_owned());
        let mut got = points(text, &error);
        if class == "unreadable" {
            got.2.clear();
        }
        assert_eq!(got, expected, "{text}: {error}");
    }
}

#[test]
fn mistakes_in_rules() {
    for (text, code, at) in [
        ("42", ":parser/rule", "42"),
        ("[3]", ":parser/rule", "3"),
        ("[[]]", ":parser/rule", "]"),
        ("[[?x [?x :a]]]", ":parser/rule", "?x"),
        ("[[(r ?a)]]", ":parser/rule", "[(r ?a)]"),
        ("[[(?r ?a) [?a :n]]]", ":parser/rule", "?r"),
        ("[[(not ?a) [?a :n]]]", ":parser/rule", "not"),
        ("[[(r) [?a :n]]]", ":parser/rule-vars", ")"),
        ("[[(r ?a ?a) [?a :n]]]", ":parser/rule-vars", "?a"),
        ("[[(r [?a] ?a) [?a :n]]]", ":parser/rule-vars", "?a"),
        ("[[(r 1 ?a) [?a :n]]]", ":parser/rule-var", "1"),
        ("[[(r ?a _) [?a :n]]]", ":parser/rule-var", "_"),
        ("[[(r ?a) [?a :n]] [(r ?a ?b) [?a :n ?b]]]", ":parser/rule", "(r ?a ?b)"),
        ("[[(r ?a ?b) [?a :n ?b]] [(r [?a] ?b) [?a :n ?b]]]", ":parser/rule", "(r [?a] ?b)"),
        ("[[(r ?a) 3]]", ":parser/where", "3"),
    ] {
        let error = rules_error(text);
        let (got, _, pointed) = points(text, &error);
        assert_eq!((got.as_str(), pointed.as_str()), (code, at), "{text}: {error}");
    }
}

#[test]
fn suggestions() {
    assert_eq!(error("[:find ?n :wher [?e :n ?n]]").help().unwrap(), "did you mean :where?");
    assert_eq!(error("[:find ?nmae :where [?e :n ?name]]").help().unwrap(), "did you mean ?name?");
    assert_eq!(error("[:find ?n :where [?e :n ?n] (nto ?e)]").help().unwrap(), "did you mean not?");
    assert!(error("[:find ?n :where [?e :n ?n] :order-by ?n :desc]").help().unwrap().contains("[?x :desc]"));
}

#[test]
fn all_forms_survive_the_way_to_text_and_back() {
    for text in [
        "[:find ?n ?a :where [?e :crew/rank :tech] [?e :crew/name ?n]  [?e :crew/age ?a]]",
        "[:find [?n ...] :in $ $b % pat ?x _ [?y _] [?n ...] [[?k [?v ...]] ...] :where [$b ?n ?x ?y ?k ?v]]",
        "[:find [?a (max 3 ?b) (aggregate ?f 1 ?c)] :keys a b c :in $ ?f :where [?a ?b ?c]]",
        "[:find (* 2 (+ (max ?p) (min ?p) 1.5)) . :where [_ :price ?p]]",
        "[:find (pull ?e [* {:a [:b]}]) (pull $g ?e pat) :in $ $g pat :where [$ ?e :a 1 2 3 4 _]]",
        "[:find ?r (count ?e) :with ?q :where [?e :r ?r ?q] :having [(> (count ?e) 1)] [(odd? (+ 1 (count ?e)))] \
         :order-by [?r :desc 1 :asc] :limit 3 :offset 4 :timeout 100]",
        "[:find ?r :in $ ?k :where [?r] :limit ?k :offset ?k]",
        "[:find ?r :where [?r] :limit -1]",
        "[:find ?x :in $ $g % :where (r ?x 3 _) ($g r ?x) (not [?x] [_ :a [:b \"c\"]]) ($g not-join [?x] [?x :b]) \
         (or [?x :a] (and [?x :b] [(f? ?x)])) ($g or-join [[?x] ?y] [?x :b ?y] [?x :c ?y]) (or-join [?x] [?x])]",
        "[:find ?x :where [(f) ?x] [(f ?x $ \"a\" [?x] g (h {:a 1} #{2} 'q)) [?y _ [?z ...]]] [(?x 1) _]]",
        "[:find ?x :where [(q [:find (max ?a) . :in $ ?x :where [?x :a ?a]] $ 3) ?x] [(ground (quote sym)) ?x]]",
        "{:find [?n .], :in [$ ?r], :where [[?e :crew/rank ?r] [?e :crew/name ?n]]}",
        "{:find [?n], :where [[_ :n ?n]], :order-by [?n :desc], :limit 1}",
        "{:find [?n], :where [[_ :n ?n]], :order-by [[?n :desc]], :limit 1}",
        "{:find [[?n ...]], :where [[_ :n ?n]]}",
        "[:find ?x :in]",
    ] {
        if text == "[:find ?x :in]" {
            assert_eq!(error(text).class(), "unknown-vars");
            continue;
        }
        let text = text.replace("'q", "(quote q)");
        let first = parse(&text).unwrap_or_else(|error| panic!("{}", error.render()));
        let printed = first.to_string();
        let second = parse(&printed).unwrap_or_else(|error| panic!("{}", error.render()));
        assert_eq!(second.to_string(), printed, "{text}");
    }
    let rules = "[[(r [?a] ?b) [?a :to ?b]] ((r [?a] ?b) (r ?a ?c) (not [?c :x ?b]))]";
    let first: Rules = rules.parse().unwrap();
    let printed = first.to_string();
    assert_eq!(printed.parse::<Rules>().unwrap().to_string(), printed);
    assert_eq!(Rules::from_value(&Value::str(rules)).unwrap().definitions.len(), 2);
}

#[test]
fn shapes_and_parts() {
    let shape = |text: &str| parse(text).unwrap().find.shape;
    assert_eq!(shape("[:find ?a ?b :where [?a ?b]]"), FindShape::Relation);
    assert_eq!(shape("[:find ?a . :where [?a]]"), FindShape::Scalar);
    assert_eq!(shape("[:find ?a ?b . :where [?a ?b]]"), FindShape::Tuple);
    assert_eq!(shape("[:find [?a] :where [?a]]"), FindShape::Tuple);
    assert_eq!(shape("[:find [?a ...] :where [?a]]"), FindShape::Collection);

    let query =
        parse("[:find (pull ?e [*]) :in $ [[?a ?b]] :where [?e :a ?a] [(f ?b) [?c ...]] :offset 2]").unwrap();
    assert!(matches!(query.find.elements[0], FindElement::Pull(_)));
    let inputs = query.inputs.unwrap();
    let Input::Binding(Binding::Collection(inner, _)) = &inputs[1] else { panic!("{inputs:?}") };
    assert!(matches!(&**inner, Binding::Tuple(parts, _) if parts.len() == 2));
    let Clause::Function(function) = &query.clauses[1] else { panic!() };
    assert!(matches!(function.binding, Binding::Collection(..)));
    assert!(matches!(query.offset, Some(Window::Count(Some(2), _))));
    let query = parse("[:find ?a :where [?a] :order-by [0 :desc]]").unwrap();
    assert!(matches!(query.order_by[0].column, OrderColumn::Index(0)) && query.order_by[0].descending);
}

#[test]
fn queries_of_programs_have_no_places() {
    let value = edn::read("[:find ?m :where [?e :n ?n]]").unwrap();
    let error = Query::from_value(&value).unwrap_err();
    assert_eq!(error.span(), None);
    assert!(error.render().starts_with("error[:parser/query]: the query asks for unknown vars: ?m"));
}

#[test]
fn nesting_has_a_limit() {
    let deep = |depth: usize| {
        format!("[:find ?x :where [?x] {}[?x :a]{}]", "(not ".repeat(depth), ")".repeat(depth))
    };
    assert!(parse(&deep(40)).is_ok());
    assert_eq!(error(&deep(150)).class(), "nested-too-deeply");
    let calls =
        |depth: usize| format!("[:find ?x :where [{}1{} ?x]]", "(inc ".repeat(depth), ")".repeat(depth));
    assert!(parse(&calls(40)).is_ok());
    assert_eq!(error(&calls(150)).class(), "nested-too-deeply");
    let bindings = |depth: usize| format!("[:find ?x :in {}?x ...{}]", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&bindings(40)).is_ok());
    assert_eq!(error(&bindings(150)).class(), "nested-too-deeply");
}

#[test]
fn rules_in_a_text_of_their_own_are_numbered_behind_the_query() {
    let error = rules_error("[[(r ?a ?a) [?a :n]]]");
    assert_eq!(error.span(), Some(Span::new(8, 10)));
    assert!(error.render().contains("^^"), "{}", error.render());
    let rules: Rules = "[[(r ?a) [?a :n]]]".parse().unwrap();
    let query = parse("[:find ?x :where [?x]]").unwrap();
    let both = query.text.followed_by(&rules.text);
    assert_eq!(both.slice(rules.definitions[0].span), Some("[(r ?a) [?a :n]]"));
    assert_eq!(both.slice(query.span), Some("[:find ?x :where [?x]]"));
}
