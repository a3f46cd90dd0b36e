//! Pull patterns as they are written: parsed from a form, not yet held against a schema.
//!
//! ```text
//! [:name {:boss [:name]}]      patterns: 0 = the implicit [*] of components
//!        └ Spec ─┘└ 2 ┘                  1 = the root, 2 = [:name]
//! ```
//!
//! Patterns lie in one vector and refer to each other by number, so that recursion (`{:boss ...}` means "my own
//! pattern again") is an index and nothing here or later needs a deep call stack.

use edn::{Form, FormKind, Keyword, Span, Symbol, Value};

use super::error::PullError;

/// How deep patterns may nest inside each other as text; recursion over data has a limit of its own.
const NESTING_MAX: usize = 64;

/// What is taken from every many-valued attribute unless a pattern says otherwise.
pub(super) const LIMIT_DEFAULT: usize = 1000;

/// A parsed pull pattern, independent of any database; parse once, use often.
///
/// ```
/// use factum_query::pull::PullPattern;
///
/// let pattern: PullPattern = "[:person/name {:person/_boss [:person/name]}]".parse()?;
/// # Ok::<(), factum_query::pull::PullError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PullPattern {
    pub(super) patterns: Vec<Pattern>,
}

/// Index into [`PullPattern::patterns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PatternId(pub(super) usize);

impl PullPattern {
    /// `[*]`, by which component entities are expanded.
    pub(super) const EXPAND: PatternId = PatternId(0);
    /// What the caller wrote.
    pub(super) const ROOT: PatternId = PatternId(1);
}

/// One `[...]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pattern {
    /// `*` stands among the items.
    pub(super) wildcard: bool,
    /// Result keys under which `:db/id` is wanted.
    pub(super) ids: Vec<Value>,
    /// The attributes, with distinct result keys.
    pub(super) specs: Vec<Spec>,
}

/// One attribute of a pattern with its options.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spec {
    /// The attribute itself, without the underscore of a reverse reference.
    pub(super) attribute: Keyword,
    /// `:ns/_attr`
    pub(super) reverse: bool,
    /// The key in the result: the attribute as written, or `:as`.
    pub(super) key: Value,
    pub(super) limit: Limit,
    pub(super) default: Option<Value>,
    pub(super) xform: Option<(Symbol, Span)>,
    pub(super) nested: Nested,
    /// Place of the attribute in the text.
    pub(super) span: Span,
    /// Place of the explicit limit.
    pub(super) limit_span: Span,
}

/// How many values of a many-valued attribute are wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// Not stated: [`LIMIT_DEFAULT`].
    Default,
    /// `:limit nil`
    All,
    /// `:limit n`
    At(usize),
}

impl Limit {
    pub(super) fn count(self) -> usize {
        match self {
            Self::Default => LIMIT_DEFAULT,
            Self::All => usize::MAX,
            Self::At(count) => count,
        }
    }
}

/// What is shown of a referenced entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Nested {
    /// Nothing was said: the id, or everything of a component.
    Plain,
    /// `{attr [..]}`
    Pattern(PatternId),
    /// `{attr n}`, `{attr ...}`: the surrounding pattern again.
    Recursion { depth: Option<u32> },
}

impl PullPattern {
    /// Parses `[:attr {:ref [..]} ..]`; errors carry the place in the text that `form` was read from.
    pub fn parse(form: &Form) -> Result<Self, PullError> {
        let expand = Pattern { wildcard: true, ..Pattern::default() };
        let mut pattern = Self { patterns: vec![expand] };
        pattern.parse_pattern(form, 0)?;
        Ok(pattern)
    }

    /// [`parse`](Self::parse) for a pattern that a program built; its errors have no place.
    pub fn from_value(value: &Value) -> Result<Self, PullError> {
        Self::parse(&Form::from(value))
    }

    /// Result keys, attributes as written or `:as` names, of the outermost pattern; used for column headings.
    pub fn keys(&self) -> impl Iterator<Item = &Value> {
        let root = &self.patterns[Self::ROOT.0];
        root.ids.iter().chain(root.specs.iter().map(|spec| &spec.key))
    }

    fn parse_pattern(&mut self, form: &Form, depth: usize) -> Result<PatternId, PullError> {
        let Some(items) = form.as_sequence() else {
            return Err(PullError::NotSequential { found: form.to_value(), span: form.span });
        };
        if depth == NESTING_MAX {
            return Err(PullError::NestedTooDeep { limit: NESTING_MAX, span: form.span });
        }
        let id = PatternId(self.patterns.len());
        // Reserved before the nested patterns, so that the root is number one.
        self.patterns.push(Pattern::default());
        let mut pattern = Pattern::default();
        for item in items {
            self.parse_item(item, depth, &mut pattern)?;
        }
        self.patterns[id.0] = pattern;
        Ok(id)
    }

    fn parse_item(&mut self, item: &Form, depth: usize, into: &mut Pattern) -> Result<(), PullError> {
        if is_wildcard(item) {
            into.wildcard = true;
            return Ok(());
        }
        if let FormKind::Map(entries) = &item.kind {
            for (attribute, nested) in entries {
                let mut spec = parse_attribute(attribute)?;
                if is_id(&spec) {
                    return Err(PullError::NestedId { span: attribute.span });
                }
                spec.nested = self.parse_nested(nested, depth)?;
                into.add(spec);
            }
            return Ok(());
        }
        into.add(parse_attribute(item)?);
        Ok(())
    }

