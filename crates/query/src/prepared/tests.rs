//! Prepared queries answer as if they were planned anew, whatever the inputs before were; and they do not plan anew
//! where they need not.

use std::sync::Arc;

use edn::Value;
use storage::{Db, DbOptions, Schema};

use super::{PlanCache, Prepared};
use crate::{Input, QueryFunction, QueryOptions, parse, query};

const SCHEMA: &str = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
     :age {:db/valueType :db.type/long} :city {:db/valueType :db.type/string}
     :friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";

/// `people` people in three cities, of ages that repeat, each a friend of the next two.
fn db(people: i64) -> Db {
    let schema = Schema::from_value(&edn::read(SCHEMA).expect("EDN")).expect("a schema");
    let mut tx = Vec::new();
    for person in 1..=people {
        let city = ["Rome", "Oslo", "Lima"][person as usize % 3];
        tx.push(format!("{{:db/id {person} :name \"p{person}\" :age {} :city {city:?}}}", person % 40));
    }
    for person in 1..=people {
        let (next, after) = (person % people + 1, (person + 1) % people + 1);
        tx.push(format!("[:db/add {person} :friend {next}] [:db/add {person} :friend {after}]"));
    }
    let tx = edn::read(&format!("[{}]", tx.join(" "))).expect("EDN");
    Db::empty(schema, DbOptions::default()).db_with(&tx).expect("a transaction")
}

fn values(texts: &[&str]) -> Vec<Input> {
    texts.iter().map(|text| edn::read(text).expect("EDN").into()).collect()
}

/// Runs the prepared query and a fresh one and compares answers, errors included.
fn check(prepared: &Prepared, inputs: &[Input], options: &QueryOptions) -> String {
    let shown = |result: crate::Result<crate::QueryResult>| match result {
        Ok(result) => {
            let mut warnings: Vec<String> = result.warnings().iter().map(ToString::to_string).collect();
            warnings.sort();
            format!("{} {warnings:?}", result.to_value())
        }
        Err(error) => error.render(),
    };
    let fresh = shown(query(prepared.query(), inputs, options));
    for _ in 0..2 {
        let kept = shown(prepared.run(inputs, options));
        assert_eq!(kept, fresh, "{} for {inputs:?}", prepared.query());
    }
    fresh
}

