//! Datalog over Factum's databases: parse, analyse, plan, execute; rules; pull.
//!
//! ```text
//! text --parse--> ast::Query --analyse--> Logical --plan--> Plan --execute--> rows --shape--> QueryResult
//! ```

pub mod aggregate;
pub mod ast;
mod ast_text;
mod error;
pub mod exec;
pub mod functions;
pub mod logical;
pub mod parse;
pub mod plan;
pub mod pull;
pub mod rules;
mod source_text;
mod walk;

pub use error::{Error, ErrorKind, Result};
pub use functions::{FunctionError, FunctionRegistry, QueryFunction};
pub use parse::{ParseError, parse};
pub use source_text::SourceText;

pub use edn;
pub use storage;
