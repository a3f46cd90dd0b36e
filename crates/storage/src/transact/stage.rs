//! [`Stage`]: the database in the making, and the record of what changed.
//!
//! ```text
//! add(e, a, v) --redundant? replaced value? source of a composite?--> Db::stage_add / stage_retract
//!                                                               \--> log: effects in order -> TxReport
//! ```

use std::sync::Arc;

use edn::{Keyword, Value};
use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::error::{TransactError, TransactErrorKind as Kind};
use crate::ids::TX_BASE;
use crate::schema::is_behaviour;
use crate::{AttrId, Attribute, Cardinality, Datom, Db, EncodedValue, EntityId, Schema};

type State = foldhash::fast::RandomState;

/// One effect of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) e: EntityId,
    pub(crate) a: AttrId,
    pub(crate) v: EncodedValue,
    pub(crate) added: bool,
}

/// The values of one entity and attribute.
pub(crate) type Values = SmallVec<[EncodedValue; 1]>;

/// An entity whose facts all stem from the item in work: nothing needs to be looked up about it.
struct Blank {
    entity: EntityId,
    written: SmallVec<[AttrId; 16]>,
}

/// The database in the making.
pub(crate) struct Stage<'t> {
    before: &'t Db,
    db: Db,
    /// Newer than the schema of `db` while `schema_is_ahead`, so that it is copied once for many new attributes.
    schema: Arc<Schema>,
    schema_is_ahead: bool,
    log: Vec<Change>,
    /// Unique values of the database before, retracted here: no other entity may take them in this transaction.
    freed: HashMap<(AttrId, EncodedValue), EntityId, State>,
    blanks: Vec<Blank>,
    new_attributes: Vec<Keyword>,
    ref_attributes: Option<Arc<[Arc<Attribute>]>>,
    /// Entities and composite attributes whose sources changed since the tuples were made.
    stale: Vec<(EntityId, AttrId)>,
    stale_set: HashSet<(EntityId, AttrId), State>,
    /// Unique composite tuples that were made.
    made: Vec<(EntityId, AttrId)>,
}

impl<'t> Stage<'t> {
    pub(crate) fn new(before: &'t Db) -> Self {
        let mut db = before.clone();
        db.set_basis_tx(before.basis_tx() + 1);
        Self {
            before,
            schema: db.schema().clone(),
            db,
            schema_is_ahead: false,
            log: Vec::new(),
            freed: HashMap::default(),
            blanks: Vec::new(),
            new_attributes: Vec::new(),
            ref_attributes: None,
            stale: Vec::new(),
            stale_set: HashSet::default(),
            made: Vec::new(),
        }
    }

    /// The entity of the transaction itself.
    pub(crate) fn tx(&self) -> EntityId {
        EntityId::of_tx(self.db.basis_tx())
    }

