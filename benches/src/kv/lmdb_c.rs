//! LMDB's C API through lmdb-master-sys: the plain cursor loops that a C programmer would write.

#![expect(unsafe_code, reason = "the C API is the peer under test")]

use std::ffi::{CString, c_void};
use std::path::Path;
use std::ptr;

use lmdb_master_sys as ffi;

use super::{Engine, Entry, Key, Reader, checksum};

/// An environment with a map and a table of lists.
pub struct LmdbC {
    env: *mut ffi::MDB_env,
    map: ffi::MDB_dbi,
    lists: ffi::MDB_dbi,
}

fn check(code: i32) {
    assert_eq!(code, 0, "LMDB answered {code}");
}

fn val(bytes: &[u8]) -> ffi::MDB_val {
    ffi::MDB_val { mv_size: bytes.len(), mv_data: bytes.as_ptr() as *mut c_void }
}

/// # Safety
/// `value` must have been filled by LMDB within a transaction that outlives the slice.
unsafe fn bytes<'a>(value: &ffi::MDB_val) -> &'a [u8] {
    // SAFETY: by the caller's promise.
    unsafe { std::slice::from_raw_parts(value.mv_data.cast(), value.mv_size) }
}

const EMPTY: ffi::MDB_val = ffi::MDB_val { mv_size: 0, mv_data: ptr::null_mut() };

impl LmdbC {
    fn write(&mut self, work: impl FnOnce(*mut ffi::MDB_txn)) {
        let txn = begin(self.env, 0);
        work(txn);
        // SAFETY: the transaction is live and used by nobody else.
        check(unsafe { ffi::mdb_txn_commit(txn) });
    }

    fn read<T>(
        &self,
        dbi: ffi::MDB_dbi,
        work: impl FnOnce(*mut ffi::MDB_txn, *mut ffi::MDB_cursor) -> T,
    ) -> T {
        let txn = begin(self.env, ffi::MDB_RDONLY);
        let mut cursor = ptr::null_mut();
        // SAFETY: transaction and table are live; both end here, after the work that uses them.
        unsafe {
            check(ffi::mdb_cursor_open(txn, dbi, &mut cursor));
            let answer = work(txn, cursor);
            ffi::mdb_cursor_close(cursor);
            ffi::mdb_txn_abort(txn);
            answer
        }
    }
}

impl Drop for LmdbC {
    fn drop(&mut self) {
        // SAFETY: no transaction is open between calls.
        unsafe { ffi::mdb_env_close(self.env) }
    }
}

impl LmdbC {
    /// Opens a fresh database in an empty directory; `durable` means that a commit survives a power cut.
    pub fn open(dir: &Path, durable: bool) -> Self {
        let path = CString::new(dir.to_str().expect("UTF-8 path")).expect("path");
        let mut env = ptr::null_mut();
        let (mut map, mut lists) = (0, 0);
        // SAFETY: the calls follow LMDB's opening protocol on a fresh directory.
        unsafe {
            check(ffi::mdb_env_create(&mut env));
            check(ffi::mdb_env_set_mapsize(env, 16 << 30));
            check(ffi::mdb_env_set_maxdbs(env, 4));
            let flags = if durable { 0 } else { ffi::MDB_NOSYNC };
            check(ffi::mdb_env_open(env, path.as_ptr(), flags, 0o664));
            let mut txn = ptr::null_mut();
            check(ffi::mdb_txn_begin(env, ptr::null_mut(), 0, &mut txn));
            check(ffi::mdb_dbi_open(txn, c"map".as_ptr(), ffi::MDB_CREATE, &mut map));
            let flags = ffi::MDB_CREATE | ffi::MDB_DUPSORT | ffi::MDB_DUPFIXED | ffi::MDB_INTEGERDUP;
            check(ffi::mdb_dbi_open(txn, c"lists".as_ptr(), flags, &mut lists));
            check(ffi::mdb_txn_commit(txn));
        }
        Self { env, map, lists }
    }
}

