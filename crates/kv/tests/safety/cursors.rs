//! Every operation of a cursor from every kind of place, on snapshots, in write transactions and on writing cursors,
//! against a model: a sorted vector of pairs and a position in it.

use factum_kv::{DbiFlags, DbiOptions, Env, PutFlags, Read};
use proptest::prelude::*;

use super::{code, quick};

type Bytes = Vec<u8>;
type Pairs = Vec<(Bytes, Bytes)>;

/// A move, with what it looks for.
#[derive(Clone, Debug)]
enum Op {
    First,
    Last,
    Next,
    Prev,
    NextKey,
    PrevKey,
    FirstDup,
    LastDup,
    NextDup,
    PrevDup,
    Current,
    Count,
    Seek(Bytes),
    SeekExact(Bytes),
    SeekLe(Bytes),
    SeekDup(Bytes, Bytes),
    SeekPair(Bytes, Bytes),
    SeekDupInKey(Bytes),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Pair(Option<(Bytes, Bytes)>),
    Value(Option<Bytes>),
    Count(u64),
}

/// Works on both kinds of cursors, whose methods have the same names.
macro_rules! run {
    ($cursor:expr, $op:expr) => {{
        let pair = |found: Option<(&[u8], &[u8])>| Answer::Pair(found.map(|(k, v)| (k.to_vec(), v.to_vec())));
        let value = |found: Option<&[u8]>| Answer::Value(found.map(<[u8]>::to_vec));
        match $op {
            Op::First => pair($cursor.first().unwrap()),
            Op::Last => pair($cursor.last().unwrap()),
            Op::Next => pair($cursor.next().unwrap()),
            Op::Prev => pair($cursor.prev().unwrap()),
            Op::NextKey => pair($cursor.next_key().unwrap()),
            Op::PrevKey => pair($cursor.prev_key().unwrap()),
            Op::FirstDup => value($cursor.first_dup().unwrap()),
            Op::LastDup => value($cursor.last_dup().unwrap()),
            Op::NextDup => value($cursor.next_dup().unwrap()),
            Op::PrevDup => value($cursor.prev_dup().unwrap()),
            Op::Current => pair($cursor.current().unwrap()),
            Op::Count => Answer::Count($cursor.dup_count().unwrap()),
            Op::Seek(key) => pair($cursor.seek(key).unwrap()),
            Op::SeekExact(key) => pair($cursor.seek_exact(key).unwrap()),
            Op::SeekLe(key) => pair($cursor.seek_le(key).unwrap()),
            Op::SeekDup(key, value) => pair($cursor.seek_dup(key, value).unwrap()),
            Op::SeekPair(key, value) => pair($cursor.seek_pair(key, value).unwrap()),
            Op::SeekDupInKey(wanted) => value($cursor.seek_dup_in_key(wanted).unwrap()),
        }
    }};
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Nowhere,
    On(usize),
    /// In front of the pair of this number.
    Gap(usize),
}

/// A table and a cursor, in the plainest way.
#[derive(Clone, Debug)]
struct Model {
    pairs: Pairs,
    at: At,
}

impl Model {
    fn lower(&self, key: &[u8]) -> usize {
        self.pairs.partition_point(|(k, _)| k.as_slice() < key)
    }

    fn upper(&self, key: &[u8]) -> usize {
        self.pairs.partition_point(|(k, _)| k.as_slice() <= key)
    }

    /// The numbers of the pairs with the same key as this one.
    fn group(&self, index: usize) -> std::ops::Range<usize> {
        let key = &self.pairs[index].0;
        self.lower(key)..self.upper(key)
    }

    fn pair(&self) -> Answer {
        Answer::Pair(match self.at {
            At::On(index) => Some(self.pairs[index].clone()),
            _ => None,
        })
    }

    fn value(&self) -> Answer {
        match self.pair() {
            Answer::Pair(pair) => Answer::Value(pair.map(|(_, value)| value)),
            other => other,
        }
    }

