//! Transactions inside transactions, beside each other, and begun again.

use std::time::Duration;

use factum_kv::codec::{Long, Str};
use factum_kv::{DbiFlags, DbiOptions, Durability, Env, EnvOptions, Error, PutFlags, Read, Table};

use super::{code, quick};

fn keys(read: &impl Read, dbi: &factum_kv::Dbi) -> Vec<String> {
    let mut cursor = read.cursor(dbi).unwrap();
    let mut keys = Vec::new();
    while let Some((key, _)) = cursor.next().unwrap() {
        keys.push(String::from_utf8(key.to_vec()).unwrap());
    }
    keys
}

/// The scenario of the Lisp binding's manual, four levels deep: the parent writes, its first child commits, in which a
/// grandchild commits and a great-grandchild aborts; its second child aborts; a reader sees the parent and the first.
#[test]
fn four_levels_of_savepoints() {
    let (_dir, env) = quick();
    for options in [DbiOptions::new(), DbiOptions::new().counted(true), DbiOptions::list().counted(true)] {
        let name = format!("{options:?}");
        let dbi = env.open_dbi(&name, options.clone()).unwrap();
        let outside = env.read().unwrap();
        let mut parent = env.write().unwrap();
        parent.put(&dbi, b"parent", b"0").unwrap();
        let mut child = parent.nested().unwrap();
        child.put(&dbi, b"child", b"0").unwrap();
        let mut grandchild = child.nested().unwrap();
        grandchild.put(&dbi, b"grandchild", b"0").unwrap();
        let mut last = grandchild.nested().unwrap();
        last.put(&dbi, b"lost", b"0").unwrap();
        assert!(last.delete(&dbi, b"parent").unwrap());
        assert_eq!(keys(&last, &dbi), ["child", "grandchild", "lost"]);
        last.abort();
        assert_eq!(keys(&grandchild, &dbi), ["child", "grandchild", "parent"]);
        grandchild.commit().unwrap();
        child.commit().unwrap();
        let mut second = parent.nested().unwrap();
        second.clear(&dbi).unwrap();
        second.put(&dbi, b"second", b"0").unwrap();
        assert_eq!(second.entries(&dbi).unwrap(), 1);
        drop(second);
        if options.is_counted() {
            assert_eq!(parent.rank(&dbi, b"parent").unwrap().pairs, 2);
        }
        // Neither the state from before nor a new one knows of it yet.
        assert_eq!(keys(&outside, &dbi), [""; 0]);
        assert_eq!(keys(&env.read().unwrap(), &dbi), [""; 0]);
        parent.commit().unwrap();
        assert_eq!(keys(&outside, &dbi), [""; 0]);
        let read = env.read().unwrap();
        assert_eq!(keys(&read, &dbi), ["child", "grandchild", "parent"]);
        if options.is_counted() {
            read.verify_counts(&dbi).unwrap();
        }

        // What the child committed goes with the parent that aborts.
        let mut parent = env.write().unwrap();
        parent.with_nested(|txn| txn.put(&dbi, b"z", b"0")).unwrap();
        parent.abort();
        assert_eq!(keys(&env.read().unwrap(), &dbi), ["child", "grandchild", "parent"]);
    }
}

#[test]
fn closures_commit_abort_and_roll_back() {
    let (_dir, env) = quick();
    let table: Table<Str, Long> = env.open_table("t").unwrap();
    let get = |key: &str| table.get(&env.read().unwrap(), key).unwrap();
    env.with_transaction(|txn| {
        table.put(txn, "kept", 1)?;
        // Rolled back without an error, still read inside.
        let inside = txn.with_nested(|txn| {
            table.put(txn, "kept", 2)?;
            txn.roll_back();
            table.get(txn, "kept")
        })?;
        assert_eq!(inside, Some(2));
        // Taken back with an error that goes no further.
        let failed = txn.with_nested(|txn| {
            table.put(txn, "failed", 1)?;
            txn.put_with(table.dbi(), table_key("kept").as_slice(), b"", PutFlags::NOOVERWRITE)
        });
        assert_eq!(code(failed), ":kv/key-exists");
        table.put(txn, "after", table.get(txn, "kept")?.unwrap_or(0) + 10)
    })
    .unwrap();
    assert_eq!((get("kept"), get("failed"), get("after")), (Some(1), None, Some(11)));
    let value = env.with_transaction(|txn| {
        table.put(txn, "kept", 9)?;
        txn.roll_back();
        assert!(txn.is_rolled_back());
        Ok::<_, Error>("value")
    });
    assert_eq!((value.unwrap(), get("kept")), ("value", Some(1)));
    let panicked = std::panic::catch_unwind(|| {
        env.with_transaction(|txn| -> factum_kv::Result<()> {
            table.put(txn, "kept", 9)?;
            panic!("in the middle")
        })
    });
    assert!(panicked.is_err());
    assert_eq!(get("kept"), Some(1));
}

