//! Every range type over plain and list tables, from snapshots and inside transactions, against a model.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::ControlFlow;

use factum_kv::codec::{
    Blob, Boolean, Codec, Double, Id, Instant, KeyType, Long, Many, NativeU64, Ordered, Str, Tuple, Unit,
    Utf8, Utf8Z,
};
use factum_kv::{
    Cursor, Dbi, DbiFlags, DbiOptions, Durability, Env, EnvOptions, Intersection, KeyRange, Read, Table,
};
use tempfile::TempDir;

fn env() -> (TempDir, Env) {
    let dir = tempfile::tempdir().expect("a directory");
    let env = EnvOptions::new().durability(Durability::None).open(dir.path()).unwrap();
    (dir, env)
}

type Set = BTreeMap<i64, BTreeSet<i64>>;

/// All range types with these bounds, and what each keeps of a key.
fn all_ranges(a: i64, b: i64) -> Vec<(&'static str, KeyRange<i64>, Box<dyn Fn(i64) -> bool>, bool)> {
    type Keep = Box<dyn Fn(i64) -> bool>;
    let back = |name, range, keep: Keep| (name, range, keep, true);
    let forth = |name, range, keep: Keep| (name, range, keep, false);
    vec![
        forth("all", KeyRange::all(), Box::new(|_| true)),
        back("all-back", KeyRange::all_back(), Box::new(|_| true)),
        forth("at-least", KeyRange::at_least(a), Box::new(move |k| k >= a)),
        back("at-least-back", KeyRange::at_least_back(a), Box::new(move |k| k >= a)),
        forth("at-most", KeyRange::at_most(a), Box::new(move |k| k <= a)),
        back("at-most-back", KeyRange::at_most_back(a), Box::new(move |k| k <= a)),
        forth("greater-than", KeyRange::greater_than(a), Box::new(move |k| k > a)),
        back("greater-than-back", KeyRange::greater_than_back(a), Box::new(move |k| k > a)),
        forth("less-than", KeyRange::less_than(a), Box::new(move |k| k < a)),
        back("less-than-back", KeyRange::less_than_back(a), Box::new(move |k| k < a)),
        forth("closed", KeyRange::closed(a, b), Box::new(move |k| a <= k && k <= b)),
        back("closed-back", KeyRange::closed_back(a, b), Box::new(move |k| b <= k && k <= a)),
        forth("closed-open", KeyRange::closed_open(a, b), Box::new(move |k| a <= k && k < b)),
        back("closed-open-back", KeyRange::closed_open_back(a, b), Box::new(move |k| b < k && k <= a)),
        forth("open-closed", KeyRange::open_closed(a, b), Box::new(move |k| a < k && k <= b)),
        back("open-closed-back", KeyRange::open_closed_back(a, b), Box::new(move |k| b <= k && k < a)),
        forth("open", KeyRange::open(a, b), Box::new(move |k| a < k && k < b)),
        back("open-back", KeyRange::open_back(a, b), Box::new(move |k| b < k && k < a)),
    ]
}

/// The pairs of the model, keys in one direction, values in another.
fn model(
    set: &Set,
    keep: impl Fn(i64) -> bool,
    back: bool,
    keep_value: impl Fn(i64) -> bool,
    values_back: bool,
) -> Vec<(i64, i64)> {
    fn directed<T>(items: impl DoubleEndedIterator<Item = T>, back: bool) -> Vec<T> {
        if back { items.rev().collect() } else { items.collect() }
    }
    directed(set.iter().filter(|(key, _)| keep(**key)), back)
        .into_iter()
        .flat_map(|(key, values)| {
            directed(
                values.iter().filter(|value| keep_value(**value)).map(move |value| (*key, *value)),
                values_back,
            )
        })
        .collect()
}

/// Tables of these contents: nothing, one pair, a few, and many on several pages with large gaps.
fn contents(list: bool) -> Vec<Set> {
    let values = |key: i64| -> BTreeSet<i64> {
        match (list, key % 4) {
            (false, _) => [key * 7].into(),
            (true, 0) => [5].into(),
            (true, 1) => (0..12).map(|value| value * 2).collect(),
            // Enough for a tree of its own.
            (true, 2) if key % 100 == 2 => (0..600).map(|value| value * 2).collect(),
            (true, _) => [-3, 4, 8].into(),
        }
    };
    let set = |keys: Vec<i64>| keys.into_iter().map(|key| (key, values(key))).collect();
    vec![set(vec![]), set(vec![5]), set((1..=9).collect()), set((-300..300).map(|key| key * 3).collect())]
}

