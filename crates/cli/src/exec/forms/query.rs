//! Asking: queries, plans, pull, entities.

use std::time::{Duration, Instant};

use edn::{Span, Symbol, Value};
use factum::{Db, ExplainOptions, Input, PullPattern, Query, SourceText};

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

/// Where the query was written: its errors count from its own beginning.
struct Place {
    query: Span,
    call: Span,
}

impl Asked {
    fn new(session: &Session, args: &mut Args, at: usize) -> Result<Self, EvalError> {
        let form = args.form(at)?;
        let place = Place { query: form.span, call: args.span };
        let text = session.text().get(form.span.start..form.span.end).unwrap_or_default();
        let text = SourceText::new(text, form.span.start);
        let start = Instant::now();
        let query = Query::from_form(&form, text).map_err(|error| place.error(&error.into()))?;
        let parsed_in = start.elapsed();
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
    let puller = prepare(session, &args, &db, &pattern)?;
    let value = puller.pull(entity).map_err(|error| args.fail(&error.into()))?;
    Ok(Item::Value(value.unwrap_or_default()))
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
    let puller = prepare(session, &args, &db, &pattern)?;
    let values = puller.pull_many(&entities).map_err(|error| args.fail(&error.into()))?;
    Ok(Item::Value(Value::Vector(values.into_iter().map(Option::unwrap_or_default).collect())))
}

fn pattern(args: &mut Args, at: usize) -> Result<PullPattern, EvalError> {
    let form = args.form(at)?;
    PullPattern::parse(&form).map_err(|error| args.fail(&error.into()))
}

fn prepare<'d>(
    session: &mut Session,
    args: &Args,
    db: &'d Db,
    pattern: &PullPattern,
) -> Result<factum::Puller<'d>, EvalError> {
    let puller = db.puller(pattern).map_err(|error| args.fail(&error))?;
    for warning in puller.warnings() {
        session.warn(warning.to_string());
    }
    Ok(puller)
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
