//! Large results that are kept: in memory up to a budget of bytes, beyond it in a temporary environment.
//!
//! ```text
//!   push --> [ bytes in memory ] --budget reached--> TempEnv: number of the pair -> length of key | key | value
//!              the latest pairs                                 all earlier ones
//! ```
//!
//! The budget is given by the caller, in bytes: how much memory the whole process or machine has left says little
//! about how much one result may take. Whoever wants that looked at, too, gives a [threshold](SpillOptions::threshold).

use std::path::PathBuf;

use crate::dbi::Dbi;
use crate::env::{EnvOptions, TempEnv};
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::read::{Read, ReadTxn};

/// When and where to spill.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SpillOptions {
    budget: usize,
    threshold: Option<u8>,
    directory: Option<PathBuf>,
}

/// How many more bytes are kept in memory before it is asked again how much is in use.
const PORTION: usize = 1 << 20;

impl Default for SpillOptions {
    fn default() -> Self {
        Self { budget: 64 << 20, threshold: None, directory: None }
    }
}

impl SpillOptions {
    /// So many bytes stay in memory: those of the pairs, and 16 for each. While a part is being moved to disk, it is
    /// in memory twice.
    pub fn budget(bytes: usize) -> Self {
        Self { budget: bytes, ..Self::default() }
    }

    /// Within the budget, spill as well while this many per cent of the memory are in use: of the machine's, or of what a
    /// control group leaves to the process. It is looked at for each MiB that a result has in memory, so what is smaller stays
    /// there. Where the system does not say (it does on Linux), the budget alone decides.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let env = factum_kv::Env::open(dir.path())?;
    /// use factum_kv::codec::{Long, Raw};
    /// use factum_kv::{SpillOptions, Table};
    ///
    /// let table: Table<Long, Raw> = env.open_table("t")?;
    /// env.with_transaction(|txn| (0..40).try_for_each(|number| table.put(txn, number, &[7; 100_000][..])))?;
    /// let kept = |options: &SpillOptions| table.range(&env.read()?, ..)?.spill(options).map(|kept| kept.on_disk());
    /// assert_eq!(kept(&SpillOptions::default())?, 0);
    /// # if cfg!(target_os = "linux") {
    /// assert!(kept(&SpillOptions::default().threshold(1))? > 0);
    /// # }
    /// # Ok::<(), factum_kv::Error>(())
    /// ```
    pub fn threshold(mut self, percent: u8) -> Self {
        self.threshold = Some(percent);
        self
    }

    /// Spill below this directory instead of the system's directory for temporary files.
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }
}

/// A pair of bytes.
type Pair<'s> = (&'s [u8], &'s [u8]);

/// Pairs of bytes in the order in which they came.
#[derive(Debug)]
pub(crate) struct Spill {
    options: SpillOptions,
    /// The latest pairs, one behind the other, and where their keys and values end.
    bytes: Vec<u8>,
    ends: Vec<(usize, usize)>,
    /// The pairs before those.
    disk: Option<Disk>,
    on_disk: u64,
    /// As soon as those in memory take more bytes than this, something is to be done about it.
    limit: usize,
}

#[derive(Debug)]
struct Disk {
    /// Absent while writing.
    read: Option<ReadTxn>,
    dbi: Dbi,
    env: TempEnv,
}

