//! Functions that are written out as data: `(fn [db e] [[:db/add e :age (inc (:age (entity db e)))]])`.
//!
//! ```text
//! Form --compile--> Expr, names resolved     compile.rs, macros.rs, pattern.rs
//!      --call(arguments)--> Object           machine.rs; functions: library.rs, database.rs, functions of queries
//! ```
//!
//! This is the small part of Clojure that transaction functions need, and that Datalevin's `inter-fn` has too: `let` with
//! destructuring, `if`, `if-let`, `when`, `cond`, `case`, `and`, `or`, `do`, `fn`, `for`, `->`, `->>`, `throw`, literals, keywords and
//! maps as functions; all functions of the query language; `map`, `filter`, `reduce`, `assoc`, `update`, `into` and their like; and of
//! databases `q`, `pull`, `pull-many`, `entity`, `touch`, `entid`, `datoms` and others. There is no state, no input or output, and no
//! loop but over sequences, so what is evaluated depends on arguments only and comes to an end; a time limit and a limit of
//! depth hold as well.

mod compile;
mod database;
mod library;
mod machine;
mod macros;
mod object;
mod pattern;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use edn::{Form, Symbol};
pub use storage::transact::{InterpretError, InterpretErrorKind};
use storage::transact::{InterpretedFunction, Interpreter};
use storage::types::{ValueFunction, ValueInterpreter};

use crate::QueryOptions;

pub use object::{Host, Object};

/// A result of interpreting.
pub(crate) type Result<T, E = InterpretError> = std::result::Result<T, E>;

/// What names mean outside of a function.
pub type Names<'n> = dyn Fn(&Symbol) -> Option<Object> + 'n;

/// A function that was read, ready to be called.
#[derive(Clone, Debug)]
pub struct Interpreted {
    function: Arc<compile::FunctionSpec>,
    free: Vec<(Symbol, Object)>,
}

impl Interpreted {
    /// Reads `(fn [parameter ..] body ..)`; its body may use what `names` knows.
    ///
    /// # Errors
    ///
    /// Forms that are not written as they must be, names and functions that do not exist, each with its place.
    pub fn compile(form: &Form, names: &Names<'_>) -> Result<Self> {
        let (function, free) = compile::function(form, names)?;
        Ok(Self { function: Arc::new(function), free })
    }

    /// How many arguments it takes, and whether it takes more.
    pub fn arity(&self) -> (usize, bool) {
        self.function.arity()
    }

    /// The names from outside that it uses, with what they meant when it was read.
    pub fn free_names(&self) -> &[(Symbol, Object)] {
        &self.free
    }

    /// Its result. `options` limit the time, and the queries that it asks.
    pub fn call(&self, args: &[Object], options: &QueryOptions) -> Result<Object> {
        machine::Machine::new(options).apply_spec(&self.function, &[], args)
    }
}

/// The names of all functions that functions can use.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    library::names().chain(database::names()).chain(crate::functions::built_in_names())
}

/// Calls one of the functions that functions can use, such as `mapv`, `merge` or `str/join`; `None` if there is none of this name.
pub fn call_named(name: &Symbol, args: &[Object], options: &QueryOptions) -> Option<Result<Object>> {
    let function = compile::global(name)?;
    Some(machine::Machine::new(options).apply(&function, args))
}

/// Whether a function of this name can be called without a database, or with one as an argument.
pub fn is_function(name: &Symbol) -> bool {
    compile::global(name).is_some()
}

/// The function of this name, as an argument of another.
pub fn function_object(name: &Symbol) -> Option<Object> {
    compile::global(name)
}

/// What lets transactions read functions that are written out.
///
/// ```
/// use factum_query::{QueryOptions, interpret};
/// use storage::transact::{TxFunctions, transact};
/// use storage::{Db, DbOptions, Schema};
/// # use factum_query::{edn, storage};
///
/// let functions = TxFunctions::new().interpreter(interpret::interpreter(QueryOptions::new()));
/// let db = Db::empty(Schema::built_in(), DbOptions::default());
/// let data = edn::read("[[:db.fn/call (fn [db n] [{:db/id 1 :count (inc n)}]) 41]]")?;
/// let report = transact(&db, &data, edn::Value::Nil, &functions)?;
/// assert_eq!(report.tx_data[0].v, 42.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn interpreter(options: QueryOptions) -> Interpreter {
    let options = Arc::new(options);
    Arc::new(move |form| {
        // The program's functions; the built-in ones are known anyway.
        let registered = |name: &Symbol| {
            let function = options.functions.find(name).filter(|function| !function.is_built_in())?;
            Some(Object::Function(object::Callable::Query(function.clone())))
        };
        let function = Interpreted::compile(form, &registered)?;
        let options = options.clone();
        let call: InterpretedFunction = Arc::new(move |db, args| {
            let mut objects = vec![Object::Db(db.clone())];
            objects.extend(args.iter().cloned().map(Object::Value));
            function.call(&objects, &options)?.into_value()
        });
        Ok(call)
    })
}

/// What lets registered types read functions that are written out, such as `(fn [v] [(:major v) (:minor v)])`.
pub fn value_interpreter(options: QueryOptions) -> ValueInterpreter {
    let options = Arc::new(options);
    Arc::new(move |form| {
        // Only what every program has: other programs read the database, too.
        let function = Interpreted::compile(form, &|_| None)?;
        let options = options.clone();
        let call: ValueFunction = Arc::new(move |value| {
            let result = function.call(&[Object::Value(value.clone())], &options);
            Ok(result.and_then(Object::into_value)?)
        });
        Ok(call)
    })
}

fn error(kind: InterpretErrorKind, message: impl Into<String>) -> InterpretError {
    InterpretError::new(kind, message)
}

/// An argument that does not fit.
fn unfit(function: &str, position: usize, expected: &str, got: &Object) -> InterpretError {
    let message =
        format!("{function} expects {expected} as argument {}, not a {}", position + 1, got.type_name());
    error(InterpretErrorKind::Argument, message)
}
