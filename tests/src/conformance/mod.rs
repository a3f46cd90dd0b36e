//! Engine-neutral cases in EDN, run against the public API and through the forms of `factum exec`. Every case of the bundled file was
//! checked on Datalevin 1.2.8; `tests/cases/README.md` says how.

pub mod case;
pub mod exec;
pub mod run;
