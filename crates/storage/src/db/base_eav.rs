//! The EAV index of a file alone.

use std::ops::{Bound, ControlFlow};

use super::base::{AttrBytes, Base, EavTableCursor, KeyBuffer};
use super::eav::{RawEav, Visit, VisitMerged, not_a_reference};
use super::overlay_eav::sort_long;
use crate::datom::Direction;
use crate::encode::{decode_int, is_giant_index};
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::store::tables;

/// How many unwanted facts are stepped over before the next wanted one is sought.
const STEPS_MAX: usize = 6;

/// Facts of a file by entity.
pub(crate) struct BaseEav<'d> {
    base: &'d Base,
    cursor: EavTableCursor<'d>,
    fact: KeyBuffer,
}

impl<'d> BaseEav<'d> {
    pub(crate) fn new(base: &'d Base) -> Self {
        Self { base, cursor: base.eav_cursor(), fact: KeyBuffer::new() }
    }

    /// The full encoding of a value in index form.
    #[inline]
    pub(crate) fn full(&self, index: &'d [u8]) -> Result<&'d [u8]> {
        if is_giant_index(index) { self.base.giant(index) } else { Ok(index) }
    }

    /// Visits the values of an attribute in index form.
    #[inline]
    pub(crate) fn each_value(
        &mut self,
        e: u64,
        a: AttrId,
        mut f: impl FnMut(&'d [u8]) -> Result<()>,
    ) -> Result<()> {
        let attr = AttrBytes::new(a);
        let Some((_, mut fact)) = self.cursor.seek_dup(&e.to_ne_bytes(), attr.as_slice())? else {
            return Ok(());
        };
        while let Some(value) = fact.strip_prefix(attr.as_slice()) {
            f(value)?;
            match self.cursor.next_dup()? {
                Some(next) => fact = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Visits all facts of an entity in index form.
    #[inline]
    pub(crate) fn each_fact(
        &mut self,
        e: u64,
        mut f: impl FnMut(AttrId, &'d [u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut fact = self.cursor.seek_exact(&e.to_ne_bytes())?.map(|(_, fact)| fact);
        while let Some(bytes) = fact {
            let (a, value) = split(bytes)?;
            if f(a, value)?.is_break() {
                break;
            }
            fact = self.cursor.next_dup()?;
        }
        Ok(())
    }

    /// Visits one entity's facts with certain attributes (ascending).
    #[inline]
    pub(crate) fn each_wanted(
        &mut self,
        e: u64,
        attrs: &[AttrId],
        mut f: impl FnMut(usize, &'d [u8]),
    ) -> Result<()> {
        let Some(first) = attrs.first() else { return Ok(()) };
        let found = self.cursor.seek_dup(&e.to_ne_bytes(), AttrBytes::new(*first).as_slice())?;
        let mut fact = found.map(|(_, fact)| fact);
        let (mut wanted, mut steps) = (0, 0);
        while let Some(bytes) = fact {
            let (a, value) = split(bytes)?;
            while attrs[wanted] < a {
                wanted += 1;
                if wanted == attrs.len() {
                    return Ok(());
                }
            }
            if attrs[wanted] == a {
                f(wanted, self.full(value)?);
                steps = 0;
            } else {
                steps += 1;
            }
            fact = if steps < STEPS_MAX {
                self.cursor.next_dup()?
            } else {
                steps = 0;
                self.cursor.seek_dup_in_key(AttrBytes::new(attrs[wanted]).as_slice())?
            };
        }
        Ok(())
    }
}

/// Attribute and value of a duplicate of `eav`.
#[inline]
pub(crate) fn split(fact: &[u8]) -> Result<(AttrId, &[u8])> {
    match AttrId::read(fact) {
        Some((a, len)) => Ok((a, &fact[len..])),
        None => Err(Error::Corrupted { table: tables::EAV, reason: "a fact without an attribute".into() }),
    }
}

/// The entity that is a key of `eav`.
pub(crate) fn entity_of(key: &[u8]) -> Result<u64> {
    match key.try_into() {
        Ok(e) => Ok(u64::from_ne_bytes(e)),
        Err(_) => {
            Err(Error::Corrupted { table: tables::EAV, reason: "an entity id is not 8 bytes long".into() })
        }
    }
}

impl<'d> RawEav<'d> for BaseEav<'d> {
    #[inline]
    fn values_into(&mut self, e: u64, a: AttrId, out: &mut Vec<&'d [u8]>) -> Result<usize> {
        let before = out.len();
        let base = self.base;
        self.each_value(e, a, |value| {
            out.push(if is_giant_index(value) { base.giant(value)? } else { value });
            Ok(())
        })?;
        sort_long(&mut out[before..]);
        Ok(out.len() - before)
    }

    #[inline]
    fn contains(&mut self, e: u64, a: AttrId, v: &[u8]) -> Result<bool> {
        let fact = self.fact.set(a, v);
        Ok(self.cursor.seek_dup(&e.to_ne_bytes(), fact)?.is_some_and(|(_, found)| found == fact))
    }

    fn entity(&mut self, e: u64, f: Visit<'_, 'd>) -> Result<()> {
        let base = self.base;
        self.each_fact(e, |a, value| {
            let value = if is_giant_index(value) { base.giant(value)? } else { value };
            Ok(f(a, value))
        })
    }

    fn merge_scan(&mut self, entities: &[u64], attrs: &[AttrId], f: VisitMerged<'_, 'd>) -> Result<()> {
        for (at, e) in entities.iter().enumerate() {
            self.each_wanted(*e, attrs, |attr, value| f(at, attr, value))?;
        }
        Ok(())
    }

    #[inline]
    fn refs_into(&mut self, e: u64, a: AttrId, out: &mut Vec<u64>) -> Result<usize> {
        let before = out.len();
        self.each_value(e, a, |value| {
            let target = decode_int(value).and_then(|target| u64::try_from(target).ok());
            out.push(target.ok_or_else(|| not_a_reference(value))?);
            Ok(())
        })?;
        Ok(out.len() - before)
    }

    fn count(&mut self, e: u64) -> Result<u64> {
        if !self.cursor.find(&e.to_ne_bytes())? {
            return Ok(0);
        }
        Ok(self.cursor.dup_count()?)
    }

    fn next_entity(&mut self, from: Bound<u64>, direction: Direction) -> Result<Option<u64>> {
        let key = match (from, direction) {
            (Bound::Unbounded, Direction::Forward) => self.cursor.first()?,
            (Bound::Unbounded, Direction::Backward) => self.cursor.last()?,
            (Bound::Included(e), Direction::Forward) => self.cursor.seek(&e.to_ne_bytes())?,
            (Bound::Included(e), Direction::Backward) => self.cursor.seek_le(&e.to_ne_bytes())?,
            (Bound::Excluded(e), Direction::Forward) => match e.checked_add(1) {
                Some(e) => self.cursor.seek(&e.to_ne_bytes())?,
                None => None,
            },
            (Bound::Excluded(e), Direction::Backward) => match e.checked_sub(1) {
                Some(e) => self.cursor.seek_le(&e.to_ne_bytes())?,
                None => None,
            },
        };
        key.map(|(key, _)| entity_of(key)).transpose()
    }
}
