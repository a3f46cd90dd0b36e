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

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use edn::{Keyword, Value};

use super::slot::Slot;
use super::tables::OwnTables;
use crate::dbi::Drops;
use crate::log::Tape;

/// The number of no transaction, nor of the one before one.
const NEVER: u64 = u64::MAX - 1;

/// The state of a write transaction, and what is known for the next one.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The number that the committed transaction will have.
    pub(super) id: u64,
    /// By the numbers of handles. Those that are not open hold what earlier transactions have learnt.
    pub(super) slots: RefCell<Vec<Option<Slot>>>,
    /// Whether all slots rest.
    pub(super) all_rest: Cell<bool>,
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
    pub(super) ended: OnceCell<String>,
    /// Definitions of types that will be in the file with this transaction, beside the tables.
    pub(super) offered: Option<Rc<[(Keyword, Value)]>>,
    /// The tables dropped by this transaction, or the one it is nested in.
    pub(super) drops: Option<Rc<Drops>>,
    /// Whether what is known of tables, here and for the next transaction, is true: it is as long as tables are only
    /// changed through their slots, and slots are kept.
    pub(super) knows_tails: bool,
    /// Whether committing takes everything back.
    rolled_back: bool,
    /// Whether it is that of a transaction inside another, and whether that has ended.
    pub(super) is_nested: bool,
    pub(super) is_ended: bool,
    /// What becomes of it.
    pub(crate) after: After,
}

/// What becomes of a desk with the end of its transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    /// It is gone: it was that of a transaction inside another.
    #[default]
    Nothing,
    /// Its turn goes on: it is laid aside.
    LayAside,
    /// Its turn ends.
    PassOn,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            id: 0,
            slots: RefCell::default(),
            all_rest: Cell::new(true),
            known_until: NEVER,
            keeps_back: Cell::default(),
            counts: Cell::default(),
            tape: None,
            options: OwnTables::default(),
            ended: OnceCell::default(),
            offered: None,
            drops: None,
            knows_tails: false,
            rolled_back: false,
            is_nested: false,
            is_ended: false,
            after: After::default(),
        }
    }
}

impl Desk {
    /// That of a transaction inside the one that has this.
    pub(super) fn nested(&self) -> Self {
        Self {
            id: self.id,
            is_nested: true,
            tape: self.tape.clone(),
            drops: self.drops.clone(),
            offered: self.offered.clone(),
            ..Self::default()
        }
    }

    /// At the beginning of transaction `id`, which is in no other: nothing is known if somebody else has written since.
    #[inline]
    pub(super) fn begin(&mut self, id: u64) {
        if self.known_until + 1 != id {
            self.forget();
        }
        self.id = id;
        self.knows_tails = true;
    }

    #[cold]
    fn forget(&mut self) {
        self.slots.get_mut().clear();
    }

    /// Before that transaction is committed: whether it surely wrote. What is known of the tables that it has opened is
    /// kept, if it `holds`; it has not changed the others.
    ///
    /// Nothing is known any more unless [`Desk::note_committed`] says that it was committed.
    #[inline]
    pub(super) fn prepare_commit(&mut self, holds: bool) -> bool {
        let mut wrote = false;
        for slot in self.slots.get_mut().iter_mut().flatten() {
            if slot.is_open() {
                wrote |= slot.wrote();
                slot.rest();
            }
        }
        if !holds {
            self.forget();
        }
        self.known_until = NEVER;
        self.all_rest.set(true);
        wrote
    }

    /// After it was committed, and this was the state then.
    #[inline]
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

    /// Forgets what was learnt and never committed.
    #[cold]
    fn forget_unrested(&mut self) {
        for place in self.slots.get_mut() {
            if place.as_ref().is_some_and(|slot| !slot.is_at_rest()) {
                *place = None;
            }
        }
    }

    /// Forgets everything of the transaction that had it, and so whatever belongs to its thread.
    #[inline]
    pub(crate) fn rest(&mut self) {
        if !self.all_rest.replace(true) {
            self.forget_unrested();
        }
        debug_assert!(self.slots.get_mut().iter().flatten().all(Slot::is_at_rest));
        self.keeps_back.set(false);
        self.counts.set(false);
        self.tape = None;
        self.options = OwnTables::default();
        self.ended.take();
        self.offered = None;
        self.drops = None;
        (self.knows_tails, self.rolled_back) = (false, false);
    }
}
