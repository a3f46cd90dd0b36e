//! The works of the suite, each done by every engine in turn and checked to give the same answer.
//!
//! Every work is done in rounds. In each round all engines take their turn, in another order, so that a
//! machine that slows down slows all of them. Of works that read, the best round counts: what disturbs them only ever
//! adds to their time. Of works that write it is the median: where pages happen to lie in a fresh file, and what the system
//! does with them, differs by a third from round to round, for better as well as for worse. A work that has taken long gets
//! no further rounds, so that the whole takes minutes.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tempfile::TempDir;

use super::factum::Factum;
use super::heed::Heed;
use super::lmdb_c::LmdbC;
use super::redb::Redb;
use super::sqlite::Sqlite;
use super::{Engine, data, mixed, reads, typed, writes};
use crate::report::Report;

/// The systems of this suite.
pub const SYSTEMS: &[&str] = &["factum", "heed", "lmdb-c", "redb", "sqlite"];

/// Opens one engine in an empty directory; the flag asks for durable commits.
pub type Open = fn(&Path, bool) -> Box<dyn Engine>;

/// All engines, in the order of [`SYSTEMS`].
pub const ENGINES: &[Open] = &[
    |dir, durable| Box::new(Factum::open(dir, durable)),
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
    /// Rounds of works that read.
    pub read_rounds: usize,
    /// Rounds of works that write, each on fresh files.
    pub write_rounds: usize,
    /// After so long, a work begins no other round.
    pub patience: Duration,
    /// Transactions of works that commit durably.
    pub durable_commits: usize,
    /// Milliseconds of reading and writing at the same time.
    pub mixed_millis: u64,
}

impl Sizes {
    /// For published figures: a million entries.
    pub const FULL: Self = Self {
        entries: 1_000_000,
        reads: 300_000,
        items: 1_000_000,
        read_rounds: 7,
        write_rounds: 9,
        patience: Duration::from_secs(40),
        durable_commits: 100,
        mixed_millis: 1000,
    };
    /// For a quick look.
    pub const QUICK: Self = Self {
        entries: 50_000,
        reads: 20_000,
        items: 50_000,
        read_rounds: 3,
        write_rounds: 3,
        patience: Duration::from_secs(5),
        durable_commits: 40,
        mixed_millis: 100,
    };
}

/// Runs all works, or those whose names contain `only`.
pub fn run(sizes: Sizes, only: Option<&str>) -> Report {
    let mut suite = Suite { report: Report::new("kv"), sizes, only: only.map(str::to_owned) };
    let ascending = data::ascending(sizes.entries);
    let shuffled = data::shuffled(&ascending);
    writes::seed_table(&mut suite);
    writes::batches(&mut suite, &shuffled);
    writes::ascending(&mut suite, &ascending);
    writes::counted(&mut suite, &ascending, &shuffled);
    let mut engines = writes::random(&mut suite, &shuffled);
    reads::points(&mut suite, &engines);
    reads::scans(&mut suite, &engines);
    mixed::run(&mut suite, &mut engines, &shuffled);
    writes::deletes(&mut suite, engines, &shuffled);
    writes::lists(&mut suite);
    typed::run(&mut suite);
    suite.report
}

/// An open engine; it goes before its directory does.
pub struct Opened {
    /// The engine.
    pub engine: Box<dyn Engine>,
    _dir: TempDir,
}

impl Opened {
    /// Opens an engine in a directory of its own.
    pub fn new(open: Open, durable: bool) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        Self { engine: open(dir.path(), durable), _dir: dir }
    }

    /// Opens all engines.
    pub fn all(durable: bool) -> Vec<Self> {
        ENGINES.iter().map(|open| Self::new(*open, durable)).collect()
    }
}

/// The report that the figures go to, and how much is to be done.
pub(super) struct Suite {
    pub(super) report: Report,
    pub(super) sizes: Sizes,
    only: Option<String>,
}

impl Suite {
    pub(super) fn wants(&self, work: &str) -> bool {
        self.only.as_ref().is_none_or(|only| work.contains(only.as_str()))
    }

    /// One writing work on fresh engines in every round; `per` is what the time is divided by.
    ///
    /// `prepare` is done before the clock starts. The engines of the last round are handed back, all with the same
    /// contents, as their scans prove.
    pub(super) fn write(
        &mut self,
        work: &str,
        durable: bool,
        per: usize,
        prepare: impl Fn(&mut dyn Engine),
        write: impl Fn(&mut dyn Engine),
    ) -> Vec<Opened> {
        self.write_and_verify(work, durable, per, prepare, write, |engine| engine.scan(false))
    }

    /// As [`Suite::write`] into the counted map, where an engine has one; the contents are proved by their number.
    pub(super) fn write_counted(&mut self, work: &str, per: usize, write: impl Fn(&mut dyn Engine)) {
        let all = |engine: &dyn Engine| engine.count(&[0; 8], &[0xFF; 8]);
        self.write_and_verify(work, false, per, |_| {}, write, all);
    }

