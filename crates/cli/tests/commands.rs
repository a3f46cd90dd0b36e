//! query, transact, schema, stat, explain, check, dump, load and the shell.

mod common;

use common::Case;

/// A small database.
fn crew() -> Case {
    let case = Case::new();
    case.file(
        "crew.edn",
        "[{:name \"Mira\" :age 52 :skill [\"nav\" \"law\"]}\n {:name \"Oto\" :age 38 :boss {:name \"Mira\"}}]",
    );
    case.ok(
        "transact db crew.edn --schema '{:name {:db/valueType :db.type/string :db/unique :db.unique/identity \
         :db/doc \"what people say\"} :boss {:db/valueType :db.type/ref} :skill {:db/cardinality :db.cardinality/many}}'",
    );
    case
}

const AGES: &str = "[:find ?n ?a :where [?e :name ?n] [?e :age ?a] :order-by ?a]";

#[test]
fn answers_in_every_format() {
    let case = crew();
    assert_eq!(case.ok(&format!("query db '{AGES}'")), "[[\"Oto\" 38] [\"Mira\" 52]]\n");
    assert_eq!(case.ok(&format!("query db '{AGES}' --format json")), "[[\"Oto\",38],[\"Mira\",52]]\n");
    assert_eq!(case.ok(&format!("query db '{AGES}' --format csv")), "n,a\nOto,38\nMira,52\n");
    let table = case.ok(&format!("query db '{AGES}' --format table"));
    assert!(table.contains("│ Oto  ┆ 38 │") && table.ends_with("2 rows\n"), "{table}");
    let maps = "[:find ?n ?a :keys name age :where [?e :name ?n] [?e :age ?a] :order-by ?a]";
    assert_eq!(
        case.ok(&format!("query db '{maps}' --format json")),
        "[{\"age\":38,\"name\":\"Oto\"},{\"age\":52,\"name\":\"Mira\"}]\n"
    );
    assert!(case.ok(&format!("query db '{maps}' --format csv")).starts_with("name,age\n"));
}

#[test]
fn a_scalar_stands_alone() {
    let case = crew();
    let scalar = "[:find ?n . :where [?e :name ?n] [?e :age 38]]";
    assert_eq!(case.ok(&format!("query db '{scalar}'")), "\"Oto\"\n");
    assert_eq!(case.ok(&format!("query db '{scalar}' --format table")), "Oto\n");
    assert_eq!(case.ok(&format!("query db '{scalar}' --format csv")), "Oto\n");
    assert_eq!(case.ok("query db '[:find ?e . :where [?e :age 99]]'"), "nil\n");
}

#[test]
fn inputs_are_edn_in_order() {
    let case = crew();
    let query =
        "[:find [?n ...] :in $ % [?a ...] ?skill :where (aged ?e ?a) [?e :name ?n] [?e :skill ?skill]]";
    let rules = "[[(aged ?e ?a) [?e :age ?a]]]";
    assert_eq!(case.ok(&format!("query db '{query}' '{rules}' '[38 52]' '\"nav\"'")), "[\"Mira\"]\n");
    case.file("q.edn", "[:find ?x . :in $ ?x]");
    assert_eq!(case.ok("query db @q.edn -7"), "-7\n");
    assert_eq!(case.run_with("query db - -7", "[:find ?x . :in $ ?x]").out, "-7\n");
    let error = case.fails("query db '[:find ?x . :in $ ?x]' '[1'");
    assert!(error.starts_with("input 1 of the query:\nerror[:edn/unexpected-end]"), "{error}");
}

#[test]
fn unknown_attributes_warn_on_standard_error() {
    let case = crew();
    let run = case.run("query db '[:find ?n :where [_ :nmae ?n]]'");
    assert_eq!((run.out.as_str(), run.code), ("#{}\n", Some(0)));
    assert!(
        run.err.starts_with("warning: unknown attribute :nmae") && run.err.contains(":name"),
        "{}",
        run.err
    );
}

#[test]
fn tables_stop_at_max_rows() {
    let case = crew();
    let table = case.ok("query db '[:find ?x :where [(range 30) [?x ...]]]' --format table --max-rows 10");
    assert!(table.ends_with("30 rows, 20 not shown\n"), "{table}");
}

