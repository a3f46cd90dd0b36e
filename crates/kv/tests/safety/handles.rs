//! Handles on tables: none ever reaches another table than its own.

use factum_kv::{DbiFlags, Env, Read};

use super::{code, quick};

fn value<'r>(read: &'r impl Read, dbi: &factum_kv::Dbi) -> factum_kv::Result<Option<&'r [u8]>> {
    read.get(dbi, b"k")
}

fn put(env: &Env, dbi: &factum_kv::Dbi, value: &[u8]) -> factum_kv::Result<()> {
    let mut txn = env.write()?;
    txn.put(dbi, b"k", value)?;
    txn.commit()
}

#[test]
fn a_stale_handle_never_reads_the_table_that_took_its_place() {
    let (_dir, env) = quick();
    let old = env.open_dbi("t", DbiFlags::empty()).unwrap();
    put(&env, &old, b"old").unwrap();
    let before = env.read().unwrap();
    let mut txn = env.write().unwrap();
    txn.drop_dbi(&old).unwrap();
    txn.commit().unwrap();
    assert_eq!(code(value(&env.read().unwrap(), &old)), ":kv/no-such-dbi");

    // Another name, to which LMDB gives the number that has become free.
    let other = env.open_dbi("other", DbiFlags::empty()).unwrap();
    put(&env, &other, b"other").unwrap();
    assert_eq!(code(value(&env.read().unwrap(), &old)), ":kv/no-such-dbi");
    assert_eq!(code(put(&env, &old, b"x")), ":kv/no-such-dbi");

    // The same name and the same flags.
    let new = env.open_dbi("t", DbiFlags::empty()).unwrap();
    assert_ne!(new, old);
    put(&env, &new, b"new").unwrap();
    assert_eq!(code(value(&env.read().unwrap(), &old)), ":kv/stale-dbi");
    assert_eq!(code(put(&env, &old, b"x")), ":kv/stale-dbi");
    assert_eq!(code(value(&env.write().unwrap(), &old)), ":kv/stale-dbi");
    assert_eq!(env.existing_dbi("t").unwrap(), new);
    assert_eq!(value(&env.read().unwrap(), &new).unwrap(), Some(&b"new"[..]));

    // The state before: there the old handle is right, and the new one is not.
    assert_eq!(value(&before, &old).unwrap(), Some(&b"old"[..]));
    assert_eq!(code(value(&before, &new)), ":kv/stale-dbi");
}

/// LMDB's numbers of tables are remembered from one transaction to the next. A dropping that is taken back gives them free
/// for others all the same.
#[test]
fn remembered_numbers_survive_no_dropping() {
    let (_dir, env) = quick();
    let [kept, dropped] = ["kept", "dropped"].map(|name| env.open_dbi(name, DbiFlags::empty()).unwrap());
    for round in 0..20u8 {
        put(&env, &kept, &[round]).unwrap();
        put(&env, &dropped, &[round]).unwrap();
        put(&env, &dropped, &[round + 1]).unwrap();
        let mut txn = env.write().unwrap();
        if round % 2 == 0 {
            txn.put(&kept, b"k", b"taken back").unwrap();
        }
        txn.drop_dbi(&dropped).unwrap();
        if round % 3 == 0 {
            txn.open_dbi("dropped", DbiFlags::empty()).unwrap();
        }
        txn.abort();
        let other = env.open_dbi(&format!("other {round}"), DbiFlags::empty()).unwrap();
        put(&env, &other, b"other").unwrap();
        put(&env, &dropped, &[round + 2]).unwrap();
        put(&env, &kept, &[round + 1]).unwrap();
        let read = env.read().unwrap();
        assert_eq!(value(&read, &other).unwrap(), Some(&b"other"[..]));
        assert_eq!(value(&read, &dropped).unwrap(), Some(&[round + 2][..]));
        assert_eq!(value(&read, &kept).unwrap(), Some(&[round + 1][..]));
    }
    // Once heed's handle is out, anybody may drop, and take it back.
    let heeds = env.heed();
    put(&env, &kept, b"1").unwrap();
    let txn = heeds.write_txn().unwrap();
    txn.abort();
    put(&env, &kept, b"2").unwrap();
    assert_eq!(value(&env.read().unwrap(), &kept).unwrap(), Some(&b"2"[..]));
}

