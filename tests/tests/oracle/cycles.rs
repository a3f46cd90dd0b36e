//! Recursive rules on a large graph with cycles, against a breadth-first search over the list of its edges.
//!
//! ```text
//! edges --load--> file --rules, under a memory budget--> set of nodes
//!   '------------ breadth-first search ----------------> set of nodes      the same
//! ```

use std::collections::BTreeSet;
use std::time::Instant;

use edn::Value;
use factum::{Connection, Db, Durability, EntityId, Keyword, Options, QueryOptions, inputs};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What all of a query may hold in memory at a time.
const BYTES_MAX: u64 = 256 << 20;

const SCHEMA: &str = "{:to {:db/valueType :db.type/ref, :db/cardinality :db.cardinality/many}
  :near {:db/valueType :db.type/ref, :db/cardinality :db.cardinality/many}}";

const RULES: &str = "[[(path ?a ?b) [?a :to ?b]]
  [(path ?a ?b) [?a :to ?c] (path ?c ?b)]
  [(left ?a ?b) [?a :to ?b]]
  [(left ?a ?b) (left ?a ?c) [?c :to ?b]]
  [(odd ?a ?b) [?a :to ?b]]
  [(odd ?a ?b) (even ?a ?c) [?c :to ?b]]
  [(even ?a ?b) (odd ?a ?c) [?c :to ?b]]
  [(ahead-odd ?a ?b) [?a :to ?b]]
  [(ahead-odd ?a ?b) [?a :to ?c] (ahead-even ?c ?b)]
  [(ahead-even ?a ?b) [?a :to ?c] (ahead-odd ?c ?b)]
  [(joined ?a ?b) [?a :near ?b]]
  [(joined ?a ?b) (joined ?a ?c) (joined ?c ?b)]]";

type Edge = (u32, u32);

/// A graph on the nodes from 1, each edge once.
struct Graph {
    nodes: u32,
    edges: BTreeSet<Edge>,
}

impl Graph {
    /// `edges` random ones; with several to a node, nearly all nodes lie on cycles.
    fn random(nodes: u32, edges: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut found = BTreeSet::new();
        while found.len() < edges {
            found.insert((random.random_range(1..=nodes), random.random_range(1..=nodes)));
        }
        Self { nodes, edges: found }
    }

    fn reversed(&self) -> Self {
        Self { nodes: self.nodes, edges: self.edges.iter().map(|(from, to)| (*to, *from)).collect() }
    }

    /// The nodes at the end of a walk with at least one step from `start`, by the parity of its length: even, odd.
    fn reach(&self, start: u32) -> [BTreeSet<u32>; 2] {
        let mut following = vec![Vec::new(); self.nodes as usize + 1];
        for (from, to) in &self.edges {
            following[*from as usize].push(*to);
        }
        let mut reached = [BTreeSet::new(), BTreeSet::new()];
        let mut ends = vec![(start, 0)];
        while !ends.is_empty() {
            let mut next = Vec::new();
            for (node, parity) in ends {
                let odd = 1 - parity;
                next.extend(
                    following[node as usize]
                        .iter()
                        .filter(|to| reached[odd].insert(**to))
                        .map(|to| (*to, odd)),
                );
            }
            ends = next;
        }
        reached
    }

    fn datoms(&self, attribute: &str) -> impl Iterator<Item = (EntityId, Keyword, Value)> {
        let attribute = Keyword::from(attribute);
        self.edges
            .iter()
            .map(move |(from, to)| (EntityId((*from).into()), attribute.clone(), Value::Int((*to).into())))
    }
}

/// Asks for the nodes that a rule relates to `node`, prints how that went, and compares.
fn check(db: &Db, rule: &str, node: u32, expected: &BTreeSet<u32>) {
    let text = format!("[:find [?found ...] :in $ % ?node :where ({rule})]");
    let start = Instant::now();
    let result = db.query_with(text.as_str(), inputs![RULES, i64::from(node)]);
    let result = result.unwrap_or_else(|error| panic!("{rule}: {}", error.render()));
    let took = start.elapsed();
    let found: BTreeSet<u32> = result.column::<u32>().expect("nodes").into_iter().collect();
    println!("{rule}: {} rows in {took:.1?}", found.len());
    assert!(found == *expected, "{rule} from {node}: {} rows, {} expected", found.len(), expected.len());
}

