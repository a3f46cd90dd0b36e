//! Second and third stage: places to entities, values to encodings.
//!
//! ```text
//! Place   --idents, lookup refs-->  Subject::Known(e) | Subject::Temp(t)  --allocate-->  e
//! Src     --by the attribute's type-->  EncodedValue
//! ```

use std::sync::Arc;

use edn::{Keyword, Span, Value};

use super::Pass;
use crate::transact::error::{TransactError, TransactErrorKind as Kind};
use crate::transact::parse::{Name, Place, PlaceKind, nil_value, parse_place};
use crate::transact::source::{Items, Src, View};
use crate::transact::tempids::TempId;
use crate::{Attribute, EncodedValue, EntityId, Error, TupleSpec, ValueType};

/// An entity after lookup references are gone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    Known(EntityId),
    Temp(TempId),
}

/// Adds the place to an error of the storage layer.
pub(super) fn at<T>(result: crate::Result<T>, span: Option<Span>) -> Result<T, TransactError> {
    result.map_err(|error| TransactError::from(error).at(span))
}

impl Pass<'_> {
    /// What a place stands for; a lookup reference or ident that nothing carries is an error.
    pub(super) fn subject(&mut self, place: Place<'_>) -> Result<Subject, TransactError> {
        Ok(match place.kind {
            PlaceKind::TempNumber(number) => Subject::Temp(self.tempids.number(number)),
            PlaceKind::TempName(name) => Subject::Temp(self.tempids.name(name)),
            _ => match self.find(place)? {
                Some(entity) => Subject::Known(entity),
                None => {
                    let error = Error::EntityMissing { reference: place.src.to_value() };
                    return Err(TransactError::from(error).at(place.span()));
                }
            },
        })
    }

    /// The entity of a place that cannot be a tempid; nothing for a lookup reference or ident that nothing carries.
    pub(super) fn existing(
        &mut self,
        place: Place<'_>,
        operation: &'static str,
    ) -> Result<Option<EntityId>, TransactError> {
        if place.is_tempid() {
            let kind = Kind::TempidNotAllowed { tempid: place.src.to_value(), operation };
            return Err(TransactError::new(kind).at(place.span()));
        }
        self.find(place)
    }

    fn find(&mut self, place: Place<'_>) -> Result<Option<EntityId>, TransactError> {
        match place.kind {
            PlaceKind::Id(entity) => Ok(Some(entity)),
            PlaceKind::CurrentTx => Ok(Some(self.stage.tx())),
            PlaceKind::Ident(ident) => {
                let ident = crate::encode(&Value::Keyword(ident.clone()));
                self.stage.holder(crate::schema::IDENT, &ident)
            }
            PlaceKind::Lookup { attribute, value } => self.lookup(place, attribute, value),
            PlaceKind::TempNumber(_) | PlaceKind::TempName(_) => Ok(None),
        }
    }

    /// Resolves `[unique-attribute value]` by what earlier items left.
    fn lookup(
        &mut self,
        place: Place<'_>,
        attribute: &Keyword,
        value: Src<'_>,
    ) -> Result<Option<EntityId>, TransactError> {
        let Some(attribute) = self.stage.attribute(attribute).filter(|attribute| attribute.is_unique())
        else {
            let (attribute, reference) = (attribute.clone(), place.src.to_value());
            let error = Error::LookupRefNotUnique { attribute, reference };
            return Err(TransactError::from(error).at(place.span()));
        };
        if value.is_nil() {
            return Ok(None);
        }
        if attribute.composite().is_some() {
            // Tuples are made late; bring them in step before looking.
            self.stage.db()?;
        }
        let encoded = if attribute.is_ref() {
            let target = parse_place(value)?;
            let target = self.deeper(|pass| pass.existing(target, "a lookup ref"))?;
            match target {
                Some(target) => EncodedValue::int(target.as_int()),
                None => return Ok(None),
            }
        } else {
            self.encode(&attribute, value)?
        };
        self.stage.holder(attribute.id, &encoded)
    }

    /// The entity of a subject; a tempid that has none yet gets a new id.
    pub(super) fn entity_of(&mut self, subject: Subject) -> Result<EntityId, TransactError> {
        match subject {
            Subject::Known(entity) => Ok(entity),
            Subject::Temp(tempid) => match self.tempids.entity(tempid) {
                Some(entity) => Ok(entity),
                None => {
                    let entity = self.stage.allocate()?;
                    self.tempids.bind_fresh(tempid, entity);
                    Ok(entity)
                }
            },
        }
    }

    /// The attribute of this name, which stands at a place in a map.
    #[inline]
    pub(super) fn attribute_at(&mut self, place: usize, name: &Keyword) -> Option<&Arc<Attribute>> {
        /// Of the entries behind these, nothing is remembered.
        const PLACES_MAX: usize = 64;
        let is_known =
            |known: &Option<Arc<Attribute>>| known.as_ref().is_some_and(|known| known.ident == *name);
        if self.shape.get(place).is_some_and(is_known) {
            return self.shape[place].as_ref();
        }
        // A transaction only adds attributes, so what is remembered stays true.
        let attribute = self.stage.schema().attribute(name)?;
        if place >= PLACES_MAX {
            return Some(attribute);
        }
        if place >= self.shape.len() {
            self.shape.resize(place + 1, None);
        }
        Some(self.shape[place].insert(attribute.clone()))
    }

    /// The attribute of a fact to be written; unknown ones are declared, unless the schema is closed.
    pub(super) fn attribute_to_write(&mut self, name: Name<'_>) -> Result<Arc<Attribute>, TransactError> {
        match self.stage.attribute(name.keyword) {
            Some(attribute) => Ok(attribute),
            None => self.stage.declare(name.keyword).map_err(|error| error.at(name.span)),
        }
    }

    /// The encoding of a plain value: coerced to the attribute's type.
    pub(super) fn encode(
        &self,
        attribute: &Attribute,
        value: Src<'_>,
    ) -> Result<EncodedValue, TransactError> {
        if value.is_nil() {
            return Err(nil_value(&attribute.ident, value.span()));
        }
        at(self.stage.raw_db().encode_for(attribute, &value.value()), value.span())
    }

    /// The encoding of one value to be written: references resolved, nested entities written.
    pub(super) fn value(
        &mut self,
        attribute: &Attribute,
        value: Src<'_>,
    ) -> Result<EncodedValue, TransactError> {
        if attribute.is_ref() {
            return Ok(EncodedValue::int(self.target(attribute, value)?.as_int()));
        }
        match (&attribute.tuple, value.as_sequence()) {
            (Some(tuple), Some(items)) if has_refs(tuple) => {
                self.tuple_with_refs(attribute, tuple, items, value)
            }
            _ => self.encode(attribute, value),
        }
    }

    /// The entity that a value of a reference attribute stands for.
    pub(super) fn target(
        &mut self,
        attribute: &Attribute,
        value: Src<'_>,
    ) -> Result<EntityId, TransactError> {
        match value.view() {
            View::Atom(Value::Nil) => Err(nil_value(&attribute.ident, value.span())),
            View::Map(entries) => self.nested_entity(entries, value.span()),
            _ => self.target_place(value),
        }
    }

    fn target_place(&mut self, value: Src<'_>) -> Result<EntityId, TransactError> {
        let subject = self.subject(parse_place(value)?)?;
        if let Subject::Temp(tempid) = subject {
            self.tempids.mark_value(tempid, value.span());
        }
        self.entity_of(subject)
    }

    /// A typed tuple whose reference elements may be tempids, idents and lookup references.
    fn tuple_with_refs(
        &mut self,
        attribute: &Attribute,
        tuple: &TupleSpec,
        items: Items<'_>,
        src: Src<'_>,
    ) -> Result<EncodedValue, TransactError> {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            values.push(match element_type(tuple, index) {
                Some(ValueType::Ref) if !item.is_nil() => Value::from(self.target_place(item)?),
                _ => item.to_value(),
            });
        }
        at(self.stage.raw_db().encode_for(attribute, &Value::Vector(values)), src.span())
    }

    /// Whether a two-element sequence is a lookup reference: its head names a unique attribute.
    pub(super) fn is_lookup(&self, items: Items<'_>) -> bool {
        let head = (items.len() == 2).then(|| items.get(0).and_then(Src::as_keyword)).flatten();
        head.and_then(|name| self.stage.schema().attribute(name))
            .is_some_and(|attribute| attribute.is_unique())
    }
}

fn has_refs(tuple: &TupleSpec) -> bool {
    match tuple {
        TupleSpec::Composite(_) => false,
        TupleSpec::Homogeneous(element) => *element == ValueType::Ref,
        TupleSpec::Heterogeneous(elements) => elements.contains(&ValueType::Ref),
    }
}

fn element_type(tuple: &TupleSpec, index: usize) -> Option<ValueType> {
    match tuple {
        TupleSpec::Composite(_) => None,
        TupleSpec::Homogeneous(element) => Some(*element),
        TupleSpec::Heterogeneous(elements) => elements.get(index).copied(),
    }
}
