//! A plan with other constants: each constant of a plan stands in the program that it was made for, and is replaced by
//! the one at the same place of a program of the same shape.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use edn::Value;
use storage::{EncodedValue, ValueRange};

use super::outline::{Constant, Outline};
use crate::logical::{Arg, Call};
use crate::plan::{Op, OpenTerm, Operand, Pipeline, Plan, Ranges, Test};

/// New constants by old ones.
pub(super) struct Replacements<'a> {
    encoded: HashMap<&'a EncodedValue, &'a EncodedValue>,
    plain: HashMap<&'a Value, &'a Value>,
    unknown: bool,
}

impl<'a> Replacements<'a> {
    /// What leads from the constants of one program to those of another one of the same shape. `None` if two places
    /// that had the same constant now have different ones: the plan does not say which of them it means.
    pub fn between(old: &'a Outline, new: &'a Outline) -> Option<Self> {
        let mut all = Self { encoded: HashMap::new(), plain: HashMap::new(), unknown: false };
        for (old, new) in old.constants.iter().zip(&new.constants) {
            let same = match (old, new) {
                (Constant::Encoded(old), Constant::Encoded(new)) => {
                    *all.encoded.entry(old).or_insert(new) == new
                }
                (Constant::Plain(old), Constant::Plain(new)) => *all.plain.entry(old).or_insert(new) == new,
                _ => false,
            };
            if !same {
                return None;
            }
        }
        Some(all)
    }

    /// Replaces the constants of a plan; false if one of them does not come from the program.
    pub fn apply(mut self, plan: &mut Plan) -> bool {
        self.pipeline(&mut plan.pipeline);
        if let Some(index) = &mut plan.finish.index {
            self.ranges(&mut index.ranges);
        }
        !self.unknown
    }

    fn pipeline(&mut self, pipeline: &mut Pipeline) {
        pipeline.steps.iter_mut().for_each(|step| self.op(&mut step.op));
    }

    fn op(&mut self, op: &mut Op) {
        match op {
            Op::Constants(constants) => constants.iter_mut().for_each(|(_, value)| self.value(value)),
            Op::Scan(scan) => self.ranges(&mut scan.ranges),
            Op::Star(star) => {
                if let Operand::Const(value) = &mut star.e {
                    self.value(value);
                }
                for attr in &mut star.attrs {
                    match &mut attr.test {
                        Test::Equals(value) => self.value(value),
                        Test::In(ranges) => self.ranges(ranges),
                        Test::Any | Test::Var(_) => {}
                    }
                }
            }
            Op::Open(open) => {
                self.terms(&mut open.terms);
                self.ranges(&mut open.within);
            }
            Op::Tuples(tuples) => self.terms(&mut tuples.terms),
            Op::Table(table) => self.terms(&mut table.terms),
            Op::SemiJoin(semi) => self.ranges(&mut semi.ranges),
            Op::HashJoin(join) => self.pipeline(&mut join.build),
            Op::Product(build) => self.pipeline(build),
            Op::Filter(call) => self.call(call),
            Op::Apply(apply) => self.call(&mut apply.call),
            Op::InRanges(test) => self.ranges(&mut test.ranges),
            Op::Not(nested) | Op::Or(nested) => {
                nested.bodies.iter_mut().for_each(|body| self.pipeline(body));
            }
            Op::Rule(rule) => {
                Arc::make_mut(&mut rule.program).each_pipeline(&mut |pipeline| self.pipeline(pipeline));
            }
            Op::Reverse(_) | Op::Intersect(_) | Op::Equal(..) | Op::Distinct | Op::Nothing(_) => {}
        }
    }

    fn value(&mut self, value: &mut EncodedValue) {
        match self.encoded.get(value) {
            Some(new) => *value = (*new).clone(),
            None => self.unknown = true,
        }
    }

    fn terms(&mut self, terms: &mut [OpenTerm]) {
        for term in terms {
            if let OpenTerm::Const(value) = term {
                self.value(value);
            }
        }
    }

    fn ranges(&mut self, ranges: &mut Ranges) {
        if ranges.iter().all(ValueRange::is_all) {
            return;
        }
        let mut replaced = ranges.to_vec();
        for bound in replaced.iter_mut().flat_map(|range| [&mut range.lo, &mut range.hi]) {
            if let Bound::Included(value) | Bound::Excluded(value) = bound {
                self.value(value);
            }
        }
        *ranges = replaced.into();
    }

    fn call(&mut self, call: &mut Call) {
        for arg in &mut call.args {
            match arg {
                Arg::Const(value) => match self.plain.get(value) {
                    Some(new) => *value = (*new).clone(),
                    None => self.unknown = true,
                },
                Arg::Call(call) => self.call(call),
                Arg::Var(_) | Arg::Source(_) | Arg::InputFunction(_) => {}
            }
        }
    }
}
