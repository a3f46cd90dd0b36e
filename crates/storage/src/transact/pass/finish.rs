//! What is checked and derived once every item has taken effect.

use edn::{Form, Value};
use hashbrown::HashMap;

use super::operations::function_failed;
use super::{Ensure, EnsurePredicate, Pass};
use crate::schema::{CREATED_AT, FN, IDENT, UDF, UPDATED_AT};
use crate::transact::error::{TransactError, TransactErrorKind as Kind};
use crate::transact::functions::function_name;
use crate::transact::interpreter::is_written_function;
use crate::{AttrId, EncodedValue, EntityId};

/// What the items themselves said about an entity's times.
#[derive(Clone, Copy, Default)]
struct Said {
    created: bool,
    updated: bool,
}

impl Pass<'_> {
    /// Completes the pass: derived tuples, uniqueness of tuples, dangling tempids, entity times, checks.
    pub(super) fn finish(&mut self, now: i64) -> Result<(), TransactError> {
        self.check_composites()?;
        if let Some((tempid, span)) = self.tempids.dangling() {
            let tempid = self.tempids.user_value(tempid);
            return Err(TransactError::new(Kind::DanglingTempid { tempid }).at(span));
        }
        if self.tempids.must_restart() || self.deferred.is_some() {
            return Ok(());
        }
        self.check_callables()?;
        if self.stage.raw_db().options().auto_entity_time {
            self.set_entity_times(now)?;
        }
        for ensure in std::mem::take(&mut self.ensures) {
            let (span, item) = (ensure.span, ensure.item);
            self.check_ensure(ensure).map_err(|error| error.at(span).in_item(item))?;
        }
        Ok(())
    }

    /// Composite tuples can be written only as what they are anyway.
    pub(super) fn check_written_composites(&mut self) -> Result<(), TransactError> {
        if self.written_composites.is_empty() {
            return Ok(());
        }
        self.stage.db()?;
        for written in std::mem::take(&mut self.written_composites) {
            let present = self.stage.values(written.entity, written.attribute.id)?;
            if present.first() != Some(&written.value) {
                return Err(self.composite_written(&written.attribute).at(written.span));
            }
        }
        Ok(())
    }

    /// Two entities cannot have the same unique tuple; an identity may show which entity a tempid stands for.
    fn check_composites(&mut self) -> Result<(), TransactError> {
        for (entity, attribute, value) in self.stage.made_composites()? {
            let Some(owner) = self.stage.other_owner(entity, attribute.id, &value)? else { continue };
            if attribute.is_identity() && self.tempids.learn_same(entity, owner).is_ok() {
                continue;
            }
            let by_identity = attribute.is_identity() && self.tempids.stands_for(entity);
            let (attribute, value) = (attribute.ident.clone(), attribute.decode(&value)?);
            // Where another identity has named the entity, this one names another.
            self.defer(match by_identity {
                true => Kind::ConflictingUpserts { attribute, value, entity, owner }.into(),
                false => Kind::UniqueConflict { attribute, value, entity, owner }.into(),
            });
        }
        Ok(())
    }

    /// An entity is one function at most, and a descriptor must have the id that it is called by.
    fn check_callables(&mut self) -> Result<(), TransactError> {
        for entity in std::mem::take(&mut self.callables) {
            let function = self.stage.values(entity, FN)?;
            let Some(descriptor) = self.stage.values(entity, UDF)?.into_iter().next() else { continue };
            let descriptor = descriptor.decode()?;
            if !function.is_empty() {
                let expected = "either :db/fn or :db/udf, not both on one entity";
                return Err(Kind::NotCallable { found: descriptor, expected }.into());
            }
            let ident = self.stage.values(entity, IDENT)?.into_iter().next();
            let Some(Value::Keyword(ident)) = ident.map(|ident| ident.decode()).transpose()? else {
                continue;
            };
            let id = function_name(&descriptor);
            if id.is_none_or(|id| id.as_str() != ident.as_str()) {
                let expected = "a descriptor whose id is the entity's ident";
                return Err(Kind::NotCallable { found: descriptor, expected }.into());
            }
        }
        Ok(())
    }

    /// What is written to `:db/fn` can be called, as far as that can be known before.
    pub(super) fn check_function(&self, function: &Value) -> Result<(), TransactError> {
        if is_written_function(function) {
            return self.interpreted(&Form::from(function)).map(drop);
        }
        match function_name(function) {
            Some(_) => Ok(()),
            None => {
                let expected = "a function, (fn [db ..] ..), or the name of a registered one";
                Err(Kind::NotCallable { found: function.clone(), expected }.into())
            }
        }
    }

    fn set_entity_times(&mut self, now: i64) -> Result<(), TransactError> {
        let mut entities: Vec<EntityId> = Vec::new();
        let mut said: HashMap<EntityId, Said> = HashMap::new();
        for change in self.stage.log().iter().filter(|change| !change.e.is_tx()) {
            let said = said.entry(change.e).or_insert_with(|| {
                entities.push(change.e);
                Said::default()
            });
            said.created |= change.a == CREATED_AT;
            said.updated |= change.a == UPDATED_AT;
        }
        for entity in entities {
            // An entity that was retracted altogether stays away.
            if !self.stage.raw_db().entity_exists(entity)? {
                continue;
            }
            let said = said[&entity];
            if !said.created && !self.stage.before().entity_exists(entity)? {
                self.set_time(entity, CREATED_AT, now)?;
            }
            if !said.updated {
                self.set_time(entity, UPDATED_AT, now)?;
            }
        }
        Ok(())
    }

    fn set_time(&mut self, entity: EntityId, attribute: AttrId, now: i64) -> Result<(), TransactError> {
        let attribute = self.stage.schema().by_id(attribute).expect("built in").clone();
        self.stage.add(entity, &attribute, EncodedValue::int(now))
    }

    fn check_ensure(&mut self, ensure: Ensure) -> Result<(), TransactError> {
        let arguments = ensure.arguments.into_iter().map(|argument| self.ensure_argument(argument));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let (name, check) = match ensure.predicate {
            EnsurePredicate::Closure(name, check) => (name.to_owned(), check),
            EnsurePredicate::Named(named) => {
                let check = function_name(&named).and_then(|name| self.functions.find_check(&name)).cloned();
                let check = check
                    .ok_or_else(|| self.unknown_function(&named, "check", self.functions.check_names()))?;
                (named.to_string(), check)
            }
        };
        match check(self.stage.db()?, &arguments) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Kind::EnsureFailed { predicate: name, arguments }.into()),
            Err(source) => Err(function_failed(name, source)),
        }
    }

    /// Tempids among the arguments become entities.
    fn ensure_argument(&mut self, argument: Value) -> Result<Value, TransactError> {
        match self.tempids.find(&argument) {
            Some(entity) => Ok(entity.into()),
            None if argument.as_int().is_some_and(|number| number < 0) => {
                Err(Kind::EnsureTempid { tempid: argument }.into())
            }
            None => Ok(argument),
        }
    }
}
