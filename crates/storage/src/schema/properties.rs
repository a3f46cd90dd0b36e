//! Attribute properties between maps and types, with their rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use edn::{Keyword, Value};

use super::attribute::{Attribute, Cardinality, TupleSpec, Unique, ValueType};
use super::error::SchemaError;
use crate::ids::AttrId;
use crate::schema::Schema;
use crate::transact::other_kind;
use crate::types::RegisteredType;

/// The properties of one attribute as they are written.
pub(crate) type Properties = BTreeMap<Keyword, Value>;

/// Properties that this crate gives a meaning.
const KNOWN: [&str; 11] = [
    "db/valueType",
    "db/cardinality",
    "db/unique",
    "db/isComponent",
    "db/noindex",
    "db/doc",
    "db.attr/preds",
    "db/tupleAttrs",
    "db/tupleType",
    "db/tupleTypes",
    "db/ident",
];

/// Properties whose engines come later: accepting them in silence would promise a search that never answers.
fn unsupported_feature(property: &Keyword) -> Option<&'static str> {
    match (property.namespace()?, property.name()) {
        ("db", "fulltext") | ("db.fulltext", _) => Some("full-text search"),
        ("db.vec", _) => Some("vector search"),
        ("db", "embedding") | ("db.embedding", _) => Some("embeddings"),
        ("db", "idocFormat" | "domain") | ("db.idoc", _) => Some("documents"),
        _ => None,
    }
}

/// Whether a name is that of a property which says how an attribute behaves. As a fact of an entity it would change nothing, which
/// those would learn late who define attributes by transactions, as in Datomic. A `:db/doc` may stand anywhere.
pub(crate) fn is_behaviour(name: &Keyword) -> bool {
    let is_known = KNOWN.contains(&name.as_str()) && !matches!(name.as_str(), "db/doc" | "db/ident");
    is_known || matches!(name.as_str(), "db/index" | "db/noHistory") || unsupported_feature(name).is_some()
}

/// Ids are the database's affair, and every attribute is indexed anyway.
fn is_ignored(property: &Keyword) -> bool {
    matches!(property.as_str(), "db/aid" | "db/ident" | "db/id")
}

impl Attribute {
    /// The properties as a map, without the attribute's name; `name_of` names the sources of a composite tuple.
    pub(crate) fn properties(&self, name_of: impl Fn(AttrId) -> Option<Keyword>) -> Properties {
        let mut out = self.extra.clone();
        let mut put = |name: &str, value: Value| out.insert(Keyword::parse(name), value);
        if let Some(name) = self.type_name() {
            put("db/valueType", Value::Keyword(name));
        }
        if self.is_many() {
            put("db/cardinality", Value::keyword("db.cardinality/many"));
        }
        match self.unique {
            Some(Unique::Identity) => drop(put("db/unique", Value::keyword("db.unique/identity"))),
            Some(Unique::Value) => drop(put("db/unique", Value::keyword("db.unique/value"))),
            None => {}
        }
        if self.is_component {
            put("db/isComponent", Value::Bool(true));
        }
        if self.no_index {
            put("db/noindex", Value::Bool(true));
        }
        if let Some(doc) = &self.doc {
            put("db/doc", Value::str(doc.as_str()));
        }
        match &self.tuple {
            Some(TupleSpec::Composite(sources)) => {
                let names = sources.iter().filter_map(|id| name_of(*id)).map(Value::Keyword).collect();
                put("db/tupleAttrs", Value::Vector(names));
            }
            Some(TupleSpec::Homogeneous(element)) => {
                put("db/tupleType", Value::Keyword(element.keyword()));
            }
            Some(TupleSpec::Heterogeneous(elements)) => {
                let types = elements.iter().map(|element| Value::Keyword(element.keyword())).collect();
                put("db/tupleTypes", Value::Vector(types));
            }
            None => {}
        }
        if !self.preds.is_empty() {
            put("db.attr/preds", Value::Vector(self.preds.clone()));
        }
        out
    }

