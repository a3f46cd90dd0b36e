//! The forms of the key-value layer, in the argument order of Datalevin:
//! `kv table [function | key | n] key-range key-type value-range value-type ignore-key? raw-pred?`.
//!
//! A store is what `open-kv` or `datalog-kv` gave; inside `with-transaction-kv`, the transaction stands for it. Types
//! that are left out, or nil, are those stored with the table, or else `:data`.

mod env;
mod list;
mod pair;
mod range;
mod write;

use edn::{Span, Symbol, Value};
use factum::kv::codec::{Buffer, Codec, KeyType};
use factum::kv::{Dbi, DynTable, KeyRange, Pairs};

use super::super::args::Args;
use super::super::error::EvalError;
use super::super::item::Item;
use super::super::kv::{KvHandle, KvTarget};
use super::super::lambda::{Lambda, call_named};

pub(super) use env::*;
pub(super) use list::*;
pub(super) use pair::*;
pub(super) use range::*;
pub(super) use write::*;

impl Args {
    /// A store, a transaction of one, or a connection, which stands for the store of its file.
    pub(super) fn kv_target(&mut self, at: usize) -> Result<KvTarget, EvalError> {
        match self.item(at) {
            Item::Kv(kv) => Ok(KvTarget::Store(kv)),
            Item::KvTxn(txn) => Ok(KvTarget::Txn(txn)),
            Item::Transaction(tx) => Ok(KvTarget::Facts(tx)),
            Item::Conn(conn) => {
                let kv = conn.kv().map_err(|error| self.fail(&error))?;
                Ok(KvTarget::Store(KvHandle::new(kv)))
            }
            other => Err(self.unfit(at, "a key-value store", &other)),
        }
    }

    /// A store or what stands for one, as it is.
    pub(in super::super) fn kv_view(&mut self, at: usize) -> Result<Item, EvalError> {
        match self.item(at) {
            view @ (Item::Kv(_) | Item::KvTxn(_) | Item::Transaction(_) | Item::Conn(_)) => Ok(view),
            other => Err(self.unfit(at, "a key-value store", &other)),
        }
    }

    /// A table's name.
    pub(super) fn name_at(&mut self, at: usize) -> Result<String, EvalError> {
        match self.item(at).into_value() {
            Ok(Value::Str(text)) => Ok(text.to_string()),
            Ok(other) => Err(self.unfit(at, "a table's name, a string", &Item::Value(other))),
            Err(other) => Err(self.unfit(at, "a table's name, a string", &other)),
        }
    }

    /// A type; nothing where there is none.
    pub(super) fn key_type(&mut self, at: usize) -> Result<Option<KeyType>, EvalError> {
        if !self.has(at) {
            return Ok(None);
        }
        let value = self.value(at)?;
        KeyType::from_value(&value).map(Some).map_err(|error| EvalError::from_codec(&error, self.span_of(at)))
    }

    /// A truth value, or its default.
    pub(super) fn flag(&mut self, at: usize, default: bool) -> Result<bool, EvalError> {
        if !self.has(at) {
            return Ok(default);
        }
        match self.value(at)? {
            Value::Bool(flag) => Ok(flag),
            other => Err(self.unfit(at, "true or false", &Item::Value(other))),
        }
    }

    /// A number of things.
    pub(super) fn count_at(&mut self, at: usize) -> Result<u64, EvalError> {
        let value = self.value(at)?;
        match value.as_int().map(u64::try_from) {
            Some(Ok(count)) => Ok(count),
            _ => {
                let message = format!(
                    "argument {} of {} must be a count, zero or more, not {value}",
                    at + 1,
                    self.name
                );
                Err(EvalError::new(":exec/argument", message, self.span_of(at)))
            }
        }
    }

    /// The number that a count does not go beyond.
    pub(super) fn cap_at(&mut self, at: usize) -> Result<u64, EvalError> {
        if self.has(at) { self.count_at(at) } else { Ok(u64::MAX) }
    }

    /// A function with one parameter for raw pairs, or `decoded` ones.
    pub(super) fn function(&mut self, at: usize, raw: bool, decoded: usize) -> Result<Function, EvalError> {
        self.function_with(
            at,
            if raw { Parameters::RawPair { decoded } } else { Parameters::Decoded(decoded) },
        )
    }

    /// A function of one key or one value, raw or not.
    pub(super) fn function_of_one(&mut self, at: usize) -> Result<Function, EvalError> {
        self.function_with(at, Parameters::Decoded(1))
    }

