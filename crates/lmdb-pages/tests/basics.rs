//! The public interface on small tables, by hand.

mod common;

use common::{open, put, table};
use std::ops::Bound;

use lmdb_pages::{
    Cursor, Error, Lexicographic, NativeInteger, Place, Reader, ReverseBytes, Snapshot, TableFlags,
    count_range, estimate_range,
};

#[test]
fn a_fresh_environment_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.txn_id(), 0);
    assert!(snapshot.main().is_empty());
    assert!(snapshot.table("nothing").unwrap().is_none());
    let mut cursor = Cursor::<Lexicographic>::new(&snapshot, &snapshot.main()).unwrap();
    assert_eq!(cursor.first().unwrap(), None);
    assert_eq!(cursor.next().unwrap(), None);
    assert_eq!(cursor.prev().unwrap(), None);
    assert_eq!(cursor.seek(b"x").unwrap(), None);
    assert_eq!(cursor.seek_le(b"x").unwrap(), None);
    assert_eq!(cursor.dup_count().unwrap(), 0);
}

#[test]
fn plain_tables_are_walked_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let plain = table(&env, Some("plain"), TableFlags::empty());
    put(&env, plain, &[(b"b", b"2"), (b"d", b"4"), (b"a", b"1")]);
    let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.table_names().unwrap(), ["plain"]);
    let table = snapshot.table("plain").unwrap().unwrap();
    assert_eq!(table.entries(), 3);
    let mut cursor = Cursor::<Lexicographic>::new(&snapshot, &table).unwrap();
    assert_eq!(cursor.next().unwrap(), Some((&b"a"[..], &b"1"[..])));
    assert_eq!(cursor.next().unwrap(), Some((&b"b"[..], &b"2"[..])));
    assert_eq!(cursor.get(b"c").unwrap(), None);
    assert_eq!(cursor.current().unwrap(), None);
    assert_eq!(cursor.next().unwrap(), Some((&b"d"[..], &b"4"[..])), "the pair behind the gap");
    assert_eq!(cursor.next().unwrap(), None);
    assert_eq!(cursor.next().unwrap(), None);
    assert_eq!(cursor.prev().unwrap(), Some((&b"d"[..], &b"4"[..])), "back from the end");
    assert_eq!(cursor.seek(b"c").unwrap(), Some((&b"d"[..], &b"4"[..])));
    assert_eq!(cursor.seek_le(b"c").unwrap(), Some((&b"b"[..], &b"2"[..])));
    assert_eq!(cursor.prev().unwrap(), Some((&b"a"[..], &b"1"[..])));
    assert_eq!(cursor.prev().unwrap(), None);
    assert_eq!(cursor.next().unwrap(), Some((&b"a"[..], &b"1"[..])));
    assert_eq!(cursor.seek_le(b"A").unwrap(), None);
    assert_eq!(cursor.get(b"b").unwrap(), Some(&b"2"[..]));
}

