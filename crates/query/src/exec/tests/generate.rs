//! Random databases and random programs over them that are safe: whatever is tested is also bound.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use edn::Value;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use storage::{AttrId, EncodedValue, ValueRange};

use super::build::{
    Facts, function, int, logical, not, or, pattern, pattern_in, predicate, range, rule, rule_call, tuple, v,
};
use crate::logical::{Arg, AttrTerm, Binding, Clause, Logical, Rule, SourceId, Term, VarId};

/// One generated case.
pub struct Case {
    pub facts: Facts,
    pub idents: BTreeMap<AttrId, Value>,
    pub tuples: BTreeMap<SourceId, Vec<Vec<Value>>>,
    pub logical: Logical,
    pub input: Vec<Vec<Value>>,
}

/// Variables that patterns share.
const POOL: u32 = 5;
/// The number of the collection source.
const COLLECTION: u16 = 1;

struct Generator {
    rng: StdRng,
    attrs: Vec<AttrId>,
    next_local: u32,
}

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut rng = StdRng::seed_from_u64(seed);
    let (facts, attrs) = database(&mut rng);
    let idents = facts.db.schema().iter().map(|attr| (attr.id, Value::Keyword(attr.ident.clone()))).collect();
    let rows = (0..rng.random_range(0..6)).map(|_| (0..3).map(|_| small(&mut rng)).collect()).collect();
    let tuples = BTreeMap::from([(SourceId(COLLECTION), rows)]);
    let mut generator = Generator { rng, attrs, next_local: POOL };
    let (logical, input) = generator.program();
    Case { facts, idents, tuples, logical, input }
}

fn small(rng: &mut StdRng) -> Value {
    match rng.random_range(0..8) {
        0 => Value::str("a"),
        1 => Value::str("a string that is longer than a cell"),
        _ => Value::Int(rng.random_range(0..7)),
    }
}

/// Attributes of every kind: one and many, typed and untyped, references.
fn database(rng: &mut StdRng) -> (Facts, Vec<AttrId>) {
    let (mut facts, attrs) = Facts::new(&[
        ("n", Some("long"), false, false),
        ("m", Some("long"), true, false),
        ("one", Some("ref"), false, false),
        ("many", Some("ref"), true, false),
        ("s", Some("string"), true, false),
        ("any", None, false, false),
        ("key", Some("long"), false, true),
    ]);
    let strings =
        ["a", "b", "a string that is longer than a cell", "another string that is longer than a cell"];
    for e in 1..=rng.random_range(1..8_u64) {
        for _ in 0..rng.random_range(0..5) {
            let value = Value::Int(rng.random_range(0..6));
            let entity = Value::Int(rng.random_range(1..8));
            match rng.random_range(0..7) {
                0 => facts.add(e, attrs[0], &value),
                1 => facts.add(e, attrs[1], &value),
                2 => facts.add(e, attrs[2], &entity),
                3 => facts.add(e, attrs[3], &entity),
                4 => facts.add(e, attrs[4], &Value::str(*strings.choose(rng).expect("not empty"))),
                5 => facts.add(e, attrs[5], &small(rng)),
                _ => facts.add(e, attrs[6], &Value::Int(100 + e as i64)),
            }
        }
    }
    (facts, attrs)
}

impl Generator {
    fn program(&mut self) -> (Logical, Vec<Vec<Value>>) {
        let (rules, arities) = self.rules();
        let mut bound = BTreeSet::new();
        let (inputs, input) = self.inputs();
        bound.extend(inputs.iter().copied());
        let mut clauses = Vec::new();
        for _ in 0..self.rng.random_range(1..5) {
            let clause = self.positive(&mut bound, &arities);
            clauses.push(clause);
        }
        if bound.is_empty() {
            clauses.push(pattern(v(0), self.attrs[0], v(1)));
            bound.extend([0, 1]);
        }
        for _ in 0..self.rng.random_range(0..3) {
            clauses.extend(self.dependent(&mut bound));
        }
        clauses.shuffle(&mut self.rng);
        let mut output: Vec<u32> = bound.iter().copied().filter(|var| *var < POOL + 40).collect();
        output.shuffle(&mut self.rng);
        output.truncate(self.rng.random_range(1..=output.len()));
        let mut program = logical(self.next_local + 1, clauses, output, rules);
        program.inputs = inputs.into_iter().map(VarId).collect();
        (program, input)
    }

