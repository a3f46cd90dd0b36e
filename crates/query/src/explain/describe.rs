//! From a physical plan to the lines of an explanation.

use std::ops::Bound;

use edn::Span;
use storage::{AttrId, ValueRange};

use super::tree::Node;
use crate::analyse::Analysed;
use crate::exec::{Measures, Source};
use crate::logical::{SourceId, VarId};
use crate::plan::{
    Access, Finish, IndexCall, Intersect, Op, OpenTerm, Operand, Pipeline, Plan, Reverse, Star, Step, Test,
};
use crate::rules::{Method, RuleProgram};

/// What descriptions look names up in.
pub(super) struct Describe<'a> {
    pub analysed: &'a Analysed,
    pub plan: &'a Plan,
    pub measures: Option<&'a Measures>,
}

impl Describe<'_> {
    /// The whole plan, its end first.
    pub fn plan(&self) -> Node {
        let finish = &self.plan.finish;
        if let Some(index) = &finish.index {
            let what = index.calls.iter().map(|call| match call {
                IndexCall::Datoms => "datoms",
                IndexCall::Values => "distinct values",
                IndexCall::First => "smallest value",
                IndexCall::Last => "largest value",
            });
            let place = format!("{}{}", self.attribute(index.source, index.attr), ranges(&index.ranges));
            let detail = format!("{} of {place}", what.collect::<Vec<_>>().join(", "));
            let detail = if index.by_value { format!("{detail}, by value") } else { detail };
            return Node {
                operator: "index aggregate",
                detail,
                reason: "the index knows, no rows are read".into(),
                ..Node::default()
            };
        }
        let mut node = self.pipeline(&self.plan.pipeline);
        if let Some(split) = finish.split {
            let detail = format!("from step {} on", split + 1);
            node = Node { operator: "threads", detail, children: vec![node], ..Node::default() };
        }
        for (operator, detail) in self.finish(finish) {
            node = Node { operator, detail, children: vec![node], ..Node::default() };
        }
        node
    }

    /// The steps after the pipeline, in the order in which they happen.
    fn finish(&self, finish: &Finish) -> Vec<(&'static str, String)> {
        let mut steps = Vec::new();
        if finish.distinct {
            steps.push(("distinct", self.vars(&finish.output)));
        }
        if let Some(aggregation) = &finish.aggregation {
            let calls =
                aggregation.calls.iter().map(|call| format!("{:?} {}", call.kind, self.var(call.var)));
            let group = match aggregation.group.is_empty() {
                true => String::new(),
                false => format!(" by {}", self.vars(&aggregation.group)),
            };
            steps.push((
                "aggregate",
                format!("{}{group}", calls.collect::<Vec<_>>().join(", ").to_lowercase()),
            ));
        }
        let order: Vec<String> = finish
            .order
            .iter()
            .map(|key| format!("{}{}", self.var(key.var), if key.descending { " desc" } else { "" }))
            .collect();
        match (finish.limit, order.is_empty()) {
            (Some(limit), false) if finish.ordered => {
                steps.push(("first", format!("{limit} by {}, read in this order", order.join(", "))));
            }
            (Some(limit), false) => steps.push(("top", format!("{limit} by {}", order.join(", ")))),
            (Some(limit), true) => steps.push(("limit", limit.to_string())),
            (None, false) => steps.push(("sort", order.join(", "))),
            (None, true) => {}
        }
        steps
    }

    fn pipeline(&self, pipeline: &Pipeline) -> Node {
        let mut node: Option<Node> = (!pipeline.input.is_empty()).then(|| Node {
            operator: "input",
            detail: self.vars(&pipeline.input),
            ..Node::default()
        });
        for step in &pipeline.steps {
            let mut next = self.step(step);
            if let Some(before) = node {
                next.children.insert(0, before);
            } else if !next.children.is_empty() {
                next.children.insert(0, Node { operator: "one row", ..Node::default() });
            }
            node = Some(next);
        }
        node.unwrap_or_else(|| Node { operator: "one row", ..Node::default() })
    }

    fn step(&self, step: &Step) -> Node {
        let (operator, detail) = self.operator(&step.op);
        let measure = self.measures.map(|measures| measures.get(step.id));
        Node {
            operator,
            detail,
            estimate: Some(step.rows),
            rows: measure.map(|measure| measure.rows),
            time: measure.map(|measure| measure.time),
            reason: step.reason.clone(),
            children: self.inner(&step.op),
        }
    }

    /// Build sides, bodies and rule bodies.
    fn inner(&self, op: &Op) -> Vec<Node> {
        match op {
            Op::HashJoin(join) => vec![self.pipeline(&join.build)],
            Op::Product(build) => vec![self.pipeline(build)],
            Op::Not(nested) | Op::Or(nested) => {
                nested.bodies.iter().map(|body| self.pipeline(body)).collect()
            }
            Op::Rule(rule) => self.program(&rule.program),
            _ => Vec::new(),
        }
    }

    fn program(&self, program: &RuleProgram) -> Vec<Node> {
        match &program.method {
            Method::Closure(_) => Vec::new(),
            Method::Rounds(rounds) => rounds
                .derivations
                .iter()
                .map(|derivation| {
                    let name = |table: usize| rounds.tables[table].name.clone();
                    let detail = match derivation.trigger {
                        Some(trigger) => {
                            format!("{} from new rows of {}", name(derivation.target), name(trigger))
                        }
                        None => format!("{} once", name(derivation.target)),
                    };
                    let body = self.pipeline(&derivation.pipeline);
                    Node { operator: "derive", detail, children: vec![body], ..Node::default() }
                })
                .collect(),
        }
    }

    fn operator(&self, op: &Op) -> (&'static str, String) {
        match op {
            Op::Constants(constants) => {
                let set =
                    constants.iter().map(|(var, value)| format!("{} = {}", self.var(*var), decoded(value)));
                ("constants", set.collect::<Vec<_>>().join(", "))
            }
            Op::Scan(scan) => {
                let place = self.attribute(scan.source, scan.attr);
                let columns = [scan.e, scan.v].map(|var| var.map_or("_".into(), |var| self.var(var)));
                let down = if scan.backward { ", largest first" } else { "" };
                ("AVE scan", format!("{place}{} [{} {}]{down}", ranges(&scan.ranges), columns[0], columns[1]))
            }
            Op::Star(star) => ("EAV merge scan", self.star(star)),
            Op::Reverse(reverse) => ("AVE lookup", self.reverse(reverse)),
            Op::Intersect(intersect) => ("intersect", self.intersect(intersect)),
            Op::Open(open) => match open.attr {
                Some(attr) => {
                    let place = self.attribute(open.source, attr);
                    let bounded = if open.within.iter().all(|range| range.is_all()) {
                        ""
                    } else {
                        " in a range of keys"
                    };
                    let [e, _, v] = open.terms.clone();
                    ("typed scan", format!("{place}{bounded} {}", self.terms(&[e, v])))
                }
                None => ("open scan", self.terms(&open.terms)),
            },
            Op::Tuples(tuples) => ("tuples", self.terms(&tuples.terms)),
            Op::SemiJoin(semi) => {
                let place = self.attribute(semi.source, semi.attr);
                ("semi-join", format!("{} in entities of {place}{}", self.var(semi.e), ranges(&semi.ranges)))
            }
            Op::HashJoin(join) => ("hash join", format!("on {}", self.vars(&join.on))),
            Op::Product(_) => ("product", String::new()),
            Op::Filter(call) => ("filter", self.text(call.span)),
            Op::InRanges(test) => {
                ("filter", format!("{}{} {}", self.var(test.var), ranges(&test.ranges), test.text))
            }
            Op::Equal(left, right) => ("filter", format!("{} = {}", self.var(*left), self.var(*right))),
            Op::Apply(apply) => ("apply", self.text(apply.call.span)),
            Op::Not(nested) => ("anti-join", format!("on {}", self.vars(&nested.seeds))),
            Op::Or(nested) => ("union", self.vars(&nested.answers)),
            Op::Rule(rule) => {
                let method = match rule.program.method {
                    Method::Closure(_) => "breadth-first",
                    Method::Rounds(_) => "semi-naive",
                };
                ("rule", format!("{} {} {method}", rule.program.label, self.vars(&rule.args)))
            }
            Op::Table(table) => (
                if table.delta { "new rows" } else { "table" },
                format!("#{} {}", table.table, self.terms(&table.terms)),
            ),
            Op::Distinct => ("distinct", String::new()),
            Op::Nothing(_) => ("nothing", String::new()),
        }
    }

    fn star(&self, star: &Star) -> String {
        let entity = match &star.e {
            Operand::Var(var) => self.var(*var),
            Operand::Const(value) => decoded(value),
        };
        let attrs = star.attrs.iter().map(|attr| {
            let test = match &attr.test {
                Test::Any => String::new(),
                Test::Equals(value) => format!(" = {}", decoded(value)),
                Test::Var(var) => format!(" = {}", self.var(*var)),
                Test::In(allowed) => ranges(allowed),
            };
            let out = attr.out.map_or(String::new(), |var| format!(" {}", self.var(var)));
            format!("{}{test}{out}", self.attribute(star.source, attr.attr))
        });
        format!("{entity}: {}{}", attrs.collect::<Vec<_>>().join(", "), memo(star.access))
    }

    fn reverse(&self, reverse: &Reverse) -> String {
        let entity = reverse.e.map_or("_".into(), |var| self.var(var));
        let place = self.attribute(reverse.source, reverse.attr);
        format!("{place} {} <- {entity}{}", self.var(reverse.v), memo(reverse.access))
    }

    fn intersect(&self, intersect: &Intersect) -> String {
        let edges = intersect.edges.iter().map(|edge| {
            let arrow = if edge.forward { "->" } else { "<-" };
            format!(
                "{} {} {arrow}{}",
                self.var(edge.from),
                self.attribute(edge.source, edge.attr),
                memo(edge.access)
            )
        });
        format!("{} of {}", self.var(intersect.var), edges.collect::<Vec<_>>().join(", "))
    }

    fn terms(&self, terms: &[OpenTerm]) -> String {
        let terms = terms.iter().map(|term| match term {
            OpenTerm::Bound(var) | OpenTerm::New(var) => self.var(*var),
            OpenTerm::Const(value) => decoded(value),
            OpenTerm::Blank => "_".into(),
        });
        format!("[{}]", terms.collect::<Vec<_>>().join(" "))
    }

    fn attribute(&self, source: SourceId, attr: AttrId) -> String {
        let ident = match &self.analysed.sources[usize::from(source.0)] {
            Source::Db(db) => db.schema().by_id(attr).map(|attribute| attribute.ident.to_string()),
            Source::Tuples(_) => None,
        };
        let ident = ident.unwrap_or_else(|| format!("#{}", attr.0));
        let named =
            self.analysed.source_names.iter().find(|(name, id)| **id == source && name.as_str() != "$");
        named.map_or(ident.clone(), |(name, _)| format!("{name} {ident}"))
    }

    fn var(&self, var: VarId) -> String {
        self.plan.names.get(var.0 as usize).map_or_else(|| format!("?{}", var.0), ToString::to_string)
    }

    fn vars(&self, vars: &[VarId]) -> String {
        vars.iter().map(|var| self.var(*var)).collect::<Vec<_>>().join(" ")
    }

    /// The clause as it was written.
    fn text(&self, span: Span) -> String {
        let found = self.analysed.text.locate(span);
        found.and_then(|(text, span)| text.get(span.start..span.end)).unwrap_or_default().to_owned()
    }
}

