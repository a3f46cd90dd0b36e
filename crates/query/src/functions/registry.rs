//! [`FunctionRegistry`]: the functions and aggregates that a program adds to the built-in ones.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use edn::{Keyword, Symbol, Value};

use super::error::FunctionError;
use super::{Function, built_in, nearest};

/// A Rust closure that queries can call: registered under a name, or given as an input.
#[derive(Clone)]
pub struct QueryFunction(Arc<Body>);

type Body = dyn Fn(&[Value]) -> Result<Value, FunctionError> + Send + Sync;

impl QueryFunction {
    /// Wraps a closure from arguments to a value.
    pub fn new(function: impl Fn(&[Value]) -> Result<Value, FunctionError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Whether this is the same closure, not one like it.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Calls it.
    pub fn call(&self, args: &[Value]) -> Result<Value, FunctionError> {
        (self.0)(args)
    }
}

impl fmt::Debug for QueryFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueryFunction")
    }
}

/// Functions, aggregates and runtime functions (`udf`) of a program, by name. Names of built-in functions can be
/// taken over.
///
/// ```
/// use factum_query::{FunctionRegistry, edn::Value};
///
/// let functions = FunctionRegistry::new()
///     .function("geo/round", |args| match args {
///         [Value::Float(x)] => Ok(Value::Float(x.round())),
///         _ => Err("geo/round takes one double".into()),
///     })
///     .aggregate("stat/span", |_, values| {
///         let ints: Vec<i64> = values.iter().filter_map(Value::as_int).collect();
///         Ok(Value::Int(ints.iter().max().unwrap_or(&0) - ints.iter().min().unwrap_or(&0)))
///     });
/// ```
#[derive(Clone, Debug, Default)]
pub struct FunctionRegistry {
    functions: BTreeMap<Symbol, Arc<Function>>,
    aggregates: BTreeMap<Symbol, QueryFunction>,
    runtime: BTreeMap<Keyword, Arc<Function>>,
}

impl FunctionRegistry {
    /// Only the built-in functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function or predicate, callable as `(name arg ..)`.
    #[must_use]
    pub fn function(
        mut self,
        name: &str,
        function: impl Fn(&[Value]) -> Result<Value, FunctionError> + Send + Sync + 'static,
    ) -> Self {
        let name = Symbol::from(name);
        let function = Function::user(name.clone(), QueryFunction::new(function));
        self.functions.insert(name, Arc::new(function));
        self
    }

    /// Adds an aggregate, callable in `:find` as `(name arg .. ?x)`: it gets the arguments that stand before the
    /// variable, and the values of a group.
    #[must_use]
    pub fn aggregate(
        mut self,
        name: &str,
        aggregate: impl Fn(&[Value], &[Value]) -> Result<Value, FunctionError> + Send + Sync + 'static,
    ) -> Self {
        let function = QueryFunction::new(move |all| match all.split_last() {
            Some((Value::Vector(values), args)) => aggregate(args, values),
            _ => Err("an aggregate needs the values of a group".into()),
        });
        self.aggregates.insert(Symbol::from(name), function);
        self
    }

    /// Adds an implementation for `(udf {:udf/id id ..} arg ..)`.
    #[must_use]
    pub fn runtime_function(
        mut self,
        id: &str,
        function: impl Fn(&[Value]) -> Result<Value, FunctionError> + Send + Sync + 'static,
    ) -> Self {
        let id = Keyword::from(id);
        let function = Function::user(Symbol::parse(id.as_str()), QueryFunction::new(function));
        self.runtime.insert(id, Arc::new(function));
        self
    }

    /// The function of this name: one of the program, else a built-in one.
    pub fn find(&self, name: &Symbol) -> Option<&Arc<Function>> {
        self.functions.get(name).or_else(|| built_in(name))
    }

    /// The program's aggregate of this name: a function of the leading arguments and a vector of the group's values.
    pub fn find_aggregate(&self, name: &Symbol) -> Option<&QueryFunction> {
        self.aggregates.get(name)
    }

    /// The runtime function with this id.
    pub fn find_runtime(&self, id: &Keyword) -> Option<&Arc<Function>> {
        self.runtime.get(id)
    }

    /// The known function whose name looks like `name`.
    pub fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.functions.keys().map(Symbol::as_str))
    }

    /// The names of the program's aggregates.
    pub fn aggregate_names(&self) -> impl Iterator<Item = &str> {
        self.aggregates.keys().map(Symbol::as_str)
    }
}
