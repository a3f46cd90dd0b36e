//! Queries and rules as they are written: the tree that [`parse`](crate::parse()) makes of EDN forms.
//!
//! ```text
//! [:find ?n (count ?p) :in $ ?min :where [?e :name ?n] [?e :pet ?p] [(< ?min ?p)] :order-by ?n]
//!        Find            Input           Clause::Pattern             Clause::Predicate
//! ```
//!
//! The tree mirrors `grammar/query.ebnf`. Nothing is resolved here: attributes, functions and rules are still names,
//! and every part knows its place in the text, so that later stages can point at it.

use std::sync::Arc;

use edn::{Form, Span, Symbol, Value};

use crate::source_text::SourceText;

/// A parsed query, independent of any database: parse once, use often. Clones share the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// `:find`
    pub find: Find,
    /// `:keys`, `:strs` or `:syms`
    pub return_map: Option<ReturnMap>,
    /// `:with`
    pub with: Vec<Variable>,
    /// `:in`, if it was written.
    pub inputs: Option<Vec<Input>>,
    /// `:where`
    pub clauses: Vec<Clause>,
    /// `:having`
    pub having: Vec<Having>,
    /// `:order-by`
    pub order_by: Vec<OrderKey>,
    /// `:limit`
    pub limit: Option<Window>,
    /// `:offset`
    pub offset: Option<Window>,
    /// `:timeout` in milliseconds
    pub timeout: Option<Timeout>,
    /// The text, for errors that point into it; empty for queries that a program built.
    pub text: SourceText,
    /// The whole query.
    pub span: Span,
}

/// A variable where it is written: `?x`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variable {
    /// With its question mark.
    pub name: Symbol,
    /// Place in the text.
    pub span: Span,
}

/// The name of a source where it is written: `$` or `$x`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceName {
    /// With its dollar sign.
    pub name: Symbol,
    /// Place in the text.
    pub span: Span,
}

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Constant {
    /// Its value.
    pub value: Value,
    /// Place in the text.
    pub span: Span,
}

/// `:find`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Find {
    /// What the result looks like.
    pub shape: FindShape,
    /// The columns.
    pub elements: Vec<FindElement>,
    /// Place of the section's content.
    pub span: Span,
}

/// The four shapes of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindShape {
    /// `?a ?b`: all rows.
    Relation,
    /// `[?a ...]`: the first column.
    Collection,
    /// `[?a ?b]` or `?a ?b .`: one row.
    Tuple,
    /// `?a .`: one value.
    Scalar,
}

/// One column of the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FindElement {
    /// `?x`
    Variable(Variable),
    /// `(count ?x)`
    Aggregate(Aggregate),
    /// `(pull ?e [..])`
    Pull(Pull),
    /// `(+ (sum ?x) 1)`
    Arithmetic(Arithmetic),
}

/// `(name arg .. ?x)` or `(aggregate ?f arg .. ?x)`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// Which aggregate.
    pub name: AggregateName,
    /// What stands before the aggregated variable.
    pub args: Vec<AggregateArg>,
    /// The aggregated variable.
    pub over: Variable,
    /// Place in the text.
    pub span: Span,
}

/// The aggregate that is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AggregateName {
    /// By name.
    Named(Symbol, Span),
    /// `(aggregate ?f ?x)`: a function given by an input.
    Input(Variable),
}

/// An argument before the aggregated variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AggregateArg {
    /// A literal.
    Constant(Constant),
    /// An input.
    Variable(Variable),
}

/// Arithmetic over aggregates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arithmetic {
    /// `+ - * / mod rem quot`
    pub operator: Symbol,
    /// What it is applied to.
    pub operands: Vec<Operand>,
    /// Place in the text.
    pub span: Span,
}

/// An operand of arithmetic in `:find`, or an argument of a `:having` predicate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// An aggregate.
    Aggregate(Aggregate),
    /// A literal: in arithmetic a number.
    Constant(Constant),
    /// Nested arithmetic.
    Arithmetic(Arithmetic),
}

/// `(pull $src ?e pattern)`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pull {
    /// The database, if one is named.
    pub source: Option<SourceName>,
    /// The entity.
    pub entity: Variable,
    /// The pattern.
    pub pattern: PullPatternArg,
    /// Place in the text.
    pub span: Span,
}

/// How a pull names its pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PullPatternArg {
    /// Written out.
    Literal(Form),
    /// `?pattern` or a plain symbol, given by an input.
    Input(Variable),
}

/// `:keys`, `:strs`, `:syms`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReturnMap {
    /// The kind of the keys.
    pub kind: ReturnMapKind,
    /// One name per column.
    pub names: Vec<Symbol>,
    /// Place of the section.
    pub span: Span,
}

/// The kinds of keys of return maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReturnMapKind {
    /// `:keys`
    Keywords,
    /// `:strs`
    Strings,
    /// `:syms`
    Symbols,
}

/// One parameter of `:in`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// `$`, `$x`
    Source(SourceName),
    /// `%`
    Rules(Span),
    /// A symbol without a sigil, usable as pull pattern or as argument.
    Plain(Variable),
    /// Anything that binds variables.
    Binding(Binding),
}

