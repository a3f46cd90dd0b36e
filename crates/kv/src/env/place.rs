//! Looking at a path before LMDB does: what is there, whether it can be a database, and which file it is.
//!
//! The files are touched here only while no environment of this process has them open: LMDB's locks are on the lock
//! file, and the system would release them when any other handle of the process on it is closed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::EnvOptions;
use crate::error::{Error, Result};
use crate::sys;

const MAGIC: u32 = 0xBEEF_C0DE;
/// The only version of the data format that LMDB 0.9 has ever had.
const DATA_VERSION: u32 = 1;
/// Where the first page's meta record starts.
const META_AT: usize = 16;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of an existing file; does not open it.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of_metadata(&metadata))
    }

    pub(crate) fn of_metadata(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The paths of an environment.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// What LMDB is given: a directory, or the data file.
    pub(crate) path: PathBuf,
    /// The data file.
    pub(crate) data: PathBuf,
}

impl Place {
    /// Resolves `path` as the options understand it, creating directories if they allow it.
    pub(crate) fn prepare(path: &Path, options: &EnvOptions) -> Result<Self> {
        if options.single_file { Self::single_file(path, options) } else { Self::directory(path, options) }
    }

    fn directory(path: &Path, options: &EnvOptions) -> Result<Self> {
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(Error::WrongPathKind {
                    path: path.to_owned(),
                    found: "a file",
                    expected: "a directory (or the option single_file)",
                });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && options.may_create() => {
                fs::create_dir_all(path).map_err(not_writable(path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotFound { path: path.to_owned() });
            }
            Err(error) => return Err(not_writable(path)(error)),
        }
        let path = path.canonicalize().map_err(Error::io("resolving the path"))?;
        let data = path.join("data.mdb");
        Self { path, data }.checked(options)
    }

    fn single_file(path: &Path, options: &EnvOptions) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::WrongPathKind {
                path: path.to_owned(),
                found: "a directory",
                expected: "a file (because of the option single_file)",
            });
        }
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(_) if options.may_create() => {
                let directory =
                    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                fs::create_dir_all(directory).map_err(not_writable(directory))?;
                let directory = directory.canonicalize().map_err(Error::io("resolving the path"))?;
                directory.join(path.file_name().ok_or_else(|| Error::NotFound { path: path.to_owned() })?)
            }
            Err(_) => return Err(Error::NotFound { path: path.to_owned() }),
        };
        Self { data: path.clone(), path }.checked(options)
    }

    fn checked(self, options: &EnvOptions) -> Result<Self> {
        if !options.may_create() && !self.data.exists() {
            return Err(Error::NotFound { path: self.path });
        }
        if !options.allow_remote {
            let directory = self.data.parent().unwrap_or(&self.path);
            if let Some(kind) = remote_kind(directory) {
                return Err(Error::RemoteFileSystem { path: self.path, kind });
            }
        }
        Ok(self)
    }

    /// The write-ahead log, where there is one.
    pub(crate) fn log(&self) -> PathBuf {
        self.beside("log")
    }

    /// A file of the environment by its part: `x.factum-part`, or `part.mdb` in a directory.
    fn beside(&self, part: &str) -> PathBuf {
        if self.path == self.data {
            let mut name = self.data.clone().into_os_string();
            name.push(format!("-{part}"));
            PathBuf::from(name)
        } else {
            self.path.join(format!("{part}.mdb"))
        }
    }

    /// Sets room aside for the lock file before LMDB maps it.
    ///
    /// LMDB makes the file as long as its reader slots need and writes to it through a mapping. Where the disk is
    /// full, the system answers such a write by killing the process; here, it answers with an error. Only while no
    /// environment of this process has the file open: closing it here would release the locks on it.
    pub(super) fn reserve_lock_file(&self, options: &EnvOptions) -> Result<()> {
        /// Bytes of a reader slot, and more than enough for what stands before them.
        const SLOT: u64 = 64;
        const HEAD: u64 = 4096;
        let path = self.beside("lock");
        let readers = options.max_readers.unwrap_or(EnvOptions::DEFAULT_MAX_READERS);
        let wanted = HEAD + SLOT * u64::from(readers);
        let has_room =
            |found: &fs::Metadata| found.blocks() * 512 >= found.len() && found.blocks() * 512 >= wanted;
        if fs::metadata(&path).is_ok_and(|found| has_room(&found)) {
            return Ok(());
        }
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let reserved = opened.and_then(|file| {
            let length = file.metadata()?.len();
            sys::reserve(&file, wanted.max(length))
        });
        match reserved {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Err(Error::io("reserving room for the lock file")(error))
            }
            // Whatever else there is, such as a file system that cannot do this, LMDB meets it again.
            _ => Ok(()),
        }
    }

    /// Whether the data file, if there is one, begins as LMDB's files do.
    pub(crate) fn check_head(&self) -> Result<()> {
        let mut head = Vec::new();
        match File::open(&self.data) {
            Ok(file) => file
                .take(64)
                .read_to_end(&mut head)
                .map_err(Error::io("reading the head of the data file"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(not_writable(&self.data)(error)),
        };
        if head.is_empty() {
            return Ok(());
        }
        let foreign =
            |reason: &str| Error::ForeignFile { path: self.data.clone(), reason: reason.to_owned() };
        let word =
            |at: usize| head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
        let (Some(magic), Some(version)) = (word(META_AT), word(META_AT + 4)) else {
            return Err(foreign("it is shorter than the head of such a file"));
        };
        if magic == MAGIC.swap_bytes() {
            return Err(foreign("it was written on a machine of the other byte order"));
        }
        if magic != MAGIC {
            return Err(foreign("its head does not carry LMDB's mark"));
        }
        match version {
            DATA_VERSION => Ok(()),
            found if found > DATA_VERSION => {
                Err(Error::FormatTooNew { path: self.data.clone(), found, supported: DATA_VERSION })
            }
            _ => Err(foreign("its format version is unknown")),
        }
    }
}

impl EnvOptions {
    fn may_create(&self) -> bool {
        !self.existing_only && !self.read_only
    }
}

/// What an error of creating or opening means for the user.
pub(crate) fn not_writable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::NotWritable { path, source }
        }
        io::ErrorKind::NotADirectory => {
            Error::WrongPathKind { path, found: "below a file", expected: "below a directory" }
        }
        io::ErrorKind::NotFound => Error::NotFound { path },
        _ => Error::io("creating the database")(source),
    }
}

