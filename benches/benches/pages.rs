//! Reading: lmdb-pages beside heed and LMDB's C interface, on the same file in the same run.
//!
//! A million 8-byte keys in random order with 64-byte values, a list of a million integers, and a hundred thousand
//! lists of ten. `FACTUM_BENCH_KEYS` sets another size.

#![expect(unsafe_code, reason = "the C interface is unsafe, and so is opening an environment")]
#![allow(missing_docs, reason = "criterion's macros generate undocumented functions")]

#[path = "pages/c_api.rs"]
mod c_api;

use std::hint::black_box;
use std::ops::Bound;
use std::time::Duration;

use c_api::CReader;
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseFlags, Env, EnvFlags, EnvOpenOptions, WithoutTls};
use lmdb_master_sys as ffi;
use lmdb_pages::{Cursor, Lexicographic, NativeInteger, Reader, Snapshot, Table, TableFlags, count_range};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const MAP_SIZE: usize = 1 << 33;

type Raw = Database<'static, Bytes, Bytes>;

/// The file, and everyone who reads it.
struct Setup {
    keys: u64,
    _dir: tempfile::TempDir,
    env: Env<WithoutTls>,
    plain: Raw,
    lists: Raw,
    reader: Reader,
    snapshot: Snapshot,
    c: CReader,
}

fn key(number: u64) -> [u8; 8] {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
}

fn create(env: &Env<WithoutTls>, name: &str, flags: TableFlags) -> Raw {
    let txn = env.write_txn().expect("a write transaction");
    env.create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
        let mut options = opener.database_options().types::<Bytes, Bytes>();
        options.flags(DatabaseFlags::from_bits_retain(flags.bits().into())).name(name);
        options.create(txn).map(CommitOrAbort::<_, ()>::Commit)
    })
    .expect("a table")
    .unwrap_commit()
}

impl Setup {
    fn new() -> Setup {
        let keys =
            std::env::var("FACTUM_BENCH_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(1_000_000);
        let dir = tempfile::tempdir().expect("a directory");
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_SIZE).max_dbs(8);
        // SAFETY: the file is new; a crash may lose it.
        let env = unsafe { options.flags(EnvFlags::NO_SYNC).open(dir.path()) }.expect("an environment");
        let plain = create(&env, "plain", TableFlags::empty());
        let lists =
            create(&env, "lists", TableFlags::DUP_SORT | TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP);
        let mut txn = env.write_txn().expect("a write transaction");
        for number in 0..keys {
            plain.put(&mut txn, &key(number), &[number as u8; 64]).expect("a put");
        }
        for number in 0..keys {
            lists.put(&mut txn, b"one list", &(number * 3).to_ne_bytes()).expect("a put");
            lists.put(&mut txn, &key(number / 10), &(number * 3).to_ne_bytes()).expect("a put");
        }
        txn.commit().expect("a commit");
        let reader = Reader::new(&env).expect("a reader");
        let snapshot = reader.snapshot().expect("a snapshot");
        let c = CReader::open(dir.path(), MAP_SIZE);
        Setup { keys, _dir: dir, env, plain, lists, reader, snapshot, c }
    }

    fn table(&self, name: &str) -> Table {
        self.snapshot.table(name).expect("a sound file").expect("the table")
    }

    fn random_keys(&self) -> Vec<[u8; 8]> {
        let mut rng = StdRng::seed_from_u64(1);
        (0..self.keys / 5).map(|_| key(rng.random_range(0..self.keys))).collect()
    }
}

fn group<'c>(criterion: &'c mut Criterion, name: &str, elements: u64) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(format!("pages/{name}"));
    group.throughput(Throughput::Elements(elements));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group
}

fn gets(criterion: &mut Criterion, setup: &Setup, name: &str, keys: &[[u8; 8]]) {
    let mut group = group(criterion, name, keys.len() as u64);
    let table = setup.c.table("plain");
    group.bench_function("c", |bencher| {
        bencher.iter(|| {
            keys.iter().map(|key| u64::from(setup.c.get(table, key).expect("a value")[0])).sum::<u64>()
        });
    });
    group.bench_function("c cursor", |bencher| {
        bencher.iter(|| {
            let mut cursor = setup.c.cursor(table);
            keys.iter()
                .map(|key| u64::from(cursor.op(ffi::MDB_SET_KEY, key, b"").expect("a pair").1[0]))
                .sum::<u64>()
        });
    });
    let txn = setup.env.read_txn().expect("a read transaction");
    group.bench_function("heed", |bencher| {
        let get = |key: &[u8; 8]| setup.plain.get(&txn, key).expect("sound").expect("a value")[0];
        bencher.iter(|| keys.iter().map(|key| u64::from(get(key))).sum::<u64>());
    });
    let table = setup.table("plain");
    group.bench_function("pages", |bencher| {
        bencher.iter(|| {
            let mut cursor = Cursor::<Lexicographic>::new(&setup.snapshot, &table).expect("a cursor");
            keys.iter()
                .map(|key| u64::from(cursor.get(key).expect("sound").expect("a value")[0]))
                .sum::<u64>()
        });
    });
    group.finish();
}