    /// Onto a pair, or in front of it if there is none.
    fn to(&mut self, index: usize) -> Answer {
        self.at = if index < self.pairs.len() { At::On(index) } else { At::Gap(index) };
        self.pair()
    }

    /// Onto the pair before this number.
    fn before(&mut self, index: usize) -> Answer {
        self.at = if index > 0 { At::On(index - 1) } else { At::Gap(0) };
        self.pair()
    }

    fn in_group(&mut self, target: impl FnOnce(usize, std::ops::Range<usize>) -> Option<usize>) -> Answer {
        let At::On(index) = self.at else { return Answer::Value(None) };
        match target(index, self.group(index)) {
            Some(index) => {
                self.at = At::On(index);
                self.value()
            }
            None => Answer::Value(None),
        }
    }

    fn seek_dup(&mut self, key: &[u8], value: &[u8]) -> Answer {
        let (start, end) = (self.lower(key), self.upper(key));
        let found = (start..end).find(|index| self.pairs[*index].1.as_slice() >= value);
        self.at = found.map_or(At::Gap(end), At::On);
        self.pair()
    }

    /// Whether the gap in front of this pair lies between two values of one key.
    fn splits_key(&self, index: usize) -> bool {
        index > 0 && index < self.pairs.len() && self.pairs[index - 1].0 == self.pairs[index].0
    }

    fn run(&mut self, op: &Op) -> Answer {
        let len = self.pairs.len();
        match op {
            Op::First if len == 0 => Answer::Pair(None),
            Op::First => self.to(0),
            Op::Last if len == 0 => Answer::Pair(None),
            Op::Last => self.before(len),
            Op::Next => match self.at {
                At::Nowhere => self.to(0),
                At::On(index) => self.to(index + 1),
                At::Gap(index) => self.to(index),
            },
            Op::Prev => match self.at {
                At::Nowhere => self.before(len),
                At::On(index) | At::Gap(index) => self.before(index),
            },
            Op::NextKey => match self.at {
                At::Nowhere => self.to(0),
                At::On(index) => self.to(self.group(index).end),
                At::Gap(index) if self.splits_key(index) => self.to(self.group(index).end),
                At::Gap(index) => self.to(index),
            },
            Op::PrevKey => match self.at {
                At::Nowhere => self.before(len),
                At::On(index) => self.before(self.group(index).start),
                At::Gap(index) if self.splits_key(index) => self.before(self.group(index).start),
                At::Gap(index) => self.before(index),
            },
            Op::FirstDup => self.in_group(|_, group| Some(group.start)),
            Op::LastDup => self.in_group(|_, group| Some(group.end - 1)),
            Op::NextDup => self.in_group(|at, group| (at + 1 < group.end).then_some(at + 1)),
            Op::PrevDup => self.in_group(|at, group| (at > group.start).then(|| at - 1)),
            Op::Current => self.pair(),
            Op::Count => Answer::Count(match self.at {
                At::On(index) => self.group(index).len() as u64,
                _ => 0,
            }),
            Op::Seek(key) => self.to(self.lower(key)),
            Op::SeekExact(key) => {
                let (start, end) = (self.lower(key), self.upper(key));
                self.at = if start < end { At::On(start) } else { At::Gap(start) };
                self.pair()
            }
            Op::SeekLe(key) => self.before(self.upper(key)),
            Op::SeekDup(key, value) => self.seek_dup(key, value),
            Op::SeekPair(key, value) => match self.seek_dup(key, value) {
                Answer::Pair(Some((_, found))) if found != *value => Answer::Pair(None),
                other => other,
            },
            Op::SeekDupInKey(value) => {
                let At::On(index) = self.at else { return Answer::Value(None) };
                let key = self.pairs[index].0.clone();
                self.seek_dup(&key, value);
                self.value()
            }
        }
    }

    fn delete(&mut self, whole_key: bool) -> bool {
        let At::On(index) = self.at else { return false };
        let gone = if whole_key { self.group(index) } else { index..index + 1 };
        self.at = At::Gap(gone.start);
        self.pairs.drain(gone);
        true
    }

