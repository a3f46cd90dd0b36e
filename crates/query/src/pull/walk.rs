//! Reading what a pattern asks for, level by level.
//!
//! ```text
//! level 0   roots          ──one sorted pass over EAV──▶ values, and references: the nodes of
//! level 1   their children ──one sorted pass over EAV──▶ ...
//! ```
//!
//! All entities of one level that share a pattern are read together in id order, so a thousand pulled entities cost
//! one walk along the index instead of a thousand descents, and deep data costs levels instead of stack frames.
//! Nodes lie in one vector, children after their parents; [`shape`](super::shape) folds it from the back.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use edn::Value;
use storage::{AttrId, AveCursor, Db, EavCursor, EntityId};

use super::error::PullError;
use super::pattern::{LIMIT_DEFAULT, PatternId, PullPattern};
use super::resolve::{Follow, Resolved, ResolvedPattern};
use super::{PullOptions, Visit};

/// Nodes that are made between two looks at the limits.
const NODES_AT_ONCE: usize = 1024;
/// What a node takes: itself, and the map that it becomes.
const NODE_BYTES: usize = size_of::<Node>() + 4 * size_of::<Value>();

/// Index into the walk's nodes.
pub(super) type NodeId = usize;

/// One entity at one place of the result.
pub(super) struct Node {
    pub(super) entity: u64,
    pub(super) pattern: PatternId,
    /// How deep its map stands inside other maps and vectors.
    depth: usize,
    /// The nodes on the path to here, this one included if recursion led to it, that cycles are checked against.
    path: Option<Arc<Path>>,
    /// What is left of the pattern's bounded recursions.
    depths: Option<Arc<[u32]>>,
    pub(super) slots: Vec<Slot>,
}

/// Entities through which recursion came, innermost first.
struct Path {
    entity: u64,
    outer: Option<Arc<Path>>,
}

/// The values of one attribute of one node.
pub(super) struct Slot {
    pub(super) attribute: SlotAttribute,
    pub(super) children: Vec<Child>,
}

/// Whose values they are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum SlotAttribute {
    /// The spec at this index of the node's pattern.
    Spec(usize),
    /// An attribute that the wildcard found.
    Wildcard(AttrId),
}

/// One value.
pub(super) enum Child {
    Value(Value),
    /// Shown as `{:db/id n}`.
    Id(u64),
    Node(NodeId),
}

/// A walk from some roots down to everything that the pattern reaches.
pub(super) struct Walk<'d> {
    pub(super) db: &'d Db,
    resolved: &'d Resolved,
    options: &'d PullOptions,
    eav: EavCursor<'d>,
    ave: AveCursor<'d>,
    pub(super) nodes: Vec<Node>,
    /// Scratch: facts of one group of entities, by entity, then attribute.
    facts: Vec<(AttrId, &'d [u8])>,
    /// Scratch: each distinct entity of the group with its facts.
    found: Vec<(u64, Range<usize>)>,
    /// Scratch: referring entities.
    referrers: Vec<u64>,
    /// Nodes that the budget has been told of.
    counted: usize,
    /// Bytes of values that it has not been told of.
    bytes: usize,
}

impl<'d> Walk<'d> {
    pub(super) fn new(db: &'d Db, resolved: &'d Resolved, options: &'d PullOptions) -> Self {
        Self {
            db,
            resolved,
            options,
            eav: db.eav(),
            ave: db.ave(),
            nodes: Vec::new(),
            facts: Vec::new(),
            found: Vec::new(),
            referrers: Vec::new(),
            counted: 0,
            bytes: 0,
        }
    }

    /// Walks from `roots`; afterwards the first nodes are the roots in the same order.
    pub(super) fn run(&mut self, roots: impl IntoIterator<Item = u64>) -> Result<(), PullError> {
        self.nodes.clear();
        self.counted = 0;
        for entity in roots {
            self.push(entity, PullPattern::ROOT, 0, None, None)?;
        }
        let mut level = 0..self.nodes.len();
        while !level.is_empty() {
            self.check()?;
            self.read_level(level.clone())?;
            level = level.end..self.nodes.len();
        }
        self.check()
    }

