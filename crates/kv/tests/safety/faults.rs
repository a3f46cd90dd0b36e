//! Faults from outside: processes that are killed, other processes on the same file, full disks.
//!
//! The other process is this test program itself, which plays a role when the environment variable says so.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use factum_kv::{
    DbiFlags, DbiOptions, DumpFormat, Durability, Env, EnvOptions, Error, LoadOptions, Read, SpillOptions,
    Table,
};

use super::code;

const ROLE: &str = "FACTUM_KV_TEST_ROLE";
const PLACE: &str = "FACTUM_KV_TEST_PLACE";

/// Another process, killed when dropped.
pub(super) struct Other {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Other {
    pub(super) fn start(role: &str, place: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::other_process", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(PLACE, place)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What it says next.
    pub(super) fn hears(&mut self) -> Option<String> {
        // The test harness talks, too, and without ending its line.
        self.lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.split_once('@').map(|(_, said)| said.to_owned()))
    }

    pub(super) fn ready(role: &str, place: &Path) -> Self {
        let mut other = Self::start(role, place);
        assert_eq!(other.hears().as_deref(), Some("ready"));
        other
    }

    /// With SIGKILL, as `kill -9` does: it cannot clean up.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: &str) {
    println!("@{what}");
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// Does nothing as a test; as another process, plays its role.
#[test]
fn other_process() {
    let (Ok(role), Ok(place)) = (std::env::var(ROLE), std::env::var(PLACE)) else { return };
    let open = |options: EnvOptions| options.open(&place).unwrap();
    match role.as_str() {
        "reader" => {
            let env = open(EnvOptions::new().max_readers(3));
            let _snapshot = env.snapshot().unwrap();
            say("ready");
            sleep_for_ever();
        }
        "writer" => {
            let env = open(EnvOptions::new());
            let dbi = env.existing_dbi("t").unwrap();
            let mut txn = env.write().unwrap();
            // Enough that LMDB writes pages before the commit.
            for number in 0..50_000u32 {
                txn.put(&dbi, &number.to_be_bytes(), &[1; 500]).unwrap();
            }
            say("ready");
            sleep_for_ever();
        }
        "grower" => {
            let env = open(EnvOptions::new().map_size(64 << 20));
            let dbi = env.existing_dbi("t").unwrap();
            let mut txn = env.write().unwrap();
            for number in 0..10_000u32 {
                txn.put(&dbi, &number.to_be_bytes(), &[1; 500]).unwrap();
            }
            txn.commit().unwrap();
            say("ready");
        }
        "adder" => add(&open(EnvOptions::new())),
        "appender" => {
            let env = open(EnvOptions::new());
            let dbi = env.existing_dbi("t").unwrap();
            let mut txn = env.write().unwrap();
            txn.put(&dbi, b"x", b"theirs").unwrap();
            txn.commit().unwrap();
            say("ready");
        }
        "reading alone" => {
            let env = open(EnvOptions::new().read_only(true));
            let entries = env.read().unwrap().entries(&env.existing_dbi("plain").unwrap()).unwrap();
            say("ready");
            say(&entries.to_string());
        }
        "writer beside a log" => {
            say("ready");
            say(code(EnvOptions::new().open(&place)));
        }
        "logger" | "relaxed logger" => {
            let durability = if role == "logger" { Durability::Wal } else { Durability::WalLater };
            let env = open(EnvOptions::new().durability(durability));
            let dbi = env.existing_dbi("t").unwrap();
            for round in 0..u32::MAX {
                let mut txn = env.write().unwrap();
                for number in 0..20u32 {
                    txn.put(
                        &dbi,
                        &((round + number).wrapping_mul(0x9E37_79B1) % 5_000).to_be_bytes(),
                        &[1; 200],
                    )
                    .unwrap();
                }
                txn.put(&dbi, b"round", &round.to_be_bytes()).unwrap();
                txn.commit().unwrap();
                say(&round.to_string());
            }
        }
        "deferrer" | "relaxed deferrer" => {
            let durability = if role == "deferrer" { Durability::Wal } else { Durability::WalLater };
            crate::deferred::defer_for_ever(&open(EnvOptions::new().durability(durability)), say);
        }
        "deferring once" => {
            let _turn = crate::deferred::defer_once(place.as_ref());
            say("ready");
            sleep_for_ever();
        }
        "counter" => {
            let env = open(EnvOptions::new());
            let dbi = env.existing_dbi("counted").unwrap();
            for round in 0..u32::MAX {
                let mut txn = env.write().unwrap();
                for number in 0..40u32 {
                    let key = (round * 40 + number).wrapping_mul(0x9E37_79B1).to_be_bytes();
                    txn.put(&dbi, &key, &round.to_be_bytes()).unwrap();
                    if number % 3 == 0 {
                        let older = round.saturating_sub(5) * 40 + number;
                        txn.delete(&dbi, &older.wrapping_mul(0x9E37_79B1).to_be_bytes()).unwrap();
                    }
                }
                txn.put(&dbi, b"round", &round.to_be_bytes()).unwrap();
                txn.commit().unwrap();
                say(&round.to_string());
            }
        }
        other => panic!("no such role: {other}"),
    }
}

fn store(place: &Path, options: EnvOptions) -> Env {
    let env = options.open(place).unwrap();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut txn = env.write().unwrap();
    txn.put(&dbi, b"kept", b"1").unwrap();
    txn.commit().unwrap();
    env
}

fn value(env: &Env, key: &[u8]) -> Option<Vec<u8>> {
    let dbi = env.existing_dbi("t").unwrap();
    env.read().unwrap().get(&dbi, key).unwrap().map(<[u8]>::to_vec)
}

fn put(env: &Env, key: &[u8]) -> factum_kv::Result<()> {
    let dbi = env.existing_dbi("t")?;
    let mut txn = env.write()?;
    txn.put(&dbi, key, b"1")?;
    txn.commit()
}

#[test]
fn slots_of_killed_readers_are_found_and_freed() {
    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new().max_readers(3));
    let mut other = Other::ready("reader", dir.path());
    put(&env, b"more").unwrap();
    let readers = env.readers().unwrap();
    assert_eq!(readers.len(), 1);
    assert_eq!((readers[0].pid, readers[0].behind, readers[0].age), (other.child.id(), 1, None));
    // It lives, so its slot is not free.
    assert_eq!(env.clear_stale_readers().unwrap(), 0);
    other.kill();
    assert_eq!(env.readers().unwrap().len(), 1);
    assert_eq!(env.clear_stale_readers().unwrap(), 1);
    assert_eq!(env.readers().unwrap(), []);
}

#[test]
fn slots_of_killed_readers_are_freed_by_opening() {
    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new().max_readers(3));
    // A living process keeps the lock file in use, or the next opening would begin it anew.
    let mut living = Other::ready("reader", dir.path());
    let mut killed = Other::ready("reader", dir.path());
    killed.kill();
    assert_eq!(env.readers().unwrap().len(), 2);
    env.close(Duration::from_secs(10)).unwrap();
    let env = EnvOptions::new().max_readers(3).open(dir.path()).unwrap();
    let pids: Vec<_> = env.readers().unwrap().iter().map(|reader| reader.pid).collect();
    assert_eq!(pids, [living.child.id()]);
    living.kill();
}

