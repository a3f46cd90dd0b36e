//! Damaged files: every operation answers or reports an error; none crashes, none runs forever.
//!
//! Files are written by LMDB, and by this crate's builder, which Miri can interpret, so that what reads raw memory is
//! looked at by both: `cargo +nightly miri test -p lmdb-pages --test damaged` (with `MIRIFLAGS=-Zmiri-disable-isolation`).

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ops::Bound;

use common::shape::{SHAPES, Shape};
use common::{cases, open, table, with_orders};
use lmdb_pages::build::{BuildOptions, Builder};
use lmdb_pages::{
    Cursor, Error, Lexicographic, Order, OrderKind, Reader, Result, Run, Snapshot, count_in_runs,
    count_range, estimate_range,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Bytes of a page: fewer for Miri, to which each pair takes long.
const PAGE: usize = if cfg!(miri) { 2048 } else { 4096 };

/// The kinds of tables in the files; for Miri one of each sort of page.
fn shapes() -> impl Iterator<Item = (usize, &'static Shape)> {
    let all = SHAPES.iter().enumerate().take(16);
    all.filter(|(number, _)| !cfg!(miri) || [0, 5, 7, 10].contains(number))
}

/// A file with a table of every shape, each with plain values, sub-pages, sub-trees or overflow values.
fn file_of_all_shapes() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    for (number, shape) in shapes() {
        let written = table(&env, Some(&number.to_string()), shape.flags);
        let mut txn = env.write_txn().unwrap();
        for key in 0..60u16 {
            let dups = if shape.dups() { [1, 2, 4, 60, 1][usize::from(key % 5)] } else { 1 };
            for dup in 0..dups {
                written.put(&mut txn, &shape.key.make(key * 3), &shape.value.make(dup * 7)).unwrap();
            }
        }
        for dup in 0..900 {
            written.put(&mut txn, &shape.key.make(33), &shape.value.make(dup)).unwrap();
        }
        txn.commit().unwrap();
    }
    drop(env);
    std::fs::read(dir.path().join("data.mdb")).unwrap()
}

/// The same kinds of tables in a file that the builder made.
fn built_file_of_all_shapes() -> Vec<u8> {
    let (keys, many) = if cfg!(miri) { (5, 130) } else { (60, 900) };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.mdb");
    let builder = Builder::create(&path, BuildOptions::new().page_size(PAGE).sync(false)).unwrap();
    for (number, shape) in shapes() {
        let mut pairs = Vec::new();
        for key in 0..keys {
            let dups = if shape.dups() { [1, 2, 4, 60, 1][usize::from(key % 5)] } else { 1 };
            pairs.extend((0..dups).map(|dup| (shape.key.make(key * 3), shape.value.make(dup * 7))));
        }
        if shape.dups() {
            pairs.extend((0..many).map(|dup| (shape.key.make(6), shape.value.make(dup))));
        }
        let orders = (OrderKind::of_keys(shape.flags), OrderKind::of_duplicates(shape.flags));
        pairs.sort_by(|a, b| orders.0.compare(&a.0, &b.0).then_with(|| orders.1.compare(&a.1, &b.1)));
        pairs.dedup_by(|a, b| a.0 == b.0 && (!shape.dups() || a.1 == b.1));
        let mut table = builder.table(&number.to_string(), shape.flags).unwrap();
        pairs.iter().for_each(|(key, value)| table.push(key, value).unwrap());
        table.finish().unwrap();
    }
    builder.finish().unwrap();
    std::fs::read(path).unwrap()
}

