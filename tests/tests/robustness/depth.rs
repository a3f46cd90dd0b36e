//! Deep texts: whatever the readers let through is answered or refused within the stack of a small thread.
//!
//! Threads have 2 MiB unless a program says otherwise, and builds without optimisation need the most of it; half of
//! that must do.

use factum::{Db, inputs};

/// How deep each text is made: below every limit, about them, and far beyond.
const DEPTHS: [usize; 8] = [10, 40, 60, 63, 64, 98, 110, 400];

/// `wrap` around `inner`, `depth` times; it is told the level.
fn nest(depth: usize, inner: &str, wrap: impl Fn(&str, usize) -> String) -> String {
    (0..depth).fold(inner.to_owned(), |inner, level| wrap(&inner, level))
}

fn queries(depth: usize) -> Vec<String> {
    let where_ = |clauses: String| format!("[:find ?e :where [?e :a ?v] {clauses}]");
    vec![
        where_(nest(depth, "[?e :a 99]", |inner, level| format!("(not [?e :a ?v{level}] {inner})"))),
        where_(nest(depth, "[?e :a 99]", |inner, level| format!("(or [?e :a {level}] {inner})"))),
        where_(nest(depth, "[?e :a 99]", |inner, level| {
            format!(
                "(or-join [?e] (and [?e :a ?w{level}] [(> ?w{level} 1000)]) (and [?e :a ?x{level}] {inner}))"
            )
        })),
        where_(nest(depth, "[?e :a ?v]", |inner, level| {
            format!("(or (and {inner} [?e :a ?v]) (and [?e :a {level}] [?e :a ?v]))")
        })),
        where_(nest(depth, "(not-join [?e] [?e :a 99])", |inner, level| {
            format!("(not-join [?e] [?e :next ?n{level}] {})", inner.replace("?e", &format!("?n{level}")))
        })),
        format!(
            "[:find ?x :where [?e :a ?v] [{} ?x]]",
            nest(depth, "(+ ?v 1)", |inner, _| format!("(inc {inner})"))
        ),
        format!(
            "[:find (pull ?e {}) :where [?e :a _]]",
            nest(depth, "[:a]", |inner, _| format!("[{{:next {inner}}}]"))
        ),
        format!(
            "[:find ?x . :where {}]",
            nest(depth, "[?x :a]", |inner, _| format!("[(q (quote [:find ?x . :where {inner}]) $) ?x]"))
        ),
    ]
}

/// Rules of which each calls the next one, beside a way of its own.
fn rules(depth: usize) -> String {
    let rule = |level: usize| {
        format!("[(r{level} ?e) [?e :a {level}]] [(r{level} ?e) [?e :next ?n] (r{} ?n)]", level + 1)
    };
    format!("[{} [(r{depth} ?e) [?e :a]]]", (0..depth).map(rule).collect::<String>())
}

fn in_a_small_thread(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work).expect("a thread");
    thread.join().expect("no case fails");
}

fn people() -> Db {
    let db = Db::empty("{:next {:db/valueType :db.type/ref}}").expect("a schema");
    db.with("[{:db/id 1 :a 1 :next 2} {:db/id 2 :a 2 :next 1}]").expect("is taken").db_after()
}

#[test]
fn deep_queries_are_answered_or_refused() {
    in_a_small_thread(|| {
        let db = people();
        let (mut answered, mut refused) = (0, 0);
        for query in DEPTHS.into_iter().flat_map(queries) {
            match db.query(query.as_str()) {
                Ok(_) => answered += 1,
                Err(error) => {
                    let told = error.to_string();
                    assert!(told.contains("deep"), "{told}: {query}");
                    refused += 1;
                }
            }
        }
        assert!(answered >= 16 && refused >= 16, "{answered} answered, {refused} refused");
    });
}

/// Where each order of clauses that is tried had the bodies planned anew, the work doubled with every level, and this
/// took longer than anybody waits.
#[test]
fn layers_of_rules_are_planned_in_reasonable_time() {
    in_a_small_thread(|| {
        let db = people();
        for depth in [5, 31, 60] {
            let query = "[:find ?e :in $ % :where (r0 ?e)]";
            match db.query_with(query, inputs![rules(depth)]) {
                Ok(rows) => assert_eq!(rows.len(), 2, "{depth}"),
                Err(error) => assert!(depth == 60 && error.to_string().contains("deep"), "{depth}: {error}"),
            }
        }
    });
}

#[test]
fn deep_transactions_are_taken_or_refused() {
    in_a_small_thread(|| {
        let db = people();
        for depth in DEPTHS {
            let nested = nest(depth, "{:a 1}", |inner, _| format!("{{:next {inner}}}"));
            let call = nest(depth, "1", |inner, _| format!("(inc {inner})"));
            for data in [format!("[{nested}]"), format!("[[:db.fn/call (fn [db] [[:db/add 1 :a {call}]])]]")]
            {
                match db.with(data.as_str()) {
                    Ok(_) => assert!(depth < 400, "{depth}"),
                    Err(error) => assert!(error.to_string().contains("deep"), "{error}: {data}"),
                }
            }
        }
    });
}