fn scan(criterion: &mut Criterion, setup: &Setup) {
    let mut group = group(criterion, "full scan", setup.keys);
    let look = |key: &[u8], value: &[u8]| u64::from(key[0]) + value.len() as u64;
    let table = setup.c.table("plain");
    group.bench_function("c", |bencher| {
        bencher.iter(|| {
            let (mut cursor, mut sum) = (setup.c.cursor(table), 0);
            while let Some((key, value)) = cursor.op(ffi::MDB_NEXT, b"", b"") {
                sum += look(key, value);
            }
            sum
        });
    });
    let txn = setup.env.read_txn().expect("a read transaction");
    group.bench_function("heed", |bencher| {
        let look =
            |pair: heed::Result<(&[u8], &[u8])>| pair.map(|(key, value)| look(key, value)).expect("sound");
        bencher.iter(|| setup.plain.iter(&txn).expect("an iterator").map(look).sum::<u64>());
    });
    let table = setup.table("plain");
    group.bench_function("pages", |bencher| {
        bencher.iter(|| {
            let mut cursor = Cursor::<Lexicographic>::new(&setup.snapshot, &table).expect("a cursor");
            let mut sum = 0;
            while let Some((key, value)) = cursor.next().expect("sound") {
                sum += look(key, value);
            }
            sum
        });
    });
    group.finish();
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes.try_into().expect("8 bytes"))
}

