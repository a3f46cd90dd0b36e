//! Transactions that are begun again in a larger map.

use std::sync::atomic::Ordering;

use super::WriteTxn;
use crate::env::Env;
use crate::error::{Error, Result};

impl Env {
    /// As [`Env::with_transaction`], but where the map is full, it is made twice as large and the function is called
    /// again, with a new transaction, as long as that may help: up to 1024 times the size.
    ///
    /// **So the function may be called several times**, and must do nothing outside the transaction that cannot be done
    /// again. With the default [map size](crate::EnvOptions::map_size), which is larger than most disks, there is no
    /// need for this.
    ///
    /// # Errors
    ///
    /// As [`Env::with_transaction`]; [`Error::BadOption`] where the map cannot grow ([`Env::set_map_size`]).
    pub fn with_growing_map<T, E: From<Error>>(
        &self,
        mut f: impl FnMut(&mut WriteTxn<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        /// How often the size is doubled.
        const DOUBLINGS_MAX: u32 = 10;
        for _ in 0..DOUBLINGS_MAX {
            let mut txn = self.write()?;
            // Only one transaction of this process writes, so what it meets is ours.
            self.shared.met_full_map.store(false, Ordering::Relaxed);
            match f(&mut txn) {
                Ok(made) => match txn.commit() {
                    Ok(()) => return Ok(made),
                    Err(Error::MapFull { .. }) => {}
                    Err(error) => return Err(error.into()),
                },
                // The function may have made anything of the error, which may be that of a nested transaction.
                Err(_) if self.shared.met_full_map.load(Ordering::Relaxed) => drop(txn),
                Err(error) => return Err(error),
            }
            let size = self.shared.heed.info().map_size as u64;
            self.set_map_size(size.saturating_mul(2))?;
        }
        self.with_transaction(f)
    }
}
