//! [`Feed`]: text that arrives piece by piece, cut into whole forms with spans that count from its beginning.

use edn::{Form, Reader};

use crate::balance::Balance;

/// A growing text and how far its forms were read.
#[derive(Debug, Default)]
pub struct Feed {
    /// Everything that came, so that errors can show their place.
    text: String,
    /// End of what was read.
    read: usize,
    balance: Balance,
}

impl Feed {
    /// All text so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds text; it should end at a line end, since a name could go on otherwise.
    pub fn push(&mut self, text: &str) {
        self.balance.feed(text);
        self.text.push_str(text);
    }

    /// The pending forms, once they are complete.
    pub fn take(&mut self) -> Vec<Result<Form, edn::Error>> {
        if !self.balance.is_whole() {
            return Vec::new();
        }
        let (read, balance) = (self.read, self.balance.clone());
        let forms = self.finish();
        // A quote or a tag at the end of a line has its form on the next one.
        if let Some(Err(error)) = forms.last()
            && error.is_incomplete()
        {
            (self.read, self.balance) = (read, balance);
            return Vec::new();
        }
        forms
    }

    /// The pending forms, complete or not; after an error the rest of the pending text is given up.
    pub fn finish(&mut self) -> Vec<Result<Form, edn::Error>> {
        let forms = Reader::new(&self.text).with_quote(true).starting_at(self.read).collect();
        self.read = self.text.len();
        self.balance = Balance::default();
        forms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_over_several_lines_keep_their_place() {
        let mut feed = Feed::default();
        feed.push("1 [2\n");
        assert!(feed.take().is_empty());
        feed.push(" 3]\n");
        let forms = feed.take();
        assert_eq!(forms.len(), 2);
        feed.push("; nothing\n:x\n");
        let forms = feed.take();
        let form = forms[0].as_ref().expect("a keyword");
        assert_eq!(&feed.text()[form.span.start..form.span.end], ":x");
        feed.push("'\n");
        assert!(feed.take().is_empty());
        feed.push("y\n");
        assert_eq!(feed.take().len(), 1);
        feed.push("(1 ]\n");
        feed.push("[4 5\n");
        assert!(feed.finish()[0].is_err());
        feed.push("6\n");
        assert!(feed.take()[0].is_ok());
    }
}
