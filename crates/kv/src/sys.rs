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

mod clock;
mod desk_place;
mod hold;
mod leases;
mod process;

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use heed::{CommitOrAbort, WithoutTls};
use lmdb_master_sys as ffi;

pub(crate) use clock::coarse_time;
pub(crate) use desk_place::DeskPlace;
pub(crate) use hold::Hold;
pub(crate) use leases::Leases;
pub(crate) use process::Process;

use crate::env::Shared;
use crate::log::{CursorTape, Tape};
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

/// Where a cursor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    First,
    Last,
    Next,
    Prev,
    NextKey,
    PrevKey,
    NextDup,
    PrevDup,
    FirstDup,
    LastDup,
    Current,
    /// Onto the last of the packed values of the current page, all of which are returned.
    Page,
    NextPage,
    PrevPage,
}

impl Move {
    fn op(self) -> ffi::MDB_cursor_op {
        match self {
            Self::First => ffi::MDB_FIRST,
            Self::Last => ffi::MDB_LAST,
            Self::Next => ffi::MDB_NEXT,
            Self::Prev => ffi::MDB_PREV,
            Self::NextKey => ffi::MDB_NEXT_NODUP,
            Self::PrevKey => ffi::MDB_PREV_NODUP,
            Self::NextDup => ffi::MDB_NEXT_DUP,
            Self::PrevDup => ffi::MDB_PREV_DUP,
            Self::FirstDup => ffi::MDB_FIRST_DUP,
            Self::LastDup => ffi::MDB_LAST_DUP,
            Self::Current => ffi::MDB_GET_CURRENT,
            Self::Page => ffi::MDB_GET_MULTIPLE,
            Self::NextPage => ffi::MDB_NEXT_MULTIPLE,
            Self::PrevPage => ffi::MDB_PREV_MULTIPLE,
        }
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

/// Where LMDB begins to look for the place of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// On the page that the cursor is on; from the root only if the place is not there.
    Cursor,
    /// At the root, without a look at the cursor's page, which has gone out of the processor's caches where puts
    /// jump about.
    Root,
}

/// A key and its value, as a cursor returns them.
pub(crate) type Pair<'t> = (&'t [u8], &'t [u8]);

/// A cursor of a write transaction.
///
/// LMDB closes it with its transaction; its owner must not use it after that. What it returns is borrowed from
/// it, which excludes its own writes; the owner excludes those of other cursors of the transaction.
#[derive(Debug)]
pub(crate) struct RawCursor {
    txn: TxnHandle,
    dbi: ffi::MDB_dbi,
    /// `None` until a position is needed.
    cursor: Cell<Option<NonNull<ffi::MDB_cursor>>>,
    /// Where its writes are recorded, if there is a write-ahead log.
    tape: Option<CursorTape>,
    /// A cursor stays on its transaction's thread.
    _not_send: PhantomData<*mut ()>,
}

impl RawCursor {
    pub(crate) fn open(txn: TxnHandle, dbi: ffi::MDB_dbi, tape: Option<&Tape>) -> CodeResult<Self> {
        let cursor = Self::unopened(txn, dbi, tape)?;
        cursor.opened()?;
        Ok(cursor)
    }

    /// A cursor that LMDB is asked for only when something needs its position.
    pub(crate) fn unopened(txn: TxnHandle, dbi: ffi::MDB_dbi, tape: Option<&Tape>) -> CodeResult<Self> {
        let mut cursor = Self::nowhere(txn);
        cursor.begin(txn, dbi, tape)?;
        Ok(cursor)
    }

    /// A cursor to be used after [`RawCursor::begin`].
    pub(crate) fn nowhere(txn: TxnHandle) -> Self {
        Self { txn, dbi: 0, cursor: Cell::new(None), tape: None, _not_send: PhantomData }
    }

    /// Makes an unopened cursor one of this transaction and table.
    pub(crate) fn begin(&mut self, txn: TxnHandle, dbi: ffi::MDB_dbi, tape: Option<&Tape>) -> CodeResult<()> {
        (self.txn, self.dbi) = (txn, dbi);
        if let Some(tape) = tape {
            self.tape = Some(tape.at(dbi, txn.flags(dbi)? & ffi::MDB_DUPSORT != 0));
        }
        Ok(())
    }

    /// Forgets the transaction, with which LMDB ends the cursor.
    pub(crate) fn rest(&mut self) {
        self.cursor.set(None);
        self.tape = None;
    }

    /// Whether it holds nothing of a transaction.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.cursor.get().is_none() && self.tape.is_none()
    }

    #[inline]
    fn opened(&self) -> CodeResult<*mut ffi::MDB_cursor> {
        match self.cursor.get() {
            Some(cursor) => Ok(cursor.as_ptr()),
            None => self.open_now(),
        }
    }

