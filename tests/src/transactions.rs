//! Random sequences of transactions from a seed, in every form that transaction data has, about few entities and few values, so that
//! items of one transaction meet each other.
//!
//! ```text
//! seed -> Generator -> transaction, transaction, .. --Factum--> datoms, or an error        [`cases`] writes both down
//!                                                   --Datalevin--> the same?               tests/datalevin/run asks
//! ```
//!
//! Each transaction begins by naming an entity of a new thousand, which nothing else speaks of. Datalevin counts on from the greatest
//! entity that has facts, Factum from the greatest that ever was; behind that entity both give the same ids.
//!
//! [`Generator::comparable`] leaves out what Datalevin 1.2.8 is known to take otherwise: that a reference or a many-valued attribute has no
//! value (compare-and-swap from `nil`); retractions of a value that is a lookup ref of nobody, which the reference lets pass; an entity that
//! gets nothing but an empty collection, which has no id there; and entities that are retracted after the same transaction pointed at them.
//! What is left differs in the ids of nested maps, in identities found late, and in lookup refs to what their own map says
//! (`docs/differences.md`).

use std::fmt::Write;

use edn::Value;
use factum::{Connection, Db, Error, Index, Options};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// The schema of all sequences, as EDN.
pub const SCHEMA: &str = "{:t/id {:db/valueType :db.type/string, :db/unique :db.unique/identity}
  :t/ids {:db/valueType :db.type/long, :db/cardinality :db.cardinality/many, :db/unique :db.unique/identity}
  :t/code {:db/valueType :db.type/long, :db/unique :db.unique/value}
  :t/key {:db/valueType :db.type/ref, :db/unique :db.unique/identity}
  :t/n {:db/valueType :db.type/long}
  :t/ns {:db/valueType :db.type/long, :db/cardinality :db.cardinality/many}
  :t/d {:db/valueType :db.type/double}
  :t/any {}
  :t/anys {:db/cardinality :db.cardinality/many}
  :t/to {:db/valueType :db.type/ref}
  :t/tos {:db/valueType :db.type/ref, :db/cardinality :db.cardinality/many}
  :t/part {:db/valueType :db.type/ref, :db/isComponent true}
  :t/parts {:db/valueType :db.type/ref, :db/cardinality :db.cardinality/many, :db/isComponent true}
  :t/a {:db/valueType :db.type/long}
  :t/b {:db/valueType :db.type/string}
  :t/a+b {:db/tupleAttrs [:t/a :t/b], :db/unique :db.unique/identity}
  :t/pair {:db/valueType :db.type/tuple, :db/tupleTypes [:db.type/long :db.type/string]}
  :t/era {:db/valueType :db.type/long}}";

const REFS: [&str; 5] = ["to", "tos", "tos", "part", "parts"];
const SCALARS: [&str; 9] = ["n", "ns", "ns", "d", "any", "anys", "a", "b", "pair"];
const TEMPIDS: [&str; 5] = ["-1", "-2", "-3", "\"x\"", "\"y\""];
const IDENTS: [&str; 2] = [":i/one", ":i/two"];
const TEXTS: [&str; 4] = ["\"p\"", "\"q\"", "\"r\"", "\"s\""];

/// Makes transactions.
pub struct Generator {
    random: StdRng,
    era: u32,
    comparable: bool,
}

