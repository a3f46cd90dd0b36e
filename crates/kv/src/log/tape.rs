//! [`Tape`]: what a write transaction does, recorded where this crate calls LMDB.
//!
//! ```text
//!   use "fruit"                      the table for what follows
//!   create "fruit", flags            the same, and made
//!   put flags key value              flags: only whether it was appended
//!   packed key size items            many values of one size
//!   delete key                       with all its values
//!   delete pair key value
//!   clear | drop
//! ```
//!
//! Only what LMDB has done is on the tape, so carrying it out again on the same state gives the same state. Whoever
//! takes back a nested transaction cuts the tape where that one began.

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::rc::Rc;

use crate::flags::PutFlags;

/// A transaction that writes more than this is not recorded: writing its pages at once costs less than writing
/// everything twice.
pub(super) const TAPE_MAX: usize = 1 << 20;

const USE: u8 = 1;
const CREATE: u8 = 2;
const PUT: u8 = 3;
const PACKED: u8 = 4;
const DELETE: u8 = 5;
const DELETE_PAIR: u8 = 6;
const CLEAR: u8 = 7;
const DROP: u8 = 8;

/// One step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'t> {
    /// The table for the steps that follow.
    Use(&'t CStr),
    /// The same, made with LMDB's flags.
    Create(&'t CStr, u32),
    Put {
        key: &'t [u8],
        value: &'t [u8],
        flags: u32,
    },
    Packed {
        key: &'t [u8],
        items: &'t [u8],
        item_size: usize,
    },
    Delete {
        key: &'t [u8],
    },
    DeletePair {
        key: &'t [u8],
        value: &'t [u8],
    },
    Clear,
    Drop,
}

/// What a transaction has to do with the commits that were deferred before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    #[default]
    Plain,
    /// It does what they say and nothing else, so that nothing needs to be recorded.
    CarriesOut,
    /// What it writes contains what they say.
    Supersedes,
}

/// The steps of a transaction so far; clones are the same tape.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape(Rc<RefCell<Recording>>);

/// What a tape holds; kept from one transaction to the next for its memory.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    bytes: Vec<u8>,
    /// By LMDB's numbers, which the transaction's openings bring up to date.
    names: Vec<Option<CString>>,
    /// The table that the last step was about.
    current: Option<u32>,
    /// Where the nested transactions that are open began.
    nested: Vec<usize>,
    /// Whether something is missing: it was too much, or done by others.
    incomplete: bool,
    role: Role,
}

impl Tape {
    pub(super) fn new(mut recording: Recording) -> Self {
        recording.bytes.clear();
        recording.current = None;
        recording.nested.clear();
        recording.incomplete = false;
        recording.role = Role::Plain;
        Self(Rc::new(RefCell::new(recording)))
    }

    pub(crate) fn role(&self) -> Role {
        self.0.borrow().role
    }

    pub(crate) fn set_role(&self, role: Role) {
        self.0.borrow_mut().role = role;
    }

    /// What it holds, if nobody else has it.
    pub(super) fn into_recording(self) -> Recording {
        Rc::try_unwrap(self.0).map_or_else(|_| Recording::default(), RefCell::into_inner)
    }

    /// The steps; `None` if not all of them are here.
    pub(super) fn with<R>(&self, read: impl FnOnce(Option<&[u8]>) -> R) -> R {
        let recording = self.0.borrow();
        read((!recording.incomplete).then_some(&recording.bytes))
    }

    /// A table was opened, so that its number is known in this transaction; `created` with these flags.
    pub(crate) fn opened(&self, number: u32, name: &CStr, created: Option<u32>) {
        let mut recording = self.0.borrow_mut();
        let index = number as usize;
        if recording.names.len() <= index {
            recording.names.resize(index + 1, None);
        }
        if recording.names[index].as_deref() != Some(name) {
            recording.names[index] = Some(name.to_owned());
        }
        if let Some(flags) = created {
            recording.push(CREATE);
            recording.number(u64::from(flags));
            recording.slice(name.to_bytes_with_nul());
            recording.current = Some(number);
        }
    }

    /// For a cursor on the table.
    pub(crate) fn at(&self, number: u32, list: bool) -> CursorTape {
        CursorTape { tape: self.clone(), number, list }
    }

    /// A table was emptied, or removed.
    pub(crate) fn dropped(&self, number: u32, removed: bool) {
        let mut recording = self.0.borrow_mut();
        recording.about(number);
        recording.push(if removed { DROP } else { CLEAR });
        if removed {
            recording.current = None;
        }
    }

    /// Something is done that is not recorded.
    pub(crate) fn miss(&self) {
        self.0.borrow_mut().incomplete = true;
    }

