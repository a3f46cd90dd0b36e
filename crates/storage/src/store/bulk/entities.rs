//! [`EntityLoader`]: entities in any order, as a bulk load takes them.
//!
//! ```text
//! entities --encode (all cores), with ids in a row--> batches of datoms --> BulkLoader
//!          \-- there are ids, tempids or nested entities: number (one pass)--> ids --encode (all cores)--> the same
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use edn::{Keyword, Value};
use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::{BulkBatch, BulkLoader, BulkReport, Store};
use crate::db::Db;
use crate::encode::{EncodedValue, encode};
use crate::ids::{AttrId, EntityId, TX_BASE};
use crate::schema::{Attribute, Cardinality, Schema, SchemaError, ValueType};
use crate::store::StoreOptions;
use crate::transact::{EntityBuilder, TransactError, TransactErrorKind as Kind, TxValue};

/// How many entities are encoded by one thread at a time.
const CHUNK_LEN: usize = 4096;

/// Gathers entities for a [bulk load](BulkLoader), giving ids to those that have none.
///
/// Tempids (strings and negative numbers) mean the same entity in all that one loader is given; one that stands as a
/// value must have been given as an entity in the same call or an earlier one. Nested entities become entities of their
/// own. Attributes must be declared, and nothing is checked or looked up that a bulk load does not: no upsert by
/// identity, no uniqueness, and an entity that is given twice keeps both values of an attribute. Composite tuples are made
/// of the values that the loader is given, of the last one where it is given several; so an entity that the database has
/// already cannot be given sources of them.
///
/// ```
/// use factum_storage::transact::EntityBuilder;
/// use factum_storage::{Db, DbOptions, EntityLoader, Schema, StoreOptions};
///
/// # let dir = tempfile::tempdir()?;
/// let schema = Schema::from_value(&edn::read("{:name {:db/valueType :db.type/string} :boss {:db/valueType :db.type/ref}}")?)?;
/// let mut loader = EntityLoader::new(Db::empty(schema, DbOptions::default()));
/// loader.add(&[
///     EntityBuilder::with_id("ann").set(":name", "Ann"),
///     EntityBuilder::new().set(":name", "Bob").set(":boss", "ann"),
/// ])?;
/// let (store, report) = loader.build(StoreOptions::new(), dir.path())?;
/// assert_eq!((report.added, store.db()?.max_eid().0), (3, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EntityLoader {
    db: Db,
    loader: BulkLoader,
    tempids: HashMap<Value, u64, FixedState>,
    next: u64,
    composites: Composites,
}

impl EntityLoader {
    /// A loader for entities of this database: with its schema, its options, and ids after its own.
    pub fn new(db: Db) -> Self {
        let loader = BulkLoader::new(db.schema());
        let next = db.max_eid().0 + 1;
        Self { db, loader, tempids: HashMap::default(), next, composites: Composites::default() }
    }

