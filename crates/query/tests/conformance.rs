//! The query cases of the bundled conformance file, run against this crate alone.

use std::collections::BTreeMap;

use factum_query::edn::{self, Value};
use factum_query::storage::{Db, DbOptions, Schema};
use factum_query::{Input, Query, QueryOptions, query};

const CASES: &str = include_str!("../../../tests/cases/conformance.edn");

/// Cases that are answered differently on purpose, or that wait for an index.
const DIFFERENT: [(&str, &str); 5] = [
    ("tx-id-collides-with-entity-ids", "transactions have entity ids of their own range"),
    ("retracted-max-id-is-reused", "entity ids are never used again"),
    ("rule-unbound-head-var-yields-nil", "a variable in a rule's head must occur in its body"),
    ("unknown-top-level-clause-is-ignored", "unknown sections are errors"),
    ("having-on-plain-variable-disables-having", "conditions that cannot be parsed are errors"),
];
const SEARCH: [&str; 5] = ["fulltext", "vec-", "idoc-", "err-vec", "doc-fulltext"];

type Case = BTreeMap<Value, Value>;

fn get<'a>(case: &'a Case, key: &str) -> Option<&'a Value> {
    case.get(&Value::keyword(key))
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_sequence).unwrap_or_default()
}

fn database(case: &Case) -> Result<Db, String> {
    let schema = get(case, "schema").cloned().unwrap_or_else(|| Value::Map(BTreeMap::new()));
    let schema = Schema::from_value(&schema).map_err(|error| error.to_string())?;
    let mut db = Db::empty(schema, DbOptions::default());
    for tx in items(get(case, "tx")) {
        db = db.db_with(tx).map_err(|error| error.to_string())?;
    }
    Ok(db)
}

fn inputs(case: &Case, db: &Db) -> Result<Vec<Input>, String> {
    let Some(given) = get(case, "inputs") else {
        let has_database = get(case, "schema").is_some() || get(case, "tx").is_some();
        return Ok(if has_database { vec![db.into()] } else { Vec::new() });
    };
    let others = get(case, "dbs").and_then(Value::as_map);
    items(Some(given))
        .iter()
        .map(|input| match input.as_symbol().map(|name| name.as_str()) {
            Some("$") => Ok(db.into()),
            Some("%") => Ok(get(case, "rules").expect("rules").clone().into()),
            _ => match others.and_then(|others| others.get(input)).and_then(Value::as_map) {
                Some(other) => Ok(database(other)?.into()),
                None => Ok(input.clone().into()),
            },
        })
        .collect()
}

/// Lists and vectors are alike in the cases.
fn plain(value: &Value) -> Value {
    match value {
        Value::List(items) | Value::Vector(items) => Value::Vector(items.iter().map(plain).collect()),
        Value::Set(items) => Value::Set(items.iter().map(plain).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (plain(key), plain(value))).collect())
        }
        other => other.clone(),
    }
}

fn rows(value: &Value) -> Vec<Value> {
    let mut rows = match plain(value) {
        Value::Vector(rows) => rows,
        Value::Set(rows) => rows.into_iter().collect(),
        other => vec![other],
    };
    rows.sort();
    rows
}

fn check(case: &Case) -> Result<(), String> {
    let db = database(case)?;
    let inputs = inputs(case, &db)?;
    let written = get(case, "query").expect("a query");
    let answer = match written {
        Value::Vector(_) | Value::Map(_) => written.to_string().parse::<Query>(),
        other => Query::from_value(other),
    }
    .and_then(|parsed| query(&parsed, &inputs, &QueryOptions::default()));
    let expected = get(case, "expect").expect("an expectation");
    let kind = get(case, "expect-kind").and_then(Value::as_keyword).expect("a kind").as_str().to_owned();
    match (kind.as_str(), answer) {
        ("error", Ok(result)) => Err(format!("expected the error {expected}, got {}", result.to_value())),
        ("error", Err(error)) => {
            let entry = |key: &str| expected.as_map().and_then(|map| map.get(&Value::keyword(key)));
            let class = entry("class").map(|class| class.to_string());
            let code = entry("code").map(|code| code.to_string());
            let right = class.is_none_or(|class| class == format!(":{}", error.class()))
                && code.is_none_or(|code| code == error.code());
            if right {
                Ok(())
            } else {
                Err(format!(
                    "expected {expected}, got {} {}\n{}",
                    error.class(),
                    error.code(),
                    error.render()
                ))
            }
        }
        (_, Err(error)) => Err(error.render()),
        (kind, Ok(result)) => {
            let got = result.to_value();
            let agrees = match kind {
                "set" => {
                    let (mut expected, mut got) = (rows(expected), rows(&got));
                    expected.dedup();
                    got.dedup();
                    expected == got
                }
                "bag" => rows(expected) == rows(&got),
                _ => plain(expected) == plain(&got),
            };
            if agrees { Ok(()) } else { Err(format!("expected {expected}\n     got {got}")) }
        }
    }
}

#[test]
fn every_query_case_is_answered() {
    let cases = edn::read(CASES).expect("the cases are EDN");
    let (mut run, mut failures) = (0, Vec::new());
    for case in items(Some(&cases)) {
        let case = case.as_map().expect("a case is a map");
        let name = get(case, "name").and_then(Value::as_str).expect("a name");
        let stage =
            get(case, "expect").and_then(Value::as_map).and_then(|map| map.get(&Value::keyword("stage")));
        let other_stage = stage.is_some_and(|stage| *stage != Value::keyword("query"));
        let writes =
            ["schema-update", "failing-tx", "tx-after", "opts"].iter().any(|key| get(case, key).is_some());
        let different = DIFFERENT.iter().any(|(other, _)| *other == name);
        let search = SEARCH.iter().any(|prefix| name.starts_with(prefix));
        if get(case, "query").is_none() || other_stage || writes || different || search {
            continue;
        }
        run += 1;
        if let Err(problem) = check(case) {
            failures.push(format!("{name}: {problem}"));
        }
    }
    assert!(run > 200, "only {run} cases ran");
    assert!(failures.is_empty(), "{} of {run} cases fail:\n{}", failures.len(), failures.join("\n"));
}
