//! [`RowStream`]: the rows of an answer while the query runs.
//!
//! ```text
//! worker thread: plan --batch--> | one place | --> RowStream::next() --> T
//!                waits here until it is taken       drop: cancels, and waits for the worker to stop
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::vec;

use edn::Value;
use query::{FindShape, Query, QueryOptions, Warning};
use serde::de::DeserializeOwned;

use crate::result::{convert, row_value};
use crate::{CancelToken, Error, Result};

/// How rows look to the caller: values of one column, maps under a return map, vectors else.
pub(crate) struct RowForm {
    single: bool,
    keys: Option<Vec<Value>>,
}

impl RowForm {
    pub(crate) fn of(query: &Query) -> Self {
        Self {
            single: matches!(query.find.shape, FindShape::Collection | FindShape::Scalar),
            keys: query.return_map.as_ref().map(query::ast::ReturnMap::keys),
        }
    }

    pub(crate) fn convert<T: DeserializeOwned>(&self, row: Vec<Value>, number: usize) -> Result<T> {
        let value = match self.single {
            true => row.into_iter().next().unwrap_or_default(),
            false => row_value(row, self.keys.as_deref()),
        };
        convert(value, number)
    }
}

/// The rows of an answer, made while they are asked for; from [`Db::stream`](crate::Db::stream).
///
/// A thread runs the query and is at most two batches of about a thousand rows ahead. After an error there are no more
/// rows. Dropping the stream cancels the query and waits until it has stopped, which is where it next looks at its
/// limits; until then it keeps its snapshot of the database.
///
/// Parallel queries work in a thread pool of their own, so streams may be read in the tasks of any pool, rayon's global one
/// included; what is asked from within such a task uses one thread.
#[must_use = "a stream that nobody reads only costs"]
pub struct RowStream<T = Value> {
    form: RowForm,
    rows: vec::IntoIter<Vec<Value>>,
    /// How many rows were handed on.
    number: usize,
    batches: Option<Receiver<Vec<Vec<Value>>>>,
    worker: Option<JoinHandle<query::Result<Vec<Warning>>>>,
    stop: CancelToken,
    warnings: Vec<Warning>,
    types: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> RowStream<T> {
    pub(crate) fn start(
        prepared: Arc<query::Prepared>,
        inputs: Vec<query::Input>,
        options: &QueryOptions,
    ) -> Result<Self> {
        let form = RowForm::of(prepared.query());
        let stop = options.cancel.child();
        let mut options = options.clone().cancel(stop.clone());
        if query::exec::in_task() {
            // The caller may hold up one of the threads that a parallel query would wait for.
            options = options.threads(1);
        }
        let (sender, batches) = sync_channel(0);
        let work = move || {
            prepared.for_each_batch(&inputs, &options, |rows| match sender.send(rows) {
                Ok(()) => ControlFlow::Continue(()),
                // Nobody listens any more.
                Err(_) => ControlFlow::Break(()),
            })
        };
        let worker = Builder::new().name("factum-rows".to_owned()).spawn(work);
        let worker = worker.map_err(|source| Error::Thread { source })?;
        Ok(Self {
            form,
            rows: Vec::new().into_iter(),
            number: 0,
            batches: Some(batches),
            worker: Some(worker),
            stop,
            warnings: Vec::new(),
            types: PhantomData,
        })
    }

    /// How the query ended, once there are no more batches.
    fn end(&mut self) -> Option<Result<T>> {
        self.batches = None;
        match self.worker.take()?.join() {
            Ok(Ok(warnings)) => {
                self.warnings = warnings;
                None
            }
            Ok(Err(error)) => Some(Err(error.into())),
            // A function of the query panicked; this is the thread that asked for it.
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl<T> RowStream<T> {
    /// What the query should have said better; known once the last row was seen.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn cancel(&mut self) {
        self.stop.cancel();
        self.batches = None;
        self.rows = Vec::new().into_iter();
        if let Some(worker) = self.worker.take() {
            // Whatever it has to say, nobody asks any more.
            let _ = worker.join();
        }
    }
}

impl<T: DeserializeOwned> Iterator for RowStream<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(row) = self.rows.next() {
                let row = self.form.convert(row, self.number);
                self.number += 1;
                if row.is_err() {
                    self.cancel();
                }
                return Some(row);
            }
            match self.batches.as_ref()?.recv() {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(_) => return self.end(),
            }
        }
    }
}

impl<T: DeserializeOwned> std::iter::FusedIterator for RowStream<T> {}

impl<T> Drop for RowStream<T> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<T> fmt::Debug for RowStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream")
            .field("rows", &self.number)
            .field("running", &self.batches.is_some())
            .finish_non_exhaustive()
    }
}
