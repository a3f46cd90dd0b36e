//! [`pretty`]: values over several lines, each as wide as asked where the data allows.

use std::fmt::Write;

use crate::print::{tag_around, write_leaf};
use crate::value::Value;

/// The value as text that reads back equal, broken into lines of at most `width` characters where it can be:
/// a collection that fits stands on one line, one that does not has each element or entry on its own.
///
/// ```
/// let value = factum_edn::read("{:name \"Ann\" :tags [:a :b] :address {:city \"Bonn\"}}")?;
/// assert_eq!(factum_edn::pretty(&value, 30), "\
/// {:address {:city \"Bonn\"},
///  :name \"Ann\",
///  :tags [:a :b]}");
/// # Ok::<(), factum_edn::Error>(())
/// ```
pub fn pretty(value: &Value, width: usize) -> String {
    let mut printer = Printer { out: String::new(), column: 0, width };
    printer.value(value, 0);
    printer.out
}

struct Printer {
    out: String,
    column: usize,
    width: usize,
}

impl Printer {
    /// Writes a value; `after` is the room that closing brackets behind it take.
    fn value(&mut self, value: &Value, after: usize) {
        let room = self.width.saturating_sub(self.column + after);
        if let Some(line) = one_line(value, room) {
            self.text(&line);
            return;
        }
        match value {
            Value::List(items) => self.sequence("(", items.iter(), ")", after),
            Value::Vector(items) => self.sequence("[", items.iter(), "]", after),
            Value::Set(items) => self.sequence("#{", items.iter(), "}", after),
            Value::Map(entries) => self.map(entries, after),
            Value::Tagged(tag, item) => {
                let (open, close) = tag_around(tag);
                self.text(&open);
                self.value(item, after + close.len());
                self.text(close);
            }
            leaf => {
                let mut text = String::new();
                // Writing to a String cannot fail.
                let _ = write_leaf(&mut text, leaf);
                self.text(&text);
            }
        }
    }

    fn sequence<'v>(
        &mut self,
        open: &str,
        items: impl ExactSizeIterator<Item = &'v Value>,
        close: &str,
        after: usize,
    ) {
        self.text(open);
        let indent = self.column;
        let last = items.len().saturating_sub(1);
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.new_line(indent);
            }
            self.value(item, if index == last { after + 1 } else { 0 });
        }
        self.text(close);
    }

    fn map(&mut self, entries: &std::collections::BTreeMap<Value, Value>, after: usize) {
        self.text("{");
        let indent = self.column;
        let last = entries.len().saturating_sub(1);
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                self.text(",");
                self.new_line(indent);
            }
            let after = if index == last { after + 1 } else { 1 };
            self.value(key, 0);
            let (column, room) = (self.column + 1, self.width.saturating_sub(indent + 2 + after));
            // A value that fits only at the margin goes there, under its key.
            if one_line(value, self.width.saturating_sub(column + after)).is_none()
                && one_line(value, room).is_some()
            {
                self.new_line(indent + 2);
            } else {
                self.text(" ");
            }
            self.value(value, after);
        }
        self.text("}");
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn new_line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }
}

/// The value on one line, if it takes at most `room` characters; stops writing when it does not.
fn one_line(value: &Value, room: usize) -> Option<String> {
    struct Line {
        text: String,
        room: usize,
    }
    impl Write for Line {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.room = self.room.checked_sub(text.chars().count()).ok_or(std::fmt::Error)?;
            self.text.push_str(text);
            Ok(())
        }
    }
    let mut line = Line { text: String::new(), room };
    write!(line, "{value}").ok().map(|()| line.text)
}
