//! The bodies of the fuzz targets in `fuzz/`, which ordinary tests run over sample texts and some thousands of mutations.
//!
//! Each takes any input and panics if something is wrong with what the program made of it.

pub mod edn_reader;
pub mod pages_reader;
pub mod query_parser;
pub mod transaction_parser;
