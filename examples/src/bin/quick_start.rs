//! The first five minutes: open, transact, query, pull.
//!
//! `cargo run -p examples --bin quick_start`

#![allow(clippy::print_stdout, reason = "an example talks")]

use factum::prelude::*;

fn main() -> factum::Result<()> {
    let dir = tempfile::tempdir().expect("a temporary directory");

    // A directory is a database; the schema says what is unique, what refers to other entities, what is a set.
    let conn = Connection::open_with(
        dir.path(),
        "{:person/name   {:db/valueType :db.type/string :db/unique :db.unique/identity}
          :person/friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}",
    )?;

    // Facts go in as data. Nested maps become entities of their own.
    let report = conn.transact(
        r#"[{:db/id "ann" :person/name "Ann" :person/age 38
             :person/friend [{:person/name "Bob" :person/age 41} {:person/name "Cy" :person/age 29}]}]"#,
    )?;
    println!(
        "committed {} facts; Ann is entity {}\n",
        report.tx_data().len(),
        report.tempids()[&"ann".into()].0
    );

    // Who is older than whom? Patterns that share variables must hold together; their order does not matter.
    let db = conn.db()?;
    let pairs = db.query(
        "[:find ?older ?younger
          :where [?a :person/name ?older]   [?a :person/age ?x]
                 [?b :person/name ?younger] [?b :person/age ?y]
                 [(> ?x ?y)]
          :order-by [?older ?younger]]",
    )?;
    println!("{pairs}");

    // The same facts as a tree.
    let ann =
        db.pull("[:person/name {:person/friend [:person/name :person/age]}]", (":person/name", "Ann"))?;
    println!("{}", factum::edn::pretty(&ann.unwrap_or_default(), 80));
    Ok(())
}
