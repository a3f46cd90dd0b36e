//! Rules that call themselves, on the package graph.
//!
//! `cargo run -p examples --bin recursive_rules`

#![allow(clippy::print_stdout, reason = "an example talks")]

use factum::prelude::*;

const RULES: &str = "[[(needs ?a ?b) [?a :package/depends ?b]]
                      [(needs ?a ?b) [?a :package/depends ?c] (needs ?c ?b)]

                      [(knot ?a ?b) (needs ?a ?b) (needs ?b ?a)]]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn = Connection::memory()?;
    examples::load_packages(&conn)?;
    let db = conn.db()?;

    // Everything that one package pulls in. Only what is reachable from it is ever visited.
    let needed: Vec<String> = db
        .query_with(
            "[:find [?name ...]
              :in $ % ?start
              :where [?p :package/name ?start] (needs ?p ?q) [?q :package/name ?name]
              :order-by ?name]",
            (RULES, "systemd"),
        )?
        .column()?;
    println!("systemd needs {} packages: {}\n", needed.len(), needed.join(" "));

    // The same rule backwards: what would miss zlib?
    let dependants: i64 = db
        .query_with(
            "[:find (count ?p) . :in $ % :where [?z :package/name \"zlib1g\"] (needs ?p ?z)]",
            [RULES],
        )?
        .scalar()?;
    println!("{dependants} packages need zlib1g\n");

    // Cycles end, and are themselves an answer.
    let knots = db.query_with(
        "[:find ?x ?y
          :in $ %
          :where [?a :package/name ?x] (knot ?a ?b) [?b :package/name ?y] [(< ?x ?y)]
          :order-by [?x ?y]]",
        [RULES],
    )?;
    println!("packages that need each other:\n{knots}");
    Ok(())
}
