//! The write-ahead log: against a model, over power failures and kills.
//!
//! A power failure is made from images of the files: each page of the data file may be as it was at any moment since
//! the checkpoint, each sector of what was last written to the log may be missing. The copies lie elsewhere, which is
//! what tells the library that memory was lost. `FACTUM_KV_CUTS` asks for more seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use factum_kv::{
    Batch, Dbi, DbiFlags, DbiOptions, Durability, Env, EnvFlags, EnvOptions, PutFlags, ReIndex, Read,
    TempEnv, WriteTxn,
};
use rand::prelude::*;
use rand::rngs::StdRng;
use tempfile::TempDir;

use super::code;
use super::faults::{Other, SmallDisk};

pub(super) type Pairs = BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>;
pub(super) type Model = BTreeMap<&'static str, Pairs>;

pub(super) const PAGE: usize = 4096;
pub(super) const SECTOR: usize = 512;
const RECORDS: usize = 8192;
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn tables() -> [(&'static str, DbiOptions); 6] {
    [
        ("plain", DbiOptions::new()),
        ("list", DbiOptions::list()),
        ("packed", DbiFlags::DUPFIXED.into()),
        ("integers", DbiOptions::from(DbiFlags::INTEGERKEY)),
        ("counted", DbiOptions::new().counted(true)),
        ("counted list", DbiOptions::list().counted(true)),
    ]
}

pub(super) fn wal() -> EnvOptions {
    EnvOptions::new().durability(Durability::Wal)
}

pub(super) fn log_of(place: &Path) -> std::path::PathBuf {
    place.join("log.mdb")
}

pub(super) fn contents(env: &Env) -> Model {
    let read = env.read().unwrap();
    let table = |name: &'static str| {
        let dbi = env.existing_dbi(name).ok()?;
        let mut pairs = Pairs::new();
        let mut cursor = read.cursor(&dbi).unwrap();
        while let Some((key, value)) = cursor.next().unwrap() {
            pairs.entry(key.to_vec()).or_default().insert(value.to_vec());
        }
        if read.dbi_options(&dbi).unwrap().is_counted() {
            read.verify_counts(&dbi).unwrap();
        }
        Some((name, pairs))
    };
    tables().into_iter().filter_map(|(name, _)| table(name)).collect()
}

