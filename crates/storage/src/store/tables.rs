//! The tables of a database and their small records; see the drawing at the head of the crate.

use kv::{Dbi, DbiFlags, DbiOptions, Env, Snapshot, WriteTxn};
use lmdb_pages::Cursor;

use crate::db::DbOptions;
use crate::encode::{decode, encode};
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::types::{TypeFunctions, Types};
use edn::Value;

/// What is wrong with pages, and not with any one table.
pub(crate) const PAGES: &str = "pages";
/// Facts by entity.
pub(crate) const EAV: &str = "eav";
/// Entities by attribute and value.
pub(crate) const AVE: &str = "ave";
/// Long values by their hash.
pub(crate) const GIANTS: &str = "giants";
/// Attributes by id.
pub(crate) const SCHEMA: &str = "schema";
/// Attribute ids by name.
pub(crate) const IDENTS: &str = "idents";
/// How many datoms and different values each attribute has.
pub(crate) const COUNTS: &str = "counts";
/// Format, counters, options.
pub(crate) const META: &str = "meta";

/// All of them.
pub(crate) const NAMES: [&str; 7] = [EAV, AVE, GIANTS, SCHEMA, IDENTS, COUNTS, META];

/// Whether a database keeps its facts, or what belongs to them, in a table of this name.
pub fn is_own_table(name: &str) -> bool {
    NAMES.contains(&name)
}

/// If there is a database in the file, keeps its tables from being opened by others through this environment; says
/// whether there is one.
pub fn reserve_tables(env: &Env) -> Result<bool> {
    let exists = Meta::exists(&env.snapshot()?)?;
    if exists {
        env.reserve(&NAMES);
    }
    Ok(exists)
}

/// How the names of tables begin that the key-value store keeps for itself: a file that has one was made by it.
pub(crate) const KV_PREFIX: &str = "factum/";

/// The format that this code writes.
pub(crate) const FORMAT: u32 = 1;
/// The oldest code that can read what this code writes, as a format version.
const FORMAT_OLDEST_READER: u32 = 1;

/// The bytes before a giant's encoding: how many datoms refer to it.
pub(crate) const REFCOUNT_LEN: usize = 8;

const KEY_FORMAT: &[u8] = b"format";
const KEY_COUNTERS: &[u8] = b"counters";
const KEY_OPTIONS: &[u8] = b"options";
const KEY_TYPES: &[u8] = b"types";

/// Handles on the tables, for writing.
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    pub eav: Dbi,
    pub ave: Dbi,
    pub giants: Dbi,
    pub schema: Dbi,
    pub idents: Dbi,
    pub counts: Dbi,
    pub meta: Dbi,
}

/// How the index tables are sorted.
pub(crate) fn eav_flags() -> DbiFlags {
    DbiFlags::DUPSORT | DbiFlags::INTEGERKEY
}

/// How the index tables are sorted.
pub(crate) fn ave_flags() -> DbiFlags {
    (DbiFlags::DUPSORT | DbiFlags::DUPFIXED | DbiFlags::INTEGERDUP).normalised()
}

impl Tables {
    /// Opens the tables, creating those that are missing.
    pub fn open(txn: &mut WriteTxn<'_>) -> Result<Self> {
        let mut plain = |name: &str| txn.open_dbi(name, DbiOptions::new());
        let (giants, schema, idents) = (plain(GIANTS)?, plain(SCHEMA)?, plain(IDENTS)?);
        let (counts, meta) = (plain(COUNTS)?, plain(META)?);
        let (eav, ave) = (txn.open_dbi(EAV, eav_flags())?, txn.open_dbi(AVE, ave_flags())?);
        Ok(Self { eav, ave, giants, schema, idents, counts, meta })
    }

    /// Handles on tables that exist, without the writer's turn; nobody else opens them for writing from here on.
    pub fn existing(env: &Env) -> Result<Self> {
        env.reserve(&NAMES);
        let plain = |name: &str| env.open_reserved(name, DbiOptions::new());
        let (giants, schema, idents) = (plain(GIANTS)?, plain(SCHEMA)?, plain(IDENTS)?);
        let (counts, meta) = (plain(COUNTS)?, plain(META)?);
        let (eav, ave) = (env.open_reserved(EAV, eav_flags())?, env.open_reserved(AVE, ave_flags())?);
        Ok(Self { eav, ave, giants, schema, idents, counts, meta })
    }
}

/// The records of `meta`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub max_eid: u64,
    pub basis_tx: u64,
    pub schema_revision: u64,
    /// The encoded options.
    pub options: Vec<u8>,
    /// The encoded registered types; empty where there are none.
    pub types: Vec<u8>,
}

