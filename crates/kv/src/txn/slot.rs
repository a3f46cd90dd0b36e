//! A table's place in a write transaction: its cursor, and what makes ascending puts fast.
//!
//! LMDB finds the leaf for a pair by walking down from the root, unless a cursor is there already; and it splits
//! a full leaf in halves, unless told that the pair goes to the end. A slot keeps a cursor for all puts of the
//! transaction, and the greatest key (and, in list tables, its greatest value). A pair beyond those is
//! appended:
//!
//! ```text
//!   key  > greatest key                     -> APPEND      no search, leaves filled completely
//!   key == greatest key, value > greatest   -> APPENDDUP   the same inside the key's values
//!   anything else                           -> search: from where the cursor is, if puts ascend or descend,
//!                                              and from the root if they jump about; where many do, they are
//!                                              kept back ([`backlog`](super::backlog))
//! ```
//!
//! The greatest pair is handed on to the next transaction, and the cursor is opened when a position is first needed, so
//! a transaction that puts one pair does what LMDB's plain call does.

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use lmdb_pages::OrderKind;

use super::backlog::{self, Backlog};
use super::tail::{Course, PairOrder, Tail};
use crate::codec::{Buffer, Headed};
use crate::counted::{Change, Pending, Tally, TreeId};
use crate::dbi::Dbi;
use crate::error::Error;
use crate::flags::{DbiFlags, PutFlags};
use crate::log::Tape;
use crate::sys::{Code, Move, RawCursor, Search, TxnHandle};

/// The longest key, and the longest value of a list table.
pub(crate) const KEY_MAX: usize = 511;
/// The longest value of a plain table.
const VALUE_MAX: usize = 0x7FFF_FFFF;

/// After so many puts of a transaction that jumped about, more are expected.
const PATIENCE: u32 = 32;
/// In a table that has more leaves for each put than this, two puts are rarely on one leaf.
const LEAVES_A_PUT: u32 = 8;
/// Where few puts come between other uses of the table, so many are waited for at most.
const PATIENCE_MAX: u32 = 4096;

/// Why an operation on a slot failed.
pub(super) enum SlotError {
    /// By our own checks, before LMDB was asked, or by the flags of the put.
    Refused(Box<Error>),
    /// By LMDB.
    Lmdb(Code),
}

impl From<Code> for SlotError {
    fn from(code: Code) -> Self {
        Self::Lmdb(code)
    }
}

type SlotResult<T> = Result<T, SlotError>;

/// Where LMDB keeps a table, and which sizes its integer comparators rely on.
///
/// LMDB compares integers by the size of those that are stored, so one that is shorter must never reach it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) number: u32,
    /// The size of all keys, where they must have one.
    key_size: Option<usize>,
    /// The size of all values, where they must have one.
    item_size: Option<usize>,
}

impl Place {
    /// Whether a key of this length can be in the table.
    pub(crate) fn may_hold_key(self, len: usize) -> bool {
        (1..=KEY_MAX).contains(&len) && self.key_size.is_none_or(|size| size == len)
    }

    /// The size that a key must have instead of this one.
    pub(crate) fn expected_key(self, len: usize) -> Option<usize> {
        self.key_size.filter(|size| *size != len)
    }

    /// The size that a list item must have instead of this one.
    pub(crate) fn expected_item(self, len: usize) -> Option<usize> {
        self.item_size.filter(|size| *size != len)
    }

    /// Whether a list item of this length can be in the table.
    pub(crate) fn may_hold_item(self, len: usize) -> bool {
        (1..=KEY_MAX).contains(&len) && self.item_size.is_none_or(|size| size == len)
    }
}

/// A table, in a transaction that has opened it, or between transactions: what was learnt of it is handed on to the next one,
/// and the memory with it.
#[derive(Debug)]
pub(super) struct Slot {
    cursor: RawCursor,
    visit: Visit,
    /// LMDB's number, once a transaction has opened the table.
    number: Option<u32>,
    /// The tree of counts.
    tree: Option<TreeId>,
    tail: Tail,
    course: Course,
    /// Which table this is.
    name: &'static str,
    flags: DbiFlags,
    place: Place,
    order: PairOrder,
    /// Whether it is neither a list nor counted, and orders its keys byte by byte.
    is_simple: bool,
    /// For counted tables.
    counting: Option<Box<Counting>>,
    /// Puts that are not stored yet, as soon as puts are kept back.
    backlog: Option<Box<Backlog>>,
    /// The memory of an earlier backlog.
    spare: Option<Box<Backlog>>,
}

