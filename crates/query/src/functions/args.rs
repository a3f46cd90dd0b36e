//! [`Args`]: the arguments of one call, with accessors whose errors name the function and the position.

use std::ops::Deref;

use edn::{Keyword, Symbol, Value, shorten};

use super::error::FunctionError;
use super::number::Number;

/// The arguments of a call to a built-in function. Its arity has been checked.
pub(crate) struct Args<'a> {
    function: &'a Symbol,
    values: &'a [Value],
}

impl<'a> Args<'a> {
    pub(crate) fn new(function: &'a Symbol, values: &'a [Value]) -> Self {
        Self { function, values }
    }

    /// The function that was called.
    pub(crate) fn function(&self) -> &'a Symbol {
        self.function
    }

    /// All of them, for as long as they live.
    pub(crate) fn values(&self) -> &'a [Value] {
        self.values
    }

    /// The error of an argument that is not what the function expects.
    pub(crate) fn unexpected(&self, position: usize, expected: &'static str) -> FunctionError {
        FunctionError::Argument {
            function: self.function.clone(),
            position,
            expected,
            got: self.values.get(position).map_or_else(String::new, shorten),
            got_type: self.values.get(position).map_or("nothing", Value::type_name),
        }
    }

    pub(crate) fn number(&self, position: usize) -> Result<Number<'a>, FunctionError> {
        Number::of(&self.values[position]).ok_or_else(|| self.unexpected(position, "a number"))
    }

    pub(crate) fn int(&self, position: usize) -> Result<i64, FunctionError> {
        self.values[position].as_int().ok_or_else(|| self.unexpected(position, "an integer"))
    }

    pub(crate) fn index(&self, position: usize) -> Result<usize, FunctionError> {
        let index = self.values[position].as_int().and_then(|index| usize::try_from(index).ok());
        index.ok_or_else(|| self.unexpected(position, "an integer of at least 0"))
    }

    pub(crate) fn string(&self, position: usize) -> Result<&'a str, FunctionError> {
        self.values[position].as_str().ok_or_else(|| self.unexpected(position, "a string"))
    }

    pub(crate) fn keyword(&self, position: usize) -> Result<&'a Keyword, FunctionError> {
        self.values[position].as_keyword().ok_or_else(|| self.unexpected(position, "a keyword"))
    }
}

impl Deref for Args<'_> {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        self.values
    }
}
