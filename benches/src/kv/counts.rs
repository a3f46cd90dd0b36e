//! Counts, ranks and selections in a table of ten million entries, beside LMDB's C API, which has to walk.
//!
//! Nine tenths of the entries come in ascending order and the rest in between at random, so that the counts have
//! seen both growth at the end and divided blocks. Times are those of one answer. Factum answers a thousand random
//! questions in a row; the C API answers as many of them as it can in a reasonable time, and those answers are compared.

use std::time::{Duration, Instant};

use super::factum::Factum;
use super::lmdb_c::LmdbC;
use super::{Engine, Key, data};
use crate::report::Report;

/// The systems of this suite.
pub const SYSTEMS: &[&str] = &["factum", "lmdb-c"];

/// Entries that the C API may walk over for one work.
const WALK_MAX: u64 = 10_000_000;
/// Questions of one work.
const QUESTIONS: usize = 1000;
/// The same questions are asked in at least so many rounds, and for so long.
const ROUNDS_MIN: usize = 3;
const ROUNDS_TIME: Duration = Duration::from_millis(300);

/// A question: its answer must not depend on who is asked.
type Ask<'a> = &'a dyn Fn(&dyn Engine, &Key) -> u64;

/// Runs the suite with so many entries.
pub fn run(entries: u64) -> Report {
    let dir = tempfile::tempdir().expect("temporary directory");
    let open = |name: &str| {
        let dir = dir.path().join(name);
        std::fs::create_dir(&dir).expect("directory");
        dir
    };
    let mut factum: Box<dyn Engine> = Box::new(Factum::open(&open("factum"), false));
    let mut c: Box<dyn Engine> = Box::new(LmdbC::open(&open("lmdb-c"), false));
    let mut report = Report::new("counts");
    load(&mut report, entries, [&mut factum, &mut c]);

    let width = |width: u64| move |key: &Key| (u64::from_be_bytes(*key) + width).to_be_bytes();
    let widest = entries / 2;
    for share in [10, 1_000, 100_000].into_iter().filter(|share| *share < widest).chain([widest]) {
        // Keys lie one apart in places and two apart in others.
        let end = width(share * 2);
        let ask: Ask<'_> = &|engine, key| engine.count(key, &end(key));
        compare(&mut report, &format!("range count {share}"), entries, share, [&*factum, &*c], ask);
    }
    let ask: Ask<'_> = &|engine, key| engine.rank(key);
    compare(&mut report, "rank", entries, entries / 2, [&*factum, &*c], ask);
    let ask: Ask<'_> = &|engine, key| engine.select(u64::from_be_bytes(*key) / 2);
    compare(&mut report, "select", entries, entries / 2, [&*factum, &*c], ask);
    report
}

/// Loads both, and reports what counting costs each of the two ways.
fn load(report: &mut Report, entries: u64, mut engines: [&mut Box<dyn Engine>; 2]) {
    let ascending = data::ascending(entries / 10 * 9);
    let mut between = data::shuffled(&data::ascending(entries - ascending.len() as u64));
    // Odd keys, which lie between, spread over the whole table.
    for (key, _) in &mut between {
        *key = (u64::from_be_bytes(*key) * 9 + 1).to_be_bytes();
    }
    let parts = [("load, ascending", &ascending), ("load, random", &between)];
    for (work, part) in parts {
        let mut figures = Vec::new();
        for engine in &mut engines {
            let start = Instant::now();
            part.chunks(1 << 20).for_each(|entries| engine.put_counted(entries));
            figures.push((engine.name(), start.elapsed().as_nanos() as f64 / part.len() as f64));
        }
        report.row(work, "ns", &figures);
    }
}

fn compare(
    report: &mut Report,
    work: &str,
    entries: u64,
    walk: u64,
    engines: [&dyn Engine; 2],
    ask: Ask<'_>,
) {
    let keys = data::lookups(entries / 10 * 4, QUESTIONS);
    let few = ((WALK_MAX / walk.max(1)) as usize).clamp(3, QUESTIONS);
    let [factum, c] = engines;
    for key in &keys[..few] {
        assert_eq!(ask(factum, key), ask(c, key), "{work}: the engines disagree at {key:?}");
    }
    let time = |engine: &dyn Engine, keys: &[Key]| {
        let start = Instant::now();
        keys.iter().for_each(|key| {
            std::hint::black_box(ask(engine, key));
        });
        start.elapsed().as_nanos() as f64 / keys.len() as f64
    };
    // The best round counts: a thousand answers take some milliseconds, in which much may disturb.
    let best = |engine: &dyn Engine, keys: &[Key]| {
        let started = Instant::now();
        let is_wanted = |round: &usize| *round < ROUNDS_MIN || started.elapsed() < ROUNDS_TIME;
        (0..).take_while(is_wanted).map(|_| time(engine, keys)).fold(f64::INFINITY, f64::min)
    };
    let figures = [(factum.name(), best(factum, &keys)), (c.name(), best(c, &keys[..few]))];
    report.row(work, "ns", &figures);
}
