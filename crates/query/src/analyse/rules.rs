//! Rules: each is analysed once for every source that `$` can mean in it, when it is first called.

use std::collections::HashMap;
use std::sync::Arc;

use edn::Symbol;

use super::draft::DraftRule;
use super::error::AnalyseError;
use super::safety::RuleShape;
use super::scope::Scope;
use super::{Analyser, Result};
use crate::ast;
use crate::exec::Source;
use crate::logical::{RuleId, SourceId};

/// The rules analysed so far.
#[derive(Default)]
pub(super) struct RuleTable {
    ids: HashMap<(Symbol, Option<SourceId>), RuleId>,
    pub rules: Vec<RuleShape>,
    /// Rules that are called, but whose bodies are not analysed yet.
    pending: Vec<(RuleId, Symbol, Option<SourceId>)>,
}

impl Analyser<'_> {
    /// The number of a rule under a default source.
    pub(super) fn rule(&mut self, call: &ast::RuleCall, source: Option<SourceId>) -> Result<RuleId> {
        let Some(definition) =
            self.definitions.definitions.iter().find(|definition| definition.name == call.name)
        else {
            let names = self.definitions.definitions.iter().map(|definition| definition.name.as_str());
            let nearest = edn::nearest(call.name.as_str(), names).map(str::to_owned);
            let mut known: Vec<Symbol> =
                self.definitions.definitions.iter().map(|d| d.name.clone()).collect();
            known.dedup();
            let (name, span) = (call.name.clone(), call.name_span);
            return Err(AnalyseError::UnknownRule { name, nearest, known, span });
        };
        let (arity, required) = (definition.vars.len(), definition.vars.required.len());
        if call.args.len() != arity {
            let (name, got, span) = (call.name.clone(), call.args.len(), call.span);
            return Err(AnalyseError::RuleCallArity { name, expected: arity, got, span });
        }
        let key = (call.name.clone(), source);
        if let Some(id) = self.rules.ids.get(&key) {
            return Ok(*id);
        }
        let id = RuleId(self.rules.rules.len() as u32);
        let name = call.name.clone();
        self.rules.rules.push(RuleShape { name: name.clone(), arity, required, branches: Vec::new() });
        self.rules.pending.push((id, name, source));
        self.rules.ids.insert(key, id);
        Ok(id)
    }

    /// Analyses the bodies of all rules that were called, and of those that they call.
    pub(super) fn rule_bodies(&mut self) -> Result<()> {
        while let Some((id, name, source)) = self.rules.pending.pop() {
            let definitions = Arc::clone(&self.definitions);
            for definition in definitions.definitions.iter().filter(|definition| definition.name == name) {
                let mut scope = Scope::new(HashMap::new(), source);
                let head = definition.vars.iter().map(|variable| scope.var(variable)).collect();
                let body = self.draft(&mut scope, &definition.clauses)?;
                let branch = DraftRule { table: scope.table, head, body, span: definition.span };
                self.rules.rules[id.0 as usize].branches.push(branch);
            }
        }
        Ok(())
    }
}

/// For each rule, which of its variables stand for entities somewhere in its bodies: lookup refs and idents that are
/// passed for them have to be resolved.
pub(super) fn entity_params(
    definitions: &[ast::RuleDefinition],
    sources: &[Source],
) -> HashMap<Symbol, Vec<bool>> {
    let mut params: HashMap<Symbol, Vec<bool>> = definitions
        .iter()
        .map(|definition| (definition.name.clone(), vec![false; definition.vars.len()]))
        .collect();
    loop {
        let mut changed = false;
        for definition in definitions {
            for (index, variable) in definition.vars.iter().enumerate() {
                let known = params.get(&definition.name).is_some_and(|flags| flags[index]);
                if !known && is_entity(&definition.clauses, &variable.name, &params, sources) {
                    if let Some(flags) = params.get_mut(&definition.name) {
                        flags[index] = true;
                    }
                    changed = true;
                }
            }
        }
        if !changed {
            return params;
        }
    }
}

fn is_entity(
    clauses: &[ast::Clause],
    name: &Symbol,
    params: &HashMap<Symbol, Vec<bool>>,
    sources: &[Source],
) -> bool {
    let named = |term: &ast::Term| matches!(term, ast::Term::Variable(variable) if variable.name == *name);
    let is_ref = |term: &ast::Term| match term {
        ast::Term::Constant(constant) => constant.value.as_keyword().is_some_and(|attribute| {
            sources.iter().any(|source| match source {
                Source::Db(db) => {
                    db.schema().attribute(attribute).is_some_and(|attribute| attribute.is_ref())
                }
                Source::Tuples(_) => false,
            })
        }),
        _ => false,
    };
    clauses.iter().any(|clause| match clause {
        ast::Clause::Pattern(pattern) => match pattern.terms.as_slice() {
            [e, ..] if named(e) => true,
            [_, a, v, ..] => named(v) && is_ref(a),
            _ => false,
        },
        ast::Clause::Rule(call) => {
            let flags = params.get(&call.name);
            let flag = |index: usize| flags.is_some_and(|flags| flags.get(index).is_some_and(|flag| *flag));
            call.args.iter().enumerate().any(|(index, arg)| named(arg) && flag(index))
        }
        ast::Clause::Not(not) => is_entity(&not.clauses, name, params, sources),
        ast::Clause::Or(or) => {
            or.branches.iter().any(|branch| is_entity(&branch.clauses, name, params, sources))
        }
        ast::Clause::Predicate(_) | ast::Clause::Function(_) => false,
    })
}
