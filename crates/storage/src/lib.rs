//! Datoms on LMDB: schema, order-preserving values, snapshots with overlays, transactions.
#![deny(missing_docs)]

mod check;
mod coerce;
mod datom;
mod db;
mod encode;
mod error;
mod ids;
mod overlay;
pub mod schema;
mod store;
pub mod transact;

pub use check::{CheckReport, Problem};
pub use datom::{Datom, Direction, Index, ValueRange};
pub use db::{AveCursor, Datoms, Db, DbOptions, EavCursor};
pub use encode::{
    EncodedValue, INLINE_MAX, NESTING_MAX, decode, decode_float, decode_int, decode_str, encode, encode_into,
};
pub use error::{Error, Result};
pub use ids::{AttrId, EntityId, TX_BASE};
pub use store::{Store, StoreOptions, Writer};
pub use transact::{TransactError, TransactErrorKind, TxData, TxFunctions, TxReport};
pub use schema::{
    Attribute, Cardinality, Schema, SchemaChange, SchemaError, SchemaPatch, TupleSpec, Unique, ValueType,
};
