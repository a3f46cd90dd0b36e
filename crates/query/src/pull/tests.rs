//! Pull against the reference's examples, deep and wide data, and a naive evaluator.

use std::collections::BTreeMap;

use edn::Value;
use proptest::prelude::*;
use storage::{Db, DbOptions, EntityId, Schema};

use super::*;

fn read(text: &str) -> Value {
    edn::read(text).expect("valid EDN")
}

fn db(schema: &str, tx: &str) -> Db {
    let schema = Schema::from_value(&read(schema)).expect("a schema");
    Db::empty(schema, DbOptions::default()).db_with(&read(tx)).expect("a transaction")
}

fn crew() -> Db {
    db(
        "{:name {:db/valueType :db.type/string :db/unique :db.unique/identity}
          :skill {:db/valueType :db.type/string :db/cardinality :db.cardinality/many}
          :age {:db/valueType :db.type/long}
          :boss {:db/valueType :db.type/ref}
          :pal {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}",
        r#"[{:db/id 1 :name "Mira" :age 52 :skill ["nav" "law"] :db/ident :captain}
            {:db/id 2 :name "Oto" :age 38 :skill ["nav" "guns"] :boss 1}
            {:db/id 3 :name "Pia" :age 38 :boss 2}
            {:db/id 4 :name "Quin" :age 24 :boss 2 :pal [2 3]}
            {:db/id 5 :name "Rufo" :pal [1 5]}]"#,
    )
}

fn parts() -> Db {
    db(
        "{:part {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many :db/isComponent true}}",
        r#"[{:db/id 1 :nm "car" :part [{:db/id 2 :nm "door" :part [{:db/id 3 :nm "lock"}]}]}]"#,
    )
}

fn show(db: &Db, pattern: &str, entity: u64) -> Value {
    let pattern = pattern.parse().expect("a pattern");
    pull(db, &pattern, EntityId(entity)).expect("a result").unwrap_or_default()
}

#[track_caller]
fn check(db: &Db, pattern: &str, entity: u64, expected: &str) {
    assert_eq!(show(db, pattern, entity), read(expected), "{pattern}");
}

