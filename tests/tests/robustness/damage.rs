//! Files that were truncated, torn or changed: opening and reading them gives answers or errors, never a crash.

use std::path::Path;
use std::sync::OnceLock;

use factum::{Connection, Db, Index, Options};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{seed, tries};

const PAGE: usize = 4096;

/// A data file with every kind of page: all tables, sub-trees, packed duplicates, giants, overflow pages, free pages.
fn intact() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("db");
        let options = Options::new().durability(factum::Durability::None).schema(
            "{:n {:db/valueType :db.type/long :db/unique :db.unique/identity}
              :kind {:db/valueType :db.type/keyword}
              :to {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
              :text {:db/valueType :db.type/string}}",
        );
        let connection = Connection::open_with(&path, options).expect("opens");
        for part in 0..6 {
            let mut data = String::from("[");
            for n in part * 150..(part + 1) * 150 {
                let text = "long ".repeat(if n % 50 == 0 { 3000 } else { n % 40 });
                data += &format!(
                    "{{:n {n} :kind :k{} :to [{} {}] :text \"{text}{n}\"}}",
                    n % 3,
                    n % 7 + 1,
                    n / 2 + 1
                );
            }
            connection.transact(data + "]").expect("commits");
        }
        let db = connection.db().expect("a snapshot");
        let old: Vec<i64> =
            db.query("[:find [?e ...] :where [?e :n ?n] [(< ?n 100)]]").expect("asks").column().expect("ids");
        drop(db);
        let retract: String = old.iter().map(|e| format!("[:db/retractEntity {e}]")).collect();
        connection.transact(format!("[{retract}]")).expect("commits");
        connection.close().expect("open");
        std::fs::read(path.join("data.mdb")).expect("the data file")
    })
}

/// Opens a file and reads all of it in every way; says how far it came.
fn use_everything(dir: &Path) -> Result<(), factum::Error> {
    let connection =
        Connection::open_with(dir, Options::new().create(false).durability(factum::Durability::None))?;
    let db = connection.db()?;
    let asked = ask(&db);
    // LMDB's own code writes, and trusts what it finds: `check` says whether it may.
    let checked = connection.check()?;
    if let Some(problem) = checked.problems.first() {
        asked?;
        return Err(storage::Error::Corrupted { table: problem.table, reason: problem.detail.clone() }.into());
    }
    asked?;
    connection.transact("[{:n 5000 :text \"new\"} [:db/retractEntity 400]]").map(drop)
}

fn ask(db: &Db) -> Result<(), factum::Error> {
    let mut first = Ok(());
    let mut note = |result: Result<(), factum::Error>| {
        if first.is_ok() {
            first = result;
        }
    };
    for query in [
        "[:find (count ?e) . :where [?e :n ?n] [(< ?n 500)]]",
        "[:find ?e ?t :where [?e :kind :k1] [?e :text ?t]]",
        "[:find (count ?b) . :with ?a :where [?a :to ?b] [?b :to ?c]]",
        "[:find ?a ?v :where [450 ?a ?v]]",
    ] {
        note(db.query(query).map(drop));
    }
    note(db.pull("[* {:to [:n]}]", 300).map(drop));
    note(db.pull("[*]", (":n", 601)).map(drop));
    for index in [Index::Eav, Index::Ave] {
        let all = db
            .datoms(index, &[])
            .and_then(|mut datoms| datoms.try_for_each(|datom| datom.map(drop).map_err(Into::into)));
        note(all);
    }
    note(db.count(None, None, None).map(drop));
    first
}

/// Writes a damaged file and uses it; whether an error came. A panic fails the test with what was done to the file.
fn survive(what: &str, bytes: &[u8]) -> bool {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("data.mdb"), bytes).expect("a file");
    let outcome = std::panic::catch_unwind(|| use_everything(dir.path()));
    match outcome {
        Ok(Ok(())) => false,
        Ok(Err(error)) => {
            assert!(error.code().starts_with(':') && !error.to_string().is_empty(), "{what}: {error:?}");
            true
        }
        Err(_) => panic!("{what}: a panic"),
    }
}

#[test]
fn the_intact_file_is_read() {
    assert!(!survive("nothing", intact()), "the file without damage must be fine");
}

#[test]
fn truncated_files() {
    let file = intact();
    let mut random = StdRng::seed_from_u64(seed());
    let mut errors = 0;
    let cuts = (0..tries(25)).map(|_| random.random_range(0..file.len())).collect::<Vec<_>>();
    for len in [0, 1, 100, PAGE - 1, PAGE, 2 * PAGE - 1, 2 * PAGE, 3 * PAGE, file.len() - PAGE]
        .into_iter()
        .chain(cuts)
    {
        // A database that is too short for LMDB is refused before LMDB maps it.
        errors += usize::from(survive(&format!("seed {}: cut to {len} bytes", seed()), &file[..len]));
    }
    assert!(errors > 5, "only {errors} truncated files gave errors");
}

#[test]
fn flipped_bytes() {
    let file = intact();
    let mut random = StdRng::seed_from_u64(seed() + 1);
    let mut errors = 0;
    for _ in 0..tries(80) {
        let mut bytes = file.to_vec();
        let mut what = format!("seed {}:", seed());
        for _ in 0..random.random_range(1..6) {
            // Heads of pages are small and matter more than contents.
            let page = random.random_range(0..bytes.len() / PAGE) * PAGE;
            let at = page
                + if random.random_bool(0.5) {
                    random.random_range(0..64)
                } else {
                    random.random_range(0..PAGE)
                };
            let value: u8 = random.random();
            what += &format!(" byte {at} is {value},");
            bytes[at] = value;
        }
        errors += usize::from(survive(&what, &bytes));
    }
    assert!(errors > 0, "no damage was noticed");
}

#[test]
fn torn_pages() {
    let file = intact();
    let mut random = StdRng::seed_from_u64(seed() + 2);
    let mut errors = 0;
    for _ in 0..tries(40) {
        let mut bytes = file.to_vec();
        let mut what = format!("seed {}:", seed());
        for _ in 0..random.random_range(1..4) {
            // Half of a page is of another time: zeros, or the same half of another page.
            let (to, from) = (
                random.random_range(2..bytes.len() / PAGE) * PAGE,
                random.random_range(2..bytes.len() / PAGE) * PAGE,
            );
            let half = random.random_range(0..2) * PAGE / 2;
            let zeros = random.random_bool(0.5);
            what += &format!(
                " page {} half {half} from {}",
                to / PAGE,
                if zeros { "nothing".into() } else { (from / PAGE).to_string() }
            );
            if zeros {
                bytes[to + half..to + half + PAGE / 2].fill(0);
            } else {
                bytes.copy_within(from + half..from + half + PAGE / 2, to + half);
            }
        }
        errors += usize::from(survive(&what, &bytes));
    }
    assert!(errors > 0, "no damage was noticed");
}
