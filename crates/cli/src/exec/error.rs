//! [`EvalError`]: why a form has no value, as data.

use std::collections::BTreeMap;

use edn::{Span, Value};
use factum::interpret::{InterpretError, InterpretErrorKind};

/// An error of a form: the database's, or a call that makes no sense.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalError {
    /// `:transact/unique`
    pub code: String,
    /// The finer name of the mistake: `unique-conflict`.
    pub class: String,
    /// For people.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
    /// Place in the text of the forms.
    pub span: Option<Span>,
}

impl EvalError {
    /// A mistake in the form itself.
    pub fn new(code: &str, message: impl Into<String>, span: Span) -> Self {
        let class = code.rsplit('/').next().unwrap_or(code).trim_start_matches(':').to_owned();
        Self { code: code.to_owned(), class, message: message.into(), hint: None, span: Some(span) }
    }

    /// An error of the library; `span` is the place of the call, for errors that know no better one.
    pub fn from_factum(error: &factum::Error, span: Span) -> Self {
        Self {
            code: error.code().to_owned(),
            class: error.class().to_owned(),
            message: error.to_string(),
            hint: error.hint(),
            span: Some(error.span().unwrap_or(span)),
        }
    }

    /// An error of the key-value layer.
    pub fn from_kv(error: &factum::kv::Error, span: Span) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { hint, ..Self::new(error.code(), error.to_string(), span) }
    }

    /// An error of a type of keys or values.
    pub fn from_codec(error: &factum::kv::codec::CodecError, span: Span) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { hint, ..Self::new(error.code(), error.to_string(), span) }
    }

    /// An error of a function that is written out; `span` is the place of the call.
    pub fn from_interpret(error: InterpretError, span: Span) -> Self {
        let code = match error.kind {
            InterpretErrorKind::UnknownName => ":exec/unknown-name",
            InterpretErrorKind::UnknownFunction => ":exec/unknown-form",
            InterpretErrorKind::Arity => ":exec/arity",
            InterpretErrorKind::Thrown => ":exec/thrown",
            InterpretErrorKind::Limit => ":exec/limit",
            _ => ":exec/argument",
        };
        Self { hint: error.hint, ..Self::new(code, error.message, error.span.unwrap_or(span)) }
    }

    /// An error of the reader.
    pub fn from_reader(error: &edn::Error) -> Self {
        Self {
            code: error.code().to_owned(),
            class: error.class().to_owned(),
            message: error.kind().to_string(),
            hint: error.hint().map(str::to_owned),
            span: Some(error.span()),
        }
    }

    /// The error with places that count from `base`; a place before it is given up.
    #[must_use]
    pub fn shifted_back(mut self, base: usize) -> Self {
        self.span = self
            .span
            .filter(|span| span.start >= base)
            .map(|span| Span::new(span.start - base, span.end - base));
        self
    }

    /// `{:error/kind ... :error/message ... :error/span [start end]}`
    pub fn to_value(&self) -> Value {
        let mut entries = BTreeMap::from([
            (Value::keyword("error/kind"), Value::keyword(&self.code)),
            (Value::keyword("error/class"), Value::keyword(&self.class)),
            (Value::keyword("error/message"), Value::str(self.message.as_str())),
        ]);
        if let Some(hint) = &self.hint {
            entries.insert(Value::keyword("error/hint"), Value::str(hint.as_str()));
        }
        if let Some(span) = self.span {
            let span = Value::Vector(vec![Value::Int(span.start as i64), Value::Int(span.end as i64)]);
            entries.insert(Value::keyword("error/span"), span);
        }
        Value::Map(entries)
    }

    /// The message with the place under a caret.
    pub fn render(&self, text: &str) -> String {
        let mut out = format!("error[{}]: {}\n", self.code, self.message);
        if let Some(span) = self.span.filter(|span| span.end <= text.len()) {
            out.push_str(&edn::render_snippet(text, span, ""));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("help: {hint}\n"));
        }
        out
    }
}
