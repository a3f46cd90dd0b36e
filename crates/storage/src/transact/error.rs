//! [`TransactError`]: why transaction data or a schema change was refused.

use std::fmt;

use edn::{Keyword, Span, Value};
use thiserror::Error;

use crate::EntityId;

/// Why a transaction was refused, where in its text or in which of its items, and what may help.
///
/// A refused transaction leaves no trace.
#[derive(Debug)]
pub struct TransactError {
    kind: Box<TransactErrorKind>,
    span: Option<Span>,
    item: Option<usize>,
    hint: Option<String>,
}

/// What is wrong with a transaction.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransactErrorKind {
    /// The data as a whole is not a sequence.
    #[error("transaction data must be a sequence of items, got a {found}")]
    NotASequence {
        /// The type of what was given.
        found: &'static str,
    },
    /// An item is neither a map nor an operation.
    #[error("{item} is neither a map, an operation vector, a datom nor nil")]
    BadItem {
        /// The item.
        item: Value,
    },
    /// An operation has too few or too many parts.
    #[error("{operation} takes {expected}, got {found} part{}", plural(*found))]
    BadArity {
        /// The operation.
        operation: Keyword,
        /// The parts that it takes.
        expected: &'static str,
        /// How many parts it got after its name.
        found: usize,
    },
    /// The first part of a vector is no operation and no installed function.
    #[error("unknown operation {operation}: no entity with this ident is a transaction fn")]
    UnknownOperation {
        /// The operation.
        operation: Keyword,
    },
    /// An attribute is not a keyword, or is one that cannot be written.
    #[error("{attribute} cannot stand as an attribute: {reason}")]
    BadAttribute {
        /// What stood in place of an attribute.
        attribute: Value,
        /// Why it is none.
        reason: &'static str,
    },
    /// A tempid where only existing entities can stand.
    #[error("tempid {tempid} cannot stand in {operation}: tempids are allowed in :db/add and maps only")]
    TempidNotAllowed {
        /// The tempid.
        tempid: Value,
        /// The operation.
        operation: &'static str,
    },
    /// A tempid that stands only as a value.
    #[error("tempid {tempid} is used only as a value: no item gives it an attribute")]
    DanglingTempid {
        /// The tempid.
        tempid: Value,
    },
    /// A reverse attribute of something that is not a reference.
    #[error("reverse attribute {attribute} needs a reference: {forward} is not of type :db.type/ref")]
    ReverseNeedsRef {
        /// The reverse attribute.
        attribute: Keyword,
        /// The attribute that it reverses.
        forward: Keyword,
    },
    /// A composite tuple was written or retracted directly.
    #[error("{attribute} is derived from {} and cannot be written directly", listed(sources))]
    CompositeWritten {
        /// The composite attribute.
        attribute: Keyword,
        /// The attributes it is made of.
        sources: Vec<Keyword>,
    },
    /// Maps or function results nested too deeply.
    #[error("transaction data nested more than {limit} levels deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Something that should name a function does not.
    #[error("{found} does not name a function: expected {expected}")]
    NotCallable {
        /// What was given.
        found: Value,
        /// What would do.
        expected: &'static str,
    },
    /// A descriptor of a function for something else.
    #[error("a descriptor with :udf/kind {expected} is needed, got {found}")]
    FunctionKind {
        /// The kind of the descriptor.
        found: Value,
        /// The kind that is needed.
        expected: &'static str,
    },
    /// No function is registered under the name.
    #[error("no {role} is registered under the name {name}")]
    UnknownFunction {
        /// The name.
        name: String,
        /// What it was needed as.
        role: &'static str,
    },
    /// A transaction function or a check failed by itself.
    #[error("{name} failed: {source}")]
    FunctionFailed {
        /// The name of the function.
        name: String,
        /// Its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A function that is written out cannot be read.
    #[error("{source}")]
    FunctionSyntax {
        /// What is wrong with it.
        source: super::InterpretError,
    },
    /// `:db/ensure` without arguments.
    #[error("bad arity for :db/ensure: it takes a predicate and at least one argument")]
    EnsureArity,
    /// The predicate of `:db/ensure` is not one.
    #[error(
        "the :db/ensure predicate must be a function, a qualified symbol, an id or a descriptor, got {found}"
    )]
    EnsurePredicate {
        /// What was given.
        found: Value,
    },
    /// An argument of `:db/ensure` is a tempid that stands for nothing.
    #[error(":db/ensure could not resolve tempid {tempid}: no other item uses it")]
    EnsureTempid {
        /// The tempid.
        tempid: Value,
    },
    /// A predicate of `:db/ensure` did not hold.
    #[error(
        "{predicate} does not hold for the database after the transaction, arguments {}",
        listed(arguments)
    )]
    EnsureFailed {
        /// The predicate.
        predicate: String,
        /// Its arguments.
        arguments: Vec<Value>,
    },
    /// A value of a unique attribute belongs to another entity.
    #[error("unique constraint: {attribute} {value} of entity {entity} belongs to entity {owner}")]
    UniqueConflict {
        /// The attribute.
        attribute: Keyword,
        /// The value.
        value: Value,
        /// The entity that was to get it.
        entity: EntityId,
        /// The entity that has it, or had it when the transaction began.
        owner: EntityId,
    },
    /// Identity values of one entity belong to different entities.
    #[error("conflicting upserts: {attribute} {value} belongs to entity {owner}, not to entity {entity}")]
    ConflictingUpserts {
        /// The attribute of the second identity.
        attribute: Keyword,
        /// Its value.
        value: Value,
        /// The entity that the other identity or the id named.
        entity: EntityId,
        /// The entity that has the value.
        owner: EntityId,
    },
    /// The value was not the expected one.
    #[error(
        "compare-and-swap failed: {attribute} of entity {entity} is {}, expected {}",
        listed(found),
        absent(expected)
    )]
    CasFailed {
        /// The entity.
        entity: EntityId,
        /// The attribute.
        attribute: Keyword,
        /// The values that it has.
        found: Vec<Value>,
        /// The value that was expected.
        expected: Value,
    },
    /// A predicate of an attribute did not return true.
    #[error("{value} failed predicate {predicate} of {attribute}")]
    AttributePredicate {
        /// The attribute.
        attribute: Keyword,
        /// The value.
        value: Value,
        /// The predicate.
        predicate: String,
    },
    /// An operation that is not built yet.
    #[error("{feature} is not supported yet")]
    Unsupported {
        /// The feature.
        feature: &'static str,
    },
    /// An id that belongs to a transaction which has not happened.
    #[error(
        "entity id {entity} belongs to a transaction that has not happened: ids of your own go up to {}",
        crate::TX_BASE - 1
    )]
    IdOfFutureTx {
        /// The id.
        entity: EntityId,
    },
    /// No entity id is left below the range of transactions, or none for a transaction.
    #[error("no entity ids are left: the largest one is in use")]
    IdsExhausted,
    /// The transaction kept discovering which entities its tempids stand for.
    #[error("the tempids do not settle after {passes} passes: a transaction function is not pure")]
    Unsettled {
        /// How many times it ran.
        passes: usize,
    },
    /// A schema change was refused.
    #[error(transparent)]
    SchemaChange(SchemaChangeError),
    /// A value, an entity or an attribute that the database cannot take, or a failure to read it.
    #[error(transparent)]
    Storage(crate::Error),
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The items as EDN, or `absent` if there are none.
fn listed<T: fmt::Display>(items: &[T]) -> String {
    match items {
        [] => "absent".into(),
        items => items.iter().map(T::to_string).collect::<Vec<_>>().join(" and "),
    }
}

