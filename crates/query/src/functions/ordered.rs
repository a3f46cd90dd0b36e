//! Comparisons of values of a registered type: by their order keys, as the index stands.
//!
//! Values that have equal keys are neither less nor greater than one another, though they may differ: `<=` holds for them, `=` need not.

use std::cmp::Ordering;

use edn::Value;
use storage::types::RegisteredType;

use super::{Function, Operator, Result};

/// What a comparison wants to know.
#[derive(Clone, Copy)]
pub(crate) enum Comparison {
    /// `< <= > >=`: whether neighbours stand so.
    Chain(fn(Ordering) -> bool),
    /// `compare`
    Compare,
    /// `min max`: the first argument that no other beats.
    Extreme(Ordering),
}

impl Comparison {
    pub(crate) fn of(function: &Function) -> Option<Self> {
        Some(match (function.operator(), function.name().as_str()) {
            (Some(Operator::Less), _) => Self::Chain(Ordering::is_lt),
            (Some(Operator::LessEq), _) => Self::Chain(Ordering::is_le),
            (Some(Operator::Greater), _) => Self::Chain(Ordering::is_gt),
            (Some(Operator::GreaterEq), _) => Self::Chain(Ordering::is_ge),
            (_, "compare") => Self::Compare,
            (_, "min") => Self::Extreme(Ordering::Less),
            (_, "max") => Self::Extreme(Ordering::Greater),
            _ => return None,
        })
    }

    pub(super) fn call(self, registered: &RegisteredType, args: &[Value]) -> Result<Value> {
        let keys = keys(registered, args)?;
        Ok(match self {
            Self::Chain(wanted) => Value::Bool(keys.windows(2).all(|pair| wanted(pair[0].cmp(&pair[1])))),
            Self::Compare => Value::Int(keys[0].cmp(&keys[1]) as i64),
            Self::Extreme(wanted) => {
                let better =
                    |best: usize, at: usize| if keys[at].cmp(&keys[best]) == wanted { at } else { best };
                args[(0..args.len()).reduce(better).unwrap_or(0)].clone()
            }
        })
    }
}

/// The order keys of values.
pub(crate) fn keys(registered: &RegisteredType, values: &[Value]) -> Result<Vec<Value>> {
    values.iter().map(|value| Ok(registered.order_key(value).map_err(storage::Error::from)?)).collect()
}
