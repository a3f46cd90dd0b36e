//! Clauses of random questions.

use std::collections::BTreeSet;

use edn::Value;

use super::{Generator, Setting};

const NUMBERS: [&str; 5] = ["?a", "?b", "?c", "?d", "?e"];
const STRINGS: [&str; 2] = ["?s", "?t"];
const REFS: [&str; 2] = [":n/to", ":n/up"];
const INTS: [&str; 4] = [":n/one", ":n/many", ":n/to", ":n/up"];
const RULE_NAMES: [&str; 10] =
    ["path", "left", "pair", "even", "odd", "alike", "far", "fan", "least", "path"];

/// The variables that have values so far, by what these are.
#[derive(Default)]
pub(super) struct Bound {
    pub ints: BTreeSet<&'static str>,
    pub strings: BTreeSet<&'static str>,
    pub others: BTreeSet<&'static str>,
}

impl Bound {
    pub fn all(&self) -> Vec<&'static str> {
        self.ints.iter().chain(&self.strings).chain(&self.others).copied().collect()
    }

    pub fn ints(&self) -> Vec<&'static str> {
        self.ints.iter().copied().collect()
    }
}

impl Generator {
    fn int_variable(&mut self, bound: &mut Bound) -> &'static str {
        let variable = self.pick(&NUMBERS);
        bound.ints.insert(variable);
        variable
    }

    fn string_variable(&mut self, bound: &mut Bound) -> &'static str {
        let variable = self.pick(&STRINGS);
        bound.strings.insert(variable);
        variable
    }

    fn known_int(&mut self, bound: &Bound) -> String {
        let ints = bound.ints();
        match ints.is_empty() {
            true => self.number().to_string(),
            false => self.pick(&ints).to_owned(),
        }
    }

    fn int_term(&mut self, bound: &mut Bound) -> String {
        match self.below(100) {
            0..75 => self.int_variable(bound).to_owned(),
            75..90 => self.number().to_string(),
            _ => "_".into(),
        }
    }

    /// An entity: as a number, or as a lookup ref or an ident that leads somewhere.
    fn entity_term(&mut self, bound: &mut Bound, setting: &Setting) -> String {
        if self.chance(12)
            && let Some(name) = self.entity_name(setting)
        {
            return name.to_string();
        }
        self.int_term(bound)
    }

    /// A lookup ref or an ident of an entity of `$`.
    pub(super) fn entity_name(&mut self, setting: &Setting) -> Option<Value> {
        let names: Vec<Value> = setting
            .database
            .facts
            .iter()
            .filter_map(|(_, a, v)| match a.as_str() {
                "n/key" => Some(Value::Vector(vec![Value::Keyword(a.clone()), v.clone()])),
                "db/ident" => Some(v.clone()),
                _ => None,
            })
            .collect();
        (!names.is_empty()).then(|| names[self.below(names.len())].clone())
    }

    /// The prefix of a source that has the attributes of `$`, now and then another one.
    fn source(&mut self) -> &'static str {
        if self.chance(12) { "$b " } else { "" }
    }

    /// A clause that binds.
    pub(super) fn positive(&mut self, bound: &mut Bound, setting: &Setting) -> String {
        match self.below(100) {
            0..36 => self.int_pattern(bound, setting),
            36..44 => {
                let (entity, tag) = (self.int_term(bound), self.pick(&[":n/tag", ":n/tag", ":n/key"]));
                let source = self.source();
                let value = match self.below(100) {
                    0..65 => self.string_variable(bound).to_owned(),
                    65..90 => Value::from(self.text()).to_string(),
                    _ => "_".into(),
                };
                format!("[{source}{entity} {tag} {value}]")
            }
            44..49 => {
                bound.others.insert("?m");
                format!("[{}{} :n/mix ?m]", self.source(), self.int_term(bound))
            }
            49..52 => {
                bound.others.extend(["?m", "?attr"]);
                format!("[{}{} ?attr ?m]", self.source(), self.int_term(bound))
            }
            52..58 => {
                let (first, second) = (self.int_term(bound), self.int_term(bound));
                match self.chance(50) {
                    true => format!("[$c {first} {second}]"),
                    false => format!("[$c {first} {second} {}]", self.string_variable(bound)),
                }
            }
            58..68 => {
                let name = self.pick(&RULE_NAMES);
                let (source, first, second) = (self.source(), self.int_term(bound), self.int_term(bound));
                format!("({source}{name} {first} {second})")
            }
            68..72 => {
                let known = self.known_int(bound);
                let name = self.pick(&["next", "below"]);
                format!("({}{name} {known} {})", self.source(), self.int_term(bound))
            }
            72..77 => {
                let (x, y) = (self.int_variable(bound), self.int_variable(bound));
                let (left, right) = (self.pick(&INTS), self.pick(&INTS));
                format!("({}or [{x} {left} {y}] (and [{y} {right} {x}] [{x} :n/one _]))", self.source())
            }
            77..81 => {
                let known = self.known_int(bound);
                if !known.starts_with('?') {
                    return self.int_pattern(bound, setting);
                }
                let other = NUMBERS.into_iter().find(|variable| *variable != known).expect("several");
                bound.ints.insert(other);
                let (left, n) = (self.pick(&INTS), self.number());
                format!(
                    "(or-join [[{known}] {other}] [{known} {left} {other}] (and [(+ {known} {n}) {other}] [{other} :n/one _]))"
                )
            }
            81..83 => {
                let x = self.int_variable(bound);
                let (left, right) = (self.pick(&INTS), self.pick(&REFS));
                format!(
                    "({}or-join [{x}] [{x} {left} ?inner] (and [?inner {right} {x}] [?inner :n/one _]))",
                    self.source()
                )
            }
            83..88 => self.nested(bound),
            _ => self.function(bound),
        }
    }

    pub(super) fn int_pattern(&mut self, bound: &mut Bound, setting: &Setting) -> String {
        let (source, attribute) = (self.source(), self.pick(&INTS));
        if !source.is_empty() {
            return format!("[{source}{} {attribute} {}]", self.int_term(bound), self.int_term(bound));
        }
        let entity = self.entity_term(bound, setting);
        if self.chance(8) {
            return format!("[{entity} {attribute}]");
        }
        let value = match attribute {
            ":n/to" | ":n/up" => self.entity_term(bound, setting),
            _ if self.chance(5) => format!("{}.0", self.number()),
            _ => self.int_term(bound),
        };
        // Only what has a type takes 3.0 for 3.
        let value = match setting.database.attribute(&attribute.into()).is_long {
            false => value.trim_end_matches(".0").to_owned(),
            true => value,
        };
        format!("[{entity} {attribute} {value}]")
    }

    /// A query inside the query.
    fn nested(&mut self, bound: &mut Bound) -> String {
        let (attribute, other) = (self.pick(&INTS), self.pick(&INTS));
        let source = self.pick(&["$", "$", "$b"]);
        let known = self.known_int(bound);
        let n = self.number();
        match self.below(6) {
            0 => {
                let (x, y) = (self.int_variable(bound), self.int_variable(bound));
                let name = self.pick(&["count", "sum", "max", "count-distinct"]);
                format!("[(q [:find ?x ({name} ?y) :where [?x {attribute} ?y]] {source}) [[{x} {y}]]]")
            }
            1 => {
                let y = self.int_variable(bound);
                format!(
                    "[(q [:find (sum ?y) . :with ?x :in $ ?z :where [?x {attribute} ?y] [?x {other} ?z]] {source} {known}) {y}]"
                )
            }
            2 => {
                let y = self.int_variable(bound);
                format!(
                    "[(q [:find [?y ...] :in $ ?z :where [?z {attribute} ?y]] {source} {known}) [{y} ...]]"
                )
            }
            3 => {
                let (x, y) = (self.int_variable(bound), self.int_variable(bound));
                format!(
                    "[(q [:find ?x ?y :where [?x {attribute} ?y] :order-by [?y :desc ?x :asc] :limit {n}] {source}) [[{x} {y}]]]"
                )
            }
            4 => {
                let y = self.int_variable(bound);
                format!(
                    "[(q [:find (count ?x) . :in $ [?z ...] :where [?x {attribute} ?z]] {source} [{n} {}]) {y}]",
                    self.number()
                )
            }
            _ => {
                let (x, y) = (self.int_variable(bound), self.int_variable(bound));
                format!("[(q [:find ?x (count ?y) :in $ :where [?x ?y]] $c) [[{x} {y}]]]")
            }
        }
    }

    /// A function with a binding.
    fn function(&mut self, bound: &mut Bound) -> String {
        let (x, y) = (self.known_int(bound), self.known_int(bound));
        let (n, source) = (self.number(), self.pick(&["$", "$", "$b"]));
        match self.below(15) {
            0 => {
                let attribute = self.pick(&INTS);
                format!("[(get-else {source} {x} {attribute} {n}) {}]", self.int_variable(bound))
            }
            1 => {
                bound.others.extend(["?attr", "?m"]);
                format!("[(get-some {source} {x} :n/up :n/mix :n/one) [?attr ?m]]")
            }
            2 => {
                let found = self.int_variable(bound);
                format!("[(get-some-else {source} {x} {n} :n/up :n/one) [_ {found}]]")
            }
            3 => format!("[(get-else {source} {x} :n/key \"none\") {}]", self.string_variable(bound)),
            4 => {
                let operator = self.pick(&["+", "-", "*", "min", "max", "quot", "rem", "mod"]);
                let (x, y) = match operator {
                    "quot" | "rem" | "mod" => (x, n.to_string()),
                    _ => (x, y),
                };
                format!("[({operator} {x} {y}) {}]", self.int_variable(bound))
            }
            5 => {
                bound.others.insert("?v");
                let sum = self.int_variable(bound);
                format!("[(vector {x} {y} {n}) ?v] [(apply + ?v) {sum}]")
            }
            6 => format!("[(apply max {x} [{n} {}]) {}]", self.number(), self.int_variable(bound)),
            7 => format!("[(str \"k\" {x}) {}]", self.string_variable(bound)),
            8 => format!(
                "[(ground [{n} {} {}]) [{} ...]]",
                self.number(),
                self.number(),
                self.int_variable(bound)
            ),
            9 => {
                let (a, b) = (self.int_variable(bound), self.string_variable(bound));
                format!("[(ground [[{n} \"x\"] [{} \"k{n}\"]]) [[{a} {b}]]]", self.number())
            }
            10 => format!("[(wide/twice {x}) {}]", self.int_variable(bound)),
            11 => format!("[(?f {x}) {}]", self.int_variable(bound)),
            12 => format!("[(range {n}) [{} ...]]", self.int_variable(bound)),
            13 => {
                let Some(string) = bound.strings.first().copied() else {
                    return format!("[(identity {x}) {}]", self.int_variable(bound));
                };
                format!("[(count {string}) {}]", self.int_variable(bound))
            }
            _ => format!("[(+ (* {x} {y}) (inc {n})) {}]", self.int_variable(bound)),
        }
    }

    /// A clause that only filters; its variables are bound elsewhere.
    pub(super) fn condition(&mut self, bound: &Bound) -> String {
        if let Some(string) = bound.strings.first().copied()
            && self.chance(35)
        {
            return self.string_condition(string, bound);
        }
        if bound.others.contains("?m") && self.chance(50) {
            let constant = match self.below(4) {
                0 => self.number().to_string(),
                1 => format!("{}.5", self.number()),
                2 => Value::from(self.text()).to_string(),
                _ => ":p".to_owned(),
            };
            let operator = self.pick(&["<", "<=", ">", ">=", "=", "not="]);
            return format!("[({operator} ?m {constant})]");
        }
        let (x, y) = (self.known_int(bound), self.known_int(bound));
        let (n, m) = (self.number(), self.number());
        let attribute = self.pick(&INTS);
        let source = self.source();
        let x = if x.starts_with('?') { x } else { return format!("[(< {x} {n})]") };
        match self.below(17) {
            0 => format!("[({} {x} {n})]", self.pick(&["<", "<=", ">", ">=", "=", "not=", "=="])),
            1 => format!("[({} {x} {y})]", self.pick(&["<", "<=", "not=", "="])),
            2 => format!("[({} {x} {n}.5)]", self.pick(&["<", ">", "<=", ">="])),
            3 => format!("[({} {n} {x} {m})]", self.pick(&["<", "<=", ">"])),
            4 => format!("[({} {x} [{n} {m}])]", self.pick(&["in", "not-in"])),
            5 => format!("[({} {x} #{{{n} {}}})]", self.pick(&["in", "not-in"]), n + 1),
            6 => format!("[(in {x} [])]"),
            7 => format!("[(or (< {x} {n}) (= {x} {m}))]"),
            8 => format!("[(and (<= {n} {x}) (not (= {x} {m})))]"),
            9 => format!("[(missing? {} {x} {attribute})]", self.pick(&["$", "$b"])),
            10 => format!("({source}not [{x} {attribute} {y}])"),
            11 => format!("({source}not-join [{x}] [{x} {attribute} ?hidden] [?hidden :n/one _])"),
            12 => format!("({source}not ({} {x} {y}))", self.pick(&["path", "left", "alike"])),
            13 => format!("[(wide/near? {x} {y})]"),
            14 => format!("[(in {x} [{n} {m}])] [(< {x} {m})]"),
            15 => format!(
                "({source}not-join [{x}] (or-join [{x}] [{x} {attribute} {n}] [{m} {attribute} {x}]))"
            ),
            _ => format!("[({} {x})]", self.pick(&["even?", "odd?", "pos?", "zero?"])),
        }
    }

    fn string_condition(&mut self, string: &str, bound: &Bound) -> String {
        let text = Value::from(self.text());
        match self.below(7) {
            0 => {
                let pattern = self.pick(&["x%", "%x", "_", "g%a", "%", "", "k_", "g%", "x_", "z!%z"]);
                format!("[({} {string} \"{pattern}\")]", self.pick(&["like", "not-like"]))
            }
            1 => format!("[({} {string} {text})]", self.pick(&["<", "<=", ">", ">=", "=", "not="])),
            2 => format!("[({} {string} [{text} \"x\"])]", self.pick(&["in", "not-in"])),
            3 => format!("[(like {string} \"x^%\" {{:escape \\^}})]"),
            4 if bound.strings.len() > 1 => format!("[({} ?s ?t)]", self.pick(&["<", "=", "not="])),
            5 => format!("[(re-find \"^[xk]\" {string})]"),
            _ => format!("(not [_ :n/tag {string}])"),
        }
    }
}