    fn inputs(&mut self) -> (Vec<u32>, Vec<Vec<Value>>) {
        match self.rng.random_range(0..4) {
            0 => {
                let rows = self.rng.random_range(0..4);
                (vec![0], (0..rows).map(|_| vec![small(&mut self.rng)]).collect())
            }
            1 => {
                let rows = self.rng.random_range(1..4);
                (vec![0, 1], (0..rows).map(|_| vec![small(&mut self.rng), small(&mut self.rng)]).collect())
            }
            _ => (Vec::new(), vec![Vec::new()]),
        }
    }

    fn var(&mut self) -> u32 {
        self.rng.random_range(0..POOL)
    }

    fn local(&mut self) -> u32 {
        self.next_local += 1;
        self.next_local - 1
    }

    fn term(&mut self, vars: &mut BTreeSet<u32>) -> Term {
        match self.rng.random_range(0..8) {
            0 => Term::Blank,
            1 => int(self.rng.random_range(0..7)),
            _ => {
                let var = self.var();
                vars.insert(var);
                v(var)
            }
        }
    }

    fn pattern(&mut self, vars: &mut BTreeSet<u32>) -> Clause {
        let a = *self.attrs.choose(&mut self.rng).expect("not empty");
        pattern(self.term(vars), a, self.term(vars))
    }

    fn positive(&mut self, vars: &mut BTreeSet<u32>, arities: &[usize]) -> Clause {
        match self.rng.random_range(0..14) {
            0 => {
                let a = match self.rng.random_range(0..3) {
                    0 => AttrTerm::Blank,
                    _ => {
                        let var = self.var();
                        vars.insert(var);
                        AttrTerm::Var(VarId(var))
                    }
                };
                pattern_in(0, self.term(vars), a, self.term(vars))
            }
            1 => tuple(COLLECTION, vec![self.term(vars), self.term(vars), self.term(vars)]),
            2 => {
                let join: Vec<u32> = {
                    let join: BTreeSet<u32> = (0..self.rng.random_range(1..3)).map(|_| self.var()).collect();
                    join.into_iter().collect()
                };
                let branches = (0..self.rng.random_range(1..3)).map(|_| self.covering(&join)).collect();
                vars.extend(&join);
                or(join, branches)
            }
            3..6 if !arities.is_empty() => {
                let number = self.rng.random_range(0..arities.len());
                rule_call(number as u32, (0..arities[number]).map(|_| self.term(vars)).collect())
            }
            _ => self.pattern(vars),
        }
    }

    /// Patterns that bind all of `join`, with local variables beside.
    fn covering(&mut self, join: &[u32]) -> Vec<Clause> {
        let mut clauses: Vec<Clause> = join
            .iter()
            .map(|var| {
                let a = *self.attrs.choose(&mut self.rng).expect("not empty");
                let other = match self.rng.random_range(0..3) {
                    0 => v(*join.choose(&mut self.rng).expect("not empty")),
                    1 => Term::Blank,
                    _ => v(self.local()),
                };
                if self.rng.random_bool(0.5) {
                    pattern(v(*var), a, other)
                } else {
                    pattern(other, a, v(*var))
                }
            })
            .collect();
        if self.rng.random_bool(0.3) {
            clauses.push(self.range_on(join[0]));
        }
        clauses
    }

    fn range_on(&mut self, var: u32) -> Clause {
        let bound = |rng: &mut StdRng| {
            let value = EncodedValue::int(rng.random_range(0..7));
            match rng.random_range(0..3) {
                0 => Bound::Unbounded,
                1 => Bound::Included(value),
                _ => Bound::Excluded(value),
            }
        };
        let ranges = match self.rng.random_range(0..4) {
            0 => {
                let mut points: BTreeSet<i64> = BTreeSet::new();
                for _ in 0..self.rng.random_range(1..4) {
                    points.insert(self.rng.random_range(0..7));
                }
                points.into_iter().map(|point| ValueRange::exactly(EncodedValue::int(point))).collect()
            }
            _ => vec![ValueRange { lo: bound(&mut self.rng), hi: bound(&mut self.rng) }],
        };
        range(var, ranges)
    }

