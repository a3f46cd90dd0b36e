//! Into a database that is empty: identities are resolved here, datoms are encoded on all cores and loaded in bulk.
//!
//! ```text
//! records --number (one pass)--> entity of each record, entity of each reference
//!         --encode (parallel)--> batches of datoms --build-----> file that was not there
//!                                                  --bulk load-> database that was opened
//! ```
//!
//! A bulk load checks nothing, so what transactions would check is kept true here: identities are distinct by
//! construction, and of a single-valued attribute only the last record of an entity gives a value.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use edn::Value;
use factum::kv::EnvOptions;
use factum::storage::{Attribute, BulkBatch, BulkLoader, BulkStage, EncodedValue, StoreOptions, encode_into};
use factum::{Connection, Db, EntityId};
use foldhash::fast::FixedState;
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::infer::{Plan, Role, leaves};
use super::record::{Record, Records};
use super::{Counts, ImportError};
use crate::commands::NewArgs;
use crate::error::CliError;

/// Loads the records into a database that is open.
pub fn load(
    conn: &Connection,
    blocks: &[Records],
    plan: &Plan,
    path: &Path,
    progress: &ProgressBar,
) -> Result<Counts, CliError> {
    conn.update_schema(plan.schema())?;
    let (loader, counts) = encode(&conn.db()?, blocks, plan, path, progress)?;
    let report = conn.store()?.bulk_load(loader).map_err(factum::Error::from)?;
    Ok(Counts { facts: report.added, ..counts })
}

/// Makes a database of the records in the directory or file `dir`, which must hold none: from its pages up, completely
/// filled. It appears when it is whole.
pub fn build(
    dir: &Path,
    new: NewArgs,
    blocks: &[Records],
    plan: &Plan,
    path: &Path,
    progress: &ProgressBar,
) -> Result<Counts, CliError> {
    let db = Db::empty(plan.schema())?;
    let (loader, counts) = encode(&db, blocks, plan, path, progress)?;
    let env = EnvOptions::new().single_file(new.single_file);
    let (_, report) = StoreOptions::new().env(env).build(dir, loader).map_err(factum::Error::from)?;
    Ok(Counts { facts: report.added, ..counts })
}

/// All datoms, ready to be loaded.
fn encode(
    db: &Db,
    blocks: &[Records],
    plan: &Plan,
    path: &Path,
    progress: &ProgressBar,
) -> Result<(BulkLoader, Counts), CliError> {
    progress.set_message("encoding");
    let attributes: Vec<Option<Arc<Attribute>>> =
        plan.attributes.iter().map(|planned| db.schema().attribute(&planned.ident).cloned()).collect();
    let numbers = Numbers::assign(blocks, plan);
    let encoder = Encoder { db, plan, attributes: &attributes, numbers: &numbers, path };
    let batches: Result<Vec<BulkBatch>, ImportError> =
        blocks.par_iter().enumerate().map(|(block, records)| encoder.block(block, records)).collect();
    let mut loader = BulkLoader::new(db.schema()).on_progress(show(progress));
    for batch in batches? {
        loader.add_batch(batch).map_err(factum::Error::from)?;
    }
    loader.add_batch(encoder.identities()?).map_err(factum::Error::from)?;
    let records = blocks.iter().map(|block| block.records.len() as u64).sum();
    Ok((loader, Counts { records, entities: numbers.next - 1, facts: 0 }))
}

fn show(progress: &ProgressBar) -> impl FnMut(BulkStage, u64, u64) + 'static {
    let progress = progress.clone();
    move |stage, done, total| {
        let (name, share) = match stage {
            BulkStage::Sort => ("sorting", 0),
            BulkStage::Entities => ("writing", done / 2),
            BulkStage::Values => ("writing", total / 2 + done / 2),
            BulkStage::Commit => ("saving", total),
        };
        progress.set_message(name);
        progress.set_length(total.max(1));
        progress.set_position(share);
    }
}

/// The entities of all records and references.
struct Numbers<'r> {
    next: u64,
    ids: HashMap<&'r Value, u64, FixedState>,
    /// For each block, the entity of each record.
    records: Vec<Vec<u64>>,
    /// For each block, the entities that its references mean, in the order of the text.
    targets: Vec<Vec<u64>>,
    /// For entities with several records: the last record that has a single-valued attribute.
    last: HashMap<(u64, usize), (usize, usize), FixedState>,
}

impl<'r> Numbers<'r> {
    fn assign(blocks: &'r [Records], plan: &Plan) -> Self {
        let mut numbers = Self {
            next: 1,
            ids: HashMap::default(),
            records: Vec::with_capacity(blocks.len()),
            targets: Vec::with_capacity(blocks.len()),
            last: HashMap::default(),
        };
        let mut first: HashMap<u64, (usize, usize), FixedState> = HashMap::default();
        for (block, (records, keys)) in blocks.iter().zip(&plan.keys).enumerate() {
            let (mut entities, mut targets) = (Vec::with_capacity(records.records.len()), Vec::new());
            for (at, record) in records.records.iter().enumerate() {
                let entity = numbers.entity(record, keys, plan);
                entities.push(entity);
                numbers.note_repetition(entity, (block, at), blocks, plan, &mut first);
                for value in references(record, keys, plan) {
                    targets.push(numbers.id(value));
                }
            }
            numbers.records.push(entities);
            numbers.targets.push(targets);
        }
        numbers
    }

