//! [`EnvOptions`]: how to open an environment.

use std::path::{Path, PathBuf};

use super::{Env, registry};
use crate::error::{Error, Result};
use crate::flags::EnvFlags;

/// What a commit promises when it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// The commit is on disk and survives a power failure.
    #[default]
    Full,
    /// The data is on disk, but the note of which commit is the newest may lag by one: a power failure may
    /// undo the last commit, and never damages the file.
    MetaLater,
    /// As [`Durability::Full`], by a write-ahead log beside the data file, which takes one wait for the disk instead
    /// of two: faster for small transactions. The log's steps are carried over into the data file now and then
    /// ([`Env::checkpoint`]), and at the end, when the log file is removed.
    ///
    /// The environment is written to by this process alone. After a crash, the data file belongs together with the
    /// log (`x.factum-log`, or `log.mdb` in a directory): it must be opened by this library, with whatever durability,
    /// before other LMDB programs touch it. A little more disk space is used.
    ///
    /// A store that keeps its own tables may leave small commits to the log at first
    /// ([`WriteTurn::defer`](crate::WriteTurn::defer)), as Datalog databases do: **other processes see those up to a tenth of a
    /// second later**, this one at once.
    Wal,
    /// As [`Durability::Wal`], without waiting for the disk at each commit: a power failure may undo the last commits,
    /// up to those since the last checkpoint or [`Env::sync`], and never damages the file. A crash of the program alone
    /// loses nothing.
    WalLater,
    /// Nothing is forced to disk until [`Env::sync`]: a power failure may undo any number of commits, and
    /// damages the file if the file system does not keep the order of writes. A crash of the program alone
    /// loses nothing.
    None,
}

/// How to open an environment, as a builder by value.
///
/// ```
/// use factum_kv::EnvOptions;
///
/// # fn main() -> factum_kv::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// let env = EnvOptions::new().max_readers(64).open(dir.path().join("store"))?;
/// assert_eq!(env.info()?.max_readers, 64);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `open`"]
pub struct EnvOptions {
    pub(crate) map_size: Option<u64>,
    pub(crate) max_readers: Option<u32>,
    pub(crate) max_dbis: Option<u32>,
    pub(crate) idle_readers: Option<u32>,
    pub(crate) durability: Option<Durability>,
    pub(crate) read_only: bool,
    pub(crate) existing_only: bool,
    pub(crate) read_ahead: bool,
    pub(crate) single_file: bool,
    pub(crate) write_map: bool,
    pub(crate) previous_snapshot: bool,
    pub(crate) allow_remote: bool,
    /// Of LMDB's flags, those without an option of their own.
    pub(crate) other_flags: EnvFlags,
}

impl EnvOptions {
    /// The address space reserved for the file if nothing else is asked for: 1 TiB.
    pub const DEFAULT_MAP_SIZE: u64 = 1 << 40;
    /// The least that is tried where the system refuses the default.
    pub(crate) const LEAST_DEFAULT_MAP_SIZE: u64 = 1 << 30;
    /// Reader slots if nothing else is asked for.
    pub const DEFAULT_MAX_READERS: u32 = 1024;
    /// Reader slots kept for the next snapshots if nothing else is asked for.
    pub const DEFAULT_IDLE_READERS: u32 = 4;
    /// Tables that can be open at a time if nothing else is asked for.
    pub const DEFAULT_MAX_DBIS: u32 = 128;
    /// Places for this crate's own tables, beside those of the user.
    pub(crate) const OWN_DBIS: u32 = 4;

    /// The defaults: created if missing, 1 TiB of address space, 1024 readers, 128 tables, durable commits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The address space reserved for the file, and with it the size that it can reach.
    ///
    /// Only address space is reserved, neither memory nor disk. Without this option, 1 TiB is reserved, or
    /// less if the system refuses so much; with it, exactly this size, rounded up to a multiple of 64 KiB.
    pub fn map_size(mut self, bytes: u64) -> Self {
        self.map_size = Some(bytes);
        self
    }