    /// An attribute from its properties; `schema` knows the sources of composite tuples, and the registered types.
    pub(crate) fn from_properties(
        id: AttrId,
        ident: &Keyword,
        properties: &Properties,
        schema: &Schema,
    ) -> Result<Self, SchemaError> {
        let mut attribute = Attribute::untyped(id, ident.clone());
        let parse = Parse { ident, properties, schema };
        parse.reject_unsupported()?;
        attribute.registered = parse.registered();
        if attribute.registered.is_none() {
            attribute.value_type = parse.value_type()?;
        }
        attribute.cardinality = parse.cardinality()?;
        attribute.unique = parse.unique()?;
        attribute.is_component = parse.flag("db/isComponent")?;
        attribute.no_index = parse.flag("db/noindex")?;
        attribute.doc = parse.doc()?;
        attribute.preds = parse.preds()?;
        attribute.tuple = parse.tuple(&attribute)?;
        if attribute.tuple.is_some() {
            attribute.value_type = Some(ValueType::Tuple);
        }
        attribute.extra = parse.extra()?;
        parse.check_combination(&attribute)?;
        Ok(attribute)
    }
}

/// The keywords of a composite tuple's sources, where `properties` declare one; used to find them before parsing.
pub(crate) fn composite_sources(properties: &Properties) -> Vec<Keyword> {
    let sources =
        properties.get(&Keyword::parse("db/tupleAttrs")).and_then(Value::as_sequence).unwrap_or(&[]);
    sources.iter().filter_map(Value::as_keyword).cloned().collect()
}

struct Parse<'p> {
    ident: &'p Keyword,
    properties: &'p Properties,
    schema: &'p Schema,
}

