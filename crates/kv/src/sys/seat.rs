//! [`Seat`]: the desk of the write transaction that is running, until it is given back.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use crate::env::Turn;
use crate::txn::{After, Desk};

/// A desk, and the turn to write that it is given back to, which ends with it.
#[derive(Debug)]
pub(crate) struct Seat<'e> {
    /// Taken out when this is dropped, and not before.
    desk: ManuallyDrop<Box<Desk>>,
    turn: &'e Turn,
}

impl<'e> Seat<'e> {
    #[inline]
    pub(crate) fn new(turn: &'e Turn, mut desk: Box<Desk>, after: After) -> Self {
        desk.after = after;
        Self { desk: ManuallyDrop::new(desk), turn }
    }

    /// Keeps the turn until [`Turn::give_up`].
    pub(crate) fn keep_turn(mut self) {
        self.after = After::LayAside;
    }
}

impl Drop for Seat<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: only here it is taken out, and nothing uses this afterwards.
        let desk = unsafe { ManuallyDrop::take(&mut self.desk) };
        match desk.after {
            After::PassOn => self.turn.pass_on(desk),
            After::LayAside => self.turn.lay_aside(desk),
            After::Nothing => {}
        }
    }
}

impl Deref for Seat<'_> {
    type Target = Desk;

    #[inline]
    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl DerefMut for Seat<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }
}
