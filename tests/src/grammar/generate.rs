//! Random sentences of a grammar, bounded in depth, from a seed.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::ebnf::{Expr, Grammar, Mode};
use super::recognise::Recogniser;

/// A piece of a sentence that nothing ignorable may stand in.
struct Piece {
    text: String,
    /// Whether a token character behind it would change it.
    is_token: bool,
}

/// Makes sentences.
pub struct Generator<'g> {
    grammar: &'g Grammar,
    recogniser: Recogniser<'g>,
    /// The least depth of productions that a sentence of each production needs.
    least_depth: Vec<usize>,
    /// Texts for ignorable places; always at least one blank.
    ignorables: Vec<&'static str>,
    /// Texts to take for some productions instead of making them.
    preferred: HashMap<usize, &'static [&'static str]>,
    rng: StdRng,
    /// Productions that the sentence may still use before it has to come to an end.
    budget: usize,
    /// How often each production was used.
    used: Vec<usize>,
}

impl<'g> Generator<'g> {
    /// A generator; the same seed gives the same sentences.
    pub fn new(grammar: &'g Grammar, seed: u64) -> Self {
        let mut generator = Self {
            grammar,
            recogniser: Recogniser::new(grammar),
            least_depth: vec![usize::MAX; grammar.rules().len()],
            ignorables: vec![
                " ",
                " ",
                " ",
                " ",
                ", ",
                "\n",
                "\t",
                "  ",
                " ; remark\n",
                " #_skipped ",
                " #_#_[1 (2)] \"x\" ",
                "\u{a0}",
                " #!shell\n ",
            ],
            preferred: HashMap::new(),
            rng: StdRng::seed_from_u64(seed),
            budget: 0,
            used: vec![0; grammar.rules().len()],
        };
        loop {
            let before = generator.least_depth.clone();
            for (index, rule) in grammar.rules().iter().enumerate() {
                generator.least_depth[index] = generator.depth_of(&rule.expr).saturating_add(1);
            }
            if generator.least_depth == before {
                return generator;
            }
        }
    }