fn fill<K, V>(env: &Env, table: &Table<K, V>, set: &Set)
where
    K: for<'a> Codec<In<'a> = i64>,
    V: for<'a> Codec<In<'a> = i64>,
{
    let mut txn = env.write().unwrap();
    for (key, values) in set {
        for value in values {
            table.put(&mut txn, *key, *value).unwrap();
        }
    }
    txn.commit().unwrap();
}

fn check_all_ranges<R: Read>(read: &R, table: &Table<Long, Long>, set: &Set, bounds: &[(i64, i64)]) {
    for &(a, b) in bounds {
        for (name, range, keep, back) in all_ranges(a, b) {
            let expected = model(set, &keep, back, |_| true, false);
            let what = || format!("{name} {a} {b} of {} keys", set.len());
            let found: Vec<_> = table.range(read, range).unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(found, expected, "{}", what());
            // Folded, the pairs of a page come from an inner loop.
            let fold = |mut pairs: Vec<_>, pair: factum_kv::Result<_>| {
                pairs.push(pair.unwrap());
                pairs
            };
            assert_eq!(table.range(read, range).unwrap().fold(Vec::new(), fold), expected, "{}", what());
            let mut few = Vec::new();
            let visit = |key, value| {
                few.push((key, value));
                if few.len() == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            table.range(read, range).unwrap().visit(visit).unwrap();
            assert_eq!(few, expected[..expected.len().min(5)], "{}", what());
            let mut keys: Vec<_> = expected.iter().map(|(key, _)| *key).collect();
            keys.dedup();
            let found: Vec<_> = table.keys(read, range).unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(found, keys, "{}", what());
            assert_eq!(table.key_count(read, range).unwrap(), keys.len() as u64, "{}", what());
            assert_eq!(table.range_count(read, range).unwrap(), expected.len() as u64, "{}", what());
            assert_eq!(table.first(read, range).unwrap(), expected.first().copied(), "{}", what());
            assert_eq!(
                table.first_n(read, 3, range).unwrap(),
                expected[..expected.len().min(3)],
                "{}",
                what()
            );
        }
    }
}

/// The form of a range type with as many of these bounds as it takes.
fn form(name: &str, a: i64, b: i64) -> String {
    match name.trim_end_matches("-back") {
        "all" => format!("[:{name}]"),
        "closed" | "closed-open" | "open-closed" | "open" => format!("[:{name} {a} {b}]"),
        _ => format!("[:{name} {a}]"),
    }
}

#[test]
fn ranges_are_read_from_forms() {
    for (a, b) in BOUNDS {
        for (name, range, _, _) in all_ranges(a, b) {
            let form = edn::read(&form(name, a, b)).unwrap();
            let read = KeyRange::from_value(&form).unwrap();
            let number = |value: &edn::Value| value.as_int().unwrap();
            assert_eq!(read.map(number), range, "{form}");
        }
    }
    let all = edn::read(":all-back").unwrap();
    assert!(KeyRange::from_value(&all).unwrap().is_back());
    for (text, expected) in [
        ("[:closd 1 2]", "[:closd 1 2] is no range: there is no range type :closd, did you mean :closed?"),
        ("[:closed 1]", "[:closed 1] is no range: :closed takes two bounds, not 1"),
        ("[:at-least]", "[:at-least] is no range: :at-least takes one bound, not 0"),
        ("[:all 1]", "[:all 1] is no range: :all takes no bounds, not 1"),
        ("[:at-least nil]", "[:at-least nil] is no range: nil is no bound"),
        ("[]", "[] is no range: a range begins with its type"),
        ("5", "5 is no range: a range is a vector that begins with its type, such as [:closed 1 9]"),
    ] {
        let form = edn::read(text).unwrap();
        let error = KeyRange::from_value(&form).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (":kv/bad-range", expected));
    }
}

const BOUNDS: [(i64, i64); 12] = [
    (5, 5),
    (3, 7),
    (7, 3),
    (0, 20),
    (20, 0),
    (-5, -1),
    (4, 5),
    (-899, 899),
    (899, -899),
    (100, 298),
    (298, 100),
    (-2000, 2000),
];

#[test]
fn every_range_over_plain_tables() {
    for set in contents(false) {
        let (_dir, env) = env();
        let table: Table<Long, Long> = env.open_table("t").unwrap();
        fill(&env, &table, &set);
        check_all_ranges(&env.read().unwrap(), &table, &set, &BOUNDS);
        check_all_ranges(&env.write().unwrap(), &table, &set, &BOUNDS);
    }
}

#[test]
fn every_range_over_list_tables() {
    for set in contents(true) {
        let (_dir, env) = env();
        let table: Table<Long, Long> = env.open_list("t").unwrap();
        fill(&env, &table, &set);
        check_all_ranges(&env.read().unwrap(), &table, &set, &BOUNDS);
        check_all_ranges(&env.write().unwrap(), &table, &set, &BOUNDS);
    }
}

