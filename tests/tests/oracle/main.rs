//! The engine against the naive evaluator on random databases and queries: in memory, on disk, with changes on top, with single
//! optimisations switched off, and with plans by chance; each query is asked again and with other inputs, so that kept plans are held against it, too.
//! `FACTUM_CASES` sets the number of cases, `FACTUM_SEED` the first seed. Larger graphs are in [`cycles`], everything else that can be
//! asked in [`wide`].

mod cycles;
mod deep;
mod wide;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use edn::{Symbol, Value};
use factum::{Connection, Db, Options, QueryOptions};
use query::ast::{Query, Rules};
use query::plan::Switches;
use tests::naive::generate::{Generator, Question, RULES, SCHEMA};
use tests::naive::{Database, Env, Fact, World, rows};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn transaction(facts: &[Fact]) -> Value {
    let add = |(e, a, v): &Fact| {
        Value::Vector(vec![Value::keyword("db/add"), Value::Int(*e), Value::Keyword(a.clone()), v.clone()])
    };
    Value::Vector(facts.iter().map(add).collect())
}

/// A database with the facts that it should hold.
struct Place<'a> {
    name: &'static str,
    db: Db,
    facts: &'a [Fact],
}

/// The same facts in memory, in a file, and half in a file with the other half on top. The half alone comes first: it shares kept
/// plans with what is put on top of it.
fn places<'a>(seed: u64, facts: &'a [Fact], dir: &std::path::Path) -> Vec<Place<'a>> {
    let options = || Options::new().schema(SCHEMA).durability(factum::Durability::None);
    let open = |name: &str| Connection::open_with(dir.join(name), options()).expect("opens");
    let memory = |switches| {
        let options = options().query_options(QueryOptions::new().optimise(switches));
        Db::empty(options).expect("schema").with(transaction(facts)).expect("data").db_after()
    };
    let switch = seed as usize % Switches::NAMES.len();
    let whole = open("whole");
    whole.transact(transaction(facts)).expect("data");
    let half = open("half");
    let (below, above) = facts.split_at(facts.len() / 2);
    half.transact(transaction(below)).expect("data");
    let half = half.db().expect("opens");
    let overlay = half.with(transaction(above)).expect("data").db_after();
    vec![
        Place { name: "memory", db: memory(Switches::all()), facts },
        Place { name: "without one optimisation", db: memory(Switches::without(switch)), facts },
        Place { name: "with one optimisation", db: memory(Switches::only(switch)), facts },
        Place {
            name: "plans by chance",
            db: memory(Switches { dice: Some(seed), ..Switches::all() }),
            facts,
        },
        Place { name: "file", db: whole.db().expect("opens"), facts },
        Place { name: "half", db: half, facts: below },
        Place { name: "overlay", db: overlay, facts },
    ]
}

/// What the engine says.
fn asked(db: &Db, text: &str, inputs: Vec<factum::Input>) -> Result<BTreeSet<Vec<Value>>, String> {
    let result = db.query_with(text, inputs).map_err(|error| error.render())?;
    let Value::Set(found) = result.to_value() else { return Err("a relation should be a set".into()) };
    Ok(found.iter().map(|row| row.as_sequence().expect("a row").to_vec()).collect())
}

/// The rows that the engine hands on while it runs.
fn streamed(db: &Db, question: &Question, inputs: Vec<factum::Input>) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    let each = |row: Vec<Value>| {
        rows.push(row);
        ControlFlow::Continue(())
    };
    db.for_each_row(question.text.as_str(), inputs, each).expect("an answer");
    rows
}

#[test]
fn engine_agrees_with_the_naive_evaluator() {
    let rules_value = edn::read(RULES).expect("EDN");
    let rules = Arc::new(Rules::from_value(&rules_value).expect("rules"));
    let first = setting("FACTUM_SEED", 0);
    let (mut answers, mut reused) = (0, 0);
    for seed in first..first + setting("FACTUM_CASES", 60) {
        let mut generator = Generator::new(seed);
        let facts = generator.facts();
        let dir = tempfile::tempdir().expect("temporary directory");
        let places = places(seed, &facts, dir.path());
        for _ in 0..8 {
            let question = generator.query();
            let text = &question.text;
            let query: Query = query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            // The second time a kept plan is used; another number takes it over with other constants, and back again.
            let numbers = [generator.number(), generator.number()];
            let turns = match question.input {
                None => vec![None, None],
                Some(_) => [0, 0, 1, 0].map(|turn| Some(numbers[turn])).to_vec(),
            };
            let mut known: BTreeMap<(usize, Option<i64>), BTreeSet<Vec<Value>>> = BTreeMap::new();
            for Place { name, db, facts } in &places {
                for (turn, number) in turns.iter().enumerate() {
                    let expected = known.entry((facts.len(), *number)).or_insert_with(|| {
                        let given = question.input.zip(*number);
                        let env = given.map(|(name, number)| (Symbol::from(name), Value::Int(number)));
                        let database = Database { facts: facts.to_vec(), ..Database::default() };
                        rows(&query, &World::of(database, Arc::clone(&rules)), vec![Env::from_iter(env)])
                            .unwrap_or_else(|error| panic!("{text}: {error:?}"))
                    });
                    answers += expected.len();
                    let inputs = || {
                        let mut inputs = factum::inputs![&rules_value];
                        inputs.extend(number.map(factum::Input::from));
                        inputs
                    };
                    let at = format!("seed {seed}, {name}, turn {turn} with {number:?}: {text}");
                    let found = asked(db, text, inputs()).unwrap_or_else(|error| panic!("{at}\n{error}"));
                    assert_eq!(found, *expected, "{at}\nfacts {}", transaction(facts));
                    if turn == 0 {
                        let rows = streamed(db, &question, inputs());
                        assert_eq!(rows.len(), expected.len(), "{at}, streamed");
                        assert_eq!(BTreeSet::from_iter(rows), *expected, "{at}, streamed");
                    }
                }
            }
        }
        reused += places.iter().map(|place| place.db.plan_cache().hits).sum::<u64>();
    }
    assert!(answers > 0, "some query of the run must have an answer");
    assert!(reused > 0, "some kept plan must have been used again");
}
