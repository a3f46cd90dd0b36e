//! The flags of tables and of puts, and what a table's flags mean for its callers.

use std::fmt;

use bitflags::bitflags;
use lmdb_pages::{OrderKind, TableFlags};

bitflags! {
    /// How a table orders and stores its pairs. Fixed when the table is created.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct DbiFlags: u16 {
        /// Keys compare from their last byte to their first.
        const REVERSEKEY = 0x02;
        /// A key owns a sorted set of values: a list table.
        const DUPSORT = 0x04;
        /// Keys are integers in native byte order, all of 4 or all of 8 bytes.
        const INTEGERKEY = 0x08;
        /// All values of a list table have one size and lie packed; implies [`DbiFlags::DUPSORT`].
        const DUPFIXED = 0x10;
        /// Values are integers in native byte order; implies [`DbiFlags::DUPFIXED`].
        const INTEGERDUP = 0x20;
        /// Values compare from their last byte to their first; implies [`DbiFlags::DUPSORT`].
        const REVERSEDUP = 0x40;
    }
}

/// As a set of keywords: `#{:dupsort :dupfixed}`.
impl fmt::Display for DbiFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("#{")?;
        for (index, name) in self.keywords().enumerate() {
            write!(f, "{}:{name}", if index == 0 { "" } else { " " })?;
        }
        f.write_str("}")
    }
}

impl DbiFlags {
    /// The flags with those that they imply.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        if self.contains(Self::INTEGERDUP) {
            self |= Self::DUPFIXED;
        }
        if self.intersects(Self::DUPFIXED | Self::REVERSEDUP) {
            self |= Self::DUPSORT;
        }
        self
    }

    /// The keywords of the flags, without their colons.
    fn keywords(self) -> impl Iterator<Item = String> {
        self.iter_names().map(|(name, _)| name.to_lowercase())
    }

    /// Whether a key can own several values.
    pub fn is_list(self) -> bool {
        self.contains(Self::DUPSORT)
    }

    /// How keys compare.
    pub(crate) fn key_order(self) -> OrderKind {
        OrderKind::of_keys(TableFlags::from_bits_truncate(self.bits()))
    }

    /// How the values of a key compare.
    pub(crate) fn value_order(self) -> OrderKind {
        OrderKind::of_duplicates(TableFlags::from_bits_truncate(self.bits()))
    }

    /// LMDB's bits.
    pub(crate) fn raw(self) -> u32 {
        u32::from(self.bits())
    }

    /// From LMDB's bits, leaving out those that are not about tables.
    pub(crate) fn from_raw(raw: u32) -> Self {
        Self::from_bits_truncate((raw & 0xFFFF) as u16)
    }
}

bitflags! {
    /// How an environment works, by LMDB's own names and bits.
    ///
    /// Chosen when it is opened ([`EnvOptions::flags`](crate::EnvOptions::flags)); those of
    /// [`EnvFlags::CHANGEABLE`] can be set and cleared later, too ([`Env::set_flags`](crate::Env::set_flags)).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct EnvFlags: u32 {
        /// The file at a fixed address. Experimental in LMDB, and **refused** here.
        const FIXEDMAP = 0x01;
        /// The path names the data file: [`EnvOptions::single_file`](crate::EnvOptions::single_file).
        const NOSUBDIR = 0x4000;
        /// Commits force nothing to disk: [`Durability::None`](crate::Durability::None). **A power failure may damage
        /// the file.**
        const NOSYNC = 0x1_0000;
        /// Writes are refused: [`EnvOptions::read_only`](crate::EnvOptions::read_only).
        const RDONLY = 0x2_0000;
        /// Commits force the data to disk, but not the page that makes it the newest state:
        /// [`Durability::MetaLater`](crate::Durability::MetaLater).
        const NOMETASYNC = 0x4_0000;
        /// Writing goes through the mapping: [`EnvOptions::write_map`](crate::EnvOptions::write_map). **A stray write
        /// damages the file.**
        const WRITEMAP = 0x8_0000;
        /// With [`EnvFlags::WRITEMAP`], pages are written when the system likes. **As dangerous as
        /// [`EnvFlags::NOSYNC`].**
        const MAPASYNC = 0x10_0000;
        /// Reading is not bound to threads; always set.
        const NOTLS = 0x20_0000;
        /// No locks at all. **Refused**: two writers would damage the file.
        const NOLOCK = 0x40_0000;
        /// The system does not read ahead: the opposite of [`EnvOptions::read_ahead`](crate::EnvOptions::read_ahead).
        const NORDAHEAD = 0x80_0000;
        /// Fresh pages are not zeroed before they are written. **What the process had in its memory may get into
        /// the file.**
        const NOMEMINIT = 0x100_0000;
        /// The state before the newest commit:
        /// [`EnvOptions::previous_snapshot`](crate::EnvOptions::previous_snapshot).
        const PREVSNAPSHOT = 0x200_0000;
    }
}

impl EnvFlags {
    /// Those that can be changed while the environment is open.
    pub const CHANGEABLE: Self =
        Self::NOSYNC.union(Self::NOMETASYNC).union(Self::MAPASYNC).union(Self::NOMEMINIT);

    /// All of them, by the keywords that name them in data.
    pub const NAMED: [(&'static str, Self); 12] = [
        ("fixedmap", Self::FIXEDMAP),
        ("nosubdir", Self::NOSUBDIR),
        ("nosync", Self::NOSYNC),
        ("rdonly-env", Self::RDONLY),
        ("nometasync", Self::NOMETASYNC),
        ("writemap", Self::WRITEMAP),
        ("mapasync", Self::MAPASYNC),
        ("notls", Self::NOTLS),
        ("nolock", Self::NOLOCK),
        ("nordahead", Self::NORDAHEAD),
        ("nomeminit", Self::NOMEMINIT),
        ("previous-snapshot", Self::PREVSNAPSHOT),
    ];
}

bitflags! {
    /// What a put does when the pair, or the order, is not new.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct PutFlags: u32 {
        /// Refuse, with [`Error::KeyExists`](crate::Error::KeyExists), if the key is there already.
        const NOOVERWRITE = 0x10;
        /// In a list table, refuse if the pair is there already.
        const NODUPDATA = 0x20;
        /// The key is greater than all keys of the table; refuse with
        /// [`Error::OutOfOrder`](crate::Error::OutOfOrder) if it is not.
        const APPEND = 0x20000;
        /// In a list table, the value is greater than all values of its key.
        const APPENDDUP = 0x40000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_carry_what_they_imply() {
        assert_eq!(
            DbiFlags::INTEGERDUP.normalised(),
            DbiFlags::INTEGERDUP | DbiFlags::DUPFIXED | DbiFlags::DUPSORT
        );
        assert_eq!(DbiFlags::REVERSEDUP.normalised(), DbiFlags::REVERSEDUP | DbiFlags::DUPSORT);
        assert_eq!(DbiFlags::REVERSEKEY.normalised(), DbiFlags::REVERSEKEY);
    }
}
