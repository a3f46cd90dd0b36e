//! [`Args`]: the evaluated arguments of a call, and taking them out by the type that a form wants.

use edn::{Form, Keyword, Span, Value};
use factum::{Connection, Db, EntityId};

use super::error::EvalError;
use super::item::{Item, OpenTransaction};

/// A connection, or an explicit transaction of one.
pub enum Target {
    /// Each transaction is committed.
    Conn(Connection),
    /// Each transaction is staged.
    Transaction(OpenTransaction),
}

/// The arguments of one call; each can be taken once, by position.
pub struct Args {
    /// The name of the called form.
    pub name: &'static str,
    /// Place of the whole call.
    pub span: Span,
    items: Vec<(Option<Item>, Span)>,
}

impl Args {
    pub(super) fn new(name: &'static str, span: Span, items: Vec<(Item, Span)>) -> Self {
        let items = items.into_iter().map(|(item, span)| (Some(item), span)).collect();
        Self { name, span, items }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is an argument at `at` and it is not nil.
    pub fn has(&self, at: usize) -> bool {
        self.items.get(at).is_some_and(|(item, _)| {
            !matches!(item, None | Some(Item::Value(Value::Nil)))
                && !matches!(item, Some(Item::Form(form)) if form.as_atom().is_some_and(Value::is_nil))
        })
    }

    /// Whether the argument at `at` is a string.
    pub fn is_text(&self, at: usize) -> bool {
        match self.items.get(at) {
            Some((Some(Item::Form(form)), _)) => form.as_atom().is_some_and(|value| value.as_str().is_some()),
            Some((Some(Item::Value(value)), _)) => value.as_str().is_some(),
            _ => false,
        }
    }

    /// Place of the argument at `at`, or of the call.
    pub fn span_of(&self, at: usize) -> Span {
        self.items.get(at).map_or(self.span, |(_, span)| *span)
    }

    /// An error of the library, placed at this call.
    pub fn fail(&self, error: &factum::Error) -> EvalError {
        EvalError::from_factum(error, self.span)
    }

    /// The argument at `at` as it is; nil where there is none.
    pub fn item(&mut self, at: usize) -> Item {
        self.items.get_mut(at).and_then(|(item, _)| item.take()).unwrap_or(Item::NIL)
    }

    /// A database; a connection stands for its current one.
    pub fn db(&mut self, at: usize) -> Result<Db, EvalError> {
        let item = self.item(at);
        self.db_of(item, at)
    }

    /// A database or what has one, as it is.
    pub fn view(&mut self, at: usize) -> Result<Item, EvalError> {
        match self.item(at) {
            view @ (Item::Db(_) | Item::Conn(_) | Item::Transaction(_)) => Ok(view),
            other => Err(self.unfit(at, "a database", &other)),
        }
    }

    /// The database that `item`, the argument at `at`, has now.
    pub fn db_of(&self, item: Item, at: usize) -> Result<Db, EvalError> {
        match item {
            Item::Db(db) => Ok(db),
            Item::Conn(conn) => conn.db().map_err(|error| self.fail(&error)),
            Item::Transaction(tx) => match &*tx.borrow() {
                Some(tx) => tx.db().map_err(|error| self.fail(&error)),
                None => Err(self.fail(&factum::Error::TransactionEnded)),
            },
            other => Err(self.unfit(at, "a database", &other)),
        }
    }

    /// A connection.
    pub fn conn(&mut self, at: usize) -> Result<Connection, EvalError> {
        match self.item(at) {
            Item::Conn(conn) => Ok(conn),
            other => Err(self.unfit(at, "a connection", &other)),
        }
    }

    /// What transactions go to.
    pub fn target(&mut self, at: usize) -> Result<Target, EvalError> {
        match self.item(at) {
            Item::Conn(conn) => Ok(Target::Conn(conn)),
            Item::Transaction(tx) => Ok(Target::Transaction(tx)),
            other => Err(self.unfit(at, "a connection", &other)),
        }
    }

    /// Data.
    pub fn value(&mut self, at: usize) -> Result<Value, EvalError> {
        self.item(at).into_value().map_err(|other| self.unfit(at, "data", &other))
    }

    /// Data with its places.
    pub fn form(&mut self, at: usize) -> Result<Form, EvalError> {
        self.item(at).into_form().map_err(|other| self.unfit(at, "data", &other))
    }

    /// Transaction data with its places.
    pub fn tx_data(&mut self, at: usize) -> Result<Form, EvalError> {
        self.item(at).into_tx_data().map_err(|other| self.unfit(at, "transaction data", &other))
    }

    /// All data from `at` on.
    pub fn values_from(&mut self, at: usize) -> Result<Vec<Value>, EvalError> {
        (at..self.len()).map(|at| self.value(at)).collect()
    }

    /// An attribute's name.
    pub fn keyword(&mut self, at: usize) -> Result<Keyword, EvalError> {
        match self.item(at).into_value() {
            Ok(Value::Keyword(keyword)) => Ok(keyword),
            Ok(other) => Err(self.unfit(at, "a keyword", &Item::Value(other))),
            Err(other) => Err(self.unfit(at, "a keyword", &other)),
        }
    }

    /// An entity by id, lookup ref or ident; `None` if there is none.
    pub fn entity(&mut self, at: usize, db: &Db) -> Result<Option<EntityId>, EvalError> {
        if let Some((Some(Item::Entity(entity)), _)) = self.items.get(at) {
            return Ok(Some(entity.id()));
        }
        let value = self.value(at)?;
        if value.is_nil() {
            return Ok(None);
        }
        db.entid(&value).map_err(|error| EvalError::from_factum(&error, self.span_of(at)))
    }

    pub(super) fn unfit(&self, at: usize, expected: &str, found: &Item) -> EvalError {
        let (name, found) = (self.name, found.type_name());
        let message = format!("argument {} of {name} must be {expected}, not a {found}", at + 1);
        EvalError::new(":exec/argument", message, self.span_of(at))
    }
}
