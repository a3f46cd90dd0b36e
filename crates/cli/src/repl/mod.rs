//! `factum repl`: a shell on a database.
//!
//! ```text
//! line(s) --helper: brackets, completion, colours--> text --.command--> dots
//!                                                         --[:find ..]-> table with timing
//!                                                         --(form ..)--> exec::Session --> pretty EDN
//! ```

mod dots;
mod helper;
mod words;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use edn::{Form, FormKind, Value};
use factum::{Connection, Db, Options};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::commands::{NewArgs, warn};
use crate::error::{CliError, paint};
use crate::exec::{EvalError, Item, Session};
use crate::interrupt;
use crate::output::{self, Format};

use helper::ShellHelper;

/// Arguments of `factum repl`.
#[derive(Args)]
pub struct ReplArgs {
    /// The database: a directory, created if missing, or a file; without it, an empty database in memory
    dir: Option<PathBuf>,
    #[command(flatten)]
    new: NewArgs,
}

/// What the shell remembers between lines.
struct Shell {
    conn: Connection,
    session: Session,
    format: Format,
    rows_max: usize,
    timer: bool,
}

/// Whether the shell goes on.
enum Next {
    Prompt,
    Quit,
}

/// Runs the command.
pub fn run(args: &ReplArgs) -> Result<(), CliError> {
    let mut shell = Shell {
        conn: open(args.dir.as_deref(), args.new)?,
        session: Session::default(),
        format: Format::Table,
        rows_max: 100,
        timer: true,
    };
    let terminal = io::stdin().is_terminal();
    if terminal {
        shell.greet()?;
    }
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let mut editor: Editor<ShellHelper, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(ShellHelper::default()));
    let history = history_path();
    if let Some(path) = &history {
        // A first run has none.
        let _ = editor.load_history(path);
    }
    loop {
        if let Some(helper) = editor.helper_mut() {
            helper.refresh(&shell.conn, &shell.session);
        }
        match editor.readline(if terminal { "factum> " } else { "" }) {
            Ok(text) => match shell.run_text(&text) {
                Ok(Next::Prompt) => {}
                Ok(Next::Quit) => break,
                Err(CliError::Output(error)) => return Err(error.into()),
                Err(error) => shell.complain(&error.render()),
            },
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(path) = &history {
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = editor.save_history(path);
    }
    Ok(())
}

fn open(dir: Option<&Path>, new: NewArgs) -> Result<Connection, CliError> {
    match dir {
        Some(dir) => new.open(dir, Options::new()),
        None => Ok(Connection::memory()?),
    }
}

/// `$FACTUM_HISTORY`, else a file in the user's state directory.
fn history_path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("FACTUM_HISTORY") {
        return Some(path.into());
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Some(state.or_else(home)?.join("factum/history"))
}

impl Shell {
    fn greet(&self) -> Result<(), CliError> {
        let db = self.conn.db()?;
        let place = self.conn.path().map_or("in memory".to_owned(), |path| path.display().to_string());
        let datoms = output::count(db.count(None, None, None)?);
        println!("factum {}: {place}, {datoms} facts", env!("CARGO_PKG_VERSION"));
        println!(
            "Type a query such as [:find ?e :where [?e :db/ident]], a form such as (transact! conn [..]), or .help"
        );
        Ok(())
    }

    fn complain(&self, message: &str) {
        eprint!("{}", paint(message, io::stderr().is_terminal()));
    }

    /// Runs whatever one entry holds: a dot-command, or forms.
    fn run_text(&mut self, text: &str) -> Result<Next, CliError> {
        let trimmed = text.trim();
        if let Some(command) = trimmed.strip_prefix('.') {
            return dots::run(self, command);
        }
        self.run_forms(text)?;
        Ok(Next::Prompt)
    }

    fn run_forms(&mut self, text: &str) -> Result<(), CliError> {
        // Places count from the beginning of the session, messages from that of this entry.
        let base = self.session.text().len();
        self.session.feed().push(text);
        self.session.feed().push("\n");
        for form in self.session.feed().finish() {
            let result = match form {
                Err(error) => {
                    self.complain(&EvalError::from_reader(&error).shifted_back(base).render(text));
                    return Ok(());
                }
                Ok(form) if is_query(&form) => {
                    self.run_query(&text[form.span.start - base..form.span.end - base])
                }
                Ok(form) => self.run_form(&form, text, base),
            };
            if let Err(error) = result {
                match error {
                    CliError::Output(_) => return Err(error),
                    other => self.complain(&other.render()),
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// The current database, with a new chance for Ctrl-C: at the prompt the editor takes it itself, while a query runs
    /// it stops the query and not the shell.
    fn db(&self) -> Result<Db, CliError> {
        Ok(self.conn.db()?.with_cancel(interrupt::token()))
    }

    /// A bare query is asked of the current database.
    fn run_query(&mut self, text: &str) -> Result<(), CliError> {
        let db = self.db()?;
        let start = Instant::now();
        let result = db.query(text)?;
        let elapsed = start.elapsed();
        warn(result.warnings());
        let mut out = io::BufWriter::new(io::stdout().lock());
        output::write_result(&mut out, &result, self.format, self.rows_max)?;
        self.write_time(&mut out, elapsed)?;
        Ok(out.flush()?)
    }

    fn run_form(&mut self, form: &Form, text: &str, base: usize) -> Result<(), CliError> {
        self.session.define("conn", Item::Conn(self.conn.clone()));
        let cancel = interrupt::token();
        self.session.define("db", Item::Db(self.conn.db()?.with_cancel(cancel.clone())));
        self.session.set_cancel(cancel);
        let start = Instant::now();
        let value = self
            .session
            .eval(form)
            .and_then(|item| item.to_value().map_err(|error| EvalError::from_factum(&error, form.span)));
        let elapsed = start.elapsed();
        warn(self.session.take_warnings());
        let mut out = io::stdout().lock();
        match value {
            Ok(value) => writeln!(out, "{}", edn::pretty(&value, 100))?,
            Err(error) => self.complain(&error.shifted_back(base).render(text)),
        }
        self.write_time(&mut out, elapsed)
    }

    fn write_time(&self, out: &mut impl Write, elapsed: std::time::Duration) -> Result<(), CliError> {
        if self.timer {
            writeln!(out, "{}", output::duration(elapsed))?;
        }
        Ok(())
    }
}

/// Whether a form is a query on its own: `[:find ..]` or `{:find ..}`.
fn is_query(form: &Form) -> bool {
    let is_find = |form: &Form| form.as_atom().is_some_and(|value| *value == Value::keyword("find"));
    match &form.kind {
        FormKind::Vector(items) => items.first().is_some_and(is_find),
        FormKind::Map(entries) => entries.iter().any(|(key, _)| is_find(key)),
        _ => false,
    }
}
