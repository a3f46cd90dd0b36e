//! The schema: attributes by name and by number, as an immutable value with a revision.
//!
//! ```text
//! EDN map --SchemaPatch--> Schema::with_changes --> next Schema (same ids, next revision)
//!                                   \--> Schema::changes_since: what a store must check against its data
//! ```

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edn::{Keyword, Value};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

mod attribute;
mod error;
mod patch;
mod properties;
mod record;
#[cfg(test)]
mod tests;

pub use attribute::{Attribute, Cardinality, TupleSpec, Unique, ValueType};
pub use error::SchemaError;
pub use patch::{SchemaChange, SchemaPatch};
pub(crate) use properties::is_behaviour;

use crate::ids::AttrId;
use crate::types::{RegisteredType, TypeFunctions, Types};

/// `:db/ident`: a keyword that names an entity.
pub const IDENT: AttrId = AttrId(1);
/// `:db/txInstant`: when a transaction took place.
pub const TX_INSTANT: AttrId = AttrId(2);
/// `:db/created-at`: when an entity was made, in milliseconds.
pub const CREATED_AT: AttrId = AttrId(3);
/// `:db/updated-at`: when an entity last changed, in milliseconds.
pub const UPDATED_AT: AttrId = AttrId(4);
/// `:db/fn`: an interpretable transaction function.
pub const FN: AttrId = AttrId(5);
/// `:db/udf`: the descriptor of a registered function.
pub const UDF: AttrId = AttrId(6);
/// Ids below this belong to the database.
pub const FIRST_USER_ATTR: AttrId = AttrId(16);

/// The largest attribute id: 31 bits.
const ATTR_ID_MAX: u32 = i32::MAX as u32;
/// More ids than this are not skipped between attributes: it would take the deletion of as many. A damaged id must not make the list of
/// attributes fill the memory.
const ATTR_GAP_MAX: usize = 1 << 24;

/// The id of an attribute where there are so many ids already.
fn next_id(ids: usize) -> Result<AttrId, SchemaError> {
    match u32::try_from(ids) {
        Ok(id) if id <= ATTR_ID_MAX => Ok(AttrId(id)),
        _ => Err(SchemaError::TooManyAttributes),
    }
}

/// The attributes of a database.
///
/// ```
/// # use factum_storage::{Schema, SchemaPatch};
/// # use edn::{Keyword, Value};
/// let properties = [(Value::keyword(":db/valueType"), Value::keyword(":db.type/string"))];
/// let map = Value::Map([(Value::keyword(":person/name"), Value::Map(properties.into()))].into());
/// let schema = Schema::from_value(&map)?;
/// let name = schema.attribute(&Keyword::from(":person/name")).expect("declared");
/// assert!(!name.is_many());
/// assert_eq!(schema.nearest("person/nmae"), Some(Keyword::from(":person/name")));
/// # Ok::<(), factum_storage::SchemaError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    /// Indexed by attribute id; ids of deleted attributes stay empty.
    by_id: Vec<Option<Arc<Attribute>>>,
    by_ident: HashMap<Keyword, AttrId, FixedState>,
    /// For each source attribute, the composite tuples that it is part of.
    composites: BTreeMap<AttrId, Vec<AttrId>>,
    /// The registered types.
    types: Types,
    revision: u64,
}

impl Default for Schema {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Schema {
    /// The attributes that every database has.
    pub fn built_in() -> Self {
        let attribute = |id, name: &str, value_type| {
            let mut attribute = Attribute::untyped(id, Keyword::parse(name));
            attribute.value_type = value_type;
            attribute
        };
        let mut ident = attribute(IDENT, "db/ident", Some(ValueType::Keyword));
        ident.unique = Some(Unique::Identity);
        let attributes = [
            ident,
            attribute(TX_INSTANT, "db/txInstant", Some(ValueType::Instant)),
            attribute(CREATED_AT, "db/created-at", Some(ValueType::Long)),
            attribute(UPDATED_AT, "db/updated-at", Some(ValueType::Long)),
            attribute(FN, "db/fn", None),
            attribute(UDF, "db/udf", None),
        ];
        let mut schema = Self {
            by_id: Vec::new(),
            by_ident: HashMap::default(),
            composites: BTreeMap::new(),
            types: Types::default(),
            revision: 0,
        };
        attributes.into_iter().for_each(|attribute| schema.insert(attribute));
        schema.by_id.resize(FIRST_USER_ATTR.0 as usize, None);
        schema
    }

    /// The built-in attributes, with these functions for types that are registered later.
    pub fn with_functions(functions: TypeFunctions) -> Self {
        Self::with_types(Types::new(functions))
    }

    /// The built-in attributes, and these types.
    pub(crate) fn with_types(types: Types) -> Self {
        Self { types, ..Self::built_in() }
    }

    /// The registered types.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// The value that is stored as `bytes` for attribute `a`.
    #[inline]
    pub fn decode(&self, a: AttrId, bytes: &[u8]) -> crate::Result<Value> {
        match self.registered(a, bytes) {
            Some(registered) => registered.decode(bytes),
            None => crate::decode(bytes),
        }
    }