/// What is true of a slot only while a transaction has it open.
#[derive(Debug)]
struct Visit {
    /// The environment of the handle that it was opened with; [`NO_ENV`] while no transaction has opened it.
    env: u32,
    /// So many puts have to jump about still before puts are kept back, and so many the next time.
    patience: u32,
    patience_next: u32,
    /// Whether the size of the table has been asked for how many.
    asked_size: bool,
    /// Whether a pair was appended already, so that the cursor is at the end, or soon there again.
    appends: bool,
    /// Whether anything was surely written.
    wrote: bool,
}

/// The number of no environment.
const NO_ENV: u32 = u32::MAX;

impl Default for Visit {
    fn default() -> Self {
        Self {
            env: NO_ENV,
            patience: PATIENCE,
            patience_next: PATIENCE,
            asked_size: false,
            appends: false,
            wrote: false,
        }
    }
}

/// What a counted table's slot keeps besides.
#[derive(Debug)]
pub(super) struct Counting {
    pub(super) tree: TreeId,
    pub(super) pending: Pending,
    txn: TxnHandle,
    /// How many pairs the table has.
    entries: u64,
    /// How many leaves it had when that mattered last; zero, if it never did.
    leaves: u64,
}

impl Slot {
    /// Of a table of which nothing is known but whether it is counted.
    pub(super) fn new(txn: TxnHandle, tree: Option<TreeId>) -> Self {
        Self {
            cursor: RawCursor::nowhere(txn),
            visit: Visit::default(),
            number: None,
            tree,
            tail: Tail::default(),
            course: Course::default(),
            name: "",
            flags: DbiFlags::empty(),
            place: Place::default(),
            order: PairOrder { keys: OrderKind::Lexicographic, values: None },
            is_simple: false,
            counting: None,
            backlog: None,
            spare: None,
        }
    }

    /// For the use of a transaction, if the table is known and a plain one; says whether it is.
    #[inline]
    pub(super) fn reopen(&mut self, txn: TxnHandle, dbi: &Dbi) -> bool {
        let is_known = self.is_simple && dbi.flags.is_empty();
        if is_known {
            self.cursor.begin_unrecorded(txn, self.place.number);
            self.visit.env = dbi.env;
        }
        is_known
    }

    /// For the use of a transaction.
    pub(super) fn open(
        &mut self,
        txn: TxnHandle,
        number: u32,
        dbi: &Dbi,
        tape: Option<&Tape>,
    ) -> Result<(), Code> {
        let flags = dbi.flags;
        self.cursor.begin(txn, number, tape)?;
        // What a plain table is does not change while it is known; sizes and counts of others are asked for anew.
        if !self.is_simple || self.number_with(flags) != Some(number) {
            self.place = Place { number, key_size: None, item_size: None };
            if flags.intersects(DbiFlags::INTEGERKEY | DbiFlags::DUPFIXED)
                && let Some((key, value)) = self.cursor.go(Move::First)?
            {
                self.place.key_size = flags.contains(DbiFlags::INTEGERKEY).then_some(key.len());
                self.place.item_size = flags.contains(DbiFlags::DUPFIXED).then_some(value.len());
            }
            if let Some(tree) = self.tree {
                let entries = txn.stat(number)?.entries;
                let counting = Counting { tree, pending: Pending::default(), txn, entries, leaves: 0 };
                self.counting = Some(Box::new(counting));
            }
            (self.number, self.flags, self.name) = (Some(number), flags, dbi.name);
            self.order =
                PairOrder { keys: flags.key_order(), values: flags.is_list().then(|| flags.value_order()) };
            self.is_simple = self.tree.is_none() && flags.is_empty();
        }
        self.visit.env = dbi.env;
        Ok(())
    }

    /// Closes the cursor, in the middle of a transaction.
    pub(super) fn close(self) {
        self.cursor.close();
    }

    /// At the end of a transaction, which ends the cursor: what is left is what was learnt of the table.
    pub(super) fn rest(&mut self) {
        self.cursor.rest();
        if let Some(backlog) = self.backlog.take() {
            self.spare = backlog.is_small().then_some(backlog);
        }
        self.counting = None;
        self.visit = Visit::default();
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.visit.env != NO_ENV
    }

