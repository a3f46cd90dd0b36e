//! EDN, the notation of Clojure's data, as the language of Factum's queries, transactions, schemas and exports:
//! values, a reader that knows where everything stood, a printer that loses nothing, and a serde bridge.
//!
//! It is no interpreter (forms such as `(+ 1 2)` are lists), does no I/O, and has no reader extensions to register:
//! tags it does not know are kept in the data.
//!
//! ```text
//!                   .--> Form (spans) --to_value--.          .--> Display (one line), pretty(width)
//! text --Reader-----|                             |--> Value-|
//!        |          `-----------------------------'          `--> from_value --serde--> Rust types
//!        `--> Error: kind, span, hint --render(text)--> line, column, caret               |
//!                                                        Value <------to_value------------'
//! ```
//!
//! # Example
//!
//! ```
//! use factum_edn::{FormKind, from_value, read, read_form, to_value};
//!
//! let person = read("#:person{:name \"Ann\" :langs #{:de :en} :born #inst \"1990-02\"}")?;
//! assert_eq!(
//!     person.to_string(),
//!     "{:person/born #inst \"1990-02-01T00:00:00.000-00:00\", :person/langs #{:de :en}, :person/name \"Ann\"}"
//! );
//!
//! #[derive(serde::Deserialize)]
//! struct Person { name: String, langs: Vec<String> }
//! let ann: Person = from_value(person)?;
//! assert_eq!((ann.name.as_str(), ann.langs.len()), ("Ann", 2));
//! assert_eq!(to_value(&(1, Some(":x"), ()))?, read("[1 \":x\" nil]")?);
//!
//! let text = "[?e :person/nmae ?n]";
//! let form = read_form(text)?;
//! let FormKind::Vector(parts) = &form.kind else { unreachable!() };
//! assert_eq!(
//!     factum_edn::render_snippet(text, parts[1].span, "no such attribute"),
//!     "  1 | [?e :person/nmae ?n]\n    |     ^^^^^^^^^^^^ no such attribute\n"
//! );
//! # Ok::<(), factum_edn::Error>(())
//! ```
//!
//! # What is read
//!
//! `grammar/edn.ebnf` is the definition, and tests hold the reader to it. Beyond the EDN specification the reader takes
//! Clojure's ratios (`1/3`), radix and hexadecimal integers, `##Inf` `##-Inf` `##NaN`, octal escapes, namespaced
//! maps, regular expressions (as the tag `regex` over a string) and `#!` comments; metadata is read and dropped.
//! Stricter than Clojure: no `017`, no `a/b/c`, nothing like `::a`, and equal keys or elements are errors.
//! `#bytes "00ff"` is a byte string. The printer writes keywords, symbols and tags that have no notation of their own
//! as `#keyword "a b"`, `#symbol "1a"`, `#tagged ["inst" 1]`, so that everything can be read back.
//!
//! # Invariants and limits
//!
//! - Every value prints to text that reads back equal, with two exceptions that only programs can make: a ratio
//!   with denominator one reads as the integer that it is, and nothing beyond the reader's limits reads at all.
//! - Equality is by exact type; the order is total (see [`Value`]).
//! - The reader keeps its own stack, so text of any shape cannot overflow the thread's; [`Limits`] bound depth
//!   (256, at most 512), bytes and forms. Dropping, comparing and printing recurse, so programs should not build
//!   values much deeper than [`Limits::MAX_DEPTH`].
//! - Numbers have at most 100,000 digits, decimals a scale within 10,000 either way, instants millisecond precision.
//! - Spans count bytes; lines and columns, counted in characters, are made of them when an error is shown.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::print_stdout))]
#![deny(missing_docs)]

mod error;
mod form;
mod inst;
mod name;
mod nearest;
mod pretty;
mod print;
mod reader;
mod serde;
mod shorten;
mod snippet;
mod tags;
mod value;

pub use error::{Error, ErrorKind, Result};
pub use form::{Form, FormKind, Span};
pub use name::{Keyword, Symbol};
pub use nearest::nearest;
pub use pretty::pretty;
pub use reader::{Limits, Reader, ReaderOptions, read, read_all, read_form};
pub use serde::{from_str, from_value, to_value};
pub use shorten::shorten;
pub use snippet::{Position, render_snippet};
pub use value::Value;