#[test]
fn reads_inside_a_transaction_see_its_writes() {
    let (_dir, env) = env();
    let table: Table<Long, Long> = env.open_list("t").unwrap();
    let mut set = contents(true).pop().unwrap();
    fill(&env, &table, &set);
    let before = env.read().unwrap();
    let mut txn = env.write().unwrap();
    let old = set.clone();
    for key in [-300, 0, 3] {
        table.delete(&mut txn, key).unwrap();
        set.remove(&key);
        table.put(&mut txn, key + 1, 9).unwrap();
        set.entry(key + 1).or_default().insert(9);
    }
    check_all_ranges(&txn, &table, &set, &BOUNDS[..6]);
    check_all_ranges(&before, &table, &old, &BOUNDS[..6]);
    let mut inner = txn.nested().unwrap();
    table.put(&mut inner, 1, 77).unwrap();
    set.entry(1).or_default().insert(77);
    check_all_ranges(&inner, &table, &set, &BOUNDS[..6]);
}

fn check_list_ranges<K, V>(options: DbiOptions, keys: K, values: V, numbers: std::ops::Range<i64>)
where
    K: for<'a> Ordered<In<'a> = i64, Out<'a> = i64> + Copy,
    V: for<'a> Ordered<In<'a> = i64, Out<'a> = i64> + Copy,
{
    let (_dir, env) = env();
    let set: Set = numbers
        .clone()
        .map(|key| {
            let count = [1, 3, 40, 700][key as usize % 4];
            (key, (0..count).map(|value| value * 3).collect())
        })
        .collect();
    let table = env.open_table_with("t", options, keys, values).unwrap();
    fill(&env, &table, &set);
    let read = env.read().unwrap();
    let txn = env.write().unwrap();
    for (a, b) in [(3, 6), (6, 3), (0, 100)] {
        for (name, range, keep, back) in all_ranges(a, b) {
            for (c, d) in [(6, 30), (31, 7), (7, 8), (5000, 6000), (0, 0), (2097, 2097)] {
                for (value_name, value_range, keep_value, value_back) in all_ranges(c, d) {
                    let expected = model(&set, &keep, back, &keep_value, value_back);
                    let what = || format!("{name} {a} {b} x {value_name} {c} {d}");
                    let found: Vec<_> = table
                        .list_range(&read, range, value_range)
                        .unwrap()
                        .collect::<Result<_, _>>()
                        .unwrap();
                    assert_eq!(found, expected, "{}", what());
                    if (a, c) == (3, 6) || (a, c) == (6, 31) {
                        let found: Vec<_> = table
                            .list_range(&txn, range, value_range)
                            .unwrap()
                            .collect::<Result<_, _>>()
                            .unwrap();
                        assert_eq!(found, expected, "in a transaction: {}", what());
                    }
                    let entries = table.list_range(&read, range, value_range).unwrap();
                    assert_eq!(entries.raw().fold(0, |n, _| n + 1), expected.len(), "{}", what());
                    let count = table.list_range_count(&read, range, value_range).unwrap();
                    assert_eq!(count, expected.len() as u64, "{}", what());
                }
            }
        }
    }
}

#[test]
fn every_pair_of_ranges_over_lists() {
    check_list_ranges(DbiOptions::list(), Long, Long, 0..9);
}

/// Unsigned numbers in native order, given as signed ones.
#[derive(Clone, Copy, Default)]
struct Native;

impl Codec for Native {
    type In<'a> = i64;
    type Out<'a> = i64;

    fn encode<'i: 'b, 'b>(
        &self,
        item: i64,
        buffer: &'b mut factum_kv::codec::Buffer,
    ) -> Result<&'b [u8], factum_kv::codec::CodecError> {
        NativeU64.encode(item as u64, buffer)
    }

    fn decode(&self, bytes: &[u8]) -> Result<i64, factum_kv::codec::CodecError> {
        NativeU64.decode(bytes).map(|item| item as i64)
    }
}

impl Ordered for Native {}

#[test]
fn every_pair_of_ranges_over_lists_of_packed_integers() {
    check_list_ranges(DbiFlags::INTEGERDUP.into(), Id, Native, 0..9);
    check_list_ranges((DbiFlags::INTEGERKEY | DbiFlags::INTEGERDUP).into(), Native, Native, 0..9);
}

