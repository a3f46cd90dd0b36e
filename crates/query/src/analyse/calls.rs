//! Calls: functions are found by name, inputs are put in, arguments are checked as far as they are known.

use std::sync::Arc;

use edn::{Keyword, Span, Symbol, Value, shorten};

use super::error::AnalyseError;
use super::inputs::Given;
use super::scope::Scope;
use super::{Analyser, Result};
use crate::ast::{self, Argument, CallTarget};
use crate::exec::Source;
use crate::functions::{Function, FunctionError, QueryFunction, elements};
use crate::logical::{Arg, Call, Callee, SourceId, VarId};

impl Analyser<'_> {
    /// `(f arg ..)`
    pub(super) fn call(&mut self, scope: &mut Scope, call: &ast::Call) -> Result<Call> {
        if let CallTarget::Named(name, _) = &call.target
            && name.as_str() == "q"
            && self.options.functions.find(name).is_none()
        {
            return self.nested_query(scope, call);
        }
        let function = self.target(scope, &call.target)?;
        if function.is_built_in() && function.name().as_str() == "apply" {
            return self.apply(scope, call, function);
        }
        let arity = function.arity();
        if !arity.accepts(call.args.len()) {
            let (name, got, span) = (function.name().clone(), call.args.len(), call.span);
            return Err(AnalyseError::FunctionArity { name, expected: arity, got, span });
        }
        let mut args = Vec::with_capacity(call.args.len());
        for (index, argument) in call.args.iter().enumerate() {
            let takes_source = function.takes_source() && index == 0;
            args.push(match argument {
                Argument::Source(source) if takes_source => {
                    Arg::Source(self.database(scope, source, &function, call.span)?)
                }
                Argument::Source(source) => {
                    let (source_name, name) = (source.name.clone(), function.name().clone());
                    return Err(AnalyseError::SourceArgument { source_name, name, span: source.span });
                }
                _ if takes_source => {
                    return Err(AnalyseError::NeedsDatabase {
                        name: function.name().clone(),
                        span: call.span,
                    });
                }
                argument => self.argument(scope, argument)?,
            });
        }
        self.check_attributes(&function, call, &args)?;
        if function.is_built_in() && function.name().as_str() == "udf" {
            self.resolve_descriptor(&mut args);
        }
        Ok(finished(Callee::Function(function), args, call.span))
    }

    /// What a call names.
    fn target(&mut self, scope: &Scope, target: &CallTarget) -> Result<Arc<Function>> {
        match target {
            CallTarget::Named(name, span) => match scope.given(name) {
                Some(Given::Function(function)) => Ok(Arc::clone(function)),
                _ => self.function(name, *span),
            },
            CallTarget::Variable(variable) => match scope.given(&variable.name) {
                Some(Given::Function(function)) => Ok(Arc::clone(function)),
                Some(Given::Value(Value::Symbol(name))) => self.function(name, variable.span),
                _ => Err(AnalyseError::NotAFunction { name: variable.name.clone(), span: variable.span }),
            },
        }
    }

    fn function(&self, name: &Symbol, span: Span) -> Result<Arc<Function>> {
        match self.options.functions.find(name) {
            Some(function) => Ok(Arc::clone(function)),
            None => {
                let nearest = self.options.functions.nearest(name.as_str());
                Err(AnalyseError::UnknownFunction { name: name.clone(), nearest, span })
            }
        }
    }

    fn database(
        &self,
        scope: &Scope,
        source: &ast::SourceName,
        function: &Function,
        span: Span,
    ) -> Result<SourceId> {
        let id = self.named_source(scope, source);
        match id.map(|id| (id, &self.inputs.sources[usize::from(id.0)])) {
            Some((id, Source::Db(_))) => Ok(id),
            _ => Err(AnalyseError::NeedsDatabase { name: function.name().clone(), span }),
        }
    }

    fn argument(&mut self, scope: &mut Scope, argument: &Argument) -> Result<Arg> {
        Ok(match argument {
            Argument::Variable(variable) => match scope.given(&variable.name) {
                Some(Given::Value(value)) => Arg::Const(value.clone()),
                Some(Given::Function(_)) => {
                    let (name, span) = (variable.name.clone(), variable.span);
                    return Err(AnalyseError::FunctionAsValue { name, span });
                }
                None => Arg::Var(scope.var(variable)),
            },
            Argument::Constant(constant) => Arg::Const(substitute(scope, &constant.value)),
            Argument::Name(name, _) => match scope.given(name) {
                Some(Given::Value(value)) => Arg::Const(value.clone()),
                _ => Arg::Const(Value::Symbol(name.clone())),
            },
            Argument::Call(call) => Arg::Call(Box::new(self.call(scope, call)?)),
            Argument::Source(source) => {
                let (source_name, name) = (source.name.clone(), Symbol::parse("this call"));
                return Err(AnalyseError::SourceArgument { source_name, name, span: source.span });
            }
            Argument::Query(query) => {
                let (found, span) = (query.to_string(), query.span);
                return Err(AnalyseError::NotAQuery { found, span });
            }
        })
    }

    /// `(apply f x .. xs)`: a function that is known now is called directly.
    fn apply(&mut self, scope: &mut Scope, call: &ast::Call, apply: Arc<Function>) -> Result<Call> {
        let arity = apply.arity();
        if !arity.accepts(call.args.len()) {
            let (name, got, span) = (apply.name().clone(), call.args.len(), call.span);
            return Err(AnalyseError::FunctionArity { name, expected: arity, got, span });
        }
        let given = match &call.args[0] {
            Argument::Variable(ast::Variable { name, .. }) | Argument::Name(name, _) => {
                match scope.given(name) {
                    Some(Given::Function(function)) => Some(Arc::clone(function)),
                    _ => None,
                }
            }
            _ => None,
        };
        if let (None, Argument::Name(name, span)) = (&given, &call.args[0])
            && scope.given(name).is_none()
        {
            self.function(name, *span)?;
        }
        let rest = &call.args[usize::from(given.is_some())..];
        let args =
            rest.iter().map(|argument| self.argument(scope, argument)).collect::<Result<Vec<Arg>>>()?;
        let function = match given {
            Some(function) => Arc::new(Function::user(apply.name().clone(), spreading(function))),
            None => apply,
        };
        Ok(finished(Callee::Function(function), args, call.span))
    }

    /// `(q query input ..)`
    fn nested_query(&mut self, scope: &mut Scope, call: &ast::Call) -> Result<Call> {
        let not_a_query = |found: String| AnalyseError::NotAQuery { found, span: call.span };
        let Some((first, rest)) = call.args.split_first() else { return Err(not_a_query("nothing".into())) };
        let query = match first {
            Argument::Query(query) => Arc::clone(query),
            Argument::Variable(ast::Variable { name, .. }) | Argument::Name(name, _) => {
                match scope.given(name) {
                    Some(Given::Value(value)) => match ast::Query::from_value(value) {
                        Ok(query) => Arc::new(query),
                        Err(error) => return Err(not_a_query(format!("{} ({error})", shorten(value)))),
                    },
                    _ => return Err(not_a_query(name.to_string())),
                }
            }
            other => return Err(not_a_query(other.to_string())),
        };
        let mut args = Vec::with_capacity(rest.len());
        for argument in rest {
            let function = match argument {
                Argument::Variable(ast::Variable { name, .. }) | Argument::Name(name, _) => {
                    match scope.given(name) {
                        Some(Given::Function(function)) => Some(Arc::clone(function)),
                        _ => None,
                    }
                }
                _ => None,
            };
            args.push(match (argument, function) {
                (_, Some(function)) => Arg::InputFunction(self.input_function(function)),
                (Argument::Source(source), _) => Arg::Source(self.source_or_default(scope, Some(source))),
                (argument, _) => self.argument(scope, argument)?,
            });
        }
        Ok(finished(Callee::NestedQuery(query), args, call.span))
    }

    /// The number under which execution hands a function on to a nested query.
    fn input_function(&mut self, function: Arc<Function>) -> usize {
        self.functions.push(function);
        self.functions.len() - 1
    }

    /// Attributes that are arguments of entity helpers should exist.
    fn check_attributes(&mut self, function: &Function, call: &ast::Call, args: &[Arg]) -> Result<()> {
        let first = match function.name().as_str() {
            _ if !function.is_built_in() => return Ok(()),
            "get-else" | "missing?" | "get-some" => 2,
            "get-some-else" => 3,
            _ => return Ok(()),
        };
        let last = if function.name().as_str() == "get-else" { 3 } else { args.len() };
        let Some(Arg::Source(source)) = args.first() else { return Ok(()) };
        let Source::Db(db) = self.inputs.sources[usize::from(source.0)].clone() else { return Ok(()) };
        for (arg, written) in args[..last].iter().zip(&call.args).skip(first) {
            if let (Arg::Const(Value::Keyword(name)), Argument::Constant(constant)) = (arg, written)
                && db.schema().attribute(name).is_none()
            {
                self.unknown_attribute(&db, name, constant.span)?;
            }
        }
        Ok(())
    }

    /// `(udf :ident ..)` becomes `(udf {descriptor} ..)`, if a database holds the descriptor.
    fn resolve_descriptor(&mut self, args: &mut [Arg]) {
        let Some(Arg::Const(Value::Keyword(ident))) = args.first() else { return };
        self.looked_up = true;
        let stored = self.inputs.sources.iter().find_map(|source| match source {
            Source::Db(db) => stored_descriptor(db, ident),
            Source::Tuples(_) => None,
        });
        if let Some(descriptor) = stored {
            args[0] = Arg::Const(descriptor);
        }
    }
}

