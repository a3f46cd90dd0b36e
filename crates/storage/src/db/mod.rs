//! [`Db`]: a database as a value.
//!
//! ```text
//! Db = base (a snapshot of the file, or nothing) ⊕ overlay (staged changes) ⊕ schema ⊕ counters ⊕ options
//!        \-- AveCursor, EavCursor, Datoms, counts: merge the two; without an overlay they read the file alone --/
//! ```

use std::sync::Arc;

use edn::Value;
use smallvec::SmallVec;

use self::base::Base;
use self::base_eav::BaseEav;
use self::eav::RawEav;

use crate::encode::{EncodedValue, INDEX_LEN_MAX, INLINE_MAX, index_form};
use crate::error::Result;
use crate::ids::{AttrId, EntityId, TX_BASE};
use crate::overlay::{EavRow, InAve, Overlay};
use crate::schema::{Attribute, Schema};

pub(crate) mod ave;
pub(crate) mod base;
pub(crate) mod base_ave;
pub(crate) mod base_eav;
mod counts;
mod datoms;
pub(crate) mod eav;
mod merged_ave;
mod merged_eav;
mod overlay_ave;
mod overlay_eav;
mod resolve;
mod sample;
#[cfg(test)]
mod tests;

pub use ave::AveCursor;
pub use datoms::Datoms;
pub use eav::EavCursor;

/// Choices that belong to a database and are stored with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DbOptions {
    /// Only declared attributes may be written.
    pub closed_schema: bool,
    /// Values must already have the declared type; nothing is coerced.
    pub validate_data: bool,
    /// `:db/created-at` and `:db/updated-at` are kept for every entity.
    pub auto_entity_time: bool,
}

impl DbOptions {
    /// The options as an EDN map: `{:closed-schema? true}`.
    pub fn to_value(&self) -> Value {
        let flags = [
            (":closed-schema?", self.closed_schema),
            (":validate-data?", self.validate_data),
            (":auto-entity-time?", self.auto_entity_time),
        ];
        Value::Map(flags.into_iter().map(|(name, flag)| (Value::keyword(name), Value::Bool(flag))).collect())
    }
}

/// An immutable database: it gives the same answers for as long as it lives. Clones share everything.
///
/// ```
/// # use factum_storage::{Db, DbOptions, EntityId, Schema, encode};
/// # use edn::Keyword;
/// let (schema, name) = Schema::built_in().with_attribute(&Keyword::from(":name"))?;
/// let attribute = schema.by_id(name).expect("just made").clone();
/// let empty = Db::empty(schema, DbOptions::default());
/// let mut ada = empty.clone();
/// ada.stage_add(EntityId(1), &attribute, encode(&"Ada".into()))?;
/// assert_eq!(ada.entities(name, &encode(&"Ada".into()))?, [1]);
/// assert!(!empty.entity_exists(EntityId(1))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Db {
    pub(crate) base: Option<Arc<Base>>,
    pub(crate) overlay: Overlay,
    schema: Arc<Schema>,
    options: Arc<DbOptions>,
    max_eid: u64,
    basis_tx: u64,
}

impl Db {
    /// A database in memory without facts.
    pub fn empty(schema: Schema, options: DbOptions) -> Db {
        Db {
            base: None,
            overlay: Overlay::default(),
            schema: Arc::new(schema),
            options: Arc::new(options),
            max_eid: 0,
            basis_tx: 0,
        }
    }

    /// The state of a file.
    pub(crate) fn of_base(base: Arc<Base>, schema: Arc<Schema>, options: Arc<DbOptions>) -> Db {
        let (max_eid, basis_tx) = (base.meta.max_eid, base.meta.basis_tx);
        Db { base: Some(base), overlay: Overlay::default(), schema, options, max_eid, basis_tx }
    }

    /// The attributes.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The database's options.
    pub fn options(&self) -> &DbOptions {
        &self.options
    }

    /// The largest id that was ever given to an entity; transactions are not counted.
    pub fn max_eid(&self) -> EntityId {
        EntityId(self.max_eid)
    }

    /// The number of the last transaction.
    pub fn basis_tx(&self) -> u64 {
        self.basis_tx
    }

