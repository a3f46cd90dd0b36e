//! Editing help: when an entry is complete, what a word can become, colours.

use std::borrow::Cow;

use factum::Connection;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::dots::DOTS;
use super::words::{colour, word_start};
use crate::balance::Balance;
use crate::exec::{FORMS, SPECIAL, Session};

/// Sections of queries and other keywords that are typed often.
const KEYWORDS: [&str; 22] = [
    ":find",
    ":in",
    ":where",
    ":with",
    ":keys",
    ":strs",
    ":syms",
    ":having",
    ":order-by",
    ":limit",
    ":offset",
    ":timeout",
    ":asc",
    ":desc",
    ":db/id",
    ":db/add",
    ":db/retract",
    ":db/retractEntity",
    ":db/cas",
    ":as",
    ":default",
    ":eav",
];

/// Writes, ranges and types of the key-value forms.
const KEY_VALUE_KEYWORDS: [&str; 41] = [
    ":put",
    ":put-list",
    ":del",
    ":del-list",
    ":all",
    ":all-back",
    ":at-least",
    ":at-least-back",
    ":at-most",
    ":at-most-back",
    ":greater-than",
    ":greater-than-back",
    ":less-than",
    ":less-than-back",
    ":closed",
    ":closed-back",
    ":closed-open",
    ":closed-open-back",
    ":open",
    ":open-back",
    ":open-closed",
    ":open-closed-back",
    ":data",
    ":string",
    ":long",
    ":id",
    ":float",
    ":double",
    ":bigint",
    ":bigdec",
    ":bytes",
    ":keyword",
    ":symbol",
    ":boolean",
    ":instant",
    ":uuid",
    ":raw",
    ":ignore",
    ":flags",
    ":key-type",
    ":value-type",
];

/// What completion knows; refreshed before every prompt.
#[derive(Default)]
pub struct ShellHelper {
    attributes: Vec<String>,
    names: Vec<String>,
}

impl ShellHelper {
    /// Learns the attributes and names of now.
    pub fn refresh(&mut self, conn: &Connection, session: &Session) {
        if let Ok(db) = conn.db() {
            self.attributes = db.schema().iter().map(|attribute| attribute.ident.to_string()).collect();
        }
        self.names = session.names().map(str::to_owned).collect();
    }

    fn candidates(&self, line: &str, start: usize, word: &str) -> Vec<String> {
        if start == 0 && word.starts_with('.') {
            return DOTS.iter().map(|dot| format!(".{}", dot.name)).collect();
        }
        if word.starts_with(':') {
            return KEYWORDS
                .iter()
                .chain(&KEY_VALUE_KEYWORDS)
                .map(|word| (*word).to_owned())
                .chain(self.attributes.iter().cloned())
                .collect();
        }
        let mut candidates: Vec<String> = self.names.clone();
        if line[..start].ends_with('(') {
            candidates.extend(FORMS.iter().map(|spec| spec.name.to_owned()));
            candidates.extend(SPECIAL.iter().copied().map(str::to_owned));
        }
        candidates.extend(factum::function_names().map(str::to_owned));
        candidates
    }
}

impl Completer for ShellHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let start = word_start(line, end);
        let word = &line[start..end];
        let mut found: Vec<String> =
            self.candidates(line, start, word).into_iter().filter(|name| name.starts_with(word)).collect();
        found.sort();
        found.dedup();
        let pairs = found.into_iter().map(|name| Pair { display: name.clone(), replacement: name });
        Ok((start, if word.is_empty() { Vec::new() } else { pairs.collect() }))
    }
}

impl Validator for ShellHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let mut balance = Balance::default();
        balance.feed(context.input());
        let dot = context.input().trim_start().starts_with('.');
        Ok(match dot || balance.is_blank() || balance.is_whole() {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Highlighter for ShellHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned(colour(line))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

impl Hinter for ShellHelper {
    type Hint = String;
}

impl Helper for ShellHelper {}
