//! A typed key-value API on LMDB: typed keys, list tables, ranges, counted tables.
//!
//! ```text
//!   writes                                   reads
//!   WriteTxn --cursors--> LMDB               Snapshot <--pages-- lmdb-pages
//!      |  one at a time, heed owns it           |  any number, any thread, no C call
//!      v                                        v
//!            one file, one Env per file and process
//! ```
//!
//! [`Env`] is an open file, [`Table`] a table in it with the types of its keys and values, [`WriteTxn`] the transaction
//! that writes, and [`ReadTxn`] a state to read from. All reading takes one of the two transactions as its first
//! argument, so one of them serves any number of tables:
//!
//! ```
//! use factum_kv::codec::{Long, Str};
//! use factum_kv::{Env, KeyRange, Table};
//!
//! # let dir = tempfile::tempdir().expect("a directory");
//! let env = Env::open(dir.path())?;
//! let ages: Table<Str, Long> = env.open_table("ages")?;
//! let names: Table<Long, Str> = env.open_list("names")?; // a key owns a sorted set of values
//!
//! env.with_transaction(|txn| {
//!     for (name, age) in [("Ann", 38), ("Bob", 41), ("Cy", 38)] {
//!         ages.put(txn, name, age)?;
//!         names.put(txn, age, name)?;
//!     }
//!     Ok::<_, factum_kv::Error>(()) // an error instead would take both tables back
//! })?;
//!
//! let read = env.read()?; // stays as it is, whatever is written after
//! assert_eq!(ages.get(&read, "Bob")?, Some(41));
//! let younger: Vec<_> = names.range(&read, ..40)?.collect::<Result<_, _>>()?;
//! assert_eq!(younger, [(38, "Ann"), (38, "Cy")]);
//! assert_eq!(ages.first(&read, KeyRange::all_back())?, Some(("Cy", 38)));
//! # Ok::<(), factum_kv::Error>(())
//! ```
//!
//! # Types
//!
//! A [`codec`] gives keys and values their types and their bytes, whose order is that of the items: numbers sort as
//! numbers, tuples element by element. Values are whatever serde knows, with [`codec::Data`]; a codec of your own is
//! one `impl` of [`codec::Codec`], and heed's codecs serve as ours through [`codec::FromHeed`].
//!
//! Where the types are known only at run time, [`DynTable`] has them as values, over the same bytes:
//!
//! ```
//! use factum_kv::codec::{Data, KeyType, Long, Str, Tuple};
//! use factum_kv::{DbiOptions, Env, KeyRange, Table};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Reading { celsius: f64, ok: bool }
//!
//! # let dir = tempfile::tempdir().expect("a directory");
//! # let env = Env::open(dir.path())?;
//! let by_place_and_time: Table<Tuple<(Str, Long)>, Data<Reading>> = env.open_table("readings")?;
//! let mut txn = env.write()?;
//! for minute in 0..60 {
//!     by_place_and_time.put(&mut txn, ("roof", minute), &Reading { celsius: 20.5, ok: true })?;
//! }
//! txn.commit()?;
//!
//! let read = env.read()?;
//! assert_eq!(by_place_and_time.range_count(&read, ("roof", 10)..("roof", 20))?, 10);
//!
//! let keys = KeyType::from_value(&edn::read("[:string :long]").expect("EDN")).expect("a type");
//! let untyped = Table::new(*by_place_and_time.dbi(), keys, KeyType::Data);
//! let range = edn::read(r#"[:closed-back ["roof" 3] ["roof" 2]]"#).expect("EDN");
//! let rows = untyped.range(&read, KeyRange::from_value(&range)?)?.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(rows[0].0.to_string(), r#"["roof" 3]"#);
//! assert_eq!(rows[0].1.to_string(), "{:celsius 20.5, :ok true}");
//! # Ok::<(), factum_kv::Error>(())
//! ```
//!
//! # Ranges, predicates, visitors
//!
//! [`Table::range`] is an iterator that reads as it goes, over Rust's ranges or a [`KeyRange`], which also goes
//! backward. [`Entries`] has what is often done with one: find, filter, keep, count, visit, each over decoded items or,
//! sparing the decoding, over bytes. In a list table, [`Table::list_range`] takes a range of keys and one of values,
//! each in a direction of its own.
//!
//! ```
//! use std::ops::ControlFlow;
//! # use factum_kv::codec::{Id, Str};
//! # use factum_kv::{Env, KeyRange, Table};
//! # let dir = tempfile::tempdir().expect("a directory");
//! # let env = Env::open(dir.path())?;
//! let words: Table<Str, Id> = env.open_list("words")?; // word -> documents that contain it
//! let mut txn = env.write()?;
//! words.put_list(&mut txn, "sea", [3, 1, 2, 900])?;
//! words.put_list(&mut txn, "see", [2, 7])?;
//! txn.commit()?;
//!
//! let read = env.read()?;
//! assert_eq!(words.list_count(&read, "sea")?, 4); // without reading them
//! assert!(words.in_list(&read, "see", 7)?);
//! let newest: Vec<_> =
//!     words.list_range(&read, "sea"..="see", KeyRange::less_than_back(100))?.collect::<Result<_, _>>()?;
//! assert_eq!(newest, [("sea", 3), ("sea", 2), ("sea", 1), ("see", 7), ("see", 2)]);
//!
//! let mut seen = 0;
//! words.range(&read, ..)?.visit(|_, document| {
//!     seen += 1;
//!     if document == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
//! })?;
//! assert_eq!(seen, 2);
//! # Ok::<(), factum_kv::Error>(())
//! ```
//!
//! # Counts and ranks
//!
//! A table that is created [counted](DbiOptions::counted) knows the rank of every key: counts of ranges, ranks,
//! selection by rank and samples take logarithmic time, exact in every state that can be read.
//!
//! ```
//! # use factum_kv::codec::{Long, Unit};
//! # use factum_kv::{DbiOptions, Env, Table};
//! # let dir = tempfile::tempdir().expect("a directory");
//! # let env = Env::open(dir.path())?;
//! let scores = env.open_table_with("scores", DbiOptions::new().counted(true), Long, Unit)?;
//! let mut txn = env.write()?;
//! for score in (0..10_000).map(|n| n * 3) {
//!     scores.put(&mut txn, score, ())?;
//! }
//! txn.commit()?;
//!
//! let read = env.read()?;
//! assert_eq!(scores.rank(&read, 15_000)?, Some(5_000));
//! assert_eq!(scores.by_rank(&read, 9_999)?, Some((29_997, ())));
//! assert_eq!(scores.range_count(&read, 3_000..6_000)?, 1_000);
//! assert_eq!(scores.sample(&read, 5, 42)?.len(), 5);
//! # Ok::<(), factum_kv::Error>(())
//! ```
//!
//! # Many writers
//!
//! One transaction writes at a time. A [`Batch`] holds writes that were encoded beforehand; [`Env::submit`] commits it
//! together with those of other threads and fulfils a [`Ticket`] once it is durable.
//!
//! Those who know Datalevin find its functions in the [function map](function_map).
//! What is promised about LMDB, and which test shows it, stands on the page on [safety].

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::print_stdout))]

