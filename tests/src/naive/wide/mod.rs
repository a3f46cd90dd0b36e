//! Random schemas, databases and questions over the whole language, from a seed.
//!
//! ```text
//! seed --> Setting   schema, two databases, a collection, layers of transactions that lead to the first database
//!      --> Question  text and inputs                                                           (question.rs)
//! ```
//!
//! [`generate`](super::generate) asks much about joins of numbers; this asks something of everything.
//! Variables keep to pools, so that functions get arguments of types that they take: `?a` and its like are integers (entities
//! among them), `?s` and its like strings, `?m` is anything.

mod clauses;
mod question;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use edn::{Keyword, Symbol, Value};
use query::ast::Rules;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::world::{Host, HostAggregate};
use super::{Attribute, Database, Fact, Source, World};

pub use question::{Given, Question};

/// Rules that generated questions call. What their heads require must have a value; all else they bind.
pub const RULES: &str = r#"[[(path ?a ?b) [?a :n/to ?b]]
  [(path ?a ?b) [?a :n/to ?c] (path ?c ?b)]
  [(left ?a ?b) [?a :n/to ?b]]
  [(left ?a ?b) (left ?a ?c) [?c :n/to ?b]]
  [(pair ?a ?b) (pair ?a ?c) (pair ?c ?b)]
  [(pair ?a ?b) [?a :n/to ?b]]
  [(even ?a ?b) [?a :n/up ?c] (odd ?c ?b)]
  [(even ?a ?b) [?a :n/up _] [(identity ?a) ?b]]
  [(odd ?a ?b) [?a :n/up ?c] (even ?c ?b)]
  [(alike ?a ?b) [?a :n/tag ?s] [?b :n/tag ?s] [(not= ?a ?b)]]
  [(alike ?a ?b) (alike ?a ?c) (alike ?c ?b)]
  [(far ?a ?b) [?a :n/one _] [?b :n/one _] (not (path ?a ?b))]
  [(fan ?a ?b) [(q [:find ?x (count ?y) :where [?x :n/to ?y]] $) [[?a ?b]]]]
  [(next [?a] ?b) [(+ ?a 1) ?b]]
  [(next [?a] ?b) [?a :n/up ?b]]
  [(below [?a] ?b) [(ground 0) ?b]]
  [(below [?a] ?b) (below ?a ?c) [(< ?c ?a)] [(+ ?c 1) ?b]]
  [(least ?a ?b) [?a :n/many ?b] (not-join [?a ?b] [?a :n/many ?c] [(< ?c ?b)])]]"#;

/// What generated questions may call beside the built-in functions.
pub const FUNCTIONS: [(&str, Host); 2] = [("wide/twice", twice), ("wide/near?", near)];

/// What generated questions may aggregate with beside the built-in aggregates.
pub const AGGREGATES: [(&str, HostAggregate); 2] = [("wide/span", span), ("wide/scaled", scaled)];

fn int(value: &Value) -> Result<i64, String> {
    value.as_int().ok_or_else(|| format!("an integer is expected, not {value}"))
}

fn twice(args: &[Value]) -> Result<Value, String> {
    Ok(Value::Int(int(&args[0])? * 2))
}

fn near(args: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool((int(&args[0])? - int(&args[1])?).abs() <= 1))
}

fn span(_: &[Value], values: &[Value]) -> Value {
    let ints = || values.iter().filter_map(Value::as_int);
    Value::Int(ints().max().unwrap_or(0) - ints().min().unwrap_or(0))
}

fn scaled(args: &[Value], values: &[Value]) -> Value {
    let factor = args.first().and_then(Value::as_int).unwrap_or(1);
    Value::Int(values.iter().filter_map(Value::as_int).sum::<i64>() * factor)
}

/// Strings, among them some that do not fit an index key and differ only behind what fits.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let long = "g".repeat(600);
    let mut texts: Vec<String> = ["", "x", "xy", "y", "yx", "z%z"].map(str::to_owned).to_vec();
    texts.extend(["", "a", "b"].map(|end| format!("{long}{end}")));
    texts.push("g".repeat(511));
    texts
});

/// A fact that is added, or taken back.
pub type Change = (bool, Fact);

/// What questions of one case are about.
pub struct Setting {
    /// The schema of both databases, as EDN.
    pub schema: String,
    /// What `$` is.
    pub database: Arc<Database>,
    /// Transactions that lead to it, one after the other.
    pub layers: Vec<Vec<Change>>,
    /// What `$b` is.
    pub other: Arc<Database>,
    /// What `$c` is: rows of two integers and a string.
    pub tuples: Arc<Vec<Vec<Value>>>,
}

impl Setting {
    /// The world in which a question with these rules is asked.
    pub fn world(&self, rules: &Arc<Rules>) -> World {
        let sources = [
            ("$", Source::Facts(Arc::clone(&self.database))),
            ("$b", Source::Facts(Arc::clone(&self.other))),
            ("$c", Source::Tuples(Arc::clone(&self.tuples))),
        ];
        let functions = FUNCTIONS.into_iter().chain([("?f", twice as Host)]);
        World {
            sources: BTreeMap::from(sources.map(|(name, source)| (Symbol::from(name), source))),
            rules: Arc::clone(rules),
            functions: functions.map(|(name, function)| (Symbol::from(name), function)).collect(),
            aggregates: AGGREGATES.into_iter().map(|(name, host)| (Symbol::from(name), host)).collect(),
        }
    }
}

/// Makes settings and questions.
pub struct Generator {
    random: StdRng,
}

