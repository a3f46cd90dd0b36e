//! [`Db::check`]: whether the file is sound and everything that is stored twice agrees.
//!
//! ```text
//! pages: every page in use once, in order, within the file; free pages listed
//! eav  <--- every fact in both --->  ave      giants: counted as often as used, hash of the content
//!  \-- attributes known, values of their type, one where one is promised, ids within the counter
//! counts: as many as there are            schema <--> idents
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, ControlFlow};

use lmdb_pages::Cursor;

use crate::coerce::has_type;
use crate::datom::{Direction, ValueRange};
use crate::db::Db;
use crate::db::base::Base;
use crate::encode::{INLINE_MAX, decode};
use crate::error::Result;
use crate::ids::{AttrId, EntityId, TX_BASE};
use crate::schema::{Attribute, FIRST_USER_ATTR};
use crate::store::tables;

/// More problems than this are only counted.
const PROBLEMS_MAX: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// How many datoms there are.
    pub datoms: u64,
    /// How many problems were found.
    pub problem_count: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
}

/// Something that does not hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The table in which it was noticed.
    pub table: &'static str,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.detail)
    }
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    fn note(&mut self, table: &'static str, detail: impl FnOnce() -> String) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { table, detail: detail() });
        }
    }

    /// Adds what is wrong with key-value tables beside the facts.
    pub fn add_tables(&mut self, problems: impl IntoIterator<Item = kv::Problem>) {
        for problem in problems {
            self.note("tables", || problem.to_string());
        }
    }
}

impl Db {
    /// Reads the whole database and reports everything that does not agree. Takes a few microseconds a datom.
    ///
    /// Reading a damaged file is safe. Writing to it is not: LMDB's own code writes, and it trusts the pages that it
    /// finds. So check a file in doubt before anything is written to it.
    ///
    /// ```
    /// # use factum_storage::{Db, DbOptions, Schema};
    /// let db = Db::empty(Schema::built_in(), DbOptions::default());
    /// assert!(db.check()?.is_sound());
    /// # Ok::<(), factum_storage::Error>(())
    /// ```
    pub fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        let mut seen = Seen::default();
        if let Some(base) = &self.base {
            for problem in lmdb_pages::check::check(&base.snapshot).problems {
                report.note(tables::PAGES, || problem.to_string());
            }
            if !report.is_sound() {
                // What the tables say of each other means nothing on pages like these.
                return Ok(report);
            }
        }
        check_entities(self, &mut report, &mut seen)?;
        let ave_rows = check_values(self, &mut report)?;
        let counted = self.count(None, None, None)?;
        if counted != report.datoms {
            let found = report.datoms;
            report.note(tables::EAV, || format!("{counted} datoms are counted, {found} found"));
        }
        for attribute in self.schema().iter() {
            let (counted, found) = (
                self.count(None, Some(attribute.id), None)?,
                seen.datoms.get(&attribute.id).copied().unwrap_or(0),
            );
            if counted != found {
                report.note(tables::COUNTS, || {
                    format!("{}: {counted} datoms counted, {found} found", attribute.ident)
                });
            }
        }
        if let Some(base) = &self.base
            && self.overlay.is_empty()
        {
            if base.ave.entries() != ave_rows {
                let stored = base.ave.entries();
                report
                    .note(tables::AVE, || format!("{stored} rows, of which {ave_rows} belong to attributes"));
            }
            check_giants(base, &seen, &mut report)?;
            check_names(self, base, &mut report)?;
        }
        Ok(report)
    }
}

/// What was seen among the entities, to compare with what is stored about it.
#[derive(Default)]
struct Seen {
    datoms: BTreeMap<AttrId, u64>,
    /// How often each giant is used, by its hash.
    giants: BTreeMap<[u8; 32], u64>,
}

fn check_entities(db: &Db, report: &mut CheckReport, seen: &mut Seen) -> Result<()> {
    let (mut entities, mut eav, mut ave) = (db.eav(), db.eav(), db.ave());
    let mut from = Bound::Unbounded;
    let mut facts = Vec::new();
    while let Some(e) = entities.next_entity(from, Direction::Forward)? {
        from = Bound::Excluded(e);
        let counter = if e < TX_BASE { db.max_eid() } else { EntityId::of_tx(db.basis_tx()) };
        if e > counter.0 {
            report.note(tables::META, || format!("entity {e} lies beyond the counter {counter}"));
        }
        facts.clear();
        eav.entity(e, &mut |a, v| {
            facts.push((a, v));
            ControlFlow::Continue(())
        })?;
        let mut last = None;
        for (a, v) in &facts {
            report.datoms += 1;
            *seen.datoms.entry(*a).or_default() += 1;
            if v.len() > INLINE_MAX {
                *seen.giants.entry(*blake3::hash(v).as_bytes()).or_default() += 1;
            }
            let Some(attribute) = db.schema().by_id(*a) else {
                report.note(tables::EAV, || format!("entity {e} has an unknown attribute {a:?}"));
                continue;
            };
            check_fact(e, attribute, v, report);
            if !attribute.is_many() && last == Some(*a) {
                report.note(tables::EAV, || format!("entity {e} has several values for {}", attribute.ident));
            }
            last = Some(*a);
            if attribute.no_index == ave.contains(*a, v, e)? {
                let what = if attribute.no_index { "has but should not have" } else { "misses" };
                report.note(tables::AVE, || {
                    format!("the index {what} a value of {} of entity {e}", attribute.ident)
                });
            }
        }
    }
    Ok(())
}

