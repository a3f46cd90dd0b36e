//! Files built bottom-up: LMDB reads them, writes on, and its tools agree.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::process::Command;

use common::model::{Model, Pair};
use common::shape::{Bytes, SHAPES, Shape};
use common::twin::{Twin, write};
use common::{cases, open, table, with_orders};
use lmdb_pages::build::{BuildError, BuildOptions, Builder, TableBuilder};
use lmdb_pages::check::check;
use lmdb_pages::{Cursor, Order, Reader, Snapshot, TableFlags};
use proptest::prelude::*;

fn quick() -> BuildOptions {
    BuildOptions::new().sync(false)
}

/// Pushes the pairs one by one.
fn push_all(builder: &mut TableBuilder, pairs: &[Pair]) {
    for (key, value) in pairs {
        builder.push(key, value).unwrap();
    }
}

/// Pushes the values of each key packed, in runs of changing length.
fn push_packed(builder: &mut TableBuilder, pairs: &[Pair]) {
    builder.item_width(pairs.first().map_or(8, |pair| pair.1.len())).unwrap();
    for values in pairs.chunk_by(|a, b| a.0 == b.0) {
        for (number, run) in values.chunks(1 + values.len() / 3).enumerate() {
            let packed: Vec<u8> = run.iter().flat_map(|pair| pair.1.clone()).collect();
            if number == 1 && run.len() == 1 {
                builder.push(&run[0].0, &packed).unwrap();
            } else {
                builder.push_dups(&run[0].0, &packed).unwrap();
            }
        }
    }
}

fn build(path: &Path, options: BuildOptions, flags: TableFlags, pairs: &[Pair]) {
    let builder = Builder::create(path, options).unwrap();
    let mut table = builder.table("t", flags).unwrap();
    if flags.contains(TableFlags::DUP_FIXED) && pairs.len() % 2 == 1 {
        push_packed(&mut table, pairs);
    } else {
        push_all(&mut table, pairs);
    }
    table.finish().unwrap();
    let built = builder.finish().unwrap();
    assert_eq!(built.tables[0].pairs, pairs.len() as u64);
    assert_eq!(built.tables[0].keys, pairs.chunk_by(|a, b| a.0 == b.0).count() as u64);
    assert_eq!(built.bytes, std::fs::metadata(path).unwrap().len());
}

fn assert_pairs<K: Order, D: Order>(snapshot: &Snapshot, pairs: &[Pair]) {
    let table = snapshot.table("t").unwrap().unwrap();
    assert_eq!(table.entries(), pairs.len() as u64);
    let mut cursor = Cursor::<K, D>::new(snapshot, &table).unwrap();
    for (key, value) in pairs {
        assert_eq!(cursor.next().unwrap(), Some((&key[..], &value[..])));
    }
    assert_eq!(cursor.next().unwrap(), None);
    for (key, value) in pairs.iter().step_by(7) {
        assert!(cursor.find(key).unwrap());
        assert_eq!(cursor.seek_dup(key, value).unwrap().map(|pair| pair.0), Some(&key[..]));
    }
}

/// Builds a file and reads it without LMDB.
fn build_and_read(page_size: usize, flags: TableFlags, pairs: &[Pair]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.mdb");
    build(&path, quick().page_size(page_size), flags, pairs);
    let snapshot = Snapshot::from_bytes(std::fs::read(&path).unwrap()).unwrap();
    let report = check(&snapshot);
    assert!(report.is_sound(), "{} pairs: {:?}", pairs.len(), report.problems);
    assert_eq!(report.free_pages, 0);
    with_orders!(flags, K, D => assert_pairs::<K, D>(&snapshot, pairs));
}

/// Pairs of a shape, sorted: keys `0..keys`, of which the one in five has `dups(key)` values.
fn pairs_of(shape: &Shape, keys: u16, dups: impl Fn(u16) -> u16) -> Vec<Pair> {
    let mut model = Model::new(shape.flags);
    for key in 0..keys {
        let count = if shape.dups() { dups(key) } else { 1 };
        for value in 0..count {
            model.put(&shape.key.make(key), &shape.value.make(value ^ key));
        }
    }
    model.pairs()
}

