//! One conjunction as the search sees it: units to be joined, and filters that are applied as soon as they can be.
//!
//! ```text
//! atoms --constants--> --ranges--> --blanks--> --stars--> Problem { units, filters }
//! ```
//!
//! Each arrow is one pass; their order is the order of [`PASSES`].

use std::collections::HashMap;

use edn::Span;
use storage::{AttrId, EncodedValue, ValueRange};

use super::Planner;
use super::atom::{Atom, NotAtom, OrAtom, RuleAtom, TableAtom};
use super::physical::Ranges;
use super::varset::BitSet;
use crate::exec::Result;
use crate::logical::{AttrTerm, Binding, Call, FunctionClause, Pattern, SourceId, Term, TuplePattern, VarId};

/// What a conjunction starts from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// The variables of the relation that the pipeline is given; empty if there is none.
    pub vars: Vec<VarId>,
    /// Its rows, exact or expected.
    pub rows: f64,
    /// The values of those variables that are the same in all rows, where they are known.
    pub known: HashMap<VarId, EncodedValue>,
}

/// A conjunction ready for the search.
#[derive(Debug, Default)]
pub(crate) struct Problem {
    pub given: Given,
    pub wanted: Vec<VarId>,
    /// What is joined.
    pub units: Vec<Unit>,
    /// What is applied when its variables are bound.
    pub filters: Vec<Filter>,
    /// Variables with one known value that no given row binds.
    pub constants: Vec<(VarId, EncodedValue)>,
    /// All known values, those of given rows included.
    pub known: HashMap<VarId, EncodedValue>,
    /// Ranges by variable, with the text they come from.
    pub ranges: HashMap<VarId, (Ranges, String)>,
}

/// Something that is joined.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub kind: UnitKind,
    /// All its variables that it does not know by itself.
    pub vars: BitSet,
    /// Those that must be bound before.
    pub needs: BitSet,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum UnitKind {
    Star(StarUnit),
    Open(Pattern),
    Tuple(TuplePattern),
    Function(FunctionClause),
    Or(OrAtom),
    Rule(RuleAtom),
    Table(TableAtom),
}

/// Patterns on one entity that are read together.
#[derive(Clone, Debug)]
pub(crate) struct StarUnit {
    pub source: SourceId,
    pub e: Term,
    pub attrs: Vec<UnitAttr>,
}

/// One pattern of a star.
#[derive(Clone, Debug)]
pub(crate) struct UnitAttr {
    pub attr: AttrId,
    pub v: Term,
    /// Whether an entity may have several values.
    pub many: bool,
    /// Whether the attribute is in the AVE index.
    pub indexed: bool,
    /// Whether values are references.
    pub is_ref: bool,
}

/// Something that is applied to rows.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    Range(VarId),
    Equal(VarId, VarId),
    Predicate(Call),
    /// A function that gives at most one row per row.
    Function(FunctionClause),
    Not(NotAtom),
}

impl Filter {
    /// The variables that must be bound.
    pub fn needs(&self) -> BitSet {
        match self {
            Self::Range(var) => BitSet::single(var.0 as usize),
            Self::Equal(a, b) => set([*a, *b]),
            Self::Predicate(call) => set(call.needs.iter().copied()),
            Self::Function(function) => set(function.call.needs.iter().copied()),
            Self::Not(not) => set(not.join.iter().copied()),
        }
    }

    /// Its place in the query text.
    pub fn span(&self) -> Span {
        match self {
            Self::Range(_) | Self::Equal(..) => Span::default(),
            Self::Predicate(call) => call.span,
            Self::Function(function) => function.call.span,
            Self::Not(not) => not.span,
        }
    }
}

/// The set of some variables.
pub(crate) fn set(vars: impl IntoIterator<Item = VarId>) -> BitSet {
    vars.into_iter().map(|var| var.0 as usize).collect()
}

