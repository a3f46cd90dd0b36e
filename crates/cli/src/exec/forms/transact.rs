//! Committing and speculating.

use std::sync::Arc;

use super::super::args::Args;
use super::super::error::EvalError;
use super::super::item::Item;
use super::super::session::Session;

pub(super) fn transact(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let conn = args.conn(0)?;
    let (data, meta) = (args.form(1)?, args.value(2)?);
    let report = conn.transact_with(&data, meta).map_err(|error| args.fail(&error))?;
    Ok(Item::Report(Arc::new(report)))
}

pub(super) fn with(_: &mut Session, mut args: Args) -> Result<Item, EvalError> {
    let db = args.db(0)?;
    let (data, meta) = (args.form(1)?, args.value(2)?);
    let report = db.with_meta(&data, meta).map_err(|error| args.fail(&error))?;
    Ok(Item::Report(Arc::new(report)))
}

pub(super) fn db_with(session: &mut Session, args: Args) -> Result<Item, EvalError> {
    match with(session, args)? {
        Item::Report(report) => Ok(Item::Db(report.db_after())),
        other => Ok(other),
    }
}