impl Generator {
    /// The same seed makes the same things.
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), era: 0, comparable: false }
    }

    /// The same without what Datalevin takes otherwise.
    #[must_use]
    pub fn comparable(mut self) -> Self {
        self.comparable = true;
        self
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from.choose(&mut self.random).expect("not empty")
    }

    fn number(&mut self) -> usize {
        1 + self.below(6)
    }

    /// The next transaction of the sequence, as EDN.
    pub fn transaction(&mut self) -> String {
        self.era += 1;
        let mut items: Vec<String> = (0..1 + self.below(5)).map(|_| self.item()).collect();
        if self.comparable {
            items.sort_by_key(|item| !item.contains("retractEntity"));
        }
        format!("[{{:db/id {} :t/era {}}} {}]", self.era * 1000, self.era, items.join(" "))
    }

    fn item(&mut self) -> String {
        match self.below(100) {
            0..42 => self.map(2),
            42..62 => {
                let entity = if self.chance(35) { self.pick(&TEMPIDS).to_owned() } else { self.entity() };
                let (attribute, value) = self.fact();
                format!("[:db/add {entity} {attribute} {value}]")
            }
            62..76 => {
                let (entity, (attribute, value)) = (self.entity(), self.known_fact());
                match self.chance(60) {
                    true => format!("[:db/retract {entity} {attribute} {value}]"),
                    false => format!(
                        "[{} {entity} {attribute}]",
                        self.pick(&[":db/retract", ":db.fn/retractAttribute"])
                    ),
                }
            }
            76..85 => {
                format!("[{} {}]", self.pick(&[":db/retractEntity", ":db.fn/retractEntity"]), self.entity())
            }
            85..97 => self.swap(),
            97..98 => "nil".into(),
            98..99 => "{}".into(),
            _ => self.wrong(),
        }
    }

    /// An entity that may be there: by number, lookup ref or ident.
    fn entity(&mut self) -> String {
        match self.below(100) {
            0..70 => self.number().to_string(),
            70..92 => self.lookup(),
            _ => self.pick(&IDENTS).to_owned(),
        }
    }

    fn lookup(&mut self) -> String {
        match self.below(10) {
            0..5 => format!("[:t/id {}]", self.pick(&TEXTS)),
            5..7 => format!("[:t/ids {}]", self.number()),
            7..8 => format!("[:t/code {}]", self.number()),
            8..9 => format!("[:t/a+b [{} {}]]", self.number(), self.pick(&TEXTS)),
            _ => format!("[:t/key {}]", self.number()),
        }
    }

    /// The value of a reference in a vector, or the entity of one.
    fn target(&mut self) -> String {
        match self.below(100) {
            0..18 => self.pick(&TEMPIDS).to_owned(),
            _ => self.entity(),
        }
    }

    fn scalar(&mut self, attribute: &str) -> String {
        let n = self.number();
        match attribute {
            "id" | "b" => self.pick(&TEXTS).to_owned(),
            "d" => format!("{n}.{}", self.pick(&["0", "5"])),
            "any" | "anys" => match self.below(5) {
                0 => self.pick(&TEXTS).to_owned(),
                1 => self.pick(&[":k", ":k/l", "true", "2.5"]).to_owned(),
                2 => format!("[{n} {}]", self.pick(&TEXTS)),
                3 => format!("{{:m {n}}}"),
                _ => n.to_string(),
            },
            "pair" => format!("[{n} {}]", self.pick(&TEXTS)),
            // Numbers that do not fit lose their fraction.
            "n" | "ns" if self.chance(5) => format!("{n}.5"),
            _ => n.to_string(),
        }
    }

    /// An attribute and a value as `:db/add` takes them.
    fn fact(&mut self) -> (String, String) {
        match self.below(100) {
            0..28 => (format!(":t/{}", self.pick(&REFS)), self.target()),
            28..52 => {
                let attribute = self.pick(&["id", "ids", "code"]);
                (format!(":t/{attribute}"), self.scalar(attribute))
            }
            52..55 => (":t/key".into(), self.target()),
            55..58 => (":db/ident".into(), self.pick(&IDENTS).into()),
            _ => {
                let attribute = self.pick(&SCALARS);
                (format!(":t/{attribute}"), self.scalar(attribute))
            }
        }
    }

    /// The same without tempids.
    fn known_fact(&mut self) -> (String, String) {
        loop {
            let (attribute, value) = self.fact();
            let nobody = self.comparable && (value.starts_with("[:t/") || value.starts_with(":i/"));
            if !nobody && (!TEMPIDS.contains(&value.as_str()) || attribute == ":t/id") {
                return (attribute, value);
            }
        }
    }

    /// An entity with attributes; maps nest inside up to `depth` levels.
    fn map(&mut self, depth: u32) -> String {
        let mut entries: Vec<(String, String)> = Vec::new();
        match self.below(100) {
            0..40 => entries.push((":db/id".into(), self.pick(&TEMPIDS).into())),
            40..65 => entries.push((":db/id".into(), self.number().to_string())),
            65..75 => entries.push((":db/id".into(), self.lookup())),
            _ => {}
        }
        for _ in 0..1 + self.below(3) {
            let entry = self.entry(depth);
            if entries.iter().all(|(attribute, _)| *attribute != entry.0) {
                entries.push(entry);
            }
        }
        let entries: Vec<String> =
            entries.into_iter().map(|(attribute, value)| format!("{attribute} {value}")).collect();
        format!("{{{}}}", entries.join(" "))
    }

    fn entry(&mut self, depth: u32) -> (String, String) {
        match self.below(100) {
            0..25 if depth > 0 => {
                let attribute = self.pick(&REFS);
                let several = attribute.ends_with('s');
                let reverse = self.chance(20);
                let one = |generator: &mut Self| match generator.chance(35) {
                    true => generator.map(depth - 1),
                    false => generator.target(),
                };
                let value = match (several || reverse) && self.chance(50) {
                    true => {
                        let items: Vec<String> = (0..1 + self.below(3)).map(|_| one(self)).collect();
                        format!("[{}]", items.join(" "))
                    }
                    false => one(self),
                };
                (format!(":t/{}{attribute}", if reverse { "_" } else { "" }), value)
            }
            25..40 => {
                let attribute = self.pick(&["ns", "anys", "ids"]);
                let mut items: Vec<String> = {
                    let least = usize::from(self.comparable);
                    (0..least + self.below(4)).map(|_| self.scalar(attribute)).collect()
                };
                items.sort();
                items.dedup();
                let items = items.join(" ");
                (
                    format!(":t/{attribute}"),
                    if self.chance(50) { format!("#{{{items}}}") } else { format!("[{items}]") },
                )
            }
            _ => self.fact(),
        }
    }

    /// A compare-and-swap.
    fn swap(&mut self) -> String {
        let attribute = self.pick(&["n", "n", "n", "to", "id", "code", "any", "ns", "tos", "a"]);
        let value = |generator: &mut Self| match attribute {
            "to" | "tos" => generator.entity(),
            _ => generator.scalar(attribute),
        };
        let (old, new) = (value(self), value(self));
        let may_be_absent = !self.comparable || !matches!(attribute, "to" | "ns" | "tos");
        let old = if may_be_absent && self.chance(45) { "nil".to_owned() } else { old };
        format!("[{} {} :t/{attribute} {old} {new}]", self.pick(&[":db/cas", ":db.fn/cas"]), self.entity())
    }

    /// What must be refused.
    fn wrong(&mut self) -> String {
        let n = self.number();
        match self.below(10) {
            0 => format!("[:db/add {n} :t/n nil]"),
            1 => format!("[:db/retract -1 :t/n {n}]"),
            2 => "[:db/add 1 :t/to -9]".into(),
            3 => format!("{{:db/id {n} :t/_n 1}}"),
            4 => format!("[:db/add {n} :t/a+b [9 \"z\"]]"),
            5 => format!("[:db/add {n} :t/n \"text\"]"),
            6 => format!("[:no/function {n}]"),
            7 => format!("{{:db/id {n} \"t/n\" 1}}"),
            8 => format!("[:db/add [:t/n {n}] :t/b \"x\"]"),
            _ => format!("[:db/cas {n} :t/n nil nil]"),
        }
    }
}

