//! `factum dump` and `factum load`: the whole database as text that any version can read back.
//!
//! ```text
//! {:factum/dump 1, :schema {:person/name {:db/unique :db.unique/identity}, ..}}
//! {:db/id 1, :person/name "Ann"}
//! {:db/id 2, :person/boss 1, :person/name "Bob"}
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use edn::{Keyword, Value};
use factum::{Datom, Db, Index, Options, TypeDefinition, storage};

use super::{NewArgs, map, open_existing, read_file, tables, warn};
use crate::error::CliError;
use crate::output::count;

/// The version of the text; a reader knows all versions up to its own.
const VERSION: i64 = 1;

/// Entities per transaction of `factum load`.
const BATCH: usize = 50_000;

/// Arguments of `factum dump`.
#[derive(Args)]
pub struct DumpArgs {
    /// The database: a directory or a file
    dir: PathBuf,
    /// Where to write [default: standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Write key-value tables instead of the facts: all, or those of these names
    #[arg(long, value_name = "NAME", num_args = 0..)]
    tables: Option<Vec<String>>,
    /// Write the tables in LMDB's form, for mdb_load
    #[arg(long, requires = "tables")]
    lmdb: bool,
}

/// Runs `factum dump`.
pub fn run(args: &DumpArgs) -> Result<(), CliError> {
    let create =
        |path: &PathBuf| File::create(path).map_err(|source| CliError::File { path: path.clone(), source });
    if let Some(names) = &args.tables {
        return match &args.output {
            None => tables::dump(&args.dir, names, args.lmdb, io::stdout().lock()),
            Some(path) => tables::dump(&args.dir, names, args.lmdb, create(path)?),
        };
    }
    let conn = open_existing(&args.dir)?;
    let db = conn.db()?;
    match &args.output {
        None => write(&mut BufWriter::new(io::stdout().lock()), &db)?,
        Some(path) => write(&mut BufWriter::new(create(path)?), &db)?,
    }
    let left_out = conn.kv()?.dbi_names()?;
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(|name| format!("{name:?}")).collect();
        let names = names.join(", ");
        warn([format!(
            "the key-value tables are not part of this dump: {names}; `dump --tables` writes them"
        )]);
    }
    Ok(())
}

fn write(out: &mut impl Write, db: &Db) -> Result<(), CliError> {
    let mut schema = match db.schema().to_value() {
        Value::Map(schema) => schema,
        _ => BTreeMap::new(),
    };
    schema.retain(|name, _| {
        let known = name.as_keyword().and_then(|name| db.schema().attribute(name));
        known.is_some_and(|attribute| !attribute.is_built_in())
    });
    let (version, schema, types) = (Value::Int(VERSION), Value::Map(schema), db.schema().types());
    let header = match types.iter().next() {
        None => map([("factum/dump", version), ("schema", schema)]),
        Some(_) => map([("factum/dump", version), ("schema", schema), ("types", types.to_value())]),
    };
    writeln!(out, "{header}")?;
    let mut entity: Vec<Datom> = Vec::new();
    for datom in db.datoms(Index::Eav, &[])? {
        let datom = datom.map_err(factum::Error::from)?;
        if entity.last().is_some_and(|last| last.e != datom.e) {
            writeln!(out, "{}", entity_map(&entity, db))?;
            entity.clear();
        }
        entity.push(datom);
    }
    if !entity.is_empty() {
        writeln!(out, "{}", entity_map(&entity, db))?;
    }
    Ok(out.flush()?)
}

/// The facts of one entity as transaction data. Composite tuples follow from their parts and are left out.
fn entity_map(datoms: &[Datom], db: &Db) -> Value {
    let mut entries: BTreeMap<Value, Value> = BTreeMap::new();
    for datom in datoms {
        let Some(attribute) = db.schema().by_id(datom.a).filter(|a| a.composite().is_none()) else {
            continue;
        };
        let name = Value::Keyword(attribute.ident.clone());
        match (attribute.is_many(), entries.get_mut(&name)) {
            (true, Some(Value::Vector(values))) => values.push(datom.v.clone()),
            (true, _) => {
                entries.insert(name, Value::Vector(vec![datom.v.clone()]));
            }
            (false, _) => {
                entries.insert(name, datom.v.clone());
            }
        }
    }
    entries.insert(Value::keyword("db/id"), datoms[0].e.into());
    Value::Map(entries)
}

/// Arguments of `factum load`.
#[derive(Args)]
pub struct LoadArgs {
    /// The database, which is created; tables may also go beside what is there
    dir: PathBuf,
    /// What `factum dump` wrote; - is standard input
    file: PathBuf,
    #[command(flatten)]
    new: NewArgs,
}

/// Runs `factum load`.
pub fn load(args: &LoadArgs) -> Result<(), CliError> {
    let text = read_file(&args.file)?;
    if tables::is_dump(&text) {
        return tables::load(&args.dir, args.new, text.as_bytes());
    }
    let in_file = |source| CliError::InFile { path: args.file.clone(), source };
    let mut reader = edn::Reader::new(&text).values();
    let mut next = || reader.next().transpose().map_err(|source| in_file(factum::Error::read(source, &text)));
    let header = next()?.unwrap_or_default();
    let field = |name: &str| header.as_map().and_then(|map| map.get(&Value::keyword(name))).cloned();
    match field("factum/dump").as_ref().and_then(Value::as_int) {
        Some(1..=VERSION) => {}
        found => return Err(CliError::NotADump { path: args.file.clone(), found }),
    }
    let schema = field("schema").unwrap_or_default();
    let mut options = Options::new().schema(schema).create_new(true);
    for (name, definition) in field("types").as_ref().and_then(Value::as_map).into_iter().flatten() {
        let name = name.as_keyword().cloned().unwrap_or_else(|| Keyword::from(name.to_string().as_str()));
        let definition = TypeDefinition::from_value(&name, definition);
        let definition = definition.map_err(|error| in_file(storage::Error::from(error).into()))?;
        options = options.register_type(name, definition);
    }
    let conn = args.new.open(&args.dir, options)?;
    let (mut batch, mut entities) = (Vec::with_capacity(BATCH), 0);
    loop {
        let entity = next()?;
        let done = entity.is_none();
        batch.extend(entity);
        if batch.len() == BATCH || done {
            entities += batch.len() as u64;
            conn.transact(std::mem::take(&mut batch)).map_err(in_file)?;
        }
        if done {
            break;
        }
    }
    conn.close()?;
    writeln!(io::stdout().lock(), "{} entities", count(entities))?;
    Ok(())
}