pub(super) fn check(env: &Env) {
    let report = lmdb_pages::check::check(&env.snapshot().unwrap());
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

/// A random change of a random table, in the file and in the model.
fn change(txn: &mut WriteTxn<'_>, model: &mut Model, rng: &mut StdRng) {
    let (name, options) = tables().choose(rng).unwrap().clone();
    if !model.contains_key(name) {
        txn.open_dbi(name, options).unwrap();
        model.insert(name, Pairs::new());
        return;
    }
    let dbi = txn.existing_dbi(name).unwrap();
    let pairs = model.get_mut(name).unwrap();
    let key = match name {
        "integers" => rng.random_range(0..60u64).to_ne_bytes().to_vec(),
        _ => format!("key {:03}", rng.random_range(0..80)).into_bytes(),
    };
    let size = if dbi.is_list() { 8 } else { [0, 8, 100, 3000, 9000][rng.random_range(0..5)] };
    let mut value = vec![rng.random::<u8>(); size];
    if dbi.is_list() {
        value[..4].copy_from_slice(&rng.random_range(0..400u32).to_be_bytes());
    }
    match rng.random_range(0..100) {
        0..50 => {
            txn.put(&dbi, &key, &value).unwrap();
            store(pairs, &dbi, key, value);
        }
        50..55 => {
            let fresh = if dbi.is_list() { PutFlags::NODUPDATA } else { PutFlags::NOOVERWRITE };
            if txn.put_with(&dbi, &key, &value, fresh).is_ok() {
                store(pairs, &dbi, key, value);
            }
        }
        55..60 if !dbi.is_list() => {
            txn.put_reserved(&dbi, &key, value.len(), |bytes| bytes.copy_from_slice(&value)).unwrap();
            store(pairs, &dbi, key, value);
        }
        60..65 if dbi.flags().contains(DbiFlags::DUPFIXED) => {
            let mut items: Vec<u64> = (0..50).map(|_| rng.random_range(0..1000)).collect();
            items.sort_unstable();
            items.dedup();
            let packed: Vec<u8> = items.iter().flat_map(|item| item.to_be_bytes()).collect();
            txn.put_packed(&dbi, &key, &packed, 8).unwrap();
            for item in packed.chunks(8) {
                store(pairs, &dbi, key.clone(), item.to_vec());
            }
        }
        65..80 => {
            assert_eq!(txn.delete(&dbi, &key).unwrap(), pairs.remove(&key).is_some());
        }
        80..88 if dbi.is_list() => {
            let Some(values) = pairs.get_mut(&key) else { return };
            let gone = values.iter().choose(rng).unwrap().clone();
            assert!(txn.delete_dup(&dbi, &key, &gone).unwrap());
            values.remove(&gone);
            if values.is_empty() {
                pairs.remove(&key);
            }
        }
        88..92 => {
            let mut cursor = txn.cursor_mut(&dbi).unwrap();
            let Some((found, old)) = cursor.seek(&key).unwrap() else { return };
            let (found, old) = (found.to_vec(), old.to_vec());
            if rng.random() {
                cursor.delete().unwrap();
            } else {
                cursor.replace(&value).unwrap();
                store(pairs, &dbi, found.clone(), value.clone());
                if !dbi.is_list() || old == value {
                    return;
                }
            }
            let values = pairs.get_mut(&found).unwrap();
            values.remove(&old);
            if values.is_empty() {
                pairs.remove(&found);
            }
        }
        92..94 => {
            txn.clear(&dbi).unwrap();
            pairs.clear();
        }
        94..96 if !txn.is_nested() => {
            txn.drop_dbi(&dbi).unwrap();
            model.remove(name);
        }
        // Puts that jump about wait, and are stored in order.
        96..98 => {
            for _ in 0..100 {
                let key = match name {
                    "integers" => rng.random_range(0..60u64).to_ne_bytes().to_vec(),
                    _ => format!("key {:03}", rng.random_range(0..80)).into_bytes(),
                };
                txn.put(&dbi, &key, &value).unwrap();
                store(pairs, &dbi, key, value.clone());
            }
        }
        _ => {}
    }
}

pub(super) fn store(pairs: &mut Pairs, dbi: &Dbi, key: Vec<u8>, value: Vec<u8>) {
    let values = pairs.entry(key).or_default();
    if !dbi.is_list() {
        values.clear();
    }
    values.insert(value);
}

/// A random transaction; the state after it.
fn transaction(env: &Env, before: &Model, rng: &mut StdRng) -> Model {
    let mut txn = env.write_owned().unwrap();
    match txn.with(|txn| changes(txn, before, rng)) {
        Some(model) => {
            txn.commit().unwrap();
            model
        }
        None => before.clone(),
    }
}

/// The changes of a random transaction, and the state after it, unless it is to be taken back.
pub(super) fn changes(txn: &mut WriteTxn<'_>, before: &Model, rng: &mut StdRng) -> Option<Model> {
    let mut model = before.clone();
    for _ in 0..rng.random_range(1..30) {
        change(txn, &mut model, rng);
        if rng.random_ratio(1, 8) {
            let mut inner_model = model.clone();
            let mut inner = txn.nested().unwrap();
            for _ in 0..rng.random_range(1..10) {
                change(&mut inner, &mut inner_model, rng);
            }
            if rng.random() {
                inner.commit().unwrap();
                model = inner_model;
            }
        }
    }
    if rng.random_ratio(1, 10) {
        return None;
    }
    if rng.random_ratio(1, 12) {
        // What other crates do through heed is not recorded.
        txn.heed().unwrap();
    }
    Some(model)
}

/// The number of the newest head.
pub(super) fn head_number(log: &[u8]) -> u64 {
    let number = |at: usize| u64::from_le_bytes(log[at + 16..at + 24].try_into().unwrap());
    number(0).max(number(PAGE))
}

/// Where the records of the newest epoch end.
fn end_of_records(log: &[u8]) -> usize {
    let word = |at: usize| u64::from_le_bytes(log[at..at + 8].try_into().unwrap());
    let newest = if word(16) >= word(PAGE + 16) { 0 } else { PAGE };
    let (epoch, mut end) = (word(newest + 24), usize::try_from(word(newest + 32)).unwrap());
    assert!(end >= RECORDS);
    while end + 32 <= log.len() && word(end + 8) == epoch {
        let length = u32::from_le_bytes(log[end + 4..end + 8].try_into().unwrap()) as usize;
        end = (end + 32 + length).next_multiple_of(8);
    }
    end
}

/// The files now.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) data: Vec<u8>,
    pub(super) log: Vec<u8>,
}

