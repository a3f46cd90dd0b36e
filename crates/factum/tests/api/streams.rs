//! Streams of rows: the rows of the whole answer, made only as far as they are asked for.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use factum::{CancelToken, Db, Options, Prepared, QueryFunction, QueryOptions, Value, inputs, query_engine};
use serde::Deserialize;

const RULES: &str = "[[(far ?a ?b) [?a :next ?b]]
     [(far ?a ?b) [?a :next ?x] (far ?x ?b)]]";

/// Chains of 50 among `size` entities, in groups of seven.
fn chains(size: usize, options: QueryOptions) -> Db {
    let schema = "{:next {:db/valueType :db.type/ref} :n {:db/valueType :db.type/long}}";
    let fact = |n: usize| {
        let next = if n.is_multiple_of(50) { String::new() } else { format!(":next {}", n % size + 1) };
        format!("{{:db/id {n} :n {n} :group {} {next}}}", n % 7)
    };
    let data = format!("[{}]", (1..=size).map(fact).collect::<Vec<_>>().join(" "));
    let options = Options::new().schema(schema).query_options(options);
    Db::empty(options).expect("a schema").with(data.as_str()).expect("data").db_after()
}

fn counted<T: std::hash::Hash + Eq>(rows: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    rows.into_iter().fold(HashMap::new(), |mut counts, row| {
        *counts.entry(row).or_default() += 1;
        counts
    })
}

#[test]
fn a_stream_has_the_rows_of_the_answer() {
    let queries = [
        "[:find ?a ?n :in $ % :where [?a :n ?n]]",
        "[:find ?g :in $ % :where [_ :group ?g]]",
        "[:find [?g ...] :in $ % :where [_ :group ?g]]",
        "[:find ?g ?h :with ?a :in $ % :where [?a :group ?g] [?b :group ?h] [?a :next ?b]]",
        "[:find ?a ?b :in $ % :where (far ?a ?b)]",
        "[:find ?a ?b ?s :in $ % :where [?a :n ?x] [?b :n ?y] [(+ ?x ?y) ?s]]",
        "[:find ?x :keys x :in $ % :where [?a :n ?x] (not [?a :next _])]",
        "[:find ?a (pull ?b [:n :group]) :in $ % :where [?a :next ?b]]",
        "[:find ?g (count ?a) :in $ % :where [?a :group ?g]]",
        "[:find ?g (count ?a) :in $ % :where [?a :group ?g] :having [(> (count ?a) 57)]]",
        "[:find (count ?a) . :in $ % :where [?a :group _]]",
        "[:find ?a ?n :in $ % :where [?a :n ?n] [(< ?n 0)]]",
        "[:find ?a :in $ % :where [?a :n 3]]",
    ];
    let parallel = chains(400, QueryOptions::new()).explain(queries[5], inputs![RULES], false);
    assert!(
        parallel.expect("a plan").to_string().contains("threads"),
        "one of them is made by several threads"
    );
    for threads in [1, 2] {
        let db = chains(400, QueryOptions::new().threads(threads));
        for query in queries {
            let prepared: Prepared<Vec<factum::Input>, Value> = db.prepare(query).expect("a query");
            let whole = prepared.rows(&db, inputs![RULES]).expect("an answer");
            let rows = prepared.stream(&db, inputs![RULES]).expect("a stream");
            let rows = rows.collect::<factum::Result<Vec<_>>>().expect("rows");
            assert_eq!(counted(rows), counted(whole.clone()), "{query}");
            let mut rows = Vec::new();
            let each = |row: Value| {
                rows.push(row);
                ControlFlow::Continue(())
            };
            let warnings = db.for_each_row(query, inputs![RULES], each).expect("rows");
            assert!(warnings.is_empty(), "{warnings:?}");
            assert_eq!(counted(rows), counted(whole), "{query}");
        }
    }
}

