//! How quick staging is; run with `cargo test --release -p factum-storage --test transact speed -- --ignored --nocapture`.

use std::time::Duration;

use edn::Value;
use factum_storage::transact::{EntityBuilder, Tx, TxData, TxFunctions, transact};
use factum_storage::{Db, StoreOptions};

use crate::support::*;

const SCHEMA: &str = "{:id {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :name {:db/valueType :db.type/string}
                       :age {:db/valueType :db.type/long}
                       :size {:db/valueType :db.type/double}
                       :kind {:db/valueType :db.type/keyword}
                       :friend {:db/valueType :db.type/ref}}";

fn entity(n: i64) -> EntityBuilder {
    let entity = EntityBuilder::new()
        .set(":name", format!("person number {n}"))
        .set(":age", n % 100)
        .set(":size", n as f64 / 7.0)
        .set(":kind", Value::keyword([":a", ":b", ":c"][n as usize % 3]));
    if n > 0 { entity.set(":friend", (n * 7919) % n + 1) } else { entity.set(":friend", 1) }
}

/// The processor time of this thread, which a busy machine does not falsify.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(stat.split(' ').next().and_then(|time| time.parse().ok()).expect("a number"))
}

fn time<'a>(name: &str, db: &Db, data: impl Into<TxData<'a>>) -> Db {
    let data = data.into();
    let mut best = f64::MAX;
    let mut after = None;
    for _ in 0..3 {
        let start = processor_time();
        let report = transact(db, data, Value::Nil, &TxFunctions::new()).expect("valid");
        let seconds = (processor_time() - start).as_secs_f64();
        best = best.min(seconds);
        println!(
            "{name:40} {:>9} datoms {:>8.1} ms {:>9.0} datoms/s",
            report.tx_data.len(),
            seconds * 1e3,
            report.tx_data.len() as f64 / seconds
        );
        after = Some(report.db_after);
    }
    after.expect("three runs")
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let count = std::env::var("COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(200_000_i64);
    let db = empty(SCHEMA);
    let tx: Tx = (0..count).map(entity).collect();
    time("builder, no identity", &db, &tx);
    let values = Value::Vector(
        (0..count).map(|n| factum_storage::transact::TxValue::Entity(entity(n)).to_value()).collect(),
    );
    time("values, no identity", &db, &values);
    let tx: Tx = (0..count).map(|n| entity(n).set(":id", format!("id-{n}"))).collect();
    let full = time("builder, new identities", &db, &tx);
    time("the same again", &full, &tx);
    let tx: Tx =
        (0..count).map(|n| EntityBuilder::new().set(":id", format!("id-{n}")).set(":age", -n)).collect();
    time("upserts that replace one value", &full, &tx);
    let start = processor_time();
    let mut one = full.clone();
    for n in 0..10_000 {
        let tx = Tx::new().add(n + 1, ":age", n);
        one = transact(&one, &tx, Value::Nil, &TxFunctions::new()).expect("valid").db_after;
    }
    println!("single adds: {:.2} us each", (processor_time() - start).as_secs_f64() * 1e6 / 10_000.0);
    let dir = tempfile::tempdir().expect("a directory");
    let schema = factum_storage::SchemaPatch::from_value(&read(SCHEMA)).expect("valid");
    let store = StoreOptions::new().schema(schema).open(dir.path()).expect("opens");
    let tx: Tx = (0..count).map(|n| entity(n).set(":id", format!("id-{n}"))).collect();
    let start = processor_time();
    let report = store.transact(&tx, Value::Nil, &TxFunctions::new()).expect("valid");
    let seconds = (processor_time() - start).as_secs_f64();
    println!("durable, with commit: {:.0} datoms/s", report.tx_data.len() as f64 / seconds);
    let stored = store.db().expect("readable");
    time("on a file: the same again", &stored, &tx);
    let tx: Tx =
        (0..count).map(|n| EntityBuilder::new().set(":id", format!("id-{n}")).set(":age", -n)).collect();
    time("on a file: upserts that replace a value", &stored, &tx);
    let tx: Tx = (0..count).map(|n| entity(n).set(":id", format!("new-{n}"))).collect();
    time("on a file: new identities", &stored, &tx);
}

/// Many small transactions on a database in memory.
#[test]
#[ignore = "a measurement"]
fn speed_of_small_transactions() {
    let tx: Tx = (0..200_000).map(|n| entity(n).set(":id", format!("id-{n}"))).collect();
    let mut db = empty(SCHEMA).db_with(&tx).expect("valid");
    for (name, tx) in [
        ("one add", Box::new(|n: i64| Tx::new().add(n % 200_000 + 1, ":age", n)) as Box<dyn Fn(i64) -> Tx>),
        ("one new entity", Box::new(|n| Tx::new().entity(entity(n).set(":id", format!("new-{n}"))))),
        (
            "one upsert",
            Box::new(|n| {
                Tx::new().entity(EntityBuilder::new().set(":id", format!("id-{n}")).set(":age", -n))
            }),
        ),
    ] {
        let start = processor_time();
        for n in 0..100_000 {
            db = transact(&db, &tx(n * 7919 % 200_000), Value::Nil, &TxFunctions::new())
                .expect("valid")
                .db_after;
        }
        println!("{name:20} {:.2} us", (processor_time() - start).as_secs_f64() * 1e6 / 100_000.0);
    }
}
