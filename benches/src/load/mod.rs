//! The load suite: five-attribute entities into a new database, prepared or as they come, beside transactions and
//! SQLite.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use factum::kv::DbiFlags;
use factum::storage::{AttrId, BulkLoader, Db, DbOptions, EncodedValue, EntityLoader, Schema, StoreOptions};
use factum::{Connection, EntityBuilder, EntityId, Options, Tx, edn};
use heed::types::Bytes;
use heed::{CommitOrAbort, DatabaseFlags, EnvOpenOptions};
use rusqlite::Connection as Sqlite;

use crate::people::{self, Person};
use crate::report::Report;

/// The systems of this suite, ours first.
pub const SYSTEMS: &[&str] = &["factum", "sqlite"];

/// Entities for the published figures.
pub const FULL: i64 = 1_000_000;
/// Entities for a quick look.
pub const QUICK: i64 = 20_000;

type Prepared = Vec<(EntityId, AttrId, EncodedValue)>;

fn prepare(people: &[Person], db: &Db) -> Result<Prepared, Box<dyn Error>> {
    let id =
        |name: &str| db.schema().attribute(&name.into()).map(|attribute| attribute.id).ok_or("undeclared");
    let ids = [id(":p/name")?, id(":p/age")?, id(":p/size")?, id(":p/kind")?, id(":p/friend")?];
    let mut datoms = Vec::with_capacity(people.len() * 5);
    for (at, person) in people.iter().enumerate() {
        let e = EntityId(at as u64 + 1);
        let kind = factum::storage::encode(&edn::Value::keyword(person.kind));
        let values = [
            EncodedValue::str(&person.name),
            EncodedValue::int(person.age),
            EncodedValue::float(person.size),
            kind,
            EncodedValue::int(person.friend),
        ];
        datoms.extend(ids.into_iter().zip(values).map(|(a, v)| (e, a, v)));
    }
    Ok(datoms)
}

fn size(file: &Path) -> Result<f64, Box<dyn Error>> {
    Ok(fs::metadata(file)?.len() as f64)
}

fn new_db() -> Result<Db, Box<dyn Error>> {
    Ok(Db::empty(Schema::from_value(&edn::read(people::SCHEMA)?)?, DbOptions::default()))
}

fn load_sqlite(file: &Path, people: &[Person]) -> Result<(), Box<dyn Error>> {
    let mut connection = Sqlite::open(file)?;
    people::create_sqlite(&connection, false)?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare(people::SQLITE_INSERT)?;
        for (at, person) in people.iter().enumerate() {
            person.insert(at as i64 + 1, &mut insert)?;
        }
    }
    // An index over rows that are there is built by sorting, which is SQLite's quickest way.
    transaction.execute_batch(people::SQLITE_INDEX)?;
    Ok(transaction.commit()?)
}

