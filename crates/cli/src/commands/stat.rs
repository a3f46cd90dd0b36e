//! `factum stat`: sizes, counts, readers.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use edn::Value;
use factum::{Connection, Stat};

use super::{map, open_existing};
use crate::error::CliError;
use crate::output::{self, Format, bytes, count};

/// Arguments of `factum stat`.
#[derive(Args)]
pub struct StatArgs {
    /// The database: a directory or a file
    dir: PathBuf,
    /// How to write the numbers [default: table on a terminal, else edn]
    #[arg(long, short, value_enum)]
    format: Option<Format>,
}

/// Runs the command.
pub fn run(args: &StatArgs) -> Result<(), CliError> {
    let conn = open_existing(&args.dir)?;
    write(&mut io::stdout().lock(), &conn, Format::or_default(args.format))
}

/// Writes the numbers of a connection.
pub fn write(out: &mut impl Write, conn: &Connection, format: Format) -> Result<(), CliError> {
    let stat = conn.stat()?;
    if matches!(format, Format::Edn | Format::Json) {
        let value = as_value(conn, &stat);
        match format {
            Format::Json => writeln!(out, "{}", output::to_json(&value))?,
            _ => writeln!(out, "{value}")?,
        }
        return Ok(());
    }
    let mut rows = vec![
        ("facts", count(stat.datoms)),
        ("attributes", count(stat.attributes as u64)),
        ("largest entity id", count(stat.max_eid)),
        ("transactions", count(stat.transactions)),
    ];
    if let Some(path) = conn.path() {
        rows.insert(0, ("path", path.display().to_string()));
    }
    if let Some(file) = &stat.file {
        let per_datom = file.used_size as f64 / stat.datoms.max(1) as f64;
        rows.extend([
            ("file", bytes(file.file_size)),
            ("used", format!("{} ({per_datom:.1} bytes a fact)", bytes(file.used_size))),
            ("room to grow to", bytes(file.map_size)),
            ("snapshots alive", format!("{} of {}", file.readers.len(), file.max_readers)),
        ]);
        if let Some(oldest) = file.readers.first() {
            let held = format!("process {}, {} commits behind", oldest.pid, oldest.behind);
            rows.push(("oldest snapshot", held));
        }
    }
    for (name, value) in rows {
        writeln!(out, "{name:<18} {value}")?;
    }
    Ok(())
}

fn as_value(conn: &Connection, stat: &Stat) -> Value {
    let int = |n: u64| Value::Int(n as i64);
    let mut map = map([
        ("datoms", int(stat.datoms)),
        ("attributes", int(stat.attributes as u64)),
        ("max-eid", int(stat.max_eid)),
        ("transactions", int(stat.transactions)),
        ("path", conn.path().map_or(Value::Nil, |path| Value::from(path.display().to_string()))),
    ]);
    if let (Value::Map(map), Some(file)) = (&mut map, &stat.file) {
        let readers = file.readers.iter().map(|reader| {
            super::map([
                ("pid", int(reader.pid.into())),
                ("tx", int(reader.txn_id)),
                ("behind", int(reader.behind)),
            ])
        });
        map.extend([
            (Value::keyword("file-size"), int(file.file_size)),
            (Value::keyword("used-size"), int(file.used_size)),
            (Value::keyword("map-size"), int(file.map_size)),
            (Value::keyword("readers"), Value::Vector(readers.collect())),
        ]);
    }
    map
}
