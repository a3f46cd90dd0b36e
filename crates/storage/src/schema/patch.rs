//! Changes of a schema: new and patched attributes, deletions, renames.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edn::{Keyword, Value};

use super::attribute::{Attribute, TupleSpec};
use super::error::SchemaError;
use super::properties::{Properties, composite_sources};
use super::{AttrId, Schema};
use crate::types::TypeDefinition;

/// What is to change in a schema; applied in the order types, renames, patches, deletions, all or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchemaPatch {
    /// Types to register, before anything else; one that is registered already must be the same.
    pub types: BTreeMap<Keyword, TypeDefinition>,
    /// Properties to set; the value `:db/retract` removes one.
    pub attributes: BTreeMap<Keyword, BTreeMap<Keyword, Value>>,
    /// Attributes to delete; absent ones are ignored.
    pub deletions: BTreeSet<Keyword>,
    /// Attributes to rename, old name to new name.
    pub renames: BTreeMap<Keyword, Keyword>,
}

/// A difference between two schemas that a store must look at its data for.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaChange {
    /// A new attribute.
    Added(Arc<Attribute>),
    /// An attribute that is gone.
    Removed(Arc<Attribute>),
    /// An attribute with another name or other properties.
    Changed {
        /// As it was.
        before: Arc<Attribute>,
        /// As it is.
        after: Arc<Attribute>,
    },
}

impl SchemaPatch {
    /// From `{:attribute {:property value}}`, or a vector of maps that each name their attribute with `:db/ident`.
    pub fn from_value(patch: &Value) -> Result<Self, SchemaError> {
        let wrong = || SchemaError::Shape { got: patch.clone() };
        let mut attributes = BTreeMap::new();
        match patch {
            Value::Nil => {}
            Value::Map(entries) => {
                for (ident, properties) in entries {
                    let ident = ident.as_keyword().ok_or_else(wrong)?;
                    attributes.insert(ident.clone(), properties_from(properties).ok_or_else(wrong)?);
                }
            }
            Value::Vector(items) | Value::List(items) => {
                for item in items {
                    let mut properties = properties_from(item).ok_or_else(wrong)?;
                    let ident = properties.remove(&Keyword::parse("db/ident")).ok_or_else(wrong)?;
                    attributes.insert(ident.as_keyword().ok_or_else(wrong)?.clone(), properties);
                }
            }
            _ => return Err(wrong()),
        }
        Ok(Self { attributes, ..Self::default() })
    }

    /// From the three arguments of `update-schema`: a patch, a collection of attributes to delete, a map of renames;
    /// each may be nil.
    pub fn from_values(patch: &Value, deletions: &Value, renames: &Value) -> Result<Self, SchemaError> {
        let mut out = Self::from_value(patch)?;
        let keyword = |value: &Value, whole: &Value| {
            value.as_keyword().cloned().ok_or_else(|| SchemaError::Shape { got: whole.clone() })
        };
        match deletions {
            Value::Nil => {}
            Value::Set(items) => {
                out.deletions =
                    items.iter().map(|item| keyword(item, deletions)).collect::<Result<_, _>>()?;
            }
            Value::Vector(items) | Value::List(items) => {
                out.deletions =
                    items.iter().map(|item| keyword(item, deletions)).collect::<Result<_, _>>()?;
            }
            _ => return Err(SchemaError::Shape { got: deletions.clone() }),
        }
        match renames {
            Value::Nil => {}
            Value::Map(entries) => {
                for (from, to) in entries {
                    out.renames.insert(keyword(from, renames)?, keyword(to, renames)?);
                }
            }
            _ => return Err(SchemaError::Shape { got: renames.clone() }),
        }
        Ok(out)
    }

    /// A type to register.
    #[must_use]
    pub fn with_type(mut self, name: Keyword, definition: TypeDefinition) -> Self {
        self.types.insert(name, definition);
        self
    }

    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
            && self.attributes.is_empty()
            && self.deletions.is_empty()
            && self.renames.is_empty()
    }
}

