//! Schema evolution: a changed schema, checked against the data and with the data brought in step.
//!
//! ```text
//! SchemaPatch --Schema::with_changes--> next schema --for each difference--> allowed by the data?
//!                                                                       \--> staged: migrated values, new tuples
//! ```
//!
//! Like a transaction this is a pure function: the result is a new database value for a store to commit, and a
//! refused change leaves no trace.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use edn::{Keyword, Value};

use super::error::{SchemaChangeError, TransactError};
use crate::{
    AttrId, Attribute, Cardinality, Db, Direction, EncodedValue, EntityId, Index, SchemaChange, SchemaError,
    SchemaPatch, ValueRange, ValueType,
};

/// The database with its schema changed by `patch`.
///
/// Untyped values are converted when their attribute gets a type, and the whole change is refused if one does not
/// fit; a type cannot change otherwise while there is data, nor can many values become one. New uniqueness is checked
/// against the data, only unused attributes can be deleted (a composite tuple goes with its derived values), and a
/// new composite tuple is derived for the entities that exist.
///
/// ```
/// use factum_storage::transact::update_schema;
/// use factum_storage::{Db, DbOptions, Schema, SchemaPatch};
///
/// let db = Db::empty(Schema::built_in(), DbOptions::default());
/// let db = db.db_with(&edn::read("[{:db/id 1 :age 36}]").expect("valid EDN"))?;
/// let patch = edn::read("{:age {:db/valueType :db.type/double}}").expect("valid EDN");
/// let db = update_schema(&db, &SchemaPatch::from_value(&patch)?)?;
/// let age = db.schema().attribute(&"age".into()).expect("it has data").id;
/// assert_eq!(db.values(factum_storage::EntityId(1), age)?[0].decode()?, 36.0.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn update_schema(db: &Db, patch: &SchemaPatch) -> Result<Db, TransactError> {
    let before = db.schema();
    let after = Arc::new(before.with_changes(patch)?);
    let changes = after.changes_since(before);
    if after.revision() == before.revision() {
        return Ok(db.clone());
    }
    let mut next = db.clone();
    next.set_schema(after.clone());
    let mut composites = BTreeSet::new();
    for change in &changes {
        match change {
            SchemaChange::Added(attribute) => composites.extend(attribute.composite().map(|_| attribute.id)),
            SchemaChange::Removed(attribute) => remove(db, &mut next, attribute)?,
            SchemaChange::Changed { before, after: attribute } => {
                if before.composite() != attribute.composite() && attribute.composite().is_some() {
                    composites.insert(attribute.id);
                }
                if change_attribute(db, &mut next, before, attribute)? {
                    composites.extend(after.composites_of(attribute.id));
                }
            }
        }
    }
    for composite in composites {
        derive(&mut next, after.by_id(composite).expect("the schema has it"))?;
    }
    for change in &changes {
        let (was_unique, attribute) = match change {
            SchemaChange::Added(attribute) => (false, attribute),
            SchemaChange::Changed { before, after } => (before.is_unique(), after),
            SchemaChange::Removed(_) => continue,
        };
        if attribute.is_unique() && (!was_unique || attribute.composite().is_some()) {
            check_unique(&next, attribute)?;
        }
    }
    Ok(next)
}

/// [`update_schema`], refused if the schema is no longer at `revision`.
pub fn update_schema_if_revision(db: &Db, revision: u64, patch: &SchemaPatch) -> Result<Db, TransactError> {
    let found = db.schema().revision();
    if found != revision {
        return Err(SchemaChangeError::RevisionConflict { expected: revision, found }.into());
    }
    update_schema(db, patch)
}

/// The database with an attribute that was kept out of the AVE index put into it.
pub fn index_attribute(db: &Db, name: &Keyword) -> Result<Db, TransactError> {
    let Some(attribute) = db.schema().attribute(name) else {
        let (attribute, nearest) = (name.clone(), db.schema().nearest(name.as_str()));
        return Err(SchemaError::MissingAttribute { attribute, nearest }.into());
    };
    if !attribute.no_index {
        return Ok(db.clone());
    }
    let property = Keyword::parse("db/noindex");
    let properties = [(property, Value::keyword("db/retract"))].into();
    let patch = SchemaPatch { attributes: [(name.clone(), properties)].into(), ..SchemaPatch::default() };
    let after = Arc::new(db.schema().with_changes(&patch)?);
    let mut next = db.clone();
    next.set_schema(after);
    for (entity, value) in facts(db, attribute)? {
        next.stage_index(entity, attribute.id, value);
    }
    Ok(next)
}

