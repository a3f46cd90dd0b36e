//! One environment per file and process: who has what open.
//!
//! LMDB must never open a file twice in one process: the second closing would drop the locks of the first.
//! So every opening passes through one table, keyed by device and inode, which tells the same file under any
//! name (symbolic links, hard links, a directory and the data file in it).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use heed::WithoutTls;

use super::place::{FileId, Place, not_writable};
use super::{Env, EnvOptions, Holders, Shared};
use crate::error::{Error, Result};
use crate::log::{self, Attended, DataLock};

static OPEN: LazyLock<Mutex<HashMap<FileId, Weak<Shared>>>> = LazyLock::new(Mutex::default);

/// How long opening waits for an earlier handle of this process that is on its way out.
const CLOSING_PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn open(options: &EnvOptions, path: &Path) -> Result<Env> {
    let deadline = Instant::now() + CLOSING_PATIENCE;
    loop {
        match open_once(options, path) {
            Err(Error::StillOpen { .. }) if Instant::now() < deadline => {
                // The last handle was dropped, but a snapshot, or a clone of heed's handle, is still alive.
                std::thread::sleep(Duration::from_millis(2));
            }
            other => return other,
        }
    }
}

fn open_once(options: &EnvOptions, path: &Path) -> Result<Env> {
    // Held while opening, so that two threads cannot both find the file closed.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|_, shared| shared.strong_count() > 0);
    let place = Place::prepare(path, options)?;
    if let Ok(id) = FileId::of(&place.data)
        && let Some(shared) = open.get(&id).and_then(Weak::upgrade)
    {
        if Arc::strong_count(&shared) == 2 && shared.log.settler.is_busy() {
            // A thread carries out the last commits, and closes it then.
            return Err(Error::StillOpen { path: place.path, holders: Holders::default() });
        }
        shared.agree_with(options, &place)?;
        return Ok(Env::from(shared));
    }
    if heed::env_closing_event(&place.path).is_some() {
        return Err(Error::StillOpen { path: place.path, holders: Holders::default() });
    }
    let Attended { lock, found } = log::attend(&place, options)?;
    place.check_head()?;
    place.reserve_lock_file(options)?;
    let heed = open_heed(options, &place)?;
    let lock = match lock {
        // A new file could not be locked before it was made.
        None if !options.is_read_only() => DataLock::shared(&place)?,
        lock => lock,
    };
    let shared = Arc::new(Shared::new(heed, options, &place, lock)?);
    shared.log.settler.belong_to(&shared);
    refuse_cut_off(&shared, &place)?;
    Attended::finish(found, &shared)?;
    let id = FileId::of(&place.data).map_err(Error::io("identifying the data file"))?;
    open.insert(id, Arc::downgrade(&shared));
    drop(open);
    Ok(Env::from(shared))
}

/// Refuses a file that lost its end, before LMDB reads pages that are not there, or writes over what is left.
fn refuse_cut_off(shared: &Shared, place: &Place) -> Result<()> {
    use lmdb_pages::check::{check, is_cut_off};
    let info = shared.heed.info();
    let wanted = (info.last_page_number as u64 + 1) * shared.heed.unnamed_database_stat().page_size as u64;
    let found = std::fs::metadata(&place.data).map_err(Error::io("reading the size of the data file"))?.len();
    if found >= wanted {
        return Ok(());
    }
    let snapshot = shared.reader.snapshot().map_err(Error::from_pages)?;
    if !is_cut_off(&snapshot) {
        return Ok(());
    }
    let problem = check(&snapshot).problems.first().map_or_else(
        || "its last pages are neither there nor free".to_owned(),
        std::string::ToString::to_string,
    );
    Err(Error::CutOff { path: place.data.clone(), found, wanted, problem })
}

/// Opens by heed, with less address space where the system refuses the default.
fn open_heed(options: &EnvOptions, place: &Place) -> Result<heed::Env<WithoutTls>> {
    let mut size = options.map_size.unwrap_or(EnvOptions::DEFAULT_MAP_SIZE).next_multiple_of(1 << 16);
    loop {
        match open_heed_sized(options, place, size) {
            Err(heed::Error::Io(error))
                if options.map_size.is_none()
                    && size > EnvOptions::LEAST_DEFAULT_MAP_SIZE
                    && matches!(
                        error.raw_os_error(),
                        Some(libc::ENOMEM | libc::EINVAL | libc::EOVERFLOW)
                    ) =>
            {
                size /= 2;
            }
            Ok(env) => return Ok(env),
            Err(error) => return Err(explain(error, place)),
        }
    }
}

fn open_heed_sized(options: &EnvOptions, place: &Place, size: u64) -> heed::Result<heed::Env<WithoutTls>> {
    let size = usize::try_from(size).expect("checked by the options");
    let mut heed = heed::EnvOpenOptions::new().read_txn_without_tls();
    heed.map_size(size)
        .max_readers(options.max_readers.unwrap_or(EnvOptions::DEFAULT_MAX_READERS))
        .max_dbs(options.max_dbis.unwrap_or(EnvOptions::DEFAULT_MAX_DBIS) + EnvOptions::OWN_DBIS);
    #[expect(unsafe_code, reason = "heed leaves to its caller that the file is opened once, and the flags")]
    // SAFETY: the table of open files above excludes a second opening by this process, and network file systems,
    // where locks do not work, are refused. Of the flags, none switches the locks off; those that trade
    // durability or safety for speed are documented at the options that set them. The one thing no program can
    // exclude is another program that writes to the file without LMDB.
    unsafe {
        heed.flags(options.heed_flags());
        heed.open(&place.path)
    }
}

fn explain(error: heed::Error, place: &Place) -> Error {
    let path = place.path.clone();
    match error {
        heed::Error::EnvAlreadyOpened => Error::StillOpen { path, holders: Holders::default() },
        heed::Error::Mdb(heed::MdbError::Invalid) => {
            Error::ForeignFile { path: place.data.clone(), reason: "LMDB does not recognise it".to_owned() }
        }
        heed::Error::Mdb(heed::MdbError::VersionMismatch) => Error::LockVersion { path },
        heed::Error::Io(source) => not_writable(&path)(source),
        other => Error::from_heed(other, "opening the environment"),
    }
}
