//! Any text as a query over a small database: an answer, or an error that points into the text.

use std::sync::OnceLock;
use std::time::Duration;

use edn::Value;
use query::ast::{Binding, Input as Declared};
use query::{Input, QueryOptions};
use storage::{Db, DbOptions, Schema};

/// The rules that are given for `%`.
const RULES: &str = "[[(rule ?a ?b) [?a :boss ?b]] [(rule ?a ?b) [?a :boss ?c] (rule ?c ?b)]]";

fn read(text: &str) -> Value {
    edn::read(text).expect("EDN")
}

fn db() -> &'static Db {
    static DB: OnceLock<Db> = OnceLock::new();
    DB.get_or_init(|| {
        let schema = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
          :age {:db/valueType :db.type/long}
          :boss {:db/valueType :db.type/ref}
          :tag {:db/cardinality :db.cardinality/many}}";
        let facts = r#"[{:db/id 1 :name "a" :age 1 :tag [1 "x"]} {:db/id 2 :name "b" :boss 1 :age 20} {:db/id 3 :boss 2 :name "c"}]"#;
        let schema = Schema::from_value(&read(schema)).expect("a schema");
        Db::empty(schema, DbOptions::default()).db_with(&read(facts)).expect("facts")
    })
}

/// Something that suits what `:in` declares.
fn input(declared: &Declared) -> Input {
    match declared {
        Declared::Source(_) => db().clone().into(),
        Declared::Rules(_) => Input::Value(read(RULES)),
        Declared::Plain(_) | Declared::Binding(Binding::Scalar(_) | Binding::Blank(_)) => {
            Input::Value(Value::Int(2))
        }
        Declared::Binding(Binding::Tuple(..)) => Input::Value(read("[1 2 3 4]")),
        Declared::Binding(Binding::Collection(each, _)) => Input::Value(match **each {
            Binding::Scalar(_) | Binding::Blank(_) => read("[1 2 3 4]"),
            _ => read("[[1 2 3 4] [2 3 4 5]]"),
        }),
    }
}

/// Parses the text; what parses is analysed, planned and run with inputs of plausible kinds. Gives whether it had an answer.
pub fn check(text: &str) -> bool {
    let query = match query::parse(text) {
        Ok(query) => query,
        Err(error) => {
            assert!(error.code().starts_with(':'), "{error}");
            if let Some(span) = error.span() {
                assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
            }
            assert!(!error.render().is_empty());
            return false;
        }
    };
    let inputs: Vec<Input> = match &query.inputs {
        Some(declared) => declared.iter().map(input).collect(),
        None => vec![db().clone().into()],
    };
    // Whatever the text asks for, it may not take long.
    let options =
        QueryOptions::new().timeout(Duration::from_millis(500)).rows_max(20_000).bytes_max(16 << 20);
    match query::query(&query, &inputs, &options) {
        Ok(result) => {
            let printed = result.to_value().to_string();
            assert!(edn::read(&printed).is_ok(), "{printed}");
            true
        }
        Err(error) => {
            assert!(error.code().starts_with(':') && !error.class().is_empty(), "{error}");
            assert!(!error.render().is_empty());
            false
        }
    }
}
