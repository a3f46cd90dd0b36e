//! Built queries equal those that are parsed, and are refused for the same reasons.

use edn::Value;

use super::*;
use crate::ast::{Query, Rules};
use crate::parse;

/// The text parses to the tree that was built, places aside.
#[track_caller]
fn same(built: QueryBuilder, text: &str) {
    let built = built.build().unwrap_or_else(|error| panic!("{text}: {error}"));
    let value = edn::read(text).expect("EDN");
    assert_eq!(built, Query::from_value(&value).expect(text));
    assert_eq!(built.to_string(), parse(text).expect(text).to_string());
}

fn name_of(entity: &str) -> Clauses {
    pattern(var(entity), kw("person/name"), var("n"))
}

#[test]
fn shapes_of_results() {
    same(Query::find(var("n")).clauses(name_of("e")), "[:find ?n :where [?e :person/name ?n]]");
    same(
        Query::find([var("e"), var("n")]).clauses(name_of("e")),
        "[:find ?e ?n :where [?e :person/name ?n]]",
    );
    same(
        Query::find_collection(var("n")).clauses(name_of("e")),
        "[:find [?n ...] :where [?e :person/name ?n]]",
    );
    same(
        Query::find_tuple([var("e"), var("n")]).clauses(name_of("e")),
        "[:find [?e ?n] :where [?e :person/name ?n]]",
    );
    same(
        Query::find_scalar(count(var("n"))).clauses(name_of("e")),
        "[:find (count ?n) . :where [?e :person/name ?n]]",
    );
}

#[test]
fn elements() {
    let clauses = || name_of("e").pattern(var("e"), kw("pay"), var("p"));
    same(
        Query::find((
            var("n"),
            aggregate("min", [2], var("p")),
            arithmetic("*", (avg(var("p")), 12)),
            max(var("p")),
        ))
        .with(var("e"))
        .clauses(clauses())
        .having(">", (max(var("p")), 3))
        .having("<", (max(var("p")), 9))
        .keys(["name", "least", "year", "most"]),
        "[:find ?n (min 2 ?p) (* (avg ?p) 12) (max ?p) :keys name least year most :with ?e
          :where [?e :person/name ?n] [?e :pay ?p]
          :having [(> (max ?p) 3)] [(< (max ?p) 9)]]",
    );
    same(
        Query::find(aggregate(var("f"), (), var("p"))).inputs((source(""), var("f"))).clauses(clauses()),
        "[:find (aggregate ?f ?p) :in $ ?f :where [?e :person/name ?n] [?e :pay ?p]]",
    );
    same(
        Query::find((pull(var("e"), wildcard()), pull_input(var("e"), var("pattern")).within(source("b"))))
            .inputs([source(""), source("b")])
            .inputs(var("pattern"))
            .clauses(clauses()),
        "[:find (pull ?e [*]) (pull $b ?e ?pattern) :in $ $b ?pattern :where [?e :person/name ?n] [?e :pay ?p]]",
    );
    let renamed = edn::read("[:person/name :as :who]").expect("EDN");
    same(
        Query::find(pull(var("e"), (PullItem::from(renamed), nested(kw("friend"), [kw("pay")]))))
            .clauses(clauses()),
        "[:find (pull ?e [[:person/name :as :who] {:friend [:pay]}]) :where [?e :person/name ?n] [?e :pay ?p]]",
    );
}

#[test]
fn sections() {
    same(
        Query::find((var("e"), var("n")))
            .inputs((source(""), rules_input(), var("x"), tuple((var("a"), blank())), each(var("c"))))
            .inputs((relation([var("d"), var("f")]), plain("g")))
            .clauses(name_of("e"))
            .syms(["e", "n"])
            .order_by((var("n"), desc(0)))
            .limit_input(var("x"))
            .offset(20)
            .timeout(std::time::Duration::from_secs(2)),
        "[:find ?e ?n :syms e n :in $ % ?x [?a _] [?c ...] [[?d ?f]] g :where [?e :person/name ?n]
          :order-by [?n :asc 0 :desc] :limit ?x :offset 20 :timeout 2000]",
    );
    same(
        Query::find(var("n")).clauses(name_of("e")).order_by(asc(var("n"))).limit(3),
        "[:find ?n :where [?e :person/name ?n] :order-by ?n :limit 3]",
    );
}

