//! Closing, temporary environments, settings that change at run time, what an environment says about itself.

use std::time::Duration;

use factum_kv::{
    DbiFlags, Durability, Env, EnvFlags, EnvOptions, Error, Holders, TableStat, TempEnv, versions,
};

use super::{code, quick};

const SOON: Duration = Duration::from_millis(5);

fn put(env: &Env, key: &[u8]) {
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, key, b"v").unwrap();
    txn.commit().unwrap();
}

fn holders(result: factum_kv::Result<()>) -> Holders {
    match result {
        Err(Error::StillOpen { holders, .. }) => holders,
        other => panic!("{other:?}"),
    }
}

#[test]
fn closing_says_who_is_left_and_since_when() {
    let (_dir, env) = quick();
    put(&env, b"1");
    assert_eq!(env.holders(), Holders::default());
    let read = env.read().unwrap();
    put(&env, b"2");
    let snapshot = env.snapshot().unwrap();
    let (other, third) = (env.clone(), env.clone());
    let txn = other.write().unwrap();
    // The clock may be ten milliseconds behind.
    std::thread::sleep(Duration::from_millis(30));
    let error = env.close(SOON).unwrap_err();
    let text = error.to_string();
    let left = holders(Err(error));
    // `other`, `third` and the read.
    assert_eq!((left.handles, left.snapshots), (3, 2));
    assert!(left.oldest_snapshot.unwrap() >= Duration::from_millis(20), "{left:?}");
    assert!(left.writing.unwrap() >= Duration::from_millis(20), "{left:?}");
    assert!(text.contains("3 handles, 2 snapshots (the oldest for "), "{text}");
    assert!(text.contains("a write transaction (for "), "{text}");
    drop(txn);
    drop((read, other));
    let left = holders(third.close(SOON));
    assert_eq!((left.handles, left.snapshots, left.writing), (0, 1, None));
    drop(snapshot);
}

#[test]
fn closing_waits_for_the_last_snapshot() {
    let (dir, env) = quick();
    put(&env, b"1");
    let snapshot = env.snapshot().unwrap();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        drop(snapshot);
    });
    env.close(Duration::from_secs(10)).unwrap();
    thread.join().unwrap();
    EnvOptions::new().max_dbis(9).open(dir.path()).unwrap();
}

#[test]
fn temporary_environments_leave_nothing_behind() {
    let env = TempEnv::new().unwrap();
    let path = env.directory().to_owned();
    put(&env, b"1");
    assert!(path.join("data.mdb").exists());
    drop(env);
    assert!(!path.exists());

    let env = TempEnv::open(&EnvOptions::new().single_file(true), None).unwrap();
    let path = env.directory().to_owned();
    put(&env, b"1");
    env.close(Duration::from_secs(10)).unwrap();
    assert!(!path.exists());

    let mut path = None;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let env = TempEnv::new().unwrap();
        path = Some(env.directory().to_owned());
        put(&env, b"1");
        let _txn = env.write().unwrap();
        panic!("in the middle");
    }));
    assert!(panicked.is_err());
    assert!(!path.unwrap().exists());
}

#[test]
fn what_outlives_a_temporary_environment_works_on() {
    let env = TempEnv::new().unwrap();
    put(&env, b"1");
    let dbi = env.existing_dbi("t").unwrap();
    let (clone, read) = (Env::clone(&env), env.read().unwrap());
    let (path, left) = (env.directory().to_owned(), holders(env.close(SOON)));
    assert_eq!((left.handles, left.snapshots), (2, 1));
    assert!(!path.exists());
    put(&clone, b"2");
    use factum_kv::Read;
    assert_eq!(read.entries(&dbi).unwrap(), 1);
    assert_eq!(clone.read().unwrap().entries(&dbi).unwrap(), 2);
}

#[test]
fn a_temporary_environment_can_be_kept() {
    let parent = tempfile::tempdir().unwrap();
    let env = TempEnv::open(&EnvOptions::new(), Some(parent.path())).unwrap();
    put(&env, b"1");
    assert_eq!(env.durability(), Durability::None);
    let (env, path) = env.keep().unwrap();
    assert_eq!(env.durability(), Durability::Full);
    env.close(Duration::from_secs(10)).unwrap();
    assert_eq!(Env::open(path).unwrap().dbi_names().unwrap(), ["t"]);
}

