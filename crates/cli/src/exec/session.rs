//! [`Session`]: evaluating forms one after the other, with the names that `def` gave.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edn::{Form, FormKind, Keyword, Span, Symbol, Value};
use factum::interpret::{self, Object};
use factum::{CancelToken, EntityValue, QueryOptions, TxReport};

use super::args::Args;
use super::error::EvalError;
use super::feed::Feed;
use super::forms::{self, FormSpec};
use super::item::Item;
use super::kv::KvTxn;
use super::lambda::Lambda;
use super::special::{self, threaded};

/// The state between forms.
#[derive(Default)]
pub struct Session {
    feed: Feed,
    names: HashMap<Symbol, Item>,
    /// Messages for the person at the terminal, such as the warnings of queries.
    warnings: Vec<String>,
    /// The reports that `listen!` keeps, by key.
    heard: HashMap<Value, Reports>,
    /// Whether transaction data is evaluated, in which entities mean their changes.
    in_tx_data: bool,
    /// What stops the queries of forms.
    cancel: CancelToken,
    /// How long explicit transactions may take that do not say it themselves.
    explicit_timeout: Option<Duration>,
}

type Reports = Arc<Mutex<Vec<TxReport>>>;

impl Session {
    /// Lets this token stop the queries of the forms to come.
    pub fn set_cancel(&mut self, cancel: CancelToken) {
        self.cancel = cancel;
    }

    /// How queries of forms are run.
    pub fn query_options(&self) -> QueryOptions {
        QueryOptions::new().cancel(self.cancel.clone())
    }

    pub(super) fn explicit_timeout(&self) -> Option<Duration> {
        self.explicit_timeout
    }

    pub(super) fn set_explicit_timeout(&mut self, limit: Option<Duration>) {
        self.explicit_timeout = limit;
    }

    /// Where text goes in and forms come out.
    pub fn feed(&mut self) -> &mut Feed {
        &mut self.feed
    }

    /// All text that was fed; places count from its beginning.
    pub fn text(&self) -> &str {
        self.feed.text()
    }

    /// Gives a name to something.
    pub fn define(&mut self, name: &str, item: Item) {
        self.names.insert(Symbol::parse(name), item);
    }

    /// Gives a name another meaning, or none; what it had is handed back.
    pub(super) fn bind(&mut self, name: Symbol, item: Option<Item>) -> Option<Item> {
        match item {
            Some(item) => self.names.insert(name, item),
            None => self.names.remove(&name),
        }
    }

