//! Side-by-side runs of Factum and its peers on the same work. See `benches/README.md` for the figures.

pub mod debian;
pub mod kv;
pub mod load;
pub mod pages;
pub mod people;
pub mod plot;
pub mod report;
pub mod write;
