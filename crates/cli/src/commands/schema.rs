//! `factum schema`: the attributes of a database.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use edn::Value;
use factum::{Attribute, Cardinality, Connection, Db, Options, Unique};

use super::open_existing;
use crate::error::CliError;
use crate::output::{self, Align, Format, count, grid};

/// Arguments of `factum schema`.
#[derive(Args)]
pub struct SchemaArgs {
    /// The database: a directory or a file
    dir: PathBuf,
    /// A change to apply first: {:attribute {:property value}} in EDN; @FILE reads it from a file
    patch: Option<String>,
    /// How to write the schema [default: table on a terminal, else edn]
    #[arg(long, short, value_enum)]
    format: Option<Format>,
    /// Include the attributes that every database has
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub fn run(args: &SchemaArgs) -> Result<(), CliError> {
    let conn = match &args.patch {
        None => open_existing(&args.dir)?,
        Some(patch) => {
            let patch = super::text_argument(patch)?;
            let conn = Connection::open_with(&args.dir, Options::new().create(false))?;
            conn.update_schema(patch.as_str())?;
            conn
        }
    };
    write(&mut io::stdout().lock(), &conn.db()?, Format::or_default(args.format), args.all)
}

/// The columns of the table.
pub const HEADER: [&str; 5] = ["attribute", "type", "values", "properties", "facts"];

/// Writes the schema of a database.
pub fn write(out: &mut impl Write, db: &Db, format: Format, all: bool) -> Result<(), CliError> {
    let mine = |attribute: &&std::sync::Arc<Attribute>| all || !attribute.is_built_in();
    let attributes: Vec<_> = db.schema().iter().filter(mine).collect();
    match format {
        Format::Edn | Format::Json => {
            let mut map = match db.schema().to_value() {
                Value::Map(map) => map,
                _ => Default::default(),
            };
            map.retain(|name, _| attributes.iter().any(|a| Some(&a.ident) == name.as_keyword()));
            match format {
                Format::Json => writeln!(out, "{}", output::to_json(&Value::Map(map)))?,
                _ => writeln!(out, "{}", Value::Map(map))?,
            }
        }
        Format::Table | Format::Csv => {
            let mut rows = Vec::with_capacity(attributes.len());
            for attribute in attributes {
                let facts = db.count(None, Some(attribute.ident.clone()), None)?;
                rows.push(row(attribute, facts));
            }
            let header = HEADER.map(str::to_owned);
            if format == Format::Csv {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(&header).map_err(io::Error::from)?;
                for row in rows {
                    writer.write_record(row).map_err(io::Error::from)?;
                }
                return Ok(writer.flush()?);
            }
            let align = [Align::Left, Align::Left, Align::Left, Align::Left, Align::Right];
            writeln!(out, "{}", grid(&header, &align, rows.into_iter()))?;
        }
    }
    Ok(())
}

/// One attribute as a row of the table.
pub fn row(attribute: &Attribute, facts: u64) -> Vec<String> {
    let value_type = match (&attribute.registered, attribute.value_type) {
        (Some(registered), _) => registered.name().to_string(),
        (None, Some(value_type)) => value_type.name().to_owned(),
        (None, None) => "any".to_owned(),
    };
    let cardinality = if attribute.cardinality == Cardinality::Many { "many" } else { "one" };
    let mut properties = Vec::new();
    match attribute.unique {
        Some(Unique::Identity) => properties.push("identity".to_owned()),
        Some(Unique::Value) => properties.push("unique".to_owned()),
        None => {}
    }
    properties.extend(attribute.is_component.then(|| "component".to_owned()));
    properties.extend(attribute.no_index.then(|| "not indexed".to_owned()));
    properties.extend(attribute.doc.clone());
    vec![attribute.ident.to_string(), value_type, cardinality.to_owned(), properties.join(", "), count(facts)]
}
