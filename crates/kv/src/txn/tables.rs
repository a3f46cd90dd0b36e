//! Opening, clearing and dropping tables inside a write transaction, with their stored options.

use std::cell::Cell;
use std::ffi::CStr;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use edn::{Keyword, Value};

use super::WriteTxn;
use super::slot::Slot;
use crate::codec::{Buffer, CodecError, KeyType, RegisteredType};
use crate::counted::{COUNTS_C, TreeId, remove_tree};
use crate::dbi::{Dbi, DbiEntry, DbiOptions, agree, check_name};
use crate::env::types::{check_definitions, check_places, encoded_definition, same_definition};
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::options::{self, OPTIONS_C, StoredOptions, type_row};
use crate::sys::{Code, RawCursor, Search};

/// LMDB's numbers of this crate's own tables, looked up on first use.
#[derive(Debug, Default)]
pub(super) struct OwnTables {
    options: Cell<Lookup>,
    counts: Cell<Lookup>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lookup {
    #[default]
    NotYet,
    Absent,
    Found(u32),
}

/// What a transaction knows of itself when it is about to be committed.
pub(super) struct Learnt {
    /// Whether it surely wrote.
    wrote: bool,
    /// Whether the file surely has no table of options.
    no_options: bool,
}

impl OwnTables {
    /// Before a nested transaction, which may make those that are not there.
    pub(super) fn forget_absent(&self) {
        for place in [&self.options, &self.counts] {
            if place.get() == Lookup::Absent {
                place.set(Lookup::NotYet);
            }
        }
    }
}

impl WriteTxn<'_> {
    /// Before this transaction is committed: keeps what it has learnt about the tables.
    #[inline]
    pub(super) fn prepare_commit(&mut self) -> Learnt {
        let holds = self.may_know();
        let no_options = self.desk.options.options.get() == Lookup::Absent;
        Learnt { wrote: self.desk.prepare_commit(holds), no_options }
    }

    /// After it was committed.
    ///
    /// LMDB gives the number of a transaction that wrote nothing to the next one, which may be another process's. So what
    /// this one knows is about the state that it began with, unless it surely made a new one.
    #[inline]
    pub(super) fn note_committed(&mut self, learnt: Learnt) {
        let id = self.desk.id;
        let state = if learnt.wrote { id } else { id.saturating_sub(1) };
        self.desk.note_committed(state);
        if learnt.no_options {
            self.shared.no_options_until.store(state, Ordering::Relaxed);
        }
    }

    /// Opens a table, creating it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::DbiFlagsConflict`], [`Error::DbiOptionsConflict`], [`Error::BadDbiName`], [`Error::DbisFull`].
    pub fn open_dbi(&mut self, name: &str, options: impl Into<DbiOptions>) -> Result<Dbi> {
        self.shared.check_free_name(name)?;
        self.open_checked(name, options.into())
    }

    /// [`open_dbi`](Self::open_dbi) for reserved names, too.
    pub(crate) fn open_checked(&mut self, name: &str, options: DbiOptions) -> Result<Dbi> {
        check_name(name)?;
        self.check_active()?;
        let dbi = self.register(name, options.flags)?;
        let entry = self.shared.entry(&dbi)?;
        let fail = |code| self.fail_on_open(code, name);
        if let Some(number) = self.open_number(&entry.c_name, None).map_err(fail)? {
            let stored = self.stored_flags(number)?;
            agree(name, stored, &self.stored_options(name)?, &options)?;
            check_definitions(name, &options, |name| self.stored_type(name))?;
            return Ok(Dbi { flags: stored, ..dbi });
        }
        let options = self.with_types(name, options)?;
        let created = self.open_number(&entry.c_name, Some(options.flags.raw())).map_err(fail)?;
        created.ok_or_else(|| self.shared.no_such_dbi(name))?;
        let mut stored = StoredOptions {
            counted: None,
            key_type: options.key_type.clone(),
            value_type: options.value_type.clone(),
        };
        if options.counted {
            stored.counted = Some(self.new_tree()?);
        }
        if stored != StoredOptions::default() {
            self.store_options(name, &stored)?;
        }
        Ok(dbi)
    }

