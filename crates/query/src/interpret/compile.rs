//! From forms to [`Expr`]: names become places, names of functions the functions.

use std::sync::Arc;

use edn::{Form, FormKind, Span, Symbol, Value};
use storage::transact::{InterpretError, InterpretErrorKind as Kind};

use super::object::{Callable, Object, plain_name};
use super::pattern::Pattern;
use super::{Names, Result, database, error, library};

/// How deep forms may stand in forms.
const DEPTH_MAX: usize = 100;

/// An expression.
#[derive(Debug)]
pub enum Expr {
    /// Data or a function.
    Constant(Object),
    /// The place of a name.
    Local(usize),
    /// A call.
    Call(Box<Expr>, Vec<Expr>, Span),
    /// The condition and its two outcomes.
    If(Box<[Expr; 3]>),
    /// The first value that is nil or false, or the last.
    And(Vec<Expr>),
    /// The first value that is neither, or the last.
    Or(Vec<Expr>),
    /// All in turn; the value is the last one's.
    Do(Vec<Expr>),
    /// Values and what takes them apart, then the body.
    Let(Vec<(Expr, Pattern)>, Box<Expr>, Span),
    /// As `let` with one value, if that is neither nil nor false; else the second. The flag asks for nil alone.
    IfLet {
        value: Box<Expr>,
        pattern: Pattern,
        then: Box<Expr>,
        otherwise: Box<Expr>,
        some: bool,
        span: Span,
    },
    /// Several forms of a sequence comprehension, and what is collected.
    For(Vec<ForStep>, Box<Expr>, Span),
    /// A function, closed over the locals so far.
    Function(Arc<FunctionSpec>),
    Vector(Vec<Expr>),
    Set(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Tagged(Symbol, Box<Expr>),
    Throw(Box<Expr>, Span),
}

/// A part of `for`.
#[derive(Debug)]
pub enum ForStep {
    /// A name, or names, for each element.
    Each(Expr, Pattern),
    /// `:when`
    When(Expr),
    /// `:while`
    While(Expr),
    /// `:let`
    Let(Vec<(Expr, Pattern)>),
}

/// A function as it was written.
#[derive(Debug)]
pub struct FunctionSpec {
    /// Its own name for itself is the first local behind those around it.
    pub(super) has_name: bool,
    pub(super) parameters: Vec<Pattern>,
    pub(super) rest: Option<Pattern>,
    pub(super) body: Expr,
    pub(super) span: Span,
}

impl FunctionSpec {
    pub(super) fn arity(&self) -> (usize, bool) {
        (self.parameters.len(), self.rest.is_some())
    }
}

/// Reads a function, with the names from outside that it uses.
pub(super) fn function(form: &Form, names: &Names<'_>) -> Result<(FunctionSpec, Vec<(Symbol, Object)>)> {
    let mut compiler = Compiler { locals: Vec::new(), names, free: Vec::new(), depth: 0 };
    let function = match form.as_sequence() {
        Some([_, parts @ ..]) => compiler.function(form, parts)?,
        _ => return Err(error(Kind::Syntax, FN_USAGE).at(form.span)),
    };
    Ok((function, compiler.free))
}

/// The function of this name that needs no locals: of this module, of databases, of the query language.
pub(super) fn global(name: &Symbol) -> Option<Object> {
    let plain = plain_name(name)?;
    let native = library::find(&plain).or_else(|| database::find(&plain)).map(Callable::Native);
    let query = || crate::functions::built_in(&Symbol::parse(&plain)).cloned().map(Callable::Query);
    native.or_else(query).map(Object::Function)
}

const FN_USAGE: &str = "expected (fn [parameter ..] expression)";

/// What is known while forms are read.
pub(super) struct Compiler<'n> {
    pub(super) locals: Vec<Symbol>,
    names: &'n Names<'n>,
    free: Vec<(Symbol, Object)>,
    depth: usize,
}