/// The queries, and the inputs that each of them gets one after the other.
const CASES: &[(&str, &[&[&str]])] = &[
    (
        "[:find ?n ?a :in $ ?lo ?hi :where [?e :name ?n] [?e :age ?a] [(<= ?lo ?a)] [(< ?a ?hi)]]",
        &[
            &["3", "9"],
            &["5", "6"],
            &["9", "3"],
            &["7", "7"],
            &["2.5", "8"],
            &["nil", "3"],
            &["\"x\"", "9"],
            &["1", "40"],
        ],
    ),
    (
        "[:find ?n :in $ ?a ?b :where [?e :age ?a] [?e :friend ?f] [?f :age ?b] [?f :name ?n]]",
        &[&["3", "3"], &["3", "4"], &["4", "3"], &["4", "5"], &["\"3\"", "4"], &["5", "5"]],
    ),
    (
        "[:find ?n :in $ ?x :where [?x :name ?n]]",
        &[&["3"], &["[:name \"p7\"]"], &["4"], &["[:name \"p99999\"]"], &["nil"]],
    ),
    (
        "[:find ?n :in $ ?c :where [?e :city ?c] [?e :name ?n] [(like ?n \"p1%\")]]",
        &[&["\"Rome\""], &["\"Oslo\""], &["\"Bern\""]],
    ),
    (
        "[:find ?n :in $ ?p :where [?e :name ?n] [(like ?n ?p)]]",
        &[&["\"p1%\""], &["\"p2_\""], &["\"%9\""], &["\"\""]],
    ),
    (
        "[:find ?e ?a :in $ [?a ...] :where [?e :age ?a]]",
        &[&["[1 2]"], &["[5]"], &["[6]"], &["[]"], &["[1 2 3]"]],
    ),
    (
        "[:find ?n ?w :in $ [[?n ?w]] :where [?e :name ?n] [?e :age ?a] [(< ?a ?w)]]",
        &[&["[[\"p1\" 5] [\"p2\" 1]]"], &["[[\"p3\" 9]]"], &["[[\"p4\" 9]]"]],
    ),
    (
        "[:find ?a :in $ ?k :where [_ :age ?a] :order-by ?a :limit ?k]",
        &[&["3"], &["4"], &["1"], &["30"], &["-1"], &["0"]],
    ),
    (
        "[:find ?n :in $ ?k ?o :where [_ :name ?n] :order-by ?n :limit ?k :offset ?o]",
        &[&["3", "0"], &["3", "3"], &["3", "500"]],
    ),
    (
        "[:find ?a ?b :in $ % ?a :where (near ?a ?b)]",
        &[
            &["[[(near ?a ?b) [?a :friend ?b]]]", "3"],
            &["[[(near ?a ?b) [?a :friend ?b]]]", "4"],
            &["[[(near ?a ?b) [?b :friend ?a]]]", "4"],
            &["[[(near ?a ?b) [?a :friend ?b]] [(near ?a ?b) [?a :friend ?x] (near ?x ?b)]]", "4"],
            &["[[(near ?a ?b) [?a :friend ?b]] [(near ?a ?b) [?a :friend ?x] (near ?x ?b)]]", "9"],
        ],
    ),
    (
        "[:find ?n :in $ ?x :where [?e :age ?a] [?e :name ?n] (or [(= ?a ?x)] [(= ?a 7)]) (not [?e :city \"Oslo\"])]",
        &[&["7"], &["8"], &["9"]],
    ),
    (
        "[:find ?c ?m :in $ ?x :where [?e :city ?c] [?e :age ?x] [(q [:find (max ?a) . :in $ ?c :where [?e :city ?c] [?e :age ?a]] $ ?c) ?m]]",
        &[&["7"], &["8"], &["9"]],
    ),
    ("[:find ?x . :in $ ?x]", &[&["7"], &["\"y\""]]),
    (
        "[:find (count ?e) . :in $ ?lo :where [?e :age ?a] [(>= ?a ?lo)]]",
        &[&["7"], &["39"], &["50"], &["2.5"]],
    ),
    ("[:find ?n :in $ ?a :where [?e :age ?a] [?e :name ?n] [?e :age 5]]", &[&["5"], &["6"], &["5"]]),
    (
        "[:find ?e :in $ ?min % :where [?e :age ?a] [(< ?min ?a)] (young ?a)]",
        &[
            &["3", "[[(young ?x) [(< ?x 9)]]]"],
            &["9", "[[(young ?x) [(< ?x 9)]]]"],
            &["1", "[[(young ?x) [(< ?x 9)]]]"],
        ],
    ),
    ("[:find ?nme :in $ ?x :where [?e :nme ?nme] [?e :age ?x]]", &[&["1"], &["2"]]),
];

#[test]
fn any_sequence_of_inputs_is_answered_as_by_a_fresh_plan() {
    let (small, large) = (db(12), db(400));
    let options = QueryOptions::default();
    for (text, inputs) in CASES {
        let prepared = Prepared::new(parse(text).expect("a query"));
        for round in 0..3 {
            for (at, inputs) in inputs.iter().enumerate() {
                let db = if (round + at) % 3 == 2 { &large } else { &small };
                let all: Vec<Input> = std::iter::once(Input::from(db)).chain(values(inputs)).collect();
                check(&prepared, &all, &options);
            }
        }
    }
}

#[test]
fn answers_are_those_of_a_plain_loop() {
    let data = db(400);
    let prepared = Prepared::new(parse(CASES[0].0).expect("a query"));
    for (lo, hi) in [(0_i64, 40_i64), (3, 9), (9, 3), (7, 7), (39, 100), (-5, 1)] {
        let inputs = [Input::from(&data), Value::Int(lo).into(), Value::Int(hi).into()];
        let rows = prepared.run(&inputs, &QueryOptions::default()).expect("an answer").len();
        let expected = (1..=400_i64).filter(|person| (lo..hi).contains(&(person % 40))).count();
        assert_eq!(rows, expected, "{lo} {hi}");
    }
}

fn plan_of(prepared: &Prepared) -> Arc<crate::plan::Plan> {
    Arc::clone(&prepared.slot.kept().expect("it ran").plan)
}

