//! Random small databases and random safe queries over them, from a seed.
//!
//! Values of integer attributes and entity ids overlap on purpose, so that joins between any two positions have answers.
//! Every query is safe: conditions speak of variables that patterns bind.

use std::collections::BTreeSet;
use std::fmt::Write;

use edn::{Keyword, Value};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::Fact;

/// The schema of every generated database, as EDN.
pub const SCHEMA: &str = "{:n/one {:db/valueType :db.type/long}
  :n/many {:db/valueType :db.type/long, :db/cardinality :db.cardinality/many}
  :n/to {:db/valueType :db.type/ref, :db/cardinality :db.cardinality/many}
  :n/up {:db/valueType :db.type/ref}
  :n/tag {:db/valueType :db.type/string, :db/cardinality :db.cardinality/many}}";

/// Rules that generated queries call; all of them bind what their heads name.
pub const RULES: &str = r#"[[(path ?a ?b) [?a :n/to ?b]]
  [(path ?a ?b) [?a :n/to ?c] (path ?c ?b)]
  [(back ?a ?b) [?b :n/up ?a]]
  [(back ?a ?b) (back ?a ?c) [?b :n/up ?c]]
  [(pair ?a ?b) (pair ?a ?c) (pair ?c ?b)]
  [(pair ?a ?b) [?a :n/to ?b]]
  [(even ?a ?b) [?a :n/up ?c] (odd ?c ?b)]
  [(even ?a ?b) [?a :n/up _] [(identity ?a) ?b]]
  [(odd ?a ?b) [?a :n/up ?c] (even ?c ?b)]
  [(small ?a ?b) [?a :n/one ?b] [(< ?b 4)]]
  [(apart ?a ?b) [?a :n/one _] [?b :n/one _] (not (path ?a ?b))]
  [(count-to ?a ?b) [?a :n/one ?b]]
  [(count-to ?a ?b) (count-to ?a ?c) [(< ?c 6)] [(+ ?c 1) ?b]]]"#;

const RULE_NAMES: [&str; 7] = ["path", "back", "pair", "even", "small", "apart", "count-to"];
const NUMBERS: [&str; 4] = [":n/one", ":n/many", ":n/to", ":n/up"];
const TAGS: [&str; 3] = ["x", "y", "z"];
const VARIABLES: [&str; 5] = ["?a", "?b", "?c", "?d", "?f"];

/// A query with [`RULES`] as its second input, and the third where there is one: a variable for a number.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query.
    pub text: String,
    /// The variable.
    pub input: Option<&'static str>,
}

/// Makes databases and queries.
pub struct Generator {
    random: StdRng,
}