    /// A cursor by attribute and value.
    pub fn ave(&self) -> AveCursor<'_> {
        AveCursor::new(self)
    }

    /// A cursor by entity.
    pub fn eav(&self) -> EavCursor<'_> {
        EavCursor::new(self)
    }

    /// The values that `e` has for `a`, ascending.
    pub fn values(&self, e: EntityId, a: AttrId) -> Result<SmallVec<[EncodedValue; 1]>> {
        let mut found = Vec::new();
        self.eav().values_into(e.0, a, &mut found)?;
        Ok(found.into_iter().map(EncodedValue::from_bytes).collect())
    }

    /// Whether the fact holds; `v` is a full encoding.
    pub fn contains(&self, e: EntityId, a: AttrId, v: &[u8]) -> Result<bool> {
        self.eav().contains(e.0, a, v)
    }

    /// The entities that have this value, ascending. An attribute with `:db/noindex` cannot be asked this way.
    pub fn entities(&self, a: AttrId, v: &[u8]) -> Result<Vec<u64>> {
        self.require_indexed(a)?;
        let mut found = Vec::new();
        AveCursor::of(self, a).lookup_into(a, v, &mut found)?;
        Ok(found)
    }

    /// Whether the entity has any fact.
    pub fn entity_exists(&self, e: EntityId) -> Result<bool> {
        Ok(self.eav().count(e.0)? > 0)
    }

    fn require_indexed(&self, a: AttrId) -> Result<()> {
        match self.schema.by_id(a) {
            Some(attribute) if attribute.no_index => {
                Err(crate::Error::UnindexedAttribute { attribute: attribute.ident.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Staging: how transactions turn one database into the next. Only this value changes, never what it was made from.
impl Db {
    /// Adds a fact and says whether it is new. The value (a full encoding) must suit the attribute; a single-valued
    /// attribute's old value is the caller's to retract.
    pub fn stage_add(&mut self, e: EntityId, a: &Attribute, v: EncodedValue) -> Result<bool> {
        if e.0 < TX_BASE && e.0 > self.max_eid {
            self.max_eid = e.0;
        }
        let (row, giant) = staged(e, a.id, v, true);
        if !self.base.as_ref().is_some_and(|base| base.may_have(row.e)) {
            return Ok(self.overlay.insert(row, giant, InAve::of(a)));
        }
        match self.overlay.state(row.e, row.a, &row.v) {
            Some(true) => Ok(false),
            Some(false) => {
                self.overlay.remove(&row, InAve::of(a));
                Ok(true)
            }
            None if self.base_contains(&row)? => Ok(false),
            None => Ok(self.overlay.insert(row, giant, InAve::of(a))),
        }
    }

    /// Takes a fact away and says whether it was there.
    pub fn stage_retract(&mut self, e: EntityId, a: &Attribute, v: EncodedValue) -> Result<bool> {
        let (row, _) = staged(e, a.id, v, false);
        match self.overlay.state(row.e, row.a, &row.v) {
            Some(false) => Ok(false),
            Some(true) => {
                self.overlay.remove(&row, InAve::of(a));
                Ok(true)
            }
            None if !self.base_contains(&row)? => Ok(false),
            None => Ok(self.overlay.insert(row, None, InAve::of(a))),
        }
    }

    /// Puts what was staged in the order of values, too, before it is looked at in turns with further staging.
    pub(crate) fn settle(&mut self) {
        self.overlay.settle();
    }

    /// Replaces the schema.
    pub fn set_schema(&mut self, schema: Arc<Schema>) {
        self.schema = schema;
    }

    /// Raises the entity counter, so that lower ids are never given out again.
    pub fn set_max_eid(&mut self, max_eid: EntityId) {
        self.max_eid = self.max_eid.max(max_eid.0);
    }

    /// Notes the number of the last transaction.
    pub fn set_basis_tx(&mut self, basis_tx: u64) {
        self.basis_tx = basis_tx;
    }

    /// Replaces the options.
    pub fn set_options(&mut self, options: DbOptions) {
        self.options = Arc::new(options);
    }

    /// Puts a fact that holds, of an attribute that had `:db/noindex`, into the AVE index.
    pub fn stage_index(&mut self, e: EntityId, a: AttrId, v: EncodedValue) {
        self.overlay.index(&staged(e, a, v, true).0);
    }

    fn base_contains(&self, row: &EavRow) -> Result<bool> {
        match &self.base {
            Some(base) if base.may_have(row.e) => BaseEav::new(base).contains(row.e, row.a, &row.v),
            _ => Ok(false),
        }
    }
}

/// A change with the value in index form, and the full encoding of a giant.
#[inline]
pub(crate) fn staged(e: EntityId, a: AttrId, v: EncodedValue, added: bool) -> (EavRow, Option<Arc<[u8]>>) {
    if v.len() <= INLINE_MAX {
        return (EavRow { e: e.0, v, a, added }, None);
    }
    let index = EncodedValue::from_bytes(index_form(&v, &mut [0; INDEX_LEN_MAX]));
    (EavRow { e: e.0, v: index, a, added }, Some(v.into_arc()))
}
