//! Actual rows and times per step, for `explain analyze`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::plan::StepId;

/// One slot per step of a plan, filled by all threads.
#[derive(Debug, Default)]
pub struct Measures {
    steps: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    rows: AtomicU64,
    batches: AtomicU64,
    nanos: AtomicU64,
}

/// What was measured of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Rows handed on.
    pub rows: u64,
    /// Batches handed on.
    pub batches: u64,
    /// Time spent inside the operator, summed over threads; that of nested pipelines is included.
    pub time: Duration,
}

impl Measures {
    /// Slots for a plan of `steps` steps.
    pub fn new(steps: u32) -> Self {
        Self { steps: (0..steps).map(|_| Slot::default()).collect() }
    }

    /// Adds to the account of a step.
    pub fn add(&self, step: StepId, rows: Option<usize>, time: Duration) {
        if let Some(slot) = self.steps.get(step.0 as usize) {
            if let Some(rows) = rows {
                slot.rows.fetch_add(rows as u64, Ordering::Relaxed);
                slot.batches.fetch_add(1, Ordering::Relaxed);
            }
            slot.nanos.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// The account of a step.
    pub fn get(&self, step: StepId) -> Measure {
        self.steps.get(step.0 as usize).map_or_else(Measure::default, |slot| Measure {
            rows: slot.rows.load(Ordering::Relaxed),
            batches: slot.batches.load(Ordering::Relaxed),
            time: Duration::from_nanos(slot.nanos.load(Ordering::Relaxed)),
        })
    }
}
