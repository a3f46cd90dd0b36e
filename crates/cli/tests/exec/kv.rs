//! The forms of the key-value layer.

use super::common::Case;

const STORE: &str = r#"
(def kv (open-kv "store"))
(open-dbi kv "n" {:key-type :long :value-type :string :flags #{:create :counted}})
(transact-kv kv "n" [[:put 1 "a"] [:put 2 "b"] [:put 3 "c"] [:put 5 "e"] [:put 8 "h"]])
(open-list-dbi kv "l")
(put-list-items kv "l" "x" [3 1 2] :string :long)
(put-list-items kv "l" "y" [5 2] :string :long)
"#;

/// The answers to `forms`, asked of a small store.
#[track_caller]
fn store(forms: &str) -> Vec<String> {
    let answers = Case::new().exec(&format!("{STORE}{forms}"));
    for answer in &answers[..6] {
        assert!(!answer.contains(":error/kind"), "{answer}");
    }
    answers[6..].to_vec()
}

/// Each form with its answer.
#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let forms: Vec<&str> = cases.iter().map(|(form, _)| *form).collect();
    let answers = store(&forms.join("\n"));
    for (at, (form, expected)) in cases.iter().enumerate() {
        assert_eq!(answers.get(at).map(String::as_str), Some(*expected), "{form}");
    }
    assert_eq!(answers.len(), cases.len());
}

/// Each form with what its error says.
#[track_caller]
fn fails(cases: &[(&str, &str, &str)]) {
    let forms: Vec<&str> = cases.iter().map(|(form, ..)| *form).collect();
    let answers = store(&forms.join("\n"));
    for (at, (form, kind, message)) in cases.iter().enumerate() {
        let answer = &answers[at];
        assert!(answer.contains(&format!(":error/kind {kind}")), "{form}: {answer}");
        assert!(answer.contains(message), "{form}: {answer}");
    }
    assert_eq!(answers.len(), cases.len());
}

#[test]
fn points_and_ranks() {
    check(&[
        ("(get-value kv \"n\" 2)", "\"b\""),
        ("(get-value kv \"n\" 2 :long :string false)", "[2 \"b\"]"),
        ("(get-value kv \"n\" 4)", "nil"),
        ("(get-value kv \"n\" 2 nil :ignore)", "nil"),
        ("(get-value kv \"l\" \"x\" :string :long)", "1"),
        ("(get-rank kv \"n\" 5)", "3"),
        ("(get-rank kv \"n\" 4)", "nil"),
        ("(get-rank kv \"l\" \"y\" :string)", "3"),
        ("(get-by-rank kv \"n\" 4)", "\"h\""),
        ("(get-by-rank kv \"n\" 4 nil nil false)", "[8 \"h\"]"),
        ("(get-by-rank kv \"n\" 5)", "nil"),
        ("(get-by-rank kv \"l\" 3 :string :long false)", "[\"y\" 2]"),
        ("(sample-kv kv \"n\" 5 nil nil false)", "[[1 \"a\"] [2 \"b\"] [3 \"c\"] [5 \"e\"] [8 \"h\"]]"),
        ("(count (sample-kv kv \"n\" 3))", "3"),
        ("(sample-kv kv \"n\" 6)", "nil"),
    ]);
}

#[test]
fn ranges_of_keys() {
    check(&[
        ("(get-first kv \"n\" [:greater-than 3])", "[5 \"e\"]"),
        ("(get-first kv \"n\" [:at-most-back 4] :long :ignore)", "[3 nil]"),
        ("(get-first kv \"n\" [:all] :long :ignore true)", "true"),
        ("(get-first kv \"n\" [:greater-than 8])", "nil"),
        ("(get-first-n kv \"n\" 2 [:all-back])", "[[8 \"h\"] [5 \"e\"]]"),
        ("(get-first-n kv \"n\" 0 [:all-back])", "[]"),
        ("(get-range kv \"n\" [:closed-open 2 5] :long :string true)", "[\"b\" \"c\"]"),
        ("(get-range kv \"n\" [:closed 5 2])", "[]"),
        ("(get-range kv \"n\" [:closed-open-back 5 2])", "[[5 \"e\"] [3 \"c\"]]"),
        ("(get-range kv \"n\" :all :long :ignore)", "[[1 nil] [2 nil] [3 nil] [5 nil] [8 nil]]"),
        ("(range-seq kv \"n\" [:less-than 3] nil nil false {:batch-size 2})", "[[1 \"a\"] [2 \"b\"]]"),
        ("(key-range kv \"n\" [:open 1 8])", "[2 3 5]"),
        ("(key-range kv \"l\" [:all-back] :string)", "[\"y\" \"x\"]"),
        ("(key-range-count kv \"n\" [:open 1 8])", "3"),
        ("(key-range-count kv \"l\" [:all] :string)", "2"),
        ("(range-count kv \"l\" [:all] :string)", "5"),
        ("(key-range-list-count kv \"l\" [:at-least \"y\"] :string)", "2"),
        ("(get-range kv \"l\" [:all-back] :string :long)", r#"[["y" 2] ["y" 5] ["x" 1] ["x" 2] ["x" 3]]"#),
        ("(entries kv \"l\")", "5"),
    ]);
}

#[test]
fn predicates_and_visitors() {
    check(&[
        ("(get-some kv \"n\" (fn [kv] (< 2 (read-buffer (k kv) :long))) [:all])", "[3 \"c\"]"),
        ("(get-some kv \"n\" (fn [k v] (= v \"e\")) [:all] nil nil true false)", "\"e\""),
        ("(get-some kv \"n\" (fn [k v] (= v \"z\")) [:all] nil nil true false)", "nil"),
        ("(def least 3)", "3"),
        (
            "(range-filter kv \"n\" (fn [k v] (and (odd? k) (<= least k))) [:all] nil nil false false)",
            "[[3 \"c\"] [5 \"e\"]]",
        ),
        (
            "(range-keep kv \"n\" (fn [k v] (when (even? k) {:k k :v [v]})) [:all-back] nil nil false)",
            r#"[{:k 8, :v ["h"]} {:k 2, :v ["b"]}]"#,
        ),
        ("(range-keep kv \"n\" (fn [kv] (v kv)) [:at-most 2] nil :raw)", "[#bytes \"fa61\" #bytes \"fa62\"]"),
        ("(range-some kv \"n\" (fn [k v] (let [d (* 2 k)] (if (< 5 d) d nil))) [:all] nil nil false)", "6"),
        ("(range-filter-count kv \"n\" (fn [k v] (or (= k 1) (= v \"h\"))) [:all] nil nil false)", "2"),
        ("(range-filter-count kv \"l\" (fn [k v] (= v 2)) [:all] :string :long false)", "2"),
    ]);
    // What a visitor prints comes before the answer of its form.
    assert_eq!(
        store(
            "(visit kv \"n\" (fn [k v] (prn k v) (if (= k 3) :datalevin/terminate-visit nil)) [:all] nil nil false)
             (visit-key-range kv \"n\" (fn [k] (prn k)) [:at-least-back 5] nil false)
             (visit-key-range kv \"n\" (fn [bytes] (prn (read-buffer bytes :long))) [:at-most 1])
             (visit-list kv \"l\" (fn [v] (prn v) (when (= v 2) :datalevin/terminate-visit)) \"x\" :string :long false)
             (visit-list-range kv \"l\" (fn [k v] (prn v)) [:all] :string [:greater-than 2] :long false)"
        ),
        ["1 \"a\"", "2 \"b\"", "3 \"c\"", "nil", "8", "5", "nil", "1", "nil", "1", "2", "nil", "3", "5", "nil"]
    );
    // Functions serve queries, too.
    assert_eq!(
        store("(q '[:find [?y ...] :in ?f [?x ...] :where [(?f ?x) ?y]] (fn [x] (* x x)) [2 3])"),
        ["[4 9]"]
    );
}

#[test]
fn lists() {
    check(&[
        ("(get-list kv \"l\" \"x\" :string :long)", "[1 2 3]"),
        ("(get-list kv \"l\" \"z\" :string :long)", "[]"),
        ("(get-list kv \"l\" nil :string :long)", "nil"),
        ("(list-count kv \"l\" \"x\" :string)", "3"),
        ("(list-count kv \"l\" \"z\" :string)", "0"),
        ("(list-count kv \"l\" nil :string)", "0"),
        ("(in-list? kv \"l\" \"x\" 2 :string :long)", "true"),
        ("(in-list? kv \"l\" \"x\" 5 :string :long)", "false"),
        ("(list-range kv \"l\" [:all] :string [:at-least 2] :long)", r#"[["x" 2] ["x" 3] ["y" 2] ["y" 5]]"#),
        (
            "(list-range kv \"l\" [:all] :string [:at-least-back 2] :long)",
            r#"[["x" 3] ["x" 2] ["y" 5] ["y" 2]]"#,
        ),
        (
            "(list-range kv \"l\" [:all-back] :string [:at-least 2] :long)",
            r#"[["y" 2] ["y" 5] ["x" 2] ["x" 3]]"#,
        ),
        (
            "(list-range kv \"l\" [:closed-back \"z\" \"a\"] :string [:closed-back 9 3] :long)",
            r#"[["y" 5] ["x" 3]]"#,
        ),
        ("(list-range-first kv \"l\" [:all] :string [:greater-than 3] :long)", r#"["y" 5]"#),
        ("(list-range-first kv \"l\" [:all] :string [:greater-than 5] :long)", "nil"),
        ("(list-range-first-n kv \"l\" 2 [:all] :string [:all-back] :long)", r#"[["x" 3] ["x" 2]]"#),
        ("(list-range-count kv \"l\" [:all] :string)", "5"),
        ("(list-range-count kv \"l\" [:all] :string [:less-than 3] :long)", "3"),
        (
            "(list-range-filter kv \"l\" (fn [k v] (odd? v)) [:all] :string [:greater-than 1] :long false)",
            r#"[["x" 3] ["y" 5]]"#,
        ),
        (
            "(list-range-keep kv \"l\" (fn [k v] (* 10 v)) [:all] :string [:at-most 2] :long false)",
            "[10 20 20]",
        ),
        ("(list-range-some kv \"l\" (fn [k v] (when (< 4 v) k)) [:all] :string [:all] :long false)", "\"y\""),
        ("(list-range-filter-count kv \"l\" (fn [k v] (odd? v)) [:all] :string [:all] :long false)", "3"),
        ("(del-list-items kv \"l\" \"x\" [1 7] :string :long)", ":transacted"),
        ("(get-list kv \"l\" \"x\" :string :long)", "[2 3]"),
        ("(del-list-items kv \"l\" \"x\" :string)", ":transacted"),
        ("(get-list kv \"l\" \"x\" :string :long)", "[]"),
        ("(list-dbi? kv \"l\")", "true"),
        ("(list-dbi? kv \"n\")", "false"),
    ]);
}

#[test]
fn writes_in_every_way() {
    check(&[
        (
            "(transact-kv kv [[:put \"n\" 9 \"i\"] [:del \"n\" 1] [:put-list \"l\" \"z\" [7 8] :string :long]])",
            ":transacted",
        ),
        ("(key-range kv \"n\" [:all])", "[2 3 5 8 9]"),
        (
            "(transact-kv kv [[:del-list \"l\" \"z\" [7] :string :long] [:put \"n\" 10 \"j\" :long :string #{:append}]])",
            ":transacted",
        ),
        ("(get-list kv \"l\" \"z\" :string :long)", "[8]"),
        ("(transact-kv kv [])", ":transacted"),
        ("(transact-kv kv \"n\" [[:put \"k\" {:any \"data\"}]] :string :data)", ":transacted"),
        ("(get-value kv \"n\" \"k\" :string :data)", "{:any \"data\"}"),
        ("(transact-kv kv \"n\" [[:del \"k\"]] :string)", ":transacted"),
        ("(update-kv kv \"n\" 2 (fn [old] (str old \"!\")))", ":transacted"),
        ("(update-kv kv \"n\" 3 (fn [old] nil))", ":transacted"),
        ("(get-range kv \"n\" [:at-most 3])", "[[2 \"b!\"]]"),
        ("(do (def done (transact-kv-async kv \"n\" [[:put 20 \"t\"]])) nil)", "nil"),
        ("(deref done)", ":transacted"),
        ("(deref done)", ":transacted"),
        ("(get-value kv \"n\" 20)", "\"t\""),
        ("(closed-kv? (re-index kv {:tables {\"n\" {:flags #{:create}}}}))", "false"),
        ("(:flags (dbi-opts kv \"n\"))", "#{}"),
        ("(do (re-index kv {:backup? true :tables {\"n\" {:key-type :long :value-type :data}}}) nil)", "nil"),
        ("(get-rank kv \"n\" 20)", "5"),
        ("(get-value kv \"n\" 20)", "\"t\""),
        ("(do (re-index kv) nil)", "nil"),
        ("(clear-dbi kv \"n\")", "nil"),
        ("(entries kv \"n\")", "0"),
        ("(drop-dbi kv \"n\")", "nil"),
        ("(list-dbis kv)", "[\"l\"]"),
    ]);
}

#[test]
fn explicit_transactions() {
    check(&[
        (
            "(with-transaction-kv [tx kv]
               (transact-kv tx [[:put \"n\" 100 \"new\"] [:del \"n\" 1]])
               [(get-value tx \"n\" 100) (get-value kv \"n\" 100) (range-count tx \"n\" :all) (get-rank tx \"n\" 100)])",
            "[\"new\" nil 5 4]",
        ),
        ("(get-value kv \"n\" 100)", "\"new\""),
        ("(with-transaction-kv [tx kv] (transact-kv tx [[:del \"n\" 100]]) (abort-transact-kv tx) (get-value tx \"n\" 100))", "nil"),
        ("(get-value kv \"n\" 100)", "\"new\""),
        // A transaction inside is a part of the outer one.
        (
            "(with-transaction-kv [tx kv] (with-transaction-kv [in tx] (transact-kv in [[:del \"n\" 100]]) (abort-transact-kv in)) 7)",
            "7",
        ),
        ("(get-value kv \"n\" 100)", "\"new\""),
        ("(with-transaction-kv [tx kv] (open-dbi tx \"made\") (transact-kv tx [[:put \"made\" :k :v]]) (get-value tx \"made\" :k))", ":v"),
        ("(get-value kv \"made\" :k)", ":v"),
        ("(def tx (open-transact-kv kv))", "#factum/kv-transaction {:open true}"),
        ("(put-list-items tx \"l\" \"x\" [9] :string :long)", ":transacted"),
        ("(in-list? kv \"l\" \"x\" 9 :string :long)", "false"),
        ("(close-transact-kv tx)", ":committed"),
        ("(in-list? kv \"l\" \"x\" 9 :string :long)", "true"),
        ("tx", "#factum/kv-transaction {:open false}"),
    ]);
    // An error takes everything back, and the store goes on.
    let answers = store(
        "(with-transaction-kv [tx kv] (transact-kv tx [[:del \"n\" 1]]) (get-value tx \"nothing\" 1))
         (get-value kv \"n\" 1)
         (with-transaction-kv [tx kv] (transact-kv kv [[:del \"n\" 1]]))
         (get-value kv \"n\" 1)
         tx",
    );
    assert!(answers[0].contains(":kv/no-such-dbi"), "{answers:?}");
    assert_eq!(answers[1], "\"a\"");
    assert!(answers[2].contains(":kv/would-deadlock"), "{answers:?}");
    assert_eq!(answers[3], "\"a\"");
    assert!(answers[4].contains(":exec/unknown-name"), "{answers:?}");
}

#[test]
fn stores_and_tables() {
    let case = Case::new();
    let answers = case.exec(&format!(
        "{STORE}(dir kv) (closed-kv? kv) (sync kv) (set-env-flags kv #{{:nosync}} true) (get-env-flags kv)
         (set-env-flags kv :nosync false) (get-env-flags kv) (:entries (stat kv \"n\")) (:depth (stat kv \"n\"))
         (:psize (stat kv)) (dbi-opts kv \"n\") (dbi-opts kv \"l\") (copy kv \"copied\" true) (close-kv kv) (close-kv kv)
         (closed-kv? kv) (get-value kv \"n\" 1)
         (def again (open-kv \"copied\" {{:max-dbs 64 :mapsize 100}})) (get-range again \"n\" [:at-most 2]) (list-dbis again)
         (def memory (open-kv nil)) (open-dbi memory \"m\") (transact-kv memory [[:put \"m\" 1 2]]) (get-value memory \"m\" 1)"
    ));
    let answers: Vec<&str> = answers[6..].iter().map(String::as_str).collect();
    assert!(answers[0].ends_with("store\""), "{answers:?}");
    assert_eq!(answers[1..4], ["false", "nil", "nil"]);
    assert!(answers[4].contains(":nosync") && answers[4].contains(":notls"), "{answers:?}");
    assert_eq!(answers[5], "nil");
    assert!(!answers[6].contains(":nosync"), "{answers:?}");
    assert_eq!(
        answers[7..12],
        [
            "5",
            "1",
            "4096",
            "{:flags #{:counted}, :key-type :long, :value-type :string}",
            "{:flags #{:counted :dupsort}, :key-type nil, :value-type nil}"
        ]
    );
    assert_eq!(answers[12..16], ["nil", "nil", "nil", "true"]);
    assert!(answers[16].contains(":kv/closed"), "{answers:?}");
    assert_eq!(answers[18..20], ["[[1 \"a\"] [2 \"b\"]]", "[\"l\" \"n\"]"]);
    assert_eq!(answers[21..], ["\"m\"", ":transacted", "2"]);
}

#[test]
fn tables_beside_facts() {
    let case = Case::new();
    let answers = case.exec(
        "(def conn (get-conn \"db\" {:name {:db/unique :db.unique/identity}}))
         (def kv (datalog-kv conn))
         (open-dbi kv \"visits\" {:key-type :string :value-type :long})
         (list-dbis kv)
         (with-transaction [tx conn]
           (transact! tx [{:name \"Ann\"}])
           (transact-kv tx [[:put \"visits\" \"Ann\" 1]])
           [(get-value tx \"visits\" \"Ann\") (get-value kv \"visits\" \"Ann\")])
         (get-value conn \"visits\" \"Ann\")
         (q '[:find ?n . :where [_ :name ?n]] conn)
         (with-transaction [tx conn]
           (transact! tx [{:name \"Bob\"}])
           (transact-kv tx [[:put \"visits\" \"Bob\" 1]])
           (transact-kv tx [[:put \"eav\" 1 1]]))
         (get-value kv \"visits\" \"Bob\")
         (q '[:find [?n ...] :where [_ :name ?n]] conn)
         (clear-dbi kv \"eav\") (open-dbi kv \"meta\") (get-value kv \"ave\" 1)",
    );
    assert_eq!(answers[3], "[\"visits\"]");
    assert_eq!(answers[4..7], ["[1 nil]", "1", "\"Ann\""]);
    assert!(answers[7].contains(":kv/bad-dbi-name"), "{answers:?}");
    assert_eq!(answers[8..10], ["nil", "[\"Ann\"]"]);
    for answer in &answers[10..] {
        assert!(answer.contains(":kv/bad-dbi-name"), "{answer}");
    }
    // Also in a process that opens nothing but the key-value store.
    let answers = case
        .exec("(def kv (open-kv \"db\")) (list-dbis kv) (drop-dbi kv \"eav\") (open-kv \"db\" {:mapsize 0})");
    assert_eq!(answers[1], "[\"visits\"]");
    assert!(answers[2].contains(":kv/bad-dbi-name"), "{answers:?}");
    assert!(answers[3].contains(":options/invalid"), "{answers:?}");
    assert_eq!(case.exec("(datalog-kv (create-conn))").len(), 1);
}

#[test]
fn mistakes() {
    fails(&[
        ("(get-value kv \"m\" 1)", ":kv/no-such-dbi", "there is no table"),
        ("(get-value kv :n 1)", ":exec/argument", "a table's name"),
        ("(get-value 5 \"n\" 1)", ":exec/argument", "a key-value store"),
        ("(get-value kv \"n\" 1 :lnog)", ":kv/unknown-type", "did you mean :long?"),
        ("(get-value kv \"n\" \"x\")", ":kv/type", "expected a value of type :long"),
        ("(get-value kv \"n\" 1 :long :long)", ":kv/undecodable", "not a long"),
        ("(get-range kv \"n\" [:closd 1 2])", ":kv/bad-range", "did you mean :closed?"),
        ("(get-range kv \"n\" [:closed 1])", ":kv/bad-range", "two bounds"),
        ("(get-range kv \"n\" [:at-least nil])", ":kv/bad-range", "nil is no bound"),
        ("(get-range kv \"n\" [:all] :long :ignore true)", ":exec/argument", "nothing to return"),
        ("(get-list kv \"n\" 1)", ":kv/not-a-list", "list"),
        ("(list-range kv \"n\" [:all] nil [:all] nil)", ":kv/not-a-list", "list"),
        ("(key-range-list-count kv \"n\" [:all])", ":kv/not-a-list", "list"),
        ("(get-first-n kv \"n\" -1 [:all])", ":exec/argument", "zero or more"),
        ("(range-filter kv \"n\" (fn [k v] true) [:all])", ":exec/arity", "raw-pred? must be false"),
        (
            "(range-filter kv \"n\" (fn [k] true) [:all] nil nil false false)",
            ":exec/arity",
            "2 decoded arguments",
        ),
        (
            "(range-filter kv \"n\" (fn [kv] (get-value kv 1)) [:all])",
            ":exec/unknown-form",
            "there is no function",
        ),
        ("(range-filter kv \"n\" (fn [kv] (odd? kk)) [:all])", ":exec/unknown-name", "did you mean kv?"),
        (
            "(range-filter kv \"n\" (fn [k v] (+ k v)) [:all] nil nil false false)",
            ":exec/argument",
            "+ expects a number",
        ),
        ("(range-filter kv \"n\" 5 [:all])", ":exec/argument", "a function"),
        ("(fn x 1)", ":exec/arity", "(fn [parameter ..] expression)"),
        ("(transact-kv kv [[:putt \"n\" 1 \"x\"]])", ":kv/bad-form", "did you mean :put?"),
        ("(transact-kv kv [[:put \"n\" 1 nil]])", ":kv/bad-form", "nil cannot be stored"),
        ("(transact-kv kv [[:put \"n\" 6 \"x\"] [:put \"n\" 7 7]])", ":kv/bad-form", "type :string"),
        ("(transact-kv kv [[:put \"n\" 1 \"x\" nil nil :nooverwrite]])", ":kv/key-exists", "exists"),
        ("(open-dbi kv \"o\" {:flags #{:dupsrt}})", ":exec/argument", "did you mean :dupsort?"),
        ("(open-dbi kv \"o\" {:key-size 512})", ":exec/argument", "at most 511"),
        ("(open-dbi kv \"o\" {:ky-type :long})", ":exec/argument", "did you mean :key-type?"),
        ("(open-list-dbi kv \"n\" {:key-type :long})", ":kv/dbi-flags-conflict", "flags"),
        ("(set-env-flags kv #{:writemap} true)", ":kv/bad-option", "when the environment is opened"),
        ("(kv-wal-watermarks kv)", ":kv/no-log", "no write-ahead log"),
        ("(flush-kv-indexer! kv)", ":kv/no-log", "no write-ahead log"),
        ("(with-transaction-kv [tx 5] 1)", ":exec/argument", "begun on a store"),
        ("(with-transaction-kv tx 1)", ":exec/argument", "[name store]"),
        ("(abort-transact-kv kv)", ":exec/argument", "an open key-value transaction"),
        ("(copy kv \"store\")", ":kv/bad-option", "holds a database already"),
        ("(open-kv \"s2\" {:mapsiz 1})", ":options/invalid", "did you mean :mapsize?"),
        ("(open-kv \"s2\" {:wal? 5})", ":options/invalid", ":wal?: does not take 5"),
        ("(open-kv \"s2\" {:wall? true})", ":options/invalid", "did you mean :wal?"),
        (
            "(open-kv \"s2\" {:wal? true :wal-durability-profile :extra})",
            ":options/invalid",
            "takes :strict or :relaxed",
        ),
        ("(open-kv \"s2\" {:wal-durability-profile :relaxed})", ":options/invalid", "needs :wal? true"),
        (
            "(open-kv \"s2\" {:wal? false :wal-durability-profile :strict})",
            ":options/invalid",
            "needs :wal? true",
        ),
        (
            "(open-kv \"s2\" {:wal? true :wal-sync-mode :fdatasync})",
            ":options/invalid",
            "the log has no such option",
        ),
        (
            "(open-kv \"s2\" {:wal? true :wal-segment-max-bytes 5})",
            ":options/invalid",
            "the log has no such option",
        ),
        ("(open-kv nil {:wal? true})", ":options/invalid", "nothing to recover"),
        ("(open-kv \"s2\" {:wal? true :inmemory? true})", ":options/invalid", "nothing to recover"),
        ("(open-kv \"s2\" {:wal? true :temp? true})", ":options/invalid", "nothing to recover"),
        (
            "(get-conn \"s3\" {} {:wal? true :wal-durability-profile :none})",
            ":options/invalid",
            "takes :strict or :relaxed",
        ),
        ("(get-conn \"s3\" {} {:wal-durability-profile :relaxed})", ":options/invalid", "needs :wal? true"),
        ("(get-conn \"s3\" {} {:wal-group-commit 5})", ":options/invalid", "the log has no such option"),
        ("(get-conn \"s3\" {} {:kv-opts {:wal? 1}})", ":options/invalid", ":wal?"),
        (
            "(get-conn \"s3\" {} {:kv-opts {:wal? true :wal-retention-ms 5}})",
            ":options/invalid",
            "the log has no such option",
        ),
        ("(open-kv \"s2\" {:flags #{:nosink}})", ":options/invalid", "did you mean :nosync?"),
        ("(open-kv \"s2\" {:flags #{:nolock}})", ":kv/bad-option", "two writers"),
        ("(open-kv \"store\" {:mapsize 1 :max-readers 7})", ":kv/duplicate-open", "max_readers"),
        ("(re-index kv {:tables {\"l\" {:flags #{:create}}}})", ":kv/would-lose", "l"),
        ("(re-index kv {:bakup? true})", ":exec/argument", "did you mean :backup??"),
        ("(open-kv \"s2\" {:spill-opts {:spill-threshold 0}})", ":options/invalid", "a percentage"),
        (
            "(open-kv \"s2\" {:spill-opts {:spill-rot \"x\"}})",
            ":options/invalid",
            "did you mean :spill-root?",
        ),
        ("(open-kv \"s2\" {:spill-opts 5})", ":options/invalid", "does not take 5"),
        ("(open-kv \"s2\" {:lmdb-sync-interval 5 :flags #{:nosync}})", ":options/invalid", "no timer"),
        ("(open-kv \"s2\" {:lmdb-sync-interval -5})", ":options/invalid", "does not take -5"),
        ("(open-kv \"dtlv://user:secret@host/db\")", ":options/invalid", "no remote stores"),
        ("(get-conn \"dtlv://user:secret@host/db\")", ":options/invalid", "no remote stores"),
        ("(open-dbi kv \"o\" {:flags #{:counted}})", ":kv/no-such-dbi", "with :create among its :flags"),
        (
            "(transact-kv kv \"n\" [[:put \"n\" 1 \"x\"]])",
            ":kv/bad-form",
            "the table stands before the writes",
        ),
        ("(get-value kv \"n\" 1 \"long\")", ":kv/unknown-type", "did you mean :long?"),
        ("(get-value kv \"n\" 1.5)", ":kv/type", "expected a value of type :long"),
        ("(get-value kv \"n\" 9223372036854775808N)", ":kv/number-range", "64 bits"),
        ("(visit-key-range kv \"n\" (fn [kv] (k kv)) [:all])", ":exec/argument", "not bytes"),
        ("(visit-list kv \"l\" (fn [k v] 1) \"x\")", ":exec/arity", "one argument"),
        ("(open-list-dbi kv \"n\")", ":kv/dbi-flags-conflict", "has flags #{}, which contradict #{:dupsort}"),
        ("(open-list-dbi kv \"n\")", ":kv/dbi-flags-conflict", ":error/hint"),
        ("(key-range-count kv \"n\" [:all] :long -1)", ":exec/argument", "zero or more, not -1"),
        ("(get-by-rank kv \"n\" :first)", ":exec/argument", "a rank"),
        ("(open-kv \"s2\" {:client-opts {}})", ":options/invalid", "no remote stores"),
        ("(read-buffer 5 :long)", ":exec/argument", "bytes were expected"),
        ("(k 5)", ":exec/argument", "a raw pair"),
    ]);
    // Nothing of the failed writes is there.
    assert_eq!(
        store("(transact-kv kv [[:put \"n\" 6 \"x\"] [:put \"n\" 7 7]]) (key-range kv \"n\" :all)")[1],
        "[1 2 3 5 8]"
    );
    check(&[
        ("(read-buffer (put-buffer nil -5 :long) :long)", "-5"),
        ("(read-buffer (put-buffer nil [\"a\" 1] [:string :long]) [:string :long])", "[\"a\" 1]"),
        (
            "(kv-wal-watermarks (open-kv \"logged\" {:wal? true :wal-durability-profile :relaxed}))",
            "{:bytes 0, :checkpoint 0, :committed 0, :wal? true}",
        ),
        ("(flush-kv-indexer! (open-kv \"strict\" {:wal? true}))", "nil"),
        ("(:wal? (kv-wal-watermarks (datalog-kv (get-conn \"facts\" {} {:wal? true}))))", "true"),
        ("(:wal? (kv-wal-watermarks (datalog-kv (get-conn \"inner\" {} {:kv-opts {:wal? true}}))))", "true"),
        // A database's own file takes the flags and places of a store.
        (
            "(contains? (get-env-flags (datalog-kv (get-conn \"lazy\" {} {:kv-opts {:flags #{:nosync}}}))) :nosync)",
            "true",
        ),
        ("(count (:tx-data (transact! (get-conn \"scratch\" {} {:kv-opts {:temp? true}}) [{:n 1}])))", "1"),
        (
            "(count (:tx-data (transact! (get-conn \"nowhere\" {} {:kv-opts {:inmemory? true}}) [{:n 1}])))",
            "1",
        ),
        ("(put-buffer (put-buffer nil \"a\" :utf-8-bare) \"b\" :utf-8-bare)", "#bytes \"6162\""),
    ]);
}

/// What Datalevin's users write that is easily refused or misunderstood.
#[test]
fn programs_for_datalevin_run_as_they_are() {
    let answers = Case::new().exec(
        r#"(def kv (d/open-kv "store" {:mapsize 1 :max-readers 2048 :max-dbs 256 :lmdb-sync-interval 300
                                   :spill-opts {:spill-threshold 85 :spill-root "spilled"}}))
           (d/open-dbi kv "user")
           (d/open-dbi kv "events")
           (d/transact-kv kv [[:put "user" :u1 {:name "Alice" :tier :pro}]
                              [:put "events" #inst "2026-01-01" {:kind :signup :uid :u1} :instant]])
           (d/get-range kv "events" [:closed #inst "1970-01-01" #inst "2030-01-01"] :instant)
           (d/with-transaction-kv [kv-tx kv] (d/transact-kv kv-tx [[:del "user" :u1]]))
           (d/get-value kv "user" :u1)
           (transact-kv kv "user" (mapv (fn [i] [:put i (str "a rather long text, many times " i)]) (range 40000)) :long :string)
           (entries kv "user")
           (open-dbi kv "user" {:flags #{}})
           (open-dbi kv "user" {:key-type :long})
           (def kv (re-index kv {}))
           (get-value kv "user" 7 :long :string)"#,
    );
    for answer in &answers {
        assert!(!answer.contains(":error/kind"), "{answer}");
    }
    assert_eq!(answers[4], r#"[[#inst "2026-01-01T00:00:00.000-00:00" {:kind :signup, :uid :u1}]]"#);
    assert_eq!(answers[6], "nil");
    // The map is never smaller than usual, so that a small :mapsize limits nothing.
    assert_eq!(answers[8], "40000");
    assert_eq!(answers.last().map(String::as_str), Some("\"a rather long text, many times 7\""));
    // A transaction of a database, too.
    let answers = Case::new()
        .exec("(def conn (d/get-conn \"db\" {})) (d/with-transaction [tx conn] (d/transact! tx [{:a 1}]) 7)");
    assert_eq!(answers[1], "7");
}

#[test]
fn what_is_not_there_is_nil() {
    check(&[
        ("(get-value kv \"n\" nil)", "nil"),
        ("(get-rank kv \"n\" nil)", "nil"),
        ("(get-by-rank kv \"n\" -1)", "nil"),
        ("(in-list? kv \"l\" nil 1 :string :long)", "false"),
        ("(in-list? kv \"l\" \"x\" nil :string :long)", "false"),
        ("(visit-list kv \"l\" (fn [v] v) nil)", "nil"),
        ("(key-range-count kv \"n\" [:all] :long 2)", "2"),
        ("(key-range-list-count kv \"l\" [:all] :string 4)", "4"),
        (
            "(range-keep kv \"l\" (fn [kv] (read-buffer (v kv) :long)) [:closed \"x\" \"x\"] :string :long)",
            "[1 2 3]",
        ),
        // Numbers of other types, where nothing of them is lost.
        (
            "(do (open-dbi kv \"m\") (transact-kv kv \"m\" [[:put 1 5] [:put 2.5 7N]] :double :long))",
            ":transacted",
        ),
        ("(get-range kv \"m\" [:closed 0 3] :double :long)", "[[1.0 5] [2.5 7]]"),
    ]);
    fails(&[(
        "(get-range kv \"n\" [:at-least 9007199254740993] :double)",
        ":kv/type",
        "expected a value of type :double, got long",
    )]);
}

/// What would wait for itself.
#[test]
fn nothing_waits_for_ever() {
    let answers = store(
        "(def tx (open-transact-kv kv))
         (put-list-items tx \"l\" \"x\" [9] :string :long)
         (copy kv \"copied\")
         (sync kv)
         (copy kv \"compacted\" true)
         (re-index kv)
         (set-env-flags kv :nosync true)
         (deref (transact-kv-async kv \"n\" [[:put 20 \"t\"]]))
         (close-transact-kv tx)
         (list-count (open-kv \"compacted\") \"l\" \"x\" :string)
         (list-count kv \"l\" \"x\" :string)",
    );
    for at in [2, 5, 6, 7] {
        assert!(answers[at].contains(":kv/would-deadlock"), "{at}: {}", answers[at]);
    }
    // The state before the transaction can be copied meanwhile.
    assert_eq!(answers[4], "nil");
    assert_eq!(answers[8..], [":committed", "3", "4"]);
}
