//! Snapshots while a writer commits, and from several threads.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{open, open_sized, table};
use lmdb_pages::{Cursor, Lexicographic, NativeInteger, Reader, Snapshot, TableFlags, count_range};

/// Each transaction writes its number into every value and every list, and a number of keys that follows from it.
fn keys_of(generation: u64) -> u64 {
    50 + generation % 300
}

fn check(snapshot: &Snapshot) -> u64 {
    let plain = snapshot.table("plain").unwrap().unwrap();
    let lists = snapshot.table("lists").unwrap().unwrap();
    let mut cursor = Cursor::<NativeInteger>::new(snapshot, &plain).unwrap();
    let Some((_, first)) = cursor.first().unwrap() else { return 0 };
    let generation = u64::from_ne_bytes(first[..8].try_into().unwrap());
    let keys = keys_of(generation);
    assert_eq!(plain.entries(), keys);
    let count = count_range::<NativeInteger>(snapshot, &plain, Bound::Unbounded, Bound::Unbounded).unwrap();
    assert_eq!((count.keys, count.pairs), (keys, keys));
    let mut lists = Cursor::<NativeInteger, NativeInteger>::new(snapshot, &lists).unwrap();
    let mut pair = cursor.first().unwrap();
    for key in 0..keys {
        let (found, value) = pair.unwrap();
        assert_eq!(found, key.to_ne_bytes());
        assert!(value.chunks_exact(8).all(|word| word == generation.to_ne_bytes()), "a torn value");
        pair = cursor.next().unwrap();
        assert!(lists.find(&key.to_ne_bytes()).unwrap());
        let packed: Vec<u8> = lists.dup_chunks().unwrap().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
        let expected: Vec<u8> = (0..key % 7 + 1).flat_map(|i| (generation + i).to_ne_bytes()).collect();
        assert_eq!(packed, expected, "a torn list");
    }
    assert_eq!(pair, None);
    generation
}

#[test]
fn readers_see_whole_transactions_while_a_writer_commits() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let plain = table(&env, Some("plain"), TableFlags::INTEGER_KEY);
    let flags =
        TableFlags::INTEGER_KEY | TableFlags::DUP_SORT | TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP;
    let lists = table(&env, Some("lists"), flags);
    let reader = Reader::new(&env).unwrap();
    let stop = AtomicBool::new(false);
    let committed = AtomicU64::new(0);
    let checked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for generation in 1.. {
                let mut txn = env.write_txn().unwrap();
                plain.clear(&mut txn).unwrap();
                lists.clear(&mut txn).unwrap();
                for key in 0..keys_of(generation) {
                    let words = 1 + (key as usize * 37) % 400;
                    plain.put(&mut txn, &key.to_ne_bytes(), &generation.to_ne_bytes().repeat(words)).unwrap();
                    for i in 0..key % 7 + 1 {
                        lists.put(&mut txn, &key.to_ne_bytes(), &(generation + i).to_ne_bytes()).unwrap();
                    }
                }
                txn.commit().unwrap();
                committed.store(generation, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let start = Instant::now();
                    let mut last = 0;
                    let mut kept = reader.snapshot().unwrap();
                    while start.elapsed() < Duration::from_millis(1200) {
                        let floor = committed.load(Ordering::SeqCst);
                        let snapshot = reader.snapshot().unwrap();
                        let generation = check(&snapshot);
                        assert!(generation >= last, "snapshots never go back");
                        assert!(generation >= floor, "a snapshot sees what was committed before it");
                        if generation.is_multiple_of(16) {
                            check(&kept);
                            kept = snapshot;
                        }
                        last = generation;
                        checked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for reader in readers {
            reader.join().unwrap();
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(committed.load(Ordering::SeqCst) > 10);
    assert!(checked.load(Ordering::Relaxed) > 10);
}

#[test]
fn fast_commits_do_not_tear_the_roots() {
    // Commits so small that the meta pages change as fast as they can.
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let plain = table(&env, None, TableFlags::empty());
    let reader = Reader::new(&env).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut key = 0u64;
            while !stop.load(Ordering::Relaxed) {
                let mut txn = env.write_txn().unwrap();
                plain.put(&mut txn, b"number", &key.to_ne_bytes()).unwrap();
                plain.put(&mut txn, b"again", &key.to_ne_bytes()).unwrap();
                txn.commit().unwrap();
                key += 1;
            }
        });
        let start = Instant::now();
        let mut taken = 0;
        while start.elapsed() < Duration::from_millis(700) {
            let snapshot = reader.snapshot().unwrap();
            let mut cursor = Cursor::<Lexicographic>::new(&snapshot, &snapshot.main()).unwrap();
            let number = cursor.get(b"number").unwrap();
            assert_eq!(number, cursor.get(b"again").unwrap());
            taken += 1;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(taken > 10);
    });
}

#[test]
fn many_threads_share_one_reader_slot() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let plain = table(&env, None, TableFlags::empty());
    let mut txn = env.write_txn().unwrap();
    for key in 0..5000u32 {
        plain.put(&mut txn, &key.to_be_bytes(), &key.to_le_bytes()).unwrap();
    }
    txn.commit().unwrap();
    let reader = Reader::new(&env).unwrap();
    let snapshot = reader.snapshot().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u32 {
            let snapshot = snapshot.clone();
            scope.spawn(move || {
                let mut cursor = Cursor::<Lexicographic>::new(&snapshot, &snapshot.main()).unwrap();
                for key in (0..5000u32).map(|key| (key * 7 + thread) % 5000) {
                    assert_eq!(cursor.get(&key.to_be_bytes()).unwrap(), Some(&key.to_le_bytes()[..]));
                }
            });
        }
    });
    assert_eq!(env.info().number_of_readers, 1);
}

#[test]
#[expect(unsafe_code, reason = "resizing an environment is unsafe in heed")]
fn the_file_may_outgrow_the_mapping() {
    let dir = tempfile::tempdir().unwrap();
    let env = open_sized(dir.path(), 1 << 20);
    let plain = table(&env, None, TableFlags::empty());
    let reader = Reader::new(&env).unwrap();
    for round in 0..4u32 {
        // SAFETY: no transaction is active; the last snapshot was dropped at the end of the loop.
        unsafe { env.resize((1 << 20) << (2 * round)).unwrap() };
        let mut txn = env.write_txn().unwrap();
        for key in 0..80u32 << (2 * round) {
            plain.put(&mut txn, &key.to_be_bytes(), &[round as u8; 2000]).unwrap();
        }
        txn.commit().unwrap();
        let snapshot = reader.snapshot().unwrap();
        let mut cursor = Cursor::<Lexicographic>::new(&snapshot, &snapshot.main()).unwrap();
        let mut pair = cursor.last().unwrap();
        for key in (0..80u32 << (2 * round)).rev() {
            assert_eq!(pair, Some((&key.to_be_bytes()[..], &[round as u8; 2000][..])));
            pair = cursor.prev().unwrap();
        }
    }
}
