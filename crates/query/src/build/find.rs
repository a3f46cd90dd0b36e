//! The columns of a result: variables, aggregates, pulls, arithmetic over aggregates.

use edn::{Form, FormKind, Keyword, Value};

use super::list::IntoList;
use super::terms::{
    Callee, Source, Term, Var, also, constant, form, list, plain_name, symbol, vector, wrapper,
};

wrapper! {
    /// A column: a variable, an [`aggregate`], a [`pull`] or [`arithmetic`].
    Element
}
wrapper! {
    /// An operand of [`arithmetic`] or of `:having`: an aggregate, arithmetic, or a constant.
    Operand
}
wrapper! {
    /// A part of a pull pattern: an attribute, [`wildcard`], [`nested`], or any value that the syntax of patterns knows.
    PullItem
}
also!(Var => Element, Element => Operand);

impl<V: Into<Value>> From<V> for Operand {
    fn from(value: V) -> Self {
        Self(constant(&value.into()))
    }
}

/// `(name arg .. ?x)`; a variable instead of a name is a function that an input gives: `(aggregate ?f ?x)`.
///
/// ```
/// # use factum_query::{Query, build::*};
/// let query = Query::find((var("dept"), aggregate("max", [3], var("pay"))))
///     .pattern(var("e"), kw("dept"), var("dept"))
///     .pattern(var("e"), kw("pay"), var("pay"))
///     .build()?;
/// assert_eq!(query.find.to_string(), "?dept (max 3 ?pay)");
/// # Ok::<(), factum_query::Error>(())
/// ```
pub fn aggregate(name: impl Into<Callee>, args: impl IntoList<Term>, over: Var) -> Element {
    let Callee(name) = name.into();
    let by_input = name.as_symbol().is_some_and(|name| name.as_str().starts_with('?'));
    let head = by_input.then(|| symbol("aggregate")).into_iter().chain([name]);
    let args = args.into_list().into_iter().map(|arg| arg.0);
    Element(list(head.chain(args).chain([over.0]).collect()))
}

macro_rules! aggregates {
    ($($function:ident $name:literal),* $(,)?) => {
        $(
            #[doc = concat!("`(", $name, " ?x)`")]
            pub fn $function(over: Var) -> Element {
                aggregate($name, (), over)
            }
        )*
    };
}

aggregates!(count "count", count_distinct "count-distinct", sum "sum", min "min", max "max", avg "avg");

/// `(operator operand ..)`: `+ - * / mod rem quot` over aggregates and numbers.
pub fn arithmetic(operator: &str, operands: impl IntoList<Operand>) -> Element {
    let operands = operands.into_list().into_iter().map(|operand| operand.0);
    Element(list(std::iter::once(plain_name(operator)).chain(operands).collect()))
}

/// `(pull ?e [item ..])`
///
/// ```
/// # use factum_query::{Query, build::*};
/// let friends = nested(kw("friend"), [kw("name")]);
/// let query = Query::find(pull(var("e"), (kw("name"), friends)))
///     .pattern(var("e"), kw("age"), 38)
///     .build()?;
/// assert_eq!(query.to_string(), "[:find (pull ?e [:name {:friend [:name]}]) :where [?e :age 38]]");
/// # Ok::<(), factum_query::Error>(())
/// ```
pub fn pull(entity: Var, items: impl IntoList<PullItem>) -> Element {
    Element(list(vec![symbol("pull"), entity.0, pull_pattern(items)]))
}

/// `(pull ?e ?pattern)`: the pattern is an input.
pub fn pull_input(entity: Var, pattern: Var) -> Element {
    Element(list(vec![symbol("pull"), entity.0, pattern.0]))
}

impl Element {
    /// The same pull from another source: `(pull $source ?e ..)`.
    #[must_use]
    pub fn within(mut self, source: Source) -> Self {
        if let FormKind::List(parts) = &mut self.0.kind {
            parts.insert(1, source.0);
        }
        self
    }
}

fn pull_pattern(items: impl IntoList<PullItem>) -> Form {
    vector(items.into_list().into_iter().map(|item| item.0).collect())
}

impl From<Keyword> for PullItem {
    fn from(attribute: Keyword) -> Self {
        Self(form(FormKind::Atom(Value::Keyword(attribute))))
    }
}

impl From<Value> for PullItem {
    fn from(item: Value) -> Self {
        Self((&item).into())
    }
}

/// `*`: every attribute.
pub fn wildcard() -> PullItem {
    PullItem(symbol("*"))
}

/// `{attribute [item ..]}`: what is referred to, pulled by its own pattern.
pub fn nested(attribute: impl Into<PullItem>, items: impl IntoList<PullItem>) -> PullItem {
    PullItem(form(FormKind::Map(vec![(attribute.into().0, pull_pattern(items))])))
}