fn check_fact(e: u64, attribute: &Attribute, v: &[u8], report: &mut CheckReport) {
    if attribute.registered.is_some()
        && let Err(error) = crate::encode::payload_of(v)
    {
        report.note(tables::EAV, || format!("entity {e}, {}: {error}", attribute.ident));
        return;
    }
    match (decode(v), attribute.value_type) {
        (Err(error), _) => {
            report.note(tables::EAV, || format!("entity {e}, {}: {error}", attribute.ident));
        }
        (Ok(value), Some(value_type)) if !has_type(value_type, &value) => {
            let ident = &attribute.ident;
            report.note(tables::EAV, || format!("entity {e}, {ident}: {value} is not of type {value_type}"));
        }
        (Ok(_), _) => {}
    }
}

/// Returns how many rows the AVE index has for the attributes of the schema.
fn check_values(db: &Db, report: &mut CheckReport) -> Result<u64> {
    let (mut ave, mut eav) = (db.ave(), db.eav());
    let (mut rows, mut entities) = (0, Vec::new());
    for attribute in db.schema().iter() {
        let mut values = 0;
        ave.scan(attribute.id, &ValueRange::ALL, Direction::Forward)?;
        while let Some(v) = ave.next_value()? {
            values += 1;
            entities.clear();
            ave.entities_into(&mut entities)?;
            rows += entities.len() as u64;
            if attribute.is_unique() && entities.len() > 1 {
                report.note(tables::AVE, || {
                    format!("{} is unique, but {entities:?} share a value", attribute.ident)
                });
            }
            if !entities.is_sorted_by(|a, b| a < b) {
                report
                    .note(tables::AVE, || format!("{}: entities out of order {entities:?}", attribute.ident));
            }
            for e in &entities {
                if !eav.contains(*e, attribute.id, v)? {
                    report.note(tables::EAV, || format!("entity {e} misses a value of {}", attribute.ident));
                }
            }
        }
        if !attribute.no_index {
            let counted = db.cardinality(attribute.id)?;
            if counted != values {
                report.note(tables::COUNTS, || {
                    format!("{}: {counted} values counted, {values} found", attribute.ident)
                });
            }
        }
    }
    Ok(rows)
}

fn check_giants(base: &Base, seen: &Seen, report: &mut CheckReport) -> Result<()> {
    let mut cursor: Cursor<'_> = Cursor::new(&base.snapshot, &base.giants)?;
    let mut row = cursor.first()?;
    let mut stored = 0;
    while let Some((hash, record)) = row {
        stored += 1;
        let (count, full) = record.split_at_checked(tables::REFCOUNT_LEN).unwrap_or((&[], record));
        let counted = count.try_into().map_or(0, u64::from_le_bytes);
        if *blake3::hash(full).as_bytes() != hash {
            report.note(tables::GIANTS, || format!("giant {hash:02x?} has other content than its hash says"));
        }
        let used = seen.giants.get(hash).copied().unwrap_or(0);
        if used != counted {
            report.note(tables::GIANTS, || {
                format!("giant {hash:02x?} is counted {counted} times and used {used} times")
            });
        }
        row = cursor.next()?;
    }
    if stored != seen.giants.len() {
        report.note(tables::GIANTS, || format!("{stored} giants stored, {} used", seen.giants.len()));
    }
    Ok(())
}

fn check_names(db: &Db, base: &Base, report: &mut CheckReport) -> Result<()> {
    let Some(table) = base.snapshot.table(tables::IDENTS)? else {
        report.note(tables::IDENTS, || "the table is missing".into());
        return Ok(());
    };
    let mut cursor: Cursor<'_> = Cursor::new(&base.snapshot, &table)?;
    let attributes: Vec<_> = db.schema().iter().filter(|attribute| attribute.id >= FIRST_USER_ATTR).collect();
    for attribute in &attributes {
        let stored = cursor.get(attribute.ident.as_str().as_bytes())?;
        if stored != Some(&attribute.id.0.to_le_bytes()) {
            report.note(tables::IDENTS, || format!("{} has the wrong id or none", attribute.ident));
        }
    }
    if table.entries() != attributes.len() as u64 {
        report.note(tables::IDENTS, || {
            format!("{} names for {} attributes", table.entries(), attributes.len())
        });
    }
    Ok(())
}
