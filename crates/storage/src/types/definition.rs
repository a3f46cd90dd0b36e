//! Definitions of types: what is written, checked and stored.

use edn::{Keyword, Symbol, Value};

use super::backing::Backing;
use super::error::TypeError;
use crate::schema::ValueType;
use crate::transact::{function_name, is_written_function};

/// A function of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeFunction {
    /// `(fn [v] ..)`, stored with the database.
    Written(Value),
    /// A function of the program: its name, and how it was written: a symbol, an identifier or a descriptor.
    Named(Symbol, Value),
}

impl TypeFunction {
    fn to_value(&self) -> Value {
        match self {
            Self::Written(value) | Self::Named(_, value) => value.clone(),
        }
    }
}

/// How values of a type are ordered and stored.
///
/// ```
/// use factum_storage::types::{Backing, TypeDefinition};
/// let text = "{:index {:type [:long :long] :order-fn (fn [v] [(:major v) (:minor v)])}}";
/// let definition = TypeDefinition::from_value(&":my/version".into(), &edn::read(text)?)?;
/// assert_eq!(definition.version, 1);
/// assert!(matches!(definition.backing, Backing::Tuple(types) if types.len() == 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeDefinition {
    /// Counted by whoever defines it; 1 unless said otherwise.
    pub version: i64,
    /// What the order function yields.
    pub backing: Backing,
    /// From a value to its order key.
    pub order: TypeFunction,
    /// From a value to what is stored for it, and back; without them the value is stored as it is.
    pub payload: Option<(TypeFunction, TypeFunction)>,
}

impl TypeDefinition {
    /// A type whose order function the program gives under `function`.
    pub fn named(backing: Backing, function: impl Into<Symbol>) -> Self {
        let function = function.into();
        let order = TypeFunction::Named(function.clone(), Value::Symbol(function));
        Self { version: 1, backing, order, payload: None }
    }

    /// From a map `{:index {:type .. :order-fn ..} :version n :payload ..}`.
    pub fn from_value(name: &Keyword, definition: &Value) -> Result<Self, TypeError> {
        check_keys(name, definition, &["version", "index", "payload"])?;
        let version = match get(definition, "version") {
            None => 1,
            Some(Value::Int(version @ 1..)) => *version,
            Some(other) => return Err(TypeError::Version { name: name.clone(), given: other.clone() }),
        };
        let index = get(definition, "index").unwrap_or(&Value::Nil);
        check_keys(name, index, &["type", "order-fn"])?;
        let given = get(index, "type").cloned().unwrap_or_default();
        let backing = Backing::from_value(&given);
        let backing = backing.ok_or_else(|| TypeError::Backing { name: name.clone(), given })?;
        let order = function(name, get(index, "order-fn"), "order-fn")?;
        let payload = match get(definition, "payload") {
            None => None,
            // The name of Datalevin's own encoding means ours.
            Some(Value::Keyword(own)) if matches!(own.as_str(), "nippy" | "edn") => None,
            Some(map) => {
                check_keys(name, map, &["serialize", "deserialize"])?;
                let (to, from) = (get(map, "serialize"), get(map, "deserialize"));
                if to.is_none() || from.is_none() {
                    return Err(TypeError::PayloadIncomplete { name: name.clone() });
                }
                Some((function(name, to, "serializer")?, function(name, from, "deserializer")?))
            }
        };
        Ok(Self { version, backing, order, payload })
    }

    /// As it is stored: the map of [`from_value`](Self::from_value).
    pub fn to_value(&self) -> Value {
        let map = |entries: Vec<(&str, Value)>| {
            Value::Map(entries.into_iter().map(|(key, value)| (Value::keyword(key), value)).collect())
        };
        let index = map(vec![("type", self.backing.to_value()), ("order-fn", self.order.to_value())]);
        let mut entries = vec![("version", Value::Int(self.version)), ("index", index)];
        if let Some((serialize, deserialize)) = &self.payload {
            let functions =
                vec![("serialize", serialize.to_value()), ("deserialize", deserialize.to_value())];
            entries.push(("payload", map(functions)));
        }
        map(entries)
    }

    /// Its functions, each with the kind that descriptors give it.
    pub(super) fn functions(&self) -> impl Iterator<Item = (&TypeFunction, &'static str)> {
        let payload = self.payload.iter().flat_map(|(to, from)| [(to, "serializer"), (from, "deserializer")]);
        std::iter::once((&self.order, "order-fn")).chain(payload)
    }
}

/// Names have a namespace, so that they cannot be taken for a type that is built in.
pub(super) fn check_name(name: &Keyword) -> Result<(), TypeError> {
    let is_built_in = name.namespace() == Some("db.type") || ValueType::from_keyword(name).is_some();
    match name.namespace().is_some() && !is_built_in {
        true => Ok(()),
        false => Err(TypeError::Name { name: Value::Keyword(name.clone()) }),
    }
}

fn get<'m>(map: &'m Value, key: &str) -> Option<&'m Value> {
    map.as_map()?.get(&Value::keyword(key))
}

fn check_keys(name: &Keyword, map: &Value, known: &'static [&'static str]) -> Result<(), TypeError> {
    let name = name.clone();
    let Some(entries) = map.as_map() else {
        return Err(TypeError::Definition { name, given: map.clone(), known });
    };
    let is_known = |key: &Value| key.as_keyword().is_some_and(|key| known.contains(&key.as_str()));
    match entries.keys().find(|key| !is_known(key)) {
        None => Ok(()),
        Some(option) => Err(TypeError::UnknownOption { name, option: option.clone(), known }),
    }
}

fn function(name: &Keyword, given: Option<&Value>, kind: &'static str) -> Result<TypeFunction, TypeError> {
    let given = given.unwrap_or(&Value::Nil);
    if is_written_function(given) {
        let parts = given.as_sequence().unwrap_or(&[]);
        // By whichever name it is written, it is the same function.
        let mut items = vec![Value::symbol("fn")];
        items.extend_from_slice(&parts[1..]);
        return Ok(TypeFunction::Written(Value::List(items)));
    }
    if let Some(map) = given.as_map() {
        // Here a descriptor must say it.
        let found = map.get(&Value::keyword("udf/kind")).cloned().unwrap_or_default();
        if found != Value::keyword(kind) {
            return Err(TypeError::FunctionKind { name: name.clone(), expected: kind, found });
        }
    }
    let is_callable = match given {
        Value::Symbol(symbol) => symbol.namespace().is_some(),
        Value::Keyword(_) | Value::Map(_) => true,
        _ => false,
    };
    match function_name(given).filter(|_| is_callable) {
        Some(function) => Ok(TypeFunction::Named(function, given.clone())),
        None => Err(TypeError::NotAFunction { name: name.clone(), kind, given: given.clone() }),
    }
}
