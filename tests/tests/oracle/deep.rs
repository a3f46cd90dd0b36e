//! Rules and questions whose bodies nest several levels deep, held against the naive evaluator in the places of the other questions.
//! `FACTUM_DEEP_CASES` sets the number of cases, `FACTUM_SEED` the first seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edn::{Symbol, Value};
use factum::{Db, Input, Options};
use query::ast::{Query, Rules};
use tests::naive::deep::{self, Given, Question};
use tests::naive::generate::{Generator, SCHEMA};
use tests::naive::{Database, Env, Fact, Source, World, rows};

use super::{Place, asked, places, setting, transaction};

#[test]
fn nested_bodies_agree_with_the_naive_evaluator() {
    let first = setting("FACTUM_SEED", 0);
    let mut answers = 0;
    for seed in first..first + setting("FACTUM_DEEP_CASES", 25) {
        let mut generator = Generator::new(seed);
        let facts = generator.facts();
        let mut deep = deep::Generator::new(seed);
        let text = deep.rules();
        let rules_value = edn::read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let rules = Arc::new(Rules::from_value(&rules_value).unwrap_or_else(|e| panic!("{text}: {e}")));
        let dir = tempfile::tempdir().expect("temporary directory");
        let places = places(seed, &facts, dir.path());
        let others = generator.facts();
        let other = Db::empty(Options::new().schema(SCHEMA)).expect("schema");
        let other = other.with(transaction(&others)).expect("data").db_after();
        let source = |facts: &[Fact]| {
            Source::Facts(Arc::new(Database { facts: facts.to_vec(), ..Database::default() }))
        };
        for _ in 0..6 {
            let Question { text: question, given } = deep.query();
            let query: Query = query::parse(&question).unwrap_or_else(|error| panic!("{question}: {error}"));
            let env = |given: &Given, row: &Vec<i64>| {
                let values = row.iter().map(|value| Value::Int(*value));
                given.vars.iter().map(|name| Symbol::from(*name)).zip(values).collect::<Env>()
            };
            let envs: Vec<Env> = match &given {
                Some(given) => given.rows.iter().map(|row| env(given, row)).collect(),
                None => vec![Env::new()],
            };
            let mut known: BTreeMap<usize, BTreeSet<Vec<Value>>> = BTreeMap::new();
            for Place { name, db, facts } in &places {
                let at = || {
                    let (facts, others) = (transaction(facts), transaction(&others));
                    let given = given.as_ref().map(|given| given.input.to_string());
                    format!(
                        "seed {seed}, {name}, with {given:?}: {question}\nrules {text}\nfacts {facts}\n$b {others}"
                    )
                };
                let expected = known.entry(facts.len()).or_insert_with(|| {
                    let sources = [("$", source(facts)), ("$b", source(&others))];
                    let sources = sources.map(|(name, source)| (Symbol::from(name), source)).into();
                    let world = World { sources, rules: Arc::clone(&rules), ..World::default() };
                    rows(&query, &world, envs.clone()).unwrap_or_else(|error| panic!("{}\n{error:?}", at()))
                });
                answers += expected.len();
                let mut inputs = factum::inputs![&other, &rules_value];
                inputs.extend(given.as_ref().map(|given| Input::from(&given.input)));
                let found = asked(db, &question, inputs).unwrap_or_else(|error| panic!("{}\n{error}", at()));
                assert_eq!(found, *expected, "{}", at());
            }
        }
    }
    assert!(answers > 0, "some question must have an answer");
}