    /// Changes how the datoms are loaded: memory, progress.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(BulkLoader) -> BulkLoader) -> Self {
        self.loader = change(self.loader);
        self
    }

    /// The entity that a tempid was given.
    pub fn tempid(&self, tempid: impl Into<Value>) -> Option<EntityId> {
        self.tempids.get(&tempid.into()).copied().map(EntityId)
    }

    /// Adds entities. Large slices are encoded on all cores.
    ///
    /// # Errors
    ///
    /// With the number of the entity in the slice: an attribute that is not declared, a value that does not suit its
    /// attribute, a tempid that stands for nothing, an id that no entity can have, no ids left. Nothing of the slice is
    /// kept then, but its tempids are.
    pub fn add(&mut self, entities: &[EntityBuilder]) -> Result<(), TransactError> {
        let batches = match self.encode_in_a_row(entities) {
            Some(batches) => batches,
            None => self.encode_numbered(entities)?,
        };
        for (batch, parts) in batches {
            self.loader.add_batch(batch)?;
            self.composites.add(parts);
        }
        Ok(())
    }

    /// Encodes entities that get their ids in a row: none if there are others among them, or an error, which the other
    /// way then meets again.
    fn encode_in_a_row(&mut self, entities: &[EntityBuilder]) -> Option<Vec<(BulkBatch, Vec<Part>)>> {
        let next = Some(self.next + entities.len() as u64).filter(|next| *next <= TX_BASE)?;
        let encoder = Encoder { db: &self.db, tempids: &self.tempids };
        let chunks = entities.par_chunks(CHUNK_LEN).enumerate().map(|(at, chunk)| {
            let first = at * CHUNK_LEN;
            encoder.chunk(chunk, Ids::InARow(self.next + first as u64), first).ok()?
        });
        let batches = chunks.collect::<Option<Vec<_>>>()?;
        self.next = next;
        Some(batches)
    }

    /// Numbers all entities, then encodes them.
    fn encode_numbered(
        &mut self,
        entities: &[EntityBuilder],
    ) -> Result<Vec<(BulkBatch, Vec<Part>)>, TransactError> {
        // Where each chunk's ids begin; in the order in which encoding meets the entities.
        let (mut ids, mut starts) = (Vec::with_capacity(entities.len()), Vec::new());
        for chunk in entities.chunks(CHUNK_LEN) {
            starts.push(ids.len());
            chunk.iter().for_each(|entity| self.number(entity, &mut ids));
        }
        let encoder = Encoder { db: &self.db, tempids: &self.tempids };
        let chunks = entities.par_chunks(CHUNK_LEN).zip(&starts).enumerate();
        let batches = chunks.map(|(at, (chunk, start))| {
            let batch = encoder.chunk(chunk, Ids::Numbered(ids[*start..].iter()), at * CHUNK_LEN)?;
            Ok(batch.expect("all are numbered"))
        });
        batches.collect()
    }

    /// Gives an entity and those nested in it their ids.
    fn number(&mut self, entity: &EntityBuilder, ids: &mut Vec<u64>) {
        let id = match entity.entries().iter().find(|(key, _)| is_id(key)) {
            None => self.new_id(),
            Some((_, TxValue::Value(Value::Int(id @ 1..)))) => {
                let id = *id as u64;
                if id < TX_BASE {
                    self.next = self.next.max(id + 1);
                }
                id
            }
            Some((_, TxValue::Value(tempid))) => match self.tempids.get(tempid) {
                Some(id) => *id,
                None => {
                    let id = self.new_id();
                    *self.tempids.entry(tempid.clone()).or_insert(id)
                }
            },
            // Encoding refuses it.
            Some(_) => 0,
        };
        ids.push(id);
        for (_, value) in entity.entries() {
            self.number_value(value, ids);
        }
    }

    fn number_value(&mut self, value: &TxValue, ids: &mut Vec<u64>) {
        match value {
            TxValue::Value(_) => {}
            TxValue::Entity(entity) => self.number(entity, ids),
            TxValue::Many(items) => items.iter().for_each(|item| self.number_value(item, ids)),
        }
    }

    /// The next id; if none is left, that of a transaction, which encoding refuses.
    fn new_id(&mut self) -> u64 {
        let id = self.next;
        self.next = (id + 1).min(TX_BASE);
        id
    }

    /// How many datoms were given so far.
    pub fn given(&self) -> u64 {
        self.loader.given()
    }

    /// Loads everything into a database that is open, in one commit; see [`Store::bulk_load`].
    pub fn load(mut self, store: &Store) -> Result<BulkReport, TransactError> {
        self.composites.finish(&self.db, &mut self.loader)?;
        Ok(store.bulk_load(self.loader)?)
    }

    /// Makes a new database of everything; see [`StoreOptions::build`].
    pub fn build(
        mut self,
        options: StoreOptions,
        path: impl AsRef<std::path::Path>,
    ) -> Result<(Store, BulkReport), TransactError> {
        self.composites.finish(&self.db, &mut self.loader)?;
        options.build(path, self.loader)
    }
}

fn is_id(key: &Value) -> bool {
    key.as_keyword().is_some_and(|key| key.as_str() == "db/id")
}

struct Encoder<'l> {
    db: &'l Db,
    tempids: &'l HashMap<Value, u64, FixedState>,
}

/// The ids of the entities of a chunk.
enum Ids<'l> {
    /// None of them has an id, a tempid, or entities in it: the id of the next.
    InARow(u64),
    /// They were numbered.
    Numbered(std::slice::Iter<'l, u64>),
}

/// What encoding one chunk needs beside the entities.
struct Work<'l> {
    ids: Ids<'l>,
    /// An entity was met that gets no id in a row.
    is_out_of_row: bool,
    batch: BulkBatch,
    /// The attributes of the entity before, which mostly are those of the next one, in the same order.
    known: Vec<(Keyword, Arc<Attribute>)>,
    /// Sources of composite tuples of entities that may be given again.
    parts: Vec<Part>,
}