/// The passes in order. Each has its reason beside it.
const PASSES: [fn(&mut Draft<'_, '_>) -> Result<()>; 4] = [
    // First, because a known value turns patterns into exact look-ups that every later pass and estimate profits from.
    constants, // Before blanks are made: a variable that a range restricts is not unused.
    ranges,
    // Before stars are made: whether an attribute needs a column decides how its pattern is grouped.
    blanks, // Last: everything that is left becomes a unit or a filter.
    stars,
];

struct Draft<'d, 'q> {
    planner: &'d mut Planner<'q>,
    atoms: Vec<Atom>,
    problem: Problem,
}

impl Problem {
    /// Prepares a conjunction for the search.
    pub fn new(planner: &mut Planner<'_>, atoms: Vec<Atom>, given: Given, wanted: &[VarId]) -> Result<Self> {
        let problem =
            Problem { known: given.known.clone(), given, wanted: wanted.to_vec(), ..Self::default() };
        let mut draft = Draft { planner, atoms, problem };
        for pass in PASSES {
            pass(&mut draft)?;
        }
        Ok(draft.problem)
    }

    /// Whether the given relation is a unit of its own rather than the one row that everything starts from.
    pub fn input_is_unit(&self) -> bool {
        let given = &self.given;
        !given.vars.is_empty()
            && (given.rows > 1.0 || given.vars.iter().any(|var| !given.known.contains_key(var)))
    }

    /// Whether a variable has one and the same value in all states. What the given rows know is only known to states that begin
    /// with them: a rule that was evaluated by itself has other values, too.
    pub fn is_known(&self, var: VarId) -> bool {
        let is_constant = || self.constants.iter().any(|(constant, _)| *constant == var);
        self.known.contains_key(&var) && (is_constant() || !self.input_is_unit())
    }
}

/// Variables that can have only one value become known.
fn constants(draft: &mut Draft<'_, '_>) -> Result<()> {
    let (problem, planner) = (&mut draft.problem, &mut *draft.planner);
    draft.atoms.retain(|atom| {
        let Atom::Range(range) = atom else { return true };
        let [only] = &range.ranges[..] else { return true };
        let Some(value) = only.as_point() else { return true };
        match problem.known.get(&range.var) {
            // Two different values: the range stays and lets nothing pass.
            Some(known) => {
                planner.fixed = true;
                known != value
            }
            None if problem.given.vars.contains(&range.var) => true,
            None => {
                problem.known.insert(range.var, value.clone());
                problem.constants.push((range.var, value.clone()));
                false
            }
        }
    });
    Ok(())
}

/// Several ranges of one variable become one; ranges become a property of the variable.
fn ranges(draft: &mut Draft<'_, '_>) -> Result<()> {
    let (problem, planner) = (&mut draft.problem, &mut *draft.planner);
    draft.atoms.retain(|atom| {
        let Atom::Range(range) = atom else { return true };
        let entry = problem.ranges.entry(range.var);
        entry
            .and_modify(|(ranges, text)| {
                planner.fixed = true;
                *ranges = intersect(ranges, &range.ranges).into();
                text.push_str(" and ");
                text.push_str(&range.text);
            })
            .or_insert_with(|| (range.ranges.clone().into(), range.text.clone()));
        false
    });
    let vars: Vec<VarId> = {
        let mut vars: Vec<VarId> = problem.ranges.keys().copied().collect();
        vars.sort_unstable();
        vars
    };
    problem.filters.extend(vars.into_iter().map(Filter::Range));
    Ok(())
}

/// The values that lie in both lists of ranges.
fn intersect(a: &[ValueRange], b: &[ValueRange]) -> Vec<ValueRange> {
    use std::ops::Bound;
    let mut both = Vec::new();
    for x in a {
        for y in b {
            let lo = match (&x.lo, &y.lo) {
                (Bound::Unbounded, lo) | (lo, Bound::Unbounded) => lo,
                (Bound::Included(p) | Bound::Excluded(p), Bound::Included(q) | Bound::Excluded(q)) => {
                    if p > q || (p == q && matches!(x.lo, Bound::Excluded(_))) { &x.lo } else { &y.lo }
                }
            };
            let hi = match (&x.hi, &y.hi) {
                (Bound::Unbounded, hi) | (hi, Bound::Unbounded) => hi,
                (Bound::Included(p) | Bound::Excluded(p), Bound::Included(q) | Bound::Excluded(q)) => {
                    if p < q || (p == q && matches!(x.hi, Bound::Excluded(_))) { &x.hi } else { &y.hi }
                }
            };
            let range = ValueRange { lo: lo.clone(), hi: hi.clone() };
            if !range.is_empty() {
                both.push(range);
            }
        }
    }
    both
}

