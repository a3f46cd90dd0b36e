//! Explicit and asynchronous transactions.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use factum::kv::codec::{Long, Str};
use factum::kv::{DbiOptions, Table};
use factum::prelude::*;
use factum::{Error, TxFunctions};

const SCHEMA: &str = "{:name {:db/unique :db.unique/identity} :tag {:db/cardinality :db.cardinality/many}}";

fn on_disk() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().expect("a directory");
    let conn = Connection::open_with(dir.path(), SCHEMA).expect("a database");
    (dir, conn)
}

fn names(db: &Db) -> Vec<String> {
    db.query("[:find [?n ...] :where [_ :name ?n] :order-by [?n]]").expect("names").column().expect("strings")
}

/// Runs a test on a file and in memory.
fn on_both(test: impl Fn(&Connection)) {
    test(&on_disk().1);
    test(&Connection::memory_with(SCHEMA).expect("a database"));
}

#[test]
fn an_explicit_transaction_sees_its_own_writes_and_commits_once() {
    on_both(|conn| {
        let (sender, receiver) = mpsc::channel();
        conn.listen("all", move |report| sender.send(report.clone()).expect("the test listens"));
        conn.transact(r#"[{:name "Ann" :age 1}]"#).expect("commits");
        receiver.try_recv().expect("the first report");

        let mut tx = conn.begin().expect("the writer's turn");
        tx.transact(r#"[{:name "Ann" :age 2} {:name "Bob" :tag "x"}]"#).expect("staged");
        tx.transact(r#"[{:name "Ann" :age 3} [:db/retract [:name "Bob"] :tag "x"]]"#).expect("staged");
        assert!(tx.transact(r#"[[:db/add [:name "Nobody"] :age 1]]"#).is_err());
        let age = |tx: &Transaction| tx.query("[:find ?a . :where [?e :name \"Ann\"] [?e :age ?a]]");
        assert_eq!(age(&tx).expect("an answer").scalar::<i64>().expect("a number"), 3);
        assert_eq!(
            tx.pull("[:name :age]", (":name", "Bob")).expect("pulled").expect("there").to_string(),
            r#"{:name "Bob"}"#
        );
        assert_eq!(names(&conn.db().expect("a database")), ["Ann"], "nobody else sees it");
        assert!(receiver.try_recv().is_err(), "no report before the commit");

        let report = tx.commit().expect("commits");
        let heard = receiver.try_recv().expect("one report");
        assert!(receiver.try_recv().is_err(), "and no other");
        assert_eq!(heard.tx_data(), report.tx_data());
        let effects: Vec<(String, bool)> =
            report.tx_data().iter().map(|datom| (datom.v.to_string(), datom.added)).collect();
        let effects: Vec<(&str, bool)> = effects.iter().map(|(v, added)| (v.as_str(), *added)).collect();
        // :age 2 and :tag "x" came and went.
        assert_eq!(effects, [("1", false), ("\"Bob\"", true), ("3", true)]);
        assert_eq!(names(&report.db_before()), ["Ann"]);
        assert_eq!(names(&report.db_after()), ["Ann", "Bob"]);
        assert_eq!(names(&conn.db().expect("a database")), ["Ann", "Bob"]);
    });
}

#[test]
fn what_is_aborted_dropped_or_failed_leaves_nothing() {
    on_both(|conn| {
        let add = |tx: &mut Transaction| tx.transact(r#"[{:name "Ann" :fresh/attribute 1}]"#).map(drop);
        let mut tx = conn.begin().expect("the writer's turn");
        add(&mut tx).expect("staged");
        tx.abort();
        assert!(matches!(add(&mut tx), Err(Error::TransactionEnded)));
        assert!(matches!(tx.db(), Err(Error::TransactionEnded)));
        assert!(matches!(tx.commit(), Err(Error::TransactionEnded)));

        let failed: Result<(), Error> = conn.with_transaction(|tx| {
            add(tx)?;
            tx.query("[:find").map(drop)
        });
        assert_eq!(failed.expect_err("a query that ends too early").code(), ":edn/unexpected-end");

        let aborted: Result<i32, Error> = conn.with_transaction(|tx| {
            add(tx)?;
            tx.abort();
            Ok(7)
        });
        assert_eq!(aborted.expect("an answer all the same"), 7);

        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _: Result<(), Error> = conn.with_transaction(|tx| {
                add(tx)?;
                panic!("in the middle");
            });
        }));
        assert!(panicked.is_err());

        let mut tx = conn.begin().expect("the turn came back").timeout(Duration::from_millis(1));
        add(&mut tx).ok();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(tx.commit().expect_err("too late").code(), ":transaction/timeout");

        let db = conn.db().expect("a database");
        assert_eq!(db.count(None, None, None).expect("a count"), 0);
        assert!(db.schema().attribute(&":fresh/attribute".into()).is_none());
        conn.transact(r#"[{:name "Ann"}]"#).expect("the writer is free");
    });
}

#[test]
fn a_time_limit_that_is_over_is_told_by_every_step() {
    on_both(|conn| {
        let limit = Duration::from_millis(1);
        let late = |tx: &mut Transaction| {
            tx.transact(r#"[{:name "Late" :fresh/attribute 1}]"#).expect("staged in time");
            tx.set_timeout(limit);
            std::thread::sleep(limit * 5);
        };
        let is_late =
            |error: Error| assert!(matches!(error, Error::TransactionTimeout { limit: l } if l == limit));
        let mut tx = conn.begin().expect("the writer's turn");
        late(&mut tx);
        is_late(tx.query("[:find ?e :where [?e :name]]").expect_err("too late"));
        is_late(tx.pull("[*]", 1).expect_err("too late"));
        for _ in 0..2 {
            is_late(tx.transact(r#"[{:name "Later"}]"#).expect_err("too late"));
            assert!(tx.is_ended());
            is_late(tx.db().expect_err("too late"));
        }
        // The turn is free already.
        conn.transact(r#"[{:name "Next"}]"#).expect("the writer's turn");
        is_late(tx.update_schema("{:other {:db/valueType :db.type/long}}").expect_err("too late"));
        is_late(tx.commit().expect_err("too late"));

        // Work that does not notice, or does not say, has not committed all the same.
        let unnoticed: Result<i32, Error> = conn.with_transaction(|tx| {
            late(tx);
            Ok(7)
        });
        is_late(unnoticed.expect_err("nothing was committed"));
        let unsaid: Result<i32, Error> = conn.with_transaction(|tx| {
            late(tx);
            tx.transact(r#"[{:name "Later"}]"#).ok();
            Ok(7)
        });
        is_late(unsaid.expect_err("nothing was committed"));
        let db = conn.db().expect("a database");
        assert_eq!(names(&db), ["Next"]);
        assert!(db.schema().attribute(&":fresh/attribute".into()).is_none());
    });
}

#[test]
fn explicit_transactions_of_many_threads_take_turns() {
    const THREADS: i64 = 4;
    const ROUNDS: i64 = 12;
    on_both(|conn| {
        conn.transact(r#"[{:name "counter" :n 0}]"#).expect("commits");
        let (sender, receiver) = mpsc::channel();
        conn.listen("all", move |report| sender.send(report.clone()).expect("the test listens"));
        let counted =
            || conn.db()?.query("[:find ?n . :where [?e :name \"counter\"] [?e :n ?n]]")?.scalar::<i64>();
        let turn = |thread: i64, round: i64| -> Result<bool, Error> {
            conn.with_transaction(|tx| {
                let n: i64 = tx.query("[:find ?n . :where [?e :name \"counter\"] [?e :n ?n]]")?.scalar()?;
                tx.transact(format!(r#"[{{:name "counter" :n {}}}]"#, n + 1))?;
                // One in the other would wait for itself.
                let nested: Result<(), Error> = conn.with_transaction(|_| Ok(()));
                let code = nested.expect_err("nested").code();
                assert!(code.ends_with("deadlock"), "{code}");
                let is_kept = (thread + round) % 3 != 0;
                if !is_kept {
                    tx.abort();
                }
                Ok(is_kept)
            })
        };
        let work = |thread: i64| {
            let (mut kept, mut pending) = (0, Vec::new());
            for round in 0..ROUNDS {
                let name = format!(r#"[{{:name "{thread} {round}"}}]"#);
                pending.push(conn.transact_async(&name).expect("queued"));
                kept += i64::from(turn(thread, round).expect("a turn"));
            }
            let waited = pending.into_iter().map(|pending| pending.wait().expect("commits").tx_id());
            let ids: Vec<EntityId> = waited.collect();
            assert!(ids.is_sorted(), "as they were submitted: {ids:?}");
            kept
        };
        let kept: i64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(counted().expect("the counter"), kept, "none was lost, none that was aborted counts");
        assert_eq!(names(&conn.db().expect("a database")).len() as i64, 1 + THREADS * ROUNDS);
        conn.close().expect("everything is told");
        let reports: Vec<TxReport> = receiver.try_iter().collect();
        assert_eq!(reports.len() as i64, kept + THREADS * ROUNDS, "each commit once");
        assert!(reports.is_sorted_by_key(|report| report.tx_id()));
        let counts = reports.iter().flat_map(|report| report.tx_data()).filter(|datom| datom.added);
        let counts: Vec<i64> = counts.filter_map(|datom| datom.v.as_int()).collect();
        assert_eq!(counts, (1..=kept).collect::<Vec<_>>());
    });
}

#[test]
fn a_thread_does_not_wait_for_its_own_transaction() {
    on_both(|conn| {
        let tx = conn.begin().expect("the writer's turn");
        let error = conn.transact("[{:age 1}]").expect_err("it would wait for itself");
        assert!(error.code().ends_with("deadlock"), "{}", error.code());
        assert!(conn.begin().is_err());
        let pending = conn.transact_async("[{:age 1}]").expect("queued");
        assert!(matches!(pending.wait(), Err(Error::WouldWaitForItself)));
        drop(tx);
        conn.close().expect("open, and what was queued is done first");
    });
}

#[test]
fn user_tables_of_the_file_join_the_commit() {
    let (_dir, conn) = on_disk();
    let env = conn.store().expect("open").env().expect("a file").clone();
    let visits: Table<Str, Long> = env.open_table("visits").expect("a table");
    let visit = |tx: &mut Transaction| {
        tx.transact(r#"[{:name "Ann"}]"#)?;
        tx.kv(|txn| visits.put(txn, "Ann", 1))?;
        tx.kv(|txn| visits.get(txn, "Ann").map(|seen| assert_eq!(seen, Some(1))))
    };
    let mut tx = conn.begin().expect("the writer's turn");
    visit(&mut tx).expect("staged");
    tx.abort();
    let seen = || visits.get(&env.read().expect("a snapshot"), "Ann").expect("readable");
    assert_eq!((seen(), names(&conn.db().expect("a database")).len()), (None, 0));
    conn.with_transaction(visit).expect("commits");
    assert_eq!((seen(), names(&conn.db().expect("a database")).len()), (Some(1), 1));

    // The database's own tables are nobody else's.
    let refused = conn.with_transaction(|tx| {
        tx.kv(|txn| txn.open_dbi("eav", DbiOptions::list()).map(drop))?;
        Ok::<_, Error>(())
    });
    assert_eq!(refused.expect_err("reserved").code(), ":kv/bad-dbi-name");
    assert!(env.existing_dbi("meta").is_err());
    let mut tx = Connection::memory().expect("a database").begin().expect("the writer's turn");
    assert!(matches!(tx.kv(|_| Ok(())), Err(Error::InMemory)));
}

#[test]
fn schemas_change_inside_a_transaction() {
    on_both(|conn| {
        let mut tx = conn.begin().expect("the writer's turn");
        tx.transact("[{:age 4}]").expect("staged");
        tx.update_schema("{:age {:db/valueType :db.type/long}}").expect("it converts");
        assert!(tx.transact("[{:age \"four\"}]").is_err());
        tx.commit().expect("commits");
        assert!(conn.transact("[{:age \"four\"}]").is_err());

        let revision = conn.schema().expect("a schema").revision();
        conn.update_schema_if_revision(revision, "{:age {:db/doc \"years\"}}")
            .expect("nobody else changed it");
        let error = conn.update_schema_if_revision(revision, "{:age {:db/doc \"days\"}}").expect_err("stale");
        assert_eq!(error.code(), ":schema/revision-conflict");
    });
}

#[test]
fn asynchronous_transactions_keep_their_order_and_their_errors() {
    on_both(|conn| {
        conn.transact(r#"[{:db/id 1 :name "counter" :n 0}]"#).expect("commits");
        let heard: Arc<Mutex<Vec<i64>>> = Arc::default();
        let by_listener = heard.clone();
        conn.listen("order", move |report| {
            let n = report.tx_data().iter().find(|datom| datom.added).and_then(|datom| datom.v.as_int());
            by_listener.lock().expect("no panic").extend(n);
        });
        let pending: Vec<PendingOr> = (0..300)
            .map(|n| match n % 10 {
                // Each depends on the one before; every tenth is refused and must not disturb the others.
                9 => (n, conn.transact_async("[[:db/cas 1 :n -1 5]]").expect("queued")),
                _ => {
                    let from = (n / 10) * 9 + n % 10;
                    let data = format!("[[:db/cas 1 :n {from} {}]]", from + 1);
                    (n, conn.transact_async(&data).expect("queued"))
                }
            })
            .collect();
        for (n, pending) in pending {
            match (n % 10, pending.wait()) {
                (9, Err(error)) => assert_eq!(error.code(), ":transact/cas"),
                (9, Ok(_)) => panic!("a comparison with -1 held"),
                (_, result) => {
                    let report = result.expect("in order");
                    let after = report.db_after();
                    let n_after = after.query("[:find ?n . :where [1 :n ?n]]").expect("an answer");
                    let added = report.tx_data().iter().find(|datom| datom.added).expect("one").v.as_int();
                    assert_eq!(n_after.scalar::<Option<i64>>().expect("a number"), added);
                }
            }
        }
        assert_eq!(*heard.lock().expect("no panic"), (1..=270).collect::<Vec<i64>>());
        let db = conn.db().expect("a database");
        assert_eq!(db.count(Some(EntityId(1)), Some(":n".into()), Some(&270.into())).expect("a count"), 1);
        assert_eq!(conn.transact_async("[{").expect_err("not EDN").code(), ":edn/unexpected-end");
    });
}

type PendingOr = (i64, factum::PendingTx);

#[test]
fn many_asynchronous_transactions_share_a_commit() {
    let (_dir, conn) = on_disk();
    let env = conn.store().expect("open").env().expect("a file").clone();
    let before = env.snapshot().expect("a snapshot").txn_id();
    let tx = conn.begin().expect("the writer's turn");
    let done = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (conn, done) = (conn.clone(), done.clone());
            scope.spawn(move || {
                for n in 0..50 {
                    let done = done.clone();
                    conn.transact_async_with(
                        format!("[{{:name \"{thread}-{n}\"}}]"),
                        Value::Nil,
                        move |result| {
                            result.expect("commits");
                            done.fetch_add(1, Ordering::Relaxed);
                        },
                    )
                    .expect("queued");
                }
            });
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), 0, "nothing is promised before it is durable");
    drop(tx);
    conn.transact_async("[]").expect("queued").wait().expect("commits");
    assert_eq!(done.load(Ordering::Relaxed), 200);
    assert_eq!(names(&conn.db().expect("a database")).len(), 200);
    let commits = env.snapshot().expect("a snapshot").txn_id() - before;
    assert!(commits <= 4, "200 transactions took {commits} commits");
}

#[test]
fn a_promise_is_a_future() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    on_both(|conn| {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut pending = pin!(conn.transact_async(r#"[{:name "Ann"}]"#).expect("queued"));
        let report = loop {
            match pending.as_mut().poll(&mut context) {
                Poll::Ready(result) => break result.expect("commits"),
                Poll::Pending => std::thread::park(),
            }
        };
        assert_eq!(names(&report.db_after()), ["Ann"]);
        let late = conn.transact_async("[]").expect("queued").wait_timeout(Duration::from_secs(20));
        assert!(late.expect("in time").is_ok());
    });
}

#[test]
fn functions_and_listeners_that_panic_hurt_nobody_else() {
    let functions = TxFunctions::new().function("my/panic", |_, _| -> Result<Tx, _> { panic!("a bug") });
    let conn = Connection::memory_with(Options::new().tx_functions(functions)).expect("a database");
    conn.listen("bad", |_| panic!("another bug"));
    let bad = conn.transact_async("[[:db.fn/call my/panic]]").expect("queued");
    let good = conn.transact_async("[{:age 1}]").expect("queued");
    assert_eq!(bad.wait().expect_err("it panicked").class(), "function-panicked");
    assert_eq!(good.wait().expect("it is not concerned").tx_data().len(), 1);
}

#[test]
fn closing_carries_out_what_was_submitted() {
    let (dir, conn) = on_disk();
    for n in 0..50 {
        drop(conn.transact_async(format!("[{{:name \"{n}\"}}]")).expect("queued"));
    }
    conn.close().expect("open");
    assert!(matches!(conn.transact_async("[]"), Err(Error::Closed { .. })));
    assert!(matches!(conn.begin(), Err(Error::Closed { .. })));
    let again = Connection::open(dir.path()).expect("the file is free");
    assert_eq!(names(&again.db().expect("a database")).len(), 50);
}

#[test]
fn a_path_is_opened_again_while_an_old_database_lives() {
    let (dir, conn) = on_disk();
    conn.transact(r#"[{:name "Ann"}]"#).expect("commits");
    let old = conn.db().expect("a database");
    conn.close().expect("open");
    let again = Connection::open(dir.path()).expect("the same file");
    again.transact(r#"[{:name "Bob"}]"#).expect("commits");
    assert_eq!(names(&again.db().expect("a database")), ["Ann", "Bob"]);
    assert_eq!(names(&old), ["Ann"]);
}

#[test]
fn datoms_are_loaded_as_they_are() {
    on_both(|conn| {
        let datoms = [
            (EntityId(7), ":name".into(), "Ann".into()),
            (EntityId(2), ":age".into(), 38.into()),
            (EntityId(7), ":tag".into(), "x".into()),
            (EntityId(7), ":tag".into(), "x".into()),
        ];
        let report = conn.load_datoms(&datoms).expect("loads");
        assert_eq!((report.given, report.added), (4, 3));
        let db = conn.db().expect("a database");
        assert_eq!(
            db.pull("[:name :tag]", 7).expect("pulled").expect("there").to_string(),
            r#"{:name "Ann", :tag ["x"]}"#
        );
        assert!(db.inner().check().expect("readable").is_sound());
        let next = conn.transact(r#"[{:db/id "new" :name "Bob"}]"#).expect("commits");
        assert_eq!(next.tempid("new"), Some(EntityId(8)), "ids go on after the loaded ones");
        assert!(conn.load_datoms(&[(EntityId(1), ":name".into(), Value::Nil)]).is_err());
    });
}

#[test]
fn reports_come_in_the_order_of_commits() {
    on_both(|conn| {
        let heard: Arc<Mutex<Vec<(EntityId, usize)>>> = Arc::default();
        let by_listener = heard.clone();
        conn.listen("order", move |report| {
            let before = report.db_before().count(None, Some(":n".into()), None).expect("a count") as usize;
            by_listener.lock().expect("no panic").push((report.tx_id(), before));
            // Long enough for others to overtake, if they could.
            std::thread::yield_now();
        });
        const EACH: usize = 60;
        std::thread::scope(|scope| {
            for thread in 0..3 {
                scope.spawn(move || {
                    for n in 0..EACH {
                        let data = format!("[{{:n {}}}]", thread * EACH + n);
                        match thread {
                            0 => conn.transact(data).map(drop),
                            1 => conn.transact_async(data).map(|pending| drop(pending.wait())),
                            _ => conn.with_transaction(|tx| tx.transact(data).map(drop)),
                        }
                        .expect("commits");
                    }
                });
            }
        });
        // Whoever told the last report may still be at it.
        let patience = std::time::Instant::now() + Duration::from_secs(20);
        while heard.lock().expect("no panic").len() < 3 * EACH && std::time::Instant::now() < patience {
            std::thread::yield_now();
        }
        let heard = heard.lock().expect("no panic");
        assert_eq!(heard.len(), 3 * EACH, "each once");
        assert!(heard.windows(2).all(|pair| pair[0].0 < pair[1].0), "{heard:?}");
        assert!(heard.iter().enumerate().all(|(at, (_, before))| at == *before), "{heard:?}");
    });
}

#[test]
fn a_listener_that_writes_hears_of_it_after_the_present_report() {
    on_both(|conn| {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (by_first, writer) = (heard.clone(), conn.clone());
        conn.listen("a", move |report| {
            by_first.lock().expect("no panic").push(format!("a {}", report.tx_data()[0].v));
            if report.tx_data()[0].v == 1.into() {
                writer.transact("[{:n 2}]").expect("commits");
            }
        });
        let by_second = heard.clone();
        conn.listen("b", move |report| {
            by_second.lock().expect("no panic").push(format!("b {}", report.tx_data()[0].v));
        });
        conn.transact("[{:n 1}]").expect("commits");
        assert_eq!(*heard.lock().expect("no panic"), ["a 1", "b 1", "a 2", "b 2"]);
        conn.unlisten("a");
    });
}

#[test]
fn listeners_come_and_go_while_they_are_called() {
    on_both(|conn| {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = |name: &'static str, work: fn(&Connection)| {
            let (weak, heard) = (conn.clone(), heard.clone());
            move |_: &factum::TxReport| {
                heard.lock().unwrap().push(name.to_owned());
                work(&weak);
            }
        };
        conn.listen("once", listener("once", |conn| assert!(conn.unlisten("once"))));
        conn.listen("stays", listener("stays", |conn| assert!(!conn.unlisten("nobody"))));
        conn.transact("[{:n 1}]").unwrap();
        assert_eq!(std::mem::take(&mut *heard.lock().unwrap()), ["once", "stays"]);
        // A transaction that is taken back is told to nobody.
        let mut tx = conn.begin().unwrap();
        tx.transact("[{:n 2}]").unwrap();
        drop(tx);
        conn.transact("[[:db/cas 1 :n 5 6]]").unwrap_err();
        assert!(heard.lock().unwrap().is_empty());
        // Whoever is added while one is told hears the next.
        conn.listen("adds", listener("adds", |conn| conn.listen("added", |_| {})));
        conn.transact("[{:n 3}]").unwrap();
        assert_eq!(std::mem::take(&mut *heard.lock().unwrap()), ["adds", "stays"]);
        for key in ["adds", "added", "stays"] {
            assert!(conn.unlisten(key), "{key}");
        }
        conn.transact("[{:n 4}]").unwrap();
        assert!(heard.lock().unwrap().is_empty());
    });
}

#[test]
fn a_reset_is_told_as_an_exchange() {
    on_both(|conn| {
        conn.transact(r#"[{:name "Ann" :tag ["x" "y"] :age 5}]"#).expect("commits");
        let (sender, receiver) = mpsc::channel();
        conn.listen("all", move |report| sender.send(report.clone()).expect("the test listens"));
        let other = Db::empty("{:age {} :name {}}").expect("a schema").with(r#"[{:db/id 7 :name "Bob"}]"#);
        let other = other.expect("applies").db_after();
        let db = conn.reset_with(&other, "swap").expect("replaced");
        assert_eq!(names(&db), ["Bob"]);
        assert_eq!(db.max_eid(), EntityId(7));
        let report = receiver.try_recv().expect("a report");
        assert_eq!(report.tx_meta(), &Value::from("swap"));
        assert_eq!(names(&report.db_before()), ["Ann"]);
        let told: Vec<(i64, String, bool)> = report
            .tx_data()
            .iter()
            .map(|datom| (datom.e.0 as i64, datom.v.to_string(), datom.added))
            .collect();
        // What was tagged went with its attribute.
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.contains(&(1, "\"Ann\"".into(), false)) && told.contains(&(1, "5".into(), false)));
        assert_eq!(told[2], (7, "\"Bob\"".into(), true));
        assert!(conn.transact(r#"[{:name "Bob" :age 1}]"#).is_ok(), "no longer unique");
        let cleared = conn.clear().expect("cleared");
        assert!(names(&cleared).is_empty() && cleared.schema().attribute(&":name".into()).is_none());
    });
}

const OLDER: &str = "(fn [db who n]
  (if-let [e (entity db [:name who])]
    [{:db/id (:db/id e) :age (+ n (:age e 0))}]
    (throw (ex-info (str \"nobody is called \" who) {}))))";

#[test]
fn functions_are_written_out_and_stored() {
    let (dir, conn) = on_disk();
    conn.transact(r#"[{:name "Ann" :age 1}]"#).expect("commits");
    let age = |db: &Db| -> i64 {
        let age = db.query("[:find ?a . :where [_ :age ?a]]").expect("a query");
        age.scalar().expect("a number")
    };
    conn.transact(format!(r#"[[:db.fn/call {OLDER} "Ann" 2]]"#)).expect("the function is read");
    assert_eq!(age(&conn.db().expect("open")), 3);
    // As a value, without a text.
    let call = Tx::new().data(values![
        Keyword::from(":db.fn/call"),
        factum::edn::read(OLDER).expect("EDN"),
        "Ann",
        2
    ]);
    conn.transact(call).expect("the function is read");
    conn.transact(format!("[{{:db/ident :person/older :db/fn {OLDER}}}]")).expect("it is stored");
    conn.close().expect("open");

    let conn = Connection::open(dir.path()).expect("the file is free");
    conn.transact(r#"[[:person/older "Ann" 10]]"#).expect("it is found");
    conn.transact_async(r#"[[:person/older "Ann" 10]]"#).expect("queued").wait().expect("it is found");
    let db = conn.db().expect("open");
    assert_eq!(age(&db.with(r#"[[:person/older "Ann" 100]]"#).expect("no commit").db_after()), 125);
    assert_eq!(age(&db), 25);
    let failed = conn.transact(r#"[{:name "Bob" :age 7} [:person/older "Cy" 1]]"#).expect_err("nobody");
    assert_eq!((failed.code(), failed.item()), (":transact/function", Some(1)));
    assert!(failed.to_string().contains("nobody is called Cy"), "{failed}");
    assert_eq!(names(&conn.db().expect("open")), ["Ann"], "nothing of it stays");
}

#[test]
fn functions_that_cannot_be_read_point_at_the_place() {
    let conn = Connection::memory_with(SCHEMA).expect("a database");
    let text = "[{:age 1}\n [:db.fn/call (fn [db x] (mapp inc x)) 1]]";
    let error = conn.transact(text).expect_err("there is no mapp");
    let span = error.span().expect("a text");
    assert_eq!(&text[span.start..span.end], "mapp");
    assert!(error.render().contains("did you mean map?"), "{}", error.render());
    let stored = conn
        .transact("[{:db/ident :f :db/fn (fn [db] (frob 1))}]")
        .expect_err("it is read when it is stored");
    assert_eq!(stored.class(), "bad-function");
    let number = conn.transact("[{:db/ident :f :db/fn 5}]").expect_err("no function");
    assert_eq!(number.class(), "not-callable");
}

#[test]
fn written_functions_obey_the_limits_and_see_the_functions_of_queries() {
    let options = Options::new().schema(SCHEMA).timeout(Duration::from_millis(50)).functions(
        factum::FunctionRegistry::new().function("my/twice", |args| match args {
            [Value::Int(n)] => Ok(Value::Int(2 * n)),
            _ => Err("a number is expected".into()),
        }),
    );
    let conn = Connection::memory_with(options).expect("a database");
    conn.transact("[[:db.fn/call (fn [db] [{:age (+ (my/twice 1) (q (quote [:find ?y . :where [(my/twice 4) ?y]])))}])]]")
        .expect("queries know the program's functions");
    let slow = "[[:db.fn/call (fn [db] [{:age (count (for [a (range 100000) b (range 100000)] a))}])]]";
    let error = conn.transact(slow).expect_err("it takes too long");
    assert!(error.to_string().contains("time limit"), "{error}");
    conn.transact(r#"[{:name "Ann"} [:db/ensure (fn [db n] (= n (count (datoms db :ave :name)))) 1]]"#)
        .expect("it holds");
    let error =
        conn.transact(r#"[{:name "Bob"} [:db/ensure (fn [db n] (= n (count (datoms db :ave :name)))) 1]]"#);
    assert_eq!(error.expect_err("there are two").code(), ":transact/ensure");
}
