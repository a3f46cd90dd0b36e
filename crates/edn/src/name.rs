//! Keywords and symbols: a name with an optional namespace, cheap to clone and to compare.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The text `namespace/name` or `name` behind keywords and symbols, shared between clones.
#[derive(Clone)]
struct Name {
    text: Arc<str>,
    /// Byte length of the namespace; zero where there is none.
    namespace_len: usize,
}

impl Name {
    /// The namespace ends at the first slash of the joined text, so that equal texts are equal names.
    fn new(namespace: Option<&str>, name: &str) -> Self {
        match namespace {
            Some(namespace) if !namespace.is_empty() => Self::parse(&format!("{namespace}/{name}")),
            _ => Self::parse(name),
        }
    }

    /// Splits at the first `/` that has text on both sides, so that `/` itself is a plain name.
    fn parse(text: &str) -> Self {
        let namespace_len = match text.find('/') {
            Some(at) if at > 0 && at + 1 < text.len() => at,
            _ => 0,
        };
        Self { text: text.into(), namespace_len }
    }

    fn namespace(&self) -> Option<&str> {
        (self.namespace_len > 0).then(|| &self.text[..self.namespace_len])
    }

    fn name(&self) -> &str {
        match self.namespace_len {
            0 => &self.text,
            len => &self.text[len + 1..],
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text) || self.text == other.text
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Ord for Name {
    /// Names without a namespace first, then by namespace, then by name.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.namespace(), self.name()).cmp(&(other.namespace(), other.name()))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $type:ident, $sigil:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Name);

        impl $type {
            /// From a namespace and a name.
            pub fn new(namespace: Option<&str>, name: &str) -> Self {
                Self(Name::new(namespace, name))
            }

            /// From text without the sigil: `person/name` or `name`.
            pub fn parse(text: &str) -> Self {
                Self(Name::parse(text))
            }

            /// The part before the slash, if any.
            pub fn namespace(&self) -> Option<&str> {
                self.0.namespace()
            }

            /// The part after the slash, or all of it.
            pub fn name(&self) -> &str {
                self.0.name()
            }

            /// The whole text, without a sigil.
            pub fn as_str(&self) -> &str {
                &self.0.text
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($sigil, "{}"), self.0.text)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self::parse(text.strip_prefix($sigil).unwrap_or(text))
            }
        }
    };
}

named!(
    /// An EDN keyword, `:person/name`; un-namespaced keywords sort before namespaced ones.
    Keyword,
    ":"
);
named!(
    /// An EDN symbol, `?x`, `my.ns/f`; un-namespaced symbols sort before namespaced ones.
    Symbol,
    ""
);
