//! From the records of an input to the attributes they become: names, roles, types, cardinalities.

use std::collections::{BTreeMap, HashMap};

use edn::{Keyword, Value};

use super::ImportError;
use super::record::Records;

/// What the caller said about the keys.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Namespace of the attributes.
    pub namespace: String,
    /// The key whose value identifies a record.
    pub id: Option<String>,
    /// Keys whose values are such identities, with the attribute name they go to.
    pub refs: BTreeMap<String, String>,
}

/// The attributes of an import.
#[derive(Debug)]
pub struct Plan {
    /// In the order in which the input first mentions them.
    pub attributes: Vec<PlannedAttribute>,
    /// The one that identifies records.
    pub id: Option<usize>,
    /// For each block of records, the attribute of each of its keys.
    pub keys: Vec<Vec<usize>>,
}

/// One attribute of an import.
#[derive(Debug)]
pub struct PlannedAttribute {
    /// Its name.
    pub ident: Keyword,
    /// Part that it plays.
    pub role: Role,
    /// Types of its values.
    pub kinds: Kinds,
    /// Whether some record holds an array.
    pub many: bool,
    /// Number of values seen, duplicates included.
    pub values: u64,
}

/// The part that an attribute plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Identifies the record.
    Id,
    /// Refers to another record by its identity.
    Ref,
    /// Just data.
    Plain,
}

/// A set of value types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u32);

/// Types in the order of the bits of [`Kinds`]; `None` marks what has no type of its own and is stored as any value.
const KINDS: [(&str, Option<&str>); 13] = [
    ("boolean", Some("boolean")),
    ("long", Some("long")),
    ("bigint", Some("bigint")),
    ("double", Some("double")),
    ("bigdec", Some("bigdec")),
    ("instant", Some("instant")),
    ("uuid", Some("uuid")),
    ("string", Some("string")),
    ("keyword", Some("keyword")),
    ("symbol", Some("symbol")),
    ("bytes", Some("bytes")),
    ("list", None),
    ("map", None),
];

impl Kinds {
    fn of(value: &Value) -> Self {
        let name = match value {
            Value::Vector(_) | Value::List(_) | Value::Set(_) => "list",
            other => other.type_name(),
        };
        let bit = KINDS.iter().position(|(kind, _)| *kind == name).unwrap_or(KINDS.len() - 1);
        Self(1 << bit)
    }

    /// Whether a value has one of these types.
    pub fn admits(self, value: &Value) -> bool {
        self.0 & Self::of(value).0 != 0
    }

    fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn names(self) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        KINDS.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, kind)| *kind)
    }

    /// Whether all values have one declared type that they need no conversion for, and no check.
    pub fn is_exact(self) -> bool {
        matches!(self.names().collect::<Vec<_>>().as_slice(), [(name, Some(_))] if *name != "double")
    }

    /// The declared type that holds all of them: `None` if only "any value" does.
    pub fn value_type(self) -> Option<&'static str> {
        let names: Vec<_> = self.names().collect();
        match names.as_slice() {
            [(_, single)] => *single,
            [("long", _), ("bigint", _)] => Some("bigint"),
            [("long", _), ("double", _)] => Some("double"),
            _ => None,
        }
    }

    /// `long`, or `any (string, list)`.
    pub fn describe(self) -> String {
        self.value_type().map_or_else(
            || format!("any ({})", self.names().map(|(name, _)| name).collect::<Vec<_>>().join(", ")),
            str::to_owned,
        )
    }
}

impl PlannedAttribute {
    /// The attribute's entry in a schema.
    pub fn properties(&self) -> Value {
        let mut properties = BTreeMap::new();
        let mut set = |property: &str, value: &str| {
            properties.insert(Value::keyword(property), Value::keyword(value));
        };
        match self.role {
            Role::Ref => set("db/valueType", "db.type/ref"),
            _ => {
                if let Some(name) = self.kinds.value_type() {
                    set("db/valueType", &format!("db.type/{name}"));
                }
            }
        }
        if self.role == Role::Id {
            set("db/unique", "db.unique/identity");
        }
        if self.many {
            set("db/cardinality", "db.cardinality/many");
        }
        Value::Map(properties)
    }

    /// Its type as the report shows it.
    pub fn describe(&self) -> String {
        match self.role {
            Role::Ref => "ref".to_owned(),
            _ => self.kinds.describe(),
        }
    }
}

