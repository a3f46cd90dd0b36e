//! Clauses: [`Conditions`], the methods that add one, and [`Clauses`], those that hold together inside another.

use edn::{Form, FormKind, Value};

use super::inputs::Binding;
use super::list::IntoList;
use super::terms::{Argument, Callee, Source, Term, Var, call_form, form, list, symbol, vector};
use crate::parse::RESERVED;

/// Clauses that hold together: the content of `not`, an alternative of `or`, the body of a rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clauses(pub(super) Vec<Form>);

/// Adding clauses, to a query or to the content of another clause.
pub trait Conditions: Sized {
    /// Adds these.
    fn clauses(self, clauses: Clauses) -> Self;

    /// `[entity attribute value]`
    fn pattern(self, entity: impl Into<Term>, attribute: impl Into<Term>, value: impl Into<Term>) -> Self {
        self.clauses(pattern(entity, attribute, value))
    }

    /// A pattern of any length: `[?e :attribute]`, or the columns of a collection that is a source.
    fn terms(self, terms: impl IntoList<Term>) -> Self {
        self.clauses(self::terms(terms))
    }

    /// `[(predicate arg ..)]`
    fn filter(self, predicate: impl Into<Callee>, args: impl IntoList<Argument>) -> Self {
        self.clauses(filter(predicate, args))
    }

    /// `[(function arg ..) binding]`
    fn bind(
        self,
        function: impl Into<Callee>,
        args: impl IntoList<Argument>,
        binding: impl Into<Binding>,
    ) -> Self {
        self.clauses(bind(function, args, binding))
    }

    /// `(not clause ..)`
    fn not(self, content: Clauses) -> Self {
        self.clauses(not(content))
    }

    /// `(not-join [?x ..] clause ..)`
    fn not_join(self, variables: impl IntoList<Var>, content: Clauses) -> Self {
        self.clauses(not_join(variables, content))
    }

    /// `(or clause (and clause ..) ..)`
    fn or(self, alternatives: impl IntoIterator<Item = Clauses>) -> Self {
        self.clauses(or(alternatives))
    }

    /// `(or-join [?x ..] clause (and clause ..) ..)`
    fn or_join(self, variables: impl IntoList<Var>, alternatives: impl IntoIterator<Item = Clauses>) -> Self {
        self.clauses(or_join(variables, alternatives))
    }

    /// `(rule arg ..)`
    fn rule(self, name: &str, args: impl IntoList<Term>) -> Self {
        self.clauses(rule(name, args))
    }
}

impl Conditions for Clauses {
    fn clauses(mut self, clauses: Clauses) -> Self {
        self.0.extend(clauses.0);
        self
    }
}

impl Clauses {
    /// No clauses yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same clauses about another source: `[$a ?e :name ?n]`, `($a not ..)`, `($a rule ..)`.
    ///
    /// ```
    /// # use factum_query::{Query, build::*};
    /// let query = Query::find(var("n"))
    ///     .inputs([source("old"), source("new")])
    ///     .clauses(pattern(blank(), kw("name"), var("n")).within(source("new")))
    ///     .clauses(not(pattern(blank(), kw("name"), var("n"))).within(source("old")))
    ///     .build()?;
    /// assert_eq!(query.to_string(), "[:find ?n :in $old $new :where [$new _ :name ?n] ($old not [_ :name ?n])]");
    /// # Ok::<(), factum_query::Error>(())
    /// ```
    #[must_use]
    pub fn within(mut self, source: Source) -> Self {
        for clause in &mut self.0 {
            match &mut clause.kind {
                FormKind::Vector(items) if !is_call(items) => items.insert(0, source.0.clone()),
                FormKind::List(items) => items.insert(0, source.0.clone()),
                _ => {}
            }
        }
        self
    }

    /// An alternative of `or`.
    fn into_branch(self) -> Form {
        match <[Form; 1]>::try_from(self.0) {
            Ok([clause]) => clause,
            Err(clauses) => headed(symbol("and"), clauses),
        }
    }
}

/// Whether a vector clause is `[(f ..)]` or `[(f ..) ?x]` and not a pattern; patterns begin with no list but a quoted one.
fn is_call(items: &[Form]) -> bool {
    match items.first().map(|first| &first.kind) {
        Some(FormKind::List(call)) => !(call.first() == Some(&symbol("quote")) && items.len() > 2),
        _ => false,
    }
}

fn headed(head: Form, rest: impl IntoIterator<Item = Form>) -> Form {
    list(std::iter::once(head).chain(rest).collect())
}

fn variables(variables: impl IntoList<Var>) -> Form {
    vector(variables.into_list().into_iter().map(|variable| variable.0).collect())
}

/// [`Conditions::pattern`], as the first of some clauses.
pub fn pattern(entity: impl Into<Term>, attribute: impl Into<Term>, value: impl Into<Term>) -> Clauses {
    terms([entity.into(), attribute.into(), value.into()])
}

/// [`Conditions::terms`], as the first of some clauses.
pub fn terms(terms: impl IntoList<Term>) -> Clauses {
    Clauses(vec![vector(terms.into_list().into_iter().map(|term| term.0).collect())])
}

/// [`Conditions::filter`], as the first of some clauses.
pub fn filter(predicate: impl Into<Callee>, args: impl IntoList<Argument>) -> Clauses {
    Clauses(vec![vector(vec![call_form(predicate.into(), args.into_list())])])
}

/// [`Conditions::bind`], as the first of some clauses.
pub fn bind(
    function: impl Into<Callee>,
    args: impl IntoList<Argument>,
    binding: impl Into<Binding>,
) -> Clauses {
    Clauses(vec![vector(vec![call_form(function.into(), args.into_list()), binding.into().0])])
}

/// [`Conditions::not`], as the first of some clauses.
pub fn not(content: Clauses) -> Clauses {
    Clauses(vec![headed(symbol("not"), content.0)])
}

/// [`Conditions::not_join`], as the first of some clauses.
pub fn not_join(join: impl IntoList<Var>, content: Clauses) -> Clauses {
    let content = std::iter::once(variables(join)).chain(content.0);
    Clauses(vec![headed(symbol("not-join"), content)])
}

/// [`Conditions::or`], as the first of some clauses.
pub fn or(alternatives: impl IntoIterator<Item = Clauses>) -> Clauses {
    Clauses(vec![headed(symbol("or"), alternatives.into_iter().map(Clauses::into_branch))])
}

/// [`Conditions::or_join`], as the first of some clauses.
pub fn or_join(join: impl IntoList<Var>, alternatives: impl IntoIterator<Item = Clauses>) -> Clauses {
    let branches = alternatives.into_iter().map(Clauses::into_branch);
    Clauses(vec![headed(symbol("or-join"), std::iter::once(variables(join)).chain(branches))])
}

/// [`Conditions::rule`], as the first of some clauses.
pub fn rule(name: &str, args: impl IntoList<Term>) -> Clauses {
    Clauses(vec![headed(rule_name(name), args.into_list().into_iter().map(|term| term.0))])
}

/// A rule cannot be called `not`: as a string such a name is refused, and the arguments are not read as clauses.
pub(super) fn rule_name(name: &str) -> Form {
    match RESERVED.contains(&name) || name.starts_with(['?', '$', '%', '_']) {
        true => form(FormKind::Atom(Value::from(name))),
        false => symbol(name),
    }
}
