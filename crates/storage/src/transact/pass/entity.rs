//! Additions: maps, nested maps, reverse attributes, `:db/add`, and the upserts that follow from identities.

use std::sync::Arc;

use edn::{Keyword, Span, Value};

use super::resolve::Subject;
use super::{Pass, WrittenComposite};
use crate::transact::error::{TransactError, TransactErrorKind as Kind};
use crate::transact::functions::function_name;
use crate::transact::parse::{
    Name, Place, forward, is_db_id, is_reverse, nil_value, parse_key, parse_map_id, parse_place,
};
use crate::transact::source::{Entries, Items, Src, View};
use crate::transact::tempids::TempId;
use crate::{Attribute, EncodedValue, EntityId, TupleSpec};

impl Pass<'_> {
    /// `{:db/id id :attr v ..}` among the items.
    pub(super) fn entity_item(
        &mut self,
        id: Option<Place<'_>>,
        entries: Entries<'_>,
    ) -> Result<(), TransactError> {
        self.entity_map(id, entries).map(drop)
    }

    /// A map in place of a reference; nothing is written for one that only names its entity.
    pub(super) fn nested_entity(
        &mut self,
        entries: Entries<'_>,
        span: Option<Span>,
    ) -> Result<EntityId, TransactError> {
        let id = parse_map_id(entries)?;
        let entity = self.deeper(|pass| pass.entity_map(id, entries)).map_err(|error| error.at(span))?;
        match (entity, id) {
            (Some(entity), _) => Ok(entity),
            (None, Some(id)) => self.target_of(id),
            (None, None) => {
                let kind = Kind::BadItem { item: Value::Map(Default::default()) };
                Err(TransactError::new(kind).at(span).with_hint("an empty map stands for no entity"))
            }
        }
    }

    fn target_of(&mut self, place: Place<'_>) -> Result<EntityId, TransactError> {
        let subject = self.subject(place)?;
        if let Subject::Temp(tempid) = subject {
            self.tempids.mark_value(tempid, place.span());
        }
        self.entity_of(subject)
    }

    /// Writes the attributes of a map; no entity if there are none.
    fn entity_map(
        &mut self,
        id: Option<Place<'_>>,
        entries: Entries<'_>,
    ) -> Result<Option<EntityId>, TransactError> {
        let subject = match id {
            Some(place) => self.subject(place)?,
            None => Subject::Temp(self.tempids.anonymous()),
        };
        if entries.iter().all(|(key, _)| key.as_keyword().is_some_and(is_db_id)) {
            return Ok(None);
        }
        // What an outer map found free may be taken by this one.
        self.free.clear();
        self.resolve_identities(subject, entries)?;
        let (entity, is_new) = match subject {
            Subject::Known(entity) => (entity, false),
            Subject::Temp(tempid) => {
                self.tempids.mark_subject(tempid);
                let is_new = self.tempids.entity(tempid).is_none();
                (self.entity_of(subject)?, is_new)
            }
        };
        self.stage.note_id(entity);
        if is_new {
            self.stage.begin_blank(entity);
        }
        let result = entries
            .iter()
            .enumerate()
            .try_for_each(|(place, (key, value))| self.entry(entity, place, key, value));
        if is_new {
            self.stage.end_blank();
        }
        self.free.clear();
        result.map(|()| Some(entity))
    }

    /// Finds out whether a map is about an existing entity, before anything of it is written.
    fn resolve_identities(&mut self, subject: Subject, entries: Entries<'_>) -> Result<(), TransactError> {
        for (place, (key, value)) in entries.iter().enumerate() {
            let Some(name) = key.as_keyword() else { continue };
            let Some(attribute) = self.attribute_at(place, name) else { continue };
            if !attribute.is_identity() {
                continue;
            }
            let attribute = attribute.clone();
            match self.collection(&attribute, value) {
                Some(items) => {
                    items.iter().try_for_each(|item| self.resolve_identity(subject, &attribute, item))?;
                }
                None => self.resolve_identity(subject, &attribute, value)?,
            }
        }
        Ok(())
    }

    fn resolve_identity(
        &mut self,
        subject: Subject,
        attribute: &Attribute,
        value: Src<'_>,
    ) -> Result<(), TransactError> {
        let encoded = if attribute.is_ref() {
            // Nested entities and new tempids are looked at again when they are written.
            let Some(target) = self.peek_target(value)? else { return Ok(()) };
            EncodedValue::int(target.as_int())
        } else {
            if attribute.composite().is_some() {
                self.stage.db()?;
            }
            self.encode(attribute, value)?
        };
        let Some(owner) = self.stage.owner(attribute.id, &encoded)? else {
            self.free.push((attribute.id, encoded));
            return Ok(());
        };
        let clash = match subject {
            Subject::Temp(tempid) => self.tempids.learn_owner(tempid, owner),
            Subject::Known(entity) if entity == owner => Ok(()),
            Subject::Known(entity) => self.tempids.learn_entity(owner, entity),
        };
        if let Err(clash) = clash {
            let kind = Kind::ConflictingUpserts {
                attribute: attribute.ident.clone(),
                value: attribute.decode(&encoded)?,
                entity: if clash.one == owner { clash.other } else { clash.one },
                owner,
            };
            self.defer(TransactError::new(kind).at(value.span()));
        }
        Ok(())
    }

    /// The entity of a reference, if that is known without writing anything.
    fn peek_target(&mut self, value: Src<'_>) -> Result<Option<EntityId>, TransactError> {
        if matches!(value.view(), View::Map(_) | View::Atom(Value::Nil)) {
            return Ok(None);
        }
        match self.subject(parse_place(value)?)? {
            Subject::Known(entity) => Ok(Some(entity)),
            Subject::Temp(tempid) => Ok(self.tempids.entity(tempid)),
        }
    }

    /// One entry of a map, at its place there.
    fn entry(
        &mut self,
        entity: EntityId,
        place: usize,
        key: Src<'_>,
        value: Src<'_>,
    ) -> Result<(), TransactError> {
        let name = parse_key(key)?;
        if is_db_id(name) {
            return Ok(());
        }
        if is_reverse(name) {
            return self.reverse_entry(entity, name, key.span(), value);
        }
        let attribute = match self.attribute_at(place, name) {
            Some(attribute) => attribute.clone(),
            None => self.attribute_to_write(Name { keyword: name, span: key.span() })?,
        };
        match self.collection(&attribute, value) {
            Some(items) => {
                for item in items.iter().filter(|item| !is_empty_map(&attribute, *item)) {
                    let encoded = self.value(&attribute, item)?;
                    self.write(entity, &attribute, encoded, item.span())?;
                }
                Ok(())
            }
            None if is_empty_map(&attribute, value) => Ok(()),
            None => {
                let encoded = self.value(&attribute, value)?;
                self.write(entity, &attribute, encoded, value.span())
            }
        }
    }

    /// The elements, if the value of a map entry is a collection of values rather than one value.
    fn collection<'a>(&self, attribute: &Attribute, value: Src<'a>) -> Option<Items<'a>> {
        if !attribute.is_many() {
            return None;
        }
        match value.view() {
            View::Set(items) => Some(items),
            View::Sequence(items) if attribute.is_ref() && self.is_lookup(items) => None,
            // Elements of tuples are no sequences, so a flat vector is one tuple.
            View::Sequence(items) if attribute.tuple.is_some() => {
                items.iter().all(|item| item.as_sequence().is_some()).then_some(items)
            }
            View::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// `{:ns/_attr v}`: facts of other entities about this one.
    fn reverse_entry(
        &mut self,
        entity: EntityId,
        name: &Keyword,
        span: Option<Span>,
        value: Src<'_>,
    ) -> Result<(), TransactError> {
        let forward = forward(name);
        self.free.clear();
        let Some(attribute) = self.stage.attribute(&forward).filter(|attribute| attribute.is_ref()) else {
            let kind = Kind::ReverseNeedsRef { attribute: name.clone(), forward };
            return Err(TransactError::new(kind).at(span));
        };
        match value.view() {
            View::Set(items) => {
                items.iter().try_for_each(|item| self.reverse_value(entity, &attribute, item))
            }
            View::Sequence(items) if !self.is_lookup(items) => {
                items.iter().try_for_each(|item| self.reverse_value(entity, &attribute, item))
            }
            _ => self.reverse_value(entity, &attribute, value),
        }
    }

    fn reverse_value(
        &mut self,
        entity: EntityId,
        attribute: &Arc<Attribute>,
        value: Src<'_>,
    ) -> Result<(), TransactError> {
        let target = EncodedValue::int(entity.as_int());
        match value.view() {
            View::Atom(Value::Nil) => Err(nil_value(&attribute.ident, value.span())),
            View::Map(entries) => {
                if is_empty_map(attribute, value) {
                    return Ok(());
                }
                let subject = self.nested_entity(entries, value.span())?;
                self.write(subject, attribute, target, value.span())
            }
            _ => {
                let subject = self.subject(parse_place(value)?)?;
                self.write_subject(subject, attribute, target, value.span())
            }
        }
    }

    /// `[:db/add e a v]`
    pub(super) fn add_item(
        &mut self,
        place: Place<'_>,
        name: Name<'_>,
        value: Src<'_>,
    ) -> Result<(), TransactError> {
        let subject = self.subject(place)?;
        let attribute = self.attribute_to_write(name)?;
        match subject {
            Subject::Known(entity) => self.stage.note_id(entity),
            Subject::Temp(tempid) => {
                self.tempids.mark_subject(tempid);
                // The entity comes before its value in the order of new ids, unless the value says which one it is.
                if !attribute.is_identity() {
                    let entity = self.entity_of(subject)?;
                    self.stage.note_id(entity);
                }
            }
        }
        let encoded = self.value(&attribute, value)?;
        self.write_subject(subject, &attribute, encoded, value.span())
    }

    /// Writes a fact about an entity that may only now turn out to exist.
    pub(super) fn write_subject(
        &mut self,
        subject: Subject,
        attribute: &Arc<Attribute>,
        value: EncodedValue,
        span: Option<Span>,
    ) -> Result<(), TransactError> {
        if let Subject::Temp(tempid) = subject {
            self.tempids.mark_subject(tempid);
            if attribute.is_identity() {
                self.claim(tempid, attribute, &value, span)?;
            }
        }
        let entity = self.entity_of(subject)?;
        self.write(entity, attribute, value, span)
    }

    /// Lets a tempid stand for the entity that has the identity value.
    fn claim(
        &mut self,
        tempid: TempId,
        attribute: &Attribute,
        value: &EncodedValue,
        span: Option<Span>,
    ) -> Result<(), TransactError> {
        let Some(owner) = self.stage.owner(attribute.id, value)? else { return Ok(()) };
        if let Err(clash) = self.tempids.learn_owner(tempid, owner) {
            let kind = Kind::ConflictingUpserts {
                attribute: attribute.ident.clone(),
                value: attribute.decode(value)?,
                entity: if clash.one == owner { clash.other } else { clash.one },
                owner,
            };
            self.defer(TransactError::new(kind).at(span));
        }
        Ok(())
    }

    /// Last checks of one fact, then staging.
    pub(super) fn write(
        &mut self,
        entity: EntityId,
        attribute: &Arc<Attribute>,
        value: EncodedValue,
        span: Option<Span>,
    ) -> Result<(), TransactError> {
        if matches!(attribute.tuple, Some(TupleSpec::Composite(_))) {
            let attribute = attribute.clone();
            self.written_composites.push(WrittenComposite { entity, attribute, value, span });
            return Ok(());
        }
        if !attribute.preds.is_empty() {
            self.check_predicates(attribute, &value, span)?;
        }
        if attribute.is_unique() && !self.is_free(entity, attribute, &value, span)? {
            return Ok(());
        }
        if attribute.id == crate::schema::FN {
            self.check_function(&value.decode()?).map_err(|error| error.at(span))?;
        }
        if attribute.id == crate::schema::FN || attribute.id == crate::schema::UDF {
            self.callables.push(entity);
        }
        self.stage.add(entity, attribute, value).map_err(|error| error.at(span))
    }

    /// Whether no other entity has, or had when the transaction began, the unique value.
    fn is_free(
        &mut self,
        entity: EntityId,
        attribute: &Attribute,
        value: &EncodedValue,
        span: Option<Span>,
    ) -> Result<bool, TransactError> {
        if let Some(at) = self.free.iter().position(|(a, free)| *a == attribute.id && free == value) {
            self.free.swap_remove(at);
            return Ok(true);
        }
        let Some(owner) = self.stage.other_owner(entity, attribute.id, value)? else { return Ok(true) };
        // An entity that this transaction made for a tempid may be this very one.
        if attribute.is_identity() && self.tempids.learn_same(entity, owner).is_ok() {
            return Ok(false);
        }
        let kind = Kind::UniqueConflict {
            attribute: attribute.ident.clone(),
            value: attribute.decode(value)?,
            entity,
            owner,
        };
        self.defer(TransactError::new(kind).at(span));
        Ok(false)
    }

    fn check_predicates(
        &self,
        attribute: &Attribute,
        value: &EncodedValue,
        span: Option<Span>,
    ) -> Result<(), TransactError> {
        let value = attribute.decode(value)?;
        for named in &attribute.preds {
            let predicate = function_name(named).and_then(|name| self.functions.find_predicate(&name));
            let Some(predicate) = predicate else {
                let error = self.unknown_function(named, "predicate", self.functions.predicate_names());
                return Err(error.at(span));
            };
            if !predicate(&value) {
                let (attribute, predicate) = (attribute.ident.clone(), named.to_string());
                return Err(
                    TransactError::new(Kind::AttributePredicate { attribute, value, predicate }).at(span)
                );
            }
        }
        Ok(())
    }
}

/// Whether a value of a reference attribute is a map that says nothing.
fn is_empty_map(attribute: &Attribute, value: Src<'_>) -> bool {
    attribute.is_ref() && matches!(value.view(), View::Map(entries) if entries.iter().next().is_none())
}
