//! [`Intersection`]: the values that several lists share.
//!
//! Two lists of integers of like length are merged page by page, without a branch that depends on the values. Otherwise
//! the shortest list leads and the others are searched for its values, each from where it stands: inside the page by
//! doubling steps, beyond it by the tree.
//!
//! ```text
//!   first   [ 3  7  9 14 ][ 20 22 ...     pages of packed values, as they lie in the file
//!   second  [ 1  7 12 ][ 14 20 21 ...     --> 7 14 20
//! ```

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::ControlFlow;

use lmdb_pages::OrderKind;

use super::{Cursor, Read};
use crate::dbi::Dbi;
use crate::error::{Error, Result};
use crate::flags::DbiFlags;

/// One list may be so many times as long as the other to be merged with it; beyond that, searching is faster.
const MERGED_RATIO_MAX: u64 = 16;
/// Steps of a merge whose outcome is noted before any is looked at.
const STEPS: usize = 256;

/// The values that several lists share, in their order, each once.
///
/// The lists are keys of list tables of one state; the tables may differ, but not the order of their values. A key that
/// is not there is an empty list. Of a single list, all values come; of none, nothing.
///
/// ```
/// # use factum_kv::{DbiFlags, Env, Intersection};
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let env = Env::open(dir.path())?;
/// let tags = env.open_dbi("tags", DbiFlags::DUPFIXED)?;
/// let mut txn = env.write()?;
/// txn.put_packed(&tags, b"red", b"abcxyz", 1)?;
/// txn.put_packed(&tags, b"round", b"bcdz", 1)?;
/// txn.commit()?;
///
/// let read = env.read()?;
/// let both: Vec<_> = Intersection::of(&read, [(&tags, "red"), (&tags, "round")])?.collect::<Result<_, _>>()?;
/// assert_eq!(both, [b"b", b"c", b"z"]);
/// # Ok::<(), factum_kv::Error>(())
/// ```
#[derive(Debug)]
pub struct Intersection<'r> {
    /// The shortest first.
    lists: Vec<List<'r>>,
    order: OrderKind,
    /// How the first two are merged, if they are.
    merged: Option<Load>,
    /// Values found and not yet returned.
    found: VecDeque<&'r [u8]>,
    done: bool,
}

impl<'r> Intersection<'r> {
    /// The values that the lists of these tables and keys share.
    ///
    /// # Errors
    ///
    /// [`Error::NotAList`], [`Error::ListOrdersDiffer`], and as [`Read::cursor`].
    pub fn of<'d, K: AsRef<[u8]>>(
        read: &'r impl Read,
        lists: impl IntoIterator<Item = (&'d Dbi, K)>,
    ) -> Result<Self> {
        let mut all = Vec::new();
        let mut first: Option<&Dbi> = None;
        let mut done = false;
        for (dbi, key) in lists {
            let first = *first.get_or_insert(dbi);
            check(first, dbi)?;
            match List::open(read, dbi, key.as_ref())? {
                Some(list) => all.push(list),
                None => done = true,
            }
        }
        all.sort_by_key(|list| list.count);
        let order = first.map_or(OrderKind::Lexicographic, |dbi| dbi.flags.value_order());
        let merged = match all.as_slice() {
            [short, long, ..]
                if long.count / MERGED_RATIO_MAX <= short.count && short.width == long.width =>
            {
                Load::of(order, short.width)
            }
            _ => None,
        };
        Ok(Self { done: done || all.is_empty(), lists: all, order, merged, found: VecDeque::new() })
    }

    /// Calls the visitor with all values that are left, until it breaks, and returns what it broke with.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn visit<B>(mut self, mut visitor: impl FnMut(&'r [u8]) -> ControlFlow<B>) -> Result<Option<B>> {
        loop {
            for value in self.found.drain(..) {
                if let ControlFlow::Break(broken) = visitor(value) {
                    return Ok(Some(broken));
                }
            }
            if !self.find_more()? {
                return Ok(None);
            }
        }
    }

    /// How many values are left.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn count_rest(self) -> Result<u64> {
        let mut count = 0;
        self.visit(|_| {
            count += 1;
            ControlFlow::<Infallible>::Continue(())
        })?;
        Ok(count)
    }

    /// Finds some more values; false if there are none.
    fn find_more(&mut self) -> Result<bool> {
        while !self.done && self.found.is_empty() {
            match (self.merged, self.lists.as_mut_slice()) {
                (Some(load), [first, second, others @ ..]) => {
                    let ahead = load.merge(first, second, &mut self.found);
                    self.done = !ahead.go_on(first, second, self.order)?;
                    keep_shared(&mut self.found, others, self.order)?;
                }
                (_, [first, others @ ..]) => {
                    self.found.extend(first.items());
                    first.rest = &[];
                    self.done = !first.next_page()?;
                    keep_shared(&mut self.found, others, self.order)?;
                }
                (_, []) => self.done = true,
            }
            // A list that has ended shares nothing any more.
            self.done |= self.lists.iter().any(|list| list.ended);
        }
        Ok(!self.found.is_empty())
    }

    fn step(&mut self) -> Result<Option<&'r [u8]>> {
        if self.found.is_empty() {
            self.find_more()?;
        }
        Ok(self.found.pop_front())
    }
}

