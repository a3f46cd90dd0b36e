//! [`Seen`]: which nodes one walk has met; clearing it for the next walk costs nothing.

use roaring::RoaringTreemap;

/// Nodes below this are marked in an array, which grows as needed.
const DENSE_MAX: u64 = 1 << 25;

/// A set of nodes that is emptied between walks.
#[derive(Debug, Default)]
pub(super) struct Seen {
    walk: u32,
    /// The last walk that met each node.
    marks: Vec<u32>,
    /// Nodes too large for the array.
    large: RoaringTreemap,
}

impl Seen {
    /// Forgets all nodes.
    pub fn clear(&mut self) {
        self.walk = self.walk.wrapping_add(1);
        if self.walk == 0 {
            self.marks.fill(0);
            self.walk = 1;
        }
        self.large.clear();
    }

    /// Adds a node; whether it was new.
    #[inline]
    pub fn insert(&mut self, node: u64) -> bool {
        if node >= DENSE_MAX {
            return self.large.insert(node);
        }
        let at = node as usize;
        if at >= self.marks.len() {
            self.marks.resize((at + 1).next_power_of_two(), 0);
        }
        let fresh = self.marks[at] != self.walk;
        self.marks[at] = self.walk;
        fresh
    }
}
