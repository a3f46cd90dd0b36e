//! Explanations as they are printed, with times taken out.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use storage::{Db, DbOptions, Schema};

use super::{ExplainOptions, Explanation, explain};
use crate::{Input, QueryOptions, parse};

/// 300 packages in 3 sections, each depending on the next 2.
fn db() -> Db {
    let schema = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
         :section {:db/valueType :db.type/string} :size {:db/valueType :db.type/long}
         :needs {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";
    let schema = Schema::from_value(&edn::read(schema).expect("EDN")).expect("a schema");
    let mut tx = String::from("[");
    for package in 1..=300 {
        let section = ["games", "libs", "net"][package % 3];
        let (next, after) = (package % 300 + 1, (package + 1) % 300 + 1);
        tx.push_str(&format!(
            "{{:db/id {package} :name \"p{package}\" :section {section:?} :size {} :needs [{next} {after}]}}",
            package * 10
        ));
    }
    tx.push(']');
    Db::empty(schema, DbOptions::default()).db_with(&edn::read(&tx).expect("EDN")).expect("a transaction")
}

fn explained(text: &str, inputs: &[&str], run: bool) -> Explanation {
    let mut all = vec![Input::from(db())];
    all.extend(inputs.iter().map(|text| Input::from(edn::read(text).expect("EDN"))));
    let options = ExplainOptions::default().run(run).parsed_in(Duration::from_micros(12));
    explain(&parse(text).expect("a query"), &all, &QueryOptions::default().threads(1), options)
        .expect("a plan")
}

/// The explanation with `_` for every time.
fn shown(text: &str, inputs: &[&str], run: bool) -> String {
    static TIME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r" *[0-9.]+(ns|µs|ms|s)\b").expect("a pattern"));
    TIME.replace_all(&explained(text, inputs, run).to_string(), " _").into_owned()
}

#[test]
fn ranges_estimates_and_reasons_stand_in_the_tree() {
    assert_eq!(
        shown("[:find ?n :where [?e :section \"games\"] [?e :size ?s] [(< 100 ?s 900)] [?e :name ?n]]", &[], false),
        "EAV merge scan ?e: :name ?n (from memory)  -- ?e is bound, so often that copying the attribute pays  est. 26 rows
semi-join ?e in entities of :section = \"games\"  -- 100 entities as a bitmap are cheaper than 79 look-ups  est. 26 rows
AVE scan :size (100, 900) [?e ?s]  -- (< 100 ?s 900) pushed down to a cursor range          est. 79 rows
parse _ · analyse _ · plan _
"
    );
}

#[test]
fn actual_rows_stand_beside_estimates() {
    assert_eq!(
        shown(
            "[:find ?n (count ?d) :in $ ?min :where [?e :size ?s] [(<= ?min ?s)] [?e :name ?n] [?e :needs ?d] (not [?d :section \"net\"])]",
            &["2500"],
            true
        ),
        "aggregate count ?d by ?n
anti-join on ?d  -- for the distinct values of ?d                                             68 rows, est. 51 _
|   semi-join ?d in entities of :section = \"net\"  -- 100 entities as a bitmap are cheaper than 102 look-ups    18 rows, est. 34 _
|   input ?d
EAV merge scan ?e: :name ?n, :needs ?d  -- ?e is bound: one pass over its facts             102 rows, est. 102 _
AVE scan :size [2500, ..) [?e ?s]  -- (<= ?min ?s) pushed down to a cursor range              51 rows, est. 51 _
parse _ · analyse _ · plan _ · execute _ · shape _
"
    );
}

#[test]
fn rules_say_how_they_are_evaluated() {
    assert_eq!(
        shown(
            "[:find ?d :in $ % :where [?e :name \"p7\"] (all ?e ?d)]",
            &["[[(all ?a ?b) [?a :needs ?b]] [(all ?a ?b) [?a :needs ?x] (all ?x ?b)]]"],
            true
        ),
        "rule all(bound free) ?e ?d breadth-first  -- asked only for the values of ?e        300 rows, est. 128 _
AVE scan :name = \"p7\" [?e _]  -- entities with that value are counted by the index      1 rows, est. 1 _
parse _ · analyse _ · plan _ · execute _ · shape _
"
    );
}