impl Image {
    pub(super) fn of(place: &Path) -> Self {
        Self { data: fs::read(place.join("data.mdb")).unwrap(), log: fs::read(log_of(place)).unwrap() }
    }

    pub(super) fn write(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("data.mdb"), &self.data).unwrap();
        fs::write(log_of(dir.path()), &self.log).unwrap();
        dir
    }
}

/// What a power failure leaves of the data file, of which any of the states since the last checkpoint may be on disk.
pub(super) fn torn_data(images: &[Image], rng: &mut StdRng) -> Vec<u8> {
    let data: Vec<&[u8]> = images.iter().map(|image| &*image.data).collect();
    mix(&data, PAGE, rng)
}

/// What one in the middle of the commit after `images` leaves: nothing of that in the data file yet, its record half
/// written, or a new head, behind which it is not.
pub(super) fn torn_in_the_middle(images: &[Image], now: &Image, rng: &mut StdRng) -> TempDir {
    let before = images.last().unwrap();
    let log = match head_number(&now.log) == head_number(&before.log) {
        true => mix(&[&before.log, &now.log], SECTOR, rng),
        false => before.log.clone(),
    };
    Image { data: torn_data(images, rng), log }.write()
}

/// What one leaves where nobody waits for the log.
pub(super) fn torn_all(images: &[Image], rng: &mut StdRng) -> TempDir {
    let logs: Vec<&[u8]> = images.iter().map(|image| &*image.log).collect();
    Image { data: torn_data(images, rng), log: mix(&logs, SECTOR, rng) }.write()
}

/// Each part of this size as in one of the versions.
pub(super) fn mix(versions: &[&[u8]], size: usize, rng: &mut StdRng) -> Vec<u8> {
    let longest = versions.iter().map(|version| version.len()).max().unwrap();
    let mut mixed = Vec::with_capacity(longest);
    while mixed.len() < longest {
        let range = mixed.len()..(mixed.len() + size).min(longest);
        match versions.choose(rng).unwrap().get(range.clone()) {
            Some(part) => mixed.extend_from_slice(part),
            None => mixed.resize(range.end, 0),
        }
    }
    mixed
}

