//! Random queries and rules that nest: `or-join`, `not-join`, `or` and `not` inside of each other and inside of rules, which call each
//! other in strata.
//!
//! ```text
//! rules r0 .. r3, two a stratum --call--> bodies --nest, DEPTH levels--> bodies --> patterns, functions, conditions
//! ```
//!
//! A body gets the variables that it shall bind and those that have values already. Functions give small numbers only, so that
//! recursion through them ends. Databases are those of [`super::generate`], with its schema.

use std::collections::BTreeSet;
use std::fmt::Write;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

const ATTRIBUTES: [&str; 4] = [":n/one", ":n/many", ":n/to", ":n/up"];
const VARIABLES: [&str; 4] = ["?a", "?b", "?c", "?d"];
const DEPTH: u32 = 3;

/// Queries to ask of one set of rules.
pub struct Generator {
    random: StdRng,
    locals: usize,
    rules: Vec<Rule>,
    /// The rules that may be called where a body is written, and those of them that may be called under a negation.
    callable: (usize, usize),
}

/// A rule of two arguments.
#[derive(Clone, Copy)]
struct Rule {
    /// Whether its first argument needs a value before the call.
    required: bool,
}

type Names = BTreeSet<String>;

impl Generator {
    /// The same seed makes the same things.
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), locals: 0, rules: Vec::new(), callable: (0, 0) }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn number(&mut self) -> usize {
        1 + self.below(7)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from.choose(&mut self.random).expect("not empty")
    }

    fn one_of(&mut self, names: &Names) -> Option<String> {
        let names: Vec<&String> = names.iter().collect();
        names.choose(&mut self.random).map(|name| (*name).clone())
    }

    fn local(&mut self) -> String {
        self.locals += 1;
        format!("?l{}", self.locals)
    }

    /// The rules that the queries call, as EDN.
    pub fn rules(&mut self) -> String {
        let count = 1 + self.below(4);
        self.rules = (0..count).map(|_| Rule { required: self.random.random_bool(0.2) }).collect();
        let mut text = String::from("[");
        for number in 0..count {
            self.callable = (count.min(number / 2 * 2 + 2), number / 2 * 2);
            let required = self.rules[number].required;
            let head = if required { "[?x] ?y" } else { "?x ?y" };
            for _ in 0..1 + self.below(3) {
                let known = if required { Names::from(["?x".to_owned()]) } else { Names::new() };
                let body = self.body(Names::from(["?x".to_owned(), "?y".to_owned()]), &known, DEPTH - 1);
                write!(text, "[(r{number} {head}) {body}]\n ").expect("writes to a string");
            }
        }
        self.callable = (count, count);
        text.push(']');
        text
    }

    /// A query with `:in $ %` and for some a number as the value of the variable that comes with it.
    pub fn query(&mut self) -> super::generate::Question {
        let count = 1 + self.below(VARIABLES.len());
        let mut shuffled = VARIABLES;
        shuffled.shuffle(&mut self.random);
        let names: Names = shuffled[..count].iter().map(|name| (*name).to_owned()).collect();
        let input = self.chance(40).then_some(shuffled[0]);
        let known: Names = input.iter().map(|name| (*name).to_owned()).collect();
        let body = self.body(names, &known, DEPTH);
        let found = shuffled[..count.min(3)].join(" ");
        let text = format!("[:find {found} :in $ % {} :where {body}]", input.unwrap_or_default());
        super::generate::Question { text, input }
    }

    /// Clauses that bind `wanted`, of which `known` have values before, in any order.
    fn body(&mut self, wanted: Names, known: &Names, depth: u32) -> String {
        let mut clauses = Vec::new();
        let mut bound = known.clone();
        let mut left: Vec<String> = wanted.iter().cloned().collect();
        left.shuffle(&mut self.random);
        while let Some(name) = left.pop() {
            // What has a value already may get a clause that would bind it, too.
            if !bound.contains(&name) || self.chance(50) {
                let clause = self.binding(&name, &wanted, &mut bound, depth);
                clauses.push(clause);
            }
        }
        for _ in 0..self.below(if depth == 0 { 2 } else { 3 }) {
            let condition = self.condition(&bound, depth);
            clauses.push(condition);
        }
        if clauses.is_empty() {
            let name = self.one_of(&bound).expect("a body is about something");
            clauses.push(format!("[(<= {name} {})]", self.number()));
        }
        clauses.shuffle(&mut self.random);
        clauses.join(" ")
    }

    /// The other place of a clause that binds a variable.
    fn other(&mut self, wanted: &Names, bound: &mut Names) -> String {
        let name = match self.below(100) {
            0..45 => self.one_of(wanted).expect("a body is about something"),
            45..75 => self.local(),
            75..90 => return self.number().to_string(),
            _ => return "_".into(),
        };
        bound.insert(name.clone());
        name
    }

    /// A clause that binds `name`.
    fn binding(&mut self, name: &str, wanted: &Names, bound: &mut Names, depth: u32) -> String {
        let kind = self.below(100);
        let known = self.one_of(bound);
        let clause = match kind {
            0..20 if depth > 0 => self.alternatives(name, wanted, bound, depth),
            20..28 if depth > 0 && known.is_some() => {
                let known = known.expect("checked");
                if known == name {
                    return self.binding(name, wanted, bound, depth - 1);
                }
                let inside = Names::from([known.clone()]);
                let branches: Vec<String> = (0..1 + self.below(2))
                    .map(|_| self.body(Names::from([name.to_owned()]), &inside, depth - 1))
                    .map(|body| format!("(and {body})"))
                    .collect();
                format!("(or-join [[{known}] {name}] {})", branches.join(" "))
            }
            28..36 if known.is_some() => {
                let (known, n) = (known.expect("checked"), self.number());
                match self.below(3) {
                    0 => format!("[(mod (+ {known} {n}) 8) {name}]"),
                    1 => format!("[(min {known} {n}) {name}]"),
                    _ => format!("[(identity {known}) {name}]"),
                }
            }
            36..40 => {
                format!("[(ground [{} {} {}]) [{name} ...]]", self.number(), self.number(), self.number())
            }
            40..60 if self.callable.0 > 0 => {
                let number = self.below(self.callable.0);
                if !self.rules[number].required {
                    let other = self.other(wanted, bound);
                    match self.chance(50) {
                        true => format!("(r{number} {name} {other})"),
                        false => format!("(r{number} {other} {name})"),
                    }
                } else {
                    let first = known.unwrap_or_else(|| self.number().to_string());
                    format!("(r{number} {first} {name})")
                }
            }
            _ => {
                let (attribute, other) = (self.pick(&ATTRIBUTES), self.other(wanted, bound));
                match self.chance(50) {
                    true => format!("[{name} {attribute} {other}]"),
                    false => format!("[{other} {attribute} {name}]"),
                }
            }
        };
        bound.insert(name.to_owned());
        clause
    }

    /// `or-join` or `or` that binds `name` and perhaps another.
    fn alternatives(&mut self, name: &str, wanted: &Names, bound: &mut Names, depth: u32) -> String {
        let other = match self.chance(60) {
            true => self.one_of(wanted).expect("a body is about something"),
            false => self.local(),
        };
        if self.chance(25) && other != name {
            let (left, right) = (self.pick(&ATTRIBUTES), self.pick(&ATTRIBUTES));
            bound.insert(other.clone());
            let inner = Names::from([name.to_owned(), other.clone()]);
            let condition = self.flat(&inner);
            return format!("(or [{name} {left} {other}] (and [{other} {right} {name}] {condition}))");
        }
        let join: Names = match self.chance(50) {
            true => Names::from([name.to_owned(), other]),
            false => Names::from([name.to_owned()]),
        };
        let branches: Vec<String> = (0..1 + self.below(3))
            .map(|_| self.body(join.clone(), &Names::new(), depth - 1))
            .map(|body| format!("(and {body})"))
            .collect();
        let names: Vec<&str> = join.iter().map(String::as_str).collect();
        let text = format!("(or-join [{}] {})", names.join(" "), branches.join(" "));
        bound.extend(join);
        text
    }

    /// A condition without others inside.
    fn flat(&mut self, bound: &Names) -> String {
        let (x, y) = (self.known(bound), self.known(bound));
        let (n, m) = (self.number(), self.number());
        match self.below(6) {
            0 => format!("[({} {x} {n})]", self.pick(&["<", "<=", ">", ">=", "=", "not="])),
            1 => format!("[({} {x} {y})]", self.pick(&["<", "<=", "=", "not="])),
            2 => format!("[({} {x} [{n} {m}])]", self.pick(&["in", "not-in"])),
            3 => format!("[(missing? $ {x} {})]", self.pick(&ATTRIBUTES)),
            4 => format!("[(<= {n} {x} {m})]"),
            _ => format!("[(even? {x})]"),
        }
    }

    fn known(&mut self, bound: &Names) -> String {
        self.one_of(bound).expect("a condition is about something")
    }

    /// A clause that only filters by what has values.
    fn condition(&mut self, bound: &Names, depth: u32) -> String {
        if depth == 0 || self.chance(35) {
            return self.flat(bound);
        }
        let (x, y) = (self.known(bound), self.known(bound));
        let attribute = self.pick(&ATTRIBUTES);
        // Under a negation only rules that are complete may be called.
        let outside = self.callable;
        self.callable = (outside.1, outside.1);
        let inside = Names::from([x.clone(), y.clone()]);
        let names: Vec<&str> = inside.iter().map(String::as_str).collect();
        let text = match self.below(6) {
            0 => format!("(not [{x} {attribute} {y}])"),
            1 => format!("(not [{x} {attribute} {y}] {})", self.flat(&inside)),
            2 if self.callable.0 > 0 => {
                let number = self.below(self.callable.0);
                format!("(not (r{number} {x} {y}))")
            }
            3 => {
                let body = self.body(inside.clone(), &inside, depth - 1);
                format!("(not {body})")
            }
            _ => {
                let local = self.local();
                let mut wanted = inside.clone();
                wanted.insert(local);
                let body = self.body(wanted, &inside, depth - 1);
                format!("(not-join [{}] {body})", names.join(" "))
            }
        };
        self.callable = outside;
        text
    }
}
