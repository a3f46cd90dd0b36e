//! Sorted runs in temporary files, and merging them: how a load larger than its memory is sorted.
//!
//! ```text
//! rows --budget full--> sort, run file (eav)   \
//!                       sort, run file (ave)    > ... > merge of all runs = one sorted stream
//! run file: | entity, u64 LE | length, u16 LE | fact | ...
//! ```

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::rows::{Order, SortedRows};
use crate::error::{Error, Result};

/// Buffers of run files.
const BUFFER_LEN: usize = 1 << 20;

/// A sorted stream of rows; the fact lives until the next call.
pub(super) trait Stream {
    fn next(&mut self) -> Result<Option<(u64, &[u8])>>;
}

impl Stream for SortedRows<'_> {
    #[inline]
    fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        Ok(self.next_row())
    }
}

/// A sorted run in a file without a name, which goes when it is closed.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
}

impl Run {
    /// Writes sorted rows.
    pub fn write(rows: &mut impl Stream, directory: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(directory).map_err(failed)?;
        let mut out = BufWriter::with_capacity(BUFFER_LEN, file);
        while let Some((e, fact)) = rows.next()? {
            out.write_all(&e.to_le_bytes()).map_err(failed)?;
            out.write_all(&(fact.len() as u16).to_le_bytes()).map_err(failed)?;
            out.write_all(fact).map_err(failed)?;
        }
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(Self { file })
    }
}

/// The merge of several runs.
pub(super) struct Merge {
    order: Order,
    readers: Vec<BufReader<File>>,
    heads: BinaryHeap<Reverse<Head>>,
    /// The row that was handed out last.
    current: Head,
}

/// The next row of a run.
struct Head {
    order: Order,
    e: u64,
    fact: Vec<u8>,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.order {
            Order::Entity => self.e.cmp(&other.e).then_with(|| self.fact.cmp(&other.fact)),
            Order::Value => self.fact.cmp(&other.fact).then_with(|| self.e.cmp(&other.e)),
        }
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

impl Merge {
    pub fn new(runs: Vec<Run>, order: Order) -> Result<Self> {
        let mut readers = Vec::with_capacity(runs.len());
        for mut run in runs {
            run.file.seek(SeekFrom::Start(0)).map_err(failed)?;
            readers.push(BufReader::with_capacity(BUFFER_LEN, run.file));
        }
        let current = Head { order, e: 0, fact: Vec::new(), run: usize::MAX };
        let mut merge = Self { order, readers, heads: BinaryHeap::new(), current };
        for run in 0..merge.readers.len() {
            merge.read(run, Vec::new())?;
        }
        Ok(merge)
    }

    /// Reads the next row of a run into `fact`, if there is one.
    fn read(&mut self, run: usize, mut fact: Vec<u8>) -> Result<()> {
        let reader = &mut self.readers[run];
        let mut e = [0; 8];
        match reader.read_exact(&mut e) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            result => result.map_err(failed)?,
        }
        let mut len = [0; 2];
        reader.read_exact(&mut len).map_err(failed)?;
        fact.resize(usize::from(u16::from_le_bytes(len)), 0);
        reader.read_exact(&mut fact).map_err(failed)?;
        self.heads.push(Reverse(Head { order: self.order, e: u64::from_le_bytes(e), fact, run }));
        Ok(())
    }
}

impl Stream for Merge {
    fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        if self.current.run < self.readers.len() {
            let fact = std::mem::take(&mut self.current.fact);
            self.read(self.current.run, fact)?;
            self.current.run = usize::MAX;
        }
        let Some(Reverse(head)) = self.heads.pop() else { return Ok(None) };
        self.current = head;
        Ok(Some((self.current.e, &self.current.fact)))
    }
}

/// Long values outside memory.
#[derive(Debug)]
pub(super) struct GiantFile {
    file: File,
    len: u64,
}

impl GiantFile {
    pub fn new(directory: &Path) -> Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(directory).map_err(failed)?, len: 0 })
    }

    /// Appends bytes and says where they are.
    pub fn write(&mut self, bytes: &[u8]) -> Result<u64> {
        let at = self.len;
        self.file.seek(SeekFrom::Start(at)).map_err(failed)?;
        self.file.write_all(bytes).map_err(failed)?;
        self.len += bytes.len() as u64;
        Ok(at)
    }

    pub fn read(&mut self, at: u64, len: usize) -> Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut out = vec![0; len];
        self.file.read_exact(&mut out).map_err(failed)?;
        Ok(out)
    }
}

fn failed(source: io::Error) -> Error {
    Error::Io { action: "sorting in temporary files", source }
}
