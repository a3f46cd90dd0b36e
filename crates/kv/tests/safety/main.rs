//! What the crate promises beyond storing bytes: lifecycles, handles, cursors, faults, maintenance.
//!
//! The oracles are models of the standard library, LMDB's own programs, and processes that really die.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of tests fail the test")]

mod cursors;
mod deferred;
mod faults;
mod handles;
mod lifecycle;
mod log;
mod log_versions;
mod maintenance;
mod nesting;
mod queue;

use factum_kv::{Durability, Env, EnvOptions};
use tempfile::TempDir;

/// An environment that need not survive a power failure.
fn quick() -> (TempDir, Env) {
    let dir = tempfile::tempdir().expect("a directory");
    let env = EnvOptions::new().durability(Durability::None).open(dir.path()).unwrap();
    (dir, env)
}

fn code<T: std::fmt::Debug>(result: factum_kv::Result<T>) -> &'static str {
    result.expect_err("an error").code()
}
