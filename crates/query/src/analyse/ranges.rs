//! Comparisons with constants become ranges of encoded values, which cursors can seek.
//!
//! ```text
//! [?e :age ?a] [(< 10 ?a 38.5)]     ?a holds longs:  11 ..= 38, exactly; the predicate is dropped
//! [?e :name ?n] [(like ?n "A_%")]   "A" .. "B"; the predicate stays, as the range says less
//! ```
//!
//! An order of values can be pushed only where the type is known from an attribute, as only within a type is the
//! order of encodings the order of `<`. Equality needs no type.

use std::collections::HashMap;
use std::ops::Bound;

use edn::{Span, Value, shorten};
use num_bigint::BigInt;
use num_traits::ToPrimitive;
use storage::{EncodedValue, Schema, ValueType, encode};

use super::error::AnalyseError;
use super::range_set::RangeSet;
use super::{Analyser, Result};
use crate::exec::Source;
use crate::functions::like::{Prefix, end_of_prefix};
use crate::functions::number::{Number, floor_and_ceiling, neighbouring_doubles};
use crate::functions::{Args, Operator, membership};
use crate::logical::{Arg, AttrTerm, Call, Callee, Clause, Conjunction, Pattern, RangeClause, Term, VarId};

/// Into how many ranges a complement may fall apart.
const COMPLEMENT_MAX: usize = 64;

/// The types of variables that patterns over typed attributes bind; entities are refs.
type Types = HashMap<VarId, Typed>;

#[derive(Clone, Debug)]
struct Typed {
    value_type: ValueType,
    attribute: edn::Keyword,
}

/// What a predicate says about a variable.
struct Implied {
    var: VarId,
    set: RangeSet,
    /// Whether the predicate says no more than that.
    exact: bool,
}

impl Analyser<'_> {
    /// Adds the ranges that predicates imply and drops the predicates that say no more.
    pub(super) fn push_ranges(&mut self, conjunction: &mut Conjunction) -> Result<()> {
        self.push_typed(conjunction, &Types::new())
    }

    fn push_typed(&mut self, conjunction: &mut Conjunction, outer: &Types) -> Result<()> {
        let mut types = outer.clone();
        for clause in &conjunction.clauses {
            if let Clause::Pattern(pattern) = clause {
                self.note_types(pattern, &mut types);
            }
        }
        let mut found: Vec<(VarId, RangeSet, String, Span)> = Vec::new();
        let mut kept = Vec::with_capacity(conjunction.clauses.len());
        for mut clause in std::mem::take(&mut conjunction.clauses) {
            match &mut clause {
                Clause::Predicate(call) => {
                    let implied = implied_by(call, &types)?;
                    let exact = implied.len() == 1 && implied[0].exact;
                    for Implied { var, set, .. } in implied {
                        if set.is_all() && !exact {
                            continue;
                        }
                        let text = self.call_text(call);
                        match found.iter_mut().find(|(other, ..)| *other == var) {
                            Some((_, other, texts, _)) => {
                                *other = other.intersect(&set);
                                texts.push(' ');
                                texts.push_str(&text);
                            }
                            None => found.push((var, set, text, call.span)),
                        }
                    }
                    if exact {
                        continue;
                    }
                }
                Clause::Not(not) => self.push_typed(&mut not.body, &types)?,
                Clause::Or(or) => {
                    for branch in &mut or.branches {
                        self.push_typed(branch, &types)?;
                    }
                }
                _ => {}
            }
            kept.push(clause);
        }
        kept.extend(found.into_iter().filter(|(_, set, ..)| !set.is_all()).map(|(var, set, text, span)| {
            Clause::Range(RangeClause { var, ranges: set.into_ranges(), text, span })
        }));
        conjunction.clauses = kept;
        Ok(())
    }

    fn note_types(&self, pattern: &Pattern, types: &mut Types) {
        let Source::Db(db) = &self.inputs.sources[usize::from(pattern.source.0)] else { return };
        let schema: &Schema = db.schema();
        let attribute = match pattern.a {
            AttrTerm::Const(id) => schema.by_id(id),
            _ => None,
        };
        if let (Term::Var(var), Some(attribute)) = (&pattern.v, attribute)
            && let (Some(value_type), None) = (attribute.value_type, &attribute.tuple)
        {
            let attribute = attribute.ident.clone();
            types.entry(*var).or_insert(Typed { value_type, attribute });
        }
        if let Term::Var(var) = &pattern.e {
            let attribute = edn::Keyword::from(":db/id");
            types.entry(*var).or_insert(Typed { value_type: ValueType::Ref, attribute });
        }
    }

    /// The text of a predicate, for `explain`.
    fn call_text(&self, call: &Call) -> String {
        let written = self.text.slice(call.span).map(str::to_owned);
        written.unwrap_or_else(|| match &call.function {
            Callee::Function(function) => format!("({} ..)", function.name()),
            _ => "(..)".to_owned(),
        })
    }
}

