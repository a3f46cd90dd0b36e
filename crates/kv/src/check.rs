//! [`ReadTxn::check`]: whether a file is sound.
//!
//! ```text
//! pages: every page in use once, in order, within the file; free pages listed      (lmdb-pages)
//!   if they are sound:  options of tables readable;  counts of counted tables  <-->  the tables themselves
//! ```

use std::fmt;

use crate::dbi::OWN_PREFIX;
use crate::error::Result;
use crate::flags::DbiFlags;
use crate::read::ReadTxn;

/// More problems than this are only counted.
const PROBLEMS_MAX: usize = 100;

/// What a check of a file found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// How many tables there are, without this crate's own.
    pub tables: u64,
    /// How many pairs are in them.
    pub pairs: u64,
    /// Pages of the file.
    pub pages: u64,
    /// How many of them are free.
    pub free_pages: u64,
    /// How many problems were found.
    pub problem_count: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
}

/// Something that does not hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The table in which it was noticed; empty for the file itself.
    pub table: String,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.table.is_empty() {
            write!(f, "table {:?}: ", self.table)?;
        }
        f.write_str(&self.detail)
    }
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    fn note(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

impl ReadTxn {
    /// Reads every page of the file and reports everything that does not agree: see [`lmdb_pages::check`], and, if the pages are
    /// sound, [`check_counts`](Self::check_counts).
    ///
    /// Reading a damaged file is safe. Writing to it is not, since LMDB's own code trusts the pages that it finds; so check a
    /// file in doubt first.
    ///
    /// ```
    /// # use factum_kv::{Env, Table, codec::{Long, Str}};
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let env = Env::open(dir.path())?;
    /// let ages: Table<Str, Long> = env.open_table("ages")?;
    /// env.with_transaction(|txn| ages.put(txn, "Ann", 38))?;
    /// let report = env.read()?.check()?;
    /// assert_eq!((report.is_sound(), report.tables, report.pairs), (true, 1, 1));
    /// # Ok::<(), factum_kv::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`check_counts`](Self::check_counts).
    pub fn check(&self) -> Result<CheckReport> {
        let found = lmdb_pages::check::check(self.snapshot());
        let mut report =
            CheckReport { pages: found.pages, free_pages: found.free_pages, ..CheckReport::default() };
        for table in &found.tables {
            if !table.name.is_empty() && !table.name.starts_with(OWN_PREFIX) {
                report.tables += 1;
                report.pairs += table.pairs;
            }
        }
        for problem in &found.problems {
            let what = match problem.page {
                Some(page) => format!("page {page}: {}", problem.what),
                None => problem.what.to_owned(),
            };
            report.note(Problem { table: problem.table.clone(), detail: what });
        }
        report.problem_count += found.omitted;
        if report.is_sound() {
            // What tables say of each other means nothing on pages that are not.
            self.check_counts()?.into_iter().for_each(|problem| report.note(problem));
        }
        Ok(report)
    }

    /// Compares the counts of all counted tables with their contents; what is wrong is returned, not an error.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages) if the file is damaged so far that its tables cannot be listed,
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn check_counts(&self) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        for name in self.snapshot().table_names()? {
            if name.starts_with(OWN_PREFIX) {
                continue;
            }
            if let Err(error) = self.check_counts_of(&name) {
                problems.push(Problem { table: name, detail: error.to_string() });
            }
        }
        Ok(problems)
    }

    fn check_counts_of(&self, name: &str) -> Result<()> {
        let counted = self.stored_options(name)?.counted.is_some();
        let Some(table) = self.snapshot().table(name)?.filter(|_| counted) else { return Ok(()) };
        let flags = DbiFlags::from_raw(u32::from(table.flags().bits()));
        self.verify_counts(&self.shared().register(name, flags)?)
    }
}