/// What an input or the result of a function is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// `?x`
    Scalar(Variable),
    /// `_`
    Blank(Span),
    /// `[?x _ ?y]`
    Tuple(Vec<Binding>, Span),
    /// `[?x ...]`; a relation `[[?x ?y]]` is a collection of tuples.
    Collection(Box<Binding>, Span),
}

/// One condition of `:where`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Clause {
    /// `[?e :a ?v]`
    Pattern(Pattern),
    /// `[(< ?x 3)]`
    Predicate(Call),
    /// `[(+ ?x 1) ?y]`
    Function(FunctionClause),
    /// `(not ..)`, `(not-join [..] ..)`
    Not(Not),
    /// `(or ..)`, `(or-join [..] ..)`
    Or(Or),
    /// `(rule ?x ..)`
    Rule(RuleCall),
}

/// `[$src e a v ..]`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The source, if one is named.
    pub source: Option<SourceName>,
    /// At least one term.
    pub terms: Vec<Term>,
    /// Place in the text.
    pub span: Span,
}

/// One position of a pattern or a rule call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// `?x`
    Variable(Variable),
    /// `_`
    Blank(Span),
    /// A literal.
    Constant(Constant),
}

/// `(f arg ..)`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// What is called.
    pub target: CallTarget,
    /// Its arguments.
    pub args: Vec<Argument>,
    /// Place in the text.
    pub span: Span,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallTarget {
    /// A built-in or registered function.
    Named(Symbol, Span),
    /// A function given by an input.
    Variable(Variable),
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// `?x`
    Variable(Variable),
    /// `$`
    Source(SourceName),
    /// A literal; vectors, maps and sets are literals whatever they hold.
    Constant(Constant),
    /// A symbol without a sigil: the name of a function, or of a plain input.
    Name(Symbol, Span),
    /// A nested call.
    Call(Box<Call>),
    /// The query of `(q query input ..)`.
    Query(Arc<Query>),
}

/// `[(f arg ..) binding]`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionClause {
    /// The call.
    pub call: Call,
    /// What its result is bound to.
    pub binding: Binding,
    /// Place in the text.
    pub span: Span,
}

/// `(not ..)` or `(not-join [..] ..)`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Not {
    /// The default source inside, if one is named.
    pub source: Option<SourceName>,
    /// The variables of `not-join`.
    pub join: Option<Vec<Variable>>,
    /// What must not hold together.
    pub clauses: Vec<Clause>,
    /// Place in the text.
    pub span: Span,
}

/// `(or ..)` or `(or-join [..] ..)`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Or {
    /// The default source inside, if one is named.
    pub source: Option<SourceName>,
    /// The variables of `or-join`.
    pub join: Option<RuleVars>,
    /// The alternatives.
    pub branches: Vec<Branch>,
    /// Place in the text.
    pub span: Span,
}

/// One alternative of an `or`: a clause, or several in `(and ..)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Branch {
    /// Its clauses.
    pub clauses: Vec<Clause>,
    /// Place in the text.
    pub span: Span,
}

/// `($src name arg ..)`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleCall {
    /// The source that `$` means inside the rule, if one is named.
    pub source: Option<SourceName>,
    /// The rule's name.
    pub name: Symbol,
    /// Place of the name.
    pub name_span: Span,
    /// At least one argument.
    pub args: Vec<Term>,
    /// Place in the text.
    pub span: Span,
}

/// The variables of a rule head or an `or-join`: `[?required ..] ?free ..`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RuleVars {
    /// Those that must be bound before.
    pub required: Vec<Variable>,
    /// The others.
    pub free: Vec<Variable>,
}

impl RuleVars {
    /// All of them, required ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.required.iter().chain(&self.free)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.required.len() + self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Definitions of rules, as they are passed for `%`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    /// In the order of the text.
    pub definitions: Vec<RuleDefinition>,
    /// The text, for errors that point into it; empty for rules that a program built.
    pub text: SourceText,
}

/// `[(name ?a ?b) clause ..]`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleDefinition {
    /// The name.
    pub name: Symbol,
    /// Place of the head.
    pub head_span: Span,
    /// The head's variables.
    pub vars: RuleVars,
    /// The body.
    pub clauses: Vec<Clause>,
    /// Place in the text.
    pub span: Span,
}

/// `[(pred arg ..)]` of `:having`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Having {
    /// The predicate.
    pub predicate: Symbol,
    /// Place of its name.
    pub predicate_span: Span,
    /// Its arguments.
    pub args: Vec<Operand>,
    /// Place in the text.
    pub span: Span,
}

/// One key of `:order-by`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderKey {
    /// What to order by.
    pub column: OrderColumn,
    /// Largest first.
    pub descending: bool,
    /// Place in the text.
    pub span: Span,
}

/// A column of the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrderColumn {
    /// By its variable.
    Variable(Variable),
    /// By its number, from 0; checked against `:find` by the parser.
    Index(i64),
}

/// `:limit` or `:offset`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// A number; `None` is no limit.
    Count(Option<u64>, Span),
    /// Given by a scalar input.
    Variable(Variable),
}

/// `:timeout`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeout {
    /// In milliseconds.
    pub millis: u64,
    /// Place in the text.
    pub span: Span,
}
