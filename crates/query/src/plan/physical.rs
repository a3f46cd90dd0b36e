//! The physical plan: pipelines of steps, each with its estimate and the reason why it was chosen.
//!
//! ```text
//! Plan
//!  └ Pipeline    start -> step -> step -> .. -> output
//!                          └ build: Pipeline        (hash join, product)
//!                          └ branches: [Pipeline]   (not, or), started from the distinct bindings of the outer rows
//! ```
//!
//! Steps name variables, not column numbers: the layout between two steps is a list of variables, and operators look
//! their columns up once when a pipeline is opened. So a plan can be read, printed and compared as it is.

use std::sync::Arc;

use edn::{Span, Symbol};
use storage::{AttrId, EncodedValue, ValueRange};

use crate::logical::{Aggregation, Binding, Call, OrderKey, SourceId, VarId};
use crate::rules::RuleProgram;

/// Number of a step, unique in a plan: where its measurements are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

/// A planned query.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The steps that produce the rows.
    pub pipeline: Pipeline,
    /// What happens to the rows at the end.
    pub finish: Finish,
    /// Names of all variables, made-up ones included.
    pub names: Vec<Symbol>,
    /// How many steps there are in all pipelines together.
    pub steps: u32,
    /// Whether constants were compared with each other to make the plan, so that it holds for no others.
    pub fixed: bool,
}

impl Plan {
    /// Where each variable of the result is among the columns of the last step.
    pub(crate) fn output_columns(&self) -> Vec<usize> {
        let layout = self.pipeline.output();
        let place = |var: &VarId| {
            layout.iter().position(|other| other == var).expect("the plan's last layout has all outputs")
        };
        self.finish.output.iter().map(place).collect()
    }
}

/// The last part of a plan.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The variables of the result.
    pub output: Vec<VarId>,
    /// Whether rows may repeat and must be made distinct.
    pub distinct: bool,
    /// Aggregation by execution itself.
    pub aggregation: Option<Aggregation>,
    /// Wanted order, with [`Finish::limit`]: keep only the first rows.
    pub order: Vec<OrderKey>,
    /// How many rows are wanted.
    pub limit: Option<usize>,
    /// The aggregation as the index answers it, without rows.
    pub index: Option<IndexAnswer>,
    /// From which step on several threads work, where enough work is expected.
    pub split: Option<usize>,
    /// Rows come in the order of the first key of [`Finish::order`], so reading can stop after the last wanted one.
    pub ordered: bool,
}

/// An aggregation over one attribute that an index answers.
#[derive(Clone, Debug)]
pub struct IndexAnswer {
    /// Which database.
    pub source: SourceId,
    /// Which attribute.
    pub attr: AttrId,
    /// Which values.
    pub ranges: Ranges,
    /// Whether there is a group for each value; else all facts are one group.
    pub by_value: bool,
    /// What is asked of each group.
    pub calls: Vec<IndexCall>,
}

/// What an index knows of a group of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexCall {
    /// Datoms: pairs of entity and value, or entities where each has one value.
    Datoms,
    /// Distinct values.
    Values,
    /// The smallest value.
    First,
    /// The largest value.
    Last,
}

/// Where a pipeline's rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// One row without columns.
    Unit,
    /// The relation that the pipeline is given: the query's inputs, or bindings of the outer rows.
    Input,
}

/// Steps applied one after the other to batches of rows.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Where rows come from.
    pub start: Start,
    /// The variables of the given relation, if the pipeline starts with it.
    pub input: Vec<VarId>,
    /// The steps.
    pub steps: Vec<Step>,
    /// Rows expected at the end.
    pub rows: f64,
    /// Cost of all steps, in rows touched.
    pub cost: f64,
}

impl Pipeline {
    /// The variables of the columns that leave the pipeline.
    pub fn output(&self) -> &[VarId] {
        match self.steps.last() {
            Some(step) => &step.layout,
            None => &self.input,
        }
    }

    /// Whether the pipeline, or a build side below it, reads the relation that it is given.
    pub fn reads_input(&self) -> bool {
        self.start == Start::Input || self.builds().any(Pipeline::reads_input)
    }

    /// Whether the pipeline, or any below it, reads tables of a rule evaluation.
    pub fn reads_tables(&self) -> bool {
        let own = self.steps.iter().any(|step| match &step.op {
            Op::Table(_) => true,
            Op::Not(nested) | Op::Or(nested) => nested.bodies.iter().any(Pipeline::reads_tables),
            _ => false,
        });
        own || self.builds().any(Pipeline::reads_tables)
    }

