//! Everything but additions: retractions, compare-and-swap, calls, checks, datoms.

use std::ops::ControlFlow;
use std::sync::Arc;

use edn::{Form, Keyword, Span, Symbol, Value};
use hashbrown::HashSet;

use super::resolve::at;
use super::{Ensure, EnsurePredicate, Pass};
use crate::transact::builder::Tx;
use crate::transact::error::{TransactError, TransactErrorKind as Kind};
use crate::transact::functions::{Check, FunctionError, TxFunction, function_name, other_kind};
use crate::transact::interpreter::{InterpretError, InterpretedFunction, is_written_function};
use crate::transact::parse::{Name, Place, nil_value, parse_place};
use crate::transact::source::{Items, Src};
use crate::{Attribute, Datom, EncodedValue, EntityId, Error};

/// The names of operations, for near misses.
const OPERATIONS: [&str; 7] = [
    "db/add",
    "db/retract",
    "db.fn/retractAttribute",
    "db/retractEntity",
    "db/cas",
    "db.fn/call",
    "db/ensure",
];

/// What errors call a function that has no name.
const WRITTEN: &str = "the function";

impl Pass<'_> {
    /// `[:db/retract e a v]`
    pub(super) fn retract_item(
        &mut self,
        place: Place<'_>,
        name: Name<'_>,
        value: Src<'_>,
    ) -> Result<(), TransactError> {
        if value.is_nil() {
            let hint = "leave the value away to retract every value of the attribute";
            return Err(nil_value(name.keyword, value.span()).with_hint(hint));
        }
        let Some(entity) = self.existing(place, ":db/retract")? else { return Ok(()) };
        let Some(attribute) = self.stage.attribute(name.keyword) else { return Ok(()) };
        self.refuse_composite(&attribute, name.span)?;
        match self.existing_value(&attribute, value, ":db/retract")? {
            Some(value) => self.stage.retract(entity, &attribute, value),
            None => Ok(()),
        }
    }

    /// `[:db/retract e a]`
    pub(super) fn retract_attribute_item(
        &mut self,
        place: Place<'_>,
        name: Name<'_>,
    ) -> Result<(), TransactError> {
        let Some(entity) = self.existing(place, ":db/retract")? else { return Ok(()) };
        let Some(attribute) = self.stage.attribute(name.keyword) else { return Ok(()) };
        self.refuse_composite(&attribute, name.span)?;
        let mut children = Vec::new();
        for value in self.stage.values(entity, attribute.id)? {
            children.extend(child(&attribute, &value));
            self.stage.retract(entity, &attribute, value)?;
        }
        self.retract_entities(children)
    }

    /// Retracts entities with everything that refers to them, and their components.
    pub(super) fn retract_entities(&mut self, mut entities: Vec<EntityId>) -> Result<(), TransactError> {
        let mut seen = HashSet::new();
        entities.reverse();
        while let Some(entity) = entities.pop() {
            if !seen.insert(entity) {
                continue;
            }
            let mut facts = Vec::new();
            self.stage.db()?.eav().entity(entity.0, &mut |a, v| {
                facts.push((a, EncodedValue::from_bytes(v)));
                ControlFlow::Continue(())
            })?;
            let mut children = Vec::new();
            for (a, value) in facts {
                let Some(attribute) = self.stage.schema().by_id(a).cloned() else { continue };
                children.extend(child(&attribute, &value));
                self.stage.retract(entity, &attribute, value)?;
            }
            self.retract_references(entity)?;
            entities.extend(children.into_iter().rev());
        }
        Ok(())
    }

    fn retract_references(&mut self, entity: EntityId) -> Result<(), TransactError> {
        let value = EncodedValue::int(entity.as_int());
        for attribute in self.stage.ref_attributes().iter() {
            for referrer in self.stage.entities(attribute.id, &value)? {
                self.stage.retract(EntityId(referrer), attribute, value.clone())?;
            }
        }
        Ok(())
    }

    fn refuse_composite(&self, attribute: &Attribute, span: Option<Span>) -> Result<(), TransactError> {
        match attribute.composite() {
            None => Ok(()),
            Some(_) => Err(self.composite_written(attribute).at(span)),
        }
    }

    pub(super) fn composite_written(&self, attribute: &Attribute) -> TransactError {
        let schema = self.stage.schema();
        let sources = attribute.composite().unwrap_or(&[]).iter().filter_map(|source| schema.by_id(*source));
        let sources = sources.map(|source| source.ident.clone()).collect();
        let kind = Kind::CompositeWritten { attribute: attribute.ident.clone(), sources };
        TransactError::new(kind).with_hint("write the attributes that it is made of")
    }

    /// The encoding of a value that should be there already: nothing for a reference to nothing.
    fn existing_value(
        &mut self,
        attribute: &Attribute,
        value: Src<'_>,
        operation: &'static str,
    ) -> Result<Option<EncodedValue>, TransactError> {
        if !attribute.is_ref() {
            return self.encode(attribute, value).map(Some);
        }
        let target = self.existing(parse_place(value)?, operation)?;
        Ok(target.map(|target| EncodedValue::int(target.as_int())))
    }

    /// `[:db/cas e a old new]`
    pub(super) fn compare_and_swap(
        &mut self,
        place: Place<'_>,
        name: Name<'_>,
        old: Src<'_>,
        new: Src<'_>,
    ) -> Result<(), TransactError> {
        const CAS: &str = ":db/cas";
        let entity = self.existing(place, CAS)?.ok_or_else(|| missing(place.src))?;
        let attribute = match self.stage.attribute(name.keyword) {
            Some(attribute) => attribute,
            // Nobody has a value of an unknown attribute.
            None if !old.is_nil() => {
                let (attribute, expected) = (name.keyword.clone(), old.to_value());
                let kind = Kind::CasFailed { entity, attribute, found: Vec::new(), expected };
                return Err(TransactError::new(kind).at(old.span()));
            }
            None => self.attribute_to_write(name)?,
        };
        self.refuse_composite(&attribute, name.span)?;
        if new.is_nil() {
            let hint = "to take the value away, use :db/retract";
            return Err(nil_value(&attribute.ident, new.span()).with_hint(hint));
        }
        let expected = match old.is_nil() {
            true => None,
            false => Some(self.existing_value(&attribute, old, CAS)?.ok_or_else(|| missing(old))?),
        };
        let new_value = self.existing_value(&attribute, new, CAS)?.ok_or_else(|| missing(new))?;
        let found = self.stage.values(entity, attribute.id)?;
        let holds = match &expected {
            Some(expected) => found.contains(expected),
            None => found.is_empty(),
        };
        if !holds {
            let found = found.iter().map(EncodedValue::decode).collect::<crate::Result<_>>()?;
            let (attribute, expected) = (attribute.ident.clone(), old.to_value());
            let kind = Kind::CasFailed { entity, attribute, found, expected };
            return Err(TransactError::new(kind).at(old.span()));
        }
        self.write(entity, &attribute, new_value, new.span())
    }

    /// `[:db.fn/call f arg ..]`
    pub(super) fn call_item(
        &mut self,
        function: Src<'_>,
        parts: Items<'_>,
        span: Option<Span>,
    ) -> Result<(), TransactError> {
        let named = function.to_value();
        if is_written_function(&named) {
            let function = self.written_function(&function.form())?;
            return self.call(WRITTEN, &function, &parts.values_from(2)).map_err(|error| error.at(span));
        }
        let function = self.named_function(&named).map_err(|error| error.at(function.span()))?;
        self.call(&named.to_string(), &function, &parts.values_from(2)).map_err(|error| error.at(span))
    }

    /// `[:installed-ident arg ..]`
    pub(super) fn installed_item(
        &mut self,
        ident: &Keyword,
        parts: Items<'_>,
        span: Option<Span>,
    ) -> Result<(), TransactError> {
        let function = self.installed_function(ident).map_err(|error| error.at(span))?;
        self.call(&ident.to_string(), &function, &parts.values_from(1)).map_err(|error| error.at(span))
    }

    fn installed_function(&mut self, ident: &Keyword) -> Result<TxFunction, TransactError> {
        let encoded = crate::encode(&Value::Keyword(ident.clone()));
        let Some(entity) = self.stage.holder(crate::schema::IDENT, &encoded)? else {
            // A function that is registered under the name itself needs no entity.
            let registered = self.functions.find_function(&Symbol::parse(ident.as_str()));
            return registered.cloned().ok_or_else(|| self.unknown_operation(ident));
        };
        for attribute in [crate::schema::FN, crate::schema::UDF] {
            if let Some(value) = self.stage.values(entity, attribute)?.first() {
                let value = value.decode()?;
                return match is_written_function(&value) {
                    true => self.written_function(&Form::from(&value)),
                    false => self.named_function(&value),
                };
            }
        }
        let hint = format!("entity {entity} has this ident, but neither :db/fn nor :db/udf");
        Err(TransactError::new(Kind::UnknownOperation { operation: ident.clone() }).with_hint(hint))
    }

    fn unknown_operation(&self, operation: &Keyword) -> TransactError {
        let known = OPERATIONS.into_iter().chain(self.functions.function_names());
        let nearest = edn::nearest(operation.as_str(), known).map(|name| format!("did you mean :{name}?"));
        let error = TransactError::new(Kind::UnknownOperation { operation: operation.clone() });
        match nearest {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// A function that is written out, as the interpreter reads it.
    pub(super) fn interpreted(&self, form: &Form) -> Result<InterpretedFunction, TransactError> {
        match self.functions.find_interpreter() {
            Some(interpreter) => Ok(interpreter(form)?),
            None => {
                let feature = "a function that is written out, without an interpreter";
                Err(Kind::Unsupported { feature }.into())
            }
        }
    }

    fn written_function(&self, form: &Form) -> Result<TxFunction, TransactError> {
        let function = self.interpreted(form)?;
        Ok(Arc::new(move |db, args| match function(db, args)? {
            Value::Nil => Ok(Tx::new()),
            items @ (Value::Vector(_) | Value::List(_)) => Ok(items.into()),
            Value::Set(items) => Ok(Value::Vector(items.into_iter().collect()).into()),
            other => {
                Err(format!("it must return a sequence of items, or nil, not a {}", other.type_name()).into())
            }
        }))
    }

    fn named_function(&self, named: &Value) -> Result<TxFunction, TransactError> {
        let Some(name) = function_name(named) else {
            let expected = "a function, or a symbol, an id or a descriptor of a registered one";
            return Err(Kind::NotCallable { found: named.clone(), expected }.into());
        };
        if let Some(found) = other_kind(named, &["tx-fn"]) {
            return Err(Kind::FunctionKind { found: found.clone(), expected: ":tx-fn" }.into());
        }
        self.functions.find_function(&name).cloned().ok_or_else(|| {
            self.unknown_function(named, "transaction function", self.functions.function_names())
        })
    }

    pub(super) fn unknown_function<'n>(
        &self,
        named: &Value,
        role: &'static str,
        known: impl Iterator<Item = &'n str>,
    ) -> TransactError {
        let name = function_name(named).map_or_else(|| named.to_string(), |name| name.as_str().to_owned());
        let nearest = edn::nearest(&name, known).map(|nearest| format!("did you mean {nearest}?"));
        let error = TransactError::new(Kind::UnknownFunction { name, role });
        match nearest {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Calls a function with the database as the earlier items leave it, and applies what it returns.
    pub(super) fn call(
        &mut self,
        name: &str,
        function: &TxFunction,
        args: &[Value],
    ) -> Result<(), TransactError> {
        let tx =
            function(self.stage.db()?, args).map_err(|source| function_failed(name.to_owned(), source))?;
        self.deeper(|pass| tx.items().iter().try_for_each(|item| pass.tx_item(item)))
    }

    /// `[:db/ensure pred arg ..]`
    pub(super) fn ensure_item(
        &mut self,
        predicate: Src<'_>,
        parts: Items<'_>,
        span: Option<Span>,
    ) -> Result<(), TransactError> {
        let named = predicate.to_value();
        if is_written_function(&named) {
            let function = self.interpreted(&predicate.form())?;
            let check: Check = Arc::new(move |db, args| Ok(function(db, args)?.is_truthy()));
            self.ensure(EnsurePredicate::Closure(WRITTEN, check), parts.values_from(2), span);
            return Ok(());
        }
        let is_callable = match &named {
            Value::Symbol(symbol) => symbol.namespace().is_some(),
            other => function_name(other).is_some(),
        };
        if !is_callable {
            return Err(TransactError::new(Kind::EnsurePredicate { found: named }).at(predicate.span()));
        }
        if let Some(found) = other_kind(&named, &["predicate"]) {
            let kind = Kind::FunctionKind { found: found.clone(), expected: ":predicate" };
            return Err(TransactError::new(kind).at(predicate.span()));
        }
        self.ensure(EnsurePredicate::Named(named), parts.values_from(2), span);
        Ok(())
    }

    pub(super) fn ensure(&mut self, predicate: EnsurePredicate, arguments: Vec<Value>, span: Option<Span>) {
        self.ensures.push(Ensure { predicate, arguments, span, item: self.item });
    }

    /// Adds or retracts a datom, by its flag.
    pub(super) fn datom(&mut self, datom: &Datom) -> Result<(), TransactError> {
        let Some(attribute) = self.stage.schema().by_id(datom.a).cloned() else {
            let attribute = Value::Int(datom.a.0.into());
            return Err(Kind::BadAttribute { attribute, reason: "no attribute has this id" }.into());
        };
        let value = at(self.stage.raw_db().encode_for(&attribute, &datom.v), None)?;
        match (datom.added, attribute.composite()) {
            (true, _) => self.write(datom.e, &attribute, value, None)?,
            // Composites follow their sources, which the same list of datoms holds.
            (false, Some(_)) => {}
            (false, None) => self.stage.retract(datom.e, &attribute, value)?,
        }
        self.check_written_composites()
    }
}

/// The error of a function that failed, with the place and the hint that it gives.
pub(super) fn function_failed(name: String, source: FunctionError) -> TransactError {
    let told = source.downcast_ref::<InterpretError>();
    let (span, hint) = told.map_or((None, None), |error| (error.span, error.hint.clone()));
    let error = TransactError::from(Kind::FunctionFailed { name, source }).at(span);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn missing(src: Src<'_>) -> TransactError {
    TransactError::from(Error::EntityMissing { reference: src.to_value() }).at(src.span())
}

/// The entity that goes with a component value.
fn child(attribute: &Arc<Attribute>, value: &EncodedValue) -> Option<EntityId> {
    attribute.is_component.then(|| value.as_int().and_then(EntityId::from_int)).flatten()
}
