//! `factum check`: are file and indexes sound?

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use factum::{Connection, Kv};

use super::{Opened, of_kv, open_whatever};
use crate::error::CliError;
use crate::output::{count, duration};

/// Arguments of `factum check`.
#[derive(Args)]
pub struct CheckArgs {
    /// The database or key-value store: a directory or a file
    dir: PathBuf,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> Result<(), CliError> {
    match open_whatever(&args.dir)? {
        Opened::Facts(conn) => check(&conn),
        Opened::Tables(kv) => check_tables(&kv),
    }
}

/// Checks a database and says what was found.
pub fn check(conn: &Connection) -> Result<(), CliError> {
    let start = Instant::now();
    let report = conn.check()?;
    told(&report.problems, report.problem_count, || {
        format!("{} facts, both indexes agree ({})", count(report.datoms), duration(start.elapsed()))
    })
}

/// The same of a store without facts.
fn check_tables(kv: &Kv) -> Result<(), CliError> {
    let start = Instant::now();
    let report = kv.read().and_then(|read| read.check()).map_err(of_kv)?;
    told(&report.problems, report.problem_count, || {
        let (pairs, pages) = (count(report.pairs), count(report.pages));
        let tables = count(report.tables);
        format!("no facts; tables {tables}, pairs {pairs}, pages {pages} ({})", duration(start.elapsed()))
    })
}

fn told(problems: &[impl Display], number: u64, sound: impl FnOnce() -> String) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    for problem in problems {
        writeln!(out, "{problem}")?;
    }
    match number {
        0 => Ok(writeln!(out, "ok: {}", sound())?),
        count => Err(CliError::Unsound { count }),
    }
}
