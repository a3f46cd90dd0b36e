//! A small engine for the grammar files: reads their EBNF, makes sentences of it, and recognises sentences.
//!
//! ```text
//! grammar/*.ebnf --ebnf--> Grammar --generate--> sentence ------------------> the parser must accept it
//!                             |                      `--mutate--> text --+--> parser: yes or no \
//!                             `--recognise---------------------------------> grammar: yes or no / must agree
//! ```
//!
//! Only [`languages`] knows the parsers: what a grammar accepts follows from its file alone.

pub mod agreement;
pub mod ebnf;
pub mod generate;
pub mod languages;
pub mod mutate;
pub mod recognise;

use std::path::PathBuf;

pub use ebnf::Grammar;
pub use generate::Generator;
pub use languages::{LANGUAGES, Language, Verdict};
pub use recognise::Recogniser;

/// The folder of the grammar files.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../grammar")
}

/// Loads grammar files of the repository, the later ones using the productions of the earlier ones.
///
/// # Panics
///
/// If a file is missing or is no grammar: the tests cannot go on.
pub fn load(files: &[&str]) -> Grammar {
    let texts: Vec<String> = files
        .iter()
        .map(|file| std::fs::read_to_string(folder().join(file)).expect("the grammar file is readable"))
        .collect();
    match Grammar::parse(&texts.concat()) {
        Ok(grammar) => grammar,
        Err(error) => panic!("{files:?}: {error}"),
    }
}

/// How many sentences a test makes: `FACTUM_CASES`, or the given number.
pub fn cases(default: usize) -> usize {
    std::env::var("FACTUM_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seed of a test run: `FACTUM_SEED`, or a fixed one, so that failures can be had again.
pub fn seed() -> u64 {
    std::env::var("FACTUM_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_240_601)
}
