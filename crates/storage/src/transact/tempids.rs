//! [`Tempids`]: which entity each tempid of one transaction stands for.
//!
//! ```text
//! -1, "b", {..}   --intern-->  TempId  --union-find-->  class  --bind-->  EntityId
//!                                          ^                       fresh: allocated in this pass
//!                              "the same identity value"           known: found by a unique identity
//! ```
//!
//! A class may turn out to stand for another entity after ids were handed out. The pass then goes on to learn more,
//! but no longer about the entities that it got wrong. What was learned stays, the transaction runs again, and ids are
//! handed out anew; so the order of the items does not matter.

use edn::{Span, Value};
use hashbrown::{HashMap, HashSet};

use crate::EntityId;

/// A tempid, interned for one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TempId(u32);

/// Two different existing entities are claimed for one tempid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    pub(crate) one: EntityId,
    pub(crate) other: EntityId,
}

/// What is known about one tempid; `known` and `bound` count only at the root of its class.
#[derive(Clone, Debug)]
struct Slot {
    parent: u32,
    /// The existing entity that the class stands for; kept between passes.
    known: Option<EntityId>,
    /// The entity that the class stands for in this pass.
    bound: Option<EntityId>,
    /// In this pass the tempid stood where an entity gets facts.
    is_subject: bool,
}

/// The tempids of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Tempids {
    slots: Vec<Slot>,
    numbers: HashMap<i64, u32, foldhash::fast::RandomState>,
    names: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    /// Maps without an id, in the order in which they are met.
    anonymous: Vec<u32>,
    anonymous_met: usize,
    /// Entities allocated in this pass, ascending.
    fresh: Vec<(EntityId, TempId)>,
    /// Tempids that stood as values in this pass, with the first place of each.
    values: Vec<(TempId, Option<Span>)>,
    /// Entities whose facts in this pass are wrong: some of them belong to another one, or the other way round.
    wrong: HashSet<EntityId>,
    must_restart: bool,
}

impl Tempids {
    /// Forgets what the last pass bound, keeps what it learned.
    pub(crate) fn begin_pass(&mut self) {
        for slot in &mut self.slots {
            slot.bound = slot.known;
            slot.is_subject = false;
        }
        self.anonymous_met = 0;
        self.fresh.clear();
        self.values.clear();
        self.wrong.clear();
        self.must_restart = false;
    }

    /// Whether an entity was handed out before it was known that its tempid stands for another one.
    pub(crate) fn must_restart(&self) -> bool {
        self.must_restart
    }

    fn slot(&mut self) -> u32 {
        let id = self.slots.len() as u32;
        self.slots.push(Slot { parent: id, known: None, bound: None, is_subject: false });
        id
    }

    /// The tempid of a negative number.
    pub(crate) fn number(&mut self, number: i64) -> TempId {
        if let Some(&id) = self.numbers.get(&number) {
            return TempId(id);
        }
        let id = self.slot();
        self.numbers.insert(number, id);
        TempId(id)
    }

    /// The tempid of a string.
    pub(crate) fn name(&mut self, name: &str) -> TempId {
        if let Some(&id) = self.names.get(name) {
            return TempId(id);
        }
        let id = self.slot();
        self.names.insert(name.into(), id);
        TempId(id)
    }

    /// The tempid of the next map without an id.
    pub(crate) fn anonymous(&mut self) -> TempId {
        let met = self.anonymous_met;
        self.anonymous_met += 1;
        if let Some(&id) = self.anonymous.get(met) {
            return TempId(id);
        }
        let id = self.slot();
        self.anonymous.push(id);
        TempId(id)
    }

    fn root(&mut self, tempid: TempId) -> usize {
        let mut at = tempid.0;
        loop {
            let parent = self.slots[at as usize].parent;
            if parent == at {
                return at as usize;
            }
            let grandparent = self.slots[parent as usize].parent;
            self.slots[at as usize].parent = grandparent;
            at = grandparent;
        }
    }

    /// The entity that the tempid stands for, if that is decided.
    pub(crate) fn entity(&mut self, tempid: TempId) -> Option<EntityId> {
        let root = self.root(tempid);
        self.slots[root].bound
    }

    /// Binds a tempid to an entity that was allocated for it; entities come in ascending order.
    pub(crate) fn bind_fresh(&mut self, tempid: TempId, entity: EntityId) {
        let root = self.root(tempid);
        self.slots[root].bound = Some(entity);
        self.fresh.push((entity, tempid));
    }

