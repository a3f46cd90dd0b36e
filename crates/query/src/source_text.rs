//! [`SourceText`]: the texts that a query and its rules were read from, under one numbering of places.
//!
//! ```text
//!  query text          rules text
//!  0 ............ 120  121 ............ 300      a span says by its offset which text it means
//! ```

use std::sync::Arc;

use edn::Span;

/// The texts behind the spans of a query; cheap to clone, empty for queries that a program built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceText {
    parts: Arc<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    /// The offset of the text's first byte in the common numbering.
    base: usize,
    text: Arc<str>,
}

impl SourceText {
    /// One text, numbered from `base`.
    pub fn new(text: impl Into<Arc<str>>, base: usize) -> Self {
        Self { parts: Arc::new([Part { base, text: text.into() }]) }
    }

    /// These texts and those of `other`, whose offsets must come behind.
    #[must_use]
    pub fn followed_by(&self, other: &SourceText) -> Self {
        let end = self.parts.last().map_or(0, |part| part.base + part.text.len());
        debug_assert!(other.parts.first().is_none_or(|part| part.base >= end), "offsets overlap");
        Self { parts: self.parts.iter().chain(other.parts.iter()).cloned().collect() }
    }

    /// The query's own text.
    pub fn first(&self) -> Option<&str> {
        self.parts.first().map(|part| &*part.text)
    }

    /// The text that `span` points into, and the place in it.
    pub fn locate(&self, span: Span) -> Option<(&str, Span)> {
        let part = self.parts.iter().rev().find(|part| part.base <= span.start)?;
        let (start, end) = (span.start - part.base, span.end.saturating_sub(part.base));
        (end > start && end <= part.text.len()).then(|| (&*part.text, Span::new(start, end)))
    }

    /// What stands at `span`.
    pub fn slice(&self, span: Span) -> Option<&str> {
        let (text, span) = self.locate(span)?;
        text.get(span.start..span.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_find_their_text() {
        let query = SourceText::new("[:find ?x]", 0);
        let base = 100;
        let both = query.followed_by(&SourceText::new("[[(r ?a)]]", base));
        assert_eq!(both.slice(Span::new(1, 6)), Some(":find"));
        assert_eq!(both.slice(Span::new(base + 3, base + 4)), Some("r"));
        assert_eq!(both.slice(Span::new(0, 0)), None, "forms without a place have the empty span");
        assert_eq!(both.slice(Span::new(5, 99)), None);
    }
}
