//! The `factum` program as a library, for tests and benchmarks: one subcommand per module under `commands`, `import`, `exec` and `repl`.

mod balance;
mod commands;
mod error;
mod exec;
mod import;
mod interrupt;
mod output;
mod repl;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::CliError;
pub use crate::exec::{EvalError, Item, Session};

/// An embedded Datalog database: one directory, one program.
#[derive(Parser)]
#[command(name = "factum", version, about, long_about = None, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  factum import pkg packages.jsonl.gz --entity package --id name --ref depends
  factum query pkg '[:find ?n ?s :where [?p :package/name ?n] [?p :package/size ?s] :order-by [?s :desc] :limit 5]'
  factum query pkg '[:find (count ?p) . :in $ ?section :where [?p :package/section ?section]]' '\"games\"'
  factum repl pkg";

#[derive(Subcommand)]
enum Command {
    /// A shell: queries, forms, completion, history
    Repl(repl::ReplArgs),
    /// Answer one query
    Query(commands::query::QueryArgs),
    /// Commit transactions from a file or standard input
    Transact(commands::transact::TransactArgs),
    /// Load JSON lines, JSON, CSV or EDN, plain or gzip
    Import(import::ImportArgs),
    /// Show or change the attributes
    Schema(commands::schema::SchemaArgs),
    /// Show sizes, counts and readers
    Stat(commands::stat::StatArgs),
    /// Show how a query would be answered
    Explain(commands::explain::ExplainArgs),
    /// Check that file and indexes are sound
    Check(commands::check::CheckArgs),
    /// Write the whole database as EDN
    Dump(commands::dump::DumpArgs),
    /// Make a database from what dump wrote
    Load(commands::dump::LoadArgs),
    /// Evaluate forms, one line of EDN for each
    Exec(exec::ExecArgs),
}

/// The program: reads the process's arguments, prints, and says how it went.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        // Whoever reads our output has had enough, as in `factum query .. | head`.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", error::paint(&error.render(), io::stderr().is_terminal()));
            if interrupt::happened() { interrupt::INTERRUPTED.into() } else { ExitCode::FAILURE }
        }
    }
}

/// Runs the program with these arguments, the program's name first.
///
/// # Errors
///
/// What the program would print, rendered.
pub fn run_from(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn std::error::Error>> {
    let cli = Cli::try_parse_from(arguments)?;
    match run(cli.command) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.render().into()),
    }
}

fn run(command: Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Repl(args) => repl::run(&args),
        Command::Query(args) => commands::query::run(&args),
        Command::Transact(args) => commands::transact::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Stat(args) => commands::stat::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Dump(args) => commands::dump::run(&args),
        Command::Load(args) => commands::dump::load(&args),
        Command::Exec(args) => return Ok(exec::run(&args)),
    }?;
    Ok(ExitCode::SUCCESS)
}
