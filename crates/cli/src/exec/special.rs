//! The special forms of ordinary evaluation: `let`, `if`, `when`, `->` and `->>`.
//!
//! Within functions they belong to [`factum::interpret`]; here they work on connections, databases and whatever else forms
//! evaluate to.

use edn::{Form, FormKind, Symbol, Value};

use super::error::EvalError;
use super::item::Item;
use super::session::Session;

impl Session {
    /// `(let [name form ..] body ..)`
    pub(super) fn eval_let(&mut self, bindings: &Form, body: &[Form]) -> Result<Item, EvalError> {
        let pairs = match &bindings.kind {
            FormKind::Vector(items) if items.len() % 2 == 0 => items.chunks_exact(2),
            _ => {
                let message = "let begins with a vector of names and their values";
                return Err(EvalError::new(":exec/argument", message, bindings.span));
            }
        };
        let mut outer = Vec::new();
        let bound = pairs.map(|pair| (&pair[0], &pair[1])).try_for_each(|(name, value)| {
            let Some(symbol) = name.as_symbol() else {
                let message = "let gives values to names";
                let mut error = EvalError::new(":exec/argument", message, name.span);
                error.hint = Some("functions take values apart: ((fn [[a b]] ..) value)".to_owned());
                return Err(error);
            };
            let item = self.eval(value)?;
            outer.push((symbol.clone(), self.bind(symbol.clone(), Some(item))));
            Ok(())
        });
        let result = bound.and_then(|()| self.eval_body(body));
        self.unbind(outer);
        result
    }

    /// The value of a body in which some names have a meaning of their own.
    pub(super) fn eval_with(&mut self, names: Vec<(Symbol, Item)>, body: &[Form]) -> Result<Item, EvalError> {
        let bind = |(name, item): (Symbol, Item)| (name.clone(), self.bind(name, Some(item)));
        let outer = names.into_iter().map(bind).collect();
        let result = self.eval_body(body);
        self.unbind(outer);
        result
    }

    fn unbind(&mut self, outer: Vec<(Symbol, Option<Item>)>) {
        for (name, item) in outer.into_iter().rev() {
            self.bind(name, item);
        }
    }

    fn eval_body(&mut self, body: &[Form]) -> Result<Item, EvalError> {
        body.iter().try_fold(Item::NIL, |_, form| self.eval(form))
    }

    /// `(if test then otherwise?)`
    pub(super) fn eval_if(
        &mut self,
        test: &Form,
        then: &Form,
        otherwise: Option<&Form>,
    ) -> Result<Item, EvalError> {
        match (self.eval(test)?.is_truthy(), otherwise) {
            (true, _) => self.eval(then),
            (false, Some(otherwise)) => self.eval(otherwise),
            (false, None) => Ok(Item::NIL),
        }
    }

    /// `(when test body ..)`
    pub(super) fn eval_when(&mut self, test: &Form, body: &[Form]) -> Result<Item, EvalError> {
        if self.eval(test)?.is_truthy() { self.eval_body(body) } else { Ok(Item::NIL) }
    }
}

/// `(-> first step ..)` as nested calls: each step gets the one before as its first argument, or as its last.
pub(super) fn threaded(first: &Form, steps: &[Form], last: bool) -> Result<Form, EvalError> {
    steps.iter().try_fold(first.clone(), |inner, step| {
        let mut call = match &step.kind {
            FormKind::List(parts) if !parts.is_empty() => parts.clone(),
            FormKind::Atom(Value::Symbol(_) | Value::Keyword(_)) => vec![step.clone()],
            _ => {
                let message = "a step of -> or ->> is a call or a name";
                return Err(EvalError::new(":exec/argument", message, step.span));
            }
        };
        let at = if last { call.len() } else { 1 };
        call.insert(at, inner);
        Ok(Form { span: step.span, kind: FormKind::List(call) })
    })
}

/// The error of a special form with a wrong number of parts.
pub(super) fn arity(name: &Symbol, form: &Form) -> EvalError {
    let usage = match name.as_str() {
        "let" => "(let [name form ..] body ..)",
        "if" => "(if test then otherwise?)",
        "when" => "(when test body ..)",
        "->" => "(-> form step ..)",
        _ => "(->> form step ..)",
    };
    let parts = form.as_sequence().map_or(0, |parts| parts.len().saturating_sub(1));
    EvalError::new(":exec/arity", format!("expected {usage}, got {parts} arguments"), form.span)
}