#[test]
fn a_plan_is_kept_for_other_inputs_and_given_up_when_the_data_has_changed() {
    let data = db(400);
    let options = QueryOptions::default();
    let prepared = Prepared::new(parse(CASES[1].0).expect("a query"));
    let run = |data: &Db, inputs: &[&str]| {
        let all: Vec<Input> = std::iter::once(Input::from(data)).chain(values(inputs)).collect();
        check(&prepared, &all, &options);
        plan_of(&prepared)
    };
    let first = run(&data, &["3", "4"]);
    assert!(Arc::ptr_eq(&first, &run(&data, &["3", "4"])));
    assert!(Arc::ptr_eq(&first, &run(&data, &["17", "18"])), "other constants need no other plan");
    let one_more = data.db_with(&edn::read("[{:name \"new\" :age 3}]").expect("EDN")).expect("a transaction");
    assert!(Arc::ptr_eq(&first, &run(&one_more, &["17", "18"])), "one more fact needs no other plan");
    // The same schema value, many more facts.
    let many: Vec<String> = (0..2000).map(|n| format!("{{:name \"n{n}\" :age {}}}", n % 40)).collect();
    let many = edn::read(&format!("[{}]", many.join(" "))).expect("EDN");
    let grown = data.db_with(&many).expect("a transaction");
    assert!(Arc::ptr_eq(data.schema(), grown.schema()), "the schema has not changed");
    assert!(!Arc::ptr_eq(&first, &run(&grown, &["17", "18"])), "five times as many people need another plan");
}

#[test]
fn functions_options_and_schemas_belong_to_what_is_kept() {
    let data = db(12);
    let prepared =
        Prepared::new(parse("[:find ?y . :in $ ?f :where [1 :age ?a] [(?f ?a) ?y]]").expect("a query"));
    for add in [1, 10, 100] {
        let function = QueryFunction::new(move |args| Ok(Value::Int(args[0].as_int().unwrap_or(0) + add)));
        let inputs = [Input::from(&data), function.into()];
        for _ in 0..2 {
            let result = prepared.run(&inputs, &QueryOptions::default()).expect("an answer");
            assert_eq!(result.to_value(), Value::Int(1 + add));
        }
    }
    let prepared = Prepared::new(parse("[:find ?x :where [_ :nothing ?x]]").expect("a query"));
    for strict in [false, true, false] {
        check(&prepared, &[Input::from(&data)], &QueryOptions::default().strict(strict));
    }
    let later = data.db_with(&edn::read("[{:nothing 5}]").expect("EDN")).expect("a transaction");
    assert!(check(&prepared, &[Input::from(&later)], &QueryOptions::default()).starts_with("#{[5]}"));
    check(&prepared, &[Input::from(&data)], &QueryOptions::default());
}

#[test]
fn a_kept_plan_keeps_no_database_alive() {
    let prepared = Prepared::new(parse("[:find ?n :where [?e :name ?n]]").expect("a query"));
    let data = db(5);
    prepared.run(&[Input::from(&data)], &QueryOptions::default()).expect("an answer");
    let kept = prepared.slot.kept().expect("it ran");
    assert!(kept.analysed.sources.is_empty());
}

#[test]
fn a_cache_is_bounded_and_knows_equal_trees() {
    let cache = PlanCache::new(3);
    let text = |n: usize| format!("[:find ?x :in ?x :limit {}]", n + 1);
    let first = cache.parse(&text(0)).expect("a query");
    for n in 1..10 {
        cache.parse(&text(n)).expect("a query");
        assert!(Arc::ptr_eq(&first, &cache.parse(&text(0)).expect("a query")), "what is used stays");
    }
    assert_eq!(cache.stats().entries, 3);
    let tree = parse(&text(3)).expect("a query");
    assert!(Arc::ptr_eq(&cache.prepare(&tree), &cache.prepare(&parse(&text(3)).expect("a query"))));
    let mut other = tree.clone();
    other.limit = None;
    assert!(!Arc::ptr_eq(&cache.prepare(&tree), &cache.prepare(&other)), "a changed tree is another query");
    cache.clear();
    assert_eq!(cache.stats().entries, 0);
}
