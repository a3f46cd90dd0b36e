//! The counts that a plan relies on, so that a kept plan is given up when the data has changed under it.

use storage::AttrId;

use crate::exec::{Result, Source};
use crate::logical::SourceId;
use crate::plan::{Op, Pipeline, Plan, Ranges, Test, facts_in};

/// An attribute may grow or shrink by this factor before plans over it are made anew. Costs are proportional to
/// counts, so a plan that was the cheapest is at most about so much away from the one that is now.
const ATTRIBUTE_DRIFT: f64 = 2.0;
/// The same for the facts with one value or in one range. These differ from input to input, and planning for each of
/// them would be what preparing is there to avoid; a plan for a value with 8 times as many facts is still a good one
/// unless joins change places, which takes more than the factor between a look-up and a scanned row.
const RANGE_DRIFT: f64 = 8.0;
/// Below this many facts any plan is quick.
const FEW: f64 = 256.0;

/// What was counted for a plan.
#[derive(Debug, Default)]
pub(super) struct Facts {
    attributes: Vec<(SourceId, AttrId, f64)>,
    ranges: Vec<f64>,
    /// Tuples of collections, and rows of the input.
    sizes: Vec<f64>,
}

impl Facts {
    /// Counts what `plan` reads.
    pub fn of(plan: &Plan, sources: &[Source], input_rows: usize) -> Result<Self> {
        let mut facts = Self { sizes: vec![input_rows as f64], ..Self::default() };
        for source in sources {
            if let Source::Tuples(tuples) = source {
                facts.sizes.push(tuples.len() as f64);
            }
        }
        facts.pipeline(&plan.pipeline, sources)?;
        Ok(facts)
    }

    /// Whether a plan made for these counts is still good where `now` is counted.
    pub fn still_hold(&self, now: &Self) -> bool {
        let near = |a: f64, b: f64, drift: f64| {
            let (less, more) = if a < b { (a, b) } else { (b, a) };
            more <= less * drift || more <= FEW
        };
        let pairs = |a: &[f64], b: &[f64], drift: f64| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(*a, *b, drift))
        };
        let attributes = self.attributes.len() == now.attributes.len()
            && self.attributes.iter().zip(&now.attributes).all(|(a, b)| near(a.2, b.2, ATTRIBUTE_DRIFT));
        attributes
            && pairs(&self.ranges, &now.ranges, RANGE_DRIFT)
            && pairs(&self.sizes, &now.sizes, RANGE_DRIFT)
    }

    fn pipeline(&mut self, pipeline: &Pipeline, sources: &[Source]) -> Result<()> {
        for step in &pipeline.steps {
            match &step.op {
                Op::Scan(scan) => {
                    self.attribute(scan.source, scan.attr, sources)?;
                    self.range(scan.source, scan.attr, &scan.ranges, sources)?;
                }
                Op::Star(star) => {
                    for attr in &star.attrs {
                        self.attribute(star.source, attr.attr, sources)?;
                        if let Test::In(ranges) = &attr.test {
                            self.range(star.source, attr.attr, ranges, sources)?;
                        }
                    }
                }
                Op::Reverse(reverse) => self.attribute(reverse.source, reverse.attr, sources)?,
                Op::Intersect(intersect) => {
                    for edge in &intersect.edges {
                        self.attribute(edge.source, edge.attr, sources)?;
                    }
                }
                Op::SemiJoin(semi) => {
                    self.attribute(semi.source, semi.attr, sources)?;
                    self.range(semi.source, semi.attr, &semi.ranges, sources)?;
                }
                Op::HashJoin(join) => self.pipeline(&join.build, sources)?,
                Op::Product(build) => self.pipeline(build, sources)?,
                Op::Not(nested) | Op::Or(nested) => {
                    nested.bodies.iter().try_for_each(|body| self.pipeline(body, sources))?;
                }
                Op::Rule(rule) => {
                    let mut result = Ok(());
                    rule.program.each_pipeline_ref(&mut |pipeline| {
                        if result.is_ok() {
                            result = self.pipeline(pipeline, sources);
                        }
                    });
                    result?;
                }
                Op::Constants(_)
                | Op::Open(_)
                | Op::Tuples(_)
                | Op::Filter(_)
                | Op::InRanges(_)
                | Op::Equal(..)
                | Op::Apply(_)
                | Op::Table(_)
                | Op::Distinct
                | Op::Nothing(_) => {}
            }
        }
        Ok(())
    }

    fn attribute(&mut self, source: SourceId, attr: AttrId, sources: &[Source]) -> Result<()> {
        if self.attributes.iter().any(|known| (known.0, known.1) == (source, attr)) {
            return Ok(());
        }
        let Some(Source::Db(db)) = sources.get(usize::from(source.0)) else { return Ok(()) };
        let is_indexed = db.schema().by_id(attr).is_some_and(|attribute| !attribute.no_index);
        let facts = if is_indexed { db.count(None, Some(attr), None)? as f64 } else { db.max_eid().0 as f64 };
        self.attributes.push((source, attr, facts));
        Ok(())
    }

    fn range(&mut self, source: SourceId, attr: AttrId, ranges: &Ranges, sources: &[Source]) -> Result<()> {
        /// Ranges that are counted; of long lists of points the first ones have to do.
        const COUNTED: usize = 16;
        let Some(Source::Db(db)) = sources.get(usize::from(source.0)) else { return Ok(()) };
        let is_indexed = db.schema().by_id(attr).is_some_and(|attribute| !attribute.no_index);
        let all = ranges.iter().all(storage::ValueRange::is_all);
        self.ranges.push(if all || !is_indexed {
            0.0
        } else {
            facts_in(db, attr, &ranges[..ranges.len().min(COUNTED)])?
        });
        Ok(())
    }
}
