//! Datoms on LMDB: schema, order-preserving values, snapshots with overlays, transactions.
//!
//! The floor on which queries stand. It knows facts (entity, attribute, value), their schema and their two indexes;
//! it knows nothing of query languages, and of LMDB only what `kv` and `lmdb-pages` show.
//!
//! ```text
//! write  transaction data --transact--> Db with an overlay --Store--> one commit, every table in key order
//! read   Db = snapshot ⊕ overlay --AveCursor, EavCursor, Datoms--> values as bytes that compare like values
//! ```
//!
//! A [`Db`] is a value: it never changes, costs nothing to clone, and can be speculated on to any depth
//! ([`Db::with`]); a [`Store`] is the thing that changes, in a file or in memory. The same code reads both: a database
//! in memory is an overlay on nothing.
//!
//! ```
//! use factum_storage::{Datom, Index, Store, StoreOptions, TxFunctions};
//! use edn::Value;
//!
//! let store = StoreOptions::new().memory()?;
//! let data = edn::read(r#"[{:person/name "Ada" :person/age 36} {:person/name "Bob" :person/age 24}]"#)?;
//! store.transact(&data, Value::Nil, &TxFunctions::new())?;
//! let db = store.db()?;
//! let age = Value::keyword(":person/age");
//! let youngest: Datom = db.datoms(Index::Ave, &[age])?.next().expect("two ages")?;
//! assert_eq!(youngest.v, 24.into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in the file
//!
//! Format version 1. Integers are native (LMDB's files belong to one kind of machine) where LMDB compares them,
//! little-endian elsewhere, big-endian inside sorted bytes. A *value* is the encoding of the `encode` module's
//! table, at most 488 bytes in index form.
//!
//! ```text
//! eav     | entity, u64 native |            -> sorted duplicates | attribute 1-5 | value |        DUPSORT INTEGERKEY
//! ave     | attribute 1-5 | value |         -> packed duplicates | entity, u64 native |  DUPSORT DUPFIXED INTEGERDUP
//! giants  | BLAKE3 of the encoding, 32 |    -> | references, u64 LE | full encoding |
//! schema  | attribute, u32 BE |             -> | value: map of properties with :db/ident |
//! idents  | name, UTF-8 without the colon | -> | attribute, u32 LE |
//! counts  | attribute, u32 BE |             -> | datoms, u64 LE | distinct values, u64 LE |
//! meta    | "format" |                      -> | version, u32 LE | oldest version that can read this, u32 LE |
//!         | "counters" |                    -> | largest entity | last transaction | schema revision |, u64 LE each
//!         | "options" |                     -> | value: map of options |
//!         | "types" |                       -> | value: map of registered types, where there are any |
//! ```
//!
//! | attribute id | its bytes | |
//! |---|---|---|
//! | 1 to 15 | one | built in: `:db/ident` 1, `:db/txInstant` 2, `:db/created-at` 3, `:db/updated-at` 4, `:db/fn` 5, `:db/udf` 6 |
//! | 16 to 239 | one | the first user attributes |
//! | 240 to 4079 | two, from `F0 00` | |
//! | others | `FF` and four, big-endian | up to 2^31 - 1 |
//!
//! Invariants, which [`Db::check`] verifies:
//!
//! - every fact is in `eav`; those of attributes without `:db/noindex` are in `ave` too, and nothing else is;
//! - the value in both is the same index form: the encoding up to 480 bytes, beyond that its first 456 bytes and hash;
//! - a giant is stored once, counted as often as facts refer to it, and goes with the last of them;
//! - no entity is above the counter, so a new id is one that never was; transactions are entities from 2^62 on.
//!
//! Limits: 2^62 entities, 2^31 attributes, 4 GiB a value, [`NESTING_MAX`] levels of collections, names of attributes
//! up to 511 bytes. Other tables of the file are other people's: user tables of the key-value store live beside these.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::print_stdout))]
#![deny(missing_docs)]

mod check;
mod coerce;
mod datom;
mod db;
mod encode;
pub mod entity;
mod error;
mod ids;
mod overlay;
pub mod schema;
mod store;
pub mod transact;
pub mod types;

pub use check::{CheckReport, Problem};
pub use datom::{Datom, Direction, Index, ValueRange};
pub use db::{AveCursor, Datoms, Db, DbOptions, EavCursor};
pub use encode::{
    EncodedValue, INLINE_MAX, NESTING_MAX, decode, decode_float, decode_int, decode_str, encode, encode_into,
};
pub use error::{Error, Result};
pub use ids::{AttrId, EntityId, TX_BASE};
pub use schema::{
    Attribute, Cardinality, Schema, SchemaChange, SchemaError, SchemaPatch, TupleSpec, Unique, ValueType,
};
pub use store::{
    BulkBatch, BulkLoader, BulkReport, BulkStage, EntityLoader, Store, StoreOptions, Writer, is_own_table,
    reserve_tables,
};
pub use transact::{TransactError, TransactErrorKind, TxData, TxFunctions, TxReport};
