//! Commits that are deferred: against a model, over power failures, kills, full maps and disks.
//!
//! As for the log in general (`log.rs`), a power failure is made from images of the files. The files are looked at in
//! the writer's turn, so that nothing is carried out meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use factum_kv::{
    Batch, Dbi, DbiFlags, DbiOptions, Durability, Env, EnvOptions, PutFlags, Read, WriteTurn, WriteTxn,
};
use rand::prelude::*;
use rand::rngs::StdRng;

use super::code;
use super::faults::{Other, SmallDisk};
use super::log::{
    Image, Model, PATIENCE, Pairs, changes, check, contents, head_number, log_of, seeds, store, torn_all,
    torn_data, torn_in_the_middle, wal,
};

const OWN: [&str; 3] = ["own plain", "own list", "own integers"];

/// The tables that only this test writes.
fn own(env: &Env) -> [Dbi; 3] {
    env.reserve(&OWN);
    let open = |name, options: DbiOptions| env.open_reserved(name, options).unwrap();
    [
        open(OWN[0], DbiOptions::new()),
        open(OWN[1], DbiFlags::DUPFIXED.into()),
        open(OWN[2], (DbiFlags::INTEGERKEY | DbiFlags::DUPSORT).into()),
    ]
}

fn own_contents(env: &Env) -> Model {
    let read = env.read().unwrap();
    let mut model = Model::new();
    for dbi in own(env) {
        let mut cursor = read.cursor(&dbi).unwrap();
        let pairs = model.entry(dbi.name()).or_default();
        while let Some((key, value)) = cursor.next().unwrap() {
            pairs.entry(key.to_vec()).or_default().insert(value.to_vec());
        }
    }
    model
}

fn nothing() -> Model {
    OWN.into_iter().map(|name| (name, Pairs::new())).collect()
}

fn remove(pairs: &mut Pairs, key: &[u8], value: &[u8]) {
    if let Some(values) = pairs.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            pairs.remove(key);
        }
    }
}

/// Random writes, also of what is there already and without what is not, and the state after them.
fn batch(tables: &[Dbi; 3], model: &mut Model, rng: &mut StdRng) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..rng.random_range(1..25) {
        let dbi = tables.choose(rng).unwrap();
        let pairs = model.get_mut(dbi.name()).unwrap();
        let key = match dbi.name() {
            "own integers" => rng.random_range(0..300u64).to_ne_bytes().to_vec(),
            _ => format!("{:03}", rng.random_range(0..150)).into_bytes(),
        };
        let size = if dbi.is_list() { 8 } else { [0, 8, 100, 3000][rng.random_range(0..4)] };
        let mut value = vec![rng.random::<u8>(); size];
        if dbi.is_list() {
            value = rng.random_range(0..40u64).to_be_bytes().to_vec();
        }
        if rng.random_ratio(2, 3) {
            batch.put_raw(dbi, &key, &value, PutFlags::empty()).unwrap();
            store(pairs, dbi, key, value);
        } else if dbi.is_list() {
            batch.delete_dup_raw(dbi, &key, &value).unwrap();
            remove(pairs, &key, &value);
        } else {
            batch.delete_raw(dbi, &key).unwrap();
            pairs.remove(&key);
        }
    }
    batch
}

/// Writes what the model has and the tables have not, in a transaction of its own.
fn supersede(txn: &mut WriteTxn<'_>, tables: &[Dbi; 3], model: &Model) {
    txn.supersede_deferred();
    for dbi in tables {
        txn.clear(dbi).unwrap();
        for (key, values) in &model[dbi.name()] {
            values.iter().for_each(|value| txn.put(dbi, key, value).unwrap());
        }
    }
}

