//! What a write transaction works with: it goes from one to the next, with the turn to write.
//!
//! ```text
//!   Turn ---- desk at rest ----> Seat of a transaction: slots open as tables are used
//!    ^                             | commits: slots rest, with what they have learnt
//!    |                             | takes back: open slots are forgotten
//!    +------- desk at rest <-------+
//! ```
//!
//! So a transaction of a single pair allocates nothing, and moves next to nothing.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use edn::{Keyword, Value};

use super::slot::Slot;
use super::tables::OwnTables;
use crate::dbi::Drops;
use crate::env::Turn;
use crate::log::Tape;

/// The number of no transaction, nor of the one before one.
const NEVER: u64 = u64::MAX - 1;

/// The state of a write transaction, and what is known for the next one.
#[derive(Debug)]
pub(crate) struct Desk {
    /// By the numbers of handles. Those that are not open hold what earlier transactions have learnt.
    pub(super) slots: RefCell<Vec<Option<Slot>>>,
    /// The newest committed transaction that changed anything, for whose state that is known to be true.
    known_until: u64,
    /// Whether a slot keeps puts back.
    pub(super) keeps_back: Cell<bool>,
    /// Whether a slot counts.
    pub(super) counts: Cell<bool>,
    /// What is done, for the write-ahead log, if there is one.
    pub(super) tape: Option<Tape>,
    /// What is known of this crate's own tables.
    pub(super) options: OwnTables,
    /// The error after which LMDB refuses everything, if there was one.
    pub(super) ended: RefCell<Option<String>>,
    /// Definitions of types that will be in the file with this transaction, beside the tables.
    pub(super) offered: Option<Rc<[(Keyword, Value)]>>,
    /// The tables dropped by this transaction, or the one it is nested in.
    pub(super) drops: Option<Rc<Drops>>,
    /// Whether what is known of tables, here and for the next transaction, is true: it is as long as tables are only
    /// changed through their slots, and slots are kept.
    pub(super) knows_tails: bool,
    /// Whether committing takes everything back.
    rolled_back: bool,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            slots: RefCell::default(),
            known_until: NEVER,
            keeps_back: Cell::default(),
            counts: Cell::default(),
            tape: None,
            options: OwnTables::default(),
            ended: RefCell::default(),
            offered: None,
            drops: None,
            knows_tails: false,
            rolled_back: false,
        }
    }
}

impl Desk {
    /// At the beginning of transaction `id`, which is in no other: nothing is known if somebody else has written since.
    pub(super) fn begin(&mut self, id: u64, tape: Option<Tape>) {
        if self.known_until + 1 != id {
            self.slots.get_mut().clear();
        }
        self.tape = tape;
        self.knows_tails = true;
    }

    /// Before that transaction is committed: whether it surely wrote. What is known of the tables that it has opened is
    /// kept, if it `holds`; it has not changed the others.
    ///
    /// Nothing is known any more unless [`Desk::note_committed`] says that it was committed.
    pub(super) fn prepare_commit(&mut self, holds: bool) -> bool {
        let mut wrote = false;
        for slot in self.slots.get_mut().iter_mut().flatten() {
            if slot.is_open() {
                wrote |= slot.wrote();
                slot.rest();
            }
        }
        if !holds {
            self.slots.get_mut().clear();
        }
        self.known_until = NEVER;
        wrote
    }

    /// After it was committed, and this was the state then.
    pub(super) fn note_committed(&mut self, state: u64) {
        self.known_until = state;
    }

    /// Decides that committing takes everything back.
    pub(crate) fn roll_back(&mut self) {
        self.rolled_back = true;
    }

    /// Whether that was decided.
    pub(crate) fn is_rolled_back(&self) -> bool {
        self.rolled_back
    }

    /// Forgets everything of the transaction that had it, and so whatever belongs to its thread.
    pub(crate) fn rest(&mut self) {
        for place in self.slots.get_mut() {
            if place.as_ref().is_some_and(|slot| !slot.is_at_rest()) {
                // What it has learnt was never committed.
                *place = None;
            }
        }
        self.keeps_back.set(false);
        self.counts.set(false);
        self.tape = None;
        self.options = OwnTables::default();
        *self.ended.get_mut() = None;
        self.offered = None;
        self.drops = None;
        (self.knows_tails, self.rolled_back) = (false, false);
    }
}

/// A desk, and the turn to write that it is given back to, which ends with it.
#[derive(Debug)]
pub(crate) struct Seat<'e> {
    /// `None` only while it is dropped.
    desk: Option<Box<Desk>>,
    /// None for a transaction inside another.
    turn: Option<&'e Turn>,
    /// Whether the turn ends with it, and not only the use of the desk.
    ends: bool,
}

impl<'e> Seat<'e> {
    /// Of a transaction inside another.
    pub(super) fn nested() -> Self {
        Self { desk: Some(Box::default()), turn: None, ends: false }
    }

    pub(crate) fn of_turn(turn: &'e Turn, desk: Box<Desk>, ends: bool) -> Self {
        Self { desk: Some(desk), turn: Some(turn), ends }
    }

    /// Keeps the turn until [`Turn::give_up`].
    pub(crate) fn keep_turn(mut self) {
        self.ends = false;
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let (Some(turn), Some(desk)) = (self.turn, self.desk.take()) {
            if self.ends {
                turn.pass_on(desk);
            } else {
                turn.lay_aside(desk);
            }
        }
    }
}

impl Deref for Seat<'_> {
    type Target = Desk;

    #[inline]
    fn deref(&self) -> &Desk {
        self.desk.as_deref().expect("it is there until the end")
    }
}

impl DerefMut for Seat<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Desk {
        self.desk.as_deref_mut().expect("it is there until the end")
    }
}
