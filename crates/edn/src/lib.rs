//! EDN, the notation of Clojure's data: values, a reader that keeps source spans, a printer, a serde bridge.

#![deny(missing_docs)]

mod form;
mod name;
mod value;

pub use form::{Form, FormKind, Span};
pub use name::{Keyword, Symbol};
pub use value::Value;
