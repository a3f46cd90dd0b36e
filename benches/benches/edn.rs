//! Reading and printing EDN: megabytes per second on texts as imports bring them, with serde_json on the same data
//! as a yardstick. The aim is 100 MB/s of data text per core.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use edn::{Form, Reader, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const RECORDS: usize = 5_000;

/// Maps such as a package list holds: names, texts, numbers, lists of names.
fn records(rng: &mut StdRng) -> String {
    let mut text = String::new();
    for record in 0..RECORDS {
        let depends: Vec<String> =
            (0..rng.random_range(0..20)).map(|_| format!("\"lib{}\"", rng.random_range(0..9000))).collect();
        let _ = writeln!(
            text,
            "{{:package/name \"package-{record}\", :package/section \"games\", :package/priority :optional, \
             :package/installed-size {}, :package/maintainer \"Maintainer No. {}\", \
             :package/description \"a program of some use, with a \\\"quoted\\\" word\", :package/depends [{}]}}",
            rng.random_range(10..200_000),
            record % 97,
            depends.join(" "),
        );
    }
    text
}

/// Transaction data in the vector form.
fn additions(rng: &mut StdRng) -> String {
    (0..RECORDS * 5).fold(String::new(), |mut text, entity| {
        let _ = writeln!(text, "[:db/add {entity} :person/age {}]", rng.random_range(0..100));
        text
    })
}

fn numbers(rng: &mut StdRng) -> String {
    let mut text = "[".to_owned();
    for _ in 0..RECORDS * 10 {
        let _ = write!(text, "{} {:.3} ", rng.random::<i32>(), rng.random::<f64>() * 1000.0);
    }
    text.push(']');
    text
}

fn edn(c: &mut Criterion) {
    let mut rng = StdRng::seed_from_u64(1);
    let texts =
        [("records", records(&mut rng)), ("additions", additions(&mut rng)), ("numbers", numbers(&mut rng))];
    let mut group = c.benchmark_group("edn");
    group.sample_size(20);
    for (name, text) in &texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("values", name), text, |b, text| {
            b.iter(|| Reader::new(text).values().map(|value| value.expect("EDN")).map(black_box).count());
        });
        group.bench_with_input(BenchmarkId::new("forms", name), text, |b, text| {
            b.iter(|| {
                Reader::new(text).map(|form: edn::Result<Form>| form.expect("EDN")).map(black_box).count()
            });
        });
        let values: Vec<Value> = Reader::new(text).values().map(|value| value.expect("EDN")).collect();
        group.bench_with_input(BenchmarkId::new("print", name), &values, |b, values| {
            let mut out = String::with_capacity(text.len());
            b.iter(|| {
                out.clear();
                for value in values {
                    let _ = write!(out, "{value}");
                }
                black_box(out.len())
            });
        });
        let json = serde_json::to_string(&values).expect("JSON");
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_with_input(BenchmarkId::new("serde_json", name), &json, |b, json| {
            b.iter(|| black_box(serde_json::from_str::<serde_json::Value>(json).expect("JSON")));
        });
    }
    group.finish();
}

criterion_group!(benches, edn);
criterion_main!(benches);
