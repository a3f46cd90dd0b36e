//! Datalog over Factum's databases: parse, analyse, plan, execute; rules; pull.
//!
//! ```text
//! text --parse--> ast::Query --analyse--> Logical --plan--> Plan --execute--> rows --shape--> QueryResult
//! ```

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::print_stdout))]

pub mod aggregate;
mod analyse;
pub mod ast;
mod ast_text;
pub mod build;
mod error;
pub mod exec;
pub mod explain;
pub mod functions;
mod input;
pub mod interpret;
pub mod logical;
mod options;
pub mod parse;
pub mod plan;
mod prepared;
pub mod pull;
mod result;
pub mod rules;
mod run;
mod shape;
mod source_text;
mod stream;
mod walk;

pub use analyse::{AnalyseError, Warning};
pub use ast::{FindShape, Query, Rules};
pub use error::{Error, ErrorKind, Result};
pub use exec::{CancelToken, ExecError};
pub use explain::{ExplainOptions, Explanation, explain};
pub use functions::{FunctionError, FunctionRegistry, QueryFunction};
pub use input::Input;
pub use options::QueryOptions;
pub use parse::{ParseError, parse};
pub use prepared::{PlanCache, PlanCacheStats, Prepared};
pub use result::{QueryResult, ResultError};
pub use run::query;
pub use source_text::SourceText;

pub use edn;
pub use storage;
