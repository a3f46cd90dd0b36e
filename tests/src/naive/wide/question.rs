//! Whole random questions: inputs, clauses, what is found, and in what order.

use edn::Value;

use super::clauses::Bound;
use super::{Generator, Setting};

/// An input, in the order of `:in`.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// The database, collection or rules of this name.
    Name(&'static str),
    /// A value.
    Value(Value),
    /// The function that doubles.
    Twice,
    /// An aggregate.
    Aggregate(&'static str),
}

/// A query with its inputs.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query.
    pub text: String,
    /// Its inputs.
    pub inputs: Vec<Given>,
    /// Other values for those of them that are values; each of the same shape.
    pub others: Vec<Given>,
}

/// The find elements and the sections behind them.
#[derive(Default)]
struct Parts {
    find: Vec<String>,
    /// Columns that may be sorted by, each as it may be named.
    sortable: Vec<String>,
    with: Vec<&'static str>,
    tail: String,
}

impl Generator {
    /// A question about the setting.
    pub fn question(&mut self, setting: &Setting) -> Question {
        let mut bound = Bound::default();
        let mut parameters: Vec<(String, Given, Given)> = Vec::new();
        for (name, given) in [
            ("$", Given::Name("$")),
            ("$b", Given::Name("$b")),
            ("$c", Given::Name("$c")),
            ("%", Given::Name("%")),
            ("?f", Given::Twice),
        ] {
            parameters.push((name.into(), given.clone(), given));
        }
        let mut clauses: Vec<String> = Vec::new();
        if self.chance(45) {
            self.input(&mut bound, setting, &mut parameters, &mut clauses);
        }
        for _ in 0..1 + self.below(3) {
            let clause = self.positive(&mut bound, setting);
            clauses.push(clause);
        }
        if bound.ints.is_empty() {
            bound.ints.extend(["?a", "?b"]);
            clauses.push("[?a :n/one ?b]".into());
        }
        for _ in 0..self.below(3) {
            let condition = self.condition(&bound);
            clauses.push(condition);
        }
        for at in (1..clauses.len()).rev() {
            let other = self.below(at + 1);
            clauses.swap(at, other);
        }
        let parts = self.parts(&bound, &mut parameters);
        let names: Vec<&str> = parameters.iter().map(|(name, ..)| name.as_str()).collect();
        let with = match parts.with.is_empty() {
            true => String::new(),
            false => format!(":with {} ", parts.with.join(" ")),
        };
        let text = format!(
            "[:find {} {with}:in {} :where {}{}]",
            parts.find.join(" "),
            names.join(" "),
            clauses.join(" "),
            parts.tail
        );
        let (inputs, others) = parameters.into_iter().map(|(_, given, other)| (given, other)).unzip();
        Question { text, inputs, others }
    }

    fn input(
        &mut self,
        bound: &mut Bound,
        setting: &Setting,
        parameters: &mut Vec<(String, Given, Given)>,
        clauses: &mut Vec<String>,
    ) {
        let ints = |generator: &mut Self, count: usize| {
            let items = (0..count).map(|_| Value::Int(generator.number()));
            items.collect::<Vec<_>>()
        };
        let mut add = |name: &str, given: Value, other: Value| {
            parameters.push((name.into(), Given::Value(given), Given::Value(other)));
        };
        match self.below(8) {
            0 => {
                bound.ints.insert("?a");
                add("?a", Value::Int(self.number()), Value::Int(self.number()));
            }
            1 => {
                bound.ints.insert("?a");
                let (count, other) = (self.below(4), self.below(4));
                add("[?a ...]", Value::Vector(ints(self, count)), Value::Vector(ints(self, other)));
            }
            2 => {
                bound.ints.extend(["?a", "?b"]);
                add("[?a ?b]", Value::Vector(ints(self, 2)), Value::Vector(ints(self, 3)));
            }
            3 => {
                bound.ints.extend(["?a", "?b"]);
                let rows = |generator: &mut Self| {
                    let count = generator.below(4);
                    Value::Vector((0..count).map(|_| Value::Vector(ints(generator, 2))).collect())
                };
                add("[[?a ?b]]", rows(self), rows(self));
            }
            4 => {
                bound.strings.insert("?s");
                add("?s", Value::from(self.text()), Value::from(self.text()));
            }
            5 => {
                bound.ints.insert("?a");
                bound.strings.insert("?s");
                let row = |generator: &mut Self| {
                    let texts: Vec<Value> =
                        (0..generator.below(3)).map(|_| Value::from(generator.text())).collect();
                    Value::Vector(vec![Value::Int(generator.number()), Value::Vector(texts)])
                };
                let (given, other) = (vec![row(self), row(self)], vec![row(self)]);
                add("[[?a [?s ...]]]", Value::Vector(given), Value::Vector(other));
            }
            6 => {
                // A name of an entity where an entity is expected; it keeps the form in which it was given.
                let (Some(given), Some(other)) = (self.entity_name(setting), self.entity_name(setting))
                else {
                    return;
                };
                bound.others.insert("?l");
                add("?l", given, other);
                let clause = self.named(bound);
                clauses.push(clause);
            }
            _ => {
                let number = Value::Int(self.number());
                let Some(given) = self.entity_name(setting) else { return };
                bound.others.insert("?l");
                add("[?l ...]", Value::Vector(vec![given.clone(), number]), Value::Vector(vec![given]));
                let clause = self.named(bound);
                clauses.push(clause);
            }
        }
    }

