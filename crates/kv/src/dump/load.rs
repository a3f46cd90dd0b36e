//! Loading dumps of every form.

use std::io::{BufRead, Read as _};

use super::{lmdb, own};
use crate::dbi::{Dbi, DbiOptions, OWN_PREFIX};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::txn::WriteTxn;

/// The longest line: a value of the greatest size as hexadecimal digits, and a key.
const LINE_MAX: u64 = (1 << 32) + (1 << 12);

/// What to do with a table that is there already, and not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnExisting {
    /// Refuse the dump.
    #[default]
    Refuse,
    /// Add its pairs; those of keys that are there replace the old ones, or in list tables join them.
    Merge,
    /// Drop the old table, flags, options and all. Its handles are stale then.
    Replace,
}

/// How to load a dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct LoadOptions {
    on_existing: OnExisting,
    unnamed: Option<String>,
}

impl LoadOptions {
    /// Refuses to touch tables that are there already.
    pub fn new() -> Self {
        Self::default()
    }

    /// What to do with tables that are there already.
    pub fn on_existing(mut self, on_existing: OnExisting) -> Self {
        self.on_existing = on_existing;
        self
    }

    /// The name of the table that takes LMDB's unnamed one, which is never touched here.
    pub fn unnamed_as(mut self, name: &str) -> Self {
        self.unnamed = Some(name.to_owned());
        self
    }
}

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// How many tables.
    pub tables: u64,
    /// How many pairs, of all tables together.
    pub pairs: u64,
    /// Tables in LMDB's form that were left out, because this crate makes them itself.
    pub skipped: Vec<String>,
}

impl Env {
    /// Loads a dump in our own form or in LMDB's, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::BadDump`] with the line that cannot be read, [`Error::TableExists`], [`Error::DbiFlagsConflict`], and
    /// those of writing.
    #[doc(alias = "mdb_load")]
    pub fn load(&self, input: impl BufRead, options: &LoadOptions) -> Result<LoadReport> {
        let mut txn = self.write()?;
        let report = txn.load(input, options)?;
        txn.commit()?;
        Ok(report)
    }
}

impl WriteTxn<'_> {
    /// As [`Env::load`], inside this transaction; after an error, a part may have been loaded.
    ///
    /// # Errors
    ///
    /// As [`Env::load`]; [`Error::Nested`] if a table must be replaced in a nested transaction.
    pub fn load(&mut self, input: impl BufRead, options: &LoadOptions) -> Result<LoadReport> {
        let mut load = Load {
            lines: Lines { input, number: 0, line: Vec::new() },
            txn: self,
            options,
            report: LoadReport::default(),
        };
        load.run().map_err(|fault| match fault {
            Fault::Said(reason) => Error::BadDump { line: load.lines.number, reason },
            Fault::Other(error) => error,
        })?;
        Ok(load.report)
    }
}

/// Why loading stopped.
enum Fault {
    /// Something is wrong with the current line.
    Said(String),
    Other(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Said(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Said(reason.to_owned())
    }
}

struct Lines<I> {
    input: I,
    number: u64,
    line: Vec<u8>,
}

impl<I: BufRead> Lines<I> {
    /// The next line without its end; `None` at the end of the text.
    fn next(&mut self) -> Result<Option<&[u8]>, Fault> {
        self.line.clear();
        let read = (&mut self.input).take(LINE_MAX).read_until(b'\n', &mut self.line);
        if read.map_err(Error::io("reading the dump"))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.pop_if(|byte| *byte == b'\n').is_some() {
            self.line.pop_if(|byte| *byte == b'\r');
        } else if self.line.len() as u64 == LINE_MAX {
            return Err("the line is too long".into());
        }
        Ok(Some(&self.line))
    }

