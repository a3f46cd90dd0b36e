//! The same facts in SQLite: one `datoms (e, a, v)` table clustered by (e, a, v), with a covering index on (a, v, e).

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, Result, Statement, params};
use serde_json::Value;

use super::records::Record;

/// A loaded database and the number of each attribute.
pub struct Sqlite {
    /// The connection.
    pub connection: Connection,
    attributes: HashMap<String, i64>,
    entities: HashMap<String, i64>,
}

impl Sqlite {
    /// Loads all records in one transaction.
    pub fn load(path: &Path, records: &[Record]) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.execute_batch(
            "CREATE TABLE datoms (e INTEGER NOT NULL, a INTEGER NOT NULL, v, PRIMARY KEY (e, a, v)) WITHOUT ROWID;
             CREATE INDEX ave ON datoms (a, v, e);",
        )?;
        let transaction = connection.transaction()?;
        let mut loader = Loader::default();
        {
            let mut insert = transaction.prepare("INSERT OR IGNORE INTO datoms VALUES (?1, ?2, ?3)")?;
            let mut clear = transaction.prepare("DELETE FROM datoms WHERE e = ?1 AND a = ?2")?;
            for record in records {
                loader.record(record, &mut insert, &mut clear)?;
            }
        }
        transaction.commit()?;
        Ok(Self { connection, attributes: loader.attributes, entities: loader.entities })
    }

    /// The number of an attribute, as text to put into SQL.
    pub fn attribute(&self, name: &str) -> i64 {
        self.attributes[name]
    }

    /// The entity of a package name.
    pub fn entity(&self, name: &str) -> Option<i64> {
        self.entities.get(name).copied()
    }

    /// The single integer that a query answers; `:attribute` words in `sql` stand for attribute numbers.
    pub fn number(&self, sql: &str) -> Result<i64> {
        self.ask(&self.expand(sql))
    }

    /// The single integer that expanded SQL answers, as a prepared statement.
    pub fn ask(&self, sql: &str) -> Result<i64> {
        self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
    }

    /// Replaces `:name` by the number of that attribute and `@name` by the entity of that package.
    pub fn expand(&self, sql: &str) -> String {
        sql.split(' ')
            .map(|word| {
                let end = word.find([')', ',', ';']).unwrap_or(word.len());
                let (name, rest) = word.split_at(end);
                match name.split_at(name.len().min(1)) {
                    (":", attribute) => format!("{}{rest}", self.attribute(attribute)),
                    ("@", package) => format!("{}{rest}", self.entity(package).unwrap_or(-1)),
                    _ => word.to_string(),
                }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[derive(Default)]
struct Loader {
    attributes: HashMap<String, i64>,
    entities: HashMap<String, i64>,
    records: std::collections::HashSet<i64>,
}

impl Loader {
    fn attribute(&mut self, name: &str) -> i64 {
        let next = self.attributes.len() as i64 + 1;
        *self.attributes.entry(name.to_string()).or_insert(next)
    }

    fn entity(&mut self, name: &str, insert: &mut Statement<'_>) -> Result<i64> {
        if let Some(&entity) = self.entities.get(name) {
            return Ok(entity);
        }
        let entity = self.entities.len() as i64 + 1;
        self.entities.insert(name.to_string(), entity);
        let attribute = self.attribute("name");
        insert.execute(params![entity, attribute, name])?;
        Ok(entity)
    }

    fn record(
        &mut self,
        record: &Record,
        insert: &mut Statement<'_>,
        clear: &mut Statement<'_>,
    ) -> Result<()> {
        let entity = self.entity(&record.name, insert)?;
        let repeated = !self.records.insert(entity);
        for (name, value) in &record.single {
            let attribute = self.attribute(name);
            if repeated {
                clear.execute(params![entity, attribute])?;
            }
            match value {
                Value::Number(number) if number.is_i64() => {
                    insert.execute(params![entity, attribute, number.as_i64()])?
                }
                Value::Number(number) => insert.execute(params![entity, attribute, number.as_f64()])?,
                Value::String(text) => insert.execute(params![entity, attribute, text])?,
                other => insert.execute(params![entity, attribute, other.to_string()])?,
            };
        }
        for (name, value) in &record.many {
            let attribute = self.attribute(name);
            insert.execute(params![entity, attribute, value])?;
        }
        let attribute = self.attribute("depends");
        for name in &record.depends {
            let target = self.entity(name, insert)?;
            insert.execute(params![entity, attribute, target])?;
        }
        Ok(())
    }
}
