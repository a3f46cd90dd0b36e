//! The subcommands that fit into a page each, and what they share.

pub mod check;
pub mod dump;
pub mod explain;
pub mod query;
pub mod schema;
pub mod stat;
pub mod tables;
pub mod transact;

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use clap::Args;
use edn::Value;
use factum::kv::EnvOptions;
use factum::{Connection, Input, Kv, Options, storage};

use crate::error::{CliError, paint};

/// How a command makes a database that is not there yet.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct NewArgs {
    /// Keep a new database in one file of that name instead of in a directory
    #[arg(long)]
    pub single_file: bool,
}

impl NewArgs {
    /// Opens the database at `path`, or makes it.
    pub fn open(self, path: &Path, options: Options) -> Result<Connection, CliError> {
        Ok(Connection::open_with(path, options.single_file(self.single_file))?)
    }
}

/// Opens a database that must exist, for reading. Where a program that wrote to it was killed, its last commits are carried
/// over from the write-ahead log first.
pub fn open_existing(path: &Path) -> Result<Connection, CliError> {
    let open = |options: Options| {
        Connection::open_with(path, options).map_err(|error| match error.code() {
            ":kv/not-found" => CliError::NoDatabase(error),
            _ => error.into(),
        })
    };
    match open(Options::new().read_only(true)) {
        Err(CliError::Factum(error)) if error.code() == ":kv/needs-recovery" => {
            open(Options::new().create(false))?.close()?;
            open(Options::new().read_only(true))
        }
        opened => opened,
    }
}

/// Opens a store that must exist, for reading, whatever it holds; after a crash it is recovered first.
pub fn open_tables(path: &Path) -> Result<Kv, CliError> {
    let reading = EnvOptions::new().existing_only(true).read_only(true);
    let opened = match Kv::open_with(path, &reading) {
        Err(error) if error.code() == ":kv/needs-recovery" => {
            drop(Kv::open_with(path, &EnvOptions::new().existing_only(true))?);
            Kv::open_with(path, &reading)
        }
        opened => opened,
    };
    opened.map_err(|error| match error.code() {
        ":kv/not-found" => CliError::NoDatabase(error),
        _ => error.into(),
    })
}

/// What a file holds.
pub enum Opened {
    /// Facts, and perhaps key-value tables beside them.
    Facts(Connection),
    /// Key-value tables alone, of this program or of another one that uses LMDB.
    Tables(Kv),
}

/// Opens what is there, for reading.
pub fn open_whatever(path: &Path) -> Result<Opened, CliError> {
    match open_existing(path) {
        Err(CliError::Factum(error)) if error.code() == ":store/missing" => {
            open_tables(path).map(Opened::Tables)
        }
        opened => opened.map(Opened::Facts),
    }
}

/// An error of the key-value layer.
pub fn of_kv(error: factum::kv::Error) -> CliError {
    CliError::Factum(storage::Error::from(error).into())
}

/// The text of a query argument: itself, the file after an `@`, or standard input for `-`.
pub fn text_argument(argument: &str) -> Result<String, CliError> {
    if argument == "-" {
        return read_file(Path::new("-"));
    }
    match argument.strip_prefix('@') {
        Some(path) => read_file(Path::new(path)),
        None => Ok(argument.to_owned()),
    }
}

/// The text of a file, or of standard input for `-`.
pub fn read_file(path: &Path) -> Result<String, CliError> {
    let text = match path.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        }
        false => std::fs::read_to_string(path),
    };
    text.map_err(|source| CliError::File { path: path.to_owned(), source })
}

/// The inputs of a query, each written in EDN.
pub fn inputs(arguments: &[String]) -> Result<Vec<Input>, CliError> {
    let read = |(at, argument): (usize, &String)| {
        let text = text_argument(argument)?;
        let value = edn::read(&text).map_err(|source| CliError::Argument {
            what: format!("input {} of the query", at + 1),
            text: text.clone(),
            source,
        })?;
        Ok(Input::from(value))
    };
    arguments.iter().enumerate().map(read).collect()
}

/// Shows warnings on standard error.
pub fn warn<W: std::fmt::Display>(warnings: impl IntoIterator<Item = W>) {
    let terminal = io::stderr().is_terminal();
    for warning in warnings {
        eprintln!("{}", paint(&format!("warning: {warning}"), terminal));
    }
}

/// A map with plain keyword keys.
pub fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::keyword(key), value)).collect())
}
