//! Write transactions over raw tables: puts in every order, deletes, nesting, aborts, limits.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use factum_kv::codec::{Blob, Id, Str};
use factum_kv::{DbiFlags, Env, EnvOptions, Error, PutFlags, Read, Table, WriteTxn};
use heed::types::Bytes;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

fn env() -> (TempDir, Env) {
    let dir = tempfile::tempdir().expect("a directory");
    let env = EnvOptions::new().durability(factum_kv::Durability::None).open(dir.path()).unwrap();
    (dir, env)
}

/// heed's handle on a table of ours.
fn by_heed(env: &Env, name: &str) -> heed::Database<'static, Bytes, Bytes> {
    let txn = env.heed().read_txn().unwrap();
    env.heed()
        .open_databases_and_commit(txn, |opener, txn| {
            opener.open_database(txn, Some(name)).map(heed::CommitOrAbort::<_, ()>::Commit)
        })
        .unwrap()
        .unwrap_commit()
        .expect("the table")
}

/// All pairs, as heed reads them.
fn pairs(env: &Env, name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let table = by_heed(env, name);
    let txn = env.heed().read_txn().unwrap();
    table.iter(&txn).unwrap().map(|pair| pair.map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap()).collect()
}

#[test]
fn dropping_takes_everything_back() {
    let (_dir, env) = env();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"a", b"1").unwrap();
    assert_eq!(txn.get(&dbi, b"a").unwrap(), Some(&b"1"[..]));
    let made_inside = txn.open_dbi("inside", DbiFlags::empty()).unwrap();
    txn.put(&made_inside, b"a", b"1").unwrap();
    drop(txn);
    let txn = env.write().unwrap();
    assert_eq!(txn.get(&dbi, b"a").unwrap(), None);
    assert_eq!(txn.get(&made_inside, b"a").unwrap_err().code(), ":kv/no-such-dbi");
    txn.abort();
    let panicked = std::panic::catch_unwind(|| {
        let mut txn = env.write().unwrap();
        txn.put(&dbi, b"a", b"1").unwrap();
        panic!("in the middle");
    });
    assert!(panicked.is_err());
    assert_eq!(env.write().unwrap().entries(&dbi).unwrap(), 0);
}

#[test]
fn a_second_writer_of_the_thread_is_refused_and_others_wait() {
    let (_dir, env) = env();
    let txn = env.write().unwrap();
    assert_eq!(env.write().unwrap_err().code(), ":kv/would-deadlock");
    assert_eq!(env.open_dbi("new", DbiFlags::empty()).unwrap_err().code(), ":kv/would-deadlock");
    std::thread::scope(|scope| {
        let impatient =
            scope.spawn(|| env.try_write(Duration::from_millis(20)).map(drop).unwrap_err().code());
        assert_eq!(impatient.join().unwrap(), ":kv/writer-busy");
        let patient = scope.spawn(|| env.write().map(drop).is_ok());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!patient.is_finished());
        drop(txn);
        assert!(patient.join().unwrap());
    });
}

#[test]
fn flags_of_tables_are_kept_and_compared() {
    let (_dir, env) = env();
    let list = env.open_dbi("list", DbiFlags::INTEGERDUP).unwrap();
    assert_eq!(list.flags(), DbiFlags::INTEGERDUP | DbiFlags::DUPFIXED | DbiFlags::DUPSORT);
    assert_eq!(env.existing_dbi("list").unwrap(), list);
    let Error::DbiFlagsConflict { stored, .. } = env.open_dbi("list", DbiFlags::empty()).unwrap_err() else {
        panic!("no conflict")
    };
    assert_eq!(stored, list.flags());
    let mut txn = env.write().unwrap();
    assert_eq!(txn.open_dbi("list", DbiFlags::DUPSORT).unwrap_err().code(), ":kv/dbi-flags-conflict");
    assert_eq!(txn.existing_dbi("list").unwrap(), list);
}

#[test]
fn names_of_tables_are_checked() {
    let (_dir, env) = env();
    for name in ["", "a\0b", "factum/own", &"n".repeat(512)] {
        assert_eq!(env.open_dbi(name, DbiFlags::empty()).unwrap_err().code(), ":kv/bad-dbi-name");
        assert_eq!(
            env.write().unwrap().open_dbi(name, DbiFlags::empty()).unwrap_err().code(),
            ":kv/bad-dbi-name"
        );
    }
    env.open_dbi("people", DbiFlags::empty()).unwrap();
    let error = env.existing_dbi("poeple").unwrap_err();
    assert_eq!(error.to_string(), r#"there is no table "poeple", did you mean "people"?"#);
    assert_eq!(env.dbi_names().unwrap(), ["people"]);
}

#[test]
fn too_many_tables_is_an_error_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let env = EnvOptions::new().max_dbis(2).open(dir.path()).unwrap();
    let error = (0..20).find_map(|i| env.open_dbi(&i.to_string(), DbiFlags::empty()).err()).unwrap();
    assert!(matches!(error, Error::DbisFull { max: 2, .. }), "{error:?}");
}