fn add_words(sum: u64, chunk: &[u8]) -> u64 {
    chunk.as_chunks().0.iter().fold(sum, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

fn packed_duplicates(criterion: &mut Criterion, setup: &Setup) {
    let mut group = group(criterion, "packed duplicates", setup.keys);
    let table = setup.c.table("lists");
    group.bench_function("c", |bencher| {
        bencher.iter(|| {
            let mut cursor = setup.c.cursor(table);
            let (mut sum, mut pair) = (0u64, cursor.op(ffi::MDB_SET_KEY, b"one list", b""));
            while let Some((_, value)) = pair {
                sum = sum.wrapping_add(word(value));
                pair = cursor.op(ffi::MDB_NEXT_DUP, b"", b"");
            }
            sum
        });
    });
    group.bench_function("c multiple", |bencher| {
        bencher.iter(|| {
            let mut cursor = setup.c.cursor(table);
            cursor.op(ffi::MDB_SET_KEY, b"one list", b"");
            let (mut sum, mut pair) = (0, cursor.op(ffi::MDB_GET_MULTIPLE, b"", b""));
            while let Some((_, chunk)) = pair {
                sum = add_words(sum, chunk);
                pair = cursor.op(ffi::MDB_NEXT_MULTIPLE, b"", b"");
            }
            sum
        });
    });
    let txn = setup.env.read_txn().expect("a read transaction");
    group.bench_function("heed", |bencher| {
        bencher.iter(|| {
            let dups = setup.lists.get_duplicates(&txn, b"one list").expect("sound").expect("the list");
            dups.fold(0u64, |sum, pair| sum.wrapping_add(word(pair.expect("sound").1)))
        });
    });
    let table = setup.table("lists");
    group.bench_function("pages", |bencher| {
        bencher.iter(|| {
            let mut cursor =
                Cursor::<Lexicographic, NativeInteger>::new(&setup.snapshot, &table).expect("a cursor");
            assert!(cursor.find(b"one list").expect("sound"));
            let chunks = cursor.dup_chunks().expect("sound");
            chunks.fold(0, |sum, chunk| add_words(sum, chunk.expect("sound")))
        });
    });
    group.finish();
}

fn seek_in_duplicates(criterion: &mut Criterion, setup: &Setup) {
    let mut rng = StdRng::seed_from_u64(2);
    let sought: Vec<[u8; 8]> =
        (0..setup.keys / 5).map(|_| rng.random_range(0..setup.keys * 3 - 3).to_ne_bytes()).collect();
    let mut group = group(criterion, "seek in duplicates", sought.len() as u64);
    let table = setup.c.table("lists");
    group.bench_function("c", |bencher| {
        bencher.iter(|| {
            let mut cursor = setup.c.cursor(table);
            let mut seek = |value| cursor.op(ffi::MDB_GET_BOTH_RANGE, b"one list", value).expect("a pair").1;
            sought.iter().fold(0u64, |sum, value| sum.wrapping_add(word(seek(value))))
        });
    });
    let table = setup.table("lists");
    group.bench_function("pages", |bencher| {
        bencher.iter(|| {
            let mut cursor =
                Cursor::<Lexicographic, NativeInteger>::new(&setup.snapshot, &table).expect("a cursor");
            let mut seek = |value| cursor.seek_dup(b"one list", value).expect("sound").expect("a pair").1;
            sought.iter().fold(0u64, |sum, value| sum.wrapping_add(word(seek(value))))
        });
    });
    group.finish();
}

fn count(criterion: &mut Criterion, setup: &Setup) {
    let mut dups = group(criterion, "duplicate count", setup.keys / 10);
    let keys: Vec<[u8; 8]> = (0..setup.keys / 10).map(key).collect();
    let table = setup.c.table("lists");
    dups.bench_function("c", |bencher| {
        bencher.iter(|| {
            let mut cursor = setup.c.cursor(table);
            let mut count = |key| cursor.op(ffi::MDB_SET_KEY, key, b"").map(|_| cursor.count());
            keys.iter().map(|key| count(key).expect("a pair")).sum::<usize>()
        });
    });
    let table = setup.table("lists");
    dups.bench_function("pages", |bencher| {
        bencher.iter(|| {
            let mut cursor =
                Cursor::<Lexicographic, NativeInteger>::new(&setup.snapshot, &table).expect("a cursor");
            let mut count = |key| cursor.find(key).and_then(|_| cursor.dup_count());
            keys.iter().map(|key| count(key).expect("sound")).sum::<u64>()
        });
    });
    dups.finish();

    let mut range = group(criterion, "count half a table", setup.keys / 2);
    let table = setup.c.table("plain");
    let (low, high) = ((1u64 << 62).to_be_bytes(), (3u64 << 62).to_be_bytes());
    range.bench_function("c", |bencher| {
        bencher.iter(|| {
            let mut cursor = setup.c.cursor(table);
            let (mut count, mut pair) = (0, cursor.op(ffi::MDB_SET_RANGE, &low, b""));
            while let Some((key, _)) = pair
                && key < &high[..]
            {
                count += 1;
                pair = cursor.op(ffi::MDB_NEXT, b"", b"");
            }
            count
        });
    });
    let table = setup.table("plain");
    range.bench_function("pages", |bencher| {
        let (low, high) = (Bound::Included(&low[..]), Bound::Excluded(&high[..]));
        bencher
            .iter(|| count_range::<Lexicographic>(&setup.snapshot, &table, low, high).expect("sound").keys);
    });
    range.finish();
}

fn snapshots(criterion: &mut Criterion, setup: &Setup) {
    let mut group = group(criterion, "snapshot", 1);
    group.bench_function("c", |bencher| bencher.iter(|| setup.c.begin_and_abort()));
    group.bench_function("heed", |bencher| {
        bencher.iter(|| black_box(setup.env.read_txn().expect("a read transaction")));
    });
    group.bench_function("pages, shared with a living one", |bencher| {
        bencher.iter(|| black_box(setup.reader.snapshot().expect("a snapshot")));
    });
    let other = Reader::new(&setup.env).expect("a reader");
    group.bench_function("pages, a new one", |bencher| {
        bencher.iter(|| black_box(other.snapshot().expect("a snapshot")));
    });
    group.bench_function("pages, looking up a table", |bencher| {
        bencher.iter(|| black_box(setup.snapshot.table(black_box("plain")).expect("sound")));
    });
    group.finish();
}

fn benchmarks(criterion: &mut Criterion) {
    let setup = Setup::new();
    let random = setup.random_keys();
    gets(criterion, &setup, "random get", &random);
    let mut sorted = random.clone();
    sorted.sort_unstable();
    gets(criterion, &setup, "sorted gets, one key in five", &sorted);
    let mut all: Vec<[u8; 8]> = (0..setup.keys).map(key).collect();
    all.sort_unstable();
    gets(criterion, &setup, "sorted gets, every key", &all);
    scan(criterion, &setup);
    packed_duplicates(criterion, &setup);
    seek_in_duplicates(criterion, &setup);
    count(criterion, &setup);
    snapshots(criterion, &setup);
}

criterion_group!(pages, benchmarks);
criterion_main!(pages);
