//! LMDB's own form, as its programs `mdb_dump` and `mdb_load` write and read it.

use std::io::{self, Write};

use super::{DumpFormat, FLAGS, HEX, put_hex, take_hex};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::flags::DbiFlags;

/// What a dump of this form begins with.
pub(super) const MARK: &str = "VERSION=";
/// The end of a table.
pub(super) const END: &str = "DATA=END\n";

pub(super) fn write_table_head(
    env: &Env,
    name: &str,
    flags: DbiFlags,
    format: DumpFormat,
    out: &mut impl Write,
) -> Result<io::Result<()>> {
    if name.contains('\n') {
        let reason = "LMDB's form of dumps cannot hold a line break";
        return Err(Error::BadDbiName { name: name.to_owned(), reason });
    }
    let info = env.info()?;
    let format = if format == DumpFormat::Print { "print" } else { "bytevalue" };
    let mut head = format!("VERSION=3\nformat={format}\ndatabase={}\ntype=btree\n", name);
    head.push_str(&format!("mapsize={}\nmaxreaders={}\n", info.map_size, info.max_readers));
    if flags.is_list() {
        head.push_str("duplicates=1\n");
    }
    for (_, name) in FLAGS.iter().filter(|(flag, _)| flags.contains(*flag)) {
        head.push_str(name);
        head.push_str("=1\n");
    }
    head.push_str(&format!("db_pagesize={}\nHEADER=END\n", info.page_size));
    Ok(out.write_all(head.as_bytes()))
}

pub(super) fn write_pair(
    key: &[u8],
    value: &[u8],
    format: DumpFormat,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut line = Vec::with_capacity(2 * (key.len() + value.len()) + 4);
    for bytes in [key, value] {
        line.push(b' ');
        if format == DumpFormat::Print {
            put_printable(bytes, &mut line)
        } else {
            put_hex(bytes, &mut line)
        }
        line.push(b'\n');
    }
    out.write_all(&line)
}

fn put_printable(bytes: &[u8], line: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'\\' => line.extend_from_slice(br"\\"),
            b' '..=b'~' => line.push(*byte),
            _ => line.extend_from_slice(&[b'\\', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

fn take_printable(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), &'static str> {
    bytes.clear();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        if let Some(after) = rest.strip_prefix(b"\\") {
            bytes.push(b'\\');
            rest = after;
            continue;
        }
        let Some((digits, after)) = rest.split_at_checked(2) else {
            return Err("a backslash needs two hexadecimal digits, or another backslash");
        };
        let mut one = Vec::with_capacity(1);
        take_hex(digits, &mut one)?;
        bytes.append(&mut one);
        rest = after;
    }
    Ok(())
}

/// The head of a table, as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) name: Option<String>,
    pub(super) flags: DbiFlags,
    print: bool,
}

impl Head {
    /// Takes in a line; says whether it was the last one of the head.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<bool, String> {
        let line = std::str::from_utf8(line).map_err(|_| "the head of a table must be text".to_owned())?;
        let (name, value) = line.split_once('=').ok_or("a line NAME=VALUE was expected")?;
        match (name, value) {
            ("HEADER", "END") => return Ok(true),
            ("VERSION", "1" | "2" | "3") => {}
            ("VERSION", _) => return Err(format!("version {value} of LMDB's form is not known")),
            ("format", "bytevalue") => self.print = false,
            ("format", "print") => self.print = true,
            ("format", _) => return Err(format!("format {value} is not known")),
            ("type", "btree") => {}
            ("type", _) => return Err(format!("type {value} is not known")),
            ("database", _) => self.name = Some(value.to_owned()),
            // Of the environment that was dumped; ours has its own. `duplicates` repeats `dupsort`.
            ("mapsize" | "mapaddr" | "maxreaders" | "db_pagesize" | "duplicates", _) => {}
            _ => match (FLAGS.iter().find(|(_, flag)| *flag == name), value) {
                (Some((flag, _)), "1") => self.flags |= *flag,
                (Some(_), "0") => {}
                _ => return Err(format!("{line} is not known")),
            },
        }
        Ok(false)
    }

    /// Reads a key or value; `None` at the end of the table.
    pub(super) fn item(&self, line: &[u8], bytes: &mut Vec<u8>) -> Result<Option<()>, &'static str> {
        match line.split_first() {
            Some((b' ', text)) => {
                if self.print { take_printable(text, bytes) } else { take_hex(text, bytes) }.map(Some)
            }
            _ if line == END.trim_end().as_bytes() => Ok(None),
            _ => Err("a line that begins with a space, or DATA=END, was expected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_survives() {
        let all: Vec<u8> = (0..=255).collect();
        let (mut text, mut bytes) = (Vec::new(), Vec::new());
        put_printable(&all, &mut text);
        assert!(text.starts_with(br"\00\01"));
        take_printable(&text, &mut bytes).unwrap();
        assert_eq!(bytes, all);
        take_printable(br"a\5Cb\\c", &mut bytes).unwrap();
        assert_eq!(bytes, br"a\b\c");
        for wrong in [&br"\"[..], br"\4", br"\4x"] {
            assert!(take_printable(wrong, &mut bytes).is_err());
        }
    }
}
