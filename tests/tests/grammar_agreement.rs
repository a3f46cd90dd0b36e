//! Each grammar file and its parser say the same about generated and damaged texts.

use tests::grammar::Language;
use tests::grammar::agreement::{check_damage, check_damage_around, check_sentences};

#[test]
fn edn_sentences() {
    check_sentences(Language::named("edn"), 66, &[]);
}

#[test]
fn edn_damage() {
    check_damage(Language::named("edn"));
}

#[test]
fn query_sentences() {
    // Most generated queries name variables that nothing binds: they agree in form, few of them mean something.
    check_sentences(Language::named("query"), 0, &[]);
}

#[test]
fn query_damage() {
    let skeletons = [
        "[:find ?x ?y :in $ % :where [?x :name ?y] {clause}]",
        "[:find ?x :in $ % :where {clause} [?x :name ?y] {clause}]",
        "[:find {find-element} {find-element} :in $ :where [?x :name ?y]]",
        "[:find ?x (count ?y) (sum ?y) :where [?x :name ?y] :having {condition}]",
        "[:find ?z :in $ [?z ...] {binding} :where [?z :name]]",
        "[:find ?x ?y :where [?x :name ?y] :order-by [{order-key}] :limit 3]",
        "{:find [?x ?y], :in [$ %], :where [[?x :name ?y] {clause}]}",
        "{query}",
    ];
    check_damage_around(Language::named("query"), &skeletons, 50);
}

#[test]
fn rules_sentences() {
    check_sentences(Language::named("rules"), 20, &["query", "pull-pattern", "aggregate"]);
}

#[test]
fn rules_damage() {
    check_damage(Language::named("rules"));
}

#[test]
fn pull_sentences() {
    check_sentences(Language::named("pull"), 30, &[]);
}

#[test]
fn pull_damage() {
    check_damage(Language::named("pull"));
}

#[test]
fn transaction_sentences() {
    check_sentences(Language::named("transaction"), 10, &[]);
}

#[test]
fn transaction_damage() {
    check_damage(Language::named("transaction"));
}