    /// A clause with the entity `?l`.
    fn named(&mut self, bound: &mut Bound) -> String {
        let other = self.pick(&["?a", "?b", "?c"]);
        bound.ints.insert(other);
        match self.below(5) {
            0 => format!("[?l :n/to {other}]"),
            1 => format!("[{other} :n/up ?l]"),
            2 => format!("[?l :n/one {other}]"),
            3 => format!("[?l :n/many {other}] (not [?l :n/up {other}])"),
            _ => format!("(or [?l :n/to {other}] [{other} :n/to ?l])"),
        }
    }

    fn parts(&mut self, bound: &Bound, parameters: &mut Vec<(String, Given, Given)>) -> Parts {
        let mut parts = Parts::default();
        let all = bound.all();
        match self.below(100) {
            0..40 => {
                for _ in 0..1 + self.below(3) {
                    let variable = self.pick(&all);
                    let at = parts.find.len();
                    parts.find.push(variable.into());
                    if !bound.others.contains(variable) {
                        let key = if self.chance(50) { variable.to_owned() } else { at.to_string() };
                        parts.sortable.push(key);
                    }
                }
                if self.chance(10) {
                    parts.with.extend(
                        all.iter().find(|variable| !parts.find.iter().any(|found| found == *variable)),
                    );
                }
                self.window(&mut parts, parameters);
            }
            40..75 => {
                self.aggregates(bound, &mut parts, parameters);
                self.window(&mut parts, parameters);
            }
            75..88 => {
                let entity = self.pick(&bound.ints());
                let pattern = self.pull_pattern();
                let source = self.pick(&["", "", "$b "]);
                parts.find.push(format!("(pull {source}{entity} {pattern})"));
                if self.chance(50) {
                    let other = self.pick(&bound.ints());
                    parts.find.push(other.into());
                    parts.sortable.push("1".into());
                }
                if self.chance(50) {
                    self.window(&mut parts, parameters);
                }
            }
            88..92 => parts.find.push(format!("[{} ...]", self.pick(&all))),
            92..94 => parts.find.push(format!("{} .", self.pick(&all))),
            94..97 => parts.find.push(format!("[{} {}]", self.pick(&all), self.pick(&all))),
            _ => {
                let aggregate = self.aggregate(bound);
                parts.find.push(format!("{aggregate} ."));
            }
        }
        parts
    }

    fn aggregate(&mut self, bound: &Bound) -> String {
        let all = bound.all();
        let (int, any) = (self.pick(&bound.ints()), self.pick(&all));
        match self.below(12) {
            0..3 => format!("({} {any})", self.pick(&["count", "count-distinct", "distinct", "vec"])),
            3..8 => {
                let name = self.pick(&["sum", "avg", "min", "max", "median", "variance", "stddev", "sum"]);
                format!("({name} {int})")
            }
            8 => format!("({} {} {int})", self.pick(&["min", "max"]), self.number()),
            9 => format!("(wide/span {int})"),
            10 => format!("(wide/scaled {} {int})", self.number()),
            _ => match bound.strings.first() {
                Some(string) => format!("({} {string})", self.pick(&["min", "max", "count"])),
                None => format!("(count {int})"),
            },
        }
    }

