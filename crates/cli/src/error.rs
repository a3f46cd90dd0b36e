//! [`CliError`]: why a command failed, as it is shown.

use std::io;
use std::path::PathBuf;

use crate::import::ImportError;

/// An error of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The database's.
    #[error(transparent)]
    Factum(#[from] factum::Error),
    /// There is nothing to read from.
    #[error(transparent)]
    NoDatabase(factum::Error),
    /// The input's of an import.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// An argument that should be EDN.
    #[error("{what} is not EDN: {source}")]
    Argument {
        /// Which argument.
        what: String,
        /// Its text.
        text: String,
        /// What the reader says.
        source: edn::Error,
    },
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is no dump, or one of a later version.
    #[error("{}: not a dump that this version of factum can read", path.display())]
    NotADump {
        /// The file.
        path: PathBuf,
        /// The version that it states.
        found: Option<i64>,
    },
    /// There are no tables to dump.
    #[error("{} has no key-value tables", path.display())]
    NoTables {
        /// The database.
        path: PathBuf,
    },
    /// Something is wrong in a file that was read as EDN.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: factum::Error,
    },
    /// Standard output is gone.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// The terminal does not work.
    #[error("cannot read from the terminal: {0}")]
    Terminal(#[from] rustyline::error::ReadlineError),
    /// A check found damage.
    #[error("{count} problems found")]
    Unsound {
        /// How many.
        count: u64,
    },
}

impl CliError {
    /// The message for people, with the place in the text where there is one.
    pub fn render(&self) -> String {
        match self {
            Self::Factum(error) => error.render(),
            Self::NoDatabase(error) => {
                format!("{}help: `factum import`, `transact`, `load` and `repl` make one\n", error.render())
            }
            Self::Import(error) => format!("error: {}", error.render()),
            Self::Argument { what, text, source } => format!("{what}:\n{}", source.render(text)),
            Self::File { path, .. } if path.as_os_str().as_encoded_bytes().starts_with(b"(") => {
                let help = "forms are read from a file, or from standard input: echo '(+ 1 2)' | factum exec";
                format!("error: {self}\nhelp: {help}\n")
            }
            Self::InFile { path, source } => format!("{}:\n{}", path.display(), source.render()),
            other => format!("error: {other}\n"),
        }
    }
}

/// Whether to write colours: on a terminal, unless the user does not want them.
pub fn colours(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none()
}

/// Makes the first word of messages bold and red, and carets and help stand out, on a terminal.
pub fn paint(message: &str, terminal: bool) -> String {
    if !colours(terminal) {
        return message.to_owned();
    }
    let mut out = String::with_capacity(message.len() + 64);
    for line in message.split_inclusive('\n') {
        let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
        let painted = if text.starts_with("error") {
            text.split_once(':').map(|(head, rest)| format!("\x1b[1;31m{head}\x1b[0m:{rest}"))
        } else if text.starts_with("warning") {
            text.split_once(':').map(|(head, rest)| format!("\x1b[1;33m{head}\x1b[0m:{rest}"))
        } else if text.starts_with("help") {
            text.split_once(':').map(|(head, rest)| format!("\x1b[1;36m{head}\x1b[0m:{rest}"))
        } else if text.contains('^') && text.trim_start().starts_with('|') {
            text.split_once('^').map(|(head, rest)| format!("{head}\x1b[31m^{rest}\x1b[0m"))
        } else {
            None
        };
        out.push_str(painted.as_deref().unwrap_or(text));
        out.push_str(end);
    }
    out
}
