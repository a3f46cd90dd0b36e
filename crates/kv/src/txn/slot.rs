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
//!   anything else                           -> search from where the cursor is
//! ```

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use lmdb_pages::OrderKind;
use smallvec::SmallVec;

use crate::counted::{Change, Pending, TreeId};
use crate::dbi::Dbi;
use crate::error::Error;
use crate::flags::{DbiFlags, PutFlags};
use crate::log::Tape;
use crate::sys::{Code, Move, RawCursor, TxnHandle};

/// The longest key, and the longest value of a list table.
pub(crate) const KEY_MAX: usize = 511;
/// The longest value of a plain table.
const VALUE_MAX: usize = 0x7FFF_FFFF;

type Bytes = SmallVec<[u8; 48]>;

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

/// What is known of the greatest pair.
#[derive(Debug)]
enum Tail {
    /// Nothing; the next put looks.
    Unknown,
    /// The table is empty.
    Empty,
    /// The greatest key is in `tail_key`, and in list tables its greatest value in `tail_value`.
    Known,
}

/// Where LMDB keeps a table, and which sizes its integer comparators rely on.
///
/// LMDB compares integers by the size of those that are stored, so one that is shorter must never reach it.
#[derive(Clone, Copy, Debug)]
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

#[derive(Debug)]
pub(super) struct Slot {
    name: &'static str,
    flags: DbiFlags,
    place: Place,
    cursor: RawCursor,
    keys: OrderKind,
    values: OrderKind,
    tail: Tail,
    tail_key: Bytes,
    tail_value: Bytes,
    /// For counted tables.
    counting: Option<Box<Counting>>,
}

/// What a counted table's slot keeps besides.
#[derive(Debug)]
pub(super) struct Counting {
    pub(super) tree: TreeId,
    pub(super) pending: Pending,
    txn: TxnHandle,
    /// How many pairs the table has.
    entries: u64,
}

impl Slot {
    pub(super) fn open(
        txn: TxnHandle,
        number: u32,
        dbi: &Dbi,
        tree: Option<TreeId>,
        tape: Option<&Tape>,
    ) -> Result<Self, Code> {
        let cursor = RawCursor::open(txn, number, tape)?;
        let flags = dbi.flags;
        let (mut key_size, mut item_size) = (None, None);
        if flags.intersects(DbiFlags::INTEGERKEY | DbiFlags::DUPFIXED)
            && let Some((key, value)) = cursor.go(Move::First)?
        {
            key_size = flags.contains(DbiFlags::INTEGERKEY).then_some(key.len());
            item_size = flags.contains(DbiFlags::DUPFIXED).then_some(value.len());
        }
        let counting = match tree {
            Some(tree) => {
                let entries = txn.stat(number)?.entries;
                Some(Box::new(Counting { tree, pending: Pending::default(), txn, entries }))
            }
            None => None,
        };
        Ok(Self {
            name: dbi.name,
            flags,
            place: Place { number, key_size, item_size },
            cursor,
            keys: flags.key_order(),
            values: flags.value_order(),
            tail: Tail::Unknown,
            tail_key: Bytes::new(),
            tail_value: Bytes::new(),
            counting,
        })
    }

    pub(super) fn close(self) {
        self.cursor.close();
    }

