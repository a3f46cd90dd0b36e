//! The forms that are not calls: `let`, `if`, `cond`, `for`, `->` and their like.

use std::sync::Arc;

use edn::{Form, FormKind, Span, Symbol, Value};
use storage::transact::{InterpretError, InterpretErrorKind as Kind};

use super::compile::{Compiler, Expr, ForStep};
use super::object::{Object, plain_name};
use super::pattern::Pattern;
use super::{Result, error, library};

/// Their names.
pub(super) const SPECIAL: [&str; 22] = [
    "quote",
    "do",
    "if",
    "if-not",
    "when",
    "when-not",
    "and",
    "or",
    "let",
    "if-let",
    "when-let",
    "if-some",
    "when-some",
    "cond",
    "case",
    "fn",
    "inter-fn",
    "for",
    "->",
    "->>",
    "throw",
    "comment",
];

fn usage(usage: &str, span: Span) -> InterpretError {
    error(Kind::Arity, format!("expected {usage}")).at(span)
}

fn nil() -> Expr {
    Expr::Constant(Object::NIL)
}

fn native(name: &str) -> Expr {
    Expr::Constant(
        library::find(name)
            .map_or(Object::NIL, |native| Object::Function(super::object::Callable::Native(native))),
    )
}

// Each form has a function of its own, so that what one needs does not lie on the stack of all the others.
impl Compiler<'_> {
    /// A form that is not a call, if `name` begins one.
    #[inline(never)]
    pub(super) fn special(&mut self, form: &Form, name: &Symbol, args: &[Form]) -> Result<Option<Expr>> {
        let Some(plain) = plain_name(name) else { return Ok(None) };
        let span = form.span;
        Ok(Some(match (plain.as_str(), args) {
            ("quote", [data]) => Expr::Constant(Object::Value(data.to_value())),
            ("comment", _) => nil(),
            ("do", forms) => self.sequence(forms)?,
            ("if", [condition, then]) => self.branch(condition, std::slice::from_ref(then), &[])?,
            ("if", [condition, then, otherwise]) => {
                self.branch(condition, std::slice::from_ref(then), std::slice::from_ref(otherwise))?
            }
            ("if", _) => return Err(usage("(if condition then else?)", span)),
            ("if-not", [condition, then]) => self.branch(condition, &[], std::slice::from_ref(then))?,
            ("if-not", [condition, then, otherwise]) => {
                self.branch(condition, std::slice::from_ref(otherwise), std::slice::from_ref(then))?
            }
            ("when", [condition, body @ ..]) => self.branch(condition, body, &[])?,
            ("when-not", [condition, body @ ..]) => self.branch(condition, &[], body)?,
            ("and", args) => match args {
                [] => Expr::Constant(Object::Value(Value::Bool(true))),
                args => Expr::And(self.all(args)?),
            },
            ("or", args) => Expr::Or(self.all(args)?),
            ("let", [bindings, body @ ..]) => self.let_form(bindings, body, span)?,
            ("if-let" | "if-some", [binding, then]) => {
                self.if_let(binding, std::slice::from_ref(then), &[], plain == "if-some", span)?
            }
            ("if-let" | "if-some", [binding, then, otherwise]) => {
                let (then, otherwise) = (std::slice::from_ref(then), std::slice::from_ref(otherwise));
                self.if_let(binding, then, otherwise, plain == "if-some", span)?
            }
            ("when-let" | "when-some", [binding, body @ ..]) => {
                self.if_let(binding, body, &[], plain == "when-some", span)?
            }
            ("cond", clauses) => self.cond(clauses, span)?,
            ("case", [value, clauses @ ..]) => self.case(value, clauses, span)?,
            ("fn" | "inter-fn", parts) => Expr::Function(Arc::new(self.function(form, parts)?)),
            ("for", [bindings, body]) => self.comprehension(bindings, body, span)?,
            ("for", _) => return Err(usage("(for [name sequence ..] expression)", span)),
            ("->" | "->>", [first, steps @ ..]) => {
                let threaded =
                    steps.iter().fold(first.clone(), |value, step| thread(value, step, plain == "->"));
                self.expr(&threaded)?
            }
            ("throw", [problem]) => Expr::Throw(Box::new(self.expr(problem)?), span),
            _ => return Ok(None),
        }))
    }

    #[inline(never)]
    fn branch(&mut self, condition: &Form, then: &[Form], otherwise: &[Form]) -> Result<Expr> {
        let parts = [self.expr(condition)?, self.sequence(then)?, self.sequence(otherwise)?];
        Ok(Expr::If(Box::new(parts)))
    }

    #[inline(never)]
    fn let_form(&mut self, bindings: &Form, body: &[Form], span: Span) -> Result<Expr> {
        let before = self.locals.len();
        let bound = self.bindings(bindings)?;
        let body = Box::new(self.sequence(body)?);
        self.locals.truncate(before);
        Ok(Expr::Let(bound, body, span))
    }

    /// `[name value ..]`; the names stay locals.
    #[inline(never)]
    fn bindings(&mut self, form: &Form) -> Result<Vec<(Expr, Pattern)>> {
        let bad = |span| usage("(let [name value ..] expression)", span);
        let FormKind::Vector(items) = &form.kind else { return Err(bad(form.span)) };
        let mut bound = Vec::with_capacity(items.len() / 2);
        for pair in items.chunks(2) {
            let [pattern, value] = pair else { return Err(bad(form.span)) };
            let value = self.expr(value)?;
            bound.push((value, self.pattern(pattern)?));
        }
        Ok(bound)
    }

    #[inline(never)]
    fn if_let(
        &mut self,
        binding: &Form,
        then: &[Form],
        otherwise: &[Form],
        some: bool,
        span: Span,
    ) -> Result<Expr> {
        let Some([pattern, value]) = binding.as_sequence() else {
            return Err(usage("one [name value]", binding.span));
        };
        let value = Box::new(self.expr(value)?);
        let otherwise = Box::new(self.sequence(otherwise)?);
        let before = self.locals.len();
        let pattern = self.pattern(pattern)?;
        let then = Box::new(self.sequence(then)?);
        self.locals.truncate(before);
        Ok(Expr::IfLet { value, pattern, then, otherwise, some, span })
    }

    #[inline(never)]
    fn cond(&mut self, clauses: &[Form], span: Span) -> Result<Expr> {
        match clauses {
            [] => Ok(nil()),
            [condition, then, rest @ ..] => {
                let parts = [self.expr(condition)?, self.expr(then)?, self.cond(rest, span)?];
                Ok(Expr::If(Box::new(parts)))
            }
            [_] => Err(usage("(cond condition value ..)", span)),
        }
    }

    /// `(case value constant result .. default)`; a list stands for any of its constants.
    #[inline(never)]
    fn case(&mut self, value: &Form, clauses: &[Form], span: Span) -> Result<Expr> {
        let value = self.expr(value)?;
        // A local that nobody can name.
        self.locals.push(Symbol::parse(""));
        let local = self.locals.len() - 1;
        let (pairs, default) = match clauses.len() % 2 {
            0 => (clauses, None),
            _ => (&clauses[..clauses.len() - 1], clauses.last()),
        };
        let mut result = match default {
            Some(default) => self.expr(default)?,
            None => {
                let message = Object::Value(Value::from("no clause of case matches"));
                Expr::Throw(Box::new(Expr::Constant(message)), span)
            }
        };
        for pair in pairs.chunks_exact(2).rev() {
            let constants = match &pair[0].kind {
                FormKind::List(items) => items.iter().map(Form::to_value).collect(),
                _ => vec![pair[0].to_value()],
            };
            let equal = |constant| {
                let args = vec![Expr::Local(local), Expr::Constant(Object::Value(constant))];
                Expr::Call(Box::new(native("=")), args, span)
            };
            let test = Expr::Or(constants.into_iter().map(equal).collect());
            result = Expr::If(Box::new([test, self.expr(&pair[1])?, result]));
        }
        self.locals.pop();
        Ok(Expr::Let(vec![(value, Pattern::Name)], Box::new(result), span))
    }

    #[inline(never)]
    fn comprehension(&mut self, bindings: &Form, body: &Form, span: Span) -> Result<Expr> {
        let bad = |span| usage("(for [name sequence :when condition ..] expression)", span);
        let FormKind::Vector(items) = &bindings.kind else { return Err(bad(bindings.span)) };
        let before = self.locals.len();
        let mut steps = Vec::new();
        for pair in items.chunks(2) {
            let [pattern, value] = pair else { return Err(bad(bindings.span)) };
            steps.push(match pattern.as_atom().and_then(Value::as_keyword).map(|keyword| keyword.as_str()) {
                Some("when") => ForStep::When(self.expr(value)?),
                Some("while") => ForStep::While(self.expr(value)?),
                Some("let") => ForStep::Let(self.bindings(value)?),
                Some(_) => return Err(bad(pattern.span)),
                None => {
                    let sequence = self.expr(value)?;
                    ForStep::Each(sequence, self.pattern(pattern)?)
                }
            });
        }
        if !matches!(steps.first(), Some(ForStep::Each(..))) {
            return Err(bad(bindings.span));
        }
        let body = Box::new(self.expr(body)?);
        self.locals.truncate(before);
        Ok(Expr::For(steps, body, span))
    }
}

/// A step of `->` or `->>` with the value put in.
fn thread(value: Form, step: &Form, first: bool) -> Form {
    let kind = match &step.kind {
        FormKind::List(items) if !items.is_empty() => {
            let mut items = items.clone();
            let at = if first { 1 } else { items.len() };
            items.insert(at, value);
            FormKind::List(items)
        }
        _ => FormKind::List(vec![step.clone(), value]),
    };
    Form { span: step.span, kind }
}
