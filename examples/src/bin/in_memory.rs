//! Without a file: the same types, nothing on disk; and going on from a value.
//!
//! `cargo run -p examples --bin in_memory`

#![allow(clippy::print_stdout, reason = "an example talks")]

use factum::prelude::*;

fn main() -> factum::Result<()> {
    // A database value needs no connection at all.
    let db = Db::empty("{:task/after {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}")?
        .with(
            r#"[{:db/id "flour" :task/name "buy flour" :task/minutes 20}
                {:db/id "dough" :task/name "make dough" :task/minutes 15 :task/after "flour"}
                {:db/id "rest"  :task/name "let it rest" :task/minutes 60 :task/after "dough"}
                {:db/id "oven"  :task/name "heat the oven" :task/minutes 25}
                {:task/name "bake" :task/minutes 40 :task/after ["rest" "oven"]}]"#,
        )?
        .db_after();

    println!("what can start now:");
    println!("{}", db.query("[:find ?task :where [?t :task/name ?task] (not [?t :task/after])]")?);

    // A connection in memory behaves as one to a file: transactions, listeners, snapshots.
    let conn = Connection::from_db(&db);
    conn.listen("log", |report| println!("committed: {} facts", report.tx_data().len()));
    conn.transact(r#"[{:task/name "eat" :task/minutes 30 :task/after [:no-such-name 1]}]"#)
        .map(|_| ())
        .unwrap_or_else(|error| println!("refused:\n{}", error.render()));
    conn.transact(Tx::new().entity(EntityBuilder::new().set(":task/name", "eat").set(":task/minutes", 30)))?;

    let minutes: i64 =
        conn.db()?.query("[:find (sum ?m) . :with ?t :where [?t :task/minutes ?m]]")?.scalar()?;
    println!("\n{minutes} minutes of work, {} before the last one", minutes - 30);
    Ok(())
}
