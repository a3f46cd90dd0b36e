//! Pull: shaped trees out of a graph of facts.
//!
//! ```text
//! pattern text --parse--> PullPattern --resolve (schema)--> Resolved --walk (cursors)--> nodes --shape--> Value
//! ```
//!
//! A pattern names the attributes that are wanted and, nested in it, what is wanted of the entities they refer to.
//! [`PullPattern`] knows nothing of any database; [`Puller`] holds it against one, reports what the schema does not
//! know, and pulls one entity or many. Everything of one level of the tree is read in one sorted pass, and neither
//! deep data nor wide data costs stack.

mod error;
mod pattern;
mod resolve;
mod shape;
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use edn::{Keyword, Span, Symbol, Value};
use storage::{Db, EntityId};

use crate::exec::Budget;
use crate::functions::{CallContext, Function, FunctionRegistry};

pub use error::PullError;
pub use pattern::PullPattern;

use resolve::Resolved;
use shape::shape;
use walk::Walk;

/// Roots that are walked together: enough to share index pages, few enough to bound the memory of one walk.
const ROOTS_PER_WALK: usize = 4096;

/// Limits of a pull.
#[derive(Clone)]
pub struct PullOptions {
    /// Treat attributes outside the schema as errors instead of warnings.
    pub strict: bool,
    /// How deep maps and vectors may nest in a result; more is [`PullError::TooDeep`].
    pub depth_max: usize,
    /// Entities that one walk may visit; more is [`PullError::TooLarge`].
    pub entities_max: usize,
    /// When to give up.
    pub deadline: Option<Instant>,
    /// Asked now and then; true stops the pull.
    pub cancel: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    /// The account of the query that pulls: entities count as rows, and trees as memory until somebody gives it back.
    pub budget: Option<Budget>,
    /// Told what is looked at, whether or not there is anything. Entities that share a pattern are read together, so the
    /// order is by level, not by branch; what two branches share is visited for both.
    pub visitor: Option<Visitor>,
}

/// A function that is told what a pull looks at.
pub type Visitor = Arc<dyn Fn(Visit<'_>) + Send + Sync>;

/// What a pull looks at; the names of Datalevin's `:visitor` in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit<'a> {
    /// An attribute of an entity (`:db.pull/attr`).
    Attribute {
        /// The entity.
        entity: EntityId,
        /// The attribute.
        attribute: &'a Keyword,
    },
    /// All attributes of an entity (`:db.pull/wildcard`).
    Wildcard {
        /// The entity.
        entity: EntityId,
    },
    /// The entities that refer to one (`:db.pull/reverse`).
    Reverse {
        /// The entity that is referred to.
        entity: EntityId,
        /// The attribute by which they do, without underscore.
        attribute: &'a Keyword,
    },
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            strict: false,
            depth_max: edn::Limits::MAX_DEPTH,
            entities_max: 5_000_000,
            deadline: None,
            cancel: None,
            budget: None,
            visitor: None,
        }
    }
}

/// An attribute of a pattern that the schema does not know; nobody has it.
#[derive(Clone, Debug, PartialEq)]
pub struct PullWarning {
    /// The attribute.
    pub attribute: Keyword,
    /// A known attribute that looks like it.
    pub nearest: Option<String>,
    /// Where it stands in the pattern.
    pub span: Span,
}

impl fmt::Display for PullWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown attribute {}", self.attribute)?;
        self.nearest.as_ref().map_or(Ok(()), |nearest| write!(f, ", did you mean {nearest}?"))
    }
}

/// A function that a pattern names in `:xform`.
#[derive(Clone)]
struct Xform {
    name: Symbol,
    function: Arc<Function>,
}