    #[cold]
    fn open_now(&self) -> CodeResult<*mut ffi::MDB_cursor> {
        let mut cursor = ptr::null_mut();
        // SAFETY: the transaction is active; LMDB checks the table number.
        check(unsafe { ffi::mdb_cursor_open(self.txn.0.as_ptr(), self.dbi, &mut cursor) })?;
        let cursor = NonNull::new(cursor).ok_or(Code(ffi::MDB_PROBLEM))?;
        self.cursor.set(Some(cursor));
        Ok(cursor.as_ptr())
    }

    /// Closes the cursor before its transaction ends.
    pub(crate) fn close(self) {
        self.leave();
    }

    /// Gives the position up.
    fn leave(&self) {
        if let Some(cursor) = self.cursor.take() {
            // SAFETY: the transaction is active, so LMDB has not closed the cursor yet.
            unsafe { ffi::mdb_cursor_close(cursor.as_ptr()) }
        }
    }

    /// Deletes all pairs of the table. The caller makes sure that no other cursor is on it.
    pub(crate) fn clear_table(&mut self) -> CodeResult<()> {
        self.leave();
        self.txn.drop_table(self.dbi, false)?;
        if let Some(tape) = &self.tape {
            tape.cleared();
        }
        Ok(())
    }

    /// The table's size and shape at this point of the transaction.
    pub(crate) fn stat(&self) -> CodeResult<RawStat> {
        self.txn.stat(self.dbi)
    }

