//! Ranges as EDN: `[:closed 1 9]`, `[:at-least-back 7]`, `[:all]`.
//!
//! The bounds stand in the order of the walk, as everywhere: `[:closed-back 9 1]` goes from 9 down to 1.

use edn::Value;

use super::range::KeyRange;
use crate::error::{Error, Result};

/// What a range type takes and makes of it.
enum Make<T> {
    Everything(fn() -> KeyRange<T>),
    One(fn(T) -> KeyRange<T>),
    Two(fn(T, T) -> KeyRange<T>),
}

/// All range types.
const NAMES: [&str; 18] = [
    "all",
    "all-back",
    "at-least",
    "at-least-back",
    "at-most",
    "at-most-back",
    "greater-than",
    "greater-than-back",
    "less-than",
    "less-than-back",
    "closed",
    "closed-back",
    "closed-open",
    "closed-open-back",
    "open-closed",
    "open-closed-back",
    "open",
    "open-back",
];

fn range_type<T>(name: &str) -> Option<Make<T>> {
    Some(match name {
        "all" => Make::Everything(KeyRange::all),
        "all-back" => Make::Everything(KeyRange::all_back),
        "at-least" => Make::One(KeyRange::at_least),
        "at-least-back" => Make::One(KeyRange::at_least_back),
        "at-most" => Make::One(KeyRange::at_most),
        "at-most-back" => Make::One(KeyRange::at_most_back),
        "greater-than" => Make::One(KeyRange::greater_than),
        "greater-than-back" => Make::One(KeyRange::greater_than_back),
        "less-than" => Make::One(KeyRange::less_than),
        "less-than-back" => Make::One(KeyRange::less_than_back),
        "closed" => Make::Two(KeyRange::closed),
        "closed-back" => Make::Two(KeyRange::closed_back),
        "closed-open" => Make::Two(KeyRange::closed_open),
        "closed-open-back" => Make::Two(KeyRange::closed_open_back),
        "open-closed" => Make::Two(KeyRange::open_closed),
        "open-closed-back" => Make::Two(KeyRange::open_closed_back),
        "open" => Make::Two(KeyRange::open),
        "open-back" => Make::Two(KeyRange::open_back),
        _ => return None,
    })
}

impl<'v> KeyRange<&'v Value> {
    /// The range that a form describes: a vector of its type and its bounds; a type without bounds may stand alone.
    ///
    /// ```
    /// use factum_kv::{Env, KeyRange};
    /// use factum_kv::codec::KeyType;
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let env = Env::open(dir.path())?;
    /// let long = KeyType::from_name("long").expect("a type");
    /// let table = env.open_table_with("t", factum_kv::DbiOptions::new(), long.clone(), long)?;
    /// let mut txn = env.write()?;
    /// for n in 1..=9 {
    ///     table.put(&mut txn, &n.into(), &n.into())?;
    /// }
    /// let form = edn::read("[:closed-open-back 5 3]").expect("EDN");
    /// let keys: Vec<_> = table.keys(&txn, KeyRange::from_value(&form)?)?.collect::<Result<_, _>>()?;
    /// assert_eq!(keys, [5.into(), 4.into()]);
    /// # Ok::<(), factum_kv::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::BadRange`] for an unknown type and for bounds that are missing, nil or too many.
    pub fn from_value(form: &'v Value) -> Result<Self> {
        let bad = |reason: String| Error::BadRange { form: edn::shorten(form), reason };
        let (head, bounds) = match form {
            Value::Vector(items) | Value::List(items) => match items.split_first() {
                Some(parts) => parts,
                None => return Err(bad("a range begins with its type".to_owned())),
            },
            other => (other, &[][..]),
        };
        let Some(name) = head.as_keyword().map(edn::Keyword::as_str) else {
            return Err(bad(
                "a range is a vector that begins with its type, such as [:closed 1 9]".to_owned()
            ));
        };
        let make = range_type(name).ok_or_else(|| {
            let hint = edn::nearest(name, NAMES).map(|name| format!(", did you mean :{name}?"));
            bad(format!("there is no range type :{name}{}", hint.unwrap_or_default()))
        })?;
        if bounds.iter().any(Value::is_nil) {
            return Err(bad("nil is no bound".to_owned()));
        }
        let expected = match (make, bounds) {
            (Make::Everything(make), []) => return Ok(make()),
            (Make::One(make), [bound]) => return Ok(make(bound)),
            (Make::Two(make), [start, stop]) => return Ok(make(start, stop)),
            (Make::Everything(_), _) => "no bounds",
            (Make::One(_), _) => "one bound",
            (Make::Two(_), _) => "two bounds",
        };
        Err(bad(format!("{head} takes {expected}, not {}", bounds.len())))
    }
}
