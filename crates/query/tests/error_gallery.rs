//! The gallery of errors in `docs/errors.md`: every mistake with the message it gets, made by running it.
//!
//! `FACTUM_BLESS=1 cargo test -p factum-query --test error_gallery` writes the file anew.

use std::fmt::Write;
use std::path::Path;

use factum_query::edn::{self, Value};
use factum_query::storage::{Db, DbOptions, Schema};
use factum_query::{CancelToken, Input, QueryOptions, Result, parse, query};

const SCHEMA: &str = "{:person/name   {:db/valueType :db.type/string :db/unique :db.unique/identity}
 :person/age    {:db/valueType :db.type/long}
 :person/friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
 :person/photo  {:db/valueType :db.type/bytes :db/noindex true}}";

const FACTS: &str = r#"[{:db/id 1 :person/name "Ann" :person/age 38 :person/friend [2]}
 {:db/id 2 :person/name "Bob" :person/age 41 :person/friend [1 3]}
 {:db/id 3 :person/name "Cy" :person/age 29 :note "likes tea"} {:db/id 4 :note 7}]"#;

/// A mistake: the query and its inputs after the database.
struct Mistake {
    query: &'static str,
    inputs: &'static [&'static str],
}

const fn of(query: &'static str) -> Mistake {
    Mistake { query, inputs: &[] }
}

