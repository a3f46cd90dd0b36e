//! Mistakes in queries.

/// A mistake: the query and its inputs after the database.
pub struct Mistake {
    pub query: &'static str,
    pub inputs: &'static [&'static str],
}

pub const fn of(query: &'static str) -> Mistake {
    Mistake { query, inputs: &[] }
}

const fn with(query: &'static str, inputs: &'static [&'static str]) -> Mistake {
    Mistake { query, inputs }
}

/// Mistakes in queries, by chapter.
pub fn chapters() -> Vec<(&'static str, &'static str, Vec<Mistake>)> {
    vec![
        (
            "Text and sections",
            "What is found before the query is looked at as a whole.",
            vec![
                of("[:find ?n\n :where [?e :person/name ?n]"),
                of("42"),
                of("SELECT name FROM person"),
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
                of("[:find (pull $hr ?e [:person/name])\n :where [?e :person/name]]"),
                of("[:find (pull ?e [[:person/friend :limit 0]])\n :where [?e :person/name]]"),
                of("[:find [?n ...] :keys name\n :where [?e :person/name ?n]]"),
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
                with("[:find ?n ?m :in $ [[?n ?m]]\n :where [?e :person/name ?n]]", &["[[1]]"]),
                with("[:find ?n :in $ $pairs\n :where [?e :person/name ?n] [$pairs ?e ?x ?y]]", &["[[1 2]]"]),
                with(
                    "[:find ?v :in $ $pairs\n :where [$pairs ?e ?x] [(get-else $pairs ?e :person/age 0) ?v]]",
                    &["[[1 2]]"],
                ),
                with("[:find ?n :in $ ?e\n :where [?e :person/name ?n]]", &["[:person/name \"Zoe\"]"]),
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
                of("[:find ?n\n :where [?e :person/name ?n] (or)]"),
                of("[:find ?n\n :where [?e :person/name ?n] (not-join [] [_ :person/age])]"),
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
                with("[:find ?e :in $ %\n :where (adult ?e)]", &["\"[[(adult) [?e :person/age]]]\""]),
                with("[:find ?e :in $ %\n :where (adult ?e)]", &["\"[[(?adult ?e) [?e :person/age]]]\""]),
                with("[:find ?e :in $ %\n :where (adult ?e)]", &["\"[[(adult ?e) [?e :person/age]]\""]),
                with("[:find ?e :in $ %\n :where (adult ?e)]", &["17"]),
                with(
                    "[:find ?e :in $ %\n :where (known ?e)]",
                    &["\"[[(known ?e) [?e :person/age]] [(known ?e ?n) [?e :person/name ?n]]]\""],
                ),
                with("[:find ?x :in $ %\n :where (next ?a ?x)]", &["\"[[(next [?a] ?x) [(inc ?a) ?x]]]\""]),
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
                of("[:find ?n\n :where [?e :person/name ?n] :order-by [?n ?n]]"),
                of("[:find ?n (count ?e) (sum ?e)\n :where [?e :person/name ?n] :order-by ?e]"),
                of("[:find ?a (count ?e)\n :where [?e :person/age ?a] :having [(bigger (count ?e) 1)]]"),
                with("[:find ?n :in $ [?k ...]\n :where [?e :person/name ?n] :limit ?k]", &["[1]"]),
                with("[:find ?n :in $ ?k\n :where [?e :person/name ?n] :limit ?k]", &["0"]),
                of("[:find ?n\n :where [?e :person/name ?n] :offset -1]"),
                of("[:find ?n\n :where [?e :person/name ?n] :timeout 0]"),
            ],
        ),
    ]
}
