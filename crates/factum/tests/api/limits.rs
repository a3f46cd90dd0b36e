//! Long queries end soon, each limit in its own error, and leave nothing behind.

use std::thread;
use std::time::{Duration, Instant};

use factum::{CancelToken, Db, Options, QueryOptions, Value, inputs};

/// How long after its limit a query may go on, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(5);

/// Queries that would run for minutes or for ever, by the part that takes the time.
const LONG: &[(&str, &str)] = &[
    ("join", "[:find (count ?a) . :with ?b ?c :in $ % :where [?a :n _] [?b :n _] [?c :n _]]"),
    ("filter", "[:find ?a ?b :in $ % :where [?a :n ?x] [?b :n ?y] [?c :n ?z] [(* ?x ?y) ?p] [(< ?p ?z -1)]]"),
    (
        "negation",
        "[:find ?a :in $ % :where [?a :n ?x] (not [?b :n ?y] [?c :n ?z] [?d :n ?w] [(+ ?x ?y ?z ?w) ?s] [(< ?s -1)])]",
    ),
    ("rule without an end", "[:find (count ?x) . :in $ % :where (up ?x)]"),
    (
        "rule over many pairs",
        "[:find (count ?a) . :with ?b ?c :in $ % :where (far ?a ?b) (far ?b ?c) (far ?c ?d) [?d :n ?x] [(* ?x ?x) ?y] [(< ?y -1)]]",
    ),
    (
        "nested query",
        "[:find ?r . :in $ % :where [(q [:find (count ?a) . :with ?b ?c :where [?a :n _] [?b :n _] [?c :n _]] $) ?r]]",
    ),
    (
        "nested queries",
        "[:find ?a ?r :in $ % :where [?a :n _] [(q [:find (count ?b) . :with ?c ?d :in $ ?a :where [?b :n _] [?c :n _] [?d :n _] [(< ?a ?b)]] $ ?a) ?r]]",
    ),
    (
        "aggregate",
        "[:find ?a (sum ?p) :with ?b ?c :in $ % :where [?a :n ?x] [?b :n ?y] [?c :n ?z] [(* ?x ?y ?z) ?p]]",
    ),
    (
        "order",
        "[:find ?a ?b ?c :in $ % :where [?a :n ?x] [?b :n ?y] [?c :n ?z] [(< ?x ?y ?z)] :order-by [?c :desc ?a :asc]]",
    ),
    (
        "vectors of groups",
        "[:find ?x (vec ?b) :with ?c :in $ % :where [?a :n ?x] [?b :n ?y] [?c :n ?z] [(!= ?x ?z)]]",
    ),
    ("pull", "[:find ?b (pull ?a [:n {:next 90}]) :in $ % :where [?a :n _] [?b :n ?y] [(< ?y 100)]]"),
];

const RULES: &str = "[[(up ?x) [(ground 0) ?x]]
     [(up ?y) (up ?x) [(+ ?x 1) ?y]]
     [(pair ?a ?b) [?a :n _] [?b :n _]]
     [(pair ?a ?b) (pair ?b ?a)]
     [(far ?a ?b) [?a :next ?b]]
     [(far ?a ?b) [?a :next ?x] (far ?x ?b)]]";

/// A ring of 2000 entities.
fn ring(options: Options) -> Db {
    let options = options.schema("{:next {:db/valueType :db.type/ref} :n {:db/valueType :db.type/long}}");
    let facts: Vec<String> =
        (1..=2000).map(|n| format!("{{:db/id {n} :n {n} :next {}}}", n % 2000 + 1)).collect();
    let data = format!("[{}]", facts.join(" "));
    Db::empty(options).expect("a schema").with(data.as_str()).expect("data").db_after()
}