#[test]
fn a_dropped_table_is_gone_for_all_handles() {
    let (_dir, env) = env();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"k", b"v").unwrap();
    txn.drop_dbi(&dbi).unwrap();
    assert_eq!(txn.put(&dbi, b"k", b"v").unwrap_err().code(), ":kv/no-such-dbi");
    drop(txn);
    let mut txn = env.write().unwrap();
    txn.drop_dbi(&dbi).unwrap();
    txn.commit().unwrap();
    // Another table takes its number; the old handle must not reach it.
    let other = env.open_dbi("other", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&other, b"k", b"other").unwrap();
    assert_eq!(txn.get(&dbi, b"k").unwrap_err().code(), ":kv/no-such-dbi");
    // Made again with other flags: the old handle is of another table.
    txn.open_dbi("t", DbiFlags::DUPSORT).unwrap();
    assert_eq!(txn.put(&dbi, b"k", b"v").unwrap_err().code(), ":kv/stale-dbi");
}

#[test]
fn handles_of_another_environment_are_refused() {
    let (_a, first) = env();
    let (_b, second) = env();
    first.open_dbi("x", DbiFlags::empty()).unwrap();
    let dbi = first.open_dbi("y", DbiFlags::empty()).unwrap();
    assert_eq!(second.write().unwrap().put(&dbi, b"k", b"v").unwrap_err().code(), ":kv/foreign-dbi");
}

#[test]
fn handles_of_another_environment_are_refused_beside_their_like() {
    let (_a, first) = env();
    let (_b, second) = env();
    let foreign = first.open_dbi("x", DbiFlags::empty()).unwrap();
    let own = second.open_dbi("x", DbiFlags::empty()).unwrap();
    for _ in 0..2 {
        let mut txn = second.write().unwrap();
        assert_eq!(txn.put(&foreign, b"k", b"v").unwrap_err().code(), ":kv/foreign-dbi");
        txn.put(&own, b"k", b"own").unwrap();
        // The table is open in the transaction now, and only its handle's environment tells this one apart.
        assert_eq!(txn.put(&foreign, b"k", b"v").unwrap_err().code(), ":kv/foreign-dbi");
        assert_eq!(txn.delete(&foreign, b"k").unwrap_err().code(), ":kv/foreign-dbi");
        assert_eq!(txn.get(&foreign, b"k").unwrap_err().code(), ":kv/foreign-dbi");
        assert_eq!(txn.get(&own, b"k").unwrap(), Some(&b"own"[..]));
        txn.commit().unwrap();
    }
}

#[test]
fn sizes_are_checked_before_lmdb_sees_them() {
    let (_dir, env) = env();
    let plain = env.open_dbi("plain", DbiFlags::empty()).unwrap();
    let list = env.open_dbi("list", DbiFlags::DUPSORT).unwrap();
    let fixed = env.open_dbi("fixed", DbiFlags::DUPFIXED).unwrap();
    let ints = env.open_dbi("ints", DbiFlags::INTEGERKEY | DbiFlags::INTEGERDUP).unwrap();
    let mut txn = env.write().unwrap();
    let long = [1u8; 512];
    let mut code = |dbi, key: &[u8], value: &[u8]| txn.put(dbi, key, value).err().map(|error| error.code());
    assert_eq!(code(&plain, b"", b"v"), Some(":kv/empty"));
    assert_eq!(code(&plain, &long, b"v"), Some(":kv/too-long"));
    assert_eq!(code(&plain, &long[1..], &[0; 100_000]), None);
    assert_eq!(code(&plain, b"k", b""), None);
    assert_eq!(code(&list, b"k", b""), Some(":kv/empty"));
    assert_eq!(code(&list, b"k", &long), Some(":kv/too-long"));
    assert_eq!(code(&list, b"k", &long[1..]), None);
    assert_eq!(code(&fixed, b"k", b"abc"), None);
    assert_eq!(code(&fixed, b"l", b"abcd"), Some(":kv/wrong-size"));
    assert_eq!(code(&ints, &[1; 8], &[1; 8]), None);
    assert_eq!(code(&ints, &[1; 4], &[1; 8]), Some(":kv/wrong-size"));
    assert_eq!(code(&ints, &[1; 8], &[1; 4]), Some(":kv/wrong-size"));
    assert_eq!(code(&ints, &[1; 3], &[1; 8]), Some(":kv/wrong-size"));
    // The sizes are found again by the next transaction.
    txn.commit().unwrap();
    let mut txn = env.write().unwrap();
    assert_eq!(txn.put(&fixed, b"l", b"abcd").unwrap_err().code(), ":kv/wrong-size");
    assert_eq!(txn.put(&ints, &[1; 4], &[1; 8]).unwrap_err().code(), ":kv/wrong-size");
    assert_eq!(txn.get(&plain, &long).unwrap(), None);
    assert!(!txn.delete(&plain, &long).unwrap());
    assert_eq!(txn.delete_dup(&plain, b"k", b"v").unwrap_err().code(), ":kv/not-a-list");
}