fn stored_descriptor(db: &storage::Db, ident: &Keyword) -> Option<Value> {
    let attribute = db.schema().attribute(&Keyword::from(":db/udf"))?.id;
    let entity = db.entid(&Value::Keyword(ident.clone())).ok()??;
    db.values(entity, attribute).ok()?.first()?.decode().ok()
}

/// A function whose last argument is a collection of further arguments.
fn spreading(function: Arc<Function>) -> QueryFunction {
    QueryFunction::new(move |args| {
        let Some((last, first)) = args.split_last() else { return function.call(&[]) };
        let rest = elements(last).ok_or_else(|| FunctionError::Argument {
            function: Symbol::parse("apply"),
            position: args.len(),
            expected: "a collection",
            got: shorten(last),
            got_type: last.type_name(),
        })?;
        function.call(&[first, &rest].concat())
    })
}

fn finished(function: Callee, args: Vec<Arg>, span: Span) -> Call {
    let mut needs: Vec<VarId> = Vec::new();
    let mut need = |var: VarId| {
        if !needs.contains(&var) {
            needs.push(var);
        }
    };
    for arg in &args {
        match arg {
            Arg::Var(var) => need(*var),
            Arg::Call(call) => call.needs.iter().for_each(|var| need(*var)),
            Arg::Const(_) | Arg::Source(_) | Arg::InputFunction(_) => {}
        }
    }
    Call { function, args, needs, span }
}

/// A literal in which names of inputs are replaced by their values.
fn substitute(scope: &Scope, value: &Value) -> Value {
    // Literals nest only as deep as the reader allows.
    let all = |items: &[Value]| items.iter().map(|item| substitute(scope, item)).collect();
    match value {
        Value::Symbol(name) => match scope.given(name) {
            Some(Given::Value(value)) if name.as_str().starts_with('?') => value.clone(),
            _ => value.clone(),
        },
        Value::Vector(items) => Value::Vector(all(items)),
        Value::List(items) => Value::List(all(items)),
        Value::Set(items) => Value::Set(items.iter().map(|item| substitute(scope, item)).collect()),
        Value::Map(entries) => Value::Map(
            entries.iter().map(|(key, value)| (substitute(scope, key), substitute(scope, value))).collect(),
        ),
        value => value.clone(),
    }
}
