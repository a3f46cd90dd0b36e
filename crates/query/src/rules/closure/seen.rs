//! [`Seen`]: which nodes one walk has met; clearing it for the next walk costs nothing.

use std::collections::HashSet;

/// Walks that meet fewer nodes keep them in a hash set; larger ones mark them in an array.
const FEW: usize = 1024;
/// Nodes below this are marked in the array, which grows as needed.
const DENSE_MAX: u64 = 1 << 25;

/// A set of nodes that is emptied between walks.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The number of this walk, once there is an array.
    walk: u32,
    /// The last walk that met each node.
    marks: Vec<u32>,
    /// Nodes of a small walk, or too large for the array.
    others: HashSet<u64, foldhash::fast::RandomState>,
}

impl Seen {
    /// Forgets all nodes.
    pub fn clear(&mut self) {
        self.others.clear();
        if self.walk > 0 {
            self.walk = self.walk.wrapping_add(1);
        }
        if self.walk == 0 && !self.marks.is_empty() {
            self.marks.fill(0);
            self.walk = 1;
        }
    }

    /// Adds a node; whether it was new.
    #[inline]
    pub fn insert(&mut self, node: u64) -> bool {
        if self.walk == 0 || node >= DENSE_MAX {
            return self.insert_other(node);
        }
        self.mark(node as usize)
    }

    #[inline]
    fn mark(&mut self, at: usize) -> bool {
        if at >= self.marks.len() {
            self.marks.resize((at + 1).next_power_of_two(), 0);
        }
        let fresh = self.marks[at] != self.walk;
        self.marks[at] = self.walk;
        fresh
    }

    fn insert_other(&mut self, node: u64) -> bool {
        let fresh = self.others.insert(node);
        if self.walk == 0 && self.others.len() > FEW {
            self.walk = 1;
            let small: Vec<u64> = self.others.extract_if(|node| *node < DENSE_MAX).collect();
            small.into_iter().for_each(|node| {
                self.mark(node as usize);
            });
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_a_set(walks in proptest::collection::vec(proptest::collection::vec((0_u64..3000, 0_u64..2), 0..3000), 1..4)) {
            let mut seen = Seen::default();
            for walk in walks {
                seen.clear();
                let mut set = std::collections::BTreeSet::new();
                for (node, large) in walk {
                    let node = node + large * (DENSE_MAX - 10);
                    prop_assert_eq!(seen.insert(node), set.insert(node));
                }
            }
        }
    }
}
