//! `peers SUITE`: the same work on Factum and on its peers, as a table with ratios.

use clap::Parser;

/// Runs one suite of side-by-side measurements.
#[derive(Parser)]
struct Arguments {
    /// debian
    suite: String,
}

fn main() {
    let _ = Arguments::parse();
    let path = std::path::Path::new("../shared/data/debian-packages.jsonl.gz");
    let t = std::time::Instant::now();
    let records = benches::debian::records::read(path).expect("records");
    eprintln!("parsed {:?}", t.elapsed());
    let dir = tempfile::tempdir().expect("temporary directory");
    let db = benches::debian::sqlite::Sqlite::load(&dir.path().join("s.db"), &records).expect("loads");
    eprintln!("sqlite loaded {:?}", t.elapsed());
    for work in benches::debian::works::WORKS {
        let t = std::time::Instant::now();
        let n = db.number(work.sql).expect("answers");
        eprintln!("{} {} {} {:?}", work.name, n, n == work.answer_full, t.elapsed());
    }
}