const fn with(query: &'static str, inputs: &'static [&'static str]) -> Mistake {
    Mistake { query, inputs }
}

fn chapters() -> Vec<(&'static str, &'static str, Vec<Mistake>)> {
    vec![
        (
            "Text and sections",
            "What is found before the query is looked at as a whole.",
            vec![
                of("[:find ?n\n :where [?e :person/name ?n]"),
                of("42"),
                of("[?n :where [?e :person/name ?n]]"),
                of("[:find ?n\n :wher [?e :person/name ?n]]"),
                of("[:find ?n\n :where [?e :person/name ?n]\n :where [?e :person/age]]"),
                of("[:where [?e :person/name ?n]]"),
                of("{:find ?n\n :where [[?e :person/name ?n]]}"),
            ],
        ),
        (
            "What to find",
            "Find specs, aggregates, pulls, return maps.",
            vec![
                of("[:find\n :where [?e :person/name ?n]]"),
                of("[:find name\n :where [?e :person/name ?n]]"),
                of("[:find (count)\n :where [?e :person/name ?n]]"),
                of("[:find ?e (+ ?a 1)\n :where [?e :person/age ?a]]"),
                of("[:find (averge ?a)\n :where [?e :person/age ?a]]"),
                of("[:find (pull ?e)\n :where [?e :person/name]]"),
                of("[:find (pull ?e [:person/name {:person/age [*]}])\n :where [?e :person/name]]"),
                of("[:find ?nmae\n :where [?e :person/name ?name]]"),
                of("[:find ?n :with ?n\n :where [?e :person/name ?n]]"),
                of("[:find ?n :with 3\n :where [?e :person/name ?n]]"),
                of("[:find ?n . :keys name\n :where [?e :person/name ?n]]"),
                of("[:find ?n ?a :keys name\n :where [?e :person/name ?n] [?e :person/age ?a]]"),
                of("[:find ?n :keys :name\n :where [?e :person/name ?n]]"),
                of("[:find ?n :keys name :strs name\n :where [?e :person/name ?n]]"),
            ],
        ),
        (
            "Inputs",
            "What `:in` says and what is given must fit.",
            vec![
                of("[:find ?n :in 3\n :where [?e :person/name ?n]]"),
                of("[:find ?n :in $ ?n ?n\n :where [?e :person/name ?n]]"),
                of("[:find ?n :in $ [?n ?m ...]\n :where [?e :person/name ?n]]"),
                of("[:find ?n :in $ ?min ?max\n :where [?e :person/name ?n]]"),
                with("[:find ?n :in $\n :where [?e :person/name ?n]]", &["1"]),
                of("[:find ?x\n :where [(ground 3) ?x]]"),
                with("[:find ?n :in $ [?min ?max]\n :where [?e :person/name ?n]]", &["[1]"]),
                with("[:find ?n :in $ [?n ...]\n :where [?e :person/name ?n]]", &["\"Ann\""]),
                with("[:find ?n :in $ $other\n :where [?e :person/name ?n]]", &["17"]),
                of("[:find ?n :in $\n :where [$other ?e :person/name ?n]]"),
            ],
        ),
        (
            "Clauses",
            "Patterns, calls, negation and disjunction.",
            vec![
                of("[:find ?n\n :where [?e :person/name ?n] []]"),
                of("[:find ?n\n :where [?e person/name ?n]]"),
                of("[:find ?n\n :where [?e :person/name (str ?n)]]"),
                of("[:find ?n\n :where [?e :person/name ?n] (> ?n 3)]"),
                of("[:find ?n\n :where [?e :person/name ?n] (nto [?e :person/age])]"),
                of("[:find ?n\n :where [?e :person/name ?n] (not)]"),
                of("[:find ?n\n :where [?e :person/name ?n] (not [_ :person/age])]"),
                of("[:find ?n\n :where (and [?e :person/name ?n] [?e :person/age 38])]"),
                of("[:find ?t\n :where [?e :person/name ?n ?t]]"),
                of("[:find ?n\n :where [(str ?e) ?n 3]]"),
            ],
        ),
        (
            "Bindings",
            "Every variable that is needed must be bound by some clause, in whatever order they stand.",
            vec![
                of("[:find ?n\n :where [?e :person/name ?n]\n        [(< ?age 30)]]"),
                of("[:find ?b\n :where [?e :person/age ?a] [(+ ?a ?c) ?b]]"),
                of("[:find ?n\n :where [?e :person/name ?n] (not [?x :person/friend ?y])]"),
                of("[:find ?n\n :where [?e :person/name ?n] (not-join [?z] [?x :person/friend ?z])]"),
                of(
                    "[:find ?n\n :where [?e :person/name ?n]\n        (or [?e :person/friend ?f]\n            [?e :person/age 38])]",
                ),
                of("[:find ?e ?v\n :where (or-join [[?e] ?v] [?e :person/age ?v] [?e :note ?v])]"),
                of("[:find ?f\n :where [?e :person/name] (not [?e :person/friend ?f])]"),
            ],
        ),
        (
            "Entities, attributes and types",
            "What the schema and the facts say about constants.",
            vec![
                of("[:find ?a\n :where [:nobody :person/age ?a]]"),
                of("[:find ?a\n :where [[:person/name \"Zoe\"] :person/age ?a]]"),
                of("[:find ?n\n :where [[:person/age 38] :person/name ?n]]"),
                of("[:find ?a\n :where [\"Ann\" :person/age ?a]]"),
                of("[:find ?e\n :where [?e :person/name :ann]]"),
                of("[:find ?e\n :where [?e :person/age ?a] [(< ?a \"forty\")]]"),
                of("[:find ?e\n :where [?e :person/photo #bytes \"00\"]]"),
            ],
        ),
        (
            "Functions",
            "Unknown names are found before anything runs; what a function refuses, when it is called.",
            vec![
                of("[:find ?b\n :where [?e :person/age ?a] [(incc ?a) ?b]]"),
                of("[:find ?b\n :where [?e :person/age ?a] [(inc ?a 1) ?b]]"),
                of("[:find ?b\n :where [?e :person/name ?n] [(.toUpperCase ?n) ?b]]"),
                with("[:find ?b :in $ ?f\n :where [?e :person/age ?a] [(?f ?a) ?b]]", &["3"]),
                of("[:find ?b\n :where [?e :person/name ?n] [(+ ?n 1) ?b]]"),
                of("[:find ?b\n :where [?e :person/age ?a] [(/ ?a 0) ?b]]"),
                of("[:find ?b\n :where [?e :person/age ?a] [(+ ?a 9223372036854775807) ?b]]"),
                of("[:find ?n\n :where [?e :person/name ?n] [(in ?n \"Ann\")]]"),
                of("[:find ?n\n :where [?e :person/name ?n] [(like ?n \"A!b%\")]]"),
                of("[:find ?n\n :where [?e :person/name ?n] [(re-find \"(\" ?n)]]"),
                of("[:find ?x\n :where [?e :person/age ?a] [(vector ?a) [?x ?y]]]"),
                of("[:find ?x\n :where [?e :person/age ?a] [(identity ?a) [?x ...]]]"),
                of("[:find ?v\n :where [?e :person/age] [(get-else $ ?e :person/photo nil) ?v]]"),
                of("[:find ?e\n :where [(fulltext $ \"tea\") [[?e ?a ?v]]]]"),
                of("[:find ?x\n :where [?e :person/age ?a] [(q [:find ?y :where [?z :person/age]] $) ?x]]"),
            ],
        ),
        (
            "Rules",
            "Rules are checked when they are given; places are in the text of the rules.",
            vec![
                of("[:find ?n\n :where [?e :person/name ?n] (adult ?e)]"),
                with(
                    "[:find ?e :in $ %\n :where (adutl ?e)]",
                    &["\"[[(adult ?e) [?e :person/age ?a] [(>= ?a 18)]]]\""],
                ),
                with(
                    "[:find ?e :in $ %\n :where (adult ?e 18)]",
                    &["\"[[(adult ?e) [?e :person/age ?a] [(>= ?a 18)]]]\""],
                ),
                with("[:find ?e :in $ %\n :where (adult ?e)]", &["\"[[(adult ?e)]]\""]),
                with(
                    "[:find ?e :in $ %\n :where (adult ?e)]",
                    &["\"[[(adult 18 ?e) [?e :person/age 18]]]\""],
                ),
                with(
                    "[:find ?e :in $ %\n :where (twins ?e ?e)]",
                    &["\"[[(twins ?e ?e) [?e :person/age]]]\""],
                ),
                with(
                    "[:find ?e :in $ %\n :where (older ?e ?f)]",
                    &["\"[[(older ?a ?b) [?a :person/age]]]\""],
                ),
                with(
                    "[:find ?e ?x :in $ %\n :where [?e :person/age] (over ?e ?x)]",
                    &["\"[[(over ?e ?x) [?e :person/age ?a] [(> ?a ?x)]]]\""],
                ),
                with(
                    "[:find ?e :in $ %\n :where (lonely ?e)]",
                    &["\"[[(lonely ?e) [?e :person/friend ?f] (not (lonely ?f))]]\""],
                ),
            ],
        ),
        (
            "Groups, order and window",
            "`:having`, `:order-by`, `:limit`, `:offset`, `:timeout`.",
            vec![
                of("[:find ?a (count ?e)\n :where [?e :person/age ?a] :having [(> ?a 30)]]"),
                of("[:find ?a (count ?e)\n :where [?e :person/age ?a] :having [(> (sum ?e) 1)]]"),
                of("[:find ?n\n :where [?e :person/name ?n] :order-by ?e]"),
                of("[:find ?n\n :where [?e :person/name ?n] :order-by ?n :desc]"),
                of("[:find ?n\n :where [?e :person/name ?n] :order-by [?n :down]]"),
                of("[:find ?n\n :where [?e :person/name ?n] :order-by 1]"),
                of("[:find (pull ?e [*])\n :where [?e :person/name ?n] :order-by 0]"),
                of("[:find ?v\n :where [?e :note ?v] :order-by ?v]"),
                of("[:find ?n\n :where [?e :person/name ?n] :limit 0]"),
                with("[:find ?n :in $ ?k\n :where [?e :person/name ?n] :limit ?k]", &["0"]),
                of("[:find ?n\n :where [?e :person/name ?n] :offset -1]"),
                of("[:find ?n\n :where [?e :person/name ?n] :timeout 0]"),
            ],
        ),
    ]
}

fn db() -> Db {
    let schema = Schema::from_value(&edn::read(SCHEMA).expect("EDN")).expect("a schema");
    let facts = edn::read(FACTS).expect("EDN");
    Db::empty(schema, DbOptions::default()).db_with(&facts).expect("facts")
}

fn run(mistake: &Mistake, options: &QueryOptions) -> Result<Vec<String>> {
    let parsed = parse(mistake.query)?;
    let mut inputs: Vec<Input> = vec![db().into()];
    inputs.extend(mistake.inputs.iter().map(|input| Input::Value(edn::read(input).expect("EDN"))));
    let result = query(&parsed, &inputs, options)?;
    Ok(result.warnings().iter().map(ToString::to_string).collect())
}

fn show_input(input: &str) -> String {
    match edn::read(input).expect("EDN") {
        Value::Str(rules) if rules.starts_with("[[(") => format!("with the rules {rules}"),
        value => format!("with the input {value}"),
    }
}

fn gallery() -> String {
    let mut out = String::from(
        "# Errors, by mistake\n\n\
         Every mistake in a query has its own error: a stable code, a message, the place in the text, and what to do about it.\n\
         This page is written by `crates/query/tests/error_gallery.rs` from real queries over this schema:\n\n```clojure\n",
    );
    writeln!(out, "{SCHEMA}\n```").expect("writing to a string");
    for (title, about, mistakes) in chapters() {
        write!(out, "\n## {title}\n\n{about}\n").expect("writing to a string");
        for mistake in &mistakes {
            let error = run(mistake, &QueryOptions::default()).expect_err(mistake.query);
            write!(out, "\n```text\n{}```\n", error.render()).expect("writing to a string");
            for input in mistake.inputs {
                writeln!(out, "{}\n", code(&show_input(input))).expect("writing to a string");
            }
        }
    }
    out.push_str(
        "\n## Limits\n\nA query that takes too much ends in an error of its own and leaves nothing behind.\n",
    );
    let pairs = of("[:find ?a ?b ?c ?d\n :where [?a] [?b] [?c] [?d]]");
    let cancelled = CancelToken::new();
    cancelled.cancel();
    let options = QueryOptions::default();
    for options in [
        options.clone().timeout(std::time::Duration::ZERO),
        options.clone().rows_max(10),
        options.clone().cancel(cancelled),
    ] {
        let error = run(&pairs, &options).expect_err("a limit");
        write!(out, "\n```text\n{}```\n", error.render()).expect("writing to a string");
    }
    out.push_str(
        "\n## Warnings\n\nAn attribute that the schema does not know is an error under the `strict` option or a closed schema. \
         Otherwise the answer is empty, and the result's `warnings()` say:\n",
    );
    for mistake in [
        of("[:find ?e :where [?e :person/nmae \"Ann\"]]"),
        of("[:find ?e :where [?e :person/_friend 1]]"),
        of("[:find ?e :where [?e :person/age 38.5]]"),
    ] {
        let warnings = run(&mistake, &options).expect("only a warning");
        write!(out, "\n```text\n{}\nwarning: {}\n```\n", mistake.query, warnings.join("\n"))
            .expect("writing to a string");
    }
    out
}

fn code(text: &str) -> String {
    let fence = if text.contains('`') { "``" } else { "`" };
    let (intro, rest) =
        text.split_at(text.find(['[', '"']).unwrap_or_else(|| text.rfind(' ').map_or(0, |at| at + 1)));
    format!("{intro}{fence}{rest}{fence}")
}

#[test]
fn the_gallery_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let gallery = gallery();
    if std::env::var_os("FACTUM_BLESS").is_some() {
        std::fs::write(&path, &gallery).expect("docs/errors.md can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let first = gallery.lines().zip(written.lines()).find(|(now, then)| now != then);
    assert!(
        written == gallery,
        "docs/errors.md is out of date (FACTUM_BLESS=1 rewrites it); first difference: {first:?}"
    );
}

#[test]
fn every_code_and_place_is_there() {
    for (_, _, mistakes) in chapters() {
        for mistake in &mistakes {
            let error = run(mistake, &QueryOptions::default()).expect_err(mistake.query);
            assert!(error.code().starts_with(':'), "{error}");
            assert!(!error.class().is_empty(), "{error}");
            assert!(error.render().contains('^'), "no place: {}", error.render());
        }
    }
}
