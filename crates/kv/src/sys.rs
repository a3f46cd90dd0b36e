//! The calls of LMDB's C interface that heed does not offer, on handles that heed owns.
//!
//! heed opens and closes the environment, and begins, commits and aborts the transactions. It has no
//! cursors, no duplicate counts, no reader list and no way to open a table in the middle of a
//! transaction, and it keeps its raw handles private. [`EnvHandle::of`] and [`TxnHandle::of_writer`]
//! find them: the handle of a transaction appears, as a number, in the `Debug` text of heed's options
//! for opening a table, and LMDB itself leads from a transaction to its environment.
//!
//! ```text
//! heed::Env --begins--> heed transaction --Debug text--> address --mdb_txn_env--> MDB_env*
//! ```
//!
//! The addresses are never dereferenced by Rust; they only go back to the library that they came from.
//! Both are checked against heed's own answers (path, transaction id) before they are used, and a test
//! fails if a future heed words its `Debug` text differently.
#![expect(unsafe_code, reason = "calls into LMDB's C interface; every block argues its safety")]

mod cursor;
mod desk_place;
mod hold;
mod process;
mod raw_read;
mod seat;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use heed::{CommitOrAbort, WithoutTls};
use lmdb_master_sys as ffi;

pub(crate) use cursor::{Move, RawCursor, Search};
pub(crate) use desk_place::DeskPlace;
pub(crate) use hold::Hold;
pub(crate) use process::Process;
pub(crate) use raw_read::RawRead;
pub(crate) use seat::Seat;

use crate::env::Shared;
use crate::txn::WriteTxn;

/// A return code of LMDB that is not success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) c_int);

impl Code {
    pub(crate) const KEY_EXIST: Code = Code(ffi::MDB_KEYEXIST);
    pub(crate) const NOT_FOUND: Code = Code(ffi::MDB_NOTFOUND);
    pub(crate) const BAD_TXN: Code = Code(ffi::MDB_BAD_TXN);

    /// LMDB's own words for the code.
    pub(crate) fn text(self) -> String {
        // SAFETY: `mdb_strerror` accepts any number and returns a string that is static or, for codes of
        // the operating system, lives at least until the next call on this thread; it is copied at once.
        unsafe { CStr::from_ptr(ffi::mdb_strerror(self.0)) }.to_string_lossy().into_owned()
    }
}

type CodeResult<T> = Result<T, Code>;

fn check(code: c_int) -> CodeResult<()> {
    if code == ffi::MDB_SUCCESS { Ok(()) } else { Err(Code(code)) }
}

/// `None` instead of [`Code::NOT_FOUND`].
fn found<T>(result: CodeResult<T>) -> CodeResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Code::NOT_FOUND) => Ok(None),
        Err(code) => Err(code),
    }
}

fn val(bytes: &[u8]) -> ffi::MDB_val {
    ffi::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr().cast_mut().cast::<c_void>() }
}

fn empty_val() -> ffi::MDB_val {
    ffi::MDB_val { mv_size: 0, mv_data: ptr::null_mut() }
}

/// # Safety
///
/// `val` must have been filled by LMDB, and its bytes must stay unchanged for `'t`.
unsafe fn bytes<'t>(val: &ffi::MDB_val) -> &'t [u8] {
    if val.mv_size == 0 {
        return &[];
    }
    // SAFETY: by the caller's promise.
    unsafe { std::slice::from_raw_parts(val.mv_data.cast::<u8>(), val.mv_size) }
}

/// The address that heed's `Debug` text of its table options shows for the transaction.
fn transaction_address(debug_text: &str) -> Option<usize> {
    const FIELD: &str = "original_txn_ident: ";
    // The path may contain anything, also this word; the field stands after it.
    let rest = &debug_text[debug_text.rfind(FIELD)? + FIELD.len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok().filter(|address| *address != 0)
}

fn transaction_pointer(debug_text: &str) -> Option<NonNull<ffi::MDB_txn>> {
    NonNull::new(ptr::with_exposed_provenance_mut(transaction_address(debug_text)?))
}

/// LMDB's environment behind a [`heed::Env`], valid as long as that lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvHandle(NonNull<ffi::MDB_env>);

// SAFETY: an LMDB environment may be used by any thread; the calls below that may not run at the same time
// as themselves are serialised by their callers, as they say.
unsafe impl Send for EnvHandle {}
// SAFETY: as above.
unsafe impl Sync for EnvHandle {}

/// A reader slot, as LMDB lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderSlot {
    pub(crate) pid: u32,
    pub(crate) thread: u64,
    pub(crate) txn_id: Option<u64>,
}

