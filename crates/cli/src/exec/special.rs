//! The special forms of ordinary evaluation: `let`, `if`, `when` and their relatives, `cond`, `for`, `->` and `->>`. Loops are in
//! [`super::loops`].
//!
//! Within functions they belong to [`factum::interpret`]; here they work on connections, databases and whatever else forms
//! evaluate to.

use edn::{Form, FormKind, Symbol, Value};
use factum::interpret::Object;

use super::error::EvalError;
use super::item::Item;
use super::session::{Session, given};

impl Session {
    /// `(let [name form ..] body ..)`
    pub(super) fn eval_let(&mut self, bindings: &Form, body: &[Form]) -> Result<Item, EvalError> {
        self.with_let(bindings, |session| session.eval_body(body))
    }

    /// What `then` makes where names have the values of a vector of bindings.
    pub(super) fn with_let<T>(
        &mut self,
        bindings: &Form,
        then: impl FnOnce(&mut Self) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        let pairs = match &bindings.kind {
            FormKind::Vector(items) if items.len() % 2 == 0 => items.chunks_exact(2),
            _ => {
                let message = "let begins with a vector of names and their values";
                return Err(EvalError::new(":exec/argument", message, bindings.span));
            }
        };
        let mut outer = Vec::new();
        let bound = pairs.map(|pair| (&pair[0], &pair[1])).try_for_each(|(pattern, value)| {
            let item = self.eval(value)?;
            for (name, item) in self.taken_apart(pattern, item)? {
                outer.push((name.clone(), self.bind(name, Some(item))));
            }
            Ok(())
        });
        let result = bound.and_then(|()| then(self));
        self.unbind(outer);
        result
    }

    /// The names of a pattern, `x`, `[a b & rest]` or `{:keys [a b]}`, with their parts of a thing.
    pub(super) fn taken_apart(&self, pattern: &Form, item: Item) -> Result<Vec<(Symbol, Item)>, EvalError> {
        if let Some(name) = pattern.as_symbol() {
            return Ok(vec![(name.clone(), item)]);
        }
        let mut names = Vec::new();
        names_of(pattern, &mut names);
        // As functions take their arguments apart.
        let names_form =
            names.iter().map(|name| beside(pattern, FormKind::Atom(Value::Symbol(name.clone()))));
        let parameters = beside(pattern, FormKind::Vector(vec![pattern.clone()]));
        let result = beside(pattern, FormKind::Vector(names_form.collect()));
        let parts = match self.call_written(pattern, vec![parameters, result], item)? {
            Item::Value(Value::Vector(parts)) => parts.into_iter().map(Object::Value).collect(),
            Item::Sequence(parts) => parts.to_vec(),
            _ => Vec::new(),
        };
        let items = parts.into_iter().map(|part| given(Ok(part), pattern));
        names.into_iter().zip(items).map(|(name, item)| Ok((name, item?))).collect()
    }

    /// `((fn parts ..) item)`
    pub(super) fn call_written(&self, form: &Form, parts: Vec<Form>, item: Item) -> Result<Item, EvalError> {
        let head = beside(form, FormKind::Atom(Value::symbol("fn")));
        let function = beside(form, FormKind::List(std::iter::once(head).chain(parts).collect()));
        let Item::Lambda(lambda) = self.eval_fn(&function)? else { return Ok(Item::NIL) };
        let object = item.into_object().map_err(|item| {
            let message = format!("a {} cannot be taken apart", item.type_name());
            EvalError::new(":exec/argument", message, form.span)
        })?;
        given(lambda.apply(&[object], &self.query_options()), form)
    }

    /// `(for [pattern items ..] body)`: the first items are evaluated here, the rest as in a function.
    pub(super) fn eval_for(&mut self, form: &Form, bindings: &Form, body: &Form) -> Result<Item, EvalError> {
        let Some([pattern, items, more @ ..]) = bindings.as_sequence() else {
            let message = "for begins with a vector of names and what they go through";
            return Err(EvalError::new(":exec/argument", message, bindings.span));
        };
        let items = self.eval(items)?;
        let outer = beside(form, FormKind::Atom(Value::symbol(OUTER)));
        let bindings = [&[pattern.clone(), outer], more].concat();
        let bindings = beside(form, FormKind::Vector(bindings));
        self.eval_inner(form, vec![bindings, body.clone()], items).map_err(|error| {
            let unknown = error.message.strip_prefix("there is no function ");
            if unknown.is_none_or(|name| super::forms::find(name).is_none()) {
                return error;
            }
            let hint = "the body of for only makes values; that of doseq may do whatever a form does";
            EvalError { hint: Some(hint.to_owned()), ..error }
        })
    }