    fn parse_nested(&mut self, form: &Form, depth: usize) -> Result<Nested, PullError> {
        match form.as_atom() {
            Some(Value::Symbol(symbol)) if symbol.as_str() == "..." => Ok(Nested::Recursion { depth: None }),
            Some(Value::Str(text)) if &**text == "..." => Ok(Nested::Recursion { depth: None }),
            Some(Value::Int(depth)) if *depth >= 1 => {
                Ok(Nested::Recursion { depth: Some(u32::try_from(*depth).unwrap_or(u32::MAX)) })
            }
            Some(found) => Err(PullError::BadNested { found: found.clone(), span: form.span }),
            None => Ok(Nested::Pattern(self.parse_pattern(form, depth + 1)?)),
        }
    }
}

impl std::str::FromStr for PullPattern {
    type Err = PullError;

    /// Reads EDN text.
    fn from_str(text: &str) -> Result<Self, PullError> {
        Self::parse(&edn::read_form(text)?)
    }
}

impl Pattern {
    /// A later item with the same result key replaces the earlier one.
    fn add(&mut self, spec: Spec) {
        self.ids.retain(|key| *key != spec.key);
        self.specs.retain(|other| other.key != spec.key);
        if is_id(&spec) {
            self.ids.push(spec.key);
        } else {
            self.specs.push(spec);
        }
    }
}

fn is_id(spec: &Spec) -> bool {
    spec.attribute.as_str() == "db/id"
}

fn is_wildcard(item: &Form) -> bool {
    match item.as_atom() {
        Some(Value::Symbol(symbol)) => symbol.as_str() == "*",
        Some(Value::Keyword(keyword)) => keyword.as_str() == "*",
        Some(Value::Str(text)) => &**text == "*",
        _ => false,
    }
}

/// `:attr`, `[:attr option value ..]`, `(limit :attr n)`, `(default :attr value)`.
fn parse_attribute(form: &Form) -> Result<Spec, PullError> {
    if let Some(Value::Keyword(keyword)) = form.as_atom() {
        return Ok(Spec::plain(keyword, form.span));
    }
    let bad = || PullError::BadItem { found: form.to_value(), span: form.span };
    let Some([head, options @ ..]) = form.as_sequence() else { return Err(bad()) };
    match head.as_atom() {
        Some(Value::Keyword(keyword)) => parse_options(Spec::plain(keyword, head.span), options),
        Some(Value::Symbol(name)) => parse_old_spelling(name.as_str(), options).unwrap_or_else(|| Err(bad())),
        Some(Value::Str(name)) => parse_old_spelling(name, options).unwrap_or_else(|| Err(bad())),
        _ if is_wildcard(head) => Err(PullError::WildcardOption { span: form.span }),
        _ => Err(bad()),
    }
}

fn parse_options(mut spec: Spec, options: &[Form]) -> Result<Spec, PullError> {
    for pair in options.chunks(2) {
        let option = &pair[0];
        let name = option.as_atom().and_then(Value::as_keyword).map(Keyword::as_str);
        let Some(value) = pair.get(1) else {
            return Err(PullError::OptionWithoutValue { option: option.to_value(), span: option.span });
        };
        match name {
            Some("as") => spec.key = value.to_value(),
            Some("limit") => (spec.limit, spec.limit_span) = (parse_limit(value)?, value.span),
            Some("default") => spec.default = Some(value.to_value()),
            Some("xform") => spec.xform = Some(parse_xform(value)?),
            _ => return Err(PullError::UnknownOption { option: option.to_value(), span: option.span }),
        }
    }
    Ok(spec)
}

/// The spelling from before options were vectors; `None` if `name` is not part of it.
fn parse_old_spelling(name: &str, arguments: &[Form]) -> Option<Result<Spec, PullError>> {
    let [attribute, value] = arguments else { return None };
    let parse = |set: &dyn Fn(&mut Spec) -> Result<(), PullError>| {
        let mut spec = parse_attribute(attribute)?;
        set(&mut spec)?;
        Ok(spec)
    };
    match name {
        "limit" => Some(parse(&|spec| {
            (spec.limit, spec.limit_span) = (parse_limit(value)?, value.span);
            Ok(())
        })),
        "default" => Some(parse(&|spec| {
            spec.default = Some(value.to_value());
            Ok(())
        })),
        _ => None,
    }
}

fn parse_limit(form: &Form) -> Result<Limit, PullError> {
    match form.as_atom() {
        Some(Value::Nil) => Ok(Limit::All),
        Some(Value::Int(count)) if *count >= 1 => {
            Ok(Limit::At(usize::try_from(*count).unwrap_or(usize::MAX)))
        }
        _ => Err(PullError::BadLimit { found: form.to_value(), span: form.span }),
    }
}

fn parse_xform(form: &Form) -> Result<(Symbol, Span), PullError> {
    match form.as_symbol() {
        Some(symbol) => Ok((symbol.clone(), form.span)),
        None => Err(PullError::BadXform { found: form.to_value(), span: form.span }),
    }
}

impl Spec {
    fn plain(keyword: &Keyword, span: Span) -> Self {
        let (attribute, reverse) = match keyword.name().strip_prefix('_') {
            Some(name) if !name.is_empty() => (Keyword::new(keyword.namespace(), name), true),
            _ => (keyword.clone(), false),
        };
        Self {
            attribute,
            reverse,
            key: Value::Keyword(keyword.clone()),
            limit: Limit::Default,
            default: None,
            xform: None,
            nested: Nested::Plain,
            span,
            limit_span: span,
        }
    }

    /// The attribute as it was written, underscore included.
    pub(super) fn written(&self) -> Keyword {
        match self.reverse {
            true => Keyword::new(self.attribute.namespace(), &format!("_{}", self.attribute.name())),
            false => self.attribute.clone(),
        }
    }
}
