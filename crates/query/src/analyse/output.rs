//! What leaves the body: the variables of `:find` and `:with`, and how many rows in which order are wanted.

use std::collections::HashMap;
use std::sync::Arc;

use edn::{Symbol, Value};
use storage::ValueType;
use storage::types::RegisteredType;

use super::draft::Vars;
use super::error::AnalyseError;
use super::inputs::Given;
use super::scope::Scope;
use super::{Analyser, Field, Result};
use crate::aggregate::BuiltIn;
use crate::ast::{AggregateName, FindElement, FindShape, OrderColumn, Query, Variable, Window};
use crate::exec::Source;
use crate::logical::{
    AggregateCall, AggregateKind, Aggregation, AttrTerm, Clause, Logical, OrderKey, Term, VarId,
};
use crate::walk;

/// The variables of a find element whose values come from rows.
fn row_variables(element: &FindElement) -> Vec<&Variable> {
    match element {
        FindElement::Variable(variable) => vec![variable],
        FindElement::Pull(pull) => vec![&pull.entity],
        FindElement::Aggregate(aggregate) => vec![&aggregate.over],
        FindElement::Arithmetic(arithmetic) => arithmetic
            .operands
            .iter()
            .flat_map(walk::operand_aggregates)
            .map(|aggregate| &aggregate.over)
            .collect(),
    }
}

/// Where the value of each name comes from.
type Fields = Vec<(Symbol, Field)>;

