//! The languages that have a grammar: which files state it, which parser reads it, how its sentences are damaged.

use edn::{Position, Reader, Value};
use query::ast::{FindElement, PullPatternArg};
use query::pull::{PullError, PullPattern};
use query::{ErrorKind, ParseError, Query, Rules};
use storage::transact::TransactErrorKind;
use storage::{Db, DbOptions, Schema};

use super::Generator;

/// What a parser says of a text.
#[derive(Debug)]
pub enum Verdict {
    /// It is a sentence.
    Accepted,
    /// It is a sentence, but means nothing: something that a grammar cannot state is wrong.
    Beyond(Refusal),
    /// It is no sentence.
    Refused(Refusal),
}

/// Why a parser refused a text.
#[derive(Debug)]
pub struct Refusal {
    /// The code of the error.
    pub code: String,
    /// Where, in bytes of the text.
    pub at: Option<usize>,
    /// The error as a user sees it.
    pub message: String,
    /// Whether the parser had read the whole text before it looked at what is wrong.
    pub was_read: bool,
}

impl Refusal {
    /// Code and place, as the first line of a sample file names them.
    pub fn summary(&self, text: &str) -> String {
        match self.at {
            Some(at) => {
                let Position { line, column, .. } = Position::of(text, at);
                format!("{} at {line}:{column}", self.code)
            }
            None => self.code.clone(),
        }
    }
}

/// One language.
pub struct Language {
    /// The first word of its sample files' names.
    pub name: &'static str,
    /// The grammar files, those it builds on first.
    pub files: &'static [&'static str],
    /// The production of its sentences.
    pub start: &'static str,
    /// The parser.
    pub parse: fn(&str) -> Verdict,
    /// Names a generator should take, so that sentences hang together.
    pub preferred: &'static [(&'static str, &'static [&'static str])],
    /// Pieces that damage puts into sentences.
    pub pieces: &'static [&'static str],
}

impl Language {
    /// The language of a name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn named(name: &str) -> &'static Self {
        match LANGUAGES.iter().find(|language| language.name == name) {
            Some(language) => language,
            None => panic!("there is no language {name}"),
        }
    }

    /// A generator with the language's names.
    pub fn generator<'g>(&self, grammar: &'g super::Grammar, seed: u64) -> Generator<'g> {
        let generator = Generator::new(grammar, seed);
        self.preferred.iter().fold(generator, |generator, (rule, texts)| generator.preferring(rule, texts))
    }
}

/// All languages.
pub const LANGUAGES: &[Language] = &[
    Language {
        name: "edn",
        files: &["edn.ebnf"],
        start: "text",
        parse: parse_edn,
        preferred: &[],
        pieces: EDN_PIECES,
    },
    Language {
        name: "query",
        files: &["edn.ebnf", "pull.ebnf", "query.ebnf"],
        start: "query",
        parse: parse_query,
        preferred: QUERY_NAMES,
        pieces: QUERY_PIECES,
    },
    Language {
        name: "rules",
        files: &["edn.ebnf", "pull.ebnf", "query.ebnf"],
        start: "rules",
        parse: parse_rules,
        preferred: QUERY_NAMES,
        pieces: QUERY_PIECES,
    },
    Language {
        name: "pull",
        files: &["edn.ebnf", "pull.ebnf"],
        start: "pull-pattern",
        parse: parse_pull,
        preferred: &[
            ("form", FORMS),
            ("keyword", &[":name", ":person/name", ":_boss", ":person/_boss", ":db/id"]),
            ("symbol", &["name", "my.ns/f", "..."]),
            ("integer", &["1", "3", "1000", "0", "-1"]),
        ],
        pieces: &[
            "*",
            ":*",
            "\"*\"",
            "...",
            "\"...\"",
            ":as",
            ":limit",
            ":default",
            ":xform",
            ":name",
            "limit",
            "default",
            "nil",
            "5",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            " ",
            "sym",
            "#{",
            "\"limit\"",
        ],
    },
    Language {
        name: "transaction",
        files: &["edn.ebnf", "transaction.ebnf"],
        start: "transaction",
        parse: parse_transaction,
        preferred: &[
            ("form", FORMS),
            ("keyword", &[":name", ":person/age", ":db/ident", ":db/current-tx", ":person/_boss", ":_x"]),
            ("integer", &["1", "-1", "77", "0"]),
            ("string", &["\"temp\"", "\"\""]),
            ("blank", &[" ", "\n", ","]),
            ("name-part", &["datascript", "my.ns"]),
            ("keyword-part", &["person", "_"]),
        ],
        pieces: &[
            ":db/add",
            ":db/retract",
            ":db/id",
            ":db/cas",
            ":db.fn/call",
            ":db/ensure",
            ":db/retractEntity",
            ":name",
            ":_x",
            "nil",
            "1",
            "-1",
            "\"t\"",
            "#datom",
            "#other",
            "true",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "#{",
            " ",
            "sym",
            ":a/_b",
            ":_",
            "[:name 1]",
        ],
    },
];

