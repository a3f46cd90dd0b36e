//! Does a text belong to the language of a production? By descent over the grammar with memory: for each
//! production and place, the set of all places where it can end.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::ebnf::{Expr, Grammar, Mode};

type Ends = Rc<BTreeSet<usize>>;

/// Recognises texts by a grammar.
pub struct Recogniser<'g> {
    grammar: &'g Grammar,
    /// The production of what may stand between tokens.
    ignorable: Option<usize>,
    /// The production of characters that lengthen tokens.
    token_character: Option<usize>,
}

impl<'g> Recogniser<'g> {
    /// A recogniser that takes blank space from the productions `ignorable` and `token-character`, if any.
    pub fn new(grammar: &'g Grammar) -> Self {
        let find = |name: &str| grammar.rules().iter().position(|rule| rule.name == name);
        Self { grammar, ignorable: find("ignorable"), token_character: find("token-character") }
    }

    /// Whether the whole text is a sentence of the production.
    pub fn accepts(&self, start: &str, text: &str) -> bool {
        let mut run = Run::new(self, text);
        let start = self.grammar.index(start);
        let ends = run.rule(start, 0, Mode::Syntax);
        ends.iter().any(|end| run.skip(*end).contains(&run.input.len()))
    }

    /// Whether the whole text matches an expression, taken as lexical.
    pub fn matches(&self, expr: &Expr, text: &str) -> bool {
        let mut run = Run::new(self, text);
        run.expr(expr, 0, Mode::Lexical).contains(&run.input.len())
    }

    /// Whether a character lengthens a token.
    pub fn is_token_character(&self, c: char) -> bool {
        self.token_character.is_some_and(|rule| self.grammar.rule(rule).expr.class_holds(c))
    }
}

/// One text being recognised.
struct Run<'r, 'g> {
    recogniser: &'r Recogniser<'g>,
    input: Vec<char>,
    rules: HashMap<(usize, usize), Ends>,
    skips: HashMap<usize, Ends>,
    /// Places whose ignorable text is being sought.
    skipping: BTreeSet<usize>,
}

impl<'r, 'g> Run<'r, 'g> {
    fn new(recogniser: &'r Recogniser<'g>, text: &str) -> Self {
        Self {
            recogniser,
            input: text.chars().collect(),
            rules: HashMap::new(),
            skips: HashMap::new(),
            skipping: BTreeSet::new(),
        }
    }

    /// Where ignorable text from `at` on can end; `at` itself included.
    fn skip(&mut self, at: usize) -> Ends {
        if let Some(ends) = self.skips.get(&at) {
            return ends.clone();
        }
        let here = Rc::new(BTreeSet::from([at]));
        let Some(ignorable) = self.recogniser.ignorable else { return here };
        // Ignorable text that begins here does not itself begin with ignorable text.
        if !self.skipping.insert(at) {
            return here;
        }
        let mut ends = BTreeSet::from([at]);
        for end in self.rule(ignorable, at, Mode::Lexical).iter() {
            ends.extend(self.skip(*end).iter());
        }
        self.skipping.remove(&at);
        let ends = Rc::new(ends);
        self.skips.insert(at, ends.clone());
        ends
    }

    /// Where a production that begins at `at` can end, seen from a production of mode `outer`.
    fn rule(&mut self, index: usize, at: usize, outer: Mode) -> Ends {
        let rule = self.recogniser.grammar.rule(index);
        if outer == Mode::Syntax && rule.mode != Mode::Syntax {
            let starts = self.skip(at);
            let mut ends = BTreeSet::new();
            for start in starts.iter() {
                ends.extend(self.rule(index, *start, Mode::Lexical).iter());
            }
            return Rc::new(ends);
        }
        if let Some(ends) = self.rules.get(&(index, at)) {
            return ends.clone();
        }
        let mut ends = self.expr(&rule.expr, at, rule.mode);
        match rule.mode {
            Mode::Token => ends.retain(|end| self.ends_token(*end)),
            Mode::Line => ends.retain(|end| self.input.get(*end).is_none_or(|c| *c == '\n')),
            Mode::Syntax | Mode::Lexical => {}
        }
        let ends = Rc::new(ends);
        self.rules.insert((index, at), ends.clone());
        ends
    }