    /// A clause that needs bound variables.
    fn dependent(&mut self, bound: &mut BTreeSet<u32>) -> Option<Clause> {
        let some: Vec<u32> = bound.iter().copied().collect();
        let one = *some.choose(&mut self.rng)?;
        let other = *some.choose(&mut self.rng)?;
        let var = |var: u32| Arg::Var(VarId(var));
        Some(match self.rng.random_range(0..6) {
            0 => self.range_on(one),
            1 => predicate(["<", "=", "not="].choose(&mut self.rng)?, vec![var(one), var(other)]),
            2 => {
                let target = if self.rng.random_bool(0.5) { other } else { self.local() };
                bound.insert(target);
                function("identity", vec![var(one)], Binding::Scalar(VarId(target)))
            }
            3 => {
                let (a, b) = (self.local(), other);
                bound.insert(a);
                let parts = vec![Binding::Scalar(VarId(a)), Binding::Blank, Binding::Scalar(VarId(b))];
                function("vector", vec![var(one), var(one), var(other)], Binding::Tuple(parts))
            }
            4 => {
                let item = self.local();
                bound.insert(item);
                let each = Box::new(Binding::Scalar(VarId(item)));
                function("vector", vec![var(one), var(other)], Binding::Collection(each))
            }
            _ => {
                let mut join: Vec<u32> = vec![one, other];
                join.sort_unstable();
                join.dedup();
                let body = self.covering(&join);
                not(join, body)
            }
        })
    }

    /// Rules of all shapes: closures in every direction, mutual and non-linear recursion, same generation, none.
    fn rules(&mut self) -> (Vec<Rule>, Vec<usize>) {
        let edge = *[self.attrs[3], self.attrs[2], self.attrs[1]].choose(&mut self.rng).expect("not empty");
        let other = *self.attrs.choose(&mut self.rng).expect("not empty");
        let step = |x: u32, y: u32| pattern(v(x), edge, v(y));
        let back = |x: u32, y: u32| pattern(v(y), edge, v(x));
        let same = |x: u32, y: u32| rule_call(0, vec![v(x), v(y)]);
        let rules = match self.rng.random_range(0..11) {
            0 => return (Vec::new(), Vec::new()),
            1 => vec![rule("right", 2, true, vec![vec![step(0, 1)], vec![step(0, 2), same(2, 1)]])],
            2 => vec![rule("left", 2, true, vec![vec![step(0, 1)], vec![same(0, 2), step(2, 1)]])],
            3 => vec![rule("twice", 2, true, vec![vec![step(0, 1)], vec![same(0, 2), same(2, 1)]])],
            4 => vec![
                rule(
                    "odd",
                    2,
                    true,
                    vec![vec![step(0, 1)], vec![step(0, 2), rule_call(1, vec![v(2), v(1)])]],
                ),
                rule("even", 2, true, vec![vec![step(0, 2), rule_call(0, vec![v(2), v(1)])]]),
            ],
            5 => vec![rule(
                "generation",
                2,
                true,
                vec![vec![pattern(v(0), other, v(1))], vec![back(0, 2), same(2, 3), step(3, 1)]],
            )],
            6 => vec![rule(
                "both",
                2,
                true,
                vec![vec![step(0, 1)], vec![back(0, 1)], vec![same(0, 2), same(2, 1)]],
            )],
            7 => vec![rule(
                "inner",
                2,
                true,
                vec![vec![or(vec![0, 1], vec![vec![step(0, 1)], vec![step(0, 4), same(4, 1)]])]],
            )],
            8 => vec![
                rule("plain", 2, false, vec![vec![step(0, 1)], vec![pattern(v(0), other, v(1))]]),
                rule(
                    "on-top",
                    2,
                    true,
                    vec![
                        vec![rule_call(0, vec![v(0), v(1)])],
                        vec![
                            rule_call(0, vec![v(0), v(2)]),
                            rule_call(1, vec![v(2), v(1)]),
                            range(2, vec![ValueRange::ALL]),
                        ],
                    ],
                ),
            ],
            9 => vec![rule(
                "three",
                3,
                true,
                vec![
                    vec![step(0, 1), pattern(v(1), other, v(2))],
                    vec![step(0, 3), rule_call(0, vec![v(3), v(1), v(2)])],
                    vec![rule_call(0, vec![v(0), v(1), v(3)]), step(3, 2)],
                ],
            )],
            _ => vec![
                rule(
                    "one",
                    1,
                    true,
                    vec![vec![pattern(v(0), other, Term::Blank)], vec![step(1, 0), rule_call(0, vec![v(1)])]],
                ),
                Rule {
                    stratum: 1,
                    ..rule(
                        "not-one",
                        2,
                        false,
                        vec![vec![step(0, 1), not(vec![1], vec![rule_call(0, vec![v(1)])])]],
                    )
                },
            ],
        };
        let arities = rules.iter().map(|rule| rule.arity).collect();
        (rules, arities)
    }
}
