//! [`Pattern`]: names that `let`, `fn` and `for` give to parts of a value.
//!
//! ```text
//! x  _  [a b & rest :as all]  {:keys [a b] :or {a 1} :as all}  {a :some/key}
//! ```

use edn::{Form, FormKind, Keyword, Span, Symbol, Value};
use storage::transact::InterpretErrorKind as Kind;

use super::compile::{Compiler, Expr};
use super::machine::{Frame, Machine};
use super::object::Object;
use super::{Result, error};

/// What a value is taken apart by.
#[derive(Debug)]
pub enum Pattern {
    /// The value itself is the next local.
    Name,
    /// The elements, what follows them, and the whole.
    Elements { items: Vec<Pattern>, rest: Option<Box<Pattern>>, whole: bool },
    /// Entries of a map or attributes of an entity, and the whole.
    Entries { entries: Vec<(Pattern, Value, Option<Expr>)>, whole: bool },
}

impl Compiler<'_> {
    /// Reads a pattern; its names become locals in the order in which [`Machine::bind`] gives values.
    pub(super) fn pattern(&mut self, form: &Form) -> Result<Pattern> {
        match &form.kind {
            FormKind::Atom(Value::Symbol(name)) if name.namespace().is_none() => {
                self.locals.push(name.clone());
                Ok(Pattern::Name)
            }
            FormKind::Vector(items) => self.elements(items),
            FormKind::Map(entries) => self.entries(entries),
            _ => Err(bad("a name, [names ..] or {:keys [names ..]} is expected", form.span)),
        }
    }

    fn elements(&mut self, forms: &[Form]) -> Result<Pattern> {
        let (mut items, mut rest, mut whole) = (Vec::new(), None, false);
        let mut forms = forms.iter();
        while let Some(form) = forms.next() {
            let is = |text: &str| form.as_atom().is_some_and(|atom| atom.to_string() == text);
            if is("&") {
                let form = forms.next().ok_or_else(|| bad("a name is expected behind &", form.span))?;
                rest = Some(Box::new(self.pattern(form)?));
            } else if is(":as") {
                self.whole(forms.next(), form.span)?;
                whole = true;
            } else if rest.is_some() {
                return Err(bad("one name stands behind &", form.span));
            } else {
                items.push(self.pattern(form)?);
            }
        }
        Ok(Pattern::Elements { items, rest, whole })
    }

    fn whole(&mut self, form: Option<&Form>, span: Span) -> Result<()> {
        let name =
            form.and_then(Form::as_symbol).ok_or_else(|| bad("a name is expected behind :as", span))?;
        self.locals.push(name.clone());
        Ok(())
    }

    fn entries(&mut self, forms: &[(Form, Form)]) -> Result<Pattern> {
        let option = |wanted: &str| {
            forms.iter().find(|(key, _)| {
                key.as_atom().and_then(Value::as_keyword).is_some_and(|k| k.as_str() == wanted)
            })
        };
        let defaults = match option("or") {
            None => &[],
            Some((_, Form { kind: FormKind::Map(defaults), .. })) => defaults.as_slice(),
            Some((_, other)) => return Err(bad(":or takes a map of names to values", other.span)),
        };
        let mut entries = Vec::new();
        for (key, value) in forms {
            let keyword = key.as_atom().and_then(Value::as_keyword);
            match keyword.map(|keyword| (keyword.namespace(), keyword.name())) {
                Some((None, "or" | "as")) => {}
                Some((namespace, kind @ ("keys" | "strs" | "syms"))) => {
                    let names = value
                        .as_sequence()
                        .ok_or_else(|| bad("a vector of names is expected", value.span))?;
                    for form in names {
                        let name = match form.as_atom() {
                            Some(Value::Symbol(name)) => name.clone(),
                            Some(Value::Keyword(name)) => Symbol::parse(name.as_str()),
                            _ => return Err(bad("a name is expected", form.span)),
                        };
                        let namespace = name.namespace().or(namespace);
                        let key = match kind {
                            "keys" => Value::Keyword(Keyword::new(namespace, name.name())),
                            "strs" => Value::from(name.name()),
                            _ => Value::Symbol(name.clone()),
                        };
                        let local = Symbol::parse(name.name());
                        let default = self.default(defaults, &local)?;
                        self.locals.push(local);
                        entries.push((Pattern::Name, key, default));
                    }
                }
                Some(_) => return Err(bad("expected :keys, :strs, :syms, :or or :as", key.span)),
                None => {
                    let default = match key.as_symbol() {
                        Some(name) => self.default(defaults, name)?,
                        None => None,
                    };
                    entries.push((self.pattern(key)?, value.to_value(), default));
                }
            }
        }
        let whole = option("as");
        if let Some((key, form)) = whole {
            self.whole(Some(form), key.span)?;
        }
        Ok(Pattern::Entries { entries, whole: whole.is_some() })
    }

    fn default(&mut self, defaults: &[(Form, Form)], name: &Symbol) -> Result<Option<Expr>> {
        let found = defaults.iter().find(|(key, _)| key.as_symbol() == Some(name));
        found.map(|(_, default)| self.expr(default)).transpose()
    }
}

impl Machine<'_> {
    /// Gives the parts of a value to the locals of a pattern.
    pub(super) fn bind(&mut self, pattern: &Pattern, value: Object, frame: &mut Frame) -> Result<()> {
        match pattern {
            Pattern::Name => frame.push(value),
            Pattern::Elements { items, rest, whole } => {
                let Some(elements) = value.elements()? else {
                    let message =
                        format!("a sequence is expected to be taken apart, not a {}", value.type_name());
                    return Err(error(Kind::Argument, message));
                };
                for (at, item) in items.iter().enumerate() {
                    self.bind(item, elements.get(at).cloned().unwrap_or(Object::NIL), frame)?;
                }
                if let Some(rest) = rest {
                    let left = elements.get(items.len()..).unwrap_or_default();
                    let left = if left.is_empty() { Object::NIL } else { Object::sequence(left.to_vec()) };
                    self.bind(rest, left, frame)?;
                }
                if *whole {
                    frame.push(value);
                }
            }
            Pattern::Entries { entries, whole } => {
                for (pattern, key, default) in entries {
                    let found = match (value.lookup(&Object::Value(key.clone()))?, default) {
                        (Some(found), _) => found,
                        (None, Some(default)) => self.value(default, frame)?,
                        (None, None) => Object::NIL,
                    };
                    self.bind(pattern, found, frame)?;
                }
                if *whole {
                    frame.push(value);
                }
            }
        }
        Ok(())
    }
}

fn bad(message: &str, span: Span) -> storage::transact::InterpretError {
    error(Kind::Syntax, message).at(span)
}
