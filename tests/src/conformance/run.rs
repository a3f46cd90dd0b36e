//! Runs a case through the public API, in memory or on disk.

use std::collections::BTreeMap;

use edn::Value;
use factum::{Connection, Db, Error, Index, Input, Options, SchemaInput, inputs};
use storage::transact::{Tx, TxFunctions};

use super::case::{Case, Expect};

/// Where the case's databases live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory: overlays only.
    Memory,
    /// In files, committed by every transaction.
    Disk,
}

/// An error and the stage at which it came.
struct Failure {
    stage: &'static str,
    error: Error,
}

trait At<T> {
    fn at(self, stage: &'static str) -> Result<T, Failure>;
}

impl<T> At<T> for Result<T, Error> {
    fn at(self, stage: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure { stage, error })
    }
}

/// What is wrong with our behaviour in this case, if anything.
pub fn check(case: &Case, place: Place) -> Result<(), String> {
    match (case.expect(), answer(case, place)) {
        (Expect::Error { stage, class, code }, Err(failure)) => {
            let actual_code = failure.error.code();
            let code_agrees = code.is_none_or(|code| actual_code.trim_start_matches(':') == code);
            match failure.stage == stage && failure.error.class() == class && code_agrees {
                true => Ok(()),
                false => Err(format!(
                    "expected {class} at {stage}, got {} ({actual_code}) at {}: {}",
                    failure.error.class(),
                    failure.stage,
                    failure.error
                )),
            }
        }
        (expect, Ok(value)) => expect.judge(&value),
        (_, Err(failure)) => Err(format!("failed at {}: {}", failure.stage, failure.error.render())),
    }
}

/// A database, with the directory that it may live in.
struct Opened {
    connection: Connection,
    _dir: Option<tempfile::TempDir>,
}

fn open(place: Place, schema: Option<&Value>, opts: Option<&Value>) -> Result<Opened, Failure> {
    let options = match opts {
        Some(opts) => Options::from_value(opts).at("schema")?,
        None => Options::new(),
    };
    let options = match schema {
        Some(schema) => options.schema(schema.clone()),
        None => options,
    };
    let options = options.tx_functions(registered());
    match place {
        Place::Memory => {
            Ok(Opened { connection: Connection::memory_with(options).at("schema")?, _dir: None })
        }
        Place::Disk => {
            let dir = tempfile::tempdir().expect("temporary directory");
            // What conformance asks about is not durability: thousands of syncs would only cost time.
            let options = options.durability(factum::Durability::None);
            let connection = Connection::open_with(dir.path().join("db"), options).at("schema")?;
            Ok(Opened { connection, _dir: Some(dir) })
        }
    }
}

/// The functions that cases with `:registered` call.
fn registered() -> TxFunctions {
    let number = |value: Option<&Value>| value.and_then(Value::as_int).ok_or("a number is expected");
    TxFunctions::new()
        .function("tests/older", move |db, args| {
            let entity = factum::EntityId(number(args.first())? as u64);
            let age = db.schema().attribute(&"age".into()).ok_or("no attribute :age")?.id;
            let values = db.values(entity, age)?;
            let value = values.first().map(storage::EncodedValue::decode).transpose()?;
            Ok(Tx::new().add(entity, ":age", number(value.as_ref())? + 1))
        })
        .check("tests/of-age?", move |db, args| {
            let entity = factum::EntityId(number(args.first())? as u64);
            let age = db.schema().attribute(&"age".into()).ok_or("no attribute :age")?.id;
            let values = db.values(entity, age)?;
            let value = values.first().map(storage::EncodedValue::decode).transpose()?;
            Ok(number(value.as_ref())? >= number(args.get(1))?)
        })
        .predicate("tests/short?", |value| value.as_str().is_some_and(|text| text.len() < 5))
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_sequence).unwrap_or_default()
}

fn answer(case: &Case, place: Place) -> Result<Value, Failure> {
    let opened = open(place, case.get("schema"), case.get("opts"))?;
    let connection = &opened.connection;
    let meta = case.get("tx-meta").cloned().unwrap_or_default();
    let mut report = None;
    for data in list(case.get("tx")) {
        report = Some(connection.transact_with(data, meta.clone()).at("tx")?);
    }
    if let Some(data) = case.get("failing-tx") {
        assert!(connection.transact(data).is_err(), "{}: the failing transaction must fail", case.name);
    }
    if let Some(update) = case.get("schema-update") {
        let part = |index| list(Some(update)).get(index).cloned().unwrap_or_default();
        let patch = factum::SchemaPatch::from_values(&part(0), &part(1), &part(2));
        let patch =
            patch.map_err(|error| factum::Error::from(storage::Error::from(error))).at("schema-update")?;
        connection.update_schema(SchemaInput::from(patch)).at("schema-update")?;
    }
    for data in list(case.get("tx-after")) {
        report = Some(connection.transact(data).at("tx")?);
    }
    let db = connection.db().at("op")?;
    if let Some(op) = case.get("op") {
        return operate(&db, report.as_ref(), op).at("op");
    }
    let mut others = BTreeMap::new();
    if let Some(dbs) = case.get("dbs").and_then(Value::as_map) {
        for (name, other) in dbs {
            let other = Case::part(other);
            let opened = open(place, other.get("schema"), None)?;
            for data in list(other.get("tx")) {
                opened.connection.transact(data).at("tx")?;
            }
            others.insert(name.to_string(), opened);
        }
    }
    let query = case.get("query").expect("a case has a query or an operation");
    let inputs = query_inputs(case, &db, &others)?;
    Ok(factum::query(query.to_string(), inputs).at("query")?.to_value())
}

