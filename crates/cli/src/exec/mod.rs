//! `factum exec`: forms in, one line of EDN per form out. The shell evaluates the same forms.
//!
//! ```text
//! text --feed--> whole forms --Session::eval--> Item --print--> one line of EDN
//!                                  └ names given by def
//! ```
//!
//! The forms are the calls that users of Datalevin and DataScript type: `(def db (empty-db {..}))`,
//! `(q '[:find ..] db)`, `(transact! conn [..])`. Databases are values: an earlier one stays queryable. Key-value stores have the forms of the
//! function map of `factum-kv`; their predicates are written as `(fn [k v] expression)`, see [`lambda`].

mod args;
mod command;
mod error;
mod feed;
mod forms;
mod item;
mod known_types;
mod kv;
mod lambda;
mod loops;
mod prepared;
mod session;
mod special;

pub use command::{ExecArgs, run};
pub use error::EvalError;
pub use forms::FORMS;
pub use item::Item;
pub use session::{SPECIAL, Session};