    pub(crate) fn begin_nested(&self) {
        let mut recording = self.0.borrow_mut();
        let length = recording.bytes.len();
        recording.nested.push(length);
    }

    pub(crate) fn end_nested(&self, kept: bool) {
        let mut recording = self.0.borrow_mut();
        let Some(began) = recording.nested.pop() else { return };
        if !kept && began < recording.bytes.len() {
            recording.bytes.truncate(began);
            // The step that named the current table may be gone.
            recording.current = None;
        }
    }
}

impl Recording {
    /// Whether what is done goes unrecorded.
    fn is_off(&self) -> bool {
        self.incomplete || self.role == Role::CarriesOut
    }

    fn push(&mut self, byte: u8) {
        if self.bytes.len() > TAPE_MAX {
            self.incomplete = true;
        }
        if !self.is_off() {
            self.bytes.push(byte);
        }
    }

    fn number(&mut self, number: u64) {
        if !self.is_off() {
            push_number(&mut self.bytes, number);
        }
    }

    fn slice(&mut self, slice: &[u8]) {
        if self.bytes.len() + slice.len() > TAPE_MAX {
            self.incomplete = true;
        }
        if !self.is_off() {
            push_slice(&mut self.bytes, slice);
        }
    }

    /// Makes the table the current one.
    fn about(&mut self, number: u32) {
        if self.current == Some(number) {
            return;
        }
        if self.is_off() {
            return;
        }
        match self.names.get(number as usize).cloned().flatten() {
            Some(name) => {
                self.push(USE);
                self.slice(name.to_bytes_with_nul());
                self.current = Some(number);
            }
            // A table that this crate has not opened in this transaction.
            None => self.incomplete = true,
        }
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7F {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn push_slice(bytes: &mut Vec<u8>, slice: &[u8]) {
    push_number(bytes, slice.len() as u64);
    bytes.extend_from_slice(slice);
}

/// Steps that are written down without being done.
#[derive(Debug, Default)]
pub(crate) struct StepWriter {
    bytes: Vec<u8>,
    table: Option<&'static str>,
    count: u64,
}

impl StepWriter {
    /// Makes the table the one that the following steps are about.
    pub(crate) fn about(&mut self, table: &'static str) {
        if self.table.is_some_and(|current| std::ptr::eq(current, table)) {
            return;
        }
        self.table = Some(table);
        self.bytes.push(USE);
        push_number(&mut self.bytes, table.len() as u64 + 1);
        self.bytes.extend_from_slice(table.as_bytes());
        self.bytes.push(0);
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.count += 1;
        self.bytes.push(PUT);
        push_number(&mut self.bytes, 0);
        push_slice(&mut self.bytes, key);
        push_slice(&mut self.bytes, value);
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.count += 1;
        self.bytes.push(DELETE);
        push_slice(&mut self.bytes, key);
    }

    pub(crate) fn delete_pair(&mut self, key: &[u8], value: &[u8]) {
        self.count += 1;
        self.bytes.push(DELETE_PAIR);
        push_slice(&mut self.bytes, key);
        push_slice(&mut self.bytes, value);
    }

    /// How many there are, and what they are written as.
    pub(crate) fn finish(self) -> (u64, Vec<u8>) {
        (self.count, self.bytes)
    }
}

/// Where the writes of one cursor are recorded.
#[derive(Debug)]
pub(crate) struct CursorTape {
    tape: Tape,
    number: u32,
    list: bool,
}

impl CursorTape {
    pub(crate) fn put(&self, key: &[u8], value: &[u8], flags: u32) {
        let mut recording = self.tape.0.borrow_mut();
        recording.about(self.number);
        recording.push(PUT);
        let appended = PutFlags::from_bits_truncate(flags) & (PutFlags::APPEND | PutFlags::APPENDDUP);
        recording.number(u64::from(appended.bits()));
        recording.slice(key);
        recording.slice(value);
    }

    pub(crate) fn put_packed(&self, key: &[u8], items: &[u8], item_size: usize) {
        let mut recording = self.tape.0.borrow_mut();
        recording.about(self.number);
        recording.push(PACKED);
        recording.slice(key);
        recording.number(item_size as u64);
        recording.slice(items);
    }

    pub(crate) fn cleared(&self) {
        self.tape.dropped(self.number, false);
    }

    pub(crate) fn delete(&self, key: &[u8], value: &[u8], all_values: bool) {
        let mut recording = self.tape.0.borrow_mut();
        recording.about(self.number);
        let whole = all_values || !self.list;
        recording.push(if whole { DELETE } else { DELETE_PAIR });
        recording.slice(key);
        if !whole {
            recording.slice(value);
        }
    }
}

/// Reads the steps of a tape back; `None` in place of a step ends it, where the bytes are none of ours.
#[derive(Debug)]
pub(crate) struct Steps<'t>(&'t [u8]);

impl<'t> Steps<'t> {
    pub(crate) fn new(bytes: &'t [u8]) -> Self {
        Self(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn slice(&mut self) -> Option<&'t [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (slice, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(slice)
    }

    /// A name, stored with the zero byte that ends a C string.
    fn name(&mut self) -> Option<&'t CStr> {
        CStr::from_bytes_with_nul(self.slice()?).ok()
    }

    fn step(&mut self) -> Option<Step<'t>> {
        Some(match self.byte()? {
            USE => Step::Use(self.name()?),
            CREATE => {
                let flags = u32::try_from(self.number()?).ok()?;
                Step::Create(self.name()?, flags)
            }
            PUT => {
                let flags = u32::try_from(self.number()?).ok()?;
                Step::Put { flags, key: self.slice()?, value: self.slice()? }
            }
            PACKED => {
                let key = self.slice()?;
                let item_size = usize::try_from(self.number()?).ok()?;
                Step::Packed { key, item_size, items: self.slice()? }
            }
            DELETE => Step::Delete { key: self.slice()? },
            DELETE_PAIR => Step::DeletePair { key: self.slice()?, value: self.slice()? },
            CLEAR => Step::Clear,
            DROP => Step::Drop,
            _ => return None,
        })
    }
}

impl<'t> Iterator for Steps<'t> {
    type Item = Option<Step<'t>>;

