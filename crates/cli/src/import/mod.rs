//! `factum import`: records from files into entities.
//!
//! ```text
//! file --source--> blocks of text --json | csv | edn (all cores)--> records --infer--> attributes and types
//!      records + attributes --new database--> prepared datoms --build--> file
//!                           --existing one--> transactions in batches (in bulk while it is empty)
//! ```
//!
//! The whole input is read and its types are known before the database is touched, so a mistake in line 60,000
//! changes nothing.

mod csv;
mod edn_records;
mod error;
mod existing;
mod fresh;
mod infer;
mod json;
mod record;
mod resume;
mod source;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use factum::{Connection, Options};
use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::{NewArgs, map};
use crate::error::CliError;
use crate::output::{Align, count, duration, grid};

pub use error::ImportError;

use infer::{Mapping, Plan, Role};
use record::{Record, Records};
use source::{Format, Source};

/// Arguments of `factum import`.
#[derive(Args)]
pub struct ImportArgs {
    /// The database: a directory, created if missing, or a file
    dir: PathBuf,
    /// JSON lines, JSON, CSV or EDN, plain or gzip
    file: PathBuf,
    /// Namespace of the attributes: key k becomes :NS/k
    #[arg(long, short, value_name = "NS")]
    entity: String,
    /// Key that identifies a record; records with the same value are the same entity
    #[arg(long, value_name = "KEY")]
    id: Option<String>,
    /// Key whose values are identities of other records, and the attribute it goes to if that is another
    #[arg(long = "ref", value_name = "KEY[:ATTR]", requires = "id")]
    refs: Vec<String>,
    /// Format of the input, if its name does not tell
    #[arg(long, value_enum)]
    input_format: Option<Format>,
    /// Records per transaction, where the database exists already
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Go on where an earlier import of the same file, the same way, was stopped
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Begin again from the first record, although an earlier import of the same file was stopped
    #[arg(long)]
    restart: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    new: NewArgs,
}

/// What an import did.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Records of the input.
    pub records: u64,
    /// Entities that are new.
    pub entities: u64,
    /// Facts that are new.
    pub facts: u64,
}

/// Runs the command.
pub fn run(args: &ImportArgs) -> Result<(), CliError> {
    let start = Instant::now();
    let progress = progress(args.quiet);
    let source = Source::open(&args.file, args.input_format, &progress)?;
    let mapping = args.mapping();
    let blocks = read(source)?;
    let plan = Plan::new(&blocks, &mapping)?;
    check_ids(args, &blocks, &plan)?;
    let counts = if is_new(args) {
        fresh::build(&args.dir, args.new, &blocks, &plan, &args.file, &progress)?
    } else {
        let conn = args.new.open(&args.dir, Options::new())?;
        let counts = match is_fresh(&conn, &plan)? {
            true => fresh::load(&conn, &blocks, &plan, &args.file, &progress)?,
            false => existing::load(&conn, &blocks, &plan, args, &progress)?,
        };
        conn.close()?;
        counts
    };
    progress.finish_and_clear();
    if args.quiet {
        return Ok(());
    }
    report(args, &plan, counts, start.elapsed())
}

