//! Asking: queries, plans, pull, entities.

use std::time::{Duration, Instant};

use edn::{Keyword, Span, Symbol, Value};
use factum::query_engine::ast::Input as InputSpec;
use factum::{Db, EntityId, ExplainOptions, Input, PullOptions, PullPattern, Query, SourceText};

use super::super::args::Args;
use super::super::error::EvalError;
use super::super::item::Item;
use super::super::session::Session;

pub(super) fn q(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let asked = Asked::new(session, &mut args, 0)?;
    let result = factum::query_under(&asked.query, asked.inputs, &session.query_options())
        .map_err(|error| asked.place.error(&error))?;
    for warning in result.warnings() {
        session.warn(warning.to_string());
    }
    Ok(Item::Value(result.into_value()))
}

pub(super) fn explain(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let options = args.value(0)?;
    let run = options.as_map().and_then(|map| map.get(&Value::keyword("run?"))).is_some_and(Value::is_truthy);
    let asked = Asked::new(session, &mut args, 1)?;
    let what = ExplainOptions { run, parsed_in: Some(asked.parsed_in) };
    let explanation = factum::explain_under(&asked.query, asked.inputs, &session.query_options(), what)
        .map_err(|error| asked.place.error(&error))?;
    Ok(Item::Value(explanation.to_value()))
}

/// The query of a call and, after it, what fills its `:in`.
struct Asked {
    query: Query,
    inputs: Vec<Input>,
    place: Place,
    parsed_in: Duration,
}

/// A query that was written in a call.
pub(super) struct Written {
    query: Query,
    place: Place,
    parsed_in: Duration,
}

/// Where the query was written: its errors count from its own beginning.
struct Place {
    query: Span,
    call: Span,
}

impl Written {
    pub(super) fn read(session: &Session, args: &mut Args, at: usize) -> Result<Self, EvalError> {
        let form = args.form(at)?;
        let place = Place { query: form.span, call: args.span };
        let text = session.text().get(form.span.start..form.span.end).unwrap_or_default();
        let text = SourceText::new(text, form.span.start);
        let start = Instant::now();
        let query = Query::from_form(&form, text).map_err(|error| place.error(&error.into()))?;
        Ok(Self { query, place, parsed_in: start.elapsed() })
    }

    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    /// How many inputs stand after the database that is the first one; nothing if the first is not a database.
    pub(super) fn inputs_after_source(&self) -> Option<usize> {
        match self.query.inputs.as_deref() {
            None => Some(0),
            Some([InputSpec::Source(_), more @ ..]) => Some(more.len()),
            Some(_) => None,
        }
    }
}

impl Asked {
    fn new(session: &Session, args: &mut Args, at: usize) -> Result<Self, EvalError> {
        let Written { query, place, parsed_in } = Written::read(session, args, at)?;
        let inputs = (at + 1..args.len()).map(|at| input(args, at)).collect::<Result<_, _>>()?;
        Ok(Self { query, inputs, place, parsed_in })
    }
}

impl Place {
    fn error(&self, error: &factum::Error) -> EvalError {
        let mut shown = EvalError::from_factum(error, self.call);
        if let Some(span) = error.span() {
            let (start, end) = (self.query.start + span.start, self.query.start + span.end);
            // Errors of rules that were given as text count from that text.
            shown.span = Some(if end <= self.query.end { Span::new(start, end) } else { self.call });
        }
        shown
    }
}

fn input(args: &mut Args, at: usize) -> Result<Input, EvalError> {
    match args.item(at) {
        Item::Db(db) => Ok(db.into()),
        Item::Conn(conn) => conn.db().map(Input::from).map_err(|error| args.fail(&error)),
        Item::Transaction(tx) => match &*tx.borrow() {
            Some(tx) => tx.db().map(Input::from).map_err(|error| args.fail(&error)),
            None => Err(args.fail(&factum::Error::TransactionEnded)),
        },
        Item::Function(name) => Ok(named_function(name)),
        Item::Lambda(lambda) => {
            Ok(Input::function(move |arguments| lambda.call(arguments).map_err(|error| error.message.into())))
        }
        other => match other.into_value() {
            Ok(value) => Ok(value.into()),
            Err(other) => {
                let message = format!("a {} cannot be an input of a query", other.type_name());
                Err(EvalError::new(":exec/argument", message, args.span_of(at)))
            }
        },
    }
}

fn named_function(name: Symbol) -> Input {
    Input::function(move |arguments| {
        let result = super::super::lambda::call_named(&name, arguments, edn::Span::default());
        result.map_err(|error| error.message.into())
    })
}

