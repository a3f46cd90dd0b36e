//! The loops of ordinary evaluation, whose bodies may write: `doseq` and `dotimes`, and `case`, whose branches may.
//!
//! ```text
//! (doseq [x xs :when (odd? x) y ys] (transact! conn [{:x x :y y}]))    for each x, for each y, the body
//! ```

use edn::{Form, FormKind, Symbol, Value};
use factum::interpret::Object;

use super::error::EvalError;
use super::item::Item;
use super::session::{Session, given};
use super::special::{OUTER, beside};

/// Whether a loop goes on with its next element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    On,
    /// A `:while` does not hold any more.
    Ends,
}

impl Session {
    /// `(doseq [pattern items ..] body ..)`: nil, once the body was evaluated for each element. Between the pairs there may be
    /// `:when test`, `:while test` and `:let [name form ..]`.
    pub(super) fn eval_doseq(&mut self, bindings: &Form, body: &[Form]) -> Result<Item, EvalError> {
        let steps = match &bindings.kind {
            FormKind::Vector(steps) if steps.len() >= 2 && steps.len() % 2 == 0 => steps,
            _ => {
                let message = "doseq begins with a vector of names and what they go through";
                return Err(EvalError::new(":exec/argument", message, bindings.span));
            }
        };
        self.each(steps, body)?;
        Ok(Item::NIL)
    }

    fn each(&mut self, steps: &[Form], body: &[Form]) -> Result<Course, EvalError> {
        let [pattern, value, rest @ ..] = steps else {
            self.eval_body(body)?;
            return Ok(Course::On);
        };
        match pattern.as_atom().and_then(Value::as_keyword).map(|word| word.as_str()) {
            Some("when") => match self.eval(value)?.is_truthy() {
                true => self.each(rest, body),
                false => Ok(Course::On),
            },
            Some("while") => match self.eval(value)?.is_truthy() {
                true => self.each(rest, body),
                false => Ok(Course::Ends),
            },
            Some("let") => self.with_let(value, |session| session.each(rest, body)),
            Some(word) => {
                let message = format!("doseq knows :when, :while and :let, not :{word}");
                Err(EvalError::new(":exec/argument", message, pattern.span))
            }
            None => {
                let items = self.eval(value)?;
                for item in self.elements(value, items)? {
                    let names = self.taken_apart(pattern, item)?;
                    if self.with_names(names, |session| session.each(rest, body))? == Course::Ends {
                        break;
                    }
                }
                Ok(Course::On)
            }
        }
    }

    /// The elements of a thing, as `for` goes through it.
    fn elements(&self, form: &Form, item: Item) -> Result<Vec<Item>, EvalError> {
        let word = |name: &str| beside(form, FormKind::Atom(Value::symbol(name)));
        let bindings = beside(form, FormKind::Vector(vec![word(OUTER), word(OUTER)]));
        let all = beside(form, FormKind::List(vec![word("for"), bindings, word(OUTER)]));
        let parameters = beside(form, FormKind::Vector(vec![word(OUTER)]));
        let elements = match self.call_written(form, vec![parameters, all], item)? {
            Item::Value(Value::Vector(items) | Value::List(items)) => {
                items.into_iter().map(Object::Value).collect()
            }
            Item::Sequence(items) => items.to_vec(),
            _ => Vec::new(),
        };
        elements.into_iter().map(|element| given(Ok(element), form)).collect()
    }

    /// `(dotimes [name count] body ..)`: nil, once the body was evaluated for each number from 0 below `count`.
    pub(super) fn eval_dotimes(&mut self, binding: &Form, body: &[Form]) -> Result<Item, EvalError> {
        let wrong = |span| {
            let message = "dotimes begins with [name count]";
            EvalError::new(":exec/argument", message, span)
        };
        let Some([name, count]) = binding.as_sequence() else { return Err(wrong(binding.span)) };
        let Some(symbol) = name.as_symbol() else { return Err(wrong(name.span)) };
        let Ok(Value::Int(end)) = self.eval(count)?.into_value() else { return Err(wrong(count.span)) };
        for number in 0..end {
            let names = vec![(symbol.clone(), Item::Value(Value::Int(number)))];
            self.with_names(names, |session| session.eval_body(body))?;
        }
        Ok(Item::NIL)
    }

    /// `(case thing constant form .. otherwise?)`: which form it is, a function finds out; the form is evaluated here.
    pub(super) fn eval_case(
        &mut self,
        form: &Form,
        thing: &Form,
        clauses: &[Form],
    ) -> Result<Item, EvalError> {
        let thing = self.eval(thing)?;
        let word = |name: &str| beside(form, FormKind::Atom(Value::symbol(name)));
        let (mut forms, mut parts) = (Vec::new(), vec![word("case"), word(OUTER)]);
        for clause in clauses.chunks(2) {
            let (constant, branch) = match clause {
                [constant, branch] => (Some(constant), branch),
                [branch, ..] => (None, branch),
                [] => continue,
            };
            parts.extend(constant.cloned());
            parts.push(beside(branch, FormKind::Atom(Value::Int(forms.len() as i64))));
            forms.push(branch);
        }
        let chosen = beside(form, FormKind::List(parts));
        let parameters = beside(form, FormKind::Vector(vec![word(OUTER)]));
        match self.call_written(form, vec![parameters, chosen], thing)? {
            Item::Value(Value::Int(number)) => self.eval(forms[number as usize]),
            other => Ok(other),
        }
    }

    /// What `then` makes where names have a meaning of their own.
    pub(super) fn with_names<T>(
        &mut self,
        names: Vec<(Symbol, Item)>,
        then: impl FnOnce(&mut Self) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        let bind = |(name, item): (Symbol, Item)| (name.clone(), self.bind(name, Some(item)));
        let outer = names.into_iter().map(bind).collect();
        let result = then(self);
        self.unbind(outer);
        result
    }
}
