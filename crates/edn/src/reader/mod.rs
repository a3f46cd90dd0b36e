//! Reading: text to [`Value`]s, or to [`Form`]s where positions matter.
//!
//! ```text
//! text --token, number, text, name (nom)--> lexemes --nest (own stack)--> build::Node = Value | Form
//! ```

mod build;
mod lex;
mod name;
mod nest;
mod number;
mod text;
mod token;

pub(crate) use name::{is_keyword_text, is_symbol_text, is_tag_text};
pub(crate) use text::NAMED;

use std::iter::FusedIterator;

use crate::error::{Error, ErrorKind, Result};
use crate::form::{Form, Span};
use crate::value::Value;
use build::Node;
use lex::Lexer;
use nest::Nests;

/// How much the reader accepts before it answers with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open collections and prefixes at any point; at most [`Limits::MAX_DEPTH`].
    pub depth: usize,
    /// Length of the text.
    pub bytes: usize,
    /// Forms in the text, nested ones included.
    pub nodes: usize,
}

impl Limits {
    /// The deepest nesting that can be asked for: values are dropped, compared and printed by
    /// recursion, which this depth keeps well inside of a thread's usual stack.
    pub const MAX_DEPTH: usize = 512;
}

impl Default for Limits {
    /// 256 deep, a gigabyte, a hundred million forms.
    fn default() -> Self {
        Self { depth: 256, bytes: 1 << 30, nodes: 100_000_000 }
    }
}

/// What the reader understands beyond EDN, and its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Read `'form` as `(quote form)` and `@form` as `(deref form)`, as the forms of `factum exec` are written.
    pub quote: bool,
    /// The limits.
    pub limits: Limits,
}

/// Reads the forms of a text one after the other.
///
/// ```
/// use factum_edn::{Reader, Value};
/// let text = "{:db/id -1} #_ignored [1 2]";
/// let forms: Vec<_> = Reader::new(text).collect::<Result<_, _>>()?;
/// assert_eq!(forms.len(), 2);
/// assert_eq!(&text[forms[1].span.start..forms[1].span.end], "[1 2]");
/// # Ok::<(), factum_edn::Error>(())
/// ```
///
/// The iterator ends after its first error.
pub struct Reader<'t> {
    lexer: Lexer<'t>,
    nests: Nests<'t>,
    limits: Limits,
    nodes: usize,
    failed: bool,
}

impl<'t> Reader<'t> {
    /// A reader at the beginning of `text`, with the default options.
    pub fn new(text: &'t str) -> Self {
        Self::with_options(text, ReaderOptions::default())
    }

    /// A reader with options.
    pub fn with_options(text: &'t str, options: ReaderOptions) -> Self {
        let mut lexer = Lexer::new(text);
        lexer.quote = options.quote;
        Self { lexer, nests: Nests::default(), limits: options.limits, nodes: 0, failed: false }
    }

    /// The reader with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The reader with `'form` switched on or off.
    #[must_use]
    pub fn with_quote(mut self, quote: bool) -> Self {
        self.lexer.quote = quote;
        self
    }

    /// The reader from a later place in the text; spans keep counting from the text's beginning. An offset
    /// inside of a character or past the end is moved to the next place where reading can start.
    #[must_use]
    pub fn starting_at(mut self, offset: usize) -> Self {
        let text = self.lexer.text;
        self.lexer.at = (offset..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        self
    }

    /// The byte offset behind the last form that was read.
    pub fn offset(&self) -> usize {
        self.lexer.at
    }

    /// Reads the next form without its spans, which is quicker and smaller; `None` at the end.
    pub fn next_value(&mut self) -> Option<Result<Value>> {
        self.next_node()
    }

    /// The values of the text, without spans.
    pub fn values(mut self) -> impl FusedIterator<Item = Result<Value>> {
        std::iter::from_fn(move || self.next_value()).fuse()
    }

    fn next_node<N: Node>(&mut self) -> Option<Result<N>> {
        if self.failed {
            return None;
        }
        let result = self.read_node().transpose();
        self.failed = matches!(result, None | Some(Err(_)));
        result
    }

    fn read_node<N: Node>(&mut self) -> Result<Option<N>> {
        if self.lexer.text.len() > self.limits.bytes {
            let limit = self.limits.bytes;
            return Err(Error::new(ErrorKind::TooLong { limit }, Span::new(limit, self.lexer.text.len())));
        }
        let limits = Limits { depth: self.limits.depth.min(Limits::MAX_DEPTH), ..self.limits };
        nest::read_next(N::nest(&mut self.nests), &mut self.lexer, &limits, &mut self.nodes)
    }

    /// Exactly one form, with nothing but blanks, comments and discarded forms around it.
    fn read_only<N: Node>(mut self) -> Result<N> {
        let end = Span::new(self.lexer.text.len(), self.lexer.text.len());
        let node = self.read_node()?.ok_or_else(|| Error::new(ErrorKind::Empty, end))?;
        match self.read_node::<Form>()? {
            Some(form) => Err(Error::new(ErrorKind::Trailing, form.span)),
            None => Ok(node),
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Form>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_node()
    }
}

impl FusedIterator for Reader<'_> {}

/// Reads exactly one value.
///
/// ```
/// use factum_edn::{Value, read};
/// assert_eq!(read("[1 :a]")?, Value::Vector(vec![1.into(), Value::keyword(":a")]));
/// assert!(read("1 2").is_err());
/// # Ok::<(), factum_edn::Error>(())
/// ```
pub fn read(text: &str) -> Result<Value> {
    Reader::new(text).read_only()
}

/// Reads exactly one form, with the span of every part.
pub fn read_form(text: &str) -> Result<Form> {
    Reader::new(text).read_only()
}

/// Reads any number of forms.
pub fn read_all(text: &str) -> Result<Vec<Form>> {
    Reader::new(text).collect()
}
