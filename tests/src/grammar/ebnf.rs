//! The notation of the grammar files: W3C EBNF with annotations for blank space (see `grammar/README.md`).

use std::collections::HashMap;

/// How blank space stands in a production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Ignorable text between the parts.
    Syntax,
    /// Nothing between the parts.
    Lexical,
    /// Lexical, and no token character follows.
    Token,
    /// Lexical, and a line feed or the end follows.
    Line,
}

/// One production.
#[derive(Debug)]
pub struct Rule {
    /// The name on the left.
    pub name: String,
    /// What the name stands for.
    pub expr: Expr,
    /// Its blank space.
    pub mode: Mode,
}

/// The right side of a production.
#[derive(Debug)]
pub enum Expr {
    /// Exactly this text.
    Literal(Vec<char>),
    /// One character in, or not in, the ranges.
    Class {
        /// Whether the ranges are excluded.
        negated: bool,
        /// Inclusive ranges.
        ranges: Vec<(char, char)>,
    },
    /// Another production, by index.
    Rule(usize),
    /// One after the other.
    Sequence(Vec<Expr>),
    /// One of them.
    Choice(Vec<Expr>),
    /// Present or not.
    Optional(Box<Expr>),
    /// Any number.
    Star(Box<Expr>),
    /// One or more.
    Plus(Box<Expr>),
    /// The first and not the second.
    Except(Box<Expr>, Box<Expr>),
}

impl Expr {
    /// Whether a class holds a character; false for other expressions.
    pub fn class_holds(&self, c: char) -> bool {
        match self {
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
            _ => false,
        }
    }
}

/// A set of productions.
#[derive(Debug)]
pub struct Grammar {
    rules: Vec<Rule>,
    by_name: HashMap<String, usize>,
}

impl Grammar {
    /// Reads the text of a grammar; later productions replace earlier ones of the same name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut by_name = HashMap::new();
        for pair in tokens.windows(2) {
            if let (Token::Name(name), Token::Defines) = (&pair[0], &pair[1]) {
                let next = by_name.len();
                if by_name.insert(name.clone(), next).is_some() {
                    return Err(format!("{name} is defined twice"));
                }
            }
        }
        let mut parser = Parser { tokens, at: 0, by_name: &by_name };
        let mut rules = Vec::new();
        while parser.at < parser.tokens.len() {
            rules.push(parser.rule()?);
        }
        let grammar = Self { rules, by_name };
        grammar.check_left_recursion()?;
        Ok(grammar)
    }

    /// The index of a production.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn index(&self, name: &str) -> usize {
        match self.by_name.get(name) {
            Some(index) => *index,
            None => panic!("the grammar has no production {name}"),
        }
    }

    /// A production.
    pub fn rule(&self, index: usize) -> &Rule {
        &self.rules[index]
    }

    /// All productions.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The productions that sentences of one can be made of; those that only exclude do not count, nor those that
    /// are reached through `closed` ones.
    pub fn reachable(&self, start: &str, closed: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut seen = vec![self.index(start)];
        let mut at = 0;
        while at < seen.len() {
            if closed(seen[at]) {
                at += 1;
                continue;
            }
            visit_rules(&self.rules[seen[at]].expr, &mut |index| {
                if !seen.contains(&index) {
                    seen.push(index);
                }
            });
            at += 1;
        }
        seen
    }

    /// The recogniser descends, so no production may begin with itself.
    fn check_left_recursion(&self) -> Result<(), String> {
        let nullable = self.nullable();
        for start in 0..self.rules.len() {
            let mut seen = Vec::new();
            self.first_rules(&self.rules[start].expr, &nullable, &mut seen);
            let mut at = 0;
            while at < seen.len() {
                if seen[at] == start {
                    return Err(format!("{} is left-recursive", self.rules[start].name));
                }
                let expr = &self.rules[seen[at]].expr;
                self.first_rules(expr, &nullable, &mut seen);
                at += 1;
            }
        }
        Ok(())
    }

    fn nullable(&self) -> Vec<bool> {
        let mut nullable = vec![false; self.rules.len()];
        loop {
            let before = nullable.clone();
            for (index, rule) in self.rules.iter().enumerate() {
                nullable[index] = is_nullable(&rule.expr, &before);
            }
            if nullable == before {
                return nullable;
            }
        }
    }

    /// The productions that an expression may begin with.
    fn first_rules(&self, expr: &Expr, nullable: &[bool], out: &mut Vec<usize>) {
        match expr {
            Expr::Literal(_) | Expr::Class { .. } => {}
            Expr::Rule(index) => {
                if !out.contains(index) {
                    out.push(*index);
                }
            }
            Expr::Sequence(parts) => {
                for part in parts {
                    self.first_rules(part, nullable, out);
                    if !is_nullable(part, nullable) {
                        break;
                    }
                }
            }
            Expr::Choice(parts) => parts.iter().for_each(|part| self.first_rules(part, nullable, out)),
            Expr::Optional(inner) | Expr::Star(inner) | Expr::Plus(inner) => {
                self.first_rules(inner, nullable, out);
            }
            Expr::Except(inner, outer) => {
                self.first_rules(inner, nullable, out);
                self.first_rules(outer, nullable, out);
            }
        }
    }
}

