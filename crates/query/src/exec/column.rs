//! [`Column`]: the values of one variable over the rows of a batch, as integers or as cells.
//!
//! Entity ids, references and longs are all 64-bit integers to a query, and refs are stored exactly as integers, so
//! they share one representation: joins between an entity and a value need no conversion while both sides are typed.
//! Only where an integer column meets cells (an untyped attribute, a computed value) are its values encoded, which
//! always fits inside the cell.

use std::cmp::Ordering;

use edn::Value;

use super::cell::{Cell, mix};
use super::integer;

/// Values of one variable, one per row.
#[derive(Clone, Debug)]
pub enum Column<'s> {
    /// 64-bit integers in two's complement: entity ids, references, longs.
    Ints(Vec<u64>),
    /// Encoded values of any type.
    Cells(Vec<Cell<'s>>),
}

impl Default for Column<'_> {
    fn default() -> Self {
        Self::Ints(Vec::new())
    }
}

impl<'s> Column<'s> {
    /// A column without rows, of the same representation as `self`.
    pub fn empty_like(&self) -> Self {
        match self {
            Self::Ints(_) => Self::Ints(Vec::new()),
            Self::Cells(_) => Self::Cells(Vec::new()),
        }
    }

    /// Number of rows.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Ints(ints) => ints.len(),
            Self::Cells(cells) => cells.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory, for the budget.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Ints(ints) => ints.capacity() * size_of::<u64>(),
            Self::Cells(cells) => cells.capacity() * size_of::<Cell<'_>>(),
        }
    }

    /// The value at `row` as a cell.
    #[inline]
    pub fn cell(&self, row: usize) -> Cell<'s> {
        match self {
            Self::Ints(ints) => integer::cell(ints[row]),
            Self::Cells(cells) => cells[row],
        }
    }

    /// The value at `row` if it is an integer.
    #[inline]
    pub fn int(&self, row: usize) -> Option<u64> {
        match self {
            Self::Ints(ints) => Some(ints[row]),
            Self::Cells(cells) => integer::decode(cells[row].as_bytes()),
        }
    }

    /// The decoded value at `row`.
    pub fn value(&self, row: usize) -> Result<Value, storage::Error> {
        match self {
            Self::Ints(ints) => Ok(Value::Int(ints[row] as i64)),
            Self::Cells(cells) => storage::decode(cells[row].as_bytes()),
        }
    }

    /// The rows `selection` names, in its order.
    pub fn take(&self, selection: &[u32]) -> Self {
        match self {
            Self::Ints(ints) => Self::Ints(selection.iter().map(|row| ints[*row as usize]).collect()),
            Self::Cells(cells) => Self::Cells(selection.iter().map(|row| cells[*row as usize]).collect()),
        }
    }

    /// Appends the rows `selection` names of `other`.
    pub fn extend_taken(&mut self, other: &Column<'s>, selection: &[u32]) {
        self.meet(other);
        match (self, other) {
            (Self::Ints(to), Self::Ints(from)) => to.extend(selection.iter().map(|row| from[*row as usize])),
            (Self::Cells(to), from) => to.extend(selection.iter().map(|row| from.cell(*row as usize))),
            (Self::Ints(_), Self::Cells(_)) => unreachable!("meet() has made cells of the integers"),
        }
    }

    /// Appends all rows of `other`.
    pub fn append(&mut self, other: &Column<'s>) {
        self.meet(other);
        match (self, other) {
            (Self::Ints(to), Self::Ints(from)) => to.extend_from_slice(from),
            (Self::Cells(to), Self::Cells(from)) => to.extend_from_slice(from),
            (Self::Cells(to), Self::Ints(from)) => to.extend(from.iter().map(|int| integer::cell(*int))),
            (Self::Ints(_), Self::Cells(_)) => unreachable!("meet() has made cells of the integers"),
        }
    }

    /// Appends one value.
    pub fn push(&mut self, cell: Cell<'s>) {
        if let Self::Ints(ints) = self {
            if let Some(int) = integer::decode(cell.as_bytes()) {
                ints.push(int);
                return;
            }
            self.to_cells();
        }
        if let Self::Cells(cells) = self {
            cells.push(cell);
        }
    }

    /// Appends one value `times` times.
    pub fn push_repeated(&mut self, cell: Cell<'s>, times: usize) {
        if let Self::Ints(ints) = self {
            if let Some(int) = integer::decode(cell.as_bytes()) {
                ints.resize(ints.len() + times, int);
                return;
            }
            if times == 0 {
                return;
            }
            self.to_cells();
        }
        if let Self::Cells(cells) = self {
            cells.resize(cells.len() + times, cell);
        }
    }

    /// Keeps the first `len` rows.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Self::Ints(ints) => ints.truncate(len),
            Self::Cells(cells) => cells.truncate(len),
        }
    }

    /// Turns integers into cells, in place.
    pub fn to_cells(&mut self) {
        if let Self::Ints(ints) = self {
            *self = Self::Cells(ints.iter().map(|int| integer::cell(*int)).collect());
        }
    }

    /// Makes room for values of `other`: integers become cells if the other side has cells. A column that has no
    /// rows yet takes the other's representation.
    fn meet(&mut self, other: &Column<'s>) {
        match (&*self, other) {
            (Self::Ints(_), Self::Cells(_)) => self.to_cells(),
            (Self::Cells(cells), Self::Ints(_)) if cells.is_empty() => *self = other.empty_like(),
            _ => {}
        }
    }

    /// Whether the value at `row` equals the one at `other_row` of `other`.
    #[inline]
    pub fn equal(&self, row: usize, other: &Column<'_>, other_row: usize) -> bool {
        match (self, other) {
            (Self::Ints(a), Column::Ints(b)) => a[row] == b[other_row],
            (Self::Cells(a), Column::Cells(b)) => a[row] == b[other_row],
            (a, b) => match (a.int(row), b.int(other_row)) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }

    /// The order of two values, as the order of their encodings.
    pub fn compare(&self, row: usize, other: &Column<'_>, other_row: usize) -> Ordering {
        match (self, other) {
            (Self::Ints(a), Column::Ints(b)) => (a[row] as i64).cmp(&(b[other_row] as i64)),
            (Self::Cells(a), Column::Cells(b)) => a[row].as_bytes().cmp(b[other_row].as_bytes()),
            (a, b) => a.cell(row).as_bytes().cmp(b.cell(other_row).as_bytes()),
        }
    }

    /// A hash of the value at `row`, the same for an integer in either representation.
    #[inline]
    pub fn hash(&self, row: usize) -> u64 {
        match self {
            Self::Ints(ints) => hash_int(ints[row]),
            Self::Cells(cells) => hash_cell(&cells[row]),
        }
    }

    /// Mixes the hash of every row into `hashes`.
    pub fn hash_into(&self, hashes: &mut [u64]) {
        match self {
            Self::Ints(ints) => {
                for (hash, int) in hashes.iter_mut().zip(ints) {
                    *hash = mix(*hash, hash_int(*int));
                }
            }
            Self::Cells(cells) => {
                for (hash, cell) in hashes.iter_mut().zip(cells) {
                    *hash = mix(*hash, hash_cell(cell));
                }
            }
        }
    }
}

#[inline]
fn hash_int(int: u64) -> u64 {
    mix(int, 0x2545_F491_4F6C_DD1D)
}

#[inline]
fn hash_cell(cell: &Cell<'_>) -> u64 {
    // An integer must hash alike in a column of cells and in one of integers.
    match integer::decode(cell.as_bytes()) {
        Some(int) => hash_int(int),
        None => cell.hash64(),
    }
}
