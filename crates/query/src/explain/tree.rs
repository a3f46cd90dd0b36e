//! [`Node`]: one step of an explained plan, with the steps that feed it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use edn::Value;

use super::millis;

/// One line of an explanation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The operator.
    pub operator: &'static str,
    /// What it works on, with cursor ranges in readable values.
    pub detail: String,
    /// Rows expected after it.
    pub estimate: Option<f64>,
    /// Rows that it handed on, if the query ran.
    pub rows: Option<u64>,
    /// The time spent in it, if the query ran.
    pub time: Option<Duration>,
    /// Why this operator was chosen.
    pub reason: String,
    /// What feeds it: the step before it first, then build sides and bodies.
    pub children: Vec<Node>,
}

impl Node {
    /// The node and those below it as nested maps.
    pub fn to_value(&self) -> Value {
        let mut map =
            BTreeMap::from([(Value::keyword("operator"), Value::keyword(&self.operator.replace(' ', "-")))]);
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(Value::keyword(key), value);
            }
        };
        let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
        put("detail", text(&self.detail));
        put("reason", text(&self.reason));
        put("estimate", self.estimate.map(|rows| Value::Int(rows.round() as i64)));
        put("rows", self.rows.map(|rows| Value::Int(rows as i64)));
        put("time-ms", self.time.map(millis));
        let children = self.children.iter().map(Self::to_value).collect::<Vec<_>>();
        put("inputs", (!children.is_empty()).then_some(Value::Vector(children)));
        Value::Map(map)
    }

    /// Adds a line for this node and then for those below it. The first child goes on in the same column, since it is
    /// the step before; further ones branch off.
    fn lines(&self, indent: &str, lines: &mut Vec<[String; 3]>) {
        let figures = match (self.estimate, self.rows) {
            (Some(estimate), Some(rows)) => format!("{} rows, est. {}", count(rows as f64), count(estimate)),
            (Some(estimate), None) => format!("est. {} rows", count(estimate)),
            (None, Some(rows)) => format!("{} rows", count(rows as f64)),
            (None, None) => String::new(),
        };
        let time = self.time.map_or_else(String::new, |time| format!("{time:.1?}"));
        let reason = if self.reason.is_empty() { String::new() } else { format!("  -- {}", self.reason) };
        let head = format!("{indent}{} {}{reason}", self.operator, self.detail).trim_end().to_owned();
        lines.push([head, figures, time]);
        for child in self.children.iter().skip(1) {
            child.lines(&format!("{indent}|   "), lines);
        }
        if let Some(child) = self.children.first() {
            child.lines(indent, lines);
        }
    }
}

/// A number that people can read: `31`, `68,237`.
fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.round());
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        self.lines("", &mut lines);
        let widest = |column: usize, most: usize| {
            lines.iter().map(|line: &[String; 3]| line[column].chars().count()).max().unwrap_or(0).min(most)
        };
        let (heads, figures) = (widest(0, 90), widest(1, 40));
        for [head, figure, time] in &lines {
            let line = format!("{head:<heads$}  {figure:>figures$}  {time:>9}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_and_value_agree() {
        let scan =
            Node { operator: "scan", detail: ":a".into(), estimate: Some(68_237.4), ..Node::default() };
        let build = Node { operator: "scan", detail: ":b".into(), ..Node::default() };
        let join = Node {
            operator: "hash join",
            detail: "on ?x".into(),
            reason: "few rows".into(),
            rows: Some(3),
            children: vec![scan, build],
            ..Node::default()
        };
        let text = join.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("hash join on ?x  -- few rows") && lines[0].ends_with("3 rows"),
            "{text}"
        );
        assert_eq!(lines[1].trim_end(), "|   scan :b");
        assert!(lines[2].starts_with("scan :a") && lines[2].ends_with("est. 68,237 rows"), "{text}");
        assert_eq!(
            join.to_value(),
            edn::read(
                "{:operator :hash-join :detail \"on ?x\" :reason \"few rows\" :rows 3
                  :inputs [{:operator :scan :detail \":a\" :estimate 68237} {:operator :scan :detail \":b\"}]}"
            )
            .expect("EDN")
        );
    }
}