fn properties_from(value: &Value) -> Option<Properties> {
    match value {
        Value::Nil => Some(Properties::new()),
        Value::Map(entries) => entries
            .iter()
            .map(|(property, value)| Some((property.as_keyword()?.clone(), value.clone())))
            .collect(),
        _ => None,
    }
}

impl Schema {
    /// The schema after `patch`, or why it cannot be; whether stored data allows it is for the store to say
    /// (see [`changes_since`](Self::changes_since)). A patch that changes nothing leaves the revision.
    pub fn with_changes(&self, patch: &SchemaPatch) -> Result<Self, SchemaError> {
        let mut next = self.clone();
        for (name, definition) in &patch.types {
            next.types.register(name, definition)?;
        }
        next.rename(&patch.renames)?;
        next.patch(&patch.attributes, &patch.renames)?;
        next.delete(&patch.deletions)?;
        next.index_composites();
        next.check_composites()?;
        if next.types != self.types || !next.changes_since(self).is_empty() {
            next.revision += 1;
        }
        Ok(next)
    }

    /// What differs from `before`, by attribute id.
    pub fn changes_since(&self, before: &Schema) -> Vec<SchemaChange> {
        let at = |schema: &Schema, id: usize| schema.by_id.get(id).cloned().flatten();
        let ids = 0..self.by_id.len().max(before.by_id.len());
        ids.filter_map(|id| match (at(before, id), at(self, id)) {
            (None, Some(added)) => Some(SchemaChange::Added(added)),
            (Some(removed), None) => Some(SchemaChange::Removed(removed)),
            (Some(before), Some(after)) if before != after => Some(SchemaChange::Changed { before, after }),
            _ => None,
        })
        .collect()
    }

    fn rename(&mut self, renames: &BTreeMap<Keyword, Keyword>) -> Result<(), SchemaError> {
        for (from, to) in renames {
            let conflict =
                |reason| SchemaError::RenameConflict { from: from.clone(), to: to.clone(), reason };
            if renames.contains_key(to) {
                return Err(conflict(
                    "the new name is itself renamed in the same change, so make two changes of it",
                ));
            }
            if renames.iter().any(|(other, target)| other != from && target == to) {
                return Err(conflict("another attribute is renamed to it"));
            }
            match (self.attribute(from).cloned(), self.attribute(to)) {
                (Some(_), Some(_)) => return Err(conflict("an attribute of that name exists")),
                // Applying the same change twice is harmless.
                (None, Some(_)) => {}
                (None, None) => {
                    let (attribute, nearest) = (from.clone(), self.nearest(from.as_str()));
                    return Err(SchemaError::MissingAttribute { attribute, nearest });
                }
                (Some(attribute), None) => {
                    reject_built_in(&attribute, "renamed")?;
                    super::check_name(to)?;
                    self.by_ident.remove(from);
                    self.insert(Attribute { ident: to.clone(), ..(*attribute).clone() });
                }
            }
        }
        Ok(())
    }

    fn patch(
        &mut self,
        patches: &BTreeMap<Keyword, Properties>,
        renames: &BTreeMap<Keyword, Keyword>,
    ) -> Result<(), SchemaError> {
        // A renamed attribute may be patched under either name.
        let patches: Vec<(&Keyword, &Properties)> =
            patches.iter().map(|(ident, patch)| (renames.get(ident).unwrap_or(ident), patch)).collect();
        // Names first: tuples may be declared before their sources, and sources need not be declared at all.
        for (ident, properties) in &patches {
            for name in std::iter::once(*ident).chain(&composite_sources(properties)) {
                if self.attribute(name).is_none() {
                    self.allocate(name)?;
                }
            }
        }
        for (ident, patch) in patches {
            let attribute = self.attribute(ident).expect("allocated above").clone();
            let before = self.properties_of(&attribute);
            let mut properties = before.clone();
            for (property, value) in patch {
                if value.as_keyword().is_some_and(|keyword| keyword.as_str() == "db/retract") {
                    properties.remove(property);
                } else {
                    properties.insert(property.clone(), value.clone());
                }
            }
            if attribute.is_built_in() {
                let same = Attribute::from_properties(attribute.id, ident, &properties, self)?;
                if same != *attribute {
                    reject_built_in(&attribute, "changed")?;
                }
                continue;
            }
            replace_tuple_kind(patch, &mut properties);
            let parsed = Attribute::from_properties(attribute.id, ident, &properties, self)?;
            self.insert(parsed);
        }
        Ok(())
    }