pub(super) fn seeds(usual: u64) -> std::ops::Range<u64> {
    0..std::env::var("FACTUM_KV_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Opens what a power failure has left, and goes on with it.
fn recovered(place: &Path, rng: &mut StdRng) -> Model {
    let kinds = [Durability::Full, Durability::Wal, Durability::WalLater, Durability::None];
    let options = EnvOptions::new().durability(*kinds.choose(rng).unwrap());
    let env = options.open(place).unwrap();
    check(&env);
    let found = contents(&env);
    let next = transaction(&env, &found, rng);
    assert_eq!(contents(&env), next);
    check(&env);
    env.close(PATIENCE).unwrap();
    assert!(!log_of(place).exists());
    let env = Env::open(place).unwrap();
    assert_eq!(contents(&env), next);
    env.close(PATIENCE).unwrap();
    found
}

#[test]
fn every_acknowledged_commit_survives_a_power_failure() {
    for seed in seeds(3) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let env = wal().open(dir.path()).unwrap();
        let mut model = Model::new();
        let mut images = vec![Image::of(dir.path())];
        for step in 0..25 {
            let next = transaction(&env, &model, rng);
            if rng.random_ratio(1, 12) {
                env.checkpoint().unwrap();
            }
            let now = Image::of(dir.path());
            let same_round = head_number(&now.log) == head_number(&images[0].log);
            if step % 4 == 3 {
                let cut = torn_in_the_middle(&images, &now, rng);
                let found = recovered(cut.path(), rng);
                assert!(
                    found == model || same_round && found == next,
                    "seed {seed}, step {step}, in the middle"
                );
            }
            if !same_round {
                images.clear();
            }
            images.push(now.clone());
            model = next;
            if step % 4 == 1 {
                let mut log = now.log;
                if rng.random() {
                    // Nothing behind the records matters.
                    let end = end_of_records(&log);
                    rng.fill(&mut log[end..]);
                }
                let cut = Image { data: torn_data(&images, rng), log }.write();
                assert!(recovered(cut.path(), rng) == model, "seed {seed}, step {step}");
            }
        }
        assert_eq!(contents(&env), model);
        check(&env);
    }
}

#[test]
fn relaxed_commits_survive_up_to_a_moment_after_the_checkpoint() {
    for seed in seeds(3) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let env = EnvOptions::new().durability(Durability::WalLater).open(dir.path()).unwrap();
        let mut models = vec![Model::new()];
        let mut images = vec![Image::of(dir.path())];
        for step in 0..16 {
            let next = transaction(&env, models.last().unwrap(), rng);
            let now = Image::of(dir.path());
            if head_number(&now.log) != head_number(&images[0].log) {
                (images, models) = (Vec::new(), Vec::new());
            }
            images.push(now);
            models.push(next);
            if step % 5 == 4 {
                let cut = torn_all(&images, rng);
                assert!(models.contains(&recovered(cut.path(), rng)), "seed {seed}, step {step}");
                // With commits that have no record, this is a checkpoint.
                env.sync().unwrap();
                let now = Image::of(dir.path());
                let synced = head_number(&now.log) != head_number(&images[0].log);
                let data = if synced { now.data } else { torn_data(&images, rng) };
                let cut = Image { data, log: now.log }.write();
                assert!(
                    recovered(cut.path(), rng) == models[models.len() - 1],
                    "seed {seed}, step {step}, synced"
                );
                (images, models) = (vec![Image::of(dir.path())], vec![models.pop().unwrap()]);
            }
        }
    }
}

/// The transaction of the newest checkpoint in a log.
fn checkpoint_of(log: &[u8]) -> u64 {
    let slot = if head_number(log).is_multiple_of(2) { 0 } else { PAGE };
    u64::from_ne_bytes(log[slot + 196..slot + 204].try_into().unwrap())
}

/// The newest transaction in a data file.
fn newest_of(data: &[u8]) -> u64 {
    let id = |at: usize| u64::from_ne_bytes(data[at + 144..at + 152].try_into().unwrap());
    id(0).max(id(PAGE))
}

#[test]
fn checkpoints_beside_commits_lose_nothing() {
    let rng = &mut StdRng::seed_from_u64(7);
    let dir = tempfile::tempdir().unwrap();
    let env = wal().open(dir.path()).unwrap();
    let dbi = env.open_dbi("plain", DbiFlags::empty()).unwrap();
    let mut model = Pairs::new();
    let mut images: Vec<Vec<u8>> = Vec::new();
    let mut checkpoints = BTreeSet::new();
    for step in 0..160u32 {
        let mut txn = env.write().unwrap();
        for _ in 0..12 {
            let key = rng.random_range(0..200u32).to_be_bytes();
            let value = vec![rng.random::<u8>(); 2500];
            txn.put(&dbi, &key, &value).unwrap();
            store(&mut model, &dbi, key.to_vec(), value);
        }
        txn.commit().unwrap();
        if step % 8 != 7 {
            continue;
        }
        // The log first: what its head says is on disk is in the data file.
        let log = fs::read(log_of(dir.path())).unwrap();
        images.push(fs::read(dir.path().join("data.mdb")).unwrap());
        let checkpoint = checkpoint_of(&log);
        checkpoints.insert(checkpoint);
        images.retain(|image| newest_of(image) >= checkpoint);
        let data: Vec<&[u8]> = images.iter().map(|image| &**image).collect();
        let cut = Image { data: mix(&data, PAGE, rng), log }.write();
        let found = Env::open(cut.path()).unwrap();
        check(&found);
        assert!(contents(&found)["plain"] == model, "step {step}, checkpoint {checkpoint}");
    }
    assert!(checkpoints.len() > 2, "{checkpoints:?}");
    let info = env.log_info().unwrap();
    assert!(info.last - info.checkpoint < 160, "{info:?}");
}

