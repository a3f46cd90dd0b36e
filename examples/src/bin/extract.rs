//! Cuts the bundled data set out of a full package list: the packages of some priorities with everything that they
//! depend on, directly or not, alternatives included.
//!
//! ```text
//! cargo run -p examples --bin extract -- debian-packages.jsonl.gz > examples/data/debian-base.jsonl
//! ```
//!
//! The input is JSON lines, plain or gzip, one object per package with `name`, `priority` and the lists `depends`
//! and `pre-depends`, whose elements are names or lists of alternative names.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use serde_json::Value;

const PRIORITIES: [&str; 2] = ["required", "important"];

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: extract PACKAGES.jsonl[.gz]")?;
    let mut packages: BTreeMap<String, (String, Value)> = BTreeMap::new();
    for line in open(&path)?.lines() {
        let line = line?;
        let package: Value = serde_json::from_str(&line)?;
        let name = package["name"].as_str().ok_or("a package without a name")?.to_owned();
        packages.insert(name, (line, package));
    }

    let base = packages.iter().filter(|(_, (_, package))| {
        package["priority"].as_str().is_some_and(|priority| PRIORITIES.contains(&priority))
    });
    let mut reached: BTreeSet<&str> = base.map(|(name, _)| name.as_str()).collect();
    let mut todo: Vec<&str> = reached.iter().copied().collect();
    while let Some(name) = todo.pop() {
        let Some((_, package)) = packages.get(name) else { continue };
        for dependency in dependencies(package) {
            if reached.insert(dependency) {
                todo.push(dependency);
            }
        }
    }

    let mut out = io::stdout().lock();
    for name in reached {
        if let Some((line, _)) = packages.get(name) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// The lines of a file, unpacked if it is gzip.
fn open(path: &str) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::new(File::open(path)?);
    Ok(match file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file))),
        false => Box::new(file),
    })
}

fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    ["depends", "pre-depends"]
        .into_iter()
        .filter_map(|key| package[key].as_array())
        .flatten()
        .flat_map(|item| item.as_array().map_or(std::slice::from_ref(item), Vec::as_slice))
        .filter_map(Value::as_str)
}
