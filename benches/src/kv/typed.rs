//! What types cost: Factum's typed tables beside its raw bytes, on the same table of the same file.

use std::ops::{Bound, ControlFlow};
use std::time::Instant;

use kv::codec::{Blob, Data, Id, Str};
use kv::{Dbi, DbiFlags, Env, EnvOptions, Read, Table};
use serde::{Deserialize, Serialize};

use super::suite::{Suite, agree, medians};
use super::{checksum, data};

/// The two ways of use, as systems.
pub const SYSTEMS: &[&str] = &["factum", "factum-raw"];

/// Typed and raw puts, gets and scans.
pub(super) fn run(suite: &mut Suite) {
    let count = suite.sizes.entries;
    let texts: Vec<(i64, String)> = data::shuffled(&data::ascending(count))
        .into_iter()
        .map(|(key, value)| {
            (i64::from_be_bytes(key), value.iter().map(|b| char::from(b' ' + b % 64)).collect())
        })
        .collect();
    puts(suite, &texts);
    let open = Open::new(&texts);
    gets(suite, &open);
    scans(suite, &open);
    if ["random put of data, typed", "random get of data, typed"].iter().any(|work| suite.wants(work)) {
        records(suite, &texts);
    }
}

/// A value of `:data`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    name: String,
    size: u32,
    tags: Vec<u16>,
}

/// Values of `:data`, which serde takes apart. Beside them, the same bytes, as they are: what the types do there is what
/// the row shows.
fn records(suite: &mut Suite, texts: &[(i64, String)]) {
    let records: Vec<(i64, Record)> = texts
        .iter()
        .map(|(key, text)| {
            let tags = vec![*key as u16, text.len() as u16];
            (*key, Record { name: text[..30].to_owned(), size: text.len() as u32, tags })
        })
        .collect();
    let open = |env: &Env| -> Table<Id, Data<Record>> { env.open_table("records").expect("table") };
    let put = |env: &Env| {
        let table = open(env);
        let mut txn = env.write().expect("write transaction");
        for (key, record) in &records {
            table.put(&mut txn, *key, record).expect("puts");
        }
        txn.commit().expect("commits");
    };
    let (_dir, env) = env();
    put(&env);
    let table = open(&env);
    let read = env.read().expect("read transaction");
    let value = |key: i64| read.get(table.dbi(), &raw_key(key)).expect("gets").expect("a value").to_vec();
    let bytes: Vec<([u8; 8], Vec<u8>)> =
        records.iter().map(|(key, _)| (raw_key(*key), value(*key))).collect();
    drop(read);
    let put_bytes = |env: &Env| {
        let dbi = env.open_dbi("records", DbiFlags::empty()).expect("table");
        let mut txn = env.write().expect("write transaction");
        for (key, value) in &bytes {
            txn.put(&dbi, key, value).expect("puts");
        }
        txn.commit().expect("commits");
    };
    put_both(suite, "random put of data, typed", records.len(), [&put, &put_bytes]);
    let keys: Vec<i64> =
        data::lookups(records.len() as u64, suite.sizes.reads).into_iter().map(i64::from_be_bytes).collect();
    let typed = || {
        let read = env.read().expect("read transaction");
        let found =
            |key: &i64| table.get(&read, *key).expect("gets").map_or(0, |record| record.name.len() as u64);
        keys.iter().map(found).sum()
    };
    let raw = || {
        let read = env.read().expect("read transaction");
        let found = |key: &i64| read.get(table.dbi(), &raw_key(*key)).expect("gets").map_or(0, |_| 30);
        keys.iter().map(found).sum()
    };
    compare(suite, "random get of data, typed", keys.len(), &typed, &raw);
}

/// A table of `:id` to `:bytes`, one of `:id` to `:string`, and the first without types.
struct Open {
    _dir: tempfile::TempDir,
    env: Env,
    blobs: Table<Id, Blob>,
    texts: Table<Id, Str>,
    raw: Dbi,
    count: u64,
}

impl Open {
    fn new(texts: &[(i64, String)]) -> Self {
        let (dir, env) = env();
        let blobs: Table<Id, Blob> = env.open_table("blobs").expect("table");
        let strings: Table<Id, Str> = env.open_table("texts").expect("table");
        let mut txn = env.write().expect("write transaction");
        for (key, text) in texts {
            blobs.put(&mut txn, *key, text.as_bytes()).expect("puts");
            strings.put(&mut txn, *key, text).expect("puts");
        }
        txn.commit().expect("commits");
        let raw = *blobs.dbi();
        Self { _dir: dir, env, blobs, texts: strings, raw, count: texts.len() as u64 }
    }
}

fn env() -> (tempfile::TempDir, Env) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let options = EnvOptions::new().map_size(16 << 30).durability(kv::Durability::None);
    let env = options.open(dir.path()).expect("opens");
    (dir, env)
}

/// The bytes of `:id` and `:bytes`, written by hand.
fn raw_key(key: i64) -> [u8; 8] {
    (key as u64 ^ 1 << 63).to_be_bytes()
}

/// The value behind its header byte, which is checked, as the types do.
#[inline]
fn behind(header: u8, value: &[u8]) -> &[u8] {
    match value.split_first() {
        Some((found, rest)) if *found == header => rest,
        _ => panic!("another header"),
    }
}

fn raw_value(value: &[u8], buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.push(0xFE);
    buffer.extend_from_slice(value);
}

