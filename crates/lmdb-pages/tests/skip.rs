//! Skipping many entries at once arrives where single steps arrive, and counting in runs gives what they give.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::Bound;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseFlags, Env, EnvOpenOptions, WithoutTls};
use lmdb_pages::{Cursor, Lexicographic, Reader, Run, count_in_runs};

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

/// Counts in runs that begin and end where leaves do, or anywhere, under one branch page or several.
#[test]
fn counting_in_runs_of_known_length() {
    // Only odd keys are there, in full leaves and in halves of leaves.
    let all: Vec<u32> = (0..100_000u32).map(|n| 2 * n + 1).collect();
    for flags in [DatabaseFlags::empty(), DatabaseFlags::DUP_SORT] {
        let (_dir, env) = env();
        let (early, late): (Vec<u32>, Vec<u32>) = all.iter().partition(|key| *key % 14 < 10);
        fill(&env, flags, early.iter().chain(&late).map(|key| (*key, *key)));
        if flags.contains(DatabaseFlags::DUP_SORT) {
            fill(&env, flags, (0..5_000).map(|n| (all[n / 5 * 3], 100_000 + n as u32)));
        }
        let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
        let table = snapshot.table("t").unwrap().unwrap();
        assert!(table.stat().depth >= 3, "{:?}", table.stat());
        let before = |key: u32| u64::from(key / 2).min(all.len() as u64);
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for low in 0..2_000 {
            for len in [2, 3, 60, 256, 700] {
                runs.push((low * 100, low * 100 + len));
            }
        }
        runs.extend((0..200).map(|n| (n * 849, n * 849 + 30_000)));
        for (number, &(low, high)) in runs.iter().enumerate() {
            let (first, last) = (low.to_be_bytes(), high.to_be_bytes());
            // Every third run begins with the table, and another third ends with it, if that is near.
            let begins = number % 3 == 0 && low < 600;
            let ends = number % 3 == 1 && high > 199_000;
            let start = if begins { 0 } else { before(low) };
            let end = if ends { all.len() as u64 } else { before(high) };
            let run = Run {
                low: (!begins).then_some(&first[..]),
                high: (!ends).then_some(&last[..]),
                keys: end.saturating_sub(start),
            };
            let at = [low + (high - low) / 5, high - 1].map(|key| key.max(low));
            let keys = at.map(u32::to_be_bytes);
            let counts = count_in_runs::<Lexicographic, 2>(
                &snapshot,
                &table,
                [(run, Bound::Excluded(&keys[0][..])), (run, Bound::Included(&keys[1][..]))],
            );
            let expected = [before(at[0]) - start, before(at[1] + 1) - start];
            assert_eq!(counts.unwrap(), expected, "{low}..{high} at {at:?}, {flags:?}");
        }
    }
}
