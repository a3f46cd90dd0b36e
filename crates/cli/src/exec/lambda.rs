//! `(fn [k v] expr)`: functions that are written out, for the key-value forms, for queries, entities and transactions.
//!
//! ```text
//! (fn [k v] (and (< k 10) (:done v)))  --compile-->  Lambda  --call(args)-->  value
//!                                                       \--source-->  data, in transactions
//! ```
//!
//! The language is that of [`factum::interpret`]. Here there are three functions more: `prn`, which writes its arguments as a line and
//! returns nil, and for raw pairs `(k kv)`, `(v kv)` and `(read-buffer bytes type)`. Names that `def` gave stand for what they had
//! when the function was made. A function neither writes nor sees anything else, so it can run in the middle of a scan.

use std::io::Write;

use edn::{Form, FormKind, Span, Symbol, Value};
use factum::interpret::{InterpretError, InterpretErrorKind as Kind, Interpreted, Object};
use factum::kv::codec::{Codec, KeyType};
use factum::{QueryOptions, interpret};

use super::error::EvalError;
use super::known_types;

/// A function of some values.
#[derive(Debug)]
pub struct Lambda {
    function: Interpreted,
    source: Form,
    /// Place of the whole form.
    pub span: Span,
}

impl Lambda {
    /// Reads `(fn [parameter ..] expression ..)`.
    pub fn compile(form: &Form, names: &interpret::Names<'_>) -> Result<Self, EvalError> {
        let names = |name: &Symbol| names(name).or_else(|| host(name.as_str()));
        let function = Interpreted::compile(form, &names)
            .map_err(|error| EvalError::from_interpret(error, form.span))?;
        Ok(Self { function, source: form.clone(), span: form.span })
    }

    /// How many parameters it has; those that may be more count as one.
    pub fn parameters(&self) -> usize {
        let (count, more) = self.function.arity();
        count + usize::from(more)
    }

    /// The value for these arguments.
    pub fn call(&self, args: &[Value]) -> Result<Value, EvalError> {
        let args: Vec<Object> = args.iter().cloned().map(Object::Value).collect();
        let result = self.apply(&args, &QueryOptions::new()).and_then(Object::into_value);
        result.map_err(|error| EvalError::from_interpret(error, self.span))
    }

    /// The result for arguments that need not be data.
    pub fn apply(&self, args: &[Object], options: &QueryOptions) -> Result<Object, InterpretError> {
        self.function.call(args, options)
    }

    /// The function as data, with the names from outside given their meaning by a `let`.
    ///
    /// # Errors
    ///
    /// If it uses something that is no data, such as a database.
    pub fn to_data(&self) -> Result<Form, EvalError> {
        let form = |kind| Form { span: self.span, kind };
        let atom = |name: &str| form(FormKind::Atom(Value::symbol(name)));
        let mut bindings = Vec::new();
        for (name, object) in self.function.free_names() {
            let value = object.clone().into_value().map_err(|_| {
                let message = format!("{name} is a {}, which data cannot hold", object.type_name());
                let mut error = EvalError::new(":exec/argument", message, self.span);
                error.hint = Some("pass it as an argument of the function".to_owned());
                error
            })?;
            bindings.push(form(FormKind::Atom(Value::Symbol(name.clone()))));
            bindings.push(form(FormKind::List(vec![atom("quote"), Form::from(&value)])));
        }
        let parts = self.source.as_sequence().unwrap_or_default();
        let at = parts.iter().position(|part| matches!(part.kind, FormKind::Vector(_)));
        let (Some(at), false) = (at, bindings.is_empty()) else { return Ok(self.source.clone()) };
        let mut inner = vec![atom("let"), form(FormKind::Vector(bindings))];
        inner.extend_from_slice(&parts[at + 1..]);
        let mut outer = parts[..=at].to_vec();
        outer.push(form(FormKind::List(inner)));
        Ok(form(FormKind::List(outer)))
    }
}

/// Calls a function by its name.
pub fn call_named(name: &Symbol, args: &[Value], span: Span) -> Result<Value, EvalError> {
    if factum::is_function(name) {
        return factum::call_function(name, args)
            .map_err(|error| EvalError::from_factum(&error.into(), span));
    }
    let args: Vec<Object> = args.iter().cloned().map(Object::Value).collect();
    let result =
        interpret::call_named(name, &args, &QueryOptions::new()).unwrap_or(Ok(Object::Value(Value::Nil)));
    result.and_then(Object::into_value).map_err(|error| EvalError::from_interpret(error, span))
}

/// The functions that only exist here.
fn host(name: &str) -> Option<Object> {
    Some(match name {
        "prn" => Object::host("prn", |args| {
            let line: Result<Vec<String>, _> =
                args.iter().map(|arg| arg.clone().into_value().map(|value| value.to_string())).collect();
            writeln!(std::io::stdout(), "{}", line?.join(" ")).map_err(|problem| {
                InterpretError::new(Kind::Argument, format!("writing failed: {problem}"))
            })?;
            Ok(Object::Value(Value::Nil))
        }),
        "k" => Object::host("k", |args| one_part(args, 0)),
        "v" => Object::host("v", |args| one_part(args, 1)),
        "read-buffer" => Object::host("read-buffer", |args| {
            let codec = match args {
                [_] => KeyType::Data,
                [_, key_type] => {
                    let key_type = KeyType::from_value(&key_type.clone().into_value()?);
                    let key_type = key_type
                        .map_err(|problem| InterpretError::new(Kind::Argument, problem.to_string()))?;
                    known_types::resolved(key_type, Span::default()).map_err(|error| {
                        let told = InterpretError::new(Kind::Argument, error.message);
                        InterpretError { hint: error.hint, ..told }
                    })?
                }
                _ => return Err(InterpretError::new(Kind::Arity, "expected (read-buffer bytes type?)")),
            };
            let value = read_buffer(&args[0].clone().into_value()?, &codec, Span::default());
            value.map(Object::Value).map_err(|error| InterpretError::new(Kind::Argument, error.message))
        }),
        _ => return None,
    })
}

fn one_part(args: &[Object], at: usize) -> Result<Object, InterpretError> {
    let [pair] = args else { return Err(InterpretError::new(Kind::Arity, "expected one raw pair")) };
    let part = part(&pair.clone().into_value()?, at, Span::default());
    part.map(Object::Value).map_err(|error| InterpretError::new(Kind::Argument, error.message))
}

/// The key or the value of a raw pair.
pub fn part(pair: &Value, at: usize, span: Span) -> Result<Value, EvalError> {
    match pair.as_sequence() {
        Some(parts @ [Value::Bytes(_), Value::Bytes(_)]) => Ok(parts[at].clone()),
        _ => {
            let message = match pair {
                Value::Bytes(_) => {
                    "a raw pair was expected, not bytes: visitors of keys, and of one list, get the bytes themselves"
                        .to_owned()
                }
                other => format!("a raw pair was expected, not a {}", other.type_name()),
            };
            Err(EvalError::new(":exec/argument", message, span))
        }
    }
}

/// The value that bytes stand for.
pub fn read_buffer(bytes: &Value, codec: &KeyType, span: Span) -> Result<Value, EvalError> {
    match bytes {
        Value::Bytes(bytes) => codec.decode(bytes).map_err(|error| EvalError::from_codec(&error, span)),
        other => {
            let message = format!("bytes were expected, not a {}", other.type_name());
            Err(EvalError::new(":exec/argument", message, span))
        }
    }
}
