//! Equality and order as the comparison functions of queries see them, which is wider than the identity by which
//! rows are joined and grouped: `(= 1 1N)` holds, though 1 and 1N are different values.

use std::cmp::Ordering;

use edn::Value;

use super::number::Number;

/// `=`: integers of different size can be equal, and so can vectors and lists; numbers of different kinds are not.
pub fn equal(a: &Value, b: &Value) -> bool {
    // Collections nest only as deep as the reader allows, so recursion is bounded.
    match (a, b) {
        (Value::Int(a), Value::BigInt(b)) | (Value::BigInt(b), Value::Int(a)) => *b == (*a).into(),
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::List(a) | Value::Vector(a), Value::List(b) | Value::Vector(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let find =
                |key: &Value| b.get(key).or_else(|| b.iter().find(|(k, _)| equal(k, key)).map(|(_, v)| v));
            a.len() == b.len()
                && a.iter().all(|(key, value)| find(key).is_some_and(|other| equal(value, other)))
        }
        (Value::Set(a), Value::Set(b)) => {
            a.len() == b.len() && a.iter().all(|x| b.contains(x) || b.iter().any(|y| equal(x, y)))
        }
        (Value::Tagged(a, x), Value::Tagged(b, y)) => a == b && equal(x, y),
        (a, b) => a == b,
    }
}

/// `==`: equal numbers of any type; `None` if one is not a number.
pub fn numerically_equal(a: &Value, b: &Value) -> Option<bool> {
    Some(Number::of(a)?.compare(&Number::of(b)?) == Some(Ordering::Equal))
}

/// The order of `<` and its like: numbers by what they stand for, nil before everything, values of unlike types by
/// the rank of their type. Only NaN has no order.
pub fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        (Value::Vector(a) | Value::List(a), Value::Vector(b) | Value::List(b)) => {
            // Element by element; of two of which one begins the other, the shorter comes first.
            for (a, b) in a.iter().zip(b) {
                match order(a, b)? {
                    Ordering::Equal => {}
                    unequal => return Some(unequal),
                }
            }
            Some(a.len().cmp(&b.len()))
        }
        (a, b) => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.compare(&b),
            _ => Some(type_rank(a).cmp(&type_rank(b)).then_with(|| a.cmp(b))),
        },
    }
}

/// The place of a type among others, as Datalevin has it: by the names of the types that it uses.
fn type_rank(value: &Value) -> u8 {
    match value {
        Value::Nil => 0,
        Value::Bytes(_) => 1,
        Value::Keyword(_) => 2,
        Value::Map(_) => 3,
        Value::Set(_) => 4,
        Value::List(_) | Value::Vector(_) => 5,
        Value::Symbol(_) => 6,
        Value::Tagged(..) => 7,
        Value::Bool(_) => 8,
        Value::Char(_) => 9,
        Value::Int(_) | Value::BigInt(_) | Value::Ratio(_) | Value::Float(_) | Value::Decimal(_) => 10,
        Value::Str(_) => 11,
        Value::Inst(_) => 12,
        Value::Uuid(_) => 13,
    }
}

/// The order of results: nil first, then values of one type; `None` for unlike types. Among values for which
/// `Sortable` sees no conflict it is total.
pub fn sort_order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Nil, _) | (_, Value::Nil) => Some(b.is_nil().cmp(&a.is_nil())),
        (Value::Vector(a) | Value::List(a), Value::Vector(b) | Value::List(b)) => {
            for (a, b) in a.iter().zip(b) {
                match sort_order(a, b)? {
                    Ordering::Equal => {}
                    unequal => return Some(unequal),
                }
            }
            Some(a.len().cmp(&b.len()))
        }
        (a, b) if type_rank(a) != type_rank(b) => None,
        (a, b) => match (Number::of(a), Number::of(b)) {
            // NaN is no larger or smaller than anything, but has to stand somewhere: behind all numbers.
            (Some(x), Some(y)) => x.compare(&y).or_else(|| Some(is_nan(a).cmp(&is_nan(b)))),
            _ => Some(a.cmp(b)),
        },
    }
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Float(float) if float.is_nan())
}