/// Whether nothing is there yet, not even a file of somebody else.
fn is_new(args: &ImportArgs) -> bool {
    match args.dir.read_dir() {
        // A file cannot take a directory's place, not even an empty one's.
        Ok(mut entries) => !args.new.single_file && entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether the records can be loaded in bulk: no facts yet, and no attributes but those that an import of the same
/// records declared before it was stopped.
fn is_fresh(conn: &Connection, plan: &Plan) -> Result<bool, CliError> {
    let stat = conn.stat()?;
    if stat.datoms > 0 || stat.max_eid > 0 {
        return Ok(false);
    }
    let patch = factum::SchemaPatch::from_value(&plan.schema())
        .map_err(|error| factum::Error::from(factum::storage::Error::from(error)))?;
    let planned = factum::Schema::built_in()
        .with_changes(&patch)
        .map_err(|error| factum::Error::from(factum::storage::Error::from(error)))?;
    Ok(stat.attributes == 0 || conn.schema()?.to_value() == planned.to_value())
}

impl ImportArgs {
    fn mapping(&self) -> Mapping {
        let target = |text: &String| match text.split_once(':') {
            Some((key, attribute)) => (key.to_owned(), attribute.to_owned()),
            None => (text.clone(), text.clone()),
        };
        let namespace = self.entity.trim_start_matches(':').to_owned();
        Mapping {
            namespace,
            id: self.id.clone(),
            refs: self.refs.iter().map(target).collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Reads all records of an input.
fn read(source: Source) -> Result<Vec<Records>, ImportError> {
    match source.format {
        Format::Jsonl => json::read_lines(source),
        Format::Json => json::read_array(source),
        Format::Csv => csv::read(source),
        Format::Edn => edn_records::read(source),
    }
}

/// Every record must have one plain identity, and every reference must be able to equal one.
fn check_ids(args: &ImportArgs, blocks: &[Records], plan: &Plan) -> Result<(), ImportError> {
    let Some(id) = plan.id else { return Ok(()) };
    let path = &args.file;
    for (block, keys) in blocks.iter().zip(&plan.keys) {
        for record in &block.records {
            let found = record.fields.iter().find(|(key, _)| keys[*key as usize] == id);
            match found {
                Some((_, edn::Value::Vector(_) | edn::Value::Map(_))) | None => {
                    return Err(bad_id(args, record, found));
                }
                Some(_) => {}
            }
            for (key, value) in &record.fields {
                let attribute = &plan.attributes[keys[*key as usize]];
                if attribute.role != Role::Ref {
                    continue;
                }
                if let Some(found) = infer::leaves(value).find(|leaf| !plan.attributes[id].kinds.admits(leaf))
                {
                    return Err(ImportError::BadRef {
                        path: path.clone(),
                        line: record.line,
                        attribute: attribute.ident.clone(),
                        found: found.clone(),
                        id: plan.attributes[id].ident.clone(),
                        expected: plan.attributes[id].describe(),
                    });
                }
            }
        }
    }
    Ok(())
}

fn bad_id(args: &ImportArgs, record: &Record, found: Option<&(u32, edn::Value)>) -> ImportError {
    let (path, line) = (args.file.clone(), record.line);
    match found {
        Some((_, found)) => ImportError::BadId { path, line, found: found.clone() },
        None => ImportError::NoId { path, line, key: args.id.clone().unwrap_or_default() },
    }
}

fn progress(quiet: bool) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:<10} {wide_bar} {percent:>3}% {elapsed}");
    ProgressBar::no_length()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message("reading")
}

fn report(args: &ImportArgs, plan: &Plan, counts: Counts, elapsed: Duration) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    let rate = (counts.facts as f64 / elapsed.as_secs_f64()) as u64;
    if !out.is_terminal() {
        let int = |n: u64| edn::Value::Int(n as i64);
        let summary = map([
            ("records", int(counts.records)),
            ("entities", int(counts.entities)),
            ("facts", int(counts.facts)),
            ("milliseconds", int(elapsed.as_millis() as u64)),
            ("schema", plan.schema()),
        ]);
        return Ok(writeln!(out, "{summary}")?);
    }
    let header = ["attribute", "type", "values", ""].map(str::to_owned);
    let align = [Align::Left, Align::Left, Align::Right, Align::Left];
    let rows = plan.attributes.iter().filter(|attribute| attribute.values > 0).map(|attribute| {
        let kind = match (attribute.role, attribute.many) {
            (Role::Id, _) => "identity",
            (_, true) => "many",
            _ => "",
        };
        vec![attribute.ident.to_string(), attribute.describe(), count(attribute.values), kind.to_owned()]
    });
    writeln!(out, "{}", grid(&header, &align, rows))?;
    writeln!(
        out,
        "{} records from {} became {} new facts about {} new entities in {} ({} facts a second)",
        count(counts.records),
        args.file.display(),
        count(counts.facts),
        count(counts.entities),
        duration(elapsed),
        count(rate)
    )?;
    Ok(())
}