#[test]
fn windows_cut_streams() {
    let db = chains(5000, QueryOptions::new());
    let count = |query: &str| db.stream::<Value>(query, ()).expect("a stream").count();
    assert_eq!(count("[:find ?a ?n :where [?a :n ?n] :limit 1500]"), 1500);
    assert_eq!(count("[:find ?a ?n :where [?a :n ?n] :offset 4990]"), 10);
    assert_eq!(count("[:find ?a ?n :where [?a :n ?n] :offset 1020 :limit 2050]"), 2050);
    assert_eq!(count("[:find ?a ?n :where [?a :n ?n] :offset 6000]"), 0);
    assert_eq!(count("[:find ?n . :where [_ :n ?n]]"), 1);
    assert_eq!(count("[:find [?a ?n] :where [?a :n ?n]]"), 1);
    let sorted = db.stream("[:find ?n :where [_ :n ?n] :order-by [?n :desc] :limit 3]", ());
    let sorted: Vec<(i64,)> = sorted.expect("a stream").collect::<factum::Result<_>>().expect("rows");
    assert_eq!(sorted, [(5000,), (4999,), (4998,)]);
}

#[test]
fn rows_are_rust_types_and_misfits_end_the_stream() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Fact {
        entity: u64,
        number: i64,
    }
    let db = chains(10, QueryOptions::new());
    let query = "[:find ?a ?n :keys entity number :where [?a :n ?n]]";
    let facts: Vec<Fact> =
        db.stream(query, ()).expect("a stream").collect::<factum::Result<_>>().expect("facts");
    assert!(facts.len() == 10 && facts.iter().all(|fact| fact.entity as i64 == fact.number), "{facts:?}");
    let mut texts = db
        .stream::<(String, String)>(query.replace(":keys entity number", "").as_str(), ())
        .expect("a stream");
    let error = texts.next().expect("a row").expect_err("numbers are no strings");
    assert_eq!(error.code(), ":result/shape");
    assert!(texts.next().is_none());
    let error = db
        .for_each_row(query, (), |_: (String, String)| ControlFlow::Continue(()))
        .expect_err("numbers are no strings");
    assert_eq!(error.code(), ":result/shape");
    let mut unknown = db.stream::<Value>("[:find ?a :where [?a :nn _]]", ()).expect("a stream");
    assert!(unknown.next().is_none());
    assert!(unknown.warnings()[0].to_string().contains(":nn"), "{:?}", unknown.warnings());
    assert_eq!(db.stream::<Value>("[:find", ()).expect_err("no query").code(), ":edn/unexpected-end");
}