impl Plan {
    /// Looks at every value of every record once.
    pub fn new(blocks: &[Records], mapping: &Mapping) -> Result<Self, ImportError> {
        let mut plan = Self { attributes: Vec::new(), id: None, keys: Vec::with_capacity(blocks.len()) };
        let mut index: HashMap<Keyword, (usize, String)> = HashMap::new();
        for block in blocks {
            let keys = block.keys.names().iter().map(|name| plan.attribute(name, mapping, &mut index));
            let keys: Vec<usize> = keys.collect();
            for record in &block.records {
                for (key, value) in &record.fields {
                    plan.attributes[keys[*key as usize]].observe(value);
                }
            }
            plan.keys.push(keys);
        }
        plan.check(blocks, mapping)?;
        plan.id = plan.attributes.iter().position(|attribute| attribute.role == Role::Id);
        Ok(plan)
    }

    /// The attributes as a schema.
    pub fn schema(&self) -> Value {
        let used = self.attributes.iter().filter(|attribute| attribute.values > 0);
        Value::Map(used.map(|a| (Value::Keyword(a.ident.clone()), a.properties())).collect())
    }

    fn attribute(
        &mut self,
        key: &str,
        mapping: &Mapping,
        index: &mut HashMap<Keyword, (usize, String)>,
    ) -> usize {
        let (name, role) = match mapping.refs.get(key) {
            Some(name) => (name.as_str(), Role::Ref),
            None if mapping.id.as_deref() == Some(key) => (key, Role::Id),
            None => (key, Role::Plain),
        };
        let ident = ident(&mapping.namespace, name);
        if let Some((attribute, first)) = index.get(&ident) {
            // Two keys for one attribute are two values of it.
            self.attributes[*attribute].many |= first != key;
            return *attribute;
        }
        index.insert(ident.clone(), (self.attributes.len(), key.to_owned()));
        self.attributes.push(PlannedAttribute {
            ident,
            role,
            kinds: Kinds::default(),
            many: false,
            values: 0,
        });
        self.attributes.len() - 1
    }

    fn check(&self, blocks: &[Records], mapping: &Mapping) -> Result<(), ImportError> {
        let names = || blocks.iter().flat_map(|block| block.keys.names()).map(String::as_str);
        for key in mapping.id.iter().chain(mapping.refs.keys()) {
            if !blocks.is_empty() && !names().any(|name| name == key) {
                let nearest = edn::nearest(key, names()).map(str::to_owned);
                return Err(ImportError::UnknownKey { key: key.clone(), nearest });
            }
        }
        Ok(())
    }
}

impl PlannedAttribute {
    fn observe(&mut self, value: &Value) {
        let Value::Vector(items) = value else {
            self.values += 1;
            return self.kinds.add(Kinds::of(value));
        };
        self.many = true;
        match self.role {
            // Alternatives come as lists inside the list; all of them are references.
            Role::Ref => self.values += leaves(value).count() as u64,
            _ => {
                self.values += items.len() as u64;
                items.iter().for_each(|item| self.kinds.add(Kinds::of(item)));
            }
        }
    }
}

/// The scalars of a value, through lists of lists.
pub fn leaves(value: &Value) -> impl Iterator<Item = &Value> {
    let mut stack = vec![value];
    std::iter::from_fn(move || {
        while let Some(value) = stack.pop() {
            match value {
                Value::Vector(items) => stack.extend(items.iter().rev()),
                leaf => return Some(leaf),
            }
        }
        None
    })
}

/// `:namespace/name`; a name that has a namespace keeps it, and what EDN cannot write becomes a dash.
fn ident(namespace: &str, name: &str) -> Keyword {
    let mut clean = String::with_capacity(name.len());
    for c in name.chars() {
        clean.push(if c.is_alphanumeric() || "-_.*+!?$%&=<>/#".contains(c) { c } else { '-' });
    }
    let keyword = Keyword::parse(&clean);
    match keyword.namespace() {
        Some(_) => keyword,
        None => Keyword::new(Some(namespace), &clean.replace('/', "-")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(values: &[Value]) -> Kinds {
        let mut kinds = Kinds::default();
        values.iter().for_each(|value| kinds.add(Kinds::of(value)));
        kinds
    }

    #[test]
    fn one_type_or_a_wider_one_or_any() {
        assert_eq!(kinds(&[1.into(), 2.into()]).value_type(), Some("long"));
        assert_eq!(kinds(&[1.into(), 2.5.into()]).value_type(), Some("double"));
        assert_eq!(kinds(&[1.into(), "a".into()]).describe(), "any (long, string)");
        assert_eq!(kinds(&["a".into(), Value::Vector(vec![])]).describe(), "any (string, list)");
    }

    #[test]
    fn keys_become_readable_attributes() {
        assert_eq!(ident("package", "installed-size").to_string(), ":package/installed-size");
        assert_eq!(ident("package", "Installed Size").to_string(), ":package/Installed-Size");
        assert_eq!(ident("package", "other/name").to_string(), ":other/name");
    }
}
