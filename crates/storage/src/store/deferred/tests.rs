//! A store with a write-ahead log against one in memory: the same history, with whatever makes tables catch up in
//! between, files that are opened again, and copies of the files of any moment.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use edn::Value;
use kv::{DbiFlags, Durability, EnvOptions, Read};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::datom::Index;
use crate::db::Db;
use crate::encode::encode;
use crate::error::Error;
use crate::ids::EntityId;
use crate::schema::SchemaPatch;
use crate::store::tests::cases;
use crate::store::{BulkLoader, Store, StoreOptions};
use crate::transact::{TransactErrorKind, TxFunctions};

const SCHEMA: &str = "{:name {:db/cardinality :db.cardinality/many}
                       :title {}
                       :key {:db/unique :db.unique/identity}
                       :secret {:db/noindex true :db/cardinality :db.cardinality/many}
                       :friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
                       :title+key {:db/tupleAttrs [:title :key]}}";

fn patch(text: &str) -> SchemaPatch {
    SchemaPatch::from_value(&edn::read(text).expect("EDN")).expect("a schema")
}

fn wal() -> StoreOptions {
    durable(Durability::Wal)
}

fn durable(durability: Durability) -> StoreOptions {
    StoreOptions::new().env(EnvOptions::new().durability(durability))
}

#[derive(Clone, Debug)]
enum Op {
    Transact(Vec<String>),
    /// In one commit, or for nothing.
    Several(Vec<Vec<String>>, bool),
    /// Together with a user table.
    WithTable(Vec<String>),
    Schema(&'static str),
    Load(Vec<(u64, u8)>),
    Clear,
    Settle,
    Durability(Durability),
    Reopen,
    /// What a copy of the files is worth.
    Copy,
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..5u8).prop_map(|n| n.to_string()),
        4 => "[a-c]{0,2}".prop_map(|text| format!("{text:?}")),
        2 => (prop_oneof![Just(460usize), Just(479), Just(480), Just(700)], "[ab]")
            .prop_map(|(len, end)| format!("{:?}", "a".repeat(len) + &end)),
    ]
}

