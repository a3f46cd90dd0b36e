//! `(fn [k v] expr)`: predicates, projections and visitors of the key-value forms.
//!
//! ```text
//! (fn [k v] (and (< k 10) (:done v)))  --compile-->  Expr, names resolved  --call(args)-->  value
//! ```
//!
//! The body is an expression over the parameters: literals and collections, all functions of the query language
//! (`(< k 10)`, `(str/starts-with? v "a")`, ...), `(:key map)` and `(:key map default)`, `if`, `when`, `and`, `or`,
//! `let`, `quote`, `prn`, which writes its arguments as a line and returns nil, and for raw predicates `(k kv)`,
//! `(v kv)` and `(read-buffer bytes type)`. Names that `def` gave stand for the data that they had when the function
//! was made. A function neither writes nor sees anything else, so it can run in the middle of a scan.

use std::io::Write;

use edn::{Form, FormKind, Keyword, Span, Symbol, Value};
use factum::kv::codec::{Codec, KeyType};

use super::error::EvalError;

/// A function of some values.
#[derive(Debug)]
pub struct Lambda {
    parameters: usize,
    body: Expr,
    /// Place of the whole form.
    pub span: Span,
}

#[derive(Debug)]
enum Expr {
    Constant(Value),
    /// A parameter, or a name that `let` gave: its place among them.
    Local(usize),
    Call(Symbol, Vec<Expr>, Span),
    Lookup(Keyword, Box<Expr>, Option<Box<Expr>>),
    If(Box<[Expr; 3]>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// The values in order, then the body.
    Let(Vec<Expr>, Box<Expr>),
    Vector(Vec<Expr>),
    Set(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Tagged(Symbol, Box<Expr>),
    /// The key, or the value, of a raw pair.
    Part(usize, Box<Expr>, Span),
    ReadBuffer(Box<Expr>, KeyType, Span),
    Print(Vec<Expr>),
}

/// What names mean outside the function.
pub type Names<'n> = dyn Fn(&Symbol) -> Option<Value> + 'n;

struct Compiler<'n> {
    locals: Vec<Symbol>,
    names: &'n Names<'n>,
}

impl Lambda {
    /// The function of a list of parameters and a body; several forms in the body are evaluated for their effect.
    pub fn compile(form: &Form, args: &[Form], names: &Names<'_>) -> Result<Self, EvalError> {
        let usage = || EvalError::new(":exec/arity", "expected (fn [parameter ..] expression)", form.span);
        let [parameters, body @ ..] = args else { return Err(usage()) };
        let (FormKind::Vector(parameters), false) = (&parameters.kind, body.is_empty()) else {
            return Err(usage());
        };
        let name = |form: &Form| {
            form.as_symbol().cloned().ok_or_else(|| {
                EvalError::new(":exec/argument", "the parameters of a function are names", form.span)
            })
        };
        let locals: Vec<Symbol> = parameters.iter().map(name).collect::<Result<_, _>>()?;
        let parameters = locals.len();
        let body = Compiler { locals, names }.sequence(body)?;
        Ok(Self { parameters, body, span: form.span })
    }

    /// The function of this name in the query language, with as many parameters as it is called with.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The value for these arguments.
    pub fn call(&self, args: &[Value]) -> Result<Value, EvalError> {
        if args.len() != self.parameters {
            let message = format!(
                "a function of {} is called with {} argument{}",
                self.parameters,
                args.len(),
                if args.len() == 1 { "" } else { "s" }
            );
            return Err(EvalError::new(":exec/arity", message, self.span));
        }
        self.body.value(&mut args.to_vec())
    }
}

impl Compiler<'_> {
    /// Several expressions, of which the last gives the value.
    fn sequence(&mut self, forms: &[Form]) -> Result<Expr, EvalError> {
        match forms {
            [] => Ok(Expr::Constant(Value::Nil)),
            [form] => self.expr(form),
            [effects @ .., last] => {
                // Bound to names that nobody can write.
                let before = self.locals.len();
                let mut values = Vec::with_capacity(effects.len());
                for effect in effects {
                    values.push(self.expr(effect)?);
                    self.locals.push(Symbol::parse(""));
                }
                let last = self.expr(last)?;
                self.locals.truncate(before);
                Ok(Expr::Let(values, Box::new(last)))
            }
        }
    }

    fn all(&mut self, forms: &[Form]) -> Result<Vec<Expr>, EvalError> {
        forms.iter().map(|form| self.expr(form)).collect()
    }