/// Some transactions, and the files as they were at the checkpoint and after.
pub(super) fn history(options: EnvOptions, transactions: u8) -> (TempDir, Env, Image, Image) {
    let dir = tempfile::tempdir().unwrap();
    let env = options.open(dir.path()).unwrap();
    env.open_dbi("plain", DbiFlags::empty()).unwrap();
    env.checkpoint().unwrap();
    let before = Image::of(dir.path());
    for number in 0..transactions {
        put(&env, &[number], &[number; 600]);
    }
    let after = Image::of(dir.path());
    (dir, env, before, after)
}

pub(super) fn put(env: &Env, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put_raw(&env.existing_dbi("plain").unwrap(), key, value, PutFlags::empty()).unwrap();
    env.transact(&batch).unwrap();
}

pub(super) fn keys(env: &Env) -> usize {
    env.read().unwrap().entries(&env.existing_dbi("plain").unwrap()).unwrap() as usize
}

/// Opening gives this error, and changes nothing; whoever moves the log away has the data file.
pub(super) fn refused(image: &Image, expected: &str) {
    let dir = image.write();
    for options in [EnvOptions::new(), wal()] {
        assert_eq!(code(options.open(dir.path())), expected);
    }
    let found = Image::of(dir.path());
    assert!(found.data == image.data && found.log == image.log, "a file was changed");
    fs::remove_file(log_of(dir.path())).unwrap();
}

#[test]
fn a_log_that_does_not_fit_is_refused_and_nothing_changed() {
    let (_dir, _env, before, after) = history(wal(), 6);
    let (_other_dir, _other, _, other) = history(wal(), 9);
    // Of another file; of no file; behind a data file that another program has written to.
    refused(&Image { data: other.data, ..after.clone() }, ":kv/log-mismatch");
    refused(&Image { data: Vec::new(), ..after.clone() }, ":kv/log-mismatch");
    let dir = after.write();
    fs::remove_file(log_of(dir.path())).unwrap();
    let env = Env::open(dir.path()).unwrap();
    for number in 0..3 {
        put(&env, &[200, number], b"");
    }
    env.close(PATIENCE).unwrap();
    let written = fs::read(dir.path().join("data.mdb")).unwrap();
    // It may have taken pages that the log relies on, too: either way it is not gone back.
    refused(&Image { data: written, log: before.log.clone() }, ":kv/log-mismatch");
    // A damaged record with later ones behind it, or the last one, which the data file has already. Without that,
    // nobody can tell it from one that was never whole.
    for (transaction, expected) in [(2, ":kv/log-damaged"), (5, ":kv/log-mismatch")] {
        let mut image = after.clone();
        let value = [transaction; 600];
        let at = image.log.windows(600).position(|window| window == value).unwrap();
        image.log[at + 300] ^= 1;
        refused(&image, expected);
        if transaction == 5 {
            image.data = before.data.clone();
            assert_eq!(keys(&Env::open(image.write().path()).unwrap()), 5);
        }
    }
    // A later version, and heads that are damaged.
    let mut image = after.clone();
    for slot in [0, PAGE] {
        image.log[slot + 20] ^= 0xFF;
    }
    refused(&image, ":kv/log-damaged");
    refused(&Image { log: vec![0; 300], ..after.clone() }, ":kv/log-damaged");
    let newest = if head_number(&after.log).is_multiple_of(2) { 0 } else { PAGE };
    let mut image = after;
    image.log[newest + 20] ^= 0xFF;
    // The checkpoint before has no records, and the data file is ahead of it.
    refused(&image, ":kv/log-mismatch");
    let mut image = before;
    image.log[PAGE - newest + 20] ^= 0xFF;
    assert_eq!(keys(&Env::open(image.write().path()).unwrap()), 0);
}

