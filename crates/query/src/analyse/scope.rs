//! [`Scope`]: from names to variables and constants, as far as they can be seen.
//!
//! ```text
//! query        ?a ?b           one table of variables for the query, one for each rule definition
//!   or-join [?a]
//!     inside   ?a ?b'          only what is listed is seen through; the other ?b is another variable
//! ```

use std::collections::HashMap;

use edn::{Span, Symbol};

use super::inputs::Given;
use crate::ast::Variable;
use crate::logical::{SourceId, VarId, VarTable};

/// The names that can be seen at some place, and the variables made so far.
pub(super) struct Scope {
    pub table: VarTable,
    frame: Frame,
    /// What clauses without a source are about; `None` where nothing says otherwise.
    pub default_source: Option<SourceId>,
    /// What `$` means where it is written: that of the query, in rules the source of their call.
    pub dollar: Option<SourceId>,
}

#[derive(Clone, Default)]
struct Frame {
    vars: HashMap<Symbol, VarId>,
    given: HashMap<Symbol, Given>,
    entities: HashMap<(Symbol, SourceId), VarId>,
}

impl Scope {
    /// A scope that sees these constants.
    pub fn new(given: HashMap<Symbol, Given>, default_source: Option<SourceId>) -> Self {
        Self {
            table: VarTable::default(),
            frame: Frame { given, ..Frame::default() },
            default_source,
            dollar: default_source,
        }
    }

    /// A new variable.
    pub fn fresh(&mut self, name: Symbol, span: Span) -> VarId {
        let id = VarId(self.table.names.len() as u32);
        self.table.names.push(name);
        self.table.spans.push(span);
        id
    }

    /// A variable that nobody wrote.
    pub fn made_up(&mut self, name: &Symbol, span: Span) -> VarId {
        self.fresh(Symbol::parse(&format!("?#{}", name.as_str().trim_start_matches('?'))), span)
    }

    /// What `name` is known to be without looking at facts.
    pub fn given(&self, name: &Symbol) -> Option<&Given> {
        self.frame.given.get(name)
    }

    /// The variable of this name.
    pub fn var(&mut self, variable: &Variable) -> VarId {
        if let Some(id) = self.frame.vars.get(&variable.name) {
            return *id;
        }
        let id = self.fresh(variable.name.clone(), variable.span);
        self.frame.vars.insert(variable.name.clone(), id);
        id
    }

    /// The variable of this name, if there is one.
    pub fn find(&self, name: &Symbol) -> Option<VarId> {
        self.frame.vars.get(name).copied()
    }

    /// Notes that `id` holds the entities of `source` that the values of `name` refer to.
    pub fn add_entities(&mut self, name: Symbol, source: SourceId, id: VarId) {
        self.frame.entities.insert((name, source), id);
    }

    /// The variable to use for `variable` where an entity of `source` is meant.
    pub fn entity_var(&mut self, variable: &Variable, source: SourceId) -> VarId {
        match self.frame.entities.get(&(variable.name.clone(), source)) {
            Some(id) => *id,
            None => self.var(variable),
        }
    }

    /// Runs `inside` where only the names in `seen` are what they are here.
    pub fn hidden<T>(&mut self, seen: &[&Variable], inside: impl FnOnce(&mut Self) -> T) -> T {
        let mut frame = Frame::default();
        for variable in seen {
            let name = &variable.name;
            if let Some(given) = self.frame.given.get(name) {
                frame.given.insert(name.clone(), given.clone());
            } else {
                frame.vars.insert(name.clone(), self.var(variable));
            }
            for ((other, source), id) in &self.frame.entities {
                if other == name {
                    frame.entities.insert((other.clone(), *source), *id);
                }
            }
        }
        let outer = std::mem::replace(&mut self.frame, frame);
        let result = inside(self);
        self.frame = outer;
        result
    }

    /// Runs `inside` with another default source, if there is one.
    pub fn with_source<T>(&mut self, source: Option<SourceId>, inside: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.default_source;
        self.default_source = source.or(outer);
        let result = inside(self);
        self.default_source = outer;
        result
    }
}
