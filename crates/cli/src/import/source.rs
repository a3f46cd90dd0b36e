//! Opening an input: which format it has, plain or gzip, and its text in blocks of whole lines.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;

use super::ImportError;

/// Bytes of text per block of lines: small enough to share among threads, large enough to forget the overhead.
const BLOCK: usize = 1 << 20;

/// How records are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// A JSON array of objects, or objects one after the other.
    Json,
    /// Comma-separated values under a header line.
    Csv,
    /// EDN maps, one after the other or in one vector.
    Edn,
}

/// An input file that is being read.
pub struct Source {
    /// Its path, for errors.
    pub path: PathBuf,
    /// The format that was asked for or found.
    pub format: Format,
    reader: Box<dyn Read + Send>,
}

impl Source {
    /// Opens `path`; progress counts bytes of the file as it lies on disk.
    pub fn open(path: &Path, format: Option<Format>, progress: &ProgressBar) -> Result<Self, ImportError> {
        let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        progress.set_length(len);
        let mut magic = [0; 2];
        let read = file.read(&mut magic).map_err(unreadable)?;
        let head = io::Cursor::new(magic[..read].to_vec());
        let whole = BufReader::with_capacity(1 << 16, progress.wrap_read(head.chain(file)));
        let reader: Box<dyn Read + Send> = match magic == [0x1f, 0x8b] {
            true => Box::new(MultiGzDecoder::new(whole)),
            false => Box::new(whole),
        };
        let format = match format.or_else(|| format_of(path)) {
            Some(format) => format,
            None => return Err(ImportError::UnknownFormat { path: path.to_owned() }),
        };
        Ok(Self { path: path.to_owned(), format, reader })
    }

    /// The rest of the input as one text.
    pub fn text(mut self) -> Result<String, ImportError> {
        let mut bytes = Vec::new();
        match self.reader.read_to_end(&mut bytes) {
            Ok(_) => utf8(bytes, &self.path, 1),
            Err(source) => Err(ImportError::Unreadable { path: self.path, source }),
        }
    }

    /// The rest of the input as a reader.
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        self.reader
    }

    /// The input in blocks that end at line ends.
    pub fn blocks(self) -> Blocks {
        Blocks { source: self, rest: Vec::new(), index: 0, line: 1, done: false }
    }
}

/// By the name's ending, a `.gz` aside.
fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "jsonl" | "ndjson" | "jsonlines" => Some(Format::Jsonl),
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        "edn" => Some(Format::Edn),
        _ => None,
    }
}

/// Text as bytes that were checked to be UTF-8.
pub fn utf8(bytes: Vec<u8>, path: &Path, first_line: u64) -> Result<String, ImportError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = first_line + count_lines(valid);
        ImportError::NotUtf8 { path: path.to_owned(), line }
    })
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Some whole lines.
pub struct Block {
    /// Its place among the blocks, from 0.
    pub index: usize,
    /// The number of its first line, from 1.
    pub line: u64,
    /// The lines, not yet known to be UTF-8.
    pub bytes: Vec<u8>,
}

/// Iterator over the blocks of a [`Source`].
pub struct Blocks {
    source: Source,
    /// The beginning of a line whose end was not read yet.
    rest: Vec<u8>,
    index: usize,
    line: u64,
    done: bool,
}

impl Blocks {
    fn read_block(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.rest);
        while !self.done {
            let read = (&mut self.source.reader).take(BLOCK as u64).read_to_end(&mut bytes)?;
            self.done = read == 0;
            if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n')
                && bytes.len() >= BLOCK
            {
                self.rest = bytes.split_off(end + 1);
                break;
            }
        }
        Ok(bytes)
    }
}

impl Iterator for Blocks {
    type Item = Result<Block, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read_block() {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => {
                let block = Block { index: self.index, line: self.line, bytes };
                self.index += 1;
                self.line += count_lines(&block.bytes);
                Some(Ok(block))
            }
            Err(source) => {
                self.done = true;
                Some(Err(ImportError::Unreadable { path: self.source.path.clone(), source }))
            }
        }
    }
}
