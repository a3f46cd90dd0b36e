//! Moves: the ways in which a unit can be joined to a partial plan, each with its estimate.

use storage::{Attribute, EncodedValue};

use super::cost;
use super::physical::{
    Access, Apply, InRanges, Intersect, Op, OpenPattern, OpenTerm, Operand, Ranges, Reverse, Scan, SemiJoin,
    Star, StarAttr, TableStep, Test, Tuples, everything,
};
use super::problem::{Filter, StarUnit, Unit, UnitAttr, UnitKind};
use super::search::Search;
use super::state::{DraftOp, State};
use super::stats::{AttrStats, facts_in, point};
use crate::exec::{ExecError, Result};
use crate::logical::{AttrTerm, Binding, FunctionClause, Pattern, SourceId, Term, TuplePattern, VarId};

impl Search<'_, '_> {
    /// All ways of joining `unit` to `state` row by row, settled.
    pub(super) fn extend(&mut self, state: &State, number: usize) -> Result<Vec<State>> {
        let Some(unit) = self.problem.units.get(number).cloned() else { return Ok(Vec::new()) };
        if !unit.needs.is_subset(&state.vars) {
            return Ok(Vec::new());
        }
        let mut extended = match &unit.kind {
            UnitKind::Star(star) => self.star(state, star, &unit)?,
            UnitKind::Open(pattern) => self.open(state, pattern)?,
            UnitKind::Tuple(tuple) => self.tuples(state, tuple)?,
            UnitKind::Function(function) => vec![self.function(state, function)],
            UnitKind::Or(or) => self.or(state, or)?,
            UnitKind::Rule(rule) => self.rule(state, rule)?,
            UnitKind::Table(table) => vec![self.table(state, table)],
        };
        for state in &mut extended {
            state.done.insert(number);
        }
        if let UnitKind::Star(star) = &unit.kind {
            extended.extend(self.intersections(state, number, star)?);
        }
        extended.into_iter().map(|state| self.settle(state)).collect()
    }

    fn stats(&mut self, source: SourceId, attr: &UnitAttr) -> Result<AttrStats> {
        self.planner.attr_stats(source, attr.attr)
    }

    fn ranges_of(&self, var: VarId) -> Option<&Ranges> {
        if !self.planner.switches.push_ranges {
            return None;
        }
        self.problem.ranges.get(&var).map(|(ranges, _)| ranges)
    }

    fn range_done(&self, state: &mut State, var: VarId) {
        let place = |filter: &Filter| matches!(filter, Filter::Range(other) if *other == var);
        if let Some(place) = self.problem.filters.iter().position(place) {
            state.filters.insert(place);
        }
    }

    fn star(&mut self, state: &State, star: &StarUnit, unit: &Unit) -> Result<Vec<State>> {
        let entity = match &star.e {
            Term::Const(value) => Some(Operand::Const(value.clone())),
            Term::Var(e) if state.has(*e) => Some(Operand::Var(*e)),
            Term::Var(_) | Term::Blank => None,
        };
        if let Some(entity) = entity {
            return Ok(vec![self.fetch(state.clone(), star.source, &entity, &star.attrs)?]);
        }
        let mut found = Vec::new();
        for place in 0..star.attrs.len() {
            found.extend(self.drive_by(state, star, place)?);
        }
        if star.attrs.iter().all(|attr| !attr.indexed) {
            let attribute = self.planner.ident(star.source, star.attrs[0].attr);
            self.failure.get_or_insert(ExecError::Unindexed { attribute, span: unit.span });
        }
        Ok(found)
    }

