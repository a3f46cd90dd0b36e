//! What becomes of leases and of states: who shares them, when they rest, what is kept.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Raw, open, put, table};
use heed::{Env, RoTxn, WithoutTls};
use lmdb_pages::{IdleLease, Lease, Reader, Result, Snapshot, TableFlags};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// How many leases hold each state.
#[derive(Clone, Default)]
struct Book {
    leases: Arc<Mutex<BTreeMap<u64, usize>>>,
    /// What the next lease is made of, if not of the newest state.
    prepared: Arc<Mutex<Option<RoTxn<'static, WithoutTls>>>>,
}

impl Book {
    fn holds(&self, txn_id: u64) -> bool {
        self.leases.lock().unwrap().contains_key(&txn_id)
    }

    fn leases(&self) -> usize {
        self.leases.lock().unwrap().values().sum()
    }
}

/// A lease of heed's that is entered in a book, and can rest.
struct Entered {
    txn: RoTxn<'static, WithoutTls>,
    env: Env<WithoutTls>,
    book: Book,
}

impl Entered {
    fn begin(env: &Env<WithoutTls>, book: &Book) -> Result<Box<dyn Lease>> {
        let txn = book.prepared.lock().unwrap().take();
        let txn = txn.map_or_else(|| env.clone().static_read_txn(), Ok)?;
        *book.leases.lock().unwrap().entry(txn.id() as u64).or_default() += 1;
        Ok(Box::new(Entered { txn, env: env.clone(), book: book.clone() }))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut book = self.book.leases.lock().unwrap();
        let id = self.txn.id() as u64;
        let leases = book.get_mut(&id).unwrap();
        *leases -= 1;
        if *leases == 0 {
            book.remove(&id);
        }
    }
}

#[expect(unsafe_code, reason = "the trait is")]
// SAFETY: as heed's own, which is held until this is dropped.
unsafe impl Lease for Entered {
    fn txn_id(&self) -> u64 {
        self.txn.id() as u64
    }

    fn rest(self: Box<Self>) -> Option<Box<dyn IdleLease>> {
        Some(Box::new(Idle { env: self.env.clone(), book: self.book.clone() }))
    }
}

struct Idle {
    env: Env<WithoutTls>,
    book: Book,
}

impl IdleLease for Idle {
    fn renew(self: Box<Self>) -> Result<Box<dyn Lease>> {
        Entered::begin(&self.env, &self.book)
    }
}

struct Place {
    _dir: tempfile::TempDir,
    env: Env<WithoutTls>,
    numbers: Raw,
    book: Book,
    reader: Reader,
}

impl Place {
    fn new(idle_max: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env = open(dir.path());
        let numbers = table(&env, None, TableFlags::empty());
        let book = Book::default();
        let (begun_in, entered_in) = (env.clone(), book.clone());
        let reader =
            Reader::with_leases(&env, idle_max, move || Entered::begin(&begun_in, &entered_in)).unwrap();
        Self { _dir: dir, env, numbers, book, reader }
    }

    /// Makes a new state, in which every key has the number as its value.
    fn write(&self, number: u64) {
        let values: Vec<_> = (0..40u8).map(|key| ([key], number.to_be_bytes().repeat(30))).collect();
        let pairs: Vec<(&[u8], &[u8])> = values.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        put(&self.env, self.numbers, &pairs);
    }

    fn living(&self) -> Vec<u64> {
        self.reader.living().snapshots().iter().map(|living| living.txn_id).collect()
    }
}

/// The number that was written, which is everywhere the same.
fn number(snapshot: &Snapshot) -> u64 {
    let main = snapshot.main();
    let read = |key: u8| {
        let value = lmdb_pages::get::<lmdb_pages::Lexicographic>(snapshot, &main, &[key]).unwrap().unwrap();
        assert!(value.as_chunks::<8>().0.windows(2).all(|pair| pair[0] == pair[1]), "a torn value");
        u64::from_be_bytes(*value.first_chunk().unwrap())
    };
    let number = read(0);
    assert!((1..40).all(|key| read(key) == number), "a torn state");
    number
}

#[test]
fn snapshots_of_a_state_share_one_lease_until_the_last_is_dropped() {
    let place = Place::new(4);
    place.write(1);
    let first = place.reader.snapshot().unwrap();
    let (again, clone) = (place.reader.snapshot().unwrap(), first.clone());
    assert_eq!((place.book.leases(), place.living()), (1, vec![first.txn_id()]));
    place.write(2);
    let second = place.reader.snapshot().unwrap();
    assert_eq!((place.book.leases(), place.living()), (2, vec![first.txn_id(), second.txn_id()]));
    drop(first);
    drop(again);
    assert_eq!(place.book.leases(), 2);
    assert_eq!((number(&clone), number(&second)), (1, 2));
    drop(clone);
    assert_eq!((place.book.leases(), place.living()), (1, vec![second.txn_id()]));
    drop(second);
    assert_eq!((place.book.leases(), place.living()), (0, vec![]));
}

#[test]
fn the_environment_closes_after_the_last_reader_and_snapshot() {
    for idle_max in [0, 4] {
        let place = Place::new(idle_max);
        place.write(1);
        let first = place.reader.snapshot().unwrap();
        place.write(2);
        number(&place.reader.snapshot().unwrap());
        let Place { _dir, env, numbers, book, reader } = place;
        let (living, again, closing) = (reader.living(), reader.clone(), env.prepare_for_closing());
        drop((reader, numbers));
        // One state is kept, another one is being read.
        number(&again.snapshot().unwrap());
        drop(again);
        assert_eq!((living.snapshots().len(), number(&first), book.leases()), (1, 1, 1));
        assert!(!closing.wait_timeout(Duration::ZERO));
        drop(first);
        // Nobody keeps it open, and the living know it.
        assert!(closing.wait_timeout(Duration::ZERO));
        assert_eq!((living.snapshots(), book.leases()), (vec![], 0));
    }
}

