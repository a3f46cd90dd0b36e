//! The queries of the suite: each as Datalog and as SQL, both answering the same single number.

/// One question to both systems.
pub struct Work {
    /// Its name in the report.
    pub name: &'static str,
    /// The Datalog text; rules, where used, are [`RULES`].
    pub datalog: &'static str,
    /// Whether the query takes [`RULES`] as its input `%`.
    pub rules: bool,
    /// The SQL text; `:name` stands for an attribute's number and `@name` for a package's entity.
    pub sql: &'static str,
    /// The answer on the full set, computed once with SQLite.
    pub answer_full: i64,
}

/// Reachability over dependencies.
pub const RULES: &str = "[[(needs ?a ?b) [?a :package/depends ?b]]
 [(needs ?a ?b) [?a :package/depends ?c] (needs ?c ?b)]]";

/// All questions.
pub const WORKS: &[Work] = &[
    Work {
        name: "names",
        datalog: "[:find (count ?e) . :where [?e :package/name _]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms WHERE a = :name",
        answer_full: 68_237,
    },
    Work {
        name: "dependency edges",
        datalog: "[:find (count ?a) . :with ?b :where [?a :package/depends ?b]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms WHERE a = :depends",
        answer_full: 282_432,
    },
    Work {
        name: "tags",
        datalog: "[:find (count ?e) . :with ?t :where [?e :package/tags ?t]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms WHERE a = :tags",
        answer_full: 112_118,
    },
    Work {
        name: "large games",
        datalog: "[:find (count ?e) . :where [?e :package/section \"games\"] [?e :package/size ?s] [(> ?s 100000000)]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms s JOIN datoms z ON z.e = s.e AND z.a = :size AND z.v > 100000000 \
              WHERE s.a = :section AND s.v = 'games'",
        answer_full: 31,
    },
    Work {
        name: "both tags",
        datalog: "[:find (count ?e) . :where [?e :package/tags \"role::program\"] \
                  [?e :package/tags \"implemented-in::c++\"]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms s JOIN datoms t ON t.e = s.e AND t.a = :tags AND t.v = 'implemented-in::c++' \
              WHERE s.a = :tags AND s.v = 'role::program'",
        answer_full: 991,
    },
    Work {
        name: "dependants of libc6",
        datalog: "[:find (count ?a) . :where [?c :package/name \"libc6\"] [?a :package/depends ?c]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms n JOIN datoms d ON d.a = :depends AND d.v = +n.e \
              WHERE n.a = :name AND n.v = 'libc6'",
        answer_full: 21_809,
    },
    Work {
        name: "pairs sharing a maintainer",
        datalog: "[:find (count ?a) . :with ?b :where [?a :package/depends ?b] [?a :package/maintainer ?m] \
                  [?b :package/maintainer ?m]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms d JOIN datoms m ON m.e = d.e AND m.a = :maintainer \
              JOIN datoms n ON n.e = d.v AND n.a = :maintainer AND n.v = m.v WHERE d.a = :depends",
        answer_full: 101_729,
    },
    Work {
        name: "mutual dependencies",
        datalog: "[:find (count ?a) . :with ?b :where [?a :package/depends ?b] [?b :package/depends ?a] [(< ?a ?b)]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms d JOIN datoms r ON r.e = d.v AND r.a = :depends AND r.v = +d.e \
              WHERE d.a = :depends AND d.e < d.v",
        answer_full: 68,
    },
    Work {
        name: "triangles",
        datalog: "[:find (count ?a) . :with ?b ?c :where [?a :package/depends ?b] [?b :package/depends ?c] \
                  [?a :package/depends ?c]]",
        rules: false,
        sql: "SELECT count(*) FROM datoms d JOIN datoms r ON r.e = d.v AND r.a = :depends \
              JOIN datoms t ON t.e = d.e AND t.a = :depends AND t.v = r.v WHERE d.a = :depends",
        answer_full: 419_367,
    },
    Work {
        name: "transitive dependants of libc6",
        datalog: "[:find (count ?a) . :in $ % :where [?c :package/name \"libc6\"] (needs ?a ?c)]",
        rules: true,
        sql: "WITH RECURSIVE t (e) AS (SELECT e FROM datoms WHERE a = :depends AND v = @libc6 \
              UNION SELECT d.e FROM t CROSS JOIN datoms d ON d.a = :depends AND d.v = +t.e) SELECT count(*) FROM t",
        answer_full: 48_666,
    },
    Work {
        name: "transitive dependencies of firefox-esr",
        datalog: "[:find (count ?b) . :in $ % :where [?c :package/name \"firefox-esr\"] (needs ?c ?b)]",
        rules: true,
        sql: "WITH RECURSIVE t (e) AS (SELECT v FROM datoms WHERE e = @firefox-esr AND a = :depends \
              UNION SELECT d.v FROM t CROSS JOIN datoms d ON d.e = t.e AND d.a = :depends ) SELECT count(*) FROM t",
        answer_full: 158,
    },
    Work {
        name: "transitive dependencies of gnome",
        datalog: "[:find (count ?b) . :in $ % :where [?c :package/name \"gnome\"] (needs ?c ?b)]",
        rules: true,
        sql: "WITH RECURSIVE t (e) AS (SELECT v FROM datoms WHERE e = @gnome AND a = :depends \
              UNION SELECT d.v FROM t CROSS JOIN datoms d ON d.e = t.e AND d.a = :depends ) SELECT count(*) FROM t",
        answer_full: 1_214,
    },
    Work {
        name: "transitive pairs from games",
        datalog: "[:find (count ?a) . :with ?b :in $ % :where [?a :package/section \"games\"] (needs ?a ?b)]",
        rules: true,
        sql: "WITH RECURSIVE t (s, e) AS (SELECT g.e, d.v FROM datoms g JOIN datoms d ON d.e = g.e AND d.a = :depends \
              WHERE g.a = :section AND g.v = 'games' \
              UNION SELECT t.s, d.v FROM t CROSS JOIN datoms d ON d.e = t.e AND d.a = :depends ) SELECT count(*) FROM t",
        answer_full: 92_064,
    },
];