impl Encoder<'_> {
    /// Nothing if the ids are in a row and there are entities that get others.
    fn chunk(
        &self,
        entities: &[EntityBuilder],
        ids: Ids<'_>,
        first: usize,
    ) -> Result<Option<(BulkBatch, Vec<Part>)>, TransactError> {
        let mut work =
            Work { ids, is_out_of_row: false, batch: BulkBatch::new(), known: Vec::new(), parts: Vec::new() };
        for (at, entity) in entities.iter().enumerate() {
            self.entity(entity, &mut work).map_err(|error| error.in_item(first + at))?;
            if work.is_out_of_row {
                return Ok(None);
            }
        }
        Ok(Some((work.batch, work.parts)))
    }

    fn entity(&self, entity: &EntityBuilder, work: &mut Work<'_>) -> Result<u64, TransactError> {
        let id = match &mut work.ids {
            Ids::Numbered(ids) => ids.next().copied().unwrap_or_default(),
            Ids::InARow(next) => {
                *next += 1;
                *next - 1
            }
        };
        let is_in_a_row = matches!(work.ids, Ids::InARow(_));
        if id >= TX_BASE && !entity.entries().iter().any(|(key, _)| is_id(key)) {
            return Err(Kind::IdsExhausted.into());
        }
        let (first_part, mut may_come_again) = (work.parts.len(), false);
        for (at, (key, value)) in entity.entries().iter().enumerate() {
            if is_id(key) {
                if is_in_a_row {
                    work.is_out_of_row = true;
                    return Ok(id);
                }
                may_come_again = true;
                let is_tempid = |value: &Value| matches!(value, Value::Str(_) | Value::Int(..=-1));
                match value {
                    TxValue::Value(Value::Int(1..)) if id > EntityId::of_tx(self.db.basis_tx()).0 => {
                        return Err(Kind::IdOfFutureTx { entity: EntityId(id) }.into());
                    }
                    TxValue::Value(Value::Int(1..)) => {}
                    // Nothing counts up to there.
                    TxValue::Value(_) if id >= TX_BASE => return Err(Kind::IdsExhausted.into()),
                    TxValue::Value(value) if is_tempid(value) => {}
                    other => {
                        return Err(crate::Error::EntityIdSyntax { given: other.to_value() }.into());
                    }
                }
                continue;
            }
            let attribute = self.attribute(key, at, &mut work.known)?;
            self.value(id, &attribute, value, true, work)?;
        }
        if !may_come_again && work.parts.len() > first_part {
            // Those of nested entities that may come again are among them.
            let (own, others) = work.parts.drain(first_part..).partition::<Vec<_>, _>(|part| part.e == id);
            work.parts.extend(others);
            for (composite, tuple) in tuples(self.db.schema(), &own)? {
                work.batch.add(EntityId(id), composite, tuple.as_bytes())?;
            }
        }
        Ok(id)
    }

    fn attribute(
        &self,
        key: &Value,
        at: usize,
        known: &mut Vec<(Keyword, Arc<Attribute>)>,
    ) -> Result<Arc<Attribute>, TransactError> {
        let Some(key) = key.as_keyword() else {
            let reason = "an attribute is a keyword";
            return Err(Kind::BadAttribute { attribute: key.clone(), reason }.into());
        };
        if let Some((_, attribute)) = known.get(at).filter(|(name, _)| name == key) {
            return Ok(attribute.clone());
        }
        let Some(attribute) = self.db.schema().attribute(key) else {
            let (attribute, nearest) = (key.clone(), self.db.schema().nearest(key.as_str()));
            let error = TransactError::from(SchemaError::MissingAttribute { attribute, nearest });
            return Err(error.with_hint("a loader makes no attributes: declare it in the schema first"));
        };
        if let Some(sources) = attribute.composite() {
            let names = sources.iter().filter_map(|id| self.db.schema().by_id(*id));
            let sources = names.map(|attribute| attribute.ident.clone()).collect();
            return Err(Kind::CompositeWritten { attribute: key.clone(), sources }.into());
        }
        known.truncate(at);
        if known.len() == at {
            known.push((key.clone(), attribute.clone()));
        }
        Ok(attribute.clone())
    }

    /// Adds a value, or the values that a collection of a many-valued attribute holds.
    fn value(
        &self,
        id: u64,
        attribute: &Attribute,
        value: &TxValue,
        expand: bool,
        work: &mut Work<'_>,
    ) -> Result<(), TransactError> {
        let is_many = attribute.cardinality == Cardinality::Many;
        let is_ref = attribute.value_type == Some(ValueType::Ref);
        let encoded = match value {
            TxValue::Many(items) if expand && is_many => {
                return items.iter().try_for_each(|item| self.value(id, attribute, item, false, work));
            }
            TxValue::Entity(_) if matches!(work.ids, Ids::InARow(_)) => {
                work.is_out_of_row = true;
                return Ok(());
            }
            TxValue::Entity(entity) if is_ref => {
                // Only its own attributes are cached by position.
                let known = std::mem::take(&mut work.known);
                let target = self.entity(entity, work)?;
                work.known = known;
                EncodedValue::int(target as i64)
            }
            TxValue::Value(Value::Set(items)) if expand && is_many => {
                return items.iter().try_for_each(|item| self.plain(id, attribute, item, is_ref, work));
            }
            TxValue::Value(Value::Vector(items) | Value::List(items))
                if expand && is_many && !self.is_lookup(is_ref, items) =>
            {
                return items.iter().try_for_each(|item| self.plain(id, attribute, item, is_ref, work));
            }
            TxValue::Value(value) => return self.plain(id, attribute, value, is_ref, work),
            other => self.db.encode_for(attribute, &other.to_value())?,
        };
        self.fact(id, attribute, encoded, work)
    }

    /// Adds a fact, and notes it if composite tuples are made of it.
    #[inline]
    fn fact(
        &self,
        id: u64,
        attribute: &Attribute,
        value: EncodedValue,
        work: &mut Work<'_>,
    ) -> Result<(), TransactError> {
        work.batch.add(EntityId(id), attribute.id, value.as_bytes())?;
        let schema = self.db.schema();
        if schema.has_composites() && !schema.composites_of(attribute.id).is_empty() {
            work.parts.push(Part { e: id, a: attribute.id, v: value });
        }
        Ok(())
    }

    /// `[:email "x"]` under a many-valued reference is one lookup ref, not two values.
    fn is_lookup(&self, is_ref: bool, items: &[Value]) -> bool {
        let [Value::Keyword(name), _] = items else { return false };
        is_ref && self.db.schema().attribute(name).is_some_and(|attribute| attribute.is_unique())
    }

    fn plain(
        &self,
        id: u64,
        attribute: &Attribute,
        value: &Value,
        is_ref: bool,
        work: &mut Work<'_>,
    ) -> Result<(), TransactError> {
        let encoded = match value {
            Value::Nil => return Err(crate::Error::NilValue { attribute: attribute.ident.clone() }.into()),
            Value::Str(_) | Value::Int(..=-1) if is_ref => match self.tempids.get(value) {
                Some(target) => EncodedValue::int(*target as i64),
                None => return Err(Kind::DanglingTempid { tempid: value.clone() }.into()),
            },
            value => self.db.encode_for(attribute, value)?,
        };
        self.fact(id, attribute, encoded, work)
    }
}

