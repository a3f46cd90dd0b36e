//! [`RulesBuilder`]: definitions of rules.

use edn::Form;

use super::clauses::{Clauses, rule_name};
use super::list::IntoList;
use super::query::check_names;
use super::terms::{Var, list, vector};
use crate::ast::Rules;
use crate::error::Result;
use crate::source_text::SourceText;

/// Rules that are being defined; several definitions of a name are alternatives.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a builder does nothing until it is built"]
pub struct RulesBuilder(Vec<Form>);

impl Rules {
    /// No rules yet.
    pub fn define() -> RulesBuilder {
        RulesBuilder::default()
    }
}

impl RulesBuilder {
    /// `[(name ?a ..) clause ..]`
    pub fn rule(self, name: &str, head: impl IntoList<Var>, body: Clauses) -> Self {
        self.rule_requiring(name, (), head, body)
    }

    /// `[(name [?required ..] ?free ..) clause ..]`: the first ones must have values where the rule is called.
    pub fn rule_requiring(
        mut self,
        name: &str,
        required: impl IntoList<Var>,
        free: impl IntoList<Var>,
        body: Clauses,
    ) -> Self {
        let mut head = vec![rule_name(name)];
        let required = forms(required);
        if !required.is_empty() {
            head.push(vector(required));
        }
        head.extend(forms(free));
        self.0.push(vector(std::iter::once(list(head)).chain(body.0).collect()));
        self
    }

    /// The rules, checked as a text is.
    pub fn build(self) -> Result<Rules> {
        let form = vector(self.0);
        check_names(&form)?;
        Rules::from_form(&form, SourceText::default())
    }
}

fn forms(variables: impl IntoList<Var>) -> Vec<Form> {
    variables.into_list().into_iter().map(|variable| variable.0).collect()
}
