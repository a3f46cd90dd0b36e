//! Cursors against heed and against sorted sets, on tables that were written, overwritten and deleted at random.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::ops::{Bound, ControlFlow};

use common::model::{Model, NaiveCursor, Pair};
use common::shape::{SHAPES, Shape};
use common::twin::{Twin, Write, write};
use common::{cases, open, table, with_orders};
use lmdb_pages::{Cursor, Order, Reader, Snapshot, Table, count_range, estimate_range};
use proptest::prelude::*;

/// A movement of a cursor.
#[derive(Clone, Debug)]
enum Move {
    First,
    Last,
    Next(u8),
    Prev(u8),
    NextKey(u8),
    PrevKey(u8),
    Seek(u16),
    SeekExact(u16),
    SeekLe(u16),
    /// Many exact seeks at even distances, rising or falling in the table's order.
    SortedSeeks {
        from: u16,
        stride: u16,
        count: u8,
        falling: bool,
    },
    Find(u16),
    FirstDup,
    LastDup,
    NextDup(u8),
    PrevDup(u8),
    SeekDup(u16, u16),
    SeekDupInKey(u16),
    DupCount,
    DupChunks,
    /// All pages of the current key's values, forward and backward.
    DupPages,
    /// Many pairs in a row.
    Visit {
        back: bool,
        end: u16,
        bound: u8,
        count: u16,
    },
    Current,
}

fn movement() -> impl Strategy<Value = Move> {
    let key = || prop_oneof![3 => 0..48u16, 2 => any::<u16>()];
    prop_oneof![
        Just(Move::First),
        Just(Move::Last),
        (1..40u8).prop_map(Move::Next),
        (1..40u8).prop_map(Move::Prev),
        (1..6u8).prop_map(Move::NextKey),
        (1..6u8).prop_map(Move::PrevKey),
        key().prop_map(Move::Seek),
        key().prop_map(Move::SeekExact),
        key().prop_map(Move::SeekLe),
        (key(), prop_oneof![1..4u16, 1..400u16], 2..60u8, any::<bool>())
            .prop_map(|(from, stride, count, falling)| Move::SortedSeeks { from, stride, count, falling }),
        key().prop_map(Move::Find),
        Just(Move::FirstDup),
        Just(Move::LastDup),
        (1..9u8).prop_map(Move::NextDup),
        (1..9u8).prop_map(Move::PrevDup),
        (key(), any::<u16>()).prop_map(|(key, value)| Move::SeekDup(key, value)),
        any::<u16>().prop_map(Move::SeekDupInKey),
        Just(Move::DupCount),
        Just(Move::DupChunks),
        Just(Move::DupPages),
        (any::<bool>(), key(), 0..3u8, 1..400u16).prop_map(|(back, end, bound, count)| Move::Visit {
            back,
            end,
            bound,
            count
        }),
        Just(Move::Current),
    ]
}