pub(super) fn pull(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let pattern = pattern(&mut args, 1)?;
    let Some(entity) = args.entity(2, &db)? else { return Ok(Item::NIL) };
    let limits = PullLimits::read(&mut args, 3)?;
    pull_one(session, &args, &db, (&pattern, &limits), entity)
}

/// What a pattern shows of an entity.
pub(super) fn pull_one(
    session: &mut Session,
    args: &Args,
    db: &Db,
    (pattern, limits): (&PullPattern, &PullLimits),
    entity: EntityId,
) -> Result<Item, EvalError> {
    let values = pull_all(session, args, db, (pattern, limits), &[Some(entity)])?;
    Ok(Item::Value(values.into_iter().flatten().next().unwrap_or_default()))
}

/// What a pattern shows of entities.
fn pull_all(
    session: &mut Session,
    args: &Args,
    db: &Db,
    (pattern, limits): (&PullPattern, &PullLimits),
    entities: &[Option<EntityId>],
) -> Result<Vec<Option<Value>>, EvalError> {
    let deadline = limits.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let options = PullOptions { deadline, ..PullOptions::default() };
    let puller = db.puller_with(pattern, options).map_err(|error| args.fail(&error))?;
    for warning in puller.warnings() {
        session.warn(warning.to_string());
    }
    puller.pull_many(entities).map_err(|error| args.fail(&error.into()))
}

/// `{:timeout milliseconds}`
pub(super) struct PullLimits {
    timeout: Option<Duration>,
}

impl PullLimits {
    /// Those of the argument at `at`, if there is one.
    pub(super) fn read(args: &mut Args, at: usize) -> Result<Self, EvalError> {
        let mut limits = Self { timeout: None };
        if !args.has(at) {
            return Ok(limits);
        }
        let span = args.span_of(at);
        let wrong = |message: String| {
            let mut error = EvalError::new(":exec/argument", message, span);
            error.hint =
                Some("the options of pull are {:timeout milliseconds}; visitors are for Rust".to_owned());
            error
        };
        let options = args.value(at)?;
        let Some(options) = options.as_map() else {
            return Err(wrong(format!("options are a map, not a {}", options.type_name())));
        };
        for (key, value) in options {
            match (key.as_keyword().map(Keyword::as_str), value) {
                (Some("timeout"), Value::Nil) => {}
                (Some("timeout"), Value::Int(limit @ 1..)) => {
                    limits.timeout = Some(Duration::from_millis(*limit as u64));
                }
                _ => return Err(wrong(format!("pull has no option {key} {value}"))),
            }
        }
        Ok(limits)
    }
}

pub(super) fn pull_many(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let pattern = pattern(&mut args, 1)?;
    let refs = args.value(2)?;
    let refs: Vec<&Value> = match &refs {
        Value::Set(items) => items.iter().collect(),
        other => match other.as_sequence() {
            Some(items) => items.iter().collect(),
            None => {
                let message = format!("pull-many takes a sequence of entities, not a {}", other.type_name());
                return Err(EvalError::new(":exec/argument", message, args.span_of(2)));
            }
        },
    };
    let mut entities = Vec::with_capacity(refs.len());
    for reference in refs {
        entities.push(db.entid(reference).map_err(|error| args.fail(&error))?);
    }
    let limits = PullLimits::read(&mut args, 3)?;
    let values = pull_all(session, &args, &db, (&pattern, &limits), &entities)?;
    Ok(Item::Value(Value::Vector(values.into_iter().map(Option::unwrap_or_default).collect())))
}

pub(super) fn pattern(args: &mut Args, at: usize) -> Result<PullPattern, EvalError> {
    let form = args.form(at)?;
    PullPattern::parse(&form).map_err(|error| args.fail(&error.into()))
}

pub(super) fn entity(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let reference = args.value(1)?;
    // As in Datalevin, what cannot name an entity is no entity.
    if reference.is_nil() || reference.as_str().is_some() {
        return Ok(Item::NIL);
    }
    let entity = db.entity(&reference).map_err(|error| args.fail(&error))?;
    Ok(entity.map_or(Item::NIL, Item::Entity))
}

pub(super) fn touch(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    match args.item(0) {
        Item::Entity(entity) => entity.touch().map(Item::Value).map_err(|error| args.fail(&error.into())),
        other => Ok(other),
    }
}

pub(super) fn entid(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let reference = args.value(1)?;
    let id = db.entid(&reference).map_err(|error| args.fail(&error))?;
    Ok(Item::Value(id.map_or(Value::Nil, |id| Value::Int(id.0 as i64))))
}
