//! Compiling a recursive rule under a demand: which arguments are bound is pushed through the bodies (magic sets),
//! and every body becomes one pipeline per table that can bring news (semi-naive).
//!
//! ```text
//! (anc ?x ?y) with ?x bound:
//!   anc(?x ?y)   <- demand(?x), parent(?x ?y)
//!   anc(?x ?y)   <- demand(?x), parent(?x ?z), anc(?z ?y)
//!   demand(?z)   <- demand(?x), parent(?x ?z)            because the inner call asks for ?z
//! ```

use std::collections::{HashMap, HashSet};

use edn::Span;

use super::closure::{Body, Closure, detect};
use super::program::{Derivation, Method, Rounds, RuleProgram, TableSpec};
use crate::exec::{ExecError, Result};
use crate::logical::{Clause, Conjunction, RuleBranch, RuleId, RuleSet, VarId};
use crate::plan::{Atom, Given, Planner, Renaming, RuleAtom, Scope, TableAtom, each_var};

/// Bodies may be multiplied by `or`s around recursive calls up to this number.
const VARIANTS_MAX: usize = 256;

/// Compiles the program that answers calls of `rule` whose arguments are bound as `bound` says.
pub(crate) fn compile(
    planner: &mut Planner<'_>,
    rule: RuleId,
    bound: &[bool],
    span: Span,
) -> Result<RuleProgram> {
    let required = planner.rules.rules.get(rule.0 as usize).map_or(0, |rule| rule.required);
    if !planner.switches.demand {
        // Everything is computed, unless the rule cannot be computed without its arguments.
        let least: Vec<bool> = (0..bound.len()).map(|at| at < required).collect();
        match Compiler::new(planner, rule, span).compile(&least) {
            Err(ExecError::InsufficientBindings { .. }) => {}
            compiled => return compiled,
        }
    }
    Compiler::new(planner, rule, span).compile(bound)
}

pub(super) struct Compiler<'p, 'q> {
    pub(super) planner: &'p mut Planner<'q>,
    pub(super) rule: RuleId,
    /// The rules that reach each other.
    component: HashSet<RuleId>,
    span: Span,
    pub(super) tables: Vec<TableSpec>,
    /// The tables of a rule under a demand: answers, and the demand if anything is bound.
    known: HashMap<(RuleId, Vec<bool>), (usize, Option<usize>)>,
    todo: Vec<(RuleId, Vec<bool>)>,
    pub(super) derivations: Vec<Derivation>,
}

impl<'p, 'q> Compiler<'p, 'q> {
    fn new(planner: &'p mut Planner<'q>, rule: RuleId, span: Span) -> Self {
        let component = component(planner.rules, rule);
        Self {
            planner,
            rule,
            component,
            span,
            tables: Vec::new(),
            known: HashMap::new(),
            todo: Vec::new(),
            derivations: Vec::new(),
        }
    }

    fn compile(mut self, bound: &[bool]) -> Result<RuleProgram> {
        if self.planner.switches.closure
            && let Some(closure) = self.closure(bound)?
        {
            let label = label(self.planner.rules, self.rule, bound);
            return Ok(RuleProgram { label, bound: bound.to_vec(), method: Method::Closure(closure) });
        }
        if self.planner.switches.demand
            && self.planner.switches.contexts
            && let Some(rounds) = self.by_contexts(bound)?
        {
            let label = label(self.planner.rules, self.rule, bound);
            return Ok(RuleProgram { label, bound: bound.to_vec(), method: Method::Rounds(rounds) });
        }
        let (answers, demand) = self.table(self.rule, bound);
        while let Some((rule, bound)) = self.todo.pop() {
            let rules = self.planner.rules;
            for branch in &rules.rules[rule.0 as usize].branches {
                self.branch(rule, &bound, branch)?;
            }
        }
        let label = self.tables[answers].name.clone();
        let (tables, derivations) = (self.tables, self.derivations);
        let rounds = Rounds { tables, answers, demand, twice: false, derivations };
        Ok(RuleProgram { label, bound: bound.to_vec(), method: Method::Rounds(rounds) })
    }