    /// How many snapshots can be alive at a time, of all processes together.
    pub fn max_readers(mut self, readers: u32) -> Self {
        self.max_readers = Some(readers);
        self
    }

    /// How many reader slots are kept when snapshots end, for the next ones, which then begin several times faster; four
    /// without this option, and never more than a quarter of [`EnvOptions::max_readers`].
    ///
    /// An idle slot holds no state, so it keeps no pages from being reused; but no other process can have it. Zero keeps
    /// none, [`Env::release_idle_readers`] gives up what is kept at the moment.
    pub fn idle_readers(mut self, readers: u32) -> Self {
        self.idle_readers = Some(readers);
        self
    }

    /// How many named tables can be open at a time.
    pub fn max_dbis(mut self, dbis: u32) -> Self {
        self.max_dbis = Some(dbis);
        self
    }

    /// What a commit promises when it returns.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// What a commit promises, unless that was said by [`durability`](Self::durability).
    pub fn durability_by_default(mut self, durability: Durability) -> Self {
        self.durability = self.durability.or(Some(durability));
        self
    }

    /// Refuse writes. The lock file is still written, for the reader slots.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Fail with [`Error::NotFound`] instead of creating a database, as SQLite's `mode=rw`.
    pub fn existing_only(mut self, existing_only: bool) -> Self {
        self.existing_only = existing_only;
        self
    }

    /// Let the system read ahead of page faults; good for scans of a file that does not fit memory, bad for
    /// random access to it. Off by default.
    pub fn read_ahead(mut self, read_ahead: bool) -> Self {
        self.read_ahead = read_ahead;
        self
    }

    /// The path names the data file itself instead of a directory; the lock file gets `-lock` appended.
    pub fn single_file(mut self, single_file: bool) -> Self {
        self.single_file = single_file;
        self
    }

    /// Whether the path names the data file itself.
    pub fn is_single_file(&self) -> bool {
        self.single_file
    }

    /// Whether commits go to a write-ahead log first.
    pub fn keeps_log(&self) -> bool {
        matches!(self.durability, Some(Durability::Wal | Durability::WalLater))
    }

    /// Whether commits may be lost that have returned: any [`Durability`] but full and [`Durability::Wal`].
    pub fn leaves_commits_behind(&self) -> bool {
        !matches!(self.durability, None | Some(Durability::Full | Durability::Wal))
            || self.other_flags.contains(EnvFlags::MAPASYNC)
    }

    /// Write through the mapping instead of through the system's file calls. Faster for large transactions on
    /// files that fit memory. Dangers: a stray write anywhere in the process damages the file; a full disk kills
    /// the process; nested transactions are impossible; no other process may open the file without it.
    pub fn write_map(mut self, write_map: bool) -> Self {
        self.write_map = write_map;
        self
    }

    /// Open the state before the newest commit: a way back if the newest commit is damaged. Writing anything
    /// then discards the newest commit for good.
    pub fn previous_snapshot(mut self, previous_snapshot: bool) -> Self {
        self.previous_snapshot = previous_snapshot;
        self
    }

    /// Adds LMDB's flags by name. Those that have an option of their own here set that option.
    ///
    /// Opening refuses [`EnvFlags::FIXEDMAP`] and [`EnvFlags::NOLOCK`], and [`EnvFlags::MAPASYNC`] without
    /// [`EnvFlags::WRITEMAP`].
    pub fn flags(mut self, flags: EnvFlags) -> Self {
        let has = |flag| flags.contains(flag);
        if has(EnvFlags::NOSYNC) {
            self.durability = Some(Durability::None);
        } else if has(EnvFlags::NOMETASYNC) {
            self.durability = Some(Durability::MetaLater);
        }
        self.read_only |= has(EnvFlags::RDONLY);
        self.single_file |= has(EnvFlags::NOSUBDIR);
        self.write_map |= has(EnvFlags::WRITEMAP);
        self.previous_snapshot |= has(EnvFlags::PREVSNAPSHOT);
        self.read_ahead &= !has(EnvFlags::NORDAHEAD);
        let other = EnvFlags::MAPASYNC | EnvFlags::NOMEMINIT | EnvFlags::FIXEDMAP | EnvFlags::NOLOCK;
        self.other_flags |= flags & other;
        self
    }

