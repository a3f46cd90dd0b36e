//! Loading dumps in LMDB's portable text format.

use std::io::BufRead;

use super::FLAGS;
use super::dump::DumpFormat;
use crate::codec::KeyType;
use crate::dbi::{Dbi, DbiOptions};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::txn::WriteTxn;

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// The tables, in the order of the dump, with the number of pairs read for each.
    pub tables: Vec<(String, u64)>,
}

impl Env {
    /// Loads a dump of any number of tables, whole or not at all. Tables that do not exist are created with the dump's
    /// flags; those that do are added to.
    ///
    /// # Errors
    ///
    /// [`Error::BadDump`] with the line that cannot be understood, [`Error::DbiFlagsConflict`], and those of writing.
    #[doc(alias = "mdb_load")]
    pub fn load(&self, input: &mut impl BufRead) -> Result<LoadReport> {
        let mut txn = self.write()?;
        let report = txn.load(input)?;
        txn.commit()?;
        Ok(report)
    }
}

impl WriteTxn<'_> {
    /// As [`Env::load`], inside this transaction.
    ///
    /// # Errors
    ///
    /// As [`Env::load`]; what was loaded before the error remains in the transaction.
    pub fn load(&mut self, input: &mut impl BufRead) -> Result<LoadReport> {
        let mut lines = Lines { input, line: Vec::new(), number: 0 };
        let mut report = LoadReport::default();
        while let Some(head) = lines.head()? {
            let dbi = self.open_dbi(&head.name, head.options)?;
            let pairs = load_pairs(self, &dbi, &mut lines, head.format)?;
            report.tables.push((head.name, pairs));
        }
        Ok(report)
    }
}

fn load_pairs<R: BufRead>(
    txn: &mut WriteTxn<'_>,
    dbi: &Dbi,
    lines: &mut Lines<'_, R>,
    format: DumpFormat,
) -> Result<u64> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut pairs = 0;
    while lines.bytes(format, &mut key)? {
        if !lines.bytes(format, &mut value)? {
            return Err(lines.bad("a key without a value"));
        }
        txn.put(dbi, &key, &value)?;
        pairs += 1;
    }
    Ok(pairs)
}

struct Head {
    name: String,
    options: DbiOptions,
    format: DumpFormat,
}

struct Lines<'i, R> {
    input: &'i mut R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<'_, R> {
    /// The next line, without its end; false at the end of the input.
    fn next(&mut self) -> Result<bool> {
        self.line.clear();
        let read = self.input.read_until(b'\n', &mut self.line).map_err(Error::io("reading a dump"))?;
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read > 0 {
            return Err(self.bad("the last line is not whole"));
        }
        Ok(read > 0)
    }

    fn bad(&self, reason: impl Into<String>) -> Error {
        Error::BadDump { line: self.number, reason: reason.into() }
    }

    /// The head of the next table; `None` at the end of the input.
    fn head(&mut self) -> Result<Option<Head>> {
        let mut name = None;
        let mut options = DbiOptions::new();
        let mut format = DumpFormat::default();
        let mut begun = false;
        while self.next()? {
            begun = true;
            if self.line == b"HEADER=END" {
                let name = name.ok_or_else(|| self.bad("the name of the table is missing (database=...)"))?;
                return Ok(Some(Head { name, options, format }));
            }
            let text = std::str::from_utf8(&self.line).map_err(|_| self.bad("the head is not text"))?;
            let (key, value) = text.split_once('=').ok_or_else(|| self.bad("KEY=VALUE was expected"))?;
            match key {
                "VERSION" if !value.parse::<u32>().is_ok_and(|version| version <= 3) => {
                    return Err(self.bad(format!("version {value} is not known")));
                }
                "type" if value != "btree" => {
                    return Err(self.bad(format!("tables of type {value} are not known")));
                }
                "format" => {
                    format = match value {
                        "bytevalue" => DumpFormat::Bytes,
                        "print" => DumpFormat::Print,
                        _ => return Err(self.bad(format!("format {value} is not known"))),
                    }
                }
                "database" => name = Some(value.to_owned()),
                "counted" => options.counted = value == "1",
                "keytype" => options.key_type = Some(self.key_type(value)?),
                "valuetype" => options.value_type = Some(self.key_type(value)?),
                _ => options = options.flags(flag(key, value)),
            }
        }
        if begun { Err(self.bad("the dump ends in the head of a table")) } else { Ok(None) }
    }

    fn key_type(&self, text: &str) -> Result<KeyType> {
        let value = edn::read(text).map_err(|error| self.bad(error.to_string()))?;
        KeyType::from_value(&value).map_err(|error| self.bad(error.to_string()))
    }

    /// The bytes of the next line; false at the end of the table.
    fn bytes(&mut self, format: DumpFormat, bytes: &mut Vec<u8>) -> Result<bool> {
        if !self.next()? {
            return Err(self.bad("the dump ends in the middle of a table"));
        }
        if self.line == b"DATA=END" {
            return Ok(false);
        }
        let text =
            self.line.strip_prefix(b" ").ok_or_else(|| self.bad("a line of data begins with a space"))?;
        bytes.clear();
        let decoded = match format {
            DumpFormat::Bytes => decode_hex(text, bytes),
            DumpFormat::Print => decode_print(text, bytes),
        };
        decoded.ok_or_else(|| self.bad("hexadecimal digits were expected, two for each byte"))?;
        Ok(true)
    }
}

/// The flag of a line; what else stands in heads is passed over.
fn flag(key: &str, value: &str) -> DbiFlags {
    let flag = FLAGS.iter().find(|(_, name)| *name == key && value != "0");
    flag.map_or(DbiFlags::empty(), |(flag, _)| *flag)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn decode_hex(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let (pairs, rest) = text.as_chunks::<2>();
    for &[high, low] in pairs {
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    rest.is_empty().then_some(())
}

fn decode_print(mut text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    while let Some((&byte, rest)) = text.split_first() {
        text = match (byte, rest) {
            (b'\\', [b'\\', rest @ ..]) => {
                bytes.push(b'\\');
                rest
            }
            (b'\\', [high, low, rest @ ..]) => {
                bytes.push(digit(*high)? << 4 | digit(*low)?);
                rest
            }
            (b'\\', _) => return None,
            (byte, rest) => {
                bytes.push(byte);
                rest
            }
        };
    }
    Some(())
}
