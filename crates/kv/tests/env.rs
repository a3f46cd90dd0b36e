//! Opening, sharing, closing and copying environments, and every way in which that is refused.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of tests fail the test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use factum_kv::{DbiFlags, Durability, Env, EnvOptions, Error};
use tempfile::TempDir;

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn put_one(env: &Env, key: &[u8]) {
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, key, b"v").unwrap();
    txn.commit().unwrap();
}

fn has(env: &Env, key: &[u8]) -> bool {
    let dbi = env.existing_dbi("t").unwrap();
    env.write().unwrap().get(&dbi, key).unwrap().is_some()
}

fn code(result: factum_kv::Result<Env>) -> &'static str {
    result.expect_err("refused").code()
}

#[test]
fn parents_are_created_and_data_survives_closing() {
    let dir = dir();
    let path = dir.path().join("a/b/c");
    put_one(&Env::open(&path).unwrap(), b"k");
    assert!(has(&Env::open(&path).unwrap(), b"k"));
}

#[test]
fn one_file_is_one_environment_under_any_name() {
    let dir = dir();
    let path = dir.path().join("store");
    let first = Env::open(&path).unwrap();
    put_one(&first, b"k");
    let same = |other: &Env| {
        assert_eq!(other.path(), first.path());
        assert!(std::ptr::eq(other.heed().path(), first.heed().path()), "another environment");
    };
    same(&Env::open(&path).unwrap());
    same(&Env::open(path.join("../store/.")).unwrap());
    std::os::unix::fs::symlink(&path, dir.path().join("link")).unwrap();
    same(&Env::open(dir.path().join("link")).unwrap());
    same(&EnvOptions::new().single_file(true).open(path.join("data.mdb")).unwrap());
    fs::create_dir(dir.path().join("hard")).unwrap();
    fs::hard_link(path.join("data.mdb"), dir.path().join("hard/data.mdb")).unwrap();
    same(&Env::open(dir.path().join("hard")).unwrap());
}

