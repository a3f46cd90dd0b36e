//! What a write transaction has learnt about the tables, kept for the next one.

use crate::txn::KnownTable;

/// What is known of tables, as long as nobody but the transactions of this crate has written.
#[derive(Debug, Default)]
pub(crate) struct KnownTables {
    /// The newest committed transaction that changed anything, for whose state this is known to hold.
    until: u64,
    /// By the numbers of handles.
    tables: Vec<Option<Box<KnownTable>>>,
}

impl KnownTables {
    /// Takes what is known of a table at the beginning of write transaction `id`: nothing, if somebody else has written
    /// since. Until a commit brings it back, nobody else learns it.
    pub(crate) fn take(&mut self, id: u64, index: u32) -> Option<Box<KnownTable>> {
        if self.until + 1 != id {
            self.tables.clear();
        }
        self.tables.get_mut(index as usize)?.take()
    }

    /// To be called after transaction `id` was committed: what is known of the tables that it has opened is handed over by
    /// [`KnownTables::keep`]; it has not changed the others. If it cannot tell, it does not `hold`.
    ///
    /// LMDB gives the number of a transaction that wrote nothing to the next one, which may be another process's. So what
    /// this one knows is about the state that it began with, unless it surely made a new one.
    pub(crate) fn commit(&mut self, id: u64, wrote: bool, holds: bool) {
        if self.until + 1 != id || !holds {
            self.tables.clear();
        }
        self.until = state_after(id, wrote);
    }

    /// Keeps what is known of a table.
    pub(crate) fn keep(&mut self, index: usize, table: Box<KnownTable>) {
        if self.tables.len() <= index {
            self.tables.resize_with(index + 1, || None);
        }
        self.tables[index] = Some(table);
    }
}

/// The number of the state after a transaction that did or did not surely write.
pub(crate) fn state_after(id: u64, wrote: bool) -> u64 {
    if wrote { id } else { id.saturating_sub(1) }
}