impl Generator {
    /// The same seed makes the same things.
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed) }
    }

    /// One of the few numbers that occur.
    fn number(&mut self) -> i64 {
        self.random.random_range(1..8)
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    fn pick<'s>(&mut self, from: &[&'s str]) -> &'s str {
        from.choose(&mut self.random).expect("not empty")
    }

    fn text(&mut self) -> &'static str {
        TEXTS.choose(&mut self.random).expect("not empty")
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// A schema, databases that respect it, and a collection.
    pub fn setting(&mut self) -> Setting {
        let (schema, attributes) = self.schema();
        let facts = self.facts(&attributes, 70);
        let layers = self.layers(&attributes, &facts);
        let other = self.facts(&attributes, 20);
        let tuples = (0..self.below(8))
            .map(|_| vec![Value::Int(self.number()), Value::Int(self.number()), Value::from(self.text())]);
        let tuples = tuples.collect();
        Setting {
            schema,
            database: Arc::new(Database { attributes: attributes.clone(), facts }),
            layers,
            other: Arc::new(Database { attributes, facts: other }),
            tuples: Arc::new(tuples),
        }
    }

    /// Types, cardinalities and the like, of which some are left to chance.
    fn schema(&mut self) -> (String, BTreeMap<Keyword, Attribute>) {
        let mut attributes = BTreeMap::new();
        let mut text = String::from("{");
        let mut add = |name: &str, value_type: Option<&str>, rest: &str| {
            let declared =
                value_type.map(|name| format!(":db/valueType :db.type/{name} ")).unwrap_or_default();
            text.push_str(&format!("{name} {{{declared}{rest}}} "));
            let attribute = Attribute {
                is_ref: value_type == Some("ref"),
                is_long: value_type == Some("long"),
                many: rest.contains("many"),
                unique: rest.contains("unique"),
                component: rest.contains("isComponent"),
            };
            attributes.insert(Keyword::from(name), attribute);
        };
        let many = ":db/cardinality :db.cardinality/many";
        let one = ":db/cardinality :db.cardinality/one";
        add(":n/one", ["long", "long"].get(self.below(3)).copied(), one);
        add(":n/many", ["long", "long"].get(self.below(3)).copied(), many);
        let to = if self.chance(80) { many } else { one };
        let part = if self.chance(30) { " :db/isComponent true" } else { "" };
        add(":n/to", Some("ref"), &format!("{to}{part}"));
        let up = if self.chance(80) { one } else { many };
        add(":n/up", Some("ref"), up);
        add(":n/tag", ["string", "string"].get(self.below(3)).copied(), many);
        let unique = if self.chance(50) { "identity" } else { "value" };
        add(":n/key", Some("string"), &format!(":db/unique :db.unique/{unique}"));
        add(":n/mix", None, many);
        text.push('}');
        attributes.insert(Keyword::from(":db/ident"), Attribute { unique: true, ..Attribute::default() });
        (text, attributes)
    }

    fn value(&mut self, attribute: &str, entity: i64) -> Value {
        match attribute {
            ":n/tag" => Value::from(self.text()),
            ":n/key" => Value::from(format!("k{entity}")),
            ":db/ident" => Value::keyword(&format!("id/e{entity}")),
            ":n/mix" => match self.below(5) {
                0 => Value::Int(self.number()),
                1 => Value::Float(self.number() as f64 / 2.0),
                // Of long ones only one: which of several is the first is left to the index.
                2 => Value::from(TEXTS[self.below(7)].as_str()),
                3 => Value::keyword(self.pick(&["p", "q"])),
                _ => Value::Bool(self.chance(50)),
            },
            _ => Value::Int(self.number()),
        }
    }

    fn facts(&mut self, attributes: &BTreeMap<Keyword, Attribute>, max: usize) -> Vec<Fact> {
        let mut facts: Vec<Fact> = Vec::new();
        for _ in max / 4..max / 4 + self.below(max) {
            let entity = self.number();
            let attribute = self.pick(&[
                ":n/one",
                ":n/one",
                ":n/many",
                ":n/many",
                ":n/to",
                ":n/to",
                ":n/up",
                ":n/up",
                ":n/tag",
                ":n/tag",
                ":n/key",
                ":n/mix",
                ":n/mix",
                ":db/ident",
            ]);
            let value = self.value(attribute, entity);
            let attribute = Keyword::from(attribute);
            let single = !attributes[&attribute].many;
            let same = |(e, a, v): &Fact| *e == entity && *a == attribute && (single || *v == value);
            if !facts.iter().any(same) {
                facts.push((entity, attribute, value));
            }
        }
        facts
    }

    /// Up to seven transactions that lead to the facts, with others that come and go in between.
    fn layers(&mut self, attributes: &BTreeMap<Keyword, Attribute>, facts: &[Fact]) -> Vec<Vec<Change>> {
        let count = 1 + self.below(7);
        let mut layers: Vec<Vec<Change>> = vec![Vec::new(); count];
        for fact in facts {
            let at = self.below(count);
            layers[at].push((true, fact.clone()));
            // Some go and come back.
            if at + 2 < count && self.chance(30) {
                layers[at + 1].push((false, fact.clone()));
                layers[at + 2].push((true, fact.clone()));
            }
        }
        for _ in 0..self.below(10) {
            let entity = self.number();
            let name = self.pick(&[":n/many", ":n/to", ":n/up", ":n/one", ":n/tag", ":n/mix"]);
            let value = self.value(name, entity);
            let attribute = Keyword::from(name);
            let single = !attributes[&attribute].many;
            let touches = |(e, a, v): &Fact| *e == entity && *a == attribute && (single || *v == value);
            if count < 2 || layers.iter().flatten().any(|(_, fact)| touches(fact)) {
                continue;
            }
            let add = self.below(count - 1);
            let retract = add + 1 + self.below(count - add - 1);
            let fact = (entity, attribute, value);
            layers[add].push((true, fact.clone()));
            layers[retract].push((false, fact));
        }
        layers
    }
}