/// What the system says about the file system that a path is on.
fn file_system(path: &Path) -> Option<libc::statfs> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statfs>::uninit();
    #[expect(unsafe_code, reason = "statfs has no safe form in the standard library")]
    // SAFETY: the path is NUL-terminated, and the record is read only if the call filled it in.
    unsafe {
        (libc::statfs(path.as_ptr(), stat.as_mut_ptr()) == 0).then(|| stat.assume_init())
    }
}

/// Whether there is no room left on the file system of a path.
pub(super) fn is_full(path: &Path) -> bool {
    /// What is left of a page or so cannot be used.
    const LEAST: u64 = 1 << 16;
    #[allow(clippy::unnecessary_cast, reason = "the types of the fields differ between systems")]
    let left = |stat: libc::statfs| (stat.f_bavail as u64).saturating_mul(stat.f_bsize as u64);
    file_system(path).is_some_and(|stat| left(stat) < LEAST)
}

/// The kind of the file system, if it is known to be a network one.
#[cfg(target_os = "linux")]
fn remote_kind(path: &Path) -> Option<&'static str> {
    remote_name(file_system(path)?.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
fn remote_kind(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux tells by number"))]
fn remote_name(kind: u32) -> Option<&'static str> {
    Some(match kind {
        0x0000_6969 => "NFS",
        0x0000_517B | 0xFF53_4D42 | 0xFE53_4D42 => "SMB",
        0x0000_564C => "NCP",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        0x0102_1997 => "9P",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_have_names() {
        assert_eq!(remote_name(0x6969), Some("NFS"));
        assert_eq!(remote_name(0xFF53_4D42), Some("SMB"));
        // ext4 and tmpfs
        assert_eq!(remote_name(0xEF53), None);
        assert_eq!(remote_name(0x0102_1994), None);
        assert_eq!(remote_kind(Path::new("/")), None);
    }

    #[test]
    fn causes_of_refusal_are_told_apart() {
        let error = |kind: io::ErrorKind| not_writable(Path::new("/x"))(kind.into()).code();
        assert_eq!(error(io::ErrorKind::PermissionDenied), ":kv/not-writable");
        assert_eq!(error(io::ErrorKind::ReadOnlyFilesystem), ":kv/not-writable");
        assert_eq!(error(io::ErrorKind::NotADirectory), ":kv/wrong-path-kind");
        assert_eq!(error(io::ErrorKind::StorageFull), ":kv/disk-full");
    }
}
