//! A search form: the query depends on which fields are filled in, so it is built and not written.
//!
//! `cargo run -p examples --bin built_queries`

#![allow(clippy::print_stdout, reason = "an example talks")]

use factum::build::*;
use factum::prelude::*;

/// What a user filled in.
#[derive(Debug, Default)]
struct Search {
    section: Option<String>,
    larger_than: Option<i64>,
    needs: Option<String>,
    unneeded: bool,
}

impl Search {
    fn query(&self) -> QueryBuilder {
        let mut query = Query::find((var("name"), var("size")))
            .pattern(var("p"), kw("package/name"), var("name"))
            .pattern(var("p"), kw("package/size"), var("size"))
            .order_by((desc(var("size")), var("name")))
            .limit(3);
        if let Some(section) = &self.section {
            query = query.pattern(var("p"), kw("package/section"), section.as_str());
        }
        if let Some(bytes) = self.larger_than {
            query = query.filter(">", (var("size"), bytes));
        }
        if let Some(name) = &self.needs {
            query = query.pattern(var("p"), kw("package/depends"), var("other")).pattern(
                var("other"),
                kw("package/name"),
                name.as_str(),
            );
        }
        if self.unneeded {
            query = query.not_join(var("p"), pattern(blank(), kw("package/depends"), var("p")));
        }
        query
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let conn = Connection::memory()?;
    examples::load_packages(&conn)?;
    let db = conn.db()?;

    for search in [
        Search { section: Some("libs".into()), larger_than: Some(500_000), ..Search::default() },
        Search { needs: Some("libc6".into()), unneeded: true, ..Search::default() },
        // Whatever was typed is a string and nothing else.
        Search { section: Some("libs\"] [?p :package/summary ?s".into()), ..Search::default() },
    ] {
        let query = search.query();
        println!("{search:?}\n{}\n{}\n", query.clone().build()?, db.query(&query)?);
    }
    Ok(())
}
