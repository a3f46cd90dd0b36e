//! Five-attribute entities for the suites that write, the same for every system.

use factum::{EntityBuilder, Value};
use rusqlite::types::ToSql;
use rusqlite::{Connection, Statement};

/// One entity: a word, a number, a fraction, a category, a reference.
#[derive(Clone, Debug)]
pub struct Person {
    /// About 16 letters, different for everybody.
    pub name: String,
    /// One of a hundred.
    pub age: i64,
    /// Any.
    pub size: f64,
    /// One of eight.
    pub kind: &'static str,
    /// An earlier person.
    pub friend: i64,
}

/// The attributes, in the order in which [`Person::insert`] numbers them from 1.
pub const SCHEMA: &str = "{:p/name {:db/valueType :db.type/string} :p/age {:db/valueType :db.type/long}
    :p/size {:db/valueType :db.type/double} :p/kind {:db/valueType :db.type/keyword}
    :p/friend {:db/valueType :db.type/ref}}";

const KINDS: [&str; 8] =
    [":k/baker", ":k/farmer", ":k/miller", ":k/miner", ":k/pilot", ":k/smith", ":k/tailor", ":k/weaver"];

impl Person {
    /// The person with number `n`, counted from 1.
    pub fn new(n: i64) -> Self {
        let mixed = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            name: format!("p{mixed:015x}"),
            age: (mixed % 100) as i64,
            size: (mixed >> 40) as f64 / 7.0,
            kind: KINDS[(mixed >> 8) as usize % KINDS.len()],
            friend: (mixed >> 16) as i64 % n + 1,
        }
    }

    /// As transaction data.
    pub fn entity(&self) -> EntityBuilder {
        EntityBuilder::new()
            .set(":p/name", self.name.as_str())
            .set(":p/age", self.age)
            .set(":p/size", self.size)
            .set(":p/kind", Value::keyword(self.kind))
            .set(":p/friend", self.friend)
    }

    /// The values in the order of the attributes.
    pub fn values(&self) -> [&dyn ToSql; 5] {
        [&self.name, &self.age, &self.size, &self.kind, &self.friend]
    }

    /// Puts the five facts of entity `e` into SQLite.
    pub fn insert(&self, e: i64, insert: &mut Statement<'_>) -> rusqlite::Result<()> {
        for (a, value) in self.values().into_iter().enumerate() {
            insert.execute([&e as &dyn ToSql, &(a as i64 + 1), value])?;
        }
        Ok(())
    }
}

/// Makes the table that holds the same facts with the same two access paths.
pub fn create_sqlite(connection: &Connection, with_index: bool) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE datoms (e INTEGER NOT NULL, a INTEGER NOT NULL, v, PRIMARY KEY (e, a, v)) WITHOUT ROWID",
    )?;
    if with_index {
        connection.execute_batch(SQLITE_INDEX)?;
    }
    Ok(())
}

/// The access path by attribute and value.
pub const SQLITE_INDEX: &str = "CREATE INDEX ave ON datoms (a, v, e)";
/// Adds a fact.
pub const SQLITE_INSERT: &str = "INSERT INTO datoms VALUES (?1, ?2, ?3)";