impl Engine for LmdbC {
    fn name(&self) -> &'static str {
        "lmdb-c"
    }

    fn put(&mut self, entries: &[Entry]) {
        let map = self.map;
        self.write(|txn| {
            for (key, value) in entries {
                // SAFETY: the transaction is live; the values point to memory that outlives the call.
                check(unsafe { ffi::mdb_put(txn, map, &mut val(key), &mut val(value), 0) });
            }
        });
    }

    fn append(&mut self, entries: &[Entry]) {
        let map = self.map;
        self.write(|txn| {
            for (key, value) in entries {
                // SAFETY: as in `put`.
                check(unsafe { ffi::mdb_put(txn, map, &mut val(key), &mut val(value), ffi::MDB_APPEND) });
            }
        });
    }

    fn delete(&mut self, keys: &[Key]) {
        let map = self.map;
        self.write(|txn| {
            for key in keys {
                // SAFETY: as in `put`; a null data pointer deletes the key.
                check(unsafe { ffi::mdb_del(txn, map, &mut val(key), ptr::null_mut()) });
            }
        });
    }

    fn get(&self, keys: &[Key]) -> u64 {
        get(self.env, self.map, keys)
    }

    fn get_sorted(&self, keys: &[Key]) -> u64 {
        self.read(self.map, |_, cursor| {
            let mut sum = 0;
            for key in keys {
                let (mut key, mut data) = (val(key), EMPTY);
                // SAFETY: the cursor is live; the value is used before the transaction ends.
                unsafe {
                    if ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_SET_KEY) == 0 {
                        sum += checksum(bytes(&data));
                    }
                }
            }
            sum
        })
    }

    fn multi_get(&self, keys: &[Key]) -> u64 {
        let txn = begin(self.env, ffi::MDB_RDONLY);
        let value = |key: &Key| {
            let mut data = EMPTY;
            // SAFETY: the transaction is live.
            let code = unsafe { ffi::mdb_get(txn, self.map, &mut val(key), &mut data) };
            (code == 0).then_some(data)
        };
        let values: Vec<_> = keys.iter().map(value).collect();
        // SAFETY: the transaction ends after its values were used.
        unsafe {
            let sum = values.iter().flatten().map(|data| checksum(bytes(data))).sum();
            ffi::mdb_txn_abort(txn);
            sum
        }
    }

    fn scan(&self, backward: bool) -> u64 {
        let (first, next) = match backward {
            false => (ffi::MDB_FIRST, ffi::MDB_NEXT),
            true => (ffi::MDB_LAST, ffi::MDB_PREV),
        };
        self.read(self.map, |_, cursor| {
            let (mut key, mut data, mut sum) = (EMPTY, EMPTY, 0);
            // SAFETY: the cursor is live; values are used before the transaction ends.
            unsafe {
                let mut code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, first);
                while code == 0 {
                    sum += checksum(bytes(&data));
                    code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, next);
                }
            }
            sum
        })
    }

    fn ranges(&self, starts: &[Key], len: usize) -> u64 {
        self.read(self.map, |_, cursor| {
            let mut sum = 0;
            for start in starts {
                let (mut key, mut data) = (val(start), EMPTY);
                // SAFETY: as in `scan`.
                unsafe {
                    let mut code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_SET_RANGE);
                    for _ in 0..len {
                        if code != 0 {
                            break;
                        }
                        sum += checksum(bytes(&data));
                        code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_NEXT);
                    }
                }
            }
            sum
        })
    }

    fn count(&self, low: &Key, high: &Key) -> u64 {
        self.read(self.map, |_, cursor| {
            let (mut key, mut data, mut count) = (val(low), EMPTY, 0);
            // SAFETY: as in `scan`.
            unsafe {
                let mut code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_SET_RANGE);
                while code == 0 && bytes(&key) <= &high[..] {
                    count += 1;
                    code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_NEXT);
                }
            }
            count
        })
    }

    fn rank(&self, key: &Key) -> u64 {
        self.read(self.map, |_, cursor| {
            let (mut found, mut data, mut count) = (EMPTY, EMPTY, 0);
            // SAFETY: as in `scan`.
            unsafe {
                let mut code = ffi::mdb_cursor_get(cursor, &mut found, &mut data, ffi::MDB_FIRST);
                while code == 0 && bytes(&found) < &key[..] {
                    count += 1;
                    code = ffi::mdb_cursor_get(cursor, &mut found, &mut data, ffi::MDB_NEXT);
                }
            }
            count
        })
    }

    fn select(&self, rank: u64) -> u64 {
        self.read(self.map, |_, cursor| {
            let (mut key, mut data) = (EMPTY, EMPTY);
            // SAFETY: as in `scan`.
            unsafe {
                let mut code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_FIRST);
                for _ in 0..rank {
                    code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_NEXT);
                }
                if code == 0 { checksum(bytes(&data)) } else { 0 }
            }
        })
    }

    fn put_list(&mut self, key: &Key, items: &[u64]) {
        let lists = self.lists;
        self.write(|txn| {
            for item in items {
                // SAFETY: as in `put`.
                check(unsafe { ffi::mdb_put(txn, lists, &mut val(key), &mut val(&item.to_ne_bytes()), 0) });
            }
        });
    }

    fn put_list_at_once(&mut self, key: &Key, items: &[u64]) {
        let packed: Vec<u8> = items.iter().flat_map(|item| item.to_ne_bytes()).collect();
        let lists = self.lists;
        self.write(|txn| {
            let mut values = [val(&packed), EMPTY];
            (values[0].mv_size, values[1].mv_size) = (8, items.len());
            let mut cursor = ptr::null_mut();
            // SAFETY: as in `put`; with this flag LMDB reads as many items of 8 bytes as the second value says.
            unsafe {
                check(ffi::mdb_cursor_open(txn, lists, &mut cursor));
                check(ffi::mdb_cursor_put(cursor, &mut val(key), values.as_mut_ptr(), ffi::MDB_MULTIPLE));
                ffi::mdb_cursor_close(cursor);
            }
        });
    }

    fn list_sum(&self, key: &Key) -> u64 {
        self.read(self.lists, |_, cursor| {
            let (mut key, mut data, mut sum) = (val(key), EMPTY, 0u64);
            // SAFETY: as in `scan`; the items are read one by one, as heed does.
            unsafe {
                let mut code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_SET);
                if code == 0 {
                    code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_FIRST_DUP);
                }
                while code == 0 {
                    sum = sum.wrapping_add(number(bytes(&data)));
                    code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_NEXT_DUP);
                }
            }
            sum
        })
    }

    fn list_sum_by_pages(&self, key: &Key) -> Option<u64> {
        Some(self.read(self.lists, |_, cursor| {
            let (mut key, mut data, mut sum) = (val(key), EMPTY, 0u64);
            // SAFETY: as in `scan`; the items of a page come together.
            unsafe {
                let mut code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_SET);
                if code == 0 {
                    code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_GET_MULTIPLE);
                }
                while code == 0 {
                    let items = bytes(&data).as_chunks().0.iter().map(|item| u64::from_ne_bytes(*item));
                    sum = items.fold(sum, u64::wrapping_add);
                    code = ffi::mdb_cursor_get(cursor, &mut key, &mut data, ffi::MDB_NEXT_MULTIPLE);
                }
            }
            sum
        }))
    }

    fn list_intersection(&self, left: &Key, right: &Key) -> u64 {
        self.read(self.lists, |txn, cursor| {
            let mut other = ptr::null_mut();
            let (mut left, mut right) = (val(left), val(right));
            let (mut a, mut b, mut shared) = (EMPTY, EMPTY, 0);
            // SAFETY: as in `scan`; the second cursor lives within the same transaction.
            unsafe {
                check(ffi::mdb_cursor_open(txn, self.lists, &mut other));
                let mut code = ffi::mdb_cursor_get(cursor, &mut left, &mut a, ffi::MDB_SET_KEY);
                let mut code_right = ffi::mdb_cursor_get(other, &mut right, &mut b, ffi::MDB_SET_KEY);
                while code == 0 && code_right == 0 {
                    let (x, y) = (number(bytes(&a)), number(bytes(&b)));
                    shared += u64::from(x == y);
                    if x <= y {
                        code = ffi::mdb_cursor_get(cursor, &mut left, &mut a, ffi::MDB_NEXT_DUP);
                    } else {
                        code_right = ffi::mdb_cursor_get(other, &mut right, &mut b, ffi::MDB_NEXT_DUP);
                    }
                }
                ffi::mdb_cursor_close(other);
            }
            shared
        })
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(LmdbCReader { env: self.env, map: self.map })
    }
}

