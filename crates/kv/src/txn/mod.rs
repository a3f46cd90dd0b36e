//! [`WriteTxn`]: the one transaction that writes.

mod backlog;
mod counting;
mod cursor;
mod growing;
mod owned;
mod replay;
mod slot;
mod tables;
mod tail;

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::marker::PhantomData;
use std::rc::Rc;

use edn::{Keyword, Value};
use smallvec::SmallVec;

use crate::dbi::{Dbi, Drops};
use crate::env::{Shared, TurnGuard};
use crate::error::{Error, Result};
use crate::flags::{DbiFlags, PutFlags};
use crate::log::{Role, Tape};
use crate::read::TxnCursor;
use crate::sys::{Code, RawCursor, TxnHandle};
pub use cursor::WriteCursor;
pub use owned::OwnedWriteTxn;
use slot::Slot;
pub(crate) use slot::{KEY_MAX, KnownTable, Place};
use tables::OwnTables;

/// A write transaction: sees what it has written, and nobody else does until [`WriteTxn::commit`].
///
/// Dropping it, also by a panic, takes everything back. It stays on the thread that began it, because LMDB's
/// writer lock belongs to that thread.
///
/// Pairs that are put in ascending order are the fastest: beyond the end of a table they are appended, which
/// fills pages completely.
///
/// ```compile_fail,E0277
/// # let env = factum_kv::Env::open("never").unwrap();
/// let txn = env.write().unwrap();
/// std::thread::scope(|scope| scope.spawn(|| txn.commit())); // a write transaction cannot change threads
/// ```
///
/// Forgetting one (`std::mem::forget`) blocks all writers until the process ends.
#[derive(Debug)]
pub struct WriteTxn<'e> {
    // Declared before the turn in `owner`, and so on: the order of fields is the order of their end.
    slots: RefCell<Slots>,
    /// Whether a slot keeps puts back.
    keeps_back: Cell<bool>,
    handle: TxnHandle,
    /// What is done, for the write-ahead log, if there is one.
    tape: Option<Tape>,
    owner: Owner<'e>,
    shared: &'e Shared,
    /// What is known of this crate's own tables.
    options: OwnTables,
    /// The error after which LMDB refuses everything, if there was one.
    ended: RefCell<Option<String>>,
    /// Definitions of types that will be in the file with this transaction, beside the tables.
    offered: Option<Rc<[(Keyword, Value)]>>,
    /// The tables dropped by this transaction, or the one it is nested in.
    drops: Option<Rc<Drops>>,
    /// Whether what is known of the greatest pairs of tables, here and for the next transaction, is true: it is as long
    /// as tables are only changed through their slots, and slots are kept.
    knows_tails: bool,
    /// Whether committing takes everything back.
    rolled_back: bool,
    _not_send: PhantomData<*mut ()>,
}

/// Who begins and ends the transaction.
enum Owner<'e> {
    /// heed does; `None` once committed. The turn, unless somebody else has it, is given up after the transaction has
    /// ended.
    Top(Option<heed::RwTxn<'e>>, Option<TurnGuard<'e>>),
    /// We do, inside another of ours; `false` once ended.
    Nested(bool),
}

impl std::fmt::Debug for Owner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Top(..) => "Top",
            Self::Nested(_) => "Nested",
        })
    }
}

impl Drop for Owner<'_> {
    fn drop(&mut self) {
        if let Self::Top(txn, _turn) = self {
            // Ends the transaction before the turn passes to another thread.
            drop(txn.take());
        }
    }
}

impl Drop for WriteTxn<'_> {
    fn drop(&mut self) {
        if let Owner::Nested(active @ true) = &mut self.owner {
            *active = false;
            self.handle.abort_nested();
            if let Some(tape) = &self.tape {
                tape.end_nested(false);
            }
        }
    }
}

impl<'e> WriteTxn<'e> {
    /// Begins one; the caller has the writer's turn, or hands it over.
    pub(crate) fn begin(shared: &'e Shared, turn: Option<TurnGuard<'e>>) -> Result<Self> {
        let explain = |error| shared.complete(Error::from_heed(error, "beginning a write transaction"));
        let handle = match shared.writer_place.get() {
            Some(handle) => *handle,
            None => {
                let handle =
                    TxnHandle::of_writer(&shared.heed).map_err(explain)?.ok_or(Error::HeedChanged)?;
                *shared.writer_place.get_or_init(|| handle)
            }
        };
        let txn = match shared.heed.write_txn() {
            Err(heed::Error::Mdb(heed::MdbError::MapResized)) if shared.adopt_map_size() => {
                shared.heed.write_txn()
            }
            other => other,
        }
        .map_err(explain)?;
        if !handle.is(&txn, shared.handle) {
            return Err(Error::HeedChanged);
        }
        let tape = shared.begin_tape(txn.id() as u64)?;
        Ok(Self::new(shared, handle, Owner::Top(Some(txn), turn), tape))
    }

