//! `factum import`: every format, identities, references, types, and errors that name the line.

mod common;

use common::{Case, bundled, gzip};

const PEOPLE: &str = "{\"name\":\"Ann\",\"age\":38,\"likes\":[\"tea\",\"go\"],\"boss\":\"Bob\"}\n\
                      {\"name\":\"Cy\",\"age\":29.5,\"likes\":[],\"boss\":[\"Ann\",[\"Bob\",\"Dee\"]],\"note\":null}\n";

#[track_caller]
fn query(case: &Case, query: &str) -> String {
    case.ok(&format!("query db '{query}'")).trim().to_owned()
}

#[test]
fn records_become_entities() {
    let case = Case::new();
    case.file("people.jsonl", PEOPLE);
    let report = case.ok("import db people.jsonl --entity person --id name --ref boss");
    let report = edn::read(&report).expect("readable");
    let field = |name: &str| report.as_map().expect("a map")[&edn::Value::keyword(name)].clone();
    assert_eq!((field("records"), field("entities"), field("facts")), (2.into(), 4.into(), 12.into()));
    assert_eq!(
        field("schema"),
        edn::read(
            "{:person/name {:db/valueType :db.type/string :db/unique :db.unique/identity}
              :person/age {:db/valueType :db.type/double}
              :person/likes {:db/valueType :db.type/string :db/cardinality :db.cardinality/many}
              :person/boss {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}"
        )
        .expect("valid EDN")
    );
    assert_eq!(query(&case, "[:find ?a . :where [?e :person/name \"Ann\"] [?e :person/age ?a]]"), "38.0");
    assert_eq!(
        query(&case, "[:find ?b :where [?e :person/name \"Cy\"] [?e :person/boss ?x] [?x :person/name ?b]]"),
        r#"#{["Ann"] ["Bob"] ["Dee"]}"#
    );
}

#[test]
fn all_formats_say_the_same() {
    let expected = r#"#{["Ann" 38] ["Bob" 41]}"#;
    let inputs: [(&str, Vec<u8>); 8] = [
        ("a.jsonl", b"{\"name\":\"Ann\",\"age\":38}\n\n{\"name\":\"Bob\",\"age\":41}".to_vec()),
        ("b.json", b"[{\"name\":\"Ann\",\"age\":38},\n {\"name\":\"Bob\",\"age\":41}]".to_vec()),
        ("c.json", b"{\"name\":\"Ann\",\n\"age\":38}\n{\"name\":\"Bob\",\"age\":41}".to_vec()),
        ("d.csv", b"name,age\nAnn,38\nBob,41\n".to_vec()),
        ("e.edn", b"{:name \"Ann\" :age 38}\n{:name \"Bob\" :age 41}".to_vec()),
        ("f.edn", b"[{:name \"Ann\" :age 38} {\"name\" \"Bob\" age 41}]".to_vec()),
        ("g.jsonl.gz", gzip("{\"name\":\"Ann\",\"age\":38}\n{\"name\":\"Bob\",\"age\":41}\n")),
        ("h.csv.gz", gzip("name,age\nAnn,38\nBob,41\n")),
    ];
    for (name, content) in inputs {
        let case = Case::new();
        case.file(name, content);
        case.ok(&format!("import db {name} --entity p --id name"));
        assert_eq!(query(&case, "[:find ?n ?a :where [?e :p/name ?n] [?e :p/age ?a]]"), expected, "{name}");
    }
}

