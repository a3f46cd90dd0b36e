//! The registered types of an environment: their definitions in the table of options, and what those mean.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use edn::{Keyword, Value};

use super::{Env, Shared};
use crate::codec::{Buffer, CodecError, KeyType, RegisteredType, TypeSource, data};
use crate::dbi::DbiOptions;
use crate::error::{Error, Result};
use crate::flags::DbiFlags;

/// What this process knows of an environment's types.
#[derive(Debug, Default)]
pub(crate) struct KnownTypes {
    /// A source that panicked has changed nothing here.
    source: OnceLock<AssertUnwindSafe<Arc<dyn TypeSource>>>,
    /// What stored definitions mean, each with its bytes: what was registered in a transaction that was taken back may be
    /// registered otherwise in the next.
    by_name: Mutex<HashMap<Keyword, KnownType>>,
}

/// A stored definition and what it means.
type KnownType = (Box<[u8]>, RegisteredType);

impl Env {
    /// Gives definitions of registered types their meaning, for all handles on the environment: by `first`, unless there is a
    /// source already. Returns the one that holds, or nothing if that is of another kind than `S`.
    pub fn type_source<S: TypeSource>(&self, first: impl FnOnce() -> S) -> Option<Arc<S>> {
        let source = self.shared.types.source.get_or_init(|| AssertUnwindSafe(Arc::new(first())));
        let source: Arc<dyn Any + Send + Sync> = Arc::<dyn TypeSource>::clone(&source.0);
        source.downcast().ok()
    }
}

impl Shared {
    /// What there is to know of the registered types in a table's options; `row` reads their definitions.
    pub(crate) fn resolved(
        &self,
        table: &str,
        mut options: DbiOptions,
        row: impl Fn(&Keyword) -> Result<Option<Vec<u8>>>,
    ) -> Result<DbiOptions> {
        for slot in [&mut options.key_type, &mut options.value_type] {
            if let Some(KeyType::Registered(given)) = slot
                && let Some(bytes) = row(given.name())?
            {
                *slot = Some(KeyType::Registered(self.type_of_row(table, given.name(), &bytes)?));
            }
        }
        Ok(options)
    }

    /// The type behind a stored definition.
    pub(crate) fn type_of_row(&self, table: &str, name: &Keyword, bytes: &[u8]) -> Result<RegisteredType> {
        let mut known = self.types.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, known)) = known.get(name)
            && **of == *bytes
        {
            return Ok(known.clone());
        }
        let found = self.understood(table, name, stored_definition(name, bytes)?)?;
        if self.types.source.get().is_some() {
            known.insert(name.clone(), (bytes.into(), found.clone()));
        }
        Ok(found)
    }

    /// A type by the row that the file has of it, or else by the definition of what is beside the tables.
    pub(crate) fn registered_type(
        &self,
        name: &Keyword,
        row: Option<Vec<u8>>,
        beside: impl FnOnce(&str) -> Result<Option<Value>>,
    ) -> Result<Option<RegisteredType>> {
        let told = name.to_string();
        match row {
            Some(bytes) => self.type_of_row(&told, name, &bytes).map(Some),
            None => beside(&told)?.map(|definition| self.understood(&told, name, definition)).transpose(),
        }
    }

    /// The type with its meaning, if anybody here knows about meanings.
    pub(crate) fn understood(
        &self,
        table: &str,
        name: &Keyword,
        definition: Value,
    ) -> Result<RegisteredType> {
        let Some(source) = self.types.source.get() else {
            return Ok(RegisteredType::defined(name.clone(), definition));
        };
        let codec = source.codec(name, &definition);
        let codec = codec.map_err(|source| Error::Unencodable { name: table.to_owned(), source })?;
        Ok(RegisteredType::new(name.clone(), definition, codec))
    }

    /// The definition that something else in the file has for a name, as it was last committed.
    pub(crate) fn definition_beside(&self, table: &str, name: &Keyword) -> Result<Option<Value>> {
        let Some(source) = self.types.source.get() else { return Ok(None) };
        let state = self.reader.snapshot()?;
        source
            .definition(name, &state)
            .map_err(|source| Error::Unencodable { name: table.to_owned(), source })
    }
}

/// Refuses options whose registered types have other definitions than the stored ones.
pub(crate) fn check_definitions(
    table: &str,
    options: &DbiOptions,
    row: impl Fn(&Keyword) -> Result<Option<Vec<u8>>>,
) -> Result<()> {
    for key_type in [options.key_type(), options.value_type()].into_iter().flatten() {
        if let Some(given) = key_type.as_registered()
            && let Some(definition) = given.definition()
            && let Some(bytes) = row(given.name())?
        {
            same_definition(table, given.name(), &stored_definition(given.name(), &bytes)?, definition)?;
        }
    }
    Ok(())
}

pub(crate) fn same_definition(table: &str, name: &Keyword, stored: &Value, given: &Value) -> Result<()> {
    if stored == given {
        return Ok(());
    }
    let (stored, given) = (Box::new(stored.clone()), Box::new(given.clone()));
    let source = CodecError::OtherDefinition { name: name.clone(), stored, given };
    Err(Error::Unencodable { name: table.to_owned(), source })
}

/// Refuses registered types where their order would not be that of the bytes.
pub(crate) fn check_places(table: &str, options: &DbiOptions) -> Result<()> {
    let refuse = |key_type: Option<&KeyType>, place| match key_type.and_then(KeyType::as_registered) {
        Some(registered) => Err(Error::Unencodable {
            name: table.to_owned(),
            source: CodecError::NoPlace { name: registered.name().clone(), place },
        }),
        None => Ok(()),
    };
    let other_order = DbiFlags::REVERSEKEY
        | DbiFlags::INTEGERKEY
        | DbiFlags::DUPFIXED
        | DbiFlags::INTEGERDUP
        | DbiFlags::REVERSEDUP;
    if options.flags.intersects(other_order) {
        let place = "a table of integers, of values of one size, or in the order of reversed bytes";
        refuse(options.key_type(), place)?;
        refuse(options.value_type(), place)?;
    }
    if !options.flags.is_list() {
        refuse(options.value_type(), "the values of a plain table, which have no order")?;
    }
    Ok(())
}

fn stored_definition(name: &Keyword, bytes: &[u8]) -> Result<Value> {
    data::get(bytes)
        .map_err(|error| Error::Corrupted { reason: format!("the definition of type {name}: {error}") })
}

/// A definition as it is stored.
pub(crate) fn encoded_definition(name: &Keyword, definition: &Value) -> Result<Buffer> {
    let mut buffer = Buffer::new();
    data::put(definition, &mut buffer)
        .map_err(|source| Error::Unencodable { name: name.to_string(), source })?;
    Ok(buffer)
}
