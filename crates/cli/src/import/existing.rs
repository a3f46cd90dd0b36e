//! Into a database that exists: transactions in batches.

use std::collections::BTreeMap;
use std::path::Path;

use edn::Value;
use factum::{Cardinality, Connection};
use indicatif::ProgressBar;

use super::infer::{Plan, PlannedAttribute, Role, leaves};
use super::record::{Record, Records};
use super::resume::Journal;
use super::{Counts, ImportArgs, ImportError};
use crate::error::CliError;

/// Commits the records, a batch at a time, each with a note of how far the import is.
pub fn load(
    conn: &Connection,
    blocks: &[Records],
    plan: &Plan,
    args: &ImportArgs,
    progress: &ProgressBar,
) -> Result<Counts, CliError> {
    let (path, batch) = (args.file.as_path(), args.batch as usize);
    let journal = Journal::open(conn, args)?;
    let mut committed = journal.as_ref().map_or(Ok(0), |journal| journal.committed(conn))?;
    if args.restart {
        committed = 0;
    } else if committed > 0 && !args.resume {
        return Err(ImportError::Unfinished { path: path.to_owned(), committed }.into());
    }
    conn.update_schema(new_attributes(conn, plan)?)?;
    let single = single_valued(conn, plan)?;
    check_cardinality(&single, blocks, plan, path)?;
    let before = conn.stat()?;
    let all = || {
        blocks.iter().zip(&plan.keys).flat_map(|(block, keys)| block.records.iter().map(move |r| (r, keys)))
    };
    progress.set_length(all().count() as u64);
    progress.set_position(committed as u64);
    let (mut items, mut lines) = (Vec::with_capacity(batch), Vec::with_capacity(batch));
    let skipped = committed;
    let mut records = all().skip(skipped).peekable();
    while let Some((record, keys)) = records.next() {
        items.push(entity_map(record, keys, plan, &single));
        lines.push(record.line);
        if items.len() < batch && records.peek().is_some() {
            continue;
        }
        let is_last = records.peek().is_none();
        let commit = conn.with_transaction(|tx| {
            tx.transact(std::mem::take(&mut items))?;
            let done = (!is_last).then_some(committed + lines.len());
            journal.as_ref().map_or(Ok(()), |journal| journal.note(tx, done))
        });
        commit.map_err(|error| refused(&error, &lines, path, committed))?;
        committed += lines.len();
        progress.set_position(committed as u64);
        lines.clear();
    }
    let after = conn.stat()?;
    Ok(Counts {
        records: (committed - skipped) as u64,
        entities: after.max_eid.saturating_sub(before.max_eid),
        facts: after.datoms.saturating_sub(before.datoms),
    })
}

/// The attributes that the database does not have as they are needed; the others keep their properties.
fn new_attributes(conn: &Connection, plan: &Plan) -> Result<Value, CliError> {
    let schema = conn.schema()?;
    let needed = plan.attributes.iter().filter(|attribute| {
        let known = schema.attribute(&attribute.ident);
        attribute.values > 0 && known.is_none_or(|known| attribute.role == Role::Id && !known.is_identity())
    });
    Ok(Value::Map(
        needed.map(|attribute| (Value::Keyword(attribute.ident.clone()), attribute.properties())).collect(),
    ))
}

/// For each attribute, whether the database keeps one value of it.
fn single_valued(conn: &Connection, plan: &Plan) -> Result<Vec<bool>, CliError> {
    let schema = conn.schema()?;
    let is_single = |attribute: &PlannedAttribute| {
        schema.attribute(&attribute.ident).is_some_and(|known| known.cardinality == Cardinality::One)
    };
    Ok(plan.attributes.iter().map(is_single).collect())
}

fn check_cardinality(
    single: &[bool],
    blocks: &[Records],
    plan: &Plan,
    path: &Path,
) -> Result<(), ImportError> {
    for (block, keys) in blocks.iter().zip(&plan.keys) {
        for record in &block.records {
            for (key, value) in &record.fields {
                let attribute = keys[*key as usize];
                if let Value::Vector(items) = value
                    && items.len() > 1
                    && single[attribute]
                    && plan.attributes[attribute].many
                {
                    let attribute = plan.attributes[attribute].ident.clone();
                    let (path, line, count) = (path.to_owned(), record.line, items.len());
                    return Err(ImportError::ManyForOne { path, line, attribute, count });
                }
            }
        }
    }
    Ok(())
}

/// A record as transaction data: `{:package/name "x" :package/depends [{:package/name "y"}]}`.
fn entity_map(record: &Record, keys: &[usize], plan: &Plan, single: &[bool]) -> Value {
    let mut entries: BTreeMap<Value, Value> = BTreeMap::new();
    for (key, value) in &record.fields {
        let at = keys[*key as usize];
        let attribute = &plan.attributes[at];
        let value = match value {
            // A list of one is the one where the database keeps one.
            Value::Vector(items) if single[at] && items.len() <= 1 => match items.first() {
                Some(item) => field(attribute, item, plan),
                None => continue,
            },
            value => field(attribute, value, plan),
        };
        match entries.entry(Value::Keyword(attribute.ident.clone())) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(value);
            }
            // Two keys can go to one attribute.
            std::collections::btree_map::Entry::Occupied(mut entry) => match (entry.get_mut(), value) {
                (Value::Vector(values), Value::Vector(more)) => values.extend(more),
                (slot, value) => *slot = value,
            },
        }
    }
    Value::Map(entries)
}

fn field(attribute: &PlannedAttribute, value: &Value, plan: &Plan) -> Value {
    let Some(id) = plan.id.filter(|_| attribute.role == Role::Ref) else { return value.clone() };
    let id = Value::Keyword(plan.attributes[id].ident.clone());
    let entity = |value: &Value| Value::Map([(id.clone(), value.clone())].into());
    match value {
        Value::Vector(_) => Value::Vector(leaves(value).map(entity).collect()),
        value => entity(value),
    }
}

fn refused(error: &factum::Error, lines: &[u64], path: &Path, committed: usize) -> CliError {
    let line = error.item().and_then(|item| lines.get(item)).or(lines.first()).copied().unwrap_or_default();
    ImportError::Refused { path: path.to_owned(), line, reason: error.to_string(), committed }.into()
}