/// A source of composite tuples.
#[derive(Debug)]
struct Part {
    e: u64,
    a: AttrId,
    v: EncodedValue,
}

/// The sources of composite tuples of entities that have an id or a tempid, and so may be given in several pieces.
#[derive(Debug, Default)]
struct Composites {
    parts: BTreeMap<u64, Vec<Part>>,
}

impl Composites {
    fn add(&mut self, parts: Vec<Part>) {
        for part in parts {
            self.parts.entry(part.e).or_default().push(part);
        }
    }

    /// Adds the tuples to the facts that are loaded.
    fn finish(&mut self, db: &Db, loader: &mut BulkLoader) -> Result<(), TransactError> {
        for (e, parts) in std::mem::take(&mut self.parts) {
            if db.entity_exists(EntityId(e))? {
                let feature = "loading parts of composite tuples for entities that exist (transact does it)";
                return Err(Kind::Unsupported { feature }.into());
            }
            for (composite, tuple) in tuples(db.schema(), &parts)? {
                loader.add(EntityId(e), composite, tuple.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// The composite tuples of an entity with these sources: nil stands for those that it has not.
fn tuples(schema: &Schema, parts: &[Part]) -> Result<Vec<(AttrId, EncodedValue)>, TransactError> {
    let composites: BTreeSet<AttrId> =
        parts.iter().flat_map(|part| schema.composites_of(part.a)).copied().collect();
    let mut tuples = Vec::with_capacity(composites.len());
    for composite in composites {
        let sources = schema.by_id(composite).and_then(|attribute| attribute.composite()).unwrap_or(&[]);
        let value = |source: &AttrId| match parts.iter().rev().find(|part| part.a == *source) {
            Some(part) => part.v.decode(),
            None => Ok(Value::Nil),
        };
        let elements = sources.iter().map(value).collect::<crate::Result<Vec<_>>>()?;
        tuples.push((composite, encode(&Value::Vector(elements))));
    }
    Ok(tuples)
}
