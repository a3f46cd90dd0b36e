//! The meta page as a value of its own: what a program needs that keeps a copy of it elsewhere.

use crate::error::Result;
use crate::format::{META_END, META_TXN_ID, Meta, NO_PAGE};

/// The part of a meta page that means something.
///
/// ```
/// # use lmdb_pages::MetaPage;
/// assert!(MetaPage::read([0; MetaPage::SIZE]).is_err()); // LMDB's mark is missing
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaPage([u8; META_END]);

impl MetaPage {
    /// So many bytes, from the beginning of the page.
    pub const SIZE: usize = META_END;

    /// Checks the bytes of a meta page.
    ///
    /// # Errors
    ///
    /// [`Error::NotLmdb`](crate::Error::NotLmdb).
    pub fn read(bytes: [u8; META_END]) -> Result<Self> {
        Meta::read(&bytes).map(|_| Self(bytes))
    }

    /// The bytes as they stand in the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8; META_END] {
        &self.0
    }

    fn meta(&self) -> Meta {
        Meta::read(&self.0).expect("checked when it was read")
    }

    /// The transaction that wrote it.
    #[must_use]
    pub fn txn_id(&self) -> u64 {
        self.meta().txn_id
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.meta().free.pad
    }

    /// The greatest page number in use.
    #[must_use]
    pub fn last_page(&self) -> u64 {
        self.meta().last_page
    }

    /// The root pages of the free list and of the table of tables, as far as they are not empty.
    #[must_use]
    pub fn roots(&self) -> [Option<u64>; 2] {
        let meta = self.meta();
        [meta.free.root, meta.main.root].map(|root| (root != NO_PAGE).then_some(root))
    }

    /// The same state as the meta page `number` (0 or 1) would give it, as if transaction `txn_id` had made it.
    #[must_use]
    pub fn placed(&self, number: u64, txn_id: u64) -> Self {
        let mut bytes = self.0;
        bytes[..8].copy_from_slice(&number.to_ne_bytes());
        bytes[META_TXN_ID..META_TXN_ID + 8].copy_from_slice(&txn_id.to_ne_bytes());
        Self(bytes)
    }
}
