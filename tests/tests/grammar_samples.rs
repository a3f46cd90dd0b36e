//! The sample files beside the grammars: `accept/` must parse, `reject/` must fail with the error that the first
//! line of the file names, and the grammars must agree.

use std::collections::BTreeMap;
use std::fs;

use edn::{Position, Reader};
use tests::grammar::{self, Grammar, Recogniser};

/// What a parser says of a text: nothing, or a code and the offset of the error.
type Judgement = Result<(), (String, Option<usize>)>;

/// One of the languages: its grammar, its parser, and the codes of what the parser checks beyond the grammar.
struct Language {
    files: &'static [&'static str],
    start: &'static str,
    parse: fn(&str) -> Judgement,
    beyond: &'static [&'static str],
}

/// The languages by the first word of the sample files' names.
const LANGUAGES: &[(&str, Language)] = &[(
    "edn",
    Language {
        files: &["edn.ebnf"],
        start: "text",
        parse: parse_edn,
        beyond: &[
            ":edn/duplicate-key",
            ":edn/duplicate-element",
            ":edn/overflow",
            ":edn/number-range",
            ":edn/tagged",
        ],
    },
)];

fn parse_edn(text: &str) -> Judgement {
    for form in Reader::new(text) {
        form.map_err(|error| (error.code().to_owned(), Some(error.span().start)))?;
    }
    Ok(())
}

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

fn language(name: &str) -> &'static Language {
    let word = name.split('-').next().unwrap_or_default();
    match LANGUAGES.iter().find(|(known, _)| *known == word) {
        Some((_, language)) => language,
        None => panic!("{name}: no language {word}"),
    }
}

fn grammar_of(language: &Language) -> Grammar {
    grammar::load(language.files)
}

#[test]
fn accepted_samples_parse() {
    for (name, text) in samples("accept") {
        let language = language(&name);
        if let Err((code, at)) = (language.parse)(&text) {
            panic!("{name}: {code} at {:?}", at.map(|at| Position::of(&text, at)));
        }
        let grammar = grammar_of(language);
        assert!(Recogniser::new(&grammar).accepts(language.start, &text), "{name}: the grammar rejects it");
    }
}

#[test]
fn rejected_samples_fail_as_they_say() {
    for (name, text) in samples("reject") {
        let language = language(&name);
        let expected = text.lines().next().and_then(|line| line.strip_prefix("; ")).unwrap_or_default();
        let Err((code, at)) = (language.parse)(&text) else { panic!("{name} parses") };
        let found = match at {
            Some(at) => {
                let Position { line, column, .. } = Position::of(&text, at);
                format!("{code} at {line}:{column}")
            }
            None => code.clone(),
        };
        assert_eq!(found, expected, "{name}");
        let grammar = grammar_of(language);
        assert_eq!(
            Recogniser::new(&grammar).accepts(language.start, &text),
            language.beyond.contains(&code.as_str()),
            "{name}: the grammar is of another mind"
        );
    }
}