fn is_nullable(expr: &Expr, rules: &[bool]) -> bool {
    match expr {
        Expr::Literal(text) => text.is_empty(),
        Expr::Class { .. } => false,
        Expr::Rule(index) => rules[*index],
        Expr::Sequence(parts) => parts.iter().all(|part| is_nullable(part, rules)),
        Expr::Choice(parts) => parts.iter().any(|part| is_nullable(part, rules)),
        Expr::Optional(_) | Expr::Star(_) => true,
        Expr::Plus(inner) | Expr::Except(inner, _) => is_nullable(inner, rules),
    }
}

fn visit_rules(expr: &Expr, f: &mut dyn FnMut(usize)) {
    match expr {
        Expr::Literal(_) | Expr::Class { .. } => {}
        Expr::Rule(index) => f(*index),
        Expr::Sequence(parts) | Expr::Choice(parts) => parts.iter().for_each(|part| visit_rules(part, f)),
        Expr::Optional(inner) | Expr::Star(inner) | Expr::Plus(inner) => visit_rules(inner, f),
        Expr::Except(inner, _) => visit_rules(inner, f),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Defines,
    Literal(Vec<char>),
    Class { negated: bool, ranges: Vec<(char, char)> },
    Sign(char),
    Mode(Mode),
}

/// Splits the text of a grammar; comments go, annotations stay.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let used = if rest.starts_with("/*") {
            let end = rest.find("*/").ok_or("a comment does not end")? + 2;
            match rest[2..end - 2].trim() {
                "lexical" => tokens.push(Token::Mode(Mode::Lexical)),
                "token" => tokens.push(Token::Mode(Mode::Token)),
                "line" => tokens.push(Token::Mode(Mode::Line)),
                _ => {}
            }
            end
        } else if rest.starts_with("::=") {
            tokens.push(Token::Defines);
            3
        } else if first == '"' || first == '\'' {
            let end = rest[1..].find(first).ok_or("a literal does not end")? + 1;
            tokens.push(Token::Literal(rest[1..end].chars().collect()));
            end + 1
        } else if first == '[' {
            let end = rest.find(']').ok_or("a class does not end")?;
            tokens.push(class(&rest[1..end])?);
            end + 1
        } else if let Some(digits) = rest.strip_prefix("#x") {
            let len = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
            tokens.push(Token::Literal(vec![code(&digits[..len])?]));
            len + 2
        } else if "|?*+()-".contains(first) {
            tokens.push(Token::Sign(first));
            1
        } else if first.is_alphabetic() {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '-').unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            end
        } else {
            return Err(format!(
                "unexpected {first:?} before {:?}",
                rest.chars().take(30).collect::<String>()
            ));
        };
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