/// Something that happens in a turn: the states of the user's tables and of one's own after it.
fn step(env: &Env, turn: &WriteTurn, before: &(Model, Model), rng: &mut StdRng) -> (Model, Model) {
    let (mut user, mut mine) = before.clone();
    let tables = own(env);
    match rng.random_range(0..20) {
        0..11 => {
            let batch = batch(&tables, &mut mine, rng);
            assert!(turn.defer(&batch).unwrap().is_some());
        }
        11..16 => {
            let mut txn = turn.write().unwrap();
            if let Some(next) = txn.with(|txn| changes(txn, &user, rng)) {
                txn.commit().unwrap();
                user = next;
            }
        }
        16..18 => {
            let mut txn = turn.write().unwrap();
            let _ = batch(&tables, &mut mine, rng);
            txn.with(|txn| supersede(txn, &tables, &mine));
            if rng.random_ratio(1, 4) {
                return before.clone();
            }
            txn.commit().unwrap();
        }
        _ => turn.carry_out().unwrap(),
    }
    (user, mine)
}

/// Opens what a power failure has left, and goes on with it.
fn recovered(place: &Path, rng: &mut StdRng) -> (Model, Model) {
    let kinds = [Durability::Full, Durability::Wal, Durability::WalLater, Durability::None];
    let env = EnvOptions::new().durability(*kinds.choose(rng).unwrap()).open(place).unwrap();
    check(&env);
    let found = (contents(&env), own_contents(&env));
    let turn = env.turn().unwrap();
    let mut next = found.clone();
    if env.has_log() {
        for _ in 0..3 {
            next = step(&env, &turn, &next, rng);
        }
    }
    drop(turn);
    env.close(PATIENCE).unwrap();
    assert!(!log_of(place).exists());
    let env = Env::open(place).unwrap();
    assert!((contents(&env), own_contents(&env)) == next);
    env.close(PATIENCE).unwrap();
    found
}

#[test]
fn deferred_commits_survive_a_power_failure() {
    for seed in seeds(2) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let env = wal().open(dir.path()).unwrap();
        own(&env);
        let mut model = (Model::new(), nothing());
        let mut images = Vec::new();
        for number in 0..40 {
            if rng.random_ratio(1, 15) {
                env.checkpoint().unwrap();
            }
            let turn = env.turn().unwrap();
            let before = Image::of(dir.path());
            let next = step(&env, &turn, &model, rng);
            let now = Image::of(dir.path());
            drop(turn);
            if images.first().is_some_and(|first: &Image| head_number(&first.log) != head_number(&before.log))
            {
                images.clear();
            }
            let same_round = head_number(&now.log) == head_number(&before.log);
            images.push(before.clone());
            if number % 4 == 3 {
                let cut = torn_in_the_middle(&images, &now, rng);
                let found = recovered(cut.path(), rng);
                assert!(
                    found == model || same_round && found == next,
                    "seed {seed}, step {number}, in the middle"
                );
            }
            if !same_round {
                images.clear();
            }
            images.push(now.clone());
            model = next;
            if number % 4 == 1 {
                let cut = Image { data: torn_data(&images, rng), log: now.log }.write();
                assert!(recovered(cut.path(), rng) == model, "seed {seed}, step {number}");
            }
        }
        env.carry_out_deferred().unwrap();
        assert!((contents(&env), own_contents(&env)) == model);
        check(&env);
    }
}

#[test]
fn relaxed_ones_are_lost_from_the_end_only() {
    for seed in seeds(2) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let env = EnvOptions::new().durability(Durability::WalLater).open(dir.path()).unwrap();
        own(&env);
        env.checkpoint().unwrap();
        let mut models = vec![(Model::new(), nothing())];
        let mut images = vec![Image::of(dir.path())];
        for number in 0..24 {
            let turn = env.turn().unwrap();
            let next = step(&env, &turn, models.last().unwrap(), rng);
            let now = Image::of(dir.path());
            drop(turn);
            if head_number(&now.log) != head_number(&images[0].log) {
                // What was deferred before it is in the log for sure, with whatever else was.
                (images, models) = (Vec::new(), Vec::new());
            }
            images.push(now);
            models.push(next);
            if number % 5 == 4 {
                let cut = torn_all(&images, rng);
                assert!(models.contains(&recovered(cut.path(), rng)), "seed {seed}, step {number}");
                let turn = env.turn().unwrap();
                env.sync().unwrap();
                let now = Image::of(dir.path());
                drop(turn);
                let cut = now.write();
                assert!(recovered(cut.path(), rng) == models[models.len() - 1], "seed {seed}, step {number}");
            }
        }
    }
}

