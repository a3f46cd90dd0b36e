//! Bringing a file to disk while it is being written, so that little is left to wait for at the end.
//!
//! ```text
//! sinks --so many bytes--> WriteBack ~~channel of one~~> a thread: fdatasync, again and again
//!                          finish: that thread's result, before the last sync
//! ```
//!
//! A system tells of a page that it could not write only once, to whoever syncs next; so what the thread learns counts.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// How many bytes are written between two calls.
const STEP: u64 = 16 << 20;

/// What has been asked for of a file's write-back.
#[derive(Debug, Default)]
pub(super) struct WriteBack {
    /// Bytes written since the last request.
    pending: u64,
    /// Made by the first request, so that small files need none.
    thread: Option<(SyncSender<()>, JoinHandle<io::Result<()>>)>,
}

impl WriteBack {
    /// Notes that `bytes` were written to `file`; returns at once.
    pub fn written(&mut self, file: &File, bytes: usize) -> io::Result<()> {
        self.pending += bytes as u64;
        if self.pending < STEP {
            return Ok(());
        }
        let request = match &self.thread {
            Some((request, _)) => request,
            None => {
                let (request, requests) = sync_channel(1);
                let file = file.try_clone()?;
                let thread = std::thread::Builder::new().name("lmdb-pages write-back".into());
                let thread = thread.spawn(move || sync_on_request(&file, &requests))?;
                &self.thread.insert((request, thread)).0
            }
        };
        match request.try_send(()) {
            Ok(()) => self.pending = 0,
            // It is busy, and asked again with the next bytes; or it has failed, which `finish` tells.
            Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
        Ok(())
    }

    /// Waits for the thread's end.
    ///
    /// # Errors
    ///
    /// What any of its calls met.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some((request, thread)) = self.thread.take() else { return Ok(()) };
        drop(request);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs has panicked")))
    }
}

fn sync_on_request(file: &File, requests: &Receiver<()>) -> io::Result<()> {
    requests.iter().try_for_each(|()| file.sync_data())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    fn run(program: &str, arguments: &[&str], last: &Path) -> bool {
        let mut command = Command::new(program);
        command.args(arguments).arg(last).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// A file system whose device has less room than it knows of, so that only syncing fails.
    struct LyingDisk(tempfile::TempDir);

    impl LyingDisk {
        fn mount() -> Option<Self> {
            let disk = Self(tempfile::tempdir().unwrap());
            let (backing, image) = (disk.0.path().join("backing"), disk.0.path().join("backing/image"));
            std::fs::create_dir(&backing).unwrap();
            std::fs::create_dir(disk.0.path().join("disk")).unwrap();
            let image_path = image.display().to_string();
            let made = run("mount", &["-t", "tmpfs", "-o", "size=20m", "tmpfs"], &backing)
                && File::create(&image).and_then(|file| file.set_len(200 << 20)).is_ok()
                && run("mkfs.ext4", &["-q", "-F", "-O", "^has_journal", "-N", "256"], &image)
                && run("mount", &["-t", "ext4", "-o", "loop", &image_path], &disk.0.path().join("disk"));
            if !made {
                eprintln!("skipped: this process may not mount a loop device");
            }
            made.then_some(disk)
        }
    }

    impl Drop for LyingDisk {
        fn drop(&mut self) {
            run("umount", &["--lazy"], &self.0.path().join("disk"));
            run("umount", &["--lazy"], &self.0.path().join("backing"));
        }
    }

    #[test]
    fn what_the_thread_has_met_counts_though_the_last_sync_knows_nothing_of_it() {
        let Some(disk) = LyingDisk::mount() else { return };
        let mut file = File::create(disk.0.path().join("disk/file")).unwrap();
        let mut write_back = WriteBack::default();
        let bytes = vec![7; STEP as usize];
        for _ in 0..8 {
            file.write_all(&bytes).unwrap();
            write_back.written(&file, bytes.len()).unwrap();
        }
        let failed = |write_back: &WriteBack| write_back.thread.as_ref().unwrap().1.is_finished();
        for _ in 0..1000 {
            if failed(&write_back) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(failed(&write_back), "the device has room for everything");
        // More room comes too late: the system told of the lost pages, and will not do so again.
        assert!(run("mount", &["-o", "remount,size=250m"], &disk.0.path().join("backing")));
        let _ = file.sync_all();
        file.sync_all().unwrap();
        write_back.finish().unwrap_err();
    }
}
