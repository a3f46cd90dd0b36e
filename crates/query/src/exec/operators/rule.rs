//! A call of a recursive rule: the rule's program answers the distinct bindings of the call's bound arguments.

use super::Shape;
use super::nested::Seeded;
use crate::exec::context::Scope;
use crate::plan::RuleStep;

pub(super) fn call<'s>(plan: &RuleStep, shape: Shape, scope: &Scope<'s>) -> Seeded<'s> {
    Seeded::rule(&plan.program, &plan.seeds, &plan.args, shape, scope)
}