fn absent(value: &Value) -> String {
    if value.is_nil() { "it to be absent".into() } else { value.to_string() }
}

/// Why a schema change was refused because of the data.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemaChangeError {
    /// A value type cannot change while there is data.
    #[error("value type change is not allowed: {attribute} has data of type {from}")]
    TypeChange {
        /// The attribute.
        attribute: Keyword,
        /// Its type.
        from: String,
        /// The type that was asked for.
        to: String,
    },
    /// A stored value does not fit the new type.
    #[error("cannot migrate {attribute} to {to}: {value} of entity {entity} does not fit")]
    Migration {
        /// The attribute.
        attribute: Keyword,
        /// The new type.
        to: String,
        /// The entity with the value.
        entity: EntityId,
        /// The value.
        value: Value,
    },
    /// Many values cannot become one while there is data.
    #[error("cardinality change is not allowed: {attribute} has data")]
    CardinalityChange {
        /// The attribute.
        attribute: Keyword,
    },
    /// The values are not unique.
    #[error(
        "uniqueness of {attribute} is inconsistent with data: {value} belongs to entities {one} and {other}"
    )]
    Uniqueness {
        /// The attribute.
        attribute: Keyword,
        /// A value that occurs twice.
        value: Value,
        /// An entity that has it.
        one: EntityId,
        /// Another one.
        other: EntityId,
    },
    /// A property that cannot change while there is data.
    #[error("{property} of {attribute} cannot change while there is data")]
    PropertyChange {
        /// The attribute.
        attribute: Keyword,
        /// The property.
        property: Keyword,
    },
    /// An attribute with data cannot be deleted.
    #[error("cannot delete attribute {attribute}: it has {datoms} datom{}", plural(*datoms as usize))]
    AttributeInUse {
        /// The attribute.
        attribute: Keyword,
        /// How many datoms it has.
        datoms: u64,
    },
    /// The schema changed since its revision was read.
    #[error("the schema is at revision {found}, expected {expected}")]
    RevisionConflict {
        /// The revision that the caller saw.
        expected: u64,
        /// The revision that the database has.
        found: u64,
    },
}

