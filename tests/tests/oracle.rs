//! The engine against the naive evaluator on random databases and queries: in memory, on disk, with changes on top, and with
//! each optimisation switched off. `FACTUM_CASES` sets the number of cases, `FACTUM_SEED` the first seed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use edn::Value;
use factum::{Connection, Db, Options};
use query::ast::{Query, Rules};
use tests::naive::generate::{Generator, RULES, SCHEMA};
use tests::naive::{Env, Fact, rows};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn transaction(facts: &[Fact]) -> Value {
    let add = |(e, a, v): &Fact| {
        Value::Vector(vec![Value::keyword("db/add"), Value::Int(*e), Value::Keyword(a.clone()), v.clone()])
    };
    Value::Vector(facts.iter().map(add).collect())
}

/// The same facts in memory, in a file, and half in a file with the other half on top.
fn databases(facts: &[Fact], dir: &std::path::Path) -> Vec<(&'static str, Db)> {
    let options = || Options::new().schema(SCHEMA).durability(factum::Durability::None);
    let open = |name: &str| Connection::open_with(dir.join(name), options()).expect("opens");
    let memory = Db::empty(SCHEMA).expect("schema").with(transaction(facts)).expect("data").db_after();
    let whole = open("whole");
    whole.transact(transaction(facts)).expect("data");
    let half = open("half");
    let (below, above) = facts.split_at(facts.len() / 2);
    half.transact(transaction(below)).expect("data");
    let half = half.db().expect("opens").with(transaction(above)).expect("data").db_after();
    vec![("memory", memory), ("file", whole.db().expect("opens")), ("overlay", half)]
}

#[test]
fn engine_agrees_with_the_naive_evaluator() {
    let rules_value = edn::read(RULES).expect("EDN");
    let rules = Rules::from_value(&rules_value).expect("rules");
    let first = setting("FACTUM_SEED", 0);
    let mut answers = 0;
    for seed in first..first + setting("FACTUM_CASES", 60) {
        let mut generator = Generator::new(seed);
        let facts = generator.facts();
        let dir = tempfile::tempdir().expect("temporary directory");
        let databases = databases(&facts, dir.path());
        for _ in 0..8 {
            let text = generator.query();
            let query: Query = query::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let expected =
                rows(&query, &facts, &rules, Env::new()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            answers += expected.len();
            for (place, db) in &databases {
                let result = db.query_with(text.as_str(), factum::inputs![&rules_value]);
                let result =
                    result.unwrap_or_else(|error| panic!("seed {seed}, {place}: {text}\n{}", error.render()));
                let value = result.to_value();
                let Value::Set(found) = &value else { panic!("a relation is a set, got {value}") };
                let found: BTreeSet<Vec<Value>> =
                    found.iter().map(|row| row.as_sequence().expect("a row").to_vec()).collect();
                assert_eq!(found, expected, "seed {seed}, {place}: {text}\nfacts {}", transaction(&facts));
                let mut streamed = Vec::new();
                let each = |row: Vec<Value>| {
                    streamed.push(row);
                    ControlFlow::Continue(())
                };
                db.for_each_row(text.as_str(), factum::inputs![&rules_value], each).expect("an answer");
                assert_eq!(streamed.len(), expected.len(), "seed {seed}, {place}: {text}, streamed");
                let streamed: BTreeSet<Vec<Value>> = streamed.into_iter().collect();
                assert_eq!(streamed, expected, "seed {seed}, {place}: {text}, streamed");
            }
        }
    }
    assert!(answers > 0, "some query of the run must have an answer");
}
