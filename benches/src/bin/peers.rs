//! `peers SUITE`: the same work on Factum and on its peers, as a table with ratios.

use std::error::Error;
use std::path::PathBuf;

use benches::report::Effort;
use benches::{debian, kv};
use clap::{Parser, ValueEnum};

/// Runs one suite of side-by-side measurements.
#[derive(Parser)]
struct Arguments {
    /// What to measure.
    suite: Suite,
    /// Writes the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Small sizes and few repetitions.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// Import and queries on the Debian package graph, beside SQLite.
    Debian,
    /// Key-value work beside heed, LMDB's C API, redb and SQLite.
    Kv,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let (report, systems) = match arguments.suite {
        Suite::Debian => {
            let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
            (debian::suite::run(&debian::suite::data(), effort)?, debian::suite::SYSTEMS)
        }
        Suite::Kv => {
            let sizes = if arguments.quick { kv::suite::Sizes::QUICK } else { kv::suite::Sizes::FULL };
            (kv::suite::run(sizes), kv::suite::SYSTEMS)
        }
    };
    println!("{}", report.table(systems));
    if let Some(path) = arguments.json {
        report.write_json(&path)?;
    }
    Ok(())
}
