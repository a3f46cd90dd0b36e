//! The pages suite: lmdb-pages' cursors beside heed and LMDB's C interface, on the same file in the same run.
//!
//! A million 8-byte keys in random order with 64-byte values, a list of a million integers, and a hundred thousand
//! lists of ten.

mod c_api;
mod works;

use std::time::Instant;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseFlags, Env, EnvFlags, EnvOpenOptions, RoTxn, WithoutTls};
use lmdb_pages::{Reader, Snapshot, Table, TableFlags};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::report::Report;
use c_api::CReader;
pub use works::{Work, works};

/// The systems of the suite's first table.
pub const SYSTEMS: &[&str] = &["factum", "heed", "lmdb-c"];

const MAP_SIZE: usize = 1 << 33;

type Raw = Database<'static, Bytes, Bytes>;

/// The file, and everyone who reads it.
pub struct Setup {
    keys: u64,
    c: CReader,
    heed_txn: RoTxn<'static, WithoutTls>,
    plain: Raw,
    lists: Raw,
    snapshot: Snapshot,
    reader: Reader,
    other_reader: Reader,
    env: Env<WithoutTls>,
    _dir: tempfile::TempDir,
}

fn key(number: u64) -> [u8; 8] {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
}

fn create(env: &Env<WithoutTls>, name: &str, flags: TableFlags) -> Raw {
    let txn = env.write_txn().expect("a write transaction");
    env.create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
        let mut options = opener.database_options().types::<Bytes, Bytes>();
        options.flags(DatabaseFlags::from_bits_retain(flags.bits().into())).name(name);
        options.create(txn).map(CommitOrAbort::<_, ()>::Commit)
    })
    .expect("a table")
    .unwrap_commit()
}

impl Setup {
    /// Writes the file with so many keys, and opens it for everyone.
    #[expect(unsafe_code, reason = "opening an environment is unsafe in heed")]
    pub fn new(keys: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_SIZE).max_dbs(8);
        // SAFETY: the file is new; a crash may lose it.
        let env = unsafe { options.flags(EnvFlags::NO_SYNC).open(dir.path()) }.expect("an environment");
        let plain = create(&env, "plain", TableFlags::empty());
        let lists =
            create(&env, "lists", TableFlags::DUP_SORT | TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP);
        let mut txn = env.write_txn().expect("a write transaction");
        for number in 0..keys {
            plain.put(&mut txn, &key(number), &[number as u8; 64]).expect("a put");
        }
        for number in 0..keys {
            lists.put(&mut txn, b"one list", &(number * 3).to_ne_bytes()).expect("a put");
            lists.put(&mut txn, &key(number / 10), &(number * 3).to_ne_bytes()).expect("a put");
        }
        txn.commit().expect("a commit");
        let reader = Reader::new(&env).expect("a reader");
        let snapshot = reader.snapshot().expect("a snapshot");
        let other_reader = Reader::new(&env).expect("a reader");
        let heed_txn = env.clone().static_read_txn().expect("a read transaction");
        let c = CReader::open(dir.path(), MAP_SIZE);
        Self { keys, c, heed_txn, plain, lists, snapshot, reader, other_reader, env, _dir: dir }
    }

    fn table(&self, name: &str) -> Table {
        self.snapshot.table(name).expect("a sound file").expect("the table")
    }

    fn random_keys(&self) -> Vec<[u8; 8]> {
        let mut rng = StdRng::seed_from_u64(1);
        (0..self.keys / 5).map(|_| key(rng.random_range(0..self.keys))).collect()
    }
}

/// Runs all works in rounds in which the systems take turns; nanoseconds an element, of the best round.
pub fn run(keys: u64, rounds: usize) -> Report {
    let setup = Setup::new(keys);
    let mut report = Report::new("pages");
    for work in works(&setup) {
        let answers: Vec<u64> = work.ways.iter().map(|(_, way)| way()).collect();
        let agree = !work.comparable || answers.windows(2).all(|pair| pair[0] == pair[1]);
        assert!(agree, "{}: the systems disagree: {answers:?}", work.name);
        let mut best = vec![f64::INFINITY; work.ways.len()];
        for round in 0..rounds {
            for turn in 0..work.ways.len() {
                let index = (turn + round) % work.ways.len();
                let start = Instant::now();
                std::hint::black_box((work.ways[index].1)());
                let time = start.elapsed().as_nanos() as f64 / work.elements as f64;
                best[index] = best[index].min(time);
            }
        }
        let figure = |system: &str| work.ways.iter().position(|way| way.0 == system).map(|at| best[at]);
        let row = |systems: &[&'static str]| -> Vec<(&'static str, f64)> {
            systems.iter().filter_map(|system| Some((*system, figure(system)?))).collect()
        };
        report.row(work.name, "ns", &row(SYSTEMS));
        // Another way of a system makes a row of its own, beside the same peers.
        for (index, (name, _)) in work.ways.iter().enumerate() {
            let Some((system, how)) = name.split_once(", ") else { continue };
            let mut others = row(SYSTEMS);
            others.iter_mut().filter(|other| other.0 == system).for_each(|other| other.1 = best[index]);
            report.row(format!("{} ({system} {how})", work.name), "ns", &others);
        }
    }
    report
}