/// Runs a long query, which must end in an error of this class in time.
#[track_caller]
fn ends(db: &Db, (part, query): (&str, &str), class: &str, limit: Duration) {
    let start = Instant::now();
    let error = db.query_with(query, inputs![RULES]).expect_err(part);
    let elapsed = start.elapsed();
    assert_eq!(error.class(), class, "{part}: {error}");
    assert!(elapsed < limit + PATIENCE, "{part}: stopped after {elapsed:?}");
    let count: i64 = db
        .clone()
        .with_timeout(None)
        .with_cancel(CancelToken::new())
        .query("[:find (count ?e) . :where [?e :n 7]]")
        .expect("the database goes on")
        .scalar()
        .expect("a number");
    assert_eq!(count, 1);
}

#[test]
fn time_ends_every_part_of_a_query() {
    let limit = Duration::from_millis(100);
    for threads in [1, 2] {
        let db = ring(Options::new().query_options(QueryOptions::new().threads(threads))).with_timeout(limit);
        LONG.iter().for_each(|long| ends(&db, *long, "timeout", limit));
    }
}

#[test]
fn a_query_can_give_itself_little_time() {
    let db = ring(Options::new());
    for (part, query) in LONG {
        let query = query.replace("[:find", "[:timeout 50 :find");
        ends(&db, (part, &query), "timeout", Duration::from_millis(50));
    }
}

#[test]
fn another_thread_cancels_every_part_of_a_query() {
    for threads in [1, 2] {
        let db = ring(Options::new().query_options(QueryOptions::new().threads(threads)));
        for long in LONG {
            let token = CancelToken::new();
            let db = db.clone().with_cancel(token.clone());
            let canceller = thread::spawn(move || {
                thread::sleep(Duration::from_millis(60));
                token.cancel();
            });
            ends(&db, *long, "cancelled", Duration::from_millis(60));
            canceller.join().expect("the thread ends");
        }
    }
}

#[test]
fn rows_are_counted_in_every_part_of_a_query() {
    for threads in [1, 2] {
        let options = QueryOptions::new().threads(threads).rows_max(50_000);
        let db = ring(Options::new().query_options(options));
        LONG.iter().for_each(|long| ends(&db, *long, "row-limit", Duration::ZERO));
    }
}

#[test]
fn memory_is_bounded_where_it_grows() {
    const GROW: &[(&str, &str)] = &[
        ("result", "[:find ?a ?b ?c :in $ % :where [?a :n _] [?b :n _] [?c :n _]]"),
        ("sorted result", "[:find ?a ?b ?c :in $ % :where [?a :n _] [?b :n _] [?c :n _] :order-by ?b]"),
        ("rule table", "[:find (count ?x) . :in $ % :where (up ?x)]"),
        ("walks", "[:find (count ?a) . :with ?b :in $ % :where (far ?a ?b)]"),
        (
            "nested result",
            "[:find ?r . :in $ % :where [(q [:find ?a ?b ?c :where [?a :n _] [?b :n _] [?c :n _]] $) ?r]]",
        ),
        ("one round of a rule", "[:find (count ?a) . :with ?b :in $ % :where (pair ?a ?b)]"),
        ("pull", "[:find (pull ?a [:n {:next 90}]) :in $ % :where [?a :n _]]"),
        ("sets", "[:find ?x (distinct ?a) :with ?b :in $ % :where [?a :n _] [?b :n _] [(mod ?a 2) ?x]]"),
        ("groups", "[:find ?a ?b (count ?c) :in $ % :where [?a :n _] [?b :n _] [?c :n _]]"),
    ];
    for threads in [1, 2] {
        let options = QueryOptions::new().threads(threads).bytes_max(2 << 20);
        let db = ring(Options::new().query_options(options));
        GROW.iter().for_each(|long| ends(&db, *long, "memory-limit", Duration::ZERO));
    }
}

