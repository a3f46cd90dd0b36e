//! The two checks that hold a grammar and a parser together.

use rand::Rng;

use super::mutate::mutate;
use super::{Language, Recogniser, Verdict, cases, load, seed};

/// Sentences of the grammar parse. `meaningful` is the least share in percent of those that also mean something;
/// every production must have been used, but for those that are only reached through productions `elsewhere`.
///
/// # Panics
///
/// If grammar and parser disagree.
pub fn check_sentences(language: &Language, meaningful: usize, elsewhere: &[&str]) {
    let grammar = load(language.files);
    let mut generator = language.generator(&grammar, seed());
    let count = cases(1500);
    let mut accepted = 0;
    for case in 0..count {
        let depth = generator.rng().random_range(2..14);
        let text = generator.sentence(language.start, depth);
        match (language.parse)(&text) {
            Verdict::Accepted => accepted += 1,
            Verdict::Beyond(_) => {}
            Verdict::Refused(refusal) => {
                panic!("case {case}, seed {}: the parser refuses {text:?}\n{}", seed(), refusal.message)
            }
        }
    }
    assert!(accepted * 100 >= count * meaningful, "only {accepted} of {count} sentences mean something");
    let unused = generator.unused(language.start, elsewhere);
    assert!(unused.is_empty(), "productions without a sentence: {unused:?}");
}

/// The grammar recognises its own sentences, and of damaged ones exactly those that the parser accepts.
///
/// # Panics
///
/// If grammar and parser disagree.
pub fn check_damage(language: &Language) {
    let grammar = load(language.files);
    let mut generator = language.generator(&grammar, seed() + 1);
    let recogniser = Recogniser::new(&grammar);
    let (mut accepted, mut refused) = (0, 0);
    for case in 0..cases(2000) {
        let depth = generator.rng().random_range(2..10);
        let sentence = generator.sentence(language.start, depth);
        if case % 8 == 0 {
            assert!(recogniser.accepts(language.start, &sentence), "case {case}: {sentence:?}");
        }
        let text = mutate(&sentence, language.pieces, generator.rng());
        let by_grammar = recogniser.accepts(language.start, &text);
        let at = format!("case {case}, seed {}", seed());
        match (language.parse)(&text) {
            Verdict::Accepted => {
                assert!(by_grammar, "{at}: the parser accepts and the grammar does not: {text:?}");
                accepted += 1;
            }
            Verdict::Beyond(_) => {}
            Verdict::Refused(refusal) => {
                assert!(!by_grammar, "{at}: the grammar accepts {text:?}\n{}", refusal.message);
                refused += 1;
            }
        }
    }
    assert!(accepted > 50 && refused > 50, "{accepted} accepted, {refused} refused: too one-sided to tell");
}