    /// All names that `def` gave.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(Symbol::as_str)
    }

    /// The warnings since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    pub(super) fn hear(&mut self, key: Value, reports: Reports) {
        self.heard.insert(key, reports);
    }

    pub(super) fn take_heard(&mut self, key: &Value) -> Vec<TxReport> {
        let reports = self.heard.get(key);
        let take =
            |reports: &Reports| std::mem::take(&mut *reports.lock().unwrap_or_else(PoisonError::into_inner));
        reports.map(take).unwrap_or_default()
    }

    /// The value of a form.
    pub fn eval(&mut self, form: &Form) -> Result<Item, EvalError> {
        match &form.kind {
            FormKind::Atom(Value::Symbol(name)) => self.eval_symbol(name, form.span),
            FormKind::Atom(_) => Ok(Item::Form(form.clone())),
            FormKind::List(items) => match items.as_slice() {
                [] => Ok(Item::Form(form.clone())),
                [head, args @ ..] => self.eval_call(form, head, args),
            },
            FormKind::Vector(items) => self.eval_collection(form, items, FormKind::Vector),
            FormKind::Set(items) => self.eval_collection(form, items, FormKind::Set),
            FormKind::Map(entries) => {
                let mut evaluated = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    evaluated.push((self.eval_data(key)?, self.eval_data(value)?));
                }
                Ok(Item::Form(Form { span: form.span, kind: FormKind::Map(evaluated) }))
            }
            FormKind::Tagged(tag, inner) => {
                let inner = Box::new(self.eval_data(inner)?);
                Ok(Item::Form(Form { span: form.span, kind: FormKind::Tagged(tag.clone(), inner) }))
            }
        }
    }

    fn eval_symbol(&self, name: &Symbol, span: Span) -> Result<Item, EvalError> {
        if let Some(item) = self.names.get(name) {
            return Ok(item.clone());
        }
        if interpret::is_function(name) {
            return Ok(Item::Function(name.clone()));
        }
        let mut error = EvalError::new(":exec/unknown-name", format!("{name} is not defined"), span);
        error.hint = edn::nearest(name.as_str(), self.names()).map(|near| format!("did you mean {near}?"));
        Err(error)
    }

    fn eval_collection(
        &mut self,
        form: &Form,
        items: &[Form],
        kind: fn(Vec<Form>) -> FormKind,
    ) -> Result<Item, EvalError> {
        let items = items.iter().map(|item| self.eval_data(item)).collect::<Result<_, _>>()?;
        Ok(Item::Form(Form { span: form.span, kind: kind(items) }))
    }

    /// An element of a collection, which must be data itself.
    fn eval_data(&mut self, form: &Form) -> Result<Form, EvalError> {
        let in_tx_data = self.in_tx_data;
        let item = self.eval(form)?;
        if let (true, Item::Lambda(lambda)) = (in_tx_data, &item) {
            return lambda.to_data();
        }
        let data = if in_tx_data { item.into_part_of_tx_data() } else { item.into_form() };
        let data = data.map_err(|item| {
            let message = format!("a {} cannot be part of data", item.type_name());
            EvalError::new(":exec/argument", message, form.span)
        })?;
        // Computed data takes the place of the expression that computed it.
        Ok(if data.span == Span::default() { Form { span: form.span, ..data } } else { data })
    }

    fn eval_call(&mut self, form: &Form, head: &Form, args: &[Form]) -> Result<Item, EvalError> {
        let name = match head.as_atom() {
            Some(Value::Symbol(name)) => name,
            Some(Value::Keyword(key)) => return self.eval_lookup(form, key, args),
            _ => {
                let Item::Lambda(lambda) = self.eval(head)? else {
                    let message = "only named forms, keywords and functions can be called";
                    return Err(EvalError::new(":exec/call", message, head.span));
                };
                let (items, options) = (self.eval_args(args)?, self.query_options());
                let result = lambda.apply(&objects("a function", items, args)?, &options);
                return given(result, form);
            }
        };
        // Datalevin's functions are often called by their alias, and two special forms are among them.
        let special = match name.as_str() {
            "d/with-transaction-kv" => "with-transaction-kv",
            "d/with-transaction" => "with-transaction",
            other => other,
        };
        match (special, args) {
            ("quote", [data]) => return Ok(Item::Form(data.clone())),
            ("do", _) => return args.iter().try_fold(Item::NIL, |_, form| self.eval(form)),
            ("def", [name, value]) => return self.eval_def(name, value),
            ("def", _) => {
                let message = format!("expected (def name form), got {} arguments", args.len());
                return Err(EvalError::new(":exec/arity", message, form.span));
            }
            ("get", [thing, key, default @ ..]) if default.len() < 2 => {
                if let Some(Value::Keyword(key)) = key.as_atom() {
                    let thing = self.eval(thing)?;
                    if matches!(thing, Item::Entity(_) | Item::Report(_)) {
                        return self.look_up(form, &thing, key, default);
                    }
                }
            }
            ("contains?", [thing, key]) => {
                if let Some(Value::Keyword(key)) = key.as_atom()
                    && let Item::Entity(entity) = self.eval(thing)?
                {
                    let found = entity.contains(key.clone());
                    let found = found.map_err(|error| EvalError::from_factum(&error.into(), form.span))?;
                    return Ok(Item::Value(Value::Bool(found)));
                }
            }
            ("comment", _) => return Ok(Item::NIL),
            ("let", [bindings, body @ ..]) => return self.eval_let(bindings, body),
            ("if", [test, then]) => return self.eval_if(test, then, None),
            ("if", [test, then, otherwise]) => return self.eval_if(test, then, Some(otherwise)),
            ("when", [test, body @ ..]) => return self.eval_when(test, body),
            ("->", [first, steps @ ..]) => return self.eval(&threaded(first, steps, false)?),
            ("->>", [first, steps @ ..]) => return self.eval(&threaded(first, steps, true)?),
            ("if-not", [test, then]) => return self.eval_if(test, &nil(test), Some(then)),
            ("if-not", [test, then, otherwise]) => return self.eval_if(test, otherwise, Some(then)),
            ("when-not", [test, body @ ..]) => {
                return if self.eval(test)?.is_truthy() { Ok(Item::NIL) } else { self.eval_body(body) };
            }
            ("if-let", [binding, then, otherwise @ ..]) if otherwise.len() < 2 => {
                return self.eval_if_let(binding, Item::is_truthy, std::slice::from_ref(then), otherwise);
            }
            ("if-some", [binding, then, otherwise @ ..]) if otherwise.len() < 2 => {
                return self.eval_if_let(binding, Item::is_some, std::slice::from_ref(then), otherwise);
            }
            ("when-let", [binding, body @ ..]) => {
                return self.eval_if_let(binding, Item::is_truthy, body, &[]);
            }
            ("when-some", [binding, body @ ..]) => {
                return self.eval_if_let(binding, Item::is_some, body, &[]);
            }
            ("cond", clauses) => return self.eval_cond(clauses),
            ("for", [bindings, body]) => return self.eval_for(form, bindings, body),
            ("doseq", [bindings, body @ ..]) => return self.eval_doseq(bindings, body),
            ("dotimes", [binding, body @ ..]) => return self.eval_dotimes(binding, body),
            ("case", [thing, clauses @ ..]) => return self.eval_case(form, thing, clauses),
            (
                "let" | "if" | "if-not" | "when" | "when-not" | "if-let" | "if-some" | "when-let"
                | "when-some" | "for" | "doseq" | "dotimes" | "case" | "->" | "->>",
                _,
            ) => return Err(special::arity(name, form)),
            ("fn" | "inter-fn" | "d/inter-fn", _) => return self.eval_fn(form),
            ("with-transaction-kv", [binding, body @ ..]) => {
                return self.eval_transaction_kv(form, binding, body);
            }
            ("with-transaction", [binding, body @ ..]) => {
                return self.eval_transaction(form, binding, body);
            }
            _ => {}
        }
        if let Some(Item::Prepared(prepared)) = self.names.get(name).cloned() {
            let [input] = args else {
                let message = format!("expected ({name} input), got {} arguments", args.len());
                return Err(EvalError::new(":exec/arity", message, form.span));
            };
            let item = self.eval(input)?;
            return prepared.execute(self, None, (item, input.span), form.span);
        }
        match forms::find(name.as_str()) {
            Some(spec) => self.eval_form(spec, form, args),
            None => self.eval_function(name, form, args),
        }
    }

    fn eval_def(&mut self, name: &Form, value: &Form) -> Result<Item, EvalError> {
        let Some(symbol) = name.as_symbol() else {
            return Err(EvalError::new(
                ":exec/argument",
                "def gives a name: its first argument is a symbol",
                name.span,
            ));
        };
        let item = self.eval(value)?;
        self.names.insert(symbol.clone(), item.clone());
        Ok(item)
    }

    /// `(with-transaction [tx conn opts?] body ..)`: the body's value, after everything done through `tx` was committed.
    fn eval_transaction(&mut self, form: &Form, binding: &Form, body: &[Form]) -> Result<Item, EvalError> {
        let (name, conn, options) = match binding.as_sequence() {
            Some([name, conn, options @ ..]) if name.as_symbol().is_some() && options.len() < 2 => {
                (name, conn, options.first())
            }
            _ => {
                let message = "with-transaction begins with [name conn], or [name conn {:timeout-ms n}]";
                return Err(EvalError::new(":exec/argument", message, binding.span));
            }
        };
        let fail = |error: &factum::Error| EvalError::from_factum(error, form.span);
        let Item::Conn(conn) = self.eval(conn)? else {
            let message = "a transaction is begun on a connection";
            return Err(EvalError::new(":exec/argument", message, conn.span));
        };
        let limit = options.map(|options| self.timeout_of(options)).transpose()?.or(self.explicit_timeout);
        let mut tx = conn.begin().map_err(|error| fail(&error))?;
        if let Some(limit) = limit {
            tx.set_timeout(limit);
        }
        let open = Rc::new(RefCell::new(Some(tx)));
        let symbol = Symbol::parse(name.as_symbol().map_or("", Symbol::as_str));
        let result = self.eval_with(vec![(symbol, Item::Transaction(open.clone()))], body);
        // Whatever still refers to the transaction finds it ended.
        let tx = open.borrow_mut().take();
        let result = result?;
        match tx {
            Some(tx) if !tx.is_ended() => tx.commit().map_err(|error| fail(&error))?,
            _ => return Ok(result),
        };
        Ok(result)
    }

    /// `(fn [k v] expression)`; names stand for the data that they have now.
    pub(super) fn eval_fn(&self, form: &Form) -> Result<Item, EvalError> {
        let names = |name: &Symbol| self.names.get(name).and_then(|item| item.clone().into_object().ok());
        Lambda::compile(form, &names).map(|lambda| Item::Lambda(Arc::new(lambda)))
    }

    /// `(with-transaction-kv [tx kv] body ..)`: the body's value, after everything done through `tx` was committed. An
    /// error takes everything back. Begun on a transaction, it is a part of that.
    fn eval_transaction_kv(&mut self, form: &Form, binding: &Form, body: &[Form]) -> Result<Item, EvalError> {
        let Some([name, store]) = binding.as_sequence() else {
            let message = "with-transaction-kv begins with [name store]";
            return Err(EvalError::new(":exec/argument", message, binding.span));
        };
        let Some(symbol) = name.as_symbol().cloned() else {
            return Err(EvalError::new(":exec/argument", "a transaction is given a name", name.span));
        };
        let (item, own) = match self.eval(store)? {
            Item::Kv(kv) => {
                let txn = KvTxn::begin(&kv, form.span)?;
                (Item::KvTxn(txn.clone()), Some(txn))
            }
            outer @ (Item::KvTxn(_) | Item::Transaction(_)) => (outer, None),
            other => {
                let message =
                    format!("a key-value transaction is begun on a store, not on a {}", other.type_name());
                return Err(EvalError::new(":exec/argument", message, store.span));
            }
        };
        let result = self.eval_with(vec![(symbol, item)], body);
        if let Some(txn) = own {
            txn.end(result.is_ok(), form.span)?;
        }
        result
    }

    /// `{:timeout-ms n}`
    fn timeout_of(&mut self, options: &Form) -> Result<Duration, EvalError> {
        let value = self.eval_data(options)?.to_value();
        match value.as_map().map(|map| map.iter().collect::<Vec<_>>()).as_deref() {
            Some([(key, Value::Int(limit @ 1..))]) if **key == Value::keyword("timeout-ms") => {
                Ok(Duration::from_millis(*limit as u64))
            }
            _ => {
                let message = "the options of with-transaction are {:timeout-ms n}";
                Err(EvalError::new(":exec/argument", message, options.span))
            }
        }
    }

    fn eval_form(&mut self, spec: &'static FormSpec, form: &Form, args: &[Form]) -> Result<Item, EvalError> {
        if !spec.takes(args.len()) {
            let message = format!("expected {}, got {} arguments", spec.usage, args.len());
            return Err(EvalError::new(":exec/arity", message, form.span));
        }
        let mut items = Vec::with_capacity(args.len());
        for (at, arg) in args.iter().enumerate() {
            // A pattern or query that was written out is data, quoted or not.
            let literal =
                spec.literal == Some(at) && matches!(arg.kind, FormKind::Vector(_) | FormKind::Map(_));
            let outer = std::mem::replace(&mut self.in_tx_data, spec.tx_data == Some(at));
            let item = if literal { Ok(Item::Form(arg.clone())) } else { self.eval(arg) };
            self.in_tx_data = outer;
            items.push((item?, arg.span));
        }
        (spec.run)(self, Args::new(spec.name, form.span, items))
    }

    /// `(:key thing)`, `(:key thing default)`
    fn eval_lookup(&mut self, form: &Form, key: &Keyword, args: &[Form]) -> Result<Item, EvalError> {
        let [thing, default @ ..] = args else {
            return Err(EvalError::new(":exec/arity", format!("expected ({key} thing)"), form.span));
        };
        let thing = self.eval(thing)?;
        self.look_up(form, &thing, key, default)
    }

    fn look_up(
        &mut self,
        form: &Form,
        thing: &Item,
        key: &Keyword,
        default: &[Form],
    ) -> Result<Item, EvalError> {
        let default = default.first().map(|default| self.eval(default)).transpose()?;
        let found = lookup(thing, key).map_err(|error| EvalError::from_factum(&error, form.span))?;
        Ok(found.or(default).unwrap_or(Item::NIL))
    }

    /// A function: one that `def` gave a name, a built-in one of the query language (`(+ 1 2)`, `(count xs)`), or one of those that
    /// functions can use (`(mapv inc xs)`).
    fn eval_function(&mut self, name: &Symbol, form: &Form, args: &[Form]) -> Result<Item, EvalError> {
        let named = self.names.get(name).cloned();
        let is_known = matches!(named, Some(Item::Lambda(_))) || interpret::is_function(name);
        if !is_known {
            let known = SPECIAL.iter().copied().chain(forms::FORMS.iter().map(|spec| spec.name));
            let mut error =
                EvalError::new(":exec/unknown-form", format!("there is no form {name}"), form.span);
            error.hint = edn::nearest(name.as_str(), known).map(|near| format!("did you mean {near}?"));
            return Err(error);
        }
        let items = self.eval_args(args)?;
        let is_data = |item: &Item| matches!(item, Item::Form(_) | Item::Value(_) | Item::Entity(_));
        if named.is_none() && factum::is_function(name) && items.iter().all(is_data) {
            let values: Vec<Value> = items.into_iter().filter_map(|item| item.into_value().ok()).collect();
            let value = factum::call_function(name, &values)
                .map_err(|error| EvalError::from_factum(&error.into(), form.span))?;
            return Ok(Item::Value(value));
        }
        let (objects, options) = (objects(name.as_str(), items, args)?, self.query_options());
        let result = match named {
            Some(Item::Lambda(lambda)) => lambda.apply(&objects, &options),
            _ => interpret::call_named(name, &objects, &options).unwrap_or(Ok(Object::Value(Value::Nil))),
        };
        given(result, form)
    }

    /// The arguments of a function. Within transaction data they are computed as anywhere else.
    fn eval_args(&mut self, args: &[Form]) -> Result<Vec<Item>, EvalError> {
        let outer = std::mem::take(&mut self.in_tx_data);
        let items = args.iter().map(|arg| self.eval(arg)).collect();
        self.in_tx_data = outer;
        items
    }
}

