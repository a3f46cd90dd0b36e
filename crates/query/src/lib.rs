//! Datalog over Factum's databases: parse, analyse, plan, execute; rules; pull.
//!
//! ```text
//! text --parse--> ast::Query --analyse--> Logical --plan--> Plan --execute--> rows --shape--> QueryResult
//! ```

pub mod ast;
mod error;
pub mod functions;
pub mod logical;
mod source_text;

pub use error::{Error, ErrorKind, Result};
pub use functions::{FunctionError, FunctionRegistry, QueryFunction};
pub use source_text::SourceText;

pub use edn;
