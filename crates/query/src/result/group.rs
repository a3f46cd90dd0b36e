//! From rows over variables to rows over find elements: grouping, aggregates, arithmetic, `:having`.
//!
//! ```text
//! distinct rows over (find vars, with vars) --group by plain elements--> groups --aggregate--> one row per element
//!                                                                          └── :having drops some
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use edn::{Span, Symbol, Value};
use storage::types::RegisteredType;

use super::error::ResultError;
use crate::aggregate::{Aggregate, BuiltIn};
use crate::analyse::inputs::Given;
use crate::ast::{self, AggregateArg, AggregateName, Arithmetic, FindElement, Having, Operand, Query};
use crate::error::ErrorKind;
use crate::exec::Budget;
use crate::functions::{self, CallContext, Function, FunctionRegistry, QueryFunction};
use crate::logical::AggregateKind;

type Result<T, E = ResultError> = std::result::Result<T, E>;

/// Rows that are grouped between two looks at the budget.
const ROWS_AT_ONCE: usize = 4096;

/// Distinct rows over named variables.
pub(crate) struct Rows {
    /// The names of the columns.
    pub names: Vec<Symbol>,
    /// The rows, each as long as `names`.
    pub rows: Vec<Vec<Value>>,
}

/// What names in `:find` and `:having` can mean.
pub(crate) struct Names<'a> {
    /// Inputs with one value, and functions.
    pub given: &'a HashMap<Symbol, Given>,
    /// Functions and aggregates of the program.
    pub registry: &'a FunctionRegistry,
    /// The registered types of variables whose order matters.
    pub ordered: &'a Ordered,
}

/// The registered types of variables, by name.
pub(crate) type Ordered = HashMap<Symbol, Arc<RegisteredType>>;

/// One row per result row, one value per find element; a pull has its entity.
pub(crate) fn elements(
    query: &Query,
    rows: Rows,
    names: &Names<'_>,
    budget: &Budget,
) -> Result<Vec<Vec<Value>>, ErrorKind> {
    let column: HashMap<&Symbol, usize> =
        rows.names.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let at = |name: &Symbol| column[name];
    let plain: Vec<Option<usize>> = query
        .find
        .elements
        .iter()
        .map(|element| match element {
            FindElement::Variable(variable) => Some(at(&variable.name)),
            FindElement::Pull(pull) => Some(at(&pull.entity.name)),
            FindElement::Aggregate(_) | FindElement::Arithmetic(_) => None,
        })
        .collect();
    if plain.iter().all(Option::is_some) && query.having.is_empty() {
        return Ok(project(rows.rows, &plain.into_iter().flatten().collect::<Vec<_>>()));
    }
    let calls = resolve(query, names)?;
    let key: Vec<usize> = plain.iter().flatten().copied().collect();
    let mut groups: HashMap<Vec<Value>, Vec<Vec<Value>>> = HashMap::new();
    let mut order: Vec<Vec<Value>> = Vec::new();
    for (at, row) in rows.rows.into_iter().enumerate() {
        if at.is_multiple_of(ROWS_AT_ONCE) {
            budget.poll(0)?;
        }
        let key: Vec<Value> = key.iter().map(|at| row[*at].clone()).collect();
        let group = groups.entry(key.clone()).or_insert_with(|| {
            order.push(key);
            Vec::new()
        });
        group.push(row);
    }
    let mut out = Vec::with_capacity(order.len());
    for key in order {
        budget.poll(0)?;
        let group = Group { values: Values::Rows { rows: &groups[&key], column: &column, calls: &calls } };
        if !having(&query.having, &group)? {
            continue;
        }
        let mut plain = key.iter();
        let row = query.find.elements.iter().map(|element| match element {
            FindElement::Variable(_) | FindElement::Pull(_) => Ok(plain.next().cloned().unwrap_or_default()),
            FindElement::Aggregate(aggregate) => group.aggregate(aggregate),
            FindElement::Arithmetic(arithmetic) => group.arithmetic(arithmetic),
        });
        out.push(row.collect::<Result<Vec<Value>>>()?);
    }
    Ok(out)
}

/// Groups whose aggregates are computed already.
pub(crate) struct Computed {
    /// The grouping variables: the first columns.
    pub keys: Vec<Symbol>,
    /// What the other columns hold.
    pub calls: Vec<(AggregateKind, Symbol)>,
    /// Grouping variables that are the same in every row.
    pub constants: Vec<(Symbol, Value)>,
    /// The rows.
    pub groups: Vec<Vec<Value>>,
}

