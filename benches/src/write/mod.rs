//! The write suite: transactions of 1 to 1000 five-attribute entities beside SQLite, each promise of durability for
//! itself.
//!
//! | class | Factum | SQLite |
//! |---|---|---|
//! | on disk when it returns | full (LMDB's own sync), and with the write-ahead log | WAL with `synchronous=FULL`; rollback journal with `synchronous=FULL` |
//! | whole after a power failure, the last commits may be missing | write-ahead log, synced later | WAL with `synchronous=NORMAL`: nothing is synced but at checkpoints |
//! | survives the program's end only | none | WAL and rollback journal with `synchronous=OFF` |

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use factum::{Connection, Durability, Options, Tx};
use rusqlite::Connection as Sqlite;

use crate::people::{self, Person};
use crate::report::Report;

/// The systems of this suite, ours first.
pub const SYSTEMS: &[&str] = &["factum", "sqlite wal", "sqlite journal"];

/// Entities for each transaction.
const BATCHES: [usize; 4] = [1, 10, 100, 1000];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Entities that are there before.
    pub entities: i64,
    /// For each figure.
    pub budget: Duration,
    /// Entities for each figure, at most.
    pub entities_max: usize,
}

impl Effort {
    /// For published figures.
    pub const FULL: Self = Self { entities: 100_000, budget: Duration::from_secs(4), entities_max: 200_000 };
    /// For a quick look and for CI.
    pub const QUICK: Self =
        Self { entities: 2_000, budget: Duration::from_millis(300), entities_max: 10_000 };
}

struct Class {
    /// What the rows are called, and how we do it.
    factum: &'static [(&'static str, Durability)],
    /// Journal mode and `synchronous` of each SQLite.
    sqlite: [Option<(&'static str, &'static str)>; 2],
}

const CLASSES: [Class; 3] = [
    Class {
        factum: &[("durable", Durability::Full), ("durable, write-ahead log", Durability::Wal)],
        sqlite: [Some(("WAL", "FULL")), Some(("DELETE", "FULL"))],
    },
    Class {
        factum: &[("whole after power failure", Durability::WalLater)],
        sqlite: [Some(("WAL", "NORMAL")), None],
    },
    Class {
        factum: &[("not synced", Durability::None)],
        sqlite: [Some(("WAL", "OFF")), Some(("DELETE", "OFF"))],
    },
];

/// Something that takes entities, a transaction at a time.
trait Writer {
    /// Commits the persons from number `first` on; for asynchronous writers it may be done later.
    fn write(&mut self, first: i64, count: usize) -> Result<(), Box<dyn Error>>;

    /// Waits for everything.
    fn finish(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(())
    }
}

fn tx(first: i64, count: usize) -> Tx {
    (first..first + count as i64).map(|n| Person::new(n).entity()).collect()
}

struct Factum(Connection);

impl Writer for Factum {
    fn write(&mut self, first: i64, count: usize) -> Result<(), Box<dyn Error>> {
        Ok(self.0.transact(tx(first, count)).map(drop)?)
    }
}

struct FactumAsync {
    conn: Connection,
    last: Option<factum::PendingTx>,
}

impl Writer for FactumAsync {
    fn write(&mut self, first: i64, count: usize) -> Result<(), Box<dyn Error>> {
        self.last = Some(self.conn.transact_async(tx(first, count))?);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Box<dyn Error>> {
        // Promises are kept in order, so the last one stands for all.
        self.last.take().map_or(Ok(()), |last| Ok(last.wait().map(drop)?))
    }
}

struct SqliteWriter(Sqlite);

impl Writer for SqliteWriter {
    fn write(&mut self, first: i64, count: usize) -> Result<(), Box<dyn Error>> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare_cached(people::SQLITE_INSERT)?;
            for n in first..first + count as i64 {
                Person::new(n).insert(n, &mut insert)?;
            }
        }
        Ok(transaction.commit()?)
    }
}

fn factum(dir: &Path, durability: Durability, entities: i64) -> Result<Connection, Box<dyn Error>> {
    let options = Options::new().schema(people::SCHEMA).durability(durability);
    let conn = Connection::open_with(dir, options)?;
    conn.transact(tx(1, entities as usize))?;
    Ok(conn)
}