fn query_inputs(case: &Case, db: &Db, others: &BTreeMap<String, Opened>) -> Result<Vec<Input>, Failure> {
    let Some(given) = case.get("inputs") else {
        let has_database = case.get("schema").is_some() || case.get("tx").is_some();
        return Ok(if has_database { inputs![db] } else { inputs![] });
    };
    list(Some(given))
        .iter()
        .map(|input| match input.as_symbol().map(edn::Symbol::as_str) {
            Some("$") => Ok(Input::from(db)),
            Some("%") => Ok(Input::from(case.get("rules").expect("rules"))),
            Some(name) if others.contains_key(name) => {
                Ok(Input::from(&others[name].connection.db().at("query")?))
            }
            _ => Ok(Input::from(input)),
        })
        .collect()
}

fn operate(db: &Db, report: Option<&factum::TxReport>, op: &Value) -> Result<Value, Error> {
    let parts = list(Some(op));
    let (name, args) = (parts[0].as_keyword().expect("an operation").name(), &parts[1..]);
    let optional = |value: Option<Value>| value.unwrap_or_default();
    let datoms = |datoms: factum::Datoms<'_>| -> Result<Value, Error> {
        let rows: Result<Vec<_>, _> = datoms.map(|datom| datom.map(|datom| row(db, &datom, false))).collect();
        Ok(Value::Vector(rows.map_err(Error::from)?))
    };
    let index = || Index::from_name(args[0].as_keyword().expect("an index").name()).map_err(Error::from);
    match name {
        "pull" => Ok(optional(db.pull(args[0].to_string().as_str(), &args[1])?)),
        "pull-many" => {
            let entities = list(Some(&args[1])).iter();
            let pulled: Result<Vec<_>, _> =
                entities.map(|entity| db.pull(args[0].to_string().as_str(), entity).map(optional)).collect();
            Ok(Value::Vector(pulled?))
        }
        "datoms" => {
            let index = index()?;
            let (components, limit) = match args.len() {
                5 => (&args[1..4], args[4].as_int()),
                _ => (&args[1..], None),
            };
            let all = datoms(db.datoms(index, components)?)?;
            let rows = list(Some(&all));
            Ok(Value::Vector(rows[..limit.map_or(rows.len(), |n| rows.len().min(n as usize))].to_vec()))
        }
        "seek" => datoms(db.seek_datoms(index()?, &args[1..])?),
        "rseek" => datoms(db.rseek_datoms(index()?, &args[1..])?),
        "index-range" => {
            let attribute = args[0].as_keyword().expect("an attribute").clone();
            datoms(db.index_range(attribute, &args[1], &args[2])?)
        }
        "count" => {
            let entity = match &args[0] {
                Value::Nil => None,
                entity => db.entid(entity)?,
            };
            let value = Some(&args[2]).filter(|value| !value.is_nil());
            Ok(Value::Int(db.count(entity, args[1].as_keyword().cloned(), value)? as i64))
        }
        "cardinality" => {
            Ok(Value::Int(db.cardinality(args[0].as_keyword().expect("an attribute").clone())? as i64))
        }
        "entid" => Ok(optional(db.entid(&args[0])?.map(|entity| Value::Int(entity.0 as i64)))),
        "entity" => entity_path(db, &args[0], &args[1..]),
        "report" => {
            Ok(report_part(report.expect("a transaction"), args[0].as_keyword().expect("a key").name()))
        }
        "simulate" => {
            let report = db.with(&args[0])?;
            let rows = report.tx_data().iter().map(|datom| row(&report.db_after(), datom, true)).collect();
            let after = db.query(args[1].to_string())?.to_value();
            Ok(Value::Map(BTreeMap::from([
                (Value::keyword("tx-data"), Value::Vector(rows)),
                (Value::keyword("after"), after),
            ])))
        }
        other => panic!("unknown operation {other}"),
    }
}

fn entity_path(db: &Db, start: &Value, path: &[Value]) -> Result<Value, Error> {
    let Some(mut entity) = db.entity(start)? else { return Ok(Value::Nil) };
    for (position, step) in path.iter().enumerate() {
        let Some(value) =
            entity.get(step.as_keyword().expect("an attribute").clone()).map_err(Error::from)?
        else {
            return Ok(Value::Nil);
        };
        if position + 1 == path.len() {
            return Ok(value.to_value());
        }
        entity = value.into_entity().expect("a reference");
    }
    Ok(Value::Int(entity.id().0 as i64))
}

fn row(db: &Db, datom: &factum::Datom, flag: bool) -> Value {
    let attribute = db.schema().by_id(datom.a).map_or(Value::Nil, |attribute| attribute.ident.clone().into());
    let mut items = vec![Value::Int(datom.e.0 as i64), attribute, datom.v.clone()];
    items.extend(flag.then_some(Value::Bool(datom.added)));
    Value::Vector(items)
}

fn report_part(report: &factum::TxReport, key: &str) -> Value {
    match key {
        "tx-data" => {
            Value::Vector(report.tx_data().iter().map(|datom| row(&report.db_after(), datom, true)).collect())
        }
        "tx-meta" => report.tx_meta().clone(),
        "new-attributes" => Value::Vector(report.new_attributes().iter().cloned().map(Value::from).collect()),
        "tempids" => {
            let number = |id: u64| match id >= storage::TX_BASE {
                // Datalevin's first transaction of a user is number 2, in the space of entity ids.
                true => (id - storage::TX_BASE) as i64 + 1,
                false => id as i64,
            };
            let entries = report.tempids().iter();
            Value::Map(
                entries.map(|(tempid, entity)| (tempid.clone(), Value::Int(number(entity.0)))).collect(),
            )
        }
        other => panic!("unknown part of a report: {other}"),
    }
}
