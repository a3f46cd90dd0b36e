//! How a database is opened.

use kv::EnvOptions;

use crate::schema::SchemaPatch;
use crate::types::TypeFunctions;

/// How to open or make a database; a builder by value.
///
/// ```
/// # use factum_storage::{Store, StoreOptions};
/// # let dir = tempfile::tempdir()?;
/// let store = StoreOptions::new().closed_schema(true).open(dir.path())?;
/// assert!(store.db()?.options().closed_schema);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct StoreOptions {
    pub(super) env: EnvOptions,
    pub(super) schema: Option<SchemaPatch>,
    pub(super) closed_schema: Option<bool>,
    pub(super) validate_data: Option<bool>,
    pub(super) auto_entity_time: Option<bool>,
    pub(super) adopt: bool,
    pub(super) functions: TypeFunctions,
}

impl StoreOptions {
    /// The defaults: created where missing, options as they are stored.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the file is opened: its size, durability, read-only and so on.
    pub fn env(mut self, env: EnvOptions) -> Self {
        self.env = env;
        self
    }

    /// Refuse writes.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.env = self.env.read_only(read_only);
        self
    }

    /// Attributes to declare on opening; merged into the stored schema.
    pub fn schema(mut self, schema: SchemaPatch) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Whether only declared attributes may be written; stored with the database.
    pub fn closed_schema(mut self, closed_schema: bool) -> Self {
        self.closed_schema = Some(closed_schema);
        self
    }

    /// Whether values must have the declared type already; stored with the database.
    pub fn validate_data(mut self, validate_data: bool) -> Self {
        self.validate_data = Some(validate_data);
        self
    }

    /// Whether creation and update times are kept for entities; stored with the database.
    pub fn auto_entity_time(mut self, auto_entity_time: bool) -> Self {
        self.auto_entity_time = Some(auto_entity_time);
        self
    }

    /// The functions that registered types can name, and how those that are written out are read.
    pub fn type_functions(mut self, functions: TypeFunctions) -> Self {
        self.functions = functions;
        self
    }

    /// Make a database in an LMDB file that already holds tables of another program.
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.adopt = adopt;
        self
    }
}
