//! Counted tables: counts, ranks and selection are exact whatever was written, and however.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use factum_kv::codec::{Long, NativeU64, Str};
use factum_kv::{DbiFlags, DbiOptions, Durability, Env, EnvOptions, PutFlags, Read, Table, WriteTxn};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

type Model = BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>;

fn cases(default: u32) -> u32 {
    std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

fn env() -> (TempDir, Env) {
    let dir = tempfile::tempdir().expect("a directory");
    let env = EnvOptions::new().durability(Durability::None).open(dir.path()).unwrap();
    (dir, env)
}

/// A counted table and what it should hold.
struct Case {
    _dir: TempDir,
    dbi: factum_kv::Dbi,
    model: Model,
}

impl Case {
    fn new(flags: DbiFlags) -> (Env, Self) {
        let (dir, env) = env();
        let dbi = env.open_dbi("t", DbiOptions::from(flags).counted(true)).unwrap();
        (env, Self { _dir: dir, dbi, model: Model::new() })
    }

    fn put(&mut self, txn: &mut WriteTxn<'_>, key: &[u8], value: &[u8]) {
        txn.put(&self.dbi, key, value).unwrap();
        let values = self.model.entry(key.to_vec()).or_default();
        if !self.dbi.is_list() {
            values.clear();
        }
        values.insert(value.to_vec());
    }

    fn delete(&mut self, txn: &mut WriteTxn<'_>, key: &[u8]) {
        assert_eq!(txn.delete(&self.dbi, key).unwrap(), self.model.remove(key).is_some());
    }

    fn delete_dup(&mut self, txn: &mut WriteTxn<'_>, key: &[u8], value: &[u8]) {
        let was_there = self.model.get_mut(key).is_some_and(|values| values.remove(value));
        self.model.retain(|_, values| !values.is_empty());
        assert_eq!(txn.delete_dup(&self.dbi, key, value).unwrap(), was_there);
    }

    /// Compares everything that can be asked with the model.
    fn check(&self, read: &impl Read, probes: usize, rng: &mut StdRng) {
        let native = self.dbi.flags().contains(DbiFlags::INTEGERKEY);
        let mut keys: Vec<(&Vec<u8>, u64)> =
            self.model.iter().map(|(key, values)| (key, values.len() as u64)).collect();
        if native {
            keys.sort_by_key(|(key, _)| u64::from_ne_bytes(key.as_slice().try_into().unwrap()));
        }
        // Pairs before each key, and all of them.
        let mut before = vec![0];
        for (_, pairs) in &keys {
            before.push(before.last().unwrap() + pairs);
        }
        let total = *before.last().unwrap();
        let all = read.count(&self.dbi, Bound::Unbounded, Bound::Unbounded).unwrap();
        assert_eq!((all.keys, all.pairs), (keys.len() as u64, total));
        for _ in 0..probes.min(keys.len() * 2) {
            let (mut a, mut b) = (rng.random_range(0..keys.len()), rng.random_range(0..keys.len()));
            if rng.random_bool(0.9) && a > b {
                std::mem::swap(&mut a, &mut b);
            }
            let (low_in, high_in): (bool, bool) = (rng.random(), rng.random());
            let (from, to) = (a + usize::from(!low_in), b + usize::from(high_in));
            let found = read.count(&self.dbi, bound(keys[a].0, low_in), bound(keys[b].0, high_in)).unwrap();
            let expected = if from < to { ((to - from) as u64, before[to] - before[from]) } else { (0, 0) };
            assert_eq!((found.keys, found.pairs), expected, "{a} {low_in} {b} {high_in}");
            let rank = read.rank(&self.dbi, keys[a].0).unwrap();
            assert_eq!((rank.keys, rank.pairs), (a as u64, before[a]));
            let (key, value) = read.key_by_rank(&self.dbi, a as u64).unwrap().unwrap();
            assert_eq!(
                (key, value),
                (keys[a].0.as_slice(), first_of(&self.model[keys[a].0], self.dbi.flags()))
            );
            let pair = rng.random_range(0..total);
            let owner = before.partition_point(|before| *before <= pair) - 1;
            let (key, value) = read.by_rank(&self.dbi, pair).unwrap().unwrap();
            assert_eq!(key, keys[owner].0.as_slice());
            let values = ordered(&self.model[keys[owner].0], self.dbi.flags());
            assert_eq!(value, values[(pair - before[owner]) as usize].as_slice());
        }
        assert_eq!(read.by_rank(&self.dbi, total).unwrap(), None);
        assert_eq!(read.key_by_rank(&self.dbi, keys.len() as u64).unwrap(), None);
    }

    fn check_committed(&self, env: &Env, probes: usize, rng: &mut StdRng) {
        let read = env.read().unwrap();
        read.verify_counts(&self.dbi).unwrap();
        self.check(&read, probes, rng);
    }
}

fn bound(key: &[u8], is_in: bool) -> Bound<&[u8]> {
    if is_in { Bound::Included(key) } else { Bound::Excluded(key) }
}

fn ordered(values: &BTreeSet<Vec<u8>>, flags: DbiFlags) -> Vec<&Vec<u8>> {
    let mut values: Vec<_> = values.iter().collect();
    if flags.contains(DbiFlags::INTEGERDUP) {
        values.sort_by_key(|value| u64::from_ne_bytes(value.as_slice().try_into().unwrap()));
    }
    values
}

fn first_of(values: &BTreeSet<Vec<u8>>, flags: DbiFlags) -> &[u8] {
    ordered(values, flags)[0]
}

fn number_key(number: u64, flags: DbiFlags) -> Vec<u8> {
    if flags.contains(DbiFlags::INTEGERKEY) {
        number.to_ne_bytes().to_vec()
    } else {
        format!("{number:07}").into_bytes()
    }
}

#[test]
fn growing_in_every_order_and_shrinking_to_nothing() {
    for (flags, seed) in [(DbiFlags::empty(), 1), (DbiFlags::INTEGERKEY, 2)] {
        for order in ["ascending", "descending", "random", "interleaved"] {
            let mut rng = StdRng::seed_from_u64(seed);
            let (env, mut case) = Case::new(flags);
            let mut numbers: Vec<u64> = (0..9000).collect();
            match order {
                "ascending" => {}
                "descending" => numbers.reverse(),
                "random" => numbers.shuffle(&mut rng),
                _ => numbers.sort_by_key(|number| (number % 7, *number)),
            }
            for chunk in numbers.chunks(4000) {
                let mut txn = env.write().unwrap();
                for number in chunk {
                    case.put(&mut txn, &number_key(*number, flags), b"v");
                }
                txn.commit().unwrap();
                case.check_committed(&env, 60, &mut rng);
            }
            numbers.shuffle(&mut rng);
            if order == "ascending" {
                numbers.sort_unstable();
            }
            for chunk in numbers.chunks(2500) {
                let mut txn = env.write().unwrap();
                for number in chunk {
                    case.delete(&mut txn, &number_key(*number, flags));
                }
                txn.commit().unwrap();
                case.check_committed(&env, 40, &mut rng);
            }
            assert!(case.model.is_empty());
        }
    }
}

#[test]
fn long_keys_make_deep_trees() {
    let mut rng = StdRng::seed_from_u64(3);
    let (env, mut case) = Case::new(DbiFlags::empty());
    // Keys that differ at their very end only, so that separators are long and few fit a node.
    let key = |number: u32| [vec![b'k'; 480], number.to_be_bytes().to_vec()].concat();
    let mut numbers: Vec<u32> = (0..12_000).collect();
    numbers.shuffle(&mut rng);
    for (round, chunk) in numbers.chunks(3000).enumerate() {
        let mut txn = env.write().unwrap();
        for number in chunk {
            case.put(&mut txn, &key(*number), &[round as u8]);
        }
        txn.commit().unwrap();
    }
    case.check_committed(&env, 100, &mut rng);
    let mut txn = env.write().unwrap();
    for number in 100..11_950 {
        case.delete(&mut txn, &key(number));
    }
    txn.commit().unwrap();
    case.check_committed(&env, 100, &mut rng);
}

#[test]
fn lists_count_keys_and_pairs() {
    for flags in [DbiFlags::DUPSORT, DbiFlags::INTEGERDUP, DbiFlags::INTEGERKEY | DbiFlags::DUPFIXED] {
        let mut rng = StdRng::seed_from_u64(4);
        let (env, mut case) = Case::new(flags);
        for round in 0..4 {
            let mut txn = env.write().unwrap();
            for _ in 0..1500 {
                let key = number_key(rng.random_range(0..3000), flags);
                for _ in 0..rng.random_range(1..4) {
                    case.put(&mut txn, &key, &rng.random_range(0..6u64).to_ne_bytes());
                }
            }
            // Giants, ascending, in one go and packed.
            let giant = number_key(1000 + round, flags);
            for value in 0..3000u64 {
                case.put(&mut txn, &giant, &(value + 10).to_ne_bytes());
            }
            if flags.contains(DbiFlags::DUPFIXED) {
                let packed: Vec<u8> = (5..500u64).flat_map(u64::to_ne_bytes).collect();
                txn.put_packed(&case.dbi, &giant, &packed, 8).unwrap();
                let values = case.model.get_mut(&giant).unwrap();
                values.extend((5..500u64).map(|value| value.to_ne_bytes().to_vec()));
            }
            for _ in 0..700 {
                let key = number_key(rng.random_range(0..3000), flags);
                match rng.random_range(0..3) {
                    0 => case.delete(&mut txn, &key),
                    _ => case.delete_dup(&mut txn, &key, &rng.random_range(0..6u64).to_ne_bytes()),
                }
            }
            txn.commit().unwrap();
            case.check_committed(&env, 150, &mut rng);
        }
    }
}

#[test]
fn appended_blocks_are_divided_and_rejoined_like_others() {
    let mut rng = StdRng::seed_from_u64(5);
    let (env, mut case) = Case::new(DbiFlags::empty());
    let key = |number: u64| number_key(number, DbiFlags::empty());
    let mut txn = env.write().unwrap();
    for number in 0..5000 {
        case.put(&mut txn, &key(number * 10), b"v");
        // Delete at the end, so that the greatest key falls back behind a block's beginning, and go on from there.
        if number % 1000 == 900 {
            for back in 0..300 {
                case.delete(&mut txn, &key((number - back) * 10));
            }
            for again in (number - 299)..number {
                case.put(&mut txn, &key(again * 10 + 1), b"v");
            }
        }
    }
    case.check(&txn, 20, &mut rng);
    txn.commit().unwrap();
    case.check_committed(&env, 200, &mut rng);
    let mut txn = env.write().unwrap();
    for number in 0..3000 {
        case.put(&mut txn, &key(number * 3 + 2), b"w");
    }
    txn.commit().unwrap();
    case.check_committed(&env, 200, &mut rng);
}

#[test]
fn counts_inside_a_transaction_and_across_nested_ones() {
    let mut rng = StdRng::seed_from_u64(6);
    let (env, mut case) = Case::new(DbiFlags::DUPSORT);
    let key = |number: u64| number_key(number, DbiFlags::empty());
    let mut txn = env.write().unwrap();
    for number in 0..3000 {
        case.put(&mut txn, &key(number * 2), b"1");
    }
    case.check(&txn, 20, &mut rng);
    txn.settle_counts().unwrap();
    case.check(&txn, 50, &mut rng);
    let kept = case.model.clone();
    let mut inner = txn.nested().unwrap();
    for number in 0..1000 {
        case.put(&mut inner, &key(number), b"2");
        case.delete(&mut inner, &key(number + 4000));
    }
    case.check(&inner, 20, &mut rng);
    inner.settle_counts().unwrap();
    case.check(&inner, 20, &mut rng);
    inner.abort();
    case.model = kept;
    case.check(&txn, 50, &mut rng);
    let mut inner = txn.nested().unwrap();
    for number in 0..1000 {
        case.put(&mut inner, &key(number), b"3");
    }
    inner.commit().unwrap();
    case.check(&txn, 50, &mut rng);
    txn.commit().unwrap();
    case.check_committed(&env, 100, &mut rng);
    // An abort leaves what was.
    let mut txn = env.write().unwrap();
    txn.clear(&case.dbi).unwrap();
    txn.put(&case.dbi, b"k", b"v").unwrap();
    txn.settle_counts().unwrap();
    assert_eq!(txn.count(&case.dbi, Bound::Unbounded, Bound::Unbounded).unwrap().keys, 1);
    txn.abort();
    case.check_committed(&env, 100, &mut rng);
    let mut txn = env.write().unwrap();
    txn.clear(&case.dbi).unwrap();
    txn.commit().unwrap();
    case.model.clear();
    case.check_committed(&env, 10, &mut rng);
    let mut txn = env.write().unwrap();
    case.put(&mut txn, b"k", b"v");
    txn.commit().unwrap();
    case.check_committed(&env, 10, &mut rng);
}

#[test]
fn counting_can_begin_later_and_is_kept_by_every_handle() {
    let mut rng = StdRng::seed_from_u64(7);
    let (_dir, env) = env();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut case = Case { _dir: tempfile::tempdir().unwrap(), dbi, model: Model::new() };
    let key = |number: u64| number_key(number, DbiFlags::empty());
    let mut txn = env.write().unwrap();
    for number in 0..5000 {
        case.put(&mut txn, &key(number), b"v");
    }
    assert_eq!(txn.rank(&dbi, b"k").unwrap_err().code(), ":kv/not-counted");
    txn.commit().unwrap();
    let read = env.read().unwrap();
    assert_eq!(read.rank(&dbi, b"k").unwrap_err().code(), ":kv/not-counted");
    assert_eq!(read.by_rank(&dbi, 0).unwrap_err().code(), ":kv/not-counted");
    assert_eq!(read.count(&dbi, Bound::Unbounded, Bound::Excluded(&key(77))).unwrap().keys, 77);
    let conflict = env.open_dbi("t", DbiOptions::new().counted(true)).unwrap_err();
    assert_eq!(conflict.code(), ":kv/dbi-options-conflict");
    let mut txn = env.write().unwrap();
    txn.start_counting(&dbi).unwrap();
    case.check(&txn, 50, &mut rng);
    case.put(&mut txn, &key(5001), b"v");
    txn.commit().unwrap();
    case.check_committed(&env, 100, &mut rng);
    // A handle that was opened without the option counts, too.
    let plain = env.open_dbi("t", DbiFlags::empty()).unwrap();
    assert!(env.read().unwrap().dbi_options(&plain).unwrap().is_counted());
    let mut txn = env.write().unwrap();
    case.put(&mut txn, &key(6000), b"v");
    txn.commit().unwrap();
    case.check_committed(&env, 100, &mut rng);
    // Dropped and made again without counting.
    let mut txn = env.write().unwrap();
    txn.drop_dbi(&dbi).unwrap();
    let again = txn.open_dbi("t", DbiFlags::empty()).unwrap();
    assert!(!txn.dbi_options(&again).unwrap().is_counted());
    txn.commit().unwrap();
    assert_eq!(env.read().unwrap().by_rank(&again, 0).unwrap_err().code(), ":kv/not-counted");
}

#[test]
fn changes_by_others_are_found_out() {
    use heed::types::Bytes;
    let (env, case) = Case::new(DbiFlags::empty());
    let mut txn = env.write().unwrap();
    txn.put(&case.dbi, b"a", b"v").unwrap();
    txn.commit().unwrap();
    let txn = env.heed().read_txn().unwrap();
    let table: heed::Database<'static, Bytes, Bytes> = env
        .heed()
        .open_databases_and_commit(txn, |opener, txn| {
            opener.open_database(txn, Some("t")).map(heed::CommitOrAbort::<_, ()>::Commit)
        })
        .unwrap()
        .unwrap_commit()
        .unwrap();
    let mut txn = env.heed().write_txn().unwrap();
    table.put(&mut txn, b"b", b"v").unwrap();
    txn.commit().unwrap();
    let error = env.read().unwrap().rank(&case.dbi, b"b").unwrap_err();
    assert_eq!(error.code(), ":kv/counts-outdated");
    let report = env.read().unwrap().check().unwrap();
    assert_eq!((report.problem_count, report.tables, report.pairs), (1, 1, 2));
    assert_eq!(
        (report.problems[0].table.as_str(), report.problems[0].detail.clone()),
        ("t", error.to_string())
    );
}

#[test]
fn conditional_puts_count_what_they_store() {
    let mut rng = StdRng::seed_from_u64(8);
    let (env, mut case) = Case::new(DbiFlags::DUPSORT);
    let mut txn = env.write().unwrap();
    case.put(&mut txn, b"m", b"5");
    for (key, value, flags, stored) in [
        (b"m", b"6", PutFlags::NOOVERWRITE, false),
        (b"m", b"5", PutFlags::NODUPDATA, false),
        (b"m", b"6", PutFlags::NODUPDATA, true),
        (b"n", b"1", PutFlags::NOOVERWRITE, true),
        (b"a", b"1", PutFlags::NOOVERWRITE, true),
        (b"z", b"1", PutFlags::APPEND, true),
        (b"b", b"1", PutFlags::APPEND, false),
        (b"z", b"2", PutFlags::APPENDDUP, true),
        (b"z", b"0", PutFlags::APPENDDUP, false),
    ] {
        assert_eq!(txn.put_with(&case.dbi, key, value, flags).is_ok(), stored, "{key:?} {value:?} {flags:?}");
        if stored {
            case.model.entry(key.to_vec()).or_default().insert(value.to_vec());
        }
    }
    txn.commit().unwrap();
    case.check_committed(&env, 50, &mut rng);
}

#[test]
fn typed_ranks_and_samples() {
    let (_dir, env) = env();
    let table = env.open_table_with("t", DbiOptions::new().counted(true), Long, Str).unwrap();
    let list = env.open_table_with("l", DbiOptions::list().counted(true), Long, NativeU64).unwrap();
    let mut txn = env.write().unwrap();
    for key in 0..5000 {
        table.put(&mut txn, key * 2, "v").unwrap();
        list.put_list(&mut txn, key, 0..(key as u64 % 3 + 1)).unwrap();
    }
    txn.commit().unwrap();
    let read = env.read().unwrap();
    assert_eq!(table.rank(&read, 2000).unwrap(), Some(1000));
    assert_eq!(table.rank(&read, 2001).unwrap(), None);
    assert_eq!(table.by_rank(&read, 1000).unwrap(), Some((2000, "v")));
    assert_eq!(table.by_rank(&read, 5000).unwrap(), None);
    assert_eq!(table.range_count(&read, 1000..2000).unwrap(), 500);
    assert_eq!(list.rank(&read, 3).unwrap(), Some(6));
    assert_eq!(list.by_rank(&read, 7).unwrap(), Some((4, 0)));
    assert_eq!((list.key_count(&read, 3..6).unwrap(), list.range_count(&read, 3..6).unwrap()), (3, 6));
    let sample = table.sample(&read, 100, 1).unwrap();
    assert_eq!(sample.len(), 100);
    assert!(sample.is_sorted() && sample.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(sample, table.sample(&read, 100, 1).unwrap());
    assert_ne!(sample, table.sample(&read, 100, 2).unwrap());
    assert_eq!(table.sample(&read, 10_000, 1).unwrap().len(), 5000);
    let plain: Table<Long, Long> = env.open_table("p").unwrap();
    assert_eq!(plain.sample(&env.read().unwrap(), 5, 1).unwrap_err().code(), ":kv/not-counted");
}

#[derive(Clone, Debug)]
enum Step {
    Put(u64, u8),
    Run {
        from: u64,
        count: u64,
        step: u64,
    },
    /// Puts that jump about; they wait until something else is done.
    Scatter {
        seed: u64,
        count: u64,
    },
    Delete(u64),
    DeleteRun {
        from: u64,
        count: u64,
    },
    DeleteDup(u64, u8),
    Clear,
    Commit,
    Abort,
    Nest {
        commit: bool,
        from: u64,
        count: u64,
    },
    Settle,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..6000u64;
    prop_oneof![
        6 => (key(), 0..5u8).prop_map(|(key, value)| Step::Put(key, value)),
        6 => (key(), 1..2500u64, 1..4u64).prop_map(|(from, count, step)| Step::Run { from, count, step }),
        6 => (any::<u64>(), 1..2500u64).prop_map(|(seed, count)| Step::Scatter { seed, count }),
        3 => key().prop_map(Step::Delete),
        5 => (key(), 1..2500u64).prop_map(|(from, count)| Step::DeleteRun { from, count }),
        2 => (key(), 0..5u8).prop_map(|(key, value)| Step::DeleteDup(key, value)),
        1 => Just(Step::Clear),
        3 => Just(Step::Commit),
        2 => Just(Step::Abort),
        2 => (any::<bool>(), key(), 1..1500u64).prop_map(|(commit, from, count)| Step::Nest { commit, from, count }),
        2 => Just(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

fn run(flags: DbiFlags, steps: &[Step]) {
    let mut rng = StdRng::seed_from_u64(9);
    let (mut env, mut case) = Case::new(flags);
    let mut committed = Model::new();
    let list = flags.normalised().is_list();
    let key = |number: u64| number_key(number, flags);
    let value = |number: u8| vec![number; 8];
    let mut steps = steps.iter().chain([&Step::Commit]).peekable();
    while steps.peek().is_some() {
        let mut txn = env.write().unwrap();
        let (mut kept, mut reopen) = (false, false);
        for step in steps.by_ref() {
            match *step {
                Step::Put(k, v) => case.put(&mut txn, &key(k), &value(v)),
                Step::Run { from, count, step } => {
                    for number in (from..).step_by(step as usize).take(count as usize) {
                        case.put(&mut txn, &key(number), &value(number as u8 % 5));
                    }
                }
                Step::Scatter { seed, count } => {
                    let mut rng = StdRng::seed_from_u64(seed);
                    for _ in 0..count {
                        let number = rng.random_range(0..6000);
                        case.put(&mut txn, &key(number), &value(rng.random_range(0..5)));
                    }
                }
                Step::Delete(k) => case.delete(&mut txn, &key(k)),
                Step::DeleteRun { from, count } => {
                    for number in from..from + count {
                        case.delete(&mut txn, &key(number));
                    }
                }
                Step::DeleteDup(k, v) if list => case.delete_dup(&mut txn, &key(k), &value(v)),
                Step::DeleteDup(..) => {}
                Step::Clear => {
                    txn.clear(&case.dbi).unwrap();
                    case.model.clear();
                }
                Step::Nest { commit, from, count } => {
                    let before = case.model.clone();
                    let mut inner = txn.nested().unwrap();
                    for number in from..from + count {
                        case.put(&mut inner, &key(number), &value(1));
                    }
                    if commit {
                        inner.commit().unwrap();
                    } else {
                        inner.abort();
                        case.model = before;
                    }
                }
                Step::Settle => {
                    txn.settle_counts().unwrap();
                    case.check(&txn, 3, &mut rng);
                }
                Step::Commit | Step::Reopen => {
                    kept = true;
                    reopen = matches!(step, Step::Reopen);
                    break;
                }
                Step::Abort => break,
            }
        }
        if kept {
            txn.commit().unwrap();
            committed = case.model.clone();
            case.check_committed(&env, 20, &mut rng);
        } else {
            txn.abort();
            case.model = committed.clone();
        }
        if reopen {
            let path = env.path().to_owned();
            env.close(std::time::Duration::from_secs(5)).unwrap();
            env = EnvOptions::new().durability(Durability::None).open(path).unwrap();
            case.dbi = env.existing_dbi("t").unwrap();
            case.check_committed(&env, 5, &mut rng);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(12)))]

    #[test]
    fn plain_counts_are_exact_after_any_history(steps in prop::collection::vec(step(), 1..40)) {
        run(DbiFlags::empty(), &steps);
    }

    #[test]
    fn list_counts_are_exact_after_any_history(steps in prop::collection::vec(step(), 1..40)) {
        run(DbiFlags::DUPSORT, &steps);
    }

    #[test]
    fn integer_counts_are_exact_after_any_history(steps in prop::collection::vec(step(), 1..40)) {
        run(DbiFlags::INTEGERKEY | DbiFlags::DUPFIXED, &steps);
    }
}

/// A node of a tree of counts, as its format says: for each child where its separator ends, its node above level 0, its
/// pairs, and in list tables its keys.
fn node(level: u8, list: bool, children: &[(&[u8], u32, u64, u64)]) -> Vec<u8> {
    let mut bytes = vec![level, u8::from(list)];
    bytes.extend((children.len() as u16).to_le_bytes());
    let mut end = 0;
    for (separator, node, keys, pairs) in children {
        end += separator.len() as u16;
        bytes.extend(end.to_le_bytes());
        if level > 0 {
            bytes.extend(node.to_le_bytes());
        }
        bytes.extend(&pairs.to_le_bytes()[..6]);
        if list {
            bytes.extend(&keys.to_le_bytes()[..6]);
        }
    }
    children.iter().for_each(|(separator, ..)| bytes.extend(*separator));
    bytes
}

/// The numbers of keys in the blocks of a node of level 0.
fn blocks(bytes: &[u8], list: bool) -> Vec<u64> {
    let width = if list { 14 } else { 8 };
    let keys_at = if list { 8 } else { 2 };
    let count = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    let number = |record: &[u8]| record.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    bytes[4..4 + count * width].chunks(width).map(|record| number(&record[keys_at..keys_at + 6])).collect()
}

/// Earlier versions made blocks of 512 to 1024 keys.
#[test]
fn trees_with_the_large_blocks_of_old_files_are_read_and_written() {
    const BLOCK: u64 = 900;
    for flags in [DbiFlags::empty(), DbiFlags::DUPSORT] {
        let list = flags.is_list();
        let mut rng = StdRng::seed_from_u64(8);
        let (env, mut case) = Case::new(flags);
        let key = |number: u64| number_key(number, flags);
        let mut txn = env.write().unwrap();
        for number in 0..20 * BLOCK {
            case.put(&mut txn, &key(number * 3), b"1");
            if list {
                case.put(&mut txn, &key(number * 3), b"2");
            }
        }
        txn.commit().unwrap();

        // What an earlier version would have written: a root, and two nodes of ten blocks.
        let pairs = if list { 2 } else { 1 };
        let separators: Vec<Vec<u8>> = (0..20).map(|block| key(block * BLOCK * 3)).collect();
        let block = |at: usize| {
            let separator: &[u8] = if at == 0 { &[] } else { &separators[at] };
            (separator, 0, BLOCK, BLOCK * pairs)
        };
        let half = |from: usize| node(0, list, &(from..from + 10).map(block).collect::<Vec<_>>());
        let both = [
            (&[][..], 1, BLOCK * 10, BLOCK * 10 * pairs),
            (&separators[10], 2, BLOCK * 10, BLOCK * 10 * pairs),
        ];
        let nodes = [node(1, list, &both), half(0), half(10)];
        let number = |node: usize| [1u32.to_be_bytes(), (node as u32).to_be_bytes()].concat();
        let heeds = env.heed().clone();
        let mut txn = heeds.write_txn().unwrap();
        let counts: heed::Database<heed::types::Bytes, heed::types::Bytes> = {
            let reading = heeds.read_txn().unwrap();
            heeds
                .open_databases_and_commit(reading, |opener, txn| {
                    opener.open_database(txn, Some("factum/counts")).map(heed::CommitOrAbort::<_, ()>::Commit)
                })
                .unwrap()
                .unwrap_commit()
                .expect("the table of counts")
        };
        counts.clear(&mut txn).unwrap();
        for (at, node) in nodes.iter().enumerate() {
            counts.put(&mut txn, &number(at), node).unwrap();
        }
        txn.commit().unwrap();
        case.check_committed(&env, 200, &mut rng);

        // A few keys in one block of the first node.
        let mut txn = env.write().unwrap();
        for number in 0..30 {
            case.put(&mut txn, &key(BLOCK * 3 * 4 + number * 3 + 1), b"1");
        }
        txn.commit().unwrap();
        case.check_committed(&env, 200, &mut rng);
        let reading = heeds.read_txn().unwrap();
        let touched = blocks(counts.get(&reading, &number(1)).unwrap().unwrap(), list);
        assert!(touched.iter().all(|keys| *keys <= 256), "{touched:?}");
        assert_eq!(blocks(counts.get(&reading, &number(2)).unwrap().unwrap(), list), [BLOCK; 10]);
        drop(reading);

        // And anything anywhere.
        for _ in 0..4 {
            let mut txn = env.write().unwrap();
            for _ in 0..2_000 {
                let key = key(rng.random_range(0..BLOCK * 70));
                if rng.random_bool(0.4) {
                    case.delete(&mut txn, &key)
                } else {
                    case.put(&mut txn, &key, b"3")
                }
            }
            txn.commit().unwrap();
            case.check_committed(&env, 100, &mut rng);
        }
    }
}

/// What is remembered from one transaction to the next about which tables are counted must follow every change.
#[test]
fn counting_begins_and_ends_whatever_was_remembered() {
    let (_dir, env) = env();
    let plain = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let write = |key: &[u8]| {
        let mut txn = env.write().unwrap();
        txn.put(&plain, key, b"v").unwrap();
        txn.commit().unwrap();
    };
    let counted = || {
        let read = env.read().unwrap();
        read.rank(&plain, b"z").map(|count| count.keys).ok()
    };
    write(b"a");
    write(b"b");
    assert_eq!(counted(), None);

    // Begun and taken back: it is as it was.
    let mut txn = env.write().unwrap();
    txn.start_counting(&plain).unwrap();
    txn.put(&plain, b"c", b"v").unwrap();
    txn.abort();
    write(b"c");
    assert_eq!(counted(), None);

    // Begun in a nested transaction.
    let mut txn = env.write().unwrap();
    txn.put(&plain, b"d", b"v").unwrap();
    let mut nested = txn.nested().unwrap();
    nested.start_counting(&plain).unwrap();
    nested.commit().unwrap();
    txn.put(&plain, b"e", b"v").unwrap();
    txn.commit().unwrap();
    write(b"f");
    write(b"g");
    assert_eq!(counted(), Some(7));
    env.read().unwrap().verify_counts(&plain).unwrap();

    // Another writer comes in between, by heed's own API, and then somebody without counts.
    let heed_txn = env.heed().write_txn().unwrap();
    heed_txn.commit().unwrap();
    write(b"h");
    assert_eq!(counted(), Some(8));

    // The table is dropped and comes back without counting.
    let mut txn = env.write().unwrap();
    txn.drop_dbi(&plain).unwrap();
    txn.commit().unwrap();
    let again = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&again, b"a", b"v").unwrap();
    txn.commit().unwrap();
    assert!(env.read().unwrap().rank(&again, b"z").is_err());
}
