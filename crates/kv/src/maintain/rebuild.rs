//! Rebuilding a database: packed anew, in a new file, with other options where that is wanted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dbi::DbiOptions;
use crate::env::{Durability, Env, EnvOptions};
use crate::error::{Error, Result};
use crate::read::{Pairs, Read, Span};

/// How long the last other handle of this process may take to go.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a rebuild changes and keeps.
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `rebuild`"]
pub struct RebuildOptions {
    env: EnvOptions,
    backup: bool,
}

impl RebuildOptions {
    /// Nothing changed, nothing kept.
    pub fn new() -> Self {
        Self::default()
    }

    /// The options by which the environment is opened.
    pub fn env(mut self, options: EnvOptions) -> Self {
        self.env = options;
        self
    }

    /// Keep the old file beside the new one, as `data.mdb.old`.
    pub fn backup(mut self, backup: bool) -> Self {
        self.backup = backup;
        self
    }
}

/// Rebuilds the environment in the directory `path` and opens it: every table is written anew, in the order of its keys
/// and packed, with the options that `change` makes of its old ones. This is how flags, types and counting of existing
/// tables are changed, and how a file becomes smaller in place.
///
/// The new file is written beside the old one, forced to disk, and then takes its name; until that moment nothing is
/// changed. No other process may use the environment meanwhile: it would go on with the old file.
///
/// ```
/// use factum_kv::{DbiFlags, Env, RebuildOptions, rebuild};
///
/// # let dir = tempfile::tempdir().expect("a directory");
/// Env::open(dir.path())?.open_dbi("t", DbiFlags::empty())?;
/// let env = rebuild(dir.path(), &RebuildOptions::new(), |_name, options| options.counted(true))?;
/// # Ok::<(), factum_kv::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::StillOpen`] if this process has other handles on it; [`Error::NotFound`]; and those of writing.
#[doc(alias = "re-index")]
pub fn rebuild(
    path: impl AsRef<Path>,
    options: &RebuildOptions,
    change: impl FnMut(&str, DbiOptions) -> DbiOptions,
) -> Result<Env> {
    let path = path.as_ref();
    let env = options.env.clone().existing_only(true).open(path)?;
    let path = env.path().to_owned();
    let new_path = path.join("rebuild.partial");
    let result = write_anew(&env, &new_path, options, change).and_then(|()| env.close(PATIENCE));
    let result = result.and_then(|()| replace(&path, &new_path, options.backup));
    if new_path.exists() {
        fs::remove_dir_all(&new_path).map_err(Error::io("removing the rebuilt copy"))?;
    }
    result?;
    options.env.open(&path)
}

fn write_anew(
    env: &Env,
    new_path: &Path,
    options: &RebuildOptions,
    mut change: impl FnMut(&str, DbiOptions) -> DbiOptions,
) -> Result<()> {
    if new_path.exists() {
        // Left over from an attempt that was interrupted.
        fs::remove_dir_all(new_path).map_err(Error::io("removing an older rebuilt copy"))?;
    }
    // Nobody writes to the old file from here on.
    let old = env.write()?;
    let new_env = options.env.clone().durability(Durability::None).open(new_path)?;
    for name in env.dbi_names()? {
        let old_dbi = env.existing_dbi(&name)?;
        let new_options = change(&name, old.dbi_options(&old_dbi)?);
        let mut txn = new_env.write()?;
        let new_dbi = txn.open_dbi(&name, new_options)?;
        let read = env.read()?;
        let mut pairs = Pairs::new(read.cursor(&old_dbi)?, Span::all(), None, &old_dbi);
        while let Some((key, value)) = pairs.step()? {
            txn.put(&new_dbi, key, value)?;
        }
        txn.commit()?;
    }
    drop(old);
    new_env.sync()?;
    new_env.close(PATIENCE)
}

fn replace(path: &Path, new_path: &Path, backup: bool) -> Result<()> {
    let data = |path: &Path| -> PathBuf { path.join("data.mdb") };
    if backup {
        fs::rename(data(path), path.join("data.mdb.old")).map_err(Error::io("keeping the old file"))?;
    }
    fs::rename(data(new_path), data(path)).map_err(Error::io("naming the rebuilt file"))?;
    let directory = fs::File::open(path).and_then(|directory| directory.sync_all());
    directory.map_err(Error::io("syncing the directory"))
}
