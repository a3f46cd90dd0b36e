//! The table of forms: name, usage, help, and what each does.

mod connect;
mod index;
mod query;
mod transact;

use super::args::Args;
use super::error::EvalError;
use super::item::Item;
use super::session::Session;

/// One form that can be called.
pub struct FormSpec {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// Least and greatest number of arguments.
    pub arity: (usize, usize),
    /// The argument that is data even without a quote: a query or a pattern.
    pub literal: Option<usize>,
    /// Does it.
    pub run: fn(&mut Session, Args) -> Result<Item, EvalError>,
}

impl FormSpec {
    pub(super) fn takes(&self, count: usize) -> bool {
        (self.arity.0..=self.arity.1).contains(&count)
    }
}

/// Any number of arguments.
const MANY: usize = usize::MAX;

macro_rules! forms {
    ($($usage:literal $arity:expr, $literal:expr, $run:path, $help:literal;)*) => {
        /// All forms, in the order of the help.
        pub const FORMS: &[FormSpec] = &[
            $(FormSpec {
                name: name_of($usage),
                usage: $usage,
                help: $help,
                arity: $arity,
                literal: $literal,
                run: $run,
            }),*
        ];
    };
}

forms! {
    "(get-conn dir schema? opts?)" (1, 3), None, connect::get_conn, "opens or creates a database; the schema is merged into the stored one";
    "(create-conn schema? opts?)" (0, 3), None, connect::create_conn, "a connection to a new database in memory";
    "(empty-db schema? opts?)" (0, 3), None, connect::empty_db, "an empty database value";
    "(init-db datoms dir? schema? opts?)" (1, 4), None, connect::init_db, "a database loaded with [e a v] datoms, in memory or in a directory";
    "(conn-from-datoms datoms dir? schema? opts?)" (1, 4), None, connect::conn_from_datoms, "the same as a connection";
    "(conn-from-db db)" (1, 1), None, connect::conn_from_db, "a connection in memory that goes on from a database value";
    "(fill-db conn datoms)" (2, 2), None, connect::fill_db, "loads [e a v] datoms with final ids, without checks";
    "(db conn)" (1, 1), None, connect::db, "the current database value";
    "(schema db)" (1, 1), None, connect::schema, "the schema as a map";
    "(update-schema conn patch deletions? renames?)" (2, 4), None, connect::update_schema, "changes the schema of a connection";
    "(schema-snapshot conn)" (1, 1), None, connect::schema_snapshot, "the schema with its revision";
    "(update-schema-if-revision conn revision patch deletions? renames?)" (3, 5), None, connect::update_schema_if_revision, "changes the schema if nobody else did since";
    "(index-attr conn attr)" (2, 2), None, connect::index_attr, "indexes an attribute that had :db/noindex";
    "(close conn)" (1, 1), None, connect::close, "closes a connection";
    "(closed? conn)" (1, 1), None, connect::is_closed, "whether a connection was closed";
    "(transact! conn tx-data tx-meta?)" (2, 3), None, transact::transact, "commits a transaction; gives its report";
    "(transact conn tx-data tx-meta?)" (2, 3), None, transact::transact, "the same as transact!";
    "(transact-ack! conn tx-data tx-meta?)" (2, 3), None, transact::transact_ack, "commits a transaction; gives :transacted";
    "(transact-async conn tx-data tx-meta?)" (2, 3), None, transact::transact_async, "commits together with others; gives a promise for deref";
    "(deref promise)" (1, 1), None, transact::deref, "waits for the report of transact-async; the database of a connection";
    "(abort-transact tx)" (1, 1), None, transact::abort, "takes back everything that with-transaction did";
    "(listen! conn key)" (2, 2), None, transact::listen, "keeps the reports of later transactions under a key";
    "(unlisten! conn key)" (2, 2), None, transact::unlisten, "stops keeping reports";
    "(heard key)" (1, 1), None, transact::heard, "the reports since listen! or the last heard";
    "(tx-data->simulated-report db tx-data tx-meta?)" (2, 3), None, transact::with, "the same as with";
    "(with db tx-data tx-meta?)" (2, 3), None, transact::with, "the report of a transaction that is not committed";
    "(db-with db tx-data)" (2, 2), None, transact::db_with, "the database as a transaction would leave it";
    "(q query db & inputs)" (1, MANY), Some(0), query::q, "answers a query";
    "(explain opts query db & inputs)" (2, MANY), Some(1), query::explain, "the plan of a query; {:run? true} also runs it";
    "(pull db pattern eid)" (3, 4), Some(1), query::pull, "a tree of one entity";
    "(pull-many db pattern eids)" (3, 4), Some(1), query::pull_many, "a tree of each entity";
    "(entity db eid)" (2, 2), None, query::entity, "an entity, whose attributes are read as (:attr e)";
    "(touch entity)" (1, 1), None, query::touch, "all attributes of an entity as a map";
    "(entid db ref)" (2, 2), None, query::entid, "the id behind an ident or a lookup ref";
    "(datoms db index & components)" (2, 5), None, index::datoms, "the datoms of :eav or :ave under a prefix";
    "(seek-datoms db index & components)" (2, 5), None, index::seek_datoms, "the datoms from a place on";
    "(rseek-datoms db index & components)" (2, 5), None, index::rseek_datoms, "the datoms from a place back";
    "(index-range db attr start end)" (4, 4), None, index::index_range, "the datoms of an attribute between two values";
    "(search-datoms db e a v)" (4, 4), None, index::search_datoms, "the datoms that match, nil being any";
    "(count-datoms db e a v)" (4, 4), None, index::count_datoms, "how many datoms match, nil being any";
    "(cardinality db attr)" (2, 2), None, index::cardinality, "how many distinct values an attribute has";
    "(analyze db attr?)" (1, 2), None, index::analyze, "nothing to do: counts are exact at any time";
    "(max-eid db)" (1, 1), None, index::max_eid, "the largest entity id";
}

/// The name in a usage line.
const fn name_of(usage: &'static str) -> &'static str {
    let bytes = usage.as_bytes();
    let mut end = 1;
    while bytes[end] != b' ' && bytes[end] != b')' {
        end += 1;
    }
    let (_, rest) = usage.split_at(1);
    rest.split_at(end - 1).0
}

/// The form of this name.
pub fn find(name: &str) -> Option<&'static FormSpec> {
    // `d/q` and `d/transact!` are how programs write them.
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    FORMS.iter().find(|spec| spec.name == name)
}
