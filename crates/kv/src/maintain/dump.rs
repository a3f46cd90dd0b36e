//! Dumps in LMDB's portable text format, as `mdb_dump` writes and `mdb_load` reads it.
//!
//! ```text
//! VERSION=3
//! format=bytevalue
//! database=users
//! type=btree
//! mapsize=1099511627776
//! maxreaders=1024
//! duplicates=1            where keys have several values; then one line for each flag, such as
//! dupsort=1
//! db_pagesize=4096
//! counted=1               this crate's own; mdb_load passes over them
//! keytype=:string
//! HEADER=END
//!  6162                   a key, then its value, each behind a space
//!  63
//! DATA=END
//! ```

use std::io::{self, Write};

use super::FLAGS;
use crate::dbi::Dbi;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::read::{Pairs, Read, ReadTxn, Span};

/// How bytes are written in a dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DumpFormat {
    /// Two hexadecimal digits for each byte.
    #[default]
    Bytes,
    /// Printable characters as they are, other bytes as `\` and two hexadecimal digits.
    Print,
}

impl Env {
    /// Writes all tables, as they are now.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the output fails; [`Error::BadDbiName`] if a name has several lines.
    #[doc(alias = "mdb_dump")]
    pub fn dump(&self, output: &mut impl Write, format: DumpFormat) -> Result<()> {
        let read = self.read()?;
        for name in self.dbi_names()? {
            dump_table(self, &read, &self.existing_dbi(&name)?, output, format)?;
        }
        Ok(())
    }

    /// Writes one table, as it is now.
    ///
    /// # Errors
    ///
    /// As [`Env::dump`]; [`Error::NoSuchDbi`].
    pub fn dump_dbi(&self, name: &str, output: &mut impl Write, format: DumpFormat) -> Result<()> {
        let dbi = self.existing_dbi(name)?;
        dump_table(self, &self.read()?, &dbi, output, format)
    }
}

fn dump_table(
    env: &Env,
    read: &ReadTxn,
    dbi: &Dbi,
    output: &mut impl Write,
    format: DumpFormat,
) -> Result<()> {
    if dbi.name.contains('\n') {
        return Err(Error::BadDbiName {
            name: dbi.name.to_owned(),
            reason: "a dump cannot hold a name of several lines",
        });
    }
    write_head(env, read, dbi, output, format)?;
    let mut pairs = Pairs::new(read.cursor(dbi)?, Span::all(), None, dbi);
    let mut line = Vec::new();
    while let Some((key, value)) = pairs.step()? {
        line.clear();
        write_bytes(key, format, &mut line);
        write_bytes(value, format, &mut line);
        output.write_all(&line).map_err(written)?;
    }
    writeln!(output, "DATA=END").map_err(written)
}

fn write_head(
    env: &Env,
    read: &ReadTxn,
    dbi: &Dbi,
    output: &mut impl Write,
    format: DumpFormat,
) -> Result<()> {
    use std::fmt::Write as _;

    let info = env.info()?;
    let options = read.dbi_options(dbi)?;
    let mut head = String::new();
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        writeln!(head, "{key}={value}").expect("writing to a string does not fail");
    };
    line("VERSION", &3);
    line("format", &if format == DumpFormat::Print { "print" } else { "bytevalue" });
    line("database", &dbi.name);
    line("type", &"btree");
    line("mapsize", &info.map_size);
    line("maxreaders", &info.max_readers);
    if dbi.is_list() {
        line("duplicates", &1);
    }
    for (flag, name) in FLAGS {
        if dbi.flags.contains(flag) {
            line(name, &1);
        }
    }
    line("db_pagesize", &info.page_size);
    if options.is_counted() {
        line("counted", &1);
    }
    if let Some(key_type) = options.key_type() {
        line("keytype", key_type);
    }
    if let Some(value_type) = options.value_type() {
        line("valuetype", value_type);
    }
    writeln!(head, "HEADER=END").expect("writing to a string does not fail");
    output.write_all(head.as_bytes()).map_err(written)
}

fn write_bytes(bytes: &[u8], format: DumpFormat, line: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hex = |byte: u8, line: &mut Vec<u8>| {
        line.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    };
    line.push(b' ');
    for &byte in bytes {
        match format {
            DumpFormat::Bytes => hex(byte, line),
            DumpFormat::Print if byte == b'\\' => line.extend_from_slice(b"\\\\"),
            DumpFormat::Print if byte == b' ' || byte.is_ascii_graphic() => line.push(byte),
            DumpFormat::Print => {
                line.push(b'\\');
                hex(byte, line);
            }
        }
    }
    line.push(b'\n');
}

fn written(source: io::Error) -> Error {
    Error::io("writing a dump")(source)
}
