//! The two checks that hold a grammar and a parser together.

use rand::Rng;

use super::mutate::mutate;
use super::{Generator, Language, Recogniser, Verdict, cases, load, seed};

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

/// Texts around productions, written as `{production}`, so that what they generate hangs together: in a query made of nothing but
/// random parts, almost every variable is bound nowhere.
///
/// The share of undamaged texts that mean something must be `meaningful` percent; of damaged ones, grammar and parser must say
/// the same, also where the parser refuses for a reason that no grammar can state, as long as it has read the whole text by then.
///
/// # Panics
///
/// If grammar and parser disagree.
pub fn check_damage_around(language: &Language, skeletons: &[&str], meaningful: usize) {
    let grammar = load(language.files);
    let mut generator = language.generator(&grammar, seed() + 2);
    let recogniser = Recogniser::new(&grammar);
    let count = cases(1200);
    let (mut whole, mut accepted, mut beyond, mut refused) = (0, 0, 0, 0);
    for case in 0..count {
        let depth = generator.rng().random_range(4..10);
        let sentence = fill(skeletons[case % skeletons.len()], &mut generator, depth);
        let at = format!("case {case}, seed {}", seed());
        match (language.parse)(&sentence) {
            Verdict::Accepted => whole += 1,
            Verdict::Beyond(_) => {}
            Verdict::Refused(refusal) => panic!("{at}: the parser refuses {sentence:?}\n{}", refusal.message),
        }
        assert!(case % 8 != 0 || recogniser.accepts(language.start, &sentence), "{at}: {sentence:?}");
        let text = mutate(&sentence, language.pieces, generator.rng());
        let by_grammar = recogniser.accepts(language.start, &text);
        match (language.parse)(&text) {
            Verdict::Accepted => {
                assert!(by_grammar, "{at}: the parser accepts and the grammar does not: {text:?}");
                accepted += 1;
            }
            Verdict::Beyond(refusal) if refusal.was_read => {
                assert!(
                    by_grammar,
                    "{at}: the parser read {text:?} and the grammar cannot\n{}",
                    refusal.message
                );
                beyond += 1;
            }
            Verdict::Beyond(_) => {}
            Verdict::Refused(refusal) => {
                assert!(!by_grammar, "{at}: the grammar accepts {text:?}\n{}", refusal.message);
                refused += 1;
            }
        }
    }
    println!(
        "{count} texts: {whole} mean something; damaged {accepted} accepted, {beyond} read, {refused} refused"
    );
    assert!(whole * 100 >= count * meaningful, "only {whole} of {count} undamaged texts mean something");
    assert!(
        accepted > count / 40 && refused > count / 10,
        "{accepted} accepted, {refused} refused: too one-sided to tell"
    );
}

/// The text with a sentence in place of each `{production}`.
fn fill(skeleton: &str, generator: &mut Generator<'_>, depth: usize) -> String {
    let mut text = String::new();
    let mut rest = skeleton;
    // A brace that opens a map is followed by a keyword, never by a letter.
    let begins = |rest: &str, at: usize| rest[at + 1..].starts_with(|c: char| c.is_alphabetic());
    while let Some((open, _)) = rest.match_indices('{').find(|(at, _)| begins(rest, *at)) {
        let close = open + rest[open..].find('}').expect("a production's name ends");
        text.push_str(&rest[..open]);
        text.push_str(&generator.sentence(&rest[open + 1..close], depth));
        rest = &rest[close + 1..];
    }
    text + rest
}