/// Does everything that can be done with a table; errors end it.
fn exercise<K: Order, D: Order>(snapshot: &Snapshot, name: &str, steps: &mut u64) -> Result<()> {
    let Some(table) = snapshot.table(name)? else { return Ok(()) };
    let number: usize = name.parse().unwrap();
    let shape = &SHAPES[number];
    let new = || Cursor::<K, D>::new(snapshot, &table);
    let mut touched = 0u64;
    let mut touch = |bytes: &[u8]| touched += u64::from(bytes.iter().fold(0, |sum: u8, byte| sum ^ byte));
    let mut forward = || -> Result<()> {
        let mut cursor = new()?;
        while let Some((key, value)) = cursor.next()? {
            touch(key);
            touch(value);
            *steps += 1;
        }
        Ok(())
    };
    let forward = forward();
    let mut backward = || -> Result<()> {
        let mut cursor = new()?;
        while let Some((key, value)) = cursor.prev()? {
            touch(key);
            touch(value);
            *steps += 1;
        }
        Ok(())
    };
    let backward = backward();
    let mut cursor = new()?;
    for key in 0..if cfg!(miri) { 8 } else { 70u16 } {
        let (key, value) = (shape.key.make(key * 3), shape.value.make(key));
        // Errors here do not end the loop: a cursor must be usable after one.
        let _ = cursor.seek(&key);
        let _ = lmdb_pages::get::<K>(snapshot, &table, &key);
        let _ = cursor.dup_count();
        let _ = cursor.next_dup();
        let _ = cursor.prev_key();
        let _ = cursor.seek_dup(&key, &value);
        let _ = cursor.last_dup();
        let _ = cursor.next();
        let _ = cursor.seek_le(&key);
        let _ = cursor.current();
        if let Ok(chunks) = cursor.dup_chunks() {
            chunks.map_while(Result::ok).for_each(&mut touch);
        }
        let _ = count_range::<K>(snapshot, &table, Bound::Included(&key), Bound::Unbounded);
        let run = Run { low: Some(&key), high: None, keys: 7 };
        let _ = count_in_runs::<K, 1>(snapshot, &table, [(run, Bound::Included(&key))]);
        let run = Run { low: None, high: Some(&key), keys: u64::MAX };
        let _ = count_in_runs::<K, 1>(snapshot, &table, [(run, Bound::Excluded(&key))]);
        let _ = estimate_range::<K>(snapshot, &table, Bound::Included(&key), Bound::Unbounded);
    }
    count_range::<K>(snapshot, &table, Bound::Unbounded, Bound::Unbounded)?;
    forward.and(backward)
}

/// Whether the checker finds nothing wrong.
fn is_sound(snapshot: &Snapshot) -> bool {
    let report = lmdb_pages::check::check(snapshot);
    assert!(report.problems.iter().all(|problem| !problem.to_string().is_empty()));
    report.is_sound()
}

/// How many of the tables could be read without an error.
fn exercise_all(snapshot: &Snapshot) -> usize {
    let mut steps = 0;
    let mut sound = 0;
    for (number, shape) in shapes() {
        let name = number.to_string();
        with_orders!(shape.flags, K, D => {
            match exercise::<K, D>(snapshot, &name, &mut steps) {
                Ok(()) => sound += 1,
                Err(Error::Corrupted { .. } | Error::NotATable { .. } | Error::WrongOrder { .. }) => {}
                Err(error) => panic!("unexpected: {error}"),
            }
        });
        assert!(steps < 10_000_000, "a walk does not end");
    }
    let _ = snapshot.table_names();
    sound
}

/// Damages a copy of the file at random.
fn mutate(file: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = file.to_vec();
    let pages = bytes.len() / PAGE;
    for _ in 0..rng.random_range(1..8) {
        let page = rng.random_range(0..pages) * PAGE;
        match rng.random_range(0..9) {
            0 => bytes[page + rng.random_range(0..PAGE)] ^= 1 << rng.random_range(0..8),
            1 => bytes[page + rng.random_range(8..80)] = rng.random(),
            // An offset, a bound, a flag, a page number: numbers stand at even places.
            2 | 3 => {
                let at = page + rng.random_range(0..60) * 2;
                let value: u16 = [0, 1, 2, 8, 15, 16, 17, 4094, 4095, 4096, 0x7fff, 0xffff, rng.random()]
                    [rng.random_range(0..13)];
                bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
            }
            // A small number anywhere: often a page number in a node.
            4 | 5 => {
                let at = page + rng.random_range(0..PAGE / 2) * 2;
                let value = rng.random_range(0..pages as u16 + 2);
                bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
            }
            // A page in another's place, with its own number, so that cycles arise.
            6 | 7 => {
                let other = rng.random_range(2..pages) * PAGE;
                if page >= 2 * PAGE {
                    let copy = bytes[other + 8..other + PAGE].to_vec();
                    bytes[page + 8..page + PAGE].copy_from_slice(&copy);
                }
            }
            _ => bytes[page..page + PAGE].fill(rng.random()),
        }
    }
    if rng.random_bool(0.05) {
        bytes.truncate(rng.random_range(0..bytes.len()));
    }
    bytes
}

