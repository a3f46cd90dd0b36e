//! `factum query`: one query, one answer.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::{inputs, open_existing, text_argument, warn};
use crate::error::CliError;
use crate::interrupt;
use crate::output::{self, Format};

/// Arguments of `factum query`.
#[derive(Args)]
pub struct QueryArgs {
    /// The database: a directory or a file
    dir: PathBuf,
    /// The query in EDN; @FILE reads it from a file, - from standard input
    query: String,
    /// Inputs in EDN, in the order of :in after $; rules included
    #[arg(allow_hyphen_values = true)]
    inputs: Vec<String>,
    /// How to write the answer [default: table on a terminal, else edn]
    #[arg(long, short, value_enum)]
    format: Option<Format>,
    /// Rows that a table shows at most
    #[arg(long, default_value_t = output::ROWS_MAX)]
    max_rows: usize,
    /// Give up after so many milliseconds
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    /// Say on standard error how long the query took
    #[arg(long, short)]
    time: bool,
}

/// Runs the command.
pub fn run(args: &QueryArgs) -> Result<(), CliError> {
    let query = text_argument(&args.query)?;
    let inputs = inputs(&args.inputs)?;
    let conn = open_existing(&args.dir)?;
    let timeout = args.timeout.map(Duration::from_millis);
    let db = conn.db()?.with_timeout(timeout).with_cancel(interrupt::token());
    let start = Instant::now();
    let result = db.query_with(query, inputs)?;
    let elapsed = start.elapsed();
    warn(result.warnings());
    let mut out = io::BufWriter::new(io::stdout().lock());
    output::write_result(&mut out, &result, Format::or_default(args.format), args.max_rows)?;
    out.flush()?;
    if args.time {
        eprintln!("{}", output::duration(elapsed));
    }
    Ok(())
}