    fn put(&mut self, list: bool, key: &[u8], value: &[u8]) {
        let pair = (key.to_vec(), value.to_vec());
        if !list {
            self.pairs.retain(|(k, _)| k != key);
        }
        let place = self.pairs.binary_search(&pair).unwrap_or_else(|place| {
            self.pairs.insert(place, pair);
            place
        });
        self.at = At::On(place);
    }

    fn replace(&mut self, list: bool, value: &[u8]) -> bool {
        let At::On(index) = self.at else { return false };
        let (key, _) = self.pairs.remove(index);
        self.put(list, &key, value);
        true
    }
}

fn ops() -> Vec<Op> {
    let mut ops = vec![
        Op::First,
        Op::Last,
        Op::Next,
        Op::Prev,
        Op::NextKey,
        Op::PrevKey,
        Op::FirstDup,
        Op::LastDup,
        Op::NextDup,
        Op::PrevDup,
        Op::Current,
        Op::Count,
    ];
    // Before all, there, between, there, behind all.
    for key in ["a", "b", "c", "d", "z"] {
        let key = key.as_bytes().to_vec();
        ops.extend([Op::Seek(key.clone()), Op::SeekExact(key.clone()), Op::SeekLe(key.clone())]);
        for value in ["1", "2", "3", "9"] {
            let value = value.as_bytes().to_vec();
            ops.extend([Op::SeekDup(key.clone(), value.clone()), Op::SeekPair(key.clone(), value)]);
        }
    }
    ops.extend(["1", "2", "3", "9"].map(|value| Op::SeekDupInKey(value.as_bytes().to_vec())));
    ops
}

/// The places to start from: nowhere, first, middle, last, in a gap, in front of all, behind all.
fn starts() -> Vec<Vec<Op>> {
    vec![
        vec![],
        vec![Op::First],
        vec![Op::Seek(b"d".to_vec())],
        vec![Op::Seek(b"d".to_vec()), Op::Next],
        vec![Op::Last],
        vec![Op::SeekExact(b"c".to_vec())],
        vec![Op::SeekDup(b"d".to_vec(), b"9".to_vec())],
        vec![Op::First, Op::Prev],
        vec![Op::Last, Op::Next],
    ]
}

fn contents(list: bool) -> Vec<Pairs> {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
    };
    let mut contents = vec![vec![], pairs(&[("d", "2")]), pairs(&[("b", "2"), ("d", "2"), ("f", "2")])];
    if list {
        contents.push(pairs(&[("d", "2"), ("d", "4"), ("d", "6")]));
        contents.push(pairs(&[
            ("b", "2"),
            ("b", "4"),
            ("d", "2"),
            ("d", "4"),
            ("d", "6"),
            ("f", "1"),
            ("f", "2"),
        ]));
    }
    contents
}

fn fill(env: &Env, dbi: &factum_kv::Dbi, pairs: &Pairs) {
    let mut txn = env.write().unwrap();
    txn.clear(dbi).unwrap();
    for (key, value) in pairs {
        txn.put(dbi, key, value).unwrap();
    }
    txn.commit().unwrap();
}

