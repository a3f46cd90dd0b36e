//! Execution: a physical plan over sources becomes a relation.
//!
//! ```text
//! Plan --open--> operators --pull batches--> distinct / aggregate / first rows --> Relation (columns of cells)
//!                   |  cursors on the snapshot, memos, hash tables
//!                   |  budget asked between batches: time, rows, memory, cancellation
//! ```
//!
//! Nothing is decoded on the way except the arguments of functions; the caller decodes what it shows.

mod aggregate;
mod arena;
mod batch;
pub(crate) mod cell;
mod column;
mod context;
mod error;
mod evaluate;
mod finish;
mod host;
mod index_answer;
mod integer;
pub(crate) mod join_table;
mod limits;
mod measure;
pub(crate) mod memo;
pub(crate) mod operators;
mod parallel;
pub(crate) mod pipeline;
mod ranges;
mod rows;
mod run;
mod sink;
pub(crate) mod threads;

pub use arena::Arena;
pub use batch::{Batch, Relation};
pub use cell::Cell;
pub use column::Column;
pub use context::{Context, Scope, Source};
pub use error::{ExecError, Result};
pub use host::{CallArg, CallError, Host, NoFunctions};
pub use limits::{Budget, CancelToken, Limits};
pub use measure::{Measure, Measures};
pub use rows::{Rows, can_stream};
pub use run::{Options, Run, run, run_plan};
pub use threads::in_task;

#[cfg(test)]
mod tests;

use edn::Value;

/// The cell of a value; bytes that do not fit it go to the arena.
pub fn encode_cell<'s>(value: &Value, arena: &'s Arena) -> Cell<'s> {
    store_cell(&storage::encode(value), arena)
}

/// The cell of encoded bytes; those that do not fit it are copied to the arena.
pub fn store_cell<'s>(encoded: &[u8], arena: &'s Arena) -> Cell<'s> {
    Cell::try_inline(encoded).unwrap_or_else(|| Cell::new(arena.store(encoded.to_vec())))
}
