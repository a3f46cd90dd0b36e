//! The gallery of errors in `docs/errors.md`: every mistake with the message it gets, made by running it through the public API. Each
//! must have a message of its own and leave the database as it was.
//!
//! `FACTUM_BLESS=1 cargo test -p tests --test error_gallery` writes the file anew.

mod data;
mod files;
mod queries;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use factum::{CancelToken, Connection, Db, Error, Index, QueryOptions, Value};
use queries::{Mistake, chapters, of};

const SCHEMA: &str = "{:person/name   {:db/valueType :db.type/string :db/unique :db.unique/identity}
 :person/mail   {:db/valueType :db.type/string :db/unique :db.unique/value}
 :person/age    {:db/valueType :db.type/long}
 :person/friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
 :person/photo  {:db/valueType :db.type/bytes :db/noindex true}}";

const FACTS: &str = r#"[{:db/id 1 :person/name "Ann" :person/age 38 :person/friend [2] :person/mail "ann@example.org"}
 {:db/id 2 :person/name "Bob" :person/age 41 :person/friend [1 3]}
 {:db/id 3 :person/name "Cy" :person/age 29 :note "likes tea"} {:db/id 4 :note 7}]"#;

/// The page in the making, and what was said so far.
pub struct Gallery {
    out: String,
    seen: BTreeMap<String, String>,
}

impl Gallery {
    /// Begins a chapter.
    pub fn chapter(&mut self, title: &str, about: &str) {
        write!(self.out, "\n## {title}\n\n{about}\n").expect("writing to a string");
    }

    /// Shows an error. `mistake` names what was done wrong; no other mistake may have the same message and place.
    pub fn show(&mut self, mistake: &str, error: &Error) {
        assert!(error.code().starts_with(':') && !error.class().is_empty(), "{mistake}: {error:?}");
        self.show_text(mistake, &error.render());
    }

    /// Shows an error that was rendered elsewhere.
    pub fn show_text(&mut self, mistake: &str, rendered: &str) {
        assert!(
            !rendered.contains("Int(") && !rendered.contains("Str("),
            "{mistake}: for programmers: {rendered}"
        );
        write!(self.out, "\n```text\n{}\n```\n", rendered.trim_end()).expect("writing to a string");
        if let Some(other) = self.seen.insert(rendered.to_owned(), mistake.to_owned()) {
            assert_eq!(other, mistake, "two mistakes, one error: {rendered}");
        }
    }

    /// A line between errors.
    pub fn say(&mut self, text: &str) {
        write!(self.out, "\n{text}\n").expect("writing to a string");
    }
}

/// A database in memory with the schema, more attributes, and the facts of the gallery.
pub fn connection(options: factum::Options, more: &str) -> Connection {
    let read = |text: &str| edn::read(text).ok().and_then(|value| value.as_map().cloned()).expect("a schema");
    let mut schema = read(SCHEMA);
    schema.extend(read(more));
    let connection = Connection::memory_with(options.schema(Value::Map(schema))).expect("a schema");
    connection.transact(FACTS).expect("facts");
    connection
}

/// All facts and the schema, to see that nothing changed.
pub fn state(connection: &Connection) -> String {
    let db = connection.db().expect("open");
    let datoms = db.datoms(Index::Eav, &[]).expect("readable").map(|datom| datom.expect("readable"));
    let facts: Vec<String> = datoms.map(|datom| format!("{} {} {}", datom.e, datom.a.0, datom.v)).collect();
    format!("{}\n{}\n{}", db.schema().to_value(), db.max_eid(), facts.join("\n"))
}

fn run(db: &Db, mistake: &Mistake) -> Result<Vec<String>, Error> {
    let mut inputs = factum::inputs![db];
    inputs.extend(mistake.inputs.iter().map(|input| factum::Input::from(edn::read(input).expect("EDN"))));
    let result = factum::query(mistake.query, inputs)?;
    Ok(result.warnings().iter().map(ToString::to_string).collect())
}

fn show_input(input: &str) -> String {
    match edn::read(input).expect("EDN") {
        Value::Str(rules) if rules.starts_with("[[(") => format!("with the rules `{rules}`"),
        value => format!("with the input `{value}`"),
    }
}