#[test]
fn every_operation_from_every_place() {
    let (_dir, env) = quick();
    for flags in [DbiFlags::empty(), DbiFlags::DUPSORT, DbiFlags::DUPFIXED] {
        let dbi = env.open_dbi(&format!("{flags:?}"), flags).unwrap();
        for pairs in contents(dbi.is_list()) {
            fill(&env, &dbi, &pairs);
            let read = env.read().unwrap();
            let mut txn = env.write().unwrap();
            for start in starts() {
                for op in ops() {
                    // What comes after shows in which gap an operation that found nothing has left the cursor.
                    for after in [Op::Current, Op::Next, Op::Prev, Op::NextKey, Op::PrevKey] {
                        let steps: Vec<_> = start.iter().chain([&op, &after]).collect();
                        let mut model = Model { pairs: pairs.clone(), at: At::Nowhere };
                        let expected: Vec<_> = steps.iter().map(|op| model.run(op)).collect();
                        let mut cursor = read.cursor(&dbi).unwrap();
                        let found: Vec<_> = steps.iter().map(|op| run!(cursor, op)).collect();
                        assert_eq!(found, expected, "snapshot: {flags:?} {pairs:?} {steps:?}");
                        let mut cursor = txn.cursor(&dbi).unwrap();
                        let found: Vec<_> = steps.iter().map(|op| run!(cursor, op)).collect();
                        assert_eq!(found, expected, "transaction: {flags:?} {pairs:?} {steps:?}");
                        drop(cursor);
                        let mut cursor = txn.cursor_mut(&dbi).unwrap();
                        let found: Vec<_> = steps.iter().map(|op| run!(cursor, op)).collect();
                        assert_eq!(found, expected, "writing: {flags:?} {pairs:?} {steps:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_operation_after_deleting() {
    let (_dir, env) = quick();
    for flags in [DbiFlags::empty(), DbiFlags::DUPSORT, DbiFlags::DUPFIXED] {
        let dbi = env.open_dbi(&format!("{flags:?}"), flags).unwrap();
        for pairs in contents(dbi.is_list()) {
            fill(&env, &dbi, &pairs);
            for (place, whole_key) in (0..pairs.len()).flat_map(|place| [(place, false), (place, true)]) {
                let mut txn = env.write().unwrap();
                for op in ops() {
                    for after in [Op::Current, Op::Next, Op::Prev] {
                        let mut model = Model { pairs: pairs.clone(), at: At::On(place) };
                        let mut nested = txn.nested().unwrap();
                        let mut cursor = nested.cursor_mut(&dbi).unwrap();
                        let (key, value) = &pairs[place];
                        assert!(cursor.seek_pair(key, value).unwrap().is_some());
                        let deleted = if whole_key { cursor.delete_key() } else { cursor.delete() };
                        assert!(deleted.unwrap());
                        model.delete(whole_key);
                        assert_eq!(cursor.current().unwrap(), None);
                        assert!(!cursor.delete().unwrap() && !cursor.delete_key().unwrap());
                        assert!(!cursor.replace(b"x").unwrap());
                        let expected = [model.run(&op), model.run(&after)];
                        let found = [run!(cursor, &op), run!(cursor, &after)];
                        assert_eq!(
                            found, expected,
                            "{flags:?} {pairs:?}, deleted {place} {whole_key}, {op:?}, {after:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn puts_with_every_flag() {
    let (_dir, env) = quick();
    let plain = env.open_dbi("plain", DbiFlags::empty()).unwrap();
    let list = env.open_dbi("list", DbiFlags::DUPSORT).unwrap();
    let mut txn = env.write().unwrap();
    let on = |key: &'static str, value: &'static str| Some((key.as_bytes(), value.as_bytes()));

    let mut cursor = txn.cursor_mut(&plain).unwrap();
    cursor.put(b"b", b"1", PutFlags::NOOVERWRITE).unwrap();
    cursor.put(b"d", b"2", PutFlags::APPEND).unwrap();
    assert_eq!(cursor.current().unwrap(), on("d", "2"));
    assert_eq!(code(cursor.put(b"b", b"x", PutFlags::NOOVERWRITE)), ":kv/key-exists");
    assert_eq!(cursor.current().unwrap(), on("b", "1"));
    assert_eq!(code(cursor.put(b"c", b"x", PutFlags::APPEND)), ":kv/out-of-order");
    assert_eq!(code(cursor.put(b"", b"x", PutFlags::empty())), ":kv/empty");
    assert_eq!(code(cursor.put(&[1; 512], b"x", PutFlags::empty())), ":kv/too-long");
    assert_eq!(cursor.current().unwrap(), on("b", "1"));
    assert!(cursor.replace(b"a longer value").unwrap());
    assert_eq!(cursor.current().unwrap(), on("b", "a longer value"));
    assert_eq!(cursor.next().unwrap(), on("d", "2"));
    drop(cursor);

    let mut cursor = txn.cursor_mut(&list).unwrap();
    for value in [b"3", b"1", b"5"] {
        cursor.put(b"k", value, PutFlags::NODUPDATA).unwrap();
    }
    assert_eq!(code(cursor.put(b"k", b"3", PutFlags::NODUPDATA)), ":kv/key-exists");
    assert_eq!(cursor.current().unwrap(), on("k", "3"));
    assert_eq!(code(cursor.put(b"k", b"4", PutFlags::APPENDDUP)), ":kv/out-of-order");
    cursor.put(b"k", b"7", PutFlags::APPENDDUP).unwrap();
    // A value that sorts elsewhere goes elsewhere.
    assert!(cursor.seek_pair(b"k", b"1").unwrap().is_some());
    assert!(cursor.replace(b"6").unwrap());
    assert_eq!(cursor.current().unwrap(), on("k", "6"));
    assert!(cursor.replace(b"7").unwrap());
    assert_eq!(code(cursor.replace(&[1; 512])), ":kv/too-long");
    assert_eq!(code(cursor.replace(b"")), ":kv/empty");
    let mut values = Vec::new();
    let mut value = cursor.first_dup().unwrap().map(<[u8]>::to_vec);
    while let Some(found) = value {
        values.push(found);
        value = cursor.next_dup().unwrap().map(<[u8]>::to_vec);
    }
    assert_eq!(values, [b"3", b"5", b"7"]);
    assert_eq!(cursor.dup_count().unwrap(), 3);
}

#[test]
fn sizes_learnt_by_a_put_hold_for_the_cursor() {
    let (_dir, env) = quick();
    let dbi = env.open_dbi("ints", DbiFlags::INTEGERKEY | DbiFlags::INTEGERDUP).unwrap();
    let mut txn = env.write().unwrap();
    let mut cursor = txn.cursor_mut(&dbi).unwrap();
    cursor.put(&7u64.to_ne_bytes(), &1u64.to_ne_bytes(), PutFlags::empty()).unwrap();
    assert_eq!(
        code(cursor.put(&7u32.to_ne_bytes(), &1u64.to_ne_bytes(), PutFlags::empty())),
        ":kv/wrong-size"
    );
    assert_eq!(code(cursor.seek(&[7])), ":kv/wrong-size");
    assert_eq!(code(cursor.seek_dup(&7u64.to_ne_bytes(), &[1])), ":kv/wrong-size");
    assert_eq!(code(cursor.replace(&[1, 2, 3])), ":kv/wrong-size");
    assert!(cursor.first().unwrap().is_some());
}

#[test]
fn values_written_in_place() {
    let (_dir, env) = quick();
    let plain = env.open_dbi("plain", DbiOptions::new().counted(true)).unwrap();
    let list = env.open_dbi("list", DbiFlags::DUPSORT).unwrap();
    let mut txn = env.write().unwrap();
    let lengths = [0, 1, 100, 5000, 20_000usize];
    for (number, len) in lengths.into_iter().enumerate() {
        let key = [number as u8];
        txn.put_reserved(&plain, &key, len, |bytes| {
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(number as u8 + 1);
        })
        .unwrap();
    }
    // Over an older value, of another size.
    txn.put_reserved(&plain, &[3], 7, |bytes| bytes.copy_from_slice(b"shorter")).unwrap();
    assert_eq!(code(txn.put_reserved(&list, b"k", 8, |_| ())), ":kv/is-a-list");
    assert_eq!(code(txn.put_reserved(&plain, b"", 8, |_| ())), ":kv/empty");
    assert_eq!(code(txn.put_reserved(&plain, b"k", 1 << 31, |_| ())), ":kv/too-long");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        txn.put_reserved(&plain, b"half", 4, |bytes| {
            bytes[0] = 1;
            panic!("in the middle");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(txn.get(&plain, b"half").unwrap(), Some(&[1, 0, 0, 0][..]));
    txn.commit().unwrap();
    let read = env.read().unwrap();
    for (number, len) in lengths.into_iter().enumerate().filter(|(number, _)| *number != 3) {
        assert_eq!(read.get(&plain, &[number as u8]).unwrap(), Some(&vec![number as u8 + 1; len][..]));
    }
    assert_eq!(read.get(&plain, &[3]).unwrap(), Some(&b"shorter"[..]));
    assert_eq!(read.entries(&plain).unwrap(), 6);
    read.verify_counts(&plain).unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Move(u8),
    Put(u8, u8),
    Replace(u8),
    Delete,
    DeleteKey,
    Seek(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..12u8).prop_map(Step::Move),
        6 => (0..40u8, 0..5u8).prop_map(|(key, value)| Step::Put(key, value)),
        2 => (0..5u8).prop_map(Step::Replace),
        3 => Just(Step::Delete),
        1 => Just(Step::DeleteKey),
        3 => (0..40u8, 0..5u8).prop_map(|(key, value)| Step::Seek(key, value)),
    ]
}

/// Walks and writes at random; the table is large enough for several pages and for values in trees of their own.
fn walk(options: DbiOptions, steps: &[Step]) {
    let (_dir, env) = quick();
    let dbi = env.open_dbi("t", options.clone()).unwrap();
    let list = dbi.is_list();
    let key = |number: u8| vec![b'k', number];
    let value = |number: u8| vec![b'0' + number; 400];
    let mut model = Model { pairs: Vec::new(), at: At::Nowhere };
    let mut txn = env.write().unwrap();
    for number in (0..40).step_by(2) {
        for item in 0..if list { 3 } else { 1 } {
            txn.put(&dbi, &key(number), &value(item)).unwrap();
            model.put(list, &key(number), &value(item));
        }
    }
    model.at = At::Nowhere;
    let mut cursor = txn.cursor_mut(&dbi).unwrap();
    for step in steps {
        match step {
            Step::Move(number) => {
                let op = &ops()[usize::from(*number)];
                assert_eq!(run!(cursor, op), model.run(op), "{op:?} of {steps:?}");
            }
            Step::Seek(k, v) => {
                let op = Op::SeekDup(key(*k), value(*v));
                assert_eq!(run!(cursor, &op), model.run(&op), "{op:?} of {steps:?}");
            }
            Step::Put(k, v) => {
                cursor.put(&key(*k), &value(*v), PutFlags::empty()).unwrap();
                model.put(list, &key(*k), &value(*v));
            }
            Step::Replace(v) => {
                assert_eq!(cursor.replace(&value(*v)).unwrap(), model.replace(list, &value(*v)));
            }
            Step::Delete => assert_eq!(cursor.delete().unwrap(), model.delete(false)),
            Step::DeleteKey => assert_eq!(cursor.delete_key().unwrap(), model.delete(true)),
        }
        assert_eq!(run!(cursor, &Op::Current), model.pair(), "after {step:?} of {steps:?}");
    }
    drop(cursor);
    txn.commit().unwrap();
    let read = env.read().unwrap();
    let mut cursor = read.cursor(&dbi).unwrap();
    let mut stored = Vec::new();
    while let Some((key, value)) = cursor.next().unwrap() {
        stored.push((key.to_vec(), value.to_vec()));
    }
    assert_eq!(stored, model.pairs);
    if options.is_counted() {
        read.verify_counts(&dbi).unwrap();
    }
}

fn cases() -> u32 {
    std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn writing_cursors_follow_the_model(
        steps in prop::collection::vec(step(), 1..120),
        list in any::<bool>(),
        counted in any::<bool>(),
    ) {
        let options = if list { DbiOptions::list() } else { DbiOptions::new() };
        walk(options.counted(counted), &steps);
    }
}
