//! Moving on by many entries at once, by the headers of the leaves.

use super::{Cursor, DupPlace, Pair, Place, duplicates_of};
use crate::error::{Error, Result};
use crate::format::F_DUPDATA;
use crate::order::Order;

impl<'s, K: Order, D: Order> Cursor<'s, K, D> {
    /// Moves on by `count` keys, onto the first value of the key there: as so many times
    /// [`next_key`](Self::next_key), but of the leaves in between only the headers are read.
    ///
    /// The cursor must be on a pair; otherwise, and if there are not so many keys, the result is nothing and the
    /// cursor is in a gap.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    pub fn skip_keys(&mut self, count: u64) -> Result<Option<Pair<'s>>> {
        if self.place != Place::On {
            return Ok(None);
        }
        let here = (self.keys.leaf.count - self.keys.leaf.index) as u64;
        if count < here {
            self.keys.leaf.index += count as usize;
            return self.arrive_first();
        }
        let mut left = count - here;
        self.dup_place = DupPlace::Single;
        self.place = Place::Nowhere;
        if self.keys.pass_leaves(&mut left)? {
            self.keys.leaf.index = left as usize;
            return self.arrive_first();
        }
        self.place = Place::Gap;
        Ok(None)
    }

    /// Moves on by `count` pairs, counted from the first value of the current key.
    ///
    /// Of tables without duplicates only the leaves' headers are read; of others, the nodes, but of the duplicates
    /// only their numbers, and inside the last key the headers of their leaves.
    ///
    /// The cursor must be on a pair; otherwise, and if there are not so many pairs, the result is nothing and the
    /// cursor is in a gap.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    pub fn skip_pairs(&mut self, count: u64) -> Result<Option<Pair<'s>>> {
        Ok(self.skip_pairs_placed(count)?.map(|(pair, _)| pair))
    }

    /// As [`skip_pairs`](Self::skip_pairs), and says how many values of its key stand before the pair: what the next
    /// skip has to add, since it counts from the key's first value.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    pub fn skip_pairs_placed(&mut self, count: u64) -> Result<Option<(Pair<'s>, u64)>> {
        if !self.sorted_dups {
            return Ok(self.skip_keys(count)?.map(|pair| (pair, 0)));
        }
        if self.place != Place::On {
            return Ok(None);
        }
        let mut left = count;
        loop {
            while self.keys.leaf.index < self.keys.leaf.count {
                let node = self.keys.leaf.node(self.keys.leaf.index)?;
                let page = self.keys.leaf.page();
                let here =
                    if node.flags & F_DUPDATA == 0 { 1 } else { duplicates_of(node, page)?.count(page)? };
                if left < here {
                    return Ok(self.arrive_at_dup(left)?.map(|pair| (pair, left)));
                }
                left -= here;
                self.keys.leaf.index += 1;
            }
            if !self.next_leaf_for_skip()? {
                return Ok(None);
            }
        }
    }

    /// Goes to the first entry of the next leaf, or into the gap behind the last.
    fn next_leaf_for_skip(&mut self) -> Result<bool> {
        self.dup_place = DupPlace::Single;
        self.place = Place::Nowhere;
        let moved = self.keys.next_leaf::<K>()?;
        if moved {
            self.place = Place::On;
        } else {
            self.keys.leaf.index = self.keys.leaf.count;
            self.place = Place::Gap;
        }
        Ok(moved)
    }

    /// Arrives at the current key and moves on to one of its values, which must exist.
    fn arrive_at_dup(&mut self, rank: u64) -> Result<Option<Pair<'s>>> {
        let Some((key, value)) = self.arrive_first()? else { return Ok(None) };
        if rank == 0 {
            return Ok(Some((key, value)));
        }
        // Until the value is found, the cursor is on the key's first one.
        self.dup_place = DupPlace::Unopened;
        let mut left = rank;
        loop {
            let here = (self.dups.leaf.count - self.dups.leaf.index) as u64;
            if left < here {
                self.dups.leaf.index += left as usize;
                self.dup_place = DupPlace::Open;
                return self.dups.leaf.key(self.dups.leaf.index).map(|value| Some((key, value)));
            }
            left -= here;
            if !self.dups.next_leaf::<D>()? {
                return Err(Error::corrupted(self.keys.leaf.page(), "a key has fewer values than it says"));
            }
        }
    }
}