    fn builds(&self) -> impl Iterator<Item = &Pipeline> {
        self.steps.iter().filter_map(|step| match &step.op {
            Op::HashJoin(HashJoin { build, .. }) | Op::Product(build) => Some(&**build),
            _ => None,
        })
    }
}

/// One operator with its place in the plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// What it does.
    pub op: Op,
    /// The variables of the columns that it hands on: those of the incoming ones that are still needed, then its own.
    pub layout: Vec<VarId>,
    /// Rows expected after it.
    pub rows: f64,
    /// Its own cost, in rows touched.
    pub cost: f64,
    /// Why this operator and not another, for `explain`.
    pub reason: String,
}

/// The operators.
#[derive(Clone, Debug)]
pub enum Op {
    /// Adds columns with one value each.
    Constants(Vec<(VarId, EncodedValue)>),
    /// AVE range scan.
    Scan(Scan),
    /// EAV merge scan over known entities.
    Star(Star),
    /// AVE lookups of known values: reverse links and value joins.
    Reverse(Reverse),
    /// Intersection of several sorted adjacency lists per row.
    Intersect(Intersect),
    /// A pattern whose attribute is a variable or blank.
    Open(OpenPattern),
    /// A pattern over a collection of tuples.
    Tuples(Tuples),
    /// Rows whose entity is in a set built beforehand from the AVE index.
    SemiJoin(SemiJoin),
    /// Hash join with the rows of another pipeline.
    HashJoin(HashJoin),
    /// All combinations with the rows of another pipeline.
    Product(Box<Pipeline>),
    /// Rows where a call is truthy.
    Filter(Call),
    /// Rows where a variable's value lies in ranges.
    InRanges(InRanges),
    /// Rows where two variables are equal.
    Equal(VarId, VarId),
    /// A call whose result is bound.
    Apply(Apply),
    /// Rows for which a body has no answer.
    Not(Nested),
    /// Rows joined with the union of several bodies' answers.
    Or(Nested),
    /// Rows joined with the answers of a recursive rule.
    Rule(RuleStep),
    /// Rows joined with a table of a rule evaluation in progress.
    Table(TableStep),
    /// Rows without repetitions.
    Distinct,
    /// No rows at all, with columns for these variables.
    Nothing(Vec<VarId>),
}

/// Where values may lie; shared because plans are cloned.
pub type Ranges = Arc<[ValueRange]>;

/// Every value.
pub fn everything() -> Ranges {
    Arc::from([ValueRange::ALL])
}

/// A scan of one attribute in the AVE index.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Which database.
    pub source: SourceId,
    /// Which attribute.
    pub attr: AttrId,
    /// Which values, ascending and disjoint.
    pub ranges: Ranges,
    /// Receives the entity.
    pub e: Option<VarId>,
    /// Receives the value; the same variable as `e` means that both must be equal.
    pub v: Option<VarId>,
    /// Largest values first.
    pub backward: bool,
}

/// A known entity or value: a column, or the same for all rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// The value of a variable.
    Var(VarId),
    /// A constant.
    Const(EncodedValue),
}

impl Operand {
    /// The variable, if it is one.
    pub fn var(&self) -> Option<VarId> {
        match self {
            Self::Var(var) => Some(*var),
            Self::Const(_) => None,
        }
    }
}

/// How an operator reaches an attribute's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// By cursor, once per distinct key.
    Cursor,
    /// From a copy of the whole attribute, indexed by key, that is made once per execution.
    Memo,
}

/// Several attributes of known entities, read in one pass.
#[derive(Clone, Debug)]
pub struct Star {
    /// Which database.
    pub source: SourceId,
    /// The entities.
    pub e: Operand,
    /// The attributes, in the order in which they are tested.
    pub attrs: Vec<StarAttr>,
    /// How facts are reached.
    pub access: Access,
}

/// One attribute of a star.
#[derive(Clone, Debug)]
pub struct StarAttr {
    /// Which attribute.
    pub attr: AttrId,
    /// Which values count.
    pub test: Test,
    /// Receives the value; without it one matching value is enough.
    pub out: Option<VarId>,
}

/// A condition on values.
#[derive(Clone, Debug)]
pub enum Test {
    /// Any value.
    Any,
    /// One value.
    Equals(EncodedValue),
    /// The value of a variable that is bound by the incoming rows or by an earlier attribute of the star.
    Var(VarId),
    /// Values in ranges.
    In(Ranges),
}

