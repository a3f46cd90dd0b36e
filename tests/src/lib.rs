//! What the integration tests in `tests/` share.

pub mod conformance;
pub mod grammar;
pub mod naive;