#[test]
fn every_shape_can_be_built_and_written_on() {
    for shape in SHAPES {
        let pairs = pairs_of(shape, 700, |key| [1, 2, 9, 40, 900][usize::from(key) % 5] / (1 + key / 100));
        let dir = tempfile::tempdir().unwrap();
        build(&dir.path().join("data.mdb"), quick(), shape.flags, &pairs);
        let env = open(dir.path());
        let written = table(&env, Some("t"), shape.flags);
        let mut model = Model::new(shape.flags);
        pairs.iter().for_each(|(key, value)| model.put(key, value));
        let mut twin = Twin { shape: *shape, env, table: written, model };
        assert_eq!(twin.heed_pairs(), pairs);
        let reader = Reader::new(&twin.env).unwrap();
        let sound = |twin: &Twin| {
            let snapshot = reader.snapshot().unwrap();
            let report = check(&snapshot);
            assert!(report.is_sound(), "{shape:?}: {:?}", report.problems);
            let pairs = twin.model.pairs();
            assert_eq!(twin.heed_pairs(), pairs);
            with_orders!(shape.flags, K, D => assert_pairs::<K, D>(&snapshot, &pairs));
        };
        sound(&twin);
        // Insert everywhere, then delete nearly all, so that full pages split, and pages of all levels merge.
        let txn = |twin: &mut Twin, change: &mut dyn FnMut(&mut Twin, &mut heed::RwTxn<'_>)| {
            let env = twin.env.clone();
            let mut txn = env.write_txn().unwrap();
            change(twin, &mut txn);
            txn.commit().unwrap();
        };
        txn(&mut twin, &mut |twin, txn| (0..2000).step_by(3).for_each(|key| twin.put(txn, key, key + 1)));
        sound(&twin);
        txn(&mut twin, &mut |twin, txn| {
            (0..2000).filter(|key| key % 50 != 0).for_each(|key| twin.delete(txn, key))
        });
        sound(&twin);
        txn(&mut twin, &mut |twin, txn| (0..900).for_each(|key| twin.put(txn, key, key)));
        sound(&twin);
    }
}

#[test]
fn pages_of_all_shapes_meet_their_boundaries() {
    let plain = Shape { flags: TableFlags::empty(), key: Bytes::Fixed(8), value: Bytes::Fixed(16) };
    for keys in (0..300).chain((300..6000).step_by(397)) {
        build_and_read(512, plain.flags, &pairs_of(&plain, keys, |_| 1));
    }
    // Lists of every length from a single value over sub-pages to sub-trees, by ones.
    for shape in SHAPES.iter().filter(|shape| shape.dups()) {
        build_and_read(4096, shape.flags, &pairs_of(shape, 300, |key| key));
    }
}

#[test]
fn trees_of_packed_values_meet_their_boundaries() {
    // On pages of 512 bytes: 62 values a leaf, 28 leaves a branch page.
    let flags = TableFlags::DUP_SORT | TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP;
    let leaves =
        (1..62u64).chain([28 * 28 - 1, 28 * 28, 28 * 28 + 1, 28 * 28 + 2, 28 * 28 + 28, 28 * 28 + 29]);
    let sizes = leaves.flat_map(|leaves| [leaves * 62 - 1, leaves * 62, leaves * 62 + 1]);
    for size in sizes {
        let pairs: Vec<Pair> =
            (0..size).map(|value| (b"key".to_vec(), value.to_ne_bytes().to_vec())).collect();
        build_and_read(512, flags, &pairs);
    }
}

