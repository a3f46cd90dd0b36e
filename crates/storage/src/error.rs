//! What can go wrong below the query language, each kind with its data, a stable code and a class.

use std::path::PathBuf;

use edn::{Keyword, Value};

use crate::ids::AttrId;
use crate::schema::SchemaError;
use crate::types::TypeError;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of schema, values, indexes or the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A schema or a change of it that does not hold.
    #[error(transparent)]
    Schema(#[from] SchemaError),

    /// A registered type, or a value that it cannot take.
    #[error(transparent)]
    Type(Box<TypeError>),

    /// A value that an attribute's type cannot hold.
    #[error("{attribute} takes {expected}, got {got} ({})", got.type_name())]
    TypeMismatch {
        /// The attribute.
        attribute: Keyword,
        /// What its type accepts.
        expected: String,
        /// What was given.
        got: Value,
    },

    /// NaN has no place in an index.
    #[error("{attribute} cannot hold NaN")]
    NotANumber {
        /// The attribute.
        attribute: Keyword,
    },

    /// Facts about nothing are not stored.
    #[error("{attribute} cannot hold nil; retract the fact instead")]
    NilValue {
        /// The attribute.
        attribute: Keyword,
    },

    /// A collection inside a collection inside …
    #[error("the value of {attribute} nests collections deeper than {max} levels")]
    NestedTooDeeply {
        /// The attribute.
        attribute: Keyword,
        /// The limit.
        max: usize,
    },

    /// An attribute that the schema does not know.
    #[error("unknown attribute {attribute}{}", did_you_mean(nearest))]
    UnknownAttribute {
        /// As written.
        attribute: Keyword,
        /// A known attribute with a similar name.
        nearest: Option<Keyword>,
    },

    /// Nothing carries this ident or this unique value.
    #[error("nothing found for entity {reference}")]
    EntityMissing {
        /// The ident or lookup ref.
        reference: Value,
    },

    /// A lookup ref through an attribute that is not unique.
    #[error("lookup ref {reference} needs a unique attribute, and {attribute} is not unique")]
    LookupRefNotUnique {
        /// The attribute.
        attribute: Keyword,
        /// The lookup ref.
        reference: Value,
    },

    /// A lookup ref of the wrong shape.
    #[error("{given} is not a lookup ref: expected [unique-attribute value]")]
    LookupRefSyntax {
        /// What was given.
        given: Value,
    },

    /// Something that can never name an entity.
    #[error("{given} does not name an entity: expected a non-negative integer, an ident or a lookup ref")]
    EntityIdSyntax {
        /// What was given.
        given: Value,
    },

    /// A number that is too large for an entity id.
    #[error("entity id {given} is too large: ids go up to {}", crate::EntityId::MAX)]
    EntityIdRange {
        /// What was given.
        given: u64,
    },

    /// A search by value over an attribute that is kept out of the AVE index.
    #[error("{attribute} has :db/noindex and cannot be searched by value")]
    UnindexedAttribute {
        /// The attribute.
        attribute: Keyword,
    },

    /// An index that does not exist.
    #[error("unknown index {name}: expected :eav or :ave")]
    UnknownIndex {
        /// As written.
        name: String,
    },

    /// Bytes in an index that are no value.
    #[error("damaged value in the database: {reason}")]
    CorruptedValue {
        /// What is wrong.
        reason: &'static str,
        /// The first bytes.
        bytes: Box<[u8]>,
    },

    /// A database written by a later version of this program.
    #[error("the database has format version {found}, and this program reads up to {supported}")]
    FormatTooNew {
        /// The version of the file.
        found: u32,
        /// The newest version that can be read.
        supported: u32,
    },

    /// An LMDB file of another program.
    #[error("{} holds tables of another program ({tables}) and no database of Factum", path.display())]
    ForeignTables {
        /// The file or its directory.
        path: PathBuf,
        /// The names of some tables.
        tables: String,
    },

    /// A file without a Datalog database, opened so that none can be made.
    #[error("there is no Datalog database at {}", path.display())]
    NoDatabase {
        /// The file or its directory.
        path: PathBuf,
    },

    /// An attribute number that the schema does not know.
    #[error("there is no attribute with the number {}", id.0)]
    UnknownAttributeId {
        /// The number.
        id: AttrId,
    },

    /// The schema changed between preparing something for it and using that.
    #[error("the schema is at revision {found}, not {expected} any more")]
    SchemaChanged {
        /// The revision that was prepared for.
        expected: u64,
        /// The present revision.
        found: u64,
    },

    /// More than a structure can hold.
    #[error("too large: {what} (at most {max} bytes)")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        max: u64,
    },

    /// A file beside the database.
    #[error("{action} failed: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The system's error.
        source: std::io::Error,
    },

    /// A write to a database that was opened to be read.
    #[error("the database was opened read-only")]
    ReadOnly,

    /// A second write transaction in a thread that holds one already.
    #[error("this thread is writing already: a second write would wait for itself")]
    WouldDeadlock,

    /// The store below.
    #[error(transparent)]
    Kv(#[from] kv::Error),

    /// Building a file.
    #[error(transparent)]
    Build(#[from] lmdb_pages::build::BuildError),

    /// Reading the file.
    #[error(transparent)]
    Pages(#[from] lmdb_pages::Error),

    /// A file that lost its end, as a copy does that was interrupted.
    #[error("the data file is cut off: it has {found} of its {wanted} bytes ({problem})")]
    CutOff {
        /// Bytes of the file.
        found: u64,
        /// Bytes that its last commit says it has.
        wanted: u64,
        /// A page that is missing.
        problem: String,
    },

    /// A table whose content does not hold together.
    #[error("damaged table {table}: {reason}")]
    Corrupted {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl From<TypeError> for Error {
    fn from(error: TypeError) -> Self {
        Self::Type(Box::new(error))
    }
}

fn did_you_mean(nearest: &Option<Keyword>) -> String {
    nearest.as_ref().map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}

impl Error {
    /// A stable name for programs, in the vocabulary of Datalog databases (`:lookup-ref/unique`).
    pub fn code(&self) -> &'static str {
        match self {
            Error::Schema(error) => error.code(),
            Error::Type(error) => error.code(),
            Error::TypeMismatch { .. } => ":transact/type",
            Error::NotANumber { .. } => ":transact/nan",
            Error::NilValue { .. } | Error::NestedTooDeeply { .. } => ":transact/syntax",
            Error::UnknownAttribute { .. } => ":schema/unknown-attribute",
            Error::EntityMissing { .. } => ":entity-id/missing",
            Error::LookupRefNotUnique { .. } => ":lookup-ref/unique",
            Error::LookupRefSyntax { .. } => ":lookup-ref/syntax",
            Error::EntityIdSyntax { .. } => ":entity-id/syntax",
            Error::EntityIdRange { .. } => ":entity-id/range",
            Error::UnindexedAttribute { .. } => ":query/unindexed-attribute",
            Error::UnknownIndex { .. } => ":index/unknown",
            Error::FormatTooNew { .. } => ":store/format",
            Error::ForeignTables { .. } => ":store/foreign",
            Error::NoDatabase { .. } => ":store/missing",
            Error::UnknownAttributeId { .. } => ":schema/unknown-attribute",
            Error::SchemaChanged { .. } => ":schema/revision-conflict",
            Error::TooLarge { .. } => ":store/too-large",
            Error::Io { .. } => ":store/io",
            Error::ReadOnly => ":store/read-only",
            Error::WouldDeadlock => ":store/deadlock",
            Error::Kv(error) => error.code(),
            Error::Build(error) => error.code(),
            Error::Pages(_)
            | Error::CorruptedValue { .. }
            | Error::CutOff { .. }
            | Error::Corrupted { .. } => ":store/corrupted",
        }
    }

    /// What may help.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Type(error) => error.hint(),
            Error::Schema(SchemaError::Type(error)) => error.hint(),
            Error::Kv(error) => error.hint(),
            _ => None,
        }
    }

    /// The class of the error, finer than its code.
    pub fn class(&self) -> &'static str {
        match self {
            Error::Schema(error) => error.class(),
            Error::Type(error) => error.class(),
            Error::TypeMismatch { .. } => "type-mismatch",
            Error::NotANumber { .. } => "nan",
            Error::NilValue { .. } => "nil-value",
            Error::NestedTooDeeply { .. } => "nested-too-deeply",
            Error::UnknownAttribute { .. } => "unknown-attribute",
            Error::EntityMissing { .. } => "entity-missing",
            Error::LookupRefNotUnique { .. } => "lookup-ref-not-unique",
            Error::LookupRefSyntax { .. } => "lookup-ref-syntax",
            Error::EntityIdSyntax { .. } | Error::EntityIdRange { .. } => "bad-db-id",
            Error::UnindexedAttribute { .. } => "unindexed-attribute",
            Error::UnknownIndex { .. } => "unknown-index",
            Error::FormatTooNew { .. } => "format-too-new",
            Error::ForeignTables { .. } => "foreign",
            Error::NoDatabase { .. } => "no-database",
            Error::UnknownAttributeId { .. } => "unknown-attribute",
            Error::SchemaChanged { .. } => "revision-conflict",
            Error::TooLarge { .. } => "too-large",
            Error::Io { .. } => "io",
            Error::ReadOnly => "read-only",
            Error::WouldDeadlock => "deadlock",
            Error::Kv(error) => error.class(),
            Error::Build(_) => "build",
            Error::CutOff { .. } => "cut-off",
            Error::Pages(_) | Error::CorruptedValue { .. } | Error::Corrupted { .. } => "corrupted",
        }
    }
}