#[test]
fn what_the_index_answers_reads_no_rows() {
    assert_eq!(
        shown("[:find (max ?s) . :where [_ :size ?s]]", &[], true),
        "index aggregate largest value of :size  -- the index knows, no rows are read
parse _ · analyse _ · plan _ · execute _ · shape _
"
    );
}

#[test]
fn colours_change_nothing_but_colours() {
    let explanation = explained("[:find ?n :where [?e :size 50] [?e :name ?n]]", &[], true);
    let painted = explanation.painted();
    assert!(painted.contains("\u{1b}[1;36m"), "{painted}");
    let plain = Regex::new("\u{1b}\\[[0-9;]*m").expect("a pattern").replace_all(&painted, "");
    assert_eq!(plain, explanation.to_string());
}

#[test]
fn the_same_as_data() {
    let value = explained("[:find ?n :where [?e :size 50] [?e :name ?n]]", &[], true).to_value();
    let stages = value.as_map().and_then(|map| map.get(&edn::Value::keyword("stages"))).expect("stages");
    let names: Vec<String> = stages.as_map().expect("a map").keys().map(ToString::to_string).collect();
    assert_eq!(names, [":analyse", ":execute", ":parse", ":plan", ":shape"]);
    assert_eq!(edn::read(&value.to_string()).expect("readable"), value);
}

/// 20,000 entities with a number, each counted in tens.
fn numbers() -> Db {
    let schema = "{:n {:db/valueType :db.type/long} :ten {:db/valueType :db.type/long}}";
    let schema = Schema::from_value(&edn::read(schema).expect("EDN")).expect("a schema");
    let facts: String = (1..=20_000).map(|n| format!("{{:db/id {n} :n {n} :ten {}}}", n / 10)).collect();
    let tx = edn::read(&format!("[{facts}]")).expect("EDN");
    Db::empty(schema, DbOptions::default()).db_with(&tx).expect("a transaction")
}

/// The rows that the steps of a query handed on, all together.
fn rows_read(db: &Db, text: &str) -> (u64, String) {
    fn rows(node: &super::Node) -> u64 {
        node.rows.unwrap_or(0) + node.children.iter().map(rows).sum::<u64>()
    }
    let options = ExplainOptions::default().run(true);
    let query = parse(text).expect("a query");
    let explanation = explain(&query, &[db.into()], &QueryOptions::default().threads(1), options);
    let explanation = explanation.expect("a plan");
    (rows(explanation.root()), explanation.to_string())
}

#[test]
fn few_wanted_rows_end_reading_early() {
    let db = numbers();
    for (text, limit) in [
        // Steps hand on a thousand rows or so at a time; nothing is read after the batch with the last row.
        ("[:find ?e :where [?e :n ?n] :limit 5]", 2048),
        ("[:find ?e ?t :where [?e :n ?n] [?e :ten ?t] :limit 5]", 4096),
        ("[:find ?e ?t :where [?e :n ?n] [?e :ten ?t] [(even? ?n)] :limit 5 :offset 20]", 8192),
        ("[:find ?e ?f :where [?e :ten ?t] [?f :ten ?t] :limit 5]", 8192),
        ("[:find ?n ?t :where [?e :n ?n] [?e :ten ?t] :order-by [?n :desc] :limit 5]", 4096),
        ("[:find ?e . :where [?e :n ?n] [?e :ten ?t]]", 4096),
    ] {
        let (read, plan) = rows_read(&db, text);
        assert!(read > 0 && read <= limit, "{text}: {read} rows\n{plan}");
        let whole = match text.split_once(":limit") {
            Some((before, _)) => format!("{before}]"),
            None => text.replace("?e . ", "?e "),
        };
        let (read, plan) = rows_read(&db, &whole);
        assert!(read >= 10_000, "{whole}: {read} rows\n{plan}");
    }
}
