//! Execution against the naive evaluator: random programs over random data, every optimisation on and off.

use std::collections::BTreeSet;
use std::sync::Arc;

use edn::Value;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Arena, Options, Relation, Run, Source, run};
use crate::logical::Conjunction;
use crate::plan::Switches;

mod build;
mod generate;
mod naive;

use generate::Case;

fn cases() -> u64 {
    std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}

/// The rows of a program, each asserted to come once.
fn rows(case: &Case, switches: Switches) -> Result<BTreeSet<Vec<Value>>, super::ExecError> {
    let tuples: Arc<[Vec<Value>]> = case.tuples.values().next().expect("one collection").clone().into();
    let sources = [Source::Db(case.facts.db.clone()), Source::Tuples(tuples)];
    let arena = Arena::new();
    let input =
        Relation::from_values(case.logical.inputs.clone(), case.input.iter().map(Vec::as_slice), &arena);
    let options = Options { switches, ..Options::default() };
    let context = Run { sources: &sources, arena: &arena, host: &build::BuiltIns };
    let result = run(context, &case.logical, input, &options)?;
    let mut rows = BTreeSet::new();
    for row in 0..result.len() {
        let values =
            (0..result.vars.len()).map(|column| result.value(row, column).expect("decodable")).collect();
        assert!(rows.insert(values), "row {row} repeats");
    }
    Ok(rows)
}

fn expected(case: &Case) -> BTreeSet<Vec<Value>> {
    let world = naive::World {
        facts: &case.facts.all,
        idents: &case.idents,
        tuples: &case.tuples,
        rules: &case.logical.rules,
    };
    naive::evaluate(&case.logical, &world, &case.input)
}

fn describe(seed: u64, case: &Case) -> String {
    let Case { facts, tuples, input, logical, .. } = case;
    let mut text = format!(
        "seed {seed}\nfacts {:?}\ntuples {tuples:?}\ninputs {:?} {input:?}\n",
        facts.all, logical.inputs
    );
    let clauses = |text: &mut String, body: &Conjunction| {
        for clause in &body.clauses {
            *text += &format!("  {clause:?}\n").replace("span: Span { start: 0, end: 0 }", "");
        }
    };
    clauses(&mut text, &logical.body);
    text += &format!("output {:?}\n", logical.output);
    for rule in &logical.rules.rules {
        for branch in &rule.branches {
            text += &format!("rule {} {:?}\n", rule.name, branch.head);
            clauses(&mut text, &branch.body);
        }
    }
    text
}

fn check(seed: u64, case: &Case, expected: &BTreeSet<Vec<Value>>, switches: Switches) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| rows(case, switches.clone())));
    match outcome {
        Ok(Ok(rows)) if rows == *expected => {}
        Ok(Ok(rows)) => panic!("{}\n{switches:?}\ngot {rows:?}\nexpected {expected:?}", describe(seed, case)),
        Ok(Err(error)) => panic!("{}\n{switches:?}\n{error}", describe(seed, case)),
        Err(_) => panic!("{}\n{switches:?}\npanicked", describe(seed, case)),
    }
}

#[test]
fn answers_are_those_of_the_naive_evaluator() {
    for seed in 0..cases() {
        let case = generate::case(seed);
        let expected = expected(&case);
        check(seed, &case, &expected, Switches::all());
        check(seed, &case, &expected, Switches::none());
        let switch = seed as usize % Switches::NAMES.len();
        check(seed, &case, &expected, Switches::without(switch));
        check(seed, &case, &expected, Switches::only(switch));
    }
}

#[test]
fn the_order_of_clauses_does_not_matter() {
    for seed in 0..cases() / 4 {
        let mut case = generate::case(seed);
        let expected = expected(&case);
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..3 {
            case.logical.body.clauses.shuffle(&mut rng);
            check(seed, &case, &expected, Switches::all());
            check(seed, &case, &expected, Switches { reorder: false, ..Switches::all() });
        }
    }
}