/// Entities that have known values.
#[derive(Clone, Debug)]
pub struct Reverse {
    /// Which database.
    pub source: SourceId,
    /// Which attribute.
    pub attr: AttrId,
    /// The values.
    pub v: VarId,
    /// Receives the entity; without it one entity is enough.
    pub e: Option<VarId>,
    /// How facts are reached.
    pub access: Access,
}

/// A new variable that must be adjacent to several known ones.
#[derive(Clone, Debug)]
pub struct Intersect {
    /// The new variable.
    pub var: VarId,
    /// Its adjacency lists, at least two.
    pub edges: Vec<Edge>,
}

/// One adjacency list of an [`Intersect`].
#[derive(Clone, Debug)]
pub struct Edge {
    /// Which database.
    pub source: SourceId,
    /// A reference attribute.
    pub attr: AttrId,
    /// The known end.
    pub from: VarId,
    /// Whether the known end is the entity (and the new variable the value).
    pub forward: bool,
    /// How facts are reached.
    pub access: Access,
}

/// A pattern with an attribute that is not constant, or is of a registered type.
#[derive(Clone, Debug)]
pub struct OpenPattern {
    /// Which database.
    pub source: SourceId,
    /// The attribute of a registered type; the term in its position is blank.
    pub attr: Option<AttrId>,
    /// Entity, attribute and value.
    pub terms: [OpenTerm; 3],
    /// One range: where the stored values of that attribute may lie, by their order keys.
    pub within: Ranges,
}

/// A position of an [`OpenPattern`] or of [`Tuples`].
#[derive(Clone, Debug, PartialEq)]
pub enum OpenTerm {
    /// A variable that the incoming rows bind.
    Bound(VarId),
    /// A constant.
    Const(EncodedValue),
    /// A variable that this step binds; a second position with it must be equal.
    New(VarId),
    /// Anything.
    Blank,
}

/// A pattern over a collection of tuples.
#[derive(Clone, Debug)]
pub struct Tuples {
    /// Which collection.
    pub source: SourceId,
    /// One term per position.
    pub terms: Vec<OpenTerm>,
    /// Place in the query text.
    pub span: Span,
}

/// Membership of an entity in a set.
#[derive(Clone, Debug)]
pub struct SemiJoin {
    /// Which database.
    pub source: SourceId,
    /// The tested entity.
    pub e: VarId,
    /// The attribute that the entity must have.
    pub attr: AttrId,
    /// With a value in these ranges.
    pub ranges: Ranges,
}

/// A hash join.
#[derive(Clone, Debug)]
pub struct HashJoin {
    /// The side that is read first and kept.
    pub build: Box<Pipeline>,
    /// The shared variables.
    pub on: Vec<VarId>,
}

/// A range test.
#[derive(Clone, Debug)]
pub struct InRanges {
    /// The tested variable.
    pub var: VarId,
    /// Where its value may lie.
    pub ranges: Ranges,
    /// The predicate's text.
    pub text: String,
}

/// A function call with a binding.
#[derive(Clone, Debug)]
pub struct Apply {
    /// The call.
    pub call: Call,
    /// What its result is bound to; variables that the rows already bind must be equal to it.
    pub binding: Binding,
}

/// Bodies that run on the distinct bindings of the outer rows.
#[derive(Clone, Debug)]
pub struct Nested {
    /// The outer variables given to the bodies.
    pub seeds: Vec<VarId>,
    /// The variables that the bodies answer: the seeds, then new ones.
    pub answers: Vec<VarId>,
    /// One body for `not`, any number for `or`.
    pub bodies: Vec<Pipeline>,
}

/// A call of a recursive rule.
#[derive(Clone, Debug)]
pub struct RuleStep {
    /// How the rule is evaluated.
    pub program: Arc<RuleProgram>,
    /// The call's arguments: distinct variables, bound ones first as the program's demand says.
    pub args: Vec<VarId>,
    /// Those that the outer rows bind.
    pub seeds: Vec<VarId>,
}

/// A join with a table of the rule evaluation that this pipeline is part of.
#[derive(Clone, Debug)]
pub struct TableStep {
    /// Which table.
    pub table: usize,
    /// Whether only the rows of the last round count.
    pub delta: bool,
    /// One term per column of the table.
    pub terms: Vec<OpenTerm>,
}
