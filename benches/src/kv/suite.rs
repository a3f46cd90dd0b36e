//! The works of the suite, each done by every engine in turn and checked to give the same answer.

use std::path::Path;
use std::time::Instant;

use super::heed::Heed;
use super::lmdb_c::LmdbC;
use super::redb::Redb;
use super::sqlite::Sqlite;
use super::{Engine, Entry, data};
use crate::report::Report;

/// The systems of this suite.
pub const SYSTEMS: &[&str] = &["heed", "lmdb-c", "redb", "sqlite"];

/// Opens one engine in an empty directory; the flag asks for durable commits.
type Open = fn(&Path, bool) -> Box<dyn Engine>;

const ENGINES: &[Open] = &[
    |dir, durable| Box::new(Heed::open(dir, durable)),
    |dir, durable| Box::new(LmdbC::open(dir, durable)),
    |dir, durable| Box::new(Redb::open(dir, durable)),
    |dir, durable| Box::new(Sqlite::open(dir, durable)),
];

/// The sizes of a run.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Entries in the map.
    pub entries: u64,
    /// Point reads of one measurement.
    pub reads: usize,
    /// Items in a list.
    pub items: u64,
    /// Repetitions of read works; the best is reported.
    pub runs: usize,
}

impl Sizes {
    /// For published figures: a million entries.
    pub const FULL: Self = Self { entries: 1_000_000, reads: 300_000, items: 1_000_000, runs: 5 };
    /// For a quick look.
    pub const QUICK: Self = Self { entries: 50_000, reads: 20_000, items: 50_000, runs: 2 };
}

/// A set of open engines and the report that their figures go to.
struct Suite {
    report: Report,
    sizes: Sizes,
    engines: Vec<(tempfile::TempDir, Box<dyn Engine>)>,
}

/// Runs all works.
pub fn run(sizes: Sizes) -> Report {
    let mut suite = Suite { report: Report::new("kv"), sizes, engines: Vec::new() };
    let ascending = data::ascending(sizes.entries);
    let shuffled = data::shuffled(&ascending);
    suite.single_commits(true);
    suite.single_commits(false);
    suite.batches(&shuffled);
    suite.reopen(false);
    suite.write("append, ascending keys, one transaction", &ascending, |engine, entries| {
        engine.append(entries)
    });
    suite.reopen(false);
    suite.write("sequential put", &ascending, |engine, entries| engine.put(entries));
    suite.reopen(false);
    suite.write("random put", &shuffled, |engine, entries| engine.put(entries));
    suite.points();
    suite.scans();
    suite.deletes(&shuffled);
    suite.lists();
    suite.report
}

impl Suite {
    fn reopen(&mut self, durable: bool) {
        self.engines.clear();
        self.engines = ENGINES
            .iter()
            .map(|open| {
                let dir = tempfile::tempdir().expect("temporary directory");
                let engine = open(dir.path(), durable);
                (dir, engine)
            })
            .collect();
    }

    /// Nanoseconds an entry of one writing work on every engine.
    fn write(&mut self, work: &str, entries: &[Entry], mut write: impl FnMut(&mut dyn Engine, &[Entry])) {
        let results: Vec<_> = self
            .engines
            .iter_mut()
            .map(|(_, engine)| {
                let start = Instant::now();
                write(&mut **engine, entries);
                (engine.name(), start.elapsed().as_nanos() as f64 / entries.len() as f64)
            })
            .collect();
        self.report.row(work, "ns", &results);
    }

