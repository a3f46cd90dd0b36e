//! The bodies of the fuzz targets over the sample texts of the grammars and mutations of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tests::fuzz::{edn_reader, pages_reader, query_parser, transaction_parser};
use tests::grammar::mutate::mutate;
use tests::grammar::{self, Language};

use super::{seed, tries};

/// The sample files of one language; rejected ones begin with a line that says why, which is a comment to every reader.
fn corpus(language: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for folder in ["accept", "reject"] {
        for entry in std::fs::read_dir(grammar::folder().join(folder)).expect("the samples are there") {
            let path = entry.expect("readable").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(&format!("{language}-")) {
                texts.push(std::fs::read_to_string(path).expect("readable"));
            }
        }
    }
    assert!(texts.len() > 5, "{language}: a corpus");
    texts.sort();
    texts
}

/// Runs `check` over the corpus and mutations of it, and over generated sentences and mutations of those.
fn over_texts(name: &str, count: u64, mut check: impl FnMut(&str)) {
    let language = Language::named(name);
    let corpus = corpus(name);
    let grammar = grammar::load(language.files);
    let mut generator = language.generator(&grammar, seed());
    let mut run = |text: &str| {
        if catch_unwind(AssertUnwindSafe(|| check(text))).is_err() {
            panic!("seed {}: {text:?}", seed());
        }
    };
    corpus.iter().for_each(|text| run(text));
    for round in 0..tries(count) {
        let mut text = match round % 3 {
            0 => generator.sentence(language.start, 8),
            _ => corpus.choose(generator.rng()).expect("not empty").clone(),
        };
        for _ in 0..generator.rng().random_range(0..4) {
            text = mutate(&text, language.pieces, generator.rng());
        }
        run(&text);
    }
}

#[test]
fn edn_texts() {
    over_texts("edn", 4000, edn_reader::check);
}

#[test]
fn query_texts() {
    let mut answered = 0;
    over_texts("query", 3000, |text| answered += u64::from(query_parser::check(text)));
    assert!(answered > 20, "only {answered} texts were queries with an answer");
}

#[test]
fn transaction_texts() {
    let mut taken = 0;
    over_texts("transaction", 3000, |text| taken += u64::from(transaction_parser::check(text)));
    assert!(taken > 100, "only {taken} texts were transactions");
}

#[test]
fn changed_files() {
    let mut random = StdRng::seed_from_u64(seed() + 3);
    let mut noticed = 0;
    assert!(!pages_reader::check(&[]), "the file without changes is sound");
    let count = tries(150);
    for _ in 0..count {
        let mut changes = vec![0_u8; 5 * random.random_range(1..8)];
        random.fill(&mut changes[..]);
        let outcome = catch_unwind(AssertUnwindSafe(|| pages_reader::check(&changes)));
        noticed += u64::from(outcome.unwrap_or_else(|_| panic!("seed {}: {changes:?}", seed())));
    }
    assert!(noticed > count / 10, "damage was noticed in {noticed} of {count} files");
}
