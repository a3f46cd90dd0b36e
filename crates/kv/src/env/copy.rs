//! Copies of a whole environment, taken while it is in use.

use std::fs::{self, File, OpenOptions};
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
    /// becomes smaller. Copying holds a snapshot while it runs.
    ///
    /// # Errors
    ///
    /// [`Error::BadOption`] if a database is there already, [`Error::NotWritable`], [`Error::DiskFull`].
    pub fn copy_to(&self, target: impl AsRef<Path>, compact: bool) -> Result<()> {
        self.shared.check_process()?;
        let target = target.as_ref();
        fs::create_dir_all(target).map_err(not_writable(target))?;
        let data = target.join("data.mdb");
        if data.exists() {
            return Err(Error::BadOption {
                option: "target",
                reason: format!("{} holds a database already", target.display()),
            });
        }
        let partial = target.join("data.mdb.partial");
        let result = self.copy_file(&partial, compact).and_then(|()| {
            fs::hard_link(&partial, &data).map_err(Error::io("naming the copy"))?;
            sync_directory(target)
        });
        let removed = fs::remove_file(&partial).map_err(Error::io("removing the copy's first name"));
        result.and(removed)
    }

    fn copy_file(&self, path: &Path, compact: bool) -> Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(not_writable(path))?;
        let option = if compact { CompactionOption::Enabled } else { CompactionOption::Disabled };
        self.shared
            .heed
            .copy_to_file(&mut file, option)
            .map_err(|error| self.shared.complete(Error::from_heed(error, "copying the environment")))?;
        file.sync_all().map_err(Error::io("syncing the copy"))
    }
}

fn sync_directory(path: &Path) -> Result<()> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(Error::io("syncing the directory"))
}
