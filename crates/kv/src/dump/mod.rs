//! Dumps: tables as text, for moving between machines, versions and programs.
//!
//! ```text
//!   ReadTxn --dump--> our own form   --load--> Env      carries flags, options, types
//!                     LMDB's form    --load--> Env      bytevalue or print; carries flags only
//!                     (mdb_dump)     --mdb_load--> any LMDB
//! ```
//!
//! Our own form is lines of text. Heads are EDN maps, pairs are two words of hexadecimal digits:
//!
//! ```text
//! {:factum/dump 1, :byte-order :little}
//! {:table "users", :flags #{:dupsort}, :counted true, :key-type :string, :value-type :long, :pairs 1}
//! fa616e6e c10000000000000028
//! {:factum/end 1}
//! ```
//!
//! Tables with registered types have their definitions in the head, too: `:types {:my/version {..}}`.
//!
//! The numbers of pairs and, at the end, of tables show whether a dump is whole. A dump is of one state; loading one is
//! a single transaction, so that a dump is loaded whole or not at all.

mod lmdb;
mod load;
mod own;

use std::io::{self, Write};

pub use load::{LoadOptions, LoadReport, OnExisting};

use crate::dbi::{DbiOptions, check_name};
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::read::{Cursor, ReadTxn};

/// The form of a dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpFormat {
    /// Our own, which carries flags, options and types.
    #[default]
    Factum,
    /// LMDB's, with bytes as hexadecimal digits, as `mdb_dump` writes it.
    ByteValue,
    /// LMDB's, with printable bytes as they are, as `mdb_dump -p` writes it.
    Print,
}

/// What was dumped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DumpReport {
    /// How many tables.
    pub tables: u64,
    /// How many pairs, of all tables together.
    pub pairs: u64,
}

/// Flags and their names, in LMDB's form and in ours.
const FLAGS: [(DbiFlags, &str); 6] = [
    (DbiFlags::REVERSEKEY, "reversekey"),
    (DbiFlags::DUPSORT, "dupsort"),
    (DbiFlags::INTEGERKEY, "integerkey"),
    (DbiFlags::DUPFIXED, "dupfixed"),
    (DbiFlags::INTEGERDUP, "integerdup"),
    (DbiFlags::REVERSEDUP, "reversedup"),
];

const HEX: &[u8; 16] = b"0123456789abcdef";

impl ReadTxn {
    /// Writes tables as text: those of these names or, if there are none, all.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let env = factum_kv::Env::open(dir.path().join("a"))?;
    /// use factum_kv::codec::{Long, Str};
    /// use factum_kv::{DumpFormat, Env, LoadOptions, Table};
    ///
    /// let ages: Table<Str, Long> = env.open_table("ages")?;
    /// env.with_transaction(|txn| ages.put(txn, "ann", 40))?;
    /// let mut text = Vec::new();
    /// env.read()?.dump(&[], DumpFormat::Factum, &mut text)?;
    ///
    /// let other = Env::open(dir.path().join("b"))?;
    /// other.load(text.as_slice(), &LoadOptions::new())?;
    /// let ages: Table<Str, Long> = other.open_table("ages")?;
    /// assert_eq!(ages.get(&other.read()?, "ann")?, Some(40));
    /// # Ok::<(), factum_kv::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`]; [`Error::BadDbiName`] for a name with line breaks, which LMDB's form cannot hold;
    /// [`Error::DiskFull`], [`Error::Io`] if the text cannot be written, [`Error::Pages`] if the
    /// file is damaged.
    #[doc(alias = "mdb_dump")]
    pub fn dump(&self, tables: &[&str], format: DumpFormat, out: impl Write) -> Result<DumpReport> {
        let mut out = io::BufWriter::new(out);
        let names = self.names_for_dump(tables)?;
        let mut report = DumpReport::default();
        if format == DumpFormat::Factum {
            own::write_head(&mut out).map_err(not_written)?;
        }
        let env = crate::env::Env::from(std::sync::Arc::clone(self.shared()));
        for name in &names {
            check_name(name)?;
            let found = self.snapshot().table(name)?;
            let table = found.ok_or_else(|| self.shared().no_such_dbi(name))?;
            let flags = DbiFlags::from_raw(u32::from(table.flags().bits()));
            match format {
                DumpFormat::Factum => {
                    let options = DbiOptions::of_stored(flags, self.stored_options(name)?);
                    let options = self.shared().resolved(name, options, |name| self.stored_type(name))?;
                    own::write_table_head(name, &options, table.entries(), &mut out)
                }
                _ => lmdb::write_table_head(&env, name, flags, format, &mut out)?,
            }
            .map_err(not_written)?;
            let mut cursor = Cursor::of_snapshot(self.snapshot(), &table)?;
            while let Some((key, value)) = cursor.next()? {
                match format {
                    DumpFormat::Factum => own::write_pair(key, value, &mut out),
                    _ => lmdb::write_pair(key, value, format, &mut out),
                }
                .map_err(not_written)?;
                report.pairs += 1;
            }
            if format != DumpFormat::Factum {
                out.write_all(lmdb::END.as_bytes()).map_err(not_written)?;
            }
            report.tables += 1;
        }
        if format == DumpFormat::Factum {
            own::write_end(report.tables, &mut out).map_err(not_written)?;
        }
        out.flush().map_err(not_written)?;
        Ok(report)
    }

    fn names_for_dump(&self, tables: &[&str]) -> Result<Vec<String>> {
        if !tables.is_empty() {
            return Ok(tables.iter().map(|name| (*name).to_owned()).collect());
        }
        let mut names = self.snapshot().table_names()?;
        names.retain(|name| !name.starts_with(crate::dbi::OWN_PREFIX));
        Ok(names)
    }
}

fn not_written(error: io::Error) -> Error {
    Error::io("writing the dump")(error)
}

fn put_hex(bytes: &[u8], line: &mut Vec<u8>) {
    line.extend(bytes.iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]));
}

/// The bytes behind hexadecimal digits, of either case.
fn take_hex(digits: &[u8], bytes: &mut Vec<u8>) -> Result<(), &'static str> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("an odd number of hexadecimal digits");
    }
    bytes.clear();
    bytes.reserve(pairs.len());
    for [high, low] in pairs {
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err("hexadecimal digits were expected");
        };
        bytes.push(high << 4 | low);
    }
    Ok(())
}
