//! A folder of its own for each test, and the program run in it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub struct Case {
    dir: TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

impl Case {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a written file");
        path
    }

    /// Runs `factum` in the folder with arguments split at blanks; quote with `'..'`.
    #[track_caller]
    pub fn run(&self, line: &str) -> Run {
        self.run_with(line, "")
    }

    /// The same with standard input.
    #[track_caller]
    pub fn run_with(&self, line: &str, input: &str) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_factum"))
            .args(words(line))
            .current_dir(self.dir.path())
            .env("NO_COLOR", "1")
            .env("FACTUM_HISTORY", self.path("history"))
            // Where backups of re-indexing are, which the program leaves to its user.
            .env("TMPDIR", self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // The program may end without reading everything.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("the program ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8 output");
        Run { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
    }

    /// Runs a line that must succeed and gives its output.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!(run.code, Some(0), "{line}: {run:?}");
        run.out
    }

    /// Runs a line that must fail and gives its message.
    #[track_caller]
    pub fn fails(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!(run.code, Some(1), "{line}: {run:?}");
        assert_eq!(run.out, "", "{line}");
        run.err
    }

    /// Evaluates forms and gives the lines of the answers.
    #[track_caller]
    pub fn exec(&self, forms: &str) -> Vec<String> {
        let run = self.run_with("exec", forms);
        run.out.lines().map(str::to_owned).collect()
    }
}

fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

/// The bundled data set.
pub fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/debian-base.jsonl")
}

/// The text as gzip.
pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory is writable");
    encoder.finish().expect("memory is writable")
}
