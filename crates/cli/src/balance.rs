//! Whether a text that is still being typed holds whole forms yet: a scanner for brackets, strings and comments
//! that looks at every character once, however many lines a form takes.

/// The state after some text.
#[derive(Clone, Debug, Default)]
pub struct Balance {
    /// The brackets that would close what is open, innermost last.
    open: Vec<char>,
    state: State,
    /// Anything but blanks and comments was seen since the last time the text was whole.
    content: bool,
    /// A closing bracket came that closes nothing; only the reader can say what is wrong.
    broken: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Code,
    /// After a backslash outside of strings: a character literal begins.
    Char,
    Comment,
    Text,
    /// After a backslash inside a string.
    Escape,
}

impl Balance {
    /// Goes over more text.
    pub fn feed(&mut self, text: &str) {
        for c in text.chars() {
            self.step(c);
        }
    }

    /// Whether the text so far ends outside of every bracket and string, and says something.
    pub fn is_whole(&self) -> bool {
        self.content
            && (self.broken || (self.open.is_empty() && matches!(self.state, State::Code | State::Comment)))
    }

    /// Whether the text so far is blank.
    pub fn is_blank(&self) -> bool {
        !self.content
    }

    fn push(&mut self, closing: char) -> State {
        self.open.push(closing);
        State::Code
    }

    fn step(&mut self, c: char) {
        self.state = match (self.state, c) {
            (State::Comment, '\n') => State::Code,
            (State::Comment, _) => State::Comment,
            (State::Text, '"') => State::Code,
            (State::Text, '\\') => State::Escape,
            (State::Text | State::Escape, _) => State::Text,
            (State::Char, _) => State::Code,
            (State::Code, ';') => State::Comment,
            (State::Code, _) => {
                self.content |= !c.is_whitespace() && c != ',';
                match c {
                    '"' => State::Text,
                    '\\' => State::Char,
                    '(' => self.push(')'),
                    '[' => self.push(']'),
                    '{' => self.push('}'),
                    ')' | ']' | '}' => {
                        self.broken |= self.open.pop() != Some(c);
                        State::Code
                    }
                    _ => State::Code,
                }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> bool {
        let mut balance = Balance::default();
        balance.feed(text);
        balance.is_whole()
    }

    #[test]
    fn brackets_strings_characters_and_comments() {
        assert!(whole("(q '[:find ?x] db)\n"));
        assert!(!whole("(q '[:find ?x\n"));
        assert!(!whole("\"an open ( string"));
        assert!(whole("\"a closed ( string\""));
        assert!(whole(r#"[\( "\"(" ]"#));
        assert!(!whole("; only ( a comment\n"));
        assert!(whole("x ; and ( a comment"));
        assert!(whole(") what"));
        assert!(whole("(q [(< ?a] db"), "no further line can mend a wrong bracket");
        assert!(!whole("  , \n"));
    }
}
