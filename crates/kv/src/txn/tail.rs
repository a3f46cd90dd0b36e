//! What a table's slot has learnt, and hands on to the next transaction: the greatest pair, since what is greater can
//! be appended; and whether puts go through the table in order or jump about.

use std::cmp::Ordering;

use lmdb_pages::{Lexicographic, Order, OrderKind};
use smallvec::SmallVec;

use crate::order::prefix;

type Bytes = SmallVec<[u8; 48]>;

/// What is known of the greatest pair.
#[derive(Debug, Default)]
pub(super) struct Tail {
    state: State,
    /// That of the key.
    prefix: u64,
    key: Bytes,
    /// In list tables, the greatest value of the greatest key.
    value: Bytes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    /// The table is empty.
    Empty,
    Known,
}

/// How a table orders its pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairOrder {
    pub(super) keys: OrderKind,
    /// In list tables, which order values, too.
    pub(super) values: Option<OrderKind>,
}

impl Tail {
    pub(super) fn is_unknown(&self) -> bool {
        self.state == State::Unknown
    }

    /// Whether this is surely the greatest key.
    pub(super) fn is_at(&self, key: &[u8]) -> bool {
        self.state == State::Known && self.key.as_slice() == key
    }

    /// Whether this may be the greatest key.
    pub(super) fn may_be_at(&self, key: &[u8]) -> bool {
        self.state == State::Unknown || self.is_at(key)
    }

    /// The greatest key; empty if there is none.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn forget(&mut self) {
        self.state = State::Unknown;
    }

    /// Where a pair stands relative to the greatest one, which must not be unknown.
    #[inline]
    pub(super) fn compare_with(&self, key: &[u8], value: &[u8], order: PairOrder) -> Ordering {
        if self.state != State::Known {
            return Ordering::Greater;
        }
        let keys = prefix(key, order.keys).cmp(&self.prefix).then_with(|| order.keys.compare(key, &self.key));
        match order.values {
            Some(values) if keys == Ordering::Equal => values.compare(value, &self.value),
            _ => keys,
        }
    }

    /// Whether a key of a table that orders them byte by byte is surely less than the greatest one.
    #[inline(always)]
    pub(super) fn is_behind(&self, key: &[u8]) -> bool {
        self.state == State::Known && Lexicographic::compare(key, &self.key).is_lt()
    }

    /// Takes over what was found at the end of the table.
    pub(super) fn found(&mut self, pair: Option<(&[u8], &[u8])>, order: PairOrder) {
        match pair {
            Some((key, value)) => self.remember(key, value, order),
            None => {
                self.state = State::Empty;
                self.key.clear();
            }
        }
    }

    /// This is the greatest pair now.
    #[inline]
    pub(super) fn remember(&mut self, key: &[u8], value: &[u8], order: PairOrder) {
        self.state = State::Known;
        self.prefix = prefix(key, order.keys);
        assign(&mut self.key, key);
        if order.values.is_some() {
            assign(&mut self.value, value);
        }
    }
}

/// The way that puts take through a table.
///
/// Where they ascend or descend, the next place is often on the page of the last one. Where they jump about, to look
/// at that page first costs two visits to memory that is in no cache any more: a tenth of a put.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The last key that was looked at.
    last: Bytes,
    direction: Option<Ordering>,
    /// So many keys went on in that direction.
    steps: u8,
    /// So many keys are not looked at after a turn; and how many of those are still to come.
    pause: u8,
    rest: u8,
}

impl Course {
    /// After so many steps in one direction it is no accident: of keys in random order, one in sixty gets there.
    const STEADY: u8 = 3;
    /// Random keys are looked at once in a while only, for that costs, too.
    const PAUSE_MAX: u8 = 15;

    /// Notes the key of the next put, and says whether its place is likely near the last one's.
    #[inline]
    pub(super) fn goes_on(&mut self, key: &[u8], keys: OrderKind) -> bool {
        !self.rests() && self.look(key, keys)
    }

    /// Whether the next key is not looked at, since keys were found to jump about; then it is passed.
    #[inline(always)]
    pub(super) fn rests(&mut self) -> bool {
        let rests = self.rest > 0;
        self.rest -= u8::from(rests);
        rests
    }

    #[inline(never)]
    fn look(&mut self, key: &[u8], keys: OrderKind) -> bool {
        let direction = keys.compare(key, &self.last);
        if direction == Ordering::Equal {
            return true;
        }
        assign(&mut self.last, key);
        if self.direction.replace(direction).is_none_or(|before| before == direction) {
            self.steps = self.steps.saturating_add(1);
            if self.steps < Self::STEADY {
                return false;
            }
            self.pause = 0;
            return true;
        }
        self.steps = 0;
        self.pause = (self.pause * 2 + 1).min(Self::PAUSE_MAX);
        self.rest = self.pause;
        false
    }
}

/// Copies bytes into a buffer that usually has their length already.
#[inline]
fn assign(buffer: &mut Bytes, bytes: &[u8]) {
    if let (Ok(place), Ok(eight)) =
        (<&mut [u8; 8]>::try_from(buffer.as_mut_slice()), <&[u8; 8]>::try_from(bytes))
    {
        // The usual length, without a call.
        *place = *eight;
    } else if buffer.len() == bytes.len() {
        buffer.copy_from_slice(bytes);
    } else {
        buffer.clear();
        buffer.extend_from_slice(bytes);
    }
}
