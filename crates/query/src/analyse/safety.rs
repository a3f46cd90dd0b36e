//! Bindings: every variable that a clause needs must be bound by some other clause, whatever the order of the text.
//!
//! ```text
//! bound so far --> clauses whose needs are met --> bind more --> .. --> what is left over cannot run
//! ```
//!
//! On the way the variables that negations and disjunctions share with their surroundings are determined, and which
//! arguments of rules must be bound at a call because no body can bind them.

use std::collections::BTreeSet;

use edn::{Span, Symbol};

use super::Result;
use super::draft::{self, Draft, DraftBranch, DraftClause, DraftNot, DraftOr, DraftRule, Vars};
use super::error::AnalyseError;
use crate::logical::{Clause, Conjunction, NotClause, OrClause, RuleCall, RuleId, Term, VarId, VarTable};

/// Which arguments of each rule must be bound at a call.
#[derive(Debug)]
pub(super) struct Needs(Vec<BTreeSet<usize>>);

/// A rule before its bodies are checked.
#[derive(Debug)]
pub(super) struct RuleShape {
    pub name: Symbol,
    pub arity: usize,
    /// Leading variables that the text says must be bound.
    pub required: usize,
    pub branches: Vec<DraftRule>,
}

impl Needs {
    /// What the heads say, and what no body can bind by itself.
    pub fn infer(rules: &[RuleShape]) -> Result<Self> {
        let mut needs = Self(rules.iter().map(|rule| (0..rule.required).collect()).collect());
        loop {
            let mut changed = false;
            for (index, rule) in rules.iter().enumerate() {
                for branch in &rule.branches {
                    let before = needs.0[index].len();
                    let more = needs.missing(rule, branch, index)?;
                    needs.0[index].extend(more);
                    changed |= needs.0[index].len() > before;
                }
            }
            if !changed {
                return Ok(needs);
            }
        }
    }

    /// Further arguments that a definition needs. What is missing without being an argument is reported when the
    /// body is checked.
    fn missing(&self, rule: &RuleShape, branch: &DraftRule, index: usize) -> Result<BTreeSet<usize>> {
        let given: Vars = self.0[index].iter().map(|position| branch.head[*position]).collect();
        let reached = reach(&branch.body, &given, self);
        let positions = |vars: &Vars| -> BTreeSet<usize> {
            (0..branch.head.len()).filter(|position| vars.contains(&branch.head[*position])).collect()
        };
        if let Some(stuck) = &reached.stuck {
            return Ok(positions(stuck));
        }
        let unbound: Vars = branch.head.iter().copied().filter(|var| !reached.bound.contains(var)).collect();
        let mut known = Vars::new();
        branch.body.mentioned(&mut known);
        match unbound.iter().find(|var| !known.contains(var)) {
            Some(var) => {
                let (var, name) = (branch.table.names[var.0 as usize].clone(), rule.name.clone());
                Err(AnalyseError::RuleHeadUnbound { var, name, span: branch.span })
            }
            None => Ok(positions(&unbound)),
        }
    }

    fn of(&self, rule: RuleId) -> &BTreeSet<usize> {
        &self.0[rule.0 as usize]
    }

    /// For each rule, its arguments with the needed ones first, if that is another order than that of the text.
    pub fn orders(&self, rules: &[RuleShape]) -> Vec<Option<Vec<usize>>> {
        let order = |(needs, rule): (&BTreeSet<usize>, &RuleShape)| {
            let in_front = needs.iter().copied().eq(0..needs.len());
            let rest = (0..rule.arity).filter(|position| !needs.contains(position));
            (!in_front).then(|| needs.iter().copied().chain(rest).collect())
        };
        self.0.iter().zip(rules).map(order).collect()
    }

    /// The same after arguments were put in [`orders`](Self::orders): the needed ones are in front.
    pub fn in_front(self) -> Self {
        Self(self.0.into_iter().map(|needs| (0..needs.len()).collect()).collect())
    }

    /// How many arguments a rule needs.
    pub fn count(&self, rule: usize) -> usize {
        self.0[rule].len()
    }
}

/// What clauses bind, starting from what is bound.
struct Reached {
    bound: Vars,
    /// What the first clause that cannot run lacks.
    stuck: Option<Vars>,
}

