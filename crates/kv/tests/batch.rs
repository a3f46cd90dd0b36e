//! Batches: tuple forms, closures, and asynchronous commits that keep order and isolate failures.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of tests fail the test")]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use edn::Value;
use factum_kv::codec::{KeyType, Long, Str};
use factum_kv::{Batch, DbiFlags, DbiOptions, Durability, Env, EnvOptions, Error, PutFlags, Table};
use tempfile::TempDir;

fn env() -> (TempDir, Env) {
    let dir = tempfile::tempdir().expect("a directory");
    let env = EnvOptions::new().durability(Durability::None).open(dir.path()).unwrap();
    (dir, env)
}

fn forms(text: &str) -> Value {
    edn::read(text).expect("EDN")
}

fn transact(env: &Env, text: &str) -> factum_kv::Result<()> {
    env.transact(&Batch::read(env, &forms(text))?)
}

/// All pairs of a table, as EDN.
fn all(env: &Env, name: &str, key_type: &str, value_type: &str) -> String {
    let codec = |text| KeyType::from_value(&forms(text)).unwrap();
    let table = Table::new(env.existing_dbi(name).unwrap(), codec(key_type), codec(value_type));
    let read = env.read().unwrap();
    let pairs = table.range(&read, ..).unwrap().map(|pair| {
        let (key, value) = pair.unwrap();
        Value::Vector(vec![key, value])
    });
    Value::Vector(pairs.collect()).to_string()
}

