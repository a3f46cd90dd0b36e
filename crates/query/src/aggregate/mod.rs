//! Aggregates: from the values of a group to one value.
//!
//! ```text
//! (sample 3 ?x)    name -> BuiltIn, leading argument 3, the group's values of ?x -> one value
//! ```
//!
//! The values that an aggregate sees are those of the distinct rows of its group, so equal values may repeat. Groups
//! are never empty. Numbers are computed as the functions of the same names compute them: integers exactly, with an
//! error on overflow.

mod draw;
mod numeric;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use edn::{Symbol, Value};
use storage::types::RegisteredType;

use crate::functions::{FunctionError, QueryFunction, compare, order_keys};

type Result<T> = std::result::Result<T, FunctionError>;

/// An aggregate that can be applied.
#[derive(Clone)]
pub enum Aggregate {
    /// One of the language.
    BuiltIn(BuiltIn),
    /// One of the language, of values of a registered type: the least and the greatest are those by order key.
    Ordered(BuiltIn, Arc<RegisteredType>),
    /// One of a program: it gets the leading arguments, then the group's values as one vector.
    User(QueryFunction),
}

impl Aggregate {
    /// The aggregate of `values`, with what stood before the variable as `args`.
    pub fn apply(&self, args: &[Value], values: Vec<Value>) -> Result<Value> {
        match self {
            Self::BuiltIn(built_in) => built_in.apply(args, values),
            Self::Ordered(built_in @ (BuiltIn::Min | BuiltIn::Max), registered) => {
                built_in.extreme_by_key(args, values, registered)
            }
            Self::Ordered(built_in, _) => built_in.apply(args, values),
            Self::User(function) => {
                let mut all = args.to_vec();
                all.push(Value::Vector(values));
                function.call(&all)
            }
        }
    }
}

macro_rules! built_ins {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $leading:expr;)*) => {
        /// The aggregates of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum BuiltIn {
            $($(#[$doc])* $variant,)*
        }

        impl BuiltIn {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As it is written in `:find`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The fewest and the most arguments that may stand before the variable.
            pub fn leading(self) -> (usize, usize) {
                match self { $(Self::$variant => $leading,)* }
            }
        }
    };
}

built_ins! {
    /// Rows of the group.
    Count = "count", (0, 0);
    /// Distinct values of the group.
    CountDistinct = "count-distinct", (0, 0);
    /// The set of distinct values.
    Distinct = "distinct", (0, 0);
    /// Exact for integers, a double if any value is one.
    Sum = "sum", (0, 0);
    /// The mean as a double.
    Avg = "avg", (0, 0);
    /// The middle of the sorted values, or the mean of the two middle ones: exact for integers.
    Median = "median", (0, 0);
    /// Of the population, as a double.
    Variance = "variance", (0, 0);
    /// The square root of the variance.
    StdDev = "stddev", (0, 0);
    /// The smallest, or with a number the smallest so many as an ascending vector.
    Min = "min", (0, 1);
    /// The largest, or with a number the largest so many as an ascending vector.
    Max = "max", (0, 1);
    /// One value drawn at random, or with a number so many, with replacement.
    Rand = "rand", (0, 1);
    /// At most so many values drawn at random, without replacement.
    Sample = "sample", (1, 1);
    /// All values as a vector.
    Vec = "vec", (0, 0);
}

impl BuiltIn {
    /// By name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|aggregate| aggregate.name() == name)
    }

    /// The aggregate of `values`.
    ///
    /// # Errors
    ///
    /// If there are too few or too many leading arguments or one is not a positive number, or if a value is not of a
    /// type that the aggregate takes.
    pub fn apply(self, args: &[Value], mut values: Vec<Value>) -> Result<Value> {
        let count = self.leading_count(args)?;
        Ok(match self {
            Self::Count => Value::Int(values.len() as i64),
            Self::CountDistinct => {
                values.sort_unstable();
                values.dedup();
                Value::Int(values.len() as i64)
            }
            Self::Distinct => Value::Set(values.into_iter().collect::<BTreeSet<_>>()),
            Self::Sum => numeric::sum(&values)?,
            Self::Avg => Value::Float(numeric::mean(self, &values)?),
            Self::Median => numeric::median(values)?,
            Self::Variance => Value::Float(numeric::variance(self, &values)?),
            Self::StdDev => Value::Float(numeric::variance(self, &values)?.sqrt()),
            Self::Min | Self::Max => self.extreme(values, count)?,
            Self::Rand => match count {
                None => draw::one(&values),
                Some(count) => Value::Vector(draw::with_replacement(&values, count)),
            },
            Self::Sample => Value::Vector(draw::without_replacement(values, count.unwrap_or(0))),
            Self::Vec => Value::Vector(values),
        })
    }

    /// The symbol by which errors call it.
    fn symbol(self) -> Symbol {
        Symbol::parse(self.name())
    }

    fn leading_count(self, args: &[Value]) -> Result<Option<usize>> {
        let (min, max) = self.leading();
        match args {
            [] if min == 0 => Ok(None),
            [Value::Int(count)] if max == 1 && *count >= 0 => {
                Ok(Some(usize::try_from(*count).unwrap_or(usize::MAX)))
            }
            [other] if max == 1 => Err(self.bad(0, "a number that is not negative", other)),
            _ => Err(FunctionError::custom(format!(
                "the aggregate {} takes {} before its variable, but got {}",
                self.name(),
                ["nothing", "at most one number", "one number"][min + max],
                args.len()
            ))),
        }
    }

    fn bad(self, position: usize, expected: &'static str, got: &Value) -> FunctionError {
        FunctionError::Argument {
            function: self.symbol(),
            position,
            expected,
            got: got.to_string(),
            got_type: got.type_name(),
        }
    }

    /// The extremes by order key; the first of those with the same key, as of equal values.
    fn extreme_by_key(
        self,
        args: &[Value],
        values: Vec<Value>,
        registered: &RegisteredType,
    ) -> Result<Value> {
        let count = self.leading_count(args)?;
        let keys = order_keys(registered, &values)?;
        let mut keyed: Vec<(Value, Value)> = keys.into_iter().zip(values).collect();
        keyed.sort();
        let mut values = keyed.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        Ok(match (self, count) {
            (Self::Min, None) => values.into_iter().next().unwrap_or_default(),
            (_, None) => values.pop().unwrap_or_default(),
            (Self::Min, Some(count)) => Value::Vector(values.into_iter().take(count).collect()),
            (_, Some(count)) => Value::Vector(values.split_off(values.len().saturating_sub(count))),
        })
    }

    fn extreme(self, mut values: Vec<Value>, count: Option<usize>) -> Result<Value> {
        let order = |a: &Value, b: &Value| compare::sort_order(a, b).unwrap_or_else(|| a.cmp(b));
        match count {
            None => {
                let best = match self {
                    Self::Min => values.into_iter().min_by(order),
                    _ => values.into_iter().max_by(order),
                };
                Ok(best.unwrap_or_default())
            }
            Some(count) => {
                values.sort_by(order);
                let count = count.min(values.len());
                Ok(Value::Vector(match self {
                    Self::Min => values.drain(..count).collect(),
                    _ => values.split_off(values.len() - count),
                }))
            }
        }
    }
}

/// The order of numbers, whatever their types; `None` for what is not a number.
fn number_order(a: &Value, b: &Value) -> Option<Ordering> {
    use crate::functions::number::Number;
    Number::of(a)?.compare(&Number::of(b)?)
}
