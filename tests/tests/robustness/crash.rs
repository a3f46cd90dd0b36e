//! A process that writes is killed at some moment; what it acknowledged must be there, and everything must hold together.
//!
//! ```text
//! this test --starts itself again--> child: transact, say "ack n"  (or import, one file after the other)
//!     |  reads the acks, waits a random moment, SIGKILL
//!     '--> opens the file: every ack is there, check finds nothing, new ids are new
//! ```

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use factum::{Connection, Durability, Keyword, Options, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{seed, tries};

const SCHEMA: &str = "{:n {:db/valueType :db.type/long :db/unique :db.unique/identity}
  :square {:db/valueType :db.type/long}
  :next {:db/valueType :db.type/ref}
  :text {:db/valueType :db.type/string :db/cardinality :db.cardinality/many}}";

/// Where the child finds its database; without it, the child's tests do nothing.
const DIR: &str = "FACTUM_CRASH_DIR";

/// With which durability the child opens it.
const WAL: &str = "FACTUM_CRASH_WAL";

fn options(wal: bool) -> Options {
    let durability = if wal { Durability::Wal } else { Durability::Full };
    Options::new().schema(SCHEMA).durability(durability)
}

/// Starts one of the tests below as a process of its own.
fn start(test: &str, dir: &Path, wal: bool) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .envs(wal.then_some((WAL, "1")))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child process")
}

/// Lets the child run until it said something and a random moment longer, kills it, and gives what it said.
fn kill_somewhere(mut child: Child, moment: Duration) -> Vec<String> {
    let out = child.stdout.take().expect("a pipe");
    let (sender, said) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let first = said.recv_timeout(Duration::from_secs(60)).expect("the child begins");
    std::thread::sleep(moment);
    child.kill().expect("SIGKILL");
    child.wait().expect("the child is gone");
    reader.join().expect("the pipe is at its end");
    // A line that was cut off was not said.
    std::iter::once(first).chain(said).filter(|line| line.ends_with('.')).collect()
}

/// The numbers after a word in what the child said.
fn numbers(said: &[String], word: &str) -> Vec<i64> {
    said.iter()
        .filter_map(|line| {
            let (_, rest) = line.split_once(word)?;
            rest.trim_end_matches('.').trim().parse().ok()
        })
        .collect()
}

fn say(words: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // The parent may be gone.
    let _ = writeln!(out, "{words}.").and_then(|()| out.flush());
}

fn assert_sound(connection: &Connection) {
    let report = connection.check().expect("readable");
    assert!(report.is_sound(), "{:?}", report.problems);
}

#[test]
#[ignore = "a process that another test starts and kills"]
fn child_that_transacts() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let connection = Connection::open_with(dir, options(std::env::var_os(WAL).is_some())).expect("opens");
    let db = connection.db().expect("a snapshot");
    let known: Vec<i64> =
        db.query("[:find [?n ...] :where [_ :n ?n]]").expect("asks").column().expect("numbers");
    drop(db);
    say(format_args!("start"));
    for n in known.len() as i64.. {
        let text = "x".repeat((n as usize * 37) % 3000);
        let report = connection
            .transact(format!(
                "[{{:db/id \"e\" :n {n} :square {} :text [\"{text}\" \"{n}\"] :next \"gone\"}} {{:db/id \"gone\" :text \"{n}\"}}]",
                n * n
            ))
            .expect("commits");
        let id_of = |name: &str| report.tempids()[&Value::from(name)].0;
        say(format_args!("id {}", id_of("e").max(id_of("gone"))));
        say(format_args!("ack {n}"));
        // The largest id so far loses all its facts, and must not come back.
        connection.transact(format!("[[:db/retractEntity {}]]", id_of("gone"))).expect("commits");
        say(format_args!("gone {n}"));
    }
}