impl EnvHandle {
    /// The handle behind `env`; `None` if heed no longer shows it.
    pub(crate) fn of(env: &heed::Env<WithoutTls>) -> heed::Result<Option<Self>> {
        let txn = env.read_txn()?;
        let found = env.open_databases_and_commit(txn, |opener, _txn| {
            let text = format!("{:?}", opener.database_options().types::<(), ()>());
            // SAFETY: the address is that of the transaction that heed holds for this closure.
            let handle = transaction_pointer(&text).map(|txn| unsafe { ffi::mdb_txn_env(txn.as_ptr()) });
            heed::Result::Ok(CommitOrAbort::<(), _>::Abort(handle.and_then(NonNull::new)))
        })?;
        let handle = found.abort().flatten().map(Self);
        Ok(handle.filter(|handle| handle.path_bytes() == env.path().as_os_str().as_bytes()))
    }

    fn path_bytes(self) -> Vec<u8> {
        let mut path: *const c_char = ptr::null();
        // SAFETY: the environment is open; LMDB stores a pointer to its own NUL-terminated copy of the path.
        unsafe {
            if ffi::mdb_env_get_path(self.0.as_ptr(), &mut path) != 0 || path.is_null() {
                return Vec::new();
            }
            CStr::from_ptr(path).to_bytes().to_vec()
        }
    }

    /// Every slot of the reader table that is in use, of all processes.
    pub(crate) fn readers(self) -> CodeResult<Vec<ReaderSlot>> {
        unsafe extern "C" fn collect(line: *const c_char, context: *mut c_void) -> c_int {
            // SAFETY: LMDB passes a NUL-terminated line and the context given below, which outlives the call.
            let (line, lines) = unsafe { (CStr::from_ptr(line), &mut *context.cast::<String>()) };
            lines.push_str(&line.to_string_lossy());
            0
        }
        let mut text = String::new();
        // SAFETY: the environment is open; the callback matches LMDB's type and does not unwind (pushing to
        // a string aborts, rather than unwinds, when memory is exhausted).
        let code = unsafe {
            ffi::mdb_reader_list(self.0.as_ptr(), Some(collect), ptr::from_mut(&mut text).cast::<c_void>())
        };
        if code < 0 {
            return Err(Code(code));
        }
        Ok(text.lines().filter_map(reader_slot).collect())
    }

    /// Maps the file anew, with another size; with zero, the one that another process has given the file.
    ///
    /// The caller makes sure that this process has no transaction on the environment that reads through
    /// LMDB's own mapping.
    pub(crate) fn set_map_size(self, bytes: usize) -> CodeResult<()> {
        // SAFETY: LMDB refuses while a write transaction is open; readers are excluded by the caller.
        check(unsafe { ffi::mdb_env_set_mapsize(self.0.as_ptr(), bytes) })
    }

    /// LMDB's flags of the environment.
    pub(crate) fn flags(self) -> u32 {
        let mut flags = 0;
        // SAFETY: the environment is open; the call reads one word of it and fails only on null pointers.
        let code = unsafe { ffi::mdb_env_get_flags(self.0.as_ptr(), &mut flags) };
        debug_assert_eq!(code, 0);
        flags
    }

    /// Sets or clears flags. The caller has the writer's turn, so no commit of this process reads them meanwhile.
    pub(crate) fn set_flags(self, flags: u32, on: bool) -> CodeResult<()> {
        // SAFETY: the environment is open; LMDB refuses flags that cannot change.
        check(unsafe { ffi::mdb_env_set_flags(self.0.as_ptr(), flags, c_int::from(on)) })
    }

    /// Forces the file to disk; without `force`, as far as the flags want it.
    pub(crate) fn sync(self, force: bool) -> CodeResult<()> {
        // SAFETY: the environment is open; any thread may sync at any time.
        check(unsafe { ffi::mdb_env_sync(self.0.as_ptr(), c_int::from(force)) })
    }
}

/// Reads a line such as `    4321 7f12a4 88` or `    4321 7f12a4 -`; the header gives `None`.
fn reader_slot(line: &str) -> Option<ReaderSlot> {
    let mut words = line.split_whitespace();
    let pid = words.next()?.parse().ok()?;
    let thread = u64::from_str_radix(words.next()?, 16).ok()?;
    Some(ReaderSlot { pid, thread, txn_id: words.next()?.parse().ok() })
}

