//! The Debian suite: import of the whole package graph, then each question of [`works`] beside SQLite.

pub mod records;
pub mod sqlite;
pub mod suite;
pub mod works;
