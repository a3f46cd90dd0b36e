//! Registered types from outside: as Rust types, as written functions, and queries compared with a sorted map.

use std::collections::BTreeMap;

use factum::{Connection, Db, EntityId, Error, Index, Options, OrderedType, Tx, TypeFunctions, Value, edn};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    major: i64,
    minor: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl OrderedType for Version {
    const NAME: &'static str = ":my/version";
    type Key = (i64, i64);

    fn order_key(&self) -> (i64, i64) {
        (self.major, self.minor)
    }
}

/// The same name in another program, which orders otherwise.
#[derive(Serialize, Deserialize)]
struct Other(i64);

impl OrderedType for Other {
    const NAME: &'static str = ":my/version";
    type Key = i64;

    fn order_key(&self) -> i64 {
        self.0
    }
}

fn version(major: i64, minor: i64) -> Version {
    Version { major, minor, note: None }
}

const SCHEMA: &str =
    "{:v {:db/valueType :my/version :db/unique :db.unique/identity} :name {:db/valueType :db.type/string}}";

fn options() -> Options {
    Options::new().ordered_type::<Version>().schema(SCHEMA)
}

#[test]
fn a_rust_type_is_written_found_and_read() -> Result<(), Error> {
    let conn = Connection::memory_with(options())?;
    for (at, (major, minor)) in [(1, 10), (1, 9), (2, 0)].into_iter().enumerate() {
        let value = version(major, minor).to_value()?;
        conn.transact(Tx::new().add(at as i64 + 1, ":v", value))?;
    }
    let rows: Vec<(i64, Version)> =
        conn.db()?.query("[:find ?e ?v :where [?e :v ?v] :order-by [?v :desc]]")?.rows()?;
    assert_eq!(rows, [(3, version(2, 0)), (1, version(1, 10)), (2, version(1, 9))]);
    // An upsert by the value, a lookup ref, an input of the type.
    let value = version(1, 9).to_value()?;
    conn.transact(Tx::new().data(Value::Map(
        [(Value::keyword(":v"), value.clone()), (Value::keyword(":name"), "old".into())].into(),
    )))?;
    let found: i64 =
        conn.db()?.query_with("[:find ?e . :in $ ?v :where [?e :v ?v] [?e :name _]]", [value])?.scalar()?;
    assert_eq!(found, 2);
    // What is no version is refused.
    let error = conn.transact("[{:v {:major 1}}]").expect_err("no minor number");
    assert_eq!(error.code(), ":custom-type/function");
    let other = Connection::from_db(&conn.db()?).register::<Other>().expect_err("another order");
    assert_eq!(other.code(), ":custom-type/conflict");
    Ok(())
}

#[test]
fn functions_of_types_add_up_in_any_order() -> Result<(), Error> {
    let more = || TypeFunctions::new().function("my/id", |value| Ok(value.clone()));
    for options in
        [options().type_functions(more()), Options::new().type_functions(more()).ordered_type::<Version>()]
    {
        let conn = Connection::memory_with(options)?;
        conn.register_type(":my/plain", "{:index {:type :long :order-fn my/id}}")?;
        conn.update_schema("{:v {:db/valueType :my/version} :n {:db/valueType :my/plain}}")?;
        conn.transact("[{:v {:major 1 :minor 10} :n 7}]")?;
        assert_eq!(conn.db()?.count(None, None, None)?, 2);
    }
    Ok(())
}

#[test]
fn databases_in_memory_have_no_log() {
    let options = || Options::new().durability(factum::Durability::Wal);
    let errors = [Connection::memory_with(options()).map(drop), Db::empty(options()).map(drop)];
    for error in errors.map(|result| result.expect_err("nothing to recover")) {
        assert_eq!(error.code(), ":options/invalid");
        assert!(error.to_string().contains("nothing to recover"), "{error}");
    }
}

#[test]
fn other_programs_read_and_do_not_write() -> Result<(), Error> {
    let dir = tempfile::tempdir().expect("a folder");
    let conn = Connection::open_with(dir.path(), options())?;
    conn.transact("[{:v {:major 1 :minor 10}} {:v {:major 1 :minor 9}}]")?;
    conn.close()?;

    let conn = Connection::open(dir.path())?;
    let stored: Vec<Value> = conn
        .db()?
        .datoms(Index::Ave, &[Value::keyword(":v")])?
        .map(|datom| datom.expect("readable").v)
        .collect();
    assert_eq!(stored, [version(1, 9).to_value()?, version(1, 10).to_value()?]);
    assert_eq!(conn.db()?.rows::<(Version,)>("[:find ?v :where [_ :v ?v]]")?.len(), 2);
    let error = conn.transact("[{:v {:major 3 :minor 0}}]").expect_err("no order function");
    assert_eq!(error.code(), ":udf/not-found");
    assert!(
        error.render().contains("help: open the database with the function or the Rust type"),
        "{}",
        error.render()
    );
    let query = "[:find ?v :where [_ :v ?v] [(< ?v {:major 3 :minor 0})]]";
    assert_eq!(conn.db()?.query(query).expect_err("no order function").code(), ":udf/not-found");

    conn.register::<Version>()?;
    conn.transact("[{:v {:major 3 :minor 0}}]")?;
    assert_eq!(conn.db()?.query(query)?.len(), 2);
    Ok(())
}

