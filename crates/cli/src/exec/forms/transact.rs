//! Committing and speculating.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edn::Value;
use factum::TxReport;

use super::super::args::{Args, Target};
use super::super::error::EvalError;
use super::super::item::{Item, OpenTransaction, Promise, report_map};
use super::super::session::Session;

pub(super) fn transact(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let target = args.target(0)?;
    let (data, meta) = (args.tx_data(1)?, args.value(2)?);
    let report = match target {
        Target::Conn(conn) => conn.transact_with(&data, meta),
        Target::Transaction(tx) => with_open(&tx, |tx| tx.transact_with(&data, meta)),
    };
    Ok(Item::Report(Arc::new(report.map_err(|error| args.fail(&error))?)))
}

pub(super) fn transact_ack(session: &mut Session, args: Args) -> Result<Item, EvalError> {
    transact(session, args)?;
    Ok(Item::Value(Value::keyword("transacted")))
}

fn with_open<R>(
    tx: &OpenTransaction,
    work: impl FnOnce(&mut factum::Transaction) -> factum::Result<R>,
) -> factum::Result<R> {
    tx.borrow_mut().as_mut().ok_or(factum::Error::TransactionEnded).and_then(work)
}

pub(super) fn abort(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    match args.target(0)? {
        Target::Transaction(tx) => {
            let aborted = with_open(&tx, |tx| {
                tx.abort();
                Ok(())
            });
            aborted.map_err(|error| args.fail(&error))?;
            Ok(Item::NIL)
        }
        Target::Conn(_) => {
            let message = "abort-transact wants the name that with-transaction gave";
            Err(EvalError::new(":exec/argument", message, args.span_of(0)))
        }
    }
}

/// `(set-explicit-transaction-timeout! ms)`
pub(super) fn set_explicit_timeout(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let limit = match args.value(0)? {
        Value::Nil => None,
        Value::Int(limit @ 1..) => Some(Duration::from_millis(limit as u64)),
        _ => {
            let message = "the time limit is a number of milliseconds, or nil";
            return Err(EvalError::new(":exec/argument", message, args.span_of(0)));
        }
    };
    session.set_explicit_timeout(limit);
    Ok(Item::NIL)
}

/// `(explicit-transaction-timeout ms?)`
pub(super) fn explicit_timeout(session: &mut Session, args: Args) -> Result<Item, EvalError> {
    if args.len() > 0 {
        set_explicit_timeout(session, args)?;
    }
    let limit = session.explicit_timeout();
    Ok(Item::Value(limit.map_or(Value::Nil, |limit| Value::Int(limit.as_millis() as i64))))
}

pub(super) fn transact_async(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let conn = args.conn(0)?;
    let data = args.tx_data(1)?;
    let pending = conn.transact_async_meta(&data, args.value(2)?).map_err(|error| args.fail(&error))?;
    Ok(Item::Pending(Rc::new(RefCell::new(Promise::Open(pending)))))
}

/// The report behind a promise, the database of a connection.
pub(super) fn deref(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let promise = match args.item(0) {
        Item::Pending(promise) => promise,
        Item::KvPending(promise) => return promise.wait(args.span).map(Item::Value),
        Item::Conn(conn) => return conn.db().map(Item::Db).map_err(|error| args.fail(&error)),
        other => return Ok(other),
    };
    let unfinished = EvalError::from_factum(&factum::Error::WouldWaitForItself, args.span);
    let kept = match promise.replace(Promise::Kept(Err(unfinished))) {
        Promise::Open(pending) => pending.wait().map(Arc::new).map_err(|error| args.fail(&error)),
        Promise::Kept(kept) => kept,
    };
    promise.replace(Promise::Kept(kept.clone()));
    kept.map(Item::Report)
}

pub(super) fn listen(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let (conn, key) = (args.conn(0)?, args.value(1)?);
    let heard: Arc<Mutex<Vec<TxReport>>> = Arc::default();
    let heard_by_listener = heard.clone();
    conn.listen(key.to_string(), move |report| {
        heard_by_listener.lock().unwrap_or_else(PoisonError::into_inner).push(report.clone());
    });
    session.hear(key.clone(), heard);
    Ok(Item::Value(key))
}

pub(super) fn unlisten(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let (conn, key) = (args.conn(0)?, args.value(1)?);
    Ok(Item::Value(Value::Bool(conn.unlisten(&key.to_string()))))
}

pub(super) fn heard(session: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let key = args.value(0)?;
    let reports = session.take_heard(&key);
    let reports = reports.iter().map(report_map).collect::<Result<Vec<_>, _>>();
    reports.map(|reports| Item::Value(Value::Vector(reports))).map_err(|error| args.fail(&error))
}

pub(super) fn with(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let (data, meta) = (args.tx_data(1)?, args.value(2)?);
    let report = db.with_meta(&data, meta).map_err(|error| args.fail(&error))?;
    Ok(Item::Report(Arc::new(report)))
}

pub(super) fn db_with(session: &mut Session, args: Args) -> Result<Item, EvalError> {
    match with(session, args)? {
        Item::Report(report) => Ok(Item::Db(report.db_after())),
        other => Ok(other),
    }
}
