//! The sample files beside the grammars: `accept/` must parse, `reject/` must fail with the error and the place that
//! the first line of the file names, and the grammars must agree.

use std::collections::BTreeMap;
use std::fs;

use tests::grammar::{self, Language, Recogniser, Verdict};

/// The sample files of a folder: name and text.
fn samples(folder: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(grammar::folder().join(folder)).expect("the samples are there");
    entries
        .map(|entry| {
            let entry = entry.expect("readable");
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read_to_string(entry.path()).expect("readable"))
        })
        .collect()
}

/// The language of a sample, and whether its grammar accepts the text.
fn judge(name: &str, text: &str) -> (&'static Language, bool) {
    let language = Language::named(name.split('-').next().unwrap_or_default());
    let grammar = grammar::load(language.files);
    (language, Recogniser::new(&grammar).accepts(language.start, text))
}

#[test]
fn accepted_samples_parse() {
    for (name, text) in samples("accept") {
        let (language, by_grammar) = judge(&name, &text);
        match (language.parse)(&text) {
            Verdict::Accepted => {}
            Verdict::Beyond(refusal) | Verdict::Refused(refusal) => {
                panic!("{name}: {}\n{}", refusal.summary(&text), refusal.message)
            }
        }
        assert!(by_grammar, "{name}: the grammar refuses it");
    }
}

#[test]
fn rejected_samples_fail_as_they_say() {
    for (name, text) in samples("reject") {
        let expected = text.lines().next().and_then(|line| line.strip_prefix("; ")).unwrap_or_default();
        let (language, by_grammar) = judge(&name, &text);
        let (refusal, is_beyond) = match (language.parse)(&text) {
            Verdict::Accepted => panic!("{name} parses"),
            Verdict::Beyond(refusal) => (refusal, true),
            Verdict::Refused(refusal) => (refusal, false),
        };
        assert_eq!(refusal.summary(&text), expected, "{name}");
        assert_eq!(by_grammar, is_beyond, "{name}: the grammar is of another mind");
    }
}

#[test]
fn every_language_has_samples() {
    for folder in ["accept", "reject"] {
        let samples = samples(folder);
        for language in grammar::LANGUAGES {
            let prefix = format!("{}-", language.name);
            assert!(samples.keys().any(|name| name.starts_with(&prefix)), "{folder}/{prefix}*");
        }
    }
}
