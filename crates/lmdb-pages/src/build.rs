//! Building a whole data file bottom-up from sorted streams, without LMDB.
//!
//! ```text
//!   push(k, v) in order ->  leaf page   full?  -> written, and its first key goes up ->  branch page  full? -> ...
//!                             |                                                            |
//!                             values too large: overflow pages                             root: the table's record
//!                             several values of a key: sub-page or sub-tree                        |
//!   finish()                                                                  main table: name -> record
//!                                                                             free list, both meta pages, sync, rename
//! ```
//!
//! Every page but the last of each level is filled completely, so that files come out about half as large as from
//! single puts. The file is written under a temporary name beside its target and renamed into place when it is whole
//! and synced: there is never half a database at the target.
//!
//! LMDB opens such a file as any other, and writes on. Both meta pages describe the same state, as transactions 0 and
//! 1. Separators in branch pages are cut to the shortest prefix that separates, where keys are sorted byte by byte.
//!
//! ```
//! use lmdb_pages::{Snapshot, TableFlags, build::Builder, build::BuildOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("data.mdb");
//! let builder = Builder::create(&path, BuildOptions::new())?;
//! let mut numbers = builder.table("numbers", TableFlags::empty())?;
//! for number in 0..1000u32 {
//!     numbers.push(&number.to_be_bytes(), number.to_string().as_bytes())?;
//! }
//! numbers.finish()?;
//! let mut lists = builder.table("lists", TableFlags::DUP_SORT | TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP)?;
//! lists.push_dups(b"primes", &[2u64, 3, 5, 7].map(u64::to_ne_bytes).concat())?;
//! lists.finish()?;
//! let built = builder.finish()?;
//! assert_eq!((built.tables[0].keys, built.tables[0].pairs), (1, 4));
//!
//! let snapshot = Snapshot::from_bytes(std::fs::read(&path)?)?;
//! assert_eq!(snapshot.table("numbers")?.map(|table| table.entries()), Some(1000));
//! # Ok(()) }
//! ```

mod error;
mod page;
mod sink;
mod table;
mod tree;
mod write_back;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::BuildError;
use sink::{Shared, Sink};
pub use table::TableBuilder;
use tree::Tree;

use crate::format::{DATA_VERSION, F_SUBDATA, MAGIC, META_END, P_META, RECORD, Record};
use crate::table::TableFlags;

/// The result of building.
pub type Result<T, E = BuildError> = std::result::Result<T, E>;

/// The transaction that the newest meta page of a built file names; the other one names the one before.
///
/// It must be 1, as in the compacted copies that LMDB itself makes: the first transaction that LMDB then writes is 2,
/// and does not look into the free list. From 3 on it does, while it enters the list's very first record, and crashes
/// if that record is too large for a leaf page.
const BUILT_TXN_ID: u64 = 1;

/// How a file is built.
#[derive(Clone, Debug)]
#[must_use]
pub struct BuildOptions {
    page_size: usize,
    map_size: u64,
    sync: bool,
    replace: bool,
}

impl Default for BuildOptions {
    fn default() -> Self {
        BuildOptions::new()
    }
}

impl BuildOptions {
    /// Pages of 4096 bytes; synced; an existing file is not replaced.
    pub fn new() -> Self {
        BuildOptions { page_size: 4096, map_size: 0, sync: true, replace: false }
    }

    /// Bytes of a page: a power of two from 512 to 32768. LMDB itself creates files with the system's page size, but
    /// opens any.
    pub fn page_size(mut self, bytes: usize) -> Self {
        self.page_size = bytes;
        self
    }

    /// The map size that the file recommends to those who open it without one of their own; at least the file's size.
    pub fn map_size(mut self, bytes: u64) -> Self {
        self.map_size = bytes;
        self
    }

    /// Whether the file is forced to disk before it is renamed into place.
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Whether an existing file may be replaced. It must not be open anywhere.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }
}

/// Builds one data file. See the [module](self).
///
/// Tables may be filled one after the other or at the same time, from several threads. Dropping the builder before
/// [`finish`](Self::finish) removes what was written.
#[derive(Debug)]
pub struct Builder {
    shared: Arc<Shared>,
    options: BuildOptions,
    target: PathBuf,
    temporary: PathBuf,
    renamed: bool,
}