impl Compiler<'_> {
    /// `fn` without its first word.
    #[inline(never)]
    pub(super) fn function(&mut self, form: &Form, parts: &[Form]) -> Result<FunctionSpec> {
        let usage = || error(Kind::Arity, FN_USAGE).at(form.span);
        let before = self.locals.len();
        let (name, parts) = match parts {
            [name, rest @ ..] if name.as_symbol().is_some() => (name.as_symbol(), rest),
            parts => (None, parts),
        };
        let [parameters, body @ ..] = parts else { return Err(usage()) };
        let (FormKind::Vector(forms), false) = (&parameters.kind, body.is_empty()) else {
            return Err(usage());
        };
        self.locals.extend(name.cloned());
        let (mut parameters, mut rest) = (Vec::with_capacity(forms.len()), None);
        let mut forms = forms.iter();
        while let Some(form) = forms.next() {
            if form.as_symbol().is_some_and(|name| name.as_str() == "&") {
                let (Some(form), None) = (forms.next(), forms.next()) else { return Err(usage()) };
                rest = Some(self.pattern(form)?);
            } else {
                parameters.push(self.pattern(form)?);
            }
        }
        let body = self.sequence(body)?;
        self.locals.truncate(before);
        Ok(FunctionSpec { has_name: name.is_some(), parameters, rest, body, span: form.span })
    }

    /// Several expressions, of which the last gives the value.
    pub(super) fn sequence(&mut self, forms: &[Form]) -> Result<Expr> {
        match forms {
            [] => Ok(Expr::Constant(Object::NIL)),
            [form] => self.expr(form),
            forms => self.all(forms).map(Expr::Do),
        }
    }

    pub(super) fn all(&mut self, forms: &[Form]) -> Result<Vec<Expr>> {
        forms.iter().map(|form| self.expr(form)).collect()
    }

    pub(super) fn expr(&mut self, form: &Form) -> Result<Expr> {
        if self.depth == DEPTH_MAX {
            let message = format!("forms nested more than {DEPTH_MAX} levels deep");
            return Err(error(Kind::Limit, message).at(form.span));
        }
        self.depth += 1;
        let expr = self.expr_here(form);
        self.depth -= 1;
        expr
    }

    fn expr_here(&mut self, form: &Form) -> Result<Expr> {
        Ok(match &form.kind {
            FormKind::Atom(Value::Symbol(name)) => self.name(name, form.span)?,
            FormKind::Atom(value) => Expr::Constant(Object::Value(value.clone())),
            FormKind::Vector(items) => Expr::Vector(self.all(items)?),
            FormKind::Set(items) => Expr::Set(self.all(items)?),
            FormKind::Map(entries) => {
                let entry = |(key, value): &(Form, Form)| Ok((self.expr(key)?, self.expr(value)?));
                Expr::Map(entries.iter().map(entry).collect::<Result<_>>()?)
            }
            FormKind::Tagged(tag, inner) => Expr::Tagged(tag.clone(), Box::new(self.expr(inner)?)),
            FormKind::List(items) => match items.split_first() {
                Some((head, args)) => self.call(form, head, args)?,
                None => Expr::Constant(Object::Value(form.to_value())),
            },
        })
    }

    /// What a name stands for: a local, something from outside, a function.
    fn known(&mut self, name: &Symbol) -> Option<Expr> {
        if let Some(at) = self.locals.iter().rposition(|local| local == name) {
            return Some(Expr::Local(at));
        }
        if let Some(object) = (self.names)(name) {
            if !self.free.iter().any(|(free, _)| free == name) {
                self.free.push((name.clone(), object.clone()));
            }
            return Some(Expr::Constant(object));
        }
        global(name).map(Expr::Constant)
    }

    #[inline(never)]
    fn name(&mut self, name: &Symbol, span: Span) -> Result<Expr> {
        self.known(name).ok_or_else(|| {
            let message = format!("{name} is not defined in the function");
            let near = edn::nearest(name.as_str(), self.locals.iter().map(Symbol::as_str));
            let hint = near.map(|near| format!("did you mean {near}?"));
            error(Kind::UnknownName, message).with_hint(hint).at(span)
        })
    }

    #[inline(never)]
    fn call(&mut self, form: &Form, head: &Form, args: &[Form]) -> Result<Expr> {
        let Some(name) = head.as_symbol() else {
            let is_callable = !matches!(&head.kind, FormKind::Atom(atom) if atom.as_keyword().is_none());
            if !is_callable {
                let message = "only functions, keywords and maps can be called";
                return Err(error(Kind::Syntax, message).at(head.span));
            }
            let function = Box::new(self.expr(head)?);
            return Ok(Expr::Call(function, self.all(args)?, form.span));
        };
        if !self.locals.contains(name)
            && let Some(expr) = self.special(form, name, args)?
        {
            return Ok(expr);
        }
        let Some(function) = self.known(name) else { return Err(unknown_function(name, head.span)) };
        Ok(Expr::Call(Box::new(function), self.all(args)?, form.span))
    }
}

// Looks through the names of all functions, for which its caller, which calls itself for each level, must not keep room.
#[cold]
#[inline(never)]
fn unknown_function(name: &Symbol, span: Span) -> InterpretError {
    const ABSENT: [(&str, &str); 10] = [
        ("loop", "there are no loops: use map, filter, reduce or for"),
        ("recur", "there are no loops: use map, filter, reduce or for"),
        ("while", "there are no loops: use map, filter, reduce or for"),
        ("doseq", "functions change nothing: use map, filter, reduce or for"),
        ("dotimes", "functions change nothing: use map, filter, reduce or for"),
        ("def", "functions keep no state: use let"),
        ("atom", "functions keep no state: use reduce"),
        ("swap!", "functions keep no state: use reduce"),
        ("try", "an exception aborts the transaction: test with if before"),
        ("transact!", "return the transaction data instead"),
    ];
    let plain = plain_name(name);
    let absent = ABSENT.iter().find(|(absent, _)| plain.as_deref() == Some(absent));
    let hint = absent.map(|(_, hint)| (*hint).to_owned()).or_else(|| {
        let known = super::function_names().chain(super::macros::SPECIAL);
        edn::nearest(name.as_str(), known).map(|near| format!("did you mean {near}?"))
    });
    error(Kind::UnknownFunction, format!("there is no function {name}")).with_hint(hint).at(span)
}