#[test]
fn dropping_and_making_again_in_one_transaction() {
    let (_dir, env) = quick();
    let old = env.open_dbi("t", DbiFlags::empty()).unwrap();
    put(&env, &old, b"old").unwrap();
    let rounds = |commit: bool| {
        let mut txn = env.write().unwrap();
        txn.drop_dbi(&old).unwrap();
        assert_eq!(code(txn.put(&old, b"k", b"x")), ":kv/no-such-dbi");
        let mut nested = txn.nested().unwrap();
        let second = nested.open_dbi("t", DbiFlags::empty()).unwrap();
        assert_eq!(value(&nested, &second).unwrap(), None);
        nested.put(&second, b"k", b"second").unwrap();
        assert_eq!(code(value(&nested, &old)), ":kv/stale-dbi");
        nested.commit().unwrap();
        assert_eq!(value(&txn, &second).unwrap(), Some(&b"second"[..]));
        txn.drop_dbi(&second).unwrap();
        let third = txn.open_dbi("t", DbiFlags::empty()).unwrap();
        txn.put(&third, b"k", b"third").unwrap();
        assert_eq!(code(value(&txn, &second)), ":kv/stale-dbi");
        assert_eq!(txn.existing_dbi("t").unwrap(), third);
        // Outside, nothing has happened yet.
        assert_eq!(value(&env.read().unwrap(), &old).unwrap(), Some(&b"old"[..]));
        if commit {
            txn.commit().unwrap();
        } else {
            txn.abort();
        }
        (second, third)
    };

    let (second, third) = rounds(false);
    assert_eq!(value(&env.read().unwrap(), &old).unwrap(), Some(&b"old"[..]));
    put(&env, &old, b"still").unwrap();
    assert_eq!(env.existing_dbi("t").unwrap(), old);
    assert_eq!(code(value(&env.read().unwrap(), &third)), ":kv/stale-dbi");
    assert_eq!(code(value(&env.read().unwrap(), &second)), ":kv/stale-dbi");

    let (second, third) = rounds_after(&env, rounds);
    let read = env.read().unwrap();
    assert_eq!(code(value(&read, &old)), ":kv/stale-dbi");
    assert_eq!(code(value(&read, &second)), ":kv/stale-dbi");
    assert_eq!(value(&read, &third).unwrap(), Some(&b"third"[..]));
}

/// Sets the table back to what the rounds expect, and commits one.
fn rounds_after(
    env: &Env,
    rounds: impl Fn(bool) -> (factum_kv::Dbi, factum_kv::Dbi),
) -> (factum_kv::Dbi, factum_kv::Dbi) {
    put(env, &env.existing_dbi("t").unwrap(), b"old").unwrap();
    rounds(true)
}

#[test]
fn options_of_a_dropped_table_are_forgotten() {
    use factum_kv::DbiOptions;
    let (_dir, env) = quick();
    let counted = env.open_dbi("t", DbiOptions::new().counted(true)).unwrap();
    put(&env, &counted, b"v").unwrap();
    assert_eq!(
        env.read()
            .unwrap()
            .count(&counted, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded)
            .unwrap()
            .pairs,
        1
    );
    let mut txn = env.write().unwrap();
    txn.drop_dbi(&counted).unwrap();
    let plain = txn.open_dbi("t", DbiOptions::new()).unwrap();
    assert!(!txn.dbi_options(&plain).unwrap().is_counted());
    txn.commit().unwrap();
    assert_eq!(code(env.open_dbi("t", DbiOptions::new().counted(true))), ":kv/dbi-options-conflict");
}

#[test]
fn the_unnamed_table_is_out_of_reach() {
    use heed::types::Bytes;
    let (_dir, env) = quick();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    put(&env, &dbi, b"v").unwrap();
    // A plain record, as only heed, or another program, can put it there.
    let txn = env.heed().write_txn().unwrap();
    env.heed()
        .create_databases_and_commit(txn, |opener, txn| {
            let unnamed = opener.create_database::<Bytes, Bytes>(txn, None)?;
            unnamed.put(txn, b"record", b"v")?;
            heed::Result::Ok(heed::CommitOrAbort::<_, ()>::Commit(()))
        })
        .unwrap();
    assert_eq!(env.dbi_names().unwrap(), ["t"]);
    assert_eq!(code(env.open_dbi("", DbiFlags::empty())), ":kv/bad-dbi-name");
    assert_eq!(code(env.existing_dbi("record")), ":kv/bad-dbi-name");
    assert_eq!(code(env.open_dbi("record", DbiFlags::empty())), ":kv/bad-dbi-name");
    let mut txn = env.write().unwrap();
    assert_eq!(code(txn.existing_dbi("record")), ":kv/bad-dbi-name");
    assert_eq!(code(txn.open_dbi("record", DbiFlags::empty())), ":kv/bad-dbi-name");
    // Nothing has ended the transaction, and a dump is not disturbed either.
    txn.put(&dbi, b"l", b"v").unwrap();
    txn.commit().unwrap();
    let report = env.read().unwrap().dump(&[], factum_kv::DumpFormat::Factum, Vec::new()).unwrap();
    assert_eq!((report.tables, report.pairs), (1, 2));
}