#[test]
fn values_around_the_overflow_limit_and_all_page_sizes() {
    for page_size in [512usize, 1024, 2048, 4096, 8192, 16384, 32768] {
        let sizes =
            [0, 1, page_size / 2 - 20, page_size - 16, page_size - 15, 3 * page_size - 16, 3 * page_size];
        let around = (page_size / 2 - 40..page_size / 2 + 8).chain(sizes);
        let pairs: Vec<Pair> = around
            .enumerate()
            .map(|(key, size)| ((key as u64).to_be_bytes().to_vec(), vec![key as u8; size]))
            .collect();
        build_and_read(page_size, TableFlags::empty(), &pairs);
        let dir = tempfile::tempdir().unwrap();
        build(&dir.path().join("data.mdb"), quick().page_size(page_size), TableFlags::empty(), &pairs);
        let env = open(dir.path());
        let read = table(&env, Some("t"), TableFlags::empty());
        let mut txn = env.write_txn().unwrap();
        for (key, value) in &pairs {
            assert_eq!(read.get(&txn, key).unwrap(), Some(&value[..]), "page size {page_size}");
            read.put(&mut txn, &[key, &b"x"[..]].concat(), value).unwrap();
        }
        txn.commit().unwrap();
        let report = check(&Reader::new(&env).unwrap().snapshot().unwrap());
        assert!(report.is_sound(), "page size {page_size}: {:?}", report.problems);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 2, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_built_is_written_on(
        shape in proptest::sample::select(SHAPES),
        keys in 0..600u16,
        dups in prop_oneof![1..6u16, 1..120u16],
        writes in proptest::collection::vec(write(), 1..20),
    ) {
        let pairs = pairs_of(&shape, keys, |key| 1 + key % dups);
        let dir = tempfile::tempdir().unwrap();
        build(&dir.path().join("data.mdb"), quick(), shape.flags, &pairs);
        let env = open(dir.path());
        let written = table(&env, Some("t"), shape.flags);
        let mut model = Model::new(shape.flags);
        pairs.iter().for_each(|(key, value)| model.put(key, value));
        let mut twin = Twin { shape, env, table: written, model };
        prop_assert_eq!(twin.heed_pairs(), pairs);
        twin.apply(&writes);
        prop_assert_eq!(twin.heed_pairs(), twin.model.pairs());
        let report = check(&Reader::new(&twin.env).unwrap().snapshot().unwrap());
        prop_assert!(report.is_sound(), "{:?}", report.problems);
    }
}

/// The numbers behind a word in the output of `mdb_stat`.
fn numbers(output: &str, word: &str) -> Vec<u64> {
    let lines = output.lines().filter_map(|line| line.trim().strip_prefix(word)?.strip_prefix(": "));
    lines.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn lmdbs_tools_agree() {
    if Command::new("mdb_stat").arg("-V").output().is_err() {
        // `.ci/run` says so where they can be had.
        assert!(
            std::env::var_os("FACTUM_LMDB_UTILS").is_none(),
            "FACTUM_LMDB_UTILS is set, but they are not there"
        );
        eprintln!("skipped: mdb_stat and mdb_dump (Debian's lmdb-utils) are not installed");
        return;
    }
    for shape in SHAPES {
        let pairs = pairs_of(shape, 400, |key| [1, 2, 9, 40, 700][usize::from(key) % 5] / (1 + key / 100));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.mdb");
        build(&path, quick(), shape.flags, &pairs);
        let run = |tool: &str, arguments: &[&str]| {
            let output = Command::new(tool).args(arguments).arg(dir.path()).output().unwrap();
            assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let stat = run("mdb_stat", &["-s", "t"]);
        let snapshot = Snapshot::from_bytes(std::fs::read(&path).unwrap()).unwrap();
        let ours = snapshot.table("t").unwrap().unwrap().stat();
        // `mdb_stat -s` prints the main table first.
        assert_eq!(numbers(&stat, "Entries").last(), Some(&ours.entries));
        assert_eq!(numbers(&stat, "Tree depth").last(), Some(&u64::from(ours.depth)));
        assert_eq!(numbers(&stat, "Branch pages").last(), Some(&ours.branch_pages));
        assert_eq!(numbers(&stat, "Leaf pages").last(), Some(&ours.leaf_pages));
        assert_eq!(numbers(&stat, "Overflow pages").last(), Some(&ours.overflow_pages));
        let dump = run("mdb_dump", &["-s", "t"]);
        let data = dump.split_once("HEADER=END\n").unwrap().1.split_once("DATA=END").unwrap().0;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let expected: String =
            pairs.iter().map(|(key, value)| format!(" {}\n {}\n", hex(key), hex(value))).collect();
        assert!(data == expected, "{shape:?}: mdb_dump prints other data");
    }
}

#[test]
fn tables_can_be_built_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.mdb");
    let builder = Builder::create(&path, quick()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let builder = &builder;
            scope.spawn(move || {
                let mut table = builder.table(&format!("table {thread}"), TableFlags::empty()).unwrap();
                for key in 0..20_000 * (thread + 1) {
                    let size = if key % 1000 == 0 { 10_000 } else { 100 };
                    table.push(&key.to_be_bytes(), &vec![thread as u8; size]).unwrap();
                }
                table.finish().unwrap();
            });
        }
    });
    let built = builder.finish().unwrap();
    assert_eq!(
        built.tables.iter().map(|table| table.keys).collect::<Vec<_>>(),
        [20_000, 40_000, 60_000, 80_000]
    );
    let env = open(dir.path());
    let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
    let report = check(&snapshot);
    assert!(report.is_sound(), "{:?}", report.problems);
    drop(snapshot);
    // LMDB finds the pages that were left over, and uses them.
    let written = table(&env, Some("table 0"), TableFlags::empty());
    let mut txn = env.write_txn().unwrap();
    for key in 0..100_000u32 {
        written.put(&mut txn, &key.to_be_bytes(), &[9; 100]).unwrap();
    }
    txn.commit().unwrap();
    let report = check(&Reader::new(&env).unwrap().snapshot().unwrap());
    assert!(report.is_sound(), "{:?}", report.problems);
}

#[test]
fn the_first_transaction_may_free_many_pages() {
    // More than fit a record of the free list on a leaf page. See `BUILT_TXN_ID`.
    let shape = Shape { flags: TableFlags::empty(), key: Bytes::U64, value: Bytes::Fixed(60) };
    let dir = tempfile::tempdir().unwrap();
    build(&dir.path().join("data.mdb"), quick(), shape.flags, &pairs_of(&shape, 30_000, |_| 1));
    let env = open(dir.path());
    let written = table(&env, Some("t"), shape.flags);
    let mut txn = env.write_txn().unwrap();
    written.clear(&mut txn).unwrap();
    txn.commit().unwrap();
    let report = check(&Reader::new(&env).unwrap().snapshot().unwrap());
    assert!(report.is_sound(), "{:?}", report.problems);
    assert!(report.free_pages > 500);
}

