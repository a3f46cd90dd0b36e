//! What if? Transactions that are never committed.
//!
//! `cargo run -p examples --bin speculative_with`

#![allow(clippy::print_stdout, reason = "an example talks")]

use factum::prelude::*;

/// Packages that depend, directly or not, on a package of which nothing but the name is left.
const BROKEN: &str = "[:find [?name ...]
                       :in $ %
                       :where (needs ?p ?gone) [?gone :package/name] (not [?gone :package/version])
                              [?p :package/version] [?p :package/name ?name]
                       :order-by ?name]";

const RULES: &str = "[[(needs ?a ?b) [?a :package/depends ?b]]
                      [(needs ?a ?b) [?a :package/depends ?c] (needs ?c ?b)]]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn = Connection::memory()?;
    examples::load_packages(&conn)?;
    let now = conn.db()?;
    let broken = |db: &Db| -> factum::Result<Vec<String>> { db.query_with(BROKEN, [RULES])?.column() };
    let before = broken(&now)?;

    // Each `with` gives a database value; the connection knows nothing of it.
    for name in ["libgcrypt20", "zlib1g", "adduser"] {
        let without = now
            .with(Tx::new().retract_attribute(lookup(":package/name", name), ":package/version"))?
            .db_after();
        let mut lost = broken(&without)?;
        lost.retain(|package| !before.contains(package));
        println!("without {name:<12} {:>3} more packages break: {}", lost.len(), shorten(&lost));
    }

    // Values stack to any depth, and every earlier one stays as it was.
    let step = now.with(r#"[{:package/name "factum" :package/size 4000000}]"#)?.db_after();
    let next = step
        .with(r#"[[:db/add [:package/name "factum"] :package/depends [:package/name "libc6"]]]"#)?
        .db_after();
    let count = "[:find (count ?p) . :where [?p :package/depends ?c] [?c :package/name \"libc6\"]]";
    let counts = [&now, &step, &next].map(|db| db.query(count).and_then(|result| result.scalar::<i64>()));
    println!("\ndependants of libc6: {counts:?}");
    assert_eq!(conn.db()?.basis_tx(), now.basis_tx(), "nothing was committed");
    Ok(())
}

fn shorten(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let more = names.len() - shown.len();
    if more > 0 { format!("{} and {more} others", shown.join(", ")) } else { shown.join(", ") }
}
