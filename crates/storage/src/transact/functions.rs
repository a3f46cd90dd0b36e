//! [`TxFunctions`]: Rust closures that transactions call by name.
//!
//! ```text
//! [:db.fn/call my/transfer 1 2 50]      transaction functions   (db, args) -> more transaction data
//! [:db/ensure my/balanced? 7]           checks                  (db after, args) -> must be true
//! {:account/balance {:db.attr/preds my/positive?}}   predicates (value) -> must be true
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use edn::{Symbol, Value};

use super::builder::Tx;
use super::interpreter::Interpreter;
use crate::Db;

/// What a user's closure may fail with.
pub type FunctionError = Box<dyn std::error::Error + Send + Sync>;
/// Yields transaction data from the database as the earlier items of the transaction leave it.
pub type TxFunction = Arc<dyn Fn(&Db, &[Value]) -> Result<Tx, FunctionError> + Send + Sync>;
/// Must hold for the database after the transaction.
pub type Check = Arc<dyn Fn(&Db, &[Value]) -> Result<bool, FunctionError> + Send + Sync>;
/// Must hold for every value written to an attribute.
pub type ValuePredicate = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// The closures that transaction data and schemas can name.
///
/// Beside them, functions can be written out where a name could stand, `[:db.fn/call (fn [db e] ..) 1]`, and be stored under `:db/fn`, if
/// an [`interpreter`](Self::interpreter) is given; connections have one.
///
/// Functions should be pure: a transaction that finds out late which entity a tempid stands for runs again.
///
/// ```
/// use factum_storage::transact::{Tx, TxFunctions};
///
/// let functions = TxFunctions::new()
///     .function("counter/next", |db, args| {
///         let id = args.first().cloned().ok_or("an entity id is expected")?;
///         Ok(Tx::new().add(id, ":counter/value", db.max_eid().0 as i64))
///     })
///     .predicate("my/positive?", |value| value.as_int().is_some_and(|n| n > 0));
/// ```
#[derive(Clone, Default)]
pub struct TxFunctions {
    functions: HashMap<Symbol, TxFunction>,
    checks: HashMap<Symbol, Check>,
    predicates: HashMap<Symbol, ValuePredicate>,
    /// Reads functions that are written out, if the layer above has a language for them.
    interpreter: Option<Interpreter>,
}

impl fmt::Debug for TxFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxFunctions")
            .field("functions", &self.functions.keys())
            .field("checks", &self.checks.keys())
            .field("predicates", &self.predicates.keys())
            .finish()
    }
}

impl TxFunctions {
    /// No functions but the built-in predicates of `clojure.core`, such as `clojure.core/pos?`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a transaction function.
    #[must_use]
    pub fn function<F, T>(mut self, name: impl Into<Symbol>, function: F) -> Self
    where
        F: Fn(&Db, &[Value]) -> Result<T, FunctionError> + Send + Sync + 'static,
        T: Into<Tx>,
    {
        let function = move |db: &Db, args: &[Value]| function(db, args).map(Into::into);
        self.functions.insert(name.into(), Arc::new(function));
        self
    }

    /// Registers a check for `:db/ensure`.
    #[must_use]
    pub fn check<F>(mut self, name: impl Into<Symbol>, check: F) -> Self
    where
        F: Fn(&Db, &[Value]) -> Result<bool, FunctionError> + Send + Sync + 'static,
    {
        self.checks.insert(name.into(), Arc::new(check));
        self
    }

    /// Registers a predicate for `:db.attr/preds`.
    #[must_use]
    pub fn predicate<F>(mut self, name: impl Into<Symbol>, predicate: F) -> Self
    where
        F: Fn(&Value) -> bool + Send + Sync + 'static,
    {
        self.predicates.insert(name.into(), Arc::new(predicate));
        self
    }

    /// Sets how functions that are written out, as `(fn [db x] ..)`, are read.
    #[must_use]
    pub fn interpreter(mut self, interpreter: Interpreter) -> Self {
        self.interpreter = Some(interpreter);
        self
    }

    pub(crate) fn find_interpreter(&self) -> Option<&Interpreter> {
        self.interpreter.as_ref()
    }

    pub(crate) fn find_function(&self, name: &Symbol) -> Option<&TxFunction> {
        self.functions.get(name)
    }

    pub(crate) fn find_check(&self, name: &Symbol) -> Option<&Check> {
        self.checks.get(name)
    }

    pub(crate) fn find_predicate(&self, name: &Symbol) -> Option<ValuePredicate> {
        self.predicates.get(name).cloned().or_else(|| built_in(name))
    }

    pub(crate) fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(Symbol::as_str)
    }

    pub(crate) fn check_names(&self) -> impl Iterator<Item = &str> {
        self.checks.keys().map(Symbol::as_str)
    }

    pub(crate) fn predicate_names(&self) -> impl Iterator<Item = &str> {
        self.predicates.keys().map(Symbol::as_str)
    }
}

/// The name that a symbol, an identifier keyword or a descriptor map gives to a function.
pub(crate) fn function_name(value: &Value) -> Option<Symbol> {
    match value {
        Value::Symbol(name) => Some(name.clone()),
        Value::Keyword(name) => Some(Symbol::parse(name.as_str())),
        Value::Map(descriptor) => [":udf/id", ":db/udf", ":id"]
            .iter()
            .find_map(|key| function_name(descriptor.get(&Value::keyword(key))?)),
        _ => None,
    }
}

/// The `:udf/kind` of a descriptor that is none of `expected`; nothing where no kind is said.
pub fn other_kind<'d>(named: &'d Value, expected: &[&str]) -> Option<&'d Value> {
    let kind = named.as_map()?.get(&Value::keyword("udf/kind"))?;
    (!expected.iter().any(|expected| *kind == Value::keyword(expected))).then_some(kind)
}

