//! [`TypeFunctions`]: what a program gives to the types of a database: Rust closures by name, and a reader of written functions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use edn::{Form, Keyword, Symbol, Value};

use super::definition::{TypeDefinition, TypeFunction};
use super::error::TypeError;
use crate::transact::{FunctionError, InterpretError};

/// A function from a value to a value.
pub type ValueFunction = Arc<dyn Fn(&Value) -> Result<Value, FunctionError> + Send + Sync>;

/// Reads a function of one value that is written out.
pub type ValueInterpreter = Arc<dyn Fn(&Form) -> Result<ValueFunction, InterpretError> + Send + Sync>;

/// The functions that definitions of types can name, and how those that are written out are read. Clones share them.
///
/// ```
/// use factum_storage::{StoreOptions, types::TypeFunctions};
///
/// let functions = TypeFunctions::new()
///     .function("my/size", |value| Ok((value.as_str().ok_or("a text is expected")?.len() as i64).into()));
/// let store = StoreOptions::new().type_functions(functions).memory()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct TypeFunctions(Arc<RwLock<Known>>);

#[derive(Clone, Default)]
struct Known {
    named: BTreeMap<Symbol, ValueFunction>,
    interpreter: Option<ValueInterpreter>,
}

impl fmt::Debug for TypeFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.read().named.keys()).finish()
    }
}

impl TypeFunctions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a function its name, in all clones.
    #[must_use]
    pub fn function<F>(self, name: impl Into<Symbol>, function: F) -> Self
    where
        F: Fn(&Value) -> Result<Value, FunctionError> + Send + Sync + 'static,
    {
        self.write().named.insert(name.into(), Arc::new(function));
        self
    }

    /// Sets how functions that are written out, as `(fn [v] ..)`, are read.
    #[must_use]
    pub fn interpreter(self, interpreter: ValueInterpreter) -> Self {
        self.write().interpreter = Some(interpreter);
        self
    }

    /// Adds what another program part has; what is here already stays.
    pub fn merge(&self, other: &Self) {
        if Arc::ptr_eq(&self.0, &other.0) {
            return;
        }
        let other = other.read().clone();
        let mut known = self.write();
        for (name, function) in other.named {
            known.named.entry(name).or_insert(function);
        }
        known.interpreter = known.interpreter.take().or(other.interpreter);
    }

    /// Whether the written functions of a definition can be read.
    pub(super) fn check(&self, name: &Keyword, definition: &TypeDefinition) -> Result<(), TypeError> {
        let has_interpreter = self.read().interpreter.is_some();
        for (function, kind) in definition.functions() {
            if has_interpreter && matches!(function, TypeFunction::Written(_)) {
                self.resolve(name, function, kind)?;
            }
        }
        Ok(())
    }

    pub(super) fn resolve(
        &self,
        name: &Keyword,
        function: &TypeFunction,
        kind: &'static str,
    ) -> Result<ValueFunction, TypeError> {
        let name = name.clone();
        match function {
            TypeFunction::Written(written) => {
                if parameters(written) != Some(1) {
                    return Err(TypeError::Arity { name, kind, given: written.clone() });
                }
                let interpreter = self.read().interpreter.clone();
                let interpreter =
                    interpreter.ok_or_else(|| TypeError::NoInterpreter { name: name.clone() })?;
                interpreter(&Form::from(written)).map_err(|source| TypeError::FunctionSyntax {
                    name,
                    kind,
                    message: source.message,
                    hint: source.hint,
                })
            }
            TypeFunction::Named(named, _) => {
                let known = self.read();
                known.named.get(named).cloned().ok_or_else(|| TypeError::UnknownFunction {
                    name,
                    kind,
                    function: named.clone(),
                    nearest: edn::nearest(named.as_str(), known.named.keys().map(Symbol::as_str))
                        .map(Symbol::parse),
                })
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many parameters a written function has; those after `&` do not count.
fn parameters(written: &Value) -> Option<usize> {
    let parts = written.as_sequence()?;
    let list = parts.iter().find_map(|part| match part {
        Value::Vector(items) => Some(items),
        _ => None,
    })?;
    let rest = list.iter().position(|item| item.as_symbol().is_some_and(|symbol| symbol.as_str() == "&"));
    Some(match rest {
        // One argument goes where more are allowed.
        Some(fixed @ 0..=1) => fixed.max(1),
        Some(fixed) => fixed,
        None => list.len(),
    })
}
