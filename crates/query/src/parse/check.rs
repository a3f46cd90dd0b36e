//! What a query must fulfil as a whole: its sections have to fit each other.

use std::collections::BTreeSet;

use edn::{Keyword, Span, Symbol};

use super::clauses::RESERVED;
use super::error::ParseError;
use crate::ast::{
    Aggregate, Binding, FindElement, FindShape, Input, OrderColumn, Query, RuleCall, SourceName, Variable,
    Window,
};
use crate::walk;

type Checked = Result<(), ParseError>;

/// Checks everything that can be checked without a database.
pub(super) fn check(query: &Query) -> Checked {
    check_inputs(query)?;
    check_sources(query)?;
    check_rules(query)?;
    check_variables(query)?;
    check_return_map(query)?;
    check_order(query)?;
    check_window(query)?;
    check_having(query)
}

fn inputs(query: &Query) -> &[Input] {
    query.inputs.as_deref().unwrap_or_default()
}

/// Names in `:in` must be distinct.
fn check_inputs(query: &Query) -> Checked {
    let mut seen = BTreeSet::new();
    let mut add = |name: &Symbol, span: Span| match seen.insert(name.clone()) {
        true => Ok(()),
        false => Err(ParseError::DuplicateInput { name: name.clone(), span }),
    };
    for input in inputs(query) {
        match input {
            Input::Source(source) => add(&source.name, source.span)?,
            Input::Rules(span) => add(&Symbol::parse("%"), *span)?,
            Input::Plain(variable) => add(&variable.name, variable.span)?,
            Input::Binding(binding) => {
                walk::binding_variables(binding)
                    .try_for_each(|variable| add(&variable.name, variable.span))?;
            }
        }
    }
    Ok(())
}

/// Sources that are named must be inputs; without `:in` there is only `$`.
fn check_sources(query: &Query) -> Checked {
    let known = |source: &SourceName| match &query.inputs {
        Some(inputs) => {
            inputs.iter().any(|input| matches!(input, Input::Source(known) if known.name == source.name))
        }
        None => source.name.as_str() == "$",
    };
    let unknown =
        |source: &SourceName| ParseError::UnknownSource { name: source.name.clone(), span: source.span };
    let in_find = query.find.elements.iter().filter_map(|element| match element {
        FindElement::Pull(pull) => pull.source.as_ref(),
        _ => None,
    });
    match walk::sources(&query.clauses).into_iter().chain(in_find).find(|source| !known(source)) {
        Some(source) => Err(unknown(source)),
        None => Ok(()),
    }
}

/// Rules can only be called if there are any.
fn check_rules(query: &Query) -> Checked {
    if inputs(query).iter().any(|input| matches!(input, Input::Rules(_))) {
        return Ok(());
    }
    match walk::rule_calls(&query.clauses).first() {
        None => Ok(()),
        Some(RuleCall { name, name_span, .. }) => {
            let nearest = edn::nearest(name.as_str(), RESERVED).map(str::to_owned);
            Err(ParseError::MissingRules { name: name.clone(), nearest, span: *name_span })
        }
    }
}

/// What is asked for must occur somewhere, and not both in `:find` and `:with`.
fn check_variables(query: &Query) -> Checked {
    let mut known: BTreeSet<&Symbol> =
        walk::variables(&query.clauses).into_iter().map(|var| &var.name).collect();
    let mut functions = BTreeSet::new();
    for input in inputs(query) {
        match input {
            Input::Binding(binding) => {
                known.extend(walk::binding_variables(binding).map(|variable| &variable.name))
            }
            Input::Plain(variable) => {
                functions.insert(&variable.name);
            }
            Input::Source(_) | Input::Rules(_) => {}
        }
    }
    let check =
        |variable: &Variable| match known.contains(&variable.name) || functions.contains(&variable.name) {
            true => Ok(()),
            false => {
                let (name, span) = (variable.name.clone(), variable.span);
                let nearest =
                    edn::nearest(name.as_str(), known.iter().map(|name| name.as_str())).map(str::to_owned);
                Err(ParseError::UnknownVariable { name, nearest, span })
            }
        };
    walk::find_variables(&query.find).into_iter().try_for_each(check)?;
    query.with.iter().try_for_each(check)?;
    let found: BTreeSet<&Symbol> =
        walk::find_variables(&query.find).into_iter().map(|var| &var.name).collect();
    match query.with.iter().find(|variable| found.contains(&variable.name)) {
        Some(Variable { name, span }) => Err(ParseError::FindWithOverlap { name: name.clone(), span: *span }),
        None => Ok(()),
    }
}