#[test]
fn transactions_come_one_per_vector() {
    let case = Case::new();
    case.file("t.edn", "[{:n 1}] [{:n 2} {:n 3}]\n{:n 4}\n{:n 5}\n([:db/add \"x\" :n 6])");
    let out = case.ok("transact db t.edn");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1], "{:added 2, :retracted 0, :tempids {:db/current-tx 4611686018427387906}, :tx 2}");
    assert!(lines[3].contains("\"x\" 6"), "{out}");
    assert_eq!(case.run_with("transact db -", "[[:db/retract 1 :n 1]]").out.lines().count(), 1);
    assert_eq!(case.ok("query db '[:find (count ?n) . :where [_ :n ?n]]'"), "5\n");
}

#[test]
fn a_transaction_may_stand_on_the_command_line() {
    let case = crew();
    case.ok("transact db '[{:name \"Pia\" :age 30}]'");
    case.ok("transact db ' {:name \"Quin\" :age 31} {:name \"Rut\" :age 32}'");
    let count = "query db '[:find (count ?n) . :where [?p :name ?n] [?p :age ?a] [(<= 30 ?a 32)]]'";
    assert_eq!(case.ok(count), "3\n");
    let run = case.run("transact db '[{:name \"Sol\" :age nil}]'");
    assert_eq!(run.code, Some(1));
    assert!(run.err.starts_with("error[:transact/syntax]: :age cannot hold nil"), "{}", run.err);
    assert!(run.err.contains("  1 | [{:name \"Sol\" :age nil}]\n"), "{}", run.err);
    assert!(case.fails("transact db '[{:name'").contains("error[:edn/unexpected-end]"));
    // A file of such a name goes first; whatever opens no collection is the name of a file.
    case.file("[x]", "[{:name \"Uma\" :age 32}]");
    case.ok("transact db '[x]'");
    assert_eq!(case.ok(count), "4\n");
    assert!(case.fails("transact db ':name'").starts_with("error: :name: "));
}

#[test]
fn a_refused_transaction_points_into_its_file() {
    let case = crew();
    case.file("bad.edn", "[{:name \"Pia\"}]\n[{:name \"Quin\"} [:db/add 1 :age nil]]");
    let run = case.run("transact db bad.edn");
    assert_eq!(run.code, Some(1));
    assert!(run.err.starts_with("bad.edn:\nerror[:transact/syntax]: :age cannot hold nil"), "{}", run.err);
    assert!(run.err.contains("  2 | [{:name \"Quin\"} [:db/add 1 :age nil]]\n"), "{}", run.err);
    assert!(run.err.contains("^^^\n"), "{}", run.err);
    assert_eq!(
        case.ok("query db '[:find [?n ...] :where [_ :name ?n] :order-by ?n]'").matches('"').count(),
        6
    );
}

#[test]
fn schema_shows_and_changes() {
    let case = crew();
    let edn = case.ok("schema db");
    assert!(edn.contains(":boss {:db/valueType :db.type/ref}") && !edn.contains(":db/ident"), "{edn}");
    assert!(case.ok("schema db --all").contains(":db/ident"));
    let table = case.ok("schema db --format table");
    assert!(table.contains("identity, what people say"), "{table}");
    assert!(
        case.ok("schema db '{:age {:db/valueType :db.type/long}}'")
            .contains(":age {:db/valueType :db.type/long}")
    );
    let error = case.fails("schema db '{:age {:db/valueType :db.type/instant}}'");
    assert!(error.contains("value type change is not allowed"), "{error}");
    let error = case.fails("schema db '{:age {:db/valueTyp :db.type/instant}}'");
    assert!(error.contains("error["), "{error}");
    assert!(case.ok("schema db --format csv").starts_with("attribute,type,values,properties,facts\n"));
    assert!(case.ok("schema db --format json").contains("\"db/unique\":\"db.unique/identity\""));
}