    fn new(shared: &'e Shared, handle: TxnHandle, owner: Owner<'e>, tape: Option<Tape>) -> Self {
        Self {
            slots: RefCell::default(),
            keeps_back: Cell::default(),
            handle,
            tape,
            shared,
            options: OwnTables::default(),
            ended: RefCell::default(),
            offered: None,
            drops: None,
            knows_tails: matches!(owner, Owner::Top(..)),
            rolled_back: false,
            owner,
            _not_send: PhantomData,
        }
    }

    /// Begins a transaction inside this one, which cannot be used until the inner one ends.
    ///
    /// The inner one sees what this one has written; committing it hands its writes to this one, dropping it
    /// takes only its own writes back.
    ///
    /// # Errors
    ///
    /// [`Error::BadOption`] with [`EnvOptions::write_map`](crate::EnvOptions::write_map), where LMDB cannot nest.
    pub fn nested(&mut self) -> Result<WriteTxn<'_>> {
        self.check_active()?;
        if self.shared.options.write_map {
            return Err(Error::BadOption {
                option: "write_map",
                reason: "nested transactions are impossible with it".to_owned(),
            });
        }
        self.forget_slots()?;
        self.options.forget_absent();
        let handle = self
            .handle
            .nested(self.shared.handle)
            .map_err(|code| self.fail(code, "nesting a transaction"))?;
        if let Some(tape) = &self.tape {
            tape.begin_nested();
        }
        let mut nested = WriteTxn::new(self.shared, handle, Owner::Nested(true), self.tape.clone());
        nested.drops = self.drops.clone();
        nested.offered = self.offered.clone();
        Ok(nested)
    }

    /// Whether this is a transaction inside another.
    pub fn is_nested(&self) -> bool {
        matches!(self.owner, Owner::Nested(_))
    }

    /// Makes everything written visible and, unless the environment was opened otherwise, durable.
    ///
    /// # Errors
    ///
    /// [`Error::MapFull`], [`Error::DiskFull`], [`Error::TxnEnded`] and others: nothing of the transaction is
    /// kept then.
    pub fn commit(mut self) -> Result<()> {
        if self.rolled_back {
            return Ok(());
        }
        self.check_active()?;
        self.settle_counts()?;
        match &mut self.owner {
            Owner::Top(txn, _) => {
                let txn = txn.take().expect("only commit takes it");
                let id = txn.id() as u64;
                let shared = self.shared;
                let tape = self.tape.take();
                let commit =
                    || txn.commit().map_err(|error| shared.complete(Error::from_heed(error, "committing")));
                let commit = || match &tape {
                    Some(tape) => shared.commit_with_log(id, tape, commit),
                    None => commit(),
                };
                match &self.drops {
                    Some(drops) => drops.commit(shared, id, commit)?,
                    None => commit()?,
                }
                self.note_committed(id);
                if let Some(tape) = tape {
                    let role = tape.role();
                    // The cursors, which had it, too, are gone.
                    shared.keep_tape(tape);
                    if role != Role::Plain {
                        shared.tell_carried_out();
                    }
                }
                Ok(())
            }
            Owner::Nested(active) => {
                *active = false;
                let result = self.handle.commit_nested();
                if let Some(tape) = &self.tape {
                    tape.end_nested(result.is_ok());
                }
                result.map_err(|code| self.shared.complete(Error::from_code(code, "committing")))
            }
        }
    }

    /// Decides that [`WriteTxn::commit`], or the end of the closure that this transaction was made for, takes
    /// everything back, without an error. Until then, reading still sees what was written.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let env = factum_kv::Env::open(dir.path())?;
    /// use factum_kv::codec::{Long, Str};
    ///
    /// let stock: factum_kv::Table<Str, Long> = env.open_table("stock")?;
    /// let would_be = env.with_transaction(|txn| {
    ///     stock.put(txn, "apples", 7)?;
    ///     txn.roll_back();
    ///     stock.get(txn, "apples")
    /// })?;
    /// assert_eq!(would_be, Some(7));
    /// assert_eq!(stock.get(&env.read()?, "apples")?, None);
    /// # Ok::<(), factum_kv::Error>(())
    /// ```
    #[doc(alias = "abort-transact-kv")]
    pub fn roll_back(&mut self) {
        self.rolled_back = true;
    }

    /// Whether [`WriteTxn::roll_back`] was called.
    pub fn is_rolled_back(&self) -> bool {
        self.rolled_back
    }

    /// Takes everything back, as dropping does.
    pub fn abort(self) {
        drop(self);
    }

    /// heed's handle on this transaction, for crates that build on heed.
    ///
    /// # Errors
    ///
    /// [`Error::Nested`] in a nested transaction, which heed does not know.
    pub fn heed(&mut self) -> Result<&mut heed::RwTxn<'e>> {
        self.check_active()?;
        self.forget_slots()?;
        // With heed's own API anything may happen to the tables.
        self.note_options_changed();
        self.shared.note_heed_lent();
        if let Some(tape) = &self.tape {
            tape.miss();
        }
        match &mut self.owner {
            Owner::Top(txn, _) => Ok(txn.as_mut().expect("only commit takes it")),
            Owner::Nested(_) => Err(Error::Nested { operation: "lending the transaction to heed" }),
        }
    }

    /// Stores a pair: replaces the key's value, or in a list table adds to the key's values.
    ///
    /// Where the puts of a transaction jump about in a table, later ones wait, up to 16 MB of them, to be stored in the
    /// order of their keys, which takes half the time. Whatever else is done in the transaction finds them stored. That
    /// they do not fit the map or the disk may therefore be said by the operation that stores them, at the latest by
    /// [`WriteTxn::commit`]; the transaction has ended then, and leaves no trace. What is wrong with a key or a value
    /// is said at once.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::TooLong`], [`Error::WrongSize`], [`Error::MapFull`].
    #[inline]
    pub fn put(&mut self, dbi: &Dbi, key: &[u8], value: &[u8]) -> Result<()> {
        match self.slot_for_put(dbi)?.put_simply(key, value) {
            Some(Ok(())) => Ok(()),
            Some(Err(code)) => Err(self.fail(code, "storing a pair")),
            None => self.put_closely(dbi, key, value),
        }
    }

    /// [`put`](Self::put), where there is more to it than to hand the pair to LMDB.
    fn put_closely(&mut self, dbi: &Dbi, key: &[u8], value: &[u8]) -> Result<()> {
        let slot = self.slot_for_put(dbi)?;
        let kept_back = slot.keeps_back();
        let result = slot.put(key, value);
        let (keeps_back, counted) = (slot.keeps_back(), slot.counting().is_some());
        result.map_err(|error| match error {
            slot::SlotError::Lmdb(_) if kept_back => self.lost(error),
            error => self.explain(error, "storing a pair"),
        })?;
        if keeps_back {
            // Nothing else would tell, where LMDB is not asked.
            self.check_active()?;
            self.keeps_back.set(true);
        }
        if counted { self.after_change(dbi) } else { Ok(()) }
    }

    /// As [`WriteTxn::put`], with conditions.
    ///
    /// # Errors
    ///
    /// Also [`Error::KeyExists`] and [`Error::OutOfOrder`], as the flags say.
    pub fn put_with(&mut self, dbi: &Dbi, key: &[u8], value: &[u8], flags: PutFlags) -> Result<()> {
        let result = self.slot(dbi)?.put_with(key, value, flags);
        result.map_err(|error| self.explain(error, "storing a pair"))?;
        self.after_change(dbi)
    }

    /// Stores a value of `len` bytes that `fill` writes where it will lie, instead of copying it there. The bytes are
    /// zero before.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::put`]; [`Error::IsAList`] on a list table, where LMDB would write past the end.
    #[doc(alias = "MDB_RESERVE")]
    pub fn put_reserved(
        &mut self,
        dbi: &Dbi,
        key: &[u8],
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<()> {
        if dbi.is_list() {
            return Err(Error::IsAList { name: dbi.name.to_owned(), operation: "writing a value in place" });
        }
        let result = self.slot(dbi)?.put_reserved(key, len, fill);
        result.map_err(|error| self.explain(error, "storing a pair"))?;
        self.after_change(dbi)
    }

    /// Stores many values of one size under one key of a table of [`DbiFlags::DUPFIXED`]: `items` holds them packed.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::put`]; [`Error::NotAList`] on other tables.
    #[doc(alias = "MDB_MULTIPLE")]
    pub fn put_packed(&mut self, dbi: &Dbi, key: &[u8], items: &[u8], item_size: usize) -> Result<()> {
        if !dbi.flags.contains(DbiFlags::DUPFIXED) {
            return Err(Error::NotAList { name: dbi.name.to_owned(), operation: "storing packed values" });
        }
        let result = self.slot(dbi)?.put_packed(key, items, item_size);
        result.map_err(|error| self.explain(error, "storing packed values"))?;
        self.after_change(dbi)
    }

    /// Deletes a key with all its values; says whether it was there.
    ///
    /// # Errors
    ///
    /// [`Error::MapFull`], since LMDB writes a new page even to delete from it.
    pub fn delete(&mut self, dbi: &Dbi, key: &[u8]) -> Result<bool> {
        let result = self.slot(dbi)?.delete(key);
        let deleted = result.map_err(|error| self.explain(error, "deleting a key"))?;
        self.after_change(dbi)?;
        Ok(deleted)
    }

    /// Deletes one value of a key of a list table; says whether it was there.
    ///
    /// # Errors
    ///
    /// [`Error::NotAList`] on a plain table.
    pub fn delete_dup(&mut self, dbi: &Dbi, key: &[u8], value: &[u8]) -> Result<bool> {
        if !dbi.is_list() {
            return Err(Error::NotAList {
                name: dbi.name.to_owned(),
                operation: "deleting one value of a key",
            });
        }
        let result = self.slot(dbi)?.delete_dup(key, value);
        let deleted = result.map_err(|error| self.explain(error, "deleting a value"))?;
        self.after_change(dbi)?;
        Ok(deleted)
    }

    /// The value of a key, or the first of its values.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`].
    pub fn get(&self, dbi: &Dbi, key: &[u8]) -> Result<Option<&[u8]>> {
        let place = self.place(dbi)?;
        if !place.may_hold_key(key.len()) {
            return Ok(None);
        }
        self.handle.get(place.number, key).map_err(|code| self.fail(code, "reading a key"))
    }

    pub(crate) fn open_cursor(&self, dbi: &Dbi) -> Result<TxnCursor<'_>> {
        let place = self.place(dbi)?;
        let cursor = RawCursor::open(self.handle, place.number, None)
            .map_err(|code| self.fail(code, "opening a cursor"))?;
        Ok(TxnCursor::new(cursor, *dbi, place))
    }

    /// How many pairs the table has at this point of the transaction.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`].
    pub fn entries(&self, dbi: &Dbi) -> Result<u64> {
        let number = self.number(dbi)?;
        Ok(self.handle.stat(number).map_err(|code| self.fail(code, "reading statistics"))?.entries)
    }

    fn check_active(&self) -> Result<()> {
        match &*self.ended.borrow() {
            Some(cause) => Err(Error::TxnEnded { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// As [`slot_for_put`](Self::slot_for_put), for an operation that must find all puts stored.
    fn slot(&mut self, dbi: &Dbi) -> Result<&mut Slot> {
        if self.keeps_back.get()
            && let Some(Some(slot)) = self.slots.get_mut().get_mut(dbi.index as usize)
        {
            let result = slot.bring_in();
            result.map_err(|error| self.lost(error))?;
        }
        self.slot_for_put(dbi)
    }

    /// Stores the puts of all tables that were kept back.
    ///
    /// Whatever gives out bytes of the transaction calls this first. So while such bytes are borrowed, which excludes
    /// puts, no table keeps any back, and nothing is written under a borrow of `self` that is only shared.
    fn bring_in(&self) -> Result<()> {
        if !self.keeps_back.get() {
            return Ok(());
        }
        for slot in self.slots.borrow_mut().iter_mut().flatten() {
            slot.bring_in().map_err(|error| self.lost(error))?;
        }
        self.keeps_back.set(false);
        Ok(())
    }

    /// The error of puts that were reported as done before: the transaction cannot go on.
    #[cold]
    fn lost(&self, error: slot::SlotError) -> Error {
        let error = self.explain(error, "storing pairs");
        self.ended.borrow_mut().get_or_insert_with(|| error.to_string());
        error
    }

    /// The table's place in this transaction, opened by name on first use: a handle never outlives its table.
    #[inline(always)]
    fn slot_for_put(&mut self, dbi: &Dbi) -> Result<&mut Slot> {
        let index = dbi.index as usize;
        let ready = matches!(self.slots.get_mut().get(index), Some(Some(slot)) if slot.is_of(dbi));
        if !ready {
            self.fill_slot(dbi)?;
        }
        Ok(self.slots.get_mut()[index].as_mut().expect("filled above"))
    }

    #[cold]
    fn fill_slot(&mut self, dbi: &Dbi) -> Result<()> {
        let slot = self.open_slot(dbi)?;
        fill(self.slots.get_mut(), dbi.index as usize, slot);
        Ok(())
    }

    fn open_slot(&self, dbi: &Dbi) -> Result<Slot> {
        self.check_active()?;
        self.shared.check_handle(dbi)?;
        let known = self.known_table(dbi);
        let slot = |number, known| {
            Slot::open(self.handle, number, dbi, known, self.tape.as_ref())
                .map_err(|code| self.fail(code, "opening a cursor"))
        };
        let known = match known {
            Some(known) => match self.known_number(dbi, &known) {
                Some(number) => return slot(number, known),
                None => Some(known),
            },
            None => None,
        };
        let entry = self.shared.entry(dbi)?;
        let number =
            self.open_number(&entry.c_name, None).map_err(|code| self.fail_on_open(code, dbi.name))?;
        let number = number.ok_or_else(|| self.shared.no_such_dbi(dbi.name))?;
        if !self.is_current(dbi, &entry) {
            return Err(Error::StaleDbi { name: dbi.name.to_owned() });
        }
        let stored = self.stored_flags(number)?;
        if stored != dbi.flags {
            return Err(Error::DbiFlagsConflict { name: dbi.name.to_owned(), stored, requested: dbi.flags });
        }
        let known = match known {
            Some(known) => known,
            None => {
                let tree = self.stored_options(dbi.name)?.counted;
                Box::new(KnownTable::new(tree))
            }
        };
        slot(number, known)
    }

    /// LMDB's number of a table by its name, `None` if there is none and `create` is absent.
    fn open_number(&self, name: &CStr, create: Option<u32>) -> Result<Option<u32>, Code> {
        let number = self.handle.open(name, create)?;
        if let (Some(tape), Some(number)) = (&self.tape, number) {
            tape.opened(number, name, create);
        }
        Ok(number)
    }

    fn number(&self, dbi: &Dbi) -> Result<u32> {
        self.place(dbi).map(|place| place.number)
    }

    /// LMDB's number of the table in this transaction, and which sizes it holds.
    fn place(&self, dbi: &Dbi) -> Result<Place> {
        self.bring_in()?;
        if let Some(Some(slot)) = self.slots.borrow().get(dbi.index as usize)
            && slot.is_of(dbi)
        {
            return Ok(slot.place());
        }
        let slot = self.open_slot(dbi)?;
        let place = slot.place();
        fill(&mut self.slots.borrow_mut(), dbi.index as usize, slot);
        Ok(place)
    }

    fn stored_flags(&self, number: u32) -> Result<DbiFlags> {
        self.handle
            .flags(number)
            .map(DbiFlags::from_raw)
            .map_err(|code| self.fail(code, "reading a table's flags"))
    }

    fn forget_slot(&mut self, dbi: &Dbi) {
        self.knows_tails = false;
        if let Some(slot) = self.slots.get_mut().get_mut(dbi.index as usize).and_then(Option::take) {
            slot.close();
        }
    }

    /// Settles the counts and closes all cursors.
    fn forget_slots(&mut self) -> Result<()> {
        self.settle_counts()?;
        self.knows_tails = false;
        for slot in self.slots.get_mut().drain(..).flatten() {
            slot.close();
        }
        Ok(())
    }

    fn explain(&self, error: slot::SlotError, action: &'static str) -> Error {
        match error {
            slot::SlotError::Refused(error) => *error,
            slot::SlotError::Lmdb(code) => self.fail(code, action),
        }
    }

    /// The error of a failed call; remembers it if LMDB refuses everything from here on.
    #[cold]
    fn fail(&self, code: Code, action: &'static str) -> Error {
        if code == Code::BAD_TXN
            && let Some(cause) = &*self.ended.borrow()
        {
            return Error::TxnEnded { cause: cause.clone() };
        }
        let error = self.shared.complete(Error::from_code(code, action));
        self.note_end(&error);
        error
    }

    #[cold]
    fn fail_on_open(&self, code: Code, name: &str) -> Error {
        use heed::MdbError as Mdb;
        match Mdb::from_err_code(code.0) {
            Mdb::DbsFull => Error::DbisFull { name: name.to_owned(), max: self.shared.max_dbis() },
            Mdb::Incompatible => Error::BadDbiName {
                name: name.to_owned(),
                reason: "the unnamed table holds a plain value under it, or has flags that forbid named tables",
            },
            _ => self.fail(code, "opening a table"),
        }
    }
}

/// Slots by the numbers of handles. The first one needs no allocation.
type Slots = SmallVec<[Option<Slot>; 1]>;

/// Puts a slot in its place.
fn fill(slots: &mut Slots, index: usize, slot: Slot) {
    while slots.len() < index {
        slots.push(None);
    }
    match slots.get_mut(index) {
        Some(place) => *place = Some(slot),
        None => slots.push(Some(slot)),
    }
}
