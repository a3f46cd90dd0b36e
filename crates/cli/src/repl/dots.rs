//! The dot-commands of the shell.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::{Next, Shell, open};
use crate::commands;
use crate::error::{CliError, colours};
use crate::exec::FORMS;
use crate::output::{Align, Format, count, grid};

/// A dot-command: name, arguments, help, and what it does.
pub struct Dot {
    /// Without the dot.
    pub name: &'static str,
    arguments: &'static str,
    help: &'static str,
    run: fn(&mut Shell, &str) -> Result<Next, CliError>,
}

/// All dot-commands, in the order of the help.
pub const DOTS: &[Dot] = &[
    Dot { name: "help", arguments: "", help: "this list", run: help },
    Dot { name: "forms", arguments: "", help: "the forms that can be evaluated", run: forms },
    Dot {
        name: "attributes",
        arguments: "[TEXT]",
        help: "the attributes, or those whose name contains TEXT",
        run: attributes,
    },
    Dot { name: "schema", arguments: "", help: "the schema as EDN", run: schema },
    Dot {
        name: "count",
        arguments: "ATTRIBUTE",
        help: "how many facts and distinct values it has",
        run: count_facts,
    },
    Dot { name: "explain", arguments: "QUERY", help: "the plan of a query", run: explain },
    Dot {
        name: "analyze",
        arguments: "QUERY",
        help: "the plan of a query, run, with actual rows and times",
        run: analyze,
    },
    Dot {
        name: "mode",
        arguments: "table|edn|json|csv",
        help: "how answers of queries are written",
        run: mode,
    },
    Dot { name: "maxrows", arguments: "N", help: "rows that a table shows at most", run: max_rows },
    Dot { name: "timer", arguments: "on|off", help: "whether times are shown", run: timer },
    Dot { name: "stat", arguments: "", help: "sizes, counts and readers", run: stat },
    Dot { name: "check", arguments: "", help: "check that file and indexes are sound", run: check },
    Dot {
        name: "open",
        arguments: "[DIR]",
        help: "another database, or an empty one in memory",
        run: open_other,
    },
    Dot { name: "read", arguments: "FILE", help: "evaluate the forms of a file", run: read },
    Dot { name: "quit", arguments: "", help: "leave; so does Ctrl-D", run: |_, _| Ok(Next::Quit) },
];

/// Runs the text after the dot.
pub(super) fn run(shell: &mut Shell, command: &str) -> Result<Next, CliError> {
    let (name, argument) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let name = if name == "exit" { "quit" } else { name };
    match DOTS.iter().find(|dot| dot.name == name) {
        Some(dot) => (dot.run)(shell, argument.trim()),
        None => {
            let near = edn::nearest(name, DOTS.iter().map(|dot| dot.name));
            let hint = near.map_or("try .help".to_owned(), |near| format!("did you mean .{near}?"));
            shell.complain(&format!("error: there is no command .{name}\nhelp: {hint}\n"));
            Ok(Next::Prompt)
        }
    }
}

fn help(_: &mut Shell, _: &str) -> Result<Next, CliError> {
    let mut out = io::stdout().lock();
    writeln!(out, "A query on its own, [:find ..], is asked of the current database. Forms are evaluated:")?;
    writeln!(
        out,
        "conn is the connection, db its current database, (def name form) names a value. Commands:\n"
    )?;
    for dot in DOTS {
        writeln!(out, "  {:<28} {}", format!(".{} {}", dot.name, dot.arguments), dot.help)?;
    }
    Ok(Next::Prompt)
}

fn forms(_: &mut Shell, _: &str) -> Result<Next, CliError> {
    let mut out = io::stdout().lock();
    for spec in FORMS {
        writeln!(out, "  {:<48} {}", spec.usage, spec.help)?;
    }
    Ok(Next::Prompt)
}

fn attributes(shell: &mut Shell, pattern: &str) -> Result<Next, CliError> {
    let db = shell.db()?;
    let mut rows = Vec::new();
    for attribute in db.schema().iter().filter(|attribute| attribute.ident.to_string().contains(pattern)) {
        if attribute.is_built_in() && pattern.is_empty() {
            continue;
        }
        rows.push(commands::schema::row(attribute, db.count(None, Some(attribute.ident.clone()), None)?));
    }
    let align = [Align::Left, Align::Left, Align::Left, Align::Left, Align::Right];
    let header = commands::schema::HEADER.map(str::to_owned);
    writeln!(io::stdout().lock(), "{}", grid(&header, &align, rows.into_iter()))?;
    Ok(Next::Prompt)
}

fn schema(shell: &mut Shell, _: &str) -> Result<Next, CliError> {
    let db = shell.db()?;
    commands::schema::write(&mut io::stdout().lock(), &db, Format::Edn, false)?;
    Ok(Next::Prompt)
}

fn count_facts(shell: &mut Shell, attribute: &str) -> Result<Next, CliError> {
    let db = shell.db()?;
    let name = edn::Keyword::from(attribute);
    let facts = db.count(None, Some(name.clone()), None)?;
    let values = db.cardinality(name.clone())?;
    writeln!(io::stdout().lock(), "{name}: {} facts, {} distinct values", count(facts), count(values))?;
    Ok(Next::Prompt)
}

fn explain(shell: &mut Shell, query: &str) -> Result<Next, CliError> {
    explain_query(shell, query, false)
}

fn analyze(shell: &mut Shell, query: &str) -> Result<Next, CliError> {
    explain_query(shell, query, true)
}

fn explain_query(shell: &mut Shell, query: &str, run: bool) -> Result<Next, CliError> {
    let explanation = shell.db()?.explain(query, (), run)?;
    commands::warn(explanation.warnings());
    let mut out = io::stdout().lock();
    match colours(out.is_terminal()) {
        true => write!(out, "{}", explanation.painted())?,
        false => write!(out, "{explanation}")?,
    }
    Ok(Next::Prompt)
}

fn mode(shell: &mut Shell, name: &str) -> Result<Next, CliError> {
    match <Format as clap::ValueEnum>::from_str(name, true) {
        Ok(format) => shell.format = format,
        Err(_) => shell.complain("error: the modes are table, edn, json and csv\n"),
    }
    Ok(Next::Prompt)
}

fn max_rows(shell: &mut Shell, number: &str) -> Result<Next, CliError> {
    match number.parse() {
        Ok(number) => shell.rows_max = number,
        Err(_) => shell.complain("error: .maxrows takes a number\n"),
    }
    Ok(Next::Prompt)
}

fn timer(shell: &mut Shell, state: &str) -> Result<Next, CliError> {
    match state {
        "on" => shell.timer = true,
        "off" => shell.timer = false,
        _ => shell.complain("error: .timer takes on or off\n"),
    }
    Ok(Next::Prompt)
}

fn stat(shell: &mut Shell, _: &str) -> Result<Next, CliError> {
    commands::stat::write(&mut io::stdout().lock(), &shell.conn, Format::Table)?;
    Ok(Next::Prompt)
}

fn check(shell: &mut Shell, _: &str) -> Result<Next, CliError> {
    commands::check::check(&shell.conn)?;
    Ok(Next::Prompt)
}

fn open_other(shell: &mut Shell, dir: &str) -> Result<Next, CliError> {
    shell.conn = open(Some(dir).filter(|dir| !dir.is_empty()).map(Path::new), commands::NewArgs::default())?;
    shell.greet()?;
    Ok(Next::Prompt)
}

fn read(shell: &mut Shell, file: &str) -> Result<Next, CliError> {
    let text = commands::read_file(Path::new(file))?;
    shell.run_forms(&text)?;
    Ok(Next::Prompt)
}
