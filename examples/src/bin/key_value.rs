//! Key-value tables by themselves, and beside a database's facts.
//!
//! `cargo run -p examples --bin key_value`

#![allow(clippy::print_stdout, reason = "an example talks")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use factum::kv::codec::{Data, Long, Str, Tuple, Unit};
use factum::kv::{Batch, DbiOptions, KeyRange, Table};
use factum::{Connection, Kv};
use serde::{Deserialize, Serialize};

/// What is stored for each package; any type that serde knows will do.
#[derive(Debug, Serialize, Deserialize)]
struct Package {
    name: String,
    section: String,
    summary: String,
    size: i64,
    #[serde(default)]
    tags: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(examples::bundled())?;
    let packages = text.lines().map(serde_json::from_str).collect::<Result<Vec<Package>, _>>()?;

    // A store whose files are gone at the end; Kv::open("directory") keeps them.
    let kv = Kv::temporary()?;
    // Name -> package.
    let by_name: Table<Str, Data<Package>> = kv.open_table("packages")?;
    // Tag -> names: a list table, whose keys own sorted sets.
    let by_tag: Table<Str, Str> = kv.open_list("tags")?;
    // (Size, name): a counted table, which knows ranks.
    let counted = DbiOptions::new().counted(true);
    let by_size = kv.open_table_with("sizes", counted, Tuple::<(Long, Str)>::default(), Unit)?;

    // One transaction for all three tables; an error in it would take back everything.
    kv.with_transaction(|txn| {
        for package in &packages {
            by_name.put(txn, &package.name, package)?;
            by_size.put(txn, (package.size, &package.name), ())?;
            for tag in &package.tags {
                by_tag.put(txn, tag, &package.name)?;
            }
        }
        Ok::<_, factum::Error>(())
    })?;

    // Everything below reads this state, whatever is written meanwhile.
    let read = kv.read()?;
    let bash = by_name.get(&read, "bash")?.ok_or("no bash")?;
    println!("bash: {} ({} bytes)\n", bash.summary, bash.size);

    println!("packages whose names begin with libs, backwards:");
    for entry in by_name.range(&read, KeyRange::closed_open_back("libt", "libs"))?.take(3) {
        let (name, package) = entry?;
        println!("  {name:<24} {}", package.summary);
    }

    println!("\ntags under role:: and how many packages have them:");
    let roles = by_tag.keys(&read, "role::".."role:;")?;
    for tag in roles {
        let tag = tag?;
        println!("  {tag:<24} {:>4}", by_tag.list_count(&read, tag)?);
    }

    // Ranks: no scan, whatever the size of the table.
    let total = by_size.entries(&read)?;
    let middle = by_size.by_rank(&read, total / 2)?.ok_or("no packages")?;
    println!("\nthe middle one of {total} packages by size: {:?}", middle.0);
    println!("larger than a megabyte: {}", by_size.range_count(&read, (1 << 20, "")..)?);

    // A walk that ends when it has seen enough.
    let mut sections = BTreeMap::new();
    by_name.range(&read, ..)?.visit(|_, package| {
        *sections.entry(package.section).or_insert(0) += 1;
        if sections.len() < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    println!("the first sections met: {sections:?}");

    // Many threads that write a little each: batches, committed together and in order.
    let mut batch = Batch::new();
    batch.delete(&by_name, "bash")?.delete(&by_size, (bash.size, "bash"))?;
    kv.submit(batch)?.wait()?;
    println!(
        "\nbash now: {:?}, in the older state: {}",
        by_name.get(&kv.read()?, "bash")?.map(|_| ()),
        bash.name
    );

    beside_facts()
}

/// A database's file holds tables of the user's, too, and one transaction writes both.
fn beside_facts() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let conn = Connection::open(dir.path())?;
    let kv = conn.kv()?;
    let visits: Table<Str, Long> = kv.open_table("visits")?;
    conn.with_transaction(|tx| {
        tx.transact(r#"[{:user/name "Ann"}]"#)?;
        tx.kv(|txn| visits.update(txn, "Ann", |old| Some(old.unwrap_or(0) + 1)))
    })?;
    let names: Vec<String> = conn.db()?.query("[:find [?n ...] :where [_ :user/name ?n]]")?.column()?;
    println!("facts about {names:?}, visits of Ann: {:?}", visits.get(&kv.read()?, "Ann")?);
    Ok(())
}
