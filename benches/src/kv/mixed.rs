//! Reading while writing: batches of random puts on this thread, random gets on one or two others.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::suite::{Opened, Suite, agree, medians, turns};
use super::{Entry, data};

/// Puts in a transaction, and gets in a transaction.
const BATCH: usize = 100;

/// Writes over present keys for a fixed time while the readers read; puts and gets per second, all readers together.
pub(super) fn run(suite: &mut Suite, engines: &mut [Opened], shuffled: &[Entry]) {
    for readers in [1, 2] {
        let works = [format!("mixed put, readers: {readers}"), format!("mixed get, readers: {readers}")];
        if !works.iter().any(|work| suite.wants(work)) {
            continue;
        }
        let mut rates = [(); 2].map(|()| vec![Vec::new(); engines.len()]);
        for round in 0..suite.sizes.write_rounds {
            for index in turns(engines.len(), round) {
                let time = Duration::from_millis(suite.sizes.mixed_millis);
                let both = both(&mut engines[index], shuffled, readers, time);
                rates.iter_mut().zip(both).for_each(|(rates, rate)| rates[index].push(rate));
            }
        }
        // The puts stored what was there already, so nothing has changed.
        agree(&works[0], engines.iter().map(|opened| opened.engine.scan(false)));
        for (work, rates) in works.iter().zip(rates) {
            suite.note(work, "ops/s", engines.iter().map(|opened| &*opened.engine), &medians(rates));
        }
    }
}

/// Puts per second and gets per second.
fn both(opened: &mut Opened, entries: &[Entry], readers: usize, time: Duration) -> [f64; 2] {
    let keys = data::lookups(entries.len() as u64, 100_000);
    let (stop, gets) = (AtomicBool::new(false), AtomicU64::new(0));
    let readers: Vec<_> = (0..readers).map(|_| opened.engine.reader()).collect();
    let start = Instant::now();
    let mut puts = 0;
    thread::scope(|scope| {
        for (number, reader) in readers.into_iter().enumerate() {
            let (keys, stop, gets) = (&keys, &stop, &gets);
            scope.spawn(move || {
                for keys in keys.chunks_exact(BATCH).cycle().skip(number * 17) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    std::hint::black_box(reader.get(keys));
                    gets.fetch_add(BATCH as u64, Ordering::Relaxed);
                }
            });
        }
        for batch in entries.chunks_exact(BATCH).cycle() {
            opened.engine.put(batch);
            puts += BATCH;
            if start.elapsed() >= time {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let seconds = start.elapsed().as_secs_f64();
    [puts as f64 / seconds, gets.into_inner() as f64 / seconds]
}
