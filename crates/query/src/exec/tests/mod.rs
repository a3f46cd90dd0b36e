//! Execution against the naive evaluator: random programs over random data, every optimisation on and off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edn::Value;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::{Arena, Options, Relation, Run, Source, run};
use crate::logical::{AggregateCall, AggregateKind, Aggregation, Conjunction, Logical, OrderKey};
use crate::plan::Switches;

mod build;
mod generate;
mod naive;

use generate::Case;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seeds of a run: one in `part` of `FACTUM_CASES`, from `FACTUM_SEED` on.
fn seeds(part: u64) -> std::ops::Range<u64> {
    let first = setting("FACTUM_SEED", 0);
    first..first + setting("FACTUM_CASES", 1500) / part
}

/// The rows of a program in their order, each asserted to come once; and whether they are aggregates.
fn run_case(
    case: &Case,
    logical: &Logical,
    switches: Switches,
) -> Result<(Vec<Vec<Value>>, bool), super::ExecError> {
    let tuples: Arc<[Vec<Value>]> = case.tuples.values().next().expect("one collection").clone().into();
    let sources = [Source::Db(case.facts.db.clone()), Source::Tuples(tuples)];
    let arena = Arena::new();
    let input = Relation::from_values(logical.inputs.clone(), case.input.iter().map(Vec::as_slice), &arena);
    let options = Options { switches, ..Options::default() };
    let context = Run { sources: &sources, arena: &arena, host: &build::BuiltIns };
    let result = run(context, logical, input, &options)?;
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for row in 0..result.len() {
        let columns = 0..result.rows.columns.len();
        rows.push(columns.map(|column| result.value(row, column).expect("decodable")).collect());
    }
    let distinct: BTreeSet<&Vec<Value>> = rows.iter().collect();
    assert_eq!(distinct.len(), rows.len(), "rows repeat");
    Ok((rows, result.aggregated))
}