#[test]
fn lists_by_key() {
    let (_dir, env) = env();
    let table: Table<Str, Long> = env.open_list("t").unwrap();
    let mut txn = env.write().unwrap();
    table.put_list(&mut txn, "a", [3, 1, 2, 3]).unwrap();
    table.put_list(&mut txn, "b", 0..1000).unwrap();
    assert_eq!(table.delete_list(&mut txn, "b", [0, 5, 5000]).unwrap(), 2);
    txn.commit().unwrap();
    fn check(table: &Table<Str, Long>, read: &impl Read) {
        let list = |key| table.list(read, key).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(list("a"), [1, 2, 3]);
        assert_eq!(list("b").len(), 998);
        assert_eq!(list("c"), [0; 0]);
        assert_eq!(table.get(read, "a").unwrap(), Some(1));
        assert_eq!(table.list_count(read, "b").unwrap(), 998);
        assert_eq!(table.list_count(read, "c").unwrap(), 0);
        assert!(table.in_list(read, "b", 6).unwrap());
        assert!(!table.in_list(read, "b", 5).unwrap());
        assert!(!table.in_list(read, "c", 5).unwrap());
        assert_eq!(table.near_list(read, "b", 5).unwrap(), Some(6));
        assert_eq!(table.near_list(read, "b", 1000).unwrap(), None);
        let mut seen = Vec::new();
        let stop_at_2 = |value| {
            seen.push(value);
            if value == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        table.list(read, "a").unwrap().visit(stop_at_2).unwrap();
        assert_eq!(seen, [1, 2]);
    }
    check(&table, &env.read().unwrap());
    check(&table, &env.write().unwrap());
    let plain: Table<Str, Long> = env.open_table("plain").unwrap();
    let read = env.read().unwrap();
    assert_eq!(plain.list(&read, "a").unwrap_err().code(), ":kv/not-a-list");
    assert_eq!(plain.list_range(&read, .., ..).unwrap_err().code(), ":kv/not-a-list");
    assert_eq!(plain.put_list(&mut env.write().unwrap(), "a", [1]).unwrap_err().code(), ":kv/not-a-list");
    assert_eq!(table.update(&mut env.write().unwrap(), "a", |_| None).unwrap_err().code(), ":kv/is-a-list");
}

#[test]
fn packed_values_come_many_at_a_time() {
    let (_dir, env) = env();
    let table = env.open_table_with("t", DbiFlags::INTEGERDUP, Str, NativeU64).unwrap();
    let mut txn = env.write().unwrap();
    table.put_list(&mut txn, "k", (0..100_000).rev()).unwrap();
    table.put(&mut txn, "one", 7).unwrap();
    txn.commit().unwrap();
    let read = env.read().unwrap();
    let mut all = Vec::new();
    let mut chunks = 0;
    let add = |chunk: &[u8]| {
        chunks += 1;
        all.extend(chunk.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes)));
    };
    table.visit_packed(&read, "k", add).unwrap();
    assert_eq!(all, (0..100_000).collect::<Vec<_>>());
    assert!(chunks < 1000, "{chunks} chunks");
    let mut one = Vec::new();
    table.visit_packed(&read, "one", |chunk| one.extend_from_slice(chunk)).unwrap();
    assert_eq!(one, 7u64.to_ne_bytes());
    table.visit_packed(&read, "none", |_| panic!("nothing to visit")).unwrap();
}

/// The values of a key, from pages in both directions.
fn by_pages(cursor: &mut Cursor<'_>, key: &[u8]) -> [Vec<u8>; 4] {
    assert!(cursor.seek_exact(key).unwrap().is_some());
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    cursor.visit_chunks(|chunk| forward.push(chunk)).unwrap();
    assert_eq!(cursor.current().unwrap().map(|pair| pair.1), cursor.first_dup().unwrap());
    cursor.visit_chunks_back(|chunk| backward.insert(0, chunk)).unwrap();
    let mut stepped = vec![cursor.dup_page().unwrap().unwrap()];
    while let Some(page) = cursor.next_dup_page().unwrap() {
        stepped.push(page);
    }
    assert_eq!(cursor.next_dup().unwrap(), None, "on the last value");
    let mut back = vec![cursor.dup_page().unwrap().unwrap()];
    while let Some(page) = cursor.prev_dup_page().unwrap() {
        back.insert(0, page);
    }
    [forward.concat(), backward.concat(), stepped.concat(), back.concat()]
}