    /// Reaches the entities of a star by the attribute at `place`, and reads the others.
    pub(super) fn drive_by(&mut self, state: &State, star: &StarUnit, place: usize) -> Result<Option<State>> {
        let attr = &star.attrs[place];
        if !attr.indexed {
            return Ok(None);
        }
        let Some(next) = self.drive(state, star, attr)? else { return Ok(None) };
        let rest: Vec<UnitAttr> = star
            .attrs
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .map(|(_, attr)| attr.clone())
            .collect();
        match &star.e {
            Term::Var(e) if !rest.is_empty() => {
                self.fetch(next, star.source, &Operand::Var(*e), &rest).map(Some)
            }
            _ => Ok(Some(next)),
        }
    }

    /// Reaches the entities of a star by one of its attributes.
    fn drive(&mut self, state: &State, star: &StarUnit, attr: &UnitAttr) -> Result<Option<State>> {
        let e = if let Term::Var(e) = &star.e { Some(*e) } else { None };
        if let Term::Var(v) = attr.v
            && state.has(v)
        {
            return Ok(Some(self.reverse(state, star.source, attr, v, e)?));
        }
        if !self.is_base(state) {
            return Ok(None);
        }
        let stats = self.stats(star.source, attr)?;
        let mut next = state.clone();
        let db = self.planner.db(star.source)?;
        let (ranges, v, rows, reason) = match &attr.v {
            Term::Const(value) if !self.planner.switches.push_ranges => {
                let v = self.planner.fresh(None);
                return self.scan_and_test(state, star, attr, v, value).map(Some);
            }
            Term::Const(value) => {
                let ranges = point(value);
                let rows = facts_in(db, attr.attr, &ranges)?;
                let reason = "entities with that value are counted by the index".to_owned();
                (ranges, None, rows, reason)
            }
            Term::Var(v) => match self.ranges_of(*v).cloned() {
                Some(ranges) => {
                    let rows = facts_in(db, attr.attr, &ranges)?;
                    self.range_done(&mut next, *v);
                    let text = self.problem.ranges.get(v).map_or("", |(_, text)| text.as_str());
                    (ranges, Some(*v), rows, format!("{text} pushed down to a cursor range"))
                }
                None => (everything(), Some(*v), stats.facts, "the whole attribute".to_owned()),
            },
            Term::Blank => (everything(), None, stats.facts, "the whole attribute".to_owned()),
        };
        let loops = state.rows.max(1.0);
        let share = (rows / stats.facts.max(1.0)).min(1.0);
        let rows = match (e, v) {
            (None, None) => rows.min(1.0),
            (None, Some(_)) => (stats.values * share).min(rows),
            _ => rows,
        };
        let constant = matches!(attr.v, Term::Const(_));
        if let Some(e) = e {
            next.bind(e, if constant { rows } else { (stats.entities * share).max(1.0) });
        }
        if let Some(v) = v {
            next.bind(v, (stats.values * share).max(1.0));
        }
        next.clustered = v.or(e);
        let scan = Scan { source: star.source, attr: attr.attr, ranges, e, v, backward: self.backward };
        next.push(
            DraftOp::Op(Op::Scan(scan)),
            rows * loops,
            cost::SEEK + rows * loops * cost::SCAN_ROW,
            reason,
        );
        Ok(Some(next))
    }

    /// For plans without range push-down: the whole attribute, then a test.
    fn scan_and_test(
        &mut self,
        state: &State,
        star: &StarUnit,
        attr: &UnitAttr,
        v: VarId,
        value: &EncodedValue,
    ) -> Result<State> {
        let stats = self.stats(star.source, attr)?;
        let e = if let Term::Var(e) = &star.e { Some(*e) } else { None };
        let mut next = state.clone();
        let scan = Scan {
            source: star.source,
            attr: attr.attr,
            ranges: everything(),
            e,
            v: Some(v),
            backward: false,
        };
        next.push(DraftOp::Op(Op::Scan(scan)), stats.facts, stats.facts, "range push-down is off".to_owned());
        if let Some(e) = e {
            next.bind(e, stats.entities);
        }
        let text = value.decode().map_or_else(|_| String::new(), |value| format!("= {value}"));
        let test = InRanges { var: v, ranges: point(value), text };
        next.push(
            DraftOp::Op(Op::InRanges(test)),
            stats.fan_in(),
            stats.facts,
            "range push-down is off".to_owned(),
        );
        Ok(next)
    }

