//! What the reader builds: [`Value`]s directly, or [`Form`]s that keep their spans.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::form::{Form, FormKind, Span};
use crate::name::Symbol;
use crate::reader::nest::{Nest, Nests};
use crate::value::Value;

/// A duplicate among the children of a map or a set: its index and how it prints.
pub(crate) struct Duplicate {
    pub(crate) index: usize,
    pub(crate) shown: Value,
}

/// A tree under construction.
pub(crate) trait Node: Sized {
    /// The stacks for trees of this kind.
    fn nest<'n, 't>(nests: &'n mut Nests<'t>) -> &'n mut Nest<'t, Self>;
    fn atom(value: Value, span: Span) -> Self;
    fn list(items: Vec<Self>, span: Span) -> Self;
    fn vector(items: Vec<Self>, span: Span) -> Self;
    /// From keys and values in turn; the count is even. The index of a duplicate counts keys.
    fn map(items: impl ExactSizeIterator<Item = Self>, span: Span) -> Result<Self, Duplicate>;
    fn set(items: impl ExactSizeIterator<Item = Self>, span: Span) -> Result<Self, Duplicate>;
    fn tagged(tag: Symbol, item: Self, span: Span) -> Self;
    /// The leaf value.
    fn as_atom(&self) -> Option<&Value>;
    /// Both elements of a vector of two.
    fn into_pair(self) -> Result<(Self, Self), Self>;
}

impl Node for Value {
    fn nest<'n, 't>(nests: &'n mut Nests<'t>) -> &'n mut Nest<'t, Self> {
        &mut nests.values
    }

    fn atom(value: Value, _: Span) -> Self {
        value
    }

    fn list(items: Vec<Self>, _: Span) -> Self {
        Self::List(items)
    }

    fn vector(items: Vec<Self>, _: Span) -> Self {
        Self::Vector(items)
    }

    fn map(mut items: impl ExactSizeIterator<Item = Self>, _: Span) -> Result<Self, Duplicate> {
        let mut entries = BTreeMap::new();
        let mut index = 0;
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            match entries.entry(key) {
                std::collections::btree_map::Entry::Vacant(entry) => entry.insert(value),
                std::collections::btree_map::Entry::Occupied(entry) => {
                    return Err(Duplicate { index, shown: entry.key().clone() });
                }
            };
            index += 1;
        }
        Ok(Self::Map(entries))
    }

    fn set(items: impl ExactSizeIterator<Item = Self>, _: Span) -> Result<Self, Duplicate> {
        let mut elements = BTreeSet::new();
        for (index, item) in items.enumerate() {
            if elements.contains(&item) {
                return Err(Duplicate { index, shown: item });
            }
            elements.insert(item);
        }
        Ok(Self::Set(elements))
    }

    fn tagged(tag: Symbol, item: Self, _: Span) -> Self {
        Self::Tagged(tag, Box::new(item))
    }

    fn as_atom(&self) -> Option<&Value> {
        use Value::{List, Map, Set, Tagged, Vector};
        if let List(_) | Vector(_) | Map(_) | Set(_) | Tagged(..) = self { None } else { Some(self) }
    }

    fn into_pair(self) -> Result<(Self, Self), Self> {
        match self {
            Self::Vector(items) => <[Value; 2]>::try_from(items).map(|[a, b]| (a, b)).map_err(Self::Vector),
            other => Err(other),
        }
    }
}

impl Node for Form {
    fn nest<'n, 't>(nests: &'n mut Nests<'t>) -> &'n mut Nest<'t, Self> {
        &mut nests.forms
    }

    fn atom(value: Value, span: Span) -> Self {
        Self { span, kind: FormKind::Atom(value) }
    }

    fn list(items: Vec<Self>, span: Span) -> Self {
        Self { span, kind: FormKind::List(items) }
    }

    fn vector(items: Vec<Self>, span: Span) -> Self {
        Self { span, kind: FormKind::Vector(items) }
    }

    fn map(mut items: impl ExactSizeIterator<Item = Self>, span: Span) -> Result<Self, Duplicate> {
        let mut entries = Vec::with_capacity(items.len() / 2);
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            entries.push((key, value));
        }
        match first_duplicate(entries.iter().map(|(key, _)| key)) {
            Some(duplicate) => Err(duplicate),
            None => Ok(Self { span, kind: FormKind::Map(entries) }),
        }
    }

    fn set(items: impl ExactSizeIterator<Item = Self>, span: Span) -> Result<Self, Duplicate> {
        let elements: Vec<Form> = items.collect();
        match first_duplicate(elements.iter()) {
            Some(duplicate) => Err(duplicate),
            None => Ok(Self { span, kind: FormKind::Set(elements) }),
        }
    }

    fn tagged(tag: Symbol, item: Self, span: Span) -> Self {
        Self { span, kind: FormKind::Tagged(tag, Box::new(item)) }
    }

    fn as_atom(&self) -> Option<&Value> {
        self.as_atom()
    }

    fn into_pair(self) -> Result<(Self, Self), Self> {
        let span = self.span;
        match self.kind {
            FormKind::Vector(items) => <[Form; 2]>::try_from(items)
                .map(|[a, b]| (a, b))
                .map_err(|items| Self { span, kind: FormKind::Vector(items) }),
            kind => Err(Self { span, kind }),
        }
    }
}

/// The first form in the order of the text that equals an earlier one.
fn first_duplicate<'f>(forms: impl ExactSizeIterator<Item = &'f Form>) -> Option<Duplicate> {
    if forms.len() < 2 {
        return None;
    }
    let mut values: Vec<(Cow<'f, Value>, usize)> = forms
        .enumerate()
        .map(|(index, form)| match form.as_atom() {
            Some(value) => (Cow::Borrowed(value), index),
            None => (Cow::Owned(form.to_value()), index),
        })
        .collect();
    values.sort();
    let second = values.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1).min()?;
    let shown = values.into_iter().find(|(_, index)| *index == second)?.0.into_owned();
    Some(Duplicate { index: second, shown })
}
