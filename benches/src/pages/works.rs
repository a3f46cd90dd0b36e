//! What is measured, as closures that give an answer: one for each system.

use std::ops::Bound;

use lmdb_master_sys as ffi;
use lmdb_pages::{Cursor, Lexicographic, NativeInteger, count_range};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Setup, key};

/// A way to do a work: the system's name, and what does it once and gives the answer.
pub type Way<'s> = (&'static str, Box<dyn Fn() -> u64 + 's>);

/// One piece of work.
pub struct Work<'s> {
    /// Its name.
    pub name: &'static str,
    /// How many elements it handles: times are reported for one.
    pub elements: u64,
    /// Whether all ways must give the same answer.
    pub comparable: bool,
    /// Who does it.
    pub ways: Vec<Way<'s>>,
}

impl<'s> Work<'s> {
    fn new(name: &'static str, elements: u64) -> Self {
        Work { name, elements, comparable: true, ways: Vec::new() }
    }

    fn by(mut self, system: &'static str, way: impl Fn() -> u64 + 's) -> Self {
        self.ways.push((system, Box::new(way)));
        self
    }
}

/// All works.
pub fn works(setup: &Setup) -> Vec<Work<'_>> {
    let random = setup.random_keys();
    let mut sorted = random.clone();
    sorted.sort_unstable();
    let mut all: Vec<[u8; 8]> = (0..setup.keys).map(key).collect();
    all.sort_unstable();
    vec![
        gets(setup, "random get", random),
        gets(setup, "sorted get, one key in five", sorted),
        gets(setup, "sorted get, every key", all),
        scan(setup),
        packed_duplicates(setup),
        seek_in_duplicates(setup),
        duplicate_counts(setup),
        range_count(setup),
        snapshots(setup),
    ]
}

fn gets<'s>(setup: &'s Setup, name: &'static str, keys: Vec<[u8; 8]>) -> Work<'s> {
    let keys = std::rc::Rc::new(keys);
    let (for_c, for_c_cursor, for_heed, for_get) = (keys.clone(), keys.clone(), keys.clone(), keys.clone());
    let (c_table, table) = (setup.c.table("plain"), setup.table("plain"));
    Work::new(name, keys.len() as u64)
        .by("factum", move || {
            let mut cursor = Cursor::<Lexicographic>::new(&setup.snapshot, &table).expect("a cursor");
            let mut get = |key: &[u8; 8]| cursor.get(key).expect("sound").expect("a value")[0];
            keys.iter().map(|key| u64::from(get(key))).sum()
        })
        .by("factum, without a cursor", move || {
            let get = |key: &[u8; 8]| lmdb_pages::get::<Lexicographic>(&setup.snapshot, &table, key);
            for_get.iter().map(|key| u64::from(get(key).expect("sound").expect("a value")[0])).sum()
        })
        .by("heed", move || {
            let get =
                |key: &[u8; 8]| setup.plain.get(&setup.heed_txn, key).expect("sound").expect("a value")[0];
            for_heed.iter().map(|key| u64::from(get(key))).sum()
        })
        .by("lmdb-c", move || {
            let get = |key: &[u8; 8]| setup.c.get(c_table, key).expect("a value")[0];
            for_c.iter().map(|key| u64::from(get(key))).sum()
        })
        .by("lmdb-c, by cursor", move || {
            let mut cursor = setup.c.cursor(c_table);
            let mut get = |key: &[u8; 8]| cursor.op(ffi::MDB_SET_KEY, key, b"").expect("a pair").1[0];
            for_c_cursor.iter().map(|key| u64::from(get(key))).sum()
        })
}

fn scan(setup: &Setup) -> Work<'_> {
    let look = |key: &[u8], value: &[u8]| u64::from(key[0]) + value.len() as u64;
    let (c_table, table) = (setup.c.table("plain"), setup.table("plain"));
    Work::new("full scan", setup.keys)
        .by("factum", move || {
            let mut cursor = Cursor::<Lexicographic>::new(&setup.snapshot, &table).expect("a cursor");
            let mut sum = 0;
            while let Some((key, value)) = cursor.next().expect("sound") {
                sum += look(key, value);
            }
            sum
        })
        .by("heed", move || {
            let pairs = setup.plain.iter(&setup.heed_txn).expect("an iterator");
            pairs.map(|pair| pair.map(|(key, value)| look(key, value)).expect("sound")).sum()
        })
        .by("lmdb-c", move || {
            let (mut cursor, mut sum) = (setup.c.cursor(c_table), 0);
            while let Some((key, value)) = cursor.op(ffi::MDB_NEXT, b"", b"") {
                sum += look(key, value);
            }
            sum
        })
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes.try_into().expect("8 bytes"))
}

