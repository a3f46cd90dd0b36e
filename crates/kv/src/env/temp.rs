//! [`TempEnv`]: an environment whose files are gone when it is.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Durability, Env, EnvOptions};
use crate::error::{Error, Result};

/// An environment in a fresh directory of its own, which is removed when this guard is dropped, also by a panic.
///
/// Commits force nothing to disk, since nobody reads the files later. Clones of the [`Env`] and snapshots that live
/// on can be used on; the system frees the disk space when the last of them is gone. If the process is killed, the
/// directory stays behind, as everything in a directory for temporary files does.
///
/// ```
/// use factum_kv::{DbiFlags, TempEnv};
///
/// # fn main() -> factum_kv::Result<()> {
/// let env = TempEnv::new()?;
/// let path = env.path().to_owned();
/// let dbi = env.open_dbi("scratch", DbiFlags::empty())?;
/// let mut txn = env.write()?;
/// txn.put(&dbi, b"k", b"v")?;
/// txn.commit()?;
/// drop(env);
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TempEnv {
    // Declared before its directory, so that it is closed first.
    env: Env,
    dir: TempDir,
    in_memory: bool,
}

impl Deref for TempEnv {
    type Target = Env;

    fn deref(&self) -> &Env {
        &self.env
    }
}

impl TempEnv {
    /// A temporary environment in the system's directory for temporary files.
    ///
    /// # Errors
    ///
    /// [`Error::NotWritable`], [`Error::DiskFull`].
    pub fn new() -> Result<Self> {
        Self::open(&EnvOptions::new(), None)
    }

    /// A temporary environment with these options, in a fresh directory below `parent` or, without one, below the
    /// system's directory for temporary files. The options' durability defaults to [`Durability::None`].
    ///
    /// # Errors
    ///
    /// As [`TempEnv::new`]; [`Error::BadOption`] for options that a new environment cannot have.
    pub fn open(options: &EnvOptions, parent: Option<&Path>) -> Result<Self> {
        if options.read_only || options.existing_only || options.previous_snapshot {
            let reason = "a temporary environment begins empty".to_owned();
            return Err(Error::BadOption { option: "read_only, existing_only or previous_snapshot", reason });
        }
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let dir = tempfile::Builder::new()
            .prefix("factum-")
            .tempdir_in(&parent)
            .map_err(super::place::not_writable(&parent))?;
        let options = options.clone().durability_by_default(Durability::None);
        let path = if options.single_file { dir.path().join("data.mdb") } else { dir.path().to_owned() };
        Ok(Self { env: options.open(path)?, dir, in_memory: false })
    }

    /// A temporary environment whose files lie in memory, if the system has a file system there (`/dev/shm` on Linux);
    /// otherwise on disk, as by [`TempEnv::new`]. [`TempEnv::is_in_memory`] says which.
    ///
    /// LMDB knows no environment without a file. Files in memory cost the same calls, but no device is touched; what
    /// is stored counts as memory in use, which the system may swap out.
    ///
    /// # Errors
    ///
    /// As [`TempEnv::new`].
    #[doc(alias = "inmemory")]
    pub fn in_memory() -> Result<Self> {
        Self::in_memory_with(&EnvOptions::new())
    }

    /// As [`TempEnv::in_memory`], with options.
    ///
    /// # Errors
    ///
    /// As [`TempEnv::open`].
    pub fn in_memory_with(options: &EnvOptions) -> Result<Self> {
        match memory_file_system().map(|path| Self::open(options, Some(&path))) {
            Some(Ok(env)) => Ok(Self { in_memory: true, ..env }),
            Some(Err(error @ Error::BadOption { .. })) => Err(error),
            _ => Self::open(options, None),
        }
    }

    /// Whether the files are known to lie in memory.
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// The directory that will be removed.
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// Closes the environment, waiting for other handles and snapshots, and removes its files.
    ///
    /// # Errors
    ///
    /// [`Error::StillOpen`] if something is alive after that time, [`Error::Io`] if the files cannot be removed. The
    /// files are gone, or tried to be, in any case.
    pub fn close(self, patience: Duration) -> Result<()> {
        let Self { env, dir, .. } = self;
        let closed = env.close(patience);
        let removed = dir.close().map_err(Error::io("removing a temporary environment"));
        closed.and(removed)
    }

    /// Makes the environment permanent: it is not removed. Gives its directory.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`], [`Error::Io`] if the files cannot be forced to disk; they stay nevertheless.
    pub fn keep(self) -> Result<(Env, PathBuf)> {
        let Self { env, dir, .. } = self;
        let path = dir.keep();
        env.set_durability(Durability::Full)?;
        env.sync()?;
        Ok((env, path))
    }
}

/// A directory whose files lie in memory.
fn memory_file_system() -> Option<PathBuf> {
    let path = Path::new("/dev/shm");
    (cfg!(target_os = "linux") && path.is_dir()).then(|| path.to_owned())
}