    fn ends_token(&self, end: usize) -> bool {
        self.input.get(end).is_none_or(|c| !self.recogniser.is_token_character(*c))
    }

    fn expr(&mut self, expr: &Expr, at: usize, mode: Mode) -> BTreeSet<usize> {
        match expr {
            Expr::Literal(text) => self.terminal(at, mode, |run, start| {
                let end = start + text.len();
                let matched = run.input.get(start..end) == Some(text);
                let is_token = mode == Mode::Syntax
                    && text.last().is_some_and(|last| run.recogniser.is_token_character(*last));
                (matched && (!is_token || run.ends_token(end))).then_some(end)
            }),
            Expr::Class { .. } => self.terminal(at, mode, |run, start| {
                run.input.get(start).filter(|c| expr.class_holds(**c)).map(|_| start + 1)
            }),
            Expr::Rule(index) => self.rule(*index, at, mode).iter().copied().collect(),
            Expr::Sequence(parts) => {
                let mut places = BTreeSet::from([at]);
                for part in parts {
                    places = self.all_from(&places, part, mode);
                }
                places
            }
            Expr::Choice(parts) => parts.iter().flat_map(|part| self.expr(part, at, mode)).collect(),
            Expr::Optional(inner) => {
                let mut ends = self.expr(inner, at, mode);
                ends.insert(at);
                ends
            }
            Expr::Star(inner) => self.repeated(BTreeSet::from([at]), inner, mode),
            Expr::Plus(inner) => {
                let once = self.expr(inner, at, mode);
                self.repeated(once, inner, mode)
            }
            Expr::Except(inner, outer) => {
                let excluded = self.expr(outer, at, mode);
                self.expr(inner, at, mode).difference(&excluded).copied().collect()
            }
        }
    }

    fn terminal(
        &mut self,
        at: usize,
        mode: Mode,
        matches: impl Fn(&Self, usize) -> Option<usize>,
    ) -> BTreeSet<usize> {
        if mode != Mode::Syntax {
            return matches(self, at).into_iter().collect();
        }
        let starts = self.skip(at);
        starts.iter().filter_map(|start| matches(self, *start)).collect()
    }

    fn all_from(&mut self, places: &BTreeSet<usize>, expr: &Expr, mode: Mode) -> BTreeSet<usize> {
        places.iter().flat_map(|place| self.expr(expr, *place, mode)).collect()
    }

    fn repeated(&mut self, mut ends: BTreeSet<usize>, expr: &Expr, mode: Mode) -> BTreeSet<usize> {
        let mut fresh = ends.clone();
        while !fresh.is_empty() {
            let next = self.all_from(&fresh, expr, mode);
            fresh = next.difference(&ends).copied().collect();
            ends.extend(&fresh);
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_language() {
        let grammar = Grammar::parse(
            "sum ::= term (('+' | '-') term)*
             term ::= number | '(' sum ')'
             number ::= [0-9]+ - '13' /* token */
             ignorable ::= ' ' /* lexical */
             token-character ::= [0-9a-z] /* lexical */",
        )
        .unwrap();
        let recogniser = Recogniser::new(&grammar);
        for text in ["1", " 12 + (3-4 ) ", "((1))", "131"] {
            assert!(recogniser.accepts("sum", text), "{text}");
        }
        for text in ["", "1 2", "1+", "13", "1a", "(1", "1)"] {
            assert!(!recogniser.accepts("sum", text), "{text}");
        }
    }

    #[test]
    fn faulty_grammars_are_told() {
        for (text, error) in [
            ("a ::= b", "not defined"),
            ("a ::= a 'x'", "left-recursive"),
            ("a ::= 'x'? b b ::= a", "left-recursive"),
            ("a ::= 'x' a ::= 'y'", "twice"),
            ("a ::= ('x'", "stays open"),
            ("a ::= | 'x'", "empty"),
        ] {
            let found = Grammar::parse(text).expect_err(text);
            assert!(found.contains(error), "{text}: {found}");
        }
    }
}