    /// From values to entities.
    fn reverse(
        &mut self,
        state: &State,
        source: SourceId,
        attr: &UnitAttr,
        v: VarId,
        e: Option<VarId>,
    ) -> Result<State> {
        let stats = self.stats(source, attr)?;
        let distinct = state.distinct(v);
        let found = (stats.values / distinct).min(1.0);
        let rows = state.rows * if e.is_some() { stats.fan_in() * found } else { found };
        let lookups = if state.clustered == Some(v) { distinct } else { state.rows };
        let by_cursor = lookups * cost::SEEK + state.rows * cost::ROW + rows * cost::SCAN_ROW;
        let by_memo = stats.facts * cost::MEMO_ROW + state.rows * cost::MEMO_PROBE + rows * cost::ROW;
        let (access, cost) = self.cheaper(by_cursor, by_memo);
        let reason = match access {
            Access::Cursor => format!("{} is bound: one AVE look-up per value", self.planner.name(v)),
            Access::Memo => {
                format!("{} is bound, so often that copying the attribute pays", self.planner.name(v))
            }
        };
        let mut next = state.clone();
        next.limit_distinct(v, stats.values);
        if let Some(e) = e {
            next.bind(e, stats.entities.min(rows));
        }
        next.clustered = state.clustered.filter(|clustered| *clustered == v);
        let reverse = Reverse { source, attr: attr.attr, v, e, access };
        next.push(DraftOp::Op(Op::Reverse(reverse)), rows, cost, reason);
        Ok(next)
    }

    fn cheaper(&self, by_cursor: f64, by_memo: f64) -> (Access, f64) {
        if self.planner.switches.memo && !self.lean && by_memo * self.planner.noise() < 0.8 * by_cursor {
            (Access::Memo, by_memo)
        } else {
            (Access::Cursor, by_cursor)
        }
    }

    /// Tests and fetches attributes of known entities.
    fn fetch(
        &mut self,
        mut state: State,
        source: SourceId,
        e: &Operand,
        attrs: &[UnitAttr],
    ) -> Result<State> {
        let mut tests = Vec::new();
        let mut rest = Vec::new();
        for attr in attrs {
            let is_test = match &attr.v {
                Term::Const(_) | Term::Blank => true,
                Term::Var(v) => state.has(*v) || Some(*v) == e.var(),
            };
            if is_test { tests.push(attr) } else { rest.push(attr) }
        }
        let lookups = match e {
            Operand::Const(_) => 1.0,
            Operand::Var(e) if state.clustered == Some(*e) => state.distinct(*e),
            Operand::Var(_) => state.rows,
        };
        tests = self.semi_joins(&mut state, source, e, tests, rest.is_empty(), lookups)?;
        if tests.is_empty() && rest.is_empty() {
            return Ok(state);
        }
        let mut star = Star { source, e: e.clone(), attrs: Vec::new(), access: Access::Cursor };
        let (rows_in, mut rows, mut memo_rows) = (state.rows, state.rows, 0.0);
        let mut indexed = true;
        for attr in tests.into_iter().chain(rest) {
            let stats = self.stats(source, attr)?;
            memo_rows += stats.facts;
            indexed &= attr.indexed;
            rows *= self.star_attr(&mut state, &mut star, attr, &stats)?;
        }
        if let Operand::Var(e) = e {
            let distinct = state.distinct(*e);
            state.limit_distinct(*e, distinct.min(rows.max(1.0)));
        }
        let shrink = (state.rows / rows_in.max(1.0)).min(1.0);
        let seeks = lookups * shrink.max(f64::MIN_POSITIVE);
        let touched = rows_in * cost::ROW + rows * star.attrs.len() as f64 * cost::VALUE;
        let by_cursor = seeks * cost::SEEK + touched;
        let by_memo =
            memo_rows * cost::MEMO_ROW + rows_in * star.attrs.len() as f64 * cost::MEMO_PROBE + touched;
        let (access, cost) =
            if indexed { self.cheaper(by_cursor, by_memo) } else { (Access::Cursor, by_cursor) };
        star.access = access;
        let reason = match (e, access) {
            (Operand::Const(_), _) => "one known entity".to_owned(),
            (Operand::Var(e), Access::Cursor) => {
                format!("{} is bound: one pass over its facts", self.planner.name(*e))
            }
            (Operand::Var(e), Access::Memo) => {
                format!("{} is bound, so often that copying the attribute pays", self.planner.name(*e))
            }
        };
        if star.attrs.iter().any(|attr| attr.out.is_some()) && rows > rows_in {
            state.clustered = state.clustered.or(e.var());
        }
        state.push(DraftOp::Op(Op::Star(star)), rows, cost, reason);
        Ok(state)
    }