mod batch;
mod check;
pub mod codec;
mod counted;
mod dbi;
mod deferred;
mod dump;
mod env;
mod error;
mod flags;
pub mod function_map;
mod log;
mod options;
mod order;
mod read;
mod reindex;
pub mod safety;
mod spill;
mod sys;
mod table;
mod txn;

pub use batch::{Batch, Ticket};
pub use check::{CheckReport, Problem};
pub use dbi::{Dbi, DbiOptions};
pub use deferred::WriteTurn;
pub use dump::{DumpFormat, DumpReport, LoadOptions, LoadReport, OnExisting};
pub use env::{
    Durability, Env, EnvInfo, EnvOptions, Holders, LogInfo, ReaderInfo, TempEnv, Versions, versions,
};
pub use error::{Error, Result};
pub use flags::{DbiFlags, EnvFlags, PutFlags};
pub use lmdb_pages::{Count, Snapshot, TableStat};
pub use read::{Cursor, Intersection, KeyRange, Keys, Pairs, Read, ReadTxn};
pub use reindex::ReIndex;
pub use spill::SpillOptions;
pub use table::{DynTable, Entries, Items, ListKey, SharedItems, Spilled, SpilledIter, Table, TypedKeys};
pub use txn::{OwnedWriteTxn, WriteCursor, WriteTxn};