#[test]
fn slots_of_killed_readers_are_freed_when_all_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new().max_readers(3));
    let mut others: Vec<_> = (0..3).map(|_| Other::ready("reader", dir.path())).collect();
    let Err(Error::ReadersFull { max: 3 }) = env.snapshot() else { panic!("a fourth reader") };
    // Writing needs no slot.
    let mut txn = env.write().unwrap();
    let dbi = txn.existing_dbi("t").unwrap();
    txn.put(&dbi, b"more", b"1").unwrap();
    txn.commit().unwrap();
    others[1].kill();
    let snapshot = env.snapshot().unwrap();
    assert_eq!(snapshot.table("t").unwrap().unwrap().entries(), 2);
}

#[test]
fn a_writer_killed_in_the_middle_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new());
    let mut other = Other::ready("writer", dir.path());
    let entries = || env.snapshot().unwrap().table("t").unwrap().unwrap().entries();
    assert_eq!(entries(), 1);
    other.kill();
    put(&env, b"after").unwrap();
    assert_eq!(entries(), 2);
    assert_eq!(value(&env, b"after").as_deref(), Some(&b"1"[..]));
    // The same for one that opens only now.
    env.close(Duration::from_secs(10)).unwrap();
    let mut other = Other::ready("writer", dir.path());
    other.kill();
    let env = Env::open(dir.path()).unwrap();
    assert_eq!(env.snapshot().unwrap().table("t").unwrap().unwrap().entries(), 2);
    put(&env, b"again").unwrap();
}