fn operator(call: &Call) -> Option<Operator> {
    match &call.function {
        Callee::Function(function) => function.operator(),
        _ => None,
    }
}

/// What must hold of variables where the predicate is true.
fn implied_by(call: &Call, types: &Types) -> Result<Vec<Implied>> {
    use Operator as O;
    let Some(operator) = operator(call) else { return Ok(Vec::new()) };
    Ok(match operator {
        O::Less | O::LessEq | O::Greater | O::GreaterEq | O::Equal | O::NumericEqual => {
            chain(call, operator, types)?
        }
        O::NotEqual => match chain(call, O::Equal, types)?.as_slice() {
            [Implied { var, set, exact: true }] => complement(*var, set),
            _ => Vec::new(),
        },
        O::In | O::NotIn => membership(call, operator == O::NotIn, types),
        O::Like | O::NotLike => like(call, operator == O::NotLike, types),
        O::Not => match call.args.as_slice() {
            [Arg::Call(inner)] => match implied_by(inner, types)?.as_slice() {
                [Implied { var, set, exact: true }] => complement(*var, set),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        },
        O::And | O::Or => connective(call, operator == O::And, types)?,
        _ => Vec::new(),
    })
}

fn complement(var: VarId, set: &RangeSet) -> Vec<Implied> {
    match set.len() <= COMPLEMENT_MAX {
        true => vec![Implied { var, set: set.complement(), exact: true }],
        false => Vec::new(),
    }
}

/// `and` and `or` of predicates over one variable.
fn connective(call: &Call, is_and: bool, types: &Types) -> Result<Vec<Implied>> {
    let mut all: Option<Implied> = None;
    for arg in &call.args {
        let Arg::Call(inner) = arg else { return Ok(Vec::new()) };
        let mut implied = implied_by(inner, types)?;
        let (Some(one), true) = (implied.pop(), implied.is_empty()) else { return Ok(Vec::new()) };
        all = Some(match all {
            None => one,
            Some(all) if all.var != one.var => return Ok(Vec::new()),
            Some(all) => Implied {
                var: all.var,
                set: if is_and { all.set.intersect(&one.set) } else { all.set.union(&one.set) },
                exact: all.exact && one.exact,
            },
        });
    }
    Ok(all.into_iter().collect())
}

/// `(< 10 ?a 20)`: each variable beside a constant is bounded by it. Exact where there is only one variable.
fn chain(call: &Call, operator: Operator, types: &Types) -> Result<Vec<Implied>> {
    let mut implied: Vec<Implied> = Vec::new();
    let mut exact = true;
    let mut never = false;
    for pair in call.args.windows(2) {
        let (var, constant, operator) = match (&pair[0], &pair[1]) {
            (Arg::Var(var), Arg::Const(constant)) => (*var, constant, operator),
            (Arg::Const(constant), Arg::Var(var)) => (*var, constant, flipped(operator)),
            (Arg::Const(a), Arg::Const(b)) => {
                never |= !holds(operator, a, b);
                continue;
            }
            _ => {
                exact = false;
                continue;
            }
        };
        match compare(operator, constant, types.get(&var), call.span)? {
            None => exact = false,
            Some((set, is_exact)) => {
                exact &= is_exact;
                match implied.iter_mut().find(|other| other.var == var) {
                    Some(other) => other.set = other.set.intersect(&set),
                    None => implied.push(Implied { var, set, exact: true }),
                }
            }
        }
    }
    if never {
        implied.iter_mut().for_each(|implied| implied.set = RangeSet::none());
    }
    let single = implied.len() == 1 && call.needs.len() == 1;
    implied.iter_mut().for_each(|implied| implied.exact = exact && single);
    Ok(implied)
}

fn flipped(operator: Operator) -> Operator {
    match operator {
        Operator::Less => Operator::Greater,
        Operator::LessEq => Operator::GreaterEq,
        Operator::Greater => Operator::Less,
        Operator::GreaterEq => Operator::LessEq,
        other => other,
    }
}

fn holds(operator: Operator, a: &Value, b: &Value) -> bool {
    use crate::functions::compare::{equal, numerically_equal, order};
    let ordered = order(a, b);
    match operator {
        Operator::Less => ordered.is_some_and(|order| order.is_lt()),
        Operator::LessEq => ordered.is_some_and(|order| order.is_le()),
        Operator::Greater => ordered.is_some_and(|order| order.is_gt()),
        Operator::GreaterEq => ordered.is_some_and(|order| order.is_ge()),
        Operator::Equal => equal(a, b),
        // What is no number is an error of the call.
        _ => numerically_equal(a, b).unwrap_or(true),
    }
}

/// The values for which `(operator ?x constant)` holds, and whether there are no others.
fn compare(
    operator: Operator,
    constant: &Value,
    typed: Option<&Typed>,
    span: Span,
) -> Result<Option<(RangeSet, bool)>> {
    if operator == Operator::Equal {
        return Ok(equal_to(constant).map(|points| (RangeSet::points(points), true)));
    }
    let Some(Typed { value_type, attribute }) = typed else { return Ok(None) };
    if constant.is_nil() {
        return Ok(None);
    }
    match (Number::of(constant), value_type) {
        (Some(number), ValueType::Long | ValueType::Ref) => Ok(Some((whole(operator, &number, false), true))),
        (Some(number), ValueType::BigInt) => Ok(Some((whole(operator, &number, true), true))),
        (Some(number), ValueType::Double | ValueType::Float) => Ok(Some((doubles(operator, &number), true))),
        (Some(number), ValueType::BigDec) => Ok(decimals(operator, &number).map(|set| (set, false))),
        (None, value_type) if same_type(*value_type, constant) && operator != Operator::NumericEqual => {
            Ok(Some((bounds(operator, encode(constant), encode(constant)), true)))
        }
        _ if operator == Operator::NumericEqual || *value_type == ValueType::Tuple => Ok(None),
        _ => Err(AnalyseError::TypeMismatch {
            attribute: attribute.clone(),
            expected: value_type.to_string(),
            found: shorten(constant),
            found_type: constant.type_name(),
            span,
        }),
    }
}

/// The values that `=` a constant; `None` if that cannot be said in a few values.
fn equal_to(constant: &Value) -> Option<Vec<EncodedValue>> {
    Some(match constant {
        Value::Int(value) => vec![encode(constant), encode(&Value::BigInt((*value).into()))],
        Value::BigInt(value) => {
            let small = value.to_i64().map(EncodedValue::int);
            small.into_iter().chain([encode(constant)]).collect()
        }
        // NaN equals nothing.
        Value::Float(value) if value.is_nan() => Vec::new(),
        Value::List(_) | Value::Vector(_) | Value::Set(_) | Value::Map(_) | Value::Tagged(..) => return None,
        _ => vec![encode(constant)],
    })
}

fn same_type(value_type: ValueType, constant: &Value) -> bool {
    matches!(
        (value_type, constant),
        (ValueType::String, Value::Str(_))
            | (ValueType::Keyword, Value::Keyword(_))
            | (ValueType::Symbol, Value::Symbol(_))
            | (ValueType::Boolean, Value::Bool(_))
            | (ValueType::Instant, Value::Inst(_))
            | (ValueType::Uuid, Value::Uuid(_))
            | (ValueType::Bytes, Value::Bytes(_))
    )
}

/// The values on one side of a point that lies between `below` and `above`, or on both if they are the same.
fn bounds(operator: Operator, below: EncodedValue, above: EncodedValue) -> RangeSet {
    use Bound::{Excluded, Included, Unbounded};
    let is_point = below == above;
    match operator {
        Operator::Less if is_point => RangeSet::range(Unbounded, Excluded(below)),
        Operator::Less | Operator::LessEq => RangeSet::range(Unbounded, Included(below)),
        Operator::Greater if is_point => RangeSet::range(Excluded(above), Unbounded),
        Operator::Greater | Operator::GreaterEq => RangeSet::range(Included(above), Unbounded),
        _ if is_point => RangeSet::points([below]),
        _ => RangeSet::none(),
    }
}

/// Bounds of integers are exact, whatever the type of the constant.
fn whole(operator: Operator, number: &Number<'_>, big: bool) -> RangeSet {
    let is_less = matches!(operator, Operator::Less | Operator::LessEq);
    let is_equal = operator == Operator::NumericEqual;
    let Some((floor, ceiling)) = floor_and_ceiling(number) else {
        // Infinity and NaN.
        let infinite = number.to_f64();
        let all = !is_equal && if is_less { infinite > 0.0 } else { infinite < 0.0 };
        return if all { RangeSet::all() } else { RangeSet::none() };
    };
    if big {
        return bounds(operator, encode(&Value::BigInt(floor)), encode(&Value::BigInt(ceiling)));
    }
    match (floor.to_i64(), ceiling.to_i64()) {
        (Some(floor), Some(ceiling)) => {
            bounds(operator, EncodedValue::int(floor), EncodedValue::int(ceiling))
        }
        // Beyond all 64-bit integers, above or below.
        _ if is_equal => RangeSet::none(),
        _ if (floor > BigInt::ZERO) == is_less => RangeSet::all(),
        _ => RangeSet::none(),
    }
}

fn doubles(operator: Operator, number: &Number<'_>) -> RangeSet {
    let (below, above) = match number {
        Number::Float(value) if value.is_nan() => return RangeSet::none(),
        Number::Float(value) => (*value, *value),
        number => match neighbouring_doubles(number) {
            Some(neighbours) => neighbours,
            None => return RangeSet::all(),
        },
    };
    bounds(operator, EncodedValue::float(below), EncodedValue::float(above))
}

/// Decimals of equal worth but different scale lie side by side, so the bounds are a little wider than asked for.
fn decimals(operator: Operator, number: &Number<'_>) -> Option<RangeSet> {
    use Bound::{Included, Unbounded};
    const PLACES: i64 = 40;
    let decimal = number.to_decimal()?;
    let slack = bigdecimal::BigDecimal::new(1.into(), decimal.fractional_digit_count().max(0) + PLACES);
    let below = || Included(encode(&Value::Decimal(&decimal - &slack)));
    let above = || Included(encode(&Value::Decimal(&decimal + &slack)));
    Some(match operator {
        Operator::Less | Operator::LessEq => RangeSet::range(Unbounded, above()),
        Operator::Greater | Operator::GreaterEq => RangeSet::range(below(), Unbounded),
        _ => RangeSet::range(below(), above()),
    })
}

/// `(in ?x [..])`, `(not-in ?x [..])`
fn membership(call: &Call, negated: bool, _: &Types) -> Vec<Implied> {
    let [Arg::Var(var), Arg::Const(collection)] = call.args.as_slice() else { return Vec::new() };
    let items: Vec<&Value> = match collection {
        Value::List(items) | Value::Vector(items) => items.iter().collect(),
        Value::Set(items) => items.iter().collect(),
        // An error of the call.
        _ => return Vec::new(),
    };
    let Some(points) = items.into_iter().map(equal_to).collect::<Option<Vec<_>>>() else { return Vec::new() };
    let set = RangeSet::points(points.into_iter().flatten());
    match negated {
        true => complement(*var, &set),
        false => vec![Implied { var: *var, set, exact: true }],
    }
}

/// `(like ?x "abc%")`, `(not-like ?x "abc%")` over strings.
fn like(call: &Call, negated: bool, types: &Types) -> Vec<Implied> {
    let (Some(Arg::Var(var)), Callee::Function(function)) = (call.args.first(), &call.function) else {
        return Vec::new();
    };
    let constants: Option<Vec<Value>> = call.args[1..]
        .iter()
        .map(|arg| if let Arg::Const(value) = arg { Some(value.clone()) } else { None })
        .collect();
    let is_text = types.get(var).is_some_and(|typed| typed.value_type == ValueType::String);
    let (Some(constants), true) = (constants, is_text) else { return Vec::new() };
    let args: Vec<Value> = std::iter::once(Value::Nil).chain(constants).collect();
    // A pattern that does not compile is an error of the call.
    let Ok(pattern) = membership::compile(&Args::new(function.name(), &args)) else { return Vec::new() };
    let (set, exact) = match pattern.prefix() {
        Prefix::Exact(text) => (RangeSet::points([EncodedValue::str(&text)]), true),
        Prefix::All(prefix) => (beginning_with(&prefix), true),
        Prefix::Necessary(prefix) => (beginning_with(&prefix), false),
    };
    match (negated, exact) {
        (false, _) => vec![Implied { var: *var, set, exact }],
        (true, true) => complement(*var, &set),
        (true, false) => Vec::new(),
    }
}

fn beginning_with(prefix: &str) -> RangeSet {
    let end = end_of_prefix(prefix).map_or(Bound::Unbounded, |end| Bound::Excluded(EncodedValue::str(&end)));
    match prefix.is_empty() {
        true => RangeSet::all(),
        false => RangeSet::range(Bound::Included(EncodedValue::str(prefix)), end),
    }
}
