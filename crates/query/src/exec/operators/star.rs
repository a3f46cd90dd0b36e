//! EAV merge scan: several attributes of known entities, tested and fetched in one pass.
//!
//! ```text
//! incoming rows   e: 7 3 7 9        distinct, ascending: 3 7 9  --one pass over EAV-->  values of each attribute
//!                                          |                                               |
//!                 rows of entity 7: 0, 2  <+-----------------------------------------------+   filter, expand
//! ```

use std::sync::Arc;

use storage::{AttrId, Cardinality, Db, EavCursor};

use super::Shape;
use super::entities::{Entities, NONE};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::cell::Cell;
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::memo::Memo;
use crate::exec::pipeline::Operator;
use crate::exec::ranges::in_ranges;
use crate::plan::{Access, Operand, Ranges, Star, StarAttr, Test};

/// Outgoing rows after which expansion pauses.
const ROWS_OUT: usize = 4 * BATCH_ROWS;

pub(super) struct MergeScan<'s> {
    cursor: EavCursor<'s>,
    shape: Shape,
    entity: EntityFrom,
    attrs: Vec<Attr<'s>>,
    /// The attributes of the merge scan, ascending, and for each the positions in `attrs` that want it.
    scanned: Vec<AttrId>,
    wanted: Vec<Vec<usize>>,
    /// Whether all attributes come from memory, where the order of entities does not matter.
    scattered: bool,
    pending: Option<Pending<'s>>,
}

enum EntityFrom {
    Slot(usize),
    Const(Option<u64>),
}

/// One attribute with its condition, resolved to columns.
struct Attr<'s> {
    attr: AttrId,
    test: TestOf,
    /// Position among the fresh columns.
    out: Option<usize>,
    /// Whether values are collected: because they are handed on, or because a later attribute must equal them.
    fetch: bool,
    way: Way<'s>,
}

enum TestOf {
    Any,
    Equals(Vec<u8>),
    In(Ranges),
    Slot(usize),
    /// Equal to what an earlier attribute of the star fetched: its position in `attrs`.
    Fetched(usize),
}

impl TestOf {
    /// Whether a value passes, as far as that does not depend on the row.
    fn allows(&self, value: &[u8]) -> bool {
        match self {
            Self::Any | Self::Slot(_) | Self::Fetched(_) => true,
            Self::Equals(wanted) => wanted == value,
            Self::In(ranges) => in_ranges(ranges, value),
        }
    }

    fn by_row(&self) -> bool {
        matches!(self, Self::Slot(_) | Self::Fetched(_))
    }
}

/// How the facts of one attribute are reached.
enum Way<'s> {
    /// With all others in the merge scan.
    Scan,
    /// One look for the exact fact: for attributes with many values of which none is fetched.
    Probe,
    /// In the copy of the attribute.
    Memo(Arc<Memo<'s>>),
}

/// A batch in work.
struct Pending<'s> {
    batch: Batch<'s>,
    entities: Entities,
    lists: Vec<Lists<'s>>,
    row: usize,
}

/// What was found of one attribute.
enum Lists<'s> {
    /// Values of entity `i`: `starts[i]..starts[i + 1]`.
    Own { starts: Vec<u32>, values: Column<'s> },
    /// Values of entity `i` in the attribute's memo.
    Memo { ranges: Vec<std::ops::Range<usize>>, memo: Arc<Memo<'s>> },
    /// Whether entity `i` has a matching value.
    Flags(Vec<bool>),
    /// The same by row, because the wanted value differs by row.
    RowFlags(Vec<bool>),
}

impl<'s> Lists<'s> {
    fn range(&self, entity: usize) -> std::ops::Range<usize> {
        match self {
            Self::Own { starts, .. } => starts[entity] as usize..starts[entity + 1] as usize,
            Self::Memo { ranges, .. } => ranges[entity].clone(),
            Self::Flags(_) | Self::RowFlags(_) => 0..1,
        }
    }

    fn values(&self) -> Option<&Column<'s>> {
        match self {
            Self::Own { values, .. } => Some(values),
            Self::Memo { memo, .. } => Some(&memo.values),
            Self::Flags(_) | Self::RowFlags(_) => None,
        }
    }
}

