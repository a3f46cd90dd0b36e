//! Strata: rules are put in an order in which negated rules are finished before they are asked for.
//!
//! ```text
//! reach -> reach          stratum 0, recursive
//! sink -> not reach       stratum 1
//! win -> not win          no order: an error that names the cycle
//! ```

use std::collections::VecDeque;

use edn::Span;

use super::Result;
use super::error::AnalyseError;
use super::safety::RuleShape;

/// What follows from the calls of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stratum {
    pub number: usize,
    pub recursive: bool,
}

/// A call from one rule to another.
#[derive(Clone, Copy)]
struct Call {
    to: usize,
    negated: bool,
    span: Span,
}

/// The stratum of each rule.
pub(super) fn stratify(rules: &[RuleShape]) -> Result<Vec<Stratum>> {
    let calls: Vec<Vec<Call>> = rules.iter().map(calls_of).collect();
    let components = components(&calls);
    let mut strata = vec![Stratum::default(); rules.len()];
    // Components come callees first, so what a component calls is settled before it.
    for (number, component) in components.members.iter().enumerate() {
        let mut stratum = Stratum { number: 0, recursive: component.len() > 1 };
        for from in component {
            for call in &calls[*from] {
                let inside = components.of[call.to] == number;
                if inside && call.negated {
                    return Err(unstratifiable(rules, &calls, &components.of, *from, call));
                }
                stratum.recursive |= inside;
                if !inside {
                    stratum.number = stratum.number.max(strata[call.to].number + usize::from(call.negated));
                }
            }
        }
        component.iter().for_each(|rule| strata[*rule] = stratum);
    }
    Ok(strata)
}

fn calls_of(rule: &RuleShape) -> Vec<Call> {
    let mut calls = Vec::new();
    for branch in &rule.branches {
        branch.body.each_rule_call(false, &mut |call, negated| {
            calls.push(Call { to: call.rule.0 as usize, negated, span: call.span });
        });
    }
    calls
}

/// The strongly connected components of the calls.
struct Components {
    /// The rules of each, callees before callers.
    members: Vec<Vec<usize>>,
    /// The component of each rule.
    of: Vec<usize>,
}

/// Tarjan's algorithm with a stack of its own, so that long chains of rules cost no call stack.
fn components(calls: &[Vec<Call>]) -> Components {
    const UNSEEN: usize = usize::MAX;
    let mut index = vec![UNSEEN; calls.len()];
    let mut low = vec![UNSEEN; calls.len()];
    let mut found = Components { members: Vec::new(), of: vec![UNSEEN; calls.len()] };
    let mut open = Vec::new();
    let mut next = 0;
    for root in 0..calls.len() {
        if index[root] != UNSEEN {
            continue;
        }
        // A rule, and how many of its calls have been followed.
        let mut path = vec![(root, 0)];
        while let Some((rule, followed)) = path.pop() {
            if followed == 0 {
                index[rule] = next;
                low[rule] = next;
                next += 1;
                open.push(rule);
            } else {
                low[rule] = low[rule].min(low[calls[rule][followed - 1].to]);
            }
            let unseen = (followed..calls[rule].len()).find(|at| {
                let to = calls[rule][*at].to;
                if found.of[to] == UNSEEN && index[to] != UNSEEN {
                    low[rule] = low[rule].min(index[to]);
                }
                index[to] == UNSEEN
            });
            if let Some(at) = unseen {
                path.push((rule, at + 1));
                path.push((calls[rule][at].to, 0));
            } else if low[rule] == index[rule] {
                let at = open.iter().rposition(|other| *other == rule).unwrap_or(0);
                let members = open.split_off(at);
                members.iter().for_each(|member| found.of[*member] = found.members.len());
                found.members.push(members);
            }
        }
    }
    found
}

/// The error for a negated call inside a component, with the shortest way back to the caller.
fn unstratifiable(
    rules: &[RuleShape],
    calls: &[Vec<Call>],
    component: &[usize],
    from: usize,
    negated: &Call,
) -> AnalyseError {
    let mut came_from = vec![None; rules.len()];
    let mut queue = VecDeque::from([negated.to]);
    while let Some(rule) = queue.pop_front() {
        if rule == from {
            break;
        }
        for call in &calls[rule] {
            let fresh = came_from[call.to].is_none() && call.to != negated.to;
            if fresh && component[call.to] == component[from] {
                came_from[call.to] = Some(rule);
                queue.push_back(call.to);
            }
        }
    }
    let mut back = vec![from];
    while let Some(before) = came_from[*back.last().unwrap_or(&from)] {
        back.push(before);
    }
    // `back` leads from the caller to the negated rule; the cycle is told in the direction of the calls.
    let mut cycle = vec![rules[from].name.clone()];
    cycle.extend(back.iter().rev().filter(|rule| **rule != from).map(|rule| rules[*rule].name.clone()));
    AnalyseError::Unstratifiable { cycle, span: negated.span }
}