fn table_key(key: &str) -> Vec<u8> {
    use factum_kv::codec::{Buffer, Codec};
    Str.encode(key, &mut Buffer::new()).unwrap().to_vec()
}

#[test]
fn readers_beside_a_writer_on_one_thread() {
    let (_dir, env) = quick();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let before = env.read().unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"k", b"v").unwrap();
    let during = env.read().unwrap();
    assert_eq!((before.txn_id(), before.entries(&dbi).unwrap()), (during.txn_id(), 0));
    assert_eq!(txn.entries(&dbi).unwrap(), 1);
    // No upgrade and no second writer, on this thread or by way of the queue.
    assert_eq!(code(env.write().map(drop)), ":kv/would-deadlock");
    assert_eq!(code(env.try_write(Duration::from_secs(60)).map(drop)), ":kv/would-deadlock");
    assert_eq!(code(env.with_transaction(|_| Ok::<_, Error>(()))), ":kv/would-deadlock");
    assert_eq!(code(env.transact(&factum_kv::Batch::new())), ":kv/would-deadlock");
    assert_eq!(code(env.set_map_size(1 << 41)), ":kv/would-deadlock");
    txn.commit().unwrap();
    // Ids rise with commits only.
    let after = env.read().unwrap();
    assert_eq!(after.txn_id(), before.txn_id() + 1);
    env.write().unwrap().abort();
    assert_eq!(env.read().unwrap().txn_id(), after.txn_id());
}

#[test]
fn a_full_map_grows_where_the_transaction_can_be_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let env = EnvOptions::new().map_size(1 << 20).durability(Durability::None).open(dir.path()).unwrap();
    let dbi = env.open_dbi("t", DbiOptions::new().counted(true)).unwrap();
    let read = env.read().unwrap();
    let mut calls = 0;
    let fill = |txn: &mut factum_kv::WriteTxn<'_>| -> Result<(), String> {
        for number in 0..20_000u32 {
            // The error of a full map does not even reach the caller as such.
            txn.put(&dbi, &number.to_be_bytes(), &[7; 200]).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    #[derive(Debug)]
    struct Said(#[expect(dead_code, reason = "shown if the test fails")] String);
    impl From<Error> for Said {
        fn from(error: Error) -> Self {
            Self(error.to_string())
        }
    }
    env.with_growing_map(|txn| {
        calls += 1;
        txn.with_nested(|txn| fill(txn).map_err(Said))
    })
    .unwrap();
    assert!(calls > 1, "{calls}");
    assert_eq!(env.read().unwrap().entries(&dbi).unwrap(), 20_000);
    env.read().unwrap().verify_counts(&dbi).unwrap();
    assert_eq!(read.entries(&dbi).unwrap(), 0);
    // Other errors are not tried again.
    let mut calls = 0;
    let result = env.with_growing_map(|txn| {
        calls += 1;
        txn.put(&dbi, b"", b"")
    });
    assert_eq!((code(result), calls), (":kv/empty", 1));
}

#[test]
fn the_state_before_the_newest_commit_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::open(dir.path()).unwrap();
    let table: Table<Str, Long> = env.open_table("t").unwrap();
    for number in 1..=2 {
        env.with_transaction(|txn| table.put(txn, "number", number)).unwrap();
    }
    env.close(Duration::from_secs(10)).unwrap();
    let previous = EnvOptions::new().previous_snapshot(true);
    let number = |env: &Env| {
        let table: Table<Str, Long> = env.open_table("t").unwrap();
        table.get(&env.read().unwrap(), "number").unwrap()
    };
    let env = previous.open(dir.path()).unwrap();
    assert_eq!(number(&env), Some(1));
    env.close(Duration::from_secs(10)).unwrap();
    // Having looked changes nothing; having written does.
    let env = Env::open(dir.path()).unwrap();
    assert_eq!(number(&env), Some(2));
    env.close(Duration::from_secs(10)).unwrap();
    let env = previous.open(dir.path()).unwrap();
    let table: Table<Str, Long> = env.open_table("t").unwrap();
    env.with_transaction(|txn| table.put(txn, "other", 5)).unwrap();
    assert_eq!(number(&env), Some(1));
    env.close(Duration::from_secs(10)).unwrap();
    let env = Env::open(dir.path()).unwrap();
    assert_eq!(number(&env), Some(1));
}
