//! [`Here`]: which run of which machine has which files in its memory.
//!
//! After the end of a program alone, the system still has everything it wrote, and reads see that. Only if the machine
//! went down, or if the files are a copy of the disk, may pages be missing. The kernel's number of its run tells the
//! one from the other, together with the files' own numbers: a copy of the disk has others.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;

/// A file of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileNumber {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileNumber {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Here {
    /// The kernel's number of its run.
    pub(super) boot: [u8; 36],
    pub(super) data: FileNumber,
    pub(super) log: FileNumber,
}

impl Here {
    /// `None` where the system has no such number: then memory is never relied on.
    pub(super) fn of(data: &File, log: &File) -> io::Result<Option<Self>> {
        let Some(boot) = boot() else { return Ok(None) };
        Ok(Some(Self { boot, data: FileNumber::of(data)?, log: FileNumber::of(log)? }))
    }
}

fn boot() -> Option<[u8; 36]> {
    let text = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    text.first_chunk().copied()
}