#[test]
fn conditions_of_puts() {
    let (_dir, env) = env();
    let plain = env.open_dbi("plain", DbiFlags::empty()).unwrap();
    let list = env.open_dbi("list", DbiFlags::DUPSORT).unwrap();
    let mut txn = env.write().unwrap();
    let mut code = |dbi, key: &[u8], value: &[u8], flags| {
        txn.put_with(dbi, key, value, flags).err().map(|error| error.code())
    };
    assert_eq!(code(&plain, b"b", b"1", PutFlags::NOOVERWRITE), None);
    assert_eq!(code(&plain, b"b", b"2", PutFlags::NOOVERWRITE), Some(":kv/key-exists"));
    assert_eq!(code(&plain, b"a", b"2", PutFlags::APPEND), Some(":kv/out-of-order"));
    assert_eq!(code(&plain, b"b", b"2", PutFlags::APPEND), Some(":kv/out-of-order"));
    assert_eq!(code(&plain, b"c", b"2", PutFlags::APPEND), None);
    assert_eq!(code(&list, b"k", b"5", PutFlags::empty()), None);
    assert_eq!(code(&list, b"k", b"5", PutFlags::NODUPDATA), Some(":kv/key-exists"));
    assert_eq!(code(&list, b"k", b"6", PutFlags::NODUPDATA), None);
    assert_eq!(code(&list, b"k", b"4", PutFlags::APPENDDUP), Some(":kv/out-of-order"));
    assert_eq!(code(&list, b"k", b"7", PutFlags::APPENDDUP), None);
    assert_eq!(code(&list, b"k", b"8", PutFlags::NOOVERWRITE), Some(":kv/key-exists"));
    assert_eq!(code(&list, b"l", b"8", PutFlags::NOOVERWRITE), None);
    txn.commit().unwrap();
    let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(pairs(&env, "plain"), [pair("b", "1"), pair("c", "2")]);
    assert_eq!(pairs(&env, "list"), [pair("k", "5"), pair("k", "6"), pair("k", "7"), pair("l", "8")]);
}

#[test]
fn nested_transactions_commit_into_their_parent() {
    let (_dir, env) = env();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"parent", b"1").unwrap();
    let mut first = txn.nested().unwrap();
    assert_eq!(first.get(&dbi, b"parent").unwrap(), Some(&b"1"[..]));
    first.put(&dbi, b"first", b"1").unwrap();
    let mut inner = first.nested().unwrap();
    inner.put(&dbi, b"inner", b"1").unwrap();
    inner.commit().unwrap();
    first.commit().unwrap();
    let mut second = txn.nested().unwrap();
    second.put(&dbi, b"second", b"1").unwrap();
    second.delete(&dbi, b"parent").unwrap();
    let lost = second.open_dbi("lost", DbiFlags::empty()).unwrap();
    assert_eq!(second.drop_dbi(&dbi).unwrap_err().code(), ":kv/nested");
    assert_eq!(second.heed().map(drop).unwrap_err().code(), ":kv/nested");
    drop(second);
    assert_eq!(txn.get(&lost, b"k").unwrap_err().code(), ":kv/no-such-dbi");
    txn.put(&dbi, b"zz", b"1").unwrap();
    txn.commit().unwrap();
    let keys: Vec<_> = pairs(&env, "t").into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect();
    assert_eq!(keys, ["first", "inner", "parent", "zz"]);
}

#[test]
fn a_full_map_ends_the_transaction_and_spares_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let env = EnvOptions::new().map_size(1 << 20).open(dir.path()).unwrap();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"kept", b"1").unwrap();
    txn.commit().unwrap();
    let mut txn = env.write().unwrap();
    let error = (0..100_000u32).find_map(|i| txn.put(&dbi, &i.to_be_bytes(), &[0; 100]).err()).unwrap();
    assert!(matches!(error, Error::MapFull { map_size: 1_048_576 }), "{error:?}");
    assert!(error.ends_transaction());
    let later = txn.put(&dbi, b"k", b"v").unwrap_err();
    assert_eq!(later.code(), ":kv/transaction-ended");
    assert!(later.to_string().contains("does not fit the map"), "{later}");
    assert_eq!(txn.commit().unwrap_err().code(), ":kv/transaction-ended");
    assert_eq!(pairs(&env, "t"), [(b"kept".to_vec(), b"1".to_vec())]);
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"more", b"1").unwrap();
    txn.commit().unwrap();
}

