//! What all operators of one execution share: sources, arena, budget, functions, measurements and memos.

use std::sync::Arc;

use edn::Value;
use storage::Db;

use super::arena::Arena;
use super::batch::Batch;
use super::error::{ExecError, Result};
use super::host::Host;
use super::limits::Budget;
use super::measure::Measures;
use super::memo::Memos;
use super::{Column, encode_cell};
use crate::logical::SourceId;
use crate::rules::Tables;

/// A source of facts given to a query.
#[derive(Clone)]
pub enum Source {
    /// A database.
    Db(Db),
    /// A collection of tuples.
    Tuples(Arc<[Vec<Value>]>),
}

/// The state of one execution. Everything in it may be used from several threads.
pub struct Context<'s, 'c> {
    /// The sources, by number.
    pub sources: &'s [Source],
    /// Where computed bytes live.
    pub arena: &'s Arena,
    /// The account of time, rows and memory.
    pub budget: &'c Budget,
    /// Who calls functions.
    pub host: &'s dyn Host,
    /// Measurements per step, where asked for.
    pub measures: Option<&'c Measures>,
    /// Copies of attributes, hash tables and sets made once per execution.
    pub memos: Memos<'s>,
    /// Threads to use.
    pub threads: usize,
}

impl<'s> Context<'s, '_> {
    /// The database numbered `source`.
    pub fn db(&self, source: SourceId) -> Result<&'s Db> {
        match self.sources.get(usize::from(source.0)) {
            Some(Source::Db(db)) => Ok(db),
            _ => Err(ExecError::WrongSource { source_id: source.0, expected: "database" }),
        }
    }

    /// The collection numbered `source`; a database where a collection is expected is an error of the caller.
    pub fn tuples(&self, source: SourceId) -> Result<&'s [Vec<Value>]> {
        match self.sources.get(usize::from(source.0)) {
            Some(Source::Tuples(tuples)) => Ok(tuples),
            _ => Err(ExecError::WrongSource { source_id: source.0, expected: "collection" }),
        }
    }

    /// Encodes one value into a column.
    pub fn push_value(&self, column: &mut Column<'s>, value: &Value) {
        match (column, value) {
            (Column::Ints(ints), Value::Int(int)) => ints.push(*int as u64),
            (column, value) => column.push(encode_cell(value, self.arena)),
        }
    }
}

/// What a pipeline is opened with, beside the context.
#[derive(Clone, Default)]
pub struct Scope<'s> {
    /// The relation that [`crate::plan::Start::Input`] reads.
    pub input: Arc<Batch<'s>>,
    /// The tables of the rule evaluation that the pipeline is part of.
    pub tables: Option<Arc<Tables<'s>>>,
}