    pub(crate) fn before(&self) -> &'t Db {
        self.before
    }

    /// The database as the items so far leave it, with every derived tuple in place.
    pub(crate) fn db(&mut self) -> Result<&Db, TransactError> {
        self.complete()?;
        self.db.settle();
        Ok(&self.db)
    }

    /// Gives the database every derived tuple and the newest schema.
    fn complete(&mut self) -> Result<(), TransactError> {
        self.make_composites()?;
        if self.schema_is_ahead {
            self.db.set_schema(self.schema.clone());
            self.schema_is_ahead = false;
        }
        Ok(())
    }

    /// The database as it is staged, for coercion and for lookups that do not concern composites.
    pub(crate) fn raw_db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn log(&self) -> &[Change] {
        &self.log
    }

    /// What the report needs. Facts may still wait for their order by value: a commit makes it beside its other work.
    pub(crate) fn finish(mut self) -> Result<(Db, Vec<Datom>, Vec<Keyword>), TransactError> {
        self.complete()?;
        let datoms = self.log.iter().map(|change| {
            let Change { e, a, v, added } = change;
            Ok(Datom { e: *e, a: *a, v: self.schema.decode(*a, v)?, added: *added })
        });
        let datoms = datoms.collect::<crate::Result<Vec<_>>>()?;
        Ok((self.db, datoms, self.new_attributes))
    }

    /// The attribute of this name, if there is one.
    pub(crate) fn attribute(&self, name: &Keyword) -> Option<Arc<Attribute>> {
        self.schema.attribute(name).cloned()
    }

    /// Declares an attribute on its first write: untyped and single-valued.
    pub(crate) fn declare(&mut self, name: &Keyword) -> Result<Arc<Attribute>, TransactError> {
        if is_behaviour(name) {
            let (attribute, reason) =
                (Value::Keyword(name.clone()), "it is a property of attributes, and those are no entities");
            let error = TransactError::from(Kind::BadAttribute { attribute, reason });
            return Err(error.with_hint("the schema is given on opening, or changed by update_schema (`factum schema`, `update-schema`)"));
        }
        if self.db.options().closed_schema {
            let nearest = self.schema.nearest(name.as_str());
            return Err(crate::Error::UnknownAttribute { attribute: name.clone(), nearest }.into());
        }
        let id = Arc::make_mut(&mut self.schema).declare(name)?;
        self.schema_is_ahead = true;
        self.new_attributes.push(name.clone());
        Ok(self.schema.by_id(id).expect("just declared").clone())
    }

    /// The attributes whose values are references.
    pub(crate) fn ref_attributes(&mut self) -> Arc<[Arc<Attribute>]> {
        // Attributes declared by this transaction are untyped, so the list does not age.
        let references = || self.schema.iter().filter(|attribute| attribute.is_ref()).cloned().collect();
        self.ref_attributes.get_or_insert_with(references).clone()
    }

    /// A new entity: one more than the largest id so far.
    pub(crate) fn allocate(&mut self) -> Result<EntityId, TransactError> {
        let entity = EntityId(self.db.max_eid().0 + 1);
        if entity.0 >= TX_BASE {
            return Err(Kind::IdsExhausted.into());
        }
        self.db.set_max_eid(entity);
        Ok(entity)
    }

    /// Notes an id that an item gives to the entity it is about: new ones are larger.
    pub(crate) fn note_id(&mut self, entity: EntityId) {
        if !entity.is_tx() {
            self.db.set_max_eid(entity);
        }
    }

    /// Until [`end_blank`](Self::end_blank), `entity` has only the facts that are added here.
    pub(crate) fn begin_blank(&mut self, entity: EntityId) {
        self.blanks.push(Blank { entity, written: SmallVec::new() });
    }

    pub(crate) fn end_blank(&mut self) {
        self.blanks.pop();
    }

    /// Whether it is known without looking that the entity has no value for the attribute; notes that it gets one.
    fn is_first_write(&mut self, e: EntityId, a: AttrId) -> bool {
        let Some(blank) = self.blanks.iter_mut().rev().find(|blank| blank.entity == e) else { return false };
        let is_first = !blank.written.contains(&a);
        if is_first {
            blank.written.push(a);
        }
        is_first
    }

    /// The values of an attribute.
    pub(crate) fn values(&self, e: EntityId, a: AttrId) -> Result<Values, TransactError> {
        Ok(self.db.values(e, a)?)
    }

    /// The entities that have a value, unique or not.
    pub(crate) fn entities(&mut self, a: AttrId, v: &EncodedValue) -> Result<Vec<u64>, TransactError> {
        self.db.settle();
        Ok(self.db.entities(a, v)?)
    }

    /// The entity that has a unique value now.
    pub(crate) fn holder(&self, a: AttrId, v: &EncodedValue) -> Result<Option<EntityId>, TransactError> {
        Ok(self.db.entities(a, v)?.first().map(|e| EntityId(*e)))
    }

    /// The entity that has a unique value now, or had it when the transaction began.
    pub(crate) fn owner(&self, a: AttrId, v: &EncodedValue) -> Result<Option<EntityId>, TransactError> {
        if let Some(holder) = self.holder(a, v)? {
            return Ok(Some(holder));
        }
        if self.freed.is_empty() {
            return Ok(None);
        }
        Ok(self.freed.get(&(a, v.clone())).copied())
    }

    /// An entity other than `e` that has a unique value now, or had it when the transaction began.
    pub(crate) fn other_owner(
        &self,
        e: EntityId,
        a: AttrId,
        v: &EncodedValue,
    ) -> Result<Option<EntityId>, TransactError> {
        let holders = self.db.entities(a, v)?;
        if let Some(holder) = holders.into_iter().find(|holder| *holder != e.0) {
            return Ok(Some(EntityId(holder)));
        }
        if self.freed.is_empty() {
            return Ok(None);
        }
        Ok(self.freed.get(&(a, v.clone())).copied().filter(|owner| *owner != e))
    }

    /// Adds a fact, in place of the old value of a single-valued attribute; a fact that holds already is no change.
    pub(crate) fn add(&mut self, e: EntityId, a: &Attribute, v: EncodedValue) -> Result<(), TransactError> {
        // Readers take it that transactions which have not happened have no facts; they count from 1.
        if e.is_tx() && (e > self.tx() || e == EntityId::of_tx(0)) {
            return Err(Kind::IdOfFutureTx { entity: e }.into());
        }
        if a.cardinality == Cardinality::One && !self.is_first_write(e, a.id) {
            let old = self.values(e, a.id)?;
            if old.contains(&v) {
                return Ok(());
            }
            for old in old {
                self.retract(e, a, old)?;
            }
        }
        if self.db.stage_add(e, a, v.clone())? {
            self.changed(e, a, v, true);
        }
        Ok(())
    }

    /// Takes a fact away, if it holds.
    pub(crate) fn retract(
        &mut self,
        e: EntityId,
        a: &Attribute,
        v: EncodedValue,
    ) -> Result<(), TransactError> {
        if !self.db.stage_retract(e, a, v.clone())? {
            return Ok(());
        }
        if a.is_unique() && self.before.contains(e, a.id, &v)? {
            self.freed.insert((a.id, v.clone()), e);
        }
        self.changed(e, a, v, false);
        Ok(())
    }

    fn changed(&mut self, e: EntityId, a: &Attribute, v: EncodedValue, added: bool) {
        self.log.push(Change { e, a: a.id, v, added });
        if self.schema.has_composites() {
            for composite in self.schema.composites_of(a.id) {
                if self.stale_set.insert((e, *composite)) {
                    self.stale.push((e, *composite));
                }
            }
        }
    }

    /// Brings the composite tuples in step with their sources.
    fn make_composites(&mut self) -> Result<(), TransactError> {
        if self.stale.is_empty() {
            return Ok(());
        }
        self.stale_set.clear();
        for (e, composite) in std::mem::take(&mut self.stale) {
            let attribute = self.schema.by_id(composite).expect("the schema lists composites").clone();
            let new = composite_value(&self.db, e, attribute.composite().unwrap_or(&[]))?;
            let old = self.values(e, composite)?.into_iter().next();
            if old == new {
                continue;
            }
            if let Some(old) = old {
                self.retract(e, &attribute, old)?;
            }
            if let Some(new) = new {
                if self.db.stage_add(e, &attribute, new.clone())? {
                    self.changed(e, &attribute, new, true);
                }
                if attribute.is_unique() {
                    self.made.push((e, composite));
                }
            }
        }
        Ok(())
    }

    /// The unique composite tuples that were made, each with its present value.
    pub(crate) fn made_composites(
        &mut self,
    ) -> Result<Vec<(EntityId, Arc<Attribute>, EncodedValue)>, TransactError> {
        self.make_composites()?;
        let mut made = std::mem::take(&mut self.made);
        made.sort_unstable();
        made.dedup();
        let mut tuples = Vec::with_capacity(made.len());
        for (e, a) in made {
            if let Some(value) = self.values(e, a)?.into_iter().next() {
                tuples.push((e, self.schema.by_id(a).expect("it was made").clone(), value));
            }
        }
        Ok(tuples)
    }
}

/// The tuple that an entity's sources make: nil for missing ones, nothing where all are missing.
pub(crate) fn composite_value(
    db: &Db,
    e: EntityId,
    sources: &[AttrId],
) -> Result<Option<EncodedValue>, TransactError> {
    let mut parts = Vec::with_capacity(sources.len());
    for source in sources {
        let value = db.values(e, *source)?.into_iter().next();
        parts.push(value.map(|value| value.decode()).transpose()?);
    }
    if parts.iter().all(Option::is_none) {
        return Ok(None);
    }
    let parts = parts.into_iter().map(Option::unwrap_or_default).collect();
    Ok(Some(crate::encode(&edn::Value::Vector(parts))))
}