    /// The best time of a reading work on every engine, divided by `per`; all engines must agree on the answer.
    fn read(&mut self, work: &str, per: usize, read: impl Fn(&dyn Engine) -> u64) {
        let mut best = vec![f64::INFINITY; self.engines.len()];
        let mut answers = vec![0; self.engines.len()];
        for _ in 0..self.sizes.runs {
            for (index, (_, engine)) in self.engines.iter().enumerate() {
                let start = Instant::now();
                answers[index] = read(&**engine);
                best[index] = best[index].min(start.elapsed().as_nanos() as f64 / per as f64);
            }
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{work}: engines disagree: {answers:?}");
        let results: Vec<_> =
            self.engines.iter().zip(best).map(|((_, engine), best)| (engine.name(), best)).collect();
        self.report.row(work, "ns", &results);
    }

    /// The table of the seed document: one put, one get, one batch, each a transaction of its own.
    fn single_commits(&mut self, durable: bool) {
        let label = if durable { "durable" } else { "no sync" };
        let count = if durable { 100 } else { 2_000 };
        let entries = data::shuffled(&data::ascending(count));
        self.reopen(durable);
        self.write(&format!("single put ({label})"), &entries, |engine, entries| {
            entries.iter().for_each(|entry| engine.put(std::slice::from_ref(entry)));
        });
        if !durable {
            let keys = data::lookups(count, 2_000);
            self.read("single get", keys.len(), |engine| keys.iter().map(|key| engine.get_one(key)).sum());
        }
    }

    fn batches(&mut self, shuffled: &[Entry]) {
        for durable in [true, false] {
            let label = if durable { "durable" } else { "no sync" };
            for batch in [10, 100, 1000] {
                let count = if durable { batch * 30 } else { shuffled.len().min(batch * 300) };
                self.reopen(durable);
                self.write(
                    &format!("batch put of {batch} ({label})"),
                    &shuffled[..count.min(shuffled.len())],
                    |engine, entries| {
                        entries.chunks(batch).for_each(|entries| engine.put(entries));
                    },
                );
            }
        }
    }

    fn points(&mut self) {
        let keys = data::lookups(self.sizes.entries, self.sizes.reads);
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        self.read("random get", keys.len(), |engine| engine.get(&keys));
        self.read("sorted get", sorted.len(), |engine| engine.get(&sorted));
        let few = &keys[..keys.len() / 10];
        self.read("single get of many", few.len(), |engine| few.iter().map(|key| engine.get_one(key)).sum());
    }

    fn scans(&mut self) {
        let entries = self.sizes.entries;
        self.read("full scan", entries as usize, |engine| engine.scan(false));
        self.read("reverse scan", entries as usize, |engine| engine.scan(true));
        for len in [10, 1_000, 100_000usize] {
            let len = len.min(entries as usize / 2);
            let starts = data::lookups(entries - len as u64, (200_000 / len).clamp(2, 2_000));
            self.read(&format!("range scan {len}"), starts.len() * len, |engine| engine.ranges(&starts, len));
        }
        for width in [1_000, 100_000u64] {
            let width = width.min(entries / 2);
            let starts = data::lookups(entries - width, 20);
            self.read(&format!("range count {width}"), starts.len(), |engine| {
                let end = |start: &[u8; 8]| (u64::from_be_bytes(*start) + width * 2 - 2).to_be_bytes();
                starts.iter().map(|start| engine.count(start, &end(start))).sum()
            });
        }
    }

    fn deletes(&mut self, shuffled: &[Entry]) {
        let keys: Vec<_> = shuffled.iter().take(shuffled.len() / 10).map(|(key, _)| *key).collect();
        let results: Vec<_> = self
            .engines
            .iter_mut()
            .map(|(_, engine)| {
                let start = Instant::now();
                engine.delete(&keys);
                (engine.name(), start.elapsed().as_nanos() as f64 / keys.len() as f64)
            })
            .collect();
        self.report.row("random delete", "ns", &results);
    }

    fn lists(&mut self) {
        let items = data::items(self.sizes.items, 4, 5);
        let others = data::items(self.sizes.items, 4, 6);
        let (left, right) = (data::key(1), data::key(2));
        let results: Vec<_> = self
            .engines
            .iter_mut()
            .map(|(_, engine)| {
                let start = Instant::now();
                engine.put_list(&left, &items);
                let time = start.elapsed().as_nanos() as f64 / items.len() as f64;
                engine.put_list(&right, &others);
                (engine.name(), time)
            })
            .collect();
        self.report.row("list put", "ns", &results);
        self.read("list get", items.len(), |engine| engine.list_sum(&left));
        self.read("list intersection", items.len() * 2, |engine| engine.list_intersection(&left, &right));
    }
}