fn sqlite(file: &Path, mode: (&str, &str), entities: i64) -> Result<SqliteWriter, Box<dyn Error>> {
    let connection = Sqlite::open(file)?;
    connection.execute_batch(&format!("PRAGMA journal_mode={}; PRAGMA synchronous={};", mode.0, mode.1))?;
    people::create_sqlite(&connection, true)?;
    let mut writer = SqliteWriter(connection);
    writer.write(1, entities as usize)?;
    Ok(writer)
}

/// Seconds for each transaction.
fn measure(
    writer: &mut dyn Writer,
    next: &mut i64,
    batch: usize,
    effort: Effort,
) -> Result<f64, Box<dyn Error>> {
    // One round warms up.
    writer.write(*next, batch)?;
    writer.finish()?;
    *next += batch as i64;
    let (start, mut count) = (Instant::now(), 0);
    while count < 3 || (start.elapsed() < effort.budget && count * batch < effort.entities_max) {
        writer.write(*next, batch)?;
        *next += batch as i64;
        count += 1;
    }
    writer.finish()?;
    Ok(start.elapsed().as_secs_f64() / count as f64)
}

/// Runs the suite.
pub fn run(effort: Effort) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::new("write");
    for class in &CLASSES {
        run_class(class, effort, &mut report)?;
    }
    Ok(report)
}

fn run_class(class: &Class, effort: Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let mut ours = Vec::new();
    for (name, durability) in class.factum {
        let conn = factum(&dir.path().join(name), *durability, effort.entities)?;
        ours.push((*name, conn, effort.entities + 1));
    }
    let mut theirs: Vec<(&'static str, Box<dyn Writer>, i64)> = Vec::new();
    for (name, mode) in SYSTEMS[1..].iter().zip(class.sqlite) {
        if let Some(mode) = mode {
            let writer = sqlite(&dir.path().join(name), mode, effort.entities)?;
            theirs.push((name, Box::new(writer), effort.entities + 1));
        }
    }
    // Theirs and ours, in seconds for each transaction of one entity.
    let mut singles = (Vec::new(), Vec::new());
    for batch in BATCHES {
        let mut peers = Vec::new();
        for (name, writer, next) in &mut theirs {
            peers.push((*name, measure(writer.as_mut(), next, batch, effort)?));
        }
        for (class_name, conn, next) in &mut ours {
            let seconds = measure(&mut Factum(conn.clone()), next, batch, effort)?;
            let plural = if batch == 1 { "entity" } else { "entities" };
            let work = format!("{class_name}, {batch} {plural}");
            let each = |figure: &dyn Fn(f64) -> f64| -> Vec<(&'static str, f64)> {
                let all = std::iter::once((SYSTEMS[0], seconds)).chain(peers.iter().copied());
                all.map(|(name, seconds)| (name, figure(seconds))).collect()
            };
            report.row(&work, "us/transaction", &each(&|seconds| seconds * 1e6));
            report.row(&work, "entities/s", &each(&|seconds| batch as f64 / seconds));
            if batch == 1 {
                singles.1.push(seconds);
            }
        }
        if batch == 1 {
            singles.0 = peers;
        }
    }
    for ((class_name, conn, mut next), waiting) in ours.into_iter().zip(singles.1) {
        let mut asynchronous = FactumAsync { conn, last: None };
        let seconds = measure(&mut asynchronous, &mut next, 1, effort)?;
        let work = format!("{class_name}, asynchronous, 1 entity (SQLite: waiting for each)");
        let all = std::iter::once((SYSTEMS[0], seconds)).chain(singles.0.iter().copied());
        let rates: Vec<_> = all.map(|(name, seconds)| (name, 1.0 / seconds)).collect();
        report.row(work, "entities/s", &rates);
        report.row(
            format!("{class_name}, asynchronous beside waiting for each, 1 entity"),
            "times as many",
            &[(SYSTEMS[0], waiting / seconds)],
        );
    }
    Ok(())
}