fn form() -> impl Strategy<Value = String> {
    let entity = 1u64..9;
    let attribute = prop_oneof![
        4 => Just(":name"), 3 => Just(":title"), 1 => Just(":key"), 2 => Just(":secret"), 1 => Just(":free")
    ];
    prop_oneof![
        8 => (entity.clone(), attribute.clone(), value()).prop_map(|(e, a, v)| format!("[:db/add {e} {a} {v}]")),
        5 => (entity.clone(), attribute, value()).prop_map(|(e, a, v)| format!("[:db/retract {e} {a} {v}]")),
        1 => (entity.clone(), entity.clone()).prop_map(|(e, f)| format!("[:db/add {e} :friend {f}]")),
        1 => entity.clone().prop_map(|e| format!("[:db/retractEntity {e}]")),
        1 => (value(), value()).prop_map(|(k, v)| format!("{{:key {k} :title {v}}}")),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let schemas = [
        "{:secret {:db/noindex :db/retract}}",
        "{:secret {:db/noindex true}}",
        "{:later {:db/index true}}",
        "{:name {:db/doc \"what it is called\"}}",
    ];
    let forms = || vec(form(), 1..5);
    prop_oneof![
        14 => forms().prop_map(Op::Transact),
        3 => (vec(forms(), 1..4), any::<bool>()).prop_map(|(all, kept)| Op::Several(all, kept)),
        1 => forms().prop_map(Op::WithTable),
        1 => (0..schemas.len()).prop_map(move |at| Op::Schema(schemas[at])),
        1 => vec((1u64..30, 0..5u8), 1..5).prop_map(Op::Load),
        1 => Just(Op::Clear),
        2 => Just(Op::Settle),
        1 => prop_oneof![Just(Durability::Wal), Just(Durability::WalLater), Just(Durability::Full)]
            .prop_map(Op::Durability),
        2 => Just(Op::Reopen),
        2 => Just(Op::Copy),
    ]
}

fn data(forms: &[String]) -> Value {
    edn::read(&format!("[{}]", forms.join(" "))).expect("EDN")
}

/// Everything there is to see.
fn shown(db: &Db) -> String {
    let schema = db.schema();
    let mut text = format!("{} {} {}\n", db.max_eid().0, db.basis_tx(), schema.to_value());
    for index in [Index::Eav, Index::Ave] {
        for datom in db.datoms(index, &[]).expect("readable") {
            let datom = datom.expect("readable");
            let name = &schema.by_id(datom.a).expect("declared").ident;
            text += &format!("{} {name} {}\n", datom.e.0, datom.v);
        }
    }
    for attribute in schema.iter() {
        let datoms = db.count(None, Some(attribute.id), None).expect("readable");
        let values = db.cardinality(attribute.id).unwrap_or(0);
        text += &format!("{} {datoms} {values}\n", attribute.ident);
    }
    text
}

fn check(db: &Db) {
    let report = db.check().expect("readable");
    assert!(report.is_sound(), "{:?}", report.problems);
}

/// What somebody finds who has the files as they are now.
fn check_copy(store: &Store, dir: &Path, expected: &str) {
    let copy = tempfile::tempdir().expect("a directory");
    {
        // So that nothing is carried out meanwhile.
        let _turn = store.env().expect("a file").turn().expect("free");
        for name in ["data.mdb", "log.mdb"].into_iter().filter(|name| dir.join(name).exists()) {
            fs::copy(dir.join(name), copy.path().join(name)).expect("copies");
        }
    }
    let store = StoreOptions::new().open(copy.path()).expect("recovers");
    let db = store.db().expect("readable");
    check(&db);
    assert_eq!(shown(&db), expected);
}

fn run(ops: &[Op]) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = wal().schema(patch(SCHEMA)).open(dir.path()).expect("opens");
    let twin = StoreOptions::new().schema(patch(SCHEMA)).memory().expect("opens");
    let functions = TxFunctions::new();
    let both = |store: &Store, f: &dyn Fn(&Store) -> bool| assert_eq!(f(store), f(&twin));
    let mut durability = Durability::Wal;
    let mut users = 0u64;
    for op in ops {
        let before = store.db().expect("readable");
        let shown_before = shown(&before);
        match op {
            Op::Transact(forms) => {
                both(&store, &|store| store.transact(&data(forms), Value::Nil, &functions).is_ok());
            }
            Op::Several(all, kept) => both(&store, &|store| {
                let mut writer = store.write().expect("free");
                let made = all
                    .iter()
                    .filter(|forms| writer.transact(&data(forms), Value::Nil, &functions).is_ok())
                    .count();
                if *kept {
                    let staged = shown(writer.db());
                    let db = writer.commit().expect("commits");
                    assert_eq!(shown(&db), staged);
                }
                made > 0
            }),
            Op::WithTable(forms) => {
                let env = store.env().expect("a file");
                let table = env.open_dbi("users", DbiFlags::empty()).expect("opens");
                both(&store, &|store| {
                    let mut writer = store.write().expect("free");
                    let put = |txn: &mut kv::WriteTxn<'_>| txn.put(&table, b"n", &(users + 1).to_be_bytes());
                    if let Some(put) = writer.with_txn(put).expect("begins") {
                        put.expect("writes");
                    }
                    let made = writer.transact(&data(forms), Value::Nil, &functions).is_ok();
                    writer.commit().expect("commits");
                    made
                });
                users += 1;
                let read = env.read().expect("readable");
                assert_eq!(read.get(&table, b"n").expect("readable"), Some(&users.to_be_bytes()[..]));
            }
            Op::Schema(text) => both(&store, &|store| store.update_schema(&patch(text)).is_ok()),
            Op::Load(rows) => both(&store, &|store| {
                let db = store.db().expect("readable");
                let mut loader = BulkLoader::new(db.schema());
                let name = db.schema().attribute(&":name".into());
                // Clearing takes the schema away, too.
                let Some(name) = name.filter(|name| name.is_many()).map(|name| name.id) else { return false };
                for (e, n) in rows {
                    loader.add(EntityId(*e), name, &encode(&i64::from(*n).into())).expect("fits");
                }
                store.bulk_load(loader).is_ok()
            }),
            Op::Clear => both(&store, &|store| store.clear().is_ok()),
            Op::Settle => {
                store.settle().expect("carried out");
                check(&store.db().expect("readable"));
            }
            Op::Durability(next) => {
                store.env().expect("a file").set_durability(*next).expect("changes");
                durability = *next;
            }
            Op::Reopen => {
                drop((before, store));
                assert!(!dir.path().join("log.mdb").exists(), "everything is in the data file");
                store = durable(durability).open(dir.path()).expect("opens");
                check(&store.db().expect("readable"));
                assert_eq!(shown(&store.db().expect("readable")), shown_before);
                continue;
            }
            Op::Copy => check_copy(&store, dir.path(), &shown_before),
        }
        // An old value still shows the old state.
        assert_eq!(shown(&before), shown_before);
        let db = store.db().expect("readable");
        check(&db);
        assert_eq!(shown(&db), shown(&twin.db().expect("readable")), "{op:?}");
    }
    let expected = shown(&store.db().expect("readable"));
    check_copy(&store, dir.path(), &expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases().cases.div_ceil(4), ..cases() })]

    #[test]
    fn what_the_log_has_shows_as_if_the_tables_had_it(ops in vec(op(), 1..30)) {
        run(&ops);
    }
}

