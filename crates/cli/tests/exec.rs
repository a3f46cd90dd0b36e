//! `factum exec`: each form, its answer, its errors.

mod common;
#[path = "exec/kv.rs"]
mod kv;

use common::Case;

const CREW: &str = r#"
(def schema {:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
             :boss {:db/valueType :db.type/ref}
             :skill {:db/cardinality :db.cardinality/many}})
(def conn (create-conn schema))
(def report (transact! conn [{:db/id -1 :name "Mira" :age 52 :skill ["nav" "law"]}
                             {:db/id -2 :name "Oto" :age 38 :boss -1 :skill "nav"}]))
(def db1 (db conn))
"#;

/// The answers to `forms`, asked of a small crew.
#[track_caller]
fn crew(forms: &str) -> Vec<String> {
    let answers = Case::new().exec(&format!("{CREW}{forms}"));
    answers[4..].to_vec()
}

#[test]
fn one_line_for_each_form() {
    let case = Case::new();
    let run = case.run_with("exec", "1 :two\n[3\n 4] ; and a comment\n\"five\"");
    assert_eq!(run.out, "1\n:two\n[3 4]\n\"five\"\n");
    assert_eq!(run.code, Some(0));
}

#[test]
fn names_quotes_and_do() {
    let case = Case::new();
    assert_eq!(
        case.exec("(def x [1 2]) x [x :y] 'x '(a b) (quote c) (do 1 2 x) (do)")[1..],
        ["[1 2]", "[[1 2] :y]", "x", "(a b)", "c", "[1 2]", "nil"]
    );
    assert_eq!(case.exec("(+ 1 2) (count [1 2 3]) (:a {:a 7}) (:b {:a 7} :none)"), ["3", "3", "7", ":none"]);
}

