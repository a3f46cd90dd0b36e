//! Queries as text: every part of the tree displays as EDN that parses to the same tree.

use std::fmt::{self, Display, Formatter, Write};

use edn::Symbol;

use crate::ast::*;

fn spaced<T: Display>(f: &mut Formatter<'_>, items: impl IntoIterator<Item = T>) -> fmt::Result {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            f.write_char(' ')?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// ` item item`
fn following<T: Display>(f: &mut Formatter<'_>, items: impl IntoIterator<Item = T>) -> fmt::Result {
    items.into_iter().try_for_each(|item| write!(f, " {item}"))
}

/// A literal that is a symbol or list has to be quoted.
fn constant(f: &mut Formatter<'_>, value: &edn::Value) -> fmt::Result {
    match value {
        edn::Value::Symbol(_) | edn::Value::List(_) => write!(f, "(quote {value})"),
        value => write!(f, "{value}"),
    }
}

impl Display for Variable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl Display for SourceName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl Display for Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        constant(f, &self.value)
    }
}

impl Display for FindElement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(variable) => variable.fmt(f),
            Self::Aggregate(aggregate) => aggregate.fmt(f),
            Self::Pull(pull) => pull.fmt(f),
            Self::Arithmetic(arithmetic) => arithmetic.fmt(f),
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.name {
            AggregateName::Named(name, _) => write!(f, "({name}")?,
            AggregateName::Input(variable) => write!(f, "(aggregate {variable}")?,
        }
        following(f, &self.args)?;
        write!(f, " {})", self.over)
    }
}

impl Display for AggregateArg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(constant) => constant.fmt(f),
            Self::Variable(variable) => variable.fmt(f),
        }
    }
}

impl Display for Arithmetic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "({}", self.operator)?;
        following(f, &self.operands)?;
        f.write_char(')')
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate(aggregate) => aggregate.fmt(f),
            Self::Constant(constant) => constant.fmt(f),
            Self::Arithmetic(arithmetic) => arithmetic.fmt(f),
        }
    }
}

impl Display for Pull {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("(pull")?;
        following(f, &self.source)?;
        write!(f, " {} ", self.entity)?;
        match &self.pattern {
            PullPatternArg::Literal(form) => write!(f, "{form})"),
            PullPatternArg::Input(variable) => write!(f, "{variable})"),
        }
    }
}

impl Display for Find {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let many = self.elements.len() > 1;
        match self.shape {
            FindShape::Relation => spaced(f, &self.elements),
            FindShape::Scalar => {
                spaced(f, &self.elements)?;
                f.write_str(" .")
            }
            FindShape::Tuple | FindShape::Collection => {
                debug_assert!(!many || self.shape == FindShape::Tuple, "a collection has one column");
                f.write_char('[')?;
                spaced(f, &self.elements)?;
                f.write_str(if self.shape == FindShape::Collection { " ...]" } else { "]" })
            }
        }
    }
}

impl ReturnMapKind {
    /// The section's name.
    pub fn section(self) -> &'static str {
        match self {
            Self::Keywords => ":keys",
            Self::Strings => ":strs",
            Self::Symbols => ":syms",
        }
    }
}

impl Display for Input {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(source) => source.fmt(f),
            Self::Rules(_) => f.write_char('%'),
            Self::Plain(variable) => variable.fmt(f),
            Self::Binding(binding) => binding.fmt(f),
        }
    }
}

impl Display for Binding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(variable) => variable.fmt(f),
            Self::Blank(_) => f.write_char('_'),
            Self::Tuple(parts, _) => {
                f.write_char('[')?;
                spaced(f, parts)?;
                f.write_char(']')
            }
            Self::Collection(inner, _) => write!(f, "[{inner} ...]"),
        }
    }
}

impl Display for Clause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => pattern.fmt(f),
            Self::Predicate(call) => write!(f, "[{call}]"),
            Self::Function(clause) => write!(f, "[{} {}]", clause.call, clause.binding),
            Self::Not(not) => not.fmt(f),
            Self::Or(or) => or.fmt(f),
            Self::Rule(rule) => rule.fmt(f),
        }
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        if let Some(source) = &self.source {
            write!(f, "{source} ")?;
        }
        spaced(f, &self.terms)?;
        f.write_char(']')
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(variable) => variable.fmt(f),
            Self::Blank(_) => f.write_char('_'),
            Self::Constant(constant) => constant.fmt(f),
        }
    }
}