fn add_words(sum: u64, chunk: &[u8]) -> u64 {
    chunk.as_chunks().0.iter().fold(sum, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

fn packed_duplicates(setup: &Setup) -> Work<'_> {
    let (c_table, table) = (setup.c.table("lists"), setup.table("lists"));
    Work::new("packed duplicates", setup.keys)
        .by("factum", move || {
            let mut cursor =
                Cursor::<Lexicographic, NativeInteger>::new(&setup.snapshot, &table).expect("a cursor");
            assert!(cursor.find(b"one list").expect("sound"));
            let chunks = cursor.dup_chunks().expect("sound");
            chunks.fold(0, |sum, chunk| add_words(sum, chunk.expect("sound")))
        })
        .by("heed", move || {
            let dups =
                setup.lists.get_duplicates(&setup.heed_txn, b"one list").expect("sound").expect("the list");
            dups.fold(0u64, |sum, pair| sum.wrapping_add(word(pair.expect("sound").1)))
        })
        .by("lmdb-c", move || {
            let mut cursor = setup.c.cursor(c_table);
            let (mut sum, mut pair) = (0u64, cursor.op(ffi::MDB_SET_KEY, b"one list", b""));
            while let Some((_, value)) = pair {
                sum = sum.wrapping_add(word(value));
                pair = cursor.op(ffi::MDB_NEXT_DUP, b"", b"");
            }
            sum
        })
        .by("lmdb-c, a page at a time", move || {
            let mut cursor = setup.c.cursor(c_table);
            cursor.op(ffi::MDB_SET_KEY, b"one list", b"");
            let (mut sum, mut pair) = (0, cursor.op(ffi::MDB_GET_MULTIPLE, b"", b""));
            while let Some((_, chunk)) = pair {
                sum = add_words(sum, chunk);
                pair = cursor.op(ffi::MDB_NEXT_MULTIPLE, b"", b"");
            }
            sum
        })
}

fn seek_in_duplicates(setup: &Setup) -> Work<'_> {
    let mut rng = StdRng::seed_from_u64(2);
    let sought: Vec<[u8; 8]> =
        (0..setup.keys / 5).map(|_| rng.random_range(0..setup.keys * 3 - 3).to_ne_bytes()).collect();
    let elements = sought.len() as u64;
    let sought = std::rc::Rc::new(sought);
    let for_c = sought.clone();
    let (c_table, table) = (setup.c.table("lists"), setup.table("lists"));
    Work::new("seek in duplicates", elements)
        .by("factum", move || {
            let mut cursor =
                Cursor::<Lexicographic, NativeInteger>::new(&setup.snapshot, &table).expect("a cursor");
            let mut seek = |value| cursor.seek_dup(b"one list", value).expect("sound").expect("a pair").1;
            sought.iter().fold(0u64, |sum, value| sum.wrapping_add(word(seek(value))))
        })
        .by("lmdb-c", move || {
            let mut cursor = setup.c.cursor(c_table);
            let mut seek = |value| cursor.op(ffi::MDB_GET_BOTH_RANGE, b"one list", value).expect("a pair").1;
            for_c.iter().fold(0u64, |sum, value| sum.wrapping_add(word(seek(value))))
        })
}

fn duplicate_counts(setup: &Setup) -> Work<'_> {
    let keys: std::rc::Rc<Vec<[u8; 8]>> = std::rc::Rc::new((0..setup.keys / 10).map(key).collect());
    let for_c = keys.clone();
    let (c_table, table) = (setup.c.table("lists"), setup.table("lists"));
    Work::new("duplicate count", keys.len() as u64)
        .by("factum", move || {
            let mut cursor =
                Cursor::<Lexicographic, NativeInteger>::new(&setup.snapshot, &table).expect("a cursor");
            let mut count = |key| cursor.find(key).and_then(|_| cursor.dup_count());
            keys.iter().map(|key| count(key).expect("sound")).sum()
        })
        .by("lmdb-c", move || {
            let mut cursor = setup.c.cursor(c_table);
            let mut count = |key| cursor.op(ffi::MDB_SET_KEY, key, b"").map(|_| cursor.count());
            for_c.iter().map(|key| count(key).expect("a pair") as u64).sum()
        })
}

fn range_count(setup: &Setup) -> Work<'_> {
    let (c_table, table) = (setup.c.table("plain"), setup.table("plain"));
    let (low, high) = ((1u64 << 62).to_be_bytes(), (3u64 << 62).to_be_bytes());
    Work::new("count half a table", setup.keys / 2)
        .by("factum", move || {
            let (low, high) = (Bound::Included(&low[..]), Bound::Excluded(&high[..]));
            count_range::<Lexicographic>(&setup.snapshot, &table, low, high).expect("sound").keys
        })
        .by("lmdb-c", move || {
            let mut cursor = setup.c.cursor(c_table);
            let (mut count, mut pair) = (0, cursor.op(ffi::MDB_SET_RANGE, &low, b""));
            while let Some((key, _)) = pair
                && key < &high[..]
            {
                count += 1;
                pair = cursor.op(ffi::MDB_NEXT, b"", b"");
            }
            count
        })
}

/// Beginning to read, and ending it; a thousand times, since once is too short for a clock.
fn snapshots(setup: &Setup) -> Work<'_> {
    const TIMES: u64 = 1000;
    let times = |once: &dyn Fn() -> u64| (0..TIMES).map(|_| once()).sum();
    let mut work = Work::new("snapshot", TIMES)
        .by("factum", move || times(&|| setup.other_reader.snapshot().expect("a snapshot").txn_id()))
        .by("factum, of a state that is being read", move || {
            times(&|| setup.reader.snapshot().expect("a snapshot").txn_id())
        })
        .by("heed", move || times(&|| setup.env.read_txn().expect("a read transaction").id() as u64))
        .by("lmdb-c", move || times(&|| setup.c.begin_and_abort()));
    work.comparable = false;
    work
}
