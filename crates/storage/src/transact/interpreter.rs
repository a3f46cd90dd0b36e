//! Functions that are written out in transaction data or stored under `:db/fn`: what this layer knows of them.
//!
//! ```text
//! (fn [db e] ..)  --Interpreter-->  InterpretedFunction  --(db, args)-->  transaction data, or the answer of a check
//! ```
//!
//! How they are read and run is the business of the layer with the query language, which hands its [`Interpreter`] to
//! [`TxFunctions`](super::TxFunctions).

use std::fmt;
use std::sync::Arc;

use edn::{Form, Span, Symbol, Value};

use crate::Db;

/// Reads a function that is written out.
pub type Interpreter = Arc<dyn Fn(&Form) -> Result<InterpretedFunction, InterpretError> + Send + Sync>;

/// A function of the database as the earlier items of a transaction leave it, and of arguments.
pub type InterpretedFunction = Arc<dyn Fn(&Db, &[Value]) -> Result<Value, InterpretError> + Send + Sync>;

/// Why a function that is written out cannot be read, or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpretError {
    /// What kind of mistake it is.
    pub kind: InterpretErrorKind,
    /// For people.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
    /// Where in the text of the function; places of stored functions are not known.
    pub span: Option<Span>,
}

/// Kinds of mistakes in functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterpretErrorKind {
    /// A form that is not written as it must be.
    Syntax,
    /// A name that stands for nothing.
    UnknownName,
    /// A function that does not exist.
    UnknownFunction,
    /// A wrong number of arguments.
    Arity,
    /// An argument that does not fit, or a function that fails for it.
    Argument,
    /// The function itself gave up, by `throw`.
    Thrown,
    /// A limit of time or depth.
    Limit,
}

impl InterpretError {
    /// An error without a place.
    pub fn new(kind: InterpretErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, span: None }
    }

    /// Adds the place, unless a more exact one is known.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        if span != Span::default() {
            self.span = self.span.or(Some(span));
        }
        self
    }

    /// Adds what may help.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for InterpretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InterpretError {}

/// Whether a value is a function that is written out: `(fn [db x] ..)`, `(inter-fn [db x] ..)`, with or without a namespace.
pub(crate) fn is_written_function(value: &Value) -> bool {
    let head = match value {
        Value::List(items) => items.first().and_then(Value::as_symbol),
        _ => None,
    };
    head.is_some_and(|name: &Symbol| {
        matches!(name.name(), "fn" | "inter-fn")
            && matches!(name.namespace(), None | Some("d" | "datalevin.core" | "clojure.core"))
    })
}
