//! Factum KV beside heed and LMDB's C interface, small and quick: to see whether a change makes something slower.
//!
//! The published figures come from `peers kv`, which has more works, more systems and larger tables.

#![allow(missing_docs, reason = "criterion's macros generate undocumented functions")]

use std::time::Duration;

use benches::kv::suite::{ENGINES, Opened};
use benches::kv::{Engine, data};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const ENTRIES: u64 = 100_000;
const ITEMS: u64 = 100_000;

/// The engines on LMDB: Factum, heed, the C interface.
fn engines() -> Vec<Opened> {
    ENGINES[..3].iter().map(|open| Opened::new(*open, false)).collect()
}

/// Measures one work on all engines; `elements` of it in one go.
fn measure(
    criterion: &mut Criterion,
    work: &str,
    elements: usize,
    engines: &mut [Opened],
    mut run: impl FnMut(&mut dyn Engine) -> u64,
) {
    let mut group = criterion.benchmark_group(format!("kv/{work}"));
    group.throughput(Throughput::Elements(elements as u64));
    // A whole table is put in each iteration of some works: flat, so that ten samples are ten of them, not fifty-five.
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for opened in engines {
        let name = opened.engine.name();
        group.bench_function(name, |bencher| bencher.iter(|| run(&mut *opened.engine)));
    }
    group.finish();
}

fn writes(criterion: &mut Criterion) {
    let ascending = data::ascending(ENTRIES);
    let shuffled = data::shuffled(&ascending);
    for (work, entries, batch) in [
        ("random put, batches of 1", &shuffled[..500], 1),
        ("random put, batches of 100", &shuffled[..20_000], 100),
        ("random put, one transaction", &shuffled[..], ENTRIES as usize),
    ] {
        measure(criterion, work, entries.len(), &mut engines(), |engine| {
            entries.chunks(batch).for_each(|entries| engine.put(entries));
            0
        });
    }
    measure(criterion, "random put, counted", shuffled.len(), &mut engines(), |engine| {
        engine.put_counted(&shuffled);
        0
    });
}

fn reads(criterion: &mut Criterion) {
    let mut engines = engines();
    let shuffled = data::shuffled(&data::ascending(ENTRIES));
    let (left, right) = (data::key(1), data::key(2));
    for opened in &mut engines {
        opened.engine.put(&shuffled);
        opened.engine.put_list_at_once(&left, &data::items(ITEMS, 4, 5));
        opened.engine.put_list_at_once(&right, &data::items(ITEMS, 4, 6));
    }
    let keys = data::lookups(ENTRIES, 20_000);
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    measure(criterion, "random get", keys.len(), &mut engines, |engine| engine.get(&keys));
    measure(criterion, "sorted get", keys.len(), &mut engines, |engine| engine.get_sorted(&sorted));
    measure(criterion, "single get", 1000, &mut engines, |engine| {
        keys[..1000].iter().map(|key| engine.get_one(key)).sum()
    });
    measure(criterion, "full scan", ENTRIES as usize, &mut engines, |engine| engine.scan(false));
    let starts = data::lookups(ENTRIES - 1000, 50);
    measure(criterion, "range scan 1000", 50_000, &mut engines, |engine| engine.ranges(&starts, 1000));
    measure(criterion, "list get", ITEMS as usize, &mut engines, |engine| engine.list_sum(&left));
    measure(criterion, "list intersection", ITEMS as usize * 2, &mut engines, |engine| {
        engine.list_intersection(&left, &right)
    });
}

fn counts(criterion: &mut Criterion) {
    let mut engines = engines();
    let shuffled = data::shuffled(&data::ascending(ENTRIES));
    engines.iter_mut().for_each(|opened| opened.engine.put_counted(&shuffled));
    let (low, high, middle) = (data::key(ENTRIES / 5), data::key(ENTRIES / 5 * 4), data::key(ENTRIES / 2));
    measure(criterion, "range count", 1, &mut engines, |engine| engine.count(&low, &high));
    measure(criterion, "rank", 1, &mut engines, |engine| engine.rank(&middle));
    measure(criterion, "select", 1, &mut engines, |engine| engine.select(ENTRIES / 2));
}

criterion_group!(kv, writes, reads, counts);
criterion_main!(kv);