impl Parse<'_> {
    fn get(&self, property: &str) -> Option<&Value> {
        self.properties.get(&Keyword::parse(property))
    }

    fn error(&self, property: &str, reason: impl Into<String>) -> SchemaError {
        SchemaError::Property {
            attribute: self.ident.clone(),
            property: Keyword::parse(property),
            reason: reason.into(),
            hint: None,
        }
    }

    /// An error for a value that is none of `choices`, with the nearest of them.
    fn not_one_of(&self, property: &str, got: &Value, choices: &[&str]) -> SchemaError {
        let word = match got {
            Value::Keyword(keyword) => keyword.as_str().to_owned(),
            other => other.to_string(),
        };
        // `:many` means `:db.cardinality/many`: compare names alone where the namespace is missing.
        let by_name = choices.iter().find(|choice| choice.rsplit('/').next() == word.rsplit('/').next());
        let nearest = by_name.copied().or_else(|| edn::nearest(&word, choices.iter().copied()));
        SchemaError::Property {
            attribute: self.ident.clone(),
            property: Keyword::parse(property),
            reason: format!("cannot be {got}"),
            hint: Some(match nearest {
                Some(choice) => format!("did you mean :{choice}?"),
                None => {
                    format!(
                        "expected one of {}",
                        choices.iter().map(|choice| format!(":{choice}")).collect::<Vec<_>>().join(", ")
                    )
                }
            }),
        }
    }

    fn reject_unsupported(&self) -> Result<(), SchemaError> {
        for (property, value) in self.properties {
            if let Some(feature) = unsupported_feature(property)
                && *value != Value::Bool(false)
            {
                let (attribute, property) = (self.ident.clone(), property.clone());
                return Err(SchemaError::Unsupported { attribute, property, feature });
            }
        }
        Ok(())
    }

    /// The registered type, if the attribute has one.
    fn registered(&self) -> Option<Arc<RegisteredType>> {
        self.schema.types().get(self.get("db/valueType")?.as_keyword()?).cloned()
    }

    fn value_type(&self) -> Result<Option<ValueType>, SchemaError> {
        self.get("db/valueType").map(|value| self.one_type("db/valueType", value)).transpose()
    }

    fn one_type(&self, property: &str, value: &Value) -> Result<ValueType, SchemaError> {
        if let Some(value_type) = value.as_keyword().and_then(ValueType::from_keyword) {
            return Ok(value_type);
        }
        let feature = match value.as_keyword().map(Keyword::as_str) {
            Some("db.type/vec") => Some("vector search"),
            Some("db.type/idoc") => Some("documents"),
            _ => None,
        };
        if let Some(feature) = feature {
            let (attribute, property) = (self.ident.clone(), Keyword::parse(property));
            return Err(SchemaError::Unsupported { attribute, property, feature });
        }
        if let Some(name) = value.as_keyword().filter(|name| self.could_be_registered(name)) {
            return Err(self.not_registered(property, name));
        }
        let names: Vec<String> =
            ValueType::ALL.iter().map(|value_type| format!("db.type/{}", value_type.name())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Err(self.not_one_of(property, value, &names))
    }

    /// Names with a namespace of their own are those of registered types, unless something else was surely meant.
    fn could_be_registered(&self, name: &Keyword) -> bool {
        let is_misspelt = |namespace: &str| namespace.starts_with("db");
        name.namespace().is_some_and(|namespace| !is_misspelt(namespace))
    }

    fn not_registered(&self, property: &str, name: &Keyword) -> SchemaError {
        let types = self.schema.types();
        let (reason, hint) = match types.get(name) {
            Some(_) => (
                format!("cannot be {name}: tuples have no elements of registered types"),
                "put the tuple into the order function of a type of its own".to_owned(),
            ),
            None => {
                let near = edn::nearest(name.as_str(), types.iter().map(|known| known.name().as_str()));
                let hint = match near {
                    Some(near) => format!("did you mean :{near}?"),
                    None => "register-type makes it one".to_owned(),
                };
                (format!("cannot be {name}, which is not a registered type"), hint)
            }
        };
        let (attribute, property) = (self.ident.clone(), Keyword::parse(property));
        SchemaError::Property { attribute, property, reason, hint: Some(hint) }
    }

    fn cardinality(&self) -> Result<Cardinality, SchemaError> {
        let Some(value) = self.get("db/cardinality") else { return Ok(Cardinality::One) };
        match value.as_keyword().map(Keyword::as_str) {
            Some("db.cardinality/one") => Ok(Cardinality::One),
            Some("db.cardinality/many") => Ok(Cardinality::Many),
            _ => {
                Err(self.not_one_of("db/cardinality", value, &["db.cardinality/one", "db.cardinality/many"]))
            }
        }
    }

    fn unique(&self) -> Result<Option<Unique>, SchemaError> {
        let Some(value) = self.get("db/unique") else { return Ok(None) };
        match value.as_keyword().map(Keyword::as_str) {
            Some("db.unique/identity") => Ok(Some(Unique::Identity)),
            Some("db.unique/value") => Ok(Some(Unique::Value)),
            _ => Err(self.not_one_of("db/unique", value, &["db.unique/identity", "db.unique/value"])),
        }
    }

    fn flag(&self, property: &str) -> Result<bool, SchemaError> {
        match self.get(property) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.error(property, format!("must be true or false, got {other}"))),
        }
    }

    fn doc(&self) -> Result<Option<String>, SchemaError> {
        match self.get("db/doc") {
            None => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text.to_string())),
            Some(other) => Err(self.error("db/doc", format!("must be a string, got {other}"))),
        }
    }

    fn preds(&self) -> Result<Vec<Value>, SchemaError> {
        let listed = match self.get("db.attr/preds") {
            None => return Ok(Vec::new()),
            Some(Value::Vector(items) | Value::List(items)) => items.clone(),
            Some(Value::Set(items)) => items.iter().cloned().collect(),
            Some(one) => vec![one.clone()],
        };
        for pred in &listed {
            let is_callable = match pred {
                Value::Symbol(symbol) => symbol.namespace().is_some(),
                Value::Keyword(_) | Value::Map(_) => true,
                _ => false,
            };
            if !is_callable {
                let reason =
                    format!("needs qualified symbols such as my.ns/valid?, or function ids, got {pred}");
                return Err(self.error("db.attr/preds", reason));
            }
            if let Some(found) = other_kind(pred, &["predicate"]) {
                let reason = format!("needs a descriptor with :udf/kind :predicate, got {found}");
                return Err(self.error("db.attr/preds", reason));
            }
        }
        Ok(listed)
    }

    fn tuple(&self, attribute: &Attribute) -> Result<Option<TupleSpec>, SchemaError> {
        let declared: Vec<&str> = ["db/tupleAttrs", "db/tupleType", "db/tupleTypes"]
            .into_iter()
            .filter(|property| self.get(property).is_some())
            .collect();
        let property = match declared[..] {
            [] if attribute.value_type == Some(ValueType::Tuple) => {
                return Err(self.error(
                    "db/valueType",
                    "is a tuple and needs :db/tupleType, :db/tupleTypes or :db/tupleAttrs",
                ));
            }
            [] => return Ok(None),
            [one] => one,
            [_, second, ..] => {
                return Err(self.error(second, format!("cannot stand beside :{}", declared[0])));
            }
        };
        if !matches!(attribute.value_type, None | Some(ValueType::Tuple)) || attribute.registered.is_some() {
            return Err(self.error(property, "needs :db/valueType :db.type/tuple"));
        }
        let value = self.get(property).expect("property was found above");
        if property == "db/tupleType" {
            return Ok(Some(TupleSpec::Homogeneous(self.element_type(property, value)?)));
        }
        let items = value.as_sequence().unwrap_or(&[]);
        if property == "db/tupleTypes" {
            if items.len() < 2 {
                return Err(self.error(property, "must be a vector of more than one type"));
            }
            let types =
                items.iter().map(|item| self.element_type(property, item)).collect::<Result<_, _>>()?;
            return Ok(Some(TupleSpec::Heterogeneous(types)));
        }
        if items.is_empty() {
            return Err(self.error(property, "must be a vector of attributes"));
        }
        let sources = items.iter().map(|item| {
            let source = item.as_keyword().ok_or_else(|| {
                self.error(property, format!("must be a vector of attributes, got {item} in it"))
            })?;
            self.schema
                .id_of(source)
                .ok_or_else(|| self.error(property, format!("names {source}, which is not an attribute")))
        });
        Ok(Some(TupleSpec::Composite(sources.collect::<Result<_, _>>()?)))
    }

    fn element_type(&self, property: &str, value: &Value) -> Result<ValueType, SchemaError> {
        let element = self.one_type(property, value)?;
        if element.is_tuple_element() {
            Ok(element)
        } else {
            Err(self.error(property, format!("cannot hold elements of type {element}")))
        }
    }

    /// What is left over; a misspelt property of ours is an error rather than a property without effect.
    fn extra(&self) -> Result<Properties, SchemaError> {
        let mut extra = Properties::new();
        for (property, value) in self.properties {
            let name = property.as_str();
            if KNOWN.contains(&name) || is_ignored(property) || unsupported_feature(property).is_some() {
                continue;
            }
            // Known from other databases, without effect here: every attribute is indexed, and there is no history.
            let is_foreign = matches!(name, "db/index" | "db/noHistory");
            let is_ours = !is_foreign && matches!(property.namespace(), Some("db" | "db.attr"));
            if is_ours && let Some(nearest) = edn::nearest(name, KNOWN) {
                return Err(SchemaError::Property {
                    attribute: self.ident.clone(),
                    property: property.clone(),
                    reason: "is not a property".into(),
                    hint: Some(format!("did you mean :{nearest}?")),
                });
            }
            extra.insert(property.clone(), value.clone());
        }
        Ok(extra)
    }

    fn check_combination(&self, attribute: &Attribute) -> Result<(), SchemaError> {
        if attribute.is_component && !attribute.is_ref() {
            return Err(self.error("db/isComponent", "needs :db/valueType :db.type/ref"));
        }
        if attribute.no_index && attribute.is_unique() {
            return Err(self.error("db/noindex", "cannot go with :db/unique, which looks values up"));
        }
        if attribute.no_index && attribute.is_ref() {
            return Err(self.error("db/noindex", "cannot go with references, which are followed backwards"));
        }
        if attribute.composite().is_some() && attribute.is_many() {
            return Err(
                self.error("db/tupleAttrs", "makes one tuple per entity: cardinality many is not possible")
            );
        }
        Ok(())
    }
}