    /// Whether no transaction has it, nor has half opened it.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_open() && self.cursor.is_at_rest()
    }

    pub(super) fn is_counted(&self) -> bool {
        self.tree.is_some()
    }

    #[inline]
    pub(super) fn wrote(&self) -> bool {
        self.visit.wrote
    }

    /// LMDB's number of the table, if it has these flags.
    pub(super) fn number_with(&self, flags: DbiFlags) -> Option<u32> {
        self.number.filter(|_| self.flags == flags)
    }

    #[inline]
    pub(super) fn is_of(&self, dbi: &Dbi) -> bool {
        // Of the handle's number is the slot itself.
        self.visit.env == dbi.env && self.flags == dbi.flags
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The most frequent put: into the midst of a table whose keys and values are bytes and nothing more, which is not counted
    /// and keeps nothing back, while puts jump about. Nothing is done, and nothing returned, where the put is another one.
    #[inline(always)]
    pub(super) fn put_simply(&mut self, key: &[u8], value: &[u8]) -> Option<Result<(), Code>> {
        let simple = self.is_simple
            && self.backlog.is_none()
            && self.visit.patience > 1
            && key.len().wrapping_sub(1) < KEY_MAX
            && value.len() <= VALUE_MAX
            && self.tail.is_behind(key)
            && self.course.rests();
        if !simple {
            return None;
        }
        self.visit.patience -= 1;
        let result = self.cursor.put(key, value, 0, Search::Root);
        self.visit.wrote |= result.is_ok();
        Some(result)
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> SlotResult<()> {
        self.check_pair(key, value)?;
        match self.compare_to_tail(key, value)? {
            Ordering::Greater => self.append(key, value),
            _ if self.backlog.is_some() => self.keep_back(key, value),
            _ => {
                self.store(key, value, 0)?;
                self.count_put(key)
            }
        }
    }

    /// Whether puts are kept back.
    #[inline]
    pub(super) fn keeps_back(&self) -> bool {
        self.backlog.is_some()
    }

    /// Keeps back a put into the midst of a table whose keys and values are bytes and nothing more, if puts are kept back;
    /// says whether it did.
    #[inline]
    pub(super) fn keep_back_simply(&mut self, key: &[u8], value: Headed<'_>) -> bool {
        let Some(backlog) = &mut self.backlog else { return false };
        let simple = self.is_simple
            && key.len().wrapping_sub(1) < KEY_MAX
            && value.len() <= backlog::VALUE_MAX
            && self.tail.is_behind(key)
            && !backlog.is_full();
        if simple {
            backlog.push(key, value, self.order);
        }
        simple
    }

    fn keep_back(&mut self, key: &[u8], value: &[u8]) -> SlotResult<()> {
        if value.len() > backlog::VALUE_MAX {
            self.bring_in()?;
            self.store(key, value, 0)?;
            return self.count_put(key);
        }
        let Some(backlog) = &mut self.backlog else { return Ok(()) };
        backlog.push(key, Headed::from(value), self.order);
        if backlog.is_full() { self.store_backlog() } else { Ok(()) }
    }

    /// Stores what was kept back, before the table is used in another way. If the operation fails, the transaction must
    /// not be committed.
    #[inline]
    pub(super) fn bring_in(&mut self) -> SlotResult<()> {
        if self.backlog.is_none() { Ok(()) } else { self.bring_in_now() }
    }

    #[cold]
    fn bring_in_now(&mut self) -> SlotResult<()> {
        let waiting = self.backlog.as_ref().map_or(0, |backlog| backlog.len());
        if waiting == 0 {
            return Ok(());
        }
        self.store_backlog()?;
        // Between few puts of a kind, keeping back does not pay.
        if waiting < PATIENCE as usize {
            self.backlog = None;
            self.visit.patience_next = (self.visit.patience_next * 2).min(PATIENCE_MAX);
            self.visit.patience = self.visit.patience_next;
        }
        Ok(())
    }

    /// Stores what was kept back; nothing is kept back any more if that fails.
    fn store_backlog(&mut self) -> SlotResult<()> {
        let Some(mut backlog) = self.backlog.take() else { return Ok(()) };
        self.take_out_table(&mut backlog)?;
        backlog.sort(self.order);
        for at in 0..backlog.len() {
            let Some((key, value)) = backlog.pair(at, self.order) else { continue };
            if self.tail.compare_with(key, value, self.order) == Ordering::Greater {
                self.append(key, value)?;
            } else {
                self.cursor.put(key, value, 0, Search::Cursor)?;
                self.count_put(key)?;
            }
        }
        self.visit.wrote = true;
        backlog.clear();
        self.backlog = Some(backlog);
        Ok(())
    }

    /// Where the table has little beside what was kept back, its pairs join that, so that all are appended: pages
    /// become full, and none is divided.
    fn take_out_table(&mut self, backlog: &mut Backlog) -> SlotResult<()> {
        let stat = self.cursor.stat()?;
        if stat.entries > backlog.len() as u64 / 8 || stat.overflow_pages > 0 {
            return Ok(());
        }
        backlog.begin_older();
        let mut pair = self.cursor.go(Move::First)?;
        let mut before = Buffer::new();
        while let Some((key, value)) = pair {
            backlog.push(key, Headed::from(value), self.order);
            if let Some(counting) = &mut self.counting {
                counting.entries -= 1;
                let keys = -i64::from(*before != *key);
                counting.pending.change(key, self.order.keys, Change { keys, pairs: -1 });
                before = Buffer::from_slice(key);
            }
            pair = self.cursor.go(Move::Next)?;
        }
        if let Some(counting) = &mut self.counting {
            counting.pending.note_greatest_deleted();
        }
        self.cursor.clear_table()?;
        self.tail.found(None, self.order);
        Ok(())
    }

    pub(super) fn put_with(&mut self, key: &[u8], value: &[u8], flags: PutFlags) -> SlotResult<()> {
        self.check_pair(key, value)?;
        let beyond = self.compare_to_tail(key, value)? == Ordering::Greater;
        let appends = flags.intersects(PutFlags::APPEND | PutFlags::APPENDDUP);
        if beyond && !flags.contains(PutFlags::APPENDDUP) && !self.tail.is_at(key) {
            // New as a key, so no other flag can object.
            return self.append(key, value);
        }
        match self.store(key, value, flags.bits()) {
            Ok(()) => {
                if beyond {
                    self.tail.remember(key, value, self.order);
                }
                self.count_put(key)
            }
            Err(Code::KEY_EXIST) if appends => self.refuse(Error::OutOfOrder { name: self.name.to_owned() }),
            Err(Code::KEY_EXIST) => self.refuse(Error::KeyExists { name: self.name.to_owned() }),
            Err(code) => Err(code.into()),
        }
    }

    /// Stores a value that `fill` writes in place.
    pub(super) fn put_reserved(
        &mut self,
        key: &[u8],
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> SlotResult<()> {
        self.check_pair(key, &[])?;
        if len > VALUE_MAX {
            let name = self.name.to_owned();
            return self.refuse(Error::TooLong { name, what: "value", len, max: VALUE_MAX });
        }
        let beyond = self.compare_to_tail(key, &[])? == Ordering::Greater;
        let flags = if beyond { PutFlags::APPEND } else { PutFlags::empty() };
        let mut panicked = None;
        self.cursor.put_reserved(key, len, flags.bits(), |bytes| {
            panicked = catch_unwind(AssertUnwindSafe(|| fill(bytes))).err();
        })?;
        self.visit.wrote = true;
        // The pair is there, even if its value is only half written, so it counts.
        if beyond {
            self.tail.remember(key, &[], self.order);
        }
        self.count_put(key)?;
        panicked.map_or(Ok(()), |panic| resume_unwind(panic))
    }

    pub(super) fn put_packed(&mut self, key: &[u8], items: &[u8], item_size: usize) -> SlotResult<()> {
        if items.is_empty() {
            return Ok(());
        }
        let whole = item_size > 0 && items.len().is_multiple_of(item_size);
        let Some(last) = whole.then(|| &items[items.len() - item_size..]) else {
            let name = self.name.to_owned();
            return self.refuse(Error::WrongSize {
                name,
                what: "list item",
                len: items.len(),
                expected: item_size,
            });
        };
        self.check_pair(key, last)?;
        let is_new = self.counting.is_some() && self.cursor.seek_exact(key)?.is_none();
        self.cursor.put_packed(key, items, item_size)?;
        self.visit.wrote = true;
        // The greatest pair may be among them, in any place.
        self.tail.forget();
        self.count_packed(key, is_new)
    }

    pub(super) fn delete(&mut self, key: &[u8]) -> SlotResult<bool> {
        if !self.place.may_hold_key(key.len()) || self.cursor.seek_exact(key)?.is_none() {
            return Ok(false);
        }
        self.forget_tail_at(key);
        let pairs = match &self.counting {
            Some(_) if self.flags.is_list() => self.cursor.dup_count()?,
            _ => 1,
        };
        self.cursor.delete(self.flags.is_list())?;
        self.visit.wrote = true;
        self.count_delete(key, true, pairs);
        Ok(true)
    }

    pub(super) fn delete_dup(&mut self, key: &[u8], value: &[u8]) -> SlotResult<bool> {
        let possible = self.place.may_hold_key(key.len()) && self.place.may_hold_item(value.len());
        if !possible || self.cursor.seek_pair(key, value)?.is_none() {
            return Ok(false);
        }
        self.forget_tail_at(key);
        let last_of_key = self.counting.is_some() && self.cursor.dup_count()? == 1;
        self.cursor.delete(false)?;
        self.visit.wrote = true;
        self.count_delete(key, last_of_key, 1);
        Ok(true)
    }

    /// Before a key is deleted, or one of its values.
    fn forget_tail_at(&mut self, key: &[u8]) {
        if self.tail.may_be_at(key) {
            self.tail.forget();
            if let Some(counting) = &mut self.counting {
                counting.pending.note_greatest_deleted();
            }
        }
    }

    /// Where the pair stands relative to the greatest one.
    #[inline]
    fn compare_to_tail(&mut self, key: &[u8], value: &[u8]) -> SlotResult<Ordering> {
        if self.tail.is_unknown() {
            self.look_at_tail()?;
        }
        Ok(self.tail.compare_with(key, value, self.order))
    }

    #[cold]
    fn look_at_tail(&mut self) -> SlotResult<()> {
        let last = self.cursor.go(Move::Last)?;
        self.tail.found(last, self.order);
        Ok(())
    }

    /// After many puts that jumped about: keeps the next ones back, if so many are to be expected that some share a leaf.
    #[cold]
    fn lose_patience(&mut self) -> Result<(), Code> {
        if self.backlog.is_some() {
            return Ok(());
        }
        if !self.visit.asked_size {
            self.visit.asked_size = true;
            let leaves = u32::try_from(self.cursor.stat()?.leaf_pages).unwrap_or(u32::MAX);
            self.visit.patience = (leaves / LEAVES_A_PUT).saturating_sub(PATIENCE);
        }
        if self.visit.patience == 0 {
            self.backlog = Some(self.spare.take().unwrap_or_default());
        }
        Ok(())
    }

    /// Stores a pair anywhere.
    #[inline]
    fn store(&mut self, key: &[u8], value: &[u8], flags: u32) -> Result<(), Code> {
        let goes_on = self.course.goes_on(key, self.order.keys);
        if !goes_on {
            self.visit.patience = self.visit.patience.saturating_sub(1);
            if self.visit.patience == 0 {
                self.lose_patience()?;
            }
        }
        // Counting the values of a key asks the cursor.
        let search = match self.counting.is_some() && self.flags.is_list() || goes_on {
            true => Search::Cursor,
            false => Search::Root,
        };
        self.cursor.put(key, value, flags, search)?;
        self.visit.wrote = true;
        Ok(())
    }

    /// Stores a pair that is greater than all others.
    #[inline]
    fn append(&mut self, key: &[u8], value: &[u8]) -> SlotResult<()> {
        // In a plain table, a greater pair has a greater key.
        let new_key = self.order.values.is_none() || !self.tail.is_at(key);
        let flags = if new_key { PutFlags::APPEND } else { PutFlags::APPENDDUP };
        // For a single pair, no cursor needs to be opened.
        let search = if self.visit.appends { Search::Cursor } else { Search::Root };
        self.visit.appends = true;
        self.cursor.put(key, value, flags.bits(), search)?;
        self.visit.wrote = true;
        if let Some(counting) = &mut self.counting {
            counting.entries += 1;
            let mut starts_leaf = false;
            if new_key && counting.pending.wants_leaf_starts() {
                let leaves = counting.txn.stat(self.place.number)?.leaf_pages;
                let before = std::mem::replace(&mut counting.leaves, leaves);
                starts_leaf = before != 0 && before != leaves;
            }
            let added = Tally { keys: u64::from(new_key), pairs: 1 };
            counting.pending.append(key, self.tail.key(), added, starts_leaf, self.order.keys);
        }
        self.tail.remember(key, value, self.order);
        Ok(())
    }

    /// Counts what the put has changed where the cursor is now.
    #[inline]
    fn count_put(&mut self, key: &[u8]) -> SlotResult<()> {
        let Some(counting) = &mut self.counting else { return Ok(()) };
        let entries = counting.txn.stat(self.place.number)?.entries;
        let pairs = entries.wrapping_sub(counting.entries) as i64;
        counting.entries = entries;
        if pairs != 0 {
            let new_key = !self.flags.is_list() || self.cursor.dup_count()? == 1;
            counting.pending.change(key, self.order.keys, Change { keys: i64::from(new_key), pairs });
        }
        Ok(())
    }

    fn count_packed(&mut self, key: &[u8], is_new: bool) -> SlotResult<()> {
        let Some(counting) = &mut self.counting else { return Ok(()) };
        let entries = counting.txn.stat(self.place.number)?.entries;
        let pairs = entries.wrapping_sub(counting.entries) as i64;
        counting.entries = entries;
        counting.pending.change(key, self.order.keys, Change { keys: i64::from(is_new), pairs });
        Ok(())
    }

    fn count_delete(&mut self, key: &[u8], whole_key: bool, pairs: u64) {
        if let Some(counting) = &mut self.counting {
            counting.entries -= pairs;
            let change = Change { keys: -i64::from(whole_key), pairs: -(pairs as i64) };
            counting.pending.change(key, self.order.keys, change);
        }
    }

    #[inline]
    pub(super) fn counting(&mut self) -> Option<&mut Counting> {
        self.counting.as_deref_mut()
    }

    pub(super) fn tree(&self) -> Option<TreeId> {
        self.counting.as_ref().map(|counting| counting.tree)
    }

    /// Whether the tree of counts does not know everything yet.
    pub(super) fn is_unsettled(&self) -> bool {
        self.counting.as_ref().is_some_and(|counting| !counting.pending.is_empty())
    }

    pub(super) fn is_list(&self) -> bool {
        self.flags.is_list()
    }

    pub(super) fn key_order(&self) -> OrderKind {
        self.order.keys
    }

    #[inline]
    fn check_pair(&mut self, key: &[u8], value: &[u8]) -> SlotResult<()> {
        let list = self.flags.is_list();
        let plain = key.len().wrapping_sub(1) < KEY_MAX
            && if list { value.len().wrapping_sub(1) < KEY_MAX } else { value.len() <= VALUE_MAX };
        if plain && !self.flags.intersects(DbiFlags::INTEGERKEY | DbiFlags::DUPFIXED) {
            return Ok(());
        }
        self.check_pair_closely(key, value)
    }

    fn check_pair_closely(&mut self, key: &[u8], value: &[u8]) -> SlotResult<()> {
        let list = self.flags.is_list();
        let name = || self.name.to_owned();
        if key.is_empty() {
            return self.refuse(Error::Empty { name: name(), what: "key" });
        }
        if key.len() > KEY_MAX {
            return self.refuse(Error::TooLong { name: name(), what: "key", len: key.len(), max: KEY_MAX });
        }
        if list && value.is_empty() {
            return self.refuse(Error::Empty { name: name(), what: "list item" });
        }
        let (what, max) = if list { ("list item", KEY_MAX) } else { ("value", VALUE_MAX) };
        if value.len() > max {
            return self.refuse(Error::TooLong { name: name(), what, len: value.len(), max });
        }
        if self.flags.contains(DbiFlags::INTEGERKEY) {
            let expected = self.place.key_size.unwrap_or(if key.len() == 4 { 4 } else { 8 });
            if key.len() != expected {
                return self.refuse(Error::WrongSize { name: name(), what: "key", len: key.len(), expected });
            }
            self.place.key_size = Some(expected);
        }
        if self.flags.contains(DbiFlags::DUPFIXED) {
            let default = match (self.flags.contains(DbiFlags::INTEGERDUP), value.len()) {
                (false, len) => len,
                (true, 4) => 4,
                (true, _) => 8,
            };
            let expected = self.place.item_size.unwrap_or(default);
            if value.len() != expected {
                return self.refuse(Error::WrongSize {
                    name: name(),
                    what: "list item",
                    len: value.len(),
                    expected,
                });
            }
            self.place.item_size = Some(expected);
        }
        Ok(())
    }

    #[cold]
    fn refuse<T>(&self, error: Error) -> SlotResult<T> {
        Err(SlotError::Refused(Box::new(error)))
    }
}
