//! [`ParseError`]: what can be wrong with the text of a query before any database is looked at.

use edn::{Keyword, Span, Symbol};

/// Why a query or a set of rules was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Something else stands where a query should.
    #[error("a query should be a vector or a map, not {found}")]
    NotAQuery {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A query that does not begin with a section.
    #[error("a query should begin with a section such as :find, not {found}")]
    NoSection {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A section that does not exist.
    #[error("unknown section {section} in a query")]
    UnknownSection {
        /// The section.
        section: Keyword,
        /// A section that looks like it.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// A name that a program made and that no text would read as one.
    #[error("{found:?} is no name of a variable, function or rule")]
    BadName {
        /// The name.
        found: String,
        /// Nowhere: programs have no text.
        span: Span,
    },
    /// A section that occurs twice.
    #[error("the section {section} occurs twice")]
    RepeatedSection {
        /// The section.
        section: Keyword,
        /// The second one.
        span: Span,
    },
    /// A section of a map query that holds no vector.
    #[error("the section {section} of a map query should be a vector, not {found}")]
    SectionShape {
        /// The section.
        section: Keyword,
        /// What it holds.
        found: String,
        /// Where.
        span: Span,
    },
    /// A query without `:find`.
    #[error("the query has no :find")]
    MissingFind {
        /// The query.
        span: Span,
    },
    /// Nothing to find.
    #[error("cannot parse :find: it is empty")]
    EmptyFind {
        /// Where.
        span: Span,
    },
    /// Something that cannot be found.
    #[error("cannot parse :find: {found} is no variable, aggregate, pull or arithmetic over aggregates")]
    BadFind {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// An aggregate without a variable.
    #[error("cannot parse :find: the last argument of {name} should be a variable")]
    AggregateVariable {
        /// The aggregate.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// A pull of the wrong shape.
    #[error("cannot parse pull: expected (pull ?entity pattern) or (pull $source ?entity pattern)")]
    BadPull {
        /// Where.
        span: Span,
    },
    /// Arithmetic in `:find` over something that is not aggregated.
    #[error(
        "{found} cannot be an operand of {operator} in :find: only aggregates, numbers and arithmetic can"
    )]
    ArithmeticOperand {
        /// The operator.
        operator: Symbol,
        /// The operand.
        found: String,
        /// Where.
        span: Span,
    },
    /// Something other than a variable in `:with`.
    #[error("cannot parse :with: {found} is not a variable")]
    BadWith {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// Something that is no input.
    #[error("cannot parse :in: {found} is no source, variable, binding or %")]
    BadInput {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// Something that is no binding.
    #[error("cannot parse binding: {found} is none of ?x, _, [?x ?y], [?x ...], [[?x ?y]]")]
    BadBinding {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A pattern without terms.
    #[error("a pattern could not be empty")]
    EmptyPattern {
        /// Where.
        span: Span,
    },
    /// Something that is no clause.
    #[error("cannot parse {found} as a clause")]
    BadClause {
        /// What stands there.
        found: String,
        /// What would be right.
        expected: &'static str,
        /// Where.
        span: Span,
    },
    /// A symbol that means nothing in a pattern or a rule call.
    #[error("the symbol {name} cannot stand in a pattern or a rule call")]
    BareSymbol {
        /// The symbol.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// `(not)`, `(or)`, `(and)`
    #[error("cannot parse {name} clause: it is empty")]
    EmptyClause {
        /// Which one.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// A clause that shares no variables with anything.
    #[error("join variables should not be empty")]
    EmptyJoinVars {
        /// The clause.
        span: Span,
    },
    /// `(and ..)` outside an `or`.
    #[error("`and` can only be a branch of `or` and `or-join`")]
    AndNotAllowed {
        /// The clause.
        span: Span,
    },
    /// `(rule)`
    #[error("the call of rule {name} should have at least one argument")]
    RuleCallWithoutArguments {
        /// The rule.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// Clauses or calls inside each other without an end.
    #[error("clauses and calls are nested more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where it was passed.
        span: Span,
    },
    /// A variable that is asked for but occurs nowhere.
    #[error("the query asks for unknown vars: {name} occurs neither in :where nor in :in")]
    UnknownVariable {
        /// The variable.
        name: Symbol,
        /// A variable that looks like it.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// A variable both in `:find` and in `:with`.
    #[error(":find and :with should not use same variables: {name}")]
    FindWithOverlap {
        /// The variable.
        name: Symbol,
        /// In `:with`.
        span: Span,
    },
    /// The same name twice in `:in`.
    #[error("the inputs should be distinct: {name} occurs twice in :in")]
    DuplicateInput {
        /// The name.
        name: Symbol,
        /// The second one.
        span: Span,
    },
    /// A source that `:in` does not declare.
    #[error("unknown source vars: {name} is not among the inputs")]
    UnknownSource {
        /// The source.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// A rule is called, but no rules are given.
    #[error("missing rules var: {name} is called as a rule, but % is not among the inputs")]
    MissingRules {
        /// The rule.
        name: Symbol,
        /// A clause that looks like it.
        nearest: Option<String>,
        /// Where.
        span: Span,
    },
    /// Names of columns for a shape without columns.
    #[error("{section} does not work with a find that yields {shape}")]
    ReturnMapShape {
        /// `:keys`, `:strs`, `:syms`
        section: Keyword,
        /// Single values, or one value.
        shape: &'static str,
        /// Where.
        span: Span,
    },
    /// Too few or too many names of columns.
    #[error("{section} must match the count of :find: {names} names for {columns} columns")]
    ReturnMapCount {
        /// `:keys`, `:strs`, `:syms`
        section: Keyword,
        /// Number of names.
        names: usize,
        /// Number of columns.
        columns: usize,
        /// Where.
        span: Span,
    },
    /// Two of `:keys`, `:strs`, `:syms`.
    #[error("only one of :keys, :strs and :syms can be used")]
    ReturnMapConflict {
        /// The second one.
        span: Span,
    },
    /// A name of a column that is not a symbol.
    #[error("the names of {section} should be plain symbols, not {found}")]
    ReturnMapName {
        /// `:keys`, `:strs`, `:syms`
        section: Keyword,
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// Something else than columns and directions in `:order-by`.
    #[error("unsupported order-by format: {found}")]
    OrderByFormat {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A direction that is none.
    #[error("incorrect order-by direction {found}: expected :asc or :desc")]
    OrderByDirection {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A variable that is not in `:find`.
    #[error("cannot order by {name}: it is not in :find")]
    OrderByUnknown {
        /// The variable.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// A variable that stands in several aggregates.
    #[error("cannot order by {name}: it stands in several columns of :find")]
    OrderByAmbiguous {
        /// The variable.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// A pulled column.
    #[error("cannot order by a pulled column")]
    OrderByPull {
        /// Where.
        span: Span,
    },
    /// A column that does not exist.
    #[error("the order-by column {index} is out of bounds: :find has {columns} columns, counted from 0")]
    OrderByIndex {
        /// The column.
        index: i64,
        /// Number of columns.
        columns: usize,
        /// Where.
        span: Span,
    },
    /// The same column twice.
    #[error("order-by names a column twice: {found}")]
    OrderByRepeat {
        /// The column as written.
        found: String,
        /// The second one.
        span: Span,
    },
    /// A limit that is none.
    #[error(
        "unsupported limit {found}: expected a positive integer, a negative one for no limit, or an input variable"
    )]
    BadLimit {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// An offset that is none.
    #[error("unsupported offset {found}: expected an integer of at least 0, or an input variable")]
    BadOffset {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A time limit that is none.
    #[error("unsupported timeout {found}: expected a positive number of milliseconds")]
    BadTimeout {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A limit or offset given by a variable that is not a scalar input.
    #[error("{section} {name} must be a scalar binding of :in")]
    WindowNotInput {
        /// `:limit` or `:offset`
        section: Keyword,
        /// The variable.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// Something that is no condition on groups.
    #[error("cannot parse :having: {found} is not a condition such as [(> (count ?x) 1)]")]
    BadHaving {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// An argument of a condition that is not computed per group.
    #[error("cannot parse :having: {found} is no aggregate, arithmetic or constant")]
    HavingArgument {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A condition over an aggregate that `:find` does not compute.
    #[error("{found} is used in :having, but :find does not contain it")]
    HavingNotInFind {
        /// The aggregate or arithmetic.
        found: String,
        /// Where.
        span: Span,
    },
    /// Rules that are not a vector.
    #[error("rules should be a vector of rules [[(name ?x) clause ..] ..], not {found}")]
    NotRules {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// Something that is no rule.
    #[error("cannot parse rule: expected [(name ?x ..) clause ..], not {found}")]
    BadRule {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// A rule without clauses.
    #[error("the rule {name} should have clauses")]
    RuleWithoutClauses {
        /// The rule.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// A rule head without variables.
    #[error("cannot parse rule-vars: there should be at least one variable")]
    NoRuleVars {
        /// Where.
        span: Span,
    },
    /// The same variable twice in a rule head or an `or-join`.
    #[error("the variables of a rule or an or-join should be distinct: {name} occurs twice")]
    DuplicateRuleVar {
        /// The variable.
        name: Symbol,
        /// The second one.
        span: Span,
    },
    /// Something other than a variable in a rule head.
    #[error("cannot parse var: {found} is not a variable")]
    BadRuleVar {
        /// What stands there.
        found: String,
        /// Where.
        span: Span,
    },
    /// Definitions of one rule with different heads.
    #[error("arity mismatch: rule {name} has {got} here, but {expected} in its first definition")]
    RuleArity {
        /// The rule.
        name: Symbol,
        /// Variables of the first definition.
        expected: String,
        /// Variables of this one.
        got: String,
        /// This definition's head.
        span: Span,
    },
}

impl ParseError {
    /// The place in the text.
    pub fn span(&self) -> Span {
        match self {
            Self::NotAQuery { span, .. }
            | Self::NoSection { span, .. }
            | Self::UnknownSection { span, .. }
            | Self::BadName { span, .. }
            | Self::RepeatedSection { span, .. }
            | Self::SectionShape { span, .. }
            | Self::MissingFind { span }
            | Self::EmptyFind { span }
            | Self::BadFind { span, .. }
            | Self::AggregateVariable { span, .. }
            | Self::BadPull { span }
            | Self::ArithmeticOperand { span, .. }
            | Self::BadWith { span, .. }
            | Self::BadInput { span, .. }
            | Self::BadBinding { span, .. }
            | Self::EmptyPattern { span }
            | Self::BadClause { span, .. }
            | Self::BareSymbol { span, .. }
            | Self::EmptyClause { span, .. }
            | Self::EmptyJoinVars { span }
            | Self::AndNotAllowed { span }
            | Self::RuleCallWithoutArguments { span, .. }
            | Self::TooDeep { span, .. }
            | Self::UnknownVariable { span, .. }
            | Self::FindWithOverlap { span, .. }
            | Self::DuplicateInput { span, .. }
            | Self::UnknownSource { span, .. }
            | Self::MissingRules { span, .. }
            | Self::ReturnMapShape { span, .. }
            | Self::ReturnMapCount { span, .. }
            | Self::ReturnMapConflict { span }
            | Self::ReturnMapName { span, .. }
            | Self::OrderByFormat { span, .. }
            | Self::OrderByDirection { span, .. }
            | Self::OrderByUnknown { span, .. }
            | Self::OrderByAmbiguous { span, .. }
            | Self::OrderByPull { span }
            | Self::OrderByIndex { span, .. }
            | Self::OrderByRepeat { span, .. }
            | Self::BadLimit { span, .. }
            | Self::BadOffset { span, .. }
            | Self::BadTimeout { span, .. }
            | Self::WindowNotInput { span, .. }
            | Self::BadHaving { span, .. }
            | Self::HavingArgument { span, .. }
            | Self::HavingNotInFind { span, .. }
            | Self::NotRules { span, .. }
            | Self::BadRule { span, .. }
            | Self::RuleWithoutClauses { span, .. }
            | Self::NoRuleVars { span }
            | Self::DuplicateRuleVar { span, .. }
            | Self::BadRuleVar { span, .. }
            | Self::RuleArity { span, .. } => *span,
        }
    }

    /// The stable code, in the vocabulary of the reference.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyFind { .. }
            | Self::BadFind { .. }
            | Self::AggregateVariable { .. }
            | Self::BadPull { .. }
            | Self::ArithmeticOperand { .. } => ":parser/find",
            Self::BadWith { .. } => ":parser/with",
            Self::BadInput { .. } => ":parser/in",
            Self::BadBinding { .. } => ":parser/binding",
            Self::EmptyPattern { .. }
            | Self::BadClause { .. }
            | Self::BareSymbol { .. }
            | Self::EmptyClause { .. }
            | Self::EmptyJoinVars { .. }
            | Self::RuleCallWithoutArguments { .. }
            | Self::TooDeep { .. } => ":parser/where",
            Self::NotRules { .. }
            | Self::BadRule { .. }
            | Self::RuleWithoutClauses { .. }
            | Self::RuleArity { .. } => ":parser/rule",
            Self::NoRuleVars { .. } | Self::DuplicateRuleVar { .. } => ":parser/rule-vars",
            Self::BadRuleVar { .. } => ":parser/rule-var",
            Self::WindowNotInput { .. } => ":prepared/query-inputs",
            Self::BadHaving { .. } | Self::HavingArgument { .. } | Self::HavingNotInFind { .. } => {
                ":parser/having"
            }
            _ => ":parser/query",
        }
    }

    /// The class of the error, finer than its code.
    pub fn class(&self) -> &'static str {
        match self {
            Self::ArithmeticOperand { .. } => "find-expression-needs-aggregate",
            Self::EmptyJoinVars { .. } => "empty-join-vars",
            Self::AndNotAllowed { .. } => "and-not-allowed",
            Self::TooDeep { .. } => "nested-too-deeply",
            Self::UnknownVariable { .. } => "unknown-vars",
            Self::FindWithOverlap { .. } => "find-with-overlap",
            Self::DuplicateInput { .. } => "duplicate-in-vars",
            Self::UnknownSource { .. } => "unknown-source",
            Self::MissingRules { .. } => "missing-rules",
            Self::ReturnMapShape { .. } => "return-map-not-allowed",
            Self::ReturnMapCount { .. } => "return-map-arity",
            Self::ReturnMapConflict { .. } => "return-map-conflict",
            Self::ReturnMapName { .. } => "return-map-name",
            Self::OrderByFormat { .. } | Self::OrderByDirection { .. } => "order-by-format",
            Self::OrderByUnknown { .. } | Self::OrderByAmbiguous { .. } => "order-by-variable",
            Self::OrderByPull { .. } => "order-by-pull",
            Self::OrderByIndex { .. } => "order-by-index",
            Self::OrderByRepeat { .. } => "order-by-repeat",
            Self::BadLimit { .. } => "bad-limit",
            Self::BadOffset { .. } => "bad-offset",
            Self::BadTimeout { .. } => "bad-timeout",
            Self::WindowNotInput { section, .. } if section.as_str() == "limit" => "bad-limit",
            Self::WindowNotInput { .. } => "bad-offset",
            Self::HavingNotInFind { .. } => "having-not-in-find",
            Self::UnknownSection { .. } => "unknown-section",
            _ => "parse-error",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotAQuery { .. } => "write [:find ?x :where [?x :attribute]]".into(),
            Self::NoSection { .. } => "begin with :find".into(),
            Self::UnknownSection { section, .. } if matches!(section.as_str(), "asc" | "desc") => {
                format!("write the order as a vector: :order-by [?x {section}]")
            }
            Self::UnknownSection { nearest: Some(nearest), .. } => format!("did you mean {nearest}?"),
            Self::UnknownSection { .. } => {
                "the sections are :find :with :in :where :keys :strs :syms :having :order-by :limit :offset :timeout"
                    .into()
            }
            Self::BadName { .. } => "names hold no spaces, brackets or quotes; symbols that are data can be passed as inputs".into(),
            Self::MissingFind { .. } | Self::EmptyFind { .. } => {
                "name at least one variable, such as :find ?x".into()
            }
            Self::BadFind { .. } => "write ?x, (count ?x), (pull ?x [*]) or (+ (sum ?x) 1)".into(),
            Self::ArithmeticOperand { .. } => {
                "compute it in :where, as in [(+ ?x 1) ?y], and find ?y".into()
            }
            Self::BadClause { expected, .. } => format!("expected {expected}"),
            Self::BareSymbol { name, .. } => {
                format!("a variable is written ?{name}; a symbol as a value (quote {name})")
            }
            Self::EmptyJoinVars { .. } => "name a variable that other clauses bind".into(),
            Self::AndNotAllowed { .. } => "clauses of :where hold together anyway: write them side by side".into(),
            Self::UnknownVariable { nearest: Some(nearest), .. } => format!("did you mean {nearest}?"),
            Self::UnknownVariable { name, .. } if !name.as_str().starts_with('?') => {
                format!("add {name} to :in, and pass its value")
            }
            Self::UnknownVariable { name, .. } => {
                format!("bind it with a pattern such as [?e :attribute {name}]")
            }
            Self::FindWithOverlap { .. } => "remove it from :with".into(),
            Self::UnknownSource { name, .. } => format!("add it to :in, as in :in {name}"),
            Self::MissingRules { nearest: Some(nearest), .. } => format!("did you mean {nearest}?"),
            Self::MissingRules { .. } => "add % to :in and pass the rules; a function call is written [(f ?x)]".into(),
            Self::ReturnMapName { section, .. } => format!("write the names without a colon: {section} name age"),
            Self::OrderByUnknown { .. } => "add it to :find, or order by the number of a column".into(),
            Self::OrderByAmbiguous { .. } => "order by the number of the column, counted from 0".into(),
            Self::OrderByPull { .. } => "add the entity's variable to :find and order by it".into(),
            Self::OrderByFormat { .. } => "write ?x, a column number, or [?x :desc ?y]".into(),
            Self::BadLimit { .. } => "leave :limit out to get all rows".into(),
            Self::BadHaving { .. } => "write :having [(> (count ?x) 1)]".into(),
            Self::HavingArgument { .. } => "conditions on plain variables belong into :where".into(),
            Self::HavingNotInFind { found, .. } => format!("add {found} to :find"),
            Self::WindowNotInput { name, .. } => format!("add {name} to :in"),
            Self::RuleWithoutClauses { .. } => "write [(name ?x) [?x :attribute]]".into(),
            _ => return None,
        })
    }
}
