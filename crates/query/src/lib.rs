//! Datalog over Factum's databases: parse, analyse, plan, execute; rules; pull.
//!
//! ```text
//! text --parse--> ast::Query --analyse--> Logical --plan--> Plan --execute--> rows --shape--> QueryResult
//! ```

pub mod ast;
mod ast_text;
mod error;
pub mod functions;
pub mod logical;
pub mod parse;
pub mod pull;
mod source_text;
mod walk;

pub use error::{Error, ErrorKind, Result};
pub use functions::{FunctionError, FunctionRegistry, QueryFunction};
pub use parse::{ParseError, parse};
pub use source_text::SourceText;

pub use edn;
pub use storage;