#[test]
fn acknowledged_transactions_survive_a_kill() {
    let mut random = StdRng::seed_from_u64(seed());
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("db");
    let (mut acked, mut gone, mut largest) = (-1, -1, 0);
    for round in 0..tries(6) {
        let moment = Duration::from_micros(random.random_range(0..120_000));
        let said = kill_somewhere(start("crash::child_that_transacts", &path, round % 2 == 1), moment);
        acked = numbers(&said, "ack ").into_iter().max().unwrap_or(acked);
        gone = numbers(&said, "gone ").into_iter().max().unwrap_or(gone);
        largest = numbers(&said, "id ").into_iter().max().unwrap_or(largest);
        let context = format!("seed {}, round {round}, killed after {moment:?}", seed());
        if path.join("log.mdb").exists() {
            // Most of them were not in the tables yet.
            let count = count_of_numbers(elsewhere(&path).path(), &context);
            assert!(count > acked, "{context}: {acked} was acknowledged, {count} are there");
        }
        let connection = Connection::open_with(&path, SCHEMA).expect(&context);
        assert_sound(&connection);
        let db = connection.db().expect("a snapshot");
        // All of a transaction or nothing: every number has its square and two texts, and there are no gaps.
        let numbers: Vec<i64> = db
            .query("[:find [?n ...] :where [?e :n ?n] [?e :square ?s] [(* ?n ?n) ?s]]")
            .expect("asks")
            .column()
            .expect("numbers");
        let count = db.count(None, Some(Keyword::parse("n")), None).expect("counts");
        assert_eq!(numbers.len() as u64, count, "{context}");
        let last = numbers.iter().max().copied().unwrap_or(-1);
        assert_eq!(last + 1, numbers.len() as i64, "{context}: gaps");
        assert!(last >= acked, "{context}: {acked} was acknowledged, {last} is the last one there");
        assert!(last <= acked + 1, "{context}: {last} is there, but nobody began more than {}", acked + 1);
        let dangling: Vec<i64> = db
            .query("[:find [?n ...] :where [?e :n ?n] [?e :next]]")
            .expect("asks")
            .column()
            .expect("numbers");
        assert!(
            dangling.iter().all(|n| *n > gone),
            "{context}: {dangling:?} should be retracted up to {gone}"
        );
        drop(db);
        // An id that was handed out keeps its meaning, though its facts are gone.
        let report = connection.transact("[{:db/id \"probe\" :square -1}]").expect("commits");
        let probe = report.tempids()[&Value::from("probe")].0 as i64;
        assert!(probe > largest, "{context}: id {probe} was handed out again, {largest} was known");
        largest = probe;
        connection.transact(format!("[[:db/retractEntity {probe}]]")).expect("commits");
        // What the child did not come to retract, and what it did not come to say.
        let db = connection.db().expect("a snapshot");
        let left: Vec<i64> =
            db.query("[:find [?g ...] :where [_ :next ?g]]").expect("asks").column().expect("ids");
        drop(db);
        for id in left {
            connection.transact(format!("[[:db/retractEntity {id}]]")).expect("commits");
        }
        acked = last;
        connection.close().expect("open");
    }
    assert!(acked >= 0, "some transaction must have been acknowledged");
}

#[test]
#[ignore = "a process that another test starts and kills"]
fn child_that_transacts_asynchronously() {
    /// Transactions that nobody has waited for yet.
    const AHEAD: usize = 60;
    let Some(dir) = std::env::var_os(DIR) else { return };
    let connection = Connection::open_with(dir, options(std::env::var_os(WAL).is_some())).expect("opens");
    let known = connection.db().and_then(|db| db.count(None, Some(Keyword::parse("n")), None));
    say(format_args!("start"));
    let mut pending = std::collections::VecDeque::new();
    for n in known.expect("counts") as i64.. {
        let promise = connection.transact_async(format!("[{{:n {n} :square {} :text \"{n}\"}}]", n * n));
        pending.push_back((n, promise.expect("taken")));
        if pending.len() > AHEAD
            && let Some((n, promise)) = pending.pop_front()
        {
            promise.wait().expect("commits");
            say(format_args!("ack {n}"));
        }
    }
}