/// LMDB's size and shape of one table, in the middle of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawStat {
    pub(crate) page_size: usize,
    pub(crate) depth: u32,
    pub(crate) branch_pages: u64,
    pub(crate) leaf_pages: u64,
    pub(crate) overflow_pages: u64,
    pub(crate) entries: u64,
}

/// A write transaction, begun by heed or nested in one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxnHandle(NonNull<ffi::MDB_txn>);

// SAFETY: the handle is stored beside the environment, as the place of its one write transaction; it is used
// only by the thread that holds that transaction (`WriteTxn` is not `Send`).
unsafe impl Send for TxnHandle {}
// SAFETY: as above.
unsafe impl Sync for TxnHandle {}

impl TxnHandle {
    /// The place where LMDB keeps the environment's one top-level write transaction.
    ///
    /// Begins and aborts a write transaction to learn it, so the caller must hold no other.
    pub(crate) fn of_writer(env: &heed::Env<WithoutTls>) -> heed::Result<Option<Self>> {
        let txn = env.write_txn()?;
        let found = env.create_databases_and_commit(txn, |opener, _txn| {
            let text = format!("{:?}", opener.database_options().types::<(), ()>());
            heed::Result::Ok(CommitOrAbort::<(), _>::Abort(transaction_pointer(&text).map(Self)))
        })?;
        Ok(found.abort().flatten())
    }

    /// Whether this is the transaction behind `txn`, as far as their ids and environments tell.
    pub(crate) fn is(self, txn: &heed::RwTxn<'_>, env: EnvHandle) -> bool {
        // SAFETY: LMDB allocates the place of the write transaction with the environment and frees it with
        // the environment, so both calls read live memory whether or not a transaction is active.
        unsafe {
            ffi::mdb_txn_env(self.0.as_ptr()) == env.0.as_ptr()
                && ffi::mdb_txn_id(self.0.as_ptr()) == txn.id()
        }
    }

    /// The number that the committed transaction will have.
    pub(crate) fn id(self) -> u64 {
        // SAFETY: the transaction is active.
        unsafe { ffi::mdb_txn_id(self.0.as_ptr()) as u64 }
    }

    /// Begins a transaction inside this one.
    ///
    /// Until it ends, this handle must not be used except to commit or abort.
    pub(crate) fn nested(self, env: EnvHandle) -> CodeResult<Self> {
        let mut child = ptr::null_mut();
        // SAFETY: the environment is open and this transaction active.
        check(unsafe { ffi::mdb_txn_begin(env.0.as_ptr(), self.0.as_ptr(), 0, &mut child) })?;
        NonNull::new(child).map(Self).ok_or(Code(ffi::MDB_PROBLEM))
    }

    /// Commits a transaction begun by [`TxnHandle::nested`] into its parent; the handle is dead afterwards.
    pub(crate) fn commit_nested(self) -> CodeResult<()> {
        // SAFETY: the handle came from `nested` and is given up by the caller, also on failure.
        check(unsafe { ffi::mdb_txn_commit(self.0.as_ptr()) })
    }

    /// Drops a transaction begun by [`TxnHandle::nested`]; the handle is dead afterwards.
    pub(crate) fn abort_nested(self) {
        // SAFETY: the handle came from `nested` and is given up by the caller.
        unsafe { ffi::mdb_txn_abort(self.0.as_ptr()) }
    }

    /// Opens a table by name, `None` if there is none and `create` is absent.
    pub(crate) fn open(self, name: &CStr, create: Option<u32>) -> CodeResult<Option<ffi::MDB_dbi>> {
        let mut dbi = 0;
        let flags: c_uint = create.map_or(0, |flags| flags | ffi::MDB_CREATE);
        // SAFETY: the transaction is active, and the name is copied by LMDB. Tables are opened only here, under
        // the writer lock, so no two openings run at the same time.
        found(
            check(unsafe { ffi::mdb_dbi_open(self.0.as_ptr(), name.as_ptr(), flags, &mut dbi) })
                .map(|()| dbi),
        )
    }

    /// The flags a table was created with.
    pub(crate) fn flags(self, dbi: ffi::MDB_dbi) -> CodeResult<u32> {
        let mut flags = 0;
        // SAFETY: the transaction is active; LMDB checks the table number.
        check(unsafe { ffi::mdb_dbi_flags(self.0.as_ptr(), dbi, &mut flags) })?;
        Ok(flags)
    }