/// Defers commits, and tells their numbers.
pub(super) fn defer_for_ever(env: &Env, say: fn(&str)) {
    let [plain, list, _] = own(env);
    for round in 0..u32::MAX {
        let turn = env.turn().unwrap();
        if round % 37 == 36 {
            turn.carry_out().unwrap();
        }
        let mut batch = Batch::new();
        for number in 0..10u32 {
            let key = ((round + number).wrapping_mul(0x9E37_79B1) % 3_000).to_be_bytes();
            batch.put_raw(&list, &key, &u64::from(round).to_be_bytes(), PutFlags::empty()).unwrap();
        }
        batch.put_raw(&plain, b"round", &round.to_be_bytes(), PutFlags::empty()).unwrap();
        assert!(turn.defer(&batch).unwrap().is_some());
        drop(turn);
        say(&round.to_string());
    }
}

#[test]
fn deferred_commits_survive_a_kill_and_a_power_failure_after_it() {
    for (role, rounds) in [("deferrer", 1), ("deferrer", 50), ("relaxed deferrer", 300), ("deferrer", 400)] {
        let dir = tempfile::tempdir().unwrap();
        let mut other = Other::start(role, dir.path());
        let mut last = 0;
        for _ in 0..rounds {
            last = other.hears().unwrap().parse::<u32>().unwrap();
        }
        other.kill();
        let elsewhere = Image::of(dir.path()).write();
        for place in [dir.path(), elsewhere.path()] {
            let env = Env::open(place).unwrap();
            check(&env);
            let model = own_contents(&env);
            let round = model[OWN[0]][&b"round"[..]].first().unwrap();
            let round = u32::from_be_bytes(round[..].try_into().unwrap());
            assert!(round >= last, "{round} is stored, {last} was promised");
            // All of each, and nothing else.
            let mut expected: BTreeMap<_, std::collections::BTreeSet<_>> = BTreeMap::new();
            for round in 0..=round {
                for number in 0..10u32 {
                    let key = ((round + number).wrapping_mul(0x9E37_79B1) % 3_000).to_be_bytes().to_vec();
                    expected.entry(key).or_default().insert(u64::from(round).to_be_bytes().to_vec());
                }
            }
            assert!(model[OWN[1]] == expected);
            env.close(PATIENCE).unwrap();
        }
    }
}

/// An environment with one deferred commit, which nobody carries out as long as the turn is had.
fn with_one(place: &Path, options: EnvOptions) -> (Env, WriteTurn) {
    let env = options.open(place).unwrap();
    own(&env);
    let turn = env.turn().unwrap();
    assert!(turn.defer(&one(&env)).unwrap().is_some());
    (env, turn)
}

fn one(env: &Env) -> Batch {
    let mut batch = Batch::new();
    batch.put_raw(&own(env)[0], b"k", b"v", PutFlags::empty()).unwrap();
    batch
}

fn has_one(env: &Env) -> bool {
    own_contents(env)[OWN[0]].contains_key(&b"k"[..])
}

#[test]
fn they_are_carried_out_by_themselves_and_before_what_concerns_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (env, turn) = with_one(dir.path(), wal());
    assert!(!has_one(&env));
    assert_eq!((env.log_info().unwrap().deferred, env.carried_out()), (1, 0));
    let (sender, receiver) = std::sync::mpsc::channel();
    env.on_carried_out(move |number| sender.send(number).unwrap());
    assert_eq!(code(env.carry_out_deferred()), ":kv/would-deadlock");
    assert_eq!(code(env.copy_to(dir.path().join("no"), false)), ":kv/would-deadlock");
    drop(turn);
    // By a thread, soon.
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), 1);
    assert!(has_one(&env));
    assert_eq!((env.log_info().unwrap().deferred, env.carried_out()), (0, 1));

    let defer = |key: &[u8]| {
        let mut batch = Batch::new();
        batch.put_raw(&own(&env)[0], key, b"", PutFlags::empty()).unwrap();
        env.turn().unwrap().defer(&batch).unwrap().unwrap()
    };
    let number = defer(b"copy");
    env.copy_to(dir.path().join("copy"), true).unwrap();
    let copy = Env::open(dir.path().join("copy")).unwrap();
    assert_eq!((own_contents(&copy)[OWN[0]].len(), env.carried_out()), (2, number));
    let number = defer(b"checkpoint");
    env.checkpoint().unwrap();
    assert_eq!(env.carried_out(), number);
    for durability in [Durability::WalLater, Durability::Full] {
        let number = defer(format!("{durability:?}").as_bytes());
        env.set_durability(durability).unwrap();
        assert_eq!(env.carried_out(), number);
    }
    assert_eq!(env.turn().unwrap().defer(&one(&env)).unwrap(), None, "there is no log");
    env.set_durability(Durability::Wal).unwrap();
    defer(b"close");
    env.close(PATIENCE).unwrap();
    let env = Env::open(dir.path()).unwrap();
    assert_eq!(own_contents(&env)[OWN[0]].len(), 6);
}

