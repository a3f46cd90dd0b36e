//! Showing a place in a text: line, column and a caret, as every crate that reports positions does it.

use std::fmt;

use crate::form::Span;

/// Characters of one line that a snippet shows; longer lines are clipped around the place.
const WIDTH: usize = 100;
/// Characters kept before the place when a line is clipped.
const LEAD: usize = 40;

/// A place in a text as people count: lines from 1, columns from 1 in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The position of a byte offset; offsets past the end or inside a character are moved back.
    pub fn of(text: &str, offset: usize) -> Self {
        let offset = floor_boundary(text, offset);
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The line of `span` with a caret under each of its characters and `label` behind them, and one line of
/// context before it. A span over several lines is underlined to the end of its first line.
///
/// ```
/// use factum_edn::{Span, render_snippet};
/// let text = "[:find ?n\n :where [?e :nmae ?n]]";
/// assert_eq!(
///     render_snippet(text, Span::new(22, 27), "no such attribute"),
///     "  1 | [:find ?n\n  2 |  :where [?e :nmae ?n]]\n    |             ^^^^^ no such attribute\n"
/// );
/// ```
pub fn render_snippet(text: &str, span: Span, label: &str) -> String {
    let start = floor_boundary(text, span.start);
    let end = floor_boundary(text, span.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = &text[line_start..line_end];
    let number = Position::of(text, start).line;
    let gutter = number.to_string().len().max(3);

    let mut out = String::new();
    if line_start > 0 {
        let before = &text[..line_start - 1];
        let context = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
        if !context.trim().is_empty() {
            let (shown, _) = clip(context, 0);
            out.push_str(&format!("{:>gutter$} | {shown}\n", number - 1));
        }
    }
    let column = text[line_start..start].chars().count();
    let (shown, offset) = clip(line, column);
    out.push_str(&format!("{number:>gutter$} | {shown}\n"));
    let room = shown.chars().count().saturating_sub(offset).max(1);
    let carets = text[start..end.min(line_end)].trim_end_matches('\r').chars().count().clamp(1, room);
    let padding: String = shown.chars().take(offset).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let underline = format!("{:>gutter$} | {padding}{} {label}", "", "^".repeat(carets));
    out.push_str(underline.trim_end());
    out.push('\n');
    out
}

/// The part of `line` to show and the column in it that corresponds to `column` of the line.
fn clip(line: &str, column: usize) -> (String, usize) {
    let line = line.trim_end_matches('\r');
    let clean = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    if line.len() <= WIDTH || line.chars().count() <= WIDTH {
        return (line.chars().map(clean).collect(), column);
    }
    let skipped = if column > WIDTH - LEAD { column - LEAD } else { 0 };
    let mut shown = String::new();
    if skipped > 0 {
        shown.push('…');
    }
    let mut rest = line.chars().skip(skipped);
    shown.extend(rest.by_ref().take(WIDTH).map(clean));
    if rest.next().is_some() {
        shown.push('…');
    }
    (shown, column - skipped + usize::from(skipped > 0))
}

/// The last character boundary at or before `offset`.
fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_and_spans_are_bytes() {
        let text = "[\"äöü\" :x]";
        let at = text.find(":x").unwrap();
        assert_eq!(Position::of(text, at), Position { line: 1, column: 8 });
        assert_eq!(
            render_snippet(text, Span::new(at, at + 2), "here"),
            "  1 | [\"äöü\" :x]\n    |        ^^ here\n"
        );
    }

    #[test]
    fn long_lines_are_clipped_around_the_place() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = render_snippet(&text, Span::new(500, 501), "");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2);
        let caret = lines[1].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[0].chars().nth(caret), Some('X'));
        assert!(lines[0].chars().count() < 115, "{shown}");
    }

    #[test]
    fn the_end_of_the_text_and_odd_offsets_are_places_too() {
        assert_eq!(render_snippet("ab\n", Span::new(3, 3), "end"), "  1 | ab\n  2 | \n    | ^ end\n");
        assert_eq!(render_snippet("ä", Span::new(1, 99), ""), "  1 | ä\n    | ^\n");
        assert_eq!(render_snippet("", Span::new(7, 3), ""), "  1 | \n    | ^\n");
        assert_eq!(render_snippet("a\r\n\tb", Span::new(4, 5), ""), "  1 | a\n  2 | \tb\n    | \t^\n");
    }
}