/// Finds out whether values can be sorted: all of one type, numbers counting as one, and so place by place in
/// vectors.
#[derive(Debug, Default)]
pub(crate) struct Sortable {
    seen: Option<Value>,
    places: Vec<Sortable>,
}

impl Sortable {
    /// The earlier value that cannot be sorted together with `value`, if there is one.
    pub(crate) fn conflict(&mut self, value: &Value) -> Option<Value> {
        if value.is_nil() {
            return None;
        }
        match &self.seen {
            None => self.seen = Some(value.clone()),
            Some(seen) if type_rank(seen) != type_rank(value) => return Some(seen.clone()),
            Some(_) => {}
        }
        let items = value.as_sequence()?;
        if self.places.len() < items.len() {
            self.places.resize_with(items.len(), Sortable::default);
        }
        self.places.iter_mut().zip(items).find_map(|(place, item)| place.conflict(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        edn::read(text).unwrap()
    }

    #[test]
    fn equality_crosses_integer_sizes_only() {
        for (a, b, expected) in [
            ("1", "1N", true),
            ("1", "1.0", false),
            ("1.0M", "1.00M", false),
            ("[1 2]", "(1N 2)", true),
            ("{:a 1}", "{:a 1N}", true),
            ("{1 :a}", "{1N :a}", true),
            ("#{1 2}", "#{1N 2}", true),
            ("#{1}", "#{1.0}", false),
            ("[1]", "[1 2]", false),
            ("nil", "false", false),
            ("\"a\"", "\\a", false),
        ] {
            assert_eq!(equal(&read(a), &read(b)), expected, "(= {a} {b})");
            assert_eq!(equal(&read(b), &read(a)), expected, "(= {b} {a})");
        }
    }

    #[test]
    fn unlike_types_have_an_order_and_numbers_are_alike() {
        for (a, b) in [
            ("nil", "false"),
            ("1", "\"a\""),
            (":a", "1"),
            ("true", "1"),
            ("1", "1.5"),
            ("1/2", "1"),
            ("\"a\"", "\"b\""),
            ("[1 2]", "[1 3]"),
            ("[1]", "[1 0]"),
            (":a", ":a/b"),
            ("#inst \"2020-01-01\"", "#inst \"2021-01-01\""),
            ("1", "#inst \"2020-01-01\""),
        ] {
            assert_eq!(order(&read(a), &read(b)), Some(Ordering::Less), "(< {a} {b})");
            assert_eq!(order(&read(b), &read(a)), Some(Ordering::Greater), "(> {b} {a})");
        }
        assert_eq!(order(&Value::Float(f64::NAN), &Value::Int(1)), None);
    }

    #[test]
    fn results_of_unlike_types_cannot_be_sorted() {
        assert_eq!(sort_order(&read("1"), &read("\"a\"")), None);
        assert_eq!(sort_order(&read("[1]"), &read("[\"a\"]")), None);
        assert_eq!(sort_order(&read("nil"), &read("\"a\"")), Some(Ordering::Less));
        assert_eq!(sort_order(&read("\"a\""), &read("nil")), Some(Ordering::Greater));
        assert_eq!(sort_order(&read("nil"), &read("nil")), Some(Ordering::Equal));
        assert_eq!(sort_order(&read("1"), &read("1.5")), Some(Ordering::Less));
        assert_eq!(sort_order(&Value::Float(f64::NAN), &read("1.5M")), Some(Ordering::Greater));
        assert_eq!(sort_order(&Value::Float(f64::NAN), &Value::Float(f64::NAN)), Some(Ordering::Equal));
    }

    #[test]
    fn conflicts_are_found_before_sorting() {
        let conflict = |values: &[&str]| {
            let mut sortable = Sortable::default();
            values.iter().find_map(|value| sortable.conflict(&read(value)))
        };
        assert_eq!(conflict(&["1", "2.5", "nil", "3M"]), None);
        assert_eq!(conflict(&["1", "nil", "\"a\""]), Some(read("1")));
        assert_eq!(conflict(&["[1 :a]", "[2.5]", "(nil :b)"]), None);
        assert_eq!(conflict(&["[1 :a]", "[2 3]"]), Some(read(":a")));
    }
}
