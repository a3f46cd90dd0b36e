//! What every suite prints: a table of works × systems with ratios, and the same as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// The figures of one piece of work, one for each system that did it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was done.
    pub work: String,
    /// The unit of the figures; less is better unless it ends in `/s`.
    pub unit: &'static str,
    /// Figure by system name.
    pub results: BTreeMap<&'static str, f64>,
}

impl Row {
    /// How many times better `system` is than `base`, if both did the work.
    pub fn ratio(&self, system: &str, base: &str) -> Option<f64> {
        let (own, other) = (self.results.get(system)?, self.results.get(base)?);
        Some(if self.unit.ends_with("/s") { own / other } else { other / own })
    }
}

/// All rows of one suite.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The suite's name, as given on the command line.
    pub suite: &'static str,
    /// Its rows, in the order in which they ran.
    pub rows: Vec<Row>,
}

impl Report {
    /// An empty report.
    pub fn new(suite: &'static str) -> Self {
        Self { suite, rows: Vec::new() }
    }

    /// Adds the figures of one piece of work.
    pub fn row(&mut self, work: impl Into<String>, unit: &'static str, results: &[(&'static str, f64)]) {
        let work = work.into();
        eprintln!("  {work}");
        self.rows.push(Row { work, unit, results: results.iter().copied().collect() });
    }

    /// The rows of works that these systems did, and no others.
    pub fn rows_of(&self, systems: &[&'static str]) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.results.keys().all(|system| systems.contains(system)))
    }

    /// The table for people: one column a system, and for each peer how many times better the first of them is. It has
    /// the rows of works that these systems did, and no others.
    pub fn table(&self, systems: &[&'static str]) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        let mut header = vec!["work".to_string(), "unit".to_string()];
        header.extend(systems.iter().map(ToString::to_string));
        header.extend(systems.iter().skip(1).map(|peer| format!("× {peer}")));
        table.set_header(header);
        for row in self.rows_of(systems) {
            let mut cells = vec![row.work.clone(), row.unit.to_string()];
            cells.extend(
                systems.iter().map(|system| row.results.get(system).map_or("-".into(), |v| figure(*v))),
            );
            for peer in systems.iter().skip(1) {
                let ratio = row.ratio(systems[0], peer);
                cells.push(ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")));
            }
            table.add_row(cells);
        }
        for index in 2..2 + systems.len() * 2 - 1 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }

    /// Writes the report as JSON.
    pub fn write_json(&self, path: &Path) -> std::io::Result<()> {
        fs::write(path, serde_json::to_string_pretty(self).map_err(std::io::Error::other)?)
    }
}

fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// How often a piece of work is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Repetitions of short works, at least.
    pub runs_min: usize,
    /// Time to spend on repetitions of one work.
    pub budget: Duration,
}

impl Effort {
    /// For published figures.
    pub const FULL: Self = Self { runs_min: 5, budget: Duration::from_millis(1500) };
    /// For a quick look and for CI.
    pub const QUICK: Self = Self { runs_min: 2, budget: Duration::from_millis(100) };

    /// The median time in milliseconds of each of `works`, which take turns so that noise meets all of them alike. Short
    /// works run several times in each turn: what the one before has left in the caches would decide else.
    pub fn medians<const N: usize>(self, mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
        /// Milliseconds that one turn should take at least.
        const TURN: f64 = 2.0;
        let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
        let started = Instant::now();
        // One unmeasured round warms caches and prepared statements, another says how often short works have to run.
        works.iter_mut().for_each(|work| work());
        let mut repeats = [1_u32; N];
        for (work, repeats) in works.iter_mut().zip(&mut repeats) {
            let start = Instant::now();
            work();
            *repeats = (TURN / (start.elapsed().as_secs_f64() * 1e3)).clamp(1.0, 100.0) as u32;
        }
        while times[0].len() < self.runs_min || started.elapsed() < self.budget * N as u32 {
            for ((work, times), repeats) in works.iter_mut().zip(&mut times).zip(repeats) {
                let start = Instant::now();
                (0..repeats).for_each(|_| work());
                times.push(start.elapsed().as_secs_f64() * 1e3 / f64::from(repeats));
            }
            if times[0].len() >= 1000 {
                break;
            }
        }
        times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
    }
}
