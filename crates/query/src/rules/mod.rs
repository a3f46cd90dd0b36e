//! Rules: how a call of a recursive rule is planned and evaluated.
//!
//! ```text
//! call site's bound arguments = demand
//!        |
//!   RuleProgram: tables (one per rule and demand, one for the demand itself)
//!        |         derivations: pipelines that read the rows of the last round of one table, and add to a table
//!        v
//!   rounds until nothing is new  -->  answers
//! ```
//!
//! Rules that do not reach themselves never get here: the planner puts their bodies in place of the call.

pub mod closure;
mod compile;
mod program;
mod table;
mod tail;

pub(crate) use compile::compile;
pub use program::{Derivation, Method, Rounds, RuleProgram, TableSpec};
pub use table::{Table, Tables};