impl Meta {
    /// The records in a snapshot; an error if it holds no database of a format that can be read.
    pub fn read(snapshot: &Snapshot) -> Result<Self> {
        let damaged = |reason: &str| Error::Corrupted { table: META, reason: reason.into() };
        let table = snapshot.table(META)?.ok_or_else(|| damaged("it is missing"))?;
        let mut cursor: Cursor<'_> = Cursor::new(snapshot, &table)?;
        let format = cursor.get(KEY_FORMAT)?.ok_or_else(|| damaged("the format version is missing"))?;
        check_format(format)?;
        let counters = cursor.get(KEY_COUNTERS)?.ok_or_else(|| damaged("the counters are missing"))?;
        let ([max_eid, basis_tx, schema_revision], []) = counters.as_chunks::<8>() else {
            return Err(damaged("the counters have the wrong size"));
        };
        Ok(Self {
            max_eid: u64::from_le_bytes(*max_eid),
            basis_tx: u64::from_le_bytes(*basis_tx),
            schema_revision: u64::from_le_bytes(*schema_revision),
            options: cursor.get(KEY_OPTIONS)?.unwrap_or_default().to_vec(),
            types: cursor.get(KEY_TYPES)?.unwrap_or_default().to_vec(),
        })
    }

    /// Whether a snapshot has the record that makes it a database.
    pub fn exists(snapshot: &Snapshot) -> Result<bool> {
        let Some(table) = snapshot.table(META)? else { return Ok(false) };
        let mut cursor: Cursor<'_> = Cursor::new(snapshot, &table)?;
        Ok(cursor.get(KEY_FORMAT)?.is_some())
    }

    /// The key-value pairs of the table, in order; without types, the last one is left out.
    pub fn records(&self) -> [(&'static [u8], Vec<u8>); 4] {
        let counters = [self.max_eid, self.basis_tx, self.schema_revision].map(u64::to_le_bytes).concat();
        let format = [FORMAT, FORMAT_OLDEST_READER].map(u32::to_le_bytes).concat();
        [
            (KEY_COUNTERS, counters),
            (KEY_FORMAT, format),
            (KEY_OPTIONS, self.options.clone()),
            (KEY_TYPES, self.types.clone()),
        ]
    }

    /// Writes what differs from `before`.
    pub fn write(&self, txn: &mut WriteTxn<'_>, tables: &Tables, before: Option<&Meta>) -> Result<()> {
        let old = before.map(Meta::records);
        for (at, (key, value)) in self.records().into_iter().enumerate() {
            let is_old = old.as_ref().is_some_and(|old| old[at].1 == value);
            match is_old || (value.is_empty() && old.is_none()) {
                true => {}
                false if value.is_empty() => drop(txn.delete(&tables.meta, key)?),
                false => txn.put(&tables.meta, key, &value)?,
            }
        }
        Ok(())
    }
}

fn check_format(record: &[u8]) -> Result<()> {
    match record.as_chunks::<4>() {
        ([_, oldest_reader], []) => match u32::from_le_bytes(*oldest_reader) {
            version if version > FORMAT => Err(Error::FormatTooNew { found: version, supported: FORMAT }),
            _ => Ok(()),
        },
        _ => Err(Error::Corrupted { table: META, reason: "the format version has the wrong size".into() }),
    }
}

/// How many datoms and different values an attribute has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AttrCounts {
    pub datoms: u64,
    /// Zero for attributes outside the AVE index.
    pub values: u64,
}

impl AttrCounts {
    pub fn key(a: AttrId) -> [u8; 4] {
        a.0.to_be_bytes()
    }

    pub fn to_bytes(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.datoms.to_le_bytes());
        out[8..].copy_from_slice(&self.values.to_le_bytes());
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match bytes.as_chunks::<8>() {
            ([datoms, values], []) => {
                Ok(Self { datoms: u64::from_le_bytes(*datoms), values: u64::from_le_bytes(*values) })
            }
            _ => Err(Error::Corrupted { table: COUNTS, reason: "a record has the wrong size".into() }),
        }
    }
}

/// The registered types as they are stored: a map from name to definition.
pub(crate) fn encode_types(types: &Types) -> Vec<u8> {
    match types.iter().next() {
        None => Vec::new(),
        Some(_) => encode(&types.to_value()).to_vec(),
    }
}

/// The types behind [`encode_types`].
pub(crate) fn decode_types(bytes: &[u8], functions: &TypeFunctions) -> Result<Types> {
    if bytes.is_empty() {
        return Ok(Types::new(functions.clone()));
    }
    Ok(Types::from_value(&decode(bytes)?, functions.clone())?)
}

/// Whether a state holds a database.
pub(crate) fn has_database(state: &Snapshot) -> Result<bool> {
    Meta::exists(state)
}

/// The registered types of the database in a state, if there is one.
pub(crate) fn stored_types(state: &Snapshot, functions: &TypeFunctions) -> Result<Option<Types>> {
    if !Meta::exists(state)? {
        return Ok(None);
    }
    decode_types(&Meta::read(state)?.types, functions).map(Some)
}

/// Options as the EDN map that users write.
pub(crate) fn encode_options(options: &DbOptions) -> Vec<u8> {
    encode(&options.to_value()).to_vec()
}

/// The options behind [`encode_options`]; unknown ones are ignored.
pub(crate) fn decode_options(bytes: &[u8]) -> Result<DbOptions> {
    if bytes.is_empty() {
        return Ok(DbOptions::default());
    }
    let map = decode(bytes)?;
    let flag = |name: &str| {
        matches!(map.as_map().and_then(|map| map.get(&Value::keyword(name))), Some(Value::Bool(true)))
    };
    Ok(DbOptions {
        closed_schema: flag("closed-schema?"),
        validate_data: flag("validate-data?"),
        auto_entity_time: flag("auto-entity-time?"),
    })
}
