//! [`WriteTxn`]: the one transaction that writes.

mod backlog;
mod counting;
mod cursor;
mod desk;
mod growing;
mod owned;
mod replay;
mod slot;
mod tables;
mod tail;

use std::ffi::CStr;
use std::marker::PhantomData;

use crate::codec::{Buffer, Headed};
use crate::dbi::Dbi;
use crate::env::Shared;
use crate::error::{Error, Result};
use crate::flags::{DbiFlags, PutFlags};
use crate::log::Role;
use crate::read::TxnCursor;
use crate::sys::{Code, RawCursor, Seat, TxnHandle};
pub use cursor::WriteCursor;
pub(crate) use desk::{After, Desk};
pub use owned::OwnedWriteTxn;
use slot::Slot;
pub(crate) use slot::{KEY_MAX, Place};

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
pub struct WriteTxn<'e> {
    // Declared before the seat, and so on: the order of fields is the order of their end.
    /// heed's transaction; none once it is committed, nor in one inside another of ours, which we begin and end ourselves.
    top: Option<heed::RwTxn<'e>>,
    desk: Seat<'e>,
    handle: TxnHandle,
    shared: &'e Shared,
    _not_send: PhantomData<*mut ()>,
}

impl std::fmt::Debug for WriteTxn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteTxn")
            .field("desk", &self.desk)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl Drop for WriteTxn<'_> {
    fn drop(&mut self) {
        if self.desk.is_nested {
            self.abort_nested();
        }
    }
}

impl<'e> WriteTxn<'e> {
    /// Begins one; the caller has the writer's turn, or hands it over.
    // As part of the caller, where it is unwrapped: to move a transaction that was just made costs more than to make it. For
    // the same reason, what is rare here makes parts of it, and not all of it.
    #[inline(always)]
    pub(crate) fn begin(shared: &'e Shared, mut desk: Seat<'e>) -> Result<Self> {
        let (handle, txn) = match shared.writer_place.get() {
            Some(handle) => match shared.heed.write_txn() {
                Ok(txn) => (*handle, txn),
                Err(error) => (*handle, Self::begin_again(shared, error)?),
            },
            None => Self::begin_first(shared)?,
        };
        debug_assert!(handle.is(&txn, shared.handle));
        let id = handle.id();
        desk.begin(id);
        if shared.log.is_on() {
            desk.tape = shared.begin_tape(id)?;
        }
        // Here rather than earlier: the wait for another process is no part of a transaction's age.
        shared.turn.note_begun();
        Ok(Self { top: Some(txn), desk, handle, shared, _not_send: PhantomData })
    }

    /// The first one of the environment learns where LMDB keeps it, which is one place as long as that is open.
    #[cold]
    fn begin_first(shared: &'e Shared) -> Result<(TxnHandle, heed::RwTxn<'e>)> {
        let explain = |error| shared.complete(Error::from_heed(error, "beginning a write transaction"));
        let learn = || TxnHandle::of_writer(&shared.heed);
        let handle = match learn() {
            Err(heed::Error::Mdb(heed::MdbError::MapResized)) if shared.adopt_map_size() => learn(),
            other => other,
        };
        let handle = handle.map_err(explain)?.ok_or(Error::HeedChanged)?;
        let txn = shared.heed.write_txn().map_err(explain)?;
        if !handle.is(&txn, shared.handle) {
            return Err(Error::HeedChanged);
        }
        shared.writer_place.get_or_init(|| handle);
        Ok((handle, txn))
    }