#[test]
fn clauses_of_every_kind() {
    same(
        Query::find(var("n"))
            .inputs((source(""), source("old"), rules_input(), var("f"), plain("g")))
            .terms((var("e"), kw("person/name")))
            .pattern(var("e"), var("a"), blank())
            .filter("<", (1, var("n"), 2.5))
            .filter(var("f"), [var("n")])
            .bind("+", (call("*", (var("n"), 2)), 1), var("m"))
            .bind("get-some", (source(""), var("e"), kw("a"), kw("b")), tuple([var("at"), var("n")]))
            .bind("apply", (function("g"), Value::Vector(vec![1.into()])), each(blank()))
            .not(name_of("e").filter(">", (var("n"), "x")))
            .not_join(var("e"), name_of("e"))
            .or([name_of("e"), name_of("e").pattern(var("n"), kw("b"), true)])
            .or_join([var("e"), var("m")], vec![terms((var("e"), kw("c"), var("m")))])
            .rule("path", (var("e"), blank(), 7))
            .clauses(not(name_of("e")).rule("path", [var("e")]).terms((var("e"), 1)).within(source("old"))),
        "[:find ?n :in $ $old % ?f g
          :where [?e :person/name] [?e ?a _] [(< 1 ?n 2.5)] [(?f ?n)] [(+ (* ?n 2) 1) ?m]
                 [(get-some $ ?e :a :b) [?at ?n]] [(apply g [1]) [_ ...]]
                 (not [?e :person/name ?n] [(> ?n \"x\")]) (not-join [?e] [?e :person/name ?n])
                 (or [?e :person/name ?n] (and [?e :person/name ?n] [?n :b true]))
                 (or-join [?e ?m] [?e :c ?m]) (path ?e _ 7)
                 ($old not [?e :person/name ?n]) ($old path ?e) [$old ?e 1]]",
    );
    same(
        Query::find(var("n")).bind(
            "q",
            (subquery(Query::find_scalar(sum(var("x"))).pattern(blank(), kw("x"), var("x"))), source("$")),
            var("n"),
        ),
        "[:find ?n :where [(q [:find (sum ?x) . :where [_ :x ?x]] $) ?n]]",
    );
}

#[test]
fn constants_stay_values() {
    for text in [
        "a",
        "(a ?b)",
        "[?x :a (f)]",
        "\"] [?e :secret ?s\"",
        "#{1 2}",
        "{:a ?b}",
        "nil",
        "?x",
        "#my/tag [1]",
    ] {
        let value = edn::read(text).expect("EDN");
        let query = Query::find(var("e"))
            .pattern(var("e"), kw("v"), value.clone())
            .filter("f", (var("e"), value.clone()))
            .build()
            .expect(text);
        assert_eq!(walk_constants(&query), [value.clone(), value], "{text}");
        assert_eq!(parse(&query.to_string()).expect(text).to_string(), query.to_string());
    }
}

fn walk_constants(query: &Query) -> Vec<Value> {
    use crate::ast::{Argument, Clause, Term};
    let mut found = Vec::new();
    for clause in &query.clauses {
        match clause {
            Clause::Pattern(pattern) => match &pattern.terms[2] {
                Term::Constant(constant) => found.push(constant.value.clone()),
                other => panic!("{other} is no constant"),
            },
            Clause::Predicate(call) => match &call.args[1] {
                Argument::Constant(constant) => found.push(constant.value.clone()),
                other => panic!("{other} is no constant"),
            },
            other => panic!("{other} was not built"),
        }
    }
    found
}

#[test]
fn rules() {
    let built = Rules::define()
        .rule_requiring("near", [var("a")], [var("b")], pattern(var("a"), kw("to"), var("b")))
        .rule_requiring(
            "near",
            var("a"),
            var("b"),
            rule("near", (var("a"), var("c"))).pattern(var("c"), kw("to"), var("b")),
        )
        .rule(
            "odd",
            var("x"),
            Clauses::new().or([terms((var("x"), kw("odd"))), not(rule("near", (1, var("x"))))]),
        )
        .build()
        .expect("rules");
    let text = "[[(near [?a] ?b) [?a :to ?b]] [(near [?a] ?b) (near ?a ?c) [?c :to ?b]]
                 [(odd ?x) (or [?x :odd] (not (near 1 ?x)))]]";
    assert_eq!(built, Rules::from_value(&edn::read(text).expect("EDN")).expect("rules"));
    let error = Rules::define().rule("r", var("a"), Clauses::new()).build().expect_err("no body");
    assert_eq!(error.code(), ":parser/rule");
}

#[test]
fn mistakes_are_those_of_texts() {
    let find = || Query::find(var("n")).clauses(name_of("e"));
    for (built, class) in [
        (Query::find(var("m")).clauses(name_of("e")), "unknown-vars"),
        (find().limit(0), "bad-limit"),
        (find().offset(u64::MAX), "bad-offset"),
        (find().timeout(std::time::Duration::from_micros(5)), "bad-timeout"),
        (find().not(Clauses::new()), "parse-error"),
        (find().or([]), "parse-error"),
        (find().rule("path", [var("e")]), "missing-rules"),
        (find().clauses(name_of("e").within(source("x"))), "unknown-source"),
        (find().keys(["a", "b"]), "return-map-arity"),
        (find().keys(["a"]).strs(["a"]), "return-map-conflict"),
        (find().with(var("n")), "find-with-overlap"),
        (find().order_by(desc(4)), "order-by-index"),
        (find().limit(1).limit(2), "bad-limit"),
        (Query::find(()), "parse-error"),
        // Names that would become something else.
        (find().rule("not", [Value::Vector(vec![Value::symbol("?e"), Value::keyword("x")])]), "parse-error"),
        (find().filter("?n", [1]), "parse-error"),
        (find().filter("f ?n", [1]), "parse-error"),
        (find().pattern(var("e] [?e"), kw("a"), 1), "parse-error"),
        (find().rule("a b", var("e")), "parse-error"),
        (find().pattern(var(""), kw("a"), 1), "parse-error"),
    ] {
        let shown = format!("{built:?}");
        let error = built.build().expect_err(&shown);
        assert_eq!(error.class(), class, "{error}");
    }
}