fn add(store: &Store, forms: &str) -> Db {
    let report = store.transact(&edn::read(forms).expect("EDN"), Value::Nil, &TxFunctions::new());
    report.expect("commits").db_after
}

fn deferred(store: &Store) -> usize {
    store.env().expect("a file").log_info().expect("a log").deferred
}

#[test]
fn small_transactions_are_deferred_and_carried_out_soon() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = wal().schema(patch(SCHEMA)).open(dir.path()).expect("opens");
    let turn = store.env().expect("a file").turn().expect("free");
    drop(turn);
    let db = add(&store, "[[:db/add 1 :name \"a\"]]");
    assert_eq!(deferred(&store), 1);
    // Another handle on the same file sees it; a reader goes with it.
    let other = wal().open(dir.path()).expect("the same");
    assert_eq!(shown(&other.db().expect("readable")), shown(&db));
    drop(db);
    let deadline = Instant::now() + Duration::from_secs(10);
    while deferred(&store) > 0 || !store.env().expect("a file").readers().expect("readable").is_empty() {
        assert!(Instant::now() < deadline, "still not in the tables");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(other.db().expect("readable").count(None, None, None).expect("readable"), 1);
    // The schema is the tables' own.
    add(&store, "[[:db/add 1 :never-seen 1]]");
    assert_eq!(deferred(&store), 0);
    // So are large transactions, with what was deferred before.
    add(&store, "[[:db/add 1 :name \"b\"]]");
    assert_eq!(deferred(&store), 1);
    let many: Vec<String> = (0..9_000).map(|n| format!("[:db/add {} :name {n}]", n % 50 + 1)).collect();
    add(&store, &format!("[{}]", many.join(" ")));
    assert_eq!(deferred(&store), 0);
    check(&store.db().expect("readable"));
}

#[test]
fn closing_does_not_wait_for_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = wal().schema(patch(SCHEMA)).open(dir.path()).expect("opens");
    add(&store, "[[:db/add 1 :name \"a\"]]");
    let env = store.env().expect("a file").clone();
    let txn = env.write().expect("free");
    // Meanwhile the thread that carries out waits for the turn.
    std::thread::sleep(Duration::from_millis(80));
    drop(store);
    drop(txn);
    let store = wal().open(dir.path()).expect("opens");
    assert_eq!(deferred(&store), 0);
    assert_eq!(store.db().expect("readable").count(None, None, None).expect("readable"), 1);
}

#[test]
fn nothing_is_deferred_without_a_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = StoreOptions::new().schema(patch(SCHEMA)).open(dir.path()).expect("opens");
    let db = add(&store, "[[:db/add 1 :name \"a\"]]");
    assert!(db.overlay.is_empty());
    assert_eq!(store.env().expect("a file").carried_out(), 0);
}

#[test]
fn a_full_map_refuses_and_keeps_what_was_promised() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = || {
        let env = EnvOptions::new().map_size(12 << 20).durability(Durability::WalLater);
        StoreOptions::new().env(env).schema(patch(SCHEMA)).open(dir.path()).expect("opens")
    };
    let store = open();
    let mut made = 0u64;
    let refused = loop {
        let form = format!("[[:db/add {} :name {:?}]]", made + 1, format!("{made:0900}"));
        match store.transact(&edn::read(&form).expect("EDN"), Value::Nil, &TxFunctions::new()) {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    let is_full = |kind: &TransactErrorKind| {
        matches!(kind, TransactErrorKind::Storage(Error::Kv(kv::Error::MapFull { .. })))
    };
    assert!(is_full(refused.kind()), "{refused}");
    assert!(made > 1_000, "{made}");
    assert_eq!(store.db().expect("readable").count(None, None, None).expect("readable"), made);
    drop(store);
    let store = open();
    let db = store.db().expect("readable");
    check(&db);
    assert_eq!(db.count(None, None, None).expect("readable"), made);
}