impl Generator {
    /// The same seed makes the same things.
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed) }
    }

    /// One of the few numbers that occur.
    pub fn number(&mut self) -> i64 {
        self.random.random_range(1..8)
    }

    fn pick<'s>(&mut self, from: &[&'s str]) -> &'s str {
        from.choose(&mut self.random).expect("not empty")
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// Facts that respect [`SCHEMA`], each once.
    pub fn facts(&mut self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = Vec::new();
        for _ in 0..self.random.random_range(0..40) {
            let entity = self.number();
            let (attribute, value) = match self.chance(15) {
                true => (":n/tag", Value::from(self.pick(&TAGS))),
                false => (self.pick(&NUMBERS), Value::Int(self.number())),
            };
            let attribute = Keyword::from(attribute);
            let single = matches!(attribute.name(), "one" | "up");
            let exists =
                facts.iter().any(|(e, a, v)| *e == entity && *a == attribute && (single || *v == value));
            if !exists {
                facts.push((entity, attribute, value));
            }
        }
        facts
    }

    /// A query with `:in $ %`, some of them with a number as a further input.
    pub fn query(&mut self) -> Question {
        let mut bound = BTreeSet::new();
        let mut clauses: Vec<String> = Vec::new();
        for _ in 0..self.random.random_range(1..4) {
            clauses.push(self.positive(&mut bound));
        }
        if bound.is_empty() {
            clauses.push("[?a :n/one ?b]".into());
            bound.extend(["?a", "?b"]);
        }
        let known: Vec<&str> = bound.iter().copied().collect();
        for _ in 0..self.random.random_range(0..3) {
            let condition = self.condition(&known);
            clauses.push(condition);
        }
        if self.chance(25) {
            let from = self.pick(&known);
            let step = self.number();
            clauses.push(format!("[(+ {from} {step}) ?sum]"));
            bound.insert("?sum");
        }
        for at in (1..clauses.len()).rev() {
            let other = self.random.random_range(0..=at);
            clauses.swap(at, other);
        }
        let known: Vec<&str> = bound.iter().copied().collect();
        let count = self.random.random_range(1..=known.len().min(3));
        let found: Vec<&str> = known.choose_multiple(&mut self.random, count).copied().collect();
        let inputs: Vec<&'static str> =
            VARIABLES.into_iter().filter(|variable| known.contains(variable)).collect();
        let input = self.chance(40).then(|| inputs.choose(&mut self.random).copied()).flatten();
        let (found, clauses) = (found.join(" "), clauses.join(" "));
        let text = format!("[:find {found} :in $ % {} :where {clauses}]", input.unwrap_or_default());
        Question { text, input }
    }

    /// A clause that binds: a pattern, a rule call, an `or` or a constant collection.
    fn positive(&mut self, bound: &mut BTreeSet<&'static str>) -> String {
        match self.random.random_range(0..100) {
            0..65 => self.pattern(bound),
            65..80 => {
                let name = self.pick(&RULE_NAMES);
                let (first, second) = (self.term(bound), self.term(bound));
                format!("({name} {first} {second})")
            }
            80..90 => {
                let (x, y) = (self.pick(&VARIABLES), self.pick(&VARIABLES));
                let (left, right) = (self.pick(&NUMBERS), self.pick(&NUMBERS));
                bound.extend([x, y]);
                format!("(or [{x} {left} {y}] (and [{y} {right} {x}] [{x} :n/one _]))")
            }
            90..95 => {
                let x = self.pick(&VARIABLES);
                bound.insert(x);
                let (left, right) = (self.pick(&NUMBERS), self.pick(&NUMBERS));
                format!("(or-join [{x}] [{x} {left} ?inner] (and [?inner {right} {x}] [?inner :n/one _]))")
            }
            _ => {
                let x = self.pick(&VARIABLES);
                bound.insert(x);
                format!("[(ground [{} {} {}]) [{x} ...]]", self.number(), self.number(), self.number())
            }
        }
    }

    fn pattern(&mut self, bound: &mut BTreeSet<&'static str>) -> String {
        if self.chance(10) {
            let (entity, tag) = (self.term(bound), self.pick(&TAGS));
            return format!("[{entity} :n/tag \"{tag}\"]");
        }
        let (entity, attribute) = (self.term(bound), self.pick(&NUMBERS));
        match self.chance(10) {
            true => format!("[{entity} {attribute}]"),
            false => format!("[{entity} {attribute} {}]", self.term(bound)),
        }
    }

    fn term(&mut self, bound: &mut BTreeSet<&'static str>) -> String {
        match self.random.random_range(0..100) {
            0..75 => {
                let variable = self.pick(&VARIABLES);
                bound.insert(variable);
                variable.to_string()
            }
            75..90 => self.number().to_string(),
            _ => "_".into(),
        }
    }

    fn condition(&mut self, known: &[&str]) -> String {
        let x = self.pick(known);
        let y = self.pick(known);
        let n = self.number();
        let attribute = self.pick(&NUMBERS);
        match self.random.random_range(0..8) {
            0 => format!("[({} {x} {n})]", self.pick(&["<", "<=", ">", ">=", "=", "not="])),
            1 => format!("[({} {x} {y})]", self.pick(&["<", "<=", "not=", "="])),
            2 => format!("[(< {x} {n}.5)]"),
            3 => {
                let (low, high) = (self.number(), self.number());
                format!("[(<= {low} {x} {high})]")
            }
            4 => {
                let mut list = String::new();
                for _ in 0..self.random.random_range(0..4) {
                    write!(list, "{} ", self.number()).expect("writes to a string");
                }
                format!("[({} {x} [{list}])]", self.pick(&["in", "not-in"]))
            }
            5 => format!("(not [{x} {attribute} {y}])"),
            6 => format!("(not-join [{x}] [{x} {attribute} ?hidden] [?hidden :n/one _])"),
            _ => format!("(not (path {x} {y}))"),
        }
    }
}