    /// The table's size and shape at this point of the transaction.
    pub(crate) fn stat(self, dbi: ffi::MDB_dbi) -> CodeResult<RawStat> {
        let mut stat = ffi::MDB_stat {
            ms_psize: 0,
            ms_depth: 0,
            ms_branch_pages: 0,
            ms_leaf_pages: 0,
            ms_overflow_pages: 0,
            ms_entries: 0,
        };
        // SAFETY: the transaction is active; LMDB checks the table number.
        check(unsafe { ffi::mdb_stat(self.0.as_ptr(), dbi, &mut stat) })?;
        Ok(RawStat {
            page_size: stat.ms_psize as usize,
            depth: stat.ms_depth,
            branch_pages: stat.ms_branch_pages as u64,
            leaf_pages: stat.ms_leaf_pages as u64,
            overflow_pages: stat.ms_overflow_pages as u64,
            entries: stat.ms_entries as u64,
        })
    }

    /// Empties a table, or removes it.
    ///
    /// The caller has closed its cursors on the table.
    pub(crate) fn drop_table(self, dbi: ffi::MDB_dbi, remove: bool) -> CodeResult<()> {
        // SAFETY: the transaction is active. A removed table's number is never used again: every transaction
        // looks tables up by name.
        check(unsafe { ffi::mdb_drop(self.0.as_ptr(), dbi, c_int::from(remove)) })
    }

    /// The value, or the first of the values, of a key.
    pub(crate) fn get<'t>(self, dbi: ffi::MDB_dbi, key: &[u8]) -> CodeResult<Option<&'t [u8]>> {
        let (mut key, mut value) = (val(key), empty_val());
        // SAFETY: the transaction is active; `'t` is bound by the caller to a borrow that excludes writes.
        found(unsafe {
            check(ffi::mdb_get(self.0.as_ptr(), dbi, &mut key, &mut value)).map(|()| bytes(&value))
        })
    }
}

/// Makes the system set aside room for the first `bytes` of a file, without making it longer.
#[cfg(target_os = "linux")]
pub(crate) fn reserve(file: &std::fs::File, bytes: u64) -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    let bytes = libc::off_t::try_from(bytes).map_err(std::io::Error::other)?;
    // SAFETY: the descriptor is open as long as `file` is borrowed; the call touches no memory of ours.
    match unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, bytes) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Other systems have no such call, or one that makes the file longer: LMDB takes its number of reader slots from the