#[test]
fn reading_alone_does_not_recover() {
    let (dir, env, before, after) = history(wal(), 6);
    let cut = Image { data: before.data, ..after }.write();
    let read_only = EnvOptions::new().read_only(true);
    assert_eq!(code(read_only.open(cut.path())), ":kv/needs-recovery");
    assert_eq!(code(EnvOptions::new().previous_snapshot(true).open(cut.path())), ":kv/bad-option");
    let recovered = Env::open(cut.path()).unwrap();
    assert_eq!(keys(&recovered), 6);
    recovered.close(PATIENCE).unwrap();
    assert_eq!(keys(&read_only.open(cut.path()).unwrap()), 6);
    // After the end of the program alone, all is there; and beside it, others may read but not write.
    let mut reader = Other::ready("reading alone", dir.path());
    assert_eq!(reader.hears().as_deref(), Some("6"));
    let mut writer = Other::ready("writer beside a log", dir.path());
    assert_eq!(writer.hears().as_deref(), Some(":kv/log-in-use"));
    drop(env);
}

#[test]
fn a_log_begins_only_where_nobody_else_writes() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::open(dir.path()).unwrap();
    env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut other = Other::ready("reader", dir.path());
    assert_eq!(code(env.set_durability(Durability::Wal)), ":kv/log-in-use");
    assert_eq!(env.durability(), Durability::Full);
    env.close(PATIENCE).unwrap();
    assert_eq!(code(wal().open(dir.path())), ":kv/log-in-use");
    other.kill();
    wal().open(dir.path()).unwrap();
}

#[test]
fn what_was_promised_survives_a_kill_and_a_power_failure_after_it() {
    for (role, rounds) in [("logger", 1), ("logger", 40), ("relaxed logger", 40), ("logger", 400)] {
        let dir = tempfile::tempdir().unwrap();
        Env::open(dir.path()).unwrap().open_dbi("t", DbiOptions::new().counted(true)).unwrap();
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
            let dbi = env.existing_dbi("t").unwrap();
            let read = env.read().unwrap();
            read.verify_counts(&dbi).unwrap();
            let round = u32::from_be_bytes(read.get(&dbi, b"round").unwrap().unwrap().try_into().unwrap());
            assert!(round >= last, "{round} is stored, {last} was promised");
            drop(read);
            env.close(PATIENCE).unwrap();
            assert!(!log_of(place).exists());
        }
    }
}

#[test]
fn large_transactions_need_no_record() {
    let (dir, env, before, _) = history(wal(), 3);
    let mut txn = env.write().unwrap();
    let dbi = txn.existing_dbi("plain").unwrap();
    for number in 0..3_000u32 {
        txn.put(&dbi, &number.to_be_bytes(), &[7; 600]).unwrap();
    }
    txn.commit().unwrap();
    put(&env, b"after", b"");
    let after = Image::of(dir.path());
    assert_ne!(head_number(&before.log), head_number(&after.log));
    let recovered = Env::open(after.write().path()).unwrap();
    assert_eq!(keys(&recovered), 3_004);
}

#[test]
fn commits_through_heed_are_noticed() {
    let (dir, env, ..) = history(wal(), 3);
    let heed = env.heed().clone();
    let txn = heed.write_txn().unwrap();
    let made = heed.create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
        let mut table = opener.database_options().types::<heed::types::Bytes, heed::types::Bytes>();
        table.name("plain").create(txn)?.put(txn, b"by heed", b"1")?;
        Ok(heed::CommitOrAbort::<(), ()>::Commit(()))
    });
    made.unwrap();
    put(&env, b"after", b"");
    let recovered = Env::open(Image::of(dir.path()).write().path()).unwrap();
    assert_eq!(keys(&recovered), 5);
}

