//! Bindings, and the parameters of `:in`.

use super::list::IntoList;
use super::terms::{Source, Term, Var, also, plain_name, symbol, vector, wrapper};

wrapper! {
    /// What the result of a function or an input is bound to: a variable, [`blank`], [`tuple()`], [`each`], [`relation`].
    Binding
}
wrapper! {
    /// A parameter of `:in`: a source, [`rules_input`], a binding, or a [`plain`] symbol.
    Parameter
}

also!(Var => Binding, Var => Parameter, Source => Parameter, Binding => Parameter);

/// `_`
pub fn blank() -> Blank {
    Blank(symbol("_"))
}

wrapper! {
    /// `_`: [`blank`].
    Blank
}

also!(Blank => Term, Blank => Binding);

/// `[?x _ ?y]`: the parts of one value.
pub fn tuple(parts: impl IntoList<Binding>) -> Binding {
    Binding(vector(parts.into_list().into_iter().map(|part| part.0).collect()))
}

/// `[?x ...]`: every element of a collection in turn.
pub fn each(binding: impl Into<Binding>) -> Binding {
    Binding(vector(vec![binding.into().0, symbol("...")]))
}

/// `[[?x ?y]]`: every row of a relation in turn.
pub fn relation(columns: impl IntoList<Binding>) -> Binding {
    Binding(vector(vec![tuple(columns).0]))
}

/// `%`: the rules.
pub fn rules_input() -> Parameter {
    Parameter(symbol("%"))
}

/// A symbol without a sigil, usable as a pull pattern or as an argument.
pub fn plain(name: &str) -> Parameter {
    Parameter(plain_name(name))
}
