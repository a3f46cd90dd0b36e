//! Every mistake has an error of its own and leaves the database as it was.

mod common;

use std::collections::BTreeMap;

use common::Case;

fn crew() -> Case {
    let case = Case::new();
    case.file("crew.edn", "[{:name \"Mira\" :age 52 :code 7} {:name \"Oto\" :age 38}]");
    case.ok(
        "transact db crew.edn --schema '{:name {:db/valueType :db.type/string :db/unique :db.unique/identity} \
         :age {:db/valueType :db.type/long} :code {:db/unique :db.unique/value} \
         :pay {:db/valueType :db.type/double} :part {:db/valueType :db.type/uuid}}'",
    );
    case
}

/// Runs mistakes of one kind; each must fail with its own code or message, and the dump must stay the same.
#[track_caller]
fn each_fails(case: &Case, mistakes: &[(&str, &str)], line: impl Fn(&str) -> String) {
    let before = case.ok("dump db");
    let mut seen = BTreeMap::new();
    for (mistake, expected) in mistakes {
        let error = case.fails(&line(mistake));
        assert!(error.contains(expected), "{mistake}\nexpected {expected}\n{error}");
        assert!(error.contains("error"), "{mistake}: {error}");
        let message = error.lines().find(|line| line.starts_with("error")).unwrap_or_default().to_owned();
        if let Some(other) = seen.insert(message.clone(), mistake) {
            panic!("{mistake} and {other} give the same message: {message}");
        }
    }
    assert_eq!(case.ok("dump db"), before);
}

#[test]
fn queries() {
    let case = crew();
    let mistakes = [
        ("[:find ?n :where [?e :name ?n]", "error[:edn/unexpected-end]"),
        ("[:find ?n :where [?e :name ?m]]", "?n"),
        ("[:find ?n :were [?e :name ?n]]", "did you mean :where"),
        ("[:find ?n :where [?e :name ?n] [(< ?age 30)]]", "?age"),
        ("[:find ?x :where [_ :age ?a] [(incc ?a) ?x]]", "inc"),
        ("[:find ?n :in $ % :where (older ?e ?n)]", "error["),
        ("[:find ?n :where [[:nam \"Mira\"] :name ?n]]", ":nam"),
        ("[:find ?n :where [[:age 52] :name ?n]]", ":age"),
        ("[:find ?n :where [[:name \"Nobody\"] :name ?n]]", "Nobody"),
        ("[:find ?e :where [?e :age \"old\"]]", ":age"),
        ("[:find ?x :where [(/ 1 0) ?x]]", "zero"),
        ("7", "error["),
    ];
    each_fails(&case, &mistakes, |query| format!("query db '{query}'"));
}

#[test]
fn queries_show_a_caret() {
    let case = crew();
    let error = case.fails("query db '[:find ?n :where [?e :name ?n] [(< ?age 30)]]'");
    assert!(error.contains("  1 | [:find ?n :where [?e :name ?n] [(< ?age 30)]]\n"), "{error}");
    assert!(error.contains('^'), "{error}");
    let error = case.fails("query db '[:find ?n :where [?e :name ?n]'");
    assert!(error.contains("  1 | [:find ?n :where [?e :name ?n]\n") && error.contains('^'), "{error}");
}

#[test]
fn inputs_and_rules() {
    let case = crew();
    let query = "[:find ?n :in $ % ?a :where (aged ?e ?a) [?e :name ?n]]";
    let mistakes = [
        ("", "error["),
        ("'[[(aged ?e ?a) [?e :age ?a]]]'", "error["),
        ("'[[(aged ?e ?a) [?e :age ?a]]]' 1 2", "error["),
        ("'[[(aged ?e) [?e :age 1]]]' 1", "aged"),
        ("'[[(agd ?e ?a) [?e :age ?a]]]' 1", "aged"),
        ("'[[(aged ?e ?a)]]' 1", "aged"),
        ("'[[(aged ?e ?a) [?e :age ?a] (not (aged ?e ?a))]]' 1", "aged"),
    ];
    each_fails(&case, &mistakes, |inputs| format!("query db '{query}' {inputs}"));
}

#[test]
fn transactions() {
    let case = crew();
    let mistakes = [
        ("[{:name \"x\"", "error[:edn/unexpected-end]"),
        ("[7]", "error[:transact/syntax]"),
        ("[{:name nil}]", "nil"),
        ("[{\"name\" 1}]", "cannot stand as an attribute"),
        ("[{:age \"old\"}]", ":age takes"),
        ("[{:part \"no uuid\"}]", ":part takes"),
        ("[{:pay ##NaN}]", "NaN"),
        ("[{:code 7}]", "error[:transact/unique]"),
        ("[{:db/id 2 :name \"Mira\"}]", "error[:transact/"),
        ("[[:db/cas 1 :age 51 53]]", "compare-and-swap"),
        ("[[:db/add [:name \"Nobody\"] :age 1]]", "Nobody"),
        ("[[:db/add [:age 52] :age 1]]", "lookup ref"),
        ("[[:db/retract -1 :age 1]]", "tempid"),
        ("[[:db/ad 1 :age 1]]", ":db/ad"),
        ("[[:db/add 1 :age]]", ":db/add"),
        ("[{:_name 1}]", "reverse"),
    ];
    each_fails(&case, &mistakes, |tx| {
        case.file("tx.edn", tx);
        "transact db tx.edn".to_owned()
    });
}