/// Defers a commit that is not carried out before the process ends.
pub(super) fn defer_once(place: &Path) -> impl Sized {
    with_one(place, wal())
}

#[test]
fn what_others_do_not_see_is_not_hidden_from_them_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = Other::ready("deferring once", dir.path());
    let read_only = EnvOptions::new().read_only(true);
    let env = read_only.open(dir.path()).unwrap();
    assert_eq!(
        env.read().unwrap().entries(&env.open_reserved(OWN[0], DbiOptions::new()).unwrap()).unwrap(),
        0
    );
    env.close(PATIENCE).unwrap();
    other.kill();
    assert_eq!(code(read_only.open(dir.path())), ":kv/needs-recovery");
    let env = Env::open(dir.path()).unwrap();
    assert!(has_one(&env));
    env.close(PATIENCE).unwrap();
    assert!(has_one(&read_only.open(dir.path()).unwrap()));
}

#[test]
fn what_cannot_be_deferred_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let env = wal().open(dir.path()).unwrap();
    let [plain, list, integers] = own(&env);
    let users = env.open_dbi("users", DbiFlags::empty()).unwrap();
    let turn = env.turn().unwrap();
    let refused = |expected, fill: &dyn Fn(&mut Batch) -> usize| {
        let mut batch = Batch::new();
        fill(&mut batch);
        assert_eq!(code(turn.defer(&batch)), expected);
    };
    refused(":kv/bad-dbi-name", &|batch| batch.put_raw(&users, b"k", b"", PutFlags::empty()).unwrap().len());
    refused(":kv/bad-option", &|batch| {
        batch.put_raw(&plain, b"k", b"", PutFlags::NOOVERWRITE).unwrap().len()
    });
    refused(":kv/bad-option", &|batch| batch.delete_raw(&list, b"k").unwrap().len());
    refused(":kv/wrong-size", &|batch| {
        batch.put_raw(&integers, b"k", b"v", PutFlags::empty()).unwrap().len()
    });
    let mut large = Batch::new();
    large.put_raw(&plain, b"k", &vec![0; 2 << 20], PutFlags::empty()).unwrap();
    assert_eq!(turn.defer(&large).unwrap(), None);
    assert_eq!(turn.defer(&Batch::new()).unwrap(), Some(0), "nothing to do");
    // One thing at a time.
    let txn = turn.write().unwrap();
    assert_eq!(code(turn.defer(&one(&env))), ":kv/would-deadlock");
    assert_eq!(code(turn.carry_out()), ":kv/would-deadlock");
    assert_eq!(code(turn.write()), ":kv/would-deadlock");
    drop(turn);
    assert_eq!(code(env.write()), ":kv/would-deadlock");
    drop(txn);
    assert_eq!(env.log_info().unwrap().deferred, 0);
    env.write().unwrap().commit().unwrap();
    // A map that may become full.
    let small = tempfile::tempdir().unwrap();
    let env = wal().map_size(4 << 20).open(small.path()).unwrap();
    own(&env);
    assert_eq!(env.turn().unwrap().defer(&one(&env)).unwrap(), None);
}