impl Analyser<'_> {
    /// Where the values of `:find` and `:with` are, and the variables that execution has to deliver for them.
    pub(super) fn output(&self, scope: &mut Scope, query: &Query) -> Result<(Fields, Vec<VarId>)> {
        let mut fields: Vec<(Symbol, Field)> = Vec::new();
        let mut output: Vec<VarId> = Vec::new();
        let find = query.find.elements.iter().flat_map(row_variables);
        for variable in find.chain(&query.with) {
            if fields.iter().any(|(name, _)| *name == variable.name) {
                continue;
            }
            let field = match scope.given(&variable.name) {
                Some(Given::Value(value)) => Field::Constant(value.clone()),
                Some(Given::Function(_)) => {
                    let (name, span) = (variable.name.clone(), variable.span);
                    return Err(AnalyseError::FunctionAsValue { name, span });
                }
                None => {
                    output.push(scope.var(variable));
                    Field::Column(output.len() - 1)
                }
            };
            fields.push((variable.name.clone(), field));
        }
        Ok((fields, output))
    }

    /// Everything that leaves must be bound, and pulls need databases.
    pub(super) fn check_output(
        &self,
        query: &Query,
        scope: &Scope,
        output: &[VarId],
        bound: &Vars,
    ) -> Result<()> {
        let find = query.find.elements.iter().flat_map(row_variables);
        for variable in find.chain(&query.with) {
            let var = scope.find(&variable.name).filter(|var| output.contains(var));
            if var.is_some_and(|var| !bound.contains(&var)) {
                return Err(AnalyseError::Unbound { var: variable.name.clone(), span: variable.span });
            }
        }
        for element in &query.find.elements {
            let FindElement::Pull(pull) = element else { continue };
            let name = pull.source.as_ref().map_or_else(|| Symbol::parse("$"), |source| source.name.clone());
            if !matches!(self.inputs.source(&name), Some((_, Source::Db(_)))) {
                return Err(AnalyseError::PullSource { source_name: name, span: pull.span });
            }
        }
        Ok(())
    }

    /// Tells execution what it may leave out or compute itself.
    pub(super) fn plan_output(
        &self,
        query: &Query,
        fields: &[(Symbol, Field)],
        ordered: &HashMap<Symbol, Arc<RegisteredType>>,
        logical: &mut Logical,
    ) {
        let aggregates = query
            .find
            .elements
            .iter()
            .any(|element| matches!(element, FindElement::Aggregate(_) | FindElement::Arithmetic(_)));
        if aggregates || !query.having.is_empty() {
            // Execution compares bytes, not order keys.
            if ordered.is_empty() {
                logical.aggregation = self.aggregation(query, fields, logical);
            }
            return;
        }
        logical.row_limit = match query.find.shape {
            FindShape::Scalar | FindShape::Tuple => Some(1),
            FindShape::Collection => None,
            FindShape::Relation => self.rows_wanted(query),
        };
        if query.find.shape == FindShape::Relation
            && !query.order_by.is_empty()
            && logical.row_limit.is_some()
        {
            match self.order(query, fields, logical).filter(|_| ordered.is_empty()) {
                Some(order) => logical.order = order,
                None => logical.row_limit = None,
            }
        }
    }

    /// The end of the window, if it has one.
    fn rows_wanted(&self, query: &Query) -> Option<usize> {
        let value = |window: &Window| match window {
            Window::Count(count, _) => *count,
            Window::Variable(variable) => match self.inputs.given.get(&variable.name) {
                Some(Given::Value(Value::Int(count))) => u64::try_from(*count).ok(),
                _ => None,
            },
        };
        let limit = value(query.limit.as_ref()?)?;
        let offset = match &query.offset {
            Some(window) => value(window)?,
            None => 0,
        };
        usize::try_from(limit.checked_add(offset)?).ok()
    }

    /// The order by which execution may keep only the best rows: every key must be of one type.
    fn order(&self, query: &Query, fields: &[(Symbol, Field)], logical: &Logical) -> Option<Vec<OrderKey>> {
        let mut order = Vec::new();
        for key in &query.order_by {
            let name = match &key.column {
                OrderColumn::Variable(variable) => &variable.name,
                OrderColumn::Index(index) => match query.find.elements.get(usize::try_from(*index).ok()?)? {
                    FindElement::Variable(variable) => &variable.name,
                    _ => return None,
                },
            };
            match &fields.iter().find(|(field, _)| field == name)?.1 {
                Field::Constant(_) => {}
                Field::Column(column) => {
                    let var = logical.output[*column];
                    if !self.has_one_type(var, logical) {
                        return None;
                    }
                    order.push(OrderKey { var, descending: key.descending });
                }
            }
        }
        Some(order)
    }

    /// Whether a pattern of the body makes sure that all values of a variable are of one type.
    fn has_one_type(&self, var: VarId, logical: &Logical) -> bool {
        logical.body.clauses.iter().any(|clause| {
            let Clause::Pattern(pattern) = clause else { return false };
            let Source::Db(db) = &self.inputs.sources[usize::from(pattern.source.0)] else { return false };
            let typed = match pattern.a {
                AttrTerm::Const(id) => db.schema().by_id(id).is_some_and(|attribute| {
                    attribute.value_type.is_some_and(|value_type| value_type != ValueType::Tuple)
                }),
                _ => false,
            };
            pattern.e == Term::Var(var) || (typed && pattern.v == Term::Var(var))
        })
    }

    /// The aggregates, if execution knows all of them and their variables are columns.
    fn aggregation(
        &self,
        query: &Query,
        fields: &[(Symbol, Field)],
        logical: &Logical,
    ) -> Option<Aggregation> {
        let field = |variable: &Variable| {
            fields.iter().find(|(name, _)| *name == variable.name).map(|(_, field)| field)
        };
        let mut aggregation = Aggregation { group: Vec::new(), calls: Vec::new() };
        for element in &query.find.elements {
            match element {
                FindElement::Variable(variable) => match field(variable)? {
                    Field::Constant(_) => {}
                    Field::Column(column) => {
                        let var = logical.output[*column];
                        if !aggregation.group.contains(&var) {
                            aggregation.group.push(var);
                        }
                    }
                },
                FindElement::Aggregate(aggregate) => {
                    let Field::Column(column) = field(&aggregate.over)? else { return None };
                    let kind = self.kind(&aggregate.name).filter(|_| aggregate.args.is_empty())?;
                    let call = AggregateCall { kind, var: logical.output[*column] };
                    if !aggregation.calls.contains(&call) {
                        aggregation.calls.push(call);
                    }
                }
                FindElement::Pull(_) | FindElement::Arithmetic(_) => return None,
            }
        }
        Some(aggregation)
    }

    fn kind(&self, name: &AggregateName) -> Option<AggregateKind> {
        let AggregateName::Named(name, _) = name else { return None };
        if self.options.functions.find_aggregate(name).is_some() {
            return None;
        }
        Some(match BuiltIn::find(name.as_str())? {
            BuiltIn::Count => AggregateKind::Count,
            BuiltIn::CountDistinct => AggregateKind::CountDistinct,
            BuiltIn::Sum => AggregateKind::Sum,
            BuiltIn::Avg => AggregateKind::Avg,
            BuiltIn::Min => AggregateKind::Min,
            BuiltIn::Max => AggregateKind::Max,
            _ => return None,
        })
    }
}
