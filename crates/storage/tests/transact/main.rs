//! Transactions, schema evolution and entities, through the public interface of the crate.

mod cases;
mod entity;
mod errors;
mod functions;
mod ids;
mod items;
mod model;
mod retract;
mod schema;
mod speed;
mod support;
mod tuples;