    /// Adds one attribute to a star; returns the factor by which it changes the number of rows.
    fn star_attr(
        &mut self,
        state: &mut State,
        star: &mut Star,
        attr: &UnitAttr,
        stats: &AttrStats,
    ) -> Result<f64> {
        let db = self.planner.db(star.source)?;
        let entities = stats.entities.max(1.0);
        let have = star.e.var().map_or(1.0, |e| (entities / state.distinct(e)).min(1.0));
        let (test, out, factor) = match &attr.v {
            Term::Const(value) => {
                let facts =
                    if attr.indexed { facts_in(db, attr.attr, &point(value))? } else { stats.fan_in() };
                (Test::Equals(value.clone()), None, (facts / entities).min(1.0))
            }
            Term::Blank => (Test::Any, None, have),
            Term::Var(v) if state.has(*v) || star.attrs.iter().any(|other| other.out == Some(*v)) => {
                (Test::Var(*v), None, (stats.fan_out() / stats.values.max(1.0)).min(1.0))
            }
            Term::Var(v) if star.e.var() == Some(*v) => (Test::Var(*v), None, 1.0 / entities),
            Term::Var(v) => match self.ranges_of(*v).cloned() {
                Some(ranges) if attr.indexed => {
                    let share = (facts_in(db, attr.attr, &ranges)? / stats.facts.max(1.0)).min(1.0);
                    self.range_done(state, *v);
                    state.bind(*v, (stats.values * share).max(1.0));
                    (Test::In(ranges), Some(*v), stats.fan_out() * share)
                }
                _ => {
                    state.bind(*v, stats.values);
                    (Test::Any, Some(*v), stats.fan_out() * have)
                }
            },
        };
        star.attrs.push(StarAttr { attr: attr.attr, test, out });
        Ok(factor)
    }

