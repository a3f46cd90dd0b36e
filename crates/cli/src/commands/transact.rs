//! `factum transact`: commits from a file, or from the command line.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use edn::{Form, FormKind, Value};
use factum::{Options, TxReport};

use super::{NewArgs, map, read_file};
use crate::error::CliError;
use crate::output::{count, duration};

/// Arguments of `factum transact`.
#[derive(Args)]
pub struct TransactArgs {
    /// The database: a directory, created if missing, or a file
    dir: PathBuf,
    /// A file of EDN, or the EDN itself: each vector or list is a transaction, maps on their own make one together; - is standard input
    #[arg(value_name = "FILE|DATA")]
    data: PathBuf,
    /// A schema to merge first, in EDN; @FILE reads it from a file
    #[arg(long)]
    schema: Option<String>,
    #[command(flatten)]
    new: NewArgs,
}

/// Runs the command.
pub fn run(args: &TransactArgs) -> Result<(), CliError> {
    let source = Source::of(&args.data);
    let text = source.text()?;
    let transactions = source.transactions(&text)?;
    let mut options = Options::new();
    if let Some(schema) = &args.schema {
        options = options.schema(super::text_argument(schema)?.as_str());
    }
    let conn = args.new.open(&args.dir, options)?;
    let mut out = io::stdout().lock();
    let terminal = out.is_terminal();
    for forms in &transactions {
        let start = Instant::now();
        let report = conn.transact(forms.as_slice()).map_err(|error| source.error(error.with_text(&text)))?;
        let (added, retracted) = counts(&report);
        if terminal {
            writeln!(
                out,
                "transaction {}: {} facts added, {} retracted in {}",
                report.db_after().basis_tx(),
                count(added),
                count(retracted),
                duration(start.elapsed())
            )?;
        } else {
            writeln!(out, "{}", summary(&report, added, retracted))?;
        }
    }
    conn.close()?;
    Ok(())
}

/// Where transactions come from.
enum Source<'a> {
    /// A file, or standard input.
    File(&'a Path),
    /// The argument is the data.
    Argument(&'a str),
}

impl<'a> Source<'a> {
    /// An argument that opens a collection is data, unless a file is called like that.
    fn of(argument: &'a Path) -> Self {
        match argument.to_str() {
            Some(text) if text.trim_start().starts_with(['[', '(', '{']) && !argument.exists() => {
                Self::Argument(text)
            }
            _ => Self::File(argument),
        }
    }

    fn text(&self) -> Result<String, CliError> {
        match self {
            Self::File(path) => read_file(path),
            Self::Argument(text) => Ok((*text).to_owned()),
        }
    }

    /// The transactions of a text, each as its items.
    fn transactions(&self, text: &str) -> Result<Vec<Vec<Form>>, CliError> {
        let forms = edn::read_all(text).map_err(|error| self.error(factum::Error::read(error, text)))?;
        let mut transactions: Vec<Vec<Form>> = Vec::new();
        let mut open = false;
        for form in forms {
            match form.kind {
                FormKind::Vector(items) | FormKind::List(items) => {
                    transactions.push(items);
                    open = false;
                }
                _ if open => transactions.last_mut().into_iter().for_each(|last| last.push(form.clone())),
                _ => {
                    transactions.push(vec![form]);
                    open = true;
                }
            }
        }
        Ok(transactions)
    }

    fn error(&self, source: factum::Error) -> CliError {
        match self {
            Self::File(path) => CliError::InFile { path: (*path).to_owned(), source },
            Self::Argument(_) => source.into(),
        }
    }
}

fn counts(report: &TxReport) -> (u64, u64) {
    let added = report.tx_data().iter().filter(|datom| datom.added).count();
    (added as u64, (report.tx_data().len() - added) as u64)
}

fn summary(report: &TxReport, added: u64, retracted: u64) -> Value {
    let tempids = report.tempids().iter().map(|(tempid, id)| (tempid.clone(), (*id).into())).collect();
    map([
        ("tx", Value::Int(report.db_after().basis_tx() as i64)),
        ("added", Value::Int(added as i64)),
        ("retracted", Value::Int(retracted as i64)),
        ("tempids", Value::Map(tempids)),
    ])
}