/// `large` for rules that are linear in its edges, `small` for the non-linear one, which joins all pairs that it finds.
fn check_all(large: &Graph, small: &Graph) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let options = Options::new()
        .schema(SCHEMA)
        .durability(Durability::None)
        .query_options(QueryOptions::new().bytes_max(BYTES_MAX));
    let connection = Connection::open_with(dir.path(), options).expect("opens");
    let datoms: Vec<_> = large.datoms(":to").chain(small.datoms(":near")).collect();
    let start = Instant::now();
    connection.load_datoms(&datoms).expect("loads");
    println!("load: {} datoms in {:.1?}", datoms.len(), start.elapsed());
    let db = connection.db().expect("snapshot");

    let node = 1;
    let union = |[even, odd]: [BTreeSet<u32>; 2]| -> BTreeSet<u32> { even.union(&odd).copied().collect() };
    let forward = large.reach(node);
    check(&db, "even ?node ?found", node, &forward[0]);
    check(&db, "odd ?node ?found", node, &forward[1]);
    check(&db, "ahead-even ?node ?found", node, &forward[0]);
    check(&db, "ahead-odd ?node ?found", node, &forward[1]);
    let forward = union(forward);
    check(&db, "path ?node ?found", node, &forward);
    check(&db, "left ?node ?found", node, &forward);
    let backward = large.reversed().reach(node);
    check(&db, "even ?found ?node", node, &backward[0]);
    check(&db, "ahead-even ?found ?node", node, &backward[0]);
    let backward = union(backward);
    check(&db, "path ?found ?node", node, &backward);
    check(&db, "left ?found ?node", node, &backward);
    check(&db, "joined ?node ?found", node, &union(small.reach(node)));
}

#[test]
fn rules_on_cycles() {
    check_all(&Graph::random(300, 900, 1), &Graph::random(30, 70, 2));
}

/// Rules whose recursive call comes last, and which call each other: work that grows with the chain, not with its square.
#[test]
fn rules_on_a_long_chain() {
    const NODES: u32 = 20_000;
    let chain = Graph { nodes: NODES, edges: (1..NODES).map(|node| (node, node + 1)).collect() };
    let options = QueryOptions::new().rows_max(u64::from(NODES) * 20).bytes_max(BYTES_MAX);
    let db = Db::empty(Options::new().schema(SCHEMA).query_options(options)).expect("schema");
    let facts: Vec<Value> = chain
        .datoms(":to")
        .map(|(e, a, v)| {
            Value::Vector(vec![Value::keyword("db/add"), (e.0 as i64).into(), Value::Keyword(a), v])
        })
        .collect();
    let db = db.with(Value::Vector(facts)).expect("data").db_after();
    for (node, graph, order) in [(1, &chain, "?node ?found"), (NODES, &chain.reversed(), "?found ?node")] {
        let [even, odd] = graph.reach(node);
        for (rule, expected) in [("even", &even), ("odd", &odd), ("ahead-even", &even), ("ahead-odd", &odd)] {
            check(&db, &format!("{rule} {order}"), node, expected);
        }
        check(&db, &format!("path {order}"), node, &even.union(&odd).copied().collect());
    }
}

/// A million edges; takes seconds in release and prints how long each rule took:
///
/// ```text
/// cargo test --release -p tests --test oracle -- --ignored --nocapture a_million_edges
/// ```
#[test]
#[ignore = "large; see the command above"]
fn rules_on_cycles_of_a_million_edges() {
    check_all(&Graph::random(200_000, 1_000_000, 1), &Graph::random(400, 1_600, 2));
}
