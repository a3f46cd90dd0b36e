//! Key-value tables in `factum dump` and `factum load`, in the library's own form of text or in LMDB's.

use std::io::{self, BufRead, Write};
use std::path::Path;

use factum::Kv;
use factum::kv::{DumpFormat, EnvOptions, LoadOptions};

use super::{NewArgs, of_kv as failed, open_tables};
use crate::error::CliError;
use crate::output::count;

/// Writes tables: those of these names or, if there are none, all that are not the facts' own.
pub fn dump(path: &Path, names: &[String], lmdb: bool, out: impl Write) -> Result<(), CliError> {
    let kv = open_tables(path)?;
    let all = kv.dbi_names()?;
    let names: Vec<&str> = match names {
        [] => all.iter().map(String::as_str).collect(),
        names => names.iter().map(String::as_str).collect(),
    };
    if names.is_empty() {
        return Err(CliError::NoTables { path: path.to_owned() });
    }
    for name in &names {
        // Refuses the tables that hold the facts.
        kv.existing_dbi(name).map_err(failed)?;
    }
    let format = if lmdb { DumpFormat::ByteValue } else { DumpFormat::Factum };
    let read = kv.read().map_err(failed)?;
    read.dump(&names, format, out).map_err(failed)?;
    Ok(())
}

/// Whether text that begins so is a dump of tables, and not one of facts.
pub fn is_dump(text: &str) -> bool {
    let head = text.lines().next().unwrap_or_default();
    head.starts_with("VERSION=")
        || edn::read(head).is_ok_and(|head| {
            head.as_map().is_some_and(|head| head.contains_key(&edn::Value::keyword("byte-order")))
        })
}

/// Loads tables into a store, which is made if there is none.
pub fn load(path: &Path, new: NewArgs, text: impl BufRead) -> Result<(), CliError> {
    let kv = Kv::open_with(path, &EnvOptions::new().single_file(new.single_file))?;
    let report = kv.load(text, &LoadOptions::new()).map_err(failed)?;
    super::warn(report.skipped.iter().map(|name| format!("table {name:?} was left out")));
    writeln!(io::stdout().lock(), "{} tables, {} pairs", count(report.tables), count(report.pairs))?;
    Ok(())
}