impl CallTarget {
    /// The name or variable that is called.
    pub fn name(&self) -> &Symbol {
        match self {
            Self::Named(name, _) => name,
            Self::Variable(variable) => &variable.name,
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "({}", self.target.name())?;
        following(f, &self.args)?;
        f.write_char(')')
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(variable) => variable.fmt(f),
            Self::Source(source) => source.fmt(f),
            Self::Constant(constant) => constant.fmt(f),
            Self::Name(name, _) => name.fmt(f),
            Self::Call(call) => call.fmt(f),
            Self::Query(query) => query.fmt(f),
        }
    }
}

fn source_prefix(f: &mut Formatter<'_>, source: &Option<SourceName>) -> fmt::Result {
    f.write_char('(')?;
    match source {
        Some(source) => write!(f, "{source} "),
        None => Ok(()),
    }
}

impl Display for Not {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        source_prefix(f, &self.source)?;
        match &self.join {
            None => f.write_str("not")?,
            Some(join) => {
                f.write_str("not-join [")?;
                spaced(f, join)?;
                f.write_char(']')?;
            }
        }
        following(f, &self.clauses)?;
        f.write_char(')')
    }
}

impl Display for Or {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        source_prefix(f, &self.source)?;
        match &self.join {
            None => f.write_str("or")?,
            Some(join) => write!(f, "or-join [{join}]")?,
        }
        following(f, &self.branches)?;
        f.write_char(')')
    }
}

impl Display for Branch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.clauses.as_slice() {
            [clause] => clause.fmt(f),
            clauses => {
                f.write_str("(and")?;
                following(f, clauses)?;
                f.write_char(')')
            }
        }
    }
}

impl Display for RuleCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        source_prefix(f, &self.source)?;
        self.name.fmt(f)?;
        following(f, &self.args)?;
        f.write_char(')')
    }
}

impl Display for RuleVars {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.required.is_empty() {
            f.write_char('[')?;
            spaced(f, &self.required)?;
            f.write_str(if self.free.is_empty() { "]" } else { "] " })?;
        }
        spaced(f, &self.free)
    }
}

impl Display for RuleDefinition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[({} {})", self.name, self.vars)?;
        following(f, &self.clauses)?;
        f.write_char(']')
    }
}

impl Display for Rules {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        spaced(f, &self.definitions)?;
        f.write_char(']')
    }
}

impl Display for Having {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[({}", self.predicate)?;
        following(f, &self.args)?;
        f.write_str(")]")
    }
}

impl Display for OrderKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.column {
            OrderColumn::Variable(variable) => variable.fmt(f)?,
            OrderColumn::Index(index) => index.fmt(f)?,
        }
        f.write_str(if self.descending { " :desc" } else { " :asc" })
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(Some(count), _) => count.fmt(f),
            Self::Count(None, _) => f.write_str("-1"),
            Self::Variable(variable) => variable.fmt(f),
        }
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[:find {}", self.find)?;
        if let Some(map) = &self.return_map {
            write!(f, " {}", map.kind.section())?;
            following(f, &map.names)?;
        }
        if !self.with.is_empty() {
            f.write_str(" :with")?;
            following(f, &self.with)?;
        }
        if let Some(inputs) = &self.inputs {
            f.write_str(" :in")?;
            following(f, inputs)?;
        }
        if !self.clauses.is_empty() {
            f.write_str(" :where")?;
            following(f, &self.clauses)?;
        }
        if !self.having.is_empty() {
            f.write_str(" :having")?;
            following(f, &self.having)?;
        }
        if !self.order_by.is_empty() {
            f.write_str(" :order-by [")?;
            spaced(f, &self.order_by)?;
            f.write_char(']')?;
        }
        for (name, window) in [("limit", &self.limit), ("offset", &self.offset)] {
            if let Some(window) = window {
                write!(f, " :{name} {window}")?;
            }
        }
        if let Some(timeout) = self.timeout {
            write!(f, " :timeout {}", timeout.millis)?;
        }
        f.write_char(']')
    }
}