    /// Opens a table as it is.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`] if it does not exist.
    pub fn existing_dbi(&mut self, name: &str) -> Result<Dbi> {
        self.shared.check_free_name(name)?;
        self.check_active()?;
        let dbi = self.register(name, DbiFlags::empty())?;
        let entry = self.shared.entry(&dbi)?;
        let number = self.open_number(&entry.c_name, None).map_err(|code| self.fail_on_open(code, name))?;
        let number = number.ok_or_else(|| self.shared.no_such_dbi(name))?;
        Ok(Dbi { flags: self.stored_flags(number)?, ..dbi })
    }

    /// Deletes all pairs of a table and keeps the table.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`], [`Error::MapFull`].
    pub fn clear(&mut self, dbi: &Dbi) -> Result<()> {
        let number = self.number(dbi)?;
        self.remove_counts(dbi)?;
        self.drop_number(number, false).map_err(|code| self.fail(code, "clearing a table"))
    }

    /// Deletes a table with all its pairs.
    ///
    /// Handles on it give [`Error::NoSuchDbi`] from then on, or [`Error::StaleDbi`] once there is a new table of that
    /// name; in snapshots taken before they still see it.
    ///
    /// # Errors
    ///
    /// [`Error::Nested`] in a nested transaction: LMDB could not take it back.
    pub fn drop_dbi(&mut self, dbi: &Dbi) -> Result<()> {
        if self.is_nested() {
            return Err(Error::Nested { operation: "dropping a table" });
        }
        let number = self.number(dbi)?;
        self.remove_counts(dbi)?;
        self.note_options_changed();
        if let Some(options) = self.own_table(OPTIONS_C, false)? {
            let mut cursor = self.own_cursor(options)?;
            let result = match cursor.seek_exact(dbi.name.as_bytes()) {
                Ok(Some(_)) => cursor.delete(false),
                Ok(None) => Ok(()),
                Err(code) => Err(code),
            };
            cursor.close();
            result.map_err(|code| self.fail(code, "forgetting a table's options"))?;
        }
        self.drop_number(number, true).map_err(|code| self.fail(code, "dropping a table"))?;
        let drops = self.desk.drops.get_or_insert_default();
        Rc::make_mut(drops).add(self.shared, dbi)
    }

    fn drop_number(&self, number: u32, remove: bool) -> Result<(), Code> {
        self.handle.drop_table(number, remove)?;
        if let Some(tape) = &self.desk.tape {
            tape.dropped(number, remove);
        }
        Ok(())
    }

    /// The handle on a table of this name, in this transaction.
    pub(super) fn register(&self, name: &str, flags: DbiFlags) -> Result<Dbi> {
        let dbi = self.shared.register(name, flags)?;
        match self.desk.drops.as_ref().and_then(|drops| drops.remade(name)) {
            Some(index) => Ok(Dbi { index, ..dbi }),
            None => Ok(dbi),
        }
    }

    /// Whether the handle's table is the one of its name in this transaction.
    pub(super) fn is_current(&self, dbi: &Dbi, entry: &DbiEntry) -> bool {
        match self.desk.drops.as_ref().and_then(|drops| drops.remade(dbi.name)) {
            Some(index) => index == dbi.index,
            // No other transaction can commit meanwhile.
            None => entry.is_of(self.desk.id),
        }
    }

    /// The options a table was created with.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`].
    #[doc(alias = "dbi-opts")]
    pub fn dbi_options(&self, dbi: &Dbi) -> Result<DbiOptions> {
        self.number(dbi)?;
        let options = DbiOptions::of_stored(dbi.flags, self.stored_options(dbi.name)?);
        self.shared.resolved(dbi.name, options, |name| self.stored_type(name))
    }

    /// Keeps the definition of a registered type, so that tables can be made with it; the same one again changes nothing.
    ///
    /// # Errors
    ///
    /// In [`Error::Unencodable`]: [`CodecError::OtherDefinition`] if the name is taken, and what the environment's
    /// [`TypeSource`](crate::codec::TypeSource) has against the definition.
    pub fn register_type(&mut self, name: &Keyword, definition: &Value) -> Result<()> {
        let given = self.shared.understood(&name.to_string(), name, definition.clone())?;
        self.adopt(&name.to_string(), &given).map(drop)
    }

    /// Tells of types that whoever has something else in the file is about to commit with this transaction: tables can be made with
    /// them as with those that [`TypeSource::definition`](crate::codec::TypeSource::definition) knows.
    pub fn offer_types(&mut self, definitions: Rc<[(Keyword, Value)]>) {
        self.desk.offered = Some(definitions);
    }

