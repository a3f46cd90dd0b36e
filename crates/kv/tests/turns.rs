//! What passes from one write transaction to the next: threads take turns in every way there is, and what they commit, take back,
//! clear and drop is compared with sorted maps after each turn.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Mutex;
use std::time::Duration;

use factum_kv::{Dbi, DbiFlags, DbiOptions, Durability, Env, EnvOptions, Error, Read, WriteTxn};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

type Pairs = BTreeSet<(Vec<u8>, Vec<u8>)>;

/// The tables, and what should be in them.
#[derive(Clone)]
struct Model {
    tables: Vec<(Dbi, Pairs)>,
}

fn options(table: usize) -> DbiOptions {
    match table {
        0 => DbiOptions::new(),
        1 => DbiOptions::new().counted(true),
        2 => DbiFlags::DUPSORT.into(),
        _ => DbiOptions::from(DbiFlags::DUPSORT).counted(true),
    }
}

const NAMES: [&str; 4] = ["plain", "counted", "list", "counted list"];

impl Model {
    fn is_list(table: usize) -> bool {
        table >= 2
    }

    /// One change, to the table and to what should be in it.
    fn change(&mut self, txn: &mut WriteTxn<'_>, random: &mut StdRng) -> Result<(), Error> {
        let table = random.random_range(0..NAMES.len());
        let (dbi, pairs) = &mut self.tables[table];
        let greatest = pairs.last().map_or(0, |(key, _)| number(key));
        let key = match random.random_range(0..3) {
            0 => greatest + 1,
            1 => greatest,
            _ => random.random_range(0..=greatest + 1),
        };
        let (key, value) = (key.to_be_bytes().to_vec(), vec![random.random_range(0..3); 3]);
        match random.random_range(0..24) {
            0..14 => {
                if !Self::is_list(table) {
                    pairs.retain(|(other, _)| *other != key);
                }
                txn.put(dbi, &key, &value)?;
                pairs.insert((key, value));
            }
            14..18 => {
                let there = pairs.iter().any(|(other, _)| *other == key);
                assert_eq!(txn.delete(dbi, &key)?, there);
                pairs.retain(|(other, _)| *other != key);
            }
            18..20 if Self::is_list(table) => {
                assert_eq!(txn.delete_dup(dbi, &key, &value)?, pairs.remove(&(key, value)));
            }
            18..20 => {
                let found = pairs.iter().find(|(other, _)| *other == key).map(|(_, value)| &value[..]);
                assert_eq!(txn.get(dbi, &key)?, found);
            }
            20 => {
                txn.clear(dbi)?;
                pairs.clear();
            }
            21 if !txn.is_nested() => {
                txn.drop_dbi(dbi)?;
                *dbi = txn.open_dbi(NAMES[table], options(table))?;
                pairs.clear();
            }
            22 if !txn.is_nested() => drop(txn.heed()?),
            _ => {
                let mut inside = self.clone();
                let mut nested = txn.nested()?;
                for _ in 0..random.random_range(0..3) {
                    inside.change(&mut nested, random)?;
                }
                if random.random() {
                    nested.commit()?;
                    *self = inside;
                }
            }
        }
        Ok(())
    }

    /// What is read is what should be there.
    fn check(&self, read: &impl Read) {
        for (table, (dbi, pairs)) in self.tables.iter().enumerate() {
            let mut cursor = read.cursor(dbi).unwrap();
            let mut found = Pairs::new();
            let mut pair = cursor.first().unwrap();
            while let Some((key, value)) = pair {
                assert!(found.insert((key.to_vec(), value.to_vec())), "{} has a pair twice", NAMES[table]);
                pair = cursor.next().unwrap();
            }
            assert_eq!(found, *pairs, "{}", NAMES[table]);
            assert_eq!(read.entries(dbi).unwrap(), pairs.len() as u64);
            let count = read.count(dbi, Bound::Unbounded, Bound::Unbounded).unwrap();
            let keys: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (key, value)).collect();
            assert_eq!((count.keys, count.pairs), (keys.len() as u64, pairs.len() as u64));
        }
    }
}

fn number(key: &[u8]) -> u32 {
    u32::from_be_bytes(key.try_into().unwrap())
}

/// Some changes; says whether they are to be committed.
fn work(txn: &mut WriteTxn<'_>, model: &mut Model, random: &mut StdRng) -> bool {
    for _ in 0..random.random_range(0..4) {
        model.change(txn, random).unwrap();
    }
    random.random_range(0..4) > 0
}

/// A turn, in one of the ways to take it.
fn turn(env: &Env, shared: &Mutex<Model>, random: &mut StdRng) {
    let commit_in = |mut txn: WriteTxn<'_>, random: &mut StdRng| {
        let mut model = shared.lock().unwrap();
        let mut next = model.clone();
        match (work(&mut txn, &mut next, random), random.random()) {
            (true, _) => {
                txn.commit().unwrap();
                *model = next;
            }
            (false, true) => {
                txn.roll_back();
                txn.commit().unwrap();
            }
            (false, false) => drop(txn),
        }
        model.check(&env.read().unwrap());
    };
    match random.random_range(0..4) {
        0 => commit_in(env.write().unwrap(), random),
        1 => match env.try_write(Duration::from_micros(random.random_range(0..500))) {
            Ok(txn) => commit_in(txn, random),
            Err(error) => assert_eq!(error.code(), ":kv/writer-busy"),
        },
        2 => {
            let mut txn = env.write_owned().unwrap();
            let mut model = shared.lock().unwrap();
            let mut next = model.clone();
            if txn.with(|txn| work(txn, &mut next, random)) {
                txn.commit().unwrap();
                *model = next;
            }
        }
        _ => {
            let turn = env.turn().unwrap();
            for _ in 0..random.random_range(0..3) {
                let mut txn = turn.write().unwrap();
                let mut model = shared.lock().unwrap();
                let mut next = model.clone();
                if txn.with(|txn| work(txn, &mut next, random)) {
                    txn.commit().unwrap();
                    *model = next;
                }
            }
        }
    }
}

#[test]
fn what_passes_from_turn_to_turn_is_true() {
    let cases = std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    for case in 0..cases {
        let dir = tempfile::tempdir().unwrap();
        let durability = if case % 3 == 2 { Durability::WalLater } else { Durability::None };
        let env = EnvOptions::new().durability(durability).open(dir.path()).unwrap();
        let open =
            |(table, name): (usize, &&str)| (env.open_dbi(name, options(table)).unwrap(), Pairs::new());
        let model = Mutex::new(Model { tables: NAMES.iter().enumerate().map(open).collect() });
        let threads = case % 3 + 1;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (env, model) = (env.clone(), &model);
                let mut random = StdRng::seed_from_u64(case * 10 + thread);
                scope.spawn(move || (0..150 / threads).for_each(|_| turn(&env, model, &mut random)));
            }
        });
        let model = model.into_inner().unwrap();
        model.check(&env.read().unwrap());
        drop(env);
        // And what is in the file is the same.
        let env = EnvOptions::new().durability(durability).open(dir.path()).unwrap();
        let reopen = |(table, (_, pairs)): (usize, &(Dbi, Pairs))| {
            (env.existing_dbi(NAMES[table]).unwrap(), pairs.clone())
        };
        Model { tables: model.tables.iter().enumerate().map(reopen).collect() }.check(&env.read().unwrap());
    }
}
