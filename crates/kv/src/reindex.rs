//! Rebuilding tables with other flags, options or types.

use std::path::{Path, PathBuf};

use crate::codec::{Buffer, Codec, KeyType};
use crate::dbi::{Dbi, DbiOptions};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::flags::PutFlags;
use crate::read::Walk;
use crate::spill::{Spill, SpillOptions};
use crate::txn::WriteTxn;

/// Which tables to rebuild, and how.
///
/// ```
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let env = factum_kv::Env::open(dir.path().join("a"))?;
/// use factum_kv::codec::{Long, Str};
/// use factum_kv::{DbiOptions, ReIndex, Table};
///
/// let ages: Table<Str, Long> = env.open_table("ages")?;
/// env.with_transaction(|txn| ages.put(txn, "ann", 40))?;
///
/// let counted = DbiOptions::new().counted(true);
/// env.re_index(&ReIndex::new().table("ages", counted.clone()).backup(dir.path().join("before")))?;
/// let ages: Table<Str, Long> = env.open_table_with("ages", counted, Str, Long)?;
/// assert_eq!(ages.rank(&env.read()?, "ann")?, Some(0));
/// # Ok::<(), factum_kv::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ReIndex {
    tables: Vec<(String, DbiOptions)>,
    backup: Option<PathBuf>,
    spill: SpillOptions,
}

impl ReIndex {
    /// Nothing, so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rebuilds a table with these options instead of those it has.
    ///
    /// If the table has stored types and the options name others, every key and value is translated.
    pub fn table(mut self, name: &str, options: impl Into<DbiOptions>) -> Self {
        self.tables.push((name.to_owned(), options.into()));
        self
    }

    /// First copies the environment into this directory, which must not hold a database.
    ///
    /// The copy stays there, whether rebuilding succeeds or fails: removing it is up to the caller.
    pub fn backup(mut self, target: impl AsRef<Path>) -> Self {
        self.backup = Some(target.as_ref().to_owned());
        self
    }

    /// How much memory the contents of a table may take meanwhile; beyond that, they go to a temporary file.
    pub fn spill(mut self, options: SpillOptions) -> Self {
        self.spill = options;
        self
    }
}

impl Env {
    /// Rebuilds tables with other flags, options or types, in one transaction: all of them or none.
    ///
    /// Handles on them are stale afterwards ([`Error::StaleDbi`]). The file does not shrink; [`Env::copy_to`] with
    /// compaction makes a smaller one. What belongs to the environment, such as its map size, is chosen whenever it is
    /// opened and needs no rebuilding.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`]; [`Error::WouldLose`] if a plain table cannot hold all values of a list table;
    /// [`Error::TooLong`], [`Error::WrongSize`] and others if the new table cannot hold what the old one does;
    /// [`Error::Unencodable`] if the new types cannot; and those of [`Env::copy_to`] and of writing.
    #[doc(alias = "re-index")]
    pub fn re_index(&self, plan: &ReIndex) -> Result<()> {
        // Nobody writes between the backup and the rebuilding.
        let turn = self.turn()?;
        if let Some(target) = &plan.backup {
            turn.carry_out()?;
            self.copy_as_it_is(target, true)?;
        }
        let mut txn = turn.write()?;
        txn.with(|txn| {
            plan.tables.iter().try_for_each(|(name, options)| txn.rebuild(name, options, &plan.spill))
        })?;
        txn.commit()
    }
}

impl WriteTxn<'_> {
    fn rebuild(&mut self, name: &str, options: &DbiOptions, spill: &SpillOptions) -> Result<()> {
        let old = self.existing_dbi(name)?;
        let stored = self.dbi_options(&old)?;
        let mut options = self.with_types(name, options.clone())?;
        let keys = Translation::new(stored.key_type(), &mut options.key_type);
        let values = Translation::new(stored.value_type(), &mut options.value_type);
        let mut kept = Spill::new(spill);
        let mut cursor = self.open_cursor(&old)?;
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        while let Some((key, value)) = cursor.next()? {
            let key = keys.translate(&old, key, &mut key_buffer)?;
            kept.push(key, values.translate(&old, value, &mut value_buffer)?)?;
        }
        drop(cursor);
        self.drop_dbi(&old)?;
        let new = self.open_dbi(name, options)?;
        // Only a list table has several values for a key, and different keys have different translations.
        let flags = if new.is_list() { PutFlags::empty() } else { PutFlags::NOOVERWRITE };
        for pair in kept.iter()? {
            let (key, value) = pair?;
            match self.put_with(&new, key, value, flags) {
                Err(Error::KeyExists { name }) => return Err(Error::WouldLose { name }),
                other => other?,
            }
        }
        Ok(())
    }
}

/// From one type to another.
enum Translation {
    None,
    Types(KeyType, KeyType),
}

impl Translation {
    /// A type that is not asked for stays.
    fn new(stored: Option<&KeyType>, asked: &mut Option<KeyType>) -> Self {
        match (stored, asked) {
            (Some(stored), Some(asked)) if stored != asked => Self::Types(stored.clone(), asked.clone()),
            (Some(stored), asked @ None) => {
                *asked = Some(stored.clone());
                Self::None
            }
            _ => Self::None,
        }
    }

    fn translate<'b>(&self, dbi: &Dbi, bytes: &'b [u8], buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        let Self::Types(from, to) = self else { return Ok(bytes) };
        let name = || dbi.name().to_owned();
        let value = from.decode(bytes).map_err(|source| Error::Undecodable {
            name: name(),
            bytes: bytes.into(),
            source,
        })?;
        to.encode(&value, buffer).map_err(|source| Error::Unencodable { name: name(), source })?;
        Ok(buffer)
    }
}