/// A pattern held against a database, ready to pull any number of entities.
///
/// ```
/// use factum_query::edn;
/// use factum_query::pull::{PullOptions, PullPattern, Puller};
/// use factum_query::storage::{Db, DbOptions, EntityId, Schema};
/// use factum_query::FunctionRegistry;
///
/// let db = Db::empty(Schema::built_in(), DbOptions::default());
/// let db = db.db_with(&edn::read("[{:db/id 1 :name \"Ann\" :age 38}]")?)?;
/// let pattern: PullPattern = "[:name [:age :as :years]]".parse()?;
/// let puller = Puller::new(&db, &pattern, &FunctionRegistry::new(), PullOptions::default())?;
/// assert_eq!(puller.pull(EntityId(1))?, Some(edn::read("{:name \"Ann\" :years 38}")?));
/// assert_eq!(puller.pull(EntityId(2))?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Puller<'d> {
    db: &'d Db,
    resolved: Resolved,
    options: PullOptions,
}

impl<'d> Puller<'d> {
    /// Resolves the pattern's attributes and functions.
    ///
    /// # Errors
    ///
    /// Whatever of the pattern cannot be meant with this schema; see [`PullError`].
    pub fn new(
        db: &'d Db,
        pattern: &PullPattern,
        functions: &FunctionRegistry,
        options: PullOptions,
    ) -> Result<Self, PullError> {
        let resolved = Resolved::new(pattern, db.schema(), functions, options.strict)?;
        Ok(Self { db, resolved, options })
    }

    /// The attributes of the pattern that the schema does not know.
    pub fn warnings(&self) -> &[PullWarning] {
        &self.resolved.warnings
    }

    /// What the pattern shows of one entity; `None` if the entity has nothing of it.
    pub fn pull(&self, entity: EntityId) -> Result<Option<Value>, PullError> {
        Ok(self.pull_many(&[Some(entity)])?.pop().flatten())
    }

    /// What the pattern shows of each entity, in order; absent entities stay absent.
    pub fn pull_many(&self, entities: &[Option<EntityId>]) -> Result<Vec<Option<Value>>, PullError> {
        let mut results = Vec::with_capacity(entities.len());
        let mut walk = Walk::new(self.db, &self.resolved, &self.options);
        for entities in entities.chunks(ROOTS_PER_WALK) {
            let present = entities.iter().flatten().map(|entity| entity.0);
            let roots = present.clone().count();
            walk.run(present)?;
            let mut pulled = shape(&mut walk, &self.resolved, roots)?.into_iter();
            results.extend(entities.iter().map(|entity| entity.and_then(|_| pulled.next().flatten())));
        }
        Ok(results)
    }
}

/// Pulls one entity with the built-in functions and default limits.
///
/// ```
/// # use factum_query::{edn, storage::{Db, DbOptions, EntityId, Schema}, pull::pull};
/// # let db = Db::empty(Schema::built_in(), DbOptions::default());
/// let db = db.db_with(&edn::read("[{:db/id 1 :name \"Ann\"}]")?)?;
/// let ann = pull(&db, &"[*]".parse()?, EntityId(1))?;
/// assert_eq!(ann, Some(edn::read("{:db/id 1 :name \"Ann\"}")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pull(db: &Db, pattern: &PullPattern, entity: EntityId) -> Result<Option<Value>, PullError> {
    Puller::new(db, pattern, &FunctionRegistry::new(), PullOptions::default())?.pull(entity)
}

/// Pulls many entities, in order and with repetitions, in one pass over the indexes.
pub fn pull_many(
    db: &Db,
    pattern: &PullPattern,
    entities: &[EntityId],
) -> Result<Vec<Option<Value>>, PullError> {
    let entities: Vec<Option<EntityId>> = entities.iter().copied().map(Some).collect();
    Puller::new(db, pattern, &FunctionRegistry::new(), PullOptions::default())?.pull_many(&entities)
}

impl Xform {
    fn apply(&self, db: &Db, value: Value) -> Result<Value, String> {
        let context = CallContext { db: Some(db), registry: None };
        self.function.call_with(&context, &[value]).map_err(|error| error.to_string())
    }
}