#[test]
fn schemas() {
    let case = crew();
    let mistakes = [
        ("{:age", "error["),
        ("[:age]", "error[:schema/validation]"),
        ("{:x {:db/valueType :db.type/lnog}}", "db.type/long"),
        ("{:x {:db/isComponent true}}", "needs :db/valueType :db.type/ref"),
        ("{:x {:db/cardinality :many}}", "cardinality"),
        ("{:x {:db/fulltext true}}", "fulltext"),
        ("{:age {:db/valueType :db.type/string}}", "value type change"),
        ("{:x/_y {}}", "underscore"),
    ];
    each_fails(&case, &mistakes, |patch| format!("schema db '{patch}'"));
}

#[test]
fn paths() {
    let case = crew();
    let query = "'[:find ?e :where [?e :name]]'";
    let error = case.fails(&format!("query missing {query}"));
    assert!(error.contains("there is no database at missing"), "{error}");
    assert!(error.contains("help: `factum import`"), "{error}");
    assert!(!case.path("missing").exists());

    case.file("plain.txt", "hello");
    let error = case.fails(&format!("query plain.txt {query}"));
    assert!(error.contains("plain.txt"), "{error}");

    std::fs::create_dir(case.path("foreign")).expect("a directory");
    case.file("foreign/data.mdb", vec![7; 8192]);
    let error = case.fails(&format!("query foreign {query}"));
    assert!(error.contains("not an LMDB data file"), "{error}");
    case.file("tx.edn", "[{:a 1}]");
    let error = case.fails("transact foreign tx.edn");
    assert!(error.contains("not an LMDB data file"), "{error}");
    assert_eq!(std::fs::read(case.path("foreign/data.mdb")).expect("still there"), vec![7; 8192]);

    std::fs::create_dir(case.path("empty")).expect("a directory");
    let error = case.fails(&format!("query empty {query}"));
    assert!(error.contains("empty"), "{error}");
}

#[test]
fn other_programs_tables_are_left_alone() {
    let case = Case::new();
    let dir = case.path("theirs");
    {
        let env = factum::kv::EnvOptions::new().open(&dir).expect("an environment");
        let txn = env.heed().write_txn().expect("a transaction");
        let created = env.heed().create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
            let mut options = opener.database_options().types::<heed::types::Str, heed::types::Str>();
            options.name("theirs").create(txn).map(heed::CommitOrAbort::<_, ()>::Commit)
        });
        created.expect("a table");
    }
    case.file("tx.edn", "[{:a 1}]");
    let error = case.fails("transact theirs tx.edn");
    assert!(error.contains("tables of another program"), "{error}");
}

#[test]
fn later_formats_are_left_alone() {
    let case = crew();
    {
        let conn = factum::Connection::open(case.path("db")).expect("a database");
        let store = conn.store().expect("open");
        let env = store.env().expect("a file");
        let mut txn = env.write().expect("a transaction");
        let meta = env.open_reserved("meta", factum::kv::DbiOptions::new()).expect("the table of versions");
        txn.put(&meta, b"format", &[99_u32.to_le_bytes(), 99_u32.to_le_bytes()].concat()).expect("a pair");
        txn.commit().expect("a commit");
    }
    case.file("tx.edn", "[{:a 1}]");
    for line in
        ["transact db tx.edn", "query db '[:find ?e :where [?e :name]]'", "import db tx.edn --entity x"]
    {
        let error = case.fails(line);
        assert!(error.contains("format version 99, and this program reads up to"), "{line}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn directories_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    let case = crew();
    let dir = case.path("locked");
    std::fs::create_dir(&dir).expect("a directory");
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o555)).expect("permissions");
    // The superuser may write everywhere.
    if std::fs::write(dir.join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write to read-only directories");
        return;
    }
    case.file("tx.edn", "[{:a 1}]");
    let error = case.fails("transact locked tx.edn");
    assert!(error.contains("cannot be written"), "{error}");
}

#[test]
fn forms_where_a_file_is_expected() {
    let error = crew().fails("exec '(+ 1 2)'");
    assert!(
        error.contains("(+ 1 2): ") && error.contains("help: forms are read from a file, or from"),
        "{error}"
    );
    let error = crew().fails("exec missing.edn");
    assert!(error.contains("missing.edn: ") && !error.contains("help:"), "{error}");
}