    /// The encoding of the value itself that is stored as `bytes` for attribute `a`: without the order key of a
    /// registered type.
    #[inline]
    pub fn plain<'b>(&self, a: AttrId, bytes: &'b [u8]) -> crate::Result<Cow<'b, [u8]>> {
        match self.registered(a, bytes) {
            Some(registered) => registered.plain(bytes),
            None => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// The type of a stored value, where it is a registered one.
    #[inline]
    fn registered(&self, a: AttrId, bytes: &[u8]) -> Option<&RegisteredType> {
        if bytes.first() != Some(&crate::encode::tags::REGISTERED) {
            return None;
        }
        self.by_id(a)?.registered.as_deref()
    }

    /// The built-in attributes and those of an EDN map `{:attribute {:property value}}`.
    pub fn from_value(map: &Value) -> Result<Self, SchemaError> {
        Self::built_in().with_changes(&SchemaPatch::from_value(map)?)
    }

    /// The attribute of this name.
    #[inline]
    pub fn attribute(&self, ident: &Keyword) -> Option<&Arc<Attribute>> {
        self.by_id(*self.by_ident.get(ident)?)
    }

    /// The attribute with this number.
    #[inline]
    pub fn by_id(&self, id: AttrId) -> Option<&Arc<Attribute>> {
        self.by_id.get(id.0 as usize)?.as_ref()
    }

    /// Every attribute, built-in ones first, in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Attribute>> {
        self.by_id.iter().flatten()
    }

    /// How often the schema has changed.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The same schema at another revision, for a store whose own has come further.
    pub(crate) fn at_revision(&self, revision: u64) -> Self {
        Self { revision, ..self.clone() }
    }

    /// The composite tuples that `source` is part of.
    pub fn composites_of(&self, source: AttrId) -> &[AttrId] {
        self.composites.get(&source).map_or(&[], Vec::as_slice)
    }

    /// Whether any attribute is a composite tuple.
    pub fn has_composites(&self) -> bool {
        !self.composites.is_empty()
    }

    /// The known attribute whose name is most like `name` (with or without its colon).
    pub fn nearest(&self, name: &str) -> Option<Keyword> {
        let name = name.strip_prefix(':').unwrap_or(name);
        edn::nearest(name, self.by_ident.keys().map(Keyword::as_str)).map(Keyword::parse)
    }

    /// The schema as the map from which it could be made; built-in attributes are included.
    pub fn to_value(&self) -> Value {
        let entries = self.iter().map(|attribute| {
            let properties = self.properties_of(attribute).into_iter();
            let map = properties.map(|(property, value)| (Value::Keyword(property), value)).collect();
            (Value::Keyword(attribute.ident.clone()), Value::Map(map))
        });
        Value::Map(entries.collect())
    }

    /// Declares one more attribute, untyped and single-valued; what a first write of an unknown one does.
    pub fn declare(&mut self, ident: &Keyword) -> Result<AttrId, SchemaError> {
        let id = self.allocate(ident)?;
        self.revision += 1;
        Ok(id)
    }

    /// This schema with one more attribute, as [`declare`](Self::declare) makes it.
    pub fn with_attribute(&self, ident: &Keyword) -> Result<(Self, AttrId), SchemaError> {
        let mut next = self.clone();
        let id = next.declare(ident)?;
        Ok((next, id))
    }

    pub(crate) fn properties_of(&self, attribute: &Attribute) -> properties::Properties {
        attribute.properties(|id| self.by_id(id).map(|source| source.ident.clone()))
    }

    /// Puts an untyped attribute at the next free id.
    fn allocate(&mut self, ident: &Keyword) -> Result<AttrId, SchemaError> {
        check_name(ident)?;
        let id = next_id(self.by_id.len())?;
        self.insert(Attribute::untyped(id, ident.clone()));
        Ok(id)
    }

    fn insert(&mut self, attribute: Attribute) {
        let at = attribute.id.0 as usize;
        if at >= self.by_id.len() {
            self.by_id.resize(at + 1, None);
        }
        self.by_ident.insert(attribute.ident.clone(), attribute.id);
        self.by_id[at] = Some(Arc::new(attribute));
    }

    /// Recomputes what follows from the attributes.
    fn index_composites(&mut self) {
        self.composites.clear();
        let composites =
            self.by_id.iter().flatten().filter_map(|attribute| Some((attribute.id, attribute.composite()?)));
        for (id, sources) in composites {
            for source in sources.iter().collect::<BTreeSet<_>>() {
                self.composites.entry(*source).or_default().push(id);
            }
        }
    }
}

/// The longest attribute name, in bytes: it is a key of the `idents` table.
const NAME_LEN_MAX: usize = 511;

fn check_name(ident: &Keyword) -> Result<(), SchemaError> {
    let reason = if ident.as_str().len() > NAME_LEN_MAX {
        "is longer than 511 bytes"
    } else if ident.name().starts_with('_') {
        "starts with an underscore, which means the reverse of a reference"
    } else if ident.as_str().is_empty() {
        "is empty"
    } else {
        return Ok(());
    };
    Err(SchemaError::Property {
        attribute: ident.clone(),
        property: Keyword::parse("db/ident"),
        reason: reason.into(),
        hint: None,
    })
}