/// Variables that occur once and are not wanted become blanks, so that no column is made for them.
fn blanks(draft: &mut Draft<'_, '_>) -> Result<()> {
    let problem = &draft.problem;
    let mut uses: HashMap<VarId, u32> = HashMap::new();
    let keep = problem.wanted.iter().chain(&problem.given.vars).chain(problem.ranges.keys());
    keep.for_each(|var| *uses.entry(*var).or_default() += 2);
    for atom in &draft.atoms {
        each_var(atom, &mut |var| *uses.entry(var).or_default() += 1);
    }
    let is_blank =
        |var: &VarId| uses.get(var).is_none_or(|uses| *uses < 2) && !problem.known.contains_key(var);
    let blank = |term: &mut Term| {
        if matches!(term, Term::Var(var) if is_blank(var)) {
            *term = Term::Blank;
        }
    };
    for atom in &mut draft.atoms {
        match atom {
            Atom::Pattern(pattern) => {
                blank(&mut pattern.e);
                blank(&mut pattern.v);
                if matches!(pattern.a, AttrTerm::Var(var) if is_blank(&var)) {
                    pattern.a = AttrTerm::Blank;
                }
            }
            Atom::Tuple(tuple) => tuple.terms.iter_mut().for_each(blank),
            _ => {}
        }
    }
    Ok(())
}

/// Calls `f` for every place where the atom has a variable that its surroundings can see.
pub(crate) fn each_var(atom: &Atom, f: &mut dyn FnMut(VarId)) {
    let term = |term: &Term, f: &mut dyn FnMut(VarId)| {
        if let Term::Var(var) = term {
            f(*var);
        }
    };
    match atom {
        Atom::Pattern(pattern) => {
            term(&pattern.e, f);
            term(&pattern.v, f);
            if let AttrTerm::Var(var) = pattern.a {
                f(var);
            }
        }
        Atom::Tuple(tuple) => tuple.terms.iter().for_each(|t| term(t, f)),
        Atom::Range(range) => f(range.var),
        Atom::Predicate(call) => call.needs.iter().for_each(|var| f(*var)),
        Atom::Function(function) => {
            function.call.needs.iter().for_each(|var| f(*var));
            function.binding.each_var(f);
        }
        Atom::Not(not) => not.join.iter().for_each(|var| f(*var)),
        Atom::Or(or) => or.join.iter().for_each(|var| f(*var)),
        Atom::Rule(rule) => rule.args.iter().for_each(|var| f(*var)),
        Atom::Table(table) => table.args.iter().for_each(|var| f(*var)),
        Atom::Equal(a, b) => {
            f(*a);
            f(*b);
        }
    }
}

