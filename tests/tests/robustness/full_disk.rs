//! A disk with no room left: the transaction fails with an error, and the database goes on.

use std::path::Path;
use std::process::Command;

use factum::Connection;

/// A small file system of its own, unmounted when dropped.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// None where this process may not mount.
    fn mount(size: &str) -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let dir = tempfile::tempdir().ok()?;
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .stderr(std::process::Stdio::null())
            .status();
        status.is_ok_and(|status| status.success()).then_some(Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
    }
}

#[test]
fn a_full_disk_leaves_a_usable_database() {
    let Some(disk) = SmallDisk::mount("4m") else {
        eprintln!("skipped: this process may not mount a small file system");
        return;
    };
    let path = disk.path().join("db");
    let connection = Connection::open(&path).expect("opens");
    let mut committed = 0_i64;
    let error = loop {
        let data: String =
            (0..50).map(|at| format!("{{:part {committed} :text \"{at} {}\"}}", "x".repeat(400))).collect();
        match connection.transact(format!("[{data}]")) {
            Ok(_) => committed += 1,
            Err(error) => break error,
        }
        assert!(committed < 1000, "the disk should be full by now");
    };
    println!("after {committed} transactions: {}: {error}", error.code());
    assert!(committed > 0, "the first one fits");
    assert!(
        error.code().starts_with(":kv/") || error.code().starts_with(":store/"),
        "{}: {error}",
        error.code()
    );
    let whole = |connection: &Connection| {
        let db = connection.db().expect("a snapshot");
        let counts: Vec<(i64, i64)> =
            db.query("[:find ?p (count ?e) :where [?e :part ?p]]").expect("asks").rows().expect("numbers");
        assert_eq!(counts.len() as i64, committed);
        assert!(counts.iter().all(|(_, count)| *count == 50), "{counts:?}");
        let report = connection.check().expect("readable");
        assert!(report.is_sound(), "{:?}", report.problems);
    };
    whole(&connection);
    connection.close().expect("open");
    let connection = Connection::open(&path).expect("opens again");
    whole(&connection);
    // What frees room can still be committed: the pages of what was retracted serve the next transaction.
    let error =
        connection.transact(format!("[{{:text \"{}\"}}]", "y".repeat(3_000_000))).expect_err("still full");
    println!("{}: {error}", error.code());
    whole(&connection);
}
