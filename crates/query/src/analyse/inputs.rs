//! From the inputs of a query to what its clauses see: sources, constants, functions and rows.
//!
//! ```text
//! :in $ ?min [?tag ...] %     Db, 30, ["a" "b"], rules
//!     │  │       │      └──── rules by name
//!     │  │       └─────────── a relation: one row per element, joined with the clauses
//!     │  └─────────────────── a constant, put into the clauses
//!     └────────────────────── a source
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use edn::{Span, Symbol, Value, shorten};

use super::error::AnalyseError;
use crate::ast::{Binding, Input as Parameter, Query, Rules};
use crate::error::{Error, ErrorKind};
use crate::exec::{Budget, Source};
use crate::functions::{Function, QueryFunction};
use crate::input::Input;
use crate::logical::SourceId;
use crate::walk;

/// What a name from `:in` stands for.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// A value.
    Value(Value),
    /// A function.
    Function(Arc<Function>),
}

/// Rows that an input binds to variables.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InputRows {
    /// The variables, in the order of the columns.
    pub vars: Vec<Symbol>,
    /// The rows, each as long as `vars`.
    pub rows: Vec<Vec<Value>>,
}

/// The inputs of one execution, taken apart.
#[derive(Default)]
pub(crate) struct Inputs {
    /// The sources, by number.
    pub sources: Vec<Source>,
    /// Their names.
    pub source_names: HashMap<Symbol, SourceId>,
    /// Variables with one value, and plain symbols.
    pub given: HashMap<Symbol, Given>,
    /// Variables with any number of rows.
    pub relations: Vec<InputRows>,
    /// The rules.
    pub rules: Arc<Rules>,
    /// The rules with the value that they were parsed from, if they were.
    pub parsed_rules: Option<(Value, Arc<Rules>)>,
}

impl Inputs {
    /// The source of this name.
    pub fn source(&self, name: &Symbol) -> Option<(SourceId, &Source)> {
        let id = *self.source_names.get(name)?;
        Some((id, &self.sources[usize::from(id.0)]))
    }

    /// The number of a source under which there is nothing.
    pub fn empty_source(&mut self) -> SourceId {
        self.add_source(Source::Tuples(Arc::from(Vec::new())))
    }

    /// The number of one more source.
    pub fn add_source(&mut self, source: Source) -> SourceId {
        let id = SourceId(self.sources.len() as u16);
        self.sources.push(source);
        id
    }
}

impl Query {
    /// The inputs that it takes, as `:in` writes them; without `:in`, `$` if anything reads a source.
    pub fn parameters(&self) -> Vec<String> {
        parameter_names(self)
    }
}

/// The parameters of a query: those of `:in`, or `$` if it is implied.
pub(crate) fn parameter_names(query: &Query) -> Vec<String> {
    match &query.inputs {
        Some(parameters) => parameters.iter().map(ToString::to_string).collect(),
        None if implies_source(query) => vec!["$".to_owned()],
        None => Vec::new(),
    }
}

/// Without `:in`, `$` is an input if something reads it.
fn implies_source(query: &Query) -> bool {
    let pulls = query.find.elements.iter().any(|element| matches!(element, crate::ast::FindElement::Pull(_)));
    pulls || walk::uses_source(&query.clauses)
}

/// Takes the inputs apart as `:in` says.
pub(crate) fn bind(query: &Query, inputs: &[Input], budget: &Budget) -> Result<Inputs, Error> {
    let fail = |error: AnalyseError| Error::new(error, &query.text);
    let names = parameter_names(query);
    if inputs.len() < names.len() {
        let span = match &query.inputs {
            Some(parameters) => parameter_span(&parameters[inputs.len()]),
            None => query.span,
        };
        return Err(fail(AnalyseError::TooFewInputs { names, got: inputs.len(), span }));
    }
    if inputs.len() > names.len() {
        let (expected, got) = (names.len(), inputs.len());
        return Err(fail(AnalyseError::TooManyInputs { expected, got, span: query.span }));
    }
    let mut bound = Inputs::default();
    match &query.inputs {
        Some(parameters) => {
            for (parameter, input) in parameters.iter().zip(inputs) {
                bound.bind(parameter, input, query, budget)?;
            }
        }
        None => {
            for input in inputs {
                let source = source_of("$", input, query.span).map_err(fail)?;
                let id = bound.add_source(source);
                bound.source_names.insert(Symbol::parse("$"), id);
            }
        }
    }
    Ok(bound)
}

