//! From the tree of a query and its inputs to the logical program.
//!
//! ```text
//! ast::Query + inputs --bind--> sources, constants, rows
//!            --lower--> drafts: numbers for names, encoded constants     --safety--> who binds what, in which order
//!            --ranges--> comparisons as cursor ranges                    --strata--> rules in their order
//! ```
//!
//! Analysis reads schemas and resolves idents and lookup refs, but looks at no other facts.

mod calls;
mod draft;
mod error;
pub(crate) mod inputs;
mod lower;
mod orders;
mod output;
mod range_set;
mod ranges;
mod rules;
mod safety;
mod scope;
mod strata;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use edn::{Symbol, Value};
use storage::types::RegisteredType;

pub use error::{AnalyseError, Warning};
pub(crate) use inputs::Given;
use inputs::{InputRows, Inputs};
use orders::Orders;

use crate::ast::{Query, Rules};
use crate::error::{Error, ErrorKind};
use crate::exec::{Budget, Source};
use crate::functions::Function;
use crate::input::Input;
use crate::logical::{
    Clause, Conjunction, Logical, Rule, RuleBranch, RuleSet, SourceId, Term, TuplePattern, VarId,
};
use crate::options::QueryOptions;
use crate::source_text::SourceText;
use draft::{Draft, DraftClause, Vars};
use rules::RuleTable;
use safety::{Needs, Safety};
use scope::Scope;

type Result<T> = std::result::Result<T, AnalyseError>;

/// A query that can be planned, with what is needed to run it and to shape its result.
pub(crate) struct Analysed {
    /// The program.
    pub logical: Logical,
    /// Its sources, by number.
    pub sources: Vec<Source>,
    /// The rows of [`Logical::inputs`]; `None` where there are none to join.
    pub rows: Option<Vec<Vec<Value>>>,
    /// Inputs with one value.
    pub given: HashMap<Symbol, Given>,
    /// The names of `:find` and `:with` and where their values are.
    pub fields: Vec<(Symbol, Field)>,
    /// Functions that are handed on to nested queries.
    pub functions: Vec<Arc<Function>>,
    /// The sources that `:find` can pull from.
    pub source_names: HashMap<Symbol, SourceId>,
    /// What looks wrong.
    pub warnings: Vec<Warning>,
    /// The texts that spans point into.
    pub text: SourceText,
    /// Whether the analysis has read facts, to find entities by their ident or a unique attribute.
    pub looked_up: bool,
    /// The registered types of variables whose order matters in the result.
    pub ordered: HashMap<Symbol, Arc<RegisteredType>>,
    /// The rules, with the value that they were parsed from.
    pub parsed_rules: Option<(Value, Arc<Rules>)>,
}

/// Where the value of a variable is after execution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    /// In a column of the rows: a place in [`Logical::output`].
    Column(usize),
    /// It was given.
    Constant(Value),
}

/// Analyses `query` for these inputs.
pub(crate) fn analyse(
    query: &Query,
    inputs: &[Input],
    options: &QueryOptions,
    budget: &Budget,
) -> std::result::Result<Analysed, Error> {
    attempt(query, inputs, options, budget).or_else(|error| {
        // A mistake in rules that a program or a command gave as data has no place; in their text it has one.
        let is_mistake = matches!(error.kind(), ErrorKind::Parse(_) | ErrorKind::Analyse(_));
        match inputs::with_rules_as_text(query, inputs) {
            Some(inputs) if is_mistake && error.span().is_none() => attempt(query, &inputs, options, budget),
            _ => Err(error),
        }
    })
}

fn attempt(
    query: &Query,
    inputs: &[Input],
    options: &QueryOptions,
    budget: &Budget,
) -> std::result::Result<Analysed, Error> {
    let bound = inputs::bind(query, inputs, budget)?;
    let text = query.text.followed_by(&bound.rules.text);
    let analyser = Analyser::new(bound, options, text.clone());
    analyser.run(query).map_err(|error| Error::new(error, &text))
}

/// The state of one analysis.
struct Analyser<'q> {
    inputs: Inputs,
    options: &'q QueryOptions,
    text: SourceText,
    definitions: Arc<Rules>,
    rules: RuleTable,
    /// For each rule, which of its variables stand for entities.
    entity_params: HashMap<Symbol, Vec<bool>>,
    /// Functions that are handed on to nested queries.
    functions: Vec<Arc<Function>>,
    warnings: Vec<Warning>,
    /// A source without facts, once one was needed.
    empty_source: Option<SourceId>,
    /// Whether facts were read to find entities by their ident or a unique attribute.
    looked_up: bool,
}