    /// The rule as a walk along paths, if it is one.
    fn closure(&mut self, bound: &[bool]) -> Result<Option<Closure>> {
        let rules = self.planner.rules;
        let rule = &rules.rules[self.rule.0 as usize];
        if self.component.len() != 1 || rule.arity != 2 || !rule.recursive {
            return Ok(None);
        }
        let mut bodies = Vec::new();
        for branch in &rule.branches {
            let (head, atoms) = self.instantiate(branch);
            for atoms in self.variants(atoms, branch.span)? {
                bodies.push(Body { head: head.clone(), atoms });
            }
        }
        let closure = detect(self.planner, self.rule, &bodies)?;
        Ok(closure.filter(|closure| closure.answers(bound)))
    }

    /// The head variables and atoms of a definition, in variables of the plan.
    pub(super) fn instantiate(&mut self, branch: &'q RuleBranch) -> (Vec<VarId>, Vec<Atom>) {
        let named = |var: &VarId| branch.vars.names.get(var.0 as usize);
        let head: Vec<VarId> = branch.head.iter().map(|var| self.planner.fresh(named(var))).collect();
        let renaming = Renaming::with(branch.head.iter().copied().zip(head.iter().copied()));
        let mut scope = Scope { planner: self.planner, vars: &branch.vars, renaming, depth: 1 };
        let atoms = scope.conjunction(&branch.body);
        (head, atoms)
    }

    /// The tables of a rule under a demand; made when first asked for.
    fn table(&mut self, rule: RuleId, bound: &[bool]) -> (usize, Option<usize>) {
        let key = (rule, bound.to_vec());
        if let Some(tables) = self.known.get(&key) {
            return *tables;
        }
        let name = label(self.planner.rules, rule, bound);
        let answers = self.tables.len();
        self.tables.push(TableSpec { name: name.clone(), arity: bound.len() });
        let asked = bound.iter().filter(|bound| **bound).count();
        let demand = (asked > 0).then(|| {
            self.tables.push(TableSpec { name: format!("demand of {name}"), arity: asked });
            answers + 1
        });
        self.known.insert(key.clone(), (answers, demand));
        self.todo.push(key);
        (answers, demand)
    }

    fn branch(&mut self, rule: RuleId, bound: &[bool], branch: &'q RuleBranch) -> Result<()> {
        let (answers, demand) = self.table(rule, bound);
        let (head, atoms) = self.instantiate(branch);
        let asked: Vec<VarId> =
            head.iter().zip(bound).filter(|(_, bound)| **bound).map(|(var, _)| *var).collect();
        let start = demand.map(|table| self.table_atom(table, asked.clone()));
        for body in self.variants(atoms, branch.span)? {
            self.body(&start, &asked, answers, &head, body)?;
        }
        Ok(())
    }

    /// The bodies without `or` around calls of the component: one per choice of branches.
    pub(super) fn variants(&self, atoms: Vec<Atom>, span: Span) -> Result<Vec<Vec<Atom>>> {
        let mut variants: Vec<Vec<Atom>> = vec![Vec::new()];
        let mut todo: Vec<Atom> = atoms;
        todo.reverse();
        while let Some(atom) = todo.pop() {
            match atom {
                Atom::Or(or) if or.branches.iter().flatten().any(|atom| self.calls_component(atom)) => {
                    let mut split = Vec::new();
                    for branch in &or.branches {
                        for inner in self.variants(branch.clone(), span)? {
                            for variant in &variants {
                                split.push(variant.iter().cloned().chain(inner.iter().cloned()).collect());
                            }
                        }
                        if split.len() > VARIANTS_MAX {
                            return Err(ExecError::TooManyVariants { max: VARIANTS_MAX, span });
                        }
                    }
                    variants = split;
                }
                atom => variants.iter_mut().for_each(|variant: &mut Vec<Atom>| variant.push(atom.clone())),
            }
        }
        Ok(variants)
    }

    /// Whether an atom calls a rule of the component, directly or inside an `or`.
    pub(super) fn calls_component(&self, atom: &Atom) -> bool {
        match atom {
            Atom::Rule(call) => self.component.contains(&call.rule),
            Atom::Or(or) => or.branches.iter().flatten().any(|atom| self.calls_component(atom)),
            _ => false,
        }
    }

