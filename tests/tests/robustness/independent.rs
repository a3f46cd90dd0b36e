//! Readers that know nothing of this project: LMDB's programs and heed read a database that was built from its pages up, and heed
//! writes on in it.
//!
//! ```text
//! entities --EntityLoader::build--> data.mdb --+ counted user table (kv) --> mdb_stat -a, mdb_dump -a, heed --same?--> facts
//!                                                                            heed writes --> check, facts
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use factum::kv::DbiOptions;
use factum::kv::codec::{Long, Str};
use factum::storage::{Db as StorageDb, DbOptions, EntityLoader, Schema, StoreOptions};
use factum::{Connection, Datom, EntityBuilder, Index, Options, edn};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseFlags, Env, WithoutTls};
use lmdb_pages::TableFlags;

const SCHEMA: &str = "{:n {:db/valueType :db.type/long :db/unique :db.unique/identity}
    :kind {:db/valueType :db.type/keyword}
    :to {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    :tag {:db/cardinality :db.cardinality/many}
    :text {:db/valueType :db.type/string}
    :n+kind {:db/tupleAttrs [:n :kind]}}";

/// How the index by entity is sorted.
const EAV: TableFlags = TableFlags::DUP_SORT.union(TableFlags::INTEGER_KEY);
/// How the index by value is sorted.
const AVE: TableFlags = TableFlags::DUP_SORT.union(TableFlags::DUP_FIXED).union(TableFlags::INTEGER_DUP);

/// A built database with every kind of page: leaves below branches, sub-pages, sub-trees of facts and of packed
/// entities, overflow pages for long values; and a counted user table that was put into it afterwards.
fn build(dir: &Path) -> Vec<Datom> {
    let schema = Schema::from_value(&edn::read(SCHEMA).expect("EDN")).expect("a schema");
    let mut loader = EntityLoader::new(StorageDb::empty(schema, DbOptions::default()));
    let entities: Vec<EntityBuilder> = (0..6000i64)
        .map(|n| {
            let text = "long ".repeat(if n % 500 == 0 { 3000 } else { n as usize % 30 });
            let tags = if n % 1000 == 7 { 400 } else { n % 3 };
            EntityBuilder::new()
                .set(":n", n)
                .set(":kind", edn::Keyword::from(format!(":k{}", n % 3).as_str()))
                .set_all(":to", [n % 7 + 1, n / 2 + 1])
                .set_all(":tag", (0..tags).map(|tag| format!("tag {tag}")))
                .set(":text", format!("{text}{n}"))
        })
        .collect();
    loader.add(&entities).expect("fits");
    let (store, _) = loader.build(StoreOptions::new(), dir).expect("builds");
    drop(store);
    let conn = Connection::open(dir).expect("opens");
    let store = conn.store().expect("open");
    let env = store.env().expect("a file");
    let options = DbiOptions::new().counted(true);
    let counted = env.open_table_with("counted", options, Str, Long).expect("a table");
    let mut txn = env.write().expect("the writer's turn");
    for n in 0..2000 {
        counted.put(&mut txn, &format!("key {n}"), n).expect("put");
    }
    txn.commit().expect("commits");
    let facts = facts(&conn);
    drop(store);
    conn.close().expect("open");
    facts
}

fn facts(conn: &Connection) -> Vec<Datom> {
    let db = conn.db().expect("a database");
    let datoms = db.datoms(Index::Eav, &[]).expect("an index");
    datoms.collect::<Result<_, _>>().expect("readable")
}

type Raw = Database<'static, Bytes, Bytes>;

