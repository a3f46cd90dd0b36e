//! Any text as transaction data: a database that holds together, or an error that points into the text.

use std::sync::OnceLock;

use factum::{Connection, Db};

fn db() -> &'static Db {
    static DB: OnceLock<Db> = OnceLock::new();
    DB.get_or_init(|| {
        let schema = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
          :code {:db/unique :db.unique/value}
          :age {:db/valueType :db.type/long}
          :boss {:db/valueType :db.type/ref}
          :part {:db/valueType :db.type/ref :db/isComponent true :db/cardinality :db.cardinality/many}
          :a {} :b {} :a+b {:db/tupleAttrs [:a :b]}}";
        let data = r#"[{:db/id 1 :name "a" :age 1 :code 7 :db/ident :me} {:db/id 2 :name "b" :boss 1 :part [{:age 5}]}]"#;
        Db::empty(schema).and_then(|db| db.with(data)).expect("a database").db_after()
    })
}

/// Applies the text to a small database. Gives whether it was taken.
pub fn check(text: &str) -> bool {
    let db = db();
    match db.with(text) {
        Ok(report) => {
            let after = report.db_after();
            let check = Connection::from_db(&after).check().expect("readable");
            assert!(check.is_sound(), "{:?}", check.problems);
            let (before, now) = (db.count(None, None, None), after.count(None, None, None));
            let change: i64 = report.tx_data().iter().map(|datom| if datom.added { 1 } else { -1 }).sum();
            assert_eq!(before.expect("counts") as i64 + change, now.expect("counts") as i64);
            true
        }
        Err(error) => {
            assert!(error.code().starts_with(':') && !error.class().is_empty(), "{error}");
            if let Some(span) = error.span() {
                assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}: {error}");
            }
            assert!(!error.render().is_empty());
            false
        }
    }
}
