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
    fn lines<'n>(&'n self, indent: &str, lines: &mut Vec<Line<'n>>) {
        let figures = match (self.estimate, self.rows) {
            (Some(estimate), Some(rows)) => format!("{} rows, est. {}", count(rows as f64), count(estimate)),
            (Some(estimate), None) => format!("est. {} rows", count(estimate)),
            (None, Some(rows)) => format!("{} rows", count(rows as f64)),
            (None, None) => String::new(),
        };
        let time = self.time.map_or_else(String::new, |time| format!("{time:.1?}"));
        lines.push(Line { node: self, indent: indent.to_owned(), figures, time });
        for child in self.children.iter().skip(1) {
            child.lines(&format!("{indent}|   "), lines);
        }
        if let Some(child) = self.children.first() {
            child.lines(indent, lines);
        }
    }

    /// Whether the rows were expected to be about as many as they were.
    fn is_well_estimated(&self) -> bool {
        let (Some(estimate), Some(rows)) = (self.estimate, self.rows) else { return true };
        let (estimate, rows) = (estimate.max(1.0), (rows as f64).max(1.0));
        estimate.max(rows) <= MISJUDGED * estimate.min(rows)
    }

    /// The tree as lines, for a terminal with colours if `colours`.
    pub(super) fn draw(&self, f: &mut dyn fmt::Write, colours: bool) -> fmt::Result {
        let mut lines = Vec::new();
        self.lines("", &mut lines);
        let widest = |width: &dyn Fn(&Line<'_>) -> usize, most: usize| {
            lines.iter().map(width).max().unwrap_or(0).min(most)
        };
        let heads = widest(&|line| line.width(), 90);
        let figures = widest(&|line| line.figures.chars().count(), 40);
        for line in &lines {
            line.draw(f, heads, figures, colours)?;
        }
        Ok(())
    }
}

/// Estimates that are wrong by more than this factor stand out.
const MISJUDGED: f64 = 10.0;

/// A node in one line.
struct Line<'n> {
    node: &'n Node,
    indent: String,
    figures: String,
    time: String,
}

impl Line<'_> {
    fn width(&self) -> usize {
        let reason = match self.node.reason.chars().count() {
            0 => 0,
            width => width + 5,
        };
        let detail = self.node.detail.chars().count();
        self.indent.chars().count()
            + self.node.operator.chars().count()
            + usize::from(detail > 0)
            + detail
            + reason
    }

    fn draw(&self, f: &mut dyn fmt::Write, heads: usize, figures: usize, colours: bool) -> fmt::Result {
        let paint = |style: &str, text: &str| match colours && !text.is_empty() {
            true => format!("\x1b[{style}m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        let Node { operator, detail, reason, .. } = self.node;
        let mut line = format!("{}{}", paint("2", &self.indent), paint("1;36", operator));
        if !detail.is_empty() {
            line.push(' ');
            line.push_str(detail);
        }
        if !reason.is_empty() {
            line.push_str(&paint("2", &format!("  -- {reason}")));
        }
        if !self.figures.is_empty() || !self.time.is_empty() {
            line.push_str(&" ".repeat(heads.saturating_sub(self.width()) + 2));
            let style = if self.node.is_well_estimated() { "32" } else { "1;33" };
            line.push_str(&paint(style, &format!("{:>figures$}", self.figures)));
            if !self.time.is_empty() {
                line.push_str(&paint("2", &format!("  {:>9}", self.time)));
            }
        }
        writeln!(f, "{}", line.trim_end())
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
        self.draw(f, false)
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