impl Computed {
    fn key(&self, group: &[Value], name: &Symbol) -> Value {
        let column = self.keys.iter().position(|key| key == name).map(|column| &group[column]);
        let constant = || self.constants.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        column.or_else(constant).cloned().unwrap_or_default()
    }

    fn call(&self, group: &[Value], aggregate: &ast::Aggregate) -> Value {
        let AggregateName::Named(name, _) = &aggregate.name else { return Value::Nil };
        let same = |(kind, var): &(AggregateKind, Symbol)| {
            *var == aggregate.over.name && kind_name(*kind) == name.as_str()
        };
        self.calls.iter().position(same).map(|call| group[self.keys.len() + call].clone()).unwrap_or_default()
    }
}

fn kind_name(kind: AggregateKind) -> &'static str {
    match kind {
        AggregateKind::Count => "count",
        AggregateKind::CountDistinct => "count-distinct",
        AggregateKind::Sum => "sum",
        AggregateKind::Avg => "avg",
        AggregateKind::Min => "min",
        AggregateKind::Max => "max",
    }
}

/// One row per group, as [`elements`] makes them; only variables and the aggregates of [`Computed`] are in `:find`.
pub(crate) fn computed_elements(
    query: &Query,
    computed: Computed,
    budget: &Budget,
) -> Result<Vec<Vec<Value>>, ErrorKind> {
    let mut out = Vec::with_capacity(computed.groups.len());
    for (at, values) in computed.groups.iter().enumerate() {
        if at.is_multiple_of(ROWS_AT_ONCE) {
            budget.poll(0)?;
        }
        let group = Group { values: Values::Computed { computed: &computed, values } };
        if !having(&query.having, &group)? {
            continue;
        }
        let row = query.find.elements.iter().map(|element| match element {
            FindElement::Variable(variable) => Ok(computed.key(values, &variable.name)),
            FindElement::Aggregate(aggregate) => group.aggregate(aggregate),
            FindElement::Arithmetic(arithmetic) => group.arithmetic(arithmetic),
            FindElement::Pull(pull) => Ok(computed.key(values, &pull.entity.name)),
        });
        out.push(row.collect::<Result<Vec<Value>>>()?);
    }
    Ok(out)
}

/// The rows with these columns; nothing is copied where that is all of them.
fn project(rows: Vec<Vec<Value>>, columns: &[usize]) -> Vec<Vec<Value>> {
    let whole = |row: &Vec<Value>| row.len() == columns.len();
    if columns.iter().enumerate().all(|(to, from)| to == *from) && rows.first().is_none_or(whole) {
        return rows;
    }
    rows.into_iter().map(|row| columns.iter().map(|at| row[*at].clone()).collect()).collect()
}

/// Every aggregate call of the query, by its place in the text, with what it calls; programs without text have calls
/// at one place, so the name belongs to the key.
type Calls = HashMap<(Span, String), (Aggregate, Vec<Value>)>;

fn key(aggregate: &ast::Aggregate) -> (Span, String) {
    let name = match &aggregate.name {
        AggregateName::Named(name, _) => name.to_string(),
        AggregateName::Input(variable) => variable.name.to_string(),
    };
    (aggregate.span, format!("{name} {:?} {}", aggregate.args.len(), aggregate.over.name))
}

fn resolve(query: &Query, names: &Names<'_>) -> Result<Calls> {
    let mut calls = Calls::new();
    let mut add = |aggregate: &ast::Aggregate| -> Result<()> {
        let args = aggregate.args.iter().map(|arg| argument(arg, names)).collect::<Result<Vec<_>>>()?;
        let mut found = find_aggregate(aggregate, names)?;
        if let (Aggregate::BuiltIn(built_in), Some(registered)) =
            (&found, names.ordered.get(&aggregate.over.name))
        {
            found = Aggregate::Ordered(*built_in, registered.clone());
        }
        calls.insert(key(aggregate), (found, args));
        Ok(())
    };
    for element in &query.find.elements {
        match element {
            FindElement::Aggregate(aggregate) => add(aggregate)?,
            FindElement::Arithmetic(arithmetic) => each_aggregate(&arithmetic.operands, &mut add)?,
            FindElement::Variable(_) | FindElement::Pull(_) => {}
        }
    }
    query.having.iter().try_for_each(|having| each_aggregate(&having.args, &mut add))?;
    Ok(calls)
}

fn each_aggregate(operands: &[Operand], add: &mut dyn FnMut(&ast::Aggregate) -> Result<()>) -> Result<()> {
    operands.iter().try_for_each(|operand| match operand {
        Operand::Aggregate(aggregate) => add(aggregate),
        Operand::Arithmetic(arithmetic) => each_aggregate(&arithmetic.operands, add),
        Operand::Constant(_) => Ok(()),
    })
}