/// The files of a database with a log in another place, where the log is recovered from as after a power failure.
fn elsewhere(path: &Path) -> tempfile::TempDir {
    let elsewhere = tempfile::tempdir().expect("temporary directory");
    for file in ["data.mdb", "log.mdb"] {
        std::fs::copy(path.join(file), elsewhere.path().join(file)).expect("copied");
    }
    elsewhere
}

/// The numbers of a database, which are all whole and without gaps.
fn count_of_numbers(path: &Path, context: &str) -> i64 {
    let connection = Connection::open_with(path, SCHEMA).expect(context);
    assert_sound(&connection);
    let db = connection.db().expect("a snapshot");
    let query = "[:find [?n ...] :where [?e :n ?n] [?e :text] [?e :square ?s] [(* ?n ?n) ?s]]";
    let numbers: Vec<i64> = db.query(query).expect("asks").column().expect("numbers");
    assert_eq!(db.count(None, Some(Keyword::parse("n")), None).expect("counts"), numbers.len() as u64);
    assert_eq!(numbers.iter().max().map_or(0, |n| n + 1), numbers.len() as i64, "{context}: gaps");
    drop(db);
    connection.close().expect("open");
    numbers.len() as i64
}

#[test]
fn kept_promises_survive_a_kill() {
    let mut random = StdRng::seed_from_u64(seed() + 2);
    let mut acked = [-1, -1];
    let dir = tempfile::tempdir().expect("temporary directory");
    for round in 0..tries(6) {
        let wal = round % 2 == 1;
        let path = dir.path().join(if wal { "with log" } else { "without" });
        let moment = Duration::from_micros(random.random_range(0..120_000));
        let child = start("crash::child_that_transacts_asynchronously", &path, wal);
        let said = kill_somewhere(child, moment);
        let acked = &mut acked[usize::from(wal)];
        *acked = numbers(&said, "ack ").into_iter().max().unwrap_or(*acked);
        let context = format!("seed {}, round {round}, killed after {moment:?}", seed());
        if path.join("log.mdb").exists() {
            let count = count_of_numbers(elsewhere(&path).path(), &context);
            assert!(count > *acked, "{context}: {acked} was acknowledged, {count} are there");
        }
        let count = count_of_numbers(&path, &context);
        assert!(count > *acked, "{context}: {acked} was acknowledged, {count} are there");
    }
    assert!(acked.iter().all(|acked| *acked >= 0), "nothing was acknowledged: {acked:?}");
}

/// Each page of the data file as it was at the checkpoint or is now, the log cut behind its last record or with what
/// came after it torn: what a power failure leaves.
#[test]
fn acknowledged_transactions_survive_a_power_failure() {
    const PAGE: usize = 4096;
    let mut random = StdRng::seed_from_u64(seed() + 3);
    for round in 0..tries(4) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let connection = Connection::open_with(dir.path(), options(true)).expect("opens");
        let kv = connection.kv().expect("a file");
        let read = |name: &str| std::fs::read(dir.path().join(name)).expect("a file");
        for n in 0..random.random_range(0..20) {
            connection.transact(format!("[{{:n {n} :square {} :text \"old\"}}]", n * n)).expect("commits");
        }
        kv.checkpoint().expect("writes");
        let first = connection.db().and_then(|db| db.count(None, Some(Keyword::parse("n")), None));
        let first = first.expect("counts") as i64;
        let mut images = vec![read("data.mdb")];
        let mut last = first;
        for _ in 0..6 {
            let facts =
                |n: i64| format!("[{{:n {n} :square {} :text \"{}\"}}]", n * n, "x".repeat(n as usize * 90));
            if random.random() {
                let promises: Vec<_> =
                    (last..last + 5).map(|n| connection.transact_async(facts(n))).collect();
                for promise in promises {
                    promise.expect("taken").wait().expect("commits");
                }
                last += 5;
            } else {
                connection.transact(facts(last)).expect("commits");
                last += 1;
            }
            images.push(read("data.mdb"));
        }
        let longest = images.iter().map(Vec::len).max().unwrap_or_default();
        let mut data = Vec::with_capacity(longest);
        while data.len() < longest {
            let image = &images[random.random_range(0..images.len())];
            match image.get(data.len()..data.len() + PAGE) {
                Some(page) => data.extend_from_slice(page),
                None => data.resize(data.len() + PAGE, 0),
            }
        }
        let cut = tempfile::tempdir().expect("temporary directory");
        std::fs::write(cut.path().join("data.mdb"), data).expect("written");
        std::fs::write(cut.path().join("log.mdb"), read("log.mdb")).expect("written");
        let context = format!("seed {}, round {round}", seed());
        assert_eq!(
            kv.log_info().map(|info| info.size > 0),
            Some(true),
            "{context}: a checkpoint came in between"
        );
        assert_eq!(count_of_numbers(cut.path(), &context), last, "{context}: of {first} at the checkpoint");
    }
}

