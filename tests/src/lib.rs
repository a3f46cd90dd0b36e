//! What the integration tests in `tests/` share.

pub mod conformance;
pub mod fuzz;
pub mod grammar;
pub mod naive;
pub mod transactions;
