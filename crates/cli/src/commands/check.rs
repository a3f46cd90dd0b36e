//! `factum check`: are file and indexes sound?

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use factum::Connection;

use super::open_existing;
use crate::error::CliError;
use crate::output::{count, duration};

/// Arguments of `factum check`.
#[derive(Args)]
pub struct CheckArgs {
    /// The database: a directory or a file
    dir: PathBuf,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> Result<(), CliError> {
    check(&open_existing(&args.dir)?)
}

/// Checks a database and says what was found.
pub fn check(conn: &Connection) -> Result<(), CliError> {
    let start = Instant::now();
    let report = conn.check()?;
    let mut out = io::stdout().lock();
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    match report.problem_count {
        0 => {
            let (datoms, time) = (count(report.datoms), duration(start.elapsed()));
            writeln!(out, "ok: {datoms} facts, both indexes agree ({time})")?;
            Ok(())
        }
        count => Err(CliError::Unsound { count }),
    }
}