fn code(digits: &str) -> Result<char, String> {
    u32::from_str_radix(digits, 16)
        .ok()
        .and_then(char::from_u32)
        .ok_or_else(|| format!("#x{digits} is no character"))
}

/// The inside of `[...]`: characters, `#xN`, and ranges of either.
fn class(text: &str) -> Result<Token, String> {
    let (negated, text) = match text.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut chars: Vec<(char, bool)> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(hex) = rest.strip_prefix("#x") {
            let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            chars.push((code(&hex[..end])?, false));
            rest = &hex[end..];
        } else {
            chars.push((first, first == '-'));
            rest = &rest[first.len_utf8()..];
        }
    }
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let low = chars[at].0;
        match (chars.get(at + 1), chars.get(at + 2)) {
            (Some((_, true)), Some((high, _))) => {
                ranges.push((low, *high));
                at += 3;
            }
            _ => {
                ranges.push((low, low));
                at += 1;
            }
        }
    }
    Ok(Token::Class { negated, ranges })
}

struct Parser<'p> {
    tokens: Vec<Token>,
    at: usize,
    by_name: &'p HashMap<String, usize>,
}

impl Parser<'_> {
    fn rule(&mut self) -> Result<Rule, String> {
        let Some(Token::Name(name)) = self.next() else {
            return Err("a production begins with a name".into());
        };
        if self.next() != Some(Token::Defines) {
            return Err(format!("{name} is not followed by ::="));
        }
        let expr = self.choice().map_err(|error| format!("{name}: {error}"))?;
        let mode = match self.peek() {
            Some(Token::Mode(mode)) => {
                let mode = *mode;
                self.at += 1;
                mode
            }
            _ => Mode::Syntax,
        };
        Ok(Rule { name, expr, mode })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take(&mut self, sign: char) -> bool {
        let taken = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(taken);
        taken
    }

    fn choice(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.sequence()?];
        while self.take('|') {
            parts.push(self.sequence()?);
        }
        Ok(if parts.len() > 1 { Expr::Choice(parts) } else { parts.remove(0) })
    }

    fn sequence(&mut self) -> Result<Expr, String> {
        let mut parts = Vec::new();
        while self.begins_part() {
            parts.push(self.exception()?);
        }
        match parts.len() {
            0 => Err("an alternative is empty".into()),
            1 => Ok(parts.remove(0)),
            _ => Ok(Expr::Sequence(parts)),
        }
    }

    fn begins_part(&self) -> bool {
        match self.peek() {
            Some(Token::Name(_)) => self.tokens.get(self.at + 1) != Some(&Token::Defines),
            Some(Token::Literal(_) | Token::Class { .. } | Token::Sign('(')) => true,
            _ => false,
        }
    }

    fn exception(&mut self) -> Result<Expr, String> {
        let left = self.repeated()?;
        if !self.take('-') {
            return Ok(left);
        }
        Ok(Expr::Except(Box::new(left), Box::new(self.repeated()?)))
    }

    fn repeated(&mut self) -> Result<Expr, String> {
        let mut expr = match self.next() {
            Some(Token::Name(name)) => {
                Expr::Rule(*self.by_name.get(&name).ok_or_else(|| format!("{name} is not defined"))?)
            }
            Some(Token::Literal(text)) => Expr::Literal(text),
            Some(Token::Class { negated, ranges }) => Expr::Class { negated, ranges },
            Some(Token::Sign('(')) => {
                let inner = self.choice()?;
                if !self.take(')') {
                    return Err("a parenthesis stays open".into());
                }
                inner
            }
            other => return Err(format!("unexpected {other:?}")),
        };
        loop {
            expr = match self.peek() {
                Some(Token::Sign('?')) => Expr::Optional(Box::new(expr)),
                Some(Token::Sign('*')) => Expr::Star(Box::new(expr)),
                Some(Token::Sign('+')) => Expr::Plus(Box::new(expr)),
                _ => return Ok(expr),
            };
            self.at += 1;
        }
    }
}