#[test]
fn types_go_along_with_a_database_that_is_copied_or_replaced() -> Result<(), Error> {
    let conn = Connection::memory()?;
    let by_size = "{:index {:type :long :order-fn (fn [text] (count text))}}";
    conn.register_type(":my/size", by_size)?;
    conn.register_type(":my/size", by_size)?;
    conn.update_schema("{:t {:db/valueType :my/size}}")?;
    conn.transact(r#"[{:t "ccc"} {:t "a"}]"#)?;
    let dir = tempfile::tempdir().expect("a folder");
    let file = Connection::open(dir.path())?;
    file.reset(&conn.db()?)?;
    file.transact(r#"[{:t "bb"}]"#)?;
    file.close()?;
    let file = Connection::open(dir.path())?;
    let sorted: Vec<String> = file
        .db()?
        .rows::<(String,)>("[:find ?t :where [_ :t ?t] :order-by [?t :asc]]")?
        .into_iter()
        .map(|(t,)| t)
        .collect();
    assert_eq!(sorted, ["a", "bb", "ccc"]);
    assert!(file.check()?.problems.is_empty());
    // What is cleared can be used again.
    file.clear()?;
    file.register_type(":my/size", by_size)?;
    file.update_schema("{:t {:db/valueType :my/size}}")?;
    file.transact(r#"[{:t "x"}]"#)?;
    Ok(())
}

/// Texts by length, stored as they are; the same, stored in reverse.
fn by_length(dir: Option<&std::path::Path>) -> Connection {
    let reverse = |value: &Value| {
        let text = value.as_str().ok_or("a text is expected")?;
        Ok(Value::from(text.chars().rev().collect::<String>()))
    };
    let options = || Options::new().type_functions(TypeFunctions::new().function("my/reverse", reverse));
    let conn = match dir {
        Some(dir) => Connection::open_with(dir, options()),
        None => Connection::memory_with(options()),
    };
    let conn = conn.expect("a database");
    let definition =
        |payload: &str| format!("{{:index {{:type :long :order-fn (fn [t] (count t))}} {payload}}}");
    conn.register_type(":my/size", definition("").as_str()).expect("a type");
    let reversed = definition(":payload {:serialize my/reverse :deserialize my/reverse}");
    conn.register_type(":my/reversed", reversed.as_str()).expect("a type");
    let many = ":db/cardinality :db.cardinality/many";
    let schema = format!(
        "{{:s {{:db/valueType :my/size {many}}} :r {{:db/valueType :my/reversed {many}}} :plain {{{many}}}}}"
    );
    conn.update_schema(schema.as_str()).expect("a schema");
    conn
}

type Facts = BTreeMap<(usize, String), Vec<u64>>;

fn expected(facts: &Facts, holds: impl Fn(usize) -> bool) -> Vec<(i64, String)> {
    let mut rows: Vec<(i64, String)> = facts
        .iter()
        .filter(|((size, _), _)| holds(*size))
        .flat_map(|((_, text), entities)| entities.iter().map(|e| (*e as i64, text.clone())))
        .collect();
    rows.sort();
    rows
}

fn asked(db: &Db, query: &str, bound: &str) -> Vec<(i64, String)> {
    let result =
        db.query_with(query, [Value::from(bound)]).unwrap_or_else(|error| panic!("{}", error.render()));
    let mut rows: Vec<(i64, String)> = result.rows().expect("rows");
    rows.sort();
    rows
}

fn check(db: &Db, facts: &Facts, bound: &str) -> Result<(), TestCaseError> {
    let size = bound.chars().count();
    for attribute in ["s", "r"] {
        for (operator, holds) in [
            ("<", (|a, b| a < b) as fn(usize, usize) -> bool),
            ("<=", |a, b| a <= b),
            (">", |a, b| a > b),
            (">=", |a, b| a >= b),
        ] {
            let query =
                |comparison: &str| format!("[:find ?e ?v :in $ ?x :where [?e :{attribute} ?v] {comparison}]");
            // Beside a constant, turned around, behind a rule, in a branch, and where the value comes from elsewhere.
            let own = expected(facts, |other| holds(other, size));
            prop_assert_eq!(&asked(db, &query(&format!("[({operator} ?v ?x)]")), bound), &own);
            prop_assert_eq!(&asked(db, &query(&format!("(or [({operator} ?v ?x)] [(= 1 2)])")), bound), &own);
            let turned = expected(facts, |other| holds(size, other));
            prop_assert_eq!(&asked(db, &query(&format!("[({operator} ?x ?v)]")), bound), &turned);
            let joined = query(&format!("[?f :{attribute} ?u] [(= ?u ?x)] [({operator} ?v ?u)]"));
            let others: Vec<usize> =
                facts.keys().filter(|(_, text)| text == bound).map(|(size, _)| *size).collect();
            prop_assert_eq!(
                asked(db, &joined, bound),
                expected(facts, |own| others.iter().any(|other| holds(own, *other)))
            );
            let rule = format!("[[(apart ?a ?b) [({operator} ?a ?b)]]]");
            let query = format!("[:find ?e ?v :in $ ?x % :where [?e :{attribute} ?v] (apart ?v ?x)]");
            let result = db.query_with(query.as_str(), factum::inputs![bound, rule.as_str()]);
            let mut rows: Vec<(i64, String)> = result.expect("an answer").rows().expect("rows");
            rows.sort();
            prop_assert_eq!(&rows, &own);
        }
        // Equality is that of values: as a constant, of a computed value, from a collection, in a join.
        let same: Vec<(i64, String)> =
            expected(facts, |_| true).into_iter().filter(|(_, text)| text == bound).collect();
        for clause in [
            format!("[?e :{attribute} ?x] [(identity ?x) ?v]"),
            format!("[(str ?x \"\") ?v] [?e :{attribute} ?v]"),
            format!("[?e :{attribute} ?v] [(= ?v ?x)]"),
            format!("[(vector ?x \"\") [?v ...]] [?e :{attribute} ?v] [(= ?v ?x)]"),
            format!("[?e :plain ?v] [?e :{attribute} ?v] [(= ?v ?x)]"),
            format!("[?e :{attribute} ?v] [?e ?a ?v] [(= ?a :plain)] [(= ?v ?x)]"),
        ] {
            prop_assert_eq!(
                &asked(db, &format!("[:find ?e ?v :in $ ?x :where {clause}]"), bound),
                &same,
                "{}",
                clause
            );
        }
        let ordered = format!("[:find ?e ?v :where [?e :{attribute} ?v] :order-by [?v :asc]]");
        let sizes: Vec<usize> = db
            .rows::<(i64, String)>(&ordered)
            .expect("rows")
            .iter()
            .map(|(_, v)| v.chars().count())
            .collect();
        prop_assert!(sizes.is_sorted());
        if let (Some((least, _)), Some((greatest, _))) = (facts.keys().next(), facts.keys().next_back()) {
            let query = format!("[:find [(min ?v) (max ?v)] :where [_ :{attribute} ?v]]");
            let (min, max): (String, String) =
                db.query(&query).expect("an answer").row().expect("a row").expect("there are facts");
            prop_assert_eq!((min.chars().count(), max.chars().count()), (*least, *greatest));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("FACTUM_TYPE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12)
    ))]

    /// Queries over registered types, with and without a payload, in memory, in a file and in an overlay on it, against a sorted map.
    #[test]
    fn queries_go_by_key_and_by_value(
        texts in proptest::collection::vec((1_u64..5, "[ab]{0,3}"), 1..12),
        bound in "[ab]{0,3}",
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        for conn in [by_length(None), by_length(Some(dir.path()))] {
            let mut facts = Facts::new();
            for (at, (e, text)) in texts.iter().enumerate() {
                let entities = facts.entry((text.chars().count(), text.clone())).or_default();
                if !entities.contains(e) {
                    entities.push(*e);
                }
                let id = EntityId(*e);
                let tx = || Tx::new().add(id, ":s", text.as_str()).add(id, ":r", text.as_str()).add(id, ":plain", text.as_str());
                // The last fact is only imagined.
                if at + 1 == texts.len() {
                    check(&conn.db().expect("open").with(tx()).expect("imagined").db_after(), &facts, &bound)?;
                } else {
                    conn.transact(tx()).expect("a transaction");
                }
            }
            prop_assert!(conn.check().expect("a check").problems.is_empty());
        }
    }
}

#[test]
fn plans_narrow_to_the_keys() -> Result<(), Error> {
    let conn = by_length(None);
    conn.transact(r#"[{:s ["a" "bb" "ccc"]}]"#)?;
    let query = "[:find ?v :where [_ :s ?v] [(< ?v \"xx\")]]";
    let plan = conn.db()?.explain(query, factum::inputs![], false)?.to_string();
    assert!(plan.contains("typed scan") && plan.contains("in a range of keys"), "{plan}");
    // A kept plan is adapted to another bound.
    for (bound, rows) in [("x", 0), ("xx", 1), ("xxxx", 3), ("xxx", 2), ("xx", 1)] {
        assert_eq!(
            conn.db()?.query_with("[:find ?v :in $ ?x :where [_ :s ?v] [(< ?v ?x)]]", [bound])?.len(),
            rows
        );
    }
    let typo = edn::read("[[:db/add 1 :s 5]]").expect("EDN");
    assert_eq!(conn.transact(typo).expect_err("no text").code(), ":custom-type/function");
    Ok(())
}
