//! Questions over the whole language, held against the naive evaluator: on a stack of changes over a file, and in memory with
//! single optimisations switched off. `FACTUM_WIDE_CASES` sets the number of cases, `FACTUM_SEED` the first seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use edn::{Symbol, Value};
use factum::{Connection, Db, FunctionRegistry, Input, Options, QueryOptions};
use query::ast::{AggregateName, FindElement, FindShape, Input as Parameter, Query, Rules};
use query::plan::Switches;
use tests::naive::wide::{AGGREGATES, Change, FUNCTIONS, Generator, Given, Question, RULES, Setting};
use tests::naive::{Answer, Database, Env, Failure, World, answer, destructure};

use super::setting;

fn registry() -> FunctionRegistry {
    let mut registry = FunctionRegistry::new();
    for (name, function) in FUNCTIONS {
        registry = registry.function(name, move |args| Ok(function(args)?));
    }
    for (name, aggregate) in AGGREGATES {
        registry = registry.aggregate(name, move |args, values| Ok(aggregate(args, values)));
    }
    registry
}

fn transaction(changes: &[Change]) -> Value {
    let item = |(added, (e, a, v)): &Change| {
        let verb = if *added { "db/add" } else { "db/retract" };
        Value::Vector(vec![Value::keyword(verb), Value::Int(*e), Value::Keyword(a.clone()), v.clone()])
    };
    Value::Vector(changes.iter().map(item).collect())
}

fn options(setting: &Setting, switches: Switches) -> Options {
    let query = QueryOptions::new().optimise(switches).functions(registry());
    Options::new().schema(setting.schema.as_str()).durability(factum::Durability::None).query_options(query)
}

fn all_at_once(database: &Database) -> Value {
    transaction(&database.facts.iter().map(|fact| (true, fact.clone())).collect::<Vec<_>>())
}

/// The same database in several ways.
fn places(seed: u64, setting: &Setting, dir: &std::path::Path) -> Vec<(String, Db)> {
    let whole = all_at_once(&setting.database);
    let memory = |switches| {
        let db = Db::empty(options(setting, switches)).expect("schema");
        db.with(whole.clone()).expect("data").db_after()
    };
    let connection =
        Connection::open_with(dir.join("layers"), options(setting, Switches::all())).expect("opens");
    let committed = seed as usize % (setting.layers.len() + 1);
    let (below, above) = setting.layers.split_at(committed);
    for layer in below {
        connection.transact(transaction(layer)).expect("data");
    }
    let mut stacked = connection.db().expect("opens");
    for layer in above {
        stacked = stacked.with(transaction(layer)).expect("data").db_after();
    }
    let switch = seed as usize % Switches::NAMES.len();
    let name = Switches::NAMES[switch];
    vec![
        ("in memory".into(), memory(Switches::all())),
        (format!("{committed} commits and {} changes on top", above.len()), stacked),
        ("without any optimisation".into(), memory(Switches::none())),
        (format!("without {name}"), memory(Switches::without(switch))),
        (format!("with nothing but {name}"), memory(Switches::only(switch))),
        ("with plans by chance".into(), memory(Switches { dice: Some(seed), ..Switches::all() })),
    ]
}

/// The environments to which the inputs bind variables.
fn environments(query: &Query, inputs: &[Given]) -> Vec<Env> {
    let mut envs = vec![Env::new()];
    for (parameter, given) in query.inputs.iter().flatten().zip(inputs) {
        if let (Parameter::Binding(binding), Given::Value(value)) = (parameter, given) {
            envs = envs.iter().flat_map(|env| destructure(binding, value, env)).collect();
        }
    }
    envs
}

struct Sources {
    other: Db,
    tuples: Value,
    rules: Value,
}

fn inputs(question: &[Given], sources: &Sources) -> Vec<Input> {
    let input = |given: &Given| match given {
        Given::Name("$b") => Input::from(&sources.other),
        Given::Name("$c") => Input::from(&sources.tuples),
        Given::Name(_) => Input::from(&sources.rules),
        Given::Value(value) => Input::from(value),
        Given::Twice => Input::function(|args| Ok(FUNCTIONS[0].1(args)?)),
        Given::Aggregate(name) => Input::from(Value::symbol(name)),
    };
    // The database comes first by itself.
    question.iter().filter(|given| **given != Given::Name("$")).map(input).collect()
}

/// Texts in an order of their own: those that agree in all that fits an index come in any order.
fn sorted_texts(value: &Value) -> Value {
    match value {
        Value::Vector(items) => {
            let mut items: Vec<Value> = items.iter().map(sorted_texts).collect();
            if items.iter().all(|item| item.as_str().is_some()) {
                items.sort();
            }
            Value::Vector(items)
        }
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.clone(), sorted_texts(value))).collect())
        }
        other => other.clone(),
    }
}

/// Values as they may differ between right answers: the order in a vector that an aggregate collects, the last digits of a mean.
fn normal(query: &Query, row: &[Value]) -> Vec<Value> {
    let loose = |element: &FindElement| match element {
        FindElement::Aggregate(aggregate) => match &aggregate.name {
            AggregateName::Named(name, _) => Some(name.as_str().to_owned()),
            AggregateName::Input(_) => None,
        },
        _ => None,
    };
    let each = row.iter().zip(&query.find.elements);
    each.map(|(value, element)| match (loose(element).as_deref(), value) {
        _ if matches!(element, FindElement::Pull(_)) => sorted_texts(value),
        (Some("vec"), Value::Vector(items)) => {
            let mut items = items.clone();
            items.sort();
            Value::Vector(items)
        }
        (Some("avg" | "variance" | "stddev"), Value::Float(float)) => {
            Value::Float((float * 1e9).round() / 1e9)
        }
        _ => value.clone(),
    })
    .collect()
}