fn argument(arg: &AggregateArg, names: &Names<'_>) -> Result<Value> {
    match arg {
        AggregateArg::Constant(constant) => Ok(constant.value.clone()),
        AggregateArg::Variable(variable) => match names.given.get(&variable.name) {
            Some(Given::Value(value)) => Ok(value.clone()),
            _ => Err(ResultError::NotAValue { name: variable.name.clone(), span: variable.span }),
        },
    }
}

fn find_aggregate(aggregate: &ast::Aggregate, names: &Names<'_>) -> Result<Aggregate> {
    let unknown = |name: &Symbol, span: Span| {
        let candidates =
            BuiltIn::ALL.iter().map(|known| known.name()).chain(names.registry.aggregate_names());
        let nearest = edn::nearest(name.as_str(), candidates).map(str::to_owned);
        ResultError::UnknownAggregate { name: name.clone(), nearest, span }
    };
    let from_function = |function: Arc<Function>| {
        // A function gets the whole group as one vector.
        Aggregate::User(QueryFunction::new(move |args| function.call(args)))
    };
    match &aggregate.name {
        AggregateName::Input(variable) => match names.given.get(&variable.name) {
            Some(Given::Function(function)) => Ok(from_function(function.clone())),
            Some(Given::Value(Value::Symbol(name))) => {
                if let Some(function) = names.registry.find_aggregate(name) {
                    return Ok(Aggregate::User(function.clone()));
                }
                BuiltIn::find(name.as_str())
                    .map(Aggregate::BuiltIn)
                    .ok_or_else(|| unknown(name, variable.span))
            }
            _ => Err(ResultError::NotAFunction { name: variable.name.clone(), span: variable.span }),
        },
        AggregateName::Named(name, span) => {
            if let Some(function) = names.registry.find_aggregate(name) {
                return Ok(Aggregate::User(function.clone()));
            }
            if let Some(built_in) = BuiltIn::find(name.as_str()) {
                return Ok(Aggregate::BuiltIn(built_in));
            }
            let function = names.registry.find(name).or_else(|| functions::built_in(name));
            function.cloned().map(from_function).ok_or_else(|| unknown(name, *span))
        }
    }
}

/// One group.
struct Group<'a> {
    values: Values<'a>,
}

/// Where its aggregates come from.
enum Values<'a> {
    /// From its rows.
    Rows { rows: &'a [Vec<Value>], column: &'a HashMap<&'a Symbol, usize>, calls: &'a Calls },
    /// From execution.
    Computed { computed: &'a Computed, values: &'a [Value] },
}

impl Group<'_> {
    fn aggregate(&self, aggregate: &ast::Aggregate) -> Result<Value> {
        let (rows, column, calls) = match &self.values {
            Values::Rows { rows, column, calls } => (rows, column, calls),
            Values::Computed { computed, values } => return Ok(computed.call(values, aggregate)),
        };
        let at = column[&aggregate.over.name];
        let values = rows.iter().map(|row| row[at].clone()).collect();
        let (call, args) = &calls[&key(aggregate)];
        call.apply(args, values).map_err(|source| ResultError::Function { source, span: aggregate.span })
    }

    fn operand(&self, operand: &Operand) -> Result<Value> {
        match operand {
            Operand::Aggregate(aggregate) => self.aggregate(aggregate),
            Operand::Arithmetic(arithmetic) => self.arithmetic(arithmetic),
            Operand::Constant(constant) => Ok(constant.value.clone()),
        }
    }

    fn arithmetic(&self, arithmetic: &Arithmetic) -> Result<Value> {
        self.call(&arithmetic.operator, &arithmetic.operands, arithmetic.span)
    }

    fn call(&self, name: &Symbol, operands: &[Operand], span: Span) -> Result<Value> {
        let args = operands.iter().map(|operand| self.operand(operand)).collect::<Result<Vec<_>>>()?;
        let Some(function) = functions::built_in(name) else {
            let nearest = functions::nearest(name.as_str(), []);
            return Err(ResultError::UnknownFunction { name: name.clone(), nearest, span });
        };
        function
            .call_with(&CallContext::default(), &args)
            .map_err(|source| ResultError::Function { source, span })
    }
}

fn having(conditions: &[Having], group: &Group<'_>) -> Result<bool> {
    for condition in conditions {
        if !group.call(&condition.predicate, &condition.args, condition.span)?.is_truthy() {
            return Ok(false);
        }
    }
    Ok(true)
}