#[test]
fn stat_check_and_explain() {
    let case = crew();
    let stat = edn::read(&case.ok("stat db")).expect("readable");
    assert_eq!(stat.as_map().expect("a map")[&edn::Value::keyword("datoms")], 7.into());
    assert!(case.ok("stat db --format table").contains("facts              7\n"));
    assert!(case.ok("check db").starts_with("ok: 7 facts, both indexes agree"));
    for (flags, stages) in [("", "parse analyse plan"), ("--analyze", "parse analyse plan execute shape")] {
        let shown = case.ok(&format!("explain db '{AGES}' {flags}"));
        let last = shown.lines().last().expect("the stages");
        let names: Vec<&str> = last.split(" · ").filter_map(|stage| stage.split(' ').next()).collect();
        assert_eq!(names.join(" "), stages, "{shown}");
        for format in ["table", "edn", "json"] {
            let shown = case.ok(&format!("explain db '{AGES}' {flags} --format {format}"));
            assert!(shown.ends_with('\n') && !shown.ends_with("\n\n"), "{shown:?}");
        }
    }
    edn::read(&case.ok(&format!("explain db '{AGES}' --format edn"))).expect("readable");
    let form = format!("(explain {{:run? true}} '{AGES} (db (get-conn \"db\")))");
    let form = case.run_with("exec", &form);
    let stages = edn::read(&form.out).expect("readable");
    let stages = &stages.as_map().expect("a map")[&edn::Value::keyword("stages")];
    assert_eq!(stages.as_map().expect("a map").len(), 5, "{form:?}");
}

#[test]
fn a_dump_loads_into_the_same_database() {
    let case = crew();
    let dump = case.ok("dump db");
    assert_eq!(dump.lines().count(), 3);
    case.file("dump.edn", &dump);
    assert_eq!(case.ok("load copy dump.edn"), "2 entities\n");
    assert_eq!(case.ok("dump copy"), dump);
    case.ok("dump db --output other.edn");
    assert_eq!(std::fs::read_to_string(case.path("other.edn")).expect("written"), dump);
    let error = case.fails("load copy dump.edn");
    assert!(error.contains("there is something at copy already"), "{error}");
    case.file("no.edn", "{:a 1}");
    assert!(case.fails("load fresh no.edn").contains("not a dump"));
    case.file("later.edn", "{:factum/dump 99 :schema {}}");
    assert!(case.fails("load fresh later.edn").contains("not a dump that this version"));
    assert!(!case.path("fresh").exists());
}