/// Some of everything, where any form may stand.
const FORMS: &[&str] = &[
    "nil",
    "1",
    "-5",
    "2.5",
    "\"text\"",
    ":key",
    "sym",
    "[1 :a]",
    "(f 1)",
    "{:a 1}",
    "#{1 2}",
    "#inst \"2020\"",
    "\\c",
    "true",
    "()",
    "[]",
];

const QUERY_NAMES: &[(&str, &[&str])] = &[
    ("form", FORMS),
    ("variable", &["?x", "?x", "?x", "?y"]),
    ("source", &["$"]),
    ("literal", &["1", ":name", "\"a\"", "nil", "false", "2.5", "\\a", ":a/b", "0", "-3"]),
    ("integer", &["0", "1", "20", "-1"]),
    ("number", &["1", "2.5", "3N"]),
    ("plain-symbol", &["count", "sum", "<", "str", "my.ns/f", "rule", "max"]),
    ("symbol", &["rule", "path", "a/b"]),
    ("tagged", &["#inst \"2020\"", "#my/tag [1]"]),
    ("keyword", &[":name", ":person/name", ":person/_boss"]),
    ("name-part", &["a"]),
    ("keyword-part", &["a"]),
    ("blank", &[" ", "\n", ","]),
];

const QUERY_PIECES: &[&str] = &[
    ":find",
    ":where",
    ":in",
    ":with",
    ":keys",
    ":having",
    ":order-by",
    ":limit",
    ":name",
    "?x",
    "?y",
    "$",
    "$2",
    "%",
    "_",
    ".",
    "...",
    "not",
    "or",
    "and",
    "not-join",
    "or-join",
    "pull",
    "count",
    "+",
    "q",
    "quote",
    "rule",
    "1",
    "\"s\"",
    "nil",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    " ",
    "[?x :name ?y]",
    "(rule ?x)",
    "[(< ?x 1)]",
    "#{",
    "(count ?x)",
    "[*]",
];

const EDN_PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "#{",
    "\"",
    "\\",
    ";",
    "\n",
    " ",
    ",",
    "#_",
    "#",
    "##",
    "#:a",
    "#a",
    "^",
    "'",
    "@",
    "~",
    "/",
    "//",
    ":",
    "::",
    "0",
    "1",
    "7",
    "9",
    "N",
    "M",
    ".",
    "e",
    "E1",
    "-",
    "+",
    "r",
    "x",
    "1/",
    "nil",
    "true",
    "\\u",
    "\\u00e4",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\o7",
    "\\8",
    "\\377",
    "\\400",
    "\\12",
    "#inst",
    "##Inf",
    "a",
    "ä",
    "\u{a0}",
    "\u{1}",
    "\u{85}",
    "#!",
    "_",
    "#^",
    "#\"",
    "|",
    "`",
    "\u{feff}",
    ":a/:b",
    "a/b",
    "a/1",
    "+1",
    "-.5",
    "1N",
    "1.5M",
    "a:",
    "#nil",
    "#:a{",
    "'a",
];

/// EDN, with what its grammar says that the reader checks beyond it.
fn of_edn(error: &edn::Error, text: &str) -> Verdict {
    let beyond = [
        ":edn/duplicate-key",
        ":edn/duplicate-element",
        ":edn/overflow",
        ":edn/number-range",
        ":edn/tagged",
        ":edn/limit",
    ];
    let refusal = Refusal {
        code: error.code().to_owned(),
        at: Some(error.span().start),
        message: error.render(text),
        was_read: false,
    };
    if beyond.contains(&error.code()) { Verdict::Beyond(refusal) } else { Verdict::Refused(refusal) }
}

fn parse_edn(text: &str) -> Verdict {
    match Reader::new(text).find_map(Result::err) {
        Some(error) => of_edn(&error, text),
        None => Verdict::Accepted,
    }
}

fn of_query(error: &query::Error, text: &str) -> Verdict {
    let refusal = Refusal {
        code: error.code().to_owned(),
        at: error.span().map(|span| span.start),
        message: error.render(),
        // Nested queries, whose name is `q`, are looked at before the rest of the outer one is parsed.
        // Nested queries, whose name is `q`, are looked at before the rest of the outer one is parsed, pull patterns later.
        was_read: !text.contains('q')
            && !text.contains("pull")
            && matches!(error.kind(), ErrorKind::Parse(error) if is_of_the_whole(error)),
    };
    match error.kind() {
        ErrorKind::Read(error) => of_edn(error, text),
        ErrorKind::Parse(error) if !is_beyond(error) => Verdict::Refused(refusal),
        _ => Verdict::Beyond(refusal),
    }
}

