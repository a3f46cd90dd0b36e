//! [`Hold`]: a read transaction that is there only to keep a state's pages from being reused.

use std::ptr;

use lmdb_master_sys as ffi;

use super::raw_read::RawRead;
use super::{CodeResult, EnvHandle, bytes, check, empty_val, found, val};

/// Holds the state that was the newest when it began.
#[derive(Debug)]
pub(crate) struct Hold(RawRead);

impl Hold {
    pub(crate) fn begin(env: EnvHandle) -> CodeResult<Self> {
        RawRead::begin(env).map(Self)
    }

    /// The transaction whose state is held.
    pub(crate) fn id(&self) -> u64 {
        self.0.id()
    }

    /// How many pages of older states transaction `id` had no more use for, by the newest state's list of free
    /// pages. Holds the newest state then.
    pub(crate) fn freed_by(&mut self, id: u64) -> CodeResult<u64> {
        /// LMDB's number of the table of free pages.
        const FREE_DBI: ffi::MDB_dbi = 0;
        self.0.reset();
        self.0.renew()?;
        let mut cursor = ptr::null_mut();
        // SAFETY: the transaction is active and reads only; the cursor is closed below.
        check(unsafe { ffi::mdb_cursor_open(self.0.as_ptr(), FREE_DBI, &mut cursor) })?;
        let id = usize::try_from(id).unwrap_or(usize::MAX).to_ne_bytes();
        let (mut key, mut value) = (val(&id), empty_val());
        // SAFETY: the cursor's transaction is active; the key is read only, the value is filled by LMDB and points
        // into the mapping, which nobody changes while the caller has the writer's turn.
        let count = unsafe {
            let code = ffi::mdb_cursor_get(cursor, &mut key, &mut value, ffi::MDB_SET);
            let count = found(check(code).map(|()| {
                let first = bytes(&value).first_chunk().copied();
                first.map_or(0, usize::from_ne_bytes)
            }));
            ffi::mdb_cursor_close(cursor);
            count
        };
        Ok(count?.unwrap_or(0) as u64)
    }

    /// Gives the state up; the slot stays.
    pub(crate) fn rest(&mut self) {
        self.0.reset();
    }
}