fn bag(rows: impl Iterator<Item = Vec<Value>>) -> BTreeMap<Vec<Value>, usize> {
    let mut bag = BTreeMap::new();
    for row in rows {
        *bag.entry(row).or_default() += 1;
    }
    bag
}

/// What is wrong with the rows that the engine found, if anything.
fn judge(query: &Query, found: &[Vec<Value>], right: &Answer) -> Result<(), String> {
    let found: Vec<Vec<Value>> = found.iter().map(|row| normal(query, row)).collect();
    let all: Vec<Vec<Value>> = right.rows.iter().map(|row| normal(query, row)).collect();
    let (offset, limit) = match query.find.shape {
        FindShape::Relation => (right.offset, right.limit),
        FindShape::Collection => (0, usize::MAX),
        FindShape::Scalar | FindShape::Tuple => (0, 1),
    };
    let expected = all.len().saturating_sub(offset).min(limit);
    if found.len() != expected {
        return Err(format!("{} rows instead of {expected}", found.len()));
    }
    let mut left = bag(all.iter().cloned());
    for row in &found {
        match left.get_mut(row) {
            Some(count) if *count > 0 => *count -= 1,
            _ => return Err(format!("a row that should not be there: {}", Value::Vector(row.clone()))),
        }
    }
    if query.find.shape != FindShape::Relation || query.order_by.is_empty() {
        return Ok(());
    }
    // Rows with equal keys may come in any order, and any of them may be cut away; the keys may not.
    let key_of: BTreeMap<&Vec<Value>, &Vec<Value>> = all.iter().zip(&right.keys).collect();
    for (place, row) in found.iter().enumerate() {
        if key_of[row] != &right.keys[offset + place] {
            return Err(format!("row {place} is out of order"));
        }
    }
    Ok(())
}

fn check(
    at: &str,
    (question, given): (&Question, &[Given]),
    (query, right): (&Query, &Result<Answer, Failure>),
    (db, sources): (&Db, &Sources),
) -> usize {
    let at = || format!("{at}: {}\ninputs {given:?}", question.text);
    let result = db.query_with(question.text.as_str(), inputs(given, sources));
    match (right, result) {
        (Ok(right), Ok(result)) => {
            if let Err(reason) = judge(query, result.tuples(), right) {
                let rows = |rows: &[Vec<Value>]| {
                    rows.iter()
                        .map(|row| Value::Vector(row.clone()).to_string())
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                panic!("{}\n{reason}\nfound {}\nright {}", at(), rows(result.tuples()), rows(&right.rows));
            }
            result.len()
        }
        (Err(_), Err(_)) => 0,
        (Ok(_), Err(error)) => panic!("{}\n{}", at(), error.render()),
        (Err(failure), Ok(_)) => panic!("{}\nshould fail: {failure:?}", at()),
    }
}

fn describe(setting: &Setting) -> String {
    format!(
        "schema {}\nfacts {}\n$b {}\n$c {:?}",
        setting.schema,
        all_at_once(&setting.database),
        all_at_once(&setting.other),
        setting.tuples.iter().map(|row| Value::Vector(row.clone()).to_string()).collect::<Vec<_>>()
    )
}

#[test]
fn the_whole_language_agrees_with_the_naive_evaluator() {
    let rules_value = edn::read(RULES).expect("EDN");
    let rules = Arc::new(Rules::from_value(&rules_value).expect("rules"));
    let first = setting("FACTUM_SEED", 0);
    let (mut cases, mut asked, mut rows, mut failures) = (0, 0, 0, 0);
    for seed in first..first + setting("FACTUM_WIDE_CASES", 75) {
        let mut generator = Generator::new(seed);
        let setting = generator.setting();
        let dir = tempfile::tempdir().expect("temporary directory");
        let places = places(seed, &setting, dir.path());
        let other = Db::empty(options(&setting, Switches::all())).expect("schema");
        let other = other.with(all_at_once(&setting.other)).expect("data").db_after();
        let tuples = Value::Vector(setting.tuples.iter().map(|row| Value::Vector(row.clone())).collect());
        let sources = Sources { other, tuples, rules: rules_value.clone() };
        for _ in 0..8 {
            let question = generator.question(&setting);
            let query =
                query::parse(&question.text).unwrap_or_else(|error| panic!("{}: {error}", question.text));
            let mut world: World = setting.world(&rules);
            world.aggregates.insert(Symbol::from("?agg"), AGGREGATES[0].1);
            for given in [&question.inputs, &question.others] {
                let right = answer(&query, &world, environments(&query, given));
                cases += 1;
                failures += usize::from(right.is_err());
                for (name, db) in &places {
                    let at = format!("seed {seed}, {name}\n{}", describe(&setting));
                    rows += check(&at, (&question, given), (&query, &right), (db, &sources));
                    asked += 1;
                }
            }
        }
    }
    println!("{cases} cases, {asked} answers compared, {rows} rows, {failures} cases that both refuse");
    assert!(rows > 0, "some question must have an answer");
    assert!(failures * 4 < cases, "most questions should have an answer");
}
