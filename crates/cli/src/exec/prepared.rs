//! [`Prepared`]: an operation whose fixed parts were read once, to be asked many times.
//!
//! ```text
//! (def p (prepare-q conn '[:find ..]))      what it is asked of, and how, are kept
//! (execute-prepared p [1 2])  or  (p [1 2])      of the state that conn has now
//! (execute-prepared p tx [1 2])                  of another view, such as an open transaction
//! ```

use edn::Span;

use super::args::Args;
use super::error::EvalError;
use super::item::Item;
use super::session::Session;

/// A prepared operation. A connection or a store that it was made with is asked for its state each time; a database
/// is the same for ever.
pub struct Prepared {
    what: &'static str,
    view: Item,
    run: Box<Run>,
}

/// Gets the view and the input as its two arguments.
type Run = dyn Fn(&mut Session, Args) -> Result<Item, EvalError>;

impl Prepared {
    /// An operation on `view`, unless it is given another one.
    pub fn new(
        what: &'static str,
        view: Item,
        run: impl Fn(&mut Session, Args) -> Result<Item, EvalError> + 'static,
    ) -> Self {
        Self { what, view, run: Box::new(run) }
    }

    /// What it does: `pull`.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Does it; `span` is the place of the call.
    pub fn execute(
        &self,
        session: &mut Session,
        view: Option<(Item, Span)>,
        input: (Item, Span),
        span: Span,
    ) -> Result<Item, EvalError> {
        let view = view.unwrap_or_else(|| (self.view.clone(), span));
        (self.run)(session, Args::new("execute-prepared", span, vec![view, input]))
    }
}