/// The numbers below `count`, a prime, in an order that jumps about.
fn jumping(count: u32) -> impl Iterator<Item = [u8; 4]> {
    let place = move |number: u32| (u64::from(number) * 0x9E37_79B1 % u64::from(count)) as u32;
    (0..count).map(move |number| place(number).to_be_bytes())
}

#[test]
fn puts_that_wait_are_seen_by_everything_else() {
    let (_dir, env) = env();
    let [one, other, gone] =
        ["one", "other", "gone"].map(|name| env.open_dbi(name, DbiFlags::empty()).unwrap());
    let mut txn = env.write().unwrap();
    let mut keys = BTreeSet::new();
    for key in jumping(4001) {
        for dbi in [&one, &other, &gone] {
            txn.put(dbi, &key, b"early").unwrap();
        }
        keys.insert(key);
    }
    for key in jumping(4001) {
        txn.put(&one, &key, &key).unwrap();
        txn.put(&other, &key, b"late").unwrap();
    }
    // What one table lends out stays where it is, whatever is read of others.
    let lent: Vec<_> = keys.iter().map(|key| txn.get(&one, key).unwrap().unwrap()).collect();
    assert!(keys.iter().all(|key| txn.get(&other, key).unwrap() == Some(b"late")));
    assert!(lent.iter().zip(&keys).all(|(value, key)| value == key));
    for key in jumping(4001) {
        txn.put(&gone, &key, b"late").unwrap();
    }
    txn.drop_dbi(&gone).unwrap();
    for key in jumping(4001).take(500) {
        txn.put(&one, &key, b"taken back").unwrap();
    }
    txn.roll_back();
    txn.commit().unwrap();
    assert_eq!(env.read().unwrap().entries(&one).unwrap(), 0);

    // A value that is too long to wait, and one that replaces it.
    let long = vec![7; 100_000];
    let mut txn = env.write().unwrap();
    for key in jumping(4001) {
        txn.put(&one, &key, b"v").unwrap();
    }
    let key = |number: u32| number.to_be_bytes();
    txn.put(&one, &key(5), &long).unwrap();
    txn.put(&one, &key(6), &long).unwrap();
    txn.put(&one, &key(5), b"short").unwrap();
    assert_eq!(txn.put(&one, b"", b"v").unwrap_err().code(), ":kv/empty");
    txn.commit().unwrap();
    let read = env.read().unwrap();
    assert_eq!(read.get(&one, &key(5)).unwrap(), Some(&b"short"[..]));
    assert_eq!(read.get(&one, &key(6)).unwrap(), Some(long.as_slice()));
    assert_eq!(read.entries(&one).unwrap(), keys.len() as u64);
    assert!(lmdb_pages::check::check(read.snapshot()).problems.is_empty());
}

