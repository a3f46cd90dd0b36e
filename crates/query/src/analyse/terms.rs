//! Patterns: attributes become ids, constants become encoded values of the attribute's type.

use std::borrow::Cow;

use edn::{Keyword, Span, Value, shorten};
use storage::{Attribute, Db, EncodedValue, ValueType, encode};

use super::error::{AnalyseError, Warning};
use super::inputs::Given;
use super::scope::Scope;
use super::{Analyser, Result};
use crate::ast;
use crate::exec::Source;
use crate::functions::number::Number;
use crate::logical::{AttrTerm, Clause, Pattern, SourceId, Term, TuplePattern};

/// A constant, and where it comes from: literals are fitted to the attribute's type, inputs are taken as they are.
struct Literal<'a> {
    value: Cow<'a, Value>,
    span: Span,
    is_input: bool,
}

/// What stands in a position, before anything is known about the position.
enum Position<'a> {
    Variable(&'a ast::Variable),
    Constant(Literal<'a>),
    Blank,
}

impl Analyser<'_> {
    /// `[$src e a v]`
    pub(super) fn pattern(&mut self, scope: &mut Scope, pattern: &ast::Pattern) -> Result<Clause> {
        let source = self.source_or_default(scope, pattern.source.as_ref());
        match self.inputs.sources[usize::from(source.0)].clone() {
            Source::Db(db) => self.db_pattern(scope, pattern, source, &db).map(Clause::Pattern),
            Source::Tuples(_) => self.tuple_pattern(scope, pattern, source).map(Clause::Tuple),
        }
    }

    /// The source of this name, or the default one; where there is none, one without facts.
    pub(super) fn source_or_default(&mut self, scope: &Scope, name: Option<&ast::SourceName>) -> SourceId {
        let known = match name {
            Some(name) => self.named_source(scope, name),
            None => scope.default_source,
        };
        match known.or(self.empty_source) {
            Some(source) => source,
            None => *self.empty_source.insert(self.inputs.empty_source()),
        }
    }

    /// The source of this name.
    pub(super) fn named_source(&self, scope: &Scope, name: &ast::SourceName) -> Option<SourceId> {
        let own = scope.dollar.filter(|_| name.name.as_str() == "$");
        own.or_else(|| self.inputs.source_names.get(&name.name).copied())
    }

    fn tuple_pattern(
        &mut self,
        scope: &mut Scope,
        pattern: &ast::Pattern,
        source: SourceId,
    ) -> Result<TuplePattern> {
        let mut terms = Vec::with_capacity(pattern.terms.len());
        for term in &pattern.terms {
            terms.push(match position(scope, term)? {
                Position::Variable(variable) => Term::Var(scope.var(variable)),
                Position::Constant(literal) => Term::Const(encode(&literal.value)),
                Position::Blank => Term::Blank,
            });
        }
        Ok(TuplePattern { source, terms, span: pattern.span })
    }

    fn db_pattern(
        &mut self,
        scope: &mut Scope,
        pattern: &ast::Pattern,
        source: SourceId,
        db: &Db,
    ) -> Result<Pattern> {
        if let Some(term) = pattern.terms.get(3) {
            return Err(AnalyseError::NoTxComponent { position: "fourth", span: term_span(term) });
        }
        let attribute = match pattern.terms.get(1) {
            Some(term) => self.attribute_term(scope, term, db)?,
            None => AttrTerm::Blank,
        };
        let e = match position(scope, &pattern.terms[0])? {
            Position::Variable(variable) => Term::Var(scope.entity_var(variable, source)),
            Position::Constant(literal) => {
                self.looked_up |= !matches!(*literal.value, Value::Int(_));
                Term::Const(entity(db, &literal.value, literal.is_input, literal.span)?)
            }
            Position::Blank => Term::Blank,
        };
        let known = match attribute {
            AttrTerm::Const(id) => db.schema().by_id(id).cloned(),
            _ => None,
        };
        let v = match pattern.terms.get(2) {
            Some(term) => self.value_term(scope, term, source, db, known.as_deref())?,
            None => Term::Blank,
        };
        Ok(Pattern { source, e, a: attribute, v, within: None, span: pattern.span })
    }

    fn attribute_term(&mut self, scope: &mut Scope, term: &ast::Term, db: &Db) -> Result<AttrTerm> {
        Ok(match position(scope, term)? {
            Position::Blank => AttrTerm::Blank,
            Position::Variable(variable) => AttrTerm::Var(scope.var(variable)),
            Position::Constant(Literal { value, span, .. }) => match &*value {
                Value::Keyword(name) => match db.schema().attribute(name) {
                    Some(attribute) => AttrTerm::Const(attribute.id),
                    None => {
                        self.unknown_attribute(db, name, span)?;
                        AttrTerm::Unknown
                    }
                },
                other => {
                    self.warn(Warning::NotAnAttribute { found: shorten(other), span });
                    AttrTerm::Unknown
                }
            },
        })
    }

    /// An attribute that the schema does not know is an error where that was asked for, else a warning.
    pub(super) fn unknown_attribute(&mut self, db: &Db, name: &Keyword, span: Span) -> Result<()> {
        let attribute = name.clone();
        let forward = name.name().strip_prefix('_').map(|forward| Keyword::new(name.namespace(), forward));
        if forward.is_some_and(|forward| db.schema().attribute(&forward).is_some()) {
            self.warn(Warning::ReverseAttribute { attribute, span });
            return Ok(());
        }
        let nearest = db.schema().nearest(name.as_str());
        if self.options.strict || db.options().closed_schema {
            return Err(AnalyseError::UnknownAttribute { attribute, nearest, span });
        }
        self.warn(Warning::UnknownAttribute { attribute, nearest, span });
        Ok(())
    }

    fn value_term(
        &mut self,
        scope: &mut Scope,
        term: &ast::Term,
        source: SourceId,
        db: &Db,
        attribute: Option<&Attribute>,
    ) -> Result<Term> {
        let is_ref = attribute.is_some_and(Attribute::is_ref);
        let literal = match position(scope, term)? {
            Position::Blank => return Ok(Term::Blank),
            Position::Variable(variable) if is_ref => {
                return Ok(Term::Var(scope.entity_var(variable, source)));
            }
            Position::Variable(variable) => return Ok(Term::Var(scope.var(variable))),
            // Nothing has the value nil; it stands for any value.
            Position::Constant(literal) if literal.value.is_nil() => return Ok(Term::Blank),
            Position::Constant(literal) => literal,
        };
        let Some(attribute) = attribute else { return Ok(Term::Const(encode(&literal.value))) };
        if is_ref {
            self.looked_up |= !matches!(*literal.value, Value::Int(_));
            return reference(db, attribute, &literal).map(Term::Const);
        }
        if literal.is_input {
            return Ok(Term::Const(encode(&literal.value)));
        }
        match fit(db, attribute, &literal)? {
            Some(encoded) => Ok(Term::Const(encoded)),
            None => {
                let (attribute, found, span) =
                    (attribute.ident.clone(), shorten(&literal.value), literal.span);
                self.warn(Warning::NeverEqual { attribute, found, span });
                Ok(Term::Const(encode(&literal.value)))
            }
        }
    }
}