    fn expr(&mut self, form: &Form) -> Result<Expr, EvalError> {
        Ok(match &form.kind {
            FormKind::Atom(Value::Symbol(name)) => self.name(name, form.span)?,
            FormKind::Atom(value) => Expr::Constant(value.clone()),
            FormKind::Vector(items) => Expr::Vector(self.all(items)?),
            FormKind::Set(items) => Expr::Set(self.all(items)?),
            FormKind::Map(entries) => {
                let entry = |(key, value): &(Form, Form)| Ok((self.expr(key)?, self.expr(value)?));
                Expr::Map(entries.iter().map(entry).collect::<Result<_, EvalError>>()?)
            }
            FormKind::Tagged(tag, inner) => Expr::Tagged(tag.clone(), Box::new(self.expr(inner)?)),
            FormKind::List(items) => match items.split_first() {
                Some((head, args)) => self.call(form, head, args)?,
                None => Expr::Constant(form.to_value()),
            },
        })
    }

    fn name(&self, name: &Symbol, span: Span) -> Result<Expr, EvalError> {
        if let Some(at) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Expr::Local(at));
        }
        if let Some(value) = (self.names)(name) {
            return Ok(Expr::Constant(value));
        }
        let mut error =
            EvalError::new(":exec/unknown-name", format!("{name} is not defined in the function"), span);
        let near = edn::nearest(name.as_str(), self.locals.iter().map(Symbol::as_str));
        error.hint = near.map(|near| format!("did you mean {near}?"));
        Err(error)
    }

    fn call(&mut self, form: &Form, head: &Form, args: &[Form]) -> Result<Expr, EvalError> {
        let name = match head.as_atom() {
            Some(Value::Symbol(name)) => name,
            Some(Value::Keyword(key)) => {
                return match args {
                    [map] => Ok(Expr::Lookup(key.clone(), Box::new(self.expr(map)?), None)),
                    [map, default] => Ok(Expr::Lookup(
                        key.clone(),
                        Box::new(self.expr(map)?),
                        Some(Box::new(self.expr(default)?)),
                    )),
                    _ => Err(EvalError::new(
                        ":exec/arity",
                        format!("expected ({key} map default?)"),
                        form.span,
                    )),
                };
            }
            _ => {
                let message = "only named functions and keywords can be called";
                return Err(EvalError::new(":exec/call", message, head.span));
            }
        };
        let arity = |usage: &str| Err(EvalError::new(":exec/arity", format!("expected {usage}"), form.span));
        match (name.as_str(), args) {
            ("quote", [data]) => Ok(Expr::Constant(data.to_value())),
            ("do", forms) => self.sequence(forms),
            ("if", [condition, then]) => {
                let nil = Expr::Constant(Value::Nil);
                Ok(Expr::If(Box::new([self.expr(condition)?, self.expr(then)?, nil])))
            }
            ("if", [condition, then, otherwise]) => {
                let parts = [self.expr(condition)?, self.expr(then)?, self.expr(otherwise)?];
                Ok(Expr::If(Box::new(parts)))
            }
            ("if", _) => arity("(if condition then else?)"),
            ("when", [condition, body @ ..]) => {
                let parts = [self.expr(condition)?, self.sequence(body)?, Expr::Constant(Value::Nil)];
                Ok(Expr::If(Box::new(parts)))
            }
            ("and", args) => Ok(Expr::And(self.all(args)?)),
            ("or", args) => Ok(Expr::Or(self.all(args)?)),
            ("let", [bindings, body @ ..]) => self.bindings(bindings, body),
            ("prn", args) => Ok(Expr::Print(self.all(args)?)),
            ("k", [pair]) => Ok(Expr::Part(0, Box::new(self.expr(pair)?), form.span)),
            ("v", [pair]) => Ok(Expr::Part(1, Box::new(self.expr(pair)?), form.span)),
            ("read-buffer", [bytes]) => {
                Ok(Expr::ReadBuffer(Box::new(self.expr(bytes)?), KeyType::Data, form.span))
            }
            ("read-buffer", [bytes, key_type]) => {
                let codec = KeyType::from_value(&key_type.to_value())
                    .map_err(|error| EvalError::from_codec(&error, key_type.span))?;
                Ok(Expr::ReadBuffer(Box::new(self.expr(bytes)?), codec, form.span))
            }
            _ if factum::is_function(name) => Ok(Expr::Call(name.clone(), self.all(args)?, form.span)),
            _ => {
                let message = format!("there is no function {name}");
                let mut error = EvalError::new(":exec/unknown-form", message, head.span);
                let near = edn::nearest(name.as_str(), factum::function_names());
                error.hint = near.map(|near| format!("did you mean {near}?"));
                Err(error)
            }
        }
    }

    fn bindings(&mut self, bindings: &Form, body: &[Form]) -> Result<Expr, EvalError> {
        let bad = |span| EvalError::new(":exec/argument", "expected (let [name value ..] expression)", span);
        let FormKind::Vector(items) = &bindings.kind else { return Err(bad(bindings.span)) };
        let before = self.locals.len();
        let mut values = Vec::with_capacity(items.len() / 2);
        for pair in items.chunks(2) {
            let [name, value] = pair else { return Err(bad(bindings.span)) };
            let name = name.as_symbol().ok_or_else(|| bad(name.span))?;
            values.push(self.expr(value)?);
            self.locals.push(name.clone());
        }
        let body = self.sequence(body)?;
        self.locals.truncate(before);
        Ok(Expr::Let(values, Box::new(body)))
    }
}