    /// The tempid for which this pass allocated the entity.
    pub(crate) fn fresh_owner(&self, entity: EntityId) -> Option<TempId> {
        let at = self.fresh.binary_search_by_key(&entity, |(entity, _)| *entity).ok()?;
        Some(self.fresh[at].1)
    }

    /// Notes that the tempid gets facts.
    pub(crate) fn mark_subject(&mut self, tempid: TempId) {
        let root = self.root(tempid);
        self.slots[root].is_subject = true;
    }

    /// Notes that the tempid stands as a value.
    pub(crate) fn mark_value(&mut self, tempid: TempId, span: Option<Span>) {
        self.values.push((tempid, span));
    }

    /// A tempid that stood only as a value.
    pub(crate) fn dangling(&mut self) -> Option<(TempId, Option<Span>)> {
        let values = std::mem::take(&mut self.values);
        values.into_iter().find(|(tempid, _)| {
            let root = self.root(*tempid);
            !self.slots[root].is_subject
        })
    }

    /// Learns that `tempid` has an identity value that belongs to `owner`.
    pub(crate) fn learn_owner(&mut self, tempid: TempId, owner: EntityId) -> Result<(), Clash> {
        let root = self.root(tempid);
        let bound = self.slots[root].bound;
        if bound == Some(owner) {
            return Ok(());
        }
        if self.is_wrong(owner) || bound.is_some_and(|bound| self.is_wrong(bound)) {
            self.wrong.extend([owner, bound.unwrap_or(owner)]);
            self.slots[root].bound = bound.or(Some(owner));
            return Ok(());
        }
        match (self.fresh_owner(owner), bound) {
            (Some(other), _) => self.unify(tempid, other),
            (None, None) => {
                self.slots[root].known = Some(owner);
                self.slots[root].bound = Some(owner);
                Ok(())
            }
            (None, Some(_)) => self.learn_known(root, owner),
        }
    }

    /// Learns that `entity`, given by its id, has an identity value that this transaction gave to `owner` before.
    pub(crate) fn learn_entity(&mut self, owner: EntityId, entity: EntityId) -> Result<(), Clash> {
        if self.is_wrong(owner) || self.is_wrong(entity) {
            self.wrong.extend([owner, entity]);
            return Ok(());
        }
        match (self.fresh_owner(owner), self.fresh_owner(entity)) {
            (Some(tempid), None) => {
                let root = self.root(tempid);
                self.learn_known(root, entity)
            }
            // The id happens to be one that was just handed out.
            (Some(one), Some(other)) => self.unify(one, other),
            (None, _) => Err(Clash { one: entity, other: owner }),
        }
    }

    /// Learns that an identity value of `entity`, however that was named, belongs to `owner`.
    pub(crate) fn learn_same(&mut self, entity: EntityId, owner: EntityId) -> Result<(), Clash> {
        match self.fresh_owner(entity) {
            Some(tempid) => self.learn_owner(tempid, owner),
            None => self.learn_entity(owner, entity),
        }
    }

    /// Whether a tempid was found to stand for the entity, which exists.
    pub(crate) fn stands_for(&self, entity: EntityId) -> bool {
        self.slots.iter().any(|slot| slot.known == Some(entity))
    }

    /// Whether nothing can be concluded from the facts of an entity in this pass.
    fn is_wrong(&self, entity: EntityId) -> bool {
        self.must_restart && self.wrong.contains(&entity)
    }

    /// The pass gave facts to one entity, and perhaps to both, that belong to one.
    fn restart(&mut self, one: Option<EntityId>, other: Option<EntityId>) {
        self.wrong.extend(one);
        self.wrong.extend(other);
        self.must_restart = true;
    }

    fn learn_known(&mut self, root: usize, entity: EntityId) -> Result<(), Clash> {
        match self.slots[root].known {
            Some(known) if known == entity => Ok(()),
            Some(known) => Err(Clash { one: known, other: entity }),
            None => {
                self.slots[root].known = Some(entity);
                self.restart(self.slots[root].bound, Some(entity));
                Ok(())
            }
        }
    }

