//! Where finished pages go: numbered, gathered into large writes, and put at their places in the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::BuildError;
use super::write_back::WriteBack;
use super::{FinishedTable, Result};
use crate::format::{P_OVERFLOW, PAGE_HEADER};

/// How many bytes a sink gathers before it writes.
const CHUNK: usize = 1 << 20;

/// The file, as all tables under construction see it.
#[derive(Debug)]
pub(super) struct Shared {
    file: File,
    page_size: usize,
    state: Mutex<State>,
    /// Absent if the file need not be on disk.
    write_back: Option<Mutex<WriteBack>>,
}

#[derive(Debug)]
struct State {
    /// The first page that is not given out.
    next: u64,
    /// Pages that were given out and not used.
    free: Vec<u64>,
    /// `None` while a table is under construction.
    tables: BTreeMap<String, Option<FinishedTable>>,
}

impl Shared {
    /// `sync` tells whether the file is to be on disk in the end.
    pub fn new(file: File, page_size: usize, sync: bool) -> Shared {
        let state = State { next: 2, free: Vec::new(), tables: BTreeMap::new() };
        Shared { file, page_size, state: Mutex::new(state), write_back: sync.then(Mutex::default) }
    }

    pub fn page_size(&self) -> usize {
        self.page_size
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a table is under construction; false if the name is taken.
    pub fn begin_table(&self, name: &str) -> bool {
        self.state().tables.insert(name.to_owned(), None).is_none()
    }

    pub fn finish_table(&self, name: &str, table: FinishedTable) {
        self.state().tables.insert(name.to_owned(), Some(table));
    }

    /// All tables, which must be finished.
    pub fn take_tables(&self) -> Result<BTreeMap<String, FinishedTable>> {
        let tables = std::mem::take(&mut self.state().tables);
        let finished = tables.into_iter().map(|(name, table)| match table {
            Some(table) => Ok((name, table)),
            None => Err(BuildError::Table { table: name, reason: "it was begun and never finished" }),
        });
        finished.collect()
    }

    /// The pages that were given out and not used; those at the end of the file are simply cut off.
    pub fn take_free(&self) -> Vec<u64> {
        let mut state = self.state();
        let mut free = std::mem::take(&mut state.free);
        free.sort_unstable();
        while free.last().is_some_and(|last| last + 1 == state.next) {
            free.pop();
            state.next -= 1;
        }
        free
    }

    /// The first page behind all that were given out.
    pub fn end(&self) -> u64 {
        self.state().next
    }

    pub fn write_at(&self, page: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = page * self.page_size as u64;
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset);
        #[cfg(not(unix))]
        {
            use std::io::{Seek, SeekFrom, Write};
            let _one_at_a_time = self.state();
            (&self.file).seek(SeekFrom::Start(offset))?;
            (&self.file).write_all(bytes)
        }
    }

    pub fn set_length(&self, pages: u64) -> io::Result<()> {
        self.file.set_len(pages * self.page_size as u64)
    }

    /// Brings to disk what is not there yet.
    pub fn sync(&self) -> io::Result<()> {
        if let Some(write_back) = &self.write_back {
            write_back.lock().unwrap_or_else(PoisonError::into_inner).finish()?;
        }
        self.file.sync_all()
    }

    /// Has bytes that were written brought to disk sooner or later.
    fn written(&self, bytes: usize) -> io::Result<()> {
        match &self.write_back {
            Some(write_back) => {
                write_back.lock().unwrap_or_else(PoisonError::into_inner).written(&self.file, bytes)
            }
            None => Ok(()),
        }
    }
}

/// One table's stream of pages.
///
/// It holds a run of page numbers, which it extends in place as long as no other table has taken the numbers behind it.
#[derive(Debug)]
pub(super) struct Sink {
    shared: Arc<Shared>,
    /// The page number of the chunk's first byte.
    start: u64,
    /// One more than the last page number of the run.
    end: u64,
    chunk: Vec<u8>,
    /// How many pages were written through this sink.
    pages: u64,
}

impl Sink {
    pub fn new(shared: Arc<Shared>) -> Sink {
        Sink { shared, start: 0, end: 0, chunk: Vec::new(), pages: 0 }
    }

    /// How many pages were written.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Writes a page, and its number into its header and at `patches`.
    pub fn write_page(&mut self, page: &mut [u8], patches: &[usize]) -> Result<u64> {
        let number = self.reserve(1)?;
        for at in patches.iter().copied().chain([0]) {
            page[at..at + 8].copy_from_slice(&number.to_ne_bytes());
        }
        self.chunk.extend_from_slice(page);
        self.flush_if_large()?;
        Ok(number)
    }

    /// Writes a value on overflow pages: the number of the first, and how many.
    pub fn write_overflow(&mut self, value: &[u8]) -> Result<(u64, u64)> {
        let page_size = self.shared.page_size;
        let count = (PAGE_HEADER + value.len()).div_ceil(page_size) as u64;
        let number = self.reserve(count)?;
        let mut header = [0; PAGE_HEADER];
        header[..8].copy_from_slice(&number.to_ne_bytes());
        header[10..12].copy_from_slice(&P_OVERFLOW.to_ne_bytes());
        header[12..16].copy_from_slice(&(count as u32).to_ne_bytes());
        self.chunk.extend_from_slice(&header);
        self.chunk.extend_from_slice(value);
        self.chunk.resize(self.chunk.len().next_multiple_of(page_size), 0);
        self.flush_if_large()?;
        Ok((number, count))
    }

    /// The number of the next of `count` pages in a row, which the caller appends to the chunk.
    fn reserve(&mut self, count: u64) -> Result<u64> {
        let number = self.start + (self.chunk.len() / self.shared.page_size) as u64;
        self.pages += count;
        if number + count <= self.end {
            return Ok(number);
        }
        let run = count.max((CHUNK / self.shared.page_size) as u64);
        let mut state = self.shared.state();
        if self.end == state.next {
            let missing = (number + count - self.end).max(run);
            state.next += missing;
            self.end += missing;
            return Ok(number);
        }
        state.free.extend(number..self.end);
        let start = state.next;
        state.next += run;
        drop(state);
        self.flush()?;
        (self.start, self.end) = (start, start + run);
        Ok(start)
    }

    fn flush_if_large(&mut self) -> Result<()> {
        if self.chunk.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.shared.write_at(self.start, &self.chunk)?;
        self.shared.written(self.chunk.len())?;
        self.start += (self.chunk.len() / self.shared.page_size) as u64;
        self.chunk.clear();
        Ok(())
    }

    /// Writes what is left, and gives back the page numbers that were not used.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        let mut state = self.shared.state();
        if self.end == state.next {
            state.next = self.start.max(2);
        } else {
            state.free.extend(self.start..self.end);
        }
        Ok(())
    }
}
