//! `grammar/edn.ebnf` and the EDN reader say the same about generated and damaged texts.

use edn::{Error, Reader};
use rand::Rng;
use tests::grammar::{self, Generator, Recogniser, mutate};

/// What the reader checks beyond the grammar, as the head of the grammar file says.
const BEYOND: [&str; 6] = [
    ":edn/duplicate-key",
    ":edn/duplicate-element",
    ":edn/overflow",
    ":edn/number-range",
    ":edn/tagged",
    ":edn/limit",
];

const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "#{",
    "\"",
    "\\",
    ";",
    "\n",
    " ",
    ",",
    "#_",
    "#",
    "##",
    "#:a",
    "#a",
    "^",
    "'",
    "@",
    "~",
    "/",
    "//",
    ":",
    "::",
    "0",
    "1",
    "7",
    "9",
    "N",
    "M",
    ".",
    "e",
    "E1",
    "-",
    "+",
    "r",
    "x",
    "1/",
    "nil",
    "true",
    "\\u",
    "\\u00e4",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\o7",
    "\\8",
    "\\377",
    "\\400",
    "\\12",
    "#inst",
    "##Inf",
    "a",
    "ä",
    "\u{a0}",
    "\u{1}",
    "\u{85}",
    "#!",
    "_",
    "#^",
    "#\"",
    "|",
    "`",
    "\u{feff}",
    ":a/:b",
    "a/b",
    "a/1",
    "+1",
    "-.5",
    "1N",
    "1.5M",
    "a:",
    "#nil",
    "#:a{",
    "'a",
];

fn read(text: &str) -> Result<usize, Error> {
    Reader::new(text).try_fold(0, |count, form| form.map(|_| count + 1))
}

#[test]
fn sentences_of_the_grammar_read() {
    let grammar = grammar::load(&["edn.ebnf"]);
    let mut generator = Generator::new(&grammar, grammar::seed());
    let mut beyond = 0;
    let cases = grammar::cases(2000);
    for case in 0..cases {
        let depth = generator.rng().random_range(2..14);
        let text = generator.sentence("text", depth);
        match read(&text) {
            Ok(_) => {}
            Err(error) if BEYOND.contains(&error.code()) => beyond += 1,
            Err(error) => {
                panic!("case {case} with seed {}: {text:?}\n{}", grammar::seed(), error.render(&text))
            }
        }
    }
    assert!(beyond * 3 < cases, "{beyond} of {cases} sentences fail beyond the grammar");
    let unused = generator.unused("text");
    assert!(unused.is_empty(), "productions without a sentence: {unused:?}");
}

#[test]
fn sentences_are_recognised() {
    let grammar = grammar::load(&["edn.ebnf"]);
    let mut generator = Generator::new(&grammar, grammar::seed() + 1);
    let recogniser = Recogniser::new(&grammar);
    for _ in 0..grammar::cases(300) {
        let text = generator.sentence("text", 8);
        assert!(recogniser.accepts("text", &text), "{text:?}");
    }
}

#[test]
fn damaged_sentences_are_judged_alike() {
    let grammar = grammar::load(&["edn.ebnf"]);
    let mut generator = Generator::new(&grammar, grammar::seed() + 2);
    let recogniser = Recogniser::new(&grammar);
    let (mut accepted, mut rejected) = (0, 0);
    for case in 0..grammar::cases(3000) {
        let sentence = generator.sentence("text", 6);
        let text = mutate::mutate(&sentence, PIECES, generator.rng());
        let by_grammar = recogniser.accepts("text", &text);
        match read(&text) {
            Ok(_) => {
                assert!(by_grammar, "case {case}: the reader accepts and the grammar does not: {text:?}")
            }
            Err(error) if BEYOND.contains(&error.code()) => {}
            Err(error) => {
                assert!(!by_grammar, "case {case}: the grammar accepts {text:?}\n{}", error.render(&text));
            }
        }
        if by_grammar { accepted += 1 } else { rejected += 1 }
    }
    assert!(
        accepted > 100 && rejected > 100,
        "{accepted} accepted, {rejected} rejected: too one-sided to tell"
    );
}
