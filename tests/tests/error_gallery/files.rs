//! Mistakes in files: imports, and paths of databases.

use std::path::Path;

use factum::{Connection, Options};

use super::{Gallery, state};

/// Imports text as a file of this name into a database in the folder; what the program says if it refuses.
fn import(folder: &Path, name: &str, text: &[u8], options: &[&str]) -> Result<(), String> {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("a file");
    let words = [
        "factum".as_ref(),
        "import".as_ref(),
        folder.join("db").as_os_str().to_owned().as_os_str(),
        file.as_os_str(),
    ]
    .map(std::ffi::OsString::from);
    let options = ["--entity", "person", "--quiet"].iter().chain(options).map(Into::into);
    factum_cli::run_from(words.into_iter().chain(options))
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.display()), ""))
}

/// Files that `factum import` refuses.
pub fn of_imports(gallery: &mut Gallery) {
    gallery.chapter(
        "Imports",
        "`factum import` names the file, the line and the place; nothing of the file is stored.",
    );
    let folder = tempfile::tempdir().expect("temporary directory");
    import(folder.path(), "good.jsonl", br#"{"name": "Ann", "age": 38}"#, &["--id", "name"])
        .expect("imports");
    let path = folder.path().join("db");
    let state = || {
        let connection = Connection::open(&path).expect("opens");
        let state = state(&connection);
        connection.close().expect("open");
        state
    };
    let before = state();
    let files: [(&str, &[u8], &[&str]); 9] = [
        ("broken.jsonl", b"{\"name\": \"Bob\"}\n{\"name\": \"Cy\", \"age\" 29}\n", &["--id", "name"]),
        ("list.jsonl", b"{\"name\": \"Bob\"}\n[1, 2]\n", &["--id", "name"]),
        ("cut.json", b"[{\"name\": \"Bob\"},\n {\"name\": \"C", &["--id", "name"]),
        ("without-id.jsonl", b"{\"name\": \"Bob\"}\n{\"age\": 29}\n", &["--id", "name"]),
        ("bad-id.jsonl", b"{\"name\": [\"Bob\"]}\n", &["--id", "name"]),
        ("type.jsonl", b"{\"name\": \"Bob\", \"age\": \"old\"}\n", &["--id", "name"]),
        ("short.csv", b"name,age\nBob,41\nCy\n", &["--id", "name"]),
        ("records.edn", b"[{:name \"Bob\"} 7]", &["--id", "name"]),
        ("latin.jsonl", b"{\"name\": \"M\xfcller\"}\n", &["--id", "name"]),
    ];
    for (name, text, options) in files {
        let error = import(folder.path(), name, text, options).expect_err(name);
        gallery.show_text(name, &error);
        assert_eq!(state(), before, "{name} left a trace");
    }
    let missing = folder.path().join("missing.jsonl");
    let words = ["factum", "import"].map(Into::into).into_iter().chain([path.clone().into(), missing.into()]);
    let error = factum_cli::run_from(words.chain(["--entity", "person", "--quiet"].map(Into::into)));
    let error = error.expect_err("a missing file").to_string();
    gallery.show_text("missing", &error.replace(&format!("{}/", folder.path().display()), ""));
}

/// Paths that hold no database of this version.
pub fn of_paths(gallery: &mut Gallery) {
    gallery.chapter("Paths of databases", "What is there already is never touched.");
    let folder = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| folder.path().join(name);
    let mut refuse = |what: &str, path: &Path, options: Options| {
        let error = Connection::open_with(path, options).expect_err(what);
        let place = format!("{}/", folder.path().canonicalize().expect("there").display());
        gallery.show_text(
            what,
            &error.render().replace(&place, "").replace(&format!("{}/", folder.path().display()), ""),
        );
    };
    refuse("missing", &at("missing"), Options::new().create(false));
    assert!(!at("missing").exists());
    std::fs::write(at("notes.txt"), "hello").expect("a file");
    refuse("a file", &at("notes.txt"), Options::new());
    refuse("below a file", &at("notes.txt").join("db"), Options::new());
    std::fs::create_dir(at("other")).expect("a directory");
    std::fs::write(at("other").join("data.mdb"), vec![7; 8192]).expect("a file");
    refuse("foreign", &at("other"), Options::new());
    assert_eq!(std::fs::read(at("other").join("data.mdb")).expect("there"), vec![7; 8192]);
    {
        let env = kv::EnvOptions::new().open(at("tables")).expect("an environment");
        let txn = env.heed().write_txn().expect("a transaction");
        let created = env.heed().create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
            let mut options = opener.database_options().types::<heed::types::Str, heed::types::Str>();
            options.name("theirs").create(txn).map(heed::CommitOrAbort::<_, ()>::Commit)
        });
        created.expect("a table");
    }
    refuse("tables of another program", &at("tables"), Options::new());
    {
        let connection = Connection::open(at("later")).expect("opens");
        let store = connection.store().expect("open");
        let env = store.env().expect("a file");
        let mut txn = env.write().expect("a transaction");
        let meta = env.open_reserved("meta", kv::DbiFlags::empty()).expect("the table of versions");
        txn.put(&meta, b"format", &[99_u32.to_le_bytes(), 99_u32.to_le_bytes()].concat()).expect("a pair");
        txn.commit().expect("a commit");
    }
    refuse("a later format", &at("later"), Options::new());
    Connection::open(at("ours")).and_then(|connection| connection.close()).expect("a database");
    refuse("something is there", &at("ours"), Options::new().create_new(true));
    let read_only = Connection::open_with(at("ours"), Options::new().read_only(true)).expect("opens");
    gallery.show("read-only", &read_only.transact("[{:note 1}]").expect_err("read-only"));
    read_only.close().expect("open");
    // A database that was cut off: a copy that did not come to its end.
    let whole = std::fs::read(at("ours").join("data.mdb")).expect("the data file");
    std::fs::create_dir(at("cut")).expect("a directory");
    std::fs::write(at("cut").join("data.mdb"), &whole[..whole.len() / 2]).expect("a file");
    let mut refuse = |what: &str, path: &Path| {
        let error = Connection::open(path).expect_err(what);
        assert!(error.code().starts_with(':'), "{error:?}");
        gallery.show(what, &error);
    };
    refuse("cut off", &at("cut"));
}
