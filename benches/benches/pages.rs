//! Reading: lmdb-pages beside heed and LMDB's C interface, on the same file in the same run.
//!
//! The works are those of `peers pages`, measured with criterion. `FACTUM_BENCH_KEYS` sets another size than a million.

#![allow(missing_docs, reason = "criterion's macros generate undocumented functions")]

use std::time::Duration;

use benches::pages::{Setup, works};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn benchmarks(criterion: &mut Criterion) {
    let keys =
        std::env::var("FACTUM_BENCH_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(1_000_000);
    let setup = Setup::new(keys);
    for work in works(&setup) {
        let mut group = criterion.benchmark_group(format!("pages/{}", work.name));
        group.throughput(Throughput::Elements(work.elements));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(3));
        for (system, way) in &work.ways {
            group.bench_function(*system, |bencher| bencher.iter(way));
        }
        group.finish();
    }
}

criterion_group!(pages, benchmarks);
criterion_main!(pages);