impl<'s> MergeScan<'s> {
    pub(super) fn open(plan: &Star, shape: Shape, context: &Context<'s, '_>) -> Result<Self> {
        let db = context.db(plan.source)?;
        let entity = match &plan.e {
            Operand::Var(var) => EntityFrom::Slot(shape.slot(*var)),
            Operand::Const(value) => {
                EntityFrom::Const(value.as_int().and_then(|int| u64::try_from(int).ok()))
            }
        };
        let mut attrs = Vec::with_capacity(plan.attrs.len());
        for (position, attr) in plan.attrs.iter().enumerate() {
            let memo = match plan.access {
                Access::Memo => Some(context.memos.attribute(context, plan.source, attr.attr, true)?),
                Access::Cursor => None,
            };
            attrs.push(resolve(plan, position, &shape, db, memo));
        }
        let mut scanned: Vec<AttrId> =
            attrs.iter().filter(|attr| matches!(attr.way, Way::Scan)).map(|attr| attr.attr).collect();
        scanned.sort_unstable();
        scanned.dedup();
        let wanting = |id: &AttrId| {
            let wants = |attr: &Attr<'_>| attr.attr == *id && matches!(attr.way, Way::Scan);
            (0..attrs.len()).filter(|position| wants(&attrs[*position])).collect()
        };
        let wanted = scanned.iter().map(wanting).collect();
        let scattered = attrs.iter().all(|attr| matches!(attr.way, Way::Memo(_)));
        Ok(Self { cursor: db.eav(), shape, entity, attrs, scanned, wanted, scattered, pending: None })
    }

    /// Reads what the attributes hold for the entities of a batch.
    fn prepare(&mut self, batch: Batch<'s>) -> Result<Pending<'s>> {
        let entities = match &self.entity {
            EntityFrom::Slot(slot) if self.scattered => Entities::by_row(&batch.columns[*slot]),
            EntityFrom::Slot(slot) => Entities::of(&batch.columns[*slot]),
            EntityFrom::Const(entity) => Entities::constant(*entity, batch.rows),
        };
        let mut lists: Vec<Lists<'s>> = Vec::with_capacity(self.attrs.len());
        for attr in &self.attrs {
            lists.push(match &attr.way {
                Way::Scan if attr.fetch || attr.test.by_row() => {
                    let starts = Vec::with_capacity(entities.distinct.len() + 1);
                    Lists::Own { starts, values: Column::default() }
                }
                Way::Scan => Lists::Flags(vec![false; entities.distinct.len()]),
                Way::Probe => probe(&mut self.cursor, attr, &entities, &batch)?,
                Way::Memo(memo) => from_memo(memo, attr, &entities),
            });
        }
        if !self.scanned.is_empty() {
            let (attrs, wanted) = (&self.attrs, &self.wanted);
            self.cursor.merge_scan(&entities.distinct, &self.scanned, &mut |entity, scanned, value| {
                for position in &wanted[scanned] {
                    if attrs[*position].test.allows(value) {
                        note(&mut lists[*position], entity, value);
                    }
                }
            })?;
        }
        for list in &mut lists {
            if let Lists::Own { starts, values } = list {
                starts.resize(entities.distinct.len() + 1, values.len() as u32);
            }
        }
        Ok(Pending { batch, entities, lists, row: 0 })
    }
}

/// Keeps one found value.
#[inline]
fn note<'s>(list: &mut Lists<'s>, entity: usize, value: &'s [u8]) {
    match list {
        Lists::Own { starts, values } => {
            if starts.len() <= entity {
                starts.resize(entity + 1, values.len() as u32);
            }
            values.push(Cell::new(value));
        }
        Lists::Flags(flags) => flags[entity] = true,
        Lists::RowFlags(_) | Lists::Memo { .. } => {}
    }
}