    fn aggregates(&mut self, bound: &Bound, parts: &mut Parts, parameters: &mut Vec<(String, Given, Given)>) {
        let all = bound.all();
        let int = self.pick(&bound.ints());
        let key = self.pick(&all);
        if self.chance(75) {
            parts.find.push(key.into());
            if !bound.others.contains(key) {
                parts.sortable.push(key.to_owned());
            }
        }
        // Always one that others can speak of.
        let name = self.pick(&["count", "sum", "max"]);
        parts.sortable.push(parts.find.len().to_string());
        parts.find.push(format!("({name} {int})"));
        if self.chance(40) {
            let aggregate = self.aggregate(bound);
            parts.find.push(aggregate);
        }
        if self.chance(25) {
            let (operator, n) = (self.pick(&["+", "-", "*", "quot", "mod"]), self.number());
            let other = self.pick(&bound.ints());
            let nested = if self.chance(30) { format!("(+ (count {other}) 1)") } else { n.to_string() };
            parts.sortable.push(parts.find.len().to_string());
            parts.find.push(format!("({operator} ({name} {int}) {nested})"));
        }
        if self.chance(10) {
            parameters.push(("?agg".into(), Given::Aggregate("wide/span"), Given::Aggregate("wide/span")));
            parts.find.push(format!("(aggregate ?agg {int})"));
        }
        let mentioned: Vec<String> = parts.find.clone();
        if self.chance(40) {
            let used = |variable: &str| mentioned.iter().any(|element| element.contains(variable));
            parts.with.extend(all.iter().filter(|variable| !used(variable)).take(1 + self.below(2)));
        }
        if self.chance(35) {
            let operator = self.pick(&["<", ">", ">=", "=", "not="]);
            let n = self.number();
            let left =
                if self.chance(30) { format!("(+ ({name} {int}) 1)") } else { format!("({name} {int})") };
            // Only what `:find` has may be spoken of.
            let left = if parts.find.contains(&left) { left } else { format!("({name} {int})") };
            parts.tail.push_str(&format!(" :having [({operator} {left} {n})]"));
        }
    }

    /// `:order-by`, `:limit`, `:offset`
    fn window(&mut self, parts: &mut Parts, parameters: &mut Vec<(String, Given, Given)>) {
        if !parts.sortable.is_empty() && self.chance(45) {
            let mut keys: Vec<String> = Vec::new();
            let mut used: Vec<String> = Vec::new();
            for key in parts.sortable.clone() {
                // One column under two names, or twice, may not be asked for.
                let column = match key.parse::<usize>() {
                    Ok(at) => parts.find[at].clone(),
                    Err(_) => key.clone(),
                };
                if used.contains(&column) || self.chance(30) {
                    continue;
                }
                used.push(column);
                keys.push(format!("{key} {}", self.pick(&[":asc", ":desc"])));
            }
            if !keys.is_empty() {
                parts.tail.push_str(&format!(" :order-by [{}]", keys.join(" ")));
            }
        }
        if self.chance(30) {
            match self.chance(30) {
                true => {
                    let (given, other) = (Value::Int(self.number()), Value::Int(self.number()));
                    parameters.push(("?limit".into(), Given::Value(given), Given::Value(other)));
                    parts.tail.push_str(" :limit ?limit");
                }
                false => parts.tail.push_str(&format!(" :limit {}", self.number())),
            }
        }
        if self.chance(15) {
            parts.tail.push_str(&format!(" :offset {}", self.below(4)));
        }
    }

    fn pull_pattern(&mut self) -> String {
        let mut items: Vec<String> = Vec::new();
        let attributes =
            [":n/one", ":n/many", ":n/to", ":n/up", ":n/tag", ":n/mix", ":n/key", ":n/_to", ":n/_up"];
        for _ in 0..1 + self.below(3) {
            let attribute = self.pick(&attributes);
            let reference = self.pick(&[":n/to", ":n/up", ":n/_to", ":n/_up"]);
            items.push(match self.below(10) {
                0..4 => attribute.into(),
                4 => format!("[{attribute} :as :alias :default 0]"),
                5 => format!("[:n/many :limit {}]", self.number()),
                6 => format!("{{{reference} [:db/id :n/one {{:n/up [:n/one]}}]}}"),
                7 => format!("{{{reference} {}}}", self.pick(&["1", "2", "..."])),
                8 => "*".into(),
                _ => ":db/id".into(),
            });
        }
        items.sort();
        items.dedup();
        format!("[{}]", items.join(" "))
    }
}