impl TransactError {
    pub(crate) fn new(kind: TransactErrorKind) -> Self {
        Self { kind: Box::new(kind), span: None, item: None, hint: None }
    }

    /// Adds the place, unless a more exact one is known.
    pub(crate) fn at(mut self, span: Option<Span>) -> Self {
        self.span = self.span.or(span);
        self
    }

    pub(crate) fn in_item(mut self, item: usize) -> Self {
        self.item = self.item.or(Some(item));
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong.
    pub fn kind(&self) -> &TransactErrorKind {
        &self.kind
    }

    /// Where in the text of the transaction, if it was read from text.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// Which item of the transaction, counted from zero.
    pub fn item(&self) -> Option<usize> {
        self.item
    }

    /// What may help.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// A stable code, such as `:transact/unique`.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// A stable name of the kind of error, finer than its code, such as `unique-conflict`.
    pub fn class(&self) -> &'static str {
        self.kind.class()
    }
}

impl TransactErrorKind {
    /// A stable code, such as `:transact/unique`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UniqueConflict { .. } => ":transact/unique",
            Self::ConflictingUpserts { .. } => ":transact/upsert",
            Self::CasFailed { .. } => ":transact/cas",
            Self::AttributePredicate { .. } => ":transact/attr-pred",
            Self::EnsureFailed { .. } => ":transact/ensure",
            Self::FunctionFailed { .. } => ":transact/function",
            Self::Unsupported { .. } => ":transact/unsupported",
            Self::IdOfFutureTx { .. } | Self::IdsExhausted => ":transact/ids",
            Self::Unsettled { .. } => ":transact/unsettled",
            Self::SchemaChange(error) => error.code(),
            Self::Storage(error) => error.code(),
            Self::FunctionKind { .. } => ":udf/kind-mismatch",
            _ => ":transact/syntax",
        }
    }

    /// A stable name of the kind of error, finer than its code.
    pub fn class(&self) -> &'static str {
        match self {
            Self::NotASequence { .. } | Self::BadItem { .. } => "bad-item",
            Self::BadArity { .. } => "bad-arity",
            Self::UnknownOperation { .. } => "unknown-op",
            Self::BadAttribute { .. } => "bad-attribute",
            Self::TempidNotAllowed { .. } => "tempid-not-allowed",
            Self::DanglingTempid { .. } => "dangling-tempid",
            Self::ReverseNeedsRef { .. } => "reverse-needs-ref",
            Self::CompositeWritten { .. } => "composite-written",
            Self::TooDeep { .. } => "nested-too-deeply",
            Self::NotCallable { .. } => "not-callable",
            Self::FunctionKind { .. } => "function-kind",
            Self::UnknownFunction { .. } => "unknown-function",
            Self::FunctionFailed { .. } => "function-failed",
            Self::FunctionSyntax { .. } => "bad-function",
            Self::EnsureArity => "ensure-arity",
            Self::EnsurePredicate { .. } => "ensure-predicate",
            Self::EnsureTempid { .. } => "ensure-tempid",
            Self::EnsureFailed { .. } => "ensure-failed",
            Self::UniqueConflict { .. } => "unique-conflict",
            Self::ConflictingUpserts { .. } => "conflicting-upserts",
            Self::CasFailed { .. } => "cas-failed",
            Self::AttributePredicate { .. } => "attr-pred-failed",
            Self::Unsupported { .. } => "unsupported",
            Self::IdOfFutureTx { .. } => "future-tx-id",
            Self::IdsExhausted => "ids-exhausted",
            Self::Unsettled { .. } => "unsettled",
            Self::SchemaChange(error) => error.class(),
            Self::Storage(error) => error.class(),
        }
    }
}