fn resolve<'s>(
    star: &Star,
    position: usize,
    shape: &Shape,
    db: &Db,
    memo: Option<Arc<Memo<'s>>>,
) -> Attr<'s> {
    let (earlier, later) = star.attrs.split_at(position);
    let plan: &StarAttr = &later[0];
    let test = match &plan.test {
        Test::Any => TestOf::Any,
        Test::Equals(value) => TestOf::Equals(value.to_vec()),
        Test::In(ranges) => TestOf::In(ranges.clone()),
        Test::Var(var) => match earlier.iter().position(|attr| attr.out == Some(*var)) {
            Some(position) => TestOf::Fetched(position),
            None => TestOf::Slot(shape.slot(*var)),
        },
    };
    let out = plan.out.and_then(|var| shape.fresh.iter().position(|fresh| *fresh == var));
    let compared = |out| later.iter().any(|attr| matches!(attr.test, Test::Var(var) if var == out));
    let fetch = out.is_some() || plan.out.is_some_and(compared);
    let many = db.schema().by_id(plan.attr).is_some_and(|attr| attr.cardinality == Cardinality::Many);
    let way = match memo {
        Some(memo) => Way::Memo(memo),
        None if many && !fetch && matches!(test, TestOf::Equals(_) | TestOf::Slot(_)) => Way::Probe,
        None => Way::Scan,
    };
    Attr { attr: plan.attr, test, out, fetch, way }
}

/// Asks for exact facts.
fn probe<'s>(
    cursor: &mut EavCursor<'s>,
    attr: &Attr<'s>,
    entities: &Entities,
    batch: &Batch<'s>,
) -> Result<Lists<'s>> {
    match &attr.test {
        TestOf::Slot(slot) => {
            let values = &batch.columns[*slot];
            let mut flags = vec![false; batch.rows];
            for row in entities.rows_by_entity() {
                let entity = entities.distinct[entities.index[row as usize] as usize];
                let value = values.cell(row as usize);
                flags[row as usize] = cursor.contains(entity, attr.attr, value.as_bytes())?;
            }
            Ok(Lists::RowFlags(flags))
        }
        TestOf::Equals(value) => {
            let found = entities.distinct.iter().map(|entity| cursor.contains(*entity, attr.attr, value));
            Ok(Lists::Flags(found.collect::<Result<_, _>>()?))
        }
        TestOf::Any | TestOf::In(_) | TestOf::Fetched(_) => {
            unreachable!("resolve() probes only for exact values")
        }
    }
}

fn from_memo<'s>(memo: &Arc<Memo<'s>>, attr: &Attr<'s>, entities: &Entities) -> Lists<'s> {
    let ranges = entities.distinct.iter().map(|entity| memo.range_of_int(*entity));
    let allowed = |at: &usize| attr.test.allows(memo.values.cell(*at).as_bytes());
    match (&attr.test, attr.fetch) {
        (TestOf::Any, true) | (TestOf::Slot(_) | TestOf::Fetched(_), _) => {
            Lists::Memo { ranges: ranges.collect(), memo: Arc::clone(memo) }
        }
        (_, false) => Lists::Flags(ranges.map(|mut range| range.any(|at| allowed(&at))).collect()),
        (_, true) => {
            let (mut starts, mut values) = (vec![0], memo.values.empty_like());
            for range in ranges {
                let passing: Vec<u32> = range.filter(allowed).map(|at| at as u32).collect();
                values.extend_taken(&memo.values, &passing);
                starts.push(values.len() as u32);
            }
            Lists::Own { starts, values }
        }
    }
}