    /// A special form of functions with these parts, in which [`OUTER`] is `item`.
    fn eval_inner(&self, form: &Form, parts: Vec<Form>, item: Item) -> Result<Item, EvalError> {
        let head = form.as_sequence().and_then(<[Form]>::first).cloned();
        let inner = beside(form, FormKind::List(head.into_iter().chain(parts).collect()));
        let name = beside(form, FormKind::Atom(Value::symbol(OUTER)));
        self.call_written(form, vec![beside(form, FormKind::Vector(vec![name])), inner], item)
    }

    /// `(if-let [pattern form] then otherwise?)` and its relatives; `holds` says whether the form's value is wanted.
    pub(super) fn eval_if_let(
        &mut self,
        binding: &Form,
        holds: fn(&Item) -> bool,
        then: &[Form],
        otherwise: &[Form],
    ) -> Result<Item, EvalError> {
        let Some([pattern, value]) = binding.as_sequence() else {
            let message = "a vector of a name and its value is expected";
            return Err(EvalError::new(":exec/argument", message, binding.span));
        };
        let item = self.eval(value)?;
        if !holds(&item) {
            return self.eval_body(otherwise);
        }
        let names = self.taken_apart(pattern, item)?;
        self.eval_with(names, then)
    }

    /// `(cond test form ..)`
    pub(super) fn eval_cond(&mut self, clauses: &[Form]) -> Result<Item, EvalError> {
        for clause in clauses.chunks(2) {
            let [test, then] = clause else {
                let message = "cond takes pairs of a test and a form";
                return Err(EvalError::new(":exec/arity", message, clause[0].span));
            };
            if self.eval(test)?.is_truthy() {
                return self.eval(then);
            }
        }
        Ok(Item::NIL)
    }

    /// The value of a body in which some names have a meaning of their own.
    pub(super) fn eval_with(&mut self, names: Vec<(Symbol, Item)>, body: &[Form]) -> Result<Item, EvalError> {
        self.with_names(names, |session| session.eval_body(body))
    }

    pub(super) fn unbind(&mut self, outer: Vec<(Symbol, Option<Item>)>) {
        for (name, item) in outer.into_iter().rev() {
            self.bind(name, item);
        }
    }

    pub(super) fn eval_body(&mut self, body: &[Form]) -> Result<Item, EvalError> {
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

/// The name, which nobody writes, of what was evaluated outside of a function.
pub(super) const OUTER: &str = "outer#";

/// A form at the place of another one.
pub(super) fn beside(form: &Form, kind: FormKind) -> Form {
    Form { span: form.span, kind }
}

/// The names that a pattern gives.
fn names_of(pattern: &Form, names: &mut Vec<Symbol>) {
    match &pattern.kind {
        FormKind::Atom(Value::Symbol(name)) if name.as_str() != "&" => names.push(name.clone()),
        FormKind::Vector(parts) => parts.iter().for_each(|part| names_of(part, names)),
        FormKind::Map(entries) => {
            for (key, value) in entries {
                match key.as_atom().and_then(Value::as_keyword) {
                    // Its keys are among the names.
                    Some(option) if option.as_str() == "or" => {}
                    Some(_) => names_of(value, names),
                    None => names_of(key, names),
                }
            }
        }
        _ => {}
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
        "when" | "when-not" => "(when test body ..)",
        "if-not" => "(if-not test then otherwise?)",
        "if-let" | "if-some" => "(if-let [name form] then otherwise?)",
        "when-let" | "when-some" => "(when-let [name form] body ..)",
        "for" => "(for [name items ..] body)",
        "doseq" => "(doseq [name items ..] body ..)",
        "dotimes" => "(dotimes [name count] body ..)",
        "case" => "(case form constant form .. otherwise?)",
        "->" => "(-> form step ..)",
        _ => "(->> form step ..)",
    };
    let parts = form.as_sequence().map_or(0, |parts| parts.len().saturating_sub(1));
    EvalError::new(":exec/arity", format!("expected {usage}, got {parts} arguments"), form.span)
}