    /// Learns that two tempids stand for one entity.
    fn unify(&mut self, one: TempId, other: TempId) -> Result<(), Clash> {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return Ok(());
        }
        let (a, b) = (&self.slots[one], &self.slots[other]);
        let known = match (a.known, b.known) {
            (Some(one), Some(other)) if one != other => return Err(Clash { one, other }),
            (one, other) => one.or(other),
        };
        let (bound, other_bound) = (a.bound, b.bound);
        let is_subject = a.is_subject || b.is_subject;
        if bound.is_some() && other_bound.is_some() {
            self.restart(bound, other_bound);
        }
        let bound = bound.or(other_bound);
        // The smaller index becomes the root, so that chains stay short for tempids that repeat one identity.
        let (root, child) = (one.min(other), one.max(other));
        self.slots[child].parent = root as u32;
        let slot = &mut self.slots[root];
        (slot.known, slot.bound, slot.is_subject) = (known, bound, is_subject);
        Ok(())
    }

    /// The tempids of the user with their entities.
    pub(crate) fn resolved(&mut self) -> impl Iterator<Item = (Value, EntityId)> {
        let numbers = self.numbers.iter().map(|(number, id)| (Value::Int(*number), TempId(*id)));
        let names = self.names.iter().map(|(name, id)| (Value::str(&**name), TempId(*id)));
        let all: Vec<_> = numbers.chain(names).collect();
        all.into_iter().filter_map(|(tempid, id)| Some((tempid, self.entity(id)?)))
    }

    /// The entity of a number or a string that is a tempid of this transaction.
    pub(crate) fn find(&mut self, tempid: &Value) -> Option<EntityId> {
        let id = match tempid {
            Value::Int(number) => *self.numbers.get(number)?,
            Value::Str(name) => *self.names.get(&**name)?,
            _ => return None,
        };
        self.entity(TempId(id))
    }

    /// The number or string behind a tempid; nil for maps without an id.
    pub(crate) fn user_value(&self, tempid: TempId) -> Value {
        let number = self.numbers.iter().find(|(_, id)| **id == tempid.0);
        let name = self.names.iter().find(|(_, id)| **id == tempid.0);
        match (number, name) {
            (Some((number, _)), _) => Value::Int(*number),
            (_, Some((name, _))) => Value::str(&**name),
            _ => Value::Nil,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tempids_are_one() {
        let mut tempids = Tempids::default();
        let (a, b, c) = (tempids.number(-1), tempids.name("x"), tempids.anonymous());
        assert_eq!(tempids.number(-1), a);
        assert_eq!(tempids.name("x"), b);
        assert_ne!(tempids.anonymous(), c);
        tempids.begin_pass();
        assert_eq!(tempids.anonymous(), c);
    }

    #[test]
    fn an_owner_known_in_time_needs_no_restart() {
        let mut tempids = Tempids::default();
        let a = tempids.number(-1);
        assert_eq!(tempids.learn_owner(a, EntityId(7)), Ok(()));
        assert_eq!(tempids.entity(a), Some(EntityId(7)));
        assert!(!tempids.must_restart());
        assert_eq!(tempids.learn_owner(a, EntityId(8)), Err(Clash { one: EntityId(7), other: EntityId(8) }));
    }

    #[test]
    fn an_owner_known_late_needs_a_restart() {
        let mut tempids = Tempids::default();
        let a = tempids.number(-1);
        tempids.bind_fresh(a, EntityId(20));
        assert_eq!(tempids.learn_owner(a, EntityId(7)), Ok(()));
        assert!(tempids.must_restart());
        tempids.begin_pass();
        assert_eq!(tempids.entity(a), Some(EntityId(7)));
        assert!(!tempids.must_restart());
    }

    #[test]
    fn tempids_that_share_an_identity_become_one() {
        let mut tempids = Tempids::default();
        let (a, b) = (tempids.number(-1), tempids.name("b"));
        tempids.bind_fresh(a, EntityId(20));
        tempids.bind_fresh(b, EntityId(21));
        assert_eq!(tempids.learn_owner(b, EntityId(20)), Ok(()));
        assert!(tempids.must_restart());
        tempids.begin_pass();
        tempids.bind_fresh(b, EntityId(20));
        assert_eq!(tempids.entity(a), Some(EntityId(20)));
        // A third one that is not used yet joins without a restart.
        let c = tempids.number(-3);
        assert_eq!(tempids.learn_owner(c, EntityId(20)), Ok(()));
        assert_eq!(tempids.entity(c), Some(EntityId(20)));
        assert!(!tempids.must_restart());
    }

    #[test]
    fn dangling_values_are_found() {
        let mut tempids = Tempids::default();
        let (a, b) = (tempids.number(-1), tempids.number(-2));
        tempids.mark_value(a, None);
        tempids.mark_value(b, None);
        tempids.mark_subject(a);
        assert_eq!(tempids.dangling(), Some((b, None)));
    }
}
