//! The nesting machine: builds trees from lexemes with a stack of its own, so that deep text cannot
//! overflow the call stack.
//!
//! ```text
//! lexemes:   [   :a   {   1   2   }   ]
//! frames:    [        [ {               (one per open collection or prefix)
//! items:         :a       1   2  {1 2}  (finished children; a frame knows where its own begin)
//! ```

use crate::error::{Error, ErrorKind, Result};
use crate::form::{Form, Span};
use crate::name::{Keyword, Symbol};
use crate::print::preview;
use crate::reader::Limits;
use crate::reader::build::{Duplicate, Node};
use crate::reader::lex::{Lexeme, Lexer, Open, Prefix};
use crate::tags::{self, BuiltIn};
use crate::value::Value;

/// What waits for its children or its form.
enum FrameKind<'t> {
    Collection(Open<'t>),
    Prefix(Prefix),
    /// Metadata was read and dropped; the form it describes comes next.
    MetaTarget,
}

struct Frame<'t> {
    kind: FrameKind<'t>,
    /// The opening lexeme.
    opening: Span,
    /// Where this frame's children begin on the item stack.
    base: usize,
    /// Where their spans begin on the span stack.
    span_base: usize,
}

/// The stacks; a reader keeps them from one top-level form to the next.
pub(crate) struct Nest<'t, N> {
    frames: Vec<Frame<'t>>,
    items: Vec<N>,
    /// The spans of the items in maps and sets, for their duplicates.
    spans: Vec<Span>,
}

impl<N> Default for Nest<'_, N> {
    fn default() -> Self {
        Self { frames: Vec::new(), items: Vec::new(), spans: Vec::new() }
    }
}

/// A nest for each kind of tree.
#[derive(Default)]
pub(crate) struct Nests<'t> {
    pub(crate) values: Nest<'t, Value>,
    pub(crate) forms: Nest<'t, Form>,
}

/// Collections of at least this many children take over the item stack instead of copying from it.
const TAKEN_OVER: usize = 1024;

/// Reads the next form; `None` at the end of the text. `nodes` counts across calls.
pub(crate) fn read_next<'t, N: Node>(
    nest: &mut Nest<'t, N>,
    lexer: &mut Lexer<'t>,
    limits: &Limits,
    nodes: &mut usize,
) -> Result<Option<N>> {
    loop {
        let (lexeme, start) = lexer.next()?;
        let span = Span::new(start, lexer.at);
        // A closing delimiter belongs to a node that was counted when it opened.
        if !matches!(lexeme, Lexeme::Close(_) | Lexeme::End) {
            *nodes += 1;
            if *nodes > limits.nodes {
                return Err(Error::new(ErrorKind::TooManyNodes { limit: limits.nodes }, span));
            }
        }
        let (node, span) = match lexeme {
            Lexeme::Atom(value) => (N::atom(value, span), span),
            Lexeme::Regex(pattern) => {
                let text = N::atom(Value::str(pattern), Span::new(start + 1, span.end));
                (N::tagged(Symbol::from("regex"), text, span), span)
            }
            Lexeme::Open(open) => {
                nest.open(FrameKind::Collection(open), span, limits)?;
                continue;
            }
            Lexeme::Prefix(prefix) => {
                nest.open(FrameKind::Prefix(prefix), span, limits)?;
                continue;
            }
            Lexeme::Close(found) => nest.close(found, span)?,
            Lexeme::End => return nest.end(span),
        };
        if let Some(node) = nest.settle(node, span)? {
            return Ok(Some(node));
        }
    }
}

impl<'t, N: Node> Nest<'t, N> {
    fn open(&mut self, kind: FrameKind<'t>, opening: Span, limits: &Limits) -> Result<()> {
        if self.frames.len() >= limits.depth {
            return Err(Error::new(ErrorKind::TooDeep { limit: limits.depth }, opening));
        }
        let (base, span_base) = (self.items.len(), self.spans.len());
        self.frames.push(Frame { kind, opening, base, span_base });
        Ok(())
    }

    /// Hands a finished node to the innermost frame; answers it if there is none.
    fn settle(&mut self, mut node: N, mut span: Span) -> Result<Option<N>> {
        loop {
            let Some(frame) = self.frames.last_mut() else { return Ok(Some(node)) };
            if let FrameKind::Collection(open) = &frame.kind {
                if let Open::Map(Some(namespace)) = *open
                    && (self.items.len() - frame.base).is_multiple_of(2)
                {
                    node = qualify(node, namespace, span);
                }
                if let Open::Map(_) | Open::Set = open {
                    self.spans.push(span);
                }
                self.items.push(node);
                return Ok(None);
            }
            if let FrameKind::Prefix(Prefix::Meta) = frame.kind {
                frame.kind = FrameKind::MetaTarget;
                return Ok(None);
            }
            let Some(frame) = self.frames.pop() else { return Ok(Some(node)) };
            match frame.kind {
                FrameKind::Prefix(Prefix::Discard) => return Ok(None),
                FrameKind::Prefix(prefix @ (Prefix::Quote | Prefix::Deref)) => {
                    let name = if let Prefix::Quote = prefix { "quote" } else { "deref" };
                    let operator = N::atom(Value::symbol(name), frame.opening);
                    span = Span::new(frame.opening.start, span.end);
                    node = N::list(vec![operator, node], span);
                }
                FrameKind::Prefix(Prefix::Tag(tag)) => {
                    let item_span = span;
                    span = Span::new(frame.opening.start, span.end);
                    node = apply_tag(tag, node, item_span, span)?;
                }
                FrameKind::MetaTarget | FrameKind::Prefix(Prefix::Meta) | FrameKind::Collection(_) => {}
            }
        }
    }

