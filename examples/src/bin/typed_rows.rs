//! Answers as Rust types: tuples, structs, trees.
//!
//! `cargo run -p examples --bin typed_rows`

#![allow(clippy::print_stdout, reason = "an example talks")]

use factum::prelude::*;
use serde::Deserialize;

/// Filled by name from `:keys`, or by position.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    size: u64,
}

/// Filled from a pull; `name` also takes `:package/name`.
#[derive(Debug, Deserialize)]
struct Tree {
    /// Packages need each other in circles: one that the path has come through already is shown by its id alone.
    name: Option<String>,
    #[serde(default)]
    depends: Vec<Tree>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn = Connection::memory()?;
    examples::load_packages(&conn)?;
    let db = conn.db()?;

    // One number.
    let total: u64 = db.query("[:find (sum ?s) . :with ?p :where [?p :package/size ?s]]")?.scalar()?;
    println!("all packages together: {total} bytes\n");

    // Rows as structs.
    let largest: Vec<Package> = db
        .query(
            "[:find ?name ?size :keys name size
              :where [?p :package/name ?name] [?p :package/size ?size]
              :order-by [?size :desc] :limit 3]",
        )?
        .rows()?;
    for Package { name, size } in &largest {
        println!("{size:>10}  {name}");
    }

    // Rows as tuples, with inputs.
    let libraries: Vec<(String, String)> = db
        .query_with(
            "[:find ?name ?version
              :in $ ?section ?pattern
              :where [?p :package/section ?section] [?p :package/name ?name] [?p :package/version ?version]
                     [(like ?name ?pattern)]
              :order-by ?name]",
            ("libs", "libsystemd%"),
        )?
        .rows()?;
    println!("\n{libraries:?}\n");

    // A tree of any depth.
    let tree: Tree = db
        .pull_as("[:package/name {:package/depends ...}]", (":package/name", "libpam-modules"))?
        .ok_or("no such package")?;
    print_tree(&tree, 0);
    Ok(())
}

fn print_tree(tree: &Tree, depth: usize) {
    println!("{}{}", "  ".repeat(depth), tree.name.as_deref().unwrap_or("(again)"));
    for child in tree.depends.iter().filter(|_| depth < 3) {
        print_tree(child, depth + 1);
    }
}