#[test]
fn pages_of_values_in_both_directions() {
    for (flags, width) in [(DbiFlags::INTEGERDUP, 8), (DbiFlags::DUPFIXED, 3), (DbiFlags::DUPSORT, 5)] {
        let (_dir, env) = env();
        let dbi = env.open_dbi("t", flags).unwrap();
        let value = |n: u64| match width {
            8 => n.to_ne_bytes().to_vec(),
            _ => n.to_be_bytes()[8 - width..].to_vec(),
        };
        let mut txn = env.write().unwrap();
        let lists = [("a", 1), ("b", 2), ("c", 100), ("d", 20_000)];
        for (key, count) in lists {
            for n in 0..count {
                txn.put(&dbi, key.as_bytes(), &value(n * 7)).unwrap();
            }
        }
        for (key, count) in lists {
            let all: Vec<u8> = (0..count).flat_map(|n| value(n * 7)).collect();
            let found = by_pages(&mut txn.cursor(&dbi).unwrap(), key.as_bytes());
            assert!(found.iter().all(|found| *found == all), "{flags:?} {key} in a transaction");
            let mut cursor = txn.cursor_mut(&dbi).unwrap();
            cursor.seek_exact(key.as_bytes()).unwrap();
            let (mut forward, mut backward, mut pages) = (Vec::new(), Vec::new(), 0);
            cursor.visit_chunks(|chunk| forward.extend_from_slice(chunk)).unwrap();
            cursor
                .visit_chunks_back(|chunk| {
                    pages += 1;
                    backward.insert(0, chunk.to_vec());
                })
                .unwrap();
            assert_eq!(
                (forward, backward.concat()),
                (all.clone(), all),
                "{flags:?} {key} with a write cursor"
            );
            assert!(width == 5 || pages <= 1 + count / 200, "{pages} pages of {count} values");
            assert_eq!(cursor.dup_page().unwrap().map(|page| page[..width].to_vec()), Some(value(0)));
        }
        txn.commit().unwrap();
        let read = env.read().unwrap();
        for (key, count) in lists {
            let all: Vec<u8> = (0..count).flat_map(|n| value(n * 7)).collect();
            let found = by_pages(&mut read.cursor(&dbi).unwrap(), key.as_bytes());
            assert!(found.iter().all(|found| *found == all), "{flags:?} {key} of a snapshot");
        }
        let mut nowhere = read.cursor(&dbi).unwrap();
        assert_eq!((nowhere.dup_page().unwrap(), nowhere.next_dup_page().unwrap()), (None, None));
        assert_eq!(nowhere.prev_dup_page().unwrap(), None);
    }
}

/// Numbers below `limit`, about one of `gap`, the same for the same seed.
fn numbers(limit: u64, gap: u64, seed: u64) -> BTreeSet<u64> {
    let chosen = |n: u64| {
        let mixed = (n + seed * 1_000_003).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
    };
    (0..limit).filter(|n| chosen(*n) % gap == 0).collect()
}

#[test]
fn lists_are_intersected() {
    let lists: [BTreeSet<u64>; 7] = [
        numbers(30_000, 2, 1),
        numbers(30_000, 3, 2),
        numbers(30_000, 300, 3),
        numbers(30_000, 5, 4).into_iter().filter(|n| !(9_000..20_000).contains(n)).collect(),
        [7].into(),
        (40_000..41_000).collect(),
        (0..30_000).collect(),
    ];
    type Encode = fn(u64) -> Vec<u8>;
    let shapes: [(DbiFlags, Encode); 6] = [
        (DbiFlags::INTEGERDUP, |n| n.to_ne_bytes().to_vec()),
        (DbiFlags::INTEGERDUP, |n| (n as u32).to_ne_bytes().to_vec()),
        (DbiFlags::DUPFIXED, |n| n.to_be_bytes().to_vec()),
        (DbiFlags::DUPFIXED, |n| n.to_be_bytes()[3..].to_vec()),
        (DbiFlags::DUPFIXED | DbiFlags::REVERSEDUP, |n| n.to_le_bytes().to_vec()),
        (DbiFlags::DUPSORT, |n| n.to_string().into_bytes()),
    ];
    for (flags, encode) in shapes {
        let (_dir, env) = env();
        let (one, other) = (env.open_dbi("one", flags).unwrap(), env.open_dbi("other", flags).unwrap());
        let mut txn = env.write().unwrap();
        for (key, list) in lists.iter().enumerate() {
            for n in list {
                let dbi = if key.is_multiple_of(2) { &one } else { &other };
                txn.put(dbi, &[key as u8 + 1], &encode(*n)).unwrap();
            }
        }
        let list = |key: usize| (if key.is_multiple_of(2) { &one } else { &other }, [key as u8 + 1]);
        let sort = |n: &u64| match flags.contains(DbiFlags::DUPSORT) && !flags.contains(DbiFlags::DUPFIXED) {
            true => encode(*n),
            false => n.to_be_bytes().to_vec(),
        };
        let check = |read: &dyn Read, keys: &[usize]| {
            let mut expected = lists[keys[0]].clone();
            expected.retain(|n| keys.iter().all(|key| lists[*key].contains(n)));
            let mut expected: Vec<u64> = expected.into_iter().collect();
            expected.sort_by_key(sort);
            let expected: Vec<Vec<u8>> = expected.into_iter().map(encode).collect();
            let shared = || Intersection::of(&read, keys.iter().map(|key| list(*key))).unwrap();
            let found: Vec<_> = shared().collect::<Result<_, _>>().unwrap();
            assert_eq!(found, expected, "{flags:?} {keys:?}");
            assert_eq!(shared().count_rest().unwrap(), expected.len() as u64, "{flags:?} {keys:?}");
        };
        let combinations: [&[usize]; 12] = [
            &[0],
            &[0, 1],
            &[1, 0],
            &[0, 2],
            &[6, 2],
            &[0, 3],
            &[4, 6],
            &[0, 5],
            &[0, 1, 2],
            &[3, 6, 1, 0],
            &[0, 0],
            &[6, 1, 3],
        ];
        for keys in combinations {
            check(&txn, keys);
        }
        txn.commit().unwrap();
        let read = env.read().unwrap();
        for keys in combinations {
            check(&read, keys);
        }
        let missing = Intersection::of(&read, [(&one, [1]), (&one, [99])]).unwrap();
        assert_eq!(missing.count_rest().unwrap(), 0);
        let none: [(&Dbi, &[u8]); 0] = [];
        assert_eq!(Intersection::of(&read, none).unwrap().count_rest().unwrap(), 0);
        // A visitor may end the walk.
        let first = Intersection::of(&read, [list(0), list(1)]).unwrap().visit(ControlFlow::Break).unwrap();
        assert_eq!(first, Intersection::of(&read, [list(0), list(1)]).unwrap().next().transpose().unwrap());
    }
}

