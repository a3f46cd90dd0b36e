//! The conformance cases, in memory and on disk: the bundled ones, which were checked on Datalevin, and those of our own.

use tests::conformance::case::Case;
use tests::conformance::exec;
use tests::conformance::run::{Place, check};

/// Cases that Factum answers differently on purpose, or not yet, each with its reason.
const SKIPPED: &[(&str, &str)] = &[
    ("unknown-top-level-clause-is-ignored", "unknown sections are errors here"),
    ("having-on-plain-variable-disables-having", "a :having that does not parse is an error here"),
    ("tx-id-collides-with-entity-ids", "transaction ids have a range of their own"),
    ("retracted-max-id-is-reused", "entity ids are never reused"),
    ("rule-unbound-head-var-yields-nil", "an unbound head variable is an error here"),
    ("pull-same-attribute-twice-keeps-one", "both projections are returned"),
    ("fulltext-whole-db", "no full-text index yet"),
    ("fulltext-joins-with-patterns", "no full-text index yet"),
    ("fulltext-boolean-expression", "no full-text index yet"),
    ("fulltext-no-hit", "no full-text index yet"),
    ("fulltext-follows-retraction", "no full-text index yet"),
    ("fulltext-texts-display", "no full-text index yet"),
    ("err-fulltext-attr-without-domain", "no full-text index yet"),
    ("vec-by-domain", "no vector index yet"),
    ("vec-distance-of-identical-is-zero", "no vector index yet"),
    ("err-vec-wrong-dimension", "no vector index yet"),
    ("err-vec-pattern-scan-unindexed", "no vector index yet"),
    ("idoc-nested-and-array", "no document index yet"),
    ("idoc-path-predicate-range", "no document index yet"),
    ("idoc-or-not", "no document index yet"),
    ("idoc-wildcard-depth", "no document index yet"),
    ("idoc-get", "no document index yet"),
    ("idoc-patch", "no document index yet"),
    ("err-idoc-numeric-key", "no document index yet"),
];

/// Every file of cases: its name and its text.
const FILES: &[(&str, &str)] = &[
    ("conformance", include_str!("../cases/conformance.edn")),
    ("language", include_str!("../cases/language.edn")),
    ("transactions", include_str!("../cases/transactions.edn")),
    ("schema", include_str!("../cases/schema.edn")),
    ("types", include_str!("../cases/types.edn")),
    ("data", include_str!("../cases/data.edn")),
    ("combinations", include_str!("../cases/combinations.edn")),
    ("reading", include_str!("../cases/reading.edn")),
    ("kv", include_str!("../cases/kv.edn")),
];

fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|(_, text)| Case::read_all(text)).collect()
}

/// Runs the cases that `suits` and that are not skipped.
fn run(suits: impl Fn(&Case) -> bool, check: impl Fn(&Case) -> Result<(), String>) {
    let cases = cases();
    let skipped = |case: &Case| SKIPPED.iter().any(|(name, _)| *name == case.name);
    let chosen: Vec<&Case> = cases.iter().filter(|case| !skipped(case) && suits(case)).collect();
    let failures: Vec<String> = chosen
        .iter()
        .filter_map(|case| check(case).err().map(|problem| format!("{}: {problem}", case.name)))
        .collect();
    println!(
        "{} of {} cases pass, {} are skipped",
        chosen.len() - failures.len(),
        chosen.len(),
        SKIPPED.len()
    );
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

/// Cases given as forms have no other way to run.
fn is_of_forms(case: &Case) -> bool {
    case.get("do").is_some()
}

#[test]
fn in_memory() {
    run(|case| !is_of_forms(case), |case| check(case, Place::Memory));
}

#[test]
fn on_disk() {
    run(|case| !is_of_forms(case), |case| check(case, Place::Disk));
}

#[test]
fn through_exec() {
    // What the runner registers in Rust has no form.
    run(|case| case.get("registered").is_none(), exec::check);
}

#[test]
fn names_are_unique_and_skipped_cases_exist() {
    let cases = cases();
    for (name, _) in SKIPPED {
        assert!(cases.iter().any(|case| case.name == *name), "no case is called {name}");
    }
    for (at, case) in cases.iter().enumerate() {
        assert!(
            cases[..at].iter().all(|other| other.name != case.name),
            "two cases are called {}",
            case.name
        );
    }
}
