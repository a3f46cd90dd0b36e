//! From text to lexemes: atoms, opening and closing delimiters, prefixes.

use nom::Parser;
use nom::bytes::complete::take_while;

use crate::error::{Error, ErrorKind, Result};
use crate::form::Span;
use crate::name::Symbol;
use crate::reader::name::{KeywordCache, is_keyword_text, is_tag_text, name_error, symbol_or_constant};
use crate::reader::number::{is_number, number};
use crate::reader::text::{character, regex, string};
use crate::reader::token::{blank, is_ascii_blank, is_delimiter, is_token, token};
use crate::shorten::shorten;
use crate::value::Value;

/// One piece of text that the nesting machine consumes.
pub(crate) enum Lexeme<'t> {
    /// A complete leaf.
    Atom(Value),
    /// The text of a `#"..."`.
    Regex(&'t str),
    /// `(`, `[`, `{`, `#{`, `#:ns{`
    Open(Open<'t>),
    /// `)`, `]`, `}`
    Close(char),
    /// `#_`, `#tag`, `^`, `'`, `@`
    Prefix(Prefix),
    /// No more text.
    End,
}

/// The collections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open<'t> {
    List,
    Vector,
    /// A map, with the namespace of `#:ns{...}`.
    Map(Option<&'t str>),
    Set,
}

impl Open<'_> {
    pub(crate) fn closing(self) -> char {
        match self {
            Self::List => ')',
            Self::Vector => ']',
            Self::Map(_) | Self::Set => '}',
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "a list",
            Self::Vector => "a vector",
            Self::Map(_) => "a map",
            Self::Set => "a set",
        }
    }
}

/// What modifies the form that follows.
pub(crate) enum Prefix {
    Discard,
    Meta,
    Quote,
    Deref,
    Tag(Symbol),
}

impl Prefix {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Discard => "the discard #_",
            Self::Meta => "the metadata ^",
            Self::Quote => "the quote '",
            Self::Deref => "the @",
            Self::Tag(_) => "a tag",
        }
    }
}

