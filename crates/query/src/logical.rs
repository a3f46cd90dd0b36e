//! The logical program: what analysis hands to the planner.
//!
//! ```text
//! text --parse--> ast::Query --analyse--> Logical --plan--> Plan --execute--> rows --shape--> result
//! ```
//!
//! Names are gone: variables, sources and rules are numbers, constants are resolved to entity ids or encoded
//! values, and every clause knows the variables it needs and the ones it can bind. The order of clauses carries no
//! meaning; choosing one is the planner's work.

use std::sync::Arc;

use edn::{Span, Symbol, Value};
use storage::{AttrId, EncodedValue, ValueRange};

use crate::functions::Function;

/// A variable of one query or of one rule definition: an index into its [`VarTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(pub u32);

/// A data source: an index into the sources given to execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u16);

/// A rule name: an index into [`RuleSet::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// Names and first places of a scope's variables.
#[derive(Clone, Debug, Default)]
pub struct VarTable {
    /// `?name` of each variable; made-up ones start with `?#`.
    pub names: Vec<Symbol>,
    /// Where each variable was first written.
    pub spans: Vec<Span>,
}

/// A whole query after analysis.
#[derive(Clone, Debug)]
pub struct Logical {
    /// The variables of the query's own scope.
    pub vars: VarTable,
    /// The `:where` clauses.
    pub body: Conjunction,
    /// Variables that inputs bind, in the order of the columns of the input relation.
    pub inputs: Vec<VarId>,
    /// The variables that leave the body, distinct: those of `:find` (also inside aggregates), then `:with`.
    pub output: Vec<VarId>,
    /// The rules that the body can reach, analysed once each.
    pub rules: Arc<RuleSet>,
    /// How many distinct rows are wanted at most, where neither order nor aggregation needs all of them.
    pub row_limit: Option<usize>,
    /// The aggregation that `:find` asks for, if every find element is a plain variable or a call named in
    /// [`AggregateKind`]; execution may then answer it itself (see [`crate::exec::Relation::aggregated`]), from the
    /// index where it can. `None` where execution must hand out the rows.
    pub aggregation: Option<Aggregation>,
    /// The order in which the first rows are wanted: with [`Logical::row_limit`] set, execution keeps only that many
    /// best rows. Only filled for values of one type per variable; the result is still sorted by whoever asked.
    pub order: Vec<OrderKey>,
}

/// Aggregates over the distinct rows of [`Logical::output`].
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    /// Grouping variables; empty means that all rows are one group. No rows means no group.
    pub group: Vec<VarId>,
    /// What to compute per group.
    pub calls: Vec<AggregateCall>,
}

/// One aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateCall {
    /// Which one.
    pub kind: AggregateKind,
    /// Over which variable.
    pub var: VarId,
}

/// The aggregates that execution knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AggregateKind {
    /// Rows of the group.
    Count,
    /// Distinct values.
    CountDistinct,
    /// Exact sum of integers; execution leaves the aggregation to the caller if it meets another type or overflows.
    Sum,
    /// Mean of integers as a double; as for sums.
    Avg,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
}

/// One key of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderKey {
    /// The variable to order by.
    pub var: VarId,
    /// Largest first.
    pub descending: bool,
}

/// Clauses that must all hold.
#[derive(Clone, Debug, Default)]
pub struct Conjunction {
    /// In the order of the text, duplicates removed.
    pub clauses: Vec<Clause>,
}

/// One condition.
#[derive(Clone, Debug)]
pub enum Clause {
    /// A pattern over a database.
    Pattern(Pattern),
    /// A pattern over a collection of tuples.
    Tuple(TuplePattern),
    /// A value range that comparisons imply for a variable in value position; the planner pushes it to cursors.
    /// The predicates it stems from are dropped by analysis when the range is exact for the attribute's type.
    Range(RangeClause),
    /// `[(f ...)]`: keep rows where the call is truthy.
    Predicate(Call),
    /// `[(f ...) binding]`
    Function(FunctionClause),
    /// `(not ...)` and `(not-join [...] ...)`
    Not(NotClause),
    /// `(or ...)` and `(or-join [...] ...)`
    Or(OrClause),
    /// `(rule ...)`
    Rule(RuleCall),
}

/// An entity or value position.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A variable.
    Var(VarId),
    /// A constant, already coerced and encoded (entity ids as integers); lookup refs and idents are resolved.
    Const(EncodedValue),
    /// `_`, or a position that was left out.
    Blank,
}

/// An attribute position.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrTerm {
    /// A known attribute.
    Const(AttrId),
    /// A variable, bound or free; its values are keywords.
    Var(VarId),
    /// `_`
    Blank,
    /// An attribute that the schema does not know: matches nothing (analysis has warned).
    Unknown,
}

/// `[$ e a v]` over a database.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Which database.
    pub source: SourceId,
    /// Entity position.
    pub e: Term,
    /// Attribute position.
    pub a: AttrTerm,
    /// Value position.
    pub v: Term,
    /// Of an attribute of a registered type: where its stored values may lie, by their order keys.
    pub within: Option<ValueRange>,
    /// Place in the query text.
    pub span: Span,
}