    /// Closes the innermost collection.
    fn close(&mut self, found: char, span: Span) -> Result<(N, Span)> {
        let Some(frame) = self.frames.pop() else {
            return Err(Error::new(ErrorKind::Unopened { found }, span));
        };
        let open = match frame.kind {
            FrameKind::Collection(open) => open,
            FrameKind::Prefix(prefix) => {
                return Err(Error::new(ErrorKind::DanglingPrefix { prefix: prefix.name() }, frame.opening));
            }
            FrameKind::MetaTarget => {
                return Err(Error::new(ErrorKind::DanglingPrefix { prefix: "metadata" }, frame.opening));
            }
        };
        if open.closing() != found {
            return Err(Error::new(ErrorKind::Mismatched { expected: open.closing(), found }, span)
                .with_related(frame.opening, "opened here"));
        }
        let whole = Span::new(frame.opening.start, span.end);
        let count = self.items.len() - frame.base;
        if let Open::Map(_) = open
            && !count.is_multiple_of(2)
        {
            let last = self.spans.last().copied().unwrap_or(whole);
            return Err(Error::new(ErrorKind::OddMap { count }, whole).with_related(last, "no value"));
        }
        let spans = &self.spans[frame.span_base..];
        let node = match open {
            Open::List => N::list(take_items(&mut self.items, frame.base), whole),
            Open::Vector => N::vector(take_items(&mut self.items, frame.base), whole),
            Open::Map(_) => {
                N::map(self.items.drain(frame.base..), whole).map_err(|Duplicate { index, shown }| {
                    Error::new(ErrorKind::DuplicateKey { key: preview(&shown) }, spans[2 * index])
                })?
            }
            Open::Set => {
                N::set(self.items.drain(frame.base..), whole).map_err(|Duplicate { index, shown }| {
                    Error::new(ErrorKind::DuplicateElement { element: preview(&shown) }, spans[index])
                })?
            }
        };
        self.spans.truncate(frame.span_base);
        Ok((node, whole))
    }

    fn end(&self, span: Span) -> Result<Option<N>> {
        let Some(frame) = self.frames.last() else { return Ok(None) };
        let inside = match &frame.kind {
            FrameKind::Collection(open) => open.name(),
            FrameKind::Prefix(prefix) => prefix.name(),
            FrameKind::MetaTarget => "metadata",
        };
        Err(Error::new(ErrorKind::UnexpectedEnd { inside }, span).with_related(frame.opening, "opened here"))
    }
}

/// The items from `base` on.
fn take_items<N>(items: &mut Vec<N>, base: usize) -> Vec<N> {
    if base > 0 || items.len() < TAKEN_OVER {
        return items.drain(base..).collect();
    }
    let mut taken = std::mem::take(items);
    taken.shrink_to_fit();
    taken
}

/// Puts a keyword or symbol key of `#:ns{...}` into the namespace; `:_/x` stays bare.
fn qualify<N: Node>(node: N, namespace: &str, span: Span) -> N {
    let within = |own: Option<&str>| match own {
        None => Some(Some(namespace)),
        Some("_") => Some(None),
        Some(_) => None,
    };
    let qualified = match node.as_atom() {
        Some(Value::Keyword(key)) => {
            within(key.namespace()).map(|namespace| Value::Keyword(Keyword::new(namespace, key.name())))
        }
        Some(Value::Symbol(key)) => {
            within(key.namespace()).map(|namespace| Value::Symbol(Symbol::new(namespace, key.name())))
        }
        _ => None,
    };
    match qualified {
        Some(value) => N::atom(value, span),
        None => node,
    }
}

/// Builds the value of a built-in tag, or keeps an unknown tag.
fn apply_tag<N: Node>(tag: Symbol, item: N, item_span: Span, span: Span) -> Result<N> {
    let Some(built_in) = BuiltIn::of(&tag) else { return Ok(N::tagged(tag, item, span)) };
    if built_in == BuiltIn::Tagged {
        return escaped_tag(item, item_span, span);
    }
    let invalid = |found: String| {
        Error::new(ErrorKind::InvalidTagged { tag: built_in.name(), found }, item_span)
            .with_hint(built_in.expected())
    };
    match item.as_atom() {
        Some(value) => match tags::built_in(built_in, value) {
            Some(value) => Ok(N::atom(value, span)),
            None => Err(invalid(preview(value))),
        },
        None => Err(invalid("a collection or a tagged form".to_owned())),
    }
}

/// `#tagged ["tag" form]`: how tags print that are not readable names.
fn escaped_tag<N: Node>(item: N, item_span: Span, span: Span) -> Result<N> {
    let built_in = BuiltIn::Tagged;
    if let Ok((tag, item)) = item.into_pair()
        && let Some(text) = tag.as_atom().and_then(Value::as_str)
    {
        return Ok(N::tagged(Symbol::parse(text), item, span));
    }
    let found = "something else".to_owned();
    Err(Error::new(ErrorKind::InvalidTagged { tag: built_in.name(), found }, item_span)
        .with_hint(built_in.expected()))
}