    /// After heed could not begin one: it can where only the size of the map was not known.
    #[cold]
    fn begin_again(shared: &'e Shared, error: heed::Error) -> Result<heed::RwTxn<'e>> {
        let result = match error {
            heed::Error::Mdb(heed::MdbError::MapResized) if shared.adopt_map_size() => {
                shared.heed.write_txn()
            }
            error => Err(error),
        };
        result.map_err(|error| shared.complete(Error::from_heed(error, "beginning a write transaction")))
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
        self.desk.options.forget_absent();
        let handle = self
            .handle
            .nested(self.shared.handle)
            .map_err(|code| self.fail(code, "nesting a transaction"))?;
        if let Some(tape) = &self.desk.tape {
            tape.begin_nested();
        }
        let desk = Seat::new(&self.shared.turn, Box::new(self.desk.nested()), After::Nothing);
        Ok(WriteTxn { top: None, desk, handle, shared: self.shared, _not_send: PhantomData })
    }

    /// Whether this is a transaction inside another.
    pub fn is_nested(&self) -> bool {
        self.desk.is_nested
    }

    /// Makes everything written visible and, unless the environment was opened otherwise, durable.
    ///
    /// # Errors
    ///
    /// [`Error::MapFull`], [`Error::DiskFull`], [`Error::TxnEnded`], [`Error::Forked`] and others: nothing of the
    /// transaction is kept then.
    #[inline]
    pub fn commit(mut self) -> Result<()> {
        self.commit_in_place()
    }

    /// Commits where the transaction is. To move it is to read in large pieces what was just written in small ones, for which
    /// a processor waits.
    fn commit_in_place(&mut self) -> Result<()> {
        if self.desk.is_rolled_back() {
            return Ok(());
        }
        self.check_active()?;
        // LMDB would write, though the turn is the parent's.
        self.shared.check_process()?;
        if self.desk.keeps_back.get() || self.desk.counts.get() {
            self.settle_counts()?;
        }
        let Some(txn) = self.top.take() else { return self.commit_nested() };
        let learnt = self.prepare_commit();
        if self.desk.tape.is_none() && self.desk.drops.is_none() {
            txn.commit().map_err(|error| self.commit_failed(error))?;
        } else {
            self.commit_with_consequences(txn)?;
        }
        self.note_committed(learnt);
        Ok(())
    }

    /// Commits what has consequences beyond LMDB's file: for the write-ahead log, or for handles on tables.
    #[cold]
    fn commit_with_consequences(&mut self, txn: heed::RwTxn<'e>) -> Result<()> {
        let (shared, id) = (self.shared, self.desk.id);
        let (tape, drops) = (self.desk.tape.take(), self.desk.drops.take());
        let commit = || txn.commit().map_err(|error| self.commit_failed(error));
        let commit = || match &tape {
            Some(tape) => shared.commit_with_log(id, tape, commit),
            None => commit(),
        };
        match &drops {
            Some(drops) => drops.commit(shared, id, commit)?,
            None => commit()?,
        }
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

    #[cold]
    fn commit_failed(&self, error: heed::Error) -> Error {
        self.shared.complete(Error::from_heed(error, "committing"))
    }

    #[cold]
    fn commit_nested(&mut self) -> Result<()> {
        self.desk.is_ended = true;
        let result = self.handle.commit_nested();
        if let Some(tape) = &self.desk.tape {
            tape.end_nested(result.is_ok());
        }
        result.map_err(|code| self.shared.complete(Error::from_code(code, "committing")))
    }

    /// Takes a transaction inside another back, unless it has ended.
    #[cold]
    fn abort_nested(&mut self) {
        if std::mem::replace(&mut self.desk.is_ended, true) {
            return;
        }
        self.handle.abort_nested();
        if let Some(tape) = &self.desk.tape {
            tape.end_nested(false);
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
        self.desk.roll_back();
    }

    /// Whether [`WriteTxn::roll_back`] was called.
    pub fn is_rolled_back(&self) -> bool {
        self.desk.is_rolled_back()
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
        if let Some(tape) = &self.desk.tape {
            tape.miss();
        }
        self.top.as_mut().ok_or(Error::Nested { operation: "lending the transaction to heed" })
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

    /// As [`put`](Self::put), of a value in two parts: where it is kept back, it is copied only there.
    #[inline]
    pub(crate) fn put_headed(&mut self, dbi: &Dbi, key: &[u8], value: Headed<'_>) -> Result<()> {
        if self.keep_back(dbi, key, value)? {
            return Ok(());
        }
        self.put(dbi, key, value.joined(&mut Buffer::new()))
    }

    /// Puts a pair with those that are kept back, where that needs no closer look; says whether it did.
    #[inline]
    fn keep_back(&mut self, dbi: &Dbi, key: &[u8], value: Headed<'_>) -> Result<bool> {
        let is_kept = self.slot_for_put(dbi)?.keep_back_simply(key, value);
        if is_kept {
            // Nothing else would tell, where LMDB is not asked.
            self.check_active()?;
            self.desk.keeps_back.set(true);
        }
        Ok(is_kept)
    }

    /// [`put`](Self::put), where there is more to it than to hand the pair to LMDB.
    fn put_closely(&mut self, dbi: &Dbi, key: &[u8], value: &[u8]) -> Result<()> {
        if self.keep_back(dbi, key, value.into())? {
            return Ok(());
        }
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
            self.desk.keeps_back.set(true);
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
        match self.desk.ended.get() {
            Some(cause) => Err(Error::TxnEnded { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// As [`slot_for_put`](Self::slot_for_put), for an operation that must find all puts stored.
    fn slot(&mut self, dbi: &Dbi) -> Result<&mut Slot> {
        if self.desk.keeps_back.get()
            && let Some(Some(slot)) = self.desk.slots.get_mut().get_mut(dbi.index as usize)
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
        if !self.desk.keeps_back.get() {
            return Ok(());
        }
        for slot in self.desk.slots.borrow_mut().iter_mut().flatten() {
            slot.bring_in().map_err(|error| self.lost(error))?;
        }
        self.desk.keeps_back.set(false);
        Ok(())
    }

    /// The error of puts that were reported as done before: the transaction cannot go on.
    #[cold]
    fn lost(&self, error: slot::SlotError) -> Error {
        let error = self.explain(error, "storing pairs");
        self.desk.ended.get_or_init(|| error.to_string());
        error
    }

    /// The table's place in this transaction, opened on first use.
    #[inline(always)]
    fn slot_for_put(&mut self, dbi: &Dbi) -> Result<&mut Slot> {
        let index = dbi.index as usize;
        let ready = matches!(self.desk.slots.get_mut().get(index), Some(Some(slot)) if slot.is_of(dbi));
        if !ready && !self.reopen_slot(dbi) {
            self.open_slot(dbi)?;
        }
        Ok(self.desk.slots.get_mut()[index].as_mut().expect("filled above"))
    }

    /// Opens the table's slot for this transaction, if all is known that is needed for it; says whether it is.
    #[inline(never)]
    fn reopen_slot(&mut self, dbi: &Dbi) -> bool {
        let knows = self.may_know()
            && self.may_use_numbers()
            && self.desk.ended.get().is_none()
            && self.shared.has_made(dbi);
        match self.desk.slots.get_mut().get_mut(dbi.index as usize) {
            Some(Some(slot)) if knows => {
                let is_open = slot.reopen(self.handle, dbi);
                self.desk.all_rest.set(false);
                is_open
            }
            _ => false,
        }
    }

    /// Opens the table's slot for this transaction.
    #[inline(never)]
    fn open_slot(&self, dbi: &Dbi) -> Result<()> {
        self.check_active()?;
        self.shared.check_handle(dbi)?;
        let index = dbi.index as usize;
        self.desk.all_rest.set(false);
        let mut slots = self.desk.slots.borrow_mut();
        if slots.len() <= index {
            slots.resize_with(index + 1, || None);
        }
        let place = &mut slots[index];
        if !self.may_know() {
            *place = None;
        }
        let (slot, number) = match place {
            Some(slot) => match self.known_number(dbi, slot) {
                Some(number) => (slot, number),
                None => (slot, self.look_up(dbi)?),
            },
            None => {
                let number = self.look_up(dbi)?;
                let tree = self.stored_options(dbi.name)?.counted;
                (place.insert(Slot::new(self.handle, tree)), number)
            }
        };
        if slot.is_counted() {
            self.desk.counts.set(true);
        }
        let result = slot.open(self.handle, number, dbi, self.desk.tape.as_ref());
        result.map_err(|code| {
            slots[index] = None;
            self.fail(code, "opening a cursor")
        })
    }

    /// LMDB's number of the table that a handle is on, by its name: a handle never outlives its table.
    #[cold]
    fn look_up(&self, dbi: &Dbi) -> Result<u32> {
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
        Ok(number)
    }

    /// LMDB's number of a table by its name, `None` if there is none and `create` is absent.
    fn open_number(&self, name: &CStr, create: Option<u32>) -> Result<Option<u32>, Code> {
        let number = self.handle.open(name, create)?;
        if let (Some(tape), Some(number)) = (&self.desk.tape, number) {
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
        if let Some(Some(slot)) = self.desk.slots.borrow().get(dbi.index as usize)
            && slot.is_of(dbi)
        {
            return Ok(slot.place());
        }
        self.open_slot(dbi)?;
        let slots = self.desk.slots.borrow();
        Ok(slots[dbi.index as usize].as_ref().expect("opened above").place())
    }

    fn stored_flags(&self, number: u32) -> Result<DbiFlags> {
        self.handle
            .flags(number)
            .map(DbiFlags::from_raw)
            .map_err(|code| self.fail(code, "reading a table's flags"))
    }

    fn forget_slot(&mut self, dbi: &Dbi) {
        self.desk.knows_tails = false;
        if let Some(slot) = self.desk.slots.get_mut().get_mut(dbi.index as usize).and_then(Option::take) {
            slot.close();
        }
    }

    /// Settles the counts and closes all cursors.
    fn forget_slots(&mut self) -> Result<()> {
        self.settle_counts()?;
        self.desk.knows_tails = false;
        for slot in self.desk.slots.get_mut().drain(..).flatten() {
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
            && let Some(cause) = self.desk.ended.get()
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