fn check_return_map(query: &Query) -> Checked {
    let Some(map) = &query.return_map else { return Ok(()) };
    let section = Keyword::from(map.kind.section());
    let shape = match query.find.shape {
        FindShape::Relation | FindShape::Tuple => None,
        FindShape::Collection => Some("single values"),
        FindShape::Scalar => Some("one value"),
    };
    if let Some(shape) = shape {
        return Err(ParseError::ReturnMapShape { section, shape, span: map.span });
    }
    let (names, columns) = (map.names.len(), query.find.elements.len());
    match names == columns {
        true => Ok(()),
        false => Err(ParseError::ReturnMapCount { section, names, columns, span: map.span }),
    }
}

fn check_order(query: &Query) -> Checked {
    let elements = &query.find.elements;
    for (index, key) in query.order_by.iter().enumerate() {
        let span = key.span;
        let column = match &key.column {
            OrderColumn::Variable(variable) => order_column(elements, variable)?,
            OrderColumn::Index(number) => match usize::try_from(*number) {
                Ok(column) if column < elements.len() => column,
                _ => return Err(ParseError::OrderByIndex { index: *number, columns: elements.len(), span }),
            },
        };
        if matches!(elements[column], FindElement::Pull(_)) {
            return Err(ParseError::OrderByPull { span });
        }
        let same = |other: &OrderColumn| match (other, &key.column) {
            (OrderColumn::Variable(a), OrderColumn::Variable(b)) => a.name == b.name,
            (OrderColumn::Index(a), OrderColumn::Index(b)) => a == b,
            _ => false,
        };
        if query.order_by[..index].iter().any(|other| same(&other.column)) {
            let found = match &key.column {
                OrderColumn::Variable(variable) => variable.to_string(),
                OrderColumn::Index(index) => index.to_string(),
            };
            return Err(ParseError::OrderByRepeat { found, span });
        }
    }
    Ok(())
}

/// The column that a variable names: its own, or the only one that aggregates it.
pub(crate) fn order_column(elements: &[FindElement], variable: &Variable) -> Result<usize, ParseError> {
    let own =
        |element: &FindElement| matches!(element, FindElement::Variable(own) if own.name == variable.name);
    if let Some(column) = elements.iter().position(own) {
        return Ok(column);
    }
    let aggregates = |element: &FindElement| {
        !matches!(element, FindElement::Pull(_))
            && walk::element_variables(element).iter().any(|inner| inner.name == variable.name)
    };
    let mut columns = (0..elements.len()).filter(|column| aggregates(&elements[*column]));
    let (name, span) = (variable.name.clone(), variable.span);
    match (columns.next(), columns.next()) {
        (Some(column), None) => Ok(column),
        (Some(_), Some(_)) => Err(ParseError::OrderByAmbiguous { name, span }),
        (None, _) => Err(ParseError::OrderByUnknown { name, span }),
    }
}

/// A limit or offset that is a variable must be a scalar input.
fn check_window(query: &Query) -> Checked {
    for (section, window) in [("limit", &query.limit), ("offset", &query.offset)] {
        let Some(Window::Variable(variable)) = window else { continue };
        let scalar = |input: &Input| matches!(input, Input::Binding(Binding::Scalar(scalar)) if scalar.name == variable.name);
        if !inputs(query).iter().any(scalar) {
            let (name, span) = (variable.name.clone(), variable.span);
            return Err(ParseError::WindowNotInput { section: Keyword::parse(section), name, span });
        }
    }
    Ok(())
}

/// Aggregates in conditions must be computed by `:find`.
fn check_having(query: &Query) -> Checked {
    let mut computed = BTreeSet::new();
    for element in &query.find.elements {
        match element {
            FindElement::Aggregate(aggregate) => computed.extend([aggregate.to_string()]),
            FindElement::Arithmetic(arithmetic) => computed.extend(
                arithmetic.operands.iter().flat_map(walk::operand_aggregates).map(Aggregate::to_string),
            ),
            FindElement::Variable(_) | FindElement::Pull(_) => {}
        }
    }
    let used = query.having.iter().flat_map(|having| &having.args).flat_map(walk::operand_aggregates);
    for aggregate in used {
        let found = aggregate.to_string();
        if !computed.contains(&found) {
            return Err(ParseError::HavingNotInFind { found, span: aggregate.span });
        }
    }
    Ok(())
}