impl Expr {
    fn value(&self, locals: &mut Vec<Value>) -> Result<Value, EvalError> {
        let mut all = |exprs: &[Expr]| -> Result<Vec<Value>, EvalError> {
            exprs.iter().map(|expr| expr.value(locals)).collect()
        };
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Local(at) => locals[*at].clone(),
            Self::Call(name, args, span) => factum::call_function(name, &all(args)?)
                .map_err(|error| EvalError::from_factum(&error.into(), *span))?,
            Self::Lookup(key, map, default) => {
                let map = map.value(locals)?;
                let key = Value::Keyword(key.clone());
                let found = match &map {
                    Value::Map(entries) => entries.get(&key).cloned(),
                    Value::Set(items) => items.get(&key).cloned(),
                    _ => None,
                };
                match (found, default) {
                    (Some(value), _) => value,
                    (None, Some(default)) => default.value(locals)?,
                    (None, None) => Value::Nil,
                }
            }
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                if condition.value(locals)?.is_truthy() { then } else { otherwise }.value(locals)?
            }
            Self::And(exprs) => {
                let mut last = Value::Bool(true);
                for expr in exprs {
                    last = expr.value(locals)?;
                    if !last.is_truthy() {
                        break;
                    }
                }
                last
            }
            Self::Or(exprs) => {
                let mut last = Value::Nil;
                for expr in exprs {
                    last = expr.value(locals)?;
                    if last.is_truthy() {
                        break;
                    }
                }
                last
            }
            Self::Let(values, body) => {
                let before = locals.len();
                for value in values {
                    let value = value.value(locals)?;
                    locals.push(value);
                }
                let result = body.value(locals)?;
                locals.truncate(before);
                result
            }
            Self::Vector(items) => Value::Vector(all(items)?),
            Self::Set(items) => Value::Set(all(items)?.into_iter().collect()),
            Self::Map(entries) => {
                let entry = |(key, value): &(Expr, Expr)| Ok((key.value(locals)?, value.value(locals)?));
                Value::Map(entries.iter().map(entry).collect::<Result<_, EvalError>>()?)
            }
            Self::Tagged(tag, inner) => Value::Tagged(tag.clone(), Box::new(inner.value(locals)?)),
            Self::Part(at, pair, span) => part(&pair.value(locals)?, *at, *span)?,
            Self::ReadBuffer(bytes, codec, span) => read_buffer(&bytes.value(locals)?, codec, *span)?,
            Self::Print(args) => {
                let line: Vec<String> = all(args)?.iter().map(Value::to_string).collect();
                writeln!(std::io::stdout(), "{}", line.join(" ")).map_err(|error| {
                    EvalError::new(":exec/output", format!("writing failed: {error}"), Span::default())
                })?;
                Value::Nil
            }
        })
    }
}

/// The key or the value of a raw pair.
pub fn part(pair: &Value, at: usize, span: Span) -> Result<Value, EvalError> {
    match pair.as_sequence() {
        Some(parts @ [Value::Bytes(_), Value::Bytes(_)]) => Ok(parts[at].clone()),
        _ => {
            let message = format!("a raw pair was expected, not a {}", pair.type_name());
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