    /// The generator taking one of `texts` wherever `rule` stands: few names make sentences that hang together.
    #[must_use]
    pub fn preferring(mut self, rule: &str, texts: &'static [&'static str]) -> Self {
        self.preferred.insert(self.grammar.index(rule), texts);
        self
    }

    /// Productions among those reachable from `start`, not through preferred ones or `closed`, that no sentence has
    /// used yet.
    pub fn unused(&self, start: &str, closed: &[&str]) -> Vec<&str> {
        let is_closed =
            |index| self.preferred.contains_key(&index) || closed.contains(&&*self.grammar.rule(index).name);
        let reachable = self.grammar.reachable(start, is_closed);
        let unused = reachable.into_iter().filter(|index| self.used[*index] == 0);
        unused.map(|index| self.grammar.rule(index).name.as_str()).collect()
    }

    /// The source of randomness, for mutations of what was generated.
    pub fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// A sentence of a production; `depth` bounds how deep productions nest.
    pub fn sentence(&mut self, start: &str, depth: usize) -> String {
        self.budget = PRODUCTIONS;
        let mut pieces = Vec::new();
        self.rule(self.grammar.index(start), depth, &mut pieces);
        let mut sentence = String::new();
        let mut open = false;
        for piece in pieces {
            let begins = piece.text.chars().next().is_some_and(|c| self.recogniser.is_token_character(c));
            if (open && begins) || self.rng.random_bool(0.6) {
                let between = self.ignorables.choose(&mut self.rng).copied().unwrap_or(" ");
                // A `#` behind a token would lengthen it, so every choice begins with a blank.
                sentence.push_str(between);
            }
            sentence.push_str(&piece.text);
            open = piece.is_token;
        }
        sentence
    }

    fn depth_of(&self, expr: &Expr) -> usize {
        match expr {
            Expr::Literal(_) | Expr::Class { .. } | Expr::Optional(_) | Expr::Star(_) => 0,
            Expr::Rule(index) => self.least_depth[*index],
            Expr::Sequence(parts) => parts.iter().map(|part| self.depth_of(part)).max().unwrap_or(0),
            Expr::Choice(parts) => parts.iter().map(|part| self.depth_of(part)).min().unwrap_or(0),
            Expr::Plus(inner) | Expr::Except(inner, _) => self.depth_of(inner),
        }
    }

    fn rule(&mut self, index: usize, depth: usize, out: &mut Vec<Piece>) {
        let rule = self.grammar.rule(index);
        self.used[index] += 1;
        self.budget = self.budget.saturating_sub(1);
        let depth = if self.budget == 0 { 0 } else { depth };
        if let Some(texts) = self.preferred.get(&index) {
            let text = texts.choose(&mut self.rng).copied().unwrap_or_default().to_owned();
            let is_token = text.chars().last().is_some_and(|last| self.recogniser.is_token_character(last));
            out.push(Piece { text, is_token });
            return;
        }
        if rule.mode == Mode::Syntax {
            self.syntax(&rule.expr, depth.saturating_sub(1), out);
        } else {
            let text = self.lexical_sentence(&rule.expr, depth.saturating_sub(1));
            out.push(Piece { text, is_token: rule.mode == Mode::Token });
        }
    }

    /// Parts of a lexical sentence can run into each other where one is a token; then another is made.
    fn lexical_sentence(&mut self, expr: &Expr, depth: usize) -> String {
        for _ in 0..TRIES {
            let mut text = String::new();
            self.lexical(expr, depth, &mut text);
            if self.recogniser.matches(expr, &text) {
                return text;
            }
        }
        panic!("no sentence keeps its parts apart: {expr:?}");
    }

    fn syntax(&mut self, expr: &Expr, depth: usize, out: &mut Vec<Piece>) {
        match expr {
            Expr::Literal(text) => {
                let is_token = text.last().is_some_and(|last| self.recogniser.is_token_character(*last));
                out.push(Piece { text: text.iter().collect(), is_token });
            }
            Expr::Class { .. } => {
                let text = self.character(expr).to_string();
                out.push(Piece { text, is_token: false });
            }
            Expr::Rule(index) => self.rule(*index, depth, out),
            Expr::Sequence(parts) => parts.iter().for_each(|part| self.syntax(part, depth, out)),
            Expr::Choice(parts) => {
                let part = self.pick(parts, depth);
                self.syntax(part, depth, out);
            }
            Expr::Optional(inner) | Expr::Star(inner) | Expr::Plus(inner) => {
                for _ in 0..self.count(expr, depth) {
                    self.syntax(inner, depth, out);
                }
            }
            Expr::Except(inner, outer) => {
                for _ in 0..TRIES {
                    let mut pieces = Vec::new();
                    self.syntax(inner, depth, &mut pieces);
                    let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
                    let text = texts.join(" ");
                    if !self.recogniser.matches(outer, &text) {
                        out.append(&mut pieces);
                        return;
                    }
                }
                panic!("an exception leaves nothing over: {expr:?}");
            }
        }
    }

    fn lexical(&mut self, expr: &Expr, depth: usize, out: &mut String) {
        match expr {
            Expr::Literal(text) => out.extend(text),
            Expr::Class { .. } => out.push(self.character(expr)),
            Expr::Rule(index) => {
                self.used[*index] += 1;
                let grammar = self.grammar;
                self.lexical(&grammar.rule(*index).expr, depth.saturating_sub(1), out);
                if grammar.rule(*index).mode == Mode::Line {
                    out.push('\n');
                }
            }
            Expr::Sequence(parts) => parts.iter().for_each(|part| self.lexical(part, depth, out)),
            Expr::Choice(parts) => {
                let part = self.pick(parts, depth);
                self.lexical(part, depth, out);
            }
            Expr::Optional(inner) | Expr::Star(inner) | Expr::Plus(inner) => {
                for _ in 0..self.count(expr, depth) {
                    self.lexical(inner, depth, out);
                }
            }
            Expr::Except(inner, outer) => {
                for _ in 0..TRIES {
                    let mut text = String::new();
                    self.lexical(inner, depth, &mut text);
                    if !self.recogniser.matches(outer, &text) {
                        out.push_str(&text);
                        return;
                    }
                }
                panic!("an exception leaves nothing over: {expr:?}");
            }
        }
    }

    /// An alternative that fits the depth, or one of the shallowest.
    fn pick<'e>(&mut self, parts: &'e [Expr], depth: usize) -> &'e Expr {
        let least = parts.iter().map(|part| self.depth_of(part)).min().unwrap_or(0);
        let bound = depth.max(least);
        let fitting: Vec<&Expr> = parts.iter().filter(|part| self.depth_of(part) <= bound).collect();
        fitting.choose(&mut self.rng).expect("the shallowest fits")
    }

    /// How often to repeat, fewer times the less depth is left.
    fn count(&mut self, expr: &Expr, depth: usize) -> usize {
        let (low, inner, high) = match expr {
            Expr::Optional(inner) => (0, inner, 1),
            Expr::Plus(inner) => (1, inner, 4),
            Expr::Star(inner) => (0, inner, 4),
            _ => return 1,
        };
        if self.depth_of(inner) > depth { low } else { self.rng.random_range(low..=high) }
    }

    /// A character of a class, mostly a plain one.
    fn character(&mut self, class: &Expr) -> char {
        const ODD: [char; 10] = ['\n', '\t', '\u{7f}', 'ä', 'ß', 'Ω', '\u{a0}', '中', '\u{fffd}', '😀'];
        for _ in 0..TRIES {
            let c = if self.rng.random_bool(0.93) {
                char::from(self.rng.random_range(b' '..=b'~'))
            } else {
                *ODD.choose(&mut self.rng).expect("there are odd ones")
            };
            if class.class_holds(c) {
                return c;
            }
        }
        match class {
            Expr::Class { negated: false, ranges } => {
                let (low, high) = ranges.choose(&mut self.rng).expect("a class has a range");
                let code = self.rng.random_range(u32::from(*low)..=u32::from(*high));
                char::from_u32(code).unwrap_or(*low)
            }
            _ => panic!("no common character is in {class:?}"),
        }
    }
}

/// Productions of one sentence, about; depth alone would not keep it short.
const PRODUCTIONS: usize = 400;

/// Attempts before giving up on an exception or a class.
const TRIES: usize = 200;