/// All datoms, as vectors in the order of entities.
///
/// # Errors
///
/// Those of reading.
pub fn datoms(db: &Db) -> Result<Value, Error> {
    let rows: Result<Vec<Value>, _> = db
        .datoms(Index::Eav, &[])?
        .map(|datom| {
            datom.map(|datom| {
                let ident = db.schema().by_id(datom.a).map_or(Value::Nil, |a| a.ident.clone().into());
                Value::Vector(vec![Value::Int(datom.e.0 as i64), ident, datom.v.clone()])
            })
        })
        .collect();
    Ok(Value::Vector(rows?))
}

/// The cases of a sequence of `count` transactions, in the form of `tests/cases`: one for each transaction that Factum refuses, and
/// one for what the others leave behind. Which of several mistakes is told first is not compared.
///
/// # Errors
///
/// Those of opening and reading a database in memory.
pub fn cases(seed: u64, count: usize) -> Result<String, Error> {
    let connection = Connection::memory_with(Options::new().schema(SCHEMA))?;
    let mut generator = Generator::new(seed).comparable();
    let (mut accepted, mut text) = (Vec::new(), String::new());
    for number in 0..count {
        let transaction = generator.transaction();
        let data = edn::read(&transaction).expect("a transaction is EDN");
        match connection.transact(&data) {
            Ok(_) => accepted.push(transaction),
            Err(error) => {
                let before = accepted.join("\n      ");
                let class = error.class();
                writeln!(
                    text,
                    "{{:name \"{seed}-{number}\"\n :schema :t\n :tx [{before}\n      {transaction}]\n :op [:datoms :eav]\n \
                     :expect {{:stage :tx, :class :{class}}}\n :expect-kind :error}}"
                )
                .expect("writes to a string");
            }
        }
    }
    let (accepted, expected) = (accepted.join("\n      "), datoms(&connection.db()?)?);
    writeln!(
        text,
        "{{:name \"{seed}\"\n :schema :t\n :tx [{accepted}]\n :op [:datoms :eav]\n :expect {expected}\n :expect-kind :set}}"
    )
    .expect("writes to a string");
    Ok(text)
}