    /// A type that is registered in the file, here or in what the transaction is part of.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`], [`Error::TxnEnded`], and in [`Error::Unencodable`] what the environment's
    /// [`TypeSource`](crate::codec::TypeSource) has against the definition.
    pub fn registered_type(&self, name: &Keyword) -> Result<Option<RegisteredType>> {
        self.shared.registered_type(name, self.stored_type(name)?, |told| self.definition_beside(told, name))
    }

    /// The definition that something else in the file has for a name, with this transaction.
    fn definition_beside(&self, table: &str, name: &Keyword) -> Result<Option<Value>> {
        let offered = self.desk.offered.as_deref().unwrap_or_default();
        match offered.iter().find(|(offered, _)| offered == name) {
            Some((_, definition)) => Ok(Some(definition.clone())),
            None => self.shared.definition_beside(table, name),
        }
    }

    /// The options of a table to be made, where its registered types are stored and known.
    pub(crate) fn with_types(&self, table: &str, mut options: DbiOptions) -> Result<DbiOptions> {
        check_places(table, &options)?;
        for slot in [&mut options.key_type, &mut options.value_type] {
            if let Some(KeyType::Registered(given)) = slot {
                *slot = Some(KeyType::Registered(self.adopt(table, given)?));
            }
        }
        Ok(options)
    }

    /// A type as its stored definition has it, which is stored now if it was not yet.
    fn adopt(&self, table: &str, given: &RegisteredType) -> Result<RegisteredType> {
        let name = given.name();
        if let Some(bytes) = self.stored_type(name)? {
            let stored = self.shared.type_of_row(table, name, &bytes)?;
            if let (Some(stored), Some(given)) = (stored.definition(), given.definition()) {
                same_definition(table, name, stored, given)?;
            }
            return Ok(stored);
        }
        let beside = self.definition_beside(table, name)?;
        let definition = match (beside, given.definition()) {
            (Some(beside), Some(given)) => {
                same_definition(table, name, &beside, given)?;
                beside
            }
            (Some(definition), None) => definition,
            (None, Some(definition)) => definition.clone(),
            (None, None) => {
                let source = CodecError::NotRegistered { name: name.clone() };
                return Err(Error::Unencodable { name: table.to_owned(), source });
            }
        };
        let bytes = encoded_definition(name, &definition)?;
        let adopted = self.shared.understood(table, name, definition)?;
        let number = self.options_table()?;
        self.put_own(number, &type_row(name), &bytes)?;
        Ok(adopted)
    }

    /// The stored definition of a registered type.
    fn stored_type(&self, name: &Keyword) -> Result<Option<Vec<u8>>> {
        let Some(number) = self.own_table(OPTIONS_C, false)? else { return Ok(None) };
        Ok(self.own_value(number, &type_row(name))?.map(<[u8]>::to_vec))
    }

    /// Closes a table's slot and deletes its tree of counts.
    fn remove_counts(&mut self, dbi: &Dbi) -> Result<()> {
        let index = dbi.index as usize;
        let Some(slot) = self.desk.slots.get_mut().get_mut(index).and_then(Option::take) else {
            return Ok(());
        };
        self.desk.knows_tails = false;
        let tree = slot.tree();
        slot.close();
        match (tree, self.own_table(COUNTS_C, false)?) {
            (Some(tree), Some(counts)) => {
                let mut cursor = self.own_cursor(counts)?;
                let result = remove_tree(&mut cursor, tree);
                cursor.close();
                result.map_err(|error| self.note(error))
            }
            _ => Ok(()),
        }
    }

    /// LMDB's number of one of this crate's own tables.
    pub(super) fn own_table(&self, name: &'static CStr, create: bool) -> Result<Option<u32>> {
        let place = if name == OPTIONS_C { &self.desk.options.options } else { &self.desk.options.counts };
        match place.get() {
            Lookup::Found(number) => return Ok(Some(number)),
            Lookup::Absent if !create => return Ok(None),
            Lookup::NotYet if !create && name == OPTIONS_C && self.has_surely_no_options() => {
                place.set(Lookup::Absent);
                return Ok(None);
            }
            _ => {}
        }
        let fail = |code| self.fail_on_open(code, &name.to_string_lossy());
        let number = self.open_number(name, create.then_some(0)).map_err(fail)?;
        place.set(number.map_or(Lookup::Absent, Lookup::Found));
        Ok(number)
    }

