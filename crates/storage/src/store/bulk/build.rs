//! A new database built from its pages up: no LMDB, no transactions, both indexes at once.
//!
//! ```text
//! rows --sorted by entity, this thread-----> eav, giants  \
//!      --sorted by value, another thread---> ave           > data file, synced and renamed into place
//! schema ----------------------------------> the rest     /
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lmdb_pages::TableFlags;
use lmdb_pages::build::{BuildOptions, Builder, TableBuilder};

use super::by_value::with_rows_by_value;
use super::rows::Order;
use super::spill::{Merge, Stream};
use super::write::{Sink, Written, write_entities, write_values};
use super::{BulkLoader, BulkReport, BulkStage, Parts};
use crate::db::DbOptions;
use crate::db::base_eav::split;
use crate::encode::encode;
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::schema::Schema;
use crate::store::tables::{self, AttrCounts, Meta};
use crate::store::{Store, StoreOptions};
use crate::transact::TransactError;

impl StoreOptions {
    /// Makes a database of a loader's datoms at a path where there is none, and opens it.
    ///
    /// Much faster than [`Store::bulk_load`], and with smaller files: pages are written once, completely filled, by
    /// two threads. The file appears when it is whole and on disk; a failure leaves nothing.
    ///
    /// ```
    /// use factum_storage::{BulkLoader, EncodedValue, EntityId, Schema, StoreOptions};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let schema = Schema::from_value(&edn::read("{:age {:db/valueType :db.type/long}}")?)?.into();
    /// let mut loader = BulkLoader::new(&schema);
    /// let age = schema.attribute(&":age".into()).expect("declared").id;
    /// loader.add(EntityId(1), age, &EncodedValue::int(36))?;
    /// let (store, report) = StoreOptions::new().build(dir.path(), loader)?;
    /// assert_eq!(report.added, 1);
    /// assert_eq!(store.db()?.entities(age, &EncodedValue::int(36))?, [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(
        self,
        path: impl AsRef<Path>,
        loader: BulkLoader,
    ) -> Result<(Store, BulkReport), TransactError> {
        let file = data_file(path.as_ref(), self.env.is_single_file())?;
        let log = self.env.log_path(path.as_ref());
        if log.exists() {
            // It would be taken for the log of the new file.
            let reason = "it was left by a database that is no longer there".to_owned();
            return Err(Error::from(kv::Error::LogMismatch { path: log, reason }).into());
        }
        let options = DbOptions {
            closed_schema: self.closed_schema.unwrap_or_default(),
            validate_data: self.validate_data.unwrap_or_default(),
            auto_entity_time: self.auto_entity_time.unwrap_or_default(),
        };
        let report = build(&file, &options, loader.into_parts()?)?;
        Ok((self.open(path)?, report))
    }
}

/// The data file of a database; the directories above it are made.
fn data_file(path: &Path, single_file: bool) -> Result<PathBuf> {
    let file = if single_file { path.to_owned() } else { path.join("data.mdb") };
    if let Some(parent) = file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)
            .map_err(|source| Error::Io { action: "making the database's directory", source })?;
    }
    Ok(file)
}

fn build(file: &Path, options: &DbOptions, mut parts: Parts) -> Result<BulkReport> {
    let builder = Builder::create(file, BuildOptions::new())?;
    let given = parts.given;
    (parts.progress)(BulkStage::Sort, 0, given);
    let (written, values) = write_indexes(&builder, &mut parts)?;
    (parts.progress)(BulkStage::Values, given, given);
    let mut giants = builder.table(tables::GIANTS, TableFlags::empty())?;
    for (hash, uses) in &written.giants {
        giants.push(hash, &[&uses.to_le_bytes()[..], &parts.giants.full(hash)?].concat())?;
    }
    giants.finish()?;
    let mut counts = builder.table(tables::COUNTS, TableFlags::empty())?;
    for (a, datoms) in &written.datoms {
        let values = values.get(a).copied().unwrap_or(0);
        counts.push(&AttrCounts::key(*a), &AttrCounts { datoms: *datoms, values }.to_bytes())?;
    }
    counts.finish()?;
    write_schema(&builder, &parts.schema)?;
    let meta = Meta {
        max_eid: parts.max_eid,
        basis_tx: parts.max_tx,
        schema_revision: parts.schema.revision(),
        options: tables::encode_options(options),
        types: tables::encode_types(parts.schema.types()),
    };
    let mut table = builder.table(tables::META, TableFlags::empty())?;
    for (key, value) in meta.records().into_iter().filter(|(_, value)| !value.is_empty()) {
        table.push(key, &value)?;
    }
    table.finish()?;
    (parts.progress)(BulkStage::Commit, given, given);
    builder.finish()?;
    Ok(BulkReport { added: written.added, given })
}