    fn next(&mut self) -> Option<Option<Step<'t>>> {
        if self.0.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_none() {
            self.0 = &[];
        }
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(tape: &Tape) -> Vec<String> {
        tape.with(|bytes| Steps::new(bytes.unwrap()).map(|step| format!("{:?}", step.unwrap())).collect())
    }

    #[test]
    fn what_is_recorded_is_read_back() {
        let tape = Tape::default();
        tape.opened(2, c"fruit", Some(4));
        let cursor = tape.at(2, true);
        cursor.put(b"k", &[7; 200], 0x20010);
        cursor.delete(b"k", b"v", false);
        tape.opened(3, c"nuts", None);
        tape.at(3, false).delete(b"k", b"v", false);
        tape.dropped(2, false);
        tape.dropped(2, true);
        cursor.put_packed(b"k", b"12345678", 4);
        let value = format!("{:?}", [7u8; 200]);
        assert_eq!(
            steps(&tape),
            [
                "Create(\"fruit\", 4)".to_owned(),
                format!("Put {{ key: [107], value: {value}, flags: 131072 }}"),
                "DeletePair { key: [107], value: [118] }".to_owned(),
                "Use(\"nuts\")".to_owned(),
                "Delete { key: [107] }".to_owned(),
                "Use(\"fruit\")".to_owned(),
                "Clear".to_owned(),
                "Drop".to_owned(),
                "Use(\"fruit\")".to_owned(),
                "Packed { key: [107], items: [49, 50, 51, 52, 53, 54, 55, 56], item_size: 4 }".to_owned(),
            ]
        );
    }

    #[test]
    fn nested_transactions_that_are_taken_back_leave_nothing() {
        let tape = Tape::default();
        tape.opened(2, c"a", None);
        tape.opened(3, c"b", None);
        tape.at(2, false).put(b"1", b"", 0);
        tape.begin_nested();
        tape.at(3, false).put(b"2", b"", 0);
        tape.begin_nested();
        tape.at(3, false).put(b"3", b"", 0);
        tape.end_nested(true);
        tape.end_nested(false);
        tape.at(3, false).put(b"4", b"", 0);
        assert_eq!(steps(&tape).len(), 4, "{:?}", steps(&tape));
        assert!(steps(&tape)[2].contains("\"b\""));
    }

    #[test]
    fn too_much_and_damage_are_noticed() {
        let tape = Tape::default();
        tape.opened(2, c"a", None);
        let value = vec![0; TAPE_MAX / 4];
        for _ in 0..5 {
            tape.at(2, false).put(b"1", &value, 0);
        }
        tape.with(|bytes| assert_eq!(bytes, None));
        let tape = Tape::default();
        tape.at(9, false).put(b"1", b"", 0); // never opened
        tape.with(|bytes| assert_eq!(bytes, None));
        for bytes in
            [&[9][..], &[PUT], &[PUT, 0, 5, 1], &[USE, 1, 65], &[PUT, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1]]
        {
            assert_eq!(Steps::new(bytes).collect::<Vec<_>>(), [None], "{bytes:?}");
        }
    }
}
