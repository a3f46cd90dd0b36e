//! The suite itself: load the same records into both systems, then ask both the same questions.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use factum::{AsQuery, Connection, Db, QueryOptions, Value, inputs, query_engine};

use super::records;
use super::sqlite::Sqlite;
use super::works::{RULES, WORKS, Work};
use crate::report::{Effort, Report};

/// The systems of this suite, ours first. Both run prepared statements; the last column is Factum without kept plans:
/// rules are parsed, the query is analysed and planned each time it is asked.
pub const SYSTEMS: &[&str] = &["factum", "sqlite", "factum anew"];

/// The full package set if it lies beside the repository, else the bundled extract; `FACTUM_DEBIAN` names another file.
pub fn data() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let full = root.join("../shared/data/debian-packages.jsonl.gz");
    match std::env::var_os("FACTUM_DEBIAN") {
        Some(path) => path.into(),
        None if full.exists() => full,
        None => root.join("examples/data/debian-base.jsonl"),
    }
}

/// Imports `file` into a new database at `dir` as the `factum` program does: durable and closed when it returns.
pub fn import(file: &Path, dir: &Path) -> Result<(), Box<dyn Error>> {
    let words = ["factum", "import", "--quiet", "--entity", "package", "--id", "name", "--ref", "depends"];
    let words = words.into_iter().chain(["--ref", "pre-depends:depends"]).map(Into::into);
    factum_cli::run_from(words.chain([dir.as_os_str().to_owned(), file.as_os_str().to_owned()]))?;
    Ok(())
}

/// The single number that a question has as its answer.
pub fn answer(db: &Db, work: &Work) -> Result<i64, factum::Error> {
    let query = work.datalog.as_query()?.into_owned();
    let result = match work.rules {
        true => db.query_with(&query, inputs![RULES])?,
        false => db.query(&query)?,
    };
    Ok(result.to_value().as_int().unwrap_or(0))
}

/// Runs the suite on `file`.
pub fn run(file: &Path, effort: Effort) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new("debian");
    let dir = tempfile::tempdir()?;
    let (ours, theirs) = (dir.path().join("factum"), dir.path().join("sqlite.db"));

    let start = Instant::now();
    import(file, &ours)?;
    let our_time = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let sqlite = Sqlite::load(&theirs, &records::read(file)?)?;
    let their_time = start.elapsed().as_secs_f64();
    let facts = sqlite.number("SELECT count(*) FROM datoms")? as f64;
    report.row("import", "s", &[("factum", our_time), ("sqlite", their_time)]);
    report.row("import", "datoms/s", &[("factum", facts / our_time), ("sqlite", facts / their_time)]);
    let (our_size, their_size) = (fs::metadata(ours.join("data.mdb"))?.len(), fs::metadata(&theirs)?.len());
    let size = [("factum", our_size as f64 / facts), ("sqlite", their_size as f64 / facts)];
    report.row("size on disk", "bytes/datom", &size);

    let connection = Connection::open(&ours)?;
    let db = connection.db()?;
    for work in WORKS {
        let expected = sqlite.number(work.sql)?;
        let found = answer(&db, work)?;
        assert_eq!(found, expected, "{}: the systems disagree", work.name);
        let query = work.datalog.as_query()?.into_owned();
        let mut ask_factum = || {
            let result = match work.rules {
                true => db.query_with(&query, inputs![RULES]),
                false => db.query(&query),
            };
            let _ = std::hint::black_box(result.expect("answered before"));
        };
        let anew: Vec<query_engine::Input> = match work.rules {
            true => vec![db.inner().into(), Value::from(RULES).into()],
            false => vec![db.inner().into()],
        };
        let options = QueryOptions::default();
        let mut ask_anew = || {
            let result = query_engine::query(&query, &anew, &options);
            let _ = std::hint::black_box(result.expect("answered before"));
        };
        let sql = sqlite.expand(work.sql);
        let mut ask_sqlite = || {
            std::hint::black_box(sqlite.ask(&sql).expect("answered before"));
        };
        let [ours, theirs, anew] = effort.medians([&mut ask_factum, &mut ask_sqlite, &mut ask_anew]);
        report.row(work.name, "ms", &[("factum", ours), ("sqlite", theirs), ("factum anew", anew)]);
    }
    Ok(report)
}