/// Arguments as functions take them.
fn objects(function: &str, items: Vec<Item>, args: &[Form]) -> Result<Vec<Object>, EvalError> {
    let object = |(item, arg): (Item, &Form)| {
        item.into_object().map_err(|item| {
            let message = format!("a {} cannot be an argument of {function}", item.type_name());
            EvalError::new(":exec/argument", message, arg.span)
        })
    };
    items.into_iter().zip(args).map(object).collect()
}

/// What a function gave to the form that called it.
pub(super) fn given(
    result: Result<Object, interpret::InterpretError>,
    form: &Form,
) -> Result<Item, EvalError> {
    result.and_then(Item::of_object).map_err(|error| EvalError::from_interpret(error, form.span))
}

/// The forms that evaluate their parts in their own way.
pub const SPECIAL: [&str; 23] = [
    "with-transaction-kv",
    "def",
    "do",
    "quote",
    "comment",
    "fn",
    "let",
    "if",
    "if-not",
    "if-let",
    "if-some",
    "when",
    "when-not",
    "when-let",
    "when-some",
    "cond",
    "case",
    "for",
    "doseq",
    "dotimes",
    "->",
    "->>",
    "with-transaction",
];

fn nil(beside: &Form) -> Form {
    special::beside(beside, FormKind::Atom(Value::Nil))
}

