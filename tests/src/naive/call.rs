//! Calls of functions against one environment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edn::{Symbol, Value};
use query::ast::{Argument, Call, CallTarget, Input, Query};
use query::functions;

use super::clause::destructure;
use super::{Env, Failure, Place, Result, Source, World, answer};

fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(Failure::Function(reason.into()))
}

impl World {
    /// The value of a call at a place.
    pub(super) fn evaluate(&self, call: &Call, env: &Env, place: &Place) -> Result<Value> {
        let name = match &call.target {
            CallTarget::Named(name, _) => name,
            CallTarget::Variable(variable) => &variable.name,
        };
        if let [Argument::Query(query), args @ ..] = call.args.as_slice() {
            return self.nested(query, args, env, place);
        }
        let (database, args) = match call.args.as_slice() {
            [Argument::Source(name), args @ ..] => (Some(place.named(&name.name)), args),
            args => (None, args),
        };
        let values = args.iter().map(|arg| match arg {
            Argument::Variable(variable) => env.get(&variable.name).cloned().ok_or(Failure::Unbound),
            Argument::Constant(constant) => Ok(constant.value.clone()),
            Argument::Call(call) => self.evaluate(call, env, place),
            Argument::Name(name, _) => Ok(Value::Symbol(name.clone())),
            other => refuse(format!("{other:?} is not known here")),
        });
        let values = values.collect::<Result<Vec<Value>>>()?;
        match database {
            Some(database) => self.of_entity(name, database, &values),
            None => self.call(name, &values),
        }
    }

    fn call(&self, name: &Symbol, args: &[Value]) -> Result<Value> {
        if let (true, [Value::Symbol(inner), leading @ .., last]) = (name.as_str() == "apply", args) {
            return self.call(inner, &[leading, &items(last)].concat());
        }
        if let Some(function) = self.functions.get(name) {
            return function(args).map_err(Failure::Function);
        }
        let Some(function) = functions::built_in(name) else { return refuse(format!("unknown {name}")) };
        function.call(args).map_err(|error| Failure::Function(error.to_string()))
    }

    /// `get-else get-some get-some-else missing?`
    fn of_entity(&self, name: &Symbol, source: &Symbol, args: &[Value]) -> Result<Value> {
        let database = self.database(source)?;
        let entity = database.entity(&args[0]);
        let first = |attribute: &Value| -> Option<Value> {
            let attribute = attribute.as_keyword()?;
            database.values(entity?, attribute).first().map(|value| (*value).clone())
        };
        let first_of = |attributes: &[Value]| {
            let found = |attribute: &Value| Some(Value::Vector(vec![attribute.clone(), first(attribute)?]));
            attributes.iter().find_map(found)
        };
        match (name.as_str(), args) {
            ("missing?", [_, attribute]) => Ok(Value::Bool(first(attribute).is_none())),
            ("get-else", [_, attribute, default]) => Ok(first(attribute).unwrap_or(default.clone())),
            ("get-some", [_, attributes @ ..]) => Ok(first_of(attributes).unwrap_or_default()),
            ("get-some-else", [_, default, attributes @ ..]) => {
                Ok(first_of(attributes).unwrap_or(Value::Vector(vec![Value::Nil, default.clone()])))
            }
            _ => refuse(format!("unknown {name}")),
        }
    }

    /// `(q query input ..)`
    fn nested(&self, query: &Arc<Query>, args: &[Argument], env: &Env, place: &Place) -> Result<Value> {
        let mut world = World { sources: BTreeMap::new(), rules: Arc::default(), ..self.clone() };
        let mut envs = vec![Env::new()];
        let implied = [Symbol::from("$")];
        let parameters: Vec<Option<&Input>> = match &query.inputs {
            Some(inputs) => inputs.iter().map(Some).collect(),
            None => args.iter().map(|_| None).collect(),
        };
        for (parameter, arg) in parameters.into_iter().zip(args) {
            match (parameter, arg) {
                (Some(Input::Source(_)) | None, Argument::Source(given)) => {
                    let own = match parameter {
                        Some(Input::Source(own)) => &own.name,
                        _ => &implied[0],
                    };
                    world.sources.insert(own.clone(), self.sources[place.named(&given.name)].clone());
                }
                (Some(Input::Source(own)), Argument::Variable(variable)) => {
                    let rows = items(&env[&variable.name]).iter().map(items).collect();
                    world.sources.insert(own.name.clone(), Source::Tuples(Arc::new(rows)));
                }
                (Some(Input::Binding(binding)), arg) => {
                    let value = match arg {
                        Argument::Variable(variable) => env[&variable.name].clone(),
                        Argument::Constant(constant) => constant.value.clone(),
                        other => return refuse(format!("{other:?} is not known here")),
                    };
                    envs = envs.iter().flat_map(|env| destructure(binding, &value, env)).collect();
                }
                other => return refuse(format!("{other:?} is not known here")),
            }
        }
        Ok(answer(query, &world, envs)?.into_value(query))
    }
}

/// The elements of a collection.
pub(super) fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Set(items) => items.iter().cloned().collect(),
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| Value::Vector(vec![key.clone(), value.clone()])).collect()
        }
        other => other.as_sequence().unwrap_or_default().to_vec(),
    }
}

/// The variables that must have values before a call.
pub(super) fn needs(call: &Call, world: &World, names: &mut BTreeSet<Symbol>) {
    if let CallTarget::Variable(variable) = &call.target
        && !world.functions.contains_key(&variable.name)
    {
        names.insert(variable.name.clone());
    }
    for arg in &call.args {
        match arg {
            Argument::Variable(variable) => drop(names.insert(variable.name.clone())),
            Argument::Call(call) => needs(call, world, names),
            _ => {}
        }
    }
}
