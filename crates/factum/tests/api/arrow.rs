//! Answers as Arrow record batches. Run with `cargo test -p factum --features arrow --test api arrow`.
#![cfg(feature = "arrow")]

use factum::arrow_array::cast::AsArray;
use factum::arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use factum::arrow_array::{Array, RecordBatch};
use factum::arrow_schema::{DataType, TimeUnit};
use factum::{Db, inputs};

/// A batch of the rows of one input relation, ordered by its first column.
fn batch(find: &str, rows: &str) -> RecordBatch {
    let rows = factum::edn::read(rows).expect("valid EDN");
    let query = format!("[:find {find} :in [[{find}]] :order-by [0 :asc]]");
    let result = factum::query(query.as_str(), inputs![rows]).expect("an answer");
    let batch = result.to_record_batch().expect("a batch");
    assert_eq!((batch.num_rows(), batch.num_columns()), (result.len(), result.columns().len()));
    assert!(batch.schema().fields().iter().all(|field| field.is_nullable()));
    batch
}

#[test]
fn columns_have_the_type_of_their_values() {
    let batch = batch(
        "?int ?float ?str ?bool ?inst ?uuid ?bytes",
        r##"[[1 0.5 "a" true #inst "1970-01-01T00:00:01Z" #uuid "00000000-0000-0000-0000-000000000001" #bytes "00ff"]
             [2 1.5 "b" false #inst "1969-12-31T23:59:59Z" #uuid "00000000-0000-0000-0000-000000000002" #bytes ""]]"##,
    );
    let schema = batch.schema();
    let types: Vec<(&str, &DataType)> =
        schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
    let instant = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    assert_eq!(
        types,
        [
            ("int", &DataType::Int64),
            ("float", &DataType::Float64),
            ("str", &DataType::Utf8),
            ("bool", &DataType::Boolean),
            ("inst", &instant),
            ("uuid", &DataType::FixedSizeBinary(16)),
            ("bytes", &DataType::Binary),
        ]
    );
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(batch.column(1).as_primitive::<Float64Type>().values(), &[0.5, 1.5]);
    assert_eq!(batch.column(2).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), Some("b")]);
    assert_eq!(batch.column(3).as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert_eq!(batch.column(4).as_primitive::<TimestampMillisecondType>().values(), &[1000, -1000]);
    assert_eq!(batch.column(5).as_fixed_size_binary().value(1)[15], 2);
    assert_eq!(batch.column(6).as_binary::<i32>().value(0), [0, 255]);
    assert_eq!(schema.field(5).metadata()["ARROW:extension:name"], "arrow.uuid");
    assert!(batch.columns().iter().all(|column| column.null_count() == 0));
}

#[test]
fn other_values_and_mixtures_are_text() {
    let batch = batch("?n ?word ?mixed ?tree", r#"[[1 :a 1 [1 "x"]] [2 :b/c "one" {:k 2}] [3 :d 1.0 #{}]]"#);
    let text = |column: usize| batch.column(column).as_string::<i32>().iter().flatten().collect::<Vec<_>>();
    assert_eq!(text(1), [":a", ":b/c", ":d"]);
    assert_eq!(text(2), ["1", "\"one\"", "1.0"]);
    assert_eq!(text(3), ["[1 \"x\"]", "{:k 2}", "#{}"]);
}

#[test]
fn nil_is_null() {
    let batch = batch("?n ?a ?b ?c", r#"[[1 nil "x" nil] [2 7 nil nil] [3 8 :y nil]]"#);
    let ints = batch.column(1).as_primitive::<Int64Type>();
    assert_eq!(ints.iter().collect::<Vec<_>>(), [None, Some(7), Some(8)]);
    let texts = batch.column(2).as_string::<i32>();
    assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("\"x\""), None, Some(":y")]);
    assert_eq!(batch.column(3).data_type(), &DataType::Null);
}

#[test]
fn every_shape_has_a_batch_with_its_names() {
    let db = Db::empty(())
        .expect("a database")
        .with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)
        .expect("data")
        .db_after();
    for (query, rows, names) in [
        ("[:find ?n ?a :keys who years :where [?e :name ?n] [?e :age ?a]]", 2, vec!["who", "years"]),
        ("[:find [?n ...] :where [_ :name ?n]]", 2, vec!["n"]),
        ("[:find [?n ?a] :where [?e :name ?n] [?e :age ?a]]", 1, vec!["n", "a"]),
        ("[:find (max ?a) . :where [_ :age ?a]]", 1, vec!["(max ?a)"]),
        ("[:find ?n ?a :where [?e :name ?n] [?e :age ?a] [(< ?a 0)]]", 0, vec!["n", "a"]),
    ] {
        let batch = db.query(query).expect("an answer").to_record_batch().expect("a batch");
        let schema = batch.schema();
        let found: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!((batch.num_rows(), found), (rows, names), "{query}");
    }
}