impl<'r> Iterator for Intersection<'r> {
    type Item = Result<&'r [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let found = self.step();
        self.done |= found.is_err();
        found.transpose()
    }
}

/// Keeps those of the ascending `values` that all lists have.
fn keep_shared<'r>(values: &mut VecDeque<&'r [u8]>, lists: &mut [List<'r>], order: OrderKind) -> Result<()> {
    for list in lists {
        let mut kept = VecDeque::with_capacity(values.len());
        for value in values.drain(..) {
            match list.seek(value, order)? {
                Some(found) if found == value => kept.push_back(value),
                Some(_) => {}
                None => break,
            }
        }
        *values = kept;
    }
    Ok(())
}

/// Both tables must hold lists of one order.
fn check(first: &Dbi, dbi: &Dbi) -> Result<()> {
    if !dbi.is_list() {
        return Err(Error::NotAList { name: dbi.name.to_owned(), operation: "the intersection of lists" });
    }
    if first.flags.value_order() != dbi.flags.value_order() {
        return Err(Error::ListOrdersDiffer { left: first.name.to_owned(), right: dbi.name.to_owned() });
    }
    Ok(())
}

/// One of the lists, and what is left of it.
#[derive(Debug)]
struct List<'r> {
    cursor: Cursor<'r>,
    /// How many values it has in all.
    count: u64,
    /// The bytes of each value in `rest`.
    width: usize,
    /// The values of the current page from the current one on.
    rest: &'r [u8],
    /// All values lie before those sought.
    ended: bool,
    packed: bool,
}

impl<'r> List<'r> {
    fn open(read: &'r impl Read, dbi: &Dbi, key: &[u8]) -> Result<Option<Self>> {
        let mut cursor = read.cursor(dbi)?;
        let Some(first) = cursor.get(key)? else { return Ok(None) };
        let count = cursor.dup_count()?;
        let packed = dbi.flags.contains(DbiFlags::DUPFIXED) && count > 1;
        let rest = if packed { cursor.dup_page()?.unwrap_or_default() } else { first };
        Ok(Some(Self { cursor, count, width: first.len().max(1), rest, ended: false, packed }))
    }

    /// The values that are left of the page.
    fn items(&self) -> impl Iterator<Item = &'r [u8]> + use<'r> {
        self.rest.chunks_exact(self.width)
    }

    fn item(&self, index: usize) -> Option<&'r [u8]> {
        self.rest.get(index * self.width..(index + 1) * self.width)
    }

    /// Takes the values behind the current page; false if there are none.
    fn next_page(&mut self) -> Result<bool> {
        match self.cursor.next_dup_page()? {
            Some(page) => self.rest = page,
            None => (self.rest, self.ended) = (&[], true),
        }
        if !self.packed {
            self.width = self.rest.len().max(1);
        }
        Ok(!self.ended)
    }

    /// Moves to the first value that is not less than `value`, from where it stands.
    fn seek(&mut self, value: &[u8], order: OrderKind) -> Result<Option<&'r [u8]>> {
        if self.ended {
            return Ok(None);
        }
        let is_less = |item: Option<&[u8]>| item.is_some_and(|item| order.compare(item, value).is_lt());
        let count = self.rest.len() / self.width;
        if count == 0 || is_less(self.item(count - 1)) {
            return self.seek_beyond(value);
        }
        // Items before `low` are less, the one at `high` is not.
        let (mut low, mut step) = (0, 1);
        while low + step < count && is_less(self.item(low + step - 1)) {
            low += step;
            step *= 2;
        }
        let mut high = (low + step - 1).min(count - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_less(self.item(middle)) { low = middle + 1 } else { high = middle }
        }
        self.rest = &self.rest[low * self.width..];
        Ok(self.item(0))
    }

    /// As `seek`, when no value that is left of the page will do.
    fn seek_beyond(&mut self, value: &[u8]) -> Result<Option<&'r [u8]>> {
        let Some(found) = self.cursor.seek_dup_in_key(value)? else {
            (self.rest, self.ended) = (&[], true);
            return Ok(None);
        };
        self.rest = found;
        if self.packed {
            let page = self.cursor.dup_page()?.unwrap_or_default();
            // The value lies in the page, both as slices of it.
            let at = found.as_ptr().addr().wrapping_sub(page.as_ptr().addr());
            self.rest = page.get(at..).unwrap_or(found);
        } else {
            self.width = found.len().max(1);
        }
        Ok(Some(found))
    }
}