/// Patterns on one entity are grouped; the rest becomes units and filters one by one.
fn stars(draft: &mut Draft<'_, '_>) -> Result<()> {
    for atom in std::mem::take(&mut draft.atoms) {
        let vars = {
            let mut vars = Vec::new();
            each_var(&atom, &mut |var| vars.push(var));
            let problem = &draft.problem;
            // Patterns and tuples get known values in place of variables, others find them in the rows that they are joined to.
            let is_value = matches!(atom, Atom::Pattern(_) | Atom::Tuple(_));
            vars.retain(|var| match is_value {
                true => !problem.known.contains_key(var),
                false => !problem.is_known(*var),
            });
            set(vars)
        };
        let unit = |kind, needs, span| Unit { kind, vars: vars.clone(), needs, span };
        let problem = &mut draft.problem;
        match atom {
            Atom::Pattern(pattern) => pattern_unit(draft.planner, problem, pattern, vars)?,
            Atom::Tuple(tuple) => {
                let span = tuple.span;
                problem.units.push(unit(UnitKind::Tuple(tuple), BitSet::default(), span));
            }
            Atom::Predicate(call) => problem.filters.push(Filter::Predicate(call)),
            Atom::Function(function) => {
                let needs = set(function.call.needs.iter().copied().filter(|var| !problem.is_known(*var)));
                let single = matches!(function.binding, Binding::Scalar(_) | Binding::Blank);
                if single && !function.call.needs.is_empty() {
                    problem.filters.push(Filter::Function(function));
                } else {
                    let span = function.call.span;
                    problem.units.push(unit(UnitKind::Function(function), needs, span));
                }
            }
            Atom::Not(not) => problem.filters.push(Filter::Not(not)),
            Atom::Or(or) => {
                let needs = set(or.required.iter().copied().filter(|var| !problem.is_known(*var)));
                let span = or.span;
                problem.units.push(unit(UnitKind::Or(or), needs, span));
            }
            Atom::Rule(rule) => {
                let required = draft.planner.required_args(&rule);
                let needs = set(required.into_iter().filter(|var| !problem.is_known(*var)));
                let span = rule.span;
                problem.units.push(unit(UnitKind::Rule(rule), needs, span));
            }
            Atom::Table(table) => {
                problem.units.push(unit(UnitKind::Table(table), BitSet::default(), Span::default()));
            }
            Atom::Equal(a, b) => problem.filters.push(Filter::Equal(a, b)),
            Atom::Range(_) => {}
        }
    }
    Ok(())
}

fn pattern_unit(
    planner: &Planner<'_>,
    problem: &mut Problem,
    mut pattern: Pattern,
    vars: BitSet,
) -> Result<()> {
    let known = |term: &mut Term, known: &HashMap<VarId, EncodedValue>| {
        if let Term::Var(var) = term
            && let Some(value) = known.get(var)
        {
            *term = Term::Const(value.clone());
        }
    };
    known(&mut pattern.e, &problem.known);
    known(&mut pattern.v, &problem.known);
    let attr = match pattern.a {
        AttrTerm::Const(attr) => planner.attribute(pattern.source, attr)?,
        _ => None,
    };
    let Some(attr) = attr.filter(|attr| attr.registered.is_none()) else {
        let span = pattern.span;
        let unit = Unit { kind: UnitKind::Open(pattern), vars, needs: BitSet::default(), span };
        problem.units.push(unit);
        return Ok(());
    };
    let own = UnitAttr {
        attr: attr.id,
        v: pattern.v.clone(),
        many: attr.is_many(),
        indexed: !attr.no_index,
        is_ref: attr.is_ref(),
    };
    // A many-valued attribute whose values are wanted multiplies rows, so where it comes in the plan matters: it
    // stands alone. Everything else on an entity is read together.
    let alone = (own.many && matches!(own.v, Term::Var(_))) || !planner.switches.merge_scan;
    let together = |unit: &&mut Unit| match &unit.kind {
        UnitKind::Star(star) => {
            star.source == pattern.source
                && star.e == pattern.e
                && star.attrs.iter().all(|attr| !attr.stands_alone())
        }
        _ => false,
    };
    if !alone
        && matches!(pattern.e, Term::Var(_) | Term::Const(_))
        && let Some(unit) = problem.units.iter_mut().find(together)
        && let UnitKind::Star(star) = &mut unit.kind
    {
        star.attrs.push(own);
        unit.vars = unit.vars.union(&vars);
        return Ok(());
    }
    let star = StarUnit { source: pattern.source, e: pattern.e, attrs: vec![own] };
    let unit = Unit { kind: UnitKind::Star(star), vars, needs: BitSet::default(), span: pattern.span };
    problem.units.push(unit);
    Ok(())
}

impl UnitAttr {
    fn stands_alone(&self) -> bool {
        self.many && matches!(self.v, Term::Var(_))
    }
}
