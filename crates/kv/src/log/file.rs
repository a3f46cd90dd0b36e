//! [`LogFile`]: the log file as something to write records and heads to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::head::{HEAD, Head, NoHead, RECORDS, RecordHead, RecordKind, SLOT, VERSION};
use crate::error::{Error, Result};

/// The file is made longer by so many bytes at a time, of zeros: writing over bytes that are there changes nothing
/// about the file itself, so that one wait for the disk is enough.
const STRIDE: u64 = 1 << 20;

/// What else a record says; see [`RecordHead`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) supersedes: bool,
    pub(super) after_carrying: bool,
}

#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// The newest head.
    pub(super) head: Head,
    /// Where the next record will be.
    pub(super) end: u64,
    /// How long the file is.
    length: u64,
    buffer: Vec<u8>,
}

impl LogFile {
    /// Makes a log file with this head, under its name only once it is whole and on disk.
    pub(super) fn create(path: &Path, head: impl FnOnce(&File) -> Result<Head>) -> Result<Self> {
        let making = |source| Error::io("making the write-ahead log")(source);
        let mut partial = path.as_os_str().to_owned();
        partial.push(".new");
        let partial = PathBuf::from(partial);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)
            .map_err(crate::env::not_writable(&partial))?;
        let made = (|| {
            zero(&file, 0, RECORDS + STRIDE).map_err(making)?;
            let head = head(&file)?;
            // In both slots, so that there is never only one to lose.
            for slot in 0..2 {
                file.write_all_at(&head.to_bytes(), slot * SLOT).map_err(making)?;
            }
            file.sync_all().map_err(making)?;
            fs::rename(&partial, path).map_err(making)?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))
                .and_then(|directory| directory.sync_all())
                .map_err(making)?;
            Ok(head)
        })();
        let head = match made {
            Ok(head) => head,
            Err(error) => {
                let _ = fs::remove_file(&partial);
                return Err(error);
            }
        };
        let (end, length) = (head.start, RECORDS + STRIDE);
        Ok(Self { path: path.to_owned(), file, head, end, length, buffer: Vec::new() })
    }

    /// Opens a log file that is there; with all its bytes.
    pub(super) fn open(path: &Path, writable: bool) -> Result<(Self, Vec<u8>)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(writable)
            .open(path)
            .map_err(crate::env::not_writable(path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io("reading the write-ahead log"))?;
        let head = newest_head(path, &bytes)?;
        let (end, length) = (head.start, bytes.len() as u64);
        Ok((Self { path: path.to_owned(), file, head, end, length, buffer: Vec::new() }, bytes))
    }

    /// Writes a head with the next number into the other slot, and waits for the disk.
    pub(super) fn write_head(&mut self, mut head: Head) -> io::Result<()> {
        head.number = self.head.number + 1;
        self.file.write_all_at(&head.to_bytes(), head.number % 2 * SLOT)?;
        self.file.sync_data()?;
        self.head = head;
        Ok(())
    }

    /// Writes a record behind the last one, without waiting. Nothing has changed if that fails.
    pub(super) fn append(
        &mut self,
        txn_id: u64,
        kind: RecordKind,
        marks: Marks,
        steps: &[u8],
    ) -> io::Result<()> {
        let length = u32::try_from(steps.len()).map_err(io::Error::other)?;
        let Marks { supersedes, after_carrying } = marks;
        let head = RecordHead { length, epoch: self.head.epoch, txn_id, kind, supersedes, after_carrying };
        let end = head.end(self.end);
        while self.length < end {
            zero(&self.file, self.length, STRIDE)?;
            self.length += STRIDE;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        head.write(steps, &mut buffer);
        let written = self.file.write_all_at(&buffer, self.end);
        self.buffer = buffer;
        match written {
            Ok(()) => self.end = end,
            // A part of it is none.
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Makes the record at `place`, the last one, none.
    pub(super) fn take_back(&mut self, place: u64) -> io::Result<()> {
        self.clear(place)?;
        self.end = place;
        Ok(())
    }

    /// Makes what lies at `place` no record.
    pub(super) fn clear(&self, place: u64) -> io::Result<()> {
        self.file.write_all_at(&[0; super::head::RECORD_HEAD], place)
    }

    /// Bytes of records, also of those before the checkpoint.
    pub(super) fn size(&self) -> u64 {
        self.end - RECORDS
    }
}

fn zero(file: &File, mut from: u64, length: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let end = from + length;
    while from < end {
        let part = (end - from).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..usize::try_from(part).unwrap_or(ZEROS.len())], from)?;
        from += part;
    }
    Ok(())
}

fn newest_head(path: &Path, bytes: &[u8]) -> Result<Head> {
    let slot = |at: u64| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk::<HEAD>).ok_or(NoHead::Damaged)?;
        Head::read(bytes)
    };
    match (slot(0), slot(SLOT)) {
        (Ok(first), Ok(second)) => Ok(if first.number >= second.number { first } else { second }),
        (Err(NoHead::Version(found)), _) | (_, Err(NoHead::Version(found))) => {
            Err(Error::FormatTooNew { path: path.to_owned(), found, supported: VERSION })
        }
        (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(only),
        (Err(_), Err(_)) => Err(Error::LogDamaged {
            path: path.to_owned(),
            place: 0,
            reason: "neither of its two heads is whole".to_owned(),
        }),
    }
}