fn puts(suite: &mut Suite, texts: &[(i64, String)]) {
    let work = "random put, typed";
    if !suite.wants(work) {
        return;
    }
    let typed = |env: &Env| {
        let table: Table<Id, Blob> = env.open_table("blobs").expect("table");
        let mut txn = env.write().expect("write transaction");
        for (key, text) in texts {
            table.put(&mut txn, *key, text.as_bytes()).expect("puts");
        }
        txn.commit().expect("commits");
    };
    let raw = |env: &Env| {
        let dbi = env.open_dbi("blobs", DbiFlags::empty()).expect("table");
        let mut txn = env.write().expect("write transaction");
        let mut buffer = Vec::new();
        for (key, text) in texts {
            raw_value(text.as_bytes(), &mut buffer);
            txn.put(&dbi, &raw_key(*key), &buffer).expect("puts");
        }
        txn.commit().expect("commits");
    };
    put_both(suite, work, texts.len(), [&typed, &raw]);
}

/// Both ways of putting, each into fresh files.
fn put_both(suite: &mut Suite, work: &str, per: usize, works: [&dyn Fn(&Env); 2]) {
    if !suite.wants(work) {
        return;
    }
    // Two systems take half as long as the usual five, and differ by less.
    let figures = suite.rounds(suite.sizes.write_rounds * 3, 2, per, |index| {
        let (_dir, env) = env();
        let start = Instant::now();
        works[index](&env);
        start.elapsed()
    });
    note(suite, work, &medians(figures));
}

fn gets(suite: &mut Suite, open: &Open) {
    let keys: Vec<i64> =
        data::lookups(open.count, suite.sizes.reads).into_iter().map(i64::from_be_bytes).collect();
    let typed = || {
        let read = open.env.read().expect("read transaction");
        keys.iter().map(|key| open.blobs.get(&read, *key).expect("gets").map_or(0, checksum)).sum()
    };
    let raw = || {
        let read = open.env.read().expect("read transaction");
        let get = |key: i64| read.get(&open.raw, &raw_key(key)).expect("gets");
        keys.iter().map(|key| get(*key).map_or(0, |value| checksum(behind(0xFE, value)))).sum()
    };
    compare(suite, "random get, typed", keys.len(), &typed, &raw);
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    let typed = || {
        let read = open.env.read().expect("read transaction");
        let values = open.blobs.get_many(&read, sorted.iter().copied()).expect("gets");
        values.into_iter().flatten().map(checksum).sum()
    };
    let raw = || {
        let read = open.env.read().expect("read transaction");
        let mut cursor = read.cursor(&open.raw).expect("cursor");
        let values: Vec<_> = sorted.iter().map(|key| cursor.get(&raw_key(*key)).expect("gets")).collect();
        values.into_iter().flatten().map(|value| checksum(behind(0xFE, value))).sum()
    };
    compare(suite, "sorted multi-get, typed", sorted.len(), &typed, &raw);
}

fn scans(suite: &mut Suite, open: &Open) {
    let typed = || {
        let read = open.env.read().expect("read transaction");
        let entries = open.blobs.range(&read, ..).expect("range");
        entries.fold(0u64, |sum, entry| {
            let (key, value) = entry.expect("entry");
            sum.wrapping_add(key as u64).wrapping_add(checksum(value))
        })
    };
    let raw = || {
        let read = open.env.read().expect("read transaction");
        let mut cursor = read.cursor(&open.raw).expect("cursor");
        let mut sum = 0u64;
        let walk = cursor.visit_next(Bound::Unbounded, |key, value| {
            let key = u64::from_be_bytes(key.try_into().expect("eight bytes")) ^ 1 << 63;
            sum = sum.wrapping_add(key).wrapping_add(checksum(behind(0xFE, value)));
            ControlFlow::<()>::Continue(())
        });
        assert!(walk.expect("entries").is_continue());
        sum
    };
    compare(suite, "full scan, typed", open.count as usize, &typed, &raw);
    let typed = || {
        let read = open.env.read().expect("read transaction");
        let entries = open.texts.range(&read, ..).expect("range");
        entries.fold(0u64, |sum, entry| {
            let (key, value) = entry.expect("entry");
            sum.wrapping_add(key as u64).wrapping_add(checksum(value.as_bytes()))
        })
    };
    let raw = || {
        let read = open.env.read().expect("read transaction");
        let mut cursor = read.cursor(open.texts.dbi()).expect("cursor");
        let mut sum = 0u64;
        let walk = cursor.visit_next(Bound::Unbounded, |key, value| {
            let key = u64::from_be_bytes(key.try_into().expect("eight bytes")) ^ 1 << 63;
            let text = std::str::from_utf8(behind(0xFA, value)).expect("UTF-8");
            sum = sum.wrapping_add(key).wrapping_add(checksum(text.as_bytes()));
            ControlFlow::<()>::Continue(())
        });
        assert!(walk.expect("entries").is_continue());
        sum
    };
    compare(suite, "full scan of text, typed", open.count as usize, &typed, &raw);
}

fn compare(suite: &mut Suite, work: &str, per: usize, typed: &dyn Fn() -> u64, raw: &dyn Fn() -> u64) {
    if !suite.wants(work) {
        return;
    }
    let works = [typed, raw];
    agree(work, works.iter().map(|work| work()));
    let figures = suite.rounds(suite.sizes.read_rounds * 2, 2, per, |index| {
        let start = Instant::now();
        std::hint::black_box(works[index]());
        start.elapsed()
    });
    // Two that differ by a few percent: the best round of each would show which had the better moment.
    note(suite, work, &medians(figures));
}

fn note(suite: &mut Suite, work: &str, figures: &[f64]) {
    let results: Vec<_> = SYSTEMS.iter().copied().zip(figures.iter().copied()).collect();
    suite.report.row(work, "ns", &results);
}
