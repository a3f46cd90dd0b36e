//! [`Form`]: an EDN value that remembers where in the text each of its parts stood, for errors that point.

use crate::name::Symbol;
use crate::value::Value;

/// A half-open range of byte offsets into the text that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// An EDN value with the span of every part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// Where the form stood; `0..0` for forms made by a program.
    pub span: Span,
    /// What it is.
    pub kind: FormKind,
}

/// The shape of a [`Form`]: a leaf, or a collection of further forms in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FormKind {
    /// Anything that is not a collection.
    Atom(Value),
    /// `(a b)`
    List(Vec<Form>),
    /// `[a b]`
    Vector(Vec<Form>),
    /// `{k v}`
    Map(Vec<(Form, Form)>),
    /// `#{a b}`
    Set(Vec<Form>),
    /// `#tag form`, for tags other than the built-in ones.
    Tagged(Symbol, Box<Form>),
}

impl Form {
    /// The value without its spans.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            FormKind::Atom(value) => value.clone(),
            FormKind::List(items) => Value::List(items.iter().map(Self::to_value).collect()),
            FormKind::Vector(items) => Value::Vector(items.iter().map(Self::to_value).collect()),
            FormKind::Map(entries) => {
                Value::Map(entries.iter().map(|(key, value)| (key.to_value(), value.to_value())).collect())
            }
            FormKind::Set(items) => Value::Set(items.iter().map(Self::to_value).collect()),
            FormKind::Tagged(tag, form) => Value::Tagged(tag.clone(), Box::new(form.to_value())),
        }
    }

    /// The elements, if this is a list or a vector.
    pub fn as_sequence(&self) -> Option<&[Form]> {
        match &self.kind {
            FormKind::List(items) | FormKind::Vector(items) => Some(items),
            _ => None,
        }
    }

    /// The leaf value, if this is not a collection.
    pub fn as_atom(&self) -> Option<&Value> {
        if let FormKind::Atom(value) = &self.kind { Some(value) } else { None }
    }

    /// The symbol, if this is one.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        self.as_atom().and_then(Value::as_symbol)
    }
}

impl From<&Value> for Form {
    /// A form without spans; collections of the value become collections of forms.
    fn from(value: &Value) -> Self {
        let all = |items: &[Value]| items.iter().map(Self::from).collect();
        let kind = match value {
            Value::List(items) => FormKind::List(all(items)),
            Value::Vector(items) => FormKind::Vector(all(items)),
            Value::Map(entries) => {
                FormKind::Map(entries.iter().map(|(key, value)| (key.into(), value.into())).collect())
            }
            Value::Set(items) => FormKind::Set(items.iter().map(Self::from).collect()),
            Value::Tagged(tag, value) => FormKind::Tagged(tag.clone(), Box::new(Self::from(&**value))),
            atom => FormKind::Atom(atom.clone()),
        };
        Self { span: Span::default(), kind }
    }
}