#[test]
fn many_waiting_puts_are_stored_in_between() {
    let (_dir, env) = env();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    let mut model = BTreeMap::new();
    for (number, key) in jumping(60_013).chain(jumping(30_011)).enumerate() {
        // More than waits at most.
        let value = vec![number as u8; number % 900];
        txn.put(&dbi, &key, &value).unwrap();
        model.insert(key.to_vec(), value);
    }
    txn.commit().unwrap();
    assert!(pairs(&env, "t").into_iter().eq(model));
    let report = lmdb_pages::check::check(&env.snapshot().unwrap());
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn values_of_types_wait_as_bytes_do() {
    let (_dir, env) = env();
    let texts: Table<Id, Str> = env.open_table("texts").unwrap();
    let blobs: Table<Id, Blob> = env.open_table("blobs").unwrap();
    let long: Table<Str, Str> = env.open_table("long").unwrap();
    // As long as a value may be that waits, header included, and one byte more and less.
    let lengths = [0, 1, 2, 100, 127, 128, 129, 65_533, 65_534, 65_535, 65_536, 100_000];
    let mut txn = env.write().unwrap();
    let mut model = BTreeMap::new();
    for (number, key) in jumping(4001).chain(jumping(2003)).enumerate() {
        let len = if number % 50 == 7 { lengths[number / 50 % lengths.len()] } else { number % 90 };
        let (key, text) = (i64::from(u32::from_be_bytes(key)) - 2000, "x".repeat(len));
        texts.put(&mut txn, key, &text).unwrap();
        blobs.put(&mut txn, key, text.as_bytes()).unwrap();
        model.insert(key, text);
    }
    // What is wrong is said at once, and nothing of it waits.
    for key in jumping(2003) {
        long.put(&mut txn, &u32::from_be_bytes(key).to_string(), "v").unwrap();
    }
    assert_eq!(long.put(&mut txn, &"7".repeat(600), "v").unwrap_err().code(), ":kv/too-long");
    assert_eq!(long.entries(&txn).unwrap(), 2003);
    txn.commit().unwrap();
    let read = env.read().unwrap();
    let stored = texts.range(&read, ..).unwrap().map(Result::unwrap);
    assert!(stored.eq(model.iter().map(|(key, text)| (*key, text.as_str()))));
    let stored = blobs.range(&read, ..).unwrap().map(Result::unwrap);
    assert!(stored.eq(model.iter().map(|(key, text)| (*key, text.as_bytes()))));
    let least = read.get(texts.dbi(), &(-2000_i64 as u64 ^ 1 << 63).to_be_bytes()).unwrap();
    assert_eq!(least.unwrap()[0], 0xFA, "the header of strings comes first");
    assert!(lmdb_pages::check::check(read.snapshot()).problems.is_empty());
    drop(read);

    // Once a transaction has ended, puts say so, those that would wait, too.
    let dir = tempfile::tempdir().unwrap();
    let env = EnvOptions::new().map_size(1 << 20).open(dir.path()).unwrap();
    let texts: Table<Id, Str> = env.open_table("texts").unwrap();
    let other = env.open_dbi("other", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    for key in jumping(4001) {
        texts.put(&mut txn, i64::from(u32::from_be_bytes(key)), "v").unwrap();
    }
    assert_eq!(txn.put(&other, b"k", &vec![7; 2 << 20]).unwrap_err().code(), ":kv/map-full");
    assert_eq!(texts.put(&mut txn, 5, "v").unwrap_err().code(), ":kv/transaction-ended");
    assert_eq!(txn.commit().unwrap_err().code(), ":kv/transaction-ended");
}

#[test]
fn waiting_puts_that_do_not_fit_end_the_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let env = EnvOptions::new().map_size(1 << 20).open(dir.path()).unwrap();
    let [dbi, small] = ["t", "small"].map(|name| env.open_dbi(name, DbiFlags::empty()).unwrap());
    let fill = |txn: &mut WriteTxn<'_>| {
        txn.put(&small, b"k", b"v").unwrap();
        // They wait, though all of them together do not fit.
        jumping(20_011).for_each(|key| txn.put(&dbi, &key, &[7; 100]).unwrap());
    };
    // Whatever asks for them first says so, and nothing else is done any more.
    let mut txn = env.write().unwrap();
    fill(&mut txn);
    assert_eq!(txn.get(&small, b"k").unwrap_err().code(), ":kv/map-full");
    assert_eq!(txn.put(&dbi, b"k", b"v").unwrap_err().code(), ":kv/transaction-ended");
    assert_eq!(txn.get(&small, b"k").unwrap_err().code(), ":kv/transaction-ended");
    assert_eq!(txn.commit().unwrap_err().code(), ":kv/transaction-ended");
    let mut txn = env.write().unwrap();
    fill(&mut txn);
    assert_eq!(txn.delete(&dbi, b"k").unwrap_err().code(), ":kv/map-full");
    assert_eq!(txn.commit().unwrap_err().code(), ":kv/transaction-ended");
    let mut txn = env.write().unwrap();
    fill(&mut txn);
    assert_eq!(txn.nested().map(drop).unwrap_err().code(), ":kv/map-full");
    drop(txn);
    let mut txn = env.write().unwrap();
    fill(&mut txn);
    assert_eq!(txn.commit().unwrap_err().code(), ":kv/map-full");
    // In a nested transaction, the outer one goes on.
    let mut txn = env.write().unwrap();
    txn.put(&small, b"kept", b"v").unwrap();
    let mut inner = txn.nested().unwrap();
    fill(&mut inner);
    assert_eq!(inner.commit().unwrap_err().code(), ":kv/map-full");
    txn.commit().unwrap();
    let read = env.read().unwrap();
    assert_eq!(read.get(&small, b"kept").unwrap(), Some(&b"v"[..]));
    assert_eq!((read.entries(&small).unwrap(), read.entries(&dbi).unwrap()), (1, 0));
    drop(read);
    // A map that grows meets it when it commits.
    env.with_growing_map(|txn| jumping(20_011).try_for_each(|key| txn.put(&dbi, &key, &[7; 100]))).unwrap();
    assert_eq!(env.read().unwrap().entries(&dbi).unwrap(), 20_011);
}

#[test]
fn heed_and_we_share_a_transaction() {
    let (_dir, env) = env();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let table = by_heed(&env, "t");
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"a", b"ours").unwrap();
    table.put(txn.heed().unwrap(), b"z", b"heed's").unwrap();
    txn.put(&dbi, b"m", b"ours again").unwrap();
    assert_eq!(txn.get(&dbi, b"z").unwrap(), Some(&b"heed's"[..]));
    txn.commit().unwrap();
    assert_eq!(pairs(&env, "t").len(), 3);
}