impl Spill {
    pub(crate) fn new(options: &SpillOptions) -> Self {
        let limit = match options.threshold {
            Some(_) => options.budget.min(PORTION),
            None => options.budget,
        };
        Self { options: options.clone(), bytes: Vec::new(), ends: Vec::new(), disk: None, on_disk: 0, limit }
    }

    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((key_end, self.bytes.len()));
        if self.in_use() > self.limit {
            self.reached_limit()?;
        }
        Ok(())
    }

    /// Bytes of those in memory.
    fn in_use(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<(usize, usize)>()
    }

    #[cold]
    fn reached_limit(&mut self) -> Result<()> {
        let in_use = self.in_use();
        if in_use <= self.options.budget && !self.is_memory_short() {
            self.limit = self.options.budget.min(in_use + PORTION);
            return Ok(());
        }
        self.move_to_disk()?;
        if self.options.threshold.is_some() {
            self.limit = self.options.budget.min(PORTION);
        }
        Ok(())
    }

    fn is_memory_short(&self) -> bool {
        let threshold = self.options.threshold.map(u64::from);
        threshold.zip(memory_in_use()).is_some_and(|(threshold, used)| used >= threshold)
    }

    fn move_to_disk(&mut self) -> Result<()> {
        let disk = match &mut self.disk {
            Some(disk) => disk,
            None => {
                let options = EnvOptions::new().max_readers(8).max_dbis(1);
                let env = TempEnv::open(&options, self.options.directory.as_deref())?;
                let dbi = env.open_dbi("spilled", DbiFlags::empty())?;
                self.disk.insert(Disk { read: None, dbi, env })
            }
        };
        disk.read = None;
        let mut txn = disk.env.write()?;
        let mut start = 0;
        for (number, (key_end, end)) in (self.on_disk..).zip(&self.ends) {
            let key_length = u32::try_from(key_end - start)
                .map_err(|_| Error::Corrupted { reason: "a key of more than 4 GiB".to_owned() })?;
            let pair = &self.bytes[start..*end];
            txn.put_reserved(&disk.dbi, &number.to_be_bytes(), 4 + pair.len(), |place| {
                place[..4].copy_from_slice(&key_length.to_le_bytes());
                place[4..].copy_from_slice(pair);
            })?;
            start = *end;
        }
        txn.commit()?;
        disk.read = Some(disk.env.read()?);
        self.on_disk += self.ends.len() as u64;
        self.bytes.clear();
        self.ends.clear();
        Ok(())
    }

    pub(crate) fn len(&self) -> u64 {
        self.on_disk + self.ends.len() as u64
    }

    pub(crate) fn on_disk(&self) -> u64 {
        self.on_disk
    }

    pub(crate) fn get(&self, index: u64) -> Result<Option<Pair<'_>>> {
        if index < self.on_disk {
            let Some(Disk { read: Some(read), dbi, .. }) = &self.disk else { return Ok(None) };
            return match read.get(dbi, &index.to_be_bytes())? {
                Some(bytes) => split(bytes).map(Some),
                None => Err(missing()),
            };
        }
        let index = usize::try_from(index - self.on_disk).unwrap_or(usize::MAX);
        Ok(self.in_memory(index))
    }

    fn in_memory(&self, index: usize) -> Option<Pair<'_>> {
        let (key_end, end) = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(_, end)| *end);
        Some((&self.bytes[start..key_end], &self.bytes[key_end..end]))
    }

    /// All pairs, in order.
    pub(crate) fn iter(&self) -> Result<SpillIter<'_>> {
        let cursor = match &self.disk {
            Some(Disk { read: Some(read), dbi, .. }) => Some(read.cursor(dbi)?),
            _ => None,
        };
        Ok(SpillIter { spill: self, cursor, next: 0 })
    }
}

/// The pairs in order.
#[derive(Debug)]
pub(crate) struct SpillIter<'s> {
    spill: &'s Spill,
    /// On the part on disk.
    cursor: Option<crate::read::Cursor<'s>>,
    next: u64,
}

impl<'s> Iterator for SpillIter<'s> {
    type Item = Result<Pair<'s>>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        self.next += 1;
        if index < self.spill.on_disk {
            let found = self.cursor.as_mut()?.next();
            return Some(found.and_then(|pair| split(pair.ok_or_else(missing)?.1)));
        }
        self.spill.in_memory(usize::try_from(index - self.spill.on_disk).ok()?).map(Ok)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.spill.len().saturating_sub(self.next)).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

fn split(bytes: &[u8]) -> Result<Pair<'_>> {
    let (length, pair) = bytes.split_first_chunk().ok_or_else(missing)?;
    pair.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(missing)
}

#[cold]
fn missing() -> Error {
    Error::Corrupted { reason: "a spilled pair is missing or damaged".to_owned() }
}

/// How many per cent of the memory are in use, if the system says so: of the machine's or of the control group's, whichever is more.
/// What the system keeps of files, and would let go of, is not in use.
fn memory_in_use() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    group_in_use(
        &read("/sys/fs/cgroup/memory.max").unwrap_or_default(),
        &read("/sys/fs/cgroup/memory.current").unwrap_or_default(),
        &read("/sys/fs/cgroup/memory.stat").unwrap_or_default(),
    )
    .max(read("/proc/meminfo").and_then(|text| machine_in_use(&text)))
}

/// From `memory.max`, `memory.current` and `memory.stat` of a control group.
fn group_in_use(most: &str, current: &str, stat: &str) -> Option<u64> {
    let current: u64 = current.trim().parse().ok()?;
    let files = field(stat, "active_file ").unwrap_or(0) + field(stat, "inactive_file ").unwrap_or(0);
    share(current.saturating_sub(files), most.trim().parse().ok()?)
}

/// From `/proc/meminfo`.
fn machine_in_use(text: &str) -> Option<u64> {
    let (total, available) = (field(text, "MemTotal:")?, field(text, "MemAvailable:")?);
    share(total.saturating_sub(available), total)
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn share(used: u64, total: u64) -> Option<u64> {
    used.saturating_mul(100).checked_div(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_files_is_not_in_use() {
        let stat = "anon 400\nfile 590\ninactive_anon 0\nactive_file 90\ninactive_file 500\n";
        assert_eq!(group_in_use("1000\n", "1000\n", stat), Some(41));
        assert_eq!(group_in_use("1000\n", "1000\n", ""), Some(100));
        // A group without a limit, no such group, and nothing to divide by.
        for (most, current) in [("max\n", "1000\n"), ("", ""), ("0\n", "5\n")] {
            assert_eq!(group_in_use(most, current, stat), None, "{most}");
        }
        let machine = "MemTotal:       2000 kB\nMemFree:         100 kB\nMemAvailable:   1500 kB\n";
        assert_eq!(machine_in_use(machine), Some(25));
        assert_eq!(machine_in_use("MemTotal: 2000 kB\n"), None);
    }
}
