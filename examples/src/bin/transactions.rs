//! Several steps as one commit, and many small transactions that share one: `cargo run -p examples --bin transactions`.

use factum::prelude::*;
use factum::{Error, PendingTx};

const SCHEMA: &str = "{:account/owner {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :account/left  {:db/valueType :db.type/long}}";

/// Moves money, or nothing: the second step may find that the first went too far.
fn transfer(conn: &Connection, from: &str, to: &str, amount: i64) -> Result<(), Error> {
    let left = "[:find ?l . :in $ ?owner :where [?a :account/owner ?owner] [?a :account/left ?l]]";
    conn.with_transaction(|tx| {
        let before: (i64, i64) =
            (tx.query_with(left, [from])?.scalar()?, tx.query_with(left, [to])?.scalar()?);
        tx.transact(Tx::new().add(lookup(":account/owner", from), ":account/left", before.0 - amount))?;
        tx.transact(Tx::new().add(lookup(":account/owner", to), ":account/left", before.1 + amount))?;
        // What was staged is seen here, and by nobody else.
        if tx.query_with(left, [from])?.scalar::<i64>()? < 0 {
            tx.abort();
        }
        Ok(())
    })
}

fn main() -> Result<(), Error> {
    let dir = tempfile::tempdir()
        .map_err(|error| Error::Option { option: "directory".to_owned(), reason: error.to_string() })?;
    let conn = Connection::open_with(dir.path(), SCHEMA)?;
    conn.transact(r#"[{:account/owner "Ann" :account/left 50} {:account/owner "Bob" :account/left 0}]"#)?;
    transfer(&conn, "Ann", "Bob", 30)?;
    transfer(&conn, "Ann", "Bob", 30)?; // more than is left: nothing happens
    let accounts = "[:find ?o ?l :where [?a :account/owner ?o] [?a :account/left ?l] :order-by [?o]]";
    let rows: Vec<(String, i64)> = conn.db()?.rows(accounts)?;
    println!("{rows:?}");
    assert_eq!(rows, [("Ann".to_owned(), 20), ("Bob".to_owned(), 30)]);

    // A thousand visitors; each is a transaction of its own, and few commits serve them all.
    let pending: Vec<PendingTx> = (0..1000)
        .map(|n| conn.transact_async(Tx::new().add("visit", ":visit/number", n)))
        .collect::<Result<_, _>>()?;
    for promise in pending {
        promise.wait()?; // or .await
    }
    println!("{} visits are on disk", conn.db()?.count(None, Some(":visit/number".into()), None)?);
    Ok(())
}
