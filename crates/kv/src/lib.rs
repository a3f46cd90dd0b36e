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

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::print_stdout))]

mod batch;
pub mod codec;
mod counted;
mod dbi;
mod env;
mod error;
mod flags;
mod options;
mod read;
mod sys;
mod table;
mod txn;

pub use batch::{Batch, Ticket};
pub use dbi::{Dbi, DbiOptions};
pub use env::{Durability, Env, EnvInfo, EnvOptions, Holders, ReaderInfo, TempEnv, Versions, versions};
pub use error::{Error, Result};
pub use flags::{DbiFlags, EnvFlags, PutFlags};
pub use lmdb_pages::{Count, Snapshot, TableStat};
pub use read::{Cursor, KeyRange, Keys, Pairs, Read, ReadTxn};
pub use table::{DynTable, Entries, Items, Table, TypedKeys};
pub use txn::WriteTxn;