fn of_queries(gallery: &mut Gallery, connection: &Connection) {
    let db = connection.db().expect("open");
    for (title, about, mistakes) in chapters() {
        gallery.chapter(title, about);
        for mistake in &mistakes {
            let error = run(&db, mistake).expect_err(mistake.query);
            // Rules that a program built have no text.
            let has_text = mistake.inputs != ["17"] || error.code() != ":parser/rule";
            assert!(!has_text || error.render().contains('^'), "no place: {}", error.render());
            gallery.show(&format!("{} {:?}", mistake.query, mistake.inputs), &error);
            mistake.inputs.iter().for_each(|input| gallery.say(&show_input(input)));
        }
    }
}

fn of_limits(gallery: &mut Gallery) {
    gallery.chapter(
        "Limits",
        "A query that takes too much ends in an error of its own and leaves nothing behind.",
    );
    let cancelled = CancelToken::new();
    cancelled.cancel();
    let options = QueryOptions::default();
    for (what, options) in [
        ("time", options.clone().timeout(std::time::Duration::ZERO)),
        ("rows", options.clone().rows_max(10)),
        ("cancelled", options.clone().cancel(cancelled)),
    ] {
        let connection = connection(factum::Options::new().query_options(options), "{}");
        let db = connection.db().expect("open");
        let error = db.query("[:find ?a ?b ?c ?d\n :where [?a] [?b] [?c] [?d]]").expect_err(what);
        gallery.show(what, &error);
    }
}

fn of_warnings(gallery: &mut Gallery, connection: &Connection) {
    gallery.chapter(
        "Warnings",
        "An attribute that the schema does not know is an error under the `strict` option or a closed schema. Otherwise the \
         answer is empty, and the result's `warnings()` say:",
    );
    let db = connection.db().expect("open");
    for mistake in [
        of("[:find ?e :where [?e :person/nmae \"Ann\"]]"),
        of("[:find (pull ?e [:person/nmae]) :where [?e :person/age 38]]"),
        of("[:find ?e :where [?e :person/_friend 1]]"),
        of("[:find ?e :where [?e :person/age 38.5]]"),
    ] {
        let warnings = run(&db, &mistake).expect("only a warning");
        assert!(!warnings.is_empty(), "{}", mistake.query);
        let text = format!("{}\nwarning: {}", mistake.query, warnings.join("\n"));
        gallery.show_text(mistake.query, &text);
    }
}

fn gallery() -> String {
    let mut gallery = Gallery { out: String::new(), seen: BTreeMap::new() };
    gallery.out.push_str(
        "# Errors, by mistake\n\n\
         Every mistake has its own error: a stable code, a message, the place in the text, and what to do about it; the database stays\n\
         as it was. This page is written by `tests/tests/error_gallery/main.rs` from real mistakes over this schema:\n",
    );
    write!(gallery.out, "\n```clojure\n{SCHEMA}\n```\n").expect("writing to a string");
    let connection = connection(data::options(), "{}");
    let before = state(&connection);
    of_queries(&mut gallery, &connection);
    of_limits(&mut gallery);
    of_warnings(&mut gallery, &connection);
    data::of_texts(&mut gallery, &connection);
    data::of_transactions(&mut gallery, &connection);
    data::of_schemas(&mut gallery, &connection);
    data::of_pulls(&mut gallery, &connection);
    data::of_access(&mut gallery, &connection);
    assert_eq!(state(&connection), before, "some mistake left a trace");
    files::of_imports(&mut gallery);
    files::of_paths(&mut gallery);
    gallery.out
}

#[test]
fn the_gallery_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let gallery = gallery();
    if std::env::var_os("FACTUM_BLESS").is_some() {
        std::fs::write(&path, &gallery).expect("docs/errors.md can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let first = gallery.lines().zip(written.lines()).find(|(now, then)| now != then);
    assert!(
        written == gallery,
        "docs/errors.md is out of date (FACTUM_BLESS=1 rewrites it); first difference: {first:?}"
    );
}
