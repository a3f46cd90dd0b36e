//! A typed key-value API on LMDB: typed keys, list tables, ranges, counted tables.
//!
//! ```text
//!   writes                                   reads
//!   WriteTxn --cursors--> LMDB               Snapshot <--pages-- lmdb-pages
//!      |  one at a time, heed owns it           |  any number, any thread, no C call
//!      v                                        v
//!            one file, one Env per file and process
//! ```
//!
//! [`Env`] is an open file, [`Dbi`] a handle on a table in it, [`WriteTxn`] the transaction that writes, and
//! [`Snapshot`] a state to read from.

pub mod codec;
mod dbi;
mod env;
mod error;
mod flags;
mod sys;
mod txn;

pub use dbi::{Dbi, DbiOptions};
pub use env::{Durability, Env, EnvInfo, EnvOptions, ReaderInfo};
pub use error::{Error, Result};
pub use flags::{DbiFlags, PutFlags};
pub use lmdb_pages::Snapshot;
pub use txn::WriteTxn;
