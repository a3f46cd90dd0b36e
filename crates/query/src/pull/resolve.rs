//! A pattern held against a schema: attribute names become ids, and what makes no sense for them is refused.

use edn::{Keyword, Value};
use storage::{AttrId, Attribute, Cardinality, Schema, ValueType};

use super::error::PullError;
use super::pattern::{Limit, Nested, Pattern, PatternId, PullPattern, Spec};
use super::{PullWarning, Xform};
use crate::functions::FunctionRegistry;

/// A whole pattern, index for index as in [`PullPattern`].
pub(super) struct Resolved {
    pub(super) patterns: Vec<ResolvedPattern>,
    pub(super) warnings: Vec<PullWarning>,
}

/// One `[...]` with ids.
pub(super) struct ResolvedPattern {
    pub(super) wildcard: bool,
    /// Result keys for the entity id; a wildcard includes `:db/id` itself.
    pub(super) ids: Vec<Value>,
    pub(super) specs: Vec<ResolvedSpec>,
    /// Attributes to read forward, ascending, distinct; unused with a wildcard, which reads all.
    pub(super) forward: Vec<AttrId>,
    /// Attributes that have a spec of their own and are left out of the wildcard, ascending.
    pub(super) overridden: Vec<AttrId>,
    /// Depths of the bounded recursions, one slot for each spec that has one.
    pub(super) depths: Vec<u32>,
}

/// One attribute with ids.
pub(super) struct ResolvedSpec {
    /// `None`: not in the schema, so nobody has it.
    pub(super) attribute: Option<AttrId>,
    pub(super) written: Keyword,
    pub(super) reverse: bool,
    pub(super) many: bool,
    pub(super) key: Value,
    pub(super) limit: usize,
    pub(super) default: Option<Value>,
    pub(super) xform: Option<Xform>,
    pub(super) follow: Follow,
}

/// What becomes of an attribute's values.
#[derive(Clone, Copy)]
pub(super) enum Follow {
    /// Shown as they are.
    Value,
    /// Shown as `{:db/id n}`.
    Id,
    /// Shown through another pattern.
    Pattern(PatternId),
    /// A component: shown in full, unless the path has come through it already.
    Component,
    /// Shown through the same pattern; `slot` counts down if the depth is bounded.
    Recursion { slot: Option<usize> },
}

impl Follow {
    /// How values of `attribute` are shown if the pattern says nothing about it.
    pub(super) fn plain(attribute: &Attribute, reverse: bool) -> Self {
        match (attribute.value_type, attribute.is_component && !reverse) {
            (Some(ValueType::Ref), true) => Self::Component,
            (Some(ValueType::Ref), false) => Self::Id,
            _ => Self::Value,
        }
    }
}

impl Resolved {
    pub(super) fn new(
        pattern: &PullPattern,
        schema: &Schema,
        functions: &FunctionRegistry,
        strict: bool,
    ) -> Result<Self, PullError> {
        let mut resolver = Resolver { schema, functions, strict, warnings: Vec::new() };
        let patterns =
            pattern.patterns.iter().map(|part| resolver.pattern(part)).collect::<Result<_, _>>()?;
        Ok(Self { patterns, warnings: resolver.warnings })
    }

    pub(super) fn pattern(&self, id: PatternId) -> &ResolvedPattern {
        &self.patterns[id.0]
    }
}

struct Resolver<'a> {
    schema: &'a Schema,
    functions: &'a FunctionRegistry,
    strict: bool,
    warnings: Vec<PullWarning>,
}

impl Resolver<'_> {
    fn pattern(&mut self, pattern: &Pattern) -> Result<ResolvedPattern, PullError> {
        let mut depths = Vec::new();
        let specs = pattern
            .specs
            .iter()
            .map(|spec| self.spec(spec, &mut depths))
            .collect::<Result<Vec<ResolvedSpec>, PullError>>()?;
        let mut forward: Vec<AttrId> =
            specs.iter().filter(|spec| !spec.reverse).filter_map(|spec| spec.attribute).collect();
        forward.sort_unstable();
        forward.dedup();
        let mut ids = pattern.ids.clone();
        let id_key = Value::keyword(":db/id");
        if pattern.wildcard && !ids.contains(&id_key) {
            ids.push(id_key);
        }
        let overridden = forward.clone();
        Ok(ResolvedPattern { wildcard: pattern.wildcard, ids, specs, forward, overridden, depths })
    }

    fn spec(&mut self, spec: &Spec, depths: &mut Vec<u32>) -> Result<ResolvedSpec, PullError> {
        let known = self.schema.attribute(&spec.attribute);
        let written = spec.written();
        let is_ref = known.is_none_or(|attribute| attribute.value_type == Some(ValueType::Ref));
        if !is_ref && (spec.reverse || spec.nested != Nested::Plain) {
            return Err(PullError::NotReference { attribute: written, span: spec.span });
        }
        // A component has one owner, anything else any number of referrers.
        let many = known.is_none_or(|attribute| match spec.reverse {
            true => !attribute.is_component,
            false => attribute.cardinality == Cardinality::Many,
        });
        if !many && matches!(spec.limit, Limit::At(_)) {
            return Err(PullError::LimitOnSingle { attribute: written, span: spec.limit_span });
        }
        if known.is_none() {
            self.unknown(spec)?;
        }
        let follow = match spec.nested {
            Nested::Plain => known.map_or(Follow::Value, |attribute| Follow::plain(attribute, spec.reverse)),
            Nested::Pattern(id) => Follow::Pattern(id),
            Nested::Recursion { depth } => Follow::Recursion {
                slot: depth.map(|depth| {
                    depths.push(depth);
                    depths.len() - 1
                }),
            },
        };
        Ok(ResolvedSpec {
            attribute: known.map(|attribute| attribute.id),
            reverse: spec.reverse,
            many,
            key: spec.key.clone(),
            limit: spec.limit.count(),
            default: spec.default.clone(),
            xform: self.xform(spec)?,
            follow,
            written,
        })
    }

    fn xform(&self, spec: &Spec) -> Result<Option<Xform>, PullError> {
        let Some((name, span)) = &spec.xform else { return Ok(None) };
        match self.functions.find(name).filter(|function| !function.takes_source()) {
            Some(function) => Ok(Some(Xform { name: name.clone(), function: function.clone() })),
            None => {
                let nearest = self.functions.nearest(name.as_str());
                Err(PullError::UnknownXform { name: name.clone(), nearest, span: *span })
            }
        }
    }

    /// An attribute outside the schema is an error where the caller wants it to be, else a warning.
    fn unknown(&mut self, spec: &Spec) -> Result<(), PullError> {
        let nearest = self.schema.nearest(spec.attribute.as_str()).map(|keyword| keyword.to_string());
        let (attribute, span) = (spec.attribute.clone(), spec.span);
        match self.strict {
            true => Err(PullError::UnknownAttribute { attribute, nearest, span }),
            false => {
                self.warnings.push(PullWarning { attribute, nearest, span });
                Ok(())
            }
        }
    }
}
