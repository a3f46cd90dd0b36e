//! EDN, the notation of Clojure's data: values, a reader that keeps source spans, a printer, a serde bridge.

#![deny(missing_docs)]

mod error;
mod form;
mod inst;
mod name;
mod nearest;
mod pretty;
mod print;
mod reader;
mod serde;
mod snippet;
mod tags;
mod value;

pub use error::{Error, ErrorKind, Result};
pub use form::{Form, FormKind, Span};
pub use name::{Keyword, Symbol};
pub use nearest::nearest;
pub use pretty::pretty;
pub use reader::{Limits, Reader, ReaderOptions, read, read_all, read_form};
pub use serde::{from_str, from_value, to_value};
pub use snippet::{Position, render_snippet};
pub use value::Value;