#[test]
fn attributes_ids_and_wildcards() {
    let db = crew();
    check(&db, "[:name :zip]", 5, r#"{:name "Rufo"}"#);
    check(&db, "[:zip]", 5, "nil");
    check(&db, "[*]", 999, "{:db/id 999}");
    check(&db, "[:db/id :zip]", 999, "{:db/id 999}");
    check(&db, "[[:db/id :as :id]]", 2, "{:id 2}");
    check(&db, "[:boss :pal]", 4, "{:boss {:db/id 2} :pal [{:db/id 2} {:db/id 3}]}");
    check(&db, "[\"*\"]", 3, r#"{:db/id 3 :name "Pia" :age 38 :boss {:db/id 2}}"#);
    check(&db, "[* {:boss [:name]}]", 3, r#"{:db/id 3 :name "Pia" :age 38 :boss {:name "Oto"}}"#);
    check(&db, "[:skill]", 1, r#"{:skill ["law" "nav"]}"#);
}

#[test]
fn nesting_and_reverse() {
    let db = crew();
    check(&db, "[:name {:boss [:name]}]", 2, r#"{:name "Oto" :boss {:name "Mira"}}"#);
    check(&db, "[{:_boss [:name]}]", 2, r#"{:_boss [{:name "Pia"} {:name "Quin"}]}"#);
    check(&db, "[:_pal]", 3, "{:_pal [{:db/id 4}]}");
    check(&db, "[{:pal [:zip]}]", 4, "nil");
    check(&db, "[{:boss [{:boss [:age]}]}]", 3, "{:boss {:boss {:age 52}}}");
}

#[test]
fn options_in_both_spellings() {
    let db = crew();
    check(&db, "[[:name :as :label]]", 2, r#"{:label "Oto"}"#);
    check(&db, "[:name [:name :as :label]]", 2, r#"{:name "Oto" :label "Oto"}"#);
    check(&db, "[:age [:name :as :age]]", 2, r#"{:age "Oto"}"#);
    check(&db, "[(limit :skill 1)]", 2, r#"{:skill ["guns"]}"#);
    check(&db, "[[:skill :limit 1]]", 2, r#"{:skill ["guns"]}"#);
    check(&db, "[(default :zip 0)]", 2, "{:zip 0}");
    check(&db, "[[:zip :default 0] [:name :as :n]]", 1, r#"{:zip 0 :n "Mira"}"#);
    check(&db, "[{[:pal :as \"pals\" :limit 1] [:name]}]", 4, r#"{"pals" [{:name "Oto"}]}"#);
    check(&db, "[[:age :xform str]]", 2, r#"{:age "38"}"#);
    check(&db, "[[:skill :xform count] [:zip :xform nil? :as :no-zip]]", 2, "{:skill 2 :no-zip true}");
    check(&db, "[[:zip :xform identity]]", 2, "nil");
    check(&db, "[[:zip :xform str :default 7]]", 2, "{:zip 7}");
}

#[test]
fn recursion_ends_at_its_depth_and_at_what_it_has_seen() {
    let db = crew();
    check(&db, "[:name {:boss ...}]", 3, r#"{:name "Pia" :boss {:name "Oto" :boss {:name "Mira"}}}"#);
    check(&db, "[:name {:boss 1}]", 3, r#"{:name "Pia" :boss {:name "Oto"}}"#);
    check(
        &db,
        "[:name {:_boss 2}]",
        1,
        r#"{:name "Mira" :_boss [{:name "Oto" :_boss [{:name "Pia"} {:name "Quin"}]}]}"#,
    );
    let ring = db_of_edges(&[(1, 2), (2, 3), (3, 1), (3, 4)]);
    check(
        &ring,
        "[:db/id {:to ...}]",
        1,
        "{:db/id 1 :to [{:db/id 2 :to [{:db/id 3 :to [{:db/id 1 :to [{:db/id 2}]} {:db/id 4}]}]}]}",
    );
    let itself = db_of_edges(&[(5, 5)]);
    check(&itself, "[:db/id {:to ...}]", 5, "{:db/id 5 :to [{:db/id 5 :to [{:db/id 5}]}]}");
}

fn db_of_edges(edges: &[(u64, u64)]) -> Db {
    let facts: Vec<Value> = edges.iter().map(|(a, b)| read(&format!("[:db/add {a} :to {b}]"))).collect();
    let schema = "{:to {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";
    db(schema, "[]").db_with(&facts).expect("edges")
}

#[test]
fn branches_see_only_their_own_path() {
    let diamond = db_of_edges(&[(1, 2), (1, 3), (2, 4), (3, 4)]);
    check(
        &diamond,
        "[:db/id {:to ...}]",
        1,
        "{:db/id 1 :to [{:db/id 2 :to [{:db/id 4}]} {:db/id 3 :to [{:db/id 4}]}]}",
    );
}

#[test]
fn components_show_in_full_and_have_one_owner() {
    let db = parts();
    let car = r#"{:db/id 1 :nm "car" :part [{:db/id 2 :nm "door" :part [{:db/id 3 :nm "lock"}]}]}"#;
    check(&db, "[*]", 1, car);
    check(&db, "[:part]", 2, r#"{:part [{:db/id 3 :nm "lock"}]}"#);
    check(&db, "[{:_part [:nm]}]", 2, r#"{:_part {:nm "car"}}"#);
    check(&db, "[:_part]", 3, "{:_part {:db/id 2}}");
}

#[test]
fn many_values_stop_at_a_thousand_unless_asked() {
    let tags: Vec<String> = (0..1500).map(|n| n.to_string()).collect();
    let tx = format!("[{{:db/id 1 :tag [{}]}}]", tags.join(" "));
    let db = db("{:tag {:db/valueType :db.type/long :db/cardinality :db.cardinality/many}}", &tx);
    let count = |pattern: &str| {
        show(&db, pattern, 1)
            .as_map()
            .and_then(|m| m[&Value::keyword("tag")].as_sequence().map(<[Value]>::len))
    };
    assert_eq!(count("[:tag]"), Some(1000));
    assert_eq!(count("[*]"), Some(1000));
    assert_eq!(count("[[:tag :limit nil]]"), Some(1500));
    assert_eq!(count("[[:tag :limit 1200]]"), Some(1200));
}

#[test]
fn many_entities_keep_their_order() {
    let db = crew();
    let pattern = "[:name]".parse().expect("a pattern");
    let puller =
        Puller::new(&db, &pattern, &FunctionRegistry::new(), PullOptions::default()).expect("resolved");
    let ids = [Some(EntityId(5)), Some(EntityId(999)), None, Some(EntityId(3)), Some(EntityId(5))];
    let results = puller.pull_many(&ids).expect("results");
    let shown: Vec<Value> = results.into_iter().map(Option::unwrap_or_default).collect();
    assert_eq!(Value::Vector(shown), read(r#"[{:name "Rufo"} nil nil {:name "Pia"} {:name "Rufo"}]"#));
}

#[test]
fn mistakes_point_at_their_place() {
    let db = crew();
    let mistakes = [
        ("{:name 1}", "pull-syntax", "{:name 1}"),
        ("[:name 7]", "pull-syntax", "7"),
        ("[:name [:age :frob 1]]", "pull-syntax", ":frob"),
        ("[[:age :as]]", "pull-syntax", ":as"),
        ("[[:skill :limit 0]]", "pull-syntax", "0"),
        ("[[:skill :limit :all]]", "pull-syntax", ":all"),
        ("[[:age :limit 2]]", "pull-syntax", "2"),
        ("[{:name [:age]}]", "pull-syntax", ":name"),
        ("[:_age]", "pull-syntax", ":_age"),
        ("[{:boss 0}]", "pull-syntax", "0"),
        ("[{:boss :x}]", "pull-syntax", ":x"),
        ("[{:db/id [:name]}]", "pull-syntax", ":db/id"),
        ("[[* :limit 2]]", "pull-syntax", "[* :limit 2]"),
        ("[[:age :xform 3]]", "pull-syntax", "3"),
        ("[[:age :xform strr]]", "pull-syntax", "strr"),
        ("[:name", "parse-error", ""),
    ];
    for (text, class, place) in mistakes {
        let error = text.parse().and_then(|pattern| pull(&db, &pattern, EntityId(1))).expect_err(text);
        assert_eq!(error.class(), class, "{text}: {error}");
        let span = error.span().expect("a place");
        assert_eq!(&text[span.start..span.end], place, "{text}: {error}");
    }
    let error =
        pull(&db, &"[[:age :xform strr]]".parse().expect("a pattern"), EntityId(1)).expect_err("unknown");
    assert_eq!(error.to_string(), "unknown function strr in :xform, did you mean str?");
    assert_eq!(error.code(), ":parser/pull");
}

#[test]
fn unknown_attributes_warn_or_fail() {
    let db = crew();
    let pattern: PullPattern = "[:nmae {:bos [:name]}]".parse().expect("a pattern");
    let functions = FunctionRegistry::new();
    let puller = Puller::new(&db, &pattern, &functions, PullOptions::default()).expect("resolved");
    let warnings: Vec<String> = puller.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["unknown attribute :nmae, did you mean :name?", "unknown attribute :bos, did you mean :boss?"]
    );
    let strict = PullOptions { strict: true, ..PullOptions::default() };
    let error = Puller::new(&db, &pattern, &functions, strict).err().expect("strict");
    assert_eq!(error.class(), "unknown-attribute");
}

#[test]
fn depth_costs_no_stack_and_has_a_clear_end() {
    let chain: Vec<(u64, u64)> = (1..100_000).map(|n| (n, n + 1)).collect();
    let facts: Vec<Value> = chain.iter().map(|(a, b)| read(&format!("[:db/add {a} :next {b}]"))).collect();
    let db = db("{:next {:db/valueType :db.type/ref}}", "[]").db_with(&facts).expect("a chain");
    let recursive: PullPattern = "[{:next ...}]".parse().expect("a pattern");
    let error = pull(&db, &recursive, EntityId(1)).expect_err("too deep");
    assert_eq!((error.code(), error.class()), (":pull/depth", "limit-exceeded"));
    check(&db, "[:db/id {:next 2}]", 1, "{:db/id 1 :next {:db/id 2 :next {:db/id 3}}}");
    let bounded = show(&db, "[:db/id {:next 400}]", 1);
    assert!(bounded.to_string().contains(":db/id 401"));
    check(&db, "[:db/id {:next ...}]", 99_999, "{:db/id 99999 :next {:db/id 100000}}");
}

#[test]
fn width_and_time_are_bounded() {
    // Twenty diamonds in a row have a million paths.
    let edges: Vec<(u64, u64)> = (0..20)
        .flat_map(|n| {
            [(3 * n, 3 * n + 1), (3 * n, 3 * n + 2), (3 * n + 1, 3 * n + 3), (3 * n + 2, 3 * n + 3)]
        })
        .map(|(a, b)| (a + 1, b + 1))
        .collect();
    let db = db_of_edges(&edges);
    let pattern: PullPattern = "[{:to ...}]".parse().expect("a pattern");
    let functions = FunctionRegistry::new();
    let small = PullOptions { entities_max: 10_000, ..PullOptions::default() };
    let error = Puller::new(&db, &pattern, &functions, small)
        .expect("resolved")
        .pull(EntityId(1))
        .expect_err("large");
    assert_eq!(error.code(), ":pull/size");
    let late = PullOptions { deadline: Some(Instant::now()), ..PullOptions::default() };
    let error =
        Puller::new(&db, &pattern, &functions, late).expect("resolved").pull(EntityId(1)).expect_err("late");
    assert_eq!(error.code(), ":query/timeout");
    let stopped = PullOptions { cancel: Some(Arc::new(|| true)), ..PullOptions::default() };
    let error = Puller::new(&db, &pattern, &functions, stopped)
        .expect("resolved")
        .pull(EntityId(1))
        .expect_err("stop");
    assert_eq!(error.code(), ":query/cancelled");
}

/// The reference's rules, one entity at a time and by recursion: `[:db/id :v {:one (depth)} {:many ...} {:_many [:v]}]`.
struct Naive<'a> {
    v: &'a BTreeMap<u64, i64>,
    one: &'a BTreeMap<u64, u64>,
    many: &'a BTreeMap<u64, Vec<u64>>,
}

impl Naive<'_> {
    fn pull(&self, e: u64, one_left: u32, seen: &[u64]) -> Value {
        let mut map = BTreeMap::from([(Value::keyword("db/id"), Value::Int(e as i64))]);
        if let Some(v) = self.v.get(&e) {
            map.insert(Value::keyword("v"), Value::Int(*v));
        }
        let follow = |to: u64, one_left: u32| {
            if seen.contains(&to) {
                return Value::Map([(Value::keyword("db/id"), Value::Int(to as i64))].into());
            }
            self.pull(to, one_left, &[seen, &[to]].concat())
        };
        if let Some(to) = self.one.get(&e)
            && (seen.contains(to) || one_left > 0)
        {
            map.insert(Value::keyword("one"), follow(*to, one_left.saturating_sub(1)));
        }
        if let Some(targets) = self.many.get(&e) {
            let shown = targets.iter().map(|to| follow(*to, one_left)).collect();
            map.insert(Value::keyword("many"), Value::Vector(shown));
        }
        let back = self.many.iter().filter(|(_, targets)| targets.contains(&e)).map(|(from, _)| from);
        let back: Vec<Value> = back
            .filter_map(|from| {
                Some(Value::Map([(Value::keyword("v"), Value::Int(*self.v.get(from)?))].into()))
            })
            .collect();
        if !back.is_empty() {
            map.insert(Value::keyword("_many"), Value::Vector(back));
        }
        Value::Map(map)
    }
}

fn cases() -> u32 {
    std::env::var("FACTUM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn agrees_with_the_naive_evaluator(
        v in proptest::collection::btree_map(1..6_u64, 0..9_i64, 0..5),
        one in proptest::collection::btree_map(1..6_u64, 1..6_u64, 0..4),
        many in proptest::collection::btree_map(1..6_u64, proptest::collection::btree_set(1..6_u64, 1..3), 0..4),
        depth in 1..4_u32,
    ) {
        let many: BTreeMap<u64, Vec<u64>> = many.into_iter().map(|(e, to)| (e, to.into_iter().collect())).collect();
        let mut facts = Vec::new();
        facts.extend(v.iter().map(|(e, v)| read(&format!("[:db/add {e} :v {v}]"))));
        facts.extend(one.iter().map(|(e, to)| read(&format!("[:db/add {e} :one {to}]"))));
        facts.extend(many.iter().flat_map(|(e, to)| to.iter().map(move |to| read(&format!("[:db/add {e} :many {to}]")))));
        let schema = "{:v {:db/valueType :db.type/long} :one {:db/valueType :db.type/ref}
                       :many {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}";
        let db = db(schema, "[]").db_with(&facts).expect("facts");
        let pattern = format!("[:db/id :v {{:one {depth}}} {{:many ...}} {{:_many [:v]}}]").parse().expect("a pattern");
        let naive = Naive { v: &v, one: &one, many: &many };
        let ids: Vec<EntityId> = (1..6).map(EntityId).collect();
        let pulled = pull_many(&db, &pattern, &ids).expect("pulled");
        for (id, pulled) in ids.iter().zip(pulled) {
            prop_assert_eq!(pulled.unwrap_or_default(), naive.pull(id.0, depth, &[]));
        }
    }
}

#[test]
fn a_visitor_is_told_what_is_looked_at_found_or_not() {
    let db = crew();
    let seen = std::sync::Mutex::new(Vec::new());
    let seen = Arc::new(seen);
    let told = seen.clone();
    let visitor: Visitor = Arc::new(move |visit| {
        let (entity, what) = match visit {
            Visit::Attribute { entity, attribute } => (entity, attribute.to_string()),
            Visit::Wildcard { entity } => (entity, "*".to_owned()),
            Visit::Reverse { entity, attribute } => (entity, format!("back {attribute}")),
        };
        told.lock().expect("not poisoned").push((entity.0, what));
    });
    let pattern: PullPattern = "[:age {:boss [:name]} {:_boss [*]} :nobody]".parse().expect("a pattern");
    let options = PullOptions { visitor: Some(visitor), ..PullOptions::default() };
    let puller = Puller::new(&db, &pattern, &FunctionRegistry::new(), options).expect("it resolves");
    puller.pull(EntityId(2)).expect("a result");
    let mut seen = seen.lock().expect("not poisoned").clone();
    seen.sort();
    let expected =
        [(1, ":name"), (2, ":age"), (2, ":boss"), (2, ":nobody"), (2, "back :boss"), (3, "*"), (4, "*")];
    assert_eq!(seen, expected.map(|(entity, what)| (entity, what.to_owned())));
}