/// Whether a query is well formed as far as its grammar goes.
fn is_beyond(error: &ParseError) -> bool {
    matches!(
        error,
        ParseError::RepeatedSection { .. }
            | ParseError::ReturnMapShape { .. }
            | ParseError::ReturnMapCount { .. }
            | ParseError::ReturnMapConflict { .. }
            | ParseError::UnknownVariable { .. }
            | ParseError::FindWithOverlap { .. }
            | ParseError::DuplicateInput { .. }
            | ParseError::DuplicateRuleVar { .. }
            | ParseError::UnknownSource { .. }
            | ParseError::MissingRules { .. }
            | ParseError::RuleArity { .. }
            | ParseError::EmptyJoinVars { .. }
            | ParseError::OrderByUnknown { .. }
            | ParseError::OrderByAmbiguous { .. }
            | ParseError::OrderByIndex { .. }
            | ParseError::OrderByPull { .. }
            | ParseError::OrderByRepeat { .. }
            | ParseError::BadLimit { .. }
            | ParseError::BadOffset { .. }
            | ParseError::BadTimeout { .. }
            | ParseError::WindowNotInput { .. }
            | ParseError::HavingNotInFind { .. }
            | ParseError::TooDeep { .. }
    )
}

/// Errors that a look at the parsed query finds: then all of it was well formed.
fn is_of_the_whole(error: &ParseError) -> bool {
    matches!(
        error,
        ParseError::UnknownVariable { .. }
            | ParseError::FindWithOverlap { .. }
            | ParseError::DuplicateInput { .. }
            | ParseError::UnknownSource { .. }
            | ParseError::MissingRules { .. }
            | ParseError::ReturnMapCount { .. }
            | ParseError::HavingNotInFind { .. }
    )
}

fn parse_query(text: &str) -> Verdict {
    let query: Query = match query::parse(text) {
        Ok(query) => query,
        Err(error) => return of_query(&error, text),
    };
    // Patterns are parsed where they are used; the grammar of queries has them inside.
    for element in &query.find.elements {
        if let FindElement::Pull(pull) = element
            && let PullPatternArg::Literal(form) = &pull.pattern
            && let Err(error) = PullPattern::parse(form)
        {
            return of_pull(&error, text);
        }
    }
    Verdict::Accepted
}

fn parse_rules(text: &str) -> Verdict {
    // Rules are read from the beginning of a text; here they must be all of it.
    if let Err(error) = edn::read(text) {
        return of_edn(&error, text);
    }
    match text.parse::<Rules>() {
        Ok(_) => Verdict::Accepted,
        Err(error) => of_query(&error, text),
    }
}

fn of_pull(error: &PullError, text: &str) -> Verdict {
    if let PullError::Edn(error) = error {
        return of_edn(error, text);
    }
    let refusal = Refusal {
        code: error.code().to_owned(),
        at: error.span().map(|span| span.start),
        message: error.to_string(),
        was_read: false,
    };
    match error {
        PullError::NestedId { .. } | PullError::NestedTooDeep { .. } => Verdict::Beyond(refusal),
        PullError::BadLimit { found: Value::Int(_), .. }
        | PullError::BadNested { found: Value::Int(_), .. } => Verdict::Beyond(refusal),
        _ => Verdict::Refused(refusal),
    }
}

fn parse_pull(text: &str) -> Verdict {
    match text.parse::<PullPattern>() {
        Ok(_) => Verdict::Accepted,
        Err(error) => of_pull(&error, text),
    }
}

fn parse_transaction(text: &str) -> Verdict {
    let form = match edn::read_form(text) {
        Ok(form) => form,
        Err(error) => return of_edn(&error, text),
    };
    // References and identities are named so that generated data does not meet them: what fits them is no
    // question of grammar.
    let schema = edn::read(
        "{:sample/email {:db/unique :db.unique/identity}
          :sample/boss {:db/valueType :db.type/ref}
          :sample/friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}}",
    )
    .expect("a schema");
    let db = Db::empty(Schema::from_value(&schema).expect("a schema"), DbOptions::default());
    let Err(error) = db.with(&form) else { return Verdict::Accepted };
    let refusal = Refusal {
        code: error.code().to_owned(),
        at: error.span().map(|span| span.start),
        message: error.to_string(),
        was_read: false,
    };
    match error.kind() {
        TransactErrorKind::NotASequence { .. }
        | TransactErrorKind::BadItem { .. }
        | TransactErrorKind::BadArity { .. }
        | TransactErrorKind::BadAttribute { .. }
        | TransactErrorKind::EnsureArity => Verdict::Refused(refusal),
        TransactErrorKind::Storage(
            storage::Error::LookupRefSyntax { .. }
            | storage::Error::EntityIdSyntax { .. }
            | storage::Error::NilValue { .. },
        ) => Verdict::Refused(refusal),
        _ => Verdict::Beyond(refusal),
    }
}