#[test]
fn packed_values_may_come_in_any_order_and_number() {
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};
    let (_dir, env) = env();
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for (size, count) in [(2, 40_000usize), (8, 30_000), (300, 700), (511, 200)] {
        let dbi = env.open_dbi(&format!("items of {size}"), DbiFlags::DUPFIXED).unwrap();
        let item = |number: u64| {
            let mut item = vec![0; size];
            let bytes = number.to_be_bytes();
            let start = 8usize.saturating_sub(size);
            item[..8 - start].copy_from_slice(&bytes[start..]);
            item
        };
        let mut model = BTreeSet::new();
        let ascending = (0..count as u64).map(|n| n * 2 % 65_536).collect::<BTreeSet<_>>();
        let ascending: Vec<u64> = ascending.into_iter().collect();
        let mut shuffled: Vec<u64> = (0..count).map(|_| random.random_range(0..65_536)).collect();
        shuffled.shuffle(&mut random);
        let beyond: Vec<u64> = (65_000..65_536).rev().chain(65_000..65_536).collect();
        for (at, numbers) in [ascending.clone(), shuffled, ascending, beyond].into_iter().enumerate() {
            let items: Vec<Vec<u8>> = numbers.into_iter().map(item).collect();
            let mut txn = env.write().unwrap();
            txn.put_packed(&dbi, b"list", &items.concat(), size).unwrap();
            model.extend(items);
            assert_eq!(txn.entries(&dbi).unwrap(), model.len() as u64, "size {size}, part {at}");
            txn.commit().unwrap();
        }
        let stored = pairs(&env, &format!("items of {size}")).into_iter().map(|(_, value)| value);
        assert!(stored.eq(model), "size {size}");
    }
    let report = lmdb_pages::check::check(&env.snapshot().unwrap());
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn packed_values_behind_one_that_is_there_are_not_lost() {
    let (_dir, env) = env();
    let dbi = env.open_dbi("t", DbiFlags::DUPFIXED).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"k", b"5").unwrap();
    // LMDB's own call stops at the first of these, and says that all went well.
    txn.put_packed(&dbi, b"k", b"5571", 1).unwrap();
    assert_eq!(txn.entries(&dbi).unwrap(), 3);
    txn.commit().unwrap();
    let values: Vec<u8> = pairs(&env, "t").into_iter().flat_map(|(_, value)| value).collect();
    assert_eq!(values, b"157");
}