/// Runs the suite with so many entities.
pub fn run(entities: i64) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new("load");
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let people: Vec<Person> = (1..=entities).map(Person::new).collect();
    let facts = entities as f64 * 5.0;

    let start = Instant::now();
    load_sqlite(&path("sqlite"), &people)?;
    let sqlite = facts / start.elapsed().as_secs_f64();

    let db = new_db()?;
    let prepared = prepare(&people, &db)?;
    let start = Instant::now();
    let mut loader = BulkLoader::new(db.schema());
    loader.add_all(&prepared)?;
    let (store, loaded) = StoreOptions::new().build(path("prepared"), loader)?;
    let built = facts / start.elapsed().as_secs_f64();
    assert_eq!(loaded.added as f64, facts, "every datom is new");
    assert!(store.db()?.check()?.is_sound(), "the file is whole");
    drop(store);
    report.row(
        "prepared datoms into a new database",
        "datoms/s",
        &[(SYSTEMS[0], built), (SYSTEMS[1], sqlite)],
    );

    let builders: Vec<EntityBuilder> = people.iter().map(Person::entity).collect();
    let start = Instant::now();
    let mut loader = EntityLoader::new(new_db()?);
    loader.add(&builders)?;
    let (store, loaded) = loader.build(StoreOptions::new(), path("entities"))?;
    let from_entities = facts / start.elapsed().as_secs_f64();
    assert_eq!(loaded.added as f64, facts, "every datom is new");
    assert_eq!(store.db()?.count(None, None, None)? as f64, facts);
    drop(store);
    report.row(
        "entities in memory into a new database",
        "datoms/s",
        &[(SYSTEMS[0], from_entities), (SYSTEMS[1], sqlite)],
    );

    let conn = Connection::open_with(path("open"), Options::new().schema(people::SCHEMA))?;
    let start = Instant::now();
    let mut loader = EntityLoader::new(conn.db()?.inner().clone());
    loader.add(&builders)?;
    loader.load(&conn.store()?)?;
    let into_open = facts / start.elapsed().as_secs_f64();
    drop(conn);
    report.row(
        "entities in memory into an empty database that is open",
        "datoms/s",
        &[(SYSTEMS[0], into_open), (SYSTEMS[1], sqlite)],
    );

    let conn = Connection::open_with(path("transact"), Options::new().schema(people::SCHEMA))?;
    let tx: Tx = builders.into_iter().collect();
    let start = Instant::now();
    conn.transact(&tx)?;
    let transacted = facts / start.elapsed().as_secs_f64();
    drop(conn);
    report.row(
        "one transaction of all entities",
        "datoms/s",
        &[(SYSTEMS[0], transacted), (SYSTEMS[1], sqlite)],
    );
    report.row(
        "bulk load beside one transaction",
        "times as fast",
        &[(SYSTEMS[0], from_entities / transacted)],
    );

    // The same datoms one by one through heed, in the order of chance and entity by entity: what a file looks like that
    // grew. (Factum itself would store them in the order of their keys.)
    let mut order: Vec<usize> = (0..prepared.len()).collect();
    put_one_by_one(&path("in order"), &prepared, &order)?;
    rand::seq::SliceRandom::shuffle(
        order.as_mut_slice(),
        &mut <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(7),
    );
    put_one_by_one(&path("grown"), &prepared, &order)?;
    let of = |name: &str| size(&path(name).join("data.mdb"));
    let sqlite_size = size(&path("sqlite"))?;
    report.row(
        "size on disk, loaded",
        "bytes/datom",
        &[(SYSTEMS[0], of("prepared")? / facts), (SYSTEMS[1], sqlite_size / facts)],
    );
    report.row(
        "size on disk, put one by one through heed, in random order",
        "bytes/datom",
        &[(SYSTEMS[0], of("grown")? / facts)],
    );
    report.row(
        "smaller than in random order",
        "%",
        &[(SYSTEMS[0], 100.0 * (1.0 - of("prepared")? / of("grown")?))],
    );
    report.row(
        "size on disk, put one by one through heed, entity by entity",
        "bytes/datom",
        &[(SYSTEMS[0], of("in order")? / facts)],
    );
    report.row(
        "smaller than entity by entity",
        "%",
        &[(SYSTEMS[0], 100.0 * (1.0 - of("prepared")? / of("in order")?))],
    );
    Ok(report)
}

/// What LMDB makes of the prepared datoms where each is simply put, in this order.
#[expect(unsafe_code, reason = "heed's open is unsafe; the directory is this process's own")]
fn put_one_by_one(dir: &Path, prepared: &Prepared, order: &[usize]) -> Result<(), Box<dyn Error>> {
    fs::create_dir(dir)?;
    let mut options = EnvOpenOptions::new();
    options.map_size(64 << 30).max_dbs(2);
    // SAFETY: the directory is fresh and nobody else opens it.
    let env = unsafe { options.open(dir)? };
    let txn = env.write_txn()?;
    let [eav, ave] = env
        .create_databases_and_commit(txn, |create, txn| -> heed::Result<_> {
            let mut table = |name, flags: DbiFlags| {
                let flags = DatabaseFlags::from_bits_retain(flags.bits().into());
                let options = create.database_options();
                options.types::<Bytes, Bytes>().name(name).flags(flags).create(txn)
            };
            Ok(CommitOrAbort::<_, ()>::Commit([table("eav", EAV)?, table("ave", AVE)?]))
        })?
        .unwrap_commit();
    let mut txn = env.write_txn()?;
    for at in order {
        let (e, a, v) = &prepared[*at];
        let fact = [&[a.0 as u8][..], v].concat();
        eav.put(&mut txn, &e.0.to_ne_bytes(), &fact)?;
        ave.put(&mut txn, &fact, &e.0.to_ne_bytes())?;
    }
    Ok(txn.commit()?)
}

/// How the index by entity is sorted.
const EAV: DbiFlags = DbiFlags::DUPSORT.union(DbiFlags::INTEGERKEY);

/// How the index by value is sorted.
const AVE: DbiFlags = DbiFlags::DUPSORT.union(DbiFlags::DUPFIXED).union(DbiFlags::INTEGERDUP);
