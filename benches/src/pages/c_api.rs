//! LMDB's C interface, as thin as it gets: what the other readers are measured against.

#![expect(unsafe_code, reason = "the C interface is unsafe")]

use std::ffi::CString;
use std::path::Path;
use std::ptr;

use lmdb_master_sys as ffi;

/// An environment opened for reading beside heed's, without locks, and one read transaction.
pub struct CReader {
    env: *mut ffi::MDB_env,
    txn: *mut ffi::MDB_txn,
}

impl CReader {
    pub fn open(dir: &Path, map_size: usize) -> CReader {
        let path = CString::new(dir.to_str().expect("a UTF-8 path")).expect("a path without NUL");
        let (mut env, mut txn) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: LMDB's calls in their prescribed order. Without locks the file must not be written meanwhile; the
        // benchmarks write before they open.
        unsafe {
            assert_eq!(ffi::mdb_env_create(&mut env), 0);
            assert_eq!(ffi::mdb_env_set_maxdbs(env, 8), 0);
            assert_eq!(ffi::mdb_env_set_mapsize(env, map_size), 0);
            let flags = ffi::MDB_RDONLY | ffi::MDB_NOLOCK | ffi::MDB_NOTLS;
            assert_eq!(ffi::mdb_env_open(env, path.as_ptr(), flags, 0o600), 0);
            assert_eq!(ffi::mdb_txn_begin(env, ptr::null_mut(), ffi::MDB_RDONLY, &mut txn), 0);
        }
        CReader { env, txn }
    }

    pub fn table(&self, name: &str) -> u32 {
        let name = CString::new(name).expect("a name without NUL");
        let mut dbi = 0;
        // SAFETY: the transaction is open.
        assert_eq!(unsafe { ffi::mdb_dbi_open(self.txn, name.as_ptr(), 0, &mut dbi) }, 0);
        dbi
    }

    #[inline]
    pub fn get(&self, table: u32, key: &[u8]) -> Option<&[u8]> {
        let (mut key, mut value) = (val(key), NOTHING);
        // SAFETY: transaction and table are open; LMDB reads the key during the call only.
        let found = unsafe { ffi::mdb_get(self.txn, table, &mut key, &mut value) } == 0;
        found.then(|| bytes(value))
    }

    pub fn cursor(&self, table: u32) -> CCursor<'_> {
        let mut cursor = ptr::null_mut();
        // SAFETY: transaction and table are open.
        assert_eq!(unsafe { ffi::mdb_cursor_open(self.txn, table, &mut cursor) }, 0);
        CCursor { cursor, _reader: self }
    }

    /// Opens and closes a read transaction.
    pub fn begin_and_abort(&self) -> u64 {
        let mut txn = ptr::null_mut();
        // SAFETY: the environment is open; the transaction is aborted once.
        unsafe {
            assert_eq!(ffi::mdb_txn_begin(self.env, ptr::null_mut(), ffi::MDB_RDONLY, &mut txn), 0);
            let id = ffi::mdb_txn_id(txn);
            ffi::mdb_txn_abort(txn);
            id as u64
        }
    }
}

impl Drop for CReader {
    fn drop(&mut self) {
        // SAFETY: opened once in `open`; cursors borrow the reader, so none is left.
        unsafe {
            ffi::mdb_txn_abort(self.txn);
            ffi::mdb_env_close(self.env);
        }
    }
}

/// LMDB's cursor.
pub struct CCursor<'r> {
    cursor: *mut ffi::MDB_cursor,
    _reader: &'r CReader,
}

impl<'r> CCursor<'r> {
    #[inline]
    pub fn op(&mut self, op: ffi::MDB_cursor_op, key: &[u8], value: &[u8]) -> Option<(&'r [u8], &'r [u8])> {
        let (mut key, mut value) = (val(key), val(value));
        // SAFETY: the cursor is open; LMDB writes through the pointers during the call only.
        let found = unsafe { ffi::mdb_cursor_get(self.cursor, &mut key, &mut value, op) } == 0;
        found.then(|| (bytes(key), bytes(value)))
    }

    pub fn count(&mut self) -> usize {
        let mut count = 0;
        // SAFETY: the cursor is open.
        assert_eq!(unsafe { ffi::mdb_cursor_count(self.cursor, &mut count) }, 0);
        count
    }
}

impl Drop for CCursor<'_> {
    fn drop(&mut self) {
        // SAFETY: opened once in `cursor`.
        unsafe { ffi::mdb_cursor_close(self.cursor) };
    }
}

const NOTHING: ffi::MDB_val = ffi::MDB_val { mv_size: 0, mv_data: ptr::null_mut() };

#[inline]
fn val(bytes: &[u8]) -> ffi::MDB_val {
    ffi::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr() as *mut _ }
}

#[inline]
fn bytes<'r>(val: ffi::MDB_val) -> &'r [u8] {
    if val.mv_size == 0 {
        return &[];
    }
    // SAFETY: after a successful call the value lies in LMDB's map, which the reader keeps open.
    unsafe { std::slice::from_raw_parts(val.mv_data.cast(), val.mv_size) }
}