#[test]
fn names_choices_and_threads() {
    assert_eq!(
        crew(
            "(let [db (db conn) mira (entity db 1) who (:name mira)] who [who 1])
             who
             (let [mira (entity db1 1) mira (:name mira)] mira)
             (let [] 1 2)
             (if (:boss (entity db1 1)) 1)
             (if nil 1 (do 2 3))
             (when (entid db1 [:name \"Oto\"]) 1 2)
             (when false (transact! conn [[:db/add 1 :age 1]]))
             (-> conn db (entity 2) :boss :name)
             (->> [1 2 3] (map inc) (filter even?))
             (-> 1)
             ((fn [[a b] e] [b a (:name e)]) [1 2] (entity db1 1))"
        ),
        [
            "[\"Mira\" 1]",
            "{:error/class :unknown-name, :error/kind :exec/unknown-name, :error/message \"who is not defined\", :error/span [495 498]}",
            "\"Mira\"",
            "2",
            "nil",
            "3",
            "2",
            "nil",
            "\"Mira\"",
            "[2 4]",
            "1",
            "[2 1 \"Mira\"]"
        ]
    );
    for (form, message) in [
        ("(let)", "expected (let [name form ..] body ..), got 0 arguments"),
        ("(let [x] 1)", "let begins with a vector of names and their values"),
        ("(let [[a 1] [1 2]] a)", "a name, [names ..] or {:keys [names ..]} is expected"),
        ("(let [[a b] (create-conn)] a)", "a connection cannot be taken apart"),
        ("(cond 1)", "cond takes pairs of a test and a form"),
        ("(for [] 1)", "for begins with a vector of names and what they go through"),
        ("(for [x])", "expected (for [name items ..] body), got 1 arguments"),
        ("(if-let [x] 1)", "a vector of a name and its value is expected"),
        ("(if 1)", "expected (if test then otherwise?), got 1 arguments"),
        ("((quote x) 1)", "only named forms, keywords and functions can be called"),
        ("((fn [x] x))", "a function of 1 is called with 0 arguments"),
        ("(-> 1 2)", "a step of -> or ->> is a call or a name"),
    ] {
        let answers = Case::new().exec(&format!("(def a 7) {form} a"));
        assert!(answers[1].contains(message), "{form}: {}", answers[1]);
        assert_eq!(answers[2], "7", "{form}");
    }
}

#[test]
fn collections_of_entities_hold_entities() {
    assert_eq!(
        crew(
            "(:_boss (entity db1 1))
             (:name (first (:_boss (entity db1 1))))
             (map :name (:_boss (entity db1 1)))
             (count (:_boss (entity db1 1)))
             (:name (first (filter (fn [e] (= (:age e) 38)) (:_boss (entity db1 1)))))
             (filter :age (:_boss (entity db1 1)))
             [(:_boss (entity db1 1))]
             (:name (entity (db-with db1 [{:db/id 7 :name \"Pia\" :boss (first (:_boss (entity db1 1)))}]) 7))"
        ),
        [
            "#{{:db/id 2}}",
            "\"Oto\"",
            "[\"Oto\"]",
            "1",
            "\"Oto\"",
            "[{:db/id 2}]",
            "[#{{:db/id 2}}]",
            "\"Pia\""
        ]
    );
}

#[test]
fn databases_are_values() {
    assert_eq!(
        crew(
            "(def db2 (db-with db1 [[:db/add 1 :age 53]]))
             (q '[:find ?a . :where [1 :age ?a]] db2)
             (q '[:find ?a . :where [1 :age ?a]] db1)
             (q '[:find ?a . :where [1 :age ?a]] conn)
             (:age (entity (:db-after (with db2 [[:db/add 1 :age 54]])) 1))
             (:age (entity db2 1))"
        )[1..],
        ["53", "52", "52", "54", "53"]
    );
}

#[test]
fn reports_show_datoms_with_flags() {
    assert_eq!(
        crew(
            "(:tx-data (transact! conn [[:db/add 1 :age 53] {:db/id \"x\" :name \"Pia\"}] {:why :test}))
              (:tempids report)
              (:tx-meta (with db1 [] {:why :test}))
              (max-eid (:db-before report))"
        ),
        [
            r#"[[1 :age 52 false] [1 :age 53 true] [3 :name "Pia" true]]"#,
            "{-2 2, -1 1, :db/current-tx 4611686018427387905}",
            "{:why :test}",
            "0"
        ]
    );
}

#[test]
fn queries_take_databases_collections_rules_and_functions() {
    assert_eq!(
        crew(
            "(q '[:find ?n :where [_ :name ?n]] db1)
             (q '[:find [?n ...] :in $ ?min :where [?e :name ?n] [?e :age ?a] [(<= ?min ?a)]] db1 40)
             (q '[:find ?x ?y :in $a [?x ...] :where [$a ?x ?y]] [[1 :one] [2 :two]] [2 3])
             (q '[:find ?n . :in $ % :where (boss ?e ?b) [?b :name ?n]] db1 '[[(boss ?a ?b) [?a :boss ?b]]])
             (q '[:find ?y . :in ?f ?x :where [(?f ?x) ?y]] inc 41)
             (q '{:find [(count ?e) .] :where [[?e :name]]} db1)
             (q [:find ?a . :where [1 :age ?a]] db1)"
        ),
        [r#"#{["Mira"] ["Oto"]}"#, r#"["Mira"]"#, "#{[2 :two]}", r#""Mira""#, "42", "2", "52"]
    );
}

#[test]
fn pull_and_entities() {
    assert_eq!(
        crew(
            "(pull db1 [:name {:boss [:name]}] 2)
             (pull db1 '[*] [:name \"Mira\"])
             (pull-many db1 [:name] [2 [:name \"Mira\"] 99])
             (pull db1 [:name] [:name \"Nobody\"])
             (entity db1 2)
             (:name (:boss (entity db1 [:name \"Oto\"])))
             (:_boss (entity db1 1))
             (entity db1 [:name \"Nobody\"])
             (touch (entity db1 1))"
        ),
        [
            r#"{:boss {:name "Mira"}, :name "Oto"}"#,
            r#"{:age 52, :name "Mira", :skill ["law" "nav"], :db/id 1}"#,
            r#"[{:name "Oto"} {:name "Mira"} nil]"#,
            "nil",
            r#"{:age 38, :boss {:db/id 1}, :name "Oto", :skill #{"nav"}, :db/id 2}"#,
            r#""Mira""#,
            "#{{:db/id 2}}",
            "nil",
            r#"{:age 52, :name "Mira", :skill #{"law" "nav"}, :db/id 1}"#,
        ]
    );
}

#[test]
fn indexes_and_counts() {
    assert_eq!(
        crew(
            "(datoms db1 :eav 2)
             (datoms db1 :ave :age)
             (datoms db1 :ave :age 38)
             (seek-datoms db1 :ave :age 40)
             (rseek-datoms db1 :ave :age 40)
             (index-range db1 :age 38 nil)
             (count-datoms db1 nil :skill \"nav\")
             (count-datoms db1 2 nil nil)
             (cardinality db1 :skill)
             (max-eid db1)
             (entid db1 [:name \"Oto\"])
             (entid db1 [:name \"Nobody\"])"
        ),
        [
            r#"[[2 :boss 1] [2 :name "Oto"] [2 :skill "nav"] [2 :age 38]]"#,
            "[[2 :age 38] [1 :age 52]]",
            "[[2 :age 38]]",
            "[[1 :age 52]]",
            "[[2 :age 38]]",
            "[[2 :age 38] [1 :age 52]]",
            "2",
            "4",
            "2",
            "2",
            "2",
            "nil",
        ]
    );
}

#[test]
fn durable_connections_reopen() {
    let case = Case::new();
    let dir = case.path("store");
    let open = format!(
        "(def conn (get-conn {:?} {{:name {{:db/unique :db.unique/identity}}}}))",
        dir.display().to_string()
    );
    let first =
        case.exec(&format!("{open} (transact! conn [{{:name \"Ann\"}}]) (close conn) (closed? conn)"));
    assert_eq!(first[2..], ["nil", "true"]);
    let second =
        case.exec(&format!("{open} (q '[:find ?n . :where [_ :name ?n]] (db conn)) (:name (schema conn))"));
    assert_eq!(second[1..], [r#""Ann""#, "{:db/unique :db.unique/identity}"]);
}

#[test]
fn things_print_readably() {
    let answers = crew("conn db1 report (def f inc)");
    assert_eq!(answers[0], "#factum/connection {:closed false, :path nil}");
    assert_eq!(answers[1], "#factum/db {:datoms 8, :max-eid 2}");
    assert!(
        answers[2].starts_with("{:db-after #factum/db {:datoms 8, :max-eid 2}, :db-before"),
        "{}",
        answers[2]
    );
    assert_eq!(answers[3], "#factum/function inc");
    for answer in &answers {
        edn::read(answer).expect("readable");
    }
}

#[test]
fn options_hold_and_unknown_ones_are_refused() {
    let answers = Case::new().exec(
        "(def conn (create-conn {:a {}} {:closed-schema? true}))
         (transact! conn [{:b 1}])
         (create-conn {} {:closed-shcema? true})
         (create-conn {} {:search-opts {}})
         (update-schema conn {:b {}})
         (:tx-data (transact! conn [{:b 1}]))
         (update-schema conn nil nil {:b :c})
         (q '[:find ?v . :where [_ :c ?v]] (db conn))
         (update-schema conn nil #{:a})
         (:a (schema conn))",
    );
    assert!(answers[1].contains(":error/class :unknown-attribute"), "{}", answers[1]);
    assert!(answers[2].contains("did you mean :closed-schema?"), "{}", answers[2]);
    assert!(answers[3].contains("there is no such option"), "{}", answers[3]);
    assert_eq!(answers[5], "[[1 :b 1 true]]");
    assert_eq!((answers[7].as_str(), answers[9].as_str()), ("1", "nil"));
}

#[test]
fn errors_are_data_with_a_place_and_the_rest_goes_on() {
    let case = Case::new();
    let forms = "(def conn (create-conn))\n(transact! conn [[:db/add 1 :name nil]])\n(pull (db conn) [[:a :frob 1]] 1)\n\
                 (q '[:find ?x\n :where [?x :a ?y] [(< ?z 1)]] (db conn))\n(nosuch 1)\nnothing\n(pull 1 2)\n7";
    let run = case.run_with("exec", forms);
    assert_eq!(run.code, Some(1));
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 8, "{}", run.out);
    let expected = [
        (1, ":transact/syntax", "nil"),
        (2, ":parser/pull", ":frob"),
        (4, ":exec/unknown-form", "(nosuch 1)"),
        (5, ":exec/unknown-name", "nothing"),
        (6, ":exec/arity", "(pull 1 2)"),
    ];
    for (line, kind, place) in expected {
        let error = edn::read(lines[line]).expect("readable");
        let error = error.as_map().expect("a map");
        assert_eq!(error[&edn::Value::keyword("error/kind")], edn::Value::keyword(kind), "{}", lines[line]);
        let span = error[&edn::Value::keyword("error/span")].as_sequence().expect("a span");
        let (start, end) =
            (span[0].as_int().expect("start") as usize, span[1].as_int().expect("end") as usize);
        assert_eq!(&forms[start..end], place, "{}", lines[line]);
    }
    assert!(lines[3].contains(":error/kind :query/where") && lines[3].contains("?z"), "{}", lines[3]);
    assert_eq!(lines[7], "7");
}

#[test]
fn wrong_brackets_spoil_their_lines_only() {
    let case = Case::new();
    let lines = case.exec("1\n(q [(< ?a] db)\n2\n");
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("1", "2"));
    assert!(lines[1].contains(":error/kind :edn/delimiter"), "{}", lines[1]);
    let lines = case.exec("1\n(2\n");
    assert!(lines[1].contains(":error/kind :edn/unexpected-end"), "{}", lines[1]);
}

#[test]
fn stop_on_error_stops() {
    let case = Case::new();
    let file = case.file("forms.edn", "1\n(nosuch)\n3\n");
    let run = case.run(&format!("exec {} --stop-on-error", file.display()));
    assert_eq!((run.out.lines().count(), run.code), (2, Some(1)));
    let run = case.run(&format!("exec {}", file.display()));
    assert_eq!((run.out.lines().count(), run.code), (3, Some(1)));
    assert!(case.fails("exec missing.edn").contains("missing.edn"));
}

#[test]
fn explain_is_data() {
    let answers = crew("(explain {:run? true} '[:find ?n :where [?e :name ?n] [?e :age 38]] db1)");
    let plan = edn::read(&answers[0]).expect("readable");
    assert!(plan.as_map().is_some_and(|map| !map.is_empty()), "{plan}");
}

#[test]
fn answers_come_before_the_next_form_is_sent() {
    use std::io::{BufRead, BufReader, Write};
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_factum"))
        .arg("exec")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (mut input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    let mut output = BufReader::new(output).lines();
    for n in 0..3 {
        writeln!(input, "(+ {n}\n 1)").expect("written");
        assert_eq!(output.next().expect("an answer").expect("text"), (n + 1).to_string());
    }
    drop(input);
    assert!(child.wait().expect("the program ends").success());
}

#[test]
fn transactions_in_a_scope_and_on_the_side() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().display();
    let answers = Case::new().exec(&format!(
        r#"(def conn (get-conn "{path}" {{:name {{:db/unique :db.unique/identity}}}}))
        (listen! conn :all)
        (with-transaction [tx conn]
          (transact! tx [{{:name "Ann" :n 1}}])
          (transact! tx [{{:name "Ann" :n 2}}])
          (q [:find ?n . :where [_ :n ?n]] tx))
        (count (heard :all))
        (with-transaction [tx conn] (transact! tx [{{:name "Bob"}}]) (abort-transact tx) 5)
        (with-transaction [tx conn] (transact! tx [{{:name "Cy"}}]) (transact! tx [[:db/add "x" :n nil]]))
        (q [:find [?n ...] :where [_ :name ?n]] (db conn))
        (with-transaction [tx conn {{:timeout-ms 60000}}] (def kept tx) (transact-ack! tx [{{:n 3}}]))
        (transact! kept [{{:n 4}}])
        (def p (transact-async conn [{{:name "Dee"}}]))
        (:tempids (deref p))
        (deref (transact-async conn [[:db/add [:name "Nobody"] :n 1]]))
        (q '[:find [?n ...] :where [_ :name ?n]] @conn)
        (count (heard :all))
        (unlisten! conn :all)
        (with-transaction [tx] 1)
        (search-datoms (db conn) nil :n 2)
        (:revision (schema-snapshot conn))
        (update-schema-if-revision conn 0 {{:n {{:db/doc "a number"}}}})
        (analyze (db conn))"#
    ));
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    assert_eq!(answers[2..5], ["2", "1", "5"]);
    assert!(answers[5].contains(":transact/syntax"), "{}", answers[5]);
    assert_eq!(answers[6..8], [r#"["Ann"]"#, ":transacted"]);
    assert!(answers[8].contains(":transaction/ended"), "{}", answers[8]);
    assert!(answers[10].contains(":db/current-tx"), "{}", answers[10]);
    assert!(answers[11].contains(":entity-id/missing"), "{}", answers[11]);
    assert_eq!(answers[12..15], [r#"["Ann" "Dee"]"#, "2", "true"]);
    assert!(answers[15].contains("with-transaction begins with"), "{}", answers[15]);
    assert_eq!(answers[16], "[[1 :n 2]]");
    assert!(answers[18].contains(":schema/revision-conflict"), "{}", answers[18]);
    assert_eq!(answers[19], ":done");
}

#[test]
fn datoms_are_loaded_without_a_transaction() {
    let answers = Case::new().exec(
        "(def db (init-db [[1 :n 4] [2 :n 5] [2 :t \"x\"]] {:n {:db/valueType :db.type/long}}))
         (datoms db :ave :n)
         (count (datoms (fill-db db [[9 :n 6]]) :ave :n))
         (max-eid (fill-db (conn-from-db db) [[9 :n 6]]))
         (init-db [[1 :n]])
         (fill-db (conn-from-datoms []) 7)",
    );
    assert_eq!(answers[1..4], ["[[1 :n 4] [2 :n 5]]", "3", "9"]);
    assert!(answers[4].contains(":init-db") && answers[5].contains(":init-db"), "{answers:?}");
}

#[test]
fn datoms_are_transaction_data() {
    assert_eq!(
        crew(
            "(def copy (create-conn (schema conn)))
             (count (:tx-data (transact! copy (datoms conn :eav))))
             (= (q '[:find ?e ?a ?v :where [?e ?a ?v]] copy) (q '[:find ?e ?a ?v :where [?e ?a ?v]] conn))
             (:tx-data (transact! copy (:tx-data (with db1 [[:db/retract 1 :age 52]]))))
             (:age (entity copy 1))
             (:tx-data (transact! copy [#datom [1 :age 53]]))"
        )[1..],
        ["8", "true", "[[1 :age 52 false]]", "nil", "[[1 :age 53 true]]"]
    );
}

#[test]
fn entities_are_transaction_data() {
    assert_eq!(
        crew(
            "(def e (entity conn 1))
             (def older (update (assoc e :name \"Mira B\" :age 50) :age inc))
             (:age older)
             (:age e)
             (:tx-data (transact! conn [older {:db/id 2 :boss older}]))
             (contains? e :age)
             (contains? (retract e :age) :age)
             (:skill (retract (add e :skill \"guns\") :skill \"nav\"))
             (:tx-data (transact! conn (retract (entity conn 1) :age)))
             (:age (entity (entity-db older) 1))
             (= e older)"
        )[2..],
        [
            "51",
            "52",
            r#"[[1 :name "Mira" false] [1 :name "Mira B" true] [1 :age 52 false] [1 :age 50 true] [1 :age 50 false] [1 :age 51 true]]"#,
            "true",
            "false",
            r#"#{"guns" "law"}"#,
            "[[1 :age 51 false]]",
            "51",
            "true",
        ]
    );
}

#[test]
fn loops_whose_bodies_write() {
    let answers = Case::new().exec(
        "(def conn (create-conn nil {:n {:db/cardinality :db.cardinality/many}}))
         (doseq [x [1 2 3] :when (odd? x) :let [twice (* 2 x)] y #{10 20}] (transact! conn [[:db/add x :n (+ twice y)]]))
         (q '[:find ?e ?n :where [?e :n ?n]] (db conn))
         (doseq [[e a v] (datoms (db conn) :eav) :while (< v 20)] (transact! conn [[:db/retract e a v]]))
         (q '[:find ?e ?n :where [?e :n ?n]] (db conn))
         (dotimes [i 3] (transact! conn [[:db/add 9 :n i]]) (transact! conn [[:db/add 8 :n (* i i)]]))
         (:n (entity (db conn) 8))
         (doseq [e (:no (entity (db conn) 9))] (transact! conn [[:db/add 7 :n 7]]))
         (doseq [k nil] (transact! conn [[:db/add 7 :n 7]]))
         (dotimes [i 0] (transact! conn [[:db/add 7 :n 7]]))
         (case (count (datoms (db conn) :eav 9)) (1 2) :few 3 (:tx (transact! conn [[:db/add 7 :n 1]])) :many)
         (count (datoms (db conn) :eav 7))
         (case 5 1 (transact! conn [[:db/add 6 :n 1]]))
         (def i 5)
         (dotimes [i 2] (transact! conn [[:db/add 5 :n (/ 1 (- 1 i))]]))
         [i (:n (entity (db conn) 5))]",
    );
    let expected = [
        "nil",
        "#{[1 12] [1 22] [3 16] [3 26]}",
        "nil",
        "#{[1 22] [3 16] [3 26]}",
        "nil",
        "#{0 1 4}",
        "nil",
        "nil",
        "nil",
    ];
    assert_eq!(answers[1..10], expected);
    assert_eq!(answers[11], "1");
    assert!(answers[12].contains("no clause of case matches"), "{}", answers[12]);
    // A body that fails ends the loop; what it did before stays, and names mean what they meant.
    assert!(answers[14].contains(":error"), "{}", answers[14]);
    assert_eq!(answers[15], "[5 #{1}]");
    for (form, message) in [
        ("(doseq [x] 1)", "doseq begins with a vector of names and what they go through"),
        ("(doseq)", "expected (doseq [name items ..] body ..), got 0 arguments"),
        ("(doseq [x 5] x)", "long"),
        ("(doseq [x [1] :until x] x)", "doseq knows :when, :while and :let, not :until"),
        ("(dotimes [i \"x\"] i)", "dotimes begins with [name count]"),
        ("(dotimes)", "expected (dotimes [name count] body ..), got 0 arguments"),
        ("(for [x [1]] (transact! (create-conn) [{:n x}]))", "that of doseq may do whatever a form does"),
        ("(for [x [1]] (inck x))", "did you mean inc?"),
    ] {
        let answers = Case::new().exec(&format!("(def a 7) {form} a"));
        assert!(answers[1].contains(message), "{form}: {}", answers[1]);
        assert_eq!(answers[2], "7", "{form}");
    }
}

#[test]
fn patterns_choices_and_comprehensions() {
    let answers = crew(
        "(let [[a b & more :as all] [1 2 3] {:keys [x y] :or {y 5}} {:x 4}] [a b more all x y])
         (for [d (datoms db1 :eav 1) :when (not= :age (:a d))] (:v d))
         (for [x [1 2] y [10 20]] (+ x y))
         (if-let [{:keys [name]} (entity db1 2)] name :none)
         (if-let [e (entid db1 [:name \"Nobody\"])] e :none)
         (if-some [x false] [x])
         (when-let [x (first [])] x)
         (when-some [x 1] 2 [x])
         (if-not (= 1 1) :a :b)
         (when-not nil 1 2)
         (cond (= 1 2) 1 (datom? 3) 2 :else (count (datoms db1 :eav 1)))
         (case (count (datoms db1 :eav 1)) 3 :three 4 :four :other)
         (case 9 3 :three :other)
         (case [1 2] [1 2] :pair :other)",
    );
    let expected = [
        "[1 2 [3] [1 2 3] 4 5]",
        "[\"Mira\" \"law\" \"nav\"]",
        "[11 21 12 22]",
        "\"Oto\"",
        ":none",
        "[false]",
        "nil",
        "[1]",
        ":b",
        "2",
        "4",
        ":four",
        ":other",
        ":pair",
    ];
    assert_eq!(answers, expected);
}

#[test]
fn datoms_answer_to_keywords() {
    let answers = crew(
        "(map :e (datoms db1 :ave :age))
         (def d (first (datoms db1 :eav 2 :age)))
         [(:e d) (:a d) (:v d) (:added d) (:tx d) (get d :v) (nth d 2) (datom? d) (datom-a d)]
         (= d [2 :age 38])
         (mapv (fn [{:keys [e v]}] [v e]) (datoms db1 :ave :age))
         (map (fn [d] [(:e d) (:added d)]) (filter (fn [d] (= :age (:a d))) (:tx-data report)))
         (q '[:find [?e ...] :in [[?e _ ?v]] :where [(> ?v 40)]] (datoms db1 :ave :age))
         (count (datoms (db-with (empty-db) (datoms db1 :eav 1)) :eav))
         (transact! conn [[:db.fn/call (fn [db e] (mapv (fn [d] [:db/retract (:e d) (:a d) (:v d)]) (datoms db :eav e))) 2]])
         (count (datoms (db conn) :eav 2))",
    );
    let expected = [
        "[2 1]",
        "[2 :age 38]",
        "[2 :age 38 true nil 38 38 true :age]",
        "true",
        "[[38 2] [52 1]]",
        "[[1 true] [2 true]]",
        "[1]",
        "3",
    ];
    assert_eq!(answers[..8], expected);
    assert_eq!(answers[9], "0");
}

#[test]
fn empty_databases_take_a_directory_or_nil() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = edn::Value::from(dir.path().join("db").to_str().expect("a path"));
    let schema = "{:n {:db/valueType :db.type/long}}";
    let forms = format!(
        "(datoms (empty-db {path} {schema}) :eav)
         (datoms (db-with (empty-db {path}) [{{:n 1.0}}]) :eav)
         (:db/valueType (:n (schema (empty-db nil {schema}))))"
    );
    assert_eq!(Case::new().exec(&forms), ["[]", "[[1 :n 1]]", ":db.type/long"]);
}

#[test]
fn everything_is_cleared_or_replaced() {
    assert_eq!(
        crew(
            "(listen! conn :log)
             (reset-conn! conn (db-with (empty-db {:n {}}) [{:db/id 5 :n 1}]) :why)
             (datoms conn :eav)
             (map :tx-meta (heard :log))
             (clear conn)
             (datoms conn :eav)
             (:n (schema conn))
             (:tempids (transact! conn [{:db/id -1 :n 1}]))
             (datoms db1 :ave :age)"
        )
        .iter()
        .enumerate()
        .filter(|(at, _)| ![0, 3].contains(at))
        .map(|(_, answer)| answer.as_str())
        .collect::<Vec<_>>(),
        [
            "#factum/db {:datoms 1, :max-eid 5}",
            "[[5 :n 1]]",
            "nil",
            "[]",
            "nil",
            "{-1 1, :db/current-tx 4611686018427387908}",
            "[[2 :age 38] [1 :age 52]]"
        ]
    );
}

#[test]
fn samples_are_drawn_by_rank() {
    let answers = crew(
        "(= (sample-datoms db1 100) (datoms db1 :eav))
         (count (sample-datoms db1 3))
         (sample-datoms db1 9 :age 40 nil)
         (sample-datoms db1 9 :aeg)",
    );
    assert_eq!(answers[..3], ["true", "3", "[[1 :age 52]]"]);
    assert!(answers[3].contains(":error/class :unknown-attribute"), "{}", answers[3]);
    let answers =
        crew("(transact! conn [[1 :age 52]]) (assoc 5 :a 1) (update-schema conn {} #{} {:age :b :b :c})");
    assert!(answers[0].contains("#datom [e a v]"), "a vector that was written is no datom: {}", answers[0]);
    assert!(answers[1].contains("assoc expects a map or a vector as argument 1"), "{}", answers[1]);
    assert!(answers[2].contains("make two changes of it"), "{}", answers[2]);
}

#[test]
fn functions_are_transaction_data() {
    let answers = crew(
        "(def older (fn [db who n] [[:db/add [:name who] :age (+ n (:age (entity db [:name who])))]]))
         (do (transact! conn [[:db.fn/call older \"Mira\" 1]]) (:age (entity conn 1)))
         (def step 10)
         (do (transact! conn [[:db.fn/call (fn [db] (let [n (inc step)] [[:db/add 1 :age n]]))]]) (:age (entity conn 1)))
         (do (transact! conn '[{:db/ident :rename :db/fn (fn [db old new] [[:db/add [:name old] :name new]])}]) 1)
         (do (transact! conn '[[:rename \"Oto\" \"Otto\"]]) (:name (entity conn 2)))
         (:db/fn (entity conn :rename))
         (:age (entity (:db-after (with conn [[:db.fn/call older \"Mira\" 5]])) 1))
         (transact! conn [[:db.fn/call (fn [db] (q '[:find ?e :where [?e :age]] nowhere))]])
         (transact! conn '[[:db.fn/call (fn [db] (mapp inc []))]])
         (transact! conn [[:db.fn/call (fn [x] (q '[:find ?a :where [_ :age ?a]] db1))]])",
    );
    assert_eq!(answers[1], "53");
    assert_eq!(answers[3], "11");
    assert_eq!(answers[5], "\"Otto\"");
    assert_eq!(answers[6], "(fn [db old new] [[:db/add [:name old] :name new]])");
    assert_eq!(answers[7], "16");
    assert!(answers[8].contains("nowhere is not defined in the function"), "{}", answers[8]);
    assert!(
        answers[9].contains(":error/class :bad-function") && answers[9].contains("did you mean map"),
        "{}",
        answers[9]
    );
    assert!(answers[10].contains("db1 is a database, which data cannot hold"), "{}", answers[10]);
}

#[test]
fn functions_of_sequences_and_maps() {
    let answers = Case::new().exec(
        "(mapv inc [1 2]) (def twice (fn [x] (* 2 x))) (twice 4) (map twice [1 2]) (reduce + (filter odd? [1 2 3]))
         (update {:a 1} :a + 5) (assoc {:a 1} :b 2) (apply str (repeat 3 \"ab\")) (str/join \"-\" [1 2]) (first 5)",
    );
    let expected = ["[2 3]", "8", "[2 4]", "4", "{:a 6}", "{:a 1, :b 2}", "\"ababab\"", "\"1-2\""];
    assert_eq!([&answers[..1], &answers[2..9]].concat(), expected);
    assert!(answers[9].contains("first expects a collection as argument 1"), "{}", answers[9]);
}

#[test]
fn explicit_transactions_have_a_time_limit_of_the_session() {
    let answers = crew(
        "(set-explicit-transaction-timeout! 60000)
         (with-transaction [tx conn] (transact! tx [[:db/add 1 :age 1]]) 7)
         (set-explicit-transaction-timeout! nil)
         (set-explicit-transaction-timeout! 0)",
    );
    assert_eq!(answers[..3], ["nil", "7", "nil"]);
    assert!(answers[3].contains("a number of milliseconds"), "{}", answers[3]);
}

#[test]
fn prepared_operations_follow_a_connection_and_keep_a_database() {
    assert_eq!(
        crew(
            "(do (def now (prepare-q conn [:find ?a . :in $ ?n :where [?e :name ?n] [?e :age ?a]])) now)
             (do (def then (prepare-q db1 [:find ?a . :in $ ?n :where [?e :name ?n] [?e :age ?a]])) nil)
             (do (transact! conn [[:db/add 1 :age 60]]) nil)
             [(now [\"Mira\"]) (then [\"Mira\"]) (execute-prepared then conn [\"Mira\"])]
             (with-transaction [tx conn] (transact! tx [[:db/add 1 :age 70]]) (execute-prepared now tx [\"Mira\"]))
             (now [\"Mira\"])"
        ),
        ["#factum/prepared query", "nil", "nil", "[60 52 60]", "70", "70"]
    );
}

#[test]
fn mistakes_with_prepared_operations_are_named() {
    let mistakes = [
        (
            "(execute-prepared db1 1)",
            ":exec/argument",
            "must be what prepare-q, prepare-pull or the like gave",
        ),
        ("(prepare-q 7 [:find ?a . :where [_ :age ?a]])", ":exec/argument", "must be a database"),
        ("(do (def p (prepare-pull db1 [:name])) (p 1 2))", ":exec/arity", "expected (p input)"),
        ("(execute-prepared p kv 1)", ":exec/unknown-name", "kv is not defined"),
        ("(execute-prepared p 3 1)", ":exec/argument", "must be a database"),
        ("(pull db1 [:name] 1 {:timeout 0})", ":exec/argument", "pull has no option :timeout 0"),
        ("(pull db1 [:name] 1 [])", ":exec/argument", "options are a map"),
        ("(datom-e [1 2])", ":exec/argument", "must be a datom"),
        ("(squuid -1)", ":exec/argument", "before 2106"),
        ("(squuid-time-millis 7)", ":exec/argument", "must be a uuid"),
        ("(resolve-tempid db1 7 7)", ":exec/argument", "must be the :tempids of a report"),
        ("(explicit-transaction-timeout 0)", ":exec/argument", "a number of milliseconds"),
    ];
    let forms: Vec<&str> = mistakes.iter().map(|(form, ..)| *form).collect();
    for ((form, code, message), answer) in mistakes.iter().zip(crew(&forms.join("\n"))) {
        assert!(answer.contains(&format!(":error/kind {code}")), "{form}: {answer}");
        assert!(answer.contains(message), "{form}: {answer}");
    }
}

#[test]
fn a_time_limit_that_runs_out_takes_everything_back() {
    let numbers: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    let numbers = numbers.join(" ");
    // A quarter of a million rows take more than a millisecond.
    let slow = format!("(count (q '[:find ?a ?b :in [?a ...] [?b ...]] [{numbers}] [{numbers}]))");
    let answers = crew(&format!(
        "(with-transaction [tx conn {{:timeout-ms 1}}] {slow} (transact! tx [{{:name \"Late\" :fresh 1}}]) 7)
         (with-transaction [tx conn {{:timeout-ms 1}}] {slow} (q '[:find ?e :where [?e :name]] tx))
         (with-transaction [tx conn {{:timeout-ms 1}}] {slow})
         (set-explicit-transaction-timeout! 1)
         (with-transaction [tx conn] (transact! tx [{{:name \"Late\" :fresh 1}}]) {slow})
         (with-transaction [tx conn {{:timeout-ms 60000}}] (transact! tx [{{:name \"Soon\"}}]) {slow})
         (with-transaction [tx conn {{:timeout-ms 0}}] 1)
         (with-transaction [tx conn {{:time-out 5}}] 1)
         (q '[:find [?n ...] :where [_ :name ?n] :order-by [?n]] @conn)
         (q '[:find ?e . :where [?e :fresh]] @conn)"
    ));
    for answer in [&answers[..3], &answers[4..5]].concat() {
        assert!(answer.contains(":transaction/timeout") && answer.contains("1ms"), "{answer}");
    }
    assert_eq!(answers[5], "250000", "its own limit counts");
    for answer in &answers[6..8] {
        assert!(answer.contains(":exec/argument") && answer.contains("{:timeout-ms n}"), "{answer}");
    }
    assert_eq!(answers[8..], [r#"["Mira" "Oto" "Soon"]"#, "nil"]);
}

#[test]
fn ids_that_no_entity_can_have_are_refused_with_their_place() {
    let answers = crew(
        "(transact! conn [{:name \"Pia\"} {:db/id 9223372036854775807 :name \"Max\"}])
         (transact! conn [[:db/add 1 :age 1] [:db/add 9223372036854775808N :age 1]])
         (init-db [[1 :n 1] [-5 :n 2]])
         (init-db [[1 :n 1] [9223372036854775808N :n 2]])
         (def full (db-with db1 [{:db/id 4611686018427387903 :name \"Max\"}]))
         (max-eid full)
         (with full [{:name \"One more\"}])
         (db-with full [[:db/add \"tempid\" :name \"One more\"]])
         (:name (entity (db-with full [[:db/add 1 :age 1]]) 4611686018427387903))
         (max-eid db1)",
    );
    assert!(answers[0].contains(":future-tx-id") && answers[0].contains(":error/span"), "{}", answers[0]);
    assert!(
        answers[1].contains(":entity-id/syntax") && answers[1].contains("9223372036854775808"),
        "{}",
        answers[1]
    );
    assert!(answers[2].contains("the one at 1 is [-5 :n 2]"), "{}", answers[2]);
    assert!(answers[3].contains("the one at 1 is [9223372036854775808"), "{}", answers[3]);
    assert_eq!(answers[5], "4611686018427387903");
    for answer in &answers[6..8] {
        assert!(answer.contains(":transact/ids") && answer.contains("no entity ids are left"), "{answer}");
    }
    assert_eq!(answers[8..], ["\"Max\"", "2"]);
}
