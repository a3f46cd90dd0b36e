//! Right-linear rules: calls at the end of a body, whose answers are those of the rule as they are.
//!
//! ```text
//! (even ?x ?y) <- ?x :to ?z, (odd ?z ?y)         asked for the ?y of a seed s:
//! (odd ?x ?y)  <- ?x :to ?y                        even-context(s s)
//! (odd ?x ?y)  <- ?x :to ?z, (even ?z ?y)          odd-context(s ?z)  <- even-context(s ?x), ?x :to ?z
//!                                                  even-context(s ?z) <- odd-context(s ?x), ?x :to ?z
//!                                                  answer(s ?y)       <- odd-context(s ?x), ?x :to ?y
//! ```
//!
//! With a table of answers for each rule and demand, every answer would be handed from the end of a path to each node before it: on
//! a chain of n nodes n * n / 2 rows for n answers. Here a context remembers for which seed it was entered, and the answers
//! go to the seed at once. There are never more contexts than such a table would have rows.

use super::compile::{Compiler, label, place_connected};
use super::program::{Rounds, TableSpec};
use crate::exec::Result;
use crate::logical::{RuleId, VarId};
use crate::plan::Atom;

/// A rule that was entered with some of its arguments bound.
struct Context {
    rule: RuleId,
    bound: Vec<bool>,
}

/// A body of a context.
struct Body {
    context: usize,
    /// The head's variables that are bound, and those that are not.
    asked: Vec<VarId>,
    free: Vec<VarId>,
    /// All but the last call.
    atoms: Vec<Atom>,
    /// The context that the last call enters, and its bound arguments.
    call: Option<(usize, Vec<VarId>)>,
}

impl Compiler<'_, '_> {
    /// The evaluation by contexts, if every recursive call that a demand leads to is the last of its body and has the free
    /// variables of the head, in their order.
    pub(super) fn by_contexts(&mut self, entry: &[bool]) -> Result<Option<Rounds>> {
        if !entry.contains(&true) {
            return Ok(None);
        }
        let Some((contexts, bodies)) = self.contexts(entry)? else { return Ok(None) };
        let answers = self.add_table(label(self.planner.rules, self.rule, entry), entry.len());
        let seeds = entry.iter().filter(|bound| **bound).count();
        for context in &contexts {
            let asked = context.bound.iter().filter(|bound| **bound).count();
            let name = label(self.planner.rules, context.rule, &context.bound);
            self.add_table(format!("context of {name}"), seeds + asked);
        }
        let table_of = |context: usize| answers + 1 + context;
        for Body { context, asked, free, atoms, call } in bodies {
            let seeds: Vec<VarId> = (0..seeds).map(|_| self.planner.fresh(None)).collect();
            let start = self.table_atom(table_of(context), [seeds.as_slice(), &asked].concat());
            let atoms: Vec<Atom> = std::iter::once(start).chain(atoms).collect();
            match call {
                Some((next, args)) => self.derive(table_of(next), &[seeds, args].concat(), &atoms)?,
                None => {
                    let (mut seeds, mut free) = (seeds.into_iter(), free.into_iter());
                    let column = |bound: &bool| if *bound { seeds.next() } else { free.next() };
                    let columns: Vec<VarId> = entry.iter().filter_map(column).collect();
                    self.derive(answers, &columns, &atoms)?;
                }
            }
        }
        let (tables, derivations) = (std::mem::take(&mut self.tables), std::mem::take(&mut self.derivations));
        Ok(Some(Rounds { tables, answers, demand: Some(table_of(0)), twice: true, derivations }))
    }

    fn add_table(&mut self, name: String, arity: usize) -> usize {
        self.tables.push(TableSpec { name, arity });
        self.tables.len() - 1
    }

    /// Everything that is entered from the first context on, with its bodies.
    fn contexts(&mut self, entry: &[bool]) -> Result<Option<(Vec<Context>, Vec<Body>)>> {
        let mut contexts = vec![Context { rule: self.rule, bound: entry.to_vec() }];
        let mut bodies = Vec::new();
        let mut at = 0;
        while at < contexts.len() {
            let (rules, bound) = (self.planner.rules, contexts[at].bound.clone());
            for branch in &rules.rules[contexts[at].rule.0 as usize].branches {
                let (head, atoms) = self.instantiate(branch);
                for atoms in self.variants(atoms, branch.span)? {
                    let Some(body) = self.context_body(at, &bound, &head, atoms, &mut contexts) else {
                        return Ok(None);
                    };
                    bodies.push(body);
                }
            }
            at += 1;
        }
        Ok(Some((contexts, bodies)))
    }

    fn context_body(
        &self,
        context: usize,
        bound: &[bool],
        head: &[VarId],
        atoms: Vec<Atom>,
        contexts: &mut Vec<Context>,
    ) -> Option<Body> {
        let of = |wanted: bool| head.iter().zip(bound).filter(move |(_, bound)| **bound == wanted);
        let asked: Vec<VarId> = of(true).map(|(var, _)| *var).collect();
        let free: Vec<VarId> = of(false).map(|(var, _)| *var).collect();
        if !atoms.iter().any(|atom| self.calls_component(atom)) {
            return Some(Body { context, asked, free, atoms, call: None });
        }
        let mut known = asked.iter().copied().collect();
        let (mut left, mut placed) = (atoms, Vec::new());
        place_connected(&mut left, &mut placed, &mut known, |atom, known| self.waits(atom, known));
        let [Atom::Rule(call)] = &left[..] else { return None };
        let is_known = |var: &&VarId| known.contains(*var);
        let open: Vec<VarId> = call.args.iter().filter(|var| !is_known(var)).copied().collect();
        let ready = self.planner.required_args(call).iter().all(|var| known.contains(var));
        if !ready || open != free {
            return None;
        }
        let bound: Vec<bool> = call.args.iter().map(|var| known.contains(var)).collect();
        let args: Vec<VarId> = call.args.iter().filter(is_known).copied().collect();
        let same = |other: &Context| other.rule == call.rule && other.bound == bound;
        let next = contexts.iter().position(same).unwrap_or_else(|| {
            contexts.push(Context { rule: call.rule, bound: bound.clone() });
            contexts.len() - 1
        });
        Some(Body { context, asked, free, atoms: placed, call: Some((next, args)) })
    }
}
