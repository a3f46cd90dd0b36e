//! Registered types in Rust: [`OrderedType`].
//!
//! ```text
//! Version { major, minor } --serde--> {:major 1 :minor 10}     what is stored, and what queries see
//!                          --order_key--> (1, 10)              what the index is sorted by
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::Arc;

use edn::{Keyword, Symbol, Value};
use kv::codec::{Buffer, Codec, CodecError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::types::{Backing, KeyType, RegisteredType, TypeDefinition, TypeFunctions};

use crate::Result;

/// A Rust type that a database keeps in an order of its own.
///
/// Values are stored as serde writes them, so without this program they can still be read; they are compared, in the index and in
/// queries, by their order key. Values with equal keys may differ: ranges take all of them or none.
///
/// ```
/// use factum::{Connection, Options, OrderedType, Tx};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Version {
///     major: i64,
///     minor: i64,
/// }
///
/// impl OrderedType for Version {
///     const NAME: &'static str = ":my/version";
///     type Key = (i64, i64);
///
///     fn order_key(&self) -> (i64, i64) {
///         (self.major, self.minor)
///     }
/// }
///
/// let options = Options::new().ordered_type::<Version>().schema("{:version {:db/valueType :my/version}}");
/// let conn = Connection::memory_with(options)?;
/// let (old, new) = (Version { major: 1, minor: 9 }, Version { major: 1, minor: 10 });
/// conn.transact(Tx::new().add(1, ":version", new.to_value()?).add(2, ":version", old.to_value()?))?;
///
/// let all = "[:find [?v ...] :in $ ?from :where [_ :version ?v] [(>= ?v ?from)]]";
/// let found: Vec<Version> = conn.db()?.query_with(all, [new.to_value()?])?.column()?;
/// assert_eq!(found, [new]);
/// # Ok::<(), factum::Error>(())
/// ```
///
/// A database that has the type can be opened and read by programs that do not know it. What needs the order of a value (writing it,
/// looking it up, comparing) fails there with `:udf/not-found`.
pub trait OrderedType: Serialize + DeserializeOwned {
    /// The name that stands as `:db/valueType`: a keyword with a namespace of one's own, such as `:my/version`.
    const NAME: &'static str;

    /// Counted up by whoever changes the order of a type. A database keeps the version with which it was registered, and refuses another.
    const VERSION: i64 = 1;

    /// What values are ordered by: a number, a text, or a tuple of such.
    type Key: OrderKey;

    /// The key of a value; always the same for the same value.
    fn order_key(&self) -> Self::Key;

    /// The value as transactions and queries take it.
    ///
    /// # Errors
    ///
    /// If serde cannot write it as EDN.
    fn to_value(&self) -> Result<Value> {
        edn::to_value(self).map_err(|source| crate::Error::read(source, ""))
    }
}

/// What a database can order by.
pub trait OrderKey {
    /// Its type.
    fn backing() -> Backing;

    /// The key as a value.
    fn into_value(self) -> Value;
}

/// A part of a tuple that is an [`OrderKey`].
pub trait OrderKeyPart {
    /// Its type.
    const TYPE: KeyType;

    /// The part as a value.
    fn into_part(self) -> Value;
}

macro_rules! parts {
    ($($type:ty => $key_type:ident;)*) => {
        $(
            impl OrderKeyPart for $type {
                const TYPE: KeyType = KeyType::$key_type;

                fn into_part(self) -> Value {
                    self.into()
                }
            }

            impl OrderKey for $type {
                fn backing() -> Backing {
                    Backing::Scalar(KeyType::$key_type)
                }

                fn into_value(self) -> Value {
                    self.into()
                }
            }
        )*
    };
}

parts! {
    i32 => Long;
    i64 => Long;
    u32 => Long;
    f64 => Double;
    bool => Boolean;
    String => String;
    Keyword => Keyword;
    Symbol => Symbol;
    uuid::Uuid => Uuid;
}

macro_rules! tuples {
    ($(($($part:ident)+);)*) => {
        $(impl<$($part: OrderKeyPart),+> OrderKey for ($($part,)+) {
            fn backing() -> Backing {
                Backing::Tuple(vec![$($part::TYPE),+])
            }

            #[allow(non_snake_case)]
            fn into_value(self) -> Value {
                let ($($part,)+) = self;
                Value::Vector(vec![$($part.into_part()),+])
            }
        })*
    };
}

tuples! {
    (A);
    (A B);
    (A B C);
    (A B C D);
    (A B C D E);
    (A B C D E F);
}

/// The codec of an [`OrderedType`]: the type of keys, or of the values of lists, in tables that are in its order.
///
/// ```
/// use factum::kv::codec::Str;
/// use factum::kv::{DbiOptions, Table};
/// use factum::{InOrder, Kv, OrderedType};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Version {
///     major: i64,
///     minor: i64,
/// }
///
/// impl OrderedType for Version {
///     const NAME: &'static str = ":my/version";
///     type Key = (i64, i64);
///
///     fn order_key(&self) -> (i64, i64) {
///         (self.major, self.minor)
///     }
/// }
///
/// let kv = Kv::temporary()?;
/// let keys = InOrder::<Version>::default();
/// let options = DbiOptions::new().key_type_of(keys.key_type());
/// let releases: Table<InOrder<Version>, Str> = kv.open_table_with("releases", options, keys, Str)?;
///
/// let (old, new) = (Version { major: 1, minor: 9 }, Version { major: 1, minor: 10 });
/// kv.with_transaction(|txn| {
///     releases.put(txn, &new, "October")?;
///     releases.put(txn, &old, "March")
/// })?;
/// let read = kv.read()?;
/// assert_eq!(releases.range(&read, ..)?.next().transpose()?, Some((old, "March")));
/// # Ok::<(), factum::Error>(())
/// ```
pub struct InOrder<T> {
    registered: kv::codec::RegisteredType,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for InOrder<T> {
    fn clone(&self) -> Self {
        Self { registered: self.registered.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for InOrder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InOrder({:?})", self.registered)
    }
}

impl<T: OrderedType> Default for InOrder<T> {
    fn default() -> Self {
        let (name, definition) = definition::<T>();
        let stored = definition.to_value();
        let codec = RegisteredType::new(name.clone(), definition, add_function::<T>(TypeFunctions::new()));
        Self { registered: kv::codec::RegisteredType::new(name, stored, Arc::new(codec)), of: PhantomData }
    }
}

impl<T: OrderedType> InOrder<T> {
    /// The type by which a table is to be made.
    pub fn key_type(&self) -> kv::codec::KeyType {
        kv::codec::KeyType::Registered(self.registered.clone())
    }
}

fn unwritten(error: &edn::Error) -> CodecError {
    CodecError::Serde(error.to_string())
}

impl<T: OrderedType + 'static> Codec for InOrder<T> {
    type In<'a> = &'a T;
    type Out<'a> = T;

    fn encode<'i: 'b, 'b>(&self, item: &'i T, buffer: &'b mut Buffer) -> Result<&'b [u8], CodecError> {
        buffer.clear();
        self.registered.put(&edn::to_value(item).map_err(|error| unwritten(&error))?, buffer)?;
        Ok(buffer)
    }

    fn lower_bound<'i: 'b, 'b>(
        &self,
        bound: Bound<&'i T>,
        buffer: &'b mut Buffer,
    ) -> Result<Bound<&'b [u8]>, CodecError> {
        self.registered.lower_bound(value_of(bound)?.as_ref(), buffer)
    }

    fn upper_bound<'i: 'b, 'b>(
        &self,
        bound: Bound<&'i T>,
        buffer: &'b mut Buffer,
    ) -> Result<Bound<&'b [u8]>, CodecError> {
        self.registered.upper_bound(value_of(bound)?.as_ref(), buffer)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        edn::from_value(self.registered.take(bytes)?).map_err(|error| unwritten(&error))
    }
}

impl<T: OrderedType + 'static> kv::codec::Ordered for InOrder<T> {}

fn value_of<T: OrderedType>(bound: Bound<&T>) -> Result<Bound<Value>, CodecError> {
    let value = |item| edn::to_value(item).map_err(|error| unwritten(&error));
    Ok(match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(item) => Bound::Included(value(item)?),
        Bound::Excluded(item) => Bound::Excluded(value(item)?),
    })
}

/// The name, and what the database keeps of the type.
pub(crate) fn definition<T: OrderedType>() -> (Keyword, TypeDefinition) {
    let name = Keyword::from(T::NAME);
    let mut definition = TypeDefinition::named(T::Key::backing(), Symbol::parse(name.as_str()));
    definition.version = T::VERSION;
    (name, definition)
}

/// Gives the type's order function to a database.
pub(crate) fn add_function<T: OrderedType>(functions: TypeFunctions) -> TypeFunctions {
    let name = Keyword::from(T::NAME);
    functions.function(Symbol::parse(name.as_str()), |value| {
        let value: T = edn::from_value(value.clone())?;
        Ok(value.order_key().into_value())
    })
}
