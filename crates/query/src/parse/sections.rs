//! The sections of a query: what stands behind `:find`, `:where` and so on, in a vector or as the values of a map.

use edn::{Form, FormKind, Keyword, Span};

use super::clauses::clauses;
use super::error::ParseError;
use super::forms::{Fault, Forms, found};
use super::{find, inputs, window};
use crate::ast::{Query, ReturnMapKind};
use crate::source_text::SourceText;

/// The names of the sections.
const NAMES: [&str; 12] = [
    "find", "with", "in", "where", "keys", "strs", "syms", "having", "order-by", "limit", "offset", "timeout",
];

/// One section with its forms.
pub(super) struct Section<'f> {
    name: Keyword,
    span: Span,
    items: &'f [Form],
    /// Where the items end.
    end: Span,
}

/// The sections of a query in the order of the text.
pub(super) fn split(form: &Form) -> Result<Vec<Section<'_>>, ParseError> {
    let sections = match &form.kind {
        FormKind::Vector(items) | FormKind::List(items) => split_vector(items, form.span)?,
        FormKind::Map(entries) => split_map(entries)?,
        _ => return Err(ParseError::NotAQuery { found: found(form), span: form.span }),
    };
    for (index, section) in sections.iter().enumerate() {
        let name = section.name.as_str();
        if !NAMES.contains(&name) {
            // `:keys :name :age` reads as three sections, but means names.
            if let Some(Section { name: map, items: [], .. }) =
                index.checked_sub(1).map(|before| &sections[before])
                && matches!(map.as_str(), "keys" | "strs" | "syms")
            {
                let (section, found) = (map.clone(), section.name.to_string());
                return Err(ParseError::ReturnMapName { section, found, span: sections[index].span });
            }
            let nearest = edn::nearest(name, NAMES).map(|name| format!(":{name}"));
            let (section, span) = (section.name.clone(), section.span);
            return Err(ParseError::UnknownSection { section, nearest, span });
        }
        if sections[..index].iter().any(|other| other.name == section.name) {
            return Err(ParseError::RepeatedSection { section: section.name.clone(), span: section.span });
        }
    }
    Ok(sections)
}

fn keyword(form: &Form) -> Option<&Keyword> {
    form.as_atom()?.as_keyword()
}

fn split_vector(items: &[Form], whole: Span) -> Result<Vec<Section<'_>>, ParseError> {
    let mut sections = Vec::new();
    let mut rest = items;
    while let Some((first, after)) = rest.split_first() {
        let Some(name) = keyword(first) else {
            return Err(ParseError::NoSection { found: found(first), span: first.span });
        };
        let len = after.iter().position(|form| keyword(form).is_some()).unwrap_or(after.len());
        let (items, following) = after.split_at(len);
        let end = match following.first() {
            Some(next) => next.span,
            None => Span::new(whole.end.saturating_sub(1).max(whole.start), whole.end),
        };
        sections.push(Section { name: name.clone(), span: first.span, items, end });
        rest = following;
    }
    Ok(sections)
}

fn split_map(entries: &[(Form, Form)]) -> Result<Vec<Section<'_>>, ParseError> {
    let mut sections = Vec::new();
    for (key, value) in entries {
        let Some(name) = keyword(key) else {
            return Err(ParseError::NoSection { found: found(key), span: key.span });
        };
        let single = matches!(name.as_str(), "limit" | "offset" | "timeout" | "order-by");
        let items = match &value.kind {
            FormKind::Vector(items) | FormKind::List(items) => items.as_slice(),
            _ if single => std::slice::from_ref(value),
            _ => {
                let (section, span) = (name.clone(), value.span);
                return Err(ParseError::SectionShape { section, found: found(value), span });
            }
        };
        let end = Span::new(value.span.end.saturating_sub(1).max(value.span.start), value.span.end);
        sections.push(Section { name: name.clone(), span: key.span, items, end });
    }
    Ok(sections)
}

/// Parses every section. An empty section is as good as none, except for `:find`.
pub(super) fn parse(
    sections: &[Section<'_>],
    span: Span,
    outer: Forms<'_>,
) -> Result<Query, nom::Err<Fault>> {
    let find_section = |name: &str| sections.iter().find(|section| section.name.as_str() == name);
    let section =
        |name: &str| find_section(name).filter(|section| !section.items.is_empty()).map(forms_of(outer));
    let Some(find_at) = find_section("find") else {
        return Err(super::forms::failure(ParseError::MissingFind { span }));
    };
    Ok(Query {
        find: find::find(forms_of(outer)(find_at))?,
        return_map: return_map(sections, outer)?,
        with: section("with").map(find::with).transpose()?.unwrap_or_default(),
        // `:in` without anything means no inputs at all, not even `$`.
        inputs: match find_section("in") {
            Some(section) if section.items.is_empty() => Some(Vec::new()),
            other => other.map(forms_of(outer)).map(inputs::inputs).transpose()?,
        },
        clauses: match section("where") {
            Some(forms) => clauses(forms)?.1,
            None => Vec::new(),
        },
        having: section("having").map(find::having).transpose()?.unwrap_or_default(),
        order_by: section("order-by").map(window::order_by).transpose()?.unwrap_or_default(),
        limit: find_section("limit").map(forms_of(outer)).map(window::limit).transpose()?,
        offset: find_section("offset").map(forms_of(outer)).map(window::offset).transpose()?,
        timeout: find_section("timeout").map(forms_of(outer)).map(window::timeout).transpose()?,
        text: SourceText::default(),
        span,
    })
}

fn forms_of<'f>(outer: Forms<'_>) -> impl Fn(&Section<'f>) -> Forms<'f> {
    move |section| Forms::new(section.items, section.end).at_depth_of(outer)
}

fn return_map(
    sections: &[Section<'_>],
    outer: Forms<'_>,
) -> Result<Option<crate::ast::ReturnMap>, nom::Err<Fault>> {
    let mut found = None;
    for section in sections {
        let kind = match section.name.as_str() {
            "keys" => ReturnMapKind::Keywords,
            "strs" => ReturnMapKind::Strings,
            "syms" => ReturnMapKind::Symbols,
            _ => continue,
        };
        if found.is_some() {
            return Err(super::forms::failure(ParseError::ReturnMapConflict { span: section.span }));
        }
        found = Some(window::return_map(kind, &section.name, forms_of(outer)(section))?);
    }
    Ok(found)
}