    /// Open even on a network file system. Only if no other machine ever does the same.
    pub fn allow_remote(mut self, allow_remote: bool) -> Self {
        self.allow_remote = allow_remote;
        self
    }

    /// Where the write-ahead log of the environment at `path` is, if there is one: `x.factum-log` beside a data file, or
    /// `log.mdb` in a directory.
    pub fn log_path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        if self.single_file {
            let mut name = path.as_os_str().to_owned();
            name.push("-log");
            PathBuf::from(name)
        } else {
            path.join("log.mdb")
        }
    }

    /// Opens, or creates, the environment at `path`.
    ///
    /// A path that is open in this process already, under whatever name, gives the same environment again;
    /// options that contradict it are an error.
    ///
    /// # Errors
    ///
    /// Those of the first group of [`Error`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Env> {
        self.check()?;
        registry::open(self, path.as_ref())
    }

    pub(super) fn check(&self) -> Result<()> {
        let bad = |option, reason: &str| Err(Error::BadOption { option, reason: reason.to_owned() });
        if self.map_size.is_some_and(|size| size < 1 << 16) {
            return bad("map_size", "less than 64 KiB");
        }
        if self.map_size.is_some_and(|size| usize::try_from(size).is_err() || size > 1 << 46) {
            return bad("map_size", "more than the address space holds");
        }
        if self.max_readers == Some(0) {
            return bad("max_readers", "zero");
        }
        if self.max_readers.is_some_and(|readers| readers > 1 << 16) {
            return bad("max_readers", "more than 65536");
        }
        if self.max_dbis == Some(0) {
            return bad("max_dbis", "zero");
        }
        if self.max_dbis.is_some_and(|dbis| dbis > 1 << 14) {
            return bad("max_dbis", "more than 16384");
        }
        if self.other_flags.contains(EnvFlags::NOLOCK) {
            return bad("NOLOCK", "without locks, two writers damage the file");
        }
        if self.other_flags.contains(EnvFlags::FIXEDMAP) {
            return bad("FIXEDMAP", "LMDB's fixed addresses are experimental");
        }
        if self.other_flags.contains(EnvFlags::MAPASYNC) && !self.write_map {
            return bad("MAPASYNC", "without WRITEMAP");
        }
        if self.keeps_log() {
            if self.write_map {
                return bad("write_map", "together with a write-ahead log");
            }
            if self.previous_snapshot {
                return bad("previous_snapshot", "together with a write-ahead log");
            }
        }
        if self.read_only && self.write_map {
            return bad("write_map", "together with read_only");
        }
        Ok(())
    }

    pub(crate) fn heed_flags(&self) -> heed::EnvFlags {
        use heed::EnvFlags as Flags;
        let mut flags = Flags::empty();
        let mut set = |wanted: bool, flag: Flags| flags.set(flag, flags.contains(flag) || wanted);
        set(!self.read_ahead, Flags::NO_READ_AHEAD);
        set(self.read_only, Flags::READ_ONLY);
        set(self.single_file, Flags::NO_SUB_DIR);
        set(self.write_map, Flags::WRITE_MAP);
        set(self.previous_snapshot, Flags::PREV_SNAPSHOT);
        set(self.durability == Some(Durability::MetaLater), Flags::NO_META_SYNC);
        set(self.durability == Some(Durability::None), Flags::NO_SYNC);
        set(self.other_flags.contains(EnvFlags::MAPASYNC), Flags::MAP_ASYNC);
        set(self.other_flags.contains(EnvFlags::NOMEMINIT), Flags::NO_MEM_INIT);
        flags
    }
}