#[test]
fn counts_and_contents_agree_wherever_a_writer_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::open(dir.path()).unwrap();
    env.open_dbi("counted", DbiOptions::new().counted(true)).unwrap();
    env.close(Duration::from_secs(10)).unwrap();
    for rounds in [1, 3, 8, 15] {
        let mut other = Other::start("counter", dir.path());
        let mut last = 0;
        for _ in 0..rounds {
            last = other.hears().unwrap().parse::<u32>().unwrap();
        }
        other.kill();
        let env = Env::open(dir.path()).unwrap();
        let dbi = env.existing_dbi("counted").unwrap();
        let read = env.read().unwrap();
        read.verify_counts(&dbi).unwrap();
        let round = read.get(&dbi, b"round").unwrap().unwrap();
        let round = u32::from_be_bytes(round.try_into().unwrap());
        assert!(round >= last, "{round} is stored, {last} was promised");
        drop(read);
        env.close(Duration::from_secs(10)).unwrap();
    }
}

#[test]
fn a_map_grown_by_another_process_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new().map_size(1 << 20));
    let before = env.read().unwrap();
    Other::ready("grower", dir.path()).end();
    // By reading, by writing, and with an older state in use meanwhile.
    assert_eq!(value(&env, &9_999u32.to_be_bytes()).as_deref(), Some(&[1; 500][..]));
    assert!(env.info().unwrap().map_size >= 5 << 20);
    put(&env, b"more").unwrap();
    let dbi = env.existing_dbi("t").unwrap();
    assert_eq!(before.entries(&dbi).unwrap(), 1);
    assert_eq!(env.read().unwrap().entries(&dbi).unwrap(), 10_002);

    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new().map_size(1 << 20));
    Other::ready("grower", dir.path()).end();
    put(&env, b"more").unwrap();

    // heed may be reading through the old map, so it cannot be pulled away.
    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new().map_size(1 << 20));
    let _heeds = env.heed().clone();
    Other::ready("grower", dir.path()).end();
    assert_eq!(code(env.read()), ":kv/map-resized");
    assert_eq!(code(env.write().map(drop)), ":kv/map-resized");
}

#[test]
fn what_is_known_of_tables_ends_where_another_process_has_written() {
    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new());
    // This one would be the greatest key still, were it not for the other process.
    put(&env, b"u").unwrap();
    Other::ready("appender", dir.path()).end();
    put(&env, b"w").unwrap();
    put(&env, b"z").unwrap();
    let dbi = env.existing_dbi("t").unwrap();
    let read = env.read().unwrap();
    let mut cursor = read.cursor(&dbi).unwrap();
    let mut keys = Vec::new();
    let mut pair = cursor.seek(b"u").unwrap();
    while let Some((key, _)) = pair {
        keys.push(key);
        pair = cursor.next().unwrap();
    }
    assert_eq!(keys, [b"u", b"w", b"x", b"z"]);
}

/// Adds one to a number, many times.
fn add(env: &Env) {
    let dbi = env.existing_dbi("t").unwrap();
    for _ in 0..200 {
        let mut txn = env.write().unwrap();
        let number =
            txn.get(&dbi, b"number").unwrap().map_or(0, |bytes| bytes[0] as u32 + 256 * bytes[1] as u32);
        txn.put(&dbi, b"number", &(number + 1).to_le_bytes()).unwrap();
        txn.commit().unwrap();
    }
}

#[test]
fn two_processes_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let env = store(dir.path(), EnvOptions::new());
    let other = Other::start("adder", dir.path());
    add(&env);
    other.end();
    assert_eq!(value(&env, b"number").unwrap(), 400u32.to_le_bytes());
}

