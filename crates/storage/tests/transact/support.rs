//! Short spellings for tests: schemas, transactions and facts as EDN text.

use edn::Value;
use factum_storage::transact::{TransactError, TxFunctions, TxReport, transact_at};
use factum_storage::{Datom, Db, DbOptions, Index, Schema};

/// The time of every test transaction.
pub const NOW: i64 = 1_700_000_000_000;

pub fn read(text: &str) -> Value {
    edn::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub fn empty(schema: &str) -> Db {
    with_options(schema, DbOptions::default())
}

pub fn with_options(schema: &str, options: DbOptions) -> Db {
    Db::empty(Schema::from_value(&read(schema)).unwrap_or_else(|error| panic!("{error}")), options)
}

pub fn try_tx_with(db: &Db, data: &str, functions: &TxFunctions) -> Result<TxReport, TransactError> {
    let form = edn::read_form(data).unwrap_or_else(|error| panic!("{data}: {error}"));
    let report = transact_at(db, &form, Value::Nil, functions, NOW);
    // The same data without spans must do the same.
    let plain = transact_at(db, &form.to_value(), Value::Nil, functions, NOW);
    match (&report, &plain) {
        // Maps of values are sorted, so only what does not depend on the order of their entries is compared.
        (Ok(_), Ok(_)) => {}
        (Err(one), Err(other)) => assert_eq!(one.class(), other.class(), "{data}"),
        (one, other) => panic!("{data}: {one:?} as a form, {other:?} as a value"),
    }
    report
}

pub fn try_tx(db: &Db, data: &str) -> Result<TxReport, TransactError> {
    try_tx_with(db, data, &TxFunctions::new())
}

pub fn tx(db: &Db, data: &str) -> TxReport {
    try_tx(db, data).unwrap_or_else(|error| panic!("{data}: {error}"))
}

/// Applies transactions one after another.
pub fn after(schema: &str, txs: &[&str]) -> Db {
    txs.iter().fold(empty(schema), |db, data| tx(&db, data).db_after)
}

/// The error of a transaction, which must leave no trace.
pub fn error(db: &Db, data: &str) -> TransactError {
    let before = facts(db);
    let error = match try_tx(db, data) {
        Err(error) => error,
        Ok(report) => panic!("{data} passed: {report:?}"),
    };
    assert_eq!(facts(db), before, "{data} left a trace");
    error
}

pub fn name_of(db: &Db, datom: &Datom) -> String {
    db.schema().by_id(datom.a).expect("stored attributes are in the schema").ident.to_string()
}

/// Every fact, such as `1 :n "A"`, sorted as text; also checks that the indexes and the counts agree.
pub fn facts(db: &Db) -> Vec<String> {
    let by_entity: Vec<Datom> =
        db.datoms(Index::Eav, &[]).expect("readable").map(|datom| datom.expect("readable")).collect();
    let mut sorted: Vec<_> = by_entity.iter().map(|datom| (datom.a, datom.v.clone(), datom.e)).collect();
    sorted.sort();
    let is_indexed = |datom: &Datom| !db.schema().by_id(datom.a).expect("in the schema").no_index;
    if by_entity.iter().all(is_indexed) {
        let by_value = db.datoms(Index::Ave, &[]).expect("readable");
        let by_value: Vec<_> = by_value.map(|d| d.expect("readable")).map(|d| (d.a, d.v, d.e)).collect();
        assert_eq!(by_value, sorted, "the indexes disagree");
    }
    let count = db.count(None, None, None).expect("readable");
    assert_eq!(count, by_entity.len() as u64, "the count is wrong");
    let show = |datom: &Datom| format!("{} {} {}", datom.e, name_of(db, datom), datom.v);
    let mut facts: Vec<String> = by_entity.iter().map(show).collect();
    facts.sort();
    facts
}

/// What a report lists, such as `-1 :n "A"` for a retraction.
pub fn effects(report: &TxReport) -> Vec<String> {
    let sign = |datom: &Datom| if datom.added { '+' } else { '-' };
    let show = |d: &Datom| format!("{}{} {} {}", sign(d), d.e, name_of(&report.db_after, d), d.v);
    report.tx_data.iter().map(show).collect()
}

/// Applies transactions to an empty database and compares all facts.
#[track_caller]
pub fn check(schema: &str, txs: &[&str], expected: &[&str]) -> Db {
    let db = after(schema, txs);
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(facts(&db), expected, "{txs:?}");
    db
}
