//! The data file as the log sees it: its meta pages, read and restored without LMDB, and its root pages.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use lmdb_pages::MetaPage;

use super::head::Checkpoint;

/// The meta page `number` (0 or 1) of a file with pages of this size, if it is whole.
fn meta(data: &File, number: u64, page_size: u32) -> Option<MetaPage> {
    let mut bytes = [0; MetaPage::SIZE];
    data.read_exact_at(&mut bytes, number * u64::from(page_size)).ok()?;
    MetaPage::read(bytes).ok().filter(|meta| meta.page_size() == page_size)
}

/// The transaction of the newest meta page.
pub(super) fn newest(data: &File, page_size: u32) -> Option<u64> {
    let id = |number| meta(data, number, page_size).map(|meta| meta.txn_id());
    id(0).max(id(1))
}

/// The state after transaction `txn_id`, if a meta page has it.
pub(super) fn checkpoint(data: &File, page_size: u32, txn_id: u64) -> io::Result<Option<Checkpoint>> {
    let Some(meta) = meta(data, txn_id % 2, page_size).filter(|meta| meta.txn_id() == txn_id) else {
        return Ok(None);
    };
    Ok(Some(Checkpoint { prints: prints(data, &meta)?, meta }))
}

/// Checksums of a state's root pages: they tell whether a file has that state, and the table of tables says where
/// everything else is.
pub(super) fn prints(data: &File, meta: &MetaPage) -> io::Result<[u32; 2]> {
    let mut page = vec![0; meta.page_size() as usize];
    let mut prints = [0; 2];
    for (print, root) in prints.iter_mut().zip(meta.roots()) {
        let Some(root) = root else { continue };
        match data.read_exact_at(&mut page, root.saturating_mul(u64::from(meta.page_size()))) {
            Ok(()) => *print = crc32fast::hash(&page),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    Ok(prints)
}

/// Makes a checkpoint the newest state again, and the one before it, too.
pub(super) fn restore(data: &File, checkpoint: &Checkpoint) -> io::Result<()> {
    let meta = &checkpoint.meta;
    let newest = meta.txn_id();
    for number in 0..2 {
        let id = if newest % 2 == number { newest } else { newest.saturating_sub(1) };
        data.write_all_at(meta.placed(number, id).bytes(), number * u64::from(meta.page_size()))?;
    }
    data.sync_data()
}
