//! One case of a conformance file: data to start from, something to do, and what must come of it.

use std::collections::BTreeMap;

use edn::{Keyword, Value};

/// A case, as its map in the file says; see the head of `tests/cases/conformance.edn` for the keys.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique name.
    pub name: String,
    entries: BTreeMap<Value, Value>,
}

/// How the expected value is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Unordered, unique rows.
    Set(Value),
    /// Unordered rows whose number counts.
    Bag(Value),
    /// Equal as a whole.
    Exact(Value),
    /// An error of this class, at this stage.
    Error {
        /// Where it must appear: `schema`, `tx`, `schema-update`, `query` or `op`.
        stage: String,
        /// Our category.
        class: String,
        /// The code in Datalevin's vocabulary, where it has one.
        code: Option<String>,
    },
}

impl Case {
    /// Reads all cases of a file. A first map `{:schemas {:name schema ..}}` gives names that cases can use for a schema.
    pub fn read_all(text: &str) -> Vec<Self> {
        let file = edn::read(text).expect("the conformance file is EDN");
        let cases = file.as_sequence().expect("a vector of cases");
        let schemas = cases.first().and_then(|first| first.as_map()?.get(&Value::keyword("schemas")));
        let mut all: Vec<Self> = cases.iter().skip(usize::from(schemas.is_some())).map(Self::new).collect();
        for case in &mut all {
            if let Some(name @ Value::Keyword(_)) = case.get("schema") {
                let schema = schemas.and_then(|schemas| schemas.as_map()?.get(name)).cloned();
                let schema = schema.unwrap_or_else(|| panic!("{}: no schema is called {name}", case.name));
                case.entries.insert(Value::keyword("schema"), schema);
            }
        }
        all
    }

    fn new(value: &Value) -> Self {
        let entries = value.as_map().expect("a case is a map").clone();
        let mut case = Self { name: String::new(), entries };
        case.name = case.get("name").and_then(Value::as_str).expect("a case has a name").to_string();
        case
    }

    /// A map within a case, such as one of its further databases.
    pub fn part(value: &Value) -> Self {
        Self { name: String::new(), entries: value.as_map().expect("a map").clone() }
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(&Value::Keyword(Keyword::parse(key)))
    }

    /// What must come of the case.
    pub fn expect(&self) -> Expect {
        let expected = self.get("expect").cloned().unwrap_or(Value::Nil);
        match self.get("expect-kind").and_then(Value::as_keyword).expect("a kind").name() {
            "set" => Expect::Set(expected),
            "bag" => Expect::Bag(expected),
            "exact" => Expect::Exact(expected),
            "error" => {
                let entry = |key: &str| {
                    let found = expected.as_map().and_then(|map| map.get(&Value::keyword(key)));
                    found.and_then(Value::as_keyword).map(|keyword| keyword.as_str().to_string())
                };
                Expect::Error {
                    stage: entry("stage").expect("a stage"),
                    class: entry("class").expect("a class"),
                    code: entry("code"),
                }
            }
            other => panic!("{}: unknown kind {other}", self.name),
        }
    }
}

impl Expect {
    /// What is wrong with an answer, if anything.
    pub fn judge(&self, actual: &Value) -> Result<(), String> {
        let (expected, agrees) = match self {
            Self::Set(expected) => (expected, as_set(expected) == as_set(actual)),
            Self::Bag(expected) => (expected, as_bag(expected) == as_bag(actual)),
            Self::Exact(expected) => (expected, plain(expected) == plain(actual)),
            Self::Error { class, .. } => return Err(format!("expected the error {class}, got {actual}")),
        };
        if agrees { Ok(()) } else { Err(format!("expected {expected}\n     got {actual}")) }
    }
}

/// The same value with lists as vectors, since Clojure's equality does not tell them apart.
fn plain(value: &Value) -> Value {
    match value {
        Value::List(items) | Value::Vector(items) => Value::Vector(items.iter().map(plain).collect()),
        Value::Set(items) => Value::Set(items.iter().map(plain).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (plain(key), plain(value))).collect())
        }
        other => other.clone(),
    }
}

fn elements(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::List(items) | Value::Vector(items) => Some(items.iter().map(plain).collect()),
        Value::Set(items) => Some(items.iter().map(plain).collect()),
        _ => None,
    }
}

fn as_set(value: &Value) -> Option<Vec<Value>> {
    let mut items = elements(value)?;
    let len = items.len();
    items.sort();
    items.dedup();
    // A duplicate row in an answer that is a set is an error of ours, not something to forgive.
    (items.len() == len).then_some(items)
}

fn as_bag(value: &Value) -> Option<Vec<Value>> {
    let mut items = elements(value)?;
    items.sort();
    Some(items)
}
