//! Small logical programs and databases, built by hand.

use std::collections::BTreeSet;
use std::sync::Arc;

use edn::{Keyword, Span, Symbol, Value};
use storage::{AttrId, Db, DbOptions, EncodedValue, EntityId, Schema, ValueRange, encode};

use crate::exec::{CallArg, CallError, Host};
use crate::functions::FunctionRegistry;
use crate::logical::{
    Arg, AttrTerm, Binding, Call, Callee, Clause, Conjunction, FunctionClause, Logical, NotClause, OrClause,
    Pattern, RangeClause, Rule, RuleBranch, RuleCall, RuleId, RuleSet, SourceId, Term, TuplePattern, VarId,
    VarTable,
};

/// Calls built-in functions.
pub struct BuiltIns;

impl Host for BuiltIns {
    fn call(&self, callee: &Callee, args: &[CallArg]) -> Result<Value, CallError> {
        let Callee::Function(function) = callee else { return Err("only functions here".into()) };
        let args: Vec<Value> = args.iter().filter_map(|arg| arg.as_value().cloned()).collect();
        Ok(function.call(&args)?)
    }
}

pub fn v(var: u32) -> Term {
    Term::Var(VarId(var))
}

pub fn int(value: i64) -> Term {
    Term::Const(EncodedValue::int(value))
}

pub fn vars(count: u32) -> VarTable {
    VarTable {
        names: (0..count).map(|var| Symbol::from(format!("?v{var}").as_str())).collect(),
        spans: vec![Span::default(); count as usize],
    }
}

pub fn pattern(e: Term, a: AttrId, v: Term) -> Clause {
    pattern_in(0, e, AttrTerm::Const(a), v)
}

pub fn pattern_in(source: u16, e: Term, a: AttrTerm, v: Term) -> Clause {
    Clause::Pattern(Pattern { source: SourceId(source), e, a, v, within: None, span: Span::default() })
}

pub fn tuple(source: u16, terms: Vec<Term>) -> Clause {
    Clause::Tuple(TuplePattern { source: SourceId(source), terms, span: Span::default() })
}

pub fn range(var: u32, ranges: Vec<ValueRange>) -> Clause {
    Clause::Range(RangeClause { var: VarId(var), ranges, text: "range".to_owned(), span: Span::default() })
}

pub fn call(name: &str, args: Vec<Arg>) -> Call {
    let mut needs: Vec<VarId> =
        args.iter().filter_map(|arg| if let Arg::Var(var) = arg { Some(*var) } else { None }).collect();
    needs.dedup();
    let function = FunctionRegistry::new().find(&Symbol::from(name)).expect("a built-in function").clone();
    Call { function: Callee::Function(function), args, needs, span: Span::default() }
}

pub fn predicate(name: &str, args: Vec<Arg>) -> Clause {
    Clause::Predicate(call(name, args))
}

pub fn function(name: &str, args: Vec<Arg>, binding: Binding) -> Clause {
    Clause::Function(FunctionClause { call: call(name, args), binding })
}

pub fn not(join: Vec<u32>, clauses: Vec<Clause>) -> Clause {
    Clause::Not(NotClause { join: ids(&join), body: Conjunction { clauses }, span: Span::default() })
}

pub fn or(join: Vec<u32>, branches: Vec<Vec<Clause>>) -> Clause {
    let branches = branches.into_iter().map(|clauses| Conjunction { clauses }).collect();
    Clause::Or(OrClause { join: ids(&join), required: Vec::new(), branches, span: Span::default() })
}

pub fn rule_call(rule: u32, args: Vec<Term>) -> Clause {
    Clause::Rule(RuleCall { rule: RuleId(rule), args, source: None, span: Span::default() })
}

pub fn ids(vars: &[u32]) -> Vec<VarId> {
    vars.iter().map(|var| VarId(*var)).collect()
}

/// A rule whose head variables are the first ones of each branch.
pub fn rule(name: &str, arity: u32, recursive: bool, branches: Vec<Vec<Clause>>) -> Rule {
    let branches = branches.into_iter().map(|clauses| RuleBranch {
        vars: vars(12),
        head: ids(&(0..arity).collect::<Vec<_>>()),
        body: Conjunction { clauses },
        span: Span::default(),
    });
    Rule {
        name: Symbol::from(name),
        arity: arity as usize,
        required: 0,
        branches: branches.collect(),
        stratum: 0,
        recursive,
    }
}

pub fn logical(variables: u32, clauses: Vec<Clause>, output: Vec<u32>, rules: Vec<Rule>) -> Logical {
    Logical {
        vars: vars(variables),
        body: Conjunction { clauses },
        inputs: Vec::new(),
        output: ids(&output),
        rules: Arc::new(RuleSet { rules }),
        row_limit: None,
        aggregation: None,
        order: Vec::new(),
    }
}

/// A database under construction, and beside it the same facts as plain values for the naive evaluator.
pub struct Facts {
    pub db: Db,
    pub all: BTreeSet<(u64, AttrId, Value)>,
}

impl Facts {
    /// An empty database with attributes `(name, type, many, unique)`.
    pub fn new(attributes: &[(&str, Option<&str>, bool, bool)]) -> (Self, Vec<AttrId>) {
        let mut text = String::from("{");
        for (name, value_type, many, unique) in attributes {
            text += &format!(":{name} {{");
            if let Some(value_type) = value_type {
                text += &format!(":db/valueType :db.type/{value_type} ");
            }
            if *many {
                text += ":db/cardinality :db.cardinality/many ";
            }
            if *unique {
                text += ":db/unique :db.unique/value ";
            }
            text += "} ";
        }
        text += "}";
        let map = edn::read(&text).expect("readable");
        let schema = Schema::from_value(&map).expect("a schema");
        let ids = attributes
            .iter()
            .map(|(name, ..)| schema.attribute(&Keyword::from(*name)).expect("declared").id)
            .collect();
        (Self { db: Db::empty(schema, DbOptions::default()), all: BTreeSet::new() }, ids)
    }

    pub fn add(&mut self, e: u64, a: AttrId, value: &Value) {
        let attribute = self.db.schema().by_id(a).expect("declared").clone();
        if !attribute.is_many() {
            for old in self.db.values(EntityId(e), a).expect("readable") {
                self.db.stage_retract(EntityId(e), &attribute, old).expect("staged");
            }
            self.all.retain(|(other, attr, _)| *other != e || *attr != a);
        }
        self.all.insert((e, a, value.clone()));
        self.db.stage_add(EntityId(e), &attribute, encode(value)).expect("staged");
    }
}
