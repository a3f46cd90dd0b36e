//! Logs of other versions of the format: the one before is recovered, a later one refused.
//!
//! ```text
//! version 1   | mark 8 | version 4 | checksum 4 | number 8 | epoch 8 | start 8 | flags 4 | prints 8 | meta page | here 68 |
//! version 2   the same, and then | whole until 8 |; and records of two more kinds, and marks in the kind of others
//! ```

use factum_kv::{Env, Read};
use lmdb_pages::MetaPage;

use super::log::{Image, PAGE, PATIENCE, SECTOR, history, keys, log_of, put, refused, wal};

/// Where the fields of version 1 end in a slot.
const END: usize = 16 + 3 * 8 + 4 + 2 * 4 + MetaPage::SIZE + 68;

/// Changes a slot, and makes its checksum fit.
fn change_slot(slot: &mut [u8], version: u32) {
    slot[8..12].copy_from_slice(&version.to_le_bytes());
    if version == 1 {
        slot[END..].fill(0);
    }
    slot[12..16].fill(0);
    let sum = crc32fast::hash(slot);
    slot[12..16].copy_from_slice(&sum.to_le_bytes());
}

/// The log as another version wrote it, in the slots that are in use.
fn of_version(log: &[u8], version: u32, slots: &[usize]) -> Vec<u8> {
    let mut log = log.to_vec();
    for at in slots.iter().map(|slot| slot * PAGE) {
        let slot = &mut log[at..at + SECTOR];
        if slot.starts_with(b"factumWL") {
            change_slot(slot, version);
        }
    }
    log
}

/// The kinds of the records behind `start`, which version 1 wrote as 0 or, where there were no steps, 1.
fn kinds(log: &[u8]) -> Vec<u32> {
    let word = |at: usize| u64::from_le_bytes(log[at..at + 8].try_into().unwrap());
    let newest = if word(16) >= word(PAGE + 16) { 0 } else { PAGE };
    let (epoch, mut at) = (word(newest + 24), usize::try_from(word(newest + 32)).unwrap());
    let mut kinds = Vec::new();
    while at + 32 <= log.len() && word(at + 8) == epoch {
        kinds.push(word(at + 24) as u32);
        at = (at + 32 + (word(at) >> 32) as usize).next_multiple_of(8);
    }
    kinds
}

#[test]
fn a_log_of_version_1_is_recovered() {
    let (_dir, _env, before, after) = history(wal(), 6);
    let log = of_version(&after.log, 1, &[0, 1]);
    assert_eq!(kinds(&log), [0; 6], "records as version 1 wrote them");
    assert_ne!(log, after.log);
    // All of the data file is lost since the checkpoint, or nothing is.
    for data in [before.data, after.data] {
        let dir = Image { data, log: log.clone() }.write();
        let env = wal().open(dir.path()).unwrap();
        assert_eq!(keys(&env), 6);
        let read = env.read().unwrap();
        let dbi = env.existing_dbi("plain").unwrap();
        for number in 0..6 {
            assert_eq!(read.get(&dbi, &[number]).unwrap(), Some(&[number; 600][..]));
        }
        drop(read);
        // It goes on in the present version, which the version before would refuse.
        put(&env, &[6], b"more");
        let image = Image::of(dir.path());
        let version = |slot: usize| image.log[slot * PAGE + 8];
        assert!([version(0), version(1)].contains(&2));
        assert_eq!(keys(&Env::open(image.write().path()).unwrap()), 7);
        env.close(PATIENCE).unwrap();
        assert_eq!(keys(&Env::open(dir.path()).unwrap()), 7);
    }
}

#[test]
fn a_log_of_a_later_version_is_refused() {
    let (_dir, _env, _before, after) = history(wal(), 6);
    // Whether all of it or its newest head was written by a later version.
    for slots in [&[0, 1][..], &[0], &[1]] {
        let image = Image { log: of_version(&after.log, 3, slots), ..after.clone() };
        refused(&image, ":kv/format-too-new");
        let dir = image.write();
        let message = wal().open(dir.path()).unwrap_err().to_string();
        assert!(message.contains("version 3") && message.contains("up to 2"), "{message}");
        assert!(log_of(dir.path()).exists());
    }
}