/// The place of a term.
pub(super) fn term_span(term: &ast::Term) -> Span {
    match term {
        ast::Term::Variable(variable) => variable.span,
        ast::Term::Blank(span) => *span,
        ast::Term::Constant(constant) => constant.span,
    }
}

/// What a term is here: variables that inputs give a value are constants.
fn position<'a>(scope: &Scope, term: &'a ast::Term) -> Result<Position<'a>> {
    Ok(match term {
        ast::Term::Blank(_) => Position::Blank,
        ast::Term::Constant(ast::Constant { value, span }) => {
            Position::Constant(Literal { value: Cow::Borrowed(value), span: *span, is_input: false })
        }
        ast::Term::Variable(variable) => match scope.given(&variable.name) {
            None => Position::Variable(variable),
            Some(Given::Value(value)) => {
                let value = Cow::Owned(value.clone());
                Position::Constant(Literal { value, span: variable.span, is_input: true })
            }
            Some(Given::Function(_)) => {
                let (name, span) = (variable.name.clone(), variable.span);
                return Err(AnalyseError::FunctionAsValue { name, span });
            }
        },
    })
}

/// The id of an entity that is written or given: a number, ident or lookup ref.
pub(super) fn entity(db: &Db, value: &Value, is_input: bool, span: Span) -> Result<EncodedValue> {
    match value {
        Value::Int(id) => Ok(EncodedValue::int(*id)),
        // An input without a value is no entity, and so matches nothing.
        Value::Nil if is_input => Ok(encode(value)),
        Value::Keyword(_) | Value::Vector(_) | Value::List(_) => {
            let is_lookup = match value.as_sequence() {
                Some(items) => matches!(items, [Value::Keyword(_), _]),
                None => true,
            };
            if !is_lookup {
                return Err(AnalyseError::NotAnEntity { found: shorten(value), span });
            }
            let found = db.require_entid(value).map_err(|source| AnalyseError::Reference { source, span })?;
            Ok(EncodedValue::int(found.as_int()))
        }
        _ => Err(AnalyseError::NotAnEntity { found: shorten(value), span }),
    }
}

