//! Works that write: single puts, batches, whole tables in one transaction, deletes, lists.

use super::suite::{Opened, Suite, agree, least, medians, turns};
use super::{Engine, Entry, data};

/// The shape of the seed document's table: 1000 entries with values of about 50 bytes, operations per second. A single
/// put and a single get are transactions of their own; the batch is one. None waits for the disk.
pub(super) fn seed_table(suite: &mut Suite) {
    const COUNT: u64 = 1000;
    let entries = data::shuffled(&data::of_length(COUNT, 50));
    let keys = data::lookups(COUNT, COUNT as usize);
    let singles = |engine: &mut dyn Engine| {
        entries.iter().for_each(|entry| engine.put(std::slice::from_ref(entry)));
    };
    let rounds = suite.sizes.write_rounds * 3;
    let mut times = [(); 3].map(|()| vec![Vec::new(); super::suite::ENGINES.len()]);
    let mut names = Vec::new();
    for round in 0..rounds {
        let mut engines: Vec<(Opened, Opened)> =
            Opened::all(false).into_iter().zip(Opened::all(false)).collect();
        for index in turns(engines.len(), round) {
            let (single, batch) = &mut engines[index];
            let mut note = |at: usize, seconds: f64| times[at][index].push(seconds);
            note(0, seconds(|| singles(&mut *single.engine)));
            let mut sum = 0;
            note(1, seconds(|| sum = keys.iter().map(|key| single.engine.get_one(key)).sum()));
            assert_eq!(sum, batch_sum(batch, &entries, &keys, |time| note(2, time)));
        }
        agree("seed", engines.iter().map(|(single, _)| single.engine.scan(false)));
        names = engines.iter().map(|(single, _)| single.engine.name()).collect();
    }
    let [puts, gets, batches] = times;
    let works =
        [("Single Put", medians(puts)), ("Single Get", least(&gets)), ("Batch Put", medians(batches))];
    for (work, times) in works {
        let results: Vec<_> =
            names.iter().zip(times).map(|(name, time)| (*name, COUNT as f64 / time)).collect();
        if suite.wants(work) {
            suite.report.row(work, "ops/s", &results);
        }
    }
}

/// Puts all entries at once, tells how long that took, and gives the checksum of the keys' values.
fn batch_sum(batch: &mut Opened, entries: &[Entry], keys: &[super::Key], tell: impl FnOnce(f64)) -> u64 {
    tell(seconds(|| batch.engine.put(entries)));
    batch.engine.get(keys)
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = std::time::Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Puts in random order in transactions of 1, 10, 100 and 1000, with and without waiting for the disk.
pub(super) fn batches(suite: &mut Suite, shuffled: &[Entry]) {
    for durable in [true, false] {
        let label = if durable { "durable" } else { "no sync" };
        for batch in [1, 10, 100, 1000] {
            let commits = if durable { suite.sizes.durable_commits } else { 2_000.min(200_000 / batch) };
            let entries = &shuffled[..(batch * commits).min(shuffled.len())];
            let work = format!("batch put of {batch} ({label})");
            if !suite.wants(&work) {
                continue;
            }
            suite.write(&work, durable, entries.len(), nothing, |engine| {
                entries.chunks(batch).for_each(|entries| engine.put(entries));
            });
        }
    }
}

/// Whole tables in ascending order: in one transaction, in batches, and by the engines' own appending.
pub(super) fn ascending(suite: &mut Suite, ascending: &[Entry]) {
    for (work, batch) in [("sequential put", ascending.len()), ("sequential put, batches of 1000", 1000)] {
        if suite.wants(work) {
            suite.write(work, false, ascending.len(), nothing, |engine| {
                ascending.chunks(batch).for_each(|entries| engine.put(entries));
            });
        }
    }
    let work = "append";
    if suite.wants(work) {
        suite.write(work, false, ascending.len(), nothing, |engine| engine.append(ascending));
    }
}

/// A table in random order in one transaction; its engines go on to the reading works.
pub(super) fn random(suite: &mut Suite, shuffled: &[Entry]) -> Vec<Opened> {
    suite.write("random put", false, shuffled.len(), nothing, |engine| engine.put(shuffled))
}

/// The same into a table that counts, where the engine has one, and what it is for.
pub(super) fn counted(suite: &mut Suite, ascending: &[Entry], shuffled: &[Entry]) {
    let works = ["sequential put, counted", "random put, counted", "batch put of 100, counted (no sync)"];
    let batches = &shuffled[..shuffled.len().min(100 * 1000)];
    let sets: [(&[Entry], usize); 3] =
        [(ascending, ascending.len()), (shuffled, shuffled.len()), (batches, 100)];
    for (work, (entries, batch)) in works.into_iter().zip(sets) {
        if suite.wants(work) {
            suite.write_counted(work, entries.len(), |engine| {
                entries.chunks(batch).for_each(|entries| engine.put_counted(entries));
            });
        }
    }
    if ["range count", "rank", "select"].iter().any(|work| suite.wants(work)) {
        let mut engines = Opened::all(false);
        engines.iter_mut().for_each(|opened| opened.engine.put_counted(shuffled));
        super::reads::counts(suite, &engines);
    }
}

/// Deletes a tenth of the map in random order.
pub(super) fn deletes(suite: &mut Suite, mut engines: Vec<Opened>, shuffled: &[Entry]) {
    let keys: Vec<_> = shuffled.iter().take(shuffled.len() / 10).map(|(key, _)| *key).collect();
    if !suite.wants("random delete") {
        return;
    }
    let mut best = vec![f64::INFINITY; engines.len()];
    let rounds = suite.sizes.write_rounds;
    let share = keys.len() / rounds;
    for round in 0..rounds {
        for index in turns(engines.len(), round) {
            let keys = &keys[round * share..(round + 1) * share];
            let time = seconds(|| engines[index].engine.delete(keys));
            best[index] = best[index].min(time * 1e9 / share as f64);
        }
    }
    agree("random delete", engines.iter().map(|opened| opened.engine.scan(false)));
    suite.note("random delete", "ns", engines.iter().map(|opened| &*opened.engine), &best);
}

/// Lists of integers: written item by item and at once, read, intersected.
pub(super) fn lists(suite: &mut Suite) {
    let items = data::items(suite.sizes.items, 4, 5);
    let others = data::items(suite.sizes.items, 4, 6);
    let (left, right) = (data::key(1), data::key(2));
    suite.write("list put, item by item", false, items.len(), nothing, |engine| {
        engine.put_list(&left, &items);
    });
    let engines = suite.write(
        "list put",
        false,
        items.len(),
        |engine| engine.put_list_at_once(&right, &others),
        |engine| engine.put_list_at_once(&left, &items),
    );
    super::reads::lists(suite, &engines, items.len(), &left, &right);
}

pub(super) fn nothing(_engine: &mut dyn Engine) {}
