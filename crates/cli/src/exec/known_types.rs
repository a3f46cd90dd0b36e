//! Registered types by name, for `read-buffer` and `put-buffer`, which are given no store: those of the tables that were used here.

use std::cell::RefCell;
use std::collections::HashMap;

use edn::{Keyword, Span};
use factum::kv::codec::{KeyType, RegisteredType};

use super::error::EvalError;

thread_local! {
    /// All meanings of a name; forms are evaluated on one thread.
    static KNOWN: RefCell<HashMap<Keyword, Vec<RegisteredType>>> = RefCell::default();
}

/// Notes what a name means in one of the stores.
pub fn remember(registered: &RegisteredType) {
    // Without a definition, it is only a name.
    let Some(definition) = registered.definition() else { return };
    KNOWN.with_borrow_mut(|known| {
        let meanings = known.entry(registered.name().clone()).or_default();
        // The newest store's functions are those that are still there.
        meanings.retain(|other| other.definition() != Some(definition));
        meanings.push(registered.clone());
    });
}

/// Notes the type of a table's keys or values, if it is a registered one.
pub fn remember_type(key_type: Option<&KeyType>) {
    if let Some(registered) = key_type.and_then(KeyType::as_registered) {
        remember(registered);
    }
}

/// The type that can encode and decode, where only its name is given.
pub fn resolved(key_type: KeyType, span: Span) -> Result<KeyType, EvalError> {
    let Some(name) = key_type.as_registered().map(RegisteredType::name) else { return Ok(key_type) };
    let refused = |code, message: String, hint: &str| {
        let mut error = EvalError::new(code, message, span);
        error.hint = Some(hint.to_owned());
        Err(error)
    };
    KNOWN.with_borrow(|known| match known.get(name).map(Vec::as_slice) {
        Some([one]) => Ok(KeyType::Registered(one.clone())),
        Some([_, _, ..]) => refused(
            ":custom-type/conflict",
            format!("{name} means different types in the stores that are used here"),
            "read or write through a table, which knows its own type",
        ),
        _ => refused(
            ":custom-type/not-found",
            format!("no type is known here under the name {name}"),
            "register it, or open a table that has it, before buffers are read or written with it",
        ),
    })
}
