//! Answers that are handed on while the query runs.
//!
//! ```text
//! Query + inputs --> Logical --> Plan --exec::Rows--> batch --decode, skip, cut, pull--> each(rows) --> batch --> ..
//!                                  '---- sorts or aggregates: the whole result, then each(rows) in parts
//! ```

use std::ops::ControlFlow;

use edn::Value;

use crate::analyse::Warning;
use crate::ast::{FindElement, FindShape, Query};
use crate::error::Result;
use crate::exec::{Rows, can_stream};
use crate::input::Input;
use crate::options::QueryOptions;
use crate::prepared::Slot;
use crate::run::{Ready, execute};
use crate::shape::Shaped;

/// Rows that are handed on at once where all of them are known.
const PART: usize = 1024;

/// What takes the rows, and says whether it wants more.
type Each<'e> = &'e mut dyn FnMut(Vec<Vec<Value>>) -> ControlFlow<()>;

/// Answers a query batch by batch; see [`Prepared::for_each_batch`](crate::Prepared::for_each_batch).
pub(crate) fn for_each_batch(
    query: &Query,
    inputs: &[Input],
    options: &QueryOptions,
    slot: Option<&Slot>,
    mut each: impl FnMut(Vec<Vec<Value>>) -> ControlFlow<()>,
) -> Result<Vec<Warning>> {
    let run = |ready: Ready<'_>| {
        if is_plain(query) && can_stream(ready.plan) {
            batches(ready, &mut each)
        } else {
            parts(ready, &mut each)
        }
    };
    Ok(execute(query, inputs, options, slot, None, run)?.1)
}

/// Whether each row of execution is a row of the result, whatever the others are.
fn is_plain(query: &Query) -> bool {
    let plain = |element: &FindElement| matches!(element, FindElement::Variable(_) | FindElement::Pull(_));
    query.order_by.is_empty() && query.having.is_empty() && query.find.elements.iter().all(plain)
}

/// Runs the plan, and hands its rows on as they come.
fn batches(ready: Ready<'_>, each: Each<'_>) -> Result<Shaped> {
    let Ready { shaper, run, plan, input, execution } = ready;
    let bounds = shaper.bounds()?;
    let (mut skip, mut left) = match shaper.query.find.shape {
        FindShape::Relation => (bounds.offset, bounds.limit.unwrap_or(usize::MAX)),
        FindShape::Collection => (0, usize::MAX),
        FindShape::Scalar | FindShape::Tuple => (0, 1),
    };
    let mut warnings = Vec::new();
    let mut source =
        Rows::open(run, plan, input, execution, shaper.budget).map_err(|error| shaper.fail(error))?;
    while left > 0
        && let Some(relation) = source.next_batch().map_err(|error| shaper.fail(error))?
    {
        let mut rows = shaper.plain(&relation)?;
        let skipped = skip.min(rows.len());
        rows.drain(..skipped);
        skip -= skipped;
        rows.truncate(left);
        left -= rows.len();
        let before = shaper.budget.bytes();
        let of_pulls = shaper.pull(&mut rows)?;
        let pulled = shaper.budget.bytes().saturating_sub(before);
        for warning in of_pulls {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        if !rows.is_empty() && each(rows).is_break() {
            break;
        }
        // They are no longer ours.
        shaper.budget.release(shaper.decoded_bytes(relation.len()) + pulled);
    }
    Ok((Vec::new(), warnings))
}

/// Makes the whole result, and hands it on in parts.
fn parts(ready: Ready<'_>, each: Each<'_>) -> Result<Shaped> {
    let shaper = ready.shaper;
    let (rows, warnings) = ready.collect()?;
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        shaper.budget.poll(0).map_err(|error| shaper.fail(error))?;
        if each(rows.by_ref().take(PART).collect()).is_break() {
            break;
        }
    }
    Ok((Vec::new(), warnings))
}