#[test]
fn environments_in_memory_say_whether_they_are() {
    let env = TempEnv::in_memory().unwrap();
    put(&env, b"1");
    assert_eq!(env.is_in_memory(), std::path::Path::new("/dev/shm").is_dir());
    assert_eq!(env.is_in_memory(), env.directory().starts_with("/dev/shm"));
    let path = env.directory().to_owned();
    drop(env);
    assert!(!path.exists());
    assert_eq!(code(TempEnv::open(&EnvOptions::new().read_only(true), None)), ":kv/bad-option");
    assert_eq!(code(TempEnv::open(&EnvOptions::new(), Some(&path))), ":kv/not-found");
}

#[test]
fn only_the_flags_change_that_lmdb_can_change() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::open(dir.path()).unwrap();
    assert_eq!(env.flags(), EnvFlags::NORDAHEAD | EnvFlags::NOTLS);
    env.set_flags(EnvFlags::NOSYNC | EnvFlags::NOMEMINIT, true).unwrap();
    assert!(env.flags().contains(EnvFlags::NOSYNC | EnvFlags::NOMEMINIT));
    assert_eq!(env.durability(), Durability::None);
    env.set_flags(EnvFlags::NOMEMINIT, false).unwrap();
    assert!(!env.flags().contains(EnvFlags::NOMEMINIT));
    for durability in [Durability::MetaLater, Durability::None, Durability::Full] {
        env.set_durability(durability).unwrap();
        assert_eq!(env.durability(), durability);
        // What is compared with other openings is what holds now.
        EnvOptions::new().durability(durability).open(dir.path()).unwrap();
        put(&env, b"k");
        env.flush(false).unwrap();
        env.sync().unwrap();
    }
    let error = env.set_flags(EnvFlags::RDONLY | EnvFlags::NOSYNC, true).unwrap_err();
    assert_eq!(error.to_string(), "option flags: RDONLY can be chosen only when the environment is opened");
    assert_eq!(env.durability(), Durability::Full);
    assert_eq!(code(env.set_flags(EnvFlags::MAPASYNC, true)), ":kv/bad-option");
    let _txn = env.write().unwrap();
    assert_eq!(code(env.set_flags(EnvFlags::NOSYNC, true)), ":kv/would-deadlock");
}

#[test]
fn flags_at_opening_set_options_and_dangerous_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for flag in [EnvFlags::NOLOCK, EnvFlags::FIXEDMAP, EnvFlags::MAPASYNC] {
        let name = flag.iter_names().next().unwrap().0;
        let error = EnvOptions::new().flags(flag).open(dir.path().join("no")).unwrap_err();
        assert!(matches!(error, Error::BadOption { option, .. } if option == name), "{error:?}");
    }
    assert!(!dir.path().join("no").exists());
    let wanted = EnvFlags::NOSUBDIR | EnvFlags::NOSYNC | EnvFlags::NOMEMINIT;
    let env = EnvOptions::new().flags(wanted).open(dir.path().join("file")).unwrap();
    assert_eq!(env.flags(), wanted | EnvFlags::NORDAHEAD | EnvFlags::NOTLS);
    assert!(dir.path().join("file").is_file());
    let env = EnvOptions::new()
        .flags(EnvFlags::WRITEMAP | EnvFlags::MAPASYNC)
        .map_size(1 << 20)
        .open(dir.path().join("dir"))
        .unwrap();
    assert!(env.flags().contains(EnvFlags::WRITEMAP | EnvFlags::MAPASYNC));
    put(&env, b"k");
    env.set_flags(EnvFlags::MAPASYNC, false).unwrap();
    assert_eq!(code(env.write().unwrap().nested()), ":kv/bad-option");
}

