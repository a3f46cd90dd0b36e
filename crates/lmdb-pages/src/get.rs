//! Looking up a single key without a cursor.

use crate::cursor::{Cursor, overflow_pages_of};
use crate::error::{Error, Result};
use crate::format::{F_BIGDATA, Node};
use crate::order::{Lexicographic, Order};
use crate::snapshot::Snapshot;
use crate::table::Table;
use crate::walk::find;

/// The value of a key of `table`, or the first of its values.
///
/// As [`Cursor::get`], without the cost of making a cursor; for many keys in ascending order a cursor is faster.
///
/// # Errors
///
/// [`Error::Corrupted`] on a damaged page; [`Error::ForeignTable`] and [`Error::WrongOrder`] as for cursors.
#[doc(alias = "mdb_get")]
#[inline]
pub fn get<'s, K: Order>(snapshot: &'s Snapshot, table: &Table, key: &[u8]) -> Result<Option<&'s [u8]>> {
    snapshot.check_table(table)?;
    let flags = table.flags();
    if !K::suits_keys(flags) {
        return Err(Error::WrongOrder { order: K::NAME, part: "keys", flags });
    }
    let Some(leaf) = find::<K>(&snapshot.inner.pages, table.record.root, key)? else { return Ok(None) };
    let node = leaf.node(leaf.index)?;
    if node.flags == 0 {
        return node.data(leaf.page()).map(Some);
    }
    get_flagged::<K>(snapshot, table, key, node, leaf.page())
}

#[cold]
fn get_flagged<'s, K: Order>(
    snapshot: &'s Snapshot,
    table: &Table,
    key: &[u8],
    node: Node<'s>,
    page: u64,
) -> Result<Option<&'s [u8]>> {
    if node.flags == F_BIGDATA {
        let first = node.overflow_page(page)?;
        return Ok(Some(overflow_pages_of(&snapshot.inner.pages, first, node.size as usize)?.1));
    }
    // The first of a key's values is found without comparing any, so their order does not matter.
    Cursor::<K, Lexicographic>::new_unchecked(snapshot, table).get(key)
}
