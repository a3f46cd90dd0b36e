//! `peers SUITE`: the same work on Factum and on its peers, as a table with ratios.

use std::path::PathBuf;

use benches::kv;
use clap::Parser;

/// Runs one suite of side-by-side measurements.
#[derive(Parser)]
struct Arguments {
    /// debian or kv
    suite: String,
    /// Writes the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Small sizes and few repetitions.
    #[arg(long)]
    quick: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let sizes = if arguments.quick { kv::suite::Sizes::QUICK } else { kv::suite::Sizes::FULL };
    let report = kv::suite::run(sizes);
    println!("{}", report.table(&["heed", "lmdb-c", "redb", "sqlite"]));
    if let Some(path) = arguments.json {
        report.write_json(&path).expect("writes the JSON file");
    }
}