    fn function_with(&mut self, at: usize, parameters: Parameters) -> Result<Function, EvalError> {
        let span = self.span_of(at);
        let call = match self.item(at) {
            Item::Lambda(lambda) => {
                let (wanted, message, hint) = match parameters {
                    Parameters::RawPair { decoded } => (
                        1,
                        "the function gets one raw pair, as (fn [kv] ..)".to_owned(),
                        (lambda.parameters() == decoded)
                            .then_some("for decoded keys and values, raw-pred? must be false"),
                    ),
                    Parameters::Decoded(1) => (1, "the function gets one argument".to_owned(), None),
                    Parameters::Decoded(wanted) => {
                        (wanted, format!("the function gets {wanted} decoded arguments"), None)
                    }
                };
                if lambda.parameters() != wanted {
                    let mut error = EvalError::new(":exec/arity", message, span);
                    error.hint = hint.map(str::to_owned);
                    return Err(error);
                }
                Call::Lambda(lambda)
            }
            Item::Function(name) => Call::Named(name),
            other => return Err(self.unfit(at, "a function, as (fn [k v] ..)", &other)),
        };
        Ok(Function { call, span })
    }

    /// An error of the key-value layer, placed at this call.
    pub(super) fn kv_error(&self, error: &factum::kv::Error) -> EvalError {
        EvalError::from_kv(error, self.span)
    }
}

/// What a function is called with.
enum Parameters {
    /// A raw pair; some write functions of so many decoded items instead.
    RawPair { decoded: usize },
    /// So many items.
    Decoded(usize),
}

/// A predicate, a projection or a visitor.
pub(super) struct Function {
    call: Call,
    span: Span,
}

enum Call {
    Lambda(std::sync::Arc<Lambda>),
    /// Of the query language.
    Named(Symbol),
}

impl Function {
    pub(super) fn call(&self, args: &[Value]) -> Result<Value, EvalError> {
        match &self.call {
            Call::Lambda(lambda) => lambda.call(args),
            Call::Named(name) => call_named(name, args, self.span),
        }
    }
}

/// The sentinel by which a visitor ends its walk.
pub(super) fn is_terminate(value: &Value) -> bool {
    value.as_keyword().is_some_and(|keyword| keyword.as_str() == "datalevin/terminate-visit")
}

/// What a form reads: a table with types, and how its entries are shown.
pub(super) struct Source {
    pub(super) table: DynTable,
    pub(super) span: Span,
}

impl Source {
    pub(super) fn key(&self, bytes: &[u8]) -> Result<Value, EvalError> {
        self.decode(self.table.key_codec(), bytes)
    }

    pub(super) fn value(&self, bytes: &[u8]) -> Result<Value, EvalError> {
        self.decode(self.table.value_codec(), bytes)
    }

    fn decode(&self, codec: &KeyType, bytes: &[u8]) -> Result<Value, EvalError> {
        codec.decode(bytes).map_err(|error| {
            let mut error = EvalError::from_codec(&error, self.span);
            error.message = format!("table {:?}: {}", self.table.name(), error.message);
            error
        })
    }

    /// `[k v]`, or one of them alone.
    pub(super) fn entry(&self, pair: (&[u8], &[u8]), ignore_key: bool) -> Result<Value, EvalError> {
        let value = self.value(pair.1)?;
        Ok(if ignore_key { value } else { Value::Vector(vec![self.key(pair.0)?, value]) })
    }

    /// What a function makes of a pair.
    pub(super) fn apply(
        &self,
        function: &Function,
        pair: (&[u8], &[u8]),
        raw: bool,
    ) -> Result<Value, EvalError> {
        if raw {
            return function.call(&[raw_pair(pair)]);
        }
        function.call(&[self.key(pair.0)?, self.value(pair.1)?])
    }

    /// The pairs of a range of keys and, if given, of values.
    pub(super) fn pairs<'r>(
        &self,
        read: &'r &dyn factum::kv::Read,
        keys: &Value,
        values: Option<&Value>,
    ) -> Result<Pairs<'r>, EvalError> {
        let fail = |error| EvalError::from_kv(&error, self.span);
        let keys = KeyRange::from_value(keys).map_err(fail)?;
        let entries = match values {
            None => self.table.range(read, keys),
            Some(values) => {
                let values = KeyRange::from_value(values).map_err(fail)?;
                self.table.list_range(read, keys, values)
            }
        };
        Ok(entries.map_err(fail)?.raw())
    }
}

/// A pair whose bytes are not decoded, as data.
pub(super) fn raw_pair((key, value): (&[u8], &[u8])) -> Value {
    Value::Vector(vec![Value::Bytes(key.into()), Value::Bytes(value.into())])
}

/// The bytes of a value.
pub(super) fn encoded(value: &Value, codec: &KeyType, span: Span) -> Result<Buffer, EvalError> {
    let mut buffer = Buffer::new();
    codec.encode(value, &mut buffer).map_err(|error| EvalError::from_codec(&error, span))?;
    Ok(buffer)
}

/// The table that the second argument names.
pub(super) fn dbi(args: &mut Args, target: &KvTarget) -> Result<Dbi, EvalError> {
    let name = args.name_at(1)?;
    target.dbi(&name, args.span_of(1))
}