/// Writes both indexes at the same time.
fn write_indexes(builder: &Builder, parts: &mut Parts) -> Result<(Written, BTreeMap<AttrId, u64>)> {
    let eav = builder.table(tables::EAV, TableFlags::DUP_SORT | TableFlags::INTEGER_KEY)?;
    let ave =
        builder.table(tables::AVE, TableFlags::DUP_SORT | TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP)?;
    let (schema, given) = (&*parts.schema, parts.given);
    let (entity_runs, value_runs) = parts.runs.take().unzip();
    let (rows, progress) = (&parts.rows, &mut parts.progress);
    std::thread::scope(|scope| {
        let values = scope.spawn(move || {
            // Rows outside the index need not even be sorted.
            let is_indexed = |fact: &[u8]| match split(fact).map(|(a, _)| schema.by_id(a)) {
                Ok(Some(attribute)) => !attribute.no_index,
                // Damage is the other thread's to report.
                _ => false,
            };
            let mut sink = NewTable(ave);
            let mut write =
                |stream: &mut dyn Stream| write_values(stream, None, schema, &mut sink, &mut |_| {});
            let values = match value_runs {
                Some(runs) => write(&mut Merge::new(runs, Order::Value)?)?,
                None => with_rows_by_value(rows, is_indexed, |rows| write(rows))?,
            };
            sink.0.finish()?;
            Ok::<_, Error>(values)
        });
        let mut merge;
        let mut sorted;
        let stream: &mut dyn Stream = match entity_runs {
            Some(runs) => {
                merge = Merge::new(runs, Order::Entity)?;
                &mut merge
            }
            None => {
                sorted = rows.sorted_by_entity();
                &mut sorted
            }
        };
        let mut sink = NewTable(eav);
        let mut report = |done| progress(BulkStage::Entities, done, given);
        let written = write_entities(stream, None, schema, &mut sink, &mut report);
        let values = values.join().expect("the other thread does not panic");
        let (written, values) = (written?, values?);
        sink.0.finish()?;
        Ok((written, values))
    })
}

fn write_schema(builder: &Builder, schema: &Schema) -> Result<()> {
    let attributes = || schema.iter().filter(|attribute| !attribute.is_built_in());
    let mut table = builder.table(tables::SCHEMA, TableFlags::empty())?;
    for attribute in attributes() {
        table.push(&attribute.id.0.to_be_bytes(), &encode(&schema.record_of(attribute)))?;
    }
    table.finish()?;
    let names: BTreeMap<&str, AttrId> =
        attributes().map(|attribute| (attribute.ident.as_str(), attribute.id)).collect();
    let mut table = builder.table(tables::IDENTS, TableFlags::empty())?;
    for (name, id) in names {
        table.push(name.as_bytes(), &id.0.to_le_bytes())?;
    }
    table.finish()?;
    Ok(())
}

/// A table of a file that is being built.
struct NewTable(TableBuilder);

impl Sink for NewTable {
    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.push(key, value)?)
    }

    #[inline]
    fn put_packed(&mut self, key: &[u8], values: &[u8]) -> Result<()> {
        Ok(self.0.push_dups(key, values)?)
    }
}