#[test]
#[cfg_attr(miri, ignore = "LMDB writes the file")]
fn the_undamaged_file_is_sound() {
    let snapshot = Snapshot::from_bytes(file_of_all_shapes()).unwrap();
    assert_eq!(exercise_all(&snapshot), shapes().count());
    assert!(is_sound(&snapshot));
}

#[test]
fn a_built_file_is_sound() {
    let snapshot = Snapshot::from_bytes(built_file_of_all_shapes()).unwrap();
    assert_eq!(exercise_all(&snapshot), shapes().count());
    assert!(is_sound(&snapshot));
}

#[test]
#[cfg_attr(miri, ignore = "LMDB writes the file")]
fn mutated_files_give_answers_or_errors() {
    mutations_give_answers_or_errors(&file_of_all_shapes(), u64::from(cases()) * 4);
}

#[test]
fn mutated_built_files_give_answers_or_errors() {
    let seeds = if cfg!(miri) { 6 } else { u64::from(cases()) };
    mutations_give_answers_or_errors(&built_file_of_all_shapes(), seeds);
}

fn mutations_give_answers_or_errors(file: &[u8], seeds: u64) {
    let (mut sound, mut broken, mut found) = (0, 0, 0);
    for seed in 0..seeds {
        let bytes = mutate(file, &mut StdRng::seed_from_u64(seed));
        match Snapshot::from_bytes(bytes) {
            Ok(snapshot) => {
                let tables = exercise_all(&snapshot);
                if tables < shapes().count() {
                    assert!(!is_sound(&snapshot), "seed {seed}: the checker must see what the cursors saw");
                } else {
                    found += u32::from(!is_sound(&snapshot));
                }
                sound += tables;
                broken += shapes().count() - tables;
            }
            Err(Error::NotLmdb { .. }) => {}
            Err(error) => panic!("unexpected: {error}"),
        }
    }
    assert!(found > 0, "the checker must see more than the cursors");
    assert!(sound > 0 && broken > 0, "{sound} sound, {broken} broken: the mutations must reach both");
}

#[test]
#[cfg_attr(miri, ignore = "LMDB writes the file")]
fn a_truncated_file_is_an_error_and_not_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let written = table(&env, None, lmdb_pages::TableFlags::empty());
    let mut txn = env.write_txn().unwrap();
    for key in 0..20_000u32 {
        written.put(&mut txn, &key.to_be_bytes(), &[0; 64]).unwrap();
    }
    txn.commit().unwrap();
    drop(env);
    let data = dir.path().join("data.mdb");
    let length = std::fs::metadata(&data).unwrap().len();
    for keep in [2 * 4096, length / 4, length / 2 + 100, length - 1] {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(&data, copy.path().join("data.mdb")).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(copy.path().join("data.mdb")).unwrap();
        file.set_len(keep).unwrap();
        let env = open(copy.path());
        let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
        let mut cursor = Cursor::<Lexicographic>::new(&snapshot, &snapshot.main()).unwrap();
        let result = std::iter::from_fn(|| cursor.next().transpose()).try_for_each(|pair| pair.map(|_| ()));
        let reason = "a page number lies outside the snapshot";
        assert!(
            matches!(result, Err(Error::Corrupted { reason: found, .. }) if found == reason),
            "{result:?}"
        );
    }
}

#[test]
fn foreign_files_are_refused() {
    let not_lmdb = |bytes: Vec<u8>| matches!(Snapshot::from_bytes(bytes), Err(Error::NotLmdb { .. }));
    assert!(not_lmdb(Vec::new()));
    assert!(not_lmdb(vec![0; 8192]));
    assert!(not_lmdb(b"SQLite format 3\0".repeat(1000)));
    let mut newer = built_file_of_all_shapes();
    for slot in [0, PAGE] {
        newer[slot + 20..slot + 24].copy_from_slice(&2u32.to_ne_bytes());
    }
    assert!(not_lmdb(newer));
}