/// Key-value tables have dumps of their own, and a dump of the facts says that it is without them.
#[test]
fn tables_are_dumped_and_loaded() {
    let case = Case::new();
    case.run_with(
        "exec",
        r#"(def conn (get-conn "db" {:name {:db/unique :db.unique/identity}}))
           (transact! conn [{:name "Ann"}])
           (def kv (datalog-kv conn))
           (open-dbi kv "visits" {:key-type :string :value-type :long})
           (open-list-dbi kv "new\nline")
           (transact-kv kv [[:put "visits" "Ann" 3] [:put-list "new\nline" 1 [2 3]]])
           (close conn)
           (def kv (open-kv "plain"))
           (open-dbi kv "t")
           (transact-kv kv [[:put "t" :a {:b 1}]])"#,
    );
    let facts = case.run("dump db");
    assert!(facts.err.contains(r#"not part of this dump: "new\nline", "visits""#), "{}", facts.err);
    case.file("facts.edn", &facts.out);
    case.file("tables.txt", case.ok("dump db --tables"));
    case.ok("dump db --output one.txt --tables visits");
    assert_eq!(case.ok("load copy facts.edn"), "1 entities\n");
    assert_eq!(case.ok("load copy tables.txt"), "2 tables, 3 pairs\n");
    assert_eq!(case.ok("load alone one.txt"), "1 tables, 1 pairs\n");
    assert_eq!(case.ok("dump copy --tables"), case.ok("dump db --tables"));
    assert!(case.fails("load copy tables.txt").contains("is here already"));
    let answers = case.run_with(
        "exec",
        r#"(def kv (open-kv "copy")) [(get-value kv "visits" "Ann") (get-value (open-kv "alone") "visits" "Ann")
           (entries kv "new\nline")]"#,
    );
    assert!(answers.out.ends_with("[3 3 2]\n"), "{answers:?}");
    // LMDB's form, of a store without facts.
    let lmdb = case.ok("dump plain --tables t --lmdb");
    assert!(lmdb.starts_with("VERSION=3\n"), "{lmdb}");
    case.file("lmdb.txt", lmdb);
    assert_eq!(case.ok("load other lmdb.txt"), "1 tables, 1 pairs\n");
    let answer = case.run_with("exec", r#"(get-value (open-kv "other") "t" :a)"#);
    assert_eq!(answer.out, "{:b 1}\n");
    assert!(case.fails("dump db --tables eav").contains("keeps its own facts"));
    assert!(case.fails("dump db --tables vists").contains("did you mean"));
    assert!(case.run("dump db --lmdb").err.contains("--tables"));
    assert!(case.fails("dump nowhere --tables").contains("there is no database"));
    case.run_with("exec", "(open-kv \"empty\")");
    assert!(case.fails("dump empty --tables").contains("no key-value tables"));
}

#[test]
fn a_dump_carries_registered_types() {
    let case = Case::new();
    case.exec(
        "(def conn (get-conn \"db\"))
         (register-type conn :my/size {:index {:type :long :order-fn (fn [t] (count t))}})
         (update-schema conn {:t {:db/valueType :my/size}})
         (transact! conn [{:t \"ccc\"} {:t \"dd\"} {:t \"a\"}])",
    );
    let dump = case.ok("dump db");
    case.file("dump.edn", &dump);
    case.ok("load copy dump.edn");
    assert_eq!(case.ok("dump copy"), dump);
    let sorted = "query copy '[:find [?t ...] :where [_ :t ?t] [(< ?t \"xxx\")]]'";
    assert_eq!(case.ok(sorted), case.ok(&sorted.replace("copy", "db")));
    assert_eq!(case.ok("query copy '[:find (max ?t) . :where [_ :t ?t]]'"), "\"ccc\"\n");
    case.file("bad.edn", dump.replace("(fn [t] (count t))", "7"));
    let error = case.fails("load fresh bad.edn");
    assert!(error.contains("the order-fn of type :my/size must be written out"), "{error}");
    assert!(!case.path("fresh").exists());
}

#[test]
fn one_file_is_a_database_for_every_command() {
    let case = crew();
    let dump = case.ok("dump db");
    case.file("dump.edn", &dump);
    case.file("more.edn", "[{:name \"Pia\" :age 7}]");
    case.ok("load one.factum dump.edn --single-file");
    assert!(case.path("one.factum").is_file());
    // Once it is there, nobody needs to be told.
    assert_eq!(case.ok("dump one.factum"), dump);
    case.ok("transact one.factum more.edn");
    assert_eq!(case.ok("query one.factum '[:find (count ?e) . :where [?e :name]]'"), "3\n");
    assert!(case.ok("check one.factum").starts_with("ok: "));
    assert!(case.ok("stat one.factum").contains("one.factum"));
    let shell = case.run_with("repl one.factum", "(max-eid db)\n");
    assert!(shell.out.contains("3"), "{shell:?}");
    let forms = "(def c (get-conn \"one.factum\")) (count-datoms (db c) nil :name nil)";
    assert_eq!(case.exec(forms).last().map(String::as_str), Some("3"));

    case.file("people.csv", "name,age\nAnn,38\nBob,41\n");
    case.ok("import people.factum people.csv --entity p --id name --single-file");
    case.ok("import people.factum people.csv --entity p --id name");
    assert!(case.path("people.factum").is_file());
    assert_eq!(case.ok("query people.factum '[:find (sum ?a) . :where [_ :p/age ?a]]'"), "79\n");

    // What is a directory stays one.
    let error = case.fails("import db people.csv --entity p --id name --single-file");
    assert!(error.contains("db is a directory"), "{error}");
    std::fs::create_dir(case.path("empty")).expect("a directory");
    let error = case.fails("import empty people.csv --entity p --id name --single-file");
    assert!(error.contains("empty is a directory"), "{error}");
    let error = case.fails("load one.factum dump.edn");
    assert!(error.contains("there is something at one.factum already"), "{error}");
}

#[test]
fn the_shell_answers_queries_forms_and_commands() {
    let case = crew();
    let script = format!(
        "{AGES}\n(max-eid db)\n(transact! conn [{{:name \"Pia\"}}])\n(max-eid db)\n.count :name\n.mode edn\n\
         [:find ?n\n :where [_ :name ?n]\n        [?e :age]]\n.timer off\n.attributes skil\n.explain {AGES}\n.nosuch\n(pul 1)\n.quit\nnever"
    );
    let run = case.run_with("repl db", &script);
    assert_eq!(run.code, Some(0), "{run:?}");
    for expected in [
        "│ Oto  ┆ 38 │",
        "2 rows",
        "\n2\n",
        "\n3\n",
        ":name: 3 facts, 3 distinct values",
        "#{[\"Mira\"]",
        ":skill",
    ] {
        assert!(run.out.contains(expected), "{expected}: {}", run.out);
    }
    assert!(
        run.err.contains("there is no command .nosuch") && run.err.contains("did you mean pull?"),
        "{}",
        run.err
    );
    assert!(!run.out.contains("never"));
}

#[test]
fn the_shell_starts_in_memory() {
    let run = Case::new()
        .run_with("repl", "(transact! conn [{:n 1}])\n(count-datoms db nil :n nil)\n.help\n.forms\n");
    assert!(
        run.out.contains("\n1\n") && run.out.contains(".quit") && run.out.contains("(pull-many db"),
        "{run:?}"
    );
}

#[test]
fn help_shows_examples() {
    let help = Case::new().ok("--help");
    assert!(help.contains("Examples:") && help.contains("factum repl"), "{help}");
    assert_eq!(Case::new().run("nosuch").code, Some(2));
}

/// Ctrl-C, as a terminal sends it, while a query runs that would take hours.
#[cfg(target_os = "linux")]
mod ctrl_c {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::common::Case;

    const HOURS: &str =
        "[:find ?a ?b :where [?a :n ?x] [?b :n ?y] [?c :n ?z] [?d :n ?w] [(* ?x ?y) ?p] [(< ?p ?z ?w -1)]]";

    fn numbers() -> Case {
        let case = Case::new();
        let facts: String = (1..=2000).map(|n| format!("{{:n {n}}}")).collect();
        case.run_with("transact db -", &format!("[{facts}]"));
        case
    }

    fn start(case: &Case, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_factum"))
            .args(args)
            .current_dir(case.path("."))
            .env("FACTUM_HISTORY", case.path("history"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// What only the log has, in the first tenth of a second after a commit, is read by the next command.
    #[test]
    fn killed_writers_lose_no_commit() {
        for round in 0..3 {
            let case = Case::new();
            let mut child = start(&case, &["repl"]);
            let mut input = child.stdin.take().expect("a pipe");
            let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
            let forms = "(def c (get-conn \"db\" {:n {:db/valueType :db.type/long}} {:wal? true}))\n\
                         (max-eid (:db-after (transact! c [{:n 1} {:n 2}])))\n";
            input.write_all(forms.as_bytes()).expect("written");
            let committed = lines.any(|line| line.expect("readable").trim() == "2");
            child.kill().expect("killed");
            child.wait().expect("ended");
            assert!(committed, "round {round}");
            assert_eq!(case.ok("query db '[:find (sum ?n) . :where [_ :n ?n]]'"), "3\n", "round {round}");
            assert!(case.ok("check db").starts_with("ok: "));
        }
    }

    /// Sends the signal once the query has used the processor for a while, so that it surely runs.
    fn interrupt(child: &Child, ticks_before: u64) -> u64 {
        let start = Instant::now();
        let mut ticks = 0;
        while ticks < ticks_before + 20 {
            assert!(start.elapsed() < Duration::from_secs(60), "the query should run");
            std::thread::sleep(Duration::from_millis(20));
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("the process");
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            ticks = fields[11].parse().expect("a number");
        }
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        ticks
    }

    #[test]
    fn ends_a_single_query_with_its_exit_code() {
        let case = numbers();
        let child = start(&case, &["query", "db", HOURS]);
        interrupt(&child, 0);
        let output = child.wait_with_output().expect("the program ends");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{error}");
        assert!(error.contains("error[:query/cancelled]: the query was cancelled"), "{error}");
        assert!(output.stdout.is_empty());
        assert_eq!(case.ok("query db '[:find (count ?e) . :where [?e :n]]'"), "2000\n");
    }

    #[test]
    fn ends_a_query_of_the_shell_and_not_the_shell() {
        let case = numbers();
        let mut child = start(&case, &["repl", "db"]);
        let mut input = child.stdin.take().expect("a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut ticks = 0;
        for long in
            [HOURS.to_owned(), format!("(q '{HOURS} db)"), format!("(explain {{:run? true}} '{HOURS} db)")]
        {
            writeln!(input, "{long}").expect("a running shell");
            ticks = interrupt(&child, ticks);
            writeln!(input, "(+ 40 2)").expect("a running shell");
            let mut line = String::new();
            while line.trim() != "42" {
                line.clear();
                assert!(output.read_line(&mut line).expect("text") > 0, "the shell should go on");
            }
        }
        drop(input);
        let mut errors = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
        assert_eq!(child.wait().expect("the shell ends").code(), Some(0), "{errors}");
        assert_eq!(errors.matches("the query was cancelled").count(), 3, "{errors}");
    }
}

#[test]
fn stat_and_check_of_a_store_without_facts() {
    let case = Case::new();
    let forms = r#"(def kv (open-kv "store"))
        (register-type kv :my/length {:index {:type :long :order-fn (fn [s] (count s))}})
        (open-dbi kv "words" {:key-type :my/length})
        (open-list-dbi kv "lists" {:flags #{:create}})
        (transact-kv kv "words" [[:put "pear" 1] [:put "fig" 2]])
        (transact-kv kv [[:put-list "lists" "a" [1 2 3] :string :long]])"#;
    assert_eq!(case.run_with("exec", forms).code, Some(0));
    let stat = edn::read(&case.ok("stat store")).expect("readable");
    let stat = stat.as_map().expect("a map");
    let tables = "{\"lists\" {:entries 3 :pages 1 :depth 1 :list? true :counted? false :key-type nil :value-type nil}
                   \"words\" {:entries 2 :pages 1 :depth 1 :list? false :counted? true :key-type :my/length :value-type nil}}";
    assert_eq!(stat[&edn::Value::keyword("tables")], edn::read(tables).expect("EDN"));
    assert!(!stat.contains_key(&edn::Value::keyword("datoms")), "{stat:?}");
    let shown = case.ok("stat store --format table");
    assert!(shown.contains("tables             2\n"), "{shown}");
    assert!(
        shown.contains("table              \"words\": entries 2, pages 1, counted, keys :my/length\n"),
        "{shown}"
    );
    assert!(case.ok("stat store --format json").contains("\"entries\":3"));
    assert!(case.ok("check store").starts_with("ok: no facts; tables 2, pairs 5, pages "));
    // What asks for facts says that there are none.
    assert!(case.fails("query store '[:find ?e :where [?e]]'").contains("no Datalog database"));

    // What another program makes with heed.
    {
        let env = factum::kv::Env::open(case.path("heed")).expect("an environment");
        let txn = env.heed().write_txn().expect("a transaction");
        let created = env.heed().create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
            let mut options = opener.database_options().types::<heed::types::Str, heed::types::Bytes>();
            let table = options.name("theirs").create(txn)?;
            for number in 0..300 {
                table.put(txn, &format!("{number:04}"), &[7; 500])?;
            }
            Ok(heed::CommitOrAbort::<_, ()>::Commit(table))
        });
        created.expect("a table");
    }
    let stat = edn::read(&case.ok("stat heed")).expect("readable");
    let theirs = &stat.as_map().expect("a map")[&edn::Value::keyword("tables")];
    let theirs = &theirs.as_map().expect("a map")[&"theirs".into()];
    assert_eq!(theirs.as_map().expect("a map")[&edn::Value::keyword("entries")], 300.into());
    assert!(case.ok("check heed").starts_with("ok: no facts; tables 1, pairs 300, pages "));

    // Damage is found, and told with its page.
    let file = case.path("heed").join("data.mdb");
    let mut bytes = std::fs::read(&file).expect("readable");
    let size = edn::read(&case.ok("stat heed")).expect("readable");
    let size = size.as_map().expect("a map")[&edn::Value::keyword("page-size")].as_int().expect("a number");
    let leaf = (2..bytes.len() / size as usize)
        .map(|page| page * size as usize)
        // A leaf page, flag 2 in the header, of more than one entry: the offsets begin at 16 and have two bytes each.
        .find(|at| bytes[at + 10] == 2 && bytes[at + 12] > 18)
        .expect("a leaf");
    bytes[leaf + 16..leaf + 64].fill(0xFF);
    std::fs::write(&file, bytes).expect("written");
    let run = case.run("check heed");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains(&format!("page {}", leaf / size as usize)), "{run:?}");
    assert!(run.err.contains("problems found"), "{run:?}");
}

#[test]
fn stat_and_check_know_the_tables_beside_the_facts() {
    let case = crew();
    let forms = r#"(def conn (get-conn "db"))
        (def kv (datalog-kv conn))
        (open-dbi kv "visits")
        (transact-kv kv "visits" [[:put "ann" 1] [:put "bob" 2]])"#;
    assert_eq!(case.run_with("exec", forms).code, Some(0));
    let shown = case.ok("stat db --format table");
    assert!(shown.contains("table              \"visits\": entries 2, pages 1, counted\n"), "{shown}");
    assert!(case.ok("check db").starts_with("ok: 7 facts, both indexes agree"));
}