/// The inputs with rules as text, if they are given as data.
pub(crate) fn with_rules_as_text(query: &Query, inputs: &[Input]) -> Option<Vec<Input>> {
    let mut parameters = query.inputs.iter().flatten();
    let place = parameters.position(|parameter| matches!(parameter, Parameter::Rules(_)))?;
    match inputs.get(place)? {
        Input::Value(value) if value.as_str().is_none() => {
            let mut inputs = inputs.to_vec();
            inputs[place] = Input::Value(Value::from(value.to_string()));
            Some(inputs)
        }
        _ => None,
    }
}

fn parameter_span(parameter: &Parameter) -> Span {
    match parameter {
        Parameter::Source(source) => source.span,
        Parameter::Rules(span) => *span,
        Parameter::Plain(variable) => variable.span,
        Parameter::Binding(binding) => binding_span(binding),
    }
}

fn binding_span(binding: &Binding) -> Span {
    match binding {
        Binding::Scalar(variable) => variable.span,
        Binding::Blank(span) | Binding::Tuple(_, span) | Binding::Collection(_, span) => *span,
    }
}

/// A database, or any sequence of tuples.
fn source_of(name: &str, input: &Input, span: Span) -> Result<Source, AnalyseError> {
    let wrong = |found: String| AnalyseError::InputKind {
        parameter: name.to_owned(),
        expected: "a database or a collection of tuples",
        found,
        span,
    };
    let value = match input {
        Input::Db(db) => return Ok(Source::Db(db.clone())),
        Input::Value(value) => value,
        Input::Function(_) => return Err(wrong("a function".into())),
        Input::Rules(_) => return Err(wrong("rules".into())),
    };
    let tuples: Option<Vec<Vec<Value>>> = match value {
        Value::Nil => Some(Vec::new()),
        Value::List(rows) | Value::Vector(rows) => {
            rows.iter().map(|row| row.as_sequence().map(<[Value]>::to_vec)).collect()
        }
        Value::Set(rows) => rows.iter().map(|row| row.as_sequence().map(<[Value]>::to_vec)).collect(),
        Value::Map(entries) => {
            Some(entries.iter().map(|(key, value)| vec![key.clone(), value.clone()]).collect())
        }
        _ => None,
    };
    tuples.map(|tuples| Source::Tuples(tuples.into())).ok_or_else(|| wrong(shorten(value)))
}

impl Inputs {
    fn bind(
        &mut self,
        parameter: &Parameter,
        input: &Input,
        query: &Query,
        budget: &Budget,
    ) -> Result<(), Error> {
        let fail = |error: AnalyseError| Error::new(error, &query.text);
        match parameter {
            Parameter::Source(name) => {
                let source = source_of(name.name.as_str(), input, name.span).map_err(fail)?;
                let id = self.add_source(source);
                self.source_names.insert(name.name.clone(), id);
            }
            Parameter::Rules(span) => {
                self.rules = rules_of(input, *span, query)?;
                if let Input::Value(value) = input {
                    self.parsed_rules = Some((value.clone(), Arc::clone(&self.rules)));
                }
            }
            Parameter::Plain(name) => {
                let given = given(&name.name, input);
                let given = given.ok_or_else(|| fail(not_a_value(name.name.to_string(), name.span)))?;
                self.given.insert(name.name.clone(), given);
            }
            Parameter::Binding(Binding::Scalar(variable)) => {
                let given = given(&variable.name, input);
                let given =
                    given.ok_or_else(|| fail(not_a_value(variable.name.to_string(), variable.span)))?;
                self.given.insert(variable.name.clone(), given);
            }
            Parameter::Binding(Binding::Blank(_)) => {}
            Parameter::Binding(binding) => {
                let Input::Value(value) = input else {
                    return Err(fail(not_a_value(binding.to_string(), binding_span(binding))));
                };
                self.bind_rows(binding, value, budget).map_err(|error| Error::new(error, &query.text))?;
            }
        }
        Ok(())
    }

