//! `peers SUITE`: the same work on Factum and on its peers, as a table with ratios.

use std::error::Error;
use std::path::PathBuf;

use benches::report::{Effort, Report};
use benches::{debian, kv, load, pages, plot, write};
use clap::{Parser, ValueEnum};

/// Runs one suite of side-by-side measurements.
#[derive(Parser)]
struct Arguments {
    /// What to measure.
    suite: Suite,
    /// Writes the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the ratios as SVG files in this directory, named after the suite.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Small sizes and few repetitions.
    #[arg(long)]
    quick: bool,
    /// Does only the works whose names contain this (suite kv).
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// Import and queries on the Debian package graph, beside SQLite.
    Debian,
    /// Key-value work beside heed, LMDB's C API, redb and SQLite.
    Kv,
    /// lmdb-pages' cursors beside heed and LMDB's C API, on one file.
    Pages,
    /// Counts, ranks and selections in ten million entries, beside LMDB's C API.
    Counts,
    /// Loading many entities at once, beside SQLite.
    Load,
    /// Transactions of 1 to 1000 entities beside SQLite, durable and not.
    Write,
}

/// The figures, which systems make up each of the tables to be printed, and which of the first table's the plot
/// compares the others with.
type Outcome = (Report, Vec<&'static [&'static str]>, &'static str);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let (report, tables, base) = measure(&arguments)?;
    for systems in &tables {
        println!("{}\n", report.table(systems));
    }
    if let Some(dir) = arguments.plots {
        std::fs::create_dir_all(&dir)?;
        plot::ratios(&report, tables[0], base, &dir.join(format!("{}.svg", report.suite)))?;
    }
    if let Some(path) = arguments.json {
        report.write_json(&path)?;
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Outcome, Box<dyn Error>> {
    let quick = arguments.quick;
    Ok(match arguments.suite {
        Suite::Debian => {
            let effort = if quick { Effort::QUICK } else { Effort::FULL };
            (debian::suite::run(&debian::suite::data(), effort)?, vec![debian::suite::SYSTEMS], "sqlite")
        }
        Suite::Kv => {
            let sizes = if quick { kv::suite::Sizes::QUICK } else { kv::suite::Sizes::FULL };
            let report = kv::suite::run(sizes, arguments.only.as_deref());
            (report, vec![kv::suite::SYSTEMS, kv::typed::SYSTEMS], "lmdb-c")
        }
        Suite::Pages => {
            let (keys, rounds) = if quick { (50_000, 3) } else { (1_000_000, 7) };
            (pages::run(keys, rounds), vec![pages::SYSTEMS], "lmdb-c")
        }
        Suite::Load => {
            let entities = if quick { load::QUICK } else { load::FULL };
            (load::run(entities)?, vec![load::SYSTEMS], "sqlite")
        }
        Suite::Write => {
            let effort = if quick { write::Effort::QUICK } else { write::Effort::FULL };
            (write::run(effort)?, vec![write::SYSTEMS], "sqlite wal")
        }
        Suite::Counts => {
            let entries = if quick { 100_000 } else { 10_000_000 };
            (kv::counts::run(entries), vec![kv::counts::SYSTEMS], "lmdb-c")
        }
    })
}
