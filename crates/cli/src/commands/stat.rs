//! `factum stat`: sizes, counts, readers, tables.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use edn::Value;
use factum::kv::EnvInfo;
use factum::{Connection, Kv, Stat, TableInfo};

use super::{Opened, map, of_kv, open_whatever};
use crate::error::CliError;
use crate::output::{self, Format, bytes, count};

/// Arguments of `factum stat`.
#[derive(Args)]
pub struct StatArgs {
    /// The database or key-value store: a directory or a file
    dir: PathBuf,
    /// How to write the numbers [default: table on a terminal, else edn]
    #[arg(long, short, value_enum)]
    format: Option<Format>,
}

/// Runs the command.
pub fn run(args: &StatArgs) -> Result<(), CliError> {
    let (mut out, format) = (io::stdout().lock(), Format::or_default(args.format));
    match open_whatever(&args.dir)? {
        Opened::Facts(conn) => write(&mut out, &conn, format),
        Opened::Tables(kv) => write_tables(&mut out, &kv, format),
    }
}

/// Writes the numbers of a connection.
pub fn write(out: &mut impl Write, conn: &Connection, format: Format) -> Result<(), CliError> {
    let stat = conn.stat()?;
    let path = conn.path().map(|path| path.display().to_string());
    if matches!(format, Format::Edn | Format::Json) {
        return write_value(out, format, as_value(path, Some(&stat), stat.file.as_ref(), &stat.tables));
    }
    let mut rows = vec![
        ("facts", count(stat.datoms)),
        ("attributes", count(stat.attributes as u64)),
        ("largest entity id", count(stat.max_eid)),
        ("transactions", count(stat.transactions)),
    ];
    rows.splice(0..0, path.map(|path| ("path", path)));
    if let Some(file) = &stat.file {
        rows.extend(file_rows(file, Some(stat.datoms)));
    }
    write_rows(out, &rows)?;
    list_tables(out, &stat.tables)
}

/// Writes the numbers of a store without facts.
fn write_tables(out: &mut impl Write, kv: &Kv, format: Format) -> Result<(), CliError> {
    let (file, tables) = (kv.info().map_err(of_kv)?, kv.tables()?);
    let path = kv.path().display().to_string();
    if matches!(format, Format::Edn | Format::Json) {
        return write_value(out, format, as_value(Some(path), None, Some(&file), &tables));
    }
    let mut rows = vec![("path", path), ("tables", count(tables.len() as u64))];
    rows.push(("transactions", count(file.last_txn_id)));
    rows.extend(file_rows(&file, None));
    write_rows(out, &rows)?;
    list_tables(out, &tables)
}

fn write_value(out: &mut impl Write, format: Format, value: Value) -> Result<(), CliError> {
    match format {
        Format::Json => writeln!(out, "{}", output::to_json(&value))?,
        _ => writeln!(out, "{value}")?,
    }
    Ok(())
}

fn write_rows(out: &mut impl Write, rows: &[(&str, String)]) -> Result<(), CliError> {
    for (name, value) in rows {
        writeln!(out, "{name:<18} {value}")?;
    }
    Ok(())
}

/// What there is to say of a file; with the number of its facts, if it is for facts.
fn file_rows(file: &EnvInfo, datoms: Option<u64>) -> Vec<(&'static str, String)> {
    let per_datom = datoms.map(|datoms| file.used_size as f64 / datoms.max(1) as f64);
    let per_datom = per_datom.map(|size| format!(" ({size:.1} bytes a fact)")).unwrap_or_default();
    let mut rows = vec![
        ("file", bytes(file.file_size)),
        ("used", format!("{}{per_datom}", bytes(file.used_size))),
        ("room to grow to", bytes(file.map_size)),
        ("snapshots alive", format!("{} of {}", file.readers.len(), file.max_readers)),
    ];
    if let Some(oldest) = file.readers.first() {
        let held = format!("process {}, {} commits behind", oldest.pid, oldest.behind);
        rows.push(("oldest snapshot", held));
    }
    rows
}

/// A line for each table.
fn list_tables(out: &mut impl Write, tables: &[TableInfo]) -> Result<(), CliError> {
    for table in tables {
        let mut line =
            format!("{:?}: entries {}, pages {}", table.name, count(table.entries), count(table.pages));
        for (is, what) in [(table.list, "lists"), (table.counted, "counted")] {
            if is {
                line = format!("{line}, {what}");
            }
        }
        for (key_type, of) in [(&table.key_type, "keys"), (&table.value_type, "values")] {
            if let Some(key_type) = key_type {
                line = format!("{line}, {of} {}", key_type.to_value());
            }
        }
        writeln!(out, "{:<18} {line}", "table")?;
    }
    Ok(())
}

fn int(number: u64) -> Value {
    Value::Int(number as i64)
}

fn as_value(
    path: Option<String>,
    facts: Option<&Stat>,
    file: Option<&EnvInfo>,
    tables: &[TableInfo],
) -> Value {
    let tables = tables.iter().map(|table| {
        let shown =
            |key_type: &Option<_>| key_type.as_ref().map_or(Value::Nil, factum::kv::codec::KeyType::to_value);
        let info = super::map([
            ("entries", int(table.entries)),
            ("pages", int(table.pages)),
            ("depth", int(table.depth.into())),
            ("list?", Value::Bool(table.list)),
            ("counted?", Value::Bool(table.counted)),
            ("key-type", shown(&table.key_type)),
            ("value-type", shown(&table.value_type)),
        ]);
        (Value::from(table.name.as_str()), info)
    });
    let mut map =
        map([("path", path.map_or(Value::Nil, Value::from)), ("tables", Value::Map(tables.collect()))]);
    let Value::Map(entries) = &mut map else { return map };
    let mut add = |name: &str, value: Value| entries.insert(Value::keyword(name), value);
    if let Some(stat) = facts {
        add("datoms", int(stat.datoms));
        add("attributes", int(stat.attributes as u64));
        add("max-eid", int(stat.max_eid));
        add("transactions", int(stat.transactions));
    }
    if let Some(file) = file {
        if facts.is_none() {
            add("transactions", int(file.last_txn_id));
        }
        let readers = file.readers.iter().map(|reader| {
            super::map([
                ("pid", int(reader.pid.into())),
                ("tx", int(reader.txn_id)),
                ("behind", int(reader.behind)),
            ])
        });
        add("readers", Value::Vector(readers.collect()));
        add("page-size", int(file.page_size.into()));
        add("file-size", int(file.file_size));
        add("used-size", int(file.used_size));
        add("map-size", int(file.map_size));
    }
    map
}