    fn bind_rows(&mut self, binding: &Binding, value: &Value, budget: &Budget) -> Result<(), ErrorKind> {
        let vars: Vec<Symbol> =
            walk::binding_variables(binding).map(|variable| variable.name.clone()).collect();
        let mut rows = destructure(binding, value, budget)?;
        rows.sort_unstable();
        rows.dedup();
        if has_collection(binding) {
            self.relations.push(InputRows { vars, rows });
        } else if let Some(row) = rows.pop() {
            self.given.extend(vars.into_iter().zip(row.into_iter().map(Given::Value)));
        }
        Ok(())
    }
}

/// Items of an input between two looks at the budget.
const ITEMS_AT_ONCE: usize = 4096;

fn has_collection(binding: &Binding) -> bool {
    match binding {
        Binding::Scalar(_) | Binding::Blank(_) => false,
        Binding::Tuple(parts, _) => parts.iter().any(has_collection),
        Binding::Collection(..) => true,
    }
}

fn not_a_value(parameter: String, span: Span) -> AnalyseError {
    AnalyseError::InputKind { parameter, expected: "a value", found: "a database or a function".into(), span }
}

fn given(name: &Symbol, input: &Input) -> Option<Given> {
    match input {
        Input::Db(_) | Input::Rules(_) => None,
        Input::Value(value) => Some(Given::Value(value.clone())),
        Input::Function(function) => {
            let function: QueryFunction = function.clone();
            Some(Given::Function(Arc::new(Function::user(name.clone(), function))))
        }
    }
}

fn rules_of(input: &Input, span: Span, query: &Query) -> Result<Arc<Rules>, Error> {
    match input {
        Input::Value(value) => Rules::from_value(value).map(Arc::new),
        Input::Rules(rules) => Ok(Arc::clone(rules)),
        Input::Db(_) | Input::Function(_) => {
            let (parameter, expected) = ("%".to_owned(), "rules");
            let error = AnalyseError::InputKind { parameter, expected, found: "no value".into(), span };
            Err(Error::new(ErrorKind::Analyse(error), &query.text))
        }
    }
}

/// The rows that a value binds to the variables of a binding.
fn destructure(binding: &Binding, value: &Value, budget: &Budget) -> Result<Vec<Vec<Value>>, ErrorKind> {
    match binding {
        Binding::Scalar(_) => Ok(vec![vec![value.clone()]]),
        Binding::Blank(_) => Ok(vec![Vec::new()]),
        Binding::Tuple(parts, span) => {
            let Some(items) = value.as_sequence() else {
                return Err(cannot_bind(binding, "sequence", value, *span).into());
            };
            if items.len() < parts.len() {
                let (binding, found) = (binding.to_string(), shorten(value));
                return Err(AnalyseError::BindingArity { binding, found, span: *span }.into());
            }
            let mut rows = vec![Vec::new()];
            for (part, item) in parts.iter().zip(items) {
                rows = product(rows, &destructure(part, item, budget)?, budget)?;
            }
            Ok(rows)
        }
        Binding::Collection(inner, span) => {
            let Some(items) = crate::functions::elements(value) else {
                return Err(cannot_bind(binding, "collection", value, *span).into());
            };
            let mut rows = Vec::new();
            for (number, item) in items.iter().enumerate() {
                if number.is_multiple_of(ITEMS_AT_ONCE) {
                    budget.poll(0)?;
                }
                rows.extend(destructure(inner, item, budget)?);
            }
            Ok(rows)
        }
    }
}

/// Every row on the left with every row on the right. What one item of an input unfolds to can be much more than the input
/// itself, so the budget is asked.
fn product(
    left: Vec<Vec<Value>>,
    right: &[Vec<Value>],
    budget: &Budget,
) -> Result<Vec<Vec<Value>>, ErrorKind> {
    if let [row] = right {
        let with = |mut start: Vec<Value>| {
            start.extend_from_slice(row);
            start
        };
        return Ok(left.into_iter().map(with).collect());
    }
    let mut rows = Vec::new();
    for start in &left {
        for some in right.chunks(ITEMS_AT_ONCE) {
            let row_bytes = size_of::<Vec<Value>>() + (start.len() + some[0].len()) * size_of::<Value>();
            budget.poll(some.len())?;
            budget.hold(some.len() * row_bytes)?;
            rows.extend(some.iter().map(|row| [start.as_slice(), row].concat()));
        }
    }
    Ok(rows)
}

fn cannot_bind(binding: &Binding, expected: &'static str, value: &Value, span: Span) -> AnalyseError {
    AnalyseError::BindingType { binding: binding.to_string(), expected, found: shorten(value), span }
}