#[test]
fn built_files_are_smaller() {
    let shape = Shape { flags: TableFlags::empty(), key: Bytes::U64, value: Bytes::Fixed(40) };
    let pairs = pairs_of(&shape, 20_000, |_| 1);
    let (built, written) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build(&built.path().join("data.mdb"), quick(), shape.flags, &pairs);
    let env = open(written.path());
    let plain = table(&env, Some("t"), shape.flags);
    let mut txn = env.write_txn().unwrap();
    for number in 0..20_000u16 {
        plain.put(&mut txn, &shape.key.make(number), &shape.value.make(number)).unwrap();
    }
    txn.commit().unwrap();
    let size = |dir: &tempfile::TempDir| std::fs::metadata(dir.path().join("data.mdb")).unwrap().len();
    assert!(size(&built) * 10 < size(&written) * 8, "{} against {}", size(&built), size(&written));
}

#[cfg(unix)]
#[test]
fn built_files_are_as_private_as_lmdbs() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.mdb");
    Builder::create(&path, quick()).and_then(Builder::finish).expect("an empty file");
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn wrong_input_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.mdb");
    let builder = Builder::create(&path, quick()).unwrap();
    let mut plain = builder.table("plain", TableFlags::empty()).unwrap();
    plain.push(b"b", b"").unwrap();
    assert!(matches!(plain.push(b"a", b""), Err(BuildError::Unsorted { part: "key", .. })));
    assert!(matches!(plain.push(b"b", b""), Err(BuildError::Unsorted { part: "key", .. })));
    assert!(matches!(plain.push(b"", b""), Err(BuildError::Size { part: "key", size: 0, .. })));
    assert!(matches!(plain.push(&[b'x'; 512], b""), Err(BuildError::Size { size: 512, max: 511, .. })));
    assert!(matches!(plain.push_dups(b"c", b"12345678"), Err(BuildError::Table { .. })));
    plain.push(b"c", b"").unwrap();
    plain.finish().unwrap();
    assert!(matches!(builder.table("plain", TableFlags::empty()), Err(BuildError::Table { .. })));
    assert!(matches!(builder.table("", TableFlags::empty()), Err(BuildError::Table { .. })));
    assert!(matches!(builder.table("x", TableFlags::DUP_FIXED), Err(BuildError::Table { .. })));

    let flags = TableFlags::DUP_SORT | TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP;
    let mut lists = builder.table("lists", flags).unwrap();
    let packed =
        |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<u8>>();
    lists.push_dups(b"k", &packed(&[1, 256])).unwrap();
    assert!(matches!(
        lists.push_dups(b"k", &packed(&[256])),
        Err(BuildError::Unsorted { part: "value", .. })
    ));
    assert!(matches!(
        lists.push_dups(b"k", &packed(&[300, 299])),
        Err(BuildError::Unsorted { part: "value", .. })
    ));
    assert!(matches!(lists.push_dups(b"j", &packed(&[300])), Err(BuildError::Unsorted { part: "key", .. })));
    assert!(matches!(lists.push_dups(b"k", &[0; 9]), Err(BuildError::Size { part: "value", .. })));
    assert!(matches!(lists.push(b"k", &[0; 4]), Err(BuildError::Size { part: "value", .. })));
    lists.push_dups(b"k", &packed(&[300])).unwrap();
    lists.finish().unwrap();

    let integers = builder.table("integers", TableFlags::INTEGER_KEY).unwrap();
    let mut integers = integers;
    integers.push(&1u32.to_ne_bytes(), b"").unwrap();
    assert!(matches!(integers.push(&2u64.to_ne_bytes(), b""), Err(BuildError::Size { part: "key", .. })));
    drop(integers);
    let unfinished = builder.finish();
    assert!(matches!(unfinished, Err(BuildError::Table { table, .. }) if table == "integers"));
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 0, "a failed build leaves nothing behind");
    assert!(matches!(
        Builder::create(&path, quick().page_size(1000)),
        Err(BuildError::PageSize { bytes: 1000 })
    ));

    let empty = Builder::create(&path, quick()).unwrap();
    assert!(!path.exists(), "the target appears only when it is whole");
    empty.finish().unwrap();
    assert!(matches!(Builder::create(&path, quick()), Err(BuildError::Exists { .. })));
    Builder::create(&path, BuildOptions::new().replace(true)).unwrap().finish().unwrap();
    let env = open(dir.path());
    assert!(Reader::new(&env).unwrap().snapshot().unwrap().main().is_empty());
}