#[test]
fn repeated_and_existing_ids_update_the_same_entity() {
    let case = Case::new();
    case.file(
        "one.jsonl",
        "{\"id\":1,\"v\":\"a\",\"t\":[1]}\n{\"id\":2,\"v\":\"b\"}\n{\"id\":1,\"v\":\"c\",\"t\":[2]}\n",
    );
    case.ok("import db one.jsonl --entity x --id id");
    assert_eq!(query(&case, "[:find ?i ?v :where [?e :x/id ?i] [?e :x/v ?v]]"), r#"#{[1 "c"] [2 "b"]}"#);
    assert_eq!(query(&case, "[:find [?t ...] :where [?e :x/id 1] [?e :x/t ?t] :order-by ?t]"), "[1 2]");
    case.file("two.jsonl", "{\"id\":2,\"v\":\"z\",\"new\":true}\n{\"id\":3,\"v\":\"d\",\"t\":[3,4]}\n");
    case.ok("import db two.jsonl --entity x --id id --batch 1");
    assert_eq!(
        query(&case, "[:find ?i ?v :where [?e :x/id ?i] [?e :x/v ?v]]"),
        r#"#{[1 "c"] [2 "z"] [3 "d"]}"#
    );
    assert_eq!(query(&case, "[:find (max ?e) . :where [?e :x/id]]"), "3");
}

#[test]
fn two_keys_can_go_to_one_attribute() {
    let case = Case::new();
    case.file(
        "p.jsonl",
        "{\"name\":\"a\",\"depends\":[\"b\",[\"c\",\"d\"],\"b\"],\"pre-depends\":[\"e\"]}\n",
    );
    case.ok("import db p.jsonl --entity package --id name --ref depends --ref pre-depends:depends");
    let names = "[:find (count ?d) . :where [?e :package/name \"a\"] [?e :package/depends ?d]]";
    assert_eq!(query(&case, names), "4");
    assert_eq!(query(&case, "[:find ?d :where [_ :package/pre-depends ?d]]"), "#{}");
}

#[test]
fn mixed_types_are_kept_and_reported() {
    let case = Case::new();
    case.file(
        "m.jsonl",
        "{\"v\":1}\n{\"v\":\"one\"}\n{\"v\":{\"a\":[1,null]}}\n{\"v\":18446744073709551615}\n",
    );
    let report = case.ok("import db m.jsonl --entity m");
    assert!(report.contains(":m/v {}"), "{report}");
    let values = query(&case, "[:find [?v ...] :where [_ :m/v ?v]]");
    for value in ["1", "\"one\"", "{\"a\" [1 nil]}", "18446744073709551615N"] {
        assert!(values.contains(value), "{values}");
    }
}

#[test]
fn nothing_in_nothing_out() {
    let case = Case::new();
    case.file("e.jsonl", "\n \n");
    assert!(case.ok("import db e.jsonl --entity e").contains(":facts 0"));
    case.file("h.csv", "a,b\n");
    assert!(case.ok("import db h.csv --entity e").contains(":records 0"));
}

#[test]
fn mistakes_name_their_line_and_change_nothing() {
    let cases: [(&str, &str, &str, &str); 15] = [
        ("x.jsonl", "{\"a\":1}\n{\"a\":tru}\n", "", "x.jsonl:2:9: expected ident"),
        ("x.jsonl", "{\"a\":1}\n[1]\n", "", "x.jsonl:2:"),
        ("x.jsonl", "{\"a\":1} {\"a\":2}\n", "", "x.jsonl:1:9: trailing characters"),
        ("x.jsonl", "{\"a\":1", "", "x.jsonl:1:"),
        ("x.json", "[{\"a\":1},\n {\"a\"}]", "", "x.json:2:"),
        ("x.csv", "a,b\n1,2\n3\n", "", "x.csv:3: this line has 1 cells, the header has 2"),
        ("x.edn", "{:a 1}\n{:a}", "", "x.edn"),
        ("x.edn", "{:a 1}\n\n7", "", "x.edn:3: expected a map, found a long"),
        ("x.edn", "{[1] 2}", "", "x.edn:1: the key [1] cannot name an attribute"),
        ("x.jsonl", "{\"n\":1}\n{\"m\":1}\n", "--id n", "x.jsonl:2: this record has no \"n\""),
        ("x.jsonl", "{\"n\":1}\n{\"n\":[1]}\n", "--id n", "x.jsonl:2: [1] cannot identify"),
        (
            "x.jsonl",
            "{\"n\":1}\n{\"n\":2,\"r\":\"x\"}\n",
            "--id n --ref r",
            "x.jsonl:2: :x/r refers to \"x\", a string",
        ),
        ("x.jsonl", "{\"name\":1}\n", "--id nmae", "did you mean \"name\"?"),
        ("x.txt", "{}", "", "the name does not tell the format"),
        ("x.jsonl.gz", "not gzip at all", "", "x.jsonl.gz:1:"),
    ];
    for (name, content, options, message) in cases {
        let case = Case::new();
        case.file(name, content);
        let error = case.fails(&format!("import db {name} --entity x {options}"));
        assert!(error.contains(message), "{name} {content:?}: {error}");
        assert!(!case.path("db").exists(), "{name}: nothing was made");
    }
    let case = Case::new();
    case.file("x.jsonl", b"{\"a\":\"b\"}\n{\"a\":\"\xff\"}\n");
    assert!(case.fails("import db x.jsonl --entity x").contains("x.jsonl:2: not UTF-8"));
    assert!(case.fails("import db missing.jsonl --entity x").contains("missing.jsonl: cannot be read"));
    let damaged = gzip(&"{\"a\":1}\n".repeat(1000));
    case.file("cut.jsonl.gz", &damaged[..damaged.len() / 2]);
    assert!(case.fails("import db cut.jsonl.gz --entity x").contains("cut.jsonl.gz: cannot be read"));
}

#[test]
fn a_bad_line_shows_a_caret() {
    let case = Case::new();
    case.file("x.jsonl", "{\"a\":1}\n{\"a\":nul}\n");
    let error = case.fails("import db x.jsonl --entity x");
    assert_eq!(error, "error: x.jsonl:2:9: expected ident\n  2 | {\"a\":nul}\n    |         ^\n");
}

#[test]
fn what_the_database_refuses_names_the_line() {
    let case = Case::new();
    case.file("seed.edn", "[]");
    case.ok("transact db seed.edn --schema '{:x/v {:db/valueType :db.type/long} :x/n {:db/unique :db.unique/value}}'");
    case.file("x.jsonl", "{\"v\":1,\"n\":1}\n{\"v\":2,\"n\":1}\n");
    let error = case.fails("import db x.jsonl --entity x");
    assert!(
        error.contains("x.jsonl:2: ") && error.contains(":x/n") && error.contains("0 records before it"),
        "{error}"
    );
    case.file("y.jsonl", "{\"v\":1}\n{\"v\":\"two\"}\n");
    let error = case.fails("import db y.jsonl --entity x");
    assert!(error.contains("y.jsonl:2: :x/v takes"), "{error}");
    case.file("z.jsonl", "{\"v\":1}\n{\"v\":[2,3]}\n");
    let error = case.fails("import db z.jsonl --entity x");
    assert!(error.contains("z.jsonl:2: :x/v is single-valued in the database"), "{error}");
    assert_eq!(query(&case, "[:find (count ?e) . :where [?e :x/v]]"), "nil");
}

#[test]
fn the_bundled_set_has_its_known_numbers() {
    let case = Case::new();
    let file = bundled();
    case.ok(&format!(
        "import db {} --entity package --id name --ref depends --ref pre-depends:depends",
        file.display()
    ));
    // Counted from the file itself, without any database.
    let text = std::fs::read_to_string(file).expect("the bundled set");
    let (mut names, mut edges, mut tags) = (std::collections::BTreeSet::new(), 0, 0);
    for line in text.lines() {
        let package: serde_json::Value = serde_json::from_str(line).expect("JSON");
        names.insert(package["name"].as_str().expect("a name").to_owned());
        let mut targets = std::collections::BTreeSet::new();
        for key in ["depends", "pre-depends"] {
            for item in package[key].as_array().into_iter().flatten() {
                let alternatives = item.as_array().map_or(std::slice::from_ref(item), Vec::as_slice);
                targets.extend(alternatives.iter().map(|name| name.as_str().expect("a name").to_owned()));
            }
        }
        edges += targets.len();
        names.extend(targets);
        let set: std::collections::BTreeSet<String> =
            package["tags"].as_array().into_iter().flatten().map(ToString::to_string).collect();
        tags += set.len();
    }
    assert_eq!(query(&case, "[:find (count ?p) . :where [?p :package/name]]"), names.len().to_string());
    let count =
        |attribute: &str| query(&case, &format!("[:find (count ?v) . :with ?p :where [?p {attribute} ?v]]"));
    assert_eq!(count(":package/depends"), edges.to_string());
    assert_eq!(count(":package/tags"), tags.to_string());
    assert!(case.ok("check db").starts_with("ok: "));
}

/// Records for an import that can be interrupted.
fn many(count: usize) -> String {
    (0..count)
        .map(|n| format!("{{\"name\":\"n{n}\",\"age\":{},\"tags\":[\"a{n}\",\"b\"]}}\n", n % 90))
        .collect()
}

#[test]
fn a_killed_import_goes_on_where_it_stopped() {
    const COUNT: usize = 20_000;
    let case = Case::new();
    case.file("one.jsonl", "{\"name\":\"first\",\"age\":1}\n");
    case.ok("import db one.jsonl --entity p --id name");
    case.file("many.jsonl", many(COUNT));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_factum"))
        .args(["import", "db", "many.jsonl", "--entity", "p", "--id", "name", "--batch", "50"])
        .current_dir(case.path(""))
        .spawn()
        .expect("the program");
    let names = |db: &factum::Db| db.count(None, Some(":p/name".into()), None).expect("a count") as usize;
    {
        let options = factum::Options::new().read_only(true);
        let conn = factum::Connection::open_with(case.path("db"), options).expect("a database");
        while names(&conn.db().expect("a database")) < 500 && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    let stopped =
        query(&case, "[:find (count ?e) . :where [?e :p/name]]").parse::<usize>().expect("a number");
    assert!((500..COUNT + 1).contains(&stopped), "{stopped}");

    let error = case.fails("import db many.jsonl --entity p --id name --batch 50");
    assert!(error.contains(&format!("stopped after {} records", stopped - 1)), "{error}");
    // The same file in another way is another import.
    let report = case.ok("import db many.jsonl --entity p --id name --batch 50 --resume");
    let report = edn::read(&report).expect("readable");
    let records = &report.as_map().expect("a map")[&edn::Value::keyword("records")];
    assert_eq!(*records, ((COUNT + 1 - stopped) as i64).into());
    assert_eq!(query(&case, "[:find (count ?e) . :where [?e :p/name]]"), (COUNT + 1).to_string());
    assert_eq!(query(&case, "[:find (count ?t) . :with ?e :where [?e :p/tags ?t]]"), (2 * COUNT).to_string());
    // Done is done: nothing is left to resume, and importing again changes nothing.
    let again = case.ok("import db many.jsonl --entity p --id name");
    assert!(again.contains(":facts 0"), "{again}");
    case.ok("check db");
}

#[test]
fn an_import_into_a_new_database_is_all_or_nothing() {
    let case = Case::new();
    case.file("many.jsonl", many(60_000));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_factum"))
        .args(["import", "db", "many.jsonl", "--entity", "p", "--id", "name"])
        .current_dir(case.path(""))
        .spawn()
        .expect("the program");
    // As soon as there is a file, loading is about to begin or under way.
    while !case.path("db/data.mdb").exists() && child.try_wait().expect("a child").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    std::thread::sleep(std::time::Duration::from_millis(30));
    child.kill().expect("killed");
    child.wait().expect("ended");
    let conn = factum::Connection::open(case.path("db")).expect("a database, empty or whole");
    let datoms = conn.stat().expect("readable").datoms;
    assert!(datoms == 0 || datoms == 240_000, "{datoms}");
    conn.close().expect("open");
    case.ok("import db many.jsonl --entity p --id name");
    assert_eq!(query(&case, "[:find (count ?e) . :where [?e :p/name]]"), "60000");
    case.ok("check db");
}