/// length. They go without.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve(_file: &std::fs::File, _bytes: u64) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_behind_a_misleading_path() {
        let text = r#"DatabaseOpenOptions { env: Env { path: "/original_txn_ident: 77", .. }, original_txn_ident: 4096, name: None }"#;
        assert_eq!(transaction_address(text), Some(4096));
        assert_eq!(transaction_address("DatabaseOpenOptions { env: 5 }"), None);
        assert_eq!(transaction_address("original_txn_ident: x"), None);
    }

    #[test]
    fn heed_still_shows_its_handles() {
        let dir = tempfile::tempdir().unwrap();
        // SAFETY: a fresh directory that nobody else uses.
        let env = unsafe { heed::EnvOpenOptions::new().read_txn_without_tls().max_dbs(1).open(dir.path()) }
            .unwrap();
        let handle = EnvHandle::of(&env).unwrap().unwrap();
        let writer = TxnHandle::of_writer(&env).unwrap().unwrap();
        let txn = env.write_txn().unwrap();
        assert!(writer.is(&txn, handle));
        drop(txn);
        let reader = env.read_txn().unwrap();
        let slots = handle.readers().unwrap();
        assert_eq!(slots.len(), 1);
        assert_eq!(slots[0].pid, std::process::id());
        assert_eq!(slots[0].txn_id, Some(reader.id() as u64));
    }

    /// Waits for a child that was made by a fork, which must end with zero.
    fn await_success(child: libc::pid_t) {
        assert!(child > 0);
        let mut status = 0;
        // SAFETY: the call writes one number into the place that is lent to it.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "status {status}");
    }

    #[test]
    fn the_child_of_a_fork_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let env = crate::Env::open(dir.path()).unwrap();
        let dbi = env.open_dbi("t", crate::DbiFlags::empty()).unwrap();
        let mut batch = crate::Batch::new();
        batch.delete_raw(&dbi, b"k").unwrap();
        // SAFETY: the child only makes calls that are refused before they take locks, and then ends without cleaning
        // up.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = |result: crate::Result<()>| matches!(result, Err(crate::Error::Forked));
            let all = refused(env.snapshot().map(drop))
                && refused(env.read().map(drop))
                && refused(env.write().map(drop))
                && refused(env.try_write(std::time::Duration::ZERO).map(drop))
                && refused(env.submit(batch).map(drop))
                && refused(env.info().map(drop))
                && refused(env.sync())
                && refused(env.set_flags(crate::EnvFlags::NOSYNC, true))
                && refused(env.clear_stale_readers().map(drop))
                && refused(env.open_dbi("new", crate::DbiFlags::empty()).map(drop))
                && refused(env.copy_to("/nowhere", true));
            // SAFETY: ends the process at once, as a child must that has only one of its threads.
            unsafe { libc::_exit(i32::from(!all)) }
        }
        await_success(child);
        // The parent is not disturbed.
        env.write().unwrap().commit().unwrap();
    }

    #[test]
    fn the_child_of_a_fork_leaves_the_readers_of_its_parent_alone() {
        let dir = tempfile::tempdir().unwrap();
        let env = crate::Env::open(dir.path()).unwrap();
        let snapshot = env.snapshot().unwrap();
        env.open_dbi("t", crate::DbiFlags::empty()).unwrap();
        // One slot is in use, another one is kept.
        drop(env.snapshot().unwrap());
        let slots = || env.shared.handle.readers().unwrap();
        let before = slots();
        assert_eq!((before.len(), before.iter().filter(|slot| slot.txn_id.is_some()).count()), (2, 1));
        // SAFETY: the child only drops values of this thread, and then ends without cleaning up.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop((snapshot, env));
            // SAFETY: ends the process at once, as a child must that has only one of its threads.
            unsafe { libc::_exit(0) }
        }
        await_success(child);
        assert_eq!(slots(), before);
        assert_eq!(env.release_idle_readers(), 1);
        drop(snapshot);
    }

    #[test]
    fn the_child_of_a_fork_cannot_commit_what_its_parent_has_begun() {
        let dir = tempfile::tempdir().unwrap();
        let env = crate::Env::open(dir.path()).unwrap();
        let dbi = env.open_dbi("t", crate::DbiFlags::empty()).unwrap();
        let mut txn = env.write().unwrap();
        txn.put(&dbi, b"before", b"1").unwrap();
        // SAFETY: the child only ends the transaction, which takes no lock, and then itself without cleaning up.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let is_refused = matches!(txn.commit(), Err(crate::Error::Forked));
            // SAFETY: ends the process at once, as a child must that has only one of its threads.
            unsafe { libc::_exit(i32::from(!is_refused)) }
        }
        await_success(child);
        assert_eq!(crate::Read::entries(&env.read().unwrap(), &dbi).unwrap(), 0);
        txn.put(&dbi, b"after", b"2").unwrap();
        txn.commit().unwrap();
        assert_eq!(crate::Read::entries(&env.read().unwrap(), &dbi).unwrap(), 2);
        env.write().unwrap().commit().unwrap();
    }

    #[test]
    fn reader_lines_are_understood() {
        assert_eq!(reader_slot("    pid     thread     txnid"), None);
        assert_eq!(reader_slot("  12 7fa0 -"), Some(ReaderSlot { pid: 12, thread: 0x7fa0, txn_id: None }));
        assert_eq!(reader_slot("  12 7fa0 9"), Some(ReaderSlot { pid: 12, thread: 0x7fa0, txn_id: Some(9) }));
    }
}

/// A write transaction together with what it borrows from.
#[derive(Debug)]
pub(crate) struct Held {
    // Declared first, so that it ends before `shared` may.
    txn: WriteTxn<'static>,
    shared: Arc<Shared>,
}

impl Held {
    /// Lets `begin` begin a transaction of `shared`.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        begin: impl for<'s> FnOnce(&'s Shared) -> crate::Result<WriteTxn<'s>>,
    ) -> crate::Result<Self> {
        // SAFETY: the value lives as long as `shared`, a counted handle on it, which lies in the same struct as the
        // transaction and is dropped after it; what an `Arc` points to does not move. The lifetime is not seen
        // outside: `with` lends the transaction to code that must accept any lifetime, and `commit` consumes it.
        let longer: &'static Shared = unsafe { &*Arc::as_ptr(&shared) };
        Ok(Self { txn: begin(longer)?, shared })
    }

    pub(crate) fn with<R>(&mut self, work: impl for<'e> FnOnce(&mut WriteTxn<'e>) -> R) -> R {
        work(&mut self.txn)
    }

    pub(crate) fn commit(self) -> crate::Result<()> {
        let Self { txn, shared } = self;
        let result = txn.commit();
        drop(shared);
        result
    }
}