#[test]
fn duplicates_are_counted_sought_and_read_packed() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let flags = TableFlags::DUP_SORT | TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP;
    let lists = table(&env, Some("lists"), flags);
    let mut txn = env.write_txn().unwrap();
    for (key, count) in [(b"few", 5u64), (b"one", 1), (b"two", 3000)] {
        for id in 0..count {
            lists.put(&mut txn, key, &(id * 10).to_ne_bytes()).unwrap();
        }
    }
    txn.commit().unwrap();
    let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
    let table = snapshot.table("lists").unwrap().unwrap();
    assert_eq!(table.entries(), 3006);
    assert!(matches!(
        Cursor::<Lexicographic, Lexicographic>::new(&snapshot, &table),
        Err(Error::WrongOrder { part: "duplicates", .. })
    ));
    let mut cursor = Cursor::<Lexicographic, NativeInteger>::new(&snapshot, &table).unwrap();
    for (key, count) in [(b"few", 5u64), (b"one", 1), (b"two", 3000)] {
        assert!(cursor.find(key).unwrap());
        assert_eq!(cursor.dup_count().unwrap(), count);
        let packed: Vec<u8> =
            cursor.dup_chunks().unwrap().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
        let expected: Vec<u8> = (0..count).flat_map(|id| (id * 10).to_ne_bytes()).collect();
        assert_eq!(packed, expected);
        assert_eq!(cursor.first_dup().unwrap(), Some(&0u64.to_ne_bytes()[..]));
        let last = ((count - 1) * 10).to_ne_bytes();
        assert_eq!(cursor.last_dup().unwrap(), Some(&last[..]));
        assert_eq!(cursor.next_dup().unwrap(), None);
    }
    assert_eq!(
        cursor.seek_dup(b"few", &11u64.to_ne_bytes()).unwrap(),
        Some((&b"few"[..], &20u64.to_ne_bytes()[..]))
    );
    assert_eq!(cursor.seek_dup(b"few", &41u64.to_ne_bytes()).unwrap(), None);
    assert_eq!(cursor.next().unwrap(), Some((&b"one"[..], &0u64.to_ne_bytes()[..])));
    assert_eq!(cursor.next_key().unwrap(), Some((&b"two"[..], &0u64.to_ne_bytes()[..])));
    assert_eq!(cursor.prev().unwrap(), Some((&b"one"[..], &0u64.to_ne_bytes()[..])));
    assert_eq!(cursor.prev().unwrap(), Some((&b"few"[..], &40u64.to_ne_bytes()[..])));
    assert_eq!(cursor.prev_dup().unwrap(), Some(&30u64.to_ne_bytes()[..]));
}

#[test]
fn keys_sort_by_the_tables_flags() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let integers = table(&env, Some("integers"), TableFlags::INTEGER_KEY);
    let reverse = table(&env, Some("reverse"), TableFlags::REVERSE_KEY);
    put(&env, integers, &[(&256u64.to_ne_bytes(), b"b"), (&3u64.to_ne_bytes(), b"a")]);
    put(&env, reverse, &[(b"az", b"2"), (b"za", b"1")]);
    let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
    let table = snapshot.table("integers").unwrap().unwrap();
    assert_eq!(table.flags(), TableFlags::INTEGER_KEY);
    assert!(matches!(
        Cursor::<ReverseBytes>::new(&snapshot, &table),
        Err(Error::WrongOrder { order: "ReverseBytes", part: "keys", .. })
    ));
    let mut cursor = Cursor::<NativeInteger>::new(&snapshot, &table).unwrap();
    assert_eq!(cursor.seek(&4u64.to_ne_bytes()).unwrap().unwrap().1, b"b");
    let table = snapshot.table("reverse").unwrap().unwrap();
    let mut cursor = Cursor::<ReverseBytes>::new(&snapshot, &table).unwrap();
    assert_eq!(cursor.first().unwrap(), Some((&b"za"[..], &b"1"[..])));
}

#[test]
fn snapshots_keep_their_state_and_are_shared() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let plain = table(&env, Some("plain"), TableFlags::empty());
    put(&env, plain, &[(b"a", b"1")]);
    let reader = Reader::new(&env).unwrap();
    let before = reader.snapshot().unwrap();
    assert_eq!(env.info().number_of_readers, 1);
    let same = reader.snapshot().unwrap();
    assert_eq!(env.info().number_of_readers, 1, "one slot for both");
    assert_eq!(same.txn_id(), before.txn_id());
    put(&env, plain, &[(b"a", b"2")]);
    let after = reader.snapshot().unwrap();
    assert_eq!(after.txn_id(), before.txn_id() + 1);
    let value = |snapshot: &Snapshot| {
        let table = snapshot.table("plain").unwrap().unwrap();
        Cursor::<Lexicographic>::new(snapshot, &table).unwrap().get(b"a").unwrap().unwrap().to_vec()
    };
    assert_eq!(value(&before), b"1");
    assert_eq!(value(&after), b"2");
    let foreign = before.table("plain").unwrap().unwrap();
    assert!(matches!(Cursor::<Lexicographic>::new(&after, &foreign), Err(Error::ForeignTable { .. })));
}