#[test]
fn tuple_forms_write_to_any_number_of_tables() {
    let (_dir, env) = env();
    env.open_dbi("user", DbiFlags::empty()).unwrap();
    env.open_dbi("event", DbiOptions::new().types(KeyType::from_name("instant").unwrap(), KeyType::Data))
        .unwrap();
    env.open_dbi("list", DbiFlags::DUPSORT).unwrap();
    transact(
        &env,
        r#"[[:put "user" "u1" {:name "Alice"} :string]
            [:put "user" "u2" {:name "Bob"} :string :data nil]
            [:put "event" #inst "2026-01-01" [1 2]]
            [:put-list "list" 1 [3 1 2] :long :long]
            [:put-list "list" 2 #{5} :long :long]
            [:put "list" 1 9 :long :long #{:nodupdata}]
            [:del "user" "u2" :string]
            [:del "user" "none" :string]
            [:del-list "list" 1 [1 77] :long :long]]"#,
    )
    .unwrap();
    assert_eq!(all(&env, "user", ":string", ":data"), r#"[["u1" {:name "Alice"}]]"#);
    assert_eq!(all(&env, "event", ":instant", ":data"), r#"[[#inst "2026-01-01T00:00:00.000-00:00" [1 2]]]"#);
    assert_eq!(all(&env, "list", ":long", ":long"), "[[1 2] [1 3] [1 9] [2 5]]");
    transact(&env, "[]").unwrap();
    transact(&env, "nil").unwrap();
    // With the table pulled out, the types come with it and flags stand third.
    let table = Table::new(env.existing_dbi("list").unwrap(), KeyType::Id, KeyType::Id);
    let writes = forms("[[:put 7 8] [:put 7 9 :nodupdata] [:put-list 6 [1]] [:del 6]]");
    let batch = Batch::read_for(&table, &writes);
    env.with_transaction(|txn| {
        txn.clear(table.dbi())?;
        txn.apply(&batch.unwrap())
    })
    .unwrap();
    assert_eq!(all(&env, "list", ":id", ":id"), "[[7 8] [7 9]]");
    // A transaction reads forms that name its own new tables.
    env.with_transaction(|txn| {
        txn.open_dbi("new", DbiFlags::empty())?;
        assert!(Batch::read(&env, &forms("[[:put \"new\" 1 2]]")).is_err());
        let batch = txn.read_batch(&forms("[[:put \"new\" 1 2]]"))?;
        txn.apply(&batch)
    })
    .unwrap();
    assert_eq!(all(&env, "new", ":data", ":data"), "[[1 2]]");
}

#[test]
fn wrong_forms_are_shown_and_nothing_is_written() {
    let (_dir, env) = env();
    env.open_dbi("t", DbiFlags::empty()).unwrap();
    for (form, reason) in [
        (r#"[:putt "t" 1 2]"#, "did you mean :put?"),
        (r#"[:put "t" 1]"#, "missing at the end"),
        (r#"[:put "t" nil 1]"#, "nil cannot be stored"),
        (r#"[:put "t" 1 nil]"#, "nil cannot be stored"),
        (r#"[:put "t" 1 2 :lonng]"#, "did you mean :long?"),
        (r#"[:put "t" 1 2 :string]"#, "expected a value of type :string, got long: 1"),
        (r#"[:put "t" 1 2 :long :long :sometimes]"#, "the flags are"),
        (r#"[:put "t" 1 2 :long :long nil nil]"#, "too much at the end"),
        (r#"[:del "t" 1 :long :long]"#, "too much at the end"),
        (r#"[:put-list "t" 1 [2]]"#, "needs a list table"),
        (r#"[:put 1 2]"#, "the name of a table stands second"),
        ("[]", "begins with its operation"),
        ("7", "a write is a vector"),
        (r#"[:put "t" "" 1 :raw]"#, "expected a value of type :raw"),
    ] {
        let text = format!(r#"[[:put "t" :fine 1] {form}]"#);
        let error = transact(&env, &text).expect_err(form);
        assert_eq!(error.code(), ":kv/bad-form", "{form}");
        assert!(error.to_string().contains(reason), "{form}: {error}");
    }
    assert_eq!(transact(&env, r#"[[:put "tt" 1 2]]"#).unwrap_err().code(), ":kv/no-such-dbi");
    let long = "x".repeat(600);
    let error = transact(&env, &format!(r#"[[:put "t" "{long}" 1 :string]]"#)).unwrap_err();
    assert!(error.to_string().contains("601 bytes does not fit"), "{error}");
    assert_eq!(Batch::read(&env, &Value::Int(1)).unwrap_err().code(), ":kv/bad-form");
    // A message shows the beginning of a long form, and what is wrong with it.
    let long = format!(r#"[[:put "t" {:?} 1 :string :long]]"#, "k".repeat(600));
    let message = transact(&env, &long).unwrap_err().to_string();
    assert!(message.len() < 200 && message.contains("511"), "{message}");
    env.open_dbi("list", DbiFlags::DUPSORT).unwrap();
    assert_eq!(transact(&env, r#"[[:put-list "list" 1 5]]"#).unwrap_err().code(), ":kv/bad-form");
    assert_eq!(transact(&env, r#"[[:put-list "list" 1 [5 nil]]]"#).unwrap_err().code(), ":kv/bad-form");
    assert_eq!(all(&env, "t", ":raw", ":raw"), "[]");
}

#[test]
fn a_failing_batch_leaves_no_trace() {
    let (_dir, env) = env();
    let table: Table<Long, Long> = env.open_table("t").unwrap();
    let mut batch = Batch::new();
    batch.put(&table, 1, 1).unwrap().put_with(&table, 1, 2, PutFlags::NOOVERWRITE).unwrap();
    assert_eq!(env.transact(&batch).unwrap_err().code(), ":kv/key-exists");
    assert_eq!(table.entries(&env.read().unwrap()).unwrap(), 0);
}

#[test]
fn closures_roll_back_on_error_and_panic() {
    let (_dir, env) = env();
    let table: Table<Long, Long> = env.open_table("t").unwrap();
    let result: Result<i64, Box<dyn std::error::Error>> = env.with_transaction(|txn| {
        table.put(txn, 1, 1)?;
        Err("no".into())
    });
    assert_eq!(result.unwrap_err().to_string(), "no");
    let panicked = std::panic::catch_unwind(|| {
        env.with_transaction(|txn| -> factum_kv::Result<()> {
            table.put(txn, 1, 1)?;
            panic!("in the middle")
        })
    });
    assert!(panicked.is_err());
    assert_eq!(table.entries(&env.read().unwrap()).unwrap(), 0);
    let made = env.with_transaction(|txn| {
        table.put(txn, 1, 1)?;
        let lost = txn.with_nested(|txn| {
            table.put(txn, 2, 2)?;
            Err::<(), _>(Error::ReadOnly)
        });
        assert!(lost.is_err());
        txn.with_nested(|txn| table.put(txn, 3, 3))?;
        Ok::<_, Error>(7)
    });
    assert_eq!(made.unwrap(), 7);
    let read = env.read().unwrap();
    assert_eq!(table.keys(&read, ..).unwrap().collect::<Result<Vec<_>, _>>().unwrap(), [1, 3]);
}

#[test]
fn submitted_batches_keep_their_order() {
    let (_dir, env) = env();
    let table: Table<Long, Long> = env.open_table("t").unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..2000 {
        let mut batch = Batch::new();
        // All write the same key: the last must win.
        batch.put(&table, 0, number).unwrap().put(&table, number, number).unwrap();
        let order = Arc::clone(&order);
        env.submit_with(batch, move |result| {
            result.unwrap();
            order.lock().unwrap().push(number);
        })
        .unwrap();
    }
    env.submit(Batch::new()).unwrap().wait().unwrap();
    assert_eq!(*order.lock().unwrap(), (0..2000).collect::<Vec<_>>());
    let read = env.read().unwrap();
    assert_eq!(table.get(&read, 0).unwrap(), Some(1999));
    assert_eq!(table.entries(&read).unwrap(), 2000);
}

#[test]
fn many_submitters_are_served_by_few_commits() {
    let (_dir, env) = env();
    let table: Table<Long, Long> = env.open_table("t").unwrap();
    let before = env.info().unwrap().last_txn_id;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (env, table) = (&env, &table);
            scope.spawn(move || {
                let tickets: Vec<_> = (0..500)
                    .map(|number| {
                        let mut batch = Batch::new();
                        batch.put(table, thread * 1000 + number, number).unwrap();
                        env.submit(batch).unwrap()
                    })
                    .collect();
                for ticket in tickets {
                    ticket.wait().unwrap();
                }
            });
        }
    });
    assert_eq!(table.entries(&env.read().unwrap()).unwrap(), 2000);
    let commits = env.info().unwrap().last_txn_id - before;
    assert!(commits < 1500, "{commits} commits for 2000 batches");
}

#[test]
fn failures_reach_only_those_who_caused_them() {
    let (_dir, env) = env();
    let table: Table<Long, Long> = env.open_table("t").unwrap();
    let list: Table<Long, Long> = env.open_list("l").unwrap();
    let gone: Table<Long, Long> = env.open_table("gone").unwrap();
    let mut txn = env.write().unwrap();
    txn.drop_dbi(gone.dbi()).unwrap();
    table.put(&mut txn, -1, 0).unwrap();
    txn.commit().unwrap();
    // While this transaction is open everything gathers into one commit.
    let holder = env.write().unwrap();
    let mut tickets = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..200 {
                let mut batch = Batch::new();
                batch.put(&table, number, 1).unwrap();
                let fails = match number % 10 {
                    3 => {
                        batch = Batch::new();
                        batch.put_with(&table, -1, 1, PutFlags::NOOVERWRITE).unwrap();
                        Some(":kv/key-exists")
                    }
                    5 => {
                        // Fails after a part is done, which must be taken back.
                        batch
                            .put(&list, number, 1)
                            .unwrap()
                            .put_with(&table, -1, 1, PutFlags::NOOVERWRITE)
                            .unwrap();
                        Some(":kv/key-exists")
                    }
                    7 => {
                        batch.put(&gone, 1, 1).unwrap();
                        Some(":kv/no-such-dbi")
                    }
                    _ => None,
                };
                tickets.push((number, fails, env.submit(batch).unwrap()));
            }
        });
    });
    drop(holder);
    for (number, fails, ticket) in tickets {
        let result = ticket.wait();
        assert_eq!(result.err().map(|error| error.code()), fails, "{number}");
        let read = env.read().unwrap();
        assert_eq!(table.get(&read, number).unwrap().is_some(), fails.is_none(), "{number}");
    }
    assert_eq!(list.entries(&env.read().unwrap()).unwrap(), 0);
}

#[test]
fn a_full_map_fails_those_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let env = EnvOptions::new().map_size(1 << 20).durability(Durability::None).open(dir.path()).unwrap();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let tickets: Vec<_> = [100, 5_000_000, 200]
        .into_iter()
        .enumerate()
        .map(|(number, size)| {
            let mut batch = Batch::new();
            batch.put_raw(&dbi, &[number as u8 + 1], &vec![0; size], PutFlags::empty()).unwrap();
            env.submit(batch).unwrap()
        })
        .collect();
    let results: Vec<_> =
        tickets.into_iter().map(|ticket| ticket.wait().err().map(|error| error.code())).collect();
    assert_eq!(results, [None, Some(":kv/map-full"), None]);
    assert_eq!(env.snapshot().unwrap().table("t").unwrap().unwrap().entries(), 2);
}

/// Runs a future on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn tickets_are_futures() {
    let (_dir, env) = env();
    let table: Table<Long, Str> = env.open_table("t").unwrap();
    let outcome = block_on(async {
        let mut batch = Batch::new();
        batch.put(&table, 1, "v")?;
        env.submit(batch.clone())?.await?;
        let mut again = Batch::new();
        again.put_with(&table, 1, "w", PutFlags::NOOVERWRITE)?;
        assert_eq!(env.submit(again)?.await.unwrap_err().code(), ":kv/key-exists");
        Ok::<_, Error>(table.get(&env.read()?, 1)?.map(str::to_owned))
    });
    assert_eq!(outcome.unwrap().as_deref(), Some("v"));
}

#[test]
fn waiting_for_oneself_is_refused() {
    let (_dir, env) = env();
    let ticket = env.submit(Batch::new()).unwrap();
    let later = env.submit(Batch::new()).unwrap();
    let txn = env.write().unwrap();
    assert_eq!(ticket.wait().unwrap_err().code(), ":kv/would-deadlock");
    drop(txn);
    later.wait().unwrap();
    let holder = env.write().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope
            .spawn(|| env.submit(Batch::new()).unwrap().wait_timeout(Duration::from_millis(10)).is_err());
        assert!(waiting.join().unwrap());
    });
    drop(holder);
}

#[test]
fn callbacks_may_submit_and_panic() {
    let (_dir, env) = env();
    let table: Table<Long, Long> = env.open_table("t").unwrap();
    let count = Arc::new(AtomicU64::new(0));
    for number in 0..20 {
        let (env_inside, count) = (env.clone(), Arc::clone(&count));
        let mut batch = Batch::new();
        batch.put(&table, number, number).unwrap();
        env.submit_with(batch, move |_| {
            let count_inside = Arc::clone(&count);
            env_inside
                .submit_with(Batch::new(), move |_| {
                    count_inside.fetch_add(1, Ordering::SeqCst);
                })
                .unwrap();
            if number == 3 {
                panic!("in a callback");
            }
        })
        .unwrap();
    }
    while count.load(Ordering::SeqCst) < 20 {
        std::thread::sleep(Duration::from_millis(1));
    }
    env.submit(Batch::new()).unwrap().wait().unwrap();
}

#[test]
fn what_was_submitted_is_written_even_if_all_handles_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::open(dir.path()).unwrap();
    let table: Table<Long, Long> = env.open_table("t").unwrap();
    for number in 0..50 {
        let mut batch = Batch::new();
        batch.put(&table, number, number).unwrap();
        drop(env.submit(batch).unwrap());
    }
    drop(env);
    let env = Env::open(dir.path()).unwrap();
    // The same environment, if the writer is not done yet; another, if it is.
    env.write().unwrap();
    env.submit(Batch::new()).unwrap().wait().unwrap();
    assert_eq!(env.snapshot().unwrap().table("t").unwrap().unwrap().entries(), 50);
}

#[test]
fn a_read_only_environment_takes_no_batches() {
    let dir = tempfile::tempdir().unwrap();
    drop(Env::open(dir.path()).unwrap());
    let env = EnvOptions::new().read_only(true).open(dir.path()).unwrap();
    assert_eq!(env.submit(Batch::new()).unwrap_err().code(), ":kv/read-only");
    assert_eq!(env.transact(&Batch::new()).unwrap_err().code(), ":kv/read-only");
}