#[test]
fn contradicting_options_are_named() {
    let dir = dir();
    let env = EnvOptions::new().max_readers(50).map_size(1 << 26).open(dir.path()).unwrap();
    for (options, name) in [
        (EnvOptions::new().max_readers(51), "max_readers"),
        (EnvOptions::new().max_dbis(5), "max_dbis"),
        (EnvOptions::new().map_size(1 << 30), "map_size"),
        (EnvOptions::new().durability(Durability::None), "durability"),
        (EnvOptions::new().read_only(true), "read_only"),
        (EnvOptions::new().write_map(true), "write_map"),
    ] {
        match options.open(dir.path()) {
            Err(Error::OptionsConflict { option, .. }) => assert_eq!(option, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    // The same, or less, is no contradiction.
    EnvOptions::new().max_readers(50).map_size(1 << 20).open(dir.path()).unwrap();
    drop(env);
}

#[test]
fn an_environment_can_be_opened_with_other_options_once_closed() {
    let dir = dir();
    let env = EnvOptions::new().max_dbis(3).open(dir.path()).unwrap();
    env.close(Duration::from_secs(1)).unwrap();
    EnvOptions::new().max_dbis(4).open(dir.path()).unwrap();
}

#[test]
fn closing_reports_who_is_left() {
    let dir = dir();
    let env = Env::open(dir.path()).unwrap();
    let other = env.clone();
    let error = env.close(Duration::from_millis(5)).unwrap_err();
    assert_eq!(error.code(), ":kv/still-open");
    other.close(Duration::from_secs(1)).unwrap();
}

#[test]
fn a_missing_database_is_not_created_unless_allowed() {
    let dir = dir();
    assert_eq!(code(EnvOptions::new().existing_only(true).open(dir.path().join("no"))), ":kv/not-found");
    assert_eq!(code(EnvOptions::new().existing_only(true).open(dir.path())), ":kv/not-found");
    assert_eq!(code(EnvOptions::new().read_only(true).open(dir.path())), ":kv/not-found");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn wrong_kinds_of_paths_are_told_apart() {
    let dir = dir();
    let file = dir.path().join("file");
    fs::write(&file, "text").unwrap();
    assert_eq!(code(Env::open(&file)), ":kv/wrong-path-kind");
    assert_eq!(code(Env::open(file.join("below"))), ":kv/wrong-path-kind");
    assert_eq!(code(EnvOptions::new().single_file(true).open(dir.path())), ":kv/wrong-path-kind");
    assert_eq!(code(EnvOptions::new().single_file(true).open(&file)), ":kv/foreign-file");
}

#[test]
fn foreign_damaged_and_newer_files_are_refused_untouched() {
    let dir = dir();
    let store = dir.path().join("store");
    put_one(&Env::open(&store).unwrap(), b"k");
    let sound = fs::read(store.join("data.mdb")).unwrap();
    let variants: [(&str, Vec<u8>); 4] = [
        (":kv/foreign-file", b"SQLite format 3\0 and more of the same kind of text".to_vec()),
        (":kv/foreign-file", sound[..20].to_vec()),
        (":kv/format-too-new", [&sound[..20], &2u32.to_ne_bytes(), &sound[24..]].concat()),
        (":kv/foreign-file", [&sound[..16], &0xDEC0_EFBEu32.to_ne_bytes(), &sound[20..]].concat()),
    ];
    for (number, (expected, bytes)) in variants.into_iter().enumerate() {
        let path = dir.path().join(number.to_string());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("data.mdb"), &bytes).unwrap();
        assert_eq!(code(Env::open(&path)), expected, "variant {number}");
        assert_eq!(fs::read(path.join("data.mdb")).unwrap(), bytes);
        assert!(!path.join("lock.mdb").exists());
    }
}

#[test]
fn a_place_that_cannot_be_written_is_refused() {
    // Not even the superuser can create files here.
    if Path::new("/sys/kernel").is_dir() {
        assert_eq!(code(Env::open("/sys/kernel/factum")), ":kv/not-writable");
    }
}

#[test]
fn senseless_options_are_refused() {
    let dir = dir();
    for options in [
        EnvOptions::new().map_size(10),
        EnvOptions::new().map_size(u64::MAX),
        EnvOptions::new().max_readers(0),
        EnvOptions::new().max_dbis(0),
        EnvOptions::new().read_only(true).write_map(true),
    ] {
        assert_eq!(code(options.open(dir.path())), ":kv/bad-option");
    }
}

#[test]
fn the_map_is_large_by_default_and_exact_on_request() {
    let dir = dir();
    let env = Env::open(dir.path().join("a")).unwrap();
    assert!(env.info().unwrap().map_size >= 1 << 30);
    let env = EnvOptions::new().map_size(1_000_000).open(dir.path().join("b")).unwrap();
    assert_eq!(env.info().unwrap().map_size, 1_048_576);
}

#[test]
fn a_read_only_environment_reads_and_refuses_to_write() {
    let dir = dir();
    put_one(&Env::open(dir.path()).unwrap(), b"k");
    let env = EnvOptions::new().read_only(true).open(dir.path()).unwrap();
    assert_eq!(env.write().unwrap_err().code(), ":kv/read-only");
    assert_eq!(env.open_dbi("new", DbiFlags::empty()).unwrap_err().code(), ":kv/read-only");
    let table = env.snapshot().unwrap().table("t").unwrap().unwrap();
    assert_eq!(table.entries(), 1);
}

#[test]
fn readers_are_listed_with_their_age() {
    let dir = dir();
    let env = Env::open(dir.path()).unwrap();
    put_one(&env, b"1");
    assert_eq!(env.readers().unwrap(), []);
    let snapshot = env.snapshot().unwrap();
    put_one(&env, b"2");
    put_one(&env, b"3");
    let readers = env.readers().unwrap();
    assert_eq!(readers.len(), 1);
    assert_eq!(
        (readers[0].pid, readers[0].txn_id, readers[0].behind),
        (std::process::id(), snapshot.txn_id(), 2)
    );
    drop(snapshot);
    assert_eq!(env.readers().unwrap(), []);
}

/// Reader slots are used again, but hold no state meanwhile.
#[test]
fn a_snapshot_that_is_gone_holds_nothing() {
    let dir = dir();
    let env = Env::open(dir.path()).unwrap();
    put_one(&env, b"1");
    for round in 0..20 {
        let snapshots: Vec<_> = (0..6)
            .map(|_| {
                put_one(&env, b"1");
                env.snapshot().unwrap()
            })
            .collect();
        let ids: Vec<_> = snapshots.iter().map(factum_kv::Snapshot::txn_id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "round {round}: each is newer: {ids:?}");
        assert_eq!(env.readers().unwrap().len(), 6);
        drop(snapshots);
        assert_eq!(env.readers().unwrap(), []);
    }
    // Pages are reused as if nobody had ever read.
    let used = env.info().unwrap().used_size;
    (0..50).for_each(|_| put_one(&env, b"1"));
    assert_eq!(env.info().unwrap().used_size, used);
}

#[test]
fn too_many_readers_is_an_error_of_its_own() {
    let dir = dir();
    let env = EnvOptions::new().max_readers(2).open(dir.path()).unwrap();
    let mut snapshots = Vec::new();
    let error = loop {
        put_one(&env, b"k");
        match env.snapshot() {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(error) => break error,
        }
        assert!(snapshots.len() < 10_000);
    };
    let Error::ReadersFull { max } = error else { panic!("{error:?}") };
    assert_eq!(snapshots.len() as u32, max);
    snapshots.pop();
    env.snapshot().unwrap();
}

#[test]
fn copies_never_overwrite_and_can_compact() {
    let dir = dir();
    let env = Env::open(dir.path().join("a")).unwrap();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    for round in 0..2u8 {
        let mut txn = env.write().unwrap();
        for key in 0..2000u32 {
            if round == 0 {
                txn.put(&dbi, &key.to_be_bytes(), &[7; 200]).unwrap();
            } else if key > 10 {
                txn.delete(&dbi, &key.to_be_bytes()).unwrap();
            }
        }
        txn.commit().unwrap();
    }
    env.copy_to(dir.path().join("plain"), false).unwrap();
    env.copy_to(dir.path().join("compact"), true).unwrap();
    assert_eq!(env.copy_to(dir.path().join("plain"), true).unwrap_err().code(), ":kv/bad-option");
    assert_eq!(env.copy_to(dir.path().join("a"), true).unwrap_err().code(), ":kv/bad-option");
    let size = |name: &str| fs::metadata(dir.path().join(name).join("data.mdb")).unwrap().len();
    assert!(size("compact") * 4 < size("plain"), "{} {}", size("compact"), size("plain"));
    for name in ["plain", "compact"] {
        let copy = Env::open(dir.path().join(name)).unwrap();
        assert_eq!(copy.snapshot().unwrap().table("t").unwrap().unwrap().entries(), 11);
    }
}

#[test]
fn a_copy_does_not_wait_for_its_own_transaction() {
    let dir = dir();
    let env = Env::open(dir.path().join("a")).unwrap();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"k", b"v").unwrap();
    let refused = env.copy_to(dir.path().join("plain"), false).unwrap_err();
    assert_eq!((refused.code(), refused.hint().is_some()), (":kv/would-deadlock", true));
    assert!(!dir.path().join("plain").exists());
    env.copy_to(dir.path().join("compact"), true).unwrap();
    // Another thread waits for the transaction to end.
    std::thread::scope(|scope| {
        let copy = scope.spawn(|| env.copy_to(dir.path().join("later"), false));
        std::thread::sleep(std::time::Duration::from_millis(20));
        txn.commit().unwrap();
        copy.join().unwrap().unwrap();
    });
    for (name, entries) in [("compact", 0), ("later", 1)] {
        let copy = Env::open(dir.path().join(name)).unwrap();
        assert_eq!(copy.snapshot().unwrap().table("t").unwrap().unwrap().entries(), entries, "{name}");
    }
}

#[test]
fn handles_move_between_threads() {
    fn send_sync_clone<T: Send + Sync + Clone>() {}
    send_sync_clone::<Env>();
    send_sync_clone::<factum_kv::Snapshot>();
}