#[test]
fn lists_that_cannot_be_intersected_are_errors() {
    let (_dir, env) = env();
    let plain = env.open_dbi("plain", DbiFlags::empty()).unwrap();
    let bytes = env.open_dbi("bytes", DbiFlags::DUPFIXED).unwrap();
    let integers = env.open_dbi("integers", DbiFlags::INTEGERDUP).unwrap();
    let read = env.read().unwrap();
    let error = Intersection::of(&read, [(&bytes, b"a"), (&plain, b"b")]).unwrap_err();
    assert_eq!(error.code(), ":kv/not-a-list");
    let error = Intersection::of(&read, [(&bytes, b"a"), (&integers, b"b")]).unwrap_err();
    assert_eq!(error.code(), ":kv/list-orders-differ");
    assert!(error.to_string().contains("\"bytes\" and \"integers\""), "{error}");
    let typed: Table<Str, Long> = env.open_table("typed").unwrap();
    assert_eq!(typed.list_key("k").unwrap_err().code(), ":kv/not-a-list");
    // A value that does not decode is shown.
    let strings: Table<Str, Str> = env.open_list("strings").unwrap();
    let mut txn = env.write().unwrap();
    txn.put(strings.dbi(), b"\xFAa", &[0xFA, 0xFF]).unwrap();
    txn.commit().unwrap();
    let read = env.read().unwrap();
    let error = strings.list_intersection(&read, ["a", "a"]).unwrap().next().unwrap().unwrap_err();
    assert_eq!(error.code(), ":kv/undecodable");
}