#[test]
fn a_state_is_shared_though_a_newer_one_is_being_committed() {
    let place = Place::new(4);
    place.write(1);
    let first = place.reader.snapshot().unwrap();
    // LMDB writes the meta page before it lends the new state, so a lease may be on the one before.
    *place.book.prepared.lock().unwrap() = Some(place.env.clone().static_read_txn().unwrap());
    place.write(2);
    let again = place.reader.snapshot().unwrap();
    assert_eq!((number(&again), again.txn_id()), (1, first.txn_id()));
    assert_eq!((place.book.leases(), place.living()), (1, vec![first.txn_id()]));
    assert_eq!(number(&place.reader.snapshot().unwrap()), 2);
    drop(first);
    assert_eq!(number(&again), 1);
}

#[test]
fn idle_leases_are_limited_and_released() {
    let place = Place::new(2);
    let snapshots: Vec<_> = (0..4)
        .map(|number| {
            place.write(number);
            place.reader.snapshot().unwrap()
        })
        .collect();
    assert_eq!((place.book.leases(), place.reader.release_idle()), (4, 0));
    drop(snapshots);
    assert_eq!((place.book.leases(), place.reader.release_idle()), (0, 2));
    assert_eq!(place.reader.release_idle(), 0);
    assert_eq!(number(&place.reader.snapshot().unwrap()), 3);
    assert_eq!(place.reader.release_idle(), 1);
}

#[test]
fn a_memo_stays_with_its_state() {
    fn memo(snapshot: &Snapshot) -> &AtomicU64 {
        snapshot.memo().unwrap()
    }
    for idle_max in [0, 4] {
        let place = Place::new(idle_max);
        place.write(1);
        let first = place.reader.snapshot().unwrap();
        assert_eq!(memo(&first).swap(7, Ordering::Relaxed), 0);
        assert!(first.memo::<AtomicUsize>().is_none(), "there is room for one");
        assert_eq!(memo(&first.clone()).load(Ordering::Relaxed), 7);
        assert_eq!(memo(&place.reader.snapshot().unwrap()).load(Ordering::Relaxed), 7);
        drop(first);
        // Nobody reads, but the state is still the newest.
        let first = place.reader.snapshot().unwrap();
        assert_eq!(memo(&first).load(Ordering::Relaxed), 7);
        place.write(2);
        let second = place.reader.snapshot().unwrap();
        assert_eq!(memo(&second).swap(8, Ordering::Relaxed), 0);
        drop(second);
        // The older state ends after the newer one, which stays the one that is kept.
        assert_eq!(memo(&first).load(Ordering::Relaxed), 7);
        drop(first);
        assert_eq!(memo(&place.reader.snapshot().unwrap()).load(Ordering::Relaxed), 8);
    }
}

/// Drops what else it is given, with the reader in its hands.
#[derive(Default)]
struct Curious(Mutex<Option<Reader>>);

impl Drop for Curious {
    fn drop(&mut self) {
        if let Some(reader) = self.0.get_mut().unwrap() {
            reader.snapshot().unwrap();
        }
    }
}

#[test]
fn a_memo_may_use_the_reader_when_it_is_dropped() {
    let place = Place::new(4);
    let remember = |snapshot: &Snapshot| {
        *snapshot.memo::<Curious>().unwrap().0.lock().unwrap() = Some(place.reader.clone());
    };
    place.write(1);
    let first = place.reader.snapshot().unwrap();
    remember(&first);
    place.write(2);
    let second = place.reader.snapshot().unwrap();
    remember(&second);
    // One that is not kept, as there is a newer one; one that was kept, when there is a newer one.
    drop(first);
    drop(second);
    place.write(3);
    let third = place.reader.snapshot().unwrap();
    assert_eq!(number(&third), 3);
    assert_eq!(place.living(), [third.txn_id()]);
}

#[test]
fn a_snapshot_has_a_lease_however_threads_take_and_drop_them() {
    let place = Place::new(2);
    place.write(0);
    let (stop, checked) = (AtomicBool::new(false), AtomicU64::new(0));
    // What threads hand to each other.
    let table = Mutex::new(Vec::<Snapshot>::new());
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (place, stop, checked, table) = (&place, &stop, &checked, &table);
            scope.spawn(move || {
                let mut random = SmallRng::seed_from_u64(seed);
                let mut own: Vec<Snapshot> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match random.random_range(0..10) {
                        // Alone with the newest state, more often than not: taken and dropped again.
                        0..5 => own.push(place.reader.snapshot().unwrap()),
                        5 => own.extend(own.last().cloned()),
                        6 => table.lock().unwrap().extend(own.pop()),
                        7 => own.extend(table.lock().unwrap().pop()),
                        _ => own.clear(),
                    }
                    for snapshot in own.iter().rev().take(2) {
                        assert!(place.book.holds(snapshot.txn_id()), "nobody holds {snapshot:?}");
                    }
                    if random.random_ratio(1, 20)
                        && let Some(snapshot) = own.first()
                    {
                        number(snapshot);
                        checked.fetch_add(1, Ordering::Relaxed);
                    }
                    own.truncate(3);
                }
            });
        }
        let (start, mut written) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(1500) {
            written += 1;
            place.write(written);
            std::thread::sleep(Duration::from_micros(written % 4 * 200));
        }
        stop.store(true, Ordering::Relaxed);
    });
    table.lock().unwrap().clear();
    assert!(checked.load(Ordering::Relaxed) > 100);
    assert_eq!((place.book.leases(), place.living()), (0, vec![]));
    assert!(place.reader.release_idle() <= 2);
}
