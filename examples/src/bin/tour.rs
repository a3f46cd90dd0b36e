//! A tour: loads a real package graph into a database file and asks it questions, showing for each the query, the
//! answer, the plan and the time.
//!
//! `cargo run --release -p examples --bin tour`

#![allow(clippy::print_stdout, reason = "an example talks")]

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use factum::prelude::*;

const RULES: &str = "[[(needs ?a ?b) [?a :package/depends ?b]]
                      [(needs ?a ?b) [?a :package/depends ?c] (needs ?c ?b)]]";

struct Stop {
    title: &'static str,
    remark: &'static str,
    query: &'static str,
    rules: bool,
}

const STOPS: &[Stop] = &[
    Stop {
        title: "The largest packages",
        remark: "One star of facts, ordered, cut after five rows.",
        query: "[:find ?name ?size ?summary
 :where [?p :package/name ?name]
        [?p :package/size ?size]
        [?p :package/summary ?summary]
 :order-by [?size :desc]
 :limit 5]",
        rules: false,
    },
    Stop {
        title: "Small but essential",
        remark: "The comparison becomes a range of the index, the constant an exact lookup; clause order does not matter.",
        query: "[:find ?name ?size
 :where [(< ?size 30000)]
        [?p :package/name ?name]
        [?p :package/size ?size]
        [?p :package/priority \"required\"]
 :order-by ?size]",
        rules: false,
    },
    Stop {
        title: "What most packages lean on",
        remark: "Dependencies counted by their target.",
        query: "[:find ?name (count ?p)
 :where [?p :package/depends ?q]
        [?q :package/name ?name]
 :order-by [1 :desc ?name :asc]
 :limit 6]",
        rules: false,
    },
    Stop {
        title: "Everything that apt needs, by section",
        remark: "A recursive rule, asked from one end only.",
        query: "[:find ?section (count ?q) (sum ?size)
 :in $ %
 :where [?apt :package/name \"apt\"]
        (needs ?apt ?q)
        [?q :package/section ?section]
        [?q :package/size ?size]
 :order-by [1 :desc ?section :asc]]",
        rules: true,
    },
    Stop {
        title: "Written in C, with a command line, by people who maintain more than that",
        remark: "Two tags must be present; a value join finds the maintainer's other packages.",
        query: "[:find ?maintainer (count-distinct ?other)
 :where [?p :package/tags \"implemented-in::c\"]
        [?p :package/tags \"interface::commandline\"]
        [?p :package/maintainer ?maintainer]
        [?other :package/maintainer ?maintainer]
        [(not= ?p ?other)]
 :order-by [1 :desc ?maintainer :asc]
 :limit 5]",
        rules: false,
    },
    Stop {
        title: "Packages that need each other",
        remark: "The rule against itself: cycles end by themselves.",
        query: "[:find ?a ?b
 :in $ %
 :where [?x :package/name ?a]
        (needs ?x ?y)
        (needs ?y ?x)
        [?y :package/name ?b]
        [(< ?a ?b)]
 :order-by [?a ?b]
 :limit 5]",
        rules: true,
    },
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let style = Style { on: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    let dir = tempfile::tempdir()?;

    let start = Instant::now();
    let conn = Connection::open(dir.path())?;
    let facts = examples::load_packages(&conn)?;
    let loaded = start.elapsed();
    let stat = conn.stat()?;
    let size = stat.file.map_or(0, |file| file.used_size);
    println!("{}", style.bold("The base system of Debian 12, as a database of facts"));
    println!(
        "{facts} facts about {} packages, loaded and on disk in {}, {} KiB\n",
        stat.max_eid,
        time(loaded),
        size / 1024
    );

    let db = conn.db()?;
    for (number, stop) in (1..).zip(STOPS) {
        visit(&db, number, stop, &style)?;
    }

    println!("{}", style.bold("A mistake"));
    let error = db.query("[:find ?n\n :where [?p :package/name ?n] [(< ?size 30000)]]").err();
    println!("{}", error.map_or(String::new(), |error| error.render()));
    let typo = db.query("[:find ?n :where [_ :package/nmae ?n]]")?;
    typo.warnings().iter().for_each(|warning| println!("warning: {warning}"));
    println!("\nNext: factum repl, factum import --help, or the other examples: quick_start, typed_rows,");
    println!(
        "typed_transactions, transactions, key_value, speculative_with, recursive_rules, built_queries, in_memory."
    );
    Ok(())
}

fn visit(db: &Db, number: usize, stop: &Stop, style: &Style) -> factum::Result<()> {
    let inputs = || if stop.rules { inputs![RULES] } else { inputs![] };
    println!("{}", style.bold(&format!("{number}. {}", stop.title)));
    println!("{}\n", stop.remark);
    println!("{}", style.dim(stop.query));
    if stop.rules {
        println!("{}", style.dim(&format!("rules: {RULES}")));
    }
    let start = Instant::now();
    let result = db.query_with(stop.query, inputs())?;
    let elapsed = start.elapsed();
    println!("\n{result}");
    let plan = db.explain(stop.query, inputs(), true)?;
    println!("{}", style.dim(plan.to_string().trim_end()));
    println!("{}\n", style.green(&format!("{} rows in {}", result.len(), time(elapsed))));
    Ok(())
}

fn time(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Colours where they can be seen.
struct Style {
    on: bool,
}

impl Style {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }
}