    /// Whether to go on; asked once a level, and within one after a while.
    fn check(&mut self) -> Result<(), PullError> {
        if let Some(budget) = &self.options.budget {
            let nodes = self.nodes.len() - self.counted;
            self.counted = self.nodes.len();
            let bytes = nodes * NODE_BYTES + std::mem::take(&mut self.bytes);
            budget.poll(nodes)?;
            budget.hold(bytes)?;
        }
        if self.options.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(PullError::Timeout);
        }
        if self.options.cancel.as_ref().is_some_and(|cancelled| cancelled()) {
            return Err(PullError::Cancelled);
        }
        Ok(())
    }

    fn push(
        &mut self,
        entity: u64,
        pattern: PatternId,
        depth: usize,
        path: Option<Arc<Path>>,
        depths: Option<Arc<[u32]>>,
    ) -> Result<NodeId, PullError> {
        if depth > self.options.depth_max {
            return Err(PullError::TooDeep { limit: self.options.depth_max, entity });
        }
        if self.nodes.len() == self.options.entities_max {
            return Err(PullError::TooLarge { limit: self.options.entities_max });
        }
        let fresh = &self.resolved.pattern(pattern).depths;
        let depths = depths.or_else(|| (!fresh.is_empty()).then(|| fresh.as_slice().into()));
        if (self.nodes.len() + 1).is_multiple_of(NODES_AT_ONCE) {
            self.check()?;
        }
        self.nodes.push(Node { entity, pattern, depth, path, depths, slots: Vec::new() });
        Ok(self.nodes.len() - 1)
    }

    fn read_level(&mut self, level: Range<NodeId>) -> Result<(), PullError> {
        let mut order: Vec<NodeId> = level.collect();
        order.sort_unstable_by_key(|&id| (self.nodes[id].pattern, self.nodes[id].entity));
        let mut start = 0;
        while start < order.len() {
            let pattern = self.nodes[order[start]].pattern;
            let len = order[start..].partition_point(|&id| self.nodes[id].pattern == pattern);
            let group = &order[start..start + len];
            if let Some(visitor) = &self.options.visitor {
                group.iter().for_each(|&id| self.tell(&**visitor, &self.nodes[id]));
            }
            self.read_forward(self.resolved.pattern(pattern), group)?;
            self.read_reverse(self.resolved.pattern(pattern), group)?;
            start += len;
        }
        Ok(())
    }

    /// Tells the visitor what will be read of a node.
    fn tell(&self, visitor: &dyn Fn(Visit<'_>), node: &Node) {
        let pattern = self.resolved.pattern(node.pattern);
        let entity = EntityId(node.entity);
        if pattern.wildcard {
            visitor(Visit::Wildcard { entity });
        }
        for spec in &pattern.specs {
            // The name without underscore; where the schema has none, the one that was written.
            let known = spec.attribute.and_then(|id| self.db.schema().by_id(id));
            let attribute = known.map_or(&spec.written, |known| &known.ident);
            visitor(match spec.reverse {
                true => Visit::Reverse { entity, attribute },
                false => Visit::Attribute { entity, attribute },
            });
        }
    }

    /// Reads the attributes of all entities of a group, then hands each node its share.
    fn read_forward(&mut self, pattern: &'d ResolvedPattern, group: &[NodeId]) -> Result<(), PullError> {
        if !pattern.wildcard && pattern.forward.is_empty() {
            return Ok(());
        }
        let mut entities: Vec<u64> = group.iter().map(|&id| self.nodes[id].entity).collect();
        entities.dedup();
        self.collect_facts(pattern, &entities)?;
        let mut at = 0;
        for &id in group {
            while self.found[at].0 != self.nodes[id].entity {
                at += 1;
            }
            self.fill(pattern, id, self.found[at].1.clone())?;
        }
        Ok(())
    }

    /// Leaves the facts of `entities` (ascending, distinct) in the scratch vectors.
    fn collect_facts(&mut self, pattern: &ResolvedPattern, entities: &[u64]) -> Result<(), PullError> {
        let (facts, found) = (&mut self.facts, &mut self.found);
        facts.clear();
        found.clear();
        if pattern.wildcard {
            for &entity in entities {
                let start = facts.len();
                self.eav.entity(entity, &mut |attribute, value| {
                    facts.push((attribute, value));
                    std::ops::ControlFlow::Continue(())
                })?;
                found.push((entity, start..facts.len()));
            }
            return Ok(());
        }
        found.extend(entities.iter().map(|&entity| (entity, 0..0)));
        self.eav.merge_scan(entities, &pattern.forward, &mut |entity, attribute, value| {
            let range = &mut found[entity].1;
            if range.start == range.end {
                range.start = facts.len();
            }
            facts.push((pattern.forward[attribute], value));
            range.end = facts.len();
        })?;
        Ok(())
    }

    /// Distributes one entity's facts over the specs and the wildcard of a node.
    fn fill(
        &mut self,
        pattern: &'d ResolvedPattern,
        id: NodeId,
        facts: Range<usize>,
    ) -> Result<(), PullError> {
        for (index, spec) in pattern.specs.iter().enumerate() {
            let Some(attribute) = spec.attribute.filter(|_| !spec.reverse) else { continue };
            let values = self.values_of(attribute, facts.clone());
            let values = values.start..values.end.min(values.start.saturating_add(spec.limit));
            self.fill_slot(id, SlotAttribute::Spec(index), (spec.follow, spec.many), values)?;
        }
        let mut at = facts.start;
        while pattern.wildcard && at < facts.end {
            let attribute = self.facts[at].0;
            let values = self.values_of(attribute, at..facts.end);
            at = values.end;
            if pattern.overridden.binary_search(&attribute).is_ok() {
                continue;
            }
            let values = values.start..values.end.min(values.start + LIMIT_DEFAULT);
            let known = self.db.schema().by_id(attribute);
            let follow = known.map_or(Follow::Value, |known| Follow::plain(known, false));
            let many = self.is_many(attribute);
            self.fill_slot(id, SlotAttribute::Wildcard(attribute), (follow, many), values)?;
        }
        Ok(())
    }

    fn values_of(&self, attribute: AttrId, facts: Range<usize>) -> Range<usize> {
        let all = &self.facts[facts.clone()];
        let start = all.partition_point(|fact| fact.0 < attribute);
        let len = all[start..].partition_point(|fact| fact.0 == attribute);
        facts.start + start..facts.start + start + len
    }

    fn fill_slot(
        &mut self,
        id: NodeId,
        attribute: SlotAttribute,
        (follow, many): (Follow, bool),
        values: Range<usize>,
    ) -> Result<(), PullError> {
        let mut children = Vec::with_capacity(values.len());
        for at in values {
            let value = self.db.schema().decode(self.facts[at].0, self.facts[at].1)?;
            self.bytes += size_of::<Child>() + self.facts[at].1.len();
            let child = match (follow, &value) {
                (Follow::Value, _) => Some(Child::Value(value)),
                (_, Value::Int(entity)) => self.child(id, *entity as u64, follow, many)?,
                _ => Some(Child::Value(value)),
            };
            children.extend(child);
        }
        if !children.is_empty() {
            self.nodes[id].slots.push(Slot { attribute, children });
        }
        Ok(())
    }

    /// Finds the entities that refer to each entity of a group.
    fn read_reverse(&mut self, pattern: &'d ResolvedPattern, group: &[NodeId]) -> Result<(), PullError> {
        for (index, spec) in pattern.specs.iter().enumerate() {
            let Some(attribute) = spec.attribute.filter(|_| spec.reverse) else { continue };
            for &id in group {
                let target = storage::encode(&Value::Int(self.nodes[id].entity as i64));
                let mut referrers = std::mem::take(&mut self.referrers);
                referrers.clear();
                self.ave.lookup_into(attribute, &target, &mut referrers)?;
                let mut children = Vec::with_capacity(referrers.len().min(spec.limit));
                for &entity in referrers.iter().take(spec.limit) {
                    children.extend(self.child(id, entity, spec.follow, spec.many)?);
                }
                self.referrers = referrers;
                if !children.is_empty() {
                    self.nodes[id].slots.push(Slot { attribute: SlotAttribute::Spec(index), children });
                }
            }
        }
        Ok(())
    }

    /// A referenced entity as it is to be shown below node `id`; `None` where recursion ends.
    fn child(
        &mut self,
        id: NodeId,
        entity: u64,
        follow: Follow,
        many: bool,
    ) -> Result<Option<Child>, PullError> {
        let node = &self.nodes[id];
        let (depth, path) = (node.depth + if many { 2 } else { 1 }, node.path.clone());
        let node = match follow {
            Follow::Value | Follow::Id => return Ok(Some(Child::Id(entity))),
            Follow::Pattern(pattern) => self.push(entity, pattern, depth, None, None)?,
            Follow::Component | Follow::Recursion { .. } if Path::contains(&path, entity) => {
                return Ok(Some(Child::Id(entity)));
            }
            Follow::Component => {
                self.push(entity, PullPattern::EXPAND, depth, Path::extend(path, entity), None)?
            }
            Follow::Recursion { slot } => {
                let pattern = node.pattern;
                let mut depths = node.depths.clone();
                if let (Some(slot), Some(left)) = (slot, &mut depths) {
                    let mut less: Vec<u32> = left.to_vec();
                    if less[slot] == 0 {
                        return Ok(None);
                    }
                    less[slot] -= 1;
                    *left = less.into();
                }
                self.push(entity, pattern, depth, Path::extend(path, entity), depths)?
            }
        };
        Ok(Some(Child::Node(node)))
    }

    /// Whether a wildcard's attribute shows its values as a collection.
    pub(super) fn is_many(&self, attribute: AttrId) -> bool {
        self.db.schema().by_id(attribute).is_some_and(|known| known.cardinality == storage::Cardinality::Many)
    }

    /// The name of an attribute that the wildcard found.
    pub(super) fn ident(&self, attribute: AttrId) -> Option<Value> {
        self.db.schema().by_id(attribute).map(|known| Value::Keyword(known.ident.clone()))
    }
}

impl Path {
    fn extend(outer: Option<Arc<Self>>, entity: u64) -> Option<Arc<Self>> {
        Some(Arc::new(Self { entity, outer }))
    }

    fn contains(path: &Option<Arc<Self>>, entity: u64) -> bool {
        let mut at = path;
        while let Some(step) = at {
            if step.entity == entity {
                return true;
            }
            at = &step.outer;
        }
        false
    }
}

impl Drop for Path {
    /// Unlinks the chain step by step: dropping it link by link would recurse as deep as the data.
    fn drop(&mut self) {
        let mut outer = self.outer.take();
        while let Some(step) = outer {
            outer = Arc::into_inner(step).and_then(|mut step| step.outer.take());
        }
    }
}
