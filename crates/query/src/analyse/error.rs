//! [`AnalyseError`]: what can be wrong with a query once its inputs and schemas are known. [`Warning`]: what looks
//! wrong, but has an answer.

use std::fmt;

use edn::{Keyword, Span, Symbol};

use crate::functions::Arity;

/// Why a query does not fit its inputs, its rules or the schemas of its sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalyseError {
    /// Too few inputs.
    #[error("too few inputs: {} expected, but {got} given; missing: {}", names.len(), names[*got..].join(" "))]
    TooFewInputs {
        /// The parameters of `:in`.
        names: Vec<String>,
        /// How many inputs were given.
        got: usize,
        /// The first parameter without an input.
        span: Span,
    },
    /// Too many inputs.
    #[error("extra inputs: {expected} expected, but {got} given")]
    TooManyInputs {
        /// How many parameters there are.
        expected: usize,
        /// How many inputs were given.
        got: usize,
        /// The query.
        span: Span,
    },
    /// An input that cannot be what its parameter says.
    #[error("the input for {parameter} should be {expected}, not {found}")]
    InputKind {
        /// The parameter.
        parameter: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
        /// The parameter.
        span: Span,
    },
    /// A value that cannot be taken apart.
    #[error("cannot bind value {found} to {binding}: it is not a {expected}")]
    BindingType {
        /// The binding.
        binding: String,
        /// What it takes.
        expected: &'static str,
        /// The value.
        found: String,
        /// The binding.
        span: Span,
    },
    /// A tuple that is too short.
    #[error("not enough elements in {found} to bind {binding}")]
    BindingArity {
        /// The binding.
        binding: String,
        /// The value.
        found: String,
        /// The binding.
        span: Span,
    },
    /// A limit or offset from an input that is none.
    #[error("{parameter} must be {expected}, not {found}")]
    WindowValue {
        /// The variable.
        parameter: Symbol,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
        /// The variable.
        span: Span,
        /// Whether it is the limit.
        is_limit: bool,
    },
    /// Nothing binds a variable that a clause needs.
    #[error("insufficient bindings: {} not bound by any other clause", listed(vars))]
    InsufficientBindings {
        /// The variables.
        vars: Vec<Symbol>,
        /// The clause.
        span: Span,
    },
    /// A negation that shares nothing with its surroundings.
    #[error("none of {} is bound outside of the negation", listed(vars))]
    NothingBound {
        /// Its variables.
        vars: Vec<Symbol>,
        /// The clause.
        span: Span,
    },
    /// Branches with different variables.
    #[error("all branches of an or must use same set of free vars: {var} is missing in {branch}")]
    OrVariables {
        /// The variable.
        var: Symbol,
        /// The branch without it.
        branch: String,
        /// That branch.
        span: Span,
    },
    /// A variable that is asked for, but only occurs where it cannot be bound.
    #[error("{var} is never bound: it occurs only in negations, or as an argument")]
    Unbound {
        /// The variable.
        var: Symbol,
        /// Where.
        span: Span,
    },
    /// A function that does not exist.
    #[error("unknown function or predicate {name}")]
    UnknownFunction {
        /// Its name.
        name: Symbol,
        /// A known name that looks like it.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// A call of a variable that is no function.
    #[error("{name} is called, but it is not a function given by an input")]
    NotAFunction {
        /// The variable.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// A function where a value is expected.
    #[error("{name} is a function and can only be called")]
    FunctionAsValue {
        /// The input.
        name: Symbol,
        /// Where it stands.
        span: Span,
    },
    /// A call with too few or too many arguments.
    #[error("{name} takes {expected}, but got {got}")]
    FunctionArity {
        /// The function.
        name: Symbol,
        /// What it takes.
        expected: Arity,
        /// What it got.
        got: usize,
        /// The call.
        span: Span,
    },
    /// A function that reads a database, called without one.
    #[error("{name} needs a database as its first argument")]
    NeedsDatabase {
        /// The function.
        name: Symbol,
        /// The call.
        span: Span,
    },
    /// A source where a value is expected.
    #[error("the source {source_name} cannot be an argument of {name}")]
    SourceArgument {
        /// The source.
        source_name: Symbol,
        /// The function.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// The first argument of `q` is not a query.
    #[error("the first argument of q should be a query, not {found}")]
    NotAQuery {
        /// What it is.
        found: String,
        /// Where.
        span: Span,
    },
    /// An aggregate that does not exist.
    #[error("unknown aggregate {name}")]
    UnknownAggregate {
        /// Its name.
        name: Symbol,
        /// A known name that looks like it.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// A rule that does not exist.
    #[error("unknown rule {name}")]
    UnknownRule {
        /// Its name.
        name: Symbol,
        /// A known rule that looks like it.
        nearest: Option<String>,
        /// All known rules, each once.
        known: Vec<Symbol>,
        /// Where.
        span: Span,
    },
    /// A call of a rule with too few or too many arguments.
    #[error("rule {name} takes {expected} arguments, but is called with {got}")]
    RuleCallArity {
        /// The rule.
        name: Symbol,
        /// Number of its variables.
        expected: usize,
        /// Number of arguments.
        got: usize,
        /// The call.
        span: Span,
    },
    /// A call of a rule without a binding for a variable that it needs.
    #[error("insufficient bindings: {param} of rule {name} must be bound, but {} is not", arg.as_ref().map_or("_".to_owned(), ToString::to_string))]
    RuleNeedsBinding {
        /// The rule.
        name: Symbol,
        /// The variable of its head.
        param: Symbol,
        /// The argument.
        arg: Option<Symbol>,
        /// The call.
        span: Span,
    },
    /// A variable of a rule's head that its body does not know.
    #[error("{var} in the head of rule {name} never occurs in its body")]
    RuleHeadUnbound {
        /// The variable.
        var: Symbol,
        /// The rule.
        name: Symbol,
        /// The definition.
        span: Span,
    },
    /// Rules that negate themselves.
    #[error("rules cannot be stratified, as {} negates itself: {}", cycle[0], cycle_text(cycle))]
    Unstratifiable {
        /// The rules of the cycle, from the negating one on.
        cycle: Vec<Symbol>,
        /// The negated call.
        span: Span,
    },
    /// A pattern that names more than entity, attribute and value of a database.
    #[error("a pattern over a database has no more than three terms: there is no {position} term")]
    NoTxComponent {
        /// `fourth`, `fifth`
        position: &'static str,
        /// The superfluous term.
        span: Span,
    },
    /// Something that cannot be an entity.
    #[error(
        "{found} does not name an entity: expected an entity id, an ident or a lookup ref [unique-attribute value]"
    )]
    NotAnEntity {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A comparison of values that two registered types order differently.
    #[error("values of {one} and of {other} have no common order")]
    TwoOrders {
        /// A type.
        one: Keyword,
        /// Another one.
        other: Keyword,
        /// The comparison.
        span: Span,
    },
    /// A constant of a type that an attribute never has.
    #[error("{attribute} holds values of {expected}, but {found} is a {found_type}")]
    TypeMismatch {
        /// The attribute.
        attribute: Keyword,
        /// Its type.
        expected: String,
        /// The constant.
        found: String,
        /// Its type.
        found_type: &'static str,
        /// Where.
        span: Span,
    },
    /// An attribute that the schema does not know, where that is not allowed.
    #[error("unknown attribute {attribute}")]
    UnknownAttribute {
        /// The attribute.
        attribute: Keyword,
        /// A known one that looks like it.
        nearest: Option<Keyword>,
        /// Where.
        span: Span,
    },
    /// A pull from something that is no database.
    #[error("{source_name} is not a database, so nothing can be pulled from it")]
    PullSource {
        /// The source.
        source_name: Symbol,
        /// The pull.
        span: Span,
    },
    /// An entity, ident or lookup ref cannot be resolved.
    #[error("{source}")]
    Reference {
        /// Why not.
        source: storage::Error,
        /// Where.
        span: Span,
    },
}

fn listed(vars: &[Symbol]) -> String {
    vars.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn cycle_text(cycle: &[Symbol]) -> String {
    let mut text = format!("{} -> not", cycle[0]);
    for name in cycle[1..].iter().chain([&cycle[0]]) {
        text.push_str(if text.ends_with("not") { " " } else { " -> " });
        text.push_str(name.as_str());
    }
    text
}

impl AnalyseError {
    /// The place in the text.
    pub fn span(&self) -> Span {
        match self {
            Self::TooFewInputs { span, .. }
            | Self::TooManyInputs { span, .. }
            | Self::InputKind { span, .. }
            | Self::BindingType { span, .. }
            | Self::BindingArity { span, .. }
            | Self::WindowValue { span, .. }
            | Self::InsufficientBindings { span, .. }
            | Self::NothingBound { span, .. }
            | Self::OrVariables { span, .. }
            | Self::Unbound { span, .. }
            | Self::UnknownFunction { span, .. }
            | Self::NotAFunction { span, .. }
            | Self::FunctionAsValue { span, .. }
            | Self::FunctionArity { span, .. }
            | Self::NeedsDatabase { span, .. }
            | Self::SourceArgument { span, .. }
            | Self::NotAQuery { span, .. }
            | Self::UnknownAggregate { span, .. }
            | Self::UnknownRule { span, .. }
            | Self::RuleCallArity { span, .. }
            | Self::RuleNeedsBinding { span, .. }
            | Self::RuleHeadUnbound { span, .. }
            | Self::Unstratifiable { span, .. }
            | Self::NoTxComponent { span, .. }
            | Self::NotAnEntity { span, .. }
            | Self::TypeMismatch { span, .. }
            | Self::TwoOrders { span, .. }
            | Self::UnknownAttribute { span, .. }
            | Self::PullSource { span, .. }
            | Self::Reference { span, .. } => *span,
        }
    }

    /// The stable code, in the vocabulary of the reference.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooFewInputs { .. } | Self::TooManyInputs { .. } | Self::InputKind { .. } => {
                ":query/inputs"
            }
            Self::BindingType { .. } | Self::BindingArity { .. } => ":query/binding",
            Self::WindowValue { .. } => ":prepared/query-inputs",
            Self::UnknownAggregate { .. } => ":query/find",
            Self::Unstratifiable { .. } => ":query/stratification",
            Self::RuleCallArity { .. } | Self::RuleHeadUnbound { .. } => ":query/rule",
            Self::NoTxComponent { .. } => ":query/pattern",
            Self::NotAnEntity { .. } => ":entity-id/syntax",
            Self::TypeMismatch { .. } | Self::TwoOrders { .. } => ":query/type",
            Self::UnknownAttribute { .. } => ":schema/unknown-attribute",
            Self::PullSource { .. } => ":query/source",
            Self::Reference { source, .. } => source.code(),
            _ => ":query/where",
        }
    }

    /// The class of the error, finer than its code.
    pub fn class(&self) -> &'static str {
        match self {
            Self::TooFewInputs { .. } => "too-few-inputs",
            Self::TooManyInputs { .. } => "too-many-inputs",
            Self::InputKind { .. } => "input-kind",
            Self::BindingType { .. } => "binding-type",
            Self::BindingArity { .. } => "binding-arity",
            Self::WindowValue { is_limit: true, .. } => "bad-limit",
            Self::WindowValue { is_limit: false, .. } => "bad-offset",
            Self::InsufficientBindings { .. } | Self::Unbound { .. } | Self::RuleNeedsBinding { .. } => {
                "insufficient-bindings"
            }
            Self::NothingBound { .. } => "nothing-bound",
            Self::OrVariables { .. } => "or-vars-mismatch",
            Self::UnknownFunction { .. } | Self::NotAFunction { .. } => "unknown-function",
            Self::FunctionAsValue { .. } => "function-as-value",
            Self::FunctionArity { .. } => "function-arity",
            Self::NeedsDatabase { .. } => "needs-database",
            Self::SourceArgument { .. } => "source-argument",
            Self::NotAQuery { .. } => "parse-error",
            Self::UnknownAggregate { .. } => "unknown-aggregate",
            Self::UnknownRule { .. } => "unknown-rule",
            Self::RuleCallArity { .. } => "rule-call-arity",
            Self::RuleHeadUnbound { .. } => "rule-head-unbound",
            Self::Unstratifiable { .. } => "unstratifiable",
            Self::NoTxComponent { .. } => "no-tx-component",
            Self::NotAnEntity { .. } => "bad-entity",
            Self::TypeMismatch { .. } => "type-mismatch",
            Self::TwoOrders { .. } => "two-orders",
            Self::UnknownAttribute { .. } => "unknown-attribute",
            Self::PullSource { .. } => "unknown-source",
            Self::Reference { source, .. } => source.class(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let did_you_mean =
            |nearest: &Option<String>| nearest.as_ref().map(|name| format!("did you mean {name}?"));
        Some(match self {
            Self::TooManyInputs { expected: 0, .. } => {
                "without :in, $ is an input only if some clause reads a source".into()
            }
            Self::InsufficientBindings { vars, .. } | Self::NothingBound { vars, .. } => {
                format!("bind {} with a pattern such as {}", vars[0], binding_pattern(&vars[0]))
            }
            Self::Unbound { var, .. } => format!("bind it with a pattern such as {}", binding_pattern(var)),
            Self::OrVariables { var, .. } => {
                format!("mention {var} in every branch, bind it outside, or hide it with or-join")
            }
            Self::UnknownFunction { name, .. } if name.as_str().starts_with('.') => {
                "methods of a host language cannot be called; register a function instead".into()
            }
            Self::UnknownFunction { nearest, .. } | Self::UnknownAggregate { nearest, .. } => {
                return did_you_mean(nearest)
                    .or_else(|| Some("functions of your own must be registered".into()));
            }
            Self::UnknownRule { nearest, known, .. } => {
                let names: Vec<&str> = known.iter().map(Symbol::as_str).collect();
                let all = (!names.is_empty()).then(|| format!("the rules are {}", names.join(", ")));
                return did_you_mean(nearest).or(all);
            }
            Self::NeedsDatabase { name, .. } => format!("write ({name} $ ..)"),
            Self::RuleHeadUnbound { var, .. } => format!("use {var} in the body, or remove it from the head"),
            Self::Unstratifiable { .. } => "a rule may only negate rules that do not depend on it".into(),
            Self::NoTxComponent { .. } => {
                "facts carry no transaction; [entity attribute value] is all there is".into()
            }
            Self::UnknownAttribute { nearest, .. } => {
                return nearest.as_ref().map(|name| format!("did you mean {name}?"));
            }
            Self::Reference { source: storage::Error::LookupRefNotUnique { attribute, .. }, .. } => {
                format!("declare {attribute} with :db/unique, or bind the entity with [?e {attribute} ..]")
            }
            Self::Reference { source, .. } => return source.hint().map(str::to_owned),
            Self::TwoOrders { .. } => {
                "compare what a function makes of them, such as a number of each".into()
            }
            _ => return None,
        })
    }
}

/// A pattern that would bind the variable, as an example.
fn binding_pattern(var: &Symbol) -> String {
    match var.as_str() {
        "?e" => "[?e :attribute]".into(),
        other => format!("[?e :attribute {other}]"),
    }
}

/// Something that looks like a mistake, though the query has an answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// An attribute that the schema does not know: nothing has it.
    UnknownAttribute {
        /// The attribute.
        attribute: Keyword,
        /// A known one that looks like it.
        nearest: Option<Keyword>,
        /// Where it stands.
        span: Span,
    },
    /// `:person/_friend` in a pattern.
    ReverseAttribute {
        /// The attribute as written.
        attribute: Keyword,
        /// Where it stands.
        span: Span,
    },
    /// A constant that no value of the attribute can equal.
    NeverEqual {
        /// The attribute.
        attribute: Keyword,
        /// The constant.
        found: String,
        /// Where it stands.
        span: Span,
    },
    /// Something other than a keyword as an attribute.
    NotAnAttribute {
        /// What stands there.
        found: String,
        /// Where it stands.
        span: Span,
    },
}

impl Warning {
    /// The place in the text of the query.
    pub fn span(&self) -> Span {
        match self {
            Self::UnknownAttribute { span, .. }
            | Self::ReverseAttribute { span, .. }
            | Self::NeverEqual { span, .. }
            | Self::NotAnAttribute { span, .. } => *span,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAttribute { attribute, nearest: Some(nearest), .. } => {
                write!(f, "unknown attribute {attribute}, did you mean {nearest}?")
            }
            Self::UnknownAttribute { attribute, .. } => write!(f, "unknown attribute {attribute}"),
            Self::ReverseAttribute { attribute, .. } => {
                write!(f, "{attribute} matches nothing: in patterns, swap entity and value instead")
            }
            Self::NeverEqual { attribute, found, .. } => {
                write!(f, "no value of {attribute} can equal {found}")
            }
            Self::NotAnAttribute { found, .. } => {
                write!(f, "{found} is not an attribute, so the pattern matches nothing")
            }
        }
    }
}