#[test]
fn durability_changes_while_open() {
    let (dir, env, ..) = history(EnvOptions::new().durability(Durability::WalLater), 2);
    assert_eq!(env.durability(), Durability::WalLater);
    assert!(env.readers().unwrap().is_empty());
    assert_eq!(code(env.set_flags(EnvFlags::NOSYNC, false)), ":kv/bad-option");
    for (durability, logged) in [
        (Durability::Wal, true),
        (Durability::Full, false),
        (Durability::None, false),
        (Durability::WalLater, true),
        (Durability::MetaLater, false),
    ] {
        env.set_durability(durability).unwrap();
        assert_eq!((env.durability(), log_of(dir.path()).exists()), (durability, logged));
        put(&env, format!("{durability:?}").as_bytes(), b"");
        assert_eq!(env.flags().contains(EnvFlags::NOSYNC), logged || durability == Durability::None);
    }
    assert_eq!(keys(&env), 7);
    env.close(PATIENCE).unwrap();
    let map = EnvOptions::new().durability(Durability::Wal).write_map(true);
    assert_eq!(code(map.open(dir.path())), ":kv/bad-option");
}

#[test]
fn everything_else_works_beside_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.factum");
    let env = wal().single_file(true).map_size(1 << 20).open(&path).unwrap();
    assert!(dir.path().join("one.factum-log").exists());
    let dbi = env.open_dbi("plain", DbiFlags::empty()).unwrap();
    let old = env.read().unwrap();
    // A full map takes its record back, and grows.
    env.with_growing_map(|txn| {
        (0..4_000u32).try_for_each(|number| txn.put(&dbi, &number.to_be_bytes(), &[1; 500]))
    })
    .unwrap();
    assert_eq!((keys(&env), old.entries(&dbi).unwrap()), (4_000, 0));
    drop(old);
    env.set_map_size(8 << 20).unwrap();
    env.re_index(&ReIndex::new().table("plain", DbiOptions::new().counted(true))).unwrap();
    env.copy_to(dir.path().join("copy"), true).unwrap();
    let copy = Env::open(dir.path().join("copy")).unwrap();
    assert_eq!(keys(&copy), 4_000);
    copy.read().unwrap().verify_counts(&copy.existing_dbi("plain").unwrap()).unwrap();
    // Checkpoints come by themselves, and the space of old states is used again.
    for round in 0..600u32 {
        put(&env, &(round % 50).to_be_bytes(), &[2; 1500]);
    }
    let info = env.info().unwrap();
    assert!(info.file_size < 8 << 20, "{}", info.file_size);
    let clone = env.clone();
    env.submit(Batch::new()).unwrap().wait().unwrap();
    drop(env);
    clone.close(PATIENCE).unwrap();
    assert!(!dir.path().join("one.factum-log").exists());

    let temporary = TempEnv::open(&wal(), None).unwrap();
    temporary.open_dbi("plain", DbiFlags::empty()).unwrap();
    put(&temporary, b"k", b"v");
    let place = temporary.directory().to_owned();
    temporary.close(PATIENCE).unwrap();
    assert!(!place.exists());
}

#[test]
fn a_full_disk_ends_the_transaction_and_spares_the_log() {
    let Some(disk) = SmallDisk::new(6) else { return };
    let place = disk.path("store");
    let env = wal().open(&place).unwrap();
    env.open_dbi("plain", DbiFlags::empty()).unwrap();
    fs::write(disk.path("ballast"), vec![1; 3 << 20]).unwrap();
    let mut written = 0u32;
    let fill = |from: u32| {
        let mut batch = Batch::new();
        let dbi = env.existing_dbi("plain").unwrap();
        for number in from..from + 20 {
            batch.put_raw(&dbi, &number.to_be_bytes(), &[7; 2500], PutFlags::empty()).unwrap();
        }
        env.transact(&batch)
    };
    let error = loop {
        match fill(written) {
            Ok(()) => written += 20,
            Err(error) => break error.code(),
        }
    };
    assert_eq!(error, ":kv/disk-full");
    assert!(fill(written).is_err());
    assert_eq!(keys(&env), written as usize);
    let elsewhere = Image::of(&place).write();
    assert_eq!(keys(&Env::open(elsewhere.path()).unwrap()), written as usize);
    fs::remove_file(disk.path("ballast")).unwrap();
    fill(written).unwrap();
    assert_eq!(keys(&env), written as usize + 20);
    env.close(PATIENCE).unwrap();
    assert_eq!(keys(&Env::open(&place).unwrap()), written as usize + 20);
}