    fn delete(&mut self, deletions: &BTreeSet<Keyword>) -> Result<(), SchemaError> {
        for ident in deletions {
            let Some(attribute) = self.attribute(ident).cloned() else { continue };
            reject_built_in(&attribute, "deleted")?;
            self.by_ident.remove(ident);
            self.by_id[attribute.id.0 as usize] = None;
        }
        Ok(())
    }

    pub(super) fn id_of(&self, ident: &Keyword) -> Option<AttrId> {
        self.by_ident.get(ident).copied()
    }

    /// A composite's sources must exist, hold one value each, and be no composites themselves.
    fn check_composites(&self) -> Result<(), SchemaError> {
        for attribute in self.iter() {
            for source in attribute.composite().unwrap_or(&[]) {
                let reason = match self.by_id(*source) {
                    None => "depends on an attribute that is deleted".to_owned(),
                    Some(source) if source.composite().is_some() => {
                        format!("cannot depend on another tuple of attributes: {}", source.ident)
                    }
                    Some(source) if source.is_many() => {
                        format!("cannot depend on {}, which has many values", source.ident)
                    }
                    Some(source)
                        if source.value_type.is_some_and(|value_type| !value_type.is_tuple_element()) =>
                    {
                        format!(
                            "cannot depend on {} of type {}",
                            source.ident,
                            source.value_type.expect("is some")
                        )
                    }
                    Some(source) if source.registered.is_some() => {
                        let name = source.type_name().expect("it has a type");
                        format!("cannot depend on {} of the registered type {name}", source.ident)
                    }
                    Some(_) => continue,
                };
                let (attribute, property) = (attribute.ident.clone(), Keyword::parse("db/tupleAttrs"));
                return Err(SchemaError::Property { attribute, property, reason, hint: None });
            }
        }
        Ok(())
    }
}

/// A new kind of tuple takes the place of the old one.
fn replace_tuple_kind(patch: &Properties, properties: &mut Properties) {
    const KINDS: [&str; 3] = ["db/tupleAttrs", "db/tupleType", "db/tupleTypes"];
    if KINDS.iter().any(|kind| patch.contains_key(&Keyword::parse(kind))) {
        for kind in KINDS.map(Keyword::parse) {
            if !patch.contains_key(&kind) {
                properties.remove(&kind);
            }
        }
    }
}

fn reject_built_in(attribute: &Attribute, action: &'static str) -> Result<(), SchemaError> {
    if attribute.is_built_in() {
        return Err(SchemaError::BuiltIn { attribute: attribute.ident.clone(), action });
    }
    Ok(())
}

impl Attribute {
    /// Whether `after` reads stored values differently, so that data would have to be checked or rewritten.
    pub fn differs_in_values(&self, after: &Attribute) -> bool {
        self.value_type != after.value_type
            || self.registered != after.registered
            || self.cardinality != after.cardinality
            || self.no_index != after.no_index
            || self.tuple != after.tuple
            || (self.unique.is_none() && after.unique.is_some())
            || matches!(&after.tuple, Some(TupleSpec::Composite(_)) if self.tuple != after.tuple)
    }
}
