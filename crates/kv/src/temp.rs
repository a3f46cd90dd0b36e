//! [`TempEnv`]: an environment that is gone when it is dropped.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::env::{Durability, Env, EnvOptions};
use crate::error::{Error, Result};

/// How long the files wait for the last handle or snapshot to go.
const PATIENCE: Duration = Duration::from_secs(2);

/// An environment in a directory of its own, which is removed when this is dropped, also by a panic.
///
/// Good for caches and intermediate results: commits are not forced to disk. It dereferences to its [`Env`]. Other
/// handles and snapshots should be gone before it; if one is still alive after two seconds, the files are removed
/// under it, which leaves what it reads intact on Unix.
#[derive(Debug)]
pub struct TempEnv {
    /// Taken when dropped.
    env: Option<Env>,
    directory: PathBuf,
}

impl EnvOptions {
    /// Creates a temporary environment in a new directory below `root`, or below the system's directory for temporary
    /// files.
    ///
    /// ```
    /// use factum_kv::{DbiFlags, EnvOptions};
    ///
    /// let env = EnvOptions::new().open_temporary(None)?;
    /// env.open_dbi("scratch", DbiFlags::empty())?;
    /// # Ok::<(), factum_kv::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`EnvOptions::open`].
    pub fn open_temporary(&self, root: Option<&Path>) -> Result<TempEnv> {
        let root = root.map_or_else(std::env::temp_dir, Path::to_owned);
        let directory = new_directory(&root)?;
        let mut options = self.clone();
        options.durability.get_or_insert(Durability::None);
        options.single_file = false;
        match options.open(&directory) {
            Ok(env) => Ok(TempEnv { env: Some(env), directory }),
            Err(error) => {
                // The directory is empty or nearly so; the first error is the one to tell.
                let _ = fs::remove_dir_all(&directory);
                Err(error)
            }
        }
    }
}

fn new_directory(root: &Path) -> Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = root.join(format!("factum-{}-{time:x}-{number}", std::process::id()));
        match fs::create_dir(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::NotWritable { path: root.to_owned(), source }),
        }
    }
}

impl Deref for TempEnv {
    type Target = Env;

    fn deref(&self) -> &Env {
        self.env.as_ref().expect("taken only when dropped")
    }
}

impl Drop for TempEnv {
    fn drop(&mut self) {
        if let Some(env) = self.env.take()
            && let Err(error) = env.close(PATIENCE)
        {
            tracing::warn!(%error, "a temporary environment is removed while it is in use");
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, directory = %self.directory.display(), "a temporary environment was not removed");
        }
    }
}