#[test]
fn predicates_projections_and_visitors() {
    let (_dir, env) = env();
    let table: Table<Long, Str> = env.open_table("t").unwrap();
    let mut txn = env.write().unwrap();
    for key in 0..100 {
        table.put(&mut txn, key, if key % 10 == 0 { "ten" } else { "other" }).unwrap();
    }
    txn.commit().unwrap();
    let read = env.read().unwrap();
    let range = |range: KeyRange<i64>| table.range(&read, range).unwrap();
    assert_eq!(
        range(KeyRange::at_least(5)).find_entry(|_, value| *value == "ten").unwrap(),
        Some((10, "ten"))
    );
    assert_eq!(
        range(KeyRange::at_least_back(5)).find_entry(|_, value| *value == "ten").unwrap(),
        Some((90, "ten"))
    );
    assert_eq!(range(KeyRange::open(0, 10)).find_entry(|_, value| *value == "ten").unwrap(), None);
    assert_eq!(
        range(KeyRange::at_least(5)).find_raw(|_, value| value.ends_with(b"ten")).unwrap(),
        Some((10, "ten"))
    );
    let tens: Vec<_> = (0..10).map(|ten| (ten * 10, "ten")).collect();
    assert_eq!(range(KeyRange::all()).filter_entries(|_, value| *value == "ten").unwrap(), tens);
    assert_eq!(range(KeyRange::all()).filter_raw(|_, value| value.ends_with(b"ten")).unwrap(), tens);
    assert_eq!(range(KeyRange::all()).keep(|key, _| (key > 97).then_some(key * 2)).unwrap(), [196, 198]);
    assert_eq!(range(KeyRange::all()).some(|key, _| (key > 97).then_some(key * 2)).unwrap(), Some(196));
    assert_eq!(range(KeyRange::less_than(50)).count_entries(|_, value| *value == "ten").unwrap(), 5);
    let mut seen = Vec::new();
    let stop = |key| if key == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    range(KeyRange::all())
        .visit(|key, _| {
            seen.push(key);
            stop(key)
        })
        .unwrap();
    table
        .keys(&read, KeyRange::all_back())
        .unwrap()
        .visit(|key| {
            seen.push(key);
            stop(key - 95)
        })
        .unwrap();
    let ten = |value: &[u8]| value.ends_with(b"ten");
    assert_eq!(range(KeyRange::less_than(50)).count_raw(|_, value| ten(value)).unwrap(), 5);
    let last = |key: &[u8], value: &[u8]| ten(value).then(|| *key.last().unwrap());
    assert_eq!(range(KeyRange::less_than(30)).keep_raw(last).unwrap(), [0, 10, 20]);
    assert_eq!(range(KeyRange::at_least_back(5)).some_raw(last).unwrap(), Some(90));
    // Code that takes either kind of reading.
    let either: &dyn Read = &read;
    assert_eq!(table.first(&either, 7..).unwrap(), Some((7, "other")));
    assert_eq!(table.entries(&either).unwrap(), 100);
    let mut raw = 0;
    range(KeyRange::all())
        .visit_raw(|_, _| {
            raw += 1;
            stop(raw)
        })
        .unwrap();
    assert_eq!((seen.as_slice(), raw), (&[0, 1, 2, 3, 99, 98][..], 3));
    // A range inside a visitor of another has bounds of its own.
    let mut inner = 0;
    range(KeyRange::closed(1, 3))
        .visit(|key, _| {
            inner += range(KeyRange::closed(key, key + 1)).count() as i64;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(inner, 6);
    // Rust's own ranges.
    assert_eq!(table.range_count(&read, 5..10).unwrap(), 5);
    assert_eq!(table.range_count(&read, 5..=10).unwrap(), 6);
    assert_eq!(table.range_count(&read, ..).unwrap(), 100);
    assert_eq!(table.range_count(&read, 95..).unwrap(), 5);
    assert_eq!(table.range_count(&read, ..95).unwrap(), 95);
    assert_eq!(table.range_count(&read, ..=95).unwrap(), 96);
    assert_eq!(table.get_many(&read, [5, 10, 1000]).unwrap(), [Some("other"), Some("ten"), None]);
    assert!(table.contains_key(&read, 5).unwrap());
    table
        .update(&mut env.write().unwrap(), 5, |old| {
            assert_eq!(old, Some("other"));
            Some("new")
        })
        .unwrap();
}

#[test]
fn values_of_another_type_are_errors_that_show_them() {
    let (_dir, env) = env();
    let bytes: Table<Blob, Blob> = env.open_table("t").unwrap();
    let mut txn = env.write().unwrap();
    bytes.put(&mut txn, b"k", b"v").unwrap();
    txn.commit().unwrap();
    let read = env.read().unwrap();
    let wrong: Table<Blob, Long> = Table::new(*bytes.dbi(), Blob, Long);
    let error = wrong.get(&read, b"k").unwrap_err();
    assert_eq!(error.code(), ":kv/undecodable");
    assert!(error.to_string().contains("fe76"), "{error}");
    fn any<T: Debug>(result: Option<factum_kv::Result<T>>) -> &'static str {
        result.expect("an item").expect_err("undecodable").code()
    }
    assert_eq!(any(wrong.range(&read, ..).unwrap().next()), ":kv/undecodable");
    let float: Table<factum_kv::codec::Double, Blob> = Table::new(*bytes.dbi(), Default::default(), Blob);
    assert_eq!(float.get(&read, f64::NAN).unwrap_err().code(), ":kv/nan");
    assert_eq!(float.range(&read, f64::NAN..).unwrap_err().code(), ":kv/nan");
}

#[test]
fn integer_tables_refuse_keys_of_other_sizes_before_lmdb_compares_them() {
    let (_dir, env) = env();
    let dbi = env.open_dbi("t", DbiFlags::INTEGERKEY | DbiFlags::INTEGERDUP).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, &[1; 8], &[1; 8]).unwrap();
    assert_eq!(txn.get(&dbi, &[1]).unwrap(), None);
    assert!(!txn.delete(&dbi, &[1]).unwrap());
    assert!(!txn.delete_dup(&dbi, &[1; 8], &[1]).unwrap());
    let mut cursor = txn.cursor(&dbi).unwrap();
    assert_eq!(cursor.seek(&[1]).unwrap_err().code(), ":kv/wrong-size");
    assert_eq!(cursor.seek_dup(&[1; 8], &[1]).unwrap_err().code(), ":kv/wrong-size");
    assert!(cursor.seek_pair(&[1; 8], &[1; 8]).unwrap().is_some());
}