    fn write_and_verify(
        &mut self,
        work: &str,
        durable: bool,
        per: usize,
        prepare: impl Fn(&mut dyn Engine),
        write: impl Fn(&mut dyn Engine),
        contents: impl Fn(&dyn Engine) -> u64,
    ) -> Vec<Opened> {
        let mut last = Vec::new();
        last.resize_with(ENGINES.len(), || None);
        let rounds = if self.wants(work) { self.sizes.write_rounds } else { 1 };
        let figures = self.rounds(rounds, ENGINES.len(), per, |index| {
            last[index] = None;
            let mut opened = Opened::new(ENGINES[index], durable);
            prepare(&mut *opened.engine);
            let start = Instant::now();
            write(&mut *opened.engine);
            let time = start.elapsed();
            last[index] = Some(opened);
            time
        });
        let engines: Vec<Opened> = last.into_iter().flatten().collect();
        agree(work, engines.iter().map(|opened| contents(&*opened.engine)));
        self.note(work, "ns", engines.iter().map(|opened| &*opened.engine), &medians(figures));
        engines
    }

    /// One reading work in rounds; `per` is what the time is divided by. All engines must agree on the answer.
    pub(super) fn read(
        &mut self,
        work: &str,
        per: usize,
        engines: &[Opened],
        read: impl Fn(&dyn Engine) -> u64,
    ) {
        self.read_where(work, per, engines, |_| true, read);
    }

    /// As [`Suite::read`], by the engines that are able to.
    pub(super) fn read_where(
        &mut self,
        work: &str,
        per: usize,
        engines: &[Opened],
        able: impl Fn(&dyn Engine) -> bool,
        read: impl Fn(&dyn Engine) -> u64,
    ) {
        let engines: Vec<&dyn Engine> = engines.iter().map(|opened| &*opened.engine).collect();
        let engines: Vec<&dyn Engine> = engines.into_iter().filter(|engine| able(*engine)).collect();
        if !self.wants(work) {
            return;
        }
        // The unmeasured first round also warms what can be warmed.
        agree(work, engines.iter().map(|engine| read(*engine)));
        let figures = self.rounds(self.sizes.read_rounds, engines.len(), per, |index| {
            let start = Instant::now();
            std::hint::black_box(read(engines[index]));
            start.elapsed()
        });
        self.note(work, "ns", engines.into_iter(), &least(&figures));
    }

    /// The times of each of `count` systems, in nanoseconds for each of `per` things. A work that takes a moment has up to
    /// five times the rounds, as the machine's own ups and downs take longer than it.
    pub(super) fn rounds(
        &self,
        rounds: usize,
        count: usize,
        per: usize,
        mut run: impl FnMut(usize) -> Duration,
    ) -> Vec<Vec<f64>> {
        let mut figures = vec![Vec::new(); count];
        let start = Instant::now();
        for round in 0..rounds * 5 {
            let patience = if round < rounds { self.sizes.patience } else { self.sizes.patience / 5 };
            if round > 0 && start.elapsed() > patience {
                break;
            }
            for index in turns(count, round) {
                figures[index].push(run(index).as_nanos() as f64 / per as f64);
            }
        }
        figures
    }

    /// Reports figures, in the order of the engines.
    pub(super) fn note<'e>(
        &mut self,
        work: &str,
        unit: &'static str,
        engines: impl Iterator<Item = &'e dyn Engine>,
        figures: &[f64],
    ) {
        if self.wants(work) {
            let results: Vec<_> = engines.map(Engine::name).zip(figures.iter().copied()).collect();
            self.report.row(work, unit, &results);
        }
    }
}

/// The least figure of each system.
pub(super) fn least(figures: &[Vec<f64>]) -> Vec<f64> {
    figures.iter().map(|rounds| rounds.iter().copied().fold(f64::INFINITY, f64::min)).collect()
}

/// The median of each system's figures, of rounds that all systems took part in.
///
/// A machine changes its pace for all of them: before the second median, each figure is divided by the pace of its round,
/// which is the middle one of the systems' own (figure by median of all rounds).
pub(super) fn medians(mut figures: Vec<Vec<f64>>) -> Vec<f64> {
    let usual: Vec<f64> = figures.iter().map(|rounds| median(rounds.iter().copied())).collect();
    let rounds = figures.iter().map(Vec::len).min().unwrap_or(0);
    for round in 0..rounds {
        let pace = median(figures.iter().zip(&usual).map(|(rounds, usual)| rounds[round] / usual));
        figures.iter_mut().for_each(|rounds| rounds[round] /= pace);
    }
    figures.iter().map(|rounds| median(rounds.iter().copied())).collect()
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2])
}

/// The numbers below `count`, in another order in each round: with turns that only go round, every system but one would
/// always come after the same other one, and find the caches and the disk as that has left them.
pub(super) fn turns(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut StdRng::seed_from_u64(round as u64));
    order
}

/// All answers must be the same.
pub(super) fn agree(work: &str, answers: impl Iterator<Item = u64>) {
    let answers: Vec<u64> = answers.collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{work}: engines disagree: {answers:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_of_a_round_is_nobodys() {
        // Twice as slow a machine in two rounds, and one round in which the second system alone was slow.
        let figures = vec![
            vec![10.0, 20.0, 10.0, 20.0, 10.0],
            vec![30.0, 60.0, 90.0, 60.0, 30.0],
            vec![5.0, 10.0, 5.0, 10.0, 5.0],
        ];
        assert_eq!(medians(figures), [10.0, 30.0, 5.0]);
    }
}
