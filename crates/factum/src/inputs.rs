//! [`Input`]: what fills the `:in` of a query, from whatever Rust has at hand.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use edn::{Keyword, Symbol, Value};
use query::build::IntoList;
use query::{FunctionError, QueryFunction};
use storage::EntityId;

use crate::Db;

/// One argument of a query, after the database that the query is asked of.
///
/// Almost everything converts: numbers, text, keywords, values, vectors (collections), vectors of tuples (relations),
/// further databases, closures.
///
/// ```
/// use factum::{Input, Keyword, inputs};
///
/// let rules = "[[(boss ?a ?b) [?a :person/boss ?b]]]";
/// let inputs = inputs![rules, 40, ["Ann", "Bob"], Keyword::from(":officer"), vec![("x", 1), ("y", 2)]];
/// assert_eq!(inputs.len(), 5);
/// ```
#[derive(Clone, Debug)]
pub struct Input(pub(crate) query::Input);

impl Input {
    /// A closure that the query calls where `:in` names it: `[(?f ?x) ?y]`.
    ///
    /// ```
    /// # use factum::{Db, Input, Value};
    /// let double = Input::function(|args| Ok(Value::Int(args[0].as_int().ok_or("a number is expected")? * 2)));
    /// let db = Db::empty(())?;
    /// let four: i64 = db.query_with("[:find ?y . :in $ ?f ?x :where [(?f ?x) ?y]]", [double, 2.into()])?.scalar()?;
    /// assert_eq!(four, 4);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn function<F>(function: F) -> Self
    where
        F: Fn(&[Value]) -> Result<Value, FunctionError> + Send + Sync + 'static,
    {
        Self(query::Input::Function(QueryFunction::new(function)))
    }
}

/// Inputs of different types, converted one by one.
///
/// ```
/// # use factum::inputs;
/// assert_eq!(inputs!["Ann", 40].len(), 2);
/// assert!(inputs![].is_empty());
/// ```
#[macro_export]
macro_rules! inputs {
    ($($input:expr),* $(,)?) => {
        ::std::vec::Vec::<$crate::Input>::from([$($crate::Input::from($input)),*])
    };
}

/// A list of inputs: [`inputs!`](crate::inputs), an array, slice or vector of one type, or a tuple; a text alone is one input.
pub trait IntoInputs {
    /// The inputs in the order of `:in`.
    fn into_inputs(self) -> Vec<Input>;
}

impl<L: IntoList<Input>> IntoInputs for L {
    fn into_inputs(self) -> Vec<Input> {
        self.into_list()
    }
}

/// A Rust value that is one EDN value; what collections of inputs are made of.
pub trait ToValue {
    /// The value.
    fn to_value(self) -> Value;
}

macro_rules! scalars {
    ($($type:ty),* $(,)?) => {
        $(
            impl ToValue for $type {
                fn to_value(self) -> Value {
                    self.into()
                }
            }
            impl From<$type> for Input {
                fn from(value: $type) -> Self {
                    Self(query::Input::Value(value.to_value()))
                }
            }
        )*
    };
}

scalars!(Value, bool, i32, i64, u32, f64, char, &str, String, Keyword, Symbol, uuid::Uuid);

impl ToValue for EntityId {
    fn to_value(self) -> Value {
        Value::Int(self.0 as i64)
    }
}

impl ToValue for &Value {
    fn to_value(self) -> Value {
        self.clone()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(self) -> Value {
        self.map_or(Value::Nil, T::to_value)
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(self) -> Value {
        Value::Vector(self.into_iter().map(T::to_value).collect())
    }
}

impl<T: ToValue, const N: usize> ToValue for [T; N] {
    fn to_value(self) -> Value {
        Value::Vector(self.into_iter().map(T::to_value).collect())
    }
}

impl<T: ToValue + Clone> ToValue for &[T] {
    fn to_value(self) -> Value {
        Value::Vector(self.iter().cloned().map(T::to_value).collect())
    }
}

macro_rules! sets {
    ($($set:ident),*) => {
        $(impl<T: ToValue> ToValue for $set<T> {
            fn to_value(self) -> Value {
                Value::Set(self.into_iter().map(T::to_value).collect())
            }
        }
        impl<T: ToValue> From<$set<T>> for Input {
            fn from(value: $set<T>) -> Self {
                Self(query::Input::Value(value.to_value()))
            }
        })*
    };
}

sets!(BTreeSet, HashSet);

macro_rules! maps {
    ($($map:ident),*) => {
        $(impl<K: ToValue, V: ToValue> ToValue for $map<K, V> {
            fn to_value(self) -> Value {
                Value::Map(self.into_iter().map(|(key, value)| (key.to_value(), value.to_value())).collect())
            }
        }
        impl<K: ToValue, V: ToValue> From<$map<K, V>> for Input {
            fn from(value: $map<K, V>) -> Self {
                Self(query::Input::Value(value.to_value()))
            }
        })*
    };
}

maps!(BTreeMap, HashMap);

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: ToValue),+> ToValue for ($($name,)+) {
            fn to_value(self) -> Value {
                #[allow(non_snake_case, reason = "one binding per type parameter")]
                let ($($name,)+) = self;
                Value::Vector(vec![$($name.to_value()),+])
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);

macro_rules! sequences {
    ($([$($generics:tt)*] $type:ty),* $(,)?) => {
        $(impl<$($generics)*> From<$type> for Input {
            fn from(value: $type) -> Self {
                Self(query::Input::Value(value.to_value()))
            }
        })*
    };
}

sequences!(
    [] EntityId,
    [] &Value,
    [T: ToValue] Option<T>,
    [T: ToValue] Vec<T>,
    [T: ToValue, const N: usize] [T; N],
    [T: ToValue + Clone] &[T],
    [A: ToValue, B: ToValue] (A, B),
    [A: ToValue, B: ToValue, C: ToValue] (A, B, C),
);

impl From<Db> for Input {
    fn from(db: Db) -> Self {
        Self(query::Input::Db(db.inner().clone()))
    }
}

impl From<&Db> for Input {
    fn from(db: &Db) -> Self {
        db.clone().into()
    }
}

impl From<query::Rules> for Input {
    fn from(rules: query::Rules) -> Self {
        Self(rules.into())
    }
}

impl From<query::Input> for Input {
    fn from(input: query::Input) -> Self {
        Self(input)
    }
}
