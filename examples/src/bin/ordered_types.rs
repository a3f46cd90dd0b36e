//! Values in an order of one's own, as a Rust type and as a written function: `cargo run -p examples --bin ordered_types`.

use std::fmt;

use factum::prelude::*;
use factum::{Error, OrderedType};
use serde::{Deserialize, Serialize};

/// A version of a package: its text says what it is, its numbers in which order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Version(String);

impl OrderedType for Version {
    const NAME: &'static str = ":debian/version";
    type Key = (i64, i64, i64);

    fn order_key(&self) -> (i64, i64, i64) {
        let mut numbers = self.0.split('.').map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next(), next())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const SCHEMA: &str = "{:package/name    {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :package/version {:db/valueType :debian/version}}";

fn main() -> Result<(), Error> {
    let conn = Connection::memory_with(Options::new().ordered_type::<Version>().schema(SCHEMA))?;
    let packages = [("bash", "5.2"), ("coreutils", "9.1"), ("grep", "3.8"), ("gzip", "1.12"), ("sed", "4.9")];
    for (name, version) in packages {
        let entity = EntityBuilder::new()
            .set(":package/name", name)
            .set(":package/version", Version(version.into()).to_value()?);
        conn.transact(Tx::new().entity(entity))?;
    }

    // As text, "1.12" would stand before "1.2".
    let since = Version("1.2".into());
    let query = "[:find ?name ?v :in $ ?since :where [?e :package/version ?v] [(> ?v ?since)] [?e :package/name ?name]
                  :order-by [?v :asc] :limit 2]";
    let rows: Vec<(String, Version)> = conn.db()?.query_with(query, [since.to_value()?])?.rows()?;
    for (name, version) in &rows {
        println!("{name} {version}");
    }
    assert_eq!(rows[0], ("gzip".to_owned(), Version("1.12".into())));

    // The same without a line of Rust: the function is kept in the database.
    conn.register_type(":text/length", "{:index {:type :long :order-fn (fn [text] (count text))}}")?;
    conn.update_schema("{:package/tag {:db/valueType :text/length :db/cardinality :db.cardinality/many}}")?;
    conn.transact(r#"[{:package/name "bash" :package/tag ["interpreter" "shell" "sh"]}]"#)?;
    let shortest: String = conn.db()?.query("[:find (min ?t) . :where [_ :package/tag ?t]]")?.scalar()?;
    println!("the shortest tag is {shortest}");
    assert_eq!(shortest, "sh");
    Ok(())
}
