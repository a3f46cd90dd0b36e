//! [`Base`]: one committed state of a file, with what is needed to read it.

use kv::{Env, Snapshot};
use lmdb_pages::{Cursor, Lexicographic, NativeInteger, Table};

use crate::encode::hash_of_index;
use crate::error::{Error, Result};
use crate::ids::{ATTR_LEN_MAX, AttrId, TX_BASE};
use crate::store::tables::{self, AttrCounts, Meta};

/// A cursor over the `ave` table.
pub(crate) type AveTableCursor<'d> = Cursor<'d, Lexicographic, NativeInteger>;
/// A cursor over the `eav` table.
pub(crate) type EavTableCursor<'d> = Cursor<'d, NativeInteger, Lexicographic>;

/// A snapshot and the roots of the tables in it.
pub(crate) struct Base {
    pub snapshot: Snapshot,
    pub eav: Table,
    pub ave: Table,
    pub giants: Table,
    pub counts: Table,
    pub schema: Table,
    pub meta: Meta,
    /// Keeps the environment open, so that a path that a database value reads from can be opened again.
    _env: Env,
}

impl Base {
    /// The state in `snapshot`; an error if it is no database of this kind, or of a newer format.
    pub fn new(env: &Env, snapshot: Snapshot) -> Result<Self> {
        let table = |name: &'static str| {
            snapshot
                .table(name)?
                .ok_or_else(|| Error::Corrupted { table: name, reason: "it is missing".into() })
        };
        let meta = Meta::read(&snapshot)?;
        let (eav, ave, giants) = (table(tables::EAV)?, table(tables::AVE)?, table(tables::GIANTS)?);
        let (counts, schema) = (table(tables::COUNTS)?, table(tables::SCHEMA)?);
        // A file whose tables are sorted otherwise is refused here, so that making cursors cannot fail later.
        EavTableCursor::new(&snapshot, &eav)?;
        AveTableCursor::new(&snapshot, &ave)?;
        Ok(Self { snapshot, eav, ave, giants, counts, schema, meta, _env: env.clone() })
    }

    #[inline]
    pub fn eav_cursor(&self) -> EavTableCursor<'_> {
        Cursor::new(&self.snapshot, &self.eav).expect("the table's order was checked when the base was made")
    }

    #[inline]
    pub fn ave_cursor(&self) -> AveTableCursor<'_> {
        Cursor::new(&self.snapshot, &self.ave).expect("the table's order was checked when the base was made")
    }

    /// Whether the entity may have facts here: ids count up, so that new entities are known to have none.
    pub fn may_have(&self, e: u64) -> bool {
        if e < TX_BASE { e <= self.meta.max_eid } else { e - TX_BASE <= self.meta.basis_tx }
    }

    /// How many datoms and values an attribute has.
    pub fn counts(&self, a: AttrId) -> Result<AttrCounts> {
        let mut cursor: Cursor<'_> = Cursor::new(&self.snapshot, &self.counts)?;
        cursor.get(&AttrCounts::key(a))?.map_or(Ok(AttrCounts::default()), AttrCounts::from_bytes)
    }

    /// How many datoms refer to a giant, by its hash.
    pub fn giant_references(&self, hash: &[u8]) -> Result<u64> {
        let mut cursor: Cursor<'_> = Cursor::new(&self.snapshot, &self.giants)?;
        let Some(record) = cursor.get(hash)? else { return Ok(0) };
        record
            .first_chunk()
            .map(|count| u64::from_le_bytes(*count))
            .ok_or_else(|| Error::Corrupted { table: tables::GIANTS, reason: "a record is too short".into() })
    }

    /// The full encoding of a giant, by its index form.
    #[cold]
    pub fn giant(&self, index: &[u8]) -> Result<&[u8]> {
        let hash = hash_of_index(index)?;
        let mut cursor: Cursor<'_> = Cursor::new(&self.snapshot, &self.giants)?;
        let stored = cursor.get(hash)?.and_then(|stored| stored.get(tables::REFCOUNT_LEN..));
        stored.ok_or_else(|| Error::Corrupted { table: tables::GIANTS, reason: "a giant is missing".into() })
    }
}

/// The key bytes of an attribute, ready to be put before values and to be compared.
#[derive(Clone, Copy)]
pub(crate) struct AttrBytes {
    bytes: [u8; ATTR_LEN_MAX],
    len: usize,
}

impl AttrBytes {
    #[inline]
    pub fn new(a: AttrId) -> Self {
        let mut bytes = [0; ATTR_LEN_MAX];
        let len = a.write(&mut bytes);
        Self { bytes, len }
    }

    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The longest key of the `ave` table.
pub(crate) const KEY_LEN_MAX: usize = ATTR_LEN_MAX + crate::encode::INDEX_LEN_MAX;

/// A key of the `ave` table (or a duplicate of `eav`) under construction: attribute, then value in index form.
pub(crate) struct KeyBuffer {
    bytes: [u8; KEY_LEN_MAX],
    len: usize,
}

impl KeyBuffer {
    pub fn new() -> Self {
        Self { bytes: [0; KEY_LEN_MAX], len: 0 }
    }

    /// Fills the buffer; a value that is too long to be an index form is cut, and then equals none.
    #[inline]
    pub fn set(&mut self, a: AttrId, v: &[u8]) -> &[u8] {
        let mut attr = [0; ATTR_LEN_MAX];
        let attr_len = a.write(&mut attr);
        self.bytes[..ATTR_LEN_MAX].copy_from_slice(&attr);
        let v = &v[..v.len().min(KEY_LEN_MAX - ATTR_LEN_MAX)];
        self.bytes[attr_len..attr_len + v.len()].copy_from_slice(v);
        self.len = attr_len + v.len();
        self.as_slice()
    }

    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
