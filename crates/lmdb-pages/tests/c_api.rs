//! Duplicate operations that heed does not have, against LMDB's own cursors.

#![allow(clippy::unwrap_used, unsafe_code, reason = "tests that call the C API")]

mod common;

use std::ffi::CString;
use std::ptr;

use common::shape::SHAPES;
use common::{open, table, with_orders};
use lmdb_master_sys as ffi;
use lmdb_pages::{Cursor, Order, Reader, Snapshot, TableFlags};

/// LMDB's cursor over table `t`, in an environment of its own that takes no locks.
struct CCursor {
    env: *mut ffi::MDB_env,
    txn: *mut ffi::MDB_txn,
    cursor: *mut ffi::MDB_cursor,
}

impl CCursor {
    fn open(dir: &std::path::Path) -> CCursor {
        let path = CString::new(dir.to_str().unwrap()).unwrap();
        let (mut env, mut txn, mut dbi, mut cursor) = (ptr::null_mut(), ptr::null_mut(), 0, ptr::null_mut());
        // SAFETY: plain calls in LMDB's prescribed order; the file is not written meanwhile, so no locks are needed.
        unsafe {
            assert_eq!(ffi::mdb_env_create(&mut env), 0);
            assert_eq!(ffi::mdb_env_set_maxdbs(env, 4), 0);
            assert_eq!(ffi::mdb_env_open(env, path.as_ptr(), ffi::MDB_RDONLY | ffi::MDB_NOLOCK, 0o600), 0);
            assert_eq!(ffi::mdb_txn_begin(env, ptr::null_mut(), ffi::MDB_RDONLY, &mut txn), 0);
            assert_eq!(ffi::mdb_dbi_open(txn, c"t".as_ptr(), 0, &mut dbi), 0);
            assert_eq!(ffi::mdb_cursor_open(txn, dbi, &mut cursor), 0);
        }
        CCursor { env, txn, cursor }
    }

    fn get(&mut self, op: ffi::MDB_cursor_op, key: &[u8], value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let val = |bytes: &[u8]| ffi::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr() as *mut _ };
        let (mut key, mut value) = (val(key), val(value));
        let bytes = |val: ffi::MDB_val| {
            if val.mv_data.is_null() {
                return Vec::new();
            }
            // SAFETY: LMDB set the value to memory of its map.
            unsafe { std::slice::from_raw_parts(val.mv_data.cast::<u8>(), val.mv_size) }.to_vec()
        };
        // SAFETY: the cursor is open, and LMDB writes through the pointers only during the call.
        match unsafe { ffi::mdb_cursor_get(self.cursor, &mut key, &mut value, op) } {
            0 => Some((bytes(key), bytes(value))),
            ffi::MDB_NOTFOUND => None,
            code => panic!("LMDB error {code}"),
        }
    }

    fn count(&mut self) -> u64 {
        let mut count = 0;
        // SAFETY: the cursor is open and on a pair.
        assert_eq!(unsafe { ffi::mdb_cursor_count(self.cursor, &mut count) }, 0);
        count as u64
    }
}

impl Drop for CCursor {
    fn drop(&mut self) {
        // SAFETY: each was opened in `open` and is closed once, in reverse order.
        unsafe {
            ffi::mdb_cursor_close(self.cursor);
            ffi::mdb_txn_abort(self.txn);
            ffi::mdb_env_close(self.env);
        }
    }
}

fn compare<K: Order, D: Order>(dir: &std::path::Path, snapshot: &Snapshot, probes: &[Vec<u8>]) {
    let table = snapshot.table("t").unwrap().unwrap();
    let fixed = table.flags().contains(TableFlags::DUP_FIXED);
    let mut ours = Cursor::<K, D>::new(snapshot, &table).unwrap();
    let mut theirs = CCursor::open(dir);
    let mut op = ffi::MDB_FIRST;
    let mut keys = 0;
    while let Some((key, value)) = theirs.get(op, b"", b"") {
        op = ffi::MDB_NEXT_NODUP;
        keys += 1;
        assert_eq!(ours.next_key().unwrap(), Some((&key[..], &value[..])));
        assert_eq!(ours.dup_count().unwrap(), theirs.count());
        for probe in probes {
            let found = theirs.get(ffi::MDB_GET_BOTH_RANGE, &key, probe).map(|pair| pair.1);
            assert_eq!(ours.seek_dup(&key, probe).unwrap().map(|pair| pair.1.to_vec()), found);
        }
        // Come back to the key, where a failed probe may have left it.
        assert!(ours.find(&key).unwrap());
        theirs.get(ffi::MDB_SET_KEY, &key, b"").unwrap();
        let mut packed = Vec::new();
        if fixed && theirs.count() > 1 {
            let mut multiple = ffi::MDB_GET_MULTIPLE;
            while let Some((_, chunk)) = theirs.get(multiple, b"", b"") {
                packed.extend_from_slice(&chunk);
                multiple = ffi::MDB_NEXT_MULTIPLE;
            }
        } else {
            let mut next = ffi::MDB_FIRST_DUP;
            if theirs.count() == 1 {
                next = ffi::MDB_GET_CURRENT;
            }
            while let Some((_, value)) = theirs.get(next, b"", b"") {
                packed.extend_from_slice(&value);
                if theirs.count() == 1 {
                    break;
                }
                next = ffi::MDB_NEXT_DUP;
            }
        }
        let chunks: Vec<u8> = ours.dup_chunks().unwrap().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
        assert_eq!(chunks, packed);
        theirs.get(ffi::MDB_SET_KEY, &key, b"").unwrap();
    }
    assert_eq!(ours.next_key().unwrap(), None);
    assert!(keys > 3, "the table must hold something");
}

#[test]
fn duplicates_read_as_with_lmdbs_own_cursors() {
    for shape in SHAPES.iter().filter(|shape| shape.dups()) {
        let dir = tempfile::tempdir().unwrap();
        let env = open(dir.path());
        let written = table(&env, Some("t"), shape.flags);
        let mut txn = env.write_txn().unwrap();
        for (key, dups) in
            [(1u16, 1u16), (2, 2), (3, 5), (4, 20), (5, 90), (6, 700), (7, 4000), (8, 3), (9, 1)]
        {
            for dup in 0..dups {
                written.put(&mut txn, &shape.key.make(key), &shape.value.make(dup.wrapping_mul(13))).unwrap();
            }
        }
        // Lists that shrank again keep the form into which they had grown.
        for dup in 2..4000u16 {
            let (key, value) = (shape.key.make(7), shape.value.make(dup.wrapping_mul(13)));
            written.delete_one_duplicate(&mut txn, &key, &value).unwrap();
        }
        txn.commit().unwrap();
        let snapshot = Reader::new(&env).unwrap().snapshot().unwrap();
        let probes: Vec<_> = (0..40u16).map(|probe| shape.value.make(probe.wrapping_mul(1733))).collect();
        with_orders!(shape.flags, K, D => compare::<K, D>(dir.path(), &snapshot, &probes));
    }
}
