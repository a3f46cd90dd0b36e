//! Random queries and rules that nest: `or-join`, `not-join`, `or` and `not` inside of each other and inside of rules, which call each
//! other in strata.
//!
//! ```text
//! rules r0 .. r3, two a stratum --call--> bodies --nest, DEPTH levels--> bodies --> patterns, functions, conditions
//! ```
//!
//! Queries inside of queries have such bodies, too, with aggregates, orders, limits and pulls around them.
//!
//! A body gets the variables that it shall bind and those that have values already. Functions give small numbers only, so that
//! recursion through them ends. Databases are those of [`super::generate`], with its schema; what is outside of rules may be about a second one.

use std::collections::BTreeSet;
use std::fmt::Write;

use edn::Value;
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
    /// Whether a body of a rule is written.
    in_rule: bool,
}

/// A query with the sources `$` and `$b` and the rules as its first inputs.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query.
    pub text: String,
    /// The variables of its fourth input, if it has one, and the values for them.
    pub given: Option<Given>,
}

/// Values of variables, row by row.
#[derive(Clone, Debug)]
pub struct Given {
    /// The variables.
    pub vars: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<i64>>,
    /// The same in the shape in which the query takes it.
    pub input: Value,
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
        Self {
            random: StdRng::seed_from_u64(seed),
            locals: 0,
            rules: Vec::new(),
            callable: (0, 0),
            in_rule: false,
        }
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
        self.in_rule = true;
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
        self.in_rule = false;
        text.push(']');
        text
    }

    /// A query.
    pub fn query(&mut self) -> Question {
        let count = 1 + self.below(VARIABLES.len());
        let mut shuffled = VARIABLES;
        shuffled.shuffle(&mut self.random);
        let names: Names = shuffled[..count].iter().map(|name| (*name).to_owned()).collect();
        let (binding, given) = match self.chance(55) {
            true => {
                let (binding, given) = self.given(&shuffled[..count.min(2)]);
                (binding, Some(given))
            }
            false => (String::new(), None),
        };
        let known: Names =
            given.iter().flat_map(|given| &given.vars).map(|name| (*name).to_owned()).collect();
        let body = self.body(names, &known, DEPTH);
        let found = shuffled[..count.min(3)].join(" ");
        Question { text: format!("[:find {found} :in $ $b % {binding} :where {body}]"), given }
    }

    /// An input for one or two variables, and how it is written.
    fn given(&mut self, names: &[&'static str]) -> (String, Given) {
        let vars = names[..1 + self.below(names.len())].to_vec();
        let mut row = |_| vars.iter().map(|_| self.random.random_range(1..8)).collect::<Vec<i64>>();
        let first = vec![row(0)];
        let several: Vec<Vec<i64>> = (0..4).map(row).collect();
        let take = self.below(5);
        let values = |row: &Vec<i64>| Value::Vector(row.iter().map(|value| Value::Int(*value)).collect());
        let all = |rows: &[Vec<i64>]| Value::Vector(rows.iter().map(values).collect());
        let names = vars.join(" ");
        let (binding, rows, input) = match (vars.len(), self.below(3)) {
            (1, 0) => (names, first.clone(), Value::Int(first[0][0])),
            (1, 1) => {
                let items = several[..take].iter().map(|row| Value::Int(row[0])).collect();
                (format!("[{names} ...]"), several[..take].to_vec(), Value::Vector(items))
            }
            (_, 0) => (format!("[{names}]"), first.clone(), values(&first[0])),
            _ => (format!("[[{names}]]"), several[..take].to_vec(), all(&several[..take])),
        };
        (binding, Given { vars, rows, input })
    }

    /// The prefix of a clause that is about another source, or nothing.
    fn source(&mut self) -> &'static str {
        if !self.in_rule && self.chance(12) { "$b " } else { "" }
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
        let source = self.source();
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
                format!("({source}or-join [[{known}] {name}] {})", branches.join(" "))
            }
            28..36 if known.is_some() => self.function(name, &known.expect("checked")),
            36..40 if depth > 0 && known.is_some() => self.nested(name, &known.expect("checked"), depth),
            36..41 => {
                format!("[(ground [{} {} {}]) [{name} ...]]", self.number(), self.number(), self.number())
            }
            41..44 => {
                // Tags are no numbers, so no variable stands where they may.
                let (local, value) = (self.local(), self.number().to_string());
                let value = if self.chance(50) { &value } else { "_" };
                format!("[{source}{name} {local} {value}] [_ {local} {}]", self.number())
            }
            44..62 if self.callable.0 > 0 => {
                let number = self.below(self.callable.0);
                if !self.rules[number].required {
                    let other = self.other(wanted, bound);
                    match self.chance(50) {
                        true => format!("({source}r{number} {name} {other})"),
                        false => format!("({source}r{number} {other} {name})"),
                    }
                } else {
                    let first = known.unwrap_or_else(|| self.number().to_string());
                    format!("({source}r{number} {first} {name})")
                }
            }
            _ => {
                let (attribute, other) = (self.pick(&ATTRIBUTES), self.other(wanted, bound));
                match self.chance(50) {
                    true => format!("[{source}{name} {attribute} {other}]"),
                    false => format!("[{source}{other} {attribute} {name}]"),
                }
            }
        };
        bound.insert(name.to_owned());
        clause
    }

    /// A function of what has a value, or of a constant.
    fn function(&mut self, name: &str, known: &str) -> String {
        let (attribute, n) = (self.pick(&ATTRIBUTES), self.number());
        match self.below(8) {
            0 => format!("[(mod (+ {known} {n}) 8) {name}]"),
            1 => format!("[(min {known} {n}) {name}]"),
            2 => format!("[(identity {known}) {name}]"),
            3 => format!("[(vector {known} {n}) [{name} _]]"),
            4 => format!("[(vector {known} {n}) [{name} ...]]"),
            5 => format!("[(get-else $ {known} :n/one {n}) {name}]"),
            6 => format!("[(get-some $ {known} :n/up :n/one) [_ {name}]]"),
            _ => {
                format!("[(q [:find [?z ...] :in $ ?k :where [?k {attribute} ?z]] $ {known}) [{name} ...]]")
            }
        }
    }

    /// A query inside the query, with a body that may hold others in turn, and what `name` gets of its answer.
    fn nested(&mut self, name: &str, known: &str, depth: u32) -> String {
        // Rules and other sources are not handed on.
        let outside = (std::mem::take(&mut self.callable), std::mem::replace(&mut self.in_rule, true));
        let [key, value, more] = [self.local(), self.local(), self.local()];
        let inside = Names::from([key.clone()]);
        let body = self.body(Names::from([key.clone(), value.clone(), more.clone()]), &inside, depth - 1);
        (self.callable, self.in_rule) = outside;
        let kind = self.below(7);
        let aggregate = self.pick(&["min", "max", "count", "count-distinct"]);
        let (find, options, binding) = match kind {
            0 => (format!("({aggregate} {value}) ."), format!(":with {more}"), name.to_owned()),
            1 => (format!("{more} ({aggregate} {value})"), String::new(), format!("[[{name} _]]")),
            2 => (format!("{more} ({aggregate} {value})"), String::new(), format!("[[_ {name}]]")),
            3 => (
                format!("[(min {value}) (max {more})]"),
                String::new(),
                format!("[{} {name}]", if name == known { "_" } else { known }),
            ),
            4 => {
                let options = format!(":order-by [{value} :desc {more} :asc] :limit {}", self.number());
                (format!("{value} {more}"), options, format!("[[{name} _]]"))
            }
            5 => (
                format!("{more} (count {value})"),
                format!(":having [(> (count {value}) 1)]"),
                format!("[[{name} _]]"),
            ),
            _ => {
                let (pulled, attribute) = (self.local(), self.pick(&ATTRIBUTES));
                return format!(
                    "[(q [:find [(pull {value} [:n/one {{:n/up [:n/one]}}]) ...] :in $ {key} :where {body}] $ {known}) [{pulled} ...]] \
                     [(get {pulled} :n/one {}) {name}] [?_{} {attribute} {name}]",
                    self.number(),
                    &pulled[2..],
                );
            }
        };
        format!("[(q [:find {find} :in $ {key} {options} :where {body}] $ {known}) {binding}]")
    }

    /// `or-join` or `or` that binds `name` and perhaps another.
    fn alternatives(&mut self, name: &str, wanted: &Names, bound: &mut Names, depth: u32) -> String {
        let source = self.source();
        let other = match self.chance(60) {
            true => self.one_of(wanted).expect("a body is about something"),
            false => self.local(),
        };
        if self.chance(25) && other != name {
            let (left, right) = (self.pick(&ATTRIBUTES), self.pick(&ATTRIBUTES));
            bound.insert(other.clone());
            let inner = Names::from([name.to_owned(), other.clone()]);
            let condition = self.flat(&inner);
            return format!(
                "({source}or [{name} {left} {other}] (and [{other} {right} {name}] {condition}))"
            );
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
        let text = format!("({source}or-join [{}] {})", names.join(" "), branches.join(" "));
        bound.extend(join);
        text
    }

    /// A condition without others inside.
    fn flat(&mut self, bound: &Names) -> String {
        let (x, y) = (self.known(bound), self.known(bound));
        let (n, m) = (self.number(), self.number());
        match self.below(7) {
            0 => format!("[({} {x} {n})]", self.pick(&["<", "<=", ">", ">=", "=", "not="])),
            1 => format!("[({} {x} {y})]", self.pick(&["<", "<=", "=", "not="])),
            2 => format!("[({} {x} [{n} {m}])]", self.pick(&["in", "not-in"])),
            3 => format!("[(missing? $ {x} {})]", self.pick(&ATTRIBUTES)),
            4 => format!("[(<= {n} {x} {m})]"),
            5 => format!("[(or (< {x} {n}) (= {y} {m}))]"),
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
        let source = self.source();
        let inside = Names::from([x.clone(), y.clone()]);
        let names: Vec<&str> = inside.iter().map(String::as_str).collect();
        let text = match self.below(6) {
            0 => format!("({source}not [{x} {attribute} {y}])"),
            1 => format!("({source}not [{x} {attribute} {y}] {})", self.flat(&inside)),
            2 if self.callable.0 > 0 => {
                let number = self.below(self.callable.0);
                format!("({source}not (r{number} {x} {y}))")
            }
            3 => {
                let body = self.body(inside.clone(), &inside, depth - 1);
                format!("({source}not {body})")
            }
            _ => {
                let local = self.local();
                let mut wanted = inside.clone();
                wanted.insert(local);
                let body = self.body(wanted, &inside, depth - 1);
                format!("({source}not-join [{}] {body})", names.join(" "))
            }
        };
        self.callable = outside;
        text
    }
}