#[test]
fn a_damaged_deferred_commit_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let env = wal().open(dir.path()).unwrap();
    let [plain, ..] = own(&env);
    let users = env.open_dbi("users", DbiFlags::empty()).unwrap();
    env.checkpoint().unwrap();
    let turn = env.turn().unwrap();
    for number in 0..3u8 {
        let mut batch = Batch::new();
        batch.put_raw(&plain, &[number], &[100 + number; 300], PutFlags::empty()).unwrap();
        turn.defer(&batch).unwrap();
    }
    let before = Image::of(dir.path());
    let place = |log: &[u8], number: u8| {
        log.windows(300).position(|window| window == [100 + number; 300]).unwrap() + 150
    };
    // The second of three; the last, which cannot be told from one that was never whole.
    for (number, expected) in [(1, Err(":kv/log-damaged")), (2, Ok(2))] {
        let mut image = before.clone();
        let place = place(&image.log, number);
        image.log[place] ^= 1;
        let cut = image.write();
        let found = Env::open(cut.path());
        match expected {
            Err(expected) => assert_eq!(code(found), expected),
            Ok(count) => assert_eq!(own_contents(&found.unwrap())[OWN[0]].len(), count),
        }
    }
    // A checkpoint that does not have them needs them all.
    let mut txn = turn.write().unwrap();
    txn.with(|txn| {
        txn.heed().unwrap();
        txn.put(&users, b"k", b"v")
    })
    .unwrap();
    txn.commit().unwrap();
    let after = Image::of(dir.path());
    assert_ne!(head_number(&before.log), head_number(&after.log));
    assert_eq!(own_contents(&Env::open(after.write().path()).unwrap())[OWN[0]].len(), 3);
    let mut image = after;
    let place = place(&image.log, 2);
    image.log[place] ^= 1;
    assert_eq!(code(Env::open(image.write().path())), ":kv/log-damaged");
}

#[test]
fn reopening_at_once_finds_the_file_closed() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..6u64 {
        let (env, turn) = with_one(dir.path(), wal());
        drop(turn);
        // About when the thread is at work.
        let until = Instant::now() + Duration::from_millis(57 + round);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        drop(env);
        let env = EnvOptions::new().durability(Durability::Full).open(dir.path()).unwrap();
        assert!(has_one(&env));
        env.close(PATIENCE).unwrap();
    }
}

#[test]
fn a_full_disk_keeps_them_in_the_log() {
    let Some(disk) = SmallDisk::new(8) else { return };
    let place = disk.path("store");
    let env = wal().open(&place).unwrap();
    let [plain, ..] = own(&env);
    let mut made = 0u32;
    // The log has room already, the data file has not.
    let free = 8 << 20;
    let ballast = (0..free)
        .step_by(64 << 10)
        .take_while(|at| std::fs::write(disk.path(&format!("ballast {at}")), vec![1; 64 << 10]).is_ok());
    let ballast = ballast.count();
    assert!(ballast > 10);
    let defer = |number: u32| {
        let mut batch = Batch::new();
        batch.put_raw(&plain, &number.to_be_bytes(), &[7; 3000], PutFlags::empty()).unwrap();
        env.turn().unwrap().defer(&batch)
    };
    while made < 200 && matches!(defer(made), Ok(Some(_))) {
        made += 1;
    }
    assert!(made > 50, "{made}");
    let failed = env.carry_out_deferred();
    assert_eq!(code(failed), ":kv/disk-full");
    assert_eq!(defer(made).unwrap(), None, "no more of them for now");
    let turn = env.turn().unwrap();
    let elsewhere = Image::of(&place).write();
    drop(turn);
    assert_eq!(own_contents(&Env::open(elsewhere.path()).unwrap())[OWN[0]].len(), made as usize);
    for at in (0..free).step_by(64 << 10) {
        let _ = std::fs::remove_file(disk.path(&format!("ballast {at}")));
    }
    env.carry_out_deferred().unwrap();
    assert_eq!(own_contents(&env)[OWN[0]].len(), made as usize);
    assert!(defer(made).unwrap().is_some());
    env.close(PATIENCE).unwrap();
    assert_eq!(own_contents(&Env::open(&place).unwrap())[OWN[0]].len(), made as usize + 1);
}
