//! Rules and questions whose bodies nest several levels deep, held against the naive evaluator in the places of the other questions.
//! `FACTUM_DEEP_CASES` sets the number of cases, `FACTUM_SEED` the first seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edn::{Symbol, Value};
use query::ast::{Query, Rules};
use tests::naive::deep;
use tests::naive::generate::Generator;
use tests::naive::{Database, Env, World, rows};

use super::{Place, asked, places, setting, transaction};

#[test]
fn nested_bodies_agree_with_the_naive_evaluator() {
    let first = setting("FACTUM_SEED", 0);
    let mut answers = 0;
    for seed in first..first + setting("FACTUM_DEEP_CASES", 40) {
        let mut generator = Generator::new(seed);
        let facts = generator.facts();
        let mut deep = deep::Generator::new(seed);
        let text = deep.rules();
        let rules_value = edn::read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let rules = Arc::new(Rules::from_value(&rules_value).unwrap_or_else(|e| panic!("{text}: {e}")));
        let dir = tempfile::tempdir().expect("temporary directory");
        let places = places(seed, &facts, dir.path());
        for _ in 0..6 {
            let question = deep.query();
            let query: Query =
                query::parse(&question.text).unwrap_or_else(|error| panic!("{}: {error}", question.text));
            let number = question.input.map(|_| generator.number());
            let mut known: BTreeMap<usize, BTreeSet<Vec<Value>>> = BTreeMap::new();
            for Place { name, db, facts } in &places {
                let at = || {
                    let rest = format!("{}\nrules {text}\nfacts {}", question.text, transaction(facts));
                    format!("seed {seed}, {name}, with {number:?}: {rest}")
                };
                let expected = known.entry(facts.len()).or_insert_with(|| {
                    let given = question.input.zip(number);
                    let env = given.map(|(name, number)| (Symbol::from(name), Value::Int(number)));
                    let database = Database { facts: facts.to_vec(), ..Database::default() };
                    rows(&query, &World::of(database, Arc::clone(&rules)), vec![Env::from_iter(env)])
                        .unwrap_or_else(|error| panic!("{}\n{error:?}", at()))
                });
                answers += expected.len();
                let mut inputs = factum::inputs![&rules_value];
                inputs.extend(number.map(factum::Input::from));
                let found = asked(db, &question, inputs).unwrap_or_else(|error| panic!("{}\n{error}", at()));
                assert_eq!(found, *expected, "{}", at());
            }
        }
    }
    assert!(answers > 0, "some question must have an answer");
}
