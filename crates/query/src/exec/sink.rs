//! [`Sink`]: where the last rows of a plan go.
//!
//! ```text
//! plain      rows that cannot repeat, all of them or the first few
//! distinct   a set
//! best       the first rows of an order: more than wanted are gathered, then sorted and cut, again and again
//! ```

use std::cmp::Ordering;

use super::batch::{BATCH_ROWS, Batch};
use super::column::Column;
use super::join_table::RowSet;
use crate::plan::Finish;

pub(super) struct Sink<'s> {
    limit: usize,
    rows: Rows<'s>,
    best: Option<Best>,
}

enum Rows<'s> {
    Plain(Batch<'s>),
    Distinct(RowSet<'s>),
}

/// The wanted order.
struct Best {
    /// Columns, and whether largest values come first.
    keys: Vec<(usize, bool)>,
    /// Rows arrive in the order of the first key.
    ordered: bool,
    full: bool,
}

impl<'s> Sink<'s> {
    /// The sink of a plan; its columns are the plan's output.
    pub fn new(finish: &Finish) -> Self {
        // Without columns there is only one row to be had.
        let limit = if finish.output.is_empty() { Some(1) } else { finish.limit };
        let place = |var| finish.output.iter().position(|other| *other == var);
        let keys = finish.order.iter().filter_map(|key| Some((place(key.var)?, key.descending)));
        let best = (limit.is_some() && !finish.order.is_empty()).then(|| Best {
            keys: keys.collect(),
            ordered: finish.ordered,
            full: false,
        });
        let rows =
            if finish.distinct { Rows::Distinct(RowSet::default()) } else { Rows::Plain(Batch::default()) };
        Self { limit: limit.unwrap_or(usize::MAX), rows, best }
    }

    /// Takes the next rows.
    pub fn take(&mut self, batch: Batch<'s>) {
        if let Some(best) = &mut self.best
            && best.ordered
            && best.is_past(self.rows.get(), &batch, self.limit)
        {
            best.full = true;
            return;
        }
        match &mut self.rows {
            Rows::Plain(rows) if rows.rows == 0 => *rows = batch,
            Rows::Plain(rows) => rows.append(&batch),
            Rows::Distinct(rows) => {
                rows.insert(&batch);
            }
        }
        if self.best.is_some()
            && self.rows.get().rows > self.limit.saturating_mul(2).saturating_add(4 * BATCH_ROWS)
        {
            self.cut();
        }
    }

    /// Whether further rows would change nothing.
    pub fn is_full(&self) -> bool {
        match &self.best {
            Some(best) => {
                best.full || (best.ordered && best.keys.len() == 1 && self.rows.get().rows >= self.limit)
            }
            None => self.rows.get().rows >= self.limit,
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match &self.rows {
            Rows::Plain(rows) => rows.bytes(),
            Rows::Distinct(rows) => rows.bytes(),
        }
    }

    /// The rows, with `columns` columns even if there are none.
    pub fn into_rows(mut self, columns: usize) -> Batch<'s> {
        if self.best.is_some() {
            self.cut();
        }
        let limit = self.limit;
        let mut rows = match self.rows {
            Rows::Plain(rows) => rows,
            Rows::Distinct(rows) => rows.rows,
        };
        if rows.rows == 0 {
            rows.columns = vec![Column::default(); columns];
        }
        if rows.rows > limit {
            rows.rows = limit;
            rows.columns.iter_mut().for_each(|column| column.truncate(limit));
        }
        rows
    }

    /// Keeps only the best rows.
    fn cut(&mut self) {
        let Some(best) = &self.best else { return };
        let rows = self.rows.get();
        let mut order: Vec<u32> = (0..rows.rows as u32).collect();
        let compare = |a: &u32, b: &u32| best.compare(rows, *a as usize, rows, *b as usize).then(a.cmp(b));
        if order.len() > self.limit {
            order.select_nth_unstable_by(self.limit, compare);
            order.truncate(self.limit);
        }
        order.sort_unstable_by(compare);
        let kept = Batch::new(order.len(), rows.columns.iter().map(|column| column.take(&order)).collect());
        match &mut self.rows {
            Rows::Plain(rows) => *rows = kept,
            Rows::Distinct(rows) => {
                *rows = RowSet::default();
                rows.insert(&kept);
            }
        }
    }
}

impl<'s> Rows<'s> {
    fn get(&self) -> &Batch<'s> {
        match self {
            Self::Plain(rows) => rows,
            Self::Distinct(rows) => &rows.rows,
        }
    }
}

impl Best {
    fn compare(&self, a: &Batch<'_>, a_row: usize, b: &Batch<'_>, b_row: usize) -> Ordering {
        self.keys.iter().fold(Ordering::Equal, |order, (column, descending)| {
            order.then_with(|| {
                let order = a.columns[*column].compare(a_row, &b.columns[*column], b_row);
                if *descending { order.reverse() } else { order }
            })
        })
    }

    /// Whether there are enough rows and the first key of `batch` lies behind all of theirs.
    fn is_past(&self, rows: &Batch<'_>, batch: &Batch<'_>, limit: usize) -> bool {
        let Some((column, _)) = self.keys.first() else { return false };
        // Rows arrive in order, so the last one that is wanted has the largest first key so far.
        rows.rows >= limit
            && limit > 0
            && batch.rows > 0
            && !batch.columns[*column].equal(0, &rows.columns[*column], limit - 1)
    }
}