    fn position(
        &self,
        mut key: ffi::MDB_val,
        mut value: ffi::MDB_val,
        op: ffi::MDB_cursor_op,
    ) -> CodeResult<Option<Pair<'_>>> {
        let cursor = self.opened()?;
        // SAFETY: the cursor's transaction is active, `key` and `value` are valid for reads where the operation
        // reads them, and LMDB fills in what it returns.
        found(unsafe {
            check(ffi::mdb_cursor_get(cursor, &mut key, &mut value, op))
                .map(|()| (bytes(&key), bytes(&value)))
        })
    }

    /// Moves, and returns where the cursor is then.
    pub(crate) fn go(&self, to: Move) -> CodeResult<Option<Pair<'_>>> {
        match self.position(empty_val(), empty_val(), to.op()) {
            // Moves inside a key's values return the value only.
            Ok(Some(_)) if matches!(to, Move::FirstDup | Move::LastDup) => {
                self.position(empty_val(), empty_val(), ffi::MDB_GET_CURRENT)
            }
            // LMDB's answer for a cursor that is on nothing.
            Err(Code(libc::EINVAL)) => Ok(None),
            other => other,
        }
    }

    /// Moves to exactly this key, onto its first value.
    pub(crate) fn seek_exact(&self, key: &[u8]) -> CodeResult<Option<Pair<'_>>> {
        self.position(val(key), empty_val(), ffi::MDB_SET_KEY)
    }

    /// Moves to the first key that is not less.
    pub(crate) fn seek(&self, key: &[u8]) -> CodeResult<Option<Pair<'_>>> {
        self.position(val(key), empty_val(), ffi::MDB_SET_RANGE)
    }

    /// Moves to exactly this key and value.
    pub(crate) fn seek_pair(&self, key: &[u8], value: &[u8]) -> CodeResult<Option<Pair<'_>>> {
        self.position(val(key), val(value), ffi::MDB_GET_BOTH)
    }

    /// Moves to the first value of exactly this key that is not less.
    pub(crate) fn seek_dup(&self, key: &[u8], value: &[u8]) -> CodeResult<Option<Pair<'_>>> {
        self.position(val(key), val(value), ffi::MDB_GET_BOTH_RANGE)
    }

    /// How many values the current key has.
    pub(crate) fn dup_count(&self) -> CodeResult<u64> {
        let (cursor, mut count) = (self.opened()?, 0);
        // SAFETY: the cursor's transaction is active.
        check(unsafe { ffi::mdb_cursor_count(cursor, &mut count) })?;
        Ok(count as u64)
    }

    /// Stores a pair. If the search for its place begins where the cursor is, the cursor is on it afterwards.
    #[inline]
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], flags: u32, from: Search) -> CodeResult<()> {
        let (mut raw_key, mut raw_value) = (val(key), val(value));
        let code = match from {
            Search::Cursor => {
                let cursor = self.opened()?;
                // SAFETY: the cursor's transaction is active; both slices are only read. No flag makes LMDB write
                // through `value` (the reserving one is never passed).
                unsafe { ffi::mdb_cursor_put(cursor, &mut raw_key, &mut raw_value, flags) }
            }
            // SAFETY: as above; LMDB checks the table number, and keeps the cursor in step.
            Search::Root => unsafe {
                ffi::mdb_put(self.txn.0.as_ptr(), self.dbi, &mut raw_key, &mut raw_value, flags)
            },
        };
        check(code)?;
        if let Some(tape) = &self.tape {
            tape.put(key, value, flags);
        }
        Ok(())
    }

    /// Stores a value of `len` bytes that `fill` writes where LMDB will keep it; they are zero before. The caller
    /// makes sure that the table is a plain one, where alone LMDB can do that.
    pub(crate) fn put_reserved(
        &mut self,
        key: &[u8],
        len: usize,
        flags: u32,
        fill: impl FnOnce(&mut [u8]),
    ) -> CodeResult<()> {
        let mut raw_key = val(key);
        let mut value = ffi::MDB_val { mv_size: len, mv_data: ptr::null_mut() };
        let (cursor, raw_flags) = (self.opened()?, flags | ffi::MDB_RESERVE);
        // SAFETY: the cursor's transaction is active, and the key is only read. With this flag LMDB reads the size of
        // the value and writes the address of its place.
        check(unsafe { ffi::mdb_cursor_put(cursor, &mut raw_key, &mut value, raw_flags) })?;
        if len > 0 {
            // SAFETY: on success the address is that of `len` writable bytes in a dirty page of the transaction, which
            // stays in place until the transaction's next call; `self` is borrowed until `fill` returns. Zeroing
            // through a pointer initialises the bytes before a slice is made of them.
            let bytes = unsafe {
                let start = value.mv_data.cast::<u8>();
                ptr::write_bytes(start, 0, len);
                std::slice::from_raw_parts_mut(start, len)
            };
            fill(bytes);
            if let Some(tape) = &self.tape {
                tape.put(key, bytes, flags);
            }
        } else if let Some(tape) = &self.tape {
            tape.put(key, &[], flags);
        }
        Ok(())
    }

    /// Stores many values of one fixed size, packed in `items`, under one key.
    ///
    /// LMDB makes room among the pages that a transaction holds in memory once for a call, by an estimate that is too
    /// low for very many values; so it gets them in portions. Values that ascend beyond those that are there fill
    /// pages completely, without a search, if they are said to; LMDB tells where that ceases to be true.
    pub(crate) fn put_packed(&mut self, key: &[u8], items: &[u8], item_size: usize) -> CodeResult<()> {
        /// Bytes of values in a portion.
        const PORTION: usize = 1 << 16;
        for portion in items.chunks((PORTION / item_size).max(1) * item_size) {
            let (mut rest, mut flags) = (portion, ffi::MDB_APPENDDUP);
            while !rest.is_empty() {
                let done = match self.put_multiple(key, rest, item_size, flags) {
                    (Ok(()), stored) if stored == rest.len() / item_size => break,
                    // At a value that equals the only one that the key has so far, LMDB stops without an error.
                    (Ok(()), stored) => stored + 1,
                    (Err(Code::KEY_EXIST), stored) if flags != 0 => {
                        flags = 0;
                        stored
                    }
                    (Err(code), _) => return Err(code),
                };
                rest = &rest[done * item_size..];
            }
        }
        if let Some(tape) = &self.tape {
            tape.put_packed(key, items, item_size);
        }
        Ok(())
    }

    /// Hands values to LMDB together; also says how many it has stored, on failure, too.
    fn put_multiple(
        &mut self,
        key: &[u8],
        items: &[u8],
        item_size: usize,
        flags: u32,
    ) -> (CodeResult<()>, usize) {
        let cursor = match self.opened() {
            Ok(cursor) => cursor,
            Err(code) => return (Err(code), 0),
        };
        let mut key = val(key);
        let count = items.len() / item_size;
        let mut values = [
            ffi::MDB_val { mv_size: item_size, mv_data: items.as_ptr().cast_mut().cast::<c_void>() },
            ffi::MDB_val { mv_size: count, mv_data: ptr::null_mut() },
        ];
        // SAFETY: as for `put`; with this flag LMDB reads `count * size` bytes, no more than the length of `items`, and
        // writes the number of stored items into the second value.
        let code =
            unsafe { ffi::mdb_cursor_put(cursor, &mut key, values.as_mut_ptr(), ffi::MDB_MULTIPLE | flags) };
        (check(code), values[1].mv_size.min(count))
    }

    /// Deletes the current pair, or the current key with all its values.
    pub(crate) fn delete(&mut self, all_values: bool) -> CodeResult<()> {
        let (cursor, flags) = (self.opened()?, if all_values { ffi::MDB_NODUPDATA } else { 0 });
        if let Some(tape) = &self.tape {
            // Before the pair is gone; a deletion that fails ends the transaction, and the record with it.
            let (key, value) =
                self.position(empty_val(), empty_val(), ffi::MDB_GET_CURRENT)?.ok_or(Code::NOT_FOUND)?;
            tape.delete(key, value, all_values);
        }
        // SAFETY: the cursor's transaction is active.
        check(unsafe { ffi::mdb_cursor_del(cursor, flags) })
    }
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
        assert!(child > 0);
        let mut status = 0;
        // SAFETY: waits for the child made above.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "status {status}");
        // The parent is not disturbed.
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