/// Every fact of an attribute.
fn facts(db: &Db, attribute: &Attribute) -> crate::Result<Vec<(EntityId, EncodedValue)>> {
    let mut facts = Vec::new();
    if !attribute.no_index {
        let mut cursor = db.ave();
        cursor.scan(attribute.id, &ValueRange::ALL, Direction::Forward)?;
        let mut entities = Vec::new();
        while let Some(value) = cursor.next_value()? {
            let value = EncodedValue::from_bytes(value);
            entities.clear();
            cursor.entities_into(&mut entities)?;
            facts.extend(entities.iter().map(|entity| (EntityId(*entity), value.clone())));
        }
        return Ok(facts);
    }
    // Without the AVE index every entity has to be asked.
    let mut last = None;
    let mut cursor = db.eav();
    for datom in db.datoms(Index::Eav, &[])? {
        let entity = datom?.e;
        if last.replace(entity) == Some(entity) {
            continue;
        }
        cursor.entity(entity.0, &mut |a, value| {
            if a == attribute.id {
                facts.push((entity, EncodedValue::from_bytes(value)));
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(facts)
}

fn has_data(db: &Db, attribute: &Attribute) -> crate::Result<bool> {
    Ok(db.count(None, Some(attribute.id), None)? > 0)
}

/// Only unused attributes can go; what is derived goes with its attribute.
fn remove(db: &Db, next: &mut Db, attribute: &Attribute) -> Result<(), TransactError> {
    if attribute.composite().is_some() {
        for (entity, value) in facts(db, attribute)? {
            next.stage_retract(entity, attribute, value)?;
        }
        return Ok(());
    }
    match db.count(None, Some(attribute.id), None)? {
        0 => Ok(()),
        datoms => {
            let attribute = attribute.ident.clone();
            let error = TransactError::from(SchemaChangeError::AttributeInUse { attribute, datoms });
            Err(error.with_hint("retract its datoms first"))
        }
    }
}

/// Checks a changed attribute against its data, and says whether values were rewritten.
fn change_attribute(
    db: &Db,
    next: &mut Db,
    before: &Attribute,
    after: &Attribute,
) -> Result<bool, TransactError> {
    if !before.differs_in_values(after) || !has_data(db, before)? {
        return Ok(false);
    }
    if before.composite().is_some() && after.composite().is_some() {
        for (entity, value) in facts(db, before)? {
            next.stage_retract(entity, before, value)?;
        }
        return Ok(false);
    }
    if before.no_index != after.no_index {
        let (attribute, property) = (after.ident.clone(), Keyword::parse("db/noindex"));
        let error = TransactError::from(SchemaChangeError::PropertyChange { attribute, property });
        return Err(error.with_hint("index_attribute builds the index of an attribute that has data"));
    }
    if before.cardinality == Cardinality::Many && after.cardinality == Cardinality::One {
        return Err(SchemaChangeError::CardinalityChange { attribute: after.ident.clone() }.into());
    }
    let is_same_type = before.value_type == after.value_type && before.registered == after.registered;
    if is_same_type && before.tuple == after.tuple {
        return Ok(false);
    }
    let is_registered = before.registered.is_some() || after.registered.is_some();
    if is_registered
        || before.value_type.is_some()
        || after.value_type.is_none()
        || after.composite().is_some()
    {
        let attribute = after.ident.clone();
        return Err(SchemaChangeError::TypeChange {
            attribute,
            from: type_name(before),
            to: type_name(after),
        }
        .into());
    }
    migrate(db, next, before, after)?;
    Ok(true)
}

fn type_name(attribute: &Attribute) -> String {
    match (attribute.composite(), attribute.type_name()) {
        (Some(_), _) => ":db/tupleAttrs".to_owned(),
        (None, Some(name)) => name.to_string(),
        (None, None) => "any value".to_owned(),
    }
}

/// Converts every value of an attribute that gets a type.
fn migrate(db: &Db, next: &mut Db, before: &Attribute, after: &Attribute) -> Result<(), TransactError> {
    for (entity, old) in facts(db, before)? {
        let value = old.decode()?;
        let converted = migrated(next, after, &value);
        let Some(new) = converted else {
            let (attribute, to) = (after.ident.clone(), type_name(after));
            return Err(SchemaChangeError::Migration { attribute, to, entity, value }.into());
        };
        if new != old {
            next.stage_retract(entity, before, old)?;
            next.stage_add(entity, after, new)?;
        }
    }
    Ok(())
}

/// The value under its new type, unless the conversion would lose something.
fn migrated(db: &Db, after: &Attribute, value: &Value) -> Option<EncodedValue> {
    let has_fraction = match value {
        Value::Float(number) => number.fract() != 0.0,
        Value::Ratio(number) => !number.is_integer(),
        Value::Decimal(number) => !number.is_integer(),
        _ => false,
    };
    match after.value_type {
        Some(ValueType::Long | ValueType::BigInt | ValueType::Instant) if has_fraction => None,
        Some(ValueType::Boolean) if !matches!(value, Value::Bool(_)) => None,
        _ => db.encode_for(after, value).ok(),
    }
}

/// Derives a composite tuple for every entity that has one of its sources.
fn derive(db: &mut Db, attribute: &Arc<Attribute>) -> Result<(), TransactError> {
    let sources: Vec<AttrId> = attribute.composite().unwrap_or(&[]).to_vec();
    let mut entities = BTreeSet::new();
    for source in &sources {
        let source = db.schema().by_id(*source).expect("composites have sources").clone();
        entities.extend(facts(db, &source)?.into_iter().map(|(entity, _)| entity));
    }
    for entity in entities {
        let old = db.values(entity, attribute.id)?.into_iter().next();
        let new = super::stage::composite_value(db, entity, &sources)?;
        if old == new {
            continue;
        }
        if let Some(old) = old {
            db.stage_retract(entity, attribute, old)?;
        }
        if let Some(new) = new {
            db.stage_add(entity, attribute, new)?;
        }
    }
    Ok(())
}

fn check_unique(db: &Db, attribute: &Attribute) -> Result<(), TransactError> {
    let mut cursor = db.ave();
    cursor.scan(attribute.id, &ValueRange::ALL, Direction::Forward)?;
    let mut entities = Vec::new();
    while let Some(value) = cursor.next_value()? {
        entities.clear();
        cursor.entities_into(&mut entities)?;
        if let [one, other, ..] = entities[..] {
            let (attribute, value) = (attribute.ident.clone(), db.schema().decode(attribute.id, value)?);
            let (one, other) = (EntityId(one), EntityId(other));
            return Err(SchemaChangeError::Uniqueness { attribute, value, one, other }.into());
        }
    }
    Ok(())
}