/// Runs clauses in thought, without judging.
fn reach(draft: &Draft, given: &Vars, needs: &Needs) -> Reached {
    let mut bound = given.clone();
    let binding = |clause: &&DraftClause| !matches!(clause, DraftClause::Not(_));
    let mut pending: Vec<&DraftClause> = draft.clauses.iter().filter(binding).collect();
    loop {
        let before = pending.len();
        pending.retain(|clause| {
            let ready = lacks(clause, &bound, needs).is_empty();
            if ready {
                match clause {
                    DraftClause::Plain(clause) => draft::binds(clause, &mut bound),
                    DraftClause::Or(or) => bound.extend(&or.join),
                    DraftClause::Not(_) => {}
                }
            }
            !ready
        });
        if pending.len() == before || pending.is_empty() {
            break;
        }
    }
    let stuck = pending.first().map(|clause| lacks(clause, &bound, needs));
    Reached { bound, stuck }
}

/// The variables that a clause still needs.
fn lacks(clause: &DraftClause, bound: &Vars, needs: &Needs) -> Vars {
    let mut wanted = Vars::new();
    match clause {
        DraftClause::Plain(Clause::Rule(call)) => {
            wanted.extend(needed_vars(call, needs).into_iter().flatten())
        }
        DraftClause::Plain(clause) => draft::needs(clause, &mut wanted),
        DraftClause::Or(or) => wanted = required(or, needs),
        DraftClause::Not(_) => {}
    }
    wanted.retain(|var| !bound.contains(var));
    wanted
}

/// The arguments of a call that must be bound: variables, or nothing where a blank or constant stands.
fn needed_vars(call: &RuleCall, needs: &Needs) -> Vec<Option<VarId>> {
    let arg = |position: &usize| match call.args[*position] {
        Term::Var(var) => Some(var),
        Term::Const(_) | Term::Blank => None,
    };
    needs.of(call.rule).iter().map(arg).collect()
}

/// The join variables of a disjunction that it cannot bind itself: some branch does not know them or cannot bind
/// them.
fn required(or: &DraftOr, needs: &Needs) -> Vars {
    let mut required: Vars = or.required.iter().copied().collect();
    loop {
        let mut more = Vars::new();
        for branch in &or.branches {
            let reached = reach(&branch.body, &required, needs);
            let stuck: Vars =
                reached.stuck.into_iter().flatten().filter(|var| or.join.contains(var)).collect();
            // What keeps a clause from running is needed first; it may be all that is missing.
            if stuck.is_empty() {
                more.extend(or.join.iter().filter(|var| !reached.bound.contains(var)));
            } else {
                more.extend(stuck);
            }
        }
        if more.is_subset(&required) {
            return required;
        }
        required.extend(more);
    }
}

/// Checks drafts of one table of variables.
pub(super) struct Safety<'a> {
    pub rules: &'a [RuleShape],
    pub needs: &'a Needs,
    pub table: &'a VarTable,
}