fn table(env: &Env<WithoutTls>, name: &str, flags: TableFlags) -> Raw {
    let flags = DatabaseFlags::from_bits_retain(flags.bits().into());
    let txn = env.write_txn().expect("a transaction");
    env.create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
        let mut options = opener.database_options().types::<Bytes, Bytes>();
        options.flags(flags).name(name).create(txn).map(CommitOrAbort::<_, ()>::Commit)
    })
    .expect("a table")
    .unwrap_commit()
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn pairs(env: &Env<WithoutTls>, table: Raw) -> Pairs {
    let txn = env.read_txn().expect("a transaction");
    let rows = table.iter(&txn).expect("readable").map(|row| row.expect("a row"));
    rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Whether LMDB's programs are there; `.ci/run` says so if they must be.
fn has_lmdb_utils() -> bool {
    let is_there = ["mdb_stat", "mdb_dump"].iter().all(|name| Command::new(name).arg("-V").output().is_ok());
    let is_demanded = std::env::var_os("FACTUM_LMDB_UTILS").is_some();
    assert!(is_there || !is_demanded, "FACTUM_LMDB_UTILS is set, but mdb_stat and mdb_dump are not there");
    if !is_there {
        eprintln!("skipped: mdb_stat and mdb_dump (Debian's lmdb-utils) are not installed");
    }
    is_there
}

fn run(program: &str, arguments: &[&str], dir: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(dir).output().expect("it is installed");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The pairs of each table in the output of `mdb_dump -a`.
fn dumped(text: &str) -> BTreeMap<String, Pairs> {
    let bytes = |line: &str| -> Vec<u8> {
        let digits = line.trim().as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits"))
            .collect()
    };
    let mut tables = BTreeMap::new();
    for part in text.split("DATA=END\n").filter(|part| !part.trim().is_empty()) {
        let (header, data) = part.split_once("HEADER=END\n").expect("a header");
        let name = header.lines().find_map(|line| line.strip_prefix("database=")).expect("a name");
        let lines: Vec<&str> = data.lines().collect();
        let rows = lines.chunks(2).map(|pair| (bytes(pair[0]), bytes(pair[1]))).collect();
        tables.insert(name.to_owned(), rows);
    }
    tables
}

/// The number of entries of each table in the output of `mdb_stat -a`.
fn entries(text: &str) -> BTreeMap<&str, u64> {
    let parts = text.split("Status of ").skip(1);
    let entry = |part: &'_ str| -> u64 {
        let line = part.lines().find_map(|line| line.trim().strip_prefix("Entries: "));
        line.expect("entries").parse().expect("a number")
    };
    parts.map(|part| (part.lines().next().expect("a name"), entry(part))).collect()
}

#[test]
fn lmdbs_programs_and_heed_read_built_databases_and_heed_writes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let expected = build(dir);
    let distinct: BTreeSet<u64> = expected.iter().map(|datom| datom.e.0).collect();
    assert_eq!(distinct.len(), 6000);

    // Their lock file is of another version than that of our LMDB, so they come while nobody has the file open.
    let theirs = has_lmdb_utils().then(|| (run("mdb_dump", &["-a"], dir), run("mdb_stat", &["-a"], dir)));
    // Nothing of ours is opened but heed's environment.
    let own = factum::kv::Env::open(dir).expect("opens");
    let env = own.heed();
    let (eav, ave) = (table(env, "eav", EAV), table(env, "ave", AVE));
    let counted = table(env, "counted", TableFlags::empty());
    let (by_entity, by_value) = (pairs(env, eav), pairs(env, ave));
    assert_eq!(by_entity.len(), expected.len());
    for (pair, datom) in by_entity.iter().zip(&expected) {
        assert_eq!(pair.0, datom.e.0.to_ne_bytes(), "heed goes through the entities in order");
    }
    // The one index is the other turned around.
    let turned: BTreeSet<_> = by_entity.iter().map(|(e, fact)| (fact, e)).collect();
    assert_eq!(turned.len(), by_entity.len());
    assert_eq!(turned, by_value.iter().map(|(fact, e)| (fact, e)).collect());
    let giants = pairs(env, table(env, "giants", TableFlags::empty()));
    assert_eq!(giants.len(), 12);
    assert!(giants.iter().all(|(_, record)| record.len() > 4096), "on overflow pages");

    if let Some((dump, stat)) = theirs {
        let tables = dumped(&dump);
        assert!(tables["eav"] == by_entity && tables["ave"] == by_value && tables["giants"] == giants);
        assert_eq!(tables["counted"], pairs(env, counted));
        let entries = entries(&stat);
        for (name, rows) in &tables {
            assert_eq!(entries[name.as_str()], rows.len() as u64, "{name}");
        }
    }

    // heed takes a third of all entities out, and puts their facts in again in another order, one third of that at a time.
    for round in 0..3 {
        let mine: Vec<_> = by_entity
            .iter()
            .filter(|(e, _)| u64::from_ne_bytes(e[..].try_into().expect("8")) % 9 == round)
            .collect();
        let mut txn = env.write_txn().expect("a transaction");
        for (e, fact) in &mine {
            eav.delete(&mut txn, e).expect("deleted");
            assert!(ave.delete_one_duplicate(&mut txn, fact, e).expect("deleted"));
        }
        txn.commit().expect("commits");
        let mut txn = env.write_txn().expect("a transaction");
        for (e, fact) in mine.iter().rev() {
            eav.put(&mut txn, e, fact).expect("put");
            ave.put(&mut txn, fact, e).expect("put");
        }
        txn.commit().expect("commits");
    }
    assert!(pairs(env, eav) == by_entity && pairs(env, ave) == by_value);
    let stranger = table(env, "of somebody else", TableFlags::empty());
    let mut txn = env.write_txn().expect("a transaction");
    for n in 0..500u64 {
        stranger.put(&mut txn, &n.to_be_bytes(), &[7; 300]).expect("put");
    }
    txn.commit().expect("commits");
    own.close(Duration::from_secs(10)).expect("nobody else has it");

    let conn = Connection::open_with(dir, Options::new().create(false)).expect("opens");
    assert_eq!(facts(&conn), expected);
    let report = conn.check().expect("readable");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    conn.transact("[{:n 17 :text \"short\"}]").expect("goes on");
    let report = conn.check().expect("readable");
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}