/// The rows of a program.
fn rows(case: &Case, switches: Switches) -> Result<BTreeSet<Vec<Value>>, super::ExecError> {
    Ok(run_case(case, &case.logical, switches)?.0.into_iter().collect())
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

/// Seeds that once failed, far beyond those of an ordinary run: a variable attribute that a constant restricted was taken for unused; a
/// product instead of a join, where both sides had applied the same function; the same with a function that gives its own argument.
const FAILED_ONCE: [u64; 3] = [21_003, 122_637, 161_853];

#[test]
fn answers_are_those_of_the_naive_evaluator() {
    for seed in seeds(1).chain(FAILED_ONCE) {
        let case = generate::case(seed);
        let expected = expected(&case);
        check(seed, &case, &expected, Switches::all());
        check(seed, &case, &expected, Switches::none());
        let switch = seed as usize % Switches::NAMES.len();
        check(seed, &case, &expected, Switches::without(switch));
        check(seed, &case, &expected, Switches::only(switch));
        for dice in 0..3 {
            check(seed, &case, &expected, Switches { dice: Some(seed * 3 + dice), ..Switches::all() });
        }
    }
}

#[test]
fn the_order_of_clauses_does_not_matter() {
    for seed in seeds(4) {
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

#[test]
fn the_first_rows_are_those_of_the_wanted_order() {
    for seed in seeds(1) {
        let case = generate::case(seed);
        let expected = expected(&case);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut logical = case.logical.clone();
        let limit = rng.random_range(1..4);
        logical.row_limit = Some(limit);
        let mut order: Vec<OrderKey> =
            logical.output.iter().map(|var| OrderKey { var: *var, descending: rng.random() }).collect();
        order.truncate(rng.random_range(0..3));
        logical.order = order;
        let place =
            |key: &OrderKey| logical.output.iter().position(|var| *var == key.var).expect("an output");
        let keys = |row: &Vec<Value>| -> Vec<Value> {
            logical.order.iter().map(|key| row[place(key)].clone()).collect()
        };
        let mut best: Vec<Vec<Value>> = expected.iter().map(keys).collect();
        best.sort_by(|a, b| {
            let each = logical.order.iter().zip(a.iter().zip(b));
            each.fold(std::cmp::Ordering::Equal, |order, (key, (a, b))| {
                order.then(if key.descending { b.cmp(a) } else { a.cmp(b) })
            })
        });
        best.truncate(limit);
        for switches in [Switches::all(), Switches::none(), Switches { dice: Some(seed), ..Switches::all() }]
        {
            let (rows, _) = run_case(&case, &logical, switches).expect("runs");
            assert!(rows.iter().all(|row| expected.contains(row)), "{}", describe(seed, &case));
            let got: Vec<Vec<Value>> = rows.iter().map(keys).collect();
            if logical.order.is_empty() {
                assert_eq!(got.len(), best.len(), "{}", describe(seed, &case));
            } else {
                assert_eq!(got, best, "{:?} limit {limit}\n{}", logical.order, describe(seed, &case));
            }
        }
    }
}

#[test]
fn aggregates_are_those_of_the_distinct_rows() {
    let mut computed = 0;
    for seed in seeds(1) {
        let case = generate::case(seed);
        let rows = expected(&case);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut logical = case.logical.clone();
        let groups = rng.random_range(0..logical.output.len().min(3));
        let group = logical.output[..groups].to_vec();
        let calls: Vec<AggregateCall> = logical.output[groups..]
            .iter()
            .map(|var| {
                use AggregateKind::{Avg, Count, CountDistinct, Max, Min, Sum};
                let kind = [Count, CountDistinct, Sum, Avg, Min, Max][rng.random_range(0..6)];
                AggregateCall { kind, var: *var }
            })
            .collect();
        logical.aggregation = Some(Aggregation { group: group.clone(), calls: calls.clone() });
        let (got, aggregated) = run_case(&case, &logical, Switches::all()).expect("runs");
        if !aggregated {
            assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), rows, "{}", describe(seed, &case));
            continue;
        }
        computed += 1;
        let mut by_group: BTreeMap<Vec<Value>, Vec<Vec<Value>>> = BTreeMap::new();
        for row in rows {
            let (key, rest) = row.split_at(groups);
            by_group.entry(key.to_vec()).or_default().push(rest.to_vec());
        }
        let expected: BTreeSet<Vec<Value>> = by_group
            .into_iter()
            .map(|(mut key, rows)| {
                for (column, call) in calls.iter().enumerate() {
                    key.push(aggregate(call.kind, rows.iter().map(|row| row[column].clone()).collect()));
                }
                key
            })
            .collect();
        assert_eq!(
            got.into_iter().collect::<BTreeSet<_>>(),
            expected,
            "{:?}\n{}",
            logical.aggregation,
            describe(seed, &case)
        );
    }
    assert!(computed > 0, "none of the aggregations was computed here");
}

/// An aggregate as its definition says.
fn aggregate(kind: AggregateKind, values: Vec<Value>) -> Value {
    let ints = || values.iter().map(|value| value.as_int().expect("sums are left alone otherwise"));
    match kind {
        AggregateKind::Count => Value::Int(values.len() as i64),
        AggregateKind::CountDistinct => Value::Int(values.iter().collect::<BTreeSet<_>>().len() as i64),
        AggregateKind::Sum => Value::Int(ints().sum()),
        AggregateKind::Avg => Value::Float(ints().sum::<i64>() as f64 / values.len() as f64),
        AggregateKind::Min => values.into_iter().min().expect("a group has rows"),
        AggregateKind::Max => values.into_iter().max().expect("a group has rows"),
    }
}

#[test]
fn single_attributes_are_aggregated_from_the_index() {
    let (mut facts, attrs) =
        build::Facts::new(&[("n", Some("long"), true, false), ("one", Some("string"), false, false)]);
    for (e, n) in [(1, 5), (1, -3), (2, 5), (3, 9), (4, 9), (4, 11)] {
        facts.add(e, attrs[0], &Value::Int(n));
        facts.add(e, attrs[1], &Value::str(if n > 6 { "high" } else { "low" }));
    }
    let answer = |logical: &Logical| {
        let case = Case {
            facts: build::Facts { db: facts.db.clone(), all: BTreeSet::new() },
            idents: BTreeMap::new(),
            tuples: BTreeMap::from([(crate::logical::SourceId(1), Vec::new())]),
            logical: logical.clone(),
            input: vec![Vec::new()],
        };
        let sources = [Source::Db(case.facts.db.clone())];
        let planned =
            crate::plan::plan(logical, &sources, &Relation::unit(), &Switches::all()).expect("a plan");
        assert!(planned.finish.index.is_some(), "{logical:?}");
        let (rows, aggregated) = run_case(&case, logical, Switches::all()).expect("runs");
        assert!(aggregated);
        rows
    };
    let query = |output: Vec<u32>,
                 group: Vec<u32>,
                 calls: Vec<(AggregateKind, u32)>,
                 attr,
                 ranges: Option<storage::ValueRange>| {
        let mut clauses = vec![build::pattern(build::v(0), attr, build::v(1))];
        clauses.extend(ranges.map(|range| build::range(1, vec![range])));
        let mut logical = build::logical(2, clauses, output, Vec::new());
        let calls =
            calls.into_iter().map(|(kind, var)| AggregateCall { kind, var: crate::logical::VarId(var) });
        logical.aggregation = Some(Aggregation { group: build::ids(&group), calls: calls.collect() });
        logical
    };
    use AggregateKind::{Count, CountDistinct, Max, Min};
    let int = Value::Int;
    let both =
        query(vec![0, 1], vec![], vec![(Count, 0), (CountDistinct, 1), (Min, 1), (Max, 1)], attrs[0], None);
    assert_eq!(answer(&both), [[int(6), int(4), int(-3), int(11)]]);
    let values = query(vec![1], vec![], vec![(Count, 1), (Max, 1)], attrs[0], None);
    assert_eq!(answer(&values), [[int(4), int(11)]]);
    let above = storage::ValueRange {
        lo: std::ops::Bound::Excluded(storage::EncodedValue::int(5)),
        hi: std::ops::Bound::Unbounded,
    };
    let ranged = query(vec![0, 1], vec![], vec![(Count, 0), (Min, 1)], attrs[0], Some(above.clone()));
    assert_eq!(answer(&ranged), [[int(3), int(9)]]);
    let grouped = query(vec![1, 0], vec![1], vec![(Count, 0)], attrs[1], None);
    assert_eq!(answer(&grouped), [[Value::str("high"), int(2)], [Value::str("low"), int(2)]]);
    let nothing =
        storage::ValueRange { lo: std::ops::Bound::Excluded(storage::EncodedValue::int(50)), ..above };
    let none = query(vec![0, 1], vec![], vec![(Count, 0), (Min, 1)], attrs[0], Some(nothing));
    assert!(answer(&none).is_empty());
}