fn owned(pair: Option<lmdb_pages::Pair<'_>>) -> Option<Pair> {
    pair.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

/// Makes the same movement with both cursors.
fn compare_move<K: Order, D: Order>(
    shape: &Shape,
    movement: &Move,
    ours: &mut Cursor<'_, K, D>,
    naive: &mut NaiveCursor,
) {
    let key = |seed| shape.key.make(seed);
    let value = |seed| shape.value.make(seed);
    let bytes = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
    match *movement {
        Move::First => assert_eq!(owned(ours.first().unwrap()), naive.first()),
        Move::Last => assert_eq!(owned(ours.last().unwrap()), naive.last()),
        Move::Next(times) => (0..times).for_each(|_| assert_eq!(owned(ours.next().unwrap()), naive.next())),
        Move::Prev(times) => (0..times).for_each(|_| assert_eq!(owned(ours.prev().unwrap()), naive.prev())),
        Move::NextKey(times) => {
            (0..times).for_each(|_| assert_eq!(owned(ours.next_key().unwrap()), naive.next_key()));
        }
        Move::PrevKey(times) => {
            (0..times).for_each(|_| assert_eq!(owned(ours.prev_key().unwrap()), naive.prev_key()));
        }
        Move::Seek(seed) => assert_eq!(owned(ours.seek(&key(seed)).unwrap()), naive.seek(&key(seed))),
        Move::SeekExact(seed) => {
            let expected = naive.seek_exact(&key(seed));
            assert_eq!(owned(ours.seek_exact(&key(seed)).unwrap()), expected);
            assert_eq!(bytes(ours.get(&key(seed)).unwrap()), expected.map(|pair| pair.1));
        }
        Move::SeekLe(seed) => assert_eq!(owned(ours.seek_le(&key(seed)).unwrap()), naive.seek_le(&key(seed))),
        Move::SortedSeeks { from, stride, count, falling } => {
            let mut keys: Vec<_> =
                (0..u16::from(count)).map(|i| key(from.wrapping_add(stride.wrapping_mul(i)))).collect();
            keys.sort_by(|a, b| if falling { K::compare(b, a) } else { K::compare(a, b) });
            for key in keys {
                assert_eq!(owned(ours.seek_exact(&key).unwrap()), naive.seek_exact(&key));
            }
        }
        Move::Find(seed) => {
            assert_eq!(ours.find(&key(seed)).unwrap(), naive.seek_exact(&key(seed)).is_some());
        }
        Move::FirstDup => assert_eq!(bytes(ours.first_dup().unwrap()), naive.first_dup()),
        Move::LastDup => assert_eq!(bytes(ours.last_dup().unwrap()), naive.last_dup()),
        Move::NextDup(times) => {
            (0..times).for_each(|_| assert_eq!(bytes(ours.next_dup().unwrap()), naive.next_dup()));
        }
        Move::PrevDup(times) => {
            (0..times).for_each(|_| assert_eq!(bytes(ours.prev_dup().unwrap()), naive.prev_dup()));
        }
        Move::SeekDup(k, v) if shape.dups() => {
            let expected = naive.seek_dup(&key(k), &value(v));
            assert_eq!(owned(ours.seek_dup(&key(k), &value(v)).unwrap()), expected);
        }
        Move::SeekDupInKey(v) if shape.dups() => {
            let expected = naive.seek_dup_in_key(&value(v));
            assert_eq!(bytes(ours.seek_dup_in_key(&value(v)).unwrap()), expected);
        }
        Move::SeekDup(..) | Move::SeekDupInKey(_) => {}
        Move::DupCount => assert_eq!(ours.dup_count().unwrap(), naive.dup_count()),
        Move::DupChunks => {
            let chunks: Vec<u8> =
                ours.dup_chunks().unwrap().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
            let dups = naive.dups();
            assert_eq!(chunks, dups);
            let mut chunks: Vec<&[u8]> = ours.dup_chunks_back().unwrap().map(Result::unwrap).collect();
            chunks.reverse();
            assert_eq!(chunks.concat(), dups);
        }
        Move::DupPages => {
            let (dups, last) = (naive.dups(), naive.last_dup());
            ours.first_dup().unwrap();
            let mut pages: Vec<&[u8]> = ours.dup_page().unwrap().into_iter().collect();
            while let Some(page) = ours.next_dup_page().unwrap() {
                pages.push(page);
            }
            assert_eq!(pages.concat(), dups);
            assert_eq!(bytes(ours.current().unwrap().map(|pair| pair.1)), last);
            let mut pages: Vec<&[u8]> = ours.dup_page().unwrap().into_iter().collect();
            while let Some(page) = ours.prev_dup_page().unwrap() {
                pages.push(page);
            }
            pages.reverse();
            assert_eq!(pages.concat(), dups);
            assert_eq!(bytes(ours.first_dup().unwrap()), naive.first_dup());
        }
        Move::Visit { back, end, bound, count } => {
            let (end, mut visited) = (key(end), Vec::new());
            let end = match bound {
                0 => Bound::Included(&end[..]),
                1 => Bound::Excluded(&end[..]),
                _ => Bound::Unbounded,
            };
            let visit = |pair| {
                visited.extend(owned(Some(pair)));
                if visited.len() == usize::from(count) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let flow = if back { ours.visit_prev(end, visit) } else { ours.visit_next(end, visit) };
            assert_eq!(flow.unwrap().is_break(), visited.len() == usize::from(count));
            assert_eq!(visited, naive.visit(back, end, count.into()));
            assert_eq!(owned(ours.current().unwrap()), naive.current());
        }
        Move::Current => {
            assert_eq!(owned(ours.current().unwrap()), naive.current());
            assert_eq!(bytes(ours.current_key().unwrap()), naive.current().map(|pair| pair.0));
        }
    }
}

fn read_both_ways<K: Order, D: Order>(snapshot: &Snapshot, table: &Table, pairs: &[Pair]) {
    let mut cursor = Cursor::<K, D>::new(snapshot, table).unwrap();
    for pair in pairs {
        assert_eq!(owned(cursor.next().unwrap()).as_ref(), Some(pair));
    }
    assert_eq!(cursor.next().unwrap(), None);
    for pair in pairs.iter().rev() {
        assert_eq!(owned(cursor.prev().unwrap()).as_ref(), Some(pair));
    }
    assert_eq!(cursor.prev().unwrap(), None);
    assert_eq!(table.entries(), pairs.len() as u64);
}

fn check<K: Order, D: Order>(
    twin: &Twin,
    snapshot: &Snapshot,
    pairs: &[Pair],
    moves: &[Move],
    ranges: &[(u16, u16)],
) {
    let table = snapshot.table("t").unwrap().unwrap();
    assert_eq!(table.flags(), twin.shape.flags);
    read_both_ways::<K, D>(snapshot, &table, pairs);

    let mut naive = twin.model.cursor();
    let mut cursor = Cursor::<K, D>::new(snapshot, &table).unwrap();
    for movement in moves {
        compare_move(&twin.shape, movement, &mut cursor, &mut naive);
        if let Move::Seek(seed) | Move::SeekExact(seed) = movement {
            let key = twin.shape.key.make(*seed);
            let expected = pairs.iter().find(|pair| pair.0 == key).map(|pair| &pair.1[..]);
            assert_eq!(lmdb_pages::get::<K>(snapshot, &table, &key).unwrap(), expected);
        }
    }

    for (from, to) in ranges {
        let (from, to) = (twin.shape.key.make(*from), twin.shape.key.make(*to));
        for (low, high) in [
            (Bound::Included(&from[..]), Bound::Included(&to[..])),
            (Bound::Excluded(&from), Bound::Excluded(&to)),
            (Bound::Unbounded, Bound::Excluded(&to)),
            (Bound::Included(&from), Bound::Unbounded),
            (Bound::Unbounded, Bound::Unbounded),
        ] {
            let expected = naive.count(low, high);
            let count = count_range::<K>(snapshot, &table, low, high).unwrap();
            assert_eq!((count.keys, count.pairs), expected);
            let estimate = estimate_range::<K>(snapshot, &table, low, high).unwrap();
            assert!(estimate <= table.entries());
            assert_eq!(estimate == 0, expected.1 == 0);
        }
    }
}

/// The checker finds nothing wrong in what LMDB writes, and counts the same.
fn check_whole_file(snapshot: &Snapshot, pairs: &[Pair]) {
    let report = lmdb_pages::check::check(snapshot);
    assert!(report.is_sound(), "{:?}", report.problems);
    let table = report.tables.iter().find(|table| table.name == "t").unwrap();
    assert_eq!(table.pairs, pairs.len() as u64);
    let keys: std::collections::BTreeSet<_> = pairs.iter().map(|pair| &pair.0).collect();
    assert_eq!(table.keys, keys.len() as u64);
}

fn history(shape: Shape, writes: &[Write], moves: &[Move], ranges: &[(u16, u16)]) {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let reader = Reader::new(&env).unwrap();
    let table = table(&env, Some("t"), shape.flags);
    let mut twin = Twin { shape, env, table, model: Model::new(shape.flags) };
    let mut older: Vec<(Snapshot, Vec<Pair>)> = Vec::new();
    for batch in writes.split(|write| matches!(write, Write::Commit)) {
        twin.apply(batch);
        let pairs = twin.model.pairs();
        assert_eq!(twin.heed_pairs(), pairs, "the model must agree with LMDB");
        let snapshot = reader.snapshot().unwrap();
        with_orders!(shape.flags, K, D => check::<K, D>(&twin, &snapshot, &pairs, moves, ranges));
        check_whole_file(&snapshot, &pairs);
        older.push((snapshot, pairs));
    }
    // Later transactions have not changed what the earlier snapshots hold; from another thread, too.
    std::thread::scope(|scope| {
        for (snapshot, pairs) in &older {
            scope.spawn(move || {
                let table = snapshot.table("t").unwrap().unwrap();
                with_orders!(shape.flags, K, D => read_both_ways::<K, D>(snapshot, &table, pairs));
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cursors_agree_with_heed_and_the_model(
        shape in proptest::sample::select(SHAPES),
        writes in proptest::collection::vec(write(), 1..40),
        moves in proptest::collection::vec(movement(), 1..60),
        ranges in proptest::collection::vec((any::<u16>(), any::<u16>()), 2),
    ) {
        history(shape, &writes, &moves, &ranges);
    }
}

#[test]
fn every_shape_grows_deep_and_is_emptied_and_refilled() {
    let moves: Vec<Move> =
        [Move::First, Move::DupChunks, Move::DupPages, Move::Last, Move::DupCount, Move::DupChunks].to_vec();
    for shape in SHAPES {
        let grow = [
            Write::PutKeys { key: 0, stride: 7, count: 4000 },
            Write::PutDups { key: 7, value: 0, count: 3000 },
            Write::PutDups { key: 14, value: 900, count: 40 },
        ];
        let shrink = [
            Write::DeleteDups { key: 7, value: 3, count: 2990 },
            Write::DeleteKeys { key: 21, stride: 7, count: 3990 },
        ];
        let writes: Vec<Write> =
            [&grow[..], &[Write::Commit], &shrink, &[Write::Commit, Write::Clear], &grow].concat();
        history(*shape, &writes, &moves, &[(7, 14), (500, 30_000)]);
    }
}
