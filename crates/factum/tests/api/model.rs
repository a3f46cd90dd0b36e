//! Random histories: speculation against commits, and every way of writing against a naive set of facts.

use std::collections::BTreeSet;

use factum::prelude::*;
use factum::{Datoms, Index, values};
use proptest::collection::vec;
use proptest::prelude::*;

const SCHEMA: &str = "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
                       :n {:db/valueType :db.type/long}
                       :tag {:db/cardinality :db.cardinality/many}
                       :boss {:db/valueType :db.type/ref}
                       :part {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}
                       :n+boss {:db/tupleAttrs [:n :boss]}
                       :hidden {:db/noindex true}}";

/// A change, as an item of transaction data and as what it does to a set of facts.
#[derive(Clone, Debug)]
enum Change {
    Name(i64, u8),
    Number(i64, i64),
    Tag(i64, u8),
    Boss(i64, i64),
    Part(i64, i64),
    Hidden(i64, u8),
    RetractTag(i64, u8),
    RetractNumber(i64),
    RetractEntity(i64),
}

use Change::*;

/// Some tags are giants, which share their first bytes.
fn tag(t: u8) -> String {
    match t {
        0..4 => format!("t{t}"),
        _ => format!("{}{t}", "long".repeat(200)),
    }
}

impl Change {
    fn to_edn(&self) -> String {
        match self {
            Name(e, n) => format!("[:db/add {e} :name \"n{n}\"]"),
            Number(e, n) => format!("{{:db/id {e} :n {n}}}"),
            Tag(e, t) => format!("[:db/add {e} :tag \"{}\"]", tag(*t)),
            Boss(e, b) => format!("[:db/add {e} :boss {b}]"),
            Part(e, p) => format!("{{:db/id {e} :part [{p}]}}"),
            Hidden(e, h) => format!("[:db/add {e} :hidden {h}]"),
            RetractTag(e, t) => format!("[:db/retract {e} :tag \"{}\"]", tag(*t)),
            RetractNumber(e) => format!("[:db/retract {e} :n]"),
            RetractEntity(e) => format!("[:db/retractEntity {e}]"),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let e = || 1i64..8;
    prop_oneof![
        2 => (e(), 0u8..10).prop_map(|(e, n)| Name(e, n)),
        3 => (e(), -2i64..3).prop_map(|(e, n)| Number(e, n)),
        3 => (e(), 0u8..6).prop_map(|(e, t)| Tag(e, t)),
        2 => (e(), e()).prop_map(|(e, b)| Boss(e, b)),
        1 => (e(), e()).prop_map(|(e, p)| Part(e, p)),
        1 => (e(), 0u8..3).prop_map(|(e, h)| Hidden(e, h)),
        2 => (e(), 0u8..6).prop_map(|(e, t)| RetractTag(e, t)),
        1 => e().prop_map(RetractNumber),
        1 => e().prop_map(RetractEntity),
    ]
}

fn transaction() -> impl Strategy<Value = Vec<Change>> {
    vec(change(), 1..6)
}

fn text(changes: &[Change]) -> String {
    format!("[{}]", changes.iter().map(Change::to_edn).collect::<Vec<_>>().join(" "))
}

/// Facts as (entity, attribute, printed value).
type Facts = BTreeSet<(i64, &'static str, String)>;

/// The facts after `changes`, searched from end to end; nothing if a name is taken.
fn apply(facts: &Facts, changes: &[Change]) -> Option<Facts> {
    let mut next = facts.clone();
    let set = |next: &mut Facts, e: i64, a: &'static str, v: String| {
        next.retain(|fact| (fact.0, fact.1) != (e, a));
        next.insert((e, a, v));
    };
    for change in changes {
        match change {
            Name(e, n) => {
                let name = format!("\"n{n}\"");
                // A name is free only if nobody else has it now or had it before.
                let owns = |fact: &(i64, &str, String)| fact.1 == ":name" && fact.2 == name && fact.0 != *e;
                if facts.iter().chain(&next).any(owns) {
                    return None;
                }
                set(&mut next, *e, ":name", name);
            }
            Number(e, n) => set(&mut next, *e, ":n", n.to_string()),
            Boss(e, b) => set(&mut next, *e, ":boss", b.to_string()),
            Hidden(e, h) => set(&mut next, *e, ":hidden", h.to_string()),
            Tag(e, t) => drop(next.insert((*e, ":tag", format!("\"{}\"", tag(*t))))),
            Part(e, p) => drop(next.insert((*e, ":part", p.to_string()))),
            RetractTag(e, t) => drop(next.remove(&(*e, ":tag", format!("\"{}\"", tag(*t))))),
            RetractNumber(e) => next.retain(|fact| (fact.0, fact.1) != (*e, ":n")),
            RetractEntity(e) => {
                let (mut gone, mut open) = (BTreeSet::new(), vec![*e]);
                while let Some(e) = open.pop() {
                    if gone.insert(e) {
                        let parts = next.iter().filter(|fact| (fact.0, fact.1) == (e, ":part"));
                        open.extend(parts.map(|fact| fact.2.parse::<i64>().expect("an id")));
                    }
                }
                let is_gone = |v: &str| v.parse().is_ok_and(|v: i64| gone.contains(&v));
                next.retain(|(e, a, v)| {
                    let dangles = matches!(*a, ":boss" | ":part") && is_gone(v);
                    !(gone.contains(e) || dangles)
                });
            }
        }
    }
    next.retain(|fact| fact.1 != ":n+boss");
    let plain = next.clone();
    for e in 1..8 {
        let part = |a: &str| plain.iter().find(|fact| (fact.0, fact.1) == (e, a)).map(|fact| fact.2.as_str());
        if let (n, boss) = (part(":n"), part(":boss"))
            && (n.is_some() || boss.is_some())
        {
            next.insert((e, ":n+boss", format!("[{} {}]", n.unwrap_or("nil"), boss.unwrap_or("nil"))));
        }
    }
    Some(next)
}

/// Everything that can be asked, as text.
fn observe(db: &Db) -> Vec<String> {
    let read = |datoms: factum::Result<Datoms<'_>>| -> String {
        let datoms: Result<Vec<_>, _> = datoms.expect("an index").collect();
        format!("{:?}", datoms.expect("readable"))
    };
    let a = |name: &str| Value::keyword(name);
    let mut seen = vec![
        read(db.datoms(Index::Eav, &[])),
        read(db.rseek_datoms(Index::Eav, &[])),
        read(db.seek_datoms(Index::Eav, &values![3])),
        read(db.index_range(":n", &Value::Int(-1), &Value::Int(1))),
        format!("{:?} {:?}", db.max_eid(), db.count(None, None, None)),
    ];
    for name in [":name", ":n", ":tag", ":boss", ":part", ":n+boss"] {
        seen.push(read(db.datoms(Index::Ave, &[a(name)])));
        seen.push(read(db.rseek_datoms(Index::Ave, &[a(name)])));
        seen.push(format!("{:?}", db.cardinality(name).expect("a count")));
    }
    for name in [":name", ":n", ":tag", ":boss", ":part", ":n+boss", ":hidden"] {
        seen.push(format!("{:?}", db.count(None, Some(name.into()), None).expect("a count")));
    }
    for e in 1..8 {
        seen.push(format!("{:?}", db.pull("[* {:_boss [:name] :boss 3}]", e).expect("pulled")));
        seen.push(format!("{:?}", db.count(Some(EntityId(e as u64)), None, None).expect("a count")));
    }
    for t in 0..6 {
        seen.push(format!(
            "{:?}",
            db.count(None, Some(":tag".into()), Some(&tag(t).into())).expect("a count")
        ));
    }
    for query in [
        "[:find ?e ?n :where [?e :name ?n]]",
        "[:find ?e ?b :where [?e :n ?x] [?e :boss ?b] [?b :n ?y] [(<= ?x ?y)]]",
        "[:find ?t (count ?e) :where [?e :tag ?t]]",
        "[:find ?e :where [?e :n] (not [?e :tag])]",
        "[:find ?a ?b :where [?a :tag ?t] [?b :tag ?t] [(< ?a ?b)]]",
        "[:find (min ?n) (max ?n) (sum ?n) :with ?e :where [?e :n ?n]]",
        "[:find ?e ?h :where [?e :name _] [?e :hidden ?h]]",
    ] {
        let answer = db.query(query).expect("an answer").to_value();
        let rows: BTreeSet<Value> = match answer {
            Value::Vector(rows) | Value::List(rows) => rows.into_iter().collect(),
            Value::Set(rows) => rows.into_iter().collect(),
            other => [other].into(),
        };
        seen.push(format!("{query} {rows:?}"));
    }
    // Rules, negated and with cycles; a tree of any depth; every fact, drawn by rank.
    let rules = "[[(under ?a ?b) [?a :boss ?b]] [(under ?a ?b) [?a :boss ?c] (under ?c ?b)]]";
    for query in [
        "[:find ?a ?b :in $ % :where (under ?a ?b)]",
        "[:find ?a :in $ % :where [?a :n] [?b :name \"b\"] (not (under ?a ?b))]",
    ] {
        let rows: BTreeSet<Vec<i64>> =
            db.query_with(query, [rules]).expect("an answer").rows().expect("rows").into_iter().collect();
        seen.push(format!("{query} {rows:?}"));
    }
    seen.push(format!("{:?}", db.pull_many("[:name {:boss ...} {:_boss ...}]", 1i64..8).expect("pulled")));
    seen.push(format!("{:?}", db.sample(usize::MAX >> 1, 1).expect("drawn")));
    seen
}

/// The facts of a database as the model has them.
fn facts(db: &Db) -> Facts {
    let datoms = db.datoms(Index::Eav, &[]).expect("an index");
    datoms
        .map(|datom| {
            let datom = datom.expect("readable");
            let name = db.schema().by_id(datom.a).expect("known").ident.to_string();
            let known = [":name", ":n", ":tag", ":boss", ":part", ":n+boss", ":hidden"];
            let name = known.into_iter().find(|known| *known == name).expect("one of ours");
            (datom.e.0 as i64, name, datom.v.to_string())
        })
        .collect()
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("FACTUM_MODEL_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases.unwrap_or(24)) }
}

/// A step of a history.
#[derive(Clone, Debug)]
enum Step {
    Transact(Vec<Change>),
    /// All are submitted before one is waited for.
    Async(Vec<Vec<Change>>),
    /// Steps of one explicit transaction, and whether it is committed.
    Explicit(Vec<Vec<Change>>, bool),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => transaction().prop_map(Step::Transact),
        2 => vec(transaction(), 1..6).prop_map(Step::Async),
        2 => (vec(transaction(), 1..4), any::<bool>()).prop_map(|(steps, commit)| Step::Explicit(steps, commit)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn speculation_answers_as_the_commit_does(
        history in vec(transaction(), 0..5),
        speculation in vec(transaction(), 1..=5),
        in_memory in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let conn = match in_memory {
            true => Connection::memory_with(SCHEMA),
            false => Connection::open_with(dir.path(), SCHEMA),
        }.expect("a database");
        for changes in &history {
            let _ = conn.transact(text(changes));
        }
        let mut db = conn.db().expect("a database");
        let mut chain = vec![(db.clone(), observe(&db), true)];
        for changes in &speculation {
            let next = db.with(text(changes));
            let applied = next.is_ok();
            db = next.map_or(db, |report| report.db_after());
            chain.push((db.clone(), observe(&db), applied));
        }
        for (changes, (_, speculated, applied)) in speculation.iter().zip(&chain[1..]) {
            prop_assert_eq!(conn.transact(text(changes)).is_ok(), *applied);
            let committed = observe(&conn.db().expect("a database"));
            prop_assert_eq!(&committed, speculated);
        }
        // Values are values: the commits have not changed what was speculated.
        for (db, seen, _) in &chain {
            prop_assert_eq!(&observe(db), seen);
        }
    }

    #[test]
    fn every_way_of_writing_agrees_with_a_set_of_facts(history in vec(step(), 1..14)) {
        let dir = tempfile::tempdir().expect("a directory");
        let open = || Connection::open_with(dir.path(), SCHEMA).expect("a database");
        let mut conn = open();
        let mut model = Facts::new();
        for step in &history {
            match step {
                Step::Transact(changes) => {
                    let next = apply(&model, changes);
                    prop_assert_eq!(conn.transact(text(changes)).is_ok(), next.is_some(), "{:?}", changes);
                    model = next.unwrap_or(model);
                }
                Step::Async(transactions) => {
                    let pending: Vec<_> = transactions
                        .iter()
                        .map(|changes| conn.transact_async(text(changes)).expect("queued"))
                        .collect();
                    for (changes, pending) in transactions.iter().zip(pending) {
                        let next = apply(&model, changes);
                        let result = pending.wait();
                        prop_assert_eq!(result.is_ok(), next.is_some(), "{:?}", changes);
                        model = next.unwrap_or(model);
                        if let Ok(report) = result {
                            prop_assert_eq!(&facts(&report.db_after()), &model);
                        }
                    }
                }
                Step::Explicit(steps, commit) => {
                    let before = model.clone();
                    let mut tx = conn.begin().expect("the writer's turn");
                    for changes in steps {
                        let next = apply(&model, changes);
                        prop_assert_eq!(tx.transact(text(changes)).is_ok(), next.is_some(), "{:?}", changes);
                        model = next.unwrap_or(model);
                        prop_assert_eq!(&facts(&tx.db().expect("open")), &model);
                    }
                    if *commit {
                        let report = tx.commit().expect("commits");
                        let mut delta = before;
                        let schema = report.db_after().schema().clone();
                        for datom in report.tx_data() {
                            let name = schema.by_id(datom.a).expect("known").ident.to_string();
                            let known = model.iter().chain(&delta).map(|fact| fact.1).find(|a| *a == name);
                            let fact = (datom.e.0 as i64, known.expect("in one of them"), datom.v.to_string());
                            let changed = if datom.added { delta.insert(fact) } else { delta.remove(&fact) };
                            prop_assert!(changed, "the report is a delta: {:?}", datom);
                        }
                        prop_assert_eq!(&delta, &model);
                    } else {
                        drop(tx);
                        model = before;
                    }
                }
                Step::Reopen => {
                    conn.close().expect("open");
                    conn = open();
                }
            }
            let db = conn.db().expect("a database");
            prop_assert_eq!(&facts(&db), &model);
        }
        let report = conn.db().expect("a database").inner().check().expect("readable");
        prop_assert!(report.is_sound(), "{:?}", report.problems);
    }
}