/// A pattern over a source that is a collection of tuples of any width.
#[derive(Clone, Debug)]
pub struct TuplePattern {
    /// Which collection.
    pub source: SourceId,
    /// One term per position; constants are encoded values.
    pub terms: Vec<Term>,
    /// Place in the query text.
    pub span: Span,
}

/// `var` lies in one of `ranges` (sorted, disjoint).
#[derive(Clone, Debug)]
pub struct RangeClause {
    /// The restricted variable.
    pub var: VarId,
    /// Where its values may lie; a point set has equal bounds.
    pub ranges: Vec<ValueRange>,
    /// The predicate's text, for `explain`.
    pub text: String,
    /// Place in the query text.
    pub span: Span,
}

/// A function or predicate call; arguments may nest.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is called.
    pub function: Callee,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// Every variable among the arguments, nested ones included, distinct.
    pub needs: Vec<VarId>,
    /// Place in the query text.
    pub span: Span,
}

/// The target of a call.
#[derive(Clone, Debug)]
pub enum Callee {
    /// A built-in or registered function.
    Function(Arc<Function>),
    /// A variable bound to a function by an input: index into the functions given to execution.
    Input(usize),
    /// `(q query input ...)`: a nested query, analysed at run time against its inputs (cached by distinct inputs).
    NestedQuery(Arc<crate::ast::Query>),
}

/// One argument of a call.
#[derive(Clone, Debug)]
pub enum Arg {
    /// The value of a variable.
    Var(VarId),
    /// A constant.
    Const(Value),
    /// A source (`$`), for `get-else` and its like.
    Source(SourceId),
    /// A nested call.
    Call(Box<Call>),
    /// A function given by an input, passed on as a value (as in `(apply ?f ?xs)`).
    InputFunction(usize),
}

/// `[(f ...) binding]`
#[derive(Clone, Debug)]
pub struct FunctionClause {
    /// The call.
    pub call: Call,
    /// What its result is bound to.
    pub binding: Binding,
}

/// The shape to which a function's result is bound.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// `?x`
    Scalar(VarId),
    /// `_`
    Blank,
    /// `[?x _ ?y]`: at least that many elements.
    Tuple(Vec<Binding>),
    /// `[?x ...]`: one row per element.
    Collection(Box<Binding>),
}

impl Binding {
    /// Calls `f` for each variable, repeated ones as often as they occur.
    pub fn each_var(&self, f: &mut dyn FnMut(VarId)) {
        match self {
            Self::Scalar(var) => f(*var),
            Self::Blank => {}
            Self::Tuple(parts) => parts.iter().for_each(|part| part.each_var(f)),
            Self::Collection(each) => each.each_var(f),
        }
    }
}

/// Rows for which `body` has an answer are dropped.
#[derive(Clone, Debug)]
pub struct NotClause {
    /// Variables shared with the outside; all must be bound before.
    pub join: Vec<VarId>,
    /// The negated clauses; other variables in them are local.
    pub body: Conjunction,
    /// Place in the query text.
    pub span: Span,
}

/// The union of the branches' answers over the shared variables.
#[derive(Clone, Debug)]
pub struct OrClause {
    /// Variables shared with the outside, bound by every branch unless bound before.
    pub join: Vec<VarId>,
    /// Those that must be bound before.
    pub required: Vec<VarId>,
    /// The branches; other variables in them are local.
    pub branches: Vec<Conjunction>,
    /// Place in the query text.
    pub span: Span,
}

/// `($src name arg ...)`
#[derive(Clone, Debug)]
pub struct RuleCall {
    /// Which rule.
    pub rule: RuleId,
    /// One term per head variable.
    pub args: Vec<Term>,
    /// The source that `$` means inside the rule for this call.
    pub source: Option<SourceId>,
    /// Place in the query text.
    pub span: Span,
}

/// All rules reachable from a query.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// Indexed by [`RuleId`].
    pub rules: Vec<Rule>,
}

/// One rule name with its definitions. A rule used under two default sources appears once for each.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Symbol,
    /// Number of head variables.
    pub arity: usize,
    /// How many leading head variables must be bound at the call (`(name [?in] ?out)`).
    pub required: usize,
    /// The alternatives.
    pub branches: Vec<RuleBranch>,
    /// Its stratum, numbered from 0; calls go to the same or a lower stratum, negated calls only to lower ones.
    pub stratum: usize,
    /// Whether it can reach itself.
    pub recursive: bool,
}

/// One definition of a rule.
#[derive(Clone, Debug)]
pub struct RuleBranch {
    /// The variables of this definition.
    pub vars: VarTable,
    /// The head's variables, distinct, as many as the rule's arity.
    pub head: Vec<VarId>,
    /// The body.
    pub body: Conjunction,
    /// Place in the rules' text.
    pub span: Span,
}