/// The value of a ref attribute: an entity. Inputs of other types match nothing.
fn reference(db: &Db, attribute: &Attribute, literal: &Literal<'_>) -> Result<EncodedValue> {
    match &*literal.value {
        Value::Int(_) | Value::Keyword(_) => entity(db, &literal.value, literal.is_input, literal.span),
        Value::Vector(items) | Value::List(items) if matches!(items.as_slice(), [Value::Keyword(_), _]) => {
            entity(db, &literal.value, literal.is_input, literal.span)
        }
        value if literal.is_input => Ok(encode(value)),
        value => Err(mismatch(attribute, value, literal.span)),
    }
}

fn mismatch(attribute: &Attribute, value: &Value, span: Span) -> AnalyseError {
    AnalyseError::TypeMismatch {
        attribute: attribute.ident.clone(),
        expected: attribute
            .value_type
            .map_or_else(|| "any type".to_owned(), |value_type| value_type.to_string()),
        found: shorten(value),
        found_type: value.type_name(),
        span,
    }
}

/// A literal as the attribute stores it; `None` if no stored value can equal it.
fn fit(db: &Db, attribute: &Attribute, literal: &Literal<'_>) -> Result<Option<EncodedValue>> {
    let value = &*literal.value;
    let Some(value_type) = attribute.value_type else { return Ok(Some(encode(value))) };
    if let (Some(number), true) = (Number::of(value), is_numeric(value_type)) {
        return Ok(exact_number(value_type, value, &number).map(|value| encode(&value)));
    }
    if let (ValueType::Instant, Value::Int(millis)) = (value_type, value) {
        return Ok(Some(encode(&Value::Inst(*millis))));
    }
    let coerced = match db.coerce(attribute, value) {
        Ok(coerced) => coerced,
        Err(_) => return Err(mismatch(attribute, value, literal.span)),
    };
    match same_value(&coerced, value) {
        true => Ok(Some(encode(&coerced))),
        false if value_type == ValueType::Tuple => Ok(None),
        false => Err(mismatch(attribute, value, literal.span)),
    }
}

fn is_numeric(value_type: ValueType) -> bool {
    matches!(
        value_type,
        ValueType::Long | ValueType::Double | ValueType::Float | ValueType::BigInt | ValueType::BigDec
    )
}

/// A number as a value of another numeric type, if that loses nothing.
pub(super) fn exact_number(value_type: ValueType, value: &Value, number: &Number<'_>) -> Option<Value> {
    use num_traits::ToPrimitive;
    let whole = || {
        let (floor, ceiling) = crate::functions::number::floor_and_ceiling(number)?;
        (floor == ceiling).then_some(floor)
    };
    match (value_type, value) {
        (ValueType::Long, Value::Int(_))
        | (ValueType::BigInt, Value::BigInt(_))
        | (ValueType::BigDec, Value::Decimal(_)) => Some(value.clone()),
        (ValueType::Double | ValueType::Float, Value::Float(float)) => {
            (!float.is_nan()).then(|| value.clone())
        }
        (ValueType::Long, _) => whole()?.to_i64().map(Value::Int),
        (ValueType::BigInt, _) => whole().map(Value::BigInt),
        (ValueType::BigDec, _) => number.to_decimal().map(Value::Decimal),
        (ValueType::Double | ValueType::Float, _) => {
            let (below, above) = crate::functions::number::neighbouring_doubles(number)?;
            (below == above).then_some(Value::Float(below))
        }
        _ => None,
    }
}

/// Whether two values are the same but for the types of numbers.
fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Vector(a) | Value::List(a), Value::Vector(b) | Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b))
        }
        (a, b) => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.compare(&b).is_some_and(std::cmp::Ordering::is_eq),
            _ => a == b,
        },
    }
}
