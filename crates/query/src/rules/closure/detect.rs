//! Recognising rules that only follow paths.

use super::{Closure, PathStep, Phase, Times};
use crate::exec::{ExecError, Result};
use crate::logical::{AttrTerm, RuleId, Term, VarId};
use crate::plan::{Atom, Given, Planner, each_var};

/// The nodes that a step's pipeline is planned for.
const FRONTIER: f64 = 256.0;

/// One body of a rule that is a candidate: its head variables and its atoms.
pub(in crate::rules) struct Body {
    pub head: Vec<VarId>,
    pub atoms: Vec<Atom>,
}

/// A way from one variable to another.
struct Path {
    from: VarId,
    to: VarId,
    atoms: Vec<Atom>,
}

#[derive(Default)]
struct Parts {
    base: Vec<Path>,
    /// Before the recursive call, as in `E(x z), r(z y)`.
    before: Vec<Path>,
    /// After it, as in `r(x z), E(z y)`.
    after: Vec<Path>,
    twice: bool,
}

/// The closure that a rule is, if it is one.
pub(in crate::rules) fn detect(
    planner: &mut Planner<'_>,
    rule: RuleId,
    bodies: &[Body],
) -> Result<Option<Closure>> {
    let mut parts = Parts::default();
    for body in bodies {
        if !parts.add(rule, body) {
            return Ok(None);
        }
    }
    if parts.base.is_empty() {
        return Ok(None);
    }
    // Steps that are also bases add nothing beyond the closure of the bases.
    let covered = |paths: &[Path], planner: &Planner<'_>| {
        paths.iter().all(|path| {
            let step = path.attribute(planner);
            step.is_some() && parts.base.iter().any(|base| base.attribute(planner) == step)
        })
    };
    let plain = covered(&parts.before, planner) && covered(&parts.after, planner);
    let phase = |times, steps| Phase { times, steps };
    let phases = if plain {
        let direct = parts.base.iter().all(|path| path.attribute(planner).is_some());
        let Some(base) = steps(planner, &parts.base, direct)? else { return Ok(None) };
        if parts.before.is_empty() && parts.after.is_empty() && !parts.twice {
            return Ok(None);
        }
        vec![phase(Times::Some, base)]
    } else if parts.twice || (!parts.before.is_empty() && !parts.after.is_empty()) {
        return Ok(None);
    } else {
        let all = parts.base.iter().chain(&parts.before).chain(&parts.after);
        let direct = all.into_iter().all(|path| path.attribute(planner).is_some());
        let Some(base) = steps(planner, &parts.base, direct)? else { return Ok(None) };
        if parts.after.is_empty() {
            let Some(before) = steps(planner, &parts.before, direct)? else { return Ok(None) };
            vec![phase(Times::Any, before), phase(Times::Once, base)]
        } else {
            let Some(after) = steps(planner, &parts.after, direct)? else { return Ok(None) };
            vec![phase(Times::Once, base), phase(Times::Any, after)]
        }
    };
    Ok(Some(Closure { phases }))
}

impl Parts {
    /// Sorts a body in; false if it does not fit.
    fn add(&mut self, rule: RuleId, body: &Body) -> bool {
        let [x, y] = body.head[..] else { return false };
        let is_call = |atom: &&Atom| matches!(atom, Atom::Rule(call) if call.rule == rule);
        let calls: Vec<&[VarId]> = body
            .atoms
            .iter()
            .filter_map(|atom| match atom {
                Atom::Rule(call) if call.rule == rule => Some(&call.args[..]),
                _ => None,
            })
            .collect();
        let rest: Vec<Atom> = body.atoms.iter().filter(|atom| !is_call(atom)).cloned().collect();
        let mut mentioned = Vec::new();
        rest.iter().for_each(|atom| each_var(atom, &mut |var| mentioned.push(var)));
        let has = |var: VarId| mentioned.contains(&var);
        match calls[..] {
            [] if has(x) && has(y) => self.base.push(Path { from: x, to: y, atoms: rest }),
            [[z, end]] if *end == y && *z != x && has(x) && has(*z) && !has(y) => {
                self.before.push(Path { from: x, to: *z, atoms: rest });
            }
            [[start, z]] if *start == x && *z != y && has(y) && has(*z) && !has(x) => {
                self.after.push(Path { from: *z, to: y, atoms: rest });
            }
            [[a, b], [c, d]] if rest.is_empty() => {
                let chained = (*a == x && *d == y && b == c) || (*c == x && *b == y && d == a);
                if !chained || x == y {
                    return false;
                }
                self.twice = true;
            }
            _ => return false,
        }
        true
    }
}

impl Path {
    /// The path as a single reference attribute, if it is one: source, attribute, direction.
    fn attribute(&self, planner: &Planner<'_>) -> Option<(crate::logical::SourceId, storage::AttrId, bool)> {
        let [Atom::Pattern(pattern)] = &self.atoms[..] else { return None };
        let AttrTerm::Const(attr) = pattern.a else { return None };
        let attribute = planner.attribute(pattern.source, attr).ok()??;
        if !attribute.is_ref() || attribute.no_index {
            return None;
        }
        match (&pattern.e, &pattern.v) {
            (Term::Var(e), Term::Var(v)) if *e == self.from && *v == self.to => {
                Some((pattern.source, attr, true))
            }
            (Term::Var(e), Term::Var(v)) if *e == self.to && *v == self.from => {
                Some((pattern.source, attr, false))
            }
            _ => None,
        }
    }
}

/// Paths as steps; `None` if one cannot be followed from either end.
fn steps(planner: &mut Planner<'_>, paths: &[Path], direct: bool) -> Result<Option<Vec<PathStep>>> {
    let mut steps = Vec::with_capacity(paths.len());
    for path in paths {
        if let (true, Some((source, attr, forward))) = (direct, path.attribute(planner)) {
            steps.push(PathStep::Attribute { source, attr, forward });
            continue;
        }
        let mut plan = |end: VarId| {
            let given = Given { vars: vec![end], rows: FRONTIER, ..Given::default() };
            let mut wanted = [path.from, path.to];
            wanted.sort_unstable();
            planner.conjunction(path.atoms.clone(), given, &wanted)
        };
        let planned = plan(path.from).and_then(|forward| Ok((forward, plan(path.to)?)));
        let (forward, backward) = match planned {
            Ok(pipelines) => pipelines,
            Err(ExecError::InsufficientBindings { .. } | ExecError::Unindexed { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (forward, backward) = (Box::new(forward), Box::new(backward));
        steps.push(PathStep::Body { from: path.from, to: path.to, forward, backward });
    }
    Ok(Some(steps))
}