#[test]
fn sorting_and_grouping_stop_too() {
    // Two million rows are found quickly; what takes the time is what happens to them then.
    let rows = "[?a :n ?x] [?b :n ?y] [(< ?x 1001)] [(- ?y ?x) ?z]";
    let db = ring(Options::new());
    for shape in [
        format!("[:find ?z ?x ?y :in $ % :where {rows} :order-by [?z :desc ?x :asc]]"),
        format!("[:find ?z (distinct ?x) (median ?y) :in $ % :where {rows}]"),
    ] {
        for millis in [200, 500, 900] {
            let limit = Duration::from_millis(millis);
            let db = db.clone().with_timeout(limit);
            ends(&db, ("shape", &shape), "timeout", limit);
        }
    }
}

/// Asks a query whose inputs are collections; it must end in an error of this class in time.
#[track_caller]
fn inputs_end(db: &Db, class: &str, limit: Duration) {
    let many: Vec<i64> = (0..5000).collect();
    // Every pair and every triple of them is a row that the input stands for.
    for query in [
        "[:find (count ?a) . :in $ [[?a ...] [?b ...] [?c ...]] :where [?a :n ?b] [?b :n ?c]]",
        "[:find (count ?a) . :in $ [[?k [?a ...] [?b ...] [?c ...]] ...] :where [?a :n ?b] [?b :n ?c] [?k :n _]]",
    ] {
        let given = vec![many.clone(), many.clone(), many.clone()];
        let given = factum::ToValue::to_value(given);
        let given = match query.contains("?k") {
            true => {
                let row = [vec![1.into()], given.as_sequence().expect("rows").to_vec()].concat();
                Value::Vector(vec![Value::Vector(row)])
            }
            false => given,
        };
        let start = Instant::now();
        let error = db.query_with(query, inputs![given]).expect_err(query);
        assert_eq!(error.class(), class, "{query}: {error}");
        assert!(start.elapsed() < limit + PATIENCE, "{query}: {:?}", start.elapsed());
    }
}

#[test]
fn inputs_that_unfold_are_bounded() {
    let limit = Duration::from_millis(100);
    inputs_end(&ring(Options::new()).with_timeout(limit), "timeout", limit);
    let bounded = |options| ring(Options::new().query_options(options));
    inputs_end(&bounded(QueryOptions::new().rows_max(50_000)), "row-limit", Duration::ZERO);
    inputs_end(&bounded(QueryOptions::new().bytes_max(2 << 20)), "memory-limit", Duration::ZERO);
    let token = CancelToken::new();
    let db = ring(Options::new()).with_cancel(token.clone());
    let canceller = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        token.cancel();
    });
    inputs_end(&db, "cancelled", Duration::ZERO);
    canceller.join().expect("the thread ends");
}

#[test]
fn what_nested_queries_held_is_given_back() {
    // Each of 2000 nested queries needs some tens of kilobytes for its rows; one after the other they fit.
    let query = "[:find (count ?a) . :where [?a :n _]
        [(q [:find (count ?b) . :with ?y :in $ ?a :where [?b :n ?y] [(<= ?a ?y)]] $ ?a) ?r] [(< 0 ?r)]]";
    for threads in [1, 2] {
        let options = QueryOptions::new().threads(threads).bytes_max(4 << 20);
        let count: i64 = ring(Options::new().query_options(options))
            .query(query)
            .expect("enough memory")
            .scalar()
            .expect("a number");
        assert_eq!(count, 2000);
    }
}

#[test]
fn streams_give_back_what_they_pulled() {
    let options = QueryOptions::new().bytes_max(7 << 20);
    let db = ring(Options::new().query_options(options));
    let query = "[:find (pull ?a [:n {:next 10}]) :where [?a :n _]]";
    let error = db.query(query).expect_err("all trees at once are too much");
    assert_eq!(error.class(), "memory-limit", "{error}");
    let stream = db.stream::<Value>(query, ()).expect("a query");
    let trees = stream.map(|tree| tree.map(drop)).collect::<Result<Vec<()>, _>>();
    assert_eq!(trees.expect("each batch fits").len(), 2000);
}