/// How values of a fixed width become numbers that order as they do.
#[derive(Clone, Copy, Debug)]
enum Load {
    BigEndian8,
    BigEndian4,
    LittleEndian8,
    LittleEndian4,
}

/// How far a merge came in each page.
struct Ahead {
    left: usize,
    right: usize,
}

impl Load {
    fn of(order: OrderKind, width: usize) -> Option<Self> {
        let little = match order {
            OrderKind::Lexicographic => false,
            OrderKind::NativeInteger => cfg!(target_endian = "little"),
            OrderKind::ReverseBytes => true,
        };
        match (width, little) {
            (8, false) => Some(Self::BigEndian8),
            (4, false) => Some(Self::BigEndian4),
            (8, true) => Some(Self::LittleEndian8),
            (4, true) => Some(Self::LittleEndian4),
            _ => None,
        }
    }

    /// Merges what is left of two pages until one of them ends.
    fn merge<'r>(self, left: &List<'r>, right: &List<'r>, found: &mut VecDeque<&'r [u8]>) -> Ahead {
        match self {
            Self::BigEndian8 => merge(left.rest, right.rest, u64::from_be_bytes, found),
            Self::BigEndian4 => merge(left.rest, right.rest, u32::from_be_bytes, found),
            Self::LittleEndian8 => merge(left.rest, right.rest, u64::from_le_bytes, found),
            Self::LittleEndian4 => merge(left.rest, right.rest, u32::from_le_bytes, found),
        }
    }
}

impl Ahead {
    /// Takes off what was merged, and goes on in the list whose page has ended to where the other one stands; false if
    /// it has nothing there.
    fn go_on(self, left: &mut List<'_>, right: &mut List<'_>, order: OrderKind) -> Result<bool> {
        left.rest = &left.rest[self.left..];
        right.rest = &right.rest[self.right..];
        match (left.item(0), right.item(0)) {
            (None, None) => Ok(left.next_page()? && right.next_page()?),
            (None, Some(value)) => Ok(left.seek(value, order)?.is_some()),
            (Some(value), None) => Ok(right.seek(value, order)?.is_some()),
            (Some(_), Some(_)) => Ok(true),
        }
    }
}

/// Which of two ascending sequences' items are equal, until one of them ends; how many bytes of each were passed.
///
/// Whether items are equal is as good as random, so a branch on it would often be guessed wrongly. It is added to
/// the number of hits instead, and their places are looked at afterwards.
fn merge<'r, T: Ord + Copy, const N: usize>(
    left: &'r [u8],
    right: &'r [u8],
    load: impl Fn([u8; N]) -> T,
    found: &mut VecDeque<&'r [u8]>,
) -> Ahead {
    let (lefts, rights) = (left.as_chunks::<N>().0, right.as_chunks::<N>().0);
    let (mut i, mut j) = (0, 0);
    let mut hits = [0u32; STEPS];
    while i < lefts.len() && j < rights.len() {
        let mut hit = 0;
        // Each step takes at least one item, so as many steps as both have items left are safe.
        for _ in 0..STEPS.min(lefts.len() - i).min(rights.len() - j) {
            let (x, y) = (load(lefts[i]), load(rights[j]));
            hits[hit] = i as u32;
            hit += usize::from(x == y);
            i += usize::from(x <= y);
            j += usize::from(y <= x);
        }
        found.extend(hits[..hit].iter().map(|hit| lefts[*hit as usize].as_slice()));
    }
    Ahead { left: i * N, right: j * N }
}