    pub(super) fn table_atom(&self, table: usize, args: Vec<VarId>) -> Atom {
        Atom::Table(TableAtom { table, delta: false, args, name: self.tables[table].name.clone() })
    }

    /// Derivations of one body: its answers, and what its inner calls ask for.
    fn body(
        &mut self,
        start: &Option<Atom>,
        asked: &[VarId],
        answers: usize,
        head: &[VarId],
        atoms: Vec<Atom>,
    ) -> Result<()> {
        let mut bound: HashSet<VarId> = asked.iter().copied().collect();
        let mut left = atoms;
        let mut placed: Vec<Atom> = start.iter().cloned().collect();
        loop {
            place_connected(&mut left, &mut placed, &mut bound, |atom, bound| self.waits(atom, bound));
            let Some(at) = self.next_call(&left, &bound) else { break };
            if let Some(first) = self.binder(&left, at, &bound) {
                let atom = left.remove(first);
                each_var(&atom, &mut |var| {
                    bound.insert(var);
                });
                placed.push(atom);
                continue;
            }
            let Atom::Rule(call) = left.remove(at) else { break };
            let demand: Vec<bool> = call.args.iter().map(|var| bound.contains(var)).collect();
            let (table, demand_table) = self.table(call.rule, &demand);
            if let Some(demand_table) = demand_table {
                let columns: Vec<VarId> =
                    call.args.iter().copied().filter(|var| bound.contains(var)).collect();
                self.derive(demand_table, &columns, &placed)?;
            }
            bound.extend(&call.args);
            placed.push(self.table_atom(table, call.args));
        }
        placed.extend(left);
        self.derive(answers, head, &placed)
    }

    /// Whether an atom has to wait: for its turn, if it is a recursive call, or for arguments that its rule needs.
    pub(super) fn waits(&self, atom: &Atom, bound: &HashSet<VarId>) -> bool {
        self.calls_component(atom) || matches!(atom, Atom::Rule(call) if !self.is_ready(call, bound))
    }

    fn is_ready(&self, call: &RuleAtom, bound: &HashSet<VarId>) -> bool {
        self.planner.required_args(call).iter().all(|var| bound.contains(var))
    }

    /// What has to come before a call whose rule needs arguments that nothing connected binds: something that can be read by
    /// itself, with one of those arguments if possible.
    fn binder(&self, left: &[Atom], call: usize, bound: &HashSet<VarId>) -> Option<usize> {
        let Atom::Rule(call) = &left[call] else { return None };
        let needed: Vec<VarId> =
            self.planner.required_args(call).into_iter().filter(|var| !bound.contains(var)).collect();
        if needed.is_empty() {
            return None;
        }
        let reads = |atom: &Atom| match atom {
            Atom::Pattern(_) | Atom::Tuple(_) => true,
            Atom::Or(or) => or.required.iter().all(|var| bound.contains(var)),
            Atom::Rule(call) => self.is_ready(call, bound),
            _ => false,
        };
        let binds_needed = |atom: &Atom| {
            let mut binds = false;
            each_var(atom, &mut |var| binds |= needed.contains(&var));
            binds
        };
        let can = (0..left.len()).filter(|at| !self.calls_component(&left[*at]) && reads(&left[*at]));
        can.min_by_key(|at| !binds_needed(&left[*at]))
    }

    /// The recursive call with the most bound arguments, the required ones among them.
    fn next_call(&self, left: &[Atom], bound: &HashSet<VarId>) -> Option<usize> {
        let rank = |call: &RuleAtom| {
            (self.is_ready(call, bound), call.args.iter().filter(|var| bound.contains(var)).count())
        };
        let calls = left.iter().enumerate().filter_map(|(at, atom)| match atom {
            Atom::Rule(call) if self.component.contains(&call.rule) => Some((at, rank(call))),
            _ => None,
        });
        calls.max_by_key(|(at, rank)| (*rank, std::cmp::Reverse(*at))).map(|(at, _)| at)
    }