#[test]
fn a_transaction_with_too_many_pages_says_so() {
    let (_dir, env) = env();
    let big = env.open_dbi("big", DbiFlags::empty()).unwrap();
    let small: Vec<_> =
        (0..110).map(|n| env.open_dbi(&format!("small {n}"), DbiFlags::empty()).unwrap()).collect();
    let mut txn = env.write().unwrap();
    // LMDB keeps at most 131,071 changed pages in memory, and writes some out before they are too many; but in a
    // nested transaction not those of its parent, nor the roots of tables.
    let value = vec![1; 4080];
    // A page for each value, one for each 185 references to them in leaves, and few above those.
    let pages = |values: u32| values + values / 185 + 10;
    let count = (0..131_071).rfind(|values| pages(*values) < 131_071 - 60).unwrap();
    for number in 0..count {
        txn.put(&big, &number.to_be_bytes(), &value).unwrap();
    }
    let mut nested = txn.nested().unwrap();
    let error = small.iter().find_map(|dbi| nested.put(dbi, b"k", b"v").err()).expect("too many pages");
    assert_eq!(error.code(), ":kv/transaction-full");
    assert!(error.ends_transaction() && error.to_string().contains("split it"), "{error}");
    assert_eq!(nested.put(&big, b"k", b"v").unwrap_err().code(), ":kv/transaction-ended");
    drop(nested);
    // The outer one can go on, and makes room.
    txn.put(&small[0], b"k", b"v").unwrap();
    assert_eq!(txn.entries(&big).unwrap(), u64::from(count));
    txn.abort();
    let mut txn = env.write().unwrap();
    txn.put(&big, b"k", b"v").unwrap();
    txn.commit().unwrap();
    assert_eq!(pairs(&env, "big").len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Put(u16, u8),
    Run(u16, u8),
    /// So many puts that jump about, the same for the same seed: enough of them wait, to be stored in order.
    Scatter(u64, u8),
    /// Reads a key in every way.
    Look(u16),
    /// A put that is refused if what it puts is there.
    Conditional(u16, u8),
    Reserve(u16, u8),
    /// Replaces what a cursor finds, or deletes it.
    Cursor(u16, Option<u8>),
    Delete(u16),
    DeleteDup(u16, u8),
    Clear,
    /// The values of a list at once, in any order.
    Packed(u16, Vec<u8>),
    Commit,
    Abort,
    /// Scattered puts in a nested transaction, which is committed or not.
    Nest(u64, bool),
    /// A put through heed's own API, in the same transaction.
    Lend(u16),
    /// Commits, and puts in a transaction that this crate does not see.
    Outside(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..60u16;
    prop_oneof![
        8 => (key.clone(), 0..6u8).prop_map(|(key, value)| Step::Put(key, value)),
        4 => (key.clone(), 1..40u8).prop_map(|(key, length)| Step::Run(key, length)),
        8 => (any::<u64>(), 1..150u8).prop_map(|(seed, count)| Step::Scatter(seed, count)),
        2 => key.clone().prop_map(Step::Look),
        2 => (key.clone(), 0..6u8).prop_map(|(key, value)| Step::Conditional(key, value)),
        2 => (key.clone(), 0..6u8).prop_map(|(key, value)| Step::Reserve(key, value)),
        2 => (key.clone(), prop::option::of(0..6u8)).prop_map(|(key, value)| Step::Cursor(key, value)),
        4 => key.clone().prop_map(Step::Delete),
        4 => (key.clone(), 0..6u8).prop_map(|(key, value)| Step::DeleteDup(key, value)),
        4 => (key.clone(), prop::collection::vec(0..30u8, 0..40)).prop_map(|(key, values)| Step::Packed(key, values)),
        1 => Just(Step::Clear),
        4 => Just(Step::Commit),
        1 => Just(Step::Abort),
        2 => (any::<u64>(), any::<bool>()).prop_map(|(seed, commit)| Step::Nest(seed, commit)),
        1 => key.clone().prop_map(Step::Lend),
        1 => key.prop_map(Step::Outside),
    ]
}

type Model = BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>;

fn model_put(model: &mut Model, list: bool, key: Vec<u8>, value: Vec<u8>) {
    let values = model.entry(key).or_default();
    if !list {
        values.clear();
    }
    values.insert(value);
}

/// Performs the steps on a table and on a model, and compares both at the end.
fn compare_with_model(flags: DbiFlags, steps: &[Step]) {
    let (_dir, env) = env();
    let list = flags.normalised().is_list();
    let dbi = env.open_dbi("t", flags).unwrap();
    let key = |number: u16| {
        if flags.contains(DbiFlags::INTEGERKEY) {
            u64::from(number).to_ne_bytes().to_vec()
        } else {
            // Values large enough for several leaves, keys of different lengths.
            format!("{number:04}{}", "x".repeat(number as usize % 7 * 9)).into_bytes()
        }
    };
    let value = |number: u8| if list { vec![number; 8] } else { vec![number; number as usize * 40] };
    let (mut committed, mut model) = (Model::new(), Model::new());
    let scatter = |txn: &mut WriteTxn<'_>, model: &mut Model, seed: u64, count: u8| {
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..count {
            let (k, v) = (random.random_range(0..400), random.random_range(0..6));
            txn.put(&dbi, &key(k), &value(v)).unwrap();
            model_put(model, list, key(k), value(v));
        }
    };
    let heeds = by_heed(&env, "t");
    let mut txn = env.write().unwrap();
    for step in steps {
        match *step {
            Step::Put(k, v) => {
                txn.put(&dbi, &key(k), &value(v)).unwrap();
                model_put(&mut model, list, key(k), value(v));
            }
            Step::Run(from, length) => {
                for k in from..from + u16::from(length) {
                    for v in 0..if list { 3 } else { 1 } {
                        txn.put(&dbi, &key(k), &value(v)).unwrap();
                        model_put(&mut model, list, key(k), value(v));
                    }
                }
            }
            Step::Scatter(seed, count) => scatter(&mut txn, &mut model, seed, count),
            Step::Look(k) => {
                let expected = model.get(&key(k)).and_then(|values| values.first()).map(Vec::as_slice);
                assert_eq!(txn.get(&dbi, &key(k)).unwrap(), expected);
                let mut cursor = Read::cursor(&txn, &dbi).unwrap();
                assert_eq!(cursor.seek_exact(&key(k)).unwrap().map(|(_, value)| value), expected);
                let all = txn.count(&dbi, Bound::Unbounded, Bound::Unbounded).unwrap();
                assert_eq!(all.keys, model.len() as u64);
            }
            Step::Conditional(k, v) => {
                let flags = if list { PutFlags::NODUPDATA } else { PutFlags::NOOVERWRITE };
                let there = model.get(&key(k)).is_some_and(|values| !list || values.contains(&value(v)));
                let result = txn.put_with(&dbi, &key(k), &value(v), flags);
                assert_eq!(
                    result.map_err(|error| error.code()),
                    if there { Err(":kv/key-exists") } else { Ok(()) }
                );
                if !there {
                    model_put(&mut model, list, key(k), value(v));
                }
            }
            Step::Reserve(k, v) if !list => {
                let bytes = value(v);
                txn.put_reserved(&dbi, &key(k), bytes.len(), |place| place.copy_from_slice(&bytes)).unwrap();
                model_put(&mut model, list, key(k), bytes);
            }
            Step::Reserve(..) => {}
            Step::Cursor(k, new) => {
                let mut cursor = txn.cursor_mut(&dbi).unwrap();
                let found = cursor.seek_exact(&key(k)).unwrap().map(|(_, value)| value.to_vec());
                assert_eq!(found.as_ref(), model.get(&key(k)).and_then(|values| values.first()));
                if let Some(old) = found {
                    match new {
                        Some(new) => assert!(cursor.replace(&value(new)).unwrap()),
                        None => assert!(cursor.delete().unwrap()),
                    }
                    let values = model.get_mut(&key(k)).unwrap();
                    values.remove(&old);
                    values.extend(new.map(value));
                    model.retain(|_, values| !values.is_empty());
                }
            }
            Step::Delete(k) => {
                assert_eq!(txn.delete(&dbi, &key(k)).unwrap(), model.remove(&key(k)).is_some());
            }
            Step::DeleteDup(k, v) if list => {
                let was_there = model.get_mut(&key(k)).is_some_and(|values| values.remove(&value(v)));
                model.retain(|_, values| !values.is_empty());
                assert_eq!(txn.delete_dup(&dbi, &key(k), &value(v)).unwrap(), was_there);
            }
            Step::DeleteDup(k, v) => {
                let mut inner = txn.nested().unwrap();
                inner.put(&dbi, &key(k), &value(v)).unwrap();
            }
            Step::Packed(k, ref values) if flags.contains(DbiFlags::DUPFIXED) => {
                let items: Vec<u8> = values.iter().flat_map(|v| value(*v)).collect();
                txn.put_packed(&dbi, &key(k), &items, 8).unwrap();
                values.iter().for_each(|v| model_put(&mut model, list, key(k), value(*v)));
            }
            Step::Packed(..) => {}
            Step::Clear => {
                txn.clear(&dbi).unwrap();
                model.clear();
            }
            Step::Commit => {
                txn.commit().unwrap();
                txn = env.write().unwrap();
                committed = model.clone();
                // The next step finds a transaction that knows nothing of the table yet.
                continue;
            }
            Step::Lend(k) => {
                heeds.put(txn.heed().unwrap(), &key(k), &value(1)).unwrap();
                model_put(&mut model, list, key(k), value(1));
            }
            Step::Outside(k) => {
                txn.commit().unwrap();
                let mut other = env.heed().write_txn().unwrap();
                heeds.put(&mut other, &key(k), &value(1)).unwrap();
                other.commit().unwrap();
                model_put(&mut model, list, key(k), value(1));
                committed = model.clone();
                txn = env.write().unwrap();
            }
            Step::Abort => {
                txn.abort();
                txn = env.write().unwrap();
                model = committed.clone();
            }
            Step::Nest(seed, commit) => {
                let mut inner_model = model.clone();
                let mut inner = txn.nested().unwrap();
                scatter(&mut inner, &mut inner_model, seed, 100);
                if commit {
                    inner.commit().unwrap();
                    model = inner_model;
                }
            }
        }
        if matches!(step, Step::Put(..) | Step::Scatter(..)) {
            // To look would store what waits; the next step is to meet that.
            continue;
        }
        let entries = model.values().map(BTreeSet::len).sum::<usize>();
        assert_eq!(txn.entries(&dbi).unwrap(), entries as u64);
    }
    txn.commit().unwrap();
    let mut expected: Vec<_> = model
        .into_iter()
        .flat_map(|(key, values)| values.into_iter().map(move |value| (key.clone(), value)))
        .collect();
    // Native integers on a little-endian machine compare from their last byte, too.
    if flags.intersects(DbiFlags::REVERSEKEY | DbiFlags::INTEGERKEY) {
        expected.sort_by_key(|(key, value)| (key.iter().rev().copied().collect::<Vec<_>>(), value.clone()));
    }
    assert_eq!(pairs(&env, "t"), expected);
}

fn cases() -> u32 {
    std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn plain_tables_behave_as_a_map(steps in prop::collection::vec(step(), 1..60)) {
        compare_with_model(DbiFlags::empty(), &steps);
    }

    #[test]
    fn list_tables_behave_as_a_map_of_sets(steps in prop::collection::vec(step(), 1..60)) {
        compare_with_model(DbiFlags::DUPSORT, &steps);
    }

    #[test]
    fn fixed_lists_behave_as_a_map_of_sets(steps in prop::collection::vec(step(), 1..60)) {
        compare_with_model(DbiFlags::DUPFIXED | DbiFlags::REVERSEKEY, &steps);
    }

    #[test]
    fn integer_keys_behave_as_a_map(steps in prop::collection::vec(step(), 1..60)) {
        compare_with_model(DbiFlags::INTEGERKEY, &steps);
    }
}