#[test]
fn a_stream_that_is_dropped_stops_the_query() {
    for threads in [1, 2] {
        // A million rows, which this budget does not allow.
        let db = chains(1000, QueryOptions::new().threads(threads).rows_max(400_000));
        let all = "[:find ?a ?b :where [?a :n _] [?b :n _]]";
        assert_eq!(db.query(all).expect_err("too many").class(), "row-limit");
        let mut rows = db.stream::<(u64, u64)>(all, ()).expect("a stream");
        for _ in 0..10 {
            rows.next().expect("a row").expect("in the budget");
        }
        drop(rows);
        let end = db.stream::<(u64, u64)>(all, ()).expect("a stream").last().expect("an end");
        assert_eq!(end.expect_err("too many").class(), "row-limit");
    }
    // How far the query got, its calls of a function tell.
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let function = QueryFunction::new(move |args: &[Value]| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(args[0].clone())
    });
    let db = chains(20_000, QueryOptions::new().threads(1));
    let query = "[:find ?y :in $ ?f :where [_ :n ?x] [(?f ?x) ?y]]";
    let function = query_engine::Input::Function(function);
    let given = || vec![factum::Input::from(function.clone())];
    let mut seen = 0;
    db.for_each_row(query, given(), |_: Value| {
        seen += 1;
        if seen < 10 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .expect("ten rows");
    let few = calls.swap(0, Ordering::Relaxed);
    assert!(seen == 10 && few < 3000, "{few} calls for {seen} rows");
    assert_eq!(db.stream::<Value>(query, given()).expect("a stream").take(10).count(), 10);
    let few = calls.load(Ordering::Relaxed);
    assert!(few < 6000, "{few} calls for ten rows");
}

#[test]
fn a_stream_needs_little_memory() {
    for threads in [1, 2] {
        let db = chains(700, QueryOptions::new().threads(threads).bytes_max(2 << 20));
        let all = "[:find ?a ?b :where [?a :n _] [?b :n _]]";
        assert_eq!(db.query(all).expect_err("too large").class(), "memory-limit");
        // The second is made by several threads.
        for query in [all, "[:find ?a ?b ?s :where [?a :n ?x] [?b :n ?y] [(+ ?x ?y) ?s]]"] {
            let mut count = 0;
            for row in db.stream(query, ()).expect("a stream") {
                let _: Value = row.expect("in the budget");
                count += 1;
            }
            assert_eq!(count, 700 * 700);
        }
        // A set of the rows seen does count.
        let sums = "[:find ?s ?d :where [_ :n ?x] [_ :n ?y] [(+ ?x ?y) ?s] [(- ?x ?y) ?d]]";
        let end = db.stream::<Value>(sums, ()).expect("a stream").last().expect("an end");
        assert_eq!(end.expect_err("too large").class(), "memory-limit");
    }
}

#[test]
fn streams_obey_time_and_cancellation() {
    let endless = "[:find ?a ?b :where [?a :n ?x] [?b :n ?y] [?c :n ?z] [(* ?x ?y) ?p] [(< ?p ?z -1)]]";
    let db = chains(2000, QueryOptions::new());
    let limit = Duration::from_millis(100);
    let start = Instant::now();
    let timed = db.clone().with_timeout(limit);
    let first = timed.stream::<Value>("[:find ?a ?b ?c :where [?a :n _] [?b :n _] [?c :n _]]", ());
    let end = first.expect("a stream").last().expect("an end");
    assert_eq!(end.expect_err("too long").class(), "timeout");
    assert!(start.elapsed() < limit + Duration::from_secs(5));

    let token = CancelToken::new();
    let mut rows = db.clone().with_cancel(token.clone()).stream::<Value>(endless, ()).expect("a stream");
    token.cancel();
    assert_eq!(rows.next().expect("an end").expect_err("cancelled").class(), "cancelled");
    assert!(rows.next().is_none());

    // One that has no row yet stops, too, and others of the same database go on.
    let start = Instant::now();
    drop(db.stream::<Value>(endless, ()).expect("a stream"));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(db.stream::<Value>("[:find ?a :where [?a :n 7]]", ()).expect("a stream").count(), 1);
}

/// Runs `work` on a thread of its own; a test that hangs should fail and not hang.
fn within_a_minute(work: impl FnOnce() + Send + 'static) {
    let (sender, done) = std::sync::mpsc::channel();
    let worker = std::thread::spawn(move || {
        work();
        // The receiver waits, or the test has failed.
        let _ = sender.send(());
    });
    let finished = done.recv_timeout(Duration::from_secs(60));
    if !matches!(finished, Err(std::sync::mpsc::RecvTimeoutError::Timeout)) {
        worker.join().expect("no panic");
    }
    finished.expect("threads wait for each other");
}

const SUMS: &str = "[:find ?a ?b ?s :where [?a :n ?x] [?b :n ?y] [(+ ?x ?y) ?s]]";

#[test]
fn streams_are_read_by_all_tasks_of_a_thread_pool() {
    within_a_minute(|| {
        let db = chains(400, QueryOptions::new());
        let plan = db.explain(SUMS, (), false).expect("a plan").to_string();
        assert!(plan.contains("threads"), "{plan}");
        let rows = AtomicUsize::new(0);
        rayon::scope(|scope| {
            for _ in 0..rayon::current_num_threads() {
                scope.spawn(|_| {
                    let stream = db.stream::<Value>(SUMS, ()).expect("a query");
                    rows.fetch_add(stream.filter(|row| row.is_ok()).count(), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(rows.into_inner(), rayon::current_num_threads() * 400 * 400);
    });
}

#[test]
fn functions_of_a_parallel_query_read_streams() {
    within_a_minute(|| {
        let db = chains(400, QueryOptions::new());
        let inner = chains(200, QueryOptions::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let counted = factum::Input::function(move |args| {
            if counter.fetch_add(1, Ordering::Relaxed) < 8 {
                let stream = inner.stream::<Value>(SUMS, ()).map_err(|error| error.to_string())?;
                return Ok(Value::Int(stream.count() as i64));
            }
            Ok(args[0].clone())
        });
        let query = "[:find (count ?a) . :with ?b :in $ ?f :where [?a :n ?x] [?b :n ?y] [(+ ?x ?y) ?s] [(?f ?s) ?c] [(< 0 ?c)]]";
        let plan = db.explain(query, [counted.clone()], false).expect("a plan").to_string();
        assert!(plan.contains("threads"), "{plan}");
        let count: i64 = db.query_with(query, [counted]).expect("an answer").scalar().expect("a number");
        assert_eq!(count, 400 * 400);
        assert!(calls.load(Ordering::Relaxed) >= 8);
    });
}