#[test]
fn a_map_can_grow_while_snapshots_live() {
    let dir = tempfile::tempdir().unwrap();
    let env = EnvOptions::new().map_size(1 << 20).durability(Durability::None).open(dir.path()).unwrap();
    put(&env, b"first");
    let dbi = env.existing_dbi("t").unwrap();
    let fill = || {
        let mut txn = env.write()?;
        for number in 0..20_000u32 {
            txn.put(&dbi, &number.to_be_bytes(), &[7; 100])?;
        }
        txn.commit()
    };
    let read = env.read().unwrap();
    assert_eq!(code(fill()), ":kv/map-full");
    assert_eq!(code(env.set_map_size(1 << 14)), ":kv/bad-option");
    assert_eq!(code(env.set_map_size(u64::MAX >> 1)), ":kv/bad-option");
    env.set_map_size(1 << 24).unwrap();
    assert_eq!(env.info().unwrap().map_size, 1 << 24);
    fill().unwrap();
    use factum_kv::Read;
    assert_eq!(read.get(&dbi, b"first").unwrap(), Some(&b"v"[..]));
    assert_eq!(read.entries(&dbi).unwrap(), 1);
    assert_eq!(env.read().unwrap().get(&dbi, &19_999u32.to_be_bytes()).unwrap(), Some(&[7; 100][..]));
    let _ = env.heed();
    assert_eq!(code(env.set_map_size(1 << 25)), ":kv/bad-option");
}

#[test]
fn readers_have_ages_and_threads() {
    let (_dir, env) = quick();
    put(&env, b"1");
    let snapshot = env.snapshot().unwrap();
    put(&env, b"2");
    let heeds = env.heed().clone().static_read_txn().unwrap();
    // The clock may be ten milliseconds behind.
    std::thread::sleep(Duration::from_millis(30));
    let readers = env.readers().unwrap();
    assert_eq!(readers.len(), 2);
    assert_eq!((readers[0].txn_id, readers[0].behind), (snapshot.txn_id(), 1));
    assert!(readers[0].age.unwrap() >= Duration::from_millis(20));
    assert_ne!(readers[0].thread, 0);
    // A transaction of heed's own: nobody noted when it began.
    assert_eq!((readers[1].txn_id, readers[1].age), (heeds.id() as u64, None));
}

/// How many read transactions heed can begin beside what the environment keeps.
fn free_readers(env: &Env) -> usize {
    let mut taken = Vec::new();
    while let Ok(txn) = env.heed().clone().static_read_txn() {
        taken.push(txn);
    }
    taken.len()
}

#[test]
fn idle_reader_slots_are_limited_and_released() {
    let open = |options: EnvOptions| {
        let dir = tempfile::tempdir().unwrap();
        let env = options.durability(Durability::None).max_readers(32).open(dir.path()).unwrap();
        let snapshots: Vec<_> = (0..6u8)
            .map(|n| {
                put(&env, &[n]);
                env.snapshot().unwrap()
            })
            .collect();
        env.release_idle_readers();
        assert_eq!(free_readers(&env), 26);
        drop(snapshots);
        (dir, env)
    };
    let (_dir, env) = open(EnvOptions::new());
    assert_eq!(free_readers(&env), 28);
    assert_eq!(env.release_idle_readers(), 4);
    assert_eq!((free_readers(&env), env.release_idle_readers()), (32, 0));
    // A living snapshot keeps its slot, and is usable.
    let snapshot = env.snapshot().unwrap();
    assert_eq!((env.release_idle_readers(), free_readers(&env)), (0, 31));
    assert_eq!(snapshot.txn_id(), env.snapshot().unwrap().txn_id());
    let (_dir, env) = open(EnvOptions::new().idle_readers(0));
    assert_eq!(free_readers(&env), 32);
    let (dir, env) = open(EnvOptions::new().idle_readers(100));
    // A quarter of the slots at most; only six were ever used.
    assert_eq!((free_readers(&env), env.release_idle_readers()), (26, 6));
    let conflict = EnvOptions::new().idle_readers(3).open(dir.path()).unwrap_err();
    assert_eq!(conflict.code(), ":kv/duplicate-open");
}

#[test]
fn statistics_and_versions() {
    let (_dir, env) = quick();
    put(&env, b"1");
    let dbi = env.existing_dbi("t").unwrap();
    let TableStat { depth, leaf_pages, entries, .. } = env.stat().unwrap();
    assert_eq!((depth, leaf_pages, entries), (1, 1, 1));
    let read = env.read().unwrap();
    assert_eq!(read.stat(&dbi).unwrap().entries, 1);
    let versions = versions();
    assert_eq!(versions.factum_kv, env!("CARGO_PKG_VERSION"));
    assert!(versions.lmdb.starts_with("LMDB 0.9"), "{versions:?}");
}
