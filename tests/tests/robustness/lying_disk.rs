//! A disk that takes everything and loses some of it: what is written lies in the system's memory, and only `fdatasync` says that it
//! never reached the disk.
//!
//! ```text
//! ext4 of 200 MB  --loop device-->  a sparse image in a tmpfs of 24 MB       write() succeeds, fdatasync fails
//! ```
//!
//! Linux's loop device takes a request that the file below wrote in part for written. So requests are made as small as the pages of the
//! tmpfs, which are there or not: a disk that lies to `fdatasync`, too, nobody can be safe on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use factum::{Connection, Durability, EntityId, Options};
use storage::{BulkLoader, Schema, StoreOptions};

/// What the file system does without.
const SIMPLE: &str =
    "^has_journal,^extent,^metadata_csum,^64bit,^flex_bg,^huge_file,^dir_index,^resize_inode";

/// Such a disk, unmounted when dropped.
struct LyingDisk {
    dir: tempfile::TempDir,
}

impl LyingDisk {
    /// None where this process may not mount, or has nothing to make file systems with.
    fn mount() -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let disk = Self { dir: tempfile::tempdir().ok()? };
        for path in [disk.path(), disk.backing()] {
            std::fs::create_dir(path).ok()?;
        }
        let image = disk.image();
        let made = run("mount", &["-t", "tmpfs", "-o", "size=24m", "tmpfs"], &disk.backing())
            && std::fs::File::create(&image).and_then(|file| file.set_len(200 << 20)).is_ok()
            // Simple enough that what the file system loses of its own touches nothing that was synced: no journal, no trees, no checksums.
            && run("mkfs.ext4", &["-q", "-F", "-b", "4096", "-O", SIMPLE, "-N", "256"], &image)
            && disk.mount_image();
        if !made {
            eprintln!("skipped: this process may not mount a loop device");
        }
        made.then_some(disk)
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    fn backing(&self) -> PathBuf {
        self.dir.path().join("backing")
    }

    fn image(&self) -> PathBuf {
        self.backing().join("image")
    }

    fn mount_image(&self) -> bool {
        let image = self.image();
        run("mount", &["-t", "ext4", "-o", "loop", &image.display().to_string()], &self.path())
            && self.ask_for_small_requests().is_some()
    }

    fn ask_for_small_requests(&self) -> Option<()> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let path = self.path().display().to_string();
        let mut mounts = mounts.lines().map(str::split_whitespace);
        let device = mounts.find_map(|mut mount| {
            let device = mount.next()?;
            (mount.next()? == path).then_some(device)
        })?;
        let name = Path::new(device).file_name()?.to_str()?;
        std::fs::write(format!("/sys/block/{name}/queue/max_sectors_kb"), "4").ok()
    }

    /// From here on there is room for everything; what the system has in memory is forgotten, and what the file system lost of its own is
    /// repaired.
    fn mend(&self) {
        // A program that another test starts has our files open until it begins.
        let unmounted = (0..50).any(|_| {
            let done = run("umount", &[], &self.path());
            if !done {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            done
        });
        assert!(unmounted, "nothing has it open");
        assert!(run("mount", &["-o", "remount,size=250m"], &self.backing()));
        // It answers with 1 where it has repaired something.
        run("e2fsck", &["-f", "-y"], &self.image());
        assert!(self.mount_image());
    }
}

impl Drop for LyingDisk {
    fn drop(&mut self) {
        run("umount", &["--lazy"], &self.path());
        run("umount", &["--lazy"], &self.backing());
    }
}

fn run(program: &str, arguments: &[&str], last: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(last).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What is promised by a commit that returned is on the disk, and the first one that is not says so.
#[test]
fn commits_that_do_not_reach_the_disk_are_errors() {
    for durability in [Durability::Full, Durability::Wal] {
        let Some(disk) = LyingDisk::mount() else { return };
        let path = disk.path().join("db");
        let open = || Connection::open_with(&path, Options::new().durability(durability));
        let connection = open().expect("opens");
        let mut committed = 0_i64;
        let transact = |connection: &Connection, part: i64| {
            let text = "x".repeat(4000);
            let data: String =
                (0..50).map(|at| format!("{{:part {part} :text \"{part} {at} {text}\"}}")).collect();
            connection.transact(format!("[{data}]"))
        };
        let error = loop {
            match transact(&connection, committed) {
                Ok(_) => committed += 1,
                Err(error) => break error,
            }
            assert!(committed < 500, "the disk should have failed by now");
        };
        println!("{durability:?}: after {committed} transactions: {}: {error}", error.code());
        assert!(committed > 5, "the first ones fit");
        assert!(error.code().starts_with(":kv/"), "{}: {error}", error.code());
        if durability == Durability::Wal {
            // Which pages were lost is not known, so nothing is promised on top of them.
            let error = transact(&connection, -1).expect_err("the log has failed");
            assert!(error.code().starts_with(":kv/"), "{}: {error}", error.code());
        }
        drop(connection);
        disk.mend();

        let connection = open().expect("opens again");
        let db = connection.db().expect("a snapshot");
        let counts: Vec<(i64, i64)> =
            db.query("[:find ?p (count ?e) :where [?e :part ?p]]").expect("asks").rows().expect("numbers");
        // The one that failed may be there or not, but not in part.
        let missing: Vec<i64> =
            (0..committed).filter(|part| !counts.iter().any(|(there, _)| there == part)).collect();
        assert!(missing.is_empty(), "of {committed} that were promised, {missing:?} are missing");
        assert!(counts.len() as i64 <= committed + 1, "{counts:?}");
        assert!(counts.iter().all(|(_, count)| *count == 50), "{counts:?}");
        let report = connection.check().expect("readable");
        assert!(report.is_sound(), "{:?}", report.problems);
        transact(&connection, 1000).expect("the disk works again");
        connection.close().expect("open");
    }
}

#[test]
fn a_load_that_does_not_reach_the_disk_is_an_error_and_leaves_nothing() {
    let Some(disk) = LyingDisk::mount() else { return };
    let path = disk.path().join("db");
    let load = || {
        let schema = Schema::from_value(&edn::read("{:text {:db/valueType :db.type/string}}").expect("EDN"));
        let schema = schema.expect("a schema").into();
        let mut loader = BulkLoader::new(&schema);
        let text = schema.attribute(&":text".into()).expect("declared").id;
        for e in 1..80_000 {
            let value = storage::encode(&edn::Value::from(format!("{e} {}", "x".repeat(380))));
            loader.add(EntityId(e), text, &value).expect("added");
        }
        StoreOptions::new().build(&path, loader)
    };
    let error = load().map(drop).expect_err("more than there is room for");
    println!("{}: {error}", error.code());
    let left: Vec<_> = std::fs::read_dir(&path).expect("the directory").collect();
    assert!(left.is_empty(), "{left:?}");
    disk.mend();
    let (store, report) = load().expect("there is room now");
    assert_eq!(report.added, 79_999);
    drop(store);
    let connection = Connection::open(&path).expect("opens");
    assert!(connection.check().expect("readable").is_sound());
}
