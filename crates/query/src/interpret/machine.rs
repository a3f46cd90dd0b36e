//! [`Machine`]: evaluates expressions, within limits of time and depth.

use std::sync::Arc;
use std::time::Instant;

use edn::{Span, Value};
use storage::transact::{InterpretError, InterpretErrorKind as Kind};

use super::compile::{Expr, ForStep, FunctionSpec};
use super::object::{Callable, Object, to_set};
use super::{Result, error};
use crate::QueryOptions;

/// How deep expressions and calls may stand in each other while they are evaluated.
const DEPTH_MAX: usize = 250;
/// How many steps are made between looks at the clock.
const STEPS_BETWEEN_LOOKS: u32 = 1024;

/// The values of locals, by place.
pub(super) type Frame = Vec<Object>;

/// One evaluation.
pub(super) struct Machine<'m> {
    pub(super) options: &'m QueryOptions,
    started: Instant,
    steps: u32,
    depth: usize,
}

impl<'m> Machine<'m> {
    pub(super) fn new(options: &'m QueryOptions) -> Self {
        Self { options, started: Instant::now(), steps: 0, depth: 0 }
    }

    /// Counts a step.
    pub(super) fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps < STEPS_BETWEEN_LOOKS {
            return Ok(());
        }
        self.steps = 0;
        if self.options.timeout.is_some_and(|timeout| self.started.elapsed() > timeout) {
            return Err(error(Kind::Limit, "the function takes longer than the time limit"));
        }
        if self.options.cancel.is_cancelled() {
            return Err(error(Kind::Limit, "the function was cancelled"));
        }
        Ok(())
    }

    pub(super) fn value(&mut self, expr: &Expr, frame: &mut Frame) -> Result<Object> {
        self.step()?;
        if self.depth == DEPTH_MAX {
            let message = format!("calls nested more than {DEPTH_MAX} levels deep");
            return Err(error(Kind::Limit, message));
        }
        self.depth += 1;
        let value = self.value_here(expr, frame);
        self.depth -= 1;
        value
    }

    fn all(&mut self, exprs: &[Expr], frame: &mut Frame) -> Result<Vec<Object>> {
        exprs.iter().map(|expr| self.value(expr, frame)).collect()
    }

    fn value_here(&mut self, expr: &Expr, frame: &mut Frame) -> Result<Object> {
        Ok(match expr {
            Expr::Constant(object) => object.clone(),
            Expr::Local(at) => frame[*at].clone(),
            Expr::Call(function, args, span) => {
                let function = self.value(function, frame)?;
                let args = self.all(args, frame)?;
                self.apply(&function, &args).map_err(|error| error.at(*span))?
            }
            Expr::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let chosen = if self.value(condition, frame)?.is_truthy() { then } else { otherwise };
                self.value(chosen, frame)?
            }
            Expr::And(exprs) => self.until(exprs, frame, false)?,
            Expr::Or(exprs) => self.until(exprs, frame, true)?,
            Expr::Do(exprs) => self.all(exprs, frame)?.pop().unwrap_or(Object::NIL),
            Expr::Let(bindings, body, span) => {
                let before = frame.len();
                self.bind_all(bindings, frame, *span)?;
                let value = self.value(body, frame)?;
                frame.truncate(before);
                value
            }
            Expr::IfLet { value, pattern, then, otherwise, some, span } => {
                let value = self.value(value, frame)?;
                let holds = if *some { !value.is_nil() } else { value.is_truthy() };
                if !holds {
                    return self.value(otherwise, frame);
                }
                let before = frame.len();
                self.bind(pattern, value, frame).map_err(|error| error.at(*span))?;
                let value = self.value(then, frame)?;
                frame.truncate(before);
                value
            }
            Expr::For(steps, body, span) => {
                let before = frame.len();
                let mut out = Vec::new();
                self.each(steps, body, frame, &mut out).map_err(|error| error.at(*span))?;
                frame.truncate(before);
                Object::sequence(out)
            }
            Expr::Function(spec) => {
                Object::Function(Callable::Closure(spec.clone(), Arc::new(frame.clone())))
            }
            Expr::Vector(items) => Object::sequence(self.all(items, frame)?),
            Expr::Set(items) => Object::Value(Value::Set(to_set(self.all(items, frame)?)?)),
            Expr::Map(entries) => {
                let mut map = std::collections::BTreeMap::new();
                for (key, value) in entries {
                    let key = self.value(key, frame)?.into_value()?;
                    map.insert(key, self.value(value, frame)?.into_value()?);
                }
                Object::Value(Value::Map(map))
            }
            Expr::Tagged(tag, inner) => {
                Object::Value(Value::Tagged(tag.clone(), Box::new(self.value(inner, frame)?.into_value()?)))
            }
            Expr::Throw(problem, span) => {
                let problem = self.value(problem, frame)?;
                return Err(thrown(&problem).at(*span));
            }
        })
    }

    fn until(&mut self, exprs: &[Expr], frame: &mut Frame, truthy: bool) -> Result<Object> {
        let mut last = Object::NIL;
        for expr in exprs {
            last = self.value(expr, frame)?;
            if last.is_truthy() == truthy {
                break;
            }
        }
        Ok(last)
    }

    fn bind_all(
        &mut self,
        bindings: &[(Expr, super::pattern::Pattern)],
        frame: &mut Frame,
        span: Span,
    ) -> Result<()> {
        for (value, pattern) in bindings {
            let value = self.value(value, frame)?;
            self.bind(pattern, value, frame).map_err(|error| error.at(span))?;
        }
        Ok(())
    }

    /// Carries out the steps of `for`; false where `:while` ended the innermost sequence.
    fn each(
        &mut self,
        steps: &[ForStep],
        body: &Expr,
        frame: &mut Frame,
        out: &mut Vec<Object>,
    ) -> Result<bool> {
        let Some((step, steps)) = steps.split_first() else {
            out.push(self.value(body, frame)?);
            return Ok(true);
        };
        let before = frame.len();
        match step {
            ForStep::Each(sequence, pattern) => {
                let sequence = self.value(sequence, frame)?;
                let elements =
                    sequence.elements()?.ok_or_else(|| super::unfit("for", 0, "a sequence", &sequence))?;
                for element in elements {
                    self.bind(pattern, element, frame)?;
                    let goes_on = self.each(steps, body, frame, out)?;
                    frame.truncate(before);
                    if !goes_on {
                        break;
                    }
                }
                Ok(true)
            }
            ForStep::When(condition) => {
                if self.value(condition, frame)?.is_truthy() {
                    return self.each(steps, body, frame, out);
                }
                Ok(true)
            }
            ForStep::While(condition) => {
                if self.value(condition, frame)?.is_truthy() {
                    return self.each(steps, body, frame, out);
                }
                Ok(false)
            }
            ForStep::Let(bindings) => {
                self.bind_all(bindings, frame, Span::default())?;
                let goes_on = self.each(steps, body, frame, out)?;
                frame.truncate(before);
                Ok(goes_on)
            }
        }
    }

    /// Calls anything that can be called.
    pub(super) fn apply(&mut self, function: &Object, args: &[Object]) -> Result<Object> {
        match function {
            Object::Function(callable) => self.apply_callable(callable, args),
            Object::Value(key @ (Value::Keyword(_) | Value::Symbol(_))) => {
                let key = Object::Value(key.clone());
                match args {
                    [map] => Ok(map.lookup(&key)?.unwrap_or(Object::NIL)),
                    [map, default] => Ok(map.lookup(&key)?.unwrap_or_else(|| default.clone())),
                    _ => {
                        let key = key.into_value()?;
                        Err(error(Kind::Arity, format!("expected ({key} map default?)")))
                    }
                }
            }
            Object::Value(Value::Map(_) | Value::Set(_) | Value::Vector(_))
            | Object::Entity(_)
            | Object::Datom(_)
            | Object::Sequence(_) => match args {
                [key] => Ok(function.lookup(key)?.unwrap_or(Object::NIL)),
                [key, default] => Ok(function.lookup(key)?.unwrap_or_else(|| default.clone())),
                _ => Err(error(Kind::Arity, "a collection is called with a key and perhaps a default")),
            },
            other => Err(error(Kind::Argument, format!("a {} cannot be called", other.type_name()))),
        }
    }

    fn apply_callable(&mut self, callable: &Callable, args: &[Object]) -> Result<Object> {
        match callable {
            Callable::Closure(spec, captured) => self.apply_spec(spec, captured, args),
            Callable::Native(native) => {
                self.step()?;
                native.check_arity(args.len())?;
                (native.body)(self, args)
            }
            Callable::Query(function) => self.apply_query(function, args),
            Callable::Host(_, host) => host(args),
            Callable::Partial(parts) => {
                let (function, first) = &**parts;
                self.apply(function, &[first.as_slice(), args].concat())
            }
            Callable::Complement(function) => {
                Ok(Object::Value(Value::Bool(!self.apply(function, args)?.is_truthy())))
            }
            Callable::Composed(functions) => {
                let mut args = args.to_vec();
                for function in functions.iter().rev() {
                    args = vec![self.apply(function, &args)?];
                }
                Ok(args.pop().unwrap_or(Object::NIL))
            }
            Callable::Constantly(value) => Ok((**value).clone()),
        }
    }

    /// A function of the query language; one that reads a database finds it in its first argument.
    fn apply_query(&mut self, function: &crate::functions::Function, args: &[Object]) -> Result<Object> {
        let (db, rest) = match args {
            [Object::Db(db), rest @ ..] if function.takes_source() => (Some(db), rest),
            args => (None, args),
        };
        let values = rest.iter().cloned().map(Object::into_value).collect::<Result<Vec<_>>>()?;
        let context = crate::functions::CallContext { db, registry: Some(&self.options.functions) };
        match function.call_with(&context, &values) {
            Ok(value) => Ok(Object::Value(value)),
            Err(problem) => Err(error(Kind::Argument, problem.to_string())),
        }
    }

    pub(super) fn apply_spec(
        &mut self,
        spec: &Arc<FunctionSpec>,
        captured: &[Object],
        args: &[Object],
    ) -> Result<Object> {
        let wanted = spec.parameters.len();
        if args.len() < wanted || (args.len() > wanted && spec.rest.is_none()) {
            let message = format!(
                "a function of {wanted} is called with {} argument{}",
                args.len(),
                if args.len() == 1 { "" } else { "s" }
            );
            return Err(error(Kind::Arity, message).at(spec.span));
        }
        let mut frame: Frame = captured.to_vec();
        if spec.has_name {
            frame.push(Object::Function(Callable::Closure(spec.clone(), Arc::new(captured.to_vec()))));
        }
        for (pattern, arg) in spec.parameters.iter().zip(args) {
            self.bind(pattern, arg.clone(), &mut frame).map_err(|error| error.at(spec.span))?;
        }
        if let Some(rest) = &spec.rest {
            let left = &args[wanted..];
            let left = if left.is_empty() { Object::NIL } else { Object::sequence(left.to_vec()) };
            self.bind(rest, left, &mut frame).map_err(|error| error.at(spec.span))?;
        }
        self.value(&spec.body, &mut frame)
    }
}

/// The error of `(throw problem)`: a text, or what `ex-info` made.
fn thrown(problem: &Object) -> InterpretError {
    let message = match problem {
        Object::Value(Value::Str(text)) => text.to_string(),
        Object::Value(Value::Tagged(tag, inner)) if tag.as_str() == super::library::EX_INFO => {
            match inner.as_sequence() {
                Some([Value::Str(text), data]) => match data {
                    Value::Nil => text.to_string(),
                    Value::Map(entries) if entries.is_empty() => text.to_string(),
                    data => format!("{text} {}", edn::shorten(data)),
                },
                _ => edn::shorten(inner),
            }
        }
        Object::Value(value) => edn::shorten(value),
        other => format!("a {} was thrown", other.type_name()),
    };
    error(Kind::Thrown, message)
}