impl Builder {
    /// Begins a data file that will be at `path` (the file itself: `…/data.mdb`, not its directory).
    ///
    /// # Errors
    ///
    /// [`BuildError::Exists`] if there is a file and `replace` was not set; [`BuildError::PageSize`];
    /// [`BuildError::Io`] if the file cannot be created.
    pub fn create(path: impl AsRef<Path>, options: BuildOptions) -> Result<Builder> {
        let target = path.as_ref().to_path_buf();
        if !(options.page_size.is_power_of_two() && (512..=32768).contains(&options.page_size)) {
            return Err(BuildError::PageSize { bytes: options.page_size });
        }
        if !options.replace && target.try_exists()? {
            return Err(BuildError::Exists { path: target });
        }
        let mut name = target.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".building-{}", std::process::id()));
        let temporary = target.with_file_name(name);
        let mut creating = File::options();
        creating.write(true).create_new(true);
        // As LMDB makes its files: data is nobody else's business until somebody says so.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut creating, 0o600);
        let file = creating.open(&temporary)?;
        let shared = Arc::new(Shared::new(file, options.page_size, options.sync));
        Ok(Builder { shared, options, target, temporary, renamed: false })
    }

    /// Begins the table `name`, sorted by `flags`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Table`] if the name is empty, too long or taken, or the flags contradict each other.
    pub fn table(&self, name: &str, flags: TableFlags) -> Result<TableBuilder> {
        TableBuilder::new(Arc::clone(&self.shared), name, flags)
    }

    /// Writes the table of tables and the meta pages, syncs, and renames the file into place.
    ///
    /// # Errors
    ///
    /// [`BuildError::Table`] if a table was begun and not finished; [`BuildError::Io`].
    pub fn finish(mut self) -> Result<Built> {
        let tables = self.shared.take_tables()?;
        let main = self.write_main(&tables)?;
        let (free, end) = self.write_free_list()?;
        let metas = self.meta_pages(&free, &main, end);
        self.shared.write_at(0, &metas)?;
        self.shared.set_length(end)?;
        if self.options.sync {
            self.shared.sync()?;
        }
        fs::rename(&self.temporary, &self.target)?;
        self.renamed = true;
        if self.options.sync {
            sync_directory(&self.target)?;
        }
        let bytes = end * self.options.page_size as u64;
        let tables = tables.into_iter().map(|(name, table)| BuiltTable {
            name,
            keys: table.keys,
            pairs: table.record.entries,
            pages: table.pages,
        });
        Ok(Built { tables: tables.collect(), bytes })
    }

    fn write_main(&self, tables: &BTreeMap<String, FinishedTable>) -> Result<Record> {
        let mut sink = Sink::new(Arc::clone(&self.shared));
        let mut tree = Tree::new(self.options.page_size, true);
        for (name, table) in tables {
            tree.push_node(&mut sink, name.as_bytes(), F_SUBDATA, &table.record.to_bytes())?;
        }
        let record = tree.finish(&mut sink, 0, tables.len() as u64)?;
        sink.finish()?;
        Ok(record)
    }

    /// Enters the pages that remained between tables into the free list. Returns its record, and the end of the file.
    fn write_free_list(&self) -> Result<(Record, u64)> {
        let mut free = self.shared.take_free();
        let flags = TableFlags::INTEGER_KEY.bits();
        let mut tree = Tree::new(self.options.page_size, false);
        let mut sink = Sink::new(Arc::clone(&self.shared));
        let entries = u64::from(!free.is_empty());
        if !free.is_empty() {
            // LMDB's list of numbers: how many, then from the greatest to the least.
            free.sort_unstable_by(|a, b| b.cmp(a));
            free.insert(0, free.len() as u64);
            let list: Vec<u8> = free.into_iter().flat_map(u64::to_ne_bytes).collect();
            tree.push_value(&mut sink, &BUILT_TXN_ID.to_ne_bytes(), &list)?;
        }
        let record = tree.finish(&mut sink, flags, entries)?;
        sink.finish()?;
        Ok((record, self.shared.end()))
    }

    fn meta_pages(&self, free: &Record, main: &Record, end: u64) -> Vec<u8> {
        let page_size = self.options.page_size;
        let free = Record { pad: page_size as u32, ..*free };
        let mut pages = vec![0; 2 * page_size];
        for (slot, page) in pages.chunks_exact_mut(page_size).enumerate() {
            let txn_id = if slot as u64 == BUILT_TXN_ID % 2 { BUILT_TXN_ID } else { BUILT_TXN_ID - 1 };
            let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
            put(0, &(slot as u64).to_ne_bytes());
            put(10, &P_META.to_ne_bytes());
            put(16, &MAGIC.to_ne_bytes());
            put(20, &DATA_VERSION.to_ne_bytes());
            put(32, &self.options.map_size.max(end * page_size as u64).to_ne_bytes());
            put(40, &free.to_bytes());
            put(40 + RECORD, &main.to_bytes());
            put(META_END - 16, &(end - 1).to_ne_bytes());
            put(META_END - 8, &txn_id.to_ne_bytes());
        }
        pages
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        if !self.renamed {
            // Nothing can be done about a failure here, and the name says what the file is.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Makes the renaming of `path` durable.
fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// A table whose pages are written.
#[derive(Clone, Debug)]
struct FinishedTable {
    record: Record,
    keys: u64,
    pages: u64,
}

/// What was built.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Built {
    /// The tables, by name.
    pub tables: Vec<BuiltTable>,
    /// The file's size.
    pub bytes: u64,
}

/// What was built of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuiltTable {
    /// The table's name.
    pub name: String,
    /// Different keys.
    pub keys: u64,
    /// Pairs of a key and a value.
    pub pairs: u64,
    /// Pages of all kinds, those of duplicates' trees included.
    pub pages: u64,
}
