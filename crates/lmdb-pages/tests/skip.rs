//! Skipping many entries at once arrives where single steps arrive.

#![allow(clippy::unwrap_used, reason = "tests")]

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseFlags, Env, EnvOpenOptions, WithoutTls};
use lmdb_pages::{Cursor, Lexicographic, Reader};

fn env() -> (tempfile::TempDir, Env<WithoutTls>) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(1 << 28).max_dbs(4);
    // SAFETY: a fresh directory that nobody else uses.
    #[expect(unsafe_code, reason = "heed opens files by unsafe calls")]
    let env = unsafe { options.open(dir.path()) }.unwrap();
    (dir, env)
}

fn fill(env: &Env<WithoutTls>, flags: DatabaseFlags, pairs: impl Iterator<Item = (u32, u32)>) {
    let txn = env.write_txn().unwrap();
    let table: Database<'static, Bytes, Bytes> = env
        .create_databases_and_commit(txn, |opener, txn| {
            let mut options = opener.database_options().types::<Bytes, Bytes>();
            options.name("t").flags(flags);
            options.create(txn).map(CommitOrAbort::<_, ()>::Commit)
        })
        .unwrap()
        .unwrap_commit();
    let mut txn = env.write_txn().unwrap();
    for (key, value) in pairs {
        table.put(&mut txn, &key.to_be_bytes(), &value.to_be_bytes()).unwrap();
    }
    txn.commit().unwrap();
}

fn compare(flags: DatabaseFlags, pairs: impl Iterator<Item = (u32, u32)>) {
    let (_dir, env) = env();
    fill(&env, flags, pairs);
    let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
    let table = snapshot.table("t").unwrap().unwrap();
    let mut cursor: Cursor<'_, Lexicographic> = Cursor::new(&snapshot, &table).unwrap();
    assert_eq!(cursor.skip_keys(1).unwrap(), None);
    assert_eq!(cursor.skip_pairs(1).unwrap(), None);
    let mut all = Vec::new();
    let mut keys = Vec::new();
    let mut place = cursor.first().unwrap();
    let mut last = None;
    while let Some(pair) = place {
        if last != Some(pair.0) {
            keys.push(all.len());
            last = Some(pair.0);
        }
        all.push(pair);
        place = cursor.next().unwrap();
    }
    for (number, &start) in keys.iter().enumerate().step_by(keys.len() / 7 + 1) {
        for distance in [0, 1, 2, 5, 63, 64, 500, 501, 2000, 100_000] {
            cursor.seek_exact(all[start].0).unwrap();
            let expected = keys.get(number + distance).map(|at| all[*at]);
            assert_eq!(cursor.skip_keys(distance as u64).unwrap(), expected);
            // The cursor is truly there: it goes on from there.
            let next = keys.get(number + distance + 1).map(|at| all[*at]);
            assert_eq!(cursor.next_key().unwrap(), next);
            cursor.seek_exact(all[start].0).unwrap();
            let expected = all.get(start + distance).copied();
            assert_eq!(cursor.skip_pairs(distance as u64).unwrap(), expected);
            assert_eq!(cursor.current().unwrap(), expected);
            assert_eq!(cursor.next().unwrap(), all.get(start + distance + 1).copied());
            if expected.is_some() {
                cursor.seek_exact(all[start].0).unwrap();
                cursor.skip_pairs(distance as u64).unwrap();
                let previous = (start + distance).checked_sub(1).map(|at| all[at]);
                assert_eq!(cursor.prev().unwrap(), previous);
            }
        }
    }
}

#[test]
fn skipping_in_plain_tables() {
    compare(DatabaseFlags::empty(), (0..5000).map(|key| (key * 3, key)));
    compare(DatabaseFlags::empty(), std::iter::once((1, 1)));
}

#[test]
fn skipping_in_tables_with_duplicates() {
    // Single values, sub-pages and trees of values, in turn.
    let pairs = || {
        (0..60u32)
            .flat_map(|key| (0..[1, 4, 1, 60, 900][key as usize % 5]).map(move |value| (key, value * 2)))
    };
    compare(DatabaseFlags::DUP_SORT, pairs());
    compare(DatabaseFlags::DUP_SORT | DatabaseFlags::DUP_FIXED, pairs());
}