    #[inline]
    pub(super) fn is_of(&self, dbi: &Dbi) -> bool {
        std::ptr::eq(self.name, dbi.name) && self.flags == dbi.flags
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    #[inline]
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> SlotResult<()> {
        self.check_pair(key, value)?;
        match self.compare_to_tail(key, value)? {
            Ordering::Greater => self.append(key, value),
            _ => {
                self.cursor.put(key, value, 0)?;
                self.count_put(key)
            }
        }
    }

    pub(super) fn put_with(&mut self, key: &[u8], value: &[u8], flags: PutFlags) -> SlotResult<()> {
        self.check_pair(key, value)?;
        let beyond = self.compare_to_tail(key, value)? == Ordering::Greater;
        let appends = flags.intersects(PutFlags::APPEND | PutFlags::APPENDDUP);
        if beyond && !flags.contains(PutFlags::APPENDDUP) && !self.is_at_tail(key) {
            // New as a key, so no other flag can object.
            return self.append(key, value);
        }
        match self.cursor.put(key, value, flags.bits()) {
            Ok(()) => {
                if beyond {
                    self.remember(key, value);
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
        // The pair is there, even if its value is only half written, so it counts.
        if beyond {
            self.remember(key, &[]);
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
        // The greatest pair may be among them, in any place.
        self.tail = Tail::Unknown;
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
        self.count_delete(key, last_of_key, 1);
        Ok(true)
    }

    /// Before a key is deleted, or one of its values.
    fn forget_tail_at(&mut self, key: &[u8]) {
        // A tail that is not known may be this key.
        let may_be_tail = match self.tail {
            Tail::Known => self.tail_key.as_slice() == key,
            Tail::Unknown => true,
            Tail::Empty => false,
        };
        if may_be_tail {
            self.tail = Tail::Unknown;
            if let Some(counting) = &mut self.counting {
                counting.pending.note_greatest_deleted();
            }
        }
    }

    fn is_at_tail(&self, key: &[u8]) -> bool {
        matches!(self.tail, Tail::Known) && self.tail_key.as_slice() == key
    }

    /// Where the pair stands relative to the greatest one.
    #[inline]
    fn compare_to_tail(&mut self, key: &[u8], value: &[u8]) -> SlotResult<Ordering> {
        if let Tail::Unknown = self.tail {
            self.look_at_tail()?;
        }
        if let Tail::Empty = self.tail {
            return Ok(Ordering::Greater);
        }
        let order = self.keys.compare(key, &self.tail_key);
        if order == Ordering::Equal && self.flags.is_list() {
            return Ok(self.values.compare(value, &self.tail_value));
        }
        Ok(order)
    }

    #[cold]
    fn look_at_tail(&mut self) -> SlotResult<()> {
        match self.cursor.go(Move::Last)? {
            None => self.tail = Tail::Empty,
            Some((key, value)) => {
                self.tail_key = SmallVec::from_slice(key);
                if self.flags.is_list() {
                    self.tail_value = SmallVec::from_slice(value);
                }
                self.tail = Tail::Known;
            }
        }
        Ok(())
    }

    /// Stores a pair that is greater than all others.
    #[inline]
    fn append(&mut self, key: &[u8], value: &[u8]) -> SlotResult<()> {
        let new_key = !self.is_at_tail(key);
        let flags = if new_key { PutFlags::APPEND } else { PutFlags::APPENDDUP };
        self.cursor.put(key, value, flags.bits())?;
        if let Some(counting) = &mut self.counting {
            counting.entries += 1;
            counting.pending.append(key, &self.tail_key, new_key, self.keys);
        }
        self.remember(key, value);
        Ok(())
    }

    #[inline]
    fn remember(&mut self, key: &[u8], value: &[u8]) {
        self.tail = Tail::Known;
        assign(&mut self.tail_key, key);
        if self.flags.is_list() {
            assign(&mut self.tail_value, value);
        }
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
            counting.pending.change(key, self.keys, Change { keys: i64::from(new_key), pairs });
        }
        Ok(())
    }

    fn count_packed(&mut self, key: &[u8], is_new: bool) -> SlotResult<()> {
        let Some(counting) = &mut self.counting else { return Ok(()) };
        let entries = counting.txn.stat(self.place.number)?.entries;
        let pairs = entries.wrapping_sub(counting.entries) as i64;
        counting.entries = entries;
        counting.pending.change(key, self.keys, Change { keys: i64::from(is_new), pairs });
        Ok(())
    }

    fn count_delete(&mut self, key: &[u8], whole_key: bool, pairs: u64) {
        if let Some(counting) = &mut self.counting {
            counting.entries -= pairs;
            let change = Change { keys: -i64::from(whole_key), pairs: -(pairs as i64) };
            counting.pending.change(key, self.keys, change);
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
        self.keys
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

/// Copies bytes into a buffer that usually has their length already.
#[inline]
fn assign(buffer: &mut Bytes, bytes: &[u8]) {
    if buffer.len() == bytes.len() {
        buffer.copy_from_slice(bytes);
    } else {
        buffer.clear();
        buffer.extend_from_slice(bytes);
    }
}
