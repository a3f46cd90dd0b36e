//! Preparing queries, pulls and key-value operations, and executing what was prepared.

use std::rc::Rc;

use edn::Value;
use factum::Input;

use super::super::args::Args;
use super::super::error::EvalError;
use super::super::item::Item;
use super::super::kv::typed;
use super::super::prepared::Prepared;
use super::super::session::Session;
use super::kv::{get_from, update_in};
use super::query::{PullLimits, Written, pattern, pull_one};

type Answer = Result<Item, EvalError>;

fn prepared(what: &'static str, view: Item, run: impl Fn(&mut Session, Args) -> Answer + 'static) -> Answer {
    Ok(Item::Prepared(Rc::new(Prepared::new(what, view, run))))
}

/// `(execute-prepared prepared view? input)`
pub(super) fn execute(session: &mut Session, mut args: Args) -> Answer {
    let prepared = match args.item(0) {
        Item::Prepared(prepared) => prepared,
        other => return Err(args.unfit(0, "what prepare-q, prepare-pull or the like gave", &other)),
    };
    let input_at = args.len() - 1;
    let view = (input_at == 2).then(|| (args.item(1), args.span_of(1)));
    let input = (args.item(input_at), args.span_of(input_at));
    prepared.execute(session, view, input, args.span)
}

/// `(prepare-pull db pattern opts?)`
pub(super) fn prepare_pull(_: &mut Session, mut args: Args) -> Answer {
    let view = args.view(0)?;
    let pattern = pattern(&mut args, 1)?;
    let limits = PullLimits::read(&mut args, 2)?;
    // What the pattern gets wrong about the schema is said now.
    let db = args.db_of(view.clone(), 0)?;
    db.puller(&pattern).map_err(|error| args.fail(&error))?;
    prepared("pull", view, move |session, mut args| {
        let db = args.db(0)?;
        let Some(entity) = args.entity(1, &db)? else { return Ok(Item::NIL) };
        pull_one(session, &args, &db, (&pattern, &limits), entity)
    })
}

/// `(prepare-q db query)`
pub(super) fn prepare_q(session: &mut Session, mut args: Args) -> Answer {
    let view = args.view(0)?;
    let written = Written::read(session, &mut args, 1)?;
    let takes = written.inputs_after_source().ok_or_else(|| {
        let message = "a prepared query has a database as its first input";
        let mut error = EvalError::new(":prepared/query-inputs", message, args.span_of(1));
        error.hint = Some("begin its :in with $".to_owned());
        error
    })?;
    let db = args.db_of(view.clone(), 0)?;
    let query = db.prepare::<Vec<Input>, Value>(written.query()).map_err(|error| args.fail(&error))?;
    prepared("query", view, move |session, mut args| {
        let db = args.db(0)?;
        let inputs = args.value(1)?;
        let Some(values) = inputs.as_sequence().filter(|values| values.len() == takes) else {
            let message = format!("the inputs of this prepared query are a vector of {takes}");
            return Err(EvalError::new(":prepared/query-inputs", message, args.span_of(1)));
        };
        let inputs = [db.into()].into_iter().chain(values.iter().cloned().map(Input::from)).collect();
        let result = query.run_under(inputs, &session.query_options());
        let result = result.map_err(|error| {
            // The query's text is elsewhere: what is wrong now is shown at the call.
            EvalError { span: Some(args.span), ..EvalError::from_factum(&error, args.span) }
        })?;
        for warning in result.warnings() {
            session.warn(warning.to_string());
        }
        Ok(Item::Value(result.into_value()))
    })
}

/// `(prepare-get-value kv table k-type? v-type? ignore-key?)`
pub(super) fn prepare_get_value(_: &mut Session, mut args: Args) -> Answer {
    let store = args.kv_view(0)?;
    let table = args.name_at(1)?;
    let (keys, values, ignore_key) = (args.key_type(2)?, args.key_type(3)?, args.flag(4, true)?);
    prepared("get-value", store, move |_, mut args| {
        let target = args.kv_target(0)?;
        let dbi = target.dbi(&table, args.span)?;
        let key = args.value(1)?;
        target.read(args.span, |read| {
            let table =
                typed(read, dbi, keys.clone(), values.clone()).map_err(|error| args.kv_error(&error))?;
            get_from(&table, read, &key, ignore_key, &args)
        })
    })
}

/// `(prepare-update-kv kv table f k-type? v-type? & args)`
pub(super) fn prepare_update_kv(_: &mut Session, mut args: Args) -> Answer {
    let store = args.kv_view(0)?;
    let table = args.name_at(1)?;
    let more = args.values_from(5)?;
    let function = args.function(2, false, 1 + more.len())?;
    let (keys, values) = (args.key_type(3)?, args.key_type(4)?);
    prepared("update-kv", store, move |_, mut args| {
        let target = args.kv_target(0)?;
        let dbi = target.dbi(&table, args.span)?;
        let key = args.value(1)?;
        target.write(args.span, |txn| {
            let table =
                typed(txn, dbi, keys.clone(), values.clone()).map_err(|error| args.kv_error(&error))?;
            update_in(&table, txn, &key, (&function, &more), &args)
        })
    })
}
