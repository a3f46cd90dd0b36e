//! What execution asks of the functions module: calling functions on decoded values.

use edn::{Span, Value};

use super::error::{ExecError, Result};
use crate::logical::{Callee, SourceId};

/// An argument of a call, evaluated.
#[derive(Clone, Debug)]
pub enum CallArg {
    /// A value.
    Value(Value),
    /// A source, for functions that read a database.
    Source(SourceId),
    /// A function given by an input.
    Function(usize),
}

impl CallArg {
    /// The value, if it is one.
    pub fn as_value(&self) -> Option<&Value> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }
}

/// An error of a called function, of any type: the caller of the query knows it again by downcasting.
pub type CallError = Box<dyn std::error::Error + Send + Sync>;

/// Calls functions, input functions and nested queries.
pub trait Host: Sync {
    /// The result of calling `callee` with `args`.
    fn call(&self, callee: &Callee, args: &[CallArg]) -> Result<Value, CallError>;
}

/// A host without functions, for programs that call none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

impl Host for NoFunctions {
    fn call(&self, _: &Callee, _: &[CallArg]) -> Result<Value, CallError> {
        Err("no functions are available here".into())
    }
}

/// The error of a call at `span`. Errors of execution itself, such as a time-out inside a nested query, stay what
/// they are.
pub(crate) fn call_error(span: Span, source: CallError) -> ExecError {
    match source.downcast::<ExecError>() {
        Ok(error) => *error,
        Err(source) => ExecError::Call { span, source },
    }
}