/// Writes pairs through one table and reads them, in several ways, through the other.
fn check_both_ways<K, V>(types: &str, keys: K, values: V, pairs: &[(K::In<'static>, V::In<'static>)])
where
    K: Ordered + Clone,
    V: Codec + Clone,
    K::In<'static>: Copy,
    V::In<'static>: Copy,
{
    let types = edn::read(types).unwrap();
    let [key_type, value_type] = types.as_sequence().unwrap() else { panic!("two types") };
    let key_type = KeyType::from_value(key_type).unwrap();
    let value_type = KeyType::from_value(value_type).unwrap();
    let (_dir, env) = env();
    let counted = DbiOptions::new().counted(true);
    let typed = env.open_table_with("t", counted, keys, values).unwrap();
    let dynamic = Table::new(*typed.dbi(), key_type, value_type);
    let mut txn = env.write().unwrap();
    for (key, value) in pairs {
        typed.put(&mut txn, *key, *value).unwrap();
    }
    // Read by the dynamic table, written again by it, the bytes are the same.
    let before = raw_pairs(&typed, &txn);
    let rows: Vec<_> = dynamic.range(&txn, ..).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), pairs.len());
    dynamic.clear(&mut txn).unwrap();
    for (key, value) in &rows {
        dynamic.put(&mut txn, key, value).unwrap();
    }
    txn.commit().unwrap();
    let read = env.read().unwrap();
    assert_eq!(before, raw_pairs(&dynamic, &read));
    for (at, (key, _)) in rows.iter().enumerate() {
        // Points, ranks and ranges of the one agree with those of the other; the pairs are given in order.
        let (typed_key, _) = pairs[at];
        assert_eq!(dynamic.rank(&read, key).unwrap(), Some(at as u64));
        assert_eq!(typed.rank(&read, typed_key).unwrap(), Some(at as u64));
        assert!(dynamic.get(&read, key).unwrap().is_some() && typed.contains_key(&read, typed_key).unwrap());
        let left = (pairs.len() - at) as u64;
        assert_eq!(typed.range_count(&read, KeyRange::at_least(typed_key)).unwrap(), left);
        assert_eq!(dynamic.range_count(&read, KeyRange::at_least(key)).unwrap(), left);
        let raw = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let typed_first =
            typed.range(&read, KeyRange::at_most_back(typed_key)).unwrap().raw().step().unwrap();
        let dynamic_first = dynamic.range(&read, KeyRange::at_most_back(key)).unwrap().raw().step().unwrap();
        assert_eq!(raw(typed_first.map(|pair| pair.0)), raw(dynamic_first.map(|pair| pair.0)));
    }
}

#[test]
fn typed_and_dynamic_tables_share_their_bytes() {
    let text: &[(&'static str, i64)] =
        &[("", i64::MIN), ("a", -1), ("a\0", 0), ("a\u{1F600}", 1), ("b", i64::MAX)];
    check_both_ways("[:string :long]", Str, Long, text);
    let longs = [(i64::MIN, "x"), (-256, ""), (-1, "y"), (0, "z"), (1, "é"), (i64::MAX, "\0")];
    check_both_ways("[:long :string]", Long, Str, &longs);
    check_both_ways("[:id :utf-8-bare]", Id, Utf8, &longs);
    check_both_ways("[:instant :utf-8]", Instant, Utf8Z, &longs[..5]);
    let floats =
        [f64::NEG_INFINITY, -1e300, -f64::MIN_POSITIVE / 2.0, 0.0, 5e-324, 1.5, f64::MAX, f64::INFINITY];
    let doubles: Vec<_> = floats.iter().map(|double| (*double, *double > 0.0)).collect();
    check_both_ways("[:double :boolean]", Double, Boolean, &doubles);
    let tuples: &[((&'static str, i64), ())] =
        &[(("", 1), ()), (("a", -5), ()), (("a", 5), ()), (("a\0", -9), ()), (("b", i64::MIN), ())];
    check_both_ways("[[:string :long] :ignore]", Tuple::<(Str, Long)>::default(), Unit, tuples);
    let many: &[(&'static [i64], &'static [u8])] =
        &[(&[-1], b"a"), (&[-1, 5], b""), (&[1, -1], b"c"), (&[1, 5], b"d"), (&[9], b"e")];
    check_both_ways("[[:long] :bytes]", Many::<Long>::default(), Blob, many);
}

/// The bytes of all pairs.
fn raw_pairs<K: Codec, V: Codec>(table: &Table<K, V>, read: &impl Read) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = table.range(read, ..).unwrap().raw();
    pairs.map(Result::unwrap).map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}
