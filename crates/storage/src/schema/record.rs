//! Attributes as records of the `schema` table.

use edn::{Keyword, Value};

use super::error::SchemaError;
use super::properties::Properties;
use super::{AttrId, Attribute, FIRST_USER_ATTR, Schema};
use crate::types::Types;

impl Schema {
    /// What is stored of an attribute: the map of its properties, with its name under `:db/ident`.
    pub(crate) fn record_of(&self, attribute: &Attribute) -> Value {
        let mut properties = self.properties_of(attribute);
        properties.insert(Keyword::parse("db/ident"), Value::Keyword(attribute.ident.clone()));
        Value::Map(
            properties.into_iter().map(|(property, value)| (Value::Keyword(property), value)).collect(),
        )
    }

    /// The schema of these records, given by attribute id; built-in attributes need none.
    pub(crate) fn from_records(
        records: impl IntoIterator<Item = (AttrId, Value)>,
        types: Types,
        revision: u64,
    ) -> Result<Self, SchemaError> {
        let mut schema = Self::with_types(types);
        let mut parsed: Vec<(AttrId, Keyword, Properties)> = Vec::new();
        for (id, record) in records {
            let wrong = || SchemaError::Shape { got: record.clone() };
            let Value::Map(entries) = &record else { return Err(wrong()) };
            let mut properties = Properties::new();
            for (property, value) in entries {
                properties.insert(property.as_keyword().ok_or_else(wrong)?.clone(), value.clone());
            }
            let ident = properties.remove(&Keyword::parse("db/ident"));
            let ident = ident.as_ref().and_then(Value::as_keyword).ok_or_else(wrong)?.clone();
            let is_possible = id >= FIRST_USER_ATTR
                && id.0 <= super::ATTR_ID_MAX
                && (id.0 as usize) < schema.by_id.len() + super::ATTR_GAP_MAX;
            if !is_possible || schema.attribute(&ident).is_some() {
                return Err(wrong());
            }
            // All names first: composite tuples refer to attributes that may come later.
            schema.insert(Attribute::untyped(id, ident.clone()));
            parsed.push((id, ident, properties));
        }
        for (id, ident, properties) in parsed {
            let attribute = Attribute::from_properties(id, &ident, &properties, &schema)?;
            schema.insert(attribute);
        }
        schema.index_composites();
        schema.revision = revision;
        Ok(schema)
    }
}
