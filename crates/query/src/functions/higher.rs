//! `apply complement udf`: functions that call others. A function as a value is the symbol that names it.

use edn::{Symbol, Value};

use super::collections::elements;
use super::{Args, CallContext, FunctionError, FunctionRegistry, Result, built_in, nearest};

/// The tag of a negated predicate as a value.
const COMPLEMENT: &str = "complement";

/// `(apply f x .. xs)`
pub(super) fn apply(context: &CallContext<'_>, args: &Args<'_>) -> Result<Value> {
    let last = args.len() - 1;
    let mut all = args[1..last].to_vec();
    all.extend(elements(&args[last]).ok_or_else(|| args.unexpected(last, "a collection"))?);
    call_value(context, args, &args[0], &all)
}

/// `(complement pred)`: a value that `apply` calls as the opposite of `pred`.
pub(super) fn complement(args: &Args<'_>) -> Result<Value> {
    match &args[0] {
        Value::Symbol(_) => Ok(Value::Tagged(Symbol::parse(COMPLEMENT), Box::new(args[0].clone()))),
        _ => Err(args.unexpected(0, "the name of a function")),
    }
}

fn call_value(context: &CallContext<'_>, args: &Args<'_>, function: &Value, all: &[Value]) -> Result<Value> {
    match function {
        Value::Symbol(name) => {
            let found = match context.registry {
                Some(registry) => registry.find(name),
                None => built_in(name),
            };
            let suggestion = || match context.registry {
                Some(registry) => registry.nearest(name.as_str()),
                None => nearest(name.as_str(), []),
            };
            let Some(function) = found else {
                return Err(FunctionError::Unknown { name: name.to_string(), nearest: suggestion() });
            };
            function.call_with(&CallContext { db: None, registry: context.registry }, all)
        }
        Value::Tagged(tag, negated) if tag.as_str() == COMPLEMENT && negated.as_symbol().is_some() => {
            call_value(context, args, negated, all).map(|result| Value::Bool(!result.is_truthy()))
        }
        _ => Err(args.unexpected(0, "a function or the name of one")),
    }
}

/// `(udf descriptor arg ..)`; the ident of a stored descriptor has been replaced by the descriptor.
pub(super) fn udf(context: &CallContext<'_>, args: &Args<'_>) -> Result<Value> {
    if storage::transact::other_kind(&args[0], &["query-fn", "predicate"]).is_some() {
        return Err(args.unexpected(0, "a descriptor with :udf/kind :query-fn or :predicate"));
    }
    let id = args[0].as_map().and_then(|descriptor| descriptor.get(&Value::keyword("udf/id")));
    let Some(id) = id.and_then(Value::as_keyword) else {
        return Err(args.unexpected(0, "a descriptor {:udf/id :name ..}, or the ident of one"));
    };
    let function = context.registry.and_then(|registry: &FunctionRegistry| registry.find_runtime(id));
    let Some(function) = function else {
        return Err(FunctionError::Unknown { name: id.to_string(), nearest: None });
    };
    function.call(&args[1..])
}