impl SchemaChangeError {
    /// A stable code, such as `:schema/revision-conflict`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TypeChange { .. } => ":schema/type-change",
            Self::Migration { .. } => ":schema/migration",
            Self::CardinalityChange { .. } => ":schema/cardinality-change",
            Self::Uniqueness { .. } => ":schema/uniqueness-change",
            Self::PropertyChange { .. } => ":schema/property-change",
            Self::AttributeInUse { .. } => ":schema/attribute-in-use",
            Self::RevisionConflict { .. } => ":schema/revision-conflict",
        }
    }

    /// A stable name of the kind of error.
    pub fn class(&self) -> &'static str {
        match self {
            Self::TypeChange { .. } => "type-change",
            Self::Migration { .. } => "migration-failed",
            Self::CardinalityChange { .. } => "cardinality-change",
            Self::Uniqueness { .. } => "uniqueness-change",
            Self::PropertyChange { .. } => "property-change",
            Self::AttributeInUse { .. } => "attribute-in-use",
            Self::RevisionConflict { .. } => "revision-conflict",
        }
    }
}

impl fmt::Display for TransactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.kind, f)?;
        if let (Some(item), None) = (self.item, self.span) {
            write!(f, " (item {item} of the transaction)")?;
        }
        Ok(())
    }
}

impl std::error::Error for TransactError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.kind)
    }
}

impl From<TransactErrorKind> for TransactError {
    fn from(kind: TransactErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<SchemaChangeError> for TransactError {
    fn from(error: SchemaChangeError) -> Self {
        Self::new(TransactErrorKind::SchemaChange(error))
    }
}

impl From<super::InterpretError> for TransactError {
    /// A function that cannot be read.
    fn from(mut source: super::InterpretError) -> Self {
        let (span, hint) = (source.span.take(), source.hint.take());
        Self { hint, ..Self::new(TransactErrorKind::FunctionSyntax { source }).at(span) }
    }
}

impl From<crate::Error> for TransactError {
    fn from(error: crate::Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { hint, ..Self::new(TransactErrorKind::Storage(error)) }
    }
}

impl From<crate::SchemaError> for TransactError {
    fn from(error: crate::SchemaError) -> Self {
        crate::Error::from(error).into()
    }
}
