//! `fulltext vec-neighbors embedding-neighbors idoc-match idoc-get`

use edn::Value;
use storage::Db;

use super::collections::lookup;
use super::{Args, FunctionError, Result};

fn needs_index(args: &Args<'_>, index: &'static str) -> Result<Value> {
    Err(FunctionError::NeedsIndex { function: args.function().clone(), index })
}

pub(super) fn fulltext(_: &Db, args: &Args<'_>) -> Result<Value> {
    needs_index(args, "full-text")
}

pub(super) fn vectors(_: &Db, args: &Args<'_>) -> Result<Value> {
    needs_index(args, "vector")
}

pub(super) fn embeddings(_: &Db, args: &Args<'_>) -> Result<Value> {
    needs_index(args, "embedding")
}

pub(super) fn documents(_: &Db, args: &Args<'_>) -> Result<Value> {
    needs_index(args, "document")
}

/// `(idoc-get document key ..)`: what lies under a path of keys and positions.
pub(super) fn document_get(args: &Args<'_>) -> Result<Value> {
    let mut found = args[0].clone();
    for key in &args[1..] {
        found = match lookup(&found, key) {
            Some(inner) => inner,
            None => return Ok(Value::Nil),
        };
    }
    Ok(found)
}
