//! The set against a `BTreeMap`, clones that must not change included.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Pair = (u32, u32);

impl Place<Pair> for u32 {
    fn compare(&self, pair: &Pair) -> Ordering {
        self.cmp(&pair.0)
    }

    /// Coarse, so that heads tie.
    fn head(&self) -> u64 {
        u64::from(*self / 7)
    }
}

impl Place<Pair> for Pair {
    fn compare(&self, pair: &Pair) -> Ordering {
        self.0.compare(pair)
    }

    fn head(&self) -> u64 {
        self.0.head()
    }
}

fn pairs(model: &BTreeMap<u32, u32>) -> impl DoubleEndedIterator<Item = Pair> {
    model.iter().map(|(key, value)| (*key, *value))
}

fn pair(found: Option<(&u32, &u32)>) -> Option<Pair> {
    found.map(|(key, value)| (*key, *value))
}

fn check(tree: &Tree<Pair>, model: &BTreeMap<u32, u32>) {
    assert_eq!(tree.len, model.len());
    assert!(tree.iter().copied().eq(pairs(model)));
    assert!(tree.iter().rev().copied().eq(pairs(model).rev()));
    if let Some(root) = &tree.root {
        check_node(root, None, None);
    }
}

/// Returns the height.
fn check_node(node: &Node<Pair>, low: Option<u32>, high: Option<u32>) -> usize {
    assert!(node.len() > 0);
    match node {
        Node::Leaf(entries) => {
            assert!(entries.heads.iter().copied().eq(entries.rows.iter().map(Place::head)));
            let inside = |key: u32| low.is_none_or(|low| low <= key) && high.is_none_or(|high| key < high);
            assert!(entries.rows.iter().all(|(key, _)| inside(*key)));
            0
        }
        Node::Branch(branch) => {
            assert_eq!(branch.lows.len(), branch.children.len());
            assert!(branch.heads.iter().copied().eq(branch.lows.iter().map(Place::head)));
            let heights: Vec<usize> = (0..branch.children.len())
                .map(|at| {
                    let low = if at == 0 { low } else { Some(branch.lows[at].0) };
                    check_node(&branch.children[at], low, branch.lows.get(at + 1).map(|low| low.0).or(high))
                })
                .collect();
            assert!(heights.windows(2).all(|pair| pair[0] == pair[1]));
            heights[0] + 1
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u32, u32),
    Remove(u32),
    /// Removes a run of keys.
    RemoveRun(u32, u32),
    /// Inserts ascending keys.
    Append(u32, u32),
    Clone,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u32..3000, any::<u32>()).prop_map(|(key, value)| Op::Insert(key, value)),
        4 => (0u32..3000).prop_map(Op::Remove),
        1 => (0u32..3000, 1u32..600).prop_map(|(from, len)| Op::RemoveRun(from, len)),
        1 => (0u32..3000, 1u32..900).prop_map(|(from, len)| Op::Append(from, len)),
        1 => Just(Op::Clone),
    ]
}

proptest! {
    #![proptest_config(crate::store::tests::cases())]

    #[test]
    fn behaves_as_a_btree_map(ops in proptest::collection::vec(op(), 1..80), probes in proptest::collection::vec(0u32..3100, 20)) {
        let (mut tree, mut model) = (Tree::default(), BTreeMap::new());
        let mut kept = Vec::new();
        let insert = |tree: &mut Tree<Pair>, model: &mut BTreeMap<u32, u32>, key, value| {
            let there = model.get(&key).copied();
            assert_eq!(tree.insert_new((key, value)), there.map(|value| (key, value)));
            model.entry(key).or_insert(value);
        };
        for op in ops {
            match op {
                Op::Insert(key, value) => insert(&mut tree, &mut model, key, value),
                Op::Remove(key) => assert_eq!(tree.remove(&key), model.remove_entry(&key)),
                Op::RemoveRun(from, len) => (from..from + len).for_each(|key| assert_eq!(tree.remove(&key), model.remove_entry(&key))),
                Op::Append(from, len) => (from..from + len).for_each(|key| insert(&mut tree, &mut model, key, key)),
                Op::Clone => kept.push((tree.clone(), model.clone())),
            }
        }
        kept.push((tree, model));
        for (tree, model) in &kept {
            check(tree, model);
            let (mut random, mut sorted) = (tree.cursor(), tree.cursor());
            let mut ascending = probes.clone();
            ascending.sort();
            for (probe, ordered) in probes.iter().zip(&ascending) {
                prop_assert_eq!(tree.get(probe).map(|pair| &pair.1), model.get(probe));
                for (cursor, probe) in [(&mut random, probe), (&mut sorted, ordered)] {
                    cursor.seek(probe, false);
                    prop_assert_eq!(cursor.peek().copied(), pair(model.range(probe..).next()));
                    cursor.seek(probe, true);
                    let before = cursor.prev();
                    prop_assert_eq!(before.copied(), pair(model.range(..=probe).next_back()));
                    prop_assert_eq!(before.and_then(|_| cursor.next()), before, "there and back");
                    prop_assert_eq!(cursor.next().copied(), pair(model.range(probe + 1..).next()));
                }
            }
            for pair in ascending.chunks(2) {
                let (lo, hi) = (pair[0], pair[1]);
                prop_assert!(tree.range(Bound::Included(lo), Bound::Excluded(hi)).copied().eq(model.range(lo..hi).map(|(k, v)| (*k, *v))));
                prop_assert!(tree.range(Bound::Included(lo), Bound::Included(hi)).rev().copied().eq(model.range(lo..=hi).rev().map(|(k, v)| (*k, *v))));
                prop_assert!(tree.range(Bound::Unbounded, Bound::Excluded(hi)).copied().eq(model.range(..hi).map(|(k, v)| (*k, *v))));
                prop_assert!(tree.range(Bound::<u32>::Included(lo), Bound::Unbounded).copied().eq(model.range(lo..).map(|(k, v)| (*k, *v))));
            }
        }
    }
}
