//! Asynchronous transactions: bounded, in order, durable when told, and isolated.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use factum_kv::{Batch, Dbi, DbiFlags, DbiOptions, EnvOptions, PutFlags, Read};

use super::quick;

fn put(dbi: &Dbi, keys: std::ops::Range<u32>, flags: PutFlags) -> Batch {
    let mut batch = Batch::new();
    for key in keys {
        batch.put_raw(dbi, &key.to_be_bytes(), b"v", flags).unwrap();
    }
    batch
}

#[test]
fn the_backlog_is_bounded_and_submitters_wait() {
    let (_dir, env) = quick();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let limit = (1024 * std::thread::available_parallelism().unwrap().get()).max(4098);
    // As many as may wait, as many as may be taken by the writer at a time, and more.
    let total = 2 * limit + 500;
    let submitted = AtomicUsize::new(0);
    let txn = env.write().unwrap();
    std::thread::scope(|scope| {
        let submitter = scope.spawn(|| {
            let tickets: Vec<_> = (0..total as u32)
                .map(|key| {
                    let ticket = env.submit(put(&dbi, key..key + 1, PutFlags::empty())).unwrap();
                    submitted.fetch_add(1, Ordering::SeqCst);
                    ticket
                })
                .collect();
            for ticket in tickets {
                ticket.wait().unwrap();
            }
        });
        // The writer thread has taken what it found and waits for our transaction; behind that, the queue fills.
        let mut last = usize::MAX;
        while submitted.load(Ordering::SeqCst) != last || last < limit {
            last = submitted.load(Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!((limit..=2 * limit).contains(&last), "{last} of {total} were taken at once");
        assert!(!submitter.is_finished());
        drop(txn);
        submitter.join().unwrap();
    });
    assert_eq!(env.read().unwrap().entries(&dbi).unwrap(), total as u64);
}

#[test]
fn callbacks_come_in_order_and_see_what_is_committed() {
    let (_dir, env) = quick();
    let dbi = env.open_dbi("t", DbiOptions::new().counted(true)).unwrap();
    let (threads, each) = (4u32, 300u32);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (env, sender) = (env.clone(), sender.clone());
            scope.spawn(move || {
                for number in 0..each {
                    let key = thread * 1000 + number;
                    // Every seventh does two puts, of which the second fails.
                    let mut batch = put(&dbi, key..key + 1, PutFlags::empty());
                    let fails = number % 7 == 3;
                    if fails {
                        batch.put_raw(&dbi, &key.to_be_bytes(), b"w", PutFlags::NOOVERWRITE).unwrap();
                    }
                    let (inner, sender) = (env.clone(), sender.clone());
                    env.submit_with(batch, move |result| {
                        let found = inner.read().unwrap().get(&dbi, &key.to_be_bytes()).unwrap().is_some();
                        let code = result.err().map(|error| error.code());
                        sender.send((thread, number, fails, code, found)).unwrap();
                    })
                    .unwrap();
                }
            });
        }
    });
    drop(sender);
    let mut next = vec![0; threads as usize];
    for (thread, number, fails, code, found) in receiver.iter().take((threads * each) as usize) {
        assert_eq!(number, next[thread as usize], "of thread {thread}");
        next[thread as usize] += 1;
        assert_eq!(code, fails.then_some(":kv/key-exists"));
        // Told only when it can be read, and what failed left nothing.
        assert_eq!(found, !fails);
    }
    assert_eq!(next, vec![each; threads as usize]);
    env.read().unwrap().verify_counts(&dbi).unwrap();
}

#[test]
fn failures_are_isolated_where_transactions_cannot_be_nested() {
    let dir = tempfile::tempdir().unwrap();
    let env = EnvOptions::new().write_map(true).map_size(1 << 24).open(dir.path()).unwrap();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    let txn = env.write().unwrap();
    let submit = |key: u32, fails: bool| {
        let mut batch = put(&dbi, key..key + 3, PutFlags::empty());
        if fails {
            batch.put_raw(&dbi, &key.to_be_bytes(), b"w", PutFlags::NOOVERWRITE).unwrap();
        }
        env.submit(batch).unwrap()
    };
    // More that spoil the common transaction than are left out one by one.
    let tickets: Vec<_> =
        (0..40).map(|number| (number % 2 == 1, submit(number * 10, number % 2 == 1))).collect();
    drop(txn);
    for (fails, ticket) in tickets {
        assert_eq!(ticket.wait().err().map(|error| error.code()), fails.then_some(":kv/key-exists"));
    }
    assert_eq!(env.read().unwrap().entries(&dbi).unwrap(), 20 * 3);
}

#[test]
fn dropped_tickets_and_handles_do_not_take_batches_back() {
    let (dir, env) = quick();
    let dbi = env.open_dbi("t", DbiFlags::empty()).unwrap();
    for key in 0..100 {
        drop(env.submit(put(&dbi, key..key + 1, PutFlags::empty())).unwrap());
    }
    // Waits for the queue, too.
    env.close(Duration::from_secs(30)).unwrap();
    let env = factum_kv::Env::open(dir.path()).unwrap();
    let dbi = env.existing_dbi("t").unwrap();
    assert_eq!(env.read().unwrap().entries(&dbi).unwrap(), 100);
}
