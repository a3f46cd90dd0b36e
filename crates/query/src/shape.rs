//! [`Shaper`]: rows of execution become rows of the result.
//!
//! ```text
//! relation --decode--> rows over variables --group, order, cut--> rows over find elements --pull--> rows of the result
//! ```

use edn::{Keyword, Span, Symbol, Value};
use storage::EntityId;

use crate::analyse::{self, Analysed, Field, Warning};
use crate::ast::{FindElement, FindShape, PullPatternArg, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::{Budget, Relation, Source};
use crate::options::QueryOptions;
use crate::pull::{PullError, PullOptions, PullPattern, Puller};
use crate::result::{ResultError, group, window};

/// Rows of a result, and what looked like mistakes on the way.
pub(crate) type Shaped = (Vec<Vec<Value>>, Vec<Warning>);

/// From the rows of execution to those of the result.
#[derive(Clone, Copy)]
pub(crate) struct Shaper<'a> {
    pub query: &'a Query,
    pub analysed: &'a Analysed,
    pub sources: &'a [Source],
    pub options: &'a QueryOptions,
    pub budget: &'a Budget,
}

/// Rows that are decoded between two looks at the budget.
const DECODED_AT_ONCE: usize = 4096;

impl Shaper<'_> {
    pub fn fail(&self, error: impl Into<ErrorKind>) -> Error {
        Error::new(error, &self.analysed.text)
    }

    /// Groups, aggregates, orders, cuts and pulls.
    pub fn shape(&self, relation: &Relation<'_>) -> Result<Shaped> {
        let query = self.query;
        let names = self.names();
        let bounds = self.bounds()?;
        let mut rows = if relation.aggregated {
            let aggregated = aggregated(self.analysed, relation).map_err(|error| self.fail(error))?;
            group::computed_elements(query, aggregated, self.budget).map_err(|error| self.fail(error))?
        } else {
            let rows = self.named_rows(relation)?;
            group::elements(query, rows, &names, self.budget).map_err(|error| self.fail(error))?
        };
        if query.find.shape == FindShape::Relation {
            window::apply(query, &self.analysed.ordered, bounds, &mut rows, self.budget)
                .map_err(|error| self.fail(error))?;
        } else if matches!(query.find.shape, FindShape::Scalar | FindShape::Tuple) {
            rows.truncate(1);
        }
        let warnings = self.pull(&mut rows)?;
        Ok((rows, warnings))
    }

    /// The rows of a relation that need neither grouping nor an order; pulls are left to [`pull`](Self::pull).
    pub fn plain(&self, relation: &Relation<'_>) -> Result<Vec<Vec<Value>>> {
        let rows = self.named_rows(relation)?;
        group::elements(self.query, rows, &self.names(), self.budget).map_err(|error| self.fail(error))
    }

    /// Which rows are wanted.
    pub fn bounds(&self) -> Result<window::Bounds> {
        window::Bounds::of(self.query, &self.names()).map_err(|error| self.fail(error))
    }

    /// What decoding a relation takes of the memory budget.
    pub fn decoded_bytes(&self, rows: usize) -> usize {
        let fields = self.analysed.fields.len();
        rows * (size_of::<Vec<Value>>() + fields * size_of::<Value>())
    }

    fn names(&self) -> group::Names<'_> {
        group::Names {
            given: &self.analysed.given,
            registry: &self.options.functions,
            ordered: &self.analysed.ordered,
        }
    }

    /// The rows over the variables of `:find` and `:with`, constants among them.
    fn named_rows(&self, relation: &Relation<'_>) -> Result<group::Rows> {
        let fields = &self.analysed.fields;
        let names = fields.iter().map(|(name, _)| name.clone()).collect();
        let mut rows = Vec::with_capacity(relation.len());
        for row in 0..relation.len() {
            if row.is_multiple_of(DECODED_AT_ONCE) {
                let more = DECODED_AT_ONCE.min(relation.len() - row);
                let go_on = self.budget.poll(0).and_then(|()| self.budget.hold(self.decoded_bytes(more)));
                go_on.map_err(|error| self.fail(error))?;
            }
            let mut values = Vec::with_capacity(fields.len());
            for (_, field) in fields {
                values.push(match field {
                    Field::Constant(value) => value.clone(),
                    Field::Column(column) => {
                        relation.value(row, *column).map_err(|error| self.fail(error))?
                    }
                });
            }
            rows.push(values);
        }
        Ok(group::Rows { names, rows })
    }

    /// Replaces the entities of pulled columns by trees; warns of attributes that nothing has.
    pub fn pull(&self, rows: &mut [Vec<Value>]) -> Result<Vec<Warning>> {
        let (analysed, options) = (self.analysed, self.options);
        let mut warnings = Vec::new();
        for (column, element) in self.query.find.elements.iter().enumerate() {
            let FindElement::Pull(pull) = element else { continue };
            // A pattern that is written out in the query has its places there.
            let is_literal = matches!(pull.pattern, PullPatternArg::Literal(_));
            let place = |span: Option<Span>| span.filter(|_| is_literal).unwrap_or(pull.span);
            let fail = |source: PullError| {
                let span = place(source.span());
                self.fail(ResultError::Pull { source, span })
            };
            let pattern = match &pull.pattern {
                PullPatternArg::Literal(form) => PullPattern::parse(form).map_err(fail)?,
                PullPatternArg::Input(variable) => match analysed.given.get(&variable.name) {
                    Some(analyse::Given::Value(Value::Str(text))) => text.parse().map_err(fail)?,
                    Some(analyse::Given::Value(value)) => PullPattern::from_value(value).map_err(fail)?,
                    _ => {
                        let (name, span) = (variable.name.clone(), variable.span);
                        return Err(self.fail(ResultError::NotAValue { name, span }));
                    }
                },
            };
            let name = pull.source.as_ref().map_or_else(|| Symbol::parse("$"), |source| source.name.clone());
            let source = analysed.source_names.get(&name).map(|id| &self.sources[usize::from(id.0)]);
            let Some(Source::Db(db)) = source else { continue };
            let budget = Some(self.budget.clone());
            let pull_options = PullOptions { strict: options.strict, budget, ..PullOptions::default() };
            let puller = Puller::new(db, &pattern, &options.functions, pull_options).map_err(fail)?;
            warnings.extend(puller.warnings().iter().map(|warning| Warning::UnknownAttribute {
                attribute: warning.attribute.clone(),
                nearest:
                    warning.nearest.as_deref().map(|nearest| Keyword::parse(nearest.trim_start_matches(':'))),
                span: place(Some(warning.span)),
            }));
            let mut entities: Vec<Option<EntityId>> = Vec::with_capacity(rows.len());
            for (number, row) in rows.iter().enumerate() {
                if number.is_multiple_of(DECODED_AT_ONCE) {
                    self.budget.poll(0).map_err(|error| self.fail(error))?;
                }
                // What names no entity has nothing to show.
                entities.push(db.entid(&row[column]).ok().flatten());
            }
            let trees = puller.pull_many(&entities).map_err(fail)?;
            for (row, tree) in rows.iter_mut().zip(trees) {
                row[column] = tree.unwrap_or_default();
            }
        }
        Ok(warnings)
    }
}

/// The groups that execution has computed: columns are the grouping variables, then the aggregates.
fn aggregated(analysed: &Analysed, relation: &Relation<'_>) -> Result<group::Computed, storage::Error> {
    let mut groups = Vec::with_capacity(relation.len());
    let columns = relation.rows.columns.len();
    for row in 0..relation.len() {
        groups
            .push((0..columns).map(|column| relation.value(row, column)).collect::<Result<Vec<Value>, _>>()?);
    }
    let aggregation = analysed.logical.aggregation.as_ref();
    let name = |var: &crate::logical::VarId| analysed.logical.vars.names[var.0 as usize].clone();
    Ok(group::Computed {
        keys: aggregation.iter().flat_map(|all| &all.group).map(name).collect(),
        calls: aggregation
            .iter()
            .flat_map(|all| &all.calls)
            .map(|call| (call.kind, name(&call.var)))
            .collect(),
        constants: analysed
            .fields
            .iter()
            .filter_map(|(name, field)| match field {
                Field::Constant(value) => Some((name.clone(), value.clone())),
                Field::Column(_) => None,
            })
            .collect(),
        groups,
    })
}
