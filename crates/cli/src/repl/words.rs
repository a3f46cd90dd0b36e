//! Words of a line: where the one under the cursor begins, and how each is coloured.

/// Whether a character can be part of a name.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || ":?!.*+-_<>=/&%$'#|".contains(c)
}

/// Where the word that ends at `end` begins.
pub fn word_start(line: &str, end: usize) -> usize {
    line[..end].char_indices().rev().find(|(_, c)| !is_word(*c)).map_or(0, |(at, c)| at + c.len_utf8())
}

/// The line with colours for keywords, variables, strings and comments.
pub fn colour(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 64);
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (len, colour) = match first {
            '"' => (string_len(rest), Some("32")),
            ';' => (rest.find('\n').unwrap_or(rest.len()), Some("2")),
            ':' => (name_len(rest), Some("36")),
            '?' => (name_len(rest), Some("33")),
            c if is_word(c) => (name_len(rest), None),
            c => (c.len_utf8(), None),
        };
        let (word, after) = rest.split_at(len);
        match colour {
            Some(colour) => {
                out.push_str("\x1b[");
                out.push_str(colour);
                out.push('m');
                out.push_str(word);
                out.push_str("\x1b[0m");
            }
            None => out.push_str(word),
        }
        rest = after;
    }
    out
}

fn name_len(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len()).max(1)
}

/// Length of the string literal at the beginning of `text`, closed or not.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_colours() {
        let line = r#"[?e :person/na "x;\"y"] ; note"#;
        assert_eq!(&line[word_start(line, 14)..14], ":person/na");
        assert_eq!(word_start("(", 1), 1);
        let plain: String = colour(line);
        assert!(plain.contains("\x1b[36m:person/na\x1b[0m") && plain.contains("\x1b[32m\"x;\\\"y\"\x1b[0m"));
        assert!(plain.ends_with("\x1b[2m; note\x1b[0m"));
    }
}