    /// The next line, where the text must not end.
    fn want(&mut self) -> Result<&[u8], Fault> {
        if self.next()?.is_none() {
            self.number += 1;
            return Err("the dump ends too early".into());
        }
        Ok(&self.line)
    }
}

struct Load<'l, 'e, I> {
    lines: Lines<I>,
    txn: &'l mut WriteTxn<'e>,
    options: &'l LoadOptions,
    report: LoadReport,
}

impl<I: BufRead> Load<'_, '_, I> {
    fn run(&mut self) -> Result<(), Fault> {
        let first = self.lines.want()?;
        if first.starts_with(own::MARK.as_bytes()) {
            self.run_own()
        } else if first.starts_with(lmdb::MARK.as_bytes()) {
            self.run_lmdb()
        } else {
            Err("neither a dump of ours, which begins with {:factum/dump, nor of LMDB, with VERSION=".into())
        }
    }

    fn run_own(&mut self) -> Result<(), Fault> {
        let own::Head::Dump { swapped } = own::read_head(&self.lines.line)? else {
            return Err("the head of the dump was expected".into());
        };
        let (mut key, mut value) = (Vec::new(), Vec::new());
        loop {
            let (name, options, pairs) = match own::read_head(self.lines.want()?)? {
                own::Head::Table { name, options, pairs } => (name, options, pairs),
                own::Head::End { tables } if tables == self.report.tables => break,
                own::Head::End { tables } => {
                    return Err(
                        format!("{tables} tables were dumped, {} were found", self.report.tables).into()
                    );
                }
                own::Head::Dump { .. } => return Err("a second head in the middle of the dump".into()),
            };
            let flags = options.dbi_flags();
            let dbi = self.table(&name, options)?;
            for _ in 0..pairs {
                own::read_pair(self.lines.want()?, &mut key, &mut value)?;
                if swapped && flags.contains(DbiFlags::INTEGERKEY) {
                    key.reverse();
                }
                if swapped && flags.contains(DbiFlags::INTEGERDUP) {
                    value.reverse();
                }
                self.put(&dbi, &key, &value)?;
            }
            self.report.tables += 1;
        }
        match self.lines.next()? {
            None => Ok(()),
            Some(_) => Err("there is something behind the end of the dump".into()),
        }
    }

    fn run_lmdb(&mut self) -> Result<(), Fault> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        loop {
            let mut head = lmdb::Head::default();
            while !head.take(&self.lines.line)? {
                self.lines.want()?;
            }
            let name = head.name.clone().or_else(|| self.options.unnamed.clone()).ok_or(
                "this is LMDB's unnamed table, which holds the names of the others; dump the named ones (-a, -s), \
                 or give it a name for loading",
            )?;
            let dbi = if name.starts_with(OWN_PREFIX) {
                self.report.skipped.push(name);
                None
            } else {
                Some(self.table(&name, head.flags.into())?)
            };
            while head.item(self.lines.want()?, &mut key)?.is_some() {
                if head.item(self.lines.want()?, &mut value)?.is_none() {
                    return Err("the last key has no value".into());
                }
                if let Some(dbi) = &dbi {
                    self.put(dbi, &key, &value)?;
                }
            }
            self.report.tables += u64::from(dbi.is_some());
            if self.lines.next()?.is_none() {
                return Ok(());
            }
        }
    }

    fn put(&mut self, dbi: &Dbi, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        match self.txn.put(dbi, key, value) {
            Ok(()) => {
                self.report.pairs += 1;
                Ok(())
            }
            // Of the line, not of the database.
            Err(error @ (Error::Empty { .. } | Error::TooLong { .. } | Error::WrongSize { .. })) => {
                Err(error.to_string().into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The table to load into.
    fn table(&mut self, name: &str, options: DbiOptions) -> Result<Dbi, Fault> {
        let existing = match self.txn.existing_dbi(name) {
            Ok(dbi) => Some(dbi),
            Err(Error::NoSuchDbi { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        match (existing, self.options.on_existing) {
            (Some(dbi), OnExisting::Replace) => self.txn.drop_dbi(&dbi)?,
            (Some(dbi), OnExisting::Refuse) if self.txn.entries(&dbi)? > 0 => {
                return Err(Error::TableExists { name: name.to_owned() }.into());
            }
            _ => {}
        }
        Ok(self.txn.open_dbi(name, options)?)
    }
}
