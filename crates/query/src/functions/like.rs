//! [`LikePattern`]: the patterns of `like`, matched against characters.

/// A compiled pattern: `%` stands for any run of characters, `_` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LikePattern {
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Literal(char),
    One,
    Run,
}

/// What a pattern says about the beginning of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// The pattern matches this text only.
    Exact(String),
    /// The pattern matches every text that begins so, and no other.
    All(String),
    /// Every match begins so, but not everything that begins so is a match.
    Necessary(String),
}

/// The escape character unless a call names another one.
pub(crate) const ESCAPE: char = '!';

impl LikePattern {
    /// Compiles a pattern; `None` if the escape stands before something that needs none.
    pub(crate) fn parse(pattern: &str, escape: char) -> Option<Self> {
        let mut parts = Vec::with_capacity(pattern.len());
        let mut chars = pattern.chars();
        while let Some(char) = chars.next() {
            parts.push(match char {
                char if char == escape => {
                    let escaped = chars.next().filter(|next| matches!(next, '%' | '_') || *next == escape)?;
                    Part::Literal(escaped)
                }
                '%' if parts.last() == Some(&Part::Run) => continue,
                '%' => Part::Run,
                '_' => Part::One,
                char => Part::Literal(char),
            });
        }
        Some(Self { parts })
    }

    /// Whether the pattern matches the whole of `text`.
    ///
    /// Only the last run is ever widened, as everything before it has found its earliest place, so the time is at
    /// most the product of the two lengths.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut part = 0;
        let mut last_run: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (self.parts.get(part), rest.next()) {
                (Some(Part::Run), _) => {
                    rest = before;
                    part += 1;
                    last_run = Some((part, rest.clone()));
                    continue;
                }
                (Some(Part::One), Some(_)) => {
                    part += 1;
                    continue;
                }
                (Some(Part::Literal(wanted)), Some(char)) if *wanted == char => {
                    part += 1;
                    continue;
                }
                (None, None) => return true,
                (_, None) => return false,
                _ => {}
            }
            let Some((after_run, start)) = &mut last_run else { return false };
            start.next();
            part = *after_run;
            rest = start.clone();
        }
    }

    /// The literal text at the beginning.
    pub(crate) fn prefix(&self) -> Prefix {
        let text: String = self
            .parts
            .iter()
            .map_while(|part| if let Part::Literal(char) = part { Some(*char) } else { None })
            .collect();
        match &self.parts[text.chars().count()..] {
            [] => Prefix::Exact(text),
            [Part::Run] => Prefix::All(text),
            _ => Prefix::Necessary(text),
        }
    }
}

/// The first text behind all that begin with `prefix`; none if there is no such text.
pub(crate) fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // Surrogates are no characters; the next one after U+D7FF is U+E000.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(text: &str, pattern: &str) -> bool {
        LikePattern::parse(pattern, ESCAPE).unwrap().matches(text)
    }

    #[test]
    fn wildcards_match_characters() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("a", "", false),
            ("", "%", true),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "a_c", true),
            ("äöü", "_ö_", true),
            ("日本語", "___", true),
            ("日本語", "__", false),
            ("50% off", "50!%%", true),
            ("500", "50!%%", false),
            ("a!b", "a!!b", true),
            ("aab", "%ab", true),
            ("abab", "%ab", true),
            ("mississippi", "m%iss%ip_i", true),
            ("ABC", "abc", false),
        ] {
            assert_eq!(matches(text, pattern), expected, "{text:?} like {pattern:?}");
        }
        assert_eq!(LikePattern::parse("a!b", ESCAPE), None);
        assert_eq!(LikePattern::parse("a!", ESCAPE), None);
        assert!(LikePattern::parse("a\\_", '\\').unwrap().matches("a_"));
    }

    #[test]
    fn prefixes() {
        let prefix = |pattern| LikePattern::parse(pattern, ESCAPE).unwrap().prefix();
        assert_eq!(prefix("ab!%"), Prefix::Exact("ab%".into()));
        assert_eq!(prefix("ab%"), Prefix::All("ab".into()));
        assert_eq!(prefix("ab%%"), Prefix::All("ab".into()));
        assert_eq!(prefix("ab%c"), Prefix::Necessary("ab".into()));
        assert_eq!(prefix("ab_"), Prefix::Necessary("ab".into()));
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
        assert_eq!(end_of_prefix(""), None);
    }

    /// By trying every split of the text at every run.
    fn naive(parts: &[Part], text: &[char]) -> bool {
        match (parts.first(), text.first()) {
            (None, None) => true,
            (Some(Part::Run), _) => (0..=text.len()).any(|skip| naive(&parts[1..], &text[skip..])),
            (Some(Part::One), Some(_)) => naive(&parts[1..], &text[1..]),
            (Some(Part::Literal(wanted)), Some(char)) => wanted == char && naive(&parts[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(pattern in "[ab%_ä]{0,8}", text in "[abä]{0,8}") {
            let compiled = LikePattern::parse(&pattern, ESCAPE).unwrap();
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(compiled.matches(&text), naive(&compiled.parts, &chars));
        }
    }
}
