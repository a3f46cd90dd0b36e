//! Types of users' with an order of their own, as keys and list items.
//!
//! ```text
//! value --TypeCodec--> | beginning: the order key, which says where it ends | the value |
//!
//! [:closed a b]   from the beginning of a, up to everything that begins as b does
//! ```
//!
//! What a definition means is no matter of this crate: a [`TypeSource`] says it, which the owner of the environment gives
//! ([`Env::type_source`](crate::Env::type_source)). What is kept here is definitions, beside the options of the tables that use them, so
//! that a table says by itself what it is made of; see `options.rs`.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use edn::{Keyword, Value};
use lmdb_pages::Snapshot;

use super::{Buffer, CodecError};

/// How values of a registered type become bytes: an order key, and behind it the value itself.
pub trait TypeCodec: Send + Sync {
    /// Appends the bytes that all values with the order key of `value` begin with, and no others: not even in part, so no beginning is
    /// the beginning of another.
    ///
    /// # Errors
    ///
    /// If the value has no order key.
    fn put_beginning(&self, value: &Value, buffer: &mut Buffer) -> Result<(), CodecError>;

    /// Appends all bytes of a value: its beginning, then the rest. Equal values have equal bytes, others have others.
    ///
    /// # Errors
    ///
    /// If the value is not of this type.
    fn put(&self, value: &Value, buffer: &mut Buffer) -> Result<(), CodecError>;

    /// The value of these bytes.
    ///
    /// # Errors
    ///
    /// If they are not those of a value.
    fn take(&self, bytes: &[u8]) -> Result<Value, CodecError>;
}

/// What gives definitions of types their meaning.
pub trait TypeSource: Any + fmt::Debug + Send + Sync {
    /// How values of the type `name` with this definition become bytes.
    ///
    /// Functions that the definition names need not be known yet: only values that need them have no bytes then.
    ///
    /// # Errors
    ///
    /// If the definition does not hold.
    fn codec(&self, name: &Keyword, definition: &Value) -> Result<Arc<dyn TypeCodec>, CodecError>;

    /// The definition of a type that no table of the environment has used so far, where something else in the file has it: a
    /// database beside the tables.
    ///
    /// # Errors
    ///
    /// If that cannot be read.
    fn definition(&self, name: &Keyword, state: &Snapshot) -> Result<Option<Value>, CodecError>;
}

/// A registered type: its name, and as much as is known of it.
///
/// Two are equal if their names are: what a name means is the same throughout an environment.
#[derive(Clone)]
pub struct RegisteredType(Arc<Parts>);

struct Parts {
    name: Keyword,
    definition: Option<Value>,
    /// A codec that panicked has changed nothing: it works on shared references.
    codec: Option<AssertUnwindSafe<Arc<dyn TypeCodec>>>,
}

impl PartialEq for RegisteredType {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for RegisteredType {}

impl Hash for RegisteredType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for RegisteredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.name)
    }
}

impl RegisteredType {
    /// A type that is to be found by its name.
    pub fn named(name: Keyword) -> Self {
        Self(Arc::new(Parts { name, definition: None, codec: None }))
    }

    /// A type with its definition, which is stored with the first table that is made with it, and what it means.
    pub fn new(name: Keyword, definition: Value, codec: Arc<dyn TypeCodec>) -> Self {
        Self(Arc::new(Parts { name, definition: Some(definition), codec: Some(AssertUnwindSafe(codec)) }))
    }

    /// A type with its definition, for whoever finds out what that means.
    pub(crate) fn defined(name: Keyword, definition: Value) -> Self {
        Self(Arc::new(Parts { name, definition: Some(definition), codec: None }))
    }

    /// The name.
    pub fn name(&self) -> &Keyword {
        &self.0.name
    }

    /// The definition, if it is known.
    pub fn definition(&self) -> Option<&Value> {
        self.0.definition.as_ref()
    }

    /// Appends the bytes of a value.
    ///
    /// # Errors
    ///
    /// [`CodecError::NotRegistered`] if the type is not known here; those of [`TypeCodec::put`].
    pub fn put(&self, value: &Value, buffer: &mut Buffer) -> Result<(), CodecError> {
        self.codec()?.put(value, buffer)
    }

    /// The value of these bytes.
    ///
    /// # Errors
    ///
    /// As [`RegisteredType::put`].
    pub fn take(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        self.codec()?.take(bytes)
    }

    /// A lower bound: all values that have the order key of the one in `bound`, or none of them.
    ///
    /// # Errors
    ///
    /// As [`RegisteredType::put`].
    pub fn lower_bound<'b>(
        &self,
        bound: Bound<&Value>,
        buffer: &'b mut Buffer,
    ) -> Result<Bound<&'b [u8]>, CodecError> {
        Ok(match bound {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(value) => Bound::Included(self.beginning(value, false, buffer)?),
            Bound::Excluded(value) => Bound::Included(self.beginning(value, true, buffer)?),
        })
    }

    /// An upper bound, likewise.
    ///
    /// # Errors
    ///
    /// As [`RegisteredType::put`].
    pub fn upper_bound<'b>(
        &self,
        bound: Bound<&Value>,
        buffer: &'b mut Buffer,
    ) -> Result<Bound<&'b [u8]>, CodecError> {
        Ok(match bound {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(value) => Bound::Excluded(self.beginning(value, true, buffer)?),
            Bound::Excluded(value) => Bound::Excluded(self.beginning(value, false, buffer)?),
        })
    }

    /// The beginning of all values with the key of `value`, or the least bytes `above` all of them.
    fn beginning<'b>(
        &self,
        value: &Value,
        above: bool,
        buffer: &'b mut Buffer,
    ) -> Result<&'b [u8], CodecError> {
        buffer.clear();
        self.codec()?.put_beginning(value, buffer)?;
        while above && let Some(last) = buffer.pop() {
            if last < 0xFF {
                buffer.push(last + 1);
                break;
            }
        }
        Ok(buffer)
    }

    fn codec(&self) -> Result<&dyn TypeCodec, CodecError> {
        self.0
            .codec
            .as_ref()
            .map(|codec| &*codec.0)
            .ok_or_else(|| CodecError::NotRegistered { name: self.0.name.clone() })
    }
}