/// Records of the n-th file that the importing child imports.
const RECORDS: i64 = 400;

fn import_file(dir: &Path, n: i64) -> std::path::PathBuf {
    let mut text = String::new();
    for record in 0..RECORDS {
        let id = n * RECORDS + record;
        text +=
            &format!("{{\"id\": {id}, \"part\": {n}, \"name\": \"record {id}\", \"next\": [{}]}}\n", id / 2);
    }
    let path = dir.join(format!("part-{n}.jsonl"));
    std::fs::write(&path, text).expect("a file");
    path
}

fn import(dir: &Path, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let words = ["factum".as_ref(), "import".as_ref(), dir.as_os_str(), file.as_os_str()];
    let options = ["--entity", "r", "--id", "id", "--ref", "next", "--quiet"];
    factum_cli::run_from(words.iter().map(std::ffi::OsString::from).chain(options.iter().map(Into::into)))
}

#[test]
#[ignore = "a process that another test starts and kills"]
fn child_that_imports() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let files = Path::new(&dir);
    say(format_args!("start"));
    for n in 0.. {
        let file = files.join(format!("part-{n}.jsonl"));
        if !file.exists() {
            break;
        }
        import(&files.join("db"), &file).expect("imports");
        say(format_args!("ack {n}"));
    }
    // Wait to be killed, so that the end is like every other moment.
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn imports_are_whole_or_not_there() {
    let mut random = StdRng::seed_from_u64(seed() + 1);
    let mut complete = 0;
    for round in 0..tries(5) {
        let dir = tempfile::tempdir().expect("temporary directory");
        (0..4).for_each(|n| drop(import_file(dir.path(), n)));
        let moment = Duration::from_micros(random.random_range(0..150_000));
        let said = kill_somewhere(start("crash::child_that_imports", dir.path(), false), moment);
        let acked = numbers(&said, "ack ");
        complete += acked.len();
        let context = format!("seed {}, round {round}, killed after {moment:?}, {acked:?}", seed());
        let path = dir.path().join("db");
        if path.join("data.mdb").exists() {
            let connection = Connection::open(&path).expect(&context);
            assert_sound(&connection);
            let db = connection.db().expect("a snapshot");
            let parts: Vec<(i64, i64)> = db
                .query("[:find ?p (count ?e) :where [?e :r/part ?p]]")
                .expect("asks")
                .rows()
                .expect("numbers");
            for (part, records) in &parts {
                assert_eq!(*records, RECORDS, "{context}: part {part}");
            }
            for part in &acked {
                assert!(parts.iter().any(|(there, _)| there == part), "{context}: part {part} is missing");
            }
            connection.close().expect("open");
        } else {
            assert!(acked.is_empty(), "{context}: no file, but imports were acknowledged");
        }
        // The same imports again bring everything there, once.
        for n in 0..4 {
            import(&path, &dir.path().join(format!("part-{n}.jsonl"))).expect(&context);
        }
        let connection = Connection::open(&path).expect(&context);
        assert_sound(&connection);
        let count = connection.db().and_then(|db| db.count(None, Some(Keyword::parse("r/part")), None));
        assert_eq!(count.expect("counts") as i64, 4 * RECORDS, "{context}");
    }
    println!("{complete} imports were acknowledged before a kill");
}