impl<'q> Analyser<'q> {
    fn new(inputs: Inputs, options: &'q QueryOptions, text: SourceText) -> Self {
        let definitions = Arc::clone(&inputs.rules);
        let entity_params = rules::entity_params(&definitions.definitions, &inputs.sources);
        Self {
            inputs,
            options,
            text,
            definitions,
            rules: RuleTable::default(),
            entity_params,
            functions: Vec::new(),
            warnings: Vec::new(),
            empty_source: None,
            looked_up: false,
        }
    }

    fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn run(mut self, query: &Query) -> Result<Analysed> {
        let default_source = self.inputs.source_names.get(&Symbol::parse("$")).copied();
        let mut scope = Scope::new(self.inputs.given.clone(), default_source);
        let relations = self.input_columns(&mut scope);
        let mut draft = self.draft(&mut scope, &query.clauses)?;
        self.rule_bodies()?;
        let (fields, output) = self.output(&mut scope, query)?;

        let mut mentioned: Vars = output.iter().copied().collect();
        draft.mentioned(&mut mentioned);
        let (input_vars, rows) = self.join_inputs(relations, &mentioned, &mut draft);
        let given: Vars = input_vars.iter().copied().collect();

        let needs = self.order_arguments(&mut draft)?;
        let safety = Safety { rules: &self.rules.rules, needs: &needs, table: &scope.table };
        let (mut body, bound) = safety.check(&draft, &given)?;
        self.check_output(query, &scope, &output, &bound)?;
        let mut rules = self.finish_rules(&needs)?;
        let ordered = self.push_orders(query, &fields, &output, &mut body, &mut rules)?;
        self.push_ranges(&mut body)?;
        for branch in rules.iter_mut().flat_map(|rule| &mut rule.branches) {
            self.push_ranges(&mut branch.body)?;
        }

        let mut logical = Logical {
            vars: scope.table,
            body,
            inputs: input_vars,
            output,
            rules: Arc::new(RuleSet { rules }),
            row_limit: None,
            aggregation: None,
            order: Vec::new(),
        };
        self.plan_output(query, &fields, &ordered, &mut logical);
        Ok(Analysed {
            logical,
            rows,
            given: self.inputs.given,
            fields,
            sources: self.inputs.sources,
            source_names: self.inputs.source_names,
            functions: self.functions,
            warnings: self.warnings,
            text: self.text,
            looked_up: self.looked_up,
            ordered,
            parsed_rules: self.inputs.parsed_rules,
        })
    }

    /// Lets comparisons go by the order of registered types, and says which of them order the result.
    fn push_orders(
        &self,
        query: &Query,
        fields: &[(Symbol, Field)],
        output: &[VarId],
        body: &mut Conjunction,
        rules: &mut [Rule],
    ) -> Result<HashMap<Symbol, Arc<RegisteredType>>> {
        let Some(mut orders) = Orders::infer(body, rules, &self.inputs.sources) else {
            return Ok(HashMap::new());
        };
        orders.apply(0, body)?;
        for (at, branch) in rules.iter_mut().flat_map(|rule| &mut rule.branches).enumerate() {
            orders.apply(at + 1, &mut branch.body)?;
        }
        orders.of_output(query, fields, output)
    }

    /// Variables for the columns of inputs with rows. Columns that hold idents or lookup refs get a second column for
    /// each database, with the entities they name, to be used where an entity is meant.
    fn input_columns(&mut self, scope: &mut Scope) -> Vec<(Vec<VarId>, Vec<Vec<Value>>)> {
        let mut relations = Vec::new();
        for InputRows { vars: names, mut rows } in std::mem::take(&mut self.inputs.relations) {
            let mut vars = Vec::with_capacity(names.len());
            for name in &names {
                let span = edn::Span::default();
                vars.push(scope.var(&crate::ast::Variable { name: name.clone(), span }));
            }
            for (column, name) in names.iter().enumerate() {
                let is_reference = |row: &Vec<Value>| {
                    matches!(row[column], Value::Keyword(_) | Value::Vector(_) | Value::List(_))
                };
                if !rows.iter().any(is_reference) {
                    continue;
                }
                self.looked_up = true;
                for (number, source) in self.inputs.sources.iter().enumerate() {
                    let Source::Db(db) = source else { continue };
                    let source = SourceId(number as u16);
                    let var = scope.made_up(name, edn::Span::default());
                    scope.add_entities(name.clone(), source, var);
                    vars.push(var);
                    for row in &mut rows {
                        // What names no entity matches nothing, as nil does.
                        let found = match &row[column] {
                            Value::Int(id) => Value::Int(*id),
                            reference => db.entid(reference).ok().flatten().map_or(Value::Nil, Value::from),
                        };
                        row.push(found);
                    }
                }
            }
            relations.push((vars, rows));
        }
        relations
    }

