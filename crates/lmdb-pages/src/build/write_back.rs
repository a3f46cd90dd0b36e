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