/// A file system of a few megabytes, unmounted when dropped; `None` where mounting is not permitted.
pub(super) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub(super) fn new(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(dir)),
            _ => {
                eprintln!("skipped: mounting a small file system is not permitted here");
                None
            }
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_ends_the_transaction_and_spares_the_database() {
    let Some(disk) = SmallDisk::new(4) else { return };
    let env = store(&disk.path("store"), EnvOptions::new());
    let dbi = env.existing_dbi("t").unwrap();
    let counted = env.open_dbi("counted", DbiOptions::list().counted(true)).unwrap();
    std::fs::write(disk.path("ballast"), vec![1; 1 << 20]).unwrap();
    // In order, and jumping about, so that the puts wait for the commit.
    let fill = |step: u32| {
        let mut txn = env.write()?;
        for number in (0..1_000u32).map(|number| number * step % 1_009) {
            txn.put(&dbi, &number.to_be_bytes(), &[7; 2500])?;
            txn.put(&counted, &(number % 10).to_be_bytes(), &number.to_be_bytes())?;
        }
        txn.commit()
    };
    for step in [1, 617, 1, 617] {
        assert_eq!(code(fill(step)), ":kv/disk-full");
        let read = env.read().unwrap();
        assert_eq!((read.entries(&dbi).unwrap(), read.entries(&counted).unwrap()), (1, 0));
        read.verify_counts(&counted).unwrap();
    }
    // Asynchronously, too; and what copies, spills or dumps to the disk.
    let mut batch = factum_kv::Batch::new();
    for number in 0..1_000u32 {
        batch.put_raw(&dbi, &number.to_be_bytes(), &[7; 2500], factum_kv::PutFlags::empty()).unwrap();
    }
    assert_eq!(code(env.submit(batch).unwrap().wait()), ":kv/disk-full");
    std::fs::remove_file(disk.path("ballast")).unwrap();
    let fits = || {
        let mut txn = env.write()?;
        for number in 0..400u32 {
            txn.put(&dbi, &number.to_be_bytes(), &[7; 2500])?;
        }
        txn.commit()
    };
    fits().unwrap();
    assert_eq!(env.read().unwrap().entries(&dbi).unwrap(), 401);
    std::fs::write(disk.path("ballast"), vec![1; 1 << 20]).unwrap();
    assert_eq!(code(env.copy_to(disk.path("copy"), true)), ":kv/disk-full");
    assert!(std::fs::read_dir(disk.path("copy")).unwrap().next().is_none(), "a part of a copy is left");
    let table = Table::new(dbi, factum_kv::codec::KeyType::Raw, factum_kv::codec::KeyType::Raw);
    let read = env.read().unwrap();
    let options = SpillOptions::budget(1000).directory(disk.path(""));
    assert_eq!(
        code(table.range(&read, factum_kv::KeyRange::all()).unwrap().spill(&options)),
        ":kv/disk-full"
    );
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(code(read.dump(&[], DumpFormat::Print, full)), ":kv/disk-full");
    // To the last byte: opening another is an error, too, where LMDB alone would be killed by the system.
    let mut ballast = std::fs::File::create(disk.path("more ballast")).unwrap();
    while std::io::Write::write_all(&mut ballast, &[1; 4096]).is_ok() {}
    assert_eq!(code(Env::open(disk.path("new"))), ":kv/disk-full");
    drop(ballast);
    std::fs::remove_file(disk.path("more ballast")).unwrap();
    put(&env, b"more").unwrap();
    // Closed and opened, it is what it was.
    drop(read);
    env.close(Duration::from_secs(10)).unwrap();
    let env = Env::open(disk.path("store")).unwrap();
    assert_eq!(env.read().unwrap().entries(&env.existing_dbi("t").unwrap()).unwrap(), 402);
}

#[test]
fn a_read_only_environment_refuses_every_way_to_write() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), EnvOptions::new()).close(Duration::from_secs(10)).unwrap();
    let env = EnvOptions::new().read_only(true).open(dir.path()).unwrap();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let mut batch = factum_kv::Batch::new();
    batch.delete_raw(&dbi, b"kept").unwrap();
    assert_eq!(code(env.transact(&batch)), ":kv/read-only");
    assert_eq!(code(env.submit(batch).map(drop)), ":kv/read-only");
    assert_eq!(code(env.with_transaction(|_| Ok::<_, Error>(()))), ":kv/read-only");
    assert_eq!(code(env.load(&b""[..], &LoadOptions::new())), ":kv/read-only");
    assert_eq!(code(env.re_index(&factum_kv::ReIndex::new())), ":kv/read-only");
    assert_eq!(code(env.try_write(Duration::ZERO).map(drop)), ":kv/read-only");
    assert_eq!(code(env.sync()), ":kv/read-only");
    assert_eq!(value(&env, b"kept").as_deref(), Some(&b"1"[..]));
}
