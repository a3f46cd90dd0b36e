//! The table of forms: name, usage, help, and what each does.

mod connect;
mod entity;
mod ids;
mod index;
mod kv;
mod prepare;
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
    /// The argument that is transaction data.
    pub tx_data: Option<usize>,
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
                tx_data: tx_data_of($usage),
                run: $run,
            }),*
        ];
    };
}

forms! {
    "(get-conn dir schema? opts?)" (1, 3), None, connect::get_conn, "opens or creates a database; the schema is merged into the stored one";
    "(create-conn dir? schema? opts?)" (0, 3), None, connect::create_conn, "a connection to a new database in memory";
    "(empty-db dir? schema? opts?)" (0, 3), None, connect::empty_db, "an empty database value, or that of a directory";
    "(init-db datoms dir? schema? opts?)" (1, 4), None, connect::init_db, "a database loaded with [e a v] datoms, in memory or in a directory";
    "(conn-from-datoms datoms dir? schema? opts?)" (1, 4), None, connect::conn_from_datoms, "the same as a connection";
    "(conn-from-db db)" (1, 1), None, connect::conn_from_db, "a connection in memory that goes on from a database value";
    "(fill-db conn datoms)" (2, 2), None, connect::fill_db, "loads [e a v] datoms with final ids, without checks";
    "(db conn)" (1, 1), None, connect::db, "the current database value";
    "(schema db)" (1, 1), None, connect::schema, "the schema as a map";
    "(update-schema conn patch deletions? renames?)" (2, 4), None, connect::update_schema, "changes the schema of a connection";
    "(register-type conn name definition)" (3, 3), None, connect::register_type, "a value type with an order of its own: {:index {:type :long :order-fn (fn [v] ..)}}";
    "(types db)" (1, 1), None, connect::types, "the registered types as a map";
    "(schema-snapshot conn)" (1, 1), None, connect::schema_snapshot, "the schema with its revision";
    "(update-schema-if-revision conn revision patch deletions? renames?)" (3, 5), None, connect::update_schema_if_revision, "changes the schema if nobody else did since";
    "(clear conn)" (1, 1), None, connect::clear, "takes away all facts and attributes";
    "(reset-conn! conn db tx-meta?)" (2, 3), None, connect::reset_conn, "replaces everything by the facts and the schema of a database";
    "(index-attr conn attr)" (2, 2), None, connect::index_attr, "indexes an attribute that had :db/noindex";
    "(close conn)" (1, 1), None, connect::close, "closes a connection";
    "(closed? conn)" (1, 1), None, connect::is_closed, "whether a connection was closed";
    "(conn? x)" (1, 1), None, connect::is_conn, "whether something is an open connection";
    "(db? x)" (1, 1), None, connect::is_db, "whether something is a database";
    "(opts conn)" (1, 1), None, connect::opts, "the options that are stored with the database";
    "(transact! conn tx-data tx-meta?)" (2, 3), None, transact::transact, "commits a transaction; gives its report";
    "(transact conn tx-data tx-meta?)" (2, 3), None, transact::transact, "the same as transact!";
    "(transact-ack! conn tx-data tx-meta?)" (2, 3), None, transact::transact_ack, "commits a transaction; gives :transacted";
    "(transact-async conn tx-data tx-meta?)" (2, 3), None, transact::transact_async, "commits together with others; gives a promise for deref";
    "(deref promise)" (1, 1), None, transact::deref, "waits for the report of transact-async; the database of a connection";
    "(set-explicit-transaction-timeout! ms)" (1, 1), None, transact::set_explicit_timeout, "how long a with-transaction may take that does not say it; nil for any time";
    "(explicit-transaction-timeout ms?)" (0, 1), None, transact::explicit_timeout, "the same, and what it is without an argument";
    "(datom e a v added?)" (3, 4), None, connect::datom, "a datom, for transactions and init-db";
    "(abort-transact tx)" (1, 1), None, transact::abort, "takes back everything that with-transaction did";
    "(listen! conn key)" (2, 2), None, transact::listen, "keeps the reports of later transactions under a key";
    "(unlisten! conn key)" (2, 2), None, transact::unlisten, "stops keeping reports";
    "(heard key)" (1, 1), None, transact::heard, "the reports since listen! or the last heard";
    "(tx-data->simulated-report db tx-data tx-meta?)" (2, 3), None, transact::with, "the same as with";
    "(with db tx-data tx-meta?)" (2, 3), None, transact::with, "the report of a transaction that is not committed";
    "(db-with db tx-data)" (2, 2), None, transact::db_with, "the database as a transaction would leave it";
    "(q query db & inputs)" (1, MANY), Some(0), query::q, "answers a query";
    "(explain opts query db & inputs)" (2, MANY), Some(1), query::explain, "the plan of a query; {:run? true} also runs it";
    "(prepare-q db query)" (2, 2), Some(1), prepare::prepare_q, "a query to be asked many times, with the inputs after its database in a vector";
    "(pull db pattern eid opts?)" (3, 4), Some(1), query::pull, "a tree of one entity; the options are {:timeout ms}";
    "(pull-many db pattern eids opts?)" (3, 4), Some(1), query::pull_many, "a tree of each entity";
    "(prepare-pull db pattern opts?)" (2, 3), Some(1), prepare::prepare_pull, "a pull to be asked many times";
    "(execute-prepared prepared view? input)" (2, 3), None, prepare::execute, "does what was prepared, for an input, of the view that it was made with or of another";
    "(entity db eid)" (2, 2), None, query::entity, "an entity, whose attributes are read as (:attr e)";
    "(touch entity)" (1, 1), None, query::touch, "all attributes of an entity as a map";
    "(entity-db entity)" (1, 1), None, entity::entity_db, "the database that an entity is read from";
    "(assoc entity attr value ..)" (3, MANY), None, entity::assoc, "an entity with values set; transact it to keep them";
    "(update entity attr f)" (3, MANY), None, entity::update, "an entity with a value replaced by what a function makes of it";
    "(add entity attr value)" (3, 3), None, entity::add, "an entity with one more value";
    "(retract entity attr value?)" (2, 3), None, entity::retract, "an entity without a value, or without all of an attribute";
    "(entid db ref)" (2, 2), None, query::entid, "the id behind an ident or a lookup ref";
    "(datoms db index c1? c2? c3? n?)" (2, 6), None, index::datoms, "the datoms of :eav or :ave under a prefix";
    "(seek-datoms db index c1? c2? c3? n?)" (2, 6), None, index::seek_datoms, "the datoms from a place on";
    "(rseek-datoms db index c1? c2? c3? n?)" (2, 6), None, index::rseek_datoms, "the datoms from a place back";
    "(index-range db attr start end)" (4, 4), None, index::index_range, "the datoms of an attribute between two values";
    "(search-datoms db e a v)" (4, 4), None, index::search_datoms, "the datoms that match, nil being any";
    "(count-datoms db e a v)" (4, 4), None, index::count_datoms, "how many datoms match, nil being any";
    "(sample-datoms db n attr? start? end?)" (2, 5), None, index::sample_datoms, "datoms drawn evenly by rank, of all or of an attribute's values in a range";
    "(cardinality db attr)" (2, 2), None, index::cardinality, "how many distinct values an attribute has";
    "(analyze db attr?)" (1, 2), None, index::analyze, "nothing to do: counts are exact at any time";
    "(max-eid db)" (1, 1), None, index::max_eid, "the largest entity id";
    "(datom? x)" (1, 1), None, ids::is_datom, "whether something is a datom";
    "(datom-e datom)" (1, 1), None, ids::datom_e, "the entity of a datom";
    "(datom-a datom)" (1, 1), None, ids::datom_a, "the attribute of a datom";
    "(datom-v datom)" (1, 1), None, ids::datom_v, "the value of a datom";
    "(tempid partition id?)" (1, 2), None, ids::tempid, "a new tempid, or the one that is given; :db/current-tx for :db.part/tx";
    "(resolve-tempid db tempids tempid)" (3, 3), None, ids::resolve_tempid, "the entity of a tempid in the :tempids of a report";
    "(squuid ms?)" (0, 1), None, ids::squuid, "a random uuid that begins with the time, so later ones sort behind";
    "(squuid-time-millis uuid)" (1, 1), None, ids::squuid_time, "the time of such a uuid, to the second";
    "(open-kv dir opts?)" (1, 2), None, kv::open_kv, "opens or creates a key-value store; nil for one in memory";
    "(datalog-kv conn)" (1, 1), None, kv::datalog_kv, "the key-value store of a connection's own file";
    "(close-kv kv)" (1, 1), None, kv::close_kv, "closes a store";
    "(closed-kv? kv)" (1, 1), None, kv::is_closed_kv, "whether a store was closed";
    "(dir kv)" (1, 1), None, kv::dir, "the directory of a store";
    "(sync kv)" (1, 1), None, kv::sync, "forces everything committed to disk";
    "(set-env-flags kv flags on?)" (2, 3), None, kv::set_env_flags, "sets or clears :nosync, :nometasync, :mapasync, :nomeminit";
    "(get-env-flags kv)" (1, 1), None, kv::get_env_flags, "LMDB's flags of a store";
    "(open-dbi kv table opts?)" (2, 3), None, kv::open_dbi, "opens or creates a table, counted unless :flags say otherwise";
    "(open-list-dbi kv table opts?)" (2, 3), None, kv::open_list_dbi, "opens or creates a list table: a key has a sorted set of values";
    "(clear-dbi kv table)" (2, 2), None, kv::clear_dbi, "deletes all pairs of a table";
    "(drop-dbi kv table)" (2, 2), None, kv::drop_dbi, "deletes a table";
    "(list-dbis kv)" (1, 1), None, kv::list_dbis, "the names of all tables";
    "(list-dbi? kv table)" (2, 2), None, kv::is_list_dbi, "whether a table is a list table";
    "(dbi-opts kv table)" (2, 2), None, kv::dbi_opts, "a table's flags and types";
    "(stat kv table?)" (1, 2), None, kv::stat, "pages, depth and entries of a table, or of the table of tables";
    "(entries kv table)" (2, 2), None, kv::entries, "how many pairs a table has";
    "(copy kv dest compact?)" (2, 3), None, kv::copy, "copies a store while it is in use";
    "(re-index kv opts?)" (1, 2), None, kv::re_index, "rebuilds tables, and gives the store: {:tables {name {:flags .. :key-type ..}} :backup? true}; the backup is in the system's temporary directory, and stays until you remove it";
    "(transact-kv kv table? txs k-type? v-type?)" (2, 5), None, kv::transact_kv, "writes [:put table k v kt vt flags], [:del ..], [:put-list ..], [:del-list ..] together";
    "(transact-kv-async kv table? txs k-type? v-type? callback?)" (2, 6), None, kv::transact_kv_async, "the same, committed together with others; gives a promise for deref";
    "(with-transaction-kv [tx kv] body ..)" (1, MANY), None, kv::special, "several steps as one transaction; an error takes them back";
    "(abort-transact-kv tx)" (1, 1), None, kv::abort_transact_kv, "marks a transaction to be taken back at its end";
    "(open-transact-kv kv)" (1, 1), None, kv::open_transact_kv, "begins a transaction";
    "(close-transact-kv tx)" (1, 1), None, kv::close_transact_kv, "ends it: :committed or :aborted";
    "(update-kv kv table k f k-type? v-type? & args)" (4, MANY), None, kv::update_kv, "replaces a value by what a function makes of it and of the arguments; nil deletes";
    "(prepare-update-kv kv table f k-type? v-type? & args)" (3, MANY), None, prepare::prepare_update_kv, "an update-kv to be done for many keys";
    "(kv-wal-watermarks kv)" (1, 1), None, kv::kv_wal_watermarks, "how far the write-ahead log is: {:wal? true :checkpoint 7 :committed 9 :bytes 800}";
    "(flush-kv-indexer! kv)" (1, 1), None, kv::flush_kv_indexer, "carries the write-ahead log over into the data file";
    "(k pair)" (1, 1), None, kv::k, "the key of a raw pair, as bytes";
    "(v pair)" (1, 1), None, kv::v, "the value of a raw pair, as bytes";
    "(put-buffer buffer x type?)" (2, 3), None, kv::put_buffer, "bytes with those of a value behind; buffer may be nil";
    "(read-buffer buffer type?)" (1, 2), None, kv::read_buffer, "the value of bytes";
    "(get-value kv table k k-type? v-type? ignore-key?)" (3, 6), None, kv::get_value, "the value of a key; of a list, the least";
    "(prepare-get-value kv table k-type? v-type? ignore-key?)" (2, 5), None, prepare::prepare_get_value, "a get-value to be done for many keys";
    "(get-rank kv table k k-type?)" (3, 4), None, kv::get_rank, "how many pairs stand before a key";
    "(get-by-rank kv table rank k-type? v-type? ignore-key?)" (3, 6), None, kv::get_by_rank, "the pair that so many stand before";
    "(get-first kv table k-range k-type? v-type? ignore-key?)" (3, 6), None, kv::get_first, "the first pair of a range";
    "(get-first-n kv table n k-range k-type? v-type? ignore-key?)" (4, 7), None, kv::get_first_n, "the first pairs of a range";
    "(get-range kv table k-range k-type? v-type? ignore-key?)" (3, 6), None, kv::get_range, "the pairs of a range, such as [:closed 1 9] or [:all-back]";
    "(key-range kv table k-range k-type?)" (3, 4), None, kv::key_range, "the keys of a range";
    "(key-range-count kv table k-range k-type? cap?)" (3, 5), None, kv::key_range_count, "how many keys a range has, but no more than cap";
    "(key-range-list-count kv table k-range k-type? cap?)" (3, 5), None, kv::key_range_list_count, "how many values the keys of a range have, but no more than cap";
    "(range-seq kv table k-range k-type? v-type? ignore-key? opts?)" (3, 7), None, kv::range_seq, "the same as get-range";
    "(range-count kv table k-range k-type?)" (3, 4), None, kv::range_count, "how many pairs a range has";
    "(sample-kv kv table n k-type? v-type? ignore-key?)" (3, 6), None, kv::sample_kv, "pairs chosen at random, in order";
    "(get-some kv table pred k-range k-type? v-type? ignore-key? raw-pred?)" (4, 8), None, kv::get_some, "the first pair that satisfies (fn [k v] ..), raw-pred? being false";
    "(range-filter kv table pred k-range k-type? v-type? ignore-key? raw-pred?)" (4, 8), None, kv::range_filter, "the pairs that satisfy a predicate";
    "(range-keep kv table f k-range k-type? v-type? raw-pred?)" (4, 7), None, kv::range_keep, "what a function makes of pairs, without nil and false";
    "(range-some kv table f k-range k-type? v-type? raw-pred?)" (4, 7), None, kv::range_some, "the first thing that a function makes of a pair";
    "(range-filter-count kv table pred k-range k-type? v-type? raw-pred?)" (4, 7), None, kv::range_filter_count, "how many pairs satisfy a predicate";
    "(visit-key-range kv table visitor k-range k-type? raw-pred?)" (4, 6), None, kv::visit_key_range, "calls a function with each key, until :datalevin/terminate-visit";
    "(visit kv table visitor k-range k-type? v-type? raw-pred?)" (4, 7), None, kv::visit, "calls a function with each pair, until :datalevin/terminate-visit";
    "(put-list-items kv table k vs k-type? v-type?)" (4, 6), None, kv::put_list_items, "adds values to a key's list";
    "(del-list-items kv table k vs? k-type? v-type?)" (3, 6), None, kv::del_list_items, "deletes values from a key's list, or the key";
    "(get-list kv table k k-type? v-type?)" (3, 5), None, kv::get_list, "the values of a key";
    "(visit-list kv table visitor k k-type? v-type? raw-pred?)" (4, 7), None, kv::visit_list, "calls a function with each value of a key";
    "(list-count kv table k k-type?)" (3, 4), None, kv::list_count, "how many values a key has";
    "(in-list? kv table k v k-type? v-type?)" (4, 6), None, kv::in_list, "whether a key has a value";
    "(list-range kv table k-range k-type v-range v-type)" (6, 6), None, kv::list_range, "the keys of a range with their values of another";
    "(list-range-count kv table k-range k-type? v-range? v-type?)" (3, 6), None, kv::list_range_count, "how many pairs lie in both ranges";
    "(list-range-first kv table k-range k-type v-range v-type)" (6, 6), None, kv::list_range_first, "the first of those pairs";
    "(list-range-first-n kv table n k-range k-type v-range v-type)" (7, 7), None, kv::list_range_first_n, "the first of those pairs";
    "(list-range-filter kv table pred k-range k-type v-range v-type raw-pred?)" (7, 8), None, kv::list_range_filter, "those pairs that satisfy a predicate";
    "(list-range-keep kv table f k-range k-type v-range v-type raw-pred?)" (7, 8), None, kv::list_range_keep, "what a function makes of those pairs";
    "(list-range-filter-count kv table pred k-range k-type v-range v-type raw-pred?)" (7, 8), None, kv::list_range_filter_count, "how many of those pairs satisfy a predicate";
    "(list-range-some kv table f k-range k-type v-range v-type raw-pred?)" (7, 8), None, kv::list_range_some, "the first thing that a function makes of those pairs";
    "(visit-list-range kv table visitor k-range k-type v-range v-type raw-pred?)" (7, 8), None, kv::visit_list_range, "calls a function with each of those pairs";
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

/// The argument that a usage line calls `tx-data` or `definition`, if any: data in which functions can be written out.
const fn tx_data_of(usage: &'static str) -> Option<usize> {
    const NAMES: [&[u8]; 2] = [b" tx-data", b" definition"];
    let (bytes, mut at, mut spaces) = (usage.as_bytes(), 0, 0);
    while at < bytes.len() {
        if bytes[at] == b' ' {
            let mut name = 0;
            while name < NAMES.len() {
                let mut matched = 0;
                while matched < NAMES[name].len()
                    && at + matched < bytes.len()
                    && bytes[at + matched] == NAMES[name][matched]
                {
                    matched += 1;
                }
                if matched == NAMES[name].len() {
                    return Some(spaces);
                }
                name += 1;
            }
            spaces += 1;
        }
        at += 1;
    }
    None
}

/// The form of this name.
pub fn find(name: &str) -> Option<&'static FormSpec> {
    // `d/q` and `d/transact!` are how programs write them.
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    FORMS.iter().find(|spec| spec.name == name)
}

#[cfg(test)]
mod tests {
    use super::FORMS;

    #[test]
    fn every_form_of_the_key_value_function_map_is_known() {
        let map = include_str!("../../../../kv/src/function_map.md");
        let rows: Vec<&str> = map.lines().filter(|line| line.starts_with("| `")).collect();
        assert!(rows.len() > 60);
        for row in rows {
            let (_, form) = row.trim_end_matches(['|', ' ']).rsplit_once(" | ").expect("three columns");
            assert!(FORMS.iter().any(|spec| spec.usage == form.trim_matches('`')), "{form}");
        }
    }
}
