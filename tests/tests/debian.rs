//! The Debian package graph, imported by the program and asked through the API, against SQLite on the same records.

use std::path::{Path, PathBuf};

use benches::debian::sqlite::Sqlite;
use benches::debian::suite::{answer, import};
use benches::debian::{records, works::WORKS};
use factum::Connection;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Imports the file and compares every answer with SQLite's; `full` compares with the published numbers too.
fn check(file: &Path, full: bool) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("packages");
    import(file, &path).expect("imports");
    let records = records::read(file).expect("reads");
    let sqlite = Sqlite::load(&dir.path().join("sqlite.db"), &records).expect("loads");
    let connection = Connection::open(&path).expect("opens");
    let db = connection.db().expect("snapshot");
    for work in WORKS {
        let expected = sqlite.number(work.sql).expect(work.name);
        let found = answer(&db, work).unwrap_or_else(|error| panic!("{}: {}", work.name, error.render()));
        assert_eq!(found, expected, "{}", work.name);
        if full {
            assert_eq!(found, work.answer_full, "{}", work.name);
        }
    }
    let facts = sqlite.number("SELECT count(*) FROM datoms").expect("counts");
    let stored = db.count(None, None, None).expect("counts");
    assert_eq!(stored as i64, facts, "every fact is there once");
}

#[test]
fn bundled_extract() {
    check(&root().join("examples/data/debian-base.jsonl"), false);
}

#[test]
fn full_set() {
    let file = root().join("../shared/data/debian-packages.jsonl.gz");
    match file.exists() {
        true => check(&file, true),
        false => println!("skipped: the full package set is not beside the repository"),
    }
}