impl Safety<'_> {
    fn names(&self, vars: &Vars) -> Vec<Symbol> {
        vars.iter().map(|var| self.table.names[var.0 as usize].clone()).collect()
    }

    /// Checks that every clause can run when `given` is bound; also says what is bound then.
    pub fn check(&self, draft: &Draft, given: &Vars) -> Result<(Conjunction, Vars)> {
        let bound = reach(draft, given, self.needs).bound;
        let mut clauses = Vec::with_capacity(draft.clauses.len());
        for clause in &draft.clauses {
            let lacking = lacks(clause, &bound, self.needs);
            if !lacking.is_empty() {
                return Err(self.insufficient(clause, &lacking, &bound));
            }
            clauses.push(match clause {
                DraftClause::Plain(clause) => {
                    if let Clause::Rule(call) = clause {
                        self.check_rule(call)?;
                    }
                    clause.clone()
                }
                DraftClause::Not(not) => Clause::Not(self.check_not(not, &bound)?),
                DraftClause::Or(or) => Clause::Or(self.check_or(or)?),
            });
        }
        Ok((Conjunction { clauses }, bound))
    }

    fn insufficient(&self, clause: &DraftClause, lacking: &Vars, bound: &Vars) -> AnalyseError {
        let vars = self.names(lacking);
        match clause {
            DraftClause::Or(or) => self.or_error(or, lacking, bound),
            DraftClause::Plain(Clause::Rule(call)) => {
                let is_lacking = |var: &Option<VarId>| var.is_some_and(|var| lacking.contains(&var));
                let position = needed_vars(call, self.needs).iter().position(is_lacking);
                self.rule_needs(call, position.unwrap_or(0))
            }
            DraftClause::Plain(clause) => AnalyseError::InsufficientBindings { vars, span: span_of(clause) },
            DraftClause::Not(not) => AnalyseError::InsufficientBindings { vars, span: not.span },
        }
    }

    fn rule_needs(&self, call: &RuleCall, position: usize) -> AnalyseError {
        let rule = &self.rules[call.rule.0 as usize];
        let param =
            rule.branches.first().map(|branch| branch.table.names[branch.head[position].0 as usize].clone());
        AnalyseError::RuleNeedsBinding {
            name: rule.name.clone(),
            param: param.unwrap_or_else(|| Symbol::parse("?")),
            arg: match call.args[position] {
                Term::Var(var) => Some(self.table.names[var.0 as usize].clone()),
                _ => None,
            },
            span: call.span,
        }
    }

    /// Why a disjunction cannot run: a branch does not know a variable, or cannot bind one.
    fn or_error(&self, or: &DraftOr, lacking: &Vars, bound: &Vars) -> AnalyseError {
        let stated: Vars = or.required.iter().copied().filter(|var| lacking.contains(var)).collect();
        if !stated.is_empty() {
            return AnalyseError::InsufficientBindings { vars: self.names(&stated), span: or.span };
        }
        for DraftBranch { body, text, span } in &or.branches {
            let mut known = Vars::new();
            body.mentioned(&mut known);
            if let Some(var) = lacking.iter().find(|var| !known.contains(var)) {
                let var = self.table.names[var.0 as usize].clone();
                return AnalyseError::OrVariables { var, branch: text.clone(), span: *span };
            }
        }
        let given: Vars = or.join.iter().copied().filter(|var| bound.contains(var)).collect();
        let inner = or.branches.iter().find_map(|branch| self.check(&branch.body, &given).err());
        inner.unwrap_or_else(|| AnalyseError::InsufficientBindings {
            vars: self.names(lacking),
            span: or.span,
        })
    }

    fn check_not(&self, not: &DraftNot, bound: &Vars) -> Result<NotClause> {
        let join: Vars = match &not.join {
            Some(join) => {
                let unbound: Vars = join.iter().copied().filter(|var| !bound.contains(var)).collect();
                if !unbound.is_empty() {
                    let vars = self.names(&unbound);
                    return Err(AnalyseError::InsufficientBindings { vars, span: not.span });
                }
                join.iter().copied().collect()
            }
            None => {
                let mut inside = Vars::new();
                not.body.mentioned(&mut inside);
                let join: Vars = inside.intersection(bound).copied().collect();
                if join.is_empty() && !inside.is_empty() && !not.sees_given {
                    return Err(AnalyseError::NothingBound { vars: self.names(&inside), span: not.span });
                }
                join
            }
        };
        let (body, _) = self.check(&not.body, &join)?;
        Ok(NotClause { join: join.into_iter().collect(), body, span: not.span })
    }

    fn check_or(&self, or: &DraftOr) -> Result<OrClause> {
        let required = required(or, self.needs);
        let mut branches = Vec::with_capacity(or.branches.len());
        for branch in &or.branches {
            branches.push(self.check(&branch.body, &required)?.0);
        }
        Ok(OrClause {
            join: or.join.clone(),
            required: required.into_iter().collect(),
            branches,
            span: or.span,
        })
    }

    /// A blank cannot stand where a rule needs a binding.
    fn check_rule(&self, call: &RuleCall) -> Result<()> {
        let blank =
            self.needs.of(call.rule).iter().find(|position| matches!(call.args[**position], Term::Blank));
        blank.map_or(Ok(()), |position| Err(self.rule_needs(call, *position)))
    }
}

fn span_of(clause: &Clause) -> Span {
    match clause {
        Clause::Pattern(pattern) => pattern.span,
        Clause::Tuple(tuple) => tuple.span,
        Clause::Range(range) => range.span,
        Clause::Predicate(call) => call.span,
        Clause::Function(function) => function.call.span,
        Clause::Not(not) => not.span,
        Clause::Or(or) => or.span,
        Clause::Rule(call) => call.span,
    }
}