/// A position in the text that yields lexemes.
pub(crate) struct Lexer<'t> {
    pub(crate) text: &'t str,
    pub(crate) at: usize,
    /// Whether `'x` is a quote, and `@x` asks for what `x` holds.
    pub(crate) quote: bool,
    keywords: KeywordCache,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0, quote: false, keywords: KeywordCache::default() }
    }

    /// Skips blank space and comments, then reads one lexeme; its span ends where the lexer stands.
    pub(crate) fn next(&mut self) -> Result<(Lexeme<'t>, usize)> {
        self.skip_blank();
        let start = self.at;
        let Some(first) = self.text.as_bytes().get(start) else { return Ok((Lexeme::End, start)) };
        let lexeme = match first {
            b'(' => self.punctuation(1, Lexeme::Open(Open::List)),
            b'[' => self.punctuation(1, Lexeme::Open(Open::Vector)),
            b'{' => self.punctuation(1, Lexeme::Open(Open::Map(None))),
            b')' => self.punctuation(1, Lexeme::Close(')')),
            b']' => self.punctuation(1, Lexeme::Close(']')),
            b'}' => self.punctuation(1, Lexeme::Close('}')),
            b'^' => self.punctuation(1, Lexeme::Prefix(Prefix::Meta)),
            b'"' => {
                let (value, end) = string(self.text, start)?;
                self.at = end;
                Lexeme::Atom(Value::Str(value))
            }
            b'\\' => {
                let (value, end) = character(self.text, start)?;
                self.at = end;
                Lexeme::Atom(Value::Char(value))
            }
            b'\'' => self.quote(start)?,
            b'@' if self.quote => self.punctuation(1, Lexeme::Prefix(Prefix::Deref)),
            b'#' => self.dispatch(start)?,
            _ => {
                let token = self.token(start);
                Lexeme::Atom(self.atom(token, Span::new(start, self.at))?)
            }
        };
        Ok((lexeme, start))
    }

    pub(crate) fn skip_blank(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let ascii = rest.iter().take_while(|byte| is_ascii_blank(**byte)).count();
        self.at += ascii;
        // Comments and blanks beyond ASCII are rare enough for the general way.
        if let [b';', ..] | [b'#', b'!', ..] | [0x80..=0xff, ..] = &rest[ascii..] {
            let rest = &self.text[self.at..];
            self.at += rest.len() - blank(rest).len();
        }
    }

    fn punctuation(&mut self, length: usize, lexeme: Lexeme<'t>) -> Lexeme<'t> {
        self.at += length;
        lexeme
    }

    /// The token at `start`, moving behind it; empty if none starts there.
    fn token(&mut self, start: usize) -> &'t str {
        let token = token(&self.text[start..]).map_or("", |(_, token)| token);
        self.at = start + token.len();
        token
    }

    fn atom(&mut self, token: &str, span: Span) -> Result<Value> {
        if token.as_bytes().first() == Some(&b':') {
            return self.keywords.keyword(token, span).map(Value::Keyword);
        }
        if is_number(token) { number(token, span) } else { symbol_or_constant(token, span) }
    }

    fn quote(&mut self, start: usize) -> Result<Lexeme<'t>> {
        if self.quote {
            return Ok(self.punctuation(1, Lexeme::Prefix(Prefix::Quote)));
        }
        let what = "a quote (')".to_owned();
        Err(Error::new(ErrorKind::NotEdn { what }, Span::new(start, start + 1))
            .with_hint("data is not quoted in EDN; only the forms of `factum exec` are"))
    }

    /// What starts with `#`.
    fn dispatch(&mut self, start: usize) -> Result<Lexeme<'t>> {
        let rest = &self.text[start + 1..];
        let Some(next) = rest.chars().next() else {
            return Err(Error::new(
                ErrorKind::UnexpectedEnd { inside: "a form that starts with #" },
                Span::new(start, start + 1),
            ));
        };
        match next {
            '{' => Ok(self.punctuation(2, Lexeme::Open(Open::Set))),
            '_' => Ok(self.punctuation(2, Lexeme::Prefix(Prefix::Discard))),
            '^' => Ok(self.punctuation(2, Lexeme::Prefix(Prefix::Meta))),
            ':' => self.namespaced_map(start),
            '#' => self.symbolic_float(start),
            '"' => {
                let (pattern, end) = regex(self.text, start + 1)?;
                self.at = end;
                Ok(Lexeme::Regex(pattern))
            }
            next if is_token(next) && next != '\'' => {
                let tag = self.token(start + 1);
                let span = Span::new(start, self.at);
                if !is_tag_text(tag) {
                    return Err(name_error(tag, &self.text[start..self.at], "tag", span));
                }
                Ok(Lexeme::Prefix(Prefix::Tag(Symbol::parse(tag))))
            }
            next => {
                let what = match next {
                    '(' => "an anonymous function #(".to_owned(),
                    '\'' => "a var #'".to_owned(),
                    next if is_delimiter(next) => format!("#{next}"),
                    _ => "a lone #".to_owned(),
                };
                let end = start + 1 + if is_token(next) || is_delimiter(next) { next.len_utf8() } else { 0 };
                Err(Error::new(ErrorKind::NotEdn { what }, Span::new(start, end)))
            }
        }
    }

    /// `#:ns{`, with blank space allowed before the brace.
    fn namespaced_map(&mut self, start: usize) -> Result<Lexeme<'t>> {
        let namespace = self.token(start + 2);
        let span = Span::new(start, self.at);
        if namespace.contains('/') || !is_keyword_text(namespace) {
            let error = Error::new(
                ErrorKind::InvalidName {
                    token: shorten(&self.text[start..self.at]),
                    what: "namespace of a map",
                },
                span,
            );
            return Err(error.with_hint("a namespaced map is written #:person{:name \"Ann\"}"));
        }
        self.skip_blank();
        if !self.text[self.at..].starts_with('{') {
            let inside = "a namespaced map";
            return Err(match self.text[self.at..].is_empty() {
                true => Error::new(ErrorKind::UnexpectedEnd { inside }, span),
                false => Error::new(ErrorKind::DanglingPrefix { prefix: "a map namespace #:" }, span)
                    .with_hint("an opening brace follows the namespace"),
            });
        }
        Ok(self.punctuation(1, Lexeme::Open(Open::Map(Some(namespace)))))
    }

    /// `##Inf`, `##-Inf`, `##NaN`.
    fn symbolic_float(&mut self, start: usize) -> Result<Lexeme<'t>> {
        let mut run = take_while::<_, &str, nom::error::Error<&str>>(is_token);
        let name = run.parse(&self.text[start + 2..]).map_or("", |(_, run)| run);
        self.at = start + 2 + name.len();
        let value = match name {
            "Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            "NaN" => f64::NAN,
            _ => {
                let token = shorten(&self.text[start..self.at]);
                return Err(Error::new(ErrorKind::InvalidNumber { token }, Span::new(start, self.at))
                    .with_hint("the symbolic numbers are ##Inf, ##-Inf and ##NaN"));
            }
        };
        Ok(Lexeme::Atom(Value::Float(value)))
    }
}
