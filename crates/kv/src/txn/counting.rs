//! Keeping the counts of counted tables in step with what is written.

use std::sync::atomic::Ordering;

use super::WriteTxn;
use crate::counted::{COUNTS, COUNTS_C, LeafStarts, Pending, Settler, Tally, TreeId};
use crate::dbi::Dbi;
use crate::error::{Error, Result};
use crate::read::{Keys, Read, Span};

impl WriteTxn<'_> {
    /// Brings the counts of all counted tables up to date with what was written so far.
    ///
    /// [`WriteTxn::commit`] does that by itself. In between it is worth while only to make counting and ranks
    /// fast inside this transaction, which otherwise walk over the table.
    ///
    /// # Errors
    ///
    /// [`Error::MapFull`] and others that end the transaction.
    pub fn settle_counts(&mut self) -> Result<()> {
        self.bring_in()?;
        for index in 0..self.desk.slots.get_mut().len() {
            if matches!(&self.desk.slots.get_mut()[index], Some(slot) if slot.is_unsettled()) {
                self.settle(index)?;
            }
        }
        Ok(())
    }

    /// Begins to count a table that was created without counting.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`], and those of writing.
    pub fn start_counting(&mut self, dbi: &Dbi) -> Result<()> {
        let mut stored = self.stored_options(dbi.name)?;
        if stored.counted.is_some() {
            return Ok(());
        }
        let number = self.number(dbi)?;
        let tree = self.new_tree()?;
        stored.counted = Some(tree);
        self.store_options(dbi.name, &stored)?;
        // From here on, the slot counts.
        self.forget_slot(dbi);
        self.build_tree(dbi, number, tree)
    }

    /// Builds a tree of counts from the table.
    fn build_tree(&mut self, dbi: &Dbi, number: u32, tree: TreeId) -> Result<()> {
        let (order, list) = (dbi.flags.key_order(), dbi.is_list());
        let mut pending = Pending::default();
        let stat = self.handle.stat(number).map_err(|code| self.fail(code, "counting"))?;
        let page_size = stat.page_size;
        let mut settler = self.settler(number, tree, order, list)?;
        let result = (|| {
            pending.set_last_block(settler.last_block()?);
            let mut keys = Keys::new(self.cursor(dbi)?, Span::all(), dbi);
            let mut before: &[u8] = &[];
            let mut leaves = LeafStarts::new(page_size);
            while let Some(key) = keys.next() {
                let key = key?;
                let added = Tally { keys: 1, pairs: keys.dup_count()? };
                pending.append(key, before, added, leaves.is_start(key), order);
                before = key;
            }
            Ok(())
        })();
        let result = result.and_then(|()| settler.settle(&mut pending));
        settler.close();
        result.map_err(|error| self.note(error))
    }

    /// After a change of a table: brings the counts up to date if enough has come together.
    #[inline]
    pub(super) fn after_change(&mut self, dbi: &Dbi) -> Result<()> {
        let index = dbi.index as usize;
        let Some(Some(slot)) = self.desk.slots.get_mut().get_mut(index) else { return Ok(()) };
        let Some(counting) = slot.counting() else { return Ok(()) };
        if counting.pending.is_full() {
            return self.settle(index);
        }
        if counting.pending.wants_last_block() {
            return self.learn_last_block(index);
        }
        Ok(())
    }

    fn learn_last_block(&mut self, index: usize) -> Result<()> {
        let Some(Some(slot)) = self.desk.slots.get_mut().get_mut(index) else { return Ok(()) };
        let (number, order, list) = (slot.place().number, slot.key_order(), slot.is_list());
        let Some(tree) = slot.tree() else { return Ok(()) };
        let settler = self.settler(number, tree, order, list)?;
        let last = settler.last_block();
        settler.close();
        let last = last.map_err(|error| self.note(error))?;
        if let Some(Some(slot)) = self.desk.slots.get_mut().get_mut(index)
            && let Some(counting) = slot.counting()
        {
            counting.pending.set_last_block(last);
        }
        Ok(())
    }

    fn settle(&mut self, index: usize) -> Result<()> {
        let Some(Some(slot)) = self.desk.slots.get_mut().get_mut(index) else { return Ok(()) };
        let (number, order, list) = (slot.place().number, slot.key_order(), slot.is_list());
        let Some(counting) = slot.counting() else { return Ok(()) };
        let tree = counting.tree;
        let mut pending = std::mem::take(&mut counting.pending);
        let mut settler = self.settler(number, tree, order, list)?;
        let result = settler.settle(&mut pending);
        settler.close();
        result.map_err(|error| self.note(error))?;
        // Emptied, but with its memory.
        if let Some(Some(slot)) = self.desk.slots.get_mut().get_mut(index)
            && let Some(counting) = slot.counting()
        {
            counting.pending = pending;
        }
        Ok(())
    }

    fn settler(
        &self,
        number: u32,
        tree: TreeId,
        order: lmdb_pages::OrderKind,
        list: bool,
    ) -> Result<Settler> {
        let counts = self.own_table(COUNTS_C, true)?.ok_or_else(|| self.shared.no_such_dbi(COUNTS))?;
        Ok(Settler::new(self.own_cursor(counts)?, self.own_cursor(number)?, tree, order, list))
    }

    /// Whether a table is counted, and its tree knows everything.
    pub(crate) fn settled_tree(&self, dbi: &Dbi) -> Result<(Option<TreeId>, bool)> {
        self.number(dbi)?;
        let slots = self.desk.slots.borrow();
        let slot = slots.get(dbi.index as usize).and_then(Option::as_ref);
        Ok(slot.map_or((None, true), |slot| (slot.tree(), !slot.is_unsettled())))
    }

    /// The bytes of a node of a tree of counts.
    pub(crate) fn count_node(&self, key: &[u8]) -> Result<Option<&[u8]>> {
        match self.own_table(COUNTS_C, false)? {
            Some(number) => self.handle.get(number, key).map_err(|code| self.fail(code, "reading counts")),
            None => Ok(None),
        }
    }

    /// Remembers that LMDB refuses everything from here on, if the error says so.
    pub(super) fn note(&self, error: Error) -> Error {
        let error = self.shared.complete(error);
        self.note_end(&error);
        error
    }

    pub(super) fn note_end(&self, error: &Error) {
        if error.ends_transaction() {
            self.desk.ended.get_or_init(|| error.to_string());
        }
        if matches!(error, Error::MapFull { .. }) {
            self.shared.met_full_map.store(true, Ordering::Relaxed);
        }
    }
}