    /// One derivation per table atom of the body, each reading the last round's rows of that table.
    pub(super) fn derive(&mut self, target: usize, columns: &[VarId], body: &[Atom]) -> Result<()> {
        if let [Atom::Table(only)] = body
            && only.table == target
            && only.args == columns
        {
            // It would add what is there already.
            return Ok(());
        }
        let triggers: Vec<usize> = (0..body.len()).filter(|at| matches!(body[*at], Atom::Table(_))).collect();
        let once = if triggers.is_empty() { Some(None) } else { None };
        for trigger in triggers.into_iter().map(Some).chain(once) {
            let mut atoms = body.to_vec();
            let mut table = None;
            if let Some(at) = trigger
                && let Atom::Table(atom) = &mut atoms[at]
            {
                atom.delta = true;
                table = Some(atom.table);
            }
            let pipeline = self
                .planner
                .conjunction(atoms, Given::default(), columns)
                .map_err(|error| self.at_call(error))?;
            self.derivations.push(Derivation { target, columns: columns.to_vec(), trigger: table, pipeline });
        }
        Ok(())
    }

    /// Errors without a place get that of the call.
    fn at_call(&self, error: ExecError) -> ExecError {
        match error {
            ExecError::InsufficientBindings { vars, span } if span == Span::default() => {
                ExecError::InsufficientBindings { vars, span: self.span }
            }
            error => error,
        }
    }
}

/// Moves to `placed` what is connected to bound variables, as far as that reaches; `waits` says what stays behind.
pub(super) fn place_connected(
    left: &mut Vec<Atom>,
    placed: &mut Vec<Atom>,
    bound: &mut HashSet<VarId>,
    waits: impl Fn(&Atom, &HashSet<VarId>) -> bool,
) {
    loop {
        let next = left.iter().position(|atom| {
            let mut vars = Vec::new();
            each_var(atom, &mut |var| vars.push(var));
            let known = |var: &VarId| bound.contains(var);
            match atom {
                _ if waits(atom, bound) => false,
                Atom::Predicate(_) | Atom::Not(_) | Atom::Equal(..) => vars.iter().all(known),
                Atom::Range(range) => {
                    range.ranges.len() == 1 && range.ranges[0].as_point().is_some() || known(&range.var)
                }
                Atom::Function(function) => function.call.needs.iter().all(known),
                Atom::Or(or) => or.required.iter().all(known) && vars.iter().any(known),
                _ => vars.iter().any(known),
            }
        });
        let Some(at) = next else { return };
        let atom = left.remove(at);
        each_var(&atom, &mut |var| {
            bound.insert(var);
        });
        placed.push(atom);
    }
}

/// The rules that `rule` reaches and that reach it.
fn component(rules: &RuleSet, rule: RuleId) -> HashSet<RuleId> {
    let from_rule = reachable(rules, rule);
    let mut component: HashSet<RuleId> =
        from_rule.iter().copied().filter(|other| reachable(rules, *other).contains(&rule)).collect();
    component.insert(rule);
    component
}

/// The rules that a rule calls, directly or through others.
fn reachable(rules: &RuleSet, rule: RuleId) -> HashSet<RuleId> {
    let mut reached = HashSet::new();
    let mut todo = vec![rule];
    while let Some(rule) = todo.pop() {
        let Some(rule) = rules.rules.get(rule.0 as usize) else { continue };
        for branch in &rule.branches {
            each_call(&branch.body, &mut |called| {
                if reached.insert(called) {
                    todo.push(called);
                }
            });
        }
    }
    reached
}

fn each_call(body: &Conjunction, f: &mut dyn FnMut(RuleId)) {
    // Bodies nest as deep as the text, which the reader has bounded.
    for clause in &body.clauses {
        match clause {
            Clause::Rule(call) => f(call.rule),
            Clause::Not(not) => each_call(&not.body, f),
            Clause::Or(or) => or.branches.iter().for_each(|branch| each_call(branch, f)),
            _ => {}
        }
    }
}

pub(super) fn label(rules: &RuleSet, rule: RuleId, bound: &[bool]) -> String {
    let name = rules.rules.get(rule.0 as usize).map_or_else(|| "?".to_owned(), |rule| rule.name.to_string());
    let args: Vec<&str> = bound.iter().map(|bound| if *bound { "bound" } else { "free" }).collect();
    format!("{name}({})", args.join(" "))
}
