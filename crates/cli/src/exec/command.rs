//! The command itself: reading forms as they arrive, printing a line for each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use edn::Form;

use super::error::EvalError;
use super::session::Session;
use crate::error::{CliError, paint};

/// Arguments of `factum exec`.
#[derive(Args)]
pub struct ExecArgs {
    /// File of forms [default: standard input]
    file: Option<PathBuf>,
    /// Stop at the first form that fails
    #[arg(long)]
    stop_on_error: bool,
}

/// Runs the command; fails if any form did.
pub fn run(args: &ExecArgs) -> ExitCode {
    let result = match &args.file {
        Some(path) if path.as_os_str() != "-" => match File::open(path) {
            Ok(file) => run_forms(BufReader::new(file), args.stop_on_error),
            Err(source) => Err(CliError::File { path: path.clone(), source }),
        },
        _ => run_forms(io::stdin().lock(), args.stop_on_error),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", paint(&error.render(), io::stderr().is_terminal()));
            ExitCode::FAILURE
        }
    }
}

/// Evaluates everything that `input` holds, line by line, so that a program at the other end of a pipe gets each
/// answer before it sends the next form. True if no form failed.
fn run_forms(mut input: impl BufRead, stop_on_error: bool) -> Result<bool, CliError> {
    let mut session = Session::default();
    let mut out = io::stdout().lock();
    let (mut line, mut succeeded) = (String::new(), true);
    loop {
        line.clear();
        let done = input.read_line(&mut line)? == 0;
        session.feed().push(&line);
        let forms = if done { session.feed().finish() } else { session.feed().take() };
        for form in forms {
            let answer = form
                .map_err(|error| EvalError::from_reader(&error))
                .and_then(|form| answer(&mut session, &form));
            succeeded &= answer.is_ok();
            match &answer {
                Ok(text) => writeln!(out, "{text}")?,
                Err(error) => writeln!(out, "{}", error.to_value())?,
            }
            out.flush()?;
            crate::commands::warn(session.take_warnings());
            if answer.is_err() && stop_on_error {
                return Ok(false);
            }
        }
        if done {
            return Ok(succeeded);
        }
    }
}

/// The value of a form as one line.
fn answer(session: &mut Session, form: &Form) -> Result<String, EvalError> {
    let item = session.eval(form)?;
    let value = item.to_value().map_err(|error| EvalError::from_factum(&error, form.span))?;
    Ok(value.to_string())
}
