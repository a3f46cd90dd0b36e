//! `factum explain`: the plan of a query.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::{inputs, open_existing, text_argument, warn};
use crate::error::{CliError, colours};
use crate::interrupt;
use crate::output::Format;

/// Arguments of `factum explain`.
#[derive(Args)]
pub struct ExplainArgs {
    /// The database: a directory or a file
    dir: PathBuf,
    /// The query in EDN; @FILE reads it from a file, - from standard input
    query: String,
    /// Inputs in EDN, in the order of :in after $
    #[arg(allow_hyphen_values = true)]
    inputs: Vec<String>,
    /// Also run the query and show actual rows and times
    #[arg(long, short)]
    analyze: bool,
    /// table draws the plan as a tree, edn and json give it as data
    #[arg(long, short, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command.
pub fn run(args: &ExplainArgs) -> Result<(), CliError> {
    let query = text_argument(&args.query)?;
    let inputs = inputs(&args.inputs)?;
    let db = open_existing(&args.dir)?.db()?.with_cancel(interrupt::token());
    let explanation = db.explain(query, inputs, args.analyze)?;
    warn(explanation.warnings());
    let mut out = io::stdout().lock();
    match args.format {
        Format::Table | Format::Csv if colours(io::stdout().is_terminal()) => {
            write!(out, "{}", explanation.painted())?;
        }
        Format::Table | Format::Csv => write!(out, "{explanation}")?,
        Format::Edn => writeln!(out, "{}", explanation.to_value())?,
        Format::Json => writeln!(out, "{}", crate::output::to_json(&explanation.to_value()))?,
    }
    Ok(())
}
