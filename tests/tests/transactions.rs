//! Random sequences of transactions, wherever the database lives: in memory, in a file, and as speculation upon speculation. All
//! accept the same, refuse the same with the same words, and hold the same datoms after each step; what the schema promises holds.
//! `FACTUM_CASES` sets the number of sequences, `FACTUM_SEED` the first seed. `tests/datalevin/run` asks Datalevin the same sequences.

use std::collections::{BTreeMap, BTreeSet};

use edn::Value;
use factum::{Connection, Db, Durability, Index, Options};
use tests::transactions::{Generator, SCHEMA, datoms};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// An error as its code and its text.
type Refusal = (&'static str, String);

fn refusal(error: factum::Error) -> Refusal {
    (error.code(), error.to_string())
}

#[test]
fn every_place_takes_the_same_transactions() {
    let (first, count) = (setting("FACTUM_SEED", 0), setting("FACTUM_CASES", 60));
    let (mut accepted, mut refused) = (0, BTreeSet::new());
    for seed in first..first + count {
        let dir = tempfile::tempdir().expect("temporary directory");
        let options = || Options::new().schema(SCHEMA).durability(Durability::None);
        let memory = Connection::memory_with(options()).expect("schema");
        let file = Connection::open_with(dir.path().join("db"), options()).expect("opens");
        let mut speculation = file.db().expect("opens");
        let mut generator = Generator::new(seed);
        for _ in 0..12 {
            let text = generator.transaction();
            let data = edn::read(&text).expect("EDN");
            let at = || format!("seed {seed}: {text}");
            let answers = [
                memory.transact(&data).map_err(refusal).map(|report| report.db_after()),
                file.transact(&data).map_err(refusal).map(|report| report.db_after()),
                speculation.with(&data).map_err(refusal).map(|report| report.db_after()),
            ];
            match answers {
                [Ok(in_memory), Ok(in_file), Ok(speculated)] => {
                    accepted += 1;
                    let expected = datoms(&in_memory).expect("reads");
                    assert_eq!(datoms(&in_file).expect("reads"), expected, "{}", at());
                    assert_eq!(datoms(&speculated).expect("reads"), expected, "{}", at());
                    check(&in_file, &at);
                    check(&speculated, &at);
                    speculation = speculated;
                }
                [Err(in_memory), Err(in_file), Err(speculated)] => {
                    assert_eq!(in_memory, in_file, "{}", at());
                    assert_eq!(in_memory, speculated, "{}", at());
                    refused.insert(in_memory.0);
                }
                answers => {
                    let answers = answers.map(|answer| answer.map(|_| ()));
                    panic!("{}\n{answers:?}", at());
                }
            }
        }
        let expected = datoms(&memory.db().expect("opens")).expect("reads");
        assert_eq!(datoms(&file.db().expect("opens")).expect("reads"), expected, "seed {seed}");
        drop((file, speculation));
        let reopened = Connection::open_with(dir.path().join("db"), options()).expect("opens");
        assert_eq!(datoms(&reopened.db().expect("opens")).expect("reads"), expected, "seed {seed}, reopened");
    }
    // Few sequences need not make every kind of mistake.
    assert!(
        accepted > 0 && (refused.len() > 5 || count < 60),
        "{accepted} accepted, refused for {refused:?}"
    );
}

/// What holds of every database with the schema: both indexes have the same datoms, single values are single, unique ones unique, and
/// tuples of attributes are those of their sources.
fn check(db: &Db, at: &dyn Fn() -> String) {
    let all = |index| {
        let found = db.datoms(index, &[]).expect("reads").map(|datom| {
            let datom = datom.expect("a datom");
            let ident = db.schema().by_id(datom.a).expect("an attribute").ident.as_str().to_owned();
            (datom.e.0, ident, datom.v.clone())
        });
        found.collect::<Vec<_>>()
    };
    let (eav, mut ave) = (all(Index::Eav), all(Index::Ave));
    let mut sorted = eav.clone();
    sorted.sort();
    ave.sort();
    assert_eq!(sorted, ave, "{}", at());
    sorted.dedup();
    assert_eq!(sorted.len(), eav.len(), "a datom occurs twice: {}", at());
    let mut single = BTreeMap::new();
    let mut unique = BTreeMap::new();
    for (e, a, v) in &eav {
        if !matches!(a.as_str(), "t/ids" | "t/ns" | "t/anys" | "t/tos" | "t/parts") {
            assert_eq!(single.insert((*e, a.as_str()), v), None, "two values of {e} {a}: {}", at());
        }
        if matches!(a.as_str(), "t/id" | "t/ids" | "t/code" | "t/key" | "t/a+b" | "db/ident") {
            assert_eq!(unique.insert((a.as_str(), v), *e), None, "two entities have {a} {v}: {}", at());
        }
    }
    let entities: BTreeSet<u64> = eav.iter().map(|(e, ..)| *e).collect();
    for e in entities {
        let part = |a| single.get(&(e, a)).map(|v| (*v).clone());
        let tuple = match (part("t/a"), part("t/b")) {
            (None, None) => None,
            (a, b) => Some(Value::Vector(vec![a.unwrap_or_default(), b.unwrap_or_default()])),
        };
        assert_eq!(part("t/a+b"), tuple, "{}", at());
    }
}