/// The predicates of `clojure.core` that need nothing but the value.
fn built_in(name: &Symbol) -> Option<ValuePredicate> {
    if name.namespace() != Some("clojure.core") {
        return None;
    }
    let predicate: fn(&Value) -> bool = match name.name() {
        // Only exactly `true` passes, so the identity of a truthy value does not.
        "identity" | "true?" => |value| matches!(value, Value::Bool(true)),
        "not" | "false?" => |value| matches!(value, Value::Bool(false)),
        "some?" | "any?" => |value| !value.is_nil(),
        "nil?" => Value::is_nil,
        "boolean?" => |value| matches!(value, Value::Bool(_)),
        "string?" => |value| matches!(value, Value::Str(_)),
        "keyword?" => |value| matches!(value, Value::Keyword(_)),
        "symbol?" => |value| matches!(value, Value::Symbol(_)),
        "char?" => |value| matches!(value, Value::Char(_)),
        "inst?" => |value| matches!(value, Value::Inst(_)),
        "uuid?" => |value| matches!(value, Value::Uuid(_)),
        "bytes?" => |value| matches!(value, Value::Bytes(_)),
        "map?" => |value| matches!(value, Value::Map(_)),
        "set?" => |value| matches!(value, Value::Set(_)),
        "vector?" => |value| matches!(value, Value::Vector(_)),
        "coll?" => |value| matches!(value, Value::Vector(_) | Value::List(_) | Value::Map(_) | Value::Set(_)),
        "sequential?" => |value| value.as_sequence().is_some(),
        "int?" => |value| matches!(value, Value::Int(_)),
        "integer?" => |value| matches!(value, Value::Int(_) | Value::BigInt(_)),
        "float?" | "double?" => |value| matches!(value, Value::Float(_)),
        "decimal?" => |value| matches!(value, Value::Decimal(_)),
        "ratio?" => |value| matches!(value, Value::Ratio(_)),
        "number?" => |value| sign(value).is_some(),
        "pos?" => |value| sign(value) == Some(1),
        "neg?" => |value| sign(value) == Some(-1),
        "zero?" => |value| sign(value) == Some(0),
        "nat-int?" => |value| matches!(value, Value::Int(n) if *n >= 0),
        "pos-int?" => |value| matches!(value, Value::Int(n) if *n > 0),
        "neg-int?" => |value| matches!(value, Value::Int(n) if *n < 0),
        "even?" => |value| is_odd(value) == Some(false),
        "odd?" => |value| is_odd(value) == Some(true),
        "empty?" => |value| length(value) == Some(0),
        "not-empty" => |_| false,
        _ => return None,
    };
    Some(Arc::new(predicate))
}

/// The sign of a number; NaN has none but is still a number, so it answers 2.
fn sign(value: &Value) -> Option<i8> {
    use num_traits::Signed;
    let of = |positive: bool, negative: bool| Some(i8::from(positive) - i8::from(negative));
    match value {
        Value::Int(n) => of(*n > 0, *n < 0),
        Value::Float(n) if n.is_nan() => Some(2),
        Value::Float(n) => of(*n > 0.0, *n < 0.0),
        Value::BigInt(n) => of(n.is_positive(), n.is_negative()),
        Value::Ratio(n) => of(n.is_positive(), n.is_negative()),
        Value::Decimal(n) => of(n.is_positive(), n.is_negative()),
        _ => None,
    }
}

fn is_odd(value: &Value) -> Option<bool> {
    match value {
        Value::Int(n) => Some(n % 2 != 0),
        Value::BigInt(n) => Some(n.bit(0)),
        _ => None,
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Str(text) => Some(text.len()),
        Value::List(items) | Value::Vector(items) => Some(items.len()),
        Value::Map(entries) => Some(entries.len()),
        Value::Set(items) => Some(items.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(name: &str, value: impl Into<Value>) -> bool {
        TxFunctions::new().find_predicate(&Symbol::parse(name)).expect("built in")(&value.into())
    }

    #[test]
    fn built_in_predicates() {
        assert!(holds("clojure.core/pos?", 3));
        assert!(!holds("clojure.core/pos?", -3.5));
        assert!(!holds("clojure.core/pos?", "3"));
        assert!(holds("clojure.core/odd?", 3));
        assert!(!holds("clojure.core/odd?", 4));
        assert!(!holds("clojure.core/identity", 4));
        assert!(holds("clojure.core/identity", true));
        assert!(holds("clojure.core/string?", "x"));
        assert!(holds("clojure.core/number?", f64::NAN));
        assert!(!holds("clojure.core/zero?", f64::NAN));
        assert!(TxFunctions::new().find_predicate(&Symbol::parse("pos?")).is_none());
    }

    #[test]
    fn names_of_functions() {
        let descriptor = Value::Map([(Value::keyword(":udf/id"), Value::keyword(":my/f"))].into());
        for value in [Value::symbol("my/f"), Value::keyword(":my/f"), descriptor] {
            assert_eq!(function_name(&value), Some(Symbol::parse("my/f")));
        }
        assert_eq!(function_name(&Value::Int(5)), None);
    }

    #[test]
    fn kinds_of_descriptors() {
        let descriptor = edn::read("{:udf/id :my/f :udf/kind :tx-fn}").expect("EDN");
        assert_eq!(other_kind(&descriptor, &["predicate", "tx-fn"]), None);
        assert_eq!(other_kind(&descriptor, &["predicate"]), Some(&Value::keyword("tx-fn")));
        assert_eq!(other_kind(&edn::read("{:udf/id :my/f}").expect("EDN"), &["predicate"]), None);
        assert_eq!(other_kind(&Value::symbol("my/f"), &["predicate"]), None);
    }
}