fn memo(access: Access) -> &'static str {
    match access {
        Access::Cursor => "",
        Access::Memo => " (from memory)",
    }
}

fn decoded(value: &[u8]) -> String {
    let text = storage::decode(value).map_or_else(|_| "?".into(), |value| value.to_string());
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text,
    }
}

/// Value ranges in mathematical notation; nothing where every value is meant, a point as `= value`.
fn ranges(ranges: &[ValueRange]) -> String {
    let shown: Vec<String> = ranges.iter().filter(|range| !range.is_all()).map(range).collect();
    match shown.len() {
        0 => String::new(),
        1..=4 => format!(" {}", shown.join(" or ")),
        more => format!(" {} or {} more", shown[..3].join(" or "), more - 3),
    }
}

fn range(range: &ValueRange) -> String {
    if let Some(point) = range.as_point() {
        return format!("= {}", decoded(point));
    }
    let low = match &range.lo {
        Bound::Included(value) => format!("[{}", decoded(value)),
        Bound::Excluded(value) => format!("({}", decoded(value)),
        Bound::Unbounded => "(..".into(),
    };
    let high = match &range.hi {
        Bound::Included(value) => format!("{}]", decoded(value)),
        Bound::Excluded(value) => format!("{})", decoded(value)),
        Bound::Unbounded => "..)".into(),
    };
    format!("{low}, {high}")
}
