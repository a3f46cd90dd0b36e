//! [`Src`]: one borrowed view over the three shapes in which transaction data arrives.
//!
//! ```text
//! text     -> edn::Form   (spans)  \
//! program  -> edn::Value           +-> Src -> View -> parse
//! builder  -> TxValue              /
//! ```

use std::borrow::Cow;
use std::collections::{btree_map, btree_set};
use std::slice;

use edn::{Form, FormKind, Span, Symbol, Value};

use super::builder::TxValue;

/// A piece of transaction data, wherever it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Src<'a> {
    /// Read from text.
    Form(&'a Form),
    /// A plain value.
    Value(&'a Value),
    /// From the typed builder.
    Built(&'a TxValue),
}

/// What a [`Src`] is, one level deep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'a> {
    Atom(&'a Value),
    /// A list or a vector.
    Sequence(Items<'a>),
    Set(Items<'a>),
    Map(Entries<'a>),
    Tagged(&'a Symbol, Src<'a>),
}

/// The elements of a sequence or a set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Items<'a> {
    Forms(&'a [Form]),
    Values(&'a [Value]),
    Set(&'a std::collections::BTreeSet<Value>),
    Built(&'a [TxValue]),
}

/// The entries of a map.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entries<'a> {
    Forms(&'a [(Form, Form)]),
    Values(&'a std::collections::BTreeMap<Value, Value>),
    Built(&'a [(Value, TxValue)]),
}

impl<'a> Src<'a> {
    /// Where it stood in the text, if it came from text.
    pub(crate) fn span(self) -> Option<Span> {
        match self {
            Self::Form(form) if form.span != Span::default() => Some(form.span),
            _ => None,
        }
    }

    /// As a plain value, copied only where that takes another shape.
    pub(crate) fn value(self) -> Cow<'a, Value> {
        match self {
            Self::Form(form) => form.as_atom().map_or_else(|| Cow::Owned(form.to_value()), Cow::Borrowed),
            Self::Value(value) | Self::Built(TxValue::Value(value)) => Cow::Borrowed(value),
            Self::Built(built) => Cow::Owned(built.to_value()),
        }
    }

    /// As a form, with its places if it was read from text.
    pub(crate) fn form(self) -> Cow<'a, Form> {
        match self {
            Self::Form(form) => Cow::Borrowed(form),
            other => Cow::Owned(Form::from(&*other.value())),
        }
    }

    /// A copy as a plain value.
    pub(crate) fn to_value(self) -> Value {
        self.value().into_owned()
    }

    pub(crate) fn view(self) -> View<'a> {
        match self {
            Self::Form(form) => match &form.kind {
                FormKind::Atom(value) => View::Atom(value),
                FormKind::List(items) | FormKind::Vector(items) => View::Sequence(Items::Forms(items)),
                FormKind::Set(items) => View::Set(Items::Forms(items)),
                FormKind::Map(entries) => View::Map(Entries::Forms(entries)),
                FormKind::Tagged(tag, inner) => View::Tagged(tag, Src::Form(inner)),
            },
            Self::Value(value) => Self::view_value(value),
            Self::Built(TxValue::Value(value)) => Self::view_value(value),
            Self::Built(TxValue::Entity(entity)) => View::Map(Entries::Built(entity.entries())),
            Self::Built(TxValue::Many(items)) => View::Sequence(Items::Built(items)),
        }
    }

    fn view_value(value: &'a Value) -> View<'a> {
        match value {
            Value::List(items) | Value::Vector(items) => View::Sequence(Items::Values(items)),
            Value::Set(items) => View::Set(Items::Set(items)),
            Value::Map(entries) => View::Map(Entries::Values(entries)),
            Value::Tagged(tag, inner) => View::Tagged(tag, Src::Value(inner)),
            atom => View::Atom(atom),
        }
    }

    /// The leaf value, if this is not a collection.
    pub(crate) fn as_atom(self) -> Option<&'a Value> {
        match self.view() {
            View::Atom(value) => Some(value),
            _ => None,
        }
    }

    /// The elements, if this is a list or a vector.
    pub(crate) fn as_sequence(self) -> Option<Items<'a>> {
        match self.view() {
            View::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The keyword, if this is one.
    pub(crate) fn as_keyword(self) -> Option<&'a edn::Keyword> {
        self.as_atom().and_then(Value::as_keyword)
    }

    pub(crate) fn is_nil(self) -> bool {
        matches!(self.as_atom(), Some(Value::Nil))
    }
}

impl<'a> Items<'a> {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Forms(items) => items.len(),
            Self::Values(items) => items.len(),
            Self::Set(items) => items.len(),
            Self::Built(items) => items.len(),
        }
    }

    /// The element at `index`; linear only for sets.
    pub(crate) fn get(self, index: usize) -> Option<Src<'a>> {
        match self {
            Self::Forms(items) => items.get(index).map(Src::Form),
            Self::Values(items) => items.get(index).map(Src::Value),
            Self::Set(items) => items.iter().nth(index).map(Src::Value),
            Self::Built(items) => items.get(index).map(Src::Built),
        }
    }

    /// All elements from `index` on, as plain values.
    pub(crate) fn values_from(self, index: usize) -> Vec<Value> {
        self.iter().skip(index).map(Src::to_value).collect()
    }

    pub(crate) fn iter(self) -> ItemIter<'a> {
        match self {
            Self::Forms(items) => ItemIter::Forms(items.iter()),
            Self::Values(items) => ItemIter::Values(items.iter()),
            Self::Set(items) => ItemIter::Set(items.iter()),
            Self::Built(items) => ItemIter::Built(items.iter()),
        }
    }
}

impl<'a> Entries<'a> {
    pub(crate) fn iter(self) -> EntryIter<'a> {
        match self {
            Self::Forms(entries) => EntryIter::Forms(entries.iter()),
            Self::Values(entries) => EntryIter::Values(entries.iter()),
            Self::Built(entries) => EntryIter::Built(entries.iter()),
        }
    }
}

/// Iterator over [`Items`].
pub(crate) enum ItemIter<'a> {
    Forms(slice::Iter<'a, Form>),
    Values(slice::Iter<'a, Value>),
    Set(btree_set::Iter<'a, Value>),
    Built(slice::Iter<'a, TxValue>),
}

impl<'a> Iterator for ItemIter<'a> {
    type Item = Src<'a>;

    fn next(&mut self) -> Option<Src<'a>> {
        match self {
            Self::Forms(items) => items.next().map(Src::Form),
            Self::Values(items) => items.next().map(Src::Value),
            Self::Set(items) => items.next().map(Src::Value),
            Self::Built(items) => items.next().map(Src::Built),
        }
    }
}

/// Iterator over [`Entries`].
pub(crate) enum EntryIter<'a> {
    Forms(slice::Iter<'a, (Form, Form)>),
    Values(btree_map::Iter<'a, Value, Value>),
    Built(slice::Iter<'a, (Value, TxValue)>),
}

impl<'a> Iterator for EntryIter<'a> {
    type Item = (Src<'a>, Src<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Forms(entries) => entries.next().map(|(key, value)| (Src::Form(key), Src::Form(value))),
            Self::Values(entries) => entries.next().map(|(key, value)| (Src::Value(key), Src::Value(value))),
            Self::Built(entries) => entries.next().map(|(key, value)| (Src::Value(key), Src::Built(value))),
        }
    }
}