    fn has_surely_no_options(&self) -> bool {
        let id = self.desk.id;
        !self.is_nested()
            && self.shared.no_options_until.load(Ordering::Relaxed) + 1 == id
            && self.shared.options_changed_in.load(Ordering::Relaxed) != id
    }

    pub(super) fn own_cursor(&self, number: u32) -> Result<RawCursor> {
        RawCursor::open(self.handle, number, self.desk.tape.as_ref())
            .map_err(|code| self.fail(code, "opening a cursor"))
    }

    fn own_value(&self, number: u32, key: &[u8]) -> Result<Option<&[u8]>> {
        self.handle.get(number, key).map_err(|code| self.fail(code, "reading a table's options"))
    }

    /// To be called before anything is done that may change which tables there are, with which options.
    pub(super) fn note_options_changed(&self) {
        self.shared.options_changed_in.store(self.desk.id, Ordering::Relaxed);
    }

    fn put_own(&self, number: u32, key: &[u8], value: &[u8]) -> Result<()> {
        self.note_options_changed();
        let result = RawCursor::unopened(self.handle, number, self.desk.tape.as_ref())
            .and_then(|mut cursor| cursor.put(key, value, 0, Search::Root));
        result.map_err(|code| self.fail(code, "storing a table's options"))
    }

    /// Whether what is known of tables is true, if this transaction has begun with the state that this process has made
    /// last.
    pub(super) fn may_know(&self) -> bool {
        self.desk.knows_tails && self.shared.options_changed_in.load(Ordering::Relaxed) != self.desk.id
    }

    /// LMDB's number of a table that is known, so that it is not looked for by its name: what is known of a handle's
    /// table is lost as soon as that is dropped, in a transaction of this crate or of anybody else. heed's own API could
    /// drop it and take that back, which LMDB's number does not survive; and a log needs the name. (LMDB itself looks
    /// up by its name where a table of a number begins that it has open, and compares the flags.)
    pub(super) fn known_number(&self, dbi: &Dbi, known: &Slot) -> Option<u32> {
        if self.may_use_numbers() { known.number_with(dbi.flags) } else { None }
    }

    /// Whether tables are found by the numbers that they had before.
    #[inline]
    pub(super) fn may_use_numbers(&self) -> bool {
        self.desk.tape.is_none() && !self.shared.is_heed_lent()
    }

    pub(super) fn stored_options(&self, name: &str) -> Result<StoredOptions> {
        let Some(number) = self.own_table(OPTIONS_C, false)? else { return Ok(StoredOptions::default()) };
        match self.own_value(number, name.as_bytes())? {
            Some(bytes) => StoredOptions::decode(bytes).map_err(|error| Error::Corrupted {
                reason: format!("the options of table {name:?}: {error}"),
            }),
            None => Ok(StoredOptions::default()),
        }
    }

    pub(super) fn store_options(&mut self, name: &str, stored: &StoredOptions) -> Result<()> {
        let number = self.options_table()?;
        let mut buffer = Buffer::new();
        let encoded = stored.encode(&mut buffer);
        encoded.map_err(|source| Error::Unencodable { name: name.to_owned(), source })?;
        self.put_own(number, name.as_bytes(), &buffer)
    }

    /// The table of options, made with its format version if it is not there.
    fn options_table(&self) -> Result<u32> {
        if let Some(number) = self.own_table(OPTIONS_C, false)? {
            return Ok(number);
        }
        let number =
            self.own_table(OPTIONS_C, true)?.ok_or_else(|| self.shared.no_such_dbi(options::OPTIONS))?;
        self.put_own(number, options::FORMAT, &options::FORMAT_VERSION.to_le_bytes())?;
        Ok(number)
    }

    /// The number of a new tree of counts; numbers are not used twice.
    pub(super) fn new_tree(&mut self) -> Result<TreeId> {
        let number = self.options_table()?;
        let last = self.own_value(number, options::TREES)?.and_then(options::number).unwrap_or(0);
        let next = last.checked_add(1).ok_or_else(|| Error::Corrupted {
            reason: "the number of counted tables has reached its limit".to_owned(),
        })?;
        self.put_own(number, options::TREES, &next.to_le_bytes())?;
        Ok(TreeId(next))
    }
}
