//! [`shorten`]: how much of a value stands in a message.

use std::fmt::{self, Display, Write};

/// Characters that are shown of a text.
const SHOWN_MAX: usize = 60;

/// The text of `shown`, cut after 60 characters, for messages. What is cut off is not even printed.
///
/// ```
/// assert_eq!(factum_edn::shorten(&factum_edn::Value::from(7)), "7");
/// assert_eq!(factum_edn::shorten(&"x".repeat(1000)), "x".repeat(60) + "…");
/// ```
pub fn shorten(shown: &(impl Display + ?Sized)) -> String {
    let mut out = Shortened { text: String::new(), left: SHOWN_MAX };
    if write!(out, "{shown}").is_err() {
        out.text.push('…');
    }
    out.text
}

/// Fails once it has taken enough.
struct Shortened {
    text: String,
    left: usize,
}

impl Write for Shortened {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        match part.char_indices().nth(self.left) {
            Some((end, _)) => {
                self.text.push_str(&part[..end]);
                self.left = 0;
                Err(fmt::Error)
            }
            None => {
                self.text.push_str(part);
                self.left -= part.chars().count();
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shorten;
    use crate::Value;

    #[test]
    fn texts_are_cut_between_characters_and_only_if_too_long() {
        for len in [0, 1, 59, 60] {
            let text = "ü".repeat(len);
            assert_eq!(shorten(&text), text);
        }
        assert_eq!(shorten(&"ü".repeat(61)), "ü".repeat(60) + "…");
        let items: Vec<Value> = (10..1_000_000).map(Value::from).collect();
        let shown = shorten(&Value::Vector(items));
        assert_eq!(
            (shown.chars().count(), shown.starts_with("[10 11 12"), shown.ends_with('…')),
            (61, true, true)
        );
    }
}