    fn id(&mut self, value: &'r Value) -> u64 {
        let next = &mut self.next;
        *self.ids.entry(value).or_insert_with(|| {
            *next += 1;
            *next - 1
        })
    }

    fn entity(&mut self, record: &'r Record, keys: &[usize], plan: &Plan) -> u64 {
        let id = record.fields.iter().find(|(key, _)| Some(keys[*key as usize]) == plan.id);
        match id {
            Some((_, value)) => self.id(value),
            None => {
                self.next += 1;
                self.next - 1
            }
        }
    }

    /// Remembers which record of an entity speaks last, once it has more than one.
    fn note_repetition(
        &mut self,
        entity: u64,
        place: (usize, usize),
        blocks: &[Records],
        plan: &Plan,
        first: &mut HashMap<u64, (usize, usize), FixedState>,
    ) {
        if plan.id.is_none() {
            return;
        }
        let Some(earlier) = first.insert(entity, place) else { return };
        for (block, at) in [earlier, place] {
            for (key, _) in &blocks[block].records[at].fields {
                self.last.insert((entity, plan.keys[block][*key as usize]), (block, at));
            }
        }
    }
}

/// The references of a record, in the order of the text.
fn references<'r>(record: &'r Record, keys: &[usize], plan: &Plan) -> impl Iterator<Item = &'r Value> {
    let fields =
        record.fields.iter().filter(|(key, _)| plan.attributes[keys[*key as usize]].role == Role::Ref);
    fields.flat_map(|(_, value)| leaves(value))
}

struct Encoder<'a> {
    db: &'a Db,
    plan: &'a Plan,
    attributes: &'a [Option<Arc<Attribute>>],
    numbers: &'a Numbers<'a>,
    path: &'a Path,
}

impl Encoder<'_> {
    fn block(&self, block: usize, records: &Records) -> Result<BulkBatch, ImportError> {
        let (mut batch, mut buffer) = (BulkBatch::new(), Vec::new());
        let keys = &self.plan.keys[block];
        let mut targets = self.numbers.targets[block].iter();
        for (at, record) in records.records.iter().enumerate() {
            let entity = EntityId(self.numbers.records[block][at]);
            for (key, value) in &record.fields {
                let planned = keys[*key as usize];
                let attribute = &self.plan.attributes[planned];
                let Some(known) = &self.attributes[planned] else { continue };
                let last = self.numbers.last.get(&(entity.0, planned));
                let outdated = !attribute.many && last.is_some_and(|last| *last != (block, at));
                let refused = |error: factum::storage::Error| self.refused(record, &error);
                match attribute.role {
                    Role::Id => {}
                    Role::Ref => {
                        for target in targets.by_ref().take(leaves(value).count()).filter(|_| !outdated) {
                            let target = EncodedValue::int(*target as i64);
                            batch.add(entity, known.id, &target).map_err(refused)?;
                        }
                    }
                    Role::Plain if outdated => {}
                    Role::Plain => {
                        let items = match value {
                            Value::Vector(items) => items.as_slice(),
                            single => std::slice::from_ref(single),
                        };
                        for item in items {
                            self.encode(planned, known, item, &mut buffer).map_err(refused)?;
                            batch.add(entity, known.id, &buffer).map_err(refused)?;
                        }
                    }
                }
            }
        }
        Ok(batch)
    }

    fn encode(
        &self,
        planned: usize,
        attribute: &Attribute,
        value: &Value,
        buffer: &mut Vec<u8>,
    ) -> Result<(), factum::storage::Error> {
        buffer.clear();
        if self.plan.attributes[planned].kinds.is_exact() {
            encode_into(value, buffer);
        } else {
            buffer.extend_from_slice(&self.db.inner().encode_for(attribute, value)?);
        }
        Ok(())
    }

    /// The facts that give every entity its identity.
    fn identities(&self) -> Result<BulkBatch, CliError> {
        let (mut batch, mut buffer) = (BulkBatch::new(), Vec::new());
        let Some((planned, attribute)) =
            self.plan.id.and_then(|id| Some((id, self.attributes[id].as_ref()?)))
        else {
            return Ok(batch);
        };
        for (value, entity) in &self.numbers.ids {
            self.encode(planned, attribute, value, &mut buffer).map_err(factum::Error::from)?;
            batch.add(EntityId(*entity), attribute.id, &buffer).map_err(factum::Error::from)?;
        }
        Ok(batch)
    }

    fn refused(&self, record: &Record, error: &factum::storage::Error) -> ImportError {
        let (path, line, reason) = (self.path.to_owned(), record.line, error.to_string());
        ImportError::Refused { path, line, reason, committed: 0 }
    }
}