struct LmdbCReader {
    env: *mut ffi::MDB_env,
    map: ffi::MDB_dbi,
}

// SAFETY: an LMDB environment may be used by any thread, and a reader begins and ends its transactions on the thread
// that it lives on. The suite joins its threads before it closes the engine.
unsafe impl Send for LmdbCReader {}

impl Reader for LmdbCReader {
    fn get(&self, keys: &[Key]) -> u64 {
        get(self.env, self.map, keys)
    }
}

fn begin(env: *mut ffi::MDB_env, flags: u32) -> *mut ffi::MDB_txn {
    let mut txn = ptr::null_mut();
    // SAFETY: the environment is open.
    check(unsafe { ffi::mdb_txn_begin(env, ptr::null_mut(), flags, &mut txn) });
    txn
}

fn get(env: *mut ffi::MDB_env, map: ffi::MDB_dbi, keys: &[Key]) -> u64 {
    let txn = begin(env, ffi::MDB_RDONLY);
    let mut sum = 0;
    for key in keys {
        let mut data = EMPTY;
        // SAFETY: the transaction is live; the value is used before it ends.
        unsafe {
            if ffi::mdb_get(txn, map, &mut val(key), &mut data) == 0 {
                sum += checksum(bytes(&data));
            }
        }
    }
    // SAFETY: the transaction is live and ends here.
    unsafe { ffi::mdb_txn_abort(txn) };
    sum
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes.try_into().expect("eight bytes"))
}
