//! Changes in any order, with looks and clones in between, against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::encode::EncodedValue;

/// Attribute, value, entity.
type At = (u32, Vec<u8>, u64);
type Model = BTreeMap<At, bool>;

#[derive(Clone, Debug)]
enum Step {
    Change {
        a: u32,
        v: Vec<u8>,
        e: u64,
        added: bool,
        at_once: bool,
    },
    Look,
    LookAt(u32),
    Settle,
    /// Goes on with a clone, and keeps the one before.
    Clone,
    /// Goes on with the last one that was kept.
    Back,
}

fn step() -> impl Strategy<Value = Step> {
    // Equal beginnings, also beyond what is sorted by, and zeros at ends.
    let value = prop_oneof![
        proptest::collection::vec(0u8..2, 0..4),
        proptest::collection::vec(0u8..2, 0..3).prop_map(|end| [&[7; 11][..], &end].concat()),
    ];
    let change = (0u32..3, value, 0u64..4, any::<bool>(), any::<bool>());
    prop_oneof![
        20 => change.prop_map(|(a, v, e, added, at_once)| Step::Change { a, v, e, added, at_once }),
        1 => Just(Step::Look),
        1 => (0u32..3).prop_map(Step::LookAt),
        1 => Just(Step::Settle),
        1 => Just(Step::Clone),
        1 => Just(Step::Back),
    ]
}

fn rows(tree: &Tree<AveRow>, wanted: impl Fn(u32) -> bool) -> Vec<(At, bool)> {
    let row = |row: &AveRow| ((row.a.0, row.v.to_vec(), row.e), row.added);
    tree.iter().map(row).filter(|row| wanted(row.0.0)).collect()
}

fn check(ave: &AveRows, model: &Model) {
    assert!(rows(ave.tree(), |_| true).into_iter().eq(model.clone()));
}

proptest! {
    #![proptest_config(crate::store::tests::cases())]

    #[test]
    fn changes_wait_unseen(steps in proptest::collection::vec(step(), 0..200)) {
        let mut ave = AveRows::default();
        let mut model = Model::new();
        let mut kept = Vec::new();
        for step in steps {
            match step {
                Step::Change { a, v, e, added, at_once } => {
                    let row = AveRow { e, v: EncodedValue::from_bytes(&v), a: AttrId(a), added };
                    ave.change(row, at_once);
                    let place = (a, v, e);
                    match model.get(&place) {
                        Some(before) if *before != added => drop(model.remove(&place)),
                        _ => drop(model.insert(place, added)),
                    }
                }
                Step::Look => check(&ave, &model),
                Step::LookAt(a) => {
                    let expected = model.iter().filter(|(place, _)| place.0 == a);
                    let expected: Vec<_> = expected.map(|(place, added)| (place.clone(), *added)).collect();
                    prop_assert_eq!(rows(ave.tree_of(AttrId(a)), |other| other == a), expected);
                }
                Step::Settle => ave.settle(),
                Step::Clone => kept.push((ave.clone(), model.clone())),
                Step::Back => {
                    if let Some(last) = kept.pop() {
                        check(&ave, &model);
                        (ave, model) = last;
                    }
                }
            }
            prop_assert!(!ave.is_empty() || model.is_empty());
        }
        check(&ave, &model);
        kept.iter().for_each(|(ave, model)| check(ave, model));
    }
}

/// So many that the tree is made anew, then kept.
#[test]
fn many_changes_are_sorted() {
    let row = |n: u64| {
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let text = format!("p{:08x}{}", mixed % 300, mixed % 1000);
        AveRow {
            e: n,
            v: EncodedValue::str(&text),
            a: AttrId((mixed % 3) as u32),
            added: !n.is_multiple_of(7),
        }
    };
    let mut ave = AveRows::default();
    let mut model = Model::new();
    for part in [0..40_000u64, 40_000..50_000, 50_000..50_100] {
        for n in part {
            let row = row(n);
            model.insert((row.a.0, row.v.to_vec(), row.e), row.added);
            ave.change(row, false);
        }
        check(&ave, &model);
    }
}