/// What a keyword finds in a report, an entity or a map.
fn lookup(thing: &Item, key: &Keyword) -> Result<Option<Item>, factum::Error> {
    Ok(match thing {
        Item::Report(report) => match key.as_str() {
            "db-before" => Some(Item::Db(report.db_before())),
            "db-after" => Some(Item::Db(report.db_after())),
            _ => super::item::report_map(report)?
                .as_map()
                .and_then(|map| map.get(&Value::Keyword(key.clone())))
                .cloned()
                .map(|value| if key.as_str() == "tx-data" { datoms(value) } else { Item::Value(value) }),
        },
        Item::Datom(parts) => {
            let key = Object::Value(Value::Keyword(key.clone()));
            let found = Object::Datom(Arc::clone(parts)).lookup(&key).ok().flatten();
            found.and_then(|part| Item::of_object(part).ok())
        }
        Item::Entity(entity) => entity.get(key.clone())?.map(|value| match value {
            EntityValue::Entity(entity) => Item::Entity(entity),
            EntityValue::Entities(entities) => Item::Entities(entities),
            other => Item::Value(other.to_value()),
        }),
        Item::Form(form) => find(&form.to_value(), key).map(Item::Value),
        Item::Value(value) => find(value, key).map(Item::Value),
        _ => None,
    })
}

/// The datoms of a report.
fn datoms(value: Value) -> Item {
    let Value::Vector(datoms) = value else { return Item::Value(value) };
    let datom = |datom: Value| match datom {
        Value::Vector(parts) => Object::Datom(parts.into()),
        other => Object::Value(other),
    };
    Item::Sequence(Arc::new(datoms.into_iter().map(datom).collect()))
}

fn find(value: &Value, key: &Keyword) -> Option<Value> {
    let key = Value::Keyword(key.clone());
    match value {
        Value::Map(entries) => BTreeMap::get(entries, &key).cloned(),
        Value::Set(items) => BTreeSet::get(items, &key).cloned(),
        _ => None,
    }
}
