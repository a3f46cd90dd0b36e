//! Engine-neutral cases in EDN, run against the public API. Every case of the bundled file was checked on Datalevin 1.2.8.

pub mod case;
pub mod run;
