//! Variables, constants, sources and calls: what stands in patterns and behind functions.

use edn::{Form, FormKind, Keyword, Span, Symbol, Value};

use super::list::IntoList;
use super::query::QueryBuilder;

/// A form without a place.
pub(super) fn form(kind: FormKind) -> Form {
    Form { span: Span::default(), kind }
}

pub(super) fn list(items: Vec<Form>) -> Form {
    form(FormKind::List(items))
}

pub(super) fn vector(items: Vec<Form>) -> Form {
    form(FormKind::Vector(items))
}

pub(super) fn symbol(name: &str) -> Form {
    form(FormKind::Atom(Value::Symbol(Symbol::parse(name))))
}

pub(super) fn keyword(name: &str) -> Form {
    form(FormKind::Atom(Value::Keyword(Keyword::parse(name))))
}

/// A literal; symbols and lists have to be quoted.
pub(super) fn constant(value: &Value) -> Form {
    match value {
        Value::Symbol(_) | Value::List(_) => list(vec![symbol("quote"), value.into()]),
        value => value.into(),
    }
}

/// The name of a function, aggregate or column. Names that would mean something else there, such as `?x`, become
/// strings, which the parser refuses in their place.
pub(super) fn plain_name(name: &str) -> Form {
    match name.starts_with(['?', '$']) || matches!(name, "_" | "%") {
        true => form(FormKind::Atom(name.into())),
        false => symbol(name),
    }
}

/// `name` with `sigil` in front, if it is not there yet.
fn with_sigil(sigil: char, name: &str) -> Form {
    symbol(&format!("{sigil}{}", name.strip_prefix(sigil).unwrap_or(name)))
}

macro_rules! wrapper {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(pub(in crate::build) edn::Form);
    };
}
pub(super) use wrapper;

/// `From` for wrappers that mean the same thing elsewhere.
macro_rules! also {
    ($($from:ty => $to:ident),* $(,)?) => {
        $(impl From<$from> for $to {
            fn from(part: $from) -> Self {
                Self(part.0)
            }
        })*
    };
}
pub(super) use also;

wrapper! {
    /// A variable: [`var`].
    Var
}
wrapper! {
    /// The name of a source: [`source()`].
    Source
}
wrapper! {
    /// A position of a pattern or of a rule's call: a variable, [`blank`](super::blank), or a constant.
    Term
}
wrapper! {
    /// An argument of a call: a variable, a source, a constant, a [`call`], a [`function`] or a [`subquery`].
    Argument
}
wrapper! {
    /// What is called: a function by its name, or a variable that an input gives a function.
    Callee
}
wrapper! {
    /// The name of a function as an argument: [`function`].
    Function
}

also!(Var => Term, Var => Argument, Var => Callee, Source => Argument, Function => Argument);

impl<V: Into<Value>> From<V> for Term {
    fn from(value: V) -> Self {
        Self(constant(&value.into()))
    }
}

impl<V: Into<Value>> From<V> for Argument {
    fn from(value: V) -> Self {
        Self(constant(&value.into()))
    }
}

impl From<&str> for Callee {
    fn from(name: &str) -> Self {
        Self(plain_name(name))
    }
}

/// The variable `?name`; a question mark in front may be written or not.
pub fn var(name: &str) -> Var {
    Var(with_sigil('?', name))
}

/// The source `$name`; a dollar sign in front may be written or not, and `""` is `$`.
pub fn source(name: &str) -> Source {
    Source(with_sigil('$', name))
}

/// A keyword, such as an attribute; a colon in front may be written or not.
pub fn kw(name: &str) -> Keyword {
    Keyword::from(name)
}

/// A call as an argument: `[(< (+ ?x 1) ?y)]`.
///
/// ```
/// # use factum_query::{Query, build::*};
/// let query = Query::find(var("x"))
///     .pattern(var("x"), kw("low"), var("low"))
///     .filter("<", (call("+", (var("low"), 1)), 10))
///     .build()?;
/// assert_eq!(query.to_string(), "[:find ?x :where [?x :low ?low] [(< (+ ?low 1) 10)]]");
/// # Ok::<(), factum_query::Error>(())
/// ```
pub fn call(callee: impl Into<Callee>, args: impl IntoList<Argument>) -> Argument {
    Argument(call_form(callee.into(), args.into_list()))
}

/// The name of a function, or of an input that is a plain symbol, as an argument: `[(apply + [?x 1]) ?y]`.
pub fn function(name: &str) -> Function {
    Function(plain_name(name))
}

/// The query of `(q query input ..)`.
///
/// ```
/// # use factum_query::{Query, build::*};
/// let youngest = Query::find_scalar(min(var("age"))).pattern(blank(), kw("age"), var("age"));
/// let query = Query::find(var("e"))
///     .bind("q", (subquery(youngest), source("$")), var("age"))
///     .pattern(var("e"), kw("age"), var("age"))
///     .build()?;
/// assert_eq!(
///     query.to_string(),
///     "[:find ?e :where [(q [:find (min ?age) . :where [_ :age ?age]] $) ?age] [?e :age ?age]]",
/// );
/// # Ok::<(), factum_query::Error>(())
/// ```
pub fn subquery(query: QueryBuilder) -> Argument {
    Argument(query.into_form())
}

pub(super) fn call_form(callee: Callee, args: Vec<Argument>) -> Form {
    list(std::iter::once(callee.0).chain(args.into_iter().map(|argument| argument.0)).collect())
}
