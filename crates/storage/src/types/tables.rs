//! Registered types of key-value tables: the same definitions and functions, and the same bytes as in the indexes, as far as a key
//! reaches.

use std::sync::Arc;

use edn::{Keyword, Value};
use kv::codec::{Buffer, CodecError, TypeCodec, TypeSource};
use kv::{Env, Snapshot, WriteTxn};

use super::definition::{TypeDefinition, check_name};
use super::error::TypeError;
use super::functions::TypeFunctions;
use super::{RegisteredType, Types};
use crate::error::{Error, Result};
use crate::store::stored_types;

/// The types of an environment's tables: one for all handles on it.
#[derive(Debug)]
pub(crate) struct TableTypes {
    functions: TypeFunctions,
}

/// Gives registered types of the environment's tables their meaning, by these functions and those given before. What is returned
/// is shared by all who ask.
pub fn types_of_tables(env: &Env, functions: &TypeFunctions) -> TypeFunctions {
    let first = || TableTypes { functions: functions.clone() };
    match env.type_source(first) {
        Some(types) => {
            types.functions.merge(functions);
            types.functions.clone()
        }
        // Somebody else gives types their meaning here.
        None => functions.clone(),
    }
}

/// Registers a type for the tables of a file without a database.
///
/// # Errors
///
/// If the definition does not hold, or the name is taken; [`TypeError::BesideFacts`] if there is a database.
pub fn register_for_tables(
    txn: &mut WriteTxn<'_>,
    state: &Snapshot,
    functions: &TypeFunctions,
    (name, definition): (&Keyword, &TypeDefinition),
) -> Result<()> {
    if crate::store::has_database(state)? {
        return Err(TypeError::BesideFacts { name: name.clone() }.into());
    }
    check_name(name)?;
    functions.check(name, definition)?;
    txn.register_type(name, &definition.to_value()).map_err(|error| match error {
        kv::Error::Unencodable { source: CodecError::OtherDefinition { name, stored, given }, .. } => {
            TypeError::Conflict { name, stored: *stored, given: *given }.into()
        }
        error => error.into(),
    })
}

impl TypeSource for TableTypes {
    fn codec(&self, name: &Keyword, definition: &Value) -> Result<Arc<dyn TypeCodec>, CodecError> {
        let of = |error: TypeError| refusal(&error.into());
        let definition = TypeDefinition::from_value(name, definition).map_err(of)?;
        Ok(Arc::new(RegisteredType::new(name.clone(), definition, self.functions.clone())))
    }

    fn definition(&self, name: &Keyword, state: &Snapshot) -> Result<Option<Value>, CodecError> {
        let types: Option<Types> = stored_types(state, &self.functions).map_err(|error| refusal(&error))?;
        Ok(types.and_then(|types| Some(types.get(name)?.definition().to_value())))
    }
}

impl TypeCodec for RegisteredType {
    fn put_beginning(&self, value: &Value, buffer: &mut Buffer) -> Result<(), CodecError> {
        let beginning = self.beginning(value).map_err(|error| refusal(&error.into()))?;
        buffer.extend_from_slice(&beginning);
        Ok(())
    }

    fn put(&self, value: &Value, buffer: &mut Buffer) -> Result<(), CodecError> {
        let bytes = self.bytes(value).map_err(|error| refusal(&error.into()))?;
        buffer.extend_from_slice(&bytes);
        Ok(())
    }

    fn take(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        self.decode(bytes).map_err(|error| refusal(&error))
    }
}

/// What the key-value layer says of such an error.
fn refusal(error: &Error) -> CodecError {
    let hint = match error {
        Error::Type(error) => error.hint(),
        _ => None,
    };
    CodecError::Registered { code: error.code(), message: error.to_string(), hint }
}
