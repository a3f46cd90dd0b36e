//! Copies of a whole environment, taken while it is in use.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use heed::CompactionOption;

use super::Env;
use super::place::not_writable;
use crate::error::{Error, Result};

impl Env {
    /// Copies the newest committed state into the directory `target`, which must not hold a database.
    ///
    /// The copy is written beside its final name, forced to disk and renamed, so that a database appears there
    /// whole or not at all. With `compact`, free pages are left out and the rest is packed; this is how a file
    /// becomes smaller. Copying holds a snapshot while it runs; without `compact`, it first waits for the running write
    /// transaction.
    ///
    /// # Errors
    ///
    /// [`Error::BadOption`] if a database is there already, [`Error::NotWritable`], [`Error::DiskFull`];
    /// [`Error::WouldDeadlock`] without `compact` while this thread has the write transaction; those of
    /// [`Env::carry_out_deferred`].
    pub fn copy_to(&self, target: impl AsRef<Path>, compact: bool) -> Result<()> {
        self.shared.check_process()?;
        // To copy both heads of the file together, LMDB takes the lock of writers.
        if !compact && self.shared.turn.is_mine() {
            return Err(Error::WouldDeadlock);
        }
        self.carry_out_deferred()?;
        self.copy_as_it_is(target.as_ref(), compact)
    }

    /// As [`Env::copy_to`], without what was deferred.
    pub(crate) fn copy_as_it_is(&self, target: &Path, compact: bool) -> Result<()> {
        self.shared.check_process()?;
        let is_new = !target.exists();
        fs::create_dir_all(target).map_err(not_writable(target))?;
        let data = target.join("data.mdb");
        if data.exists() {
            return Err(occupied(target));
        }
        // Removed when dropped, unless it got its name.
        let mut partial = tempfile::Builder::new()
            .prefix("data.mdb.partial-")
            .tempfile_in(target)
            .map_err(not_writable(target))?;
        self.copy_file(partial.as_file_mut(), compact)?;
        partial.persist_noclobber(&data).map_err(|refused| match refused.error.kind() {
            io::ErrorKind::AlreadyExists => occupied(target),
            _ => Error::io("naming the copy")(refused.error),
        })?;
        sync_directory(target)?;
        match target.parent() {
            Some(parent) if is_new && !parent.as_os_str().is_empty() => sync_directory(parent),
            _ => Ok(()),
        }
    }

    fn copy_file(&self, file: &mut File, compact: bool) -> Result<()> {
        let option = if compact { CompactionOption::Enabled } else { CompactionOption::Disabled };
        self.shared
            .heed
            .copy_to_file(file, option)
            .map_err(|error| self.shared.complete(Error::from_heed(error, "copying the environment")))?;
        file.sync_all().map_err(Error::io("syncing the copy"))
    }
}

fn occupied(target: &Path) -> Error {
    Error::BadOption { option: "target", reason: format!("{} holds a database already", target.display()) }
}

fn sync_directory(path: &Path) -> Result<()> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(Error::io("syncing the directory"))
}
