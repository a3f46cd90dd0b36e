//! Read-only cursors over the data file of an LMDB environment.
//!
//! heed owns the environment and writes to it; this crate reads the same file through a mapping of its own, walking
//! LMDB's B+trees in Rust. A read transaction of LMDB is opened only as the *lease* that keeps a snapshot's pages
//! from being reused.

pub mod build;
pub mod check;
mod count;
mod cursor;
mod error;
mod format;
mod get;
mod lease;
mod map;
mod meta;
mod order;
mod reader;
mod snapshot;
mod table;
mod walk;

pub use count::{Bounds, Count, Run, count_in_runs, count_range, count_ranges, estimate_range};
pub use cursor::{Cursor, DupChunks, Pair};
pub use error::{Error, Result};
pub use get::get;
pub use lease::{IdleLease, Lease};
pub use map::fetch;
pub use meta::MetaPage;
pub use order::{Lexicographic, NativeInteger, Order, OrderKind, ReverseBytes};
pub use reader::{Living, LivingSnapshot, Reader};
pub use snapshot::{Place, Snapshot};
pub use table::{Table, TableFlags, TableStat};