#[test]
fn a_value_is_found_again_by_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let plain = table(&env, Some("plain"), TableFlags::empty());
    let pairs: Vec<_> = (0..500u32).map(|n| (n.to_be_bytes(), vec![n as u8; n as usize * 3])).collect();
    put(&env, plain, &pairs.iter().map(|(key, value)| (&key[..], &value[..])).collect::<Vec<_>>());
    let reader = Reader::new(&env).unwrap();
    let snapshot = reader.snapshot().unwrap();
    let table = snapshot.table("plain").unwrap().unwrap();
    let mut places = Vec::new();
    for (key, value) in &pairs {
        let found = lmdb_pages::get::<Lexicographic>(&snapshot, &table, key).unwrap().unwrap();
        if value.len() <= 1000 {
            let place = snapshot.place_of(found).unwrap();
            assert_eq!(Place::from_bits(place.to_bits().unwrap()), place);
            places.push((place, value));
        }
    }
    drop(snapshot);
    let again = reader.snapshot().unwrap();
    for (place, value) in places {
        assert_eq!(again.at(place), Some(&value[..]));
    }
    // What was not lent has no place, and what is no place has no bytes.
    assert_eq!(again.place_of(&pairs[3].1), None);
    assert_eq!(again.at(Place::from_bits(9)), None);
    assert_eq!(again.at(Place::from_bits(u64::MAX)), None);
    let page = again.page_size() as u64;
    assert!(again.at(Place::from_bits((3 * page - 4) << 16 | 4)).is_some());
    assert_eq!(again.at(Place::from_bits((3 * page - 4) << 16 | 5)), None, "beyond the page");
}

#[test]
fn plain_entries_of_the_main_table_are_not_tables() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let main = table(&env, None, TableFlags::empty());
    put(&env, main, &[(b"plain", &[7; 3000])]);
    let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
    assert!(matches!(snapshot.table("plain"), Err(Error::NotATable { .. })));
    let mut cursor = Cursor::<Lexicographic>::new(&snapshot, &snapshot.main()).unwrap();
    assert_eq!(cursor.get(b"plain").unwrap(), Some(&[7; 3000][..]), "an overflow value");
}

#[test]
fn everything_crosses_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Reader>();
    crosses::<Snapshot>();
    crosses::<Cursor<'static, NativeInteger, ReverseBytes>>();
}

#[test]
fn ranges_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let env = open(dir.path());
    let plain = table(&env, Some("plain"), TableFlags::empty());
    let mut txn = env.write_txn().unwrap();
    for key in 0..20_000u32 {
        plain.put(&mut txn, &key.to_be_bytes(), b"value").unwrap();
    }
    txn.commit().unwrap();
    let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
    let table = snapshot.table("plain").unwrap().unwrap();
    let (low, high) = (5_000u32.to_be_bytes(), 15_000u32.to_be_bytes());
    let count = |low: Bound<&[u8]>, high: Bound<&[u8]>| {
        let count = count_range::<Lexicographic>(&snapshot, &table, low, high).unwrap();
        assert_eq!(count.keys, count.pairs);
        count.keys
    };
    assert_eq!(count(Bound::Unbounded, Bound::Unbounded), 20_000);
    assert_eq!(count(Bound::Included(&low), Bound::Included(&high)), 10_001);
    assert_eq!(count(Bound::Excluded(&low), Bound::Excluded(&high)), 9_999);
    assert_eq!(count(Bound::Excluded(&low), Bound::Excluded(&low)), 0);
    assert_eq!(count(Bound::Included(&high), Bound::Included(&low)), 0);
    let estimate =
        estimate_range::<Lexicographic>(&snapshot, &table, Bound::Included(&low), Bound::Included(&high))
            .unwrap();
    assert!((9_000..11_000).contains(&estimate), "{estimate}");
}