impl<'s> Pending<'s> {
    /// The next rows of the batch, few enough that their expansion stays small.
    fn window(&mut self, attrs: &[Attr<'s>]) -> Vec<u32> {
        let (mut rows, mut expected) = (Vec::new(), 0_usize);
        while self.row < self.batch.rows && expected < ROWS_OUT {
            let entity = self.entities.index[self.row];
            if entity != NONE {
                let product = attrs.iter().zip(&self.lists).filter(|(attr, _)| attr.fetch);
                let product =
                    product.map(|(_, list)| list.range(entity as usize).len()).fold(1, usize::saturating_mul);
                if product > 0 {
                    rows.push(self.row as u32);
                    expected = expected.saturating_add(product);
                }
            }
            self.row += 1;
        }
        rows
    }

    /// Tests and expands the given rows, attribute by attribute.
    fn expand(&self, mut rows: Vec<u32>, attrs: &[Attr<'s>], shape: &Shape) -> Batch<'s> {
        let mut fetched: Vec<Option<Column<'s>>> = vec![None; attrs.len()];
        for (position, (attr, list)) in attrs.iter().zip(&self.lists).enumerate() {
            let mut picked = Vec::with_capacity(rows.len());
            let mut taken: Vec<u32> = Vec::new();
            for (at, row) in (0_u32..).zip(&rows) {
                let entity = self.entities.index[*row as usize] as usize;
                match (list, &attr.test) {
                    (Lists::Flags(flags), _) if !flags[entity] => {}
                    (Lists::RowFlags(flags), _) if !flags[*row as usize] => {}
                    (Lists::Flags(_) | Lists::RowFlags(_), _) => picked.push(at),
                    (list, TestOf::Slot(slot)) => {
                        let wanted = (&self.batch.columns[*slot], *row as usize);
                        picked.extend(list.has(entity, wanted).then_some(at));
                    }
                    (list, TestOf::Fetched(other)) => {
                        let wanted = fetched[*other].as_ref().map(|column| (column, at as usize));
                        picked.extend(wanted.is_some_and(|wanted| list.has(entity, wanted)).then_some(at));
                    }
                    (list, _) => {
                        let range = list.range(entity);
                        picked.extend(std::iter::repeat_n(at, range.len()));
                        taken.extend(range.map(|value| value as u32));
                    }
                }
            }
            if picked.len() != rows.len() || picked.iter().zip(0..).any(|(at, row)| *at != row) {
                rows = picked.iter().map(|at| rows[*at as usize]).collect();
                for column in fetched.iter_mut().flatten() {
                    *column = column.take(&picked);
                }
            }
            if attr.fetch {
                fetched[position] = list.values().map(|values| values.take(&taken));
            }
        }
        let mut columns = self.batch.take(&shape.keep, &rows);
        for fresh in 0..shape.fresh.len() {
            let position = attrs.iter().position(|attr| attr.out == Some(fresh));
            columns.push(position.and_then(|position| fetched[position].take()).unwrap_or_default());
        }
        Batch::new(rows.len(), columns)
    }
}

impl<'s> Lists<'s> {
    /// Whether the entity has the value at a row of some column.
    fn has(&self, entity: usize, (column, row): (&Column<'s>, usize)) -> bool {
        let Some(values) = self.values() else { return false };
        let range = self.range(entity);
        if range.len() <= 8 {
            return range.into_iter().any(|at| values.equal(at, column, row));
        }
        let at = range.start
            + partition_point(range.len(), |at| values.compare(range.start + at, column, row).is_lt());
        at < range.end && values.equal(at, column, row)
    }
}

/// The first index below `len` for which `left` does not hold, if it holds for all before and none after.
fn partition_point(len: usize, left: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if left(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

impl<'s> Operator<'s> for MergeScan<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.pending = Some(self.prepare(batch)?);
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        while let Some(pending) = &mut self.pending {
            let rows = pending.window(&self.attrs);
            let done = pending.row >= pending.batch.rows;
            let batch = pending.expand(rows, &self.attrs, &self.shape);
            if done {
                self.pending = None;
            }
            if batch.rows > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}