    /// Replaces tests by bitmaps where that is cheaper; returns the others.
    fn semi_joins<'a>(
        &mut self,
        state: &mut State,
        source: SourceId,
        e: &Operand,
        tests: Vec<&'a UnitAttr>,
        only_tests: bool,
        lookups: f64,
    ) -> Result<Vec<&'a UnitAttr>> {
        let Operand::Var(entity) = e else { return Ok(tests) };
        if !self.planner.switches.semi_join || self.lean {
            return Ok(tests);
        }
        let db = self.planner.db(source)?;
        let mut left = Vec::new();
        let count = tests.len();
        for attr in tests {
            let Term::Const(value) = &attr.v else {
                left.push(attr);
                continue;
            };
            if !attr.indexed {
                left.push(attr);
                continue;
            }
            let stats = self.planner.attr_stats(source, attr.attr)?;
            let facts = facts_in(db, attr.attr, &point(value))?;
            let share = (facts / stats.entities.max(1.0)).min(1.0);
            let by_set = facts * cost::SET_ROW + state.rows * cost::SET_PROBE;
            let spared = if only_tests && count == 1 { 1.0 } else { 1.0 - share };
            if by_set * self.planner.noise() < lookups * cost::SEEK * spared {
                let rows = state.rows * share;
                state.limit_distinct(*entity, facts.max(1.0));
                let semi = SemiJoin { source, e: *entity, attr: attr.attr, ranges: point(value) };
                let reason =
                    format!("{facts:.0} entities as a bitmap are cheaper than {lookups:.0} look-ups");
                state.push(DraftOp::Op(Op::SemiJoin(semi)), rows, by_set, reason);
            } else {
                left.push(attr);
            }
        }
        Ok(left)
    }

    /// Binds the free end of an edge by intersecting it with all other edges to bound variables.
    fn intersections(&mut self, state: &State, number: usize, star: &StarUnit) -> Result<Vec<State>> {
        if !self.planner.switches.intersect || self.is_base(state) {
            return Ok(Vec::new());
        }
        let Some((var, first)) = self.edge(state, star) else { return Ok(Vec::new()) };
        let mut edges = vec![(number, first)];
        for (other, unit) in self.problem.units.iter().enumerate() {
            if other == number || state.done.contains(other) {
                continue;
            }
            if let UnitKind::Star(star) = &unit.kind
                && let Some((end, edge)) = self.edge(state, star)
                && end == var
            {
                edges.push((other, edge));
            }
        }
        if edges.len() < 2 || edges.iter().any(|(other, _)| *other < number) {
            return Ok(Vec::new());
        }
        let mut next = state.clone();
        let (mut factor, mut lists, mut memo, mut cursor) = (f64::MAX, 0.0, 0.0, 0.0);
        let mut shares = Vec::new();
        let mut values: f64 = f64::MAX;
        for (number, edge) in &edges {
            next.done.insert(*number);
            let stats = self.planner.attr_stats(edge.source, edge.attr)?;
            let (fan, domain) =
                if edge.forward { (stats.fan_out(), stats.values) } else { (stats.fan_in(), stats.entities) };
            factor = factor.min(fan);
            shares.push((fan / domain.max(1.0)).min(1.0));
            lists += fan;
            values = values.min(domain);
            memo += stats.facts * cost::MEMO_ROW;
            let distinct = state.distinct(edge.from);
            cursor += if state.clustered == Some(edge.from) { distinct } else { state.rows } * cost::SEEK;
        }
        shares.sort_by(f64::total_cmp);
        let chance: f64 = shares.iter().skip(1).product::<f64>().max(1e-3);
        let rows = state.rows * factor * chance;
        let walk = state.rows * (cost::MEMO_PROBE * edges.len() as f64 + lists * 0.5) + rows * cost::ROW;
        let (access, cost) = self.cheaper(cursor + walk, memo + walk);
        let edges = edges.into_iter().map(|(_, edge)| super::physical::Edge { access, ..edge }).collect();
        next.bind(var, values.min(rows.max(1.0)));
        next.clustered = None;
        let reason = format!("{} is adjacent to several bound variables", self.planner.name(var));
        next.push(DraftOp::Op(Op::Intersect(Intersect { var, edges })), rows, cost, reason);
        Ok(vec![next])
    }

    /// The free variable of a unit that is a single reference between a bound and a free variable.
    fn edge(&self, state: &State, star: &StarUnit) -> Option<(VarId, super::physical::Edge)> {
        let (Term::Var(e), [attr]) = (&star.e, &star.attrs[..]) else { return None };
        let Term::Var(v) = attr.v else { return None };
        if !attr.is_ref || !attr.indexed || self.problem.ranges.contains_key(&v) || *e == v {
            return None;
        }
        let edge = |from, forward| super::physical::Edge {
            source: star.source,
            attr: attr.attr,
            from,
            forward,
            access: Access::Cursor,
        };
        match (state.has(*e), state.has(v)) {
            (true, false) => Some((v, edge(*e, true))),
            (false, true) => Some((*e, edge(v, false))),
            _ => None,
        }
    }

    /// A pattern over an attribute of a registered type.
    fn typed(&mut self, state: &State, pattern: &Pattern, attr: &Attribute) -> Result<Vec<State>> {
        let mut next = state.clone();
        let terms = [&pattern.e, &Term::Blank, &pattern.v].map(|term| open_term(term, state));
        let known = |at: usize| matches!(terms[at], OpenTerm::Bound(_) | OpenTerm::Const(_));
        let db = self.planner.db(pattern.source)?;
        let facts = db.count(None, Some(attr.id), None)? as f64;
        let share = if pattern.within.is_some() { cost::PREDICATE } else { 1.0 };
        let (factor, each, reason) = match (known(0), known(2)) {
            (true, _) => (1.0, cost::SEEK, "the entity is bound"),
            (false, _) if attr.no_index => {
                let attribute = attr.ident.to_string();
                self.failure.get_or_insert(ExecError::Unindexed { attribute, span: pattern.span });
                return Ok(Vec::new());
            }
            (false, true) => (2.0, cost::SEEK, "the value is bound, and looked up by its order key"),
            (false, false) => (facts * share, facts * share, "values in the order of their keys"),
        };
        for term in &terms {
            if let OpenTerm::New(var) = term {
                next.bind(*var, facts);
            }
        }
        next.clustered = None;
        let within = pattern.within.clone().map_or_else(super::physical::everything, |range| [range].into());
        let op = Op::Open(OpenPattern { source: pattern.source, attr: Some(attr.id), terms, within });
        next.push(DraftOp::Op(op), state.rows * factor, state.rows * (each + factor), reason.to_owned());
        Ok(vec![next])
    }

    fn open(&mut self, state: &State, pattern: &Pattern) -> Result<Vec<State>> {
        if let AttrTerm::Const(attr) = pattern.a
            && let Some(attr) = self.planner.attribute(pattern.source, attr)?
        {
            return self.typed(state, pattern, attr);
        }
        let mut next = state.clone();
        let attribute = match &pattern.a {
            AttrTerm::Var(var) => Term::Var(*var),
            AttrTerm::Blank => Term::Blank,
            AttrTerm::Const(_) | AttrTerm::Unknown => {
                let vars = [&pattern.e, &pattern.v].into_iter();
                let vars = vars.filter_map(|term| if let Term::Var(var) = term { Some(*var) } else { None });
                let vars: Vec<VarId> = vars.filter(|var| !state.has(*var)).collect();
                vars.iter().for_each(|var| next.bind(*var, 0.0));
                next.push(
                    DraftOp::Op(Op::Nothing(vars)),
                    0.0,
                    0.0,
                    "the schema has no such attribute".to_owned(),
                );
                return Ok(vec![next]);
            }
        };
        let terms = [&pattern.e, &attribute, &pattern.v].map(|term| open_term(term, state));
        let known = |at: usize| matches!(terms[at], OpenTerm::Bound(_) | OpenTerm::Const(_));
        let db = self.planner.db(pattern.source)?;
        let facts = db.count(None, None, None)? as f64;
        let attributes = db.schema().iter().count() as f64;
        let (factor, each, reason) = match (known(0), known(1), known(2)) {
            (true, true, _) => (1.0, cost::SEEK, "the entity and the attribute are bound"),
            (true, ..) => (8.0, cost::SEEK, "the entity is bound"),
            (_, true, true) => (2.0, cost::SEEK, "the attribute and the value are bound"),
            (_, true, _) => {
                (facts / attributes.max(1.0), facts / attributes.max(1.0), "the attribute is bound")
            }
            (_, _, true) => (2.0, attributes * cost::SEEK, "the value is bound: every attribute is asked"),
            _ => (facts, facts * 2.0, "nothing is bound: all facts are read"),
        };
        for term in &terms {
            if let OpenTerm::New(var) = term {
                next.bind(*var, f64::MAX);
            }
        }
        next.clustered = None;
        let op = Op::Open(OpenPattern {
            source: pattern.source,
            attr: None,
            terms,
            within: super::physical::everything(),
        });
        next.push(DraftOp::Op(op), state.rows * factor, state.rows * (each + factor), reason.to_owned());
        Ok(vec![next])
    }

    fn tuples(&mut self, state: &State, tuple: &TuplePattern) -> Result<Vec<State>> {
        let terms: Vec<OpenTerm> = tuple.terms.iter().map(|term| self.known_term(term, state)).collect();
        let size = self.planner.tuples(tuple.source)? as f64;
        let bound =
            terms.iter().filter(|term| matches!(term, OpenTerm::Bound(_) | OpenTerm::Const(_))).count();
        let factor = size / (size.max(1.0).powf(bound as f64 / tuple.terms.len().max(1) as f64)).max(1.0);
        let mut next = state.clone();
        for term in &terms {
            if let OpenTerm::New(var) = term {
                next.bind(*var, size);
            }
        }
        let rows = state.rows * factor;
        let cost = size * cost::HASH_ROW + state.rows * cost::PROBE + rows * cost::ROW;
        let op = Op::Tuples(Tuples { source: tuple.source, terms, span: tuple.span });
        next.push(DraftOp::Op(op), rows, cost, format!("a collection of {size} tuples, hashed"));
        Ok(vec![next])
    }

    /// A term, with variables of known value as constants.
    fn known_term(&self, term: &Term, state: &State) -> OpenTerm {
        match term {
            Term::Var(var) => match self.problem.known.get(var) {
                Some(value) => OpenTerm::Const(value.clone()),
                None => open_term(term, state),
            },
            _ => open_term(term, state),
        }
    }

    pub(super) fn function(&mut self, state: &State, function: &FunctionClause) -> State {
        let mut next = state.clone();
        let mut factor = 1.0;
        if matches!(function.binding, Binding::Collection(_)) {
            factor *= cost::ELEMENTS;
        }
        function.binding.each_var(&mut |var| {
            if next.has(var) {
                factor *= cost::EQUALITY;
            } else {
                next.bind(var, f64::MAX);
            }
        });
        let apply = Apply { call: function.call.clone(), binding: function.binding.clone() };
        let rows = state.rows * factor;
        let reason = "its arguments are bound".to_owned();
        next.push(DraftOp::Op(Op::Apply(apply)), rows, state.rows * cost::CALL + rows * cost::ROW, reason);
        next
    }

    fn table(&mut self, state: &State, table: &super::atom::TableAtom) -> State {
        let terms: Vec<OpenTerm> = table.args.iter().map(|var| open_term(&Term::Var(*var), state)).collect();
        let bound = terms.iter().filter(|term| matches!(term, OpenTerm::Bound(_))).count();
        let size: f64 = if table.delta { 64.0 } else { 4096.0 };
        let factor = size.powf(1.0 - bound as f64 / terms.len().max(1) as f64);
        let mut next = state.clone();
        for var in &table.args {
            if !state.has(*var) {
                next.bind(*var, size);
            }
        }
        let rows = state.rows * factor;
        let what = if table.delta { "the rows of the last round" } else { "all rows so far" };
        let step = TableStep { table: table.table, delta: table.delta, terms };
        let cost = state.rows * cost::PROBE + rows * cost::ROW;
        next.push(DraftOp::Op(Op::Table(step)), rows, cost, format!("{what} of {}", table.name));
        next
    }
}

/// A term as seen by operators that take bound and free positions.
pub(super) fn open_term(term: &Term, state: &State) -> OpenTerm {
    match term {
        Term::Var(var) if state.has(*var) => OpenTerm::Bound(*var),
        Term::Var(var) => OpenTerm::New(*var),
        Term::Const(value) => OpenTerm::Const(value.clone()),
        Term::Blank => OpenTerm::Blank,
    }
}