    /// The first input with rows that somebody looks at goes to the planner as such, the others become sources of
    /// their own. Of an input that nobody looks at it only matters whether it is empty.
    fn join_inputs(
        &mut self,
        relations: Vec<(Vec<VarId>, Vec<Vec<Value>>)>,
        mentioned: &Vars,
        draft: &mut Draft,
    ) -> (Vec<VarId>, Option<Vec<Vec<Value>>>) {
        let mut first = None;
        for (vars, rows) in relations {
            let used: Vec<usize> =
                (0..vars.len()).filter(|column| mentioned.contains(&vars[*column])).collect();
            if used.is_empty() && !rows.is_empty() {
                continue;
            }
            let vars: Vec<VarId> = used.iter().map(|column| vars[*column]).collect();
            let mut rows: Vec<Vec<Value>> = rows
                .into_iter()
                .map(|row| used.iter().map(|column| row[*column].clone()).collect())
                .collect();
            rows.sort_unstable();
            rows.dedup();
            if first.is_none() {
                first = Some((vars, rows));
                continue;
            }
            let source = self.inputs.add_source(Source::Tuples(rows.into()));
            let terms = vars.into_iter().map(Term::Var).collect();
            let clause = Clause::Tuple(TuplePattern { source, terms, span: edn::Span::default() });
            draft.clauses.push(DraftClause::Plain(clause));
        }
        match first {
            Some((vars, rows)) => (vars, Some(rows)),
            None => (Vec::new(), None),
        }
    }

    /// Finds out which arguments of rules must be bound and puts them in front, at the heads and at every call.
    fn order_arguments(&mut self, draft: &mut Draft) -> Result<Needs> {
        let needs = Needs::infer(&self.rules.rules)?;
        let orders = needs.orders(&self.rules.rules);
        if orders.iter().any(Option::is_some) {
            let mut reorder = |call: &mut crate::logical::RuleCall| {
                if let Some(order) = &orders[call.rule.0 as usize] {
                    call.args = order.iter().map(|position| call.args[*position].clone()).collect();
                }
            };
            draft.each_rule_call_mut(&mut reorder);
            for (rule, order) in self.rules.rules.iter_mut().zip(&orders) {
                for branch in &mut rule.branches {
                    branch.body.each_rule_call_mut(&mut reorder);
                    if let Some(order) = order {
                        branch.head = order.iter().map(|position| branch.head[*position]).collect();
                    }
                }
            }
        }
        Ok(needs.in_front())
    }

    /// Checks the bodies of the rules and puts the rules in their order.
    fn finish_rules(&mut self, needs: &Needs) -> Result<Vec<Rule>> {
        let strata = strata::stratify(&self.rules.rules)?;
        let mut bodies: Vec<Vec<Conjunction>> = Vec::with_capacity(self.rules.rules.len());
        for (index, rule) in self.rules.rules.iter().enumerate() {
            let mut branches = Vec::with_capacity(rule.branches.len());
            for branch in &rule.branches {
                let given: Vars = branch.head[..needs.count(index)].iter().copied().collect();
                let safety = Safety { rules: &self.rules.rules, needs, table: &branch.table };
                branches.push(safety.check(&branch.body, &given)?.0);
            }
            bodies.push(branches);
        }
        let mut rules = Vec::with_capacity(bodies.len());
        for (index, bodies) in bodies.into_iter().enumerate() {
            let shape = std::mem::take(&mut self.rules.rules[index].branches);
            let mut branches = Vec::with_capacity(shape.len());
            for (branch, body) in shape.into_iter().zip(bodies) {
                branches.push(RuleBranch { vars: branch.table, head: branch.head, body, span: branch.span });
            }
            let shape = &self.rules.rules[index];
            rules.push(Rule {
                name: shape.name.clone(),
                arity: shape.arity,
                required: needs.count(index),
                branches,
                stratum: strata[index].number,
                recursive: strata[index].recursive,
            });
        }
        Ok(rules)
    }
}
